/* What the engine promises of pages whose bytes the host has, one promise a test. That runs are all KNOWN or
 * none is asserted for every run of every life (engine_world.h). */
#include "engine_world.h"
#include <math.h>

static struct world *quiet(uint64_t seed) {
        struct world_options o = {.seed = seed, .no_zero_lists = true};

        return w_new(&o);
}

/* The target has what these pages hold now. */
static void have(struct world *w, uint64_t gfn, uint64_t pages) {
        for (uint64_t g = gfn; g < gfn + pages; g++) {
                struct held *h = &w->held[g];

                memcpy(h->print, w->mem[g], sizeof(h->print));
                memcpy(h->bytes, w->mem[g], sizeof(h->bytes));
                h->stamp = hb_page_map_epoch(w->map);
        }
        hb_engine_known(w->engine, w->now, gfn, (uint32_t)pages, hb_page_map_epoch(w->map), true);
}

static struct hb_engine_page_view look(struct world *w, uint64_t gfn) {
        struct hb_engine_page_view v;

        assert_int_equal(hb_engine_look(w->engine, NULL, gfn, 1, &v), 0);
        return v;
}

/* The source has announced its pages, nothing has been fetched. */
static struct world *announced(uint64_t seed) {
        struct world *w = quiet(seed);

        w->cut = true; /* so that nothing is taken */
        w_scan(w);
        w->cut = false;
        for (unsigned i = 0; i < 3; i++)
                w_deliver(w);
        assert_int_equal(w->processed, 1);
        assert_true(w_stats(w).absent > 500);
        return w;
}

static uint64_t resident(const struct world *w, uint64_t gfn) {
        while (!w->resident[gfn])
                gfn++;
        return gfn;
}

/* A copy of the page is under way, and the world does not answer it. */
static struct flight *copying(struct world *w, uint64_t gfn) {
        have(w, gfn, 1);
        hb_engine_demand(w->engine, w->now, gfn);
        for (unsigned k = 0; k < W_FLIGHTS; k++)
                if (w->flight[k].used && w->flight[k].gfn == gfn && w->flight[k].copy)
                        return &w->flight[k];
        fail_msg("no copy of page %llu", (unsigned long long)gfn);
        return NULL;
}

static void test_what_is_there_is_copied(void **state) {
        struct world *w = announced(2);
        struct hb_engine_stats s;

        have(w, 0, W_PAGES);
        s = w_stats(w);
        assert_int_equal(s.known_pages, s.resident);
        w_run(w, 60);
        s = w_stats(w);
        assert_true(s.fresh == s.resident && s.copied_pages == s.resident && s.known_pages == 0);
        assert_true(s.fetched_pages == 0 && s.wire_bytes == 0 && s.refuted_pages == 0);
        assert_true(s.rate_bytes_per_s == 0); /* nobody knows how fast the link is */
        assert_true(s.ready);
        assert_true(w_freeze(w, 100));
        w_expect_equal(w);
        s = w_stats(w);
        assert_true(s.hit == s.resident && s.final_pages == 0 &&
                    s.final_bytes == 0); /* made ahead, like others */
        w_free(w);
}

static void test_policies_are_shown_what_it_costs(void **state) {
        struct world *w = announced(3);
        uint64_t g = resident(w, 10), other = resident(w, g + 1);

        assert_true(look(w, g).bytes_to_send > 0 && !look(w, g).known);
        have(w, g, 1);
        assert_true(look(w, g).bytes_to_send == 0 && look(w, g).known && look(w, g).wanted);
        assert_true(look(w, other).bytes_to_send > 0 && !look(w, other).known);
        assert_true(look(w, g).run_length == 1);
        assert_true(w->engine->planner.batch.view.known != NULL);
        w_free(w);
}

/* Half of the memory is here: the rate is that of the other half, and what is to come is counted without it.
 */
static void test_the_link_is_judged_by_what_crosses_it(void **state) {
        struct world_options o = {
                .seed = 4, .no_zero_lists = true, .pages_per_tick = 5, .window_bytes = 32 * 4096};
        struct world *with = w_new(&o), *without = w_new(&o);
        struct world *both[] = {with, without};
        double bytes[2], s, ready[2], rate[2];
        bool converging;

        for (unsigned i = 0; i < 2; i++) {
                w_run(both[i], 22);
                if (both[i] == with)
                        have(with, 0, 300);
                w_run(both[i], 25);
                hb_engine_estimate(both[i]->engine, &bytes[i], &s, &ready[i], &converging);
                rate[i] = w_stats(both[i]).rate_bytes_per_s;
        }
        assert_true(w_stats(with).copied_pages > 100 && rate[1] > 1e6);
        assert_true(rate[0] < rate[1] * 1.25 && rate[0] > rate[1] * 0.6);
        assert_true(ready[0] < ready[1] * 0.85);
        hb_engine_drain(with->engine, with->now, true);
        hb_engine_drain(without->engine, without->now, true);
        for (unsigned i = 0; i < 2; i++)
                hb_engine_estimate(both[i]->engine, &bytes[i], &s, &ready[i], &converging);
        assert_true(bytes[0] < bytes[1] * 0.85);
        w_free(with);
        w_free(without);
}

static void test_an_operator_does_not_wait_for_the_link(void **state) {
        struct world *w = announced(5);
        uint64_t g = resident(w, 50);

        w->cut = true;
        assert_int_equal(copying(w, g)->class, HB_FETCH_DEMAND);
        w_link(w);
        w_run(w, 5);
        assert_int_equal(hb_engine_page(w->engine, g), HB_PAGE_FRESH);
        w_free(w);
}

static void test_the_last_delta_is_copied_too(void **state) {
        struct world *w = quiet(6);

        w_run(w, 200);
        for (uint64_t g = 0; g < 40; g++)
                w_write(w, g, g + 1);
        w->stopped = true;
        w_scan(w);
        while (w->processed < hb_page_map_epoch(w->map))
                w_deliver(w);
        have(w, 0, 30);
        hb_engine_freeze(w->engine, w->now, hb_page_map_epoch(w->map));
        w->sent_pages = 0;
        w_run(w, 50);
        assert_true(w->complete);
        w_expect_equal(w);
        assert_true(w_stats(w).copied_pages == 30 && w_stats(w).final_pages == 10);
        w_free(w);
}

/* ---- what ends it ---- */

static void test_a_write_ends_it(void **state) {
        struct world *w = announced(7);
        uint64_t g = resident(w, 20), other = resident(w, g + 1);
        struct flight *f;

        have(w, g, 1);
        f = copying(w, other);
        assert_true(look(w, g).known && look(w, other).known);
        w_write(w, g, 77);
        w_write(w, other, 78);
        w_scan(w);
        while (w->processed < 2)
                w_deliver(w);
        assert_false(look(w, g).known);
        assert_true(look(w, other).known); /* says how it comes, no more */
        w_land_copy(w, f);
        assert_int_equal(hb_engine_page(w->engine, other), HB_PAGE_STALE);
        assert_false(look(w, other).known);
        assert_int_equal(w_stats(w).wasted_pages, 1);
        assert_true(w_freeze(w, 200));
        w_expect_equal(w);
        w_free(w);
}

/* Told after the announcement of a later write: they are the bytes of before. */
static void test_old_prints_are_passed_over(void **state) {
        struct world *w = announced(8);
        uint64_t g = resident(w, 30);

        hb_engine_known(w->engine, w->now, g, 1, 0, true); /* no stamp */
        assert_false(look(w, g).known);
        w_write(w, g, 5);
        w_scan(w);
        while (w->processed < 2)
                w_deliver(w);
        hb_engine_known(w->engine, w->now, g, 1, 1, true);
        assert_false(look(w, g).known);
        hb_engine_known(w->engine, w->now, g, 1, 2, true);
        assert_true(look(w, g).known);
        hb_engine_known(w->engine, w->now, g, 1, 0, false); /* whoever held them is gone */
        assert_false(look(w, g).known);
        w_run(w, 60);
        hb_engine_known(w->engine, w->now, g, 1, 2, true); /* fresh */
        assert_false(look(w, g).known);
        w_free(w);
}

static void test_other_bytes_come_from_the_source(void **state) {
        struct world *w = announced(9);
        uint64_t g = resident(w, 40);
        struct flight *f = copying(w, g);

        f->held[0].bytes[1] ^= 1;
        w_land_copy(w, f);
        assert_int_equal(w_stats(w).refuted_pages, 1);
        assert_true(w_stats(w).failed_pages == 0 && w_stats(w).copied_pages == 0);
        assert_true(look(w, g).state == HB_PAGE_ABSENT && look(w, g).wanted && !look(w, g).known);
        w_run(w, 60);
        assert_true(w_freeze(w, 100));
        w_expect_equal(w);
        assert_int_equal(w_stats(w).copied_pages, 0);
        w_free(w);
}

/* ---- two kinds of answers ---- */

static void test_answers_are_not_mixed_up(void **state) {
        struct world *w = announced(10);
        uint64_t g = resident(w, 60), other = resident(w, g + 1);
        struct flight *f = copying(w, g);

        hb_engine_fetched(w->engine, w->now, g, 1, 1, 100, 0); /* of a fetch given up long ago */
        hb_engine_failed(w->engine, w->now, g, 1);
        assert_int_equal(hb_engine_page(w->engine, g), HB_PAGE_FETCHING);
        hb_engine_demand(w->engine, w->now, other);            /* from the source */
        hb_engine_known(w->engine, w->now, other, 1, 1, true); /* too late */
        hb_engine_copied(w->engine, w->now, other, 1, 1, 0);
        hb_engine_refuted(w->engine, w->now, other, 1);
        assert_int_equal(hb_engine_page(w->engine, other), HB_PAGE_FETCHING);
        assert_true(w_stats(w).fetched_pages == 0 && w_stats(w).copied_pages == 0 &&
                    w_stats(w).refuted_pages == 0);
        w_cut(w); /* a lost connection is no matter of copies */
        assert_int_equal(hb_engine_page(w->engine, g), HB_PAGE_FETCHING);
        assert_int_equal(hb_engine_page(w->engine, other), HB_PAGE_ABSENT);
        w_land_copy(w, f);
        assert_int_equal(hb_engine_page(w->engine, g), HB_PAGE_FRESH);
        assert_true(hb_page_ledger_sound(&w->engine->ledger));
        w_reconnect(w);
        w_run(w, 60);
        assert_true(w_freeze(w, 100));
        w_expect_equal(w);
        w_free(w);
}

static void test_a_new_engine_knows_of_none(void **state) {
        struct world *w = announced(11);

        have(w, 0, W_PAGES);
        copying(w, resident(w, 5))->used = false; /* killed in the midst of it */
        w->flying = 0;
        hb_engine_free(w->engine);
        w->engine = w_engine(w);
        assert_true(w_stats(w).known_pages == 0 && w_stats(w).fetching == 0);
        w_reconnect(w);
        w_run(w, 100);
        assert_true(w_stats(w).copied_pages == 0 && w_freeze(w, 200));
        w_expect_equal(w);
        w_free(w);
}

/* Who cannot copy is never asked to. */
static void test_without_the_means_no_page_is_known(void **state) {
        struct world *w = announced(12);

        w->engine->ops.copy = NULL;
        have(w, 0, W_PAGES);
        assert_int_equal(w_stats(w).known_pages, 0);
        w_run(w, 100);
        assert_true(w_stats(w).fetched_pages > 500);
        w_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_there_is_copied),
                cmocka_unit_test(test_policies_are_shown_what_it_costs),
                cmocka_unit_test(test_the_link_is_judged_by_what_crosses_it),
                cmocka_unit_test(test_an_operator_does_not_wait_for_the_link),
                cmocka_unit_test(test_the_last_delta_is_copied_too),
                cmocka_unit_test(test_a_write_ends_it),
                cmocka_unit_test(test_old_prints_are_passed_over),
                cmocka_unit_test(test_other_bytes_come_from_the_source),
                cmocka_unit_test(test_answers_are_not_mixed_up),
                cmocka_unit_test(test_a_new_engine_knows_of_none),
                cmocka_unit_test(test_without_the_means_no_page_is_known),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
