/* file_put: see the header. Invariant: the name is the old file's until all bytes of the new one are on the
 * disk. Cost: one fsync. */
#include "base/file_put.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *data, size_t size, const char *fault) {
        for (size_t at = 0; at < size;) {
                ssize_t n = hb_fault(fault) ? (errno = ENOSPC, -1) : write(fd, data + at, size - at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                at += (size_t)n;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

int hb_file_put(const char *path, const void *data, size_t size, mode_t mode, const char *fault) {
        char beside[4096];
        int fd, r;

        if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside))
                return -ENAMETOOLONG;
        fd = mkostemp(beside, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = write_all(fd, data, size, fault);
        if (r == 0 && fchmod(fd, mode) < 0)
                r = -errno;
        if (close(fd) < 0 && r == 0)
                r = -errno;
        if (r == 0 && (hb_fault("file.rename") ? (errno = EIO, -1) : rename(beside, path)) < 0)
                r = -errno;
        if (r < 0)
                unlink(beside);
        return r;
}
