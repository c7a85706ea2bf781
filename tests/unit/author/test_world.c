/* Made-up guests: what a pattern says is what columns, history, lessons and the judge see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include "author/world.h"
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct hb_pattern pattern(enum hb_pattern_kind k, uint32_t from, uint32_t pages) {
        struct hb_pattern p;

        hb_pattern_default(k, &p);
        p.from = from;
        p.pages = pages;
        return p;
}

static hb_made_world *world(uint32_t pages, uint64_t seed) {
        hb_made_world *w;

        assert_int_equal(hb_made_world_new(pages, seed, &w), 0);
        return w;
}

static void test_columns_follow_patterns(void **state) {
        hb_made_world *w = world(4096, 1);
        struct hb_pattern hot = pattern(HB_PATTERN_HOT, 0, 8), once = pattern(HB_PATTERN_HOT, 100, 4);
        struct hb_policy_pages p;
        struct hb_policy_guest g;

        once.stop_s = 10;
        hot.write_share = 1;
        assert_int_equal(hb_made_world_add(w, &hot, NULL), 0);
        assert_int_equal(hb_made_world_add(w, &once, NULL), 0);
        assert_int_equal(hb_made_world_run(w, 60, NULL, NULL), 0);
        hb_made_world_pages(w, &p);
        hb_made_world_guest(w, &g);
        assert_int_equal(p.n, 12);
        assert_true(p.gfn[0] == 0 && p.gfn[8] == 100 && p.run_length[0] == 8 && p.run_length[8] == 4);
        assert_true(p.age_s[0] == 0 && p.age_s[8] == 50);
        assert_true(p.version_age_s[0] == 0 && p.version_age_s[8] == 1e9f);
        assert_true(fabsf(p.write_heat[0] - 1) < 0.06f && p.write_heat[8] == 0); /* one a second */
        assert_true(p.read_heat[8] > 0 && p.read_heat[8] < 0.1f * p.read_heat[0] + 0.05f);
        assert_true(g.now_s == 60 && g.pages == 4096 && g.dirty_bytes_per_s == 8 * 4096);
        hb_made_world_free(w);
}

static void test_the_seed_decides(void **state) {
        struct hb_policy_pages a, b, c;
        hb_made_world *w[3];

        for (int i = 0; i < 3; i++) {
                struct hb_pattern r = pattern(HB_PATTERN_RANDOM, 0, 4096);
                w[i] = world(4096, i < 2 ? 7 : 8);
                r.write_share = 0.5;
                assert_int_equal(hb_made_world_add(w[i], &r, NULL), 0);
                assert_int_equal(hb_made_world_run(w[i], 30, NULL, NULL), 0);
        }
        hb_made_world_pages(w[0], &a);
        hb_made_world_pages(w[1], &b);
        hb_made_world_pages(w[2], &c);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.gfn, b.gfn, a.n * sizeof(*a.gfn));
        assert_memory_equal(a.read_heat, b.read_heat, a.n * sizeof(float));
        assert_true(a.n != c.n || memcmp(a.gfn, c.gfn, a.n * sizeof(*a.gfn)) != 0);
        for (int i = 0; i < 3; i++)
                hb_made_world_free(w[i]);
}

/* Pages 0..9 go on, 20..29 return in the next horizon, 40..49 never do. */
static void test_judge(void **state) {
        struct hb_pattern hot = pattern(HB_PATTERN_HOT, 0, 10), back = pattern(HB_PATTERN_RETURNING, 20, 10),
                          gone = pattern(HB_PATTERN_HOT, 40, 10);
        hb_made_world *w = world(64, 1);
        struct hb_made_world_quality q;
        float right[30] = {0}, wrong[30] = {0};
        struct hb_policy_pages p;

        back.every_s = 25; /* seconds 1..2, 26..27, 51..52 */
        gone.stop_s = 5;
        assert_int_equal(hb_made_world_add(w, &hot, NULL), 0);
        assert_int_equal(hb_made_world_add(w, &back, NULL), 0);
        assert_int_equal(hb_made_world_add(w, &gone, NULL), 0);
        assert_int_equal(hb_made_world_run(w, 45, NULL, NULL), 0);
        hb_made_world_pages(w, &p);
        assert_int_equal(p.n, 30);
        for (int i = 0; i < 30; i++) {
                right[i] = i < 10 ? 2 : i < 20 ? 1 : 0;
                wrong[i] = i < 20 ? 0 : 1;
        }
        assert_int_equal(hb_made_world_judge(w, right, NULL, &q),
                         0); /* the budget is 10 pages, 20 will be used */
        assert_true(q.precision == 1 && q.recall == 0.5 && fabs(q.f1 - 2.0 / 3) < 1e-12);
        assert_true(q.f1_returning == 0 && q.f1_writes == -1);
        assert_int_equal(hb_made_world_judge(w, wrong, wrong, &q), 0);
        assert_true(q.precision == 0 && q.f1 == 0 && q.f1_writes == -1); /* nothing will be written */
        for (int i = 10; i < 20; i++)
                right[i] = 3;
        assert_int_equal(hb_made_world_judge(w, right, NULL, &q), 0);
        assert_true(q.f1_returning == 1 && q.precision == 1);
        hb_made_world_free(w);
}

static void test_what_cannot_be(void **state) {
        struct hb_pattern p = pattern(HB_PATTERN_SCAN, 0, 100);
        struct hb_err e;
        hb_made_world *w;

        assert_int_equal(hb_made_world_new(0, 1, &w), -EINVAL);
        assert_int_equal(hb_made_world_new(HB_WORLD_PAGES + 1, 1, &w), -EINVAL);
        w = world(64, 1);
        assert_int_equal(hb_made_world_add(w, &p, &e), -EINVAL);
        assert_string_equal(e.what, "scan: pages 0 to 100, the guest has 64");
        p.pages = 64;
        p.per_s = 65;
        assert_int_equal(hb_made_world_add(w, &p, &e), -EINVAL);
        p = pattern(HB_PATTERN_RETURNING, UINT32_MAX, 64);
        assert_int_equal(hb_made_world_add(w, &p, &e), -EINVAL);
        p = pattern(HB_PATTERN_RETURNING, 0, 64);
        p.every_s = NAN;
        assert_int_equal(hb_made_world_add(w, &p, &e), -EINVAL);
        p = pattern(HB_PATTERN_HOT, 0, 64);
        for (unsigned i = 0; i < HB_WORLD_PATTERNS; i++)
                assert_int_equal(hb_made_world_add(w, &p, &e), 0);
        assert_int_equal(hb_made_world_add(w, &p, &e), -E2BIG);
        assert_int_equal(hb_made_world_run(w, HB_WORLD_LONGEST + 1, NULL, NULL), -EINVAL);
        hb_made_world_free(w);
}

static void counted(void *arg, const char *name, double value) {
        static const char *const names[] = {"epochs", "asked", "learned", "hot", "gone", "budget"};

        for (int i = 0; i < 6; i++)
                if (!strcmp(names[i], name))
                        ((double *)arg)[i] = value;
}

/* A predictor that counts what it is told: each epoch once, lessons in their order, outcomes that are true.
 */
static void test_lessons(void **state) {
        static const char text[] =
                "local p = { api = 1, kind = 'predictor', name = 'p', version = '1' }\n"
                "local epochs, asked, learned, first = 0, 0, 0, {}\n"
                "function p:predict(pages) return pages.heat, pages.heat end\n"
                "function p:observe(e) epochs = epochs + 1 assert(#e.runs > 0 or e.accessed == 0)\n"
                "  hb.counter('epochs', epochs) end\n"
                "function p:rehearse(pages, _, lesson) asked = lesson first[lesson] = pages.n\n"
                "  hb.counter('asked', asked) end\n"
                "function p:learn(o) learned = learned + 1\n"
                "  if first[o.lesson] then assert(o.n == first[o.lesson]) end\n"
                "  hb.counter('learned', learned) hb.counter('hot', o.accessed[1]) hb.counter('gone', "
                "o.accessed[o.n])\n"
                "  hb.counter('budget', o.budget) hb.counter('windows', o.reads[1]) end\n"
                "return p\n";
        struct hb_plugin_limits limits = {.memory_bytes = 64u << 20, .deadline_ns = 10000000000};
        struct hb_pattern hot = pattern(HB_PATTERN_HOT, 0, 10), gone = pattern(HB_PATTERN_HOT, 40, 10);
        char message[HB_PLUGIN_MESSAGE] = "";
        struct hb_policy_source source;
        struct hb_err e = {0};
        hb_made_world *w = world(64, 1);
        hb_guard *guard;
        hb_plugin *p;

        gone.stop_s = 5;
        assert_int_equal(hb_made_world_add(w, &hot, NULL), 0);
        assert_int_equal(hb_made_world_add(w, &gone, NULL), 0);
        assert_int_equal(hb_guard_new(&guard), 0);
        assert_int_equal(hb_policy_source_set(HB_POLICY_PREDICTOR, "p", text, sizeof(text) - 1, &source), 0);
        if (hb_plugin_new(HB_POLICY_PREDICTOR, "p", &source, &limits, guard, &p, &e) < 0)
                fail_msg("%s", e.what);
        if (hb_made_world_run(w, 61, p, message) < 0)
                fail_msg("%s", message);
        {
                double got[6] = {-1, -1, -1, -1, -1, -1};
                hb_plugin_counters(p, counted, got);
                assert_true(got[0] == 61 && got[1] == 12); /* a lesson each 5 s */
                assert_true(got[2] == 10);                 /* two are open */
                assert_true(got[3] == 1 && got[4] == 0 && got[5] == 10);
        }
        hb_plugin_free(p);
        hb_guard_free(guard);
        hb_made_world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_columns_follow_patterns),
                cmocka_unit_test(test_the_seed_decides),
                cmocka_unit_test(test_judge),
                cmocka_unit_test(test_what_cannot_be),
                cmocka_unit_test(test_lessons),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
