/* The page map against a naive model that keeps every event, its file across kills, and its cost on a huge
 * sparse guest. */
#include "base/fault.h"
#include "check.h"
#include "map/heat.h"
#include "map/page_map.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define S 1000000000ull

struct sets {
        struct hb_bitmap written, accessed, observed;
};

static struct hb_shape shape_of(uint64_t pages) {
        struct hb_shape s = {0};

        assert_int_equal(hb_shape_add(&s, "ram", pages << HB_PAGE_SHIFT, HB_PAGE_SIZE, NULL), 0);
        return s;
}

static struct sets sets_of(uint64_t pages) {
        struct sets s;

        assert_int_equal(hb_bitmap_init(&s.written, pages), 0);
        assert_int_equal(hb_bitmap_init(&s.accessed, pages), 0);
        assert_int_equal(hb_bitmap_init(&s.observed, pages), 0);
        return s;
}

static void sets_clear(struct sets *s) {
        hb_bitmap_clear_all(&s->written);
        hb_bitmap_clear_all(&s->accessed);
        hb_bitmap_clear_all(&s->observed);
}

static void sets_free(struct sets *s) {
        hb_bitmap_fini(&s->written);
        hb_bitmap_fini(&s->accessed);
        hb_bitmap_fini(&s->observed);
}

static hb_page_map *open_map(const struct hb_shape *shape, const char *path) {
        hb_page_map *m = NULL;
        struct hb_err e = {0};

        if (hb_page_map_open(shape, path, &m, &e) < 0)
                fail_msg("%s (%s)", e.what, e.which);
        return m;
}

static uint64_t next(uint64_t *seed) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

struct model {
        uint32_t version, access, writes, reads;
        double write_heat;
        bool known;
};

#define PAGES 300u

static void model_epoch(struct model *m, const struct sets *s, uint32_t e, bool lost, double interval) {
        for (unsigned g = 0; g < PAGES; g++) {
                bool w = hb_bitmap_test(&s->written, g), seen = hb_bitmap_test(&s->accessed, g);

                m[g].write_heat *= exp(-interval / HB_HEAT_TAU_S);
                if (w || (lost && m[g].known))
                        m[g].version = e;
                m[g].known |= w || seen;
                if (w && !lost) {
                        m[g].access = e;
                        m[g].writes++;
                        m[g].write_heat += (1 - exp(-interval / HB_HEAT_TAU_S)) / interval;
                } else if (seen && hb_bitmap_test(&s->observed, g)) {
                        m[g].access = e;
                        m[g].reads++;
                }
        }
}

static void compare(const hb_page_map *map, const struct model *m) {
        for (unsigned g = 0; g < PAGES; g++) {
                struct hb_page_info i;

                hb_page_map_get(map, g, &i);
                assert_int_equal(i.version, m[g].version);
                assert_int_equal(i.last_access, m[g].access);
                assert_int_equal(i.writes, m[g].writes);
                assert_int_equal(i.reads, m[g].reads);
                assert_true(fabs((double)i.write_heat - m[g].write_heat) <= 0.02 * m[g].write_heat + 1e-5);
                assert_true(m[g].reads == 0 || i.read_heat >= 0.0f);
                if (m[g].writes)
                        assert_true(fabs((double)i.read_write_ratio - (double)m[g].reads / m[g].writes) <
                                    1e-3);
                else
                        assert_true(isinf(i.read_write_ratio));
        }
}

static void fill(struct sets *s, uint64_t *seed) {
        sets_clear(s);
        for (unsigned g = 0; g < PAGES; g++) {
                if (next(seed) % 100 < g % 50)
                        hb_bitmap_set(&s->written, g);
                if (next(seed) % 100 < 30)
                        hb_bitmap_set(&s->observed, g);
                if (hb_bitmap_test(&s->observed, g) && next(seed) % 100 < g % 70)
                        hb_bitmap_set(&s->accessed, g);
        }
}

static void test_agrees_with_the_model(void **state) {
        struct hb_shape shape = shape_of(PAGES);
        struct sets s = sets_of(PAGES);

        for (uint64_t seed = 1; seed <= 5; seed++) {
                struct model model[PAGES] = {0};
                hb_page_map *m = open_map(&shape, NULL);
                uint64_t rng = seed * 77777, now = 5 * S;

                for (uint32_t e = 1; e <= 200; e++) {
                        uint64_t step = S / 2 + next(&rng) % S;
                        bool lost = e % 61 == 0;

                        now += step;
                        fill(&s, &rng);
                        hb_page_map_apply(m, now, &s.written, &s.accessed, &s.observed, lost);
                        model_epoch(model, &s, e, lost || e == 1, (double)step / (double)S);
                        assert_int_equal(hb_page_map_epoch(m), e);
                        assert_int_equal(hb_page_map_epoch_time_ns(m, e), now);
                }
                compare(m, model);
                hb_page_map_free(m);
        }
        sets_free(&s);
}

static void test_since_is_what_was_missed(void **state) {
        struct hb_shape shape = shape_of(PAGES);
        struct sets s = sets_of(PAGES);
        hb_page_map *m = open_map(&shape, NULL);
        struct hb_bitmap want[21], out;
        uint64_t rng = 99;

        assert_int_equal(hb_bitmap_init(&out, PAGES), 0);
        for (unsigned e = 0; e <= 20; e++)
                assert_int_equal(hb_bitmap_init(&want[e], PAGES), 0);
        for (unsigned e = 1; e <= 20; e++) {
                fill(&s, &rng);
                hb_page_map_apply(m, e * S, &s.written, NULL, NULL, e == 7);
                if (e == 7) /* lost: everything known */
                        hb_bitmap_or(&s.written, &want[0]);
                for (unsigned k = 0; k < e; k++)
                        hb_bitmap_or(&want[k], &s.written);
        }
        for (unsigned k = 0; k <= 20; k++) {
                hb_bitmap_clear_all(&out);
                assert_int_equal(hb_page_map_since(m, k, &out), hb_bitmap_count(&want[k]));
                assert_memory_equal(out.words, want[k].words, (PAGES + 63) / 64 * 8);
                hb_bitmap_fini(&want[k]);
        }
        hb_bitmap_fini(&out);
        hb_page_map_free(m);
        sets_free(&s);
}

static void test_first_scan_is_no_evidence_of_writes(void **state) {
        struct hb_shape shape = shape_of(64);
        struct sets s = sets_of(64);
        hb_page_map *m = open_map(&shape, NULL);
        struct hb_page_info i;

        hb_bitmap_set_all(&s.written);
        hb_page_map_apply(m, S, &s.written, NULL, NULL, false);
        hb_page_map_get(m, 5, &i);
        assert_int_equal(i.version, 1);
        assert_int_equal(i.last_access, 0);
        assert_int_equal(i.writes, 0);
        assert_true(i.write_heat == 0.0f);
        assert_true(hb_page_map_dirty_pages_per_s(m) == 0.0);
        hb_page_map_free(m);
        sets_free(&s);
}

/* The tracker was killed and lost its state; meanwhile page 9 became a hole, which nobody reports. */
static void test_lost_state_counts_every_known_page_as_written(void **state) {
        struct hb_shape shape = shape_of(64);
        struct sets s = sets_of(64);
        hb_page_map *m = open_map(&shape, NULL);
        struct hb_page_info i;

        hb_bitmap_set_range(&s.written, 8, 4);
        hb_page_map_apply(m, S, &s.written, NULL, NULL, false);
        hb_bitmap_clear(&s.written, 9);
        hb_page_map_apply(m, 2 * S, &s.written, NULL, NULL, true);
        hb_page_map_get(m, 9, &i);
        assert_int_equal(i.version, 2);
        hb_bitmap_clear_all(&s.written);
        assert_int_equal(hb_page_map_since(m, 1, &s.written), 4);
        hb_page_map_free(m);
        sets_free(&s);
}

static void test_residency(void **state) {
        struct hb_shape shape = shape_of(200);
        struct sets s = sets_of(200);
        hb_page_map *m = open_map(&shape, NULL);
        struct hb_bitmap r;
        struct hb_page_info i;

        assert_int_equal(hb_bitmap_init(&r, 200), 0);
        hb_bitmap_set_range(&r, 10, 100);
        hb_page_map_set_resident(m, &r);
        assert_int_equal(hb_page_map_resident_pages(m), 100);
        hb_page_map_apply(m, S, &s.written, NULL, NULL, false);
        hb_bitmap_set(&s.written, 199); /* a page that is written is there */
        hb_page_map_apply(m, 2 * S, &s.written, NULL, NULL, false);
        assert_int_equal(hb_page_map_resident_pages(m), 101);
        hb_bitmap_clear_range(&r, 10, 50);
        hb_page_map_set_resident(m, &r);
        assert_int_equal(hb_page_map_resident_pages(m), 50);
        hb_page_map_get(m, 20, &i);
        assert_false(i.resident);
        hb_page_map_get(m, 70, &i);
        assert_true(i.resident);
        hb_bitmap_fini(&r);
        hb_page_map_free(m);
        sets_free(&s);
}

static void test_dirty_rate(void **state) {
        struct hb_shape shape = shape_of(1000);
        struct sets s = sets_of(1000);
        hb_page_map *m = open_map(&shape, NULL);

        hb_bitmap_set_range(&s.written, 0, 100);
        for (unsigned e = 1; e < 60; e++) /* 100 pages each half second */
                hb_page_map_apply(m, e * S / 2, &s.written, NULL, NULL, false);
        assert_true(fabs(hb_page_map_dirty_pages_per_s(m) - 200.0) < 4.0);
        hb_bitmap_clear_all(&s.written);
        for (unsigned e = 60; e < 120; e++)
                hb_page_map_apply(m, e * S / 2, &s.written, NULL, NULL, false);
        assert_true(hb_page_map_dirty_pages_per_s(m) < 2.0);
        hb_page_map_free(m);
        sets_free(&s);
}

static void test_counts_stay_in_proportion(void **state) {
        struct hb_shape shape = shape_of(1);
        struct sets s = sets_of(1);
        hb_page_map *m = open_map(&shape, NULL);
        struct hb_page_info i;

        hb_bitmap_set(&s.observed, 0);
        for (unsigned e = 0; e < 300000; e++) { /* two reads a write */
                hb_bitmap_clear_all(&s.written);
                hb_bitmap_set(&s.accessed, 0);
                if (e % 3 == 0)
                        hb_bitmap_set(&s.written, 0);
                hb_page_map_apply(m, e * S, &s.written, &s.accessed, &s.observed, false);
        }
        hb_page_map_get(m, 0, &i);
        assert_true(fabs((double)i.read_write_ratio - 2.0) < 0.02);
        assert_int_equal(hb_page_map_epoch_time_ns(m, 300000 - 5000), 0); /* older than the ring */
        hb_page_map_free(m);
        sets_free(&s);
}

/* Pages read every epoch, every tenth, and never again after a while: rates, not touches; silence counts. */
static void test_exact_reads_are_rates(void **state) {
        struct hb_shape shape = shape_of(400);
        struct sets s = sets_of(400);
        hb_page_map *m = open_map(&shape, NULL);
        struct hb_page_info i;

        for (uint32_t e = 1; e <= 200; e++) {
                sets_clear(&s);
                hb_bitmap_set(&s.accessed, 7);
                if (e % 10 == 0)
                        hb_bitmap_set(&s.accessed, 300);
                if (e <= 100)
                        hb_bitmap_set_range(&s.accessed, 100, 64);
                if (e > 1) {
                        hb_bitmap_set(&s.accessed, 399); /* written too: a write is all that is known of it */
                        hb_bitmap_set(&s.written, 399);
                }
                hb_page_map_apply_exact(m, e * S, &s.written, &s.accessed);
                assert_int_equal(hb_page_map_epoch(m), e);
        }
        hb_page_map_get(m, 7, &i);
        assert_true(fabs((double)i.read_heat - 1.0) < 0.02 && i.reads == 200 && i.last_access == 200);
        hb_page_map_get(m, 300, &i); /* just read: a tenth a second, and what that read still adds */
        assert_true(i.read_heat > 0.1f && i.read_heat < 0.14f && i.reads == 20);
        hb_page_map_get(m, 130, &i); /* exp(-100 / 20), at most a round late */
        assert_true(i.read_heat > 0.006f && i.read_heat < 0.0067f * 1.6f && i.last_access == 100);
        hb_page_map_get(m, 399, &i);
        assert_true(i.read_heat == 0 && i.writes == 199 && i.reads == 0 && i.resident);
        hb_page_map_get(m, 8, &i);
        assert_true(i.read_heat == 0 && i.last_access == 0);
        sets_clear(&s);
        for (uint32_t e = 201; e <= 500; e++)
                hb_page_map_apply_exact(m, e * S, &s.written, &s.accessed);
        hb_page_map_get(m, 130, &i);
        assert_true(i.read_heat == 0);
        hb_page_map_free(m);
        sets_free(&s);
}

static char dir[] = "/dev/shm/hb-page-map-XXXXXX";
static char path[128];

static int make_dir(void **state) {
        if (!mkdtemp(dir))
                return -1;
        snprintf(path, sizeof(path), "%s/map", dir);
        return 0;
}

static int drop_dir(void **state) {
        unlink(path);
        return rmdir(dir);
}

static void test_goes_on_after_a_restart(void **state) {
        struct hb_shape shape = shape_of(PAGES);
        struct sets s = sets_of(PAGES);
        hb_page_map *m = open_map(&shape, path), *second = NULL;
        struct hb_page_info a, b;
        struct hb_err e;
        uint8_t id[16];

        hb_bitmap_set_range(&s.written, 5, 20);
        for (unsigned i = 1; i <= 10; i++)
                hb_page_map_apply(m, i * S, &s.written, NULL, NULL, false);
        hb_page_map_get(m, 6, &a);
        assert_int_equal(hb_page_map_open(&shape, path, &second, &e), -EBUSY);
        hb_page_map_owner(m, id);
        assert_memory_equal(id, (uint8_t[16]){0}, 16);
        hb_page_map_set_owner(m, (const uint8_t *)"0123456789abcdef");
        hb_page_map_free(m);
        m = open_map(&shape, path);
        hb_page_map_owner(m, id);
        assert_memory_equal(id, "0123456789abcdef", 16);
        hb_page_map_get(m, 6, &b);
        assert_int_equal(hb_page_map_epoch(m), 10);
        assert_int_equal(a.version, b.version);
        assert_int_equal(a.writes, b.writes);
        assert_int_equal(a.last_access_time_ns, b.last_access_time_ns);
        assert_true(a.write_heat == b.write_heat && a.write_heat > 0.0f);
        assert_int_equal(hb_page_map_resident_pages(m), 20);
        hb_page_map_free(m);
        assert_int_equal(unlink(path), 0);
        sets_free(&s);
}

/* A kill before the epoch counts: the epoch is applied again under its number, versions come out the same. */
static void test_an_interrupted_epoch_is_applied_again(void **state) {
        struct hb_shape shape = shape_of(PAGES);
        struct sets s = sets_of(PAGES);
        hb_page_map *m = open_map(&shape, path);
        struct hb_page_info i;

        hb_page_map_apply(m, S, &s.written, NULL, NULL, false);
        hb_bitmap_set(&s.written, 7);
        assert_int_equal(hb_fault_arm("page_map.apply=fail"), 0);
        hb_page_map_apply(m, 2 * S, &s.written, NULL, NULL, false);
        hb_fault_disarm();
        hb_page_map_free(m);
        m = open_map(&shape, path);
        assert_int_equal(hb_page_map_epoch(m), 1);
        hb_bitmap_set(&s.written, 8);
        hb_page_map_apply(m, 3 * S, &s.written, NULL, NULL, false);
        assert_int_equal(hb_page_map_epoch(m), 2);
        for (unsigned g = 7; g <= 8; g++) {
                hb_page_map_get(m, g, &i);
                assert_int_equal(i.version, 2);
        }
        hb_page_map_free(m);
        assert_int_equal(unlink(path), 0);
        sets_free(&s);
}

static void refuse(const struct hb_shape *shape, int want) {
        hb_page_map *m = NULL;
        struct hb_err e = {0};

        assert_int_equal(hb_page_map_open(shape, path, &m, &e), want);
        assert_null(m);
        assert_true(e.what[0] && e.which[0]);
}

static void poke(long at, uint8_t v) {
        FILE *f = fopen(path, "r+b");

        assert_non_null(f);
        assert_int_equal(fseek(f, at, SEEK_SET), 0);
        assert_int_equal(fputc(v, f), v);
        assert_int_equal(fclose(f), 0);
}

static void test_refuses_what_is_not_its_own(void **state) {
        struct hb_shape shape = shape_of(PAGES), other = {0}, larger = shape_of(PAGES + 100000);

        assert_int_equal(hb_shape_add(&other, "other", PAGES << HB_PAGE_SHIFT, HB_PAGE_SIZE, NULL), 0);
        hb_page_map_free(open_map(&shape, path));
        refuse(&other, -ESTALE);
        refuse(&larger, -ESTALE);
        poke(0, 'X');
        refuse(&shape, -EBADMSG);
        assert_int_equal(truncate(path, 100), 0);
        refuse(&shape, -ESTALE);
        assert_int_equal(truncate(path, 0), 0);
        hb_page_map_free(open_map(&shape, path)); /* a kill between creating and sizing */
        poke(4096 + 32768 + (PAGES / 64) * 8 + 7, 0x80);
        refuse(&shape, -EBADMSG); /* a page beyond the last is known */
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        refuse(&shape, -EISDIR);
        assert_int_equal(rmdir(path), 0);
}

static void test_every_failure_is_clean(void **state) {
        struct hb_shape shape = shape_of(PAGES);
        unsigned failures = 0;

        for (unsigned n = 1; hb_fail_nth(n); n++) {
                hb_page_map *m = NULL;

                if (hb_page_map_open(&shape, path, &m, NULL) < 0) {
                        failures++;
                        assert_null(m);
                }
                hb_page_map_free(m);
        }
        hb_fault_disarm();
        assert_true(failures >= 3);
        unlink(path);
}

static void test_a_full_filesystem_is_named_before_it_hurts(void **state) {
        struct hb_shape shape = shape_of(1 << 20);
        hb_page_map *m = NULL;
        struct hb_err e = {0};

        if (geteuid() != 0 || mount("hb-test", dir, "tmpfs", 0, "size=1m") < 0)
                skip();
        assert_int_equal(hb_page_map_open(&shape, path, &m, &e), -ENOSPC);
        assert_string_equal(e.which, path);
        unlink(path);
        assert_int_equal(umount(dir), 0);
}

static void test_a_huge_sparse_guest_costs_what_it_touched(void **state) {
        struct hb_shape shape = shape_of(1ull << 24); /* 64 GiB */
        struct sets s = sets_of(1ull << 24);
        hb_page_map *m = open_map(&shape, path);
        struct hb_page_info i;
        struct stat st;

        hb_bitmap_set_range(&s.written, 1 << 20, 1000);
        for (unsigned e = 1; e <= 3; e++)
                hb_page_map_apply(m, e * S, &s.written, NULL, NULL, false);
        for (uint64_t g = 0; g < 1ull << 24; g += 4099)
                hb_page_map_get(m, g, &i);
        hb_bitmap_clear_all(&s.written);
        assert_int_equal(hb_page_map_since(m, 0, &s.written), 1000);
        assert_int_equal(stat(path, &st), 0);
        /* 20 kB of records, the ring, and the bitmaps, which are read whole */
        assert_true(st.st_blocks * 512 < (5 << 20));
        assert_true(hb_page_map_bytes_per_page() <= 24);
        hb_page_map_free(m);
        assert_int_equal(unlink(path), 0);
        sets_free(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_agrees_with_the_model),
                cmocka_unit_test(test_since_is_what_was_missed),
                cmocka_unit_test(test_first_scan_is_no_evidence_of_writes),
                cmocka_unit_test(test_lost_state_counts_every_known_page_as_written),
                cmocka_unit_test(test_residency),
                cmocka_unit_test(test_dirty_rate),
                cmocka_unit_test(test_counts_stay_in_proportion),
                cmocka_unit_test(test_exact_reads_are_rates),
                cmocka_unit_test(test_goes_on_after_a_restart),
                cmocka_unit_test(test_an_interrupted_epoch_is_applied_again),
                cmocka_unit_test(test_refuses_what_is_not_its_own),
                cmocka_unit_test(test_every_failure_is_clean),
                cmocka_unit_test(test_a_full_filesystem_is_named_before_it_hurts),
                cmocka_unit_test(test_a_huge_sparse_guest_costs_what_it_touched),
        };
        return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
