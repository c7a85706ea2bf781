/* peer_session: a control session from HELLO to its end.
 *
 * Invariant: ready() or the listener's hook comes only after both HELLOs were exchanged, the host each names
 * is the one its certificate proves, and a common version exists. PING is answered and PONG measured in here.
 * A dialled session sends one PING at once: it gives the first latency and is the second frame by which the
 * listener knows a control session from a data connection. Loop thread only. */
#include "transport/peer_session.h"
#include "base/clock.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETUP_TIME_MS 10000
#define SOFTWARE      "harbinger " HB_VERSION
#define LATENCY_SHARE 0.125 /* of a new sample in the smoothed value */

enum state { HELLO_DUE, KIND_DUE /* accepted: the second frame tells */, OPEN, REFUSED, CLOSED };

struct hb_session {
        hb_stream *stream;
        enum state state;
        bool server;
        char own_name[HB_NAME_MAX], host[HB_NAME_MAX], address[64];
        struct hb_session_callbacks cb;
        void *arg;
        struct hb_accept_hooks hooks;
        struct hb_session_stats n;
        uint64_t ping_cookie, ping_ns;
        unsigned depth, version;
        bool freed;
};

static void release(hb_session *s) {
        if (s->freed && s->depth == 0)
                free(s);
}

void hb_session_destroy(hb_session *s) {
        if (!s || s->freed)
                return;
        s->freed = true;
        s->state = CLOSED;
        s->stream = hb_stream_free(s->stream);
        if (s->hooks.gone)
                s->hooks.gone(s->hooks.arg, s);
        release(s);
}

hb_session *hb_session_free(hb_session *s) {
        if (s && s->state != REFUSED) /* a refused session frees itself when its last words are through */
                hb_session_destroy(s);
        return NULL;
}

/* Tells whoever is responsible that it is over; at most once. */
static void finish(hb_session *s, const struct hb_err *why) {
        enum state was = s->state;

        if (was == CLOSED)
                return;
        s->state = CLOSED;
        if (was == REFUSED) {
                hb_session_destroy(s);
        } else if (s->server && was != OPEN) {
                if (s->hooks.failed)
                        s->hooks.failed(s->hooks.arg, s, why, false);
                else
                        hb_session_destroy(s);
        } else if (s->cb.closed)
                s->cb.closed(s->arg, s, why);
}

static void finish_set(hb_session *s, int code, const char *next, const char *text) {
        struct hb_err e = {0};

        hb_err_set(&e, code, s->host[0] ? s->host : s->address, next, "%s", text);
        finish(s, &e);
}

static void send_error(hb_session *s, const struct hb_err *why) {
        struct hb_buf b = {0};

        hb_msg_error_put(why, &b);
        if (!b.failed)
                hb_session_send(s, HB_MSG_ERROR, b.data, b.len); /* best effort: we close in any case */
        hb_buf_free(&b);
}

void hb_session_refuse(hb_session *s, const struct hb_err *why) {
        if (s->state == REFUSED || s->state == CLOSED)
                return;
        send_error(s, why);
        s->state = REFUSED;
        s->depth++;
        hb_stream_linger(s->stream);
        s->depth--;
        release(s);
}

bool hb_session_refused(const hb_session *s) {
        return s->state == REFUSED;
}

/* Not handed out yet: the listener notes it, the peer is told, nobody else knows of it. */
static void refuse_accepted(hb_session *s, const struct hb_err *why) {
        if (s->hooks.failed)
                s->hooks.failed(s->hooks.arg, s, why, true);
        hb_session_refuse(s, why);
}

/* The peer broke the protocol: say so to both sides. */
static void broke_rule(hb_session *s, const char *text) {
        static const char next[] = "check that both hosts run compatible versions";
        struct hb_err e = {0};

        hb_err_set(&e, -EPROTO, s->host[0] ? s->host : s->address, next, "%s", text);
        if (s->server && s->state != OPEN) {
                refuse_accepted(s, &e);
                return;
        }
        send_error(s, &e);
        finish(s, &e);
}

/* ---- HELLO ---- */

static int send_hello(hb_session *s) {
        struct hb_msg_hello m = {.version_min = HB_WIRE_VERSION_MIN, .version_max = HB_WIRE_VERSION_MAX};
        struct hb_buf b = {0};
        int rc;

        memcpy(m.host, s->own_name, sizeof(m.host));
        snprintf(m.software, sizeof(m.software), "%s", SOFTWARE);
        hb_msg_hello_put(&m, &b);
        rc = b.failed ? -ENOMEM : hb_session_send(s, HB_MSG_HELLO, b.data, b.len);
        hb_buf_free(&b);
        return rc;
}

/* Fills the error of two sides without a common version. */
static bool version_common(const hb_session *s, const struct hb_msg_hello *m, struct hb_err *e) {
        if (m->version_min <= HB_WIRE_VERSION_MAX && m->version_max >= HB_WIRE_VERSION_MIN)
                return true;
        hb_err_set(e, -EPROTONOSUPPORT, s->host, "install compatible versions on both hosts",
                   "no common protocol version: %s (%s) speaks %u to %u, %s (%s) speaks %u to %u", s->host,
                   m->software, m->version_min, m->version_max, s->own_name, SOFTWARE, HB_WIRE_VERSION_MIN,
                   HB_WIRE_VERSION_MAX);
        return false;
}

static void opened(hb_session *s) {
        s->state = OPEN;
        hb_stream_deadline(s->stream, 0, NULL);
        hb_session_ping(s);
        if (s->cb.ready)
                s->cb.ready(s->arg, s);
}

static void got_hello(hb_session *s, const uint8_t *p, size_t n) {
        struct hb_msg_hello m;
        struct hb_err e = {0};

        if (hb_msg_hello_get(p, n, &m) < 0) {
                broke_rule(s, "the peer's HELLO cannot be read");
                return;
        }
        if (strcmp(m.host, s->host) != 0) {
                broke_rule(s, "the peer's HELLO names another host than its certificate");
                return;
        }
        if (s->server && send_hello(s) < 0) {
                finish_set(s, -ENOMEM, NULL, "out of memory for a session");
                return;
        }
        if (!version_common(s, &m, &e)) {
                if (s->server)
                        refuse_accepted(s, &e);
                else
                        finish(s, &e);
                return;
        }
        s->version = m.version_max < HB_WIRE_VERSION_MAX ? m.version_max : HB_WIRE_VERSION_MAX;
        if (!s->server) {
                opened(s);
                return;
        }
        s->state = KIND_DUE;
        if (hb_stream_deadline(s->stream, SETUP_TIME_MS, "the peer said HELLO and then nothing for 10 s") < 0)
                finish_set(s, -ENOMEM, NULL, "out of memory for a session");
}

/* ---- messages ---- */

static void got_error(hb_session *s, const uint8_t *p, size_t n) {
        struct hb_err theirs, e = {0};

        if (hb_msg_error_get(p, n, &theirs) < 0)
                hb_err_set(&e, -EPROTO, s->host, NULL, "the peer reported an error that cannot be read");
        else
                hb_err_set(&e, theirs.code, theirs.which[0] ? theirs.which : s->host, theirs.next,
                           "%s says: %s", s->host, theirs.what);
        finish(s, &e);
}

static void got_pong(hb_session *s, const uint8_t *p, size_t n) {
        struct hb_rd r = hb_rd_init(p, n);
        uint64_t cookie = hb_rd_u64(&r);
        double sample;

        if (!hb_rd_done(&r)) {
                broke_rule(s, "the peer's PONG cannot be read");
                return;
        }
        if (cookie != s->ping_cookie || s->ping_ns == 0)
                return; /* an older ping's */
        sample = (double)(hb_now_ns() - s->ping_ns) / 1e9;
        s->ping_ns = 0;
        s->n.latency_s =
                s->n.latency_s < 0 ? sample : s->n.latency_s + LATENCY_SHARE * (sample - s->n.latency_s);
}

static void got_ping(hb_session *s, const uint8_t *p, size_t n) {
        int rc = n == 8 ? hb_session_send(s, HB_MSG_PONG, p, n) : -EBADMSG;

        if (rc == -EBADMSG)
                broke_rule(s, "the peer's PING cannot be read");
        /* Not sent for want of room: the peer does not read, and a late answer would help nobody. */
}

static void got_message(hb_session *s, enum hb_msg_type type, const uint8_t *p, size_t n) {
        s->n.messages_in++;
        switch (type) {
        case HB_MSG_ERROR:
                got_error(s, p, n);
                break;
        case HB_MSG_PING:
                got_ping(s, p, n);
                break;
        case HB_MSG_PONG:
                got_pong(s, p, n);
                break;
        case HB_MSG_HELLO:
        case HB_MSG_DATA_HELLO:
        case HB_MSG_DATA_READY:
        case HB_MSG_FETCH:
        case HB_MSG_PAGES:
        case HB_MSG_TUNNEL:
                broke_rule(s, "a frame came that does not belong on a control session");
                break;
        default:
                if (s->cb.message)
                        s->cb.message(s->arg, s, type, p, n);
        }
}

/* The second frame of an accepted connection tells what it is. */
static void got_kind(hb_session *s, enum hb_msg_type type, const uint8_t *p, size_t n) {
        struct hb_msg_data_hello m;

        hb_stream_deadline(s->stream, 0, NULL);
        if (type == HB_MSG_DATA_HELLO) {
                if (hb_msg_data_hello_get(p, n, &m) < 0)
                        broke_rule(s, "the peer's DATA_HELLO cannot be read");
                else if (s->hooks.data)
                        s->hooks.data(s->hooks.arg, s, &m);
                return;
        }
        s->state = OPEN;
        if (s->hooks.session)
                s->hooks.session(s->hooks.arg, s);
        if (s->state == OPEN)
                got_message(s, type, p, n);
}

static void on_frame(void *arg, enum hb_msg_type type, const uint8_t *p, size_t n) {
        hb_session *s = arg;

        s->depth++;
        if (s->state == HELLO_DUE && type == HB_MSG_ERROR)
                got_error(s, p, n);
        else if (s->state == HELLO_DUE && type != HB_MSG_HELLO)
                broke_rule(s, "the peer's first frame is not HELLO");
        else if (s->state == HELLO_DUE)
                got_hello(s, p, n);
        else if (s->state == KIND_DUE)
                got_kind(s, type, p, n);
        else if (s->state == OPEN)
                got_message(s, type, p, n);
        s->depth--;
        release(s);
}

static void on_up(void *arg, const char *host) {
        hb_session *s = arg;

        memcpy(s->host, host, strnlen(host, sizeof(s->host) - 1) + 1);
        if (!s->server && send_hello(s) < 0)
                finish_set(s, -ENOMEM, NULL, "out of memory for a session");
}

static void on_down(void *arg, const struct hb_err *why) {
        hb_session *s = arg;

        s->depth++;
        finish(s, why);
        s->depth--;
        release(s);
}

/* ---- life and use ---- */

static const struct hb_stream_callbacks stream_callbacks = {.up = on_up, .frame = on_frame, .down = on_down};

static hb_session *blank(hb_tls *tls, const char *address, bool server) {
        hb_session *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        s->server = server;
        s->n.latency_s = -1;
        snprintf(s->own_name, sizeof(s->own_name), "%s", hb_tls_own_name(tls));
        snprintf(s->address, sizeof(s->address), "%s", address);
        return s;
}

int hb_session_dial(struct event_base *base, hb_tls *tls, const char *host, const char *address,
                    const struct hb_session_callbacks *cb, void *arg, hb_session **ret, struct hb_err *e) {
        hb_session *s = blank(tls, address, false);
        char which[160];
        int rc;

        if (!s)
                return hb_err_set(e, -ENOMEM, host, NULL, "out of memory for a session");
        s->cb = *cb;
        s->arg = arg;
        snprintf(which, sizeof(which), "%s at %s", host, address);
        rc = hb_stream_dial(base, tls, host, address, which, &stream_callbacks, s, &s->stream, e);
        if (rc < 0) {
                free(s);
                return rc;
        }
        *ret = s;
        return 0;
}

int hb_session_accept(struct event_base *base, hb_tls *tls, int fd, const char *address,
                      const struct hb_accept_hooks *hooks, hb_session **ret, struct hb_err *e) {
        hb_session *s = blank(tls, address, true);
        int rc;

        if (!s) {
                evutil_closesocket(fd);
                return hb_err_set(e, -ENOMEM, address, NULL, "out of memory for a session");
        }
        s->hooks = *hooks;
        rc = hb_stream_accept(base, tls, fd, address, &stream_callbacks, s, &s->stream, e);
        if (rc < 0) {
                free(s);
                return rc;
        }
        *ret = s;
        return 0;
}

void hb_session_forget_hooks(hb_session *s) {
        s->hooks = (struct hb_accept_hooks){0};
}

hb_stream *hb_session_stream(hb_session *s) {
        return s->stream;
}

void hb_session_set(hb_session *s, const struct hb_session_callbacks *cb, void *arg) {
        s->cb = *cb;
        s->arg = arg;
}

unsigned hb_session_version(const hb_session *s) {
        return s->version;
}

const char *hb_session_host(const hb_session *s) {
        return s->host;
}

const char *hb_session_address(const hb_session *s) {
        return s->address;
}

int hb_session_send(hb_session *s, enum hb_msg_type type, const void *payload, size_t size) {
        int rc;

        if (s->state == CLOSED || s->state == REFUSED)
                return -ENOTCONN;
        rc = hb_stream_send(s->stream, type, payload, size);
        if (rc == 0) {
                s->n.messages_out++;
                s->n.out_by_type[type] += HB_WIRE_HEADER + size;
        }
        return rc;
}

int hb_session_ping(hb_session *s) {
        uint64_t now = hb_now_ns();
        struct hb_buf b = {0};
        int rc;

        hb_buf_u64(&b, s->ping_cookie + 1);
        rc = b.failed ? -ENOMEM : hb_session_send(s, HB_MSG_PING, b.data, b.len);
        hb_buf_free(&b);
        if (rc == 0) {
                s->ping_cookie++;
                s->ping_ns = now;
        }
        return rc;
}

void hb_session_stats(const hb_session *s, struct hb_session_stats *ret) {
        struct hb_stream_counts c = {0};

        if (s->stream)
                hb_stream_counts(s->stream, &c);
        *ret = s->n;
        ret->bytes_in = c.bytes_in;
        ret->bytes_out = c.bytes_out;
}
