/* policy: the three kinds of Lua plugin seen from C. The rest of the product knows this header, never Lua.
 *
 * A policy is called with *columns*: arrays of float, one entry a candidate page (a batch is at most
 * HB_POLICY_BATCH pages). Given equal inputs a policy gives bit-equal outputs: no clock, no randomness but a
 * seeded one. One hb_policies serves one placement (policies may remember from call to call, and what one
 * guest taught must not reach another) and one thread at a time. A call that errs, overruns its deadline or
 * its memory, or returns NaN or a wrong length fails with a negative code, is counted, and leaves the output
 * untouched; hb_policies then answers, for the rest of that epoch, from the last good one of its kind, else
 * from the built-in default in C, and says so. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define HB_POLICY_API   1
#define HB_POLICY_BATCH 65536u

enum hb_policy_kind { HB_POLICY_PREDICTOR, HB_POLICY_SCORER, HB_POLICY_THRESHOLD, HB_POLICY_KINDS };
const char *hb_policy_kind_name(enum hb_policy_kind k); /* "predictor", "scorer", "threshold" */

/* Candidate columns, `n` floats each. Rates are per second of guest time. NULL columns read as zeros. */
struct hb_policy_pages {
        uint32_t n;
        const float *read_heat;     /* decayed reads/s (or touches/s where reads are sampled) */
        const float *write_heat;    /* decayed writes/s */
        const float *age_s;         /* since the last known access; 1e9: never seen */
        const float *version_age_s; /* since the page was last seen written; 1e9: never since attach */
        const float *run_length;    /* pages of this candidate's run of neighbours that are candidates too */
        const float *bytes_to_send; /* expected bytes on the wire */
        const float
                *predicted; /* scorer only: the predictor's output, expected accesses within the horizon */
        const float *predicted_writes; /* scorer only: expected writes within the horizon */
        const float *known;            /* 1: the target has these very bytes already, nothing need travel */
        const uint32_t *gfn; /* ascending; NULL: pages of nowhere, columns of the history are zeros */
        /* Columns made of it (docs/POLICY_API.md) are computed when a policy names them. NULL: none is kept
         */
        const struct hb_history *history;
        uint32_t window; /* the history's window that is now */
};

struct hb_policy_guest {
        double now_s; /* guest-epoch time, monotonic */
        double horizon_s;
        double pages, resident_pages, fresh_pages, stale_pages, absent_pages;
        double dirty_bytes_per_s; /* smoothed */
        double epoch_s;
        bool draining; /* a migration was asked for: everything must go */
};

struct hb_policy_link {
        /* used_share 0..1: by all but this placement's prefetches, as far as that can be told apart; free:
         * what prefetches may use */
        double latency_s, bytes_per_s, free_bytes_per_s, used_share;
        double cap_bytes_per_s; /* 0: none */
        double confidence;      /* in bytes_per_s, 0..1: 0 nothing was measured yet */
        double pace_loss;       /* share of recent busy time in which the link moved clearly less than that */
};

struct hb_policy_accuracy {       /* smoothed over recent epochs; -1 while unknown */
        double precision, recall; /* of prefetched pages against what was then used */
        double hit, late, stale,
                wasted;      /* counts of pages so far, never falling; the threshold looks at their growth */
        double wasted_share; /* transfers overwritten before use / transfers, recent */
};

typedef struct hb_policies hb_policies; /* one of each kind, loaded and sandboxed */

struct hb_policy_options {
        const char *dir;                    /* holds predict/ score/ threshold/ */
        const char *names[HB_POLICY_KINDS]; /* NULL: built-in default ("ewma", "cost_benefit", "adaptive"
                                               written in C) */
        uint64_t memory_bytes;              /* cap per Lua state, default 64 MiB */
        uint64_t deadline_ns;               /* per call, default 50 ms */
        /* CPU time that all policies of this set together may take in one epoch, as a share of its length;
         * default 0.25. What is asked beyond it is answered by the built-ins, and counted. INFINITY: no
         * limit, so that a replay's result does not depend on the machine's speed. */
        double epoch_share;
        uint64_t seed;
        const char *model; /* path of the model file; NULL: <dir>/models/default.hbm if there is one */
};

struct hb_policy_status {
        char name[64], version[32], hash[33]; /* hash: 128 bit of the file's bytes, hex; "builtin" */
        uint64_t calls, errors, pages, total_ns, max_ns;
        bool builtin, quarantined; /* quarantined after repeated errors: another answers, see `answering` */
        uint64_t starved; /* calls left to the built-in, or (to learn, as a shadow) left out, because the
                             epoch's share was used up */
        char answering[64], answering_hash[33]; /* who answers now: itself, the last good one, a built-in */
        char note[128]; /* what the policy says of itself (hb.note), "" when nothing */
        uint64_t memory_bytes;
        char last_error[256];
};

/* Loads and checks all three. A file that is missing, does not parse, or fails its check is an error naming
 * file and line. */
int hb_policies_new(const struct hb_policy_options *o, hb_policies **ret, struct hb_err *e);
hb_policies *hb_policies_free(hb_policies *p);

/* Expected accesses (and writes) within the horizon for each page: n floats each, out-params. Never fails: on
 * a plugin's failure the built-in's answer is given and the error counted. */
void hb_policies_predict(hb_policies *p, const struct hb_policy_pages *pages, const struct hb_policy_guest *g,
                         float *ret_accesses, float *ret_writes);
void hb_policies_score(hb_policies *p, const struct hb_policy_pages *pages, const struct hb_policy_guest *g,
                       const struct hb_policy_link *l, const struct hb_policy_accuracy *a, float *ret_scores);
/* One call an epoch; `histogram` counts candidates per score bucket (HB_POLICY_BUCKETS over [-1, 1], ends
 * open). Returns the cut: pages with score >= cut are prefetched. It lies in [-1, 1], or is
 * HB_POLICY_CUT_NONE, above every score: observe only. */
#define HB_POLICY_BUCKETS  64
#define HB_POLICY_CUT_NONE 2.0
double hb_policies_threshold(hb_policies *p, const uint32_t histogram[HB_POLICY_BUCKETS],
                             const struct hb_policy_guest *g, const struct hb_policy_link *l,
                             const struct hb_policy_accuracy *a, double previous);
void hb_policies_status(const hb_policies *p, enum hb_policy_kind k, struct hb_policy_status *ret);
