/* accuracy: were the prefetched pages the ones that were then used? Measured on the source, where use can be
 * seen: by summaries and announcements. Internal to the room; pure arithmetic over events, O(1) each.
 *
 * precision: of the copies made in a window of one horizon, the share whose page was accessed within a
 * horizon of the copy. recall:    of the pages first accessed in a window, the share that lay here fresh at
 * that moment. wasted:    of recent transfers, the share overwritten on the source afterwards (or already
 * when they arrived). Windows are counted in epochs; each that closes moves the smoothed value. -1: nothing
 * measured yet. */
#pragma once
#include "policy/policy.h"

#define HB_ACCURACY_WINDOWS 4u

/* The window of an epoch, found once for many pages accessed in it. Good until another window opens. */
struct hb_accuracy_at {
        int window;     /* -1: long judged */
        uint32_t first; /* epoch of the window */
        uint64_t end;
};

struct hb_accuracy {
        uint32_t epochs;  /* length of a window */
        uint32_t current; /* its number */
        bool running;
        struct {
                uint32_t number;
                uint64_t made, used, accessed, held;
        } window[HB_ACCURACY_WINDOWS];
        struct hb_accuracy_at recent; /* of recent_epoch; 0: none */
        uint32_t recent_epoch;
        double transfers, wasted; /* decayed */
        struct hb_policy_accuracy out;
};

void hb_accuracy_init(struct hb_accuracy *a);
/* Epoch `epoch` has been processed; a window is `horizon_epochs` long from the next one on. */
void hb_accuracy_epoch(struct hb_accuracy *a, uint32_t epoch, double horizon_epochs);
void hb_accuracy_copied(struct hb_accuracy *a, uint32_t stamp);
struct hb_accuracy_at hb_accuracy_at(struct hb_accuracy *a, uint32_t epoch);
/* A page was accessed in that window's epoch; `before`: its access known so far. */
static inline void hb_accuracy_accessed_at(struct hb_accuracy *a, const struct hb_accuracy_at *at,
                                           uint32_t before, bool held_fresh) {
        if (at->window < 0 || (before && before >= at->first && before < at->end))
                return;
        a->window[at->window].accessed++;
        a->window[at->window].held += held_fresh;
}
void hb_accuracy_accessed(struct hb_accuracy *a, uint32_t epoch, uint32_t before, bool held_fresh);
/* The first access since a copy stamped `stamp`: call for copies made ahead only. Returns true when within a
 * horizon. */
bool hb_accuracy_used(struct hb_accuracy *a, uint32_t epoch, uint32_t stamp);
void hb_accuracy_wasted(struct hb_accuracy *a);
