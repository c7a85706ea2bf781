/* check: the steps in order, each only when those before gave something to go on with. */
#include "author/check.h"
#include "author/bench.h"
#include "author/world.h"
#include "base/clock.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIFE_S      120
#define MOMENT_S    10
#define MOMENTS     (LIFE_S / MOMENT_S)
#define COST_ROUNDS 5

struct checking {
        const char *path;
        hb_author_found *found;
        void *arg;
        struct hb_author_report *r;
        struct hb_err *e;
        hb_guard *guard;
        uint64_t longest_ns;
};

/* ---- problems ---- */

static void tell(struct checking *k, const char *check, const char *message) {
        struct hb_author_problem p = {.check = check};

        hb_author_locate(&k->r->policy, k->path, message, &p);
        k->r->problems++;
        k->found(k->arg, &p);
}

__attribute__((format(printf, 3, 4))) static void tellf(struct checking *k, const char *check,
                                                        const char *fmt, ...) {
        char text[HB_PLUGIN_MESSAGE];
        va_list args;

        va_start(args, fmt);
        vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        tell(k, check, text);
}

/* ---- loading ---- */

static int load(struct checking *k, const char *why, hb_plugin **ret) {
        struct hb_author_report *r = k->r;
        struct hb_policy_source source;
        struct hb_err e = {0};
        uint64_t t0;
        int rc = hb_author_read(&r->policy, &source, &e);

        t0 = hb_now_ns();
        if (rc == 0)
                rc = hb_plugin_new(r->policy.kind, r->policy.name, &source, &r->limits, k->guard, ret, &e);
        r->load_ms = (double)(hb_now_ns() - t0) / 1e6;
        if (rc == -ENOMEM && !e.code)
                return hb_err_set(k->e, rc, k->path, NULL, "out of memory");
        if (rc < 0)
                tell(k, why, e.what);
        return 0; /* whether there is one is in *ret */
}

/* ---- two minutes of a guest ---- */

struct life { /* what it answered at each moment */
        double cut[LIFE_S];
        float *answers; /* of the last moment */
        uint32_t n;
};

static int make_world(hb_made_world **ret) {
        struct hb_pattern p;
        hb_made_world *w;
        int rc = hb_made_world_new(16384, 5, &w);

        for (int k = 0; rc == 0 && k < HB_PATTERN_KINDS; k++) {
                hb_pattern_default((enum hb_pattern_kind)k, &p);
                p.from = (uint32_t)k * 4096;
                p.pages = k == HB_PATTERN_HOT ? 300 : 4000;
                p.per_s = k == HB_PATTERN_SCAN ? 120 : 40;
                p.reads = 1 + 3 * (k == HB_PATTERN_HOT);
                p.write_share = 0.25;
                rc = hb_made_world_add(w, &p, NULL);
        }
        if (rc == 0)
                *ret = w;
        return rc;
}

static int call(struct checking *k, hb_plugin *p, struct hb_plugin_call *c, const char *check) {
        char message[HB_PLUGIN_MESSAGE];
        uint64_t ns = 0;
        int rc = hb_plugin_run(p, c, message, &ns);

        if (ns > k->longest_ns)
                k->longest_ns = ns;
        if (rc < 0)
                tell(k, check, message);
        return rc;
}

/* A link and an accuracy that swing from one end to the other, with a migration near the end. */
static void swing(unsigned t, struct hb_policy_link *l, struct hb_policy_accuracy *a,
                  struct hb_policy_guest *g) {
        double x = fabs((double)(t % 40) / 20 - 1);

        *l = (struct hb_policy_link){.latency_s = 1e-4 + x / 10,
                                     .bytes_per_s = t % 7 ? 1.25e8 : 0,
                                     .free_bytes_per_s = t % 7 ? 1.25e8 * (1 - x) : 0,
                                     .used_share = x,
                                     .confidence = t % 7 ? 1 - x / 2 : 0,
                                     .pace_loss = t % 3 ? 0 : x};
        *a = (struct hb_policy_accuracy){.precision = t < 5 ? -1 : x,
                                         .recall = t < 5 ? -1 : 1 - x,
                                         .wasted_share = t < 5 ? -1 : x,
                                         .hit = t * 100,
                                         .wasted = t * 5000.0 * x + t};
        g->draining = t > LIFE_S - 10;
}

static int ask(struct checking *k, hb_plugin *p, hb_made_world *w, unsigned t, struct life *life) {
        enum hb_policy_kind kind = k->r->policy.kind;
        uint32_t histogram[HB_POLICY_BUCKETS] = {0};
        struct hb_policy_accuracy a;
        struct hb_policy_pages pages;
        struct hb_policy_guest g;
        struct hb_policy_link l;
        struct hb_plugin_call c;
        int rc;

        hb_made_world_pages(w, &pages);
        hb_made_world_guest(w, &g);
        swing(t, &l, &a, &g);
        for (unsigned i = 0; i < HB_POLICY_BUCKETS; i++)
                histogram[i] = (i * t * 37) % 900;
        if (kind == HB_POLICY_SCORER) { /* heat makes a fair prediction */
                pages.predicted = pages.read_heat;
                pages.predicted_writes = pages.write_heat;
        }
        c = (struct hb_plugin_call){.pages = &pages,
                                    .guest = &g,
                                    .link = &l,
                                    .accuracy = &a,
                                    .histogram = histogram,
                                    .previous = t ? life->cut[t - 1] : 0,
                                    .out = {life->answers, life->answers + HB_POLICY_BATCH}};
        rc = call(k, p, &c, "run");
        life->cut[t] = kind == HB_POLICY_THRESHOLD ? fmin(fmax(c.number, -1), 1) : 0;
        life->n = kind == HB_POLICY_THRESHOLD ? 0 : pages.n;
        return rc;
}

/* 0: it lived; else a problem was told of, or -ENOMEM. */
static int live(struct checking *k, hb_plugin *p, struct life *life) {
        char message[HB_PLUGIN_MESSAGE] = "";
        hb_made_world *w = NULL;
        bool predictor = k->r->policy.kind == HB_POLICY_PREDICTOR;
        int rc = make_world(&w);

        for (unsigned t = 0; t < LIFE_S && rc == 0; t++) {
                rc = hb_made_world_run(w, 1, predictor ? p : NULL, message);
                if (rc < 0 && *message)
                        tell(k, "run", message);
                if (rc == 0 && (k->r->policy.kind == HB_POLICY_THRESHOLD || t % MOMENT_S == MOMENT_S - 1))
                        rc = ask(k, p, w, t, life);
        }
        hb_made_world_free(w);
        return rc;
}

static void check_save(struct checking *k, hb_plugin *from, hb_plugin *to) {
        char message[HB_PLUGIN_MESSAGE];
        struct hb_buf out = {0};
        int rc = hb_plugin_save(from, &out, message);

        if (rc == 0 && out.len)
                rc = hb_plugin_restore(to, out.data, out.len, message);
        if (rc < 0)
                tell(k, "save", message);
        hb_buf_free(&out);
}

static int check_life(struct checking *k, hb_plugin *p) {
        struct life *lives = calloc(2, sizeof(*lives));
        hb_plugin *again = NULL;
        int rc = lives ? 0 : -ENOMEM;

        for (int i = 0; rc == 0 && i < 2; i++)
                if (!(lives[i].answers = calloc(2 * HB_POLICY_BATCH, sizeof(float))))
                        rc = -ENOMEM;
        if (rc == 0)
                rc = live(k, p, &lives[0]);
        if (rc == 0)
                rc = load(k, "load", &again);
        if (rc == 0 && again)
                rc = live(k, again, &lives[1]);
        if (rc == 0 && again &&
            (memcmp(lives[0].cut, lives[1].cut, sizeof(lives[0].cut)) ||
             memcmp(lives[0].answers, lives[1].answers, lives[0].n * sizeof(float))))
                tell(k, "repeat", "two states that were told the same gave different answers");
        hb_plugin_free(again);
        again = NULL;
        if (rc == 0)
                rc = load(k, "load", &again);
        if (rc == 0 && again)
                check_save(k, p, again);
        hb_plugin_free(again);
        for (int i = 0; lives && i < 2; i++)
                free(lives[i].answers);
        free(lives);
        return rc == -ENOMEM && !k->r->problems ? rc : 0;
}

/* ---- cost ---- */

static int check_cost(struct checking *k, hb_plugin *p) {
        struct hb_author_report *r = k->r;
        double deadline_ms = (double)r->limits.deadline_ns / 1e6;
        struct hb_author_speed speed = {0, 0};
        hb_author_bench *b;
        struct hb_err e = {0};
        int rc = hb_author_bench_new(&b);

        if (rc < 0)
                return hb_err_set(k->e, rc, k->path, NULL, "out of memory");
        if (hb_author_bench_plugin(b, r->policy.kind, p, &speed, &e) < 0)
                tell(k, "cost", e.what);
        hb_author_bench_free(b);
        r->call_ms = (double)k->longest_ns / 1e6;
        if (r->policy.kind == HB_POLICY_THRESHOLD)
                r->call_us = speed.ns_per_page / 1e3;
        else
                r->ns_per_page = speed.ns_per_page;
        if (speed.ns_per_page * HB_POLICY_BATCH / 1e6 > r->call_ms && r->policy.kind != HB_POLICY_THRESHOLD)
                r->call_ms = speed.ns_per_page * HB_POLICY_BATCH / 1e6;
        r->memory_bytes = hb_plugin_memory(p);
        if (r->call_ms > deadline_ms / 2)
                tellf(k, "cost", "a call took %.1f ms, its deadline is %.0f ms: too close on a busy host",
                      r->call_ms, deadline_ms);
        if (r->memory_bytes > r->limits.memory_bytes / 2)
                tellf(k, "cost", "it keeps %.1f MiB after two minutes, its limit is %.0f MiB",
                      (double)r->memory_bytes / 1048576, (double)r->limits.memory_bytes / 1048576);
        return 0;
}

static void describe(struct hb_author_report *r, const hb_plugin *p) {
        r->loaded = true;
        r->params = hb_plugin_params(p, NULL, 0);
        snprintf(r->version, sizeof(r->version), "%s", hb_plugin_version(p));
        snprintf(r->hash, sizeof(r->hash), "%s", hb_plugin_hash(p));
}

int hb_author_check(const char *path, hb_author_found *found, void *arg, struct hb_author_report *ret,
                    struct hb_err *e) {
        struct hb_author_report r = {.limits = hb_author_limits};
        struct checking k = {.path = path, .found = found, .arg = arg, .r = &r, .e = e};
        hb_plugin *p = NULL;
        int rc = hb_author_find(path, &r.policy, e);

        if (rc < 0)
                return rc;
        rc = hb_guard_new(&k.guard);
        if (rc < 0)
                return hb_err_set(e, rc, path, NULL, "cannot make a guard for policies: %s", strerror(-rc));
        rc = load(&k, "load", &p);
        if (rc == 0 && p) {
                double load_ms = r.load_ms;
                describe(&r, p);
                rc = check_life(&k, p);
                if (rc == 0)
                        rc = check_cost(&k, p);
                r.load_ms = load_ms;
        }
        hb_plugin_free(p);
        hb_guard_free(k.guard);
        if (rc == -ENOMEM)
                return hb_err_set(e, rc, path, NULL, "out of memory");
        if (rc == 0)
                *ret = r;
        return rc;
}
