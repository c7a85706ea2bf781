/* Clients of a control server in the same thread: whoever waits for a line pumps the server's loop meanwhile.
 */
#pragma once
#include "base/clock.h"
#include "control/ctl.h"
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct conn {
        int fd;
        char *data;
        size_t len, room;
        bool eof;
};

static inline struct conn dial(const char *path) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        struct conn c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};

        memcpy(to.sun_path, path, strlen(path) + 1);
        assert_int_equal(connect(c.fd, (struct sockaddr *)&to, sizeof(to)), 0);
        return c;
}

static inline void hang_up(struct conn *c) {
        if (c->fd >= 0)
                close(c->fd);
        free(c->data);
        *c = (struct conn){.fd = -1};
}

static inline void pump(struct event_base *base) {
        assert_true(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
}

static inline void say(struct event_base *base, struct conn *c, const char *text) {
        assert_int_equal(send(c->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
        pump(base);
}

/* What is there now; nobody is waited for. */
static inline void take_bytes(struct conn *c) {
        char buf[65536];
        ssize_t n;

        while ((n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
                if (c->len + (size_t)n + 1 > c->room) {
                        c->room = 2 * (c->len + (size_t)n + 1);
                        c->data = realloc(c->data, c->room);
                }
                memcpy(c->data + c->len, buf, (size_t)n);
                c->len += (size_t)n;
        }
        c->eof = c->eof || n == 0 || (n < 0 && errno == ECONNRESET);
}

static inline json_t *whole_line(struct conn *c) {
        char *nl = c->len ? memchr(c->data, '\n', c->len) : NULL;
        json_t *msg;

        if (!nl)
                return NULL;
        msg = json_loadb(c->data, (size_t)(nl - c->data), JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(msg);
        c->len -= (size_t)(nl + 1 - c->data);
        memmove(c->data, nl + 1, c->len);
        return msg;
}

/* NULL: the server closed. 10 s at most. */
static inline json_t *reply(struct event_base *base, struct conn *c) {
        uint64_t end = hb_now_ns() + 10 * HB_NS_PER_S;
        json_t *msg;

        while (!(msg = whole_line(c)) && !c->eof) {
                struct pollfd p = {.fd = c->fd, .events = POLLIN};

                assert_true(hb_now_ns() < end);
                pump(base);
                poll(&p, 1, 1);
                take_bytes(c);
        }
        return msg;
}

/* All that comes by itself, without the clock going on. NULL: no line is there. */
static inline json_t *line_now(struct event_base *base, struct conn *c) {
        size_t before;
        int idle = 0;

        while (idle < 3) {
                before = c->len;
                pump(base);
                take_bytes(c);
                idle = c->len == before ? idle + 1 : 0;
        }
        return whole_line(c);
}
