/* spill: the spilled part of one image. Internal to the room; what callers see is image_spill.h.
 *
 * spill.c       made, unmade, hooks of the image, promotion's end
 * spill_choose.c which pages go out and come back
 * spill_settle.c what became of a run
 * spill_io.h, spill_uring.c, spill_threads.c  the mover
 * spill_file.h  the files */
#pragma once
#include "base/pool.h"
#include "place/image_priv.h"
#include "place/image_spill.h"
#include "place/spill_file.h"
#include "place/spill_io.h"

#define HB_SPILL_CLASSES 16u
#define HB_SPILL_GROUPS  4u /* of classes, by which promotion goes */

struct hb_spill_counts { /* pages by class, of one walk over the image */
        uint64_t memory[HB_SPILL_CLASSES], disk[HB_SPILL_CLASSES];
};

struct hb_spill {
        hb_image *i;
        struct hb_image_spill_options o;
        struct hb_spill_file file;
        hb_spill_io *io; /* NULL: only attached, not enabled */
        hb_pool *runs;
        uint64_t pages;
        struct hb_bitmap on_disk; /* SPILLED and fresh */
        struct hb_bitmap clean;   /* in memory, and the same bytes under the same stamp on the disk */
        struct hb_bitmap slots;   /* the file may hold a block there */
        struct hb_bitmap hollow;  /* stale, and its memory given back */
        struct hb_bitmap busy;    /* on its way, either direction */
        struct hb_bitmap trimmed; /* its block is being given back: nothing may be written there */
        uint64_t spilled, used_slots, cleans;
        uint64_t leaving, coming; /* pages under way */
        /* choosing */
        uint64_t cursor, walk_left, walked_ns, now_ns;
        struct hb_spill_counts last, now; /* of the last whole walk, of the one under way */
        unsigned cut;                     /* classes up to it go out */
        bool out;                         /* above the high mark, and not yet below the low one */
        bool promoting, full, trimming, freed;
        uint64_t promote_at, trim_at;
        unsigned promote_group; /* HB_SPILL_GROUPS: whatever is left */
        uint64_t pause_until_ns;
        struct hb_image_spill_stats s;
};

/* ---- spill.c ---- */
static inline bool hb_spill_fresh(const struct hb_image_page *p) {
        return !(p->flags & HB_IP_FETCHING) && hb_coherency_judge(p->c) == HB_PAGE_FRESH;
}
/* How warm a page is, 0 (coldest) to 15: by octaves of its rates as of `epoch`, writes counted double, since
 * a page that is written soon would only be fetched again. */
unsigned hb_spill_class(const struct hb_image_page *p, uint32_t epoch);
void hb_spill_set(struct hb_bitmap *b, uint64_t gfn, bool on, uint64_t *count);
/* The page is in the image's memory, or of no use: its flag goes, last of all. */
void hb_spill_unmark(struct hb_spill *s, uint64_t gfn);
void hb_spill_lose(struct hb_spill *s, uint64_t gfn, uint32_t pages);
void hb_spill_free(struct hb_spill *s);
/* An image that was resumed: what its records say of a spill file, made true. */
int hb_spill_attach(hb_image *i);
/* Just before bytes of these pages may change. -EAGAIN: some are on their way. */
int hb_spill_overwrite(struct hb_spill *s, uint64_t gfn, uint64_t pages);
int hb_spill_read(struct hb_spill *s, uint64_t gfn, uint8_t *out);
/* ---- spill_settle.c ---- */
void hb_spill_settle(struct hb_spill *s, struct hb_spill_run *list);
/* ---- spill_choose.c ---- */
void hb_spill_choose(struct hb_spill *s);
void hb_spill_go(struct hb_spill *s, enum hb_spill_what what, uint64_t gfn, uint32_t pages);
uint64_t hb_spill_high(const struct hb_spill *s); /* bytes: spilling begins here */
uint64_t hb_spill_low(const struct hb_spill *s);  /* ... and ends here */
