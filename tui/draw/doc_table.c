/* doc_table: tables of a doc. A row has room for all its columns from the start; rows are found through an
 * array that doubles. Invariant: rows[i]->n cells of rows[i] are filled. Cost: an allocation from the chunk a
 * row and a text. */
#include "base/fault.h"
#include "draw/doc_priv.h"
#include "draw/surface.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void copy_columns(hb_doc *d, struct hb_doc_table *t, const struct hb_doc_column *columns, unsigned n) {
        t->ncolumns = n < HB_DOC_COLUMNS_MAX ? n : HB_DOC_COLUMNS_MAX;
        for (unsigned i = 0; i < t->ncolumns; i++) {
                t->columns[i] = columns[i];
                t->columns[i].key = hb_doc_copy(d, columns[i].key);
                t->columns[i].title = hb_doc_copy(d, columns[i].title);
        }
}

hb_doc_table *hb_doc_table_new(hb_doc *d, const char *key, const char *title,
                               const struct hb_doc_column *columns, unsigned n, bool main,
                               const char *empty) {
        struct hb_doc_table *t = d ? hb_doc_alloc(d, sizeof(*t)) : NULL;
        struct hb_doc_block *b = t ? hb_doc_add(d, HB_BLOCK_TABLE, key, title) : NULL;

        if (!b)
                return NULL;
        *t = (struct hb_doc_table){.doc = d};
        copy_columns(d, t, columns, n);
        t->empty = hb_doc_copy(d, empty);
        b->table = t;
        b->main = main && !d->main;
        if (b->main)
                d->main = t;
        return t;
}

static int grow(struct hb_doc_table *t) {
        unsigned cap = t->cap ? t->cap * 2 : 64;
        struct hb_doc_row_data **rows;

        rows = hb_fault("doc.rows") ? NULL : reallocarray(t->rows, cap, sizeof(struct hb_doc_row_data *));
        if (!rows) {
                t->doc->incomplete = true;
                return -1;
        }
        t->rows = rows;
        t->cap = cap;
        return 0;
}

void hb_doc_row(hb_doc_table *t, const char *id) {
        struct hb_doc_row_data *r;

        if (!t || (t->nrows == t->cap && grow(t) < 0))
                return;
        r = hb_doc_alloc(t->doc, sizeof(*r) + t->ncolumns * sizeof(r->cells[0]));
        if (!r)
                return;
        r->id = hb_doc_copy(t->doc, id);
        r->n = 0;
        t->rows[t->nrows++] = r;
}

uint16_t hb_doc_ascii_width(const char *text) {
        const char *p = text;

        while (*p >= ' ' && *p < 0x7f)
                p++;
        return *p || p - text >= HB_DOC_ASK_WIDTH ? HB_DOC_ASK_WIDTH : (uint16_t)(p - text);
}

/* The cell to fill; NULL: there is none. */
static struct hb_doc_cell_data *next_cell(hb_doc_table *t) {
        struct hb_doc_row_data *r = t && t->nrows ? t->rows[t->nrows - 1] : NULL;

        return r && r->n < t->ncolumns ? &r->cells[r->n++] : NULL;
}

static void fill(hb_doc_table *t, bool bar, enum hb_style style, double share, json_t *value, const char *fmt,
                 va_list args) {
        struct hb_doc_cell_data *c = next_cell(t);
        bool only = strcmp(fmt, "%s") == 0; /* most cells: no need to format */

        if (!c) {
                json_decref(value);
                return;
        }
        *c = (struct hb_doc_cell_data){
                .text = only ? hb_doc_copy(t->doc, va_arg(args, const char *))
                             : hb_doc_format(t->doc, fmt, args),
                .value = value,
                .share = (float)share,
                .style = (uint8_t)style,
                .bar = bar,
        };
        c->width = hb_doc_ascii_width(c->text);
}

void hb_doc_cell(hb_doc_table *t, enum hb_style style, json_t *value, const char *fmt, ...) {
        va_list args;

        va_start(args, fmt);
        fill(t, false, style, NAN, value, fmt, args);
        va_end(args);
}

void hb_doc_cell_bar(hb_doc_table *t, enum hb_style style, double share, json_t *value, const char *fmt,
                     ...) {
        va_list args;

        va_start(args, fmt);
        fill(t, true, style, share, value, fmt, args);
        va_end(args);
}

unsigned hb_doc_cell_width(const struct hb_doc_cell_data *c, bool utf8) {
        return c->width != HB_DOC_ASK_WIDTH ? c->width : hb_text_width(c->text, utf8);
}
