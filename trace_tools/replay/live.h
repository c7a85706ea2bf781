/* live: a replay that is watched while it runs, and told what an operator tells hosts: have the guest placed,
 * or not any more, move it, give the move up, use other policies. For those who show replays; a replay that
 * is told nothing has the result it always has.
 *
 * A simulated replay takes every order. One that repeats recorded inputs has its course in the trace: orders
 * are -EOPNOTSUPP, and its move is the recorded one. Times are ns since the trace's begin. */
#pragma once
#include "map/page_map.h"
#include "policy/change.h"
#include "replay/replay.h"

/* Has a map of the source kept in an exact replay too: made of what the target heard of the guest. Before the
 * first step. */
int hb_replay_keep_map(hb_replay *r);
/* Epochs count from the replay's begin. NULL: none is kept. */
const hb_page_map *hb_replay_map(const hb_replay *r);
/* The policies that decide; NULL before an exact replay's engine began. */
const hb_policies *hb_replay_policies_of(const hb_replay *r);
void hb_replay_link(const hb_replay *r, struct hb_policy_link *ret); /* as the engine was last told of it */

/* hb_engine_explain by the engine's own, hb_engine_change. -ENODATA: there is no engine yet. */
int hb_replay_explain(hb_replay *r, bool shadow, uint64_t gfn, hb_policy_term *term, void *arg,
                      struct hb_engine_explained *ret, struct hb_err *e);
int hb_replay_change(hb_replay *r, const struct hb_policy_change *c, struct hb_err *e);

/* A list of pages as the target has them, for a picture: at most HB_REPLAY_GLANCE, heat in accesses a second,
 * expected accesses by the predictor that answers now. -ENODATA; a failing predictor expects nothing, which
 * *ret_expects tells. */
#define HB_REPLAY_GLANCE 1024u
struct hb_replay_page {
        enum hb_page_state state;
        bool resident, known;
        float read_heat, write_heat, expected;
};
int hb_replay_glance(hb_replay *r, const uint32_t *gfn, uint32_t n, struct hb_replay_page *ret,
                     bool *ret_expects);

enum hb_replay_course {
        HB_COURSE_ALONE,  /* nothing of it is on the target */
        HB_COURSE_PLACED, /* filling or ready */
        HB_COURSE_DRAINING,
        HB_COURSE_FROZEN, /* exact only: in the simulated one the stop is over within a step */
        HB_COURSE_MOVED   /* it runs on the target; the engine is as the move left it */
};
struct hb_replay_live {
        enum hb_replay_course course;
        uint64_t time_ns;  /* where the replay stands: the end of the last epoch, short ones included */
        uint64_t begin_ns; /* of the present placement */
        uint64_t asked_ns, stop_ns, run_ns;     /* of the last move; 0: not yet. run: it runs on the target */
        bool refused;                           /* the last move: the guest was not stopped */
        struct hb_replay_migration move;        /* of the last move, once it is over */
        uint64_t summary_bytes, announce_bytes; /* sent to the target; 0 in exact replays */
};
void hb_replay_live(const hb_replay *r, struct hb_replay_live *ret);
/* Each mark of the trace as it comes by, from inside a step. Orders are for later. NULL: nobody. */
void hb_replay_on_mark(hb_replay *r, void (*mark)(void *arg, const struct hb_trace_event *ev), void *arg);

/* One epoch, while a move is under way a short one. Otherwise as hb_replay_step. Past the trace's end its
 * last epoch goes on until the move is over. */
int hb_replay_live_step(hb_replay *r, struct hb_err *e);

/* -EOPNOTSUPP: exact; -EALREADY: it is so already; -EBUSY: a move is under way. */
int hb_replay_place(hb_replay *r, struct hb_err *e); /* from nothing, also after a move: then back */
int hb_replay_unplace(hb_replay *r, struct hb_err *e);
/* max_downtime_s: what is not bearable by this is refused after a while, as the daemon does. -ENOTCONN: not
 * placed. */
int hb_replay_move(hb_replay *r, double max_downtime_s, struct hb_err *e);
int hb_replay_drop_move(hb_replay *r, struct hb_err *e); /* -ENOENT: none is under way */
