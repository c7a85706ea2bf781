/* image: the prefetch buffer as mapped files.
 *
 * Invariant, for a kill at any instant: a page whose record says fresh has its bytes whole. The engine clears
 * a stamp before a fetch may write and sets it when the bytes are in; both are single stores into a shared
 * mapping, which the kernel keeps when we die. Records and head belong to the loop thread; transport threads
 * write page bytes only, of pages marked FETCHING. Cost: one mapping a region, nothing a page but its record.
 */
#include "place/image.h"
#include "base/fault.h"
#include "place/image_priv.h"
#include "place/spill.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARGIN_BYTES (4ull << 20) /* kept free on the filesystem for others */

_Static_assert(sizeof(struct hb_image_page) == 16, "the size budget of a page");

static int set_names(hb_image *i, const char *dir) {
        i->dir = strdup(dir);
        if (!i->dir || asprintf(&i->state_path, "%s/%s.state", dir, i->state.id.guest) < 0) {
                i->state_path = NULL;
                return -ENOMEM;
        }
        for (uint32_t r = 0; r < i->state.shape.nregions; r++) {
                i->region[r].path = hb_image_region_name(dir, &i->state, r);
                if (!i->region[r].path)
                        return -ENOMEM;
                i->region[r].bytes = i->state.shape.regions[r].pages << HB_PAGE_SHIFT;
        }
        return 0;
}

static int allocate(const struct hb_image_id *id, const struct hb_shape *shape, hb_image **ret) {
        hb_image *i = hb_fault("image.open") ? NULL : calloc(1, sizeof(*i));

        if (!i)
                return -ENOMEM;
        i->state.id = *id;
        i->state.shape = *shape;
        i->state_fd = -1;
        for (unsigned r = 0; r < HB_MAX_REGIONS; r++)
                i->region[r].fd = -1;
        *ret = i;
        return 0;
}

static int map_regions(hb_image *i, struct hb_err *e) {
        for (uint32_t r = 0; r < i->state.shape.nregions; r++) {
                struct hb_image_region *g = &i->region[r];
                void *p = hb_fault("image.map")
                                  ? MAP_FAILED
                                  : mmap(NULL, g->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, g->fd, 0);

                if (p == MAP_FAILED && i->huge)
                        return hb_err_set(e, -ENOSPC, g->path,
                                          "raise vm.nr_hugepages, or that page size's nr_hugepages in /sys",
                                          "not enough huge pages for the image's %llu MiB",
                                          (unsigned long long)(g->bytes >> 20));
                if (p == MAP_FAILED)
                        return hb_err_set(e, -ENOMEM, g->path, "free memory", "cannot map the image");
                g->base = p;
        }
        return 0;
}

/* What was on its way when the last owner ended never arrived. */
static void forget_fetches(hb_image *i) {
        for (uint64_t g = 0; g < i->state.shape.pages; g++) {
                struct hb_image_page *p = &i->pages[g];

                if (!(p->flags & HB_IP_FETCHING))
                        continue;
                hb_coherency_overwriting(&p->c);
                p->flags &= (uint8_t)~HB_IP_FETCHING;
        }
}

static int open_files(hb_image *i, uint64_t expected_bytes, bool *ret_resumed, struct hb_err *e) {
        int rc = hb_image_attach_files(i, e);
        uint64_t have;

        *ret_resumed = rc == 0;
        if (rc == -ENOENT) {
                rc = hb_image_check_room(i->dir, expected_bytes + i->state_bytes, 0, e);
                return rc < 0 ? rc : hb_image_create_files(i, e);
        }
        if (rc < 0)
                return rc;
        have = hb_image_allocated(i);
        return hb_image_check_room(i->dir, expected_bytes > have ? expected_bytes - have : 0, 0, e);
}

int hb_image_open(const char *dir, const struct hb_image_id *id, const struct hb_shape *shape,
                  uint64_t expected_bytes, hb_image **ret, bool *ret_resumed, struct hb_err *e) {
        hb_image *i = NULL;
        bool resumed;
        int rc;

        if (!hb_name_ok(id->guest) || !hb_name_ok(id->source) || shape->pages == 0)
                return hb_err_set(e, -EINVAL, dir, NULL, "an image needs valid names and at least one page");
        rc = allocate(id, shape, &i);
        if (rc == 0)
                rc = set_names(i, dir);
        if (rc < 0) {
                hb_err_set(e, rc, dir, NULL, "no memory for an image");
                goto fail;
        }
        rc = hb_image_check_dir(i, dir, shape, e);
        if (rc < 0)
                goto fail;
        i->state_bytes = HB_IMAGE_HEAD + shape->pages * sizeof(struct hb_image_page);
        i->state_bytes = (i->state_bytes + i->file_page - 1) / i->file_page * i->file_page;
        rc = open_files(i, expected_bytes, &resumed, e);
        if (rc < 0)
                goto fail;
        rc = map_regions(i, e);
        if (rc < 0) {
                if (!resumed)
                        hb_image_unlink_all(i->dir, &i->state, i->state_path);
                goto fail;
        }
        if (resumed)
                forget_fetches(i);
        hb_spill_attach(i); /* what cannot be used is fetched again */
        *ret = i;
        *ret_resumed = resumed;
        return 0;
fail:
        hb_image_free(i);
        return rc;
}

hb_image *hb_image_free(hb_image *i) {
        if (!i)
                return NULL;
        hb_spill_free(i->spill); /* its mover has our memory */
        for (unsigned r = 0; r < HB_MAX_REGIONS; r++) {
                if (i->region[r].base)
                        munmap(i->region[r].base, i->region[r].bytes);
                if (i->region[r].fd >= 0)
                        close(i->region[r].fd);
                free(i->region[r].path);
        }
        if (i->head)
                munmap(i->head, i->state_bytes);
        if (i->state_fd >= 0)
                close(i->state_fd);
        free(i->state_path);
        free(i->dir);
        free(i);
        return NULL;
}

int hb_image_remove(hb_image *i) {
        int want = (int)i->state.shape.nregions + 1, removed;

        hb_image_state_set_phase(i->head, HB_IMAGE_GOING);
        hb_spill_free(i->spill);
        i->spill = NULL;
        removed = hb_image_unlink_all(i->dir, &i->state, i->state_path);
        hb_image_free(i);
        return removed == want ? 0 : -ENOENT;
}

int hb_image_release(hb_image *i) {
        int rc;

        hb_spill_free(i->spill);
        i->spill = NULL;
        hb_spill_file_remove(i->dir, i->state.id.guest);
        rc = hb_fault("image.release") || unlink(i->state_path) < 0 ? -EIO : 0;
        hb_image_free(i);
        return rc;
}

const struct hb_shape *hb_image_shape(const hb_image *i) {
        return &i->state.shape;
}

const struct hb_image_id *hb_image_id(const hb_image *i) {
        return &i->state.id;
}

const char *hb_image_region_path(const hb_image *i, unsigned region) {
        return region < i->state.shape.nregions ? i->region[region].path : NULL;
}

uint8_t *hb_image_at(hb_image *i, uint64_t gfn) {
        int r = hb_shape_region_of(&i->state.shape, gfn);

        return r < 0 ? NULL
                     : i->region[r].base + ((gfn - i->state.shape.regions[r].first_gfn) << HB_PAGE_SHIFT);
}

struct hb_image_page *hb_image_pages(hb_image *i) {
        return i->pages;
}

uint32_t hb_image_processed(const hb_image *i) {
        return __atomic_load_n(hb_image_state_processed(i->head), __ATOMIC_RELAXED);
}

void hb_image_set_processed(hb_image *i, uint32_t epoch) {
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        __atomic_store_n(hb_image_state_processed(i->head), epoch, __ATOMIC_RELEASE);
}

uint32_t *hb_image_processed_word(hb_image *i) {
        return hb_image_state_processed(i->head);
}

/* ---- bytes ---- */

/* The part of [gfn, gfn + *pages) that lies in gfn's region; sets its region and offset. */
static int part_of(const hb_image *i, uint64_t gfn, uint64_t *pages, const struct hb_image_region **ret,
                   uint64_t *ret_offset) {
        int r = hb_shape_region_of(&i->state.shape, gfn);
        const struct hb_region *s;

        if (r < 0)
                return -EINVAL;
        s = &i->state.shape.regions[r];
        if (*pages > s->first_gfn + s->pages - gfn)
                *pages = s->first_gfn + s->pages - gfn;
        *ret = &i->region[r];
        *ret_offset = (gfn - s->first_gfn) << HB_PAGE_SHIFT;
        return 0;
}

int hb_image_file_of(const hb_image *i, uint64_t gfn, uint64_t *ret_offset) {
        const struct hb_image_region *g;
        uint64_t one = 1;
        int rc = part_of(i, gfn, &one, &g, ret_offset);

        return rc < 0 ? rc : g->fd;
}

void hb_image_punch(hb_image *i, uint64_t gfn, uint64_t pages) {
        const struct hb_image_region *g;
        uint64_t offset;

        for (uint64_t n; pages > 0; gfn += n, pages -= n) {
                n = pages;
                if (part_of(i, gfn, &n, &g, &offset) < 0)
                        return;
                fallocate(g->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                          (off_t)(n << HB_PAGE_SHIFT));
        }
}

int hb_image_zero(hb_image *i, uint64_t gfn, uint64_t pages) {
        if (i->spill && hb_spill_overwrite(i->spill, gfn, pages) < 0)
                return -EAGAIN;
        while (pages > 0) {
                const struct hb_image_region *g;
                uint64_t n = pages, offset;
                int rc = hb_fault("image.zero") ? -EIO : part_of(i, gfn, &n, &g, &offset);

                if (rc < 0)
                        return rc;
                /* A part of a huge page cannot become a hole, but zeros do as well. */
                if (i->huge || fallocate(g->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                                         (off_t)(n << HB_PAGE_SHIFT)) < 0)
                        memset(g->base + offset, 0, n << HB_PAGE_SHIFT);
                gfn += n;
                pages -= n;
        }
        return 0;
}

int hb_image_reserve(hb_image *i, uint64_t bytes, struct hb_err *e) {
        if (hb_fault("image.reserve"))
                return hb_err_set(e, -ENOSPC, i->dir, NULL, "no room for the image");
        return i->huge ? 0 : hb_image_check_room(i->dir, bytes, MARGIN_BYTES, e);
}

int hb_image_reserve_run(hb_image *i, uint64_t gfn, uint64_t pages, struct hb_err *e) {
        const struct hb_image_region *g;
        uint64_t offset;
        int rc = hb_fault("image.reserve_run") ? -ENOSPC : part_of(i, gfn, &pages, &g, &offset);

        if (rc == 0 && i->spill && hb_spill_overwrite(i->spill, gfn, pages) < 0)
                return hb_err_set(e, -EAGAIN, i->dir, NULL, "a page is on its way to or from the spill file");
        if (rc == 0 && i->huge) /* the mapping reserved them all */
                return 0;
        while (rc == 0 &&
               fallocate(g->fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)(pages << HB_PAGE_SHIFT)) < 0)
                if (errno != EINTR)
                        rc = -errno;
        if (rc == 0 || rc == -EOPNOTSUPP)
                return 0;
        return hb_err_set(e, rc == -ENOMEM ? -ENOSPC : rc, i->dir,
                          "free memory there, or enlarge it (mount -o remount,size=...)",
                          "no room for %llu more KiB of the image",
                          (unsigned long long)(pages << HB_PAGE_SHIFT) >> 10);
}

/* Of one region; at: the bit of its first page. */
static void held_part(const struct hb_image_region *g, uint64_t offset, uint64_t pages, uint64_t at,
                      struct hb_bitmap *ret) {
        off_t end = (off_t)(offset + (pages << HB_PAGE_SHIFT)), from = (off_t)offset;

        while (from < end) {
                off_t data = lseek(g->fd, from, SEEK_DATA), hole;

                if (data < 0 && errno == ENXIO)
                        return;
                if (data < 0) /* cannot tell: all may be memory */
                        data = from;
                hole = lseek(g->fd, data, SEEK_HOLE);
                if (hole <= data || hole > end)
                        hole = end;
                if (data < end) {
                        uint64_t first = ((uint64_t)data - offset) >> HB_PAGE_SHIFT;
                        uint64_t last = ((uint64_t)hole - offset + HB_PAGE_SIZE - 1) >> HB_PAGE_SHIFT;

                        hb_bitmap_set_range(ret, at + first, last - first);
                }
                from = hole;
        }
}

void hb_image_held(const hb_image *i, uint64_t gfn, uint64_t pages, struct hb_bitmap *ret) {
        for (uint64_t at = 0; at < pages;) {
                const struct hb_image_region *g;
                uint64_t n = pages - at, offset;

                if (part_of(i, gfn + at, &n, &g, &offset) < 0)
                        return;
                held_part(g, offset, n, at, ret);
                at += n;
        }
        for (uint64_t k = 0; hb_image_spilled(i) && k < pages; k++)
                if (i->pages[gfn + k].flags & HB_IP_SPILLED)
                        hb_bitmap_clear(ret, k);
}

int hb_image_read(hb_image *i, uint64_t gfn, uint8_t out[HB_PAGE_SIZE]) {
        const struct hb_image_page *p;

        if (gfn >= i->state.shape.pages)
                return -EINVAL;
        p = &i->pages[gfn];
        if (p->flags & HB_IP_FETCHING)
                return -EINPROGRESS;
        switch (hb_coherency_judge(p->c)) {
        case HB_PAGE_FRESH:
                if (p->flags & HB_IP_SPILLED)
                        return i->spill ? hb_spill_read(i->spill, gfn, out) : -ENODATA;
                memcpy(out, hb_image_at(i, gfn), HB_PAGE_SIZE);
                return 0;
        case HB_PAGE_STALE:
                return -ESTALE;
        default:
                return -ENODATA;
        }
}

/* ---- what others left ---- */

static bool kept(const struct hb_image_id *id, const struct hb_image_id *keep, unsigned n) {
        for (unsigned k = 0; k < n; k++)
                if (memcmp(id->placement, keep[k].placement, sizeof(id->placement)) == 0)
                        return true;
        return false;
}

static int sweep_one(const char *path, const char *dir, const struct hb_image_id *keep, unsigned n) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct hb_image_state s;
        struct stat st;
        void *head = MAP_FAILED;
        int removed = 0;

        /* Mapped in whole (huge) pages, not read: it may be on hugetlbfs. One that is locked has an owner. */
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
            st.st_size >= (off_t)HB_IMAGE_HEAD && st.st_blksize >= (blksize_t)HB_IMAGE_HEAD)
                head = mmap(NULL, (size_t)st.st_blksize, PROT_READ, MAP_SHARED, fd, 0);
        if (head != MAP_FAILED) {
                if (hb_image_state_decode(head, HB_IMAGE_HEAD, &s) == 0 && !kept(&s.id, keep, n))
                        removed = hb_image_unlink_all(dir, &s, path);
                munmap(head, (size_t)st.st_blksize);
        }
        if (fd >= 0)
                close(fd);
        return removed;
}

int hb_image_sweep(const char *dir, const struct hb_image_id *keep, unsigned n, struct hb_err *e) {
        DIR *d = opendir(dir);
        struct dirent *entry;
        int removed = 0;

        if (!d)
                return hb_err_set(e, -errno, dir, "create it, on tmpfs",
                                  "cannot read the image directory: %s", strerror(errno));
        while ((entry = readdir(d))) {
                size_t len = strlen(entry->d_name);
                char *path = NULL;

                if (len <= 6 || strcmp(entry->d_name + len - 6, ".state") != 0)
                        continue;
                if (asprintf(&path, "%s/%s", dir, entry->d_name) < 0)
                        break;
                removed += sweep_one(path, dir, keep, n);
                free(path);
        }
        closedir(d);
        return removed;
}
