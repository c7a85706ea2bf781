/* stage_json: a guest, its placement as its source shows it and as its target does: the members of
 * docs/CONTROL.md, null for what a replay cannot know. Reads only. */
#include "stage/stage_priv.h"
#include <math.h>
#include <string.h>

/* As core/daemon/outgoing_status.c: stop to resume with nothing left to send. */
#define HANDOVER_OVERHEAD_MS 30.0
#define SUPPOSED_RATE        125e6

/* ---- figures ---- */

static struct hb_engine_stats stats_of(const struct hb_stage_guest *g) {
        struct hb_engine_stats s = {0};

        if (hb_replay_engine(g->replay))
                hb_engine_stats(hb_replay_engine(g->replay), &s);
        return s;
}

struct hb_stage_estimate hb_stage_estimate(const struct hb_stage_guest *g) {
        struct hb_stage_estimate e = {0};
        struct hb_policy_link link;
        double bytes, final_s;

        if (!hb_replay_engine(g->replay))
                return e;
        hb_engine_estimate(hb_replay_engine(g->replay), &bytes, &final_s, &e.ready_s, &e.converging);
        hb_replay_link(g->replay, &link);
        if (!isfinite(final_s))
                final_s = bytes / (link.bytes_per_s > 0 ? link.bytes_per_s : SUPPOSED_RATE);
        e.known = true;
        e.bytes_after = bytes;
        e.downtime_ms = HANDOVER_OVERHEAD_MS + 1000 * final_s;
        return e;
}

const char *hb_stage_placement_state(const struct hb_stage_guest *g) {
        struct hb_replay_live l = hb_stage_live(g);
        struct hb_engine_stats s;

        if (!hb_stage_placed(g))
                return "none";
        s = stats_of(g);
        if (s.frozen)
                return "frozen";
        if (l.course == HB_COURSE_DRAINING)
                return "draining";
        return s.ready ? "ready" : "filling";
}

static double seconds(uint64_t now_ns, uint64_t since_ns) {
        return now_ns > since_ns ? (double)(now_ns - since_ns) / 1e9 : 0.0;
}

static json_t *known(double v) {
        return isfinite(v) && v < 1e11 ? json_real(v) : json_null();
}

static void put(json_t *j, const char *key, json_t *value) {
        json_object_set_new(j, key, value);
}

static void put_pages(json_t *j, const char *key, uint64_t v) {
        put(j, key, json_integer((json_int_t)v));
}

/* ---- a placement ---- */

static json_t *estimate_json(const struct hb_stage_guest *g) {
        struct hb_stage_estimate e = hb_stage_estimate(g);

        if (!e.known)
                return json_null();
        return json_pack("{s:o,s:o,s:o}", "downtime_ms", known(e.downtime_ms), "time_to_ready_s",
                         known(e.ready_s), "bytes_after", known(e.bytes_after));
}

static json_t *link_json(const struct hb_stage_guest *g, const struct hb_engine_stats *s) {
        struct hb_policy_link l;

        hb_replay_link(g->replay, &l);
        return json_pack("{s:f,s:f,s:f,s:f,s:I,s:i}", "latency_ms", l.latency_s * 1e3, "bytes_per_s",
                         l.bytes_per_s, "used_share", l.used_share, "compression",
                         s->wire_bytes ? (double)s->fetched_bytes / (double)s->wire_bytes : 1.0,
                         "cap_bytes_per_s", (json_int_t)l.cap_bytes_per_s, "connections", 1);
}

static json_t *kinds_json(const struct hb_engine_stats *s) {
        uint64_t away = s->fetched_bytes > s->wire_bytes ? s->fetched_bytes - s->wire_bytes : 0;

        return json_pack("{s:I,s:I,s:I,s:I}", "sent", (json_int_t)s->wire_bytes, "compressed_away",
                         (json_int_t)away, "duplicate", (json_int_t)(s->copied_pages * HB_PAGE_SIZE), "zero",
                         (json_int_t)(s->zero_pages * HB_PAGE_SIZE));
}

static void put_counts(json_t *j, const struct hb_engine_stats *s) {
        put_pages(j, "resident_pages", s->resident);
        put_pages(j, "fresh_pages", s->fresh);
        put_pages(j, "stale_pages", s->stale);
        put_pages(j, "absent_pages", s->absent);
        put_pages(j, "fetching_pages", s->fetching);
        put_pages(j, "zero_pages", s->zero_pages);
        put_pages(j, "known_pages", s->known_pages);
        put_pages(j, "copied_pages", s->copied_pages);
        put_pages(j, "pages", s->fetched_pages);
        put_pages(j, "wire_bytes", s->wire_bytes);
        put_pages(j, "wasted_pages", s->wasted_pages);
        put_pages(j, "above_threshold", s->above_threshold);
        put(j, "threshold", json_real(s->threshold));
        put(j, "precision", json_real(s->precision));
        put(j, "recall", json_real(s->recall));
}

static json_t *policy_names_json(const struct hb_stage_guest *g) {
        const hb_policies *p = hb_replay_policies_of(g->replay);
        struct hb_policy_status s;
        json_t *j = json_object();

        for (unsigned k = 0; p && k < HB_POLICY_KINDS; k++) {
                hb_policies_status(p, (enum hb_policy_kind)k, &s);
                put(j, hb_policy_kind_name((enum hb_policy_kind)k), hb_ctl_text(s.name));
        }
        return j;
}

static void put_full(json_t *j, const struct hb_stage_guest *g, const struct hb_engine_stats *s) {
        struct hb_replay_live l = hb_stage_live(g);

        put_pages(j, "summary_bytes", l.summary_bytes);
        put_pages(j, "announce_bytes", l.announce_bytes);
        put_pages(j, "spilled_pages", 0);
        put_pages(j, "refuted_pages", s->refuted_pages);
        put(j, "map", json_null());
        put(j, "rdma", json_null());
        put(j, "seconds", json_real(seconds(g->ready_ns ? g->ready_ns : l.time_ns, l.begin_ns)));
        put(j, "policies", policy_names_json(g));
}

static double dirty_of(const struct hb_stage_guest *g) {
        const hb_page_map *m = hb_replay_map(g->replay);

        return m ? hb_page_map_dirty_pages_per_s(m) * HB_PAGE_SIZE : 0.0;
}

json_t *hb_stage_placement_json(const struct hb_stage_guest *g, bool full) {
        struct hb_engine_stats s = stats_of(g);
        uint64_t now = hb_stage_live(g).time_ns;
        json_t *j;

        if (!hb_stage_placed(g))
                return json_null();
        j = json_pack("{s:s,s:s,s:s,s:f}", "id", g->placement_id, "to", hb_stage_host_name(!g->home), "state",
                      hb_stage_placement_state(g), "since_s", seconds(now, g->state_ns));
        put_counts(j, &s);
        put_pages(j, "bytes", s.fetched_bytes);
        put(j, "rate_bytes_per_s", json_real(s.rate_bytes_per_s));
        put(j, "dirty_bytes_per_s", json_real(dirty_of(g)));
        put(j, "bytes_by_kind", kinds_json(&s));
        put(j, "path", json_string("tcp"));
        put(j, "link", link_json(g, &s));
        put(j, "estimate", estimate_json(g));
        put(j, "trend", json_string(g->trend[0] ? g->trend : "unknown"));
        put(j, "trend_since_s", json_real(seconds(now, g->trend_ns)));
        put(j, "error", json_null());
        put(j, "guest", json_string(g->name));
        if (full)
                put_full(j, g, &s);
        return j;
}

/* ---- the same on its target ---- */

static json_t *scores_json(const struct hb_stage_guest *g, const struct hb_engine_stats *s) {
        uint32_t histogram[HB_POLICY_BUCKETS] = {0};
        json_t *buckets = json_array();

        hb_engine_histogram(hb_replay_engine(g->replay), histogram);
        for (unsigned b = 0; b < HB_POLICY_BUCKETS; b++)
                json_array_append_new(buckets, json_integer(histogram[b]));
        return json_pack("{s:f,s:f,s:o,s:o}", "low", -1.0, "high", 1.0, "buckets", buckets, "cut",
                         s->threshold <= 1 ? json_real(s->threshold) : json_null());
}

static json_t *quality_json(const struct hb_stage_guest *g) {
        struct hb_replay_result r;

        hb_replay_result(g->replay, &r);
        if (!isfinite(r.quality.all.f1))
                return json_null();
        return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "moments", (json_int_t)r.quality.all.moments,
                         "precision", known(r.quality.all.precision), "recall", known(r.quality.all.recall),
                         "f1", known(r.quality.all.f1), "f1_returning", known(r.quality.returning.f1),
                         "f1_new", known(r.quality.fresh.f1), "f1_writes", known(r.quality.writes.f1));
}

static void put_full_incoming(json_t *j, const struct hb_stage_guest *g, const struct hb_engine_stats *s) {
        const hb_policies *p = hb_replay_policies_of(g->replay);
        uint64_t swaps = 0, max_ns = 0;
        char digest[17];

        if (p)
                hb_policies_swaps(p, &swaps, &max_ns);
        snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)s->digest);
        put(j, "decision_digest", json_string(digest));
        put(j, "dir", json_string(""));
        put(j, "processed", json_integer(s->processed));
        put_pages(j, "failed_pages", s->failed_pages);
        put_pages(j, "refuted_pages", s->refuted_pages);
        put(j, "recording", json_null());
        put(j, "learning", json_null());
        put(j, "policies", hb_stage_placed_json(g));
        put(j, "swaps", json_pack("{s:I,s:f}", "count", (json_int_t)swaps, "max_ms", (double)max_ns / 1e6));
        put(j, "quality", quality_json(g));
        put(j, "scores", scores_json(g, s));
}

json_t *hb_stage_incoming_json(const struct hb_stage_guest *g, bool full) {
        struct hb_engine_stats s = stats_of(g);
        json_t *j = json_pack("{s:s,s:s,s:s,s:s}", "id", g->placement_id, "guest", g->name, "from",
                              hb_stage_host_name(g->home), "state", hb_stage_placement_state(g));

        put_counts(j, &s);
        put(j, "no_room", json_false());
        put(j, "spill", json_pack("{s:s,s:i}", "state", "off", "spilled_pages", 0));
        put(j, "paths",
            json_pack("{s:s,s:s}", "path", "tcp", "why",
                      g->exact ? "as it was recorded" : "the link is simulated"));
        if (full)
                put_full_incoming(j, g, &s);
        return j;
}

json_t *hb_stage_incomings_json(const struct hb_stage_host *h, const char *only, bool full) {
        hb_stage *s = h->stage;
        json_t *a = json_array();

        for (unsigned i = 0; i < s->nguests; i++) {
                const struct hb_stage_guest *g = &s->guests[i];

                if (g->home != h->side && hb_stage_placed(g) && (!only || strcmp(only, g->name) == 0))
                        json_array_append_new(a, hb_stage_incoming_json(g, full));
        }
        return a;
}

/* ---- a guest ---- */

static json_t *regions_json(const struct hb_stage_guest *g) {
        const struct hb_shape *s = &g->h->shape;
        json_t *a = json_array();

        for (unsigned i = 0; i < s->nregions; i++)
                json_array_append_new(a, json_pack("{s:s,s:I,s:s,s:s}", "name", s->regions[i].name, "bytes",
                                                   (json_int_t)(s->regions[i].pages * HB_PAGE_SIZE),
                                                   "backing", "memfd", "path", ""));
        return a;
}

static void put_full_guest(json_t *j, const struct hb_stage_guest *g) {
        put(j, "pid", json_integer(0));
        put(j, "sees", json_string(g->h->flags & HB_TRACE_NO_READS ? "writes" : "reads and writes"));
        put(j, "blind", json_string(""));
        put(j, "mappers", json_array());
        put(j, "regions", regions_json(g));
        put(j, "resumed", json_false());
        put(j, "dma_note", json_string(""));
        put(j, "grace_ms", json_integer(0));
}

static const char *cannot_move(const struct hb_stage_guest *g) {
        if (g->exact)
                return "what is shown was recorded: it moves when it did then";
        return g->ended ? "its trace is at its end" : "";
}

static json_t *short_handover(const struct hb_stage_guest *g) {
        if (!g->move.active)
                return json_null();
        return json_pack("{s:s,s:s,s:s,s:s}", "state", hb_stage_step_name(g->move.step, true), "role",
                         "source", "peer", hb_stage_host_name(!g->move.from), "state_text",
                         hb_stage_step_text(g->move.step, true));
}

json_t *hb_stage_guest_json(const struct hb_stage_guest *g, bool full) {
        const hb_page_map *m = hb_replay_map(g->replay);
        bool program = g->h->origin == HB_TRACE_PROGRAM,
             stopped = g->move.active && g->move.step >= HB_STEP_FREEZE && g->move.step < HB_STEP_ABORT;
        char vmm[HB_NAME_MAX + 96];
        json_t *j;

        snprintf(vmm, sizeof(vmm), "replay of %.120s", g->h->note[0] ? g->h->note : g->h->guest);
        j = json_pack("{s:s,s:s,s:s,s:o,s:s}", "name", g->name, "kind", program ? "process" : "qemu", "state",
                      g->trouble.code ? "gone"
                      : stopped       ? "frozen"
                                      : "running",
                      "vmm", hb_ctl_text(vmm), "tracker", hb_trace_origin_name(g->h->origin));
        put_pages(j, "ram_bytes", g->h->shape.pages * HB_PAGE_SIZE);
        put_pages(j, "resident_bytes", m ? hb_page_map_resident_pages(m) * HB_PAGE_SIZE : 0);
        put(j, "epoch", json_integer(m ? hb_page_map_epoch(m) : 0));
        put(j, "epoch_ms", json_integer((json_int_t)(g->h->epoch_ns / HB_NS_PER_MS)));
        put(j, "dirty_bytes_per_s", json_real(dirty_of(g)));
        put(j, "scan_ms", json_null());
        put(j, "guest_cost_share", json_null());
        put(j, "can_move", json_boolean(!cannot_move(g)[0]));
        put(j, "cannot_move", json_string(cannot_move(g)));
        put(j, "recording", json_null());
        put(j, "placement", hb_stage_placement_json(g, full));
        put(j, "handover", full && g->move.active ? hb_stage_handover_json(g, true) : short_handover(g));
        if (full)
                put_full_guest(j, g);
        return j;
}

json_t *hb_stage_guests_json(const struct hb_stage_host *h, const char *only, bool full) {
        hb_stage *s = h->stage;
        json_t *a = json_array();

        for (unsigned i = 0; i < s->nguests; i++)
                if (s->guests[i].home == h->side && (!only || strcmp(only, s->guests[i].name) == 0))
                        json_array_append_new(a, hb_stage_guest_json(&s->guests[i], full));
        return a;
}
