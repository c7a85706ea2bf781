/* residency: walks a memory file for what is there.
 *
 * Invariant: nothing here touches a hole through a mapping, because on tmpfs and hugetlbfs reading a hole
 * that way allocates it. hugetlbfs answers SEEK_DATA with "everything", so a huge page counts as resident
 * when the target has it mapped, or, when st_blocks shows that some are resident but not mapped, when pread
 * finds a byte in it that is not zero. */
#include "track/residency.h"
#include "base/bitmap.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PROBE_BYTES     (256u << 10)

typedef int (*run_fn)(void *arg, uint64_t gfn, uint64_t pages);

static int walk_file(const struct hb_target_region *r, uint64_t skip, uint64_t bytes, run_fn run, void *arg) {
        off_t at = (off_t)(r->file_offset + skip), end = at + (off_t)bytes;

        while (at < end) {
                off_t from = lseek(r->fd, at, SEEK_DATA), to;
                uint64_t first, last;
                int err;

                if (from < 0)
                        return errno == ENXIO ? 0 : -errno; /* ENXIO: only a hole is left */
                if (from >= end)
                        return 0;
                to = lseek(r->fd, from, SEEK_HOLE);
                if (to < 0 && errno == ENXIO)
                        continue; /* punched since: look again */
                if (to < 0)
                        return -errno;
                if (to > end)
                        to = end;
                first = (uint64_t)(from - (off_t)r->file_offset) / HB_PAGE_SIZE;
                last = ((uint64_t)(to - (off_t)r->file_offset) + HB_PAGE_SIZE - 1) / HB_PAGE_SIZE;
                err = last > first ? run(arg, r->first_gfn + first, last - first) : 0;
                if (err < 0)
                        return err;
                at = to;
        }
        return 0;
}

static bool any_byte(const struct hb_target_region *r, uint64_t page, uint8_t *chunk) {
        static const uint8_t zero[4096];
        uint64_t base = r->file_offset + page * r->backing_page;

        for (uint64_t at = 0; at < r->backing_page; at += PROBE_BYTES) {
                ssize_t n = pread(r->fd, chunk, PROBE_BYTES, (off_t)(base + at));

                for (ssize_t i = 0; i + (ssize_t)sizeof zero <= n; i += (ssize_t)sizeof zero)
                        if (memcmp(chunk + i, zero, sizeof zero) != 0)
                                return true;
        }
        return false;
}

/* One bit a huge page, from huge page `base` of the region on: mapped in the target. */
static int mapped_huge(const hb_target *t, const struct hb_target_region *r, uint64_t base,
                       struct hb_bitmap *out) {
        char path[64];
        int fd, err = 0;

        snprintf(path, sizeof path, "/proc/%d/pagemap", (int)t->pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        for (uint64_t i = 0; i < out->bits && err == 0; i++) {
                uint64_t entry, page = (r->remote_addr + (base + i) * r->backing_page) / HB_PAGE_SIZE;
                ssize_t n = pread(fd, &entry, sizeof entry, (off_t)(page * sizeof entry));

                if (n != (ssize_t)sizeof entry)
                        err = n == 0 ? -ESRCH : -errno;
                else if (entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED))
                        hb_bitmap_set(out, i);
        }
        close(fd);
        return err;
}

static int add_unmapped(const struct hb_target_region *r, uint64_t base, struct hb_bitmap *pages) {
        struct stat st;
        uint8_t *chunk;

        if (fstat(r->fd, &st) < 0)
                return -errno;
        if ((uint64_t)st.st_blocks * 512 <= hb_bitmap_count(pages) * r->backing_page)
                return 0; /* every resident page is mapped */
        chunk = malloc(PROBE_BYTES);
        if (!chunk)
                return -ENOMEM;
        for (uint64_t i = 0; i < pages->bits; i++)
                if (!hb_bitmap_test(pages, i) && any_byte(r, base + i, chunk))
                        hb_bitmap_set(pages, i);
        free(chunk);
        return 0;
}

static int walk_huge(const hb_target *t, const struct hb_target_region *r, uint64_t skip, uint64_t bytes,
                     run_fn run, void *arg) {
        uint64_t per = r->backing_page / HB_PAGE_SIZE, base = skip / r->backing_page, first, count;
        struct hb_bitmap pages;
        int err = hb_bitmap_init(&pages, bytes / r->backing_page);

        if (err < 0)
                return err;
        err = mapped_huge(t, r, base, &pages);
        if (err == 0)
                err = add_unmapped(r, base, &pages);
        for (uint64_t at = 0; err >= 0 && hb_bitmap_next_run(&pages, at, 0, &first, &count);
             at = first + count)
                err = run(arg, r->first_gfn + (base + first) * per, count * per);
        hb_bitmap_fini(&pages);
        return err;
}

int hb_residency_walk(const hb_target *t, unsigned index, uint64_t gfn, uint64_t pages, run_fn run,
                      void *arg) {
        const struct hb_target_region *r = &t->regions[index];
        uint64_t skip = (gfn - r->first_gfn) * HB_PAGE_SIZE, bytes = pages * HB_PAGE_SIZE;

        if (hb_fault("track.residency"))
                return -EIO;
        return r->backing == HB_BACKING_HUGETLB ? walk_huge(t, r, skip, bytes, run, arg)
                                                : walk_file(r, skip, bytes, run, arg);
}

static int mark(void *arg, uint64_t gfn, uint64_t pages) {
        hb_bitmap_set_range(arg, gfn, pages);
        return 0;
}

int hb_target_resident(const hb_target *t, struct hb_bitmap *out, struct hb_err *e) {
        for (uint32_t i = 0; i < t->shape.nregions; i++) {
                int r = hb_residency_walk(t, i, t->shape.regions[i].first_gfn, t->shape.regions[i].pages,
                                          mark, out);

                if (r < 0)
                        return hb_err_set(e, r, t->regions[i].path, "check that the guest is running",
                                          "cannot find out which pages of region %s exist: %s",
                                          t->regions[i].name, hb_errno_name(r));
        }
        return 0;
}
