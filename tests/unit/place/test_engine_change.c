/* An engine's policies swapped while it works, what those that learn are told, and why a page is not fetched.
 */
#include "base/fault.h"
#include "change_rig.h"
#include "engine_world.h"
#include "place/engine_input.h"
#include <math.h>

#define EWMA HB_SOURCE_DIR "/policies/predict/ewma.lua"

static const char by_age[] = "local p = { api = 1, kind = 'scorer', name = 'by_age', version = '1',\n"
                             "  params = { tau = { default = 5, min = 1, max = 100, help = 'x' } } }\n"
                             "function p:score(pages, link)\n"
                             "  return hb.term('young', 1 - pages.age_s / self.params.tau)\n"
                             "end\n"
                             "return p\n";

static char *text_of(const char *path) {
        static char text[65536];
        FILE *f = fopen(path, "r");
        size_t n;

        assert_non_null(f);
        n = fread(text, 1, sizeof(text) - 1, f);
        text[n] = '\0';
        fclose(f);
        return text;
}

static void decided(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c, unsigned bucket) {
        uint64_t *sum = arg;

        *sum = (*sum ^ (gfn << 32 | pages << 16 | (unsigned)c << 8 | bucket)) * 0x9E3779B97F4A7C15ull;
}

/* ---- swaps ---- */

enum swap { NONE, SHADOW_ONLY, SAME_AGAIN, OTHER, INFORMED, SWAPS };

static uint64_t live_with(enum swap s, uint64_t seed, struct hb_engine_stats *ret) {
        struct world_options o = {.seed = seed,
                                  .writes_per_tick = 4,
                                  .hot_pages = 60,
                                  .window_bytes = 1 << 18,
                                  .pages_per_tick = 6};
        struct world *w = w_new(&o);
        hb_policies *also = s == INFORMED ? cr_builtins() : NULL;
        struct hb_err e;
        uint64_t sum = 0;

        hb_engine_set_decided(w->engine, decided, &sum);
        hb_engine_inform(w->engine, also);
        w_run(w, 150);
        if (s == SHADOW_ONLY || s == OTHER)
                cr_must(cr_shadow(w->engine, w->now, HB_POLICY_SCORER, "by_age", by_age, &e), &e);
        if (s == SAME_AGAIN)
                cr_must(cr_shadow(w->engine, w->now, HB_POLICY_PREDICTOR, "ewma", text_of(EWMA), &e), &e);
        w_run(w, 50);
        if (s == OTHER || s == SAME_AGAIN)
                cr_must(cr_do(w->engine, w->now, HB_POLICY_PROMOTE,
                              s == OTHER ? HB_POLICY_SCORER : HB_POLICY_PREDICTOR, &e),
                        &e);
        w_run(w, 1500);
        hb_engine_set_decided(w->engine, NULL, NULL);
        hb_engine_inform(w->engine, NULL);
        *ret = w_stats(w);
        w_free(w);
        hb_policies_free(also);
        return sum;
}

static void test_decisions_change_when_the_policy_does(void **state) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
                struct hb_engine_stats st[SWAPS], again;
                uint64_t sum[SWAPS];

                for (unsigned s = 0; s < SWAPS; s++)
                        sum[s] = live_with((enum swap)s, seed, &st[s]);
                assert_true(sum[NONE] != 0);
                assert_true(sum[NONE] == sum[SHADOW_ONLY]); /* judged beside, decides nothing */
                assert_true(sum[NONE] == sum[SAME_AGAIN]);  /* the file says what the built-in says */
                assert_true(sum[NONE] == sum[INFORMED]);
                assert_true(sum[NONE] != sum[OTHER]);
                assert_true(st[NONE].digest == st[INFORMED].digest);
                assert_true(st[NONE].digest != st[SHADOW_ONLY].digest); /* the change itself is in it */
                assert_true(live_with(OTHER, seed, &again) == sum[OTHER] && again.digest == st[OTHER].digest);
        }
}

static void test_what_is_refused_is_no_input(void **state) {
        struct world_options o = {.seed = 4, .writes_per_tick = 2};
        struct world *w = w_new(&o);
        struct hb_policy_change c = {.op = HB_POLICY_MODEL, .source = "no model", .size = 8};
        struct hb_engine_stats before, after;
        struct hb_err e = {0};

        w_run(w, 50);
        before = w_stats(w);
        assert_int_equal(cr_shadow(w->engine, w->now, HB_POLICY_SCORER, "bad", "return 5", &e), -EINVAL);
        assert_true(e.what[0] != '\0');
        assert_int_equal(cr_do(w->engine, w->now, HB_POLICY_PROMOTE, HB_POLICY_SCORER, &e), -ENOENT);
        assert_int_equal(cr_do(w->engine, w->now, HB_POLICY_ROLLBACK, HB_POLICY_SCORER, NULL), -ENOENT);
        assert_int_equal(cr_tune(w->engine, w->now, HB_POLICY_SCORER, "x", 1, false, &e), -ENOENT);
        assert_true(hb_engine_change(w->engine, w->now, &c, &e) < 0);
        assert_int_equal(hb_fault_arm("engine.change=fail"), 0);
        assert_int_equal(cr_shadow(w->engine, w->now, HB_POLICY_SCORER, "by_age", by_age, &e), -ENOMEM);
        hb_fault_disarm();
        after = w_stats(w);
        assert_true(before.digest == after.digest);
        w_free(w);
}

static void keep_begin(void *arg, const struct hb_engine_input *in) {
        if (in->kind == HB_IN_BEGIN)
                *(bool *)arg = in->on;
}

/* What decides must be what a header can name. */
static void test_a_tap_after_a_change_is_not_exact(void **state) {
        struct world_options o = {.seed = 5};
        struct world *w = w_new(&o);
        bool on = true;
        struct hb_err e;

        cr_must(cr_shadow(w->engine, w->now, HB_POLICY_SCORER, "by_age", by_age, &e), &e);
        assert_int_equal(hb_engine_set_tap(w->engine, keep_begin, &on), 0);
        assert_false(on);
        hb_engine_free(w->engine); /* the set goes on in another engine */
        w->engine = w_engine(w);
        on = true;
        assert_int_equal(hb_engine_set_tap(w->engine, keep_begin, &on), 0);
        assert_false(on);
        w_free(w);
}

/* ---- why ---- */

static void add_term(void *arg, enum hb_policy_kind k, const char *name, double value) {
        struct cr_number *c = arg;

        if (k == HB_POLICY_SCORER && strcmp(name, c->name) == 0)
                c->value = value;
}

static enum hb_engine_why why(struct world *w, uint64_t gfn, struct hb_engine_explained *ret) {
        struct hb_err e;

        cr_must(hb_engine_explain(w->engine, NULL, false, gfn, NULL, NULL, ret, &e), &e);
        assert_true(hb_engine_why_text(ret->why)[0] != '\0');
        return ret->why;
}

static void test_why_a_page_is_not_fetched(void **state) {
        struct world_options o = {
                .seed = 8, .writes_per_tick = 4, .window_bytes = 1 << 17, .pages_per_tick = 1};
        struct world *w = w_new(&o);
        struct hb_engine_explained x;
        unsigned seen[HB_WHYS] = {0};
        uint64_t digest;
        struct cr_number young = {"young", -7};
        struct hb_err e;

        assert_int_equal(hb_engine_explain(w->engine, NULL, false, W_PAGES, NULL, NULL, &x, &e), -EINVAL);
        assert_int_equal(hb_engine_explain(w->engine, NULL, true, 0, NULL, NULL, &x, &e), -ENOENT);
        w_run(w, 200);
        cr_must(cr_shadow(w->engine, w->now, HB_POLICY_SCORER, "by_age", by_age, &e), &e);
        cr_must(hb_engine_explain(w->engine, NULL, true, 5, add_term, &young, &x, &e), &e);
        assert_true(fabs(young.value - x.page.score) < 1e-6 || x.page.score == -1);
        cr_must(cr_do(w->engine, w->now, HB_POLICY_PROMOTE, HB_POLICY_SCORER, &e), &e);
        w_run(w, 100);
        digest = w_stats(w).digest;
        for (uint64_t g = 0; g < W_PAGES; g++) {
                enum hb_page_state s = hb_engine_page(w->engine, g);

                seen[why(w, g, &x)]++;
                assert_true((x.why == HB_WHY_FRESH) == (s == HB_PAGE_FRESH && x.page.resident));
                assert_true((x.why == HB_WHY_IN_FLIGHT) == (s == HB_PAGE_FETCHING));
                if (x.why == HB_WHY_BELOW_CUT)
                        assert_true((double)x.page.score < x.cut);
                if (x.why == HB_WHY_WAITS)
                        assert_true((double)x.page.score >= x.cut);
                assert_true(x.ahead + x.alike <= x.candidates);
        }
        assert_true(seen[HB_WHY_FRESH] && seen[HB_WHY_NO_DATA] && seen[HB_WHY_IN_FLIGHT]);
        assert_true(seen[HB_WHY_WAITS] + seen[HB_WHY_BELOW_CUT] > 0);
        assert_true(w_stats(w).digest == digest);
        hb_engine_drain(w->engine, w->now, true);
        memset(seen, 0, sizeof(seen));
        for (uint64_t g = 0; g < W_PAGES; g++)
                seen[why(w, g, &x)]++;
        assert_int_equal(seen[HB_WHY_WAITS] + seen[HB_WHY_BELOW_CUT], 0);
        assert_true(seen[HB_WHY_MOVING] > 0);
        w_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_decisions_change_when_the_policy_does),
                cmocka_unit_test(test_what_is_refused_is_no_input),
                cmocka_unit_test(test_a_tap_after_a_change_is_not_exact),
                cmocka_unit_test(test_why_a_page_is_not_fetched),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
