/* conn: a daemon's line, read without waiting. Cuts bytes into lines, lines into JSON objects; dials again
 * when the other end goes away.
 *
 * Invariant: [start, end) of `data` is received and not yet taken, and holds no line's end before `seen`;
 * [out_start, out_end) of `out` waits to be sent. `life` counts connections, so that a callback that cuts the
 * connection ends the loop that called it. A line is bounded in length and in how many values it may hold, as
 * a parsed value takes fifty times the bytes it was written in. Cost: each byte is searched once for a line's
 * end. The back-off is forgotten with the first good line, not with the connection: a daemon that accepts and
 * hangs up is not asked in a loop. */
#include "world/conn.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_STEP      65536u
#define MAX_TAKEN      (1u << 20)
#define KEEP_CAP       (2u << 20) /* a buffer that once grew above this is given back when it is empty */
#define MAX_VALUES     500000u
#define FIRST_PAUSE_NS 200000000ll
#define MAX_PAUSE_NS   5000000000ll

struct hb_conn {
        struct hb_conn_use use;
        char *path; /* NULL: a descriptor that was given, never dialled again */
        int fd;
        unsigned life;
        bool told; /* up() was called for this connection */
        int64_t dial_ns, pause_ns, now_ns;
        uint64_t bytes;
        char *data;
        size_t start, seen, end, cap;
        char *out;
        size_t out_start, out_end, out_cap;
};

static hb_conn *make(const struct hb_conn_use *u, struct hb_err *e) {
        hb_conn *c = hb_fault("world.conn") ? NULL : calloc(1, sizeof(*c));

        if (!c) {
                hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a connection");
                return NULL;
        }
        c->use = *u;
        c->fd = -1;
        c->pause_ns = FIRST_PAUSE_NS;
        return c;
}

int hb_conn_new(const char *socket_path, const struct hb_conn_use *u, hb_conn **ret, struct hb_err *e) {
        hb_conn *c;

        if (!socket_path[0] || strlen(socket_path) > 107)
                return hb_err_set(e, -ENAMETOOLONG, socket_path, "a socket's path has 1 to 107 bytes",
                                  "this cannot be a socket's path");
        c = make(u, e);
        if (!c)
                return -ENOMEM;
        c->path = strdup(socket_path);
        if (!c->path) {
                hb_conn_free(c);
                return hb_err_set(e, -ENOMEM, socket_path, NULL, "no memory for a connection");
        }
        *ret = c;
        return 0;
}

int hb_conn_new_fd(int fd, const struct hb_conn_use *u, hb_conn **ret, struct hb_err *e) {
        hb_conn *c = make(u, e);
        int flags;

        if (!c)
                return -ENOMEM;
        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
                int r = -errno;

                hb_conn_free(c);
                return hb_err_set(e, r, NULL, NULL, "this descriptor cannot be used: %s", strerror(-r));
        }
        c->fd = fd;
        *ret = c;
        return 0;
}

hb_conn *hb_conn_free(hb_conn *c) {
        if (!c)
                return NULL;
        if (c->fd >= 0)
                close(c->fd);
        free(c->path);
        free(c->data);
        free(c->out);
        free(c);
        return NULL;
}

/* Closes what is open and sets the next try; tells the owner. */
static void lose(hb_conn *c, const struct hb_err *why) {
        if (c->fd >= 0)
                close(c->fd);
        c->fd = -1;
        c->told = false;
        c->life++;
        c->start = c->seen = c->end = c->out_start = c->out_end = 0;
        c->dial_ns = c->path ? c->now_ns + c->pause_ns : INT64_MAX;
        c->pause_ns = c->pause_ns * 2 > MAX_PAUSE_NS ? MAX_PAUSE_NS : c->pause_ns * 2;
        c->use.down(c->use.arg, why);
}

static const char *shown(const hb_conn *c) {
        return c->path ? c->path : "replay";
}

static void lose_to(hb_conn *c, int r) {
        struct hb_err e;

        if (!c->path)
                hb_err_set(&e, r, NULL, "start it again", "what played here has ended");
        else
                hb_err_set(&e, r, c->path, "journalctl -u harbingerd says why", "harbingerd went away%s%s",
                           r == -ECONNRESET ? "" : ": ", r == -ECONNRESET ? "" : strerror(-r));
        lose(c, &e);
}

/* Borrows the command line's client for its checks and words; only the descriptor is kept. */
static void dial(hb_conn *c) {
        hb_ctl_client *client = NULL;
        struct hb_err e = {0};

        if (hb_ctl_connect(c->path, &client, &e) < 0) {
                lose(c, &e);
                return;
        }
        c->fd = hb_fault("world.dial") ? -1 : fcntl(hb_ctl_fd(client), F_DUPFD_CLOEXEC, 3);
        hb_ctl_close(client);
        if (c->fd < 0) {
                hb_err_set(&e, -EMFILE, c->path, "look at fewer hosts, or raise ulimit -n",
                           "no descriptor is left for this connection");
                lose(c, &e);
                return;
        }
        c->life++;
}

/* ---- what is to be sent ---- */

static void flush(hb_conn *c) {
        while (c->fd >= 0 && c->out_start < c->out_end) {
                ssize_t n = hb_fault("world.send") ? 0
                                                   : send(c->fd, c->out + c->out_start,
                                                          c->out_end - c->out_start, MSG_NOSIGNAL);

                if (n <= 0)
                        return; /* full; or lost, which reading finds out, with the reason it may hold */
                c->out_start += (size_t)n;
        }
        c->out_start = c->out_end = 0;
}

static int queue(hb_conn *c, const char *line, size_t len) {
        if (c->out_end - c->out_start + len > HB_CONN_MAX_OUT)
                return -ENOBUFS;
        if (c->out_start > 0) {
                memmove(c->out, c->out + c->out_start, c->out_end - c->out_start);
                c->out_end -= c->out_start;
                c->out_start = 0;
        }
        if (c->out_end + len > c->out_cap) {
                size_t cap = c->out_end + len < 4096 ? 4096 : HB_CONN_MAX_OUT;
                char *grown = hb_fault("world.queue") ? NULL : realloc(c->out, cap);

                if (!grown)
                        return -ENOBUFS;
                c->out = grown;
                c->out_cap = cap;
        }
        memcpy(c->out + c->out_end, line, len);
        c->out_end += len;
        return 0;
}

int hb_conn_send(hb_conn *c, const json_t *msg) {
        size_t len = 0;
        char *line;
        int r;

        if (c->fd < 0)
                return -ENOTCONN;
        line = hb_ctl_line(msg, &len);
        if (!line)
                return -ENOBUFS;
        r = len > HB_CTL_MAX_REQUEST ? -EMSGSIZE : queue(c, line, len);
        free(line);
        if (r == 0)
                flush(c);
        return r;
}

/* ---- what comes ---- */

static bool room_to_read(hb_conn *c) {
        char *grown;
        size_t cap;

        if (c->start > 0) {
                memmove(c->data, c->data + c->start, c->end - c->start);
                c->seen -= c->start;
                c->end -= c->start;
                c->start = 0;
        }
        if (c->end == 0 && c->cap > KEEP_CAP) {
                free(c->data);
                c->data = NULL;
                c->cap = 0;
        }
        if (c->cap - c->end >= READ_STEP)
                return true;
        cap = c->cap ? c->cap * 2 : 2 * READ_STEP;
        grown = hb_fault("world.room") ? NULL : realloc(c->data, cap);
        if (!grown)
                return false;
        c->data = grown;
        c->cap = cap;
        return true;
}

/* An upper bound of its values: what is inside strings is counted too. */
static bool too_rich(const char *line, size_t len) {
        size_t n = 0;

        for (size_t i = 0; i < len; i++)
                n += (size_t)(line[i] == ',') + (size_t)(line[i] == '[') + (size_t)(line[i] == '{');
        return n > MAX_VALUES;
}

static void give_up(hb_conn *c, const char *what) {
        struct hb_err e;

        hb_err_set(&e, -EBADMSG, shown(c),
                   "check the socket's path, and that both programs are of one version",
                   "what answers on this socket is not harbingerd, or another version of it: %s", what);
        lose(c, &e);
}

static void take_line(hb_conn *c, const char *line, size_t len) {
        json_t *msg = too_rich(line, len) || hb_fault("world.parse") ? NULL : json_loadb(line, len, 0, NULL);

        if (!json_is_object(msg)) {
                json_decref(msg);
                give_up(c, "it said something that is no JSON object");
                return;
        }
        c->pause_ns = FIRST_PAUSE_NS;
        c->use.message(c->use.arg, msg);
        json_decref(msg);
}

/* All whole lines there are. */
static void take_lines(hb_conn *c) {
        unsigned life = c->life;

        while (c->life == life && c->seen < c->end) {
                char *from = c->data + c->start;
                char *nl = memchr(c->data + c->seen, '\n', c->end - c->seen);

                if (!nl) {
                        c->seen = c->end;
                        if (c->end - c->start > HB_CTL_MAX_LINE)
                                give_up(c, "its line never ends");
                        return;
                }
                c->start = c->seen = (size_t)(nl + 1 - c->data);
                if (nl - from > (ptrdiff_t)HB_CTL_MAX_LINE)
                        give_up(c, "its line is too long");
                else
                        take_line(c, from, (size_t)(nl - from));
        }
}

/* False: nothing more to read now. */
static bool read_once(hb_conn *c, size_t *taken) {
        ssize_t n;

        if (!room_to_read(c)) {
                lose_to(c, -ENOMEM);
                return false;
        }
        n = hb_fault("world.recv") ? 0 : recv(c->fd, c->data + c->end, READ_STEP, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (n <= 0) {
                lose_to(c, n < 0 ? -errno : -ECONNRESET);
                return false;
        }
        c->end += (size_t)n;
        c->bytes += (uint64_t)n;
        *taken += (size_t)n;
        take_lines(c);
        return true;
}

/* ---- the loop ---- */

void hb_conn_poll(const hb_conn *c, struct pollfd *ret) {
        short out = c->out_start < c->out_end ? POLLOUT : 0;

        *ret = (struct pollfd){.fd = c->fd, .events = (short)(POLLIN | out)};
}

int64_t hb_conn_wake_ns(const hb_conn *c) {
        return c->fd < 0 ? c->dial_ns : c->told ? INT64_MAX : 0;
}

bool hb_conn_pump(hb_conn *c, short revents, int64_t now_ns) {
        size_t taken = 0;
        unsigned life;

        c->now_ns = now_ns;
        if (c->fd < 0 && c->path && now_ns >= c->dial_ns)
                dial(c);
        if (c->fd < 0)
                return false;
        if (!c->told) {
                c->told = true;
                c->use.up(c->use.arg);
        }
        flush(c);
        if (!(revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)))
                return false;
        life = c->life;
        while (taken < MAX_TAKEN)
                if (!read_once(c, &taken) || c->life != life)
                        return false;
        return true;
}

bool hb_conn_is_up(const hb_conn *c) {
        return c->fd >= 0;
}

uint64_t hb_conn_bytes(const hb_conn *c) {
        return c->bytes;
}

void hb_conn_redial(hb_conn *c, const char *why) {
        struct hb_err e;

        hb_err_set(&e, -ETIMEDOUT, shown(c), "journalctl -u harbingerd; systemctl restart harbingerd",
                   "harbingerd %s", why);
        lose(c, &e);
        c->dial_ns = c->path ? c->now_ns : INT64_MAX;
}
