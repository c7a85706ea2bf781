/* hb.vec's ranks, histograms, positions and segments against plain C, bit for bit, on columns of awkward
 * shapes; and their complaints. */
#include "policy_fixture.h"
#include <errno.h>
#include <math.h>

#pragma GCC optimize("fp-contract=off")

static const uint32_t lengths[] = {1, 2, 7, 255, 256, 257, 1000, 4099, HB_POLICY_BATCH};
#define LENGTHS (sizeof lengths / sizeof *lengths)

/* Shapes that ranks stumble over: equal, few values, sorted both ways, both signs with zeros, tiny beside
 * huge. */
static float shaped(unsigned shape, uint32_t i, uint32_t n) {
        float x = fixture_value(0, i);

        switch (shape) {
        case 0:
                return x;
        case 1:
                return 3.25f;
        case 2:
                return (float)(i % 3);
        case 3:
                return (float)i;
        case 4:
                return (float)(n - i);
        case 5:
                return i % 5 ? (x - 190.0f) * (i % 2 ? 1.0f : 1e-30f) : i % 2 ? -0.0f : 0.0f;
        default:
                return i % 2 ? x * 1e30f : x * 1e-38f;
        }
}
#define SHAPES 7

static int ascending(const void *a, const void *b) {
        float x = *(const float *)a, y = *(const float *)b;
        return x < y ? -1 : x > y;
}

/* read_heat: the values; write_heat: positions from 1 to #segments, in no order; age_s: runs of equal
 * numbers. */
static uint32_t fill(struct fixture *f, unsigned shape, uint32_t n) {
        uint32_t segments = n < 9 ? n : n / 9;

        f->pages.n = n;
        for (uint32_t i = 0; i < n; i++) {
                f->columns[0][i] = shaped(shape, i, n);
                f->columns[1][i] = (float)(1 + (i * 2654435761u >> 8) % segments);
                f->columns[2][i] = (float)(i / 5 * 7);
        }
        return segments;
}

struct expected {
        const float *v, *at, *block;
        uint32_t n, segments;
        float *d; /* of pages.n elements, as the expression's */
};

static void want_quantile(const struct expected *e) {
        float *sorted = malloc(e->n * sizeof *sorted);
        double at = 0.37 * (e->n - 1), low, high;
        uint32_t below = (uint32_t)at;

        memcpy(sorted, e->v, e->n * sizeof *sorted);
        qsort(sorted, e->n, sizeof *sorted, ascending);
        low = (double)sorted[below];
        high = below + 1 < e->n ? (double)sorted[below + 1] : low;
        for (uint32_t i = 0; i < e->n; i++)
                e->d[i] = (float)(low + (at - below) * (high - low));
        free(sorted);
}

static void want_rank_cut(const struct expected *e) {
        float *sorted = malloc(e->n * sizeof *sorted);
        uint32_t k = e->n / 3 + 1;

        memcpy(sorted, e->v, e->n * sizeof *sorted);
        qsort(sorted, e->n, sizeof *sorted, ascending);
        for (uint32_t i = 0; i < e->n; i++)
                e->d[i] = sorted[e->n - k];
        free(sorted);
}

/* By its definition: 1 for exactly k; nobody left out is larger; of equals, those before. */
static void want_topk(const struct expected *e) {
        float *sorted = malloc(e->n * sizeof *sorted), cut;
        uint32_t k = e->n / 3 + 1, above = 0;

        memcpy(sorted, e->v, e->n * sizeof *sorted);
        qsort(sorted, e->n, sizeof *sorted, ascending);
        cut = sorted[e->n - k];
        for (uint32_t i = 0; i < e->n; i++)
                above += e->v[i] > cut;
        for (uint32_t i = 0, equal = 0; i < e->n; i++)
                e->d[i] = e->v[i] > cut || (e->v[i] == cut && equal++ < k - above) ? 1.0f : 0.0f;
        free(sorted);
}

static void want_histogram(const struct expected *e) {
        float count[10] = {0};

        for (uint32_t i = 0; i < e->n; i++) {
                float at = (e->v[i] - 5.0f) * (10.0f / (300.0f - 5.0f));
                count[at < 0 ? 0 : at > 9 ? 9 : (int)at]++;
        }
        for (uint32_t i = 0; i < e->n; i++)
                e->d[i] = count[i % 10];
}

static void want_gather(const struct expected *e) {
        for (uint32_t i = 0; i < e->n; i++)
                e->d[i] = e->v[(uint32_t)e->at[i] - 1];
}

static void want_scatter(const struct expected *e) {
        memset(e->d, 0, e->n * sizeof *e->d);
        for (uint32_t i = 0; i < e->n; i++)
                e->d[(uint32_t)e->at[i] - 1] += e->v[i];
}

enum fold { SUM, MEAN, LARGEST };
static void fold(const struct expected *e, enum fold how) {
        double *sum = calloc(e->n, sizeof *sum), *count = calloc(e->n, sizeof *count);

        for (uint32_t i = 0; i < e->n; i++) {
                uint32_t s = (uint32_t)e->at[i] - 1;
                double x = (double)e->v[i];
                sum[s] = how != LARGEST ? sum[s] + x : count[s] == 0 || x > sum[s] ? x : sum[s];
                count[s]++;
        }
        for (uint32_t i = 0; i < e->n; i++) { /* spread to the pages again */
                uint32_t s = (uint32_t)e->at[i] - 1;
                e->d[i] = (float)(how == MEAN ? sum[s] / count[s] : sum[s]);
        }
        free(sum);
        free(count);
}

static void want_segment_sum(const struct expected *e) {
        fold(e, SUM);
}
static void want_segment_mean(const struct expected *e) {
        fold(e, MEAN);
}
static void want_segment_max(const struct expected *e) {
        fold(e, LARGEST);
}

static void want_segments(const struct expected *e) {
        for (uint32_t i = 0; i < e->n; i++)
                e->d[i] = (float)(i / 5 + 1 + ((e->n + 4) / 5) * 1000);
}

static void want_iota(const struct expected *e) {
        for (uint32_t i = 0; i < e->n; i++)
                e->d[i] = (float)(i + 1);
}

static void want_cumsum(const struct expected *e) {
        double sum = 0;

        for (uint32_t i = 0; i < e->n; i++)
                e->d[i] = (float)(sum += (double)e->v[i]);
}

static void want_floor(const struct expected *e) {
        for (uint32_t i = 0; i < e->n; i++)
                e->d[i] = floorf(e->v[i]);
}

static const struct {
        const char *lua;
        void (*want)(const struct expected *e);
} cases[] = {
        {"return hb.vec(n, v:quantile(0.37))", want_quantile},
        {"return hb.vec(n, v:rank_cut(n // 3 + 1.5))", want_rank_cut},
        {"return v:topk(n // 3 + 1)", want_topk},
        {"local x = v:copy() x:topk_(n // 3 + 1) return x", want_topk},
        {"local c = (v * 1):histogram(5, 300, 10)\n"
         "return c:gather((hb.iota(n) - 1) - ((hb.iota(n) - 1) / 10):floor() * 10 + 1)",
         want_histogram},
        {"return v:gather(at)", want_gather},
        {"return (v + 0):gather_(at + 0)", want_gather},
        {"return hb.scatter(n, at, v)", want_scatter},
        {"return v:segment_sum(at, k):spread_from(at)", want_segment_sum},
        {"return v:segment_mean(at, k):spread_from(at)", want_segment_mean},
        {"return v:segment_max(at, k):spread_from(at)", want_segment_max},
        {"local s, count = pages.age_s:segments() return s + count * 1000", want_segments},
        {"return hb.iota(n)", want_iota},
        {"return v:cumsum()", want_cumsum},
        {"local x = v:copy() local old = x * 0 x:cumsum_() return x + old", want_cumsum},
        {"return v:floor()", want_floor},
};

static void check(struct fixture *f, const char *lua, void (*want)(const struct expected *), unsigned shape,
                  const struct expected *e) {
        if (fixture_run(f) < 0)
                fail_msg("%s: %s", lua, f->message);
        want(e);
        for (uint32_t i = 0; i < e->n; i++) /* -0 is 0 here */
                if (e->d[i] != f->out[0][i])
                        fail_msg("%s: shape %u: element %u of %u is %a, not %a", lua, shape, i, e->n,
                                 (double)f->out[0][i], (double)e->d[i]);
}

static void test_against_plain_c(void **state) {
        struct fixture *f = fixture_new();
        float *d = malloc(HB_POLICY_BATCH * sizeof *d);
        char body[512];

        for (unsigned k = 0; k < sizeof cases / sizeof *cases; k++) {
                snprintf(body, sizeof body,
                         "local v, at, n = pages.read_heat, pages.write_heat, pages.n\n"
                         "local k = math.max(1, n < 9 and n or n // 9)\n"
                         "if guest.pages ~= 1e5 then return hb.vec(n) end\n%s", /* the trial's are no
                                                                                   positions */
                         cases[k].lua);
                fixture_must_load(f, HB_POLICY_SCORER, "", body);
                for (unsigned i = 0; i < LENGTHS; i++)
                        for (unsigned shape = 0; shape < SHAPES; shape++) {
                                uint32_t segments = fill(f, shape, lengths[i]);
                                struct expected e = {f->columns[0], f->columns[1], f->columns[2],
                                                     lengths[i],    segments,      d};
                                check(f, cases[k].lua, cases[k].want, shape, &e);
                        }
        }
        free(d);
        fixture_free(f);
}

static double number(struct fixture *f, const char *expression) {
        char body[512];

        snprintf(body, sizeof body, "local a = pages.read_heat\nreturn hb.vec(pages.n, %s)", expression);
        fixture_must_load(f, HB_POLICY_SCORER, "", body);
        f->pages.n = 9;
        if (fixture_run(f) < 0)
                fail_msg("%s: %s", expression, f->message);
        return (double)f->out[0][8];
}

/* What the edges mean: asked for nothing, for more than there is, of nothing; NaN below everything. */
static void test_edges(void **state) {
        static const struct {
                const char *lua;
                double want;
        } edges[] = {
                {"hb.vec{5, 1, 3}:quantile(0)", 1},
                {"hb.vec{5, 1, 3}:quantile(1)", 5},
                {"hb.vec{5, 1, 3}:quantile(0.5)", 3},
                {"hb.vec{1, 2}:quantile(0.25)", 1.25},
                {"hb.vec{}:quantile(0.5) == nil and 1 or 0", 1},
                {"hb.vec{5, 1, 3}:topk(0):sum()", 0},
                {"hb.vec{5, 1, 3}:topk(-3):sum()", 0},
                {"hb.vec{5, 1, 3}:topk(9):sum()", 3},
                {"hb.vec{2, 2, 2}:topk(2)[2] * 10 + hb.vec{2, 2, 2}:topk(2)[3]", 10},
                {"hb.vec{5, 1, 3}:rank_cut(9)", 1},
                {"hb.vec{5, 1, 3}:rank_cut(0) == nil and 1 or 0", 1},
                {"hb.vec{5, 1, 3}:rank_cut(1)", 5},
                {"hb.vec{5, 0 / 0, 3}:topk(2)[2]", 0},
                {"hb.vec{5, 0 / 0, 3}:rank_cut(2)", 3},
                {"hb.vec{-7, 0 / 0, 99, 1}:histogram(0, 2, 2)[1] * 10 + "
                 "hb.vec{-7, 0 / 0, 99, 1}:histogram(0, 2, 2)[2]",
                 12},
                {"#hb.vec{1, 2}:gather(hb.vec{})", 0},
                {"hb.scatter(3, hb.vec{2, 2}, 4)[2]", 8},
                {"hb.scatter(3, hb.vec{}, 4):sum()", 0},
                {"hb.vec{-3, -5}:segment_max(hb.vec{2, 2}, 3)[2]", -3},
                {"hb.vec{-3, -5}:segment_max(hb.vec{2, 2}, 3)[1]", 0},
                {"hb.vec{-3, -5}:segment_mean(hb.vec{2, 2}, 3)[3]", 0},
                {"#hb.iota(0) + hb.iota(65536)[65536]", 65536},
                {"hb.vec{-1.5, 1.5, 3e9}:floor()[1]", -2},
                {"hb.vec{-1.5, 1.5, 3e9}:floor()[3]", 3e9},
                {"#hb.vec{}:cumsum() + #hb.vec{}:segments() + #hb.vec{}:topk(1)", 0},
                {"select(2, hb.vec{4, 4, 5, 4}:segments())", 3},
        };
        struct fixture *f = fixture_new();

        for (unsigned i = 0; i < sizeof edges / sizeof *edges; i++) {
                double got = number(f, edges[i].lua);
                if (got != edges[i].want)
                        fail_msg("%s is %g, not %g", edges[i].lua, got, edges[i].want);
        }
        fixture_free(f);
}

static void test_complaints(void **state) {
        static const char *const wrong[][2] = {
                {"a:quantile(1.5)", "quantile: the share must lie between 0 and 1, not 1.5"},
                {"a:quantile(0 / 0)", "quantile: the share must lie between 0 and 1"},
                {"a:quantile()", "quantile: the share must be a number, not no value"},
                {"a:topk(0 / 0)", "topk: the count is NaN"},
                {"a:topk('3')", "topk: the count must be a number, not string"},
                {"a:histogram(1, 1, 4)", "histogram: needs low < high"},
                {"a:histogram(0, 1, 0)", "histogram: needs low < high and at least one bin"},
                {"a:histogram(0, math.huge, 4)", "histogram: needs low < high"},
                {"a:histogram(0, 1, 65537)", "histogram: 0 to 65536 elements, not 65537"},
                {"a:histogram(0, 1, 2.5)", "histogram: a whole number of elements expected, got a fraction"},
                {"a:gather(hb.vec{1, 0})", "gather: position 2 is 0.0, not a whole number from 1 to 3"},
                {"a:gather(hb.vec{4})", "gather: position 1 is 4.0, not a whole number from 1 to 3"},
                {"a:gather(hb.vec{1.5})", "gather: position 1 is 1.5"},
                {"a:gather(hb.vec{0 / 0})", "gather: position 1 is"},
                {"a:gather(hb.vec{1, 1e30})", "gather: position 2 is 1.0000000150475e+30"},
                {"a:gather(hb.vec{-1})", "gather: position 1 is -1.0"},
                {"a:gather(1)", "gather: a vector expected, got number"},
                {"a:spread_from(hb.vec{9})", "spread_from: position 1 is 9.0"},
                {"hb.scatter(3, hb.vec{4}, 1)", "scatter: position 1 is 4.0, not a whole number from 1 to 3"},
                {"hb.scatter(3, hb.vec{1}, hb.vec{1, 2})", "scatter: vectors of 1 and 2 elements"},
                {"hb.scatter(1e9, hb.vec{1}, 1)", "scatter: 0 to 65536 elements, not 1000000000"},
                {"hb.scatter(3, hb.vec{1})", "scatter: a vector expected, got no value"},
                {"a:segment_sum(hb.vec{1, 1}, 1)", "segment_sum: vectors of 3 and 2 elements"},
                {"a:segment_max(hb.vec{1, 2, 3}, 2)", "segment_max: position 3 is 3.0"},
                {"a:segment_mean(hb.vec{1, 1, 1}, -1)", "segment_mean: 0 to 65536 elements, not -1"},
                {"hb.iota(-1)", "iota: 0 to 65536 elements, not -1"},
                {"hb.iota('x')", "iota: a whole number of elements expected, got string"},
                {"a.cumsum()", "cumsum: a vector expected, got no value"},
        };
        struct fixture *f = fixture_new();
        char body[512];

        for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                snprintf(body, sizeof body, "local a = pages.read_heat\nreturn %s", wrong[i][0]);
                if (fixture_load(f, HB_POLICY_SCORER, "", body) == 0)
                        fail_msg("%s was accepted", wrong[i][0]);
                if (!strstr(f->message, wrong[i][1]) || !strstr(f->message, "score/p.lua:4:"))
                        fail_msg("%s: '%s' lacks '%s' or the line", wrong[i][0], f->message, wrong[i][1]);
        }
        fixture_free(f);
}

/* Seeded, in [0, 1), one step of hb.random's sequence an element. */
static void test_random(void **state) {
        struct fixture *f = fixture_new();
        float first[1000], sum = 0;

        for (int round = 0; round < 2; round++) {
                fixture_must_load(f, HB_POLICY_SCORER, "",
                                  "local v = hb.random_vec(pages.n) hb.random() return v");
                f->pages.n = 1000;
                assert_int_equal(fixture_run(f), 0);
                if (round)
                        assert_memory_equal(first, f->out[0], sizeof first);
                memcpy(first, f->out[0], sizeof first);
                assert_int_equal(fixture_run(f), 0);
                assert_memory_not_equal(first, f->out[0], sizeof first);
        }
        for (int i = 0; i < 1000; i++) {
                assert_true(first[i] >= 0 && first[i] < 1);
                sum += first[i];
        }
        assert_true(sum > 450 && sum < 550);
        fixture_free(f);
}

/* Each in a loop without end on full columns: cut off like any other, so none of them runs long by itself. */
static void test_none_outruns_its_deadline(void **state) {
        static const char *const endless[] = {
                "v:topk(30000)",   "v:quantile(0.5)",          "v:histogram(0, 1, 65536)",
                "v:segments()",    "hb.iota(65536)",           "v:cumsum()",
                "v:gather(at)",    "hb.scatter(65536, at, v)", "v:segment_mean(at, 65536)",
                "v:rank_cut(1000)"};
        struct hb_plugin_limits limits = fixture_limits;
        struct fixture *f = fixture_new();
        char text[512];

        limits.deadline_ns = 20000000;
        f->pages.n = HB_POLICY_BATCH;
        for (unsigned i = 0; i < sizeof endless / sizeof *endless; i++) {
                int n = snprintf(text, sizeof text,
                                 "local p = { api = 1, kind = 'scorer', name = 'p', version = '1' }\n"
                                 "function p:score(pages, _, guest)\n"
                                 "if guest.pages ~= 1e5 then return hb.vec(pages.n) end\n"
                                 "local v, at = pages.read_heat * 1, hb.iota(65536)\n"
                                 "while true do local _ = %s end\nend\nreturn p\n",
                                 endless[i]);
                if (fixture_load_text(f, HB_POLICY_SCORER, text, (size_t)n, &limits) < 0)
                        fail_msg("%s: %s", endless[i], f->message);
                assert_int_equal(fixture_run(f), -ETIME);
                print_message("%-28s stopped after %.1f ms\n", endless[i], (double)f->cpu_ns / 1e6);
                assert_true(f->cpu_ns < FIXTURE_DEADLINE_NS / 100 + 10000000);
        }
        fixture_free(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_against_plain_c),
                cmocka_unit_test(test_edges),
                cmocka_unit_test(test_complaints),
                cmocka_unit_test(test_random),
                cmocka_unit_test(test_none_outruns_its_deadline),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
