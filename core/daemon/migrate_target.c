/* migrate_target: what the target does at each step. The VMM is started (or found waiting) on the image's own
 * files; device state comes through the tunnel, which joins two halves that may arrive in either order: the
 * VMM's stream and the source's connection. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/migrate.h"
#include "daemon/vmm.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VMM_START_MS 30000
#define VMM_POLL_MS  250
#define CHECK_MS     1000

/* ---- start or find the VMM; a job ---- */

static bool ended(int pidfd) {
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        return pidfd >= 0 && poll(&p, 1, 0) == 1;
}

static int open_port(struct hb_handover *h, int wait_ms, struct hb_err *e) {
        if (strcmp(h->port_kind, "process") == 0)
                return hb_process_port_open(h->port_path, wait_ms, &h->port, e);
        return hb_qemu_port_open(h->port_path, wait_ms, &h->port, e);
}

/* Waits for the socket, but not for that of a command that has failed. A command may also start its VMM in
 * the background and end. */
static int wait_for_port(struct hb_handover *h, int pidfd, const char *log_path, struct hb_err *e) {
        int r = -ETIMEDOUT, after_end = 8;
        for (int waited = 0; waited < VMM_START_MS && after_end > 0 && !atomic_load(&h->leaving);
             waited += VMM_POLL_MS) {
                r = open_port(h, VMM_POLL_MS, e);
                if (r == 0)
                        return 0;
                if (r != -ENOENT && r != -ECONNREFUSED && r != -ETIMEDOUT)
                        break;
                if (ended(pidfd))
                        after_end--;
        }
        hb_vmm_kill(pidfd);
        if (r != -ENOENT && r != -ECONNREFUSED && r != -ETIMEDOUT)
                return r;
        char tail[160];
        hb_vmm_log_tail(log_path, tail, sizeof tail);
        return hb_err_set(
                e, -EREMOTEIO, h->guest,
                "run incoming_command by hand with HB_QMP and HB_IMAGE_* set; see the VMM's log in run_dir",
                "the destination VMM did not come up: %s", tail[0] ? tail : "it said nothing");
}

static void in_run_dir(const struct hb_handover *h, const char *suffix, char out[512]) {
        snprintf(out, 512, "%s/%s.vmm.%s", h->d->settings->run_dir, h->guest, suffix);
}

static int spawn(struct hb_handover *h, const char *command, int *ret_pidfd, const char *log_path,
                 const char *note_path, struct hb_err *e) {
        struct hb_vmm_start v = {.guest = h->guest,
                                 .command = command,
                                 .socket_path = h->port_path,
                                 .log_path = log_path,
                                 .note_path = note_path,
                                 .shape = &h->in->shape};
        for (unsigned i = 0; i < h->in->shape.nregions; i++)
                snprintf(v.image_paths[i], sizeof v.image_paths[i], "%s",
                         hb_image_region_path(h->in->image, i));
        return hb_vmm_spawn(&v, ret_pidfd, e);
}

static int op_start(struct hb_handover *h, struct hb_err *e) {
        const struct hb_guest_settings *gs = hb_settings_guest(h->d->settings, h->guest);
        char log_path[512], note_path[512];
        in_run_dir(h, "log", log_path);
        in_run_dir(h, "started", note_path);
        int pidfd = -1, r;
        if (gs && gs->incoming_command[0]) {
                r = spawn(h, gs->incoming_command, &pidfd, log_path, note_path, e);
                if (r < 0)
                        return r;
                h->vmm_ours = true;
                r = wait_for_port(h, pidfd, log_path, e);
                close(pidfd);
                unlink(note_path);
        } else {
                r = open_port(h, 2000, e);
        }
        if (r < 0)
                return r == -ESRCH ? -EREMOTEIO : r;
        h->own_port = true;
        r = h->port->ops->prepare_target(h->port, &h->in->shape, e);
        h->vmm_ours |= r == 0;
        return r;
}

/* Where the destination's socket will be, by the settings; -ENOENT: nothing says how to receive this guest.
 */
static int choose_port(struct hb_handover *h, struct hb_err *e) {
        const struct hb_guest_settings *gs = hb_settings_guest(h->d->settings, h->guest);
        snprintf(h->port_kind, sizeof h->port_kind, "%s", h->in->kind);
        const char *waiting = "";
        bool full = false;
        if (gs && !gs->incoming_command[0])
                waiting = strcmp(h->in->kind, "process") == 0 ? gs->incoming_process : gs->incoming_qmp;
        else if (gs)
                full = snprintf(h->port_path, sizeof h->port_path, "%s/%s.vmm", h->d->settings->run_dir,
                                h->guest) >= (int)sizeof h->port_path;
        if (waiting[0])
                snprintf(h->port_path, sizeof h->port_path, "%s", waiting);
        if (h->port_path[0] && !full)
                return 0;
        if (full)
                return hb_err_set(e, -ENAMETOOLONG, h->port_path, "use a shorter run_dir",
                                  "the VMM's socket path does not fit");
        return hb_err_set(
                e, -ENOENT, h->guest,
                "add [guest.NAME] with incoming_command or incoming_qmp to the target's settings and reload",
                "host %s does not know how to start this guest", h->d->settings->name);
}

/* ---- other operations; jobs ---- */

static int op_receive_start(struct hb_handover *h, struct hb_err *e) {
        int fd = -1;
        int r = h->port->ops->stream(h->port, &fd, e);
        if (r < 0)
                return r;
        r = h->port->ops->receive_start(h->port, e);
        if (r < 0) {
                close(fd);
                return r;
        }
        h->stream_fd = fd;
        return 0;
}

static int op_receive_wait(struct hb_handover *h, struct hb_err *e) {
        return h->port->ops->receive_wait(h->port, hb_ho_timeout_ms(HB_T_JOURNAL), e);
}

static int reopen(struct hb_handover *h, struct hb_err *e) {
        if (h->port)
                return 0;
        int r = open_port(h, 1000, e);
        if (r == -ENOENT || r == -ECONNREFUSED)
                return -ESRCH;
        if (r == 0)
                h->own_port = true;
        return r;
}

/* Is it still what was loaded? After a restart of ours it may have died while nobody looked. */
static int op_check_loaded(struct hb_handover *h, struct hb_err *e) {
        int r = reopen(h, e);
        if (r < 0)
                return r;
        return h->port->ops->receive_wait(h->port, CHECK_MS, e);
}

static int op_resume(struct hb_handover *h, struct hb_err *e) {
        int r = reopen(h, e);
        if (r < 0)
                return r;
        return h->port->ops->resume(h->port, hb_ho_timeout_ms(HB_T_RESUME), &h->fig.resume_wall_ns, e);
}

/* A socket that the settings name by mistake may be another guest's, and that one runs: it is not ours to end. */
static bool of_somebody_else(struct hb_handover *h) {
        const struct hb_guest_settings *gs = hb_settings_guest(h->d->settings, h->guest);
        struct hb_guest_info info;
        if (h->vmm_ours)
                return false;
        if (!h->recovered)
                return true;
        return !(gs && gs->incoming_command[0]) && h->port->ops->describe(h->port, &info, NULL) == 0 &&
               info.state == HB_GUEST_RUNNING;
}

static int op_quit(struct hb_handover *h, struct hb_err *e) {
        char note_path[512];
        in_run_dir(h, "started", note_path);
        int r = h->recovered ? hb_vmm_kill_noted(note_path) : 0;
        if (r < 0)
                return hb_err_set(e, r, h->guest, "see RUN_DIR/GUEST.vmm.started: end that process by hand",
                                  "the VMM that was being started does not end");
        r = reopen(h, e);
        if (r == -ESRCH)
                return 0;
        if (r < 0)
                return r;
        if (of_somebody_else(h))
                return 0;
        r = h->port->ops->quit(h->port, e);
        return r == -ESRCH ? 0 : r;
}

/* ---- tunnel: two halves ---- */

static void join_tunnel(struct hb_handover *h) {
        if (h->stream_fd < 0 || h->tunnel_conn.fd < 0)
                return;
        struct hb_err e;
        if (hb_handover_start_tunnel(h, &h->tunnel_conn, h->stream_fd, &e) < 0) {
                hb_handover_why(h, &e);
                hb_handover_event(h, HB_EV_FAIL);
                return;
        }
        h->tunnel_conn.fd = h->stream_fd = -1; /* the tunnel's now */
        h->tunnel_conn.ssl = NULL;
}

int hb_migrate_tunnel(struct hb_incoming *in, struct hb_data_conn *c) {
        struct hb_handover *h = in->handover;
        if (!h || h->tunnel || h->tunnel_conn.fd >= 0)
                return -EACCES;
        h->tunnel_conn = *c;
        join_tunnel(h);
        return 0;
}

/* ---- image ---- */

static void on_complete(struct hb_incoming *in, uint32_t f) {
        struct hb_handover *h = in->handover;
        if (!h || h->state != HB_T_DELTA || !h->waiting)
                return;
        hb_incoming_report(in); /* the final figures go before COMPLETE */
        hb_handover_done(h, h->generation, 0, NULL);
}

static bool complete_image(struct hb_handover *h) {
        h->waiting = true;
        h->in->completed = on_complete;
        hb_engine_freeze(h->in->engine, hb_now_ns(), h->final_epoch);
        hb_incoming_step(h->in);
        return false;
}

/* ---- the table's actions ---- */

static bool record(struct hb_handover *h) {
        struct hb_err e;
        int r = hb_handover_record(h, &e);
        if (r == 0)
                return true;
        hb_handover_done(h, h->generation, r, &e);
        return false;
}

static void send_committed(struct hb_handover *h) {
        struct hb_buf b = {0};
        hb_buf_u64(&b, h->fig.resume_wall_ns);
        hb_buf_u64(&b, hb_wall_ns()); /* with it, how long ago that was: the two hosts' clocks need not agree */
        hb_handover_send(h, HB_MSG_COMMITTED, b.data, b.len);
        hb_buf_free(&b);
}

static void send_with_reason(struct hb_handover *h, enum hb_msg_type type) {
        struct hb_buf b = {0};
        hb_msg_error_put(&h->why, &b);
        hb_handover_send(h, type, b.data, b.len);
        hb_buf_free(&b);
}

static bool start_vmm(struct hb_handover *h) {
        struct hb_err e;
        int r = choose_port(h, &e);
        if (r == 0) { /* the record made on entry did not know the socket yet */
                if (hb_handover_record(h, &e) < 0)
                        r = e.code;
        }
        if (r < 0) {
                hb_handover_done(h, h->generation, -EIO, &e);
                return false;
        }
        hb_handover_port_job(h, op_start);
        return false;
}

static void watch(struct hb_handover *h) {
        struct hb_guest_info info;
        if (h->port && h->port->ops->describe(h->port, &info, NULL) == 0)
                hb_handover_watch_vmm(h, info.pid);
}

bool hb_migrate_target_action(struct hb_handover *h, enum hb_ho_action a) {
        switch (a) {
        case HB_ACT_START_VMM:
                return start_vmm(h);
        case HB_ACT_RECEIVE_START:
                watch(h);
                h->image_touched = true;
                hb_handover_port_job(h, op_receive_start);
                return false;
        case HB_ACT_SEND_PREPARED:
                join_tunnel(h);
                hb_handover_send(h, HB_MSG_PREPARED, NULL, 0);
                return true;
        case HB_ACT_COMPLETE_IMAGE:
                return complete_image(h);
        case HB_ACT_SEND_COMPLETE: {
                struct hb_buf b = {0};
                hb_buf_u32(&b, h->final_epoch);
                hb_handover_send(h, HB_MSG_COMPLETE, b.data, b.len);
                hb_buf_free(&b);
                return true;
        }
        case HB_ACT_RECEIVE_STATE:
                hb_handover_port_job(h, op_receive_wait);
                return false;
        case HB_ACT_CHECK_LOADED:
                hb_handover_port_job(h, op_check_loaded);
                return false;
        case HB_ACT_JOURNAL_LOADED:
        case HB_ACT_JOURNAL_OWNED:
        case HB_ACT_JOURNAL_REFUSED:
                return record(h);
        case HB_ACT_SEND_LOADED:
                hb_handover_send(h, HB_MSG_LOADED, NULL, 0);
                return true;
        case HB_ACT_RESUME:
                hb_handover_port_job(h, op_resume);
                return false;
        case HB_ACT_SEND_COMMITTED:
                send_committed(h);
                return true;
        case HB_ACT_SEND_REFUSED:
                send_with_reason(h, HB_MSG_REFUSED);
                return true;
        case HB_ACT_SEND_ABORTED:
                send_with_reason(h, HB_MSG_ABORTED);
                return true;
        case HB_ACT_SEND_DEAD: {
                uint8_t v = HB_VERDICT_DEAD;
                hb_handover_send(h, HB_MSG_VERDICT, &v, 1);
                return true;
        }
        case HB_ACT_QUIT_VMM:
                h->tunnel = hb_tunnel_free(h->tunnel); /* a VMM that waits for its bytes answers nobody */
                hb_handover_port_job(h, op_quit);
                return false;
        default:
                return true;
        }
}

/* ---- messages ---- */

static void on_prepare(struct hb_incoming *in, const uint8_t *p) {
        struct hb_journal_entry j;
        if (hb_journal_get(in->d->store, p, &j) == 0)
                return; /* ended before (refused by an answer to QUERY, or twice sent): it must never be taken
                         */
        struct hb_handover *h = hb_handover_new(in->d, HB_ROLE_TARGET, p, in->guest, in->host);
        if (!h)
                return; /* the source times out and goes on */
        h->in = in;
        in->handover = h;
        hb_handover_note_memory(h);
        hb_handover_event(h, HB_EV_START);
}

static void on_freeze(struct hb_handover *h, const uint8_t *p, size_t n) {
        struct hb_rd r = hb_rd_init(p, n);
        uint32_t f = hb_rd_u32(&r);
        hb_rd_u64(&r);
        if (!hb_rd_done(&r))
                return;
        h->final_epoch = f;
        hb_handover_event(h, HB_EV_MSG_FREEZE);
}

void hb_migrate_target_message(struct hb_incoming *in, enum hb_msg_type type, const uint8_t *payload,
                               size_t n) {
        struct hb_handover *h = in->handover;
        if (type == HB_MSG_QUERY) {
                hb_migrate_query(in->d, in->session, type, payload, n);
                return;
        }
        if (n < HB_ID_SIZE)
                return;
        if (type == HB_MSG_PREPARE && !h) {
                on_prepare(in, payload);
                return;
        }
        if (!h || memcmp(payload, h->id, HB_ID_SIZE) != 0)
                return;
        struct hb_err e;
        switch (type) {
        case HB_MSG_FREEZE:
                on_freeze(h, payload + HB_ID_SIZE, n - HB_ID_SIZE);
                break;
        case HB_MSG_STATE_END:
                hb_handover_event(h, HB_EV_MSG_STATE_END);
                break;
        case HB_MSG_COMMIT:
                hb_handover_event(h, HB_EV_MSG_COMMIT);
                break;
        case HB_MSG_ABORT:
                if (hb_msg_error_get(payload + HB_ID_SIZE, n - HB_ID_SIZE, &e) == 0)
                        hb_handover_why(h, &e);
                hb_handover_event(h, HB_EV_MSG_ABORT);
                break;
        case HB_MSG_VERDICT:
                hb_migrate_verdict(h, type, payload, n);
                break;
        default:
                break;
        }
}
