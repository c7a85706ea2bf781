/* Summaries: what a target believes after decoding them, and decaying what it was told, must be what the map
 * says; under any budget; at the promised size. */
#include "base/fault.h"
#include "check.h"
#include "map/heat.h"
#include "map/summary.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S     1000000000ull
#define PAGES 600u

struct belief { /* what an engine keeps */
        float write_heat, read_heat;
        uint32_t last_access;
        bool resident, told;
};

struct world {
        hb_page_map *map;
        hb_summary_encoder *enc;
        struct hb_bitmap written, accessed, observed;
        struct belief b[PAGES];
        uint32_t epoch_told, runs;
        uint64_t now, rng, told_pages;
};

static uint64_t rnd(struct world *w) {
        w->rng ^= w->rng << 13;
        w->rng ^= w->rng >> 7;
        w->rng ^= w->rng << 17;
        return w->rng;
}

static void world_init(struct world *w, uint64_t seed) {
        struct hb_shape shape = {0};

        *w = (struct world){.now = S, .rng = seed * 0x9E3779B97F4A7C15ull + 1};
        assert_int_equal(hb_shape_add(&shape, "ram", PAGES << HB_PAGE_SHIFT, HB_PAGE_SIZE, NULL), 0);
        assert_int_equal(hb_page_map_open(&shape, NULL, &w->map, NULL), 0);
        assert_int_equal(hb_summary_encoder_new(w->map, &w->enc), 0);
        assert_int_equal(hb_bitmap_init(&w->written, PAGES), 0);
        assert_int_equal(hb_bitmap_init(&w->accessed, PAGES), 0);
        assert_int_equal(hb_bitmap_init(&w->observed, PAGES), 0);
}

static void world_fini(struct world *w) {
        hb_summary_encoder_free(w->enc);
        hb_page_map_free(w->map);
        hb_bitmap_fini(&w->written);
        hb_bitmap_fini(&w->accessed);
        hb_bitmap_fini(&w->observed);
}

/* A target also hears the announcements: a page it holds in W was accessed now. */
static void epoch(struct world *w, bool lost) {
        w->now += S;
        hb_page_map_apply(w->map, w->now, &w->written, &w->accessed, &w->observed, lost);
        hb_bitmap_clear_all(&w->accessed);
        hb_page_map_since(w->map, hb_page_map_epoch(w->map) - 1, &w->accessed);
        for (unsigned g = 0; g < PAGES; g++)
                if (hb_bitmap_test(&w->accessed, g))
                        w->b[g].last_access = hb_page_map_epoch(w->map);
}

static void hear(void *arg, const struct hb_summary_entry *e) {
        struct world *w = arg;

        w->runs++;
        w->told_pages += e->pages;
        for (uint64_t g = e->gfn; g < e->gfn + e->pages; g++)
                w->b[g] = (struct belief){e->write_heat, e->read_heat, e->last_access, e->resident, true};
}

static int64_t talk(struct world *w, uint64_t budget) {
        struct hb_buf out = {0};
        uint64_t time_ns;
        int64_t n = hb_summary_encode(w->enc, budget, &out);

        assert_true(n >= 0 && (uint64_t)n <= budget);
        assert_int_equal(out.len, n);
        if (n > 0) {
                assert_int_equal(
                        hb_summary_decode(out.data, out.len, PAGES, &w->epoch_told, &time_ns, hear, w), 0);
                assert_int_equal(w->epoch_told, hb_page_map_epoch(w->map));
                assert_int_equal(time_ns, w->now);
        }
        hb_buf_free(&out);
        return n;
}

/* Two heat classes and the rounding of one. */
static bool near(double a, double b) {
        return fabs(a - b) <= 0.35 * fmax(a, b) + 3e-5;
}

static void agree(const struct world *w, bool resident_known) {
        for (unsigned g = 0; g < PAGES; g++) {
                const struct belief *b = &w->b[g];
                struct hb_page_info i;
                uint64_t at = hb_page_map_epoch_time_ns(w->map, b->last_access);
                double heat = (double)b->write_heat * exp(-(double)(w->now - at) / 1e9 / HB_HEAT_TAU_S);

                hb_page_map_get(w->map, g, &i);
                assert_int_equal(b->last_access, i.last_access);
                assert_true(near(b->last_access ? heat : 0.0, (double)i.write_heat));
                assert_true(near((double)b->read_heat, (double)i.read_heat));
                if (resident_known)
                        assert_int_equal(b->resident, i.resident);
        }
}

static void random_sets(struct world *w, unsigned percent) {
        hb_bitmap_clear_all(&w->written);
        hb_bitmap_clear_all(&w->accessed);
        hb_bitmap_clear_all(&w->observed);
        for (unsigned g = 0; g < PAGES; g++) {
                unsigned heat = g / 100 % 6 * 20;

                if (rnd(w) % 100 < percent && rnd(w) % 100 < heat)
                        hb_bitmap_set(&w->written, g);
                if (rnd(w) % 100 < 10)
                        hb_bitmap_set(&w->observed, g);
                if (hb_bitmap_test(&w->observed, g) && rnd(w) % 100 < g % 80)
                        hb_bitmap_set(&w->accessed, g);
        }
}

static void test_target_believes_what_the_map_says(void **state) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world w;

                world_init(&w, seed);
                for (unsigned e = 1; e <= 80; e++) {
                        random_sets(&w, 60);
                        epoch(&w, e % 37 == 0);
                        talk(&w, UINT64_MAX);
                        agree(&w, true);
                        assert_false(hb_summary_due(w.enc));
                        assert_int_equal(talk(&w, UINT64_MAX), 0);
                }
                world_fini(&w);
        }
}

/* With a small budget beliefs lag, but once the guest is quiet everything arrives. */
static void test_budget_lags_and_catches_up(void **state) {
        for (uint64_t budget = 40; budget <= 640; budget *= 2) {
                struct world w;
                unsigned rounds = 0;

                world_init(&w, budget);
                for (unsigned e = 1; e <= 40; e++) {
                        random_sets(&w, 60);
                        epoch(&w, false);
                        talk(&w, budget);
                }
                hb_bitmap_clear_all(&w.written);
                hb_bitmap_clear_all(&w.observed);
                hb_bitmap_clear_all(&w.accessed);
                epoch(&w, false);
                while (hb_summary_due(w.enc) && rounds++ < 2000)
                        assert_true(talk(&w, budget) > 0 || !hb_summary_due(w.enc));
                assert_true(rounds < 2000);
                agree(&w, true);
                world_fini(&w);
        }
}

static void test_hottest_go_first(void **state) {
        struct world w;
        struct hb_buf out = {0};

        world_init(&w, 5);
        hb_bitmap_set_all(&w.written);
        epoch(&w, false);
        for (unsigned e = 0; e < 30;
             e++) { /* every 50th page is hot; odd ones cold but different from their neighbours */
                hb_bitmap_clear_all(&w.written);
                for (unsigned g = 0; g < PAGES; g++)
                        if (g % 50 == 0 || (g % 2 && e == g % 8))
                                hb_bitmap_set(&w.written, g);
                epoch(&w, false);
        }
        talk(&w, 13 + 12 * 10);
        for (unsigned g = 0; g < PAGES; g += 50)
                assert_true(w.b[g].told);
        hb_buf_free(&out);
        world_fini(&w);
}

static void test_a_steady_guest_costs_little(void **state) {
        struct world w;
        int64_t first, later = 0;

        world_init(&w, 1);
        hb_bitmap_set_all(&w.written);
        epoch(&w, false);
        first = talk(&w, UINT64_MAX);
        assert_true(first > 0 && first <= 32); /* everything alike: one run */
        for (unsigned e = 0; e < 120; e++) {
                epoch(&w, false);
                later = talk(&w, UINT64_MAX);
                agree(&w, true);
        }
        assert_int_equal(later, 0); /* heat has converged; announcements say the rest */
        world_fini(&w);
}

static void test_worst_case_size(void **state) {
        struct world w;

        world_init(&w, 3);
        for (unsigned e = 1; e <= 300; e++) { /* no two neighbours alike, versions far back */
                random_sets(&w, 20);
                epoch(&w, false);
        }
        hb_summary_reset(w.enc);
        w.told_pages = 0;
        assert_true(talk(&w, UINT64_MAX) <= (int64_t)(20 * w.told_pages));
        assert_true(w.told_pages > PAGES * 9 / 10);
        world_fini(&w);
}

static void test_reset_tells_everything_again(void **state) {
        struct world w;

        world_init(&w, 9);
        for (unsigned e = 1; e <= 20; e++) {
                random_sets(&w, 60);
                epoch(&w, false);
                talk(&w, UINT64_MAX);
        }
        memset(w.b, 0, sizeof(w.b));
        hb_summary_reset(w.enc);
        assert_true(hb_summary_due(w.enc));
        talk(&w, UINT64_MAX);
        agree(&w, true);
        world_fini(&w);
}

static void test_residency_is_told(void **state) {
        struct world w;
        struct hb_bitmap r;

        world_init(&w, 4);
        assert_int_equal(hb_bitmap_init(&r, PAGES), 0);
        hb_bitmap_set_range(&r, 100, 200);
        hb_page_map_set_resident(w.map, &r);
        epoch(&w, false);
        assert_true(talk(&w, UINT64_MAX) > 0);
        agree(&w, true);
        hb_bitmap_clear_range(&r, 150, 10);
        hb_page_map_set_resident(w.map, &r);
        assert_true(talk(&w, UINT64_MAX) > 0);
        agree(&w, true);
        hb_bitmap_fini(&r);
        world_fini(&w);
}

static void test_no_memory_marks_nothing_sent(void **state) {
        struct world w;
        struct hb_buf out = {0};

        world_init(&w, 6);
        random_sets(&w, 60);
        hb_bitmap_set_all(&w.written);
        epoch(&w, false);
        assert_int_equal(hb_fault_arm("bytes.grow=fail"), 0);
        assert_int_equal(hb_summary_encode(w.enc, UINT64_MAX, &out), -ENOMEM);
        hb_fault_disarm();
        hb_buf_free(&out);
        assert_true(talk(&w, UINT64_MAX) > 0);
        agree(&w, true);
        world_fini(&w);
}

static void count(void *arg, const struct hb_summary_entry *e) {
        (*(unsigned *)arg)++;
}

static void test_bad_summaries_deliver_nothing(void **state) {
        static const struct {
                const char *tail;
                size_t n;
        } bad[] = {
                {"\x00\x05", 2},                 /* cut short */
                {"\x00\x00\x00", 3},             /* empty run */
                {"\x00\x65\x00", 3},             /* past the end */
                {"\x65\x01\x00", 3},             /* begins past the end */
                {"\x00\x05\x40", 3},             /* unknown flag */
                {"\x00\x05\x02\x00", 4},         /* heat flagged but none */
                {"\x00\x05\x02\xff", 4},         /* no such class */
                {"\x00\x05\x08\x09", 4},         /* before epoch 1 */
                {"\x00\x05\x20", 3},             /* access is version, no version */
                {"\x00\x05\x38\x01\x01", 5},     /* both forms */
                {"\x00\x05\x00\x00\x60\x00", 6}, /* second run past the end */
                {"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 12},
        };

        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char msg[64] = "\x01\x09\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x01";
                unsigned runs = 0;
                uint32_t epoch_told;
                uint64_t time_ns;

                /* one good entry first: it must not be delivered either */
                memcpy(msg + 16, bad[i].tail, bad[i].n);
                if (i < 10)
                        assert_int_equal(hb_summary_decode(msg, 16, 100, &epoch_told, &time_ns, count, &runs),
                                         0);
                runs = 0;
                assert_int_equal(
                        hb_summary_decode(msg, 16 + bad[i].n, 100, &epoch_told, &time_ns, count, &runs),
                        -EBADMSG);
                assert_int_equal(runs, 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_target_believes_what_the_map_says),
                cmocka_unit_test(test_budget_lags_and_catches_up),
                cmocka_unit_test(test_hottest_go_first),
                cmocka_unit_test(test_a_steady_guest_costs_little),
                cmocka_unit_test(test_worst_case_size),
                cmocka_unit_test(test_reset_tells_everything_again),
                cmocka_unit_test(test_residency_is_told),
                cmocka_unit_test(test_no_memory_marks_nothing_sent),
                cmocka_unit_test(test_bad_summaries_deliver_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
