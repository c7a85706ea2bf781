/* heat: a float's own bits are already a logarithm with a linear mantissa, so quantising is a shift and an
 * offset, and both directions are exact. The decay is a fixed polynomial: additions and multiplications only,
 * the same everywhere. No state; any thread; a few nanoseconds a call. */
#include "map/heat.h"

#define LOG2_E 1.4426950408889634
#define LN_2   0.6931471805599453
#define SAMPLE_PRIOR_S                                                                                       \
        HB_HEAT_TAU_S /* weight of the first sample, as if the page had been cold that long                  \
                       */
#define MIN_INTERVAL_S 1e-3

float hb_decay(double dt_s, double tau_s) {
        static const double inverse[] = {1.0,       1.0 / 2,    1.0 / 6,     1.0 / 24,    1.0 / 120,
                                         1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880};
        double y = dt_s * (LOG2_E / tau_s);
        double t, sum = 0.0;
        int whole;

        if (!(y > 0.0))
                return 1.0f;
        if (y >= 100.0)
                return 0.0f;
        whole = (int)y;
        t = (y - whole) * -LN_2;
        for (int i = 8; i >= 0; i--)
                sum = (sum + inverse[i]) * t;
        return (float)(1.0 + sum) * hb_heat_float((uint32_t)(127 - whole) << 23);
}

static double at_least(double v, double least) {
        return v > least ? v : least;
}

float hb_heat_gain(double interval_s) {
        double d = at_least(interval_s, MIN_INTERVAL_S);

        return (float)((1.0 - (double)hb_decay(d, HB_HEAT_TAU_S)) / d);
}

float hb_heat_touch(float heat, double since_s, double interval_s) {
        return heat * hb_decay(since_s, HB_HEAT_TAU_S) + hb_heat_gain(interval_s);
}

float hb_heat_sample(float heat, double since_s, double interval_s, int seen) {
        double d = at_least(interval_s, MIN_INTERVAL_S);
        float keep = hb_decay(since_s > 0.0 ? at_least(since_s, d) : SAMPLE_PRIOR_S, HB_HEAT_TAU_S);

        return heat * keep + (seen ? (float)((1.0 - (double)keep) / d) : 0.0f);
}
