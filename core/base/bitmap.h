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
void hb_bitmap_set_range(struct hb_bitmap *b, uint64_t first, uint64_t count);
void hb_bitmap_clear_range(struct hb_bitmap *b, uint64_t first, uint64_t count);
void hb_bitmap_clear_all(struct hb_bitmap *b);
void hb_bitmap_set_all(struct hb_bitmap *b);
uint64_t hb_bitmap_count(const struct hb_bitmap *b);
void hb_bitmap_or(struct hb_bitmap *dst, const struct hb_bitmap *src);      /* same size */
void hb_bitmap_and_not(struct hb_bitmap *dst, const struct hb_bitmap *src); /* same size */
void hb_bitmap_copy(struct hb_bitmap *dst, const struct hb_bitmap *src);    /* same size */
/* Next run of set bits at or after `from`, cut at `max` bits (0: no limit). False when there is none. */
bool hb_bitmap_next_run(const struct hb_bitmap *b, uint64_t from, uint64_t max, uint64_t *ret_first,
                        uint64_t *ret_count);
