/* train: passes over the lessons. A pass begins as a checkpoint would be gone on with (the trainer is made
 * anew from its saved state, its store empty), so that a run which was stopped between two passes and one
 * which was not do the very same. */
#include "learn/train.h"
#include "base/clock.h"
#include "base/fault.h"
#include "compare/compare.h"
#include "learn/checkpoint.h"
#include "learn/gather.h"
#include "learn/random.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TELL_NS (100 * HB_NS_PER_MS)

struct run {
        struct hb_train_options o;
        int (*tick)(void *arg, const struct hb_train_progress *p);
        void *arg;
        struct hb_gathered lessons;
        hb_model *from; /* the weights it began with */
        struct hb_checkpoint now;
        char part[4096];
        size_t *order;
        struct hb_train_progress progress;
        uint64_t began_ns, told_ns, pass_ns, pass_pages;
        bool resumed, stopped_early;
};

static void defaults(struct hb_train_options *o) {
        o->validate_share = o->validate_none ? 0 : o->validate_share > 0 ? o->validate_share : 0.15;
        o->hidden = o->hidden ? o->hidden : 32;
        o->dense = o->dense ? o->dense : 48;
        o->passes = o->passes ? o->passes : 30;
        o->patience = o->patience ? o->patience : 5;
        o->steps = o->steps ? o->steps : 2;
        o->memory_bytes = o->memory_bytes ? o->memory_bytes : 512u << 20;
        o->seed = o->seed ? o->seed : 1;
        o->trainer.seed = o->trainer.seed ? o->trainer.seed : o->seed;
        o->data.every_s = o->data.every_s > 0 ? o->data.every_s : HB_DATASET_EVERY_S;
        o->data.warmup_s = o->data.warmup_s > 0 ? o->data.warmup_s : HB_DATASET_WARMUP_S;
        o->data.pages = o->data.pages ? o->data.pages : HB_DATASET_PAGES;
        if (o->data.nhorizons == 0) {
                o->data.nhorizons = 3;
                o->data.horizons[0] = 5;
                o->data.horizons[1] = 10;
                o->data.horizons[2] = 30;
        }
}

static int tell(struct run *r, bool now) {
        uint64_t t = hb_now_ns();

        if (!r->tick || (!now && t - r->told_ns < TELL_NS))
                return 0;
        r->told_ns = t;
        if (t > r->pass_ns && r->pass_pages)
                r->progress.pages_per_s = (double)r->pass_pages * 1e9 / (double)(t - r->pass_ns);
        return r->tick(r->arg, &r->progress) ? -ECANCELED : 0;
}

static int on_gather(void *arg, uint64_t at, uint64_t of) {
        struct run *r = arg;

        r->progress.at = at;
        r->progress.of = of;
        return tell(r, false) < 0;
}

/* ---- what a run is known by ---- */

static int add_hashes(const char *const *paths, unsigned n, char *text, size_t size, struct hb_err *e) {
        char hash[33];

        for (unsigned i = 0; i < n; i++) {
                size_t at = strlen(text);
                int rc = hb_compare_hash_file(paths[i], NULL, NULL, hash, e);

                if (rc < 0)
                        return rc;
                snprintf(text + at, size - at, " %.8s", hash);
        }
        return 0;
}

static int make_key(const struct hb_train_options *o, char *ret, size_t size, struct hb_err *e) {
        int n = snprintf(ret, size,
                         "harbinger " HB_VERSION " model %u seed %llu hidden %u dense %u steps %u "
                         "pages %u every %g warmup %g share %g memory %llu rate %g clip %g blocks %u "
                         "batch %u held %u patience %u horizons",
                         HB_MODEL_VERSION, (unsigned long long)o->seed, o->hidden, o->dense, o->steps,
                         o->data.pages, o->data.every_s, o->data.warmup_s, o->validate_share,
                         (unsigned long long)o->memory_bytes, (double)o->trainer.rate,
                         (double)o->trainer.clip, o->trainer.batch_blocks, o->trainer.batch_pages,
                         o->trainer.lessons, o->patience);
        int rc;

        for (unsigned i = 0; i < o->data.nhorizons; i++)
                n += snprintf(ret + n, size - (size_t)n, " %g", o->data.horizons[i]);
        snprintf(ret + n, size - (size_t)n, " traces");
        rc = add_hashes(o->traces, o->ntraces, ret, size, e);
        n = (int)strlen(ret);
        snprintf(ret + n, size - (size_t)n, " validated on");
        if (rc == 0)
                rc = add_hashes(o->validate, o->nvalidate, ret, size, e);
        n = (int)strlen(ret);
        snprintf(ret + n, size - (size_t)n, " from");
        if (rc == 0 && o->from)
                rc = add_hashes(&o->from, 1, ret, size, e);
        return rc;
}

/* ---- a pass ---- */

static void shuffle(struct run *r, uint32_t pass) {
        uint64_t random = r->o.seed + 0x51ED2701ull * pass;

        for (size_t i = 0; i < r->lessons.ntrain; i++)
                r->order[i] = i;
        for (size_t i = r->lessons.ntrain; i > 1; i--) {
                size_t k = hb_random_below(&random, i), was = r->order[k];

                r->order[k] = r->order[i - 1];
                r->order[i - 1] = was;
        }
}

static int validate(struct run *r, hb_trainer *t, double *ret) {
        double sum = 0, n = 0;

        for (size_t i = 0; i < r->lessons.nheld; i++) {
                sum += hb_trainer_validate(t, r->lessons.held[i]) * r->lessons.held[i]->batch.n;
                n += r->lessons.held[i]->batch.n;
                if (tell(r, false) < 0)
                        return -ECANCELED;
        }
        *ret = n > 0 ? sum / n : NAN;
        return 0;
}

static int teach(struct run *r, hb_trainer *t) {
        struct hb_trainer_progress p;
        int rc = 0;

        for (size_t i = 0; i < r->lessons.ntrain && rc == 0; i++) {
                struct hb_model_lesson *l = hb_lesson_copy(r->lessons.train[r->order[i]]);

                if (!l)
                        return -ENOMEM;
                r->pass_pages += l->batch.n;
                hb_trainer_add(t, l);
                rc = hb_trainer_step(t, r->o.steps);
                hb_trainer_progress(t, &p);
                r->progress.at = i + 1;
                r->progress.loss = p.loss;
                if (rc == 0)
                        rc = tell(r, false);
        }
        return rc;
}

static int make_trainer(struct run *r, hb_trainer **ret, struct hb_err *e) {
        int rc = hb_trainer_new(r->from, &r->o.trainer, ret);

        if (rc == 0 && r->now.trainer.len) {
                rc = hb_trainer_restore(*ret, r->now.trainer.data, r->now.trainer.len, e);
                if (rc < 0)
                        *ret = hb_trainer_free(*ret);
        }
        return rc;
}

/* The weights as they are now, with what they cannot know themselves. */
static int keep_best(struct run *r, hb_trainer *t, const struct hb_trainer_progress *p) {
        struct hb_model_info info;
        hb_model *m;
        int rc = hb_trainer_model(t, &m);

        if (rc < 0)
                return rc;
        hb_model_info(m, &info);
        info.seed = r->o.seed;
        info.steps = p->steps;
        info.examples = p->examples;
        info.loss = p->loss;
        info.validation = r->now.best;
        snprintf(info.note, sizeof(info.note), "%s", r->o.note);
        hb_model_set_info(m, &info);
        hb_buf_reset(&r->now.model);
        rc = hb_model_encode(m, &r->now.model);
        hb_model_free(m);
        return rc < 0 ? rc : r->now.model.failed ? -ENOMEM : 0;
}

static int judge_pass(struct run *r, hb_trainer *t) {
        struct hb_trainer_progress p;
        struct hb_checkpoint *c = &r->now;
        int rc = validate(r, t, &c->validation);

        if (rc < 0)
                return rc;
        hb_trainer_progress(t, &p);
        c->loss = p.loss;
        c->examples = p.examples;
        c->bad_steps = p.bad_steps;
        c->pass++;
        c->worse++;
        if (!(c->validation >= c->best)) { /* better, or nothing to validate on */
                c->best = c->validation;
                c->best_pass = c->pass;
                c->worse = 0;
                rc = keep_best(r, t, &p);
        }
        r->progress.validation = c->validation;
        r->progress.best = c->best;
        hb_buf_reset(&c->trainer);
        return rc < 0 ? rc : hb_trainer_save(t, &c->trainer);
}

static int one_pass(struct run *r, struct hb_err *e) {
        hb_trainer *t = NULL;
        int rc = make_trainer(r, &t, e);

        if (rc < 0)
                return rc;
        if (r->now.pass == 0)
                rc = validate(r, t, &r->now.untrained);
        r->progress.pass = r->now.pass + 1;
        r->progress.of = r->lessons.ntrain;
        r->pass_ns = hb_now_ns();
        r->pass_pages = 0;
        shuffle(r, r->now.pass);
        if (rc == 0)
                rc = teach(r, t);
        if (rc == 0)
                rc = judge_pass(r, t);
        hb_trainer_free(t);
        if (rc == 0)
                rc = hb_checkpoint_write(r->part, &r->now, e);
        return rc < 0 ? rc : tell(r, true);
}

/* ---- the run ---- */

static int begin_weights(struct run *r, struct hb_err *e) {
        if (r->o.from)
                return hb_model_read(r->o.from, &r->from, e);
        return hb_model_new(r->o.hidden, r->o.dense, r->o.seed, &r->from);
}

static int go_on(struct run *r, struct hb_err *e) {
        struct hb_checkpoint c;
        int rc = hb_checkpoint_read(r->part, &c, e);

        if (rc == -ENOENT)
                return 0; /* there was nothing yet: from the beginning */
        if (rc < 0)
                return rc;
        if (strcmp(c.key, r->now.key) != 0) {
                hb_checkpoint_fini(&c);
                return hb_err_set(e, -EINVAL, r->part,
                                  "give the same traces and options, or leave out --resume",
                                  "what is there was trained otherwise");
        }
        r->now = c;
        r->resumed = true;
        r->progress.loss = c.loss;
        r->progress.validation = c.validation;
        r->progress.best = c.best;
        return 0;
}

static int prepare(struct run *r, struct hb_err *e) {
        int rc = make_key(&r->o, r->now.key, sizeof(r->now.key), e);

        r->now.best = INFINITY;
        r->now.validation = r->now.loss = r->now.untrained = NAN;
        if (snprintf(r->part, sizeof(r->part), "%s.part", r->o.out) >= (int)sizeof(r->part))
                rc = hb_err_set(e, -ENAMETOOLONG, r->o.out, NULL, "the path is too long");
        if (rc == 0 && r->o.resume)
                rc = go_on(r, e);
        if (rc == 0)
                rc = begin_weights(r, e);
        if (rc == 0)
                rc = hb_gather(&r->o, on_gather, r, &r->lessons, e);
        if (rc == 0 && r->lessons.ntrain == 0)
                rc = hb_err_set(e, -ENODATA, r->o.traces[0], "record for longer: some minutes at least",
                                "the traces are too short: no lesson fits into them");
        r->order = calloc(r->lessons.ntrain + 1, sizeof(*r->order));
        return rc < 0 ? rc : r->order ? 0 : -ENOMEM;
}

static int write_model(struct run *r, struct hb_train_result *ret, struct hb_err *e) {
        hb_model *m;
        int rc = hb_model_decode(r->now.model.data, r->now.model.len, r->o.out, &m, e);

        if (rc < 0)
                return rc;
        rc = hb_model_write(m, r->o.out, e);
        hb_model_info(m, &ret->model);
        hb_model_free(m);
        if (rc == 0)
                unlink(r->part); /* nothing is left to go on with */
        return rc;
}

static void fill(const struct run *r, struct hb_train_result *ret) {
        ret->passes = r->now.pass;
        ret->best_pass = r->now.best_pass;
        ret->resumed = r->resumed;
        ret->stopped_early = r->stopped_early;
        ret->lessons = r->lessons.ntrain;
        ret->held_back = r->lessons.nheld;
        ret->pages = r->lessons.pages;
        ret->bad_steps = r->now.bad_steps;
        ret->loss = r->now.loss;
        ret->validation = r->now.best;
        ret->untrained = r->now.untrained;
        ret->took_s = (double)(hb_now_ns() - r->began_ns) / 1e9;
}

static int all_passes(struct run *r, struct hb_err *e) {
        int rc = 0;

        while (rc == 0 && r->now.pass < r->o.passes && !r->stopped_early) {
                rc = one_pass(r, e);
                r->stopped_early = r->lessons.nheld && r->now.worse >= r->o.patience;
        }
        return rc;
}

static int explain(const struct run *r, int rc, struct hb_err *e) {
        if (rc == -ECANCELED)
                return hb_err_set(e, rc, r->part, "the same command with --resume goes on from here",
                                  "stopped after %u passes", r->now.pass);
        if (rc == -EDOM)
                return hb_err_set(e, rc, r->o.out, "give a smaller --rate",
                                  "training failed: its loss is not finite any more");
        if (rc == -ENOMEM)
                return hb_err_set(e, rc, NULL, "give fewer traces, or less --memory", "out of memory");
        return rc;
}

int hb_train_run(const struct hb_train_options *o, int (*tick)(void *arg, const struct hb_train_progress *p),
                 void *arg, struct hb_train_result *ret, struct hb_err *e) {
        struct run r = {.o = *o, .tick = tick, .arg = arg, .began_ns = hb_now_ns()};
        struct hb_train_result result = {0};
        int rc;

        defaults(&r.o);
        r.progress =
                (struct hb_train_progress){.passes = r.o.passes, .loss = NAN, .validation = NAN, .best = NAN};
        rc = prepare(&r, e);
        r.stopped_early = rc == 0 && r.lessons.nheld && r.now.worse >= r.o.patience;
        if (rc == 0)
                rc = all_passes(&r, e);
        if (rc == 0)
                rc = write_model(&r, &result, e);
        fill(&r, &result);
        hb_gathered_fini(&r.lessons);
        hb_checkpoint_fini(&r.now);
        hb_model_free(r.from);
        free(r.order);
        if (rc < 0)
                return explain(&r, rc, e);
        *ret = result;
        return 0;
}
