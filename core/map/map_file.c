/* map_file: lays a page map out in one mapping: header page, ring of epoch times, two bitmaps, records; each
 * part on a page of its own, all of it sparse until touched.
 *
 * Invariant: a file is taken over only if format and shape are ours to the bit; a file of zeros (a kill
 * between creating and the header) is a new one. Another process with the same map is refused, not waited
 * for. Room for the worst case is checked once at open, since a full tmpfs answers a store with SIGBUS. */
#include "map/map_file.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <xxhash.h>

#define FORMAT 1u
static const char magic[8] = {'H', 'B', 'P', 'A', 'G', 'M', 'A', 'P'};

_Static_assert(sizeof(struct hb_map_record) == 20, "the size budget of a page");

struct layout {
        size_t ring, known, resident, records, bytes;
};

static size_t page_up(size_t n) {
        return (n + HB_PAGE_SIZE - 1) & ~(size_t)(HB_PAGE_SIZE - 1);
}

static struct layout layout_of(uint64_t pages) {
        struct layout l = {.ring = page_up(sizeof(struct hb_map_header))};
        size_t bitmap = page_up((pages + 63) / 64 * 8);

        l.known = l.ring + page_up(HB_MAP_RING * sizeof(uint64_t));
        l.resident = l.known + bitmap;
        l.records = l.resident + bitmap;
        l.bytes = l.records + page_up(pages * sizeof(struct hb_map_record));
        return l;
}

static int shape_hash(const struct hb_shape *shape, uint64_t *ret) {
        struct hb_buf b = {0};
        int rc = 0;

        hb_shape_encode(shape, &b);
        if (b.failed)
                rc = -ENOMEM;
        else
                *ret = XXH3_64bits(b.data, b.len);
        hb_buf_free(&b);
        return rc;
}

static int check_room(int fd, const char *path, size_t bytes, const struct stat *st, struct hb_err *e) {
        struct statvfs v;
        uint64_t have = (uint64_t)st->st_blocks * 512, need = bytes > have ? bytes - have : 0;
        uint64_t room;

        if (fstatvfs(fd, &v) < 0)
                return hb_err_set(e, -errno, path, NULL, "cannot ask for free space: %s", strerror(errno));
        if (v.f_blocks == 0)
                return 0; /* a filesystem without a size */
        room = (uint64_t)v.f_bavail * v.f_frsize;
        if (room < need)
                return hb_err_set(e, -ENOSPC, path,
                                  "free memory, or enlarge the filesystem (mount -o remount,size=...)",
                                  "a page map may need %llu MiB, %llu MiB are free",
                                  (unsigned long long)(need >> 20), (unsigned long long)(room >> 20));
        return 0;
}

static int size_file(struct hb_map_file *f, const char *path, struct hb_err *e) {
        struct stat st;
        int rc;

        if (hb_fault("map_file.size"))
                return hb_err_set(e, -EIO, path, NULL, "cannot size the page map");
        if (fstat(f->fd, &st) < 0)
                return hb_err_set(e, -errno, path, NULL, "cannot look at the page map: %s", strerror(errno));
        if (!S_ISREG(st.st_mode))
                return hb_err_set(e, -EBADMSG, path, "remove it", "not a page map: no ordinary file");
        if (st.st_size != 0 && (uint64_t)st.st_size != f->bytes)
                return hb_err_set(e, -ESTALE, path, "remove it", "a page map of another guest's size");
        rc = check_room(f->fd, path, f->bytes, &st, e);
        if (rc < 0)
                return rc;
        if (st.st_size == 0 && ftruncate(f->fd, (off_t)f->bytes) < 0)
                return hb_err_set(e, -errno, path, NULL, "cannot size the page map: %s", strerror(errno));
        return 0;
}

static int open_file(struct hb_map_file *f, const char *path, struct hb_err *e) {
        f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (f->fd < 0)
                return hb_err_set(e, -errno, path, "check the daemon's run directory and its rights",
                                  "cannot open the page map: %s", strerror(errno));
        if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
                return hb_err_set(e, errno == EWOULDBLOCK ? -EBUSY : -errno, path,
                                  "is another daemon running?", "the page map is in use");
        return size_file(f, path, e);
}

static int map_it(struct hb_map_file *f, const char *path, struct hb_err *e) {
        int flags = f->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void *p = hb_fault("map_file.map") ? MAP_FAILED
                                           : mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, flags, f->fd, 0);

        if (p == MAP_FAILED)
                return hb_err_set(e, -ENOMEM, path, "free memory", "cannot map %zu MiB for a page map",
                                  f->bytes >> 20);
        f->base = p;
        return 0;
}

static int check_header(struct hb_map_file *f, uint64_t hash, const char *path, struct hb_err *e) {
        static const struct hb_map_header blank;
        struct hb_map_header *h = f->header;

        if (memcmp(h, &blank, sizeof(blank)) == 0) {
                h->format = FORMAT;
                h->pages = f->shape.pages;
                h->shape_hash = hash;
                __atomic_signal_fence(__ATOMIC_SEQ_CST); /* the magic last: a kill may come between */
                memcpy(h->magic, magic, sizeof(magic));
                return 0;
        }
        if (h->magic[0] == 0 && h->epoch == 0) { /* killed while writing the header */
                *h = blank;
                return check_header(f, hash, path, e);
        }
        if (memcmp(h->magic, magic, sizeof(magic)) != 0 || h->format != FORMAT)
                return hb_err_set(e, -EBADMSG, path, "remove it", "not a page map, or of another format");
        if (h->pages != f->shape.pages || h->shape_hash != hash)
                return hb_err_set(e, -ESTALE, path, "remove it", "a page map of a guest of another shape");
        if (!(h->dirty_pages_per_s >= 0.0 && h->dirty_pages_per_s < 1e12))
                h->dirty_pages_per_s = 0.0;
        return 0;
}

static void set_views(struct hb_map_file *f, const struct layout *l) {
        uint8_t *p = f->base;

        f->header = (struct hb_map_header *)p;
        f->ring = (uint64_t *)(p + l->ring);
        f->known = (uint64_t *)(p + l->known);
        f->resident = (uint64_t *)(p + l->resident);
        f->records = (struct hb_map_record *)(p + l->records);
}

/* Bits past the last page would be counted as pages. */
static int check_tails(const struct hb_map_file *f, const char *path, struct hb_err *e) {
        uint64_t pages = f->shape.pages, last = pages / 64;
        uint64_t beyond = pages % 64 ? ~0ull << (pages % 64) : 0;

        if (beyond && ((f->known[last] | f->resident[last]) & beyond))
                return hb_err_set(e, -EBADMSG, path, "remove it", "the page map is damaged");
        return 0;
}

int hb_map_file_open(struct hb_map_file *f, const struct hb_shape *shape, const char *path,
                     struct hb_err *e) {
        struct layout l = layout_of(shape->pages);
        uint64_t hash;
        int rc;

        *f = (struct hb_map_file){.shape = *shape, .fd = -1, .bytes = l.bytes};
        if (shape->pages == 0)
                return hb_err_set(e, -EINVAL, path, NULL, "a page map needs at least one page");
        rc = shape_hash(shape, &hash);
        if (rc < 0)
                return hb_err_set(e, rc, path, NULL, "no memory for a page map");
        if (path)
                rc = open_file(f, path, e);
        if (rc < 0)
                return rc;
        rc = map_it(f, path, e);
        if (rc < 0)
                return rc;
        set_views(f, &l);
        rc = check_header(f, hash, path, e);
        return rc < 0 ? rc : check_tails(f, path, e);
}

void hb_map_file_close(struct hb_map_file *f) {
        if (f->base)
                munmap(f->base, f->bytes);
        if (f->fd >= 0)
                close(f->fd); /* lets the lock go */
        *f = (struct hb_map_file){.fd = -1};
}
