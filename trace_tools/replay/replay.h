/* replay: a trace through the production engine.
 *
 * Two ways, the same engine in both. *Simulated*: the trace's accesses drive a page map, its summaries and
 * announcements go through their codecs to the engine, whose fetches run over a simulated link; so any
 * policy, link and horizon can be asked about. *Exact*: the trace's recorded engine inputs are given to the
 * engine again; with the policies it had, its decision digest is the recorded one.
 *
 * Deterministic: same trace, same options, same result, whatever the machine's speed. Memory: by the guest's
 * size, not the trace's length. One thread a replay; any number of them side by side. */
#pragma once
#include "base/err.h"
#include "place/engine.h"
#include "place/quality.h"
#include "trace/trace.h"

enum hb_replay_mode {
        HB_REPLAY_AUTO,
        HB_REPLAY_SIMULATED,
        HB_REPLAY_EXACT
}; /* AUTO: exact when the trace has inputs and nothing is asked
    * for that differs from what it was recorded with */
#define HB_REPLAY_MOMENTS 16

struct hb_replay_point;
struct hb_replay_options { /* zero: the default */
        enum hb_replay_mode mode;
        const char *policy_dir; /* as hb_policy_options.dir */
        const char
                *policies[HB_POLICY_KINDS]; /* NULL: that of the trace, else the built-in; "": the built-in */
        double horizon_s;                   /* the trace's, else 10 */
        double link_bytes_per_s;            /* 125e6 */
        double latency_s;                   /* 200e-6 */
        double wire_share;                  /* bytes on the wire per byte of a page, 0.5 */
        uint64_t image_bytes;               /* room on the target, 0: the guest's size */
        bool oracle_budget;
        bool quality; /* judge the predictor too: an hb_policies of its own, so decisions do not change */
        const char *model; /* as hb_policy_options.model */
        /* Steps of training for each lesson, on the guest that is replayed; 0: the default, -1: none. Only
         * simulated, and only where policies want lessons and there is a model */
        int finetune;
        const char *predictor_params; /* "guard=0,caution=1": other values than the defaults; simulated */
        uint64_t seed;
        double speed;                              /* 0: as fast as it goes; 1: real time */
        uint32_t until;                            /* stop after this epoch; 0: the end */
        uint64_t migrate_at_ns[HB_REPLAY_MOMENTS]; /* each asked of a replay of its own, from the beginning */
        unsigned migrate_moments;
        /* Who watches the run itself (not those of the migrations), for curves and paired differences: each
         * judged moment, and each epoch's point. Called on the replay's thread; NULL: nobody. */
        void (*on_moment)(void *arg, uint64_t time_ns, const struct hb_quality_result *of_this);
        void (*on_point)(void *arg, const struct hb_replay_point *p);
        void *watch_arg;
};

struct hb_replay_migration { /* what asking for the move at that moment gives */
        uint64_t at_ns;      /* as asked; what is asked for after the trace's end is asked for at its end */
        double predicted_downtime_s, predicted_bytes; /* the engine's estimate at that moment */
        double drain_s, downtime_s;                   /* simulated: request to freeze, freeze to complete */
        uint64_t bytes_after, final_pages;
        bool converged; /* false: frozen at the most patience allows */
};

struct hb_replay_point { /* one an epoch: for curves */
        uint32_t epoch;
        uint64_t time_ns, accessed, written, fresh, resident, bytes;
        double coverage; /* of the pages accessed in this epoch, the share that lay fresh in the image when it
                            began */
        double threshold, precision, recall;
};

struct hb_replay_result {
        bool exact, digest_known, digest_matches; /* exact: against the recorded one */
        uint32_t first_difference;                /* epoch of the first digest mark that differs; 0: none */
        uint64_t records, epochs, digest, recorded_digest;
        double seconds, took_s; /* of the trace; of this run */
        struct hb_quality_result quality;
        uint64_t hit, late, stale, missing, wasted, bytes, wire_bytes,
                summary_bytes;               /* hit..missing: were the guest frozen at the end */
        double coverage;                     /* mean over epochs, by accessed pages */
        uint64_t tuned_lessons, tuned_steps; /* what the model was taught */
        struct hb_replay_migration migrations[HB_REPLAY_MOMENTS];
        unsigned nmigrations;
        struct {
                char name[64], version[32], hash[33];
                uint64_t errors;
                char note[128]; /* what it said of itself last */
        } policies[HB_POLICY_KINDS];
};

typedef struct hb_replay hb_replay;

int hb_replay_open(const char *path, const struct hb_replay_options *o, hb_replay **ret, struct hb_err *e);
hb_replay *hb_replay_free(hb_replay *r);
/* One epoch. 1: done one, 0: the end (or `until`), < 0: error. */
int hb_replay_step(hb_replay *r, struct hb_err *e);
void hb_replay_point(const hb_replay *r, struct hb_replay_point *ret); /* of the last step */
void hb_replay_progress(const hb_replay *r, double *ret_share);        /* 0..1 by bytes of the trace */
const hb_engine *hb_replay_engine(const hb_replay *r); /* for those who look inside: the REPL, the console */
const struct hb_trace_header *hb_replay_header(const hb_replay *r);
/* The result so far, its migrations excepted. */
void hb_replay_result(hb_replay *r, struct hb_replay_result *ret);

/* All of it: opens, steps to the end, asks for the migrations. `tick` may be NULL; called about every 100 ms;
 * returning nonzero ends the run with -ECANCELED. */
int hb_replay_run(const char *path, const struct hb_replay_options *o,
                  int (*tick)(void *arg, double share, const struct hb_replay_point *p), void *arg,
                  struct hb_replay_result *ret, struct hb_err *e);
