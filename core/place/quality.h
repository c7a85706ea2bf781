/* quality: how good a predictor is, by the one definition of docs/POLICY_API.md ("Prediction quality"), live
 * and in replay.
 *
 * Every 5 s after 30 s of warm-up (both settable), at time t with horizon H: the predicted set is the K pages
 * with the highest predicted accesses (ties: the lower page number), the true set the pages accessed in (t,
 * t+H]. K: distinct pages accessed in (t-H, t] (working-set), or the size of the true set (oracle).
 * Precision, recall and F1 are means over those t. A returning page is in the true set, was seen before, and
 * is not in (t-H, t]; a new one was never seen before t. Written pages alone are judged by predicted writes.
 * A moment whose true set is empty counts for nothing; a class (returning, new, writes) is averaged over the
 * moments that have any.
 *
 * Pure; memory: per page 8 bytes and a few bits for each moment whose horizon is still open. */
#pragma once
#include "base/bitmap.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct hb_quality hb_quality;

struct hb_quality_options {
        double horizon_s, every_s /* 5 */, warmup_s /* 30; below 0: none */;
        uint64_t begin_ns; /* when watching began: the warm-up counts from here */
        bool oracle_budget;
};

struct hb_quality_score { /* means; NAN while nothing was judged */
        double precision, recall, f1;
        uint64_t moments;
};

struct hb_quality_result {
        struct hb_quality_score all, writes;
        struct hb_quality_score returning,
                fresh; /* those of the true set that are; recall, and precision over the predicted pages of
                          that class: predicted and (seen before and not in the window) / (never seen) */
};

int hb_quality_new(uint64_t pages, const struct hb_quality_options *o, hb_quality **ret);
hb_quality *hb_quality_free(hb_quality *q);
/* An epoch that ended at time_ns: what was accessed in it (written pages are in both). Times ascend. A window
 * holds an epoch when it holds the epoch's middle. */
void hb_quality_epoch(hb_quality *q, uint64_t time_ns, const struct hb_bitmap *accessed,
                      const struct hb_bitmap *written);
/* True when a moment is due at the last epoch's time: the caller predicts and calls hb_quality_predicted. */
bool hb_quality_due(const hb_quality *q);
/* Expected accesses and writes of every page, `pages` floats each. With the oracle budget all are kept until
 * the horizon has passed. */
int hb_quality_predicted(hb_quality *q, const float *accesses, const float *writes);
void hb_quality_result(const hb_quality *q, struct hb_quality_result *ret);
/* Per moment, in order, as they are judged: for curves and paired differences. NULL: none. Not called for
 * moments without a true set. */
void hb_quality_on_moment(hb_quality *q,
                          void (*moment)(void *arg, uint64_t time_ns,
                                         const struct hb_quality_result *of_this),
                          void *arg);
