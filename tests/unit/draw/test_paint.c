/* Each kind of block as it is drawn, character by character, from 120 columns to 20x5; what no rows, unknown
 * values and hostile text leave of it. */
#include "doc_rig.h"
#include <math.h>
#include <stdio.h>

static hb_doc *doc(void) {
        hb_doc *d = hb_doc_new("test");

        assert_non_null(d);
        return d;
}

/* ---- fields, notes, lines ---- */

static void fields_stand_beside_each_other(void **state) {
        struct doc_rig r = {0};
        hb_doc *d = doc();

        hb_doc_field(d, "state", "state", HB_STYLE_GOOD, json_string("ready"), "+ ready");
        hb_doc_field(d, "down", "downtime", HB_STYLE_NORMAL, json_real(0.03), "30 ms");
        hb_doc_field(d, "why", "why", HB_STYLE_NORMAL, NULL,
                     "the link gives %d MiB/s and the guest writes more", 70);
        hb_doc_field(d, NULL, "rate", HB_STYLE_NORMAL, NULL, "70 MiB/s");
        doc_rig_shows(&r, d, 80, 10,
                      "state     + ready                       downtime  30 ms\n"
                      "why       the link gives 70 MiB/s and the guest writes more\n"
                      "rate      70 MiB/s\n");
        doc_rig_shows(&r, d, 40, 10,
                      "state     + ready\n"
                      "downtime  30 ms\n"
                      "why       the link gives 70 MiB/s and\n"
                      "          the guest writes more\n"
                      "rate      70 MiB/s\n");
        doc_rig_shows(&r, d, 20, 10,
                      "state     + ready\n"
                      "downtime  30 ms\n"
                      "why       the link\n"
                      "          gives 70\n"
                      "          MiB/s and\n"
                      "          the guest\n"
                      "          writes\n"
                      "          more\n"
                      "rate      70 MiB/s\n");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void a_long_label_has_a_line_of_its_own(void **state) {
        struct doc_rig r = {0};
        hb_doc *d = doc();

        hb_doc_field(d, NULL, "estimated downtime", HB_STYLE_NORMAL, NULL, "30 ms or more");
        hb_doc_field(d, NULL, "to", HB_STYLE_NORMAL, NULL, "b");
        doc_rig_shows(&r, d, 16, 5,
                      "estimated downt~\n"
                      "  30 ms or more\n"
                      "to      b\n");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void notes_are_wrapped_by_words(void **state) {
        struct doc_rig r = {.glyphs = HB_GLYPHS_BLOCK};
        hb_doc *d = doc();

        hb_doc_note(d, NULL, HB_STYLE_WARN, '!', "host b does not answer: run harbinger doctor there");
        hb_doc_note(d, NULL, HB_STYLE_NORMAL, 0, "  averyveryverylongword  主机主机");
        doc_rig_shows(&r, d, 60, 8,
                      "! host b does not answer: run harbinger doctor there\n"
                      "averyveryverylongword  主机主机\n");
        doc_rig_shows(&r, d, 20, 8,
                      "! host b does not\n"
                      "  answer: run\n"
                      "  harbinger doctor\n"
                      "  there\n"
                      "averyveryverylongwor\n"
                      "d  主机主机\n");
        doc_rig_shows(&r, d, 20, 5,
                      "! host b does not\n"
                      "  answer: run\n"
                      "  harbinger doctor\n"
                      "  there\n"
                      "1-4 of 6\n");
        r.place.scroll = 100; /* corrected to the last lines */
        doc_rig_shows(&r, d, 20, 5,
                      "  harbinger doctor\n"
                      "  there\n"
                      "averyveryverylongwor\n"
                      "d  主机主机\n");
        assert_int_equal(r.place.scroll, 2);
        assert_int_equal(r.result.lines, 6);
        assert_int_equal(r.result.shown, 4);
        assert_int_equal(r.result.cursor_x, -1);
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void hostile_text_stays_text(void **state) {
        struct doc_rig r = {0};
        hb_doc *d = doc();

        hb_doc_heading(d, "a\033[31mb");
        hb_doc_field(d, NULL, "na\nme", HB_STYLE_NORMAL, NULL, "%s", "x\ty\xff\x80");
        hb_doc_note(d, NULL, HB_STYLE_NORMAL, '\007', "one\n\ttwo \033]0;title\007 three");
        hb_doc_text(d, NULL, "", "a\tb\r\nc\rd\n\n\033[2J", false);
        doc_rig_shows(&r, d, 40, 10,
                      "a?[31mb\n"
                      "na?me  x?y??\n"
                      "? one??two ?]0;title? three\n"
                      "a       b\n"
                      "c?d\n"
                      "\n"
                      "?[2J\n");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void preformatted_lines_keep_their_form(void **state) {
        struct doc_rig r = {0};
        hb_doc *d = doc();

        hb_doc_text(d, "diff", "what changes", "--- a\n+++ b\n@@ -1 +1 @@\n-w = 1\n+w = 2 -- heavier\n",
                    true);
        doc_rig_shows(&r, d, 40, 10,
                      "what changes\n"
                      "--- a\n"
                      "+++ b\n"
                      "@@ -1 +1 @@\n"
                      "-w = 1\n"
                      "+w = 2 -- heavier\n");
        assert_int_equal(hb_surface_at(r.surface, 0, 4)->style, HB_STYLE_BAD);
        assert_int_equal(hb_surface_at(r.surface, 0, 5)->style, HB_STYLE_GOOD);
        doc_rig_shows(&r, d, 12, 10,
                      "what changes\n"
                      "--- a\n"
                      "+++ b\n"
                      "@@ -1 +1 @@\n"
                      "-w = 1\n"
                      "+w = 2 -- he\n"
                      "avier\n");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

/* Which line stands on top when a long text, some of it wide, is scrolled. */
static void long_texts_are_scrolled(void **state) {
        struct doc_rig r = {.glyphs = HB_GLYPHS_BLOCK};
        char *text = NULL, top[16];
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        hb_doc *d = doc();

        for (unsigned i = 0; i < 3000; i++) /* one line, one line, three lines of the screen */
                fprintf(out,
                        i % 3 == 2 ? "%u 主机主机主机主机主机主机主机主机主机主机\n"
                        : i % 3    ? "%u é\n"
                                   : "%u\n",
                        i);
        fclose(out);
        hb_doc_text(d, NULL, "", text, false);
        for (unsigned i = 0; i < 2990; i += 37) {
                r.place.scroll = i / 3 * 5 + i % 3;
                doc_rig_paint(&r, d, 20, 10);
                assert_int_equal(r.result.lines, 5000);
                snprintf(top, sizeof(top), "%u", i);
                for (unsigned x = 0; top[x]; x++)
                        assert_int_equal(hb_surface_at(r.surface, x, 0)->ch, (unsigned char)top[x]);
        }
        free(text);
        hb_doc_free(d);
        doc_rig_fini(&r);
}

/* ---- tables ---- */

static const struct hb_doc_column columns[] = {
        {.key = "guest", .title = "GUEST"},
        {.key = "ready", .title = "READY"},
        {.key = "rate", .title = "RATE", .right = true, .rank = 2},
        {.key = "mem", .title = "MEMORY", .right = true, .rank = 3, .min = 8},
        {.key = "why", .title = "WHY", .rank = 1, .grow = true},
};

static hb_doc *guests(unsigned n, bool main) {
        hb_doc *d = doc();
        hb_doc_table *t = hb_doc_table_new(d, "guests", "guests", columns, 5, main,
                                           "no guests: attach one with harbinger guest");

        for (unsigned i = 0; i < n; i++) {
                char id[32];

                snprintf(id, sizeof(id), "a/vm%u", i);
                hb_doc_row(t, id);
                hb_doc_cell(t, HB_STYLE_NORMAL, json_string(id + 2), "%s", id + 2);
                hb_doc_cell_bar(t, HB_STYLE_GOOD, i % 5 / 4.0, json_real(i % 5 / 4.0), "%u %%", i % 5 * 25);
                hb_doc_cell(t, HB_STYLE_NORMAL, json_integer(i * 100), "%u B/s", i * 100);
                hb_doc_cell(t, HB_STYLE_NORMAL, NULL, "-");
                hb_doc_cell(t, HB_STYLE_NORMAL, NULL,
                            i % 2 ? "the guest writes faster than the link sends" : "");
        }
        return d;
}

static void columns_go_by_rank(void **state) {
        struct doc_rig r = {.glyphs = HB_GLYPHS_BLOCK};
        hb_doc *d = guests(3, true);

        doc_rig_shows(
                &r, d, 100, 8,
                "guests\n"
                "GUEST  READY                 RATE    MEMORY  WHY\n"
                "vm0    ············  0 %    0 B/s         -\n"
                "vm1    ███········· 25 %  100 B/s         -  the guest writes faster than the link sends\n"
                "vm2    ██████······ 50 %  200 B/s         -\n");
        doc_rig_shows(&r, d, 60, 8,
                      "guests\n"
                      "GUEST  READY             RATE    MEMORY  WHY\n"
                      "vm0    ········  0 %    0 B/s         -\n"
                      "vm1    ██······ 25 %  100 B/s         -  the guest writes f…\n"
                      "vm2    ████···· 50 %  200 B/s         -\n");
        doc_rig_shows(&r, d, 40, 8,
                      "guests\n"
                      "GUEST READY         RATE WHY\n"
                      "vm0   ·····  0 %   0 B/s\n"
                      "vm1   █▎··· 25 % 100 B/s the guest writ…\n"
                      "vm2   ██▌·· 50 % 200 B/s\n");
        doc_rig_shows(&r, d, 20, 5,
                      "guests\n"
                      "GUEST READY\n"
                      "vm0     0 %\n"
                      "vm1    25 %\n"
                      "vm2    50 %\n");
        doc_rig_shows(&r, d, 9, 3,
                      "GUE… REA…\n"
                      "vm0   0 %\n"
                      "vm1  25 %\n");
        assert_int_equal(r.result.table_lines, 2);
        doc_rig_shows(&r, d, 20, 1, "vm0     0 %\n");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void where_no_colors_are_a_sign_marks_the_row(void **state) {
        struct doc_rig r = {.mono = true};
        hb_doc *d = guests(30, true);
        struct hb_doc_order o = {.sort = "rate", .descending = true};

        strcpy(r.place.row, "a/vm27");
        r.place.row_line = 4;
        assert_int_equal(hb_doc_arrange(d, &o), 30);
        doc_rig_shows(&r, d, 80, 8,
                      "guests                                                                 1-6 of 30\n"
                      "  GUEST  READY              RATEv    MEMORY  WHY\n"
                      "  vm29   ######## 100 %  2900 B/s         -  the guest writes faster than the l~\n"
                      "  vm28   ######..  75 %  2800 B/s         -\n"
                      "> vm27   ####....  50 %  2700 B/s         -  the guest writes faster than the l~\n"
                      "  vm26   ##......  25 %  2600 B/s         -\n"
                      "  vm25   ........   0 %  2500 B/s         -  the guest writes faster than the l~\n"
                      "  vm24   ######## 100 %  2400 B/s         -\n");
        assert_int_equal(r.result.cursor_x, 0);
        assert_int_equal(r.result.cursor_y, 4);
        assert_int_equal(r.result.table_lines, 6);
        assert_true(hb_surface_at(r.surface, 0, 4)->chosen);
        assert_true(hb_surface_at(r.surface, 79, 4)->chosen);
        assert_false(hb_surface_at(r.surface, 0, 3)->chosen);
        strcpy(o.filter, "guest:vm2 !link");
        assert_int_equal(hb_doc_arrange(d, &o), 6);
        doc_rig_shows(&r, d, 80, 7,
                      "guests                                                       1-5 of 6, 30 in all\n"
                      "  GUEST  READY              RATEv    MEMORY  WHY\n"
                      "  vm28   ######..  75 %  2800 B/s         -\n"
                      "  vm26   ##......  25 %  2600 B/s         -\n"
                      "> vm24   ######## 100 %  2400 B/s         -\n"
                      "  vm22   ####....  50 %  2200 B/s         -\n"
                      "  vm20   ........   0 %  2000 B/s         -\n");
        assert_string_equal(r.place.row, "a/vm24"); /* 27 is hidden: who stands there now */
        hb_doc_free(d);
        doc_rig_fini(&r);
}

/* The styles of a line: F where the filter found something. */
static void found(const struct doc_rig *r, unsigned y, const char *expected) {
        for (unsigned x = 0; expected[x]; x++)
                assert_int_equal(hb_surface_at(r->surface, x, y)->style == HB_STYLE_FOUND,
                                 expected[x] == 'F');
}

static void what_the_filter_found_is_marked(void **state) {
        struct hb_doc_order o = {.filter = "guest:VM 00 !slow"};
        struct doc_rig r = {.glyphs = HB_GLYPHS_BLOCK};
        hb_doc *d = guests(12, true);

        hb_doc_arrange(d, &o);
        doc_rig_shows(&r, d, 42, 4,
                      "guests                1-2 of 11, 12 in all\n"
                      "GUEST READY           RATE WHY\n"
                      "vm1   █▎···  25 %  100 B/s the guest writ…\n"
                      "vm2   ██▌··  50 %  200 B/s\n");
        found(&r, 2, "FF..................FF........");
        hb_doc_free(d);
        d = doc();
        hb_doc_table_new(d, "t", "", columns, 2, true, "");
        hb_doc_row(hb_doc_main(d), "");
        hb_doc_cell(hb_doc_main(d), HB_STYLE_NORMAL, NULL, "主机主机主机主机主机主机");
        strcpy(o.filter, "机主");
        assert_int_equal(hb_doc_arrange(d, &o), 1);
        doc_rig_paint(&r, d, 20, 4);
        found(&r, 1, "..FFFFFFFFFFF.......");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void a_table_without_rows_says_why(void **state) {
        struct hb_doc_order o = {.filter = "nobody"};
        struct doc_rig r = {0};
        hb_doc *d = guests(0, true);

        doc_rig_shows(&r, d, 40, 8,
                      "guests\n"
                      "no guests: attach one with harbinger\n"
                      "guest\n");
        assert_int_equal(r.result.cursor_x, -1);
        assert_int_equal(r.result.table_lines, 0);
        doc_rig_shows(&r, d, 20, 5,
                      "guests\n"
                      "no guests: attach\n"
                      "one with harbinger\n"
                      "guest\n");
        hb_doc_free(d);
        d = guests(2, true);
        strcpy(r.place.row, "a/vm1");
        assert_int_equal(hb_doc_arrange(d, &o), 0);
        doc_rig_shows(&r, d, 60, 8,
                      "guests\n"
                      "no row has \"nobody\" (2 without the filter)\n");
        assert_string_equal(r.place.row, "a/vm1"); /* selected again when the filter goes */
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void other_tables_give_way_to_the_main_one(void **state) {
        struct doc_rig r = {0};
        hb_doc *d = guests(9, false);
        hb_doc_table *t = hb_doc_table_new(d, "m", "moves", columns, 1, true, "");

        for (unsigned i = 0; i < 12; i++) {
                char id[8];

                snprintf(id, sizeof(id), "m%u", i);
                hb_doc_row(t, id);
                hb_doc_cell(t, HB_STYLE_NORMAL, NULL, "%s", id);
        }
        doc_rig_shows(&r, d, 60, 14,
                      "guests\n"
                      "GUEST  READY              RATE    MEMORY  WHY\n"
                      "vm0    ........   0 %    0 B/s         -\n"
                      "vm1    ##......  25 %  100 B/s         -  the guest writes ~\n"
                      "vm2    ####....  50 %  200 B/s         -\n"
                      "vm3    ######..  75 %  300 B/s         -  the guest writes ~\n"
                      "... 5 more\n"
                      "moves                                              1-5 of 12\n"
                      "GUEST\n"
                      "m0\n"
                      "m1\n"
                      "m2\n"
                      "m3\n"
                      "m4\n");
        doc_rig_shows(&r, d, 60, 6,
                      "guests\n"
                      "GUEST  READY              RATE    MEMORY  WHY\n"
                      "-- lines 1-2 of 5 --\n"
                      "GUEST                                              1-2 of 12\n"
                      "m0\n"
                      "m1\n");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void its_place_stands_where_there_is_room(void **state) {
        struct doc_rig r = {0};
        hb_doc *d = doc();
        hb_doc_table *t = hb_doc_table_new(d, "t", "", columns, 2, true, "");

        for (unsigned i = 0; i < 10; i++) {
                hb_doc_row(t, "");
                hb_doc_cell(t, HB_STYLE_NORMAL, NULL, "vm%u", i);
                hb_doc_cell_bar(t, HB_STYLE_NORMAL, i / 10.0, NULL, i ? "slow" : "");
        }
        doc_rig_shows(&r, d, 30, 5,
                      "GUEST READY          1-4 of 10\n"
                      "vm0\n"
                      "vm1   slow\n"
                      "vm2   slow\n"
                      "vm3   slow\n");
        doc_rig_shows(&r, d, 20, 5,
                      "GUEST REA  1-4 of 10\n"
                      "vm0\n"
                      "vm1   slow\n"
                      "vm2   slow\n"
                      "vm3   slow\n");
        doc_rig_shows(&r, d, 30, 11,
                      "GUEST READY\n"
                      "vm0\n"
                      "vm1   slow\n"
                      "vm2   slow\n"
                      "vm3   slow\n"
                      "vm4   slow\n"
                      "vm5   slow\n"
                      "vm6   slow\n"
                      "vm7   slow\n"
                      "vm8   slow\n"
                      "vm9   slow\n");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void wide_names_keep_columns_straight(void **state) {
        struct doc_rig r = {.glyphs = HB_GLYPHS_BLOCK};
        static const char *const names[] = {"主机", "é", "plain", "\xff\xfe",
                                            "a name so long that it would take all the room"};
        hb_doc *d = doc();
        hb_doc_table *t = hb_doc_table_new(d, "t", "", columns, 3, true, "");

        for (unsigned i = 0; i < 5; i++) {
                hb_doc_row(t, names[i]);
                hb_doc_cell(t, HB_STYLE_NORMAL, NULL, "%s", names[i]);
                hb_doc_cell(t, HB_STYLE_NORMAL, NULL, "%u", i);
                hb_doc_cell(t, HB_STYLE_NORMAL, NULL, "%u", i * 1000);
                hb_doc_cell(t, HB_STYLE_NORMAL, json_string("too many"), "too many");
        }
        doc_rig_shows(&r, d, 40, 8,
                      "GUEST            READY RATE\n"
                      "主机             0        0\n"
                      "é                1     1000\n"
                      "plain            2     2000\n"
                      "??               3     3000\n"
                      "a name so long … 4     4000\n");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

/* ---- pictures ---- */

static hb_doc *pictures(void) {
        static const struct hb_doc_part parts[] = {
                {"fresh", "fresh", 'F', HB_STYLE_FRESH, 300, "300 MiB"},
                {"stale", "stale", 'S', HB_STYLE_STALE, 100, "100 MiB"},
                {"absent", "absent", 'A', HB_STYLE_ABSENT, 0.5, "512 KiB"},
                {"lost", "lost", 'L', HB_STYLE_BAD, NAN, "-"},
        };
        static const struct hb_doc_mark cut = {"cut", 0.5, HB_STYLE_WARN};
        double ramp[64], counts[32];
        hb_doc *d = doc();

        for (unsigned i = 0; i < 64; i++)
                ramp[i] = i % 32;
        ramp[10] = NAN;
        for (unsigned i = 0; i < 32; i++)
                counts[i] = i < 16 ? i : i == 30 ? 1 : 0;
        hb_doc_series(d, "rate", "rate", HB_STYLE_NORMAL, ramp, 64, true, "31 MiB/s");
        hb_doc_series(d, "few", "reads", HB_STYLE_READ, ramp, 5, false, "4/s");
        hb_doc_series(d, "none", "writes", HB_STYLE_WRITE, NULL, 0, true, "-");
        hb_doc_bar(d, "image", "image", parts, 4, 512);
        hb_doc_histogram(d, "scores", "scores", counts, 32, -1, 1, &cut, 1);
        return d;
}

static void pictures_in_blocks(void **state) {
        struct doc_rig r = {.glyphs = HB_GLYPHS_BLOCK};
        hb_doc *d = pictures();

        doc_rig_shows(&r, d, 80, 24,
                      "rate    ▁▁▂▂▂▃▃ ▄▄▄▅▅▅▆▆▆▇▇▇██▁▁▂▂▃▃▃▃▄▄▅▅▅▆▆▆▇▇▇██ 31 MiB/s  max 31 MiB/s\n"
                      "reads                                         ▁▃▅▆█ 4/s\n"
                      "writes  -\n"
                      "image   F█████████████████████████████████████████S█████████████A···············\n"
                      "        F fresh 300 MiB  S stale 100 MiB  A absent 512 KiB  L lost -\n"
                      "scores\n"
                      "                              ▂▂▂▄▄▆▆▆██                    │\n"
                      "                    ▂▂▂▄▄▆▆▆████████████                    │\n"
                      "          ▁▁▁▃▃▅▅▅▇▇████████████████████                    │\n"
                      "   ▃▃▅▅▅▇▇██████████████████████████████                    │              ▃▃▃\n"
                      "-1                                                          |cut 0.5           1\n");
        doc_rig_shows(&r, d, 40, 12,
                      "rate    ▁▂▃▃▄▄▅▆▆▇██▂▂▃▃▄▅▅▆▇▇█ 31 MiB/s\n"
                      "reads                     ▁▃▅▆█ 4/s\n"
                      "writes  -\n"
                      "image   F██████████████████S█████A······\n"
                      "  F fresh 300 MiB  S stale 100 MiB\n"
                      "  A absent 512 KiB  L lost -\n"
                      "scores\n"
                      "               ▂▂▄▆█          │\n"
                      "          ▂▂▄▆██████          │\n"
                      "     ▁▁▃▅▇██████████          │\n"
                      "  ▃▅▇███████████████          │       ▃\n"
                      "-1                            |cut 0.5 1\n");
        assert_int_equal(hb_surface_at(r.surface, 8, 3)->style, HB_STYLE_FRESH);
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void pictures_in_braille(void **state) {
        struct doc_rig r = {.glyphs = HB_GLYPHS_BRAILLE};
        hb_doc *d = pictures();

        doc_rig_shows(&r, d, 40, 24,
                      "rate    ⣀⣀⣠⣤⣤⣤⣶⣶⣶⣾⣿⣇⣀⣀⣤⣤⣤⣴⣶⣶⣶⣿⣿ 31 MiB/s\n"
                      "reads                       ⢀⣴⣾ 4/s\n"
                      "writes  -\n"
                      "image   F⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿S⣿⣿⣿⣿⣿A······\n"
                      "  F fresh 300 MiB  S stale 100 MiB\n"
                      "  A absent 512 KiB  L lost -\n"
                      "scores\n"
                      "               ⣀⣀⣤⣶⣿          │\n"
                      "          ⣀⣀⣤⣶⣿⣿⣿⣿⣿⣿          │\n"
                      "     ⡀⡀⣄⣦⣷⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿          │\n"
                      "  ⣄⣦⣷⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿          │       ⣄\n"
                      "-1                            |cut 0.5 1\n");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void high_columns_have_high_series(void **state) {
        static const double v[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, NAN, 12, 3};
        struct doc_rig r = {.glyphs = HB_GLYPHS_BLOCK};
        hb_doc *d = doc();

        hb_doc_series(d, "a", "written", HB_STYLE_NORMAL, v, 16, true, "3.0 GiB of 12 GiB");
        hb_doc_series(d, "b", "read", HB_STYLE_NORMAL, v, 1, true, "0 B/s");
        doc_rig_shows(&r, d, 80, 36,
                      "written                       ▂▃▅▆▇█ █  3.0 GiB of 12 GiB     max 12 GiB\n"
                      "                       ▁▂▃▅▆▇███████ █▅\n"
                      "\n"
                      "read                                    0 B/s\n"
                      "                                      ▁\n");
        r.glyphs = HB_GLYPHS_BRAILLE;
        doc_rig_shows(&r, d, 50, 50,
                      "written                  ⢀⣴⡇⡇ 3.0 GiB of 12 GiB\n"
                      "                       ⣠⣶⣿⣿⡇⡇\n"
                      "                     ⣠⣾⣿⣿⣿⣿⡇⣿\n"
                      "\n"
                      "read                          0 B/s\n"
                      "\n"
                      "                            ⢀\n");
        doc_rig_shows(&r, d, 50, 4,
                      "written              ⣀⣤⣤⣶⣶⣿⡇⣧ 3.0 GiB of 12 GiB\n"
                      "read                        ⢀ 0 B/s\n");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void pictures_in_letters(void **state) {
        struct doc_rig r = {0};
        hb_doc *d = pictures();

        doc_rig_shows(&r, d, 60, 24,
                      "rate    __...,, ---===+++***##__..,,,,--===+++***## 31 MiB/s\n"
                      "reads                                         _,=+# 4/s\n"
                      "writes  -\n"
                      "image   FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFSSSSSSSSSSA..........\n"
                      "        F fresh 300 MiB  S stale 100 MiB  A absent 512 KiB\n"
                      "        L lost -\n"
                      "scores\n"
                      "                       ..--++#               |\n"
                      "               ..--++#########               |\n"
                      "        __,,==*###############               |\n"
                      "  ,,==**######################               |           ,,\n"
                      "-1                                           |cut 0.5      1\n");
        doc_rig_shows(&r, d, 20, 5,
                      "rate    31 MiB/s\n"
                      "reads   4/s\n"
                      "writes  -\n"
                      "image   FFFFFFFSSA..\n"
                      "1-4 of 12\n");
        r.place.scroll = 4;
        doc_rig_shows(&r, d, 20, 5,
                      "F fresh 300 MiB\n"
                      "S stale 100 MiB\n"
                      "A absent 512 KiB\n"
                      "L lost -\n"
                      "5-8 of 12\n");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static const char *row_label(void *arg, unsigned first_cell, char *buf, size_t size) {
        snprintf(buf, size, "%u MiB", first_cell * 2);
        return buf;
}

static hb_doc *grid(unsigned chosen) {
        static const struct hb_doc_part heat[] = {
                {NULL, "none", 0, HB_STYLE_HEAT0, 0, NULL},
                {NULL, "some", 0, HB_STYLE_HEAT2, 0, NULL},
                {NULL, "fresh", 'F', HB_STYLE_FRESH, 0, NULL},
                {NULL, "stale", 'S', HB_STYLE_STALE, 0, NULL},
        };
        struct hb_doc_cell_value v[100];
        struct hb_doc_grid g = {
                .key = "map",
                .title = "writes",
                .columns = 16,
                .n = 100,
                .cells = v,
                .chosen = chosen,
                .row_label = row_label,
                .legend = heat,
                .nlegend = 4,
        };
        hb_doc *d = doc();

        for (unsigned i = 0; i < 100; i++)
                v[i] = (struct hb_doc_cell_value){(unsigned char)(i % 6),
                                                  (enum hb_style)(HB_STYLE_HEAT0 + i % 6), 0};
        for (unsigned i = 32; i < 48; i++)
                v[i] = (struct hb_doc_cell_value){5, i % 8 < 5 ? HB_STYLE_FRESH : HB_STYLE_STALE,
                                                  i % 8 < 5 ? 'F' : 'S'};
        hb_doc_grid(d, &g);
        return d;
}

static void a_grid_has_labels_and_a_cursor(void **state) {
        struct doc_rig r = {.glyphs = HB_GLYPHS_BLOCK};
        hb_doc *d = grid(35);

        doc_rig_shows(&r, d, 40, 12,
                      "writes\n"
                      "  0 MiB  ·░▒▓█ ·░▒▓█ ·░▒\n"
                      " 32 MiB ▓█ ·░▒▓█ ·░▒▓█ ·\n"
                      " 64 MiB F████S██F████S██\n"
                      " 96 MiB  ·░▒▓█ ·░▒▓█ ·░▒\n"
                      "128 MiB ▓█ ·░▒▓█ ·░▒▓█ ·\n"
                      "160 MiB ░▒▓█ ·░▒▓█ ·░▒▓█\n"
                      "192 MiB  ·░▒\n"
                      "  none  ░ some  F fresh  S stale\n");
        assert_int_equal(r.result.cursor_x, 8 + 3);
        assert_int_equal(r.result.cursor_y, 3);
        assert_true(hb_surface_at(r.surface, 11, 3)->chosen);
        r.mono = true;
        doc_rig_shows(&r, d, 40, 9,
                      "writes\n"
                      "  0 MiB  ·░▒▓█ ·░▒▓█ ·░▒\n"
                      " 32 MiB ▓█ ·░▒▓█ ·░▒▓█ ·\n"
                      " 64 MiB FFFFFSSSFFFFFSSS\n"
                      " 96 MiB  ·░▒▓█ ·░▒▓█ ·░▒\n"
                      "128 MiB ▓█ ·░▒▓█ ·░▒▓█ ·\n"
                      "160 MiB ░▒▓█ ·░▒▓█ ·░▒▓█\n"
                      "192 MiB  ·░▒\n"
                      "  none  ░ some  F fresh  S stale\n");
        r.glyphs = HB_GLYPHS_ASCII;
        doc_rig_shows(&r, d, 20, 12,
                      "writes\n"
                      " 0 MiB  .:+*# .:+*#\n"
                      "       .:+\n"
                      "32 MiB *# .:+*# .:+*\n"
                      "       # .\n"
                      "64 MiB FFFFFSSSFFFFF\n"
                      "       SSS\n"
                      "96 MiB  .:+*# .:+*#\n"
                      "       .:+\n"
                      "128 M~ *# .:+*# .:+*\n"
                      "  none  : some\n"
                      "F fresh  S stale\n");
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void a_low_grid_shows_the_lines_around_its_cursor(void **state) {
        struct doc_rig r = {0};
        hb_doc *d = grid(85);

        doc_rig_shows(&r, d, 40, 6,
                      "writes                    lines 4-7 of 7\n"
                      " 96 MiB  .:+*# .:+*# .:+\n"
                      "128 MiB *# .:+*# .:+*# .\n"
                      "160 MiB :+*# .:+*# .:+*#\n"
                      "192 MiB  .:+\n"
                      "  none  : some  F fresh  S stale\n");
        assert_int_equal(r.result.cursor_x, 8 + 5);
        assert_int_equal(r.result.cursor_y, 3);
        hb_doc_free(d);
        d = grid(100); /* none */
        doc_rig_shows(&r, d, 20, 5,
                      "writes\n"
                      " 0 MiB  .:+*# .:+*#\n"
                      "       .:+\n"
                      "32 MiB *# .:+*# .:+*\n"
                      "  none  : some\n");
        assert_int_equal(r.result.cursor_x, -1);
        hb_doc_free(d);
        doc_rig_fini(&r);
}

/* ---- the whole ---- */

static hb_doc *whole(void) {
        hb_doc *d = guests(40, true);

        hb_doc_aside(d, true);
        hb_doc_heading(d, "links");
        hb_doc_field(d, NULL, "to b", HB_STYLE_GOOD, NULL, "+ up, 0.4 ms");
        hb_doc_note(d, NULL, HB_STYLE_WARN, '!', "the link to c is down: run harbinger doctor on c");
        return d;
}

static void wide_surfaces_have_two_columns(void **state) {
        struct doc_rig r = {0};
        hb_doc *d = whole();

        doc_rig_shows(&r, d, 120, 8,
                      "guests                                                       1-6 of 40 | links\n"
                      "GUEST  READY               RATE    MEMORY  WHY                         | to b  + up, "
                      "0.4 ms\n"
                      "vm0    ........   0 %     0 B/s         -                              | ! the link "
                      "to c is down: run harbinger doctor\n"
                      "vm1    ##......  25 %   100 B/s         -  the guest writes faster th~ |   on c\n"
                      "vm2    ####....  50 %   200 B/s         -                              |\n"
                      "vm3    ######..  75 %   300 B/s         -  the guest writes faster th~ |\n"
                      "vm4    ######## 100 %   400 B/s         -                              |\n"
                      "vm5    ........   0 %   500 B/s         -  the guest writes faster th~ |\n");
        doc_rig_shows(&r, d, 80, 12,
                      "guests                                                                 1-7 of 40\n"
                      "GUEST  READY               RATE    MEMORY  WHY\n"
                      "vm0    ........   0 %     0 B/s         -\n"
                      "vm1    ##......  25 %   100 B/s         -  the guest writes faster than the lin~\n"
                      "vm2    ####....  50 %   200 B/s         -\n"
                      "vm3    ######..  75 %   300 B/s         -  the guest writes faster than the lin~\n"
                      "vm4    ######## 100 %   400 B/s         -\n"
                      "vm5    ........   0 %   500 B/s         -  the guest writes faster than the lin~\n"
                      "vm6    ##......  25 %   600 B/s         -\n"
                      "links\n"
                      "to b  + up, 0.4 ms\n"
                      "! the link to c is down: run harbinger doctor on c\n");
        assert_int_equal(hb_doc_room(120, false) + 3 + hb_doc_room(120, true), 120);
        assert_int_equal(hb_doc_room(80, true), 80);
        hb_doc_free(d);
        doc_rig_fini(&r);
}

static void stays_inside(hb_surface *s, const hb_doc *d, unsigned w, unsigned h) {
        struct hb_place_in_doc place = {{0}};
        struct hb_paint_result result;

        hb_surface_fill(s, 0, 0, 140, 40, HB_STYLE_NORMAL, '@');
        hb_surface_fill(s, 5, 4, w, h, HB_STYLE_NORMAL, ' ');
        hb_paint_doc(s, (struct hb_rect){5, 4, w, h}, d, HB_GLYPHS_BLOCK, w % 2, &place, &result);
        for (unsigned y = 0; y < 40; y++)
                for (unsigned x = 0; x < 140; x++)
                        if (x < 5 || y < 4 || x >= 5 + w || y >= 4 + h)
                                assert_int_equal(hb_surface_at(s, x, y)->ch, '@');
        if (result.cursor_x >= 0)
                assert_true(hb_surface_at(s, (unsigned)result.cursor_x, (unsigned)result.cursor_y)->chosen);
        else
                assert_true(w == 0 || h == 0 || !hb_doc_main(d));
}

static void nothing_is_drawn_outside_the_rect(void **state) {
        hb_doc *docs[] = {whole(), pictures(), grid(20)};
        hb_surface *s = NULL;

        assert_int_equal(hb_surface_new(140, 40, true, &s), 0);
        for (unsigned i = 0; i < 3; i++) {
                for (unsigned w = 0; w < 130; w += w < 20 ? 1 : 9)
                        for (unsigned h = 0; h < 34; h += 3)
                                stays_inside(s, docs[i], w, h);
                hb_doc_free(docs[i]);
        }
        hb_surface_free(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(fields_stand_beside_each_other),
                cmocka_unit_test(a_long_label_has_a_line_of_its_own),
                cmocka_unit_test(notes_are_wrapped_by_words),
                cmocka_unit_test(hostile_text_stays_text),
                cmocka_unit_test(preformatted_lines_keep_their_form),
                cmocka_unit_test(long_texts_are_scrolled),
                cmocka_unit_test(columns_go_by_rank),
                cmocka_unit_test(where_no_colors_are_a_sign_marks_the_row),
                cmocka_unit_test(what_the_filter_found_is_marked),
                cmocka_unit_test(a_table_without_rows_says_why),
                cmocka_unit_test(other_tables_give_way_to_the_main_one),
                cmocka_unit_test(its_place_stands_where_there_is_room),
                cmocka_unit_test(wide_names_keep_columns_straight),
                cmocka_unit_test(pictures_in_blocks),
                cmocka_unit_test(pictures_in_braille),
                cmocka_unit_test(high_columns_have_high_series),
                cmocka_unit_test(pictures_in_letters),
                cmocka_unit_test(a_grid_has_labels_and_a_cursor),
                cmocka_unit_test(a_low_grid_shows_the_lines_around_its_cursor),
                cmocka_unit_test(wide_surfaces_have_two_columns),
                cmocka_unit_test(nothing_is_drawn_outside_the_rect),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
