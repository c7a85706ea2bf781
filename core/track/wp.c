/* wp: opening, continuing and leaving a target whose writes are tracked by write-protection (scanning:
 * wp_scan.c).
 *
 * Opening either makes a userfaultfd inside the target, or continues a killed predecessor's: the state file
 * gives its number; without a usable state file a leftover one is known by its features, and everything is
 * then reported once, marked `lost`. Invariant: from the moment the registration exists, some open descriptor
 * of it lies in the target, so our death changes nothing there. Cost at open: one or two injected calls (the
 * target stands still 0.1-1 ms) and one residency walk. */
#include "track/wp.h"
#include "base/clock.h"
#include "base/fault.h"
#include "track/target_file.h"
#include "track/uffd.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int check_memory(const hb_target *t, struct hb_err *e) {
        for (uint32_t i = 0; i < t->shape.nregions; i++) {
                const struct hb_target_region *r = &t->regions[i];

                if (r->backing != HB_BACKING_HUGETLB && !hb_target_is_shmem(r->fd))
                        return hb_err_set(e, -EOPNOTSUPP, r->name,
                                          "put the guest's memory on a memfd, tmpfs or hugetlbfs, or use the "
                                          "hash tracker",
                                          "writes to a file on a disk's file system cannot be write-protect "
                                          "tracked (%s)",
                                          r->path);
        }
        return 0;
}

static int open_pagemap(struct hb_wp *w, struct hb_err *e) {
        char path[64];

        snprintf(path, sizeof path, "/proc/%d/pagemap", (int)w->base.target->pid);
        w->pagemap = hb_fault("track.pagemap") ? (errno = EACCES, -1) : open(path, O_RDONLY | O_CLOEXEC);
        if (w->pagemap >= 0)
                return 0;
        return hb_err_set(e,
                          errno == ENOENT   ? -ESRCH
                          : errno == EACCES ? -EPERM
                                            : -errno,
                          path, "run harbingerd as root or give it CAP_SYS_PTRACE",
                          "cannot open the page map: %s", strerror(errno));
}

/* The predecessor's registration, when it is still what the state file says. */
static bool take_over(struct hb_wp *w) {
        int fd, number = w->state->remote_fd;

        if (number < 0 || hb_uffd_is_ours(w->base.target->pid, number) < 0)
                return false;
        fd = hb_uffd_fetch(w->base.target, number, NULL);
        if (fd < 0)
                return false;
        w->uffd = fd;
        if (hb_wp_check_registered(w) == 0)
                return true;
        close(fd);
        w->uffd = -1;
        return false;
}

static void undo_create(struct hb_wp *w, int number) {
        struct hb_inject_call c = {.nr = SYS_close, .arg = {(uint64_t)number}};

        if (w->uffd >= 0) {
                (void)hb_uffd_unregister(w->base.target, w->uffd);
                close(w->uffd);
                w->uffd = -1;
        }
        if (number >= 0)
                (void)hb_inject_run(w->inject, &c, 1, NULL, NULL);
        w->state->remote_fd = -1;
}

/* A new registration, or a leftover one used again: we hold the lock, so a leftover's owner is dead. */
static int start_afresh(struct hb_wp *w, struct hb_err *e) {
        hb_target *t = w->base.target;
        int r = 0, number = hb_uffd_find(t->pid);

        if (number >= 0) {
                w->lost = true;
                w->uffd = hb_uffd_fetch(t, number, e);
                if (w->uffd < 0)
                        return w->uffd;
                (void)hb_uffd_unregister(t, w->uffd); /* takes all marks off */
        } else
                r = hb_uffd_create(t, w->inject, &number, &w->uffd, e);
        if (r == 0) {
                w->state->remote_fd = number;
                r = hb_uffd_register(t, w->uffd, e);
                if (r < 0)
                        undo_create(w, number);
        }
        return r;
}

static int nothing(void *arg, unsigned region, uint64_t gfn, uint64_t pages) {
        return 0;
}

/* After a restart: what changed while nobody looked is pending. */
static int changed_meanwhile(void *arg, unsigned region, uint64_t gfn, uint64_t pages) {
        struct hb_wp *w = arg;

        hb_bitmap_set_range(&w->state->pending, gfn, pages);
        return 0;
}

static int open_books(struct hb_wp *w, struct hb_err *e) {
        struct hb_ledger_events fresh = {.gone = nothing, .came = nothing};
        struct hb_ledger_events resumed = {.gone = changed_meanwhile, .came = changed_meanwhile, .arg = w};
        int r = hb_ledger_init(&w->ledger, w->base.target, &w->state->resident);

        if (r == 0)
                r = hb_ledger_walk(&w->ledger, w->base.resumed ? &resumed : &fresh);
        if (r < 0)
                return hb_err_set(e, r, NULL, "check that the guest is running",
                                  "cannot find out which of the guest's pages exist: %s", hb_errno_name(r));
        return 0;
}

static int attach(struct hb_wp *w, enum hb_state_found found, struct hb_err *e) {
        int r = 0;

        w->base.resumed = found == HB_STATE_RESUMED && take_over(w);
        if (w->base.resumed) {
                hb_wp_recover_vec(w);
        } else {
                w->lost = found != HB_STATE_FRESH;
                if (found == HB_STATE_RESUMED)
                        hb_state_empty(w->state);
                r = start_afresh(w, e);
        }
        if (r == 0)
                r = open_books(w, e);
        if (r == 0)
                hb_state_save(w->state);
        else if (!w->base.resumed && w->uffd >= 0)
                undo_create(w, w->state->remote_fd);
        return r;
}

int hb_wp_init(struct hb_wp *w, hb_target *t, const struct hb_tracker_options *o, struct hb_err *e) {
        enum hb_state_found found = HB_STATE_FRESH;
        int r = check_memory(t, e);

        w->base.target = t;
        w->lock_fd = w->pagemap = w->uffd = -1;
        if (r == 0)
                r = w->lock_fd = hb_track_lock(t, e);
        if (r >= 0)
                r = open_pagemap(w, e);
        if (r == 0)
                r = hb_inject_new(t->pid, &w->inject, e);
        if (r == 0) {
                w->look = malloc(HB_WP_VEC * sizeof *w->look);
                r = w->look ? 0 : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        }
        if (r == 0)
                r = hb_state_open(t, "wp", o->state_path, HB_WP_VEC, 0, &w->state, &found, e);
        if (r == 0)
                r = attach(w, found, e);
        w->repeat = w->base.resumed;
        w->fault_ns = r == 0 ? hb_fault_cost_ns(t) : 0;
        return r;
}

void hb_wp_fini(struct hb_wp *w) {
        hb_ledger_fini(&w->ledger);
        w->state = hb_state_free(w->state, false);
        w->inject = hb_inject_free(w->inject);
        free(w->look);
        if (w->uffd >= 0)
                close(w->uffd);
        if (w->pagemap >= 0)
                close(w->pagemap);
        if (w->lock_fd >= 0)
                close(w->lock_fd);
}

int hb_wp_explain(const struct hb_wp *w, int r, struct hb_err *e) {
        if (r == -ESRCH || !hb_target_alive(w->base.target))
                return hb_target_gone(w->base.target, e);
        if (r == -ESTALE)
                return hb_err_set(e, r, NULL, "detach the guest and attach it again",
                                  "the memory of process %d is not mapped as it was when tracking began",
                                  (int)w->base.target->pid);
        return hb_err_set(e, r, NULL, "try again; if it stays, detach and attach again",
                          "scan of process %d failed: %s", (int)w->base.target->pid, hb_errno_name(r));
}

int hb_wp_scan(hb_tracker *t, struct hb_scan *s, struct hb_err *e) {
        struct hb_wp *w = (struct hb_wp *)t;
        struct hb_sink sink = {.scan = s, .pending = &w->state->pending};
        uint64_t began = hb_now_ns(), before = s->written_pages;
        bool repeat = w->repeat;
        int r;

        w->repeat = true; /* until this scan has succeeded, what it finds is owed */
        r = hb_target_alive(t->target) ? hb_wp_scan_pages(w, &sink) : -ESRCH;
        if (r < 0)
                return hb_wp_explain(w, r, e);
        if (repeat)
                hb_sink_repeat(&sink);
        w->repeat = false;
        s->lost = w->lost;
        w->lost = false;
        s->scan_ns += hb_now_ns() - began;
        s->guest_ns += (s->written_pages - before) * w->fault_ns; /* each page's next first write */
        return 0;
}

void hb_wp_commit(hb_tracker *t) {
        struct hb_wp *w = (struct hb_wp *)t;

        if (!w->repeat)
                hb_pending_clear(&w->state->pending);
}

int hb_wp_detach(hb_tracker *t, struct hb_err *e) {
        struct hb_wp *w = (struct hb_wp *)t;
        int number = w->state->remote_fd, r = 0;
        struct hb_inject_call c = {.nr = SYS_close, .arg = {(uint64_t)number}};

        if (hb_target_alive(t->target)) {
                r = hb_uffd_unregister(t->target, w->uffd);
                if (r < 0 && hb_target_alive(t->target))
                        hb_err_set(e, r, NULL, NULL, "cannot unregister the guest's memory: %s",
                                   hb_errno_name(r));
                /* Only what is still our userfaultfd is closed there. */
                if (hb_uffd_is_ours(t->target->pid, number) == 0) {
                        int closed = hb_inject_run(w->inject, &c, 1, NULL, e);

                        r = r < 0 ? r : closed;
                }
                if (!hb_target_alive(t->target))
                        r = 0; /* it ended meanwhile: nothing is left to restore */
        }
        w->state = hb_state_free(w->state, true);
        return r;
}

static void free_wp(hb_tracker *t) {
        hb_wp_fini((struct hb_wp *)t);
        free(t);
}

static const struct hb_track_ops wp_ops = {
        .scan = hb_wp_scan, .commit = hb_wp_commit, .detach = hb_wp_detach, .free = free_wp};

int hb_wp_open(hb_target *t, const struct hb_tracker_options *o, hb_tracker **ret, struct hb_err *e) {
        struct hb_wp *w = calloc(1, sizeof *w);
        int r;

        if (!w)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        w->base.ops = &wp_ops;
        w->base.caps = &hb_caps_wp;
        r = hb_wp_init(w, t, o, e);
        if (r < 0) {
                free_wp(&w->base);
                return r;
        }
        *ret = &w->base;
        return 0;
}
