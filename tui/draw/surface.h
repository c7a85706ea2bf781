/* surface: a rectangle of character cells that everything is drawn on: the screen shows it, "save screen" and
 * tests write it as text. Knows no terminal.
 *
 * A cell holds one character of width 1 or 2 (then the next cell is its second half, ch 0). Text comes as
 * UTF-8 from anywhere: bytes that are no UTF-8, control characters and what combines or has no width become
 * '?'. On a surface made for a locale without UTF-8 so does all that is not ASCII. Drawing outside is cut
 * off, never an error. */
#pragma once
#include "draw/style.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct hb_cell {
        uint32_t ch;   /* Unicode; ' ' for empty */
        uint8_t style; /* enum hb_style */
        bool chosen;   /* of the selected row: shown reversed; bars in it keep their colours */
};
typedef struct hb_surface hb_surface;

int hb_surface_new(unsigned width, unsigned height, bool utf8, hb_surface **ret);
hb_surface *hb_surface_free(hb_surface *s);
unsigned hb_surface_width(const hb_surface *s);
unsigned hb_surface_height(const hb_surface *s);
bool hb_surface_utf8(const hb_surface *s);
void hb_surface_clear(hb_surface *s);
const struct hb_cell *hb_surface_at(const hb_surface *s, unsigned x, unsigned y); /* NULL: outside */

/* Writes at most `width` columns and returns how many were used. Text that does not fit ends in the glyph for
 * "more" ('~' or an ellipsis). */
unsigned hb_surface_text(hb_surface *s, unsigned x, unsigned y, unsigned width, enum hb_style style,
                         const char *text);
unsigned hb_surface_textf(hb_surface *s, unsigned x, unsigned y, unsigned width, enum hb_style style,
                          const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void hb_surface_right(hb_surface *s, unsigned x, unsigned y, unsigned width, enum hb_style style,
                      const char *text); /* flush right in its width */
void hb_surface_put(hb_surface *s, unsigned x, unsigned y, enum hb_style style, uint32_t ch);
void hb_surface_fill(hb_surface *s, unsigned x, unsigned y, unsigned w, unsigned h, enum hb_style style,
                     uint32_t ch);
void hb_surface_choose(hb_surface *s, unsigned x, unsigned y, unsigned w); /* marks cells as selected */
/* Columns text takes, as hb_surface_text would draw it without a limit. */
unsigned hb_text_width(const char *text, bool utf8);
/* The cells as lines of UTF-8 (or ASCII), trailing blanks cut. Returns -EIO when writing failed. */
int hb_surface_write(const hb_surface *s, FILE *out);
