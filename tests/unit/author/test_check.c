/* Where a host's message or luacheck's line points; which kind a file is; files made once and never
 * overwritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include "author/check.h"
#include "author/scaffold.h"
#include "base/fault.h"
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
        const char *message, *file, *text;
        unsigned line;
} messages[] = {
        {"scorer 'calm' refused: score/calm.lua:12: add: vectors of 3 and 4 elements", "x/calm.lua",
         "add: vectors of 3 and 4 elements", 12},
        {"score/calm.lua:7: boom: score/other.lua:8: x", "x/calm.lua", "boom: score/other.lua:8: x", 7},
        {"score/calm.lua: kind is 'predictor'", "x/calm.lua", "kind is 'predictor'", 0},
        {"lib/contest.lua:5: no", "/p/lib/contest.lua", "no", 5},
        {"stopped after 50.1 ms, its deadline is 50.0 ms", "x/calm.lua",
         "stopped after 50.1 ms, its deadline is 50.0 ms", 0},
        {"", "x/calm.lua", "", 0},
        {"score/calm.lua:", "x/calm.lua", "", 0},
};

static void test_locate(void **state) {
        struct hb_author_policy p = {.kind = HB_POLICY_SCORER, .name = "calm", .dir = "/p"};
        struct hb_author_problem got;

        for (unsigned i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
                hb_author_locate(&p, "x/calm.lua", messages[i].message, &got);
                assert_string_equal(got.file, messages[i].file);
                assert_string_equal(got.text, messages[i].text);
                assert_int_equal(got.line, messages[i].line);
        }
}

static void test_lint_lines(void **state) {
        struct hb_author_problem p;

        assert_true(hb_author_lint_line("a b/score/x.lua:3:7: (W211) unused variable 'x'", &p));
        assert_string_equal(p.file, "a b/score/x.lua");
        assert_true(p.line == 3 && p.column == 7);
        assert_string_equal(p.text, "(W211) unused variable 'x'");
        assert_false(hb_author_lint_line("", &p));
        assert_false(hb_author_lint_line("Total: 0 warnings / 0 errors in 1 file", &p));
        assert_false(hb_author_lint_line("x.lua:a:b: c", &p));
        assert_false(hb_author_lint_line("x.lua:1", &p));
}

static void write_text(const char *path, const char *text) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

static void test_kind_of_a_file(void **state) {
        struct hb_author_policy p;
        struct hb_err e;

        write_text("loose.lua", "-- kind of it\nreturn { api = 1, kind = 'threshold', name = 'loose' }\n");
        assert_int_equal(hb_author_find("loose.lua", &p, &e), 0);
        assert_int_equal(p.kind, HB_POLICY_THRESHOLD);
        assert_string_equal(p.name, "loose");
        assert_int_equal(mkdir("score", 0700), 0);
        write_text("score/in.lua", "return 1\n");
        assert_int_equal(hb_author_find("score/in.lua", &p, &e), 0);
        assert_int_equal(p.kind, HB_POLICY_SCORER);
        assert_null(strstr(p.dir, "score"));
        write_text("none.lua", "mankind = 'scorer'\n");
        assert_int_equal(hb_author_find("none.lua", &p, &e), -EINVAL);
        write_text("short.lua", "kind = \"scorer"); /* the text ends in the word */
        assert_int_equal(hb_author_find("short.lua", &p, &e), -EINVAL);
        assert_int_equal(hb_author_find("score", &p, &e), -EINVAL);
        assert_int_equal(hb_author_find("not/there.lua", &p, &e), -ENOENT);
}

static void test_scaffold(void **state) {
        struct hb_author_files f;
        struct hb_err e;

        for (int k = 0; k < HB_POLICY_KINDS; k++) {
                assert_int_equal(hb_author_scaffold((enum hb_policy_kind)k, "n", "new", &f, &e),
                                 k ? -EEXIST : 0);
                if (k) /* specifications share a folder: no two policies of one name */
                        assert_int_equal(hb_author_scaffold((enum hb_policy_kind)k, "m", "new2", &f, &e),
                                         k == 1 ? 0 : -EEXIST);
        }
        assert_int_equal(hb_author_scaffold(HB_POLICY_SCORER, "../up", "new", &f, &e), -EINVAL);
        assert_int_equal(hb_author_scaffold(HB_POLICY_SCORER, "x", "loose.lua", &f, &e), -ENOTDIR);
}

static void test_scaffold_leaves_nothing_half(void **state) {
        struct hb_author_files f;
        struct hb_err e;

        for (unsigned nth = 1; nth <= 2; nth++) {
                assert_int_equal(hb_fault_arm(nth == 1 ? "author.write=fail@1" : "author.write=fail@2"), 0);
                assert_int_equal(hb_author_scaffold(HB_POLICY_SCORER, "half", "halves", &f, &e), -EIO);
                hb_fault_disarm();
                assert_int_not_equal(access("halves/score/half.lua", F_OK), 0);
                assert_int_not_equal(access("halves/spec/half_spec.lua", F_OK), 0);
        }
        assert_int_equal(hb_author_scaffold(HB_POLICY_SCORER, "half", "halves", &f, &e), 0);
}

struct seen {
        unsigned n;
        char text[256];
};

static void on_found(void *arg, const struct hb_author_problem *p) {
        struct seen *s = arg;

        s->n++;
        snprintf(s->text, sizeof(s->text), "%s %u %.200s", p->check, p->line, p->text);
}

static void test_check(void **state) {
        struct hb_author_report r;
        struct seen s = {0};
        struct hb_err e;

        write_text("sound.lua", "return { api = 1, kind = 'threshold', name = 'sound', version = '1',\n"
                                "  threshold = function() return 0.5 end }\n");
        assert_int_equal(hb_author_check("sound.lua", on_found, &s, &r, &e), 0);
        assert_true(s.n == 0 && r.problems == 0 && r.loaded && r.call_us > 0);
        assert_string_equal(r.version, "1");
        write_text(
                "late.lua",
                "local n = 0\nreturn { api = 1, kind = 'threshold', name = 'late', version = '1',\n"
                "  threshold = function() n = n + 1 if n > 50 then error('worn out') end return 0 end }\n");
        assert_int_equal(hb_author_check("late.lua", on_found, &s, &r, &e), 0);
        assert_true(s.n >= 1 && r.problems == s.n);
        memset(&s, 0, sizeof(s));
        write_text("bad.lua", "return { api = 1, kind = 'threshold', name = 'bad', version = '1', }\nx");
        assert_int_equal(hb_author_check("bad.lua", on_found, &s, &r, &e), 0);
        assert_true(s.n == 1 && !r.loaded && strncmp(s.text, "load 2 ", 7) == 0);
        write_text("save.lua", "return { api = 1, kind = 'threshold', name = 'save', version = '1',\n"
                               "  threshold = function() return 0 end, save = function() return { 1 } end,\n"
                               "  restore = function() error('cannot read that') end }\n");
        memset(&s, 0, sizeof(s));
        assert_int_equal(hb_author_check("save.lua", on_found, &s, &r, &e), 0);
        assert_true(s.n == 1 && strncmp(s.text, "load 3 cannot read that", 23) == 0);
}

static int enter(void **state) {
        static char dir[] = "/tmp/hb-author-test-XXXXXX";

        *state = dir;
        return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave(void **state) {
        char command[128];

        snprintf(command, sizeof(command), "rm -rf '%s'", (const char *)*state);
        return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_locate),         cmocka_unit_test(test_lint_lines),
                cmocka_unit_test(test_kind_of_a_file), cmocka_unit_test(test_scaffold),
                cmocka_unit_test(test_check),          cmocka_unit_test(test_scaffold_leaves_nothing_half),
        };
        return cmocka_run_group_tests(tests, enter, leave);
}
