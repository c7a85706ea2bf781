/* verify: see verify.h. XXH3-64, by the widest vectors there are: 8 GB/s a core in plain C, 40 with AVX-512.
 */
#include "place/verify.h"
#include "base/shape.h"
#include "sum/sum.h"

static const uint8_t zeros[HB_PAGE_SIZE];

uint64_t hb_verify_zero(void) {
        return hb_hash64(0, zeros, sizeof zeros);
}

uint64_t hb_verify_page(const uint8_t *page) {
        return hb_hash64(0, page, HB_PAGE_SIZE);
}
