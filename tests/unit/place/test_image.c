/* The image: its files across restarts, kills and full disks; and above all that it never calls bytes fresh
 * that are not whole, and never touches a file that may be a running guest's memory. */
#include "image_dir.h"

static void refuse(const struct hb_image_id *who, const struct hb_shape *what, uint64_t bytes, int want) {
        hb_image *i = NULL;
        bool resumed;
        struct hb_err e = {0};

        assert_int_equal(hb_image_open(dir, who, what, bytes, &i, &resumed, &e), want);
        assert_null(i);
        assert_int_equal(e.code, want);
        assert_true(e.what[0] && e.which[0]);
}

static const char *path_of(const char *name) {
        static char paths[2][256];
        static unsigned turn;
        char *path = paths[turn++ % 2];

        snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
        return path;
}

static void put(hb_image *i, uint64_t gfn, uint32_t stamp, int byte) {
        struct hb_image_page *p = &hb_image_pages(i)[gfn];

        hb_coherency_overwriting(&p->c);
        memset(hb_image_at(i, gfn), byte, 4096);
        assert_true(hb_coherency_fetched(&p->c, stamp));
}

static void test_pages_are_read_only_when_fresh(void **state) {
        hb_image *i = open_image(false);
        uint8_t out[4096];

        assert_int_equal(hb_image_read(i, 3, out), -ENODATA);
        put(i, 3, 7, 0x5A);
        assert_int_equal(hb_image_read(i, 3, out), 0);
        assert_int_equal(out[4095], 0x5A);
        hb_coherency_invalidate(&hb_image_pages(i)[3].c, 8);
        assert_int_equal(hb_image_read(i, 3, out), -ESTALE);
        hb_image_pages(i)[4].flags |= HB_IP_FETCHING;
        assert_int_equal(hb_image_read(i, 4, out), -EINPROGRESS);
        assert_int_equal(hb_image_read(i, PAGES, out), -EINVAL);
        assert_int_equal(hb_image_read(i, UINT64_MAX, out), -EINVAL);
        assert_null(hb_image_at(i, PAGES));
        assert_ptr_equal(hb_image_at(i, 5), hb_image_at(i, 4) + 4096);
        assert_null(hb_image_region_path(i, 2));
        hb_image_free(i);
}

/* What is in memory is told from holes without filling them, over the regions' border too. */
static void test_tells_memory_from_holes(void **state) {
        hb_image *i = open_image(false);
        struct hb_bitmap held;

        assert_int_equal(hb_bitmap_init(&held, PAGES), 0);
        hb_image_held(i, 0, PAGES, &held);
        assert_int_equal(hb_bitmap_count(&held), 0);
        put(i, 2, 7, 1);
        put(i, LOW - 1, 7, 1);
        put(i, LOW, 7, 1);
        put(i, PAGES - 1, 7, 0); /* zeros, but memory */
        hb_image_held(i, 0, PAGES, &held);
        assert_int_equal(hb_bitmap_count(&held), 4);
        assert_true(hb_bitmap_test(&held, 2) && hb_bitmap_test(&held, LOW - 1) &&
                    hb_bitmap_test(&held, LOW) && hb_bitmap_test(&held, PAGES - 1));
        hb_bitmap_clear_all(&held);
        hb_image_held(i, LOW - 1, 2, &held); /* bits count from the first page asked for */
        assert_true(hb_bitmap_test(&held, 0) && hb_bitmap_test(&held, 1));
        assert_int_equal(hb_bitmap_count(&held), 2);
        hb_bitmap_clear_all(&held);
        assert_int_equal(hb_image_zero(i, LOW, 1), 0);
        hb_image_held(i, LOW, 1, &held);
        assert_int_equal(hb_bitmap_count(&held), 0);
        hb_bitmap_fini(&held);
        hb_image_remove(i);
}

static void test_resumes_what_it_held(void **state) {
        hb_image *i = open_image(false);
        uint8_t out[4096];

        put(i, 1, 4, 1);
        put(i, LOW + 1, 5, 2);
        hb_image_pages(i)[2].flags |= HB_IP_FETCHING;
        hb_image_pages(i)[2].c.stamp = 9; /* must not survive: it was being overwritten */
        hb_image_set_processed(i, 6);
        assert_int_equal(*hb_image_processed_word(i), 6);
        hb_image_free(i);

        i = open_image(true);
        assert_int_equal(hb_image_processed(i), 6);
        assert_int_equal(hb_image_read(i, 1, out), 0);
        assert_int_equal(out[0], 1);
        assert_int_equal(hb_image_read(i, LOW + 1, out), 0);
        assert_int_equal(out[4095], 2);
        assert_int_equal(hb_image_read(i, 2, out), -ENODATA);
        assert_memory_equal(hb_image_id(i), &id, sizeof(id));
        assert_true(hb_shape_equal(hb_image_shape(i), &shape));
        assert_int_equal(hb_image_remove(i), 0);
        assert_int_equal(files(false), 0);
}

static void test_another_placement_is_refused(void **state) {
        struct hb_image_id other = id;
        struct hb_shape bigger = {0}, renamed = {0};
        hb_image *i = open_image(false);

        refuse(&id, &shape, 0, -EBUSY); /* in use */
        hb_image_free(i);
        other.placement[0]++;
        refuse(&other, &shape, 0, -EEXIST);
        other = id;
        strcpy(other.source, "beta");
        refuse(&other, &shape, 0, -EEXIST);
        assert_int_equal(hb_shape_add(&bigger, "pc.ram", PAGES * 8 * 4096, 4096, NULL), 0);
        refuse(&id, &bigger, 0, -EEXIST);
        assert_int_equal(hb_shape_add(&renamed, "pc.ram", LOW * 4096, 4096, NULL), 0);
        assert_int_equal(hb_shape_add(&renamed, "low", HIGH * 4096, 4096, NULL), 0);
        refuse(&id, &renamed, 0, -EEXIST);
        hb_image_free(open_image(true)); /* none of that did harm */
}

static void test_released_memory_is_never_touched(void **state) {
        hb_image *i = open_image(false);
        char byte = 0;
        int fd;

        put(i, 7, 1, 'g');
        assert_int_equal(hb_image_release(i), 0);
        assert_int_equal(files(false), 2); /* the guest lives in them now */
        refuse(&id, &shape, 0, -EEXIST);
        assert_int_equal(hb_image_sweep(dir, NULL, 0, NULL), 0);
        assert_int_equal(files(false), 2);
        fd = open(path_of("web.1.pc.ram.img"), O_RDONLY);
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &byte, 1, 7 * 4096), 1);
        assert_int_equal(byte, 'g');
        close(fd);
}

static void test_lost_or_foreign_region_files_begin_afresh(void **state) {
        hb_image *i = open_image(false);
        int fd;

        put(i, LOW, 3, 9);
        hb_image_free(i);
        assert_int_equal(unlink(path_of("web.1.high.img")), 0);
        i = open_image(false);
        assert_int_equal(hb_coherency_judge(hb_image_pages(i)[LOW].c), HB_PAGE_ABSENT);
        hb_image_free(i);

        /* another file under our name, as large: not ours to reuse, not ours to remove */
        assert_int_equal(rename(path_of("web.1.high.img"), path_of("moved")), 0);
        fd = open(path_of("web.1.high.img"), O_RDWR | O_CREAT | O_EXCL, 0600);
        assert_int_equal(ftruncate(fd, HIGH * 4096), 0);
        close(fd);
        refuse(&id, &shape, 0, -EEXIST);
        assert_int_equal(access(path_of("web.1.high.img"), F_OK), 0);
}

static void test_damaged_state_is_refused(void **state) {
        static const int offsets[] = {0, 8, 16, 24, 40, 60, 120};

        for (unsigned k = 0; k < sizeof(offsets) / sizeof(offsets[0]); k++) {
                uint8_t b;
                int fd;

                files(true);
                hb_image_free(open_image(false));
                fd = open(path_of("web.1.state"), O_RDWR);
                assert_int_equal(pread(fd, &b, 1, offsets[k]), 1);
                b ^= 0x55;
                assert_int_equal(pwrite(fd, &b, 1, offsets[k]), 1);
                close(fd);
                refuse(&id, &shape, 0, -EEXIST);
        }
        assert_int_equal(truncate(path_of("web.1.state"), 5000), 0);
        refuse(&id, &shape, 0, -EEXIST);
}

static void test_where_an_image_cannot_be(void **state) {
        struct hb_shape huge = {0};
        hb_image *i = NULL;
        bool resumed;
        struct hb_err e = {0};

        assert_int_equal(hb_image_open("/proc", &id, &shape, 0, &i, &resumed, &e), -EOPNOTSUPP);
        assert_int_equal(hb_image_open("/dev/shm/not/there", &id, &shape, 0, &i, &resumed, &e), -ENOENT);
        assert_int_equal(hb_shape_add(&huge, "huge", 4 << 20, 2 << 20, NULL), 0);
        refuse(&id, &huge, 0, -EINVAL);
        refuse(&id, &shape, 1ull << 62, -ENOSPC);
        assert_int_equal(files(false), 0);
}

static void test_every_failure_leaves_nothing(void **state) {
        unsigned failures = 0;

        for (unsigned n = 1; hb_fail_nth(n); n++) {
                hb_image *i = NULL;
                bool resumed;

                if (hb_image_open(dir, &id, &shape, 0, &i, &resumed, NULL) == 0) {
                        hb_image_remove(i);
                        continue;
                }
                failures++;
                assert_null(i);
                assert_int_equal(files(false), 0);
        }
        assert_true(failures >= 7);
        hb_image_free(open_image(false));
        for (unsigned n = 1; hb_fail_nth(n); n++) { /* the same on coming back: nothing is lost */
                hb_image *i = NULL;
                bool resumed;

                if (hb_image_open(dir, &id, &shape, 0, &i, &resumed, NULL) == 0)
                        assert_true(resumed);
                hb_image_free(i);
                assert_int_equal(files(false), 3);
        }
}

static uint64_t blocks(const char *name) {
        struct stat st;

        assert_int_equal(stat(path_of(name), &st), 0);
        return (uint64_t)st.st_blocks / 8;
}

static void test_zero_gives_memory_back(void **state) {
        hb_image *i = open_image(false);

        assert_int_equal(blocks("web.1.pc.ram.img"), 0);
        assert_int_equal(hb_image_reserve_run(i, 10, 64, NULL), 0);
        assert_int_equal(blocks("web.1.pc.ram.img"), 64);
        for (uint64_t g = 0; g < PAGES; g++)
                put(i, g, 1, 0xFF);
        assert_int_equal(hb_image_zero(i, LOW - 10, 20), 0); /* over the border of two regions */
        assert_int_equal(blocks("web.1.pc.ram.img"), LOW - 10);
        assert_int_equal(blocks("web.1.high.img"), HIGH - 10);
        for (uint64_t g = 0; g < PAGES; g++)
                assert_int_equal(hb_image_at(i, g)[77], g >= LOW - 10 && g < LOW + 10 ? 0 : 0xFF);
        assert_int_equal(hb_image_zero(i, PAGES - 1, 2), -EINVAL);
        assert_int_equal(hb_fault_arm("image.zero=fail"), 0);
        assert_int_equal(hb_image_zero(i, 0, 1), -EIO);
        hb_image_free(i);
}

static void test_a_full_filesystem_is_noticed_before_it_kills(void **state) {
        struct hb_shape big = {0};
        hb_image *i = NULL;
        bool resumed;
        struct hb_err e = {0};
        uint64_t g = 0;

        if (geteuid() != 0 || mount("hb-test", dir, "tmpfs", 0, "size=8m") < 0)
                skip();
        assert_int_equal(hb_shape_add(&big, "ram", 64 << 20, 4096, NULL), 0);
        refuse(&id, &big, 64 << 20, -ENOSPC);
        assert_int_equal(hb_image_open(dir, &id, &big, 4 << 20, &i, &resumed, &e), 0);
        assert_int_equal(hb_image_reserve(i, 1 << 20, &e), 0);
        assert_int_equal(hb_image_reserve(i, 8 << 20, &e), -ENOSPC);
        assert_string_equal(e.which, dir);
        for (; hb_image_reserve_run(i, g, 64, &e) == 0; g += 64)
                for (uint64_t p = g; p < g + 64; p++)
                        memset(hb_image_at(i, p), 1, 4096);
        assert_int_equal(e.code, -ENOSPC);
        assert_true(g >= 1024 && g <= 2048);
        assert_int_equal(hb_image_zero(i, 0, 64), 0);
        assert_int_equal(hb_image_reserve_run(i, g, 64, &e), 0);
        hb_image_remove(i);
        assert_int_equal(umount(dir), 0);
}

static void test_on_huge_pages(void **state) {
        struct hb_shape huge = {0};
        hb_image *i = NULL;
        bool resumed = true;
        struct hb_err e = {0};
        uint8_t out[4096];
        int rc;

        if (geteuid() != 0 || mount("hb-test", dir, "hugetlbfs", 0, "pagesize=2M") < 0) {
                print_message("huge pages: needs root and a kernel with hugetlbfs\n");
                skip();
        }
        assert_int_equal(hb_shape_add(&huge, "ram", 4 << 20, 2 << 20, NULL), 0);
        rc = hb_image_open(dir, &id, &huge, 0, &i, &resumed, &e);
        if (rc < 0) { /* no huge pages here: then that, by name, and no remains */
                assert_int_equal(files(false), 0);
                assert_true(e.next[0] != 0);
                umount(dir);
                print_message("huge pages: none are set aside here (vm.nr_hugepages)\n");
                skip();
        }
        put(i, 700, 3, 0x11);
        assert_int_equal(hb_image_zero(i, 600, 200), 0);
        assert_int_equal(hb_image_at(i, 700)[0], 0);
        put(i, 5, 3, 0x22);
        hb_image_free(i);
        assert_int_equal(hb_image_open(dir, &id, &huge, 0, &i, &resumed, &e), 0);
        assert_true(resumed);
        assert_int_equal(hb_image_read(i, 5, out), 0);
        assert_int_equal(out[9], 0x22);
        hb_image_free(i);
        assert_int_equal(hb_image_sweep(dir, NULL, 0, &e), 2);
        assert_int_equal(umount(dir), 0);
}

static void test_sweep_takes_only_what_nobody_wants(void **state) {
        struct hb_image_id mine = id, theirs = id, busy = id;
        hb_image *i = NULL, *open_one = NULL;
        bool resumed;

        strcpy(theirs.guest, "db");
        theirs.placement[3]++;
        strcpy(busy.guest, "busy");
        busy.placement[4]++;
        hb_image_free(open_image(false));
        assert_int_equal(hb_image_open(dir, &theirs, &shape, 0, &i, &resumed, NULL), 0);
        hb_image_free(i);
        assert_int_equal(hb_image_open(dir, &busy, &shape, 0, &open_one, &resumed, NULL), 0);
        close(open(path_of("note.state"), O_CREAT | O_WRONLY, 0600));
        close(open(path_of("web.2.ram.img"), O_CREAT | O_WRONLY, 0600));
        assert_int_equal(files(false), 11);
        assert_int_equal(hb_image_sweep(dir, &mine, 1, NULL), 3);
        assert_int_equal(files(false), 8);
        assert_int_equal(access(path_of("db.state"), F_OK), -1);
        hb_image_free(open_image(true));
        hb_image_free(open_one);
        assert_int_equal(hb_image_sweep("/dev/shm/not/there", NULL, 0, NULL), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_pages_are_read_only_when_fresh, clean),
                cmocka_unit_test_teardown(test_tells_memory_from_holes, clean),
                cmocka_unit_test_teardown(test_resumes_what_it_held, clean),
                cmocka_unit_test_teardown(test_another_placement_is_refused, clean),
                cmocka_unit_test_teardown(test_released_memory_is_never_touched, clean),
                cmocka_unit_test_teardown(test_lost_or_foreign_region_files_begin_afresh, clean),
                cmocka_unit_test_teardown(test_damaged_state_is_refused, clean),
                cmocka_unit_test_teardown(test_where_an_image_cannot_be, clean),
                cmocka_unit_test_teardown(test_every_failure_leaves_nothing, clean),
                cmocka_unit_test_teardown(test_zero_gives_memory_back, clean),
                cmocka_unit_test_teardown(test_a_full_filesystem_is_noticed_before_it_kills, clean),
                cmocka_unit_test_teardown(test_on_huge_pages, clean),
                cmocka_unit_test_teardown(test_sweep_takes_only_what_nobody_wants, clean),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
