/* What a predictor is told (observe, rehearse, learn), and what a policy carries from one state to another
 * (save, restore). The policies assert what they are given; a wrong one fails the call with its line. */
#include "base/fault.h"
#include "policy_fixture.h"
#include <errno.h>
#include <math.h>

#define PREDICTOR                                                                                            \
        "local p = { api = 1, kind = 'predictor', name = 'p', version = '1' }\n"                             \
        "function p:predict(pages) return pages.read_heat, pages.write_heat end\n"

static int load(struct fixture *f, const char *more, const struct hb_plugin_limits *limits) {
        char text[8192];
        int n = snprintf(text, sizeof text, PREDICTOR "%s\nreturn p\n", more);

        assert_true(n > 0 && (size_t)n < sizeof text);
        return fixture_load_text(f, HB_POLICY_PREDICTOR, text, (size_t)n, limits);
}

static void must_load(struct fixture *f, const char *more) {
        if (load(f, more, &fixture_limits) < 0)
                fail_msg("%s", f->message);
}

static void check(struct fixture *f, int rc) {
        if (rc < 0)
                fail_msg("%d %s", rc, f->message);
}

static void test_wants(void **state) {
        struct fixture *f = fixture_new();
        struct hb_plugin_wants w;

        must_load(f, "");
        hb_plugin_wants(f->plugin, &w);
        assert_false(w.observe || w.rehearse || w.learn || w.save || w.restore || w.history || w.model);
        must_load(f, "function p:observe() end function p:save() return {} end p.history = true\n"
                     "local function ask(pages) return pages:model(10) end");
        hb_plugin_wants(f->plugin, &w);
        assert_true(w.observe && !w.rehearse && !w.learn && w.save && !w.restore && w.history && w.model);
        assert_int_equal(load(f, "p.learn = 3", &fixture_limits), -EINVAL);
        assert_non_null(strstr(f->message, "'learn' must be a function"));
        assert_int_equal(load(f, "p.history = 3", &fixture_limits), -EINVAL);
        assert_non_null(strstr(f->message, "'history' must be true or false"));
        assert_int_equal(
                fixture_load(f, HB_POLICY_SCORER, "function p:observe() end", "return pages.read_heat"),
                -EINVAL);
        assert_non_null(strstr(f->message, "only predictors have a method 'observe'"));
        fixture_free(f);
}

static void test_methods_it_has_not(void **state) {
        struct fixture *f = fixture_new();
        struct hb_policy_observed o = {0};
        struct hb_policy_outcome outcome = {0};
        struct hb_buf b = {0};
        uint64_t cpu_ns = 7;

        must_load(f, "");
        assert_int_equal(hb_plugin_observe(f->plugin, &o, &f->guest, f->message, &cpu_ns), 0);
        assert_int_equal(cpu_ns, 0);
        assert_int_equal(hb_plugin_rehearse(f->plugin, &f->pages, &f->guest, 1, f->message, NULL), 0);
        assert_int_equal(hb_plugin_learn(f->plugin, &outcome, &f->guest, f->message, NULL), 0);
        assert_int_equal(hb_plugin_save(f->plugin, &b, f->message), 0);
        assert_int_equal(b.len, 0);
        assert_int_equal(hb_plugin_restore(f->plugin, "garbage", 7, f->message), 0);
        fixture_free(f);
}

/* The dry run calls with other things; what is asserted is asserted of the test's call only. */
static void test_observe(void **state) {
        static const struct hb_policy_run runs[] = {{100, 3, true}, {1ull << 33, 1, false}};
        struct hb_policy_observed o = {.epoch = 9,
                                       .now_s = 77.5,
                                       .runs = runs,
                                       .nruns = 2,
                                       .cut = true,
                                       .accessed = 5,
                                       .written = 3};
        struct fixture *f = fixture_new();

        must_load(f, "function p:observe(epoch, guest)\n"
                     "  if epoch.now_s ~= 77.5 then return end\n"
                     "  assert(epoch.number == 9 and epoch.cut == true and #epoch.runs == 2)\n"
                     "  assert(epoch.accessed == 5 and epoch.written == 3)\n"
                     "  local a, b = epoch.runs[1], epoch.runs[2]\n"
                     "  assert(a.gfn == 100 and a.pages == 3 and a.written == true)\n"
                     "  assert(b.gfn == 8589934592 and b.pages == 1 and b.written == false)\n"
                     "  assert(guest.horizon_s == 10)\n"
                     "  hb.counter('observed', 1)\n"
                     "end");
        check(f, hb_plugin_observe(f->plugin, &o, &f->guest, f->message, NULL));
        fixture_free(f);
}

static void test_rehearse_and_learn(void **state) {
        static const float one[] = {1, 0, 1}, two[] = {0, 0, 1}, three[] = {4, 0, 2}, four[] = {0, 0, 1};
        static const uint8_t class_of[] = {HB_LESSON_RECENT, HB_LESSON_RETURNING, HB_LESSON_NEW};
        struct hb_policy_outcome o = {.lesson = 41,
                                      .n = 3,
                                      .asked_s = 5,
                                      .horizon_s = 10,
                                      .accessed = one,
                                      .written = two,
                                      .reads = three,
                                      .writes = four,
                                      .class_of = class_of,
                                      .budget = 2,
                                      .budget_writes = 1};
        struct fixture *f = fixture_new();

        must_load(f, "local kept = {}\n"
                     "function p:rehearse(pages, guest, lesson)\n"
                     "  kept[lesson] = (pages.read_heat + 1):copy()\n"
                     "end\n"
                     "function p:learn(o, guest)\n"
                     "  if o.lesson ~= 41 then return end\n"
                     "  local said = kept[41]\n"
                     "  assert(#said == 3 and o.n == 3 and o.budget == 2 and o.budget_writes == 1)\n"
                     "  assert(o.asked_s == 5 and o.horizon_s == 10)\n"
                     "  assert(o.accessed:sum() == 2 and o.written[3] == 1 and o.reads[1] == 4)\n"
                     "  assert(o.writes:sum() == 1 and o.returning[2] == 1 and o.returning:sum() == 1)\n"
                     "  assert(o.new[3] == 1 and o.new:sum() == 1)\n"
                     "  self.said = said:sum()\n"
                     "end\n"
                     "function p:predict(pages, guest)\n"
                     "  return pages.read_heat * 0 + (self.said or 0), pages.write_heat\n"
                     "end");
        f->pages.n = 3;
        check(f, hb_plugin_rehearse(f->plugin, &f->pages, &f->guest, 41, f->message, NULL));
        check(f, hb_plugin_learn(f->plugin, &o, &f->guest, f->message, NULL));
        assert_int_equal(fixture_run(f), 0);
        assert_true(f->out[0][0] == f->columns[0][0] + f->columns[0][1] + f->columns[0][2] + 3);
        fixture_free(f);
}

static void test_a_column_is_not_kept(void **state) {
        struct fixture *f = fixture_new();

        assert_int_equal(load(f,
                              "local kept\nfunction p:rehearse(pages) kept = pages.read_heat end\n"
                              "function p:learn() if kept then return kept:sum() end end",
                              &fixture_limits),
                         -EINVAL);
        assert_non_null(strstr(f->message, "a column of an earlier call is used"));
        fixture_free(f);
}

static void test_errors_are_reported(void **state) {
        static const char *const methods[] = {"observe", "rehearse", "learn", "save"};
        struct fixture *f = fixture_new();
        char text[256];

        for (unsigned i = 0; i < 4; i++) {
                snprintf(text, sizeof text, "\nfunction p:%s() error('on purpose') end", methods[i]);
                assert_int_equal(load(f, text, &fixture_limits), -EINVAL);
                assert_non_null(strstr(f->message, "predict/p.lua:4: on purpose"));
        }
        assert_int_equal(load(f,
                              "function p:save() return {} end\nfunction p:restore() local x = nil + 1 end",
                              &fixture_limits),
                         -EINVAL);
        assert_non_null(strstr(f->message, "predict/p.lua:4: attempt to perform arithmetic"));
        fixture_free(f);
}

/* ---- save and restore ---- */

#define MEMORY                                                                                               \
        "local m = { }\n"                                                                                    \
        "function p:observe(epoch)\n"                                                                        \
        "  m = { n = epoch.number, half = -0.5, big = math.mininteger, s = 'a\\0b', yes = true, no = "       \
        "false,\n"                                                                                           \
        "        v = hb.vec{1, 2, 3} * 2, list = { 10, 20, 30, { deep = { 1 } } }, [2.5] = 'x',\n"           \
        "        [true] = 1, empty = {} }\n"                                                                 \
        "end\n"                                                                                              \
        "function p:save() return m end\n"                                                                   \
        "function p:restore(data) m = data end\n"                                                            \
        "function p:predict(pages)\n"                                                                        \
        "  if m.n then\n"                                                                                    \
        "    assert(m.half == -0.5 and m.big == math.mininteger and m.s == 'a\\0b' and m.yes and not "       \
        "m.no)\n"                                                                                            \
        "    assert(m.v:sum() == 12 and m.list[3] == 30 and m.list[4].deep[1] == 1 and m[2.5] == 'x')\n"     \
        "    assert(m[true] == 1 and math.type(m.n) == 'integer' and m.empty and #m.list == 4)\n"            \
        "  end\n"                                                                                            \
        "  return pages.read_heat * 0 + (m.n or 0), pages.write_heat\n"                                      \
        "end"

static void test_save_and_restore(void **state) {
        struct hb_policy_observed o = {.epoch = 123};
        struct fixture *f = fixture_new();
        struct hb_buf first = {0}, second = {0};

        must_load(f, MEMORY);
        check(f, hb_plugin_observe(f->plugin, &o, &f->guest, f->message, NULL));
        check(f, hb_plugin_save(f->plugin, &first, f->message));
        assert_true(first.len > 50);
        must_load(f, MEMORY);
        check(f, fixture_run(f));
        assert_true(f->out[0][0] == 0);
        check(f, hb_plugin_restore(f->plugin, first.data, first.len, f->message));
        check(f, fixture_run(f));
        assert_true(f->out[0][0] == 123);
        check(f, hb_plugin_save(f->plugin, &second, f->message));
        assert_int_equal(first.len, second.len); /* equal data, equal bytes */
        assert_memory_equal(first.data, second.data, first.len);
        hb_buf_free(&first);
        hb_buf_free(&second);
        fixture_free(f);
}

/* Damaged bytes never crash, and leave a policy that starts afresh. */
static void test_damaged_state(void **state) {
        struct hb_policy_observed o = {.epoch = 123};
        struct fixture *f = fixture_new();
        struct hb_buf b = {0};

        must_load(f, MEMORY);
        check(f, hb_plugin_observe(f->plugin, &o, &f->guest, f->message, NULL));
        check(f, hb_plugin_save(f->plugin, &b, f->message));
        for (size_t cut = 1; cut < b.len; cut += 7) {
                assert_int_equal(hb_plugin_restore(f->plugin, b.data, cut, f->message), -EINVAL);
                assert_non_null(strstr(f->message, "what was saved is damaged"));
                check(f, fixture_run(f));
                assert_true(f->out[0][0] == 0);
        }
        b.data[0] ^= 1;
        assert_int_equal(hb_plugin_restore(f->plugin, b.data, b.len, f->message), -EINVAL);
        hb_buf_free(&b);
        fixture_free(f);
}

static void test_failing_restore_starts_afresh(void **state) {
        struct fixture *f = fixture_new();
        struct hb_buf b = {0};

        must_load(f, "local m = 1\nfunction p:save() return { m } end\n"
                     "function p:restore(d) m = 99 if d.bad then error('no') end m = d[1] end\n"
                     "function p:predict(pages) return pages.read_heat * 0 + m, pages.write_heat end");
        check(f, hb_plugin_save(f->plugin, &b, f->message));
        check(f, hb_plugin_restore(f->plugin, b.data, b.len, f->message));
        /* the same with a key the policy does not like: { bad = true } */
        assert_int_equal(hb_plugin_restore(f->plugin, "HBST\1\6\1\4\3bad\1", 13, f->message), -EINVAL);
        assert_non_null(strstr(f->message, "no"));
        check(f, fixture_run(f));
        assert_true(f->out[0][0] == 1);
        hb_buf_free(&b);
        fixture_free(f);
}

static void test_what_cannot_be_saved(void **state) {
        static const struct {
                const char *value, *why;
        } bad[] = {
                {"{ a = { f = function() end } }", "save: a.f is a function"},
                {"{ a = { [3] = math.huge } }", "save: a.3 is NaN or infinity"},
                {"{ v = hb.vec(3, 1e38) * 1e38 }", "save: v holds NaN or infinity"},
                {"{ [{}] = 1 }", "save: the value has a key that is a table"},
                {"setmetatable({}, {})", "save: the value has a metatable"},
                {"{ a = setmetatable({}, {}) }", "save: a has a metatable"},
                {"7", "save must return a table, not number"},
                {"nil", "save must return a table, not nil"},
        };
        struct fixture *f = fixture_new();
        char text[256];

        for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
                snprintf(text, sizeof text, "function p:save() return %s end", bad[i].value);
                assert_int_equal(load(f, text, &fixture_limits), -EINVAL);
                if (!strstr(f->message, bad[i].why))
                        fail_msg("%s: '%s' lacks '%s'", bad[i].value, f->message, bad[i].why);
        }
        assert_int_equal(load(f, "function p:save() local t = {} t.t = t return t end", &fixture_limits),
                         -EINVAL);
        assert_non_null(strstr(f->message, "is deeper than 8 tables"));
        assert_int_equal(
                load(f,
                     "function p:save() local t = {} for i = 1, 5 do t[i] = hb.vec(65536) end return t end",
                     &fixture_limits),
                -EINVAL);
        assert_non_null(strstr(f->message, "more than 1048576 bytes"));
        fixture_free(f);
}

/* An overrun in a method is as one in predict: stopped, and the policy goes on afresh. */
static void test_overrun(void **state) {
        struct hb_plugin_limits quick = fixture_limits;
        struct hb_policy_observed o = {.epoch = 77};
        struct fixture *f = fixture_new();

        quick.deadline_ns = 20000000;
        assert_int_equal(
                load(f, "function p:observe(e) if e.number == 77 then while true do end end end", &quick), 0);
        assert_int_equal(hb_plugin_observe(f->plugin, &o, &f->guest, f->message, &f->cpu_ns), -ETIME);
        assert_non_null(strstr(f->message, "stopped after"));
        check(f, fixture_run(f));
        fixture_free(f);
}

/* Every allocation of a life fails once: an error with a reason, or success, never a crash or a leak (ASan
 * watches), and the policy answers afterwards as it does afresh or with what it remembered. */
static void test_every_allocation_fails_once(void **state) {
        struct hb_policy_observed o = {.epoch = 5};
        struct hb_plugin_limits small = fixture_limits;
        struct fixture *f = fixture_new();
        unsigned rounds = 0, refused = 0;

        small.memory_bytes = 4u << 20;
        small.tried = true;
        for (unsigned n = 1; hb_fail_nth(n); n += 1 + n / 48, rounds++) {
                struct hb_buf saved = {0};
                int rc = load(f, MEMORY, &small);
                if (rc == 0)
                        rc = hb_plugin_observe(f->plugin, &o, &f->guest, f->message, NULL);
                if (rc == 0)
                        rc = hb_plugin_save(f->plugin, &saved, f->message);
                if (rc == 0)
                        rc = hb_plugin_restore(f->plugin, saved.data, saved.len, f->message);
                refused += rc < 0;
                assert_true(rc == 0 || f->message[0]);
                hb_buf_free(&saved);
        }
        hb_fault_disarm();
        print_message("%u rounds, %u refused\n", rounds, refused);
        assert_true(rounds > 100 && refused > 50);
        must_load(f, MEMORY);
        check(f, fixture_run(f));
        fixture_free(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_wants),
                cmocka_unit_test(test_methods_it_has_not),
                cmocka_unit_test(test_observe),
                cmocka_unit_test(test_rehearse_and_learn),
                cmocka_unit_test(test_a_column_is_not_kept),
                cmocka_unit_test(test_errors_are_reported),
                cmocka_unit_test(test_save_and_restore),
                cmocka_unit_test(test_damaged_state),
                cmocka_unit_test(test_failing_restore_starts_afresh),
                cmocka_unit_test(test_what_cannot_be_saved),
                cmocka_unit_test(test_overrun),
                cmocka_unit_test(test_every_allocation_fails_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
