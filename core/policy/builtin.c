/* builtin: see the header for the law and the Lua files for the reasons of the formulas.
 * Cost: 2-4 ns a page for predictor and scorer together; also the yardstick of tests/bench/bench_policy.c. */
#include "policy/builtin.h"
#include <math.h>

/* Before the inline functions: gcc does not inline across different settings. */
#pragma GCC optimize("O3", "no-math-errno", "no-trapping-math", "fp-contract=off")
#include "policy/vec_math.h"

#define FADE_S   30.0
#define BASE     0.3f
#define W_TARGET 0.5f
#define W_SOURCE 0.1f
#define W_COST   0.2f
#define W_WASTE  0.6f
#define PAGE     4096.0

#define CUT_FLOOR   0.05
#define CUT_CEILING 0.5
#define CUT_RISE    0.02
#define CUT_FALL    0.05
#define CUT_STILL   0.02
#define SHY_FADE_S  100.0
#define SMOOTH_S    3.0
#define LONGEST_S   5.0

#define BLOCK 256

static const float zeros[BLOCK];

static const float *from(const float *column, uint32_t at) {
        return column ? column + at : zeros;
}

static uint32_t block_at(uint32_t n, uint32_t at) {
        return n - at < BLOCK ? n - at : BLOCK;
}

static void predict_block(const struct hb_policy_pages *p, uint32_t at, float horizon,
                          float *restrict accesses, float *restrict writes) {
        const float *read = from(p->read_heat, at), *written = from(p->write_heat, at);
        const float *age = from(p->age_s, at), *version_age = from(p->version_age_s, at),
                    per_fade = (float)(1 / FADE_S);
        uint32_t n = block_at(p->n, at);

        for (uint32_t i = 0; i < n; i++)
                accesses[i] = hb_f32_div((read[i] + written[i]) * horizon, age[i] * per_fade + 1.0f);
        for (uint32_t i = 0; i < n; i++)
                writes[i] = hb_f32_div(written[i] * horizon, version_age[i] * per_fade + 1.0f);
}

void hb_builtin_predict(const struct hb_policy_pages *pages, const struct hb_policy_guest *g, float *accesses,
                        float *writes) {
        for (uint32_t at = 0; at < pages->n; at += BLOCK)
                predict_block(pages, at, (float)g->horizon_s, accesses + at, writes + at);
}

struct sending {
        float per_free, whole, latency;
};

static void score_block(const struct hb_policy_pages *p, uint32_t at, struct sending s,
                        float *restrict scores) {
        const float *predicted = from(p->predicted, at), *writes = from(p->predicted_writes, at);
        const float *read = from(p->read_heat, at), *written = from(p->write_heat, at);
        const float *bytes = from(p->bytes_to_send, at), *run = from(p->run_length, at);
        const float *known = from(p->known, at);
        uint32_t n = block_at(p->n, at);

        for (uint32_t i = 0; i < n; i++) {
                float use = hb_f32_div(predicted[i], predicted[i] + 1.0f), heat = read[i] + written[i];
                float source = hb_f32_div(heat, heat + 1.0f), clean = hb_f32_exp(-writes[i]);
                float travels = 1.0f - known[i];
                float seconds = bytes[i] * s.per_free + hb_f32_div(s.latency, run[i]);
                float cost = hb_f32_div(seconds, seconds + s.whole);
                float gain = (BASE + W_TARGET * use + W_SOURCE * source) * clean;
                scores[i] = gain - W_COST * cost * travels - W_WASTE * (1.0f - clean) * travels;
        }
}

static struct sending sending_by(const struct hb_policy_link *l) {
        double bandwidth = fmax(l->bytes_per_s, 1),
               available = fmax(l->free_bytes_per_s * (1 - l->pace_loss), 0.01 * bandwidth);

        return (struct sending){.per_free = (float)(1 / available),
                                .whole = (float)(PAGE / bandwidth + l->latency_s),
                                .latency = (float)l->latency_s};
}

void hb_builtin_score(const struct hb_policy_pages *pages, const struct hb_policy_link *l, float *scores) {
        struct sending s = sending_by(l);

        for (uint32_t at = 0; at < pages->n; at += BLOCK)
                score_block(pages, at, s, scores + at);
}

/* ---- one page's terms ---- */

static void add_term(struct hb_builtin_terms *t, const char *name, float value) {
        t->term[t->n].name = name;
        t->term[t->n++].value = (double)value;
}

static float one(const float *column, uint32_t at) {
        return column ? column[at] : 0;
}

static void explain_prediction(const struct hb_policy_pages *p, uint32_t at, struct hb_builtin_terms *t) {
        float per_fade = (float)(1 / FADE_S);

        add_term(t, "rate", one(p->read_heat, at) + one(p->write_heat, at));
        add_term(t, "silence", one(p->age_s, at) * per_fade + 1.0f);
        add_term(t, "write_rate", one(p->write_heat, at));
        add_term(t, "write_silence", one(p->version_age_s, at) * per_fade + 1.0f);
}

static void explain_score(const struct hb_policy_pages *p, uint32_t at, const struct hb_policy_link *l,
                          struct hb_builtin_terms *t) {
        struct sending s = sending_by(l);
        float predicted = one(p->predicted, at), heat = one(p->read_heat, at) + one(p->write_heat, at);
        float seconds =
                one(p->bytes_to_send, at) * s.per_free + hb_f32_div(s.latency, one(p->run_length, at));
        float use = hb_f32_div(predicted, predicted + 1.0f), source = hb_f32_div(heat, heat + 1.0f);
        float clean = hb_f32_exp(-one(p->predicted_writes, at));

        add_term(t, "use", use);
        add_term(t, "source", source);
        add_term(t, "clean", clean);
        add_term(t, "cost", hb_f32_div(seconds, seconds + s.whole));
        add_term(t, "travels", 1.0f - one(p->known, at));
        add_term(t, "gain", (BASE + W_TARGET * use + W_SOURCE * source) * clean);
}

void hb_builtin_explain(enum hb_policy_kind k, const struct hb_policy_pages *pages, uint32_t at,
                        const struct hb_policy_link *l, struct hb_builtin_terms *ret) {
        ret->n = 0;
        if (k == HB_POLICY_PREDICTOR)
                explain_prediction(pages, at, ret);
        else if (k == HB_POLICY_SCORER)
                explain_score(pages, at, l, ret);
}

/* ---- threshold ---- */

static double ramp(double x, double low, double high) {
        return fmin(fmax((x - low) / (high - low), 0), 1);
}

static double seconds_since_last_call(struct hb_builtin_memory *m, const struct hb_policy_guest *g) {
        double dt = m->called ? g->now_s - m->now_s : g->epoch_s;

        m->now_s = g->now_s;
        return fmin(fmax(dt, 0), LONGEST_S);
}

static double harm(struct hb_builtin_memory *m, const struct hb_policy_link *l,
                   const struct hb_policy_accuracy *a, double dt) {
        double pages = m->called ? fmax(a->wasted - m->wasted, 0) : 0;

        m->wasted = a->wasted;
        if (dt > 0 && l->bytes_per_s > 0)
                m->harm = m->harm + (pages * PAGE / dt / l->bytes_per_s - m->harm) * dt / (dt + SMOOTH_S);
        return m->harm;
}

static void remember_harm(struct hb_builtin_memory *m, const struct hb_policy_link *l,
                          const struct hb_policy_accuracy *a, double dt) {
        double busy = ramp(l->used_share, 0.3, 0.9), low = 0.03 - 0.01 * busy, high = 0.2;
        double now = ramp(harm(m, l, a, dt), low, high) *
                     ramp(a->wasted_share < 0 ? 0 : a->wasted_share, 0.2, 0.5);

        m->shy = fmax(now, m->shy * SHY_FADE_S / (SHY_FADE_S + dt));
}

static double dirty_share(const struct hb_policy_link *l, const struct hb_policy_guest *g) {
        return l->bytes_per_s > 0 ? g->dirty_bytes_per_s / fmax(l->free_bytes_per_s * (1 - l->pace_loss), 1)
                                  : 0;
}

static double push(double shy, const struct hb_policy_guest *g, const struct hb_policy_link *l,
                   const struct hb_policy_accuracy *a) {
        double precision = a->precision < 0 ? 1 : a->precision, recall = a->recall < 0 ? 1 : a->recall;
        double missed = ramp(1 - recall, 0.1, 0.5);
        double busy = ramp(l->used_share, 0.8, 1) * (0.4 + 0.6 * ramp(1 - precision, 0.3, 0.9));
        double dirty = 0.3 * ramp(dirty_share(l, g), 1, 2);

        return fmax(fmax(shy, busy - 0.5 * missed * busy), dirty);
}

double hb_builtin_threshold(struct hb_builtin_memory *m, const struct hb_policy_guest *g,
                            const struct hb_policy_link *l, const struct hb_policy_accuracy *a,
                            double previous) {
        double dt = seconds_since_last_call(m, g), ample, lowest, step;

        remember_harm(m, l, a, dt);
        m->called = true;
        if (g->draining)
                return -1;
        ample = (1 - ramp(dirty_share(l, g), 0.03, 0.06)) * (1 - ramp(l->used_share, 0.3, 0.6));
        lowest = CUT_FLOOR + (-1 - CUT_FLOOR) * ample;
        previous = fmin(fmax(previous, lowest), CUT_CEILING);
        step = lowest + (CUT_CEILING - lowest) * push(m->shy, g, l, a) - previous;
        if (fabs(step) < CUT_STILL)
                return previous;
        return previous + fmin(fmax(step, -CUT_FALL * dt), CUT_RISE * dt * (1 + 4 * m->shy));
}
