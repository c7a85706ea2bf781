/* target_file: opens the file behind a mapping of another process.
 *
 * Two ways, because each fails where the other works: /proc/PID/map_files needs CAP_CHECKPOINT_RESTORE but
 * finds files the process has closed; /proc/PID/fd needs only ptrace access. Whatever was opened is compared
 * by device and inode with the mapping, so a race with the process cannot hand us another file. */
#include "track/target_file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

static bool same_file(int fd, const struct hb_vma *v) {
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == v->ino;
}

static int open_checked(const char *path, const struct hb_vma *v) {
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0)
                return -errno;
        if (same_file(fd, v))
                return fd;
        close(fd);
        return -ENOENT;
}

/* A descriptor of the process that shows the inode; opened only when its stat already matches, since opening
 * anything else (a device, a pipe) could have effects. */
static int open_by_fd(pid_t pid, const struct hb_vma *v) {
        char path[300];
        struct dirent *d;
        int r = -ENOENT;
        DIR *dir;

        snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
        dir = opendir(path);
        if (!dir)
                return -errno;
        while (r < 0 && (d = readdir(dir))) {
                struct stat st;

                if (d->d_name[0] == '.' || fstatat(dirfd(dir), d->d_name, &st, 0) < 0)
                        continue;
                if (!S_ISREG(st.st_mode) || st.st_ino != v->ino)
                        continue;
                snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)pid, d->d_name);
                r = open_checked(path, v);
        }
        closedir(dir);
        return r;
}

int hb_target_open_file(pid_t pid, const struct hb_vma *v, int *ret_fd, struct hb_err *e) {
        char path[96];
        int first, r;

        snprintf(path, sizeof path, "/proc/%d/map_files/%lx-%lx", (int)pid, (unsigned long)v->start,
                 (unsigned long)v->end);
        first = r = open_checked(path, v);
        if (r < 0)
                r = open_by_fd(pid, v);
        if (r >= 0) {
                *ret_fd = r;
                return 0;
        }
        if (first == -EACCES || first == -EPERM || r == -EACCES || r == -EPERM)
                return hb_err_set(e, -EPERM, v->path,
                                  "run harbingerd as root, or as the guest's user with CAP_SYS_PTRACE",
                                  "may not open the memory file of process %d for writing", (int)pid);
        return hb_err_set(e, -ENOENT, v->path, "give the guest a memory-backend-memfd or -file with share=on",
                          "the memory file of process %d cannot be opened: %s", (int)pid, strerror(-r));
}

int hb_target_backing(int fd, const char *path, enum hb_backing *ret, uint32_t *ret_page) {
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return -errno;
        *ret_page = HB_PAGE_SIZE;
        if (fs.f_type == HUGETLBFS_MAGIC) {
                *ret = HB_BACKING_HUGETLB;
                *ret_page = (uint32_t)fs.f_bsize;
        } else if (strncmp(path, "/memfd:", 7) == 0 || strncmp(path, "/dev/zero", 9) == 0)
                *ret = HB_BACKING_MEMFD;
        else
                *ret = HB_BACKING_FILE;
        return 0;
}

bool hb_target_is_shmem(int fd) {
        struct statfs fs;

        return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}
