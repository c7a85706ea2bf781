/* bench_convert: how fast foreign traces are read: parsing, joining into epochs and numbering, without
 * writing the result. The input lies in memory: hot pages, a stack and one access in ten anywhere in 1 GiB,
 * as real programs have it. Beside each, what memchr alone takes to find the lines' ends. Bound: 20 M
 * lines/min. */
#include "base/bytes.h"
#include "base/clock.h"
#include "convert/import.h"
#include "convert/source.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES  2000000u
#define ROUNDS 3u
#define BOUND  20e6 /* lines/min */

struct figures {
        const char *name;
        double lines_per_min, bytes_per_s, floor_lines_per_min;
        uint64_t records;
};

static void die(const char *what) {
        fprintf(stderr, "bench_convert: %s\n", what);
        exit(1);
}

static uint64_t next_random(uint64_t *s) {
        *s ^= *s << 13;
        *s ^= *s >> 7;
        *s ^= *s << 17;
        return *s;
}

struct access {
        uint64_t number, address;
        bool write;
};

static struct access next_access(uint64_t *seed, uint64_t number) {
        uint64_t r = next_random(seed), where = r % 10;

        return (struct access){number,
                               where == 0  ? 0x7F0000000000 + (r >> 8) % (1u << 30)
                               : where < 4 ? 0x7FFF00000000 + (r >> 8) % 4096
                                           : 0x400000 + ((r >> 8) % 64) * 4096 + (r >> 16) % 4096,
                               (r >> 40) % 3 == 0};
}

static int put_lackey(char *out, const struct access *a) {
        return sprintf(out, " %c %08llx,8\n", a->write ? 'S' : 'L', (unsigned long long)a->address);
}

static int put_text(char *out, const struct access *a) {
        return sprintf(out, "%c 0x%llx 8\n", a->write ? 'w' : 'r', (unsigned long long)a->address);
}

static int put_timed(char *out, const struct access *a) {
        return sprintf(out, "%llu.%06llu %c 0x%llx\n", (unsigned long long)a->number / 100000,
                       (unsigned long long)a->number % 100000 * 10, a->write ? 'w' : 'r',
                       (unsigned long long)a->address);
}

static int put_perf(char *out, const struct access *a) {
        return sprintf(out, "prog %6u %5llu.%06llu: cpu/mem-%s/P: %16llx\n", 4711u,
                       (unsigned long long)a->number / 100000, (unsigned long long)a->number % 100000 * 10,
                       a->write ? "stores" : "loads", (unsigned long long)a->address);
}

static int put_csv(char *out, const struct access *a) {
        return sprintf(out, "%llu,%llu,%u,%u\n", (unsigned long long)a->number / 10000,
                       (unsigned long long)(a->address >> 12) % (1u << 20), !a->write, a->write);
}

static int put_oracle(char *out, const struct access *a) {
        uint32_t clock = (uint32_t)(a->number / 100000), size = 4096;
        uint64_t page = (a->address >> 12) % (1u << 20),
                 none = UINT64_MAX; /* this machine is little-endian */

        memcpy(out, &clock, 4);
        memcpy(out + 4, &page, 8);
        memcpy(out + 12, &size, 4);
        memcpy(out + 16, &none, 8);
        return 24;
}

static int begin(void *arg, const struct hb_trace_header *h, struct hb_err *e) {
        return 0;
}

static int epoch(void *arg, uint32_t number, uint64_t time_ns, const struct hb_trace_access *a, size_t n,
                 uint64_t pages, struct hb_err *e) {
        return 0;
}

static double import_once(enum hb_import_format f, const char *data, size_t n, uint64_t *ret_records) {
        struct hb_import_options o = {.format = f, .stop_fd = -1};
        struct hb_import_sink sink = {begin, epoch, NULL};
        struct hb_import_stats stats;
        struct hb_err e = {0};
        uint64_t start = hb_now_ns();
        hb_source *s;

        if (hb_source_memory(data, n, &s, &e) < 0 || hb_import_from(s, "bench", &o, &sink, &stats, &e) < 0)
                die(e.what);
        hb_source_free(s);
        *ret_records = stats.records;
        return (double)(hb_now_ns() - start) / 1e9;
}

static double find_ends(const char *data, size_t n) {
        uint64_t start = hb_now_ns();
        volatile size_t lines = 0;

        for (const char *p = data, *q; (q = memchr(p, '\n', (size_t)(data + n - p))); p = q + 1)
                lines++;
        return (double)(hb_now_ns() - start) / 1e9;
}

static struct figures measure(const char *name, enum hb_import_format format,
                              int (*put)(char *out, const struct access *a)) {
        struct figures f = {.name = name};
        char *data = malloc((size_t)LINES * 80);
        uint64_t seed = 0x9E3779B97F4A7C15ull;
        double best = 1e9, floor_s = 1e9, s;
        size_t n = 0;

        if (!data)
                die("no memory");
        for (uint64_t i = 0; i < LINES; i++) {
                struct access a = next_access(&seed, i);

                n += (size_t)put(data + n, &a);
        }
        for (unsigned r = 0; r < ROUNDS; r++) {
                s = import_once(format, data, n, &f.records);
                best = s < best ? s : best;
                s = find_ends(data, n);
                floor_s = s < floor_s ? s : floor_s;
        }
        f.lines_per_min = LINES / best * 60;
        f.bytes_per_s = (double)n / best;
        f.floor_lines_per_min = format == HB_IMPORT_ORACLE ? 0 : LINES / floor_s * 60;
        free(data);
        return f;
}

int main(int argc, char **argv) {
        struct figures f[] = {
                measure("lackey", HB_IMPORT_LACKEY, put_lackey),
                measure("text", HB_IMPORT_TEXT, put_text),
                measure("text, timed", HB_IMPORT_TEXT, put_timed),
                measure("perf", HB_IMPORT_PERF, put_perf),
                measure("csv", HB_IMPORT_CSV, put_csv),
                measure("oracle", HB_IMPORT_ORACLE, put_oracle),
        };
        bool json = argc > 1 && strcmp(argv[1], "--json") == 0;

        if (json)
                printf("{\"bound_lines_per_min\":%.0f,\"formats\":[", BOUND);
        else
                printf("%-12s %14s %10s %10s %18s\n", "format", "M lines/min", "x bound", "MB/s",
                       "memchr M lines/min");
        for (size_t i = 0; i < sizeof(f) / sizeof(f[0]); i++)
                printf(json ? "%s{\"name\":\"%s\",\"lines_per_min\":%.0f,\"ratio\":%.1f,\"bytes_per_s\":%.0f,"
                              "\"memchr_lines_per_min\":%.0f}"
                            : "%s%-12s %14.0f %10.1f %10.0f %18.0f\n",
                       json && i ? "," : "", f[i].name, json ? f[i].lines_per_min : f[i].lines_per_min / 1e6,
                       f[i].lines_per_min / BOUND, json ? f[i].bytes_per_s : f[i].bytes_per_s / 1e6,
                       json ? f[i].floor_lines_per_min : f[i].floor_lines_per_min / 1e6);
        if (json)
                puts("]}");
        return 0;
}
