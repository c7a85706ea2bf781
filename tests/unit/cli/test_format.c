/* Numbers for people, tables, progress lines. */
#include "cli/progress.h"
#include "cli/table.h"
#include "draw/format.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void numbers_read_well(void **state) {
        static const struct {
                const char *(*f)(double, char *);
                double v;
                const char *text;
        } cases[] = {
                {hb_fmt_bytes, 0, "0 B"},
                {hb_fmt_bytes, 1023, "1023 B"},
                {hb_fmt_bytes, 1024, "1.0 KiB"},
                {hb_fmt_bytes, 1536, "1.5 KiB"},
                {hb_fmt_bytes, 10.4 * 1024, "10 KiB"},
                {hb_fmt_bytes, 1048575, "1.0 MiB"},
                {hb_fmt_bytes, 536870912, "512 MiB"},
                {hb_fmt_bytes, 68719476736.0, "64 GiB"},
                {hb_fmt_bytes, 1e30, "888178419700125 PiB"},
                {hb_fmt_bytes, -1, "-"},
                {hb_fmt_bytes, NAN, "-"},
                {hb_fmt_bytes, INFINITY, "-"},
                {hb_fmt_rate, 92274688, "88 MiB/s"},
                {hb_fmt_seconds, 0, "0 ms"},
                {hb_fmt_seconds, 0.0021, "2.1 ms"},
                {hb_fmt_seconds, 0.013, "13 ms"},
                {hb_fmt_seconds, 0.9999, "1.0 s"},
                {hb_fmt_seconds, 4.25, "4.2 s"},
                {hb_fmt_seconds, 42, "42 s"},
                {hb_fmt_seconds, 99.99, "1 min 39 s"},
                {hb_fmt_seconds, 192, "3 min 12 s"},
                {hb_fmt_seconds, 7500, "2 h 5 min"},
                {hb_fmt_seconds, 90000, "1 d 1 h"},
                {hb_fmt_seconds, 1e300, "11574074074 d 1 h"},
                {hb_fmt_seconds, INFINITY, "never"},
                {hb_fmt_seconds, -1, "-"},
                {hb_fmt_seconds, NAN, "-"},
                {hb_fmt_ms, 31.6, "32 ms"},
                {hb_fmt_share, 0.9815, "98.2 %"},
                {hb_fmt_share, -1, "-"},
                {hb_fmt_share, NAN, "-"},
                {hb_fmt_count, 1234567, "1234567"},
                {hb_fmt_count, NAN, "-"},
        };
        char buf[HB_FMT_SIZE];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_string_equal(cases[i].f(cases[i].v, buf), cases[i].text);
}

static void members_may_be_missing(void **state) {
        json_t *o = json_loads("{\"a\":{\"b\":3,\"t\":\"x\",\"n\":null}}", 0, NULL);

        assert_true(hb_json_number(o, "a.b") == 3);
        assert_string_equal(hb_json_text(o, "a.t"), "x");
        assert_true(isnan(hb_json_number(o, "a.n")) && isnan(hb_json_number(o, "a.t")) &&
                    isnan(hb_json_number(o, "b.b")) && isnan(hb_json_number(NULL, "a")));
        assert_string_equal(hb_json_text(o, "a.b"), "");
        assert_string_equal(hb_json_text(NULL, "x"), "");
        json_decref(o);
}

struct caught {
        struct hb_cli_io io;
        struct hb_cli c;
        char *text;
        size_t n;
};

static void catch (struct caught *k, bool color) {
        *k = (struct caught){0};
        k->io.out = k->io.err = open_memstream(&k->text, &k->n);
        k->c.io = &k->io;
        k->c.color = color;
}

static void release(struct caught *k, const char *want) {
        fclose(k->io.out);
        assert_string_equal(k->text, want);
        free(k->text);
}

static void tables_line_up(void **state) {
        static const char *const headings[] = {"NAME", ">SIZE", "STATE", NULL};
        struct caught k;
        hb_cli_table *t = hb_cli_table_new(headings);

        catch (&k, false);
        hb_cli_table_cell(t, HB_PLAIN, "vm1");
        hb_cli_table_cell(t, HB_PLAIN, "512 MiB");
        hb_cli_table_cell(t, HB_GOOD, "ready");
        hb_cli_table_cell(t, HB_PLAIN, "caf\xc3\xa9-long");
        hb_cli_table_cell(t, HB_PLAIN, "");
        hb_cli_table_cell(t, HB_PLAIN, "lost");
        hb_cli_table_print(t, &k.c);
        release(&k, "NAME          SIZE  STATE\n"
                    "vm1        512 MiB  ready\n"
                    "caf\xc3\xa9-long        -  lost\n");
        catch (&k, false);
        hb_cli_table_print(hb_cli_table_new(headings), &k.c);
        hb_cli_table_print(NULL, &k.c);
        release(&k, "");
}

static void colour_changes_nothing_but_colour(void **state) {
        static const char *const headings[] = {"A", NULL};
        struct caught k;
        hb_cli_table *t = hb_cli_table_new(headings);

        catch (&k, true);
        hb_cli_table_cell(t, HB_BAD, "lost");
        hb_cli_table_print(t, &k.c);
        release(&k, "\033[2mA\033[0m\n\033[31mlost\033[0m\n");
}

static void nothing_from_outside_steers_the_terminal(void **state) {
        struct caught k;

        catch (&k, false);
        hb_cli_put(k.io.out, "a\033[2Jb\x07\r\n\x7f\xc2\x9b"
                             "31m caf\xc3\xa9");
        release(&k, "a?[2Jb?????31m caf\xc3\xa9");
}

static void long_texts_wrap_where_they_stand(void **state) {
        struct caught k;
        char path[400];

        catch (&k, false);
        hb_cli_wrap(&k.c, 4, 24, "one two three four five six seven");
        hb_cli_wrap(&k.c, 4, 0, "one two three four five six seven");
        hb_cli_wrap(&k.c, 4, 24, "");
        release(&k, "one two three four\n    five six seven\none two three four five six seven\n\n");
        catch (&k, false);
        k.io.out_tty = true;
        k.io.width = 40;
        memset(path, 'p', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        hb_cli_field(&k.c, "limits", "what it cannot see is said in full words");
        hb_cli_field(&k.c, "empty", "");
        hb_cli_field(&k.c, "path", path);
        fflush(k.io.out);
        assert_non_null(strstr(k.text, path));
        assert_ptr_equal(
                strstr(k.text,
                       "limits:        what it cannot see is\n               said in full words\npath:"),
                k.text);
        fclose(k.io.out);
        free(k.text);
}

static void a_line_of_progress_says_what_decides(void **state) {
        static const struct {
                const char *json, *line;
        } cases[] = {
                {"{\"state\":\"s-converge\",\"state_text\":\"sending what is "
                 "left\",\"remaining_bytes\":327155712,\"dirty_bytes_per_s\":1258291,"
                 "\"rate_bytes_per_s\":92274688,\"trend\":\"converging\",\"estimate_downtime_ms\":31,"
                 "\"elapsed_s\":2.5}",
                 "v: sending what is left, 312 MiB left, dirty 1.2 MiB/s, sending 88 MiB/s, converging, "
                 "downtime 31 ms, after 2.5 s"},
                {"{\"state\":\"filling\",\"stale_pages\":256,\"absent_pages\":512,\"fetching_pages\":256,"
                 "\"rate_bytes_per_s\":0,"
                 "\"trend\":\"stalled\",\"estimate\":{\"downtime_ms\":null,\"time_to_ready_s\":null}}",
                 "v: filling, 4.0 MiB left, sending 0 B/s, stalled"},
                {"{\"state\":\"filling\",\"stale_pages\":0,\"absent_pages\":0,\"fetching_pages\":0,"
                 "\"estimate\":{\"downtime_ms\":30,"
                 "\"time_to_ready_s\":4}}",
                 "v: filling, 0 B left, ready in 4.0 s, downtime 30 ms"},
                {"{}", "v: working"},
        };
        char line[300];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                json_t *p = json_loads(cases[i].json, 0, NULL);

                assert_non_null(p);
                hb_cli_progress_line("v", p, line, sizeof(line));
                assert_string_equal(line, cases[i].line);
                hb_cli_progress_line("v", p, line, 12);
                assert_true(strlen(line) < 12);
                json_decref(p);
        }
}

static void a_terminal_gets_one_line_others_one_in_a_while(void **state) {
        struct caught k;
        struct hb_cli_progress p = {.c = &k.c, .subject = "vm1 -> b"};
        json_t *o = json_loads("{\"state\":\"filling\",\"remaining_bytes\":4096,\"trend\":\"converging\"}", 0,
                               NULL);

        catch (&k, false);
        k.io.err_tty = true;
        k.io.width = 20;
        hb_cli_progress_show(&p, o);
        hb_cli_progress_show(&p, o);
        hb_cli_progress_end(&p);
        hb_cli_progress_end(&p);
        release(&k, "\r\033[Kfilling, 4.0 KiB le\r\033[Kfilling, 4.0 KiB le\r\033[K");

        p = (struct hb_cli_progress){.c = &k.c, .subject = "vm1 -> b"};
        catch (&k, false);
        hb_cli_progress_show(&p, o);
        hb_cli_progress_show(&p, o); /* too soon */
        hb_cli_progress_end(&p);
        release(&k, "vm1 -> b: filling, 4.0 KiB left, converging\n");

        p = (struct hb_cli_progress){.c = &k.c, .subject = "vm1 -> b"};
        catch (&k, false);
        k.c.json = true;
        hb_cli_progress_show(&p, o);
        release(&k, "");
        json_decref(o);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_read_well),
                cmocka_unit_test(members_may_be_missing),
                cmocka_unit_test(tables_line_up),
                cmocka_unit_test(colour_changes_nothing_but_colour),
                cmocka_unit_test(nothing_from_outside_steers_the_terminal),
                cmocka_unit_test(long_texts_wrap_where_they_stand),
                cmocka_unit_test(a_line_of_progress_says_what_decides),
                cmocka_unit_test(a_terminal_gets_one_line_others_one_in_a_while),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
