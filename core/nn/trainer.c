/* trainer: mini-batches through the network and back, and Adam. What is drawn in a step depends on the seed
 * and the step's number alone, so there is no random state to lose.
 *
 * Invariant: `good` are weights whose loss was a number. A step that goes wrong puts them back.
 * Cost: about 1.3 ms a step of 512 pages and 32 blocks (H 32, dense 48). Memory: 5 times the weights, the
 * lessons held, some MiB. One thread. */
#include "nn/trainer.h"
#include "base/fault.h"
#include "nn/model_net.h"
#include "nn/random.h"
#include "nn/trainer_store.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAVE_MAGIC  0x31744248u /* "HBt1" */
#define SMOOTH      0.98
#define PAGES_MOST  65536u
#define BLOCKS_MOST 4096u

struct hb_trainer {
        hb_model *model;
        float *good;
        struct hb_nn_adam adam;
        struct hb_trainer_store store;
        struct hb_mini_batch batch;
        struct hb_model_pass pass;
        uint64_t seed, steps, bad_steps, examples;
        uint32_t bad_in_a_row;
        double loss; /* smoothed; NAN before the first step */
};

static int take_memory(hb_trainer *t, const hb_model *from, const struct hb_trainer_options *o) {
        uint32_t pages = o->batch_pages ? o->batch_pages : HB_TRAINER_PAGES;
        uint32_t blocks = o->batch_blocks ? o->batch_blocks : HB_TRAINER_BLOCKS;
        int r;

        if (pages > PAGES_MOST || blocks > BLOCKS_MOST)
                return -EINVAL;
        blocks = blocks < pages ? blocks : pages;
        r = hb_model_copy(from, &t->model);
        if (r == 0)
                r = hb_model_begin_learning(t->model);
        if (r == 0)
                r = hb_trainer_store_init(&t->store, o->lessons ? o->lessons : HB_TRAINER_LESSONS);
        if (r == 0)
                r = hb_mini_batch_init(&t->batch, pages, blocks);
        if (r == 0)
                r = hb_model_pass_begin(&t->pass, t->model, pages, blocks, true);
        if (r == 0) {
                t->good = malloc(t->model->nweights * sizeof *t->good);
                r = t->good ? 0 : -ENOMEM;
        }
        return r;
}

int hb_trainer_new(const hb_model *from, const struct hb_trainer_options *o, hb_trainer **ret) {
        hb_trainer *t = hb_fault("nn.trainer") ? NULL : calloc(1, sizeof *t);
        int r = t ? take_memory(t, from, o) : -ENOMEM;

        if (r < 0) {
                hb_trainer_free(t);
                return r;
        }
        memcpy(t->good, t->model->weights, t->model->nweights * sizeof *t->good);
        t->adam = (struct hb_nn_adam){.rate = o->rate > 0 ? o->rate : 1e-3f,
                                      .beta1 = 0.9f,
                                      .beta2 = 0.999f,
                                      .eps = 1e-8f,
                                      .clip = o->clip > 0 ? o->clip : 1.0f};
        t->seed = o->seed;
        t->loss = NAN;
        *ret = t;
        return 0;
}

hb_trainer *hb_trainer_free(hb_trainer *t) {
        if (t) {
                hb_model_free(t->model);
                hb_trainer_store_fini(&t->store);
                hb_mini_batch_fini(&t->batch);
                hb_model_pass_end(&t->pass);
                free(t->good);
                free(t);
        }
        return NULL;
}

void hb_trainer_add(hb_trainer *t, struct hb_model_lesson *l) {
        hb_trainer_store_add(&t->store, l);
}

static void use_batch(hb_trainer *t) {
        struct hb_model_pass *p = &t->pass;

        p->n = t->batch.n;
        p->blocks = t->batch.blocks;
        p->page = t->batch.page;
        p->block = t->batch.block;
        p->sequence = t->batch.sequence;
}

/* Loss of the mini-batch and one step by its gradient. -EDOM: not a number, nothing changed. */
static int learn_batch(hb_trainer *t, double *ret_loss) {
        struct hb_nn_param *params[HB_MODEL_PARAMS];
        hb_model *m = t->model;
        double loss;
        int r = hb_model_forward(m, &t->pass);

        if (r < 0)
                return r;
        loss = hb_fault("nn.loss") ? NAN : hb_model_loss(&t->pass, t->batch.labels, t->batch.weights);
        if (!isfinite(loss))
                return -EDOM;
        memcpy(t->good, m->weights, m->nweights * sizeof *t->good);
        r = hb_model_back(m, &t->pass);
        if (r < 0) {
                memset(m->learning, 0, m->nweights * sizeof *m->learning);
                return r;
        }
        for (unsigned i = 0; i < HB_MODEL_PARAMS; i++)
                params[i] = &m->param[i];
        *ret_loss = loss;
        return hb_nn_adam_step(&t->adam, params, HB_MODEL_PARAMS, NULL);
}

static int step(hb_trainer *t) {
        uint64_t random = t->seed ^ (t->steps + t->bad_steps) * 0xd1342543de82ef95ull;
        double loss = 0;
        int r;

        hb_mini_batch_draw(&t->batch, &t->store, &random);
        use_batch(t);
        r = learn_batch(t, &loss);
        if (r == -EDOM) {
                memcpy(t->model->weights, t->good, t->model->nweights * sizeof *t->good);
                t->bad_steps++;
                return ++t->bad_in_a_row >= HB_TRAINER_BAD ? -EDOM : 0;
        }
        if (r < 0)
                return r;
        t->bad_in_a_row = 0;
        t->steps++;
        t->examples += t->batch.n;
        t->loss = isnan(t->loss) ? loss : SMOOTH * t->loss + (1 - SMOOTH) * loss;
        return 0;
}

int hb_trainer_step(hb_trainer *t, unsigned steps) {
        int r = t->bad_in_a_row >= HB_TRAINER_BAD ? -EDOM : t->store.n == 0 ? -ENODATA : 0;

        for (unsigned i = 0; i < steps && r == 0; i++)
                r = step(t);
        return r;
}

double hb_trainer_validate(hb_trainer *t, const struct hb_model_lesson *l) {
        struct hb_model_pass p;
        double loss = NAN;

        if (hb_model_pass_begin(&p, t->model, l->batch.n, l->batch.blocks, true) < 0)
                return NAN;
        p.page = l->batch.page;
        p.block = l->batch.block;
        p.sequence = l->batch.sequence;
        if (hb_model_forward(t->model, &p) == 0)
                loss = hb_model_loss(&p, l->labels, l->weights);
        hb_model_pass_end(&p);
        return loss;
}

int hb_trainer_model(const hb_trainer *t, hb_model **ret) {
        hb_model *m;
        int r = hb_model_copy(t->model, &m);

        if (r < 0)
                return r;
        m->info.steps += t->steps;
        m->info.examples += t->examples;
        m->info.loss = t->loss;
        *ret = m;
        return 0;
}

void hb_trainer_progress(const hb_trainer *t, struct hb_trainer_progress *ret) {
        *ret = (struct hb_trainer_progress){.steps = t->steps,
                                            .bad_steps = t->bad_steps,
                                            .examples = t->examples,
                                            .loss = t->loss,
                                            .lessons = t->store.n,
                                            .failed = t->bad_in_a_row >= HB_TRAINER_BAD};
}

static void put_floats(struct hb_buf *out, const float *x, uint64_t n) {
        for (uint64_t i = 0; i < n; i++) {
                uint32_t bits;

                memcpy(&bits, &x[i], sizeof bits);
                hb_buf_u32(out, bits);
        }
}

int hb_trainer_save(const hb_trainer *t, struct hb_buf *out) {
        uint64_t n = t->model->nweights;

        hb_buf_u32(out, SAVE_MAGIC);
        hb_buf_u32(out, t->model->hidden);
        hb_buf_u32(out, t->model->dense);
        hb_buf_u64(out, t->seed);
        hb_buf_u64(out, t->steps);
        hb_buf_u64(out, t->bad_steps);
        hb_buf_u64(out, t->examples);
        hb_buf_u64(out, t->adam.steps);
        hb_buf_u32(out, t->bad_in_a_row);
        hb_buf_f64(out, t->loss);
        put_floats(out, t->model->weights, n);
        put_floats(out, t->model->learning + n, 2 * n); /* between steps, gradients are zeros */
        put_floats(out, t->good, n);
        return out->failed ? -ENOMEM : 0;
}

static int bad(struct hb_err *e, const char *what) {
        return hb_err_set(e, -EBADMSG, "training state", "begin training anew", "cannot go on from it: %s",
                          what);
}

static bool read_floats(struct hb_rd *r, float *x, uint64_t n) {
        bool finite = true;

        for (uint64_t i = 0; i < n; i++) {
                uint32_t bits = hb_rd_u32(r);

                memcpy(&x[i], &bits, sizeof bits);
                finite &= isfinite(x[i]) != 0;
        }
        return finite && hb_rd_ok(r);
}

/* Second moments are squares: below zero their root would make all weights NaN. */
static bool read_weights(struct hb_rd *r, uint64_t n, float *all) {
        bool ok = hb_rd_left(r) == 4 * n * sizeof(float) && read_floats(r, all, 4 * n) && hb_rd_done(r);

        for (uint64_t i = 2 * n; ok && i < 3 * n; i++)
                ok = all[i] >= 0;
        return ok;
}

static int restore_weights(hb_trainer *t, struct hb_rd *r, struct hb_err *e) {
        uint64_t n = t->model->nweights;
        float *all = malloc(4 * n * sizeof *all); /* nothing is changed by a state that is bad */

        if (!all)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a training state");
        if (!read_weights(r, n, all)) {
                free(all);
                return bad(e, "its numbers are damaged");
        }
        memcpy(t->model->weights, all, n * sizeof *all);
        memcpy(t->model->learning + n, all + n, 2 * n * sizeof *all);
        memcpy(t->good, all + 3 * n, n * sizeof *all);
        free(all);
        return 0;
}

int hb_trainer_restore(hb_trainer *t, const void *data, size_t size, struct hb_err *e) {
        struct hb_rd r = hb_rd_init(data, size);
        hb_trainer now = *t;
        int rc;

        if (hb_rd_u32(&r) != SAVE_MAGIC)
                return bad(e, "it is none");
        if (hb_rd_u32(&r) != t->model->hidden || hb_rd_u32(&r) != t->model->dense)
                return bad(e, "it is of a model of another size");
        now.seed = hb_rd_u64(&r);
        now.steps = hb_rd_u64(&r);
        now.bad_steps = hb_rd_u64(&r);
        now.examples = hb_rd_u64(&r);
        now.adam.steps = hb_rd_u64(&r);
        now.bad_in_a_row = hb_rd_u32(&r);
        now.loss = hb_rd_f64(&r);
        rc = restore_weights(t, &r, e);
        if (rc == 0)
                *t = now;
        return rc;
}
