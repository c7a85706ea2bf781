/* spill_world: an image with a budget, filled with bytes that tell page and stamp, and what its spill must
 * never do: show other bytes for a fresh page. */
#pragma once
#include "base/clock.h"
#include "image_dir.h"
#include "place/image_spill.h"
#include "place/spill_file.h"
#include <poll.h>

#define SW_PAGES 1024u /* of its first region; the second has HIGH */
#define SW_ALL   (SW_PAGES + HIGH)

static char spill_dir[] = HB_BUILD_DIR "/spill-XXXXXX";

static inline int sw_set_up(void **state) {
        if (!mkdtemp(dir) || !mkdtemp(spill_dir))
                return -1;
        if (hb_shape_add(&shape, "pc.ram", SW_PAGES * 4096, 4096, NULL) < 0)
                return -1;
        return hb_shape_add(&shape, "high", HIGH * 4096, 4096, NULL);
}

/* Files left in the spill directory. */
static inline unsigned sw_spill_files(bool remove) {
        return files_in(spill_dir, remove);
}

static inline int sw_clean(void **state) {
        clean(state);
        sw_spill_files(true);
        return 0;
}

static inline int sw_tear_down(void **state) {
        return rmdir(dir) | rmdir(spill_dir);
}

static inline void sw_pattern(void *page, uint64_t gfn, uint32_t stamp) {
        uint64_t x = gfn * 0x9E3779B97F4A7C15ull + stamp * 0xD1B54A32D192ED03ull + 1, *w = page;

        for (unsigned i = 0; i < 512; i++) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                w[i] = x;
        }
}

/* As the engine and the transport do it. False: not now. */
static inline bool sw_fetch(hb_image *i, uint64_t gfn, uint32_t stamp) {
        struct hb_image_page *p = &hb_image_pages(i)[gfn], before = *p;

        hb_coherency_overwriting(&p->c);
        p->flags |= HB_IP_FETCHING | HB_IP_RESIDENT;
        if (hb_image_reserve_run(i, gfn, 1, NULL) < 0) {
                *p = before;
                return false;
        }
        sw_pattern(hb_image_at(i, gfn), gfn, stamp);
        p->fetches = 1;
        p->flags &= (uint8_t) ~(HB_IP_FETCHING | HB_IP_ZERO);
        hb_coherency_fetched(&p->c, stamp);
        return true;
}

static inline void sw_invalidate(hb_image *i, uint64_t gfn, uint64_t pages, uint32_t epoch) {
        struct hb_bitmap w;

        assert_int_equal(hb_bitmap_init(&w, SW_ALL), 0);
        hb_bitmap_set_range(&w, gfn, pages);
        for (uint64_t g = gfn; g < gfn + pages; g++)
                hb_coherency_invalidate(&hb_image_pages(i)[g].c, epoch);
        hb_image_spill_invalidated(i, &w);
        hb_image_set_processed(i, epoch);
        hb_bitmap_fini(&w);
}

static inline int sw_try_enable(hb_image *i, uint64_t budget, const char *how, struct hb_err *e) {
        struct hb_image_spill_options o = {.dir = spill_dir,
                                           .ram_bytes = budget,
                                           .no_uring = strstr(how, "threads") != NULL,
                                           .no_direct = strstr(how, "buffered") != NULL,
                                           .depth = strstr(how, "shallow") ? 2 : 0};

        return hb_image_spill_enable(i, &o, e);
}

static inline void sw_enable(hb_image *i, uint64_t budget, const char *how) {
        struct hb_err e = {0};

        if (sw_try_enable(i, budget, how, &e) < 0)
                fail_msg("%s (%s): %s", e.what, e.which, e.next);
}

static inline struct hb_image_spill_stats sw_stats(const hb_image *i) {
        struct hb_image_spill_stats s;

        hb_image_spill_stats(i, &s);
        return s;
}

/* Turns until `done` says so; waits for the disk, not for time. Time itself goes on by what choosing waits
 * for. */
static inline bool sw_turn(hb_image *i, bool (*done)(const hb_image *i)) {
        uint64_t now = hb_now_ns(), until = now + 20 * HB_NS_PER_S;

        while (!done(i)) {
                struct pollfd p = {.fd = hb_image_spill_fd(i), .events = POLLIN};

                hb_image_spill_tick(i, now);
                now += 20 * HB_NS_PER_MS;
                if (!done(i))
                        poll(&p, 1, 5);
                if (hb_now_ns() > until)
                        return false;
        }
        return true;
}

static inline bool sw_within(const hb_image *i) {
        struct hb_image_spill_stats s = sw_stats(i);

        return s.ram_bytes <= s.budget_bytes - s.budget_bytes / 16;
}

static inline bool sw_home(const hb_image *i) {
        return hb_image_spilled(i) == 0;
}

/* Every fresh page has the bytes of its stamp, wherever they are. Pages that are fresh. */
static inline uint64_t sw_check(hb_image *i) {
        uint64_t fresh = 0, want[512], got[512];

        for (uint64_t g = 0; g < SW_ALL; g++) {
                const struct hb_image_page *p = &hb_image_pages(i)[g];
                int rc;

                if (p->flags & HB_IP_FETCHING || hb_coherency_judge(p->c) != HB_PAGE_FRESH)
                        continue;
                rc = hb_image_read(i, g, (uint8_t *)got);
                if (rc == -ENODATA)
                        continue; /* found out, and lost */
                assert_int_equal(rc, 0);
                sw_pattern(want, g, p->c.stamp);
                assert_memory_equal(got, want, sizeof(got));
                if (!(p->flags & HB_IP_SPILLED))
                        assert_memory_equal(hb_image_at(i, g), want, sizeof(want));
                fresh++;
        }
        return fresh;
}

static inline hb_image *sw_full(uint64_t budget, const char *how) {
        hb_image *i = open_image(false);

        sw_enable(i, budget, how);
        for (uint64_t g = 0; g < SW_ALL; g++)
                assert_true(sw_fetch(i, g, 5));
        hb_image_set_processed(i, 5);
        return i;
}
