/* A heat map as text: three glyph sets at two widths, compared character for character; colours repeat what
 * glyphs say; hostile sizes fit. */
#include "cli/heat_view.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S 1000000000ull

/* 60 epochs, 256 pages: a diagonal, a hot band that is only written, and one touch at the end. */
static struct hb_heatmap *make(const struct hb_heat_view *v) {
        struct hb_heatmap_options o = {0};
        struct hb_heatmap *m = NULL;

        hb_heat_view_size(v, &o.width, &o.height);
        assert_int_equal(hb_heatmap_new(&o, 256, 1, 60, &m, NULL), 0);
        for (uint32_t e = 1; e <= 60; e++) {
                struct hb_trace_access a[40];
                uint32_t n = 0;

                for (uint32_t k = 0; k < 4; k++)
                        a[n++] = (struct hb_trace_access){(e - 1) * 2 + k, k + 1, 0};
                for (uint32_t k = 160; k < 176; k++)
                        a[n++] = (struct hb_trace_access){k, 0, e < 30 ? 100 : 1000};
                if (e == 60)
                        a[n++] = (struct hb_trace_access){255, 1, 0};
                hb_heatmap_add(m, e, e * S, a, n);
        }
        return m;
}

static char *draw(struct hb_heat_view v, bool color) {
        char *text = NULL;
        size_t size = 0;
        struct hb_cli_io io = {.out = open_memstream(&text, &size)};
        struct hb_cli c = {.io = &io, .color = color};
        struct hb_heatmap *m = make(&v);

        hb_heat_view_print(&c, &v, m);
        hb_heatmap_free(m);
        fclose(io.out);
        return text;
}

static void looks(struct hb_heat_view v, const char *expected) {
        char *text = draw(v, false);

        if (strcmp(text, expected) != 0) {
                fprintf(stderr, "is:\n%s\nshould be:\n%s", text, expected);
                fail();
        }
        free(text);
}

static void ascii_at_60(void **state) {
        looks((struct hb_heat_view){HB_GLYPHS_ASCII, HB_HEATMAP_ALL, 60, 8, true},
              "       0x0 |::::::::::::.\n"
              "      0x20 |            :::::::::::::\n"
              "      0x40 |                        .::::::::::::.\n"
              "      0x60 |                                     .::::::::::\n"
              "      0x80 |\n"
              "      0xa0 |#######################@@@@@@@@@@@@@@@@@@@@@@@@@\n"
              "      0xc0 |\n"
              "      0xe0 |                                               .\n"
              "           +|-------------|-------------|-------------|-----\n"
              "      epoch 1             19            36            54\n"
              "       time 1.0 s         19 s          36 s          54 s\n"
              "accesses a cell:  . 1-9  : 10-97  + 98-987  # 988-10037\n"
              "   @ 10038-32000\n"
              "a character: 1.2 epochs, 32 pages (128 KiB); all: epochs 1\n"
              "to 60, pages 0x0-0xff (1.0 MiB)\n");
}

static void ascii_at_90(void **state) {
        looks((struct hb_heat_view){HB_GLYPHS_ASCII, HB_HEATMAP_ALL, 90, 8, true},
              "       0x0 |::::::::::::::::::::.\n"
              "      0x20 |                    .::::::::::::::::::::.\n"
              "      0x40 |                                         .::::::::::::::::::::.\n"
              "      0x60 |                                                              .:::::::::::::::\n"
              "      0x80 |\n"
              "      0xa0 |######################################@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n"
              "      0xc0 |\n"
              "      0xe0 |                                                                             .\n"
              "           +|-------------|-------------|-------------|-------------|-------------|-------\n"
              "      epoch 1             11            22            33            44            54\n"
              "       time 1.0 s         11 s          22 s          33 s          44 s          54 s\n"
              "accesses a cell:  . 1-8  : 9-74  + 75-640  # 641-5473  @ 5474-16000\n"
              "a character: 0.77 epochs, 32 pages (128 KiB); all: epochs 1 to 60, pages 0x0-0xff (1.0\n"
              "MiB)\n");
}

static void block_at_60(void **state) {
        looks((struct hb_heat_view){HB_GLYPHS_BLOCK, HB_HEATMAP_ALL, 60, 8, true},
              "       0x0 |░░░░░░░░░░░░·\n"
              "      0x20 |            ░░░░░░░░░░░░░\n"
              "      0x40 |                        ·░░░░░░░░░░░░·\n"
              "      0x60 |                                     ·░░░░░░░░░░\n"
              "      0x80 |\n"
              "      0xa0 |▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓█████████████████████████\n"
              "      0xc0 |\n"
              "      0xe0 |                                               ·\n"
              "           +|-------------|-------------|-------------|-----\n"
              "      epoch 1             19            36            54\n"
              "       time 1.0 s         19 s          36 s          54 s\n"
              "accesses a cell:  · 1-9  ░ 10-97  ▒ 98-987  ▓ 988-10037\n"
              "   █ 10038-32000\n"
              "a character: 1.2 epochs, 32 pages (128 KiB); all: epochs 1\n"
              "to 60, pages 0x0-0xff (1.0 MiB)\n");
}

static void block_at_90(void **state) {
        looks((struct hb_heat_view){HB_GLYPHS_BLOCK, HB_HEATMAP_ALL, 90, 8, true},
              "       0x0 |░░░░░░░░░░░░░░░░░░░░·\n"
              "      0x20 |                    ·░░░░░░░░░░░░░░░░░░░░·\n"
              "      0x40 |                                         ·░░░░░░░░░░░░░░░░░░░░·\n"
              "      0x60 |                                                              ·░░░░░░░░░░░░░░░\n"
              "      0x80 |\n"
              "      0xa0 |▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓████████████████████████████████████████\n"
              "      0xc0 |\n"
              "      0xe0 |                                                                             ·\n"
              "           +|-------------|-------------|-------------|-------------|-------------|-------\n"
              "      epoch 1             11            22            33            44            54\n"
              "       time 1.0 s         11 s          22 s          33 s          44 s          54 s\n"
              "accesses a cell:  · 1-8  ░ 9-74  ▒ 75-640  ▓ 641-5473  █ 5474-16000\n"
              "a character: 0.77 epochs, 32 pages (128 KiB); all: epochs 1 to 60, pages 0x0-0xff (1.0\n"
              "MiB)\n");
}

static void braille_at_60(void **state) {
        looks((struct hb_heat_view){HB_GLYPHS_BRAILLE, HB_HEATMAP_ALL, 60, 8, true},
              "       0x0 |⠁⠁⠁⠑⠒⠒⠠⠄⠄⢄⣀⣀⣀\n"
              "      0x20 |            ⠁⠁⠁⠁⠒⠒⠂⠠⠄⠄⢀⣀⣀⣀\n"
              "      0x40 |                         ⠁⠁⠁⠁⠒⠒⠂⠄⠄⢄⢀⣀⣀⡀\n"
              "      0x60 |                                      ⠉⠁⠁⠁⠒⠒⠂⠄⠄⢄\n"
              "      0x80 |\n"
              "      0xa0 |⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛\n"
              "      0xc0 |\n"
              "      0xe0 |                                               ⢀\n"
              "           +|-------------|-------------|-------------|-----\n"
              "      epoch 1             18            36            53\n"
              "       time 1.0 s         18 s          36 s          53 s\n"
              "accesses a cell:  ⢁ 1-8  ⢕ 9-57  ⢵ 58-415  ⢿ 416-2984\n"
              "   ⣿ 2985-8000\n"
              "a character: 1.2 epochs, 32 pages (128 KiB); all: epochs 1\n"
              "to 60, pages 0x0-0xff (1.0 MiB)\n");
}

static void braille_at_90(void **state) {
        looks((struct hb_heat_view){HB_GLYPHS_BRAILLE, HB_HEATMAP_ALL, 90, 8, true},
              "       0x0 |⠁⠁⠁⠁⠁⠑⠒⠒⠒⠂⠠⠄⠄⠄⢄⢄⣀⣀⣀⣀⣀\n"
              "      0x20 |                   ⠈⠁⠁⠁⠁⠁⠁⠒⠒⠒⠒⠂⠠⠄⠄⠄⢄⢀⣀⣀⣀⣀⣀\n"
              "      0x40 |                                        ⠈⠁⠁⠁⠁⠁⠁⠒⠒⠒⠒⠂⠄⠄⠄⠄⢄⢀⣀⣀⣀⣀⡀\n"
              "      0x60 |                                                             ⠈⠉⠁⠁⠁⠁⠁⠒⠒⠒⠂⠂⠄⠄⠄⠄⢄\n"
              "      0x80 |\n"
              "      0xa0 |⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛⠛\n"
              "      0xc0 |\n"
              "      0xe0 |                                                                             ⣀\n"
              "           +|-------------|-------------|-------------|-------------|-------------|-------\n"
              "      epoch 1             11            22            33            44            54\n"
              "       time 1.0 s         11 s          22 s          33 s          44 s          54 s\n"
              "accesses a cell:  ⢁ 1-8  ⢕ 9-57  ⢵ 58-415  ⢿ 416-2984  ⣿ 2985-8000\n"
              "a character: 0.77 epochs, 32 pages (128 KiB); all: epochs 1 to 60, pages 0x0-0xff (1.0\n"
              "MiB)\n");
}

static void writes_alone(void **state) {
        looks((struct hb_heat_view){HB_GLYPHS_ASCII, HB_HEATMAP_WRITES, 40, 8, true},
              "       0x0 |\n"
              "      0x20 |\n"
              "      0x40 |\n"
              "      0x60 |\n"
              "      0x80 |\n"
              "      0xa0 |:......:.....#@######@######\n"
              "      0xc0 |\n"
              "      0xe0 |\n"
              "           +|-------------|-------------\n"
              "      epoch 1             31\n"
              "       time 1.0 s         31 s\n"
              "writes a cell:  . 1-4489  : 4490-8834\n"
              "   + 8835-17386  # 17387-34216\n"
              "   @ 34217-48000\n"
              "a character: 2.1 epochs, 32 pages (128\n"
              "KiB); all: epochs 1 to 60, pages\n"
              "0x0-0xff (1.0 MiB)\n");
}

static void marks_have_letters(void **state) {
        static struct hb_heat_marks marks;
        struct hb_heat_view v = {HB_GLYPHS_ASCII, HB_HEATMAP_ALL, 60, 8, true, &marks};
        char *text;

        hb_heat_marks_add(&marks, 1, HB_MARK_NOTE, 0);
        hb_heat_marks_add(&marks, 30, HB_MARK_DROPPED, 100);
        hb_heat_marks_add(&marks, 31, HB_MARK_DIGEST, 100); /* of no interest */
        hb_heat_marks_add(&marks, 60, HB_MARK_FREEZE, 60);
        hb_heat_marks_add(&marks, 60, HB_MARK_COMPLETE, 60);
        text = draw(v, false);
        assert_non_null(strstr(text, "\n      marks N                      D                       *\n"
                                     "N note, D dropped, F freeze, C complete\n"));
        free(text);
        for (unsigned i = 0; i < 1000; i++)
                hb_heat_marks_add(&marks, 40, HB_MARK_POLICY, 0);
        assert_int_equal(marks.n, HB_HEAT_MARKS);
        free(draw(v, false));
}

/* Colour is added to the same characters, one of the 16 by name, and ended on each line. */
static void colours_only_repeat(void **state) {
        struct hb_heat_view v = {.glyphs = HB_GLYPHS_BLOCK, .width = 60, .rows = 8, .counts = true};
        char *plain = draw(v, false), *colored = draw(v, true), *p = colored, *q = plain;
        bool on = false;

        while (*p) {
                if (*p == '\033') {
                        unsigned code = (unsigned)atoi(p + 2);

                        assert_true(code == 0 || (code >= 31 && code <= 36));
                        on = code != 0;
                        p += strcspn(p, "m") + 1;
                        continue;
                }
                assert_true(*p != '\n' || !on);
                assert_int_equal(*p++, *q++);
        }
        assert_int_equal(*q, 0);
        assert_non_null(strstr(colored, "\033[34m"));
        assert_non_null(strstr(colored, "\033[31m"));
        free(plain);
        free(colored);
}

static unsigned columns(const char *line) {
        unsigned n = 0;

        for (; *line && *line != '\n'; line++)
                n += ((unsigned char)*line & 0xC0) != 0x80;
        return n;
}

static void any_width_is_kept(void **state) {
        for (unsigned width = 1; width < 250; width += 7)
                for (unsigned rows = 1; rows < 70; rows += 30)
                        for (int g = 0; g < 3; g++) {
                                struct hb_heat_view v = {(enum hb_glyphs)g, HB_HEATMAP_ALL, width, rows,
                                                         true};
                                unsigned most = width > HB_HEAT_NARROWEST ? width : HB_HEAT_NARROWEST;
                                char *text = draw(v, false);

                                for (char *line = text; *line; line += strcspn(line, "\n") + 1)
                                        if (columns(line) > most)
                                                fail_msg("%u columns for %u: %.*s", columns(line), most,
                                                         (int)strcspn(line, "\n"), line);
                                free(text);
                        }
}

static void an_empty_map_says_so(void **state) {
        struct hb_heat_view v = {HB_GLYPHS_ASCII, HB_HEATMAP_READS, 40, 2, false};
        struct hb_heatmap_options o = {.width = 28, .height = 2};
        char *text = NULL;
        size_t size = 0;
        struct hb_cli_io io = {.out = open_memstream(&text, &size)};
        struct hb_cli c = {.io = &io};
        struct hb_heatmap *m = NULL;

        assert_int_equal(hb_heatmap_new(&o, 2, 5, 5, &m, NULL), 0);
        hb_heat_view_print(&c, &v, m);
        fclose(io.out);
        assert_non_null(strstr(text, "no pages seen read\n"));
        assert_non_null(strstr(text, "       0x1 |\n"));
        hb_heatmap_free(m);
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ascii_at_60),          cmocka_unit_test(ascii_at_90),
                cmocka_unit_test(block_at_60),          cmocka_unit_test(block_at_90),
                cmocka_unit_test(braille_at_60),        cmocka_unit_test(braille_at_90),
                cmocka_unit_test(writes_alone),         cmocka_unit_test(colours_only_repeat),
                cmocka_unit_test(marks_have_letters),   cmocka_unit_test(any_width_is_kept),
                cmocka_unit_test(an_empty_map_says_so),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
