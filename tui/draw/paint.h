/* paint: a doc onto a surface, whatever its size: 200x60 down to 20x5. */
#pragma once
#include "draw/doc_look.h"
#include "draw/glyphs.h"
#include "draw/surface.h"

struct hb_rect {
        unsigned x, y, w, h;
};

/* Where somebody is in a doc; kept between ticks by whoever shows it. */
struct hb_place_in_doc {
        char row[160];      /* id of the selected row of the main table; "": the first */
        unsigned row_line;  /* its line, from the first of the rect: it stays there when rows or blocks above
                             * come and go. To select another row: row, and row_line by as many more or less */
        unsigned scroll;    /* first line shown of a doc without a main table, or of what is not its table */
        unsigned row_index; /* its number among the arranged rows, written by painting: when it is gone, the
                             * row that has its number now is selected. Keep it with the others */
};

struct hb_paint_result {
        int cursor_x, cursor_y; /* the selected row (or cell of the grid); -1: nothing is selected */
        unsigned table_lines;   /* lines the main table has, for paging */
        unsigned table_y;       /* the first of them, on the surface */
        unsigned lines, shown;  /* of the doc's own lines; lines > shown: it scrolls */
};

/* Arranged before. Writes only inside `r`; *place is corrected to what exists: a selected row that is gone
 * is followed by the one that took its line. marks_letters: no colours are to be had, so bars and grids are
 * drawn with letters. */
void hb_paint_doc(hb_surface *s, struct hb_rect r, const hb_doc *d, enum hb_glyphs g, bool mark_letters,
                  struct hb_place_in_doc *place, struct hb_paint_result *ret);
