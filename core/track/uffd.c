/* uffd: a userfaultfd belongs to the process that made it, so the target makes it (inject.h); pidfd_getfd
 * gives us a copy. The target keeps its own copy open: registration and written bits live as long as any copy
 * does, so a killed tracker loses nothing, and a successor finds the number in the state file, or by its
 * features in /proc/PID/fdinfo. */
#include "track/uffd.h"
#include "base/clock.h"
#include "base/fault.h"
#include "track/pmscan.h"
#include "track/procmaps.h"
#include "track/ptrace_thread.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INITIALIZED (1ull << 31) /* the kernel's own bit among the features in fdinfo */

/* Features agreed on by the target's descriptor `number`. -ENOENT: not a userfaultfd. */
static int features_of(pid_t pid, int number, uint64_t *ret) {
        char path[64], text[1024];
        const char *api;
        ssize_t n;

        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, number);
        n = readlink(path, text, sizeof text - 1);
        if (n < 0)
                return -errno;
        text[n] = 0;
        if (strcmp(text, "anon_inode:[userfaultfd]") != 0)
                return -ENOENT;
        snprintf(path, sizeof path, "fdinfo/%d", number);
        n = hb_proc_read(pid, path, text, sizeof text);
        if (n < 0)
                return (int)n;
        api = strstr(text, "API:"); /* "API:\taa:<features>:<ioctls>" */
        api = api ? strchr(api + 4, ':') : NULL;
        if (!api)
                return -ENOENT;
        *ret = strtoull(api + 1, NULL, 16);
        return 0;
}

static int has_features(pid_t pid, int number, uint64_t features) {
        uint64_t has;
        int r = features_of(pid, number, &has);

        return r < 0 ? r : has == features ? 0 : -ENOENT;
}

int hb_uffd_is_ours(pid_t pid, int number) {
        return has_features(pid, number, HB_UFFD_FEATURES | INITIALIZED);
}

static int find(pid_t pid, uint64_t features) {
        char path[64];
        struct dirent *d;
        int found = -ENOENT;
        DIR *dir;

        snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
        dir = opendir(path);
        if (!dir)
                return -errno;
        while (found < 0 && (d = readdir(dir)))
                if (d->d_name[0] != '.' && has_features(pid, atoi(d->d_name), features) == 0)
                        found = atoi(d->d_name);
        closedir(dir);
        return found;
}

int hb_uffd_find(pid_t pid) {
        return find(pid, HB_UFFD_FEATURES | INITIALIZED);
}

/* One that was made and never used: a process that makes its own agrees on features at once, so one that
 * stays like this was left by a tracker that was interrupted just then. */
static int find_unused(pid_t pid) {
        int number = find(pid, 0);

        if (number < 0)
                return number;
        hb_sleep_ns(5 * HB_NS_PER_MS);
        return has_features(pid, number, 0) == 0 ? number : -ENOENT;
}

int hb_uffd_fetch(const hb_target *t, int number, struct hb_err *e) {
        int fd = hb_fault("track.getfd") ? (errno = EPERM, -1)
                                         : (int)syscall(SYS_pidfd_getfd, t->pidfd, number, 0);

        if (fd >= 0)
                return fd;
        if (errno == EPERM)
                return hb_ptrace_refused(t->pid, e);
        return hb_err_set(e, -errno, NULL, "check that the guest is running",
                          "cannot fetch the userfaultfd of process %d: %s", (int)t->pid, strerror(errno));
}

static void close_remote(hb_inject *i, int number) {
        struct hb_inject_call c = {.nr = SYS_close, .arg = {(uint64_t)number}};

        (void)hb_inject_run(i, &c, 1, NULL, NULL);
}

static int no_userfaultfd(long result, struct hb_err *e) {
        if (result == -EPERM || result == -EACCES)
                return hb_err_set(e, -EPERM, "userfaultfd",
                                  "allow it for the guest's user, or set vm.unprivileged_userfaultfd=1",
                                  "the guest's process may not make a userfaultfd");
        return hb_err_set(e, result == -ENOSYS ? -EOPNOTSUPP : (int)result, "userfaultfd",
                          "use another tracker: softdirty or hash",
                          "the guest's process cannot make a userfaultfd: %s", hb_errno_name((int)result));
}

/* Number of a fresh userfaultfd in the target. */
static int make_remote(const hb_target *t, hb_inject *i, struct hb_err *e) {
        struct hb_inject_call c = {.nr = SYS_userfaultfd,
                                   .arg = {O_CLOEXEC | O_NONBLOCK | HB_UFFD_USER_MODE_ONLY}};
        int number = find_unused(t->pid), r;

        if (number >= 0)
                return number;
        r = hb_inject_run(i, &c, 1, NULL, e);
        if (r == 0)
                return c.result < 0 ? no_userfaultfd(c.result, e) : (int)c.result;
        /* The call may be made although we did not see its end, and a little later at that. */
        for (int k = 0; k < 10 && number < 0; k++) {
                hb_sleep_ns(2 * HB_NS_PER_MS);
                number = find_unused(t->pid);
        }
        if (number >= 0)
                close_remote(i, number);
        return r;
}

int hb_uffd_create(const hb_target *t, hb_inject *i, int *ret_number, int *ret_fd, struct hb_err *e) {
        struct uffdio_api api = {.api = UFFD_API, .features = HB_UFFD_FEATURES};
        int fd, number = make_remote(t, i, e);

        if (number < 0)
                return number;
        fd = hb_uffd_fetch(t, number, e);
        if (fd < 0) {
                close_remote(i, number);
                return fd;
        }
        if (hb_fault("track.uffd_api") || ioctl(fd, UFFDIO_API, &api) < 0) {
                close(fd);
                close_remote(i, number);
                return hb_err_set(e, -EOPNOTSUPP, "userfaultfd", "use another tracker: softdirty or hash",
                                  "this kernel has no asynchronous write-protection (Linux 6.7 does)");
        }
        *ret_number = number;
        *ret_fd = fd;
        return 0;
}

int hb_uffd_register(const hb_target *t, int fd, struct hb_err *e) {
        for (uint32_t i = 0; i < t->shape.nregions; i++) {
                const struct hb_target_region *r = &t->regions[i];
                struct uffdio_register reg = {.range = {r->remote_addr, r->bytes},
                                              .mode = UFFDIO_REGISTER_MODE_WP};

                if (!hb_fault("track.register") && ioctl(fd, UFFDIO_REGISTER, &reg) == 0)
                        continue;
                if (errno == EBUSY)
                        return hb_err_set(
                                e, -EBUSY, r->name,
                                "wait for the guest's own migration to end, or detach the other tool",
                                "another userfaultfd has this region");
                if (errno == ESRCH || errno == ENOMEM)
                        return hb_err_set(e, -errno, r->name, "check that the guest is running",
                                          "cannot register this region");
                return hb_err_set(e, -EOPNOTSUPP, r->name,
                                  "use a memfd, a file on tmpfs or hugetlbfs, or the hash tracker",
                                  "this kernel cannot write-protect this region's memory");
        }
        return 0;
}

int hb_uffd_unregister(const hb_target *t, int fd) {
        int r = 0;

        for (uint32_t i = 0; i < t->shape.nregions; i++) {
                struct uffdio_range range = {t->regions[i].remote_addr, t->regions[i].bytes};

                if (ioctl(fd, UFFDIO_UNREGISTER, &range) < 0)
                        r = -errno;
        }
        return r;
}

void hb_uffd_unprotect(int fd, uint64_t addr, uint64_t bytes) {
        struct uffdio_writeprotect wp = {.range = {addr, bytes}, .mode = 0};

        (void)ioctl(fd, UFFDIO_WRITEPROTECT, &wp);
}
