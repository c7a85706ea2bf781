/* session: one connection to the daemon for a command's calls. While a call waits, SIGINT and SIGTERM end the
 * wait instead of the program, so that it can say what goes on without it; outside of calls they do what they
 * always do. One thread. */
#include "cli/command.h"
#include "control/ctl.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

void hb_cli_interrupt_begin(const struct hb_cli *c, struct hb_cli_interrupt *i) {
        sigset_t stop;

        i->fd = c->io->interrupt_fd;
        i->ours = false;
        i->seen = false;
        if (i->fd >= 0)
                return;
        sigemptyset(&stop);
        sigaddset(&stop, SIGINT);
        sigaddset(&stop, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &stop, &i->before) < 0)
                return;
        i->ours = true;
        i->fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool hb_cli_interrupted(struct hb_cli_interrupt *i) {
        struct pollfd p = {.fd = i->fd, .events = POLLIN};

        i->seen = i->seen || (i->fd >= 0 && poll(&p, 1, 0) > 0);
        return i->seen;
}

void hb_cli_interrupt_end(struct hb_cli_interrupt *i) {
        struct signalfd_siginfo seen;

        if (!i->ours)
                return;
        while (i->fd >= 0 && read(i->fd, &seen, sizeof(seen)) == (ssize_t)sizeof(seen))
                ; /* taken: the wait it ended was what it was for */
        if (i->fd >= 0)
                close(i->fd);
        sigprocmask(SIG_SETMASK, &i->before, NULL);
}

static int reach(struct hb_cli *c, struct hb_err *e) {
        int r = c->client ? 0 : hb_ctl_connect(c->socket, &c->client, e);

        /* No socket is no daemon; the exit code must not say "no such guest". */
        if (r == -ENOENT) {
                r = -ECONNREFUSED;
                if (e)
                        e->code = r;
        }
        return r;
}

int hb_cli_call(struct hb_cli *c, const char *cmd, json_t *args, int timeout_ms,
                void (*progress)(void *arg, const json_t *p), void *arg, json_t **ret, struct hb_err *e) {
        struct hb_cli_interrupt stop;
        int r = reach(c, e);

        if (r < 0) {
                json_decref(args);
                return r;
        }
        hb_cli_interrupt_begin(c, &stop);
        hb_ctl_interrupt_on(c->client, stop.fd);
        r = hb_ctl_call(c->client, cmd, args, timeout_ms, progress, arg, ret, e);
        hb_ctl_interrupt_on(c->client, -1);
        hb_cli_interrupt_end(&stop);
        return r;
}
