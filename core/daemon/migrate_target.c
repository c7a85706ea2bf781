/* migrate_target: what the target does at each step. Device state comes through the tunnel, which joins two
 * halves that may arrive in either order: the VMM's stream and the source's connection. */
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/migrate_job.h"
#include "daemon/verify.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- the VMM ---- */

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

/* ---- tunnel: two halves ---- */

static void join_tunnel(struct hb_handover *h) {
        if (h->stream_fd < 0 || h->tunnel_conn.fd < 0)
                return;
        struct hb_err e;
        if (hb_handover_start_tunnel(h->d, h->id, &h->tunnel_conn, h->stream_fd, &h->tunnel, &e) < 0) {
                hb_handover_why(h, &e);
                hb_handover_event(h, HB_EV_FAIL);
                return;
        }
        h->stream_fd = -1; /* the tunnel's now */
        h->tunnel_conn = (struct hb_data_conn){.fd = -1};
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
        hb_buf_u64(&b,
                   hb_wall_ns()); /* with it, how long ago that was: the two hosts' clocks need not agree */
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
        hb_handover_job(h, hb_move_start_vmm);
        return false;
}

bool hb_migrate_target_action(struct hb_handover *h, enum hb_ho_action a) {
        switch (a) {
        case HB_ACT_START_VMM:
                return start_vmm(h);
        case HB_ACT_RECEIVE_START:
                h->image_touched = true;
                hb_handover_job(h, hb_move_receive_start);
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
                hb_handover_job(h, hb_move_receive_wait);
                return false;
        case HB_ACT_CHECK_LOADED:
                hb_handover_job(h, hb_move_check_loaded);
                return false;
        case HB_ACT_JOURNAL_LOADED:
        case HB_ACT_JOURNAL_OWNED:
        case HB_ACT_JOURNAL_REFUSED:
                return record(h);
        case HB_ACT_SEND_LOADED:
                hb_handover_send(h, HB_MSG_LOADED, NULL, 0);
                return true;
        case HB_ACT_RESUME:
                hb_handover_job(h, hb_move_resume);
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
                if (h->stream_fd >= 0)
                        close(h->stream_fd);
                h->stream_fd = -1;
                hb_handover_job(h, hb_move_quit_target);
                return false;
        default:
                return true;
        }
}

/* ---- messages ---- */

static void turn_down_for(struct hb_incoming *in, const uint8_t *id, const struct hb_err *e) {
        struct hb_buf b = {0};
        hb_daemon_event_err(in->d, HB_LOG_WARNING, HB_ON_MIGRATION, in->guest, in->host,
                            "turning a hand-over down", e);
        hb_buf_raw(&b, id, HB_ID_SIZE);
        hb_msg_error_put(e, &b);
        if (!b.failed)
                hb_incoming_send(in, HB_MSG_ABORTED, b.data, b.len);
        hb_buf_free(&b);
}

static void turn_down(struct hb_incoming *in, const uint8_t *id, int code, const char *why) {
        struct hb_err e;
        hb_err_set(&e, code, in->guest, "harbinger history, on the target", "%s", why);
        turn_down_for(in, id, &e);
}

static void on_prepare(struct hb_incoming *in, const uint8_t *p) {
        struct hb_journal_entry j;
        struct hb_err e;
        int r = hb_journal_get(in->d->store, p, &j);
        if (r !=
            -ENOENT) { /* ended before (refused by an answer to QUERY, or twice sent): never to be taken */
                turn_down(in, p, r < 0 ? r : -EALREADY,
                          r < 0 ? "the journal cannot be read" : "it has ended here");
                return;
        }
        if (hb_incoming_spill_check(in, &e) < 0) {
                turn_down_for(in, p, &e);
                return;
        }
        struct hb_handover *h = hb_handover_find(in->d, in->guest)
                                        ? NULL
                                        : hb_handover_new(in->d, HB_ROLE_TARGET, p, in->guest, in->host);
        if (!h) {
                turn_down(in, p, -EBUSY, "another hand-over of it is not settled, or there is no memory");
                return;
        }
        h->in = in;
        in->handover = h;
        hb_handover_note_memory(h);
        hb_handover_event(h, HB_EV_START);
}

static void on_freeze(struct hb_handover *h, const uint8_t *p, size_t n) {
        struct hb_rd r = hb_rd_init(p, n);
        uint32_t f = hb_rd_u32(&r);
        hb_rd_u64(&r);
        if (!hb_rd_done(&r) || f == 0 || h->state != HB_T_PREPARED || !hb_handover_entry_done(h))
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
        case HB_MSG_VERIFY:
                hb_verify_part(h, payload + HB_ID_SIZE, n - HB_ID_SIZE);
                break;
        default:
                break;
        }
}
