/* image_dir: a directory on tmpfs, one shape and one placement: what the tests of the image share. */
#pragma once
#include "base/fault.h"
#include "check.h"
#include "place/image.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOW   128u
#define HIGH  64u
#define PAGES (LOW + HIGH)

static char dir[] = "/dev/shm/hb-image-XXXXXX";
static struct hb_shape shape;
static struct hb_image_id id = {.placement = "placement-one-.", .guest = "web.1", .source = "alpha"};

static inline int set_up(void **state) {
        if (!mkdtemp(dir))
                return -1;
        if (hb_shape_add(&shape, "pc.ram", LOW * 4096, 4096, NULL) < 0)
                return -1;
        return hb_shape_add(&shape, "high", HIGH * 4096, 4096, NULL);
}

/* Files left there. */
static inline unsigned files_in(const char *where, bool remove) {
        DIR *d = opendir(where);
        struct dirent *entry;
        unsigned n = 0;

        assert_non_null(d);
        while ((entry = readdir(d))) {
                if (entry->d_name[0] == '.')
                        continue;
                n++;
                if (remove)
                        unlinkat(dirfd(d), entry->d_name, 0);
        }
        closedir(d);
        return n;
}

static inline unsigned files(bool remove) {
        return files_in(dir, remove);
}

static inline int clean(void **state) {
        hb_fault_disarm();
        files(true);
        return 0;
}

static inline int tear_down(void **state) {
        return rmdir(dir);
}

static inline hb_image *open_image(bool want_resumed) {
        hb_image *i = NULL;
        bool resumed = !want_resumed;
        struct hb_err e = {0};

        if (hb_image_open(dir, &id, &shape, 0, &i, &resumed, &e) < 0)
                fail_msg("%s (%s): %s", e.what, e.which, e.next);
        assert_int_equal(resumed, want_resumed);
        return i;
}
