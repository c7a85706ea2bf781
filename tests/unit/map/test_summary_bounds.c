/* What a target is told of a guest, in bytes, against the guest's memory: everything once at most 0.5 %, an
 * epoch in which 1 % was written at most 0.05 %, at the worst patterns: no two neighbours alike, every page
 * that is written a run of its own; with the tags of duplicates, and for the epoch with every tag asked about
 * and answered. */
#include "check.h"
#include "map/announce.h"
#include "map/summary.h"
#include "map/tags.h"
#include <stdlib.h>
#include <string.h>

#define S     1000000000ull
#define PAGES (1u << 17) /* 512 MiB */
#define FULL  0.005
#define EPOCH 0.0005

struct world {
        hb_page_map *map;
        hb_summary_encoder *enc;
        struct hb_bitmap written, accessed, observed;
        uint64_t now, rng;
        uint32_t *gfn;
        struct hb_print *print;
};

static uint64_t rnd(struct world *w, uint64_t n) {
        w->rng ^= w->rng << 13;
        w->rng ^= w->rng >> 7;
        w->rng ^= w->rng << 17;
        return (w->rng >> 11) % n;
}

static void world_init(struct world *w) {
        struct hb_shape shape = {0};

        *w = (struct world){.now = S, .rng = 88172645463325252ull};
        assert_int_equal(hb_shape_add(&shape, "ram", (uint64_t)PAGES << HB_PAGE_SHIFT, HB_PAGE_SIZE, NULL),
                         0);
        assert_int_equal(hb_page_map_open(&shape, NULL, &w->map, NULL), 0);
        assert_int_equal(hb_bitmap_init(&w->written, PAGES), 0);
        assert_int_equal(hb_bitmap_init(&w->accessed, PAGES), 0);
        assert_int_equal(hb_bitmap_init(&w->observed, PAGES), 0);
        w->gfn = malloc(PAGES * sizeof(*w->gfn));
        w->print = malloc(PAGES * sizeof(*w->print));
        assert_true(w->gfn && w->print);
        for (uint64_t i = 0; i < PAGES; i++)
                for (unsigned k = 0; k < sizeof(w->print[i].b); k++)
                        w->print[i].b[k] = (uint8_t)rnd(w, 256);
}

static void world_fini(struct world *w) {
        hb_summary_encoder_free(w->enc);
        hb_page_map_free(w->map);
        hb_bitmap_fini(&w->written);
        hb_bitmap_fini(&w->accessed);
        hb_bitmap_fini(&w->observed);
        free(w->gfn);
        free(w->print);
}

/* Read and written at rates and times that no two neighbours share. */
static void live(struct world *w, unsigned epochs) {
        for (unsigned e = 0; e < epochs; e++) {
                hb_bitmap_clear_all(&w->written);
                hb_bitmap_clear_all(&w->accessed);
                hb_bitmap_clear_all(&w->observed);
                if (e == 0)
                        hb_bitmap_set_all(&w->written);
                for (uint64_t g = 0; e > 0 && g < PAGES; g++) {
                        uint64_t one_in = 4 + g * 2654435761u % 97;

                        if (rnd(w, one_in) == 0)
                                hb_bitmap_set(&w->written, g);
                        if (rnd(w, 8) == 0)
                                hb_bitmap_set(&w->observed, g);
                        if (hb_bitmap_test(&w->observed, g) && rnd(w, 3) == 0)
                                hb_bitmap_set(&w->accessed, g);
                }
                w->now += S;
                hb_page_map_apply(w->map, w->now, &w->written, &w->accessed, &w->observed, false);
        }
}

static int heard(void *arg, const void *part, size_t size) {
        return 0;
}

static double announced(struct world *w, const struct hb_bitmap *pages) {
        struct hb_announce a = {.from = 1, .to = 2};
        struct hb_buf b = {0};
        int64_t n = hb_announce_encode(&a, pages, &b, heard, NULL);

        assert_true(n > 0);
        hb_buf_free(&b);
        return (double)n;
}

static double summarized(struct world *w) {
        struct hb_buf out = {0};
        double bytes = 0;
        int64_t n;

        while ((n = hb_summary_encode(w->enc, UINT64_MAX, &out)) > 0)
                bytes += (double)n;
        assert_int_equal(n, 0);
        assert_false(hb_summary_due(w->enc));
        hb_buf_free(&out);
        return bytes;
}

static uint64_t list(struct world *w, const struct hb_bitmap *pages) {
        uint64_t at = 0;

        return hb_bitmap_list(pages, &at, w->gfn, PAGES);
}

static double tagged(struct world *w, uint64_t n) {
        struct hb_buf b = {0};
        int64_t bytes = hb_tags_encode(2, w->gfn, w->print, n, &b, heard, NULL);

        assert_true(bytes > (int64_t)(4 * n));
        hb_buf_free(&b);
        return (double)bytes;
}

static double asked_and_answered(struct world *w, uint64_t n) {
        struct hb_buf b = {0};
        int64_t ask = hb_ask_encode(w->gfn, n, &b, heard, NULL), rest;

        rest = hb_prints_encode(2, w->gfn, w->print, n, &b, heard, NULL);
        assert_true(ask > 0 && rest > (int64_t)(12 * n));
        hb_buf_free(&b);
        return (double)(ask + rest);
}

static void test_full_and_epoch(void **state) {
        const double memory = (double)PAGES * HB_PAGE_SIZE;

        for (unsigned coarse = 0; coarse < 2; coarse++) {
                struct world w;
                double bytes;

                world_init(&w);
                assert_int_equal(hb_summary_encoder_new(w.map, &w.enc), 0);
                live(&w, 40);
                hb_summary_coarse(w.enc, coarse);
                hb_summary_reset(w.enc);
                hb_bitmap_set_all(&w.written);
                bytes = announced(&w, &w.written) + summarized(&w) + tagged(&w, list(&w, &w.written));
                print_message("%s: everything once %.4f %% of the memory (bound %.1f)\n",
                              coarse ? "by blocks" : "by pages", 100 * bytes / memory, 100 * FULL);
                assert_true(bytes <= FULL * memory);
                hb_bitmap_clear_all(&w.written);
                for (uint64_t g = 0; g < PAGES; g += 100) /* 1 %, none beside another */
                        hb_bitmap_set(&w.written, g + rnd(&w, 99 < PAGES - g ? 99 : 1));
                w.now += S;
                hb_page_map_apply(w.map, w.now, &w.written, NULL, NULL, false);
                bytes = announced(&w, &w.written) + summarized(&w);
                bytes += tagged(&w, list(&w, &w.written)) + asked_and_answered(&w, list(&w, &w.written));
                print_message("%s: an epoch %.5f %% (bound %.2f)\n", coarse ? "by blocks" : "by pages",
                              100 * bytes / memory, 100 * EPOCH);
                assert_true(bytes <= EPOCH * memory);
                world_fini(&w);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_full_and_epoch),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
