/* DETAIL bodies as a peer may send them: refused with nothing set, or as many blocks as was said, inside the
 * guest and no more than a message may name; and a list has one spelling. */
#include "map/summary.h"
#include <stdlib.h>
#include <string.h>

#define BLOCKS 10000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_bitmap b;
        struct hb_buf again = {0};
        int64_t n;

        if (hb_bitmap_init(&b, BLOCKS) < 0)
                return 0;
        n = hb_detail_decode(data, size, &b);
        if (n < 0 ? hb_bitmap_count(&b) != 0 : n > HB_DETAIL_BLOCKS || hb_bitmap_count(&b) != (uint64_t)n)
                abort();
        if (n > 0) {
                hb_detail_encode(&b, &again);
                if (!again.failed && again.len > size)
                        abort();
        }
        hb_buf_free(&again);
        hb_bitmap_fini(&b);
        return 0;
}
