/* history_word: see the header. Why spans lie at multiples of their length: moved in one go or window by
 * window, a word comes out the same, so what is remembered does not depend on who looked when. A span of 4
 * that leaves goes whole into one of 16.
 *
 * Cost: a few nanoseconds; moving takes one round for each 32 windows, and a step for each bit that leaves
 * its part. Pure, any thread. */
#include "map/history_word.h"

#define FOUR_SHIFT    2
#define SIXTEEN_SHIFT 4

struct phase {             /* of a word as of some window: numbers of spans, of windows */
        int64_t single;    /* oldest single window */
        int64_t four;      /* newest span of 4: holds the window before that */
        int64_t four_from; /* first window of the oldest span of 4 */
        int64_t sixteen;   /* newest span of 16: holds the window before that */
};

static struct phase phase_of(uint32_t window) {
        struct phase p;

        p.single = (int64_t)window - (HB_HISTORY_SINGLES - 1);
        p.four = (p.single - 1) >> FOUR_SHIFT;
        p.four_from = (p.four - (HB_HISTORY_SPANS - 1)) * (1 << FOUR_SHIFT);
        p.sixteen = (p.four_from - 1) >> SIXTEEN_SHIFT;
        return p;
}

unsigned hb_history_bit_of(uint32_t seen, uint32_t window) {
        struct phase p = phase_of(window);
        int64_t j;

        if ((int64_t)seen >= p.single)
                return window - seen;
        j = p.four - ((int64_t)seen >> FOUR_SHIFT);
        if (j < HB_HISTORY_SPANS)
                return HB_HISTORY_SINGLES + (unsigned)j;
        j = p.sixteen - ((int64_t)seen >> SIXTEEN_SHIFT);
        return j < HB_HISTORY_SPANS ? HB_HISTORY_SINGLES + HB_HISTORY_SPANS + (unsigned)j : HB_HISTORY_BITS;
}

/* One round: at most 32 windows on, so that each part's bits and those it takes in fit in 64. */
static uint64_t move_some(uint64_t word, uint32_t from, uint32_t to) {
        struct phase a = phase_of(from), b = phase_of(to);
        uint64_t singles = (uint64_t)(uint32_t)word << (to - from), out = singles >> HB_HISTORY_SINGLES;
        uint64_t fours = (word >> 32 & 0xffff) << (b.four - a.four), sixteens = (word >> 48)
                                                                                << (b.sixteen - a.sixteen);

        for (; out; out &= out - 1) /* bit i left the singles: window b.single - 1 - i */
                fours |= 1ull << (b.four - ((b.single - 1 - __builtin_ctzll(out)) >> FOUR_SHIFT));
        for (out = fours >> HB_HISTORY_SPANS; out; out &= out - 1) /* bit i: the i-th span before four_from */
                sixteens |= 1ull << (b.sixteen -
                                     ((b.four_from - 1 - ((int64_t)__builtin_ctzll(out) << FOUR_SHIFT)) >>
                                      SIXTEEN_SHIFT));
        return (uint32_t)singles | (fours & 0xffff) << 32 | sixteens << 48;
}

uint64_t hb_history_move(uint64_t word, uint32_t from, uint32_t to) {
        if (to - from > HB_HISTORY_WINDOWS)
                return 0;
        while (word && from != to) {
                uint32_t next = to - from > HB_HISTORY_SINGLES ? from + HB_HISTORY_SINGLES : to;

                word = move_some(word, from, next);
                from = next;
        }
        return word;
}

void hb_history_bit_age(unsigned bit, uint32_t window, uint32_t *ret_from, uint32_t *ret_to) {
        struct phase p = phase_of(window);
        int64_t first, end; /* windows [first, end) */

        if (bit < HB_HISTORY_SINGLES) {
                first = (int64_t)window - bit;
                end = first + 1;
        } else if (bit < HB_HISTORY_SINGLES + HB_HISTORY_SPANS) {
                first = (p.four - (bit - HB_HISTORY_SINGLES)) * (1 << FOUR_SHIFT);
                end = first + (1 << FOUR_SHIFT) < p.single ? first + (1 << FOUR_SHIFT) : p.single;
        } else {
                first = (p.sixteen - (bit - HB_HISTORY_SINGLES - HB_HISTORY_SPANS)) * (1 << SIXTEEN_SHIFT);
                end = first + (1 << SIXTEEN_SHIFT) < p.four_from ? first + (1 << SIXTEEN_SHIFT) : p.four_from;
        }
        *ret_from = (uint32_t)(window + 1 - end);
        *ret_to = (uint32_t)(window + 1 - first);
}
