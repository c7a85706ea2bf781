/* tcp: page transport over TLS data connections (backend "tcp").
 *
 * Source: hb_tcp_server_* serves FETCH from the guest's mapping, a thread a connection; a token bucket shared
 * by all its connections holds the bytes/s cap (urgent fetches are not capped). Target: hb_tcp_fetcher_*
 * spreads fetches over its connections; the first connection is kept for urgent ones, so that a demand never
 * waits behind bulk. Pages are packed by page_codec. */
#pragma once
#include "transport/peer.h"
#include "transport/transport.h"

/* Connections a placement should have: the setting's number, or for 0 (auto) one for demand and one for each
 * four of this program's processors, 2 to 8 in all: a busy connection takes a core here and one on the
 * source. */
unsigned hb_tcp_connections(int setting);

/* ---- target ---- */
struct hb_tcp_fetcher_options {
        unsigned window_per_conn; /* requests on the wire per connection, default 16 */
        unsigned queue_max; /* accepted and not yet sent, default 1024: then -EAGAIN; urgent ones are counted
                               apart */
        /* A connection ended (on its thread); err tells why. May be NULL. */
        void (*ended)(void *arg, const struct hb_err *why);
        void *arg;
};
int hb_tcp_fetcher_new(const struct hb_tcp_fetcher_options *o, const struct hb_fetcher_callbacks *cb,
                       hb_fetcher **ret, struct hb_err *e);
/* Adds a connection (takes ownership, on failure too: it is closed then). -ESHUTDOWN after close. Connections
 * may come and go; with none left fetches in flight complete -ECONNRESET. */
int hb_tcp_fetcher_add(hb_fetcher *t, struct hb_data_conn *c);
void hb_tcp_fetcher_stats(hb_fetcher *t, struct hb_link_stats *ret);

/* ---- source ---- */
typedef struct hb_tcp_server hb_tcp_server;
struct hb_tcp_server_options {
        uint64_t cap_bytes_per_s;     /* 0: none */
        int zstd_level;               /* HB_ZSTD_AUTO, HB_ZSTD_OFF or -7..3 */
        struct hb_producer *producer; /* finds zstd's matches (producer.h), borrowed; NULL: zstd itself */
        /* A connection ended (on its thread); err tells why. The owner may dial again. */
        void (*ended)(void *arg, const struct hb_err *why);
        void *arg;
};
#define HB_ZSTD_AUTO      1000
#define HB_ZSTD_OFF       1001
#define HB_ZSTD_LEVEL_MIN (-7)
#define HB_ZSTD_LEVEL_MAX 3
int hb_tcp_server_new(const struct hb_page_source *src, const struct hb_tcp_server_options *o,
                      hb_tcp_server **ret, struct hb_err *e);
int hb_tcp_server_add(hb_tcp_server *s,
                      struct hb_data_conn *c); /* takes ownership, on failure too; starts its thread */
void hb_tcp_server_set_cap(hb_tcp_server *s, uint64_t bytes_per_s);
void hb_tcp_server_stats(hb_tcp_server *s, struct hb_link_stats *ret);
void hb_tcp_server_cut(
        hb_tcp_server *s); /* ends the connections of a session that is over; new ones may come */
hb_tcp_server *hb_tcp_server_free(hb_tcp_server *s); /* closes and joins */

/* ---- device-state tunnel: a byte stream between a local unix or TCP socket and the other daemon ---- */
typedef struct hb_tunnel hb_tunnel;
struct hb_tunnel_callbacks {
        /* Both directions have ended; bytes carried; err->code 0 when clean. On the tunnel's thread. */
        void (*ended)(void *arg, uint64_t bytes_out, uint64_t bytes_in, const struct hb_err *e);
        void *arg;
};
/* Runs a thread. The connection is taken, on failure too (*c is then closed and empty); local_fd only on
 * success. */
int hb_tunnel_new(struct hb_data_conn *c, int local_fd, const struct hb_tunnel_callbacks *cb, hb_tunnel **ret,
                  struct hb_err *e);
hb_tunnel *hb_tunnel_free(hb_tunnel *t); /* cuts it if still running, joins */
