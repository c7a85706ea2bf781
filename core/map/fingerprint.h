/* fingerprint: the 128-bit name of a page's bytes, under a key that only the hosts of one cluster have.
 *
 * Two pages that were chosen without the key and differ in any bit have equal prints with a probability of at
 * most 2^-127, whatever they are; so nobody who writes a guest's memory can make two pages look alike.
 *
 *   print = SipHash-2-4-128(k0, NH(k1, page) | NH(k2, page))
 *   NH(k, m) = sum over i < 256 of (m[2i] + k[2i]) * (m[2i+1] + k[2i+1]); words of 64 bits, sum mod 2^128
 *
 * NH is the universal hash of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway: CRYPTO 1999, Theorem 4.2:
 * collisions <= 2^-64 for 64-bit words), twice with independent keys; SipHash (Aumasson, Bernstein:
 * INDOCRYPT 2012) hides its structure and spreads every print evenly, so that its first four bytes, the
 * *tag*, are a filter. k0, k1, k2 come from the secret by HKDF-SHA256 (RFC 5869) and AES-CTR. Plain C: the
 * same on every machine, 8 KiB of key, no state. docs/DECISIONS.md: what else was measured. */
#pragma once
#include "base/err.h"
#include "base/shape.h"
#include <stddef.h>
#include <string.h>

struct hb_print {
        uint8_t b[16];
};

#define HB_FINGERPRINT_SECRET_MIN 16u /* bytes */

typedef struct hb_fingerprint hb_fingerprint; /* the key; any number of threads may use one */

/* -EINVAL: the secret is too short. -ENOMEM. The secret is not kept. */
int hb_fingerprint_new(const void *secret, size_t len, hb_fingerprint **ret, struct hb_err *e);
hb_fingerprint *hb_fingerprint_free(hb_fingerprint *f); /* wipes the key */
/* Of n whole pages side by side (8-byte aligned). A page that somebody writes meanwhile gets a print of no
 * page; reading is all that is done. */
void hb_fingerprint_pages(const hb_fingerprint *f, const void *pages, size_t n, struct hb_print *ret);
/* Tells keys apart without telling anything of them: for PLACE and PLACED. Never 0. */
uint64_t hb_fingerprint_id(const hb_fingerprint *f);
/* Of a page of zeros. */
const struct hb_print *hb_fingerprint_zero(const hb_fingerprint *f);

static inline bool hb_print_equal(const struct hb_print *a, const struct hb_print *b) {
        return memcmp(a, b, sizeof(*a)) == 0;
}
/* The first four bytes, the compact filter. One who holds N prints takes a print of other bytes for one of
 * his with probability N / 2^32. */
static inline uint32_t hb_print_tag(const struct hb_print *p) {
        return (uint32_t)p->b[0] | (uint32_t)p->b[1] << 8 | (uint32_t)p->b[2] << 16 | (uint32_t)p->b[3] << 24;
}
