/* glyphs: the sets of characters pictures are made of. ASCII works everywhere, blocks in every UTF-8
 * terminal with a usual font, braille shows eight dots a cell. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum hb_glyphs { HB_GLYPHS_ASCII, HB_GLYPHS_BLOCK, HB_GLYPHS_BRAILLE };

#define HB_GLYPH_LEVELS 6u /* 0 (nothing) .. 5 */

/* The character for a level of a heat map or a column of a sparkline. */
uint32_t hb_glyph_heat(enum hb_glyphs g, unsigned level);
uint32_t hb_glyph_spark(enum hb_glyphs g, double share /* 0..1 of the height; NaN: unknown, a space */);
/* A bar's cell filled to `share`. */
uint32_t hb_glyph_bar(enum hb_glyphs g, double share);

enum hb_glyph_line {
        HB_LINE_H,
        HB_LINE_V,
        HB_LINE_CROSS,
        HB_LINE_MARK,
        HB_LINE_UP,
        HB_LINE_DOWN,
        HB_LINE_FLAT,
        HB_LINE_MORE,
        HB_LINE_DOT
};
uint32_t hb_glyph_line(enum hb_glyphs g, enum hb_glyph_line which);
/* "ascii", "block", "braille"; -EINVAL. */
int hb_glyphs_from_name(const char *name, enum hb_glyphs *ret);
const char *hb_glyphs_name(enum hb_glyphs g);
