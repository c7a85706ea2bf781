/* Lessons: who is in a sample and why, and what its outcome says, against patterns made by hand. */
#include "check.h"
#include "place/lessons.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct bed {
        uint64_t npages;
        struct hb_image_page *pages;
        hb_history *history;
        struct hb_lessons *lessons;
};

static struct bed bed_of(uint64_t npages) {
        struct bed b = {.npages = npages};

        b.pages = calloc(npages, sizeof(*b.pages));
        b.lessons = calloc(1, sizeof(*b.lessons));
        assert_true(b.pages && b.lessons);
        assert_int_equal(hb_history_new(npages, &b.history), 0);
        for (uint64_t g = 0; g < npages; g++)
                b.pages[g].flags = HB_IP_RESIDENT;
        return b;
}

static void bed_free(struct bed *b) {
        hb_history_free(b->history);
        free(b->lessons);
        free(b->pages);
}

static void note(struct bed *b, uint64_t gfn, uint32_t window, bool written) {
        assert_int_equal(hb_history_note(b->history, gfn, window, written), 0);
}

static const struct hb_lesson *begin(struct bed *b, uint32_t window, uint32_t horizon) {
        return hb_lessons_begin(b->lessons, b->history, b->pages, window, horizon, window + 0.5);
}

static uint32_t place_of(const struct hb_lesson *s, uint32_t gfn) {
        for (uint32_t i = 0; i < s->n; i++)
                if (s->gfn[i] == gfn)
                        return i;
        return UINT32_MAX;
}

/* Blocks 1 and 4 of five are touched; all of their pages that hold data are asked about. */
static void test_a_small_guest_is_all_there(void **state) {
        struct bed b = bed_of(5 * 512 - 100); /* the last block is short */
        const struct hb_lesson *s;
        unsigned resident = 2 * 512;

        note(&b, 512, 90, false);  /* within the horizon, as of 100 */
        note(&b, 513, 91, true);   /* written, too */
        note(&b, 514, 100, false); /* now */
        note(&b, 515, 60, true);   /* long before */
        note(&b, 515, 95, false);  /* and again, read */
        note(&b, 516, 89, true);   /* just before the horizon */
        note(&b, 4 * 512 + 7, 50, false);
        b.pages[600].flags = 0;
        b.pages[516].flags |= HB_IP_PREFETCHED | HB_IP_USED;
        resident -= 101;
        assert_null(begin(&b, 100, 0));
        assert_null(begin(&b, 100, HB_LESSON_HORIZON + 1));
        s = begin(&b, 100, 11);
        assert_non_null(s);
        assert_int_equal(s->n, resident);
        assert_int_equal(s->number, 1);
        for (uint32_t i = 0; i < s->n; i++) {
                uint32_t g = s->gfn[i];
                unsigned want = HB_LESSON_NEW;

                assert_true(g / 512 == 1 || g / 512 == 4);
                assert_true(i == 0 || g > s->gfn[i - 1]);
                assert_true(g != 600 && g < b.npages);
                if (g >= 512 && g <= 515)
                        want = HB_LESSON_RECENT;
                if (g == 516 || g == 4 * 512 + 7)
                        want = HB_LESSON_RETURNING;
                assert_int_equal(s->class_of[i], want);
        }
        assert_int_equal(s->budget, 4);
        assert_int_equal(s->budget_writes, 1);
        bed_free(&b);
}

static void test_an_outcome_is_exact(void **state) {
        struct bed b = bed_of(512);
        struct hb_policy_outcome o;
        const struct hb_lesson *s, *ended;
        int rc = 1;

        for (uint32_t g = 0; g < 512; g++)
                note(&b, g, 50, g % 2);
        s = begin(&b, 60, 10);
        assert_int_equal(s->n, 512);
        note(&b, 1, 60, true);  /* in the window it was asked in: not of the horizon */
        note(&b, 2, 61, false); /* its first */
        note(&b, 2, 64, true);
        note(&b, 2, 64, true);
        note(&b, 3, 70, true);  /* its last */
        note(&b, 4, 71, true);  /* too late */
        note(&b, 5, 72, false); /* heard of late: */
        note(&b, 5, 66, false);
        assert_null(hb_lessons_end(b.lessons, b.history, 69, &o, &rc));
        assert_int_equal(rc, 0);
        ended = hb_lessons_end(b.lessons, b.history, 72, &o, &rc);
        assert_ptr_equal(ended, s);
        assert_int_equal(o.lesson, 1);
        assert_int_equal(o.n, 512);
        assert_true(o.asked_s == 60.5 && o.horizon_s == 10);
        for (uint32_t g = 0; g < 512; g++) {
                float reads = g == 2 ? 2 : g == 3 || g == 5 ? 1 : 0, writes = g == 2 || g == 3 ? 1 : 0;

                assert_true(o.reads[g] == reads && o.accessed[g] == (reads > 0));
                assert_true(o.writes[g] == writes && o.written[g] == (writes > 0));
                assert_int_equal(o.class_of[g], HB_LESSON_RETURNING); /* 50 is just out of (50, 60] */
        }
        assert_int_equal(o.budget, 0);
        assert_null(hb_lessons_end(b.lessons, b.history, 90, &o, &rc));
        bed_free(&b);
}

static void test_every_horizon_and_delay(void **state) {
        for (uint32_t horizon = 1; horizon <= HB_LESSON_HORIZON; horizon++)
                for (uint32_t late = 0; horizon + late <= 34; late++) {
                        struct bed b = bed_of(64);
                        struct hb_policy_outcome o;
                        const struct hb_lesson *s;
                        int rc;

                        for (uint32_t g = 0; g < 40; g++) /* page g once, g windows after it is asked */
                                note(&b, g, 100, false);
                        s = begin(&b, 100, horizon);
                        assert_non_null(s);
                        for (uint32_t g = 0; g < 40 && g <= horizon + late; g++)
                                note(&b, g, 100 + g, true);
                        s = hb_lessons_end(b.lessons, b.history, 100 + horizon + late, &o, &rc);
                        if (horizon + late > 32) {
                                assert_null(s);
                                assert_int_equal(rc, -ERANGE);
                        } else {
                                assert_non_null(s);
                                for (uint32_t i = 0; i < o.n; i++) {
                                        bool in = s->gfn[i] >= 1 && s->gfn[i] <= horizon;

                                        assert_true(o.written[i] == (in ? 1 : 0) &&
                                                    o.reads[i] == o.writes[i]);
                                }
                        }
                        bed_free(&b);
                }
}

static void count(const struct hb_lesson *s, uint32_t counts[3]) {
        memset(counts, 0, 3 * sizeof(*counts));
        for (uint32_t i = 0; i < s->n; i++)
                counts[s->class_of[i]]++;
}

/* `recent`, `old` and the rest of so many pages, spread over the blocks. */
static struct bed crowd(uint64_t npages, uint64_t recent, uint64_t old) {
        struct bed b = bed_of(npages);

        for (uint64_t g = 0; g < npages; g++) {
                uint64_t k = g * 7919 % npages; /* a prime that divides none of the sizes used */

                if (k < recent)
                        note(&b, g, 100, false);
                else if (k < recent + old)
                        note(&b, g, 40, true);
        }
        return b;
}

static void test_each_class_has_its_share(void **state) {
        static const struct {
                uint64_t npages, recent, old;
                uint32_t want[3];
        } cases[] = {
                {4096, 1000, 2000, {1000, 2000, 1096}},                    /* all fit */
                {10240, 10240, 0, {4096, 0, 0}},                           /* one class alone */
                {10240, 100, 10140, {100, 3996, 0}},                       /* few: all of them */
                {20480, 10240, 5120, {1024 + 791, 1024 + 351, 512 + 394}}, /* promised, and by what is left */
        };

        for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct bed b = crowd(cases[i].npages, cases[i].recent, cases[i].old);
                const struct hb_lesson *s = begin(&b, 100, 10);
                uint32_t counts[3];

                count(s, counts);
                for (unsigned c = 0; c < 3; c++)
                        if (counts[c] + 2 < cases[i].want[c] || counts[c] > cases[i].want[c] + 2)
                                fail_msg("case %u, class %u: %u, not %u", i, c, counts[c], cases[i].want[c]);
                assert_true(s->n <= HB_LESSON_PAGES && s->n >= HB_LESSON_PAGES - 3);
                assert_int_equal(s->budget, counts[HB_LESSON_RECENT]);
                bed_free(&b);
        }
}

/* Over many lessons every page of a class is drawn about as often as another. */
static void test_drawing_is_fair(void **state) {
        enum { PAGES = 8192, LESSONS = 400 };
        struct bed b = crowd(PAGES, 4000, 2000);
        unsigned *times = calloc(PAGES, sizeof(*times));
        uint8_t class_of[PAGES];
        double sum[3] = {0}, squares[3] = {0}, n[3] = {0};

        assert_non_null(times);
        for (unsigned k = 0; k < LESSONS; k++) {
                const struct hb_lesson *s = begin(&b, 100, 10);

                assert_int_equal(s->number, k + 1);
                for (uint32_t i = 0; i < s->n; i++) {
                        times[s->gfn[i]]++;
                        class_of[s->gfn[i]] = s->class_of[i];
                }
                hb_lessons_forget(b.lessons);
        }
        for (unsigned g = 0; g < PAGES; g++) {
                assert_true(times[g] > LESSONS / 4 && times[g] < LESSONS * 3 / 4); /* about a half each */
                sum[class_of[g]] += times[g];
                squares[class_of[g]] += (double)times[g] * times[g];
                n[class_of[g]]++;
        }
        for (unsigned c = 0; c < 3; c++) { /* as a binomial spreads */
                double mean = sum[c] / n[c], p = mean / LESSONS, spread = squares[c] / n[c] - mean * mean;

                assert_true(spread > 0.8 * LESSONS * p * (1 - p) && spread < 1.2 * LESSONS * p * (1 - p));
        }
        free(times);
        bed_free(&b);
}

static void test_the_number_decides(void **state) {
        struct bed a = crowd(20480, 9000, 6000), b = crowd(20480, 9000, 6000);
        const struct hb_lesson *x = begin(&a, 100, 10), *y = begin(&b, 100, 10), *z = begin(&b, 100, 10);
        unsigned same = 0;

        assert_int_equal(x->n, y->n);
        assert_memory_equal(x->gfn, y->gfn, x->n * sizeof(*x->gfn));
        assert_memory_equal(x->class_of, y->class_of, x->n);
        assert_int_equal(z->number, 2);
        for (uint32_t i = 0; i < x->n; i++)
                same += place_of(z, x->gfn[i]) != UINT32_MAX;
        assert_true(same < x->n / 2);
        bed_free(&a);
        bed_free(&b);
}

/* Of a large guest some blocks are looked at, in another lesson others. */
static void test_many_blocks(void **state) {
        enum { BLOCKS = 1500 };
        struct bed b = bed_of(BLOCKS * 512ull);
        const struct hb_lesson *s;
        static bool seen[2][BLOCKS];
        unsigned n[2] = {0, 0}, both = 0;

        for (uint64_t g = 0; g < b.npages; g += 64)
                note(&b, g, 100, g & 64);
        for (unsigned k = 0; k < 2; k++) {
                s = begin(&b, 100, 10);
                assert_true(s->n > HB_LESSON_PAGES - 3); /* shares are rounded down */
                for (uint32_t i = 0; i < s->n; i++)
                        seen[k][s->gfn[i] / 512] = true;
        }
        for (unsigned i = 0; i < BLOCKS; i++) {
                n[0] += seen[0][i];
                n[1] += seen[1][i];
                both += seen[0][i] && seen[1][i];
        }
        assert_true(n[0] <= HB_LESSON_BLOCKS && n[0] > HB_LESSON_BLOCKS * 9 / 10 && n[1] <= HB_LESSON_BLOCKS);
        assert_true(both < n[0] / 2);
        bed_free(&b);
}

static void test_they_end_in_order(void **state) {
        struct bed b = crowd(1024, 500, 300);
        struct hb_policy_outcome o;
        int rc;

        assert_null(hb_lessons_end(b.lessons, b.history, 100, &o, &rc));
        for (uint32_t k = 0; k < HB_LESSONS; k++)
                assert_non_null(begin(&b, 100 + k, 12));
        assert_null(begin(&b, 108, 12)); /* no room */
        for (uint32_t k = 0; k < HB_LESSONS; k++) {
                assert_null(hb_lessons_end(b.lessons, b.history, 111 + k, &o, &rc));
                assert_non_null(hb_lessons_end(b.lessons, b.history, 112 + k, &o, &rc));
                assert_int_equal(o.lesson, k + 1);
        }
        assert_int_equal(begin(&b, 120, 12)->number, HB_LESSONS + 1);
        hb_lessons_forget(b.lessons);
        assert_null(hb_lessons_end(b.lessons, b.history, 132, &o, &rc));
        assert_int_equal(rc, 0);
        assert_int_equal(begin(&b, 140, 12)->number, HB_LESSONS + 2); /* numbers are never used again */
        bed_free(&b);
}

static void test_nothing_to_ask_about(void **state) {
        struct bed b = bed_of(1024);

        assert_null(begin(&b, 100, 10));
        note(&b, 5, 100, true);
        for (unsigned g = 0; g < 512; g++)
                b.pages[g].flags = 0;
        assert_null(begin(&b, 100, 10));
        b.pages[9].flags = HB_IP_RESIDENT;
        assert_int_equal(begin(&b, 100, 10)->n, 1);
        bed_free(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_small_guest_is_all_there),
                cmocka_unit_test(test_an_outcome_is_exact),
                cmocka_unit_test(test_every_horizon_and_delay),
                cmocka_unit_test(test_each_class_has_its_share),
                cmocka_unit_test(test_drawing_is_fair),
                cmocka_unit_test(test_the_number_decides),
                cmocka_unit_test(test_many_blocks),
                cmocka_unit_test(test_they_end_in_order),
                cmocka_unit_test(test_nothing_to_ask_about),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
