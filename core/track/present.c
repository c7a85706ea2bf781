/* present: wp, and which pages of a rotating sample were accessed at all.
 *
 * Dropping the page-table entries of *shared* memory (madvise DONTNEED, injected) loses nothing: bytes stay
 * in the file, marks of clean pages stay as markers, written pages stay "written". Whatever is present again
 * later was touched. A page stays under observation until it is touched, so cold pages go on being observed
 * at no cost and the rotation's drops go to the rest.
 *
 * Budget: every scan earns guest_budget x elapsed time; a drop pays at once for its stop and for the fault
 * that each dropped page will cost at its next touch (measured at open). So over any stretch of time the
 * guest pays at most what was earned: a sweep over long-cold memory collects faults paid for long ago. At
 * most one epoch's earnings are saved up. Invariants: never a mapping that is not MAP_SHARED of the region's
 * own file (looked up before each drop); a range dropped with holes in it is walked by the next scan, so that
 * no page leaves the page table unaccounted. Refused: hugetlb, locked memory. */
#include "base/clock.h"
#include "base/fault.h"
#include "track/procmaps.h"
#include "track/wp.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define FIRST_PAGES HB_BLOCK_PAGES
#define GROWTH      2u

struct hb_present {
        struct hb_wp wp;
        struct hb_bitmap watch; /* dropped, not touched since */
        double budget;
        uint64_t epoch_ns, last_ns;
        double credit_ns, drop_page_ns; /* the second: what the stop costs a page, measured */
        uint64_t slice_pages;
        unsigned region;
        uint64_t block; /* where the next slice begins */
};

struct observe {
        struct hb_present *p;
        struct hb_scan *s;
};

static int on_present(void *arg, uint64_t gfn, uint64_t pages) {
        struct observe *o = arg;

        o->s->accessed_pages += hb_bits_move(&o->p->watch, &o->s->accessed, gfn, pages);
        return 0;
}

/* Looks at every stretch of watched pages of a region; gaps below a page table's reach are not worth a call
 * of their own. */
static int observe_region(struct hb_present *p, unsigned region, struct hb_scan *s) {
        const struct hb_target_region *r = &p->wp.base.target->regions[region];
        uint64_t at = r->first_gfn, end = at + r->bytes / HB_PAGE_SIZE, first, count, next, n;
        struct observe o = {p, s};
        int err = 0;

        while (err >= 0 && hb_bitmap_next_run(&p->watch, at, 0, &first, &count) && first < end) {
                at = first + count;
                while (hb_bitmap_next_run(&p->watch, at, 0, &next, &n) && next < end &&
                       next - at < HB_BLOCK_PAGES)
                        at = next + n;
                at = at < end ? at : end;
                err = hb_wp_look(&p->wp, region, first, at - first, HB_WP_LOOK_PRESENT, on_present, &o);
        }
        return err;
}

static int observe(struct hb_present *p, struct hb_scan *s) {
        uint64_t first, count;
        int r = 0;

        for (uint64_t at = 0; hb_bitmap_next_run(&p->watch, at, 0, &first, &count); at = first + count)
                s->observed_pages += hb_bits_add(&s->observed, first, count);
        for (unsigned i = 0; i < p->wp.base.target->shape.nregions && r >= 0; i++)
                r = observe_region(p, i, s);
        return r;
}

struct slice { /* whole blocks, neighbours joined: each run is one call, and each call wakes a thread twice */
        struct hb_inject_call calls[HB_WP_RECHECKS];
        struct {
                unsigned region;
                uint64_t gfn, pages;
                bool holes;
        } run[HB_WP_RECHECKS];
        unsigned n;
        uint64_t fresh, pages; /* fresh: resident and not dropped already, so what will cost */
};

/* Adds the block whose turn it is, when any of it is worth dropping; false when there is no room for it. */
static bool add_block(struct hb_present *p, struct slice *s, uint64_t limit) {
        uint64_t gfn = p->wp.base.target->regions[p->region].first_gfn + p->block * HB_BLOCK_PAGES;
        uint64_t pages = hb_ledger_block_pages(&p->wp.ledger, p->region, p->block);
        uint16_t resident = p->wp.ledger.regions[p->region].in_block[p->block];
        uint64_t fresh = resident - hb_bits_count(&p->watch, gfn, pages);
        bool joins = s->n && s->run[s->n - 1].region == p->region &&
                     s->run[s->n - 1].gfn + s->run[s->n - 1].pages == gfn;

        if (fresh == 0)
                return true;
        if (s->fresh + fresh > limit || (!joins && s->n == HB_WP_RECHECKS))
                return false;
        if (!joins) {
                s->run[s->n].region = p->region;
                s->run[s->n++].gfn = gfn;
        }
        s->run[s->n - 1].pages += pages;
        s->run[s->n - 1].holes |= resident != pages;
        s->fresh += fresh;
        s->pages += pages;
        return true;
}

/* Advances to the next block, over the regions, round and round. */
static void next_block(struct hb_present *p) {
        if (++p->block < p->wp.ledger.regions[p->region].nblocks)
                return;
        p->block = 0;
        p->region = (p->region + 1) % p->wp.base.target->shape.nregions;
}

static void choose_slice(struct hb_present *p, struct slice *s, uint64_t limit) {
        uint64_t blocks = 0;

        for (uint32_t i = 0; i < p->wp.base.target->shape.nregions; i++)
                blocks += p->wp.ledger.regions[i].nblocks;
        for (uint64_t i = 0; i < blocks; i++) {
                if (p->wp.ledger.regions[p->region].in_block[p->block] && !add_block(p, s, limit))
                        break;
                next_block(p);
        }
        for (unsigned i = 0; i < s->n; i++) {
                const struct hb_target_region *r = &p->wp.base.target->regions[s->run[i].region];

                s->calls[i] = (struct hb_inject_call){
                        .nr = SYS_madvise,
                        .arg = {r->remote_addr + (s->run[i].gfn - r->first_gfn) * HB_PAGE_SIZE,
                                s->run[i].pages * HB_PAGE_SIZE, MADV_DONTNEED}};
        }
}

/* The one check that stands between a drop and somebody's private memory. */
static bool still_shared(const hb_target *t) {
        struct hb_buf maps = {0};
        uint64_t covered = 0, wanted = 0;
        bool ok = hb_procmaps_read(t->pid, &maps) == 0;
        struct hb_rd in = hb_rd_init(maps.data, maps.len);
        struct hb_vma v;

        for (uint32_t i = 0; i < t->shape.nregions; i++)
                wanted += t->regions[i].bytes;
        while (ok && hb_procmaps_next(&in, &v))
                for (uint32_t i = 0; i < t->shape.nregions; i++) {
                        const struct hb_target_region *r = &t->regions[i];
                        uint64_t lo = v.start > r->remote_addr ? v.start : r->remote_addr;
                        uint64_t hi = v.end < r->remote_addr + r->bytes ? v.end : r->remote_addr + r->bytes;

                        if (lo >= hi)
                                continue;
                        ok = ok && v.shared && v.ino == r->ino &&
                             makedev(v.dev_major, v.dev_minor) == r->dev &&
                             v.offset + (lo - v.start) == r->file_offset + (lo - r->remote_addr);
                        covered += hi - lo;
                }
        hb_buf_free(&maps);
        return ok && covered == wanted;
}

static void watch_resident(struct hb_present *p, uint64_t gfn, uint64_t pages) {
        uint64_t at = gfn, end = gfn + pages, first, count;

        while (at < end && hb_bitmap_next_run(p->wp.ledger.resident, at, end - at, &first, &count) &&
               first < end) {
                count = count < end - first ? count : end - first;
                hb_bitmap_set_range(&p->watch, first, count);
                at = first + count;
        }
}

/* Marks what was dropped, pays, and learns what a page's drop costs. */
static void settle_drop(struct hb_present *p, const struct slice *s, uint64_t stopped_ns) {
        double page_ns = s->pages ? (double)stopped_ns / (double)s->pages : 0;

        for (unsigned i = 0; i < s->n; i++)
                if (s->calls[i].result == 0)
                        watch_resident(p, s->run[i].gfn, s->run[i].pages);
        p->credit_ns -= (double)stopped_ns + (double)s->fresh * (double)p->wp.fault_ns;
        p->drop_page_ns = p->drop_page_ns > 0 ? 0.7 * p->drop_page_ns + 0.3 * page_ns : page_ns;
}

static uint64_t affordable(const struct hb_present *p) {
        double each = p->drop_page_ns + (double)p->wp.fault_ns;

        return p->credit_ns <= 0 ? 0 : (uint64_t)(p->credit_ns / each);
}

static void note_holes(struct hb_present *p, const struct slice *s) {
        for (unsigned i = 0; i < s->n; i++) {
                if (!s->run[i].holes)
                        continue;
                p->wp.recheck[p->wp.rechecks].region = s->run[i].region;
                p->wp.recheck[p->wp.rechecks].gfn = s->run[i].gfn;
                p->wp.recheck[p->wp.rechecks++].pages = s->run[i].pages;
        }
}

/* A drop that fails costs this epoch's sample, never the scan. */
static void drop_slice(struct hb_present *p, struct hb_scan *s) {
        uint64_t can = affordable(p), limit = can < p->slice_pages ? can : p->slice_pages, stopped = 0;
        struct slice *sl;

        /* A block at a time is dropped, so what cannot pay for one block saves up. */
        if (limit < FIRST_PAGES || !(sl = calloc(1, sizeof *sl)))
                return;
        choose_slice(p, sl, limit);
        note_holes(p, sl); /* before the drop: it may be done although the call for it fails */
        if (sl->n && !hb_fault("track.drop") && still_shared(p->wp.base.target) &&
            hb_inject_run(p->wp.inject, sl->calls, sl->n, &stopped, NULL) == 0) {
                settle_drop(p, sl, stopped);
                s->guest_ns += stopped + sl->fresh * p->wp.fault_ns;
                p->slice_pages = can > p->slice_pages ? p->slice_pages * GROWTH : p->slice_pages;
        }
        free(sl);
}

static void earn(struct hb_present *p) {
        uint64_t now = hb_now_ns();
        double most = p->budget * (double)p->epoch_ns * 2, earned = p->budget * (double)(now - p->last_ns);

        p->credit_ns += earned;
        /* One epoch may be saved, or what one block costs where that is more. */
        if (most < 2.0 * FIRST_PAGES * (p->drop_page_ns + (double)p->wp.fault_ns))
                most = 2.0 * FIRST_PAGES * (p->drop_page_ns + (double)p->wp.fault_ns);
        p->credit_ns = p->credit_ns < most ? p->credit_ns : most;
        p->last_ns = now;
}

static int present_scan(hb_tracker *t, struct hb_scan *s, struct hb_err *e) {
        struct hb_present *p = (struct hb_present *)t;
        uint64_t began;
        int r = hb_wp_scan(t, s, e);

        if (r < 0 || s->writes_only)
                return r;
        began = hb_now_ns();
        r = observe(p, s);
        if (r < 0) {
                p->wp.repeat = true; /* the caller will not look at what this scan found */
                return hb_wp_explain(&p->wp, r, e);
        }
        earn(p);
        drop_slice(p, s);
        s->scan_ns += hb_now_ns() - began;
        return 0;
}

static int present_detach(hb_tracker *t, struct hb_err *e) {
        return hb_wp_detach(t, e);
}

static void present_free(hb_tracker *t) {
        struct hb_present *p = (struct hb_present *)t;

        hb_bitmap_fini(&p->watch);
        hb_wp_fini(&p->wp);
        free(p);
}

static const struct hb_track_ops present_ops = {
        .scan = present_scan, .commit = hb_wp_commit, .detach = present_detach, .free = present_free};

static int refuse(const char *which, struct hb_err *e, const char *why) {
        return hb_err_set(e, -EOPNOTSUPP, which, "use the wp tracker: the same writes, no reads", "%s", why);
}

/* Locked memory (QEMU: -overcommit mem-lock=on) cannot be dropped; one page tells. */
static int try_drop(struct hb_present *p, struct hb_err *e) {
        hb_target *t = p->wp.base.target;
        struct hb_inject_call c = {.nr = SYS_madvise, .arg = {0, HB_PAGE_SIZE, MADV_DONTNEED}};
        uint64_t gfn, count;
        int r;

        if (!still_shared(t))
                return refuse(t->regions[0].name, e, "the region is not mapped as it was");
        if (!hb_bitmap_next_run(p->wp.ledger.resident, 0, 1, &gfn, &count))
                return 0;
        r = hb_shape_region_of(&t->shape, gfn);
        if (r < 0)
                return r;
        c.arg[0] = t->regions[r].remote_addr + (gfn - t->regions[r].first_gfn) * HB_PAGE_SIZE;
        r = hb_inject_run(p->wp.inject, &c, 1, NULL, e);
        if (r < 0)
                return r;
        if (c.result < 0)
                return refuse(t->regions[0].name, e,
                              "the guest's memory is locked (mem-lock=on), so accesses cannot be sampled");
        return 0;
}

int hb_present_open(hb_target *t, const struct hb_tracker_options *o, hb_tracker **ret, struct hb_err *e) {
        struct hb_present *p;
        int r;

        for (uint32_t i = 0; i < t->shape.nregions; i++)
                if (t->regions[i].backing == HB_BACKING_HUGETLB)
                        return refuse(t->regions[i].name, e, "reads of huge pages are not sampled");
        p = calloc(1, sizeof *p);
        if (!p)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        p->wp.base.ops = &present_ops;
        p->wp.base.caps = &hb_caps_present;
        p->budget = o->guest_budget > 0 ? o->guest_budget : 0.01;
        p->epoch_ns = o->epoch_ns ? o->epoch_ns : HB_NS_PER_S;
        p->slice_pages = FIRST_PAGES;
        p->last_ns = hb_now_ns();
        p->wp.lock_fd = p->wp.pagemap = p->wp.uffd = -1;
        r = hb_bitmap_init(&p->watch, t->shape.pages);
        if (r < 0)
                hb_err_set(e, r, NULL, NULL, "out of memory");
        else
                r = hb_wp_init(&p->wp, t, o, e);
        /* Leave the target as it was; a predecessor's tracking is left for `wp` to go on with. */
        if (r == 0 && (r = try_drop(p, e)) < 0 && !p->wp.base.resumed)
                (void)hb_wp_detach(&p->wp.base, NULL);
        if (r < 0) {
                present_free(&p->wp.base);
                return r;
        }
        *ret = &p->wp.base;
        return 0;
}
