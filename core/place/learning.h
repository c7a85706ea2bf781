/* learning: what the engine keeps so that policies can learn: the history, the epoch under way, the open
 * lessons. Only while somebody wants it; see engine_learn.c. Internal to the room. */
#pragma once
#include "base/bitmap.h"
#include "place/columns.h"
#include "place/lessons.h"

struct hb_learning_room { /* some MiB, and what the history takes: made when it begins, gone when it ends */
        hb_history *history;
        struct hb_lessons lessons;
        struct hb_columns columns;          /* of a lesson's sample */
        struct hb_bitmap accessed, written; /* in the epoch under way; written pages are in both */
        struct hb_policy_run runs[HB_OBSERVED_RUNS];
};

struct hb_learning {
        struct hb_learning_room *room; /* NULL: nobody wants it */
        hb_policies *also;             /* borrowed; informed beside the engine's own */
        bool all_before;               /* the last announcement named all pages there are */
        bool own, others;              /* who wanted it at the last announcement */
        uint64_t others_from;          /* lessons from this number on were asked of them */
        /* the epoch under way, 0: none whose accesses are known */
        uint32_t epoch;
        uint64_t epoch_ns;
        /* windows */
        uint64_t origin_ns;           /* when window HB_LEARNING_FIRST began */
        uint32_t window;              /* the newest epoch's */
        uint32_t lesson_due;          /* the next begins in this one */
        uint32_t known, known_window; /* an epoch asked for lately, and its window */
};

#define HB_LEARNING_FIRST                                                                                    \
        (HB_HISTORY_WINDOWS + 1) /* of the first epoch; what summaries tell may be older                     \
                                  */
