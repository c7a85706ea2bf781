/* qmp: client of the QEMU Machine Protocol.
 *
 * Invariant: each request has its own id, and an answer with another id belongs to a call that timed out or
 * was cancelled and is dropped; so a connection stays usable after either. Blocks at most its time-outs. One
 * thread. */
#include "move/qmp.h"
#include "base/clock.h"
#include "base/fault.h"
#include "move/line_conn.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GREETING_MS 2000
#define KEPT_EVENTS 64

struct hb_qmp {
        hb_line_conn *line;
        char path[256], version[64];
        bool broken; /* part of a request may have been sent */
        uint64_t last_id, nevents;
        struct hb_qmp_event events[KEPT_EVENTS];
};

static void keep_event(hb_qmp *q, const struct hb_qmp_msg *m) {
        struct hb_qmp_event *ev = &q->events[q->nevents++ % KEPT_EVENTS];

        *ev = (struct hb_qmp_event){.wall_ns = m->wall_ns};
        memcpy(ev->name, m->name, sizeof(ev->name));
        memcpy(ev->status, m->text, sizeof(ev->status) - 1);
}

/* The next message; lines that are none break the connection's trust and fail. */
static int next_message(hb_qmp *q, uint64_t deadline_ns, struct hb_qmp_msg *ret) {
        char *line;
        size_t size;
        int rc = hb_line_recv(q->line, deadline_ns, &line, &size);

        return rc < 0 ? rc : hb_qmp_msg_parse(line, size, ret);
}

static int not_connected(const char *path, int rc, struct hb_err *e) {
        switch (rc) {
        case -ENOENT:
                return hb_err_set(e, rc, path,
                                  "start QEMU with -qmp unix:PATH,server=on,wait=off, or correct the path",
                                  "no such monitor socket");
        case -ECONNREFUSED:
                return hb_err_set(e, rc, path, "QEMU has ended; start the guest again",
                                  "nobody listens on the monitor socket");
        case -EACCES:
                return hb_err_set(e, rc, path, "run the daemon as root or give it access to the socket",
                                  "the monitor socket may not be opened");
        case -EBUSY:
                return hb_err_set(
                        e, rc, path,
                        "close the other client, or give QEMU one more -qmp socket for Harbinger alone",
                        "no greeting: another client holds the monitor");
        case -ECANCELED:
                return hb_err_set(e, rc, path, NULL, "cancelled while opening the monitor");
        case -EPROTO:
                return hb_err_set(e, rc, path, "name the socket given to QEMU's -qmp",
                                  "this is not a QEMU monitor");
        default:
                return hb_err_set(e, rc, path, NULL, "cannot open the monitor: %s", hb_errno_name(rc));
        }
}

static int greet(hb_qmp *q) {
        struct hb_qmp_msg m;
        int rc = next_message(q, hb_deadline_ns(GREETING_MS), &m);

        if (rc < 0)
                return rc == -ETIMEDOUT ? -EBUSY : rc == -ECANCELED ? rc : -EPROTO;
        memcpy(q->version, m.name, sizeof(m.name));
        rc = m.kind == HB_QMP_GREETING ? 0 : -EPROTO;
        hb_qmp_msg_free(&m);
        return rc;
}

int hb_qmp_connect(const char *path, int wait_ms, int cancel_fd, hb_qmp **ret, struct hb_err *e) {
        hb_qmp *q = calloc(1, sizeof(*q));
        int rc;

        if (!q)
                return hb_err_set(e, -ENOMEM, path, NULL, "out of memory");
        snprintf(q->path, sizeof(q->path), "%s", path);
        rc = hb_line_connect(path, wait_ms, cancel_fd, &q->line);
        if (rc == 0)
                rc = greet(q);
        if (rc < 0) {
                not_connected(path, rc, e);
                goto fail;
        }
        rc = hb_qmp_call(q, "qmp_capabilities", NULL, -1, GREETING_MS, NULL, e);
        if (rc < 0)
                goto fail;
        *ret = q;
        return 0;
fail:
        hb_qmp_close(q);
        return rc;
}

hb_qmp *hb_qmp_close(hb_qmp *q) {
        if (!q)
                return NULL;
        hb_line_close(q->line);
        free(q);
        return NULL;
}

pid_t hb_qmp_pid(const hb_qmp *q) {
        return hb_line_peer(q->line);
}

const char *hb_qmp_version(const hb_qmp *q) {
        return q->version;
}

static int send_request(hb_qmp *q, const char *command, json_t *args, int fd_to_pass, uint64_t deadline_ns) {
        json_t *request = json_pack("{s:s, s:o*, s:I}", "execute", command, "arguments", args, "id",
                                    (json_int_t)++q->last_id);
        char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
        char *line = NULL;
        int n, rc = q->broken ? -ECONNRESET : -ENOMEM;

        n = text && !q->broken ? asprintf(&line, "%s\n", text) : -1;
        if (n >= 0) {
                rc = hb_line_send(q->line, line, (size_t)n, fd_to_pass, deadline_ns);
                free(line);
        }
        free(text);
        json_decref(request);
        return rc;
}

static int answered(struct hb_qmp_msg *m, const char *command, const char *path, json_t **ret,
                    struct hb_err *e) {
        if (m->kind == HB_QMP_RETURN) {
                if (ret)
                        *ret = json_incref(m->body);
                return 0;
        }
        if (strcmp(m->name, "CommandNotFound") == 0)
                return hb_err_set(e, -EOPNOTSUPP, path, "use QEMU 4.2 or newer", "this QEMU does not know %s",
                                  command);
        return hb_err_set(e, -EREMOTEIO, path, NULL, "QEMU refused %s: %s", command, m->text);
}

static int await(hb_qmp *q, const char *command, uint64_t deadline_ns, json_t **ret, struct hb_err *e) {
        for (;;) {
                struct hb_qmp_msg m;
                int rc = next_message(q, deadline_ns, &m);

                if (rc < 0)
                        return hb_err_set(e, rc, q->path, NULL, "no answer to %s from the monitor: %s",
                                          command, hb_errno_name(rc));
                if (m.kind == HB_QMP_EVENT)
                        keep_event(q, &m);
                /* an error without id: QEMU could not even parse the request */
                if ((m.kind == HB_QMP_RETURN && m.id == q->last_id) ||
                    (m.kind == HB_QMP_ERROR && (m.id == q->last_id || m.id == 0))) {
                        rc = answered(&m, command, q->path, ret, e);
                        hb_qmp_msg_free(&m);
                        return rc;
                }
                hb_qmp_msg_free(&m);
        }
}

int hb_qmp_call(hb_qmp *q, const char *command, json_t *args, int fd_to_pass, int timeout_ms, json_t **ret,
                struct hb_err *e) {
        uint64_t deadline_ns = hb_deadline_ns(timeout_ms);
        int rc;

        if (hb_fault("qmp.call")) {
                json_decref(args);
                return hb_err_set(e, -EIO, q->path, NULL, "%s failed (injected)", command);
        }
        rc = send_request(q, command, args, fd_to_pass, deadline_ns);
        q->broken = q->broken || rc < 0;
        if (rc < 0)
                return hb_err_set(e, rc, q->path, NULL, "cannot send %s to the monitor: %s", command,
                                  hb_errno_name(rc));
        return await(q, command, deadline_ns, ret, e);
}

uint64_t hb_qmp_events(const hb_qmp *q) {
        return q->nevents;
}

int hb_qmp_event(const hb_qmp *q, const char *name, uint64_t after, struct hb_qmp_event *ret) {
        if (after + KEPT_EVENTS < q->nevents)
                after = q->nevents - KEPT_EVENTS;
        for (uint64_t i = after; i < q->nevents; i++)
                if (strcmp(q->events[i % KEPT_EVENTS].name, name) == 0) {
                        *ret = q->events[i % KEPT_EVENTS];
                        return 0;
                }
        return -ENOENT;
}

int hb_qmp_wait(hb_qmp *q, int timeout_ms) {
        uint64_t deadline_ns = hb_deadline_ns(timeout_ms);

        for (;;) {
                struct hb_qmp_msg m;
                int rc = next_message(q, deadline_ns, &m);
                bool event;

                if (rc < 0)
                        return rc;
                event = m.kind == HB_QMP_EVENT;
                if (event)
                        keep_event(q, &m);
                hb_qmp_msg_free(&m);
                if (event)
                        return 0;
        }
}
