/* spill_choose: which pages leave memory, and which come back.
 *
 * A hand goes round the image's records, as in CLOCK, and counts pages by class of warmth; the counts of its
 * last round say which classes are cold enough that a sixteenth of the image, or what is needed if that is
 * more, lies below the cut. Spilling begins a margin below the budget, so that fetches go on while it works,
 * and ends two margins below. What the hand finds on the disk clearly warmer than what is coldest in memory
 * comes back, into what room there is; then something colder leaves. When everything is promoted, by groups
 * of classes, hottest first: neighbours within a group are still read together.
 *
 * Cost: at most WALK records (1 MiB) in WALK_NS, however often we are called. */
#include "base/fault.h"
#include "map/heat.h"
#include "place/spill.h"
#include <string.h>

#define WALK       65536u
#define WALK_IDLE  8192u
#define WALK_NS    20000000ull
#define MARGIN_MAX (32ull << 20)
#define ENOUGH     64u /* pages of a class worth a swap */
#define WARMER     2u  /* classes */
#define TRIM_RUN   4096u
#define TRIM_SLACK 4096u /* pages of junk that are let be */

/* ---- warmth ---- */

#define CLASS_0 40u /* of hb_heat_q: about once in half an hour */
#define OCTAVE  8u

/* Heat decays by e in HB_HEAT_TAU_S: in eighths of an octave, 0.577 a second, taken as an epoch. */
static unsigned cooled(uint8_t q, uint32_t age) {
        uint64_t lost = (uint64_t)age * 37 / 64;

        return lost < q ? q - (unsigned)lost : 0;
}

unsigned hb_spill_class(const struct hb_image_page *p, uint32_t epoch) {
        uint32_t age = epoch > p->last_access ? epoch - p->last_access : 0;
        unsigned w = cooled(p->write_q, age), r = p->read_q, q, recent = 0;

        w = w ? w + OCTAVE : 0;
        q = w > r ? w : r;
        q = q > CLASS_0 ? (q - CLASS_0) / OCTAVE : 0;
        if (p->last_access)
                recent = age < 2 ? 8 : age < 8 ? 5 : age < 32 ? 2 : 0;
        q = q > recent ? q : recent;
        return q < HB_SPILL_CLASSES ? q : HB_SPILL_CLASSES - 1;
}

static unsigned class_of(const struct hb_spill *s, uint64_t gfn) {
        return hb_spill_class(&s->i->pages[gfn], hb_image_processed(s->i));
}

/* ---- how much ---- */

static uint64_t margin(const struct hb_spill *s) {
        uint64_t m = s->o.ram_bytes / 16;

        return m < MARGIN_MAX ? m : MARGIN_MAX;
}

uint64_t hb_spill_high(const struct hb_spill *s) {
        return s->o.ram_bytes - margin(s);
}

uint64_t hb_spill_low(const struct hb_spill *s) {
        return s->o.ram_bytes - 2 * margin(s);
}

static uint64_t more_than(uint64_t a, uint64_t b) {
        return a > b ? a - b : 0;
}

/* Pages to send out now. */
static uint64_t to_leave(struct hb_spill *s, uint64_t ram) {
        uint64_t stays = more_than(ram, s->leaving << HB_PAGE_SHIFT);

        if (s->o.ram_bytes == 0)
                return 0;
        if (stays > hb_spill_high(s))
                s->out = true;
        else if (stays <= hb_spill_low(s))
                s->out = false;
        return s->out ? (more_than(stays, hb_spill_low(s)) + HB_PAGE_SIZE - 1) >> HB_PAGE_SHIFT : 0;
}

static uint64_t room_to_return(const struct hb_spill *s, uint64_t ram) {
        if (s->spilled == 0 || s->out)
                return 0;
        if (s->o.ram_bytes == 0)
                return s->spilled;
        return more_than(hb_spill_high(s), ram + (s->coming << HB_PAGE_SHIFT)) >> HB_PAGE_SHIFT;
}

/* The class from which spilled pages come back. */
static unsigned warm_enough(const struct hb_spill *s, uint64_t room) {
        unsigned c = 0;

        if (room >= s->spilled) /* there is room for all */
                return 0;
        while (c < HB_SPILL_CLASSES && s->last.memory[c] < ENOUGH)
                c++;
        return c + WARMER;
}

static void set_cut(struct hb_spill *s, uint64_t need) {
        uint64_t all = 0, sum = 0;
        unsigned c = 0;

        for (unsigned k = 0; k < HB_SPILL_CLASSES; k++)
                all += s->last.memory[k];
        if (need < all / 16)
                need = all / 16;
        for (sum = s->last.memory[0]; sum < need && c < HB_SPILL_CLASSES - 1; sum += s->last.memory[c])
                c++;
        s->cut = c;
}

/* ---- one run ---- */

void hb_spill_go(struct hb_spill *s, enum hb_spill_what what, uint64_t gfn, uint32_t pages) {
        struct hb_spill_run *r = hb_pool_get(s->runs);

        if (!r)
                return;
        r->what = what;
        r->gfn = gfn;
        r->pages = pages;
        r->mem = hb_image_at(s->i, gfn);
        r->file = hb_image_file_of(s->i, gfn, &r->file_at);
        for (uint32_t k = 0; what != HB_SPILL_TRIM && k < pages; k++) {
                r->stamp[k] = s->i->pages[gfn + k].c.stamp;
                r->sum[k] = s->file.sums[gfn + k];
        }
        hb_bitmap_set_range(what == HB_SPILL_TRIM ? &s->trimmed : &s->busy, gfn, pages);
        if (what == HB_SPILL_READ)
                s->coming += pages;
        if (what == HB_SPILL_WRITE) {
                s->leaving += pages;
                for (uint32_t k = 0; k < pages; k++)
                        hb_spill_set(&s->slots, gfn + k, true, &s->used_slots);
        }
        hb_spill_io_put(s->io, r);
}

static bool may_leave(const struct hb_spill *s, uint64_t gfn) {
        const struct hb_image_page *p = &s->i->pages[gfn];

        return hb_spill_fresh(p) && !(p->flags & (HB_IP_ZERO | HB_IP_SPILLED)) && p->fetches > 0 &&
               !hb_bitmap_test(&s->busy, gfn) && !hb_bitmap_test(&s->trimmed, gfn);
}

static bool may_return(const struct hb_spill *s, uint64_t gfn) {
        return hb_bitmap_test(&s->on_disk, gfn) && !hb_bitmap_test(&s->busy, gfn);
}

static uint64_t region_end(const struct hb_spill *s, uint64_t gfn) {
        const struct hb_shape *shape = &s->i->state.shape;
        const struct hb_region *r = &shape->regions[hb_shape_region_of(shape, gfn)];

        return r->first_gfn + r->pages;
}

static uint64_t run_limit(const struct hb_spill *s, uint64_t gfn, uint64_t most) {
        uint64_t end = region_end(s, gfn), limit = most < HB_SPILL_RUN ? most : HB_SPILL_RUN;

        return end - gfn < limit ? end - gfn : limit;
}

/* The disk has the same bytes still. */
static void leave_again(struct hb_spill *s, uint64_t gfn) {
        hb_spill_set(&s->clean, gfn, false, &s->cleans);
        __atomic_or_fetch(&s->i->pages[gfn].flags, HB_IP_SPILLED, __ATOMIC_RELEASE);
        hb_fault("spill.again");
        hb_spill_set(&s->on_disk, gfn, true, &s->spilled);
        s->s.again_pages++;
        hb_image_punch(s->i, gfn, 1);
}

/* The next fetch brings all of a stale page: until then its memory is of no use. */
static bool is_husk(const struct hb_spill *s, uint64_t gfn) {
        const struct hb_image_page *p = &s->i->pages[gfn];

        return !(p->flags & (HB_IP_FETCHING | HB_IP_ZERO)) && hb_coherency_judge(p->c) == HB_PAGE_STALE &&
               p->fetches > 0 && !hb_bitmap_test(&s->hollow, gfn) && !hb_bitmap_test(&s->busy, gfn);
}

static uint32_t give_back(struct hb_spill *s, uint64_t gfn, uint64_t most) {
        uint64_t limit = run_limit(s, gfn, most);
        uint32_t k = 1;

        while (k < limit && is_husk(s, gfn + k))
                k++;
        hb_bitmap_set_range(&s->hollow, gfn, k);
        hb_image_punch(s->i, gfn, k);
        return k;
}

/* From gfn on, which may leave and is of class `c`; all are counted. */
static uint32_t leave_run(struct hb_spill *s, uint64_t gfn, unsigned c, uint64_t most) {
        uint64_t limit = run_limit(s, gfn, most);
        uint32_t k = 0;

        if (hb_bitmap_test(&s->clean, gfn)) {
                s->now.memory[c]++;
                leave_again(s, gfn);
                return 1;
        }
        do {
                s->now.memory[c]++;
                k++;
                if (k < limit && may_leave(s, gfn + k) && !hb_bitmap_test(&s->clean, gfn + k))
                        c = class_of(s, gfn + k);
                else
                        limit = k;
        } while (k < limit && c <= s->cut);
        hb_spill_go(s, HB_SPILL_WRITE, gfn, k);
        return k;
}

static uint32_t return_run(struct hb_spill *s, uint64_t gfn, unsigned c, unsigned warm, uint64_t most) {
        uint64_t limit = run_limit(s, gfn, most);
        uint32_t k = 0;

        do {
                s->now.disk[c]++;
                k++;
                if (k < limit && may_return(s, gfn + k))
                        c = class_of(s, gfn + k);
                else
                        limit = k;
        } while (k < limit && c >= warm);
        hb_spill_go(s, HB_SPILL_READ, gfn, k);
        return k;
}

/* ---- the hand ---- */

struct wanted {
        uint64_t leave, come; /* pages */
        unsigned warm;
};

static uint32_t look(struct hb_spill *s, uint64_t gfn, struct wanted *w) {
        bool disk = hb_bitmap_test(&s->on_disk, gfn);
        unsigned c;
        uint32_t k = 1;

        if (w->leave > 0 && is_husk(s, gfn)) {
                k = give_back(s, gfn, w->leave);
                w->leave -= k;
                return k;
        }
        if (disk ? !may_return(s, gfn) : !may_leave(s, gfn))
                return 1;
        c = class_of(s, gfn);
        if (disk && w->come > 0 && c >= w->warm) {
                k = return_run(s, gfn, c, w->warm, w->come);
                w->come -= k;
        } else if (!disk && w->leave > 0 && c <= s->cut) {
                k = leave_run(s, gfn, c, w->leave);
                w->leave -= k;
        } else if (disk) {
                s->now.disk[c]++;
        } else {
                s->now.memory[c]++;
        }
        return k;
}

static void round_over(struct hb_spill *s, uint64_t need) {
        s->cursor = 0;
        s->last = s->now;
        memset(&s->now, 0, sizeof(s->now));
        set_cut(s, need);
}

static bool runs_left(const struct hb_spill *s) {
        return hb_pool_used(s->runs) < hb_pool_size(s->runs);
}

static void walk(struct hb_spill *s, struct wanted *w) {
        while (s->walk_left > 0 && runs_left(s)) {
                uint32_t k;

                if (s->cursor == s->pages)
                        round_over(s, w->leave);
                k = look(s, s->cursor, w);
                s->cursor += k;
                s->walk_left -= k < s->walk_left ? k : s->walk_left;
        }
}

static void refill(struct hb_spill *s, uint64_t pages) {
        if (s->now_ns - s->walked_ns < WALK_NS && s->walked_ns)
                return;
        s->walked_ns = s->now_ns;
        s->walk_left = pages < s->pages ? pages : s->pages;
}

static void keep_budget(struct hb_spill *s) {
        uint64_t ram = hb_image_allocated(s->i);
        struct wanted w = {.leave = to_leave(s, ram), .come = room_to_return(s, ram)};

        if (s->o.ram_bytes && s->spilled == 0 && ram < s->o.ram_bytes / 2)
                return;
        w.warm = warm_enough(s, w.come);
        refill(s, w.leave || w.come ? WALK : WALK_IDLE);
        walk(s, &w);
}

/* ---- everything back ---- */

static bool of_group(const struct hb_spill *s, uint64_t gfn) {
        unsigned per = HB_SPILL_CLASSES / HB_SPILL_GROUPS;

        return s->promote_group == HB_SPILL_GROUPS ||
               class_of(s, gfn) / per == HB_SPILL_GROUPS - 1 - s->promote_group;
}

static uint32_t promote_run(struct hb_spill *s, uint64_t gfn) {
        uint64_t limit = run_limit(s, gfn, HB_SPILL_RUN);
        uint32_t k = 1;

        while (k < limit && may_return(s, gfn + k) && of_group(s, gfn + k))
                k++;
        hb_spill_go(s, HB_SPILL_READ, gfn, k);
        return k;
}

static void promote(struct hb_spill *s) {
        uint64_t first, n;

        refill(s, 16 * WALK);
        while (s->walk_left > 0 && runs_left(s) && s->spilled > s->coming) {
                if (!hb_bitmap_next_run(&s->on_disk, s->promote_at, 1, &first, &n)) {
                        s->promote_at = 0;
                        if (s->promote_group == HB_SPILL_GROUPS)
                                return; /* what is left is on its way; if not, the next call finds it */
                        s->promote_group++;
                        continue;
                }
                s->promote_at = first + 1;
                s->walk_left--;
                if (may_return(s, first) && of_group(s, first))
                        s->promote_at = first + promote_run(s, first);
        }
}

/* ---- blocks that nobody needs ---- */

static uint64_t junk(const struct hb_spill *s) {
        return more_than(s->used_slots, s->spilled + s->cleans + s->leaving);
}

static bool is_junk(const struct hb_spill *s, uint64_t gfn) {
        return hb_bitmap_test(&s->slots, gfn) && !hb_bitmap_test(&s->on_disk, gfn) &&
               !hb_bitmap_test(&s->clean, gfn) && !hb_bitmap_test(&s->busy, gfn) &&
               !hb_bitmap_test(&s->trimmed, gfn);
}

static void trim(struct hb_spill *s) {
        uint64_t first, n;

        if (s->full && s->cleans > 0) {
                hb_bitmap_clear_all(&s->clean);
                s->cleans = 0;
        }
        while (hb_pool_used(s->runs) + 4 < hb_pool_size(s->runs)) {
                uint32_t k = 0;

                if (!hb_bitmap_next_run(&s->slots, s->trim_at, TRIM_RUN, &first, &n)) {
                        s->trim_at = 0;
                        s->trimming = false;
                        return;
                }
                while (k < n && is_junk(s, first + k))
                        hb_spill_set(&s->slots, first + k++, false, &s->used_slots);
                s->trim_at = first + (k ? k : 1);
                if (k > 0)
                        hb_spill_go(s, HB_SPILL_TRIM, first, k);
        }
}

void hb_spill_choose(struct hb_spill *s) {
        bool paused = s->now_ns < s->pause_until_ns;

        if (s->promoting) {
                if (!paused)
                        promote(s);
                return; /* the disk is for the guest that waits */
        }
        if (!paused)
                keep_budget(s);
        if (junk(s) > s->spilled + TRIM_SLACK)
                s->trimming = true;
        if (s->trimming)
                trim(s);
}
