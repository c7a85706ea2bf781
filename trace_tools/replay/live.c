/* live: a replay looked at and given orders between two steps.
 *
 * A move is made of short epochs, each a step of its own, so that whoever shows it can show it going on; the
 * moving itself is moving.c's, as for the moves that are only asked about. When it is over the simulated
 * target has no more to do, and the source's map goes on as the map of the host the guest then runs on. */
#include "replay/live.h"
#include "base/clock.h"
#include "base/fault.h"
#include "replay/moving.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct hb_replay_turn {
        struct hb_moving m;
        uint32_t epoch; /* the one that m goes through; its accesses are m's */
        uint64_t time_ns;
        bool settled; /* over, refused or given up: what is left of the epoch is all there is to do */
        bool past_end;
};

/* ---- looking ---- */

int hb_replay_keep_map(hb_replay *r) {
        if (r->sim || r->map)
                return 0;
        return hb_page_map_open(&r->h->shape, NULL, &r->map, NULL);
}

const hb_page_map *hb_replay_map(const hb_replay *r) {
        return r->sim ? r->sim->map : r->map;
}

const hb_policies *hb_replay_policies_of(const hb_replay *r) {
        return hb_replay_engine_of(r) ? r->policies : NULL;
}

void hb_replay_link(const hb_replay *r, struct hb_policy_link *ret) {
        const struct hb_sim_link *l;

        *ret = r->heard_link;
        if (!r->sim)
                return;
        l = &r->sim->link;
        *ret = (struct hb_policy_link){.latency_s = 2.0 * (double)l->way_ns / 1e9,
                                       .bytes_per_s = l->rate,
                                       .free_bytes_per_s = l->rate * (1 - l->used_share),
                                       .used_share = l->used_share};
}

static int no_engine(const hb_replay *r, struct hb_err *e) {
        return hb_err_set(e, -ENODATA, r->h->guest, "let the replay go on", "its placement has not begun");
}

int hb_replay_explain(hb_replay *r, bool shadow, uint64_t gfn, hb_policy_term *term, void *arg,
                      struct hb_engine_explained *ret, struct hb_err *e) {
        hb_engine *engine = hb_replay_engine_of(r);

        return engine ? hb_engine_explain(engine, NULL, shadow, gfn, term, arg, ret, e) : no_engine(r, e);
}

int hb_replay_glance(hb_replay *r, const uint32_t *gfn, uint32_t n, struct hb_replay_page *ret,
                     bool *ret_expects) {
        const struct hb_image_page *pages = r->sim ? r->sim->pages : r->x.pages;
        float reads[HB_REPLAY_GLANCE], writes[HB_REPLAY_GLANCE], expected[HB_REPLAY_GLANCE];
        hb_engine *e = hb_replay_engine_of(r);
        int rc;

        if (!e)
                return -ENODATA;
        if (n > HB_REPLAY_GLANCE)
                return -EINVAL;
        rc = hb_engine_glance(e, gfn, n, reads, writes, expected);
        if (rc == -EINVAL)
                return rc;
        *ret_expects = rc == 0;
        for (uint32_t i = 0; i < n; i++)
                ret[i] = (struct hb_replay_page){.state = hb_engine_page(e, gfn[i]),
                                                 .resident = pages[gfn[i]].flags & HB_IP_RESIDENT,
                                                 .known = pages[gfn[i]].flags & HB_IP_KNOWN,
                                                 .read_heat = reads[i],
                                                 .write_heat = writes[i],
                                                 .expected = expected[i]};
        return 0;
}

void hb_replay_on_mark(hb_replay *r, void (*mark)(void *arg, const struct hb_trace_event *ev), void *arg) {
        r->on_mark = mark;
        r->mark_arg = arg;
}

static enum hb_replay_course course_of(const hb_replay *r) {
        hb_engine *e = hb_replay_engine_of(r);
        struct hb_engine_stats s;

        if (r->course.moved)
                return HB_COURSE_MOVED;
        if (!e || (r->sim && (r->sim->alone || !r->began)))
                return HB_COURSE_ALONE;
        hb_engine_stats(e, &s);
        if (s.complete)
                return HB_COURSE_MOVED;
        return s.frozen ? HB_COURSE_FROZEN : s.draining ? HB_COURSE_DRAINING : HB_COURSE_PLACED;
}

static uint64_t now_of(const hb_replay *r) {
        if (r->sim)
                return r->sim->source_ns - HB_REPLAY_BASE_NS;
        return r->began ? r->last_ns - r->begin_ns : 0;
}

static uint64_t since_begin(const hb_replay *r, uint64_t ns) {
        return !r->sim && ns > r->begin_ns ? ns - r->begin_ns : r->sim ? ns : 0;
}

void hb_replay_live(const hb_replay *r, struct hb_replay_live *ret) {
        const struct hb_replay_course_of *c = &r->course;

        *ret = (struct hb_replay_live){.course = course_of(r),
                                       .time_ns = now_of(r),
                                       .begin_ns = since_begin(r, c->begin_ns),
                                       .asked_ns = since_begin(r, c->asked_ns),
                                       .stop_ns = since_begin(r, c->stop_ns),
                                       .run_ns = since_begin(r, c->run_ns),
                                       .refused = c->refused,
                                       .move = c->move};
        if (!r->sim)
                return;
        ret->summary_bytes = r->sim->summary_bytes;
        ret->announce_bytes = r->sim->announce_bytes;
}

/* ---- going on ---- */

void hb_replay_free_turn(struct hb_replay *r) {
        if (r->turn)
                hb_moving_fini(&r->turn->m);
        free(r->turn);
        r->turn = NULL;
}

/* What the move's next epoch is: the trace's next, or at its end the last one again. */
static int next_epoch(hb_replay *r, struct hb_err *e) {
        uint64_t step = r->h->epoch_ns ? r->h->epoch_ns : HB_NS_PER_S;
        struct hb_replay_turn *t = r->turn;
        struct hb_trace_item i;
        int rc;

        for (;;) {
                rc = t->past_end ? 0 : hb_trace_reader_next(r->reader, &i, e);
                if (rc < 0)
                        return rc;
                if (rc == 0) {
                        t->past_end = true;
                        hb_moving_epoch(&t->m, t->m.to_ns + step);
                        return 0;
                }
                if (i.kind == HB_TRACE_EPOCH)
                        break;
                rc = hb_replay_sim_item(r, &i, e);
                if (rc < 0)
                        return rc;
        }
        rc = hb_replay_note_time(r, &i, e);
        if (rc == 0 && hb_moving_remember(&t->m, &i) < 0)
                rc = hb_err_set(e, -ENOMEM, r->h->guest, NULL, "no memory to replay a move");
        if (rc < 0)
                return rc;
        hb_moving_epoch(&t->m, hb_moving_sim_time(r, i.time_ns));
        t->epoch = i.epoch;
        t->time_ns = i.time_ns;
        return 0;
}

/* The short scans saw the epoch in parts; judges see it whole. */
static int end_epoch(hb_replay *r, struct hb_err *e) {
        struct hb_replay_turn *t = r->turn;
        struct hb_trace_item i = {.epoch = t->epoch, .time_ns = t->time_ns, .naccess = t->m.n};
        struct hb_sim *s = r->sim;
        uint64_t written = 0;
        int rc;

        if (t->past_end)
                return 0;
        hb_bitmap_clear_all(&s->accessed);
        hb_bitmap_clear_all(&s->written);
        for (size_t k = 0; k < t->m.n; k++) {
                hb_bitmap_set(&s->accessed, t->m.a[k].gfn);
                if (t->m.a[k].writes) {
                        hb_bitmap_set(&s->written, t->m.a[k].gfn);
                        written++;
                }
        }
        r->point.accessed = t->m.n;
        r->point.written = written;
        rc = hb_replay_judge(r, t->time_ns, &s->accessed, &s->written);
        if (rc < 0)
                return hb_err_set(e, rc, r->h->guest, NULL, "the replay failed in epoch %u", t->epoch);
        hb_replay_end_epoch(r, &i);
        return 0;
}

static void settle(hb_replay *r) {
        struct hb_moving *m = &r->turn->m;

        r->turn->settled = true;
        r->course.refused = m->refused;
        r->course.move = m->m;
        if (!m->over)
                return;
        r->course.stop_ns = m->stop_ns - HB_REPLAY_BASE_NS;
        r->course.run_ns =
                r->course.stop_ns + (isfinite(m->m.downtime_s) ? (uint64_t)(m->m.downtime_s * 1e9) : 0);
        r->course.moved = true;
        hb_sim_unplace(r->sim);
}

int hb_replay_live_step(hb_replay *r, struct hb_err *e) {
        struct hb_replay_turn *t = r->turn;
        int rc = 0;

        if (!t)
                return hb_replay_step(r, e);
        if (t->m.scanned_ns >= t->m.to_ns)
                rc = next_epoch(r, e);
        if (rc < 0)
                return rc;
        rc = t->settled ? hb_moving_rest(&t->m) : hb_moving_short(&t->m);
        if (rc < 0)
                return hb_err_set(e, rc, r->h->guest, NULL, "the move's replay failed");
        if (!t->settled && (t->m.over || t->m.refused))
                settle(r);
        if (t->m.scanned_ns < t->m.to_ns)
                return 1;
        rc = end_epoch(r, e);
        if (t->settled)
                hb_replay_free_turn(r);
        return rc < 0 ? rc : 1;
}

/* ---- orders ---- */

static int takes_orders(const hb_replay *r, struct hb_err *e) {
        if (!r->sim)
                return hb_err_set(e, -EOPNOTSUPP, r->h->guest, "replay it with --simulated",
                                  "what was recorded is repeated: it cannot take another course");
        if (r->turn)
                return hb_err_set(e, -EBUSY, r->h->guest, "wait for it, or give it up",
                                  "a move is under way");
        return 0;
}

static int other_policies(hb_replay *r, struct hb_err *e) {
        hb_policies *old = r->policies, *judged = r->judged, *fresh = NULL, *also = NULL;
        int rc = hb_replay_policies(r, &fresh, e);

        if (rc == 0 && judged)
                rc = hb_replay_policies(r, &also, e);
        if (rc < 0) {
                hb_policies_free(fresh);
                return rc;
        }
        r->tuning = hb_replay_tuning_free(r->tuning);
        r->policies = fresh;
        r->judged = also;
        rc = hb_sim_place(r->sim, fresh);
        hb_policies_free(old);
        hb_policies_free(judged);
        if (rc < 0)
                return hb_err_set(e, rc, r->h->guest, NULL, "the guest cannot be placed again");
        hb_engine_inform(r->sim->engine, r->judged);
        rc = hb_replay_tuning_new(r, e);
        return rc == 0 && r->params ? hb_replay_set_params(r, e) : rc;
}

int hb_replay_place(hb_replay *r, struct hb_err *e) {
        int rc = takes_orders(r, e);

        if (rc == 0 && !r->sim->alone)
                rc = hb_err_set(e, -EALREADY, r->h->guest, NULL, "it is placed already");
        if (rc == 0)
                rc = other_policies(r, e);
        if (rc < 0)
                return rc;
        r->course = (struct hb_replay_course_of){.begin_ns = now_of(r)};
        return 0;
}

int hb_replay_unplace(hb_replay *r, struct hb_err *e) {
        int rc = takes_orders(r, e);

        if (rc == 0 && r->sim->alone)
                rc = hb_err_set(e, -EALREADY, r->h->guest, NULL, "it is not placed");
        if (rc < 0)
                return rc;
        hb_sim_unplace(r->sim);
        return 0;
}

int hb_replay_change(hb_replay *r, const struct hb_policy_change *c, struct hb_err *e) {
        if (!r->sim)
                return hb_err_set(e, -EOPNOTSUPP, r->h->guest, "replay it with --simulated",
                                  "what was recorded is repeated, with the policies it had");
        return r->sim->engine ? hb_engine_change(r->sim->engine, r->sim->now_ns, c, e) : no_engine(r, e);
}

int hb_replay_move(hb_replay *r, double max_downtime_s, struct hb_err *e) {
        struct hb_replay_turn *t;
        int rc = takes_orders(r, e);

        if (rc == 0 && (r->sim->alone || !r->began))
                rc = hb_err_set(e, -ENOTCONN, r->h->guest, "place it first", "it is not placed");
        if (rc < 0)
                return rc;
        t = hb_fault("replay.move") ? NULL : calloc(1, sizeof(*t));
        if (!t)
                return hb_err_set(e, -ENOMEM, r->h->guest, NULL, "no memory to replay a move");
        hb_moving_init(&t->m, r);
        t->m.may_refuse = true;
        if (max_downtime_s > 0)
                t->m.max_downtime_s = max_downtime_s;
        t->past_end = r->ended;
        r->turn = t;
        r->course.asked_ns = now_of(r);
        r->course.stop_ns = r->course.run_ns = 0;
        r->course.refused = false;
        hb_moving_ask(&t->m);
        return 0;
}

int hb_replay_drop_move(hb_replay *r, struct hb_err *e) {
        struct hb_replay_turn *t = r->turn;

        if (!t || t->settled)
                return hb_err_set(e, -ENOENT, r->h->guest, NULL, "no move of this guest is under way");
        t->settled = true;
        hb_engine_drain(r->sim->engine, r->sim->now_ns, false);
        hb_engine_step(r->sim->engine, r->sim->now_ns);
        return 0;
}
