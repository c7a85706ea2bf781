/* harbinger cert on real files. */
#include "cli/cli.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli_run.h"

static void expect(struct cli_run *run, const char *line, int exit) {
        if (run_line(run, line) != exit)
                fail_msg("%s: exit %d, wanted %d\n%s%s", line, run->exit, exit, run->out, run->err);
}

static void a_cluster_from_nothing(void **state) {
        struct cli_run run = {.io = {.interrupt_fd = -1}};
        char parent[] = "/tmp/hb-cert-XXXXXX", dir[40], line[200], path[100], want[250];
        struct stat st;
        json_t *j;

        assert_non_null(mkdtemp(parent));
        snprintf(dir, sizeof(dir), "%s/ca", parent);
        snprintf(line, sizeof(line), "harbinger cert init --dir %s --cluster lab --days 30", dir);
        expect(&run, line, 0);
        snprintf(want, sizeof(want), "%s/ca.crt\n%s/ca.key\n%s/cluster.secret\n", dir, dir, dir);
        assert_string_equal(run.out, want);
        expect(&run, line, 6); /* never overwrites */
        assert_non_null(strstr(run.err, "next: "));

        snprintf(line, sizeof(line), "harbinger cert secret --dir %s", dir);
        expect(&run, line, 6); /* there is one */
        snprintf(path, sizeof(path), "%s/cluster.secret", dir);
        assert_int_equal(unlink(path), 0); /* as in a cluster of before there were any */
        expect(&run, line, 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);

        snprintf(line, sizeof(line), "harbinger cert host a --dir %s --json", dir);
        expect(&run, line, 0);
        j = json_loads(run.out, 0, NULL);
        snprintf(want, sizeof(want), "%s/a.key", dir);
        assert_string_equal(json_string_value(json_array_get(json_object_get(j, "created"), 1)), want);
        json_decref(j);
        assert_int_equal(stat(want, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        expect(&run, line, 6);

        snprintf(line, sizeof(line), "harbinger cert show %s/a.crt", dir);
        expect(&run, line, 0);
        assert_non_null(strstr(run.out, "subject:       a\n"));
        assert_non_null(strstr(run.out, "issuer:        lab\n"));
        assert_non_null(strstr(run.out, "state:         valid, "));
        snprintf(line, sizeof(line), "harbinger cert show %s/a.crt --json", dir);
        expect(&run, line, 0);
        j = json_loads(run.out, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(j, "state")), "valid");
        assert_true(json_real_value(json_object_get(j, "days_left")) > 1);
        json_decref(j);

        static const char *const files[] = {"ca.crt", "ca.key", "a.crt", "a.key", "cluster.secret"};

        for (size_t i = 0; i < 5; i++) {
                snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
                unlink(path);
        }
        assert_int_equal(stat(dir, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        assert_int_equal(rmdir(dir), 0); /* nothing else was written */
        assert_int_equal(rmdir(parent), 0);
        cli_forget(&run);
}

static void what_cannot_be_is_named(void **state) {
        struct cli_run run = {.io = {.interrupt_fd = -1}};
        char dir[] = "/tmp/hb-cert-XXXXXX", line[200], path[100];
        FILE *f;

        assert_non_null(mkdtemp(dir));
        snprintf(line, sizeof(line), "harbinger cert host a --dir %s", dir);
        expect(&run, line, 3); /* no authority there */
        assert_non_null(strstr(run.err, dir));
        expect(&run, "harbinger cert show /nonexistent.crt", 3);
        assert_non_null(strstr(run.err, "/nonexistent.crt"));
        snprintf(path, sizeof(path), "%s/junk", dir);
        f = fopen(path, "w");
        fputs("junk\n", f);
        fclose(f);
        snprintf(line, sizeof(line), "harbinger cert show %s", path);
        run_line(&run, line);
        assert_int_not_equal(run.exit, 0);
        assert_non_null(strstr(run.err, path));
        unlink(path);
        assert_int_equal(rmdir(dir), 0);
        cli_forget(&run);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_cluster_from_nothing),
                cmocka_unit_test(what_cannot_be_is_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
