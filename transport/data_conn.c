/* data_conn: dials a data connection and takes it to the point where pages or tunnel bytes may flow.
 *
 * Invariant: a connection is returned only after the other side proved its name, answered HELLO with a common
 * version and took the token (DATA_READY); on every other path nothing stays open. Blocks up to the caller's
 * time limit; a worker's thread. */
#include "base/clock.h"
#include "base/fault.h"
#include "transport/data_io.h"
#include "transport/sock.h"
#include "transport/wire_data.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HELLO_MAX 2048 /* payload of HELLO, ERROR and DATA_READY */

struct dial {
        hb_tls *tls;
        const char *host;
        char which[160];
        uint64_t deadline_ns;
        struct hb_data_io io;
};

void hb_data_conn_close(struct hb_data_conn *c) {
        if (!c)
                return;
        if (c->ssl) { /* without one the structure is empty, whatever fd says */
                if (SSL_is_init_finished(c->ssl))
                        SSL_shutdown(c->ssl);
                SSL_free(c->ssl);
                ERR_clear_error();
                if (c->fd >= 0)
                        close(c->fd);
        }
        c->ssl = NULL;
        c->fd = -1;
}

int hb_data_conn_ktls(const struct hb_data_conn *c) {
        return hb_tls_kernel_sends(c->ssl);
}

int hb_data_conn_ready(struct hb_data_conn *c) {
        uint8_t frame[HB_WIRE_HEADER];

        if (!c->ready_due)
                return 0;
        hb_frame_put(frame, 0, HB_MSG_DATA_READY, c->seq_out);
        if (hb_fault("data_conn.ready") || SSL_write(c->ssl, frame, sizeof(frame)) != (int)sizeof(frame)) {
                ERR_clear_error();
                return -ECONNRESET;
        }
        c->seq_out++;
        c->ready_due = false;
        return 0;
}

static int64_t left_ns(const struct dial *d) {
        uint64_t now = hb_now_ns();

        return now < d->deadline_ns ? (int64_t)(d->deadline_ns - now) : 0;
}

static int late(const struct dial *d, struct hb_err *e) {
        return hb_err_set(e, -ETIMEDOUT, d->which,
                          "check that a harbingerd listens there and the network carries it",
                          "no answer in time");
}

static int wait_fd(const struct dial *d, int fd, short events, struct hb_err *e) {
        struct pollfd p = {.fd = fd, .events = events};
        int64_t ns;

        do {
                ns = left_ns(d);
                if (poll(&p, 1, (int)((ns + 999999) / 1000000)) > 0)
                        return 0;
        } while (left_ns(d) > 0);
        return late(d, e);
}

static int open_socket(struct dial *d, const char *address, int *ret_fd, struct hb_err *e) {
        struct hb_addr a;
        int fd, rc = hb_addr_parse(address, false, &a, e);

        if (rc < 0)
                return rc;
        rc = hb_sock_connect(&a, &fd);
        if (rc < 0)
                return hb_sock_connect_error(rc, d->which, e);
        rc = wait_fd(d, fd, POLLOUT, e);
        if (rc == 0 && (rc = hb_sock_connected(fd)) < 0)
                hb_sock_connect_error(rc, d->which, e);
        if (rc < 0) {
                close(fd);
                return rc;
        }
        hb_sock_tune(fd);
        *ret_fd = fd;
        return 0;
}

static int handshake(struct dial *d, struct hb_data_conn *c, struct hb_err *e) {
        int rc = hb_tls_handle(d->tls, 0, d->host, &c->ssl, e);

        if (rc < 0)
                return rc;
        if (hb_tls_set_fd(c->ssl, c->fd) < 0)
                return hb_err_set(e, -ENOMEM, d->which, NULL, "out of memory for a TLS connection");
        if (c->kind == HB_DATA_PAGES) /* whoever dials sends the pages, one frame after the other */
                hb_tls_offer_kernel(d->tls, c->ssl);
        while ((rc = SSL_connect(c->ssl)) != 1) {
                int why = SSL_get_error(c->ssl, rc);

                if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
                        struct hb_err made = {0};
                        hb_tls_explain(c->ssl, d->which, &made);
                        if (e)
                                *e = made;
                        return made.code;
                }
                rc = wait_fd(d, c->fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, e);
                if (rc < 0)
                        return rc;
        }
        return hb_tls_peer_name(c->ssl, c->host, e);
}

/* Sends what waits and returns the next frame of this type; an ERROR from the peer is its own. */
static int await(struct dial *d, enum hb_msg_type type, const uint8_t **ret, size_t *ret_size,
                 struct hb_err *e) {
        struct hb_frame_header h;
        int rc, got;

        for (;;) {
                if ((rc = hb_data_io_flush(&d->io, e)) < 0 || (got = rc = hb_data_io_fill(&d->io, e)) < 0)
                        return rc;
                rc = hb_data_io_next(&d->io, &h, ret, e);
                if (rc < 0)
                        return rc;
                if (rc == 1)
                        break;
                if (left_ns(d) == 0)
                        return late(d, e);
                if (got == 0)
                        hb_data_io_wait(&d->io, left_ns(d), true, -1, 0);
        }
        if (h.type == HB_MSG_ERROR)
                return hb_data_io_peer_error(&d->io, *ret, h.length, e);
        if (h.type != type)
                return hb_err_set(e, -EPROTO, d->which, "check that both hosts run compatible versions",
                                  "%s came where %s was due", hb_msg_name(h.type), hb_msg_name(type));
        *ret_size = h.length;
        return 0;
}

static int say_hello(struct dial *d, struct hb_err *e) {
        struct hb_msg_hello mine = {.version_min = HB_WIRE_VERSION_MIN, .version_max = HB_WIRE_VERSION_MAX},
                            m;
        const uint8_t *p;
        size_t n;
        int rc;

        snprintf(mine.host, sizeof(mine.host), "%s", hb_tls_own_name(d->tls));
        snprintf(mine.software, sizeof(mine.software), "harbinger " HB_VERSION);
        hb_data_io_begin(&d->io);
        hb_msg_hello_put(&mine, &d->io.out);
        if (hb_data_io_end(&d->io, HB_MSG_HELLO) < 0)
                return hb_err_set(e, -ENOMEM, d->which, NULL, "out of memory");
        rc = await(d, HB_MSG_HELLO, &p, &n, e);
        if (rc < 0)
                return rc;
        if (hb_msg_hello_get(p, n, &m) < 0 || strcmp(m.host, d->io.c.host) != 0)
                return hb_err_set(e, -EPROTO, d->which, "check that both hosts run compatible versions",
                                  "the peer's HELLO is not right");
        if (m.version_min > HB_WIRE_VERSION_MAX || m.version_max < HB_WIRE_VERSION_MIN)
                return hb_err_set(
                        e, -EPROTONOSUPPORT, d->which, "install compatible versions on both hosts",
                        "no common protocol version: %s (%s) speaks %u to %u, this host (%s) %u to %u",
                        m.host, m.software, m.version_min, m.version_max, mine.software, mine.version_min,
                        mine.version_max);
        return 0;
}

static int present_token(struct dial *d, const uint8_t token[HB_TOKEN_SIZE], enum hb_data_kind kind,
                         struct hb_err *e) {
        struct hb_msg_data_hello m = {.kind = kind};
        const uint8_t *p;
        size_t n;

        memcpy(m.token, token, sizeof(m.token));
        hb_data_io_begin(&d->io);
        hb_msg_data_hello_put(&m, &d->io.out);
        if (hb_data_io_end(&d->io, HB_MSG_DATA_HELLO) < 0)
                return hb_err_set(e, -ENOMEM, d->which, NULL, "out of memory");
        return await(d, HB_MSG_DATA_READY, &p, &n, e);
}

/* The peer may have sent more right behind DATA_READY: `exact` left those bytes in OpenSSL, none is in our
 * buffer. */
static int hand_out(struct dial *d, struct hb_data_conn *ret, struct hb_err *e) {
        if (hb_sock_set_blocking(d->io.c.fd, true) < 0)
                return hb_err_set(e, -EIO, d->which, NULL, "cannot configure the socket");
        *ret = d->io.c;
        d->io.c = (struct hb_data_conn){.fd = -1};
        return 0;
}

int hb_data_dial(hb_tls *tls, const char *host, const char *address, const uint8_t token[HB_TOKEN_SIZE],
                 enum hb_data_kind kind, int timeout_ms, struct hb_data_conn *ret, struct hb_err *e) {
        struct dial d = {
                .tls = tls, .host = host, .deadline_ns = hb_now_ns() + (uint64_t)timeout_ms * HB_NS_PER_MS};
        struct hb_data_conn c = {.fd = -1, .kind = kind};
        struct hb_err own = {0};
        int rc;

        if (!e)
                e = &own;
        snprintf(d.which, sizeof(d.which), "%s at %s", host, address);
        memcpy(c.token, token, sizeof(c.token));
        rc = open_socket(&d, address, &c.fd, e);
        if (rc < 0)
                return rc;
        rc = handshake(&d, &c, e);
        if (rc < 0) {
                if (!c.ssl)
                        close(c.fd);
                hb_data_conn_close(&c);
                return rc;
        }
        rc = hb_data_io_init(&d.io, &c, HELLO_MAX, e);
        if (rc < 0)
                return rc;
        d.io.exact = true;
        if ((rc = say_hello(&d, e)) == 0 && (rc = present_token(&d, token, kind, e)) == 0)
                rc = hand_out(&d, ret, e);
        hb_data_io_fini(&d.io);
        return rc;
}
