/* JSON written as text: always valid, and what was put in comes out, whatever bytes it is made of. */
#include "control/json_out.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *parsed(struct hb_json_out *o) {
        json_t *j;

        assert_false(o->buf.failed);
        j = json_loadb((char *)o->buf.data, o->buf.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(j);
        hb_buf_free(&o->buf);
        return j;
}

static void an_object_of_everything(void **state) {
        struct hb_json_out o = {0};
        json_t *j, *list;

        hb_json_open(&o, NULL, '{');
        hb_json_str(&o, "text", "a \"b\" \\ /");
        hb_json_str(&o, "none", NULL);
        hb_json_int(&o, "least", INT64_MIN);
        hb_json_int(&o, "most", INT64_MAX);
        hb_json_pages(&o, "zero", 0);
        hb_json_pages(&o, "too_many", UINT64_MAX);
        hb_json_real(&o, "half", 0.5);
        hb_json_real(&o, "never", INFINITY);
        hb_json_real(&o, "unknown", NAN);
        hb_json_time(&o, "time", 1795411332.25);
        hb_json_bool(&o, "yes", true);
        hb_json_bool(&o, "no", false);
        hb_json_open(&o, "list", '[');
        hb_json_pages(&o, NULL, 7);
        hb_json_open(&o, NULL, '[');
        hb_json_close(&o, ']');
        hb_json_open(&o, NULL, '{');
        hb_json_close(&o, '}');
        hb_json_close(&o, ']');
        hb_json_tree(&o, "tree", json_pack("{s:i}", "x", 3));
        hb_json_tree(&o, "scalar", json_true());
        hb_json_ready(&o, "raw", "[1]", 3);
        hb_json_null(&o, "null");
        hb_json_close(&o, '}');
        j = parsed(&o);
        assert_int_equal(json_object_size(j), 17);
        assert_string_equal(json_string_value(json_object_get(j, "text")), "a \"b\" \\ /");
        assert_string_equal(json_string_value(json_object_get(j, "none")), "");
        assert_true(json_integer_value(json_object_get(j, "least")) == INT64_MIN);
        assert_true(json_integer_value(json_object_get(j, "most")) == INT64_MAX);
        assert_true(json_integer_value(json_object_get(j, "too_many")) == INT64_MAX);
        assert_true(json_real_value(json_object_get(j, "half")) == 0.5);
        assert_true(json_is_null(json_object_get(j, "never")) && json_is_null(json_object_get(j, "unknown")));
        assert_true(json_real_value(json_object_get(j, "time")) == 1795411332.25);
        assert_true(json_is_true(json_object_get(j, "yes")) && json_is_false(json_object_get(j, "no")));
        list = json_object_get(j, "list");
        assert_int_equal(json_array_size(list), 3);
        assert_int_equal(json_integer_value(json_array_get(list, 0)), 7);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "tree"), "x")), 3);
        json_decref(j);
}

static void numbers_come_back(void **state) {
        double reals[] = {1e-300, -1e300, DBL_MIN,   DBL_MAX, 1,    -1,
                          3,      1e9,    123456789, 0.1,     1e-5, 4294967296.0};
        uint64_t n = 1;

        for (unsigned i = 0; i < sizeof(reals) / sizeof(reals[0]); i++) {
                struct hb_json_out o = {0};
                json_t *j;

                hb_json_open(&o, NULL, '[');
                hb_json_real(&o, NULL, reals[i]);
                hb_json_close(&o, ']');
                j = parsed(&o);
                assert_true(json_is_real(json_array_get(j, 0))); /* also a whole one */
                assert_true(fabs(json_real_value(json_array_get(j, 0)) / reals[i] - 1) < 1e-8);
                json_decref(j);
        }
        for (unsigned i = 0; i < 63; i++, n = n * 2 + (i & 1)) {
                struct hb_json_out o = {0};
                json_t *j;

                n &= INT64_MAX;
                hb_json_open(&o, NULL, '[');
                hb_json_pages(&o, NULL, n);
                hb_json_int(&o, NULL, -(int64_t)n);
                hb_json_close(&o, ']');
                j = parsed(&o);
                assert_true(json_integer_value(json_array_get(j, 0)) == (json_int_t)n);
                assert_true(json_integer_value(json_array_get(j, 1)) == -(json_int_t)n);
                json_decref(j);
        }
}

/* What jansson takes as UTF-8 comes back as it is; of what it does not, only the bad bytes are replaced. */
static void any_bytes_make_a_string(void **state) {
        uint32_t x = 99;

        for (unsigned round = 0; round < 200000; round++) {
                struct hb_json_out o = {0};
                char s[12] = "";
                const char *back;
                json_t *j, *own;
                unsigned n = 1 + round % 8;

                for (unsigned i = 0; i < n; i++) {
                        x = x * 1664525u + 1013904223u;
                        /* lead and continuation bytes often enough to meet whole characters and broken ones
                         */
                        s[i] = (char)(x >> 24 & 1 ? 0x80 | (x >> 16 & 0x7F) : (x >> 16 & 0xFF));
                        if (!s[i])
                                s[i] = 'a';
                }
                hb_json_open(&o, NULL, '[');
                hb_json_str(&o, NULL, s);
                hb_json_close(&o, ']');
                j = parsed(&o);
                back = json_string_value(json_array_get(j, 0));
                assert_int_equal(strlen(back) <= strlen(s), 1);
                own = json_string(s);
                if (own)
                        assert_string_equal(back, s);
                else
                        assert_non_null(strchr(back, '?'));
                json_decref(own);
                json_decref(j);
        }
}

static void a_failed_tree_fails_the_text(void **state) {
        struct hb_json_out o = {0};

        hb_json_open(&o, NULL, '{');
        hb_json_tree(&o, "x", NULL);
        hb_json_close(&o, '}');
        assert_true(o.buf.failed);
        hb_buf_free(&o.buf);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_object_of_everything),
                cmocka_unit_test(numbers_come_back),
                cmocka_unit_test(any_bytes_make_a_string),
                cmocka_unit_test(a_failed_tree_fails_the_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
