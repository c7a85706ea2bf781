/* The picture of a guest's pages against a count by force: cells, samples, blocks, and that what is written
 * is what was counted. */
#include "base/fault.h"
#include "daemon/guest_map.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALL (HB_PLANE_BIT(HB_PLANES) - 1)

static uint32_t mix(uint64_t x) {
        x *= 0x9E3779B97F4A7C15ull;
        return (uint32_t)(x >> 32 ^ x >> 11);
}

/* A guest whose pages' figures are a function of their number: hot blocks here and there. */
static struct hb_map_page page_of(uint64_t gfn) {
        uint32_t m = mix(gfn), block = mix(gfn / HB_MAP_BLOCK);
        struct hb_map_page p = {.rate = {(float)(m % 7) * (float)(block % 50), (float)(m >> 8 & 3), 1.5f}};

        for (unsigned i = HB_PLANE_RESIDENT; i < HB_PLANES; i++)
                if (m >> i & 1)
                        p.is |= HB_PLANE_BIT(i);
        return p;
}

static hb_guest_map *map_of(const struct hb_map_plan *p, unsigned planes) {
        hb_guest_map *m;

        assert_int_equal(hb_guest_map_new(p, planes, &m), 0);
        for (uint64_t i = 0; i < hb_map_plan_looks(p); i++) {
                uint64_t gfn = hb_map_plan_page(p, i);
                struct hb_map_page page = page_of(gfn);

                hb_guest_map_add(m, gfn, &page);
        }
        return m;
}

static struct hb_map_plan plan_of(uint64_t guest, uint64_t first, uint64_t pages, uint64_t cells) {
        struct hb_map_plan p;

        assert_int_equal(hb_map_plan(guest, first, pages, cells, &p, NULL), 0);
        return p;
}

/* ---- the plan ---- */

static void check_plan(const struct hb_map_plan *p, uint64_t cells) {
        uint64_t looks = hb_map_plan_looks(p), last = 0;

        assert_true(p->cells >= 1 && p->cells <= cells && p->cells <= p->span);
        assert_true(p->cell_pages * p->cells >= p->span && p->cell_pages * (p->cells - 1) < p->span);
        assert_true(looks >= 1 && looks <= HB_MAP_LOOKS);
        assert_true((p->sampled == 1) == (p->span <= HB_MAP_LOOKS));
        for (uint64_t i = 0; i < looks; i++) {
                uint64_t gfn = hb_map_plan_page(p, i), at = gfn - p->first;

                assert_true(i == 0 || gfn > last);
                assert_true(gfn >= p->first && at < p->span);
                assert_int_equal(at / p->sampled, i);
                last = gfn;
        }
}

static void every_plan_covers_its_span(void **state) {
        static const uint64_t spans[] = {
                1, 2, 511, 512, 4095, 4097, 65536, HB_MAP_LOOKS, HB_MAP_LOOKS + 1, 3000001};
        static const uint64_t cells[] = {1, 3, 80, 1024, HB_MAP_CELLS};

        for (unsigned s = 0; s < sizeof(spans) / sizeof(spans[0]); s++)
                for (unsigned c = 0; c < sizeof(cells) / sizeof(cells[0]); c++) {
                        struct hb_map_plan p = plan_of(spans[s] + 77, 77, 0, cells[c]);

                        assert_int_equal(p.span, spans[s]);
                        check_plan(&p, cells[c]);
                        p = plan_of(HB_MAX_PAGES, 12345, spans[s], cells[c]);
                        assert_int_equal(p.span, spans[s]);
                        check_plan(&p, cells[c]);
                }
}

static void the_largest_guest_is_sampled(void **state) {
        struct hb_map_plan p = plan_of(HB_MAX_PAGES, 0, 0, HB_MAP_CELLS);

        assert_int_equal(p.sampled, HB_MAX_PAGES / HB_MAP_LOOKS);
        assert_int_equal(p.cells, HB_MAP_CELLS);
        check_plan(&p, HB_MAP_CELLS);
}

static void what_cannot_be_is_refused(void **state) {
        struct hb_map_plan p;
        struct hb_err e;

        assert_int_equal(hb_map_plan(100, 100, 0, 10, &p, &e), -EINVAL);
        assert_non_null(strstr(e.what, "100 pages"));
        assert_int_equal(hb_map_plan(0, 0, 0, 10, &p, &e), -EINVAL);
        assert_int_equal(hb_map_plan(100, 0, 0, 0, &p, &e), -EINVAL);
        assert_int_equal(hb_map_plan(100, 0, 0, HB_MAP_CELLS + 1, &p, &e), -EINVAL);
        assert_int_equal(hb_map_plan(100, 90, UINT64_MAX, 5, &p, &e), 0);
        assert_int_equal(p.span, 10);
}

/* ---- figures ---- */

static double by_force(const struct hb_map_plan *p, enum hb_map_plane plane, unsigned cell) {
        double sum = 0;

        for (uint64_t at = cell * p->cell_pages; at < (cell + 1) * p->cell_pages && at < p->span; at++) {
                struct hb_map_page page = page_of(p->first + at);

                sum += plane < HB_PLANE_RESIDENT ? (double)page.rate[plane] : (page.is >> plane & 1);
        }
        return sum;
}

static void cells_are_what_a_count_by_force_says(void **state) {
        static const struct {
                uint64_t guest, first, pages, cells;
        } cases[] = {{5000, 0, 0, 7},
                     {5000, 513, 3001, 64},
                     {200, 0, 0, 4096},
                     {100000, 1, 99998, 1000},
                     {1, 0, 0, 1}};

        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct hb_map_plan p =
                        plan_of(cases[i].guest, cases[i].first, cases[i].pages, cases[i].cells);
                hb_guest_map *m = map_of(&p, ALL);

                for (unsigned plane = 0; plane < HB_PLANES; plane++)
                        for (unsigned c = 0; c < p.cells; c++) {
                                double want = by_force(&p, (enum hb_map_plane)plane, c);

                                assert_true(fabs(hb_guest_map_cell(m, (enum hb_map_plane)plane, c) - want) <=
                                            1e-9 * want);
                        }
                hb_guest_map_free(m);
        }
}

/* One page in 4: each cell within a few standard deviations, and the whole within a percent. */
static void samples_come_near(void **state) {
        struct hb_map_plan p = plan_of(4 * HB_MAP_LOOKS, 0, 0, 16);
        hb_guest_map *m = map_of(&p, ALL);
        double all = 0, want = 0;

        assert_int_equal(p.sampled, 4);
        for (unsigned c = 0; c < p.cells; c++) {
                double got = hb_guest_map_cell(m, HB_PLANE_FRESH, c), is = by_force(&p, HB_PLANE_FRESH, c);

                assert_true(fabs(got - is) < 0.05 * is);
                all += got;
                want += is;
        }
        assert_true(fabs(all - want) < 0.01 * want);
        hb_guest_map_free(m);
}

static void a_stride_of_the_guests_own_does_not_hide(void **state) {
        struct hb_map_plan p = plan_of(4 * HB_MAP_LOOKS, 0, 0, 16);
        hb_guest_map *m;
        double all = 0;

        assert_int_equal(hb_guest_map_new(&p, ALL, &m), 0);
        for (uint64_t i = 0; i < hb_map_plan_looks(&p); i++) {
                uint64_t gfn = hb_map_plan_page(&p, i);
                struct hb_map_page page = {.is = gfn % 4 == 0 ? HB_PLANE_BIT(HB_PLANE_STALE) : 0};

                hb_guest_map_add(m, gfn, &page);
        }
        for (unsigned c = 0; c < p.cells; c++)
                all += hb_guest_map_cell(m, HB_PLANE_STALE, c);
        assert_true(fabs(all / (double)HB_MAP_LOOKS - 1) < 0.02);
        hb_guest_map_free(m);
}

/* ---- blocks ---- */

static double block_by_force(const struct hb_map_plan *p, uint64_t first, uint64_t pages,
                             enum hb_map_plane plane) {
        double sum = 0;

        for (uint64_t gfn = first; gfn < first + pages; gfn++)
                sum += (double)page_of(gfn).rate[plane];
        return sum;
}

static void the_hottest_blocks_are_found(void **state) {
        struct hb_map_plan p = plan_of(60000, 700, 50000, 33);
        hb_guest_map *m = map_of(&p, ALL);
        struct hb_map_top top[HB_MAP_TOP];
        unsigned n = hb_guest_map_top(m, top), hotter = 0;
        double least;

        assert_int_equal(n, HB_MAP_TOP);
        least = top[n - 1].reads + top[n - 1].writes;
        for (unsigned i = 0; i < n; i++) {
                assert_true(i == 0 || top[i - 1].reads + top[i - 1].writes >= top[i].reads + top[i].writes);
                assert_true(fabs(top[i].reads - block_by_force(&p, top[i].first, top[i].pages,
                                                               HB_PLANE_READS)) < 1e-6 * top[i].reads);
                assert_true(fabs(top[i].writes - block_by_force(&p, top[i].first, top[i].pages,
                                                                HB_PLANE_WRITES)) < 1e-6 * top[i].writes);
        }
        for (uint64_t b = p.first / HB_MAP_BLOCK; b * HB_MAP_BLOCK < p.first + p.span; b++) {
                uint64_t from = b * HB_MAP_BLOCK, to = from + HB_MAP_BLOCK;

                from = from < p.first ? p.first : from;
                to = to > p.first + p.span ? p.first + p.span : to;
                hotter += block_by_force(&p, from, to - from, HB_PLANE_READS) +
                                  block_by_force(&p, from, to - from, HB_PLANE_WRITES) >
                          least + 1e-6;
        }
        assert_int_equal(hotter, n - 1);
        hb_guest_map_free(m);
}

static void a_cold_guest_has_no_hot_blocks(void **state) {
        struct hb_map_plan p = plan_of(5000, 0, 0, 10);
        struct hb_map_top top[HB_MAP_TOP];
        struct hb_map_page cold = {.rate = {NAN, -1, 0}};
        hb_guest_map *m;

        assert_int_equal(hb_guest_map_new(&p, ALL, &m), 0);
        for (uint64_t i = 0; i < 5000; i++)
                hb_guest_map_add(m, i, &cold);
        assert_int_equal(hb_guest_map_top(m, top), 0);
        assert_true(hb_guest_map_cell(m, HB_PLANE_READS, 3) == 0);
        hb_guest_map_free(m);
}

/* ---- as JSON ---- */

static void what_is_written_is_what_was_counted(void **state) {
        struct hb_map_plan p = plan_of(5000, 100, 0, 12);
        hb_guest_map *m = map_of(&p, ALL & ~HB_PLANE_BIT(HB_PLANE_SPILLED));
        struct hb_shape s = {0};
        struct hb_json_out o = {0};
        json_t *j, *planes, *plane;

        assert_int_equal(hb_shape_add(&s, "ram", 3000 * HB_PAGE_SIZE, HB_PAGE_SIZE, NULL), 0);
        assert_int_equal(hb_shape_add(&s, "pc.bios", 2000 * HB_PAGE_SIZE, HB_PAGE_SIZE, NULL), 0);
        hb_guest_map_forget(m, HB_PLANE_EXPECTED);
        hb_guest_map_write(m, "g", "target", &s, &o);
        j = json_loadb((char *)o.buf.data, o.buf.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(j);
        assert_int_equal(json_integer_value(json_object_get(j, "pages")), 5000);
        assert_int_equal(json_integer_value(json_object_get(j, "span")), 4900);
        assert_int_equal(json_integer_value(json_object_get(j, "cells")), p.cells);
        assert_int_equal(json_integer_value(json_object_get(j, "sampled")), 1);
        planes = json_object_get(j, "planes");
        assert_int_equal(json_object_size(planes), HB_PLANES);
        assert_true(json_is_null(json_object_get(planes, "spilled")));
        assert_true(json_is_null(json_object_get(planes, "expected")));
        plane = json_object_get(planes, "stale");
        assert_int_equal(json_array_size(plane), p.cells);
        for (unsigned c = 0; c < p.cells; c++)
                assert_int_equal(json_integer_value(json_array_get(plane, c)),
                                 by_force(&p, HB_PLANE_STALE, c));
        assert_true(json_is_real(json_array_get(json_object_get(planes, "reads"), 0)));
        assert_int_equal(json_array_size(json_object_get(j, "top")), (4900 + 100 + 511) / 512);
        assert_int_equal(json_array_size(json_object_get(j, "regions")), 2);
        assert_int_equal(json_integer_value(
                                 json_object_get(json_array_get(json_object_get(j, "regions"), 1), "first")),
                         3000);
        json_decref(j);
        hb_buf_free(&o.buf);
        hb_guest_map_free(m);
}

static void no_memory_is_said(void **state) {
        struct hb_map_plan p = plan_of(5000, 0, 0, 10);
        hb_guest_map *m = NULL;

        for (unsigned n = 1; hb_fail_nth(n); n++)
                if (hb_guest_map_new(&p, ALL, &m) == 0)
                        m = hb_guest_map_free(m);
                else
                        assert_null(m);
        hb_fault_disarm();
        assert_null(hb_guest_map_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_plan_covers_its_span),
                cmocka_unit_test(the_largest_guest_is_sampled),
                cmocka_unit_test(what_cannot_be_is_refused),
                cmocka_unit_test(cells_are_what_a_count_by_force_says),
                cmocka_unit_test(samples_come_near),
                cmocka_unit_test(a_stride_of_the_guests_own_does_not_hide),
                cmocka_unit_test(the_hottest_blocks_are_found),
                cmocka_unit_test(a_cold_guest_has_no_hot_blocks),
                cmocka_unit_test(what_is_written_is_what_was_counted),
                cmocka_unit_test(no_memory_is_said),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
