/* planner: a batch costs one pass over its candidates plus the policies' passes over columns; walking from
 * candidate to candidate costs the records of blocks that have any. All memory is taken at init and does not
 * grow with the guest beyond one batch. Only additions, multiplications and comparisons steer: the same on
 * every machine. Owned by the engine. */
#include "place/planner.h"
#include "base/fault.h"
#include "map/heat.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLD_PER_S  0.04f /* a page touched once in 20 s, a second ago, is still cold */
#define BEST_BUCKET (HB_POLICY_BUCKETS - 1u)

int hb_planner_init(struct hb_planner *p, hb_policies *policies, uint64_t pages, uint32_t batch_max,
                    uint32_t run_pages) {
        int rc;

        *p = (struct hb_planner){.policies = policies, .run_pages = run_pages};
        p->batch_max = batch_max < pages ? batch_max : (uint32_t)pages;
        rc = hb_run_queue_init(&p->queue, p->batch_max);
        if (rc < 0)
                return rc;
        rc = hb_fault("planner.init") ? -ENOMEM : hb_columns_init(&p->batch, p->batch_max);
        if (rc < 0)
                hb_planner_fini(p);
        return rc;
}

void hb_planner_fini(struct hb_planner *p) {
        hb_run_queue_fini(&p->queue);
        hb_columns_fini(&p->batch);
}

void hb_planner_restart(struct hb_planner *p, bool draining) {
        hb_run_queue_clear(&p->queue);
        memset(p->histogram_now, 0, sizeof(p->histogram_now));
        p->cursor = p->above_now = p->above = 0;
        p->started = false;
        p->rounds = 0;
        p->draining = draining;
}

bool hb_planner_mid_round(const struct hb_planner *p) {
        return p->cursor != 0;
}

/* ---- candidates ---- */

/* From the cursor on, until the batch is full or the guest ends. */
static uint32_t collect(struct hb_planner *p, const struct hb_plan_inputs *in) {
        uint64_t at = p->cursor;
        uint32_t n = hb_bitmap_list(&in->ledger->wanted, &at, p->batch.gfn, p->batch_max);

        at = hb_page_ledger_next_wanted(in->ledger, at);
        p->cursor = at < in->ledger->npages ? at : 0;
        hb_columns_fill(&p->batch, in, n);
        return n;
}

/* Most are alone. */
static inline bool alone(const struct hb_planner *p, uint32_t i, uint32_t n) {
        return i + 1 >= n || p->batch.gfn[i + 1] != p->batch.gfn[i] + 1;
}

/* Number of candidates from `i` on that are neighbours in one region, all KNOWN or none, at most run_pages.
 */
static uint32_t neighbours(const struct hb_planner *p, const struct hb_shape *shape, uint32_t i, uint32_t n) {
        int region = hb_shape_region_of(shape, p->batch.gfn[i]);
        const struct hb_region *r = &shape->regions[region < 0 ? 0 : region];
        uint64_t end = r->first_gfn + r->pages;
        uint32_t k = 1;

        while (i + k < n && k < p->run_pages && p->batch.gfn[i + k] == p->batch.gfn[i] + k &&
               p->batch.gfn[i + k] < end && p->batch.known[i + k] == p->batch.known[i])
                k++;
        return k;
}

uint32_t hb_planner_run_of(const struct hb_planner *p, const struct hb_page_ledger *l,
                           const struct hb_shape *shape, uint64_t gfn) {
        int region = hb_shape_region_of(shape, gfn);
        const struct hb_region *r = &shape->regions[region < 0 ? 0 : region];
        const struct hb_image_page *page = &l->pages[gfn];
        uint64_t first = gfn, end = gfn + 1;

        if (!hb_page_ledger_wants(page))
                return 1;
        while (first > r->first_gfn && end - first < p->run_pages &&
               hb_page_ledger_wants_as(&l->pages[first - 1], page))
                first--;
        while (end < r->first_gfn + r->pages && end - first < p->run_pages &&
               hb_page_ledger_wants_as(&l->pages[end], page))
                end++;
        return (uint32_t)(end - first);
}

static void measure_runs(struct hb_planner *p, const struct hb_shape *shape, uint32_t n) {
        for (uint32_t i = 0; i < n;) {
                uint32_t k = alone(p, i, n) ? 1 : neighbours(p, shape, i, n);

                for (uint32_t j = 0; j < k; j++)
                        p->batch.run_length[i + j] = (float)k;
                i += k;
        }
}

/* ---- worth ---- */

unsigned hb_planner_bucket_of(float score) {
        float x = (score + 1.0f) * (HB_POLICY_BUCKETS / 2);

        if (!(x > 0.0f))
                return 0;
        return x < (float)BEST_BUCKET ? (unsigned)x : BEST_BUCKET;
}

static void score(struct hb_planner *p, const struct hb_plan_inputs *in, uint32_t n) {
        hb_policies_predict(p->policies, &p->batch.view, in->guest, p->batch.predicted,
                            p->batch.predicted_writes);
        hb_policies_score(p->policies, &p->batch.view, in->guest, in->link, in->accuracy, p->batch.score);
        for (uint32_t i = 0; i < n; i++)
                p->histogram_now[hb_planner_bucket_of(p->batch.score[i])]++;
}

/* One question an epoch: over the last whole round, or, while there was none, what has been seen so far. */
static void ask_cut(struct hb_planner *p, const struct hb_plan_inputs *in) {
        if (p->cut_known && p->cut_epoch == in->processed)
                return;
        p->cut = hb_policies_threshold(p->policies, p->rounds ? p->histogram : p->histogram_now, in->guest,
                                       in->link, in->accuracy, p->cut);
        p->cut_known = true;
        p->cut_epoch = in->processed;
}

/* Least written first; all that is cold is alike and goes in page order. */
static void score_drain(struct hb_planner *p, uint32_t n) {
        for (uint32_t i = 0; i < n; i++) {
                float heat = p->batch.write_heat[i];
                unsigned q = heat < COLD_PER_S ? 0 : hb_heat_q(heat) / 4u + 1;

                p->batch.score[i] =
                        (float)(BEST_BUCKET - (q < BEST_BUCKET ? q : BEST_BUCKET)) / (HB_POLICY_BUCKETS / 2) -
                        1.0f;
                p->histogram_now[hb_planner_bucket_of(p->batch.score[i])]++;
        }
}

/* In a drain, pages are joined only with such as are written alike. */
static bool joins(const struct hb_planner *p, double cut, uint32_t head, uint32_t i) {
        if (p->draining)
                return hb_planner_bucket_of(p->batch.score[head]) == hb_planner_bucket_of(p->batch.score[i]);
        return (double)p->batch.score[i] >= cut;
}

static void enqueue(struct hb_planner *p, const struct hb_shape *shape, uint32_t n) {
        double cut = p->draining ? -2.0 : p->cut;

        for (uint32_t i = 0; i < n;) {
                uint32_t most, k = 0;
                float sum = 0.0f;

                if (!((double)p->batch.score[i] >= cut)) {
                        i++;
                        continue;
                }
                most = alone(p, i, n) ? 1 : neighbours(p, shape, i, n);
                for (; k < most && joins(p, cut, i, i + k); k++)
                        sum += p->batch.score[i + k];
                hb_run_queue_add(&p->queue, p->batch.gfn[i], k, hb_planner_bucket_of(sum / (float)k));
                p->above_now += k;
                i += k;
        }
}

/* Pages that go only by their block's word, and are worth it by that. */
static void note_worth(struct hb_planner *p, const struct hb_plan_inputs *in, uint32_t n) {
        for (uint32_t i = 0; in->words && !p->draining && i < n; i++)
                if ((double)p->batch.score[i] >= p->cut)
                        hb_block_words_worth(in->words, p->batch.gfn[i]);
}

static void end_round(struct hb_planner *p) {
        memcpy(p->histogram, p->histogram_now, sizeof(p->histogram));
        memset(p->histogram_now, 0, sizeof(p->histogram_now));
        p->above = p->above_now;
        p->above_now = 0;
        p->rounds++;
}

void hb_planner_batch(struct hb_planner *p, const struct hb_plan_inputs *in) {
        uint64_t from = p->cursor;
        uint32_t n;

        if (from == 0) {
                p->round_ns = in->now_ns;
                p->queue.truncated = false;
        }
        p->started = true;
        p->batch_ns = in->now_ns;
        n = collect(p, in);
        if (n > 0) {
                measure_runs(p, in->shape, n);
                if (p->draining) {
                        score_drain(p, n);
                } else {
                        score(p, in, n);
                        ask_cut(p, in);
                }
                enqueue(p, in->shape, n);
                note_worth(p, in, n);
        }
        hb_run_queue_merge(&p->queue, from, p->cursor ? p->cursor : in->ledger->npages);
        if (p->cursor == 0)
                end_round(p);
}

void hb_planner_predict(struct hb_planner *p, const struct hb_plan_inputs *in, hb_policies *with,
                        float *accesses, float *writes) {
        for (uint64_t g = 0; g < in->ledger->npages; g += p->batch_max) {
                uint64_t left = in->ledger->npages - g;
                uint32_t n = left < p->batch_max ? (uint32_t)left : p->batch_max;

                for (uint32_t i = 0; i < n; i++)
                        p->batch.gfn[i] = (uint32_t)(g + i);
                hb_columns_fill(&p->batch, in, n);
                measure_runs(p, in->shape, n);
                hb_policies_predict(with, &p->batch.view, in->guest, accesses + g, writes + g);
        }
}

/* Candidates get the run that a round would give them; the others stand alone. */
static void measure_candidates(struct hb_planner *p, const struct hb_plan_inputs *in, uint64_t gfn,
                               uint32_t n) {
        float *run_length = p->batch.run_length;

        for (uint32_t i = 0; i < n;) {
                uint32_t k = neighbours(p, in->shape, i, n);
                uint32_t wanted = 0;

                while (wanted < k && hb_page_ledger_wants(&in->ledger->pages[gfn + i + wanted]))
                        wanted++;
                k = wanted ? wanted : 1;
                for (uint32_t j = 0; j < k; j++)
                        run_length[i + j] = (float)k;
                i += k;
        }
}

void hb_planner_look(struct hb_planner *p, const struct hb_plan_inputs *in, hb_policies *with, uint64_t gfn,
                     uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                p->batch.gfn[i] = (uint32_t)(gfn + i);
        hb_columns_fill(&p->batch, in, n);
        measure_candidates(p, in, gfn, n);
        if (!with)
                return;
        hb_policies_predict(with, &p->batch.view, in->guest, p->batch.predicted, p->batch.predicted_writes);
        hb_policies_score(with, &p->batch.view, in->guest, in->link, in->accuracy, p->batch.score);
}

bool hb_planner_head_may_go(const struct hb_planner *p) {
        const struct hb_queued_run *r = hb_run_queue_head(&p->queue);

        return !p->draining || !r || r->bucket == BEST_BUCKET || !hb_planner_mid_round(p);
}
