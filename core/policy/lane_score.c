/* lane_score: what a lane said of a sample against what then happened. docs/POLICY_API.md ("Shadow and
 * promotion") has the definitions; sets of predictions are those of place/quality.h, on the sample.
 *
 * Pure; a few passes over the sample. Means fade by HB_LANE_DECAY a lesson and are kept as sums of weights
 * and of weighted values, so that a lesson without anything to say (nothing returned, nothing was written)
 * takes no part. The value is a ratio of sums instead: lessons in which much was to be won count for more. */
#include "policy/host.h"
#include "policy/vec_columns.h"
#include <math.h>

#define GAIN_USED 1.0
#define GAIN_IDLE 0.3
#define LOSS      0.6

struct tally {
        uint32_t both, predicted, really;
};

static void tally(struct tally *t, bool predicted, bool really) {
        t->both += predicted && really;
        t->predicted += predicted;
        t->really += really;
}

static double f1(const struct tally *t) {
        return t->really ? 2.0 * t->both / (t->predicted + t->really) : NAN;
}

static uint32_t at_most(uint32_t k, uint32_t n) {
        return k < n ? k : n;
}

static void judge_predictions(const struct hb_lane_view *v, const struct hb_policy_outcome *o, float *mask,
                              double *mean) {
        struct tally all = {0}, returning = {0}, writes = {0};

        hb_vec_topk(mask, v->accesses, o->n, at_most(o->budget, o->n));
        for (uint32_t i = 0; i < o->n; i++) {
                bool predicted = mask[i] != 0, really = o->accessed[i] != 0;

                tally(&all, predicted, really);
                if (o->class_of[i] == HB_LESSON_RETURNING)
                        tally(&returning, predicted, really);
        }
        hb_vec_topk(mask, v->writes, o->n, at_most(o->budget_writes, o->n));
        for (uint32_t i = 0; i < o->n; i++)
                tally(&writes, mask[i] != 0, o->written[i] != 0);
        mean[HB_MEAN_F1] = f1(&all);
        mean[HB_MEAN_RETURNING] = f1(&returning);
        mean[HB_MEAN_WRITES] = f1(&writes);
}

struct decisions {
        uint32_t fetched, used, good, wasted, accessed;
        double gain, best;
};

static void decide(struct decisions *d, bool fetch, bool accessed, bool written) {
        double gain = written ? -LOSS : accessed ? GAIN_USED : GAIN_IDLE;

        d->accessed += accessed;
        d->best += written ? 0 : gain;
        if (!fetch)
                return;
        d->fetched++;
        d->used += accessed;
        d->good += accessed && !written;
        d->wasted += written;
        d->gain += gain;
}

static double share(uint32_t a, uint32_t of) {
        return of ? (double)a / of : NAN;
}

static void judge_decisions(const struct hb_lane_view *v, const struct hb_policy_outcome *o,
                            struct hb_lane_result *r) {
        struct decisions d = {0};

        for (uint32_t i = 0; i < o->n; i++)
                decide(&d, (double)v->score[i] >= v->cut, o->accessed[i] != 0, o->written[i] != 0);
        r->mean[HB_MEAN_PRECISION] = share(d.good, d.fetched);
        r->mean[HB_MEAN_RECALL] = share(d.used, d.accessed);
        r->mean[HB_MEAN_WASTED] = share(d.wasted, d.fetched);
        r->mean[HB_MEAN_FETCH] = share(d.fetched, o->n);
        r->gain = d.gain / o->n;
        r->best = d.best / o->n;
}

void hb_lane_judge(const struct hb_lane_view *v, const struct hb_policy_outcome *o, float *room,
                   struct hb_lane_result *ret) {
        judge_predictions(v, o, room, ret->mean);
        judge_decisions(v, o, ret);
        ret->mean[HB_MEAN_NS] = (double)v->cpu_ns / o->n;
}

static void fade(struct hb_lane_sums *s, double weight, double value) {
        s->weight = s->weight * HB_LANE_DECAY + weight;
        s->value = s->value * HB_LANE_DECAY + value;
}

void hb_lane_book(struct hb_lane *l, const struct hb_lane_result *r) {
        l->lessons++;
        for (unsigned m = 0; m < HB_LANE_MEANS; m++)
                if (!isnan(r->mean[m]))
                        fade(&l->mean[m], 1, r->mean[m]);
        fade(&l->value, r->best, r->gain);
}

static double mean_of(const struct hb_lane_sums *s) {
        return s->weight > 0 ? s->value / s->weight : -1;
}

void hb_policies_lane(const hb_policies *p, enum hb_policy_lane lane, struct hb_lane_score *ret) {
        const struct hb_lane *l = &p->lane[lane];
        const struct hb_lane_sums *m = l->mean;

        *ret = (struct hb_lane_score){.lessons = l->lessons,
                                      .known = l->value.weight > 0,
                                      .f1 = mean_of(&m[HB_MEAN_F1]),
                                      .f1_returning = mean_of(&m[HB_MEAN_RETURNING]),
                                      .f1_writes = mean_of(&m[HB_MEAN_WRITES]),
                                      .precision = mean_of(&m[HB_MEAN_PRECISION]),
                                      .recall = mean_of(&m[HB_MEAN_RECALL]),
                                      .wasted = mean_of(&m[HB_MEAN_WASTED]),
                                      .would_fetch = mean_of(&m[HB_MEAN_FETCH]),
                                      .value = fmax(fmin(mean_of(&l->value), 1), -1),
                                      .cut = l->lessons ? l->cut : -1,
                                      .ns_per_page = mean_of(&m[HB_MEAN_NS])};
}
