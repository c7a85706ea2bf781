/* heat: decayed rates, and their small forms. Pure arithmetic on purpose without libm, whose results depend
 * on the CPU it runs on: heat steers decisions, and a replay on another machine must come to the same ones,
 * bit for bit.
 *
 * Heat is an exponentially weighted rate, events per second, time constant HB_HEAT_TAU_S. Between events it
 * only decays, and everybody who knows its value and time can decay it: source and target need not talk about
 * a page that is left alone. */
#pragma once
#include <stdint.h>
#include <string.h>

#define HB_HEAT_TAU_S 20.0

/* exp(-dt / tau); 1 for dt <= 0, 0 far out. Relative error below 1e-6. */
float hb_decay(double dt_s, double tau_s);
/* An event in the interval of `interval_s` that ends now; `since_s`: from the time `heat` speaks of until
 * now. Steady events, one an interval, converge to 1 / interval_s. */
float hb_heat_touch(float heat, double since_s, double interval_s);
/* What one event in an interval adds; hb_heat_touch is decay and this. */
float hb_heat_gain(double interval_s);
/* One sample of a rate that is only looked at now and then: 1 / interval_s when `seen`, else 0. */
float hb_heat_sample(float heat, double since_s, double interval_s, int seen);

static inline uint32_t hb_heat_bits(float f) {
        uint32_t u;

        memcpy(&u, &f, sizeof(u));
        return u;
}
static inline float hb_heat_float(uint32_t u) {
        float f;

        memcpy(&f, &u, sizeof(f));
        return f;
}

/* 16 bits: 2^-20 .. 2^12 in steps of 1/2048. `dither` (any hash) decides the rounding, so that small gains on
 * a large value are right on average instead of lost. */
#define HB_HEAT_PACK_SHIFT 12
#define HB_HEAT_PACK_BASE  ((127 - 20) << (23 - HB_HEAT_PACK_SHIFT))
static inline uint16_t hb_heat_pack(float per_s, uint32_t dither) {
        if (!(per_s >= 0x1p-20f))
                return 0;
        if (per_s >= 4090.0f)
                return UINT16_MAX;
        return (uint16_t)(((hb_heat_bits(per_s) + (dither & ((1u << HB_HEAT_PACK_SHIFT) - 1))) >>
                           HB_HEAT_PACK_SHIFT) -
                          HB_HEAT_PACK_BASE + 1);
}
static inline float hb_heat_unpack(uint16_t v) {
        return v ? hb_heat_float(((uint32_t)v - 1 + HB_HEAT_PACK_BASE) << HB_HEAT_PACK_SHIFT) : 0.0f;
}

/* 8 bits: 0, or 2^-16 .. 2^15.6 in eighths of an octave. hb_heat_q(hb_heat_of(q)) == q. 255 is never used. */
#define HB_HEAT_Q_SHIFT 20
#define HB_HEAT_Q_BASE  ((127 - 16) << (23 - HB_HEAT_Q_SHIFT))
#define HB_HEAT_Q_MAX   254u
static inline uint8_t hb_heat_q(float per_s) {
        uint32_t u;

        if (!(per_s >= 0x1p-16f))
                return 0;
        u = ((hb_heat_bits(per_s) + (1u << (HB_HEAT_Q_SHIFT - 1))) >> HB_HEAT_Q_SHIFT) - HB_HEAT_Q_BASE + 1;
        return (uint8_t)(u < HB_HEAT_Q_MAX ? u : HB_HEAT_Q_MAX);
}
static inline float hb_heat_of(uint8_t q) {
        return q ? hb_heat_float(((uint32_t)q - 1 + HB_HEAT_Q_BASE) << HB_HEAT_Q_SHIFT) : 0.0f;
}
