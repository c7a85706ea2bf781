/* data_io: frames over a data connection, for the one thread that serves it. The socket is non-blocking; the
 * thread works until nothing moves and then waits in hb_data_io_wait, out of which any thread can wake it.
 * All functions but wake belong to that thread (an SSL handle bears no second one). */
#pragma once
#include "transport/peer.h"
#include <stdatomic.h>

#define HB_TLS_RECORD       16384u
#define HB_TLS_RECORD_EXTRA 22u /* header, type and tag of a TLS 1.3 record */

struct hb_data_io {
        struct hb_data_conn c;
        int wake_fd;
        struct hb_buf out; /* frames to send; out_at bytes of it are sent */
        size_t out_at;
        uint64_t records; /* TLS records written */
        uint8_t *in;
        size_t in_at, in_len, in_cap;
        size_t frame_at; /* where the frame that is being built begins in `out` */
        bool read_wants_write, write_blocked;
        bool exact;  /* fill() takes no byte beyond the current frame */
        size_t head; /* exact: of a PAGES payload take this much only; the rest is for body() */
        char which[HB_NAME_MAX + 32];
};

/* Takes *c (it is emptied), on failure too. max_payload: the largest the peer may send; larger is a broken
 * rule. */
int hb_data_io_init(struct hb_data_io *io, struct hb_data_conn *c, size_t max_payload, struct hb_err *e);
void hb_data_io_fini(struct hb_data_io *io);
void hb_data_io_wake(struct hb_data_io *io); /* any thread */
void hb_data_io_cut(
        struct hb_data_io *io); /* any thread: shuts the socket down, so every wait and transfer ends */

/* Builds a frame in place: begin, append the payload to io->out, end. */
void hb_data_io_begin(struct hb_data_io *io);
int hb_data_io_end(struct hb_data_io *io, enum hb_msg_type type); /* -ENOMEM */
int hb_data_io_send(struct hb_data_io *io, enum hb_msg_type type, const void *payload, size_t size);
int hb_data_io_send_error(struct hb_data_io *io, const struct hb_err *why);
bool hb_data_io_unsent(const struct hb_data_io *io);

/* 1: all sent, 0: the socket is full, < 0: lost. */
int hb_data_io_flush(struct hb_data_io *io, struct hb_err *e);
/* Reads what is there. > 0: bytes, 0: nothing now (or no room: take frames first), < 0: lost. */
int hb_data_io_fill(struct hb_data_io *io, struct hb_err *e);
/* 1: a frame (valid until the next fill), 0: none whole, < 0: a rule is broken. */
int hb_data_io_next(struct hb_data_io *io, struct hb_frame_header *ret, const uint8_t **ret_payload,
                    struct hb_err *e);
/* exact and head set: 1 when the next frame's header and, of a PAGES frame, the first `head` bytes of its
 * payload, of any other all of it, are there. Valid until frame_done(). */
int hb_data_io_head(struct hb_data_io *io, struct hb_frame_header *ret, const uint8_t **ret_payload,
                    struct hb_err *e);
/* Reads the payload beyond `head` straight to where it belongs: > 0 bytes, 0: nothing now, < 0: lost. */
int hb_data_io_body(struct hb_data_io *io, uint8_t *to, size_t size, struct hb_err *e);
void hb_data_io_frame_done(struct hb_data_io *io); /* all of it was taken */
/* To be called after fill() said 0 (OpenSSL may hold bytes that poll() cannot see). Until something can be
 * read, what is unsent can go on, the wake-up rings or the time is over (ns < 0: no limit). extra_fd: also
 * wait for these poll events there (-1: none); returns its revents. */
short hb_data_io_wait(struct hb_data_io *io, int64_t ns, bool want_read, int extra_fd, short extra_events);
/* What the peer's ERROR frame says. Returns its code. */
int hb_data_io_peer_error(const struct hb_data_io *io, const uint8_t *p, size_t n, struct hb_err *e);
uint64_t hb_data_io_wire_out(const struct hb_data_io *io); /* bytes given to the socket, TLS's included */
