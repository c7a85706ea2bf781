/* The lines of the control socket: what is built parses back, what is wrong is refused with a reason. */
#include "control/ctl.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *reparse(json_t *msg) {
        size_t len;
        char *line = hb_ctl_line(msg, &len);
        json_t *back;

        assert_non_null(line);
        assert_int_equal(strlen(line), len);
        assert_int_equal(line[len - 1], '\n');
        assert_null(memchr(line, '\n', len - 1));
        back = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(back);
        free(line);
        json_decref(msg);
        return back;
}

static void requests_parse_back(void **state) {
        size_t len;
        json_t *msg = hb_ctl_request(7, "place", json_pack("{s:s,s:s}", "guest", "vm1", "host", "b\n\"c"));
        char *line = hb_ctl_line(msg, &len);
        const char *cmd;
        json_t *back;
        int id;

        assert_int_equal(hb_ctl_parse_request(line, len, &id, &cmd, &back, NULL), 0);
        assert_int_equal(id, 7);
        assert_string_equal(cmd, "place");
        assert_true(json_equal(back, msg));
        assert_string_equal(json_string_value(json_object_get(json_object_get(back, "args"), "host")),
                            "b\n\"c");
        json_decref(back);
        json_decref(msg);
        free(line);
}

static void arguments_may_be_left_out(void **state) {
        static const char line[] = "{\"id\":0,\"cmd\":\"status\"}";
        const char *cmd;
        json_t *msg;
        int id;

        assert_int_equal(hb_ctl_parse_request(line, strlen(line), &id, &cmd, &msg, NULL), 0);
        assert_true(json_is_object(json_object_get(msg, "args")));
        json_decref(msg);
}

static void bad_requests_are_refused_with_a_reason(void **state) {
        static const struct {
                const char *line, *why;
        } cases[] = {
                {"", "expected"},
                {"\n", "expected"},
                {"{", "expected"},
                {"GET / HTTP/1.1\r\n", "expected"},
                {"[1,2]", "not an object"},
                {"{}", "\"id\""},
                {"{\"id\":1}", "\"cmd\""},
                {"{\"cmd\":\"status\"}", "\"id\""},
                {"{\"id\":-1,\"cmd\":\"status\"}", "\"id\""},
                {"{\"id\":2147483648,\"cmd\":\"status\"}", "\"id\""},
                {"{\"id\":99999999999999999999,\"cmd\":\"status\"}", "too big"},
                {"{\"id\":1.5,\"cmd\":\"status\"}", "\"id\""},
                {"{\"id\":\"1\",\"cmd\":\"status\"}", "\"id\""},
                {"{\"id\":1,\"cmd\":5}", "\"cmd\""},
                {"{\"id\":1,\"cmd\":\"status\",\"args\":[]}", "\"args\""},
                {"{\"id\":1,\"cmd\":\"status\",\"args\":{},\"more\":1}", "only"},
                {"{\"id\":1,\"id\":2,\"cmd\":\"status\"}", "duplicate"},
                {"{\"id\":1,\"cmd\":\"status\"} {}", "end of file"},
                {"{\"id\":1,\"cmd\":\"\xff\"}", "decode byte"},
                {"{\"id\":1,\"cmd\":\"a\\u0000b\"}", "NUL"},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct hb_err e = {0};
                const char *cmd = "untouched";
                json_t *msg = (json_t *)&e;
                int id = 77;

                assert_int_equal(
                        hb_ctl_parse_request(cases[i].line, strlen(cases[i].line), &id, &cmd, &msg, &e),
                        -EBADMSG);
                if (!strstr(e.what, cases[i].why))
                        fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].line, e.what, cases[i].why);
                assert_true(e.next[0]);
                assert_int_equal(id, 77);
                assert_string_equal(cmd, "untouched");
                assert_ptr_equal(msg, &e);
        }
}

static void long_requests_are_refused_unread(void **state) {
        size_t len = HB_CTL_MAX_REQUEST + 1;
        char *line = malloc(len);
        struct hb_err e;
        const char *cmd;
        json_t *msg;
        int id;

        memset(line, ' ', len);
        memcpy(line, "{\"id\":1,\"cmd\":\"status\"}", 23);
        assert_int_equal(hb_ctl_parse_request(line, len, &id, &cmd, &msg, &e), -EBADMSG);
        assert_int_equal(hb_ctl_parse_request(line, len - 1, &id, &cmd, &msg, &e), 0);
        json_decref(msg);
        free(line);
}

static void deep_nesting_is_refused(void **state) {
        size_t depth = 30000, n = 0;
        char *line = malloc(3 * depth);
        struct hb_err e;
        const char *cmd;
        json_t *msg;
        int id;

        n += (size_t)sprintf(line, "{\"id\":1,\"cmd\":\"status\",\"args\":");
        memset(line + n, '[', depth);
        assert_int_equal(hb_ctl_parse_request(line, n + depth, &id, &cmd, &msg, &e), -EBADMSG);
        free(line);
}

static void errors_travel_whole(void **state) {
        struct hb_err e = {0}, back = {0};
        json_t *msg;

        hb_err_set(&e, -ENOENT, "vm1", "harbinger guest list", "no such guest");
        msg = reparse(hb_ctl_fail(3, &e));
        assert_int_equal(json_integer_value(json_object_get(msg, "id")), 3);
        assert_true(json_is_false(json_object_get(msg, "ok")));
        assert_int_equal(hb_ctl_error_from(json_object_get(msg, "error"), &back), -ENOENT);
        assert_memory_equal(&e, &back, sizeof(e));
        assert_int_equal(hb_ctl_error_from(json_object_get(msg, "error"), NULL), -ENOENT);
        json_decref(msg);
}

static void every_errno_travels(void **state) {
        for (int code = -1; code > -134; code--) {
                struct hb_err e = {0}, back;
                json_t *j;

                if (strcmp(hb_errno_name(code), "EUNKNOWN") == 0)
                        continue;
                hb_err_set(&e, code, NULL, NULL, "x");
                j = hb_ctl_error_json(&e);
                assert_int_equal(hb_ctl_error_from(j, &back), code);
                json_decref(j);
        }
}

static void strange_errors_are_still_failures(void **state) {
        static const char *const texts[] = {"{}", "[]", "3", "{\"code\":\"EWHAT\"}",
                                            "{\"code\":7,\"what\":[]}"};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                json_t *j = json_loads(texts[i], JSON_DECODE_ANY, NULL);
                struct hb_err e = {0};

                assert_int_equal(hb_ctl_error_from(j, &e), -EPROTO);
                assert_true(e.what[0]);
                json_decref(j);
        }
        assert_int_equal(hb_ctl_error_from(NULL, NULL), -EPROTO);
}

static void bytes_that_are_not_utf8_still_make_a_line(void **state) {
        struct hb_err e = {0};
        json_t *msg, *error;

        hb_err_set(&e, -EIO, "/dev/shm/\xff\xfe", "try \xc3", "caf\xc3\xa9 \x80");
        msg = reparse(hb_ctl_fail(1, &e));
        error = json_object_get(msg, "error");
        assert_string_equal(json_string_value(json_object_get(error, "which")), "/dev/shm/??");
        assert_string_equal(json_string_value(json_object_get(error, "next")), "try ?");
        json_decref(msg);
        msg = hb_ctl_text("caf\xc3\xa9");
        assert_string_equal(json_string_value(msg), "caf\xc3\xa9");
        json_decref(msg);
        msg = hb_ctl_text(NULL);
        assert_string_equal(json_string_value(msg), "");
        json_decref(msg);
}

static void numbers_json_cannot_say_become_null(void **state) {
        json_t *j = hb_ctl_real(1.5);

        assert_true(json_real_value(j) == 1.5);
        json_decref(j);
        assert_true(json_is_null(hb_ctl_real(INFINITY)));
        assert_true(json_is_null(hb_ctl_real(-INFINITY)));
        assert_true(json_is_null(hb_ctl_real(NAN)));
}

static void answers_carry_number_and_kind(void **state) {
        json_t *ok = reparse(hb_ctl_ok(9, json_pack("{s:i}", "n", 4))), *none = reparse(hb_ctl_ok(10, NULL));
        json_t *step = reparse(hb_ctl_progress(9, json_pack("{s:s}", "state", "filling")));

        assert_true(json_is_true(json_object_get(ok, "ok")));
        assert_int_equal(json_integer_value(json_object_get(json_object_get(ok, "result"), "n")), 4);
        assert_true(json_is_object(json_object_get(none, "result")));
        assert_int_equal(json_integer_value(json_object_get(step, "id")), 9);
        assert_null(json_object_get(step, "ok"));
        assert_null(hb_ctl_progress(9, NULL));
        json_decref(ok);
        json_decref(none);
        json_decref(step);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(requests_parse_back),
                cmocka_unit_test(arguments_may_be_left_out),
                cmocka_unit_test(bad_requests_are_refused_with_a_reason),
                cmocka_unit_test(long_requests_are_refused_unread),
                cmocka_unit_test(deep_nesting_is_refused),
                cmocka_unit_test(errors_travel_whole),
                cmocka_unit_test(every_errno_travels),
                cmocka_unit_test(strange_errors_are_still_failures),
                cmocka_unit_test(bytes_that_are_not_utf8_still_make_a_line),
                cmocka_unit_test(numbers_json_cannot_say_become_null),
                cmocka_unit_test(answers_carry_number_and_kind),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
