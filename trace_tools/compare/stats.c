/* stats: see the header for the method. Cost: resamples x n. The generator is splitmix64: small, and the same
 * everywhere. */
#include "compare/stats.h"
#include "base/fault.h"
#include "base/splitmix.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define TIE          1e-9
#define FEWEST       4 /* blocks */
#define QUIET_LAGS   5 /* autocorrelation is over when as many in a row are noise */
#define LONGEST_LAGS 200

static unsigned below(uint64_t *s, unsigned n) {
        return (unsigned)(((hb_splitmix64(s) >> 32) * n) >> 32);
}

double hb_stats_t975(unsigned freedom) {
        static const double table[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                       2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                                       2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
        const unsigned rows = sizeof(table) / sizeof(table[0]);
        const double z = 1.959964;

        if (freedom == 0)
                return INFINITY;
        if (freedom <= rows)
                return table[freedom - 1];
        return z + (z * z * z + z) / (4.0 * freedom) + /* Cornish-Fisher: four digits from 30 on */
               (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96.0 * freedom * freedom);
}

static double mean_of(const double *x, unsigned n) {
        double sum = 0;

        for (unsigned i = 0; i < n; i++)
                sum += x[i];
        return sum / n;
}

static double covariance(const double *x, unsigned n, double mean, unsigned lag) {
        double sum = 0;

        for (unsigned i = 0; i + lag < n; i++)
                sum += (x[i] - mean) * (x[i + lag] - mean);
        return sum / n;
}

/* Lags until the autocorrelation is noise. */
static unsigned memory_of(const double *x, unsigned n, double mean) {
        double variance = covariance(x, n, mean, 0), noise = 2 * sqrt(log10(n) / n);
        unsigned longest = n / 2 < LONGEST_LAGS ? n / 2 : LONGEST_LAGS, last = 0;

        if (variance <= 0)
                return 0;
        for (unsigned lag = 1; lag <= longest && lag <= last + QUIET_LAGS; lag++)
                if (fabs(covariance(x, n, mean, lag) / variance) > noise)
                        last = lag;
        return last;
}

static unsigned block_of(const double *x, unsigned n, double mean, unsigned overlap) {
        unsigned block = overlap ? overlap : 1, asked = 2 * memory_of(x, n, mean), most = n / FEWEST;

        if (asked > most)
                asked = most;
        return asked > block ? asked : block;
}

static double resampled_mean(const double *x, unsigned n, unsigned block, uint64_t *seed) {
        double sum = 0;

        for (unsigned taken = 0; taken < n;) {
                unsigned at = below(seed, n);

                for (unsigned i = 0; i < block && taken < n; i++, taken++)
                        sum += x[(at + i) % n];
        }
        return sum / n;
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double quantile(const double *sorted, unsigned n, double q) {
        double at = q * (n - 1);
        unsigned i = (unsigned)at;

        return i + 1 < n ? sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

static int interval(const double *x, unsigned n, uint64_t seed, struct hb_paired *p) {
        double *means = hb_fault("compare.stats") ? NULL : malloc(HB_STATS_RESAMPLES * sizeof(*means));
        double blocks = (double)n / p->block, out, tail;

        if (!means)
                return -ENOMEM;
        for (unsigned i = 0; i < HB_STATS_RESAMPLES; i++)
                means[i] = resampled_mean(x, n, p->block, &seed);
        qsort(means, HB_STATS_RESAMPLES, sizeof(*means), by_value);
        out = sqrt(blocks / (blocks - 1)) * hb_stats_t975((unsigned)blocks - 1);
        tail = 0.5 * erfc(out / sqrt(2));
        p->low = quantile(means, HB_STATS_RESAMPLES, tail);
        p->high = quantile(means, HB_STATS_RESAMPLES, 1 - tail);
        free(means);
        return 0;
}

int hb_stats_paired(const double *ours, const double *base, unsigned n, unsigned overlap, uint64_t seed,
                    struct hb_paired *ret) {
        struct hb_paired p = {.mean = NAN, .low = NAN, .high = NAN};
        double *x = malloc((n + 1) * sizeof(*x));
        int r = 0;

        if (!x)
                return -ENOMEM;
        for (unsigned i = 0; i < n; i++) {
                double d = ours[i] - base[i];

                if (isnan(d))
                        continue;
                x[p.n++] = d;
                p.won += d > TIE;
                p.lost += d < -TIE;
        }
        p.tied = p.n - p.won - p.lost;
        if (p.n) {
                p.mean = mean_of(x, p.n);
                p.block = block_of(x, p.n, p.mean, overlap);
        }
        if (p.n >= FEWEST * p.block && p.n > 0)
                r = interval(x, p.n, seed, &p);
        free(x);
        if (r == 0)
                *ret = p;
        return r;
}
