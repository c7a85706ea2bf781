/* peer_stream: frames over TLS over a socket, on libevent: what a control session and a not yet classified
 * accepted connection have in common. Knows nothing of HELLO. Everything on the loop's thread.
 *
 * Life: new -> up() once -> frame() any number -> down() once -> free. free is allowed at any time, inside
 * callbacks too; after it no callback comes. */
#pragma once
#include "transport/peer.h"

typedef struct hb_stream hb_stream;
struct hb_stream_callbacks {
        void (*up)(void *arg, const char *host); /* handshake done, name verified */
        /* The payload is valid until return. */
        void (*frame)(void *arg, enum hb_msg_type type, const uint8_t *payload, size_t size);
        void (*down)(void *arg, const struct hb_err *why);
};
struct hb_stream_counts {
        uint64_t bytes_in, bytes_out; /* frames, without TLS's own bytes */
        uint64_t seq_in, seq_out;
};

/* `expect`: the name the other side must prove, NULL: any of the cluster. `which` names the connection in
 * errors. */
int hb_stream_dial(struct event_base *base, hb_tls *tls, const char *expect, const char *address,
                   const char *which, const struct hb_stream_callbacks *cb, void *arg, hb_stream **ret,
                   struct hb_err *e);
/* Takes fd, on failure too. */
int hb_stream_accept(struct event_base *base, hb_tls *tls, int fd, const char *which,
                     const struct hb_stream_callbacks *cb, void *arg, hb_stream **ret, struct hb_err *e);
hb_stream *hb_stream_free(hb_stream *s);

int hb_stream_send(hb_stream *s, enum hb_msg_type type, const void *payload,
                   size_t size); /* as hb_session_send */
/* down() with -ETIMEDOUT and this text unless cancelled in time (text NULL cancels). */
int hb_stream_deadline(hb_stream *s, int ms, const char *text);
/* Flushes what was sent, tells the peer no more will come, waits until it closes too, at most 5 s; then
 * down() with code 0. Frames still coming in are dropped. */
void hb_stream_linger(hb_stream *s);
/* Takes socket and TLS handle out of the loop; the stream is then good for free only. -EPROTO: more bytes had
 * come than were asked for. */
int hb_stream_detach(hb_stream *s, int *ret_fd, SSL **ret_ssl, struct hb_stream_counts *ret,
                     struct hb_err *e);
void hb_stream_counts(const hb_stream *s, struct hb_stream_counts *ret);
