/* trace compare and trace report from a command line: what they print, refuse, keep and leave when stopped.
 */
#include "check.h"
#include "cli_run.h"
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "trace_synth.h"

struct fixture {
        char dir[64];
        struct cli_run run;
        int stop[2];
};

static int setup(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));
        char path[128];

        strcpy(f->dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/hb-trcomp-XXXXXX" : "/tmp/hb-trcomp-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        for (unsigned i = 0; i < 2; i++) {
                struct hb_synth s = {.shape = HB_SYNTH_MIX, .pages = 300, .epochs = 80, .seed = i};

                snprintf(path, sizeof(path), "%s/%u.hbt", f->dir, i);
                assert_int_equal(hb_synth_write(&s, path, NULL), 0);
        }
        assert_int_equal(pipe(f->stop), 0);
        f->run.io.interrupt_fd = -1;
        assert_int_equal(chdir(f->dir), 0);
        setenv("TMPDIR", f->dir, 1);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;
        char command[128];

        cli_forget(&f->run);
        close(f->stop[0]);
        close(f->stop[1]);
        snprintf(command, sizeof(command), "cd / && rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
        free(f);
        return 0;
}

static void says(const struct fixture *f, const char *what) {
        if (!strstr(f->run.out, what) && !strstr(f->run.err, what))
                fail_msg("neither says \"%s\":\n%s\n%s", what, f->run.out, f->run.err);
}

static void refused(struct fixture *f, const char *line, int code, const char *what) {
        if (run_line(&f->run, line) != code)
                fail_msg("%s: exit code %d, expected %d\n%s", line, f->run.exit, code, f->run.err);
        says(f, what);
}

static void test_many_traces_one_table(void **state) {
        struct fixture *f = *state;

        assert_int_equal(run_line(&f->run, "harbinger trace compare 0.hbt --horizon 5 1.hbt --moments 1"), 0);
        says(f, "0: 300 pages");
        says(f, "1: 300 pages");
        says(f, "A  default  (the base)");
        says(f, "C  optimum");
        assert_int_equal(access("harbinger-compare.db", F_OK), 0);
}

static void test_json_and_csv(void **state) {
        struct fixture *f = *state;
        json_t *j;

        assert_int_equal(
                run_line(&f->run, "harbinger trace compare 0.hbt 1.hbt --json --results r.db --moments 0"),
                0);
        j = json_loads(f->run.out, 0, NULL);
        assert_non_null(j);
        assert_int_equal(json_array_size(json_object_get(j, "cells")), 6);
        assert_int_equal(json_array_size(json_object_get(j, "traces")), 2);
        assert_int_equal(json_integer_value(json_object_get(j, "missing")), 0);
        json_decref(j);
        assert_int_equal(
                run_line(&f->run, "harbinger trace compare 0.hbt 1.hbt --csv --results r.db --moments 0"), 0);
        assert_int_equal(strncmp(f->run.out, "trace,horizon_s,link_bytes_per_s,policy,f1", 42), 0);
        says(f, "\"0\",10,125000000,\"default\",");
}

static void test_stopped_says_how_to_go_on(void **state) {
        struct fixture *f = *state;

        f->run.io.interrupt_fd = f->stop[0];
        assert_int_equal(write(f->stop[1], "x", 1), 1);
        refused(f, "harbinger trace compare 0.hbt 1.hbt", HB_EXIT_ABORTED, "stopped");
        f->run.io.interrupt_fd = -1;
        assert_int_equal(run_line(&f->run, "harbinger trace compare 0.hbt 1.hbt --moments 0"), 0);
}

static void test_refusals(void **state) {
        struct fixture *f = *state;

        refused(f, "harbinger trace compare", HB_EXIT_USAGE, "another argument");
        refused(f, "harbinger trace compare none.hbt", HB_EXIT_NOT_FOUND, "none.hbt");
        refused(f, "harbinger trace compare 0.hbt --budget all", HB_EXIT_USAGE, "--budget");
        refused(f, "harbinger trace compare 0.hbt --latency soon", HB_EXIT_USAGE, "--latency");
        refused(f, "harbinger trace compare 0.hbt --image-size 1", HB_EXIT_USAGE, "--image-size");
        refused(f, "harbinger trace compare 0.hbt --link slow", HB_EXIT_USAGE, "slow");
        refused(f, "harbinger trace compare 0.hbt --policy no-such", HB_EXIT_NOT_FOUND, "no-such");
        refused(f, "harbinger trace compare 0.hbt --results 1.hbt", HB_EXIT_MISMATCH, "no results at all");
        refused(f, "harbinger trace compare 0.hbt --results missing/r.db", HB_EXIT_NOT_FOUND, "missing/r.db");
        refused(f, "harbinger trace report 0.hbt", HB_EXIT_USAGE, "--output");
}

static void test_report_of_results_and_of_traces(void **state) {
        struct fixture *f = *state;

        assert_int_equal(run_line(&f->run, "harbinger trace compare 0.hbt --results r.db --moments 0"), 0);
        assert_int_equal(run_line(&f->run, "harbinger trace report r.db -o of-results.html --gnuplot none"),
                         0);
        says(f, "of-results.html is written");
        says(f, "no curves");
        assert_int_equal(run_line(&f->run, "harbinger trace report 1.hbt -o of-trace.html --moments 0 --only "
                                           "--gnuplot none --json"),
                         0);
        says(f, "\"heat_maps\": 1");
        assert_int_equal(access("of-trace.html", F_OK), 0);
        refused(f, "harbinger trace report r.db 0.hbt -o x.html", HB_EXIT_USAGE, "one results file");
        refused(f, "harbinger trace report 1.hbt -o missing/x.html --only --moments 0", HB_EXIT_NOT_FOUND,
                "missing/x.html");
        assert_int_equal(access("x.html", F_OK), -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_many_traces_one_table, setup, teardown),
                cmocka_unit_test_setup_teardown(test_json_and_csv, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stopped_says_how_to_go_on, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
                cmocka_unit_test_setup_teardown(test_report_of_results_and_of_traces, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
