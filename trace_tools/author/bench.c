/* bench: see the header. Rounds are interleaved, policy and loop in turn, so that both see the same machine.
 */
#include "author/bench.h"
#include "map/history.h"
#include "policy/builtin.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCHES 16
#define COLUMNS 6
#define ROUNDS  7
#define WINDOWS 60
#define CALLS   2000 /* of a threshold in a round */

struct hb_author_bench {
        float *columns[COLUMNS], *accesses, *writes, *scores;
        uint32_t *gfn;
        hb_history *history;
        struct hb_policy_guest guest;
        struct hb_policy_link link;
        struct hb_policy_accuracy accuracy;
        uint32_t histogram[HB_POLICY_BUCKETS];
        hb_plugin *plugin;
        enum hb_policy_kind kind;
        hb_policies *set;
        struct hb_builtin_memory memory;
        double cut;
        struct hb_err *e;
};

/* A minute in which each window touched every eighth page, another eighth each time; some were written. */
static int make_history(hb_author_bench *b) {
        int rc = hb_history_new(HB_POLICY_BATCH, &b->history);

        b->gfn = malloc(HB_POLICY_BATCH * sizeof(*b->gfn));
        for (uint32_t i = 0; b->gfn && i < HB_POLICY_BATCH; i++)
                b->gfn[i] = i;
        for (uint32_t window = 1; rc == 0 && window <= WINDOWS; window++)
                for (uint32_t i = window * 3 % 8; rc == 0 && i < HB_POLICY_BATCH; i += 8)
                        rc = hb_history_note(b->history, i, window, i % 3 == 0);
        return rc < 0 ? rc : b->gfn ? 0 : -ENOMEM;
}

int hb_author_bench_new(hb_author_bench **ret) {
        static const float top[COLUMNS] = {3, 1, 120, 300, 64, 4200};
        size_t n = (size_t)BATCHES * HB_POLICY_BATCH;
        hb_author_bench *b = calloc(1, sizeof(*b));
        uint32_t x = 1;

        if (!b || !(b->columns[0] = malloc(COLUMNS * n * sizeof(float))) ||
            !(b->accesses = calloc(3 * HB_POLICY_BATCH, sizeof(float))) || make_history(b) < 0) {
                hb_author_bench_free(b);
                return -ENOMEM;
        }
        for (unsigned k = 0; k < COLUMNS; k++) {
                b->columns[k] = b->columns[0] + k * n;
                for (size_t i = 0; i < n; i++) {
                        x = x * 1664525u + 1013904223u;
                        b->columns[k][i] = 1 + (float)(x >> 8) * 0x1p-24f * top[k];
                }
        }
        b->writes = b->accesses + HB_POLICY_BATCH;
        b->scores = b->writes + HB_POLICY_BATCH;
        b->guest = (struct hb_policy_guest){
                .now_s = 100, .horizon_s = 10, .epoch_s = 1, .pages = 1e6, .dirty_bytes_per_s = 1e7};
        b->link = (struct hb_policy_link){1e-4, 1.25e8, 1e8, 0.2, 0};
        b->accuracy = (struct hb_policy_accuracy){.precision = -1, .recall = -1, .wasted_share = -1};
        *ret = b;
        return 0;
}

hb_author_bench *hb_author_bench_free(hb_author_bench *b) {
        if (b) {
                free(b->columns[0]);
                free(b->accesses);
                free(b->gfn);
                hb_history_free(b->history);
                free(b);
        }
        return NULL;
}

static struct hb_policy_pages batch(const hb_author_bench *b, unsigned k) {
        size_t at = (size_t)(k % BATCHES) * HB_POLICY_BATCH;

        return (struct hb_policy_pages){.n = HB_POLICY_BATCH,
                                        .read_heat = b->columns[0] + at,
                                        .write_heat = b->columns[1] + at,
                                        .age_s = b->columns[2] + at,
                                        .version_age_s = b->columns[3] + at,
                                        .run_length = b->columns[4] + at,
                                        .bytes_to_send = b->columns[5] + at,
                                        .predicted = b->accesses,
                                        .predicted_writes = b->writes,
                                        .gfn = b->gfn,
                                        .history = b->history,
                                        .window = WINDOWS};
}

/* ---- one piece of work each: a batch, or a threshold's call ---- */

static int plugin_batch(hb_author_bench *b, unsigned k) {
        struct hb_policy_pages pages = batch(b, k);
        bool predictor = b->kind == HB_POLICY_PREDICTOR;
        struct hb_plugin_call c = {.pages = &pages,
                                   .guest = &b->guest,
                                   .link = &b->link,
                                   .accuracy = &b->accuracy,
                                   .histogram = b->histogram,
                                   .previous = b->cut,
                                   .out = {predictor ? b->accesses : b->scores, b->writes}};
        char message[HB_PLUGIN_MESSAGE];
        int rc;

        b->guest.now_s += 1;
        rc = hb_plugin_run(b->plugin, &c, message, NULL);
        if (rc < 0)
                return hb_err_set(b->e, rc, NULL, "harbinger policy check says more", "%s", message);
        if (b->kind == HB_POLICY_THRESHOLD)
                b->cut = fmin(fmax(c.number, -1), 1);
        return 0;
}

static int loop_batch(hb_author_bench *b, unsigned k) {
        struct hb_policy_pages pages = batch(b, k);

        if (b->kind == HB_POLICY_PREDICTOR || b->set)
                hb_author_loop_predict(&pages, b->guest.horizon_s, b->accesses, b->writes);
        if (b->kind == HB_POLICY_SCORER || b->set)
                hb_author_loop_score(&pages, &b->link, b->scores);
        if (b->kind == HB_POLICY_THRESHOLD || b->set) {
                b->guest.now_s += 1;
                b->cut = hb_builtin_threshold(&b->memory, &b->guest, &b->link, &b->accuracy, b->cut);
        }
        return 0;
}

static int set_batch(hb_author_bench *b, unsigned k) {
        struct hb_policy_pages pages = batch(b, k);

        pages.predicted = pages.predicted_writes = NULL;
        hb_policies_predict(b->set, &pages, &b->guest, b->accesses, b->writes);
        pages.predicted = b->accesses;
        pages.predicted_writes = b->writes;
        hb_policies_score(b->set, &pages, &b->guest, &b->link, &b->accuracy, b->scores);
        b->guest.now_s += 1;
        hb_policies_epoch(b->set, &b->guest); /* the share begins anew: this measures, and does not starve */
        b->cut = hb_policies_threshold(b->set, b->histogram, &b->guest, &b->link, &b->accuracy, b->cut);
        return 0;
}

/* CPU time of this thread: others on the machine do not count. */
static uint64_t cpu_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int measure(hb_author_bench *b, int (*work)(hb_author_bench *, unsigned), unsigned times,
                   double *best) {
        uint64_t t0 = cpu_ns();
        int rc = 0;

        for (unsigned k = 0; k < times && rc == 0; k++)
                rc = work(b, k);
        *best = fmin(*best, (double)(cpu_ns() - t0) / times);
        return rc;
}

static int compare(hb_author_bench *b, int (*work)(hb_author_bench *, unsigned),
                   struct hb_author_speed *ret) {
        bool calls = !b->set && b->kind == HB_POLICY_THRESHOLD;
        double unit = calls ? 1 : HB_POLICY_BATCH, mine = INFINITY, loop = INFINITY;
        unsigned times = calls ? CALLS : BATCHES;
        int rc = work(b, 0); /* what only the first call costs */

        for (int r = 0; r < ROUNDS && rc == 0; r++) {
                rc = measure(b, work, times, &mine);
                if (rc == 0)
                        rc = measure(b, loop_batch, times, &loop);
        }
        if (rc == 0)
                *ret = (struct hb_author_speed){mine / unit, loop / unit};
        return rc;
}

int hb_author_bench_plugin(hb_author_bench *b, enum hb_policy_kind k, hb_plugin *p,
                           struct hb_author_speed *ret, struct hb_err *e) {
        b->plugin = p;
        b->kind = k;
        b->set = NULL;
        b->e = e;
        return compare(b, plugin_batch, ret);
}

int hb_author_bench_set(hb_author_bench *b, hb_policies *p, struct hb_author_speed *ret, struct hb_err *e) {
        struct hb_policy_status s;
        int rc;

        b->set = p;
        b->kind = HB_POLICY_KINDS;
        b->e = e;
        rc = compare(b, set_batch, ret);
        b->set = NULL;
        for (int k = 0; k < HB_POLICY_KINDS && rc == 0; k++) {
                hb_policies_status(p, (enum hb_policy_kind)k, &s);
                if (s.errors || s.starved)
                        rc = hb_err_set(e, -EINVAL, s.name, "harbinger policy check says more",
                                        "the policy failed: %s",
                                        *s.last_error ? s.last_error : "it was starved");
        }
        return rc;
}
