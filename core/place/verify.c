/* verify: see verify.h. About 18 GB/s a core. */
#include "place/verify.h"
#include "base/shape.h"
#include <xxhash.h>

static const uint8_t zeros[HB_PAGE_SIZE];

uint64_t hb_verify_zero(void) {
        return XXH3_64bits(zeros, sizeof zeros);
}

uint64_t hb_verify_page(const uint8_t *page) {
        return XXH3_64bits(page, HB_PAGE_SIZE);
}
