/* policy_lead: what the figures of two policies, judged side by side, say is to be done: the shadow is
 * promoted (first on a few guests), the one that came is taken back, the old one may rest, or nothing. Pure:
 * no clock, no allocation, nobody is told.
 *
 * Hysteresis: one must be ahead by the margin, in the mean over the guests, at every look at which there was
 * a new lesson, until some guest alone has had `lessons` of them; a look at which it was not begins the count
 * anew. Lessons from before the count began do not count. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct hb_lead_guest { /* one placement; all zero when it begins */
        struct hb_lead_guest *next;
        /* filled in before each look */
        double active, shadow; /* values of the host's active one and of its shadow, whichever decides here */
        uint64_t lessons;      /* by which the two were judged here */
        bool judged;           /* the figures are known and those of these two, and this guest's count */
        bool unsound;          /* the shadow is in quarantine here */
        /* kept between looks */
        unsigned round, run;
        uint64_t seen, fresh, in_run, in_round;
};

struct hb_lead_rules {
        double margin;    /* 0: nothing is done by figures */
        uint64_t lessons; /* at least 1 */
        bool canary;      /* the shadow decides on a few guests already */
        bool trial;       /* the shadow is what an automatic promotion replaced */
        bool refused;     /* the shadow was taken back once */
        bool divided;     /* a canary is wished for, and there are guests in it and others */
};

struct hb_lead { /* begin with hb_lead_anew */
        unsigned round, run;
        int side;              /* 1: the shadow is ahead, -1: it is behind, 0: neither by the margin */
        uint64_t lessons;      /* in a row on this side, of the guest that had most */
        uint64_t total;        /* since it began anew */
        double active, shadow; /* mean values, as last seen; NAN: none yet */
};

enum hb_lead_says { HB_LEAD_NOTHING, HB_LEAD_CANARY, HB_LEAD_PROMOTE, HB_LEAD_ROLLBACK, HB_LEAD_DROP };

#define HB_LEAD_TRIAL 4u /* times `lessons`: then the one that was replaced may rest */

void hb_lead_anew(struct hb_lead *l); /* somebody changed place, or is another by its params */
/* HB_LEAD_NOTHING also where no guest has had a lesson since the last look. */
enum hb_lead_says hb_lead_look(struct hb_lead *l, const struct hb_lead_rules *r,
                               struct hb_lead_guest *guests);
/* One of the two is in quarantine on some guest: whether what it replaced comes back. `good_previous`: there
 * is one before the active one, and it was not taken back itself. */
bool hb_lead_takes_back(const struct hb_lead_rules *r, bool shadow, bool good_previous);
