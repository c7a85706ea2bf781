/* migrate_commands: what an operator asks of hand-overs. */
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/migrate.h"
#include "daemon/recover.h"
#include <errno.h>
#include <math.h>
#include <string.h>

/* As the source sees it; null on the target and without a placement. */
static json_t *progress_json(const struct hb_handover *h) {
        const struct hb_outgoing *p = h->g ? h->g->placement : NULL;
        if (!p)
                return json_null();
        struct hb_estimate est = hb_outgoing_estimate(p);
        uint64_t open = p->report.stale + p->report.absent + p->report.fetching;
        return json_pack("{s:I,s:f,s:f,s:s,s:o,s:f}", "remaining_bytes", (json_int_t)open * HB_PAGE_SIZE,
                         "dirty_bytes_per_s", hb_page_map_dirty_pages_per_s(h->g->map) * HB_PAGE_SIZE,
                         "rate_bytes_per_s", p->report.rate_bytes_per_s, "trend",
                         p->trend[0] ? p->trend : "unknown", "estimate_downtime_ms",
                         hb_ctl_real(est.known ? est.downtime_ms : NAN), "elapsed_s",
                         (double)(hb_now_ns() - h->fig.asked_ns) / 1e9);
}

json_t *hb_handover_json(const struct hb_handover *h) {
        char id[33];
        hb_id_hex(h->id, id);
        json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:f}", "handover", id, "guest", h->guest, "role",
                              h->role == HB_ROLE_SOURCE ? "source" : "target", "peer", h->peer, "state",
                              hb_ho_state_name(h->state), "state_text", hb_ho_state_text(h->state), "state_s",
                              (double)(hb_now_ns() - h->state_since_ns) / 1e9);
        json_object_set_new(j, "progress", progress_json(h));
        if (h->why.code)
                json_object_set_new(j, "error", hb_ctl_error_json(&h->why));
        return j;
}

json_t *hb_handovers_json(const hb_daemon *d, const char *guest) {
        json_t *a = json_array();
        for (const struct hb_handover *h = d->handovers; h; h = h->next)
                if (!guest || strcmp(h->guest, guest) == 0)
                        json_array_append_new(a, hb_handover_json(h));
        return a;
}

static void on_progress(evutil_socket_t fd, short what, void *arg) {
        struct hb_handover *h = arg;
        if (!h->request || !h->g || !h->g->placement)
                return;
        json_t *j = progress_json(h);
        json_object_set_new(j, "state", json_string(hb_ho_state_name(h->state)));
        json_object_set_new(j, "state_text", json_string(hb_ho_state_text(h->state)));
        hb_request_progress(h->request, j);
}

int hb_migrate_check_start(struct hb_guest *g, const char *host, struct hb_err *e) {
        if (!g->caps)
                return hb_err_set(e, -EAGAIN, g->name, "try again in a moment",
                                  "the guest is still being attached");
        if (g->gone)
                return hb_err_set(e, -ESRCH, g->name, "harbinger guest detach it",
                                  "the guest's process has ended");
        struct hb_handover *h = hb_handover_find(g->d, g->name);
        if (h)
                return hb_err_set(e, -EBUSY, g->name, "harbinger status", "it is being moved already (%s)",
                                  hb_ho_state_text(h->state));
        if (!g->info.can_move)
                return hb_err_set(e, -EOPNOTSUPP, g->name, "see docs/OPERATING.md, \"QEMU options\"", "%s",
                                  g->info.cannot_move);
        if (g->placement && strcmp(g->placement->host, host) != 0)
                return hb_err_set(e, -EEXIST, g->name, "harbinger unplace it first",
                                  "it is placed on host %s, not %s", g->placement->host, host);
        if (!hb_settings_host(g->d->settings, host))
                return hb_err_set(e, -ENOENT, host,
                                  "add a [host.NAME] section with its address to the settings and reload",
                                  "unknown host");
        return 0;
}

struct hb_handover *hb_migrate_begin(struct hb_guest *g, int max_downtime_ms, int timeout_s, hb_request *r) {
        uint8_t id[HB_ID_SIZE];
        hb_id_random(id);
        struct hb_handover *h = hb_handover_new(g->d, HB_ROLE_SOURCE, id, g->name, g->placement->host);
        if (!h) {
                struct hb_err e;
                hb_err_set(&e, -ENOMEM, g->name, NULL, "no memory for a hand-over");
                hb_request_fail(r, &e);
                return NULL;
        }
        h->g = g;
        g->handover = h;
        h->port = g->port;
        snprintf(h->port_kind, sizeof h->port_kind, "%s", g->kind);
        snprintf(h->port_path, sizeof h->port_path, "%s", g->port_path);
        h->max_downtime_ms = max_downtime_ms;
        h->deadline_ns = timeout_s > 0 ? hb_now_ns() + (uint64_t)timeout_s * HB_NS_PER_S : 0;
        h->request = r;
        h->fig.at_request = g->placement->report;
        h->fig.summary_before = g->placement->summary_bytes;
        uint64_t until = g->placement->ready_ns ? g->placement->ready_ns : hb_now_ns();
        h->fig.placement_s = (double)(until - g->placement->began_ns) / 1e9;
        hb_daemon_event(h->d, HB_LOG_NOTICE, HB_ON_MIGRATION, h->guest, h->peer, NULL,
                        "hand-over of %s to %s: asked for, at most %d ms stopped", h->guest, h->peer,
                        max_downtime_ms);
        hb_handover_note_memory(h);
        hb_handover_watch_vmm(h, g->target->pid);
        h->progress = event_new(g->d->base, -1, EV_PERSIST, on_progress, h);
        struct timeval half = {0, 500000};
        if (h->progress)
                event_add(h->progress, &half);
        hb_handover_event(h, HB_EV_START);
        return h;
}

void hb_migrate_start(struct hb_guest *g, const char *host, int max_downtime_ms, int timeout_s,
                      hb_request *r) {
        struct hb_err e;
        if (hb_migrate_check_start(g, host, &e) < 0) {
                hb_request_fail(r, &e);
                return;
        }
        if (g->placement && hb_outgoing_usable(g->placement) && g->placement->have_report) {
                hb_migrate_begin(g, max_downtime_ms, timeout_s, r);
        } else if (g->placement) {
                hb_err_set(&e, -ENOTCONN, host, "harbinger status; it reconnects by itself",
                           "the placement's link is down: %s", g->placement->last_error.what);
                hb_request_fail(r, &e);
        } else {
                hb_migrate_cold(g, host, max_downtime_ms, timeout_s, r);
        }
}

static json_t *or_null(double v) {
        return isfinite(v) && v < 1e11 ? json_real(v) : json_null();
}

void hb_migrate_dry_run(struct hb_guest *g, const char *host, int max_downtime_ms, hb_request *r) {
        struct hb_err e = {0};
        bool ok = hb_migrate_check_start(g, host, &e) == 0;
        if (!ok && e.code != -EOPNOTSUPP && e.code != -EBUSY) {
                hb_request_fail(r, &e);
                return;
        }
        struct hb_estimate est = {0};
        bool link = g->placement && hb_outgoing_usable(g->placement);
        if (link)
                est = hb_outgoing_estimate(g->placement);
        bool over = est.known && est.downtime_ms > max_downtime_ms;
        const char *why = !ok             ? e.what
                          : !g->placement ? "not placed: everything would be sent after the request"
                          : !link         ? "the placement's link is down"
                          : over ? "stopping now would take longer than allowed; the move would first try to "
                                   "get below it"
                                 : "";
        json_t *j = json_pack("{s:s,s:s,s:s,s:b,s:b,s:s,s:i,s:b}", "guest", g->name, "from",
                              g->d->settings->name, "to", host, "ready", link && g->placement->report.ready,
                              "can_move", ok, "why", why, "max_downtime_ms", max_downtime_ms, "would_refuse",
                              !ok || (over && !est.converging));
        json_object_set_new(j, "estimate",
                            est.known ? json_pack("{s:o,s:o,s:o}", "downtime_ms", or_null(est.downtime_ms),
                                                  "time_to_ready_s", or_null(est.ready_s), "bytes_after",
                                                  or_null(est.bytes_after))
                                      : json_null());
        json_object_set_new(j, "placement", g->placement ? hb_outgoing_json(g->placement) : json_null());
        hb_request_ok(r, j);
}

void hb_migrate_abort(hb_daemon *d, const char *guest, hb_request *r) {
        struct hb_handover *h = hb_handover_find(d, guest);
        struct hb_err e;
        if (!h) {
                hb_err_set(&e, -ENOENT, guest, "harbinger status", "no hand-over of this guest is under way");
                hb_request_fail(r, &e);
                return;
        }
        if (!hb_ho_next(h->state, HB_EV_OPERATOR_ABORT)) {
                hb_err_set(&e, -EBUSY, guest, "wait, or see: harbinger migrate --recover",
                           "too late to abort: %s", hb_ho_state_text(h->state));
                hb_request_fail(r, &e);
                return;
        }
        hb_err_set(&e, -ECANCELED, guest, "harbinger status", "aborted by the operator");
        hb_handover_why(h, &e);
        hb_daemon_event(d, HB_LOG_NOTICE, HB_ON_MIGRATION, guest, h->peer, NULL,
                        "hand-over of %s: the operator gives it up", guest);
        hb_request_ok(r, hb_handover_json(h));
        hb_handover_event(h, HB_EV_OPERATOR_ABORT);
}

/* ---- recover ---- */

struct kept {
        const char *guest;
        bool found;
        struct hb_journal_entry j;
};

static int find_kept(void *arg, const struct hb_journal_entry *j) {
        struct kept *k = arg;
        if (strcmp(j->guest, k->guest) == 0 && strcmp(j->state, hb_ho_state_name(HB_S_KEPT)) == 0) {
                k->j = *j;
                k->found = true;
        }
        return 0;
}

/* The target's VMM died after it had taken the guest: the frozen copy here is a checkpoint of the moment of
 * the move. Only an operator may decide to go on from it. */
static int resume_kept(hb_daemon *d, struct kept *k, struct hb_err *e) {
        struct hb_handover *h = hb_handover_new(d, HB_ROLE_SOURCE, k->j.id, k->j.guest, k->j.peer);
        if (!h)
                return hb_err_set(e, -ENOMEM, k->guest, NULL, "no memory");
        struct hb_guest *g = hb_guest_find(d, k->guest);
        snprintf(h->port_kind, sizeof h->port_kind, "%s", k->j.port_kind);
        snprintf(h->port_path, sizeof h->port_path, "%s", k->j.port_path);
        h->state = HB_S_ABORT;
        h->recovered = !g;
        if (g) {
                h->g = g;
                g->handover = h;
                h->port = g->port;
        }
        hb_err_set(&h->why, -EOWNERDEAD, k->guest, NULL, "the operator resumed the copy kept on the source");
        hb_daemon_event(d, HB_LOG_WARNING, HB_ON_MIGRATION, h->guest, h->peer, NULL,
                        "hand-over of %s: the operator resumes the copy kept here", h->guest);
        hb_handover_event(h, HB_EV_RECOVER);
        return 0;
}

/* The operator answers for a target that is lost for good: it has not taken the guest and never will. */
static void take_back(struct hb_handover *h, hb_request *r) {
        struct hb_err e;
        hb_err_set(&e, -EOWNERDEAD, h->guest, NULL,
                   "the operator took the guest back while host %s did not answer", h->peer);
        hb_handover_why(h, &e);
        hb_daemon_event(h->d, HB_LOG_WARNING, HB_ON_MIGRATION, h->guest, h->peer,
                        "see that host %s does not run it as well", "hand-over of %s: %s", h->guest, e.what);
        json_t *j = hb_handover_json(h);
        json_object_set_new(j, "action", json_string("letting the guest go on here, by the operator's word"));
        hb_request_ok(r, j);
        hb_handover_event(h, HB_EV_VERDICT_REFUSED);
}

void hb_migrate_recover(hb_daemon *d, const char *guest, bool keep_source, hb_request *r) {
        struct hb_handover *h = hb_handover_find(d, guest);
        struct hb_err e;
        if (h && keep_source && (h->state == HB_S_DOUBT || h->state == HB_S_COMMIT)) {
                take_back(h, r);
                return;
        }
        if (h) {
                json_t *j = hb_handover_json(h);
                bool asked = hb_ho_next(h->state, HB_EV_TIMEOUT) && !hb_ho_undoable(h->state);
                json_object_set_new(j, "action",
                                    json_string(asked ? "asked the other host, or tried the step, again"
                                                      : "nothing to do: it is moving on"));
                hb_request_ok(r, j);
                if (asked)
                        hb_handover_event(h, HB_EV_TIMEOUT);
                return;
        }
        struct kept k = {.guest = guest};
        hb_journal_each(d->store, false, find_kept, &k);
        if (!k.found) {
                hb_err_set(&e, -ENOENT, guest, "harbinger history",
                           "no hand-over of this guest needs recovery on this host");
        } else if (!keep_source) {
                hb_err_set(&e, -EINVAL, guest,
                           "add --keep-source to resume the copy that was frozen here for the move",
                           "the target took this guest and its VMM ended there");
        } else if (resume_kept(d, &k, &e) == 0) {
                hb_request_ok(r, json_pack("{s:s,s:s}", "guest", guest, "action",
                                           "resuming the copy kept on this host"));
                return;
        }
        hb_request_fail(r, &e);
}
