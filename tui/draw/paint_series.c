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

static uint32_t dots(double left, double right) {
        static const uint8_t columns[2][5] = {{0, 0x40, 0x44, 0x46, 0x47}, {0, 0x80, 0xa0, 0xb0, 0xb8}};
        unsigned a = isnan(left) ? 0 : 1 + (unsigned)(left * 3 + 0.5),
                 b = isnan(right) ? 0 : 1 + (unsigned)(right * 3 + 0.5);

        return a || b ? 0x2800u | columns[0][a] | columns[1][b] : ' ';
}

static void draw_spark(const struct hb_paint *p, const struct hb_doc_block *b, unsigned x, unsigned y,
                       unsigned cells) {
        const struct hb_doc_values *v = &b->series;
        struct scale s = scale_of(v);

        for (unsigned i = 0; i < cells; i++) {
                uint32_t ch;

                if (p->g == HB_GLYPHS_BRAILLE)
                        ch = dots(place(v, s, 2 * (size_t)i, 2 * (size_t)cells),
                                  place(v, s, 2 * (size_t)i + 1, 2 * (size_t)cells));
                else
                        ch = hb_glyph_spark(p->g, place(v, s, i, cells));
                hb_surface_put(p->s, x + i, y, (enum hb_style)b->style, ch);
        }
}

/* "max 92 MiB/s" where there is room for it; returns its columns. */
#define EXTREME 18u
static void draw_most(const struct hb_paint *p, const struct hb_doc_block *b, unsigned x, unsigned y) {
        char buf[HB_DOC_SAID];
        double least, most;

        if (hb_doc_range(&b->series, &least, &most) && *hb_doc_say_like(b, most, buf))
                hb_surface_textf(p->s, x, y, EXTREME, HB_STYLE_DIM, "max %s", buf);
}

unsigned hb_paint_label(const struct hb_paint *p, const char *label, unsigned y) {
        if (!p->label)
                return 0;
        hb_surface_text(p->s, p->x, y, p->label, HB_STYLE_DIM, label);
        return p->label + 2;
}

static void measure(const struct hb_paint *p, struct hb_paint_item *it) {
        it->natural = it->least = 1;
}

static void line(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y) {
        unsigned x = hb_paint_label(p, it->b->label, y), extreme = p->w >= 64 ? EXTREME + 2 : 0, cells;
        const struct hb_doc_block *b = it->b;

        cells = x + p->said + 1 + extreme < p->w ? p->w - x - p->said - 1 - extreme : 0;
        if (cells < SPARK_LEAST || !b->series.n) {
                if (x < p->w)
                        hb_surface_text(p->s, p->x + x, y, p->w - x, (enum hb_style)b->style, b->text);
                return;
        }
        draw_spark(p, b, p->x + x, y, cells);
        hb_surface_text(p->s, p->x + x + cells + 1, y, p->said, (enum hb_style)b->style, b->text);
        if (extreme)
                draw_most(p, b, p->x + p->w - EXTREME, y);
}

const struct hb_paint_ops hb_paint_series = {measure, line};
