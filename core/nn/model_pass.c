/* model_pass: one way through the network, exact. Rows are independent of one another: a page's outputs do
 * not depend on which other pages are asked about beside it. */
#include "nn/model_net.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC optimize("O3", "fp-contract=off")

static float *take(float **at, size_t floats) {
        float *p = *at;

        *at += floats;
        return p;
}

int hb_model_pass_begin(struct hb_model_pass *p, const hb_model *m, uint32_t n, uint32_t blocks, bool learn) {
        struct hb_nn_lstm l = hb_model_lstm(m);
        size_t h = (size_t)HB_MODEL_STEPS * blocks * m->hidden, joined = (size_t)blocks * m->dense;
        size_t first = (size_t)n * m->dense, second = (size_t)n * m->second, out = (size_t)n * HB_MODEL_OUT;
        size_t keep = learn ? hb_nn_lstm_keep_floats(&l, HB_MODEL_STEPS, blocks) : 0;
        size_t once = h + joined + first + second + out;
        float *at = malloc(((learn ? 2 : 1) * once + keep + 1) * sizeof *at);

        if (!at)
                return -ENOMEM;
        *p = (struct hb_model_pass){.n = n, .blocks = blocks, .memory = at};
        p->h = take(&at, h);
        p->joined = take(&at, joined);
        p->first = take(&at, first);
        p->second = take(&at, second);
        p->out = take(&at, out);
        if (learn) {
                p->keep = take(&at, keep);
                p->dh = take(&at, h);
                p->djoined = take(&at, joined);
                p->dfirst = take(&at, first);
                p->dsecond = take(&at, second);
                p->dout = take(&at, out);
        }
        return 0;
}

void hb_model_pass_end(struct hb_model_pass *p) {
        free(p->memory);
        *p = (struct hb_model_pass){0};
}

static void join(const hb_model *m, struct hb_model_pass *p) {
        const float *last = p->h + (size_t)(HB_MODEL_STEPS - 1) * p->blocks * m->hidden;

        hb_nn_dense(&m->param[HB_MODEL_BLOCK], &m->param[HB_MODEL_FIRST_B], p->blocks, last, p->joined);
        for (uint32_t i = 0; i < p->n; i++)
                memcpy(p->first + (size_t)i * m->dense, p->joined + (size_t)p->block[i] * m->dense,
                       m->dense * sizeof *p->first);
        hb_nn_gemm_exact(p->n, m->dense, HB_MODEL_PAGE_IN, p->page, m->param[HB_MODEL_PAGE].w, p->first,
                         true);
        hb_nn_relu(p->n * m->dense, p->first);
}

int hb_model_forward(const hb_model *m, struct hb_model_pass *p) {
        struct hb_nn_lstm l = hb_model_lstm(m);
        int r = hb_nn_lstm_forward(&l, HB_MODEL_STEPS, p->blocks, p->sequence, p->h, p->keep);

        if (r < 0)
                return r;
        join(m, p);
        hb_nn_dense(&m->param[HB_MODEL_SECOND], &m->param[HB_MODEL_SECOND_B], p->n, p->first, p->second);
        hb_nn_relu(p->n * m->second, p->second);
        hb_nn_dense(&m->param[HB_MODEL_LAST], &m->param[HB_MODEL_LAST_B], p->n, p->second, p->out);
        hb_nn_gemm_exact(p->n, HB_MODEL_OUT, HB_MODEL_PAGE_IN, p->page, m->param[HB_MODEL_SKIP].w, p->out,
                         true);
        return 0;
}
