/* incoming: wires one placement's engine to its session. A message that breaks a rule ends the session, not
 * the placement: what is in the image stays good, and the source may dial again. Loop thread. */
#include "daemon/incoming.h"
#include "base/clock.h"
#include "daemon/duplicates.h"
#include "daemon/events.h"
#include "daemon/incoming_priv.h"
#include "daemon/migrate.h"
#include "daemon/rdma_door.h"
#include "daemon/recording.h"
#include "map/summary.h"
#include "place/image_spill.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define REPORT_NS HB_NS_PER_S

/* ---- the engine's wishes ---- */

static void op_report(void *arg) {
        hb_incoming_report(arg);
}

static void op_complete(void *arg, uint32_t f) {
        struct hb_incoming *in = arg;
        if (in->completed && !hb_incoming_spill_holds(in, f))
                in->completed(in, f);
}

static void op_resync(void *arg, uint32_t processed) {
        struct hb_incoming *in = arg;
        struct hb_buf b = {0};
        hb_daemon_event(in->d, HB_LOG_NOTICE, HB_ON_PLACEMENT, in->guest, in->host, NULL,
                        "%s: an epoch's announcement is missing; %s is asked for all since epoch %u",
                        in->guest, in->host, processed);
        hb_buf_u32(&b, processed);
        if (!b.failed)
                hb_incoming_send(in, HB_MSG_RESYNC, b.data, b.len);
        hb_buf_free(&b);
}

const struct hb_engine_ops hb_incoming_engine_ops = {hb_incoming_fetch, op_report, op_complete, op_resync,
                                                     hb_dup_image_copy};

/* ---- reports ---- */

static double no_inf(double v) {
        return isfinite(v) ? v : 1e12;
}

void hb_incoming_report(struct hb_incoming *in) {
        struct hb_engine_stats s;
        hb_engine_stats(in->engine, &s);
        struct hb_msg_report m = {.resident = s.resident,
                                  .fresh = s.fresh,
                                  .stale = s.stale,
                                  .absent = s.absent,
                                  .fetching = s.fetching,
                                  .zero_pages = s.zero_pages,
                                  .fetched_pages = s.fetched_pages,
                                  .fetched_bytes = s.fetched_bytes,
                                  .wire_bytes = s.wire_bytes,
                                  .wasted_pages = s.wasted_pages,
                                  .above_threshold = s.above_threshold,
                                  .hit = s.hit,
                                  .late = s.late,
                                  .stale_at_freeze = s.stale_at_freeze,
                                  .missing_at_freeze = s.missing_at_freeze,
                                  .final_pages = s.final_pages,
                                  .final_bytes = s.final_bytes,
                                  .threshold = no_inf(s.threshold),
                                  .precision = s.precision,
                                  .recall = s.recall,
                                  .wasted_share = s.wasted_share,
                                  .rate_bytes_per_s = s.rate_bytes_per_s,
                                  .processed = s.processed,
                                  .ready = s.ready,
                                  .draining = s.draining,
                                  .frozen = s.frozen,
                                  .digest = s.digest,
                                  .rdma_pages = hb_incoming_rdma_pages(in),
                                  .known_pages = s.known_pages,
                                  .copied_pages = s.copied_pages,
                                  .refuted_pages = s.refuted_pages};
        bool converging = false;
        hb_engine_estimate(in->engine, &m.estimate_final_bytes, &m.estimate_final_s, &m.estimate_ready_s,
                           &converging);
        m.estimate_final_bytes = no_inf(m.estimate_final_bytes);
        m.estimate_final_s = no_inf(m.estimate_final_s);
        m.estimate_ready_s = no_inf(m.estimate_ready_s);
        m.converging = converging;
        hb_incoming_spill_report(in, &m);
        struct hb_buf b = {0};
        hb_msg_report_put(&m, in->session ? hb_session_version(in->session) : 1, &b);
        if (!b.failed)
                hb_incoming_send(in, HB_MSG_REPORT, b.data, b.len);
        hb_buf_free(&b);
        in->last_report_ns = hb_now_ns();
}

/* What the engine would know more of; the source tells it in its own time, or not. */
static void ask_detail(struct hb_incoming *in) {
        struct hb_bitmap blocks;
        struct hb_buf b = {0};
        if (!in->session || hb_session_version(in->session) < 2 ||
            hb_bitmap_init(&blocks, hb_blocks_of(in->shape.pages)) < 0)
                return;
        if (hb_engine_ask_detail(in->engine, &blocks) > 0) {
                hb_detail_encode(&blocks, &b);
                if (!b.failed)
                        hb_incoming_send(in, HB_MSG_DETAIL, b.data, b.len);
        }
        hb_buf_free(&b);
        hb_bitmap_fini(&blocks);
}

void hb_incoming_step(struct hb_incoming *in) {
        hb_engine_step(in->engine, hb_now_ns());
}

void hb_incoming_tick(struct hb_incoming *in) {
        uint64_t now = hb_now_ns();
        hb_incoming_fetch_feed_link(in, now);
        hb_incoming_spill_tick(in);
        hb_incoming_step(in);
        if (in->judge)
                hb_judge_tick(in->judge, now);
        struct hb_engine_stats s;
        hb_engine_stats(in->engine, &s);
        if (in->session && (s.draining || now - in->last_report_ns >= REPORT_NS)) {
                hb_incoming_report(in);
                ask_detail(in);
        }
}

/* ---- link down ---- */

static void link_down(struct hb_incoming *in) {
        in->session = hb_session_free(in->session);
        hb_incoming_fetch_stop(in);
        hb_engine_reconnected(in->engine, hb_now_ns());
        hb_migrate_link(in->handover, false);
}

void hb_incoming_cut(struct hb_incoming *in, const struct hb_err *why) {
        hb_daemon_event_err(in->d, HB_LOG_ERR, HB_ON_PLACEMENT, in->guest, in->host, "placement", why);
        if (in->session)
                hb_session_refuse(in->session, why);
        in->session = NULL;
        link_down(in);
}

static void protocol_error(struct hb_incoming *in, enum hb_msg_type type, const char *what) {
        struct hb_err e;
        hb_err_set(&e, -EPROTO, in->host, "update both daemons to the same version",
                   "a %s message of guest %s %s", hb_msg_name(type), in->guest, what);
        hb_incoming_cut(in, &e);
}

/* ---- messages ---- */

static bool same_announcement(const struct hb_announce *a, const struct hb_announce *b) {
        return a->from == b->from && a->to == b->to && a->time_ns == b->time_ns;
}

/* Parts gather in `scratch` until the last one is in. One announcement that begins before another has ended
 * means that the other was broken off: its pages must not be taken for the new one's. */
static int gather(struct hb_incoming *in, enum hb_msg_type type, const uint8_t *p, size_t n,
                  struct hb_announce *ret) {
        int r = hb_announce_head(p, n, ret);
        if (r < 0)
                return r;
        if (in->part_type && (in->part_type != type || !same_announcement(ret, &in->part)))
                hb_bitmap_clear_all(&in->scratch);
        in->part_type = type;
        in->part = *ret;
        return hb_announce_decode(p, n, ret, &in->scratch);
}

static void on_announce(struct hb_incoming *in, enum hb_msg_type type, const uint8_t *p, size_t n) {
        struct hb_announce a;
        if (gather(in, type, p, n, &a) < 0) {
                protocol_error(in, type, "cannot be read");
                return;
        }
        if (a.more)
                return;
        uint64_t now = hb_now_ns();
        if (type == HB_MSG_ZERO) {
                hb_engine_zero(in->engine, now, a.to, &in->scratch);
        } else {
                if (in->judge)
                        hb_judge_announced(in->judge, now, a.from, a.to, &in->scratch);
                hb_engine_invalidate(in->engine, now, a.from, a.to, &in->scratch);
                hb_dup_image_invalidated(in, a.to, &in->scratch);
                hb_image_spill_invalidated(in->image, &in->scratch);
                hb_image_set_processed(in->image, in->processed);
        }
        hb_bitmap_clear_all(&in->scratch);
        in->part_type = 0;
        hb_incoming_step(in);
}

struct summary_arg {
        struct hb_incoming *in;
        uint64_t now;
        uint32_t epoch;
};

static void on_summary_entry(void *arg, const struct hb_summary_entry *e) {
        struct summary_arg *s = arg;
        hb_engine_summary(s->in->engine, s->now, s->epoch, e);
        if (s->in->judge)
                hb_judge_summary(s->in->judge, e);
}

static void on_summary(struct hb_incoming *in, const uint8_t *p, size_t n) {
        struct summary_arg s = {in, hb_now_ns(),
                                in->processed}; /* a summary never steers freshness: our own epoch will do */
        uint32_t epoch;
        uint64_t time_ns;
        if (hb_summary_decode(p, n, in->shape.pages, &epoch, &time_ns, on_summary_entry, &s) < 0)
                protocol_error(in, HB_MSG_SUMMARY, "cannot be read");
        else if (in->recording)
                hb_recording_summary(in->recording, s.now, epoch, n);
}

static void on_drain(struct hb_incoming *in, const uint8_t *p, size_t n) {
        if (n != 1 || p[0] > 1) {
                protocol_error(in, HB_MSG_DRAIN, "cannot be read");
                return;
        }
        hb_engine_drain(in->engine, hb_now_ns(), p[0]);
        hb_incoming_step(in);
}

static void on_unplace(struct hb_incoming *in) {
        if (in->handover) { /* it uses the image until it has ended */
                in->unplace_due = true;
                return;
        }
        hb_incoming_send(in, HB_MSG_UNPLACED, NULL, 0);
        hb_daemon_event(in->d, HB_LOG_NOTICE, HB_ON_PLACEMENT, in->guest, in->host, NULL,
                        "placement of %s from %s: given up by its source", in->guest, in->host);
        hb_daemon_history(in->d, "placement", in->guest, in->host, in->d->settings->name, "unplaced", NULL);
        hb_dup_image_given_up(in);
        hb_incoming_free(in, HB_IN_REMOVE);
}

static void on_duplicates(struct hb_incoming *in, enum hb_msg_type type, const uint8_t *p, size_t n) {
        if ((type == HB_MSG_TAGS ? hb_dup_image_tags(in, p, n) : hb_dup_image_prints(in, p, n)) < 0)
                protocol_error(in, type, "cannot be read, or was not agreed on");
}

/* May free `in`. */
static void on_message(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *p, size_t n) {
        struct hb_incoming *in = arg;
        switch (type) {
        case HB_MSG_INVALIDATE:
        case HB_MSG_ZERO:
                on_announce(in, type, p, n);
                break;
        case HB_MSG_SUMMARY:
                on_summary(in, p, n);
                break;
        case HB_MSG_DRAIN:
                on_drain(in, p, n);
                break;
        case HB_MSG_UNPLACE:
                on_unplace(in);
                break;
        case HB_MSG_TAGS:
        case HB_MSG_PRINTS:
                on_duplicates(in, type, p, n);
                break;
        case HB_MSG_PLACE: /* one session is one placement */
        case HB_MSG_PLACED:
        case HB_MSG_UNPLACED:
        case HB_MSG_RESYNC:
        case HB_MSG_REPORT:
        case HB_MSG_ASK:
        case HB_MSG_DETAIL:
                protocol_error(in, type, "does not belong here");
                break;
        default:
                hb_migrate_target_message(in, type, p, n);
        }
}

static void on_closed(void *arg, hb_session *s, const struct hb_err *why) {
        struct hb_incoming *in = arg;
        hb_daemon_event_err(in->d, HB_LOG_WARNING, HB_ON_PLACEMENT, in->guest, in->host,
                            "placement session lost", why);
        link_down(in);
}

static const struct hb_session_callbacks session_cb = {NULL, on_message, on_closed};

/* ---- link up ---- */

static int send_placed(struct hb_incoming *in) {
        struct hb_engine_stats st;
        hb_engine_stats(in->engine, &st);
        struct hb_msg_placed m = {.processed = in->processed,
                                  .fresh_pages = st.fresh,
                                  .secret_id = hb_duplicates_secret_id(in->d),
                                  .connections = hb_tcp_connections(in->d->settings->connections),
                                  .rdma_port = hb_rdma_door_port(in->d)};
        memcpy(m.token, in->token, sizeof m.token);
        struct hb_buf b = {0};
        hb_msg_placed_put(&m, hb_session_version(in->session), &b);
        int r = b.failed ? -ENOMEM : hb_incoming_send(in, HB_MSG_PLACED, b.data, b.len);
        hb_buf_free(&b);
        return r;
}

int hb_incoming_link_up(struct hb_incoming *in, hb_session *s, struct hb_err *e) {
        if (in->session) /* the source dialled again before we noticed */
                link_down(in);
        int r = hb_incoming_fetch_start(in, e);
        if (r < 0)
                return r;
        if (getrandom(in->token, sizeof in->token, 0) != (ssize_t)sizeof in->token) {
                hb_incoming_fetch_stop(in);
                return hb_err_set(e, -EIO, in->guest, NULL, "no random numbers from the kernel");
        }
        hb_engine_reconnected(in->engine, hb_now_ns());
        hb_bitmap_clear_all(&in->scratch);
        in->part_type = 0;
        in->session = s;
        r = send_placed(in);
        if (r < 0) {
                in->session = NULL;
                hb_incoming_fetch_stop(in);
                return hb_err_set(e, r, in->guest, NULL, "cannot answer PLACE: %s", hb_errno_name(r));
        }
        hb_session_set(s, &session_cb, in);
        hb_dup_image_open(in, in->peer_secret_id, hb_session_version(s));
        hb_incoming_report(in);
        hb_migrate_link(in->handover, true);
        return 0;
}

/* ---- others ask ---- */

struct hb_incoming *hb_incoming_find(hb_daemon *d, const char *guest) {
        for (struct hb_incoming *in = d->incoming; in; in = in->next)
                if (strcmp(in->guest, guest) == 0)
                        return in;
        return NULL;
}

struct hb_incoming *hb_incoming_by_token(hb_daemon *d, const uint8_t token[HB_TOKEN_SIZE]) {
        for (struct hb_incoming *in = d->incoming; in; in = in->next) {
                uint8_t diff = 0;
                for (unsigned i = 0; i < HB_TOKEN_SIZE;
                     i++) /* no early end: a guess learns nothing from the time it took */
                        diff |= (uint8_t)(in->token[i] ^ token[i]);
                if (in->session && diff == 0)
                        return in;
        }
        return NULL;
}

int hb_incoming_send(struct hb_incoming *in, enum hb_msg_type type, const void *payload, size_t size) {
        return in->session ? hb_session_send(in->session, type, payload, size) : -ENOTCONN;
}
