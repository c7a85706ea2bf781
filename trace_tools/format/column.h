/* column: a sequence of 32-bit numbers as a byte each (the *token*: small numbers whole, of large ones the
 * length and the two bits below the first) and, apart, the bits the token leaves out. Tokens repeat, so zstd
 * packs them to their entropy; the bits do not, so it lets them be. docs/TRACE_FORMAT.md "Columns". */
#pragma once
#include "base/bytes.h"
#include <stdbool.h>

#define HB_COLUMN_TOKENS 128u /* 0..15: the number; 4 n + m: n >= 4 its highest bit, m the two below */

/* ---- writing ---- */
struct hb_column {
        struct hb_buf tokens, bits;
        uint64_t pending; /* bits that do not fill a byte yet, the first lowest */
        unsigned npending;
};

struct hb_column_mark { /* a place to fall back to */
        size_t tokens, bits;
        uint64_t pending;
        unsigned npending;
};

/* The n numbers at v, v + stride, ... (stride in numbers). Out of memory: both buffers are failed. */
void hb_column_put(struct hb_column *c, const uint32_t *v, size_t stride, size_t n);
struct hb_column_mark hb_column_here(const struct hb_column *c);
void hb_column_back(struct hb_column *c, const struct hb_column_mark *m);
void hb_column_end(struct hb_column *c); /* the last bits become a byte */
void hb_column_reset(struct hb_column *c);
void hb_column_free(struct hb_column *c);

/* ---- reading ---- */
#define HB_COLUMN_SLACK 8u /* bytes that must be readable behind `bits`, whatever they hold */

struct hb_column_in {
        const uint8_t *tokens, *tokens_end, *bits;
        uint64_t at, bits_end; /* in bits */
};

void hb_column_open(struct hb_column_in *c, const uint8_t *tokens, size_t ntokens, const uint8_t *bits,
                    size_t nbits_bytes);
/* The next n numbers to out, out + stride, ... False: the column has not that many, or a byte that is no
 * token. */
bool hb_column_get(struct hb_column_in *c, uint32_t *out, size_t stride, size_t n);
/* The same, each number + 1 added to the one before: gaps become page numbers. *last: the number before the
 * first (all ones: none), then the last one. False also when it passes `limit`. */
bool hb_column_get_rising(struct hb_column_in *c, uint32_t *out, size_t stride, size_t n, uint64_t *last,
                          uint64_t limit);
/* Everything was read, and the bits that fill the last byte are 0. */
bool hb_column_done(const struct hb_column_in *c);
