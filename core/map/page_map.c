/* page_map: one 20-byte record a page in one shared mapping, behind a header, a ring of epoch times and two
 * bitmaps.
 *
 * Invariants: an untouched page's record is never read or written (bitmap `known` guards it), so a huge
 * sparse guest costs memory only where it was used. write_heat speaks of epoch `version`, read_heat of epoch
 * `read_epoch`; nobody ages them but the events that touch them. header->epoch is stored last: whatever a
 * kill interrupts is applied again under the same number. Cost: O(touched pages) an epoch, no allocation
 * after open. Owned by the loop thread. */
#include "map/page_map.h"
#include "base/clock.h"
#include "base/fault.h"
#include "map/heat.h"
#include "map/page_map_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIRTY_TAU_S      5.0
#define COUNT_MAX        UINT16_MAX
#define FADE_ROUND_S     8.0      /* in which every page fades once: a target's belief is that old at most */
#define FADE_STEPS       4        /* heat classes; less is not worth a word */
#define FADE_LEAST       0x1p-10f /* per s; less is nothing */
#define DECAYS           64u
#define FIRST_INTERVAL_S 1.0 /* nobody knows how long the first epoch was */

/* One epoch being applied. */
struct apply {
        hb_page_map *m;
        uint32_t epoch;
        uint64_t now_ns;
        double interval_s;
        float gain; /* of one write */
        bool lost;
        const struct hb_bitmap *written; /* exact epochs: a page that is also written is not read */
        struct {                         /* pages share epochs: the decays since those met last are kept */
                uint32_t epoch;
                float decay;
        } since[DECAYS];
};

/* Of a map that was there before: no page of a block can be newer than the epoch that was under way. */
static void suppose_newest(hb_page_map *m) {
        uint32_t epoch = m->f.header->epoch + 1;
        uint64_t words = (m->known.bits + 63) / 64;

        for (uint64_t w = 0; w < words; w++)
                if (m->known.words[w])
                        *hb_page_map_newest(m, w * 64) = (struct hb_map_newest){epoch, epoch};
}

int hb_page_map_open(const struct hb_shape *shape, const char *path, hb_page_map **ret, struct hb_err *e) {
        hb_page_map *m = hb_fault("page_map.open") ? NULL : calloc(1, sizeof(*m));
        int rc;

        if (!m)
                return hb_err_set(e, -ENOMEM, path, NULL, "no memory for a page map");
        rc = hb_map_file_open(&m->f, shape, path, e);
        if (rc < 0)
                goto fail;
        m->known = (struct hb_bitmap){m->f.known, shape->pages};
        m->resident = (struct hb_bitmap){m->f.resident, shape->pages};
        m->resident_pages = hb_bitmap_count(&m->resident);
        m->newest = hb_fault("page_map.newest") ? NULL
                                                : calloc((shape->pages + HB_BLOCK_PAGES - 1) / HB_BLOCK_PAGES,
                                                         sizeof(*m->newest));
        if (!m->newest) {
                rc = hb_err_set(e, -ENOMEM, path, NULL, "no memory for a page map");
                goto fail;
        }
        suppose_newest(m);
        *ret = m;
        return 0;
fail:
        hb_page_map_free(m);
        return rc;
}

hb_page_map *hb_page_map_free(hb_page_map *m) {
        if (!m)
                return NULL;
        hb_map_file_close(&m->f);
        free(m->newest);
        free(m);
        return NULL;
}

const struct hb_shape *hb_page_map_shape(const hb_page_map *m) {
        return &m->f.shape;
}

uint32_t hb_page_map_epoch(const hb_page_map *m) {
        return m->f.header->epoch;
}

uint64_t hb_page_map_epoch_time_ns(const hb_page_map *m, uint32_t epoch) {
        uint32_t now = m->f.header->epoch;

        if (epoch == 0 || epoch > now || now - epoch >= HB_MAP_RING)
                return 0;
        return m->f.ring[epoch % HB_MAP_RING];
}

uint64_t hb_page_map_resident_pages(const hb_page_map *m) {
        return m->resident_pages;
}

double hb_page_map_dirty_pages_per_s(const hb_page_map *m) {
        return m->f.header->dirty_pages_per_s;
}

unsigned hb_page_map_bytes_per_page(void) {
        /* record, the two bitmaps; and one encoder: what was sent (2 bytes) and two bitmaps; rounded up */
        return (unsigned)sizeof(struct hb_map_record) + 2 + 1;
}

/* ---- one epoch ---- */

static uint32_t dither(uint64_t gfn, uint32_t epoch) {
        return (uint32_t)((gfn * 0x9E3779B97F4A7C15ull + epoch * 0xD1B54A32D192ED03ull) >> 40);
}

/* Counts of one page stay in proportion: both are halved when one is full, so the ratio never goes wrong. */
static void count(uint16_t *up, uint16_t *other) {
        if (*up == COUNT_MAX) {
                *up /= 2;
                *other /= 2;
        }
        (*up)++;
}

static float decay_since(struct apply *a, uint32_t epoch) {
        uint32_t i = epoch % DECAYS;

        if (a->since[i].epoch != epoch) {
                a->since[i].epoch = epoch;
                a->since[i].decay =
                        hb_decay(hb_page_map_seconds_since(a->m, epoch, a->now_ns), HB_HEAT_TAU_S);
        }
        return a->since[i].decay;
}

static void touch_written(struct apply *a, uint64_t gfn) {
        struct hb_map_record *r = &a->m->f.records[gfn];
        float heat = r->version ? hb_heat_unpack(r->write_heat) * decay_since(a, r->version) : 0.0f;

        if (!a->lost)
                heat += a->gain;
        r->write_heat = hb_heat_pack(heat, dither(gfn, a->epoch));
        r->version = a->epoch;
        hb_page_map_newest(a->m, gfn)->version = a->epoch;
        if (a->lost)
                return;
        r->last_access = a->epoch;
        hb_page_map_newest(a->m, gfn)->access = a->epoch;
        count(&r->writes, &r->reads);
        if (!hb_bitmap_test(&a->m->resident, gfn)) {
                hb_bitmap_set(&a->m->resident, gfn);
                a->m->resident_pages++;
        }
}

/* True when the change is worth telling a target. */
static bool touch_observed(const struct apply *a, uint64_t gfn, bool seen) {
        struct hb_map_record *r = &a->m->f.records[gfn];
        float old = hb_heat_unpack(r->read_heat);
        double since = r->read_epoch ? hb_page_map_seconds_since(a->m, r->read_epoch, a->now_ns) : 0.0;
        float heat = hb_heat_sample(old, since, a->interval_s, seen);

        r->read_heat = hb_heat_pack(heat, dither(gfn, a->epoch));
        r->read_epoch = a->epoch;
        if (seen) {
                r->last_access = a->epoch;
                hb_page_map_newest(a->m, gfn)->access = a->epoch;
                count(&r->reads, &r->writes);
        }
        return seen || hb_heat_q(old) != hb_heat_q(heat);
}

static void tell(const hb_page_map *m, uint64_t gfn) {
        for (struct hb_map_watch *w = m->watches; w; w = w->next) {
                hb_bitmap_set(&w->news, gfn);
                hb_bitmap_set(&w->blocks, gfn >> HB_BLOCK_SHIFT);
        }
}

static void watch_word(struct hb_map_watch *w, uint64_t word, uint64_t bits) {
        w->news.words[word] |= bits;
        hb_bitmap_set(&w->blocks, word * 64 >> HB_BLOCK_SHIFT);
}

/* What was touched is known, and news. One pass over the set: nothing else is looked at where it is empty. */
static void note_touched(hb_page_map *m, const struct hb_bitmap *pages) {
        uint64_t words = (pages->bits + 63) / 64;

        for (uint64_t i = 0; i < words; i++) {
                if (!pages->words[i])
                        continue;
                m->known.words[i] |= pages->words[i];
                for (struct hb_map_watch *w = m->watches; w; w = w->next)
                        watch_word(w, i, pages->words[i]);
        }
}

/* Pages of a set, a list at a time, each with its record on the way before it is needed. */
#define LOOK  256u
#define AHEAD 12u

static uint64_t touch_all(struct apply *a, const struct hb_bitmap *pages,
                          void (*touch)(struct apply *a, uint64_t gfn)) {
        uint64_t at = 0, total = 0;
        uint32_t gfn[LOOK], n;

        while ((n = hb_bitmap_list(pages, &at, gfn, LOOK)) > 0) {
                for (uint32_t i = 0; i < n; i++) {
                        if (i + AHEAD < n)
                                __builtin_prefetch(&a->m->f.records[gfn[i + AHEAD]], 1);
                        touch(a, gfn[i]);
                }
                total += n;
        }
        return total;
}

static uint64_t apply_written(struct apply *a, const struct hb_bitmap *written) {
        note_touched(a->m, written);
        return touch_all(a, written, touch_written);
}

/* Pages both written and touched say nothing about reads: the write alone would have marked them. */
static void apply_observed(const struct apply *a, const struct hb_bitmap *written,
                           const struct hb_bitmap *accessed, const struct hb_bitmap *observed) {
        uint64_t first = 0, n = 0;

        while (hb_bitmap_next_run(observed, first + n, 0, &first, &n)) {
                for (uint64_t g = first; g < first + n; g++) {
                        bool seen = accessed && hb_bitmap_test(accessed, g);

                        if (hb_bitmap_test(written, g) && !a->lost)
                                continue;
                        if (!seen && !hb_bitmap_test(&a->m->known, g))
                                continue;
                        hb_bitmap_set(&a->m->known, g);
                        if (touch_observed(a, g, seen))
                                tell(a->m, g);
                }
        }
}

/* ---- reads seen exactly ---- */

static void touch_read(struct apply *a, uint64_t gfn) {
        struct hb_map_record *r = &a->m->f.records[gfn];
        float heat = r->read_heat ? hb_heat_unpack(r->read_heat) * decay_since(a, r->read_epoch) : 0.0f;

        if (hb_bitmap_test(a->written, gfn))
                return;
        r->read_heat = hb_heat_pack(heat + a->gain, dither(gfn, a->epoch));
        r->read_epoch = a->epoch;
        r->last_access = a->epoch;
        hb_page_map_newest(a->m, gfn)->access = a->epoch;
        count(&r->reads, &r->writes);
}

static void apply_read(struct apply *a, const struct hb_bitmap *read) {
        note_touched(a->m, read);
        touch_all(a, read, touch_read);
}

/* What was not read fades; a record changes only when that is worth telling, so nothing drifts. */
static void fade(struct apply *a, uint64_t gfn) {
        struct hb_map_record *r = &a->m->f.records[gfn];
        float old, now;

        if (r->read_heat == 0 || r->read_epoch == a->epoch)
                return;
        old = hb_heat_unpack(r->read_heat);
        now = old * decay_since(a, r->read_epoch);
        if (hb_heat_q(old) < hb_heat_q(now) + FADE_STEPS && now >= FADE_LEAST)
                return;
        r->read_heat = now >= FADE_LEAST ? hb_heat_pack(now, dither(gfn, a->epoch)) : 0;
        r->read_epoch = a->epoch;
        tell(a->m, gfn);
}

static void fade_some(struct apply *a) {
        hb_page_map *m = a->m;
        uint64_t words = (m->known.bits + 63) / 64, n = words;

        if (a->interval_s < FADE_ROUND_S)
                n = (uint64_t)((double)words * (a->interval_s / FADE_ROUND_S)) + 1;
        for (; n > 0; n--) {
                if (m->fade_word >= words)
                        m->fade_word = 0;
                for (uint64_t bits = m->known.words[m->fade_word]; bits; bits &= bits - 1)
                        fade(a, m->fade_word * 64 + (unsigned)__builtin_ctzll(bits));
                m->fade_word++;
        }
}

static void note_dirty_rate(const struct apply *a, uint64_t pages) {
        struct hb_map_header *h = a->m->f.header;
        double keep = hb_decay(a->interval_s, DIRTY_TAU_S);

        if (!a->lost)
                h->dirty_pages_per_s =
                        h->dirty_pages_per_s * keep + (double)pages / a->interval_s * (1.0 - keep);
}

static double interval_before(const hb_page_map *m, uint64_t now_ns) {
        double s = m->f.header->epoch ? hb_page_map_seconds_since(m, m->f.header->epoch, now_ns)
                                      : FIRST_INTERVAL_S;

        return s > 1e-3 ? s : 1e-3;
}

static struct apply begin_epoch(hb_page_map *m, uint64_t now_ns, bool lost) {
        struct apply a = {.m = m,
                          .now_ns = now_ns,
                          .epoch = m->f.header->epoch + 1,
                          .interval_s = interval_before(m, now_ns)};

        /* The first scan reports what is there, not what was written. */
        a.lost = lost || a.epoch == 1;
        a.gain = hb_heat_gain(a.interval_s);
        for (uint32_t i = 0; i < DECAYS; i++)
                a.since[i].epoch = ~i; /* has another place */
        return a;
}

static void end_epoch(const struct apply *a) {
        a->m->f.ring[a->epoch % HB_MAP_RING] = a->now_ns;
        if (hb_fault("page_map.apply"))
                return; /* as if killed here */
        __atomic_store_n(&a->m->f.header->epoch, a->epoch, __ATOMIC_RELEASE);
}

void hb_page_map_apply(hb_page_map *m, uint64_t now_ns, const struct hb_bitmap *written,
                       const struct hb_bitmap *accessed, const struct hb_bitmap *observed, bool lost) {
        struct apply a = begin_epoch(m, now_ns, lost);

        note_dirty_rate(&a, apply_written(&a, written));
        if (a.lost) /* who lost its state cannot know that a page has become a hole since: it counts as
                       written */
                apply_written(&a, &m->known);
        if (accessed && !observed)
                observed = accessed;
        if (observed)
                apply_observed(&a, written, accessed, observed);
        end_epoch(&a);
}

void hb_page_map_apply_exact(hb_page_map *m, uint64_t now_ns, const struct hb_bitmap *written,
                             const struct hb_bitmap *accessed) {
        struct apply a = begin_epoch(m, now_ns, false);

        note_dirty_rate(&a, apply_written(&a, written));
        a.written = written;
        apply_read(&a, accessed);
        fade_some(&a);
        end_epoch(&a);
}

void hb_page_map_set_resident(hb_page_map *m, const struct hb_bitmap *resident) {
        uint64_t words = (resident->bits + 63) / 64;

        for (uint64_t w = 0; w < words; w++) {
                uint64_t flipped = m->resident.words[w] ^ resident->words[w];

                if (!flipped)
                        continue;
                for (; flipped; flipped &= flipped - 1)
                        tell(m, w * 64 + (unsigned)__builtin_ctzll(flipped));
                m->resident_pages += (unsigned)__builtin_popcountll(resident->words[w]);
                m->resident_pages -= (unsigned)__builtin_popcountll(m->resident.words[w]);
                m->resident.words[w] = resident->words[w];
        }
}

void hb_page_map_owner(const hb_page_map *m, uint8_t ret[16]) {
        memcpy(ret, m->f.header->owner, sizeof(m->f.header->owner));
}

void hb_page_map_set_owner(hb_page_map *m, const uint8_t id[16]) {
        memcpy(m->f.header->owner, id, sizeof(m->f.header->owner));
}

/* ---- watchers ---- */

void hb_page_map_watch(hb_page_map *m, struct hb_map_watch *w) {
        w->next = m->watches;
        m->watches = w;
}

void hb_page_map_unwatch(hb_page_map *m, struct hb_map_watch *w) {
        struct hb_map_watch **at = &m->watches;

        while (*at && *at != w)
                at = &(*at)->next;
        if (*at)
                *at = w->next;
}

void hb_page_map_all_news(const hb_page_map *m, struct hb_map_watch *w) {
        uint64_t words = (m->known.bits + 63) / 64;

        for (uint64_t i = 0; i < words; i++) {
                uint64_t bits = m->known.words[i] | m->resident.words[i];

                if (bits)
                        watch_word(w, i, bits);
        }
}
