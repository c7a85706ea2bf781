/* peer_world: a listener and what a test needs to dial it: two hosts of one cluster on loopback, one event
 * loop, and a record of everything their callbacks said. Header only. */
#pragma once
#include "base/clock.h"
#include "check.h"
#include "cluster.h"
#include "transport/peer.h"
#include <errno.h>
#include <openssl/ssl.h>

#define WAIT_S 20

struct side { /* one end of a session */
        hb_session *s;
        bool ready, closed;
        struct hb_err why;
        unsigned messages;
        enum hb_msg_type last_type;
        size_t last_size, total;
        uint64_t sum;
        bool free_in_message, refuse_in_message;
};

struct world {
        struct cluster cluster;
        struct event_base *base;
        hb_tls *alpha, *beta;
        hb_peer_listener *listener;
        char address[32];
        struct side dialled, accepted;
        bool refuse_session, deny_data, eager;
        unsigned notes;
        struct hb_err note;
        struct hb_data_conn data;
        bool have_data;
};

static inline uint64_t sum_of(const uint8_t *p, size_t n) {
        uint64_t s = 0;

        for (size_t i = 0; i < n; i++)
                s = s * 31 + p[i];
        return s;
}

static inline void on_message(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *p, size_t n) {
        struct side *side = arg;

        side->messages++;
        side->last_type = type;
        side->last_size = n;
        side->total += n;
        side->sum = sum_of(p, n);
        if (side->refuse_in_message) {
                struct hb_err e = {0};
                hb_err_set(&e, -EBUSY, "guest", "wait", "no more today");
                hb_session_refuse(s, &e);
                side->s = NULL;
        } else if (side->free_in_message)
                side->s = hb_session_free(s);
}

static inline void on_ready(void *arg, hb_session *s) {
        ((struct side *)arg)->ready = true;
}

static inline void on_closed(void *arg, hb_session *s, const struct hb_err *why) {
        struct side *side = arg;

        assert_false(side->closed);
        side->closed = true;
        side->why = *why;
}

static const struct hb_session_callbacks dialled_cb = {
        .ready = on_ready, .message = on_message, .closed = on_closed};
static const struct hb_session_callbacks accepted_cb = {.message = on_message, .closed = on_closed};

static inline void on_session(void *arg, hb_session *s) {
        struct world *w = arg;

        if (w->refuse_session) {
                struct hb_err e = {0};
                hb_err_set(&e, -EACCES, hb_session_host(s), "add it to the allow-list",
                           "host is not on the list");
                hb_session_refuse(s, &e);
                return;
        }
        w->accepted.s = s;
        hb_session_set(s, &accepted_cb, &w->accepted);
}

static inline int on_data(void *arg, struct hb_data_conn *c) {
        struct world *w = arg;

        if (w->deny_data || c->token[0] != 7)
                return -EACCES;
        w->data = *c;
        w->have_data = true;
        if (w->eager) { /* READY and what follows it in one TLS record */
                uint8_t bytes[HB_WIRE_HEADER + 12];

                hb_frame_put(bytes, 0, HB_MSG_DATA_READY, w->data.seq_out++);
                memcpy(bytes + HB_WIRE_HEADER, "right behind", 12);
                assert_int_equal(SSL_write(w->data.ssl, bytes, sizeof(bytes)), sizeof(bytes));
        } else
                assert_int_equal(hb_data_conn_ready(&w->data), 0);
        return 0;
}

static inline void on_note(void *arg, const struct hb_err *why) {
        struct world *w = arg;

        w->notes++;
        w->note = *why;
}

static inline int setup(void **state) {
        struct world *w = calloc(1, sizeof(*w));
        struct hb_listener_callbacks cb = {.session = on_session, .data = on_data, .note = on_note, .arg = w};
        struct hb_err e = {0};

        cluster_init(&w->cluster, "peers");
        cluster_add(&w->cluster, "alpha", 30);
        cluster_add(&w->cluster, "beta", 30);
        w->alpha = cluster_tls(&w->cluster, "alpha");
        w->beta = cluster_tls(&w->cluster, "beta");
        w->base = event_base_new();
        cluster_must(hb_peer_listen(w->base, w->beta, "127.0.0.1:0", &cb, &w->listener, &e), &e);
        snprintf(w->address, sizeof(w->address), "127.0.0.1:%d", hb_peer_listener_port(w->listener));
        *state = w;
        return 0;
}

static inline int teardown(void **state) {
        struct world *w = *state;

        hb_session_free(w->dialled.s);
        hb_session_free(w->accepted.s);
        if (w->have_data)
                hb_data_conn_close(&w->data);
        hb_peer_listener_free(w->listener);
        event_base_free(w->base);
        hb_tls_free(w->alpha);
        hb_tls_free(w->beta);
        cluster_fini(&w->cluster);
        free(w);
        return 0;
}

/* Runs the loop until `flag`, at most WAIT_S. */
static inline void run_until(struct world *w, const bool *flag) {
        uint64_t end = hb_now_ns() + WAIT_S * HB_NS_PER_S;
        struct timeval tick = {.tv_usec = 20000};

        while (!*flag && hb_now_ns() < end) {
                event_base_loopexit(w->base, &tick);
                event_base_dispatch(w->base);
        }
        assert_true(*flag);
}

static inline void run_while(struct world *w, bool (*done)(struct world *w)) {
        uint64_t end = hb_now_ns() + WAIT_S * HB_NS_PER_S;
        struct timeval tick = {.tv_usec = 20000};

        while (!done(w) && hb_now_ns() < end) {
                event_base_loopexit(w->base, &tick);
                event_base_dispatch(w->base);
        }
        assert_true(done(w));
}

static inline void dial(struct world *w, hb_tls *tls, const char *host) {
        struct hb_err e = {0};

        cluster_must(
                hb_session_dial(w->base, tls, host, w->address, &dialled_cb, &w->dialled, &w->dialled.s, &e),
                &e);
}

static inline bool both_up(struct world *w) {
        return w->dialled.ready && w->accepted.s;
}

static inline void connect_both(struct world *w) {
        dial(w, w->alpha, "beta");
        run_while(w, both_up);
}

static inline void says(const struct hb_err *e, int code, const char *word) {
        if (e->code != code || (!strstr(e->what, word) && !strstr(e->which, word)))
                fail_msg("expected %d and '%s', got %d '%s' (%s) next '%s'", code, word, e->code, e->what,
                         e->which, e->next);
}
