/* print_schedule: which pages of a guest are to be printed next (map/fingerprint.h), so that a budget of
 * pages an epoch goes where it pays: only pages whose print is missing or no longer true, only when they have
 * settled (no write for `settle` epochs), those of most use first.
 *
 * Of use is what the caller's `rank` says (0 best), made worse by each print of the page that a write spoiled
 * before: a page that is written every minute is printed when nothing else is due. Pure: no clock, no hash.
 * Memory: (20 + settle) / 8 bytes a page. Cost: what was written, and one look for each 64 pages an epoch. */
#pragma once
#include "base/bitmap.h"

#define HB_PRINT_RANKS      4u
#define HB_PRINT_SETTLE_MAX 16u

typedef struct hb_print_schedule hb_print_schedule;

struct hb_print_schedule_stats {
        uint64_t due, settling, printed; /* pages now */
        uint64_t spoiled;                /* prints overwritten so far */
};

/* settle: 1 .. HB_PRINT_SETTLE_MAX epochs without a write. rank: called when a page becomes due, 0 ..
 * HB_PRINT_RANKS - 1, more counts as the last; NULL: all alike. -EINVAL, -ENOMEM. */
int hb_print_schedule_new(uint64_t pages, uint32_t settle, unsigned (*rank)(void *arg, uint64_t gfn),
                          void *arg, hb_print_schedule **ret);
hb_print_schedule *hb_print_schedule_free(hb_print_schedule *s);
/* Pages (the guest's size) that hold data and are not known to have been written lately: due at once. Those
 * already known to the schedule stay as they are. */
void hb_print_schedule_add(hb_print_schedule *s, const struct hb_bitmap *pages);
/* The next epoch's W (the guest's size): its pages have no true print any more and settle from here on; what
 * has settled becomes due. Call once an epoch, in order. */
void hb_print_schedule_epoch(hb_print_schedule *s, const struct hb_bitmap *written);
/* Nobody needs a print of these until they are written again: holes, pages that were sent meanwhile. */
void hb_print_schedule_skip(hb_print_schedule *s, uint64_t gfn, uint64_t pages);
/* Takes up to `room` due pages, best first, ascending within a rank: they count as printed from now on.
 * Returns how many. */
uint32_t hb_print_schedule_take(hb_print_schedule *s, uint32_t *ret_gfn, uint32_t room);
/* The print of a page that was taken came to nothing, or was lost: due again, unless it was written since. */
void hb_print_schedule_again(hb_print_schedule *s, uint64_t gfn);
/* Taken, and not written since in any epoch told: its print is true as of the last one. */
bool hb_print_schedule_true(const hb_print_schedule *s, uint64_t gfn);
void hb_print_schedule_stats(const hb_print_schedule *s, struct hb_print_schedule_stats *ret);
