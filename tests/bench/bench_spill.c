/* bench_spill: how fast an image goes to the disk and comes back, beside what the same filesystem does by
 * itself in the same run.  bench_spill [--json] [--mb N] [--dir DIR]
 *
 * Raw: O_DIRECT writes and reads of 256 KiB, as many threads as the spill has runs on their way, into a
 * sparse file that is read and written once in order, as a spill is. Rounds alternate; medians. DIR: on the
 * disk to be measured (default: the present folder). CPU: of this process, all threads, for each GiB moved.
 */
#include "base/clock.h"
#include "place/image_spill.h"
#include "place/spill_io.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROUNDS  3u
#define BLOCK   (HB_SPILL_RUN * HB_PAGE_SIZE)
#define THREADS HB_SPILL_DEPTH
#define MIB     1048576.0

static void die(const char *what, const struct hb_err *e) {
        fprintf(stderr, "bench_spill: %s%s%s\n", what, e ? ": " : "", e ? e->what : "");
        exit(1);
}

static double cpu_s(void) {
        struct rusage u;

        getrusage(RUSAGE_SELF, &u);
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

struct rate {
        double mib_s, cpu_s_gib;
};

struct span {
        uint64_t began_ns;
        double cpu;
};

static struct span begin(void) {
        return (struct span){hb_now_ns(), cpu_s()};
}

static struct rate end(struct span s, double bytes) {
        return (struct rate){bytes / MIB / ((double)(hb_now_ns() - s.began_ns) / 1e9),
                             (cpu_s() - s.cpu) / (bytes / MIB / 1024)};
}

/* ---- the disk alone ---- */

struct raw {
        int fd;
        bool write;
        uint64_t bytes;
        uint8_t *memory;
        atomic_ullong next;
};

static void *raw_thread(void *arg) {
        struct raw *r = arg;
        uint64_t at;

        while ((at = atomic_fetch_add(&r->next, BLOCK)) < r->bytes) {
                ssize_t n = r->write ? pwrite(r->fd, r->memory + at, BLOCK, (off_t)at)
                                     : pread(r->fd, r->memory + at, BLOCK, (off_t)at);
                if (n != (ssize_t)BLOCK)
                        die("a raw transfer failed", NULL);
        }
        return NULL;
}

static struct rate raw_move(struct raw *r, bool write) {
        pthread_t t[THREADS];
        struct span s = begin();

        r->write = write;
        atomic_store(&r->next, 0);
        for (unsigned k = 0; k < THREADS; k++)
                if (pthread_create(&t[k], NULL, raw_thread, r) != 0)
                        die("no thread", NULL);
        for (unsigned k = 0; k < THREADS; k++)
                pthread_join(t[k], NULL);
        return end(s, (double)r->bytes);
}

static void raw_round(const char *dir, uint64_t bytes, struct rate *out, struct rate *back) {
        struct raw r = {.bytes = bytes};

        r.fd = open(dir, O_TMPFILE | O_RDWR | O_DIRECT, 0600);
        r.memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (r.fd < 0 || r.memory == MAP_FAILED)
                die("no O_DIRECT there, or no memory", NULL);
        for (uint64_t w = 0; w < bytes / 8; w++)
                ((uint64_t *)r.memory)[w] = w * 0x9E3779B97F4A7C15ull;
        *out = raw_move(&r, true);
        *back = raw_move(&r, false);
        munmap(r.memory, bytes);
        close(r.fd);
}

/* ---- an image ---- */

static void fill(hb_image *i, uint64_t pages) {
        for (uint64_t g = 0; g < pages; g++) {
                struct hb_image_page *p = &hb_image_pages(i)[g];
                uint64_t *w = (uint64_t *)hb_image_at(i, g);

                for (unsigned k = 0; k < HB_PAGE_SIZE / 8; k++)
                        w[k] = (g * 512 + k) * 0x9E3779B97F4A7C15ull;
                p->flags = HB_IP_RESIDENT;
                p->fetches = 1;
                p->c.stamp = 1;
        }
        hb_image_set_processed(i, 1);
}

static uint64_t turn_until(hb_image *i, bool home) {
        struct hb_image_spill_stats s;
        struct pollfd p = {.fd = hb_image_spill_fd(i), .events = POLLIN};

        for (;;) {
                hb_image_spill_tick(i, hb_now_ns());
                hb_image_spill_stats(i, &s);
                if (s.errors || s.wrong_pages)
                        die("the disk failed", NULL);
                if (home ? s.spilled_pages == 0 : s.ram_bytes <= s.budget_bytes)
                        return home ? s.read_pages : s.spilled_pages;
                poll(&p, 1, 10);
        }
}

static void spill_round(const char *dir, uint64_t bytes, struct rate *out, struct rate *back, char how[32]) {
        char shm[] = "/dev/shm/hb-bench-XXXXXX";
        struct hb_image_id id = {.placement = "bench", .guest = "bench", .source = "bench"};
        struct hb_image_spill_options o = {.dir = dir, .ram_bytes = bytes / 16};
        struct hb_image_spill_stats st;
        struct hb_shape shape = {0};
        struct hb_err e = {0};
        hb_image *i = NULL;
        bool resumed;
        struct span s;
        uint64_t pages;

        if (!mkdtemp(shm) || hb_shape_add(&shape, "ram", bytes, HB_PAGE_SIZE, &e) < 0 ||
            hb_image_open(shm, &id, &shape, bytes, &i, &resumed, &e) < 0 ||
            hb_image_spill_enable(i, &o, &e) < 0)
                die("no image", &e);
        fill(i, bytes >> HB_PAGE_SHIFT);
        s = begin();
        pages = turn_until(i, false);
        *out = end(s, (double)(pages << HB_PAGE_SHIFT));
        hb_image_spill_promote(i, true);
        s = begin();
        pages = turn_until(i, true);
        *back = end(s, (double)(pages << HB_PAGE_SHIFT));
        hb_image_spill_stats(i, &st);
        snprintf(how, 32, "%s, %s", st.uring ? "io_uring" : "threads", st.direct ? "O_DIRECT" : "buffered");
        hb_image_remove(i);
        rmdir(shm);
}

/* ---- said ---- */

static int by_rate(const void *a, const void *b) {
        double x = ((const struct rate *)a)->mib_s, y = ((const struct rate *)b)->mib_s;

        return x < y ? -1 : x > y;
}

static struct rate median(struct rate *r) {
        qsort(r, ROUNDS, sizeof(*r), by_rate);
        return r[ROUNDS / 2];
}

static void json_one(const char *name, struct rate r, struct rate raw, const char *end_with) {
        printf("\"%s\":{\"mib_per_s\":%.1f,\"raw_mib_per_s\":%.1f,\"of_raw\":%.3f,\"cpu_s_per_gib\":%.3f,"
               "\"raw_cpu_s_per_gib\":%.3f}%s",
               name, r.mib_s, raw.mib_s, r.mib_s / raw.mib_s, r.cpu_s_gib, raw.cpu_s_gib, end_with);
}

static void row(const char *name, struct rate r, struct rate raw) {
        printf("%-10s %9.1f %9.1f %8.0f %% %9.3f %9.3f\n", name, r.mib_s, raw.mib_s,
               100 * r.mib_s / raw.mib_s, r.cpu_s_gib, raw.cpu_s_gib);
}

int main(int argc, char **argv) {
        struct rate out[ROUNDS], back[ROUNDS], raw_out[ROUNDS], raw_back[ROUNDS];
        char cwd[512], how[32] = "";
        const char *dir = getcwd(cwd, sizeof(cwd));
        uint64_t mb = 256;
        bool json = false;

        for (int k = 1; k < argc; k++) {
                json |= strcmp(argv[k], "--json") == 0;
                if (k + 1 < argc && strcmp(argv[k], "--mb") == 0)
                        mb = strtoull(argv[k + 1], NULL, 10);
                if (k + 1 < argc && strcmp(argv[k], "--dir") == 0)
                        dir = argv[k + 1];
        }
        if (mb < 16 || mb > 1 << 20 || !dir)
                die("--mb 16..1048576, --dir a folder", NULL);
        for (unsigned r = 0; r < ROUNDS; r++) {
                raw_round(dir, mb << 20, &raw_out[r], &raw_back[r]);
                spill_round(dir, mb << 20, &out[r], &back[r], how);
        }
        if (json) {
                printf("{\"mb\":%llu,\"how\":\"%s\",", (unsigned long long)mb, how);
                json_one("spill", median(out), median(raw_out), ",");
                json_one("read_back", median(back), median(raw_back), "}\n");
                return 0;
        }
        printf("%llu MiB, %s\n%-10s %9s %9s %10s %9s %9s\n", (unsigned long long)mb, how, "", "MiB/s", "raw",
               "of raw", "CPU s/GiB", "raw");
        row("spill", median(out), median(raw_out));
        row("read back", median(back), median(raw_back));
        return 0;
}
