/* paint_bar: parts of a whole as cells of a line, and their legend. The first cell of a part has its letter,
 * so that no colour is needed to tell them apart; where there are none every cell has it. */
#include "draw/doc_words_priv.h"
#include "draw/paint_priv.h"
#include <math.h>
#include <string.h>

/* ---- cells ---- */

static unsigned one_each(const double *v, unsigned n, unsigned cells, unsigned *ret) {
        unsigned used = 0;

        for (unsigned i = 0; i < n; i++)
                if (v[i] > 0 && ret[i] == 0 && used < cells) {
                        ret[i] = 1;
                        used++;
                }
        return used;
}

static unsigned sum(const unsigned *v, unsigned n) {
        unsigned s = 0;

        for (unsigned i = 0; i < n; i++)
                s += v[i];
        return s;
}

static unsigned *largest(unsigned *v, unsigned n) {
        unsigned at = 0;

        for (unsigned i = 1; i < n; i++)
                at = v[i] > v[at] ? i : at;
        return &v[at];
}

/* The method of largest remainders; then what has nothing takes a cell from who has most. */
void hb_paint_share_cells(const double *v, unsigned n, double total, unsigned cells, unsigned *ret) {
        double rest[HB_DOC_PARTS_MAX], all = 0;
        unsigned want;

        for (unsigned i = 0; i < n; i++) {
                double exact = total > 0 ? v[i] / total * cells : 0;

                ret[i] = (unsigned)exact;
                rest[i] = exact - ret[i];
                all += exact;
        }
        want = hb_paint_min((unsigned)(all + 0.5), cells);
        while (sum(ret, n) < want) {
                unsigned at = 0;

                for (unsigned i = 1; i < n; i++)
                        at = rest[i] > rest[at] ? i : at;
                ret[at]++;
                rest[at] = -1;
        }
        one_each(v, n, cells, ret);
        while (sum(ret, n) > cells)
                --*largest(ret, n);
}

/* ---- drawing ---- */

static unsigned room(const struct hb_paint *p, unsigned *ret_x) {
        *ret_x = p->label ? p->label + 2 : 0;
        if (p->w < *ret_x + 4)
                *ret_x = 0;
        return p->w - *ret_x;
}

static void draw_cells(const struct hb_paint *p, const struct hb_doc_parts *bar, unsigned x, unsigned y,
                       unsigned cells) {
        unsigned share[HB_DOC_PARTS_MAX], at = 0;
        double v[HB_DOC_PARTS_MAX];

        for (unsigned i = 0; i < bar->n; i++)
                v[i] = hb_doc_part_value(&bar->part[i]);
        hb_paint_share_cells(v, bar->n, hb_doc_bar_total(bar), cells, share);
        for (unsigned i = 0; i < bar->n; i++)
                for (unsigned k = 0; k < share[i]; k++, at++) {
                        const struct hb_doc_part *part = &bar->part[i];
                        bool letter = part->letter && (k == 0 || p->letters);

                        hb_surface_put(p->s, x + at, y, part->style,
                                       letter ? (unsigned char)part->letter : hb_glyph_bar(p->g, 1));
                }
        hb_surface_fill(p->s, x + at, y, cells - at, 1, HB_STYLE_DIM, hb_glyph_line(p->g, HB_LINE_DOT));
}

static unsigned indent_of(const struct hb_paint *p) {
        return p->w >= 60 && p->label ? p->label + 2 : p->w > 30 ? 2 : 0;
}

static void measure(const struct hb_paint *p, struct hb_paint_item *it) {
        const struct hb_doc_parts *bar = &it->b->bar;

        it->natural = 1 + hb_paint_legend_lines(p, bar->part, bar->n, indent_of(p));
        it->least = 1;
}

static void line(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y) {
        const struct hb_doc_parts *bar = &it->b->bar;
        unsigned x, cells = room(p, &x);

        if (i > 0) {
                hb_paint_legend(p, bar->part, bar->n, indent_of(p), i - 1, y);
                return;
        }
        if (x)
                hb_surface_text(p->s, p->x, y, p->label, HB_STYLE_DIM, it->b->label);
        draw_cells(p, bar, p->x + x, y, cells);
}

const struct hb_paint_ops hb_paint_bar = {measure, line};
