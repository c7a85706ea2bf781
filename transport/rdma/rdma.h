/* rdma: page transport by one-sided READ (backend "rdma"), InfiniBand and RoCE v1/v2 through libibverbs and
 * librdmacm.
 *
 * Target: hb_rdma_listen takes connections, hb_rdma_fetcher_* reads pages out of the source's guest memory.
 * Source: hb_rdma_server_* registers guest memory in windows and lends them. One reliable connection a
 * placement: the lead queue pair carries messages, stamps and urgent fetches, the bulk queue pairs the rest,
 * so that a demand never waits behind bulk.
 *
 * What crosses the wire is NOT encrypted: an operator turns RDMA on for a network that may see guest memory.
 * The token travels in the clear too; whoever accepts a connection must let a token be used once.
 *
 * What is read is what the frames hold that were pinned when a window was registered. Two laws make it as
 * good as any other read, and coherency.c judges it by its stamp like any other:
 *  1. a READ's stamp is a value of *completed_epoch that had arrived before the READ was posted;
 *  2. the source calls hb_rdma_server_scanned(W(e+1)) before it stores completed_epoch = e+1; a window that
 * no longer shows the guest's memory is withdrawn in there. */
#pragma once
#include "base/bitmap.h"
#include "transport/transport.h"
#include "transport/wire.h"

#define HB_RDMA_VERSION      1u /* of private data and messages; the two ends must agree */
#define HB_RDMA_MAX_BULK_QPS 4u
#define HB_RDMA_NAME_MAX     64

struct hb_rdma_options {
        const char *device;    /* "" or NULL: the one the route of the address leads to */
        uint64_t pinned_bytes; /* at most so much memory registered by this object; 0: 256 MiB */
        unsigned window_pages; /* source: a window of guest memory, a power of two, 16..4096; 0: 1024 */
        unsigned bulk_qps;     /* source decides: 1..HB_RDMA_MAX_BULK_QPS; 0: 1 */
        unsigned queue_max; /* target: fetches accepted and not posted; 0: 1024; urgent ones are counted apart
                             */
        unsigned direct_pages; /* target: READs of at least so many pages go straight into the image, shorter
                                  ones over a pinned buffer (a copy is cheaper than a registration); 0: 128 */
        unsigned return_ms; /* source: a recalled window not returned by then is withdrawn under the peer; 0:
                               50 */
};

struct hb_rdma_link { /* for status: what a connection runs over */
        char device[HB_RDMA_NAME_MAX], gid[64];
        unsigned port, mtu;    /* mtu: of the path, in bytes */
        const char *transport; /* "InfiniBand", "RoCE v1", "RoCE v2", "RoCE" (version not known) */
        unsigned bulk_qps;
        bool on_demand; /* the device pages on demand: nothing is pinned */
};

/* ---- target: a listener shared by all placements of a daemon; has a thread ---- */
typedef struct hb_rdma_listener hb_rdma_listener;
struct hb_rdma_conn; /* asked for by a peer and not yet answered; owned by whoever has taken it */

/* address: "ip:port" as in [peer] listen; port 0 picks one. accept() runs on the listener's thread and must
 * not block: 0: `c` is taken (later answered by hb_rdma_fetcher_new or refused by hb_rdma_conn_free);
 * negative: refused. The peer waits for its answer, so answer within a second or so. What is no harbinger of
 * our version never comes here. -EADDRINUSE, -EADDRNOTAVAIL, -ENODEV: no RDMA device has this address (or is
 * called so), -EOPNOTSUPP: no rdma_cm. */
int hb_rdma_listen(const char *address, const struct hb_rdma_options *o,
                   int (*accept)(void *arg, const uint8_t token[HB_TOKEN_SIZE], struct hb_rdma_conn *c),
                   void *arg, hb_rdma_listener **ret, struct hb_err *e);
int hb_rdma_listener_port(const hb_rdma_listener *l);
hb_rdma_listener *hb_rdma_listener_free(hb_rdma_listener *l); /* joins; connections that were taken live on */
void hb_rdma_conn_link(const struct hb_rdma_conn *c, struct hb_rdma_link *ret);
struct hb_rdma_conn *hb_rdma_conn_free(struct hb_rdma_conn *c); /* refuses the peer */

/* ---- target: the fetcher ---- */
struct hb_rdma_image {
        const struct hb_shape *shape;
        uint8_t *region_base[HB_MAX_REGIONS];
};
struct hb_rdma_fetcher_stats {
        uint64_t reads, joined; /* READs of pages posted; fetches that shared another's READ */
        uint64_t stamps;        /* READs of the epoch word */
        uint64_t direct_pages, bounced_pages;
        uint64_t asked, granted, denied, recalled; /* windows */
        uint64_t no_data;                          /* fetches that ended -ENODATA */
        uint64_t wake_ups;
        uint64_t pinned_bytes;
};
/* Takes c, on failure too. Answers the peer and starts a thread; state(true) comes when the connection
 * stands. `image` (copied, NULL allowed) is used with on-demand paging only. Fetches as in transport.h, but
 *  - zero_mask stays 0: pages are taken as they are; wire_bytes are the bytes read;
 *  - one status more, -ENODATA: the run cannot be had by RDMA now (holes of the guest's file, or the source
 * cannot pin it); the connection is well: fetch it another way. dst is undefined. A page of dst must stay in
 * place (not punched, not remapped) until done(). When the connection dies everything in flight completes
 * -ECONNRESET, then state(false) comes; it never comes back: make a new one on a new connection. */
int hb_rdma_fetcher_new(const struct hb_rdma_options *o, const struct hb_rdma_image *image,
                        struct hb_rdma_conn *c, const struct hb_fetcher_callbacks *cb, hb_fetcher **ret,
                        struct hb_err *e);
void hb_rdma_fetcher_stats(hb_fetcher *t, struct hb_link_stats *ret);
void hb_rdma_fetcher_details(hb_fetcher *t, struct hb_rdma_fetcher_stats *ret);
void hb_rdma_fetcher_link(hb_fetcher *t, struct hb_rdma_link *ret);
void hb_rdma_fetcher_why(hb_fetcher *t,
                         struct hb_err *ret); /* after state(false): what ended it; code 0: nothing yet */

/* ---- source ---- */
typedef struct hb_rdma_server hb_rdma_server;
struct hb_rdma_server_stats {
        uint64_t windows, pinned_bytes,
                pinned_max; /* now, now, and the bound (lowered when the kernel refuses) */
        uint64_t granted, denied, recalled, returned;
        uint64_t frames_lost; /* windows withdrawn because a page had another frame */
        uint64_t forced;      /* withdrawn under the peer: its READs fail then */
};
/* BLOCKING (a job): resolves, connects, waits for the answer, at most timeout_ms. `src` is borrowed until
 * hb_rdma_server_free; `ended` (once, on the server's thread, must not free it) tells that the connection is
 * over. -EACCES: the target refused the token; -ETIMEDOUT; -ECONNREFUSED: nobody listens; -ENODEV,
 * -EOPNOTSUPP as above; -EPERM: page frames cannot be read (CAP_SYS_ADMIN) and the device has no on-demand
 * paging: no safe way. */
int hb_rdma_server_dial(const char *address, const struct hb_rdma_options *o,
                        const uint8_t token[HB_TOKEN_SIZE], const struct hb_page_source *src,
                        void (*ended)(void *arg, const struct hb_err *why), void *arg, int timeout_ms,
                        hb_rdma_server **ret, struct hb_err *e);
/* On the scan's thread, after scan e+1 and BEFORE completed_epoch = e+1 is stored: `written` = W(e+1),
 * discarded pages included. Windows in which a written page is not in the frame that was pinned are recalled,
 * and deregistered when this returns (waits return_ms at most, and only if there is such a window). Returns
 * how many. */
int hb_rdma_server_scanned(hb_rdma_server *s, const struct hb_bitmap *written);
void hb_rdma_server_details(hb_rdma_server *s, struct hb_rdma_server_stats *ret);
void hb_rdma_server_link(const hb_rdma_server *s, struct hb_rdma_link *ret);
hb_rdma_server *hb_rdma_server_free(hb_rdma_server *s); /* withdraws everything, joins; NULL allowed */

/* ---- for doctor ---- */
#define HB_RDMA_MAX_GIDS 16u
struct hb_rdma_gid {
        unsigned index;
        const char *type; /* as hb_rdma_link.transport */
        char text[64];    /* IPv4 where it holds one */
        char netdev[32];  /* "" if not told */
};
struct hb_rdma_device_info { /* one port of a device */
        char name[HB_RDMA_NAME_MAX];
        unsigned port;
        const char *state, *link_layer; /* "active", "down" ...; "InfiniBand", "Ethernet" */
        unsigned mtu, max_mtu;          /* bytes */
        unsigned max_reads;             /* outstanding READs a queue pair may have at its target */
        uint64_t max_registered_bytes;  /* the longest registration */
        bool on_demand;                 /* RC READ with on-demand paging */
        unsigned ngids;
        struct hb_rdma_gid gids[HB_RDMA_MAX_GIDS];
};
struct hb_rdma_host_info {
        uint64_t memlock_bytes; /* RLIMIT_MEMLOCK, UINT64_MAX: none (also with CAP_IPC_LOCK) */
        bool frames_readable; /* /proc/self/pagemap shows frames: needed to serve without on-demand paging */
        bool rdma_cm;         /* /dev/infiniband/rdma_cm can be opened */
};
/* How many ports there are (may be more than `max`), 0: no device. */
int hb_rdma_probe(struct hb_rdma_device_info *ret, unsigned max, struct hb_rdma_host_info *ret_host);
