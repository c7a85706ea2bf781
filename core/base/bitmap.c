/* bitmap: a plain array of 64-bit words; the kernel gives it zeroed and untouched, so a bitmap over a huge
 * sparse guest costs memory only where bits were set.
 *
 * Invariant: bits at or after `bits` in the last word are clear, so counting, joining and run search never
 * look twice. Cost: one step a word; a run search skips empty and full words whole. */
#include "base/bitmap.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* 256 times the largest guest: a size above it is a mistake, not a wish for 128 GiB of bits. */
#define MOST_BITS (1ull << 40)

static uint64_t word_count(const struct hb_bitmap *b) {
        return (b->bits >> 6) + ((b->bits & 63) != 0);
}

int hb_bitmap_init(struct hb_bitmap *b, uint64_t bits) {
        struct hb_bitmap made = {.bits = bits};
        uint64_t n = word_count(&made);

        made.words = bits > MOST_BITS || hb_fault("bitmap.init") ? NULL : calloc(n ? n : 1, sizeof(uint64_t));
        if (!made.words)
                return -ENOMEM;
        *b = made;
        return 0;
}

void hb_bitmap_fini(struct hb_bitmap *b) {
        if (!b)
                return;
        free(b->words);
        *b = (struct hb_bitmap){0};
}

/* Bits lo..hi-1 of a word, 0 <= lo < hi <= 64. */
static uint64_t mask(unsigned lo, unsigned hi) {
        return (~0ull << lo) & (~0ull >> (64 - hi));
}

static void put_range(struct hb_bitmap *b, uint64_t first, uint64_t count, bool on) {
        uint64_t end;

        if (first >= b->bits || count == 0)
                return;
        end = count > b->bits - first ? b->bits : first + count;
        while (first < end) {
                uint64_t w = first >> 6;
                uint64_t stop = (w + 1) << 6;
                uint64_t m;

                if (stop > end)
                        stop = end;
                m = mask((unsigned)(first & 63), (unsigned)(stop - (w << 6)));
                if (on)
                        b->words[w] |= m;
                else
                        b->words[w] &= ~m;
                first = stop;
        }
}

void hb_bitmap_set_long_range(struct hb_bitmap *b, uint64_t first, uint64_t count) {
        put_range(b, first, count, true);
}

void hb_bitmap_clear_long_range(struct hb_bitmap *b, uint64_t first, uint64_t count) {
        put_range(b, first, count, false);
}

/* A large one is mostly clear, and where nothing was ever set the kernel has given it no memory: what is only
 * read stays that way. Small ones are faster written than looked at. */
#define LARGE_WORDS (1u << 15) /* 256 KiB, 8 GiB of pages */
#define LINE_WORDS  8u

static bool line_clear(const uint64_t *w) {
        return (w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7]) == 0;
}

void hb_bitmap_clear_all(struct hb_bitmap *b) {
        uint64_t n = word_count(b), w = 0;

        for (; n >= LARGE_WORDS && w + LINE_WORDS <= n; w += LINE_WORDS)
                if (!line_clear(&b->words[w]))
                        memset(&b->words[w], 0, LINE_WORDS * sizeof(uint64_t));
        if (b->words)
                memset(b->words + w, 0, (n - w) * sizeof(uint64_t));
}

void hb_bitmap_set_all(struct hb_bitmap *b) {
        put_range(b, 0, b->bits, true);
}

uint64_t hb_bitmap_count(const struct hb_bitmap *b) {
        uint64_t n = 0;

        for (uint64_t w = 0, words = word_count(b); w < words; w++)
                n += (unsigned)__builtin_popcountll(b->words[w]);
        return n;
}

static uint64_t common_words(const struct hb_bitmap *a, const struct hb_bitmap *b) {
        uint64_t na = word_count(a), nb = word_count(b);

        return na < nb ? na : nb;
}

void hb_bitmap_or(struct hb_bitmap *dst, const struct hb_bitmap *src) {
        for (uint64_t w = 0, n = common_words(dst, src); w < n; w++)
                if (src->words[w]) /* else it would take memory for nothing */
                        dst->words[w] |= src->words[w];
}

void hb_bitmap_and_not(struct hb_bitmap *dst, const struct hb_bitmap *src) {
        for (uint64_t w = 0, n = common_words(dst, src); w < n; w++)
                dst->words[w] &= ~src->words[w];
}

void hb_bitmap_copy(struct hb_bitmap *dst, const struct hb_bitmap *src) {
        if (dst != src && dst->words && src->words)
                memcpy(dst->words, src->words, common_words(dst, src) * sizeof(uint64_t));
}

/* First bit at or after `from` whose value is `on`; b->bits when there is none. */
static uint64_t find(const struct hb_bitmap *b, uint64_t from, bool on) {
        uint64_t flip = on ? 0 : ~0ull;
        uint64_t words = word_count(b);
        uint64_t w = from >> 6;
        uint64_t v;

        if (from >= b->bits)
                return b->bits;
        v = (b->words[w] ^ flip) & (~0ull << (from & 63));
        while (v == 0) {
                if (++w == words)
                        return b->bits;
                v = b->words[w] ^ flip;
        }
        from = (w << 6) + (unsigned)__builtin_ctzll(v);
        return from < b->bits ? from : b->bits;
}

/* Like find(clear), but looks no further than `limit`: a short run inside a long one must not cost the long
 * one. */
static uint64_t find_end(const struct hb_bitmap *b, uint64_t from, uint64_t limit) {
        struct hb_bitmap part = {.words = b->words, .bits = limit};

        return find(&part, from, false);
}

bool hb_bitmap_next_run(const struct hb_bitmap *b, uint64_t from, uint64_t max, uint64_t *ret_first,
                        uint64_t *ret_count) {
        uint64_t first = find(b, from, true);
        uint64_t limit = b->bits;

        if (first >= b->bits)
                return false;
        if (max != 0 && max < limit - first)
                limit = first + max;
        *ret_first = first;
        *ret_count = find_end(b, first, limit) - first;
        return true;
}
