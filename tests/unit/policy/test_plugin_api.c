/* What a policy may say of itself and what an operator may turn: params, hb.log, hb.counter, hb.note,
 * hb.term. */
#include "policy_fixture.h"
#include <errno.h>
#include <math.h>

#define DECLARATION                                                                                          \
        "p.params = { rate = { default = 0.5, min = 0, max = 2, unit = '1/s', help = 'how fast' },"          \
        " depth = { default = 4, min = 1, max = 16, type = 'integer', help = 'how deep' },"                  \
        " bold = { default = true, type = 'boolean', help = 'whether' },"                                    \
        " any = { default = -3, help = 'no bounds' } }"

static void load_threshold(struct fixture *f, const char *before, const char *body) {
        fixture_must_load(f, HB_POLICY_THRESHOLD, before, body);
        assert_int_equal(fixture_run(f), 0);
}

static int tune(struct fixture *f, const char *name, double value, struct hb_err *e) {
        *e = (struct hb_err){0};
        return hb_plugin_tune(f->plugin, name, value, e);
}

static void test_params_are_described(void **state) {
        struct fixture *f = fixture_new();
        struct hb_policy_param p[8];

        load_threshold(f, DECLARATION, "return 0");
        assert_int_equal(hb_plugin_params(f->plugin, p, 8), 4);
        assert_string_equal(p[0].name, "any");
        assert_string_equal(p[1].name, "bold");
        assert_string_equal(p[2].name, "depth");
        assert_string_equal(p[3].name, "rate");
        assert_string_equal(p[0].type, "number");
        assert_string_equal(p[1].type, "boolean");
        assert_string_equal(p[2].type, "integer");
        assert_string_equal(p[3].unit, "1/s");
        assert_string_equal(p[3].help, "how fast");
        assert_true(isinf(p[0].min) && p[0].min < 0 && isinf(p[0].max) && p[0].max > 0);
        assert_true(p[1].value == 1 && p[1].min == 0 && p[1].max == 1);
        assert_true(p[2].initial == 4 && p[2].value == 4);
        assert_int_equal(hb_plugin_params(f->plugin, p, 1), 4); /* how many there are, not how many fit */
        fixture_free(f);
}

static void test_params_have_their_types(void **state) {
        struct fixture *f = fixture_new();

        load_threshold(f, DECLARATION,
                       "local q = self.params\n"
                       "assert(q.bold == true and math.type(q.depth) == 'integer' and q.rate == 0.5)\n"
                       "return q.depth / 100");
        assert_true(f->call.number == 0.04);
        fixture_free(f);
}

static void test_tuning(void **state) {
        struct fixture *f = fixture_new();
        struct hb_policy_param p[8];
        struct hb_err e;

        load_threshold(f, DECLARATION,
                       "local q = self.params\n"
                       "if q.depth == 16 then while true do end end\n"
                       "return (q.bold and 0.5 or -0.5) + q.depth / 100");
        assert_true(f->call.number == 0.54);
        assert_int_equal(tune(f, "depth", 7, &e), 0);
        assert_int_equal(tune(f, "bold", 0, &e), 0);
        assert_int_equal(fixture_run(f), 0);
        assert_true(f->call.number == -0.43);
        assert_int_equal(hb_plugin_params(f->plugin, p, 8), 4);
        assert_true(p[2].value == 7 && p[2].initial == 4 && p[1].value == 0);
        assert_int_equal(tune(f, "depth", 7.5, &e), -ERANGE);
        assert_non_null(strstr(e.next, "a whole number from 1 to 16"));
        assert_int_equal(tune(f, "depth", 17, &e), -ERANGE);
        assert_int_equal(tune(f, "rate", NAN, &e), -ERANGE);
        assert_int_equal(tune(f, "any", HUGE_VAL, &e), -ERANGE);
        assert_int_equal(tune(f, "bold", 0.5, &e), -ERANGE);
        assert_int_equal(tune(f, "deep", 1, &e), -ENOENT);
        assert_non_null(strstr(e.next, "any, bold, depth, rate"));
        fixture_free(f);
}

/* After an overrun the policy has forgotten what it remembered, but not what the operator told it. */
static void test_tuned_values_outlive_the_state(void **state) {
        struct fixture *f = fixture_new();
        struct hb_plugin_limits quick = fixture_limits;
        static const char text[] = "local p = { api = 1, kind = 'threshold', name = 'p', version = '1' }\n"
                                   "p.params = { x = { default = 0.25, min = 0, max = 1, help = 'x' } }\n"
                                   "local calls = 0\n"
                                   "function p:threshold(scores)\n"
                                   "  calls = calls + 1\n"
                                   "  if scores.previous == 0.125 then while true do end end\n"
                                   "  return self.params.x + (calls == 1 and 0 or -1)\n"
                                   "end\nreturn p\n";
        struct hb_err e;

        quick.deadline_ns = 20000000;
        assert_int_equal(fixture_load_text(f, HB_POLICY_THRESHOLD, text, sizeof text - 1, &quick), 0);
        assert_int_equal(tune(f, "x", 0.75, &e), 0);
        f->call.previous = 0.125;
        assert_int_equal(fixture_run(f), -ETIME);
        f->call.previous = 0;
        assert_int_equal(fixture_run(f), 0);
        assert_true(f->call.number == 0.75);
        fixture_free(f);
}

static void test_bad_declarations(void **state) {
        static const struct {
                const char *params, *why;
        } bad[] = {
                {"x = { default = true, help = 'x' }", "say type = \"boolean\""},
                {"x = { default = 1, type = 'boolean', help = 'x' }", "true or false"},
                {"x = { default = 1, type = 'colour', help = 'x' }", "the type is"},
                {"x = { default = 1.5, type = 'integer', help = 'x' }", "must be a whole number"},
                {"x = { default = 1, min = 0.5, type = 'integer', help = 'x' }", "must be a whole number"},
                {"x = { default = 1, unit = 3, help = 'x' }", "'unit' must be a string"},
                {"x = { default = 0/0, help = 'x' }", "'default' must be a number"},
                {"x = { help = 'x' }", "the default must be a number"},
                {"['a b'] = { default = 1, help = 'x' }", "params must be name ="},
                {"x = { default = 1 }", "'help' must be a string"},
        };
        struct fixture *f = fixture_new();
        char before[256];

        for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
                snprintf(before, sizeof before, "p.params = { %s }", bad[i].params);
                assert_int_equal(fixture_load(f, HB_POLICY_THRESHOLD, before, "return 0"), -EINVAL);
                if (!strstr(f->message, bad[i].why))
                        fail_msg("%s: '%s' lacks '%s'", bad[i].params, f->message, bad[i].why);
        }
        fixture_free(f);
}

/* ---- what is said ---- */

struct heard {
        unsigned lines;
        char first[256], last[256];
};

static void hear(void *arg, const char *line) {
        struct heard *h = arg;

        snprintf(h->lines++ ? h->last : h->first, sizeof h->first, "%s", line);
        assert_true(strlen(line) <= 200);
        for (; *line; line++)
                assert_true((unsigned char)*line >= 32 && *line != 127);
}

static void test_log(void **state) {
        struct fixture *f = fixture_new();
        struct heard h = {0};

        load_threshold(f, "", "hb.log('tick\\27[31m') return 0");
        hb_plugin_take_log(f->plugin, hear, &h);
        assert_int_equal(h.lines, 1); /* nothing of the dry run */
        assert_string_equal(h.first, "tick?[31m");
        hb_plugin_take_log(f->plugin, hear, &h);
        assert_int_equal(h.lines, 1);
        fixture_free(f);
}

static void test_log_is_limited(void **state) {
        struct fixture *f = fixture_new();
        struct heard h = {0};

        load_threshold(f, "local n = 0",
                       "local long = string.lower('X')\n"
                       "for _ = 1, 9 do long = long .. long end\n"
                       "for i = 1, 1000 do n = n + 1 hb.log(tostring(n) .. ' ' .. long) end return 0");
        hb_plugin_take_log(f->plugin, hear, &h);
        assert_int_equal(h.lines, 11);
        assert_non_null(strstr(h.first, "1 xxx"));
        assert_string_equal(h.last, "(990 more lines were left out)");
        f->guest.now_s = 0.5; /* the same second of the guest's */
        assert_int_equal(fixture_run(f), 0);
        h = (struct heard){0};
        hb_plugin_take_log(f->plugin, hear, &h);
        assert_int_equal(h.lines, 1);
        for (unsigned s = 1; s <= 20; s++) { /* nobody takes them: the newest 64 are kept */
                f->guest.now_s = s;
                assert_int_equal(fixture_run(f), 0);
        }
        h = (struct heard){0};
        hb_plugin_take_log(f->plugin, hear, &h);
        assert_int_equal(h.lines, 65);
        fixture_free(f);
}

static void count(void *arg, const char *name, double value) {
        snprintf((char *)arg + strlen(arg), 128, "%s=%g ", name, value);
}

static void test_counters_and_note(void **state) {
        struct fixture *f = fixture_new();
        char all[256] = "";

        load_threshold(f, "local n = 0",
                       "n = n + 1 hb.counter('calls', n) hb.counter('weight', 0.5)\n"
                       "hb.note('lru is\\nbetter') return 0");
        assert_int_equal(fixture_run(f), 0);
        hb_plugin_counters(f->plugin, count, all);
        assert_string_equal(all, "calls=2 weight=0.5 ");
        assert_string_equal(hb_plugin_note(f->plugin), "lru is?better");
        fixture_free(f);
}

static void test_what_is_said_outlives_the_state(void **state) {
        struct fixture *f = fixture_new();
        struct hb_plugin_limits quick = fixture_limits;
        static const char text[] = "local p = { api = 1, kind = 'threshold', name = 'p', version = '1' }\n"
                                   "function p:threshold(scores)\n"
                                   "  hb.log('here') hb.counter('c', 3) hb.note('n')\n"
                                   "  if scores.previous == 0.125 then while true do end end\n"
                                   "  return 0\n"
                                   "end\nreturn p\n";
        struct heard h = {0};
        char all[256] = "";

        quick.deadline_ns = 20000000;
        assert_int_equal(fixture_load_text(f, HB_POLICY_THRESHOLD, text, sizeof text - 1, &quick), 0);
        assert_string_equal(hb_plugin_note(f->plugin), "");
        f->call.previous = 0.125;
        assert_int_equal(fixture_run(f), -ETIME);
        hb_plugin_take_log(f->plugin, hear, &h);
        hb_plugin_counters(f->plugin, count, all);
        assert_string_equal(h.first, "here");
        assert_string_equal(all, "c=3 ");
        assert_string_equal(hb_plugin_note(f->plugin), "n");
        fixture_free(f);
}

static void test_bad_sayings(void **state) {
        static const struct {
                const char *body, *why;
        } bad[] = {
                {"hb.log({}) return 0", "string expected"},
                {"hb.counter('a b', 1) return 0", "counter: names are"},
                {"hb.counter('a', 0/0) return 0", "'a' is NaN or infinity"},
                {"for i = 1, 33 do hb.counter('c' .. tostring(i), i) end return 0", "one more than the 32"},
                {"hb.note() return 0", "string expected"},
                {"hb.term('x', {}) return 0", "must be a vector or a number"},
                {"hb.term(hb.vec(3), 1) return 0", "string expected"},
        };
        struct fixture *f = fixture_new();

        for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
                assert_int_equal(fixture_load(f, HB_POLICY_THRESHOLD, "", bad[i].body), -EINVAL);
                if (!strstr(f->message, bad[i].why))
                        fail_msg("%s: '%s' lacks '%s'", bad[i].body, f->message, bad[i].why);
        }
        fixture_free(f);
}

static void test_terms(void **state) {
        struct fixture *f = fixture_new();
        char all[256] = "";

        fixture_must_load(f, HB_POLICY_SCORER, "",
                          "local a = hb.term('a', pages.read_heat * 2)\n"
                          "return a + hb.term('b', 1) + hb.term('short', hb.vec(3)):sum()");
        assert_int_equal(fixture_run(f), 0);
        f->columns[0][5] = 1.25f;
        f->call.at = 5;
        f->call.term = count;
        f->call.term_arg = all;
        assert_int_equal(fixture_run(f), 0);
        assert_string_equal(all, "a=2.5 b=1 ");
        assert_true(f->out[0][5] == 3.5f);
        fixture_free(f);
}

/* Terms of a call that failed are nobody's. */
static void test_terms_of_a_failure(void **state) {
        struct fixture *f = fixture_new();
        char all[256] = "";

        fixture_must_load(
                f, HB_POLICY_SCORER, "",
                "hb.term('a', 1)\nif guest.now_s == 77 then error('no') end\nreturn pages.read_heat");
        f->call.term = count;
        f->call.term_arg = all;
        assert_int_equal(fixture_run(f), 0);
        assert_string_equal(all, "a=1 ");
        f->guest.now_s = 77;
        assert_int_equal(fixture_run(f), -EINVAL);
        assert_string_equal(all, "a=1 ");
        fixture_free(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_params_are_described),
                cmocka_unit_test(test_params_have_their_types),
                cmocka_unit_test(test_tuning),
                cmocka_unit_test(test_tuned_values_outlive_the_state),
                cmocka_unit_test(test_bad_declarations),
                cmocka_unit_test(test_log),
                cmocka_unit_test(test_log_is_limited),
                cmocka_unit_test(test_counters_and_note),
                cmocka_unit_test(test_what_is_said_outlives_the_state),
                cmocka_unit_test(test_bad_sayings),
                cmocka_unit_test(test_terms),
                cmocka_unit_test(test_terms_of_a_failure),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
