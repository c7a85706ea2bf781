/* control_socket: binds the control socket so that there is no moment in which it is open to more people than
 * meant, and so that a socket file left by a killed daemon is replaced while a living daemon's is not.
 *
 * The file is born with mode 0600 (fchmod before bind: a umask would be the whole process's), gets its group,
 * and only then mode 0660. PATH.lock is held while we live, so two daemons that start at once cannot both
 * take the other's file for a stale one. */
#include "serve/control_socket.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

struct hb_control_socket {
        int fd, lock_fd;
        bool bound;
        dev_t dev;
        ino_t ino;
        struct sockaddr_un at;
};

static int in_use(const char *path, struct hb_err *e) {
        return hb_err_set(e, -EADDRINUSE, path,
                          "stop the other one, or give this one its own [host] run_dir or [control] socket",
                          "another harbingerd listens on this control socket");
}

static int take_lock(hb_control_socket *s, struct hb_err *e) {
        char path[sizeof(s->at.sun_path) + 8];

        snprintf(path, sizeof(path), "%s.lock", s->at.sun_path);
        s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (s->lock_fd < 0 || hb_fault("control.lock"))
                return hb_err_set(e, s->lock_fd < 0 ? -errno : -EIO, path,
                                  "does the folder exist, and may harbingerd write there?",
                                  "cannot make the control socket's lock: %s",
                                  strerror(s->lock_fd < 0 ? errno : EIO));
        if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK
                               ? in_use(s->at.sun_path, e)
                               : hb_err_set(e, -errno, path, NULL, "cannot lock: %s", strerror(errno));
        return 0;
}

/* Removes a socket file nobody listens on. */
static int clear_stale(hb_control_socket *s, struct hb_err *e) {
        const char *path = s->at.sun_path;
        struct stat st;
        int fd, r;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0
                                       : hb_err_set(e, -errno, path, NULL,
                                                    "cannot look at the control socket: %s", strerror(errno));
        if (!S_ISSOCK(st.st_mode))
                return hb_err_set(e, -EEXIST, path, "move it away, or set [control] socket to another path",
                                  "the control socket's path is taken by something that is not a socket");
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return hb_err_set(e, -errno, path, NULL, "cannot make a socket: %s", strerror(errno));
        r = connect(fd, (struct sockaddr *)&s->at, sizeof(s->at)) < 0 ? -errno : 0;
        close(fd);
        if (r == 0 || r == -EAGAIN)
                return in_use(path, e);
        if (unlink(path) < 0 && errno != ENOENT)
                return hb_err_set(e, -errno, path, NULL, "cannot remove a stale control socket: %s",
                                  strerror(errno));
        return 0;
}

static int find_group(const char *group, gid_t *ret, struct hb_err *e) {
        struct group space, *found = NULL;
        char buf[16384];

        if (!group[0]) {
                *ret = (gid_t)-1;
                return 0;
        }
        if (getgrnam_r(group, &space, buf, sizeof(buf), &found) != 0 || !found)
                return hb_err_set(e, -ENOENT, group, "groupadd it, or change [control] group",
                                  "no such group");
        *ret = found->gr_gid;
        return 0;
}

static int bind_private(hb_control_socket *s, struct hb_err *e) {
        const char *path = s->at.sun_path;
        struct stat st;
        int r = 0;

        s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (hb_fault("control.bind"))
                r = -EIO;
        else if (s->fd < 0 || fchmod(s->fd, 0600) < 0 ||
                 bind(s->fd, (struct sockaddr *)&s->at, sizeof(s->at)) < 0 || lstat(path, &st) < 0)
                r = -errno;
        if (r < 0)
                return hb_err_set(e, r, path, "does the folder exist, and may harbingerd write there?",
                                  "cannot open the control socket: %s", strerror(-r));
        s->bound = true;
        s->dev = st.st_dev;
        s->ino = st.st_ino;
        return 0;
}

static int admit_group(hb_control_socket *s, gid_t gid, struct hb_err *e) {
        const char *path = s->at.sun_path;

        if ((gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0) || chmod(path, 0660) < 0)
                return hb_err_set(e, -errno, path, "run harbingerd as root, or as a member of that group",
                                  "cannot give the control socket to its group: %s", strerror(errno));
        if (listen(s->fd, BACKLOG) < 0)
                return hb_err_set(e, -errno, path, NULL, "cannot listen on the control socket: %s",
                                  strerror(errno));
        return 0;
}

int hb_control_socket_open(const char *path, const char *group, hb_control_socket **ret, struct hb_err *e) {
        hb_control_socket *s;
        gid_t gid;
        int r;

        if (!path[0] || strlen(path) >= sizeof(s->at.sun_path))
                return hb_err_set(e, -ENAMETOOLONG, path, "a socket's path has 1 to 107 bytes",
                                  "this cannot be a control socket's path");
        s = calloc(1, sizeof(*s));
        if (!s)
                return hb_err_set(e, -ENOMEM, path, NULL, "no memory for the control socket");
        s->fd = s->lock_fd = -1;
        s->at.sun_family = AF_UNIX;
        memcpy(s->at.sun_path, path, strlen(path) + 1);
        r = find_group(group, &gid, e);
        if (r == 0)
                r = take_lock(s, e);
        if (r == 0)
                r = clear_stale(s, e);
        if (r == 0)
                r = bind_private(s, e);
        if (r == 0)
                r = admit_group(s, gid, e);
        if (r < 0) {
                hb_control_socket_close(s);
                return r;
        }
        *ret = s;
        return 0;
}

int hb_control_socket_fd(const hb_control_socket *s) {
        return s->fd;
}

hb_control_socket *hb_control_socket_close(hb_control_socket *s) {
        struct stat st;

        if (!s)
                return NULL;
        if (s->bound && lstat(s->at.sun_path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
                unlink(s->at.sun_path);
        if (s->fd >= 0)
                close(s->fd);
        if (s->lock_fd >= 0)
                close(s->lock_fd); /* the lock file stays: removing it would let two daemons hold two locks */
        free(s);
        return NULL;
}
