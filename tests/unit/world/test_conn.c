/* A connection that never waits: lines in any cuts, what is too much, dialling again. */
#include "base/fault.h"
#include "world/conn.h"
#include "world_rig.h"
#include <sys/stat.h>

struct end {
        hb_conn *c;
        int fd, listener;
        unsigned ups, downs, messages;
        struct hb_err why;
        json_int_t last;
        char dir[40], path[80];
        int64_t now;
};

static void on_up(void *arg) {
        ((struct end *)arg)->ups++;
}

static void on_message(void *arg, json_t *msg) {
        struct end *x = arg;

        x->messages++;
        x->last = json_integer_value(json_object_get(msg, "n"));
}

static void on_down(void *arg, const struct hb_err *why) {
        struct end *x = arg;

        x->downs++;
        x->why = *why;
}

static struct hb_conn_use use_of(struct end *x) {
        return (struct hb_conn_use){on_up, on_message, on_down, x};
}

static void pair_begin(struct end *x) {
        struct hb_conn_use u = use_of(x);
        int pair[2];

        memset(x, 0, sizeof(*x));
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        x->fd = pair[1];
        assert_int_equal(hb_conn_new_fd(pair[0], &u, &x->c, NULL), 0);
        assert_int_equal(hb_conn_wake_ns(x->c), 0);
        hb_conn_pump(x->c, 0, 0);
        assert_int_equal(x->ups, 1);
}

static void pair_end(struct end *x) {
        hb_conn_free(x->c);
        close(x->fd);
}

static void take(struct end *x) {
        struct pollfd p;

        do {
                hb_conn_poll(x->c, &p);
        } while (p.fd >= 0 && poll(&p, 1, 0) > 0 && hb_conn_pump(x->c, p.revents, x->now));
}

static void say(struct end *x, const char *text, size_t len) {
        while (len > 0) {
                ssize_t n = send(x->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno != EAGAIN)
                        return;
                if (n > 0) {
                        text += n;
                        len -= (size_t)n;
                }
                take(x);
        }
}

static void test_lines_in_any_cuts(void **state) {
        static const char text[] = "{\"n\":1}\n{\"n\":2,\"s\":\"a\\nb\"}\n  {\"n\":3}  \n";
        struct end x;

        for (size_t cut = 1; cut < sizeof(text); cut++) {
                pair_begin(&x);
                for (size_t at = 0; at < sizeof(text) - 1; at += cut)
                        say(&x, text + at, sizeof(text) - 1 - at < cut ? sizeof(text) - 1 - at : cut);
                assert_int_equal(x.messages, 3);
                assert_int_equal(x.last, 3);
                assert_int_equal(x.downs, 0);
                assert_int_equal(hb_conn_bytes(x.c), sizeof(text) - 1);
                pair_end(&x);
        }
}

static void test_the_end_of_the_other_end(void **state) {
        struct end x;

        pair_begin(&x);
        say(&x, "{\"n\":1}\n{\"n\":", 13);
        close(x.fd);
        take(&x);
        assert_int_equal(x.messages, 1); /* half a line is none */
        assert_int_equal(x.downs, 1);
        assert_false(hb_conn_is_up(x.c));
        assert_int_equal(hb_conn_send(x.c, NULL), -ENOTCONN);
        assert_true(hb_conn_wake_ns(x.c) == INT64_MAX); /* a descriptor is not dialled again */
        hb_conn_pump(x.c, 0, 1000 * RIG_S);
        assert_int_equal(x.downs, 1);
        hb_conn_free(x.c);
}

static void expect_given_up(const char *text, size_t len) {
        struct end x;

        pair_begin(&x);
        say(&x, text, len);
        assert_int_equal(x.messages, 0);
        assert_int_equal(x.downs, 1);
        assert_int_equal(x.why.code, -EBADMSG);
        assert_true(x.why.next[0]);
        pair_end(&x);
}

static void test_what_is_no_answer(void **state) {
        static const char *const bad[] = {"\n",         "hello\n", "[1]\n", "{\"n\":}\n",
                                          "\xff\xfe\n", "{} {}\n", "7\n"};
        char *deep = malloc(100001);

        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                expect_given_up(bad[i], strlen(bad[i]));
        expect_given_up("{\"n\":\0001}\n", 9);
        memset(deep, '[', 100000);
        deep[100000] = '\n';
        expect_given_up(deep, 100001);
        free(deep);
}

static void test_too_much(void **state) {
        size_t len = 5u << 20, many = 1200000;
        char *text = malloc(len);

        memset(text, 'x', len);
        expect_given_up(text, len); /* no end in sight */
        memcpy(text, "{\"s\":\"", 6);
        text[len - 3] = '"';
        text[len - 2] = '}';
        text[len - 1] = '\n';
        expect_given_up(text, len); /* an end, too late */
        memcpy(text, "{\"a\":[0", 7);
        for (size_t i = 7; i < many; i += 2)
                memcpy(text + i, ",0", 2);
        memcpy(text + many + 1, "]}\n", 3);
        expect_given_up(text, many + 4); /* short enough, but half a million values */
        free(text);
}

static void test_keys_are_answered_in_between(void **state) {
        char *line = malloc(64u << 10);
        unsigned calls = 0;
        struct pollfd p;
        struct end x;
        int size = 8 << 20;

        pair_begin(&x);
        setsockopt(x.fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
        memset(line, ' ', 64u << 10);
        memcpy(line, "{\"n\":1", 6);
        memcpy(line + (64u << 10) - 2, "}\n", 2);
        for (unsigned i = 0; i < 40; i++)
                if (send(x.fd, line, 64u << 10, MSG_DONTWAIT) != 64 << 10)
                        skip(); /* not root: the socket holds less than a pump takes */
        hb_conn_poll(x.c, &p);
        while (poll(&p, 1, 0) > 0) {
                uint64_t before = hb_conn_bytes(x.c);
                bool more = hb_conn_pump(x.c, p.revents, 0);

                assert_true(hb_conn_bytes(x.c) - before <= 1u << 20);
                assert_int_equal(more, hb_conn_bytes(x.c) - before == 1u << 20);
                calls++;
        }
        assert_int_equal(calls, 3);
        assert_int_equal(x.messages, 40);
        free(line);
        pair_end(&x);
}

static void test_what_is_said_waits(void **state) {
        json_t *msg = json_pack("{s:s}", "text", "0123456789012345678901234567890123456789"), *back;
        json_t *huge = json_object();
        unsigned said = 0, heard = 0;
        char *long_text = calloc(1, HB_CTL_MAX_REQUEST + 1), line[128];
        struct pollfd p;
        struct end x;
        int size = 1;

        pair_begin(&x);
        setsockopt(x.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        memset(long_text, 'y', HB_CTL_MAX_REQUEST);
        json_object_set_new(huge, "s", json_string(long_text));
        assert_int_equal(hb_conn_send(x.c, huge), -EMSGSIZE);
        while (hb_conn_send(x.c, msg) == 0 && said < 100000)
                said++;
        assert_int_equal(hb_conn_send(x.c, msg), -ENOBUFS);
        assert_true(said * 52 > HB_CONN_MAX_OUT);
        hb_conn_poll(x.c, &p);
        assert_true(p.events & POLLOUT);
        for (unsigned n = 0; heard < said;) {
                if (recv(x.fd, line + n, 1, MSG_DONTWAIT) != 1) {
                        hb_conn_pump(x.c, POLLOUT, 0);
                        continue;
                }
                if (line[n++] != '\n')
                        continue;
                back = json_loadb(line, n, 0, NULL);
                assert_true(json_equal(back, msg)); /* whole, whatever was cut in between */
                json_decref(back);
                heard++;
                n = 0;
        }
        hb_conn_poll(x.c, &p);
        assert_false(p.events & POLLOUT);
        free(long_text);
        json_decref(huge);
        json_decref(msg);
        pair_end(&x);
}

/* ---- dialling ---- */

static void listen_at(struct end *x) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};

        snprintf(to.sun_path, sizeof(to.sun_path), "%s", x->path);
        x->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(x->listener, (struct sockaddr *)&to, sizeof(to)), 0);
        assert_int_equal(listen(x->listener, 4), 0);
}

static void dial_begin(struct end *x) {
        struct hb_conn_use u = use_of(x);

        memset(x, 0, sizeof(*x));
        strcpy(x->dir, "/tmp/hb-conn-XXXXXX");
        assert_non_null(mkdtemp(x->dir));
        snprintf(x->path, sizeof(x->path), "%s/s", x->dir);
        assert_int_equal(hb_conn_new(x->path, &u, &x->c, NULL), 0);
}

static void dial_end(struct end *x) {
        hb_conn_free(x->c);
        unlink(x->path);
        rmdir(x->dir);
}

static void test_dials_again_slower_and_slower(void **state) {
        static const double pauses[] = {0.2, 0.4, 0.8, 1.6, 3.2, 5, 5};
        struct end x;

        dial_begin(&x);
        for (unsigned i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
                hb_conn_pump(x.c, 0, x.now);
                assert_int_equal(x.downs, i + 1);
                assert_int_equal(x.why.code, -ENOENT);
                assert_non_null(strstr(x.why.next, "systemctl start harbingerd"));
                assert_int_equal(hb_conn_wake_ns(x.c) - x.now, (int64_t)(pauses[i] * 1e9));
                hb_conn_pump(x.c, 0, hb_conn_wake_ns(x.c) - 1);
                assert_int_equal(x.downs, i + 1);
                x.now = hb_conn_wake_ns(x.c);
        }
        listen_at(&x);
        hb_conn_pump(x.c, 0, x.now);
        assert_int_equal(x.ups, 1);
        x.fd = accept(x.listener, NULL, NULL);
        close(x.fd); /* taken and hung up: still no reason to hurry */
        take(&x);
        assert_int_equal(hb_conn_wake_ns(x.c) - x.now, 5 * RIG_S);
        x.now = hb_conn_wake_ns(x.c);
        hb_conn_pump(x.c, 0, x.now);
        x.fd = accept(x.listener, NULL, NULL);
        say(&x, "{\"n\":1}\n", 8);
        close(x.fd);
        take(&x);
        assert_int_equal(x.messages, 1);
        assert_int_equal(hb_conn_wake_ns(x.c) - x.now, RIG_S / 5);
        close(x.listener);
        dial_end(&x);
}

static void test_is_cut_and_dialled_at_once(void **state) {
        struct end x;
        char c;

        dial_begin(&x);
        listen_at(&x);
        hb_conn_pump(x.c, 0, 7);
        x.fd = accept(x.listener, NULL, NULL);
        hb_conn_redial(x.c, "says nothing");
        assert_int_equal(x.downs, 1);
        assert_non_null(strstr(x.why.what, "says nothing"));
        assert_int_equal(recv(x.fd, &c, 1, 0), 0);
        close(x.fd);
        assert_int_equal(hb_conn_wake_ns(x.c), 7);
        hb_conn_pump(x.c, 0, 7);
        assert_int_equal(x.ups, 2);
        close(x.listener);
        dial_end(&x);
}

static void test_who_may_not(void **state) {
        bool root = geteuid() == 0;
        struct end x;

        dial_begin(&x);
        listen_at(&x);
        assert_int_equal(chmod(x.dir, 0755), 0);
        assert_int_equal(chmod(x.path, 0600), 0);
        if (!root)
                assert_int_equal(chmod(x.path, 0), 0);
        else
                assert_int_equal(seteuid(65534), 0);
        hb_conn_pump(x.c, 0, 0);
        if (root)
                assert_int_equal(seteuid(0), 0);
        assert_int_equal(x.why.code, -EACCES);
        assert_non_null(strstr(x.why.next, "group"));
        assert_string_equal(x.why.which, x.path);
        close(x.listener);
        dial_end(&x);
}

static void test_paths_that_cannot_be(void **state) {
        struct end x = {0};
        struct hb_conn_use u = use_of(&x);
        char longest[109];
        hb_conn *c = NULL;
        struct hb_err e;

        memset(longest, 'p', 108);
        longest[108] = '\0';
        assert_int_equal(hb_conn_new(longest, &u, &c, &e), -ENAMETOOLONG);
        assert_non_null(strstr(e.next, "107"));
        assert_int_equal(hb_conn_new("", &u, &c, &e), -ENAMETOOLONG);
        assert_null(c);
        longest[107] = '\0';
        assert_int_equal(hb_conn_new(longest, &u, &c, &e), 0);
        assert_null(hb_conn_free(c));
        assert_null(hb_conn_free(NULL));
}

/* Whatever fails once: it says so, dials again, and the message arrives. */
static void one_round(void) {
        json_t *msg = json_pack("{s:i}", "n", 1);
        struct hb_conn_use u;
        struct end x = {0};

        strcpy(x.dir, "/tmp/hb-conn-XXXXXX");
        assert_non_null(mkdtemp(x.dir));
        snprintf(x.path, sizeof(x.path), "%s/s", x.dir);
        listen_at(&x);
        u = use_of(&x);
        if (hb_conn_new(x.path, &u, &x.c, NULL) < 0) {
                assert_null(x.c);
                assert_int_equal(hb_conn_new(x.path, &u, &x.c, NULL), 0);
        }
        for (unsigned tries = 0; tries < 8 && !x.messages; tries++) {
                hb_conn_pump(x.c, 0, x.now);
                x.fd = accept(x.listener, NULL, NULL);
                if (hb_conn_is_up(x.c))
                        hb_conn_send(x.c, msg);
                if (x.fd >= 0)
                        say(&x, "{\"n\":5}\n", 8);
                take(&x);
                close(x.fd);
                x.now += 10 * RIG_S;
        }
        assert_int_equal(x.last, 5);
        json_decref(msg);
        close(x.listener);
        dial_end(&x);
}

static void test_each_failure(void **state) {
        unsigned met = 0;

        for (unsigned n = 1; hb_fail_nth(n); n++, met++)
                one_round();
        assert_true(met >= 6);
        hb_fault_disarm();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines_in_any_cuts),
                cmocka_unit_test(test_the_end_of_the_other_end),
                cmocka_unit_test(test_what_is_no_answer),
                cmocka_unit_test(test_too_much),
                cmocka_unit_test(test_keys_are_answered_in_between),
                cmocka_unit_test(test_what_is_said_waits),
                cmocka_unit_test(test_dials_again_slower_and_slower),
                cmocka_unit_test(test_is_cut_and_dialled_at_once),
                cmocka_unit_test(test_who_may_not),
                cmocka_unit_test(test_paths_that_cannot_be),
                cmocka_unit_test(test_each_failure),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
