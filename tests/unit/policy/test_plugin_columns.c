/* Columns and methods of `pages` that are made when named, beside plain C over the same past. */
#include "map/history.h"
#include "nn/model.h"
#include "policy_fixture.h"
#include <errno.h>
#include <math.h>

#define PAGES  1200u /* some blocks, the last one in part */
#define NOW    300u  /* window */
#define RECENT 32u   /* windows that have a bit each */

static bool accessed(uint32_t gfn, uint32_t window) {
        uint32_t h = (gfn * 2654435761u) ^ (window * 40503u);

        h ^= h >> 13;
        return gfn % 5 == 0 ? false : gfn % 5 == 1 ? window % 9 == 0 : h % (gfn % 5 * 4) == 0;
}

static bool written(uint32_t gfn, uint32_t window) {
        return accessed(gfn, window) && (gfn + window) % 2;
}

struct past {
        hb_history *history;
        uint32_t gfn[PAGES];
};

static void open_past(struct fixture *f, struct past *p) {
        assert_int_equal(hb_history_new(1u << 20, &p->history), 0);
        for (uint32_t i = 0; i < PAGES; i++) {
                p->gfn[i] = i + (i > 700 ? 5000 : 0);
                for (uint32_t w = NOW - RECENT + 1; w <= NOW; w++)
                        if (accessed(p->gfn[i], w))
                                assert_int_equal(
                                        hb_history_note(p->history, p->gfn[i], w, written(p->gfn[i], w)), 0);
        }
        f->pages.n = PAGES;
        f->pages.gfn = p->gfn;
        f->pages.history = p->history;
        f->pages.window = NOW;
}

static void must_run(struct fixture *f) {
        if (fixture_run(f) < 0)
                fail_msg("%s", f->message);
}

/* The scorer gives what the expression says. */
static void ask(struct fixture *f, const char *expression) {
        char body[512];

        snprintf(body, sizeof body, "return %s", expression);
        fixture_must_load(f, HB_POLICY_SCORER, "p.history = true", body);
        must_run(f);
}

struct truth {
        unsigned seen, written, returns, windows_3_to_8, writes_0_to_5;
        double first, gap, dev;
};

static struct truth truth_of(uint32_t gfn) {
        struct truth t = {.first = 1e9};
        double gaps[RECENT], sum = 0, squares = 0;
        uint32_t last = 0;

        for (uint32_t w = NOW - RECENT + 1; w <= NOW; w++) {
                if (!accessed(gfn, w))
                        continue;
                if (!t.seen++)
                        t.first = NOW - w;
                t.written += written(gfn, w);
                t.windows_3_to_8 += NOW - w >= 3 && NOW - w < 8;
                t.writes_0_to_5 += written(gfn, w) && NOW - w < 5;
                if (last && w - last > 2)
                        gaps[t.returns++] = w - last - 1;
                last = w;
        }
        for (unsigned i = 0; i < t.returns; i++)
                sum += gaps[i];
        t.gap = t.returns ? sum / t.returns : 0;
        for (unsigned i = 0; i < t.returns; i++)
                squares += (gaps[i] - t.gap) * (gaps[i] - t.gap);
        t.dev = t.returns ? sqrt(squares / t.returns) : 0;
        return t;
}

static void test_columns_of_the_past(void **state) {
        struct fixture *f = fixture_new();
        struct past p;

        open_past(f, &p);
#define CHECK(expression, want)                                                                              \
        do {                                                                                                 \
                ask(f, expression);                                                                          \
                for (uint32_t i = 0; i < PAGES; i++) {                                                       \
                        struct truth t = truth_of(p.gfn[i]);                                                 \
                        if (fabs((double)f->out[0][i] - (want)) > 1e-4)                                      \
                                fail_msg("%s of page %u is %g, not %g", expression, p.gfn[i],                \
                                         (double)f->out[0][i], (double)(want));                              \
                }                                                                                            \
        } while (0)
        CHECK("pages.seen", t.seen);
        CHECK("pages.written", t.written);
        CHECK("pages.first_s", t.first);
        CHECK("pages.returns", t.returns);
        CHECK("pages.gap_s", t.gap);
        CHECK("pages.gap_dev_s", t.dev);
        CHECK("pages:active(3, 8)", t.windows_3_to_8 / 5.0);
        CHECK("pages:active_writes(0, 5)", t.writes_0_to_5 / 5.0);
        CHECK("pages:active(400, 500)", 0 * t.seen);
#undef CHECK
        hb_history_free(p.history);
        fixture_free(f);
}

static void test_around(void **state) {
        struct fixture *f = fixture_new();
        struct past p;

        open_past(f, &p);
        ask(f, "pages.around");
        for (uint32_t i = 0; i < PAGES; i++) {
                uint32_t block = p.gfn[i] / 512, active = 0;
                for (uint32_t k = 0; k < PAGES; k++) {
                        bool any = false;
                        for (uint32_t w = NOW - 9; w <= NOW; w++)
                                any = any || accessed(p.gfn[k], w);
                        active += any && p.gfn[k] / 512 == block;
                }
                assert_true(fabsf(f->out[0][i] - (float)active / 512) < 1e-6f);
        }
        hb_history_free(p.history);
        fixture_free(f);
}

/* Where bits stand for spans: a page accessed every 50 windows for 300 of them. */
static void test_long_past(void **state) {
        struct fixture *f = fixture_new();
        uint32_t gfn = 3;
        hb_history *h;

        assert_int_equal(hb_history_new(1024, &h), 0);
        for (uint32_t w = 50; w <= NOW; w += 50)
                assert_int_equal(hb_history_note(h, gfn, w, false), 0);
        f->pages.n = 1;
        f->pages.gfn = &gfn;
        f->pages.history = h;
        f->pages.window = NOW;
        ask(f, "pages.returns");
        assert_true(f->out[0][0] == 5);
        ask(f, "pages.gap_s"); /* between spans of 16 as much of 49 as is sure */
        assert_in_range((int)f->out[0][0], 25, 49);
        ask(f, "pages.first_s");
        assert_true(f->out[0][0] == 250);
        ask(f, "pages:active(32, 352)"); /* a span counts as a whole */
        assert_true(f->out[0][0] > 0.1f && f->out[0][0] < 0.3f);
        hb_history_free(h);
        fixture_free(f);
}

static void test_without_history(void **state) {
        struct fixture *f = fixture_new();
        uint32_t gfn[1000];

        for (unsigned i = 0; i < 1000; i++)
                gfn[i] = i * 3;
        fixture_must_load(f, HB_POLICY_SCORER, "", "return pages.heat + pages.known * 1000");
        f->pages.known = f->columns[1];
        must_run(f);
        assert_true(f->out[0][9] == f->columns[0][9] + f->columns[1][9] + f->columns[1][9] * 1000);
        f->pages.gfn = gfn;
        fixture_must_load(f, HB_POLICY_SCORER, "", "return pages.block * 512 + pages.offset");
        must_run(f);
        assert_true(f->out[0][999] == 2997);
        f->pages.gfn = NULL;
        must_run(f);
        assert_true(f->out[0][999] == 0);
        ask(f, "pages.seen + pages.returns + pages:active(0, 10) + pages.around");
        assert_true(f->out[0][5] == 0);
        ask(f, "pages.first_s");
        assert_true(f->out[0][5] == 1e9f);
        fixture_free(f);
}

static void test_errors(void **state) {
        static const struct {
                const char *before, *body, *why;
        } bad[] = {
                {"", "return pages.seen", "pages.seen looks back: put history = true"},
                {"", "return pages:active(0, 5)", "pages.active looks back: put history = true"},
                {"", "return pages:model(5)", "pages.model looks back: put history = true"},
                {"p.history = true", "return pages:active(5, 5)", "from must be 0 or more"},
                {"p.history = true", "return pages:active(-1, 5)", "from must be 0 or more"},
                {"p.history = true", "return pages:active(0, 1/0)", "from must be 0 or more"},
                {"p.history = true", "return pages.active(link, 0, 5)", "not the pages of this call"},
                {"p.history = true", "return (pages:model(0))", "the horizon must be above 0"},
                {"p.history = true", "return (pages:model(0/0))", "the horizon must be above 0"},
                {"", "return pages:spread(3)", "table expected"},
                {"", "return pages:spread{ 3 }", "spread: run 1 is a number"},
                {"", "return pages:spread{ { pages = 1 } }", "spread: run 1: 'gfn' must be a number"},
                {"", "return pages:spread{ { gfn = 1, value = 0/0 } }", "'value' is NaN or infinity"},
                {"", "setmetatable(pages, nil) return pages.heat", "protected metatable"},
        };
        struct fixture *f = fixture_new();

        for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
                assert_int_equal(fixture_load(f, HB_POLICY_SCORER, bad[i].before, bad[i].body), -EINVAL);
                if (!strstr(f->message, bad[i].why))
                        fail_msg("%s: '%s' lacks '%s'", bad[i].body, f->message, bad[i].why);
        }
        fixture_must_load(f, HB_POLICY_SCORER, "",
                          "assert(pages.nothing == nil and pages.predicted) return pages.heat");
        fixture_free(f);
}

static void test_pages_of_an_earlier_call(void **state) {
        struct fixture *f = fixture_new();

        assert_int_equal(fixture_load(f, HB_POLICY_SCORER, "p.history = true local old",
                                      "if old then return old.seen end old = pages return pages.heat"),
                         -EINVAL);
        assert_non_null(strstr(f->message, "not the pages of this call"));
        assert_int_equal(fixture_load(f, HB_POLICY_SCORER, "p.history = true local old",
                                      "old = old or pages.seen return pages.heat + old:sum()"),
                         -EINVAL);
        assert_non_null(strstr(f->message, "a column of an earlier call"));
        fixture_free(f);
}

static void test_spread(void **state) {
        struct fixture *f = fixture_new();
        struct past p;

        open_past(f, &p);
        fixture_must_load(
                f, HB_POLICY_SCORER, "",
                "return pages:spread{ { gfn = 10, pages = 5, value = 2 }, { gfn = 12 },\n"
                "  { gfn = 12, pages = 100, value = 0.5 }, { gfn = 690, pages = 5020 }, { gfn = 1e12 },\n"
                "  { gfn = -5, pages = 6, value = 3 } }");
        must_run(f);
        for (uint32_t i = 0; i < PAGES; i++) {
                uint32_t g = p.gfn[i];
                float want = g == 0                 ? 3
                             : g >= 10 && g < 15    ? 2
                             : g >= 12 && g < 112   ? 0.5f
                             : g >= 690 && g < 5710 ? 1
                                                    : 0;
                assert_true(f->out[0][i] == want);
        }
        hb_history_free(p.history);
        fixture_free(f);
}

/* ---- the model ---- */

static void test_no_model(void **state) {
        struct fixture *f = fixture_new();

        /* in the dry run there is a made-up one, so that what a policy does with answers is tried */
        fixture_must_load(f, HB_POLICY_SCORER, "p.history = true",
                          "local a = pages:model(10)\nif a then return a * 2 end return pages.heat * 0 - 1");
        must_run(f);
        assert_true(f->out[0][0] == -1);
        assert_int_equal(fixture_load(f, HB_POLICY_SCORER, "p.history = true",
                                      "local a = pages:model(10) return a and a * nil or pages.heat"),
                         -EINVAL);
        fixture_free(f);
}

static void test_model(void **state) {
        static const char *const picks[] = {"a", "w", "n", "m"};
        struct fixture *f = fixture_new();
        float *want[4];
        struct past p;
        hb_model *m;

        open_past(f, &p);
        assert_int_equal(hb_model_new(8, 8, 5, &m), 0);
        for (unsigned k = 0; k < 4; k++)
                assert_non_null(want[k] = calloc(PAGES, sizeof(float)));
        assert_int_equal(hb_model_ask(m, p.history, NOW, 10, p.gfn, PAGES,
                                      &(struct hb_model_answer){want[0], want[1], want[2], want[3]}),
                         0);
        for (unsigned k = 0; k < 4; k++) {
                char body[256];
                snprintf(body, sizeof body,
                         "local a, w, n, m = pages:model(10)\nassert(rawequal(a, (pages:model(10))))\n"
                         "local _ = w, n, m\nreturn %s",
                         picks[k]);
                fixture_must_load(f, HB_POLICY_SCORER, "p.history = true", body);
                hb_plugin_set_model(f->plugin, m);
                must_run(f);
                assert_memory_equal(f->out[0], want[k], PAGES * sizeof(float));
                f->pages.history = NULL; /* nothing to foresee from: zeros */
                must_run(f);
                assert_true(f->out[0][0] == 0 && f->out[0][PAGES - 1] == 0);
                f->pages.history = p.history;
        }
        for (unsigned k = 0; k < 4; k++)
                free(want[k]);
        hb_plugin_set_model(f->plugin, NULL);
        hb_model_free(m);
        hb_history_free(p.history);
        fixture_free(f);
}

/* What was asked of an earlier call's pages is not given for this one's. */
static void test_model_of_each_call(void **state) {
        struct fixture *f = fixture_new();
        float first[8];
        struct past p;
        hb_model *m;

        open_past(f, &p);
        assert_int_equal(hb_model_new(8, 8, 5, &m), 0);
        fixture_must_load(f, HB_POLICY_SCORER, "p.history = true", "return (pages:model(10) or pages.heat)");
        hb_plugin_set_model(f->plugin, m);
        must_run(f);
        memcpy(first, f->out[0], sizeof first);
        f->pages.gfn = p.gfn + 1;
        f->pages.n = 7;
        must_run(f);
        assert_memory_equal(f->out[0], first + 1, 7 * sizeof(float));
        hb_model_free(m);
        hb_history_free(p.history);
        fixture_free(f);
}

/* Where nobody was ever seen, and beside it nobody either, nothing is foreseen; beside known blocks it is
 * asked. */
static void test_model_of_the_unknown(void **state) {
        struct fixture *f = fixture_new();
        uint32_t gfn[40];
        hb_history *h;
        hb_model *m;

        assert_int_equal(hb_history_new(1u << 16, &h), 0);
        assert_int_equal(hb_history_note(h, 20 * 512 + 5, NOW, true), 0);
        assert_int_equal(hb_model_new(8, 8, 5, &m), 0);
        for (uint32_t i = 0; i < 40; i++)
                gfn[i] = i * 512 + 7;
        f->pages.n = 40;
        f->pages.gfn = gfn;
        f->pages.history = h;
        f->pages.window = NOW;
        fixture_must_load(f, HB_POLICY_SCORER, "p.history = true", "return (pages:model(10) or pages.heat)");
        hb_plugin_set_model(f->plugin, m);
        must_run(f);
        for (uint32_t i = 0; i < 40; i++)
                assert_int_equal(f->out[0][i] > 0, i >= 19 && i <= 21);
        hb_model_free(m);
        hb_history_free(h);
        fixture_free(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_columns_of_the_past),
                cmocka_unit_test(test_around),
                cmocka_unit_test(test_long_past),
                cmocka_unit_test(test_without_history),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_pages_of_an_earlier_call),
                cmocka_unit_test(test_spread),
                cmocka_unit_test(test_no_model),
                cmocka_unit_test(test_model),
                cmocka_unit_test(test_model_of_each_call),
                cmocka_unit_test(test_model_of_the_unknown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
