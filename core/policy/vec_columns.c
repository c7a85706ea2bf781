/* vec_columns: ranks are found by radix selection on the floats' bits, three counting passes, since a
 * comparison-based selection has inputs on which it is quadratic and policies choose their inputs. Cost:
 * 0.5-2 ns an element, a rank 3-4 ns. No state. */
#include "policy/vec_columns.h"
#include <math.h>
#include <string.h>

#pragma GCC optimize("O3", "no-math-errno", "no-trapping-math", "fp-contract=off")
#include "base/splitmix.h"
#include "policy/vec_math.h"

/* Unsigned order of keys is ascending order of floats; NaN lies below everything. */
static inline uint32_t key_of(float x) {
        uint32_t bits = hb_f32_bits(x + 0.0f);
        uint32_t key = bits ^ ((0u - (bits >> 31)) | 0x80000000u);
        return x == x ? key : 0;
}

static inline float of_key(uint32_t key) {
        if (!key)
                return NAN;
        return hb_f32_from_bits(key & 0x80000000u ? key ^ 0x80000000u : ~key);
}

#define DIGIT 11 /* bits a pass: 11, 11, 10 */

/* Counts the digit at `shift` of the keys whose digits above it are `prefix`. */
static void count_digits(uint32_t count[1 << DIGIT], const float *a, size_t n, unsigned shift, unsigned width,
                         uint32_t prefix) {
        uint32_t mask = (1u << width) - 1;

        memset(count, 0, sizeof(*count) << DIGIT);
        if (shift + width == 32)
                for (size_t i = 0; i < n; i++)
                        count[key_of(a[i]) >> shift]++;
        else
                for (size_t i = 0; i < n; i++) {
                        uint32_t key = key_of(a[i]);
                        count[(key >> shift) & mask] += key >> (shift + width) == prefix;
                }
}

static uint32_t key_at(const float *a, size_t n, size_t below) {
        static const unsigned shifts[] = {21, 10, 0}, widths[] = {11, 11, 10};
        uint32_t count[1 << DIGIT], prefix = 0;

        for (unsigned pass = 0; pass < 3; pass++) {
                uint32_t digit = 0;

                count_digits(count, a, n, shifts[pass], widths[pass], prefix);
                while (below >= count[digit])
                        below -= count[digit++];
                prefix = prefix << widths[pass] | digit;
        }
        return prefix;
}

float hb_vec_rank(const float *a, size_t n, size_t below) {
        return of_key(key_at(a, n, below));
}

void hb_vec_topk(float *d, const float *a, size_t n, size_t k) {
        uint32_t cut;
        size_t above = 0;

        if (k == 0 || k >= n) {
                for (size_t i = 0; i < n; i++)
                        d[i] = k ? 1.0f : 0.0f;
                return;
        }
        cut = key_at(a, n, n - k);
        for (size_t i = 0; i < n; i++) {
                uint32_t key = key_of(a[i]);
                above += key > cut;
                d[i] = key > cut ? 1.0f : key == cut ? -1.0f : 0.0f;
        }
        for (size_t i = 0, equal = k - above; i < n; i++)
                if (d[i] < 0) {
                        d[i] = equal ? 1.0f : 0.0f;
                        equal -= equal ? 1 : 0;
                }
}

void hb_vec_histogram(float *d, size_t bins, const float *a, size_t n, float low, float high) {
        float per_bin = (float)bins / (high - low), last = (float)(bins - 1);

        for (size_t i = 0; i < n; i++) {
                float at = hb_f32_min(hb_f32_max((a[i] - low) * per_bin, 0.0f), last);
                d[(int32_t)at] += a[i] == a[i] ? 1.0f : 0.0f;
        }
}

static inline bool is_index(float x, float top) {
        float within = hb_f32_min(hb_f32_max(x, 0.0f), 16777216.0f);
        return (x >= 1.0f) & (x <= top) & ((float)(int32_t)within == x);
}

bool hb_vec_indices_ok(const float *index, size_t n, size_t top, size_t *ret_bad) {
        int32_t bad = 0;

        for (size_t i = 0; i < n; i++)
                bad |= !is_index(index[i], (float)top);
        for (size_t i = 0; bad && i < n; i++)
                if (!is_index(index[i], (float)top)) {
                        *ret_bad = i;
                        break;
                }
        return !bad;
}

void hb_vec_gather(float *d, const float *a, const float *index, size_t n) {
        for (size_t i = 0; i < n; i++)
                d[i] = a[(int32_t)index[i] - 1];
}

void hb_vec_scatter_add(float *d, const float *index, const float *a, size_t n) {
        for (size_t i = 0; i < n; i++)
                d[(int32_t)index[i] - 1] += a[i];
}

void hb_vec_segment_sum(double *sum, const float *segment, const float *a, size_t n) {
        for (size_t i = 0; i < n; i++)
                sum[(int32_t)segment[i] - 1] += (double)a[i];
}

void hb_vec_segment_count(double *count, const float *segment, size_t n) {
        for (size_t i = 0; i < n; i++)
                count[(int32_t)segment[i] - 1] += 1.0;
}

void hb_vec_segment_max(float *d, size_t segments, const float *segment, const float *a, size_t n) {
        for (size_t i = 0; i < segments; i++)
                d[i] = -INFINITY;
        for (size_t i = 0; i < n; i++) {
                float *best = &d[(int32_t)segment[i] - 1];
                *best = hb_f32_max(a[i], *best);
        }
        for (size_t i = 0; i < segments; i++)
                d[i] = d[i] == -INFINITY ? 0.0f : d[i];
}

size_t hb_vec_segments(float *d, const float *a, size_t n) {
        uint32_t number = 1;

        for (size_t i = 0; i < n; i++) {
                number += i && a[i] != a[i - 1];
                d[i] = (float)number;
        }
        return n ? number : 0;
}

void hb_vec_iota(float *d, size_t n) {
        for (size_t i = 0; i < n; i++)
                d[i] = (float)(int32_t)(i + 1);
}

void hb_vec_cumsum(float *d, const float *a, size_t n) {
        double sum = 0;

        for (size_t i = 0; i < n; i++) {
                sum += (double)a[i];
                d[i] = (float)sum;
        }
}

/* 24 bits, all a float in [0, 1) has to give. */
void hb_vec_random(float *d, size_t n, uint64_t *state) {
        for (size_t i = 0; i < n; i++)
                d[i] = (float)(int32_t)(hb_splitmix64(state) >> 40) * 0x1p-24f;
}
