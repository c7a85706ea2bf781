/* stage_guest: one trace behind the sockets: opened, stepped, and what happens in it told as events.
 *
 * A trace that fails in its midst ends there, with an event; the others play on. What is noticed is noticed
 * after each step, so the events of a replay are the same at any speed. */
#include "stage/stage_priv.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_NS        (50 * HB_NS_PER_MS) /* a step of a move: replay/moving.c */
#define STALE_BURST     16u                 /* one in so many resident pages became stale at once */
#define STALE_LEAST     256u
#define THRESHOLD_MOVED 0.15
#define READ_AHEAD      (32u << 20) /* bytes of a trace */

/* ---- ids ---- */

void hb_stage_id(char ret[33], const char *name, unsigned number, const char *of) {
        uint64_t h[2] = {0xcbf29ce484222325ull ^ number, 0x84222325cbf29ce4ull + number};

        for (const char *p = name; *p; p++)
                h[0] = (h[0] ^ (unsigned char)*p) * 0x100000001b3ull;
        for (const char *p = of; *p; p++)
                h[1] = (h[1] ^ (unsigned char)*p ^ h[0] >> 32) * 0x100000001b3ull;
        snprintf(ret, 33, "%016llx%016llx", (unsigned long long)h[0], (unsigned long long)h[1]);
}

/* ---- looking ---- */

struct hb_replay_live hb_stage_live(const struct hb_stage_guest *g) {
        struct hb_replay_live l;

        hb_replay_live(g->replay, &l);
        return l;
}

bool hb_stage_placed(const struct hb_stage_guest *g) {
        struct hb_replay_live l = hb_stage_live(g);

        if (!hb_replay_engine(g->replay) || l.course == HB_COURSE_ALONE)
                return false;
        return l.course != HB_COURSE_MOVED || (g->move.active && g->move.step < HB_STEP_FINISH);
}

struct hb_stage_guest *hb_stage_guest_find(hb_stage *s, const char *name) {
        for (unsigned i = 0; i < s->nguests; i++)
                if (strcmp(s->guests[i].name, name) == 0)
                        return &s->guests[i];
        return NULL;
}

/* ---- opened ---- */

/* Names are unique on a host: the second "sqlite" is "sqlite-2". */
static void name_guest(hb_stage *s, struct hb_stage_guest *g, const char *wanted) {
        char name[HB_NAME_MAX];

        snprintf(name, sizeof(name), "%s", hb_name_ok(wanted) ? wanted : "guest");
        for (unsigned n = 2; hb_stage_guest_find(s, name); n++)
                snprintf(name, sizeof(name), "%.48s-%u", hb_name_ok(wanted) ? wanted : "guest", n);
        memcpy(g->name, name, sizeof(name));
}

/* When each epoch ends, from the trace's begin as the replay counts it; of a long trace it is not worth the
 * reading. */
static int read_ends(struct hb_stage_guest *g, hb_trace_reader *r, const struct hb_trace_info *info,
                     struct hb_err *e) {
        uint64_t step = hb_trace_reader_header(r)->epoch_ns, begin = 0;
        struct hb_trace_item i;
        int rc = 0;

        if (info->bytes > READ_AHEAD || info->epochs > READ_AHEAD / 8)
                return 0;
        g->ends = calloc(info->epochs, sizeof(*g->ends));
        if (!g->ends)
                return hb_err_set(e, -ENOMEM, g->path, NULL, "no memory for a replay");
        while (g->nends < info->epochs && (rc = hb_trace_reader_next(r, &i, e)) > 0) {
                if (i.kind != HB_TRACE_EPOCH)
                        continue;
                if (g->nends == 0)
                        begin = i.time_ns > step ? i.time_ns - step : 0;
                g->ends[g->nends++] = i.time_ns - begin;
        }
        if (g->nends)
                g->length_ns = g->ends[g->nends - 1];
        return rc < 0 ? rc : 0;
}

static int measure_open(struct hb_stage_guest *g, hb_trace_reader *r, struct hb_err *e) {
        const struct hb_trace_header *h = hb_trace_reader_header(r);
        struct hb_trace_info info;

        hb_trace_reader_info(r, &info);
        if (info.damaged)
                return hb_err_set(e, -EBADMSG, g->path, "harbinger trace repair it",
                                  "the trace is damaged: %s", info.damage);
        if (!info.epochs)
                return hb_err_set(e, -ENODATA, g->path, "harbinger trace info tells what is in it",
                                  "there is no epoch in the trace");
        name_guest(g->stage, g, h->guest);
        g->epochs = info.epochs;
        g->length_ns = info.last_ns - info.first_ns + h->epoch_ns;
        return read_ends(g, r, &info, e);
}

static int measure(struct hb_stage_guest *g, struct hb_err *e) {
        hb_trace_reader *r;
        int rc = hb_trace_reader_open(g->path, &r, e);

        if (rc < 0)
                return rc;
        rc = measure_open(g, r, e);
        hb_trace_reader_free(r);
        return rc;
}

static void on_mark(void *arg, const struct hb_trace_event *ev) {
        struct hb_stage_guest *g = arg;

        switch (ev->mark.kind) {
        case HB_MARK_MIGRATE:
                g->mark_migrate = true;
                break;
        case HB_MARK_NOTE:
                hb_stage_tell(g->stage, g->home, HB_LOG_INFO, HB_ON_TRACE, g->name, NULL,
                              "a note in the trace: %.200s", ev->mark.text);
                break;
        case HB_MARK_DROPPED:
                hb_stage_tell(g->stage, g->home, HB_LOG_WARNING, HB_ON_TRACE, g->name, "harbinger trace info",
                              "the recorder had no room for %llu records (%.60s)",
                              (unsigned long long)ev->mark.value, ev->mark.text);
                break;
        case HB_MARK_POLICY_ERROR:
                hb_stage_tell(g->stage, !g->home, HB_LOG_WARNING, HB_ON_POLICY, g->name, NULL,
                              "recorded: a policy failed: %.200s", ev->mark.text);
                break;
        default:
                break;
        }
}

int hb_stage_guest_begin(struct hb_stage_guest *g, struct hb_err *e) {
        hb_stage *s = g->stage;
        struct hb_replay_options o = {.mode = s->o.simulated ? HB_REPLAY_SIMULATED : HB_REPLAY_AUTO,
                                      .policy_dir = s->policy_dir,
                                      .quality = true,
                                      .finetune = -1};
        struct hb_replay_result result;
        hb_replay *fresh;
        int rc = hb_replay_open(g->path, &o, &fresh, e);

        if (rc < 0)
                return rc;
        hb_replay_result(fresh, &result);
        if (!result.exact && (s->o.link_bytes_per_s > 0 || s->o.latency_s > 0)) {
                hb_replay_free(fresh);
                o.mode = HB_REPLAY_SIMULATED;
                o.link_bytes_per_s = s->o.link_bytes_per_s;
                o.latency_s = s->o.latency_s;
                rc = hb_replay_open(g->path, &o, &fresh, e);
        }
        if (rc == 0 && hb_replay_keep_map(fresh) < 0) {
                hb_replay_free(fresh);
                rc = hb_err_set(e, -ENOMEM, g->path, NULL, "no memory for a replay");
        }
        if (rc < 0)
                return rc;
        hb_replay_free(g->replay);
        g->replay = fresh;
        g->h = hb_replay_header(fresh);
        g->exact = result.exact;
        g->home = 0;
        g->ended = g->mark_migrate = g->migrated_once = false;
        g->trouble = (struct hb_err){0};
        g->point = (struct hb_replay_point){0};
        g->state[0] = g->trend[0] = 0;
        g->state_ns = g->trend_ns = g->ready_ns = g->heard_stale = 0;
        g->heard_threshold = (double)NAN;
        g->move = (struct hb_stage_move){0};
        hb_stage_id(g->placement_id, g->name, ++g->placements, "placement");
        hb_replay_on_mark(fresh, on_mark, g);
        g->changed_to = 0;
        hb_stage_policies_again(g);
        return 0;
}

int hb_stage_guest_open(hb_stage *s, unsigned number, const char *path, struct hb_err *e) {
        struct hb_stage_guest *g = &s->guests[number];
        int rc;

        g->stage = s;
        g->number = number;
        g->path = strdup(path);
        if (!g->path)
                return hb_err_set(e, -ENOMEM, path, NULL, "no memory for a replay");
        rc = measure(g, e);
        return rc < 0 ? rc : hb_stage_guest_begin(g, e);
}

void hb_stage_guest_forget_requests(struct hb_stage_guest *g, const struct hb_err *e) {
        if (g->place_request)
                hb_request_fail(g->place_request, e);
        if (g->move.request)
                hb_request_fail(g->move.request, e);
        g->place_request = NULL;
        g->move.request = NULL;
}

void hb_stage_guest_close(struct hb_stage_guest *g) {
        g->replay = hb_replay_free(g->replay);
        free(g->path);
        free(g->ends);
        g->path = NULL;
        g->ends = NULL;
}

/* ---- stepped ---- */

/* The first of the trace's epochs that ends after this; where they are not known, one of usual length. */
static uint64_t next_epoch_end(const struct hb_stage_guest *g, uint64_t now_ns) {
        uint64_t lo = 0, hi = g->nends;

        while (lo < hi) {
                uint64_t mid = lo + (hi - lo) / 2;

                if (g->ends[mid] > now_ns)
                        hi = mid;
                else
                        lo = mid + 1;
        }
        if (g->nends) /* after the last one nothing is left but to find that it was the last */
                return lo < g->nends ? g->ends[lo] : now_ns;
        return now_ns + (g->h->epoch_ns ? g->h->epoch_ns : HB_NS_PER_S);
}

uint64_t hb_stage_guest_due(const struct hb_stage_guest *g) {
        struct hb_replay_live l = hb_stage_live(g);

        if (g->ended)
                return UINT64_MAX;
        if (!g->exact && l.course == HB_COURSE_DRAINING)
                return l.time_ns + SHORT_NS;
        return next_epoch_end(g, l.time_ns);
}

static void end_of(struct hb_stage_guest *g, const struct hb_err *e) {
        hb_stage *s = g->stage;

        g->ended = true;
        s->changed = true;
        if (!e) {
                hb_stage_tell(s, g->home, HB_LOG_INFO, HB_ON_TRACE, g->name, NULL, "the trace is at its end");
                return;
        }
        g->trouble = *e;
        hb_stage_tell(s, g->home, HB_LOG_ERR, HB_ON_TRACE, g->name, e->next,
                      "the replay of %s ended early: %s", g->path, e->what);
}

void hb_stage_guest_step(struct hb_stage_guest *g) {
        hb_stage *s = g->stage;
        struct hb_err e = {0};
        int rc = hb_replay_live_step(g->replay, &e);

        if (rc <= 0) {
                end_of(g, rc < 0 ? &e : NULL);
                hb_stage_guest_notice(g);
                return;
        }
        hb_replay_point(g->replay, &g->point);
        hb_stage_policies_again(g);
        if (g->mark_migrate || (g->number == 0 && s->o.migrate_at_s >= 0 &&
                                hb_stage_live(g).time_ns >= (uint64_t)(s->o.migrate_at_s * 1e9)))
                hb_stage_move_by_itself(g);
        g->mark_migrate = false;
        hb_stage_guest_notice(g);
}

/* ---- what is to be told ---- */

static void tell_state(struct hb_stage_guest *g, const char *now) {
        bool began = !g->state[0] || strcmp(g->state, "none") == 0;
        const char *to = hb_stage_host_name(!g->home);
        hb_stage *s = g->stage;

        if (strcmp(now, "none") == 0 && !began && !g->move.active) /* or it has moved there */
                hb_stage_tell(s, g->home, HB_LOG_NOTICE, HB_ON_PLACEMENT, g->name, NULL,
                              "%s is not placed on host %s any more", g->name, to);
        else if (strcmp(now, "none") != 0 && began)
                hb_stage_tell(s, g->home, HB_LOG_NOTICE, HB_ON_PLACEMENT, g->name, NULL,
                              "placing %s on host %s: its pages are being fetched", g->name, to);
        else if (strcmp(now, "ready") == 0)
                hb_stage_tell(s, g->home, HB_LOG_NOTICE, HB_ON_PLACEMENT, g->name, NULL,
                              "%s is ready on host %s: moving it now would stop it for about %.0f ms",
                              g->name, to, hb_stage_estimate(g).downtime_ms);
        else if (strcmp(now, "filling") == 0 && strcmp(g->state, "ready") == 0)
                hb_stage_tell(s, g->home, HB_LOG_INFO, HB_ON_PLACEMENT, g->name, NULL,
                              "%s is behind on host %s again: pages are worth fetching", g->name, to);
}

static void state_changed(struct hb_stage_guest *g, const char *now, uint64_t now_ns) {
        tell_state(g, now);
        snprintf(g->state, sizeof(g->state), "%s", now);
        g->state_ns = now_ns;
        g->stage->changed = true;
}

static void notice_ready(struct hb_stage_guest *g, uint64_t now_ns) {
        if (strcmp(g->state, "ready") != 0)
                return;
        if (!g->ready_ns)
                g->ready_ns = now_ns;
        if (g->place_request)
                hb_request_ok(g->place_request, hb_stage_placement_json(g, true));
        g->place_request = NULL;
}

static void notice_late(struct hb_stage_guest *g, uint64_t now_ns) {
        struct hb_err e;

        if (!g->place_request || !g->place_deadline_ns || now_ns < g->place_deadline_ns)
                return;
        hb_err_set(&e, -ETIMEDOUT, g->name, "the placement goes on: harbinger status", "it is not ready yet");
        hb_request_fail(g->place_request, &e);
        g->place_request = NULL;
}

static void notice_trend(struct hb_stage_guest *g, uint64_t now_ns) {
        struct hb_stage_estimate est = hb_stage_estimate(g);
        const char *now = est.converging ? "converging" : "stalled";

        if (strcmp(now, g->trend) == 0)
                return;
        if (g->trend[0])
                hb_stage_tell(g->stage, g->home, est.converging ? HB_LOG_INFO : HB_LOG_NOTICE,
                              HB_ON_PLACEMENT, g->name,
                              est.converging ? NULL
                                             : "harbinger policy explain tells why a page is not fetched",
                              est.converging ? "%s converges again: more is fetched than is written"
                                             : "%s is stalled: the guest writes as fast as pages are fetched",
                              g->name);
        snprintf(g->trend, sizeof(g->trend), "%s", now);
        g->trend_ns = now_ns;
}

static void notice_figures(struct hb_stage_guest *g, const struct hb_engine_stats *st) {
        uint64_t many = st->resident / STALE_BURST > STALE_LEAST ? st->resident / STALE_BURST : STALE_LEAST;
        double moved = isnan(g->heard_threshold) ? 0 : st->threshold - g->heard_threshold;

        if (st->stale > g->heard_stale + many)
                hb_stage_tell(g->stage, g->home, HB_LOG_NOTICE, HB_ON_PLACEMENT, g->name, NULL,
                              "%s wrote a burst: %llu pages that were there are stale", g->name,
                              (unsigned long long)(st->stale - g->heard_stale));
        g->heard_stale = st->stale;
        if (isnan(g->heard_threshold))
                g->heard_threshold = st->threshold;
        if (moved < THRESHOLD_MOVED && moved > -THRESHOLD_MOVED)
                return;
        hb_stage_tell(g->stage, !g->home, HB_LOG_INFO, HB_ON_POLICY, g->name, NULL,
                      "%s: the threshold went from %.2f to %.2f", g->name, g->heard_threshold, st->threshold);
        g->heard_threshold = st->threshold;
}

void hb_stage_guest_notice(struct hb_stage_guest *g) {
        struct hb_replay_live l = hb_stage_live(g);
        struct hb_engine_stats st;
        const char *now = hb_stage_placement_state(g);

        if (strcmp(now, g->state) != 0)
                state_changed(g, now, l.time_ns);
        notice_late(g, l.time_ns);
        if (!hb_stage_placed(g))
                return;
        hb_engine_stats(hb_replay_engine(g->replay), &st);
        notice_ready(g, l.time_ns);
        notice_trend(g, l.time_ns);
        if (!g->move.active)
                notice_figures(g, &st);
}
