/* features: the moment and the block. A block and the 64 pages on either side are read from the history once,
 * so that neighbours cost nothing more, however many of its pages are asked about.
 * Cost: some 15 us a block. Pure. */
#include "nn/features.h"
#include <stdlib.h>
#include <string.h>

#pragma GCC optimize("O3", "no-math-errno", "no-trapping-math", "fp-contract=off")
#include "base/f32_math.h"

#define LOG_GUEST 13.815512f /* log1p(1e6) */
#define ALIKE     0.35f      /* as busy: within this of the logarithm */
#define BACK_NEW  3u         /* windows: "came again lately", */
#define BACK_AWAY 8u         /* after having been away this long */

static float clamp(float x, float low, float high) {
        return hb_f32_min(hb_f32_max(x, low), high);
}

static unsigned horizon_windows(double horizon_s) {
        double windows = horizon_s * 1e9 / HB_HISTORY_WINDOW_NS + 0.5;

        return windows >= 60 ? 60 : windows >= 1 ? (unsigned)windows : 1;
}

/* Windows as busy as the newest, each smoothed over itself and the two before it. */
static hb_past alike(const struct hb_history_counts *c) {
        float now = hb_f32_log1p((float)(c[0].seen + c[1].seen + c[2].seen));
        hb_past r = 0;

        for (unsigned t = 0; t + 2 < HB_HISTORY_RING; t++) {
                float d = hb_f32_log1p((float)(c[t].seen + c[t + 1].seen + c[t + 2].seen)) - now;

                r |= (hb_past)(d < ALIKE && d > -ALIKE) << t;
        }
        return r;
}

static void put_log(struct hb_features *f, enum hb_feature i, uint32_t count, float most) {
        f->logs[i - HB_F_BLOCK_IDLE] = hb_f32_log1p((float)count) / most;
}

void hb_features_moment(struct hb_features *f, const hb_history *h, uint32_t window, double horizon_s) {
        const struct hb_history_counts *g = f->guest;
        uint32_t most = 1;

        memset(f, 0, sizeof *f);
        f->history = h;
        f->window = window;
        f->horizon = horizon_windows(horizon_s);
        f->four_from = hb_past_four_from(window);
        f->pages = hb_history_pages(h);
        hb_history_guest(h, window, HB_HISTORY_RING, f->guest);
        for (unsigned t = 0; t < HB_HISTORY_RING; t++)
                most = g[t].seen > most ? g[t].seen : most;
        for (unsigned t = 0; t < HB_HISTORY_RING; t++)
                f->guest_log[t] = hb_f32_log1p((float)g[t].seen) / hb_f32_log1p((float)most);
        f->guest_like = alike(g);
        put_log(f, HB_F_GUEST_NOW, g[0].seen + g[1].seen + g[2].seen, LOG_GUEST);
        put_log(f, HB_F_GUEST_WROTE, g[0].written + g[1].written + g[2].written, LOG_GUEST);
        f->guest_share = (float)(g[0].seen + g[1].seen) / (2.0f * (float)most);
        f->guest_change = clamp(0.5f * (hb_f32_log1p((float)(g[0].seen + g[1].seen)) -
                                        hb_f32_log1p((float)(g[2].seen + g[3].seen))),
                                -1.0f, 1.0f);
}

static void fill_steps(const struct hb_features *f, const struct hb_history_counts *c, float *sequence,
                       size_t stride) {
        for (unsigned s = 0; s < HB_MODEL_STEPS; s++) {
                unsigned t = HB_MODEL_STEPS - 1 - s; /* windows ago */
                float *in = sequence + s * stride;
                float now = hb_f32_log1p((float)c[t].seen), before = hb_f32_log1p((float)c[t + 1].seen);

                in[0] = now / HB_FEATURES_LOG_BLOCK;
                in[1] = hb_f32_log1p((float)c[t].written) / HB_FEATURES_LOG_BLOCK;
                in[2] = c[t].seen ? 1.0f : 0.0f;
                in[3] = clamp(0.5f * (now - before), -1.0f, 1.0f);
                in[4] = f->guest_log[t];
                in[5] = hb_f32_div((float)f->guest[t].written, (float)f->guest[t].seen);
                in[6] = f->guest_log[t] - f->guest_log[t + 1];
                in[7] = hb_f32_div((float)c[t].seen, (float)f->guest[t].seen);
        }
}

static bool is_back(const struct hb_history_page *p) {
        uint64_t away = (1ull << BACK_AWAY) - 1, lately = (1ull << BACK_NEW) - 1;

        return (p->seen & lately) && !(p->seen >> BACK_NEW & away) && p->seen >> (BACK_NEW + BACK_AWAY);
}

static bool is_new(const struct hb_features *f, const struct hb_history_page *p) {
        return p->first && f->window - p->first < BACK_NEW;
}

static void put_bit(uint64_t *bits, unsigned i, bool on) {
        bits[i / 64] |= (uint64_t)on << (i % 64);
}

static void load_pages(struct hb_features *f) {
        uint64_t horizon = f->horizon >= 32 ? UINT32_MAX : (1ull << f->horizon) - 1;

        memset(f->now, 0, sizeof f->now);
        memset(f->lately, 0, sizeof f->lately);
        memset(f->recent, 0, sizeof f->recent);
        memset(f->ever, 0, sizeof f->ever);
        for (unsigned i = 0; i < HB_FEATURES_VIEW; i++) {
                struct hb_history_page *p = &f->page[i];
                uint64_t gfn = f->first + i; /* below 0 it wraps beyond the guest */

                if (gfn < f->pages)
                        hb_history_page(f->history, gfn, f->window, p);
                else
                        *p = (struct hb_history_page){0};
                put_bit(f->now, i, p->seen & 3);
                put_bit(f->lately, i, p->seen & 15);
                put_bit(f->recent, i, p->seen & horizon);
                put_bit(f->ever, i, p->last != 0);
        }
}

static unsigned bits_within(const uint64_t *bits) { /* of the block itself */
        unsigned n = 0;

        for (unsigned w = HB_FEATURES_MARGIN / 64; w < (HB_FEATURES_MARGIN + HB_BLOCK_PAGES) / 64; w++)
                n += (unsigned)__builtin_popcountll(bits[w]);
        return n;
}

static void sum_up(struct hb_features *f, const struct hb_history_counts *c) {
        unsigned idle = 0, back = 0, fresh = 0;

        f->nback = 0;
        for (unsigned i = HB_FEATURES_MARGIN; i < HB_FEATURES_MARGIN + HB_BLOCK_PAGES; i++) {
                fresh += is_new(f, &f->page[i]);
                if (!is_back(&f->page[i]))
                        continue;
                /* The newest few would be as good; spread over the block they differ more. */
                if (f->nback < HB_FEATURES_BACK || back % 32 == 0)
                        f->back[f->nback < HB_FEATURES_BACK ? f->nback++ : back / 32 % HB_FEATURES_BACK] =
                                f->page[i].seen;
                back++;
        }
        while (idle < HB_HISTORY_RING && !c[idle].seen)
                idle++;
        put_log(f, HB_F_BLOCK_IDLE, idle, HB_FEATURES_LOG_BLOCK);
        put_log(f, HB_F_BLOCK_NOW, bits_within(f->now), HB_FEATURES_LOG_BLOCK);
        put_log(f, HB_F_BLOCK_BACK, back, HB_FEATURES_LOG_BLOCK);
        put_log(f, HB_F_BLOCK_NEW, fresh, HB_FEATURES_LOG_BLOCK);
        put_log(f, HB_F_BLOCK_EVER, bits_within(f->ever), HB_FEATURES_LOG_BLOCK);
        f->block_recent = (float)bits_within(f->recent) / HB_BLOCK_PAGES;
}

void hb_features_block(struct hb_features *f, uint64_t block, float *sequence, size_t stride) {
        struct hb_history_counts c[HB_HISTORY_RING];

        f->block = block;
        f->first = (block << HB_BLOCK_SHIFT) - HB_FEATURES_MARGIN;
        hb_history_block(f->history, block, f->window, HB_HISTORY_RING, c);
        f->block_like = alike(c);
        load_pages(f);
        sum_up(f, c);
        fill_steps(f, c, sequence, stride);
}
