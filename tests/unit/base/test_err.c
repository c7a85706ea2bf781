/* Errors must stay one printable line whatever a peer put into them, and survive being wrapped in themselves.
 */
#include "base/err.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void all_parts(void **state) {
        struct hb_err e;
        char line[1024];

        assert_int_equal(
                hb_err_set(&e, -ENOENT, "vm7", "harbinger guest list", "no guest by this %s", "name"),
                -ENOENT);
        assert_int_equal(e.code, -ENOENT);
        assert_string_equal(e.what, "no guest by this name");
        assert_string_equal(hb_err_line(&e, line, sizeof(line)),
                            "no guest by this name (vm7): harbinger guest list");
}

static void parts_may_be_missing(void **state) {
        struct hb_err e;
        char line[1024];

        hb_err_set(&e, -EIO, NULL, NULL, "disk gone");
        assert_string_equal(hb_err_line(&e, line, sizeof(line)), "disk gone");
        hb_err_set(&e, -EIO, "sda", NULL, "disk gone");
        assert_string_equal(hb_err_line(&e, line, sizeof(line)), "disk gone (sda)");
        hb_err_set(&e, -EIO, NULL, "run fsck", "disk gone");
        assert_string_equal(hb_err_line(&e, line, sizeof(line)), "disk gone: run fsck");
        hb_err_set(&e, -EIO, "sda", NULL, "%s", "");
        assert_string_equal(hb_err_line(&e, line, sizeof(line)), "EIO (sda)");
        assert_int_equal(hb_err_set(NULL, -EPERM, "x", "y", "%d", 1), -EPERM);
}

static void wrapping_itself(void **state) {
        struct hb_err e;

        hb_err_set(&e, -ECONNREFUSED, "host-b", "is harbingerd running there?", "connection refused");
        hb_err_set(&e, e.code, e.which, e.next, "cannot place the guest: %s", e.what);
        assert_string_equal(e.what, "cannot place the guest: connection refused");
        assert_string_equal(e.which, "host-b");
        assert_string_equal(e.next, "is harbingerd running there?");
}

static void long_texts_are_cut_whole(void **state) {
        struct hb_err e;
        char text[1000];
        char line[sizeof(struct hb_err)];

        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        hb_err_set(&e, -EIO, text, text, "%s", text);
        assert_int_equal(strlen(e.what), sizeof(e.what) - 1);
        assert_int_equal(strlen(e.which), sizeof(e.which) - 1);
        assert_int_equal(strlen(e.next), sizeof(e.next) - 1);
        assert_int_equal(strlen(hb_err_line(&e, line, sizeof(line))),
                         strlen(e.what) + strlen(e.which) + strlen(e.next) + 5);
        hb_err_line(&e, line, 10);
        assert_string_equal(line, "aaaaaaaaa");
        hb_err_line(&e, line, 1);
        assert_string_equal(line, "");
}

/* A cut inside a character would send half of it to a terminal. */
static void cut_between_characters(void **state) {
        static const char *const letters[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\xB4"};

        for (size_t k = 0; k < 3; k++) {
                for (size_t lead = 180; lead < 195; lead++) {
                        size_t n = strlen(letters[k]);
                        char text[600];
                        struct hb_err e;

                        memset(text, 'a', lead);
                        for (size_t at = lead; at + n < sizeof(text); at += n)
                                strcpy(text + at, letters[k]);
                        hb_err_set(&e, -EIO, text, NULL, "x");
                        assert_true(strlen(e.which) < sizeof(e.which));
                        if (strlen(e.which) >= lead)
                                assert_int_equal((strlen(e.which) - lead) % n, 0);
                        assert_true(strlen(e.which) + n > sizeof(e.which) - 1 || strlen(e.which) == lead);
                }
        }
}

static void control_bytes_do_not_pass(void **state) {
        struct hb_err e;
        char line[200];

        hb_err_set(&e, -EPROTO, "a\nb", "c\033[2Jd\x7F", "x\r\ty");
        hb_err_line(&e, line, sizeof(line));
        assert_string_equal(line, "x? y (a b): c?[2Jd?");
}

static void names_go_both_ways(void **state) {
        unsigned named = 0;

        for (int code = -1; code >= -200; code--) {
                const char *name = hb_errno_name(code);

                assert_non_null(name);
                if (strcmp(name, "EUNKNOWN") == 0)
                        continue;
                assert_int_equal(hb_errno_from_name(name), code);
                named++;
        }
        assert_true(named > 120);
        assert_string_equal(hb_errno_name(-ENOENT), "ENOENT");
        assert_string_equal(hb_errno_name(-EOPNOTSUPP), "EOPNOTSUPP");
        assert_string_equal(hb_errno_name(-EAGAIN), "EAGAIN");
        assert_string_equal(hb_errno_name(0), "OK");
        assert_string_equal(hb_errno_name(5), "EUNKNOWN");
        assert_string_equal(hb_errno_name(-2147483647 - 1), "EUNKNOWN");
}

static void names_that_are_none(void **state) {
        assert_int_equal(hb_errno_from_name("ENOTSUP"), -EOPNOTSUPP);
        assert_int_equal(hb_errno_from_name("EWOULDBLOCK"), -EAGAIN);
        assert_int_equal(hb_errno_from_name("EUNKNOWN"), 0);
        assert_int_equal(hb_errno_from_name("ENO"), 0);
        assert_int_equal(hb_errno_from_name("OK"), 0);
        assert_int_equal(hb_errno_from_name(""), 0);
        assert_int_equal(hb_errno_from_name(NULL), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_parts),
                cmocka_unit_test(parts_may_be_missing),
                cmocka_unit_test(wrapping_itself),
                cmocka_unit_test(long_texts_are_cut_whole),
                cmocka_unit_test(cut_between_characters),
                cmocka_unit_test(control_bytes_do_not_pass),
                cmocka_unit_test(names_go_both_ways),
                cmocka_unit_test(names_that_are_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
