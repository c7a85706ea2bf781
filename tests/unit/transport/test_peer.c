/* Two hosts' control sessions over real TLS on loopback: what goes through, and how sessions end. */
#include "peer_world.h"

static bool latency_known(struct world *w) {
        struct hb_session_stats st;

        hb_session_stats(w->dialled.s, &st);
        return st.latency_s >= 0;
}

static void test_names_and_latency(void **state) {
        struct world *w = *state;
        struct hb_session_stats st;

        connect_both(w);
        assert_string_equal(hb_session_host(w->dialled.s), "beta");
        assert_string_equal(hb_session_host(w->accepted.s), "alpha");
        run_while(w, latency_known);
        hb_session_stats(w->dialled.s, &st);
        assert_true(st.latency_s > 0 && st.latency_s < 5);
        assert_true(st.bytes_out > 0 && st.out_by_type[HB_MSG_PING] == HB_WIRE_HEADER + 8);
        assert_int_equal(w->notes, 0);
}

static bool five_messages(struct world *w) {
        return w->accepted.messages == 5;
}

static void test_messages_whole_and_in_order(void **state) {
        static const size_t sizes[5] = {0, 1, 70000, HB_WIRE_MAX_PAYLOAD, 17};
        struct world *w = *state;
        uint8_t *payload = malloc(HB_WIRE_MAX_PAYLOAD);
        size_t total = 0;

        for (size_t i = 0; i < HB_WIRE_MAX_PAYLOAD; i++)
                payload[i] = (uint8_t)(i * 2654435761u >> 13);
        connect_both(w);
        for (unsigned i = 0; i < 5; i++) {
                assert_int_equal(hb_session_send(w->dialled.s, HB_MSG_SUMMARY, payload, sizes[i]), 0);
                total += sizes[i];
        }
        assert_int_equal(hb_session_send(w->dialled.s, HB_MSG_SUMMARY, payload, HB_WIRE_MAX_PAYLOAD + 1),
                         -EMSGSIZE);
        run_while(w, five_messages);
        assert_int_equal(w->accepted.last_size, 17);
        assert_int_equal(w->accepted.total, total);
        assert_int_equal(w->accepted.sum, sum_of(payload, 17));
        free(payload);
}

static void test_full_says_enobufs(void **state) {
        struct world *w = *state;
        uint8_t *payload = calloc(1, HB_WIRE_MAX_PAYLOAD);
        int rc = 0;

        connect_both(w);
        for (unsigned i = 0; i < 64 && rc == 0; i++) /* the loop does not run: nobody reads */
                rc = hb_session_send(w->dialled.s, HB_MSG_SUMMARY, payload, HB_WIRE_MAX_PAYLOAD);
        assert_int_equal(rc, -ENOBUFS);
        assert_false(w->dialled.closed);
        free(payload);
}

static void test_close_is_seen(void **state) {
        struct world *w = *state;

        connect_both(w);
        w->dialled.s = hb_session_free(w->dialled.s);
        run_until(w, &w->accepted.closed);
        says(&w->accepted.why, -ECONNRESET, "closed");
        assert_int_equal(hb_session_send(w->accepted.s, HB_MSG_DRAIN, "", 1), -ENOTCONN);
}

static void test_free_inside_message(void **state) {
        struct world *w = *state;

        connect_both(w);
        w->accepted.free_in_message = true;
        assert_int_equal(hb_session_send(w->dialled.s, HB_MSG_DRAIN, "", 1), 0);
        assert_int_equal(hb_session_send(w->dialled.s, HB_MSG_DRAIN, "", 1), 0);
        run_until(w, &w->dialled.closed);
        assert_int_equal(w->accepted.messages, 1);
}

static void test_refuse_tells_why(void **state) {
        struct world *w = *state;

        w->refuse_session = true;
        dial(w, w->alpha, "beta");
        run_until(w, &w->dialled.closed);
        says(&w->dialled.why, -EACCES, "beta says: host is not on the list");
        assert_string_equal(w->dialled.why.next, "add it to the allow-list");
}

static void test_refuse_later_tells_why(void **state) {
        struct world *w = *state;

        connect_both(w);
        w->accepted.refuse_in_message = true;
        for (int i = 0; i < 20; i++) /* unread bytes at the refuser must not cut its last words */
                hb_session_send(w->dialled.s, HB_MSG_SUMMARY, w, sizeof(*w));
        run_until(w, &w->dialled.closed);
        says(&w->dialled.why, -EBUSY, "no more today");
}

/* A data connection's frame on an open session ends it, and the other side is told. */
static void test_data_frame_on_session(void **state) {
        struct world *w = *state;

        connect_both(w);
        assert_int_equal(hb_session_send(w->dialled.s, HB_MSG_FETCH, "", 0), 0);
        run_until(w, &w->accepted.closed);
        says(&w->accepted.why, -EPROTO, "does not belong");
        run_until(w, &w->dialled.closed);
        says(&w->dialled.why, -EPROTO, "beta says");
}

static void test_new_certificate_from_next_connection(void **state) {
        struct world *w = *state;
        hb_tls *gamma;

        cluster_add(&w->cluster, "gamma", 30);
        gamma = cluster_tls(&w->cluster, "gamma");
        connect_both(w);
        hb_peer_listener_set_tls(w->listener, gamma);
        assert_int_equal(hb_session_send(w->dialled.s, HB_MSG_DRAIN, "", 1), 0);
        w->dialled.s = hb_session_free(w->dialled.s);
        run_until(w, &w->accepted.closed);
        w->accepted.s = hb_session_free(w->accepted.s);
        memset(&w->dialled, 0, sizeof(w->dialled));
        dial(w, w->alpha, "gamma");
        run_until(w, &w->dialled.ready);
        hb_tls_free(gamma); /* the listener is not asked for another connection */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_names_and_latency),
                T(test_messages_whole_and_in_order),
                T(test_full_says_enobufs),
                T(test_close_is_seen),
                T(test_free_inside_message),
                T(test_refuse_tells_why),
                T(test_refuse_later_tells_why),
                T(test_data_frame_on_session),
                T(test_new_certificate_from_next_connection),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
