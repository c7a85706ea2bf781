/* print_schedule: against a plain model of it, over random lives; and what comes first. */
#include "base/fault.h"
#include "base/splitmix.h"
#include "check.h"
#include "map/print_schedule.h"
#include <errno.h>
#include <stdlib.h>

#define PAGES 500u

static unsigned rank_of(void *arg, uint64_t gfn) {
        return (unsigned)(gfn % 7); /* more than there are: as the last */
}

/* ---- the model ---- */

enum state { NONE, SETTLING, DUE, PRINTED };

struct model {
        struct {
                enum state state;
                unsigned quiet, spoiled, rank;
        } page[PAGES];
        uint64_t spoiled;
};

static void m_due(struct model *m, uint64_t g) {
        unsigned rank = g % 7 < 4 ? g % 7 : 4;

        rank += m->page[g].spoiled;
        m->page[g].state = DUE;
        m->page[g].rank = rank < 3 ? rank : 3;
}

static void m_epoch(struct model *m, unsigned settle, const struct hb_bitmap *w) {
        for (unsigned g = 0; g < PAGES; g++) {
                if (hb_bitmap_test(w, g)) {
                        m->spoiled += m->page[g].state == PRINTED;
                        if (m->page[g].state == PRINTED && m->page[g].spoiled < 3)
                                m->page[g].spoiled++;
                        m->page[g].state = SETTLING;
                        m->page[g].quiet = 0;
                } else if (m->page[g].state == SETTLING && ++m->page[g].quiet == settle) {
                        m_due(m, g);
                }
        }
}

static void expect_as_model(const hb_print_schedule *s, const struct model *m) {
        struct hb_print_schedule_stats t;
        uint64_t n[4] = {0};

        for (unsigned g = 0; g < PAGES; g++) {
                n[m->page[g].state]++;
                assert_int_equal(hb_print_schedule_true(s, g), m->page[g].state == PRINTED);
        }
        hb_print_schedule_stats(s, &t);
        assert_int_equal(t.settling, n[SETTLING]);
        assert_int_equal(t.due, n[DUE]);
        assert_int_equal(t.printed, n[PRINTED]);
        assert_int_equal(t.spoiled, m->spoiled);
}

/* Nothing better was left out, nothing came that was not due, ascending within a rank. */
static void take(hb_print_schedule *s, struct model *m, uint32_t room) {
        uint32_t gfn[PAGES], n = hb_print_schedule_take(s, gfn, room);
        unsigned worst = 0;

        for (uint32_t i = 0; i < n; i++) {
                unsigned rank = m->page[gfn[i]].rank;

                assert_int_equal(m->page[gfn[i]].state, DUE);
                assert_true(rank > worst || i == 0 || (rank == worst && gfn[i] > gfn[i - 1]));
                worst = rank;
                m->page[gfn[i]].state = PRINTED;
        }
        for (unsigned g = 0; g < PAGES; g++)
                if (m->page[g].state == DUE)
                        assert_true(n == room && m->page[g].rank >= worst);
}

static void live(uint64_t seed) {
        struct model *m = calloc(1, sizeof(*m));
        struct hb_bitmap w;
        hb_print_schedule *s;
        unsigned settle = 1 + (unsigned)(seed % HB_PRINT_SETTLE_MAX);

        assert_int_equal(hb_bitmap_init(&w, PAGES), 0);
        assert_int_equal(hb_print_schedule_new(PAGES, settle, rank_of, NULL, &s), 0);
        for (unsigned i = 0; i < 120; i++) {
                unsigned writes = hb_splitmix64(&seed) % 8 ? (unsigned)(hb_splitmix64(&seed) % 20) : 300;
                uint64_t g = hb_splitmix64(&seed) % PAGES, n = hb_splitmix64(&seed) % 30;

                hb_bitmap_clear_all(&w);
                if (i % 40 == 3) {
                        hb_bitmap_set_range(&w, g, 100);
                        hb_print_schedule_add(s, &w);
                        for (unsigned k = 0; k < PAGES; k++)
                                if (hb_bitmap_test(&w, k) && m->page[k].state == NONE)
                                        m_due(m, k);
                }
                hb_bitmap_clear_all(&w);
                for (unsigned k = 0; k < writes; k++) /* most of them to a few pages */
                        hb_bitmap_set(&w, hb_splitmix64(&seed) % (k % 2 ? PAGES : 30));
                hb_print_schedule_epoch(s, &w);
                m_epoch(m, settle, &w);
                if (i % 5 == 1) {
                        hb_print_schedule_skip(s, g, n);
                        for (uint64_t k = g; k < g + n && k < PAGES; k++)
                                m->page[k].state = NONE;
                }
                take(s, m, (uint32_t)(hb_splitmix64(&seed) % 60));
                g = hb_splitmix64(&seed) % PAGES;
                hb_print_schedule_again(s, g);
                if (m->page[g].state == PRINTED)
                        m_due(m, g);
                expect_as_model(s, m);
        }
        hb_print_schedule_free(s);
        hb_bitmap_fini(&w);
        free(m);
}

static void test_as_the_model(void **state) {
        for (uint64_t seed = 1; seed <= 64; seed++)
                live(seed);
}

/* ---- what it is for ---- */

/* A page written every other settling time takes its turn behind those that keep their prints. */
static void test_what_keeps_being_spoiled_goes_last(void **state) {
        struct hb_bitmap w, all;
        hb_print_schedule *s;
        uint32_t gfn[PAGES];

        assert_int_equal(hb_bitmap_init(&w, PAGES), 0);
        assert_int_equal(hb_bitmap_init(&all, PAGES), 0);
        hb_bitmap_set_range(&all, 0, 10);
        assert_int_equal(hb_print_schedule_new(PAGES, 2, NULL, NULL, &s), 0);
        hb_print_schedule_add(s, &all);
        assert_int_equal(hb_print_schedule_take(s, gfn, PAGES), 10); /* held data before anyone watched */
        for (unsigned round = 0; round < 3; round++) {
                hb_bitmap_set(&w, 0);
                hb_print_schedule_epoch(s, &w);
                hb_bitmap_clear_all(&w);
                for (unsigned i = 0; i < 2; i++) {
                        assert_int_equal(hb_print_schedule_take(s, gfn, PAGES), 0);
                        hb_print_schedule_epoch(s, &w);
                }
                if (round < 2)
                        assert_int_equal(hb_print_schedule_take(s, gfn, PAGES), 1);
        }
        hb_bitmap_set(&w, 9); /* for the first time */
        hb_print_schedule_epoch(s, &w);
        hb_bitmap_clear_all(&w);
        hb_print_schedule_epoch(s, &w);
        hb_print_schedule_epoch(s, &w);
        assert_int_equal(hb_print_schedule_take(s, gfn, 1), 1);
        assert_int_equal(gfn[0], 9);
        assert_int_equal(hb_print_schedule_take(s, gfn, PAGES), 1);
        assert_int_equal(gfn[0], 0);
        hb_print_schedule_free(s);
        hb_bitmap_fini(&w);
        hb_bitmap_fini(&all);
}

static void test_refused(void **state) {
        hb_print_schedule *s = NULL;

        assert_int_equal(hb_print_schedule_new(0, 2, NULL, NULL, &s), -EINVAL);
        assert_int_equal(hb_print_schedule_new(5, 0, NULL, NULL, &s), -EINVAL);
        assert_int_equal(hb_print_schedule_new(5, HB_PRINT_SETTLE_MAX + 1, NULL, NULL, &s), -EINVAL);
        assert_int_equal(hb_fault_arm("print_schedule.new=fail"), 0);
        assert_int_equal(hb_print_schedule_new(5, 1, NULL, NULL, &s), -ENOMEM);
        assert_int_equal(hb_fault_arm("print_schedule.pages=fail"), 0);
        assert_int_equal(hb_print_schedule_new(5, 1, NULL, NULL, &s), -ENOMEM);
        hb_fault_disarm();
        assert_null(s);
        assert_null(hb_print_schedule_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_as_the_model),
                cmocka_unit_test(test_what_keeps_being_spoiled_goes_last),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
