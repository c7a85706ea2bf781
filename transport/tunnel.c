/* tunnel: a byte stream carried in TUNNEL frames between a local socket and the other daemon.
 *
 * Invariant: bytes leave in the order they came and none is dropped: a direction reads more only when what it
 * read before is on its way. Each direction ends with an empty frame, so an end that was meant and a
 * connection that broke are told apart; the other direction goes on. `ended` comes once, when both have ended
 * and everything is flushed, or at the first failure. One thread; memory is two buffers of CHUNK and one
 * frame. */
#include "base/clock.h"
#include "base/fault.h"
#include "transport/crew.h"
#include "transport/data_io.h"
#include "transport/sock.h"
#include "transport/tcp.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK (256u << 10)

struct hb_tunnel {
        struct hb_crew_member member;
        struct hb_crew crew;
        struct hb_tunnel_callbacks cb;
        struct hb_data_io io;
        int local_fd;
        bool local_ended, peer_ended; /* no more bytes from there */
        uint64_t bytes_out, bytes_in;
        const uint8_t *pending; /* of the frame last taken, not yet written to local_fd */
        size_t npending;
        uint8_t buffer[CHUNK];
        _Atomic bool cut;
};

/* The local side is a socket, or in tests a pipe; SIGPIPE is blocked in this thread. */
static int local_lost(const struct hb_tunnel *t, struct hb_err *e) {
        return hb_err_set(e, -EIO, "device-state socket", "look at the VMM's log: it may have ended",
                          "the local end of the tunnel failed: %s", strerror(errno));
}

/* ---- out: local -> peer ---- */

static int finish_out(struct hb_tunnel *t, struct hb_err *e) {
        t->local_ended = true;
        if (hb_data_io_send(&t->io, HB_MSG_TUNNEL, NULL, 0) < 0)
                return hb_err_set(e, -ENOMEM, t->io.which, NULL, "out of memory for the tunnel");
        return 1;
}

/* 1: moved, 0: nothing to do now. */
static int pump_out(struct hb_tunnel *t, struct hb_err *e) {
        ssize_t n;
        int rc = hb_data_io_flush(&t->io, e);

        if (rc < 0)
                return rc;
        if (rc == 0 || t->local_ended)
                return 0;
        n = hb_fault("tunnel.read") ? (errno = EIO, -1) : read(t->local_fd, t->buffer, sizeof(t->buffer));
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : local_lost(t, e);
        if (n == 0)
                return finish_out(t, e);
        if (hb_data_io_send(&t->io, HB_MSG_TUNNEL, t->buffer, (size_t)n) < 0)
                return hb_err_set(e, -ENOMEM, t->io.which, NULL, "out of memory for the tunnel");
        t->bytes_out += (uint64_t)n;
        return 1;
}

/* ---- in: peer -> local ---- */

static int write_pending(struct hb_tunnel *t, struct hb_err *e) {
        while (t->npending > 0) {
                ssize_t n = hb_fault("tunnel.write") ? (errno = EPIPE, -1)
                                                     : write(t->local_fd, t->pending, t->npending);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : local_lost(t, e);
                t->pending += n;
                t->npending -= (size_t)n;
                t->bytes_in += (uint64_t)n;
        }
        return 1;
}

static int take_frame(struct hb_tunnel *t, const struct hb_frame_header *h, const uint8_t *p,
                      struct hb_err *e) {
        if (h->type == HB_MSG_ERROR)
                return hb_data_io_peer_error(&t->io, p, h->length, e);
        if (h->type != HB_MSG_TUNNEL || t->peer_ended)
                return hb_err_set(e, -EPROTO, t->io.which, "check that both hosts run compatible versions",
                                  "a frame came that does not belong in the tunnel (%s)",
                                  hb_msg_name(h->type));
        t->pending = p;
        t->npending = h->length;
        if (h->length == 0) {
                t->peer_ended = true;
                shutdown(t->local_fd, SHUT_WR);
        }
        return 1;
}

static int pump_in(struct hb_tunnel *t, struct hb_err *e) {
        struct hb_frame_header h;
        const uint8_t *p;
        int rc;

        if (t->npending > 0) {
                rc = write_pending(t, e);
                if (rc <= 0)
                        return rc;
                return 1;
        }
        rc = hb_data_io_next(&t->io, &h, &p, e);
        if (rc == 1)
                return take_frame(t, &h, p, e);
        if (rc < 0)
                return rc;
        rc = hb_data_io_fill(&t->io,
                             e); /* after the peer's end too: its death or its error still comes this way */
        return rc > 0 ? 1 : rc;
}

/* ---- the thread ---- */

static void wait_for_more(struct hb_tunnel *t) {
        bool can_send = !hb_data_io_unsent(&t->io);
        short local = (short)((!t->local_ended && can_send ? POLLIN : 0) | (t->npending > 0 ? POLLOUT : 0));

        hb_data_io_wait(&t->io, -1, t->npending == 0, local ? t->local_fd : -1, local);
}

static bool complete(const struct hb_tunnel *t) {
        return t->local_ended && t->peer_ended && t->npending == 0 && !hb_data_io_unsent(&t->io);
}

static int pump(struct hb_tunnel *t, struct hb_err *e) {
        int out, in;

        for (;;) {
                if (t->cut)
                        return hb_err_set(e, -ECANCELED, t->io.which, NULL, "the tunnel was cut on request");
                if ((out = pump_out(t, e)) < 0)
                        return out;
                if (complete(t)) /* before the next read: the peer, complete too, may have closed */
                        return 0;
                if ((in = pump_in(t, e)) < 0)
                        return in;
                if (complete(t))
                        return 0;
                if (out == 0 && in == 0)
                        wait_for_more(t);
        }
}

static void run(struct hb_crew_member *m) {
        struct hb_tunnel *t = (struct hb_tunnel *)m;
        struct hb_err e = {0};

        if (pump(t, &e) < 0 && e.code != -ECANCELED && hb_data_io_send_error(&t->io, &e) == 0)
                hb_data_io_flush(&t->io, NULL);
        hb_data_conn_close(&t->io.c);
        close(t->local_fd);
        t->local_fd = -1;
        if (t->cb.ended)
                t->cb.ended(t->cb.arg, t->bytes_out, t->bytes_in, &e);
}

static void release(struct hb_crew_member *m) {
        hb_data_io_fini(&((struct hb_tunnel *)m)->io);
}

int hb_tunnel_new(struct hb_data_conn *c, int local_fd, const struct hb_tunnel_callbacks *cb, hb_tunnel **ret,
                  struct hb_err *e) {
        struct hb_tunnel *t = hb_fault("tunnel.new") ? NULL : calloc(1, sizeof(*t));
        int rc = -ENOMEM;

        if (!t) {
                hb_data_conn_close(c);
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory for the tunnel");
        }
        t->cb = *cb;
        t->local_fd = local_fd;
        if (hb_data_conn_ready(c) < 0) {
                rc = hb_err_set(e, -ECONNRESET, c->host, NULL, "the peer closed the tunnel's connection");
                hb_data_conn_close(c);
                goto fail;
        }
        rc = hb_data_io_init(&t->io, c, CHUNK, e);
        if (rc < 0)
                goto fail;
        hb_crew_init(&t->crew, run, release);
        if (hb_sock_set_blocking(local_fd, false) < 0 || (rc = hb_crew_add(&t->crew, &t->member)) < 0) {
                rc = hb_err_set(e, rc < 0 ? rc : -EIO, t->io.which, NULL, "cannot start the tunnel");
                hb_crew_fini(&t->crew);
                hb_data_io_fini(&t->io);
                goto fail;
        }
        *ret = t;
        return 0;
fail:
        free(t);
        return rc;
}

hb_tunnel *hb_tunnel_free(hb_tunnel *t) {
        if (!t)
                return NULL;
        t->cut = true;
        hb_data_io_wake(&t->io);
        hb_crew_fini(&t->crew);
        free(t);
        return NULL;
}
