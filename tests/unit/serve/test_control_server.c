/* The control server with real clients on a real socket, one thread: the test pumps the loop while it waits
 * for an answer. */
#include "base/clock.h"
#include "base/fault.h"
#include "serve/control_server.h"
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_HELD 64

struct fixture {
        struct event_base *base;
        hb_control_server *server;
        char dir[40], path[64];
        hb_request *held[MAX_HELD]; /* what "place" leaves unanswered */
        unsigned nheld, calls;
};

struct conn {
        int fd;
        char *data;
        size_t len;
        bool eof;
};

/* status answers, place is held, unplace fails, history answers with `limit` KiB, doctor reports three times
 * first. */
static void handle(void *arg, hb_request *r, const struct hb_ctl_command *cmd, json_t *args) {
        struct fixture *f = arg;
        struct hb_err e;

        f->calls++;
        if (strcmp(cmd->name, "status") == 0) {
                hb_request_ok(r, json_pack("{s:I}", "calls", (json_int_t)f->calls));
        } else if (strcmp(cmd->name, "place") == 0) {
                f->held[f->nheld++] = r;
        } else if (strcmp(cmd->name, "unplace") == 0) {
                hb_err_set(&e, -ENOENT, json_string_value(json_object_get(args, "guest")),
                           "harbinger guest list", "no such guest");
                hb_request_fail(r, &e);
        } else if (strcmp(cmd->name, "history") == 0) {
                size_t n = (size_t)json_integer_value(json_object_get(args, "limit")) * 1024;
                char *text = malloc(n + 1);

                memset(text, 'h', n);
                text[n] = '\0';
                hb_request_ok(r, json_pack("{s:s}", "text", text));
                free(text);
        } else {
                for (int i = 0; i < 3; i++)
                        hb_request_progress(r, json_pack("{s:i}", "n", i));
                hb_request_ok(r, NULL);
        }
}

static int setup(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));
        struct hb_err e;

        signal(SIGPIPE, SIG_IGN);
        strcpy(f->dir, "/tmp/hb-server-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->path, sizeof(f->path), "%s/control.sock", f->dir);
        f->base = event_base_new();
        assert_int_equal(hb_control_server_new(f->base, f->path, "", handle, f, &f->server, &e), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;
        char lock[80];

        hb_control_server_free(f->server);
        for (unsigned i = 0; i < f->nheld; i++)
                hb_request_ok(f->held[i], NULL);
        event_base_free(f->base);
        assert_int_equal(access(f->path, F_OK), -1);
        snprintf(lock, sizeof(lock), "%s.lock", f->path);
        unlink(lock);
        assert_int_equal(rmdir(f->dir), 0);
        free(f);
        return 0;
}

static int dial_path(const char *path) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        memcpy(to.sun_path, path, strlen(path) + 1);
        if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
                return fd;
        close(fd);
        return -errno;
}

static struct conn dial(const struct fixture *f) {
        struct conn c = {.fd = dial_path(f->path)};

        assert_true(c.fd >= 0);
        return c;
}

static void hang_up(struct conn *c) {
        if (c->fd >= 0)
                close(c->fd);
        free(c->data);
        *c = (struct conn){.fd = -1};
}

static void pump(struct fixture *f) {
        assert_true(event_base_loop(f->base, EVLOOP_NONBLOCK) >= 0);
}

static void take_bytes(struct conn *c) {
        char buf[65536];
        ssize_t n;

        while ((n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
                c->data = realloc(c->data, c->len + (size_t)n + 1);
                memcpy(c->data + c->len, buf, (size_t)n);
                c->len += (size_t)n;
                c->data[c->len] = '\0';
        }
        c->eof = c->eof || n == 0 || (n < 0 && errno == ECONNRESET);
}

/* Pumps until a whole line is there, or the server closed (NULL). 10 s at most. */
static json_t *reply(struct fixture *f, struct conn *c) {
        uint64_t end = hb_now_ns() + 10 * HB_NS_PER_S;

        for (;;) {
                char *nl = c->len ? memchr(c->data, '\n', c->len) : NULL;
                struct pollfd p = {.fd = c->fd, .events = POLLIN};

                if (nl) {
                        json_t *msg = json_loadb(c->data, (size_t)(nl - c->data), 0, NULL);

                        c->len -= (size_t)(nl + 1 - c->data);
                        memmove(c->data, nl + 1, c->len + 1);
                        assert_non_null(msg);
                        return msg;
                }
                if (c->eof)
                        return NULL;
                assert_true(hb_now_ns() < end);
                pump(f);
                poll(&p, 1, 1);
                take_bytes(c);
        }
}

/* Sends all, pumping while the server must read first. False: the server closed. */
static bool give(struct fixture *f, struct conn *c, const char *bytes, size_t n) {
        uint64_t end = hb_now_ns() + 10 * HB_NS_PER_S;

        while (n > 0) {
                ssize_t done = send(c->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);

                assert_true(hb_now_ns() < end);
                if (done < 0 && errno != EAGAIN)
                        return false;
                if (done > 0) {
                        bytes += done;
                        n -= (size_t)done;
                }
                pump(f);
        }
        return true;
}

static void say(struct fixture *f, struct conn *c, const char *text) {
        assert_true(give(f, c, text, strlen(text)));
}

/* The next message answers `id` well. */
static void expect_ok(struct fixture *f, struct conn *c, int id) {
        json_t *msg = reply(f, c);

        assert_non_null(msg);
        assert_int_equal(json_integer_value(json_object_get(msg, "id")), id);
        assert_true(json_is_true(json_object_get(msg, "ok")));
        assert_true(json_is_object(json_object_get(msg, "result")));
        json_decref(msg);
}

static void expect_failure(struct fixture *f, struct conn *c, int id, int code) {
        json_t *msg = reply(f, c);
        struct hb_err e = {0};

        assert_non_null(msg);
        assert_int_equal(json_integer_value(json_object_get(msg, "id")), id);
        assert_true(json_is_false(json_object_get(msg, "ok")));
        assert_int_equal(hb_ctl_error_from(json_object_get(msg, "error"), &e), code);
        assert_true(e.what[0]);
        json_decref(msg);
}

static void expect_closed(struct fixture *f, struct conn *c) {
        assert_null(reply(f, c));
        assert_true(c->eof);
}

static void wait_for_clients(struct fixture *f, unsigned n) {
        uint64_t end = hb_now_ns() + 10 * HB_NS_PER_S;

        while (hb_control_server_clients(f->server) != n) {
                assert_true(hb_now_ns() < end);
                pump(f);
        }
}

static void requests_are_answered_by_number(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f);
        const char *text = "{\"id\":6,\"cmd\":\"status\"}\n";

        say(f, &c,
            "{\"id\":4,\"cmd\":\"status\"}\n{\"id\":5,\"cmd\":\"unplace\",\"args\":{\"guest\":\"vm1\"}}\n");
        expect_ok(f, &c, 4);
        expect_failure(f, &c, 5, -ENOENT);
        for (const char *p = text; *p; p++)
                assert_true(give(f, &c, p, 1));
        expect_ok(f, &c, 6);
        assert_int_equal(f->calls, 3);
        hang_up(&c);
}

static void progress_comes_before_the_answer(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f);

        say(f, &c, "{\"id\":1,\"cmd\":\"doctor\"}\n");
        for (int i = 0; i < 3; i++) {
                json_t *msg = reply(f, &c);

                assert_int_equal(json_integer_value(json_object_get(json_object_get(msg, "progress"), "n")),
                                 i);
                json_decref(msg);
        }
        expect_ok(f, &c, 1);
        hang_up(&c);
}

static void answers_may_come_later_and_in_any_order(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f);

        say(f, &c,
            "{\"id\":1,\"cmd\":\"place\",\"args\":{\"guest\":\"a\",\"host\":\"b\"}}\n"
            "{\"id\":2,\"cmd\":\"place\",\"args\":{\"guest\":\"b\",\"host\":\"b\"}}\n");
        while (f->nheld < 2)
                pump(f);
        assert_true(hb_request_alive(f->held[0]));
        hb_request_ok(f->held[1], NULL);
        expect_ok(f, &c, 2);
        hb_request_ok(f->held[0], NULL);
        expect_ok(f, &c, 1);
        f->nheld = 0;
        hang_up(&c);
}

static void who_asks_is_known(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f);
        unsigned uid;
        int pid;

        say(f, &c, "{\"id\":1,\"cmd\":\"place\",\"args\":{\"guest\":\"a\",\"host\":\"b\"}}\n");
        while (f->nheld < 1)
                pump(f);
        hb_request_peer(f->held[0], &pid, &uid);
        assert_int_equal(pid, getpid());
        assert_int_equal(uid, geteuid());
        hang_up(&c);
}

static void a_request_outlives_its_client(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f);
        struct hb_err e;

        say(f, &c,
            "{\"id\":1,\"cmd\":\"place\",\"args\":{\"guest\":\"a\",\"host\":\"b\"}}\n"
            "{\"id\":2,\"cmd\":\"place\",\"args\":{\"guest\":\"b\",\"host\":\"b\"}}\n");
        while (f->nheld < 2)
                pump(f);
        hang_up(&c);
        wait_for_clients(f, 0);
        assert_false(hb_request_alive(f->held[0]));
        hb_request_progress(f->held[0], json_object());
        hb_request_ok(f->held[0], json_object());
        hb_err_set(&e, -EIO, NULL, NULL, "x");
        hb_request_fail(f->held[1], &e);
        f->nheld = 0;
}

static void a_client_that_only_stops_sending_is_answered(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f), quick = dial(f);

        say(f, &c, "{\"id\":1,\"cmd\":\"place\",\"args\":{\"guest\":\"a\",\"host\":\"b\"}}\n");
        shutdown(c.fd, SHUT_WR);
        say(f, &quick, "{\"id\":9,\"cmd\":\"status\"}\n");
        shutdown(quick.fd, SHUT_WR);
        expect_ok(f, &quick, 9);
        expect_closed(f, &quick);
        while (f->nheld < 1)
                pump(f);
        assert_true(hb_request_alive(f->held[0]));
        hb_request_progress(f->held[0], json_object());
        hb_request_ok(f->held[0], NULL);
        f->nheld = 0;
        json_decref(reply(f, &c));
        expect_ok(f, &c, 1);
        expect_closed(f, &c);
        wait_for_clients(f, 0);
        hang_up(&c);
        hang_up(&quick);
}

static void what_is_no_request_ends_the_connection(void **state) {
        static const char *const lines[] = {"GET / HTTP/1.1\r\n\r\n",
                                            "\n",
                                            "{\"id\":1}\n",
                                            "[]\n",
                                            "{\"id\":1,\"cmd\":\"status\"\n",
                                            "\x16\x03\x01\x02\x00\x01\n",
                                            "{\"id\":1,\"cmd\":\"status\",\"args\":7}\n"};
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
                struct conn c = dial(f);
                char both[200];

                snprintf(both, sizeof(both), "%s{\"id\":2,\"cmd\":\"status\"}\n", lines[i]);
                say(f, &c, both);
                expect_failure(f, &c, 0, -EBADMSG);
                expect_closed(f, &c);
                hang_up(&c);
        }
        assert_int_equal(f->calls, 0);
        wait_for_clients(f, 0);
}

static void what_it_does_not_know_is_refused_and_it_goes_on(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f);

        say(f, &c, "{\"id\":1,\"cmd\":\"reboot\"}\n");
        expect_failure(f, &c, 1, -EPROTONOSUPPORT);
        say(f, &c, "{\"id\":2,\"cmd\":\"place\",\"args\":{\"guest\":\"a\"}}\n");
        expect_failure(f, &c, 2, -EINVAL);
        say(f, &c, "{\"id\":3,\"cmd\":\"status\",\"args\":{\"gust\":\"a\"}}\n");
        expect_failure(f, &c, 3, -EINVAL);
        say(f, &c, "{\"id\":4,\"cmd\":\"history\",\"args\":{\"limit\":\"all\"}}\n");
        expect_failure(f, &c, 4, -EINVAL);
        assert_int_equal(f->calls, 0);
        say(f, &c, "{\"id\":5,\"cmd\":\"status\"}\n");
        expect_ok(f, &c, 5);
        hang_up(&c);
}

static void a_line_cut_by_closing_is_nothing(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f);

        say(f, &c, "{\"id\":1,\"cmd\":\"status\"}");
        hang_up(&c);
        wait_for_clients(f, 0);
        assert_int_equal(f->calls, 0);
}

static void a_line_at_the_limit_passes_and_beyond_ends_it(void **state) {
        struct fixture *f = *state;
        char *line = malloc(HB_CTL_MAX_REQUEST + 2);
        struct conn c = dial(f), other = dial(f);

        memset(line, ' ', HB_CTL_MAX_REQUEST + 2);
        memcpy(line, "{\"id\":1,\"cmd\":\"status\"}", 23);
        line[HB_CTL_MAX_REQUEST - 1] = '\n';
        assert_true(give(f, &c, line, HB_CTL_MAX_REQUEST));
        expect_ok(f, &c, 1);
        line[HB_CTL_MAX_REQUEST - 1] = ' ';
        give(f, &c, line, HB_CTL_MAX_REQUEST + 2);
        expect_failure(f, &c, 0, -EMSGSIZE);
        expect_closed(f, &c);
        say(f, &other, "{\"id\":8,\"cmd\":\"status\"}\n");
        expect_ok(f, &other, 8);
        hang_up(&c);
        hang_up(&other);
        free(line);
}

static void an_endless_line_is_not_stored(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f);
        char junk[4096];
        size_t sent = 0;

        memset(junk, 'x', sizeof(junk));
        while (sent < (64u << 20) && give(f, &c, junk, sizeof(junk)) && !c.eof)
                sent += sizeof(junk);
        assert_true(sent < (2u << 20)); /* the socket's own buffers, and 64 KiB of ours */
        wait_for_clients(f, 0);
        hang_up(&c);
}

static void too_much_at_once_is_refused(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f);
        char line[100];

        for (int i = 1; i <= 17; i++) {
                snprintf(line, sizeof(line),
                         "{\"id\":%d,\"cmd\":\"place\",\"args\":{\"guest\":\"a\",\"host\":\"b\"}}\n", i);
                say(f, &c, line);
        }
        expect_failure(f, &c, 17, -EBUSY);
        assert_int_equal(f->nheld, 16);
        hb_request_ok(f->held[--f->nheld], NULL);
        expect_ok(f, &c, 16);
        say(f, &c, "{\"id\":18,\"cmd\":\"status\"}\n");
        expect_ok(f, &c, 18);
        hang_up(&c);
}

static void too_many_clients_are_told_so(void **state) {
        struct fixture *f = *state;
        struct conn many[64], late;

        for (int i = 0; i < 64; i++) {
                many[i] = dial(f);
                pump(f);
        }
        wait_for_clients(f, 64);
        late = dial(f);
        expect_failure(f, &late, 0, -EBUSY);
        expect_closed(f, &late);
        hang_up(&late);
        hang_up(&many[5]);
        wait_for_clients(f, 63);
        late = dial(f);
        say(f, &late, "{\"id\":1,\"cmd\":\"status\"}\n");
        expect_ok(f, &late, 1);
        hang_up(&late);
        for (int i = 0; i < 64; i++)
                hang_up(&many[i]);
        wait_for_clients(f, 0);
}

static void who_does_not_read_is_dropped(void **state) {
        static const char ask[] = "{\"id\":1,\"cmd\":\"history\",\"args\":{\"limit\":1024}}\n"; /* 1 MiB */
        struct fixture *f = *state;
        struct conn lazy = dial(f), other = dial(f);
        uint64_t end = hb_now_ns() + 20 * HB_NS_PER_S;

        wait_for_clients(f, 2);
        while (hb_control_server_clients(f->server) == 2) {
                assert_true(hb_now_ns() < end && f->calls < 16);
                give(f, &lazy, ask, sizeof(ask) - 1);
        }
        assert_true(f->calls >= 7);
        say(f, &other, ask);
        expect_ok(f, &other, 1);
        hang_up(&lazy);
        hang_up(&other);
}

static void progress_is_left_out_for_who_is_behind(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f);
        unsigned got = 0;
        json_t *msg;

        say(f, &c, "{\"id\":1,\"cmd\":\"place\",\"args\":{\"guest\":\"a\",\"host\":\"b\"}}\n");
        while (f->nheld < 1)
                pump(f);
        for (int i = 0; i < 100000; i++) {
                hb_request_progress(f->held[0], json_pack("{s:i,s:s}", "n", i, "pad",
                                                          "0123456789012345678901234567890123456789"));
                if (i % 100 == 0)
                        pump(f);
        }
        assert_true(hb_request_alive(f->held[0]));
        hb_request_ok(f->held[0], NULL);
        f->nheld = 0;
        while ((msg = reply(f, &c)) && json_object_get(msg, "progress")) {
                got++;
                json_decref(msg);
        }
        assert_non_null(msg);
        assert_true(json_is_true(json_object_get(msg, "ok")));
        assert_true(got > 100 && got < 50000);
        json_decref(msg);
        hang_up(&c);
}

static void an_answer_too_long_for_a_line_ends_the_connection(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f);

        say(f, &c, "{\"id\":1,\"cmd\":\"history\",\"args\":{\"limit\":4096}}\n");
        expect_closed(f, &c);
        hang_up(&c);
}

static void random_bytes_do_no_harm(void **state) {
        struct fixture *f = *state;
        unsigned seed = 1;
        struct conn c;

        for (int round = 0; round < 300; round++) {
                char bytes[700];
                size_t n = 1 + (size_t)rand_r(&seed) % sizeof(bytes);

                c = dial(f);
                for (size_t i = 0; i < n; i++)
                        bytes[i] = rand_r(&seed) % 5 ? (char)rand_r(&seed) : "{}\":,\n[1"[rand_r(&seed) % 8];
                give(f, &c, bytes, n);
                pump(f);
                hang_up(&c);
        }
        wait_for_clients(f, 0);
        assert_int_equal(f->calls, 0);
        c = dial(f);
        say(f, &c, "{\"id\":2,\"cmd\":\"status\"}\n");
        expect_ok(f, &c, 2);
        hang_up(&c);
}

static void requests_survive_the_server(void **state) {
        struct fixture *f = *state;
        struct conn c = dial(f);

        say(f, &c, "{\"id\":1,\"cmd\":\"place\",\"args\":{\"guest\":\"a\",\"host\":\"b\"}}\n");
        while (f->nheld < 1)
                pump(f);
        f->server = hb_control_server_free(f->server);
        assert_false(hb_request_alive(f->held[0]));
        expect_closed(f, &c);
        hang_up(&c); /* teardown answers the request */
}

static void the_socket_is_for_one_group(void **state) {
        struct fixture *f = *state;
        struct hb_err e;
        struct stat st;
        struct group *g = getgrgid(getegid());
        hb_control_server *s;
        char path[80], lock[90];

        assert_int_equal(stat(f->path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0660);
        snprintf(path, sizeof(path), "%s/grouped", f->dir);
        assert_int_equal(hb_control_server_new(f->base, path, "no-such-group-x", handle, f, &s, &e), -ENOENT);
        assert_string_equal(e.which, "no-such-group-x");
        assert_int_equal(access(path, F_OK), -1);
        if (geteuid() == 0)
                g = getgrnam("nogroup");
        if (!g)
                return;
        assert_int_equal(hb_control_server_new(f->base, path, g->gr_name, handle, f, &s, &e), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_gid, g->gr_gid);
        assert_int_equal(st.st_mode & 07777, 0660);
        hb_control_server_free(s);
        snprintf(lock, sizeof(lock), "%s.lock", path);
        unlink(lock);
}

/* What a process of user and group sees when it connects: 0 or a negative errno. */
static int connect_as(const char *path, uid_t uid, gid_t gid) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                int fd;

                if (setgroups(0, NULL) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
                        _exit(255);
                fd = dial_path(path);
                _exit(fd < 0 ? -fd : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return -WEXITSTATUS(status);
}

static void others_are_kept_out(void **state) {
        struct fixture *f = *state;
        struct passwd *nobody = getpwnam("nobody");
        struct group *g = getgrnam("nogroup");
        gid_t nogroup = g ? g->gr_gid : 0, another = nogroup - 1;
        struct hb_err e;
        hb_control_server *s;
        char path[80], lock[90];

        if (geteuid() != 0 || !nobody || !nogroup)
                skip();
        assert_int_equal(chmod(f->dir, 0755), 0);
        assert_int_equal(connect_as(f->path, nobody->pw_uid, nogroup), -EACCES);
        snprintf(path, sizeof(path), "%s/grouped", f->dir);
        assert_int_equal(hb_control_server_new(f->base, path, "nogroup", handle, f, &s, &e), 0);
        assert_int_equal(connect_as(path, nobody->pw_uid, nogroup), 0);
        assert_int_equal(connect_as(path, nobody->pw_uid, another), -EACCES);
        hb_control_server_free(s);
        snprintf(lock, sizeof(lock), "%s.lock", path);
        unlink(lock);
}

static void a_socket_left_behind_is_replaced_a_living_one_is_not(void **state) {
        struct fixture *f = *state;
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        struct hb_err e;
        hb_control_server *s;
        char path[80], lock[90];
        struct conn c;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(hb_control_server_new(f->base, f->path, "", handle, f, &s, &e), -EADDRINUSE);
        assert_string_equal(e.which, f->path);
        c = dial(f); /* the living one still lives */
        say(f, &c, "{\"id\":1,\"cmd\":\"status\"}\n");
        expect_ok(f, &c, 1);
        hang_up(&c);

        snprintf(path, sizeof(path), "%s/stale", f->dir);
        memcpy(at.sun_path, path, strlen(path) + 1);
        assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(hb_control_server_new(f->base, path, "", handle, f, &s, &e), -EADDRINUSE);
        close(fd);
        assert_int_equal(hb_control_server_new(f->base, path, "", handle, f, &s, &e), 0);
        fd = dial_path(path);
        assert_true(fd >= 0);
        close(fd);
        hb_control_server_free(s);
        assert_int_equal(access(path, F_OK), -1);
        snprintf(lock, sizeof(lock), "%s.lock", path);
        unlink(lock);
}

static void only_our_own_file_is_removed(void **state) {
        struct fixture *f = *state;
        FILE *file;

        assert_int_equal(unlink(f->path), 0);
        file = fopen(f->path, "w");
        fclose(file);
        f->server = hb_control_server_free(f->server);
        assert_int_equal(access(f->path, F_OK), 0);
        unlink(f->path);
}

static void paths_that_cannot_be_are_named(void **state) {
        struct fixture *f = *state;
        struct hb_err e;
        hb_control_server *s;
        char path[200];
        FILE *file;

        snprintf(path, sizeof(path), "%s/none/control.sock", f->dir);
        assert_int_equal(hb_control_server_new(f->base, path, "", handle, f, &s, &e), -ENOENT);
        assert_true(e.next[0]);
        memset(path, '/', sizeof(path));
        path[150] = '\0';
        assert_int_equal(hb_control_server_new(f->base, path, "", handle, f, &s, &e), -ENAMETOOLONG);
        snprintf(path, sizeof(path), "%s/file", f->dir);
        file = fopen(path, "w");
        fclose(file);
        assert_int_equal(hb_control_server_new(f->base, path, "", handle, f, &s, &e), -EEXIST);
        assert_int_equal(access(path, F_OK), 0);
        unlink(path);
        strcat(path, ".lock");
        unlink(path);
}

/* Opens a server, asks one question, closes. < 0: the server did not open. */
static int one_round(struct fixture *f, const char *path, struct hb_err *e, bool *ret_answered) {
        hb_control_server *s;
        struct conn c = {.fd = -1};
        int r = hb_control_server_new(f->base, path, "", handle, f, &s, e);
        json_t *msg = NULL;

        if (r < 0)
                return r;
        c.fd = dial_path(path);
        assert_true(c.fd >= 0);
        if (give(f, &c, "{\"id\":1,\"cmd\":\"status\"}\n", 24))
                msg = reply(f, &c);
        *ret_answered = msg && json_is_true(json_object_get(msg, "ok"));
        json_decref(msg);
        hang_up(&c);
        hb_control_server_free(s);
        return 0;
}

static void every_fault_leaves_nothing_behind(void **state) {
        struct fixture *f = *state;
        char path[80], lock[90];

        snprintf(path, sizeof(path), "%s/faulty", f->dir);
        snprintf(lock, sizeof(lock), "%s.lock", path);
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                struct hb_err e = {0};
                bool answered = false;
                int r = one_round(f, path, &e, &answered);

                if (hb_fault_passed() >= n)
                        assert_true(r < 0 ? e.code == r && e.what[0] : !answered);
                else
                        assert_true(r == 0 && answered);
                assert_int_equal(access(path, F_OK), -1);
        }
        hb_fault_disarm();
        unlink(lock);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(requests_are_answered_by_number),
                TEST(progress_comes_before_the_answer),
                TEST(answers_may_come_later_and_in_any_order),
                TEST(who_asks_is_known),
                TEST(a_request_outlives_its_client),
                TEST(a_client_that_only_stops_sending_is_answered),
                TEST(what_is_no_request_ends_the_connection),
                TEST(what_it_does_not_know_is_refused_and_it_goes_on),
                TEST(a_line_cut_by_closing_is_nothing),
                TEST(a_line_at_the_limit_passes_and_beyond_ends_it),
                TEST(an_endless_line_is_not_stored),
                TEST(too_much_at_once_is_refused),
                TEST(too_many_clients_are_told_so),
                TEST(who_does_not_read_is_dropped),
                TEST(progress_is_left_out_for_who_is_behind),
                TEST(an_answer_too_long_for_a_line_ends_the_connection),
                TEST(random_bytes_do_no_harm),
                TEST(requests_survive_the_server),
                TEST(the_socket_is_for_one_group),
                TEST(others_are_kept_out),
                TEST(a_socket_left_behind_is_replaced_a_living_one_is_not),
                TEST(only_our_own_file_is_removed),
                TEST(paths_that_cannot_be_are_named),
                TEST(every_fault_leaves_nothing_behind),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
