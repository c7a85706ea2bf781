/* keep_write: a guest's memory on its way into the keep. Until the .kept file stands under its name nothing
 * of it counts: the pages are written to GUEST.VISIT.part, which becomes .mem just before. A full disk or a
 * kill therefore leaves at most files that the next hb_keep_open removes. Memory: 17 bytes a page. The
 * caller's thread, which should be of low priority. */
#include "base/bytes.h"
#include "base/fault.h"
#include "base/file_put.h"
#include "keep/keep_file.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct hb_keep_writer {
        char dir[HB_KEEP_PATH / 2];
        struct hb_kept m;
        uint64_t max_pages, next, shared;
        struct hb_buf gaps, prints;
        int fd;
        bool cannot_share;
};

static hb_keep_writer *writer_free(hb_keep_writer *w) {
        if (w->fd >= 0)
                close(w->fd);
        hb_buf_free(&w->gaps);
        hb_buf_free(&w->prints);
        free(w);
        return NULL;
}

static void unlink_part(const hb_keep_writer *w, const char *suffix) {
        char path[HB_KEEP_PATH];

        if (hb_keep_path(path, w->dir, &w->m, suffix) == 0)
                unlink(path);
}

hb_keep_writer *hb_keep_write_abandon(hb_keep_writer *w) {
        if (!w)
                return NULL;
        unlink_part(w, "part");
        return writer_free(w);
}

static int open_part(hb_keep_writer *w, struct hb_err *e) {
        char path[HB_KEEP_PATH];
        int r = hb_keep_path(path, w->dir, &w->m, "part");

        if (r < 0)
                return hb_err_set(e, r, w->dir, "set [duplicates] keep_dir to a shorter path",
                                  "the path is too long");
        w->fd = hb_fault("keep.create")
                        ? (errno = EIO, -1)
                        : open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (w->fd >= 0 && ftruncate(w->fd, (off_t)(w->m.pages_total * HB_PAGE_SIZE)) == 0)
                return 0;
        r = -errno;
        return hb_err_set(e, r, path, "check [duplicates] keep_dir",
                          "cannot make a file for the guest's memory: %s", strerror(-r));
}

int hb_keep_write(const char *dir, const struct hb_kept *m, uint64_t max_pages, hb_keep_writer **ret,
                  struct hb_err *e) {
        hb_keep_writer *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return hb_err_set(e, -ENOMEM, m->guest, NULL, "no memory to keep a guest's memory");
        w->fd = -1;
        w->m = *m;
        w->m.pages = 0;
        w->max_pages = max_pages;
        if (snprintf(w->dir, sizeof(w->dir), "%s", dir) >= (int)sizeof(w->dir))
                r = hb_err_set(e, -ENAMETOOLONG, dir, "set [duplicates] keep_dir to a shorter path",
                               "the path is too long");
        else
                r = open_part(w, e);
        if (r < 0) {
                if (w->fd >= 0)
                        unlink_part(w, "part");
                writer_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

/* Both files on one filesystem that shares blocks between files (XFS, btrfs): nothing is copied. */
static bool share(hb_keep_writer *w, uint64_t at, uint64_t bytes, int fd, uint64_t offset) {
        struct file_clone_range c = {
                .src_fd = fd, .src_offset = offset, .src_length = bytes, .dest_offset = at};

        if (fd < 0 || w->cannot_share)
                return false;
        if (ioctl(w->fd, FICLONERANGE, &c) == 0)
                return true;
        w->cannot_share = errno == EOPNOTSUPP || errno == EXDEV || errno == ENOTTY || errno == EBADF ||
                          errno == EINVAL || errno == EPERM;
        return false;
}

static int write_all(int fd, const uint8_t *p, size_t n, uint64_t at) {
        while (n > 0) {
                ssize_t k = hb_fault("keep.write") ? (errno = ENOSPC, -1) : pwrite(fd, p, n, (off_t)at);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return k < 0 ? -errno : -EIO;
                p += k;
                n -= (size_t)k;
                at += (uint64_t)k;
        }
        return 0;
}

int hb_keep_write_pages(hb_keep_writer *w, uint64_t gfn, uint64_t n, const uint8_t *bytes,
                        const struct hb_print *prints, int from_fd, uint64_t from_offset) {
        uint64_t room = w->max_pages - w->m.pages, take = n < room ? n : room;
        int r = 0;

        if (gfn < w->next || gfn > w->m.pages_total || n > w->m.pages_total - gfn)
                return -EINVAL;
        if (take > 0 && share(w, gfn * HB_PAGE_SIZE, take * HB_PAGE_SIZE, from_fd, from_offset))
                w->shared += take;
        else
                r = write_all(w->fd, bytes, take * HB_PAGE_SIZE, gfn * HB_PAGE_SIZE);
        if (r < 0)
                return r;
        for (uint64_t i = 0; i < take; i++) {
                hb_buf_varint(&w->gaps, gfn + i - w->next);
                w->next = gfn + i + 1;
        }
        hb_buf_raw(&w->prints, prints, take * sizeof(*prints));
        w->m.pages += take;
        if (w->gaps.failed || w->prints.failed)
                return -ENOMEM;
        return take < n ? -ENOSPC : 0;
}

uint64_t hb_keep_write_shared(const hb_keep_writer *w) {
        return w->shared;
}

static int put_in_place(hb_keep_writer *w) {
        char part[HB_KEEP_PATH], mem[HB_KEEP_PATH], kept[HB_KEEP_PATH];
        struct hb_buf b = {0};
        int r;

        if ((r = hb_keep_path(part, w->dir, &w->m, "part")) < 0 ||
            (r = hb_keep_path(mem, w->dir, &w->m, "mem")) < 0 ||
            (r = hb_keep_path(kept, w->dir, &w->m, "kept")) < 0)
                return r;
        hb_kept_encode(&w->m, &w->gaps, &w->prints, &b);
        if (b.failed)
                r = -ENOMEM;
        else if ((hb_fault("keep.rename") ? (errno = EIO, -1) : rename(part, mem)) < 0)
                r = -errno;
        else
                r = hb_file_put(kept, b.data, b.len, 0600, "keep.prints");
        if (r < 0)
                unlink(mem);
        hb_buf_free(&b);
        return r;
}

int hb_keep_write_end(hb_keep_writer *w, struct hb_kept *ret, struct hb_err *e) {
        int r = w->gaps.failed || w->prints.failed ? -ENOMEM : put_in_place(w);

        if (r < 0) {
                hb_err_set(e, r, w->m.guest, "check the disk of [duplicates] keep_dir",
                           "the guest's memory could not be kept: %s", strerror(-r));
                hb_keep_write_abandon(w);
                return r;
        }
        *ret = w->m;
        writer_free(w);
        return 0;
}
