/* bench_trace: what reading and writing a trace costs, and how large it is.  bench_trace [--json]
 * [FILE.hbt]...
 *
 * The reader is measured in MB/s of decoded records (12 bytes each), by processor time of its one thread,
 * over a file in the page cache. Beside it, in the same run: zstd alone unpacking the same blocks, and how
 * many MB/s that is in decoded records and in unpacked bytes. Medians of several rounds. Without files:
 * made-up traces, written to a temporary one. */
#include "trace/block.h"
#include "trace/scan.h"
#include "trace_synth.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#define ROUNDS 7

struct figures {
        const char *name;
        uint64_t records, bytes, raw, blocks;
        double read_s, zstd_s, write_s; /* write_s 0: the file was given */
};

struct blocks {
        int fd;
        uint8_t *packed[1 << 16];
        struct hb_block_head head[1 << 16];
        unsigned n;
};

static void die(const char *what) {
        fprintf(stderr, "bench_trace: %s\n", what);
        exit(1);
}

static double cpu_s(void) {
        struct timespec ts;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

static double median(double *v, unsigned n) {
        qsort(v, n, sizeof(*v), by_value);
        return v[n / 2];
}

/* Touches every record, so that reading cannot be left out. */
static double read_once(const char *path, struct figures *f) {
        double begin = cpu_s();
        struct hb_trace_item item;
        struct hb_trace_info info;
        hb_trace_reader *r;
        uint64_t records = 0;
        uint32_t sum = 0;
        int rc;

        if (hb_trace_reader_open(path, &r, NULL) < 0)
                die("cannot read the trace");
        while ((rc = hb_trace_reader_next(r, &item, NULL)) == 1) {
                records += item.naccess;
                for (size_t i = 0; i < item.naccess; i += 5)
                        sum += item.access[i].gfn;
        }
        hb_trace_reader_info(r, &info);
        if (rc < 0 || records != info.records || sum == 0x12345678)
                die("the trace was not read to its end");
        hb_trace_reader_free(r);
        f->records = records;
        f->bytes = info.bytes;
        f->raw = info.raw_bytes;
        f->blocks = info.blocks;
        return cpu_s() - begin;
}

static int keep_block(void *arg, uint64_t at, const uint8_t raw[HB_BLOCK_HEAD],
                      const struct hb_block_head *h) {
        struct blocks *b = arg;

        if (b->n == sizeof(b->packed) / sizeof(b->packed[0]))
                die("too many blocks");
        b->head[b->n] = *h;
        b->packed[b->n] = malloc(h->packed + 1u);
        if (!b->packed[b->n] || hb_trace_read_at(b->fd, b->packed[b->n], h->packed, at + HB_BLOCK_HEAD) < 0)
                die("cannot keep a block");
        b->n++;
        return 0;
}

static double zstd_once(const struct blocks *b, uint8_t *room) {
        ZSTD_DCtx *c = ZSTD_createDCtx();
        double begin = cpu_s();

        for (unsigned i = 0; i < b->n; i++)
                if (ZSTD_isError(
                            ZSTD_decompressDCtx(c, room, b->head[i].raw, b->packed[i], b->head[i].packed)))
                        die("zstd cannot unpack a block");
        begin = cpu_s() - begin;
        ZSTD_freeDCtx(c);
        return begin;
}

static void measure_zstd(const char *path, struct figures *f) {
        static struct blocks b;
        struct hb_trace_scan scan;
        uint32_t header;
        double t[ROUNDS];
        uint8_t *room = malloc(HB_BLOCK_RAW_MAX);
        struct stat st;

        b.n = 0;
        b.fd = open(path, O_RDONLY | O_CLOEXEC);
        if (!room || b.fd < 0 || fstat(b.fd, &st) < 0 || hb_trace_read_at(b.fd, &header, 4, 12) < 0 ||
            hb_trace_scan_file(b.fd, (uint64_t)st.st_size, header, 0, keep_block, &b, &scan) < 0)
                die("cannot find the blocks");
        for (unsigned i = 0; i < ROUNDS; i++)
                t[i] = zstd_once(&b, room);
        f->zstd_s = median(t, ROUNDS);
        for (unsigned i = 0; i < b.n; i++)
                free(b.packed[i]);
        close(b.fd);
        free(room);
}

static void measure(const char *path, struct figures *f) {
        double t[ROUNDS];

        for (unsigned i = 0; i < ROUNDS; i++)
                t[i] = read_once(path, f);
        f->read_s = median(t, ROUNDS);
        measure_zstd(path, f);
}

static void show(const struct figures *f, bool json, bool first) {
        double decoded = (double)f->records * sizeof(struct hb_trace_access) / 1e6;
        double read = decoded / f->read_s, zstd = decoded / f->zstd_s, raw = (double)f->raw / 1e6 / f->zstd_s;
        double per = (double)f->bytes / (double)f->records;

        if (json) {
                printf("%s\"%s\":{\"records\":%llu,\"blocks\":%llu,\"bytes_per_record\":%.3f,\"raw_per_"
                       "record\":%.3f,"
                       "\"read_mb_s\":%.0f,\"zstd_mb_s\":%.0f,\"zstd_raw_mb_s\":%.0f,\"write_mrecords_s\":%."
                       "2f}",
                       first ? "" : ",", f->name, (unsigned long long)f->records,
                       (unsigned long long)f->blocks, per, (double)f->raw / (double)f->records, read, zstd,
                       raw, f->write_s > 0 ? (double)f->records / 1e6 / f->write_s : 0);
                return;
        }
        if (first)
                printf("%-24s %10s %8s %8s | decoded MB/s: %6s %9s | %9s %8s\n", "trace", "records", "B/rec",
                       "raw/rec", "read", "zstd only", "zstd raw", "write");
        printf("%-24.24s %10llu %8.3f %8.3f | %20.0f %9.0f | %4.0f MB/s", f->name,
               (unsigned long long)f->records, per, (double)f->raw / (double)f->records, read, zstd, raw);
        if (f->write_s > 0)
                printf(" %5.1f M/s", (double)f->records / 1e6 / f->write_s);
        putchar('\n');
}

/* Made ahead, so that writing alone is measured. */
static double write_once(const struct hb_synth *s, const char *path) {
        struct hb_trace_access *a = malloc((size_t)s->pages * s->epochs * sizeof(*a));
        size_t *n = malloc((s->epochs + 1) * sizeof(*n)), total = 0;
        struct hb_trace_writer_options o = {.atomic = true, .replace = true};
        struct hb_trace_header h;
        hb_trace_writer *w;
        double begin;

        if (!a || !n)
                die("no memory");
        for (uint32_t e = 1; e <= s->epochs; e++)
                total += n[e] = hb_synth_epoch(s, e, a + total);
        hb_synth_header(s, &h);
        begin = cpu_s();
        if (hb_trace_writer_new(path, &h, &o, &w, NULL) < 0)
                die("cannot write a trace");
        total = 0;
        for (uint32_t e = 1; e <= s->epochs; total += n[e++])
                if (hb_trace_writer_epoch(w, e, e * 1000000000ull, a + total, n[e]) < 0)
                        die("cannot write an epoch");
        if (hb_trace_writer_close(w, NULL) < 0)
                die("cannot end the trace");
        begin = cpu_s() - begin;
        free(a);
        free(n);
        return begin;
}

static void made_up(bool json) {
        static const struct {
                const char *name;
                enum hb_synth_shape shape;
                bool bits;
        } kinds[] = {{"mix", HB_SYNTH_MIX, false},       {"mix_bits", HB_SYNTH_MIX, true},
                     {"random", HB_SYNTH_RANDOM, false}, {"scan", HB_SYNTH_SCAN, false},
                     {"phases", HB_SYNTH_PHASES, false}, {"hot_bits", HB_SYNTH_HOT, true}};
        char path[] = "/tmp/hb-bench-trace-XXXXXX";
        int fd = mkstemp(path);

        if (fd < 0)
                die("cannot make a temporary file");
        close(fd);
        for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                struct hb_synth s = {kinds[i].shape, 65536, 200, 1, 0, kinds[i].bits};
                struct figures f = {.name = kinds[i].name};

                f.write_s = write_once(&s, path);
                measure(path, &f);
                show(&f, json, i == 0);
        }
        unlink(path);
}

int main(int argc, char **argv) {
        bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
        int first = json ? 2 : 1;

        if (json)
                putchar('{');
        for (int i = first; i < argc; i++) {
                const char *slash = strrchr(argv[i], '/');
                struct figures f = {.name = slash ? slash + 1 : argv[i]};

                measure(argv[i], &f);
                show(&f, json, i == first);
        }
        if (first >= argc)
                made_up(json);
        if (json)
                puts("}");
        return 0;
}
