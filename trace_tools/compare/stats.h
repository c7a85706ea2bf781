/* stats: paired differences of two series of the same moments, and how sure their mean is.
 *
 * Adjacent moments share most of their horizon, so they are not independent: the interval comes from a
 * circular block bootstrap (Politis and Romano, 1992). Blocks are as long as the horizon covers moments, or
 * longer where the differences' own autocorrelation asks for it (the first lag after which it is noise,
 * twice: Politis and White, 2004). With few blocks percentiles are too narrow; they are taken further out by
 * what Student's t has over the normal ("expanded percentile", Hesterberg, 2015). Fewer than 4 blocks: no
 * interval. Deterministic by its seed. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define HB_STATS_RESAMPLES 2000

struct hb_paired {
        unsigned n;               /* pairs where both have a figure */
        double mean;              /* of ours minus the base's; NAN: no pair */
        double low, high;         /* 95 %; NAN: too few */
        unsigned block;           /* pairs a block */
        unsigned won, lost, tied; /* by pairs: ours higher, lower, within 1e-9 */
};

/* `overlap`: moments whose horizons overlap with one moment's, itself included. NAN in either: no pair.
 * -ENOMEM. */
int hb_stats_paired(const double *ours, const double *base, unsigned n, unsigned overlap, uint64_t seed,
                    struct hb_paired *ret);
/* Student's t, two-sided 95 %. */
double hb_stats_t975(unsigned freedom);
