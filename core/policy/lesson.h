/* lesson: how policies learn, and how they are judged side by side.
 *
 * *Observed*: once an epoch, what was accessed in the epoch before (reads are heard of later than writes).
 * *Lesson*: every HB_LESSON_S seconds a sample of at most HB_LESSON_PAGES pages the guest has ever touched.
 * At the beginning the policies are shown the sample (rehearse): predictors that have a method `rehearse` are
 * called with it, and every lane (below) is asked for predictions, scores and a cut, which are kept. A
 * horizon later the same sample comes back with what happened (learn): lanes are scored by it, predictors
 * that have a method `learn` are called with it, and the model's teacher gets it. Lessons end in the order in
 * which they began; at most HB_LESSONS are open.
 *
 * A *lane* is one policy of each kind: ACTIVE are those that decide, SHADOW the same with each kind that has
 * a shadow replaced by it. Both are scored on the same pages by the same outcome. Nothing of this decides
 * anything. */
#pragma once
#include "policy/policy.h"

#define HB_LESSON_S     5
#define HB_LESSON_PAGES 4096u
#define HB_LESSONS      8u

enum hb_policy_lane { HB_LANE_ACTIVE, HB_LANE_SHADOW, HB_LANES };

struct hb_policy_run { /* neighbours accessed in one epoch */
        uint64_t gfn;
        uint32_t pages;
        bool written; /* all of them, or none */
};
#define HB_OBSERVED_RUNS 4096u
struct hb_policy_observed {
        uint32_t epoch;
        double now_s;                     /* when the epoch ended, by the target's clock */
        const struct hb_policy_run *runs; /* ascending by gfn */
        uint32_t nruns;                   /* at most HB_OBSERVED_RUNS */
        bool cut;                         /* there were more */
        uint64_t accessed, written;       /* pages, all of them */
};

struct hb_policy_outcome { /* of the oldest open lesson; columns in the order of its pages */
        uint64_t lesson;   /* numbered from 1 */
        uint32_t n;
        double asked_s, horizon_s;
        const float *accessed, *written; /* 1 where it was, within (asked, asked + horizon] */
        const float *reads, *writes;     /* windows with an access / a write, counted */
        const uint8_t *class_of;         /* enum hb_lesson_class, as of when it was asked */
        uint32_t budget, budget_writes;  /* K: sample's pages accessed / written in the horizon before */
};
enum hb_lesson_class { HB_LESSON_RECENT, HB_LESSON_RETURNING, HB_LESSON_NEW };

struct hb_lane_score { /* means over the recent lessons (a decay of HB_LANE_DECAY a lesson); -1: unknown */
        uint64_t lessons;
        bool known;                         /* the value is: -1 may be one */
        double f1, f1_returning, f1_writes; /* of the predictor, top-K as in quality.h, on the sample */
        double precision, recall, wasted;   /* of what it would fetch: used and not overwritten; of what was
                                               used, would have been fetched; would fetch and overwritten */
        double would_fetch;                 /* share of the sample at or above its cut */
        double value;                       /* what promotions are decided by: see docs/POLICY_API.md */
        double cut;
        double ns_per_page; /* CPU of its policies */
};
#define HB_LANE_DECAY 0.8

/* Whether anybody needs observations, lessons and the history. Cheap: asked once an epoch. */
bool hb_policies_want_lessons(const hb_policies *p);
/* Between two epochs: changes asked for take effect (one pointer each), the epoch's share begins anew. */
void hb_policies_epoch(hb_policies *p, const struct hb_policy_guest *g);
void hb_policies_observe(hb_policies *p, const struct hb_policy_observed *o, const struct hb_policy_guest *g);
/* `pages` has gfn and history; l, a and cut as the engine has them now. */
void hb_policies_rehearse(hb_policies *p, const struct hb_policy_pages *pages,
                          const struct hb_policy_guest *g, const struct hb_policy_link *l,
                          const struct hb_policy_accuracy *a, double cut);
void hb_policies_learn(hb_policies *p, const struct hb_policy_outcome *o, const struct hb_policy_guest *g);
/* All open lessons are forgotten (a migration, lost state): none of them is scored. */
void hb_policies_forget_lessons(hb_policies *p);
void hb_policies_lane(const hb_policies *p, enum hb_policy_lane lane, struct hb_lane_score *ret);

/* The teacher: whoever trains the model. Gets each ended lesson's features and labels (nn/model.h); owns it
 * from then on. Called from inside hb_policies_learn. NULL: nobody, and no features are taken. */
struct hb_model_lesson;
typedef void hb_policies_teacher(void *arg, struct hb_model_lesson *lesson);
void hb_policies_set_teacher(hb_policies *p, hb_policies_teacher *teacher, void *arg);
