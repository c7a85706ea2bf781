/* svg: another program's drawing, taken apart and rebuilt.
 *
 * Kept are shapes, groups and text with the attributes that place and paint them, their values of harmless
 * characters only; names, links, styles, scripts, definitions and titles are not. Colours are ours: black and
 * currentColor follow the page, gray is the grid's class, rgb(n, 0, 0) is class sN (a stroke) or fN (a fill).
 * So nothing in the page refers outside, clashes by a name, or runs. Pure. */
#pragma once
#include "base/bytes.h"
#include <stddef.h>

#define HB_SVG_MOST (4u << 20) /* bytes taken */

/* Appends what stood inside <svg>, well formed whatever came in. -EBADMSG: not a drawing, or cut short. */
int hb_svg_clean(const char *svg, size_t size, struct hb_buf *out);
