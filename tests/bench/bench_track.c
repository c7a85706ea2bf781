/* bench_track: what tracking costs, each figure beside the bare kernel's, measured in turns in one run.
 *
 *   scan        a wp scan of 1 GiB beside the PAGEMAP_SCAN call alone: clean, one page in 16 dirty, all dirty
 * (bar 1.3) first write what the guest pays for the first write after a scan, beside one after the bare call
 *   sparse      an epoch on 8 and 64 GiB sparse regions with the same pages touched, and with half of them:
 * cost follows those slowdown    a load that dirties 10 % of its memory a second, with and without 1 s epochs
 * (bar 2 % for wp, budget for present)
 * --json: one object on stdout. --quick: shorter, for a look. */
#include "base/clock.h"
#include "track/pmscan.h"
#include "track/tracker.h"
#include "track_child.h"
#include <math.h>

#define GIB     (1ul << 30)
#define MAX_REP 64

static bool quick, json;

struct rig {
        struct tc child;
        hb_target *target;
        hb_tracker *tracker;
        struct hb_scan scan;
        int pagemap;
        struct hb_pm_run *vec;
};

static void die(const char *what, const struct hb_err *e) {
        char line[800];

        fprintf(stderr, "bench_track: %s: %s\n", what,
                e ? hb_err_line(e, line, sizeof line) : strerror(errno));
        exit(1);
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double median(double *v, unsigned n) {
        qsort(v, n, sizeof *v, by_value);
        return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void set_up(struct rig *r, uint64_t bytes, const char *backend) {
        struct hb_target_claim c = {.name = "ram", .bytes = bytes};
        struct hb_tracker_options o = {.guest_budget = 0.01, .epoch_ns = HB_NS_PER_S};
        struct hb_err e = {0};
        char path[64];

        memset(r, 0, sizeof *r);
        if (tc_add(&r->child, -1, bytes) || tc_start(&r->child))
                die("child", NULL);
        c.remote_addr = (uintptr_t)r->child.region[0].map;
        if (tc_call(&r->child, TC_THREADS, 0, 0, 1, 0) != 0) /* an idle thread, as every QEMU has */
                die("thread", NULL);
        if (hb_target_open(r->child.pid, &c, 1, &r->target, &e))
                die("target", &e);
        if (hb_bitmap_init(&r->scan.written, r->target->shape.pages) ||
            hb_bitmap_init(&r->scan.accessed, r->target->shape.pages) ||
            hb_bitmap_init(&r->scan.observed, r->target->shape.pages))
                die("bitmaps", NULL);
        if (backend && hb_tracker_open(r->target, backend, &o, &r->tracker, &e))
                die(backend, &e);
        snprintf(path, sizeof path, "/proc/%d/pagemap", r->child.pid);
        r->pagemap = open(path, O_RDONLY | O_CLOEXEC);
        r->vec = mmap(NULL, 65536 * sizeof *r->vec, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (r->pagemap < 0 || r->vec == MAP_FAILED)
                die("pagemap", NULL);
}

static void tear_down(struct rig *r) {
        hb_tracker_detach(r->tracker, NULL);
        hb_target_free(r->target);
        hb_bitmap_fini(&r->scan.written);
        hb_bitmap_fini(&r->scan.accessed);
        hb_bitmap_fini(&r->scan.observed);
        munmap(r->vec, 65536 * sizeof *r->vec);
        close(r->pagemap);
        tc_stop(&r->child);
}

static void clear(struct rig *r) {
        hb_bitmap_clear_all(&r->scan.written);
        hb_bitmap_clear_all(&r->scan.accessed);
        hb_bitmap_clear_all(&r->scan.observed);
        r->scan.written_pages = r->scan.accessed_pages = r->scan.observed_pages = r->scan.guest_ns =
                r->scan.scan_ns = 0;
}

/* ms of one scan; *ret_pages what it found. */
static double our_scan(struct rig *r, uint64_t *ret_pages) {
        struct hb_err e = {0};
        uint64_t began;
        double ms;

        clear(r);
        began = hb_now_ns();
        if (hb_tracker_scan(r->tracker, &r->scan, &e))
                die("scan", &e);
        ms = (double)(hb_now_ns() - began) / 1e6;
        hb_tracker_commit(r->tracker);
        *ret_pages = r->scan.written_pages;
        return ms;
}

/* The same get-and-clear over the same range, nothing else. */
static double bare_scan(struct rig *r, uint64_t *ret_pages) {
        uint64_t began = hb_now_ns(), pages = 0;
        struct hb_pm_scan a = {.size = sizeof a,
                               .flags = HB_SCAN_WP_MATCHING | HB_SCAN_CHECK_WPASYNC,
                               .start = (uintptr_t)r->child.region[0].map,
                               .vec = (uintptr_t)r->vec,
                               .vec_len = 65536,
                               .category_mask = HB_PAGE_WRITTEN,
                               .return_mask = HB_PAGE_WRITTEN};
        long n;

        a.end = a.start + r->child.region[0].bytes;
        do {
                n = ioctl(r->pagemap, HB_PAGEMAP_SCAN, &a);
                if (n < 0)
                        die("PAGEMAP_SCAN", NULL);
                for (long i = 0; i < n; i++)
                        pages += (r->vec[i].end - r->vec[i].start) / TC_PAGE;
                a.start = a.walk_end;
        } while (n == 65536);
        *ret_pages = pages;
        return (double)(hb_now_ns() - began) / 1e6;
}

struct pair {
        const char *name;
        double ours, bare, ratio;
};

/* Every `step`-th page dirty (0: none). Both in turns; the ratio is the median of the ratios of neighbours.
 */
static void compare_scans(struct rig *r, uint64_t step, struct pair *p, struct pair *write) {
        double ours[MAX_REP], bare[MAX_REP], ratio[MAX_REP], wo[MAX_REP], wb[MAX_REP], wr[MAX_REP];
        uint64_t pages = r->child.region[0].bytes / TC_PAGE, dirty = step ? pages / step : 0, a, b;
        unsigned reps = quick ? 5 : step == 1 ? 15 : 31;

        for (unsigned i = 0; i < reps; i++) {
                wo[i] = step ? (double)tc_call(&r->child, TC_TIMED, 0, 0, pages, step) / (double)dirty : 0;
                ours[i] = our_scan(r, &a);
                wb[i] = step ? (double)tc_call(&r->child, TC_TIMED, 0, 0, pages, step) / (double)dirty : 0;
                bare[i] = bare_scan(r, &b);
                if (a != dirty || b != dirty) {
                        fprintf(stderr, "bench_track: %lu and %lu pages found, %lu dirty\n", (unsigned long)a,
                                (unsigned long)b, (unsigned long)dirty);
                        exit(1);
                }
                ratio[i] = ours[i] / bare[i];
                if (i > 0) /* wb[i] was written after our scan, wo[i] after the bare one before it */
                        wr[i - 1] = wb[i] / wo[i];
        }
        p->ratio = median(ratio, reps);
        p->ours = median(ours, reps);
        p->bare = median(bare, reps);
        if (write && step)
                *write = (struct pair){write->name, median(wb, reps), median(wo + 1, reps - 1),
                                       median(wr, reps - 1)};
}

static void bench_scan(struct pair out[3], struct pair *write) {
        struct rig r;
        uint64_t n;

        set_up(&r, GIB, "wp");
        tc_call(&r.child, TC_WRITE, 0, 0, GIB / TC_PAGE, 1);
        our_scan(&r, &n);
        our_scan(&r, &n);
        out[0].name = "clean";
        out[1].name = "1/16 dirty";
        out[2].name = "all dirty";
        compare_scans(&r, 0, &out[0], NULL);
        compare_scans(&r, 16, &out[1], NULL);
        compare_scans(&r, 1, &out[2], write);
        tear_down(&r);
}

struct sparse {
        uint64_t gib, touched;
        double clean_ms, dirty_ms, page_table_mib;
};

static double page_table_mib(pid_t pid) {
        char path[64], line[128];
        double kb = 0;
        FILE *f;

        snprintf(path, sizeof path, "/proc/%d/status", pid);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof line, f))
                if (strncmp(line, "VmPTE:", 6) == 0)
                        kb = atof(line + 6);
        if (f)
                fclose(f);
        return kb / 1024;
}

/* Four runs of 16 pages in each touched 2 MiB block, the blocks spread evenly over the region: the same
 * neighbourhoods whatever the size, since what a page costs depends on how many share its page table. Dirtied
 * again before each measured scan. */
static void touch(struct rig *r, uint64_t touched, unsigned value) {
        uint64_t blocks = r->child.region[0].bytes >> 21, n = touched / 64;

        for (uint64_t i = 0; i < n; i++)
                for (unsigned k = 0; k < 4; k++)
                        tc_call(&r->child, TC_WRITE, 0, i * blocks / n * 512 + k * 128, 16, value);
}

static void bench_sparse(struct sparse *s) {
        double dirty[5], clean[5];
        struct rig r;
        uint64_t n;

        set_up(&r, s->gib * GIB, "wp");
        for (unsigned k = 0; k < 7; k++) {
                double ms;

                touch(&r, s->touched, k);
                ms = our_scan(&r, &n);
                if (n != s->touched)
                        die("sparse: wrong count", NULL);
                if (k >= 2) {
                        dirty[k - 2] = ms;
                        clean[k - 2] = our_scan(&r, &n);
                } else
                        our_scan(&r, &n);
        }
        s->clean_ms = median(clean, 5);
        s->dirty_ms = median(dirty, 5);
        s->page_table_mib = page_table_mib(r.child.pid);
        tear_down(&r);
}

struct slowdown {
        const char *backend, *load;
        bool hot;
        uint64_t writes_per_s;      /* in 131072 pages */
        double wall, cpu;           /* shares of work lost by the clock and by the load's CPU time */
        double bare_wall, bare_cpu; /* the same when the epochs are the bare ioctl and nothing else */
        double guest_share;         /* as the tracker estimates */
        double dirtied;             /* pages found written, a second */
        uint64_t observed;
};

struct speed {
        double per_s, per_cpu_s;
};

enum epochs { NONE, BARE, OURS };

struct tally { /* over our epochs */
        uint64_t guest_ns, observed, written;
};

static struct speed measure(struct rig *r, enum epochs how, double seconds, struct tally *t) {
        uint64_t rounds = tc_get(r->child.shared->rounds), cpu = tc_get(r->child.shared->cpu_ns),
                 began = hb_now_ns(), n;
        uint64_t end = began + (uint64_t)(seconds * 1e9), next = began + HB_NS_PER_S / 2;
        double took;

        while (hb_now_ns() < end) {
                uint64_t until = next < end ? next : end;

                if (hb_now_ns() < until)
                        hb_sleep_ns(until - hb_now_ns());
                if (how == BARE && until == next)
                        bare_scan(r, &n);
                if (how == OURS && until == next) {
                        our_scan(r, &n);
                        t->guest_ns += r->scan.guest_ns;
                        t->observed += r->scan.observed_pages;
                        t->written += r->scan.written_pages;
                }
                next += until == next ? HB_NS_PER_S : 0;
        }
        took = (double)(hb_now_ns() - began) / 1e9;
        rounds = tc_get(r->child.shared->rounds) - rounds;
        return (struct speed){(double)rounds / took,
                              (double)rounds * 1e9 / (double)(tc_get(r->child.shared->cpu_ns) - cpu)};
}

/* Untracked stretches, the bare ioctl's and ours in turns, each with its neighbour. Untracked: no scan, so
 * nothing gets protected again; the first writes after the last scan still fault, so each stretch is preceded
 * by one that is not counted. Two loads, each busy without a pause: one writes as guest_load does, the other
 * with a stride, so that every write of it is a first write after a scan and finds caches cold, the worst
 * that 10 % a second can cost. */
static void bench_slowdown(struct slowdown *s) {
        const uint64_t bytes = 512ul << 20, pages = bytes / TC_PAGE;
        unsigned rounds = quick ? 2 : 9;
        double v[4][16], tracked_s = 0;
        struct tally sum = {0}, ignore = {0};
        uint64_t n;
        struct rig r;

        set_up(&r, bytes, s->backend);
        tc_call(&r.child, TC_WRITE, 0, 0, pages, 1);
        our_scan(&r, &n);
        if (tc_call(&r.child, TC_LOAD, 0, 0, s->writes_per_s, s->hot) != 0)
                die("load", NULL);
        for (unsigned i = 0; i < rounds; i++) {
                struct speed got[3];

                for (unsigned k = 0; k < 3; k++) {
                        enum epochs how = (enum epochs)((k + i) % 3);

                        if (how == NONE)
                                tc_call(&r.child, TC_WRITE, 0, 0, pages, 1);
                        measure(&r, how, 1, &ignore);
                        got[how] = measure(&r, how, 2, &sum);
                        tracked_s += how == OURS ? 2 : 0;
                }
                v[0][i] = 1 - got[OURS].per_s / got[NONE].per_s;
                v[1][i] = 1 - got[OURS].per_cpu_s / got[NONE].per_cpu_s;
                v[2][i] = 1 - got[BARE].per_s / got[NONE].per_s;
                v[3][i] = 1 - got[BARE].per_cpu_s / got[NONE].per_cpu_s;
        }
        s->wall = median(v[0], rounds);
        s->cpu = median(v[1], rounds);
        s->bare_wall = median(v[2], rounds);
        s->bare_cpu = median(v[3], rounds);
        s->guest_share = (double)sum.guest_ns / 1e9 / tracked_s;
        s->observed = sum.observed;
        s->dirtied = (double)sum.written / tracked_s;
        tc_call(&r.child, TC_CALM, 0, 0, 0, 0);
        tear_down(&r);
}

static void print_json(const struct pair *scan, const struct pair *write, const struct sparse *sp,
                       unsigned nsp, const struct slowdown *sl, unsigned nsl) {
        printf("{\"scan_1gib\":{");
        for (unsigned i = 0; i < 3; i++)
                printf("%s\"%s\":{\"ms\":%.3f,\"bare_ms\":%.3f,\"ratio\":%.3f,\"bar\":1.3}", i ? "," : "",
                       scan[i].name, scan[i].ours, scan[i].bare, scan[i].ratio);
        printf("},\"first_write\":{\"ns\":%.0f,\"bare_ns\":%.0f,\"ratio\":%.3f},\"sparse\":[", write->ours,
               write->bare, write->ratio);
        for (unsigned i = 0; i < nsp; i++)
                printf("%s{\"gib\":%lu,\"touched_pages\":%lu,\"clean_ms\":%.3f,\"dirty_ms\":%.3f,\"page_"
                       "table_mib\":%.1f}",
                       i ? "," : "", (unsigned long)sp[i].gib, (unsigned long)sp[i].touched, sp[i].clean_ms,
                       sp[i].dirty_ms, sp[i].page_table_mib);
        printf("],\"slowdown\":[");
        for (unsigned i = 0; i < nsl; i++)
                printf("%s{\"backend\":\"%s\",\"load\":\"%s\",\"dirtied_pages_per_s\":%.0f,\"wall\":%.4f,"
                       "\"cpu\":%.4f,\"bare_wall\":%.4f,\"bare_cpu\":%."
                       "4f,"
                       "\"tracker_estimate\":%.4f,"
                       "\"observed_pages\":%lu,\"bar\":%.3f}",
                       i ? "," : "", sl[i].backend, sl[i].load, sl[i].dirtied, sl[i].wall, sl[i].cpu,
                       sl[i].bare_wall, sl[i].bare_cpu, sl[i].guest_share, (unsigned long)sl[i].observed,
                       i < 2 ? 0.02 : 0.03);
        printf("]}\n");
}

static void print_table(const struct pair *scan, const struct pair *write, const struct sparse *sp,
                        unsigned nsp, const struct slowdown *sl, unsigned nsl) {
        printf("%-34s %10s %10s %8s\n", "wp scan of 1 GiB", "ours ms", "bare ms", "ratio");
        for (unsigned i = 0; i < 3; i++)
                printf("  %-32s %10.3f %10.3f %8.2f\n", scan[i].name, scan[i].ours, scan[i].bare,
                       scan[i].ratio);
        printf("%-34s %10.0f %10.0f %8.2f\n", "first write after a scan, ns", write->ours, write->bare,
               write->ratio);
        printf("%-34s %10s %10s %8s\n", "epoch on a sparse guest", "clean ms", "dirty ms", "PT MiB");
        for (unsigned i = 0; i < nsp; i++)
                printf("  %3lu GiB, %7lu pages touched %13.3f %10.3f %8.1f\n", (unsigned long)sp[i].gib,
                       (unsigned long)sp[i].touched, sp[i].clean_ms, sp[i].dirty_ms, sp[i].page_table_mib);
        printf("%-34s %10s %10s %10s %10s %10s\n", "slowdown, 10 % dirty a s, 1 s epochs", "wall", "cpu",
               "bare wall", "bare cpu", "estimate");
        for (unsigned i = 0; i < nsl; i++)
                printf("  %-8s %-14s %6.0f/s %9.2f%% %9.2f%% %9.2f%% %9.2f%% %9.2f%%   (%lu page "
                       "observations)\n",
                       sl[i].backend, sl[i].load, sl[i].dirtied, 100 * sl[i].wall, 100 * sl[i].cpu,
                       100 * sl[i].bare_wall, 100 * sl[i].bare_cpu, 100 * sl[i].guest_share,
                       (unsigned long)sl[i].observed);
}

int main(int argc, char **argv) {
        struct pair scan[3], write = {.name = "first write"};
        const uint64_t one_percent = 64 * GIB / TC_PAGE / 100 / 128 * 128;
        struct sparse sparse[] = {{.gib = 8, .touched = one_percent},
                                  {.gib = 64, .touched = one_percent},
                                  {.gib = 64, .touched = one_percent / 2}};
        /* hot: 22000 writes a second touch a tenth of the pages once or more */
        struct slowdown slow[] = {
                {.backend = "wp", .load = "as guest_load", .hot = true, .writes_per_s = 22000},
                {.backend = "wp", .load = "stride", .writes_per_s = 13107},
                {.backend = "present", .load = "as guest_load", .hot = true, .writes_per_s = 22000},
                {.backend = "present", .load = "stride", .writes_per_s = 13107}};
        const char *names[8];
        int n = hb_tracker_probe(names, 8);

        for (int i = 1; i < argc; i++) {
                json |= strcmp(argv[i], "--json") == 0;
                quick |= strcmp(argv[i], "--quick") == 0;
        }
        if (n < 2 || strcmp(names[1], "wp") != 0) {
                if (json)
                        printf("{\"skipped\":\"this kernel has no PAGEMAP_SCAN with asynchronous "
                               "write-protection\"}\n");
                else
                        printf("bench_track: skipped: this kernel has no PAGEMAP_SCAN with asynchronous "
                               "write-protection\n");
                return 77;
        }
        bench_scan(scan, &write);
        for (unsigned i = 0; i < 3; i++)
                bench_sparse(&sparse[i]);
        for (unsigned i = 0; i < 4; i++)
                bench_slowdown(&slow[i]);
        (json ? print_json : print_table)(scan, &write, sparse, 3, slow, 4);
        return 0;
}
