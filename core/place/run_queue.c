/* run_queue: a sorted array. A batch is sorted by counting (64 buckets, stable, so page order survives) and
 * merged; both cost one step a run. No allocation after init; owned by the engine. */
#include "place/run_queue.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 64u

int hb_run_queue_init(struct hb_run_queue *q, uint32_t batch_max) {
        *q = (struct hb_run_queue){.fresh_max = batch_max};
        q->runs = hb_fault("run_queue.init") ? NULL : malloc(HB_RUN_QUEUE_MAX * sizeof(*q->runs));
        q->spare = malloc(HB_RUN_QUEUE_MAX * sizeof(*q->spare));
        q->fresh = malloc(2 * (size_t)batch_max * sizeof(*q->fresh)); /* the batch, and the batch sorted */
        if (q->runs && q->spare && q->fresh)
                return 0;
        hb_run_queue_fini(q);
        return -ENOMEM;
}

void hb_run_queue_fini(struct hb_run_queue *q) {
        free(q->runs);
        free(q->spare);
        free(q->fresh);
        *q = (struct hb_run_queue){0};
}

void hb_run_queue_clear(struct hb_run_queue *q) {
        q->first = q->count = q->nfresh = 0;
        q->pages = 0;
        q->truncated = false;
}

void hb_run_queue_add(struct hb_run_queue *q, uint64_t gfn, uint32_t pages, unsigned bucket) {
        if (q->nfresh == q->fresh_max) {
                q->truncated = true;
                return;
        }
        q->fresh[q->nfresh++] = (struct hb_queued_run){(uint32_t)gfn, (uint16_t)pages, (uint8_t)bucket, 0};
}

static const struct hb_queued_run *sort_batch(struct hb_run_queue *q) {
        struct hb_queued_run *sorted = q->fresh + q->fresh_max;
        uint32_t at[BUCKETS + 1] = {0};

        for (uint32_t i = 0; i < q->nfresh; i++)
                at[BUCKETS - q->fresh[i].bucket]++; /* counts one place up, best bucket first */
        for (unsigned b = 1; b <= BUCKETS; b++)
                at[b] += at[b - 1];
        for (uint32_t i = 0; i < q->nfresh; i++)
                sorted[at[BUCKETS - 1 - q->fresh[i].bucket]++] = q->fresh[i];
        return sorted;
}

static bool before(const struct hb_queued_run *a, const struct hb_queued_run *b) {
        return a->bucket != b->bucket ? a->bucket > b->bucket : a->gfn < b->gfn;
}

void hb_run_queue_merge(struct hb_run_queue *q, uint64_t from, uint64_t to) {
        const struct hb_queued_run *fresh = sort_batch(q), *old = q->runs + q->first;
        const struct hb_queued_run *fresh_end = fresh + q->nfresh, *old_end = old + q->count;
        struct hb_queued_run *swap = q->spare;
        uint32_t n = 0;

        q->pages = 0;
        while (old < old_end || fresh < fresh_end) {
                const struct hb_queued_run *take;

                if (old < old_end && old->gfn >= from && old->gfn < to) {
                        old++;
                        continue;
                }
                if (n == HB_RUN_QUEUE_MAX) {
                        q->truncated = true;
                        break;
                }
                take = old == old_end || (fresh < fresh_end && before(fresh, old)) ? fresh++ : old++;
                q->spare[n++] = *take;
                q->pages += take->pages;
        }
        q->spare = q->runs;
        q->runs = swap;
        q->first = 0;
        q->count = n;
        q->nfresh = 0;
}

const struct hb_queued_run *hb_run_queue_head(const struct hb_run_queue *q) {
        return q->count ? &q->runs[q->first] : NULL;
}

void hb_run_queue_pop(struct hb_run_queue *q) {
        q->pages -= q->runs[q->first].pages;
        q->first++;
        q->count--;
}
