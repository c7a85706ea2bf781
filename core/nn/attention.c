/* attention: y = softmax(q k^T / sqrt d) v of one sequence (Vaswani 2017). The shares each step gives the
 * others are kept for backward; steps a causal one may not see have share 0, so backward needs no mask.
 * Forward in fixed order: exact. Cost: 4 T T d operations. */
#include "nn/nn.h"
#include <math.h>

#pragma GCC optimize("O3", "no-math-errno", "no-trapping-math", "fp-contract=off")
#include "base/f32_math.h"

static float dot(uint32_t d, const float *a, const float *b) {
        float sum = 0;

        for (uint32_t j = 0; j < d; j++)
                sum += a[j] * b[j];
        return sum;
}

/* Logits to shares that sum to 1. */
static void softmax(uint32_t n, float *x) {
        float most = x[0], sum = 0;

        for (uint32_t i = 1; i < n; i++)
                most = hb_f32_max(x[i], most);
        for (uint32_t i = 0; i < n; i++)
                x[i] = hb_f32_exp(x[i] - most);
        for (uint32_t i = 0; i < n; i++)
                sum += x[i];
        for (uint32_t i = 0; i < n; i++)
                x[i] /= sum;
}

void hb_nn_attend(uint32_t T, uint32_t d, bool causal, const float *q, const float *k, const float *v,
                  float *y, float *keep) {
        float scale = 1.0f / sqrtf((float)d);

        for (uint32_t t = 0; t < T; t++) {
                float *share = keep + (size_t)t * T;
                uint32_t sees = causal ? t + 1 : T;

                for (uint32_t s = 0; s < sees; s++)
                        share[s] = scale * dot(d, q + (size_t)t * d, k + (size_t)s * d);
                softmax(sees, share);
                for (uint32_t s = sees; s < T; s++)
                        share[s] = 0;
        }
        hb_nn_gemm_exact(T, d, T, keep, v, y, false);
}

void hb_nn_attend_back(uint32_t T, uint32_t d, const float *q, const float *k, const float *v,
                       const float *keep, const float *dy, float *dq, float *dk, float *dv) {
        float scale = 1.0f / sqrtf((float)d);

        for (size_t j = 0; j < (size_t)T * d; j++)
                dq[j] = dk[j] = 0;
        hb_nn_gemm(true, false, T, d, T, keep, dy, dv, false);
        for (uint32_t t = 0; t < T; t++) {
                const float *share = keep + (size_t)t * T, *dyt = dy + (size_t)t * d;
                float mean = 0; /* what softmax's sum of 1 takes away */

                for (uint32_t s = 0; s < T; s++)
                        mean += share[s] * dot(d, dyt, v + (size_t)s * d);
                for (uint32_t s = 0; s < T; s++) {
                        float g = scale * share[s] * (dot(d, dyt, v + (size_t)s * d) - mean);

                        for (uint32_t j = 0; j < d; j++) {
                                dq[(size_t)t * d + j] += g * k[(size_t)s * d + j];
                                dk[(size_t)s * d + j] += g * q[(size_t)t * d + j];
                        }
                }
        }
}
