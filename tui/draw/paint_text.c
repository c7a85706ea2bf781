/* paint_text: headings, notes and preformatted lines. What does not fit goes on below, further in; a line
 * that is cut off says so with the surface's sign for "more". */
#include "draw/paint_priv.h"

/* ---- headings ---- */

static void heading_measure(const struct hb_paint *p, struct hb_paint_item *it) {
        it->natural = it->least = 1;
}

static void heading_line(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y) {
        hb_surface_text(p->s, p->x, y, p->w, HB_STYLE_TITLE, it->b->label);
}

const struct hb_paint_ops hb_paint_heading = {heading_measure, heading_line};

/* ---- notes ---- */

static unsigned note_indent(const struct hb_paint *p, const struct hb_doc_block *b) {
        return b->sign && p->w > 4 ? 2 : 0;
}

static void note_measure(const struct hb_paint *p, struct hb_paint_item *it) {
        unsigned indent = note_indent(p, it->b);

        it->natural = hb_paint_wrap_lines(it->b->text, p->w - indent, p->utf8, false);
        it->least = 1;
}

static void note_line(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y) {
        unsigned indent = note_indent(p, it->b), w = p->w - indent;
        enum hb_style style = (enum hb_style)it->b->style;
        bool last = i + 1 == it->height;
        char buf[HB_PAINT_LINE];

        if (indent && i == 0)
                hb_surface_put(p->s, p->x, y, style, (unsigned char)it->b->sign);
        hb_surface_text(p->s, p->x + indent, y, w, style,
                        hb_paint_wrap_line(it->b->text, w, p->utf8, false, i, last, buf));
}

const struct hb_paint_ops hb_paint_note = {note_measure, note_line};

/* ---- preformatted ---- */

static unsigned pieces(const struct hb_paint *p, const struct hb_doc_lines *l, unsigned k) {
        unsigned width = l->width[k];

        if (width == HB_DOC_ASK_WIDTH)
                return hb_paint_wrap_lines(l->line[k], p->w, p->utf8, true);
        return width ? (width + p->w - 1) / p->w : 1;
}

/* A long text is measured once a painting, and its lines are found by halving. */
static void text_measure(const struct hb_paint *p, struct hb_paint_item *it) {
        const struct hb_doc_lines *l = &it->b->lines;
        unsigned n = 0;

        for (unsigned k = 0; k < l->n; k++)
                l->end[k] = n += pieces(p, l, k);
        it->natural = n + (it->b->label[0] != '\0');
        it->least = hb_paint_min(it->natural, 3);
}

/* The line of the text that line i of the screen shows; *ret: which piece of it. */
static unsigned line_at(const struct hb_doc_lines *l, unsigned i, unsigned *ret) {
        unsigned low = 0, high = l->n;

        while (low < high) {
                unsigned mid = low + (high - low) / 2;

                if (l->end[mid] <= i)
                        low = mid + 1;
                else
                        high = mid;
        }
        *ret = i - (low ? l->end[low - 1] : 0);
        return low;
}

static enum hb_style style_of(const struct hb_doc_lines *l, unsigned k) {
        if (!l->diff)
                return HB_STYLE_NORMAL;
        switch (l->line[k][0]) {
        case '+':
                return HB_STYLE_GOOD;
        case '-':
                return HB_STYLE_BAD;
        case '@':
                return HB_STYLE_NOTE;
        default:
                return HB_STYLE_NORMAL;
        }
}

static void text_line(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y) {
        const struct hb_doc_lines *l = &it->b->lines;
        bool more = i + 1 == it->height && it->height < it->natural;
        char buf[HB_PAINT_LINE];
        unsigned k, piece;

        if (it->b->label[0] && i-- == 0) {
                hb_surface_text(p->s, p->x, y, p->w, HB_STYLE_TITLE, it->b->label);
                return;
        }
        k = line_at(l, i, &piece);
        if (more)
                hb_surface_text(p->s, p->x, y, p->w, HB_STYLE_DIM, "... more");
        else if (k < l->n)
                hb_surface_text(p->s, p->x, y, p->w, style_of(l, k),
                                hb_paint_wrap_line(l->line[k], p->w, p->utf8, true, piece, false, buf));
}

const struct hb_paint_ops hb_paint_text = {text_measure, text_line};
