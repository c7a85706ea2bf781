/* bench_record: what recording costs who is recorded.  bench_record [--json]
 *
 * Source: a guest of one million pages (4 GiB), 1 s epochs, 2000 or 100000 pages written in each, clustered
 * as programs write: milliseconds of the loop's time an epoch, and of the recorder's thread, each as a share
 * of the second. Raw figure beside: the page map taking the same epoch in. Target: an input through the
 * engine with and without a recording (a fetch that is answered, the commonest), nanoseconds each. Medians.
 */
#include "base/clock.h"
#include "map/page_map.h"
#include "record/source.h"
#include "record/target.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGES  (1u << 20)
#define EPOCHS 60u
#define INPUTS 200000u
#define ROUNDS 5

static char dir[] = "/tmp/hb_bench_record_XXXXXX";

static void die(const char *what) {
        fprintf(stderr, "bench_record: %s\n", what);
        exit(1);
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

static double median(double *v, unsigned n) {
        qsort(v, n, sizeof(*v), by_value);
        return v[n / 2];
}

static double cpu_ms(clockid_t clock) {
        struct timespec t;

        clock_gettime(clock, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static uint64_t rnd(uint64_t *s, uint64_t n) {
        *s ^= *s << 13;
        *s ^= *s >> 7;
        *s ^= *s << 17;
        return (*s >> 11) % n;
}

static hb_recorder *recorder(const char *name, const struct hb_trace_header *h) {
        struct hb_recorder_options o = {.begins_ns = hb_now_ns()};
        hb_recorder *r = NULL;
        struct hb_err e;
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        if (hb_recorder_new(path, h, &o, &r, &e) < 0)
                die(e.what);
        return r;
}

static struct hb_trace_header header(enum hb_trace_origin origin) {
        struct hb_trace_header h = {
                .guest = "g", .page_size = 4096, .epoch_ns = HB_NS_PER_S, .origin = origin};

        if (hb_shape_add(&h.shape, "ram", (uint64_t)PAGES * 4096, 4096, NULL) < 0)
                die("shape");
        return h;
}

/* ---- source ---- */

struct source_cost {
        double loop_ms, thread_ms, map_ms, bytes_a_record;
        uint64_t dropped;
};

static void write_some(struct hb_bitmap *b, uint64_t *seed, unsigned pages) {
        hb_bitmap_clear_all(b);
        for (unsigned n = 0; n < pages;) {
                unsigned run = 1 + (unsigned)rnd(seed, 8);

                hb_bitmap_set_range(b, rnd(seed, PAGES / 4), run); /* a quarter of it is in use */
                n += run;
        }
}

static double thread_ms(void) { /* of all threads but this one */
        return cpu_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_ms(CLOCK_THREAD_CPUTIME_ID);
}

static struct hb_recorder_status wait_for_end(hb_recorder *r) {
        struct hb_recorder_status st;

        hb_recorder_end(r);
        do {
                usleep(1000);
                hb_recorder_status(r, &st);
        } while (st.state < HB_RECORDER_ENDED);
        if (st.state == HB_RECORDER_FAILED)
                die(st.err.what);
        return st;
}

static struct source_cost source(unsigned pages) {
        struct hb_trace_header h = header(HB_TRACE_SOURCE);
        double loop[EPOCHS], map[EPOCHS], before = thread_ms();
        struct hb_bitmap written, accessed;
        struct hb_recorder_status st;
        hb_record_source *s = NULL;
        hb_page_map *m = NULL;
        uint64_t seed = 42;
        hb_recorder *r = recorder(pages > 10000 ? "much.hbt" : "little.hbt", &h);

        if (hb_bitmap_init(&written, PAGES) < 0 || hb_bitmap_init(&accessed, PAGES) < 0 ||
            hb_page_map_open(&h.shape, NULL, &m, NULL) < 0 ||
            hb_record_source_new(r, PAGES, NULL, hb_now_ns(), &s) < 0)
                die("no memory");
        for (unsigned e = 0; e < EPOCHS; e++) {
                double t0, t1;

                write_some(&written, &seed, pages);
                write_some(&accessed, &seed, pages);
                t0 = cpu_ms(CLOCK_THREAD_CPUTIME_ID);
                hb_record_source_epoch(s, e + 2, hb_now_ns(), &written, &accessed, false);
                t1 = cpu_ms(CLOCK_THREAD_CPUTIME_ID);
                loop[e] = t1 - t0;
                hb_page_map_apply(m, hb_now_ns(), &written, &accessed, NULL, false);
                map[e] = cpu_ms(CLOCK_THREAD_CPUTIME_ID) - t1;
        }
        hb_record_source_free(s);
        st = wait_for_end(r);
        hb_recorder_free(r);
        hb_page_map_free(m);
        hb_bitmap_fini(&written);
        hb_bitmap_fini(&accessed);
        return (struct source_cost){.loop_ms = median(loop, EPOCHS),
                                    .thread_ms = (thread_ms() - before) / EPOCHS,
                                    .map_ms = median(map, EPOCHS),
                                    .bytes_a_record = (double)st.bytes / (double)st.accesses,
                                    .dropped = st.dropped};
}

/* ---- target ---- */

struct target {
        struct hb_shape shape;
        struct hb_image_page *pages;
        uint32_t processed, asked;
        uint64_t gfn[64], now;
        hb_policies *policies;
        hb_engine *engine;
};

static int op_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        struct target *t = arg;

        if (pages != 1 || t->asked == 64)
                return -EAGAIN;
        t->gfn[t->asked++] = gfn;
        return 0;
}

static void op_report(void *arg) {
}

static void op_epoch(void *arg, uint32_t epoch) {
}

static int op_zero(void *arg, uint64_t gfn, uint64_t pages) {
        return 0;
}

static void make(struct target *t) {
        static const struct hb_engine_ops ops = {op_fetch, op_report, op_epoch, op_epoch};
        struct hb_engine_image image = {
                .shape = &t->shape, .processed = &t->processed, .zero = op_zero, .arg = t};
        struct hb_engine_options o = {.run_pages = 1};
        struct hb_policy_options po = {0};

        t->shape = header(HB_TRACE_TARGET).shape;
        image.pages = t->pages = calloc(PAGES, sizeof(*t->pages));
        if (!t->pages || hb_policies_new(&po, &t->policies, NULL) < 0 ||
            hb_engine_new(&o, &image, t->policies, &ops, t, &t->engine) < 0)
                die("no memory");
}

/* Demands and their answers: two inputs each. Nanoseconds an input. */
static double inputs(struct target *t, uint64_t from) {
        double t0 = cpu_ms(CLOCK_THREAD_CPUTIME_ID);

        for (uint64_t g = from; g < from + INPUTS / 2; g++) {
                t->asked = 0;
                t->now += 1000;
                hb_engine_demand(t->engine, t->now, g);
                if (t->asked != 1)
                        die("a demand was not served");
                hb_engine_fetched(t->engine, t->now, g, 1, 1, 3000, 0);
        }
        return (cpu_ms(CLOCK_THREAD_CPUTIME_ID) - t0) * 1e6 / INPUTS;
}

static void everything_is_there(struct target *t) {
        struct hb_bitmap all;

        if (hb_bitmap_init(&all, PAGES) < 0)
                die("no memory");
        hb_bitmap_set_all(&all);
        hb_engine_invalidate(t->engine, t->now = HB_NS_PER_S, 0, 1, &all);
        hb_bitmap_fini(&all);
}

static double target(bool recorded, uint64_t *dropped) {
        struct hb_trace_header h = header(HB_TRACE_TARGET);
        struct hb_recorder_options o = {.queue_bytes = 256u << 20};
        struct target t = {0};
        hb_record_target *rt = NULL;
        hb_recorder *r = NULL;
        double ns[ROUNDS];
        char path[128];

        make(&t);
        snprintf(path, sizeof(path), "%s/target.hbt", dir);
        if (recorded && (hb_recorder_new(path, &h, &o, &r, NULL) < 0 ||
                         hb_record_target_new(r, t.engine, t.policies, &t.shape, 0, &rt) < 0))
                die("no memory");
        everything_is_there(&t);
        for (unsigned k = 0; k < ROUNDS; k++)
                ns[k] = inputs(&t, k * (uint64_t)INPUTS / 2);
        hb_record_target_free(rt);
        if (r)
                *dropped = wait_for_end(r).dropped;
        hb_recorder_free(r);
        hb_engine_free(t.engine);
        hb_policies_free(t.policies);
        free(t.pages);
        return median(ns, ROUNDS);
}

/* ---- shown ---- */

static void print_json(const struct source_cost *a, const struct source_cost *b, double with, double without,
                       uint64_t dropped) {
        printf("{\"source\":{\"little\":{\"pages_an_epoch\":2000,\"loop_ms\":%.4f,\"thread_ms\":%.4f,\"map_"
               "ms\":%.4f,"
               "\"share_of_epoch\":%.6f,\"bytes_a_record\":%.3f,\"dropped\":%llu},",
               a->loop_ms, a->thread_ms, a->map_ms, (a->loop_ms + a->thread_ms) / 1e3, a->bytes_a_record,
               (unsigned long long)a->dropped);
        printf("\"much\":{\"pages_an_epoch\":100000,\"loop_ms\":%.4f,\"thread_ms\":%.4f,\"map_ms\":%.4f,"
               "\"share_of_epoch\":%.6f,\"bytes_a_record\":%.3f,\"dropped\":%llu}},",
               b->loop_ms, b->thread_ms, b->map_ms, (b->loop_ms + b->thread_ms) / 1e3, b->bytes_a_record,
               (unsigned long long)b->dropped);
        printf("\"target\":{\"input_ns\":%.1f,\"input_recorded_ns\":%.1f,\"dropped\":%llu}}\n", without, with,
               (unsigned long long)dropped);
}

static void print_row(const char *name, const struct source_cost *c) {
        printf("%-28s %8.3f ms %8.3f ms %8.3f ms %8.3f %% %6.2f B\n", name, c->loop_ms, c->thread_ms,
               c->map_ms, (c->loop_ms + c->thread_ms) / 10, c->bytes_a_record);
}

static void clean_up(void) {
        static const char *const names[] = {"little.hbt", "much.hbt", "target.hbt"};
        char path[128];

        for (unsigned i = 0; i < 3; i++) {
                snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
                unlink(path);
        }
        rmdir(dir);
}

int main(int argc, char **argv) {
        bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
        struct source_cost a, b;
        double with, without;
        uint64_t dropped = 0;

        if (!mkdtemp(dir))
                die("no folder in /tmp");
        a = source(2000);
        b = source(100000);
        without = target(false, &dropped);
        with = target(true, &dropped);
        clean_up();
        if (json) {
                print_json(&a, &b, with, without, dropped);
                return 0;
        }
        printf("a guest of 4 GiB, epochs of 1 s     loop      thread    page map   of a second  a record\n");
        print_row("2000 pages an epoch", &a);
        print_row("100000 pages an epoch", &b);
        printf("an engine's input: %.0f ns, recorded %.0f ns (%llu dropped)\n", without, with,
               (unsigned long long)dropped);
        return 0;
}
