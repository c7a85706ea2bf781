/* paint_series: values over time as a line of cells, newest at the right. More values than cells are put
 * together by their greatest, so that a peak is never lost. Braille has two values a cell with four levels,
 * blocks one with eight. */
#include "draw/doc_words_priv.h"
#include "draw/paint_priv.h"
#include <math.h>
#include <string.h>

#define SPARK_LEAST 6u

struct scale {
        double least, most;
};

static struct scale scale_of(const struct hb_doc_values *v) {
        struct scale s = {0, 0};

        hb_doc_range(v, &s.least, &s.most);
        if (v->floor_is_zero)
                s.least = fmin(s.least, 0);
        return s;
}

/* 0..1 of the height; a line that never moved stands at its floor if that is zero, else in the middle. */
static double share(const struct hb_doc_values *v, struct scale s, double value) {
        if (!isfinite(value))
                return NAN;
        if (!(s.most > s.least))
                return v->floor_is_zero ? 0 : 0.5;
        return (value - s.least) / (s.most - s.least);
}

/* The greatest known of the values that fall to place i of n; there are at least as many values as places. */
static double at(const struct hb_doc_values *v, size_t i, size_t n) {
        double most = NAN;

        for (size_t k = i * v->n / n; k < (i + 1) * v->n / n; k++)
                if (isfinite(v->v[k]) && !(most >= v->v[k]))
                        most = v->v[k];
        return most;
}

/* Place i of `places`: values stand at the right where they are fewer. */
static double place(const struct hb_doc_values *v, struct scale s, size_t i, size_t places) {
        if (v->n >= places)
                return share(v, s, at(v, i, places));
        return i < places - v->n ? NAN : share(v, s, v->v[i - (places - v->n)]);
}

/* Of a column of dots `rows` cells high, those in the cell `row` from below: 0..4. What is known has one. */
static unsigned dots(double share, unsigned row, unsigned rows) {
        unsigned all = isnan(share) ? 0 : 1 + (unsigned)(share * (4 * rows - 1) + 0.5);

        return all > 4 * row ? hb_paint_min(all - 4 * row, 4) : 0;
}

static uint32_t braille(double left, double right, unsigned row, unsigned rows) {
        static const uint8_t columns[2][5] = {{0, 0x40, 0x44, 0x46, 0x47}, {0, 0x80, 0xa0, 0xb0, 0xb8}};
        unsigned a = dots(left, row, rows), b = dots(right, row, rows);

        return a || b ? 0x2800u | columns[0][a] | columns[1][b] : ' ';
}

static uint32_t block(const struct hb_paint *p, double share, unsigned row, unsigned rows) {
        double in = share * rows - row;

        return row && !(in > 0) ? ' ' : hb_glyph_spark(p->g, in > 1 ? 1 : in);
}

struct spark {
        unsigned cells, row, rows; /* row: from below */
};

static void draw_spark(const struct hb_paint *p, const struct hb_doc_block *b, const struct spark *k,
                       unsigned x, unsigned y) {
        const struct hb_doc_values *v = &b->series;
        struct scale s = scale_of(v);
        size_t n = k->cells;

        for (unsigned i = 0; i < n; i++) {
                uint32_t ch;

                if (p->g == HB_GLYPHS_BRAILLE)
                        ch = braille(place(v, s, 2 * (size_t)i, 2 * n), place(v, s, 2 * (size_t)i + 1, 2 * n),
                                     k->row, k->rows);
                else
                        ch = block(p, place(v, s, i, n), k->row, k->rows);
                hb_surface_put(p->s, x + i, y, (enum hb_style)b->style, ch);
        }
}

/* "max 92 MiB/s" where there is room for it; returns its columns. */
#define EXTREME 18u
static void draw_most(const struct hb_paint *p, const struct hb_doc_block *b, unsigned x, unsigned y) {
        char buf[HB_DOC_SAID];
        double least, most;

        if (b->series.n > 1 && hb_doc_range(&b->series, &least, &most) && *hb_doc_say_like(b, most, buf))
                hb_surface_textf(p->s, x, y, EXTREME, HB_STYLE_DIM, "max %s", buf);
}

#define HIGH   36u /* lines of a column from which on a series has two, or three */
#define HIGHER 50u

static unsigned after_label(const struct hb_paint *p) {
        return p->label ? p->label + 2 : 0;
}

static unsigned columns_for_most(const struct hb_paint *p) {
        return p->w >= 64 ? EXTREME + 2 : 0;
}

/* Cells of the picture; 0: there is only text. */
static unsigned cells_of(const struct hb_paint *p, const struct hb_doc_block *b) {
        unsigned rest = after_label(p) + p->said + 1 + columns_for_most(p);

        return b->series.n && rest + SPARK_LEAST <= p->w ? p->w - rest : 0;
}

static void measure(const struct hb_paint *p, struct hb_paint_item *it) {
        it->natural = p->main || p->h < HIGH ? 1 : p->h < HIGHER ? 2 : 3;
        if (!cells_of(p, it->b))
                it->natural = 1;
        it->least = it->natural;
}

static void draw_texts(const struct hb_paint *p, const struct hb_doc_block *b, unsigned x, unsigned y) {
        hb_surface_text(p->s, p->x, y, p->label, HB_STYLE_DIM, b->label);
        if (x < p->w)
                hb_surface_text(p->s, p->x + x, y, p->w - x, (enum hb_style)b->style, b->text);
}

static void line(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y) {
        struct spark k = {.cells = cells_of(p, it->b), .rows = it->height, .row = it->height - 1 - i};
        unsigned x = after_label(p);

        if (k.cells)
                draw_spark(p, it->b, &k, p->x + x, y);
        if (i == 0)
                draw_texts(p, it->b, k.cells ? x + k.cells + 1 : x, y);
        if (i == 0 && k.cells && columns_for_most(p))
                draw_most(p, it->b, p->x + p->w - EXTREME, y);
}

const struct hb_paint_ops hb_paint_series = {measure, line};
