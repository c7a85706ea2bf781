/* paint_field: runs of "label  text" lines, aligned; two to four side by side where the surface is wide. How
 * many is decided by the width alone, so that a longer number moves nothing; a text too long for its place
 * has lines of its own. Cost: a line is found by walking the run. */
#include "draw/paint_priv.h"

#define PITCH      34u /* columns of a field that stands beside others */
#define SIDE_MAX   4u
#define ROOM_LEAST 10u /* for a text beside its label; with less it stands below */

/* Where a field stands in its run. */
struct spot {
        unsigned line, column, lines;
        bool own;         /* its lines have nothing else */
        unsigned x, room; /* of its text then; x too small for the label: it stands on a line before */
};

static const struct hb_doc_block *next_of(const struct hb_doc_block *b) {
        const struct hb_doc_block *next = b->next;

        while (next && next->aside != b->aside)
                next = next->next;
        return next;
}

static void shape(const struct hb_paint *p, struct hb_paint_item *it) {
        const struct hb_doc_block *b = it->b;
        struct hb_paint_field_shape *f = &it->fields;

        *f = (struct hb_paint_field_shape){.columns = 1, .pitch = p->w};
        for (unsigned i = 0; i < it->count; i++, b = next_of(b))
                f->label = hb_paint_max(f->label, hb_text_width(b->label, p->utf8));
        if (p->w >= 2 * PITCH && f->label + 2 + ROOM_LEAST + 2 <= PITCH)
                f->columns = hb_paint_min(p->w / PITCH, SIDE_MAX);
        f->pitch = p->w / f->columns;
        f->label = hb_paint_min(f->label, hb_paint_max(p->w * 2 / 5, 4));
}

static bool below(const struct hb_paint_field_shape *f, const struct spot *s) {
        return s->x < f->label + 2;
}

static struct spot own_spot(const struct hb_paint *p, const struct hb_paint_field_shape *f,
                            const struct hb_doc_block *b, unsigned line) {
        struct spot s = {.line = line, .own = true};

        s.x = p->w >= f->label + 2 + ROOM_LEAST ? f->label + 2 : p->w > 4 ? 2 : 0;
        s.room = p->w - s.x;
        s.lines = hb_paint_wrap_lines(b->text, s.room, p->utf8, false) + below(f, &s);
        return s;
}

/* The place of b, after what came before it up to *at. */
static struct spot place(const struct hb_paint *p, const struct hb_paint_field_shape *f,
                         const struct hb_doc_block *b, struct spot *at) {
        unsigned width = f->label + 2 + hb_text_width(b->text, p->utf8) + (f->columns > 1 ? 2 : 0);
        struct spot s = {.line = at->line, .column = at->column, .lines = 1};

        if (width <= f->pitch) {
                at->column = (s.column + 1) % f->columns;
                at->line += at->column == 0;
                return s;
        }
        s = own_spot(p, f, b, at->line + (at->column > 0));
        *at = (struct spot){.line = s.line + s.lines};
        return s;
}

static void measure(const struct hb_paint *p, struct hb_paint_item *it) {
        const struct hb_doc_block *b = it->b;
        struct spot at = {0};

        shape(p, it);
        for (unsigned i = 0; i < it->count; i++, b = next_of(b))
                place(p, &it->fields, b, &at);
        it->natural = at.line + (at.column > 0);
        it->least = it->natural;
}

static void draw_own(const struct hb_paint *p, const struct hb_paint_field_shape *f,
                     const struct hb_doc_block *b, const struct spot *s, unsigned i, unsigned y) {
        char buf[HB_PAINT_LINE];

        if (i == 0)
                hb_surface_text(p->s, p->x, y, below(f, s) ? p->w : f->label, HB_STYLE_DIM, b->label);
        if (below(f, s) && i-- == 0)
                return;
        hb_surface_text(p->s, p->x + s->x, y, s->room, (enum hb_style)b->style,
                        hb_paint_wrap_line(b->text, s->room, p->utf8, false, i, false, buf));
}

static void draw_beside(const struct hb_paint *p, const struct hb_paint_field_shape *f,
                        const struct hb_doc_block *b, const struct spot *s, unsigned y) {
        unsigned x = p->x + s->column * f->pitch;

        hb_surface_text(p->s, x, y, f->label, HB_STYLE_DIM, b->label);
        hb_surface_text(p->s, x + f->label + 2, y, f->pitch - f->label - 2, (enum hb_style)b->style, b->text);
}

static void line(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y) {
        const struct hb_paint_field_shape *f = &it->fields;
        const struct hb_doc_block *b = it->b;
        struct spot at = {0};

        for (unsigned k = 0; k < it->count && at.line <= i; k++, b = next_of(b)) {
                struct spot s = place(p, f, b, &at);

                if (s.own && i >= s.line && i < s.line + s.lines)
                        draw_own(p, f, b, &s, i - s.line, y);
                else if (!s.own && i == s.line)
                        draw_beside(p, f, b, &s, y);
        }
}

const struct hb_paint_ops hb_paint_fields = {measure, line};
