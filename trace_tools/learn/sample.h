/* sample: which pages a lesson is about: of the pages that were ever touched, and, one in eight, of their
 * untouched neighbours (pages of a block of which any was touched), which is where new pages come from. */
#pragma once
#include "base/bitmap.h"
#include "map/history.h"

struct hb_sample {
        uint32_t *gfn; /* ascending */
        uint32_t n;
};

/* At most `most` pages. `touched` has a bit a page of the guest. *ret->gfn is the caller's to free. -ENOMEM.
 */
int hb_sample_take(const struct hb_bitmap *touched, uint32_t most, uint64_t *random, struct hb_sample *ret);
