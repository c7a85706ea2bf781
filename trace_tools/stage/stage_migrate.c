/* stage_migrate: moves. The replay decides when the guest is stopped and when it runs again (replay/live.h);
 * here that becomes the states which a hand-over goes through on real hosts, one after the other, at the
 * replay's pace but none of them unseen.
 *
 * A replay has no device state: what sending, loading and taking it costs is what it costs on real hosts, as
 * the estimate has it. Where something is undone only the replay's own rules count: a guest that was stopped
 * has moved. */
#include "stage/stage_priv.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DOWNTIME_MS 300.0 /* as [migration] max_downtime_ms */

/* ---- history ---- */

static void remember(struct hb_stage_guest *g, const char *result, json_t *figures) {
        const struct hb_stage_move *m = &g->move;
        time_t t = time(NULL);
        char when[32] = "";
        struct tm tm;

        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
        json_array_insert_new(g->stage->history, 0,
                              json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o}", "time", when, "kind", "migration",
                                        "guest", g->name, "from", hb_stage_host_name(m->from), "to",
                                        hb_stage_host_name(!m->from), "result", result, "figures", figures));
        while (json_array_size(g->stage->history) > 256)
                json_array_remove(g->stage->history, 256);
}

/* ---- the steps ---- */

static void enter(struct hb_stage_guest *g, enum hb_stage_step step) {
        g->move.step = step;
        g->move.step_ns = g->stage->play_ns;
        g->stage->changed = true;
        hb_stage_tell(g->stage, g->move.from, HB_LOG_INFO, HB_ON_MIGRATION, g->name, NULL,
                      "move of %s to host %s: %s", g->name, hb_stage_host_name(!g->move.from),
                      hb_stage_step_text(step, true));
        if (g->move.request) {
                json_t *p = hb_stage_progress_json(g);

                json_object_set_new(p, "state", json_string(hb_stage_step_name(step, true)));
                json_object_set_new(p, "state_text", json_string(hb_stage_step_text(step, true)));
                hb_request_progress(g->move.request, p);
        }
}

static void give_up(struct hb_stage_guest *g) {
        struct hb_stage_move *m = &g->move;

        hb_stage_tell(g->stage, m->from, HB_LOG_WARNING, HB_ON_MIGRATION, g->name, m->why.next,
                      "%s was not moved and runs on host %s as before: %s", g->name,
                      hb_stage_host_name(m->from), m->why.what);
        remember(g, "aborted", json_pack("{s:s}", "why", m->why.what));
        if (m->request)
                hb_request_fail(m->request, &m->why);
        m->request = NULL;
        m->active = false;
        g->stage->changed = true;
}

static void arrived(struct hb_stage_guest *g) {
        g->home = !g->move.from;
        hb_stage_tell(g->stage, g->home, HB_LOG_NOTICE, HB_ON_MIGRATION, g->name, NULL,
                      "%s runs on host %s; it stood still for %.0f ms", g->name, hb_stage_host_name(g->home),
                      (double)(hb_stage_live(g).run_ns - hb_stage_live(g).stop_ns + HB_STAGE_OVERHEAD_NS) /
                              1e6);
}

static void finish(struct hb_stage_guest *g) {
        struct hb_stage_move *m = &g->move;
        json_t *result = hb_stage_result_json(g);

        remember(g, "done", json_deep_copy(result));
        if (m->request)
                hb_request_ok(m->request, result);
        else
                json_decref(result);
        m->request = NULL;
        m->active = false;
        g->migrated_once = true;
        g->stage->changed = true;
        snprintf(g->state, sizeof(g->state), "none");
}

static void begin(struct hb_stage_guest *g, bool ours, hb_request *r) {
        struct hb_stage_move *m = &g->move;
        struct hb_replay_live l = hb_stage_live(g);

        *m = (struct hb_stage_move){
                .active = true, .ours = ours, .from = g->home, .asked_ns = l.asked_ns, .request = r};
        hb_stage_id(m->id, g->name, ++g->placements, "move");
        hb_engine_stats(hb_replay_engine(g->replay), &m->before);
        m->summary_before = l.summary_bytes;
        m->max_downtime_ms = MAX_DOWNTIME_MS;
        m->placed_s = (double)((g->ready_ns ? g->ready_ns : l.time_ns) - l.begin_ns) / 1e9;
        hb_stage_tell(g->stage, m->from, HB_LOG_NOTICE, HB_ON_MIGRATION, g->name, NULL,
                      "moving %s from host %s to host %s", g->name, hb_stage_host_name(m->from),
                      hb_stage_host_name(!m->from));
        enter(g, HB_STEP_PREPARE);
}

/* Of the source's refusal, as core/daemon/migrate_source.c words it. */
static void refuse(struct hb_stage_guest *g) {
        struct hb_stage_estimate est = hb_stage_estimate(g);

        hb_err_set(&g->move.why, -EDEADLK, g->name,
                   "allow more with --max-downtime, or move it at a quieter time",
                   "does not converge, so the guest was not stopped: stopping now would take about %.0f ms, "
                   "allowed are %.0f ms",
                   est.downtime_ms, g->move.max_downtime_ms);
        enter(g, HB_STEP_ABORT);
}

static void late(struct hb_stage_guest *g) {
        hb_err_set(&g->move.why, -ETIMEDOUT, g->name, "give it more time with --timeout, or place it earlier",
                   "not below the allowed downtime in time");
        hb_replay_drop_move(g->replay, NULL);
        enter(g, HB_STEP_ABORT);
}

/* One step at a time, so that each is seen. */
static void next_step(struct hb_stage_guest *g) {
        struct hb_replay_live l = hb_stage_live(g);
        struct hb_stage_move *m = &g->move;
        uint64_t now = g->stage->play_ns;

        switch (m->step) {
        case HB_STEP_PREPARE:
                enter(g, HB_STEP_CONVERGE);
                break;
        case HB_STEP_CONVERGE:
                if (l.refused)
                        refuse(g);
                else if (l.stop_ns && now >= l.stop_ns)
                        enter(g, HB_STEP_FREEZE);
                else if (m->deadline_ns && now > m->deadline_ns)
                        late(g);
                break;
        case HB_STEP_FREEZE:
                enter(g, HB_STEP_DELTA);
                break;
        case HB_STEP_DELTA:
                if (l.run_ns && now >= l.run_ns)
                        enter(g, HB_STEP_STATE);
                break;
        case HB_STEP_ABORT:
                give_up(g);
                break;
        case HB_STEP_FINISH:
                if (now >= l.run_ns + hb_stage_step_ends(m->step))
                        finish(g);
                break;
        default:
                if (now < l.run_ns + hb_stage_step_ends(m->step))
                        break;
                if (m->step == HB_STEP_COMMIT)
                        arrived(g);
                enter(g, (enum hb_stage_step)(m->step + 1));
                break;
        }
}

/* A recorded move that was given up in the recording. */
static bool recorded_undone(const struct hb_stage_guest *g, const struct hb_replay_live *l) {
        return g->exact && !l->asked_ns;
}

void hb_stage_move_turn(struct hb_stage_guest *g) {
        struct hb_replay_live l = hb_stage_live(g);
        struct hb_stage_move *m = &g->move;

        if (!m->active && g->exact && l.asked_ns && !g->migrated_once && hb_replay_engine(g->replay))
                begin(g, false, NULL);
        if (!m->active)
                return;
        if (recorded_undone(g, &l) && m->step < HB_STEP_ABORT && !m->why.code) {
                hb_err_set(&m->why, -ECANCELED, g->name, NULL, "it was given up when this was recorded");
                enter(g, HB_STEP_ABORT);
                return;
        }
        next_step(g);
}

/* ---- asked for ---- */

static int start(struct hb_stage_guest *g, double max_downtime_ms, double timeout_s, hb_request *r,
                 struct hb_err *e) {
        double max = max_downtime_ms > 0 ? max_downtime_ms : MAX_DOWNTIME_MS;
        int rc;

        if (g->move.active)
                return hb_err_set(e, -EBUSY, g->name, "harbinger status", "it is being moved already (%s)",
                                  hb_stage_step_text(g->move.step, true));
        if (g->ended)
                return hb_err_set(e, -EBUSY, g->name, "replay it again, from an earlier moment",
                                  "its trace is at its end");
        rc = hb_replay_move(g->replay, max / 1e3, e);
        if (rc < 0)
                return rc;
        begin(g, true, r);
        g->move.max_downtime_ms = max;
        g->move.deadline_ns = timeout_s > 0 ? g->move.asked_ns + (uint64_t)(timeout_s * 1e9) : 0;
        return 0;
}

void hb_stage_move_by_itself(struct hb_stage_guest *g) {
        if (g->exact || g->move.active || g->migrated_once || !hb_stage_placed(g))
                return;
        g->migrated_once = true; /* asked for once, whatever becomes of it */
        start(g, 0, 0, NULL, NULL);
}

static const char *str(json_t *args, const char *key) {
        const char *s = json_string_value(json_object_get(args, key));

        return s ? s : "";
}

static int check_host(const struct hb_stage_host *h, const char *host, struct hb_err *e) {
        if (strcmp(host, hb_stage_host_name(!h->side)) == 0)
                return 0;
        return hb_err_set(e, -ENOENT, host, "a replay has the hosts a and b", "%s",
                          strcmp(host, hb_stage_host_name(h->side)) ? "unknown host" : "that is this host");
}

static json_t *number(double v) {
        return isfinite(v) && v < 1e11 ? json_real(v) : json_null();
}

static void dry_run(struct hb_stage_guest *g, const char *host, double max_ms, hb_request *r) {
        struct hb_stage_estimate est =
                hb_stage_placed(g) ? hb_stage_estimate(g) : (struct hb_stage_estimate){0};
        double max = max_ms > 0 ? max_ms : MAX_DOWNTIME_MS;
        bool over = est.known && est.downtime_ms > max, ok = !g->exact && !g->ended && !g->move.active;
        const char *why = g->exact              ? "what is shown was recorded: it moves when it did then"
                          : g->ended            ? "its trace is at its end"
                          : g->move.active      ? "it is being moved already"
                          : !hb_stage_placed(g) ? "not placed: everything would be sent after the request"
                          : over ? "stopping now would take longer than allowed; the move would first try to "
                                   "get below it"
                                 : "";
        json_t *j = json_pack("{s:s,s:s,s:s,s:b,s:b,s:s,s:f,s:b}", "guest", g->name, "from",
                              hb_stage_host_name(g->home), "to", host, "ready",
                              strcmp(hb_stage_placement_state(g), "ready") == 0, "can_move", ok, "why", why,
                              "max_downtime_ms", max, "would_refuse", !ok || (over && !est.converging));

        json_object_set_new(j, "estimate",
                            est.known ? json_pack("{s:o,s:o,s:o}", "downtime_ms", number(est.downtime_ms),
                                                  "time_to_ready_s", number(est.ready_s), "bytes_after",
                                                  number(est.bytes_after))
                                      : json_null());
        json_object_set_new(j, "placement", hb_stage_placement_json(g, true));
        hb_request_ok(r, j);
}

static int place(struct hb_stage_guest *g, struct hb_err *e) {
        int rc = hb_replay_place(g->replay, e);

        if (rc < 0)
                return rc;
        hb_stage_id(g->placement_id, g->name, ++g->placements, "placement");
        g->ready_ns = g->heard_stale = 0;
        g->trend[0] = 0;
        g->changed_to = 0;
        hb_stage_policies_again(g);
        hb_stage_guest_notice(g);
        return 0;
}

void hb_stage_cmd_migrate(struct hb_stage_host *h, hb_request *r, json_t *args) {
        struct hb_stage_guest *g = hb_stage_need_guest(h, r, args);
        double max_ms = json_number_value(json_object_get(args, "max_downtime_ms")),
               timeout_s = json_number_value(json_object_get(args, "timeout_s"));
        struct hb_err e = {0};
        int rc;

        if (!g)
                return;
        rc = check_host(h, str(args, "host"), &e);
        if (rc == 0 && json_is_true(json_object_get(args, "dry_run"))) {
                dry_run(g, str(args, "host"), max_ms, r);
                return;
        }
        if (rc == 0 && !hb_stage_placed(g) && !g->ended)
                rc = place(g, &e);
        if (rc == 0)
                rc = start(g, max_ms, timeout_s, r, &e);
        if (rc < 0)
                hb_request_fail(r, &e);
}

void hb_stage_cmd_abort(struct hb_stage_host *h, hb_request *r, json_t *args) {
        struct hb_stage_guest *g = hb_stage_guest_find(h->stage, str(args, "guest"));
        struct hb_err e = {0};
        int rc = 0;

        if (!g || !g->move.active)
                rc = hb_err_set(&e, -ENOENT, str(args, "guest"), "harbinger status",
                                "no hand-over of this guest is under way");
        else if (!g->move.ours)
                rc = hb_stage_cannot(&e, g->name, "the move is in the recording, and happened");
        else if (g->move.step > HB_STEP_CONVERGE || hb_stage_live(g).stop_ns)
                rc = hb_err_set(&e, -EBUSY, g->name, "wait", "too late to abort: %s",
                                hb_stage_step_text(g->move.step, true));
        if (rc == 0)
                rc = hb_replay_drop_move(g->replay, &e);
        if (rc < 0) {
                hb_request_fail(r, &e);
                return;
        }
        hb_err_set(&g->move.why, -ECANCELED, g->name, "harbinger status", "aborted by the operator");
        hb_request_ok(r, hb_stage_handover_json(g, g->move.from == h->side));
        enter(g, HB_STEP_ABORT);
}

void hb_stage_cmd_place(struct hb_stage_host *h, hb_request *r, json_t *args) {
        struct hb_stage_guest *g = hb_stage_need_guest(h, r, args);
        double timeout_s = json_number_value(json_object_get(args, "timeout_s"));
        struct hb_err e = {0};
        int rc;

        if (!g)
                return;
        rc = check_host(h, str(args, "host"), &e);
        if (rc == 0)
                rc = place(g, &e);
        if (rc == -EALREADY)
                rc = hb_err_set(&e, -EEXIST, g->name, "harbinger unplace it first",
                                "it is placed on host %s already", hb_stage_host_name(!g->home));
        if (rc < 0) {
                hb_request_fail(r, &e);
        } else if (json_is_true(json_object_get(args, "wait"))) {
                g->place_request = r;
                g->place_deadline_ns =
                        timeout_s > 0 ? hb_stage_live(g).time_ns + (uint64_t)(timeout_s * 1e9) : 0;
        } else {
                hb_request_ok(r, hb_stage_placement_json(g, true));
        }
}

void hb_stage_cmd_unplace(struct hb_stage_host *h, hb_request *r, json_t *args) {
        struct hb_stage_guest *g = hb_stage_need_guest(h, r, args);
        struct hb_err e = {0};
        int rc;

        if (!g)
                return;
        rc = g->move.active ? hb_err_set(&e, -EBUSY, g->name, "wait for it, or abort it", "it is being moved")
                            : hb_replay_unplace(g->replay, &e);
        if (rc == -EALREADY)
                rc = hb_err_set(&e, -ENOENT, g->name, "harbinger status", "it is not placed");
        if (rc < 0) {
                hb_request_fail(r, &e);
                return;
        }
        hb_err_set(&e, -ECANCELED, g->name, NULL, "the placement was given up");
        hb_stage_guest_forget_requests(g, &e);
        hb_stage_guest_notice(g);
        hb_request_ok(r, json_object());
}
