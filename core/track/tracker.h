/* tracker: which pages of a target were written, and which accessed, since the last scan.
 *
 * Contract, the same for every backend (tests/contract/track holds them to it):
 *  - a write that completes before scan() is called is reported by that scan or was by an earlier one;
 *  - a write after scan() returned is reported by a later scan (so scan e may report a page written during e,
 * never miss it);
 *  - the first scan reports every resident page (holes are left out);
 *  - a page that was resident and became a hole (balloon, free-page reporting) is reported written by the
 * next scan;
 *  - what a backend cannot see is in its `blind` text, shown to the operator.
 * Not exact (`exact_writes` false): hash. It compares bytes, so a page changed and changed back between two
 * scans goes unreported although a copy read in between is wrong: a hand-over must then compare fingerprints
 * while frozen. Scans of one tracker come from one thread at a time. Page-table backends keep their pending
 * result in `state_path` (a file on tmpfs) until hb_tracker_commit, so that a killed and restarted daemon
 * repeats the lost scan's pages: no gap. */
#pragma once
#include "base/bitmap.h"
#include "track/target.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct hb_tracker hb_tracker;

struct hb_scan {
        struct hb_bitmap written; /* by gfn; the caller inits, scan() adds */
        struct hb_bitmap
                accessed; /* touched (read or written) since the page's last drop; only where `observed` */
        struct hb_bitmap observed; /* pages for which this scan can tell "accessed or not" */
        uint64_t written_pages;    /* pages reported, counted once */
        uint64_t accessed_pages, observed_pages;
        uint64_t scan_ns;  /* our time */
        uint64_t guest_ns; /* estimate of what it cost the guest: stops, and faults to come */
        bool writes_only;  /* in: leave the sampling of accesses out of this scan (the guest stands still, or
                              every ms counts) */
        bool lost;         /* everything was reported because state was lost: not evidence of writes */
        bool whole;        /* set by the caller: a rotating hash tracker looks at everything (final scan) */
};

struct hb_tracker_caps {
        const char *name; /* "wp", "present", "softdirty", "hash" */
        bool exact_writes, reads, survives_restart;
        const char *sees; /* one sentence each, for doctor and status */
        const char *blind;
};

struct hb_tracker_options {
        const char *state_path;    /* NULL: no restart support */
        double guest_budget;       /* `present`: share of guest time it may cost, 0.01 */
        uint64_t epoch_ns;         /* expected time between scans, for the budget */
        uint64_t hash_bytes_per_s; /* `hash`: 0 = whole guest each scan; else rotate (then it is not exact and
                                      says so) */
};

/* Kernel support, by trying on a private mapping of our own. Returns how many names were written; caps by
 * hb_tracker_caps_of. */
int hb_tracker_probe(const char **names, unsigned max);
const struct hb_tracker_caps *hb_tracker_caps_of(const char *name); /* NULL: unknown */

/* backend: a name, or "auto" = present > wp > softdirty > hash by what works here and on this target. The
 * target must outlive the tracker. -EOPNOTSUPP with the reason when the kernel or the target's memory cannot;
 * -EPERM when ptrace or userfaultfd is forbidden (and what to set); -EBUSY when another tracker has it. */
int hb_tracker_open(hb_target *t, const char *backend, const struct hb_tracker_options *o, hb_tracker **ret,
                    struct hb_err *e);
const struct hb_tracker_caps *hb_tracker_caps(const hb_tracker *t);
/* True when open() found a killed predecessor's state and continued it: the first scan is then a delta, not
 * everything. */
bool hb_tracker_resumed(const hb_tracker *t);

int hb_tracker_scan(hb_tracker *t, struct hb_scan *s, struct hb_err *e); /* -ESRCH: the process is gone */
/* The caller has stored the last scan's result durably enough: it will not be reported again after a restart.
 */
void hb_tracker_commit(hb_tracker *t);

/* Leaves the target as it was: unregister, close what was opened in it, remove the state file. */
int hb_tracker_detach(hb_tracker *t, struct hb_err *e); /* frees t, also on failure */
/* Frees our side only; the target keeps tracking (daemon restart). */
hb_tracker *hb_tracker_free(hb_tracker *t);
