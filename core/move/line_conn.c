/* line_conn: lines over a unix socket.
 *
 * Invariant: the socket is non-blocking and every wait goes through hb_line_poll, so nothing outlasts its
 * deadline or a cancellation. Bytes after a line stay buffered for the next call. Cost: one buffer, grown to
 * the longest line seen. One thread. */
#include "move/line_conn.h"
#include "base/clock.h"
#include "base/fault.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RETRY_NS      (10 * HB_NS_PER_MS)
#define QUEUE_FULL_MS 2000 /* patience with a listener that accepts nobody */

struct hb_line_conn {
        int fd, cancel_fd;
        pid_t peer;
        char *data;
        size_t cap, len; /* bytes held */
        size_t taken;    /* of which the last line's, its end included */
        size_t seen;     /* searched for an end already */
};

uint64_t hb_deadline_ns(int timeout_ms) {
        return hb_now_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * HB_NS_PER_MS;
}

int hb_line_poll(int fd, short events, int cancel_fd, uint64_t deadline_ns) {
        struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = cancel_fd, .events = POLLIN}};

        for (;;) {
                uint64_t now = hb_now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;
                struct timespec ts = {.tv_sec = (time_t)(left / HB_NS_PER_S),
                                      .tv_nsec = (long)(left % HB_NS_PER_S)};
                int n = ppoll(fds, 2, &ts, NULL);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0 && fds[1].revents)
                        return -ECANCELED;
                if (n > 0)
                        return 0;
                if (n == 0)
                        return -ETIMEDOUT;
        }
}

static int try_connect(const struct sockaddr_un *addr, int *ret_fd) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int rc;

        if (fd < 0)
                return -errno;
        if (hb_fault("line.connect"))
                rc = -EIO;
        else
                rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ? 0 : -errno;
        if (rc < 0) {
                close(fd);
                return rc;
        }
        *ret_fd = fd;
        return 0;
}

static int connect_until(const struct sockaddr_un *addr, int wait_ms, int cancel_fd, int *ret_fd) {
        uint64_t absent_until = hb_deadline_ns(wait_ms), full_until = hb_deadline_ns(QUEUE_FULL_MS);

        for (;;) {
                int rc = try_connect(addr, ret_fd);
                uint64_t until = rc == -EAGAIN ? full_until : absent_until;

                if (rc != -EAGAIN && rc != -ENOENT && rc != -ECONNREFUSED)
                        return rc;
                if (hb_now_ns() >= until)
                        return rc == -EAGAIN ? -EBUSY : rc;
                rc = hb_line_poll(-1, 0, cancel_fd, hb_now_ns() + RETRY_NS);
                if (rc != -ETIMEDOUT)
                        return rc;
        }
}

int hb_line_connect(const char *path, int wait_ms, int cancel_fd, hb_line_conn **ret) {
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        struct ucred cred;
        socklen_t size = sizeof(cred);
        hb_line_conn *c;
        int rc;

        if (strlen(path) >= sizeof(addr.sun_path))
                return -ENAMETOOLONG;
        strcpy(addr.sun_path, path);
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->fd = -1;
        c->cancel_fd = cancel_fd;
        rc = connect_until(&addr, wait_ms, cancel_fd, &c->fd);
        if (rc < 0)
                goto fail;
        rc = -EPROTO;
        if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
                goto fail;
        c->peer = cred.pid;
        *ret = c;
        return 0;
fail:
        hb_line_close(c);
        return rc;
}

hb_line_conn *hb_line_close(hb_line_conn *c) {
        if (!c)
                return NULL;
        if (c->fd >= 0)
                close(c->fd);
        free(c->data);
        free(c);
        return NULL;
}

pid_t hb_line_peer(const hb_line_conn *c) {
        return c->peer;
}

static ssize_t send_some(int fd, const char *p, size_t n, int fd_to_pass) {
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

        if (fd_to_pass >= 0) {
                msg.msg_control = &control;
                msg.msg_controllen = sizeof(control.space);
                control.head.cmsg_level = SOL_SOCKET;
                control.head.cmsg_type = SCM_RIGHTS;
                control.head.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.head), &fd_to_pass, sizeof(int));
        }
        return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

int hb_line_send(hb_line_conn *c, const void *data, size_t size, int fd_to_pass, uint64_t deadline_ns) {
        const char *p = data;

        if (hb_fault("line.send"))
                return -ECONNRESET;
        while (size > 0) {
                ssize_t n;
                int rc = hb_line_poll(c->fd, POLLOUT, c->cancel_fd, deadline_ns);

                if (rc < 0)
                        return rc;
                n = send_some(c->fd, p, size, fd_to_pass);
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        continue;
                if (n < 0)
                        return errno == EPIPE ? -ECONNRESET : -errno;
                fd_to_pass = -1; /* went with the first byte */
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

/* Room for more bytes and a terminator. */
static int make_room(hb_line_conn *c) {
        size_t cap = c->cap ? c->cap * 2 : 16384;
        char *data;

        if (c->len + 1 < c->cap)
                return 0;
        if (c->len >= HB_LINE_MAX)
                return -EMSGSIZE;
        data = realloc(c->data, cap);
        if (!data)
                return -ENOMEM;
        c->data = data;
        c->cap = cap;
        return 0;
}

static int fill(hb_line_conn *c, uint64_t deadline_ns) {
        ssize_t n;
        int rc = make_room(c);

        if (rc == 0)
                rc = hb_line_poll(c->fd, POLLIN, c->cancel_fd, deadline_ns);
        if (rc < 0)
                return rc;
        if (hb_fault("line.recv"))
                return -ECONNRESET;
        n = recv(c->fd, c->data + c->len, c->cap - 1 - c->len, 0);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        c->len += (size_t)n;
        return n == 0 ? -ECONNRESET : 0;
}

static void drop_last(hb_line_conn *c) {
        memmove(c->data, c->data + c->taken, c->len - c->taken);
        c->len -= c->taken;
        c->taken = c->seen = 0;
}

int hb_line_recv(hb_line_conn *c, uint64_t deadline_ns, char **ret_line, size_t *ret_size) {
        if (c->taken)
                drop_last(c);
        for (;;) {
                char *end = c->len > c->seen ? memchr(c->data + c->seen, '\n', c->len - c->seen) : NULL;
                int rc;

                if (end) {
                        size_t n = (size_t)(end - c->data);

                        c->taken = n + 1;
                        if (n > 0 && c->data[n - 1] == '\r')
                                n--;
                        c->data[n] = '\0';
                        *ret_line = c->data;
                        *ret_size = n;
                        return 0;
                }
                c->seen = c->len;
                rc = fill(c, deadline_ns);
                if (rc < 0)
                        return rc;
        }
}
