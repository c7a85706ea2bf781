/* Glyphs: every set has every character, ASCII stays ASCII, more is never drawn with less ink, and all of
 * them are characters that a surface draws as they are, one column wide. Names of styles go both ways. */
#include "draw/glyphs.h"
#include "draw/style.h"
#include "draw/text.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void fits_set(enum hb_glyphs g, uint32_t ch) {
        assert_int_not_equal(ch, 0);
        assert_int_equal(hb_text_clean(ch, g != HB_GLYPHS_ASCII), ch);
        assert_int_equal(hb_char_width(ch), 1);
}

static void every_character_can_be_drawn(void **state) {
        for (enum hb_glyphs g = HB_GLYPHS_ASCII; g <= HB_GLYPHS_BRAILLE; g++) {
                for (unsigned level = 0; level < HB_GLYPH_LEVELS; level++)
                        fits_set(g, hb_glyph_heat(g, level));
                for (unsigned i = 0; i <= 100; i++) {
                        fits_set(g, hb_glyph_spark(g, i / 100.0));
                        fits_set(g, hb_glyph_bar(g, i / 100.0));
                }
                for (enum hb_glyph_line l = HB_LINE_H; l <= HB_LINE_DOT; l++)
                        fits_set(g, hb_glyph_line(g, l));
        }
}

/* Steps of a ramp: how often the character changes on the way from 0 to 1; none may come back. */
static unsigned steps(uint32_t (*glyph)(enum hb_glyphs, double), enum hb_glyphs g) {
        uint32_t seen[32] = {glyph(g, 0)};
        unsigned n = 1;

        for (unsigned i = 1; i <= 1000; i++) {
                uint32_t ch = glyph(g, i / 1000.0);

                if (ch == seen[n - 1])
                        continue;
                for (unsigned j = 0; j < n; j++)
                        assert_int_not_equal(ch, seen[j]);
                assert_true(n < 32);
                seen[n++] = ch;
        }
        return n;
}

static void ramps_grow(void **state) {
        for (enum hb_glyphs g = HB_GLYPHS_ASCII; g <= HB_GLYPHS_BRAILLE; g++) {
                assert_int_equal(steps(hb_glyph_spark, g), 8);
                assert_int_equal(steps(hb_glyph_bar, g), g == HB_GLYPHS_BLOCK ? 9 : 3);
                for (unsigned level = 1; level < HB_GLYPH_LEVELS; level++)
                        assert_int_not_equal(hb_glyph_heat(g, level), hb_glyph_heat(g, level - 1));
        }
        for (unsigned level = 1; level < HB_GLYPH_LEVELS;
             level++) /* a braille character's dots are its bits */
                assert_true(level == 1 ||
                            __builtin_popcount(hb_glyph_heat(HB_GLYPHS_BRAILLE, level) & 0xff) >
                                    __builtin_popcount(hb_glyph_heat(HB_GLYPHS_BRAILLE, level - 1) & 0xff));
}

static void out_of_range(void **state) {
        for (enum hb_glyphs g = HB_GLYPHS_ASCII; g <= HB_GLYPHS_BRAILLE; g++) {
                assert_int_equal(hb_glyph_spark(g, NAN), ' ');
                assert_int_equal(hb_glyph_spark(g, -3), hb_glyph_spark(g, 0));
                assert_int_equal(hb_glyph_spark(g, INFINITY), hb_glyph_spark(g, 1));
                assert_int_equal(hb_glyph_bar(g, NAN), ' ');
                assert_int_equal(hb_glyph_bar(g, 1e300), hb_glyph_bar(g, 1));
                assert_int_equal(hb_glyph_heat(g, 4000000000u), hb_glyph_heat(g, HB_GLYPH_LEVELS - 1));
        }
        assert_int_equal(hb_glyph_heat((enum hb_glyphs)77, 5), '#');
}

static void names(void **state) {
        enum hb_glyphs g;
        enum hb_style s;

        for (enum hb_glyphs i = HB_GLYPHS_ASCII; i <= HB_GLYPHS_BRAILLE; i++) {
                assert_int_equal(hb_glyphs_from_name(hb_glyphs_name(i), &g), 0);
                assert_int_equal(g, i);
        }
        assert_int_equal(hb_glyphs_from_name("sixel", &g), -EINVAL);
        for (unsigned i = 0; i < HB_STYLES; i++) {
                assert_int_equal(hb_style_from_name(hb_style_name((enum hb_style)i), &s), 0);
                assert_int_equal(s, i);
        }
        assert_int_equal(hb_style_from_name("", &s), -EINVAL);
        assert_string_equal(hb_style_name(HB_STYLE_HEAT3), "heat3");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_character_can_be_drawn),
                cmocka_unit_test(ramps_grow),
                cmocka_unit_test(out_of_range),
                cmocka_unit_test(names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
