/* summary_pages: format 1. Two passes over the due pages of the picked blocks: the first forms runs of like
 * pages and adds up their cost by heat, the second writes the runs that the budget allows, hottest class
 * first, within the class that is cut from where the last summary stopped. A block whose turn it is goes
 * before all classes. Where all is sure to fit, only the second.
 *
 * Both passes form the same runs because nothing is marked sent in between. */
#include "map/heat.h"
#include "map/summary_format.h"
#include "map/summary_priv.h"
#include <errno.h>
#include <string.h>

#define LOOK        128u
#define FLAT_BLOCKS (1u << 15) /* 64 GiB: a MiB of bitmap */

struct run {
        uint64_t gfn, pages;
        struct hb_map_brief b;
        bool turn;
};

struct pass {
        hb_summary_encoder *s;
        uint32_t epoch;
        uint64_t cost[HB_SUMMARY_CLASSES], end;
        struct hb_buf *out; /* NULL: first pass */
        bool all;           /* all of it fits, and nothing waits behind the cursor */
        bool flat;          /* all blocks are picked, and so few that their pages are walked as one */
        size_t limit;       /* out->len may not pass it */
        unsigned cut;       /* classes above go whole, this one from the cursor on, */
        uint64_t cut_room;  /* as far as they leave room */
        uint64_t stopped;   /* gfn where the budget ended, UINT64_MAX: it did not */
};

/* ---- which pages, in which runs ---- */

static bool alike(const struct hb_map_brief *a, const struct hb_map_brief *b) {
        return a->version == b->version && a->last_access == b->last_access && a->resident == b->resident &&
               hb_summary_distance(a->write_q, b->write_q) < HB_SUMMARY_STEPS &&
               hb_summary_distance(a->read_q, b->read_q) < HB_SUMMARY_STEPS;
}

static unsigned class_of(const struct run *r) {
        return r->turn ? HB_SUMMARY_TURN : hb_summary_class(&r->b);
}

static unsigned varint_size(uint64_t v) {
        unsigned n = 1;

        while (v >>= 7)
                n++;
        return n;
}

static uint8_t flags_of(const struct hb_map_brief *b) {
        unsigned f = b->resident ? HB_SF_RESIDENT : 0;

        f |= b->write_q ? HB_SF_WRITE_Q : 0;
        f |= b->read_q ? HB_SF_READ_Q : 0;
        f |= b->version ? HB_SF_VERSION : 0;
        if (b->version && b->last_access == b->version)
                f |= HB_SF_ACCESS_IS_VERSION;
        else if (b->last_access)
                f |= HB_SF_ACCESS;
        return (uint8_t)f;
}

static unsigned entry_size(const struct pass *p, const struct run *r) {
        uint8_t f = flags_of(&r->b);
        unsigned n = varint_size(r->gfn - p->end) + varint_size(r->pages) + 1;

        n += !!(f & HB_SF_WRITE_Q) + !!(f & HB_SF_READ_Q);
        n += f & HB_SF_VERSION ? varint_size(p->epoch - r->b.version) : 0;
        n += f & HB_SF_ACCESS ? varint_size(p->epoch - r->b.last_access) : 0;
        return n;
}

/* The room was asked for, so nothing is checked here. */
static void put_entry(struct pass *p, const struct run *r) {
        uint8_t f = flags_of(&r->b), *to = p->out->data + p->out->len;

        to = hb_summary_put_varint(to, r->gfn - p->end);
        to = hb_summary_put_varint(to, r->pages);
        *to++ = f;
        if (f & HB_SF_WRITE_Q)
                *to++ = r->b.write_q;
        if (f & HB_SF_READ_Q)
                *to++ = r->b.read_q;
        if (f & HB_SF_VERSION)
                to = hb_summary_put_varint(to, p->epoch - r->b.version);
        if (f & HB_SF_ACCESS)
                to = hb_summary_put_varint(to, p->epoch - r->b.last_access);
        p->out->len = (size_t)(to - p->out->data);
}

/* All of a run were due. */
static void clear_run(hb_summary_encoder *s, uint64_t gfn, uint64_t pages) {
        hb_bitmap_clear_range(&s->due, gfn, pages);
        s->due_total -= pages;
        while (pages > 0) {
                uint64_t left = HB_BLOCK_PAGES - gfn % HB_BLOCK_PAGES, n = pages < left ? pages : left;

                s->block[gfn >> HB_BLOCK_SHIFT].due = (uint16_t)(s->block[gfn >> HB_BLOCK_SHIFT].due - n);
                gfn += n;
                pages -= n;
        }
}

static void mark_sent(hb_summary_encoder *s, const struct run *r) {
        memset(s->sent_write + r->gfn, (int)r->b.write_q + 1, r->pages);
        memset(s->sent_read + r->gfn, (int)r->b.read_q + 1, r->pages);
        clear_run(s, r->gfn, r->pages);
        if (r->b.resident)
                hb_bitmap_set_range(&s->sent_resident, r->gfn, r->pages);
        else
                hb_bitmap_clear_range(&s->sent_resident, r->gfn, r->pages);
}

/* What the gap before it may be longer by in the second pass, where others are left out: those that go first
 * are few and far between. */
static unsigned wider_gap(const struct run *r) {
        return r->turn ? 3 : 1;
}

/* If gaps are wider still, a few that the first pass counted in do not fit: they stay. */
static bool admitted(struct pass *p, const struct run *r, unsigned class, unsigned size) {
        if (class < p->cut || (class == p->cut && (r->gfn < p->s->cursor || p->stopped != UINT64_MAX)))
                return false;
        if (class > p->cut)
                return p->out->len + size <= p->limit;
        if (size > p->cut_room || p->out->len + size > p->limit) {
                p->stopped = r->gfn;
                return false;
        }
        p->cut_room -= size;
        return true;
}

static void close_run(struct pass *p, struct run *r) {
        if (r->pages == 0)
                return;
        if (!p->out) {
                p->cost[class_of(r)] += entry_size(p, r) + wider_gap(r);
                p->end = r->gfn + r->pages;
        } else if (p->all || admitted(p, r, class_of(r), entry_size(p, r))) {
                put_entry(p, r);
                mark_sent(p->s, r);
                p->end = r->gfn + r->pages;
        }
        r->pages = 0;
}

static void look_at(struct pass *p, struct run *r, uint64_t gfn, const struct hb_map_brief *b, bool turn) {
        if (p->s->sent_write[gfn] && hb_summary_believed(p->s, gfn, b)) {
                hb_summary_clear_due(p->s, gfn);
        } else if (r->pages && r->gfn + r->pages == gfn && r->turn == turn && alike(&r->b, b)) {
                r->pages++;
        } else {
                close_run(p, r);
                *r = (struct run){.gfn = gfn, .pages = 1, .b = *b, .turn = turn};
        }
}

static void walk_pages(struct pass *p, struct run *r, uint64_t at, uint64_t end, bool turn) {
        struct hb_bitmap upto = p->s->due;
        struct hb_map_brief b[LOOK];
        uint32_t gfn[LOOK], n;

        if (end < upto.bits)
                upto.bits = end;
        while ((n = hb_bitmap_list(&upto, &at, gfn, LOOK)) > 0) {
                hb_summary_briefs(p->s, p->epoch, gfn, n, b);
                for (uint32_t i = 0; i < n; i++)
                        look_at(p, r, gfn[i], &b[i], turn);
                p->s->looked += 4ull * n;
        }
}

static void walk(struct pass *p) {
        struct run r = {0};

        if (p->flat)
                walk_pages(p, &r, 0, UINT64_MAX, false);
        for (uint64_t b = 0; b < p->s->blocks && !p->flat; b++) {
                const struct hb_summary_block *k = &p->s->block[b];
                uint64_t at = b << HB_BLOCK_SHIFT;

                if (k->pick != HB_PICK_NOT)
                        walk_pages(p, &r, at, at + HB_BLOCK_PAGES,
                                   k->pick == HB_PICK_TURN || k->class == HB_SUMMARY_TURN);
        }
        close_run(p, &r);
}

/* ---- the budget ---- */

/* Sets the class at which `budget` is used up and what it may use; 0 and everything when all fits. Returns
 * the bytes of all. */
static uint64_t find_cut(struct pass *p, uint64_t budget) {
        uint64_t sum = 0, above = 0;
        bool over = false;

        for (unsigned c = HB_SUMMARY_CLASSES; c-- > 0; sum += p->cost[c]) {
                if (over || sum + p->cost[c] <= budget)
                        continue;
                over = true;
                p->cut = c;
                above = sum;
        }
        p->cut_room = budget - above;
        return sum;
}

static int64_t write_out(struct pass *p, struct hb_buf *out, uint64_t room) {
        size_t start = out->len;

        if (!hb_summary_begin(p->s, HB_SUMMARY_FORMAT, p->epoch, room, out))
                return -ENOMEM;
        p->out = out;
        p->end = 0;
        p->limit = start + HB_SUMMARY_HEAD + room;
        p->stopped = UINT64_MAX;
        walk(p);
        p->s->cursor = p->stopped == UINT64_MAX ? 0 : p->stopped;
        if (out->len == start + HB_SUMMARY_HEAD)
                out->len = start;
        return (int64_t)(out->len - start);
}

int64_t hb_summary_pages(hb_summary_encoder *s, uint32_t epoch, uint64_t budget, bool whole,
                         struct hb_buf *out) {
        struct pass p = {.s = s, .epoch = epoch};
        uint64_t total;

        if (whole) { /* no need to find out what all of it costs */
                p.flat = s->blocks <= FLAT_BLOCKS;
                total = s->due_total * HB_SUMMARY_ENTRY_MOST;
                p.cut_room = total;
                p.all = s->cursor == 0;
                return write_out(&p, out, total);
        }
        walk(&p);
        total = find_cut(&p, budget);
        return total == 0 ? 0 : write_out(&p, out, total < budget ? total : budget);
}
