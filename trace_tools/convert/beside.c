/* beside: see beside.h. A rename that must not replace uses the kernel's own word for it where the file
 * system knows it, else a link, which also fails when the name is taken. */
#include "convert/beside.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 100u

static int taken(const struct hb_beside *b, struct hb_err *e) {
        return hb_err_set(e, -EEXIST, b->path, "--force, or another name", "the output exists already");
}

static int look(const struct hb_beside *b, struct hb_err *e) {
        struct stat st;

        if (lstat(b->path, &st) < 0)
                return errno == ENOENT ? 0
                                       : hb_err_set(e, -errno, b->path, NULL, "cannot write the output: %s",
                                                    strerror(errno));
        if (!S_ISREG(st.st_mode))
                return hb_err_set(e, -EEXIST, b->path, "name another output",
                                  "the output is no regular file");
        return b->replace ? 0 : taken(b, e);
}

int hb_beside_new(struct hb_beside *b, const char *path, bool replace, struct hb_err *e) {
        int fd = -1, r;

        *b = (struct hb_beside){.path = path, .replace = replace};
        r = look(b, e);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < TRIES && fd < 0; i++) {
                if (snprintf(b->temporary, sizeof(b->temporary), "%s.tmp.%d.%u", path, (int)getpid(), i) >=
                    (int)sizeof(b->temporary))
                        return hb_err_set(e, -ENAMETOOLONG, path, NULL, "the output's name is too long");
                fd = hb_fault("export.create")
                             ? (errno = EIO, -1)
                             : open(b->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
                if (fd < 0 && errno != EEXIST)
                        break;
        }
        if (fd < 0)
                return hb_err_set(e, -errno, path, NULL, "cannot create the output: %s", strerror(errno));
        b->made = true;
        return fd;
}

static int rename_into_place(struct hb_beside *b) {
        if (b->replace)
                return rename(b->temporary, b->path);
        if (renameat2(AT_FDCWD, b->temporary, AT_FDCWD, b->path, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -1;
        return link(b->temporary, b->path) < 0 ? -1 : unlink(b->temporary);
}

int hb_beside_commit(struct hb_beside *b, int fd, struct hb_err *e) {
        if (hb_fault("export.sync"))
                errno = EIO;
        else if (fsync(fd) == 0 && rename_into_place(b) == 0) {
                b->made = false;
                return 0;
        }
        if (errno == EEXIST)
                return taken(b, e);
        return hb_err_set(e, -errno, b->path, NULL, "cannot finish the output: %s", strerror(errno));
}

void hb_beside_drop(struct hb_beside *b) {
        if (b->made)
                unlink(b->temporary);
        b->made = false;
}

int hb_beside_scratch(const char *path, struct hb_err *e) {
        const char *slash = strrchr(path, '/');
        char name[PATH_MAX];
        int fd;

        if (strcmp(path, "-") == 0)
                snprintf(name, sizeof(name), "/tmp/harbinger.XXXXXX");
        else if (snprintf(name, sizeof(name), "%.*s.harbinger.XXXXXX", slash ? (int)(slash - path) + 1 : 0,
                          path) >= (int)sizeof(name))
                return hb_err_set(e, -ENAMETOOLONG, path, NULL, "the output's name is too long");
        fd = hb_fault("export.create") ? (errno = EIO, -1) : mkostemp(name, O_CLOEXEC);
        if (fd < 0)
                return hb_err_set(e, -errno, path, NULL,
                                  "cannot create a temporary file beside the output: %s", strerror(errno));
        unlink(name);
        return fd;
}
