/* outgoing_status: what a placement looks like from outside: estimate and JSON. Reads only. */
#include "base/clock.h"
#include "daemon/outgoing.h"
#include <math.h>

/* Stop to resume with nothing left to send: VMM stop, device state, three journal records. Measured by
 * tests/bench; FACTS give 13-33 ms. */
#define HANDOVER_OVERHEAD_MS 30.0
#define NEVER_S              1e12  /* in a report */
#define SUPPOSED_RATE        125e6 /* until the move's own fetches tell: a Gbit/s */

static double link_rate(const struct hb_outgoing *p, const struct hb_link_stats *st) {
        if (st->bytes_per_s > 0)
                return st->bytes_per_s;
        return p->d->settings->cap_bytes_per_s ? (double)p->d->settings->cap_bytes_per_s : 0;
}

struct hb_estimate hb_outgoing_estimate(const struct hb_outgoing *p) {
        struct hb_estimate e = {0};
        if (!p->have_report)
                return e;
        struct hb_link_stats st;
        hb_tcp_server_stats(p->server, &st);
        double rate = link_rate(p, &st);
        double s = p->report.estimate_final_s;
        if (!(s > 0) && rate > 0)
                s = p->report.estimate_final_bytes / rate;
        if (s >= NEVER_S) /* nothing was fetched yet, as when all of it was there already */
                s = p->report.estimate_final_bytes / (rate > 0 ? rate : SUPPOSED_RATE);
        e.fixed_ms = HANDOVER_OVERHEAD_MS;
        e.downtime_ms = HANDOVER_OVERHEAD_MS + 1000 * s;
        e.bytes_after = p->report.estimate_final_bytes;
        e.wire_bytes_per_s = s > 0 ? e.bytes_after / s : rate;
        e.ready_s = p->report.estimate_ready_s;
        e.converging =
                p->report.converging; /* ready says nothing of it: what is not worth fetching counts too */
        e.known = true;
        return e;
}

static const char *state_name(const struct hb_outgoing *p) {
        if (p->state == HB_OUT_LOST)
                return "lost";
        if (p->state != HB_OUT_OPEN || !p->have_report)
                return "connecting";
        if (p->report.frozen)
                return "frozen";
        if (p->draining)
                return "draining";
        return p->report.ready ? "ready" : "filling";
}

static json_t *link_json(const struct hb_outgoing *p, const struct hb_link_stats *st) {
        struct hb_session_stats ss = {.latency_s = -1};
        if (p->session)
                hb_session_stats(p->session, &ss);
        return json_pack("{s:f,s:f,s:f,s:f,s:I,s:i}", "latency_ms",
                         ss.latency_s < 0 ? -1.0 : ss.latency_s * 1e3, "bytes_per_s", st->bytes_per_s,
                         "used_share", st->used_share, "compression", st->compression, "cap_bytes_per_s",
                         (json_int_t)p->d->settings->cap_bytes_per_s, "connections", (int)st->connections);
}

static json_t *or_null(double v) {
        return isfinite(v) ? json_real(v) : json_null();
}

/* What became of the bytes that were made ready over there. */
static json_t *kinds_json(const struct hb_msg_report *r) {
        return json_pack(
                "{s:I,s:I,s:I,s:I}", "sent", (json_int_t)r->wire_bytes, "compressed_away",
                (json_int_t)(r->fetched_bytes > r->wire_bytes ? r->fetched_bytes - r->wire_bytes : 0),
                "duplicate", (json_int_t)(r->copied_pages * HB_PAGE_SIZE), "zero",
                (json_int_t)(r->zero_pages * HB_PAGE_SIZE));
}

json_t *hb_outgoing_json(const struct hb_outgoing *p) {
        const struct hb_msg_report *r = &p->report;
        struct hb_estimate e = hb_outgoing_estimate(p);
        struct hb_link_stats st;
        hb_tcp_server_stats(p->server, &st);
        uint64_t now = hb_now_ns(), until = p->ready_ns ? p->ready_ns : now;
        char id[33];
        hb_id_hex(p->id, id);
        json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:f}", "id", id, "guest", p->g->name, "to", p->host, "state",
                              state_name(p), "since_s", (double)(now - p->since_ns) / 1e9);
        json_t *more = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "resident_pages",
                                 (json_int_t)r->resident, "fresh_pages", (json_int_t)r->fresh, "stale_pages",
                                 (json_int_t)r->stale, "absent_pages", (json_int_t)r->absent,
                                 "fetching_pages", (json_int_t)r->fetching, "zero_pages",
                                 (json_int_t)r->zero_pages, "pages", (json_int_t)r->fetched_pages, "bytes",
                                 (json_int_t)r->fetched_bytes, "wire_bytes", (json_int_t)r->wire_bytes,
                                 "summary_bytes", (json_int_t)p->summary_bytes, "announce_bytes",
                                 (json_int_t)p->announce_bytes, "wasted_pages", (json_int_t)r->wasted_pages);
        json_object_update_new(j, more);
        json_object_update_new(j, json_pack("{s:f,s:f,s:f,s:f,s:I}", "threshold", r->threshold, "precision",
                                            r->precision, "recall", r->recall, "rate_bytes_per_s",
                                            r->rate_bytes_per_s, "above_threshold",
                                            (json_int_t)r->above_threshold));
        json_object_update_new(j, json_pack("{s:I,s:I,s:I,s:o}", "known_pages", (json_int_t)r->known_pages,
                                            "copied_pages", (json_int_t)r->copied_pages, "refuted_pages",
                                            (json_int_t)r->refuted_pages, "bytes_by_kind", kinds_json(r)));
        json_object_set_new(j, "spilled_pages", json_integer((json_int_t)r->spilled_pages));
        struct hb_summary_lag lag;
        hb_summary_lag(p->encoder, &lag);
        json_object_set_new(
                j, "map",
                json_pack("{s:b,s:I,s:I,s:f}", "by_blocks", (int)lag.by_blocks, "due_pages",
                          (json_int_t)lag.pages, "due_blocks", (json_int_t)lag.blocks, "oldest_due_s",
                          lag.oldest_ns && now > lag.oldest_ns ? (double)(now - lag.oldest_ns) / 1e9 : 0.0));
        json_object_set_new(j, "link", link_json(p, &st));
        json_object_set_new(j, "path", json_string(hb_outgoing_rdma_up(p) ? "rdma" : "tcp"));
        json_object_set_new(j, "rdma", hb_outgoing_rdma_json(p));
        json_object_set_new(j, "estimate",
                            e.known ? json_pack("{s:o,s:o,s:o}", "downtime_ms", or_null(e.downtime_ms),
                                                "time_to_ready_s", or_null(e.ready_s), "bytes_after",
                                                or_null(e.bytes_after))
                                    : json_null());
        json_object_set_new(j, "trend", json_string(p->trend[0] ? p->trend : "unknown"));
        json_object_set_new(j, "trend_since_s",
                            json_real(p->trend_since_ns ? (double)(now - p->trend_since_ns) / 1e9 : 0));
        json_object_set_new(j, "seconds", json_real((double)(until - p->began_ns) / 1e9));
        json_object_set_new(j, "dirty_bytes_per_s",
                            json_real(hb_page_map_dirty_pages_per_s(p->g->map) * HB_PAGE_SIZE));
        json_object_set_new(j, "policies",
                            json_pack("{s:s,s:s,s:s}", "predictor", p->d->settings->predictor, "scorer",
                                      p->d->settings->scorer, "threshold", p->d->settings->threshold));
        if (p->last_error.code && p->state != HB_OUT_OPEN)
                json_object_set_new(j, "error", hb_ctl_error_json(&p->last_error));
        return j;
}

/* ---- in short ---- */

static void write_link(const struct hb_outgoing *p, const struct hb_link_stats *st, struct hb_json_out *o) {
        struct hb_session_stats ss = {.latency_s = -1};
        if (p->session)
                hb_session_stats(p->session, &ss);
        hb_json_open(o, "link", '{');
        hb_json_real(o, "latency_ms", ss.latency_s < 0 ? -1.0 : ss.latency_s * 1e3);
        hb_json_real(o, "bytes_per_s", st->bytes_per_s);
        hb_json_real(o, "used_share", st->used_share);
        hb_json_real(o, "compression", st->compression);
        hb_json_pages(o, "cap_bytes_per_s", p->d->settings->cap_bytes_per_s);
        hb_json_pages(o, "connections", st->connections);
        hb_json_close(o, '}');
}

static void write_pages(const struct hb_msg_report *r, struct hb_json_out *o) {
        hb_json_pages(o, "pages", r->fetched_pages);
        hb_json_pages(o, "fresh_pages", r->fresh);
        hb_json_pages(o, "stale_pages", r->stale);
        hb_json_pages(o, "absent_pages", r->absent);
        hb_json_pages(o, "resident_pages", r->resident);
        hb_json_pages(o, "fetching_pages", r->fetching);
        hb_json_pages(o, "zero_pages", r->zero_pages);
        hb_json_pages(o, "known_pages", r->known_pages);
        hb_json_pages(o, "copied_pages", r->copied_pages);
        hb_json_pages(o, "wasted_pages", r->wasted_pages);
        hb_json_pages(o, "above_threshold", r->above_threshold);
        hb_json_real(o, "threshold", r->threshold);
        hb_json_real(o, "precision", r->precision);
}

static void write_bytes(const struct hb_msg_report *r, struct hb_json_out *o) {
        hb_json_pages(o, "bytes", r->fetched_bytes);
        hb_json_pages(o, "wire_bytes", r->wire_bytes);
        hb_json_open(o, "bytes_by_kind", '{');
        hb_json_pages(o, "sent", r->wire_bytes);
        hb_json_pages(o, "compressed_away",
                      r->fetched_bytes > r->wire_bytes ? r->fetched_bytes - r->wire_bytes : 0);
        hb_json_pages(o, "duplicate", r->copied_pages * HB_PAGE_SIZE);
        hb_json_pages(o, "zero", r->zero_pages * HB_PAGE_SIZE);
        hb_json_close(o, '}');
}

static void write_estimate(const struct hb_outgoing *p, struct hb_json_out *o) {
        struct hb_estimate e = hb_outgoing_estimate(p);
        if (!e.known) {
                hb_json_null(o, "estimate");
                return;
        }
        hb_json_open(o, "estimate", '{');
        hb_json_real(o, "downtime_ms", e.downtime_ms);
        hb_json_real(o, "time_to_ready_s", e.ready_s);
        hb_json_real(o, "bytes_after", e.bytes_after);
        hb_json_close(o, '}');
}

void hb_outgoing_write(const struct hb_outgoing *p, const char *key, struct hb_json_out *o) {
        uint64_t now = hb_now_ns();
        struct hb_link_stats st;
        char id[33];
        hb_id_hex(p->id, id);
        hb_tcp_server_stats(p->server, &st);
        hb_json_open(o, key, '{');
        hb_json_str(o, "id", id);
        hb_json_str(o, "to", p->host);
        hb_json_str(o, "state", state_name(p));
        hb_json_real(o, "since_s", (double)(now - p->since_ns) / 1e9);
        write_pages(&p->report, o);
        write_bytes(&p->report, o);
        hb_json_real(o, "rate_bytes_per_s", p->report.rate_bytes_per_s);
        hb_json_real(o, "dirty_bytes_per_s", hb_page_map_dirty_pages_per_s(p->g->map) * HB_PAGE_SIZE);
        hb_json_str(o, "path", hb_outgoing_rdma_up(p) ? "rdma" : "tcp");
        write_link(p, &st, o);
        write_estimate(p, o);
        hb_json_str(o, "trend", p->trend[0] ? p->trend : "unknown");
        hb_json_real(o, "trend_since_s", p->trend_since_ns ? (double)(now - p->trend_since_ns) / 1e9 : 0);
        if (p->last_error.code && p->state != HB_OUT_OPEN)
                hb_json_tree(o, "error", hb_ctl_error_json(&p->last_error));
        else
                hb_json_null(o, "error");
        hb_json_close(o, '}');
}
