/* bench_map: what the source's page map and its summaries cost, and a history on the target.  bench_map
 * [--json]
 *
 * Raw figures beside: the same pages' records written once by a plain loop over the same bitmap. Memory is
 * measured (resident set), not computed. Medians of several rounds. */
#include "base/clock.h"
#include "map/announce.h"
#include "map/history.h"
#include "map/summary.h"
#include "map/tags.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 9
#define S      1000000000ull

struct figures {
        const char *name;
        uint64_t pages, touched;
        double apply_ns, raw_ns;                    /* per touched page */
        double bytes_per_page;                      /* map and one encoder, resident, over all pages */
        double bytes_per_touched;                   /* the same over touched pages: for the sparse guest */
        double full_share, update_share, encode_ns; /* summary bytes / guest bytes; per touched page */
};

static void die(const char *what) {
        fprintf(stderr, "bench_map: %s\n", what);
        exit(1);
}

static double resident_bytes(void) {
        FILE *f = fopen("/proc/self/statm", "r");
        unsigned long size = 0, rss = 0;

        if (!f || fscanf(f, "%lu %lu", &size, &rss) != 2)
                die("cannot read /proc/self/statm");
        fclose(f);
        return (double)rss * (double)sysconf(_SC_PAGESIZE);
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

static double median(double *v, unsigned n) {
        qsort(v, n, sizeof(*v), by_value);
        return v[n / 2];
}

/* Every `stride`-th run of `length` pages; in some epochs with a neighbour more, so that no two epochs are
 * alike. */
static uint64_t touch(struct hb_bitmap *b, uint64_t stride, uint64_t length, uint64_t epoch) {
        uint64_t rng = epoch * 0x9E3779B97F4A7C15ull + 1;

        hb_bitmap_clear_all(b);
        for (uint64_t g = 0; g + length <= b->bits; g += length * stride) {
                rng ^= rng << 13;
                rng ^= rng >> 7;
                rng ^= rng << 17;
                hb_bitmap_set_range(b, g + (stride > 1 && rng % 4 == 0), length);
        }
        return hb_bitmap_count(b);
}

static double raw_pass(const struct hb_bitmap *b, uint8_t *records, uint64_t touched) {
        uint64_t first = 0, n = 0, start = hb_now_ns();

        while (hb_bitmap_next_run(b, first + n, 0, &first, &n))
                for (uint64_t g = first; g < first + n; g++)
                        memset(records + g * 20, (int)g, 20);
        return (double)(hb_now_ns() - start) / (double)touched;
}

static void measure_raw(struct figures *f, const struct hb_bitmap *b) {
        uint8_t *records = malloc(f->pages * 20);
        double v[ROUNDS];

        if (!records)
                die("no memory");
        raw_pass(b, records, f->touched); /* faults the pages in */
        for (unsigned r = 0; r < ROUNDS; r++)
                v[r] = raw_pass(b, records, f->touched);
        f->raw_ns = median(v, ROUNDS);
        free(records);
}

static double share(int64_t bytes, const struct figures *f, uint64_t of_pages) {
        return (double)bytes / ((double)of_pages * HB_PAGE_SIZE);
}

static void measure_summaries(struct figures *f, hb_page_map *m, hb_summary_encoder *s, struct hb_bitmap *b,
                              uint64_t stride, uint64_t length) {
        struct hb_buf out = {0};
        double ns[ROUNDS], bytes[ROUNDS];

        hb_summary_reset(s);
        f->full_share = share(hb_summary_encode(s, UINT64_MAX, &out), f, f->pages);
        for (unsigned r = 0; r < ROUNDS; r++) {
                uint64_t start;

                f->touched = touch(b, stride, length, ROUNDS + r);
                hb_page_map_apply(m, (200 + r) * S, b, NULL, NULL, false);
                hb_buf_reset(&out);
                start = hb_now_ns();
                bytes[r] = share(hb_summary_encode(s, UINT64_MAX, &out), f, f->pages);
                ns[r] = (double)(hb_now_ns() - start) / (double)f->touched;
        }
        f->update_share = median(bytes, ROUNDS);
        f->encode_ns = median(ns, ROUNDS);
        hb_buf_free(&out);
}

static struct figures measure(const char *name, uint64_t gib, uint64_t stride, uint64_t length,
                              bool all_first) {
        struct figures f = {.name = name, .pages = gib << 18};
        struct hb_shape shape = {0};
        struct hb_bitmap b;
        hb_page_map *m = NULL;
        hb_summary_encoder *s = NULL;
        double v[ROUNDS], before;
        struct hb_buf out = {0};

        if (hb_shape_add(&shape, "ram", gib << 30, HB_PAGE_SIZE, NULL) < 0 || hb_bitmap_init(&b, f.pages) < 0)
                die("no memory");
        touch(&b, 1, 1, 0); /* the bitmap itself is the caller's: in memory before we measure */
        before = resident_bytes();
        if (hb_page_map_open(&shape, NULL, &m, NULL) < 0 || hb_summary_encoder_new(m, &s) < 0)
                die("no memory");
        if (!all_first)
                touch(&b, stride, length, 0);
        hb_page_map_apply(m, S, &b, NULL, NULL, false);
        for (unsigned r = 0; r < ROUNDS; r++) {
                uint64_t start;

                f.touched = touch(&b, stride, length, r);
                start = hb_now_ns();
                hb_page_map_apply(m, (2 + r) * S, &b, NULL, NULL, false);
                v[r] = (double)(hb_now_ns() - start) / (double)f.touched;
        }
        f.apply_ns = median(v, ROUNDS);
        if (hb_summary_encode(s, UINT64_MAX, &out) < 0)
                die("no memory");
        hb_buf_free(&out);
        f.bytes_per_page = (resident_bytes() - before) / (double)f.pages;
        f.bytes_per_touched = (resident_bytes() - before) / (double)f.touched;
        measure_raw(&f, &b);
        measure_summaries(&f, m, s, &b, stride, length);
        hb_summary_encoder_free(s);
        hb_page_map_free(m);
        hb_bitmap_fini(&b);
        return f;
}

/* A million pages, a tenth of them in each of many windows; then all of them asked about as of later. */
struct past {
        double note_ns, page_ns, bytes_per_page;
};

#define PAST_PAGES (1u << 20)

static double note_window(hb_history *h, uint32_t window) {
        uint64_t start = hb_now_ns();
        unsigned n = 0;

        for (uint64_t g = window % 10; g < PAST_PAGES; g += 10, n++)
                if (hb_history_note(h, g, window, g & 1) < 0)
                        die("no memory");
        return (double)(hb_now_ns() - start) / n;
}

static double ask_all(const hb_history *h, uint32_t window, uint64_t *sum) {
        uint64_t start = hb_now_ns();

        for (uint64_t g = 0; g < PAST_PAGES; g++) {
                struct hb_history_page p;

                hb_history_page(h, g, window, &p);
                *sum += p.seen ^ p.times;
        }
        return (double)(hb_now_ns() - start) / PAST_PAGES;
}

static struct past measure_past(void) {
        double before = resident_bytes(), note[ROUNDS], page[ROUNDS];
        hb_history *h = NULL;
        struct past p = {0};
        uint64_t sum = 0;

        if (hb_history_new(PAST_PAGES, &h) < 0)
                die("no memory");
        for (uint32_t w = 1; w <= 50; w++)
                note_window(h, w);
        for (unsigned r = 0; r < ROUNDS; r++) {
                note[r] = note_window(h, 51 + r);
                page[r] = ask_all(h, 60 + r, &sum);
        }
        p.note_ns = median(note, ROUNDS);
        p.page_ns = median(page, ROUNDS);
        p.bytes_per_page = sum ? (resident_bytes() - before) / PAST_PAGES : 0;
        hb_history_free(h);
        return p;
}

/* An epoch in which 1 % was written, no page of it beside another: what each message takes of the guest's
 * memory (bound: 0.0005 for all), with every tag asked about and answered. */
struct told {
        double announce, summary, tags, ask, prints;
};

#define TOLD_PAGES (4ull << 18)

static int nowhere(void *arg, const void *part, size_t size) {
        return 0;
}

static double share_of(int64_t bytes) {
        if (bytes < 0)
                die("no memory");
        return (double)bytes / ((double)TOLD_PAGES * HB_PAGE_SIZE);
}

static void tell_prints(struct told *t, const struct hb_bitmap *b) {
        uint32_t *gfn = malloc(TOLD_PAGES * sizeof(*gfn));
        struct hb_print *prints = calloc(TOLD_PAGES, sizeof(*prints));
        struct hb_buf out = {0};
        uint64_t at = 0, n;

        if (!gfn || !prints)
                die("no memory");
        n = hb_bitmap_list(b, &at, gfn, TOLD_PAGES);
        t->tags = share_of(hb_tags_encode(2, gfn, prints, n, &out, nowhere, NULL));
        t->ask = share_of(hb_ask_encode(gfn, n, &out, nowhere, NULL));
        t->prints = share_of(hb_prints_encode(2, gfn, prints, n, &out, nowhere, NULL));
        hb_buf_free(&out);
        free(gfn);
        free(prints);
}

static struct told measure_told(void) {
        struct hb_announce a = {.from = 1, .to = 2};
        struct hb_shape shape = {0};
        struct hb_buf out = {0};
        struct told t = {0};
        struct hb_bitmap b;
        hb_page_map *m = NULL;
        hb_summary_encoder *s = NULL;

        if (hb_shape_add(&shape, "ram", TOLD_PAGES << HB_PAGE_SHIFT, HB_PAGE_SIZE, NULL) < 0 ||
            hb_bitmap_init(&b, TOLD_PAGES) < 0 || hb_page_map_open(&shape, NULL, &m, NULL) < 0 ||
            hb_summary_encoder_new(m, &s) < 0)
                die("no memory");
        touch(&b, 1, 1, 0);
        hb_page_map_apply(m, S, &b, NULL, NULL, false);
        share_of(hb_summary_encode(s, UINT64_MAX, &out));
        hb_buf_reset(&out);
        touch(&b, 100, 1, 7);
        hb_page_map_apply(m, 2 * S, &b, NULL, NULL, false);
        t.announce = share_of(hb_announce_encode(&a, &b, &out, nowhere, NULL));
        hb_buf_reset(&out);
        t.summary = share_of(hb_summary_encode(s, UINT64_MAX, &out));
        tell_prints(&t, &b);
        hb_buf_free(&out);
        hb_bitmap_fini(&b);
        hb_summary_encoder_free(s);
        hb_page_map_free(m);
        return t;
}

static void print_json(const struct figures *f, unsigned n, const struct past *p, const struct told *t) {
        printf("{\"bytes_per_page\":%u,\"cases\":[", hb_page_map_bytes_per_page());
        for (unsigned i = 0; i < n; i++)
                printf("%s{\"name\":\"%s\",\"pages\":%llu,\"touched\":%llu,\"apply_ns_per_touched\":%.2f,"
                       "\"raw_ns_per_touched\":%.2f,"
                       "\"ratio\":%.2f,\"resident_bytes_per_page\":%.2f,\"resident_bytes_per_touched\":%.2f,"
                       "\"summary_full_share\":%.6f,\"summary_update_share\":%.6f,\"encode_ns_per_touched\":%"
                       ".2f}",
                       i ? "," : "", f[i].name, (unsigned long long)f[i].pages,
                       (unsigned long long)f[i].touched, f[i].apply_ns, f[i].raw_ns,
                       f[i].apply_ns / f[i].raw_ns, f[i].bytes_per_page, f[i].bytes_per_touched,
                       f[i].full_share, f[i].update_share, f[i].encode_ns);
        printf("],\"told_share\":{\"announce\":%.7f,\"summary\":%.7f,\"tags\":%.7f,\"ask\":%.7f,\"prints\":%."
               "7f}",
               t->announce, t->summary, t->tags, t->ask, t->prints);
        printf(",\"history\":{\"note_ns\":%.2f,\"page_ns\":%.2f,\"resident_bytes_per_page\":%.2f}}\n",
               p->note_ns, p->page_ns, p->bytes_per_page);
}

static void print_table(const struct figures *f, unsigned n, const struct past *p, const struct told *t) {
        printf("%-22s %9s %9s %9s %6s %8s %10s %10s %10s\n", "guest", "touched", "apply ns", "raw ns",
               "ratio", "B/page", "summary %", "update %", "encode ns");
        for (unsigned i = 0; i < n; i++)
                printf("%-22s %9llu %9.1f %9.1f %6.2f %8.2f %10.4f %10.4f %10.1f\n", f[i].name,
                       (unsigned long long)f[i].touched, f[i].apply_ns, f[i].raw_ns,
                       f[i].apply_ns / f[i].raw_ns, f[i].bytes_per_page, 100 * f[i].full_share,
                       100 * f[i].update_share, f[i].encode_ns);
        printf("engine metadata on the source: %u bytes a page at most (bound: 24); times are per touched "
               "page\n",
               hb_page_map_bytes_per_page());
        printf("1 %% written, scattered: %.5f %% of the memory (bound 0.05): announced %.5f, summary %.5f, "
               "tags "
               "%.5f, asked %.5f, prints %.5f\n",
               100 * (t->announce + t->summary + t->tags + t->ask + t->prints), 100 * t->announce,
               100 * t->summary, 100 * t->tags, 100 * t->ask, 100 * t->prints);
        printf("history: %.1f ns a note, %.1f ns a page asked about, %.1f bytes a page of touched blocks\n",
               p->note_ns, p->page_ns, p->bytes_per_page);
}

int main(int argc, char **argv) {
        struct told t;
        struct past p = measure_past(); /* first: it looks at how much memory there is more */
        struct figures f[] = {
                measure("4 GiB, all written", 4, 1, 1, true),
                measure("4 GiB, 1/10 written", 4, 10, 4, true),
                measure("64 GiB, 1 % there", 64, 100, 512, false),
        };
        unsigned n = sizeof(f) / sizeof(f[0]);

        t = measure_told();
        if (argc > 1 && strcmp(argv[1], "--json") == 0)
                print_json(f, n, &p, &t);
        else
                print_table(f, n, &p, &t);
        return 0;
}
