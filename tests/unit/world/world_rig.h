/* world_rig: a world whose daemons are the test itself, at the other ends of socket pairs. Time stands still
 * but when the test moves it. JSON is written with ' for ". */
#pragma once
#include "check.h"
#include "world/world.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RIG_SEATS 66u
#define RIG_S     1000000000ll

struct rig {
        hb_world *w;
        int fd[RIG_SEATS], watch_id[RIG_SEATS];
        int64_t now;
        bool changed;
};

static inline void rig_begin(struct rig *r) {
        struct hb_world_options o = {0};
        struct hb_err e;

        memset(r, 0, sizeof(*r));
        r->now = 100 * RIG_S;
        for (unsigned i = 0; i < RIG_SEATS; i++)
                r->fd[i] = -1;
        assert_int_equal(hb_world_new(&o, &r->w, &e), 0);
}

static inline void rig_end(struct rig *r) {
        hb_world_free(r->w);
        for (unsigned i = 0; i < RIG_SEATS; i++)
                if (r->fd[i] >= 0)
                        close(r->fd[i]);
}

static inline void rig_pump(struct rig *r) {
        bool more = true;

        for (unsigned turns = 0; turns < 200; turns++) {
                struct pollfd fds[RIG_SEATS];
                unsigned n = hb_world_poll(r->w, fds, RIG_SEATS);
                int ready = poll(fds, n, 0);

                if (turns > 0 && !more && ready <= 0 && hb_world_wake_ns(r->w) > r->now)
                        return;
                r->changed |= hb_world_pump(r->w, fds, n, r->now, &more);
        }
}

static inline void rig_wait(struct rig *r, double seconds) {
        r->now += (int64_t)(seconds * 1e9);
        rig_pump(r);
}

/* One line that the console said; false: none. */
static inline bool rig_heard(struct rig *r, unsigned seat, char *line, size_t size) {
        size_t n = 0;

        while (n + 1 < size && recv(r->fd[seat], line + n, 1, MSG_DONTWAIT) == 1)
                if (line[n++] == '\n')
                        break;
        line[n] = '\0';
        return n > 0;
}

/* The number of a request for `cmd`; 0: it asked something else or nothing. */
static inline int rig_asked(struct rig *r, unsigned seat, const char *cmd) {
        char line[70000];
        json_t *msg;
        int id = 0;

        if (!rig_heard(r, seat, line, sizeof(line)))
                return 0;
        msg = json_loads(line, 0, NULL);
        if (strcmp(json_string_value(json_object_get(msg, "cmd")), cmd) == 0)
                id = (int)json_integer_value(json_object_get(msg, "id"));
        json_decref(msg);
        return id;
}

static inline void rig_say(struct rig *r, unsigned seat, const char *text, size_t len) {
        while (len > 0) {
                ssize_t n = send(r->fd[seat], text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno != EAGAIN)
                        return; /* it hung up */
                if (n < 0) {
                        rig_pump(r);
                        continue;
                }
                text += n;
                len -= (size_t)n;
        }
        rig_pump(r);
}

/* {"id":id,<rest>} */
static inline void rig_answer(struct rig *r, unsigned seat, int id, const char *rest) {
        size_t size = strlen(rest) + 64;
        char *line = malloc(size);
        int n = snprintf(line, size, "{'id':%d,%s}\n", id, rest);

        for (char *p = line; *p; p++)
                *p = *p == '\'' ? '"' : *p;
        rig_say(r, seat, line, (size_t)n);
        free(line);
}

static inline void rig_tick(struct rig *r, unsigned seat, const char *members) {
        size_t size = strlen(members) + 32;
        char *text = malloc(size);

        snprintf(text, size, "'progress':{%s}", members);
        rig_answer(r, seat, r->watch_id[seat], text);
        free(text);
}

static inline unsigned rig_seat(struct rig *r) {
        int pair[2], seat;
        char label[16];
        struct hb_err e;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        snprintf(label, sizeof(label), "seat%d", pair[0]);
        seat = hb_world_add_fd(r->w, pair[0], label, &e);
        assert_true(seat >= 0);
        r->fd[seat] = pair[1];
        rig_pump(r);
        r->watch_id[seat] = rig_asked(r, (unsigned)seat, "watch");
        assert_true(r->watch_id[seat] > 0);
        return (unsigned)seat;
}

/* ---- a seat that dials ---- */

static inline int rig_listen(const char *path) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

        snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
        assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
        assert_int_equal(listen(fd, 4), 0);
        return fd;
}

/* The seat dials, and asks to watch. */
static inline void rig_accept(struct rig *r, unsigned seat, int listener) {
        rig_pump(r);
        r->fd[seat] = accept(listener, NULL, NULL);
        assert_true(r->fd[seat] >= 0);
        rig_pump(r);
        r->watch_id[seat] = rig_asked(r, seat, "watch");
        assert_true(r->watch_id[seat] > 0);
}

static inline void rig_hang_up(struct rig *r, unsigned seat) {
        close(r->fd[seat]);
        r->fd[seat] = -1;
        rig_pump(r);
}
