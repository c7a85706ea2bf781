/* What several views share: unknown is never a number, times are those of the tick's day, keys are those of
 * the keymap, text that was cut stays text. */
#include "view_fake.h"
#include "views/parts.h"
#include <math.h>

static void test_numbers(void **state) {
        char buf[HB_PART_TEXT];

        assert_string_equal(hb_part_fixed(0.4126, 2, buf), "0.41");
        assert_string_equal(hb_part_fixed(-0.001, 2, buf), "0.00");
        assert_string_equal(hb_part_fixed(-0.25, 2, buf), "-0.25");
        assert_string_equal(hb_part_fixed(NAN, 2, buf), "-");
        assert_string_equal(hb_part_fixed(INFINITY, 2, buf), "-");
        assert_true(strlen(hb_part_fixed(-1e308, 6, buf)) < HB_PART_TEXT - 1);
        assert_string_equal(hb_part_bound(NAN, buf), "any");
        assert_string_equal(hb_part_bound(0.25, buf), "0.25");
}

static void test_values(void **state) {
        json_t *o = fake_json("{'a':-1,'b':0.5,'c':null,'d':'x','e':{'f':3}}");
        static const double never[] = {NAN, INFINITY, -INFINITY};

        assert_true(isnan(hb_part_share(o, "a")));
        assert_float_equal(hb_part_share(o, "b"), 0.5, 0);
        assert_true(isnan(hb_part_share(o, "c")));
        assert_true(isnan(hb_part_share(o, "d")));
        assert_float_equal(hb_part_share(o, "e.f"), 3, 0);
        assert_true(isnan(hb_part_share(NULL, "a")));
        for (unsigned i = 0; i < 3; i++) {
                assert_true(json_is_null(hb_part_number(never[i])));
                assert_true(json_is_null(hb_part_known(never[i])));
        }
        assert_true(json_is_null(hb_part_known(-1)));
        json_decref(o);
}

static void test_cut_text(void **state) {
        json_t *whole = hb_part_string("caf\xc3\xa9"), *cut = hb_part_string("caf\xc3");

        assert_string_equal(json_string_value(whole), "caf\xc3\xa9");
        assert_string_equal(json_string_value(cut), "caf");
        assert_true(json_is_null(hb_part_string("\xff\xfe\xff\xfe\xff\xfe")));
        json_decref(whole);
        json_decref(cut);
}

static void test_times(void **state) {
        const double now = 1795400000; /* 2026-11-23T02:13:20Z */
        char buf[HB_PART_TEXT];

        assert_string_equal(hb_part_time(now, now, buf), "02:13:20");
        assert_string_equal(hb_part_time(now - 86400, now, buf), "11-22 02:13");
        assert_string_equal(hb_part_time(NAN, now, buf), "-");
        assert_string_equal(hb_part_time(-5, now, buf), "-");
        assert_string_equal(hb_part_time(1e300, now, buf), "-");
        assert_string_equal(hb_part_stamp("2026-11-23T02:00:07Z", now, buf), "02:00:07");
        assert_string_equal(hb_part_stamp("2026-11-22T20:00:00Z", now, buf), "11-22 20:00");
        assert_string_equal(hb_part_stamp("", now, buf), "-");
        assert_string_equal(hb_part_stamp("yesterday", now, buf), "yesterday");
        hb_part_stamp("9999-99-99T99:99:99Z", now, buf);
        hb_part_stamp("-999-99-99T99:99:99Z", NAN, buf);
}

static void test_keys(void **state) {
        static const struct hb_key_help keys[] = {
                {HB_DO_MIGRATE, "m, F9"}, {HB_DO_SLOWER, ",, x"}, {HB_DO_DROP, ""}};
        struct hb_view_ctx c = {.keys = keys, .nkeys = 3};
        char buf[HB_PART_TEXT];

        assert_string_equal(hb_part_key(&c, HB_DO_MIGRATE, buf), "m");
        assert_string_equal(hb_part_key(&c, HB_DO_SLOWER, buf), ",");
        assert_string_equal(hb_part_key(&c, HB_DO_DROP, buf), "drop"); /* no key: by its name */
        assert_string_equal(hb_part_key(&c, HB_DO_LOAD, buf), "load");
}

static void test_names(void **state) {
        json_t *five = fake_json("['a','b','c','d',5]"), *text = fake_json("['vm1, vm2',3,-1]");
        char buf[64], small[8];

        assert_string_equal(hb_part_names(five, 3, buf, sizeof(buf)), "a, b, c and 2 more");
        assert_string_equal(hb_part_names(five, 9, buf, sizeof(buf)), "a, b, c, d, ?");
        assert_string_equal(hb_part_names(json_array_get(text, 0), 3, buf, sizeof(buf)), "vm1, vm2");
        assert_string_equal(hb_part_names(json_array_get(text, 1), 3, buf, sizeof(buf)), "3");
        assert_string_equal(hb_part_names(json_array_get(text, 2), 3, buf, sizeof(buf)), "");
        assert_string_equal(hb_part_names(NULL, 3, buf, sizeof(buf)), "");
        assert_string_equal(hb_part_names(five, 9, small, sizeof(small)), "a, b, c");
        json_decref(five);
        json_decref(text);
}

/* A replay has a time of its own; without any tick it is the world's. */
static void test_now(void **state) {
        struct fake f;

        fake_new(&f);
        assert_float_equal(hb_part_now(f.w), 1795400000, 0);
        fake_add(&f, fake_json("{'host':'a','time':1700000000}"), NULL);
        fake_add(&f, fake_json("{'host':'b'}"), NULL);
        fake_turn(&f);
        assert_float_equal(hb_part_now(f.w), 1700000000, 0);
        assert_int_equal(hb_part_seat_of(f.w, "b"), 1);
        assert_int_equal(hb_part_seat_of(f.w, "c"), HB_NO_SEAT);
        assert_string_equal(hb_part_host(f.w, 0), "a");
        assert_string_equal(hb_part_host(f.w, HB_NO_SEAT), "?");
        fake_free(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),  cmocka_unit_test(test_values),
                cmocka_unit_test(test_cut_text), cmocka_unit_test(test_times),
                cmocka_unit_test(test_keys),     cmocka_unit_test(test_names),
                cmocka_unit_test(test_now),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
