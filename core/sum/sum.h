/* sum: checksums and hashes over bytes, each by the fastest way this processor has, with a plain C way of
 * equal results beside it. Nothing here is keyed or secret: these find damage and change, not forgery.
 *
 * CRC-32C  Castagnoli, reflected 0x1EDC6F41, all ones in and out (RFC 3720, appendix B.4).
 * CRC-64   the ECMA-182 polynomial 0x42F0E1EBA9EA3693, reflected, all ones in and out ("CRC-64/XZ"); of
 *          "123456789": 0x995DC9BBDF1939FA.
 * hash64   XXH3-64 with a seed (seed 0: the unseeded XXH3-64).
 *
 * All are pure and thread-safe. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t hb_crc32c(const void *data, size_t size);
/* Continues `crc`, the checksum of what came before (0: nothing). */
uint32_t hb_crc32c_more(uint32_t crc, const void *data, size_t size);
/* Likewise; `seed` is 0 or the CRC-64 of what came before. */
uint64_t hb_crc64(uint64_t seed, const void *data, size_t size);

uint64_t hb_hash64(uint64_t seed, const void *data, size_t size);
/* The same of bytes that lie in pieces. Lives on the stack; needs no end. */
struct hb_hash64 {
        _Alignas(64) unsigned char state[576];
};
void hb_hash64_start(struct hb_hash64 *h, uint64_t seed);
void hb_hash64_more(struct hb_hash64 *h, const void *data, size_t size);
uint64_t hb_hash64_end(struct hb_hash64 *h);

/* What computes each sum in this process, and why: "ISA-L (the processor has sse4.2 and pclmulqdq)". */
struct hb_sum_described {
        char crc32c[96], crc64[96], hash64[96];
};
void hb_sum_describe(struct hb_sum_described *ret);
/* From now on every sum of this process is made the plain way (false: the best way again). For tests, and for
 * a processor under suspicion; results do not change. */
void hb_sum_force_plain(bool on);
