/* Page runs of a trace's resident events: any bytes are read within the guest, or refused; what was read is
 * written so that reading it gives the same. */
#include "look/runs.h"
#include <stdlib.h>
#include <string.h>

#define PAGES 5000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_bitmap once, again;
        struct hb_buf out = {0};

        if (hb_bitmap_init(&once, PAGES) < 0)
                return 0;
        if (hb_bitmap_init(&again, PAGES) == 0 && hb_look_runs_read(data, size, &once) == 0) {
                hb_look_runs_write(&once, &out);
                if (!out.failed && (hb_look_runs_read(out.data, out.len, &again) < 0 ||
                                    memcmp(once.words, again.words, (PAGES + 63) / 64 * 8) != 0))
                        abort();
        }
        hb_buf_free(&out);
        hb_bitmap_fini(&once);
        hb_bitmap_fini(&again);
        return 0;
}
