/* stage_priv: the object behind hb_stage. Internal to the room.
 *
 * stage.c          made, unmade, the loop and its clock
 * stage_guest.c    one replay: opened, stepped, and what is to be told of it
 * stage_seek.c     played, paused, stepped, gone to a moment, begun again
 * stage_json.c     a guest and its placement as JSON; stage_tick.c: a host, each second
 * stage_map.c      the pages of a guest as cells
 * stage_commands.c which request is whose
 * stage_migrate.c  moves; stage_move_json.c: as JSON
 * stage_policies.c policies changed; stage_policy_json.c: as JSON; stage_policy_look.c: shown, explained
 * stage_demo.c     where the shipped traces are
 *
 * Times called `_ns` are the replay's, from its begin, unless they say wall or mono. */
#pragma once
#include "base/clock.h"
#include "base/log.h"
#include "map/history.h"
#include "policy/source.h"
#include "replay/live.h"
#include "serve/watchers.h"
#include "stage/stage.h"
#include "trace/trace.h"

#define HB_STAGE_GUESTS 16u

struct hb_stage_guest;

struct hb_stage_host {
        hb_stage *stage;
        unsigned side; /* 0: a, 1: b */
        char path[256];
        hb_control_server *server;
        hb_event_ring *events;
        hb_watchers *watchers;
};

/* What a hand-over goes through, in order; both hosts' names of it are in stage_migrate.c. */
enum hb_stage_step {
        HB_STEP_PREPARE,
        HB_STEP_CONVERGE,
        HB_STEP_FREEZE,
        HB_STEP_DELTA,
        HB_STEP_STATE,
        HB_STEP_LOADED,
        HB_STEP_RELEASE,
        HB_STEP_COMMIT,
        HB_STEP_FINISH,
        HB_STEP_ABORT,
        HB_STEPS
};

struct hb_stage_move {
        bool active, ours; /* ours: was asked for here; else it is in the recording */
        char id[33];
        unsigned from; /* host; the other one is where it goes */
        enum hb_stage_step step;
        uint64_t step_ns, asked_ns, deadline_ns; /* deadline 0: none */
        double max_downtime_ms;
        struct hb_engine_stats before; /* at the request */
        uint64_t summary_before;
        double placed_s;     /* how long the placement took to become ready */
        hb_request *request; /* NULL: nobody waits */
        struct hb_err why;   /* it is being given up */
};

struct hb_stage_guest {
        hb_stage *stage;
        char *path, name[HB_NAME_MAX];
        unsigned number, home;
        hb_replay *replay;
        const struct hb_trace_header *h; /* the replay's */
        uint64_t epochs, length_ns;      /* of the trace */
        uint64_t *ends, nends;           /* when each epoch ends; none: not known */
        bool exact, ended, mark_migrate, migrated_once;
        struct hb_err trouble; /* why it ended early */
        struct hb_replay_point point;
        /* its placement, as far as it was told */
        unsigned placements;
        char placement_id[33], state[12], trend[12];
        uint64_t state_ns, trend_ns, ready_ns; /* ready_ns 0: not yet */
        uint64_t heard_stale;
        double heard_threshold;
        hb_request *place_request; /* waits for ready */
        uint64_t place_deadline_ns;
        struct hb_stage_move move;
        size_t changed_to; /* of the stage's changes of policies, those that it has had */
};

struct hb_stage_version { /* of a policy, seen here */
        enum hb_policy_kind kind;
        char name[64], hash[33];
        unsigned number; /* of those of its name */
        struct hb_buf packed;
};

struct hb_stage {
        struct hb_stage_options o;
        char dir[200], *policy_dir, label[128];
        struct event_base *base;
        struct event *turn, *stop[2];
        struct hb_stage_host hosts[2];
        struct hb_stage_guest *guests;
        unsigned nguests;
        /* the clock */
        uint64_t play_ns, length_ns, mono_ns, began_mono_ns, ended_mono_ns;
        double speed;
        bool playing, ended;
        bool seeking;
        uint64_t seek_ns;
        hb_request *seek_request;
        bool changed; /* viewers are told at the end of the turn */
        json_t *history;
        /* policies: changes of this stage, in order, done again after each beginning */
        struct hb_buf changes;
        json_t *policy_history;
        struct hb_stage_version *versions;
        unsigned nversions;
        double cpu_share;
        uint64_t cpu_ns, cpu_mono_ns;
};

static inline struct hb_stage_host *hb_stage_other(struct hb_stage_host *h) {
        return &h->stage->hosts[!h->side];
}
static inline const char *hb_stage_host_name(unsigned side) {
        return side ? "b" : "a";
}

void hb_stage_handle(void *host, hb_request *r, const struct hb_ctl_command *cmd, json_t *args);
void hb_stage_stir(hb_stage *s); /* a request may have changed something */

/* ---- guest ---- */
int hb_stage_guest_open(hb_stage *s, unsigned number, const char *path, struct hb_err *e);
void hb_stage_guest_close(struct hb_stage_guest *g);
int hb_stage_guest_begin(struct hb_stage_guest *g, struct hb_err *e); /* from the trace's begin */
void hb_stage_guest_step(struct hb_stage_guest *g);
uint64_t hb_stage_guest_due(const struct hb_stage_guest *g); /* when its next step is; UINT64_MAX: none */
void hb_stage_guest_notice(struct hb_stage_guest *g);        /* what changed becomes events */
struct hb_stage_guest *hb_stage_guest_find(hb_stage *s, const char *name); /* NULL */
struct hb_replay_live hb_stage_live(const struct hb_stage_guest *g);
bool hb_stage_placed(const struct hb_stage_guest *g); /* something of it is on the other host */
/* Waits for it are answered with this. */
void hb_stage_guest_forget_requests(struct hb_stage_guest *g, const struct hb_err *e);
/* An event of that host. */
void hb_stage_tell(hb_stage *s, unsigned side, int level, enum hb_event_kind kind, const char *guest,
                   const char *next, const char *fmt, ...) __attribute__((format(printf, 7, 8)));
void hb_stage_id(char ret[33], const char *name, unsigned number, const char *of); /* alike each time */

/* ---- seek ---- */
void hb_stage_cmd_replay(hb_stage *s, hb_request *r, json_t *args);
json_t *hb_stage_replay_json(const hb_stage *s);
void hb_stage_turn(hb_stage *s, uint64_t mono_ns); /* one turn of the clock */
int hb_stage_begin_again(hb_stage *s, struct hb_err *e);

/* ---- json ---- */
struct hb_stage_estimate {
        bool known, converging;
        double downtime_ms, ready_s, bytes_after;
};
struct hb_stage_estimate hb_stage_estimate(const struct hb_stage_guest *g);
const char *hb_stage_placement_state(const struct hb_stage_guest *g); /* "filling" ... */
json_t *hb_stage_guest_json(const struct hb_stage_guest *g, bool full);
json_t *hb_stage_placement_json(const struct hb_stage_guest *g, bool full);
json_t *hb_stage_incoming_json(const struct hb_stage_guest *g, bool full);
json_t *hb_stage_guests_json(const struct hb_stage_host *h, const char *only, bool full);
json_t *hb_stage_incomings_json(const struct hb_stage_host *h, const char *only, bool full);
json_t *hb_stage_hosts_json(const struct hb_stage_host *h);
json_t *hb_stage_handovers_json(const struct hb_stage_host *h, const char *only);
json_t *hb_stage_handover_json(const struct hb_stage_guest *g, bool source);
json_t *hb_stage_progress_json(const struct hb_stage_guest *g);
void hb_stage_snapshot(void *host, uint64_t mono_ns, struct hb_json_out *o);
json_t *hb_stage_status_json(struct hb_stage_host *h, const char *only);
void hb_stage_cmd_map(struct hb_stage_host *h, hb_request *r, json_t *args);

/* ---- moves ---- */
void hb_stage_cmd_migrate(struct hb_stage_host *h, hb_request *r, json_t *args);
void hb_stage_cmd_abort(struct hb_stage_host *h, hb_request *r, json_t *args);
void hb_stage_cmd_place(struct hb_stage_host *h, hb_request *r, json_t *args);
void hb_stage_cmd_unplace(struct hb_stage_host *h, hb_request *r, json_t *args);
/* Asked for by the trace or by the stage's options; nothing where it cannot be. */
void hb_stage_move_by_itself(struct hb_stage_guest *g);
/* Its states, by the time that has come. */
void hb_stage_move_turn(struct hb_stage_guest *g);
const char *hb_stage_step_name(enum hb_stage_step s, bool source);
const char *hb_stage_step_text(enum hb_stage_step s, bool source);
/* ns after the image is complete; 0: the replay says when. */
uint64_t hb_stage_step_ends(enum hb_stage_step s);
#define HB_STAGE_OVERHEAD_NS (30 * HB_NS_PER_MS) /* of stop to resume, what is not the memory's */
json_t *hb_stage_result_json(const struct hb_stage_guest *g);
/* The guest of this name that runs on this host; NULL: r was refused. */
struct hb_stage_guest *hb_stage_need_guest(struct hb_stage_host *h, hb_request *r, json_t *args);

/* ---- policies ---- */
void hb_stage_policies_begin(hb_stage *s); /* the replays' policies are known as versions */
/* What was changed so far, to a placement that began anew: some of it, again after its next step. */
void hb_stage_policies_again(struct hb_stage_guest *g);
void hb_stage_policies_free(hb_stage *s);
/* False: it is no command of theirs. */
bool hb_stage_cmd_policy(struct hb_stage_host *h, hb_request *r, const char *cmd, json_t *args);
bool hb_stage_cmd_policy_look(struct hb_stage_host *h, hb_request *r, const char *cmd, json_t *args);
/* Of the guest's placement on this host; NULL: it has none. */
const hb_policies *hb_stage_policies_of(const struct hb_stage_host *h, const struct hb_stage_guest *g);
int hb_stage_policy_status(const struct hb_stage_host *h, enum hb_policy_kind k, enum hb_policy_place place,
                           struct hb_policy_status *ret);
json_t *hb_stage_policy_version_json(const struct hb_stage_host *h, enum hb_policy_kind k,
                                     enum hb_policy_place place);
json_t *hb_stage_policy_names(const hb_policies *p, enum hb_policy_place place);
const char *hb_stage_policy_place(const struct hb_stage_host *h, enum hb_policy_kind k, const char *hash);
json_t *hb_stage_policies_json(const struct hb_stage_host *h); /* short, for status */
json_t *hb_stage_placed_json(const struct hb_stage_guest *g);  /* of one placement, a policy a kind */
const struct hb_stage_version *hb_stage_version_of(const hb_stage *s, enum hb_policy_kind k,
                                                   const char *hash);
json_t *hb_stage_policy_kind_json(const struct hb_stage_host *h, enum hb_policy_kind k);
json_t *hb_stage_lanes_json(const struct hb_stage_host *h, const char *only);
json_t *hb_stage_params_json(const struct hb_stage_host *h, enum hb_policy_kind k,
                             enum hb_policy_place place);
json_t *hb_stage_usage_json(const struct hb_stage_host *h, enum hb_policy_kind k, const char *hash);
void hb_stage_cmd_explain(struct hb_stage_host *h, hb_request *r, json_t *args);
int hb_stage_cannot(struct hb_err *e, const char *which, const char *why);
