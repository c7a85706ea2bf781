/* An image above its budget: what goes out, what comes back, by each way of moving it. */
#include "place/spill_io.h"
#include "spill_world.h"

#define BUDGET (SW_ALL * 4096 / 4)

static const char *const ways[] = {"uring", "uring buffered", "threads", "threads buffered", "uring shallow"};

static void test_the_budget_is_kept_and_all_comes_back(void **state) {
        for (unsigned k = 0; k < sizeof(ways) / sizeof(ways[0]); k++) {
                hb_image *i = sw_full(BUDGET, ways[k]);
                struct hb_image_spill_stats s;

                assert_true(sw_turn(i, sw_within));
                s = sw_stats(i);
                assert_true(s.spilled_pages >= SW_ALL * 3 / 4 && s.on);
                assert_int_equal(s.direct, !strstr(ways[k], "buffered"));
                assert_int_equal(s.uring, !strstr(ways[k], "threads"));
                assert_int_equal(sw_check(i), SW_ALL);
                hb_image_spill_promote(i, true);
                assert_true(sw_turn(i, sw_home));
                s = sw_stats(i);
                assert_int_equal(s.ram_bytes, SW_ALL * 4096);
                assert_int_equal(s.wrong_pages + s.errors, 0);
                assert_int_equal(sw_check(i), SW_ALL);
                /* Given up: the budget holds again, and what the disk still has is not written again. */
                hb_image_spill_promote(i, false);
                assert_true(sw_turn(i, sw_within));
                assert_true(sw_stats(i).written_pages <= SW_ALL);
                assert_true(sw_stats(i).again_pages >= SW_ALL / 2);
                assert_int_equal(sw_check(i), SW_ALL);
                assert_int_equal(hb_image_remove(i), 0);
                assert_int_equal(files(false) + sw_spill_files(false), 0);
        }
}

/* Writes count double: a page written as often as another is read is the warmer one. */
static void test_the_coldest_go(void **state) {
        hb_image *i = open_image(false);
        uint64_t cold_out = 0, hot_out = 0;

        sw_enable(i, BUDGET * 2, "uring");
        for (uint64_t g = 0; g < SW_ALL; g++) {
                struct hb_image_page *p = &hb_image_pages(i)[g];

                assert_true(sw_fetch(i, g, 5));
                p->read_q = g % 2 ? 140 : 0;
                p->last_access = 1;
        }
        hb_image_set_processed(i, 500);
        assert_true(sw_turn(i, sw_within));
        for (uint64_t g = 0; g < SW_ALL; g++)
                *(g % 2 ? &hot_out : &cold_out) += (hb_image_pages(i)[g].flags & HB_IP_SPILLED) != 0;
        assert_true(cold_out >= SW_ALL / 2 - 1); /* they alone are too few */
        assert_true(hot_out <= SW_ALL / 8);
        assert_int_equal(sw_check(i), SW_ALL);
        hb_image_remove(i);
}

static uint64_t turned_hot;

static bool the_hot_is_home(const hb_image *i) {
        return !(hb_image_pages((hb_image *)i)[turned_hot].flags & HB_IP_SPILLED);
}

static void test_what_turns_hot_comes_back_before_it_is_needed(void **state) {
        hb_image *i = sw_full(BUDGET, "uring");

        assert_true(sw_turn(i, sw_within));
        for (turned_hot = 0; the_hot_is_home(i);)
                turned_hot++;
        hb_image_pages(i)[turned_hot].read_q = 160;
        assert_true(sw_turn(i, the_hot_is_home));
        assert_true(sw_turn(i, sw_within));
        assert_true(the_hot_is_home(i)); /* something colder made the room */
        assert_true(sw_stats(i).read_pages < 64);
        assert_int_equal(sw_check(i), SW_ALL);
        hb_image_remove(i);
}

static void test_a_page_written_while_spilled_is_never_read_back(void **state) {
        hb_image *i = sw_full(BUDGET, "uring");
        uint64_t before;

        assert_true(sw_turn(i, sw_within));
        before = hb_image_spilled(i);
        sw_invalidate(i, 0, SW_PAGES, 6);
        assert_true(hb_image_spilled(i) < before / 4 + HIGH + 1);
        assert_true(sw_stats(i).dropped_pages + hb_image_spilled(i) == before);
        hb_image_spill_promote(i, true);
        assert_true(sw_turn(i, sw_home));
        assert_true(sw_stats(i).read_pages <= HIGH);
        for (uint64_t g = 0; g < SW_PAGES; g++)
                assert_true(sw_fetch(i, g, 6));
        assert_int_equal(sw_check(i), SW_ALL);
        hb_image_remove(i);
}

static void test_pages_on_their_way_are_not_written(void **state) {
        hb_image *i = sw_full(BUDGET, "uring");
        unsigned refused = 0;

        hb_image_spill_tick(i, hb_now_ns()); /* some are on their way now */
        for (uint64_t g = 0; g < SW_ALL; g++) {
                struct hb_image_page *p = &hb_image_pages(i)[g];

                hb_coherency_invalidate(&p->c, 6);
                if (!sw_fetch(i, g, 6)) {
                        refused++;
                        assert_int_equal(hb_image_zero(i, g, 1), -EAGAIN);
                }
        }
        assert_true(refused > 0);
        hb_image_set_processed(i, 6);
        assert_true(sw_turn(i, sw_within)); /* what is stale is of no use: it goes without a write */
        assert_int_equal(sw_check(i), SW_ALL - refused);
        for (uint64_t g = 0; g < SW_ALL;
             g++) /* what turned stale on its way is not on the disk for anybody */
                if (hb_image_pages(i)[g].flags & HB_IP_SPILLED)
                        assert_int_equal(hb_coherency_judge(hb_image_pages(i)[g].c), HB_PAGE_FRESH);
        hb_image_remove(i);
}

static void test_a_sum_knows_page_stamp_and_file(void **state) {
        uint8_t page[4096];
        uint64_t sum;

        sw_pattern(page, 3, 4);
        sum = hb_spill_sum(1, 2, 3, page);
        assert_true(sum == hb_spill_sum(1, 2, 3, page));
        assert_true(sum != hb_spill_sum(9, 2, 3, page) && sum != hb_spill_sum(1, 9, 3, page) &&
                    sum != hb_spill_sum(1, 2, 9, page));
        page[4095] ^= 0x80;
        assert_true(sum != hb_spill_sum(1, 2, 3, page));
}

static void test_room_is_told(void **state) {
        hb_image *i = sw_full(BUDGET, "uring");

        assert_int_equal(hb_image_spill_room(i, 1), -EAGAIN);
        assert_true(sw_turn(i, sw_within));
        assert_int_equal(hb_image_spill_room(i, 1), 0);
        hb_image_spill_budget(i, 64 * 4096);
        assert_int_equal(hb_image_spill_room(i, 1), -EAGAIN);
        hb_image_spill_promote(i, true);
        assert_int_equal(hb_image_spill_room(i, 1), 0);
        assert_int_equal(hb_image_spill_promotable(i, SW_ALL, NULL), 0);
        struct hb_err e = {0};
        assert_int_equal(hb_image_spill_promotable(i, 1ull << 40, &e), -ENOMEM);
        assert_non_null(strstr(e.what, "bytes more needed"));
        hb_image_remove(i);
}

static bool is_full(const hb_image *i) {
        return sw_stats(i).full;
}

static void test_a_full_disk_pauses_and_loses_nothing(void **state) {
        hb_image *i;

        hb_fault_arm("spill.disk_full=fail");
        i = sw_full(BUDGET, "uring");
        assert_true(sw_turn(i, is_full));
        assert_int_equal(hb_image_spill_room(i, 1), -ENOSPC);
        assert_int_equal(hb_image_spilled(i), 0);
        assert_int_equal(sw_check(i), SW_ALL);
        hb_fault_disarm();
        assert_true(sw_turn(i, sw_within));
        assert_false(sw_stats(i).full);
        assert_int_equal(sw_check(i), SW_ALL);
        hb_image_remove(i);
}

/* A real one: the file's directory has no room for what is to go out. */
static void test_a_really_full_filesystem(void **state) {
        char real[sizeof(spill_dir)];
        hb_image *i;

        memcpy(real, spill_dir, sizeof(real));
        if (mount("tmpfs", spill_dir, "tmpfs", 0, "size=1m") < 0)
                skip();
        i = sw_full(BUDGET, "uring");
        assert_true(sw_turn(i, is_full));
        assert_int_equal(sw_check(i), SW_ALL);
        assert_int_equal(mount("tmpfs", spill_dir, "tmpfs", MS_REMOUNT, "size=64m"), 0);
        assert_true(sw_turn(i, sw_within));
        assert_int_equal(sw_check(i), SW_ALL);
        hb_image_remove(i);
        assert_int_equal(umount(spill_dir), 0);
}

static void test_fallbacks_are_said(void **state) {
        hb_image *i;

        hb_fault_arm("spill.uring=fail,spill.direct=fail");
        i = sw_full(BUDGET, "uring");
        hb_fault_disarm();
        assert_true(sw_turn(i, sw_within));
        assert_false(sw_stats(i).uring || sw_stats(i).direct);
        assert_non_null(strstr(sw_stats(i).why, "io_uring"));
        assert_int_equal(sw_check(i), SW_ALL);
        hb_image_remove(i);
}

static void test_what_fails_while_it_is_made_leaves_an_image(void **state) {
        unsigned failed = 0, otherwise = 0;

        for (unsigned n = 1; hb_fail_nth(n); n++) {
                hb_image *i = NULL;
                bool resumed;
                struct hb_err e = {0};

                if (hb_image_open(dir, &id, &shape, 0, &i, &resumed, NULL) < 0)
                        continue;
                if (sw_try_enable(i, BUDGET, "uring", &e) < 0) {
                        failed++;
                        assert_true(e.what[0]);
                        assert_int_equal(hb_image_spill_fd(i), -1);
                        assert_int_equal(sw_spill_files(false), 0);
                } else {
                        otherwise += !sw_stats(i).uring + !sw_stats(i).direct;
                }
                hb_image_remove(i);
                assert_int_equal(files(false) + sw_spill_files(false), 0);
        }
        assert_true(failed >= 5);
        assert_int_equal(otherwise, 2); /* io_uring or O_DIRECT failed: there is another way */
}

static void test_a_read_that_fails_is_a_page_fetched_again(void **state) {
        hb_image *i = sw_full(BUDGET, "uring");
        uint64_t out;

        assert_true(sw_turn(i, sw_within));
        out = hb_image_spilled(i);
        hb_fault_arm("spill.read=fail@1");
        hb_image_spill_promote(i, true);
        assert_true(sw_turn(i, sw_home));
        hb_fault_disarm();
        assert_true(sw_stats(i).wrong_pages > 0 && sw_stats(i).wrong_pages <= 64);
        assert_int_equal(sw_stats(i).wrong_pages + sw_stats(i).read_pages, out);
        assert_int_equal(sw_check(i), SW_ALL - sw_stats(i).wrong_pages);
        hb_image_remove(i);
}

static void test_held_and_release(void **state) {
        hb_image *i = sw_full(BUDGET, "uring");
        struct hb_bitmap held;
        uint64_t in_memory = 0;

        assert_int_equal(hb_bitmap_init(&held, SW_ALL), 0);
        assert_true(sw_turn(i, sw_within));
        hb_image_held(i, 0, SW_ALL, &held);
        for (uint64_t g = 0; g < SW_ALL; g++) {
                bool spilled = hb_image_pages(i)[g].flags & HB_IP_SPILLED;

                assert_true(hb_bitmap_test(&held, g) == !spilled);
                in_memory += !spilled;
        }
        assert_int_equal(in_memory + hb_image_spilled(i), SW_ALL);
        hb_bitmap_fini(&held);
        hb_image_spill_promote(i, true);
        assert_true(sw_turn(i, sw_home));
        assert_int_equal(hb_image_release(i), 0);
        assert_int_equal(sw_spill_files(false), 0);
        assert_int_equal(files(false), 2); /* the guest's */
}

static void test_sweep_takes_what_is_nobodys(void **state) {
        hb_image *i = sw_full(BUDGET, "uring");
        struct hb_image_id other = id;
        char path[600];
        FILE *f;

        other.placement[0] ^= 1;
        assert_int_equal(hb_image_spill_sweep(spill_dir, &other, 1), 0); /* in use */
        hb_image_free(i);
        snprintf(path, sizeof(path), "%s/precious.spill", spill_dir);
        f = fopen(path, "w");
        assert_non_null(f);
        for (unsigned k = 0; k < 3 * 4096; k++)
                fputc('x', f);
        fclose(f);
        assert_int_equal(hb_image_spill_sweep(spill_dir, &id, 1), 0);
        assert_int_equal(hb_image_spill_sweep(spill_dir, &other, 1), 1);
        assert_int_equal(sw_spill_files(false), 1); /* not ours */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_the_budget_is_kept_and_all_comes_back, sw_clean),
                cmocka_unit_test_teardown(test_the_coldest_go, sw_clean),
                cmocka_unit_test_teardown(test_what_turns_hot_comes_back_before_it_is_needed, sw_clean),
                cmocka_unit_test_teardown(test_a_page_written_while_spilled_is_never_read_back, sw_clean),
                cmocka_unit_test_teardown(test_pages_on_their_way_are_not_written, sw_clean),
                cmocka_unit_test(test_a_sum_knows_page_stamp_and_file),
                cmocka_unit_test_teardown(test_room_is_told, sw_clean),
                cmocka_unit_test_teardown(test_a_full_disk_pauses_and_loses_nothing, sw_clean),
                cmocka_unit_test_teardown(test_a_really_full_filesystem, sw_clean),
                cmocka_unit_test_teardown(test_fallbacks_are_said, sw_clean),
                cmocka_unit_test_teardown(test_what_fails_while_it_is_made_leaves_an_image, sw_clean),
                cmocka_unit_test_teardown(test_a_read_that_fails_is_a_page_fetched_again, sw_clean),
                cmocka_unit_test_teardown(test_held_and_release, sw_clean),
                cmocka_unit_test_teardown(test_sweep_takes_what_is_nobodys, sw_clean),
        };
        return cmocka_run_group_tests(tests, sw_set_up, sw_tear_down);
}
