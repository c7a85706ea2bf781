/* INVALIDATE and ZERO bodies as a peer may send them: refused, or every page inside the guest. */
#include "map/announce.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_bitmap b;
        struct hb_announce a, head;
        if (hb_bitmap_init(&b, HB_ANNOUNCE_SPAN + 100) < 0)
                return 0;
        if (hb_announce_decode(data, size, &a, &b) == 0 &&
            (a.from >= a.to || hb_bitmap_count(&b) > b.bits || hb_announce_head(data, size, &head) < 0 ||
             head.to != a.to || head.more != a.more))
                abort();
        hb_bitmap_fini(&b);
        return 0;
}
