/* The monitor client against a monitor of ours that says exactly what a test wants: late, in pieces, wrong,
 * or nothing. */
#include "base/clock.h"
#include "move/line_conn.h"
#include "move/qemu_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h> /* after the rest: it needs it */

#define GREETING                                                                                             \
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 0, \"major\": 10}}, "                  \
        "\"capabilities\": []}}\r\n"

/* What the monitor says after each line it has read; NULL ends it. "@" stands for that line's id. No script:
 * one line without end. */
struct monitor {
        const char *const *script;
        char path[64];
        int listen_fd, got_fd;
        pthread_t thread;
        bool byte_by_byte;
};

static void say(const struct monitor *m, int fd, const char *text, const char *id) {
        char out[1024], *p = out;

        for (; *text; text++)
                if (*text == '@')
                        p += sprintf(p, "%s", id);
                else
                        *p++ = *text;
        for (const char *q = out; q < p; q += m->byte_by_byte ? 1 : p - q)
                (void)!send(fd, q, m->byte_by_byte ? 1 : (size_t)(p - q), MSG_NOSIGNAL);
}

static bool read_line(struct monitor *m, int fd, char *line, size_t size) {
        size_t n = 0;

        while (n + 1 < size) {
                char control[CMSG_SPACE(sizeof(int))];
                struct iovec iov = {.iov_base = line + n, .iov_len = 1};
                struct msghdr msg = {.msg_iov = &iov,
                                     .msg_iovlen = 1,
                                     .msg_control = control,
                                     .msg_controllen = sizeof(control)};

                if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) <= 0)
                        return false;
                if (CMSG_FIRSTHDR(&msg))
                        memcpy(&m->got_fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
                if (line[n++] == '\n')
                        break;
        }
        line[n] = '\0';
        return true;
}

static void flood(int fd) {
        static char block[65536];

        memset(block, 'x', sizeof(block));
        while (send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
                ;
        close(fd);
}

static void *serve(void *arg) {
        struct monitor *m = arg;
        int fd = accept(m->listen_fd, NULL, NULL);
        char line[1024], id[32] = "0";

        if (!m->script)
                return flood(fd), NULL;
        say(m, fd, *m->script, id);
        while (*m->script && *++m->script) {
                const char *found;

                if (!read_line(m, fd, line, sizeof(line)))
                        break;
                found = strstr(line, "\"id\":");
                snprintf(id, sizeof(id), "%d", found ? atoi(found + 5) : 0);
                say(m, fd, *m->script, id);
        }
        while (read_line(m, fd, line, sizeof(line)))
                ;
        close(fd);
        return NULL;
}

static struct monitor *monitor_new(const char *const *script, bool byte_by_byte) {
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        struct monitor *m = calloc(1, sizeof(*m));

        m->script = script;
        m->got_fd = -1;
        m->byte_by_byte = byte_by_byte;
        strcpy(m->path, "/tmp/hb-qmp-XXXXXX");
        assert_non_null(mkdtemp(m->path));
        strcat(m->path, "/s");
        strcpy(addr.sun_path, m->path);
        m->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(m->listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
        assert_int_equal(listen(m->listen_fd, 1), 0);
        assert_int_equal(pthread_create(&m->thread, NULL, serve, m), 0);
        return m;
}

static void monitor_free(struct monitor *m) {
        pthread_join(m->thread, NULL);
        close(m->listen_fd);
        if (m->got_fd >= 0)
                close(m->got_fd);
        unlink(m->path);
        *strrchr(m->path, '/') = '\0';
        rmdir(m->path);
        free(m);
}

#define CAPABLE GREETING, "{\"return\": {}, \"id\": @}\n"

static void connect_to(const struct monitor *m, int cancel_fd, hb_qmp **ret) {
        struct hb_err e = {0};

        assert_int_equal(hb_qmp_connect(m->path, 0, cancel_fd, ret, &e), 0);
}

static void test_call_and_errors(void **state) {
        static const char *const script[] = {
                CAPABLE, "{\"return\": {\"status\": \"running\"}, \"id\": @}\n",
                "{\"error\": {\"class\": \"GenericError\", \"desc\": \"not now\"}, \"id\": @}\n",
                "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"what\"}, \"id\": @}\n", NULL};

        for (int pieces = 0; pieces < 2; pieces++) {
                struct monitor *m = monitor_new(script, pieces);
                struct hb_err e = {0};
                json_t *v;
                hb_qmp *q;

                connect_to(m, -1, &q);
                assert_string_equal(hb_qmp_version(q), "QEMU 10.0.2");
                assert_int_equal(hb_qmp_pid(q), getpid());
                assert_int_equal(hb_qmp_call(q, "query-status", NULL, -1, 1000, &v, &e), 0);
                assert_string_equal(json_string_value(json_object_get(v, "status")), "running");
                json_decref(v);
                assert_int_equal(hb_qmp_call(q, "cont", NULL, -1, 1000, NULL, &e), -EREMOTEIO);
                assert_non_null(strstr(e.what, "not now"));
                assert_int_equal(hb_qmp_call(q, "new-thing", NULL, -1, 1000, NULL, &e), -EOPNOTSUPP);
                hb_qmp_close(q);
                monitor_free(m);
        }
}

/* The answer to a call that timed out comes with the next one's: it must not be taken for it. */
static void test_late_answer(void **state) {
        static const char *const script[] = {
                CAPABLE, "", "{\"return\": {\"n\": 1}, \"id\": 2}\n{\"return\": {\"n\": 2}, \"id\": @}\n",
                NULL};
        struct monitor *m = monitor_new(script, false);
        struct hb_err e = {0};
        json_t *v;
        hb_qmp *q;

        connect_to(m, -1, &q);
        assert_int_equal(hb_qmp_call(q, "first", NULL, -1, 50, NULL, &e), -ETIMEDOUT);
        assert_int_equal(hb_qmp_call(q, "second", NULL, -1, 1000, &v, &e), 0);
        assert_int_equal(json_integer_value(json_object_get(v, "n")), 2);
        json_decref(v);
        hb_qmp_close(q);
        monitor_free(m);
}

static void test_events(void **state) {
        static const char *const script[] = {
                CAPABLE,
                "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1700000000, \"microseconds\": 250000}}\n"
                "{\"return\": {}, \"id\": @}\n"
                "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"active\"}, \"timestamp\": {\"seconds\": "
                "1, \"microseconds\": 0}}\n",
                NULL};
        struct monitor *m = monitor_new(script, false);
        struct hb_qmp_event ev;
        struct hb_err e = {0};
        hb_qmp *q;

        connect_to(m, -1, &q);
        assert_int_equal(hb_qmp_event(q, "STOP", 0, &ev), -ENOENT);
        assert_int_equal(hb_qmp_call(q, "stop", NULL, -1, 1000, NULL, &e), 0);
        assert_int_equal(hb_qmp_event(q, "STOP", 0, &ev), 0);
        assert_true(ev.wall_ns == 1700000000250000000ull);
        assert_int_equal(hb_qmp_event(q, "STOP", hb_qmp_events(q), &ev), -ENOENT); /* not since then */
        assert_int_equal(hb_qmp_wait(q, 1000), 0);
        assert_int_equal(hb_qmp_event(q, "MIGRATION", 0, &ev), 0);
        assert_string_equal(ev.status, "active");
        assert_int_equal(hb_qmp_wait(q, 20), -ETIMEDOUT);
        hb_qmp_close(q);
        monitor_free(m);
}

static void test_descriptor_goes_with_the_call(void **state) {
        static const char *const script[] = {CAPABLE, "{\"return\": {}, \"id\": @}\n", NULL};
        struct monitor *m = monitor_new(script, false);
        struct hb_err e = {0};
        int fds[2];
        hb_qmp *q;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        connect_to(m, -1, &q);
        assert_int_equal(hb_qmp_call(q, "getfd", json_pack("{s:s}", "fdname", "x"), fds[1], 1000, NULL, &e),
                         0);
        hb_qmp_close(q);
        pthread_join(m->thread, NULL);
        m->thread = pthread_self();
        assert_true(m->got_fd >= 0);
        close(fds[1]);
        assert_int_equal(write(m->got_fd, "x", 1), 1); /* it is the pipe's other name */
        close(fds[0]);
        close(m->listen_fd);
        close(m->got_fd);
        unlink(m->path);
        *strrchr(m->path, '/') = '\0';
        rmdir(m->path);
        free(m);
}

static void *cancel_soon(void *arg) {
        usleep(50000);
        (void)!eventfd_write(*(int *)arg, 1);
        return NULL;
}

static void test_cancel(void **state) {
        static const char *const script[] = {CAPABLE, "", "{\"return\": {}, \"id\": @}\n", NULL};
        struct monitor *m = monitor_new(script, false);
        int cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        struct hb_err e = {0};
        eventfd_t count;
        pthread_t thread;
        hb_qmp *q;

        connect_to(m, cancel_fd, &q);
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel_fd), 0);
        assert_int_equal(hb_qmp_call(q, "slow", NULL, -1, 20000, NULL, &e), -ECANCELED);
        pthread_join(thread, NULL);
        assert_int_equal(eventfd_read(cancel_fd, &count), 0);
        assert_int_equal(hb_qmp_call(q, "next", NULL, -1, 1000, NULL, &e), 0); /* still in step */
        hb_qmp_close(q);
        close(cancel_fd);
        monitor_free(m);
}

static void test_what_is_no_monitor(void **state) {
        static const struct {
                const char *says;
                int code;
        } cases[] = {{"hello\n", -EPROTO},
                     {"{\"return\": {}}\n", -EPROTO},
                     {"{\"QMP\": 1}\n", -EPROTO},
                     {"[]\n", -EPROTO},
                     {"", -EBUSY}};

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const char *const script[] = {cases[i].says, NULL};
                struct monitor *m = monitor_new(script, false);
                struct hb_err e = {0};
                hb_qmp *q = NULL;

                assert_int_equal(hb_qmp_connect(m->path, 0, -1, &q, &e), cases[i].code);
                assert_null(q);
                assert_string_equal(e.which, m->path);
                monitor_free(m);
        }
}

static void test_a_line_without_end(void **state) {
        struct monitor *m = monitor_new(NULL, false);
        hb_line_conn *c;
        char *line;
        size_t n;

        assert_int_equal(hb_line_connect(m->path, 0, -1, &c), 0);
        assert_int_equal(hb_line_recv(c, hb_deadline_ns(20000), &line, &n), -EMSGSIZE);
        hb_line_close(c);
        monitor_free(m);
}

static void test_tables(void **state) {
        static const char mtree[] =
                "FlatView #0\n Root memory region: io\n"
                "  0000000000000000-0000000000000fff (prio 0, ram): mem @0000000000001000\n"
                "FlatView #1\n AS \"memory\", root: system\n Root memory region: system\n"
                "  00000000000c3000-00000000000e7fff (prio 0, rom): mem @00000000000c3000\n"
                "  0000000000100000-0000000003ffffff (prio 0, ram): mem @0000000000100000 KVM\r\n"
                "  0000000004000000-0000000004ffffff (prio 0, ram): mem2\n"
                "  0000000005000000-0000000005ffffff (prio 0, ram): /objects/deep @0000000000002000\n"
                "  0000000006000000-0000000006ffffff (prio 0, ram): bad @zz\n";
        uint64_t gpa, offset, hva;

        assert_int_equal(hb_qemu_mtree_find(mtree, "mem", &gpa, &offset), 0);
        assert_true(gpa == 0x100000 && offset == 0x100000);
        assert_int_equal(hb_qemu_mtree_find(mtree, "mem2", &gpa, &offset), 0);
        assert_true(gpa == 0x4000000 && offset == 0);
        assert_int_equal(hb_qemu_mtree_find(mtree, "deep", &gpa, &offset), 0);
        assert_true(gpa == 0x5000000 && offset == 0x2000);
        assert_int_equal(hb_qemu_mtree_find(mtree, "bad", &gpa, &offset), -ENOENT);
        assert_int_equal(hb_qemu_mtree_find(mtree, "me", &gpa, &offset), -ENOENT);
        assert_int_equal(hb_qemu_mtree_find("", "mem", &gpa, &offset), -ENOENT);
        assert_int_equal(
                hb_qemu_hva_parse("Host virtual address for 0x100000 (mem) is 0x7f258417c000\r\n", &hva), 0);
        assert_true(hva == 0x7f258417c000);
        assert_int_equal(hb_qemu_hva_parse("No memory is mapped at address 0x10", &hva), -EPROTO);
        assert_int_equal(hb_qemu_hva_parse("", &hva), -EPROTO);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_call_and_errors),
                cmocka_unit_test(test_late_answer),
                cmocka_unit_test(test_events),
                cmocka_unit_test(test_descriptor_goes_with_the_call),
                cmocka_unit_test(test_cancel),
                cmocka_unit_test(test_what_is_no_monitor),
                cmocka_unit_test(test_a_line_without_end),
                cmocka_unit_test(test_tables),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
