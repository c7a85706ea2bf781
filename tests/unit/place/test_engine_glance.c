/* A glance at pages: as a look and a prediction say, for any list of pages, and without a trace in what is
 * decided. */
#include "engine_world.h"
#include "map/heat.h"

static void glance(struct world *w, uint32_t step_pages, float *reads, float *writes, float *expected) {
        uint32_t gfn[W_PAGES], n = 0;

        for (uint32_t g = 0; g < W_PAGES; g += step_pages)
                gfn[n++] = g;
        for (uint32_t at = 0, most = w->engine->planner.batch_max; at < n; at += most)
                assert_int_equal(hb_engine_glance(w->engine, gfn + at, n - at < most ? n - at : most,
                                                  reads + at, writes + at, expected + at),
                                 0);
}

static void it_says_what_a_look_and_a_prediction_say(void **state) {
        for (unsigned plan_pages = 0; plan_pages < 3; plan_pages++)
                for (uint32_t every = 1; every < 8; every += 3) {
                        struct world_options o = {
                                .seed = 5, .writes_per_tick = 4, .plan_pages = plan_pages * 61};
                        struct hb_policy_options p = {0};
                        struct world *w = w_new(&o);
                        float accesses[W_PAGES], writes[W_PAGES], rh[W_PAGES], wh[W_PAGES], expected[W_PAGES];
                        struct hb_engine_page_view view[W_PAGES];
                        hb_policies *with;
                        struct hb_err e;
                        unsigned some = 0;

                        assert_int_equal(hb_policies_new(&p, &with, &e), 0);
                        w_run(w, 500);
                        hb_engine_predict(w->engine, with, w->engine->now_ns, accesses, writes);
                        assert_int_equal(hb_engine_look(w->engine, NULL, 0, W_PAGES, view), 0);
                        glance(w, every, rh, wh, expected);
                        for (uint32_t g = 0, i = 0; g < W_PAGES; g += every, i++) {
                                assert_true(expected[i] == accesses[g]);
                                assert_true(rh[i] == view[g].read_heat && wh[i] == view[g].write_heat);
                                some += expected[i] > 0;
                        }
                        assert_true(some > W_PAGES / every / 2);
                        hb_policies_free(with);
                        w_free(w);
                }
}

static void nothing_is_decided_otherwise(void **state) {
        for (uint64_t seed = 0; seed < 4; seed++) {
                struct world_options o = {.seed = seed,
                                          .writes_per_tick = 3,
                                          .hot_pages = 40,
                                          .window_bytes = 1 << 20,
                                          .plan_pages = seed % 2 ? 37 : 0};
                struct world *plain = w_new(&o), *seen = w_new(&o);
                float rh[W_PAGES], wh[W_PAGES], expected[W_PAGES];

                for (unsigned i = 0; i < 500; i++) {
                        w_run(plain, 1);
                        w_run(seen, 1);
                        glance(seen, 1 + i % 5, rh, wh, expected);
                }
                assert_true(w_stats(plain).digest != 0);
                assert_int_equal(w_stats(plain).digest, w_stats(seen).digest);
                assert_memory_equal(plain->pages, seen->pages, sizeof(plain->pages));
                w_free(plain);
                w_free(seen);
        }
}

static void what_is_no_page_is_refused(void **state) {
        struct world_options o = {.seed = 1};
        struct world *w = w_new(&o);
        uint32_t gfn[] = {0, W_PAGES};
        float rh[2] = {1, 1}, wh[2] = {1, 1}, expected[2] = {1, 1};

        assert_int_equal(hb_engine_glance(w->engine, gfn, 2, rh, wh, expected), -EINVAL);
        assert_true(rh[0] == 0 && wh[1] == 0 && expected[1] == 0);
        assert_int_equal(hb_engine_glance(w->engine, gfn, 0, rh, wh, expected), 0);
        assert_int_equal(hb_engine_glance(w->engine, gfn, 1, rh, wh, expected), 0);
        assert_int_equal(hb_engine_glance(w->engine, gfn, 1, rh, wh, NULL), 0);
        w_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_says_what_a_look_and_a_prediction_say),
                cmocka_unit_test(nothing_is_decided_otherwise),
                cmocka_unit_test(what_is_no_page_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
