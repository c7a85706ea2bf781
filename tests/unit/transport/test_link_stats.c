/* The link meter against simulated links with a clock of their own: what it says of a link that is steady,
 * that changes, that is shared, that stalls, that our cap holds back, that carries only small requests or
 * nothing. */
#include "base/clock.h"
#include "check.h"
#include "transport/link_stats.h"
#include <math.h>

#define MS    HB_NS_PER_MS
#define DEPTH 16u

/* A link that sends one transfer after the other; DEPTH of ours are always asked for. */
struct link {
        struct hb_link_meter m;
        uint64_t now;
        double rate;   /* bytes/s we get */
        double jitter; /* share by which single transfers differ */
        uint64_t random;
        unsigned flying;
};

static double rnd(struct link *l) {
        l->random = l->random * 6364136223846793005ull + 1442695040888963407ull;
        return (double)(l->random >> 11) / (double)(1ull << 53);
}

static void open_link(struct link *l, double rate) {
        *l = (struct link){.now = 12345, .rate = rate, .random = 7};
        hb_link_meter_init(&l->m, l->now);
        hb_link_meter_latency(&l->m, 200e-6);
}

static struct hb_link_stats stats(struct link *l) {
        struct hb_link_stats st;

        hb_link_meter_get(&l->m, l->now, &st);
        return st;
}

static void transfer(struct link *l, double bytes, double rate) {
        if (l->flying < DEPTH) {
                hb_link_meter_begin(&l->m, l->now, DEPTH - l->flying);
                l->flying = DEPTH;
        }
        l->now += (uint64_t)(bytes / rate * 1e9 * (1 + l->jitter * (2 * rnd(l) - 1)));
        hb_link_meter_moved(&l->m, l->now, (uint64_t)bytes, 64, 0);
        hb_link_meter_end(&l->m, l->now, 1);
        l->flying--;
}

static void load(struct link *l, uint64_t ns) {
        for (uint64_t end = l->now + ns; l->now < end;)
                transfer(l, 100e3, l->rate);
}

static void rest(struct link *l, uint64_t ns) {
        hb_link_meter_end(&l->m, l->now, l->flying);
        l->flying = 0;
        l->now += ns;
}

static void within(double is, double should, double share) {
        if (!(is >= should * (1 - share) && is <= should * (1 + share)))
                fail_msg("%g is not within %.0f %% of %g", is, share * 100, should);
}

static void test_steady(void **state) {
        static const double rates[] = {1.25e6, 12.5e6, 125e6, 1.25e9};

        for (unsigned i = 0; i < 4; i++) {
                struct link l;

                open_link(&l, rates[i]);
                l.jitter = 0.3;
                assert_true(stats(&l).confidence == 0);
                load(&l, 20 * HB_NS_PER_S);
                within(stats(&l).bytes_per_s, rates[i], 0.1);
                assert_true(stats(&l).confidence > 0.9);
                assert_true(stats(&l).pace_loss < 0.05);
                within(stats(&l).queue_delay_s, DEPTH * 100e3 / rates[i] - 200e-6, 0.2);
                assert_true(stats(&l).used_share > 0.95);
                hb_link_meter_fini(&l.m);
        }
}

/* 10 to 1 Gbit/s and back: within a tenth after HB_LINK_SETTLES_NS. */
static void test_capacity_changes(void **state) {
        struct link l;

        open_link(&l, 1.25e9);
        l.jitter = 0.3;
        load(&l, 5 * HB_NS_PER_S);
        within(stats(&l).bytes_per_s, 1.25e9, 0.1);
        for (unsigned i = 0; i < 4; i++) {
                l.rate = i % 2 ? 1.25e9 : 1.25e8;
                load(&l, 250 * MS);
                assert_true(stats(&l).confidence < 0.8); /* something is going on */
                load(&l, HB_LINK_SETTLES_NS - 250 * MS);
                within(stats(&l).bytes_per_s, l.rate, 0.1);
                load(&l, 2 * HB_NS_PER_S);
                assert_true(stats(&l).confidence > 0.9);
        }
        hb_link_meter_fini(&l.m);
}

/* Traffic of others takes half the link for a while: the estimate is what is left for us. */
static void test_shared(void **state) {
        struct link l;

        open_link(&l, 125e6);
        load(&l, 3 * HB_NS_PER_S);
        for (unsigned i = 0; i < 400; i++) /* others come and go in 20 ms: what we get is the mean */
                for (uint64_t end = l.now + 20 * MS; l.now < end;)
                        transfer(&l, 25e3, i % 2 ? 125e6 : 62.5e6);
        within(stats(&l).bytes_per_s, 93.75e6, 0.15);
        l.rate = 62.5e6;
        load(&l, 2 * HB_NS_PER_S);
        within(stats(&l).bytes_per_s, 62.5e6, 0.05);
        hb_link_meter_fini(&l.m);
}

/* It stalls for 200 ms of each second: the estimate stays, the loss of pace shows. */
static void test_stalls(void **state) {
        struct link l;

        open_link(&l, 125e6);
        load(&l, 5 * HB_NS_PER_S);
        for (unsigned i = 0; i < 20; i++) {
                load(&l, 800 * MS);
                l.now += 200 * MS;
        }
        within(stats(&l).bytes_per_s, 125e6, 0.1);
        assert_true(stats(&l).pace_loss > 0.1 && stats(&l).pace_loss < 0.4);
        load(&l, 15 * HB_NS_PER_S);
        assert_true(stats(&l).pace_loss < 0.02); /* and it is forgiven */
        hb_link_meter_fini(&l.m);
}

/* One transfer far above the link (a buffer took it) or a burst of them is no new link. */
static void test_bursts(void **state) {
        struct link l;

        open_link(&l, 12.5e6);
        for (unsigned i = 0; i < 10; i++) {
                load(&l, 900 * MS);
                for (unsigned k = 0; k < 20; k++)
                        transfer(&l, 100e3, 1.25e9);
        }
        within(stats(&l).bytes_per_s, 12.5e6, 0.15);
        hb_link_meter_fini(&l.m);
}

static void test_cap_is_not_the_link(void **state) {
        struct link l;

        open_link(&l, 125e6);
        load(&l, 3 * HB_NS_PER_S);
        hb_link_meter_capped(&l.m, true);
        l.rate = 20e6;
        load(&l, 5 * HB_NS_PER_S);
        within(stats(&l).bytes_per_s, 125e6, 0.05);
        assert_true(stats(&l).pace_loss < 0.05);
        hb_link_meter_capped(&l.m, false);
        load(&l, 2 * HB_NS_PER_S); /* without the cap it is as slow: now that is the link */
        within(stats(&l).bytes_per_s, 20e6, 0.05);
        hb_link_meter_fini(&l.m);
}

/* Demands, one page at a time: each takes the latency, and says nothing of the width. */
static void test_small_requests(void **state) {
        struct link l;

        open_link(&l, 125e6);
        load(&l, 3 * HB_NS_PER_S);
        rest(&l, MS);
        for (unsigned i = 0; i < 20000; i++) {
                hb_link_meter_begin(&l.m, l.now, 1);
                l.now += 230000;
                hb_link_meter_moved(&l.m, l.now, 4200, 1, 0);
                hb_link_meter_end(&l.m, l.now, 1);
                l.now += 20000;
        }
        within(stats(&l).bytes_per_s, 125e6, 0.05);
        assert_true(stats(&l).pace_loss < 0.05);
        hb_link_meter_fini(&l.m);
}

static void test_idle(void **state) {
        struct link l;
        double sure;

        open_link(&l, 125e6);
        load(&l, 3 * HB_NS_PER_S);
        sure = stats(&l).confidence;
        rest(&l, 120 * HB_NS_PER_S);
        within(stats(&l).bytes_per_s, 125e6, 0.01);
        within(stats(&l).confidence, sure / 2, 0.1);
        assert_true(stats(&l).used_share < 0.01);
        rest(&l, 3600 * HB_NS_PER_S);
        assert_true(stats(&l).confidence < 0.01);
        load(&l, HB_NS_PER_S);
        assert_true(stats(&l).confidence > 0.9);
        hb_link_meter_fini(&l.m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_steady),         cmocka_unit_test(test_capacity_changes),
                cmocka_unit_test(test_shared),         cmocka_unit_test(test_stalls),
                cmocka_unit_test(test_bursts),         cmocka_unit_test(test_cap_is_not_the_link),
                cmocka_unit_test(test_small_requests), cmocka_unit_test(test_idle),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
