/* norm: each row to mean 0 and variance 1, then a gain and a bias a column (Ba 2016). Kept for backward: the
 * row's mean and one over its standard deviation. Sums are doubles in order: exact. Pure, no allocation. */
#include "nn/nn.h"
#include <math.h>

#pragma GCC optimize("O3", "no-math-errno", "fp-contract=off")

#define NORM_EPS 1e-5

static void moments(uint32_t d, const float *x, float *ret_mean, float *ret_scale) {
        double sum = 0, squares = 0, mean;

        for (uint32_t j = 0; j < d; j++)
                sum += x[j];
        mean = sum / d;
        for (uint32_t j = 0; j < d; j++)
                squares += (x[j] - mean) * (x[j] - mean);
        *ret_mean = (float)mean;
        *ret_scale = (float)(1.0 / sqrt(squares / d + NORM_EPS));
}

void hb_nn_norm(const struct hb_nn_param *gain, const struct hb_nn_param *bias, uint32_t n, const float *x,
                float *y, float *keep) {
        uint32_t d = gain->cols;

        for (uint32_t i = 0; i < n; i++, x += d, y += d) {
                float mean, scale;

                moments(d, x, &mean, &scale);
                for (uint32_t j = 0; j < d; j++)
                        y[j] = (x[j] - mean) * scale * gain->w[j] + bias->w[j];
                if (keep) {
                        keep[2 * i] = mean;
                        keep[2 * i + 1] = scale;
                }
        }
}

void hb_nn_norm_back(struct hb_nn_param *gain, struct hb_nn_param *bias, uint32_t n, const float *x,
                     const float *keep, const float *dy, float *dx) {
        uint32_t d = gain->cols;

        for (uint32_t i = 0; i < n; i++, x += d, dy += d, dx += d) {
                float mean = keep[2 * i], scale = keep[2 * i + 1];
                double along_one = 0, along_x = 0; /* what the mean and the variance take away */

                for (uint32_t j = 0; j < d; j++) {
                        float unit = (x[j] - mean) * scale, g = dy[j] * gain->w[j];

                        gain->grad[j] += dy[j] * unit;
                        bias->grad[j] += dy[j];
                        along_one += g;
                        along_x += g * unit;
                }
                for (uint32_t j = 0; j < d; j++)
                        dx[j] = scale * (dy[j] * gain->w[j] -
                                         (float)(along_one / d + (x[j] - mean) * scale * along_x / d));
        }
}
