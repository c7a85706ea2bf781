/* Page runs: whatever decodes must encode to the same bytes, and what does not must change nothing. */
#include "map/summary.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_bitmap b;
        struct hb_buf again = {0};
        struct hb_rd rd = hb_rd_init(data, size);
        int64_t pages;

        if (hb_bitmap_init(&b, 5000) < 0)
                return 0;
        pages = hb_runs_decode(&rd, &b);
        if (hb_bitmap_count(&b) != (pages < 0 ? 0u : (uint64_t)pages))
                abort();
        hb_runs_encode(&b, &again);
        if (pages >= 0 && !again.failed &&
            (again.len != size || (size && memcmp(again.data, data, size) != 0)))
                abort();
        hb_buf_free(&again);
        hb_bitmap_fini(&b);
        return 0;
}
