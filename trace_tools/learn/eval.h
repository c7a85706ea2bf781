/* eval: a model beside the predictors without one, on traces: prediction quality (place/quality.h, by the one
 * definition of docs/POLICY_API.md) of each predictor at each horizon, by replays through the production
 * engine with equal budgets.
 *
 * A cell is one trace, horizon and predictor. A learned predictor stands there three times: *frozen*, the
 * model as it is in its file, *tuned*, trained on the way by what the guest does
 * (hb_replay_options.finetune), both used always (param guard = 0); and *guarded*, as it is used: tuned, and
 * answering only while it is the best. Cells run on threads of their own; equal inputs, equal figures,
 * whatever their number. */
#pragma once
#include "replay/replay.h"

#define HB_EVAL_PREDICTORS 16
#define HB_EVAL_HORIZONS   8
#define HB_EVAL_CELLS      16384

enum hb_eval_kind { HB_EVAL_BASELINE, HB_EVAL_FROZEN, HB_EVAL_TUNED, HB_EVAL_GUARDED };

struct hb_eval_options { /* zero: the default */
        const char *const *traces;
        unsigned ntraces;
        const char *policy_dir;
        const char *model;     /* NULL: <policy_dir>/models/default.hbm */
        const char *baselines; /* names with commas; recency,ewma,lfu,majority,markov,periodic,blend */
        const char *learned;   /* names with commas; lstm */
        const char *horizons;  /* seconds with commas; 5,10,30 */
        bool oracle_budget;
        int finetune;  /* steps a lesson; -1: frozen alone */
        unsigned jobs; /* 0: one a processor */
        uint64_t seed;
};

struct hb_eval_predictor {
        char policy[64]; /* "lstm" */
        char name[72];   /* "lstm tuned" */
        enum hb_eval_kind kind;
};
struct hb_eval_cell {
        struct hb_quality_result q;
        double took_s;
        uint64_t errors, lessons, steps;
        char note[128]; /* what the predictor said of itself at the end */
};
struct hb_eval_trace {
        char path[1024], name[64];
        uint64_t pages, epochs;
        double seconds;
};
struct hb_eval {
        struct hb_eval_trace *traces;
        struct hb_eval_predictor predictors[HB_EVAL_PREDICTORS];
        double horizons[HB_EVAL_HORIZONS];
        unsigned ntraces, npredictors, nhorizons;
        struct hb_eval_cell *cells; /* by trace, horizon, predictor */
};

int hb_eval_run(const struct hb_eval_options *o,
                int (*tick)(void *arg, double share, unsigned done, unsigned of), void *arg,
                struct hb_eval **ret, struct hb_err *e);
struct hb_eval *hb_eval_free(struct hb_eval *v);
static inline const struct hb_eval_cell *hb_eval_at(const struct hb_eval *v, unsigned trace, unsigned horizon,
                                                    unsigned predictor) {
        return &v->cells[(trace * v->nhorizons + horizon) * v->npredictors + predictor];
}

/* ---- what comes of it ---- */
enum hb_eval_figure { HB_EVAL_ALL, HB_EVAL_RETURNING, HB_EVAL_NEW, HB_EVAL_WRITES, HB_EVAL_FIGURES };
extern const char *const hb_eval_figure_names[HB_EVAL_FIGURES]; /* "accesses", "returning", ... */
const struct hb_quality_score *hb_eval_score(const struct hb_eval_cell *c, enum hb_eval_figure f);
/* Of one predictor over all traces that have that figure: means, NAN: none. */
struct hb_quality_score hb_eval_mean(const struct hb_eval *v, unsigned horizon, unsigned predictor,
                                     enum hb_eval_figure f);
/* The best F1 of the single baselines (blend, which mixes them, is none) in that row; trace ntraces: in the
 * means. -1: none has the figure. */
int hb_eval_best(const struct hb_eval *v, unsigned trace, unsigned horizon, enum hb_eval_figure f,
                 double *ret_f1);
/* hb_eval_score or, for trace ntraces, hb_eval_mean. */
struct hb_quality_score hb_eval_row(const struct hb_eval *v, unsigned trace, unsigned horizon,
                                    unsigned predictor, enum hb_eval_figure f);

struct hb_eval_verdict { /* a predictor against the best single baseline */
        unsigned best;
        double f1, best_f1;
        double gain; /* (f1 - best_f1) / best_f1; NAN: the best has none */
};
/* False: one of them has no such figure. */
bool hb_eval_against(const struct hb_eval *v, unsigned trace, unsigned horizon, unsigned predictor,
                     enum hb_eval_figure f, struct hb_eval_verdict *ret);
