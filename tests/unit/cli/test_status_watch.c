/* `status --watch` against a scripted daemon: ticks as blocks, as objects, in place; daemons that do not know
 * the command; the ways it ends. */
#include "fake_daemon.h" /* first: it brings the sockets */

#include "cli/redraw.h"
#include "cli_run.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define TICK                                                                                                 \
        "{\"seq\":1,\"host\":\"a\",\"version\":\"0.1.0\",\"uptime_s\":7500,\"guests\":[{\"name\":\"vm1\","   \
        "\"state\":\"running\",\"tracker\":\"wp\",\"ram_bytes\":536870912,\"resident_bytes\":1048576,"       \
        "\"dirty_bytes_per_s\":0,\"guest_cost_share\":0.001,\"placement\":null}],\"incoming\":[],"           \
        "\"handovers\":[]}"
#define LATER                                                                                                \
        "{\"seq\":2,\"host\":\"a\",\"version\":\"0.1.0\",\"uptime_s\":7501,\"guests\":[],\"incoming\":[],"   \
        "\"handovers\":[]}"

struct fixture {
        struct fake_daemon d;
        struct cli_run run;
        int stop[2];
        unsigned after; /* requests taken until it is stopped */
        pthread_t stopper;
};

static int setup(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));

        fake_start(&f->d);
        assert_int_equal(pipe2(f->stop, O_CLOEXEC), 0);
        f->run.io = (struct hb_cli_io){.socket = f->d.path, .interrupt_fd = f->stop[0]};
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;

        cli_forget(&f->run);
        fake_stop(&f->d);
        close(f->stop[0]);
        close(f->stop[1]);
        free(f);
        return 0;
}

static void *stop_after(void *arg) {
        struct fixture *f = arg;
        char byte;

        for (unsigned i = 0; i < f->after; i++)
                if (read(f->d.asked[0], &byte, 1) != 1)
                        abort();
        if (write(f->stop[1], "x", 1) != 1)
                abort();
        return NULL;
}

/* The line, ended when the daemon was asked so many times: all answers but the last have been taken then. */
static void watch(struct fixture *f, const char *line, unsigned asked) {
        f->after = asked;
        assert_int_equal(pthread_create(&f->stopper, NULL, stop_after, f), 0);
        if (run_line(&f->run, line) != 0)
                fail_msg("%s: exit %d\n%s%s", line, f->run.exit, f->run.out, f->run.err);
        pthread_join(f->stopper, NULL);
}

static unsigned count(const char *text, const char *part) {
        unsigned n = 0;

        for (const char *p = text; (p = strstr(p, part)); p++)
                n++;
        return n;
}

static void ticks_are_blocks(void **state) {
        struct fixture *f = *state;

        f->d.rules[0] = (struct fake_rule){.cmd = "watch", .progress = {TICK, LATER}, .result = "{}"};
        watch(f, "harbinger status --watch", 2);
        assert_memory_equal(f->run.out, "host a, harbingerd 0.1.0, up 2 h 5 min\n\nGUEST", 45);
        assert_true(count(f->run.out, "\n\nhost a, harbingerd") >= 1);
        assert_true(count(f->run.out, "vm1") >= 1 && count(f->run.out, "no guests here") >= 1);
        assert_null(strchr(f->run.out, '\033'));
        assert_string_equal(f->run.err, "");
}

static void objects_are_one_a_line(void **state) {
        struct fixture *f = *state;
        unsigned n = 0;

        f->d.rules[0] = (struct fake_rule){.cmd = "watch", .progress = {TICK, LATER}, .result = "{}"};
        watch(f, "harbinger status --watch --json --every 3", 2);
        assert_string_equal(f->d.last_args, "{\"every\":3}");
        for (char *line = strtok(f->run.out, "\n"); line; line = strtok(NULL, "\n"), n++) {
                json_t *o = json_loads(line, 0, NULL);

                assert_true(json_is_object(o));
                assert_int_equal(json_integer_value(json_object_get(o, "seq")), n % 2 + 1);
                json_decref(o);
        }
        assert_true(n >= 2);
}

static void a_guest_and_an_old_daemon_are_asked_again_and_again(void **state) {
        struct fixture *f = *state;

        f->d.rules[0] = (struct fake_rule){.cmd = "watch", .code = -EPROTONOSUPPORT};
        f->d.rules[1] = (struct fake_rule){.cmd = "status", .result = TICK};
        watch(f, "harbinger status --watch", 3);
        assert_true(count(f->run.out, "host a, harbingerd") >= 1);
        assert_int_equal(read(f->stop[0], (char[1]){0}, 1), 1);
        watch(f, "harbinger status vm1 --watch --json", 2);
        assert_string_equal(f->d.last_args, "{\"guest\":\"vm1\"}");
        assert_true(count(f->run.out, "\"seq\":1") >= 1);
}

static void what_cannot_be_watched_is_an_error(void **state) {
        struct fixture *f = *state;

        f->d.rules[0] = (struct fake_rule){.cmd = "status", .code = -ENOENT};
        assert_int_equal(run_line(&f->run, "harbinger status vmx --watch"), 3);
        assert_int_equal(run_line(&f->run, "harbinger --socket /nowhere/s status --watch"), 5);
        assert_int_equal(run_line(&f->run, "harbinger status --every 2"), 2);
        assert_int_equal(run_line(&f->run, "harbinger status --watch --every 0"), 2);
}

/* A terminal: the first block moves what is there up, the next ones go over it. */
static void a_terminal_is_redrawn_in_place(void **state) {
        struct fixture *f = *state;
        char *second;

        f->d.rules[0] = (struct fake_rule){.cmd = "watch", .progress = {TICK, LATER}, .result = "{}"};
        f->run.io.out_tty = f->run.io.no_color = true;
        watch(f, "harbinger status --watch", 2);
        assert_memory_equal(f->run.out, "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\033[Hhost a", 33);
        second = strstr(f->run.out + 30, "\033[Hhost a, harbingerd 0.1.0, up 2 h 5 min\033[K\n");
        assert_non_null(second);
        assert_memory_equal(second - 3, "\033[J", 3);
        assert_int_equal(f->run.out[f->run.out_len - 1], '\n');
}

static void blocks_are_cut_to_the_terminal(void **state) {
        char *text = NULL, line[300], want[400], tall[200] = "";
        size_t n = 0, before;
        struct hb_cli_redraw r = {.out = open_memstream(&text, &n)}; /* no terminal: 80x24 */

        snprintf(line, sizeof(line), "\033[31m%0100d\033[0m\n\xc3\xa9%090d\n", 7, 8);
        hb_cli_redraw_show(&r, line);
        snprintf(want, sizeof(want), "\033[H\033[31m%080d\033[0m\033[K\n\xc3\xa9%079d\033[K\n\033[J", 0, 0);
        assert_string_equal(text + 24, want);
        before = n;
        for (int i = 0; i < 40; i++)
                strcat(tall, "row\n");
        hb_cli_redraw_show(&r, tall);
        assert_int_equal(count(text + before, "row\033[K\n"), 22);
        assert_non_null(
                strstr(text + before, "... 18 more lines; harbinger console shows all\033[K\n\033[J"));
        fclose(r.out);
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(ticks_are_blocks, setup, teardown),
                cmocka_unit_test_setup_teardown(objects_are_one_a_line, setup, teardown),
                cmocka_unit_test_setup_teardown(a_guest_and_an_old_daemon_are_asked_again_and_again, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(what_cannot_be_watched_is_an_error, setup, teardown),
                cmocka_unit_test_setup_teardown(a_terminal_is_redrawn_in_place, setup, teardown),
                cmocka_unit_test(blocks_are_cut_to_the_terminal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
