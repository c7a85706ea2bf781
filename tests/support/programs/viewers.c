/* viewers: clients of a control socket, for tests.
 *
 *   viewers ask SOCKET COMMAND [ARGS]            prints the result, ARGS a JSON object
 *   viewers watch SOCKET VIEWERS TICKS [EVERY]   so many `watch` at once, until each had TICKS ticks; prints
 * those of the first, an object a line
 *
 * Exit code 1, with a word on standard error, for a failure, for a tick that is no JSON and for two viewers
 * that were told other things of one tick. */
#include "control/ctl.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST      64
#define PATIENCE  30000 /* ms without a byte */
#define LINE_ROOM (HB_CTL_MAX_LINE + 1)

static int failed(const char *doing, const struct hb_err *e) {
        char line[512];

        fprintf(stderr, "viewers: %s: %s\n", doing, hb_err_line(e, line, sizeof(line)));
        return 1;
}

static int ask(const char *socket, const char *cmd, const char *args) {
        hb_ctl_client *c;
        struct hb_err e;
        json_t *result;
        int r = hb_ctl_connect(socket, &c, &e);

        if (r < 0)
                return failed(socket, &e);
        r = hb_ctl_call(c, cmd, json_loads(args, 0, NULL), PATIENCE, NULL, NULL, &result, &e);
        hb_ctl_close(c);
        if (r < 0)
                return failed(hb_errno_name(r), &e);
        json_dumpf(result, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(result);
        return 0;
}

struct viewer {
        hb_ctl_client *c;
        char *data;
        size_t len;
        unsigned ticks;
};

static struct {
        json_int_t seq;
        json_t *tick; /* without what differs: who came later has heard of fewer events */
} newest[4];

/* True when nobody was told otherwise. */
static bool agrees(json_t *tick) {
        json_int_t seq = json_integer_value(json_object_get(tick, "seq"));
        unsigned at = (unsigned)seq % 4;

        json_object_del(tick, "events");
        json_object_del(tick, "events_skipped");
        if (newest[at].seq == seq && newest[at].tick)
                return json_equal(newest[at].tick, tick);
        json_decref(newest[at].tick);
        newest[at].seq = seq;
        newest[at].tick = json_incref(tick);
        return true;
}

static int take_line(struct viewer *v, const char *line, size_t len, bool print) {
        json_t *msg = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL),
               *tick = json_object_get(msg, "progress");
        int r = 1;

        if (!tick) {
                fprintf(stderr, "viewers: no tick: %.*s\n", (int)(len < 400 ? len : 400), line);
        } else {
                if (print) {
                        json_dumpf(tick, stdout, JSON_COMPACT);
                        putchar('\n');
                        fflush(stdout);
                }
                v->ticks++;
                r = agrees(tick) ? 0 : 1;
                if (r)
                        fprintf(stderr, "viewers: two were told other things of one tick\n");
        }
        json_decref(msg);
        return r;
}

static int take(struct viewer *v, bool print) {
        ssize_t n = read(hb_ctl_fd(v->c), v->data + v->len, LINE_ROOM - v->len);
        char *nl;

        if (n <= 0) {
                fprintf(stderr, "viewers: the connection ended: %s\n", n < 0 ? strerror(errno) : "closed");
                return 1;
        }
        v->len += (size_t)n;
        while ((nl = memchr(v->data, '\n', v->len))) {
                if (take_line(v, v->data, (size_t)(nl - v->data), print))
                        return 1;
                v->len -= (size_t)(nl + 1 - v->data);
                memmove(v->data, nl + 1, v->len);
        }
        return 0;
}

static int begin(struct viewer *v, const char *socket, const char *every) {
        char line[120];
        struct hb_err e;
        int n = snprintf(line, sizeof(line), "{\"id\":1,\"cmd\":\"watch\",\"args\":{\"every\":%s}}\n", every);

        if (hb_ctl_connect(socket, &v->c, &e) < 0)
                return failed(socket, &e);
        v->data = malloc(LINE_ROOM);
        return !v->data || write(hb_ctl_fd(v->c), line, (size_t)n) != n;
}

static int watch(const char *socket, unsigned n, unsigned ticks, const char *every) {
        struct viewer v[MOST] = {0};
        struct pollfd p[MOST];
        unsigned done = 0;

        for (unsigned i = 0; i < n; i++)
                if (begin(&v[i], socket, every))
                        return 1;
        while (done < n) {
                for (unsigned i = 0; i < n; i++)
                        p[i] = (struct pollfd){.fd = hb_ctl_fd(v[i].c), .events = POLLIN};
                if (poll(p, n, PATIENCE) <= 0) {
                        fprintf(stderr, "viewers: nothing comes any more\n");
                        return 1;
                }
                done = 0;
                for (unsigned i = 0; i < n; i++) {
                        if (p[i].revents && take(&v[i], i == 0 && v[i].ticks < ticks))
                                return 1;
                        done += v[i].ticks >= ticks;
                }
        }
        for (unsigned i = 0; i < n; i++) {
                hb_ctl_close(v[i].c);
                free(v[i].data);
        }
        for (unsigned i = 0; i < 4; i++)
                json_decref(newest[i].tick);
        return 0;
}

int main(int argc, char **argv) {
        if (argc >= 4 && argc <= 5 && strcmp(argv[1], "ask") == 0)
                return ask(argv[2], argv[3], argc == 5 ? argv[4] : "{}");
        if (argc >= 5 && argc <= 6 && strcmp(argv[1], "watch") == 0 && atoi(argv[3]) > 0 &&
            atoi(argv[3]) <= MOST)
                return watch(argv[2], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]),
                             argc == 6 ? argv[5] : "1");
        fprintf(stderr, "usage: viewers ask SOCKET COMMAND [ARGS] | watch SOCKET VIEWERS TICKS [EVERY]\n");
        return 2;
}
