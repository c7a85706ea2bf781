/* process_port: a plain process that was built with the attach library.
 *
 * The same shape as the QEMU port: one client a socket, so it is opened when needed and dropped after
 * describe, and kept from prepare to the end of the hand-over; the process is known by the socket's peer and
 * held by a pidfd. The guest keeps its own state machine and refuses what does not fit, so a new port object
 * after a crash finds everything by asking. One worker thread; cancel from any. */
#include "base/clock.h"
#include "base/fault.h"
#include "move/attach_reply.h"
#include "move/guest_port.h"
#include "move/line_conn.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALL_MS  2000
#define GRACE_MS 500 /* beyond what the guest was given for an answer */
#define QUIT_MS  5000
#define DEATH_MS 500

struct process_port {
        hb_guest_port port;
        char path[256], name[HB_NAME_MAX];
        hb_line_conn *line;
        bool hold;
        int cancel_fd, pidfd, stream_fd; /* stream_fd: the guest's end, until it is passed */
        pid_t pid;
};

static struct process_port *self(hb_guest_port *p) {
        return (struct process_port *)p;
}

static bool dead(const struct process_port *p, int wait_ms) {
        struct pollfd fd = {.fd = p->pidfd, .events = POLLIN};

        return p->pidfd >= 0 && poll(&fd, 1, wait_ms) > 0;
}

static int gone(const struct process_port *p, struct hb_err *e) {
        return hb_err_set(e, -ESRCH, p->path, "see its own log for why", "the guest's process %d has ended",
                          (int)p->pid);
}

static int transport_failed(struct process_port *p, const char *request, int rc, struct hb_err *e) {
        p->line = hb_line_close(p->line); /* a late answer must not be taken for the next one's */
        if (rc == -ECONNRESET && dead(p, DEATH_MS))
                return gone(p, e);
        return hb_err_set(e, rc, p->path, NULL,
                          rc == -ECANCELED ? "cancelled: %s%s" : "no answer to '%s' from the guest: %s",
                          request, rc == -ECANCELED ? "" : hb_errno_name(rc));
}

/* One request on the open connection. An "error" answer is our failure, in the guest's words. */
static int ask(struct process_port *p, const char *request, int fd, int timeout_ms,
               struct hb_attach_reply *ret, struct hb_err *e) {
        uint64_t deadline_ns = hb_deadline_ns(timeout_ms);
        char out[128], *line;
        size_t size;
        int rc;

        if (hb_fault("attach.call"))
                return hb_err_set(e, -EIO, p->path, NULL, "%s failed (injected)", request);
        snprintf(out, sizeof(out), "%s\n", request);
        rc = hb_line_send(p->line, out, strlen(out), fd, deadline_ns);
        if (rc == 0)
                rc = hb_line_recv(p->line, deadline_ns, &line, &size);
        if (rc < 0)
                return transport_failed(p, request, rc, e);
        rc = hb_attach_reply_parse(line, size, ret);
        if (rc < 0)
                return hb_err_set(e, rc, p->path, "name the socket the guest was given with --attach",
                                  "this does not speak the attach protocol");
        if (ret->code < 0)
                return hb_err_set(e, ret->code, p->path, NULL, "the guest refused '%s': %s", request,
                                  ret->words);
        return 0;
}

static int not_connected(const char *path, int rc, struct hb_err *e) {
        static const char *const next = "start the guest with --attach SOCKET, or correct the path";

        switch (rc) {
        case -ENOENT:
                return hb_err_set(e, rc, path, next, "no such attach socket");
        case -ECONNREFUSED:
                return hb_err_set(e, rc, path, next, "nobody listens on the attach socket");
        case -EBUSY:
        case -ETIMEDOUT:
                return hb_err_set(e, -EBUSY, path, "close the other client",
                                  "no answer: another client holds the guest");
        default:
                return hb_err_set(e, rc, path, NULL, "cannot open the attach socket: %s", hb_errno_name(rc));
        }
}

/* The first connection says which process this port is about; a later one must find the same. */
static int know_process(struct process_port *p, struct hb_err *e) {
        pid_t pid = hb_line_peer(p->line);

        if (p->pidfd >= 0)
                return pid == p->pid && !dead(p, 0) ? 0 : gone(p, e);
        p->pid = pid;
        p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (p->pidfd < 0)
                return hb_err_set(e, -errno, p->path, "run the daemon in the guest's pid namespace",
                                  "cannot watch the guest's process %d: %s", (int)pid, strerror(errno));
        return 0;
}

static int hello(struct process_port *p, struct hb_attach_reply *ret, struct hb_err *e) {
        uint64_t version;
        int rc = ask(p, "hello", -1, CALL_MS, ret, e);

        if (rc == 0 && (hb_attach_reply_number(ret, "attach", UINT64_MAX, &version) < 0 || version != 1))
                rc = hb_err_set(e, -EPROTO, p->path, "build the guest with this release's attach library",
                                "this is not version 1 of the attach protocol");
        return rc;
}

static int connect_guest(struct process_port *p, int wait_ms, struct hb_err *e) {
        struct hb_attach_reply r;
        int rc;

        if (p->line)
                return 0;
        if (dead(p, 0))
                return gone(p, e);
        rc = hb_line_connect(p->path, wait_ms, p->cancel_fd, &p->line);
        if (rc < 0)
                return dead(p, 0) ? gone(p, e) : not_connected(p->path, rc, e);
        rc = know_process(p, e);
        if (rc == 0)
                rc = hello(p, &r, e);
        if (rc == -ETIMEDOUT)
                rc = not_connected(p->path, rc, e);
        if (rc < 0)
                p->line = hb_line_close(p->line);
        else
                snprintf(p->name, sizeof(p->name), "%.63s", hb_attach_reply_get(&r, "name"));
        return rc;
}

static void release_guest(struct process_port *p) {
        if (!p->hold)
                p->line = hb_line_close(p->line);
}

static int begin(struct process_port *p, const char *fault, bool hold, struct hb_err *e) {
        eventfd_t ignored;
        int rc;

        if (hb_fault(fault))
                return hb_err_set(e, -EIO, p->path, NULL, "%s failed (injected)", fault);
        (void)!eventfd_read(p->cancel_fd, &ignored);
        rc = connect_guest(p, 0, e);
        if (rc == 0)
                p->hold = p->hold || hold;
        return rc;
}

static enum hb_guest_state state_of(const struct hb_attach_reply *hello_reply) {
        static const struct {
                const char *name;
                enum hb_guest_state state;
        } names[] = {{"running", HB_GUEST_RUNNING},   {"freezing", HB_GUEST_RUNNING},
                     {"frozen", HB_GUEST_FROZEN},     {"moved", HB_GUEST_MOVED},
                     {"incoming", HB_GUEST_INCOMING}, {"loading", HB_GUEST_INCOMING},
                     {"loaded", HB_GUEST_PAUSED}};
        const char *name = hb_attach_reply_get(hello_reply, "state");

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (strcmp(name, names[i].name) == 0)
                        return names[i].state;
        return HB_GUEST_GONE;
}

static int add_region(struct process_port *p, unsigned i, struct hb_guest_info *info, struct hb_err *e) {
        struct hb_target_claim *c = &info->claims[i];
        struct hb_attach_reply r;
        char request[32];
        int rc;

        snprintf(request, sizeof(request), "region n=%u", i);
        rc = ask(p, request, -1, CALL_MS, &r, e);
        if (rc < 0)
                return rc;
        if (!hb_name_ok(hb_attach_reply_get(&r, "name")) ||
            hb_attach_reply_number(&r, "addr", UINT64_MAX, &c->remote_addr) < 0 ||
            hb_attach_reply_number(&r, "bytes", UINT64_MAX, &c->bytes) < 0)
                return hb_err_set(e, -EPROTO, p->path, NULL,
                                  "the guest does not describe its region %u as it should", i);
        snprintf(c->name, sizeof(c->name), "%.63s", hb_attach_reply_get(&r, "name"));
        snprintf(info->paths[i], sizeof(info->paths[i]), "%s", hb_attach_reply_get(&r, "path"));
        return 0;
}

static int describe(struct process_port *p, struct hb_guest_info *info, struct hb_err *e) {
        struct hb_attach_reply r;
        uint64_t n;
        int rc = hello(p, &r, e);

        if (rc < 0)
                return rc;
        if (hb_attach_reply_number(&r, "regions", HB_MAX_REGIONS, &n) < 0 || n == 0)
                return hb_err_set(e, -EPROTO, p->path, NULL, "the guest names no memory");
        for (unsigned i = 0; i < n; i++) {
                rc = add_region(p, i, info, e);
                if (rc < 0)
                        return rc;
        }
        info->nclaims = (unsigned)n;
        info->state = state_of(&r);
        info->pid = p->pid;
        info->can_move = true;
        snprintf(info->vmm_version, sizeof(info->vmm_version), "attach 1 (%.40s)", p->name);
        return 0;
}

static int op_describe(hb_guest_port *port, struct hb_guest_info *ret, struct hb_err *e) {
        struct process_port *p = self(port);
        struct hb_guest_info info = {.kind = "process"};
        int rc = begin(p, "process.describe", false, e);

        if (rc == 0)
                rc = describe(p, &info, e);
        release_guest(p);
        if (rc == 0)
                *ret = info;
        return rc;
}

static int op_prepare_source(hb_guest_port *port, struct hb_err *e) {
        struct process_port *p = self(port);
        struct hb_attach_reply r;
        int rc = begin(p, "process.prepare_source", true, e);

        if (rc == 0)
                rc = hello(p, &r, e);
        if (rc == 0 && state_of(&r) != HB_GUEST_RUNNING)
                rc = hb_err_set(e, -EOPNOTSUPP, p->path, NULL,
                                "only a running guest can be moved; this one is '%s'",
                                hb_attach_reply_get(&r, "state"));
        return rc;
}

static int check_shape(const struct process_port *p, const struct hb_guest_info *info,
                       const struct hb_shape *shape, struct hb_err *e) {
        for (uint32_t i = 0; i < shape->nregions; i++) {
                const struct hb_region *r = &shape->regions[i];
                unsigned j = 0;

                while (j < info->nclaims && strcmp(info->claims[j].name, r->name) != 0)
                        j++;
                if (j == info->nclaims)
                        return hb_err_set(e, -EINVAL, r->name, "start the same program on the target",
                                          "the waiting process has no region of this name");
                if (info->claims[j].bytes != r->pages << HB_PAGE_SHIFT)
                        return hb_err_set(e, -EINVAL, r->name, "start it with the same size of memory",
                                          "the waiting process has %llu bytes where the source has %llu",
                                          (unsigned long long)info->claims[j].bytes,
                                          (unsigned long long)r->pages << HB_PAGE_SHIFT);
        }
        if (info->nclaims != shape->nregions)
                return hb_err_set(e, -EINVAL, p->path, "start the same program on the target",
                                  "the waiting process has %u regions, the source %u", info->nclaims,
                                  shape->nregions);
        return 0;
}

static int op_prepare_target(hb_guest_port *port, const struct hb_shape *shape, struct hb_err *e) {
        struct process_port *p = self(port);
        struct hb_guest_info info = {0};
        int rc = begin(p, "process.prepare_target", true, e);

        if (rc == 0)
                rc = describe(p, &info, e);
        if (rc == 0 && info.state != HB_GUEST_INCOMING)
                rc = hb_err_set(e, -EINVAL, p->path, "start it with --incoming",
                                "the target's process does not wait for a guest (it is %s)",
                                hb_guest_state_name(info.state));
        return rc < 0 ? rc : check_shape(p, &info, shape, e);
}

static void drop_stream(struct process_port *p) {
        if (p->stream_fd >= 0)
                close(p->stream_fd);
        p->stream_fd = -1;
}

static int op_stream(hb_guest_port *port, int *ret_fd, struct hb_err *e) {
        struct process_port *p = self(port);
        int fds[2];

        if (hb_fault("process.stream"))
                return hb_err_set(e, -EIO, p->path, NULL, "process.stream failed (injected)");
        if (dead(p, 0))
                return gone(p, e);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return hb_err_set(e, -errno, p->path, NULL, "cannot make a socket pair: %s", strerror(errno));
        drop_stream(p);
        p->stream_fd = fds[1];
        *ret_fd = fds[0];
        return 0;
}

/* The reply's time of stopping or starting. */
static int wall_of(const struct process_port *p, const struct hb_attach_reply *r, uint64_t *ret,
                   struct hb_err *e) {
        if (hb_attach_reply_number(r, "wall_ns", UINT64_MAX, ret) < 0)
                return hb_err_set(e, -EPROTO, p->path, NULL, "the guest does not say when");
        return 0;
}

static int op_freeze(hb_guest_port *port, int timeout_ms, uint64_t *ret_stop_wall_ns, struct hb_err *e) {
        struct process_port *p = self(port);
        struct hb_attach_reply r;
        char request[48];
        int rc = begin(p, "process.freeze", true, e);

        snprintf(request, sizeof(request), "freeze ms=%d", timeout_ms);
        if (rc == 0)
                rc = ask(p, request, -1, timeout_ms + GRACE_MS, &r, e);
        return rc < 0 ? rc : wall_of(p, &r, ret_stop_wall_ns, e);
}

/* With the stream's end, if one was made and not passed yet. */
static int ask_with_stream(struct process_port *p, const char *request, int timeout_ms, struct hb_err *e) {
        struct hb_attach_reply r;
        int rc = ask(p, request, p->stream_fd, timeout_ms, &r, e);

        drop_stream(p);
        return rc;
}

static int op_send_state(hb_guest_port *port, int timeout_ms, struct hb_err *e) {
        int rc = begin(self(port), "process.send_state", true, e);

        return rc < 0 ? rc : ask_with_stream(self(port), "save", timeout_ms, e);
}

static int op_receive_start(hb_guest_port *port, struct hb_err *e) {
        int rc = begin(self(port), "process.receive_start", true, e);

        return rc < 0 ? rc : ask_with_stream(self(port), "load", CALL_MS, e);
}

static int op_receive_wait(hb_guest_port *port, int timeout_ms, struct hb_err *e) {
        struct process_port *p = self(port);
        struct hb_attach_reply r;
        char request[48];
        int rc = begin(p, "process.receive_wait", true, e);

        snprintf(request, sizeof(request), "loaded ms=%d", timeout_ms);
        return rc < 0 ? rc : ask(p, request, -1, timeout_ms + GRACE_MS, &r, e);
}

static int op_thaw(hb_guest_port *port, int timeout_ms, struct hb_err *e) {
        struct process_port *p = self(port);
        struct hb_attach_reply r;
        int rc = begin(p, "process.thaw", false, e);

        if (rc == 0)
                rc = ask(p, "thaw", -1, timeout_ms, &r, e);
        if (rc == 0) {
                drop_stream(p);
                p->hold = false;
                release_guest(p);
        }
        return rc;
}

static int op_resume(hb_guest_port *port, int timeout_ms, uint64_t *ret_resume_wall_ns, struct hb_err *e) {
        struct process_port *p = self(port);
        struct hb_attach_reply r;
        int rc = begin(p, "process.resume", false, e);

        if (rc == 0)
                rc = ask(p, "resume", -1, timeout_ms, &r, e);
        if (rc == 0)
                rc = wall_of(p, &r, ret_resume_wall_ns, e);
        if (rc == 0) {
                p->hold = false;
                release_guest(p);
        }
        return rc;
}

static int op_quit(hb_guest_port *port, struct hb_err *e) {
        struct process_port *p = self(port);
        struct hb_attach_reply r;
        int rc = begin(p, "process.quit", false, e);

        if (rc == 0)
                rc = ask(p, "quit", -1, CALL_MS, &r, e);
        if (rc == -ESRCH)
                return 0;
        if (rc < 0 && rc != -ECONNRESET)
                return rc;
        p->line = hb_line_close(p->line);
        rc = hb_line_poll(p->pidfd, POLLIN, p->cancel_fd, hb_deadline_ns(QUIT_MS));
        if (rc < 0)
                return hb_err_set(e, rc, p->path, "end the process by hand; its guest no longer runs",
                                  "the guest was told to end but process %d is still there", (int)p->pid);
        return 0;
}

static void op_cancel(hb_guest_port *port) {
        (void)!eventfd_write(self(port)->cancel_fd, 1);
}

static hb_guest_port *op_close(hb_guest_port *port) {
        struct process_port *p = self(port);

        if (!p)
                return NULL;
        hb_line_close(p->line);
        drop_stream(p);
        if (p->cancel_fd >= 0)
                close(p->cancel_fd);
        if (p->pidfd >= 0)
                close(p->pidfd);
        free(p);
        return NULL;
}

static const struct hb_guest_port_ops ops = {
        .kind = "process",
        .describe = op_describe,
        .prepare_source = op_prepare_source,
        .prepare_target = op_prepare_target,
        .stream = op_stream,
        .freeze = op_freeze,
        .send_state = op_send_state,
        .receive_start = op_receive_start,
        .receive_wait = op_receive_wait,
        .thaw = op_thaw,
        .resume = op_resume,
        .quit = op_quit,
        .cancel = op_cancel,
        .close = op_close,
};

int hb_process_port_open(const char *socket_path, int wait_ms, hb_guest_port **ret, struct hb_err *e) {
        struct process_port *p = calloc(1, sizeof(*p));
        int rc = -ENOMEM;

        if (!p)
                return hb_err_set(e, rc, socket_path, NULL, "out of memory");
        p->port.ops = &ops;
        p->pidfd = p->stream_fd = -1;
        snprintf(p->path, sizeof(p->path), "%s", socket_path);
        p->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (p->cancel_fd < 0) {
                rc = hb_err_set(e, -errno, socket_path, NULL, "cannot make an eventfd: %s", strerror(errno));
                goto fail;
        }
        rc = connect_guest(p, wait_ms, e);
        if (rc < 0)
                goto fail;
        *ret = &p->port;
        return 0;
fail:
        op_close(&p->port);
        return rc;
}
