/* paint_rows: the main table and the row that is selected in it. Nothing jumps: the selected object stays on
 * its line of the screen whatever comes, goes or is sorted above it, as far as the table's ends allow; a row
 * that is gone hands over to the one that now stands where it stood. */
#include "draw/paint_priv.h"
#include <stdio.h>
#include <string.h>

#define LOW 7u /* lines of a table below which each of them is for a row */

/* Which rows are seen, and where. */
struct rows {
        unsigned y, visible; /* the first row's line on the surface; lines for rows */
        unsigned top, chosen;
};

static void choose(const struct hb_paint *p, const struct hb_doc_table *t, struct rows *r) {
        struct hb_place_in_doc *place = p->place;
        unsigned n = hb_doc_rows(t), first = r->y - p->r.y, line;

        r->chosen = place->row[0] ? hb_doc_row_find(t, place->row) : 0;
        if (r->chosen >= n)
                r->chosen = hb_paint_min(place->row_index, n - 1);
        line = place->row_line > first ? hb_paint_min(place->row_line - first, r->visible - 1) : 0;
        r->top = r->chosen > line ? r->chosen - line : 0;
        r->top = hb_paint_min(r->top, n > r->visible ? n - r->visible : 0);
        place->row_line = first + r->chosen - r->top;
        place->row_index = r->chosen;
        snprintf(place->row, sizeof(place->row), "%s", hb_doc_row_id(t, r->chosen));
}

/* "12-30 of 500"; "" when all is seen. */
static const char *position(const struct hb_doc_table *t, unsigned first, unsigned last, char buf[64]) {
        unsigned n = hb_doc_rows(t), all = hb_doc_rows_all(t);

        buf[0] = '\0';
        if (last - first + 1 < n && n < all)
                snprintf(buf, 64, "%u-%u of %u, %u in all", first, last, n, all);
        else if (last - first + 1 < n)
                snprintf(buf, 64, "%u-%u of %u", first, last, n);
        else if (n < all)
                snprintf(buf, 64, "%u of %u rows", n, all);
        return buf;
}

/* Decided by the longest place there could be, so that scrolling changes nothing. In a low table rows are
 * worth more: there the place covers the last head (beside_heads). */
bool hb_paint_titled(const struct hb_paint *p, const struct hb_paint_item *it, unsigned height) {
        unsigned n = hb_doc_rows(it->b->table);
        char at[64];

        if (it->b->label[0])
                return true;
        if (!n || height < LOW || (n < height && n == hb_doc_rows_all(it->b->table)))
                return false;
        return it->table.heads + 2 + strlen(position(it->b->table, n, n, at)) > p->w;
}

static void title(const struct hb_paint *p, const struct hb_paint_item *it, const char *at, unsigned y) {
        unsigned w = (unsigned)strlen(at), used = hb_text_width(it->b->label, p->utf8);

        hb_surface_text(p->s, p->x, y, p->w, HB_STYLE_TITLE, it->b->label);
        if (!w || w > p->w)
                return;
        if (used + 2 + w > p->w) /* the place in the table says more than the end of a title */
                hb_surface_fill(p->s, p->x + p->w - w - (w < p->w), y, 1, 1, HB_STYLE_DIM, ' ');
        hb_surface_right(p->s, p->x, y, p->w, HB_STYLE_DIM, at);
}

/* Where the title has no line: beside the column heads, or over the end of them, if half of them is left. */
static void beside_heads(const struct hb_paint *p, const struct hb_paint_item *it, const char *at,
                         unsigned y) {
        unsigned w = (unsigned)strlen(at), x = p->w - hb_paint_min(w, p->w);

        if (!w || x < 2 || (it->table.heads + 2 > x && x < p->w / 2))
                return;
        hb_surface_text(p->s, p->x + x - 2, y, 2, HB_STYLE_DIM, "  ");
        hb_surface_text(p->s, p->x + x, y, w, HB_STYLE_DIM, at);
}

static void draw_rows(const struct hb_paint *p, const struct hb_paint_item *it, const struct rows *r) {
        unsigned n = hb_doc_rows(it->b->table);

        for (unsigned i = r->top; i < n && i < r->top + r->visible; i++) {
                unsigned y = r->y + i - r->top;

                hb_paint_table_row(p, it, i, y);
                if (i != r->chosen)
                        continue;
                if (it->table.sign)
                        hb_surface_put(p->s, p->x, y, HB_STYLE_STRONG, '>');
                hb_surface_choose(p->s, p->x, y, p->w);
                if (p->out->cursor_x < 0) {
                        p->out->cursor_x = (int)p->x;
                        p->out->cursor_y = (int)y;
                }
        }
}

static void draw_empty(const struct hb_paint *p, const struct hb_paint_item *it, unsigned y,
                       unsigned height) {
        unsigned lines = hb_paint_empty_lines(p, it->b->table), used = height > lines && it->b->label[0];

        if (used)
                title(p, it, "", y);
        for (unsigned i = 0; i < lines && used < height; i++)
                hb_paint_empty_line(p, it->b->table, i, y + used++);
}

void hb_paint_main_table(const struct hb_paint *p, const struct hb_paint_item *it, unsigned y,
                         unsigned height) {
        const struct hb_doc_table *t = it->b->table;
        unsigned n = hb_doc_rows(t);
        bool headed = height >= 3 || height + it->gap >= it->natural, titled;
        struct rows r = {.y = y};
        char at[64];

        if (!height)
                return;
        if (!n) {
                draw_empty(p, it, y, height);
                return;
        }
        titled = (height >= 4 || height + it->gap >= it->natural) && hb_paint_titled(p, it, height);
        r.y = y + titled + headed;
        r.visible = height - titled - headed;
        choose(p, t, &r);
        position(t, r.top + 1, hb_paint_min(n, r.top + r.visible), at);
        if (titled)
                title(p, it, at, y);
        if (headed)
                hb_paint_table_head(p, it, y + titled);
        if (headed && !titled)
                beside_heads(p, it, at, y);
        p->out->table_lines = r.visible;
        p->out->table_y = r.y;
        draw_rows(p, it, &r);
}
