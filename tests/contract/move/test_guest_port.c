/* The contract every guest port keeps, run against real guests: "process" (default; the attach library in a
 * process of ours) or "qemu" (argument; a real QEMU). One hand-over is done the way the daemon does it, with
 * the image copied by the test. */
#include "base/clock.h"
#include "base/fault.h"
#include "move/qmp.h"
#include "rig.inc"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h> /* after the rest: it needs it */

#include "world.inc"

static void test_describe(void **state) {
        struct world *w = *state;
        struct hb_guest_info info;
        hb_target *t = NULL;

        start_source(w);
        OK(w->src->ops->describe(w->src, &info, &why));
        assert_string_equal(info.kind, rig->kind);
        assert_int_equal(info.pid, w->a.pid);
        assert_int_equal(info.state, HB_GUEST_RUNNING);
        assert_int_equal(info.nclaims, 1);
        assert_string_equal(info.claims[0].name, "mem");
        assert_int_equal(info.claims[0].bytes, rig->bytes);
        assert_string_equal(info.paths[0], w->a.image);
        assert_true(info.can_move);
        assert_true(info.vmm_version[0] != '\0');
        OK(hb_target_open(info.pid, info.claims, info.nclaims, &t, &why)); /* the kernel agrees */
        assert_int_equal(t->shape.pages, rig->bytes / HB_PAGE_SIZE);
        hb_target_free(t);
}

static void test_whole_move(void **state) {
        struct world *w = *state;
        uint64_t resumed_ns, now = hb_wall_ns();

        start_source(w);
        start_target(w);
        assert_int_equal(state_of(w->dst), HB_GUEST_INCOMING);
        OK(hand_over(w, &why));
        assert_int_equal(state_of(w->src), HB_GUEST_MOVED);
        assert_int_equal(state_of(w->dst), HB_GUEST_PAUSED);
        OK(w->dst->ops->resume(w->dst, 5000, &resumed_ns, &why));
        assert_true(resumed_ns >= now && resumed_ns <= hb_wall_ns());
        OK(w->src->ops->quit(w->src, &why));
        rig_kill(&w->a);
        assert_alive(&w->b, w->dst);
}

/* And back: what arrived can leave. */
static void test_there_and_back(void **state) {
        struct world *w = *state;
        uint64_t ns;

        start_source(w);
        start_target(w);
        OK(hand_over(w, &why));
        OK(w->dst->ops->resume(w->dst, 5000, &ns, &why));
        OK(w->src->ops->quit(w->src, &why));
        stop_pump(w);
        rig_kill(&w->a);
        w->src = close_port(w->src);
        struct vm first = w->b;
        w->src = w->dst;
        w->dst = NULL;
        rig->start(w->dir, "c", rig->bytes, true, &w->b);
        open_port(&w->b, &w->dst);
        w->a = first;
        OK(hand_over(w, &why));
        OK(w->dst->ops->resume(w->dst, 5000, &ns, &why));
        assert_alive(&w->b, w->dst);
}

static void test_every_step_may_be_repeated(void **state) {
        struct world *w = *state;
        uint64_t first, again;

        start_source(w);
        start_target(w);
        OK(w->src->ops->prepare_source(w->src, &why));
        OK(w->dst->ops->prepare_target(w->dst, &w->shape, &why));
        OK(prepare(w, &why));
        OK(w->src->ops->freeze(w->src, 5000, &first, &why));
        OK(w->src->ops->freeze(w->src, 5000, &again, &why));
        copy_image(w);
        OK(w->src->ops->send_state(w->src, 5000, &why));
        OK(w->src->ops->send_state(w->src, 5000, &why));
        OK(w->dst->ops->receive_wait(w->dst, 5000, &why));
        OK(w->dst->ops->receive_wait(w->dst, 5000, &why));
        OK(w->dst->ops->resume(w->dst, 5000, &first, &why));
        OK(w->dst->ops->resume(w->dst, 5000, &again, &why));
        OK(w->src->ops->quit(w->src, &why));
        OK(w->src->ops->quit(w->src, &why));
}

static void new_source_port(struct world *w) {
        w->src = close_port(w->src);
        open_port(&w->a, &w->src);
}

/* Up to a step, then back; with the same port object or a new one, as after a crash of the daemon. */
static void thaw_after(struct world *w, int steps, bool crash) {
        struct hb_err e = {0};
        int rc = 0;

        if (steps >= 1)
                rc = w->src->ops->prepare_source(w->src, &e);
        if (rc == 0 && steps >= 2)
                rc = source_stream(w, devnull(), &e);
        if (rc == 0 && steps >= 3)
                rc = freeze(w, &e);
        if (rc == 0 && steps >= 4)
                rc = w->src->ops->send_state(w->src, 5000, &e);
        must(rc, &e);
        if (crash)
                new_source_port(w);
        OK(w->src->ops->thaw(w->src, 5000, &why));
        OK(w->src->ops->thaw(w->src, 5000, &why));
        assert_alive(&w->a, w->src);
        stop_pump(w);
}

static void test_thaw_from_every_step(void **state) {
        struct world *w = *state;
        uint64_t ns;

        start_source(w);
        for (int steps = 0; steps <= 4; steps++) {
                thaw_after(w, steps, false);
                thaw_after(w, steps, true);
        }
        start_target(w); /* and it can still be moved */
        OK(hand_over(w, &why));
        OK(w->dst->ops->resume(w->dst, 5000, &ns, &why));
        assert_alive(&w->b, w->dst);
}

/* The whole way to loaded, then the source takes it back. */
static void test_thaw_after_loaded(void **state) {
        struct world *w = *state;

        start_source(w);
        start_target(w);
        OK(hand_over(w, &why));
        OK(w->dst->ops->quit(w->dst, &why));
        OK(w->src->ops->thaw(w->src, 5000, &why));
        assert_alive(&w->a, w->src);
}

/* Nobody reads the stream any more: the VMM's own attempt fails, and it goes on. */
static void test_thaw_after_broken_stream(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};
        int fd;

        start_source(w);
        OK(w->src->ops->prepare_source(w->src, &why));
        OK(w->src->ops->stream(w->src, &fd, &why));
        close(fd);
        if (freeze(w, &e) == 0)
                assert_true(w->src->ops->send_state(w->src, 2000, &e) < 0);
        assert_true(e.code < 0 && e.what[0]);
        OK(w->src->ops->thaw(w->src, 5000, &why));
        assert_alive(&w->a, w->src);
}

/* A VMM that blocks on a stream nobody reads answers nobody; each wait ends in time, and closing the stream
 * frees it. */
static void test_thaw_with_unread_stream(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};
        uint64_t ns, began;
        int fd;

        start_source(w);
        OK(w->src->ops->prepare_source(w->src, &why));
        OK(w->src->ops->stream(w->src, &fd, &why));
        began = hb_now_ns();
        if (w->src->ops->freeze(w->src, 500, &ns, &e) == 0)
                (void)w->src->ops->send_state(w->src, 500, &e);
        assert_true(hb_now_ns() - began < 3 * HB_NS_PER_S);
        close(fd);
        OK(w->src->ops->thaw(w->src, 5000, &why));
        assert_alive(&w->a, w->src);
}

static void test_recovered_target(void **state) {
        struct world *w = *state;
        uint64_t ns;

        start_source(w);
        start_target(w);
        OK(hand_over(w, &why));
        w->dst = close_port(w->dst);
        open_port(&w->b, &w->dst);
        OK(w->dst->ops->receive_wait(w->dst, 5000, &why));
        OK(w->dst->ops->resume(w->dst, 5000, &ns, &why));
        w->dst = close_port(w->dst);
        open_port(&w->b, &w->dst);
        OK(w->dst->ops->resume(w->dst, 5000, &ns, &why));
        assert_alive(&w->b, w->dst);
}

/* A guest that was given away must not be started by a late `resume`, nor an empty VMM thawed. */
static void test_wrong_way_round(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};
        uint64_t ns;

        start_source(w);
        start_target(w);
        assert_int_equal(w->dst->ops->thaw(w->dst, 1000, &e), -EINVAL);
        assert_int_equal(w->dst->ops->resume(w->dst, 1000, &ns, &e), -EINVAL);
        assert_int_equal(w->dst->ops->freeze(w->dst, 1000, &ns, &e) < 0, 1);
        assert_int_equal(w->dst->ops->prepare_source(w->dst, &e), -EOPNOTSUPP);
        assert_int_equal(w->src->ops->prepare_target(w->src, &w->shape, &e), -EINVAL);
        assert_non_null(strstr(e.next, "incoming"));
        OK(hand_over(w, &why));
        assert_int_equal(w->src->ops->resume(w->src, 1000, &ns, &e), -EINVAL);
        assert_int_equal(state_of(w->src), HB_GUEST_MOVED);
}

static void test_target_of_another_shape(void **state) {
        struct world *w = *state;
        struct hb_shape two = w->shape, other = {0}, larger = {0};
        struct hb_err e = {0};

        start_target(w);
        hb_shape_add(&two, "extra", 1 << 20, HB_PAGE_SIZE, NULL);
        hb_shape_add(&other, "memory", rig->bytes, HB_PAGE_SIZE, NULL);
        hb_shape_add(&larger, "mem", rig->bytes + (1 << 20), HB_PAGE_SIZE, NULL);
        assert_int_equal(w->dst->ops->prepare_target(w->dst, &two, &e), -EINVAL);
        assert_string_equal(e.which, "extra");
        assert_int_equal(w->dst->ops->prepare_target(w->dst, &other, &e), -EINVAL);
        assert_string_equal(e.which, "memory");
        assert_int_equal(w->dst->ops->prepare_target(w->dst, &larger, &e), -EINVAL);
        assert_string_equal(e.which, "mem");
        assert_non_null(strstr(e.what, "bytes"));
        OK(w->dst->ops->prepare_target(w->dst, &w->shape, &why));
}

static void test_open_failures(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};
        char path[96], line[800];
        hb_guest_port *p = NULL;
        pthread_t thread;
        int fd;

        snprintf(path, sizeof(path), "%s/nobody.sock", w->dir);
        assert_int_equal(rig->open(path, 0, &p, &e), -ENOENT);
        assert_string_equal(e.which, path);
        fd = listener(path);
        assert_int_equal(rig->open(path, 30, &p, &e), -ECONNREFUSED);
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(pthread_create(&thread, NULL, serve_nonsense, &fd), 0);
        assert_int_equal(rig->open(path, 0, &p, &e), -EPROTO);
        pthread_join(thread, NULL);
        assert_int_equal(rig->open(path, 0, &p, &e), -EBUSY); /* it listens and says nothing */
        close(fd);
        assert_null(p);
        assert_true(e.next[0] && strlen(hb_err_line(&e, line, sizeof(line))) > 20);
}

static void test_busy_and_free_again(void **state) {
        struct world *w = *state;
        struct hb_guest_info info;
        hb_guest_port *second = NULL;
        struct hb_err e = {0};

        start_source(w);
        OK(w->src->ops->prepare_source(w->src, &why)); /* holds the monitor */
        assert_int_equal(rig->open(w->a.socket, 0, &second, &e), -EBUSY);
        assert_null(second);
        OK(w->src->ops->thaw(w->src, 5000, &why)); /* lets go */
        OK(rig->open(w->a.socket, 0, &second, &why));
        OK(second->ops->describe(second, &info, &why));
        OK(w->src->ops->describe(w->src, &info, &why)); /* neither keeps it */
        OK(second->ops->describe(second, &info, &why));
        close_port(second);
}

/* The guest's process dies before each operation: -ESRCH, soon. */
static void test_vmm_gone(void **state) {
        struct world *w = *state;

        for (int op = 0; op < 7; op++) {
                struct hb_err e = {0};
                struct hb_guest_info info;
                uint64_t ns, began;
                int rc = 0, fd = -1;

                start_source(w);
                if (op >= 2)
                        OK(w->src->ops->prepare_source(w->src, &why));
                if (op >= 3)
                        OK(source_stream(w, devnull(), &why));
                if (op >= 4)
                        OK(freeze(w, &why));
                rig_kill(&w->a);
                began = hb_now_ns();
                switch (op) {
                case 0:
                        rc = w->src->ops->describe(w->src, &info, &e);
                        break;
                case 1:
                        rc = w->src->ops->prepare_source(w->src, &e);
                        break;
                case 2:
                        rc = w->src->ops->stream(w->src, &fd, &e);
                        break;
                case 3:
                        rc = freeze(w, &e);
                        break;
                case 4:
                        rc = w->src->ops->send_state(w->src, 5000, &e);
                        break;
                case 5:
                        rc = w->src->ops->thaw(w->src, 5000, &e);
                        break;
                case 6:
                        rc = w->src->ops->resume(w->src, 5000, &ns, &e);
                        break;
                }
                assert_int_equal(rc, -ESRCH);
                assert_int_equal(e.code, -ESRCH);
                assert_true(hb_now_ns() - began < 2 * HB_NS_PER_S);
                OK(w->src->ops->quit(w->src, &why)); /* gone is what was wanted */
                stop_pump(w);
                w->src = close_port(w->src);
        }
}

struct later {
        void (*what)(struct later *l);
        hb_guest_port *port;
        pid_t pid;
        pthread_t thread;
};

static void *do_later(void *arg) {
        struct later *l = arg;

        usleep(100000);
        l->what(l);
        return NULL;
}

static void kill_it(struct later *l) {
        kill(l->pid, SIGKILL);
}

static void cancel_it(struct later *l) {
        l->port->ops->cancel(l->port);
}

/* The target waits for a state that never comes. */
static void wait_for_state(struct world *w, int *ret_fd) {
        start_target(w);
        OK(w->dst->ops->prepare_target(w->dst, &w->shape, &why));
        OK(w->dst->ops->stream(w->dst, ret_fd, &why));
        OK(w->dst->ops->receive_start(w->dst, &why));
}

static void test_receive_times_out(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};
        int fd;

        wait_for_state(w, &fd);
        assert_int_equal(w->dst->ops->receive_wait(w->dst, 50, &e), -ETIMEDOUT);
        close(fd);
}

static void test_cancel(void **state) {
        struct world *w = *state;
        struct later l = {.what = cancel_it};
        uint64_t began = hb_now_ns();
        struct hb_err e = {0};
        int fd;

        wait_for_state(w, &fd);
        l.port = w->dst;
        assert_int_equal(pthread_create(&l.thread, NULL, do_later, &l), 0);
        assert_int_equal(w->dst->ops->receive_wait(w->dst, 20000, &e), -ECANCELED);
        assert_true(hb_now_ns() - began < 10 * HB_NS_PER_S);
        pthread_join(l.thread, NULL);
        OK(w->dst->ops->quit(w->dst, &why)); /* the port is still good */
        close(fd);
}

static void test_killed_while_waited_for(void **state) {
        struct world *w = *state;
        struct later l = {.what = kill_it};
        struct hb_err e = {0};
        int fd;

        wait_for_state(w, &fd);
        l.pid = w->b.pid;
        assert_int_equal(pthread_create(&l.thread, NULL, do_later, &l), 0);
        assert_int_equal(w->dst->ops->receive_wait(w->dst, 20000, &e), -ESRCH);
        pthread_join(l.thread, NULL);
        close(fd);
}

static void test_garbage_instead_of_state(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};
        char junk[4096];
        int fd, rc;

        wait_for_state(w, &fd);
        memset(junk, 0x5a, sizeof(junk));
        (void)!send(fd, junk, sizeof(junk), MSG_NOSIGNAL);
        rc = w->dst->ops->receive_wait(w->dst, 5000, &e);
        assert_true(rc < 0 && rc != -ETIMEDOUT);
        close(fd);
}

/* Whatever fails, and whenever, the source can be thawed. */
static void test_fault_rounds(void **state) {
        static const char *const points[] = {"line.connect", "line.send",       "line.recv",
                                             "qmp.call",     "attach.call",     "qemu.prepare_source",
                                             "qemu.freeze",  "qemu.send_state", "process.freeze"};
        struct world *w = *state;

        start_source(w);
        for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
                for (unsigned at = 1; at < 30; at += 5) {
                        char spec[64];
                        struct hb_err e = {0};
                        int rc;

                        snprintf(spec, sizeof(spec), "%s=fail@%u", points[i], at);
                        assert_int_equal(hb_fault_arm(spec), 0);
                        rc = w->src->ops->prepare_source(w->src, &e);
                        if (rc == 0)
                                rc = source_stream(w, devnull(), &e);
                        if (rc == 0)
                                rc = freeze(w, &e);
                        if (rc == 0)
                                rc = w->src->ops->send_state(w->src, 5000, &e);
                        hb_fault_disarm();
                        assert_true(rc == 0 || (e.code < 0 && e.what[0]));
                        OK(w->src->ops->thaw(w->src, 30000,
                                             &why)); /* a busy machine may hold a VMM's threads up */
                        assert_alive(&w->a, w->src);
                        stop_pump(w);
                }
}

#include "qemu_only.inc"

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define CONTRACT                                                                                             \
        T(test_describe), T(test_whole_move), T(test_there_and_back), T(test_every_step_may_be_repeated),    \
                T(test_thaw_from_every_step), T(test_thaw_after_loaded), T(test_thaw_after_broken_stream),   \
                T(test_thaw_with_unread_stream), T(test_recovered_target), T(test_wrong_way_round),          \
                T(test_target_of_another_shape), T(test_open_failures), T(test_busy_and_free_again),         \
                T(test_vmm_gone), T(test_receive_times_out), T(test_cancel),                                 \
                T(test_killed_while_waited_for), T(test_garbage_instead_of_state), T(test_fault_rounds)

int main(int argc, char **argv) {
        const struct CMUnitTest process[] = {CONTRACT};
        const struct CMUnitTest qemu[] = {CONTRACT,
                                          T(test_private_memory_is_refused),
                                          T(test_paused_by_its_operator),
                                          T(test_nothing_is_left_switched_on),
                                          T(test_two_backends),
                                          T(test_direct_disk_is_named)};

        if (argc > 4 && strcmp(argv[1], "--guest") == 0)
                return rig_guest_main(argc, argv);
        if (argc > 2)
                cmocka_set_test_filter(argv[2]);
        if (argc > 1 && strcmp(argv[1], "qemu") == 0) {
                rig = &rig_qemu;
                return cmocka_run_group_tests_name("qemu", qemu, NULL, NULL);
        }
        rig = &rig_process;
        return cmocka_run_group_tests_name("process", process, NULL, NULL);
}
