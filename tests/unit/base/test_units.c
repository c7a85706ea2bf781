/* Amounts as people type them: what is taken, what is refused, and that a refusal writes nothing. */
#include "base/units.h"
#include "check.h"
#include <errno.h>
#include <math.h>

static void bytes(const char *text, uint64_t want) {
        uint64_t v = 77;

        if (hb_units_bytes(text, &v) < 0 || v != want)
                fail_msg("'%s' gave %llu", text, (unsigned long long)v);
}

static void rate(const char *text, double want) {
        double v = 77;

        if (hb_units_rate(text, &v) < 0 || fabs(v - want) > want * 1e-12)
                fail_msg("'%s' gave %g", text, v);
}

static void seconds(const char *text, double want) {
        double v = 77;

        if (hb_units_seconds(text, &v) < 0 || fabs(v - want) > want * 1e-12)
                fail_msg("'%s' gave %g", text, v);
}

static void test_amounts(void **state) {
        bytes("0", 0);
        bytes("4096", 4096);
        bytes("64KiB", 65536);
        bytes("64mib", 64ull << 20);
        bytes("1.5GiB", 3ull << 29);
        bytes("125M", 125000000);
        bytes("2T", 2000000000000ull);
        bytes("1e6", 1000000);
        rate("1gbit", 125e6);
        rate("1Gbit/s", 125e6);
        rate("100mbit", 12.5e6);
        rate("8bit", 1);
        rate("125MB/s", 125e6);
        rate("12MiB/s", 12 * 1048576.0);
        rate("1e9", 1e9);
        seconds("10", 10);
        seconds("200us", 200e-6);
        seconds("200\u00b5s", 200e-6);
        seconds("1.5ms", 1.5e-3);
        seconds("50NS", 50e-9);
        seconds("5min", 300);
        seconds("1h", 3600);
}

static void test_refused(void **state) {
        static const char *const wrong[] = {"",      "-1",    "+1",    "inf", "nan",  "1 s", "1x",
                                            "0x10",  "s",     "1e",    ".",   "1..",  "1,5", " 1",
                                            "1e999", "10 MB", "1bits", "1/s", "1e30T"};
        uint64_t u = 77;
        double d = 77;

        for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                if (hb_units_bytes(wrong[i], &u) != -EINVAL || hb_units_rate(wrong[i], &d) != -EINVAL ||
                    hb_units_seconds(wrong[i], &d) != -EINVAL)
                        fail_msg("'%s' was taken", wrong[i]);
        }
        assert_int_equal(hb_units_bytes("1gbit", &u), -EINVAL);
        assert_int_equal(hb_units_seconds("1gbit", &d), -EINVAL);
        assert_int_equal(hb_units_rate("1s", &d), -EINVAL);
        assert_true(u == 77 && d == 77);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_amounts),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
