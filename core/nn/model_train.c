/* model_train: the loss of a pass and its way back through the network.
 *
 * Loss: cross entropy of "accessed" and of "written", and a little of the squared error of how often, which
 * is worth knowing but must not pull at the ranking. Training alone, so through CBLAS. */
#include "nn/model_net.h"
#include <math.h>
#include <string.h>

#pragma GCC optimize("O3", "fp-contract=off")

#define SHARE_WRITTEN 0.5
#define SHARE_WINDOWS 0.05

/* Column `c` of n rows of HB_MODEL_OUT, and back, scaled. */
static void column(uint32_t n, const float *rows, unsigned c, float *ret) {
        for (uint32_t i = 0; i < n; i++)
                ret[i] = rows[(size_t)i * HB_MODEL_OUT + c];
}

static void put_column(uint32_t n, const float *from, double scale, unsigned c, float *rows) {
        for (uint32_t i = 0; i < n; i++)
                rows[(size_t)i * HB_MODEL_OUT + c] = (float)(from[i] * scale);
}

double hb_model_loss(struct hb_model_pass *p, const float *labels, const float *weights) {
        const double share[HB_MODEL_OUT] = {1.0, SHARE_WRITTEN, SHARE_WINDOWS, SHARE_WINDOWS};
        /* Three columns of room: these have no use before the way back (dense >= 2, second >= 1). */
        float *y = p->dfirst, *want = p->dfirst + p->n, *d = p->dsecond;
        double loss = 0;

        for (unsigned c = 0; c < HB_MODEL_OUT; c++) {
                column(p->n, p->out, c, y);
                column(p->n, labels, c, want);
                if (c < 2) {
                        loss += share[c] * hb_nn_bce(p->n, y, want, weights, d);
                } else {
                        for (uint32_t i = 0; i < p->n; i++)
                                want[i] = log1pf(want[i]);
                        loss += share[c] * hb_nn_mse(p->n, y, want, weights, d);
                }
                put_column(p->n, d, share[c], c, p->dout);
        }
        return loss;
}

static void add_product(struct hb_nn_param *p, uint32_t n, const float *x, const float *dy) {
        hb_nn_gemm(true, false, p->rows, p->cols, n, x, dy, p->grad, true);
}

/* dfirst to the block's share: summed over the block's pages. */
static void split_join(const hb_model *m, struct hb_model_pass *p) {
        memset(p->djoined, 0, (size_t)p->blocks * m->dense * sizeof *p->djoined);
        for (uint32_t i = 0; i < p->n; i++) {
                float *restrict to = p->djoined + (size_t)p->block[i] * m->dense;
                const float *restrict from = p->dfirst + (size_t)i * m->dense;

                for (uint32_t j = 0; j < m->dense; j++)
                        to[j] += from[j];
        }
}

int hb_model_back(hb_model *m, struct hb_model_pass *p) {
        struct hb_nn_param *w = m->param;
        struct hb_nn_lstm l = hb_model_lstm(m);
        size_t before = (size_t)(HB_MODEL_STEPS - 1) * p->blocks * m->hidden;

        add_product(&w[HB_MODEL_SKIP], p->n, p->page, p->dout);
        hb_nn_dense_back(&w[HB_MODEL_LAST], &w[HB_MODEL_LAST_B], p->n, p->second, p->dout, p->dsecond);
        hb_nn_relu_back(p->n * m->second, p->second, p->dsecond);
        hb_nn_dense_back(&w[HB_MODEL_SECOND], &w[HB_MODEL_SECOND_B], p->n, p->first, p->dsecond, p->dfirst);
        hb_nn_relu_back(p->n * m->dense, p->first, p->dfirst);
        add_product(&w[HB_MODEL_PAGE], p->n, p->page, p->dfirst);
        split_join(m, p);
        memset(p->dh, 0, before * sizeof *p->dh); /* only the last step's output is used */
        hb_nn_dense_back(&w[HB_MODEL_BLOCK], &w[HB_MODEL_FIRST_B], p->blocks, p->h + before, p->djoined,
                         p->dh + before);
        return hb_nn_lstm_back(&l, HB_MODEL_STEPS, p->blocks, p->sequence, p->h, p->keep, p->dh, NULL);
}
