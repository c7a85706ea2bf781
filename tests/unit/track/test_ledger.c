/* ledger: books against files, without any tracker: what vanishes and what comes is told, and the O(1) check
 * never says "balanced" when something vanished and everything that came was entered. */
#include "track/ledger.h"
#include "track_child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PAGES 4096u

struct ledger_world {
        struct tc child;
        hb_target *t;
        struct hb_bitmap resident;
        struct hb_ledger l;
        struct hb_bitmap gone, came;
};

static int note_gone(void *arg, unsigned region, uint64_t gfn, uint64_t pages) {
        hb_bitmap_set_range(&((struct ledger_world *)arg)->gone, gfn, pages);
        return 0;
}

static int note_came(void *arg, unsigned region, uint64_t gfn, uint64_t pages) {
        hb_bitmap_set_range(&((struct ledger_world *)arg)->came, gfn, pages);
        return 0;
}

static void walk(struct ledger_world *w) {
        struct hb_ledger_events ev = {.gone = note_gone, .came = note_came, .arg = w};

        hb_bitmap_clear_all(&w->gone);
        hb_bitmap_clear_all(&w->came);
        assert_int_equal(hb_ledger_walk(&w->l, &ev), 0);
}

static int start(void **state) {
        struct ledger_world *w = calloc(1, sizeof *w);
        struct hb_target_claim c[2] = {{.name = "a", .bytes = 3000 * TC_PAGE},
                                       {.name = "b", .bytes = 1096 * TC_PAGE}};

        *state = w;
        if (tc_add(&w->child, -1, PAGES * TC_PAGE) || tc_start(&w->child))
                return -1;
        /* Two regions of one file, so the books of the file are kept once. */
        c[0].remote_addr = (uintptr_t)w->child.region[0].map;
        c[1].remote_addr = c[0].remote_addr + c[0].bytes;
        return hb_target_open(w->child.pid, c, 2, &w->t, NULL) || hb_bitmap_init(&w->resident, PAGES) ||
               hb_bitmap_init(&w->gone, PAGES) || hb_bitmap_init(&w->came, PAGES) ||
               hb_ledger_init(&w->l, w->t, &w->resident);
}

static int stop(void **state) {
        struct ledger_world *w = *state;

        hb_ledger_fini(&w->l);
        hb_target_free(w->t);
        tc_stop(&w->child);
        hb_bitmap_fini(&w->resident);
        hb_bitmap_fini(&w->gone);
        hb_bitmap_fini(&w->came);
        free(w);
        return 0;
}

static void test_walks_find_everything(void **state) {
        struct ledger_world *w = *state;

        walk(w);
        assert_int_equal(hb_bitmap_count(&w->came), 0);
        assert_int_equal(tc_call(&w->child, TC_WRITE, 0, 2990, 20, 1), 0); /* across the two regions */
        walk(w);
        assert_int_equal(hb_bitmap_count(&w->came), 20);
        assert_int_equal(w->l.regions[0].resident, 10);
        assert_int_equal(w->l.regions[1].resident, 10);
        assert_int_equal(tc_call(&w->child, TC_PUNCH, 0, 2995, 7, 1), 0);
        walk(w);
        assert_int_equal(hb_bitmap_count(&w->gone), 7);
        assert_true(hb_bitmap_test(&w->gone, 2995) && hb_bitmap_test(&w->gone, 3001));
        assert_int_equal(hb_bitmap_count(&w->resident), 13);
}

static void test_nothing_is_known_before_two_equal_walks(void **state) {
        struct ledger_world *w = *state;

        assert_int_equal(tc_call(&w->child, TC_WRITE, 0, 0, 100, 1), 0);
        assert_int_equal(hb_ledger_check(&w->l), HB_MISSING);
        walk(w);
        assert_int_equal(hb_ledger_check(&w->l), HB_MISSING);
        walk(w);
        assert_int_equal(hb_ledger_check(&w->l), HB_BALANCED);
}

static void test_the_check_notices(void **state) {
        struct ledger_world *w = *state;

        assert_int_equal(tc_call(&w->child, TC_WRITE, 0, 0, 100, 1), 0);
        walk(w);
        walk(w);
        assert_int_equal(tc_call(&w->child, TC_WRITE, 0, 200, 5, 1), 0);
        assert_int_equal(hb_ledger_check(&w->l), HB_SURPLUS);
        assert_int_equal(hb_ledger_add(&w->l, 0, 198, 4), 4); /* partly wrong: 198 and 199 do not exist */
        assert_int_equal(hb_ledger_add(&w->l, 0, 200, 5), 3);
        assert_int_equal(hb_ledger_check(&w->l), HB_MISSING);
        walk(w);
        assert_int_equal(hb_bitmap_count(&w->gone), 2);
        walk(w);
        assert_int_equal(tc_call(&w->child, TC_PUNCH, 0, 50, 1, 1), 0);
        assert_int_equal(hb_ledger_check(&w->l), HB_MISSING);
        /* One vanished, one came and was entered: still noticed. */
        assert_int_equal(tc_call(&w->child, TC_WRITE, 0, 3500, 1, 1), 0);
        assert_int_equal(hb_ledger_check(&w->l), HB_BALANCED);
        assert_int_equal(hb_ledger_add(&w->l, 1, 3500, 1), 1);
        assert_int_equal(hb_ledger_check(&w->l), HB_MISSING);
}

/* Pages of the file outside every region are no concern, but their coming and going only costs a walk. */
static void test_prealloc_without_content(void **state) {
        struct ledger_world *w = *state;

        assert_int_equal(fallocate(w->child.region[0].fd, 0, 0, 64 * TC_PAGE), 0);
        walk(w);
        assert_int_equal(hb_bitmap_count(&w->came), 0); /* never written: reads as a hole does */
        walk(w);
        assert_int_equal(hb_ledger_check(&w->l), HB_BALANCED);
        assert_int_equal(tc_call(&w->child, TC_WRITE, 0, 3, 1, 1), 0);
        assert_int_equal(hb_ledger_add(&w->l, 0, 3, 1), 1);
        assert_int_equal(hb_ledger_check(&w->l),
                         HB_MISSING); /* no new block, though a new page: a walk settles it */
        walk(w);
        assert_int_equal(hb_bitmap_count(&w->gone), 0);
        walk(w);
        assert_int_equal(hb_ledger_check(&w->l), HB_BALANCED);
}

/* Random histories against an oracle that knows what the child did. */
static void test_random_histories(void **state) {
        struct ledger_world *w = *state;
        static bool there[PAGES];
        uint64_t seed = 2024;

        memset(there, 0, sizeof there);
        walk(w);
        for (int step = 0; step < 400; step++) {
                uint64_t page = tc_random(&seed) % (PAGES - 40), n = 1 + tc_random(&seed) % 40;
                bool punch = tc_random(&seed) % 2;

                assert_int_equal(tc_call(&w->child, punch ? TC_PUNCH : TC_WRITE, 0, page, n, 1), 0);
                for (uint64_t i = page; i < page + n; i++)
                        there[i] = !punch;
                if (step % 3)
                        continue;
                walk(w);
                for (uint64_t i = 0; i < PAGES; i++)
                        assert_int_equal(hb_bitmap_test(&w->resident, i), there[i]);
                uint64_t in_blocks = 0;
                for (unsigned r = 0; r < 2; r++)
                        for (uint64_t b = 0; b < w->l.regions[r].nblocks; b++)
                                in_blocks += w->l.regions[r].in_block[b];
                assert_int_equal(in_blocks, hb_bitmap_count(&w->resident));
        }
        /* Books opened over the same bits say the same. */
        struct hb_ledger again;
        assert_int_equal(hb_ledger_init(&again, w->t, &w->resident), 0);
        for (unsigned r = 0; r < 2; r++)
                assert_memory_equal(again.regions[r].in_block, w->l.regions[r].in_block,
                                    again.regions[r].nblocks * sizeof(uint16_t));
        hb_ledger_fini(&again);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_walks_find_everything, start, stop),
                cmocka_unit_test_setup_teardown(test_nothing_is_known_before_two_equal_walks, start, stop),
                cmocka_unit_test_setup_teardown(test_the_check_notices, start, stop),
                cmocka_unit_test_setup_teardown(test_prealloc_without_content, start, stop),
                cmocka_unit_test_setup_teardown(test_random_histories, start, stop),
        };

        return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
