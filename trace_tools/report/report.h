/* report: a comparison as one self-contained page: heat maps, curves, tables with intervals, definitions.
 *
 * The page asks for nothing outside itself, needs no script, follows the reader's light or dark scheme, and
 * prints. Whatever stands in traces and results is escaped: a trace may come from anyone. Curves are drawn by
 * gnuplot, whose output is taken apart and rebuilt from a short list of elements (report/svg.h); without
 * gnuplot the tables stay. Memory: the page's, a few MiB. One thread. */
#pragma once
#include "base/bytes.h"
#include "compare/figures.h"

struct hb_report_options {
        const char *title;                                /* NULL: made from the traces */
        const char *gnuplot;                              /* the program; NULL: from PATH; "": none */
        uint32_t heat_width, heat_height;                 /* 160 x 48 */
        int (*tick)(void *arg, uint64_t at, uint64_t of); /* while traces are read; nonzero: -ECANCELED */
        void *arg;
};

struct hb_report_notes {      /* what is missing from the page, for whoever asked for it */
        unsigned plots, maps; /* drawn */
        char plots_missing[200], maps_missing[200]; /* "" or why */
};

/* The page's bytes into *out (the caller's to free). */
int hb_report_make(const struct hb_compare_table *t, const struct hb_report_options *o, struct hb_buf *out,
                   struct hb_report_notes *ret, struct hb_err *e);
/* The same into a file: written beside and renamed, 0644 less the umask; an existing one is replaced. */
int hb_report_write(const char *path, const struct hb_compare_table *t, const struct hb_report_options *o,
                    struct hb_report_notes *ret, struct hb_err *e);
