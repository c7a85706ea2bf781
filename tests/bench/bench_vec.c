/* bench_vec: each operation of hb.vec on a full column, called from Lua, beside the loop a C programmer would
 * write for the same.  bench_vec [--json]
 *
 * Many calls in one method, so that the cost of calling a policy does not count; a result of its own each
 * time, as in a policy. C writes into a buffer that is there. Ranks in C are a quickselect with median of
 * three. */
#include "base/clock.h"
#include "policy/plugin.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N      HB_POLICY_BATCH
#define TURNS  24 /* of a measurement */
#define ROUNDS 7
#define LOOP   __attribute__((optimize("O3", "no-math-errno", "no-trapping-math"), noinline)) static double

struct columns {
        float *v, *w, *at, *block; /* values, others, positions 1..N in no order, runs of equal numbers */
        float *d, *scratch;
        double *sums, *counts;
};

LOOP c_formula(struct columns *c) {
        for (uint32_t i = 0; i < N; i++)
                c->d[i] = (c->v[i] + c->w[i]) * 10 / (c->at[i] * 0.03f + 1);
        return (double)c->d[7];
}

LOOP c_floor(struct columns *c) {
        for (uint32_t i = 0; i < N; i++)
                c->d[i] = floorf(c->v[i]);
        return (double)c->d[7];
}

LOOP c_sum(struct columns *c) {
        double sum = 0;

        for (uint32_t i = 0; i < N; i++)
                sum += (double)c->v[i];
        return sum;
}

LOOP c_cumsum(struct columns *c) {
        double sum = 0;

        for (uint32_t i = 0; i < N; i++)
                c->d[i] = (float)(sum += (double)c->v[i]);
        return sum;
}

LOOP c_iota(struct columns *c) {
        for (uint32_t i = 0; i < N; i++)
                c->d[i] = (float)(i + 1);
        return (double)c->d[7];
}

LOOP c_gather(struct columns *c) {
        for (uint32_t i = 0; i < N; i++)
                c->d[i] = c->v[(uint32_t)c->at[i] - 1];
        return (double)c->d[7];
}

LOOP c_scatter(struct columns *c) {
        memset(c->d, 0, N * sizeof *c->d);
        for (uint32_t i = 0; i < N; i++)
                c->d[(uint32_t)c->at[i] - 1] += c->v[i];
        return (double)c->d[7];
}

LOOP c_histogram(struct columns *c) {
        memset(c->d, 0, 64 * sizeof *c->d);
        for (uint32_t i = 0; i < N; i++) {
                int at = (int)((c->v[i] - 1) * (64 / 3.0f));
                c->d[at < 0 ? 0 : at > 63 ? 63 : at]++;
        }
        return (double)c->d[7];
}

LOOP c_segments(struct columns *c) {
        uint32_t number = 1;

        for (uint32_t i = 0; i < N; i++)
                c->d[i] = (float)(number += i && c->block[i] != c->block[i - 1]);
        return number;
}

LOOP c_segment_sum(struct columns *c) {
        memset(c->sums, 0, N * sizeof *c->sums);
        for (uint32_t i = 0; i < N; i++)
                c->sums[(uint32_t)c->at[i] - 1] += (double)c->v[i];
        for (uint32_t i = 0; i < N; i++)
                c->d[i] = (float)c->sums[i];
        return (double)c->d[7];
}

LOOP c_segment_mean(struct columns *c) {
        memset(c->sums, 0, N * sizeof *c->sums);
        memset(c->counts, 0, N * sizeof *c->counts);
        for (uint32_t i = 0; i < N; i++) {
                c->sums[(uint32_t)c->at[i] - 1] += (double)c->v[i];
                c->counts[(uint32_t)c->at[i] - 1]++;
        }
        for (uint32_t i = 0; i < N; i++)
                c->d[i] = c->counts[i] > 0 ? (float)(c->sums[i] / c->counts[i]) : 0;
        return (double)c->d[7];
}

LOOP c_segment_max(struct columns *c) {
        for (uint32_t i = 0; i < N; i++)
                c->d[i] = -INFINITY;
        for (uint32_t i = 0; i < N; i++) {
                float *best = &c->d[(uint32_t)c->at[i] - 1];
                if (c->v[i] > *best)
                        *best = c->v[i];
        }
        return (double)c->d[7];
}

static void swap(float *a, float *b) {
        float t = *a;
        *a = *b;
        *b = t;
}

__attribute__((optimize("O3"), noinline)) static float quickselect(float *a, long n, long k) {
        long low = 0, high = n - 1;

        while (low < high) {
                long middle = low + (high - low) / 2, i = low, j = high;
                float pivot;

                if (a[middle] < a[low])
                        swap(&a[middle], &a[low]);
                if (a[high] < a[low])
                        swap(&a[high], &a[low]);
                if (a[high] < a[middle])
                        swap(&a[high], &a[middle]);
                pivot = a[middle];
                while (i <= j) {
                        while (a[i] < pivot)
                                i++;
                        while (pivot < a[j])
                                j--;
                        if (i <= j)
                                swap(&a[i++], &a[j--]);
                }
                if (k <= j)
                        high = j;
                else if (k >= i)
                        low = i;
                else
                        break;
        }
        return a[k];
}

LOOP c_rank_cut(struct columns *c) {
        memcpy(c->scratch, c->v, N * sizeof *c->v);
        return (double)quickselect(c->scratch, N, N - 20000);
}

LOOP c_quantile(struct columns *c) {
        float low;

        memcpy(c->scratch, c->v, N * sizeof *c->v);
        low = quickselect(c->scratch, N, N / 2);
        return ((double)low + (double)quickselect(c->scratch, N, N / 2 + 1)) / 2;
}

LOOP c_topk(struct columns *c) {
        float cut = (float)c_rank_cut(c);
        uint32_t left = 20000;

        for (uint32_t i = 0; i < N; i++)
                left -= (c->d[i] = c->v[i] > cut ? 1 : 0) > 0;
        for (uint32_t i = 0; i < N && left; i++)
                if (c->v[i] == cut) {
                        c->d[i] = 1;
                        left--;
                }
        return left;
}

static const struct {
        const char *name, *lua;
        double (*plain)(struct columns *c);
} operations[] = {
        {"formula", "r = ((v + w) * 10 / (at * 0.03 + 1)):copy()", c_formula},
        {"floor", "r = v:floor():copy()", c_floor},
        {"sum", "r = v:sum()", c_sum},
        {"cumsum", "r = v:cumsum()", c_cumsum},
        {"iota", "r = hb.iota(65536)", c_iota},
        {"gather", "r = v:gather(at)", c_gather},
        {"scatter", "r = hb.scatter(65536, at, v)", c_scatter},
        {"histogram", "r = v:histogram(1, 4, 64)", c_histogram},
        {"segments", "r = block:segments()", c_segments},
        {"segment_sum", "r = v:segment_sum(at, 65536)", c_segment_sum},
        {"segment_mean", "r = v:segment_mean(at, 65536)", c_segment_mean},
        {"segment_max", "r = v:segment_max(at, 65536)", c_segment_max},
        {"rank_cut", "r = v:rank_cut(20000)", c_rank_cut},
        {"quantile", "r = v:quantile(0.500001)", c_quantile},
        {"topk", "r = v:topk(20000)", c_topk},
};
#define OPERATIONS (sizeof operations / sizeof *operations)

static bool fill(struct columns *c) {
        float *room = malloc(8 * (size_t)N * sizeof *room);
        uint32_t x = 1;

        c->sums = calloc(2 * (size_t)N, sizeof *c->sums);
        if (!room || !c->sums) {
                free(room);
                free(c->sums);
                return false;
        }
        c->counts = c->sums + N;
        c->v = room;
        c->w = room + N;
        c->at = room + 2 * (size_t)N;
        c->block = room + 3 * (size_t)N;
        c->d = room + 4 * (size_t)N;
        c->scratch = room + 5 * (size_t)N;
        for (uint32_t i = 0; i < N; i++) {
                x = x * 1664525u + 1013904223u;
                c->v[i] = 1 + (float)(x >> 8) * 0x1p-24f * 3;
                c->w[i] = (float)(x >> 20);
                c->at[i] = (float)(1 + (i * 40503u & 65535u));
                c->block[i] = (float)(i / 37);
        }
        return true;
}

static hb_plugin *load(hb_guard *guard, const char *line) {
        struct hb_plugin_limits limits = {.memory_bytes = 64u << 20, .deadline_ns = 2000000000};
        struct hb_policy_source source;
        struct hb_err e = {0};
        hb_plugin *p;
        char text[1024];
        int n = snprintf(
                text, sizeof text,
                "local p = { api = 1, kind = 'scorer', name = 'p', version = '1' }\n"
                "function p:score(pages, _, guest)\n"
                "if guest.pages ~= 65536 then return hb.vec(pages.n) end\n" /* the trial */
                "local v, w, at, block = pages.read_heat, pages.write_heat, pages.age_s, pages.run_length\n"
                "local r\nfor _ = 1, %d do %s end\nreturn pages.read_heat\nend\nreturn p\n",
                TURNS, line);

        if (hb_policy_source_set(HB_POLICY_SCORER, "p", text, (size_t)n, &source) == 0 &&
            hb_plugin_new(HB_POLICY_SCORER, "p", &source, &limits, guard, &p, &e) == 0)
                return p;
        fprintf(stderr, "bench_vec: %s: %s\n", line, e.what);
        return NULL;
}

/* Nanoseconds an element, best of ROUNDS; negative when it failed. */
static double measure_lua(hb_guard *guard, struct columns *c, const char *line) {
        struct hb_policy_pages pages = {
                .n = N, .read_heat = c->v, .write_heat = c->w, .age_s = c->at, .run_length = c->block};
        struct hb_policy_guest guest = {.pages = 65536};
        struct hb_policy_link link = {.bytes_per_s = 1};
        struct hb_policy_accuracy accuracy = {.precision = -1};
        struct hb_plugin_call call = {
                .pages = &pages, .guest = &guest, .link = &link, .accuracy = &accuracy, .out = {c->scratch}};
        hb_plugin *p = load(guard, line);
        char message[HB_PLUGIN_MESSAGE];
        double best = p ? 1e9 : -1;

        for (int r = 0; p && r < ROUNDS; r++) {
                uint64_t ns = 0;
                if (hb_plugin_run(p, &call, message, &ns) < 0) {
                        fprintf(stderr, "bench_vec: %s: %s\n", line, message);
                        best = -1;
                        break;
                }
                best = fmin(best, (double)ns / TURNS / N);
        }
        hb_plugin_free(p);
        return best;
}

static double measure_c(struct columns *c, double (*plain)(struct columns *)) {
        volatile double keep = 0;
        double best = 1e9;

        for (int r = 0; r < ROUNDS; r++) {
                uint64_t t0 = hb_now_ns();
                for (int i = 0; i < TURNS; i++)
                        keep += plain(c);
                best = fmin(best, (double)(hb_now_ns() - t0) / TURNS / N);
        }
        return best;
}

static void print(bool json, unsigned k, double lua, double plain) {
        if (json)
                printf("%s\"%s\": {\"ns\": %.3f, \"c_ns\": %.3f, \"ratio\": %.2f}", k ? ", " : "",
                       operations[k].name, lua, plain, lua / plain);
        else
                printf("  %-13s %6.2f ns  %6.2f ns  %5.2f x\n", operations[k].name, lua, plain, lua / plain);
}

int main(int argc, char **argv) {
        bool json = argc > 1 && !strcmp(argv[1], "--json");
        double worst = 0;
        struct columns c;
        hb_guard *guard;

        if (!fill(&c) || hb_guard_new(&guard) < 0)
                return 1;
        printf(json ? "{"
                    : "one element of a column of 65536: hb.vec, the loop in C, how many times as long\n");
        for (unsigned k = 0; k < OPERATIONS; k++) {
                double lua = measure_lua(guard, &c, operations[k].lua);
                double plain = measure_c(&c, operations[k].plain);
                if (lua < 0)
                        return 1;
                worst = fmax(worst, lua / plain);
                print(json, k, lua, plain);
        }
        printf(json ? ", \"worst_ratio\": %.2f}\n" : "  worst ratio   %.2f\n", worst);
        hb_guard_free(guard);
        free(c.v);
        free(c.sums);
        return 0;
}
