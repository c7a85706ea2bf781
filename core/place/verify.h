/* verify: page hashes for comparing a frozen guest with its image, page by page (XXH3-64). Two equal hashes
 * of unequal pages come once in 2^64; the hash has no key, so a guest could make such pages, and would only
 * deceive itself. Pure but for reading the pages given. */
#pragma once
#include <stdint.h>

#define HB_VERIFY_PAGES 65536u /* at most in one message */

uint64_t hb_verify_zero(void); /* of a page of zeros, without reading one */
uint64_t hb_verify_page(const uint8_t *page);
