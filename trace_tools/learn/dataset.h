/* dataset: lessons for the model from a trace. The trace's accesses drive a history; every 5 s after a
 * warm-up, for each horizon H, a seeded sample of pages is looked at as the model sees them, and labelled by
 * what follows in (t, t + H]: the same moments, windows and labels as the lessons of a running placement
 * (core/place/lessons.h), but that a trace is taken at its word where a target only hears of its guest.
 *
 * An epoch counts as a whole, where its middle lies. A lesson whose horizon reaches past the trace's end is
 * left out. Equal trace, options and seed: equal lessons. Memory: the history's, and the open lessons. */
#pragma once
#include "base/err.h"
#include "nn/model.h"

#define HB_DATASET_EVERY_S  5.0
#define HB_DATASET_WARMUP_S 20.0
#define HB_DATASET_PAGES    384u
#define HB_DATASET_HORIZONS 8u

struct hb_dataset_options {                   /* zero: the default */
        double horizons[HB_DATASET_HORIZONS]; /* s; 5, 10, 30 */
        unsigned nhorizons;
        double every_s, warmup_s;
        uint32_t pages; /* of a sample */
        uint64_t seed;
};

/* A lesson that is over; the taker owns it. `asked_ns` since the trace's begin. Negative ends the reading. */
typedef int hb_dataset_take(void *arg, uint64_t asked_ns, double horizon_s, struct hb_model_lesson *l);

/* `tick` may be NULL: called now and then with bytes read of all; nonzero: -ECANCELED. */
int hb_dataset_read(const char *path, const struct hb_dataset_options *o, hb_dataset_take *take,
                    int (*tick)(void *arg, uint64_t at, uint64_t of), void *arg, struct hb_err *e);

/* The moments that a trace of this length gives. */
uint64_t hb_dataset_moments(const struct hb_dataset_options *o, double seconds);
