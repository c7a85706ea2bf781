/* The cap of the tcp backend, and urgent fetches beside it. */
#include "tcp_world.h"

static double measure(struct world *w, uint64_t ns) {
        struct hb_link_stats a, b;
        uint64_t start, took;

        hb_tcp_server_stats(w->server, &a);
        start = hb_now_ns();
        hb_sleep_ns(ns); /* the measure itself, not a wait for something */
        hb_tcp_server_stats(w->server, &b);
        took = hb_now_ns() - start;
        return (double)(b.wire_bytes - a.wire_bytes) / ((double)took / 1e9);
}

/* Never above the cap, and at it: a machine that lets no thread of ours run for a while may cost some
 * windows. */
static void expect_rate(struct world *w, uint64_t window_ns, double cap) {
        double rate = 0;

        for (int tries = 0; tries < 16; tries++) {
                rate = measure(w, window_ns);
                if (rate > 1.05 * cap)
                        fail_msg("%.2f MB/s over a cap of %.2f", rate / 1e6, cap / 1e6);
                if (rate >= 0.95 * cap)
                        return;
        }
        fail_msg("%.2f MB/s under a cap of %.2f", rate / 1e6, cap / 1e6);
}

static void test_cap_holds_at_two_rates(void **state) {
        struct world *w = *state;
        struct hb_link_stats st;

        open_fetcher(w);
        open_server(w, 8000000, HB_ZSTD_OFF, 3);
        start_pump(w, 48);
        wait_for(w, &w->done, 4);
        expect_rate(w, 2500 * HB_NS_PER_MS, 8e6);
        hb_tcp_server_stats(w->server, &st);
        assert_true(st.busy_limited_by_cap);
        assert_int_equal(st.connections, 3);
        hb_tcp_server_set_cap(w->server, 30000000);
        measure(w, 200 * HB_NS_PER_MS);
        expect_rate(w, 2500 * HB_NS_PER_MS, 30e6);
        stop_pump(w);
}

/* The cap counts what goes over the wire, not what it stands for. */
static void test_cap_counts_compressed_bytes(void **state) {
        struct world *w = *state;
        struct hb_link_stats a, b;

        for (size_t i = 0; i < PAGES * (size_t)HB_PAGE_SIZE; i++)
                w->guest.memory[0][i] = (uint8_t)(i % 251 < 200 ? i / 977 % 7 : w->guest.memory[0][i]);
        open_fetcher(w);
        open_server(w, 6000000, 1, 2);
        start_pump(w, 32);
        wait_for(w, &w->done, 4);
        hb_tcp_server_stats(w->server, &a);
        expect_rate(w, 2000 * HB_NS_PER_MS, 6e6);
        hb_tcp_server_stats(w->server, &b);
        assert_true(b.page_bytes - a.page_bytes > 3 * (b.wire_bytes - a.wire_bytes) / 2);
        assert_true(b.compression > 1.5);
        stop_pump(w);
}

/* Without a cap it is much faster: the cap was what held it. Auto compression leaves random pages alone. */
static void test_no_cap(void **state) {
        struct world *w = *state;
        double rate = 0;
        struct hb_link_stats st;

        open_fetcher(w);
        open_server(w, 0, HB_ZSTD_AUTO, 2);
        start_pump(w, 32);
        wait_for(w, &w->done, 4);
        for (int tries = 0; rate < 30e6 && tries < 8; tries++)
                rate = measure(w, 400 * HB_NS_PER_MS);
        assert_true(rate > 30e6);
        stop_pump(w);
        hb_tcp_fetcher_stats(w->fetcher, &st);
        assert_true(st.bytes_per_s > 10e6 && st.used_share > 0.2 && st.latency_s > 0);
        assert_true(st.compression > 0.95 && st.compression < 1.05);
        assert_int_equal(st.errors, 0);
}

/* At 1 MB/s a bulk run takes a quarter of a second; an urgent page does not wait for one. */
static void test_urgent_skips_the_cap(void **state) {
        struct world *w = *state;
        struct hb_fetch urgent = {.pages = 1, .urgent = true, .dst = malloc(HB_PAGE_SIZE)};
        uint64_t start, worst = 0, took;

        open_fetcher(w);
        open_server(w, 1000000, HB_ZSTD_OFF, 2);
        start_pump(w, 32);
        wait_for(w, &w->done, 1);
        for (int i = 0; i < 20; i++) {
                start = hb_now_ns();
                assert_int_equal(w->fetcher->ops->fetch(w->fetcher, &urgent), 0);
                wait_for(w, &w->urgent_done, (unsigned)i + 1);
                took = hb_now_ns() - start;
                worst = took > worst ? took : worst;
                assert_int_equal(urgent.status, 0);
                assert_true(urgent.wire_bytes > HB_PAGE_SIZE);
        }
        if (worst > 200 * HB_NS_PER_MS)
                fail_msg("an urgent page took %llu ms", (unsigned long long)(worst / HB_NS_PER_MS));
        stop_pump(w);
        w->fetcher->ops->close(w->fetcher);
        w->fetcher = w->fetcher->ops->fini(w->fetcher);
        rig_set_fetcher(&w->rig, NULL);
        free(urgent.dst);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_cap_holds_at_two_rates),
                T(test_cap_counts_compressed_bytes),
                T(test_no_cap),
                T(test_urgent_skips_the_cap),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
