/* bench_scale_guest: one guest of 1 TiB, placed: what the two daemons pay for what it touched, and for its
 * size alone.  bench_scale_guest [--json] [GiB of the guest, default 1024] [percent of it in use, default 10]
 *
 * Real page map, summaries, announcements, engine and built-in policies; the scan, the network and the pages'
 * bytes are left out (a scan's own cost: bench_track). Everything is said in messages that go through their
 * codecs, by thread CPU time, stage by stage. The guest's memory in use lies in runs of 32 MiB; of the pages
 * it writes in an epoch four of five come again and again, in runs of four, the others are anywhere. Memory
 * is measured (resident set). What an epoch costs that touches nothing is what the size alone costs. */
#include "base/clock.h"
#include "bench_cost.h"
#include "map/announce.h"
#include "map/summary.h"
#include "place/engine.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define S       1000000000ull
#define EXTENT  8192u     /* pages of a run in use */
#define BUDGET  1000000.0 /* summary_bytes_per_s */
#define WARM    12u
#define EPOCHS  6u
#define TICKS   10u /* an epoch: the daemon's */
#define FLIGHTS 4096u

enum stage { CLEAR, APPLY, ANNOUNCE, SUMMARY, HEAR, INVALIDATE, LEARN, STEP, STAGES };
static const char *const stage_name[STAGES] = {"clear sets",   "apply to map",  "announce",
                                               "summary",      "hear announce", "invalidate",
                                               "hear summary", "plan, fetch"};

struct phase {
        const char *name;
        double dirty_share;
        double ms[STAGES]; /* an epoch */
        double announce_bytes, summary_bytes, word_bytes, dirty_pages, fetched_pages;
        struct hb_summary_lag lag;
};

struct world {
        uint64_t pages, in_use, stride, rng, now;
        struct hb_shape shape;
        struct hb_bitmap written, heard;
        hb_page_map *map;
        hb_summary_encoder *enc;
        struct hb_image_page *records;
        uint32_t processed;
        hb_policies *policies;
        hb_engine *engine;
        struct phase *phase;
        struct {
                uint64_t gfn;
                uint32_t pages;
        } flight[FLIGHTS];
        unsigned flights;
        double tokens;
        struct hb_buf out;
};

struct memory {
        double map, encoder, engine, all; /* bytes */
};

struct first { /* how a new target comes to know the guest */
        double word_bytes, words_s, announce_bytes, words_ms;
        double full_share; /* of all its pages, said page by page */
};

static void die(const char *what) {
        fprintf(stderr, "bench_scale_guest: %s\n", what);
        exit(1);
}

static double resident_bytes(void) {
        double bytes = bench_resident_bytes();

        if (bytes < 0)
                die("cannot read /proc/self/statm");
        return bytes;
}

static uint64_t rnd(struct world *w, uint64_t n) {
        return bench_random(&w->rng, n);
}

/* The i-th page in use. */
static uint64_t used_page(const struct world *w, uint64_t i) {
        return i / EXTENT * w->stride + i % EXTENT;
}

static void write_all(struct world *w) {
        for (uint64_t i = 0; i < w->in_use; i += EXTENT)
                hb_bitmap_set_range(&w->written, used_page(w, i), EXTENT);
}

static void write_some(struct world *w, uint64_t pages) {
        uint64_t hot = 2 * pages < w->in_use ? 2 * pages : w->in_use;

        for (uint64_t n = 0; n < pages; n += 4) {
                uint64_t i = rnd(w, (rnd(w, 5) ? hot : w->in_use) / 4) * 4;
                /* the hot are spread over all that is in use, by a multiplication */
                hb_bitmap_set_range(&w->written, used_page(w, i * 0x9E3779B1u % w->in_use & ~3ull), 4);
        }
}

/* ---- the wire ---- */

static int to_target(void *arg, const void *part, size_t size) {
        struct world *w = arg;
        struct hb_announce a;
        double at = bench_cpu_ms();
        int rc = 0;

        w->phase->announce_bytes += (double)size + 16;
        if (w->engine)
                rc = hb_announce_decode(part, size, &a, &w->heard);
        at = bench_cpu_ms() - at;
        w->phase->ms[HEAR] += at;
        w->phase->ms[ANNOUNCE] -= at; /* it is counted there from outside */
        return rc;
}

static void announce(struct world *w, uint32_t from, const struct hb_bitmap *pages) {
        struct hb_announce a = {.from = from, .to = hb_page_map_epoch(w->map), .time_ns = w->now};
        struct hb_buf b = {0};
        double at = bench_cpu_ms();

        if (hb_announce_encode(&a, pages, &b, to_target, w) < 0)
                die("no memory");
        hb_buf_free(&b);
        w->phase->ms[ANNOUNCE] += bench_cpu_ms() - at;
        if (!w->engine)
                return;
        at = bench_cpu_ms();
        hb_engine_invalidate(w->engine, w->now, from, a.to, &w->heard);
        w->phase->ms[INVALIDATE] += bench_cpu_ms() - at;
        at = bench_cpu_ms();
        hb_bitmap_clear_all(&w->heard);
        w->phase->ms[CLEAR] += bench_cpu_ms() - at;
}

static void hear_entry(void *arg, const struct hb_summary_entry *e) {
        struct world *w = arg;

        hb_engine_summary(w->engine, w->now, w->processed, e);
}

static void hear_summary(struct world *w) {
        uint32_t epoch;
        uint64_t t;
        double at = bench_cpu_ms();

        if (w->engine && hb_summary_decode(w->out.data, w->out.len, w->pages, &epoch, &t, hear_entry, w) < 0)
                die("a summary cannot be read");
        w->phase->ms[LEARN] += bench_cpu_ms() - at;
}

/* As a daemon does, once an epoch. */
static void summarize(struct world *w) {
        int64_t n = 1;

        w->tokens = w->tokens + BUDGET < 4 * BUDGET ? w->tokens + BUDGET : 4 * BUDGET;
        while (n > 0 && hb_summary_due(w->enc) && w->tokens > 256) {
                double at = bench_cpu_ms();

                hb_buf_reset(&w->out);
                n = hb_summary_encode(w->enc, (uint64_t)(w->tokens < 1 << 20 ? w->tokens : 1 << 20), &w->out);
                w->phase->ms[SUMMARY] += bench_cpu_ms() - at;
                if (n < 0)
                        die("no memory");
                w->tokens -= (double)n;
                w->phase->summary_bytes += (double)n + 16 * (n > 0);
                if (n > 0 && w->out.data[0] == 2) /* words of blocks */
                        w->phase->word_bytes += (double)n + 16;
                if (n > 0)
                        hear_summary(w);
        }
}

/* ---- the target ---- */

static int op_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        struct world *w = arg;

        if (w->flights == FLIGHTS)
                return -EAGAIN;
        w->flight[w->flights].gfn = gfn;
        w->flight[w->flights++].pages = pages;
        return 0;
}

static void op_nothing(void *arg) {
}

static void op_epoch(void *arg, uint32_t epoch) {
}

static int op_zero(void *arg, uint64_t gfn, uint64_t pages) {
        return 0;
}

static void land(struct world *w) {
        unsigned n = w->flights;

        for (unsigned i = 0; i < n; i++) {
                hb_engine_fetched(w->engine, w->now, w->flight[i].gfn, w->flight[i].pages, w->processed,
                                  w->flight[i].pages * 2000, 0);
                w->phase->fetched_pages += w->flight[i].pages;
        }
        memmove(w->flight, w->flight + n, (w->flights - n) * sizeof(w->flight[0]));
        w->flights -= n;
}

static void target_ticks(struct world *w) {
        double at = bench_cpu_ms();

        for (unsigned t = 0; w->engine && t < TICKS; t++) {
                w->now += S / TICKS;
                hb_engine_step(w->engine, w->now);
                for (unsigned k = 0; k < 16 && w->flights; k++) { /* 32 Mi pages a second at most */
                        land(w);
                        hb_engine_step(w->engine, w->now);
                }
        }
        if (!w->engine)
                w->now += S;
        w->phase->ms[STEP] += bench_cpu_ms() - at;
}

static void make_engine(struct world *w) {
        static const struct hb_engine_ops ops = {op_fetch, op_nothing, op_epoch, op_epoch, NULL};
        struct hb_engine_options o = {.window_bytes = 32 << 20};
        struct hb_policy_options po = {0};
        struct hb_engine_image image = {.shape = &w->shape,
                                        .pages = w->records,
                                        .processed = &w->processed,
                                        .zero = op_zero,
                                        .arg = w,
                                        .blank = true};
        struct hb_policy_link l = {1e-3, 1.25e9, 1e9, 0.2, 0};
        struct hb_err e;

        if (hb_policies_new(&po, &w->policies, &e) < 0 ||
            hb_engine_new(&o, &image, w->policies, &ops, w, &w->engine) < 0)
                die("no memory");
        hb_engine_link(w->engine, w->now, &l);
}

/* ---- one epoch ---- */

static void epoch(struct world *w, double share) {
        uint64_t pages = (uint64_t)((double)w->pages * share);
        uint32_t before = hb_page_map_epoch(w->map);
        double at = bench_cpu_ms();

        hb_bitmap_clear_all(&w->written);
        w->phase->ms[CLEAR] += bench_cpu_ms() - at;
        if (before == 0)
                write_all(w);
        else
                write_some(w, pages);
        w->phase->dirty_pages += (double)hb_bitmap_count(&w->written);
        at = bench_cpu_ms();
        hb_page_map_apply(w->map, w->now, &w->written, NULL, NULL, false);
        w->phase->ms[APPLY] += bench_cpu_ms() - at;
        if (w->enc) {
                announce(w, before, &w->written);
                summarize(w);
        }
        target_ticks(w);
}

static struct phase run(struct world *w, const char *name, double share, unsigned epochs) {
        struct phase p = {.name = name, .dirty_share = share};

        w->phase = &p;
        for (unsigned e = 0; e < epochs; e++)
                epoch(w, share);
        for (unsigned i = 0; i < STAGES; i++)
                p.ms[i] /= epochs;
        p.announce_bytes /= epochs;
        p.summary_bytes /= epochs;
        p.dirty_pages /= epochs;
        p.fetched_pages /= epochs;
        if (w->enc)
                hb_summary_lag(w->enc, &p.lag);
        w->phase = NULL;
        return p;
}

/* ---- a new target ---- */

static double full_share(struct world *w) {
        int64_t n;

        hb_summary_coarse(w->enc, false);
        hb_summary_reset(w->enc);
        hb_buf_reset(&w->out);
        n = hb_summary_encode(w->enc, UINT64_MAX, &w->out);
        if (n < 0)
                die("no memory");
        hb_buf_free(&w->out);
        return (double)n / (double)(w->in_use << HB_PAGE_SHIFT);
}

static struct first meet(struct world *w, struct memory *m) {
        struct phase p = {0};
        struct first f = {0};
        struct hb_summary_lag lag = {.blocks = 1};
        struct hb_bitmap since;
        double at = resident_bytes(), source;

        if (hb_summary_encoder_new(w->map, &w->enc) < 0 || hb_bitmap_init(&since, w->pages) < 0)
                die("no memory");
        w->phase = &p;
        f.full_share = full_share(w);
        m->encoder = resident_bytes() - at;
        hb_summary_coarse(w->enc, true);
        hb_summary_reset(w->enc);
        at = resident_bytes();
        make_engine(w);
        hb_page_map_since(w->map, 0, &since);
        announce(w, 0, &since);
        hb_bitmap_fini(&since);
        f.announce_bytes = p.announce_bytes;
        w->tokens = 3 * BUDGET; /* and one more for the first epoch */
        for (source = p.ms[SUMMARY]; lag.blocks > 0; f.words_s++) {
                summarize(w);
                hb_summary_lag(w->enc, &lag);
                if (lag.blocks > 0)
                        epoch(w, 0.001);
        }
        f.word_bytes = p.word_bytes;
        f.words_ms = p.ms[SUMMARY] - source;
        m->engine = resident_bytes() - at;
        w->phase = NULL;
        return f;
}

static void make(struct world *w, uint64_t gib, double percent, struct memory *m) {
        double before;

        *w = (struct world){.pages = gib << 18, .rng = 88172645463325252ull, .now = 1000 * S};
        w->in_use = (uint64_t)((double)w->pages * percent / 100) / EXTENT * EXTENT;
        w->in_use = w->in_use ? w->in_use : EXTENT;
        w->stride = w->pages / (w->in_use / EXTENT);
        if (hb_shape_add(&w->shape, "ram", w->pages << HB_PAGE_SHIFT, HB_PAGE_SIZE, NULL) < 0 ||
            hb_bitmap_init(&w->written, w->pages) < 0 || hb_bitmap_init(&w->heard, w->pages) < 0)
                die("no memory");
        w->records = mmap(NULL, w->pages * sizeof(*w->records), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        before = resident_bytes();
        if (w->records == MAP_FAILED || hb_page_map_open(&w->shape, NULL, &w->map, NULL) < 0)
                die("no memory");
        run(w, "", 0, 1); /* all that is in use is seen */
        run(w, "", 0.01, WARM);
        m->map = resident_bytes() - before;
}

/* ---- told ---- */

static double sum(const struct phase *p, unsigned from, unsigned to) {
        double s = 0;

        for (unsigned i = from; i <= to; i++)
                s += p->ms[i];
        return s;
}

static void print_table(const struct world *w, const struct first *f, const struct memory *m,
                        const struct phase *p, unsigned n) {
        double gib = (double)(w->pages >> 18), used = (double)(w->in_use >> 18);

        printf("guest of %.0f GiB, %.1f GiB in use; an epoch is 1 s; summaries may have %.1f MB/s\n", gib,
               used, BUDGET / 1e6);
        printf("new target: %.2f MB of announcement, then all its blocks in %.2f MB, by second %.0f (%.0f ms "
               "of CPU)\n",
               f->announce_bytes / 1e6, f->word_bytes / 1e6, f->words_s, f->words_ms);
        printf("            every page of it would be %.4f %% of its memory in use (bound: 0.5)\n",
               100 * f->full_share);
        printf("memory: source %.0f MiB for the map, %.0f for one placement; target %.0f MiB\n",
               m->map / (1 << 20), m->encoder / (1 << 20), m->engine / (1 << 20));
        printf("        that is %.1f and %.1f bytes a page in use\n",
               (m->map + m->encoder) / (double)w->in_use, m->engine / (double)w->in_use);
        printf("\n%-18s", "CPU ms an epoch");
        for (unsigned i = 0; i < n; i++)
                printf(" %14s", p[i].name);
        for (unsigned s = 0; s < STAGES; s++) {
                printf("\n%-18s", stage_name[s]);
                for (unsigned i = 0; i < n; i++)
                        printf(" %14.2f", p[i].ms[s]);
        }
        printf("\n%-18s", "source, target");
        for (unsigned i = 0; i < n; i++)
                printf(" %6.0f, %6.0f", sum(&p[i], CLEAR, SUMMARY), sum(&p[i], HEAR, STEP));
        printf("\n%-18s", "pages written");
        for (unsigned i = 0; i < n; i++)
                printf(" %14.0f", p[i].dirty_pages);
        printf("\n%-18s", "announced, bytes");
        for (unsigned i = 0; i < n; i++)
                printf(" %14.0f", p[i].announce_bytes);
        printf("\n%-18s", "summaries, bytes");
        for (unsigned i = 0; i < n; i++)
                printf(" %14.0f", p[i].summary_bytes);
        printf("\n%-18s", "of memory, %");
        for (unsigned i = 0; i < n; i++)
                printf(" %14.5f", 100 * (p[i].announce_bytes + p[i].summary_bytes) /
                                          (double)(w->pages << HB_PAGE_SHIFT));
        printf("\n%-18s", "still due, pages");
        for (unsigned i = 0; i < n; i++)
                printf(" %14llu", (unsigned long long)p[i].lag.pages);
        printf("\n%-18s", "fetched, pages");
        for (unsigned i = 0; i < n; i++)
                printf(" %14.0f", p[i].fetched_pages);
        printf("\n");
}

static void print_json(const struct world *w, const struct first *f, const struct memory *m,
                       const struct phase *p, unsigned n) {
        printf("{\"pages\":%llu,\"in_use\":%llu,\"first_announce_bytes\":%.0f,\"word_bytes\":%.0f,\"words_"
               "s\":%.0f,"
               "\"words_ms\":%.2f,\"full_share\":%.6f,\"map_bytes\":%.0f,\"encoder_bytes\":%.0f,"
               "\"target_bytes\":%.0f,\"phases\":[",
               (unsigned long long)w->pages, (unsigned long long)w->in_use, f->announce_bytes, f->word_bytes,
               f->words_s, f->words_ms, f->full_share, m->map, m->encoder, m->engine);
        for (unsigned i = 0; i < n; i++)
                printf("%s{\"name\":\"%s\",\"dirty_pages\":%.0f,\"announce_bytes\":%.0f,\"summary_bytes\":%."
                       "0f,"
                       "\"source_ms\":%.2f,\"target_ms\":%.2f,\"plan_ms\":%.2f,\"due_pages\":%llu}",
                       i ? "," : "", p[i].name, p[i].dirty_pages, p[i].announce_bytes, p[i].summary_bytes,
                       sum(&p[i], CLEAR, SUMMARY), sum(&p[i], HEAR, STEP), p[i].ms[STEP],
                       (unsigned long long)p[i].lag.pages);
        printf("]}\n");
}

int main(int argc, char **argv) {
        bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
        const char *gib = argc > 1 + json ? argv[1 + json] : "1024",
                   *percent = argc > 2 + json ? argv[2 + json] : "10";
        static struct world w;
        struct memory m = {0};
        struct first f;
        struct phase p[3];

        make(&w, strtoull(gib, NULL, 10), strtod(percent, NULL), &m);
        f = meet(&w, &m);
        p[0] = run(&w, "0.1 % written", 0.001, EPOCHS);
        p[1] = run(&w, "1 % written", 0.01, EPOCHS);
        p[2] = run(&w, "none", 0, EPOCHS);
        (json ? print_json : print_table)(&w, &f, &m, p, 3);
        hb_engine_free(w.engine);
        hb_policies_free(w.policies);
        hb_summary_encoder_free(w.enc);
        hb_page_map_free(w.map);
        hb_bitmap_fini(&w.written);
        hb_bitmap_fini(&w.heard);
        munmap(w.records, w.pages * sizeof(*w.records));
        hb_buf_free(&w.out);
        return 0;
}
