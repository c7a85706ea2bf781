/* writer_file: where a trace's bytes go.
 *
 * Invariant: up to `at` the file holds the header and whole blocks, whatever fails: a write that fails is cut
 * off. An atomic trace is written beside its name and renamed last; another is locked (flock) while it is
 * written, so two writers never share a file. No symlink is followed, nothing but regular files is written.
 * One thread. */
#include "trace/writer_file.h"
#include "base/fault.h"
#include "sum/sum.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE 0640

static int pwrite_all(int fd, const uint8_t *p, size_t n, uint64_t at) {
        if (hb_fault("trace.write"))
                return -EIO;
        while (n > 0) {
                ssize_t put = pwrite(fd, p, n, (off_t)at);

                if (put < 0 && errno == EINTR)
                        continue;
                if (put < 0)
                        return -errno;
                p += put;
                at += (uint64_t)put;
                n -= (size_t)put;
        }
        return 0;
}

int hb_trace_file_append(struct hb_trace_file *f, const void *data, size_t n) {
        int rc = pwrite_all(f->fd, data, n, f->at);

        if (rc < 0) {
                (void)!ftruncate(f->fd, (off_t)f->at); /* if that fails too, readers see a block cut short */
                return rc;
        }
        f->at += n;
        return 0;
}

int hb_trace_file_sync(struct hb_trace_file *f) {
        if (hb_fault("trace.sync"))
                return -EIO;
        return fsync(f->fd) < 0 ? -errno : 0;
}

/* ".<name>.<random>.part" in the same folder. */
static char *name_beside(const char *path) {
        const char *slash = strrchr(path, '/');
        int dir = slash ? (int)(slash - path) + 1 : 0;
        uint64_t random;
        char *name;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random) ||
            asprintf(&name, "%.*s.%.200s.%016" PRIx64 ".part", dir, path, path + dir, random) < 0)
                return NULL;
        return name;
}

static int cannot(struct hb_err *e, int rc, const char *path) {
        return hb_err_set(e, rc, path, rc == -ENOENT ? "make the folder first" : NULL,
                          "cannot write the trace: %s", strerror(-rc));
}

static int made(struct hb_trace_file *f, const char *path) {
        f->fd = hb_fault("trace.create")
                        ? -1
                        : open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, MODE);
        if (f->fd < 0)
                return errno ? -errno : -EIO;
        return flock(f->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static int open_beside(struct hb_trace_file *f, const struct hb_buf *header, bool replace, struct hb_err *e) {
        struct stat st;
        int rc;

        if (lstat(f->path, &st) == 0) {
                if (!replace)
                        return hb_err_set(e, -EEXIST, f->path,
                                          "choose another name, or ask for it to be replaced",
                                          "the file is there already");
                if (!S_ISREG(st.st_mode))
                        return hb_err_set(e, -EINVAL, f->path, "choose another name",
                                          "only a regular file can be replaced");
        }
        f->beside = name_beside(f->path);
        if (!f->beside)
                return hb_err_set(e, -ENOMEM, f->path, NULL, "no memory for a name");
        errno = 0;
        rc = made(f, f->beside);
        if (rc == 0)
                rc = hb_trace_file_append(f, header->data, header->len);
        return rc < 0 ? cannot(e, rc, f->path) : 0;
}

/* ---- continuing ---- */

static int keep_row(void *arg, uint64_t at, const uint8_t raw[HB_BLOCK_HEAD], const struct hb_block_head *h) {
        struct hb_trace_file *f = arg;

        hb_trace_index_row(&f->rows, at, raw);
        return f->rows.failed ? -ENOMEM : 0;
}

/* After a crash a block's head may have reached the disk and its payload not. */
static int last_is_whole(struct hb_trace_file *f, bool *ret) {
        const uint8_t *row = f->rows.data + f->rows.len - HB_INDEX_ROW;
        struct hb_block_head h;
        struct hb_rd r = hb_rd_init(row, 8);
        uint64_t at = hb_rd_u64(&r);
        uint8_t *packed;
        int rc = hb_block_head_decode(row + 8, &h);

        if (rc < 0)
                return rc;
        packed = hb_fault("trace.alloc") ? NULL : malloc(h.packed + 1);
        if (!packed)
                return -ENOMEM;
        rc = hb_trace_read_at(f->fd, packed, h.packed, at + HB_BLOCK_HEAD);
        if (rc == 0)
                *ret = hb_crc32c(packed, h.packed) == h.crc;
        free(packed);
        return rc;
}

/* Finds the blocks up to `size`, and again without the last one until that is whole. */
static int find_blocks(struct hb_trace_file *f, uint64_t from, uint64_t pages, uint64_t size) {
        for (;;) {
                bool whole = true;
                int rc;

                hb_buf_reset(&f->rows);
                rc = hb_trace_scan_file(f->fd, size, from, pages, keep_row, f, &f->found);
                if (rc == 0 && f->rows.len > 0 && !f->found.info.indexed)
                        rc = last_is_whole(f, &whole);
                if (rc < 0)
                        return rc;
                if (whole)
                        return 0;
                size = f->found.end - 1;
        }
}

static int refuse(struct hb_err *e, const char *path, const char *why) {
        return hb_err_set(e, -EINVAL, path, "write to another file", "cannot continue this file: %s", why);
}

static int check_header(struct hb_trace_file *f, const struct hb_buf *header, uint64_t size,
                        struct hb_err *e) {
        size_t n = size < header->len ? (size_t)size : header->len;
        uint8_t *there = malloc(n + 1);
        int rc = there ? hb_trace_read_at(f->fd, there, n, 0) : -ENOMEM;

        if (rc == 0 && memcmp(there, header->data, n) != 0)
                rc = refuse(e, f->path, "it does not begin with the same header");
        else if (rc < 0)
                cannot(e, rc, f->path);
        free(there);
        return rc;
}

static int go_on(struct hb_trace_file *f, const struct hb_buf *header, uint64_t pages, struct hb_err *e) {
        struct stat st;
        uint64_t size;
        int rc;

        if (fstat(f->fd, &st) < 0)
                return cannot(e, -errno, f->path);
        if (!S_ISREG(st.st_mode))
                return refuse(e, f->path, "it is no regular file");
        if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
                return hb_err_set(e, -EBUSY, f->path, "end the other recording first",
                                  "another program is writing this trace");
        size = (uint64_t)st.st_size;
        rc = check_header(f, header, size, e);
        if (rc < 0)
                return rc;
        if (size < header->len) { /* empty, or cut within the header */
                rc = hb_trace_file_append(f, header->data, header->len);
                return rc < 0 ? cannot(e, rc, f->path) : 0;
        }
        rc = find_blocks(f, header->len, pages, size);
        if (rc == 0 && (hb_fault("trace.cut") || ftruncate(f->fd, (off_t)f->found.end) < 0))
                rc = errno ? -errno : -EIO;
        f->at = f->found.end;
        return rc < 0 ? cannot(e, rc, f->path) : 0;
}

static int open_here(struct hb_trace_file *f, const struct hb_buf *header, uint64_t pages, bool replace,
                     struct hb_err *e) {
        int rc;

        errno = 0;
        rc = made(f, f->path);
        if (rc == 0)
                rc = hb_trace_file_append(f, header->data, header->len);
        if (rc == -EEXIST && !replace)
                return hb_err_set(e, rc, f->path, "choose another name, or ask for it to be continued",
                                  "the file is there already");
        if (rc != -EEXIST)
                return rc < 0 ? cannot(e, rc, f->path) : 0;
        f->fd = open(f->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (f->fd < 0)
                return errno == ELOOP ? refuse(e, f->path, "it is a symbolic link")
                                      : cannot(e, -errno, f->path);
        return go_on(f, header, pages, e);
}

int hb_trace_file_open(const char *path, const struct hb_buf *header, uint64_t pages, bool atomic,
                       bool replace, struct hb_trace_file *ret, struct hb_err *e) {
        struct hb_trace_file f = {.fd = -1, .replace = replace};
        int rc;

        f.path = strdup(path);
        if (!f.path)
                return hb_err_set(e, -ENOMEM, path, NULL, "no memory for a name");
        rc = atomic ? open_beside(&f, header, replace, e) : open_here(&f, header, pages, replace, e);
        if (rc < 0) {
                hb_trace_file_close(&f);
                return rc;
        }
        *ret = f;
        return 0;
}

/* Not every file system can rename without replacing. */
static int rename_new(const char *from, const char *to) {
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -errno;
        if (link(from, to) < 0)
                return -errno;
        unlink(from);
        return 0;
}

/* The rename itself must outlive a power cut. */
static int sync_folder(const char *path) {
        char *copy = strdup(path);
        int fd, rc = 0;

        if (!copy)
                return -ENOMEM;
        fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
                rc = -errno;
        if (fd >= 0)
                close(fd);
        free(copy);
        return rc;
}

int hb_trace_file_finish(struct hb_trace_file *f) {
        int rc = hb_trace_file_sync(f);

        if (rc == 0 && f->beside) {
                if (hb_fault("trace.rename"))
                        rc = -EIO;
                else if (!f->replace)
                        rc = rename_new(f->beside, f->path);
                else if (rename(f->beside, f->path) < 0)
                        rc = -errno;
                if (rc == 0) {
                        free(f->beside);
                        f->beside = NULL;
                        rc = sync_folder(f->path);
                }
        }
        hb_trace_file_close(f);
        return rc;
}

void hb_trace_file_close(struct hb_trace_file *f) {
        if (f->beside && f->fd >= 0)
                unlink(f->beside);
        if (f->fd >= 0)
                close(f->fd);
        free(f->path);
        free(f->beside);
        hb_buf_free(&f->rows);
        *f = (struct hb_trace_file){.fd = -1};
}
