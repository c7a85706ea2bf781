/* The guest's answers: taken whole or not at all. */
#include "move/attach_reply.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h> /* after the rest: it needs it */

static int parse(const char *line, struct hb_attach_reply *r) {
        return hb_attach_reply_parse(line, strlen(line), r);
}

static void test_good(void **state) {
        struct hb_attach_reply r;
        uint64_t n;

        assert_int_equal(parse("ok", &r), 0);
        assert_int_equal(r.npairs, 0);
        assert_int_equal(parse("ok name=mem addr=0x7f0000001000 bytes=4096 path=", &r), 0);
        assert_string_equal(hb_attach_reply_get(&r, "name"), "mem");
        assert_string_equal(hb_attach_reply_get(&r, "path"), "");
        assert_string_equal(hb_attach_reply_get(&r, "none"), "");
        assert_int_equal(hb_attach_reply_number(&r, "addr", UINT64_MAX, &n), 0);
        assert_true(n == 0x7f0000001000);
        assert_int_equal(hb_attach_reply_number(&r, "bytes", 4096, &n), 0);
        assert_int_equal(hb_attach_reply_number(&r, "bytes", 4095, &n), -EPROTO);
        assert_int_equal(hb_attach_reply_number(&r, "name", UINT64_MAX, &n), -EPROTO);
        assert_int_equal(hb_attach_reply_number(&r, "path", UINT64_MAX, &n), -EPROTO);
        assert_int_equal(parse("error EINVAL the guest is not frozen", &r), 0);
        assert_int_equal(r.code, -EINVAL);
        assert_string_equal(r.words, "the guest is not frozen");
        assert_int_equal(parse("error ETIMEDOUT", &r), 0);
}

static void test_bad(void **state) {
        static const char *const lines[] = {"",
                                            "o",
                                            "okay",
                                            "ok name",
                                            "ok =x",
                                            "ok  a=1",
                                            "error",
                                            "error ",
                                            "error WHAT x",
                                            "{\"QMP\": {}}",
                                            "ok a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9"};
        struct hb_attach_reply r;
        char longer[600];

        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
                assert_int_equal(parse(lines[i], &r), -EPROTO);
        snprintf(longer, sizeof(longer), "ok path=%0300d", 0); /* would be cut */
        assert_int_equal(parse(longer, &r), -EPROTO);
        assert_int_equal(hb_attach_reply_parse("ok a=1\0b", 8, &r), -EPROTO);
}

static void test_numbers(void **state) {
        static const char *const bad[] = {"ok n=-1",   "ok n=0x", "ok n=1x", "ok n=99999999999999999999",
                                          "ok n=0xFF", "ok n=+1"};
        struct hb_attach_reply r;
        uint64_t n = 7;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                assert_int_equal(parse(bad[i], &r), 0);
                assert_int_equal(hb_attach_reply_number(&r, "n", UINT64_MAX, &n), -EPROTO);
        }
        assert_int_equal(n, 7); /* written only on success */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_bad),
                cmocka_unit_test(test_numbers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
