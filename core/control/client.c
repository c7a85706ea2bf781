/* client: the blocking end of the control socket, for the command line and the tests; the console uses its
 * descriptor in its own loop.
 *
 * Invariant: between two calls the buffer holds at most the beginning of one line and whole lines nobody
 * waits for. An answer to a call that was given up (time-out, interrupt) is recognised by its number and
 * skipped. Cost: each byte is searched for a line's end once. One thread. */
#include "base/clock.h"
#include "base/fault.h"
#include "control/ctl.h"
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_STEP 65536u

struct hb_ctl_client {
        int fd, interrupt_fd;
        int last_id;
        char *data; /* received: [start, end), searched for '\n' up to `seen` */
        size_t start, seen, end, cap;
        char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static const char not_running[] =
        "start it with \"systemctl start harbingerd\", or name its socket with --socket";

static int connect_error(int code, const char *path, struct hb_err *e) {
        switch (-code) {
        case ENOENT:
                return hb_err_set(e, code, path, not_running,
                                  "harbingerd is not running here: no such control socket");
        case ECONNREFUSED:
                return hb_err_set(e, code, path, not_running,
                                  "harbingerd is not running: nobody listens on its control socket");
        case EACCES:
        case EPERM:
                return hb_err_set(e, code, path, "run as root, or join the group that [control] group names",
                                  "not permitted to use the control socket");
        case EAGAIN:
                return hb_err_set(e, -EBUSY, path, "try again",
                                  "harbingerd has too many clients waiting to connect");
        default:
                return hb_err_set(e, code, path, not_running, "cannot connect to harbingerd: %s",
                                  strerror(-code));
        }
}

int hb_ctl_connect(const char *socket_path, hb_ctl_client **ret, struct hb_err *e) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        hb_ctl_client *c;
        int r;

        if (!socket_path[0] || strlen(socket_path) >= sizeof(to.sun_path))
                return hb_err_set(e, -ENAMETOOLONG, socket_path, "a socket's path has 1 to 107 bytes",
                                  "this cannot be a socket's path");
        c = calloc(1, sizeof(*c));
        if (!c)
                return hb_err_set(e, -ENOMEM, socket_path, NULL, "no memory for a connection");
        c->interrupt_fd = -1;
        memcpy(to.sun_path, socket_path, strlen(socket_path) + 1);
        memcpy(c->path, to.sun_path, sizeof(c->path));
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        r = c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
        if (hb_fault("control.connect"))
                r = -EIO;
        if (r < 0) {
                r = connect_error(r, socket_path, e);
                hb_ctl_close(c);
                return r;
        }
        *ret = c;
        return 0;
}

hb_ctl_client *hb_ctl_close(hb_ctl_client *c) {
        if (!c)
                return NULL;
        if (c->fd >= 0)
                close(c->fd);
        free(c->data);
        free(c);
        return NULL;
}

int hb_ctl_fd(const hb_ctl_client *c) {
        return c->fd;
}

void hb_ctl_interrupt_on(hb_ctl_client *c, int fd) {
        c->interrupt_fd = fd;
}

/* Milliseconds until `deadline_ns` (0: none) for poll, rounded up. */
static int poll_time(uint64_t deadline_ns) {
        uint64_t now = hb_now_ns();

        if (!deadline_ns)
                return -1;
        if (now >= deadline_ns)
                return 0;
        now = (deadline_ns - now + HB_NS_PER_MS - 1) / HB_NS_PER_MS;
        return now > INT32_MAX ? INT32_MAX : (int)now;
}

/* Waits until the socket is ready. -ETIMEDOUT, -EINTR. */
static int wait_for(hb_ctl_client *c, short events, uint64_t deadline_ns, struct hb_err *e) {
        struct pollfd fds[2] = {{.fd = c->fd, .events = events}, {.fd = c->interrupt_fd, .events = POLLIN}};

        for (;;) {
                int n = poll(fds, 2, poll_time(deadline_ns));

                if (n < 0 && errno != EINTR)
                        return hb_err_set(e, -errno, c->path, NULL, "waiting for harbingerd failed: %s",
                                          strerror(errno));
                if (n > 0 && fds[1].revents)
                        return hb_err_set(e, -EINTR, NULL, NULL, "interrupted while waiting for harbingerd");
                if (n > 0)
                        return 0;
                if (n == 0)
                        return hb_err_set(e, -ETIMEDOUT, c->path, "harbinger status shows what it is doing",
                                          "harbingerd did not answer in time");
        }
}

static int lost(const hb_ctl_client *c, struct hb_err *e) {
        return hb_err_set(e, -ECONNRESET, c->path, "journalctl -u harbingerd says why",
                          "harbingerd closed the connection before it answered");
}

static int send_all(hb_ctl_client *c, const char *p, size_t n, uint64_t deadline_ns, struct hb_err *e) {
        while (n > 0) {
                ssize_t done = send(c->fd, p, n, MSG_NOSIGNAL);
                int r;

                if (hb_fault("control.send"))
                        return lost(c, e);
                if (done >= 0) {
                        p += done;
                        n -= (size_t)done;
                        continue;
                }
                if (errno == EPIPE || errno == ECONNRESET)
                        return 0; /* its reason may wait to be read */
                if (errno != EAGAIN && errno != EINTR)
                        return hb_err_set(e, -errno, c->path, NULL, "cannot write to harbingerd: %s",
                                          strerror(errno));
                r = wait_for(c, POLLOUT, deadline_ns, e);
                if (r < 0) {
                        shutdown(c->fd, SHUT_RDWR); /* half a line is out: nothing may follow it */
                        return r;
                }
        }
        return 0;
}

/* Makes room for another read, moving what is there to the front. */
static int make_room(hb_ctl_client *c, struct hb_err *e) {
        char *grown;

        if (c->start > 0) {
                memmove(c->data, c->data + c->start, c->end - c->start);
                c->seen -= c->start;
                c->end -= c->start;
                c->start = 0;
        }
        if (c->end >= HB_CTL_MAX_LINE)
                return hb_err_set(e, -EBADMSG, c->path, NULL, "harbingerd sent a line longer than %u bytes",
                                  HB_CTL_MAX_LINE);
        if (c->cap - c->end >= READ_STEP)
                return 0;
        grown = hb_fault("control.room") ? NULL : realloc(c->data, c->cap ? c->cap * 2 : 2 * READ_STEP);
        if (!grown)
                return hb_err_set(e, -ENOMEM, c->path, NULL, "no memory for an answer");
        c->cap = c->cap ? c->cap * 2 : 2 * READ_STEP;
        c->data = grown;
        return 0;
}

/* The next whole line, without its end; valid until the next call. */
static int next_line(hb_ctl_client *c, uint64_t deadline_ns, const char **ret, size_t *ret_len,
                     struct hb_err *e) {
        for (;;) {
                char *nl = c->end > c->seen ? memchr(c->data + c->seen, '\n', c->end - c->seen) : NULL;
                ssize_t n;
                int r;

                if (nl) {
                        *ret = c->data + c->start;
                        *ret_len = (size_t)(nl - *ret);
                        c->start = c->seen = (size_t)(nl + 1 - c->data);
                        return 0;
                }
                c->seen = c->end;
                r = make_room(c, e);
                if (r == 0)
                        r = wait_for(c, POLLIN, deadline_ns, e);
                if (r < 0)
                        return r;
                n = hb_fault("control.recv") ? 0 : recv(c->fd, c->data + c->end, c->cap - c->end, 0);
                if (n > 0)
                        c->end += (size_t)n;
                else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                        return lost(c, e);
        }
}

static int not_ours(const hb_ctl_client *c, struct hb_err *e) {
        return hb_err_set(e, -EBADMSG, c->path, "check --socket, and that both programs are of one version",
                          "what answers on this socket is not harbingerd, or another version of it");
}

/* One message for call `id`: 1 = something else, read on; 0 = answered; < 0 = the daemon's failure. Takes no
 * reference of msg. */
static int take_message(hb_ctl_client *c, int id, const json_t *msg, void (*progress)(void *, const json_t *),
                        void *arg, json_t **ret_result, struct hb_err *e) {
        const json_t *ok = json_object_get(msg, "ok"), *error = json_object_get(msg, "error");
        const json_t *num = json_object_get(msg, "id"), *step = json_object_get(msg, "progress");
        json_t *result = json_object_get(msg, "result");

        if (!json_is_integer(num))
                return not_ours(c, e);
        /* Number 0 answers a line whose number the daemon could not read. */
        if (json_integer_value(num) != id && !(json_integer_value(num) == 0 && json_is_false(ok)))
                return 1;
        if (json_is_false(ok) && json_is_object(error))
                return hb_ctl_error_from(error, e);
        if (json_is_true(ok) && result) {
                *ret_result = json_incref(result);
                return 0;
        }
        if (!json_is_object(step))
                return not_ours(c, e);
        if (progress)
                progress(arg, step);
        return 1;
}

static int wait_answer(hb_ctl_client *c, int id, uint64_t deadline_ns,
                       void (*progress)(void *, const json_t *), void *arg, json_t **ret_result,
                       struct hb_err *e) {
        int r;

        do {
                const char *line = NULL;
                size_t len = 0;
                json_t *msg;

                r = next_line(c, deadline_ns, &line, &len, e);
                if (r < 0)
                        return r;
                msg = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
                if (!msg)
                        return not_ours(c, e);
                r = take_message(c, id, msg, progress, arg, ret_result, e);
                json_decref(msg);
        } while (r > 0);
        return r;
}

int hb_ctl_call(hb_ctl_client *c, const char *cmd, json_t *args, int timeout_ms,
                void (*progress)(void *arg, const json_t *p), void *arg, json_t **ret_result,
                struct hb_err *e) {
        uint64_t deadline = timeout_ms < 0 ? 0 : hb_now_ns() + (uint64_t)timeout_ms * HB_NS_PER_MS;
        int id = c->last_id == INT32_MAX ? 1 : c->last_id + 1;
        json_t *msg = hb_ctl_request(id, cmd, args);
        char *line;
        size_t len;
        int r;

        line = msg ? hb_ctl_line(msg, &len) : NULL;
        json_decref(msg);
        if (!line)
                return hb_err_set(e, -ENOMEM, cmd, NULL, "no memory for a request");
        c->last_id = id;
        if (len > HB_CTL_MAX_REQUEST)
                r = hb_err_set(e, -EMSGSIZE, cmd, "shorten the arguments",
                               "the request is longer than %u bytes", HB_CTL_MAX_REQUEST);
        else
                r = send_all(c, line, len, deadline, e);
        free(line);
        return r < 0 ? r : wait_answer(c, id, deadline, progress, arg, ret_result, e);
}
