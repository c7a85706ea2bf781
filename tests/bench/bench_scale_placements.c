/* bench_scale_placements: one daemon with many placements, as the source of all of them and as the target of
 * all of them.  bench_scale_placements [--json] [placements, default 100] [MiB a guest, default 1024]
 *
 * Real page maps, summaries, announcements and engines with the policies a daemon has unless told otherwise,
 * in Lua; a simulated link of 10 Gbit/s that all share. Left out: scans (bench_track), TLS and the pages'
 * bytes (bench_transport). Each guest has half of its memory in use and writes 1 % of it an epoch, of which
 * four of five pages come again. What is measured begins when all images are filled: a daemon at rest,
 * keeping up. Memory is the resident set, CPU the thread's. */
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
#include <time.h>
#include <unistd.h>

#define S          1000000000ull
#define TICKS      10u /* an epoch of 1 s: the daemon's */
#define EPOCHS     8u
#define FLIGHTS    256u
#define LINK       305175u   /* pages a second at 10 Gbit/s, all placements together */
#define BUDGET     1000000.0 /* summary_bytes_per_s */
#define FILL_LIMIT 4000u

struct placement {
        uint64_t rng, pages;
        struct hb_bitmap written, heard;
        hb_page_map *map;
        hb_summary_encoder *enc;
        struct hb_image_page *records;
        uint32_t processed;
        hb_policies *policies;
        hb_engine *engine;
        struct {
                uint64_t gfn;
                uint32_t pages;
        } flight[FLIGHTS];
        unsigned flights;
        double tokens;
        struct world *w;
};

struct world {
        unsigned n;
        uint64_t now, pages, link;
        struct hb_shape shape;
        struct placement *p;
        struct hb_buf out;
        double source_ms, target_ms, announce_bytes, summary_bytes, fetched_pages; /* sums */
        double hear_ms; /* of the target inside an announcement */
};

static void die(const char *what) {
        fprintf(stderr, "bench_scale_placements: %s\n", what);
        exit(1);
}

static double resident_bytes(void) {
        double bytes = bench_resident_bytes();

        if (bytes < 0)
                die("cannot read /proc/self/statm");
        return bytes;
}

static uint64_t rnd(struct placement *p, uint64_t n) {
        return bench_random(&p->rng, n);
}

/* ---- the wire ---- */

static int to_target(void *arg, const void *part, size_t size) {
        struct placement *p = arg;
        struct hb_announce a;
        double at = bench_cpu_ms();
        int rc = hb_announce_decode(part, size, &a, &p->heard);

        p->w->announce_bytes += (double)size + 16;
        p->w->hear_ms += bench_cpu_ms() - at;
        return rc;
}

static void announce(struct world *w, struct placement *p, uint32_t from) {
        struct hb_announce a = {.from = from, .to = hb_page_map_epoch(p->map), .time_ns = w->now};
        double at = bench_cpu_ms();

        w->hear_ms = 0;
        if (hb_announce_encode(&a, &p->written, &w->out, to_target, p) < 0)
                die("no memory");
        w->source_ms += bench_cpu_ms() - at - w->hear_ms;
        at = bench_cpu_ms();
        hb_engine_invalidate(p->engine, w->now, from, a.to, &p->heard);
        hb_bitmap_clear_all(&p->heard);
        w->target_ms += bench_cpu_ms() - at + w->hear_ms;
}

static void hear_entry(void *arg, const struct hb_summary_entry *e) {
        struct placement *p = arg;

        hb_engine_summary(p->engine, p->w->now, p->processed, e);
}

static void summarize(struct world *w, struct placement *p) {
        uint32_t epoch;
        uint64_t t;
        int64_t n = 1;

        p->tokens = p->tokens + BUDGET < 4 * BUDGET ? p->tokens + BUDGET : 4 * BUDGET;
        while (n > 0 && hb_summary_due(p->enc) && p->tokens > 256) {
                double at = bench_cpu_ms();

                hb_buf_reset(&w->out);
                n = hb_summary_encode(p->enc, (uint64_t)(p->tokens < 1 << 20 ? p->tokens : 1 << 20), &w->out);
                w->source_ms += bench_cpu_ms() - at;
                if (n <= 0)
                        return;
                p->tokens -= (double)n;
                w->summary_bytes += (double)n + 16;
                at = bench_cpu_ms();
                if (hb_summary_decode(w->out.data, w->out.len, p->pages, &epoch, &t, hear_entry, p) < 0)
                        die("a summary cannot be read");
                w->target_ms += bench_cpu_ms() - at;
        }
}

/* ---- the target ---- */

static int op_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        struct placement *p = arg;

        if (p->flights == FLIGHTS)
                return -EAGAIN;
        p->flight[p->flights].gfn = gfn;
        p->flight[p->flights++].pages = pages;
        return 0;
}

static void op_nothing(void *arg) {
}

static void op_epoch(void *arg, uint32_t epoch) {
}

static int op_zero(void *arg, uint64_t gfn, uint64_t pages) {
        return 0;
}

/* What the link carries, while it carries any more in this tick. */
static void land(struct world *w, struct placement *p) {
        unsigned i = 0;

        for (; i < p->flights && w->link >= p->flight[i].pages; i++) {
                hb_engine_fetched(p->engine, w->now, p->flight[i].gfn, p->flight[i].pages, p->processed,
                                  p->flight[i].pages * 2000, 0);
                w->link -= p->flight[i].pages;
                w->fetched_pages += p->flight[i].pages;
        }
        p->flights -= i;
        memmove(p->flight, p->flight + i, p->flights * sizeof(p->flight[0]));
}

static void ticks(struct world *w, unsigned n) {
        double at = bench_cpu_ms();

        for (unsigned t = 0; t < n; t++) {
                uint64_t before = 0;

                w->now += S / TICKS;
                for (unsigned i = 0; i < w->n; i++)
                        hb_engine_step(w->p[i].engine, w->now);
                for (w->link = LINK / TICKS;
                     w->link != before;) { /* each completion is a step, as in a daemon */
                        before = w->link;
                        for (unsigned i = 0; i < w->n; i++) {
                                if (!w->p[i].flights)
                                        continue;
                                land(w, &w->p[i]);
                                hb_engine_step(w->p[i].engine, w->now);
                        }
                }
        }
        w->target_ms += bench_cpu_ms() - at;
}

/* ---- epochs ---- */

static void write_some(struct placement *p, uint64_t pages) {
        uint64_t used = p->pages / 2;

        for (uint64_t n = 0; n < pages; n += 4) {
                uint64_t i = rnd(p, (rnd(p, 5) ? 2 * pages : used) / 4) * 4;

                hb_bitmap_set_range(&p->written, (i * 0x9E3779B1u % used) & ~3ull, 4);
        }
}

static void epoch(struct world *w) {
        for (unsigned i = 0; i < w->n; i++) {
                struct placement *p = &w->p[i];
                uint32_t before = hb_page_map_epoch(p->map);
                double at;

                hb_bitmap_clear_all(&p->written);
                if (before == 0)
                        hb_bitmap_set_range(&p->written, 0, p->pages / 2);
                else
                        write_some(p, p->pages / 100);
                at = bench_cpu_ms();
                hb_page_map_apply(p->map, w->now, &p->written, NULL, NULL, false);
                w->source_ms += bench_cpu_ms() - at;
                announce(w, p, before);
                summarize(w, p);
        }
        ticks(w, TICKS);
}

/* ---- made ---- */

static void make_source(struct world *w, struct placement *p, unsigned i) {
        p->w = w;
        p->pages = w->pages;
        p->rng = 88172645463325252ull + i * 0x9E3779B97F4A7C15ull;
        if (hb_bitmap_init(&p->written, p->pages) < 0 ||
            hb_page_map_open(&w->shape, NULL, &p->map, NULL) < 0 ||
            hb_summary_encoder_new(p->map, &p->enc) < 0)
                die("no memory");
        hb_bitmap_set_range(&p->written, 0, p->pages / 2);
        hb_page_map_apply(p->map, w->now, &p->written, NULL, NULL, false);
        hb_buf_reset(&w->out);
        if (hb_summary_encode(p->enc, UINT64_MAX, &w->out) < 0) /* what it keeps of what was sent */
                die("no memory");
        hb_summary_reset(p->enc);
}

static void make_target(struct world *w, struct placement *p) {
        static const struct hb_engine_ops ops = {op_fetch, op_nothing, op_epoch, op_epoch, NULL};
        struct hb_engine_options o = {0};
        struct hb_policy_options po = {.dir = HB_SOURCE_DIR "/policies",
                                       .names = {"ewma", "cost_benefit", "adaptive"}};
        struct hb_engine_image image = {
                .shape = &w->shape, .processed = &p->processed, .zero = op_zero, .arg = p, .blank = true};
        struct hb_policy_link l = {1e-3, 1.25e9, 1e9, 0.2, 0};
        struct hb_err e;

        p->records = calloc(p->pages, sizeof(*p->records));
        image.pages = p->records;
        if (!p->records || hb_bitmap_init(&p->heard, p->pages) < 0)
                die("no memory");
        if (hb_policies_new(&po, &p->policies, &e) < 0)
                die(e.what);
        if (hb_engine_new(&o, &image, p->policies, &ops, p, &p->engine) < 0)
                die("no memory");
        hb_engine_link(p->engine, w->now, &l);
        announce(w, p, 0);
}

static bool filled(const struct world *w) {
        for (unsigned i = 0; i < w->n; i++) {
                struct hb_engine_stats s;

                hb_engine_stats(w->p[i].engine, &s);
                if (!s.ready)
                        return false;
        }
        return true;
}

static void drop(struct placement *p) {
        hb_engine_free(p->engine);
        hb_policies_free(p->policies);
        hb_summary_encoder_free(p->enc);
        hb_page_map_free(p->map);
        hb_bitmap_fini(&p->written);
        hb_bitmap_fini(&p->heard);
        free(p->records);
}

int main(int argc, char **argv) {
        bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
        struct world w = {.now = 1000 * S, .n = 100, .pages = 1024 << 8};
        double before, source_mem, target_mem, n;
        unsigned fill = 0;

        if (argc > 1 + json)
                w.n = (unsigned)strtoul(argv[1 + json], NULL, 10);
        if (argc > 2 + json)
                w.pages = strtoull(argv[2 + json], NULL, 10) << 8;
        w.p = calloc(w.n, sizeof(*w.p));
        if (!w.p || w.n == 0 || w.pages < 4096 ||
            hb_shape_add(&w.shape, "ram", w.pages << HB_PAGE_SHIFT, HB_PAGE_SIZE, NULL) < 0)
                die("no such number of placements, or size of a guest");
        before = resident_bytes();
        for (unsigned i = 0; i < w.n; i++)
                make_source(&w, &w.p[i], i);
        source_mem = resident_bytes() - before;
        before = resident_bytes();
        for (unsigned i = 0; i < w.n; i++)
                make_target(&w, &w.p[i]);
        for (; fill < FILL_LIMIT && (fill < 12 || !filled(&w)); fill++)
                epoch(&w);
        target_mem = resident_bytes() - before;
        w.source_ms = w.target_ms = w.announce_bytes = w.summary_bytes = w.fetched_pages = 0;
        for (unsigned e = 0; e < EPOCHS; e++)
                epoch(&w);
        n = (double)w.n;
        if (json)
                printf("{\"placements\":%u,\"guest_pages\":%llu,\"seconds_to_ready\":%u,\"source_bytes_"
                       "each\":%.0f,"
                       "\"target_bytes_each\":%.0f,\"source_ms_per_s\":%.2f,\"target_ms_per_s\":%.2f,"
                       "\"announce_bytes_per_s\":%.0f,\"summary_bytes_per_s\":%.0f,\"fetched_pages_per_s\":%."
                       "0f}\n",
                       w.n, (unsigned long long)w.pages, fill, source_mem / n, target_mem / n,
                       w.source_ms / EPOCHS, w.target_ms / EPOCHS, w.announce_bytes / EPOCHS,
                       w.summary_bytes / EPOCHS, w.fetched_pages / EPOCHS);
        else
                printf("%u placements of guests of %llu MiB, half in use, 1 %% written an epoch of 1 s; "
                       "ready after %u s\n"
                       "as their source   %8.2f MiB each   %8.1f ms of CPU a second for all\n"
                       "as their target   %8.2f MiB each   %8.1f ms of CPU a second for all\n"
                       "on the wire       %8.0f bytes/s announced, %.0f summaries, %.0f pages fetched a "
                       "second\n",
                       w.n, (unsigned long long)(w.pages >> 8), fill, source_mem / n / (1 << 20),
                       w.source_ms / EPOCHS, target_mem / n / (1 << 20), w.target_ms / EPOCHS,
                       w.announce_bytes / EPOCHS, w.summary_bytes / EPOCHS, w.fetched_pages / EPOCHS);
        for (unsigned i = 0; i < w.n; i++)
                drop(&w.p[i]);
        free(w.p);
        hb_buf_free(&w.out);
        return 0;
}
