/* world_pattern: which page is accessed when. All is a function of seed and epoch. */
#include "author/world_priv.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *hb_pattern_name(enum hb_pattern_kind k) {
        static const char *const names[HB_PATTERN_KINDS] = {"hot", "scan", "random", "returning"};
        return names[k];
}

void hb_pattern_default(enum hb_pattern_kind k, struct hb_pattern *ret) {
        *ret = (struct hb_pattern){.kind = k,
                                   .pages = 64,
                                   .per_s = 16,
                                   .reads = 1,
                                   .every_s = 20,
                                   .for_s = 2,
                                   .stop_s = INFINITY};
}

int hb_made_world_add(hb_made_world *w, const struct hb_pattern *p, struct hb_err *e) {
        const char *name = hb_pattern_name(p->kind);

        if (w->npatterns == HB_WORLD_PATTERNS)
                return hb_err_set(e, -E2BIG, name, NULL, "more than %u patterns", HB_WORLD_PATTERNS);
        if (!p->pages || p->pages > w->npages || p->from > w->npages - p->pages)
                return hb_err_set(e, -EINVAL, name, NULL, "%s: pages %u to %u, the guest has %u", name,
                                  p->from, p->from + p->pages, w->npages);
        if (!(p->per_s > 0 && p->per_s <= p->pages) &&
            (p->kind == HB_PATTERN_SCAN || p->kind == HB_PATTERN_RANDOM))
                return hb_err_set(e, -EINVAL, name, NULL,
                                  "%s: per_s must lie above 0 and not above its %u pages", name, p->pages);
        if (!(p->reads >= 0 && p->reads <= 1000) || !(p->write_share >= 0 && p->write_share <= 1))
                return hb_err_set(e, -EINVAL, name, NULL, "%s: reads must be 0 to 1000, write_share 0 to 1",
                                  name);
        if (!(p->for_s >= 1 && p->every_s >= p->for_s && p->every_s <= 1e6))
                return hb_err_set(e, -EINVAL, name, NULL,
                                  "%s: for_s must be at least 1, every_s at least for_s", name);
        w->patterns[w->npatterns++] = *p;
        return 0;
}

static uint64_t mix(uint64_t x) { /* SplitMix64 */
        x += 0x9e3779b97f4a7c15ull;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ x >> 27) * 0x94d049bb133111ebull;
        return x ^ x >> 31;
}

static void access_page(const hb_made_world *w, const struct hb_pattern *p, uint32_t at,
                        struct hb_made_world_access *ret) {
        uint32_t gfn = p->from + at;
        uint32_t reads = ret[gfn].reads + (uint32_t)p->reads;

        ret[gfn].reads = (uint16_t)(reads < 1000 ? reads : 1000);
        if ((double)(mix(w->seed ^ gfn) >> 11) * 0x1p-53 < p->write_share)
                ret[gfn].writes = 1;
        else if (!ret[gfn].reads)
                ret[gfn].reads = 1; /* an access it is, whatever its number */
}

static void sweep(const hb_made_world *w, const struct hb_pattern *p, uint32_t epoch,
                  struct hb_made_world_access *ret) {
        uint64_t first = (uint64_t)(p->per_s * (epoch - 1)), end = (uint64_t)(p->per_s * epoch);

        for (uint64_t i = first; i < end; i++)
                access_page(w, p, (uint32_t)(i % p->pages), ret);
}

static void draw(const hb_made_world *w, const struct hb_pattern *p, uint64_t salt,
                 struct hb_made_world_access *ret) {
        for (uint64_t i = 0; i < (uint64_t)p->per_s; i++)
                access_page(w, p, (uint32_t)(mix(w->seed + mix(salt << 20 | i)) % p->pages), ret);
}

static void apply(const hb_made_world *w, unsigned k, uint32_t epoch, struct hb_made_world_access *ret) {
        const struct hb_pattern *p = &w->patterns[k];

        if (epoch <= p->start_s || epoch > p->stop_s)
                return;
        if (p->kind == HB_PATTERN_SCAN)
                sweep(w, p, epoch, ret);
        else if (p->kind == HB_PATTERN_RANDOM)
                draw(w, p, (uint64_t)epoch * HB_WORLD_PATTERNS + k, ret);
        else if (p->kind == HB_PATTERN_HOT || fmod(epoch - 1, floor(p->every_s)) < p->for_s)
                for (uint32_t i = 0; i < p->pages; i++)
                        access_page(w, p, i, ret);
}

void hb_made_world_accesses(const hb_made_world *w, uint32_t epoch, struct hb_made_world_access *ret) {
        memset(ret, 0, w->npages * sizeof(*ret));
        for (unsigned k = 0; k < w->npatterns; k++)
                apply(w, k, epoch, ret);
}

int hb_made_world_between(const hb_made_world *w, uint32_t first, uint32_t last, uint8_t *ret) {
        struct hb_made_world_access *now = calloc(w->npages, sizeof(*now));

        if (!now)
                return -ENOMEM;
        memset(ret, 0, w->npages);
        for (uint32_t epoch = first; epoch <= last; epoch++) {
                hb_made_world_accesses(w, epoch, now);
                for (uint32_t i = 0; i < w->npages; i++)
                        if (now[i].reads || now[i].writes)
                                ret[i] |= now[i].writes ? 3 : 1;
        }
        free(now);
        return 0;
}
