/* stage_map: the pages of a guest as a row of cells: on the host it runs on by its page map, on the host it
 * is placed on by the engine. At most LOOKED pages are looked at; of more, one in so many. */
#include "stage/stage_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOKED (1u << 18)
#define MOST   4096
#define CELLS  1024
#define TOP    16u

enum plane { READS, WRITES, RESIDENT, FRESH, STALE, ABSENT, FETCHING, EXPECTED, KNOWN, SPILLED, PLANES };
static const char *const names[PLANES] = {"reads",  "writes",   "resident", "fresh", "stale",
                                          "absent", "fetching", "expected", "known", "spilled"};

struct block {
        double reads, writes;
        uint64_t first;
};

struct mapped {
        uint64_t pages, first, span, cell_pages, every;
        unsigned cells, nblocks;
        bool source, expects;
        double *plane[PLANES]; /* cells each; one allocation, plane[0]'s */
        struct block *blocks;
};

static void count(struct mapped *m, uint64_t gfn, const struct hb_replay_page *p) {
        unsigned c = (unsigned)((gfn - m->first) / m->cell_pages);
        uint64_t b = (gfn >> HB_BLOCK_SHIFT) - (m->first >> HB_BLOCK_SHIFT);
        double n = (double)m->every;

        m->plane[READS][c] += (double)p->read_heat * n;
        m->plane[WRITES][c] += (double)p->write_heat * n;
        m->plane[RESIDENT][c] += p->resident ? n : 0;
        m->blocks[b].reads += (double)p->read_heat * n;
        m->blocks[b].writes += (double)p->write_heat * n;
        if (m->source)
                return;
        m->plane[EXPECTED][c] += (double)p->expected * n;
        m->plane[KNOWN][c] += p->known ? n : 0;
        if (p->state == HB_PAGE_FETCHING)
                m->plane[FETCHING][c] += n;
        else if (p->state == HB_PAGE_FRESH)
                m->plane[FRESH][c] += n;
        else if (p->resident)
                m->plane[p->state == HB_PAGE_STALE ? STALE : ABSENT][c] += n;
}

/* One of the `every` pages from `at` on, any of them: what repeats in memory is not seen by its phase. */
static uint64_t one_of(const struct mapped *m, uint64_t at) {
        uint64_t left = m->first + m->span - at, n = left < m->every ? left : m->every;

        return at + (at * 0x9E3779B97F4A7C15ull >> 32) % n;
}

static void look_source(struct mapped *m, const struct hb_stage_guest *g) {
        const hb_page_map *map = hb_replay_map(g->replay);

        for (uint64_t at = m->first; map && at < m->first + m->span; at += m->every) {
                uint64_t gfn = one_of(m, at);
                struct hb_page_info i;

                hb_page_map_get(map, gfn, &i);
                count(m, gfn,
                      &(struct hb_replay_page){
                              .resident = i.resident, .read_heat = i.read_heat, .write_heat = i.write_heat});
        }
}

static void look_target(struct mapped *m, const struct hb_stage_guest *g) {
        struct hb_replay_page pages[HB_REPLAY_GLANCE];
        uint32_t list[HB_REPLAY_GLANCE], n = 0;
        uint64_t end = m->first + m->span;
        bool expects;

        m->expects = true;
        for (uint64_t at = m->first; at < end; at += m->every) {
                list[n++] = (uint32_t)one_of(m, at);
                if (n < HB_REPLAY_GLANCE && at + m->every < end)
                        continue;
                if (hb_replay_glance(g->replay, list, n, pages, &expects) < 0)
                        return;
                m->expects = m->expects && expects;
                for (uint32_t i = 0; i < n; i++)
                        count(m, list[i], &pages[i]);
                n = 0;
        }
}

/* ---- as JSON ---- */

static bool has(const struct mapped *m, enum plane p) {
        return p <= RESIDENT || (!m->source && p != SPILLED && (p != EXPECTED || m->expects));
}

static bool is_real(enum plane p) {
        return p == READS || p == WRITES || p == EXPECTED;
}

static json_t *planes_json(const struct mapped *m) {
        json_t *o = json_object();

        for (unsigned p = 0; p < PLANES; p++) {
                json_t *a = has(m, (enum plane)p) ? json_array() : json_null();

                for (unsigned c = 0; has(m, (enum plane)p) && c < m->cells; c++)
                        json_array_append_new(a, is_real((enum plane)p)
                                                         ? hb_ctl_real(m->plane[p][c])
                                                         : json_integer((json_int_t)m->plane[p][c]));
                json_object_set_new(o, names[p], a);
        }
        return o;
}

static int hotter(const void *a, const void *b) {
        const struct block *x = a, *y = b;
        double hx = x->reads + x->writes, hy = y->reads + y->writes;

        return hx > hy ? -1 : hx < hy ? 1 : x->first < y->first ? -1 : 1;
}

static json_t *top_json(struct mapped *m) {
        json_t *a = json_array();

        for (unsigned i = 0; i < m->nblocks; i++)
                m->blocks[i].first = ((m->first >> HB_BLOCK_SHIFT) + i) << HB_BLOCK_SHIFT;
        qsort(m->blocks, m->nblocks, sizeof(*m->blocks), hotter);
        for (unsigned i = 0; i < m->nblocks && i < TOP; i++) {
                const struct block *b = &m->blocks[i];
                uint64_t left = m->pages - b->first;

                if (!(b->reads + b->writes > 0))
                        break;
                json_array_append_new(a,
                                      json_pack("{s:I,s:I,s:f,s:f}", "first", (json_int_t)b->first, "pages",
                                                (json_int_t)(left < HB_BLOCK_PAGES ? left : HB_BLOCK_PAGES),
                                                "reads", b->reads, "writes", b->writes));
        }
        return a;
}

static json_t *regions_json(const struct hb_stage_guest *g) {
        const struct hb_shape *s = &g->h->shape;
        json_t *a = json_array();

        for (unsigned i = 0; i < s->nregions; i++)
                json_array_append_new(a, json_pack("{s:s,s:I,s:I}", "name", s->regions[i].name, "first",
                                                   (json_int_t)s->regions[i].first_gfn, "pages",
                                                   (json_int_t)s->regions[i].pages));
        return a;
}

static json_t *map_json(struct mapped *m, const struct hb_stage_guest *g) {
        json_t *j =
                json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:i,s:I}", "guest", g->name, "side",
                          m->source ? "source" : "target", "pages", (json_int_t)m->pages, "first",
                          (json_int_t)m->first, "span", (json_int_t)m->span, "cell_pages",
                          (json_int_t)m->cell_pages, "cells", (int)m->cells, "sampled", (json_int_t)m->every);

        json_object_set_new(j, "planes", planes_json(m));
        json_object_set_new(j, "top", top_json(m));
        json_object_set_new(j, "regions", regions_json(g));
        return j;
}

/* ---- asked for ---- */

static json_int_t number(json_t *args, const char *key, json_int_t otherwise) {
        json_t *v = json_object_get(args, key);

        return v ? json_integer_value(v) : otherwise;
}

static int read_args(struct mapped *m, json_t *args, const char *guest, struct hb_err *e) {
        json_int_t first = number(args, "first", 0), pages = number(args, "pages", 0),
                   cells = number(args, "cells", CELLS);
        uint64_t left;

        if (first < 0 || (uint64_t)first >= m->pages || pages < 0)
                return hb_err_set(e, -EINVAL, guest, NULL, "the guest has %llu pages, numbered from 0",
                                  (unsigned long long)m->pages);
        if (cells < 1 || cells > MOST)
                return hb_err_set(e, -EINVAL, guest, NULL, "a map has 1 to %d cells", MOST);
        left = m->pages - (uint64_t)first;
        m->first = (uint64_t)first;
        m->span = pages && (uint64_t)pages < left ? (uint64_t)pages : left;
        m->cell_pages = (m->span + (uint64_t)cells - 1) / (uint64_t)cells;
        m->cells = (unsigned)((m->span + m->cell_pages - 1) / m->cell_pages);
        m->every = (m->span + LOOKED - 1) / LOOKED;
        m->nblocks =
                (unsigned)(((m->first + m->span - 1) >> HB_BLOCK_SHIFT) - (m->first >> HB_BLOCK_SHIFT) + 1);
        return 0;
}

static int make_room(struct mapped *m, struct hb_err *e) {
        double *all = calloc((size_t)m->cells * PLANES, sizeof(*all));

        m->blocks = calloc(m->nblocks, sizeof(*m->blocks));
        m->plane[0] = all;
        if (!all || !m->blocks)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a map");
        for (unsigned p = 1; p < PLANES; p++)
                m->plane[p] = all + (size_t)p * m->cells;
        return 0;
}

void hb_stage_cmd_map(struct hb_stage_host *h, hb_request *r, json_t *args) {
        const char *name = json_string_value(json_object_get(args, "guest"));
        struct hb_stage_guest *g = hb_stage_guest_find(h->stage, name);
        struct mapped m = {0};
        struct hb_err e = {0};
        int rc = 0;

        if (!g || (g->home != h->side && !hb_stage_placed(g))) {
                rc = hb_err_set(&e, -ENOENT, name, "harbinger status",
                                "no guest of this name runs or is placed on host %s",
                                hb_stage_host_name(h->side));
        } else {
                m.source = g->home == h->side;
                m.pages = g->h->shape.pages;
                rc = read_args(&m, args, name, &e);
                rc = rc < 0 ? rc : make_room(&m, &e);
        }
        if (rc == 0 && m.source)
                look_source(&m, g);
        else if (rc == 0)
                look_target(&m, g);
        if (rc == 0)
                hb_request_ok(r, map_json(&m, g));
        else
                hb_request_fail(r, &e);
        free(m.plane[0]);
        free(m.blocks);
}
