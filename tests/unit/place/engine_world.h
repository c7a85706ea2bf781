/* engine_world: a source, a link and an image around one engine, all in memory and driven by a seed. The
 * source knows its real bytes (two halves a page, so that a copy can be torn) and uses the real page map and
 * summaries; the link delays, reorders, loses and repeats announcements, refuses, fails and tears fetches.
 * Every fetch is checked against the engine's promises as it is sent.
 *
 * With `known` the target has pages of its own: the source prints pages, torn or not, as busy as they may be;
 * what it prints the target has, or (`lie`) only thinks it has, and copies when the engine says so. */
#pragma once
#include "check.h"
#include "map/summary.h"
#include "place/engine.h"
#include "place/engine_priv.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define W_PAGES   700u
#define W_LOW     300u /* pages of the first region */
#define W_TICK_NS 10000000ull
#define W_FLIGHTS 64u
#define W_LETTERS 32u
#define W_PRINTS  16u
#define W_PRINTED 6u /* pages at once */

struct flight {
        uint64_t gfn, got[64][2], zero_mask;
        uint32_t pages, stamp, done, wait; /* done: halves read */
        enum hb_fetch_class class;
        bool used;
        bool copy;
        struct held {
                uint64_t print[2], bytes[2]; /* the bytes themselves stand for their print */
                uint32_t stamp;
        } held[64];
};

struct printing { /* pages being printed, then on their way to the target */
        uint64_t gfn, got[W_PRINTED][2];
        uint32_t pages, stamp, done, wait;
        bool used;
};

struct letter { /* an announcement on its way */
        uint32_t from, to, wait;
        struct hb_bitmap pages;
        bool used;
};

struct world_options {
        uint64_t seed, window_bytes;
        unsigned writes_per_tick, hot_pages, epoch_ticks, transport_max, plan_pages;
        unsigned lose, repeat, reorder, fail, refuse, zero; /* per mille */
        unsigned known, lie;     /* per mille: a run printed a tick; of its pages */
        unsigned pages_per_tick; /* what the link reads */
        bool no_summaries, no_zero_lists;
        bool late_stamps; /* a copy is given the stamp of when it is made, which is wrong */
};

struct world {
        struct world_options o;
        uint64_t rng, now, tick;
        struct hb_shape shape;
        /* source */
        uint64_t mem[W_PAGES][2];
        bool resident[W_PAGES];
        hb_page_map *map;
        hb_summary_encoder *summaries;
        struct hb_bitmap dirty, scratch;
        bool stopped;
        /* link */
        struct flight flight[W_FLIGHTS];
        struct letter letter[W_LETTERS];
        struct printing printing[W_PRINTS];
        struct held held[W_PAGES];
        uint64_t flying;
        bool cut;
        /* target */
        struct hb_image_page pages[W_PAGES];
        uint64_t image[W_PAGES][2];
        uint32_t processed;
        hb_policies *policies;
        hb_engine *engine;
        uint32_t complete;
        unsigned completes, reports, resyncs, sent, refused, most_flying;
        enum hb_fetch_class last_class;
        uint64_t last_gfn, sent_pages, demands_sent;
        uint32_t fetched_of[W_PAGES];
        uint64_t copies, copied, refuted;
};

static inline uint64_t w_rnd(struct world *w, uint64_t n) {
        w->rng ^= w->rng << 13;
        w->rng ^= w->rng >> 7;
        w->rng ^= w->rng << 17;
        return (w->rng >> 11) % n;
}

static inline bool w_chance(struct world *w, unsigned per_mille) {
        return w_rnd(w, 1000) < per_mille;
}

/* ---- what the engine asks for ---- */

static inline int w_start(struct world *w, uint64_t gfn, uint32_t pages, enum hb_fetch_class c, bool copy) {
        struct flight *f = NULL;
        uint64_t window = (w->o.window_bytes ? w->o.window_bytes : 8u << 20) *
                          (w->stopped && w->engine->s.frozen ? 4 : 1);

        assert_true(pages >= 1 && pages <= 64 && gfn + pages <= W_PAGES);
        assert_true(gfn >= W_LOW || gfn + pages <= W_LOW); /* in one region */
        for (uint32_t i = 0; i < pages; i++) {
                assert_true(w->pages[gfn + i].flags & HB_IP_FETCHING);
                assert_int_equal(w->pages[gfn + i].c.stamp, 0);
                assert_int_equal(!!(w->pages[gfn + i].flags & HB_IP_KNOWN), copy);
                for (unsigned k = 0; k < W_FLIGHTS; k++) /* one fetch a page */
                        assert_false(w->flight[k].used && gfn + i >= w->flight[k].gfn &&
                                     gfn + i < w->flight[k].gfn + w->flight[k].pages);
        }
        for (unsigned k = 0; k < W_FLIGHTS && k < w->o.transport_max; k++)
                if (!w->flight[k].used)
                        f = &w->flight[k];
        if (!f || (w->cut && !copy) || w_chance(w, w->o.refuse)) {
                w->refused++;
                return -EAGAIN;
        }
        w->flying += pages;
        assert_true(w->flying * 4096 <= window);
        if (w->flying > w->most_flying)
                w->most_flying = (unsigned)w->flying;
        *f = (struct flight){
                .gfn = gfn, .pages = pages, .stamp = hb_page_map_epoch(w->map), .class = c, .used = true};
        f->copy = copy;
        memcpy(f->held, &w->held[gfn], copy ? pages * sizeof(f->held[0]) : 0);
        f->wait = (uint32_t)w_rnd(w, 3);
        w->sent++;
        w->copies += copy;
        w->sent_pages += pages;
        w->last_class = c;
        w->last_gfn = gfn;
        w->demands_sent += c == HB_FETCH_DEMAND;
        return 0;
}

static inline int w_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        return w_start(arg, gfn, pages, c, false);
}

static inline int w_copy(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        return w_start(arg, gfn, pages, c, true);
}

static inline void w_report(void *arg) {
        ((struct world *)arg)->reports++;
}

static inline void w_complete(void *arg, uint32_t f) {
        struct world *w = arg;

        w->complete = f;
        w->completes++;
}

static inline void w_post(struct world *w, uint32_t from);

static inline void w_resync(void *arg, uint32_t processed) {
        struct world *w = arg;

        w->resyncs++;
        if (processed < hb_page_map_epoch(w->map))
                w_post(w, processed);
}

static inline int w_zero(void *arg, uint64_t gfn, uint64_t pages) {
        struct world *w = arg;

        assert_true(gfn + pages <= W_PAGES);
        memset(w->image[gfn], 0, pages * sizeof(w->image[0]));
        return 0;
}

/* ---- the source ---- */

static inline void w_write(struct world *w, uint64_t gfn, uint64_t value) {
        w->mem[gfn][0] = value;
        w->mem[gfn][1] = value * 3;
        hb_bitmap_set(&w->dirty, gfn);
        w->resident[gfn] = value != 0;
}

static inline void w_guest(struct world *w) {
        for (unsigned i = 0; i < w->o.writes_per_tick && !w->stopped; i++) {
                uint64_t g = w->o.hot_pages && w_rnd(w, 10) ? w_rnd(w, w->o.hot_pages) * 5 % W_PAGES
                                                            : w_rnd(w, W_PAGES);

                w_write(w, g, w_chance(w, w->o.zero) ? 0 : w->rng | 1);
        }
}

/* Announces (from, now]; lost, repeated or late as the dice say. */
static inline void w_post(struct world *w, uint32_t from) {
        unsigned copies = 1 + w_chance(w, w->o.repeat);

        if (w_chance(w, w->o.lose) && !w->stopped)
                return;
        for (unsigned k = 0; k < W_LETTERS && copies > 0; k++) {
                struct letter *l = &w->letter[k];

                if (l->used)
                        continue;
                hb_bitmap_clear_all(&l->pages);
                hb_page_map_since(w->map, from, &l->pages);
                l->from = from;
                l->to = hb_page_map_epoch(w->map);
                l->wait = w_chance(w, w->o.reorder) ? 30 : 1;
                l->used = true;
                copies--;
        }
}

static inline void w_hear(void *arg, const struct hb_summary_entry *entry) {
        struct world *w = arg;

        hb_engine_summary(w->engine, w->now, hb_page_map_epoch(w->map), entry);
}

static inline void w_summarize(struct world *w) {
        struct hb_buf out = {0};
        uint32_t epoch;
        uint64_t time_ns;

        if (!w->o.no_summaries && hb_summary_encode(w->summaries, 4096, &out) > 0)
                assert_int_equal(hb_summary_decode(out.data, out.len, W_PAGES, &epoch, &time_ns, w_hear, w),
                                 0);
        hb_buf_free(&out);
}

static inline void w_tell_zero(struct world *w) {
        hb_bitmap_clear_all(&w->scratch);
        for (unsigned g = 0; g < W_PAGES; g++)
                if (!w->resident[g] && !w->mem[g][0] && w_rnd(w, 2))
                        hb_bitmap_set(&w->scratch, g);
        hb_engine_zero(w->engine, w->now, hb_page_map_epoch(w->map), &w->scratch);
}

static inline void w_scan(struct world *w) {
        hb_page_map_apply(w->map, w->now, &w->dirty, NULL, NULL, false);
        hb_bitmap_clear_all(&w->dirty);
        w_post(w, hb_page_map_epoch(w->map) - 1);
        w_summarize(w);
        if (!w->o.no_zero_lists && w_chance(w, 100))
                w_tell_zero(w);
}

/* ---- the link ---- */

static inline void w_deliver(struct world *w) {
        for (unsigned k = 0; k < W_LETTERS; k++) {
                struct letter *l = &w->letter[k];

                if (!l->used || l->wait-- > 0)
                        continue;
                l->used = false;
                hb_engine_invalidate(w->engine, w->now, l->from, l->to, &l->pages);
        }
}

static inline void w_land(struct world *w, struct flight *f) {
        f->used = false;
        w->flying -= f->pages;
        for (uint32_t i = 0; i < f->pages; i++) {
                w->fetched_of[f->gfn + i]++;
                if (f->got[i][0] == 0 && f->got[i][1] == 0)
                        f->zero_mask |= 1ull << i;
                else
                        memcpy(w->image[f->gfn + i], f->got[i], sizeof(f->got[i]));
        }
        hb_engine_fetched(w->engine, w->now, f->gfn, f->pages, f->stamp, f->pages * 2000, f->zero_mask);
}

static inline void w_crash(struct world *w, struct flight *f) {
        f->used = false;
        w->flying -= f->pages;
        for (uint32_t i = 0; i < f->pages; i++) /* whatever had arrived */
                w->image[f->gfn + i][w_rnd(w, 2)] = 0xDEADDEADDEADull;
        if (f->copy)
                hb_engine_refuted(w->engine, w->now, f->gfn, f->pages);
        else
                hb_engine_failed(w->engine, w->now, f->gfn, f->pages);
        w->refuted += f->copy ? f->pages : 0;
}

/* ---- pages the target has ---- */

/* Copied first, then held against its print. */
static inline void w_land_copy(struct world *w, struct flight *f) {
        f->used = false;
        w->flying -= f->pages;
        for (uint32_t i = 0; i < f->pages; i++) {
                const struct held *h = &f->held[i];
                bool zero = h->bytes[0] == 0 && h->bytes[1] == 0;

                if (!zero)
                        memcpy(w->image[f->gfn + i], h->bytes, sizeof(h->bytes));
                if (memcmp(h->bytes, h->print, sizeof(h->bytes)) == 0) {
                        hb_engine_copied(w->engine, w->now, f->gfn + i, 1,
                                         w->o.late_stamps ? f->stamp : h->stamp, zero);
                        w->copied++;
                } else {
                        hb_engine_refuted(w->engine, w->now, f->gfn + i, 1);
                        w->refuted++;
                }
        }
}

static inline void w_begin_print(struct world *w) {
        for (unsigned k = 0; k < W_PRINTS; k++) {
                struct printing *p = &w->printing[k];

                if (p->used)
                        continue;
                *p = (struct printing){
                        .gfn = w_rnd(w, W_PAGES), .stamp = hb_page_map_epoch(w->map), .used = true};
                p->pages = 1 + (uint32_t)w_rnd(w, W_PRINTED);
                if (p->pages > W_PAGES - p->gfn)
                        p->pages = (uint32_t)(W_PAGES - p->gfn);
                p->wait = (uint32_t)w_rnd(w, 12);
                return;
        }
}

static inline void w_tell_print(struct world *w, struct printing *p) {
        p->used = false;
        for (uint32_t i = 0; i < p->pages && !w->cut; i++) {
                struct held *h = &w->held[p->gfn + i];

                memcpy(h->print, p->got[i], sizeof(h->print));
                memcpy(h->bytes, p->got[i], sizeof(h->bytes));
                h->bytes[1] ^= w_chance(w, w->o.lie); /* one bit off */
                h->stamp = p->stamp;
                hb_engine_known(w->engine, w->now, p->gfn + i, 1, p->stamp, true);
        }
}

static inline void w_print(struct world *w) {
        if (w->o.known && w_chance(w, w->o.known))
                w_begin_print(w);
        if (w->o.known && w_chance(w, w->o.lie)) /* a place where bytes lay is gone */
                hb_engine_known(w->engine, w->now, w_rnd(w, W_PAGES), 1 + (uint32_t)w_rnd(w, 20), 0, false);
        for (unsigned k = 0; k < W_PRINTS; k++) {
                struct printing *p = &w->printing[k];

                if (!p->used)
                        continue;
                if (p->done < 2) { /* one half of each page a tick: a write may fall between */
                        for (uint32_t i = 0; i < p->pages; i++)
                                p->got[i][p->done] = w->mem[p->gfn + i][p->done];
                        p->done++;
                } else if (p->wait-- == 0) {
                        w_tell_print(w, p);
                }
        }
}

static inline void w_link(struct world *w) {
        unsigned halves = w->o.pages_per_tick * 2;

        for (unsigned n = 0; n < 4 * W_FLIGHTS && halves > 0; n++) {
                struct flight *f = &w->flight[w_rnd(w, W_FLIGHTS)];

                if (!f->used || f->wait > 0) {
                        f->wait -= f->used;
                        continue;
                }
                if (f->copy) {
                        if (w_chance(w, w->o.fail))
                                w_crash(w, f);
                        else
                                w_land_copy(w, f);
                        continue;
                }
                for (; halves > 0 && f->done < 2 * f->pages; halves--, f->done++)
                        f->got[f->done / 2][f->done % 2] = w->mem[f->gfn + f->done / 2][f->done % 2];
                if (w_chance(w, w->o.fail))
                        w_crash(w, f);
                else if (f->done == 2 * f->pages)
                        w_land(w, f);
        }
}

static inline void w_cut(struct world *w) {
        for (unsigned k = 0; k < W_FLIGHTS; k++)
                if (w->flight[k].used && !w->flight[k].copy)
                        w_crash(w, &w->flight[k]);
        for (unsigned k = 0; k < W_LETTERS; k++)
                w->letter[k].used = false;
        hb_engine_reconnected(w->engine, w->now);
        w->cut = true;
}

static inline void w_reconnect(struct world *w) {
        w->cut = false;
        hb_summary_reset(w->summaries);
        if (w->processed < hb_page_map_epoch(w->map))
                w_post(w, w->processed);
}

/* ---- all of it ---- */

static inline void w_tick(struct world *w) {
        w->tick++;
        w->now += W_TICK_NS;
        w_guest(w);
        if (w->tick % (w->o.epoch_ticks ? w->o.epoch_ticks : 20) == 0 && !w->stopped)
                w_scan(w);
        if (!w->cut)
                w_deliver(w);
        w_print(w);
        w_link(w);
        hb_engine_step(w->engine, w->now);
        if (w->tick % 16 == 0)
                assert_true(hb_page_ledger_sound(&w->engine->ledger));
}

static inline void w_run(struct world *w, unsigned ticks) {
        for (unsigned i = 0; i < ticks; i++)
                w_tick(w);
}

/* Stop, scan, announce, freeze; then until complete. False: it never was. */
static inline bool w_freeze(struct world *w, unsigned patience) {
        w->stopped = true;
        w_scan(w);
        hb_engine_freeze(w->engine, w->now, hb_page_map_epoch(w->map));
        for (unsigned i = 0; i < patience && !w->complete; i++) {
                if (i % 40 == 39 && w->processed < hb_page_map_epoch(w->map) && !w->cut)
                        w_post(w, w->processed);
                w_tick(w);
        }
        return w->complete == hb_page_map_epoch(w->map);
}

static inline bool w_equal(const struct world *w) {
        return memcmp(w->mem, w->image, sizeof(w->mem)) == 0;
}

static inline void w_expect_equal(const struct world *w) {
        for (unsigned g = 0; g < W_PAGES; g++)
                if (memcmp(w->mem[g], w->image[g], sizeof(w->mem[g])) != 0)
                        fail_msg("seed %llu: page %u differs: state %s stamp %u invalid %u",
                                 (unsigned long long)w->o.seed, g,
                                 hb_page_state_name(hb_engine_page(w->engine, g)), w->pages[g].c.stamp,
                                 w->pages[g].c.invalid);
}

static inline hb_engine *w_engine(struct world *w) {
        static const struct hb_engine_ops ops = {w_fetch, w_report, w_complete, w_resync, w_copy};
        struct hb_engine_options o = {.window_bytes = w->o.window_bytes,
                                      .horizon_s = 2,
                                      .epoch_s = 0.2,
                                      .plan_pages = w->o.plan_pages};
        struct hb_engine_image image = {
                .shape = &w->shape, .pages = w->pages, .processed = &w->processed, .zero = w_zero, .arg = w};
        hb_engine *e = NULL;

        return hb_engine_new(&o, &image, w->policies, &ops, w, &e) < 0 ? NULL : e;
}

static inline struct world *w_new(const struct world_options *o) {
        struct world *w = calloc(1, sizeof(*w));
        struct hb_policy_options p = {0};
        struct hb_err err;

        assert_non_null(w);
        w->o = *o;
        w->o.transport_max = o->transport_max ? o->transport_max : W_FLIGHTS;
        w->o.pages_per_tick = o->pages_per_tick ? o->pages_per_tick : 20;
        w->rng = (o->seed + 1) * 0x9E3779B97F4A7C15ull;
        w->now = 1000000000ull;
        assert_int_equal(hb_shape_add(&w->shape, "low", W_LOW * 4096, 4096, NULL), 0);
        assert_int_equal(hb_shape_add(&w->shape, "high", (W_PAGES - W_LOW) * 4096, 4096, NULL), 0);
        assert_int_equal(hb_page_map_open(&w->shape, NULL, &w->map, NULL), 0);
        assert_int_equal(hb_summary_encoder_new(w->map, &w->summaries), 0);
        assert_int_equal(hb_bitmap_init(&w->dirty, W_PAGES), 0);
        assert_int_equal(hb_bitmap_init(&w->scratch, W_PAGES), 0);
        for (unsigned k = 0; k < W_LETTERS; k++)
                assert_int_equal(hb_bitmap_init(&w->letter[k].pages, W_PAGES), 0);
        for (unsigned g = 0; g < W_PAGES; g++)
                if (w_rnd(w, 10)) /* the rest are holes */
                        w_write(w, g, w->rng | 1);
        assert_int_equal(hb_policies_new(&p, &w->policies, &err), 0);
        w->engine = w_engine(w);
        return w;
}

static inline void w_free(struct world *w) {
        hb_engine_free(w->engine);
        hb_policies_free(w->policies);
        hb_summary_encoder_free(w->summaries);
        hb_page_map_free(w->map);
        hb_bitmap_fini(&w->dirty);
        hb_bitmap_fini(&w->scratch);
        for (unsigned k = 0; k < W_LETTERS; k++)
                hb_bitmap_fini(&w->letter[k].pages);
        free(w);
}

static inline struct hb_engine_stats w_stats(const struct world *w) {
        struct hb_engine_stats s;

        hb_engine_stats(w->engine, &s);
        return s;
}
