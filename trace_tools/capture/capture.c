/* capture: the command's parent while it runs. It reads the plugin's windows, hands signals on, and knows the
 * end: the pipe is at its end and the command is gone.
 *
 * Signals of the terminal (ctrl-C) reach the command by themselves; those sent to us alone are handed on.
 * Either way we stay until the command has ended, so that its trace is whole. One thread. */
#include "capture/capture.h"
#include "base/clock.h"
#include "base/fault.h"
#include "capture/emulator.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_SIZE   (256u << 10)
#define OUT_FD_FROM 100 /* above what shells and programs name by number */
#define PROGRESS_NS (200 * HB_NS_PER_MS)

extern char **environ;

struct run {
        const struct hb_capture_options *o;
        struct hb_emulator m;
        hb_capture_sink *sink;
        char *buf;
        int in, out, signals;
        sigset_t before;
        bool masked, ended, told, open; /* ended: the command; told: it was asked to end; open: the pipe */
        bool left;                      /* it became a daemon, and the recording was ended before it */
        bool killed;                    /* by a signal */
        pid_t pid;
        int status;
        uint64_t began_ns, shown_ns;
};

/* ---- beginning ---- */

static int open_pipe(struct run *r, struct hb_err *e) {
        int fds[2];

        if (hb_fault("capture.pipe") || pipe2(fds, O_CLOEXEC) < 0)
                return hb_err_set(e, -EMFILE, NULL, NULL, "no pipe to the command can be made");
        r->in = fds[0];
        r->out = fcntl(fds[1], F_DUPFD_CLOEXEC, OUT_FD_FROM);
        close(fds[1]);
        if (r->out < 0)
                return hb_err_set(e, -errno, NULL, NULL, "no pipe to the command can be made: %s",
                                  strerror(errno));
        (void)fcntl(r->in, F_SETPIPE_SZ, 1 << 20);
        return 0;
}

static int catch_signals(struct run *r, struct hb_err *e) {
        static const int caught[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
                sigaddset(&set, caught[i]);
        sigprocmask(SIG_BLOCK, &set, &r->before);
        r->masked = true;
        r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return r->signals < 0
                       ? hb_err_set(e, -errno, NULL, NULL, "signals cannot be read: %s", strerror(errno))
                       : 0;
}

static int start(struct run *r, struct hb_err *e) {
        posix_spawn_file_actions_t files;
        posix_spawnattr_t attr;
        int rc;

        posix_spawn_file_actions_init(&files);
        posix_spawnattr_init(&attr);
        /* Onto itself: what close-on-exec is taken off by, in the child alone. */
        posix_spawn_file_actions_adddup2(&files, r->out, r->out);
        posix_spawnattr_setsigmask(&attr, &r->before);
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
        rc = hb_fault("capture.spawn") ? EAGAIN
                                       : posix_spawn(&r->pid, r->m.path, &files, &attr, r->m.argv, environ);
        posix_spawnattr_destroy(&attr);
        posix_spawn_file_actions_destroy(&files);
        close(r->out);
        r->out = -1;
        if (rc) {
                r->pid = 0;
                return hb_err_set(e, -rc, r->m.path, NULL, "the emulator cannot be started: %s",
                                  strerror(rc));
        }
        r->open = true;
        return 0;
}

/* ---- while it runs ---- */

static void fill_progress(const struct run *r, struct hb_capture_progress *p) {
        struct hb_capture_sums s;

        hb_capture_sink_sums(r->sink, &s);
        *p = (struct hb_capture_progress){.epochs = s.epochs,
                                          .pages = s.pages,
                                          .records = s.records,
                                          .accesses = s.accesses,
                                          .bytes = s.bytes,
                                          .seconds = (double)(hb_now_ns() - r->began_ns) / HB_NS_PER_S};
}

static void show(struct run *r) {
        struct hb_capture_progress p;

        if (!r->o->progress || hb_now_ns() - r->shown_ns < PROGRESS_NS)
                return;
        r->shown_ns = hb_now_ns();
        fill_progress(r, &p);
        r->o->progress(r->o->arg, &p);
}

static int read_windows(struct run *r, struct hb_err *e) {
        ssize_t n = read(r->in, r->buf, READ_SIZE);

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return 0;
        if (n > 0) {
                show(r);
                return hb_capture_sink_feed(r->sink, r->buf, (size_t)n, e);
        }
        r->open = false;
        return 0;
}

static void take_status(struct run *r) {
        int status;

        while (!r->ended && waitpid(r->pid, &status, WNOHANG) == r->pid) {
                if (WIFEXITED(status) || WIFSIGNALED(status)) {
                        r->ended = true;
                        r->killed = WIFSIGNALED(status);
                        r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
                }
        }
}

static void take_signals(struct run *r) {
        struct signalfd_siginfo s;

        while (read(r->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
                if (s.ssi_signo == SIGCHLD) {
                        take_status(r);
                } else if (r->ended) { /* a guest that became a daemon: it goes on, the recording ends */
                        r->left = true;
                        r->open = false;
                } else if (s.ssi_code != SI_KERNEL) { /* the terminal's: the command has it already */
                        kill(r->pid, (int)s.ssi_signo);
                }
        }
}

/* Recording failed. A command that has begun is not to suffer for it: it goes on to its end, uncounted. */
static bool goes_on(struct run *r) {
        struct hb_capture_sums s;

        hb_capture_sink_sums(r->sink, &s);
        if (!s.began)
                return false;
        close(r->in); /* the plugin hears of it at its next window */
        r->in = -1;
        r->open = false;
        return true;
}

static int attend(struct run *r, struct hb_err *e) {
        struct pollfd p[3];
        int rc = 0;

        while (r->open || !r->ended) {
                p[0] = (struct pollfd){.fd = r->signals, .events = POLLIN};
                p[1] = (struct pollfd){.fd = r->open ? r->in : -1, .events = POLLIN};
                p[2] = (struct pollfd){.fd = r->told ? -1 : r->o->stop_fd, .events = POLLIN};
                if (poll(p, 3, -1) < 0 && errno != EINTR)
                        return hb_err_set(e, -errno, NULL, NULL, "waiting for the command failed: %s",
                                          strerror(errno));
                if (p[0].revents)
                        take_signals(r);
                if (p[2].revents) {
                        r->told = true;
                        if (r->ended)
                                r->open = false;
                        else
                                kill(r->pid, SIGTERM);
                }
                if (p[1].revents && r->open)
                        rc = read_windows(r, e);
                if (rc < 0 && r->in >= 0 && !goes_on(r))
                        break;
        }
        return rc;
}

/* ---- ending ---- */

static int finish(struct run *r, struct hb_capture_result *ret, struct hb_err *e) {
        struct hb_capture_sums s;
        char why[120] = "";
        int rc;

        hb_capture_sink_sums(r->sink, &s);
        if (!s.began)
                return hb_err_set(e, -ENOEXEC, r->o->argv[0], "see what it said above",
                                  "the emulator ended (exit code %d) before the command ran", r->status);
        if (!s.ended)
                snprintf(why, sizeof(why), "%s",
                         r->left     ? "the recording was ended; the command goes on as a daemon"
                         : r->killed ? "killed: its last, unfinished window is missing"
                                     : "it replaced itself by another program (execve), not recorded");
        rc = hb_capture_sink_close(r->sink, why[0] ? why : NULL, e);
        if (rc < 0)
                return rc;
        memset(ret, 0, sizeof(*ret));
        fill_progress(r, &ret->sum);
        hb_capture_sink_sums(r->sink, &s);
        ret->lost = s.lost;
        ret->forks = s.forks;
        ret->status = r->status;
        ret->complete = s.ended;
        ret->replaced = !s.ended && !r->killed && !r->left;
        ret->left = r->left && !s.ended;
        ret->whole_guest = r->m.whole_guest;
        return 0;
}

static void put_away(struct run *r) {
        struct signalfd_siginfo s;

        if (r->pid && !r->ended) { /* we failed before it began */
                kill(r->pid, SIGKILL);
                while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        if (r->in >= 0)
                close(r->in);
        if (r->out >= 0)
                close(r->out);
        while (r->signals >= 0 && read(r->signals, &s, sizeof(s)) == (ssize_t)sizeof(s))
                ; /* taken: it was for the command */
        if (r->signals >= 0)
                close(r->signals);
        if (r->masked)
                sigprocmask(SIG_SETMASK, &r->before, NULL);
        hb_capture_sink_free(r->sink);
        hb_emulator_close(&r->m);
        free(r->buf);
        free(r);
}

int hb_capture_run(const struct hb_capture_options *o, struct hb_capture_result *ret, struct hb_err *e) {
        struct run *r = calloc(1, sizeof(*r));
        int rc;

        if (!r)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory");
        r->o = o;
        r->in = r->out = r->signals = -1;
        r->began_ns = hb_now_ns();
        r->buf = malloc(READ_SIZE);
        rc = r->buf ? open_pipe(r, e) : hb_err_set(e, -ENOMEM, NULL, NULL, "no memory");
        if (rc == 0)
                rc = hb_emulator_open(o, r->out, &r->m, e);
        if (rc == 0)
                rc = hb_capture_sink_new(o->path, o->replace, &r->m.shape, &r->sink, e);
        if (rc == 0)
                rc = catch_signals(r, e);
        if (rc == 0)
                rc = start(r, e);
        if (rc == 0)
                rc = attend(r, e);
        if (rc == 0)
                rc = finish(r, ret, e);
        put_away(r);
        return rc;
}
