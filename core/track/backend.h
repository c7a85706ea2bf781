/* backend: what every tracker backend is made of, and the small things they share. Internal to core/track. */
#pragma once
#include "track/tracker.h"

struct hb_track_ops {
        /* Adds to *s; blocks for the length of the scan. After a failure the next scan reports what this one
         * saw. */
        int (*scan)(hb_tracker *t, struct hb_scan *s, struct hb_err *e);
        void (*commit)(hb_tracker *t);
        int (*detach)(hb_tracker *t, struct hb_err *e); /* the target as it was; `free` follows */
        void (*free)(hb_tracker *t);                    /* our side only */
};

struct hb_tracker { /* first member of every backend's own struct */
        const struct hb_track_ops *ops;
        const struct hb_tracker_caps *caps;
        hb_target *target;
        bool resumed;
};

extern const struct hb_tracker_caps hb_caps_wp, hb_caps_present, hb_caps_softdirty, hb_caps_hash,
        hb_caps_hash_rotating;

typedef int hb_track_open_fn(hb_target *t, const struct hb_tracker_options *o, hb_tracker **ret,
                             struct hb_err *e);
hb_track_open_fn hb_wp_open, hb_present_open, hb_softdirty_open, hb_hash_open;

bool hb_softdirty_works(void); /* tried on memory of our own */

/* Where a scan's findings go: first to `pending` (which outlives us), then to the caller. */
struct hb_sink {
        struct hb_scan *scan;
        struct hb_bitmap *pending;
};
void hb_sink_written(struct hb_sink *k, uint64_t gfn, uint64_t pages);
/* Everything pending, to the caller: after a restart or a failed scan. */
void hb_sink_repeat(struct hb_sink *k);
/* Commit: forget what is pending. Reads all words, writes only where something was. */
void hb_pending_clear(struct hb_bitmap *pending);
/* Sets bits, returns how many were not set before. */
uint64_t hb_bits_add(struct hb_bitmap *b, uint64_t first, uint64_t count);
uint64_t hb_bits_count(const struct hb_bitmap *b, uint64_t first, uint64_t count);
/* Moves the set bits of a range from one bitmap to another; returns how many. */
uint64_t hb_bits_move(struct hb_bitmap *from, struct hb_bitmap *to, uint64_t first, uint64_t count);

/* One page-table tracker a target, whoever runs it: a lock far behind the end of the first region's file,
 * which the kernel drops when its holder dies. Returns a descriptor to close, or -EBUSY. */
int hb_track_lock(const hb_target *t, struct hb_err *e);
bool hb_target_alive(const hb_target *t);
int hb_target_gone(const hb_target *t, struct hb_err *e); /* -ESRCH, with words */

/* ns the kernel takes for a first write to a protected page, or the first touch of a dropped one: measured on
 * memory of our own. A guest under KVM pays about three times that, since its nested page table is filled as
 * well. */
uint64_t hb_fault_cost_ns(const hb_target *t);
