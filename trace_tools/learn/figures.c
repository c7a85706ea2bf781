/* figures: what the cells of an evaluation come to: means over traces, and who is best. Pure. */
#include "learn/eval.h"
#include <math.h>
#include <string.h>

const struct hb_quality_score *hb_eval_score(const struct hb_eval_cell *c, enum hb_eval_figure f) {
        switch (f) {
        case HB_EVAL_RETURNING:
                return &c->q.returning;
        case HB_EVAL_NEW:
                return &c->q.fresh;
        case HB_EVAL_WRITES:
                return &c->q.writes;
        default:
                return &c->q.all;
        }
}

struct hb_quality_score hb_eval_mean(const struct hb_eval *v, unsigned horizon, unsigned predictor,
                                     enum hb_eval_figure f) {
        struct hb_quality_score m = {0, 0, 0, 0};
        unsigned n = 0;

        for (unsigned t = 0; t < v->ntraces; t++) {
                const struct hb_quality_score *s = hb_eval_score(hb_eval_at(v, t, horizon, predictor), f);

                if (s->moments == 0)
                        continue;
                m.precision += s->precision;
                m.recall += s->recall;
                m.f1 += s->f1;
                m.moments += s->moments;
                n++;
        }
        if (n == 0)
                return (struct hb_quality_score){NAN, NAN, NAN, 0};
        return (struct hb_quality_score){m.precision / n, m.recall / n, m.f1 / n, m.moments};
}

struct hb_quality_score hb_eval_row(const struct hb_eval *v, unsigned trace, unsigned horizon,
                                    unsigned predictor, enum hb_eval_figure f) {
        return trace < v->ntraces ? *hb_eval_score(hb_eval_at(v, trace, horizon, predictor), f)
                                  : hb_eval_mean(v, horizon, predictor, f);
}

int hb_eval_best(const struct hb_eval *v, unsigned trace, unsigned horizon, enum hb_eval_figure f,
                 double *ret_f1) {
        int best = -1;

        for (unsigned p = 0; p < v->npredictors; p++) {
                struct hb_quality_score s;

                if (v->predictors[p].kind != HB_EVAL_BASELINE ||
                    strcmp(v->predictors[p].policy, "blend") == 0)
                        continue;
                s = hb_eval_row(v, trace, horizon, p, f);
                if (s.moments && (best < 0 || s.f1 > *ret_f1)) {
                        best = (int)p;
                        *ret_f1 = s.f1;
                }
        }
        return best;
}

bool hb_eval_against(const struct hb_eval *v, unsigned trace, unsigned horizon, unsigned predictor,
                     enum hb_eval_figure f, struct hb_eval_verdict *ret) {
        struct hb_quality_score s = hb_eval_row(v, trace, horizon, predictor, f);
        double best_f1 = 0;
        int best = hb_eval_best(v, trace, horizon, f, &best_f1);

        if (best < 0 || s.moments == 0)
                return false;
        *ret = (struct hb_eval_verdict){.best = (unsigned)best,
                                        .f1 = s.f1,
                                        .best_f1 = best_f1,
                                        .gain = best_f1 > 0 ? (s.f1 - best_f1) / best_f1 : NAN};
        return true;
}
