/* What the engine promises, one promise a test. */
#include "engine_world.h"
#include <math.h>

static struct world *quiet(uint64_t seed) {
        struct world_options o = {.seed = seed, .no_zero_lists = true};

        return w_new(&o);
}

static void test_a_demand_goes_before_all_else(void **state) {
        struct world_options o = {
                .seed = 3, .pages_per_tick = 1, .window_bytes = 256 * 4096, .no_zero_lists = true};
        struct world *w = w_new(&o);
        uint64_t gfn = W_PAGES - 1;

        w_run(w, 60); /* the window is full of bulk, hundreds of pages wait */
        while (!w->resident[gfn] || hb_engine_page(w->engine, gfn) != HB_PAGE_ABSENT)
                gfn--;
        assert_true(w_stats(w).fetching >= 128);
        hb_engine_demand(w->engine, w->now, gfn);
        assert_int_equal(w->last_class, HB_FETCH_DEMAND); /* at once, from what is kept of the window */
        assert_int_equal(w->last_gfn, gfn);
        assert_int_equal(hb_engine_page(w->engine, gfn), HB_PAGE_FETCHING);
        hb_engine_demand(w->engine, w->now, gfn); /* it is on its way */
        assert_int_equal(w->demands_sent, 1);
        w_free(w);
}

static void test_a_demand_that_cannot_go_waits_its_turn(void **state) {
        struct world_options o = {
                .seed = 4, .pages_per_tick = 2, .window_bytes = 64 * 4096, .no_zero_lists = true};
        struct world *w = w_new(&o);
        uint64_t gfn = W_PAGES - 1;

        w_run(w, 45);
        while (!w->resident[gfn] || hb_engine_page(w->engine, gfn) != HB_PAGE_ABSENT)
                gfn--;
        w->cut = true; /* the transport refuses everything */
        hb_engine_demand(w->engine, w->now, gfn);
        hb_engine_demand(w->engine, w->now, gfn);
        assert_int_equal(w->demands_sent, 0);
        assert_int_equal(hb_engine_page(w->engine, gfn), HB_PAGE_ABSENT);
        w->cut = false;
        w->sent = 0;
        hb_engine_step(w->engine, w->now);
        assert_int_equal(w->demands_sent, 1);
        w_free(w);
}

static void test_holes_are_never_fetched(void **state) {
        struct world *w = quiet(5);

        w_run(w, 300);
        for (unsigned g = 0; g < W_PAGES; g++) {
                hb_engine_demand(w->engine, w->now, g);
                assert_int_equal(w->fetched_of[g], w->resident[g] ? 1 : 0);
        }
        assert_int_equal(w_stats(w).fresh, w_stats(w).resident);
        assert_true(w_freeze(w, 100));
        w_expect_equal(w);
        w_free(w);
}

static void test_a_page_that_becomes_a_hole_costs_nothing(void **state) {
        struct world *w = quiet(6);
        uint64_t sent;

        w_run(w, 300);
        sent = w->sent_pages;
        for (unsigned g = 0; g < 60; g++)
                w_write(w, g, 0);
        w->cut = true; /* no fetch in between */
        w_scan(w);
        w->cut = false;
        w_deliver(w);
        w_deliver(w);
        hb_bitmap_clear_all(&w->scratch);
        hb_bitmap_set_range(&w->scratch, 0,
                            80); /* 20 of them were no holes: then the copy here is fresh, and stays */
        hb_bitmap_clear_range(&w->scratch, 60, 20);
        hb_engine_zero(w->engine, w->now, hb_page_map_epoch(w->map), &w->scratch);
        assert_true(w_stats(w).zero_pages >= 50);
        w_run(w, 50);
        assert_int_equal(w->sent_pages, sent);
        assert_int_equal(w_stats(w).fresh, w_stats(w).resident);
        assert_true(w_freeze(w, 100));
        w_expect_equal(w);
        w_free(w);
}

static void test_a_zero_list_that_is_too_old_changes_nothing(void **state) {
        struct world *w = quiet(7);
        uint32_t stamp;

        w_run(w, 300);
        stamp = hb_page_map_epoch(w->map);
        for (unsigned g = 0; g < 60; g++)
                w_write(w, g, 77);
        w->cut = true;
        w_scan(w);
        w->cut = false;
        w_deliver(w);
        w_deliver(w);
        hb_bitmap_clear_all(&w->scratch);
        hb_bitmap_set_range(&w->scratch, 0, 60);
        hb_engine_zero(w->engine, w->now, stamp, &w->scratch); /* of before the writes */
        assert_int_equal(w_stats(w).zero_pages, 0);
        assert_true(w_stats(w).stale >= 55);
        w_run(w, 100);
        assert_true(w_freeze(w, 100));
        w_expect_equal(w);
        w_free(w);
}

static void test_a_gap_is_asked_for_and_nothing_is_believed(void **state) {
        struct world *w = quiet(8);
        uint32_t processed;

        w_run(w, 100);
        processed = w->processed;
        hb_bitmap_clear_all(&w->scratch);
        assert_int_equal(hb_engine_invalidate(w->engine, w->now, processed + 3, processed + 4, &w->scratch),
                         -ESTALE);
        assert_int_equal(w->processed, processed);
        assert_int_equal(w->resyncs, 0); /* only a step acts */
        hb_engine_step(w->engine, w->now);
        assert_int_equal(w->resyncs, 1);
        assert_int_equal(hb_engine_invalidate(w->engine, w->now, 0, processed, &w->scratch), -EALREADY);
        assert_int_equal(hb_engine_invalidate(w->engine, w->now, 9, 9, &w->scratch), -EINVAL);
        w_free(w);
}

/* A guest that rewrites 30 pages all the time while 600 cold ones are absent: the cold ones must not wait for
 * the hot ones. */
static void test_draining_takes_cold_pages_first(void **state) {
        struct world_options o = {.seed = 9,
                                  .pages_per_tick = 3,
                                  .window_bytes = 64 * 4096,
                                  .epoch_ticks = 20,
                                  .plan_pages = 40,
                                  .no_zero_lists = true};
        struct world *w = w_new(&o);
        unsigned cold_absent, hot_sent_early = 0;

        w->o.transport_max = 1; /* learn the heat first, fetch nearly nothing */
        w->o.refuse = 1000;
        for (unsigned t = 0; t < 600; t++) {
                for (unsigned g = 0; g < 30; g++)
                        w_write(w, g * 3, t + 1);
                w_tick(w);
        }
        w->o.refuse = 0;
        w->o.transport_max = W_FLIGHTS;
        hb_engine_drain(w->engine, w->now, true);
        for (unsigned t = 0; t < 400; t++) {
                for (unsigned g = 0; g < 30; g++)
                        w_write(w, g * 3, t + 1000);
                w_tick(w);
                cold_absent = 0;
                for (unsigned g = 0; g < W_PAGES; g++)
                        cold_absent += w->resident[g] && hb_engine_page(w->engine, g) == HB_PAGE_ABSENT &&
                                       (g >= 90 || g % 3);
                if (cold_absent > 0 && w->last_gfn < 90 && w->last_gfn % 3 == 0 && w->fetched_of[w->last_gfn])
                        hot_sent_early++;
        }
        assert_int_equal(hot_sent_early, 0);
        assert_true(cold_absent == 0);
        assert_true(w->fetched_of[3] > 0); /* in the end they are fetched too */
        assert_true(w_stats(w).draining);
        w->o.writes_per_tick = 0;
        assert_true(w_freeze(w, 1000));
        w_expect_equal(w);
        w_free(w);
}

static void test_outcome_is_counted_at_the_freeze(void **state) {
        struct world_options o = {
                .seed = 10, .pages_per_tick = 2, .window_bytes = 64 * 4096, .no_zero_lists = true};
        struct world *w = w_new(&o);
        struct hb_engine_stats s;

        w_run(w, 200);
        w->o.refuse = 1000;
        for (unsigned g = 0, n = 0; n < 5; g++)
                if (hb_engine_page(w->engine, g) == HB_PAGE_FRESH && ++n)
                        w_write(w, g, 5);
        w_run(w, 21);
        w->o.refuse = 0;
        w_tick(w);
        w->stopped = true;
        w_scan(w);
        for (unsigned g = 0; g < 3; g++)
                w_deliver(w);
        s = w_stats(w);
        assert_true(s.stale > 0 && s.absent > 10 && s.fetching > 0 && s.fresh > 10);
        hb_engine_freeze(w->engine, w->now, hb_page_map_epoch(w->map));
        assert_int_equal(w_stats(w).hit, s.fresh);
        assert_int_equal(w_stats(w).late, s.fetching);
        assert_int_equal(w_stats(w).stale_at_freeze, s.stale);
        assert_int_equal(w_stats(w).missing_at_freeze, s.absent);
        for (unsigned i = 0; i < 1000 && !w->complete; i++)
                w_tick(w);
        assert_int_equal(w->completes, 1);
        assert_int_equal(w_stats(w).final_pages, s.fetching + s.stale + s.absent);
        assert_int_equal(w_stats(w).final_bytes, 2000 * w_stats(w).final_pages);
        w_expect_equal(w);
        w_free(w);
}

/* W(f) may come after the freeze: then what it names was not a hit. */
static void test_a_late_last_announcement_corrects_the_outcome(void **state) {
        struct world *w = quiet(11);
        struct hb_engine_stats before, s;

        w_run(w, 300);
        for (unsigned g = 0; g < 40; g++)
                w_write(w, g, 9);
        w->stopped = true;
        w_scan(w);
        before = w_stats(w);
        hb_engine_freeze(w->engine, w->now, hb_page_map_epoch(w->map));
        hb_engine_step(w->engine, w->now);
        assert_false(w_stats(w).complete); /* all fresh, but not as of f */
        w_run(w, 100);
        s = w_stats(w);
        assert_true(s.complete);
        assert_true(s.stale_at_freeze >= 30 && s.stale_at_freeze <= 40);
        assert_int_equal(s.hit + s.stale_at_freeze, before.fresh);
        w_expect_equal(w);
        w_free(w);
}

static void test_ready_when_all_worth_fetching_is_here(void **state) {
        struct world *w = quiet(12);

        assert_false(w_stats(w).ready);
        w_run(w, 25);
        assert_false(w_stats(w).ready);
        assert_true(w_stats(w).above_threshold > 100);
        w_run(w, 300);
        assert_true(w_stats(w).ready);
        assert_int_equal(w_stats(w).above_threshold, 0);
        assert_true(w->reports >= 2);
        w_free(w);
}

static void test_estimates(void **state) {
        struct world_options o = {
                .seed = 13, .pages_per_tick = 10, .window_bytes = 48 * 4096, .no_zero_lists = true};
        struct world *w = w_new(&o);
        double bytes, final_s, ready_s;
        bool converging;

        hb_engine_estimate(w->engine, &bytes, &final_s, &ready_s, &converging);
        assert_true(bytes == 0 && final_s == 0 && ready_s == 0);
        w_run(w, 21);
        hb_engine_estimate(w->engine, &bytes, &final_s, &ready_s, &converging);
        assert_true(bytes > 500 * 4096.0);
        assert_true(isinf(ready_s) || ready_s > 0.2);
        w_run(w, 20); /* 10 pages in 10 ms: 4 MB/s of memory, 2 MB/s on the wire */
        hb_engine_estimate(w->engine, &bytes, &final_s, &ready_s, &converging);
        assert_true(w_stats(w).rate_bytes_per_s > 2e6 && w_stats(w).rate_bytes_per_s < 7e6);
        assert_true(ready_s > 0.05 && ready_s < 1.5);
        assert_true(final_s < 0.05); /* asked for now, a move first drains: nothing is written meanwhile */
        hb_engine_drain(w->engine, w->now, true);
        hb_engine_estimate(w->engine, &bytes, &final_s, &ready_s, &converging);
        assert_true(final_s > 0.05 && final_s < 1.5); /* draining already: what is open now is what is left */
        hb_engine_drain(w->engine, w->now, false);
        w_run(w, 300);
        hb_engine_estimate(w->engine, &bytes, &final_s, &ready_s, &converging);
        assert_true(ready_s == 0 && converging);
        assert_true(bytes < 10 * 4096);

        w->o.writes_per_tick = 60; /* far more than the link carries */
        w_run(w, 1000);
        hb_engine_drain(w->engine, w->now, true);
        w_run(w, 200);
        hb_engine_estimate(w->engine, &bytes, &final_s, &ready_s, &converging);
        assert_false(converging);
        assert_true(isinf(ready_s));
        assert_true(bytes > 100 * 2000.0 && final_s > 0.1);
        w->o.writes_per_tick = 0;
        w_run(w, 3000);
        hb_engine_estimate(w->engine, &bytes, &final_s, &ready_s, &converging);
        assert_true(converging);
        w_free(w);
}

static void test_wasted_copies_and_accuracy_are_measured(void **state) {
        struct world_options o = {
                .seed = 14, .writes_per_tick = 4, .hot_pages = 100, .epoch_ticks = 10, .no_zero_lists = true};
        struct world *w = w_new(&o);
        struct hb_engine_stats s;

        assert_true(w_stats(w).precision < 0 && w_stats(w).recall < 0);
        w_run(w, 2500);
        s = w_stats(w);
        assert_true(s.wasted_pages > 100 && s.wasted_pages <= s.fetched_pages);
        assert_true(s.recall >= 0 && s.recall <= 1);
        assert_true(s.precision > 0 && s.precision <= 1);
        assert_true(s.wasted_share >= 0 && s.wasted_share <= 1);
        w_free(w);
}

static void test_the_last_delta_may_use_a_larger_window(void **state) {
        struct world_options o = {
                .seed = 15, .pages_per_tick = 4, .window_bytes = 64 * 4096, .no_zero_lists = true};
        struct world *w = w_new(&o);

        w_run(w, 30);
        assert_true(w->most_flying <= 64);
        assert_true(w_freeze(w, 2000));
        assert_true(w->most_flying > 64 && w->most_flying <= 256);
        w_expect_equal(w);
        w_free(w);
}

static void test_giving_up_goes_on_as_before(void **state) {
        struct world *w = quiet(16);

        w_run(w, 30);
        assert_true(w_freeze(w, 1000));
        assert_true(w_stats(w).final_pages > 100);
        assert_true(w_stats(w).complete);
        hb_engine_thaw(w->engine, w->now);
        assert_false(w_stats(w).frozen || w_stats(w).complete);
        assert_int_equal(w_stats(w).final_epoch, 0);
        w->stopped = false;
        w->complete = 0;
        for (unsigned g = 0; g < 40; g++)
                w_write(w, g, 123);
        w_run(w, 300);
        assert_int_equal(w->completes, 1);
        assert_true(w_freeze(w, 1000));
        assert_int_equal(w->completes, 2);
        assert_int_equal(w_stats(w).missing_at_freeze, 0);
        assert_int_equal(w_stats(w).hit, w_stats(w).resident); /* copies of the first freeze count now */
        w_expect_equal(w);
        w_free(w);
}

static void test_foreign_answers_are_ignored(void **state) {
        struct world *w = quiet(17);
        struct hb_engine_stats a, b;

        w_run(w, 300);
        a = w_stats(w);
        hb_engine_fetched(w->engine, w->now, 5, 10, 1, 100, 0);           /* nobody asked */
        hb_engine_fetched(w->engine, w->now, W_PAGES - 2, 10, 9, 100, 0); /* past the end */
        hb_engine_failed(w->engine, w->now, UINT64_MAX - 1, 3);
        hb_engine_summary(w->engine, w->now, 3, &(struct hb_summary_entry){.gfn = W_PAGES - 1, .pages = 2});
        hb_engine_summary(w->engine, w->now, 3, &(struct hb_summary_entry){.gfn = 2, .pages = UINT64_MAX});
        b = w_stats(w);
        assert_int_equal(a.fetched_pages, b.fetched_pages);
        assert_int_equal(a.fresh, b.fresh);
        assert_true(hb_page_ledger_sound(&w->engine->ledger));
        assert_int_equal(hb_engine_page(w->engine, W_PAGES), HB_PAGE_ABSENT);
        w_free(w);
}

static void test_the_histogram_counts_candidates(void **state) {
        struct world_options o = {.seed = 18, .refuse = 1000, .no_zero_lists = true};
        struct world *w = w_new(&o);
        uint32_t histogram[HB_POLICY_BUCKETS];
        uint64_t sum = 0;

        w_run(w, 60);
        hb_engine_histogram(w->engine, histogram);
        for (unsigned b = 0; b < HB_POLICY_BUCKETS; b++)
                sum += histogram[b];
        assert_int_equal(sum, w_stats(w).absent);
        w_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_demand_goes_before_all_else),
                cmocka_unit_test(test_a_demand_that_cannot_go_waits_its_turn),
                cmocka_unit_test(test_holes_are_never_fetched),
                cmocka_unit_test(test_a_page_that_becomes_a_hole_costs_nothing),
                cmocka_unit_test(test_a_zero_list_that_is_too_old_changes_nothing),
                cmocka_unit_test(test_a_gap_is_asked_for_and_nothing_is_believed),
                cmocka_unit_test(test_draining_takes_cold_pages_first),
                cmocka_unit_test(test_outcome_is_counted_at_the_freeze),
                cmocka_unit_test(test_a_late_last_announcement_corrects_the_outcome),
                cmocka_unit_test(test_ready_when_all_worth_fetching_is_here),
                cmocka_unit_test(test_estimates),
                cmocka_unit_test(test_wasted_copies_and_accuracy_are_measured),
                cmocka_unit_test(test_the_last_delta_may_use_a_larger_window),
                cmocka_unit_test(test_giving_up_goes_on_as_before),
                cmocka_unit_test(test_foreign_answers_are_ignored),
                cmocka_unit_test(test_the_histogram_counts_candidates),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
