/* player: a replay runs in a process of its own, `harbinger trace serve`, and is looked at over its sockets
 * like any pair of hosts. It ends when its standard input does, so it cannot outlive the console, however
 * that ends. */
#include "console/app.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int make_dir(char *buf, size_t size) {
        const char *base = getenv("XDG_RUNTIME_DIR");

        if (!base || base[0] != '/' || strlen(base) > 60)
                base = "/tmp";
        snprintf(buf, size, "%s/harbinger-play-XXXXXX", base);
        return mkdtemp(buf) ? 0 : -errno;
}

/* stdin from in, stderr to out; no other descriptor of ours. */
static int spawn(const struct hb_app *a, const char *trace, const char *dir, int in, int out, int *ret_pid) {
        const char *argv[] = {a->o->program, "trace", "serve",       trace ? trace : "--demo",
                              "--dir",       dir,     "--until-eof", trace ? NULL : "--again",
                              NULL};
        posix_spawn_file_actions_t f;
        posix_spawnattr_t attr;
        sigset_t none;
        int r;

        sigemptyset(&none);
        posix_spawn_file_actions_init(&f);
        posix_spawnattr_init(&attr);
        posix_spawn_file_actions_adddup2(&f, in, STDIN_FILENO);
        posix_spawn_file_actions_addopen(&f, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_adddup2(&f, out, STDERR_FILENO);
        posix_spawnattr_setsigmask(&attr, &none);
        posix_spawnattr_setpgroup(&attr, 0); /* the terminal's signals are for the console */
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
        r = posix_spawn(ret_pid, a->o->program, &f, &attr, (char *const *)argv, environ);
        posix_spawn_file_actions_destroy(&f);
        posix_spawnattr_destroy(&attr);
        return -r;
}

static int add_seats(struct hb_app *a, struct hb_app_player *p, const char *dir, struct hb_err *e) {
        static const char *const names[2] = {"a", "b"};
        char path[200];

        for (unsigned i = 0; i < 2; i++) {
                int r;

                snprintf(path, sizeof(path), "%s/%s.sock", dir, names[i]);
                r = hb_world_add(a->world, path, e);
                if (r < 0)
                        return r;
                p->seats[i] = (unsigned)r;
        }
        return 0;
}

static void end(struct hb_app *a, struct hb_app_player *p) {
        int status, tries = 0;

        if (p->pid <= 0)
                return;
        close(p->stdin_fd);
        while (waitpid(p->pid, &status, WNOHANG) == 0) {
                if (tries == 20)
                        kill(p->pid, SIGTERM);
                if (tries++ == 60)
                        kill(p->pid, SIGKILL);
                poll(NULL, 0, 25);
        }
        close(p->stderr_fd);
        for (unsigned i = 0; i < 2; i++)
                if (p->seats[i] != HB_NO_SEAT)
                        hb_world_drop(a->world, p->seats[i]);
        rmdir(p->dir);
        *p = (struct hb_app_player){0};
}

static struct hb_app_player *free_player(struct hb_app *a) {
        for (unsigned i = 0; i < HB_APP_PLAYERS; i++)
                if (a->players[i].pid <= 0)
                        return &a->players[i];
        return NULL;
}

int hb_app_play(struct hb_app *a, const char *trace, struct hb_err *e) {
        struct hb_app_player *p = free_player(a);
        int in[2] = {-1, -1}, out[2] = {-1, -1}, r;
        char stage[160];

        if (!p)
                return hb_err_set(e, -EBUSY, trace, "leave one of them first", "%u replays are open",
                                  HB_APP_PLAYERS);
        if (trace && access(trace, R_OK) < 0)
                return hb_err_set(e, -errno, trace, "give a trace's path", "the trace cannot be read: %s",
                                  strerror(errno));
        *p = (struct hb_app_player){.seats = {HB_NO_SEAT, HB_NO_SEAT}};
        snprintf(p->trace, sizeof(p->trace), "%s", trace ? trace : "the demo");
        r = make_dir(p->dir, sizeof(p->dir));
        if (r < 0)
                return hb_err_set(e, r, p->dir, "set XDG_RUNTIME_DIR to a folder you may write",
                                  "no folder for the replay's sockets: %s", strerror(-r));
        snprintf(stage, sizeof(stage), "%s/s", p->dir);
        r = pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
        if (r == 0)
                r = spawn(a, trace, stage, in[0], out[1], &p->pid);
        if (in[0] >= 0)
                close(in[0]);
        if (out[1] >= 0)
                close(out[1]);
        if (r < 0) {
                if (in[1] >= 0)
                        close(in[1]);
                if (out[0] >= 0)
                        close(out[0]);
                rmdir(p->dir);
                *p = (struct hb_app_player){0};
                return hb_err_set(e, r, a->o->program, NULL, "the replay's process cannot be started: %s",
                                  strerror(-r));
        }
        p->stdin_fd = in[1];
        p->stderr_fd = out[0];
        r = add_seats(a, p, stage, e);
        if (r < 0)
                end(a, p);
        return r;
}

/* What it said before it ended is the reason. */
static void listen_to(struct hb_app_player *p) {
        char buf[512];
        ssize_t n;

        while ((n = read(p->stderr_fd, buf, sizeof(buf) - 1)) > 0) {
                buf[n] = '\0';
                buf[strcspn(buf, "\n")] = '\0';
                if (buf[0]) {
                        const char *words = strncmp(buf, "harbinger: ", 11) == 0 ? buf + 11 : buf;

                        snprintf(p->said, sizeof(p->said), "%.250s", words);
                }
        }
}

static bool any_seat(const struct hb_app *a) {
        for (unsigned i = 0; i < hb_world_seats(a->world); i++)
                if (hb_world_seat(a->world, i))
                        return true;
        return false;
}

void hb_app_players_watch(struct hb_app *a) {
        for (unsigned i = 0; i < HB_APP_PLAYERS; i++) {
                struct hb_app_player *p = &a->players[i];
                siginfo_t info = {0};

                if (p->pid <= 0 || waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
                    info.si_pid == 0)
                        continue;
                listen_to(p);
                hb_app_say(a, HB_STYLE_BAD, "the replay of %s has ended: %s", p->trace,
                           p->said[0] ? p->said : "it did not say why");
                if (p->said[0])
                        hb_err_set(&a->failed, -EIO, p->trace, NULL, "the replay has ended: %s", p->said);
                else
                        hb_err_set(&a->failed, -EIO, p->trace, "harbinger trace verify",
                                   "the replay has ended");
                end(a, p);
                if (any_seat(a))
                        a->failed.code = 0; /* the others are still worth looking at */
                else
                        a->quit = true;
        }
}

void hb_app_players_end(struct hb_app *a) {
        for (unsigned i = 0; i < HB_APP_PLAYERS; i++)
                end(a, &a->players[i]);
}
