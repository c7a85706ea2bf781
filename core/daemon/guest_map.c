/* guest_map: see guest_map.h.
 *
 * Sampling: the span is cut into groups of `sampled` pages and one page of each group is looked at, which one
 * a hash of the group says, so that no stride of the guest's own hides from it. A cell holds at least 64
 * groups then, and each cell scales by what was really looked at in it. Blocks are sums over 2 MiB of the
 * guest; as pages come in order only the block that is open and the best so far are kept. */
#include "daemon/guest_map.h"
#include "base/fault.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct block {
        struct hb_map_top at;
        double looked;
};

struct hb_guest_map {
        struct hb_map_plan plan;
        unsigned ntop;
        double *sums[HB_PLANES]; /* of what was looked at; NULL: the plane is not known */
        double *looked;          /* pages of each cell */
        struct block open;       /* at.pages 0: none */
        struct hb_map_top top[HB_MAP_TOP];
};

static const char *const plane_names[HB_PLANES] = {"reads", "writes", "expected", "resident", "fresh",
                                                   "stale", "absent", "fetching", "known",    "spilled"};

/* ---- the plan ---- */

static uint64_t parts(uint64_t n, uint64_t size) {
        return (n + size - 1) / size;
}

int hb_map_plan(uint64_t guest_pages, uint64_t first, uint64_t pages, uint64_t cells, struct hb_map_plan *ret,
                struct hb_err *e) {
        if (first >= guest_pages)
                return hb_err_set(e, -EINVAL, "first", NULL, "the guest has %llu pages, numbered from 0",
                                  (unsigned long long)guest_pages);
        if (cells < 1 || cells > HB_MAP_CELLS)
                return hb_err_set(e, -EINVAL, "cells", NULL, "a map has 1 to %u cells", HB_MAP_CELLS);
        uint64_t span = guest_pages - first;
        if (pages > 0 && pages < span)
                span = pages;
        uint64_t cell_pages = parts(span, cells);
        *ret = (struct hb_map_plan){.guest_pages = guest_pages,
                                    .first = first,
                                    .span = span,
                                    .cell_pages = cell_pages,
                                    .cells = (unsigned)parts(span, cell_pages),
                                    .sampled = (unsigned)parts(span, HB_MAP_LOOKS)};
        return 0;
}

uint64_t hb_map_plan_looks(const struct hb_map_plan *p) {
        return parts(p->span, p->sampled);
}

/* splitmix64 */
static uint64_t hash(uint64_t x) {
        x += 0x9E3779B97F4A7C15ull;
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
        x = (x ^ x >> 27) * 0x94D049BB133111EBull;
        return x ^ x >> 31;
}

uint64_t hb_map_plan_page(const struct hb_map_plan *p, uint64_t i) {
        uint64_t from = i * p->sampled, left = p->span - from;
        uint64_t group = left < p->sampled ? left : p->sampled;
        return p->first + from + (group > 1 ? hash(p->first + from) % group : 0);
}

/* ---- gathering ---- */

int hb_guest_map_new(const struct hb_map_plan *p, unsigned planes, hb_guest_map **ret) {
        hb_guest_map *m = hb_fault("guest_map.new") ? NULL : calloc(1, sizeof *m);
        if (!m)
                return -ENOMEM;
        m->plan = *p;
        m->looked = calloc(p->cells, sizeof *m->looked);
        bool ok = m->looked != NULL;
        for (unsigned i = 0; i < HB_PLANES && ok; i++)
                if (planes & HB_PLANE_BIT(i))
                        ok = (m->sums[i] = calloc(p->cells, sizeof(double))) != NULL;
        if (!ok) {
                hb_guest_map_free(m);
                return -ENOMEM;
        }
        *ret = m;
        return 0;
}

hb_guest_map *hb_guest_map_free(hb_guest_map *m) {
        if (!m)
                return NULL;
        for (unsigned i = 0; i < HB_PLANES; i++)
                free(m->sums[i]);
        free(m->looked);
        free(m);
        return NULL;
}

void hb_guest_map_forget(hb_guest_map *m, enum hb_map_plane p) {
        free(m->sums[p]);
        m->sums[p] = NULL;
}

static double heat(const struct hb_map_top *t) {
        return t->reads + t->writes;
}

/* Keeps `top` sorted, hottest first; of alike ones the first that came. */
static void rank(struct hb_map_top top[HB_MAP_TOP], unsigned *n, const struct hb_map_top *t) {
        unsigned at = *n;
        if (!(heat(t) > 0) || (at == HB_MAP_TOP && heat(&top[at - 1]) >= heat(t)))
                return;
        if (at == HB_MAP_TOP)
                at--;
        else
                ++*n;
        for (; at > 0 && heat(&top[at - 1]) < heat(t); at--)
                top[at] = top[at - 1];
        top[at] = *t;
}

static struct hb_map_top closed(const struct block *b) {
        struct hb_map_top t = b->at;
        double scale = b->looked > 0 ? (double)t.pages / b->looked : 0;
        t.reads *= scale;
        t.writes *= scale;
        return t;
}

static void close_block(struct hb_guest_map *m) {
        struct hb_map_top t = closed(&m->open);
        if (m->open.at.pages > 0)
                rank(m->top, &m->ntop, &t);
}

static void open_block(struct hb_guest_map *m, uint64_t gfn) {
        uint64_t from = gfn - gfn % HB_MAP_BLOCK, to = from + HB_MAP_BLOCK;
        uint64_t end = m->plan.first + m->plan.span;
        if (from < m->plan.first)
                from = m->plan.first;
        if (to > end)
                to = end;
        m->open = (struct block){.at = {.first = from, .pages = to - from}};
}

static double rate_of(const struct hb_map_page *p, enum hb_map_plane plane) {
        return p->rate[plane] > 0 ? (double)p->rate[plane] : 0;
}

void hb_guest_map_add(hb_guest_map *m, uint64_t gfn, const struct hb_map_page *page) {
        uint64_t cell = (gfn - m->plan.first) / m->plan.cell_pages;
        m->looked[cell]++;
        for (unsigned i = 0; i < HB_PLANES; i++)
                if (m->sums[i])
                        m->sums[i][cell] += i < HB_PLANE_RESIDENT ? rate_of(page, (enum hb_map_plane)i)
                                                                  : (page->is & HB_PLANE_BIT(i)) != 0;
        if (m->open.at.pages == 0 || gfn >= m->open.at.first + m->open.at.pages) {
                close_block(m);
                open_block(m, gfn);
        }
        m->open.looked++;
        m->open.at.reads += rate_of(page, HB_PLANE_READS);
        m->open.at.writes += rate_of(page, HB_PLANE_WRITES);
}

/* ---- what came of it ---- */

static uint64_t pages_of(const struct hb_map_plan *p, unsigned cell) {
        uint64_t from = cell * p->cell_pages, left = p->span - from;
        return left < p->cell_pages ? left : p->cell_pages;
}

double hb_guest_map_cell(const hb_guest_map *m, enum hb_map_plane p, unsigned cell) {
        if (!m->sums[p])
                return NAN;
        uint64_t pages = pages_of(&m->plan, cell);
        if (m->looked[cell] <= 0)
                return 0;
        return m->sums[p][cell] * ((double)pages / m->looked[cell]);
}

unsigned hb_guest_map_top(const hb_guest_map *m, struct hb_map_top ret[HB_MAP_TOP]) {
        unsigned n = m->ntop;
        struct hb_map_top last = closed(&m->open);
        memcpy(ret, m->top, sizeof m->top);
        if (m->open.at.pages > 0)
                rank(ret, &n, &last);
        return n;
}

static void write_plane(const hb_guest_map *m, enum hb_map_plane p, struct hb_json_out *o) {
        if (!m->sums[p]) {
                hb_json_null(o, plane_names[p]);
                return;
        }
        hb_json_open(o, plane_names[p], '[');
        for (unsigned i = 0; i < m->plan.cells; i++)
                if (p < HB_PLANE_RESIDENT)
                        hb_json_real(o, NULL, hb_guest_map_cell(m, p, i));
                else
                        hb_json_pages(o, NULL, (uint64_t)llround(hb_guest_map_cell(m, p, i)));
        hb_json_close(o, ']');
}

static void write_top(const hb_guest_map *m, struct hb_json_out *o) {
        struct hb_map_top top[HB_MAP_TOP];
        unsigned n = hb_guest_map_top(m, top);
        hb_json_open(o, "top", '[');
        for (unsigned i = 0; i < n; i++) {
                hb_json_open(o, NULL, '{');
                hb_json_pages(o, "first", top[i].first);
                hb_json_pages(o, "pages", top[i].pages);
                hb_json_real(o, "reads", top[i].reads);
                hb_json_real(o, "writes", top[i].writes);
                hb_json_close(o, '}');
        }
        hb_json_close(o, ']');
}

static void write_regions(const struct hb_shape *s, struct hb_json_out *o) {
        hb_json_open(o, "regions", '[');
        for (unsigned i = 0; i < s->nregions; i++) {
                hb_json_open(o, NULL, '{');
                hb_json_str(o, "name", s->regions[i].name);
                hb_json_pages(o, "first", s->regions[i].first_gfn);
                hb_json_pages(o, "pages", s->regions[i].pages);
                hb_json_close(o, '}');
        }
        hb_json_close(o, ']');
}

void hb_guest_map_write(const hb_guest_map *m, const char *guest, const char *side, const struct hb_shape *s,
                        struct hb_json_out *o) {
        hb_json_open(o, NULL, '{');
        hb_json_str(o, "guest", guest);
        hb_json_str(o, "side", side);
        hb_json_pages(o, "pages", m->plan.guest_pages);
        hb_json_pages(o, "first", m->plan.first);
        hb_json_pages(o, "span", m->plan.span);
        hb_json_pages(o, "cell_pages", m->plan.cell_pages);
        hb_json_pages(o, "cells", m->plan.cells);
        hb_json_pages(o, "sampled", m->plan.sampled);
        hb_json_open(o, "planes", '{');
        for (unsigned i = 0; i < HB_PLANES; i++)
                write_plane(m, (enum hb_map_plane)i, o);
        hb_json_close(o, '}');
        write_top(m, o);
        write_regions(s, o);
        hb_json_close(o, '}');
}
