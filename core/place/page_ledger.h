/* page_ledger: the page records of an image with the sums the engine needs kept up to date, so that no input
 * ever counts pages. Internal to the room.
 *
 * A record is changed only between hb_page_ledger_take and hb_page_ledger_put, which take the page out of the
 * sums and put it back as it is then. Sums run over RESIDENT pages. A page is *wanted* when it is absent or
 * stale. Wanted pages have a bit each, so that walking them, which every plan does, never looks at a page
 * that is in order. */
#pragma once
#include "place/engine.h"

struct hb_page_ledger {
        struct hb_image_page *pages;
        uint64_t npages;
        struct hb_bitmap wanted;
        uint64_t state[4]; /* by enum hb_page_state */
        uint64_t resident, zero;
        uint64_t hits, stale_hits; /* PREFETCHED and fresh / stale */
        uint64_t known, copying;   /* KNOWN and wanted / on their way */
};

int hb_page_ledger_init(struct hb_page_ledger *l,
                        const struct hb_engine_image *image); /* one pass over all records */
void hb_page_ledger_fini(struct hb_page_ledger *l);
bool hb_page_ledger_sound(const struct hb_page_ledger *l); /* recounts everything: for tests */

static inline enum hb_page_state hb_page_ledger_state_of(const struct hb_image_page *p) {
        return p->flags & HB_IP_FETCHING ? HB_PAGE_FETCHING : hb_coherency_judge(p->c);
}

static inline bool hb_page_ledger_wants(const struct hb_image_page *p) {
        return (p->flags & (HB_IP_RESIDENT | HB_IP_FETCHING)) == HB_IP_RESIDENT &&
               hb_coherency_judge(p->c) != HB_PAGE_FRESH;
}

/* On its way from the source, or from bytes this host has. */
static inline bool hb_page_ledger_fetching(const struct hb_image_page *p) {
        return (p->flags & (HB_IP_FETCHING | HB_IP_KNOWN)) == HB_IP_FETCHING;
}

static inline bool hb_page_ledger_copying(const struct hb_image_page *p) {
        return (p->flags & (HB_IP_FETCHING | HB_IP_KNOWN)) == (HB_IP_FETCHING | HB_IP_KNOWN);
}

/* Wanted, and to be had in the same way as `other`. */
static inline bool hb_page_ledger_wants_as(const struct hb_image_page *p, const struct hb_image_page *other) {
        return hb_page_ledger_wants(p) && !((p->flags ^ other->flags) & HB_IP_KNOWN);
}

static inline void hb_page_ledger_add(struct hb_page_ledger *l, const struct hb_image_page *p, int sign) {
        enum hb_page_state s = hb_page_ledger_state_of(p);
        uint64_t d = (uint64_t)(int64_t)sign, ahead = p->flags & HB_IP_PREFETCHED ? d : 0;

        if (!(p->flags & HB_IP_RESIDENT))
                return;
        l->resident += d;
        l->state[s] += d;
        if (p->flags & HB_IP_KNOWN) {
                l->known += s == HB_PAGE_ABSENT || s == HB_PAGE_STALE ? d : 0;
                l->copying += s == HB_PAGE_FETCHING ? d : 0;
        }
        if (s == HB_PAGE_FRESH) {
                l->hits += ahead;
                if (p->flags & HB_IP_ZERO)
                        l->zero += d;
        } else if (s == HB_PAGE_STALE) {
                l->stale_hits += ahead;
        }
}

static inline struct hb_image_page *hb_page_ledger_take(struct hb_page_ledger *l, uint64_t gfn) {
        hb_page_ledger_add(l, &l->pages[gfn], -1);
        return &l->pages[gfn];
}

static inline void hb_page_ledger_put(struct hb_page_ledger *l, uint64_t gfn) {
        const struct hb_image_page *p = &l->pages[gfn];
        uint64_t bit = 1ull << (gfn & 63), *word = &l->wanted.words[gfn >> 6];

        hb_page_ledger_add(l, p, 1);
        *word = (*word & ~bit) | (hb_page_ledger_wants(p) ? bit : 0);
}

static inline uint64_t hb_page_ledger_wanted(const struct hb_page_ledger *l) {
        return l->state[HB_PAGE_ABSENT] + l->state[HB_PAGE_STALE];
}

static inline uint64_t hb_page_ledger_not_fresh(const struct hb_page_ledger *l) {
        return l->resident - l->state[HB_PAGE_FRESH];
}

/* First wanted page at or after `from`; npages: none. */
static inline uint64_t hb_page_ledger_next_wanted(const struct hb_page_ledger *l, uint64_t from) {
        uint64_t w = from >> 6, words = (l->npages + 63) >> 6, bits;

        if (from >= l->npages)
                return l->npages;
        bits = l->wanted.words[w] & ~0ull << (from & 63);
        while (!bits && ++w < words)
                bits = l->wanted.words[w];
        return bits ? w * 64 + (unsigned)__builtin_ctzll(bits) : l->npages;
}
