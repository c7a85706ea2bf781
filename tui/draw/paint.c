/* paint: a doc onto a surface: one column, or two on a wide one. What fits is decided in paint_layout.c.
 *
 * Invariants: nothing is drawn outside the rect; *place names a row that exists when there is one. Cost:
 * about a pass over the doc's cells for their widths, then only what is visible; no memory but a list of
 * items. */
#include "draw/paint.h"
#include "draw/paint_priv.h"

static void separator(const struct hb_paint *p, unsigned x) {
        hb_surface_fill(p->s, x, p->r.y, 1, p->r.h, HB_STYLE_DIM, hb_glyph_line(p->g, HB_LINE_V));
}

static unsigned two_columns(struct hb_paint *p) {
        unsigned left = hb_doc_room(p->r.w, false), more, aside;

        p->x = p->r.x;
        p->w = left;
        more = hb_paint_column(p, 0);
        separator(p, p->r.x + left + 1);
        p->x = p->r.x + left + 3;
        p->w = hb_doc_room(p->r.w, true);
        aside = hb_paint_column(p, 1);
        return hb_paint_max(more, aside);
}

static unsigned one_column(struct hb_paint *p) {
        p->x = p->r.x;
        p->w = p->r.w;
        return hb_paint_column(p, -1);
}

static struct hb_rect inside(const hb_surface *s, struct hb_rect r) {
        unsigned w = hb_surface_width(s), h = hb_surface_height(s);

        r.x = hb_paint_min(r.x, w);
        r.y = hb_paint_min(r.y, h);
        r.w = hb_paint_min(r.w, w - r.x);
        r.h = hb_paint_min(r.h, h - r.y);
        return r;
}

void hb_paint_doc(hb_surface *s, struct hb_rect r, const hb_doc *d, enum hb_glyphs g, bool mark_letters,
                  struct hb_place_in_doc *place, struct hb_paint_result *ret) {
        struct hb_paint p = {
                .s = s,
                .d = d,
                .utf8 = hb_surface_utf8(s),
                .mono = mark_letters,
                .r = inside(s, r),
                .place = place,
                .out = ret,
        };
        unsigned more;

        *ret = (struct hb_paint_result){.cursor_x = -1, .cursor_y = -1};
        p.g = p.utf8 ? g : HB_GLYPHS_ASCII;
        p.letters = mark_letters || p.g == HB_GLYPHS_ASCII;
        if (!p.r.w || !p.r.h)
                return;
        if (!d || d->incomplete) {
                hb_surface_text(s, p.r.x, p.r.y, p.r.w, HB_STYLE_BAD,
                                d ? "! no memory: some of this is missing" : "! no memory to show this");
                p.r.y++;
                p.r.h--;
        }
        if (!d || !p.r.h)
                return;
        p.h = p.r.h;
        more = p.r.w >= HB_DOC_WIDE && d->has_aside ? two_columns(&p) : one_column(&p);
        place->scroll = hb_paint_min(place->scroll, more);
}
