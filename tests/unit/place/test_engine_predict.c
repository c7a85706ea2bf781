/* test_engine_predict: the whole guest's prediction is what the policy says page by page, whatever the batch;
 * it changes neither decisions nor digest. */
#include "engine_world.h"
#include "map/heat.h"

static void step(struct world *w, unsigned ticks, bool predict, hb_policies *with) {
        float accesses[W_PAGES], writes[W_PAGES];

        for (unsigned i = 0; i < ticks; i++) {
                w_run(w, 1);
                if (predict)
                        hb_engine_predict(w->engine, with, w->now, accesses, writes);
        }
}

static void test_decisions_do_not_change(void **state) {
        for (uint64_t seed = 0; seed < 6; seed++) {
                struct world_options o = {.seed = seed,
                                          .writes_per_tick = 3,
                                          .hot_pages = 40,
                                          .window_bytes = 1 << 20,
                                          .plan_pages = seed % 2 ? 37 : 0};
                struct hb_policy_options p = {0};
                struct world *plain = w_new(&o), *asked = w_new(&o);
                hb_policies *with;
                struct hb_err e;

                assert_int_equal(hb_policies_new(&p, &with, &e), 0);
                step(plain, 800, false, NULL);
                step(asked, 800, true, with);
                assert_true(w_stats(plain).digest != 0);
                assert_int_equal(w_stats(plain).digest, w_stats(asked).digest);
                assert_memory_equal(plain->pages, asked->pages, sizeof(plain->pages));
                hb_policies_free(with);
                w_free(plain);
                w_free(asked);
        }
}

/* The same columns by hand, one page at a time. */
static void expect_page(const struct world *w, hb_policies *with, uint64_t gfn, float accesses,
                        float writes) {
        const struct hb_image_page *p = &w->pages[gfn];
        float age = hb_epochs_age_s(&w->engine->epochs, p->last_access, w->now), heat, read, version, a, b;
        struct hb_policy_pages one = {.n = 1};
        struct hb_policy_guest g = {.now_s = (double)w->now / 1e9, .horizon_s = 2};

        version = hb_epochs_age_s(&w->engine->epochs,
                                  p->last_access < p->c.invalid ? p->last_access : p->c.invalid, w->now);
        heat = p->write_q ? hb_heat_of(p->write_q) * hb_decay((double)age, HB_HEAT_TAU_S) : 0.0f;
        read = hb_heat_of(p->read_q);
        one.age_s = &age;
        one.version_age_s = &version;
        one.write_heat = &heat;
        one.read_heat = &read;
        hb_policies_predict(with, &one, &g, &a, &b);
        assert_true(a == accesses && b == writes);
}

static void test_every_page_is_answered(void **state) {
        for (unsigned plan_pages = 0; plan_pages < 3; plan_pages++) {
                struct world_options o = {.seed = 11, .writes_per_tick = 4, .plan_pages = plan_pages * 61};
                struct hb_policy_options p = {0};
                struct world *w = w_new(&o);
                float accesses[W_PAGES], writes[W_PAGES];
                hb_policies *with;
                struct hb_err e;
                unsigned some = 0;

                assert_int_equal(hb_policies_new(&p, &with, &e), 0);
                w_run(w, 500);
                hb_engine_predict(w->engine, with, w->now, accesses, writes);
                for (uint64_t g = 0; g < W_PAGES; g++) {
                        expect_page(w, with, g, accesses[g], writes[g]);
                        some += accesses[g] > 0;
                }
                assert_true(some > W_PAGES / 2);
                hb_policies_free(with);
                w_free(w);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_decisions_do_not_change),
                cmocka_unit_test(test_every_page_is_answered),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
