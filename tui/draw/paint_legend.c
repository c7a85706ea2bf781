/* paint_legend: what the letters and colours of a picture mean, one after the other, never parted from its
 * sign. */
#include "draw/paint_priv.h"

#define BETWEEN 2u

/* The sign a part has in the picture. */
static uint32_t sign_of(const struct hb_paint *p, const struct hb_doc_part *part) {
        bool heat = part->style >= HB_STYLE_HEAT0 && part->style <= HB_STYLE_HEAT5;

        if (heat && !(p->letters && part->letter))
                return hb_glyph_heat(p->g, (unsigned)(part->style - HB_STYLE_HEAT0));
        return part->letter ? (unsigned char)part->letter : hb_glyph_bar(p->g, 1);
}

static unsigned width_of(const struct hb_paint *p, const struct hb_doc_part *part) {
        unsigned text = hb_text_width(part->text, p->utf8);

        return 2 + hb_text_width(part->label, p->utf8) + (text ? text + 1 : 0);
}

/* Moves *line and *x to where the part stands. */
static void advance(const struct hb_paint *p, unsigned width, unsigned indent, unsigned *line, unsigned *x) {
        if (*x > indent && *x + width > p->w) {
                (*line)++;
                *x = indent;
        }
}

unsigned hb_paint_legend_lines(const struct hb_paint *p, const struct hb_doc_part *parts, unsigned n,
                               unsigned indent) {
        unsigned line = 0, x = indent;

        for (unsigned i = 0; i < n; i++) {
                unsigned width = width_of(p, &parts[i]);

                advance(p, width, indent, &line, &x);
                x += width + BETWEEN;
        }
        return n ? line + 1 : 0;
}

static void draw(const struct hb_paint *p, const struct hb_doc_part *part, unsigned x, unsigned y) {
        unsigned end = p->x + p->w, used = 2;

        x += p->x;
        hb_surface_put(p->s, x, y, part->style, sign_of(p, part));
        used += hb_surface_text(p->s, x + used, y, end > x + used ? end - x - used : 0, HB_STYLE_NORMAL,
                                part->label);
        used++;
        hb_surface_text(p->s, x + used, y, end > x + used ? end - x - used : 0, HB_STYLE_NORMAL, part->text);
}

void hb_paint_legend(const struct hb_paint *p, const struct hb_doc_part *parts, unsigned n, unsigned indent,
                     unsigned line, unsigned y) {
        unsigned at = 0, x = indent;

        for (unsigned i = 0; i < n && at <= line; i++) {
                unsigned width = width_of(p, &parts[i]);

                advance(p, width, indent, &at, &x);
                if (at == line && x + 2 < p->w)
                        draw(p, &parts[i], x, y);
                x += width + BETWEEN;
        }
}
