/* emulator: where the emulator and the plugin are, and how the command is given to them. The plugin is looked
 * for beside the program (a build folder), in the library folder next to the program's, and where it was
 * installed: so a moved or unpacked installation works, and a build is never mixed with another. */
#include "capture/emulator.h"
#include "capture/guest_args.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLUGIN              "harbinger-trace.so"
#define USER_QEMU           "qemu-x86_64"
#define FIRST_WITH_PHYSICAL 801 /* QEMU 8.1: the plugin is told guest-physical addresses */

extern char **environ;

static bool there(char ret[PATH_MAX], const char *dir, int n, const char *below) {
        return snprintf(ret, PATH_MAX, "%.*s%s/" PLUGIN, n, dir, below) < PATH_MAX && access(ret, R_OK) == 0;
}

static int find_plugin(const char *given, char ret[PATH_MAX], struct hb_err *e) {
        char self[PATH_MAX], *slash;
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

        if (given) {
                if (snprintf(ret, PATH_MAX, "%s", given) < PATH_MAX && access(ret, R_OK) == 0)
                        return 0;
                return hb_err_set(e, -ENOENT, given, "give the path of " PLUGIN, "the plugin is not there");
        }
        self[n > 0 ? n : 0] = '\0';
        slash = strrchr(self, '/');
        n = slash ? slash - self : 0;
        if (there(ret, self, (int)n, "") || there(ret, self, (int)n, "/" HB_PLUGIN_FROM_BIN) ||
            there(ret, HB_PLUGIN_DIR, PATH_MAX, ""))
                return 0;
        return hb_err_set(e, -ENOENT, PLUGIN, "install Harbinger with its plugin, or name it",
                          "the emulator's plugin is neither beside this program nor in " HB_PLUGIN_DIR);
}

static int find_user_emulator(const char *given, char ret[PATH_MAX], struct hb_err *e) {
        struct hb_err why;

        if (hb_program_find(given ? given : USER_QEMU, ret, &why) == 0)
                return 0;
        if (given)
                return hb_err_set(e, why.code, given, why.next, "the emulator cannot be run: %s", why.what);
        return hb_err_set(e, -EOPNOTSUPP, USER_QEMU,
                          "apt-get install qemu-user (qemu-user-static takes no plugins)",
                          "programs are recorded under QEMU's user mode, which is not installed");
}

/* "QEMU emulator version 7.2.22 (...)": 702; 0: it does not say. */
static int version_of(char *path) {
        char *const argv[] = {path, (char *)"--version", NULL};
        char text[256] = "";
        const char *at;
        posix_spawn_file_actions_t files;
        int fds[2], major, minor, n = 0;
        ssize_t got;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return 0;
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_adddup2(&files, fds[1], STDOUT_FILENO);
        if (posix_spawn(&pid, path, &files, NULL, argv, environ))
                pid = 0;
        posix_spawn_file_actions_destroy(&files);
        close(fds[1]);
        while (pid && (got = read(fds[0], text + n, sizeof(text) - 1 - (size_t)n)) > 0)
                n += (int)got;
        close(fds[0]);
        while (pid && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        at = strstr(text, "version ");
        return at && sscanf(at, "version %d.%d", &major, &minor) == 2 ? major * 100 + minor : 0;
}

/* QEMU's options end at a comma; one of the value's own is doubled. */
static int escape(const char *path, char *out, size_t size) {
        size_t n = 0;

        for (; *path; path++) {
                if (n + 3 > size)
                        return -ENAMETOOLONG;
                if (*path == ',')
                        out[n++] = ',';
                out[n++] = *path;
        }
        out[n] = '\0';
        return 0;
}

static int make_spec(struct hb_emulator *m, const struct hb_capture_options *o, const char *plugin, int fd) {
        static const char *const units[] = {[HB_CAPTURE_ACCESSES] = "accesses",
                                            [HB_CAPTURE_NS] = "ms",
                                            [HB_CAPTURE_INSTRUCTIONS] = "instructions"};
        size_t n;
        int r = escape(plugin, m->spec, sizeof(m->spec) - 200);

        if (r < 0)
                return r;
        n = strlen(m->spec);
        n += (size_t)snprintf(m->spec + n, sizeof(m->spec) - n, ",out=fd:%d", fd);
        if (o->unit != HB_CAPTURE_DEFAULT)
                snprintf(m->spec + n, sizeof(m->spec) - n, ",%s=%llu", units[o->unit],
                         (unsigned long long)(o->unit == HB_CAPTURE_NS ? o->window / 1000000 : o->window));
        return 0;
}

static const char *base_of(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* What a shell would print of it, cut: for the trace's note. */
static void make_note(char *const *argv, char *out, size_t size) {
        size_t n = 0;

        for (; *argv && n + 1 < size; argv++)
                n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " " : "", *argv);
}

static void make_name(struct hb_emulator *m, const char *given, const char *otherwise) {
        size_t n = 0;

        if (given) {
                snprintf(m->guest, sizeof(m->guest), "%s", given);
                return;
        }
        for (; *otherwise && n + 1 < sizeof(m->guest); otherwise++)
                if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", *otherwise) &&
                    (n || (*otherwise != '.' && *otherwise != '-')))
                        m->guest[n++] = *otherwise;
        m->guest[n] = '\0';
        if (!n)
                snprintf(m->guest, sizeof(m->guest), "program");
}

static size_t count(char *const *argv) {
        size_t n = 0;

        while (argv[n])
                n++;
        return n;
}

/* qemu-x86_64 -plugin SPEC -0 NAME PATH [words of scripts] [arguments] */
static int open_program(struct hb_emulator *m, const struct hb_capture_options *o, struct hb_err *e) {
        size_t n = 0;
        int r = hb_program_open(o->argv[0], &m->program, e);

        if (r == 0)
                r = find_user_emulator(o->emulator, m->path, e);
        if (r < 0)
                return r;
        m->argv = calloc(count(o->argv) + m->program.nwords + 8, sizeof(*m->argv));
        if (!m->argv)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory");
        m->argv[n++] = m->path;
        m->argv[n++] = (char *)"-plugin";
        m->argv[n++] = m->spec;
        m->argv[n++] = (char *)"-0";
        m->argv[n++] = m->program.name;
        m->argv[n++] = m->program.path;
        for (size_t i = 0; i < m->program.nwords; i++)
                m->argv[n++] = m->program.words[i];
        memcpy(m->argv + n, o->argv + 1, count(o->argv + 1) * sizeof(*m->argv));
        make_name(m, o->guest, base_of(o->argv[0]));
        snprintf(m->region, sizeof(m->region), "program");
        return 0;
}

/* The command itself, and -plugin. */
static int open_guest(struct hb_emulator *m, const struct hb_capture_options *o, struct hb_err *e) {
        size_t n = count(o->argv), used = strlen(m->spec);
        struct hb_guest_args args;
        int r = hb_program_find(o->argv[0], m->path, e);

        if (r == 0)
                r = hb_guest_args_parse(o->argv + 1, &args, e);
        if (r < 0)
                return r;
        m->argv = calloc(n + 3, sizeof(*m->argv));
        if (!m->argv)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory");
        memcpy(m->argv, o->argv, n * sizeof(*m->argv));
        m->argv[0] = m->path;
        m->argv[n++] = (char *)"-plugin";
        m->argv[n] = m->spec;
        snprintf(m->spec + used, sizeof(m->spec) - used, ",ram=%llu,below4g=%llu,space=%s",
                 (unsigned long long)args.ram, (unsigned long long)args.below4g,
                 version_of(m->path) >= FIRST_WITH_PHYSICAL ? "physical" : "block");
        make_name(m, o->guest, args.name[0] ? args.name : "guest");
        memcpy(m->region, args.region, sizeof(m->region));
        m->shape.pages = args.ram / HB_PAGE_SIZE;
        return 0;
}

static int check_options(const struct hb_capture_options *o, struct hb_err *e) {
        if (o->guest && !hb_name_ok(o->guest))
                return hb_err_set(e, -EINVAL, o->guest, "1 to 63 of letters, digits, '.', '_' and '-'",
                                  "the guest's name is not one");
        if (o->unit != HB_CAPTURE_DEFAULT && (!o->window || o->window > 1ull << 62))
                return hb_err_set(e, -EINVAL, NULL, "give another length",
                                  "an epoch of this length makes no sense");
        if (o->unit == HB_CAPTURE_NS && o->window < 1000000)
                return hb_err_set(e, -EINVAL, NULL, "give 0.001 s or more",
                                  "an epoch is at least a millisecond");
        return 0;
}

int hb_emulator_open(const struct hb_capture_options *o, int out_fd, struct hb_emulator *m,
                     struct hb_err *e) {
        char plugin[PATH_MAX];
        const char *base = base_of(o->argv[0]);
        int r = check_options(o, e);

        memset(m, 0, sizeof(*m));
        if (r == 0)
                r = find_plugin(o->plugin, plugin, e);
        if (r < 0)
                return r;
        if (make_spec(m, o, plugin, out_fd) < 0)
                return hb_err_set(e, -ENAMETOOLONG, plugin, NULL, "the plugin's path is too long");
        make_note(o->argv, m->note, sizeof(m->note));
        m->whole_guest = strncmp(base, "qemu-system-", 12) == 0;
        if (m->whole_guest && strcmp(base + 12, "x86_64") != 0 && strcmp(base + 12, "i386") != 0)
                r = hb_err_set(e, -EOPNOTSUPP, base, "record a guest of qemu-system-x86_64",
                               "guests of this architecture cannot be recorded");
        else
                r = m->whole_guest ? open_guest(m, o, e) : open_program(m, o, e);
        if (r < 0)
                hb_emulator_close(m);
        m->shape.guest = m->guest;
        m->shape.region = m->region;
        m->shape.note = m->note;
        return r;
}

void hb_emulator_close(struct hb_emulator *m) {
        free(m->argv);
        m->argv = NULL;
}
