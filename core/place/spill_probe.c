/* spill_probe: what a directory is good for as spill_dir, found by trying. */
#include "place/image_spill.h"
#include "place/spill_io.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define XFS_MAGIC 0x58465342ul
#define ZFS_MAGIC 0x2fc12fc1ul

static const char *filesystem(unsigned long magic) {
        switch (magic) {
        case EXT4_SUPER_MAGIC:
                return "ext4";
        case XFS_MAGIC:
                return "xfs";
        case BTRFS_SUPER_MAGIC:
                return "btrfs";
        case ZFS_MAGIC:
                return "zfs";
        case F2FS_SUPER_MAGIC:
                return "f2fs";
        case NFS_SUPER_MAGIC:
                return "nfs";
        case OVERLAYFS_SUPER_MAGIC:
                return "overlay";
        case TMPFS_MAGIC:
                return "tmpfs";
        case RAMFS_MAGIC:
                return "ramfs";
        default:
                return NULL;
        }
}

static bool takes_direct(int fd) {
        static _Alignas(HB_PAGE_SIZE) const uint8_t page[HB_PAGE_SIZE];
        int flags = fcntl(fd, F_GETFL);

        return flags >= 0 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0 &&
               pwrite(fd, page, sizeof(page), 0) == (ssize_t)sizeof(page);
}

int hb_image_spill_probe(const char *dir, struct hb_image_spill_probe *ret) {
        struct hb_image_spill_probe p = {.uring = hb_spill_uring_probe()};
        struct statvfs v;
        struct statfs f;
        const char *name;
        int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        if (fd < 0)
                return -errno;
        if (fstatfs(fd, &f) < 0 || fstatvfs(fd, &v) < 0) {
                close(fd);
                return -EIO;
        }
        name = filesystem((unsigned long)f.f_type);
        if (name)
                snprintf(p.filesystem, sizeof(p.filesystem), "%s", name);
        else
                snprintf(p.filesystem, sizeof(p.filesystem), "filesystem %#lx", (unsigned long)f.f_type);
        p.memory = name && (strcmp(name, "tmpfs") == 0 || strcmp(name, "ramfs") == 0);
        p.direct = takes_direct(fd);
        p.free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
        close(fd);
        *ret = p;
        return 0;
}
