/* memory: anonymous, a memfd or a file, mapped for good. */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1ul << 20)

static int size_file(int fd, size_t bytes, bool keep, size_t *ret_bytes) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (keep && st.st_size > 0) {
                *ret_bytes = (size_t)st.st_size;
                return st.st_size % (off_t)MIB ? -EINVAL : 0;
        }
        *ret_bytes = bytes;
        return ftruncate(fd, (off_t)bytes) < 0 ? -errno : 0;
}

/* Takes fd. */
static int map_shared(int fd, size_t bytes, bool keep, struct memory *m) {
        int r = fd < 0 ? -errno : size_file(fd, bytes, keep, &m->bytes);

        if (r == 0) {
                m->addr = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
                m->shared = true;
                r = m->addr == MAP_FAILED ? -errno : 0;
        }
        if (fd >= 0)
                close(fd);
        return r;
}

static int map_anonymous(size_t bytes, struct memory *m) {
        m->bytes = bytes;
        m->addr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return m->addr == MAP_FAILED ? -errno : 0;
}

int memory_open(const char *kind, size_t bytes, bool keep, struct memory *ret) {
        struct memory m = {0};
        int r;

        if (!strcmp(kind, "anonymous")) {
                r = map_anonymous(bytes, &m);
        } else if (!strcmp(kind, "memfd")) {
                r = map_shared(memfd_create("guest_load", MFD_CLOEXEC), bytes, false, &m);
        } else {
                r = map_shared(open(kind, O_RDWR | O_CREAT | O_CLOEXEC, 0600), bytes, keep, &m);
                if (r == 0 && !realpath(kind, m.path))
                        r = -errno;
        }
        if (r == 0)
                *ret = m;
        return r;
}
