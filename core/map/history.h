/* history: when each page of a guest was accessed, in few bits, as far as its target heard of it. What
 * predictors look back on: ages are not enough to tell a page that returns from one that is left.
 *
 * Time is cut into *windows* of HB_HISTORY_WINDOW_NS, numbered from 1 by the caller's clock. A page's past is
 * a word of 64 bits, newest first: 32 single windows, 16 spans of 4 windows, 16 spans of 16 windows (up to
 * 352 windows in all); a span's bit says that any of its windows was one of access. Spans lie at multiples of
 * their length, so a past does not depend on when it was looked at; the newest of a length holds only those
 * of its windows that are older than the finer bits, so each window has one bit. A word is kept as of the
 * page's last window and moved on only when the page is touched or asked about: cost follows what is touched.
 *
 * Memory: 28 bytes a page, taken for 2 MiB at a time when one of its pages is first touched, and 256 bytes a
 * block for the ring of counts. Deterministic; one thread. */
#pragma once
#include "base/shape.h"
#include <stdbool.h>

#define HB_HISTORY_WINDOW_NS 1000000000ull
#define HB_HISTORY_WINDOWS   352u /* how far a word reaches at most */
#define HB_HISTORY_BITS      64u
#define HB_HISTORY_RING      64u /* windows of counts kept for a block and for the guest */
#define HB_BLOCK_PAGES       512u
#define HB_BLOCK_SHIFT       9u

typedef struct hb_history hb_history;

struct hb_history_page {
        uint64_t seen, written;        /* as of the window asked about: bit 0 is that window itself */
        uint16_t times, times_written; /* windows with an access, with a write; saturating */
        uint32_t first, last;          /* windows of the first and of the newest access; 0: never */
};

struct hb_history_counts { /* distinct pages of a block (or of the guest) in one window */
        uint32_t seen, written;
};

int hb_history_new(uint64_t pages, hb_history **ret);
hb_history *hb_history_free(hb_history *h);
/* Page accessed (written) in that window; older windows than its last one are right too, and again the same
 * changes nothing. (Counts of times: exact for windows less than 32 before the page's last one; of older ones
 * at most one a span is counted.) -ENOMEM: the page is not remembered this time, nothing else is lost.
 * -EINVAL: no page of the guest, or window 0. */
int hb_history_note(hb_history *h, uint64_t gfn, uint32_t window, bool written);
/* The same for all pages of a set (the guest's size): faster than one by one. Pages there is no memory for
 * are left out. */
struct hb_bitmap;
void hb_history_note_all(hb_history *h, const struct hb_bitmap *pages, uint32_t window, bool written);
/* As of `window` (not before any window noted so far). Zeros for a page never seen. */
void hb_history_page(const hb_history *h, uint64_t gfn, uint32_t window, struct hb_history_page *ret);
/* Counts of the last n <= HB_HISTORY_RING windows up to `window`, newest first. */
void hb_history_block(const hb_history *h, uint64_t block, uint32_t window, unsigned n,
                      struct hb_history_counts *ret);
void hb_history_guest(const hb_history *h, uint32_t window, unsigned n, struct hb_history_counts *ret);
bool hb_history_block_known(const hb_history *h, uint64_t block); /* any page of it was ever seen */
uint64_t hb_history_pages(const hb_history *h);                   /* of the guest */
/* Any access in windows (window - back, window], by the word given as of `window`. Exact for back <= 32. */
static inline bool hb_history_within(uint64_t seen, uint32_t back) {
        return back >= 32 ? (uint32_t)seen != 0 : (seen & ((1ull << back) - 1)) != 0;
}
/* The windows bit i stands for, in windows before the one asked about: [*ret_from, *ret_to). Spans move with
 * the window's phase, so it is needed. */
void hb_history_bit_age(unsigned bit, uint32_t window, uint32_t *ret_from, uint32_t *ret_to);
