/* doc_picture: series, bars, histograms and heat maps of a doc. Everything is copied, so that a view can make
 * its arrays on the stack. */
#include "draw/doc_priv.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const void *copy_array(hb_doc *d, const void *v, size_t n, size_t size) {
        void *copy = n && n <= SIZE_MAX / 2 / size ? hb_doc_alloc(d, n * size) : NULL;

        return copy ? memcpy(copy, v, n * size) : NULL;
}

void hb_doc_series(hb_doc *d, const char *key, const char *label, enum hb_style style, const double *values,
                   size_t n, bool floor_is_zero, const char *fmt, ...) {
        struct hb_doc_block *b = hb_doc_add(d, HB_BLOCK_SERIES, key, label);
        va_list args;

        if (!b)
                return;
        va_start(args, fmt);
        b->text = hb_doc_format(d, fmt, args);
        va_end(args);
        b->style = (uint8_t)style;
        b->series.v = copy_array(d, values, n, sizeof(*values));
        b->series.n = b->series.v ? n : 0;
        b->series.floor_is_zero = floor_is_zero;
}

struct hb_doc_part *hb_doc_copy_parts(hb_doc *d, const struct hb_doc_part *parts, unsigned *n) {
        struct hb_doc_part *copy;

        if (*n > HB_DOC_PARTS_MAX)
                *n = HB_DOC_PARTS_MAX;
        copy = *n ? hb_doc_alloc(d, *n * sizeof(*copy)) : NULL;
        if (!copy)
                *n = 0;
        for (unsigned i = 0; i < *n; i++) {
                copy[i] = parts[i];
                copy[i].label = hb_doc_copy(d, parts[i].label);
                copy[i].text = hb_doc_copy(d, parts[i].text);
                copy[i].key = parts[i].key ? hb_doc_copy(d, parts[i].key) : copy[i].label;
        }
        return copy;
}

void hb_doc_bar(hb_doc *d, const char *key, const char *label, const struct hb_doc_part *parts, unsigned n,
                double total) {
        struct hb_doc_block *b = hb_doc_add(d, HB_BLOCK_BAR, key, label);

        if (!b)
                return;
        b->bar.n = n;
        b->bar.part = hb_doc_copy_parts(d, parts, &b->bar.n);
        b->bar.total = total;
}

void hb_doc_histogram(hb_doc *d, const char *key, const char *label, const double *counts, unsigned n,
                      double low, double high, const struct hb_doc_mark *marks, unsigned nmarks) {
        struct hb_doc_block *b = hb_doc_add(d, HB_BLOCK_HISTOGRAM, key, label);
        struct hb_doc_mark *m;

        if (!b)
                return;
        b->histogram = (struct hb_doc_counts){.low = low, .high = high};
        b->histogram.v = copy_array(d, counts, n, sizeof(*counts));
        b->histogram.n = b->histogram.v ? n : 0;
        if (nmarks > HB_DOC_PARTS_MAX)
                nmarks = HB_DOC_PARTS_MAX;
        m = nmarks ? hb_doc_alloc(d, nmarks * sizeof(*m)) : NULL;
        for (unsigned i = 0; m && i < nmarks; i++) {
                m[i] = marks[i];
                m[i].label = hb_doc_copy(d, marks[i].label);
        }
        b->histogram.marks = m;
        b->histogram.nmarks = m ? nmarks : 0;
}

static void label_rows(hb_doc *d, const struct hb_doc_grid *g, struct hb_doc_cells *c) {
        c->rows = c->n / c->columns + (c->n % c->columns != 0);
        c->row_label = g->row_label && c->rows ? hb_doc_alloc(d, c->rows * sizeof(*c->row_label)) : NULL;
        for (unsigned i = 0; c->row_label && i < c->rows; i++) {
                char buf[64] = "";

                c->row_label[i] = hb_doc_copy(d, g->row_label(g->arg, i * c->columns, buf, sizeof(buf)));
        }
}

void hb_doc_grid(hb_doc *d, const struct hb_doc_grid *g) {
        struct hb_doc_block *b = hb_doc_add(d, HB_BLOCK_GRID, g->key, g->title);
        struct hb_doc_cells *c;

        if (!b) {
                json_decref(g->values);
                return;
        }
        b->value = g->values;
        c = &b->grid;
        c->cell = copy_array(d, g->cells, g->n, sizeof(*g->cells));
        c->n = c->cell ? g->n : 0;
        c->columns = g->columns ? g->columns : c->n ? c->n : 1;
        c->chosen = g->chosen < c->n ? g->chosen : c->n;
        c->nlegend = g->nlegend;
        c->legend = hb_doc_copy_parts(d, g->legend, &c->nlegend);
        label_rows(d, g, c);
}
