/* Paired differences: means, intervals and counts against values worked out by hand or by another method. */
#include "base/fault.h"
#include "check.h"
#include "compare/stats.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

static double uniform(uint64_t *s) {
        *s = *s * 6364136223846793005ull + 1442695040888963407ull;
        return (double)(*s >> 11) / 9007199254740992.0;
}

static double normal(uint64_t *s) {
        double sum = 0;

        for (int i = 0; i < 12; i++)
                sum += uniform(s);
        return sum - 6;
}

static void test_counts_and_mean(void **state) {
        const double ours[] = {0.5, 0.7, NAN, 0.4, 0.9, 0.3}, base[] = {0.4, 0.7, 0.1, 0.6, 0.5, NAN};
        struct hb_paired p;

        assert_int_equal(hb_stats_paired(ours, base, 6, 1, 1, &p), 0);
        assert_int_equal(p.n, 4); /* +0.1, 0, -0.2, +0.4 */
        assert_float_equal(p.mean, 0.075, 1e-12);
        assert_int_equal(p.won, 2);
        assert_int_equal(p.lost, 1);
        assert_int_equal(p.tied, 1);
}

static void test_no_pairs_no_figures(void **state) {
        const double nothing[] = {NAN, NAN}, some[] = {1, 2};
        struct hb_paired p;

        assert_int_equal(hb_stats_paired(nothing, some, 2, 1, 1, &p), 0);
        assert_int_equal(p.n, 0);
        assert_true(isnan(p.mean) && isnan(p.low) && isnan(p.high));
        assert_int_equal(hb_stats_paired(some, some, 0, 1, 1, &p), 0);
        assert_int_equal(p.n, 0);
}

static void test_too_few_blocks_no_interval(void **state) {
        double ours[27], base[27] = {0};
        struct hb_paired p;

        for (int i = 0; i < 27; i++)
                ours[i] = i % 2;
        assert_int_equal(hb_stats_paired(ours, base, 27, 7, 1, &p), 0); /* 27 < 4 x 7 */
        assert_true(isnan(p.low) && isnan(p.high));
        assert_int_equal(p.block, 7);
        assert_int_equal(hb_stats_paired(ours, base, 24, 6, 1, &p), 0);
        assert_false(isnan(p.low) || isnan(p.high));
}

static void test_equal_series_have_a_point(void **state) {
        double x[40];
        struct hb_paired p;

        for (int i = 0; i < 40; i++)
                x[i] = i * 0.01;
        assert_int_equal(hb_stats_paired(x, x, 40, 3, 5, &p), 0);
        assert_true(p.mean == 0 && p.low == 0 && p.high == 0);
        assert_int_equal(p.tied, 40);
}

static void test_same_seed_same_interval(void **state) {
        double ours[60], base[60] = {0};
        struct hb_paired a, b, c;
        uint64_t s = 3;

        for (int i = 0; i < 60; i++)
                ours[i] = normal(&s);
        hb_stats_paired(ours, base, 60, 2, 42, &a);
        hb_stats_paired(ours, base, 60, 2, 42, &b);
        hb_stats_paired(ours, base, 60, 2, 43, &c);
        assert_true(a.mean == b.mean && a.low == b.low && a.high == b.high);
        assert_true(a.low != c.low || a.high != c.high);
}

/* Independent differences: the classical interval mean +- t s / sqrt(n) is right, and ours must be near it.
 */
static void test_agrees_with_students_t(void **state) {
        double ours[100], base[100] = {0}, sum = 0, squares = 0, half;
        struct hb_paired p;
        uint64_t s = 11;

        for (int i = 0; i < 100; i++) {
                ours[i] = 0.3 + normal(&s);
                sum += ours[i];
                squares += ours[i] * ours[i];
        }
        hb_stats_paired(ours, base, 100, 1, 1, &p);
        half = 1.984 * sqrt((squares - sum * sum / 100) / 99 / 100);
        assert_float_equal(p.mean, sum / 100, 1e-12);
        assert_float_equal(p.mean - p.low, half, 0.15 * half);
        assert_float_equal(p.high - p.mean, half, 0.15 * half);
}

/* What the interval promises, where neighbours share four fifths: it holds the true mean 95 times of 100. An
 * interval that takes the pairs as independent holds it in 65 or so. */
static void test_covers_what_it_says_for_overlapping_windows(void **state) {
        unsigned held = 0, held_if_independent = 0;
        const unsigned runs = 200, n = 120, width = 5;
        uint64_t s = 17;

        for (unsigned run = 0; run < runs; run++) {
                double raw[125], ours[120], base[120] = {0}, sum = 0, squares = 0, half;
                struct hb_paired p;

                for (unsigned i = 0; i < n + width; i++)
                        raw[i] = normal(&s);
                for (unsigned i = 0; i < n; i++) {
                        ours[i] = 0;
                        for (unsigned j = 0; j < width; j++)
                                ours[i] += raw[i + j] / width;
                        sum += ours[i];
                        squares += ours[i] * ours[i];
                }
                hb_stats_paired(ours, base, n, width, run, &p);
                held += p.low <= 0 && p.high >= 0;
                half = 1.98 * sqrt((squares - sum * sum / n) / (n - 1) / n);
                held_if_independent += fabs(sum / n) <= half;
        }
        assert_in_range(held, runs * 88 / 100, runs);
        assert_in_range(held_if_independent, 0, runs * 80 / 100);
}

static void test_longer_memory_longer_blocks(void **state) {
        double quick[200], slow[200], base[200] = {0};
        struct hb_paired a, b;
        uint64_t s = 23;

        slow[0] = 0;
        for (int i = 0; i < 200; i++)
                quick[i] = normal(&s);
        for (int i = 1; i < 200; i++)
                slow[i] = 0.9 * slow[i - 1] + normal(&s);
        hb_stats_paired(quick, base, 200, 2, 1, &a);
        hb_stats_paired(slow, base, 200, 2, 1, &b);
        assert_true(b.block > a.block);
        assert_true(b.block <= 50);
}

static void test_students_t(void **state) {
        assert_float_equal(hb_stats_t975(1), 12.706, 1e-9);
        assert_float_equal(hb_stats_t975(10), 2.228, 1e-9);
        assert_float_equal(hb_stats_t975(40), 2.0211, 5e-4);
        assert_float_equal(hb_stats_t975(120), 1.9799, 5e-4);
        assert_float_equal(hb_stats_t975(1000000), 1.95997, 1e-4);
        assert_true(isinf(hb_stats_t975(0)));
}

static void test_every_failure_is_told(void **state) {
        double x[20] = {0};
        struct hb_paired p;

        for (unsigned n = 1; hb_fail_nth(n); n++) {
                int r = hb_stats_paired(x, x, 20, 1, 1, &p);

                assert_true(r == 0 || hb_fault_passed() >= n);
                assert_true(r == 0 || r == -ENOMEM);
        }
        hb_fault_disarm();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_counts_and_mean),
                cmocka_unit_test(test_no_pairs_no_figures),
                cmocka_unit_test(test_too_few_blocks_no_interval),
                cmocka_unit_test(test_equal_series_have_a_point),
                cmocka_unit_test(test_same_seed_same_interval),
                cmocka_unit_test(test_agrees_with_students_t),
                cmocka_unit_test(test_covers_what_it_says_for_overlapping_windows),
                cmocka_unit_test(test_longer_memory_longer_blocks),
                cmocka_unit_test(test_students_t),
                cmocka_unit_test(test_every_failure_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
