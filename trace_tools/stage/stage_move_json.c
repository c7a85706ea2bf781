/* stage_move_json: a move in words and as JSON, as a daemon tells of a hand-over. Reads only. */
#include "stage/stage_priv.h"
#include <math.h>

/* Words as core/move/handover_words.c has them; a test holds them against each other. `after`: ns since the
 * image was complete when the step is over (those before end by what the replay does). */
static const struct {
        const char *source, *source_text, *target, *target_text;
        uint64_t after;
} steps[HB_STEPS] = {
        [HB_STEP_PREPARE] = {"s-prepare", "making the target ready", "t-prepare", "making a VMM ready", 0},
        [HB_STEP_CONVERGE] = {"s-converge", "bringing the rest down below the allowed downtime", "t-prepared",
                              "ready; waiting for the guest to stop on the source", 0},
        [HB_STEP_FREEZE] = {"s-freeze", "stopping the guest", "t-delta", "completing the image", 0},
        [HB_STEP_DELTA] = {"s-delta", "sending the last pages", "t-delta", "completing the image", 0},
        [HB_STEP_STATE] = {"s-state", "sending the device state", "t-state", "receiving the device state",
                           12 * HB_NS_PER_MS},
        [HB_STEP_LOADED] = {"s-loaded", "waiting for the target to have loaded it", "t-journal",
                            "loading the device state", 20 * HB_NS_PER_MS},
        [HB_STEP_RELEASE] = {"s-release", "releasing the guest", "t-loaded",
                             "loaded; waiting for the source to release the guest", 25 * HB_NS_PER_MS},
        [HB_STEP_COMMIT] = {"s-commit", "released; waiting for the target to take it", "t-resume",
                            "starting the guest", HB_STAGE_OVERHEAD_NS},
        [HB_STEP_FINISH] = {"s-finish", "moved; ending the copy left here", "t-done", "the guest runs here",
                            500 * HB_NS_PER_MS},
        [HB_STEP_ABORT] = {"s-abort", "given up; letting the guest go on here", "t-abort",
                           "given up; ending the VMM", 0},
};

const char *hb_stage_step_name(enum hb_stage_step s, bool source) {
        return source ? steps[s].source : steps[s].target;
}

uint64_t hb_stage_step_ends(enum hb_stage_step s) {
        return steps[s].after;
}

const char *hb_stage_step_text(enum hb_stage_step s, bool source) {
        return source ? steps[s].source_text : steps[s].target_text;
}

/* ---- as JSON ---- */

static double since(const struct hb_stage_guest *g, uint64_t ns) {
        uint64_t now = g->stage->play_ns;

        return now > ns ? (double)(now - ns) / 1e9 : 0.0;
}

static json_t *number(double v) {
        return isfinite(v) && v < 1e11 ? json_real(v) : json_null();
}

json_t *hb_stage_progress_json(const struct hb_stage_guest *g) {
        struct hb_stage_estimate est = hb_stage_estimate(g);
        const hb_page_map *m = hb_replay_map(g->replay);
        struct hb_engine_stats s;

        if (!hb_replay_engine(g->replay))
                return json_null();
        hb_engine_stats(hb_replay_engine(g->replay), &s);
        return json_pack("{s:I,s:f,s:f,s:s,s:o,s:f}", "remaining_bytes",
                         (json_int_t)((s.stale + s.absent + s.fetching) * HB_PAGE_SIZE), "dirty_bytes_per_s",
                         m ? hb_page_map_dirty_pages_per_s(m) * HB_PAGE_SIZE : 0.0, "rate_bytes_per_s",
                         s.rate_bytes_per_s, "trend", g->trend[0] ? g->trend : "unknown",
                         "estimate_downtime_ms", number(est.downtime_ms), "elapsed_s",
                         since(g, g->move.asked_ns));
}

json_t *hb_stage_handover_json(const struct hb_stage_guest *g, bool source) {
        const struct hb_stage_move *m = &g->move;
        json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:f}", "handover", m->id, "guest", g->name, "role",
                              source ? "source" : "target", "peer",
                              hb_stage_host_name(source ? !m->from : m->from), "state",
                              hb_stage_step_name(m->step, source), "state_text",
                              hb_stage_step_text(m->step, source), "state_s", since(g, m->step_ns));

        json_object_set_new(j, "progress", source ? hb_stage_progress_json(g) : json_null());
        if (m->why.code)
                json_object_set_new(j, "error", hb_ctl_error_json(&m->why));
        return j;
}

json_t *hb_stage_result_json(const struct hb_stage_guest *g) {
        const struct hb_stage_move *m = &g->move;
        struct hb_replay_live l = hb_stage_live(g);
        struct hb_engine_stats s;
        double downtime_ms, total_ms;
        json_t *j;

        hb_engine_stats(hb_replay_engine(g->replay), &s);
        downtime_ms = (double)(l.run_ns - l.stop_ns + HB_STAGE_OVERHEAD_NS) / 1e6;
        total_ms = (double)(l.run_ns + HB_STAGE_OVERHEAD_NS - l.asked_ns) / 1e6;
        j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:f,s:f,s:I,s:I,s:I}", "handover", m->id, "guest", g->name,
                      "from", hb_stage_host_name(m->from), "to", hb_stage_host_name(!m->from), "result",
                      "done", "downtime_ms", downtime_ms, "total_ms", total_ms, "bytes_after",
                      (json_int_t)(s.wire_bytes - m->before.wire_bytes), "pages_final",
                      (json_int_t)s.final_pages, "nonzero_bytes", (json_int_t)(s.resident * HB_PAGE_SIZE));
        json_object_set_new(j, "placement",
                            json_pack("{s:I,s:I,s:f,s:I}", "bytes", (json_int_t)m->before.wire_bytes, "pages",
                                      (json_int_t)m->before.fetched_pages, "seconds", m->placed_s,
                                      "summary_bytes", (json_int_t)m->summary_before));
        json_object_set_new(j, "outcome",
                            json_pack("{s:I,s:I,s:I,s:I,s:I}", "hit", (json_int_t)s.hit, "late",
                                      (json_int_t)s.late, "stale", (json_int_t)s.stale_at_freeze, "missing",
                                      (json_int_t)s.missing_at_freeze, "wasted", (json_int_t)s.wasted_pages));
        json_object_set_new(
                j, "duplicates",
                json_pack("{s:i,s:i,s:i}", "copied_pages", 0, "copied_bytes", 0, "refuted_pages", 0));
        return j;
}
