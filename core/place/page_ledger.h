/* page_ledger: the page records of an image with the sums the engine needs kept up to date, so that no input
 * ever counts pages. Internal to the room.
 *
 * A record is changed only between hb_page_ledger_take and hb_page_ledger_put, which take the page out of the
 * sums and put it back as it is then. Sums run over RESIDENT pages. A page is *wanted* when it is absent or
 * stale. Wanted pages are also counted per block of 512 (2 MiB), so that walking them skips what is in order
 * at 2 bytes a block. */
#pragma once
#include "place/engine.h"

#define HB_LEDGER_BLOCK 512u

struct hb_page_ledger {
        struct hb_image_page *pages;
        uint64_t npages, nblocks;
        uint16_t *wanted_in; /* per block */
        uint64_t state[4];   /* by enum hb_page_state */
        uint64_t resident, zero;
        uint64_t hits, stale_hits; /* PREFETCHED and fresh / stale */
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

static inline void hb_page_ledger_add(struct hb_page_ledger *l, uint64_t gfn, int sign) {
        const struct hb_image_page *p = &l->pages[gfn];
        enum hb_page_state s = hb_page_ledger_state_of(p);
        uint64_t d = (uint64_t)(int64_t)sign;

        if (!(p->flags & HB_IP_RESIDENT))
                return;
        l->resident += d;
        l->state[s] += d;
        if (s == HB_PAGE_ABSENT || s == HB_PAGE_STALE)
                l->wanted_in[gfn / HB_LEDGER_BLOCK] = (uint16_t)(l->wanted_in[gfn / HB_LEDGER_BLOCK] + sign);
        if (s == HB_PAGE_FRESH && (p->flags & HB_IP_ZERO))
                l->zero += d;
        if (s == HB_PAGE_FRESH && (p->flags & HB_IP_PREFETCHED))
                l->hits += d;
        if (s == HB_PAGE_STALE && (p->flags & HB_IP_PREFETCHED))
                l->stale_hits += d;
}

static inline struct hb_image_page *hb_page_ledger_take(struct hb_page_ledger *l, uint64_t gfn) {
        hb_page_ledger_add(l, gfn, -1);
        return &l->pages[gfn];
}

static inline void hb_page_ledger_put(struct hb_page_ledger *l, uint64_t gfn) {
        hb_page_ledger_add(l, gfn, 1);
}

static inline uint64_t hb_page_ledger_wanted(const struct hb_page_ledger *l) {
        return l->state[HB_PAGE_ABSENT] + l->state[HB_PAGE_STALE];
}

static inline uint64_t hb_page_ledger_not_fresh(const struct hb_page_ledger *l) {
        return l->resident - l->state[HB_PAGE_FRESH];
}

/* First wanted page at or after `from`; npages: none. */
uint64_t hb_page_ledger_next_wanted(const struct hb_page_ledger *l, uint64_t from);
