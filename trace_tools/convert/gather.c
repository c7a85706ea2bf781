/* gather: why a table per epoch and not a sort of all accesses: a program touches the same few thousand pages
 * millions of times, so the table stays in the processor's cache and memory follows pages, not accesses.
 *
 * Invariant: between calls every page of the epoch is in g->pages with at least one count, and no gfn was
 * given to two foreign pages. Blocks are numbered by the first epoch they are seen in and within it by first
 * touch, so the numbering does not depend on hashing. One thread. */
#include "convert/gather.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BITS 10u
#define MAP_BYTES  21u        /* a block is 2 MiB */
#define MOST_SEEN  (1u << 26) /* blocks or pages with numbers of their own: 2 GiB of table at worst */

static int resize(struct hb_firsts *f, unsigned bits) {
        uint32_t *slots = calloc((size_t)1 << bits, sizeof(*slots));
        struct hb_first *entries = slots && !hb_fault("import.alloc")
                                           ? realloc(f->entries, ((size_t)1 << (bits - 1)) * sizeof(*entries))
                                           : NULL;

        if (!entries) {
                free(slots);
                return -ENOMEM;
        }
        free(f->slots);
        f->slots = slots;
        f->entries = entries;
        f->bits = bits;
        f->room = 1u << (bits - 1) < f->most ? 1u << (bits - 1) : f->most;
        for (uint32_t n = 0; n < f->n; n++) {
                uint64_t i = hb_firsts_home(entries[n].key, bits);

                while (slots[i])
                        i = (i + 1) & (((uint64_t)1 << bits) - 1);
                slots[i] = n + 1;
        }
        return 0;
}

int hb_firsts_grow(struct hb_firsts *f) {
        f->full = f->n >= f->most;
        return f->full ? -E2BIG : resize(f, f->bits ? f->bits + 1 : FIRST_BITS);
}

void hb_firsts_free(struct hb_firsts *f) {
        free(f->slots);
        free(f->entries);
        f->slots = NULL;
        f->entries = NULL;
        f->n = f->room = 0;
        f->bits = 0;
}

/* Clearing costs as much as the table is large: one epoch of many pages must not make the thousand small ones
 * after it slow. */
void hb_firsts_clear(struct hb_firsts *f) {
        if (f->bits > FIRST_BITS + 4 && f->n < 1u << (f->bits - 5))
                hb_firsts_free(f);
        else if (f->bits)
                memset(f->slots, 0, ((size_t)1 << f->bits) * sizeof(*f->slots));
        f->n = 0;
}

void hb_gather_init(struct hb_gather *g, const struct hb_import_sink *sink, enum hb_import_map map,
                    uint32_t page_size, uint32_t most_pages) {
        unsigned page_shift = (unsigned)__builtin_ctz(page_size);

        memset(g, 0, sizeof(*g));
        g->sink = sink;
        g->map = map;
        g->block_shift = page_shift < MAP_BYTES ? MAP_BYTES - page_shift : 0;
        g->last_page_allowed = map == HB_IMPORT_KEEP ? HB_MAX_PAGES - 1 : UINT64_MAX;
        g->pages.most = most_pages;
        g->blocks.most = MOST_SEEN;
}

void hb_gather_free(struct hb_gather *g) {
        hb_firsts_free(&g->pages);
        hb_firsts_free(&g->blocks);
        free(g->out);
        g->out = NULL;
        g->last = NULL;
}

int hb_gather_page(struct hb_gather *g, uint64_t page) {
        g->last = NULL;
        if (page > g->last_page_allowed)
                return -ERANGE;
        g->last = hb_firsts_find(&g->pages, page);
        if (!g->last)
                return g->pages.full ? -E2BIG : -ENOMEM;
        return 0;
}

static int too_many(const struct hb_gather *g, struct hb_err *e) {
        return g->blocks.full ? hb_err_set(e, -E2BIG, NULL, "import a part of it with --from and --to",
                                           "the input's addresses are spread over more than %u %s", MOST_SEEN,
                                           g->map == HB_IMPORT_PAGES ? "pages" : "blocks of 2 MiB")
                              : hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for the map of addresses");
}

static int gfn_of(struct hb_gather *g, uint64_t page, uint64_t *ret, struct hb_err *e) {
        unsigned shift = g->map == HB_IMPORT_BLOCKS ? g->block_shift : 0;
        struct hb_first *b;

        if (g->map == HB_IMPORT_KEEP) {
                *ret = page;
                return 0;
        }
        b = hb_firsts_find(&g->blocks, page >> shift);
        if (!b)
                return too_many(g, e);
        *ret = (uint64_t)(b - g->blocks.entries) << shift | (page & ((1ull << shift) - 1));
        if (*ret < HB_MAX_PAGES)
                return 0;
        return hb_err_set(e, -E2BIG, NULL, "a larger --page-size, or --map pages",
                          "the input's addresses are spread over more than 2^32 pages");
}

static int make_room(struct hb_gather *g, struct hb_err *e) {
        uint32_t cap = 1u << (g->pages.bits - 1);
        struct hb_trace_access *out;

        if (g->out_cap >= g->pages.n)
                return 0;
        out = hb_fault("import.alloc") ? NULL : realloc(g->out, cap * sizeof(*out));
        if (!out)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for the pages of an epoch");
        g->out = out;
        g->out_cap = cap;
        return 0;
}

static int by_gfn(const void *a, const void *b) {
        uint32_t x = ((const struct hb_trace_access *)a)->gfn, y = ((const struct hb_trace_access *)b)->gfn;

        return x < y ? -1 : x > y;
}

int hb_gather_flush(struct hb_gather *g, struct hb_err *e) {
        bool sorted = true;
        uint64_t gfn = 0;
        int r;

        if (g->pages.n == 0)
                return 0;
        r = make_room(g, e);
        for (uint32_t i = 0; r == 0 && i < g->pages.n; i++) {
                const struct hb_first *p = &g->pages.entries[i];

                r = gfn_of(g, p->key, &gfn, e);
                if (r < 0)
                        break;
                g->out[i] = (struct hb_trace_access){(uint32_t)gfn, p->reads, p->writes};
                sorted = sorted && (i == 0 || g->out[i - 1].gfn < gfn);
                if (gfn >= g->guest_pages)
                        g->guest_pages = gfn + 1;
        }
        if (r == 0 && !sorted)
                qsort(g->out, g->pages.n, sizeof(*g->out), by_gfn);
        if (r == 0)
                r = g->sink->epoch(g->sink->arg, g->epoch, g->time_ns, g->out, g->pages.n, g->guest_pages, e);
        if (r < 0)
                return r;
        g->records += g->pages.n;
        g->epochs++;
        hb_firsts_clear(&g->pages);
        g->last = NULL;
        return 0;
}

int hb_gather_epoch(struct hb_gather *g, uint32_t epoch, uint64_t time_ns, struct hb_err *e) {
        int r = epoch == g->epoch ? 0 : hb_gather_flush(g, e);

        if (r == 0) {
                g->epoch = epoch;
                g->time_ns = time_ns;
        }
        return r;
}
