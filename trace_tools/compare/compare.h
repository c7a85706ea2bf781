/* compare: policies against each other on the same traces: a matrix of traces x horizons x links x policies,
 * each cell one replay. docs/POLICY_API.md, "Comparing policies", says what the figures mean.
 *
 * A *plan* is what is asked for; *results* (compare/results.h) are the cells there are. A cell is known by
 * its key, which is made of everything it depends on: the trace's bytes, the policies' bytes, the options,
 * the versions. So a matrix that was interrupted goes on where it was, and a changed policy is run again. A
 * plan is written by one thread and read by any; cells run on threads of their own. */
#pragma once
#include "replay/replay.h"

#define HB_COMPARE_FORMAT       1 /* raised when the same inputs give other figures */
#define HB_COMPARE_MAX_TRACES   256
#define HB_COMPARE_MAX_POLICIES 32
#define HB_COMPARE_MAX_AXIS     8 /* horizons; links */
#define HB_COMPARE_MAX_CELLS    65536

enum hb_compare_kind {
        HB_COMPARE_TRIPLE,  /* a predictor, a scorer and a threshold */
        HB_COMPARE_NOTHING, /* no prefetch: everything after the request */
        HB_COMPARE_OPTIMUM, /* what one who knows the future could do at best: bounds, not a run */
};

struct hb_compare_policy {
        enum hb_compare_kind kind;
        char name[200];                   /* for tables: "ewma/cost_benefit/adaptive" */
        char names[HB_POLICY_KINDS][64];  /* "": the built-in */
        char hashes[HB_POLICY_KINDS][33]; /* of the files' bytes, "builtin" */
        char dir[280];                    /* our copy of its files, as hb_replay_options.policy_dir */
};

struct hb_compare_trace {
        char path[1024], name[64]; /* name: for tables, unique in its plan */
        char hash[33];             /* of the file's bytes */
        char guest[HB_NAME_MAX], origin[16];
        uint64_t bytes, pages, epochs, records, first_ns, last_ns;
        bool brings[HB_POLICY_KINDS]; /* recorded with a policy that is no built-in; not in results */
};

struct hb_compare_link {
        char name[32]; /* as it was asked for: "1gbit" */
        double bytes_per_s;
};

/* What is asked for, as words: lists separated by commas. NULL or 0: the default. */
struct hb_compare_options {
        const char *const *traces; /* paths */
        unsigned ntraces;
        const char *policies; /* PREDICTOR/SCORER/THRESHOLD,...; a part left out: built-in; "default" */
        const char *policy_dir;
        const char *base;     /* one of the policies, or another, which then is added; the built-in triple */
        const char *horizons; /* seconds; "10" */
        const char *links;    /* "1gbit" */
        bool only;            /* leaves out `nothing` and `optimum`, which else are always there */
        bool oracle_budget;
        double latency_s;  /* 200e-6 */
        double wire_share; /* 0.5 */
        uint64_t image_bytes;
        uint64_t seed;
        int moments; /* migrations asked for, evenly over the trace; -1: none, 0: 2 */
};

struct hb_compare_plan {
        struct hb_compare_trace *traces;
        unsigned ntraces, npolicies, nhorizons, nlinks;
        struct hb_compare_policy policies[HB_COMPARE_MAX_POLICIES];
        double horizons[HB_COMPARE_MAX_AXIS];
        struct hb_compare_link links[HB_COMPARE_MAX_AXIS];
        unsigned base; /* index of a policy */
        bool oracle_budget;
        double latency_s, wire_share;
        uint64_t image_bytes, seed;
        unsigned moments;
        char version[32]; /* of the Harbinger that runs it, or ran it */
        char stage[256]; /* a folder of ours with a copy of every policy's file: what runs is what was hashed;
                           "" in a plan read from results, which cannot be run */
};

/* Opens and hashes every trace, loads every policy. Errors name the word, the file and the line. `tick` may
 * be NULL: called now and then; nonzero ends it with -ECANCELED. */
int hb_compare_plan_new(const struct hb_compare_options *o, int (*tick)(void *arg, uint64_t at, uint64_t of),
                        void *arg, struct hb_compare_plan **ret, struct hb_err *e);
struct hb_compare_plan *hb_compare_plan_free(struct hb_compare_plan *p);

/* Cells are counted by trace, then horizon, link, policy. */
struct hb_compare_at {
        unsigned trace, horizon, link, policy;
};
unsigned hb_compare_cells(const struct hb_compare_plan *p);
struct hb_compare_at hb_compare_at(const struct hb_compare_plan *p, unsigned cell);
unsigned hb_compare_index(const struct hb_compare_plan *p, struct hb_compare_at at);
void hb_compare_key(const struct hb_compare_plan *p, unsigned cell, char ret[33]);
/* The options a cell's replay is run with; the strings belong to the plan. */
void hb_compare_replay_options(const struct hb_compare_plan *p, unsigned cell, struct hb_replay_options *ret);

/* What a trace is known by: 128 bits of the file's bytes, in hex. `tick` may be NULL. */
int hb_compare_hash_file(const char *path, int (*tick)(void *arg, uint64_t at), void *arg, char ret[33],
                         struct hb_err *e);

/* ---- a cell's figures ---- */
struct hb_compare_moment { /* NAN: nothing of that class */
        uint64_t time_ns;
        double precision, recall, f1, f1_returning, f1_new, f1_writes;
};

struct hb_compare_span {  /* some epochs: a column of the curves, a window of the paired differences */
        uint64_t time_ns; /* its last epoch's */
        double accessed, coverage, fresh, resident, bytes,
                threshold; /* coverage: NAN where nothing was accessed */
};

struct hb_compare_cell {
        char key[33];
        struct hb_replay_result r; /* took_s: with its migrations */
        struct hb_compare_moment *moments;
        unsigned nmoments;
        struct hb_compare_span *spans;
        unsigned nspans;
};
void hb_compare_cell_fini(struct hb_compare_cell *c);
/* Spans are this long, the same for every cell of a trace: at least 5 s, and no more than 720 of them. */
uint64_t hb_compare_span_ns(const struct hb_compare_trace *t);

/* ---- running ---- */
typedef int hb_compare_replay(const char *path, const struct hb_replay_options *o,
                              int (*tick)(void *arg, double share, const struct hb_replay_point *p),
                              void *arg, struct hb_replay_result *ret,
                              struct hb_err *e); /* hb_replay_run's form */
/* The clairvoyant optimum, as a replay: same calls, same result, where a figure has a bound; docs say which.
 */
int hb_compare_optimum(const char *path, const struct hb_replay_options *o,
                       int (*tick)(void *arg, double share, const struct hb_replay_point *p), void *arg,
                       struct hb_replay_result *ret, struct hb_err *e);

struct hb_compare_progress {
        unsigned cells, there, done, failed; /* there: found in the results; done: by this run */
        double share;                        /* of this run's work, 0..1 */
        double elapsed_s, left_s;            /* left_s: NAN while unknown */
};

struct hb_results; /* compare/results.h */
struct hb_compare_run {
        unsigned jobs;             /* 0: one a processor */
        hb_compare_replay *replay; /* NULL: hb_replay_run. Tests give their own */
        int (*tick)(void *arg, const struct hb_compare_progress *p); /* each 100 ms; nonzero: -ECANCELED */
        void *arg;
};

/* Runs the cells that are missing; each is in the results once it is done. A cell that fails leaves the
 * others alone: the first failure is returned when all are through. */
int hb_compare_run(const struct hb_compare_plan *p, struct hb_results *results,
                   const struct hb_compare_run *o, struct hb_err *e);
