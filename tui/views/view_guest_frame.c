/* view_guest_frame: which pages a cell of the heat map holds, at any width and zoom. Cells hold a power of
 * two of pages, so that 2 MiB blocks (512) and single pages are steps of the zoom and rows begin at round
 * addresses; what is shown begins at a multiple of a row. Pure. */
#include "views/view_guest.h"
#include <math.h>
#include <string.h>

#define LABEL     10u /* columns for a row's address */
#define BLOCK     512u
#define MOST      4096u /* cells, as the daemon gives at most */
#define ZOOM_STEP 4u

static unsigned clamp(unsigned v, unsigned low, unsigned high) {
        return v < low ? low : v > high ? high : v;
}

/* Lines of what is said beside or below the picture: the verdict, title, legend; on a narrow window also the
 * cursor's cell, the trails and the hottest blocks, or the page explained instead of these. */
enum { AROUND = 5, BELOW = 11, BELOW_EXPLAINED = 13 };

static void room(const struct hb_view_ctx *c, struct hb_map_frame *f) {
        unsigned width = hb_view_width(c), height = hb_view_height(c), words = AROUND;
        bool wide = width >= HB_DOC_WIDE, explained = strncmp(c->memory->detail, "explain", 7) == 0;

        if (wide)
                width = hb_doc_room(width, false);
        else if (height >= 16)
                words += explained ? BELOW_EXPLAINED : BELOW;
        f->two = wide && height >= 30;
        f->columns = clamp(width > LABEL + 9 ? (width - LABEL - 1) & ~7u : 8, 8, 128);
        f->rows = height > words ? height - words : 3;
        f->rows = clamp(f->two ? (f->rows - 4) / 2 : f->rows, 3, 40);
        if (f->columns * f->rows > MOST)
                f->rows = MOST / f->columns;
        f->top = wide || !hb_view_on_screen(c) ? 16 : explained || height < 16 ? 0 : 2;
}

static uint64_t parts(uint64_t n, uint64_t size) {
        return n / size + (n % size != 0);
}

static uint64_t power_of_two(uint64_t n) {
        uint64_t p = 1;

        while (p < n)
                p *= 2;
        return p;
}

/* Rows that begin at round addresses, where that costs nothing. */
static void round_columns(struct hb_map_frame *f, uint64_t span, uint64_t cell_pages) {
        unsigned columns = 8;

        while (columns * 2 <= f->columns)
                columns *= 2;
        if (power_of_two(parts(span, (uint64_t)columns * f->rows)) == cell_pages)
                f->columns = columns;
}

static uint64_t guest_pages(const struct hb_guest_seen *g) {
        double bytes = hb_view_number(g->guest, "ram_bytes");

        if (!(bytes >= HB_VIEW_PAGE))
                bytes = hb_view_number(g->incoming, "ram_bytes");
        if (!(bytes >= HB_VIEW_PAGE) || bytes > 1e17)
                return 0;
        return (uint64_t)(bytes / HB_VIEW_PAGE);
}

/* Shows `span` pages about `page`, from the beginning of a row, inside the guest. */
static void set(struct hb_map_frame *f, uint64_t first, uint64_t cell_pages) {
        uint64_t row = f->columns * cell_pages, all = (uint64_t)f->columns * f->rows * cell_pages;

        f->cell_pages = cell_pages;
        if (all >= f->pages) {
                f->first = 0;
                f->span = f->pages;
                return;
        }
        if (first > f->pages - all)
                first = parts(f->pages - all, row) * row;
        f->first = first / row * row;
        f->span = f->pages - f->first < all ? f->pages - f->first : all;
}

void hb_map_frame(struct hb_view_ctx *c, const struct hb_guest_seen *g, struct hb_map_frame *ret) {
        struct hb_map_frame f = {.pages = guest_pages(g)};
        struct hb_view_memory *m = c->memory;
        uint64_t span;

        room(c, &f);
        if (f.pages > 0) {
                uint64_t cell;

                span = m->span == 0 || m->span > f.pages ? f.pages : m->span;
                cell = power_of_two(parts(span, (uint64_t)f.columns * f.rows));
                round_columns(&f, span, cell);
                set(&f, m->first < f.pages ? m->first : 0, cell);
                if (m->cell < f.first || m->cell >= f.first + f.span) /* another window, or another guest */
                        m->cell = (uint32_t)(f.first > UINT32_MAX ? UINT32_MAX : f.first);
                f.cells = (unsigned)parts(f.span, f.cell_pages);
                f.chosen = (unsigned)((m->cell - f.first) / f.cell_pages);
        }
        *ret = f;
}

static bool keep(struct hb_view_memory *m, const struct hb_map_frame *f) {
        bool all = f->span == f->pages;
        uint64_t first = all ? 0 : f->first, span = all ? 0 : f->span;
        bool changed = m->first != first || m->span != span;

        m->first = first;
        m->span = span;
        return changed;
}

bool hb_map_zoom(struct hb_view_memory *m, const struct hb_map_frame *f, bool in) {
        struct hb_map_frame to = *f;
        uint64_t cell = in ? f->cell_pages / ZOOM_STEP : f->cell_pages * ZOOM_STEP, half;

        if (f->pages == 0 || (in && f->cell_pages == 1) || (!in && f->span == f->pages))
                return false;
        if ((cell < BLOCK && f->cell_pages > BLOCK) || (cell > BLOCK && f->cell_pages < BLOCK))
                cell = BLOCK;
        cell = cell == 0 ? 1 : cell;
        half = (uint64_t)f->columns * f->rows * cell / 2;
        set(&to, m->cell > half ? m->cell - half : 0, cell);
        /* Of a small guest cells may grow smaller while all of it is still shown: nothing to remember. */
        return keep(m, &to);
}

bool hb_map_move(struct hb_view_memory *m, const struct hb_map_frame *f, int64_t cells) {
        struct hb_map_frame to = *f;
        uint64_t row = f->columns * f->cell_pages,
                 by = (uint64_t)(cells < 0 ? -cells : cells) * f->cell_pages,
                 most = f->pages < UINT32_MAX ? f->pages - 1 : UINT32_MAX - 1, page = m->cell;

        if (f->pages == 0)
                return false;
        page = cells < 0 ? (page >= by ? page - by : page) : page + by <= most ? page + by : page;
        if (page == m->cell)
                return false;
        m->cell = (uint32_t)page;
        if (page >= f->first && page < f->first + f->span)
                return true;
        set(&to,
            page < f->first ? page / row * row : f->first + (page - f->first - f->span) / row * row + row,
            f->cell_pages);
        keep(m, &to);
        return true;
}
