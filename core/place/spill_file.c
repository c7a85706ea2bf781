/* spill_file: makes, finds and removes the files of a spilled image.
 *
 * Invariant: no file is removed but one whose last page, and for an image in use whose inode, says that it is
 * this placement's; and the sums file, which alone leads from an image to its spill file, is made after it
 * and removed after it. Nothing is synced: a power cut takes the memory files, and with them all that could
 * make use of a spill file. */
#include "place/spill_file.h"
#include "base/fault.h"
#include "place/image_spill.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static void blank(struct hb_spill_file *f) {
        *f = (struct hb_spill_file){.fd = -1, .direct_fd = -1, .map = MAP_FAILED};
}

static char *sums_path(const char *image_dir, const char *guest) {
        char *p = NULL;

        return asprintf(&p, "%s/%s.sums", image_dir, guest) < 0 ? NULL : p;
}

static bool set_path(struct hb_spill_file *f, const char *spill_dir) {
        char hex[2 * sizeof(f->head.id.placement) + 1];

        for (unsigned i = 0; i < sizeof(f->head.id.placement); i++)
                snprintf(hex + 2 * i, 3, "%02x", f->head.id.placement[i]);
        return snprintf(f->head.path, sizeof(f->head.path), "%s/%s.%s.spill", spill_dir, f->head.id.guest,
                        hex) < (int)sizeof(f->head.path);
}

static uint64_t size_of(uint64_t pages) {
        return (pages << HB_PAGE_SHIFT) + HB_SPILL_HEAD;
}

/* The last page of a spill file; as it was written, wherever the file is by now. */
static int read_any_head(int fd, struct hb_spill_head *ret, struct stat *st) {
        uint8_t page[HB_SPILL_HEAD];

        if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode) || st->st_size < (off_t)HB_SPILL_HEAD ||
            pread(fd, page, sizeof(page), st->st_size - (off_t)sizeof(page)) != (ssize_t)sizeof(page))
                return -EBADMSG;
        return hb_spill_head_decode(page, sizeof(page), ret);
}

static int read_head(int fd, struct hb_spill_head *ret) {
        struct stat st;

        if (read_any_head(fd, ret, &st) < 0 || ret->dev != st.st_dev || ret->ino != st.st_ino)
                return -EBADMSG;
        return (uint64_t)st.st_size == size_of(ret->pages) ? 0 : -EBADMSG;
}

/* One that this placement left behind (or a copy of it), and nobody uses. */
static bool remove_former(const struct hb_spill_file *f) {
        int fd = open(f->head.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct hb_spill_head h;
        struct stat st;
        bool removed = false;

        if (fd < 0)
                return false;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
            (st.st_size == 0 || /* killed before it was named */
             (read_any_head(fd, &h, &st) == 0 &&
              memcmp(h.id.placement, f->head.id.placement, sizeof(h.id.placement)) == 0)))
                removed = unlink(f->head.path) == 0;
        close(fd);
        return removed;
}

static int open_new(struct hb_spill_file *f, struct hb_err *e) {
        for (unsigned tries = 0; tries < 2 && f->fd < 0; tries++) {
                f->fd = hb_fault("spill.create")
                                ? -1
                                : open(f->head.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                                       0600);
                if (f->fd < 0 && (errno != EEXIST || !remove_former(f)))
                        break;
        }
        if (f->fd < 0)
                return hb_err_set(e, errno ? -errno : -EIO, f->head.path,
                                  "create spill_dir on a disk, writable by the daemon",
                                  "cannot create the spill file: %s", strerror(errno));
        if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
                return hb_err_set(e, -EBUSY, f->head.path, "is another daemon running on this directory?",
                                  "the spill file is in use");
        return 0;
}

/* Sized, and signed where nobody spills. The same page by O_DIRECT tells whether that works here. */
static int sign(struct hb_spill_file *f, bool direct, struct hb_err *e) {
        _Alignas(HB_SPILL_HEAD) uint8_t page[HB_SPILL_HEAD];
        off_t at = (off_t)(f->head.pages << HB_PAGE_SHIFT);
        struct stat st;
        int rc = fstat(f->fd, &st) < 0 ? -errno : 0;

        f->head.dev = st.st_dev;
        f->head.ino = st.st_ino;
        if (rc == 0)
                rc = hb_fault("spill.head") ? -EIO : hb_spill_head_encode(&f->head, page);
        if (rc == 0 && pwrite(f->fd, page, sizeof(page), at) != (ssize_t)sizeof(page))
                rc = errno ? -errno : -EIO;
        if (rc < 0)
                return hb_err_set(e, rc, f->head.path, "free space there", "cannot make the spill file: %s",
                                  strerror(-rc));
        if (direct && !hb_fault("spill.direct"))
                f->direct_fd = open(f->head.path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_DIRECT);
        if (f->direct_fd >= 0 && pwrite(f->direct_fd, page, sizeof(page), at) != (ssize_t)sizeof(page)) {
                close(f->direct_fd);
                f->direct_fd = -1;
        }
        return 0;
}

static int map_sums(struct hb_spill_file *f, int fd, struct hb_err *e) {
        f->map_bytes = HB_SPILL_HEAD + f->head.pages * sizeof(*f->sums);
        f->map = hb_fault("spill.map") ? MAP_FAILED
                                       : mmap(NULL, f->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (f->map == MAP_FAILED)
                return hb_err_set(e, -ENOMEM, f->sums_path, "free memory",
                                  "cannot map the spill file's sums");
        f->sums = (uint64_t *)((uint8_t *)f->map + HB_SPILL_HEAD);
        return 0;
}

/* The head comes last: a file without it leads nowhere. */
static int create_sums(struct hb_spill_file *f, struct hb_err *e) {
        uint64_t bytes = HB_SPILL_HEAD + f->head.pages * sizeof(*f->sums);
        uint8_t page[HB_SPILL_HEAD];
        int fd, rc = hb_spill_head_encode(&f->head, page);

        unlink(f->sums_path); /* the image's lock is ours, so nobody uses it */
        fd = hb_fault("spill.sums") ? -1 : open(f->sums_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (rc == 0 && (fd < 0 || fallocate(fd, 0, 0, (off_t)bytes) < 0))
                rc = errno ? -errno : -EIO;
        rc = rc < 0 ? hb_err_set(e, rc, f->sums_path, "free memory there",
                                 "cannot make the spill file's sums")
                    : map_sums(f, fd, e);
        if (fd >= 0)
                close(fd);
        if (rc == 0 && hb_fault("spill.sums_head"))
                rc = hb_err_set(e, -EIO, f->sums_path, NULL, "cannot write the spill file's sums");
        if (rc == 0)
                memcpy(f->map, page, sizeof(page));
        return rc;
}

int hb_spill_file_create(struct hb_spill_file *f, const char *image_dir, const char *spill_dir,
                         const struct hb_image_id *id, uint64_t pages, bool direct, struct hb_err *e) {
        int rc;

        blank(f);
        errno = 0;
        f->head.id = *id;
        f->head.pages = pages;
        f->sums_path = sums_path(image_dir, id->guest);
        if (!f->sums_path || !set_path(f, spill_dir) ||
            getrandom(&f->head.key, sizeof(f->head.key), 0) != (ssize_t)sizeof(f->head.key))
                return hb_err_set(e, -ENAMETOOLONG, spill_dir, "use a shorter spill_dir",
                                  "no name for the spill file");
        rc = open_new(f, e);
        if (rc < 0)
                return rc;
        rc = sign(f, direct, e);
        if (rc == 0)
                rc = create_sums(f, e);
        if (rc < 0)
                unlink(f->head.path);
        return rc;
}

/* ---- coming back ---- */

static int read_sums_head(const char *path, int *ret_fd, struct hb_spill_head *ret) {
        uint8_t page[HB_SPILL_HEAD];
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;

        *ret_fd = fd;
        if (fd < 0)
                return -errno;
        if (pread(fd, page, sizeof(page), 0) != (ssize_t)sizeof(page) || fstat(fd, &st) < 0 ||
            hb_spill_head_decode(page, sizeof(page), ret) < 0 ||
            (uint64_t)st.st_size != HB_SPILL_HEAD + ret->pages * sizeof(uint64_t))
                return -EBADMSG;
        return 0;
}

static int open_former(struct hb_spill_file *f, bool direct, struct hb_err *e) {
        struct hb_spill_head h;

        f->fd = hb_fault("spill.attach") ? -1 : open(f->head.path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (f->fd < 0 || read_head(f->fd, &h) < 0 || h.ino != f->head.ino || h.dev != f->head.dev ||
            h.key != f->head.key)
                return hb_err_set(e, -ESTALE, f->head.path, "nothing: its pages are fetched again",
                                  "the spill file is gone, was cut or is another");
        if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
                return hb_err_set(e, -EBUSY, f->head.path, "is another daemon running on this directory?",
                                  "the spill file is in use");
        if (direct && !hb_fault("spill.direct"))
                f->direct_fd = open(f->head.path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_DIRECT);
        return 0;
}

int hb_spill_file_attach(struct hb_spill_file *f, const char *image_dir, const struct hb_image_id *id,
                         uint64_t pages, bool direct, struct hb_err *e) {
        int fd = -1, rc;

        blank(f);
        f->sums_path = sums_path(image_dir, id->guest);
        rc = f->sums_path ? read_sums_head(f->sums_path, &fd, &f->head) : -ENOMEM;
        if (rc == 0 && (memcmp(f->head.id.placement, id->placement, sizeof(id->placement)) != 0 ||
                        f->head.pages != pages))
                rc = -EBADMSG;
        if (rc < 0)
                hb_err_set(e, rc, f->sums_path, "nothing: its pages are fetched again",
                           "the sums of the spill file are missing or not of this image");
        else
                rc = open_former(f, direct, e);
        if (rc == 0)
                rc = map_sums(f, fd, e);
        if (fd >= 0)
                close(fd);
        return rc;
}

void hb_spill_file_close(struct hb_spill_file *f) {
        if (f->map != MAP_FAILED && f->map)
                munmap(f->map, f->map_bytes);
        if (f->direct_fd >= 0)
                close(f->direct_fd);
        if (f->fd >= 0)
                close(f->fd);
        free(f->sums_path);
        blank(f);
}

int hb_spill_file_remove(const char *image_dir, const char *guest) {
        char *path = sums_path(image_dir, guest);
        struct hb_spill_head h;
        struct stat st;
        int fd = -1, removed = 0;

        if (path && read_sums_head(path, &fd, &h) == 0 && lstat(h.path, &st) == 0 && st.st_dev == h.dev &&
            st.st_ino == h.ino)
                removed += unlink(h.path) == 0;
        if (fd >= 0) {
                close(fd);
                removed += unlink(path) == 0;
        }
        free(path);
        return removed;
}

/* ---- what a power cut left ---- */

static bool kept(const struct hb_image_id *id, const struct hb_image_id *keep, unsigned n) {
        for (unsigned k = 0; k < n; k++)
                if (memcmp(id->placement, keep[k].placement, sizeof(id->placement)) == 0)
                        return true;
        return false;
}

static int sweep_one(int dir, const char *name, const struct hb_image_id *keep, unsigned n) {
        int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), removed = 0;
        struct hb_spill_head h;

        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && read_head(fd, &h) == 0 && !kept(&h.id, keep, n))
                removed = unlinkat(dir, name, 0) == 0;
        if (fd >= 0)
                close(fd);
        return removed;
}

int hb_image_spill_sweep(const char *spill_dir, const struct hb_image_id *keep, unsigned n) {
        DIR *d = opendir(spill_dir);
        struct dirent *entry;
        int removed = 0;

        while (d && (entry = readdir(d))) {
                size_t len = strlen(entry->d_name);

                if (len > 6 && strcmp(entry->d_name + len - 6, ".spill") == 0)
                        removed += sweep_one(dirfd(d), entry->d_name, keep, n);
        }
        if (d)
                closedir(d);
        return removed;
}
