/* Docs: everything is copied, NULL is taken everywhere, and with memory failing at any point a doc still
 * renders and says that something is missing. */
#include "base/fault.h"
#include "doc_rig.h"
#include <math.h>
#include <stdio.h>

static const char *label(void *arg, unsigned first_cell, char *buf, size_t size) {
        snprintf(buf, size, "%s%u", (const char *)arg, first_cell);
        return buf;
}

/* One of everything, from memory that is overwritten afterwards. */
static void fill(hb_doc *d) {
        char text[] = "key\0label\0text";
        double values[3] = {1, NAN, 3};
        struct hb_doc_part part = {text, text + 4, 'F', HB_STYLE_FRESH, 2, text + 10};
        struct hb_doc_mark mark = {text + 4, 2, HB_STYLE_WARN};
        struct hb_doc_cell_value cells[5] = {{1, HB_STYLE_HEAT1, 0}};
        struct hb_doc_column column = {.key = text, .title = text + 4};
        struct hb_doc_grid grid = {.key = "grid",
                                   .title = text + 4,
                                   .columns = 2,
                                   .n = 5,
                                   .cells = cells,
                                   .chosen = 9,
                                   .row_label = label,
                                   .arg = text + 10,
                                   .legend = &part,
                                   .nlegend = 1,
                                   .values = json_pack("{s:[i]}", "reads", 7)};
        hb_doc_table *t;

        hb_doc_subject(d, "%s 1", text + 10);
        hb_doc_heading(d, text + 4);
        hb_doc_field(d, text, text + 4, HB_STYLE_NORMAL, json_integer(5), "%s", text + 10);
        hb_doc_note(d, "note", HB_STYLE_WARN, '!', "%s", text + 10);
        hb_doc_aside(d, true);
        hb_doc_text(d, "lines", text + 4, text + 10, false);
        t = hb_doc_table_new(d, "table", text + 4, &column, 1, true, text + 10);
        for (unsigned i = 0; i < 70; i++) {
                hb_doc_row(t, text + 10);
                hb_doc_cell(t, HB_STYLE_NORMAL, json_string("v"), "%s", text + 10);
                hb_doc_cell_bar(t, HB_STYLE_NORMAL, 0.5, json_integer(1), "one too many");
        }
        hb_doc_series(d, "series", text + 4, HB_STYLE_NORMAL, values, 3, true, "%s", text + 10);
        hb_doc_bar(d, "bar", text + 4, &part, 1, 4);
        hb_doc_histogram(d, "histogram", text + 4, values, 3, 0, 4, &mark, 1);
        hb_doc_grid(d, &grid);
        memset(text, 'x', sizeof(text));
        memset(values, 0, sizeof(values));
        memset(cells, 0xff, sizeof(cells));
}

static const char everything[] = "test: text 1\n"
                                 "\n"
                                 "label\n"
                                 "label: text\n"
                                 "warning: text\n"
                                 "label:\n"
                                 "text\n"
                                 "label: 70 rows\n";

static void everything_is_copied(void **state) {
        struct hb_doc_order none = {0};
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        hb_doc *d = hb_doc_new("test");

        fill(d);
        assert_int_equal(hb_doc_arrange(d, &none), 70);
        assert_int_equal(hb_doc_plain(d, NULL, true, out), 0);
        fclose(out);
        assert_memory_equal(text, everything, sizeof(everything) - 1);
        assert_string_equal(
                strstr(text, "label text\nlabel: text\n") + 11,
                "label: text\nlabel: label text (50 %)\n"
                "label: 4 counted from 0 to 4; most between 2.67 and 4; label 2, 75 % from there on\n"
                "label: 5 cells, 0 label\n");
        free(text);
        hb_doc_free(d);
}

static void null_is_taken_everywhere(void **state) {
        struct hb_doc_order none = {0};
        const struct hb_doc_column *columns = NULL;
        struct doc_rig r = {0};

        fill(NULL);
        hb_doc_row(NULL, "x");
        hb_doc_cell(NULL, HB_STYLE_NORMAL, json_integer(1), "x");
        hb_doc_cell_bar(NULL, HB_STYLE_NORMAL, 1, json_integer(1), "x");
        assert_null(hb_doc_free(NULL));
        assert_null(hb_doc_main(NULL));
        assert_int_equal(hb_doc_columns(NULL, &columns), 0);
        assert_int_equal(hb_doc_rows(NULL), 0);
        assert_int_equal(hb_doc_rows_all(NULL), 0);
        assert_null(hb_doc_row_id(NULL, 0));
        assert_int_equal(hb_doc_row_find(NULL, "x"), 0);
        assert_int_equal(hb_doc_arrange(NULL, &none), 0);
        assert_string_equal(hb_doc_view_name(NULL), "");
        assert_string_equal(hb_doc_subject_text(NULL), "");
        assert_null(hb_doc_json(NULL));
        assert_true(hb_doc_csv(NULL, stdout) < 0);
        assert_true(hb_doc_plain(NULL, NULL, true, stdout) < 0);
        doc_rig_shows(&r, NULL, 40, 5, "! no memory to show this\n");
        doc_rig_fini(&r);
}

/* Whether a column's first line says that something is missing. */
static bool says_so(const hb_surface *s) {
        static const char said[] = "! no memory";
        unsigned found = 0;

        for (unsigned x = 0; x < hb_surface_width(s) && said[found]; x++)
                found = hb_surface_at(s, x, 0)->ch == (unsigned char)said[found] ? found + 1 : 0;
        return !said[found];
}

/* Builds, arranges and renders everything; what fails may be missing, never half. */
static bool one_round(void) {
        static const struct hb_doc_order order = {.sort = "key", .filter = "t"};
        struct doc_rig r = {.glyphs = HB_GLYPHS_BLOCK};
        FILE *out = fopen("/dev/null", "w");
        hb_doc *d = hb_doc_new("test");
        bool said = true;

        fill(d);
        hb_doc_arrange(d, &order);
        if (hb_surface_new(120, 30, true, &r.surface) == 0) {
                hb_paint_doc(r.surface, (struct hb_rect){0, 0, 120, 30}, d, r.glyphs, false, &r.place,
                             &r.result);
                said = says_so(r.surface);
        }
        json_decref(hb_doc_json(d));
        hb_doc_plain(d, NULL, true, out);
        hb_doc_csv(d, out);
        hb_doc_free(d);
        fclose(out);
        doc_rig_fini(&r);
        return said;
}

/* What cannot be made is said on the screen; JSON, plain lines and CSV tell their caller. */
static void memory_fails_at_every_point(void **state) {
        unsigned silent = 0, n = 1;

        for (; hb_fail_nth(n); n++)
                silent += !one_round();
        hb_fault_disarm();
        assert_true(n > 90);
        assert_int_equal(silent, 4); /* these three, and the last round, in which nothing fails */
        assert_false(one_round());
}

static void more_than_there_is_room_for(void **state) {
        struct hb_doc_column columns[40];
        struct hb_doc_part parts[100];
        hb_doc *d = hb_doc_new("test");
        const struct hb_doc_column *c;
        hb_doc_table *t;

        for (unsigned i = 0; i < 40; i++)
                columns[i] = (struct hb_doc_column){.key = "k", .title = "T"};
        for (unsigned i = 0; i < 100; i++)
                parts[i] = (struct hb_doc_part){NULL, "part", 'p', HB_STYLE_FRESH, 1, NULL};
        t = hb_doc_table_new(d, "t", "t", columns, 40, true, NULL);
        assert_int_equal(hb_doc_columns(t, &c), 32);
        hb_doc_bar(d, "b", "b", parts, 100, 100);
        hb_doc_cell(t, HB_STYLE_NORMAL, json_integer(1), "before any row");
        hb_doc_row(t, NULL);
        assert_string_equal(hb_doc_row_id(t, 0), "");
        assert_ptr_not_equal(hb_doc_table_new(d, "u", "u", columns, 1, true, NULL), hb_doc_main(d));
        assert_ptr_equal(hb_doc_main(d), t); /* the first one stays */
        hb_doc_free(d);
}

static void long_texts_are_kept(void **state) {
        char *long_text = malloc(300001);
        hb_doc *d = hb_doc_new("test");
        json_t *o;

        memset(long_text, 'a', 300000);
        long_text[300000] = '\0';
        hb_doc_note(d, "short", HB_STYLE_NORMAL, 0, "%d", 7);
        hb_doc_note(d, "long", HB_STYLE_NORMAL, 0, "%s!", long_text);
        hb_doc_note(d, "after", HB_STYLE_NORMAL, 0, "%d", 8);
        o = hb_doc_json(d);
        assert_string_equal(json_string_value(json_object_get(o, "short")), "7");
        assert_int_equal(strlen(json_string_value(json_object_get(o, "long"))), 300001);
        assert_string_equal(json_string_value(json_object_get(o, "after")), "8");
        json_decref(o);
        hb_doc_free(d);
        free(long_text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(everything_is_copied),        cmocka_unit_test(null_is_taken_everywhere),
                cmocka_unit_test(memory_fails_at_every_point), cmocka_unit_test(more_than_there_is_room_for),
                cmocka_unit_test(long_texts_are_kept),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
