/* doc_priv: the inside of a doc, for the files of doc, paint and doc_out only. Everything but the values
 * (JSON, counted) and the orders of tables lies in the doc's own chunks of memory and goes with it. */
#pragma once
#include "draw/doc_look.h"
#include <stdarg.h>
#include <stdint.h>

#define HB_DOC_COLUMNS_MAX 32u
#define HB_DOC_PARTS_MAX   64u
#define HB_DOC_ASK_WIDTH   UINT16_MAX /* not all ASCII, or very long: its width must be asked for */

struct hb_doc_cell_data {
        const char *text;
        json_t *value; /* NULL: unknown */
        float share;   /* of a bar; NaN */
        uint16_t width;
        uint8_t style;
        bool bar;
};

struct hb_doc_row_data {
        const char *id;
        unsigned n; /* cells given; the others are empty */
        struct hb_doc_cell_data cells[];
};

struct hb_doc_table {
        hb_doc *doc;
        struct hb_doc_column columns[HB_DOC_COLUMNS_MAX];
        unsigned ncolumns;
        const char *empty;
        struct hb_doc_row_data **rows; /* of malloc */
        unsigned nrows, cap;
        unsigned *order; /* of malloc; NULL: as built */
        unsigned nshown; /* with an order */
        struct hb_doc_order how;
        struct hb_doc_filter *filter; /* of `how`; NULL: none */
};

struct hb_doc_lines {
        const char **line;
        uint16_t *width; /* of each; HB_DOC_ASK_WIDTH */
        unsigned *end; /* lines of the screen up to and with each: paint's, for the width it measured last */
        unsigned n;
        bool diff;
};

struct hb_doc_values {
        const double *v;
        size_t n;
        bool floor_is_zero;
};

struct hb_doc_parts {
        struct hb_doc_part *part;
        unsigned n;
        double total;
};

struct hb_doc_counts {
        const double *v;
        unsigned n;
        double low, high;
        const struct hb_doc_mark *marks;
        unsigned nmarks;
};

struct hb_doc_cells {
        const struct hb_doc_cell_value *cell;
        unsigned n, columns, chosen;
        const char **row_label; /* one a row of `columns` */
        unsigned rows;
        struct hb_doc_part *legend;
        unsigned nlegend;
};

struct hb_doc_block {
        struct hb_doc_block *next;
        enum hb_block_kind kind;
        bool aside, main;
        uint8_t style;
        char sign;
        const char *key;   /* NULL: only for people */
        const char *label; /* or title; never NULL */
        const char *text;  /* never NULL */
        json_t *value;
        union {
                struct hb_doc_table *table;
                struct hb_doc_lines lines;
                struct hb_doc_values series;
                struct hb_doc_parts bar;
                struct hb_doc_counts histogram;
                struct hb_doc_cells grid;
        };
};

struct hb_doc {
        const char *view, *subject;
        struct hb_doc_block *first, **end;
        struct hb_doc_table *main;
        struct hb_doc_chunk *chunks;
        unsigned nblocks;
        bool aside, has_aside;
        bool incomplete; /* memory failed: some of it is missing */
};

/* doc_memory.c. NULL where there is no memory, and the doc is incomplete then. */
void *hb_doc_alloc(hb_doc *d, size_t size);
const char *hb_doc_copy(hb_doc *d, const char *text); /* "" for NULL, or without memory */
const char *hb_doc_format(hb_doc *d, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
void hb_doc_chunks_free(hb_doc *d);

/* doc.c. NULL: no doc or no memory. key may be NULL. */
struct hb_doc_block *hb_doc_add(hb_doc *d, enum hb_block_kind kind, const char *key, const char *label);
/* doc_picture.c */
struct hb_doc_part *hb_doc_copy_parts(hb_doc *d, const struct hb_doc_part *parts, unsigned *n);

/* The i-th row as arranged. */
const struct hb_doc_row_data *hb_doc_row_at(const struct hb_doc_table *t, unsigned i);
uint16_t hb_doc_ascii_width(const char *text); /* HB_DOC_ASK_WIDTH: ask */
unsigned hb_doc_cell_width(const struct hb_doc_cell_data *c, bool utf8);
/* doc_filter.c: is the row to be seen? */
struct hb_doc_filter;
struct hb_doc_filter *hb_doc_filter_new(const struct hb_doc_table *t,
                                        const char *words); /* NULL: no memory */
struct hb_doc_filter *hb_doc_filter_free(struct hb_doc_filter *f);
bool hb_doc_filter_takes(const struct hb_doc_filter *f, const struct hb_doc_row_data *r);
/* Characters of a cell's text, from its begin on, that are a word of the filter; 0: none begins here. */
unsigned hb_doc_filter_begins(const struct hb_doc_filter *f, unsigned column, const char *text);
