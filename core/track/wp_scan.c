/* wp_scan: one epoch's written pages.
 *
 * Which pages are asked how, by 2 MiB block:
 *  - blocks all resident: "written" = no write-protect mark, present or not; get and clear in one step (the
 * kernel's fast path);
 *  - other blocks: only pages that are present (or being migrated), so that holes never get a mark. Two
 * things follow: an untouched page of a sparse guest costs neither time nor page tables, and *every* page
 * that appears shows up, read or written, which is what keeps the ledger exact; then the pages known resident
 * in such blocks are asked like the first kind, because one that was zapped after a write (reclaim, a split
 * huge page, our own drop) has neither entry nor mark. Invariant: results of a clearing call reach
 * state->pending before its output buffer is wiped, and both lie in the state file, so no instant exists at
 * which a kill loses a page. Cost: the ioctl, plus some ns a run. No allocation. */
#include "base/fault.h"
#include "track/procmaps.h"
#include "track/uffd.h"
#include "track/wp.h"
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define SURPLUS_TRIES 3
#define FEW_RUNS      8

enum mode { TAKE_ALL, TAKE_PRESENT };

static uint64_t addr_of(const struct hb_target_region *r, uint64_t gfn) {
        return r->remote_addr + (gfn - r->first_gfn) * HB_PAGE_SIZE;
}

static uint64_t gfn_of(const struct hb_target_region *r, uint64_t addr) {
        return r->first_gfn + (addr - r->remote_addr) / HB_PAGE_SIZE;
}

/* One call; restarts what the kernel did not do. Returns the number of runs. */
static long call(const struct hb_wp *w, struct hb_pm_scan *a) {
        long n;

        a->size = sizeof *a;
        a->walk_end = 0;
        /* The kernel allocates room for what it may have to report, so a short range asks for little. */
        a->vec_len = (a->end - a->start) / HB_PAGE_SIZE + 1;
        if (a->vec_len > HB_WP_VEC)
                a->vec_len = HB_WP_VEC;
        if (hb_fault("track.scan"))
                return -EIO;
        do
                n = ioctl(w->pagemap, HB_PAGEMAP_SCAN, a);
        while (n < 0 && (errno == EINTR || errno == EAGAIN));
        if (n < 0)
                return errno == EPERM ? -ESTALE : -errno;
        return n;
}

/* Runs of a clearing call: to safety, to the caller, and out of the buffer. */
static void take(struct hb_wp *w, unsigned region, enum mode mode, long n, struct hb_sink *sink) {
        const struct hb_target_region *r = &w->base.target->regions[region];
        struct hb_pm_run *vec = w->state->vec;

        for (long i = 0; i < n; i++) {
                uint64_t gfn = gfn_of(r, vec[i].start), pages = (vec[i].end - vec[i].start) / HB_PAGE_SIZE;

                hb_sink_written(sink, gfn, pages);
                if (mode == TAKE_PRESENT)
                        hb_ledger_add(&w->ledger, region, gfn, pages);
        }
        atomic_signal_fence(memory_order_seq_cst);
        memset(vec, 0, (size_t)n * sizeof *vec);
}

static int take_range(struct hb_wp *w, unsigned region, uint64_t gfn, uint64_t pages, enum mode mode,
                      struct hb_sink *sink) {
        const struct hb_target_region *r = &w->base.target->regions[region];
        struct hb_pm_scan a = {.flags = HB_SCAN_WP_MATCHING | HB_SCAN_CHECK_WPASYNC,
                               .start = addr_of(r, gfn),
                               .end = addr_of(r, gfn + pages),
                               .vec = (uintptr_t)w->state->vec,
                               .category_mask = HB_PAGE_WRITTEN,
                               .category_anyof_mask =
                                       mode == TAKE_PRESENT ? HB_PAGE_PRESENT | HB_PAGE_SWAPPED : 0,
                               .return_mask = HB_PAGE_WRITTEN};
        long n;

        for (;;) {
                n = call(w, &a);
                if (n < 0)
                        return (int)n;
                take(w, region, mode, n, sink);
                /* walk_end may be stale after a walk that was not cut short by a full buffer. */
                if (n < (long)a.vec_len || a.walk_end >= a.end || a.walk_end <= a.start)
                        return 0;
                a.start = a.walk_end;
        }
}

int hb_wp_look(struct hb_wp *w, unsigned region, uint64_t gfn, uint64_t pages, enum hb_wp_look what,
               int (*found)(void *arg, uint64_t gfn, uint64_t pages), void *arg) {
        const struct hb_target_region *r = &w->base.target->regions[region];
        struct hb_pm_scan a = {
                .start = addr_of(r, gfn), .end = addr_of(r, gfn + pages), .vec = (uintptr_t)w->look};

        a.category_mask = a.return_mask = HB_PAGE_PRESENT;
        if (what == HB_WP_LOOK_UNMARKED_NONE) {
                a.category_inverted = HB_PAGE_PRESENT | HB_PAGE_SWAPPED;
                a.category_mask = HB_PAGE_WRITTEN | HB_PAGE_PRESENT | HB_PAGE_SWAPPED;
                a.return_mask = HB_PAGE_WRITTEN;
        }
        for (;;) {
                long n = call(w, &a);
                int err = n < 0 ? (int)n : 0;

                for (long i = 0; i < n && err >= 0; i++)
                        err = found(arg, gfn_of(r, w->look[i].start),
                                    (w->look[i].end - w->look[i].start) / HB_PAGE_SIZE);
                if (err < 0 || n < (long)a.vec_len || a.walk_end >= a.end || a.walk_end <= a.start)
                        return err;
                a.start = a.walk_end;
        }
}

struct pass {
        struct hb_wp *w;
        struct hb_sink *sink;
        unsigned region;
};

/* A run without entries or marks: the part of it we know resident was written and then zapped. */
static int take_zapped(void *arg, uint64_t gfn, uint64_t pages) {
        struct pass *p = arg;
        uint64_t end = gfn + pages, first, count;

        while (gfn < end && hb_bitmap_next_run(p->w->ledger.resident, gfn, end - gfn, &first, &count) &&
               first < end) {
                int r;

                count = count < end - first ? count : end - first;
                r = take_range(p->w, p->region, first, count, TAKE_ALL, p->sink);
                if (r < 0)
                        return r;
                gfn = first + count;
        }
        return 0;
}

enum block { EMPTY, MIXED, FULL };

static enum block block_kind(const struct hb_wp *w, unsigned region, uint64_t block) {
        uint16_t n = w->ledger.regions[region].in_block[block];

        return n == 0 ? EMPTY : n == hb_ledger_block_pages(&w->ledger, region, block) ? FULL : MIXED;
}

/* End of the run of blocks that starts at `block`: all full, or none of them. */
static uint64_t run_end(const struct hb_wp *w, unsigned region, uint64_t block, uint64_t end, bool full) {
        while (block < end && (block_kind(w, region, block) == FULL) == full)
                block++;
        return block;
}

static void pages_of(const struct hb_wp *w, unsigned region, uint64_t block, uint64_t end, uint64_t *ret_gfn,
                     uint64_t *ret_pages) {
        const struct hb_target_region *r = &w->base.target->regions[region];
        uint64_t all = r->bytes / HB_PAGE_SIZE, first = block * HB_BLOCK_PAGES, last = end * HB_BLOCK_PAGES;

        *ret_gfn = r->first_gfn + first;
        *ret_pages = (last < all ? last : all) - first;
}

/* Resident pages of a block that has holes: run by run while there are few, else by one look at all of it,
 * since a look at a hole costs 9 ns and a call 300. */
static int scan_mixed(struct pass *p, uint64_t gfn, uint64_t pages) {
        uint64_t end = gfn + pages, at = gfn, first, count;
        int r = 0;

        for (unsigned runs = 0;
             at < end && hb_bitmap_next_run(p->w->ledger.resident, at, end - at, &first, &count); runs++) {
                if (first >= end || r < 0)
                        return r;
                if (runs == FEW_RUNS)
                        return hb_wp_look(p->w, p->region, at, end - at, HB_WP_LOOK_UNMARKED_NONE,
                                          take_zapped, p);
                count = count < end - first ? count : end - first;
                r = take_range(p->w, p->region, first, count, TAKE_ALL, p->sink);
                at = first + count;
        }
        return r;
}

/* Blocks [block, end), none of them full when this began; some may be by now, with pages in them that only
 * this finds. */
static int scan_sparse(struct pass *p, uint64_t block, uint64_t end) {
        uint64_t gfn, pages;
        int r;

        pages_of(p->w, p->region, block, end, &gfn, &pages);
        r = take_range(p->w, p->region, gfn, pages, TAKE_PRESENT, p->sink);
        for (; block < end && r >= 0; block++) {
                enum block k = block_kind(p->w, p->region, block);

                if (k == EMPTY)
                        continue;
                pages_of(p->w, p->region, block, block + 1, &gfn, &pages);
                r = k == FULL ? take_range(p->w, p->region, gfn, pages, TAKE_ALL, p->sink)
                              : scan_mixed(p, gfn, pages);
        }
        return r;
}

static int scan_region(struct pass *p, bool only_sparse) {
        uint64_t n = p->w->ledger.regions[p->region].nblocks, stop, gfn, pages;
        int r = 0;

        for (uint64_t b = 0; b < n && r >= 0; b = stop) {
                bool full = block_kind(p->w, p->region, b) == FULL;

                stop = run_end(p->w, p->region, b, n, full);
                pages_of(p->w, p->region, b, stop, &gfn, &pages);
                if (!full)
                        r = scan_sparse(p, b, stop);
                else if (!only_sparse)
                        r = take_range(p->w, p->region, gfn, pages, TAKE_ALL, p->sink);
        }
        return r;
}

static int scan_regions(struct hb_wp *w, struct hb_sink *sink, bool only_sparse) {
        int r = 0;

        for (unsigned i = 0; i < w->base.target->shape.nregions && r >= 0; i++)
                r = scan_region(&(struct pass){w, sink, i}, only_sparse);
        return r;
}

/* A page that became a hole was written with zeros. Its mark goes, so that the hole is like any other. */
static int on_gone(void *arg, unsigned region, uint64_t gfn, uint64_t pages) {
        struct pass *p = arg;

        hb_sink_written(p->sink, gfn, pages);
        hb_uffd_unprotect(p->w->uffd, addr_of(&p->w->base.target->regions[region], gfn),
                          pages * HB_PAGE_SIZE);
        return 0;
}

/* A page that is there but was not seen coming (written through another mapping, or swapped out at once). */
static int on_came(void *arg, unsigned region, uint64_t gfn, uint64_t pages) {
        struct pass *p = arg;
        int r = take_range(p->w, region, gfn, pages, TAKE_ALL, p->sink);

        hb_sink_written(p->sink, gfn, pages);
        return r;
}

static int walk_dropped(struct hb_wp *w, const struct hb_ledger_events *ev) {
        while (w->rechecks > 0) {
                unsigned i = w->rechecks - 1;
                int r = hb_ledger_walk_part(&w->ledger, w->recheck[i].region, w->recheck[i].gfn,
                                            w->recheck[i].pages, ev);

                if (r < 0)
                        return r;
                w->rechecks = i;
        }
        return 0;
}

/* Discards. Pages appear while we scan, so a surplus is first answered by looking at the sparse blocks again.
 */
static int settle(struct hb_wp *w, struct hb_sink *sink) {
        struct pass p = {.w = w, .sink = sink};
        struct hb_ledger_events ev = {.gone = on_gone, .came = on_came, .arg = &p};
        int balance, r = walk_dropped(w, &ev);

        balance = r < 0 ? r : hb_ledger_check(&w->ledger);
        for (int i = 0; balance == HB_SURPLUS && i < SURPLUS_TRIES; i++) {
                r = scan_regions(w, sink, true);
                if (r < 0)
                        return r;
                balance = hb_ledger_check(&w->ledger);
        }
        return balance == HB_SURPLUS || balance == HB_MISSING ? hb_ledger_walk(&w->ledger, &ev) : balance;
}

int hb_wp_scan_pages(struct hb_wp *w, struct hb_sink *sink) {
        int r = scan_regions(w, sink, false);

        if (r >= 0)
                r = settle(w, sink);
        return r < 0 ? r : hb_wp_check_registered(w);
}

/* A process on its way out gives up its memory some time before it counts as ended. */
static bool has_memory(const hb_target *t) {
        struct hb_buf maps = {0};
        bool has = hb_target_alive(t) && hb_procmaps_read(t->pid, &maps) == 0 && maps.len > 0;

        hb_buf_free(&maps);
        return has;
}

/* Every mapped page of a registered range is "write-protectable": one that is not is no longer what we track.
 * A dying process loses its mappings before its pidfd says so, and a scan of nothing would look like a scan
 * of clean pages. */
int hb_wp_check_registered(const struct hb_wp *w) {
        for (uint32_t i = 0; i < w->base.target->shape.nregions; i++) {
                const struct hb_target_region *r = &w->base.target->regions[i];
                struct hb_pm_run one;
                struct hb_pm_scan a = {.start = r->remote_addr,
                                       .end = r->remote_addr + r->backing_page,
                                       .vec = (uintptr_t)&one,
                                       .vec_len = 1,
                                       .category_mask = HB_PAGE_WPALLOWED,
                                       .return_mask = HB_PAGE_WPALLOWED,
                                       .size = sizeof a};
                long n = ioctl(w->pagemap, HB_PAGEMAP_SCAN, &a);

                if (n != 1)
                        return has_memory(w->base.target) ? -ESTALE : -ESRCH;
        }
        return 0;
}

void hb_wp_recover_vec(struct hb_wp *w) {
        const hb_target *t = w->base.target;
        struct hb_pm_run *vec = w->state->vec;

        for (uint32_t i = 0; i < w->state->vec_entries; i++) {
                if (vec[i].end <= vec[i].start)
                        continue;
                for (uint32_t k = 0; k < t->shape.nregions; k++) {
                        const struct hb_target_region *r = &t->regions[k];

                        if (vec[i].start < r->remote_addr || vec[i].end > r->remote_addr + r->bytes)
                                continue;
                        hb_bitmap_set_range(&w->state->pending, gfn_of(r, vec[i].start),
                                            (vec[i].end - vec[i].start) / HB_PAGE_SIZE);
                }
        }
        atomic_signal_fence(memory_order_seq_cst);
        memset(vec, 0, w->state->vec_entries * sizeof *vec);
}
