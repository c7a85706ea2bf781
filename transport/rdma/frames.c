/* frames: one pread a call. A page whose entry is not present has frame 0: whoever compares takes it for
 * changed, which is the safe side. */
#include "rdma/frames.h"
#include "base/fault.h"
#include "base/shape.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PRESENT (1ull << 63)
#define FRAME   ((1ull << 55) - 1)

int hb_frames_read(int fd, const void *at, uint64_t pages, uint64_t *ret) {
        off_t from = (off_t)((uintptr_t)at / HB_PAGE_SIZE * 8);
        size_t want = pages * 8, got = 0;

        if (hb_fault("rdma.frames"))
                return -EIO;
        while (got < want) {
                ssize_t n = pread(fd, (char *)ret + got, want - got, from + (off_t)got);

                if (n <= 0)
                        return -EIO;
                got += (size_t)n;
        }
        for (uint64_t i = 0; i < pages; i++)
                ret[i] = ret[i] & PRESENT ? ret[i] & FRAME : 0;
        return 0;
}

int hb_frames_open(void) {
        volatile uint64_t here = 1; /* a page that is certainly mapped */
        int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        uint64_t frame = 0;

        if (fd < 0)
                return -errno;
        here++;
        if (hb_frames_read(fd, (const void *)&here, 1, &frame) < 0 || frame == 0) {
                close(fd);
                return -EPERM;
        }
        return fd;
}

bool hb_frames_readable(void) {
        int fd = hb_frames_open();

        if (fd >= 0)
                close(fd);
        return fd >= 0;
}
