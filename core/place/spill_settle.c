/* spill_settle: what became of a run: the only place where a page's flag is set, and taken away after
 * reading.
 *
 * The order of stores, each of which a kill may follow:
 *   out   sum, flag, memory given up       in   bytes and sum agree, flag taken away
 * So at every instant a page without the flag is whole in memory, and one with it is whole in the file under
 * its sum, or found out by it. What changed while the run was under way (an invalidation) makes it void: the
 * stamp must be the one it went with and the page still fresh. */
#include "base/fault.h"
#include "place/spill.h"
#include <errno.h>

#define BACK_OFF_NS 2000000000ull

static void no_longer_busy(struct hb_spill *s, const struct hb_spill_run *r) {
        hb_bitmap_clear_range(r->what == HB_SPILL_TRIM ? &s->trimmed : &s->busy, r->gfn, r->pages);
}

static void trouble(struct hb_spill *s, int status) {
        s->s.errors++;
        s->s.error = status;
        s->pause_until_ns = s->now_ns + BACK_OFF_NS;
        if (status == -ENOSPC || status == -EDQUOT)
                s->full = s->trimming = true;
}

/* ---- out ---- */

static bool still_as_sent(const struct hb_spill *s, const struct hb_spill_run *r, uint32_t k) {
        const struct hb_image_page *p = &s->i->pages[r->gfn + k];

        return hb_spill_fresh(p) && p->c.stamp == r->stamp[k] && !(p->flags & (HB_IP_ZERO | HB_IP_SPILLED));
}

static void mark(struct hb_spill *s, const struct hb_spill_run *r, uint32_t k) {
        uint64_t gfn = r->gfn + k;

        __atomic_store_n(&s->file.sums[gfn], r->sum[k], __ATOMIC_RELEASE);
        hb_fault("spill.summed");
        __atomic_or_fetch(&s->i->pages[gfn].flags, HB_IP_SPILLED, __ATOMIC_RELEASE);
        hb_fault("spill.marked");
        hb_spill_set(&s->on_disk, gfn, true, &s->spilled);
        hb_spill_set(&s->clean, gfn, false, &s->cleans);
}

static void went_out(struct hb_spill *s, const struct hb_spill_run *r) {
        uint32_t from = 0, k;

        hb_fault("spill.written");
        s->s.written_pages += r->pages;
        for (k = 0; k <= r->pages; k++) {
                if (k < r->pages && still_as_sent(s, r, k)) {
                        mark(s, r, k);
                        continue;
                }
                if (k > from)
                        hb_image_punch(s->i, r->gfn + from, k - from);
                from = k + 1;
        }
        hb_fault("spill.punched");
}

static void settle_write(struct hb_spill *s, const struct hb_spill_run *r) {
        s->leaving -= r->pages;
        if (r->status < 0) {
                trouble(s, r->status);
                return;
        }
        s->full = false;
        s->s.error = 0;
        went_out(s, r);
}

/* ---- in ---- */

/* What was read is of use only to a page that is still the one it was read for. */
static bool still_asked(const struct hb_spill *s, const struct hb_spill_run *r, uint32_t k) {
        const struct hb_image_page *p = &s->i->pages[r->gfn + k];

        return hb_bitmap_test(&s->on_disk, r->gfn + k) && hb_spill_fresh(p) && p->c.stamp == r->stamp[k];
}

static void came_in(struct hb_spill *s, const struct hb_spill_run *r) {
        hb_fault("spill.read_back");
        for (uint32_t k = 0; k < r->pages; k++) {
                if (!still_asked(s, r, k)) {
                        if (hb_coherency_judge(s->i->pages[r->gfn + k].c) != HB_PAGE_FRESH)
                                hb_image_punch(s->i, r->gfn + k, 1);
                } else if (r->wrong >> k & 1) {
                        s->s.wrong_pages++;
                        hb_spill_lose(s, r->gfn + k, 1);
                } else {
                        hb_spill_unmark(s, r->gfn + k);
                        hb_spill_set(&s->clean, r->gfn + k, true, &s->cleans);
                        s->s.read_pages++;
                }
        }
        hb_fault("spill.unmarked");
}

/* Memory that is not there now may be there later; a block that cannot be read never will. */
static bool no_memory(int status) {
        return status == -EFAULT || status == -ENOMEM;
}

static void settle_read(struct hb_spill *s, struct hb_spill_run *r) {
        s->coming -= r->pages;
        if (r->status == 0) {
                came_in(s, r);
                return;
        }
        trouble(s, r->status);
        if (no_memory(r->status))
                hb_image_punch(s->i, r->gfn, r->pages);
        for (uint32_t k = 0; k < r->pages && !no_memory(r->status); k++)
                if (still_asked(s, r, k)) {
                        s->s.wrong_pages++;
                        hb_spill_lose(s, r->gfn + k, 1);
                }
}

/* Told again, it would be dropped again: then there is a page less to trim, which is no harm. */
static void settle_trim(struct hb_spill *s, const struct hb_spill_run *r) {
        if (r->status == 0)
                s->full = false;
        hb_fault("spill.trimmed");
}

void hb_spill_settle(struct hb_spill *s, struct hb_spill_run *r) {
        while (r) {
                struct hb_spill_run *next = r->next;

                no_longer_busy(s, r);
                if (r->what == HB_SPILL_WRITE)
                        settle_write(s, r);
                else if (r->what == HB_SPILL_READ)
                        settle_read(s, r);
                else
                        settle_trim(s, r);
                hb_pool_put(s->runs, r);
                s->freed = true;
                r = next;
        }
}
