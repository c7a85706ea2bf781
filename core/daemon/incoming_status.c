/* incoming_status: what an incoming placement looks like from outside, at length and in short. Reads only. */
#include "daemon/incoming.h"
#include "daemon/incoming_priv.h"
#include "daemon/recording.h"
#include "place/image_spill.h"
#include <math.h>

static json_t *known(double v) {
        return isfinite(v) ? json_real(v) : json_null();
}

/* By the definition of docs/POLICY_API.md, as far as the target hears of the guest. */
static json_t *quality_json(const struct hb_incoming *in) {
        struct hb_quality_result q;
        if (!in->judge)
                return json_null();
        hb_judge_result(in->judge, &q);
        return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "moments", (json_int_t)q.all.moments, "precision",
                         known(q.all.precision), "recall", known(q.all.recall), "f1", known(q.all.f1),
                         "f1_returning", known(q.returning.f1), "f1_new", known(q.fresh.f1), "f1_writes",
                         known(q.writes.f1));
}

/* The candidates of the last round by their score. */
static json_t *scores_json(const struct hb_incoming *in, double cut) {
        uint32_t histogram[HB_POLICY_BUCKETS];
        json_t *a = json_array();
        hb_engine_histogram(in->engine, histogram);
        for (unsigned i = 0; i < HB_POLICY_BUCKETS; i++)
                json_array_append_new(a, json_integer(histogram[i]));
        return json_pack("{s:i,s:i,s:o,s:o}", "low", -1, "high", 1, "buckets", a, "cut", known(cut));
}

static const char *state_name(const struct hb_incoming *in, const struct hb_engine_stats *s) {
        return !in->session  ? "lost"
               : s->frozen   ? "frozen"
               : s->draining ? "draining"
               : s->ready    ? "ready"
                             : "filling";
}

json_t *hb_incoming_json(const struct hb_incoming *in) {
        struct hb_engine_stats s;
        hb_engine_stats(in->engine, &s);
        char id[33], digest[17];
        hb_id_hex(in->id, id);
        snprintf(digest, sizeof digest, "%016llx", (unsigned long long)s.digest);
        json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "id", id, "guest", in->guest, "from", in->host,
                              "dir", in->dir, "state", state_name(in, &s), "decision_digest", digest);
        json_object_update_new(
                j, json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "resident_pages", (json_int_t)s.resident,
                             "fresh_pages", (json_int_t)s.fresh, "stale_pages", (json_int_t)s.stale,
                             "absent_pages", (json_int_t)s.absent, "fetching_pages", (json_int_t)s.fetching,
                             "zero_pages", (json_int_t)s.zero_pages, "pages", (json_int_t)s.fetched_pages,
                             "wire_bytes", (json_int_t)s.wire_bytes));
        json_object_update_new(j, json_pack("{s:I,s:i,s:f,s:f,s:f,s:I,s:I}", "wasted_pages",
                                            (json_int_t)s.wasted_pages, "processed", (int)s.processed,
                                            "threshold", s.threshold, "precision", s.precision, "recall",
                                            s.recall, "above_threshold", (json_int_t)s.above_threshold,
                                            "failed_pages", (json_int_t)s.failed_pages));
        json_object_update_new(j, json_pack("{s:I,s:I,s:I}", "known_pages", (json_int_t)s.known_pages,
                                            "copied_pages", (json_int_t)s.copied_pages, "refuted_pages",
                                            (json_int_t)s.refuted_pages));
        json_object_set_new(j, "spill", hb_incoming_spill_json(in));
        json_object_set_new(j, "no_room", json_boolean(in->no_room));
        json_object_set_new(j, "paths", hb_incoming_paths_json(in));
        json_object_set_new(j, "recording", hb_recording_json(in->recording));
        json_object_set_new(j, "policies", hb_policy_placed_json(in));
        json_object_set_new(j, "swaps", hb_policy_swaps_json(in));
        json_object_set_new(j, "quality", quality_json(in));
        json_object_set_new(j, "scores", scores_json(in, s.threshold));
        json_object_set_new(j, "learning", hb_incoming_teach_json(in));
        return j;
}

/* ---- in short ---- */

static void write_pages(const struct hb_engine_stats *s, struct hb_json_out *o) {
        hb_json_pages(o, "fresh_pages", s->fresh);
        hb_json_pages(o, "stale_pages", s->stale);
        hb_json_pages(o, "absent_pages", s->absent);
        hb_json_pages(o, "fetching_pages", s->fetching);
        hb_json_pages(o, "resident_pages", s->resident);
        hb_json_pages(o, "zero_pages", s->zero_pages);
        hb_json_pages(o, "pages", s->fetched_pages);
        hb_json_pages(o, "wire_bytes", s->wire_bytes);
        hb_json_pages(o, "wasted_pages", s->wasted_pages);
        hb_json_pages(o, "known_pages", s->known_pages);
        hb_json_pages(o, "copied_pages", s->copied_pages);
        hb_json_real(o, "threshold", s->threshold);
        hb_json_real(o, "precision", s->precision);
        hb_json_real(o, "recall", s->recall);
        hb_json_pages(o, "above_threshold", s->above_threshold);
}

static void write_path(const struct hb_incoming *in, struct hb_json_out *o) {
        struct hb_incoming_path path;
        if (hb_incoming_path(in, &path) < 0) {
                hb_json_null(o, "paths");
                return;
        }
        hb_json_open(o, "paths", '{');
        hb_json_str(o, "path", path.rdma ? "rdma" : "tcp");
        hb_json_str(o, "why", path.why);
        hb_json_close(o, '}');
}

void hb_incoming_write(const struct hb_incoming *in, struct hb_json_out *o) {
        struct hb_engine_stats s;
        char id[33];
        hb_engine_stats(in->engine, &s);
        hb_id_hex(in->id, id);
        hb_json_open(o, NULL, '{');
        hb_json_str(o, "id", id);
        hb_json_str(o, "guest", in->guest);
        hb_json_str(o, "from", in->host);
        hb_json_str(o, "state", state_name(in, &s));
        write_pages(&s, o);
        hb_json_bool(o, "no_room", in->no_room);
        hb_json_open(o, "spill", '{');
        hb_json_str(o, "state", hb_incoming_spill_state(in));
        hb_json_pages(o, "spilled_pages", hb_image_spilled(in->image));
        hb_json_close(o, '}');
        write_path(in, o);
        hb_json_close(o, '}');
}
