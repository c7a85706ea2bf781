/* Surfaces: nothing is drawn outside, nothing hostile is drawn at all, wide characters are never left as
 * halves, and the same cells come out in every locale. */
#include "base/fault.h"
#include "draw/surface.h"
#include "draw/text.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static hb_surface *surface(unsigned w, unsigned h, bool utf8) {
        hb_surface *s = NULL;

        assert_int_equal(hb_surface_new(w, h, utf8, &s), 0);
        return s;
}

/* What hb_surface_write gives, compared. */
static void shows(const hb_surface *s, const char *expected) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        assert_int_equal(hb_surface_write(s, out), 0);
        fclose(out);
        assert_string_equal(text, expected);
        free(text);
}

/* One text on a line of its own, `width` columns. */
static void one_line(const char *text, unsigned width, bool utf8, const char *expected, unsigned used) {
        hb_surface *s = surface(40, 1, utf8);
        char line[300];

        snprintf(line, sizeof(line), "%s\n", expected);
        assert_int_equal(hb_surface_text(s, 0, 0, width, HB_STYLE_NORMAL, text), used);
        shows(s, line);
        hb_surface_free(s);
}

static void plain_text(void **state) {
        one_line("guest vm1", 20, true, "guest vm1", 9);
        one_line("guest vm1", 9, true, "guest vm1", 9);
        one_line("guest vm1", 8, true, "guest v…", 8);
        one_line("guest vm1", 8, false, "guest v~", 8);
        one_line("guest vm1", 1, true, "…", 1);
        one_line("guest vm1", 0, true, "", 0);
        one_line("", 5, true, "", 0);
        one_line("é√→", 5, true, "é√→", 3);
        one_line("é√→", 5, false, "???", 3);
}

static void wide_characters(void **state) {
        hb_surface *s = surface(6, 1, true);

        one_line("主机", 10, true, "主机", 4);
        one_line("主机", 4, true, "主机", 4);
        one_line("主机", 3, true, "主…", 3);
        one_line("主机", 2, true, "…", 1);
        one_line("主机", 10, false, "??", 2);
        one_line("a😀b", 10, true, "a😀b", 4);
        assert_int_equal(hb_text_width("a主😀", true), 5);
        assert_int_equal(hb_text_width("a主😀", false), 3);

        hb_surface_text(s, 0, 0, 6, HB_STYLE_NORMAL, "主机器");
        hb_surface_put(s, 1, 0, HB_STYLE_NORMAL, 'x'); /* a second half: the first one goes */
        shows(s, " x机器\n");
        hb_surface_put(s, 2, 0, HB_STYLE_NORMAL, 'y'); /* a first half: the second one goes */
        shows(s, " xy 器\n");
        hb_surface_put(s, 3, 0, HB_STYLE_NORMAL, 0x4e3b); /* over a gap and a first half */
        shows(s, " xy主\n");
        hb_surface_put(s, 5, 0, HB_STYLE_NORMAL, 0x4e3b); /* no room for its second half */
        shows(s, " xy主?\n");
        hb_surface_fill(s, 0, 0, 4, 1, HB_STYLE_NORMAL, 0x4e3b);
        shows(s, "???? ?\n");
        hb_surface_free(s);
}

static void hostile_text(void **state) {
        one_line("a\x1b[2Jb\n\tc\x7f", 30, true, "a?[2Jb??c?", 10);
        one_line("\xc2\x9b"
                 "31m\xc2\x85x",
                 30, true, "?31m?x", 6); /* C1: CSI and NEL */
        one_line("vm\xe2\x80\xae"
                 "1",
                 30, true, "vm?1", 4); /* right-to-left override */
        one_line("\xe2\x81\xa6x\xe2\x80\x8by\xef\xbb\xbf", 30, true, "?x?y?", 5);
        one_line("e\xcc\x81", 30, true, "e?", 2);            /* combining acute */
        one_line("\xe1\x85\xa0", 30, true, "?", 1);          /* a vowel that joins what is before */
        one_line("\xc2\xa0\xe3\x80\x80", 30, true, "??", 2); /* spaces that are none */
        one_line("\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa", 30, true, "??", 2); /* a flag */
        one_line("\xee\x80\x80\xef\xbf\xbe", 30, true, "??", 2);         /* private, no character */
}

static void wrong_bytes(void **state) {
        one_line("\x80\xbf", 30, true, "??", 2);
        one_line("\xc0\xaf", 30, true, "??", 2); /* '/' too long */
        one_line("\xe0\x80\xaf", 30, true, "???", 3);
        one_line("\xf0\x80\x80\xaf", 30, true, "????", 4);
        one_line("\xed\xa0\x80", 30, true, "???", 3);      /* a surrogate */
        one_line("\xf4\x90\x80\x80", 30, true, "????", 4); /* above U+10FFFF */
        one_line("\xfe\xff", 30, true, "??", 2);
        one_line("\xe2\x82", 30, true, "??", 2); /* cut */
        one_line("\xe2\x82x\xe2\x82\xac", 30, true, "??x€", 4);
        one_line("\xf4\x8f\xbf\xbf", 30, true, "?", 1); /* the last one there is, no character */
}

static void places_and_sizes(void **state) {
        hb_surface *s = surface(5, 2, true);

        assert_int_equal(hb_surface_text(s, 3, 0, 100, HB_STYLE_NORMAL, "abc"), 2);
        assert_int_equal(hb_surface_text(s, 5, 0, 100, HB_STYLE_NORMAL, "abc"), 0);
        assert_int_equal(hb_surface_text(s, ~0u, 0, ~0u, HB_STYLE_NORMAL, "abc"), 0);
        assert_int_equal(hb_surface_text(s, 0, 2, 5, HB_STYLE_NORMAL, "abc"), 0);
        assert_int_equal(hb_surface_textf(s, 0, 1, ~0u, HB_STYLE_GOOD, "%u%s", 12, "x"), 3);
        shows(s, "   a…\n12x\n");
        assert_int_equal(hb_surface_at(s, 1, 1)->style, HB_STYLE_GOOD);
        assert_null(hb_surface_at(s, 5, 0));
        assert_null(hb_surface_at(s, 0, 2));
        hb_surface_clear(s);
        hb_surface_right(s, 0, 0, 4, HB_STYLE_NORMAL, "12");
        hb_surface_right(s, 1, 1, 100, HB_STYLE_NORMAL, "12345");
        shows(s, "  12\n 123…\n");
        hb_surface_fill(s, 4, 0, ~0u, ~0u, HB_STYLE_DIM, 0x2588);
        shows(s, "  12█\n 123█\n");
        hb_surface_put(s, 9, 9, HB_STYLE_DIM, 'x');
        hb_surface_choose(s, 9, 9, 9);
        hb_surface_free(s);

        s = surface(0, 0, true);
        assert_int_equal(hb_surface_text(s, 0, 0, 5, HB_STYLE_NORMAL, "abc"), 0);
        hb_surface_fill(s, 0, 0, 9, 9, HB_STYLE_DIM, 'x');
        shows(s, "");
        hb_surface_free(s);
        assert_int_equal(hb_surface_new(1u << 30, 4, true, &s), -EINVAL);
}

static void selection(void **state) {
        hb_surface *s = surface(4, 1, true);

        hb_surface_text(s, 0, 0, 4, HB_STYLE_BAD, "abcd");
        hb_surface_choose(s, 1, 0, 99);
        assert_false(hb_surface_at(s, 0, 0)->chosen);
        assert_true(hb_surface_at(s, 3, 0)->chosen);
        assert_int_equal(hb_surface_at(s, 3, 0)->style, HB_STYLE_BAD);
        hb_surface_put(s, 3, 0, HB_STYLE_NORMAL, 'x');
        assert_false(hb_surface_at(s, 3, 0)->chosen);
        hb_surface_free(s);
}

static void table_is_in_order(const struct hb_text_range *table, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                assert_true(table[i].first <= table[i].last && table[i].last <= 0x10ffff);
                assert_true(i == 0 || table[i].first > table[i - 1].last + 1);
        }
}

/* Whatever Unicode has comes back from its own encoding, clean, one or two columns wide. */
static void every_character(void **state) {
        table_is_in_order(hb_text_refused, hb_text_refused_count);
        table_is_in_order(hb_text_wide, hb_text_wide_count);
        for (uint32_t ch = 1; ch <= 0x10ffff; ch++) {
                char text[5] = {0};
                const char *at = text;
                uint32_t back;

                if (ch >= 0xd800 && ch <= 0xdfff)
                        continue;
                assert_true(hb_char_encode(ch, text) == strlen(text));
                back = hb_text_next(&at, true);
                assert_true(back == hb_text_clean(ch, true) && (back == ch || back == '?'));
                assert_true(*at == '\0' && hb_text_clean(back, true) == back);
                assert_true(hb_char_width(back) == 1 || hb_char_width(back) == 2);
        }
}

static void what_fails(void **state) {
        hb_surface *s = NULL, *none = NULL;
        FILE *full = fopen("/dev/full", "w");

        s = surface(4, 1, true);
        assert_non_null(full);
        assert_int_equal(hb_surface_write(s, full), -EIO);
        fclose(full);
        hb_surface_free(s);
        assert_int_equal(hb_fault_arm("surface.new=fail"), 0);
        assert_int_equal(hb_surface_new(4, 1, true, &none), -ENOMEM);
        hb_fault_disarm();
        assert_null(none);
        assert_null(hb_surface_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(plain_text),       cmocka_unit_test(wide_characters),
                cmocka_unit_test(hostile_text),     cmocka_unit_test(wrong_bytes),
                cmocka_unit_test(places_and_sizes), cmocka_unit_test(selection),
                cmocka_unit_test(every_character),  cmocka_unit_test(what_fails),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
