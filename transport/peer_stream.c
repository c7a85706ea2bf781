/* peer_stream: frames over TLS on libevent.
 *
 * Invariant: after down() or detach nothing more is read, written or reported. Input memory is bounded by one
 * frame (4 MiB) because a header is judged as soon as its 16 bytes are there and whole frames are handed on
 * at once; output memory by OUT_MAX. libevent's callbacks are deferred, so none of its frames is on the stack
 * when we free. Callbacks of ours may free the stream: `depth` keeps the memory until the last of them
 * returned. Loop thread only.
 *
 * The TLS handle and the socket belong to the stream, not to the bufferevent, so that detach can take them
 * out. */
#include "transport/peer_stream.h"
#include "base/fault.h"
#include "transport/sock.h"
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_MAX       (64u << 20)
#define LINGER_MS     5000
#define SETUP_TIME_MS 10000
#define WHICH_SIZE    160

struct hb_stream {
        struct event_base *base;
        struct bufferevent *bev;
        struct event *connecting, *deadline;
        SSL *ssl;
        int fd;
        bool server, up, dead, lingering, shut, freed;
        unsigned depth;
        size_t current; /* bytes of the frame being handed on, still in the input buffer */
        struct hb_stream_counts n;
        struct hb_stream_callbacks cb;
        void *arg;
        const char *deadline_text;
        char which[WHICH_SIZE];
};

static void release(hb_stream *s) {
        if (s->freed && s->depth == 0)
                free(s);
}

/* Everything of libevent's and the system's; the memory stays. */
static void dismantle(hb_stream *s) {
        if (s->connecting)
                event_free(s->connecting);
        if (s->deadline)
                event_free(s->deadline);
        if (s->bev) {
                bufferevent_setcb(s->bev, NULL, NULL, NULL, NULL);
                bufferevent_disable(s->bev, EV_READ | EV_WRITE);
        }
        if (s->up && !s->shut)
                SSL_shutdown(s->ssl);
        if (s->bev)
                bufferevent_free(s->bev);
        SSL_free(s->ssl);
        if (s->fd >= 0)
                close(s->fd);
        s->connecting = s->deadline = NULL;
        s->bev = NULL;
        s->ssl = NULL;
        s->fd = -1;
}

hb_stream *hb_stream_free(hb_stream *s) {
        if (!s || s->freed)
                return NULL;
        s->freed = s->dead = true;
        dismantle(s);
        release(s);
        return NULL;
}

static void go_down(hb_stream *s, const struct hb_err *why) {
        if (s->dead)
                return;
        s->dead = true;
        if (s->bev)
                bufferevent_disable(s->bev, EV_READ | EV_WRITE);
        if (s->deadline)
                event_del(s->deadline);
        s->depth++;
        s->cb.down(s->arg, why);
        s->depth--;
        release(s);
}

static void go_down_set(hb_stream *s, int code, const char *next, const char *text) {
        struct hb_err why = {0};

        hb_err_set(&why, code, s->which, next, "%s", text);
        go_down(s, &why);
}

/* ---- in ---- */

/* Hands on the frame at the front of `in`, if it is whole. 1: done, 0: wait for more, < 0: a rule is broken.
 */
static int take_frame(hb_stream *s, struct evbuffer *in, struct hb_err *e) {
        uint8_t head[HB_WIRE_HEADER];
        struct hb_frame_header h;
        const uint8_t *all;
        int rc;

        if (evbuffer_copyout(in, head, sizeof(head)) < (ssize_t)sizeof(head))
                return 0;
        rc = hb_fault("stream.frame") ? hb_err_set(e, -EBADMSG, NULL, NULL, "a frame could not be read")
                                      : hb_frame_get(head, s->n.seq_in, &h, e);
        if (rc < 0)
                return rc;
        if (evbuffer_get_length(in) < HB_WIRE_HEADER + h.length)
                return 0;
        all = evbuffer_pullup(in, HB_WIRE_HEADER + (ssize_t)h.length);
        if (!all)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory for a frame of %u bytes", h.length);
        s->n.seq_in++;
        s->n.bytes_in += HB_WIRE_HEADER + h.length;
        s->current = HB_WIRE_HEADER + h.length;
        s->cb.frame(s->arg, (enum hb_msg_type)h.type, all + HB_WIRE_HEADER, h.length);
        s->current = 0;
        if (!s->dead)
                evbuffer_drain(in, HB_WIRE_HEADER + h.length);
        return 1;
}

static void on_read(struct bufferevent *bev, void *arg) {
        hb_stream *s = arg;
        struct evbuffer *in = bufferevent_get_input(bev);
        struct hb_err e = {0};
        int rc = 1;

        s->depth++;
        while (rc > 0 && !s->dead && !s->lingering)
                rc = take_frame(s, in, &e);
        if (s->lingering && !s->dead)
                evbuffer_drain(in, evbuffer_get_length(in));
        if (rc < 0) {
                if (!e.which[0])
                        memcpy(e.which, s->which, sizeof(s->which));
                go_down(s, &e);
        }
        s->depth--;
        release(s);
}

/* ---- out ---- */

int hb_stream_send(hb_stream *s, enum hb_msg_type type, const void *payload, size_t size) {
        struct evbuffer_iovec v;
        struct evbuffer *out;

        if (s->dead || s->lingering || !s->up)
                return -ENOTCONN;
        if (size > HB_WIRE_MAX_PAYLOAD)
                return -EMSGSIZE;
        out = bufferevent_get_output(s->bev);
        if (evbuffer_get_length(out) + size > OUT_MAX)
                return -ENOBUFS;
        if (hb_fault("stream.send") ||
            evbuffer_reserve_space(out, HB_WIRE_HEADER + (ssize_t)size, &v, 1) != 1)
                return -ENOMEM;
        hb_frame_put(v.iov_base, (uint32_t)size, (uint16_t)type, s->n.seq_out);
        if (size > 0)
                memcpy((uint8_t *)v.iov_base + HB_WIRE_HEADER, payload, size);
        v.iov_len = HB_WIRE_HEADER + size;
        evbuffer_commit_space(out, &v, 1); /* header and payload at once: one TLS record, not two */
        s->n.seq_out++;
        s->n.bytes_out += HB_WIRE_HEADER + size;
        return 0;
}

static void say_goodbye(hb_stream *s) {
        if (s->shut || evbuffer_get_length(bufferevent_get_output(s->bev)) > 0)
                return;
        s->shut = true;
        SSL_shutdown(s->ssl);
        shutdown(s->fd, SHUT_WR);
}

static void on_written(struct bufferevent *bev, void *arg) {
        hb_stream *s = arg;

        if (s->lingering && !s->dead)
                say_goodbye(s);
}

void hb_stream_linger(hb_stream *s) {
        if (s->dead || s->lingering)
                return;
        s->lingering = true;
        if (hb_stream_deadline(s, LINGER_MS, "") < 0 || !s->up) {
                s->dead = true; /* cannot wait: the owner frees it in down() */
                s->depth++;
                s->cb.down(s->arg, &(struct hb_err){0});
                s->depth--;
                release(s);
                return;
        }
        say_goodbye(s);
}

/* ---- life ---- */

static void handshake_done(hb_stream *s) {
        char name[HB_NAME_MAX];
        struct hb_err e = {0};

        if (s->up)
                return;
        if (hb_tls_peer_name(s->ssl, name, &e) < 0) {
                memcpy(e.which, s->which, sizeof(s->which));
                go_down(s, &e);
                return;
        }
        s->up = true;
        s->cb.up(s->arg, name);
}

static void broken(hb_stream *s, short what, int sys_errno) {
        unsigned long code = bufferevent_get_openssl_error(s->bev);
        struct hb_err e = {0};

        if (s->up && code == 0 && (what & BEV_EVENT_EOF))
                hb_err_set(&e, -ECONNRESET, s->which, NULL, "the peer closed the connection");
        else if (s->up && code == 0 && sys_errno)
                hb_err_set(&e, -ECONNRESET, s->which, "check the network between the hosts",
                           "the connection was lost: %s", strerror(sys_errno));
        else
                hb_tls_explain_code(s->ssl, code, s->which, &e);
        while (bufferevent_get_openssl_error(s->bev))
                ; /* only the first tells */
        go_down(s, s->lingering ? &(struct hb_err){0} : &e);
}

static void on_event(struct bufferevent *bev, short what, void *arg) {
        int sys_errno = EVUTIL_SOCKET_ERROR();
        hb_stream *s = arg;

        if (s->dead)
                return;
        s->depth++;
        if (what & BEV_EVENT_CONNECTED)
                handshake_done(s);
        else if (what & (BEV_EVENT_ERROR | BEV_EVENT_EOF))
                broken(s, what, sys_errno); /* what came before the end has been read: libevent's order */
        s->depth--;
        release(s);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg) {
        hb_stream *s = arg;

        s->depth++;
        if (s->lingering)
                go_down(s, &(struct hb_err){0});
        else
                go_down_set(s, -ETIMEDOUT, "check that a harbingerd listens there and the network carries it",
                            s->deadline_text);
        s->depth--;
        release(s);
}

int hb_stream_deadline(hb_stream *s, int ms, const char *text) {
        struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

        if (s->dead)
                return -ENOTCONN;
        if (!text) {
                event_del(s->deadline);
                return 0;
        }
        s->deadline_text = text;
        return evtimer_add(s->deadline, &tv) == 0 ? 0 : -ENOMEM;
}

/* The socket is connected: TLS from here. */
static int start_tls(hb_stream *s) {
        enum bufferevent_ssl_state state = s->server ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING;

        hb_sock_tune(s->fd);
        if (hb_fault("stream.tls") || hb_tls_set_fd(s->ssl, s->fd) < 0)
                return -ENOMEM;
        s->bev = bufferevent_openssl_socket_new(s->base, -1, s->ssl, state, BEV_OPT_DEFER_CALLBACKS);
        if (!s->bev)
                return -ENOMEM;
        bufferevent_setcb(s->bev, on_read, on_written, on_event, s);
        return bufferevent_enable(s->bev, EV_READ | EV_WRITE) == 0 ? 0 : -ENOMEM;
}

static void on_connected(evutil_socket_t fd, short what, void *arg) {
        hb_stream *s = arg;
        struct hb_err e = {0};
        int rc = fd < 0 ? 0 : hb_sock_connected(fd);

        s->depth++;
        event_free(s->connecting);
        s->connecting = NULL;
        if (rc < 0) {
                hb_sock_connect_error(rc, s->which, &e);
                go_down(s, &e);
        } else if (start_tls(s) < 0)
                go_down_set(s, -ENOMEM, NULL, "out of memory for a TLS connection");
        s->depth--;
        release(s);
}

static int make(struct event_base *base, hb_tls *tls, bool server, const char *expect, const char *which,
                const struct hb_stream_callbacks *cb, void *arg, hb_stream **ret, struct hb_err *e) {
        hb_stream *s = hb_fault("stream.new") ? NULL : calloc(1, sizeof(*s));
        int rc = -ENOMEM;

        if (!s)
                return hb_err_set(e, -ENOMEM, which, NULL, "out of memory for a connection");
        *s = (hb_stream){.base = base, .fd = -1, .server = server, .cb = *cb, .arg = arg};
        strncpy(s->which, which, sizeof(s->which) - 1);
        rc = hb_tls_handle(tls, server, expect, &s->ssl, e);
        if (rc < 0)
                goto fail;
        s->deadline = evtimer_new(base, on_deadline, s);
        if (!s->deadline || hb_stream_deadline(s, SETUP_TIME_MS, "no answer within 10 s") < 0) {
                rc = hb_err_set(e, -ENOMEM, which, NULL, "out of memory for a connection");
                goto fail;
        }
        *ret = s;
        return 0;
fail:
        hb_stream_free(s);
        return rc;
}

int hb_stream_dial(struct event_base *base, hb_tls *tls, const char *expect, const char *address,
                   const char *which, const struct hb_stream_callbacks *cb, void *arg, hb_stream **ret,
                   struct hb_err *e) {
        struct hb_addr a;
        hb_stream *s;
        int rc = hb_addr_parse(address, false, &a, e);

        if (rc < 0)
                return rc;
        rc = make(base, tls, false, expect, which, cb, arg, &s, e);
        if (rc < 0)
                return rc;
        rc = hb_sock_connect(&a, &s->fd);
        if (rc < 0) {
                hb_sock_connect_error(rc, which, e);
                goto fail;
        }
        s->connecting = event_new(base, s->fd, EV_WRITE, on_connected, s);
        if (!s->connecting || event_add(s->connecting, NULL) < 0) {
                rc = hb_err_set(e, -ENOMEM, which, NULL, "out of memory for a connection");
                goto fail;
        }
        *ret = s;
        return 0;
fail:
        hb_stream_free(s);
        return rc;
}

int hb_stream_accept(struct event_base *base, hb_tls *tls, int fd, const char *which,
                     const struct hb_stream_callbacks *cb, void *arg, hb_stream **ret, struct hb_err *e) {
        hb_stream *s;
        int rc = make(base, tls, true, NULL, which, cb, arg, &s, e);

        if (rc < 0) {
                close(fd);
                return rc;
        }
        s->fd = fd;
        rc = start_tls(s);
        if (rc < 0) {
                hb_stream_free(s);
                return hb_err_set(e, rc, which, NULL, "out of memory for a TLS connection");
        }
        *ret = s;
        return 0;
}

int hb_stream_detach(hb_stream *s, int *ret_fd, SSL **ret_ssl, struct hb_stream_counts *ret,
                     struct hb_err *e) {
        struct evbuffer *in;

        if (s->dead || !s->bev)
                return hb_err_set(e, -ENOTCONN, s->which, NULL, "the connection is closed");
        in = bufferevent_get_input(s->bev);
        if (evbuffer_get_length(in) > s->current || SSL_pending(s->ssl) > 0 ||
            evbuffer_get_length(bufferevent_get_output(s->bev)) > 0)
                return hb_err_set(e, -EPROTO, s->which, "update the other side",
                                  "the peer sent more before its connection was accepted");
        *ret_fd = s->fd;
        *ret_ssl = s->ssl;
        *ret = s->n;
        s->dead = true;
        s->up = false;
        s->fd = -1;
        s->ssl = NULL;
        dismantle(s);
        return 0;
}

void hb_stream_counts(const hb_stream *s, struct hb_stream_counts *ret) {
        *ret = s->n;
}
