/* The commands that look at and handle traces, run inside this process: what they print, refuse and leave. */
#include "cli/trace_args.h"
#include "cli_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "trace_synth.h"

struct fixture {
        char dir[64], trace[100], out[100];
        struct cli_run run;
        int stop[2];
};

static int setup(void **state) {
        struct hb_synth s = {.shape = HB_SYNTH_MIX, .pages = 1000, .epochs = 200, .seed = 3};
        struct fixture *f = calloc(1, sizeof(*f));

        snprintf(f->dir, sizeof(f->dir), "/tmp/hb-trcmd-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->trace, sizeof(f->trace), "%s/a.hbt", f->dir);
        snprintf(f->out, sizeof(f->out), "%s/out.hbt", f->dir);
        assert_int_equal(hb_synth_write(&s, f->trace, NULL), 0);
        assert_int_equal(pipe(f->stop), 0);
        f->run.io.interrupt_fd = -1;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;

        cli_forget(&f->run);
        unlink(f->trace);
        unlink(f->out);
        assert_int_equal(rmdir(f->dir), 0);
        close(f->stop[0]);
        close(f->stop[1]);
        free(f);
        return 0;
}

static void expect(struct fixture *f, int code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static void expect(struct fixture *f, int code, const char *format, ...) {
        char line[500];
        va_list ap;

        va_start(ap, format);
        vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);
        if (run_line(&f->run, line) != code) {
                fprintf(stderr, "%s\nexit %d\n%s%s", line, f->run.exit, f->run.out, f->run.err);
                fail();
        }
}

static void shows(const char *text, const char *part) {
        if (!strstr(text, part)) {
                fprintf(stderr, "no \"%s\" in:\n%s\n", part, text);
                fail();
        }
}

static void ranges_are_read(void **state) {
        static const struct {
                const char *text;
                uint64_t first, last;
        } good[] = {{"5", 5, 5}, {"5-9", 5, 9}, {"0x10-0x1F", 16, 31}, {"7-", 7, UINT64_MAX}, {"0-0", 0, 0}};
        static const char *const bad[] = {"",   "-",    "-5",    "5-4",  "a",     "5-9x",
                                          "0x", "5--9", "5 - 9", "0x-5", "5-9-1", "99999999999999999999"};
        uint64_t first, last;

        for (size_t i = 0; i < 5; i++) {
                assert_true(hb_cli_read_range(good[i].text, &first, &last));
                assert_true(first == good[i].first && last == good[i].last);
        }
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (hb_cli_read_range(bad[i], &first, &last))
                        fail_msg("taken: \"%s\"", bad[i]);
}

static void lines_that_mean_nothing_are_refused(void **state) {
        struct fixture *f = *state;

        expect(f, HB_EXIT_USAGE, "harbinger trace cut %s -o %s", f->trace, f->out);
        shows(f->run.err, "which part?");
        expect(f, HB_EXIT_USAGE, "harbinger trace cut %s -o %s --from 9 --to 3", f->trace, f->out);
        expect(f, HB_EXIT_USAGE, "harbinger trace cut %s -o %s --to 0", f->trace, f->out);
        expect(f, HB_EXIT_USAGE, "harbinger trace cut %s -o %s --from 1.5", f->trace, f->out);
        shows(f->run.err, "whole number");
        expect(f, HB_EXIT_USAGE, "harbinger trace cut %s --from 1", f->trace);
        expect(f, HB_EXIT_USAGE, "harbinger trace merge %s -o %s", f->trace, f->out);
        shows(f->run.err, "two files or more");
        expect(f, HB_EXIT_USAGE, "harbinger trace show %s --glyphs stars", f->trace);
        expect(f, HB_EXIT_USAGE, "harbinger trace show %s --width 5", f->trace);
        expect(f, HB_EXIT_USAGE, "harbinger trace anonymize %s -o %s --seed -1", f->trace, f->out);
        expect(f, HB_EXIT_NOT_FOUND, "harbinger trace info %s", f->out);
        assert_int_equal(access(f->out, F_OK), -1);
}

static void glyphs_follow_the_locale(void **state) {
        struct fixture *f = *state;

        f->run.io.utf8 = true;
        expect(f, 0, "harbinger trace show %s", f->trace);
        shows(f->run.out, "\xe2\xa0"); /* braille */
        f->run.io.utf8 = false;
        expect(f, 0, "harbinger trace show %s", f->trace);
        for (const char *p = f->run.out; *p; p++)
                assert_true((unsigned char)*p < 0x80);
        expect(f, 0, "harbinger trace show %s --glyphs block", f->trace);
        shows(f->run.out, "\xe2\x96");
}

static void colours_are_for_terminals_that_want_them(void **state) {
        struct fixture *f = *state;

        expect(f, 0, "harbinger trace show %s", f->trace);
        assert_null(strchr(f->run.out, '\033'));
        f->run.io.out_tty = true;
        expect(f, 0, "harbinger trace show %s", f->trace);
        shows(f->run.out, "\033[");
        expect(f, 0, "harbinger trace show %s --no-color", f->trace);
        assert_null(strchr(f->run.out, '\033'));
        f->run.io.no_color = true;
        expect(f, 0, "harbinger trace show %s", f->trace);
        assert_null(strchr(f->run.out, '\033'));
}

static void what_comes_of_it_is_told(void **state) {
        struct fixture *f = *state;

        expect(f, 0, "harbinger trace cut %s -o %s --from 11 --to 20", f->trace, f->out);
        assert_string_equal(f->run.out, "");
        shows(f->run.err, ": epochs 11 to 20, 10 s, ");
        expect(f, HB_EXIT_REFUSED, "harbinger trace cut %s -o %s --from 11", f->trace, f->out);
        expect(f, 0, "harbinger trace cut %s -o %s --from 11 --to 12 --force --json", f->trace, f->out);
        assert_string_equal(f->run.err, "");
        shows(f->run.out, "\"epochs\": 2,");
        shows(f->run.out, "\"cut_short\": false");
        expect(f, 0, "harbinger trace verify %s", f->out);
        shows(f->run.out, ": sound: ");
        expect(f, 0, "harbinger trace anonymize %s -o %s -f", f->trace, f->out);
        expect(f, 0, "harbinger trace info %s", f->out);
        shows(f->run.out, "anonymized:    yes\n");
        shows(f->run.out, "epochs:        200, 1 to 200, of 1.0 s each\n");
        shows(f->run.out, "time:          3 min 20 s\n");
}

static void an_interrupt_ends_it_and_leaves_nothing(void **state) {
        struct fixture *f = *state;

        assert_int_equal(write(f->stop[1], "x", 1), 1);
        f->run.io.interrupt_fd = f->stop[0];
        expect(f, HB_EXIT_ABORTED, "harbinger trace cut %s -o %s --from 2", f->trace, f->out);
        expect(f, HB_EXIT_ABORTED, "harbinger trace anonymize %s -o %s", f->trace, f->out);
        expect(f, HB_EXIT_ABORTED, "harbinger trace repair %s -o %s", f->trace, f->out);
        expect(f, HB_EXIT_ABORTED, "harbinger trace merge %s %s --side-by-side -o %s", f->trace, f->trace,
               f->out);
        assert_int_equal(access(f->out, F_OK), -1);
        expect(f, HB_EXIT_ABORTED, "harbinger trace show %s", f->trace);
        expect(f, HB_EXIT_ABORTED, "harbinger trace info %s", f->trace);
        expect(f, HB_EXIT_ABORTED, "harbinger trace verify %s", f->trace);
        expect(f, 0, "harbinger trace info %s --quick", f->trace);
}

/* Names, notes and marks that would move a cursor, or are no text at all. */
static void hostile_words_do_nothing(void **state) {
        struct hb_trace_header h = {.page_size = 4096, .epoch_ns = 1000000000, .origin = HB_TRACE_IMPORT};
        struct hb_trace_writer_options o = {.atomic = true};
        struct hb_trace_access a = {1, 1, 1};
        struct fixture *f = *state;
        hb_trace_writer *w = NULL;

        snprintf(h.guest, sizeof(h.guest), "vm");
        snprintf(h.note, sizeof(h.note), "\033[2Jnote\377\n");
        assert_int_equal(hb_shape_add(&h.shape, "ram", 40960, 4096, NULL), 0);
        assert_int_equal(hb_trace_writer_new(f->out, &h, &o, &w, NULL), 0);
        assert_int_equal(hb_trace_writer_mark(w, 0, HB_MARK_NOTE, 0, "\033]0;title\007 \302\233 \377"), 0);
        assert_int_equal(hb_trace_writer_epoch(w, 1, 1000000000, &a, 1), 0);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        expect(f, 0, "harbinger trace info %s", f->out);
        shows(f->run.out, "?[2Jnote");
        assert_null(strchr(f->run.out, '\033'));
        assert_null(strchr(f->run.out, '\007'));
        assert_null(strstr(f->run.out, "\302\233"));
        expect(f, 0, "harbinger trace info %s --json", f->out);
        shows(f->run.out, "\"note\": \"\\u001B[2Jnote");
        expect(f, 0, "harbinger trace show %s", f->out);
        assert_null(strchr(f->run.out, '\033'));
        expect(f, 0, "harbinger trace verify %s --json", f->out);
        shows(f->run.out, "\"sound\": true");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ranges_are_read), TEST(lines_that_mean_nothing_are_refused),
                TEST(glyphs_follow_the_locale),    TEST(colours_are_for_terminals_that_want_them),
                TEST(what_comes_of_it_is_told),    TEST(an_interrupt_ends_it_and_leaves_nothing),
                TEST(hostile_words_do_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
