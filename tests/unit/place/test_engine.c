/* The engine in a whole world (engine_world.h): hundreds of lives with every kind of trouble, each to
 * completion and compared byte for byte. */
#include "base/fault.h"
#include "engine_world.h"

/* Trouble by seed: each kind is absent in some lives. */
static struct world_options troubled(uint64_t seed) {
        struct world_options o = {.seed = seed};

        o.writes_per_tick = (unsigned)(seed % 5) * 3;
        o.hot_pages = seed % 3 ? 40 : 0;
        o.epoch_ticks = 5 + (unsigned)(seed % 7) * 6;
        o.pages_per_tick = 4 + (unsigned)(seed * 7 % 40);
        o.window_bytes = (seed % 4 ? 64u << (seed % 4) : 1u) * 4096;
        o.transport_max = seed % 6 ? 16 : 2;
        o.plan_pages = seed % 5 ? 0 : 50 + (unsigned)(seed % 300);
        o.lose = seed % 4 == 1 ? 150 : 0;
        o.repeat = seed % 4 == 2 ? 200 : 0;
        o.reorder = seed % 5 == 3 ? 150 : 0;
        o.fail = seed % 3 == 1 ? 30 : 0;
        o.refuse = seed % 7 == 2 ? 300 : 0;
        o.zero = seed % 2 ? 100 : 0;
        o.no_summaries = seed % 11 == 0;
        o.known = seed % 3 ? 100 + (unsigned)(seed * 53 % 900) : 0;
        o.lie = seed % 6 == 4 ? 150 : 0;
        return o;
}

static void live(struct world *w) {
        w_run(w, 150 + (unsigned)w_rnd(w, 100));
        if (w->o.seed % 3 == 0) { /* the link goes and comes back */
                w_cut(w);
                w_run(w, 30);
                w_reconnect(w);
        }
        if (w->o.seed % 4 == 0) /* somebody looks at pages */
                for (unsigned i = 0; i < 30; i++) {
                        hb_engine_demand(w->engine, w->now, w_rnd(w, W_PAGES + 5));
                        w_tick(w);
                }
        if (w->o.seed % 2) {
                hb_engine_drain(w->engine, w->now, true);
                w_run(w, 100);
        }
        if (w->o.seed % 5 == 0) { /* a hand-over that is given up */
                w_freeze(w, (unsigned)w_rnd(w, 20));
                hb_engine_thaw(w->engine, w->now);
                w->stopped = false;
                w->complete = 0;
                w_run(w, 60);
        }
}

static void expect_end(struct world *w) {
        struct hb_engine_stats s;

        if (!w_freeze(w, 20000))
                fail_msg("seed %llu never completed", (unsigned long long)w->o.seed);
        w_expect_equal(w);
        s = w_stats(w);
        assert_true(s.complete && s.frozen);
        assert_int_equal(s.fresh, s.resident);
        assert_int_equal(s.stale + s.absent + s.fetching, 0);
        assert_true(s.hit + s.late + s.stale_at_freeze + s.missing_at_freeze <= s.resident);
}

static void test_every_life_ends_equal(void **state) {
        unsigned long long pages = 0, resyncs = 0, copied = 0, refuted = 0;

        for (uint64_t seed = 1; seed <= 400; seed++) {
                struct world_options o = troubled(seed);
                struct world *w = w_new(&o);

                live(w);
                expect_end(w);
                w_run(w, 30);
                assert_true(w->completes <= 2 && w->complete);
                pages += w->sent_pages;
                resyncs += w->resyncs;
                copied += w_stats(w).copied_pages;
                refuted += w_stats(w).refuted_pages;
                w_free(w);
        }
        assert_true(resyncs > 20);
        assert_true(copied > 10000 && refuted > 1000);
        print_message("%llu pages asked for, %llu copied, %llu refuted, %llu lost announcements noticed\n",
                      pages, copied, refuted, resyncs);
}

/* The lives above can tell: with copies whose stamps are of when they were copied, some end with other bytes.
 */
static void test_a_copy_with_a_later_stamp_is_seen(void **state) {
        unsigned wrong = 0;

        for (uint64_t seed = 1; seed <= 60; seed++) {
                struct world_options o = troubled(seed);
                struct world *w;

                o.known = 900;
                o.writes_per_tick = 6;
                o.late_stamps = true;
                w = w_new(&o);
                live(w);
                wrong += w_freeze(w, 20000) && !w_equal(w);
                w_free(w);
        }
        assert_true(wrong > 5);
}

static void test_the_same_life_twice_decides_the_same(void **state) {
        uint64_t last = 0;

        for (uint64_t seed = 1; seed <= 30; seed++) {
                struct hb_engine_stats s[2];

                for (unsigned k = 0; k < 2; k++) {
                        struct world_options o = troubled(seed);
                        struct world *w = w_new(&o);

                        live(w);
                        w_freeze(w, 20000);
                        s[k] = w_stats(w);
                        w_free(w);
                }
                assert_int_equal(s[0].digest, s[1].digest);
                assert_int_equal(s[0].fetched_pages, s[1].fetched_pages);
                assert_true(s[0].digest != last && s[0].digest != 0);
                last = s[0].digest;
        }
}

static void test_any_one_failure_is_survived(void **state) {
        unsigned rounds = 0;

        for (unsigned n = 1;; n += 1 + n / 6, rounds++) { /* the n-th fault point passed fails */
                struct world_options o = troubled(1 + 2 * rounds);
                struct world *w = w_new(&o);
                char spec[32];
                hb_engine *e;
                bool met;

                hb_engine_free(w->engine);
                snprintf(spec, sizeof(spec), "*=fail@%u", n);
                assert_int_equal(hb_fault_arm(spec), 0);
                e = w_engine(w);
                w->engine = e ? e : w_engine(w);
                assert_non_null(w->engine);
                w_run(w, 60);
                expect_end(w);
                met = hb_fault_passed() >= n;
                hb_fault_disarm();
                w_free(w);
                if (!met)
                        break;
        }
        assert_true(rounds > 15);
}

/* A new engine on the records of the old one: what was fresh stays, what was in flight is fetched again. */
static void test_a_restarted_target_goes_on(void **state) {
        for (uint64_t seed = 1; seed <= 40; seed++) {
                struct world_options o = troubled(seed);
                struct world *w = w_new(&o);
                uint64_t fresh;

                w_run(w, 200);
                for (unsigned k = 0; k < W_FLIGHTS; k++) { /* killed: nobody hears of what was in flight */
                        struct flight *f = &w->flight[k];

                        for (uint32_t i = 0; f->used && i < f->pages; i++)
                                w->image[f->gfn + i][0] = 0xBAD;
                        f->used = false;
                }
                for (unsigned k = 0; k < W_LETTERS; k++)
                        w->letter[k].used = false;
                w->flying = 0;
                fresh = w_stats(w).fresh;
                hb_engine_free(w->engine);
                w->engine = w_engine(w);
                assert_non_null(w->engine);
                assert_int_equal(w_stats(w).fresh, fresh);
                assert_int_equal(w_stats(w).fetching, 0);
                w_reconnect(w);
                w_run(w, 100);
                expect_end(w);
                w_free(w);
        }
}

static void test_a_reconnect_refetches_nothing_fresh(void **state) {
        struct world_options o = {.seed = 5};
        struct world *w = w_new(&o);
        uint32_t before[W_PAGES];
        unsigned again = 0;

        w_run(w, 400);
        assert_int_equal(w_stats(w).fresh, w_stats(w).resident);
        memcpy(before, w->fetched_of, sizeof(before));
        w_cut(w);
        w_run(w, 50);
        for (unsigned g = 0; g < 10; g++)
                w_write(w, g * 7, 42);
        w_run(w, 50);
        w_reconnect(w);
        w_run(w, 400);
        for (unsigned g = 0; g < W_PAGES; g++)
                again += w->fetched_of[g] - before[g];
        assert_int_equal(again, 10);
        assert_int_equal(w_stats(w).fresh, w_stats(w).resident);
        expect_end(w);
        w_free(w);
}

static void test_the_window_fills_and_holds(void **state) {
        struct world_options o = {.seed = 8, .window_bytes = 128 * 4096, .pages_per_tick = 2};
        struct world *w = w_new(&o);

        w_run(w, 100);
        assert_true(w->most_flying >= 64 &&
                    w->most_flying <= 128); /* the upper bound is also checked at every fetch */
        w_free(w);
}

static void test_a_full_transport_is_waited_for(void **state) {
        struct world_options o = {.seed = 9, .transport_max = 1, .pages_per_tick = 3};
        struct world *w = w_new(&o);

        w_run(w, 40);
        assert_true(w->refused > 10);
        assert_true(w_stats(w).fetching <= 64);
        w_run(w, 3000);
        assert_int_equal(w_stats(w).fresh, w_stats(w).resident);
        assert_int_equal(w_stats(w).failed_pages, 0);
        expect_end(w);
        w_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_life_ends_equal),
                cmocka_unit_test(test_a_copy_with_a_later_stamp_is_seen),
                cmocka_unit_test(test_the_same_life_twice_decides_the_same),
                cmocka_unit_test(test_any_one_failure_is_survived),
                cmocka_unit_test(test_a_restarted_target_goes_on),
                cmocka_unit_test(test_a_reconnect_refetches_nothing_fresh),
                cmocka_unit_test(test_the_window_fills_and_holds),
                cmocka_unit_test(test_a_full_transport_is_waited_for),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
