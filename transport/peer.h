/* peer: the control channel between two daemons, on libevent. One listener a host; sessions in both roles;
 * everything here runs on the loop's thread. The transport knows frames and authentication; what a message
 * means is the daemon's.
 *
 * The listener accepts control sessions and data connections on one port: after TLS and HELLO, the second
 * frame tells. Data connections are matched by token to a session and handed out with their socket detached
 * from libevent. A connection that has not said HELLO within 10 s, is not TLS, or breaks a rule is closed
 * with one line in the log callback. */
#pragma once
#include "transport/tls.h"
#include "transport/wire.h"
#include <event2/event.h>

typedef struct hb_peer_listener hb_peer_listener;
typedef struct hb_session hb_session;

struct hb_session_callbacks {
        /* HELLO exchanged, certificate name verified. */
        void (*ready)(void *arg, hb_session *s);
        void (*message)(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *payload, size_t size);
        /* Once; the session is dead (connect failed, peer closed, rule broken, ERROR received). Owner calls
         * hb_session_free after. */
        void (*closed)(void *arg, hb_session *s, const struct hb_err *why);
};

/* Dials HOST at "ip:port"; never blocks; the result comes by ready or closed. The certificate must be
 * `host`'s. */
int hb_session_dial(struct event_base *base, hb_tls *tls, const char *host, const char *address,
                    const struct hb_session_callbacks *cb, void *arg, hb_session **ret, struct hb_err *e);
/* For accepted sessions: the owner sets its callbacks inside listener->session. */
void hb_session_set(hb_session *s, const struct hb_session_callbacks *cb, void *arg);
const char *hb_session_host(const hb_session *s); /* verified peer name */
unsigned hb_session_version(const hb_session *s); /* of the protocol, as both agreed; 0 before HELLO */
const char *hb_session_address(const hb_session *s);
/* Queues one message. -ENOTCONN after close; -EMSGSIZE; -ENOBUFS when more than 64 MiB wait (the peer does
 * not read). */
int hb_session_send(hb_session *s, enum hb_msg_type type, const void *payload, size_t size);
/* Sends ERROR, then closes when it has been flushed; closed() is not called. Consumes the session: it frees
 * itself when the peer has read the error or after 5 s (hb_session_free right after it does nothing). */
void hb_session_refuse(hb_session *s, const struct hb_err *why);
hb_session *hb_session_free(hb_session *s);
struct hb_session_stats {
        uint64_t bytes_in, bytes_out, messages_in, messages_out;
        uint64_t out_by_type[HB_MSG_TYPES];
        double latency_s; /* smoothed PING/PONG; < 0: unknown */
};
void hb_session_stats(const hb_session *s, struct hb_session_stats *ret);
int hb_session_ping(hb_session *s); /* PONG is handled inside */

struct hb_data_conn { /* an authenticated, blocking data connection; owner: whoever received it */
        int fd;
        SSL *ssl;
        char host[HB_NAME_MAX];
        uint8_t token[HB_TOKEN_SIZE];
        enum hb_data_kind kind;
        uint64_t seq_in, seq_out; /* next frame numbers */
        bool ready_due; /* accepted side: the peer still waits for DATA_READY; whoever takes the connection
                         * into service (hb_tcp_fetcher_add, hb_tunnel_new) sends it */
};
/* Sends the DATA_READY that is due, if one is. For an owner that keeps the connection a while before using
 * it. */
int hb_data_conn_ready(struct hb_data_conn *c);
int hb_data_conn_ktls(const struct hb_data_conn *c); /* 1: the kernel encrypts what is sent on it */
void hb_data_conn_close(struct hb_data_conn *c);     /* NULL-safe fields; frees ssl and fd */

struct hb_listener_callbacks {
        /* A peer's session is ready (name verified). The callee owns it: hb_session_set now, or
         * hb_session_refuse. */
        void (*session)(void *arg, hb_session *s);
        /* A data connection with this token: 0 = taken (ownership moves), -EACCES = unknown token or wrong
         * host. */
        int (*data)(void *arg, struct hb_data_conn *c);
        void (*note)(void *arg, const struct hb_err *why); /* for the log: a connection was turned away */
        void *arg;
};
int hb_peer_listen(struct event_base *base, hb_tls *tls, const char *address,
                   const struct hb_listener_callbacks *cb, hb_peer_listener **ret, struct hb_err *e);
hb_peer_listener *hb_peer_listener_free(hb_peer_listener *l);
int hb_peer_listener_port(const hb_peer_listener *l);
/* SIGHUP: use this context from the next connection on. */
void hb_peer_listener_set_tls(hb_peer_listener *l, hb_tls *tls);

/* Source side: dials a data connection and authenticates it with the token. BLOCKING (a worker thread calls
 * it); timeout_ms for the whole of it. */
int hb_data_dial(hb_tls *tls, const char *host, const char *address, const uint8_t token[HB_TOKEN_SIZE],
                 enum hb_data_kind kind, int timeout_ms, struct hb_data_conn *ret, struct hb_err *e);
