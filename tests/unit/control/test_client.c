/* The blocking client against a scripted peer: what it sends, and what it makes of every kind of answer. */
#include "base/clock.h"
#include "base/fault.h"
#include "control/ctl.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* Accepts one client; for each of `answers` reads one line and writes the text; then closes, or waits for the
 * client to. */
struct peer {
        char dir[64], path[96];
        const char *answers[8];
        char heard[8][256];
        size_t flood;   /* bytes of 'x' without a line's end before the answers */
        bool byte_wise; /* write each byte on its own */
        bool hold;      /* after the last answer, wait until the client closes */
        int listener;
        pthread_t thread;
};

static void write_text(const struct peer *p, int fd, const char *text) {
        size_t n = strlen(text), step = p->byte_wise ? 1 : n;

        for (size_t at = 0; at < n; at += step)
                if (send(fd, text + at, step, MSG_NOSIGNAL) < 0)
                        return;
}

static bool read_line(int fd, char *out, size_t size) {
        size_t n = 0;

        while (n + 1 < size && recv(fd, out + n, 1, 0) == 1) {
                if (out[n] == '\n') {
                        out[n] = '\0';
                        return true;
                }
                n++;
        }
        return false;
}

static void *serve(void *arg) {
        struct peer *p = arg;
        int fd = accept(p->listener, NULL, NULL);
        char sink[256];

        for (int i = 0; fd >= 0 && p->answers[i]; i++) {
                if (!read_line(fd, p->heard[i], sizeof(p->heard[i])))
                        break;
                for (size_t n = 0; n < p->flood; n += sizeof(sink)) {
                        memset(sink, 'x', sizeof(sink));
                        if (send(fd, sink, sizeof(sink), MSG_NOSIGNAL) < 0)
                                break;
                }
                write_text(p, fd, p->answers[i]);
        }
        while (p->hold && fd >= 0 && recv(fd, sink, sizeof(sink), 0) > 0)
                ;
        if (fd >= 0)
                close(fd);
        return NULL;
}

static void start(struct peer *p) {
        struct sockaddr_un at = {.sun_family = AF_UNIX};

        strcpy(p->dir, "/tmp/hb-ctl-XXXXXX");
        assert_non_null(mkdtemp(p->dir));
        snprintf(p->path, sizeof(p->path), "%s/s", p->dir);
        memcpy(at.sun_path, p->path, strlen(p->path) + 1);
        p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(p->listener, (struct sockaddr *)&at, sizeof(at)), 0);
        assert_int_equal(listen(p->listener, 4), 0);
        assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
}

static void finish(struct peer *p, hb_ctl_client *c) {
        hb_ctl_close(c);
        pthread_join(p->thread, NULL);
        close(p->listener);
        unlink(p->path);
        rmdir(p->dir);
}

static void count_progress(void *arg, const json_t *p) {
        int *n = arg;

        *n = *n * 10 + (int)json_integer_value(json_object_get(p, "n"));
}

/* One call against one script. */
static int call_once(struct peer *p, int timeout_ms, int *progress, json_t **ret, struct hb_err *e) {
        hb_ctl_client *c;
        int r;

        start(p);
        assert_int_equal(hb_ctl_connect(p->path, &c, e), 0);
        r = hb_ctl_call(c, "status", NULL, timeout_ms, progress ? count_progress : NULL, progress, ret, e);
        finish(p, c);
        return r;
}

static void an_answer_comes_with_its_progress(void **state) {
        struct peer p = {.byte_wise = true,
                         .answers = {"{\"id\":1,\"progress\":{\"n\":4}}\n{\"id\":9,\"progress\":{\"n\":7}}\n"
                                     "{\"id\":1,\"progress\":{\"n\":2}}\n{\"id\":1,\"ok\":true,\"result\":{"
                                     "\"host\":\"a\"}}\n"}};
        struct hb_err e = {0};
        json_t *result;
        int steps = 0;

        assert_int_equal(call_once(&p, -1, &steps, &result, &e), 0);
        assert_int_equal(steps, 42);
        assert_string_equal(json_string_value(json_object_get(result, "host")), "a");
        assert_string_equal(p.heard[0], "{\"id\":1,\"args\":{},\"cmd\":\"status\"}");
        json_decref(result);
}

static void a_failure_keeps_its_words(void **state) {
        struct peer p = {.answers = {"{\"id\":1,\"ok\":false,\"error\":{\"code\":\"ENOSPC\",\"what\":\"no "
                                     "room\",\"which\":\"vm1\","
                                     "\"next\":\"free some\"}}\n"}};
        struct hb_err e = {0};
        json_t *result = (json_t *)&p;

        assert_int_equal(call_once(&p, 5000, NULL, &result, &e), -ENOSPC);
        assert_string_equal(e.what, "no room");
        assert_string_equal(e.which, "vm1");
        assert_string_equal(e.next, "free some");
        assert_ptr_equal(result, &p);
}

static void number_zero_fails_the_call_under_way(void **state) {
        struct peer p = {.answers = {"{\"id\":0,\"ok\":false,\"error\":{\"code\":\"EBUSY\",\"what\":\"too "
                                     "many clients\"}}\n"}};
        struct hb_err e = {0};
        json_t *result;

        assert_int_equal(call_once(&p, 5000, NULL, &result, &e), -EBUSY);
        assert_string_equal(e.what, "too many clients");
}

static void what_is_not_harbingerd_is_told_apart(void **state) {
        static const char *const lines[] = {
                "HTTP/1.1 400 Bad Request\n", "{\"QMP\":{\"version\":{}}}\n",          "[]\n", "{\"id\":1}\n",
                "{\"id\":1,\"ok\":true}\n",   "{\"id\":1,\"ok\":false,\"error\":3}\n", "\n"};

        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
                struct peer p = {.answers = {lines[i]}};
                struct hb_err e = {0};
                json_t *result;

                assert_int_equal(call_once(&p, 5000, NULL, &result, &e), -EBADMSG);
                assert_string_equal(e.which, p.path);
                assert_true(e.next[0]);
        }
}

static void an_endless_line_is_refused(void **state) {
        struct peer p = {.flood = HB_CTL_MAX_LINE + (1u << 20), .answers = {"\n"}};
        struct hb_err e = {0};
        json_t *result;

        assert_int_equal(call_once(&p, 20000, NULL, &result, &e), -EBADMSG);
        assert_non_null(strstr(e.what, "longer"));
}

static void a_long_answer_is_taken_whole(void **state) {
        size_t n = 1u << 20;
        char *line = malloc(n + 100);
        struct peer p = {.answers = {line}};
        struct hb_err e = {0};
        json_t *result;
        int at = sprintf(line, "{\"id\":1,\"ok\":true,\"result\":{\"hex\":\"");

        memset(line + at, 'a', n);
        strcpy(line + (size_t)at + n, "\"}}\n");
        assert_int_equal(call_once(&p, 20000, NULL, &result, &e), 0);
        assert_int_equal(json_string_length(json_object_get(result, "hex")), n);
        json_decref(result);
        free(line);
}

static void a_closed_connection_is_a_lost_daemon(void **state) {
        struct peer p = {.answers = {""}}, half = {.answers = {"{\"id\":1,\"ok\":tr"}};
        struct hb_err e = {0};
        json_t *result;

        assert_int_equal(call_once(&p, 5000, NULL, &result, &e), -ECONNRESET);
        assert_true(e.next[0]);
        assert_int_equal(call_once(&half, 5000, NULL, &result, &e), -ECONNRESET);
}

static void a_late_answer_is_not_taken_for_the_next(void **state) {
        struct peer p = {.hold = true,
                         .answers = {"{\"id\":1,\"progress\":{\"n\":1}}\n",
                                     "{\"id\":1,\"ok\":true,\"result\":{\"late\":1}}\n{\"id\":2,\"ok\":true,"
                                     "\"result\":{\"mine\":1}}\n"}};
        struct hb_err e = {0};
        hb_ctl_client *c;
        json_t *result;
        uint64_t begin;

        start(&p);
        assert_int_equal(hb_ctl_connect(p.path, &c, &e), 0);
        begin = hb_now_ns();
        assert_int_equal(hb_ctl_call(c, "place", NULL, 60, NULL, NULL, &result, &e), -ETIMEDOUT);
        assert_true(hb_now_ns() - begin >= 60 * HB_NS_PER_MS);
        assert_int_equal(hb_ctl_call(c, "status", NULL, 5000, NULL, NULL, &result, &e), 0);
        assert_non_null(json_object_get(result, "mine"));
        json_decref(result);
        finish(&p, c);
}

static void an_interrupt_ends_the_wait(void **state) {
        struct peer p = {.hold = true, .answers = {"", "{\"id\":2,\"ok\":true,\"result\":{}}\n"}};
        struct hb_err e = {0};
        hb_ctl_client *c;
        json_t *result;
        int fds[2];
        char byte = 0;

        start(&p);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(hb_ctl_connect(p.path, &c, &e), 0);
        hb_ctl_interrupt_on(c, fds[0]);
        assert_int_equal(write(fds[1], &byte, 1), 1);
        assert_int_equal(hb_ctl_call(c, "place", NULL, -1, NULL, NULL, &result, &e), -EINTR);
        assert_int_equal(read(fds[0], &byte, 1), 1);
        assert_int_equal(hb_ctl_call(c, "status", NULL, 5000, NULL, NULL, &result, &e), 0);
        json_decref(result);
        close(fds[0]);
        close(fds[1]);
        finish(&p, c);
}

static void nobody_there_is_said_plainly(void **state) {
        char dir[] = "/tmp/hb-ctl-XXXXXX", path[200];
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        struct hb_err e = {0};
        hb_ctl_client *c = (hb_ctl_client *)&e;
        int fd;

        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/s", dir);
        assert_int_equal(hb_ctl_connect(path, &c, &e), -ENOENT);
        assert_non_null(strstr(e.what, "not running"));
        assert_non_null(strstr(e.next, "systemctl start"));
        memcpy(at.sun_path, path, strlen(path) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
        close(fd);
        assert_int_equal(hb_ctl_connect(path, &c, &e), -ECONNREFUSED);
        memset(path, 'p', 150);
        path[150] = '\0';
        assert_int_equal(hb_ctl_connect(path, &c, &e), -ENAMETOOLONG);
        assert_int_equal(hb_ctl_connect("", &c, &e), -ENAMETOOLONG);
        assert_ptr_equal(c, &e);
        unlink(at.sun_path);
        rmdir(dir);
}

static void a_request_too_long_is_not_sent(void **state) {
        struct peer p = {.answers = {"{\"id\":2,\"ok\":true,\"result\":{}}\n"}};
        char *name = calloc(1, HB_CTL_MAX_REQUEST + 1);
        struct hb_err e = {0};
        hb_ctl_client *c;
        json_t *result;

        memset(name, 'n', HB_CTL_MAX_REQUEST);
        start(&p);
        assert_int_equal(hb_ctl_connect(p.path, &c, &e), 0);
        assert_int_equal(
                hb_ctl_call(c, "status", json_pack("{s:s}", "guest", name), 5000, NULL, NULL, &result, &e),
                -EMSGSIZE);
        assert_int_equal(hb_ctl_call(c, "status", NULL, 5000, NULL, NULL, &result, &e), 0);
        json_decref(result);
        free(name);
        finish(&p, c);
}

static void every_fault_is_a_clean_failure(void **state) {
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                struct peer p = {.answers = {"{\"id\":1,\"ok\":true,\"result\":{}}\n"}};
                struct hb_err e = {0};
                hb_ctl_client *c = NULL;
                json_t *result = NULL;
                int r;

                start(&p);
                r = hb_ctl_connect(p.path, &c, &e);
                if (r < 0) /* the peer still waits for a client */
                        assert_int_equal(shutdown(p.listener, SHUT_RDWR), 0);
                else
                        r = hb_ctl_call(c, "status", NULL, 5000, NULL, NULL, &result, &e);
                finish(&p, c);
                if (hb_fault_passed() >= n) {
                        assert_true(r < 0);
                        assert_int_equal(e.code, r);
                        assert_true(e.what[0]);
                        assert_null(result);
                }
                json_decref(result);
        }
        hb_fault_disarm();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_answer_comes_with_its_progress),
                cmocka_unit_test(a_failure_keeps_its_words),
                cmocka_unit_test(number_zero_fails_the_call_under_way),
                cmocka_unit_test(what_is_not_harbingerd_is_told_apart),
                cmocka_unit_test(an_endless_line_is_refused),
                cmocka_unit_test(a_long_answer_is_taken_whole),
                cmocka_unit_test(a_closed_connection_is_a_lost_daemon),
                cmocka_unit_test(a_late_answer_is_not_taken_for_the_next),
                cmocka_unit_test(an_interrupt_ends_the_wait),
                cmocka_unit_test(nobody_there_is_said_plainly),
                cmocka_unit_test(a_request_too_long_is_not_sent),
                cmocka_unit_test(every_fault_is_a_clean_failure),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
