/* fuzz_track_state: any bytes as the header of a tracker's state file: refused, or encoded again to the same
 * bytes. */
#include "track/state.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_rd in = hb_rd_init(data, size);
        struct hb_state_header h;
        struct hb_buf out = {0};

        if (hb_state_decode(&in, &h) < 0)
                return 0;
        if (h.identity < data || h.identity + h.identity_bytes > data + size)
                abort();
        hb_state_encode(&h, &out);
        if (out.failed || out.len > size)
                abort();
        hb_buf_free(&out);
        return 0;
}
