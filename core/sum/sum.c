/* sum: which way each sum is made.
 *
 * The choice is one test of what the processor offers a call, so it needs no set-up and cannot be half made.
 * ISA-L and libxxhash choose among their own variants by the same bits (wider vectors where there are any);
 * without what their fast variants need, our own plain C serves. The one word of process-wide state is the
 * order to be plain: processors are process-wide too, and results never depend on it. */
#include "sum/sum.h"
#include "sum/sum_plain.h"
#include <stdatomic.h>
#include <stdio.h>
#define XXH_STATIC_LINKING_ONLY /* for a hash state on the stack */
#include <xxhash.h>
#if defined(__x86_64__)
#include <isa-l/crc.h>
#include <isa-l/crc64.h>
#include <xxh_x86dispatch.h> /* the widest vectors this processor has */
#endif

_Static_assert(sizeof(XXH3_state_t) <= sizeof(struct hb_hash64), "a hash state fits");

static atomic_bool plain;

void hb_sum_force_plain(bool on) {
        atomic_store_explicit(&plain, on, memory_order_relaxed);
}

static bool forced(void) {
        return atomic_load_explicit(&plain, memory_order_relaxed);
}

#if defined(__x86_64__)
#define CRC_STEP ((size_t)1 << 30) /* ISA-L's CRC-32C takes an int for a size */

static bool crc32c_by_processor(void) {
        return __builtin_cpu_supports("sse4.2") && !forced();
}

static bool crc64_by_processor(void) {
        return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul") && !forced();
}

static uint32_t isal_crc32c(uint32_t crc, const void *data, size_t size) {
        const uint8_t *p = data;

        crc = ~crc;
        for (size_t n; size > 0; p += n, size -= n) {
                n = size < CRC_STEP ? size : CRC_STEP;
                crc = crc32_iscsi((unsigned char *)p, (int)n, crc);
        }
        return ~crc;
}

uint32_t hb_crc32c_more(uint32_t crc, const void *data, size_t size) {
        return crc32c_by_processor() ? isal_crc32c(crc, data, size) : hb_sum_plain_crc32c(crc, data, size);
}

uint64_t hb_crc64(uint64_t seed, const void *data, size_t size) {
        if (size == 0)
                return seed;
        return crc64_by_processor() ? crc64_ecma_refl(seed, data, size)
                                    : hb_sum_plain_crc64(seed, data, size);
}

static const char *crc_words(void) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq")
                       ? "the processor has vpclmulqdq and avx512"
               : __builtin_cpu_supports("pclmul") ? "the processor has sse4.2 and pclmulqdq"
                                                  : "the processor has sse4.2";
}

static const char *vector_words(void) {
        return __builtin_cpu_supports("avx512f") ? "the processor has avx512"
               : __builtin_cpu_supports("avx2")  ? "the processor has avx2"
                                                 : "the processor has sse2";
}
#else
#define crc32c_by_processor()         false
#define crc64_by_processor()          false
#define crc_words()                   ""
#define vector_words()                "as the compiler has it"
#define XXH3_64bits_withSeed_dispatch XXH3_64bits_withSeed
#define XXH3_64bits_update_dispatch   XXH3_64bits_update

uint32_t hb_crc32c_more(uint32_t crc, const void *data, size_t size) {
        return hb_sum_plain_crc32c(crc, data, size);
}

uint64_t hb_crc64(uint64_t seed, const void *data, size_t size) {
        return hb_sum_plain_crc64(seed, data, size);
}
#endif

uint32_t hb_crc32c(const void *data, size_t size) {
        return hb_crc32c_more(0, data, size);
}

uint64_t hb_hash64(uint64_t seed, const void *data, size_t size) {
        return forced() ? hb_sum_plain_hash64(seed, data, size)
                        : XXH3_64bits_withSeed_dispatch(data, size, seed);
}

void hb_hash64_start(struct hb_hash64 *h, uint64_t seed) {
        XXH3_64bits_reset_withSeed((XXH3_state_t *)h->state, seed);
}

void hb_hash64_more(struct hb_hash64 *h, const void *data, size_t size) {
        if (forced())
                hb_sum_plain_hash64_more(h->state, data, size);
        else
                XXH3_64bits_update_dispatch((XXH3_state_t *)h->state, data, size);
}

uint64_t hb_hash64_end(struct hb_hash64 *h) {
        return forced() ? hb_sum_plain_hash64_end(h->state) : XXH3_64bits_digest((XXH3_state_t *)h->state);
}

/* ---- what is in use ---- */

static void describe(char *to, size_t size, bool fast, const char *by, const char *why) {
        if (fast)
                snprintf(to, size, "%s (%s)", by, why);
        else
                snprintf(to, size, "plain C (%s)",
                         forced() ? "asked for" : "the processor lacks the instructions");
}

void hb_sum_describe(struct hb_sum_described *ret) {
        describe(ret->crc32c, sizeof ret->crc32c, crc32c_by_processor(), "ISA-L", crc_words());
        describe(ret->crc64, sizeof ret->crc64, crc64_by_processor(), "ISA-L", crc_words());
        describe(ret->hash64, sizeof ret->hash64, !forced(), "XXH3", vector_words());
}
