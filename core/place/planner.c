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

#define COLUMNS     9u
#define COLD_PER_S  0.04f /* a page touched once in 20 s, a second ago, is still cold */
#define BEST_BUCKET (HB_POLICY_BUCKETS - 1u)

struct columns { /* writable names of the columns */
        float *read_heat, *write_heat, *age_s, *version_age_s, *run_length, *bytes_to_send;
};

static struct columns columns_of(const struct hb_planner *p) {
        float *c = p->columns;
        size_t n = p->batch_max;

        return (struct columns){c, c + n, c + 2 * n, c + 3 * n, c + 4 * n, c + 5 * n};
}

static void set_views(struct hb_planner *p) {
        struct columns c = columns_of(p);

        p->predicted = p->columns + 6 * (size_t)p->batch_max;
        p->predicted_writes = p->columns + 7 * (size_t)p->batch_max;
        p->score = p->columns + 8 * (size_t)p->batch_max;
        p->view = (struct hb_policy_pages){.read_heat = c.read_heat,
                                           .write_heat = c.write_heat,
                                           .age_s = c.age_s,
                                           .version_age_s = c.version_age_s,
                                           .run_length = c.run_length,
                                           .bytes_to_send = c.bytes_to_send,
                                           .predicted = p->predicted,
                                           .predicted_writes = p->predicted_writes};
}

int hb_planner_init(struct hb_planner *p, hb_policies *policies, uint64_t pages, uint32_t batch_max,
                    uint32_t run_pages) {
        int rc;

        *p = (struct hb_planner){.policies = policies, .run_pages = run_pages};
        p->batch_max = batch_max < pages ? batch_max : (uint32_t)pages;
        rc = hb_run_queue_init(&p->queue, p->batch_max);
        if (rc < 0)
                return rc;
        p->gfn = hb_fault("planner.init") ? NULL : malloc(p->batch_max * sizeof(*p->gfn));
        p->columns = malloc(COLUMNS * (size_t)p->batch_max * sizeof(*p->columns));
        if (!p->gfn || !p->columns) {
                hb_planner_fini(p);
                return -ENOMEM;
        }
        set_views(p);
        return 0;
}

void hb_planner_fini(struct hb_planner *p) {
        hb_run_queue_fini(&p->queue);
        free(p->gfn);
        free(p->columns);
        p->gfn = NULL;
        p->columns = NULL;
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

/* The version's age: an invalidation newer than the last access is not a write anyone saw (a catch-up names
 * its last epoch, lost state names every page), so the write was at that access or before. */
static uint32_t written_at(const struct hb_image_page *p) {
        return p->last_access < p->c.invalid ? p->last_access : p->c.invalid;
}

/* Pages share epochs: of those seen last, what follows from them is kept for the length of a batch. */
#define AGES  512u
#define AHEAD 16u

struct ages {
        const struct hb_plan_inputs *in;
        struct {
                uint32_t epoch;
                float age_s, decay;
        } of[AGES];
};

static struct ages ages_begin(const struct hb_plan_inputs *in) {
        struct ages a = {.in = in};

        for (uint32_t i = 0; i < AGES; i++)
                a.of[i].epoch = ~i; /* has another place */
        return a;
}

static uint32_t age_of(struct ages *a, uint32_t epoch) {
        uint32_t i = epoch % AGES;

        if (a->of[i].epoch != epoch) {
                a->of[i].epoch = epoch;
                a->of[i].age_s = hb_epochs_age_s(a->in->epochs, epoch, a->in->now_ns);
                a->of[i].decay = hb_decay((double)a->of[i].age_s, HB_HEAT_TAU_S);
        }
        return i;
}

/* The records of a guest fit no cache, and a plan looks at them in no pattern a processor sees. */
static void fill(struct hb_planner *p, const struct hb_plan_inputs *in, uint32_t n) {
        const struct hb_image_page *pages = in->ledger->pages;
        const float bytes = (float)in->wire_bytes_per_page;
        struct ages a = ages_begin(in);
        struct columns c = columns_of(p);

        for (uint32_t i = 0; i < n; i++) {
                const struct hb_image_page page = pages[p->gfn[i]];
                uint32_t k = age_of(&a, page.last_access), written = written_at(&page);

                if (i + AHEAD < n)
                        __builtin_prefetch(&pages[p->gfn[i + AHEAD]]);
                c.age_s[i] = a.of[k].age_s;
                c.write_heat[i] = page.write_q ? hb_heat_of(page.write_q) * a.of[k].decay : 0.0f;
                c.version_age_s[i] =
                        written == page.last_access ? c.age_s[i] : a.of[age_of(&a, written)].age_s;
                c.read_heat[i] = hb_heat_of(page.read_q);
                c.bytes_to_send[i] = bytes;
        }
}

/* From the cursor on, until the batch is full or the guest ends. */
static uint32_t collect(struct hb_planner *p, const struct hb_plan_inputs *in) {
        uint64_t at = p->cursor;
        uint32_t n = hb_bitmap_list(&in->ledger->wanted, &at, p->gfn, p->batch_max);

        at = hb_page_ledger_next_wanted(in->ledger, at);
        p->cursor = at < in->ledger->npages ? at : 0;
        fill(p, in, n);
        return n;
}

/* Most are alone. */
static inline bool alone(const struct hb_planner *p, uint32_t i, uint32_t n) {
        return i + 1 >= n || p->gfn[i + 1] != p->gfn[i] + 1;
}

/* Number of candidates from `i` on that are neighbours in one region, at most run_pages. */
static uint32_t neighbours(const struct hb_planner *p, const struct hb_shape *shape, uint32_t i, uint32_t n) {
        int region = hb_shape_region_of(shape, p->gfn[i]);
        const struct hb_region *r = &shape->regions[region < 0 ? 0 : region];
        uint64_t end = r->first_gfn + r->pages;
        uint32_t k = 1;

        while (i + k < n && k < p->run_pages && p->gfn[i + k] == p->gfn[i] + k && p->gfn[i + k] < end)
                k++;
        return k;
}

static void measure_runs(struct hb_planner *p, const struct hb_shape *shape, uint32_t n) {
        struct columns c = columns_of(p);

        for (uint32_t i = 0; i < n;) {
                uint32_t k = alone(p, i, n) ? 1 : neighbours(p, shape, i, n);

                for (uint32_t j = 0; j < k; j++)
                        c.run_length[i + j] = (float)k;
                i += k;
        }
}

/* ---- worth ---- */

static unsigned bucket_of(float score) {
        float x = (score + 1.0f) * (HB_POLICY_BUCKETS / 2);

        if (!(x > 0.0f))
                return 0;
        return x < (float)BEST_BUCKET ? (unsigned)x : BEST_BUCKET;
}

static void score(struct hb_planner *p, const struct hb_plan_inputs *in, uint32_t n) {
        p->view.n = n;
        hb_policies_predict(p->policies, &p->view, in->guest, p->predicted, p->predicted_writes);
        hb_policies_score(p->policies, &p->view, in->guest, in->link, in->accuracy, p->score);
        for (uint32_t i = 0; i < n; i++)
                p->histogram_now[bucket_of(p->score[i])]++;
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
        struct columns c = columns_of(p);

        for (uint32_t i = 0; i < n; i++) {
                float heat = c.write_heat[i];
                unsigned q = heat < COLD_PER_S ? 0 : hb_heat_q(heat) / 4u + 1;

                p->score[i] =
                        (float)(BEST_BUCKET - (q < BEST_BUCKET ? q : BEST_BUCKET)) / (HB_POLICY_BUCKETS / 2) -
                        1.0f;
                p->histogram_now[bucket_of(p->score[i])]++;
        }
}

/* In a drain, pages are joined only with such as are written alike. */
static bool joins(const struct hb_planner *p, double cut, uint32_t head, uint32_t i) {
        if (p->draining)
                return bucket_of(p->score[head]) == bucket_of(p->score[i]);
        return (double)p->score[i] >= cut;
}

static void enqueue(struct hb_planner *p, const struct hb_shape *shape, uint32_t n) {
        double cut = p->draining ? -2.0 : p->cut;

        for (uint32_t i = 0; i < n;) {
                uint32_t most, k = 0;
                float sum = 0.0f;

                if (!((double)p->score[i] >= cut)) {
                        i++;
                        continue;
                }
                most = alone(p, i, n) ? 1 : neighbours(p, shape, i, n);
                for (; k < most && joins(p, cut, i, i + k); k++)
                        sum += p->score[i + k];
                hb_run_queue_add(&p->queue, p->gfn[i], k, bucket_of(sum / (float)k));
                p->above_now += k;
                i += k;
        }
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
                        p->gfn[i] = (uint32_t)(g + i);
                fill(p, in, n);
                measure_runs(p, in->shape, n);
                p->view.n = n;
                hb_policies_predict(with, &p->view, in->guest, accesses + g, writes + g);
        }
}

/* Candidates get the run that a round would give them; the others stand alone. */
static void measure_candidates(struct hb_planner *p, const struct hb_plan_inputs *in, uint64_t gfn,
                               uint32_t n) {
        float *run_length = columns_of(p).run_length;

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
                p->gfn[i] = (uint32_t)(gfn + i);
        fill(p, in, n);
        measure_candidates(p, in, gfn, n);
        p->view.n = n;
        if (!with)
                return;
        hb_policies_predict(with, &p->view, in->guest, p->predicted, p->predicted_writes);
        hb_policies_score(with, &p->view, in->guest, in->link, in->accuracy, p->score);
}

bool hb_planner_head_may_go(const struct hb_planner *p) {
        const struct hb_queued_run *r = hb_run_queue_head(&p->queue);

        return !p->draining || !r || r->bucket == BEST_BUCKET || !hb_planner_mid_round(p);
}
