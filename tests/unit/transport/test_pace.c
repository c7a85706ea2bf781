/* The token bucket and the link meter with a clock of our own: no time passes. */
#include "base/clock.h"
#include "check.h"
#include "transport/link_stats.h"
#include "transport/token_bucket.h"

#define MS HB_NS_PER_MS

/* Senders of runs of `bytes`, one after the other, each waking `late` ns after its ticket is due. */
static double sent_in(struct hb_token_bucket *b, uint64_t *now, uint64_t span, uint64_t bytes,
                      uint64_t late) {
        uint64_t end = *now + span, ns;
        double sent = 0;

        while (*now < end) {
                double ticket = hb_token_bucket_reserve(b, *now, bytes);

                while ((ns = hb_token_bucket_wait(b, *now, ticket)) > 0)
                        *now += ns + late;
                sent += (double)bytes;
        }
        return sent;
}

static void close_to(double is, double should, double share) {
        if (is < should * (1 - share) || is > should * (1 + share))
                fail_msg("%.0f is not within %.0f %% of %.0f", is, share * 100, should);
}

static void test_rate_holds(void **state) {
        static const uint64_t rates[] = {1000000, 12500000, 125000000, 1250000000};
        struct hb_token_bucket b;

        for (unsigned i = 0; i < 4; i++) {
                uint64_t now = 5;

                hb_token_bucket_init(&b, now, rates[i]);
                close_to(sent_in(&b, &now, 10 * HB_NS_PER_S, 70000, 0), 10.0 * (double)rates[i], 0.01);
                /* waking 2 ms late each time loses nothing: the burst covers it */
                close_to(sent_in(&b, &now, 10 * HB_NS_PER_S, 70000, 2 * MS), 10.0 * (double)rates[i], 0.03);
        }
}

static void test_no_burst_after_a_pause(void **state) {
        struct hb_token_bucket b;
        uint64_t now = 0;
        double sent;

        hb_token_bucket_init(&b, now, 10000000);
        now += 60 * HB_NS_PER_S;
        sent = sent_in(&b, &now, 100 * MS, 10000, 0);
        assert_true(sent <= 10000000 * 0.120 + 10000); /* 100 ms and the 20 ms of burst */
}

static void test_urgent_counts(void **state) {
        struct hb_token_bucket b;
        uint64_t now = 0;
        double urgent = 0, bulk = 0;

        hb_token_bucket_init(&b, now, 10000000);
        for (int i = 0; i < 100; i++) {
                hb_token_bucket_reserve(&b, now, 40000); /* not waited for */
                urgent += 40000;
                bulk += sent_in(&b, &now, 10 * MS, 5000, 0);
        }
        close_to(urgent + bulk, 10e6 * (double)now / 1e9, 0.03);
}

static void test_correction(void **state) {
        struct hb_token_bucket b;
        uint64_t now = 0, ns;
        double sent = 0;

        hb_token_bucket_init(&b, now, 10000000);
        while (now < 5 * HB_NS_PER_S) { /* reserves three times what it sends */
                double ticket = hb_token_bucket_reserve(&b, now, 60000);

                while ((ns = hb_token_bucket_wait(&b, now, ticket)) > 0)
                        now += ns;
                hb_token_bucket_correct(&b, -40000);
                sent += 20000;
        }
        close_to(sent, 10e6 * (double)now / 1e9, 0.01);
}

/* Two senders hold tickets; the first sent much less than it reserved, or nothing at all. The second still
 * goes, and sooner for it. */
static void test_correction_leaves_no_ticket_behind(void **state) {
        struct hb_token_bucket b;
        uint64_t now = 0, ns;
        double first, second;

        hb_token_bucket_init(&b, now, 1000000);
        first = hb_token_bucket_reserve(&b, now, 500000);
        second = hb_token_bucket_reserve(&b, now, 500000);
        now += hb_token_bucket_wait(&b, now, first);
        hb_token_bucket_correct(&b, -450000);
        ns = hb_token_bucket_wait(&b, now, second);
        assert_in_range(ns, 40 * MS, 60 * MS);
        now += ns;
        assert_int_equal(hb_token_bucket_wait(&b, now, second), 0);
        hb_token_bucket_correct(&b, -500000);
        close_to(sent_in(&b, &now, 5 * HB_NS_PER_S, 10000, 0), 5e6, 0.12); /* the credit is no burst */
}

static void test_rate_changes(void **state) {
        struct hb_token_bucket b;
        uint64_t now = 0;
        double ticket;

        hb_token_bucket_init(&b, now, 0);
        ticket = hb_token_bucket_reserve(&b, now, 1u << 30);
        assert_int_equal(hb_token_bucket_wait(&b, now, ticket), 0); /* no limit */
        hb_token_bucket_set_rate(&b, now, 1000000);
        close_to(sent_in(&b, &now, 5 * HB_NS_PER_S, 10000, 0), 5e6,
                 0.02); /* the free GiB is not held against it */
        ticket = hb_token_bucket_reserve(&b, now, 1000000);
        assert_true(hb_token_bucket_wait(&b, now, ticket) > 900 * MS);
        hb_token_bucket_set_rate(&b, now, 100000000);
        assert_true(hb_token_bucket_wait(&b, now, ticket) < 11 * MS); /* who waits gains at once */
        hb_token_bucket_set_rate(&b, now, 0);
        assert_int_equal(hb_token_bucket_wait(&b, now, ticket), 0);
}

/* ---- meter ---- */

/* `busy` of every 10 ms, 1 MB each. */
static uint64_t run_meter(struct hb_link_meter *m, uint64_t now, unsigned times, uint64_t busy) {
        for (unsigned i = 0; i < times; i++) {
                hb_link_meter_begin(m, now, 1);
                hb_link_meter_moved(m, now + busy, 1000000, 488, 0);
                hb_link_meter_end(m, now + busy, 1);
                now += 10 * MS;
        }
        return now;
}

static void test_meter(void **state) {
        struct hb_link_meter m;
        struct hb_link_stats st;
        uint64_t now = 1000;

        hb_link_meter_init(&m, now);
        hb_link_meter_get(&m, now, &st);
        assert_true(st.bytes_per_s == 0 && st.used_share == 0 && st.compression == 1);
        now = run_meter(&m, now, 300, 4 * MS); /* 1 MB in 4 ms: 250 MB/s, 40 % of the time */
        hb_link_meter_get(&m, now, &st);
        close_to(st.bytes_per_s, 250e6, 0.05);
        close_to(st.used_share, 0.4, 0.1);
        close_to(st.compression, 488 * 4096 / 1e6, 0.02);
        assert_true(st.wire_bytes == 300000000 && st.pages == 300 * 488);
        now += 60 * HB_NS_PER_S;
        hb_link_meter_get(&m, now, &st);
        close_to(st.bytes_per_s, 250e6, 0.05); /* what an idle link can do is still known */
        assert_true(st.used_share < 0.01);
        hb_link_meter_latency(&m, 0.010);
        for (int i = 0; i < 100; i++)
                hb_link_meter_latency(&m, 0.002);
        hb_link_meter_get(&m, now, &st);
        close_to(st.latency_s, 0.002, 0.05);
        hb_link_meter_fini(&m);
}

static void test_meter_counts_overlap_once(void **state) {
        struct hb_link_meter m;
        struct hb_link_stats st;
        uint64_t now = 0;

        hb_link_meter_init(&m, now);
        for (int i = 0; i < 1000; i++) { /* always 8 in flight, 1 MB lands each ms */
                hb_link_meter_begin(&m, now, i == 0 ? 8 : 1);
                now += MS;
                hb_link_meter_moved(&m, now, 1000000, 244, 0);
                hb_link_meter_end(&m, now, 1);
        }
        hb_link_meter_get(&m, now, &st);
        close_to(st.bytes_per_s, 1e9, 0.05);
        assert_true(st.used_share > 0.7 && st.used_share <= 1.0001);
        hb_link_meter_fini(&m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rate_holds),
                cmocka_unit_test(test_no_burst_after_a_pause),
                cmocka_unit_test(test_urgent_counts),
                cmocka_unit_test(test_correction),
                cmocka_unit_test(test_correction_leaves_no_ticket_behind),
                cmocka_unit_test(test_rate_changes),
                cmocka_unit_test(test_meter),
                cmocka_unit_test(test_meter_counts_overlap_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
