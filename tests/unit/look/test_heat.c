/* The matrix of a heat map: every access falls into the one cell that page and epoch name; ranges, odd
 * divisions, gaps; the scale. */
#include "look_rig.h"

static struct hb_heatmap *map(uint32_t w, uint32_t h, uint32_t from, uint32_t to, uint64_t first, uint64_t n,
                              uint64_t pages, uint32_t last) {
        struct hb_heatmap_options o = {w, h, from, to, first, n};
        struct hb_heatmap *m = NULL;

        assert_int_equal(hb_heatmap_new(&o, pages, 1, last, &m, NULL), 0);
        return m;
}

static void cells_tile_the_range(void **state) {
        static const uint32_t sizes[][2] = {{1, 1}, {7, 5}, {80, 24}, {97, 100}, {3, 64}};

        for (size_t k = 0; k < 5; k++) {
                struct hb_heatmap *m = map(sizes[k][0], sizes[k][1], 0, 0, 3, 97, 1000, 101);
                struct hb_trace_access a = {0, 1, 2};
                uint64_t before = m->first_page;

                assert_int_equal(m->width, sizes[k][0] < 101 ? sizes[k][0] : 101);
                assert_int_equal(m->height, sizes[k][1] < 97 ? sizes[k][1] : 97);
                for (uint32_t y = 0; y < m->height; y++) {
                        assert_true(y == 0 || hb_heatmap_page_of(m, y) > before);
                        before = hb_heatmap_page_of(m, y);
                }
                assert_int_equal(hb_heatmap_page_of(m, m->height), 100);
                assert_int_equal(hb_heatmap_epoch_of(m, m->width), 102);
                /* each single page and epoch lands in the cell whose bounds hold it */
                for (uint32_t g = 0; g < 110; g++)
                        for (uint32_t e = 1; e <= 101; e += 10) {
                                a.gfn = g;
                                memset(m->reads, 0, 8ull * m->width * m->height);
                                hb_heatmap_add(m, e, e * S, &a, 1);
                                for (uint32_t y = 0; y < m->height; y++)
                                        for (uint32_t x = 0; x < m->width; x++) {
                                                bool in = g >= hb_heatmap_page_of(m, y) &&
                                                          g < hb_heatmap_page_of(m, y + 1) &&
                                                          e >= hb_heatmap_epoch_of(m, x) &&
                                                          e < hb_heatmap_epoch_of(m, x + 1);

                                                assert_int_equal(hb_heatmap_at(m, HB_HEATMAP_READS, x, y),
                                                                 in);
                                        }
                        }
                hb_heatmap_free(m);
        }
}

static void reads_and_writes_are_apart(void **state) {
        struct hb_trace_access a[] = {{0, 1, 0}, {1, 0, 5}, {9, 2, 3}};
        struct hb_heatmap *m = map(2, 2, 0, 0, 0, 0, 10, 4);

        hb_heatmap_add(m, 1, 1 * S, a, 3);
        hb_heatmap_add(m, 2, 2 * S, a, 1);
        hb_heatmap_add(m, 4, 4 * S, a, 3);
        hb_heatmap_add(m, 9, 9 * S, a, 3); /* outside */
        assert_int_equal(hb_heatmap_at(m, HB_HEATMAP_READS, 0, 0), 2);
        assert_int_equal(hb_heatmap_at(m, HB_HEATMAP_WRITES, 0, 0), 5);
        assert_int_equal(hb_heatmap_at(m, HB_HEATMAP_ALL, 1, 1), 5);
        assert_int_equal(hb_heatmap_peak(m, HB_HEATMAP_ALL), 7);
        assert_int_equal(m->records, 7);
        assert_int_equal(m->epochs, 3);
        assert_int_equal(m->begins_ns[1], 4 * S);
        assert_int_equal(m->end_ns, 4 * S);
        hb_heatmap_free(m);
}

static void ranges_that_are_none_are_refused(void **state) {
        struct hb_heatmap_options o = {.from = 9, .to = 3};
        struct hb_heatmap *m = NULL;
        struct hb_err e = {0};

        assert_int_equal(hb_heatmap_new(&o, 10, 1, 20, &m, &e), -EINVAL);
        o = (struct hb_heatmap_options){.first_page = 10};
        assert_int_equal(hb_heatmap_new(&o, 10, 1, 20, &m, &e), -EINVAL);
        o = (struct hb_heatmap_options){0};
        assert_int_equal(hb_heatmap_new(&o, 10, 0, 0, &m, &e), -EINVAL); /* no epochs */
        assert_null(m);
        o = (struct hb_heatmap_options){.width = UINT32_MAX, .height = UINT32_MAX};
        assert_int_equal(hb_heatmap_new(&o, 1u << 20, 1, 1u << 20, &m, &e), 0);
        assert_int_equal(m->width, HB_HEATMAP_MAX);
        assert_int_equal(m->height, HB_HEATMAP_MAX);
        hb_heatmap_free(m);
}

/* The sums of any grid are those of the whole trace, and of a part, those of the part. */
static void sums_are_those_of_the_trace(void **state) {
        struct hb_synth s = {.shape = HB_SYNTH_MIX, .pages = 3000, .epochs = 50, .seed = 3};
        static const struct hb_heatmap_options options[] = {
                {0}, {.width = 7, .height = 1}, {.width = 200, .height = 4000}};
        struct rig *r = *state;
        hb_trace_reader *reader = NULL;
        struct hb_scan *scan = calloc(1, sizeof(*scan));
        struct hb_heatmap *m;
        uint64_t part = 0;

        assert_int_equal(hb_synth_write(&s, r->a, NULL), 0);
        scan_file(r->a, scan, NULL);
        assert_int_equal(hb_trace_reader_open(r->a, &reader, NULL), 0);
        for (int k = 0; k < 3; k++) {
                uint64_t reads = 0, writes = 0;

                assert_int_equal(hb_heatmap_read(reader, &options[k], NULL, NULL, &m, NULL), 0);
                for (size_t i = 0; i < (size_t)m->width * m->height; i++) {
                        reads += m->reads[i];
                        writes += m->writes[i];
                }
                assert_int_equal(reads, scan->reads);
                assert_int_equal(writes, scan->writes);
                assert_int_equal(m->records, scan->records);
                hb_heatmap_free(m);
        }
        assert_int_equal(hb_heatmap_read(reader,
                                         &(struct hb_heatmap_options){
                                                 .from = 20, .to = 29, .first_page = 1000, .npages = 500},
                                         NULL, NULL, &m, NULL),
                         0);
        for (uint32_t e = 20; e < 30; e++) {
                struct hb_trace_access *a = calloc(s.pages, sizeof(*a));
                size_t n = hb_synth_epoch(&s, e, a);

                for (size_t i = 0; i < n; i++)
                        part += a[i].gfn >= 1000 && a[i].gfn < 1500;
                free(a);
        }
        assert_true(part > 0);
        assert_int_equal(m->records, part);
        assert_int_equal(m->epochs, 10);
        hb_heatmap_free(m);
        hb_trace_reader_free(reader);
        free(scan);
}

static void note_mark(void *arg, uint32_t epoch, enum hb_trace_mark kind, uint64_t value) {
        char *text = arg;

        sprintf(text + strlen(text), "%u %s %llu, ", epoch, hb_trace_mark_name(kind),
                (unsigned long long)value);
}

static void marks_go_with_the_epoch_that_ends_after_them(void **state) {
        struct hb_trace_header h = head("g", 10);
        struct rig *r = *state;
        char text[200] = "";
        struct hb_heatmap_options o = {.from = 2, .to = 4, .mark = note_mark, .mark_arg = text};
        hb_trace_reader *reader = NULL;
        struct hb_heatmap *m;
        hb_trace_writer *w = begin_trace(r->a, &h);

        for (uint32_t k = 1; k <= 6; k++) {
                put_mark(w, (k - 1) * S + 1, HB_MARK_NOTE, k, "");
                put_epoch(w, k, k, 1, 1);
        }
        end_trace(w);
        assert_int_equal(hb_trace_reader_open(r->a, &reader, NULL), 0);
        assert_int_equal(hb_heatmap_read(reader, &o, NULL, NULL, &m, NULL), 0);
        assert_string_equal(strstr(text, "3 note"), "3 note 3, 4 note 4, ");
        hb_heatmap_free(m);
        hb_trace_reader_free(reader);
}

static int stop_at_once(void *arg, uint64_t at, uint64_t of) {
        assert_true(at <= of);
        return 1;
}

static void it_can_be_stopped(void **state) {
        struct hb_synth s = {.pages = 100, .epochs = 200, .seed = 1};
        struct rig *r = *state;
        hb_trace_reader *reader = NULL;
        struct hb_heatmap *m = NULL;

        assert_int_equal(hb_synth_write(&s, r->a, NULL), 0);
        assert_int_equal(hb_trace_reader_open(r->a, &reader, NULL), 0);
        assert_int_equal(
                hb_heatmap_read(reader, &(struct hb_heatmap_options){0}, stop_at_once, NULL, &m, NULL),
                -ECANCELED);
        assert_null(m);
        hb_trace_reader_free(reader);
}

static void levels_are_even_on_the_logarithm(void **state) {
        unsigned before = 0;

        assert_int_equal(hb_heatmap_level_between(0, 1, 1000, 5), 0);
        assert_int_equal(hb_heatmap_level_between(1, 1, 10000, 5), 1);
        assert_int_equal(hb_heatmap_level_between(10, 1, 10000, 5), 2);
        assert_int_equal(hb_heatmap_level_between(100, 1, 10000, 5), 3);
        assert_int_equal(hb_heatmap_level_between(1000, 1, 10000, 5), 4);
        assert_int_equal(hb_heatmap_level_between(10000, 1, 10000, 5), 5);
        assert_int_equal(hb_heatmap_level_between(UINT64_MAX, 1, 10000, 5), 5);
        assert_int_equal(hb_heatmap_level_between(3, 3, 3, 5), 5);
        assert_int_equal(hb_heatmap_level_between(2, 3, 9, 5), 1);
        for (uint64_t v = 0; v < 5000; v++) {
                unsigned l = hb_heatmap_level_between(v, 7, 3000, 5);

                assert_true(l >= before && l <= 5);
                before = l;
        }
}

/* 98 cells from 100 to 197, one at 1, one at a billion: the two do not take the contrast from the rest. */
static void few_cells_do_not_spoil_the_scale(void **state) {
        struct hb_heatmap *m = map(10, 10, 0, 0, 0, 0, 10, 10);
        uint64_t low, high;

        hb_heatmap_scale(m, HB_HEATMAP_ALL, &low, &high);
        assert_int_equal(high, 0);
        for (uint32_t i = 0; i < 98; i++)
                m->reads[i] = 100 + i;
        m->reads[98] = 1;
        m->writes[99] = 1000000000;
        hb_heatmap_scale(m, HB_HEATMAP_ALL, &low, &high);
        assert_true(low >= 100 && low < 110);
        assert_true(high > 180 && high < 200);
        hb_heatmap_scale(m, HB_HEATMAP_WRITES, &low, &high);
        assert_int_equal(low, 1000000000);
        assert_int_equal(high, 1000000000);
        hb_heatmap_free(m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cells_tile_the_range),
                cmocka_unit_test(reads_and_writes_are_apart),
                cmocka_unit_test(ranges_that_are_none_are_refused),
                cmocka_unit_test_setup_teardown(sums_are_those_of_the_trace, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(marks_go_with_the_epoch_that_ends_after_them, rig_setup,
                                                rig_teardown),
                cmocka_unit_test_setup_teardown(it_can_be_stopped, rig_setup, rig_teardown),
                cmocka_unit_test(levels_are_even_on_the_logarithm),
                cmocka_unit_test(few_cells_do_not_spoil_the_scale),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
