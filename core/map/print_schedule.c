/* print_schedule: see the header. A page is in one of four states:
 *
 *   NONE      nobody wants its print
 *   SETTLING  written lately; in the ring's set of its last write's epoch
 *   DUE       settled without a true print; in its rank's set
 *   PRINTED   taken, and not written since
 *
 * and has a count of prints that writes spoiled. The ring has a set for each of the last `settle` epochs:
 * when one falls out at the end, those of its pages that are still SETTLING and were written last in that
 * epoch are due. A page that was written again is in a later set too; its slot says which counts. One thread.
 */
#include "map/print_schedule.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>

enum state { NONE, SETTLING, DUE, PRINTED };

#define SPOILED_MOST 3u /* so many spoiled prints put a page last */
#define LOOK         256u

struct page { /* 2 bytes */
        uint8_t state : 2, spoiled : 2, rank : 2;
        uint8_t slot; /* SETTLING: of the ring */
};

_Static_assert(sizeof(struct page) == 2, "memory a page is stated in the header");

struct hb_print_schedule {
        uint64_t pages;
        struct page *page;
        struct hb_bitmap due[HB_PRINT_RANKS];
        uint64_t cursor[HB_PRINT_RANKS], left[HB_PRINT_RANKS]; /* pages in due[] */
        struct hb_bitmap ring[HB_PRINT_SETTLE_MAX];
        uint32_t settle, slot; /* slot: of the epoch that was told last */
        unsigned (*rank)(void *arg, uint64_t gfn);
        void *arg;
        uint64_t settling, printed, spoiled;
};

int hb_print_schedule_new(uint64_t pages, uint32_t settle, unsigned (*rank)(void *arg, uint64_t gfn),
                          void *arg, hb_print_schedule **ret) {
        hb_print_schedule *s;

        if (pages == 0 || pages > UINT32_MAX || settle == 0 || settle > HB_PRINT_SETTLE_MAX)
                return -EINVAL;
        s = hb_fault("print_schedule.new") ? NULL : calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->pages = pages;
        s->settle = settle;
        s->rank = rank;
        s->arg = arg;
        s->page = hb_fault("print_schedule.pages") ? NULL : calloc(pages, sizeof(*s->page));
        if (!s->page)
                goto fail;
        for (unsigned k = 0; k < HB_PRINT_RANKS; k++)
                if (hb_bitmap_init(&s->due[k], pages) < 0)
                        goto fail;
        for (unsigned k = 0; k < settle; k++)
                if (hb_bitmap_init(&s->ring[k], pages) < 0)
                        goto fail;
        *ret = s;
        return 0;
fail:
        hb_print_schedule_free(s);
        return -ENOMEM;
}

hb_print_schedule *hb_print_schedule_free(hb_print_schedule *s) {
        if (!s)
                return NULL;
        for (unsigned k = 0; k < HB_PRINT_RANKS; k++)
                hb_bitmap_fini(&s->due[k]);
        for (unsigned k = 0; k < HB_PRINT_SETTLE_MAX; k++)
                hb_bitmap_fini(&s->ring[k]);
        free(s->page);
        free(s);
        return NULL;
}

/* ---- from state to state ---- */

static void leave(hb_print_schedule *s, uint64_t gfn) {
        struct page *p = &s->page[gfn];

        if (p->state == DUE) {
                hb_bitmap_clear(&s->due[p->rank], gfn);
                s->left[p->rank]--;
        } else if (p->state == SETTLING) {
                s->settling--;
        } else if (p->state == PRINTED) {
                s->printed--;
        }
        p->state = NONE;
}

static void become_due(hb_print_schedule *s, uint64_t gfn) {
        struct page *p = &s->page[gfn];
        unsigned rank = s->rank ? s->rank(s->arg, gfn) : 0;

        leave(s, gfn);
        rank = (rank < HB_PRINT_RANKS ? rank : HB_PRINT_RANKS) + p->spoiled;
        p->rank = (rank < HB_PRINT_RANKS ? rank : HB_PRINT_RANKS - 1) & 3;
        p->state = DUE;
        hb_bitmap_set(&s->due[p->rank], gfn);
        s->left[p->rank]++;
        if (gfn < s->cursor[p->rank]) /* nothing before the cursor is due */
                s->cursor[p->rank] = gfn;
}

static void was_written(hb_print_schedule *s, uint64_t gfn) {
        struct page *p = &s->page[gfn];

        if (p->state == PRINTED) {
                s->spoiled++;
                p->spoiled = (p->spoiled < SPOILED_MOST ? p->spoiled + 1u : SPOILED_MOST) & 3;
        }
        leave(s, gfn);
        p->state = SETTLING;
        p->slot = (uint8_t)s->slot;
        s->settling++;
}

void hb_print_schedule_add(hb_print_schedule *s, const struct hb_bitmap *pages) {
        uint64_t at = 0;
        uint32_t gfn[LOOK], n;

        while ((n = hb_bitmap_list(pages, &at, gfn, LOOK)) > 0)
                for (uint32_t i = 0; i < n; i++)
                        if (gfn[i] < s->pages && s->page[gfn[i]].state == NONE)
                                become_due(s, gfn[i]);
}

/* The set that falls out is the one whose place this epoch's takes. */
static void settle_oldest(hb_print_schedule *s, const struct hb_bitmap *written) {
        uint64_t at = 0;
        uint32_t gfn[LOOK], n;

        while ((n = hb_bitmap_list(&s->ring[s->slot], &at, gfn, LOOK)) > 0)
                for (uint32_t i = 0; i < n; i++) {
                        const struct page *p = &s->page[gfn[i]];

                        if (p->state == SETTLING && p->slot == s->slot && !hb_bitmap_test(written, gfn[i]))
                                become_due(s, gfn[i]);
                }
}

void hb_print_schedule_epoch(hb_print_schedule *s, const struct hb_bitmap *written) {
        uint64_t at = 0;
        uint32_t gfn[LOOK], n;

        s->slot = (s->slot + 1) % s->settle;
        settle_oldest(s, written);
        hb_bitmap_copy(&s->ring[s->slot], written);
        while ((n = hb_bitmap_list(written, &at, gfn, LOOK)) > 0)
                for (uint32_t i = 0; i < n; i++)
                        was_written(s, gfn[i]);
}

void hb_print_schedule_skip(hb_print_schedule *s, uint64_t gfn, uint64_t pages) {
        for (uint64_t g = gfn; g < s->pages && g - gfn < pages; g++)
                leave(s, g);
}

/* ---- what to print ---- */

static void taken(hb_print_schedule *s, const uint32_t *gfn, uint32_t n) {
        for (uint32_t i = 0; i < n; i++) {
                leave(s, gfn[i]);
                s->page[gfn[i]].state = PRINTED;
        }
        s->printed += n;
}

uint32_t hb_print_schedule_take(hb_print_schedule *s, uint32_t *ret_gfn, uint32_t room) {
        uint32_t n = 0;

        for (unsigned k = 0; k < HB_PRINT_RANKS && n < room; k++) {
                uint32_t more = 1;

                while (s->left[k] > 0 && n < room && more > 0) {
                        more = hb_bitmap_list(&s->due[k], &s->cursor[k], ret_gfn + n, room - n);
                        taken(s, ret_gfn + n, more);
                        n += more;
                }
        }
        return n;
}

void hb_print_schedule_again(hb_print_schedule *s, uint64_t gfn) {
        if (gfn < s->pages && s->page[gfn].state == PRINTED)
                become_due(s, gfn);
}

bool hb_print_schedule_true(const hb_print_schedule *s, uint64_t gfn) {
        return gfn < s->pages && s->page[gfn].state == PRINTED;
}

void hb_print_schedule_stats(const hb_print_schedule *s, struct hb_print_schedule_stats *ret) {
        *ret = (struct hb_print_schedule_stats){
                .settling = s->settling, .printed = s->printed, .spoiled = s->spoiled};
        for (unsigned k = 0; k < HB_PRINT_RANKS; k++)
                ret->due += s->left[k];
}
