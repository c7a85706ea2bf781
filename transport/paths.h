/* paths: one fetcher over several: TCP, which is always there while a session is, and RDMA while it works.
 *
 * Nobody above notices which one brought a page, nor that one of them failed: a run that fails on the RDMA
 * path is asked for again over TCP, and only what TCP cannot bring either is reported as failed.
 *
 * Which path (docs/OPERATING.md, "RDMA"):
 *   urgent runs     RDMA while it is up, for it answers sooner
 *   under a cap     TCP: its sender holds the cap, and never sends more bytes a page than RDMA would
 *   else            the path with fewer seconds a page: wire bytes a page / wire bytes a second, both as
 *                   measured here; RDMA until both are known. Fast links carry raw pages sooner than a
 *                   processor compresses them; slow ones do not.
 * One bulk run in 128 goes the other way, so that its figures stay true.
 *
 * The first path that fails HB_PATHS_PATIENCE runs in a row without being lost rests for a while. */
#pragma once
#include "transport/transport.h"

#define HB_PATHS_PATIENCE 4u

enum hb_path { HB_PATH_TCP, HB_PATH_RDMA, HB_PATHS };

/* The fetcher is of ops "paths". rdma_lost (may be NULL): the RDMA path's state fell; on its thread, once for
 * each one given; the owner then calls hb_paths_set_rdma(NULL) from a thread of its own. */
int hb_paths_new(const struct hb_fetcher_callbacks *cb, void (*rdma_lost)(void *arg), hb_fetcher **ret);
/* What a member is to be made with. For RDMA: only while there is none. */
struct hb_fetcher_callbacks hb_paths_callbacks(hb_fetcher *p, enum hb_path which);
/* Once, before the first fetch; it is the paths' from here. */
void hb_paths_set_tcp(hb_fetcher *p, hb_fetcher *tcp);
hb_fetcher *hb_paths_tcp(hb_fetcher *p);
/* Finishes the one there is (waits for its threads; what it has in flight goes to TCP), then uses this one,
 * if any, and owns it. Not from a callback. */
void hb_paths_set_rdma(hb_fetcher *p, hb_fetcher *rdma);
/* The caller may use it until it sets another: its own statistics. NULL: there is none. */
hb_fetcher *hb_paths_rdma(hb_fetcher *p);
void hb_paths_set_cap(hb_fetcher *p, uint64_t bytes_per_s); /* 0: none */

struct hb_path_stats {
        bool up;
        uint64_t runs, pages, wire_bytes; /* that it brought */
        uint64_t failed;                  /* runs it was given and did not bring */
        double bytes_per_s;               /* on the wire, while busy; 0: not measured */
        double wire_bytes_per_page;       /* recent; 0: not measured */
};
struct hb_paths_stats {
        struct hb_path_stats path[HB_PATHS];
        enum hb_path urgent, bulk; /* what is used now */
        const char *why;           /* of bulk: a sentence without its full stop */
};
void hb_paths_stats(hb_fetcher *p, struct hb_paths_stats *ret);
const char *hb_path_name(enum hb_path p);
