/* The page that says whose spill file this is: what decodes must have valid names, a path from the root and
 * pages, and encode to a page that decodes alike. */
#include "place/spill_file.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_spill_head h, again;
        uint8_t page[HB_SPILL_HEAD];

        if (hb_spill_head_decode(data, size, &h) < 0)
                return 0;
        if (!hb_name_ok(h.id.guest) || !hb_name_ok(h.id.source) || h.path[0] != '/' || h.pages == 0)
                abort();
        if (hb_spill_head_encode(&h, page) < 0 || hb_spill_head_decode(page, sizeof(page), &again) < 0)
                abort();
        if (strcmp(h.path, again.path) != 0 || strcmp(h.id.guest, again.id.guest) != 0 ||
            h.key != again.key || h.pages != again.pages || h.dev != again.dev || h.ino != again.ino ||
            memcmp(h.id.placement, again.id.placement, sizeof(h.id.placement)) != 0)
                abort();
        return 0;
}
