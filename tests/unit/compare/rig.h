/* rig: a folder with two small traces and some policies, and a replay that makes up its figures: equal for
 * equal options, so that a table can be compared byte by byte, and counted. */
#pragma once
#include "base/clock.h"
#include "base/fault.h"
#include "check.h"
#include "compare/compare.h"
#include "compare/results.h"
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rig {
        char dir[64], trace[2][96], db[96];
};

static atomic_uint replays;    /* run so far */
static atomic_uint hold_after; /* replays from this on last until they are stopped */
static atomic_int fail_policy; /* -1, or the link's kB/s whose replays fail */

static inline void write_trace(const char *path, uint32_t pages, uint32_t epochs, uint32_t stride) {
        struct hb_trace_header h = {.page_size = 4096,
                                    .epoch_ns = HB_NS_PER_S,
                                    .origin = HB_TRACE_SYNTHETIC,
                                    .flags = HB_TRACE_EXACT_READS | HB_TRACE_EXACT_WRITES};
        struct hb_trace_writer_options o = {0};
        struct hb_trace_access a[64];
        hb_trace_writer *w;

        strcpy(h.guest, "vm1");
        assert_int_equal(hb_shape_add(&h.shape, "ram", (uint64_t)pages * 4096, 4096, NULL), 0);
        assert_int_equal(hb_trace_writer_new(path, &h, &o, &w, NULL), 0);
        for (uint32_t e = 1; e <= epochs; e++) {
                unsigned n = 0;

                for (uint32_t p = e % stride; p < pages && n < 64; p += stride)
                        a[n++] = (struct hb_trace_access){p, 1, p % 2};
                assert_int_equal(hb_trace_writer_epoch(w, e, e * HB_NS_PER_S, a, n), 0);
        }
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
}

static inline void write_text(const char *dir, const char *name, const char *text) {
        char path[160];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        f = fopen(path, "w");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static inline int rig_setup(void **state) {
        struct rig *r = calloc(1, sizeof(*r));
        char dir[] = "/dev/shm/hb-compare-XXXXXX"; /* in memory: each cell is synced, which is not what is
                                                      tested */

        if (access("/dev/shm", W_OK) != 0)
                strcpy(dir, "/tmp/hb-compare-XXXXXX");
        assert_non_null(mkdtemp(dir));
        strcpy(r->dir, dir);
        snprintf(r->db, sizeof(r->db), "%s/results.db", dir);
        for (int i = 0; i < 2; i++)
                snprintf(r->trace[i], sizeof(r->trace[i]), "%s/trace%d.hbt", dir, i);
        write_trace(r->trace[0], 100, 120, 3);
        write_trace(r->trace[1], 64, 200, 5);
        atomic_store(&replays, 0);
        atomic_store(&hold_after, UINT32_MAX);
        atomic_store(&fail_policy, -1);
        setenv("TMPDIR", r->dir, 1);
        *state = r;
        return 0;
}

static inline int rig_teardown(void **state) {
        struct rig *r = *state;
        char command[128];

        hb_fault_disarm();
        snprintf(command, sizeof(command), "rm -rf '%s'", r->dir);
        assert_int_equal(system(command), 0);
        free(r);
        return 0;
}

#define WORD(k) (o->policies[k] ? o->policies[k] : "")
/* A number in [0, 1) that depends on everything the cell depends on. */
static inline double made_up(const char *path, const struct hb_replay_options *o, unsigned salt) {
        uint64_t h = 1469598103934665603ull + salt * 977u;
        char text[300];

        snprintf(text, sizeof(text), "%s %s %s %s %g %g", strrchr(path, '/'), WORD(0), WORD(1), WORD(2),
                 o->horizon_s, o->link_bytes_per_s);
        for (const char *p = text; *p; p++)
                h = (h ^ (uint8_t)*p) * 1099511628211ull;
        return (double)(h >> 11) / 9007199254740992.0;
}

static inline int fake_replay(const char *path, const struct hb_replay_options *o,
                              int (*tick)(void *arg, double share, const struct hb_replay_point *p),
                              void *arg, struct hb_replay_result *ret, struct hb_err *e) {
        struct hb_replay_result r = {
                .epochs = 100, .records = 1000, .seconds = 100, .coverage = made_up(path, o, 1)};

        if (atomic_fetch_add(&replays, 1) >= atomic_load(&hold_after)) {
                while (tick(arg, 0.5, NULL) == 0)
                        sched_yield();
                return -ECANCELED;
        }
        if (o->link_bytes_per_s / 1000 == atomic_load(&fail_policy))
                return hb_err_set(e, -EBADMSG, path, "harbinger trace verify it", "a damaged block");
        r.quality.all = (struct hb_quality_score){
                .precision = made_up(path, o, 2), .recall = NAN, .f1 = made_up(path, o, 3), .moments = 10};
        for (unsigned i = 0; i < 10; i++) {
                struct hb_quality_result q = {.all = {.f1 = made_up(path, o, 10 + i), .precision = NAN}};

                if (o->quality && o->on_moment)
                        o->on_moment(o->watch_arg, (30 + 5 * i) * HB_NS_PER_S, &q);
        }
        for (unsigned i = 1; i <= 100; i++) {
                struct hb_replay_point p = {.epoch = i,
                                            .time_ns = i * HB_NS_PER_S,
                                            .accessed = i % 7,
                                            .fresh = i,
                                            .coverage = made_up(path, o, 100 + i),
                                            .bytes = i * 4096};

                if (o->on_point)
                        o->on_point(o->watch_arg, &p);
        }
        for (unsigned i = 0; i < o->migrate_moments; i++)
                r.migrations[r.nmigrations++] =
                        (struct hb_replay_migration){.at_ns = o->migrate_at_ns[i],
                                                     .downtime_s = made_up(path, o, 1000 + i),
                                                     .bytes_after = 4096 * i,
                                                     .converged = true};
        if (tick && tick(arg, 0.5, NULL))
                return -ECANCELED;
        *ret = r;
        return 0;
}

static inline struct hb_compare_options rig_options(struct rig *r, const char **traces) {
        traces[0] = r->trace[0];
        traces[1] = r->trace[1];
        return (struct hb_compare_options){.traces = traces,
                                           .ntraces = 2,
                                           .horizons = "5,10",
                                           .links = "100mbit,1gbit",
                                           .policies = "default,default/default/fixed",
                                           .policy_dir = HB_SOURCE_DIR "/policies"};
}

/* Everything the results say of the plan's cells, took_s aside, as text; malloced. */
static inline char *dump(const char *db) {
        struct hb_compare_plan *p;
        hb_results *r;
        char *text;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_int_equal(hb_results_open(db, true, &r, NULL), 0);
        assert_int_equal(hb_results_get_plan(r, &p, NULL), 0);
        for (unsigned i = 0; i < hb_compare_cells(p); i++) {
                struct hb_compare_cell c;
                char key[33];

                hb_compare_key(p, i, key);
                if (hb_results_get(r, key, &c, NULL) < 0) {
                        fprintf(f, "%u missing\n", i);
                        continue;
                }
                fprintf(f, "%u %s %.17g %.17g %.17g %llu\n", i, c.key, c.r.quality.all.f1,
                        c.r.quality.all.recall, c.r.coverage, (unsigned long long)c.r.records);
                for (unsigned m = 0; m < c.nmoments; m++)
                        fprintf(f, " %llu %.17g\n", (unsigned long long)c.moments[m].time_ns,
                                c.moments[m].f1);
                for (unsigned m = 0; m < c.nspans; m++)
                        fprintf(f, " %llu %.17g %.17g\n", (unsigned long long)c.spans[m].time_ns,
                                c.spans[m].coverage, c.spans[m].accessed);
                for (unsigned m = 0; m < c.r.nmigrations; m++)
                        fprintf(f, " %llu %.17g\n", (unsigned long long)c.r.migrations[m].at_ns,
                                c.r.migrations[m].downtime_s);
                hb_compare_cell_fini(&c);
        }
        hb_compare_plan_free(p);
        hb_results_close(r);
        fclose(f);
        return text;
}
