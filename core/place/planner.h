/* planner: decides which pages are worth fetching, in which order. Internal to the room.
 *
 * Candidates are the wanted pages of the ledger. They are looked at in batches of at most `plan_pages`, a
 * cursor going round the guest; a batch becomes columns, the policies make scores of them, and pages at or
 * above the cut join a bounded queue, best first. When draining no policy is asked: everything must go, what
 * is written least first. */
#pragma once
#include "place/accuracy.h"
#include "place/columns.h"
#include "place/run_queue.h"

struct hb_planner {
        hb_policies *policies; /* borrowed */
        struct hb_run_queue queue;
        uint32_t batch_max, run_pages;
        struct hb_columns batch;
        /* rounds */
        uint64_t cursor;           /* 0: between two rounds */
        uint64_t rounds;           /* completed */
        uint64_t above_now, above; /* pages at or above the cut: this round so far, last round */
        uint32_t histogram_now[HB_POLICY_BUCKETS], histogram[HB_POLICY_BUCKETS];
        uint64_t round_ns, batch_ns; /* when the last one began */
        bool started, draining;
        double cut;
        uint32_t cut_epoch;
        bool cut_known;
};

int hb_planner_init(struct hb_planner *p, hb_policies *policies, uint64_t pages, uint32_t batch_max,
                    uint32_t run_pages);
void hb_planner_fini(struct hb_planner *p);
/* Forgets queue and round, keeps the cut. */
void hb_planner_restart(struct hb_planner *p, bool draining);
unsigned hb_planner_bucket_of(float score);
/* How many pages a wanted page would be fetched together with, itself included, as things are. 1 for others.
 */
uint32_t hb_planner_run_of(const struct hb_planner *p, const struct hb_page_ledger *l,
                           const struct hb_shape *shape, uint64_t gfn);
bool hb_planner_mid_round(const struct hb_planner *p);
/* Looks at one batch; begins a round when between two. */
void hb_planner_batch(struct hb_planner *p, const struct hb_plan_inputs *in);
/* The answer of `with` for every page of the guest, from the columns that candidates get. Uses the batch as
 * scratch; decides and changes nothing. Neighbours are all pages side by side. */
void hb_planner_predict(struct hb_planner *p, const struct hb_plan_inputs *in, hb_policies *with,
                        float *accesses, float *writes);
/* Leaves in the batch what a round would show and ask of the pages [gfn, gfn + n), n <= batch_max; without
 * `with` nothing is asked. Scratch as above. */
void hb_planner_look(struct hb_planner *p, const struct hb_plan_inputs *in, hb_policies *with, uint64_t gfn,
                     uint32_t n);
/* In a drain: pages that are written again and again wait until every other page has been found. */
bool hb_planner_head_may_go(const struct hb_planner *p);
