/* f32_math: the scalar rules of hb.vec, of the built-in policies and of the model, in one place so that all
 * give equal bits.
 *
 * Plain IEEE single precision in a fixed order, no fused multiply-add, no libm: the same bits on every
 * x86-64, as long as the including file forbids contraction (`#pragma GCC optimize("fp-contract=off")`
 * before it).
 * x / 0 is 0, whatever x (a rate over an idle link, an accuracy of nothing: "nothing" and not "endless").
 * exp saturates: 1.2e-38 below -87.3, 2.4e38 above 88.3; its error is <= 2 ulp. log1p of x <= -1 is that of
 * the next number above -1, about -16.6; error <= 4 ulp. sigmoid and tanh use that exp; absolute error <=
 * 2e-7.
 * exp and log are the polynomials of Moshier's Cephes library (expf.c, logf.c). */
#pragma once
#include <stdint.h>
#include <string.h>

static inline float hb_f32_div(float a, float b) {
        float q = a / (b == 0.0f ? 1.0f : b);
        return b == 0.0f ? 0.0f : q;
}

/* The left operand wins a tie, and a NaN on the left gives the right one: plain `<`, as the SSE instruction
 * does it. */
static inline float hb_f32_min(float a, float b) {
        return a < b ? a : b;
}

static inline float hb_f32_max(float a, float b) {
        return a > b ? a : b;
}

static inline float hb_f32_from_bits(uint32_t u) {
        float f;
        memcpy(&f, &u, sizeof f);
        return f;
}

static inline uint32_t hb_f32_bits(float f) {
        uint32_t u;
        memcpy(&u, &f, sizeof u);
        return u;
}

/* No libm call and no SSE4.1: by way of an integer, where there is one; from 2^23 on a float has no fraction.
 */
static inline float hb_f32_floor(float x) {
        float t = (float)(int32_t)hb_f32_min(hb_f32_max(x, -8388608.0f), 8388608.0f);
        float f = t - (t > x ? 1.0f : 0.0f);
        return x > -8388608.0f && x < 8388608.0f ? f : x;
}

static inline float hb_f32_exp(float x) {
        const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer in the low bits */
        float shifted, k, r, y;

        x = hb_f32_min(hb_f32_max(x, -87.33654f), 88.37f);
        shifted = x * 1.44269504f + magic;
        k = shifted - magic;
        r = x - k * 0.693359375f - k * -2.12194440e-4f;
        y = 1.9875691500e-4f;
        y = y * r + 1.3981999507e-3f;
        y = y * r + 8.3334519073e-3f;
        y = y * r + 4.1665795894e-2f;
        y = y * r + 1.6666665459e-1f;
        y = y * r + 5.0000001201e-1f;
        y = y * r * r + r + 1.0f;
        return y * hb_f32_from_bits((hb_f32_bits(shifted) + 127u) << 23);
}

/* log(u) for normal u > 0. */
static inline float hb_f32_log(float u) {
        uint32_t bits = hb_f32_bits(u);
        float e = (float)((int32_t)(bits >> 23) - 126),
              m = hb_f32_from_bits((bits & 0x7fffffu) | 0x3f000000u);
        float low = m < 0.70710678f ? 1.0f : 0.0f, x = m - 1.0f + low * m, z, y;

        e = e - low;
        z = x * x;
        y = 7.0376836292e-2f;
        y = y * x + -1.1514610310e-1f;
        y = y * x + 1.1676998740e-1f;
        y = y * x + -1.2420140846e-1f;
        y = y * x + 1.4249322787e-1f;
        y = y * x + -1.6668057665e-1f;
        y = y * x + 2.0000714765e-1f;
        y = y * x + -2.4999993993e-1f;
        y = y * x + 3.3333331174e-1f;
        y = y * x * z + e * -2.12194440e-4f - 0.5f * z;
        return x + y + e * 0.693359375f;
}

static inline float hb_f32_log1p(float x) {
        float u, fix;

        x = hb_f32_max(x, -0.99999994f);
        u = 1.0f + x;
        fix = x - (u - 1.0f); /* what the addition lost */
        return hb_f32_log(u) + fix / u;
}

static inline float hb_f32_sigmoid(float x) {
        return 1.0f / (1.0f + hb_f32_exp(-x));
}

static inline float hb_f32_tanh(float x) {
        return 1.0f - 2.0f / (1.0f + hb_f32_exp(2.0f * x));
}
