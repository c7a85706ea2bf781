/* eval: cells are jobs of a few threads; the caller's thread only waits and tells how far they are. What a
 * cell is asked is one replay, so all there is to say about predictors is said by the engine's own code. */
#include "learn/eval.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/workers.h"
#include "trace/trace.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS (100 * HB_NS_PER_MS)

const char *const hb_eval_figure_names[HB_EVAL_FIGURES] = {"accesses", "returning", "new", "writes"};

struct pool;
struct job {
        struct pool *pool;
        unsigned cell;
        _Atomic double share;
        int result;
        struct hb_err e;
};

struct pool {
        const struct hb_eval_options *o;
        struct hb_eval *v;
        struct job *jobs;
        unsigned n, open;
        pthread_mutex_t lock;
        pthread_cond_t over;
        atomic_bool stop;
};

/* ---- what is asked ---- */

static int add_words(const char *list, char words[][64], unsigned *n, unsigned most, const char *option,
                     struct hb_err *e) {
        for (const char *p = list; *p; p += *p == ',') {
                size_t len = strcspn(p, ",");

                if (len == 0 || len >= 64 || *n == most)
                        return hb_err_set(e, -EINVAL, list, "names with commas between them",
                                          "%s cannot be understood", option);
                memcpy(words[*n], p, len);
                words[(*n)++][len] = '\0';
                p += len;
        }
        return 0;
}

static void add_predictor(struct hb_eval *v, const char *policy, enum hb_eval_kind kind) {
        static const char *const suffix[] = {"", " frozen", " tuned", " guarded"};
        struct hb_eval_predictor *p = &v->predictors[v->npredictors];

        if (v->npredictors == HB_EVAL_PREDICTORS)
                return;
        v->npredictors++;
        p->kind = kind;
        snprintf(p->policy, sizeof(p->policy), "%s", policy);
        snprintf(p->name, sizeof(p->name), "%s%s", policy, suffix[kind]);
}

/* `blend` mixes baselines and may ask the model too, so it is run as a learned one is: tuned on the way. */
static int add_predictors(struct hb_eval *v, const struct hb_eval_options *o, struct hb_err *e) {
        char words[HB_EVAL_PREDICTORS][64];
        unsigned n = 0;
        int rc = add_words(o->baselines ? o->baselines : "recency,ewma,lfu,majority,markov,periodic,blend",
                           words, &n, HB_EVAL_PREDICTORS - 2, "--baselines", e);

        for (unsigned i = 0; i < n && rc == 0; i++)
                add_predictor(v, words[i], HB_EVAL_BASELINE);
        n = 0;
        if (rc == 0)
                rc = add_words(o->learned ? o->learned : "lstm", words, &n, HB_EVAL_PREDICTORS / 2,
                               "--learned", e);
        for (unsigned i = 0; i < n && rc == 0; i++) {
                add_predictor(v, words[i], HB_EVAL_FROZEN);
                if (o->finetune < 0)
                        continue;
                add_predictor(v, words[i], HB_EVAL_TUNED);
                add_predictor(v, words[i], HB_EVAL_GUARDED);
        }
        return rc;
}

static int add_horizons(struct hb_eval *v, const char *list, struct hb_err *e) {
        char words[HB_EVAL_HORIZONS][64];
        unsigned n = 0;
        int rc = add_words(list ? list : "5,10,30", words, &n, HB_EVAL_HORIZONS, "--horizon", e);

        for (unsigned i = 0; i < n && rc == 0; i++) {
                char *end;

                v->horizons[v->nhorizons] = strtod(words[i], &end);
                if (*end || !(v->horizons[v->nhorizons] >= 0.1 && v->horizons[v->nhorizons] <= 3600))
                        return hb_err_set(e, -EINVAL, words[i], "seconds with commas: 5,10,30",
                                          "--horizon cannot be understood");
                v->nhorizons++;
        }
        return rc;
}

static int add_trace(struct hb_eval *v, const char *path, struct hb_err *e) {
        struct hb_eval_trace *t = &v->traces[v->ntraces];
        const char *slash = strrchr(path, '/');
        const struct hb_trace_header *h;
        struct hb_trace_info info;
        hb_trace_reader *r;
        int rc = hb_trace_reader_open(path, &r, e);

        if (rc < 0)
                return rc;
        h = hb_trace_reader_header(r);
        hb_trace_reader_info(r, &info);
        snprintf(t->path, sizeof(t->path), "%s", path);
        snprintf(t->name, sizeof(t->name), "%.60s", slash ? slash + 1 : path);
        if (strlen(t->name) > 4 && strcmp(t->name + strlen(t->name) - 4, ".hbt") == 0)
                t->name[strlen(t->name) - 4] = '\0';
        t->pages = h->shape.pages;
        t->epochs = info.epochs;
        t->seconds = (double)(info.last_ns - info.first_ns + h->epoch_ns) / 1e9;
        v->ntraces++;
        hb_trace_reader_free(r);
        return 0;
}

static int plan(const struct hb_eval_options *o, struct hb_eval **ret, struct hb_err *e) {
        struct hb_eval *v = hb_fault("learn.eval") ? NULL : calloc(1, sizeof(*v));
        unsigned cells;
        int rc = v ? 0 : -ENOMEM;

        if (rc == 0)
                rc = add_predictors(v, o, e);
        if (rc == 0)
                rc = add_horizons(v, o->horizons, e);
        if (rc == 0 && !(v->traces = calloc(o->ntraces, sizeof(*v->traces))))
                rc = -ENOMEM;
        for (unsigned i = 0; i < o->ntraces && rc == 0; i++)
                rc = add_trace(v, o->traces[i], e);
        cells = rc == 0 ? v->ntraces * v->nhorizons * v->npredictors : 0;
        if (rc == 0 && (cells == 0 || cells > HB_EVAL_CELLS))
                rc = hb_err_set(e, -EINVAL, NULL, "name fewer of them, or any", "%u cells are not to be had",
                                cells);
        if (rc == 0 && !(v->cells = calloc(cells, sizeof(*v->cells))))
                rc = -ENOMEM;
        if (rc < 0) {
                hb_eval_free(v);
                return rc == -ENOMEM ? hb_err_set(e, rc, NULL, NULL, "out of memory") : rc;
        }
        *ret = v;
        return 0;
}

struct hb_eval *hb_eval_free(struct hb_eval *v) {
        if (v) {
                free(v->traces);
                free(v->cells);
        }
        free(v);
        return NULL;
}

/* ---- a cell ---- */

static int on_replay(void *arg, double share, const struct hb_replay_point *p) {
        struct job *j = arg;

        (void)p;
        atomic_store_explicit(&j->share, share < 1 ? share : 1, memory_order_relaxed);
        return atomic_load_explicit(&j->pool->stop, memory_order_relaxed);
}

static int compute(struct job *j) {
        struct hb_eval *v = j->pool->v;
        const struct hb_eval_options *o = j->pool->o;
        unsigned predictor = j->cell % v->npredictors, row = j->cell / v->npredictors;
        const struct hb_eval_predictor *p = &v->predictors[predictor];
        struct hb_eval_cell *c = &v->cells[j->cell];
        struct hb_replay_options r = {
                .mode = HB_REPLAY_SIMULATED,
                .policy_dir = o->policy_dir,
                .policies = {p->policy, "", ""},
                .horizon_s = v->horizons[row % v->nhorizons],
                .oracle_budget = o->oracle_budget,
                .quality = true,
                .seed = o->seed ? o->seed : 1,
                .model = o->model,
                .predictor_params = p->kind == HB_EVAL_FROZEN || p->kind == HB_EVAL_TUNED ? "guard=0" : NULL,
                .finetune = p->kind == HB_EVAL_FROZEN ? -1 : o->finetune};
        struct hb_replay_result result;
        int rc = hb_replay_run(v->traces[row / v->nhorizons].path, &r, on_replay, j, &result, &j->e);

        if (rc < 0)
                return rc;
        c->q = result.quality;
        c->took_s = result.took_s;
        c->errors = result.policies[HB_POLICY_PREDICTOR].errors;
        c->lessons = result.tuned_lessons;
        c->steps = result.tuned_steps;
        memcpy(c->note, result.policies[HB_POLICY_PREDICTOR].note, sizeof(c->note));
        return 0;
}

static void run_job(void *arg) {
        struct job *j = arg;

        j->result = atomic_load(&j->pool->stop) ? -ECANCELED : compute(j);
        atomic_store(&j->share, 1);
        if (j->result < 0)
                atomic_store(&j->pool->stop, true); /* a table with holes is none */
        pthread_mutex_lock(&j->pool->lock);
        j->pool->open--;
        pthread_cond_signal(&j->pool->over);
        pthread_mutex_unlock(&j->pool->lock);
}

/* ---- all of them ---- */

static unsigned wait_a_moment(struct pool *p) {
        uint64_t until = hb_now_ns() + TICK_NS;
        struct timespec at = {(time_t)(until / HB_NS_PER_S), (long)(until % HB_NS_PER_S)};
        unsigned open;

        pthread_mutex_lock(&p->lock);
        if (p->open)
                pthread_cond_timedwait(&p->over, &p->lock, &at);
        open = p->open;
        pthread_mutex_unlock(&p->lock);
        return open;
}

static void wait_all(struct pool *p, int (*tick)(void *arg, double share, unsigned done, unsigned of),
                     void *arg, bool *ret_asked) {
        unsigned open;

        do {
                double share = 0;

                open = wait_a_moment(p);
                for (unsigned i = 0; i < p->n; i++)
                        share += atomic_load_explicit(&p->jobs[i].share, memory_order_relaxed);
                if (tick && tick(arg, share / p->n, p->n - open, p->n)) {
                        *ret_asked = true;
                        atomic_store(&p->stop, true);
                }
        } while (open);
}

static int start(struct pool *p, hb_workers **ret, struct hb_err *e) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        unsigned n = p->o->jobs ? p->o->jobs : processors > 0 ? (unsigned)processors : 1;
        int rc = hb_workers_new(n < p->n ? n : p->n, "eval", ret);

        p->open = p->n;
        for (unsigned i = 0; i < p->n && rc == 0; i++) {
                p->jobs[i] = (struct job){.pool = p, .cell = i};
                rc = hb_workers_submit(*ret, run_job, &p->jobs[i]);
                if (rc < 0) {
                        pthread_mutex_lock(&p->lock);
                        p->open -= p->n - i; /* these will not come */
                        pthread_mutex_unlock(&p->lock);
                        atomic_store(&p->stop, true);
                }
        }
        return rc < 0 ? hb_err_set(e, rc, NULL, NULL, "cannot start threads: %s", strerror(-rc)) : 0;
}

/* The first failure that is not a mere consequence of stopping. */
static int first_failure(const struct pool *p, struct hb_err *e) {
        for (unsigned i = 0; i < p->n; i++)
                if (p->jobs[i].result < 0 && p->jobs[i].result != -ECANCELED) {
                        if (e)
                                *e = p->jobs[i].e;
                        return p->jobs[i].result;
                }
        return 0;
}

static int run_all(struct pool *p, int (*tick)(void *arg, double share, unsigned done, unsigned of),
                   void *arg, struct hb_err *e) {
        hb_workers *workers = NULL;
        bool asked = false;
        int rc = start(p, &workers, e);

        if (workers)
                wait_all(p, rc < 0 ? NULL : tick, arg, &asked);
        hb_workers_free(workers);
        if (rc == 0)
                rc = first_failure(p, e);
        if (rc == 0 && asked)
                rc = hb_err_set(e, -ECANCELED, NULL, NULL, "stopped");
        return rc;
}

int hb_eval_run(const struct hb_eval_options *o,
                int (*tick)(void *arg, double share, unsigned done, unsigned of), void *arg,
                struct hb_eval **ret, struct hb_err *e) {
        struct pool p = {.o = o};
        pthread_condattr_t monotonic;
        struct hb_eval *v = NULL;
        int rc = plan(o, &v, e);

        if (rc < 0)
                return rc;
        p.v = v;
        p.n = v->ntraces * v->nhorizons * v->npredictors;
        p.jobs = calloc(p.n, sizeof(*p.jobs));
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&p.over, &monotonic);
        pthread_condattr_destroy(&monotonic);
        pthread_mutex_init(&p.lock, NULL);
        rc = p.jobs ? run_all(&p, tick, arg, e) : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        pthread_cond_destroy(&p.over);
        pthread_mutex_destroy(&p.lock);
        free(p.jobs);
        if (rc < 0) {
                hb_eval_free(v);
                return rc;
        }
        *ret = v;
        return 0;
}
