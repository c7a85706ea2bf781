/* bitmap: one bit a page. Fixed size after init. Iteration is by runs and costs one step per 64 pages. Not
 * thread-safe. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct hb_bitmap {
        uint64_t *words;
        uint64_t bits;
};

int hb_bitmap_init(struct hb_bitmap *b, uint64_t bits); /* all clear */
void hb_bitmap_fini(struct hb_bitmap *b);
static inline bool hb_bitmap_test(const struct hb_bitmap *b, uint64_t i) {
        return b->words[i >> 6] >> (i & 63) & 1;
}
static inline void hb_bitmap_set(struct hb_bitmap *b, uint64_t i) {
        b->words[i >> 6] |= 1ull << (i & 63);
}
static inline void hb_bitmap_clear(struct hb_bitmap *b, uint64_t i) {
        b->words[i >> 6] &= ~(1ull << (i & 63));
}
void hb_bitmap_set_long_range(struct hb_bitmap *b, uint64_t first, uint64_t count);
void hb_bitmap_clear_long_range(struct hb_bitmap *b, uint64_t first, uint64_t count);
/* What is beyond the bitmap is left out. Most ranges lie within a word. */
static inline bool hb_bitmap_in_word(const struct hb_bitmap *b, uint64_t first, uint64_t count) {
        return first < b->bits && count - 1 < b->bits - first && (first & 63) + count <= 64;
}
static inline void hb_bitmap_set_range(struct hb_bitmap *b, uint64_t first, uint64_t count) {
        if (hb_bitmap_in_word(b, first, count))
                b->words[first >> 6] |= ~0ull >> (64 - count) << (first & 63);
        else
                hb_bitmap_set_long_range(b, first, count);
}
static inline void hb_bitmap_clear_range(struct hb_bitmap *b, uint64_t first, uint64_t count) {
        if (hb_bitmap_in_word(b, first, count))
                b->words[first >> 6] &= ~(~0ull >> (64 - count) << (first & 63));
        else
                hb_bitmap_clear_long_range(b, first, count);
}
void hb_bitmap_clear_all(struct hb_bitmap *b);
void hb_bitmap_set_all(struct hb_bitmap *b);
uint64_t hb_bitmap_count(const struct hb_bitmap *b);
void hb_bitmap_or(struct hb_bitmap *dst, const struct hb_bitmap *src);      /* same size */
void hb_bitmap_and_not(struct hb_bitmap *dst, const struct hb_bitmap *src); /* same size */
void hb_bitmap_copy(struct hb_bitmap *dst, const struct hb_bitmap *src);    /* same size */
/* The next set bits at or after *at, ascending, at most `room` of them; *at moves past what was looked at.
 * 0: no more. For walks over scattered bits that want to know where they will be next. Bits below 2^32. */
static inline uint32_t hb_bitmap_list(const struct hb_bitmap *b, uint64_t *at, uint32_t *ret, uint32_t room) {
        uint64_t words = (b->bits + 63) >> 6, w = *at >> 6, bits;
        uint32_t n = 0;

        if (*at >= b->bits || room == 0)
                return 0;
        bits = b->words[w] & ~0ull << (*at & 63);
        for (;;) {
                for (; bits; bits &= bits - 1) {
                        ret[n++] = (uint32_t)(w * 64 + (unsigned)__builtin_ctzll(bits));
                        if (n == room) {
                                *at = (uint64_t)ret[n - 1] + 1;
                                return n;
                        }
                }
                if (++w >= words)
                        break;
                bits = b->words[w];
        }
        *at = b->bits;
        return n;
}
/* Next run of set bits at or after `from`, cut at `max` bits (0: no limit). False when there is none. */
bool hb_bitmap_next_run(const struct hb_bitmap *b, uint64_t from, uint64_t max, uint64_t *ret_first,
                        uint64_t *ret_count);
