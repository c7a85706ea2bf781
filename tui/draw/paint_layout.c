/* paint_layout: who gets how many lines of a column.
 *
 * With a main table: the other blocks have what they want as long as a third of the height (where that is
 * little, half; three lines at least) is left for it; beyond that the largest of them shrinks first, and what
 * still does not fit is scrolled. Without one: pictures shrink, the rest scrolls. So what is important stands
 * first in a doc. Whether there are blank lines between blocks follows from the height alone: a row more or
 * less must not move everything. */
#include "base/fault.h"
#include "draw/paint_priv.h"
#include <stdlib.h>

#define LOW  16u /* lines below which the main table has half of them */
#define AIRY 30u /* lines from which on blocks have a blank line between them */

static const struct hb_paint_ops *ops_of(enum hb_block_kind kind) {
        static const struct hb_paint_ops *const ops[] = {
                [HB_BLOCK_HEADING] = &hb_paint_heading,     [HB_BLOCK_FIELD] = &hb_paint_fields,
                [HB_BLOCK_NOTE] = &hb_paint_note,           [HB_BLOCK_TABLE] = &hb_paint_table,
                [HB_BLOCK_SERIES] = &hb_paint_series,       [HB_BLOCK_BAR] = &hb_paint_bar,
                [HB_BLOCK_HISTOGRAM] = &hb_paint_histogram, [HB_BLOCK_GRID] = &hb_paint_grid,
                [HB_BLOCK_TEXT] = &hb_paint_text,
        };

        return ops[kind];
}

struct column {
        struct hb_paint_item *items;
        unsigned n, main; /* main: n when there is none */
};

/* ---- what stands in it ---- */

static void add(struct column *c, const struct hb_doc_block *b) {
        struct hb_paint_item *last = c->n ? &c->items[c->n - 1] : NULL;

        if (b->kind == HB_BLOCK_FIELD && last && last->b->kind == HB_BLOCK_FIELD &&
            last->b->aside == b->aside) {
                last->count++;
                return;
        }
        c->items[c->n++] = (struct hb_paint_item){.b = b, .count = 1};
}

static void collect(const struct hb_paint *p, int aside, struct column *c) {
        for (int side = 0; side < 2; side++)
                for (const struct hb_doc_block *b = p->d->first; b; b = b->next)
                        if (b->aside == side && (aside < 0 || aside == side)) {
                                add(c, b);
                                if (b->main)
                                        c->main = c->n - 1;
                        }
        if (c->main > c->n)
                c->main = c->n;
}

static void measure_labels(struct hb_paint *p, const struct column *c) {
        p->label = p->said = 0;
        for (unsigned i = 0; i < c->n; i++) {
                const struct hb_doc_block *b = c->items[i].b;

                if (b->kind != HB_BLOCK_SERIES && b->kind != HB_BLOCK_BAR)
                        continue;
                p->label = hb_paint_max(p->label, hb_text_width(b->label, p->utf8));
                if (b->kind == HB_BLOCK_SERIES)
                        p->said = hb_paint_max(p->said, hb_text_width(b->text, p->utf8));
        }
        p->label = hb_paint_min(p->label, hb_paint_min(hb_paint_max(p->w / 3, 8), p->w));
        p->said = hb_paint_min((p->said + 3) & ~3u, p->w / 2); /* so that a digit more does not move it */
}

/* it: not the first item. */
static bool wants_gap(const struct hb_paint_item *it) {
        switch (it->b->kind) {
        case HB_BLOCK_HEADING:
                return true;
        case HB_BLOCK_SERIES:
                return it->natural > 1 && it[-1].b->kind == HB_BLOCK_SERIES;
        case HB_BLOCK_TABLE:
        case HB_BLOCK_GRID:
        case HB_BLOCK_TEXT:
        case HB_BLOCK_HISTOGRAM:
                return it->b->label[0];
        default:
                return false;
        }
}

static void measure(const struct hb_paint *p, struct column *c) {
        for (unsigned i = 0; i < c->n; i++) {
                struct hb_paint_item *it = &c->items[i];

                ops_of(it->b->kind)->measure(p, it);
                it->gap = i > 0 && p->h >= AIRY && wants_gap(it);
                it->height = it->natural += it->gap;
                it->least = hb_paint_min(it->least + it->gap, it->natural);
        }
}

/* ---- who gives way ---- */

static unsigned lines_of_others(const struct column *c) {
        unsigned n = 0;

        for (unsigned i = 0; i < c->n; i++)
                n += i == c->main ? 0 : c->items[i].height;
        return n;
}

/* Without a main table what has more lines than it can show could not be reached: only pictures shrink. */
static bool may_shrink(const struct column *c, unsigned i) {
        enum hb_block_kind kind = c->items[i].b->kind;

        if (i == c->main || c->items[i].height <= c->items[i].least)
                return false;
        return c->main < c->n || kind == HB_BLOCK_GRID || kind == HB_BLOCK_HISTOGRAM;
}

static void shrink(struct column *c, unsigned lines) {
        for (unsigned total = lines_of_others(c); total > lines; total--) {
                struct hb_paint_item *largest = NULL;

                for (unsigned i = 0; i < c->n; i++)
                        if (may_shrink(c, i) && (!largest || c->items[i].height > largest->height))
                                largest = &c->items[i];
                if (!largest)
                        return;
                largest->height--;
        }
}

/* Nobody has more lines than `most`, so that shrinking takes no longer than a screen is high. */
static void bound(struct column *c, unsigned most) {
        for (unsigned i = 0; i < c->n; i++)
                if (may_shrink(c, i) && c->items[i].height > most)
                        c->items[i].height = hb_paint_max(most, c->items[i].least);
}

static unsigned least_of_others(const struct column *c) {
        unsigned n = lines_of_others(c);

        for (unsigned i = 0; i < c->n; i++)
                n -= may_shrink(c, i) ? c->items[i].height - c->items[i].least : 0;
        return n;
}

/* Series are equally high, or they could not be compared: all of them have fewer lines, down to one. */
static void flatten(struct column *c, unsigned lines) {
        for (unsigned rows = 2; rows > 0 && lines_of_others(c) > lines; rows--)
                for (unsigned i = 0; i < c->n; i++) {
                        struct hb_paint_item *it = &c->items[i];

                        if (it->b->kind != HB_BLOCK_SERIES || it->natural - it->gap <= rows)
                                continue;
                        it->gap = it->gap && rows > 1;
                        it->natural = it->height = it->least = rows + it->gap;
                }
}

/* Returns the lines that are left to the other blocks. */
static unsigned share_out(const struct hb_paint *p, struct column *c) {
        unsigned keep = 0, others;

        flatten(c, p->h);
        bound(c, p->h);
        if (c->main < c->n) {
                keep = p->h < LOW ? (p->h + 1) / 2 : p->h / 3;
                keep = hb_paint_min(c->items[c->main].natural, hb_paint_max(keep, 3));
                keep = hb_paint_min(keep, p->h);
        }
        if (c->main < c->n || least_of_others(c) <= p->h)
                shrink(c, p->h - keep);
        else /* it scrolls anyway: with pictures worth seeing */
                bound(c, p->h - p->h / 3);
        others = hb_paint_min(lines_of_others(c), p->h - keep);
        if (c->main < c->n)
                c->items[c->main].height = hb_paint_min(c->items[c->main].natural, p->h - others);
        return others;
}

/* ---- drawing ---- */

/* Lines [first, first + n) of the other blocks are seen; the last of them may be a mark that there are more.
 */
struct window {
        unsigned first, n, all;
        bool marked;
};

static void draw_line(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y) {
        struct hb_paint_item inner = *it;

        if (it->gap && i == 0)
                return;
        inner.height -= it->gap;
        inner.natural -= it->gap;
        ops_of(it->b->kind)->line(p, &inner, i - it->gap, y);
}

static void draw_mark(const struct hb_paint *p, const struct window *v, unsigned y) {
        hb_surface_textf(p->s, p->x, y, p->w, HB_STYLE_DIM,
                         p->w < 30 ? "%u-%u of %u" : "-- lines %u-%u of %u --", v->first + 1,
                         v->first + v->n - 1, v->all);
}

static void draw_main(const struct hb_paint *p, const struct hb_paint_item *it, unsigned y) {
        unsigned gap = it->gap && it->height > 3;

        hb_paint_main_table(p, it, y + gap, it->height - gap);
}

static void draw(const struct hb_paint *p, const struct column *c, const struct window *v) {
        unsigned y = p->r.y, at = 0;

        for (unsigned k = 0; k < c->n; k++) {
                const struct hb_paint_item *it = &c->items[k];

                if (k == c->main) {
                        draw_main(p, it, y);
                        y += it->height;
                        continue;
                }
                for (unsigned i = 0; i < it->height; i++, at++) {
                        if (at < v->first || at >= v->first + v->n)
                                continue;
                        if (v->marked && at + 1 == v->first + v->n)
                                draw_mark(p, v, y++);
                        else
                                draw_line(p, it, i, y++);
                }
        }
}

static unsigned paint_items(struct hb_paint *p, struct column *c) {
        struct window v;
        unsigned more;

        p->main = c->main < c->n;
        measure_labels(p, c);
        measure(p, c);
        v.n = share_out(p, c);
        v.all = lines_of_others(c);
        v.marked = v.all > v.n && v.n > 2;
        more = v.all - (v.n - v.marked);
        more = v.n ? more : 0;
        v.first = hb_paint_min(p->place->scroll, more);
        draw(p, c, &v);
        if (p->out->lines <= p->out->shown) {
                p->out->lines = v.all;
                p->out->shown = v.n - v.marked;
        }
        return more;
}

unsigned hb_paint_column(struct hb_paint *p, int aside) {
        struct column c = {.main = UINT32_MAX};
        unsigned more = 0;

        c.items = hb_fault("paint.items") ? NULL : calloc(p->d->nblocks + 1, sizeof(*c.items));
        if (!c.items) {
                hb_surface_text(p->s, p->x, p->r.y, p->w, HB_STYLE_BAD, "! no memory to show this");
                return 0;
        }
        collect(p, aside, &c);
        if (c.n)
                more = paint_items(p, &c);
        free(c.items);
        return more;
}
