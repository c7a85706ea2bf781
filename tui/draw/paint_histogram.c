/* paint_histogram: counts as columns, marks as lines through them, and what they mean on the axis below. A
 * bucket with anything in it is seen, however high the highest is. */
#include "draw/paint_priv.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROWS      4u
#define ROWS_TALL 8u
#define TALL      44u /* lines of the doc from which on it is drawn higher */

static void measure(const struct hb_paint *p, struct hb_paint_item *it) {
        unsigned label = it->b->label[0] != '\0';

        it->natural = label + (p->h >= TALL ? ROWS_TALL : ROWS) + 1;
        it->least = label + 2;
}

static double known(double v) {
        return v > 0 && isfinite(v) ? v : 0;
}

/* What falls to column x of w: buckets share columns, or columns buckets. */
static double column(const struct hb_doc_counts *h, unsigned x, unsigned w) {
        unsigned first = (unsigned)((size_t)x * h->n / w), last = (unsigned)((size_t)(x + 1) * h->n / w);
        double most = 0;

        for (unsigned i = first; i < last || i == first; i++)
                most = fmax(most, known(h->v[i]));
        return most;
}

static unsigned column_of(const struct hb_doc_counts *h, double value, unsigned w) {
        double at = (value - h->low) / (h->high - h->low) * w;

        return at > 0 ? at < w ? (unsigned)at : w - 1 : 0;
}

static const struct hb_doc_mark *mark_at(const struct hb_doc_counts *h, unsigned x, unsigned w) {
        for (unsigned i = 0; i < h->nmarks; i++)
                if (column_of(h, h->marks[i].at, w) == x)
                        return &h->marks[i];
        return NULL;
}

static void draw_row(const struct hb_paint *p, const struct hb_doc_counts *h, unsigned row, unsigned rows,
                     unsigned y) {
        double most = 0;

        for (unsigned i = 0; i < h->n; i++)
                most = fmax(most, known(h->v[i]));
        for (unsigned x = 0; x < p->w; x++) {
                const struct hb_doc_mark *m = mark_at(h, x, p->w);
                double count = h->n ? column(h, x, p->w) : 0, high = most > 0 ? count / most * rows : 0;
                double in = high - row;

                if (m)
                        hb_surface_put(p->s, p->x + x, y, m->style, hb_glyph_line(p->g, HB_LINE_V));
                else if (in > 0 || (count > 0 && row == 0))
                        hb_surface_put(p->s, p->x + x, y, HB_STYLE_NORMAL,
                                       hb_glyph_spark(p->g, in > 1 ? 1 : in));
        }
}

/* A text on the axis, moved to where it does not stand over another. */
static void on_axis(const struct hb_paint *p, bool *taken, unsigned at, enum hb_style style, const char *text,
                    unsigned y) {
        unsigned w = hb_text_width(text, p->utf8);

        at = at + w > p->w ? p->w > w ? p->w - w : 0 : at;
        w = hb_paint_min(w, p->w - at);
        for (unsigned x = at; x < at + w; x++)
                if (taken[x])
                        return;
        for (unsigned x = at ? at - 1 : 0; x <= at + w && x < p->w; x++)
                taken[x] = true;
        hb_surface_text(p->s, p->x + at, y, w, style, text);
}

#define AXIS_MAX 4096u

static void draw_axis(const struct hb_paint *p, const struct hb_doc_counts *h, unsigned y) {
        bool taken[AXIS_MAX + 1] = {false};
        char text[96];

        if (p->w > AXIS_MAX)
                return;
        for (unsigned i = 0; i < h->nmarks; i++) {
                const struct hb_doc_mark *m = &h->marks[i];
                unsigned at = column_of(h, m->at, p->w);

                snprintf(text, sizeof(text), "|%.60s %.3g", m->label, m->at);
                on_axis(p, taken, at, m->style, text, y);
        }
        snprintf(text, sizeof(text), "%.3g", h->low);
        on_axis(p, taken, 0, HB_STYLE_DIM, text, y);
        snprintf(text, sizeof(text), "%.3g", h->high);
        on_axis(p, taken, p->w, HB_STYLE_DIM, text, y);
}

static void line(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y) {
        unsigned label = it->b->label[0] != '\0', rows = it->height - label - 1;

        if (label && i == 0)
                hb_surface_text(p->s, p->x, y, p->w, HB_STYLE_TITLE, it->b->label);
        else if (i + 1 == it->height)
                draw_axis(p, &it->b->histogram, y);
        else
                draw_row(p, &it->b->histogram, rows - 1 - (i - label), rows, y);
}

const struct hb_paint_ops hb_paint_histogram = {measure, line};
