/* rdma_fetcher: inside of the target half. rdma_fetcher.c (object, queue), rdma_fetcher_loop.c (its thread),
 * rdma_reads.c and rdma_landing.c (READs from plan to done()), rdma_lent.c (windows lent by the source). */
#pragma once
#include "rdma/rdma_end.h"
#include "rdma/read_plan.h"
#include "rdma/window_book.h"
#include "transport/link_stats.h"
#include <pthread.h>

#define HB_RDMA_QPS        (1 + HB_RDMA_MAX_BULK_QPS) /* 0 is the lead */
#define HB_RDMA_LEAD_PAGES 128u                       /* of the bounce ring of the lead */
#define HB_RDMA_BULK_PAGES 1024u /* of a bulk queue pair, also the most it has in flight */
#define HB_RDMA_DIRECT_MAX 512u
#define HB_RDMA_BATCH      16u /* work requests a doorbell */
#define HB_RDMA_OUT        1024u

typedef struct hb_rdma_fetcher hb_rdma_fetcher;

enum hb_lent_state { HB_LENT_GRANTED = 1, HB_LENT_ASKED, HB_LENT_RECALLED, HB_LENT_DENIED };
struct hb_lent { /* a window as the target knows it; in_use counts READs on their way */
        struct hb_window head;
        uint64_t since_ns;
        unsigned nruns;
        struct hb_rdma_run runs[HB_RDMA_MAX_RUNS];
        struct hb_fetch_list waiting;
};

/* A run over several windows is read in parts. Until done() its wire_bytes count the pages posted so,
 * zero_mask those landed or given up, and a negative status says that no more will be posted. */
static inline uint32_t hb_fetch_posted(const struct hb_fetch *f) {
        return (uint32_t)f->wire_bytes;
}
static inline bool hb_fetch_settled(const struct hb_fetch *f) { /* nothing is on its way or to be posted */
        return f->zero_mask == f->wire_bytes && (f->status < 0 || f->wire_bytes == f->pages);
}

struct hb_read {                      /* posted */
        struct hb_fetch_list fetches; /* whole ones: they end with it */
        struct hb_fetch *part;        /* or a part of this one */
        struct hb_lent *lent;
        uint64_t gfn;
        uint32_t pages;
        unsigned bounce_at, bounce_took; /* took 0: straight to dst */
        struct ibv_mr *mr;               /* made for this READ */
};
struct hb_read_queue {
        struct ibv_qp *qp;
        unsigned which;
        struct hb_read reads[HB_RDMA_DEPTH]; /* ring, in order of posting, which is the order of completion */
        uint32_t head, n;                    /* head: sequence number of the oldest */
        unsigned pages;                      /* in flight */
        uint8_t *bounce;
        struct hb_bounce ring;
        struct ibv_send_wr wr[HB_RDMA_BATCH];
        struct ibv_sge sge[HB_RDMA_BATCH];
        unsigned batch, unsignalled, unsignalled_pages;
};
static inline struct hb_read *hb_read_at(struct hb_read_queue *q, uint32_t sequence) {
        return &q->reads[sequence % HB_RDMA_DEPTH];
}
struct hb_rdma_out { /* a message that waits for a buffer */
        uint8_t type;
        uint32_t window;
};

struct hb_rdma_fetcher {
        hb_fetcher head;
        struct hb_fetcher_callbacks cb;
        struct hb_rdma_options o;
        struct hb_link_meter meter;
        pthread_t thread;

        pthread_mutex_t lock; /* of what follows, up to `queued` */
        struct hb_fetch_list urgent, bulk;
        bool connected, closed, sleeping;
        struct hb_err why;
        struct hb_rdma_fetcher_stats shown;
        struct hb_rdma_link link;
        unsigned queued; /* atomic: urgent.n + bulk.n, for a look without the lock */

        /* the thread's own */
        struct hb_rdma_end end;
        struct hb_rdma_connect asked;
        struct hb_rdma_fetcher_stats stats;
        struct hb_shape shape; /* pages 0: not told */
        uint8_t *region_base[HB_MAX_REGIONS];
        struct ibv_mr *region_mr[HB_MAX_REGIONS]; /* on-demand paging only */
        struct hb_err err;                        /* code: it is over */
        bool hello, told,
                no_direct; /* no_direct: the kernel refused a registration, all goes over the rings */
        uint64_t epoch_addr, budget_pages;
        uint32_t epoch_rkey, window_pages;
        struct hb_fetch_list fresh_urgent,
                fresh_bulk;            /* accepted after the last READ of the epoch word was posted */
        struct hb_fetch_list stamping; /* before: it stamps them */
        struct hb_fetch_list ready_urgent, ready_bulk; /* stamped */
        bool word_in_flight;
        uint64_t word_posted_ns;
        unsigned staged, staged_pages; /* taken from the queues and not done */
        struct hb_read_queue q[HB_RDMA_QPS];
        unsigned nq, next_bulk;
        uint8_t *slab; /* bounce rings, then the word */
        uint64_t slab_bytes, direct_bytes;
        struct ibv_mr *slab_mr;
        struct hb_window_book book;
        uint64_t lent_pages; /* granted, asked for or being returned */
        unsigned asked_now;
        struct hb_rdma_out out[HB_RDMA_OUT];
        unsigned out_head, out_n;
};

/* rdma_fetcher.c */
void hb_rdma_fetcher_end(hb_rdma_fetcher *t, const struct hb_err *e); /* its thread: the first error stands */
void hb_rdma_fetcher_done(hb_rdma_fetcher *t, struct hb_fetch *f, int status);
/* rdma_fetcher_loop.c */
void *hb_rdma_fetcher_main(void *arg);
/* rdma_reads.c */
void hb_reads_issue(hb_rdma_fetcher *t);
void hb_reads_word(hb_rdma_fetcher *t); /* posts a READ of the epoch word if one is due */
/* rdma_landing.c */
int hb_reads_open(hb_rdma_fetcher *t, struct hb_err *e);
void hb_reads_word_arrived(hb_rdma_fetcher *t);
void hb_reads_completed(hb_rdma_fetcher *t, unsigned which, uint32_t sequence);
void hb_reads_close(hb_rdma_fetcher *t); /* after the queue pairs are gone; all fetches end -ECONNRESET */
/* rdma_lent.c */
enum hb_lent_answer {
        HB_LENT_HERE,  /* may be read now: *ret_lent, *ret_run */
        HB_LENT_WAITS, /* f is on the window's list, and comes back as ready */
        HB_LENT_NEVER, /* not by RDMA */
        HB_LENT_FULL   /* no more may be asked for now */
};
/* May [gfn, +pages), the pages of f in one window, be read? f is in no list. */
enum hb_lent_answer hb_lent_find(hb_rdma_fetcher *t, struct hb_fetch *f, uint64_t gfn, uint32_t pages,
                                 struct hb_lent **ret_lent, const struct hb_rdma_run **ret_run);
void hb_lent_unused(hb_rdma_fetcher *t, struct hb_lent *l); /* one READ less */
void hb_lent_message(hb_rdma_fetcher *t, const struct hb_rdma_msg *m);
void hb_lent_send_out(hb_rdma_fetcher *t);
void hb_lent_close(hb_rdma_fetcher *t, struct hb_fetch_list *orphans);
