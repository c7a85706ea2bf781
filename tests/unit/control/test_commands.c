/* The command table: sound in itself, described in docs/CONTROL.md, and every request is held to it. */
#include "control/ctl.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *sample(enum hb_ctl_arg_type t) {
        switch (t) {
        case HB_ARG_STRING:
                return json_string("x");
        case HB_ARG_INT:
                return json_integer(3);
        case HB_ARG_REAL:
                return json_real(1.5);
        case HB_ARG_BOOL:
                return json_true();
        }
        return NULL;
}

/* All arguments of a command, but those with index `without`. */
static json_t *all_args(const struct hb_ctl_command *c, int without) {
        json_t *args = json_object();

        for (int i = 0; c->args[i].name; i++)
                if (i != without)
                        json_object_set_new(args, c->args[i].name, sample(c->args[i].type));
        return args;
}

static void names_are_unique_and_found(void **state) {
        size_t n;
        const struct hb_ctl_command *c = hb_ctl_commands(&n);

        assert_true(n >= 14);
        for (size_t i = 0; i < n; i++) {
                assert_ptr_equal(hb_ctl_find(c[i].name), &c[i]);
                assert_null(c[i].args[sizeof(c[i].args) / sizeof(c[i].args[0]) - 1].name);
        }
        assert_null(hb_ctl_find(""));
        assert_null(hb_ctl_find("guest"));
        assert_null(hb_ctl_find("guest.attach "));
}

static void whole_requests_pass(void **state) {
        size_t n;
        const struct hb_ctl_command *c = hb_ctl_commands(&n);

        for (size_t i = 0; i < n; i++) {
                json_t *args = all_args(&c[i], -1);

                assert_int_equal(hb_ctl_check(&c[i], args, NULL), 0);
                json_decref(args);
        }
}

static void each_argument_is_required_or_not(void **state) {
        size_t n;
        const struct hb_ctl_command *c = hb_ctl_commands(&n);

        for (size_t i = 0; i < n; i++)
                for (int a = 0; c[i].args[a].name; a++) {
                        json_t *args = all_args(&c[i], a);
                        struct hb_err e = {0};

                        assert_int_equal(hb_ctl_check(&c[i], args, &e), c[i].args[a].required ? -EINVAL : 0);
                        if (c[i].args[a].required) {
                                assert_non_null(strstr(e.what, c[i].args[a].name));
                                assert_string_equal(e.which, c[i].name);
                        }
                        json_decref(args);
                }
}

static bool fits(enum hb_ctl_arg_type want, enum hb_ctl_arg_type given) {
        return want == given || (want == HB_ARG_REAL && given == HB_ARG_INT);
}

static void each_argument_keeps_to_its_type(void **state) {
        size_t n;
        const struct hb_ctl_command *c = hb_ctl_commands(&n);

        for (size_t i = 0; i < n; i++)
                for (int a = 0; c[i].args[a].name; a++)
                        for (int t = HB_ARG_STRING; t <= HB_ARG_BOOL; t++) {
                                json_t *args = all_args(&c[i], a);
                                struct hb_err e = {0};
                                int want = fits(c[i].args[a].type, (enum hb_ctl_arg_type)t) ? 0 : -EINVAL;

                                json_object_set_new(args, c[i].args[a].name, sample((enum hb_ctl_arg_type)t));
                                assert_int_equal(hb_ctl_check(&c[i], args, &e), want);
                                if (want < 0)
                                        assert_non_null(strstr(e.what, c[i].args[a].name));
                                json_object_set_new(args, c[i].args[a].name, json_null());
                                assert_int_equal(hb_ctl_check(&c[i], args, &e), -EINVAL);
                                json_decref(args);
                        }
}

static void unknown_arguments_are_named(void **state) {
        size_t n;
        const struct hb_ctl_command *c = hb_ctl_commands(&n);

        for (size_t i = 0; i < n; i++) {
                json_t *args = all_args(&c[i], -1);
                struct hb_err e = {0};

                json_object_set_new(args, "colour", json_string("red"));
                assert_int_equal(hb_ctl_check(&c[i], args, &e), -EINVAL);
                assert_non_null(strstr(e.what, "colour"));
                json_decref(args);
        }
        assert_int_equal(hb_ctl_check(c, NULL, NULL), -EINVAL);
}

static void every_command_is_documented(void **state) {
        static char text[256 * 1024];
        FILE *f = fopen(HB_SOURCE_DIR "/docs/CONTROL.md", "r");
        const struct hb_ctl_command *c;
        size_t n;

        assert_non_null(f);
        text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
        fclose(f);
        c = hb_ctl_commands(&n);
        for (size_t i = 0; i < n; i++) {
                char heading[80], *at, *end;

                snprintf(heading, sizeof(heading), "\n### `%s`\n", c[i].name);
                at = strstr(text, heading);
                if (!at)
                        fail_msg("docs/CONTROL.md has no heading for %s", c[i].name);
                end = strstr(at + 5, "\n### ");
                for (int a = 0; c[i].args[a].name; a++) {
                        char row[80], *found;

                        snprintf(row, sizeof(row), "\n| `%s` |", c[i].args[a].name);
                        found = strstr(at, row);
                        if (!found || (end && found > end))
                                fail_msg("docs/CONTROL.md: %s lacks its argument %s", c[i].name,
                                         c[i].args[a].name);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_are_unique_and_found),
                cmocka_unit_test(whole_requests_pass),
                cmocka_unit_test(each_argument_is_required_or_not),
                cmocka_unit_test(each_argument_keeps_to_its_type),
                cmocka_unit_test(unknown_arguments_are_named),
                cmocka_unit_test(every_command_is_documented),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
