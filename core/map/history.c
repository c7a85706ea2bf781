/* history: blocks of 512 pages, taken when first touched, each with its pages' records and a ring of counts;
 * one more ring for the guest.
 *
 * Invariant: a record's words are as of its `last`; a ring's slot i belongs to the one window w with
 * w % HB_HISTORY_RING == i among the HB_HISTORY_RING up to its newest, and counts pages, not notes.
 * A note from further back than single windows go, in a span that is marked already, may have been there
 * before or not: it is taken for one that was, and counts nothing again.
 * Cost: noting touches one record and two slots; nothing ever walks the guest. One thread. */
#include "map/history.h"
#include "base/bitmap.h"
#include "base/fault.h"
#include "map/history_word.h"
#include <errno.h>
#include <stdlib.h>

struct record { /* 28 bytes: words in halves, or they would be 32 */
        uint32_t seen[2], written[2];
        uint32_t first, last;
        uint16_t times, times_written;
};

struct slot {
        uint16_t seen, written;
};

struct block {
        struct record pages[HB_BLOCK_PAGES];
        struct slot ring[HB_HISTORY_RING];
        uint32_t newest; /* window; 0: none yet */
};

struct hb_history {
        uint64_t pages, nblocks;
        struct block **blocks;
        struct hb_history_counts ring[HB_HISTORY_RING];
        uint32_t newest;
};

int hb_history_new(uint64_t pages, hb_history **ret) {
        hb_history *h = hb_fault("history.new") ? NULL : calloc(1, sizeof(*h));

        if (!h)
                return -ENOMEM;
        h->pages = pages;
        h->nblocks = (pages + HB_BLOCK_PAGES - 1) >> HB_BLOCK_SHIFT;
        h->blocks = calloc(h->nblocks ? h->nblocks : 1, sizeof(struct block *));
        if (!h->blocks) {
                free(h);
                return -ENOMEM;
        }
        *ret = h;
        return 0;
}

hb_history *hb_history_free(hb_history *h) {
        if (!h)
                return NULL;
        for (uint64_t b = 0; b < h->nblocks; b++)
                free(h->blocks[b]);
        free(h->blocks);
        free(h);
        return NULL;
}

static uint64_t get(const uint32_t half[2]) {
        return half[0] | (uint64_t)half[1] << 32;
}

static void put(uint32_t half[2], uint64_t word) {
        half[0] = (uint32_t)word;
        half[1] = (uint32_t)(word >> 32);
}

/* ---- rings ---- */

/* Windows between the newest so far and this one, this one included, have counted nothing yet: calls `clear`
 * for their slots. Returns whether the window is still in the ring. */
static bool turn(uint32_t *newest, uint32_t window, void (*clear)(void *ring, unsigned slot), void *ring) {
        if (window > *newest) {
                uint32_t from = window - *newest >= HB_HISTORY_RING ? window - HB_HISTORY_RING : *newest;

                for (uint32_t w = from + 1; w <= window && w != 0; w++)
                        clear(ring, w % HB_HISTORY_RING);
                *newest = window;
        }
        return *newest - window < HB_HISTORY_RING;
}

static void clear_block(void *ring, unsigned slot) {
        ((struct slot *)ring)[slot] = (struct slot){0};
}

static void clear_guest(void *ring, unsigned slot) {
        ((struct hb_history_counts *)ring)[slot] = (struct hb_history_counts){0};
}

static void count(hb_history *h, struct block *b, uint32_t window, bool seen, bool written) {
        if (turn(&b->newest, window, clear_block, b->ring)) {
                b->ring[window % HB_HISTORY_RING].seen += seen;
                b->ring[window % HB_HISTORY_RING].written += written;
        }
        if (turn(&h->newest, window, clear_guest, h->ring)) {
                h->ring[window % HB_HISTORY_RING].seen += seen;
                h->ring[window % HB_HISTORY_RING].written += written;
        }
}

static bool in_ring(uint32_t newest, uint32_t window, unsigned back) {
        return window > back && window - back <= newest && newest - (window - back) < HB_HISTORY_RING;
}

void hb_history_guest(const hb_history *h, uint32_t window, unsigned n, struct hb_history_counts *ret) {
        for (unsigned i = 0; i < n; i++)
                ret[i] = in_ring(h->newest, window, i) ? h->ring[(window - i) % HB_HISTORY_RING]
                                                       : (struct hb_history_counts){0};
}

void hb_history_block(const hb_history *h, uint64_t block, uint32_t window, unsigned n,
                      struct hb_history_counts *ret) {
        const struct block *b = block < h->nblocks ? h->blocks[block] : NULL;

        for (unsigned i = 0; i < n; i++) {
                ret[i] = (struct hb_history_counts){0};
                if (b && in_ring(b->newest, window, i)) {
                        const struct slot *s = &b->ring[(window - i) % HB_HISTORY_RING];

                        ret[i] = (struct hb_history_counts){.seen = s->seen, .written = s->written};
                }
        }
}

/* ---- pages ---- */

/* Pages that are written whenever they are accessed are most of those that are written. */
static void moved(const struct record *r, uint32_t window, uint64_t *ret_seen, uint64_t *ret_written) {
        uint64_t seen = get(r->seen), written = get(r->written);

        *ret_seen = hb_history_move(seen, r->last, window);
        *ret_written = written == seen ? *ret_seen : hb_history_move(written, r->last, window);
}

static void move_to(struct record *r, uint32_t window) {
        uint64_t seen, written;

        moved(r, window, &seen, &written);
        put(r->seen, seen);
        put(r->written, written);
        r->last = window;
}

/* True: it was not there before. */
static bool mark(uint32_t half[2], unsigned bit) {
        bool fresh = !(half[bit / 32] >> bit % 32 & 1);

        half[bit / 32] |= 1u << bit % 32;
        return fresh;
}

static void up(uint16_t *times, bool by) {
        if (by && *times != UINT16_MAX)
                ++*times;
}

static struct block *block_for(hb_history *h, uint64_t gfn) {
        struct block **at = &h->blocks[gfn >> HB_BLOCK_SHIFT];

        if (!*at && !hb_fault("history.block"))
                *at = calloc(1, sizeof(**at));
        return *at;
}

int hb_history_note(hb_history *h, uint64_t gfn, uint32_t window, bool written) {
        struct block *b;
        struct record *r;
        bool seen = false, wrote = false, earliest;
        unsigned bit;

        if (gfn >= h->pages || window == 0)
                return -EINVAL;
        b = block_for(h, gfn);
        if (!b)
                return -ENOMEM;
        r = &b->pages[gfn % HB_BLOCK_PAGES];
        earliest = r->first == 0 || window < r->first;
        if (window > r->last)
                move_to(r, window);
        bit = hb_history_bit_of(window, r->last);
        if (bit < HB_HISTORY_BITS) {
                seen = mark(r->seen, bit);
                wrote = written && mark(r->written, bit);
        }
        seen = seen || earliest; /* before all that is known: surely not there yet */
        wrote = wrote || (written && earliest);
        if (earliest)
                r->first = window;
        up(&r->times, seen);
        up(&r->times_written, wrote);
        if (seen || wrote)
                count(h, b, window, seen, wrote);
        return 0;
}

#define LOOK  256u /* pages listed at once, */
#define AHEAD 8u   /* of which this many are on their way from memory */

void hb_history_note_all(hb_history *h, const struct hb_bitmap *pages, uint32_t window, bool written) {
        uint32_t gfn[LOOK], n;
        uint64_t at = 0;

        while ((n = hb_bitmap_list(pages, &at, gfn, LOOK)) > 0)
                for (uint32_t i = 0; i < n; i++) {
                        uint64_t next = gfn[i + AHEAD < n ? i + AHEAD : i];
                        const struct block *b = next < h->pages ? h->blocks[next >> HB_BLOCK_SHIFT] : NULL;

                        if (b)
                                __builtin_prefetch(&b->pages[next % HB_BLOCK_PAGES], 1);
                        hb_history_note(h, gfn[i], window, written);
                }
}

void hb_history_page(const hb_history *h, uint64_t gfn, uint32_t window, struct hb_history_page *ret) {
        const struct block *b = gfn < h->pages ? h->blocks[gfn >> HB_BLOCK_SHIFT] : NULL;
        const struct record *r = b ? &b->pages[gfn % HB_BLOCK_PAGES] : NULL;

        *ret = (struct hb_history_page){0};
        if (!r || r->last == 0)
                return;
        *ret = (struct hb_history_page){
                .times = r->times, .times_written = r->times_written, .first = r->first, .last = r->last};
        moved(r, window > r->last ? window : r->last, &ret->seen, &ret->written);
}

bool hb_history_block_known(const hb_history *h, uint64_t block) {
        return block < h->nblocks && h->blocks[block] != NULL;
}

uint64_t hb_history_pages(const hb_history *h) {
        return h->pages;
}
