/* How much of what ib_read_bw moves do our page fetches reach, message size by message size? Both run here,
 * in turns, over the same device and GID: scattered chunks of guest memory (so that none is joined with its
 * neighbour) beside perftest's READs of one buffer; and, for the record, what joining makes of runs that
 * follow each other. The bar is 0.9. Where there is no verbs device it says so and measures nothing. [--json]
 * [--rounds N] [--ms N] */
#include "../contract/transport/rdma_backend.h"
#include <sys/wait.h>

#define GUEST_PAGES 8192u /* 32 MiB */
#define IN_FLIGHT   192u
#define MAX_ROUNDS  15
#define PORT        18515
#define LEAST       (4u << 20) /* bytes a figure is made of */

static const unsigned sizes[] = {1, 4, 16, 64}; /* pages */
#define NSIZES (sizeof(sizes) / sizeof(sizes[0]))

struct device {
        char name[HB_RDMA_NAME_MAX];
        unsigned gid;
};

static struct device find_device(void) {
        struct hb_rdma_device_info d[8];
        struct hb_rdma_host_info host;
        struct device found = {0};
        int n = hb_rdma_probe(d, 8, &host);

        for (int i = 0; i < n && i < 8; i++)
                for (unsigned j = 0; strcmp(d[i].state, "active") == 0 && j < d[i].ngids; j++)
                        if (strchr(d[i].gids[j].text, '.')) {
                                found.gid = d[i].gids[j].index;
                                memcpy(found.name, d[i].name, sizeof(found.name));
                        }
        return found;
}

/* ---- perftest ---- */

/* Its time-out (-u) is as long as rdma_cm makes ours: with its default an emulated device sends again what
 * was on its way. */
static double read_bw(const struct device *d, unsigned pages, unsigned ms) {
        static unsigned run;
        unsigned port = PORT + run++ % 1000, bytes = pages * HB_PAGE_SIZE;
        unsigned n = ms * 30000u / bytes + 200; /* about 30 MB/s: only a guess at how long it takes */
        char cmd[512], line[256];
        double average = 0, peak;
        unsigned long size, iterations;
        FILE *f;

        (void)snprintf(
                cmd, sizeof(cmd),
                "ib_read_bw -d %s -x %u -s %u -n %u -p %u -u 19 -F >/dev/null 2>&1 & p=$!; "
                "for i in 1 2 3 4 5 6 7 8 9; do usleep 100000 2>/dev/null || sleep 0.1; "
                "ib_read_bw -d %s -x %u -s %u -n %u -p %u -u 19 -F 127.0.0.1 2>/dev/null && break; done; "
                "kill $p 2>/dev/null; wait",
                d->name, d->gid, bytes, n, port, d->name, d->gid, bytes, n, port);
        f = popen(cmd, "r");
        while (f && fgets(line, sizeof(line), f)) {
                double a;

                if (sscanf(line, "%lu %lu %lf %lf", &size, &iterations, &peak, &a) == 4 && size == bytes)
                        average = a;
        }
        if (f)
                (void)pclose(f);
        return average;
}

/* ---- ours ---- */

struct bench {
        struct subject s;
        struct rdma_rig r;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool connected, stop;
        unsigned pages, in_flight, failed;
        uint64_t next, chunks, stride, bytes, last_ns;
        uint64_t enough; /* wake the main thread at so many bytes; 0: not */
        uint8_t *image;
        struct hb_fetch f[IN_FLIGHT];
};

/* With the lock held: the next chunk, in an order in which no two neighbours follow each other closely. */
static void aim(struct bench *b, struct hb_fetch *f) {
        uint64_t chunk = b->next++ * b->stride % b->chunks;

        f->gfn = chunk * b->pages;
        f->pages = b->pages;
        f->dst = b->image + f->gfn * HB_PAGE_SIZE;
}

static void again(struct bench *b, struct hb_fetch *f) {
        if (b->s.fetcher->ops->fetch(b->s.fetcher, f) != 0)
                abort();
}

static void on_done(void *arg, struct hb_fetch *f) {
        struct bench *b = arg;
        bool more;

        pthread_mutex_lock(&b->lock);
        b->failed += f->status != 0;
        b->bytes += (uint64_t)f->pages * HB_PAGE_SIZE;
        b->last_ns = hb_now_ns();
        more = !b->stop;
        if (more)
                aim(b, f);
        else
                b->in_flight--;
        if (b->in_flight == 0 || (b->enough && b->bytes >= b->enough))
                pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->lock);
        if (more)
                again(b, f);
}

static void on_state(void *arg, bool connected) {
        struct bench *b = arg;

        pthread_mutex_lock(&b->lock);
        b->connected = connected;
        pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->lock);
}

/* MiB/s over `ms`; beforehand one pass, so that windows are lent and the image is there. */
static double fetch_bw(struct bench *b, unsigned pages, bool scattered, unsigned ms) {
        struct timespec nap = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
        uint64_t before, from;
        double rate;

        b->pages = pages;
        b->chunks = GUEST_PAGES / pages;
        b->stride = scattered ? (b->chunks / 2 + b->chunks / 4) | 1 : 1;
        b->stop = false;
        b->next = 0;
        b->in_flight = IN_FLIGHT < b->chunks ? IN_FLIGHT : (unsigned)b->chunks;
        for (unsigned i = 0, n = b->in_flight; i < n; i++) {
                pthread_mutex_lock(&b->lock);
                aim(b, &b->f[i]);
                pthread_mutex_unlock(&b->lock);
                again(b, &b->f[i]);
        }
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 300000000}, NULL);
        pthread_mutex_lock(&b->lock);
        before = b->bytes;
        from = b->last_ns;
        pthread_mutex_unlock(&b->lock);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
        pthread_mutex_lock(&b->lock);
        b->enough = before + LEAST; /* on a slow machine the time is too short to tell */
        while (b->bytes < b->enough)
                pthread_cond_wait(&b->changed, &b->lock);
        b->enough = 0;
        rate = (double)(b->bytes - before) / ((double)(b->last_ns - from) / 1e9) / (1 << 20);
        b->stop = true;
        while (b->in_flight > 0)
                pthread_cond_wait(&b->changed, &b->lock);
        pthread_mutex_unlock(&b->lock);
        return rate;
}

static void open_bench(struct bench *b) {
        pthread_mutex_init(&b->lock, NULL);
        pthread_cond_init(&b->changed, NULL);
        rig_guest_init(&b->s.guest, GUEST_PAGES, 0);
        b->image = mmap(NULL, GUEST_PAGES * (size_t)HB_PAGE_SIZE, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        b->s.cb = (struct hb_fetcher_callbacks){.done = on_done, .state = on_state, .arg = b};
        rdma_rig_open(&b->r, &b->s);
        pthread_mutex_lock(&b->lock);
        while (!b->connected)
                pthread_cond_wait(&b->changed, &b->lock);
        pthread_mutex_unlock(&b->lock);
}

/* ---- the table ---- */

static int by_value(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double median(double *v, unsigned n) {
        qsort(v, n, sizeof(*v), by_value);
        return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void print_row(bool json, unsigned i, double raw, double ours, double joined) {
        if (json)
                printf("%s{\"bytes\":%u,\"ib_read_bw_mib_s\":%.1f,\"fetch_mib_s\":%.1f,\"joined_mib_s\":%.1f,"
                       "\"ratio\":%.3f}",
                       i ? "," : "", sizes[i] * HB_PAGE_SIZE, raw, ours, joined, raw > 0 ? ours / raw : 0);
        else
                printf("%8u %14.1f %12.1f %12.1f %8.2f\n", sizes[i] * HB_PAGE_SIZE, raw, ours, joined,
                       raw > 0 ? ours / raw : 0);
        fflush(stdout);
}

static void measure(struct bench *b, const struct device *d, bool json, unsigned rounds, unsigned ms) {
        for (unsigned i = 0; i < NSIZES; i++) {
                double raw[MAX_ROUNDS], ours[MAX_ROUNDS], joined[MAX_ROUNDS];

                for (unsigned r = 0; r < rounds; r++) {
                        raw[r] = read_bw(d, sizes[i], ms);
                        ours[r] = fetch_bw(b, sizes[i], true, ms);
                        joined[r] = fetch_bw(b, sizes[i], false, ms);
                }
                print_row(json, i, median(raw, rounds), median(ours, rounds), median(joined, rounds));
        }
}

int main(int argc, char **argv) {
        struct bench *b = calloc(1, sizeof(*b));
        struct hb_rdma_fetcher_stats st;
        unsigned rounds = 3, ms = 700;
        bool json = false;
        struct device d;

        for (int i = 1; i < argc; i++) {
                json = json || strcmp(argv[i], "--json") == 0;
                if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
                        rounds = (unsigned)atoi(argv[++i]);
                else if (strcmp(argv[i], "--direct") == 0 && i + 1 < argc)
                        b->r.target.direct_pages = (unsigned)atoi(argv[++i]);
                else if (strcmp(argv[i], "--qps") == 0 && i + 1 < argc)
                        b->r.source.bulk_qps = (unsigned)atoi(argv[++i]);
                else if (strcmp(argv[i], "--ms") == 0 && i + 1 < argc)
                        ms = (unsigned)atoi(argv[++i]);
        }
        rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
        d = find_device();
        if (!d.name[0]) {
                puts(json ? "{\"skipped\":\"no RDMA device\"}"
                          : "no RDMA device with an IPv4 address: not measured");
                free(b);
                return 0;
        }
        open_bench(b);
        fputs(json ? "{\"sizes\":[" : "   bytes ib_read_bw MiB/s  fetch MiB/s joined MiB/s    ratio\n",
              stdout);
        measure(b, &d, json, rounds, ms);
        hb_rdma_fetcher_details(b->s.fetcher, &st);
        if (json)
                printf("],\"reads\":%llu,\"stamps\":%llu,\"wake_ups\":%llu,\"direct_pages\":%llu,\"bounced_"
                       "pages\":%llu}\n",
                       (unsigned long long)st.reads, (unsigned long long)st.stamps,
                       (unsigned long long)st.wake_ups, (unsigned long long)st.direct_pages,
                       (unsigned long long)st.bounced_pages);
        else
                printf("READs %llu, stamps %llu, wake-ups %llu, pages direct %llu, bounced %llu, failed %u\n",
                       (unsigned long long)st.reads, (unsigned long long)st.stamps,
                       (unsigned long long)st.wake_ups, (unsigned long long)st.direct_pages,
                       (unsigned long long)st.bounced_pages, b->failed);
        rdma_rig_close(&b->r);
        rig_guest_fini(&b->s.guest);
        free(b);
        return 0;
}
