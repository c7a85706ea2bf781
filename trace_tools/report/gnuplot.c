/* gnuplot: the script goes in by a memory file, so a child that does not read it cannot end us by a broken
 * pipe; only its output is waited for. */
#include "report/gnuplot.h"
#include "base/clock.h"
#include "base/fault.h"
#include "report/svg.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_NS (20 * HB_NS_PER_S)
#define CPU_S       10
#define MISSING     127

static int script_file(const struct hb_buf *script) {
        int fd = hb_fault("report.script") ? (errno = ENOMEM, -1) : memfd_create("plot", MFD_CLOEXEC);

        if (fd < 0)
                return -errno;
        if (write(fd, script->data, script->len) != (ssize_t)script->len || lseek(fd, 0, SEEK_SET) != 0) {
                close(fd);
                return -EIO;
        }
        return fd;
}

/* After fork: nothing here allocates or locks. */
static void child(const char *program, int in, int out) {
        static char *const environment[] = {(char *)"PATH=/usr/local/bin:/usr/bin:/bin", (char *)"LC_ALL=C",
                                            (char *)"HOME=/nonexistent", NULL};
        char *const argv[] = {(char *)program, (char *)"-d", (char *)"-", NULL};
        const struct rlimit cpu = {CPU_S, CPU_S}, files = {0, 0};
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        setrlimit(RLIMIT_CPU, &cpu);
        setrlimit(RLIMIT_FSIZE, &files); /* it has nothing to write but what we read */
        dup2(in, 0);
        dup2(out, 1);
        dup2(open("/dev/null", O_WRONLY), 2);
        execvpe(program, argv, environment);
        _exit(MISSING);
}

static int take_output(int fd, struct hb_buf *out) {
        uint64_t until = hb_now_ns() + PATIENCE_NS;
        char room[16384];

        for (;;) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                uint64_t now = hb_now_ns();
                ssize_t n;

                if (now >= until)
                        return -ETIMEDOUT;
                if (poll(&p, 1, (int)((until - now) / HB_NS_PER_MS) + 1) <= 0)
                        continue;
                n = read(fd, room, sizeof(room));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                hb_buf_raw(out, room, (size_t)n);
                if (out->failed || out->len > HB_SVG_MOST)
                        return out->failed ? -ENOMEM : -EFBIG;
        }
}

static int wait_for(pid_t pid, int r) {
        int status = 0;

        if (r < 0)
                kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (r < 0)
                return r;
        if (WIFEXITED(status) && WEXITSTATUS(status) == MISSING)
                return -ENOENT;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int hb_gnuplot_run(const char *program, const struct hb_buf *script, struct hb_buf *out, struct hb_err *e) {
        int in = script->failed ? -ENOMEM : script_file(script), pipes[2] = {-1, -1}, r = in < 0 ? in : 0;
        const char *name = program ? program : "gnuplot";
        pid_t pid;

        if (r == 0 && pipe2(pipes, O_CLOEXEC) < 0)
                r = -errno;
        if (r == 0) {
                pid = hb_fault("report.fork") ? (errno = EAGAIN, -1) : fork();
                if (pid == 0)
                        child(name, in, pipes[1]);
                r = pid < 0 ? -errno : 0;
                close(pipes[1]);
                if (r == 0)
                        r = wait_for(pid, take_output(pipes[0], out));
                close(pipes[0]);
        }
        if (in >= 0)
                close(in);
        if (r == -ENOENT)
                return hb_err_set(e, r, name, "apt-get install gnuplot-nox", "gnuplot is not installed");
        return r < 0 ? hb_err_set(e, r, name, NULL, "gnuplot did not draw: %s", strerror(-r)) : 0;
}
