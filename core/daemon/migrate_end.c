/* migrate_end: what a hand-over leaves behind: the journal's last word, a line of history, the answer to
 * whoever waits, and the next life of the guest's objects on this host. Frees the hand-over. */
#include "base/clock.h"
#include "daemon/duplicates.h"
#include "daemon/events.h"
#include "daemon/migrate.h"
#include "daemon/recording.h"
#include "daemon/recover.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *result_name(enum hb_ho_state s) {
        switch (s) {
        case HB_S_DONE:
        case HB_T_DONE:
                return "done";
        case HB_S_DEAD:
        case HB_T_DEAD:
                return "dead";
        case HB_S_KEPT:
                return "kept";
        default:
                return "aborted";
        }
}

static json_int_t minus(uint64_t a, uint64_t b) {
        return a > b ? (json_int_t)(a - b) : 0;
}

static json_t *phases(const struct hb_handover *h) {
        json_t *j = json_object();
        for (int s = 0; s < HB_HO_STATES; s++)
                if (h->fig.in_state_ns[s])
                        json_object_set_new(j, hb_ho_state_name((enum hb_ho_state)s),
                                            json_real((double)h->fig.in_state_ns[s] / 1e6));
        return j;
}

static json_t *source_figures(const struct hb_handover *h) {
        const struct hb_move_figures *f = &h->fig;
        const struct hb_msg_report *a = &f->at_request, *z = &f->at_end;
        char id[33];
        hb_id_hex(h->id, id);
        double downtime = f->committed_wall_ns > f->stop_wall_ns && f->stop_wall_ns
                                  ? (f->committed_wall_ns - f->stop_wall_ns) / 1e6
                                  : 0;
        json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:s}", "handover", id, "guest", h->guest, "from",
                              h->d->settings->name, "to", h->peer, "result", result_name(h->state));
        json_object_update_new(j, json_pack("{s:f,s:f,s:I,s:I,s:I,s:I}", "downtime_ms", downtime, "total_ms",
                                            (f->ended_ns - f->asked_ns) / 1e6, "bytes_after",
                                            minus(z->wire_bytes, a->wire_bytes) + (json_int_t)f->tunnel_bytes,
                                            "pages_final", (json_int_t)z->final_pages, "nonzero_bytes",
                                            minus(z->fresh, z->zero_pages) * HB_PAGE_SIZE, "state_bytes",
                                            (json_int_t)f->tunnel_bytes));
        json_object_set_new(j, "placement",
                            json_pack("{s:I,s:I,s:f,s:I}", "bytes", (json_int_t)a->wire_bytes, "pages",
                                      (json_int_t)a->fetched_pages, "seconds", f->placement_s,
                                      "summary_bytes", (json_int_t)f->summary_before));
        json_object_set_new(j, "duplicates",
                            json_pack("{s:I,s:I,s:I}", "copied_pages", (json_int_t)z->copied_pages,
                                      "copied_bytes", (json_int_t)(z->copied_pages * HB_PAGE_SIZE),
                                      "refuted_pages", (json_int_t)z->refuted_pages));
        json_object_set_new(j, "outcome",
                            json_pack("{s:I,s:I,s:I,s:I,s:I}", "hit", (json_int_t)z->hit, "late",
                                      (json_int_t)z->late, "stale", (json_int_t)z->stale_at_freeze, "missing",
                                      (json_int_t)z->missing_at_freeze, "wasted",
                                      (json_int_t)z->wasted_pages));
        return j;
}

static void fail_request(struct hb_handover *h) {
        struct hb_err e;
        if (h->state == HB_S_DEAD)
                hb_err_set(&e, -ESRCH, h->guest, "harbinger history",
                           "the guest's VMM on the source ended during the move; it was the only copy");
        else if (h->state == HB_S_KEPT)
                hb_err_set(&e, -EOWNERDEAD, h->guest,
                           "harbinger migrate --recover GUEST --keep-source resumes the copy frozen here",
                           "the target took the guest and its VMM ended there");
        else
                hb_err_set(&e, h->why.code ? h->why.code : -ECANCELED,
                           h->why.which[0] ? h->why.which : h->guest,
                           h->why.next[0] ? h->why.next : "harbinger history",
                           "%s; the guest runs on %s as before",
                           h->why.code ? h->why.what : "the hand-over was given up", h->d->settings->name);
        hb_request_fail(h->request, &e);
        h->request = NULL;
}

/* A move that did not come about is worth a look; a guest that is no more is worth more. */
static enum hb_log_level level_of(const struct hb_handover *h) {
        switch (h->state) {
        case HB_S_DONE:
        case HB_T_DONE:
                return HB_LOG_NOTICE;
        case HB_S_DEAD:
        case HB_T_DEAD:
        case HB_S_KEPT:
                return HB_LOG_ERR;
        default:
                return HB_LOG_WARNING;
        }
}

static void tell(struct hb_handover *h) {
        h->fig.ended_ns = hb_now_ns();
        json_t *fig = h->role == HB_ROLE_SOURCE ? source_figures(h)
                                                : json_pack("{s:s}", "state", hb_ho_state_name(h->state));
        if (h->why.code)
                json_object_set_new(fig, "error", hb_ctl_error_json(&h->why));
        json_object_set_new(fig, "phases_ms", phases(h));
        bool out = h->role == HB_ROLE_SOURCE;
        hb_daemon_history(h->d, "migration", h->guest, out ? h->d->settings->name : h->peer,
                          out ? h->peer : h->d->settings->name, result_name(h->state), json_incref(fig));
        hb_daemon_event(h->d, level_of(h), HB_ON_MIGRATION, h->guest, h->peer, h->why.next,
                        "hand-over of %s %s %s: %s%s%s", h->guest, out ? "to" : "from", h->peer,
                        hb_ho_state_text(h->state), h->why.code ? ": " : "", h->why.code ? h->why.what : "");
        if (h->request && h->state == HB_S_DONE) {
                hb_request_ok(h->request, json_incref(fig));
                h->request = NULL;
        } else if (h->request) {
                fail_request(h);
        }
        json_decref(fig);
}

/* ---- source ---- */

/* dead: the image over there is of no use. */
static void forget_guest(hb_daemon *d, struct hb_guest *g, bool dead) {
        hb_recover_forget(d, g->name);
        if (g->placement)
                hb_outgoing_free(g->placement, dead);
        g->gone = true;
        hb_guest_free(g, false);
}

static void source_ended(struct hb_handover *h) {
        hb_daemon *d = h->d;
        struct hb_guest *g = h->g;
        enum hb_ho_state s = h->state;
        char name[HB_NAME_MAX], kind[16], path[256];
        snprintf(name, sizeof name, "%s", h->guest);
        snprintf(kind, sizeof kind, "%s", h->port_kind);
        snprintf(path, sizeof path, "%s", h->port_path);
        bool recovered = h->recovered, cold = h->cold;
        if (h->tunnel)
                h->tunnel = hb_tunnel_free(h->tunnel);
        hb_handover_free(h);
        if (g && s == HB_S_DONE) {
                hb_recording_moved(g);
                hb_dup_guest_departed(g);
        }
        if (g && (s == HB_S_DONE || s == HB_S_DEAD)) {
                forget_guest(d, g, s == HB_S_DEAD);
        } else if (recovered && (s == HB_S_DONE || s == HB_S_DEAD)) {
                hb_recover_forget(d, name);
                hb_guest_unlink_files(d, name);
        } else if (recovered && s == HB_S_ABORTED) {
                hb_recover_attach(d, name, kind, path, "");
        } else if (g) {
                hb_guest_set_epoch(g, 0);
                if ((s == HB_S_KEPT || cold) && g->placement)
                        hb_outgoing_free(g->placement, true); /* cold: made for this move alone */
        }
}

/* ---- target ---- */

static void target_ended(struct hb_handover *h) {
        hb_daemon *d = h->d;
        struct hb_incoming *in = h->in;
        enum hb_ho_state s = h->state;
        bool touched = h->image_touched || h->recovered;
        char name[HB_NAME_MAX], kind[16], path[256];
        snprintf(name, sizeof name, "%s", h->guest);
        snprintf(kind, sizeof kind, "%s", h->port_kind);
        snprintf(path, sizeof path, "%s", h->port_path);
        hb_handover_free(h);
        if (s == HB_T_DONE) {
                hb_recover_remember(d, name, kind,
                                    path); /* before the image's record goes: one of them tells of it */
                if (in)
                        hb_incoming_free(in, HB_IN_RELEASE);
                else
                        hb_recover_release_image(d, name);
                hb_recover_attach(d, name, kind, path, "");
                return;
        }
        /* A VMM that had the image open may have written to it: what is fresh there is not known any more. */
        if (in && (touched || s == HB_T_DEAD || in->unplace_due)) {
                hb_incoming_send(in, HB_MSG_UNPLACED, NULL,
                                 0); /* or the source would think it still placed */
                hb_incoming_free(in, HB_IN_REMOVE);
        } else if (in)
                hb_engine_thaw(in->engine, hb_now_ns());
        else
                hb_recover_drop_image(d, name);
}

void hb_migrate_on_end(evutil_socket_t fd, short what, void *arg) {
        struct hb_handover *h = arg;
        tell(h);
        if (h->role == HB_ROLE_SOURCE)
                source_ended(h);
        else
                target_ended(h);
}

/* What the last action sent leaves first: the peer is waiting for it, while clearing up unmaps memory and
 * joins threads. */
void hb_migrate_ended(struct hb_handover *h) {
        struct timeval soon = {0, 10000};
        if (!h->ended)
                event_add(h->end, &soon);
        h->ended = true;
}
