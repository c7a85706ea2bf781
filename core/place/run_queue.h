/* run_queue: what is to be fetched next: runs of pages, best bucket first, by page number within a bucket.
 * Bounded: when it is full the worst go, and `truncated` says so. Internal to the room. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define HB_RUN_QUEUE_MAX 16384u

struct hb_queued_run {
        uint32_t gfn;
        uint16_t pages;
        uint8_t bucket; /* 0 .. 63, 63 is best */
        uint8_t unused;
};

struct hb_run_queue {
        struct hb_queued_run *runs, *spare, *fresh; /* the queue; room for merging; a batch being collected */
        uint32_t first, count;                      /* the queue is runs[first .. first + count) */
        uint32_t nfresh, fresh_max;
        uint64_t pages;
        bool truncated;
};

int hb_run_queue_init(struct hb_run_queue *q,
                      uint32_t batch_max); /* batch_max: most runs between two merges */
void hb_run_queue_fini(struct hb_run_queue *q);
void hb_run_queue_clear(struct hb_run_queue *q);
/* Collects a run of the batch under way, ascending by page. */
void hb_run_queue_add(struct hb_run_queue *q, uint64_t gfn, uint32_t pages, unsigned bucket);
/* Joins the batch with the queue. Queued runs that begin in [from, to) are dropped: the batch has judged
 * those pages anew. */
void hb_run_queue_merge(struct hb_run_queue *q, uint64_t from, uint64_t to);
const struct hb_queued_run *hb_run_queue_head(const struct hb_run_queue *q); /* NULL: empty */
void hb_run_queue_pop(struct hb_run_queue *q);
