/* The keep on real files: what is written is found again, what is half made or damaged is thrown away,
 * whoever is least likely to come back goes first, and no failure leaves anything. */
#include "base/clock.h"
#include "base/fault.h"
#include "check.h"
#include "keep/keep_file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 64u
#define HOUR  (3600 * HB_NS_PER_S)

struct folder {
        char dir[64];
};

static int setup(void **state) {
        struct folder *f = calloc(1, sizeof(*f));

        strcpy(f->dir, "/tmp/hb-keep-XXXXXX");
        *state = f;
        return mkdtemp(f->dir) ? 0 : -1;
}

static unsigned files_in(const char *dir) {
        DIR *d = opendir(dir);
        struct dirent *f;
        unsigned n = 0;

        while ((f = readdir(d)))
                n += f->d_name[0] != '.';
        closedir(d);
        return n;
}

static int teardown(void **state) {
        struct folder *f = *state;
        char command[100];

        snprintf(command, sizeof(command), "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
        free(f);
        return 0;
}

static void fill(uint8_t *page, uint64_t gfn, unsigned salt) {
        memset(page, (int)(gfn * 7 + salt + 1), HB_PAGE_SIZE);
}

static struct hb_print print_of(uint64_t gfn, unsigned salt) {
        struct hb_print p;

        memset(&p, (int)(gfn + salt), sizeof(p));
        p.b[0] = (uint8_t)gfn;
        return p;
}

static struct hb_kept memory(const char *guest, uint64_t visit) {
        struct hb_kept m = {.visit_ns = visit, .secret_id = 77, .departures = 1, .pages_total = PAGES};

        snprintf(m.guest, sizeof(m.guest), "%s", guest);
        return m;
}

static int put_pages(hb_keep_writer *w, uint64_t first, uint64_t n, unsigned salt) {
        uint8_t bytes[8 * HB_PAGE_SIZE];
        struct hb_print prints[8];

        for (uint64_t i = 0; i < n; i++) {
                fill(bytes + i * HB_PAGE_SIZE, first + i, salt);
                prints[i] = print_of(first + i, salt);
        }
        return hb_keep_write_pages(w, first, n, bytes, prints, -1, 0);
}

/* Pages 3..7, 20 and 63. */
static int write_one(const char *dir, const struct hb_kept *m, unsigned salt, struct hb_kept *ret) {
        hb_keep_writer *w = NULL;
        struct hb_err e = {0};
        int r = hb_keep_write(dir, m, PAGES, &w, &e);

        if (r < 0) {
                assert_true(e.code < 0 && e.what[0]);
                return r;
        }
        if ((r = put_pages(w, 3, 5, salt)) < 0 || (r = put_pages(w, 20, 1, salt)) < 0 ||
            (r = put_pages(w, 63, 1, salt)) < 0) {
                hb_keep_write_abandon(w);
                return r;
        }
        return hb_keep_write_end(w, ret, &e);
}

static hb_keep *open_keep(const char *dir, uint64_t budget, unsigned *thrown) {
        struct hb_err e = {0};
        hb_keep *k = NULL;

        if (hb_keep_open(dir, budget, &k, thrown, &e) < 0)
                fail_msg("%s: %s", e.which, e.what);
        return k;
}

struct seen {
        unsigned n, salt;
        uint64_t gfn[PAGES];
};

static int see(void *arg, uint64_t gfn, const struct hb_print *p) {
        struct seen *s = arg;
        struct hb_print want = print_of(gfn, s->salt);

        assert_memory_equal(p, &want, sizeof(want));
        s->gfn[s->n++] = gfn;
        return 0;
}

static void is_whole(const char *dir, const struct hb_kept *m, unsigned salt) {
        static const uint64_t want[] = {3, 4, 5, 6, 7, 20, 63};
        struct seen s = {.salt = salt};
        uint8_t page[HB_PAGE_SIZE], good[HB_PAGE_SIZE];
        struct hb_err e;
        int fd;

        assert_int_equal(hb_keep_prints(dir, m, see, &s), 0);
        assert_int_equal(s.n, 7);
        assert_memory_equal(s.gfn, want, sizeof(want));
        assert_int_equal(hb_keep_open_memory(dir, m, &fd, &e), 0);
        for (unsigned i = 0; i < 7; i++) {
                fill(good, want[i], salt);
                assert_int_equal(hb_keep_read(fd, want[i], page), 0);
                assert_memory_equal(page, good, sizeof(page));
        }
        assert_int_equal(hb_keep_read(fd, PAGES, page), -ENODATA);
        close(fd);
}

static void what_is_kept_is_found_again(void **state) {
        const char *dir = ((struct folder *)*state)->dir;
        struct hb_kept a = memory("vm.1", 1000), b = memory("vm.1", 2000), got;
        struct hb_err e = {0};
        unsigned thrown = 9;
        struct stat st;
        char path[HB_KEEP_PATH];
        hb_keep *k, *second = NULL;

        assert_int_equal(write_one(dir, &b, 5, &got), 0);
        assert_int_equal(got.pages, 7);
        assert_int_equal(write_one(dir, &a, 9, &got), 0);
        hb_keep_path(path, dir, &a, "mem");
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(st.st_size, PAGES * HB_PAGE_SIZE);
        assert_true(st.st_blocks * 512 < PAGES * HB_PAGE_SIZE / 2); /* holes are */
        k = open_keep(dir, 1 << 30, &thrown);
        assert_int_equal(thrown, 0);
        assert_int_equal(hb_keep_get(k, 0)->visit_ns, 1000); /* oldest first */
        assert_int_equal(hb_keep_get(k, 1)->visit_ns, 2000);
        assert_null(hb_keep_get(k, 2));
        assert_int_equal(hb_keep_bytes(k), 14 * HB_PAGE_SIZE);
        assert_int_equal(hb_keep_newer(k, hb_keep_get(k, 0)), 1);
        is_whole(dir, hb_keep_get(k, 0), 9);
        is_whole(dir, hb_keep_get(k, 1), 5);
        assert_int_equal(hb_keep_open(dir, 1, &second, &thrown, &e), -EBUSY); /* a folder has one owner */
        assert_int_equal(hb_keep_drop(k, "vm.1", 3000), -ENOENT);
        assert_int_equal(hb_keep_drop(k, "vm.1", 1000), 0);
        assert_int_equal(files_in(dir), 2);
        hb_keep_free(k);
}

static void damage(const char *dir, const struct hb_kept *m, const char *suffix, off_t at, bool cut) {
        char path[HB_KEEP_PATH];
        uint8_t byte;
        int fd;

        hb_keep_path(path, dir, m, suffix);
        fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        if (cut) {
                assert_int_equal(ftruncate(fd, at), 0);
        } else {
                assert_int_equal(pread(fd, &byte, 1, at), 1);
                byte ^= 1;
                assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        }
        close(fd);
}

static void what_is_damaged_is_thrown_away(void **state) {
        const char *dir = ((struct folder *)*state)->dir;
        struct hb_kept m = memory("g", 1), got;
        unsigned thrown;
        off_t size;
        struct stat st;
        char path[HB_KEEP_PATH];

        assert_int_equal(write_one(dir, &m, 1, &got), 0);
        hb_keep_path(path, dir, &m, "kept");
        assert_int_equal(stat(path, &st), 0);
        size = st.st_size;
        for (off_t at = 0; at < size; at++) /* each byte of it, and each length */
                for (int cut = 0; cut < 2; cut++) {
                        assert_int_equal(write_one(dir, &m, 1, &got), 0);
                        damage(dir, &m, "kept", at, cut);
                        hb_keep_free(open_keep(dir, 1 << 30, &thrown));
                        assert_int_equal(thrown, 2);
                        assert_int_equal(files_in(dir), 0);
                }
        assert_int_equal(write_one(dir, &m, 1, &got), 0);
        damage(dir, &m, "mem", 100, true);
        snprintf(path, sizeof(path), "%s/notes.txt", dir); /* not ours: stays */
        fclose(fopen(path, "w"));
        snprintf(path, sizeof(path), "%s/x.0000000000000001.part", dir);
        fclose(fopen(path, "w"));
        snprintf(path, sizeof(path), "%s/x.0000000000000001.kept.aB3dEf", dir);
        fclose(fopen(path, "w"));
        hb_keep_free(open_keep(dir, 1 << 30, &thrown));
        assert_int_equal(thrown, 4);
        assert_int_equal(files_in(dir), 1);
}

static void the_budget_is_a_limit(void **state) {
        const char *dir = ((struct folder *)*state)->dir;
        struct hb_kept m = memory("g", 1), got;
        hb_keep_writer *w;
        struct hb_err e;

        assert_int_equal(hb_keep_write(dir, &m, 4, &w, &e), 0);
        assert_int_equal(put_pages(w, 3, 5, 1), -ENOSPC); /* four of them */
        assert_int_equal(put_pages(w, 2, 1, 1), -EINVAL); /* not ascending */
        assert_int_equal(put_pages(w, PAGES - 1, 2, 1), -EINVAL);
        assert_int_equal(hb_keep_write_end(w, &got, &e), 0);
        assert_int_equal(got.pages, 4);
        assert_int_equal(hb_keep_write(dir, &m, 4, &w, &e), 0);
        assert_int_equal(put_pages(w, 3, 1, 1), 0);
        assert_null(hb_keep_write_abandon(w));
        assert_int_equal(files_in(dir), 2); /* of the first */
}

static void note(void *arg, const struct hb_kept *m) {
        strcat(arg, m->guest);
}

static void who_is_least_likely_to_come_back_goes_first(void **state) {
        const char *dir = ((struct folder *)*state)->dir;
        uint64_t now = 1000 * HOUR, need = 7 * HB_PAGE_SIZE;
        struct hb_kept often = memory("often", now - 5 * HOUR), once = memory("once", now - 5 * HOUR),
                       old = memory("old", now - 200 * HOUR), coming = memory("new", now), got;
        char gone[64] = "";
        unsigned thrown;
        hb_keep *k;

        often.departures = 12;
        often.absence_ns = 6 * HOUR;
        assert_int_equal(write_one(dir, &often, 1, &got), 0);
        assert_int_equal(write_one(dir, &once, 2, &got), 0);
        assert_int_equal(write_one(dir, &old, 3, &got), 0);
        k = open_keep(dir, 3 * need, &thrown);
        assert_true(hb_keep_worth(&often, 0, now) > hb_keep_worth(&once, 0, now));
        assert_true(hb_keep_worth(&once, 0, now) > hb_keep_worth(&old, 0, now));
        assert_true(hb_keep_worth(&once, 1, now) < hb_keep_worth(&old, 0, now - 190 * HOUR)); /* superseded */
        assert_int_equal(hb_keep_make_room(k, &coming, need, now, note, gone), 0);
        assert_string_equal(gone, "old");
        assert_int_equal(hb_keep_make_room(k, &coming, 2 * need, now, note, gone), 0);
        assert_string_equal(gone, "oldonce");
        coming.visit_ns = now - 300 * HOUR; /* late to come: what is there is worth more */
        assert_int_equal(hb_keep_make_room(k, &coming, 3 * need, now, note, gone), -ENOSPC);
        assert_int_equal(hb_keep_make_room(k, &coming, 4 * need, now, note, gone), -ENOSPC);
        assert_string_equal(gone, "oldonce");
        assert_int_equal(hb_keep_bytes(k), need);
        hb_keep_free(k);
}

static void every_failure_leaves_it_whole(void **state) {
        const char *dir = ((struct folder *)*state)->dir;
        struct hb_kept before = memory("before", 1), m = memory("g", 2), got;
        unsigned thrown, failed = 0;
        char path[HB_KEEP_PATH];
        hb_keep *k;

        assert_int_equal(write_one(dir, &before, 4, &got), 0);
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                int r = write_one(dir, &m, 1, &got);

                failed += r < 0;
                assert_int_equal(files_in(dir), r < 0 ? 2 : 4);
                for (unsigned i = 0; i < 2; i++) {
                        hb_keep_path(path, dir, &m, i ? "mem" : "kept");
                        unlink(path);
                }
        }
        hb_fault_disarm();
        k = open_keep(dir, 1 << 30, &thrown);
        assert_int_equal(thrown, 0);
        is_whole(dir, hb_keep_get(k, 0), 4);
        hb_keep_free(k);
        assert_true(failed >= 7); /* create, three writes, rename, prints, its rename */
}

/* Killed at any of its points: what is there at the next start is whole or not there at all. */
static void every_kill_leaves_it_whole_or_away(void **state) {
        const char *dir = ((struct folder *)*state)->dir;
        static const char *const points[] = {"keep.create=kill", "keep.write=kill@1", "keep.write=kill@3",
                                             "keep.rename=kill", "keep.prints=kill",  "file.rename=kill"};
        struct hb_kept m = memory("g", 2), got;
        unsigned thrown;

        for (unsigned i = 0; i < sizeof(points) / sizeof(*points); i++) {
                pid_t pid = fork();
                int status;

                if (pid == 0) {
                        hb_fault_arm(points[i]);
                        write_one(dir, &m, 1, &got);
                        _exit(0);
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
                hb_keep *k = open_keep(dir, 1 << 30, &thrown);
                assert_null(hb_keep_get(k, 0));
                assert_int_equal(files_in(dir), 0);
                hb_keep_free(k);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_is_kept_is_found_again, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_damaged_is_thrown_away, setup, teardown),
                cmocka_unit_test_setup_teardown(the_budget_is_a_limit, setup, teardown),
                cmocka_unit_test_setup_teardown(who_is_least_likely_to_come_back_goes_first, setup, teardown),
                cmocka_unit_test_setup_teardown(every_failure_leaves_it_whole, setup, teardown),
                cmocka_unit_test_setup_teardown(every_kill_leaves_it_whole_or_away, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
