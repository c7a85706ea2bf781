/* Heat arithmetic against libm, and the quantised forms against themselves over their whole range. */
#include "check.h"
#include "map/heat.h"
#include <math.h>

static void test_decay_follows_exp(void **state) {
        for (double dt = -1.0; dt < 400.0; dt += 0.137) {
                double want = dt <= 0 ? 1.0 : exp(-dt / HB_HEAT_TAU_S);

                assert_true(fabs((double)hb_decay(dt, HB_HEAT_TAU_S) - want) <= want * 1e-6);
        }
        assert_true(hb_decay(1e9, 20.0) == 0.0f);
        assert_true(hb_decay((double)NAN, 20.0) == 1.0f);
}

static void test_steady_events_converge_to_their_rate(void **state) {
        static const double intervals[] = {0.01, 0.1, 1.0, 5.0};

        for (unsigned i = 0; i < 4; i++) {
                uint16_t packed = 0;

                for (uint32_t n = 0; n < 40000; n++) {
                        float h = hb_heat_touch(hb_heat_unpack(packed), n ? intervals[i] : 0, intervals[i]);

                        packed = hb_heat_pack(h, n * 2654435761u >> 7);
                }
                assert_true(fabs((double)hb_heat_unpack(packed) * intervals[i] - 1.0) < 0.05);
        }
}

static void test_samples_estimate_a_rate(void **state) {
        float h = 0;

        for (unsigned n = 0; n < 300; n++) /* looked at every 10 s for 1 s; touched every other time */
                h = hb_heat_sample(h, n ? 10.0 : 0.0, 1.0, (int)(n & 1));
        assert_true(h > 0.3f && h < 0.7f);
        for (unsigned n = 0; n < 30; n++)
                h = hb_heat_sample(h, 10.0, 1.0, 0);
        assert_true(h < 1e-3f);
}

static void test_q_is_exact_monotonic_and_near(void **state) {
        assert_int_equal(hb_heat_q(0), 0);
        assert_int_equal(hb_heat_q(-3.0f), 0);
        assert_int_equal(hb_heat_q(NAN), 0);
        assert_int_equal(hb_heat_q(INFINITY), 254);
        for (unsigned q = 0; q < 255; q++)
                assert_int_equal(hb_heat_q(hb_heat_of((uint8_t)q)), q);
        for (unsigned q = 1; q < 255; q++)
                assert_true(hb_heat_of((uint8_t)q) > hb_heat_of((uint8_t)(q - 1)));
        for (double x = 0x1p-15; x < 40000; x *= 1.01)
                assert_true(fabs((double)hb_heat_of(hb_heat_q((float)x)) / x - 1.0) < 0.0630);
}

static void test_pack_is_exact_and_unbiased(void **state) {
        assert_int_equal(hb_heat_pack(0, 0), 0);
        assert_int_equal(hb_heat_pack(INFINITY, 0), UINT16_MAX);
        for (uint32_t v = 0; v < UINT16_MAX; v++)
                if (hb_heat_unpack((uint16_t)v) < 4090.0f)
                        assert_int_equal(hb_heat_pack(hb_heat_unpack((uint16_t)v), 0), v);
        for (double x = 0.0123; x < 4000; x *= 3.7) {
                double sum = 0;

                for (uint32_t d = 0; d < 4096; d++)
                        sum += (double)hb_heat_unpack(hb_heat_pack((float)x, d));
                assert_true(fabs(sum / 4096 / x - 1.0) < 1e-5);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_decay_follows_exp),
                cmocka_unit_test(test_steady_events_converge_to_their_rate),
                cmocka_unit_test(test_samples_estimate_a_rate),
                cmocka_unit_test(test_q_is_exact_monotonic_and_near),
                cmocka_unit_test(test_pack_is_exact_and_unbiased),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
