/* merge_side: several guests as one: what a host that runs them all would see.
 *
 * Each guest's time begins with its first epoch. The result's epochs are as long as the longest of the
 * guests'; an epoch of a guest goes into the one it is nearest to, so that clocks which jitter do not leave
 * some empty and fill others twice. Items are taken in the order of their times from all files at once.
 * Memory: one block a file and one epoch. One thread. */
#include "look/pipe.h"
#include "look/runs.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct guest {
        hb_trace_reader *in;
        const struct hb_trace_header *h;
        uint64_t first_gfn, first_ns; /* in the result; its own first epoch */
        struct hb_trace_item item;
        bool has;
};

struct side {
        struct hb_look_pipe p;
        struct guest g[HB_MAX_REGIONS];
        unsigned n;
        struct hb_trace_header h;
        struct hb_trace_access *a; /* of the epoch being gathered */
        size_t na, cap;
        uint32_t epoch;
        bool gathered;    /* some guest had that epoch */
        uint64_t last_ns; /* of what was written */
};

/* ---- the shape ---- */

/* "guest.region", shortened from its end; made different where that made it equal. */
static void region_name(const struct hb_shape *s, const char *guest, const char *region, char *out) {
        snprintf(out, HB_NAME_MAX, "%.31s.%.31s", guest, region);
        for (uint32_t i = 0; i < s->nregions; i++)
                if (strcmp(s->regions[i].name, out) == 0) {
                        snprintf(out, HB_NAME_MAX, "%.24s.%.24s.%u", guest, region, s->nregions);
                        return;
                }
}

static int add_regions(struct side *s, struct guest *g, const char *path, struct hb_err *e) {
        const struct hb_shape *from = &g->h->shape;
        struct hb_shape *to = &s->h.shape;

        g->first_gfn = to->pages;
        for (uint32_t i = 0; i < from->nregions; i++) {
                const struct hb_region *r = &from->regions[i];
                char name[HB_NAME_MAX];
                int rc;

                region_name(to, g->h->guest[0] ? g->h->guest : "guest", r->name, name);
                /* Whole huge pages would not fit a shape that was cut or grew: all are counted by 4 KiB. */
                rc = hb_shape_add(to, name, r->pages * HB_PAGE_SIZE, HB_PAGE_SIZE, e);
                if (rc < 0)
                        return hb_err_set(
                                e, rc, path, "merge fewer guests at once",
                                "the guests do not fit into one trace: at most %u regions, 2^32 pages",
                                HB_MAX_REGIONS);
        }
        return 0;
}

/* What all of them can say; what is to be known of any. */
static void join_header(struct side *s, const struct hb_trace_header *h, bool first) {
        uint32_t all = HB_TRACE_COUNTS | HB_TRACE_EXACT_READS | HB_TRACE_EXACT_WRITES | HB_TRACE_NO_READS;
        uint32_t any = HB_TRACE_ANONYMIZED | HB_TRACE_ROUNDED;

        s->h.flags = ((first ? h->flags : s->h.flags) & h->flags & all) | ((s->h.flags | h->flags) & any);
        s->h.origin = first || s->h.origin == h->origin ? h->origin : HB_TRACE_IMPORT;
        s->h.epoch_ns = h->epoch_ns > s->h.epoch_ns ? h->epoch_ns : s->h.epoch_ns;
        hb_look_note(&s->h, "%.60s", h->guest);
}

/* Time of the first epoch; 0: there is none. */
static int find_first(struct guest *g, struct hb_err *e) {
        int r;

        while ((r = hb_trace_reader_next(g->in, &g->item, e)) > 0 && g->item.kind != HB_TRACE_EPOCH)
                ;
        g->first_ns = r > 0 ? g->item.time_ns : 0;
        hb_trace_reader_rewind(g->in);
        return r < 0 ? r : 0;
}

static int open_guest(struct side *s, const char *path, struct hb_err *e) {
        struct guest *g = &s->g[s->n];
        int r = hb_look_pipe_open(&s->p, path, &g->in, e);

        if (r < 0)
                return r;
        s->n++;
        g->h = hb_trace_reader_header(g->in);
        join_header(s, g->h, s->n == 1);
        r = add_regions(s, g, path, e);
        return r < 0 ? r : find_first(g, e);
}

/* ---- time ---- */

/* On the result's clock: the first epoch of each guest ends one epoch after the beginning. */
static uint64_t time_of(const struct side *s, const struct guest *g) {
        uint64_t t = g->item.time_ns + s->h.epoch_ns;

        return t > g->first_ns ? t - g->first_ns : 0;
}

static uint32_t epoch_of(const struct side *s, uint64_t time_ns) {
        uint64_t k = (time_ns + s->h.epoch_ns / 2) / s->h.epoch_ns;

        return k < 1 ? 1 : k < UINT32_MAX ? (uint32_t)k : UINT32_MAX;
}

static int pull(struct guest *g, struct hb_err *e) {
        int r = hb_trace_reader_next(g->in, &g->item, e);

        g->has = r > 0;
        return r < 0 ? r : 0;
}

static struct guest *earliest(struct side *s) {
        struct guest *best = NULL;

        for (unsigned i = 0; i < s->n; i++)
                if (s->g[i].has && (!best || time_of(s, &s->g[i]) < time_of(s, best)))
                        best = &s->g[i];
        return best;
}

/* ---- gathering ---- */
static int by_gfn(const void *a, const void *b) {
        const struct hb_trace_access *x = a, *y = b;

        return x->gfn < y->gfn ? -1 : x->gfn > y->gfn;
}

static uint32_t joined(uint32_t a, uint32_t b, bool counts) {
        if (!counts)
                return a || b;
        return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static bool in_order(const struct side *s) {
        for (size_t i = 1; i < s->na; i++)
                if (s->a[i].gfn <= s->a[i - 1].gfn)
                        return false;
        return true;
}

/* Sorts, and joins what one guest told twice in this epoch; mostly each told once, and in the guests' order.
 */
static void tidy(struct side *s) {
        bool counts = s->h.flags & HB_TRACE_COUNTS;
        size_t n = 0;

        if (counts && in_order(s))
                return;
        if (s->na)
                qsort(s->a, s->na, sizeof(*s->a), by_gfn);
        for (size_t i = 0; i < s->na; i++) {
                struct hb_trace_access a = s->a[i];
                bool again = n && s->a[n - 1].gfn == a.gfn;

                a.reads = joined(again ? s->a[n - 1].reads : 0, a.reads, counts);
                a.writes = joined(again ? s->a[n - 1].writes : 0, a.writes, counts);
                s->a[again ? n - 1 : n++] = a;
        }
        s->na = n;
}

static int finish_epoch(struct side *s, struct hb_err *e) {
        uint64_t t = s->epoch * s->h.epoch_ns;
        int r;

        if (!s->gathered)
                return 0;
        tidy(s);
        s->last_ns = t > s->last_ns ? t : s->last_ns;
        r = hb_look_pipe_epoch(&s->p, s->epoch, s->last_ns, s->a, s->na, e);
        s->na = 0;
        s->gathered = false;
        return r;
}

static int gather(struct side *s, const struct guest *g, struct hb_err *e) {
        size_t need = s->na + g->item.naccess;

        if (need > s->cap) {
                size_t cap = need + need / 2;
                struct hb_trace_access *grown = realloc(s->a, cap * sizeof(*grown));

                if (!grown)
                        return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for an epoch's accesses");
                s->a = grown;
                s->cap = cap;
        }
        for (size_t i = 0; i < g->item.naccess; i++) {
                s->a[s->na] = g->item.access[i];
                s->a[s->na++].gfn += (uint32_t)g->first_gfn;
        }
        s->gathered = true;
        return 0;
}

/* ---- events ---- */
static int put_resident(struct side *s, const struct guest *g, struct hb_trace_event *ev, struct hb_err *e) {
        struct hb_rd in = hb_rd_init(ev->raw.data, ev->raw.size);
        struct hb_buf runs = {0};
        int r;

        if (ev->raw.size) { /* only the first gap counts from page 0 */
                hb_buf_varint(&runs, hb_rd_varint(&in) + g->first_gfn);
                hb_buf_raw(&runs, in.p, hb_rd_left(&in));
        }
        ev->raw.data = runs.data;
        ev->raw.size = runs.len;
        r = runs.failed || !hb_rd_ok(&in)
                    ? hb_err_set(e, -EBADMSG, NULL, NULL, "resident pages that are none")
                    : hb_look_pipe_event(&s->p, ev, e);
        hb_buf_free(&runs);
        return r;
}

static int put_mark(struct side *s, const struct guest *g, struct hb_trace_event *ev, struct hb_err *e) {
        char text[sizeof(ev->mark.text)];

        snprintf(text, sizeof(text), "%.60s: %.180s", g->h->guest, ev->mark.text);
        memcpy(ev->mark.text, text, sizeof(text));
        return hb_look_pipe_event(&s->p, ev, e);
}

static bool is_told(const struct hb_trace_event *ev) {
        return ev->stream == HB_TRACE_RESIDENT ||
               (ev->stream == HB_TRACE_MARK &&
                (ev->mark.kind == HB_MARK_NOTE || ev->mark.kind == HB_MARK_DROPPED ||
                 ev->mark.kind == HB_MARK_REPAIRED));
}

static int take_event(struct side *s, const struct guest *g, uint64_t time_ns, struct hb_err *e) {
        struct hb_trace_event ev = g->item.event;

        if (!is_told(&ev)) {
                s->p.r.left_out++;
                return 0;
        }
        s->last_ns = time_ns > s->last_ns ? time_ns : s->last_ns;
        ev.time_ns = s->last_ns;
        return ev.stream == HB_TRACE_MARK ? put_mark(s, g, &ev, e) : put_resident(s, g, &ev, e);
}

static int take(struct side *s, struct guest *g, struct hb_err *e) {
        uint64_t time_ns = time_of(s, g);
        uint32_t epoch = epoch_of(s, time_ns);
        int r = 0;

        if (g->item.kind != HB_TRACE_EPOCH)
                return take_event(s, g, time_ns, e);
        if (epoch > s->epoch) {
                r = finish_epoch(s, e);
                s->epoch = epoch;
        }
        return r < 0 ? r : gather(s, g, e);
}

static uint64_t bytes_read(const struct side *s) {
        uint64_t sum = 0, of;

        for (unsigned i = 0; i < s->n; i++)
                sum += hb_trace_reader_at(s->g[i].in, &of);
        return sum;
}

static int run(struct side *s, struct hb_err *e) {
        struct guest *g;
        int r = 0;

        for (unsigned i = 0; i < s->n && r == 0; i++)
                r = pull(&s->g[i], e);
        while (r == 0 && (g = earliest(s))) {
                uint64_t of, at;

                r = take(s, g, e);
                if (r == 0)
                        r = pull(g, e);
                at = hb_trace_reader_at(g->in, &of);
                s->p.at_before = bytes_read(s) - at; /* the tick adds this file's own */
                if (r == 0)
                        r = hb_look_pipe_tick(&s->p, g->in, e);
        }
        return r < 0 ? r : finish_epoch(s, e);
}

int hb_look_merge_side(const char *const *in, unsigned n, const struct hb_look_output *o,
                       struct hb_look_result *ret, struct hb_err *e) {
        struct side s = {.h = {.guest = "merged", .page_size = HB_PAGE_SIZE}};
        int r = n == 0 || n > HB_MAX_REGIONS
                        ? hb_err_set(e, -EINVAL, NULL, NULL, "from 1 to %u traces can be put side by side",
                                     HB_MAX_REGIONS)
                        : 0;

        hb_look_pipe_init(&s.p, o);
        for (unsigned i = 0; i < n && r == 0; i++)
                r = open_guest(&s, in[i], e);
        s.h.epoch_ns = s.h.epoch_ns ? s.h.epoch_ns : 1;
        if (r == 0)
                r = hb_look_pipe_begin(&s.p, &s.h, e);
        if (r == 0)
                r = run(&s, e);
        r = hb_look_pipe_end(&s.p, r, ret, e);
        for (unsigned i = 0; i < s.n; i++)
                hb_trace_reader_free(s.g[i].in);
        free(s.a);
        return r;
}
