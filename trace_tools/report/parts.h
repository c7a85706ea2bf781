/* parts: what a page is put together from; internal to the room. */
#pragma once
#include "report/html.h"
#include "report/report.h"

struct hb_page {
        struct hb_buf *out;
        const struct hb_compare_table *t;
        const struct hb_report_options *o;
        struct hb_report_notes notes;
        unsigned horizon, link; /* those the curves are of */
        unsigned ids;           /* of elements that labels point to */
};

/* ---- plot.c ---- */
struct hb_plot_series {
        unsigned policy;     /* its letter names it, its colour and dashes draw it */
        const double *x, *y; /* NAN: a gap */
        unsigned n;
};
struct hb_plot {
        const char *about; /* for those who hear the page: one sentence, ours */
        const char *x_label, *y_label;
        bool share; /* y from 0 to 1 */
        bool boxes; /* side by side at each x = 0, 1, ...; x_words names them */
        char x_words[HB_REPLAY_MOMENTS][32];
        unsigned nwords;
        const struct hb_plot_series *series;
        unsigned nseries;
};
/* Draws, or notes why not and leaves nothing. -ENOMEM only. */
int hb_plot_draw(struct hb_page *p, const struct hb_plot *plot);

/* ---- sections of a trace ---- */
int hb_page_heat(struct hb_page *p, const struct hb_compare_trace *t,
                 struct hb_err *e); /* -ECANCELED, -ENOMEM */
int hb_page_curves(struct hb_page *p, unsigned trace);
void hb_page_figures(struct hb_page *p, unsigned trace);
void hb_page_differences(struct hb_page *p, unsigned trace);
void hb_page_moves(struct hb_page *p, unsigned trace);
/* ---- the ends of the page ---- */
void hb_page_style(struct hb_page *p);
void hb_page_definitions(struct hb_page *p);
