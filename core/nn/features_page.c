/* features_page: one page's features from its past. All counting is done by shifts over the whole past at
 * once (nn/past.h); the logarithms at the end, in one loop that gcc vectorises. Compiled twice,
 * for processors that count bits in one instruction and for those that do not: integers, the same result.
 * Cost: some 200 ns a page. Pure, no allocation. */
#include <math.h>
#include <string.h>

/* Before the inline functions: gcc does not inline across different settings. */
#pragma GCC optimize("O3", "no-math-errno", "no-trapping-math", "fp-contract=off")
#include "base/f32_math.h"
#include "nn/features.h"

#define FAR_BITS 22u

struct page_past {
        hb_past seen, written, valid; /* valid: windows whose horizon has passed since the page is known */
        hb_past soon, soon_written;   /* hb_past_soon of the horizon */
        unsigned age, age_first, age_write;
        uint32_t far; /* hb_past_far */
        struct hb_gaps gaps;
};

HB_PAST_INLINE float at_most(float x, float most) {
        return x < most ? x : most;
}

/* Share, drawn towards nothing where there are few cases. */
HB_PAST_INLINE float rate(unsigned hits, unsigned cases) {
        return (float)hits / ((float)cases + 0.5f);
}

HB_PAST_INLINE void look_back(const struct hb_features *f, const struct hb_history_page *p,
                              struct page_past *r) {
        unsigned until;

        r->seen = hb_past_of(p->seen, f->four_from);
        r->written = hb_past_of(p->written, f->four_from);
        r->far = hb_past_far(p->seen, r->seen);
        r->age = p->last ? f->window - p->last : HB_HISTORY_WINDOWS;
        r->age_first = p->last ? f->window - p->first : HB_HISTORY_WINDOWS;
        r->age_write = hb_past_first(r->written);
        if (r->age > HB_HISTORY_WINDOWS)
                r->age = HB_HISTORY_WINDOWS;
        if (r->age_write > HB_PAST_WINDOWS)
                r->age_write = HB_HISTORY_WINDOWS;
        until = !p->last ? 0 : r->age_first < HB_PAST_WINDOWS ? r->age_first + 1 : HB_PAST_WINDOWS;
        r->valid = hb_past_between(f->horizon, until);
        r->soon = hb_past_soon(r->seen, f->horizon);
        r->soon_written = hb_past_soon(r->written, f->horizon);
        hb_gaps_of(r->seen, 1, &r->gaps);
        if (r->gaps.count == 0)
                hb_gaps_of(r->far, 16, &r->gaps);
}

HB_PAST_INLINE void put_counts(const struct hb_history_page *p, const struct page_past *r, float *out) {
        out[HB_F_AGE] = (float)r->age;
        out[HB_F_AGE_WRITE] = (float)r->age_write;
        out[HB_F_AGE_FIRST] = (float)r->age_first;
        out[HB_F_TIMES] = (float)p->times;
        out[HB_F_TIMES_WRITTEN] = (float)p->times_written;
        out[HB_F_GAP] = r->gaps.mean;
        out[HB_F_GAP_DEV] = sqrtf(r->gaps.dev);
        out[HB_F_GAPS] = 8.0f * (float)r->gaps.count;
        out[HB_F_GAP_LAST] = (float)r->gaps.last;
        out[HB_F_RUN] = (float)r->gaps.run;
}

HB_PAST_INLINE void put_shares(const struct hb_features *f, const struct hb_history_page *p,
                               const struct page_past *r, float *out) {
        unsigned H = f->horizon;
        uint32_t singles = (uint32_t)p->seen, writes = (uint32_t)p->written;

        out[HB_F_SEEN_2] = (float)__builtin_popcount(singles & 0x3) / 2.0f;
        out[HB_F_SEEN_4] = (float)__builtin_popcount(singles & 0xf) / 4.0f;
        out[HB_F_SEEN_8] = (float)__builtin_popcount(singles & 0xff) / 8.0f;
        out[HB_F_SEEN_16] = (float)__builtin_popcount(singles & 0xffff) / 16.0f;
        out[HB_F_SEEN_32] = (float)__builtin_popcount(singles) / 32.0f;
        out[HB_F_SEEN_96] = (float)__builtin_popcount((uint32_t)(p->seen >> 32) & 0xffff) / 16.0f;
        out[HB_F_SEEN_FAR] = (float)__builtin_popcount((uint32_t)(p->seen >> 48)) / 16.0f;
        out[HB_F_SEEN_H] = r->seen & hb_past_below(H) ? 1.0f : 0.0f;
        out[HB_F_SEEN_2H] = r->seen & hb_past_between(H, 2 * H) ? 1.0f : 0.0f;
        out[HB_F_SEEN_3H] = r->seen & hb_past_between(2 * H, 3 * H > 127 ? 127 : 3 * H) ? 1.0f : 0.0f;
        out[HB_F_WRITES] = hb_f32_div((float)p->times_written, (float)p->times);
        out[HB_F_WRITTEN_8] = (float)__builtin_popcount(writes & 0xff) / 8.0f;
        out[HB_F_WRITTEN_32] = (float)__builtin_popcount(writes) / 32.0f;
        out[HB_F_WRITTEN_H] = r->written & hb_past_below(H) ? 1.0f : 0.0f;
        out[HB_F_WROTE_LAST] = r->age_write == r->age ? 1.0f : 0.0f;
}

HB_PAST_INLINE void put_rates(const struct hb_features *f, const struct page_past *r, float *out) {
        unsigned age = r->age < HB_PAST_WINDOWS ? r->age : HB_PAST_WINDOWS;
        hb_past all = r->valid, hits = r->soon & all, lately = hb_past_lately(r->seen, age);
        hb_past absent = all & ~(r->seen | r->seen >> 1), same = all & (r->seen >> age) & ~lately;
        hb_past longer = all & ~lately;
        unsigned nhits = hb_past_count(hits), nsame = hb_past_count(same), nlonger = hb_past_count(longer);

        out[HB_F_RATE] = rate(nhits, hb_past_count(all));
        out[HB_F_RATE_ABSENT] = rate(hb_past_count(hits & absent), hb_past_count(absent));
        out[HB_F_RATE_AGE] = rate(hb_past_count(hits & same), nsame);
        out[HB_F_CASES_AGE] = at_most((float)nsame / 4.0f, 1.0f);
        out[HB_F_RATE_LONGER] = rate(hb_past_count(hits & longer), nlonger);
        out[HB_F_CASES_LONGER] = (float)nlonger / HB_PAST_WINDOWS;
        out[HB_F_RATE_GUEST] = rate(hb_past_count(hits & f->guest_like), hb_past_count(all & f->guest_like));
        out[HB_F_RATE_BLOCK] = rate(hb_past_count(hits & f->block_like), hb_past_count(all & f->block_like));
        out[HB_F_RATE_PHASE] =
                rate(hb_past_count(hits & longer & f->guest_like), hb_past_count(longer & f->guest_like));
        out[HB_F_RATE_WRITTEN] = rate(hb_past_count(r->soon_written & all), nhits);
}

/* As "longer", in spans of 16 windows. */
HB_PAST_INLINE void put_far(const struct hb_features *f, const struct page_past *r, float *out) {
        unsigned H = (f->horizon + 15) / 16, age = r->age / 16, known = r->age_first / 16 + 1;
        uint32_t all = (uint32_t)hb_past_between(H, known < FAR_BITS ? known : FAR_BITS);
        uint32_t soon = (uint32_t)hb_past_soon(r->far, H);
        uint32_t longer = all & ~(uint32_t)hb_past_lately(r->far, age);

        if (r->age >= HB_HISTORY_WINDOWS)
                longer = 0;
        out[HB_F_RATE_FAR] =
                rate((unsigned)__builtin_popcount(soon & longer), (unsigned)__builtin_popcount(longer));
        out[HB_F_CASES_FAR] = (float)__builtin_popcount(longer) / FAR_BITS;
}

HB_PAST_INLINE bool there_before(const struct hb_features *f, const struct page_past *r, unsigned period) {
        unsigned from = period > f->horizon ? period - f->horizon : 0;

        if (period < HB_PAST_WINDOWS)
                return r->seen & hb_past_between(from, period);
        return r->far & (uint32_t)hb_past_between(from / 16, at_most((float)period, 351.0f) / 16 + 1);
}

HB_PAST_INLINE void put_period(const struct hb_features *f, const struct page_past *r, float *out) {
        const struct hb_gaps *g = &r->gaps;
        unsigned period = (unsigned)(g->mean + 0.5f) + g->run;
        float dev = sqrtf(g->dev) + 1.0f, to_go = (float)(r->age + f->horizon) - g->mean;

        out[HB_F_ONE_GAP] = g->count && there_before(f, r, period) ? 1.0f : 0.0f;
        out[HB_F_TWO_GAPS] = g->count && there_before(f, r, 2 * period) ? 1.0f : 0.0f;
        out[HB_F_AGE_TO_GAP] = g->count ? at_most((float)r->age / (g->mean + 1.0f), 4.0f) / 4.0f : 0.0f;
        out[HB_F_OVERDUE] = g->count ? hb_f32_max(at_most(to_go / dev, 4.0f), -4.0f) / 4.0f : 0.0f;
}

/* n <= 64 bits from bit i on. */
HB_PAST_INLINE uint64_t bits_at(const uint64_t *bits, unsigned i, unsigned n) {
        unsigned w = i / 64, s = i % 64;
        uint64_t r = bits[w] >> s;

        if (s && w + 1 < HB_FEATURES_VIEW / 64)
                r |= bits[w + 1] << (64 - s);
        return n < 64 ? r & ((1ull << n) - 1) : r;
}

HB_PAST_INLINE float around(const uint64_t *bits, unsigned i) { /* the 16 around it, not itself */
        return (float)__builtin_popcountll(bits_at(bits, i - 8, 17) & ~(1ull << 8)) / 16.0f;
}

HB_PAST_INLINE float beside(const uint64_t *bits, unsigned i) {
        return (float)__builtin_popcountll(bits_at(bits, i - 1, 3) & 5) / 2.0f;
}

HB_PAST_INLINE void put_neighbours(const struct hb_features *f, unsigned i, float *out) {
        uint64_t below = bits_at(f->now, i - 64, 64), above = bits_at(f->now, i, 64) >> 1;

        out[HB_F_BELOW] = below ? (float)(__builtin_clzll(below) + 1) : 128.0f;
        out[HB_F_ABOVE] = above ? (float)(__builtin_ctzll(above) + 1) : 128.0f;
        out[HB_F_NEXT_2] = beside(f->now, i);
        out[HB_F_NEXT_H] = beside(f->recent, i);
        out[HB_F_AROUND_2] = around(f->now, i);
        out[HB_F_AROUND_H] = around(f->recent, i);
        out[HB_F_AROUND_EVER] = around(f->ever, i);
        out[HB_F_BELOW_4] = (float)__builtin_popcountll(bits_at(f->lately, i - 8, 8)) / 8.0f;
        out[HB_F_ABOVE_4] = (float)__builtin_popcountll(bits_at(f->lately, i + 1, 8)) / 8.0f;
}

/* The largest share of common bits (of both together) with a returner, leaving out the windows of its return
 * and of its absence. */
HB_PAST_INLINE float like_back(const struct hb_features *f, uint64_t seen) {
        float most = 0.0f;

        for (unsigned i = 0; i < f->nback; i++) {
                uint64_t other = f->back[i] & ~7ull, mine = seen & ~7ull;
                float like = rate((unsigned)__builtin_popcountll(mine & other),
                                  (unsigned)__builtin_popcountll(mine | other));

                most = like > most ? like : most;
        }
        return most;
}

HB_PAST_INLINE void put_rest(const struct hb_features *f, const struct hb_history_page *p,
                             const struct page_past *r, float *out) {
        out[HB_F_BLOCK_H] = f->block_recent;
        out[HB_F_LIKE_BACK] = like_back(f, p->seen);
        out[HB_F_GUEST_SHARE] = f->guest_share;
        out[HB_F_GUEST_CHANGE] = f->guest_change;
        out[HB_F_LIFE] = at_most((float)p->times / ((float)r->age_first + 1.0f), 1.0f);
        out[HB_F_KNOWN] = p->last ? 1.0f : 0.0f;
        out[HB_F_HORIZON] = (float)f->horizon / 30.0f;
}

/* The page's own counts; those of the block and the guest are logarithms already. */
HB_PAST_INLINE void put_logs(const struct hb_features *f, float *restrict out) {
        for (unsigned i = 0; i < HB_F_BLOCK_IDLE; i++)
                out[i] = hb_f32_log1p(out[i]);
        for (unsigned i = 0; i < HB_F_BELOW; i++)
                out[i] /= HB_FEATURES_LOG_FAR;
        for (unsigned i = HB_F_BELOW; i < HB_F_BLOCK_IDLE; i++)
                out[i] /= HB_FEATURES_LOG_BLOCK;
        memcpy(out + HB_F_BLOCK_IDLE, f->logs, sizeof f->logs);
}

HB_PAST_INLINE void features_of(const struct hb_features *f, uint64_t gfn, float *restrict out) {
        unsigned i = (unsigned)(gfn - f->first);
        const struct hb_history_page *p = &f->page[i];
        struct page_past r;

        look_back(f, p, &r);
        put_counts(p, &r, out);
        put_neighbours(f, i, out);
        put_shares(f, p, &r, out);
        put_rates(f, &r, out);
        put_far(f, &r, out);
        put_period(f, &r, out);
        put_rest(f, p, &r, out);
        put_logs(f, out);
}

__attribute__((target("popcnt"))) static void features_popcnt(const struct hb_features *f, uint64_t gfn,
                                                              float *restrict out) {
        features_of(f, gfn, out);
}

static void features_plain(const struct hb_features *f, uint64_t gfn, float *restrict out) {
        features_of(f, gfn, out);
}

void hb_features_page(const struct hb_features *f, uint64_t gfn, float *restrict out) {
        if (__builtin_cpu_supports("popcnt"))
                features_popcnt(f, gfn, out);
        else
                features_plain(f, gfn, out);
}
