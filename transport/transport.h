/* transport: moves page runs from the source's guest memory into the target's image. Two halves of one
 * contract, one folder of backends: tcp, loop (for tests: delay, loss of connection, reordering), rdma (its
 * own issue). The contract test (tests/contract/transport) holds every backend to this page.
 *
 * Stamps: the serving side stamps each reply with `*completed_epoch` loaded (acquire) before the first byte
 * of the run is read. */
#pragma once
#include "base/err.h"
#include "base/shape.h"
#include <stdbool.h>
#include <stdint.h>

#define HB_FETCH_MAX_PAGES 64u

/* ---- target half: fetch ---- */
typedef struct hb_fetcher hb_fetcher;

struct hb_fetch { /* one run, at most HB_FETCH_MAX_PAGES, within one region */
        uint64_t gfn;
        uint32_t pages;
        bool urgent;  /* before everything that is not */
        uint8_t *dst; /* pages * 4096 bytes; the transport writes here until done() */
        void *user;
        /* filled for done(): */
        int status; /* 0, -ECONNRESET connection lost, -EBADMSG checksum or protocol, -EIO; dst is then
                       undefined */
        uint32_t stamp;
        uint64_t wire_bytes;
        uint64_t zero_mask; /* bit i: page i is all zero; its bytes in dst are NOT written */
        struct hb_fetch *next;
};

struct hb_fetcher_callbacks {
        /* Exactly once per accepted fetch, on one of the transport's threads. Must not block; may call
         * fetch(). */
        void (*done)(void *arg, struct hb_fetch *f);
        /* All connections are gone, or the first is back; on a transport's thread. */
        void (*state)(void *arg, bool connected);
        void *arg;
};

struct hb_fetcher_ops {
        const char *name;
        /* Queue one run. Success: the transport owns `f` until done(). -EAGAIN: full, the caller keeps it;
         * -ENOTCONN: no connection. Never blocks, never calls done() from inside. Thread-safe. */
        int (*fetch)(hb_fetcher *t, struct hb_fetch *f);
        /* Stop: everything queued completes with -ECONNRESET; never blocks; may be called twice. */
        void (*close)(hb_fetcher *t);
        /* After close: waits for the threads; every done() has been called when it returns. Frees t. NULL
         * allowed. */
        hb_fetcher *(*fini)(hb_fetcher *t);
};

struct hb_fetcher { /* head of every backend's object */
        const struct hb_fetcher_ops *ops;
};

/* ---- source half: serve ---- */
struct hb_page_source { /* the guest's memory as the server reads it; borrowed until the server is finished */
        const struct hb_shape *shape;
        const uint8_t *region_map[HB_MAX_REGIONS]; /* read-only mapping of each region */
        const uint32_t *completed_epoch;           /* read with __atomic acquire */
};

struct hb_link_stats {
        double latency_s;   /* smoothed request -> first byte when idle */
        double bytes_per_s; /* smoothed wire rate while busy */
        double used_share;  /* of recent time */
        double compression; /* memory bytes / wire bytes, recent */
        uint64_t wire_bytes, page_bytes, pages, zero_pages, errors, reconnects;
        unsigned connections;
        bool busy_limited_by_cap;
        /* the estimate of bytes_per_s: how far it can be trusted (0: nothing was measured, 1: steady for a
         * while), and the share of recent busy time in which the link moved clearly less than it (loss of
         * pace) */
        double confidence, pace_loss;
        double queue_delay_s; /* what requests under load take longer than latency_s */
};
