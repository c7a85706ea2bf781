/* bench_engine: what the target's engine costs a page.  bench_engine [--json]
 *
 * One million resident pages (4 GiB), a transport that is always full, so every step only plans: with the
 * default policies, and draining, where no policy is asked. Raw figure beside: one pass over the same records
 * by a plain loop that reads what the planner reads. Also the inputs: invalidations and arrivals; and what an
 * announcement of a tenth of the pages costs without and with a policy that looks back (a shadow does), and
 * with a lesson in it. Medians. */
#include "base/clock.h"
#include "map/summary.h"
#include "place/engine.h"
#include "policy/change.h"
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES  (1u << 20)
#define ROUNDS 7
#define MS     1000000ull

struct world {
        struct hb_shape shape;
        struct hb_image_page *pages;
        uint32_t processed;
        hb_policies *policies;
        hb_engine *engine;
        uint64_t now;
        bool full;
        uint32_t runs;
        struct hb_run run[64];
};

static void die(const char *what) {
        fprintf(stderr, "bench_engine: %s\n", what);
        exit(1);
}

static int op_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        struct world *w = arg;

        if (w->full || w->runs == 64)
                return -EAGAIN;
        w->run[w->runs++] = (struct hb_run){gfn, pages};
        return 0;
}

static void op_nothing(void *arg) {
}

static void op_epoch(void *arg, uint32_t epoch) {
}

static int op_zero(void *arg, uint64_t gfn, uint64_t pages) {
        return 0;
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

static double median(double *v, unsigned n) {
        qsort(v, n, sizeof(*v), by_value);
        return v[n / 2];
}

static uint64_t heap_bytes(void) {
        struct mallinfo2 m = mallinfo2();

        return m.uordblks + m.hblkhd;
}

static uint64_t make(struct world *w) {
        static const struct hb_engine_ops ops = {op_fetch, op_nothing, op_epoch, op_epoch};
        struct hb_engine_options o = {0};
        struct hb_policy_options po = {0};
        struct hb_engine_image image = {
                .shape = &w->shape, .processed = &w->processed, .zero = op_zero, .arg = w};
        struct hb_err e;
        uint64_t before;

        *w = (struct world){.now = 1000 * MS, .full = true};
        if (hb_shape_add(&w->shape, "ram", (uint64_t)PAGES << HB_PAGE_SHIFT, HB_PAGE_SIZE, &e) < 0)
                die("shape");
        w->pages = calloc(PAGES, sizeof(*w->pages));
        image.shape = &w->shape;
        image.pages = w->pages;
        if (!w->pages || hb_policies_new(&po, &w->policies, &e) < 0)
                die("no memory");
        before = heap_bytes();
        if (hb_engine_new(&o, &image, w->policies, &ops, w, &w->engine) < 0)
                die("no memory");
        return heap_bytes() - before;
}

/* Everything resident, a tenth of it warm. */
static double announce(struct world *w) {
        struct hb_bitmap b;
        struct hb_summary_entry e = {.pages = 1, .resident = true, .version = 1, .last_access = 1};
        uint64_t start;
        double ns;

        if (hb_bitmap_init(&b, PAGES) < 0)
                die("no memory");
        hb_bitmap_set_all(&b);
        start = hb_now_ns();
        hb_engine_invalidate(w->engine, w->now, w->processed, w->processed + 1, &b);
        ns = (double)(hb_now_ns() - start) / PAGES;
        for (e.gfn = 0; e.gfn < PAGES; e.gfn += 10) {
                e.write_heat = (float)(e.gfn % 97) / 100;
                hb_engine_summary(w->engine, w->now, 1, &e);
        }
        hb_bitmap_fini(&b);
        return ns;
}

/* Nanoseconds a page record of whole rounds of the planner. */
static double plan_round(struct world *w) {
        double v[ROUNDS];

        for (unsigned r = 0; r < ROUNDS; r++) {
                uint64_t start = hb_now_ns();

                for (unsigned batch = 0; batch < PAGES / HB_POLICY_BATCH; batch++) {
                        w->now += 1000 * MS;
                        hb_engine_step(w->engine, w->now);
                }
                v[r] = (double)(hb_now_ns() - start) / PAGES;
        }
        return median(v, ROUNDS);
}

static double raw_pass(const struct world *w) {
        static volatile float sink;
        double v[ROUNDS];

        for (unsigned r = 0; r < ROUNDS; r++) {
                uint64_t start = hb_now_ns();
                float sum = 0;

                for (uint32_t g = 0; g < PAGES; g++)
                        if (w->pages[g].c.invalid > w->pages[g].c.stamp)
                                sum += (float)(w->pages[g].write_q + w->pages[g].read_q) *
                                       (float)w->pages[g].last_access;
                sink = sum;
                v[r] = (double)(hb_now_ns() - start) / PAGES;
        }
        (void)sink;
        return median(v, ROUNDS);
}

/* Steps and answers until nothing is wanted: a whole fetch of every page but for the bytes. */
static double fetch_all(struct world *w) {
        struct hb_engine_stats s;
        uint64_t start = hb_now_ns();

        w->full = false;
        do {
                w->now += MS;
                hb_engine_step(w->engine, w->now);
                for (uint32_t i = 0; i < w->runs; i++)
                        hb_engine_fetched(w->engine, w->now, w->run[i].gfn, (uint32_t)w->run[i].pages,
                                          w->processed, 2000, 0);
                w->runs = 0;
                hb_engine_stats(w->engine, &s);
        } while (s.fresh < s.resident);
        return (double)(hb_now_ns() - start) / PAGES;
}

#define LEARN_EPOCHS 60u

struct learning {
        double plain_ns, noted_ns; /* a page announced */
        double lesson_ms;          /* what a lesson adds to its announcement */
};

/* Per announcement, ns. The first are left out: a history begins empty. */
static void announce_tenths(struct world *w, double v[LEARN_EPOCHS]) {
        struct hb_bitmap b;

        if (hb_bitmap_init(&b, PAGES) < 0)
                die("no memory");
        for (unsigned e = 0; e < 2 * LEARN_EPOCHS; e++) {
                uint64_t start;

                hb_bitmap_clear_all(&b);
                for (uint64_t g = e * 7 % 10; g < PAGES; g += 10)
                        hb_bitmap_set(&b, g);
                w->now += 1000 * MS;
                start = hb_now_ns();
                hb_engine_invalidate(w->engine, w->now, w->processed, w->processed + 1, &b);
                v[e % LEARN_EPOCHS] = (double)(hb_now_ns() - start);
        }
        hb_bitmap_fini(&b);
}

static struct learning measure_learning(void) {
        struct hb_policy_change shadow = {.op = HB_POLICY_SHADOW, .kind = HB_POLICY_SCORER};
        double plain[LEARN_EPOCHS], noted[LEARN_EPOCHS], slowest[LEARN_EPOCHS / 5];
        struct learning l = {0};
        struct world w;
        struct hb_err e;

        make(&w);
        announce(&w);
        announce_tenths(&w, plain);
        if (hb_engine_change(w.engine, w.now, &shadow, &e) < 0)
                die(e.what);
        announce_tenths(&w, noted);
        l.plain_ns = median(plain, LEARN_EPOCHS) * 10 / PAGES;
        l.noted_ns = median(noted, LEARN_EPOCHS) * 10 / PAGES; /* sorts: those with a lesson come last */
        memcpy(slowest, noted + LEARN_EPOCHS - LEARN_EPOCHS / 5, sizeof(slowest));
        l.lesson_ms = (median(slowest, LEARN_EPOCHS / 5) - noted[LEARN_EPOCHS / 2]) / MS;
        hb_engine_free(w.engine);
        hb_policies_free(w.policies);
        free(w.pages);
        return l;
}

int main(int argc, char **argv) {
        struct world w;
        uint64_t heap = make(&w);
        double invalidate = announce(&w), plan = plan_round(&w), raw = raw_pass(&w), drain, fetch;
        struct learning learning;

        hb_engine_drain(w.engine, w.now, true);
        drain = plan_round(&w);
        fetch = fetch_all(&w);
        learning = measure_learning();
        if (argc > 1 && strcmp(argv[1], "--json") == 0) {
                printf("{\"pages\":%u,\"plan_ns\":%.2f,\"plan_without_policy_ns\":%.2f,\"raw_pass_ns\":%.2f,"
                       "\"pages_per_s\":%.0f,"
                       "\"pages_per_s_without_policy\":%.0f,\"invalidate_ns\":%.2f,\"fetch_ns\":%.2f,"
                       "\"record_bytes\":%zu,"
                       "\"heap_bytes\":%llu,\"announce_ns\":%.2f,\"announce_noted_ns\":%.2f,\"lesson_ms\":%."
                       "2f}\n",
                       PAGES, plan, drain, raw, 1e9 / plan, 1e9 / drain, invalidate, fetch,
                       sizeof(struct hb_image_page), (unsigned long long)heap, learning.plain_ns,
                       learning.noted_ns, learning.lesson_ms);
        } else {
                printf("plan, default policies   %7.1f ns a page  %6.1f M pages/s\n", plan, 1e3 / plan);
                printf("plan, no policy (drain)  %7.1f ns a page  %6.1f M pages/s (goal: 10)\n", drain,
                       1e3 / drain);
                printf("raw pass over records    %7.1f ns a page  %6.1f M pages/s\n", raw, 1e3 / raw);
                printf("invalidate               %7.1f ns a page\n", invalidate);
                printf("drain all, bytes aside   %7.1f ns a page (plan, send, arrive)\n", fetch);
                printf("announce a tenth         %7.1f ns a page, %.1f with a history, and a lesson %.1f "
                       "ms\n",
                       learning.plain_ns, learning.noted_ns, learning.lesson_ms);
                printf("memory: %zu bytes a page of records, and %.2f MiB for the engine, of which %.3f "
                       "bytes a page\n",
                       sizeof(struct hb_image_page), (double)heap / (1 << 20), 1.0 / 8);
        }
        hb_engine_free(w.engine);
        hb_policies_free(w.policies);
        free(w.pages);
        return 0;
}
