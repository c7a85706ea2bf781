/* child: posix_spawn, one pipe, one deadline. The child never outlives the call. */
#include "cli/child.h"
#include "base/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int start(char *const *argv, int out, pid_t *ret) {
        posix_spawn_file_actions_t files;
        posix_spawnattr_t attr;
        sigset_t none;
        int r;

        sigemptyset(&none);
        posix_spawn_file_actions_init(&files);
        posix_spawnattr_init(&attr);
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
        posix_spawnattr_setsigmask(&attr, &none);
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
        r = posix_spawnp(ret, argv[0], &files, &attr, argv, environ);
        posix_spawnattr_destroy(&attr);
        posix_spawn_file_actions_destroy(&files);
        return r ? -ENOENT : 0;
}

/* Reads until the end of file; what does not fit is thrown away. -ETIMEDOUT. */
static int drain(int fd, int timeout_ms, char *buf, size_t size) {
        uint64_t end = hb_now_ns() + (uint64_t)timeout_ms * HB_NS_PER_MS, now;
        size_t len = 0;
        char spill[4096] = "";
        int r = 0;

        while (r == 0) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                bool full = len + 1 >= size;
                ssize_t n;

                now = hb_now_ns();
                if (now >= end || poll(&p, 1, (int)((end - now) / HB_NS_PER_MS) + 1) == 0) {
                        r = -ETIMEDOUT;
                        break;
                }
                n = read(fd, full ? spill : buf + len, full ? sizeof(spill) : size - 1 - len);
                if (n == 0)
                        break;
                if (n < 0 && errno != EINTR)
                        r = -errno;
                len += n > 0 && !full ? (size_t)n : 0;
        }
        buf[len] = '\0';
        return r;
}

int hb_cli_child(char *const *argv, int timeout_ms, char *buf, size_t size) {
        int fds[2], r, status;
        pid_t pid;

        buf[0] = '\0';
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        r = start(argv, fds[1], &pid);
        close(fds[1]);
        if (r == 0) {
                r = drain(fds[0], timeout_ms, buf, size);
                if (r < 0)
                        kill(pid, SIGKILL);
                while (waitpid(pid, &status, 0) < 0)
                        if (errno != EINTR) {
                                status = 0;
                                break;
                        }
                if (r == 0)
                        r = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        close(fds[0]);
        return r;
}
