/* replay_priv: the object behind hb_replay. Internal to the room.
 *
 * replay.c    made, unmade, stepped, asked
 * simulated.c a trace's accesses into two simulated hosts (sim.h)
 * exact.c     a trace's engine inputs into an engine
 * finetune.c  the model trained on the way
 * migration.c what a move asked for at a moment would have been
 * moving.c    a move, short epoch by short epoch
 * live.c      looked at and given orders while it runs
 * run.c       all of it at once, paced and watched */
#pragma once
#include "place/engine_input.h"
#include "replay/sim.h"

/* Clocks begin here, not at 0: several parts of the engine take 0 for "never". */
#define HB_REPLAY_BASE_NS 1000000000ull

struct hb_replay_exact {
        hb_engine *engine;
        struct hb_engine_options options;
        struct hb_image_page *pages;
        uint32_t processed;
        struct hb_engine_input_room room;
        struct hb_bitmap accessed, written, fresh; /* an epoch's; in the image when it began */
};

struct hb_replay_turn;       /* live.c: a move under way */
struct hb_replay_course_of { /* of the last placement and move, for live.c; ns of the trace */
        uint64_t begin_ns, asked_ns, stop_ns, run_ns;
        bool refused, moved;
        struct hb_replay_migration move;
};

struct hb_replay {
        struct hb_replay_options o;
        char *dir, *names[HB_POLICY_KINDS], *model, *params; /* o's, ours */
        struct hb_trace_reader *reader;
        const struct hb_trace_header *h;
        hb_policies *policies;
        bool exact, began, ended, migrating;
        uint64_t begin_ns, last_ns; /* of the trace */
        uint32_t epoch;
        struct hb_sim *sim;
        struct hb_replay_exact x;
        struct hb_bitmap resident; /* one event's */
        /* judging */
        hb_quality *quality;
        hb_policies *judged;
        float *accesses, *writes;
        struct hb_replay_tuning *tuning; /* NULL: the model stays as it is */
        struct hb_replay_point point;
        struct hb_replay_result r;
        uint64_t all_accessed, all_covered;
        /* watched and told */
        struct hb_replay_turn *turn;
        struct hb_replay_course_of course;
        hb_page_map *map; /* exact, when it was asked for; `resident` is then what was ever seen */
        struct hb_policy_link heard_link; /* exact */
        void (*on_mark)(void *arg, const struct hb_trace_event *ev);
        void *mark_arg;
};

double hb_replay_horizon(const struct hb_replay *r);
hb_engine *hb_replay_engine_of(const struct hb_replay *r);                              /* NULL: none yet */
int hb_replay_policies(const struct hb_replay *r, hb_policies **ret, struct hb_err *e); /* a set of its own */
int hb_replay_note_time(struct hb_replay *r, const struct hb_trace_item *i, struct hb_err *e);
/* The epoch just given to the engine. */
int hb_replay_judge(struct hb_replay *r, uint64_t time_ns, const struct hb_bitmap *accessed,
                    const struct hb_bitmap *written);

void hb_replay_end_epoch(struct hb_replay *r, const struct hb_trace_item *i); /* its point is filled */
void hb_replay_free_turn(struct hb_replay *r);
static inline void hb_replay_tell_mark(struct hb_replay *r, const struct hb_trace_event *ev) {
        if (r->on_mark)
                r->on_mark(r->mark_arg, ev);
}

int hb_replay_sim_new(struct hb_replay *r, struct hb_err *e);
int hb_replay_sim_item(struct hb_replay *r, const struct hb_trace_item *i, struct hb_err *e);
int hb_replay_exact_new(struct hb_replay *r, struct hb_err *e);
void hb_replay_exact_free(struct hb_replay *r);
int hb_replay_exact_item(struct hb_replay *r, const struct hb_trace_item *i, struct hb_err *e);

/* The params asked for; the engine and the judge are there. */
int hb_replay_set_params(struct hb_replay *r, struct hb_err *e);
/* Leaves r->tuning NULL where there is nothing to tune. */
int hb_replay_tuning_new(struct hb_replay *r, struct hb_err *e);
struct hb_replay_tuning *hb_replay_tuning_free(struct hb_replay_tuning *t);
int hb_replay_tuning_step(struct hb_replay *r, struct hb_err *e); /* after each epoch */
void hb_replay_tuning_fill(const struct hb_replay *r, struct hb_replay_result *ret);

struct hb_replay_watch { /* who asked for the run */
        int (*tick)(void *arg, double share, const struct hb_replay_point *p);
        void *arg;
        uint64_t told_ns;
        double from, to; /* of the whole run, this part's share */
};
/* -ECANCELED when the watcher says so. */
int hb_replay_told(struct hb_replay_watch *w, const struct hb_replay *r);
int hb_replay_migrate(const char *path, const struct hb_replay_options *o, uint64_t at_ns,
                      struct hb_replay_watch *w, struct hb_replay_migration *ret, struct hb_err *e);
