/* figures: one row a figure. Series are paired by time, so that a moment which only one of two cells has (its
 * true set was empty, its trace was cut) counts for neither. */
#include "compare/figures.h"
#include "base/clock.h"
#include "base/fault.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EVERY_S 5.0 /* hb_quality's moments */

const struct hb_figure_row hb_figure_rows[HB_FIGURES] = {
        [HB_FIGURE_F1] = {"f1", "F1",
                          "harmonic mean of precision and recall of the predicted pages, at each moment",
                          HB_UNIT_SHARE, false, true, true, false},
        [HB_FIGURE_PRECISION] = {"precision", "precision",
                                 "of the pages predicted, the share that was accessed within the horizon",
                                 HB_UNIT_SHARE, false, false, true, false},
        [HB_FIGURE_RECALL] = {"recall", "recall",
                              "of the pages accessed within the horizon, the share that was predicted",
                              HB_UNIT_SHARE, false, false, true, false},
        [HB_FIGURE_F1_RETURNING] = {"f1_returning", "F1 returning",
                                    "F1 of pages seen before, but not in the last horizon", HB_UNIT_SHARE,
                                    false, false, true, false},
        [HB_FIGURE_F1_NEW] = {"f1_new", "F1 new", "F1 of pages never seen before", HB_UNIT_SHARE, false,
                              false, true, false},
        [HB_FIGURE_F1_WRITES] = {"f1_writes", "F1 writes", "F1 of written pages, by predicted writes",
                                 HB_UNIT_SHARE, false, false, true, false},
        [HB_FIGURE_COVERAGE] =
                {"coverage", "coverage",
                 "of the pages accessed in an epoch, the share that lay fresh on the target when it "
                 "began",
                 HB_UNIT_SHARE, false, true, true, true},
        [HB_FIGURE_WIRE_BYTES] = {"wire_bytes", "sent ahead", "bytes on the wire before any request",
                                  HB_UNIT_BYTES, true, true, false, true},
        [HB_FIGURE_WASTED] = {"wasted", "wasted", "pages sent and overwritten before they were used",
                              HB_UNIT_PAGES, true, true, false, false},
        [HB_FIGURE_AFTER_BYTES] = {"after_bytes", "sent after",
                                   "bytes on the wire from the request to the end of the move", HB_UNIT_BYTES,
                                   true, true, true, true},
        [HB_FIGURE_AFTER_S] = {"after_s", "time after", "from the request to the end of the move",
                               HB_UNIT_SECONDS, true, true, true, true},
        [HB_FIGURE_DOWNTIME_S] = {"downtime_s", "downtime", "the guest stands still", HB_UNIT_SECONDS, true,
                                  true, false, true},
};

/* ---- the table ---- */
int hb_compare_table_load(hb_results *r, const struct hb_compare_plan *p, struct hb_compare_table *ret,
                          struct hb_err *e) {
        struct hb_compare_table t = {.plan = p, .ncells = hb_compare_cells(p)};
        char key[33];

        t.cells = hb_fault("compare.table") ? NULL : calloc(t.ncells + 1, sizeof(*t.cells));
        if (!t.cells)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        for (unsigned i = 0; i < t.ncells; i++) {
                int rc;

                hb_compare_key(p, i, key);
                rc = hb_results_get(r, key, &t.cells[i], e);
                if (rc == -ENOENT) {
                        t.missing++;
                        continue;
                }
                if (rc < 0) {
                        hb_compare_table_fini(&t);
                        return rc;
                }
        }
        *ret = t;
        return 0;
}

void hb_compare_table_fini(struct hb_compare_table *t) {
        for (unsigned i = 0; t->cells && i < t->ncells; i++)
                hb_compare_cell_fini(&t->cells[i]);
        free(t->cells);
        t->cells = NULL;
}

/* ---- figures of a cell ---- */
static double over_moves(const struct hb_replay_result *r, enum hb_figure f) {
        double sum = 0;

        for (unsigned i = 0; i < r->nmigrations; i++) {
                const struct hb_replay_migration *m = &r->migrations[i];

                sum += f == HB_FIGURE_AFTER_BYTES ? (double)m->bytes_after
                       : f == HB_FIGURE_AFTER_S   ? m->drain_s + m->downtime_s
                                                  : m->downtime_s;
        }
        return r->nmigrations ? sum / r->nmigrations : NAN;
}

static double of_result(const struct hb_replay_result *r, enum hb_figure f) {
        switch (f) {
        case HB_FIGURE_F1:
                return r->quality.all.f1;
        case HB_FIGURE_PRECISION:
                return r->quality.all.precision;
        case HB_FIGURE_RECALL:
                return r->quality.all.recall;
        case HB_FIGURE_F1_RETURNING:
                return r->quality.returning.f1;
        case HB_FIGURE_F1_NEW:
                return r->quality.fresh.f1;
        case HB_FIGURE_F1_WRITES:
                return r->quality.writes.f1;
        case HB_FIGURE_COVERAGE:
                return r->coverage;
        case HB_FIGURE_WIRE_BYTES:
                return (double)r->wire_bytes;
        case HB_FIGURE_WASTED:
                return (double)r->wasted;
        case HB_FIGURE_AFTER_BYTES:
        case HB_FIGURE_AFTER_S:
        case HB_FIGURE_DOWNTIME_S:
        case HB_FIGURES:
                break;
        }
        return over_moves(r, f);
}

double hb_figure_of(const struct hb_compare_table *t, unsigned cell, enum hb_figure f) {
        enum hb_compare_kind kind = t->plan->policies[hb_compare_at(t->plan, cell).policy].kind;

        if (!t->cells[cell].key[0] || (kind == HB_COMPARE_OPTIMUM && !hb_figure_rows[f].of_optimum) ||
            (kind == HB_COMPARE_NOTHING && !hb_figure_rows[f].of_nothing))
                return NAN;
        return of_result(&t->cells[cell].r, f);
}

static bool equal(double a, double b) {
        return fabs(a - b) <= 1e-9 * fmax(1, fmax(fabs(a), fabs(b)));
}

uint32_t hb_figure_best(const struct hb_compare_table *t, struct hb_compare_at at, enum hb_figure f) {
        double best = NAN, v;
        uint32_t who = 0;
        unsigned known = 0;

        for (at.policy = 0; at.policy < t->plan->npolicies; at.policy++) {
                if (t->plan->policies[at.policy].kind != HB_COMPARE_TRIPLE)
                        continue;
                v = hb_figure_of(t, hb_compare_index(t->plan, at), f);
                if (isnan(v))
                        continue;
                known++;
                if (!isnan(best) && equal(v, best)) {
                        who |= 1u << at.policy;
                } else if (isnan(best) || (hb_figure_rows[f].less_is_better ? v < best : v > best)) {
                        best = v;
                        who = 1u << at.policy;
                }
        }
        return (unsigned)__builtin_popcount(who) == known ? 0 : who;
}

/* ---- paired differences ---- */
struct series {
        uint64_t *times;
        double *values;
        unsigned n;
};

static double of_moment(const struct hb_compare_moment *m, enum hb_figure f) {
        switch (f) {
        case HB_FIGURE_PRECISION:
                return m->precision;
        case HB_FIGURE_RECALL:
                return m->recall;
        case HB_FIGURE_F1_RETURNING:
                return m->f1_returning;
        case HB_FIGURE_F1_NEW:
                return m->f1_new;
        case HB_FIGURE_F1_WRITES:
                return m->f1_writes;
        default:
                return m->f1;
        }
}

static int take_series(const struct hb_compare_cell *c, enum hb_figure f, struct series *ret) {
        bool spans = f == HB_FIGURE_COVERAGE;
        struct series s = {.n = spans ? c->nspans : c->nmoments};

        s.times = calloc(s.n + 1, sizeof(*s.times));
        s.values = calloc(s.n + 1, sizeof(*s.values));
        for (unsigned i = 0; s.times && s.values && i < s.n; i++) {
                s.times[i] = spans ? c->spans[i].time_ns : c->moments[i].time_ns;
                s.values[i] = spans ? c->spans[i].coverage : of_moment(&c->moments[i], f);
        }
        *ret = s;
        return s.times && s.values ? 0 : -ENOMEM;
}

static void series_fini(struct series *s) {
        free(s->times);
        free(s->values);
}

/* Leaves in both what has the same time; returns how many. */
static unsigned align(struct series *a, struct series *b) {
        unsigned n = 0;

        for (unsigned i = 0, j = 0; i < a->n && j < b->n;) {
                if (a->times[i] < b->times[j]) {
                        i++;
                } else if (a->times[i] > b->times[j]) {
                        j++;
                } else {
                        a->values[n] = a->values[i++];
                        b->values[n++] = b->values[j++];
                }
        }
        return n;
}

int hb_figure_paired(const struct hb_compare_table *t, unsigned cell, enum hb_figure f,
                     struct hb_paired *ret) {
        const struct hb_compare_plan *p = t->plan;
        struct hb_compare_at at = hb_compare_at(p, cell), base_at = at;
        struct series ours = {0}, base = {0};
        const struct hb_compare_cell *other;
        unsigned overlap;
        int r;

        base_at.policy = p->base;
        other = &t->cells[hb_compare_index(p, base_at)];
        if (f > HB_FIGURE_COVERAGE)
                return -EINVAL;
        if (!t->cells[cell].key[0] || !other->key[0])
                return -ENOENT;
        overlap = f == HB_FIGURE_COVERAGE ? 1 : (unsigned)ceil(p->horizons[at.horizon] / EVERY_S) + 1;
        r = take_series(&t->cells[cell], f, &ours);
        if (r == 0)
                r = take_series(other, f, &base);
        if (r == 0)
                r = hb_stats_paired(ours.values, base.values, align(&ours, &base), overlap, p->seed, ret);
        series_fini(&ours);
        series_fini(&base);
        return r;
}

int hb_paired_verdict(const struct hb_paired *p, bool less_is_better) {
        int side = p->low > 0 ? 1 : p->high < 0 ? -1 : 0;

        return less_is_better ? -side : side;
}
