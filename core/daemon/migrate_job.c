/* migrate_job: see migrate_job.h. One job at a time of a hand-over; `h->job` is it. */
#include "daemon/migrate_job.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the tunnel's end, from its thread ---- */

struct tunnel_mail {
        struct hb_mail mail; /* first */
        hb_daemon *d;
        uint8_t id[HB_ID_SIZE];
        uint64_t out, in;
        struct hb_err err;
};

static void on_tunnel_mail(struct hb_mail *m) {
        struct tunnel_mail *t = (struct tunnel_mail *)m;
        struct hb_handover *h = hb_handover_by_id(t->d, t->id);
        if (h)
                hb_handover_tunnel_ended(h, t->out + t->in, &t->err);
        free(t);
}

static void on_tunnel_ended(void *arg, uint64_t out, uint64_t in, const struct hb_err *e) {
        struct tunnel_mail *t = arg;
        t->out = out;
        t->in = in;
        if (e)
                t->err = *e;
        hb_mailbox_post(t->d->mailbox, &t->mail, on_tunnel_mail);
}

int hb_handover_start_tunnel(hb_daemon *d, const uint8_t id[HB_ID_SIZE], struct hb_data_conn *c, int fd,
                             hb_tunnel **ret, struct hb_err *e) {
        struct tunnel_mail *t = calloc(1, sizeof *t);
        if (!t)
                return hb_err_set(e, -ENOMEM, c->host, NULL, "no memory for the device-state tunnel");
        t->d = d;
        memcpy(t->id, id, HB_ID_SIZE);
        struct hb_tunnel_callbacks cb = {on_tunnel_ended, t};
        int r = hb_tunnel_new(c, fd, &cb, ret, e);
        if (r < 0)
                free(t);
        return r;
}

/* ---- for the steps ---- */

int hb_move_open(struct hb_move_job *j, int wait_ms, struct hb_err *e) {
        hb_guest_port *p = NULL;
        if (atomic_load(&j->port))
                return 0;
        int r = strcmp(j->port_kind, "process") == 0 ? hb_process_port_open(j->port_path, wait_ms, &p, e)
                                                     : hb_qemu_port_open(j->port_path, wait_ms, &p, e);
        if (r < 0)
                return r;
        j->opened = true;
        atomic_store(&j->port, p);
        if (atomic_load(&j->stop)) /* asked before there was anything to cancel */
                return hb_err_set(e, -ECANCELED, j->guest, NULL, "cancelled");
        return 0;
}

int hb_move_tunnel(struct hb_move_job *j, struct hb_data_conn *c, int fd, struct hb_err *e) {
        return hb_handover_start_tunnel(j->d, j->id, c, fd, &j->tunnel, e);
}

/* ---- the job ---- */

static int work(void *arg) {
        struct hb_move_job *j = arg;
        if (atomic_load(&j->stop))
                return hb_err_set(&j->err, -ECANCELED, j->guest, NULL, "cancelled");
        return j->op(j, &j->err);
}

static void take(struct hb_handover *h, struct hb_move_job *j) {
        h->job = NULL;
        if (j->opened) {
                h->port = atomic_load(&j->port);
                h->own_port = true;
                j->opened = false;
        }
        if (j->tunnel) {
                hb_tunnel_free(h->tunnel);
                h->tunnel = j->tunnel;
                j->tunnel = NULL;
        }
        if (j->stream_fd >= 0) {
                if (h->stream_fd >= 0)
                        close(h->stream_fd);
                h->stream_fd = j->stream_fd;
                j->stream_fd = -1;
        }
        if (j->stop_wall_ns)
                h->fig.stop_wall_ns = j->stop_wall_ns;
        if (j->resume_wall_ns)
                h->fig.resume_wall_ns = j->resume_wall_ns;
        h->vmm_ours |= j->vmm_ours;
        if (j->vmm_pid)
                hb_handover_watch_vmm(h, j->vmm_pid);
}

static void done(void *owner, void *arg, int rc) {
        struct hb_handover *h = owner;
        struct hb_move_job *j = arg;
        take(h, j);
        if (rc < 0 && !j->err.code)
                hb_err_set(&j->err, rc, h->guest, NULL, "%s", hb_errno_name(rc));
        hb_handover_done(h, j->generation, rc, &j->err);
}

/* What is still here nobody took: the hand-over's object is gone. */
static void drop(void *arg) {
        struct hb_move_job *j = arg;
        hb_guest_port *p = atomic_load(&j->port);
        hb_tunnel_free(j->tunnel);
        if (j->stream_fd >= 0)
                close(j->stream_fd);
        if (j->opened)
                p->ops->close(p);
        free(j);
}

static const struct hb_job_ops job_ops = {work, done, drop};

static struct hb_move_job *blank(struct hb_handover *h) {
        struct hb_move_job *j = calloc(1, sizeof *j);
        if (!j)
                return NULL;
        j->h = h;
        j->generation = h->generation;
        j->d = h->d;
        j->settings = h->d->settings;
        j->tls = h->d->tls;
        j->stream_fd = -1;
        j->recovered = h->recovered;
        j->vmm_was_ours = h->vmm_ours;
        memcpy(j->id, h->id, sizeof j->id);
        memcpy(j->guest, h->guest, sizeof j->guest);
        memcpy(j->peer, h->peer, sizeof j->peer);
        memcpy(j->port_kind, h->port_kind, sizeof j->port_kind);
        memcpy(j->port_path, h->port_path, sizeof j->port_path);
        if (h->g && h->g->placement)
                memcpy(j->token, h->g->placement->placed.token, sizeof j->token);
        if (h->in) {
                j->shape = &h->in->shape;
                j->image = h->in->image;
        }
        atomic_init(&j->port, h->port);
        atomic_init(&j->stop, false);
        return j;
}

void hb_handover_job(struct hb_handover *h, int (*op)(struct hb_move_job *j, struct hb_err *e)) {
        struct hb_move_job *j = blank(h);
        struct hb_err e;
        if (j) {
                j->op = op;
                h->job = j;
                if (hb_jobs_run(h->jobs, &job_ops, j) == 0)
                        return;
                h->job = NULL;
        }
        hb_err_set(&e, -ENOMEM, h->guest, NULL, "no memory for a job");
        hb_handover_done(h, h->generation, -ENOMEM, &e);
}

void hb_handover_job_cancel(struct hb_handover *h) {
        if (!h->job)
                return;
        atomic_store(&h->job->stop, true);
        hb_guest_port *p = atomic_load(&h->job->port);
        if (p)
                p->ops->cancel(p);
}
