/* paint_table: a table's heads, its rows, and what is said where it has none; and tables that are not the
 * main one, which show their first rows and how many there are more. */
#include "draw/paint_priv.h"
#include "draw/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

void hb_paint_table_head(const struct hb_paint *p, const struct hb_paint_item *it, unsigned y) {
        const struct hb_doc_table *t = it->b->table;
        const struct hb_paint_table_shape *s = &it->table;
        unsigned x = p->x + s->sign, end = p->x + p->w;

        for (unsigned i = 0; i < t->ncolumns && x < end; i++) {
                unsigned w = hb_paint_min(s->width[i], end - x), arrow = hb_paint_sorted_by(t, i) && w > 1, n;
                const char *title = t->columns[i].title;

                if (!w)
                        continue;
                n = hb_paint_min(hb_text_width(title, p->utf8), w - arrow);
                n = hb_surface_text(p->s, x + (t->columns[i].right ? w - arrow - n : 0), y, n,
                                    HB_STYLE_COLUMN, title);
                if (arrow)
                        hb_surface_put(p->s, x + (t->columns[i].right ? w - 1 : n), y, HB_STYLE_COLUMN,
                                       hb_glyph_line(p->g, t->how.descending ? HB_LINE_DOWN : HB_LINE_UP));
                x += w + s->gap;
        }
}

static unsigned draw_bar(const struct hb_paint *p, const struct hb_paint_table_shape *s,
                         const struct hb_doc_cell_data *c, unsigned x, unsigned y, unsigned w) {
        double cells = (double)c->share * s->bar;

        if (!s->bar || w <= s->bar)
                return 0;
        for (unsigned i = 0; i < s->bar; i++) {
                uint32_t ch = cells > i ? hb_glyph_bar(p->g, fmin(cells - i, 1)) : ' ';

                if (ch != ' ')
                        hb_surface_put(p->s, x + i, y, (enum hb_style)c->style, ch);
                else
                        hb_surface_put(p->s, x + i, y, HB_STYLE_DIM,
                                       isnan(c->share) ? '?' : hb_glyph_line(p->g, HB_LINE_DOT));
        }
        return s->bar + 1;
}

/* What the filter found in a text that was drawn from x on. */
static void mark_found(const struct hb_paint *p, const struct hb_doc_filter *f, unsigned column,
                       const char *text, unsigned x, unsigned y, unsigned w) {
        unsigned left = 0, at = 0;

        while (*text && at < w) {
                const struct hb_cell *cell = hb_surface_at(p->s, x + at, y);

                left = hb_paint_max(left, hb_doc_filter_begins(f, column, text));
                if (left > 0 && cell && cell->ch) {
                        hb_surface_put(p->s, x + at, y, HB_STYLE_FOUND, cell->ch);
                        left--;
                }
                at += hb_char_width(hb_text_next(&text, p->utf8));
        }
}

static void draw_cell(const struct hb_paint *p, const struct hb_paint_item *it, unsigned column,
                      const struct hb_doc_cell_data *c, unsigned x, unsigned y, unsigned w) {
        const struct hb_doc_table *t = it->b->table;
        unsigned bar = c->bar ? draw_bar(p, &it->table, c, x, y, w) : 0,
                 width = hb_doc_cell_width(c, p->utf8);
        bool number = c->bar && c->text[0] >= '0' && c->text[0] <= '9';

        x += bar;
        w -= bar;
        if ((t->columns[column].right || number) && width < w) /* so that a digit more moves nothing */
                x += w - width;
        w = hb_paint_min(width, w);
        hb_surface_text(p->s, x, y, w, (enum hb_style)c->style, c->text);
        if (t->filter)
                mark_found(p, t->filter, column, c->text, x, y, w);
}

void hb_paint_table_row(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y) {
        const struct hb_doc_table *t = it->b->table;
        const struct hb_doc_row_data *r = hb_doc_row_at(t, i);
        const struct hb_paint_table_shape *s = &it->table;
        unsigned x = p->x + s->sign, end = p->x + p->w;

        for (unsigned k = 0; k < r->n && x < end; k++) {
                unsigned w = hb_paint_min(s->width[k], end - x);

                if (!w)
                        continue;
                draw_cell(p, it, k, &r->cells[k], x, y, w);
                x += w + s->gap;
        }
}

/* ---- a table without a row ---- */

static const char *why_empty(const struct hb_doc_table *t, char buf[160]) {
        if (!t->nrows)
                return *t->empty ? t->empty : "none";
        snprintf(buf, 160, "no row has \"%s\" (%u without the filter)", t->how.filter, t->nrows);
        return buf;
}

unsigned hb_paint_empty_lines(const struct hb_paint *p, const struct hb_doc_table *t) {
        char buf[160];

        return hb_paint_wrap_lines(why_empty(t, buf), p->w, p->utf8, false);
}

void hb_paint_empty_line(const struct hb_paint *p, const struct hb_doc_table *t, unsigned i, unsigned y) {
        char buf[HB_PAINT_LINE], why[160];

        hb_surface_text(p->s, p->x, y, p->w, HB_STYLE_DIM,
                        hb_paint_wrap_line(why_empty(t, why), p->w, p->utf8, false, i, false, buf));
}

/* ---- as a block ---- */

static void measure(const struct hb_paint *p, struct hb_paint_item *it) {
        const struct hb_doc_table *t = it->b->table;
        unsigned n = hb_doc_rows(t), head;

        hb_paint_columns(p, it, &it->table);
        head = it->b->main ? hb_paint_titled(p, it, UINT32_MAX) : it->b->label[0] != '\0';
        it->natural = head + (n ? n + 1 : hb_paint_empty_lines(p, t));
        it->least = hb_paint_min(it->natural, head + 4);
}

/* Of a table that is not the main one: the last line says how many rows are not seen. */
static void line(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y) {
        const struct hb_doc_table *t = it->b->table;
        unsigned n = hb_doc_rows(t);

        if (it->b->label[0]) {
                if (i == 0) {
                        hb_surface_text(p->s, p->x, y, p->w, HB_STYLE_TITLE, it->b->label);
                        return;
                }
                i--;
        }
        if (!n)
                hb_paint_empty_line(p, t, i, y);
        else if (i == 0)
                hb_paint_table_head(p, it, y);
        else if (it->height < it->natural && i + 1 + (it->b->label[0] != '\0') == it->height)
                hb_surface_textf(p->s, p->x, y, p->w, HB_STYLE_DIM, "... %u more", n - (i - 1));
        else
                hb_paint_table_row(p, it, i - 1, y);
}

const struct hb_paint_ops hb_paint_table = {measure, line};
