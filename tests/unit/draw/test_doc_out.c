/* A doc for programs and for listeners: JSON with every value and null for the unknown, CSV that reads back
 * to the same cells and runs no formula, plain lines without drawing, without anything that only colour says.
 */
#include "doc_rig.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>

static const struct hb_doc_column columns[] = {{.key = "guest", .title = "GUEST"},
                                               {.key = "ready", .title = "READY"},
                                               {.key = "rate", .title = "RATE", .right = true}};

static void row(hb_doc_table *t, const char *name, double share, double rate) {
        char id[64];

        snprintf(id, sizeof(id), "a/%s", name);
        hb_doc_row(t, id);
        hb_doc_cell(t, HB_STYLE_NORMAL, json_string(name), "%s", name);
        hb_doc_cell_bar(t, HB_STYLE_GOOD, share, json_real(share), "%s", "");
        hb_doc_cell(t, HB_STYLE_NORMAL, json_real(rate), isnan(rate) ? "-" : "%.0f B/s", rate);
}

static hb_doc *doc(void) {
        static const struct hb_doc_part parts[] = {{"fresh", "fresh", 'F', HB_STYLE_FRESH, 300, "300 MiB"},
                                                   {NULL, "stale", 'S', HB_STYLE_STALE, NAN, "-"}};
        static const struct hb_doc_mark cut = {"cut", 0.5, HB_STYLE_WARN};
        static const double history[] = {0, 10e6, NAN, 40e6, 20e6, 20e6, 50e6, 52428800};
        static const double counts[] = {1, 4, 0, 5};
        static const struct hb_doc_cell_value cells[] = {
                {5, HB_STYLE_FRESH, 'F'}, {5, HB_STYLE_STALE, 'S'}, {5, HB_STYLE_FRESH, 'F'}};
        hb_doc *d = hb_doc_new("guest");
        hb_doc_table *t;
        struct hb_doc_grid grid = {.key = "map",
                                   .title = "state on b",
                                   .columns = 2,
                                   .n = 3,
                                   .cells = cells,
                                   .chosen = 2,
                                   .legend = parts,
                                   .nlegend = 2,
                                   .values = json_pack("{s:[i,i,i]}", "fresh", 512, 0, 512)};

        hb_doc_subject(d, "vm1 -> b");
        hb_doc_field(d, "state", "state", HB_STYLE_GOOD, json_string("ready"), "+ ready");
        hb_doc_field(d, "down_s", "downtime", HB_STYLE_NORMAL, json_real(NAN), "-");
        hb_doc_field(d, NULL, "for people", HB_STYLE_NORMAL, json_integer(1), "only");
        hb_doc_note(d, "why", HB_STYLE_WARN, '~', "it stalls:\nthe link is slow");
        hb_doc_note(d, NULL, HB_STYLE_BAD, 'x', "c is down");
        hb_doc_heading(d, "history");
        hb_doc_series(d, "rate", "dirty rate", HB_STYLE_NORMAL, history, 8, true, "50 MiB/s");
        hb_doc_bar(d, "image", "image", parts, 2, 400);
        hb_doc_histogram(d, "scores", "scores", counts, 4, -1, 1, &cut, 1);
        hb_doc_grid(d, &grid);
        hb_doc_text(d, "diff", "changes", "-a\n+b\n", true);
        t = hb_doc_table_new(d, "guests", "guests", columns, 3, true, "none");
        row(t, "vm1", 0.25, 1000);
        row(t, "vm2", NAN, NAN);
        return d;
}

static char *text_of(const hb_doc *d, const char *selected, bool utf8, bool csv) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        assert_int_equal(csv ? hb_doc_csv(d, out) : hb_doc_plain(d, selected, utf8, out), 0);
        fclose(out);
        return text;
}

static void says(const hb_doc *d, const char *selected, bool utf8, const char *expected) {
        char *text = text_of(d, selected, utf8, false);

        assert_string_equal(text, expected);
        free(text);
}

static void everything_is_said_in_words(void **state) {
        hb_doc *d = doc();

        says(d, "a/vm2", true,
             "guest: vm1 -> b\n"
             "state: + ready\n"
             "downtime: unknown\n"
             "for people: only\n"
             "warning: it stalls: the link is slow\n"
             "error: c is down\n"
             "\n"
             "history\n"
             "dirty rate: 50 MiB/s; least 0 MiB/s, most 50 MiB/s; rising\n"
             "image: fresh 300 MiB (75 %), stale unknown (0 %)\n"
             "scores: 10 counted from -1 to 1; most between 0.5 and 1; cut 0.5, 50 % from there on\n"
             "state on b: 3 cells, 2 fresh, 1 stale; selected: cell 3\n"
             "changes:\n"
             "-a\n"
             "+b\n"
             "guests: 2 rows\n"
             "- GUEST vm1; READY 25 %; RATE 1000 B/s\n"
             "> GUEST vm2; RATE unknown\n");
        hb_doc_free(d);
}

static void order_and_filter_are_heard(void **state) {
        struct hb_doc_order o = {.filter = "vm1"};
        hb_doc *d = hb_doc_new("overview");
        hb_doc_table *t = hb_doc_table_new(d, "guests", "guests", columns, 3, true, "no guests here");

        says(d, NULL, true, "overview\nguests: no guests here\n");
        row(t, "vm1", 1, 2);
        row(t, "h\xc3\xb4te\033[2J", 1, 2);
        hb_doc_arrange(d, &o);
        says(d, "a/vm1", true,
             "overview\nguests: 1 of 2 rows (filter: vm1)\n> GUEST vm1; READY 100 %; RATE 2 B/s\n");
        strcpy(o.filter, "te");
        hb_doc_arrange(d, &o);
        says(d, "a/vm1", true,
             "overview\nguests: 1 of 2 rows (filter: te)\n- GUEST h\xc3\xb4te?[2J; READY 100 %; RATE 2 "
             "B/s\n");
        says(d, "a/vm1", false,
             "overview\nguests: 1 of 2 rows (filter: te)\n- GUEST h?te?[2J; READY 100 %; RATE 2 B/s\n");
        hb_doc_free(d);
}

static void json_has_every_value(void **state) {
        hb_doc *d = doc();
        json_t *o = hb_doc_json(d);
        char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(6));

        assert_string_equal(
                text,
                "{\"view\":\"guest\",\"subject\":\"vm1 -> b\",\"state\":\"ready\",\"down_s\":null,"
                "\"why\":\"it stalls:\\nthe link is slow\",\"rate\":[0.0,1e7,null,4e7,2e7,2e7,5e7,5.24288e7],"
                "\"image\":{\"total\":400.0,\"fresh\":300.0,\"stale\":null},"
                "\"scores\":{\"low\":-1.0,\"high\":1.0,\"counts\":[1.0,4.0,0.0,5.0],"
                "\"marks\":[{\"label\":\"cut\",\"at\":0.5}]},\"map\":{\"fresh\":[512,0,512]},"
                "\"diff\":\"-a\\n+b\\n\",\"guests\":[{\"guest\":\"vm1\",\"ready\":0.25,\"rate\":1000.0},"
                "{\"guest\":\"vm2\",\"ready\":null,\"rate\":null}]}");
        free(text);
        json_decref(o);
        hb_doc_free(d);
}

static void json_outlives_its_doc(void **state) {
        hb_doc *d = doc();
        json_t *o = hb_doc_json(d);

        hb_doc_free(d);
        assert_int_equal(
                json_integer_value(json_array_get(json_object_get(json_object_get(o, "map"), "fresh"), 0)),
                512);
        assert_string_equal(
                json_string_value(json_object_get(json_array_get(json_object_get(o, "guests"), 1), "guest")),
                "vm2");
        json_decref(o);
}

static void no_json_of_what_is_no_utf8(void **state) {
        hb_doc *d = hb_doc_new("v");
        json_t *o;

        hb_doc_note(d, "note", HB_STYLE_NORMAL, 0, "%s", "a\xff");
        o = hb_doc_json(d);
        assert_true(json_is_null(json_object_get(o, "note")));
        json_decref(o);
        hb_doc_free(d);
}

/* ---- CSV ---- */

/* One cell of RFC 4180; returns what follows. */
static const char *read_cell(const char *p, char *cell) {
        bool quoted = *p == '"';

        p += quoted;
        while (*p && (quoted ? *p != '"' || p[1] == '"' : *p != ',' && *p != '\n')) {
                p += quoted && *p == '"';
                *cell++ = *p++;
        }
        *cell = '\0';
        return p + quoted;
}

static void csv_reads_back(void **state) {
        static const char *const hostile[] = {"plain",  "a,b", "say \"hi\"", "two\nlines", "=1+1",
                                              "+cmd|x", "-2",  "@sum",       "",           "\tx",
                                              "é",      "\"",  "x=1"};
        static const struct hb_doc_column column[] = {{.key = "name", .title = "N"},
                                                      {.key = "n,o", .title = "O"}};
        hb_doc *d = hb_doc_new("v");
        hb_doc_table *t = hb_doc_table_new(d, "t", "", column, 2, false, "");
        char *text, cell[64];
        const char *p;

        for (unsigned i = 0; i < 13; i++) {
                hb_doc_row(t, hostile[i]);
                hb_doc_cell(t, HB_STYLE_NORMAL, json_string(hostile[i]), "%s", "");
                hb_doc_cell(t, HB_STYLE_NORMAL, json_integer(-(int)i), "%s", "");
        }
        p = text = text_of(d, NULL, true, true);
        assert_memory_equal(p, "name,\"n,o\"\n", 11);
        p += 11;
        for (unsigned i = 0; i < 13; i++) {
                bool guarded;

                p = read_cell(p, cell);
                guarded = cell[0] == '\'';
                assert_int_equal(guarded, hostile[i][0] && strchr("=+-@\t", hostile[i][0]));
                assert_string_equal(cell + guarded, hostile[i]);
                assert_int_equal(*p, ',');
                p = read_cell(p + 1, cell);
                assert_int_equal(atoi(cell), -(int)i); /* a number is no formula */
                assert_int_equal(*p, '\n');
                p++;
        }
        assert_int_equal(*p, '\0');
        free(text);
        hb_doc_free(d);
}

static void csv_of_the_main_table_or_of_fields(void **state) {
        struct hb_doc_order o = {.sort = "guest", .descending = true};
        hb_doc *d = doc();
        char *text;

        hb_doc_arrange(d, &o);
        text = text_of(d, NULL, true, true);
        assert_string_equal(text, "guest,ready,rate\nvm2,,\nvm1,0.25,1000.0\n");
        free(text);
        hb_doc_free(d);
        d = hb_doc_new("v");
        hb_doc_field(d, "a", "A", HB_STYLE_NORMAL, json_string("x,y"), "x");
        hb_doc_field(d, NULL, "B", HB_STYLE_NORMAL, json_integer(1), "x");
        hb_doc_field(d, "c", "C", HB_STYLE_NORMAL, json_pack("[i,s]", 1, "q"), "x");
        hb_doc_field(d, "d", "D", HB_STYLE_NORMAL, NULL, "x");
        hb_doc_field(d, "e", "E", HB_STYLE_NORMAL, json_false(), "x");
        text = text_of(d, NULL, true, true);
        assert_string_equal(text, "key,value\na,\"x,y\"\nc,\"[1,\"\"q\"\"]\"\nd,\ne,false\n");
        free(text);
        hb_doc_free(d);
}

static void a_full_disk_is_told(void **state) {
        FILE *full = fopen("/dev/full", "w");
        hb_doc *d = doc();

        if (!full)
                skip();
        setvbuf(full, NULL, _IONBF, 0);
        assert_int_equal(hb_doc_csv(d, full), -EIO);
        clearerr(full);
        assert_int_equal(hb_doc_plain(d, NULL, true, full), -EIO);
        fclose(full);
        hb_doc_free(d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(everything_is_said_in_words),
                cmocka_unit_test(order_and_filter_are_heard),
                cmocka_unit_test(json_has_every_value),
                cmocka_unit_test(json_outlives_its_doc),
                cmocka_unit_test(no_json_of_what_is_no_utf8),
                cmocka_unit_test(csv_reads_back),
                cmocka_unit_test(csv_of_the_main_table_or_of_fields),
                cmocka_unit_test(a_full_disk_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
