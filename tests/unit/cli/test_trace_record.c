/* trace record against a scripted daemon: what it asks for, what it shows, and which of its two halves an
 * option belongs to. */
#include "fake_daemon.h" /* first: it brings the sockets */

#include "cli/cli.h"
#include "cli_run.h"
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#define RECORDING(state, more)                                                                               \
        "{\"guest\":\"vm1\",\"state\":\"" state "\",\"side\":\"target\",\"seconds\":60.5,\"exact\":true,"    \
        "\"file\":\"/t/vm1\\u001b[2J.hbt\",\"files\":1,"                                                     \
        "\"bytes\":1048576,\"epochs\":61,\"accesses\":12345,\"events\":9,\"inputs\":77,\"dropped\":" more    \
        "}"
#define FINE  RECORDING("recording", "0,\"queued_bytes\":0,\"why\":\"\",\"error\":null")
#define LOSSY RECORDING("ended", "5,\"queued_bytes\":0,\"why\":\"stopped\",\"error\":null")
#define WAITING                                                                                              \
        "{\"guest\":\"vm1\",\"state\":\"waiting\",\"side\":\"waiting\",\"seconds\":0,\"exact\":false,"       \
        "\"file\":\"/t/vm1.hbt\",\"files\":0,\"bytes\":0,\"epochs\":0,\"accesses\":0,\"events\":0,"          \
        "\"inputs\":0,\"dropped\":0,\"queued_bytes\":0,\"why\":\"\",\"error\":null}"

struct fixture {
        struct fake_daemon d;
        struct cli_run run;
};

static int setup(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));

        fake_start(&f->d);
        f->run.io = (struct hb_cli_io){.socket = f->d.path, .interrupt_fd = -1};
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;

        cli_forget(&f->run);
        fake_stop(&f->d);
        free(f);
        return 0;
}

static void answers(struct fixture *f, const char *cmd, const char *result) {
        f->d.rules[0] = (struct fake_rule){.cmd = cmd, .result = result};
}

static void expect(struct fixture *f, const char *line, int exit) {
        char whole[256];

        snprintf(whole, sizeof(whole), "harbinger %s", line);
        if (run_line(&f->run, whole) != exit)
                fail_msg("%s: exit %d, wanted %d\n%s%s", line, f->run.exit, exit, f->run.out, f->run.err);
}

static void shows(const char *text, const char *part) {
        if (!strstr(text, part))
                fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void what_is_asked_for(void **state) {
        struct fixture *f = *state;
        char here[PATH_MAX], want[PATH_MAX + 128];
        static const struct {
                const char *line, *cmd, *args, *result;
        } calls[] = {
                {"trace record vm1", "trace.record", "{\"guest\":\"vm1\",\"wait\":false}", FINE},
                {"trace record vm1 -o /t/x.hbt", "trace.record",
                 "{\"guest\":\"vm1\",\"path\":\"/t/x.hbt\",\"wait\":false}", FINE},
                {"trace record vm1 --for 2.5 --note hot", "trace.record",
                 "{\"guest\":\"vm1\",\"note\":\"hot\",\"seconds\":2.5,\"wait\":true}", LOSSY},
                {"trace record vm1 --rotate-size 2 --rotate-time 60", "trace.record",
                 "{\"guest\":\"vm1\",\"rotate_bytes\":2097152.0,\"rotate_s\":60.0,\"wait\":false}", WAITING},
                {"trace record --stop vm1", "trace.stop", "{\"guest\":\"vm1\"}", LOSSY},
                {"trace record --list", "trace.list", "{}", "{\"recordings\":[]}"},
                {"trace record --list vm1", "trace.list", "{\"guest\":\"vm1\"}",
                 "{\"recordings\":[" FINE "," WAITING "]}"},
        };

        for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
                answers(f, calls[i].cmd, calls[i].result);
                expect(f, calls[i].line, 0);
                assert_string_equal(f->d.last_args, calls[i].args);
        }
        answers(f, "trace.record", FINE); /* the daemon stands elsewhere */
        expect(f, "trace record vm1 -o x.hbt", 0);
        assert_non_null(getcwd(here, sizeof(here)));
        snprintf(want, sizeof(want), "{\"guest\":\"vm1\",\"path\":\"%s/x.hbt\",\"wait\":false}", here);
        assert_string_equal(f->d.last_args, want);
}

static void what_is_shown(void **state) {
        struct fixture *f = *state;

        answers(f, "trace.record", FINE);
        expect(f, "trace record vm1", 0);
        shows(f->run.out, "recording");
        shows(f->run.out, "1.0 MiB, 61 epochs, 12345 page accesses, 77 engine inputs");
        shows(f->run.out, "its placement here");
        assert_null(strchr(f->run.out, '\033')); /* names from files are not orders to a terminal */
        answers(f, "trace.stop", LOSSY);
        expect(f, "trace record --stop vm1", 0);
        shows(f->run.out, "stopped");
        shows(f->run.err, "5 records were dropped");
        answers(f, "trace.record", WAITING);
        expect(f, "trace record vm1", 0);
        shows(f->run.out, "neither here nor placed here");
        answers(f, "trace.list", "{\"recordings\":[" LOSSY "," WAITING "]}");
        expect(f, "trace record --list", 0);
        shows(f->run.out, "DROPPED");
        shows(f->run.out, "waiting");
        assert_null(strchr(f->run.out, '\033'));
        answers(f, "trace.list", "{\"recordings\":[]}");
        expect(f, "trace record --list", 0);
        shows(f->run.err, "nothing is or was recorded");
        answers(f, "trace.record", FINE);
        expect(f, "trace record vm1 --json", 0);
        shows(f->run.out, "\"inputs\": 77");
}

static void each_option_has_its_half(void **state) {
        struct fixture *f = *state;
        static const struct {
                const char *line, *says;
        } wrong[] = {
                {"trace record", "what is to be recorded"},
                {"trace record --stop", "what is to be recorded"},
                {"trace record vm1 -o /t/x.hbt -- ls", "either a guest or a command"},
                {"trace record -- ls", "where the trace is to be written"},
                {"trace record -o /t/x.hbt --for 3 -- ls", "recordings of guests"},
                {"trace record --list -- ls", "recordings of guests"},
                {"trace record vm1 --force", "recordings of commands"},
                {"trace record vm1 --epoch-time 3", "recordings of commands"},
                {"trace record vm1 --for 0", "--for"},
        };

        for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
                expect(f, wrong[i].line, 2);
                shows(f->run.err, wrong[i].says);
                assert_string_equal(f->run.out, "");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_is_asked_for, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_shown, setup, teardown),
                cmocka_unit_test_setup_teardown(each_option_has_its_half, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
