/* vmm: fork and exec of /bin/sh -c with HB_GUEST, HB_QMP, HB_IMAGE_<region> and HB_BYTES_<region> in the
 * environment. Everything the child needs is made before fork, so that between fork and exec only
 * async-signal-safe calls happen (the daemon has threads). */
#include "daemon/vmm.h"
#include "track/procmaps.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

#define MAX_ENV 256
#define KILL_MS 5000

struct env {
        char *v[MAX_ENV];
        unsigned n;
};

static void env_add(struct env *env, char *entry) {
        if (entry && env->n < MAX_ENV - 1)
                env->v[env->n++] = entry;
        else
                free(entry);
}

static void env_set(struct env *env, const char *key, const char *value) {
        char *s = NULL;
        if (asprintf(&s, "%s=%s", key, value) >= 0)
                env_add(env, s);
}

/* Region names may hold '-' and '.', which a shell variable cannot. */
static void region_key(const char *prefix, const char *region, char out[128]) {
        int n = snprintf(out, 128, "%s%s", prefix, region);
        for (int i = 0; i < n && i < 127; i++)
                if (out[i] == '-' || out[i] == '.')
                        out[i] = '_';
}

/* Ours first: what the daemon's own environment is too long for must not be one of them. */
static bool env_build(struct env *env, const struct hb_vmm_start *v) {
        unsigned before = 3 + 2 * v->shape->nregions;
        env_set(env, "HB_GUEST", v->guest);
        env_set(env, "HB_QMP", v->socket_path);
        env_set(env, "HB_SOCKET", v->socket_path);
        for (unsigned i = 0; i < v->shape->nregions; i++) {
                char key[128], bytes[32];
                region_key("HB_IMAGE_", v->shape->regions[i].name, key);
                env_set(env, key, v->image_paths[i]);
                region_key("HB_BYTES_", v->shape->regions[i].name, key);
                snprintf(bytes, sizeof bytes, "%llu",
                         (unsigned long long)v->shape->regions[i].pages * HB_PAGE_SIZE);
                env_set(env, key, bytes);
        }
        bool whole = env->n == before;
        for (char **p = environ; p && *p; p++)
                if (strncmp(*p, "HB_", 3) != 0)
                        env_add(env, strdup(*p));
        env->v[env->n] = NULL;
        return whole;
}

static void env_free(struct env *env) {
        for (unsigned i = 0; i < env->n; i++)
                free(env->v[i]);
}

/* Waits until the parent has its pidfd (a command that ends at once must not be gone before that) and has
 * written down who we are: a parent killed before that leaves nobody behind. */
static void child(const struct hb_vmm_start *v, struct env *env, int log_fd, const int hold[2]) {
        char c;
        ssize_t n;
        close(hold[1]);
        do
                n = read(hold[0], &c, 1);
        while (n < 0 && errno == EINTR);
        if (n != 1)
                _exit(127);
        setsid();
        int null = open("/dev/null", O_RDONLY);
        dup2(null, 0);
        dup2(log_fd, 1);
        dup2(log_fd, 2);
        syscall(SYS_close_range, 3u, ~0u, 0u);
        signal(SIGPIPE, SIG_DFL);
        signal(SIGCHLD, SIG_DFL);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        char *const argv[] = {(char *)"sh", (char *)"-c", (char *)v->command, NULL};
        execve("/bin/sh", argv, env->v);
        _exit(127);
}

static int write_note(const char *path, pid_t pid) {
        uint64_t start;
        int r = hb_proc_start_time(pid, &start);
        FILE *f = r < 0 ? NULL : fopen(path, "we");
        if (!f)
                return r < 0 ? r : -errno;
        fprintf(f, "%d %llu\n", (int)pid, (unsigned long long)start);
        return fclose(f) == 0 ? 0 : -errno;
}

/* Two regions whose names differ only in what a shell variable cannot hold would share one. */
static const char *ambiguous(const struct hb_shape *s) {
        char a[128], b[128];
        for (unsigned i = 0; i < s->nregions; i++)
                for (unsigned k = 0; k < i; k++) {
                        region_key("", s->regions[i].name, a);
                        region_key("", s->regions[k].name, b);
                        if (strcmp(a, b) == 0)
                                return s->regions[i].name;
                }
        return NULL;
}

int hb_vmm_spawn(const struct hb_vmm_start *v, int *ret_pidfd, struct hb_err *e) {
        const char *twice = ambiguous(v->shape);
        if (twice)
                return hb_err_set(e, -EINVAL, twice, "give the guest's memory backends other ids",
                                  "two regions' names give the same variable HB_IMAGE_...");
        int log_fd = open(v->log_path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0640);
        if (log_fd < 0)
                return hb_err_set(e, -errno, v->log_path, "check run_dir in the settings",
                                  "cannot write the VMM's log: %s", strerror(errno));
        struct env env = {.n = 0};
        if (!env_build(&env, v)) {
                env_free(&env);
                close(log_fd);
                return hb_err_set(e, -ENOMEM, v->guest, NULL, "no memory to start the VMM");
        }
        unlink(v->socket_path); /* of an earlier life; a live one would answer and be refused by its size or
                                   state */
        int hold[2] = {-1, -1}, fd = -1, err = 0;
        pid_t pid = pipe2(hold, O_CLOEXEC) < 0 ? -1 : fork();
        if (pid == 0)
                child(v, &env, log_fd, hold);
        if (pid > 0)
                fd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (fd < 0)
                err = errno;
        else
                err = -write_note(v->note_path, pid);
        if (err == 0 && write(hold[1], "", 1) != 1) /* goes on */
                err = errno;
        env_free(&env);
        close(log_fd);
        if (hold[0] >= 0) {
                close(hold[0]);
                close(hold[1]); /* ends, if it was not told to go on */
        }
        if (err == 0) {
                *ret_pidfd = fd;
                return 0;
        }
        if (fd >= 0)
                close(fd);
        return hb_err_set(e, -err, v->guest, NULL, "cannot start the VMM: %s", strerror(err));
}

void hb_vmm_kill(int pidfd) {
        char path[64], line[128];
        int pid = 0;
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
        FILE *f = fopen(path, "re");
        while (f && fgets(line, sizeof line, f))
                if (sscanf(line, "Pid: %d", &pid) == 1)
                        break;
        if (f)
                fclose(f);
        if (pid > 1) /* -1 once it has ended */
                kill(-pid, SIGKILL);
}

int hb_vmm_kill_noted(const char *note_path) {
        int pid = 0, r = 0;
        unsigned long long start = 0;
        uint64_t now = 0;
        FILE *f = fopen(note_path, "re");
        if (!f)
                return 0;
        bool named = fscanf(f, "%d %llu", &pid, &start) == 2 && pid > 1;
        fclose(f);
        int fd = named ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
        if (fd >= 0 && hb_proc_start_time(pid, &now) == 0 && now == start) {
                struct pollfd end = {.fd = fd, .events = POLLIN};
                kill(-pid, SIGKILL);
                kill(pid, SIGKILL); /* not yet a session of its own */
                r = poll(&end, 1, KILL_MS) == 1 ? 0 : -ETIMEDOUT;
        }
        if (fd >= 0)
                close(fd);
        if (r == 0)
                unlink(note_path);
        return r;
}

void hb_vmm_log_tail(const char *log_path, char *out, size_t size) {
        out[0] = '\0';
        int fd = open(log_path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        off_t end = lseek(fd, 0, SEEK_END);
        off_t from = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
        ssize_t n = pread(fd, out, size - 1, from);
        close(fd);
        out[n > 0 ? n : 0] = '\0';
        for (char *p = out; *p; p++)
                if (*p == '\n')
                        *p = p[1] ? ';' : '\0';
}
