/* The simulated link: in order, at its speed, with the right stamps, and full like the real one. */
#include "check.h"
#include "replay/sim_link.h"
#include <errno.h>

#define MS 1000000ull

static struct hb_sim_link link_of(double bytes_per_s, double latency_s) {
        struct hb_sim_link l;

        assert_int_equal(hb_sim_link_init(&l, bytes_per_s, latency_s, 1.0, 0), 0);
        return l;
}

static void test_speed_and_latency(void **state) {
        struct hb_sim_link l = link_of(4160e3, 10e-3); /* a page, and the reply's head, is a millisecond */
        struct hb_sim_flight f;

        assert_int_equal(hb_sim_link_fetch(&l, 0, 7, 1), 0);
        assert_int_equal(hb_sim_link_fetch(&l, 0, 9, 2), 0);
        assert_true(hb_sim_link_next(&l) >= 11 * MS && hb_sim_link_next(&l) < 11 * MS + 10);
        assert_false(hb_sim_link_take(&l, 11 * MS - 1, 1, &f));
        assert_true(hb_sim_link_take(&l, 12 * MS, 1, &f));
        assert_true(f.gfn == 7 && f.pages == 1 && f.wire_bytes == 4160 && f.stamp == 1);
        assert_false(hb_sim_link_take(&l, 12 * MS, 1, &f));
        assert_true(hb_sim_link_take(&l, 13 * MS, 1, &f)); /* 64 bytes of head only once */
        assert_true(f.gfn == 9 && f.pages == 2);
        assert_int_equal(l.pages, 0);
        assert_true(hb_sim_link_next(&l) == UINT64_MAX);
        hb_sim_link_fini(&l);
}

/* A run served before a scan has the stamp of the scan before, however late it arrives. */
static void test_stamps(void **state) {
        struct hb_sim_link l = link_of(4160e3, 10e-3);
        struct hb_sim_flight f;

        for (uint64_t g = 0; g < 10; g++)
                assert_int_equal(hb_sim_link_fetch(&l, 0, g, 1), 0); /* served at 5, 6, 7 ... ms */
        hb_sim_link_scanned(&l, 8 * MS - MS / 2, 3);
        hb_sim_link_scanned(&l, 11 * MS - MS / 2, 4);
        for (uint64_t g = 0; g < 10; g++) {
                assert_true(hb_sim_link_take(&l, 1000 * MS, 5, &f));
                assert_int_equal(f.gfn, g);
                assert_int_equal(f.stamp, g < 3 ? 3 : g < 6 ? 4 : 5);
        }
        hb_sim_link_fini(&l);
}

static void test_full(void **state) {
        struct hb_sim_link l = link_of(1e9, 0);
        struct hb_sim_flight f;

        for (unsigned i = 0; i < HB_SIM_FLIGHTS; i++)
                assert_int_equal(hb_sim_link_fetch(&l, 0, i, 1), 0);
        assert_int_equal(hb_sim_link_fetch(&l, 0, 0, 1), -EAGAIN);
        assert_true(hb_sim_link_take(&l, 1000 * MS, 1, &f));
        assert_int_equal(hb_sim_link_fetch(&l, 0, 0, 1), 0);
        hb_sim_link_fini(&l);
}

static void test_measured(void **state) {
        struct hb_sim_link l = link_of(10e6, 0);
        struct hb_sim_flight f;

        for (uint64_t now = 0; now < 4000 * MS; now += MS) { /* busy for half of each 20 ms */
                if (now / MS % 20 == 0)
                        for (unsigned i = 0; i < 24; i++)
                                assert_int_equal(hb_sim_link_fetch(&l, now, i, 1), 0);
                while (hb_sim_link_take(&l, now, 1, &f))
                        ;
                hb_sim_link_measure(&l, now);
        }
        assert_true(l.used_share > 0.45 && l.used_share < 0.56);
        assert_true(l.rate > 9e6 && l.rate < 10.1e6);
        hb_sim_link_measure(&l, 100000 * MS); /* long idle */
        assert_true(l.used_share < 0.01 && l.rate > 9e6);
        hb_sim_link_fini(&l);
}

static void test_no_such_link(void **state) {
        static const double bad[][3] = {{0, 0, 1},   {1e20, 0, 1}, {1e6, -1, 1}, {1e6, 1e4, 1},
                                        {1e6, 0, 0}, {1e6, 0, 9},  {1e6, 0, -1}};
        struct hb_sim_link l;

        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(hb_sim_link_init(&l, bad[i][0], bad[i][1], bad[i][2], 0), -EINVAL);
        hb_sim_link_fini(&l);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_speed_and_latency),
                cmocka_unit_test(test_stamps),
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_measured),
                cmocka_unit_test(test_no_such_link),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
