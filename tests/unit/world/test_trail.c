/* The last minutes of a guest's figures. */
#include "world_rig.h"

static void tick(struct rig *r, unsigned seat, const char *host, double time, double dirty) {
        char text[512];

        snprintf(text, sizeof(text), "'host':'%s','time':%f,'guests':[{'name':'vm1','dirty_bytes_per_s':%f}]",
                 host, time, dirty);
        rig_tick(r, seat, text);
}

static size_t trail(struct rig *r, const char *id, enum hb_trail_figure f, double v[HB_TRAIL_POINTS]) {
        const struct hb_guest_seen *g = hb_world_guest(r->w, id);

        assert_non_null(g);
        return hb_world_trail(r->w, g->trail, f, v);
}

static void test_a_point_a_tick(void **state) {
        double v[HB_TRAIL_POINTS];
        struct rig r;
        unsigned a;

        rig_begin(&r);
        a = rig_seat(&r);
        for (unsigned i = 0; i < HB_TRAIL_POINTS + 7; i++) {
                tick(&r, a, "a", 1000 + i, i);
                if (i == 2) {
                        assert_int_equal(trail(&r, "vm1", HB_TRAIL_DIRTY, v), 3);
                        assert_true(v[0] == 0 && v[2] == 2);
                }
        }
        tick(&r, a, "a", 1000 + HB_TRAIL_POINTS + 6, 5); /* time stands still: no point */
        assert_int_equal(trail(&r, "vm1", HB_TRAIL_DIRTY, v), HB_TRAIL_POINTS);
        for (unsigned i = 0; i < HB_TRAIL_POINTS; i++)
                assert_true(v[i] == i + 7);
        assert_int_equal(trail(&r, "vm1", HB_TRAIL_RATE, v), HB_TRAIL_POINTS);
        assert_true(isnan(v[0]));
        assert_int_equal(hb_world_trail(r.w, 99, HB_TRAIL_DIRTY, v), 0);
        assert_int_equal(hb_world_trail(r.w, ~0u, HB_TRAIL_DIRTY, v), 0);
        assert_int_equal(hb_world_trail(r.w, 0, HB_TRAIL_FIGURES, v), 0);
        rig_end(&r);
}

static void test_each_figure(void **state) {
        static const double expected[] = {1e6, 2e6, 0.75, 30, 41.5, 0.25, 0.9};
        double v[HB_TRAIL_POINTS];
        struct rig r;
        unsigned a, b;

        rig_begin(&r);
        a = rig_seat(&r);
        b = rig_seat(&r);
        for (unsigned i = 0; i < 3; i++) {
                char text[800];

                snprintf(text, sizeof(text),
                         "'host':'a','time':%u,'guests':[{'name':'vm1','dirty_bytes_per_s':1e6,'placement':{'"
                         "id':'1',"
                         "'rate_bytes_per_s':2e6,'resident_pages':1000,'fresh_pages':750,'stale_pages':30,"
                         "'estimate':{'downtime_ms':41.5},'threshold':0.25,'precision':0.9,'wasted_pages':%u}"
                         "}]",
                         100 + 2 * i, 50 * i);
                rig_tick(&r, a, text);
                rig_tick(&r, b,
                         "'host':'b','incoming':[{'id':'1','guest':'vm1','from':'a','fresh_pages':1,"
                         "'resident_pages':2,'stale_pages':9,'precision':0.1}]");
        }
        for (unsigned f = 0; f < HB_TRAIL_WASTED; f++) {
                assert_int_equal(trail(&r, "vm1", f, v), 3); /* the source's figures, and only its points */
                assert_true(fabs(v[2] - expected[f]) < 1e-6 * expected[f]);
        }
        trail(&r, "vm1", HB_TRAIL_WASTED, v);
        assert_true(isnan(v[0]) && v[1] == 25 && v[2] == 25); /* of a difference, a second */
        rig_tick(&r, a,
                 "'host':'a','time':200,'guests':[{'name':'vm1','placement':{'id':'1','precision':-1,"
                 "'resident_pages':0,'fresh_pages':5,'wasted_pages':2,'estimate':null}}]");
        assert_int_equal(trail(&r, "vm1", HB_TRAIL_PRECISION, v), 4);
        assert_true(fabs(v[3] - 0.1) < 1e-6); /* unknown there, known to the target */
        trail(&r, "vm1", HB_TRAIL_WASTED, v);
        assert_true(isnan(v[3])); /* it counts from the beginning again */
        trail(&r, "vm1", HB_TRAIL_DOWNTIME, v);
        assert_true(isnan(v[3]));
        rig_end(&r);
}

/* The trail goes where the guest goes; another one of its name does not get it. */
static void test_moves_along(void **state) {
        double v[HB_TRAIL_POINTS];
        struct rig r;
        unsigned a, b, c;

        rig_begin(&r);
        a = rig_seat(&r);
        b = rig_seat(&r);
        c = rig_seat(&r);
        rig_tick(&r, b, "'host':'b','time':1");
        rig_tick(&r, c, "'host':'c','time':1");
        tick(&r, a, "a", 1, 10);
        tick(&r, a, "a", 2, 11);
        rig_tick(&r, a, "'host':'a','time':3");
        tick(&r, b, "b", 2, 12);
        assert_int_equal(trail(&r, "vm1", HB_TRAIL_DIRTY, v), 3);
        assert_true(v[0] == 10 && v[1] == 11 && v[2] == 12);
        tick(&r, c, "c", 2, 99);
        tick(&r, b, "b", 3, 13);
        assert_int_equal(trail(&r, "vm1@c", HB_TRAIL_DIRTY, v), 1);
        assert_true(v[0] == 99);
        assert_int_equal(trail(&r, "vm1@b", HB_TRAIL_DIRTY, v), 4);
        rig_end(&r);
}

static void test_gaps_while_nothing_is_heard(void **state) {
        double v[HB_TRAIL_POINTS];
        struct rig r;
        size_t n;
        unsigned a;

        rig_begin(&r);
        a = rig_seat(&r);
        tick(&r, a, "a", 1, 10);
        tick(&r, a, "a", 2, 11);
        close(r.fd[a]);
        r.fd[a] = -1;
        rig_pump(&r);
        assert_int_equal(hb_world_seat(r.w, a)->state, HB_SEAT_LOST);
        assert_true(hb_world_wake_ns(r.w) <= r.now + RIG_S);
        for (unsigned i = 0; i < 5; i++)
                rig_wait(&r, 1);
        n = trail(&r, "vm1", HB_TRAIL_DIRTY, v); /* still known, from before */
        assert_int_equal(n, 7);
        assert_true(v[1] == 11);
        for (unsigned i = 2; i < n; i++)
                assert_true(isnan(v[i]));
        rig_end(&r);
}

/* A guest that went keeps its trail for a while, not for good. */
static void test_given_back(void **state) {
        double v[HB_TRAIL_POINTS];
        struct rig r;
        unsigned a;

        rig_begin(&r);
        a = rig_seat(&r);
        tick(&r, a, "a", 1, 10);
        rig_tick(&r, a, "'host':'a','time':2");
        rig_wait(&r, 4);
        tick(&r, a, "a", 3, 11);
        assert_int_equal(trail(&r, "vm1", HB_TRAIL_DIRTY, v), 2);
        for (unsigned i = 0; i < 310; i++) {
                char text[64];

                snprintf(text, sizeof(text), "'host':'a','time':%u", 4 + i);
                rig_wait(&r, 1);
                rig_tick(&r, a, text);
        }
        tick(&r, a, "a", 500, 12);
        assert_int_equal(trail(&r, "vm1", HB_TRAIL_DIRTY, v), 1);
        rig_end(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_point_a_tick), cmocka_unit_test(test_each_figure),
                cmocka_unit_test(test_moves_along),    cmocka_unit_test(test_gaps_while_nothing_is_heard),
                cmocka_unit_test(test_given_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
