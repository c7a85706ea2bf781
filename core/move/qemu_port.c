/* qemu_port: a QEMU guest behind its monitor.
 *
 * QEMU serves one client a monitor socket, so the connection is made when an operation needs it and dropped
 * after describe; from prepare to the end of the hand-over it is kept. The process is known by the socket's
 * peer and held by a pidfd: a reused pid cannot be taken for it, and its end is seen even where the monitor
 * is silent. One worker thread at a time; cancel from any. */
#include "base/clock.h"
#include "base/fault.h"
#include "move/line_conn.h"
#include "move/qemu_priv.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define QUIT_MS      5000
#define CALL_MS      5000
#define LAST_CALL_MS 200
#define DEATH_MS     500 /* from a closed monitor to the process's end */

static struct hb_qemu *self(hb_guest_port *p) {
        return (struct hb_qemu *)p;
}

bool hb_qemu_dead(const struct hb_qemu *q, int wait_ms) {
        struct pollfd p = {.fd = q->pidfd, .events = POLLIN};

        return q->pidfd >= 0 && poll(&p, 1, wait_ms) > 0;
}

int hb_qemu_gone(const struct hb_qemu *q, struct hb_err *e) {
        return hb_err_set(e, -ESRCH, q->path, "see QEMU's own log for why", "the VMM has ended (process %d)",
                          (int)q->pid);
}

/* The first connection says which process this port is about; a later one must find the same. */
static int know_process(struct hb_qemu *q, struct hb_err *e) {
        pid_t pid = hb_qmp_pid(q->qmp);

        if (q->pidfd >= 0)
                return pid == q->pid && !hb_qemu_dead(q, 0) ? 0 : hb_qemu_gone(q, e);
        q->pid = pid;
        q->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (q->pidfd < 0)
                return hb_err_set(e, -errno, q->path, "run the daemon in QEMU's pid namespace",
                                  "cannot watch the VMM's process %d: %s", (int)pid, strerror(errno));
        snprintf(q->version, sizeof(q->version), "%s", hb_qmp_version(q->qmp));
        return 0;
}

static int connect_monitor(struct hb_qemu *q, int wait_ms, struct hb_err *e) {
        int rc;

        if (q->qmp)
                return 0;
        if (hb_qemu_dead(q, 0))
                return hb_qemu_gone(q, e);
        rc = hb_qmp_connect(q->path, wait_ms, q->cancel_fd, &q->qmp, e);
        if (rc < 0)
                return hb_qemu_dead(q, 0) ? hb_qemu_gone(q, e) : rc;
        rc = know_process(q, e);
        if (rc < 0)
                q->qmp = hb_qmp_close(q->qmp);
        return rc;
}

static void release_monitor(struct hb_qemu *q) {
        if (!q->hold)
                q->qmp = hb_qmp_close(q->qmp);
}

/* A broken connection is not used again; if the process ends too, that is what the caller must hear. */
static int judge(struct hb_qemu *q, int rc, struct hb_err *e) {
        if (rc != -ECONNRESET)
                return rc;
        q->qmp = hb_qmp_close(q->qmp);
        return hb_qemu_dead(q, DEATH_MS) ? hb_qemu_gone(q, e) : rc;
}

uint64_t hb_qemu_until(struct hb_qemu *q, int timeout_ms) {
        return q->until_ns = hb_deadline_ns(timeout_ms);
}

/* QEMU answers in microseconds unless something holds its main loop: then the operation's deadline counts,
 * and a little more, for the question that tells how things stand. */
static int call_ms(const struct hb_qemu *q) {
        uint64_t now = hb_now_ns(), left;

        if (!q->until_ns)
                return CALL_MS;
        left = q->until_ns > now ? (q->until_ns - now) / HB_NS_PER_MS : 0;
        return left + LAST_CALL_MS < CALL_MS ? (int)left + LAST_CALL_MS : CALL_MS;
}

int hb_qemu_call_fd(struct hb_qemu *q, const char *command, json_t *args, int fd, json_t **ret,
                    struct hb_err *e) {
        int rc = connect_monitor(q, 0, e);

        if (rc < 0) {
                json_decref(args);
                return rc;
        }
        return judge(q, hb_qmp_call(q->qmp, command, args, fd, call_ms(q), ret, e), e);
}

int hb_qemu_call(struct hb_qemu *q, const char *command, json_t *args, json_t **ret, struct hb_err *e) {
        return hb_qemu_call_fd(q, command, args, -1, ret, e);
}

int hb_qemu_hmp(struct hb_qemu *q, const char *command_line, char **ret, struct hb_err *e) {
        json_t *v;
        int rc = hb_qemu_call(q, "human-monitor-command", json_pack("{s:s}", "command-line", command_line),
                              &v, e);

        if (rc < 0)
                return rc;
        *ret = json_is_string(v) ? strdup(json_string_value(v)) : NULL;
        json_decref(v);
        return *ret ? 0
                    : hb_err_set(e, -EPROTO, q->path, NULL, "QEMU's answer to '%s' is not text",
                                 command_line);
}

int hb_qemu_pause(struct hb_qemu *q, int timeout_ms, struct hb_err *e) {
        int rc = connect_monitor(q, 0, e);

        if (rc < 0)
                return rc;
        rc = hb_qmp_wait(q->qmp, timeout_ms);
        if (rc == 0 || rc == -ETIMEDOUT)
                return 0;
        hb_err_set(e, rc, q->path, NULL, rc == -ECANCELED ? "cancelled" : "lost the monitor's connection");
        return judge(q, rc, e);
}

static enum hb_qemu_mig mig_from_name(const char *name) {
        static const struct {
                const char *name;
                enum hb_qemu_mig mig;
        } names[] = {{"none", HB_MIG_NONE},           {"setup", HB_MIG_SETUP},
                     {"active", HB_MIG_ACTIVE},       {"pre-switchover", HB_MIG_PRE_SWITCHOVER},
                     {"device", HB_MIG_DEVICE},       {"cancelling", HB_MIG_CANCELLING},
                     {"completed", HB_MIG_COMPLETED}, {"failed", HB_MIG_FAILED},
                     {"cancelled", HB_MIG_CANCELLED}};

        for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
                if (strcmp(name, names[i].name) == 0)
                        return names[i].mig;
        return name ? HB_MIG_OTHER : HB_MIG_NONE;
}

static void copy_text(char *out, size_t size, const json_t *s) {
        snprintf(out, size, "%s", json_is_string(s) ? json_string_value(s) : "");
}

int hb_qemu_status(struct hb_qemu *q, struct hb_qemu_status *ret, struct hb_err *e) {
        struct hb_qemu_status st = {0};
        json_t *v;
        int rc = hb_qemu_call(q, "query-migrate", NULL, &v, e);

        if (rc < 0)
                return rc;
        st.mig = mig_from_name(json_string_value(json_object_get(v, "status")));
        copy_text(st.mig_error, sizeof(st.mig_error), json_object_get(v, "error-desc"));
        copy_text(st.blocked, sizeof(st.blocked), json_array_get(json_object_get(v, "blocked-reasons"), 0));
        json_decref(v);
        rc = hb_qemu_call(q, "query-status", NULL, &v, e);
        if (rc < 0)
                return rc;
        copy_text(st.run, sizeof(st.run), json_object_get(v, "status"));
        json_decref(v);
        *ret = st;
        return 0;
}

/* Every operation begins here: an old cancellation is forgotten, the monitor is at hand. */
static int begin(struct hb_qemu *q, const char *fault, bool hold, struct hb_err *e) {
        eventfd_t ignored;
        int rc;

        if (hb_fault(fault))
                return hb_err_set(e, -EIO, q->path, NULL, "%s failed (injected)", fault);
        q->until_ns = 0;
        (void)!eventfd_read(q->cancel_fd, &ignored);
        rc = connect_monitor(q, 0, e);
        if (rc == 0)
                q->hold = q->hold || hold;
        return rc;
}

static int op_describe(hb_guest_port *p, struct hb_guest_info *ret, struct hb_err *e) {
        struct hb_qemu *q = self(p);
        struct hb_guest_info info = {.kind = "qemu"};
        int rc = begin(q, "qemu.describe", false, e);

        if (rc == 0)
                rc = hb_qemu_describe(q, &info, e);
        release_monitor(q);
        if (rc == 0)
                *ret = info;
        return rc;
}

static int op_prepare_source(hb_guest_port *p, struct hb_err *e) {
        int rc = begin(self(p), "qemu.prepare_source", true, e);

        return rc < 0 ? rc : hb_qemu_prepare_source(self(p), e);
}

static int op_prepare_target(hb_guest_port *p, const struct hb_shape *shape, struct hb_err *e) {
        int rc = begin(self(p), "qemu.prepare_target", true, e);

        return rc < 0 ? rc : hb_qemu_prepare_target(self(p), shape, e);
}

/* Hands one end of a socket pair to QEMU under a name; a leftover of that name is replaced. */
static int op_stream(hb_guest_port *p, int *ret_fd, struct hb_err *e) {
        struct hb_qemu *q = self(p);
        int fds[2], rc = begin(q, "qemu.stream", true, e);

        if (rc < 0)
                return rc;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return hb_err_set(e, -errno, q->path, NULL, "cannot make a socket pair: %s", strerror(errno));
        rc = hb_qemu_call_fd(q, "getfd", json_pack("{s:s}", "fdname", HB_QEMU_STREAM), fds[1], NULL, e);
        close(fds[1]);
        if (rc < 0) {
                close(fds[0]);
                return rc;
        }
        q->have_stream = true;
        *ret_fd = fds[0];
        return 0;
}

static int op_freeze(hb_guest_port *p, int timeout_ms, uint64_t *ret_stop_wall_ns, struct hb_err *e) {
        int rc = begin(self(p), "qemu.freeze", true, e);

        return rc < 0 ? rc : hb_qemu_freeze(self(p), timeout_ms, ret_stop_wall_ns, e);
}

static int op_send_state(hb_guest_port *p, int timeout_ms, struct hb_err *e) {
        int rc = begin(self(p), "qemu.send_state", true, e);

        return rc < 0 ? rc : hb_qemu_send_state(self(p), timeout_ms, e);
}

static int op_receive_start(hb_guest_port *p, struct hb_err *e) {
        int rc = begin(self(p), "qemu.receive_start", true, e);

        return rc < 0 ? rc : hb_qemu_receive_start(self(p), e);
}

static int op_receive_wait(hb_guest_port *p, int timeout_ms, struct hb_err *e) {
        int rc = begin(self(p), "qemu.receive_wait", true, e);

        return rc < 0 ? rc : hb_qemu_receive_wait(self(p), timeout_ms, e);
}

/* The end of a hand-over on this side: the monitor is free again. */
static int op_thaw(hb_guest_port *p, int timeout_ms, struct hb_err *e) {
        struct hb_qemu *q = self(p);
        int rc = begin(q, "qemu.thaw", false, e);

        if (rc == 0)
                rc = hb_qemu_thaw(q, timeout_ms, e);
        if (rc == 0) {
                q->hold = false;
                release_monitor(q);
        }
        return rc;
}

static int op_resume(hb_guest_port *p, int timeout_ms, uint64_t *ret_resume_wall_ns, struct hb_err *e) {
        struct hb_qemu *q = self(p);
        int rc = begin(q, "qemu.resume", false, e);

        if (rc == 0)
                rc = hb_qemu_resume(q, timeout_ms, ret_resume_wall_ns, e);
        if (rc == 0) {
                q->hold = false;
                release_monitor(q);
        }
        return rc;
}

static int op_quit(hb_guest_port *p, struct hb_err *e) {
        struct hb_qemu *q = self(p);
        int rc = begin(q, "qemu.quit", false, e);

        if (rc == 0)
                rc = hb_qemu_call(q, "quit", NULL, NULL, e);
        if (rc == -ESRCH)
                return 0;
        if (rc < 0 && rc != -ECONNRESET)
                return rc;
        q->qmp = hb_qmp_close(q->qmp);
        rc = hb_line_poll(q->pidfd, POLLIN, q->cancel_fd, hb_deadline_ns(QUIT_MS));
        if (rc < 0)
                return hb_err_set(e, rc, q->path, "end the process by hand; its guest no longer runs",
                                  "QEMU was told to quit but process %d is still there", (int)q->pid);
        return 0;
}

static void op_cancel(hb_guest_port *p) {
        (void)!eventfd_write(self(p)->cancel_fd, 1);
}

static hb_guest_port *op_close(hb_guest_port *p) {
        struct hb_qemu *q = self(p);

        if (!q)
                return NULL;
        hb_qmp_close(q->qmp);
        if (q->cancel_fd >= 0)
                close(q->cancel_fd);
        if (q->pidfd >= 0)
                close(q->pidfd);
        json_decref(q->caps_before);
        json_decref(q->params_before);
        free(q);
        return NULL;
}

static const struct hb_guest_port_ops ops = {
        .kind = "qemu",
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

int hb_qemu_port_open(const char *qmp_path, int wait_ms, hb_guest_port **ret, struct hb_err *e) {
        struct hb_qemu *q = calloc(1, sizeof(*q));
        int rc = -ENOMEM;

        if (!q)
                return hb_err_set(e, rc, qmp_path, NULL, "out of memory");
        q->port.ops = &ops;
        q->pidfd = -1;
        snprintf(q->path, sizeof(q->path), "%s", qmp_path);
        q->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (q->cancel_fd < 0) {
                rc = hb_err_set(e, -errno, qmp_path, NULL, "cannot make an eventfd: %s", strerror(errno));
                goto fail;
        }
        rc = connect_monitor(q, wait_ms, e);
        if (rc < 0)
                goto fail;
        *ret = &q->port;
        return 0;
fail:
        op_close(&q->port);
        return rc;
}
