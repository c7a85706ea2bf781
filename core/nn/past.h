/* past: a page's word of history (map/history.h) as bits of single windows, and questions put to it by
 * shifting. Internal to the room. Bit t is the window t windows ago; the spans of 4 are spread over their
 * windows, so 96 windows and a few have a bit, in 128. Pure.
 *
 * Why shifts: "was it there within the horizon after window t" is, for all t at once, a handful of shifts.
 * So a page's own record answers what its chance was whenever it was in the state it is in now. */
#pragma once
#include "map/history.h"

typedef unsigned __int128 hb_past;

#define HB_PAST_WINDOWS 96u /* bits that have a past; the rest are 0 */
#define HB_PAST_INLINE  static inline __attribute__((always_inline))

HB_PAST_INLINE unsigned hb_past_count(hb_past p) {
        return (unsigned)__builtin_popcountll((uint64_t)p) +
               (unsigned)__builtin_popcountll((uint64_t)(p >> 64));
}

HB_PAST_INLINE unsigned hb_past_first(hb_past p) { /* the lowest bit set; 128: none */
        if ((uint64_t)p)
                return (unsigned)__builtin_ctzll((uint64_t)p);
        return p ? 64 + (unsigned)__builtin_ctzll((uint64_t)(p >> 64)) : 128;
}

HB_PAST_INLINE hb_past hb_past_below(unsigned n) { /* bits 0 .. n - 1; n <= 127 */
        return (((hb_past)1) << n) - 1;
}

HB_PAST_INLINE hb_past hb_past_between(unsigned from, unsigned to) { /* bits [from, to) */
        return to > from ? hb_past_below(to) & ~hb_past_below(from) : 0;
}

/* `four_from`: the age of the newest window of the newest span of 4, as hb_history_bit_age would give it were
 * it not cut by the single windows: 29 .. 32. */
HB_PAST_INLINE unsigned hb_past_four_from(uint32_t window) {
        return 29 + ((window - 32) & 3);
}

HB_PAST_INLINE hb_past hb_past_of(uint64_t word, unsigned four_from) {
        uint64_t x = word >> 32 & 0xffff;

        x = (x | x << 24) & 0x000000ff000000ffull;
        x = (x | x << 12) & 0x000f000f000f000full;
        x = (x | x << 6) & 0x0303030303030303ull;
        x = (x | x << 3) & 0x1111111111111111ull;
        return ((((hb_past)(x * 15) << four_from) >> 32) << 32) | (uint32_t)word;
}

/* Bit t: there in any of the n >= 1 windows right after window t. */
HB_PAST_INLINE hb_past hb_past_soon(hb_past p, unsigned n) {
        hb_past r = p << 1;

        for (unsigned have = 1, more; have < n; have += more) {
                more = have < n - have ? have : n - have;
                r |= r << more;
        }
        return r;
}

/* Bit t: there in any of the n windows t, t + 1, ... (the n up to and with window t). */
HB_PAST_INLINE hb_past hb_past_lately(hb_past p, unsigned n) {
        hb_past r = p;

        if (n == 0)
                return 0;
        for (unsigned have = 1, more; have < n; have += more) {
                more = have < n - have ? have : n - have;
                r |= r >> more;
        }
        return r;
}

/* Absences of two windows and more that ended in a return, newest first. */
struct hb_gaps {
        unsigned count, last;
        float mean, dev;
        unsigned run; /* windows of the newest stay */
};

#define HB_GAPS_MOST 12u

/* `unit`: windows a bit stands for. */
HB_PAST_INLINE void hb_gaps_of(hb_past p, unsigned unit, struct hb_gaps *ret) {
        unsigned sum = 0, squares = 0, n = 0, at;

        *ret = (struct hb_gaps){0};
        if (!p)
                return;
        if (unit == 1)
                p |= (p << 1) & (p >> 1); /* a hole of one window is no absence */
        p >>= hb_past_first(p);
        while (n < HB_GAPS_MOST) {
                at = hb_past_first(~p);
                ret->run = n ? ret->run : at * unit;
                p >>= at < 127 ? at : 127;
                if (!p)
                        break;
                at = hb_past_first(p);
                ret->last = n++ ? ret->last : at * unit;
                sum += at;
                squares += at * at;
                p >>= at;
        }
        ret->count = n;
        if (n) {
                ret->mean = (float)(sum * unit) / (float)n;
                ret->dev = (float)(n * squares - sum * sum) * (float)(unit * unit) / (float)(n * n);
        }
}

/* The same past in spans of 16 windows, 22 bits: coarse, but far. */
HB_PAST_INLINE uint32_t hb_past_far(uint64_t word, hb_past p) {
        uint32_t r = (uint32_t)(word >> 48) << 6;

        for (unsigned i = 0; i < 6; i++)
                r |= (uint32_t)((uint32_t)(p >> (16 * i)) & 0xffff ? 1 : 0) << i;
        return r;
}
