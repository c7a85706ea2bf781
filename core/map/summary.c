/* summary: the encoder. A page has news when the map's watch says so *and* the target's belief is wrong: a
 * target knows of writes from the announcements and decays heat itself, so a page written at its usual pace
 * costs nothing here.
 *
 * Two passes over the pages with news, nothing over the others: the first forms runs of like pages and adds
 * up their cost by heat, the second writes the runs that the budget allows, hottest class first, within the
 * class that is cut from where the last summary stopped. Where all is sure to fit, only the second. Both
 * passes form the same runs because nothing is marked sent in between. Invariant: what `sent_*` holds is what
 * the target believes, provided every summary handed out is delivered in order; a lost one needs
 * hb_summary_reset. Owned by the map's thread. */
#include "map/summary.h"
#include "base/fault.h"
#include "map/heat.h"
#include "map/map_watch.h"
#include "map/summary_format.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CLASSES      256
#define ENTRY_MOST   23 /* bytes: two varints of a gfn's 33 bits, flags, two heat classes, two epochs */
#define LOOK         128u
#define RESEND_STEPS 2 /* heat classes a page must have moved by: a quarter of its rate */

struct hb_summary_encoder {
        hb_page_map *map;
        struct hb_map_watch watch;
        uint8_t *sent_write, *sent_read; /* heat class + 1; 0: never sent */
        struct hb_bitmap sent_resident;
        uint64_t cursor; /* where the class that did not fit goes on */
};

struct run {
        uint64_t gfn, pages;
        struct hb_map_brief b;
};

struct pass {
        hb_summary_encoder *s;
        uint32_t epoch;
        uint64_t cost[CLASSES], end;
        struct hb_buf *out; /* NULL: first pass */
        bool all;           /* all of it fits, and nothing waits behind the cursor */
        size_t limit;       /* out->len may not pass it */
        unsigned cut;       /* classes above go whole, this one from the cursor on, */
        uint64_t cut_room;  /* as far as they leave room */
        uint64_t stopped;   /* gfn where the budget ended, UINT64_MAX: it did not */
};

static size_t arrays_bytes(const hb_summary_encoder *s) {
        return 2 * (size_t)hb_page_map_shape(s->map)->pages;
}

int hb_summary_encoder_new(const hb_page_map *m, hb_summary_encoder **ret) {
        uint64_t pages = hb_page_map_shape(m)->pages;
        hb_summary_encoder *s = hb_fault("summary.new") ? NULL : calloc(1, sizeof(*s));
        void *p;
        int rc = -ENOMEM;

        if (!s)
                return -ENOMEM;
        s->map = (hb_page_map *)m; /* only its list of watches changes */
        p = mmap(NULL, arrays_bytes(s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
        if (p == MAP_FAILED)
                goto fail;
        s->sent_write = p;
        s->sent_read = s->sent_write + pages;
        rc = hb_bitmap_init(&s->sent_resident, pages);
        if (rc == 0)
                rc = hb_bitmap_init(&s->watch.news, pages);
        if (rc < 0)
                goto fail;
        hb_page_map_watch(s->map, &s->watch);
        hb_page_map_all_known(m, &s->watch.news);
        *ret = s;
        return 0;
fail:
        hb_summary_encoder_free(s);
        return rc;
}

hb_summary_encoder *hb_summary_encoder_free(hb_summary_encoder *s) {
        if (!s)
                return NULL;
        hb_page_map_unwatch(s->map, &s->watch);
        if (s->sent_write)
                munmap(s->sent_write, arrays_bytes(s));
        hb_bitmap_fini(&s->sent_resident);
        hb_bitmap_fini(&s->watch.news);
        free(s);
        return NULL;
}

void hb_summary_reset(hb_summary_encoder *s) {
        madvise(s->sent_write, arrays_bytes(s), MADV_DONTNEED); /* zeros again, and no memory */
        hb_page_map_all_known(s->map, &s->watch.news);
        s->cursor = 0;
}

bool hb_summary_due(const hb_summary_encoder *s) {
        uint64_t first, n;

        return hb_bitmap_next_run(&s->watch.news, 0, 1, &first, &n);
}

/* ---- which pages, in which runs ---- */

static unsigned distance(unsigned a, unsigned b) {
        return a > b ? a - b : b - a;
}

static bool believed(const hb_summary_encoder *s, uint64_t gfn, const struct hb_map_brief *b) {
        if (b->last_access != b->version) /* a read, or a write nobody really saw */
                return false;
        return s->sent_write[gfn] != 0 && hb_bitmap_test(&s->sent_resident, gfn) == b->resident &&
               distance(s->sent_write[gfn], b->write_q + 1u) < RESEND_STEPS &&
               distance(s->sent_read[gfn], b->read_q + 1u) < RESEND_STEPS;
}

static void brief(const struct pass *p, const uint32_t *gfn, uint32_t n, struct hb_map_brief *ret) {
        hb_page_map_briefs(p->s->map, gfn, n, ret);
        for (uint32_t i = 0; i < n; i++) { /* an epoch that was interrupted: not completed, not told */
                if (ret[i].version > p->epoch)
                        ret[i].version = p->epoch;
                if (ret[i].last_access > p->epoch)
                        ret[i].last_access = p->epoch;
        }
}

static bool alike(const struct hb_map_brief *a, const struct hb_map_brief *b) {
        return a->version == b->version && a->last_access == b->last_access && a->resident == b->resident &&
               distance(a->write_q, b->write_q) < RESEND_STEPS &&
               distance(a->read_q, b->read_q) < RESEND_STEPS;
}

static unsigned class_of(const struct hb_map_brief *b) {
        return b->write_q > b->read_q ? b->write_q : b->read_q;
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

static uint8_t *put_varint(uint8_t *to, uint64_t v) {
        for (; v >= 0x80; v >>= 7)
                *to++ = (uint8_t)(v | 0x80);
        *to++ = (uint8_t)v;
        return to;
}

/* The room was asked for, so nothing is checked here. */
static void put_entry(struct pass *p, const struct run *r) {
        uint8_t f = flags_of(&r->b), *to = p->out->data + p->out->len;

        to = put_varint(to, r->gfn - p->end);
        to = put_varint(to, r->pages);
        *to++ = f;
        if (f & HB_SF_WRITE_Q)
                *to++ = r->b.write_q;
        if (f & HB_SF_READ_Q)
                *to++ = r->b.read_q;
        if (f & HB_SF_VERSION)
                to = put_varint(to, p->epoch - r->b.version);
        if (f & HB_SF_ACCESS)
                to = put_varint(to, p->epoch - r->b.last_access);
        p->out->len = (size_t)(to - p->out->data);
}

static void mark_sent(hb_summary_encoder *s, const struct run *r) {
        for (uint64_t g = r->gfn; g < r->gfn + r->pages; g++) {
                s->sent_write[g] = (uint8_t)(r->b.write_q + 1);
                s->sent_read[g] = (uint8_t)(r->b.read_q + 1);
        }
        if (r->pages == 1) { /* the usual one, without the machinery for ranges */
                hb_bitmap_clear(&s->sent_resident, r->gfn);
                if (r->b.resident)
                        hb_bitmap_set(&s->sent_resident, r->gfn);
                hb_bitmap_clear(&s->watch.news, r->gfn);
                return;
        }
        if (r->b.resident)
                hb_bitmap_set_range(&s->sent_resident, r->gfn, r->pages);
        else
                hb_bitmap_clear_range(&s->sent_resident, r->gfn, r->pages);
        hb_bitmap_clear_range(&s->watch.news, r->gfn, r->pages);
}

/* Gaps are wider in the second pass, where entries are left out, so a few that the first pass counted in may
 * not fit: they stay. */
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
                p->cost[class_of(&r->b)] += entry_size(p, r);
                p->end = r->gfn + r->pages;
        } else if (p->all || admitted(p, r, class_of(&r->b), entry_size(p, r))) {
                put_entry(p, r);
                mark_sent(p->s, r);
                p->end = r->gfn + r->pages;
        }
        r->pages = 0;
}

static void look_at(struct pass *p, struct run *r, uint64_t gfn, const struct hb_map_brief *b) {
        if (believed(p->s, gfn, b)) {
                hb_bitmap_clear(&p->s->watch.news, gfn);
        } else if (r->pages && r->gfn + r->pages == gfn && alike(&r->b, b)) {
                r->pages++;
        } else {
                close_run(p, r);
                *r = (struct run){.gfn = gfn, .pages = 1, .b = *b};
        }
}

static void walk(struct pass *p) {
        struct hb_map_brief b[LOOK];
        struct run r = {0};
        uint32_t gfn[LOOK], n;
        uint64_t at = 0;

        while ((n = hb_bitmap_list(&p->s->watch.news, &at, gfn, LOOK)) > 0) {
                brief(p, gfn, n, b);
                for (uint32_t i = 0; i < n; i++)
                        look_at(p, &r, gfn[i], &b[i]);
        }
        close_run(p, &r);
}

/* ---- the budget ---- */

/* Sets the class at which `budget` is used up and what it may use; 0 and everything when all fits. Returns
 * the bytes of all. */
static uint64_t find_cut(struct pass *p, uint64_t budget) {
        uint64_t sum = 0, above = 0;
        bool over = false;

        for (unsigned c = CLASSES; c-- > 0; sum += p->cost[c]) {
                if (over || sum + p->cost[c] <= budget)
                        continue;
                over = true;
                p->cut = c;
                above = sum;
        }
        p->cut_room = budget - above;
        return sum;
}

static int64_t write_out(struct pass p, struct hb_buf *out, uint64_t room) {
        size_t start = out->len;

        /* All of it is asked for at once: past this point nothing can fail, so what is marked sent is sent.
         */
        if (!hb_buf_space(out, HB_SUMMARY_HEAD + room))
                return -ENOMEM;
        out->len = start;
        hb_buf_u8(out, HB_SUMMARY_FORMAT);
        hb_buf_u32(out, p.epoch);
        hb_buf_u64(out, hb_page_map_epoch_time_ns(p.s->map, p.epoch));
        p.out = out;
        p.end = 0;
        p.limit = start + HB_SUMMARY_HEAD + room;
        p.stopped = UINT64_MAX;
        walk(&p);
        p.s->cursor = p.stopped == UINT64_MAX ? 0 : p.stopped;
        if (out->len == start + HB_SUMMARY_HEAD)
                out->len = start;
        return (int64_t)(out->len - start);
}

int64_t hb_summary_encode(hb_summary_encoder *s, uint64_t max_bytes, struct hb_buf *out) {
        struct pass p = {.s = s, .epoch = hb_page_map_epoch(s->map)};
        uint64_t budget, total;
        int64_t rc;

        if (p.epoch == 0 || max_bytes <= HB_SUMMARY_HEAD)
                return 0;
        budget = max_bytes - HB_SUMMARY_HEAD;
        total = hb_bitmap_count(&s->watch.news) * ENTRY_MOST;
        if (total <= budget) { /* no need to find out what all of it costs */
                p.cut_room = total;
                p.all = s->cursor == 0;
                rc = write_out(p, out, total);
                return rc == 0 ? write_out(p, out, total) : rc;
        }
        walk(&p);
        total = find_cut(&p, budget);
        if (total == 0)
                return 0;
        rc = write_out(p, out, total < budget ? total : budget);
        if (rc == 0) /* nothing was left behind the cursor, which is at the start again */
                rc = write_out(p, out, total < budget ? total : budget);
        return rc;
}
