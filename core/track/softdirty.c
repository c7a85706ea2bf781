/* softdirty: write tracking by the soft-dirty marks of /proc/PID/pagemap, for kernels before 6.7 that have
 * them (Debian 12's 6.1).
 *
 * Reading the marks and clearing them are two system calls, and a write between them would be forgotten. So
 * the process stands still for both (freeze.h). Within that instant the findings go to `pending` before the
 * marks are cleared, so a kill loses nothing. A page whose entry was zapped has lost its mark: one that had
 * an entry at the last scan and has none now counts as written. Cost: reading 8 bytes a page of the whole
 * guest while it stands still, 5-10 ms a GiB; clear_refs walks the whole process. */
#include "base/clock.h"
#include "base/fault.h"
#include "track/backend.h"
#include "track/freeze.h"
#include "track/ledger.h"
#include "track/ptrace_thread.h"
#include "track/state.h"
#include "track/target_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRIES  32768u /* pagemap entries a read */
#define PM_SOFT  (1ull << 55)
#define PM_THERE (3ull << 62) /* present or swapped */

struct hb_soft {
        struct hb_tracker base;
        struct hb_state *state;
        struct hb_ledger ledger;
        struct hb_bitmap had_entry; /* at the last scan */
        uint64_t *entries;
        int lock_fd, pagemap, clear_refs;
        uint64_t fault_ns;
        bool lost, repeat;
};

struct pass {
        struct hb_soft *d;
        struct hb_sink *sink;
        unsigned region;
        int balance; /* of the books, taken while nothing can move */
};

/* One page: was it written? Keeps had_entry and the books. */
static bool judge(struct pass *p, uint64_t gfn, uint64_t entry) {
        struct hb_soft *d = p->d;
        bool there = entry & PM_THERE, resident = hb_bitmap_test(d->ledger.resident, gfn);
        bool had = hb_bitmap_test(&d->had_entry, gfn);

        if (there != had)
                (there ? hb_bitmap_set : hb_bitmap_clear)(&d->had_entry, gfn);
        if (there && !resident)
                return true; /* new; entered by the caller once it is pending */
        if (!there && had)
                return true; /* its mark went with its entry */
        return (entry & PM_SOFT) && (there || resident);
}

static void report(struct pass *p, uint64_t gfn, uint64_t pages) {
        hb_sink_written(p->sink, gfn, pages);
        for (uint64_t i = gfn; i < gfn + pages; i++)
                if (hb_bitmap_test(&p->d->had_entry, i) && !hb_bitmap_test(p->d->ledger.resident, i))
                        hb_ledger_add(&p->d->ledger, p->region, i, 1);
}

static void judge_all(struct pass *p, uint64_t gfn, uint64_t n) {
        uint64_t run = 0;

        for (uint64_t i = 0; i <= n; i++) {
                if (i < n && judge(p, gfn + i, p->d->entries[i])) {
                        run++;
                        continue;
                }
                if (run)
                        report(p, gfn + i - run, run);
                run = 0;
        }
}

static int read_region(struct pass *p) {
        const struct hb_target_region *r = &p->d->base.target->regions[p->region];
        uint64_t pages = r->bytes / HB_PAGE_SIZE;

        for (uint64_t at = 0; at < pages;) {
                uint64_t n = pages - at < ENTRIES ? pages - at : ENTRIES;
                off_t where = (off_t)((r->remote_addr / HB_PAGE_SIZE + at) * sizeof(uint64_t));
                ssize_t got = pread(p->d->pagemap, p->d->entries, n * sizeof(uint64_t), where);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < (ssize_t)sizeof(uint64_t))
                        return got < 0 ? -errno : -ESRCH; /* nothing to read: its memory is gone */
                n = (uint64_t)got / sizeof(uint64_t);
                judge_all(p, r->first_gfn + at, n);
                at += n;
        }
        return 0;
}

/* Runs while the process stands still. */
static int read_and_clear(void *arg) {
        struct pass *p = arg;
        int r = 0;

        for (p->region = 0; p->region < p->d->base.target->shape.nregions && r == 0; p->region++)
                r = read_region(p);
        if (r < 0)
                return r;
        p->balance = hb_ledger_check(&p->d->ledger);
        atomic_signal_fence(memory_order_seq_cst);
        if (hb_fault("track.clear_refs") || pwrite(p->d->clear_refs, "4", 1, 0) != 1)
                return -EIO;
        return 0;
}

static int on_event(void *arg, unsigned region, uint64_t gfn, uint64_t pages) {
        hb_sink_written(arg, gfn, pages);
        return 0;
}

static int soft_scan_pages(struct hb_soft *d, struct hb_sink *sink, uint64_t *ret_frozen_ns,
                           struct hb_err *e) {
        struct pass p = {.d = d, .sink = sink};
        struct hb_ledger_events ev = {.gone = on_event, .came = on_event, .arg = sink};
        int r;

        e->code = 0;
        r = hb_freeze(d->base.target->pid, read_and_clear, &p, ret_frozen_ns, e);
        if (r == 0 && p.balance != HB_BALANCED)
                r = p.balance < 0 ? p.balance : hb_ledger_walk(&d->ledger, &ev);
        if (r == 0 && !hb_target_alive(d->base.target))
                r = -ESRCH;
        return r;
}

static int soft_scan(hb_tracker *t, struct hb_scan *s, struct hb_err *e) {
        struct hb_soft *d = (struct hb_soft *)t;
        struct hb_sink sink = {.scan = s, .pending = &d->state->pending};
        uint64_t began = hb_now_ns(), before = s->written_pages, frozen = 0;
        bool repeat = d->repeat;
        struct hb_err own = {0};
        int r;

        d->repeat = true;
        r = soft_scan_pages(d, &sink, &frozen, &own);
        if (r < 0 && !hb_target_alive(t->target))
                return hb_target_gone(t->target, e);
        if (r < 0 && own.code) {
                if (e)
                        *e = own;
                return r;
        }
        if (r < 0)
                return hb_err_set(e, r, NULL, "try again",
                                  "cannot read and clear the soft-dirty marks of process %d: %s",
                                  (int)t->target->pid, hb_errno_name(r));
        if (repeat)
                hb_sink_repeat(&sink);
        d->repeat = false;
        s->lost = d->lost;
        d->lost = false;
        s->scan_ns += hb_now_ns() - began;
        s->guest_ns += frozen + (s->written_pages - before) * d->fault_ns;
        return 0;
}

static void soft_commit(hb_tracker *t) {
        struct hb_soft *d = (struct hb_soft *)t;

        if (!d->repeat)
                hb_pending_clear(&d->state->pending);
}

/* The marks of the target stay cleared, which means nothing to it. */
static int soft_detach(hb_tracker *t, struct hb_err *e) {
        struct hb_soft *d = (struct hb_soft *)t;

        d->state = hb_state_free(d->state, true);
        return 0;
}

static void soft_free(hb_tracker *t) {
        struct hb_soft *d = (struct hb_soft *)t;

        hb_ledger_fini(&d->ledger);
        hb_bitmap_fini(&d->had_entry);
        hb_state_free(d->state, false);
        free(d->entries);
        if (d->pagemap >= 0)
                close(d->pagemap);
        if (d->clear_refs >= 0)
                close(d->clear_refs);
        if (d->lock_fd >= 0)
                close(d->lock_fd);
        free(d);
}

static const struct hb_track_ops soft_ops = {
        .scan = soft_scan, .commit = soft_commit, .detach = soft_detach, .free = soft_free};

static int check_memory(const hb_target *t, struct hb_err *e) {
        for (uint32_t i = 0; i < t->shape.nregions; i++)
                if (t->regions[i].backing == HB_BACKING_HUGETLB || !hb_target_is_shmem(t->regions[i].fd))
                        return hb_err_set(e, -EOPNOTSUPP, t->regions[i].name,
                                          "use a memfd or a file on tmpfs, or the hash tracker",
                                          "soft-dirty marks work on tmpfs memory only");
        return 0;
}

static int open_proc_file(const hb_target *t, const char *name, int flags, struct hb_err *e) {
        char path[64];
        int fd;

        snprintf(path, sizeof path, "/proc/%d/%s", (int)t->pid, name);
        fd = open(path, flags | O_CLOEXEC);
        if (fd >= 0)
                return fd;
        if (errno == EACCES || errno == EPERM)
                return hb_ptrace_refused(t->pid, e);
        return hb_err_set(e, errno == ENOENT ? -ESRCH : -errno, path, NULL, "cannot open it: %s",
                          strerror(errno));
}

/* Whatever exists is owed to the caller: all of it at first, after a restart what came or went while nobody
 * looked. */
static int owe(void *arg, unsigned region, uint64_t gfn, uint64_t pages) {
        hb_bitmap_set_range(arg, gfn, pages);
        return 0;
}

static int open_books(struct hb_soft *d, struct hb_err *e) {
        struct hb_ledger_events ev = {.gone = owe, .came = owe, .arg = &d->state->pending};
        int r = hb_ledger_init(&d->ledger, d->base.target, &d->state->resident);

        if (r == 0)
                r = hb_ledger_walk(&d->ledger, &ev);
        if (r == 0)
                r = hb_bitmap_init(&d->had_entry, d->base.target->shape.pages);
        if (r < 0)
                return hb_err_set(e, r, NULL, NULL, "cannot find out which of the guest's pages exist: %s",
                                  hb_errno_name(r));
        if (d->base.resumed) /* unknown: count every page without an entry as one that lost it */
                hb_bitmap_copy(&d->had_entry, d->ledger.resident);
        return 0;
}

static int soft_init(struct hb_soft *d, const struct hb_tracker_options *o, struct hb_err *e) {
        hb_target *t = d->base.target;
        enum hb_state_found found = HB_STATE_FRESH;
        int r = check_memory(t, e);

        if (r == 0)
                r = d->lock_fd = hb_track_lock(t, e);
        if (r >= 0)
                r = d->pagemap = open_proc_file(t, "pagemap", O_RDONLY, e);
        if (r >= 0)
                r = d->clear_refs = open_proc_file(t, "clear_refs", O_WRONLY, e);
        if (r >= 0) {
                d->entries = malloc(ENTRIES * sizeof *d->entries);
                r = d->entries ? 0 : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        }
        if (r >= 0)
                r = hb_state_open(t, "softdirty", o->state_path, 0, 0, &d->state, &found, e);
        if (r < 0)
                return r;
        d->base.resumed = found == HB_STATE_RESUMED;
        d->lost = found == HB_STATE_DAMAGED;
        d->repeat = true;
        d->fault_ns = hb_fault_cost_ns(t);
        r = open_books(d, e);
        if (r == 0)
                hb_state_save(d->state);
        return r;
}

/* A kernel without soft-dirty marks answers every read with "clean" and every clear with success, so it must
 * be tried first. */
int hb_softdirty_open(hb_target *t, const struct hb_tracker_options *o, hb_tracker **ret, struct hb_err *e) {
        struct hb_soft *d;
        int r;

        if (!hb_softdirty_works())
                return hb_err_set(e, -EOPNOTSUPP, "softdirty", "use wp (Linux 6.7 and later) or hash",
                                  "this kernel has no soft-dirty marks (CONFIG_MEM_SOFT_DIRTY)");
        d = calloc(1, sizeof *d);
        if (!d)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        d->base = (struct hb_tracker){.ops = &soft_ops, .caps = &hb_caps_softdirty, .target = t};
        d->lock_fd = d->pagemap = d->clear_refs = -1;
        r = soft_init(d, o, e);
        if (r < 0) {
                soft_free(&d->base);
                return r;
        }
        *ret = &d->base;
        return 0;
}
