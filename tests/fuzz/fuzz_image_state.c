/* The head of an image's state file: what decodes must have a valid shape and names and encode to a head that
 * decodes alike. */
#include "place/image_state.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_image_state s, again;
        uint8_t head[HB_IMAGE_HEAD];

        if (hb_image_state_decode(data, size, &s) < 0)
                return 0;
        if (!hb_name_ok(s.id.guest) || !hb_name_ok(s.id.source) || s.shape.pages == 0)
                abort();
        if (hb_image_state_encode(&s, head) < 0 || hb_image_state_decode(head, sizeof(head), &again) < 0)
                abort();
        if (!hb_shape_equal(&s.shape, &again.shape) || s.phase != again.phase ||
            s.processed != again.processed ||
            memcmp(s.id.placement, again.id.placement, sizeof(s.id.placement)) != 0 ||
            memcmp(s.file, again.file, s.shape.nregions * sizeof(s.file[0])) != 0)
                abort();
        return 0;
}
