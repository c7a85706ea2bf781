/* column: the loops a reader's speed is made of.
 *
 * Invariant of reading: c->at <= c->bits_end and c->tokens <= c->tokens_end, so every load of eight bytes
 * lies within the slack. Numbers are taken in groups of eight: one whose tokens are all small needs no bits
 * and is copied; else each number is a table look-up, a load and a shift, without a branch. Whether a group's
 * bits may pass the end is asked once a group; near the end, numbers are taken one by one. */
#include "trace/column.h"
#include <string.h>

#define SMALL     16u
#define GROUP     8u
#define MOST_BITS 29u /* a token of a 32-bit number leaves out at most this many */

static void put_bits(struct hb_column *c, uint8_t **to, uint64_t v, unsigned n) {
        c->pending |= v << c->npending;
        c->npending += n;
        while (c->npending >= 8) {
                *(*to)++ = (uint8_t)c->pending;
                c->pending >>= 8;
                c->npending -= 8;
        }
}

void hb_column_put(struct hb_column *c, const uint32_t *v, size_t stride, size_t n) {
        uint8_t *token = hb_buf_space(&c->tokens, n);
        uint8_t *bits = hb_buf_space(&c->bits, n * 4 + 1), *to = bits;

        if (!token || !bits) {
                c->tokens.failed = c->bits.failed = true;
                return;
        }
        for (size_t i = 0; i < n; i++, v += stride) {
                unsigned high;

                if (*v < SMALL) {
                        token[i] = (uint8_t)*v;
                        continue;
                }
                high = 31 - (unsigned)__builtin_clz(*v);
                token[i] = (uint8_t)(4 * high + (*v >> (high - 2) & 3));
                put_bits(c, &to, *v & ((1u << (high - 2)) - 1), high - 2);
        }
        c->bits.len -= n * 4 + 1 - (size_t)(to - bits);
}

struct hb_column_mark hb_column_here(const struct hb_column *c) {
        return (struct hb_column_mark){c->tokens.len, c->bits.len, c->pending, c->npending};
}

void hb_column_back(struct hb_column *c, const struct hb_column_mark *m) {
        c->tokens.len = m->tokens;
        c->bits.len = m->bits;
        c->pending = m->pending;
        c->npending = m->npending;
}

void hb_column_end(struct hb_column *c) {
        if (c->npending > 0)
                hb_buf_u8(&c->bits, (uint8_t)c->pending);
        c->pending = 0;
        c->npending = 0;
}

void hb_column_reset(struct hb_column *c) {
        hb_buf_reset(&c->tokens);
        hb_buf_reset(&c->bits);
        c->pending = 0;
        c->npending = 0;
}

void hb_column_free(struct hb_column *c) {
        hb_buf_free(&c->tokens);
        hb_buf_free(&c->bits);
        hb_column_reset(c);
}

void hb_column_open(struct hb_column_in *c, const uint8_t *tokens, size_t ntokens, const uint8_t *bits,
                    size_t nbits_bytes) {
        *c = (struct hb_column_in){tokens, tokens + ntokens, bits, 0, (uint64_t)nbits_bytes * 8};
}

#define ROW(t)                                                                                               \
        { (t) < SMALL ? (t) : (4 | ((t)&3)) << (((t) / 4 - 2) & 31), (t) < SMALL ? 0 : ((t) / 4 - 2) & 31 }
#define ROW4(t) ROW(t), ROW((t) + 1), ROW((t) + 2), ROW((t) + 3)
#define ROWS(t) ROW4(t), ROW4((t) + 4), ROW4((t) + 8), ROW4((t) + 12)

/* By token: what the number is at least, and how many bits more it has. */
static const struct {
        uint32_t base, nbits;
} rows[HB_COLUMN_TOKENS] = {ROWS(0u),  ROWS(16u), ROWS(32u), ROWS(48u),
                            ROWS(64u), ROWS(80u), ROWS(96u), ROWS(112u)};

static inline uint64_t load64(const uint8_t *p) {
        uint64_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

/* One number; its bits begin at *at. */
static inline uint32_t number(const struct hb_column_in *c, uint8_t token, uint64_t *at) {
        uint64_t bits = load64(c->bits + (*at >> 3)) >> (*at & 7);

        *at += rows[token].nbits;
        return rows[token].base + (uint32_t)(bits & ((1ull << rows[token].nbits) - 1));
}

/* False: there are no eight left, or their bits may not be there, or one is no token: then one by one. */
static inline bool take_group(struct hb_column_in *c, size_t n, uint32_t v[GROUP]) {
        uint64_t tokens, at = c->at;

        if (n < GROUP)
                return false;
        tokens = load64(c->tokens);
        if (!(tokens & 0xF0F0F0F0F0F0F0F0ull)) {
                for (unsigned i = 0; i < GROUP; i++)
                        v[i] = c->tokens[i];
        } else {
                if ((tokens & 0x8080808080808080ull) || c->bits_end - at < GROUP * MOST_BITS)
                        return false;
                for (unsigned i = 0; i < GROUP; i++)
                        v[i] = number(c, c->tokens[i], &at);
                c->at = at;
        }
        c->tokens += GROUP;
        return true;
}

static bool take_one(struct hb_column_in *c, uint32_t *v) {
        uint8_t token = *c->tokens;

        if (token >= HB_COLUMN_TOKENS || rows[token].nbits > c->bits_end - c->at)
                return false;
        c->tokens++;
        *v = number(c, token, &c->at);
        return true;
}

bool hb_column_get(struct hb_column_in *c, uint32_t *out, size_t stride, size_t n) {
        uint32_t v[GROUP];

        if (n > (size_t)(c->tokens_end - c->tokens))
                return false;
        while (n > 0) {
                if (take_group(c, n, v)) {
                        for (unsigned i = 0; i < GROUP; i++, out += stride)
                                *out = v[i];
                        n -= GROUP;
                        continue;
                }
                if (!take_one(c, out))
                        return false;
                out += stride;
                n--;
        }
        return true;
}

bool hb_column_get_rising(struct hb_column_in *c, uint32_t *out, size_t stride, size_t n, uint64_t *last,
                          uint64_t limit) {
        uint64_t sum = *last;
        uint32_t v[GROUP];

        if (n == 0 || n > (size_t)(c->tokens_end - c->tokens))
                return n == 0;
        while (n > 0) {
                if (take_group(c, n, v)) {
                        for (unsigned i = 0; i < GROUP; i++, out += stride)
                                *out = (uint32_t)(sum += v[i] + 1ull);
                        n -= GROUP;
                        continue;
                }
                if (!take_one(c, v))
                        return false;
                *out = (uint32_t)(sum += v[0] + 1ull);
                out += stride;
                n--;
        }
        *last = sum;
        return sum < limit; /* it only rises: the last is the largest */
}

bool hb_column_done(const struct hb_column_in *c) {
        uint64_t left = c->bits_end - c->at;

        return c->tokens == c->tokens_end && left < 8 &&
               (left == 0 || c->bits[c->at >> 3] >> (c->at & 7) == 0);
}
