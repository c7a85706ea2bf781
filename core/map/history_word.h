/* history_word: the arithmetic of a page's past in 64 bits; map/history.h says its shape. Internal to the
 * room, but for tests.
 *
 * A word is `as of` a window: bits 0..31 are that window and the 31 before it; bits 32..47 the 16 newest
 * spans of 4 (those that begin before the single windows), bits 48..63 the 16 newest spans of 16 before
 * those. A span's bit speaks only of what is older than the finer bits, so every window has one bit, or,
 * beyond reach, none. Pure. */
#pragma once
#include "map/history.h"

#define HB_HISTORY_SINGLES 32u
#define HB_HISTORY_SPANS   16u /* of either length */

/* The bit of a window in a word as of `window`; HB_HISTORY_BITS: beyond reach. seen <= window. */
unsigned hb_history_bit_of(uint32_t seen, uint32_t window);
/* A word as of `from`, as of `to` >= from: what it would be had it been kept as of `to` all along. */
uint64_t hb_history_move(uint64_t word, uint32_t from, uint32_t to);
