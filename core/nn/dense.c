/* dense: a layer of weights and its gradient. The way forward is exact (gemm_exact); backward is training
 * alone and goes through CBLAS. Pure, any thread, no allocation. */
#include "nn/nn.h"

#pragma GCC optimize("O3", "fp-contract=off")

void hb_nn_dense(const struct hb_nn_param *w, const struct hb_nn_param *b, uint32_t n, const float *x,
                 float *y) {
        uint32_t out = w->cols;

        for (uint32_t i = 0; i < n; i++)
                for (uint32_t j = 0; j < out; j++)
                        y[(size_t)i * out + j] = b->w[j];
        hb_nn_gemm_exact(n, out, w->rows, x, w->w, y, true);
}

void hb_nn_dense_back(struct hb_nn_param *w, struct hb_nn_param *b, uint32_t n, const float *x,
                      const float *dy, float *dx) {
        uint32_t in = w->rows, out = w->cols;

        hb_nn_gemm(true, false, in, out, n, x, dy, w->grad, true);
        for (uint32_t i = 0; i < n; i++)
                for (uint32_t j = 0; j < out; j++)
                        b->grad[j] += dy[(size_t)i * out + j];
        if (dx)
                hb_nn_gemm(false, true, n, in, out, dy, w->w, dx, false);
}

void hb_nn_relu(uint32_t count, float *x) {
        for (uint32_t i = 0; i < count; i++)
                x[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

void hb_nn_relu_back(uint32_t count, const float *y, float *dy) {
        for (uint32_t i = 0; i < count; i++)
                dy[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}
