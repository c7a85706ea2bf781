/* Lessons from a trace: which moments, which pages, and labels counted by hand. */
#include "learn/dataset.h"
#include "learn/sample.h"
#include "learn_rig.h"

#define PAGES 600u

/* Page p is read every p % 7 + 1 seconds; every other time pages below 100 are written; pages from 300 on
 * never. */
static int pattern(uint32_t p, uint32_t t) {
        uint32_t every = p % 7 + 1;

        if (p >= 300 || t % every)
                return 0;
        return p < 100 && t / every % 2 ? 2 : 1;
}

struct taken {
        unsigned n;
        uint64_t asked[64];
        double horizon[64];
        struct hb_model_lesson *lesson[64];
};

static int take(void *arg, uint64_t asked_ns, double horizon_s, struct hb_model_lesson *l) {
        struct taken *t = arg;

        assert_true(t->n < 64);
        t->asked[t->n] = asked_ns;
        t->horizon[t->n] = horizon_s;
        t->lesson[t->n++] = l;
        return 0;
}

static void drop(struct taken *t) {
        while (t->n)
                hb_model_lesson_free(t->lesson[--t->n]);
}

static struct taken read_lessons(const struct hb_dataset_options *o) {
        const char *path = rig_file("pattern.hbt");
        struct taken t = {0};
        struct hb_err e = {0};

        rig_trace(path, PAGES, 60, pattern);
        if (hb_dataset_read(path, o, take, NULL, &t, &e) < 0)
                fail_msg("%s", e.what);
        return t;
}

static void test_moments(void **state) {
        struct hb_dataset_options o = {.horizons = {5, 20}, .nhorizons = 2, .warmup_s = 20, .pages = 64};
        struct taken t = read_lessons(&o);
        unsigned five = 0, twenty = 0;

        /* Asked at 20, 25 ... 60; those of which nothing is left out: up to 55 and up to 40. */
        for (unsigned i = 0; i < t.n; i++) {
                uint64_t s = t.asked[i] / HB_NS_PER_S;

                assert_int_equal(t.asked[i] % (5 * HB_NS_PER_S), 0);
                assert_true(s >= 20 && s + (uint64_t)t.horizon[i] <= 60);
                assert_true(t.lesson[i]->batch.horizon_s == t.horizon[i]);
                five += t.horizon[i] == 5;
                twenty += t.horizon[i] == 20;
        }
        assert_int_equal(five, 8);
        assert_int_equal(twenty, 5);
        assert_int_equal(hb_dataset_moments(&o, 60), 9);
        drop(&t);
}

/* What the trace does in (asked, asked + horizon]: epoch t ends at t + 1. */
static void expect_label(const float *y, uint32_t page, uint32_t asked, uint32_t horizon) {
        unsigned seen = 0, written = 0;

        for (uint32_t e = asked; e < asked + horizon; e++) {
                int how = pattern(page, e);

                seen += how > 0;
                written += how == 2;
        }
        assert_true(y[0] == (seen > 0) && y[1] == (written > 0));
        assert_true(y[2] == (float)seen && y[3] == (float)written);
}

/* All pages of the two blocks are in the sample, so that row i of the lesson is known to be page i. */
static void test_labels(void **state) {
        struct hb_dataset_options o = {.horizons = {7}, .nhorizons = 1, .warmup_s = 21, .pages = 300};
        struct taken t = read_lessons(&o);
        struct hb_bitmap touched;
        struct hb_sample s;
        uint64_t random = 0;

        assert_int_equal(hb_bitmap_init(&touched, PAGES), 0);
        hb_bitmap_set_range(&touched, 0, 300);
        assert_true(t.n > 3);
        for (unsigned i = 0; i < t.n; i++) {
                assert_int_equal(hb_sample_take(&touched, 300, &random, &s), 0); /* the same dice */
                assert_int_equal(t.lesson[i]->batch.n, s.n);
                for (uint32_t k = 0; k < s.n; k++)
                        expect_label(t.lesson[i]->labels + 4 * k, s.gfn[k],
                                     (uint32_t)(t.asked[i] / HB_NS_PER_S), 7);
                free(s.gfn);
        }
        hb_bitmap_fini(&touched);
        drop(&t);
}

static void test_same_seed_same_lessons(void **state) {
        struct hb_dataset_options o = {.pages = 50, .seed = 5}, other = {.pages = 50, .seed = 6};
        struct taken a = read_lessons(&o), b = read_lessons(&o), c = read_lessons(&other);
        bool differs = false;

        assert_true(a.n > 0 && a.n == b.n && a.n == c.n);
        for (unsigned i = 0; i < a.n; i++) {
                size_t bytes = a.lesson[i]->batch.n * HB_MODEL_PAGE_IN * sizeof(float);

                assert_memory_equal(a.lesson[i]->batch.page, b.lesson[i]->batch.page, bytes);
                assert_memory_equal(a.lesson[i]->labels, b.lesson[i]->labels,
                                    a.lesson[i]->batch.n * HB_MODEL_OUT * sizeof(float));
                differs |= memcmp(a.lesson[i]->batch.page, c.lesson[i]->batch.page, bytes) != 0;
        }
        assert_true(differs);
        drop(&a);
        drop(&b);
        drop(&c);
}

static void test_sample_is_of_touched_blocks(void **state) {
        struct hb_bitmap touched;
        struct hb_sample s;
        uint64_t random = 3;
        unsigned fresh = 0;

        assert_int_equal(hb_bitmap_init(&touched, 4 * HB_BLOCK_PAGES), 0);
        assert_int_equal(hb_sample_take(&touched, 100, &random, &s), 0);
        assert_int_equal(s.n, 0); /* nothing was touched yet */
        free(s.gfn);
        hb_bitmap_set_range(&touched, HB_BLOCK_PAGES, 200);
        assert_int_equal(hb_sample_take(&touched, 80, &random, &s), 0);
        assert_int_equal(s.n, 80);
        for (uint32_t i = 0; i < s.n; i++) {
                assert_true(s.gfn[i] >= HB_BLOCK_PAGES && s.gfn[i] < 2 * HB_BLOCK_PAGES);
                assert_true(i == 0 || s.gfn[i] > s.gfn[i - 1]);
                fresh += !hb_bitmap_test(&touched, s.gfn[i]);
        }
        assert_int_equal(fresh, 10); /* one in eight */
        free(s.gfn);
        hb_bitmap_fini(&touched);
}

static int stop(void *arg, uint64_t at, uint64_t of) {
        return 1;
}

static void test_stopped_and_missing(void **state) {
        const char *path = rig_file("pattern.hbt");
        struct hb_dataset_options o = {0};
        struct taken t = {0};
        struct hb_err e = {0};

        rig_trace(path, PAGES, 60, pattern);
        assert_int_equal(hb_dataset_read(path, &o, take, stop, &t, &e), -ECANCELED);
        drop(&t);
        assert_int_equal(hb_dataset_read(rig_file("none.hbt"), &o, take, NULL, &t, &e), -ENOENT);
        assert_int_equal(t.n, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_moments),
                cmocka_unit_test(test_labels),
                cmocka_unit_test(test_same_seed_same_lessons),
                cmocka_unit_test(test_sample_is_of_touched_blocks),
                cmocka_unit_test(test_stopped_and_missing),
        };

        return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
