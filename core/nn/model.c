/* model: the weights themselves, in one piece of memory, and what is known about them. The LSTM's forget
 * biases begin at 1; the short cut begins as "the more recent, the likelier", so that an untrained model is
 * no worse than recency. */
#include "base/f32_math.h"
#include "nn/features.h"
#include "nn/model_net.h"
#include "nn/random.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct size {
        uint32_t rows, cols;
};

static void sizes_of(uint32_t hidden, uint32_t dense, struct size ret[HB_MODEL_PARAMS]) {
        uint32_t second = dense / 2;

        ret[HB_MODEL_WX] = (struct size){HB_MODEL_BLOCK_IN, 4 * hidden};
        ret[HB_MODEL_WH] = (struct size){hidden, 4 * hidden};
        ret[HB_MODEL_B] = (struct size){1, 4 * hidden};
        ret[HB_MODEL_BLOCK] = (struct size){hidden, dense};
        ret[HB_MODEL_PAGE] = (struct size){HB_MODEL_PAGE_IN, dense};
        ret[HB_MODEL_FIRST_B] = (struct size){1, dense};
        ret[HB_MODEL_SECOND] = (struct size){dense, second};
        ret[HB_MODEL_SECOND_B] = (struct size){1, second};
        ret[HB_MODEL_LAST] = (struct size){second, HB_MODEL_OUT};
        ret[HB_MODEL_SKIP] = (struct size){HB_MODEL_PAGE_IN, HB_MODEL_OUT};
        ret[HB_MODEL_LAST_B] = (struct size){1, HB_MODEL_OUT};
}

uint64_t hb_model_count(uint32_t hidden, uint32_t dense) {
        struct size s[HB_MODEL_PARAMS];
        uint64_t n = 0;

        sizes_of(hidden, dense, s);
        for (unsigned i = 0; i < HB_MODEL_PARAMS; i++)
                n += (uint64_t)s[i].rows * s[i].cols;
        return n;
}

int hb_model_alloc(uint32_t hidden, uint32_t dense, hb_model **ret) {
        struct size s[HB_MODEL_PARAMS];
        hb_model *m;
        float *at;

        if (hidden < 1 || hidden > HB_MODEL_HIDDEN_MAX || dense < HB_MODEL_DENSE_MIN ||
            dense > HB_MODEL_DENSE_MAX)
                return -EINVAL;
        m = calloc(1, sizeof *m);
        if (!m)
                return -ENOMEM;
        *m = (hb_model){.hidden = hidden, .dense = dense, .second = dense / 2};
        m->nweights = hb_model_count(hidden, dense);
        m->weights = at = calloc(m->nweights, sizeof *m->weights);
        if (!m->weights) {
                hb_model_free(m);
                return -ENOMEM;
        }
        sizes_of(hidden, dense, s);
        for (unsigned i = 0; i < HB_MODEL_PARAMS; i++) {
                m->param[i] = (struct hb_nn_param){.rows = s[i].rows, .cols = s[i].cols, .w = at};
                at += (size_t)s[i].rows * s[i].cols;
        }
        m->info.loss = m->info.validation = NAN;
        *ret = m;
        return 0;
}

int hb_model_begin_learning(hb_model *m) {
        float *at;

        m->learning = calloc(3 * m->nweights, sizeof *m->learning);
        if (!m->learning)
                return -ENOMEM;
        at = m->learning;
        for (unsigned i = 0; i < HB_MODEL_PARAMS; i++) {
                struct hb_nn_param *p = &m->param[i];

                p->grad = at;
                p->m = at + m->nweights;
                p->v = at + 2 * m->nweights;
                at += (size_t)p->rows * p->cols;
        }
        return 0;
}

hb_model *hb_model_free(hb_model *m) {
        if (m) {
                free(m->weights);
                free(m->learning);
                free(m);
        }
        return NULL;
}

static void fill(struct hb_nn_param *p, uint64_t *random, float bound) {
        for (size_t i = 0, n = (size_t)p->rows * p->cols; i < n; i++)
                p->w[i] = hb_random_between(random, -bound, bound);
}

static void set_skip(hb_model *m, unsigned feature, unsigned out, float w) {
        m->param[HB_MODEL_SKIP].w[feature * HB_MODEL_OUT + out] = w;
}

static void begin_as_recency(hb_model *m) {
        float *bias = m->param[HB_MODEL_LAST_B].w;

        set_skip(m, HB_F_AGE, 0, -4.0f);
        set_skip(m, HB_F_AGE_WRITE, 1, -4.0f);
        set_skip(m, HB_F_AGE, 2, -1.5f);
        set_skip(m, HB_F_AGE_WRITE, 3, -1.0f);
        bias[0] = bias[2] = 1.5f;
        bias[1] = bias[3] = 0.5f;
}

int hb_model_new(uint32_t hidden, uint32_t dense, uint64_t seed, hb_model **ret) {
        struct hb_nn_param *p;
        uint64_t random = seed;
        hb_model *m;
        int r = hb_model_alloc(hidden, dense, &m);

        if (r < 0)
                return r;
        p = m->param;
        fill(&p[HB_MODEL_WX], &random, 1.0f / sqrtf(HB_MODEL_BLOCK_IN));
        fill(&p[HB_MODEL_WH], &random, 1.0f / sqrtf((float)hidden));
        for (uint32_t j = hidden; j < 2 * hidden; j++)
                p[HB_MODEL_B].w[j] = 1.0f;
        fill(&p[HB_MODEL_BLOCK], &random, sqrtf(3.0f / (float)(hidden + HB_MODEL_PAGE_IN)));
        fill(&p[HB_MODEL_PAGE], &random, sqrtf(3.0f / (float)(hidden + HB_MODEL_PAGE_IN)));
        fill(&p[HB_MODEL_SECOND], &random, sqrtf(6.0f / (float)dense));
        fill(&p[HB_MODEL_LAST], &random, 0.1f / sqrtf((float)m->second));
        begin_as_recency(m);
        m->info.seed = seed;
        *ret = m;
        return 0;
}

int hb_model_copy(const hb_model *m, hb_model **ret) {
        hb_model *copy;
        int r = hb_model_alloc(m->hidden, m->dense, &copy);

        if (r < 0)
                return r;
        memcpy(copy->weights, m->weights, m->nweights * sizeof *m->weights);
        copy->info = m->info;
        *ret = copy;
        return 0;
}

struct hb_nn_lstm hb_model_lstm(const hb_model *m) {
        return (struct hb_nn_lstm){.in = HB_MODEL_BLOCK_IN,
                                   .hidden = m->hidden,
                                   .wx = m->param[HB_MODEL_WX],
                                   .wh = m->param[HB_MODEL_WH],
                                   .b = m->param[HB_MODEL_B]};
}

void hb_model_info(const hb_model *m, struct hb_model_info *ret) {
        XXH128_hash_t h = XXH3_128bits(m->weights, m->nweights * sizeof *m->weights);

        *ret = m->info;
        ret->hidden = m->hidden;
        ret->dense = m->dense;
        ret->weights = m->nweights;
        snprintf(ret->hash, sizeof ret->hash, "%016llx%016llx", (unsigned long long)h.high64,
                 (unsigned long long)h.low64);
}

void hb_model_set_info(hb_model *m, const struct hb_model_info *i) {
        m->info = *i;
        m->info.note[sizeof m->info.note - 1] = '\0';
}
