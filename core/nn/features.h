/* features: what the network sees of one page at one moment (HB_MODEL_PAGE_IN floats, about -1..1) and of its
 * block's past (HB_MODEL_STEPS times HB_MODEL_BLOCK_IN). Internal to the room, but for tests. A model is
 * trained for one meaning of these numbers: whoever changes one raises HB_FEATURES_VERSION.
 *
 * Plain arithmetic in a fixed order: the same bits on every x86-64. */
#pragma once
#include "map/history.h"
#include "nn/model.h"
#include "nn/past.h"

#define HB_FEATURES_VERSION   1u
#define HB_FEATURES_MARGIN    64u /* pages looked at on either side of a block */
#define HB_FEATURES_VIEW      (HB_BLOCK_PAGES + 2 * HB_FEATURES_MARGIN)
#define HB_FEATURES_LOG_FAR   5.8664681f /* log1p(352) */
#define HB_FEATURES_LOG_BLOCK 6.240276f  /* log1p(512) */
#define HB_FEATURES_BACK      4u         /* of a block's newest returners, how many words are kept */

/* "Horizon" is its length in windows; "back" pages are those that were away for 8 windows and came again in
 * the last 3; a "case" is a past moment at which the page was in the state it is in now, and the rate of such
 * cases the share of them after which it was accessed within the horizon. */
enum hb_feature {
        /* Logarithms. */
        HB_F_AGE, /* windows since the last access */
        HB_F_AGE_WRITE,
        HB_F_AGE_FIRST,
        HB_F_TIMES, /* windows with an access, ever */
        HB_F_TIMES_WRITTEN,
        HB_F_GAP, /* mean absence */
        HB_F_GAP_DEV,
        HB_F_GAPS, /* how many */
        HB_F_GAP_LAST,
        HB_F_RUN,   /* its newest stay */
        HB_F_BELOW, /* pages to the nearest one accessed in the last 2 windows */
        HB_F_ABOVE,
        HB_F_BLOCK_IDLE,  /* windows since any of its block */
        HB_F_BLOCK_NOW,   /* pages of the block in the last 2 windows */
        HB_F_BLOCK_BACK,  /* ... back */
        HB_F_BLOCK_NEW,   /* ... first seen in the last 3 windows */
        HB_F_BLOCK_EVER,  /* ... ever seen */
        HB_F_GUEST_NOW,   /* pages of the guest in the last 3 windows */
        HB_F_GUEST_WROTE, /* ... written */
        HB_F_LOGS,
        /* Shares of the last windows with an access. */
        HB_F_SEEN_2 = HB_F_LOGS,
        HB_F_SEEN_4,
        HB_F_SEEN_8,
        HB_F_SEEN_16,
        HB_F_SEEN_32,
        HB_F_SEEN_96,  /* 32 to 96 windows ago */
        HB_F_SEEN_FAR, /* 96 to 352 */
        HB_F_SEEN_H,   /* at all within the last horizon, the one before, the one before that */
        HB_F_SEEN_2H,
        HB_F_SEEN_3H,
        /* Rates of cases. */
        HB_F_RATE,        /* all moments */
        HB_F_RATE_ABSENT, /* moments at which it was away for 2 windows or more */
        HB_F_RATE_AGE,    /* ... away for as long as it is now */
        HB_F_CASES_AGE,
        HB_F_RATE_LONGER, /* ... away for as long or longer */
        HB_F_CASES_LONGER,
        HB_F_RATE_GUEST, /* moments at which the guest was about as busy as now */
        HB_F_RATE_BLOCK, /* ... its block */
        HB_F_RATE_PHASE, /* the guest as busy, and the page away for as long or longer */
        HB_F_RATE_FAR,   /* as long or longer, over 352 windows, in spans of 16 */
        HB_F_CASES_FAR,
        HB_F_ONE_GAP,  /* was it there in the horizon one period ago, */
        HB_F_TWO_GAPS, /* and two? */
        HB_F_AGE_TO_GAP,
        HB_F_OVERDUE, /* how far into its absences' distribution the horizon reaches, in deviations */
        /* Writes. */
        HB_F_WRITES, /* share of its accesses */
        HB_F_WRITTEN_8,
        HB_F_WRITTEN_32,
        HB_F_WRITTEN_H,
        HB_F_RATE_WRITTEN,
        HB_F_WROTE_LAST, /* the last access was a write */
        /* Neighbours. */
        HB_F_NEXT_2, /* the two beside it, in the last 2 windows */
        HB_F_NEXT_H,
        HB_F_AROUND_2, /* the sixteen around it */
        HB_F_AROUND_H,
        HB_F_AROUND_EVER,
        HB_F_BELOW_4, /* the eight below it, in the last 4 windows */
        HB_F_ABOVE_4,
        HB_F_BLOCK_H,   /* share of the block in the last horizon */
        HB_F_LIKE_BACK, /* the same past as the block's newest returners had */
        HB_F_GUEST_SHARE,
        HB_F_GUEST_CHANGE,
        HB_F_LIFE,  /* times over age */
        HB_F_KNOWN, /* ever seen */
        HB_F_HORIZON,
        HB_FEATURES
};
_Static_assert(HB_FEATURES == HB_MODEL_PAGE_IN, "HB_MODEL_PAGE_IN is how many there are");

/* The moment: what is the same for all pages. */
struct hb_features {
        const hb_history *history;
        uint32_t window;
        unsigned horizon, four_from; /* windows; hb_past_four_from */
        hb_past guest_like;          /* windows in which the guest was about as busy as in the last ones */
        float guest_share, guest_change;
        struct hb_history_counts guest[HB_HISTORY_RING];
        float guest_log[HB_HISTORY_RING]; /* log1p of pages seen, to the busiest window's */

        /* The block at hand. Views: bit i is page first + i. */
        uint64_t block, first, pages; /* first may be "negative": the margin below block 0 */
        struct hb_history_page page[HB_FEATURES_VIEW];
        uint64_t now[HB_FEATURES_VIEW / 64], lately[HB_FEATURES_VIEW / 64];  /* in the last 2, 4 windows */
        uint64_t recent[HB_FEATURES_VIEW / 64], ever[HB_FEATURES_VIEW / 64]; /* in the last horizon, ever */
        hb_past block_like;
        uint64_t back[HB_FEATURES_BACK]; /* words of its newest returners, as of before they returned */
        unsigned nback;
        float block_recent;
        float logs[HB_F_LOGS - HB_F_BLOCK_IDLE]; /* HB_F_BLOCK_IDLE and on, the guest's too */
};

void hb_features_moment(struct hb_features *f, const hb_history *h, uint32_t window, double horizon_s);
/* Loads a block and fills its steps: sequence[t * stride + i], oldest first. */
void hb_features_block(struct hb_features *f, uint64_t block, float *sequence, size_t stride);
/* A page of the block at hand. */
void hb_features_page(const struct hb_features *f, uint64_t gfn, float *restrict out);
