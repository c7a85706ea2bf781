/* figures: what tables and reports say of the cells: which figures, which way is better, which policy is best
 * in a row, and how sure a difference to the base is. From results alone; one thread. */
#pragma once
#include "compare/results.h"
#include "compare/stats.h"

enum hb_figure {
        HB_FIGURE_F1,
        HB_FIGURE_PRECISION,
        HB_FIGURE_RECALL,
        HB_FIGURE_F1_RETURNING,
        HB_FIGURE_F1_NEW,
        HB_FIGURE_F1_WRITES,
        HB_FIGURE_COVERAGE,
        HB_FIGURE_WIRE_BYTES,  /* sent ahead */
        HB_FIGURE_WASTED,      /* pages sent and overwritten before use */
        HB_FIGURE_AFTER_BYTES, /* on the wire after the request; mean over the moves asked for */
        HB_FIGURE_AFTER_S,     /* request to complete */
        HB_FIGURE_DOWNTIME_S,
        HB_FIGURES
};

enum hb_figure_unit { HB_UNIT_SHARE, HB_UNIT_BYTES, HB_UNIT_PAGES, HB_UNIT_SECONDS };

struct hb_figure_row {
        const char *name, *label; /* "f1", "F1" */
        const char *means;        /* one sentence for a footnote */
        enum hb_figure_unit unit;
        bool less_is_better;
        bool main;       /* in the short table */
        bool of_optimum; /* the optimum bounds it */
        bool of_nothing; /* and for "nothing" it means something */
};
extern const struct hb_figure_row hb_figure_rows[HB_FIGURES];

/* The cells of a plan as far as the results have them. */
struct hb_compare_table {
        const struct hb_compare_plan *plan;
        struct hb_compare_cell *cells; /* key "": missing */
        unsigned ncells, missing;
};
int hb_compare_table_load(hb_results *r, const struct hb_compare_plan *p, struct hb_compare_table *ret,
                          struct hb_err *e);
void hb_compare_table_fini(struct hb_compare_table *t);

/* NAN: missing, unknown, or without meaning for that kind of policy. */
double hb_figure_of(const struct hb_compare_table *t, unsigned cell, enum hb_figure f);
/* Policies of the row (at.policy is ignored) that none beats; bounds and "nothing" aside. Bit i: policy i. 0
 * when there is nothing to choose between, or all are equal. */
uint32_t hb_figure_best(const struct hb_compare_table *t, struct hb_compare_at at, enum hb_figure f);
/* F1, precision, recall and the other F1s by judged moment, coverage by span: this cell against the base's.
 * -EINVAL for other figures; -ENOENT when a cell is missing. */
int hb_figure_paired(const struct hb_compare_table *t, unsigned cell, enum hb_figure f,
                     struct hb_paired *ret);
/* "1" when the interval lies above 0 (better), "-1" below, 0: not decided. Ours against the base. */
int hb_paired_verdict(const struct hb_paired *p, bool less_is_better);
