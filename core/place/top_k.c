/* top_k: the bits of a float that is not negative order as the float does, so the K-th largest is found by
 * counting: its upper bits among all values, then the next ones among those that share the upper ones, then
 * the last. The counters stay in the first cache. A last pass marks what is above it, and as many of its
 * equals as are still missing, first ones first. */
#include "place/top_k.h"
#include <immintrin.h>
#include <string.h>

static inline uint32_t key_of(float v) {
        uint32_t u;

        memcpy(&u, &v, sizeof(u));
        return v > 0.0f ? u : 0;
}

/* The highest counter at which `k` are reached; *k: how many of it are wanted. */
static uint32_t find(const uint32_t room[HB_TOP_K_ROOM], uint64_t *k) {
        uint32_t i = HB_TOP_K_ROOM;

        while (--i > 0 && room[i] < *k)
                *k -= room[i];
        return i;
}

/* Counts, of the keys that begin with `prefix`, the `bits` that follow it. */
static void count(const float *value, uint64_t n, uint32_t prefix, unsigned shift, unsigned bits,
                  uint32_t room[HB_TOP_K_ROOM]) {
        uint32_t zeros = 0, mask = (1u << bits) - 1;

        memset(room, 0, HB_TOP_K_ROOM * sizeof(*room));
        for (uint64_t i = 0; i < n; i++) { /* most are 0: one counter must not wait for itself */
                uint32_t key = key_of(value[i]);

                if (key == 0)
                        zeros++;
                else if ((uint64_t)key >> (shift + bits) == prefix)
                        room[key >> shift & mask]++;
        }
        if (prefix == 0)
                room[0] += zeros;
}

static uint32_t kth(const float *value, uint64_t n, uint64_t *k, uint32_t room[HB_TOP_K_ROOM]) {
        uint32_t prefix;

        count(value, n, 0, 21, 11, room);
        prefix = find(room, k);
        count(value, n, prefix, 10, 11, room);
        prefix = prefix << 11 | find(room, k);
        count(value, n, prefix, 0, 10, room);
        return prefix << 10 | find(room, k);
}

struct marks { /* of 64 values: above the limit, equal to it */
        uint64_t above, equal;
};

static struct marks mark(const float *value, uint64_t n, uint32_t least) {
        __m128i limit = _mm_set1_epi32((int)least);
        struct marks m = {0, 0};
        uint64_t i = 0;

        for (; i + 4 <= n; i += 4) {
                __m128 v = _mm_loadu_ps(value + i);
                __m128i key = _mm_castps_si128(_mm_and_ps(v, _mm_cmpgt_ps(v, _mm_setzero_ps())));

                m.above |= (uint64_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpgt_epi32(key, limit))) << i;
                m.equal |= (uint64_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(key, limit))) << i;
        }
        for (; i < n; i++) {
                m.above |= (uint64_t)(key_of(value[i]) > least) << i;
                m.equal |= (uint64_t)(key_of(value[i]) == least) << i;
        }
        return m;
}

void hb_top_k(const float *value, uint64_t n, uint64_t k, uint32_t room[HB_TOP_K_ROOM],
              struct hb_bitmap *out) {
        uint64_t equals = k;
        uint32_t least;

        if (k == 0)
                return;
        least = kth(value, n, &equals, room);
        for (uint64_t w = 0; w * 64 < n; w++) {
                struct marks m = mark(value + w * 64, n - w * 64 < 64 ? n - w * 64 : 64, least);

                out->words[w] |= m.above;
                for (; m.equal && equals > 0; m.equal &= m.equal - 1, equals--)
                        out->words[w] |= m.equal & -m.equal;
        }
}
