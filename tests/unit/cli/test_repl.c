/* A replay that stands still and is asked: through standard input, as a script asks. */
#include "cli/cmd_trace.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "trace_synth.h"

struct fixture {
        char dir[64], trace[100], lines[100];
        char *out, *err;
};

static int setup(void **state) {
        struct hb_synth s = {.shape = HB_SYNTH_PHASES, .pages = 2048, .epochs = 60, .seed = 3};
        struct fixture *f = calloc(1, sizeof(*f));

        snprintf(f->dir, sizeof(f->dir), "/tmp/hb-repl-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->trace, sizeof(f->trace), "%s/a.hbt", f->dir);
        snprintf(f->lines, sizeof(f->lines), "%s/lines", f->dir);
        assert_int_equal(hb_synth_write(&s, f->trace, NULL), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;

        unlink(f->trace);
        unlink(f->lines);
        rmdir(f->dir);
        free(f->out);
        free(f->err);
        free(f);
        return 0;
}

static int talk(struct fixture *f, const char *lines, bool json, uint64_t *ret_digest) {
        struct hb_replay_options o = {.quality = true};
        struct hb_replay_result result;
        hb_replay *r = NULL;
        struct hb_err e = {0};
        size_t out, err;
        struct hb_cli_io io = {.interrupt_fd = -1};
        struct hb_cli c = {.io = &io, .json = json};
        FILE *w = fopen(f->lines, "w");
        int rc;

        fputs(lines, w);
        fclose(w);
        assert_non_null(freopen(f->lines, "r", stdin));
        free(f->out);
        free(f->err);
        io.out = open_memstream(&f->out, &out);
        io.err = open_memstream(&f->err, &err);
        if (hb_replay_open(f->trace, &o, &r, &e) < 0)
                fail_msg("%s", e.what);
        rc = hb_cli_repl(&c, r, &e);
        hb_replay_result(r, &result);
        if (ret_digest)
                *ret_digest = result.digest;
        hb_replay_free(r);
        fclose(io.out);
        fclose(io.err);
        return rc;
}

static void shows(const char *text, const char *part) {
        if (!strstr(text, part)) {
                fprintf(stderr, "no \"%s\" in:\n%s\n", part, text);
                fail();
        }
}

static double number(const char *text, const char *label) {
        const char *at = strstr(text, label);

        if (!at)
                fail_msg("no %s in %s", label, text);
        return atof(at + strlen(label) + strspn(at + strlen(label), " \":"));
}

static void it_goes_where_it_is_sent(void **state) {
        struct fixture *f = *state;

        assert_int_equal(talk(f, "step\n", false, NULL), 0);
        shows(f->out, "epoch               1\n");
        assert_int_equal(
                talk(f, "step 5\nuntil 20\npoint\nuntil 20\nuntil 4\nstep 1000\nstep\n", false, NULL), 0);
        shows(f->out, "epoch               5\n");
        shows(f->out, "epoch               20\n");
        shows(f->out, "epoch               60\n");
        shows(f->out, "ended               yes\n");
        shows(f->err, "the replay is at epoch 20 already (4)");
        shows(f->err, "the replay has ended");
}

static void wrong_lines_do_not_end_it(void **state) {
        static const char *const wrong[][2] = {
                {"stpe", "did you mean \"step\"?"}, {"frobnicate", "help lists the commands"},
                {"step x", "not a whole number"},   {"step 1 2", "a word too many"},
                {"step -1", "not a whole number"},  {"page", "a number is missing"},
                {"page 99999999", "0 to 2047"},     {"top 5 colour", "no such column"},
                {"columns", "which pages"},         {"columns 5-2", "which pages"},
                {"columns 0-5000", "at most 1000"}, {"columns 2040-2050", "0 to 2047"},
                {"until", "a number is missing"},   {"decisions many", "not a whole number"},
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                char lines[100];

                snprintf(lines, sizeof(lines), "step 3\n%s\npoint\n", wrong[i][0]);
                assert_int_equal(talk(f, lines, false, NULL), 0);
                shows(f->err, wrong[i][1]);
                shows(strstr(f->out, "epoch               3\n") + 10,
                      "epoch               3\n"); /* point after it */
        }
        assert_int_equal(talk(f, "# a remark\n\n   \nquit\nstep\n", false, NULL), 0);
        assert_string_equal(f->out, "");
        assert_string_equal(f->err, ""); /* no prompt: it is no terminal */
}

static void help_lists_all(void **state) {
        struct fixture *f = *state;

        assert_int_equal(talk(f, "help", false, NULL), 0); /* a last line without its end */
        shows(f->out, "columns   A-B");
        shows(f->out, "quit");
        shows(f->out, "predicted, writes, score");
}

/* Sums over all pages are what the engine counts. */
static void pages_are_those_of_the_engine(void **state) {
        struct fixture *f = *state;
        unsigned fresh = 0, absent = 0, stale = 0, fetching = 0;

        assert_int_equal(
                talk(f, "until 25\nstats\ncolumns 0-999\ncolumns 1000-1999\ncolumns 2000-2047\n", true, NULL),
                0);
        for (const char *p = f->out; (p = strstr(p, "\"state\":\"")); p++) {
                const char *resident = p + 9;

                fresh += strncmp(resident, "fresh", 5) == 0;
                stale += strncmp(resident, "stale", 5) == 0;
                fetching += strncmp(resident, "fetching", 8) == 0;
                absent += strncmp(resident, "absent", 6) == 0;
        }
        assert_int_equal(fresh + stale + fetching + absent, 2048);
        assert_true(fresh > 0);
        assert_int_equal(fresh, (unsigned)number(f->out, "\"fresh\""));
        assert_int_equal(fetching, (unsigned)number(f->out, "\"fetching\""));
}

static void top_is_in_order(void **state) {
        static const char *const by[] = {"predicted", "writes", "read_heat", "write_heat", "fetches"};
        static const char *const member[] = {"\"predicted\":", "\"predicted_writes\":", "\"read_heat\":",
                                             "\"write_heat\":", "\"fetches\":"};
        struct fixture *f = *state;

        for (int i = 0; i < 5; i++) {
                double before = 1e30;
                unsigned n = 0;
                char lines[60];

                snprintf(lines, sizeof(lines), "until 30\ntop 15 %s\n", by[i]);
                assert_int_equal(talk(f, lines, true, NULL), 0);
                for (const char *p = f->out; (p = strstr(p, member[i])); p++, n++) {
                        double v = atof(p + strlen(member[i]));

                        assert_true(v <= before);
                        before = v;
                }
                assert_int_equal(n, 15);
        }
        assert_int_equal(talk(f, "until 30\ntop 3\n", false, NULL), 0);
        shows(f->out, "PREDICTED");
        assert_int_equal(talk(f, "top\n", false, NULL), 0); /* before the first epoch: nothing, or said */
}

/* The object that tells of one page. */
static char *about(const char *text, unsigned gfn) {
        char label[40];
        const char *at;

        snprintf(label, sizeof(label), "{\"gfn\":%u,", gfn);
        at = strstr(text, label);
        return at ? strndup(at, strcspn(at, "}")) : strdup("none");
}

static void a_page_looks_the_same_alone(void **state) {
        struct fixture *f = *state;

        for (unsigned gfn = 0; gfn < 2048; gfn += 89) {
                char lines[100], *among, *alone;

                snprintf(lines, sizeof(lines), "until 25\ncolumns %u-%u\n", gfn > 300 ? gfn - 300 : 0,
                         gfn < 1700 ? gfn + 300 : 2047);
                assert_int_equal(talk(f, lines, true, NULL), 0);
                among = about(f->out, gfn);
                snprintf(lines, sizeof(lines), "until 25\npage %u\n", gfn);
                assert_int_equal(talk(f, lines, true, NULL), 0);
                alone = about(f->out, gfn);
                assert_true(strlen(among) > 100);
                assert_int_equal(strncmp(among, alone, strlen(among)), 0);
                free(among);
                free(alone);
        }
}

static void fetches_are_told_and_why(void **state) {
        struct fixture *f = *state;
        char lines[100];
        unsigned gfn;

        assert_int_equal(talk(f, "until 30\ndecisions 5\n", true, NULL), 0);
        shows(f->out, "\"class\":\"prefetch\"");
        gfn = (unsigned)number(strstr(f->out, "\"decisions\""), "\"gfn\"");
        snprintf(lines, sizeof(lines), "until 30\npage %u\n", gfn);
        assert_int_equal(talk(f, lines, false, NULL), 0);
        shows(f->out, "last_fetch          prefetch after epoch");
        shows(f->out, "why                 ");
        shows(f->out, "score_then          ");
        assert_int_equal(talk(f, "until 30\ndecisions 5\n", false, NULL), 0);
        shows(f->out, "AFTER EPOCH  GFN");
}

static void quality_is_that_of_the_replay(void **state) {
        struct fixture *f = *state;

        assert_int_equal(talk(f, "quality\nuntil 59\nquality\n", true, NULL), 0);
        shows(f->out, "\"f1\":null");
        assert_true(number(strrchr(f->out, '{'), "\"moments\"") > 0);
        assert_true(number(strrchr(f->out, '{'), "\"f1\"") > 0);
}

/* Looking changes nothing: the digest is that of a replay nobody looked into. */
static void looking_decides_nothing(void **state) {
        struct fixture *f = *state;
        char lines[4000] = "";
        uint64_t seen, unseen;

        for (int i = 0; i < 60; i++)
                strcat(lines, "step\ntop 5\npage 100\ncolumns 0-50\nstats\n");
        assert_int_equal(talk(f, lines, false, &seen), 0);
        assert_int_equal(talk(f, "step 60\n", false, &unseen), 0);
        assert_true(seen == unseen && seen != 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(it_goes_where_it_is_sent),
                TEST(wrong_lines_do_not_end_it),
                TEST(help_lists_all),
                TEST(pages_are_those_of_the_engine),
                TEST(a_page_looks_the_same_alone),
                TEST(top_is_in_order),
                TEST(fetches_are_told_and_why),
                TEST(quality_is_that_of_the_replay),
                TEST(looking_decides_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
