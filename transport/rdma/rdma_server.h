/* rdma_server: inside of the source half. rdma_server.c (object), rdma_dial.c (connecting),
 * rdma_server_loop.c (its thread), rdma_held.c (windows of guest memory that are registered), rdma_scanned.c
 * (are they still true). */
#pragma once
#include "rdma/rdma_end.h"
#include "rdma/window_book.h"
#include <pthread.h>

#define HB_RDMA_ASKS 64u /* asked for and not answered; a target that asks for more breaks the protocol */

enum hb_held_state { HB_HELD = 1, HB_HELD_RECALLED };
struct hb_held { /* a window the target may read */
        struct hb_window head;
        bool told, lost; /* the target was told of the recall; a scan waits for its end */
        uint64_t recalled_ns, pages;
        unsigned nruns;
        struct hb_rdma_run runs[HB_RDMA_MAX_RUNS];
        struct ibv_mr *mr[HB_RDMA_MAX_RUNS];
        uint64_t *frames; /* of the runs' pages, one run after the other; NULL with on-demand paging */
};

struct hb_rdma_server {
        const struct hb_page_source *src;
        uint32_t window_pages;
        uint64_t return_ns;
        void (*ended)(void *arg, const struct hb_err *why);
        void *arg;
        struct hb_rdma_link link;
        pthread_t thread;
        bool started;
        int pagemap;                    /* -1: on-demand paging, frames need not be known */
        uint8_t *alias[HB_MAX_REGIONS]; /* mappings only devices look through */
        bool own_alias[HB_MAX_REGIONS];

        pthread_mutex_t lock;   /* of what follows */
        pthread_cond_t changed; /* a lost window is gone */
        struct hb_window_book held;
        uint64_t pinned_bytes, pinned_max;
        unsigned recalled_now, untold, lost_now;
        struct hb_rdma_server_stats stats;
        bool stop, over;

        /* the thread's own */
        struct hb_rdma_end end;
        struct ibv_mr *word_mr;
        uint32_t asks[HB_RDMA_ASKS];
        unsigned ask_head, ask_n;
        struct hb_err err; /* code: it is over */
};

/* rdma_dial.c: end, word_mr and link of a connection that stands and has said HELLO. */
int hb_rdma_server_connect(hb_rdma_server *s, const char *address, const struct hb_rdma_options *o,
                           const uint8_t token[HB_TOKEN_SIZE], int timeout_ms, struct hb_err *e);
/* rdma_server_loop.c */
void *hb_rdma_server_main(void *arg);
/* rdma_held.c; all but open and close with the lock held */
int hb_held_open(hb_rdma_server *s, struct hb_err *e); /* after the connection stands, before it says HELLO */
void hb_held_close(hb_rdma_server *s);
/* Registers window `number` and fills in the GRANT that tells of it. -ERANGE: outside of the guest; -EEXIST.
 */
int hb_held_grant(hb_rdma_server *s, uint32_t number, struct hb_rdma_msg *ret);
uint8_t *hb_held_at(const hb_rdma_server *s, uint64_t gfn);
bool hb_held_room(const hb_rdma_server *s);
void hb_held_recall(hb_rdma_server *s, struct hb_held *h);
void hb_held_withdraw(hb_rdma_server *s, struct hb_held *h); /* the target can read it no more; h is gone */
