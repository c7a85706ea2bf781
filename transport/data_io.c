/* data_io: frames over TLS on a non-blocking socket.
 *
 * Invariant: `in` holds [in_at, in_len) not yet taken; its size is one largest frame plus one read, so a
 * whole frame always fits and a larger one is refused by its header. Frames are built in `out` where they are
 * sent from: a page run is copied once on its way out. Cost: no allocation once the buffers have grown. SSL
 * wants either direction for either operation (key update); both are remembered for poll(). Owned by one
 * thread, but wake and cut. */
#include "transport/data_io.h"
#include "base/clock.h"
#include "base/fault.h"
#include "transport/sock.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define READ_ROOM (64u << 10)

int hb_data_io_init(struct hb_data_io *io, struct hb_data_conn *c, size_t max_payload, struct hb_err *e) {
        *io = (struct hb_data_io){.c = *c, .wake_fd = -1, .in_cap = HB_WIRE_HEADER + max_payload + READ_ROOM};
        *c = (struct hb_data_conn){.fd = -1};
        snprintf(io->which, sizeof(io->which), "data connection with %s", io->c.host);
        io->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        io->in = hb_fault("data_io.init") ? NULL : malloc(io->in_cap);
        if (io->wake_fd < 0 || !io->in || hb_sock_set_blocking(io->c.fd, false) < 0) {
                hb_data_io_fini(io);
                return hb_err_set(e, -ENOMEM, io->which, NULL,
                                  "out of memory or descriptors for a connection");
        }
        SSL_set_read_ahead(io->c.ssl, 1);
        return 0;
}

void hb_data_io_fini(struct hb_data_io *io) {
        hb_data_conn_close(&io->c);
        if (io->wake_fd >= 0)
                close(io->wake_fd);
        io->wake_fd = -1;
        free(io->in);
        io->in = NULL;
        hb_buf_free(&io->out);
}

void hb_data_io_wake(struct hb_data_io *io) {
        uint64_t one = 1;
        ssize_t n = write(io->wake_fd, &one, sizeof(one)); /* full: it rings already */

        (void)n;
}

void hb_data_io_cut(struct hb_data_io *io) {
        shutdown(io->c.fd, SHUT_RDWR);
        hb_data_io_wake(io);
}

/* ---- out ---- */

void hb_data_io_begin(struct hb_data_io *io) {
        if (io->out_at == io->out.len) {
                hb_buf_reset(&io->out);
                io->out_at = 0;
        }
        io->frame_at = io->out.len;
        hb_buf_space(&io->out, HB_WIRE_HEADER);
}

int hb_data_io_end(struct hb_data_io *io, enum hb_msg_type type) {
        if (io->out.failed)
                return -ENOMEM;
        hb_frame_put(io->out.data + io->frame_at, (uint32_t)(io->out.len - io->frame_at - HB_WIRE_HEADER),
                     (uint16_t)type, io->c.seq_out++);
        return 0;
}

int hb_data_io_send(struct hb_data_io *io, enum hb_msg_type type, const void *payload, size_t size) {
        hb_data_io_begin(io);
        hb_buf_raw(&io->out, payload, size);
        return hb_data_io_end(io, type);
}

int hb_data_io_send_error(struct hb_data_io *io, const struct hb_err *why) {
        hb_data_io_begin(io);
        hb_msg_error_put(why, &io->out);
        return hb_data_io_end(io, HB_MSG_ERROR);
}

bool hb_data_io_unsent(const struct hb_data_io *io) {
        return io->out_at < io->out.len;
}

static int lost(struct hb_data_io *io, struct hb_err *e) {
        unsigned long code = ERR_peek_error();
        int sys = errno;

        if (code && ERR_GET_LIB(code) == ERR_LIB_SSL)
                hb_tls_explain(io->c.ssl, io->which, e); /* TLS 1.3: a refused client learns it here */
        else
                hb_err_set(e, -ECONNRESET, io->which, "check the network between the hosts",
                           "the connection was lost: %s", sys ? strerror(sys) : "the peer closed it");
        ERR_clear_error();
        return e && e->code ? e->code : -ECONNRESET;
}

int hb_data_io_flush(struct hb_data_io *io, struct hb_err *e) {
        if (hb_data_io_unsent(io) && hb_fault("data_io.write")) {
                errno = ECONNRESET;
                return lost(io, e);
        }
        io->write_blocked = false;
        while (hb_data_io_unsent(io)) {
                size_t n = 0;
                int rc, why;

                errno = 0;
                hb_tls_more(io->c.ssl,
                            io->out.len - io->out_at > HB_TLS_RECORD); /* a call writes one record */
                rc = SSL_write_ex(io->c.ssl, io->out.data + io->out_at, io->out.len - io->out_at, &n);
                if (rc == 1) {
                        io->out_at += n;
                        io->records++;
                        continue;
                }
                why = SSL_get_error(io->c.ssl, rc);
                if (why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_WANT_READ)
                        return lost(io, e);
                io->write_blocked = true; /* TLS 1.3: a write never waits for a read */
                return 0;
        }
        return 1;
}

/* ---- in ---- */

static void compact(struct hb_data_io *io) {
        if (io->in_at == io->in_len)
                io->in_at = io->in_len = 0;
        else if (io->in_cap - io->in_len < READ_ROOM) {
                memmove(io->in, io->in + io->in_at, io->in_len - io->in_at);
                io->in_len -= io->in_at;
                io->in_at = 0;
        }
}

/* Of the payload, what goes through our buffer. */
static size_t buffered_part(const struct hb_data_io *io, const struct hb_frame_header *h) {
        return io->head && h->type == HB_MSG_PAGES && h->length > io->head ? io->head : h->length;
}

/* Bytes fill() may take. */
static size_t room(const struct hb_data_io *io) {
        size_t have = io->in_len - io->in_at, need = HB_WIRE_HEADER;
        struct hb_frame_header h;

        if (!io->exact)
                return io->in_cap - io->in_len;
        if (have >= HB_WIRE_HEADER && hb_frame_get(io->in + io->in_at, io->c.seq_in, &h, NULL) == 0)
                need += buffered_part(io, &h);
        need = need > have ? need - have : 0;
        return need < io->in_cap - io->in_len ? need : io->in_cap - io->in_len;
}

static int read_some(struct hb_data_io *io, uint8_t *to, size_t size, struct hb_err *e) {
        size_t n = 0;
        int rc, why;

        if (hb_fault("data_io.read")) {
                errno = ECONNRESET;
                return lost(io, e);
        }
        errno = 0;
        io->read_wants_write = false;
        rc = SSL_read_ex(io->c.ssl, to, size, &n);
        if (rc == 1)
                return (int)n;
        why = SSL_get_error(io->c.ssl, rc);
        if (why == SSL_ERROR_WANT_READ)
                return 0;
        if (why == SSL_ERROR_WANT_WRITE) {
                io->read_wants_write = true;
                return 0;
        }
        if (why == SSL_ERROR_ZERO_RETURN)
                errno = 0;
        return lost(io, e);
}

int hb_data_io_fill(struct hb_data_io *io, struct hb_err *e) {
        size_t size;
        int n;

        compact(io);
        size = room(io);
        if (size == 0)
                return 0;
        n = read_some(io, io->in + io->in_len, size, e);
        if (n > 0)
                io->in_len += (size_t)n;
        return n;
}

int hb_data_io_body(struct hb_data_io *io, uint8_t *to, size_t size, struct hb_err *e) {
        return read_some(io, to, size, e);
}

static int check_size(const struct hb_data_io *io, const struct hb_frame_header *h, struct hb_err *e) {
        if (h->length <= io->in_cap - HB_WIRE_HEADER - READ_ROOM)
                return 0;
        return hb_err_set(e, -EBADMSG, hb_msg_name(h->type), "check that both hosts run compatible versions",
                          "a frame of %u bytes is too large for this connection", h->length);
}

int hb_data_io_head(struct hb_data_io *io, struct hb_frame_header *ret, const uint8_t **ret_payload,
                    struct hb_err *e) {
        size_t have = io->in_len - io->in_at;
        struct hb_frame_header h;
        int rc;

        if (have < HB_WIRE_HEADER)
                return 0;
        rc = hb_frame_get(io->in + io->in_at, io->c.seq_in, &h, e);
        if (rc == 0)
                rc = check_size(io, &h, e);
        if (rc < 0)
                return rc;
        if (have < HB_WIRE_HEADER + buffered_part(io, &h))
                return 0;
        *ret = h;
        *ret_payload = io->in + io->in_at + HB_WIRE_HEADER;
        return 1;
}

void hb_data_io_frame_done(struct hb_data_io *io) {
        io->in_at = io->in_len; /* exact: nothing of the next frame is in the buffer */
        io->c.seq_in++;
}

int hb_data_io_next(struct hb_data_io *io, struct hb_frame_header *ret, const uint8_t **ret_payload,
                    struct hb_err *e) {
        size_t have = io->in_len - io->in_at;
        struct hb_frame_header h;
        int rc;

        if (have < HB_WIRE_HEADER)
                return 0;
        rc = hb_frame_get(io->in + io->in_at, io->c.seq_in, &h, e);
        if (rc == 0)
                rc = check_size(io, &h, e);
        if (rc < 0)
                return rc;
        if (have < HB_WIRE_HEADER + h.length)
                return 0;
        *ret = h;
        *ret_payload = io->in + io->in_at + HB_WIRE_HEADER;
        io->in_at += HB_WIRE_HEADER + h.length;
        io->c.seq_in++;
        return 1;
}

static void drain_wake(struct hb_data_io *io) {
        uint64_t n;
        ssize_t got = read(io->wake_fd, &n, sizeof(n));

        (void)got;
}

short hb_data_io_wait(struct hb_data_io *io, int64_t ns, bool want_read, int extra_fd, short extra_events) {
        bool write = io->read_wants_write || (hb_data_io_unsent(io) && io->write_blocked);
        struct timespec ts = {.tv_sec = ns / (int64_t)HB_NS_PER_S, .tv_nsec = ns % (int64_t)HB_NS_PER_S};
        struct pollfd p[3] = {
                {.fd = io->c.fd, .events = (short)((want_read ? POLLIN : 0) | (write ? POLLOUT : 0))},
                {.fd = io->wake_fd, .events = POLLIN},
                {.fd = extra_fd, .events = extra_events},
        };

        if (p[0].events == 0)
                p[0].fd = -1; /* else a hang-up would spin */
        if (ppoll(p, 3, ns < 0 ? NULL : &ts, NULL) <= 0)
                return 0;
        if (p[1].revents)
                drain_wake(io);
        return p[2].revents;
}

int hb_data_io_peer_error(const struct hb_data_io *io, const uint8_t *p, size_t n, struct hb_err *e) {
        struct hb_err theirs;

        if (hb_msg_error_get(p, n, &theirs) < 0)
                return hb_err_set(e, -EPROTO, io->which, NULL,
                                  "the peer reported an error that cannot be read");
        return hb_err_set(e, theirs.code, theirs.which[0] ? theirs.which : io->which, theirs.next,
                          "%s says: %s", io->c.host, theirs.what);
}

uint64_t hb_data_io_wire_out(const struct hb_data_io *io) {
        uint64_t given = BIO_number_written(SSL_get_wbio(io->c.ssl));

        /* the kernel adds what makes a record of it; OpenSSL's count has that in it otherwise */
        return hb_data_conn_ktls(&io->c) ? given + io->records * HB_TLS_RECORD_EXTRA : given;
}
