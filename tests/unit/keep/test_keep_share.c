/* Keeping a memory that lies on a filesystem which shares blocks between files (XFS): nothing is copied, and
 * a later write to the one file is not seen in the other. Needs root, loop devices and mkfs.xfs; skipped by
 * name without. Elsewhere the same call copies. */
#include "check.h"
#include "keep/keep.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES 512u

static char dir[] = "/tmp/hb-share-XXXXXX";

/* In the test's folder. */
static int run(const char *line) {
        char command[300];

        snprintf(command, sizeof(command), "cd %s && { %s; }", dir, line);
        return system(command);
}

static int setup(void **state) {
        return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state) {
        run("umount fs 2>/dev/null");
        return run("cd / && rm -rf \"$OLDPWD\"");
}

static void fill(uint8_t *page, unsigned i, unsigned salt) {
        memset(page, (int)(i * 3 + salt), HB_PAGE_SIZE);
}

/* A guest's memory as a file, and that kept in `into`. Returns the pages that are shared. */
static uint64_t keep_file(const char *from, const char *into, struct hb_kept *ret) {
        struct hb_kept m = {.visit_ns = 5, .pages_total = PAGES, .departures = 1, .guest = "g"};
        static uint8_t bytes[PAGES * HB_PAGE_SIZE];
        static struct hb_print prints[PAGES];
        hb_keep_writer *w = NULL;
        uint64_t shared;
        struct hb_err e = {0};
        int fd = open(from, O_RDWR | O_CREAT | O_TRUNC, 0600);

        assert_true(fd >= 0);
        for (unsigned i = 0; i < PAGES; i++)
                fill(bytes + i * HB_PAGE_SIZE, i, 1);
        assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
        assert_int_equal(fsync(fd), 0);
        mkdir(into, 0700);
        assert_int_equal(hb_keep_write(into, &m, PAGES, &w, &e), 0);
        for (unsigned i = 0; i < PAGES; i += 64)
                assert_int_equal(hb_keep_write_pages(w, i, 64, bytes + i * HB_PAGE_SIZE, prints + i, fd,
                                                     i * HB_PAGE_SIZE),
                                 0);
        shared = hb_keep_write_shared(w);
        assert_int_equal(hb_keep_write_end(w, ret, &e), 0);
        fill(bytes, 0, 99); /* the guest's file goes on living */
        assert_int_equal(pwrite(fd, bytes, HB_PAGE_SIZE, 0), HB_PAGE_SIZE);
        close(fd);
        return shared;
}

static void is_as_it_was(const char *into, const struct hb_kept *m) {
        uint8_t page[HB_PAGE_SIZE], good[HB_PAGE_SIZE];
        struct hb_err e;
        int fd;

        assert_int_equal(m->pages, PAGES);
        assert_int_equal(hb_keep_open_memory(into, m, &fd, &e), 0);
        for (unsigned i = 0; i < PAGES; i++) {
                fill(good, i, 1);
                assert_int_equal(hb_keep_read(fd, i, page), 0);
                assert_memory_equal(page, good, sizeof(page));
        }
        close(fd);
}

static void blocks_are_shared_where_the_filesystem_can(void **state) {
        char from[100], into[100];
        struct hb_kept m;

        if (geteuid() != 0 || access("/dev/loop-control", F_OK) < 0 ||
            system("command -v mkfs.xfs >/dev/null") != 0 ||
            run("truncate -s 320M xfs && mkfs.xfs -q -m reflink=1 xfs && mkdir fs && mount -o loop xfs fs "
                "2>/dev/null") != 0) {
                print_message("skipped: no XFS can be mounted here\n");
                skip();
        }
        snprintf(from, sizeof(from), "%s/fs/memory", dir);
        snprintf(into, sizeof(into), "%s/fs/kept", dir);
        assert_int_equal(keep_file(from, into, &m), PAGES);
        is_as_it_was(into, &m);
}

static void between_filesystems_they_are_copied(void **state) {
        char from[] = "/dev/shm/hb-share-XXXXXX", into[100];
        struct hb_kept m;

        close(mkstemp(from));
        snprintf(into, sizeof(into), "%s/kept", dir);
        assert_int_equal(keep_file(from, into, &m), 0);
        is_as_it_was(into, &m);
        unlink(from);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(blocks_are_shared_where_the_filesystem_can),
                cmocka_unit_test(between_filesystems_they_are_copied),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
