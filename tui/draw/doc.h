/* doc: what a view shows, as data: fields, tables, series, bars, histograms, heat maps. A view builds a doc
 * from the world once a tick; everything else is made from it: the picture on a surface (paint.h), the lines
 * of --plain, --json and CSV (doc_out.h). So all of them say the same.
 *
 * Blocks are shown in the order they were added. Text is copied. Every function takes a NULL doc, table or
 * row (what no memory gave) and does nothing. Values are JSON: numbers in base units (bytes, pages, seconds,
 * shares 0..1), null for unknown; texts are for people ("512 MiB"). */
#pragma once
#include "draw/style.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct hb_doc hb_doc;
typedef struct hb_doc_table hb_doc_table;

enum hb_block_kind {
        HB_BLOCK_HEADING,
        HB_BLOCK_FIELD,
        HB_BLOCK_NOTE,
        HB_BLOCK_TABLE,
        HB_BLOCK_SERIES,
        HB_BLOCK_BAR,
        HB_BLOCK_HISTOGRAM,
        HB_BLOCK_GRID,
        HB_BLOCK_TEXT
};

hb_doc *hb_doc_new(const char *view); /* NULL: no memory */
hb_doc *hb_doc_free(hb_doc *d);

/* From here on blocks stand in the right column, where the surface is HB_DOC_WIDE columns or more; on a
 * narrower one they follow below. */
#define HB_DOC_WIDE 110u
void hb_doc_aside(hb_doc *d, bool aside);
/* Columns that a block has on a surface `width` wide when the doc has blocks aside: for choosing a grid's
 * cells a row, less its labels and a blank. */
unsigned hb_doc_room(unsigned width, bool aside);

/* key: name in --json, unique in the doc ("dirty_bytes_per_s"); NULL: only for people. */
void hb_doc_heading(hb_doc *d, const char *text);
/* One "label  text" line; on a wide surface several may share a line. `value` is stolen. */
void hb_doc_field(hb_doc *d, const char *key, const char *label, enum hb_style style, json_t *value,
                  const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* A sentence, wrapped. sign: a letter or sign before it ('!', 'i'); 0: none. */
void hb_doc_note(hb_doc *d, const char *key, enum hb_style style, char sign, const char *fmt, ...)
        __attribute__((format(printf, 5, 6)));
/* Preformatted lines (a diff, a source), '\n' between them; lines may be styled by their first character
 * where `diff`. Scrolls with the view. */
void hb_doc_text(hb_doc *d, const char *key, const char *title, const char *text, bool diff);

/* ---- tables ---- */
struct hb_doc_column {
        const char *key, *title;
        bool right;         /* flush right: numbers */
        unsigned char rank; /* 0: always shown; columns of the highest rank go first when there is no room */
        unsigned char min;  /* columns wide at least; 0: as its text needs */
        bool grow;          /* takes what is left of the width */
};
/* `main`: the one whose rows are selected, sorted and filtered; one a doc. columns: n, copied. empty: what is
 * said where there is no row ("no guests here; attach one with: ..."). */
hb_doc_table *hb_doc_table_new(hb_doc *d, const char *key, const char *title,
                               const struct hb_doc_column *columns, unsigned n, bool main, const char *empty);
/* id names the object for ever ("a/vm1"): what selection follows. */
void hb_doc_row(hb_doc_table *t, const char *id);
/* The next cell of the last row; value (stolen) is what is sorted by and exported. */
void hb_doc_cell(hb_doc_table *t, enum hb_style style, json_t *value, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
/* A cell drawn as a bar of `share` (0..1; NaN: unknown) with the text after it. */
void hb_doc_cell_bar(hb_doc_table *t, enum hb_style style, double share, json_t *value, const char *fmt, ...)
        __attribute__((format(printf, 5, 6)));

/* ---- pictures ---- */
/* A sparkline: values oldest first, NaN unknown; text says the newest with its unit. `floor_is_zero`: scaled
 * from 0, not from the least. */
void hb_doc_series(hb_doc *d, const char *key, const char *label, enum hb_style style, const double *values,
                   size_t n, bool floor_is_zero, const char *fmt, ...) __attribute__((format(printf, 8, 9)));
struct hb_doc_part {
        const char *key, *label; /* "fresh" */
        char letter;             /* drawn in the bar where there are no colours, and in the legend */
        enum hb_style style;
        double value;
        const char *text; /* "312 MiB" */
};
/* A bar of parts over `total` (the rest stays empty), and a legend with letters. */
void hb_doc_bar(hb_doc *d, const char *key, const char *label, const struct hb_doc_part *parts, unsigned n,
                double total);
/* Counts over [low, high], with marks (a threshold) inside. */
struct hb_doc_mark {
        const char *label;
        double at;
        enum hb_style style;
};
void hb_doc_histogram(hb_doc *d, const char *key, const char *label, const double *counts, unsigned n,
                      double low, double high, const struct hb_doc_mark *marks, unsigned nmarks);

/* A heat map: `cells` in reading order; the painter wraps them to the width given by hb_doc_grid_cells. */
struct hb_doc_cell_value {
        unsigned char level; /* 0..HB_GLYPH_LEVELS - 1 */
        enum hb_style style; /* what colours it; HEAT0 + level, or a class (FRESH, STALE, ...) */
        char letter;         /* what ASCII draws instead of the level's glyph; 0: the glyph */
};
struct hb_doc_grid {
        const char *key, *title;
        unsigned columns;                      /* cells a row; a row that is too wide is wrapped */
        unsigned n;                            /* cells in all */
        const struct hb_doc_cell_value *cells; /* copied */
        unsigned chosen;                       /* the cell under the grid's cursor; n: none */
        const char *(*row_label)(void *arg, unsigned first_cell, char *buf, size_t size); /* called at once */
        void *arg;
        const struct hb_doc_part *legend; /* value and text unused */
        unsigned nlegend;
        json_t *values; /* stolen: what --json says of it */
};
void hb_doc_grid(hb_doc *d, const struct hb_doc_grid *g);

/* What the view is about ("vm1 -> b"), shown beside its name. */
void hb_doc_subject(hb_doc *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
