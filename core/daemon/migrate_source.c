/* migrate_source: what the source does at each step, and when it thinks the time has come to stop the guest.
 *
 * Converging: the target drains (fetches everything that is not fresh), the guest's epochs get short so that
 * announcements do not lag, and at each report we ask: would a freeze now cost less than the allowed
 * downtime? If so, and the rest no longer shrinks (or is next to nothing), freeze. If the rest has not shrunk
 * for STALL_NS and is still too much, refuse: the guest has not been touched. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/migrate_job.h"
#include "daemon/recover.h"
#include "daemon/verify.h"
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define POLL_MS      50
#define STALL_NS     (8 * HB_NS_PER_S)
#define SETTLE_NS    (600 * HB_NS_PER_MS)
#define NEXT_TO_NONE (256.0 * 1024)

/* ---- converge ---- */

static void cannot(struct hb_handover *h, int code, const char *next, const char *what) {
        struct hb_outgoing *p = h->g->placement;
        struct hb_estimate est = hb_outgoing_estimate(p);
        struct hb_err e;
        hb_err_set(&e, code, h->guest, next,
                   "%s: stopping now would take about %.0f ms (%.0f ms and %.1f MiB at %.1f MiB/s on the "
                   "wire; the "
                   "guest dirties %.1f MiB/s of memory), allowed are %d ms",
                   what, est.downtime_ms, est.fixed_ms, est.bytes_after / 1048576.0,
                   est.wire_bytes_per_s / 1048576.0,
                   hb_page_map_dirty_pages_per_s(h->g->map) * HB_PAGE_SIZE / 1048576.0, h->max_downtime_ms);
        hb_handover_why(h, &e);
        hb_handover_event(h, HB_EV_CANNOT_CONVERGE);
}

static bool report_is_new(const struct hb_handover *h, const struct hb_outgoing *p) {
        return p->have_report && p->report_ns > h->state_since_ns && p->report.draining &&
               p->report.processed == p->sent_epoch && p->sent_epoch >= h->first_epoch;
}

static void consider(struct hb_handover *h) {
        struct hb_outgoing *p = h->g->placement;
        uint64_t now = hb_now_ns();
        if (!p || !hb_outgoing_usable(p))
                return; /* LINK_LOST decides */
        struct hb_estimate est = hb_outgoing_estimate(p);
        if (report_is_new(h, p) && est.known && p->report.spilled_pages == 0) {
                uint64_t open = p->report.stale + p->report.absent + p->report.fetching;
                double rest = (double)open * HB_PAGE_SIZE;
                if (rest < h->best_bytes * 0.98 - 1) {
                        h->best_bytes = rest;
                        h->best_at_ns = now;
                }
                bool bearable = est.downtime_ms <= h->max_downtime_ms;
                bool settled = now - h->best_at_ns > SETTLE_NS && rest <= h->best_bytes * 1.25 + NEXT_TO_NONE;
                if (bearable && (rest <= NEXT_TO_NONE || settled)) {
                        h->fig.at_end = p->report;
                        hb_handover_event(h, HB_EV_OK);
                        return;
                }
                if (!bearable && now - h->best_at_ns > STALL_NS) {
                        cannot(h, -EDEADLK,
                               "allow more with --max-downtime, raise the link's cap, or move it at a "
                               "quieter time",
                               "does not converge, so the guest was not stopped");
                        return;
                }
        }
        if (h->deadline_ns && now > h->deadline_ns)
                cannot(h, -ETIMEDOUT, "give it more time with --timeout, or place it earlier",
                       "not below the allowed downtime in time");
}

static void on_poll(evutil_socket_t fd, short what, void *arg) {
        struct hb_handover *h = arg;
        if (h->state == HB_S_CONVERGE)
                consider(h);
}

static uint32_t short_epoch(const struct hb_guest *g) {
        double ms = 20 * g->scan_ms;
        if (ms < 50)
                ms = 50;
        return ms > g->d->settings->epoch_ms ? (uint32_t)g->d->settings->epoch_ms : (uint32_t)ms;
}

static bool converge(struct hb_handover *h) {
        h->best_bytes = INFINITY;
        h->best_at_ns = hb_now_ns();
        /* Judged by short epochs only: what a long one has not shown yet would be found after the freeze. */
        h->first_epoch = hb_page_map_epoch(h->g->map) + 2;
        hb_guest_scan(h->g, false);
        hb_guest_set_epoch(h->g, short_epoch(h->g));
        hb_outgoing_drain(h->g->placement, true);
        hb_outgoing_cap(h->g->placement, h->d->settings->cap_bytes_per_s);
        if (!h->poll)
                h->poll = event_new(h->d->base, -1, EV_PERSIST, on_poll, h);
        struct timeval tv = hb_timeval(hb_ms_to_ns(POLL_MS));
        if (h->poll)
                event_add(h->poll, &tv);
        h->waiting = true;
        return false; /* consider() feeds OK */
}

void hb_migrate_left_converge(struct hb_handover *h) {
        if (h->poll)
                event_del(h->poll);
}

/* ---- final scan ---- */

static bool journal_released(struct hb_handover *h);

/* Whether another process could write the memory unseen is looked up while the last pages travel, and known
 * before the guest is released. */
static void on_looked(struct hb_guest *g, bool unseen, const struct hb_mapper *who) {
        struct hb_handover *h = g->handover;
        g->looked = NULL;
        if (!h)
                return;
        h->looking = false;
        if (unseen) {
                struct hb_err e;
                hb_err_set(&e, -ESTALE, g->name,
                           "end that process, or migrate again: tracking then goes on by content",
                           "process %d (%s) has come to map the guest's memory writable", (int)who->pid,
                           who->comm);
                hb_handover_why(h, &e);
                hb_handover_event(h, HB_EV_FAIL);
        } else if (h->release_wanted && h->waiting) {
                h->release_wanted = false;
                if (journal_released(h))
                        hb_handover_done(h, h->generation, 0, NULL);
        }
}

static void on_final_scan(struct hb_guest *g, int rc, const struct hb_err *e) {
        struct hb_handover *h = g->handover;
        if (h->state != HB_S_DELTA || !h->waiting) { /* given up meanwhile */
                h->final_wanted = false;
                g->scanned = NULL;
                return;
        }
        if (h->final_wanted) { /* an ordinary scan was still under way */
                h->final_wanted = false;
                if (hb_guest_scan(g, true) == 0)
                        return;
                rc = -EIO;
        }
        g->scanned = NULL;
        h->final_epoch = hb_page_map_epoch(g->map);
        if (rc == 0) {
                g->looked = on_looked;
                h->looking = hb_guest_look(g) == 0;
        }
        hb_handover_done(h, h->generation, rc, e);
}

static bool final_scan(struct hb_handover *h) {
        h->waiting = true;
        h->g->scanned = on_final_scan;
        int r = hb_guest_scan(h->g, true);
        if (r == -EBUSY) {
                h->final_wanted = true;
                return false;
        }
        if (r < 0) {
                h->g->scanned = NULL;
                struct hb_err e;
                hb_err_set(&e, r, h->guest, NULL, "the final scan could not be started");
                hb_handover_done(h, h->generation, r, &e);
        }
        return false;
}

/* ---- the table's actions ---- */

static void send_freeze(struct hb_handover *h) {
        struct hb_buf b = {0};
        hb_buf_u32(&b, h->final_epoch);
        hb_buf_u64(&b, hb_now_ns());
        hb_handover_send(h, HB_MSG_FREEZE, b.data, b.len);
        hb_buf_free(&b);
}

static bool journal_released(struct hb_handover *h) {
        struct hb_err e;
        if (h->looking) {
                h->waiting = h->release_wanted = true;
                return false;
        }
        int r = hb_handover_record(h, &e);
        if (r == 0)
                return true;
        hb_handover_done(h, h->generation, r, &e);
        return false;
}

static void thaw_side(struct hb_handover *h) {
        if (!h->g)
                return;
        hb_guest_set_epoch(h->g, 0);
        if (h->g->placement)
                hb_outgoing_drain(h->g->placement, false);
}

void hb_migrate_send_abort(struct hb_handover *h) {
        struct hb_buf b = {0};
        hb_msg_error_put(&h->why, &b);
        hb_handover_send(h, HB_MSG_ABORT, b.data, b.len);
        hb_buf_free(&b);
}

static void send_state(struct hb_handover *h) {
        hb_handover_job(h, hb_move_send_state);
}

bool hb_migrate_source_action(struct hb_handover *h, enum hb_ho_action a) {
        switch (a) {
        case HB_ACT_CHECK_SOURCE:
                hb_handover_job(h, hb_move_check_source);
                return false;
        case HB_ACT_SEND_PREPARE:
                hb_handover_send(h, HB_MSG_PREPARE, NULL, 0);
                return true;
        case HB_ACT_CONVERGE:
                return converge(h);
        case HB_ACT_FREEZE:
                hb_handover_job(h, hb_move_freeze);
                return false;
        case HB_ACT_FINAL_SCAN:
                return final_scan(h);
        case HB_ACT_SEND_FREEZE:
                send_freeze(h);
                return true;
        case HB_ACT_SEND_STATE:
                if (hb_verify_wanted(h))
                        hb_verify_begin(h, send_state);
                else
                        send_state(h);
                return false;
        case HB_ACT_SEND_STATE_END: {
                uint8_t bytes[8] = {0};
                hb_handover_send(h, HB_MSG_STATE_END, bytes, sizeof bytes);
                return true;
        }
        case HB_ACT_JOURNAL_RELEASED:
                return journal_released(h);
        case HB_ACT_SEND_COMMIT:
                hb_handover_send(h, HB_MSG_COMMIT, NULL, 0);
                return true;
        case HB_ACT_QUIT_VMM:
                hb_recover_forget(h->d,
                                  h->guest); /* moved: not ours to take up again, whenever we are killed */
                hb_handover_job(h, hb_move_quit_source);
                return false;
        case HB_ACT_THAW:
                thaw_side(h);
                h->tunnel = hb_tunnel_free(h->tunnel); /* a VMM that waits to write to it answers nobody */
                hb_handover_job(h, hb_move_thaw);
                return false;
        case HB_ACT_SEND_ABORT:
                hb_migrate_send_abort(h);
                return true;
        default:
                return true;
        }
}

static bool of_this(const struct hb_handover *h, const uint8_t *p, size_t n) {
        return h && n >= HB_ID_SIZE && memcmp(p, h->id, HB_ID_SIZE) == 0;
}

/* When the guest ran again, by our clock: the message's arrival less its age when it was sent. The way it
 * took stays in: an upper bound, whatever the two hosts' clocks say. */
static void on_committed(struct hb_handover *h, const uint8_t *p, size_t n) {
        struct hb_rd r = hb_rd_init(p, n);
        uint64_t resumed = hb_rd_u64(&r), sent = hb_rd_u64(&r), now = hb_wall_ns();
        h->fig.committed_wall_ns = now;
        if (hb_rd_done(&r) && resumed != 0 && sent >= resumed && now - (sent - resumed) > h->fig.stop_wall_ns)
                h->fig.committed_wall_ns = now - (sent - resumed);
}

static void on_abort(struct hb_handover *h, const uint8_t *p, size_t n) {
        struct hb_err e;
        if (hb_msg_error_get(p + HB_ID_SIZE, n - HB_ID_SIZE, &e) == 0 && e.code)
                hb_handover_why(h, &e);
}

static bool is_final(const struct hb_handover *h, const uint8_t *p, size_t n) {
        struct hb_rd r = hb_rd_init(p, n);
        uint32_t f = hb_rd_u32(&r);
        return hb_rd_done(&r) && f == h->final_epoch;
}

void hb_migrate_source_message(struct hb_outgoing *p, enum hb_msg_type type, const uint8_t *payload,
                               size_t n) {
        struct hb_handover *h = p->g->handover;
        if (type == HB_MSG_REPORT) {
                if (h && h->state == HB_S_CONVERGE)
                        consider(h);
                return;
        }
        if (type == HB_MSG_QUERY) {
                hb_migrate_query(p->d, p->session, type, payload, n);
                return;
        }
        if (!of_this(h, payload, n))
                return;
        h->fig.at_end = p->report;
        switch (type) {
        case HB_MSG_PREPARED:
                if (hb_handover_entry_done(h)) /* not before it was asked for */
                        hb_handover_event(h, HB_EV_MSG_PREPARED);
                break;
        case HB_MSG_COMPLETE:
                if (hb_handover_entry_done(h) && is_final(h, payload + HB_ID_SIZE, n - HB_ID_SIZE))
                        hb_handover_event(h, HB_EV_MSG_COMPLETE);
                break;
        case HB_MSG_LOADED:
                hb_handover_event(h, HB_EV_MSG_LOADED);
                break;
        case HB_MSG_COMMITTED:
                on_committed(h, payload + HB_ID_SIZE, n - HB_ID_SIZE);
                hb_handover_event(h, HB_EV_MSG_COMMITTED);
                break;
        case HB_MSG_REFUSED:
                on_abort(h, payload, n);
                hb_handover_event(h, HB_EV_MSG_REFUSED);
                break;
        case HB_MSG_ABORT:
        case HB_MSG_ABORTED:
                on_abort(h, payload, n);
                hb_handover_event(h, type == HB_MSG_ABORT ? HB_EV_MSG_ABORT : HB_EV_MSG_ABORTED);
                break;
        case HB_MSG_VERDICT:
                hb_migrate_verdict(h, type, payload, n);
                break;
        case HB_MSG_VERIFIED:
                hb_verify_answer(h, payload + HB_ID_SIZE, n - HB_ID_SIZE);
                break;
        default:
                break;
        }
}
