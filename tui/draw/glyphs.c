/* glyphs: one row of characters a set. Ink grows from left to right in every row, so a picture reads the same
 * in each of them; block and braille draw only what usual console fonts have. Pure. */
#include "draw/glyphs.h"
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#define MOST_STEPS 10u

/* What grows in steps: steps of them, least first. */
struct ramp {
        unsigned steps;
        uint32_t ch[MOST_STEPS];
};

struct set {
        const char *name;
        struct ramp heat, spark, bar;
        uint32_t line[HB_LINE_DOT + 1];
};

static const struct set sets[] = {
        [HB_GLYPHS_ASCII] =
                {
                        "ascii",
                        {HB_GLYPH_LEVELS, {' ', '.', ':', '+', '*', '#'}},
                        {8, {'_', '.', ',', '-', '=', '+', '*', '#'}},
                        {3, {' ', '-', '#'}},
                        {'-', '|', '+', '^', '^', 'v', '=', '~', '.'},
                },
        [HB_GLYPHS_BLOCK] =
                {
                        "block",
                        {HB_GLYPH_LEVELS, {' ', 0x00b7, 0x2591, 0x2592, 0x2593, 0x2588}},
                        {8, {0x2581, 0x2582, 0x2583, 0x2584, 0x2585, 0x2586, 0x2587, 0x2588}},
                        {9, {' ', 0x258f, 0x258e, 0x258d, 0x258c, 0x258b, 0x258a, 0x2589, 0x2588}},
                        {0x2500, 0x2502, 0x253c, 0x25b2, 0x2191, 0x2193, 0x2192, 0x2026, 0x00b7},
                },
        [HB_GLYPHS_BRAILLE] =
                {
                        "braille",
                        {HB_GLYPH_LEVELS, {' ', 0x2810, 0x2812, 0x2836, 0x283f, 0x28ff}},
                        {8, {0x2840, 0x28c0, 0x28c4, 0x28e4, 0x28e6, 0x28f6, 0x28f7, 0x28ff}},
                        {3, {' ', 0x2847, 0x28ff}},
                        {0x2500, 0x2502, 0x253c, 0x25b2, 0x2191, 0x2193, 0x2192, 0x2026, 0x00b7},
                },
};
#define SETS (sizeof(sets) / sizeof(sets[0]))

static const struct set *set_of(enum hb_glyphs g) {
        return &sets[(unsigned)g < SETS ? g : HB_GLYPHS_ASCII];
}

/* The step nearest to share; NaN counts as nothing. */
static uint32_t step(const struct ramp *r, double share) {
        double at = share > 0 ? share * (r->steps - 1) : 0;

        return r->ch[at >= r->steps - 1 ? r->steps - 1 : (unsigned)(at + 0.5)];
}

uint32_t hb_glyph_heat(enum hb_glyphs g, unsigned level) {
        return set_of(g)->heat.ch[level < HB_GLYPH_LEVELS ? level : HB_GLYPH_LEVELS - 1];
}

uint32_t hb_glyph_spark(enum hb_glyphs g, double share) {
        return isnan(share) ? ' ' : step(&set_of(g)->spark, share);
}

uint32_t hb_glyph_bar(enum hb_glyphs g, double share) {
        return step(&set_of(g)->bar, share);
}

uint32_t hb_glyph_line(enum hb_glyphs g, enum hb_glyph_line which) {
        return set_of(g)->line[(unsigned)which <= HB_LINE_DOT ? which : HB_LINE_DOT];
}

int hb_glyphs_from_name(const char *name, enum hb_glyphs *ret) {
        for (size_t i = 0; i < SETS; i++)
                if (strcmp(sets[i].name, name) == 0) {
                        *ret = (enum hb_glyphs)i;
                        return 0;
                }
        return -EINVAL;
}

const char *hb_glyphs_name(enum hb_glyphs g) {
        return set_of(g)->name;
}
