/* paint_grid: a heat map: a title, lines of cells with their labels, a legend. In a low place the lines
 * around the chosen cell are shown. Heat is drawn as ink that grows; a class has its letter in the first cell
 * of a stretch, so that no colour is needed. */
#include "draw/paint_priv.h"
#include <stdio.h>
#include <string.h>

#define ROWS_LEAST 3u

/* ---- shape ---- */

/* A row of the grid takes several lines when it is wider than there is room. */
static unsigned lines_a_row(const struct hb_doc_cells *g, const struct hb_paint_grid_shape *s) {
        return (g->columns + s->fit - 1) / s->fit;
}

static struct hb_paint_grid_shape shape(const struct hb_paint *p, const struct hb_doc_cells *g) {
        struct hb_paint_grid_shape s = {0};
        unsigned tail;

        for (unsigned i = 0; g->row_label && i < g->rows; i++)
                s.label = hb_paint_max(s.label, hb_text_width(g->row_label[i], p->utf8));
        s.label = hb_paint_min(s.label, p->w / 3);
        s.fit = p->w - s.label - (s.label > 0);
        tail = g->n % g->columns;
        s.rows = g->n / g->columns * lines_a_row(g, &s) + (tail + s.fit - 1) / s.fit;
        return s;
}

static bool titled(const struct hb_paint_item *it) {
        return it->b->label[0] != '\0';
}

static unsigned legend_lines(const struct hb_paint *p, const struct hb_doc_cells *g) {
        return hb_paint_legend_lines(p, g->legend, g->nlegend, 0);
}

static void measure(const struct hb_paint *p, struct hb_paint_item *it) {
        unsigned legend = legend_lines(p, &it->b->grid);

        it->grid = shape(p, &it->b->grid);
        it->natural = titled(it) + it->grid.rows + legend;
        it->least = titled(it) + hb_paint_min(it->grid.rows, ROWS_LEAST) + hb_paint_min(legend, 1);
}

/* How the lines it has are shared out. */
struct share {
        unsigned rows, first, legend;
};

static unsigned line_of_cell(const struct hb_doc_cells *g, const struct hb_paint_grid_shape *s,
                             unsigned cell) {
        return cell / g->columns * lines_a_row(g, s) + cell % g->columns / s->fit;
}

static struct share share_of(const struct hb_paint *p, const struct hb_paint_item *it) {
        const struct hb_doc_cells *g = &it->b->grid;
        unsigned legend = legend_lines(p, g), room = it->height - titled(it), chosen;
        struct share s;

        s.legend = hb_paint_min(legend, room > ROWS_LEAST + 1 ? room - ROWS_LEAST : 1);
        s.rows = hb_paint_min(it->grid.rows, room > s.legend ? room - s.legend : 0);
        s.legend = hb_paint_min(legend, room - s.rows);
        chosen = g->chosen < g->n ? line_of_cell(g, &it->grid, g->chosen) : 0;
        s.first = chosen > s.rows / 2 ? chosen - s.rows / 2 : 0;
        s.first = hb_paint_min(s.first, it->grid.rows - s.rows);
        return s;
}

/* ---- drawing ---- */

static uint32_t glyph(const struct hb_paint *p, const struct hb_doc_cell_value *c, bool stretch_begins) {
        bool heat = c->style >= HB_STYLE_HEAT0 && c->style <= HB_STYLE_HEAT5;

        if (c->letter && (p->letters || (!heat && stretch_begins)))
                return (unsigned char)c->letter;
        return hb_glyph_heat(p->g, c->level);
}

static void draw_cell(const struct hb_paint *p, const struct hb_doc_cells *g, unsigned i, bool first,
                      unsigned x, unsigned y) {
        const struct hb_doc_cell_value *c = &g->cell[i];
        bool begins = first || g->cell[i - 1].letter != c->letter || g->cell[i - 1].style != c->style;

        hb_surface_put(p->s, x, y, c->style, glyph(p, c, begins));
        if (i != g->chosen)
                return;
        hb_surface_choose(p->s, x, y, 1);
        p->out->cursor_x = (int)x;
        p->out->cursor_y = (int)y;
}

static void draw_row(const struct hb_paint *p, const struct hb_paint_item *it, unsigned row, unsigned y) {
        const struct hb_doc_cells *g = &it->b->grid;
        const struct hb_paint_grid_shape *s = &it->grid;
        unsigned each = lines_a_row(g, s), x = p->x + s->label + (s->label > 0);
        unsigned in = row % each * s->fit, first = row / each * g->columns + in;
        unsigned n = hb_paint_min(s->fit, g->columns - in);

        if (g->row_label && in == 0)
                hb_surface_right(p->s, p->x, y, s->label, HB_STYLE_DIM, g->row_label[row / each]);
        for (unsigned i = 0; i < n && first + i < g->n; i++)
                draw_cell(p, g, first + i, i == 0, x + i, y);
}

static void draw_title(const struct hb_paint *p, const struct hb_paint_item *it, const struct share *s,
                       unsigned y) {
        char at[64];

        hb_surface_text(p->s, p->x, y, p->w, HB_STYLE_TITLE, it->b->label);
        if (s->rows == it->grid.rows)
                return;
        snprintf(at, sizeof(at), "  lines %u-%u of %u", s->first + 1, s->first + s->rows, it->grid.rows);
        if (hb_text_width(it->b->label, p->utf8) + strlen(at) <= p->w)
                hb_surface_right(p->s, p->x, y, p->w, HB_STYLE_DIM, at);
}

static void line(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y) {
        const struct hb_doc_cells *g = &it->b->grid;
        struct share s = share_of(p, it);

        if (titled(it) && i-- == 0)
                draw_title(p, it, &s, y);
        else if (i < s.rows)
                draw_row(p, it, s.first + i, y);
        else
                hb_paint_legend(p, g->legend, g->nlegend, 0, i - s.rows, y);
}

const struct hb_paint_ops hb_paint_grid = {measure, line};
