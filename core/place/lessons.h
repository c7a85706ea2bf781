/* lessons: samples of a guest's pages, asked about now and judged a horizon later; policy/lesson.h says what
 * for. Internal to the room; asks nobody, decides nothing.
 *
 * A sample has at most HB_LESSON_PAGES pages that hold data, of blocks in which pages were accessed: some
 * accessed within the last horizon (RECENT), some before (RETURNING, if they do), some never (NEW, if they
 * are). Of each there are as many as its share of all those pages, but at least a quarter (a quarter, an
 * eighth) of the sample's room if it has them. Of a guest with many blocks only HB_LESSON_BLOCKS are looked
 * at. Which ones is a matter of the number of lesson and page alone. */
#pragma once
#include "map/history.h"
#include "place/image.h"
#include "policy/lesson.h"

#define HB_LESSON_BLOCKS 512u
#define HB_LESSON_HORIZON                                                                                    \
        30u /* windows at most: the bound of the setting, and as far as a history is exact */

struct hb_lesson {
        uint64_t number;          /* from 1 */
        uint32_t window, horizon; /* windows: the one it was asked in, and how many after it count */
        double asked_s;
        uint32_t n, budget, budget_writes;
        uint32_t gfn[HB_LESSON_PAGES]; /* ascending */
        uint8_t class_of[HB_LESSON_PAGES];
};

struct hb_lessons {
        struct hb_lesson open[HB_LESSONS];
        unsigned first, count;
        uint64_t last; /* number of the newest */
        /* scratch of one sampling */
        uint64_t block[HB_LESSON_BLOCKS];
        uint8_t class_of[HB_LESSON_BLOCKS * HB_BLOCK_PAGES];
        /* columns of one outcome */
        float accessed[HB_LESSON_PAGES], written[HB_LESSON_PAGES], reads[HB_LESSON_PAGES],
                writes[HB_LESSON_PAGES];
};

/* Draws the sample as of `window` (the newest of which all is known). NULL: too many are open, or there is
 * nothing to ask about yet. Good until it ends. */
const struct hb_lesson *hb_lessons_begin(struct hb_lessons *l, const hb_history *h,
                                         const struct hb_image_page *pages, uint32_t window, uint32_t horizon,
                                         double asked_s);
/* The oldest, when all of its horizon is known by `window`: its outcome. It is closed. NULL: none is.
 * -ERANGE in *ret_rc: its horizon is too long ago to tell; it is still open, forget them all. */
const struct hb_lesson *hb_lessons_end(struct hb_lessons *l, const hb_history *h, uint32_t window,
                                       struct hb_policy_outcome *ret, int *ret_rc);
void hb_lessons_forget(struct hb_lessons *l);
