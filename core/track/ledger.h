/* ledger: which pages a tracker believes resident, and the books that prove no page became a hole unseen.
 *
 * A punched page (balloon, free-page reporting) leaves no trace in the page tables. But st_blocks counts
 * pages exactly on tmpfs and hugetlbfs: as long as every page that appears is entered here, "blocks = pages
 * entered + what was on top at the last walk" holds, and any hole breaks it. So an epoch without discards
 * costs one fstat a region, not a walk of the file. */
#pragma once
#include "base/bitmap.h"
#include "track/target.h"
#include <stdbool.h>

#define HB_BLOCK_PAGES 512u /* what one page-table page maps */

struct hb_ledger_region {
        uint16_t *in_block; /* resident pages of each block */
        uint64_t nblocks;
        uint64_t resident;
        /* Of the file, so only in its first region: 512-byte blocks beyond the pages entered. Known once two
         * walks in a row, the last with st_blocks standing still, gave the same figure: a hole made behind a
         * walk's back spoils one of them. */
        int64_t surplus, blocks_before;
        bool first_of_file, walked, known;
};

struct hb_ledger {
        const hb_target *t;
        struct hb_bitmap *resident; /* by gfn, not owned (may lie in a state file) */
        struct hb_ledger_region regions[HB_MAX_REGIONS];
        uint64_t swap_outs; /* /proc/vmstat at the last walk, where there is swap */
};

enum hb_balance { HB_BALANCED, HB_SURPLUS, HB_MISSING };

/* `resident` may hold bits already (a predecessor's). hb_ledger_fini takes a zeroed or half-built one. */
int hb_ledger_init(struct hb_ledger *l, const hb_target *t, struct hb_bitmap *resident);
void hb_ledger_fini(struct hb_ledger *l);

/* Enters pages as resident; a run lies in one region. Returns how many were not. */
uint64_t hb_ledger_add(struct hb_ledger *l, unsigned region, uint64_t gfn, uint64_t pages);

/* Do the books agree with the files? SURPLUS: pages appeared that are not entered (there may be holes as
 * well): look at the page tables again. MISSING: only a walk can tell. -errno. */
int hb_ledger_check(struct hb_ledger *l);
/* Compares with the files, page by page. Calls gone() for each run that became a hole and came() for each
 * that appeared unseen, each before the page is struck out or entered, and opens new books. */
struct hb_ledger_events {
        int (*gone)(void *arg, unsigned region, uint64_t gfn, uint64_t pages);
        int (*came)(void *arg, unsigned region, uint64_t gfn, uint64_t pages);
        void *arg;
};
int hb_ledger_walk(struct hb_ledger *l, const struct hb_ledger_events *ev);
/* The same for a part of one region, without new books. */
int hb_ledger_walk_part(struct hb_ledger *l, unsigned region, uint64_t gfn, uint64_t pages,
                        const struct hb_ledger_events *ev);

static inline unsigned hb_ledger_block_pages(const struct hb_ledger *l, unsigned region, uint64_t block) {
        uint64_t left = l->t->regions[region].bytes / HB_PAGE_SIZE - block * HB_BLOCK_PAGES;

        return left < HB_BLOCK_PAGES ? (unsigned)left : HB_BLOCK_PAGES;
}
