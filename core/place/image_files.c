/* image_files: makes, finds and removes the files of an image.
 *
 * The danger here is not losing an image, which can be fetched again, but touching a file that a running
 * guest lives in: after a hand-over the region files stay, without a state file. So: files are only ever
 * created where none is, a region file is removed only if a state file names its inode (or it is an empty
 * one, made and not yet named), and the state file is made first and removed last. One process at a time: the
 * state file is locked. */
#include "base/fault.h"
#include "place/image_priv.h"
#include "place/spill_file.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

char *hb_image_region_name(const char *dir, const struct hb_image_state *s, uint32_t region) {
        char *path = NULL;

        if (asprintf(&path, "%s/%s.%s.img", dir, s->id.guest, s->shape.regions[region].name) < 0)
                return NULL;
        return path;
}

int hb_image_check_dir(hb_image *i, const char *dir, const struct hb_shape *shape, struct hb_err *e) {
        struct statfs f;

        if (statfs(dir, &f) < 0)
                return hb_err_set(e, -errno, dir, "create it, on tmpfs", "cannot use the image directory: %s",
                                  strerror(errno));
        i->huge = (unsigned long)f.f_type == HUGETLBFS_MAGIC;
        if (!i->huge && (unsigned long)f.f_type != TMPFS_MAGIC)
                return hb_err_set(e, -EOPNOTSUPP, dir, "use a directory on tmpfs, for example below /dev/shm",
                                  "the image directory is neither on tmpfs nor on hugetlbfs");
        i->file_page = i->huge ? (uint64_t)f.f_bsize : HB_PAGE_SIZE;
        for (uint32_t r = 0; r < shape->nregions; r++)
                if (shape->regions[r].backing_page != i->file_page)
                        return hb_err_set(
                                e, -EINVAL, shape->regions[r].name,
                                "give the placement a directory on a hugetlbfs mounted with that page size, "
                                "or on tmpfs "
                                "for ordinary pages",
                                "the guest's region has pages of %u bytes, the image directory %s of %llu",
                                shape->regions[r].backing_page, dir, (unsigned long long)i->file_page);
        return 0;
}

int hb_image_check_room(const char *dir, uint64_t need, uint64_t margin, struct hb_err *e) {
        struct statvfs v;
        uint64_t room;

        if (hb_fault("image.room"))
                return hb_err_set(e, -ENOSPC, dir, NULL, "no room for the image");
        if (statvfs(dir, &v) < 0)
                return hb_err_set(e, -errno, dir, NULL, "cannot ask for free space: %s", strerror(errno));
        room = (uint64_t)v.f_bavail * v.f_frsize;
        if (v.f_blocks == 0 || room >= need + margin) /* no blocks: a filesystem without a limit */
                return 0;
        return hb_err_set(e, -ENOSPC, dir, "free memory there, or enlarge it (mount -o remount,size=...)",
                          "no room for the image: %llu MiB needed, %llu MiB free",
                          (unsigned long long)((need + margin) >> 20), (unsigned long long)(room >> 20));
}

uint64_t hb_image_allocated(const hb_image *i) {
        uint64_t bytes = 0;
        struct stat st;

        for (uint32_t r = 0; r < i->state.shape.nregions; r++)
                if (i->region[r].fd >= 0 && fstat(i->region[r].fd, &st) == 0)
                        bytes += (uint64_t)st.st_blocks * 512;
        return bytes;
}

static int lock_state(hb_image *i, struct hb_err *e) {
        struct stat mine, there;

        if (flock(i->state_fd, LOCK_EX | LOCK_NB) < 0)
                return hb_err_set(e, -EBUSY, i->state_path, "is another daemon running on this directory?",
                                  "the image is in use");
        /* Whoever had the lock before us may have removed the file: then we hold nothing. */
        if (fstat(i->state_fd, &mine) < 0 || stat(i->state_path, &there) < 0 || mine.st_ino != there.st_ino)
                return hb_err_set(e, -EBUSY, i->state_path, "try again", "the image was just removed");
        return 0;
}

int hb_image_map_state(hb_image *i, struct hb_err *e) {
        void *p = hb_fault("image.map_state")
                          ? MAP_FAILED
                          : mmap(NULL, i->state_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, i->state_fd, 0);

        if (p == MAP_FAILED)
                return hb_err_set(e, -ENOMEM, i->state_path, "free memory",
                                  "cannot map the image's state: %s", strerror(errno));
        i->head = p;
        i->pages = (struct hb_image_page *)(i->head + HB_IMAGE_HEAD);
        return 0;
}

static int save_head(hb_image *i, struct hb_err *e) {
        uint8_t head[HB_IMAGE_HEAD];
        int rc = hb_fault("image.head") ? -ENOMEM : hb_image_state_encode(&i->state, head);

        if (rc < 0)
                return hb_err_set(e, rc, i->state_path, NULL, "no memory for the image's state");
        memcpy(i->head, head, sizeof(head));
        return 0;
}

static int create_state(hb_image *i, struct hb_err *e) {
        int rc;

        i->state_fd = hb_fault("image.create")
                              ? -1
                              : open(i->state_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (i->state_fd < 0)
                return hb_err_set(e, errno ? -errno : -EIO, i->state_path, "check the directory's rights",
                                  "cannot create the image's state file");
        rc = lock_state(i, e);
        if (rc < 0)
                return rc;
        /* Room for every record now: a store into a full tmpfs would be SIGBUS. */
        if (ftruncate(i->state_fd, (off_t)i->state_bytes) < 0 ||
            (!i->huge && fallocate(i->state_fd, 0, 0, (off_t)i->state_bytes) < 0))
                return hb_err_set(e, -errno, i->state_path, "free memory there",
                                  "cannot size the image's state file: %s", strerror(errno));
        return hb_image_map_state(i, e);
}

static int create_region(hb_image *i, uint32_t r, struct hb_err *e) {
        struct hb_image_region *g = &i->region[r];
        struct stat st;
        int rc;

        g->fd = hb_fault("image.create_region") ? -1
                                                : open(g->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (g->fd < 0 && errno == EEXIST)
                return hb_err_set(e, -EEXIST, g->path,
                                  "if no guest runs on it (see `harbinger guest list`), remove it",
                                  "a memory file of that name is there, without an image: it may be a "
                                  "running guest's memory");
        if (g->fd < 0 || fstat(g->fd, &st) < 0)
                return hb_err_set(e, errno ? -errno : -EIO, g->path, "check the directory's rights",
                                  "cannot create the image");
        i->state.file[r] = (struct hb_image_file){st.st_dev, st.st_ino};
        rc = save_head(i, e);
        if (rc < 0)
                return rc;
        if (ftruncate(g->fd, (off_t)g->bytes) < 0)
                return hb_err_set(e, -errno, g->path, NULL, "cannot size the image: %s", strerror(errno));
        return 0;
}

int hb_image_create_files(hb_image *i, struct hb_err *e) {
        int rc;

        errno = 0;
        i->state.phase = HB_IMAGE_CREATING;
        i->state.processed = 0;
        memset(i->state.file, 0, sizeof(i->state.file));
        rc = create_state(i, e);
        if (rc == 0)
                rc = save_head(i, e);
        for (uint32_t r = 0; rc == 0 && r < i->state.shape.nregions; r++)
                rc = create_region(i, r, e);
        if (rc == 0) {
                i->state.phase = HB_IMAGE_READY;
                hb_image_state_set_phase(i->head, HB_IMAGE_READY);
        } else if (i->state_fd >= 0) {
                hb_image_unlink_all(i->dir, &i->state, i->state_path);
        }
        return rc;
}

static bool is_file(const char *path, const struct hb_image_file *f, uint64_t bytes) {
        struct stat st;

        return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == f->dev && st.st_ino == f->ino &&
               (uint64_t)st.st_size == bytes;
}

static int unlink_region(const char *path, const struct hb_image_state *s, uint32_t r) {
        struct stat st;

        if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
                return 0;
        if (st.st_dev == s->file[r].dev && st.st_ino == s->file[r].ino)
                return unlink(path) == 0;
        /* Made by us, killed before it was named: nothing can be in it. */
        if (s->phase == HB_IMAGE_CREATING && s->file[r].ino == 0 && st.st_size == 0)
                return unlink(path) == 0;
        return 0;
}

int hb_image_unlink_all(const char *dir, const struct hb_image_state *s, const char *state_path) {
        int removed = 0;

        hb_spill_file_remove(dir, s->id.guest); /* not counted: few images have one */
        for (uint32_t r = 0; r < s->shape.nregions; r++) {
                char *path = hb_image_region_name(dir, s, r);

                if (path)
                        removed += unlink_region(path, s, r);
                free(path);
        }
        return removed + (unlink(state_path) == 0);
}

/* ---- coming back ---- */

static int refuse(const hb_image *i, const char *why, struct hb_err *e) {
        return hb_err_set(e, -EEXIST, i->state_path,
                          "give that placement up first (harbinger unplace), or remove its files", "%s", why);
}

static int read_state(hb_image *i, struct hb_image_state *ret, struct hb_err *e) {
        struct stat st;
        int rc;

        if (fstat(i->state_fd, &st) < 0)
                return hb_err_set(e, -errno, i->state_path, NULL, "cannot look at the image's state: %s",
                                  strerror(errno));
        if (st.st_size == 0)
                return -ENODATA;
        if ((uint64_t)st.st_size != i->state_bytes)
                return refuse(i, "there is an image of another shape, or no image at all", e);
        rc = hb_image_map_state(i, e);
        if (rc < 0)
                return rc;
        rc = hb_image_state_decode(i->head, HB_IMAGE_HEAD, ret);
        if (rc == -EBADMSG)
                return refuse(i, "the state file of an image is damaged or not ours", e);
        return rc;
}

static bool whole(const hb_image *i, const struct hb_image_state *s) {
        if (s->phase != HB_IMAGE_READY)
                return false;
        for (uint32_t r = 0; r < s->shape.nregions; r++)
                if (!is_file(i->region[r].path, &s->file[r], i->region[r].bytes))
                        return false;
        return true;
}

static int open_regions(hb_image *i, struct hb_err *e) {
        for (uint32_t r = 0; r < i->state.shape.nregions; r++) {
                i->region[r].fd = hb_fault("image.open_region")
                                          ? -1
                                          : open(i->region[r].path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
                if (i->region[r].fd < 0)
                        return hb_err_set(e, errno ? -errno : -EIO, i->region[r].path, NULL,
                                          "cannot open the image");
        }
        return 0;
}

static void drop_state(hb_image *i) {
        if (i->head)
                munmap(i->head, i->state_bytes);
        close(i->state_fd);
        i->head = NULL;
        i->pages = NULL;
        i->state_fd = -1;
}

static int judge_found(hb_image *i, struct hb_err *e) {
        struct hb_image_state found;
        int rc = read_state(i, &found, e);

        if (rc == -ENODATA) { /* killed before it made anything */
                unlink(i->state_path);
                drop_state(i);
                return -ENOENT;
        }
        if (rc < 0)
                return rc;
        if (memcmp(found.id.placement, i->state.id.placement, sizeof(found.id.placement)) != 0 ||
            strcmp(found.id.source, i->state.id.source) != 0)
                return refuse(i, "there is an image of another placement of this guest", e);
        if (!hb_shape_equal(&found.shape, &i->state.shape))
                return refuse(i, "there is an image of this placement with another shape", e);
        if (!whole(i, &found)) {
                hb_image_unlink_all(i->dir, &found, i->state_path);
                drop_state(i);
                return -ENOENT;
        }
        i->state = found;
        return open_regions(i, e);
}

int hb_image_attach_files(hb_image *i, struct hb_err *e) {
        int rc;

        errno = 0;
        i->state_fd = hb_fault("image.attach") ? -1 : open(i->state_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (i->state_fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (i->state_fd < 0)
                return hb_err_set(e, errno ? -errno : -EIO, i->state_path, "check the directory's rights",
                                  "cannot open the image's state");
        rc = lock_state(i, e);
        return rc < 0 ? rc : judge_found(i, e);
}
