/* run: the missing cells on worker threads, their results written by the caller's thread.
 *
 * Invariant: only the caller's thread touches the database. A cell goes planned -> running -> computed ->
 * written; a worker hands it over under the lock. When asked to stop, workers end at their next tick and what
 * is computed is still written. Memory: a finished cell's rows until they are written. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/workers.h"
#include "compare/cell.h"
#include "compare/results.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS   (100 * HB_NS_PER_MS)
#define MOST_JOBS 256

struct run;
struct job {
        struct run *run;
        unsigned cell;
        double weight;
        _Atomic double share;
        int result;
        struct hb_compare_cell computed;
        struct hb_err e;
        struct job *next; /* computed, waiting to be written */
};

struct run {
        const struct hb_compare_plan *plan;
        const struct hb_compare_run *o;
        hb_compare_replay *replay;
        struct hb_results *results;
        struct job *jobs;
        unsigned njobs, open; /* open: not yet handed over */
        struct hb_compare_progress progress;
        uint64_t began_ns;
        pthread_mutex_t lock;
        pthread_cond_t handed_over;
        struct job *head, **tail;
        atomic_bool stop;
};

static int on_tick(void *arg, double share, const struct hb_replay_point *p) {
        struct job *j = arg;

        atomic_store_explicit(&j->share, share < 1 ? share : 1, memory_order_relaxed);
        return atomic_load_explicit(&j->run->stop, memory_order_relaxed);
}

static void compute(void *arg) {
        struct job *j = arg;
        struct run *run = j->run;

        if (atomic_load(&run->stop))
                j->result = -ECANCELED;
        else if (hb_fault("compare.run"))
                j->result = hb_err_set(&j->e, -EIO, run->plan->traces[0].path, NULL, "injected");
        else
                j->result =
                        hb_compare_cell_run(run->plan, j->cell, run->replay, on_tick, j, &j->computed, &j->e);
        atomic_store(&j->share, 1);
        pthread_mutex_lock(&run->lock);
        *run->tail = j;
        run->tail = &j->next;
        run->open--;
        pthread_cond_signal(&run->handed_over);
        pthread_mutex_unlock(&run->lock);
}

/* The next computed cell; NULL after TICK_NS without one, *ret_end when none will come. */
static struct job *take(struct run *run, bool *ret_end) {
        uint64_t until = hb_now_ns() + TICK_NS;
        struct timespec at = {(time_t)(until / HB_NS_PER_S), (long)(until % HB_NS_PER_S)};
        struct job *j;
        int r = 0;

        pthread_mutex_lock(&run->lock);
        while (!run->head && run->open && r == 0)
                r = pthread_cond_timedwait(&run->handed_over, &run->lock, &at);
        j = run->head;
        if (j) {
                run->head = j->next;
                if (!run->head)
                        run->tail = &run->head;
        }
        *ret_end = !j && !run->open;
        pthread_mutex_unlock(&run->lock);
        return j;
}

/* ---- what is missing ---- */
static double weight_of(const struct hb_compare_plan *p, unsigned cell) {
        struct hb_compare_at at = hb_compare_at(p, cell);
        double records = (double)p->traces[at.trace].records + (double)p->traces[at.trace].epochs * 100 + 1;

        /* Each migration is a replay up to its moment; the optimum is one pass. */
        return p->policies[at.policy].kind == HB_COMPARE_OPTIMUM ? records : records * (1 + p->moments / 2.0);
}

static int find_missing(struct run *run, struct hb_err *e) {
        unsigned cells = hb_compare_cells(run->plan);
        char key[33];

        run->jobs = hb_fault("compare.jobs") ? NULL : calloc(cells, sizeof(*run->jobs));
        if (!run->jobs)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        for (unsigned i = 0; i < cells; i++) {
                int there;

                hb_compare_key(run->plan, i, key);
                there = hb_results_has(run->results, key, e);
                if (there < 0)
                        return there;
                run->progress.there += there != 0;
                if (there)
                        continue;
                run->jobs[run->njobs].run = run;
                run->jobs[run->njobs].cell = i;
                run->jobs[run->njobs++].weight = weight_of(run->plan, i);
        }
        run->progress.cells = cells;
        run->open = run->njobs;
        return 0;
}

/* ---- the caller's thread ---- */
static void make_progress(struct run *run) {
        struct hb_compare_progress *p = &run->progress;
        double sum = 0, done = 0;

        for (unsigned i = 0; i < run->njobs; i++) {
                sum += run->jobs[i].weight;
                done += run->jobs[i].weight * atomic_load_explicit(&run->jobs[i].share, memory_order_relaxed);
        }
        p->share = sum > 0 ? done / sum : 1;
        p->elapsed_s = (double)(hb_now_ns() - run->began_ns) / HB_NS_PER_S;
        p->left_s = p->share > 0.001 && p->elapsed_s > 0.5 ? p->elapsed_s * (1 - p->share) / p->share : NAN;
}

static int tell(struct run *run) {
        make_progress(run);
        return run->o->tick ? run->o->tick(run->o->arg, &run->progress) : 0;
}

/* 0, or what ends the run. A failed cell does not: its error is kept in *first for the end. */
static int settle(struct run *run, struct job *j, struct hb_err *first, struct hb_err *e) {
        int r = 0;

        if (j->result == 0) {
                r = hb_results_put(run->results, run->plan, j->cell, &j->computed, e);
                run->progress.done += r == 0;
        } else if (j->result != -ECANCELED) {
                if (run->progress.failed++ == 0)
                        *first = j->e;
                if (!first->code)
                        first->code = j->result;
        }
        hb_compare_cell_fini(&j->computed);
        return r;
}

static int collect(struct run *run, struct hb_err *first, struct hb_err *e) {
        bool end = false;
        int r = 0;

        while (!end) {
                struct job *j = take(run, &end);
                int now = j ? settle(run, j, first, r < 0 ? NULL : e) : 0;

                if (r == 0)
                        r = now;
                if (r == 0 && tell(run) != 0)
                        r = -ECANCELED;
                if (r < 0)
                        atomic_store(&run->stop, true);
        }
        if (r == -ECANCELED) /* now, when what was computed by then is kept too */
                hb_err_set(e, r, NULL, "run the same again: it goes on from here",
                           "stopped: %u of %u cells are done", run->progress.there + run->progress.done,
                           run->progress.cells);
        return r;
}

static int start(struct run *run, hb_workers **ret, struct hb_err *e) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        unsigned n = run->o->jobs ? run->o->jobs : processors > 0 ? (unsigned)processors : 1;
        int r;

        n = n > MOST_JOBS ? MOST_JOBS : n;
        n = n > run->njobs ? run->njobs : n;
        r = hb_workers_new(n, "compare", ret);
        if (r < 0)
                return hb_err_set(e, r, NULL, NULL, "cannot start threads: %s", strerror(-r));
        for (unsigned i = 0; i < run->njobs && r == 0; i++) {
                r = hb_workers_submit(*ret, compute, &run->jobs[i]);
                if (r == 0)
                        continue;
                pthread_mutex_lock(&run->lock);
                run->open -= run->njobs - i; /* these will not come */
                pthread_mutex_unlock(&run->lock);
                atomic_store(&run->stop, true);
        }
        return r < 0 ? hb_err_set(e, r, NULL, NULL, "out of memory") : 0;
}

static void init(struct run *run) {
        pthread_condattr_t monotonic;

        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&run->handed_over, &monotonic);
        pthread_condattr_destroy(&monotonic);
        pthread_mutex_init(&run->lock, NULL);
        run->tail = &run->head;
        run->began_ns = hb_now_ns();
        run->progress.left_s = NAN;
}

int hb_compare_run(const struct hb_compare_plan *p, struct hb_results *results,
                   const struct hb_compare_run *o, struct hb_err *e) {
        struct run run = {
                .plan = p, .o = o, .replay = o->replay ? o->replay : hb_replay_run, .results = results};
        struct hb_err first = {0};
        hb_workers *workers = NULL;
        int r, started;

        init(&run);
        r = hb_results_put_plan(results, p, e);
        if (r == 0)
                r = find_missing(&run, e);
        if (r == 0 && run.njobs) {
                started = start(&run, &workers, e);
                r = workers ? collect(&run, &first, started < 0 ? NULL : e) : started;
                r = started < 0 ? started : r;
        }
        hb_workers_free(workers);
        if (r == 0)
                tell(&run);
        for (unsigned i = 0; i < run.njobs; i++)
                hb_compare_cell_fini(&run.jobs[i].computed);
        free(run.jobs);
        pthread_cond_destroy(&run.handed_over);
        pthread_mutex_destroy(&run.lock);
        if (r == 0 && run.progress.failed) {
                if (e)
                        *e = first;
                r = first.code;
        }
        return r;
}
