/* wp: write tracking by asynchronous userfaultfd write-protection and PAGEMAP_SCAN. `present` is built on it.
 * Internal. */
#pragma once
#include "track/backend.h"
#include "track/inject.h"
#include "track/ledger.h"
#include "track/pmscan.h"
#include "track/state.h"

#define HB_WP_VEC      65536u /* runs a scan call can return */
#define HB_WP_RECHECKS 8u

struct hb_wp {
        struct hb_tracker base;
        hb_inject *inject;
        struct hb_state *state;
        struct hb_ledger ledger;
        struct hb_pm_run *look; /* output of scans that only look; those that clear write to state->vec */
        int lock_fd, pagemap, uffd;
        uint64_t fault_ns;
        /* Ranges whose entries `present` dropped: a page that appeared there just before the drop is in no
         * page table and in no book, so the next scan walks them. */
        struct {
                unsigned region;
                uint64_t gfn, pages;
        } recheck[HB_WP_RECHECKS];
        unsigned rechecks;
        bool lost, repeat;
};

int hb_wp_init(struct hb_wp *w, hb_target *t, const struct hb_tracker_options *o, struct hb_err *e);
void hb_wp_fini(struct hb_wp *w);
int hb_wp_scan(hb_tracker *t, struct hb_scan *s, struct hb_err *e);
void hb_wp_commit(hb_tracker *t);
int hb_wp_detach(hb_tracker *t, struct hb_err *e);
int hb_wp_explain(const struct hb_wp *w, int r,
                  struct hb_err *e); /* words for a failed scan; returns the code to give back */

/* wp_scan.c */
/* Moves what a killed predecessor's last scan call had written to the pending pages. */
void hb_wp_recover_vec(struct hb_wp *w);
int hb_wp_scan_pages(struct hb_wp *w, struct hb_sink *sink);
/* Is every region still mapped and registered? 0, -ESRCH, -ESTALE. */
int hb_wp_check_registered(const struct hb_wp *w);
/* PAGEMAP_SCAN that only looks, into w->look: calls found(arg, gfn, pages) for each run of pages of a
 * region's gfn range. */
enum hb_wp_look { HB_WP_LOOK_PRESENT, HB_WP_LOOK_UNMARKED_NONE };
int hb_wp_look(struct hb_wp *w, unsigned region, uint64_t gfn, uint64_t pages, enum hb_wp_look what,
               int (*found)(void *arg, uint64_t gfn, uint64_t pages), void *arg);
