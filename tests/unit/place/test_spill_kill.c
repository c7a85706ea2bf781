/* kill -9 of an image's owner at each write point of its spill, and at any instant: what is opened afterwards
 * shows right bytes for every page it calls fresh, or has thrown the page away. And what a disk may do to
 * blocks meanwhile is found out. */
#include "spill_world.h"
#include <sys/wait.h>

#define BUDGET (SW_ALL * 4096 / 4)

static void wait_killed(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Out, some written by the guest and fetched again, back in, out again: every write point is passed. */
static void live(const char *fault, const char *how) {
        hb_image *i = NULL;
        bool resumed;

        hb_fault_arm(fault);
        if (hb_image_open(dir, &id, &shape, 0, &i, &resumed, NULL) < 0)
                _exit(1);
        if (sw_try_enable(i, BUDGET, how, NULL) < 0)
                _exit(2);
        for (uint64_t g = 0; g < SW_ALL; g++)
                sw_fetch(i, g, 5);
        hb_image_set_processed(i, 5);
        sw_turn(i, sw_within);
        sw_invalidate(i, 100, 500, 6);
        hb_image_spill_tick(i, hb_now_ns());
        for (uint64_t g = 100; g < 600; g++)
                sw_fetch(i, g, 6);
        sw_turn(i, sw_within);
        hb_image_spill_promote(i, true);
        sw_turn(i, sw_home);
        hb_image_spill_promote(i, false);
        sw_turn(i, sw_within);
        _exit(3);
}

static hb_image *reopen(void) {
        hb_image *i = NULL;
        bool resumed;

        assert_int_equal(hb_image_open(dir, &id, &shape, 0, &i, &resumed, NULL), 0);
        for (uint64_t g = 0; g < SW_ALL; g++) {
                const struct hb_image_page *p = &hb_image_pages(i)[g];

                if (p->flags & HB_IP_SPILLED)
                        assert_int_equal(hb_coherency_judge(p->c), HB_PAGE_FRESH);
        }
        return i;
}

/* Right where it lies, right after it was read back, and the image goes on. Pages that were fresh. */
static uint64_t check_reopened(const char *what) {
        hb_image *i = reopen();
        uint64_t fresh, before = hb_image_spilled(i);

        sw_enable(i, BUDGET, "uring");
        fresh = sw_check(i);
        if (sw_stats(i).wrong_pages > 0)
                fail_msg("%s: %llu pages of %llu came back wrong", what,
                         (unsigned long long)sw_stats(i).wrong_pages, (unsigned long long)before);
        hb_image_spill_promote(i, true);
        assert_true(sw_turn(i, sw_home));
        assert_int_equal(sw_stats(i).wrong_pages, 0);
        assert_int_equal(sw_check(i), fresh);
        hb_image_spill_promote(i, false);
        for (uint64_t g = 0; g < SW_ALL; g++) {
                hb_coherency_invalidate(&hb_image_pages(i)[g].c, 7);
                assert_true(sw_fetch(i, g, 7));
        }
        hb_image_set_processed(i, 7);
        assert_true(sw_turn(i, sw_within));
        assert_int_equal(sw_check(i), SW_ALL);
        assert_int_equal(hb_image_remove(i), 0);
        assert_int_equal(files(false) + sw_spill_files(false), 0);
        return fresh;
}

static void test_a_kill_at_each_write_point(void **state) {
        static const struct {
                const char *point;
                unsigned least; /* fresh pages that must have come through */
        } points[] = {
                {"spill.create", 0},        {"spill.head", 0},        {"spill.sums", 0},
                {"spill.map", 0},           {"spill.sums_head", 0},   {"spill.write", SW_ALL},
                {"spill.written", SW_ALL},  {"spill.summed", SW_ALL}, {"spill.marked", SW_ALL},
                {"spill.punched", SW_ALL},  {"spill.read", SW_ALL},   {"spill.read_back", SW_ALL},
                {"spill.unmarked", SW_ALL}, {"spill.store", SW_ALL},  {"spill.again", SW_ALL},
        };
        static const char *const nth[] = {"", "@6"};

        for (unsigned k = 0; k < sizeof(points) / sizeof(points[0]); k++)
                for (unsigned n = 0; n < (points[k].least ? 2 : 1); n++) {
                        char fault[64];
                        pid_t pid;
                        snprintf(fault, sizeof(fault), "%s=kill%s", points[k].point, nth[n]);
                        pid = fork();
                        if (pid == 0)
                                live(fault, n == 1 ? "threads" : "uring");
                        wait_killed(pid);
                        assert_true(check_reopened(fault) + 500 >= points[k].least);
                }
}

/* While it comes back after one kill it is killed again. */
static void test_a_kill_while_coming_back(void **state) {
        static const char *const points[] = {"spill.attach=kill", "spill.map=kill", "spill.pool=kill",
                                             "spill.io=kill"};

        for (unsigned k = 0; k < sizeof(points) / sizeof(points[0]); k++) {
                pid_t pid = fork();

                if (pid == 0)
                        live("spill.unmarked=kill", "uring");
                wait_killed(pid);
                pid = fork();
                if (pid == 0) {
                        hb_image *i = NULL;
                        bool resumed;

                        hb_fault_arm(points[k]);
                        hb_image_open(dir, &id, &shape, 0, &i, &resumed, NULL);
                        sw_try_enable(i, BUDGET, "uring", NULL);
                        _exit(1);
                }
                wait_killed(pid);
                assert_true(check_reopened(points[k]) > SW_ALL - 600);
        }
}

static void churn(int ready) {
        uint64_t rng = (uint64_t)getpid() * 0x9E3779B97F4A7C15ull + 1;
        hb_image *i = NULL;
        bool resumed;
        uint32_t epoch;

        if (hb_image_open(dir, &id, &shape, 0, &i, &resumed, NULL) < 0 ||
            sw_try_enable(i, BUDGET, rng & 1 ? "uring" : "threads", NULL) < 0)
                _exit(1);
        epoch = hb_image_processed(i) + 1;
        for (uint64_t n = 0;; n++) {
                struct pollfd p = {.fd = hb_image_spill_fd(i), .events = POLLIN};

                rng ^= rng << 13;
                rng ^= rng >> 7;
                rng ^= rng << 17;
                for (uint64_t g = rng % SW_ALL, k = 0; k < 32; k++, g = (g + 1) % SW_ALL)
                        if (hb_coherency_judge(hb_image_pages(i)[g].c) != HB_PAGE_FRESH)
                                sw_fetch(i, g, epoch);
                if (n % 8 == 0)
                        sw_invalidate(i, rng / 4096 % (SW_ALL - 64), 64, ++epoch);
                if (n % 512 == 511)
                        hb_image_spill_promote(i, n % 1024 == 1023);
                hb_image_spill_tick(i, hb_now_ns());
                poll(&p, 1, 0);
                if (n == 50 && write(ready, "r", 1) != 1)
                        _exit(1);
        }
}

static void test_a_kill_at_any_instant(void **state) {
        uint64_t fresh = 0, spilled = 0;

        srandom(29);
        for (unsigned round = 0; round < 40; round++) {
                hb_image *i;
                char c;
                int fds[2];
                pid_t pid;

                assert_int_equal(pipe(fds), 0);
                pid = fork();
                if (pid == 0)
                        churn(fds[1]);
                assert_int_equal(read(fds[0], &c, 1), 1);
                usleep((useconds_t)(random() % 8000));
                kill(pid, SIGKILL);
                wait_killed(pid);
                close(fds[0]);
                close(fds[1]);
                i = reopen();
                sw_enable(i, BUDGET, "uring");
                spilled += hb_image_spilled(i);
                fresh += sw_check(i);
                assert_int_equal(sw_stats(i).wrong_pages, 0);
                hb_image_free(i);
        }
        assert_true(fresh > 40 * SW_ALL / 4 && spilled > 40 * SW_ALL / 16);
        print_message("%llu fresh pages after 40 kills, %llu of them spilled\n", (unsigned long long)fresh,
                      (unsigned long long)spilled);
}

/* ---- what a disk may do ---- */

/* The first two spilled pages, and the file they are in. */
static int spill_file(hb_image *i, uint64_t at[2]) {
        unsigned n = 0;

        for (uint64_t g = 0; g < SW_ALL && n < 2; g++)
                if (hb_image_pages(i)[g].flags & HB_IP_SPILLED)
                        at[n++] = g;
        assert_int_equal(n, 2);
        return open(sw_stats(i).path, O_RDWR | O_DIRECT);
}

enum damage { FLIP, SWAP, ZEROED, OLDER, CUT, TORN, DAMAGES };

static void do_damage(int fd, enum damage d, const uint64_t at[2]) {
        static _Alignas(4096) uint8_t a[4096], b[4096];

        assert_int_equal(pread(fd, a, 4096, (off_t)at[0] * 4096), 4096);
        assert_int_equal(pread(fd, b, 4096, (off_t)at[1] * 4096), 4096);
        switch (d) {
        case FLIP:
                a[1234] ^= 4;
                break;
        case SWAP:
                assert_int_equal(pwrite(fd, a, 4096, (off_t)at[1] * 4096), 4096);
                memcpy(a, b, 4096);
                break;
        case ZEROED:
                memset(a, 0, 4096);
                break;
        case OLDER: /* what an earlier spill of the same page had written */
                sw_pattern(a, at[0], 4);
                break;
        case TORN:
                memcpy(a + 512, b + 512, 3584);
                break;
        default:
                assert_int_equal(ftruncate(fd, (off_t)at[1] * 4096 + 100), 0);
                return;
        }
        assert_int_equal(pwrite(fd, a, 4096, (off_t)at[0] * 4096), 4096);
}

static void test_damage_is_found_and_fetched_again(void **state) {
        for (int d = 0; d < DAMAGES; d++) {
                hb_image *i = sw_full(BUDGET, "uring");
                uint64_t at[2], fresh;
                int fd;

                assert_true(sw_turn(i, sw_within));
                fd = spill_file(i, at);
                assert_true(fd >= 0);
                do_damage(fd, (enum damage)d, at);
                close(fd);
                hb_image_spill_promote(i, true);
                assert_true(sw_turn(i, sw_home));
                assert_int_equal(hb_coherency_judge(hb_image_pages(i)[at[d == CUT]].c), HB_PAGE_ABSENT);
                fresh = sw_check(i); /* the others are right */
                assert_int_equal(fresh + sw_stats(i).wrong_pages, SW_ALL);
                assert_true(d == CUT || sw_stats(i).wrong_pages == (d == SWAP ? 2 : 1));
                for (uint64_t g = 0; g < SW_ALL; g++)
                        if (hb_coherency_judge(hb_image_pages(i)[g].c) != HB_PAGE_FRESH)
                                assert_true(sw_fetch(i, g, 5));
                assert_int_equal(sw_check(i), SW_ALL);
                hb_image_remove(i);
        }
}

static void test_damage_is_found_by_a_reader_too(void **state) {
        hb_image *i = sw_full(BUDGET, "threads");
        uint8_t page[4096];
        uint64_t at[2];
        int fd;

        assert_true(sw_turn(i, sw_within));
        fd = spill_file(i, at);
        do_damage(fd, FLIP, at);
        close(fd);
        assert_int_equal(hb_image_read(i, at[1], page), 0);
        assert_int_equal(hb_image_read(i, at[0], page), -ENODATA);
        assert_int_equal(hb_coherency_judge(hb_image_pages(i)[at[0]].c), HB_PAGE_ABSENT);
        hb_image_remove(i);
}

enum left { GONE, OTHER, NO_SUMS, BAD_SUMS, LEFTS };

/* Between two lives: what cannot be used is thrown away, and only that. */
static void test_what_is_missing_after_a_restart(void **state) {
        for (int d = 0; d < LEFTS; d++) {
                hb_image *i = sw_full(BUDGET, "uring");
                char path[512], sums[512], command[2100];
                uint64_t in_memory;
                int fd;

                assert_true(sw_turn(i, sw_within));
                in_memory = SW_ALL - hb_image_spilled(i);
                snprintf(path, sizeof(path), "%s", sw_stats(i).path);
                snprintf(sums, sizeof(sums), "%s/%s.sums", dir, id.guest);
                hb_image_free(i);
                switch (d) {
                case GONE:
                        assert_int_equal(unlink(path), 0);
                        break;
                case OTHER: /* a copy of the same name: another inode */
                        snprintf(command, sizeof(command), "cp %s %s.2 && mv %s.2 %s", path, path, path,
                                 path);
                        assert_int_equal(system(command), 0);
                        break;
                case NO_SUMS:
                        assert_int_equal(unlink(sums), 0);
                        break;
                default:
                        fd = open(sums, O_WRONLY);
                        assert_int_equal(pwrite(fd, "x", 1, 40), 1);
                        close(fd);
                }
                i = reopen();
                assert_int_equal(hb_image_spilled(i), 0);
                assert_int_equal(sw_check(i), in_memory);
                sw_enable(i, BUDGET, "uring");
                for (uint64_t g = 0; g < SW_ALL; g++)
                        if (hb_coherency_judge(hb_image_pages(i)[g].c) != HB_PAGE_FRESH)
                                assert_true(sw_fetch(i, g, 5));
                assert_true(sw_turn(i, sw_within));
                assert_int_equal(sw_check(i), SW_ALL);
                hb_image_remove(i);
                sw_clean(NULL);
        }
}

/* A file of 40 MiB, most of whose blocks become of no use: they go, and a kill in the midst of it is no harm.
 */
static void test_blocks_of_no_use_are_given_back(void **state) {
        struct hb_shape small = shape;
        hb_image *i;
        struct stat st;

        shape = (struct hb_shape){0};
        assert_int_equal(hb_shape_add(&shape, "pc.ram", 10240ull * 4096, 4096, NULL), 0);
        i = open_image(false);
        sw_enable(i, 4 << 20, "uring");
        for (uint64_t g = 0; g < 10240; g++)
                assert_true(sw_fetch(i, g, 5));
        assert_true(sw_turn(i, sw_within));
        assert_int_equal(stat(sw_stats(i).path, &st), 0);
        assert_true(st.st_blocks * 512 > 30 << 20);
        for (uint64_t g = 0; g < 10240; g++) {
                hb_coherency_invalidate(&hb_image_pages(i)[g].c, 6);
        }
        struct hb_bitmap all;
        assert_int_equal(hb_bitmap_init(&all, 10240), 0);
        hb_bitmap_set_all(&all);
        hb_image_spill_invalidated(i, &all);
        hb_bitmap_fini(&all);
        assert_int_equal(hb_image_spilled(i), 0);
        for (unsigned k = 0; k < 400 && st.st_blocks * 512 > 1 << 20; k++) {
                struct pollfd p = {.fd = hb_image_spill_fd(i), .events = POLLIN};

                hb_image_spill_tick(i, hb_now_ns());
                poll(&p, 1, 5);
                stat(sw_stats(i).path, &st);
        }
        assert_true(st.st_blocks * 512 <= 1 << 20);
        hb_image_remove(i);
        shape = small;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_a_kill_at_each_write_point, sw_clean),
                cmocka_unit_test_teardown(test_a_kill_while_coming_back, sw_clean),
                cmocka_unit_test_teardown(test_a_kill_at_any_instant, sw_clean),
                cmocka_unit_test_teardown(test_damage_is_found_and_fetched_again, sw_clean),
                cmocka_unit_test_teardown(test_damage_is_found_by_a_reader_too, sw_clean),
                cmocka_unit_test_teardown(test_what_is_missing_after_a_restart, sw_clean),
                cmocka_unit_test_teardown(test_blocks_of_no_use_are_given_back, sw_clean),
        };
        return cmocka_run_group_tests(tests, sw_set_up, sw_tear_down);
}
