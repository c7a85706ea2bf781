/* doctor without a daemon: a stand-in for harbingerd's program answers --probe and --check in every way it
 * can. */
#include "base/clock.h"
#include "cli/child.h"
#include "cli/cli.h"
#include "cli/doctor.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli_run.h"

#define PROBE                                                                                                \
        "{\"trackers\":[{\"name\":\"wp\",\"sees\":\"writes\",\"blind\":\"Not seen: "                         \
        "DMA\",\"works\":%s,\"why\":\"no "                                                                   \
        "PAGEMAP_SCAN\"},"                                                                                   \
        "{\"name\":\"hash\",\"sees\":\"content\",\"blind\":\"reads\",\"works\":%s,\"why\":\"\"}]}"

static void versions_are_read(void **state) {
        assert_int_equal(hb_doctor_kernel("6.1.0-18-amd64"), 601);
        assert_int_equal(hb_doctor_kernel("6.12.43+deb12-amd64"), 612);
        assert_int_equal(hb_doctor_kernel("5.4"), 504);
        assert_int_equal(hb_doctor_kernel("plan9"), 0);
        assert_int_equal(hb_doctor_qemu("QEMU emulator version 7.2.22 (Debian 1:7.2)"), 702);
        assert_int_equal(hb_doctor_qemu("QEMU emulator version 10.0.2"), 1000);
        assert_int_equal(hb_doctor_qemu("bash: no such command"), 0);
}

static void children_are_heard_and_never_outlive_us(void **state) {
        char *const echo[] = {(char *)"sh", (char *)"-c", (char *)"echo out; echo err >&2; exit 3", NULL};
        char *const much[] = {(char *)"sh", (char *)"-c", (char *)"yes | head -c 300000", NULL};
        char *const dies[] = {(char *)"sh", (char *)"-c", (char *)"kill -9 $$", NULL};
        char *const hangs[] = {(char *)"sleep", (char *)"1000", NULL};
        char *const none[] = {(char *)"/nonexistent/program", NULL};
        char text[1000];
        uint64_t begin = hb_now_ns();

        assert_int_equal(hb_cli_child(echo, 5000, text, sizeof(text)), 3);
        assert_string_equal(text, "out\nerr\n");
        assert_int_equal(hb_cli_child(much, 5000, text, sizeof(text)), 0);
        assert_int_equal(strlen(text), sizeof(text) - 1);
        assert_int_equal(hb_cli_child(dies, 5000, text, sizeof(text)), 128 + 9);
        assert_int_equal(hb_cli_child(none, 5000, text, sizeof(text)), -ENOENT);
        assert_int_equal(hb_cli_child(hangs, 50, text, sizeof(text)), -ETIMEDOUT);
        assert_true(hb_now_ns() - begin < 20 * HB_NS_PER_S);
}

struct stand_in {
        struct cli_run run;
        char dir[40], program[60], socket[60];
};

static int setup(void **state) {
        struct stand_in *s = calloc(1, sizeof(*s));

        strcpy(s->dir, "/tmp/hb-doctor-XXXXXX");
        assert_non_null(mkdtemp(s->dir));
        snprintf(s->program, sizeof(s->program), "%s/harbingerd", s->dir);
        snprintf(s->socket, sizeof(s->socket), "%s/none", s->dir);
        s->run.io = (struct hb_cli_io){.socket = s->socket, .daemon = s->program, .interrupt_fd = -1};
        *state = s;
        return 0;
}

static int teardown(void **state) {
        struct stand_in *s = *state;

        unlink(s->program);
        assert_int_equal(rmdir(s->dir), 0);
        cli_forget(&s->run);
        free(s);
        return 0;
}

/* A program that answers --probe with `probe` and --check with `check`, both shell commands. */
static void stands_in(struct stand_in *s, const char *probe, const char *check) {
        FILE *f = fopen(s->program, "w");

        assert_non_null(f);
        fprintf(f, "#!/bin/sh\ncase $1 in\n--probe) %s;;\n--check) %s;;\n*) exit 99;;\nesac\n", probe, check);
        fclose(f);
        assert_int_equal(chmod(s->program, 0755), 0);
}

static void expect(struct stand_in *s, const char *line, int exit, const char *part) {
        if (run_line(&s->run, line) != exit || !strstr(s->run.out, part))
                fail_msg("%s: exit %d, wanted %d and \"%s\"\n%s%s", line, s->run.exit, exit, part, s->run.out,
                         s->run.err);
}

static void probe_with(char *buf, size_t size, const char *wp, const char *hash) {
        char json[600];

        snprintf(json, sizeof(json), PROBE, wp, hash);
        snprintf(buf, size, "echo '%s'", json);
}

static void trackers_are_probed_by_the_daemons_program(void **state) {
        struct stand_in *s = *state;
        char probe[700];

        probe_with(probe, sizeof(probe), "true", "true");
        stands_in(s, probe, "exit 0");
        expect(s, "harbinger doctor", 0, "ok    tracker wp         sees writes. Not seen: DMA\n");
        assert_non_null(strstr(s->run.out, "warn  daemon"));
        assert_non_null(strstr(s->run.out, "ok    settings           /etc/harbinger/harbingerd.ini\n"));
        probe_with(probe, sizeof(probe), "false", "true");
        stands_in(s, probe, "exit 0");
        expect(s, "harbinger doctor", 0,
               "warn  tracker wp         does not work here: no PAGEMAP_SCAN\n                         "
               "next: ");
        probe_with(probe, sizeof(probe), "false", "false");
        stands_in(s, probe, "exit 0");
        expect(s, "harbinger doctor", 1, "FAIL  trackers");
}

static void a_program_that_misbehaves_is_no_tracker(void **state) {
        static const char *const probes[] = {"exit 7", "echo junk", "echo '{\"trackers\":'", "kill -9 $$"};
        struct stand_in *s = *state;

        for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
                stands_in(s, probes[i], "exit 0");
                expect(s, "harbinger doctor", 0, "warn  trackers           harbingerd --probe failed\n");
        }
        unlink(s->program);
        expect(s, "harbinger doctor", 0, "warn  trackers           there is no harbingerd beside");
        assert_null(strstr(s->run.out, "settings"));
        s->run.io.daemon = NULL;
        expect(s, "harbinger doctor", 0, "warn  trackers           there is no harbingerd beside");
}

static void settings_with_a_mistake_are_a_failure_missing_ones_a_warning(void **state) {
        struct stand_in *s = *state;
        char probe[700];

        probe_with(probe, sizeof(probe), "true", "true");
        stands_in(s, probe, "echo '<3>settings: epoch_ms = 1: must be 50..60000 (/x.ini:3)' >&2; exit 6");
        expect(s, "harbinger doctor", 1,
               "FAIL  settings           settings: epoch_ms = 1: must be 50..60000 (/x.ini:3)\n");
        stands_in(s, probe,
                  "echo '<3>settings: cannot read the settings: No such file or directory' >&2; exit 6");
        expect(s, "harbinger doctor", 0, "warn  settings");
        expect(s, "harbinger doctor --config /mine.ini", 1, "FAIL  settings");
        stands_in(s, probe, "[ \"$2 $3\" = '--config /mine.ini' ]");
        expect(s, "harbinger doctor --config /mine.ini", 0, "ok    settings           /mine.ini\n");
        expect(s, "harbinger doctor --config /mine.ini --json", 0,
               "\"name\": \"settings\",\n      \"ok\": \"ok\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(versions_are_read),
                cmocka_unit_test(children_are_heard_and_never_outlive_us),
                TEST(trackers_are_probed_by_the_daemons_program),
                TEST(a_program_that_misbehaves_is_no_tracker),
                TEST(settings_with_a_mistake_are_a_failure_missing_ones_a_warning),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
