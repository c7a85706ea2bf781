/* program: the emulator's own words for what it cannot run are hard to act on ("Invalid ELF image for this
 * architecture"), so a command is looked at before. The kernel follows `#!`; qemu-user does not, so we do. */
#include "capture/program.h"
#include "base/bytes.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD 256 /* as much as the kernel looks at */

static int runnable(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

static int in_path(const char *word, char ret[PATH_MAX]) {
        const char *path = getenv("PATH"), *p, *end;
        int r = -ENOENT, one;

        for (p = path && path[0] ? path : "/usr/bin:/bin"; p; p = *end ? end + 1 : NULL) {
                end = p + strcspn(p, ":");
                if (snprintf(ret, PATH_MAX, "%.*s%s%s", (int)(end - p), p, end > p ? "/" : "./", word) >=
                    PATH_MAX)
                        continue;
                one = runnable(ret);
                if (one == 0)
                        return 0;
                r = one == -EACCES ? one : r;
        }
        return r;
}

int hb_program_find(const char *word, char ret[PATH_MAX], struct hb_err *e) {
        char path[PATH_MAX];
        int r;

        if (strlen(word) >= PATH_MAX || !word[0])
                return hb_err_set(e, -ENOENT, NULL, "give a command",
                                  "the command's name is empty or too long");
        if (strchr(word, '/')) {
                snprintf(path, sizeof(path), "%s", word);
                r = runnable(path);
        } else {
                r = in_path(word, path);
        }
        if (r == -EACCES)
                return hb_err_set(e, r, word, "chmod +x, or name the program itself",
                                  "the file is not a program");
        if (r < 0)
                return hb_err_set(e, r, word, "give its path, or install it", "there is no such program: %s",
                                  strerror(-r));
        memcpy(ret, path, sizeof(path));
        return 0;
}

static const char *machine_name(uint16_t machine) {
        switch (machine) {
        case EM_386:
                return "32-bit x86";
        case EM_AARCH64:
                return "arm64";
        case EM_ARM:
                return "arm";
        case EM_RISCV:
                return "riscv64";
        case EM_PPC64:
                return "ppc64";
        case EM_S390:
                return "s390x";
        }
        return "another architecture";
}

static int check_elf(const char *path, const uint8_t *head, size_t n, struct hb_err *e) {
        struct hb_rd rd = hb_rd_init(head, n);
        uint16_t type, machine;

        hb_rd_raw(&rd, EI_NIDENT);
        type = hb_rd_u16(&rd);
        machine = hb_rd_u16(&rd);
        if (!hb_rd_ok(&rd) || (type != ET_EXEC && type != ET_DYN))
                return hb_err_set(e, -ENOEXEC, path, "name a program", "the file is no program");
        if (machine != EM_X86_64 || head[EI_CLASS] != ELFCLASS64)
                return hb_err_set(
                        e, -EOPNOTSUPP, path, "give the program of this machine's architecture (amd64)",
                        "the program is for %s, and only x86-64 ones can be recorded", machine_name(machine));
        return 0;
}

/* qemu-user runs as the caller, so a program that counts on other rights would run without them, and fail
 * oddly. */
static int check_rights(const char *path, int fd, struct hb_err *e) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return hb_err_set(e, -errno, path, NULL, "the program cannot be looked at: %s",
                                  strerror(errno));
        if (((st.st_mode & S_ISUID) && st.st_uid != geteuid()) ||
            ((st.st_mode & S_ISGID) && st.st_gid != getegid()))
                return hb_err_set(
                        e, -EPERM, path, "record it as the user it belongs to",
                        "the program takes another user's rights, which it has not under an emulator");
        return 0;
}

static void push_word(struct hb_program *p, const char *from, size_t n) {
        memmove(p->words + 1, p->words, sizeof(p->words[0]) * p->nwords);
        snprintf(p->words[0], sizeof(p->words[0]), "%.*s", (int)n, from);
        p->nwords++;
}

/* "#!interpreter [one argument]": the file becomes an argument of the interpreter. */
static int follow_script(struct hb_program *p, char *line, struct hb_err *e) {
        char *interpreter, *arg;

        if (p->nwords + 2 > 2 * HB_PROGRAM_SCRIPTS)
                return hb_err_set(e, -ELOOP, p->path, "name the program itself",
                                  "scripts run by scripts, without end");
        line[strcspn(line, "\n")] = '\0';
        interpreter = line + strspn(line, " \t");
        arg = interpreter + strcspn(interpreter, " \t");
        if (*arg)
                *arg++ = '\0';
        arg += strspn(arg, " \t");
        for (size_t n = strlen(arg); n && (arg[n - 1] == ' ' || arg[n - 1] == '\t'); n--)
                arg[n - 1] = '\0';
        push_word(p, p->path, strlen(p->path));
        if (arg[0])
                push_word(p, arg, strlen(arg));
        snprintf(p->name, sizeof(p->name), "%s", interpreter);
        return hb_program_find(interpreter, p->path, e);
}

int hb_program_open(const char *word, struct hb_program *p, struct hb_err *e) {
        char head[HEAD + 1];
        int r = hb_program_find(word, p->path, e), fd;
        ssize_t n;

        snprintf(p->name, sizeof(p->name), "%s", word);
        p->nwords = 0;
        while (r == 0) {
                fd = open(p->path, O_RDONLY | O_CLOEXEC);
                n = fd < 0 ? -1 : read(fd, head, HEAD);
                if (n < 0)
                        r = hb_err_set(e, -errno, p->path, "the emulator has to read it: chmod +r",
                                       "the program cannot be read: %s", strerror(errno));
                else
                        r = check_rights(p->path, fd, e);
                if (fd >= 0)
                        close(fd);
                if (r < 0 || n < 0)
                        break;
                head[n] = '\0';
                if (n >= 4 && memcmp(head, ELFMAG, SELFMAG) == 0)
                        return check_elf(p->path, (uint8_t *)head, (size_t)n, e);
                r = n > 2 && head[0] == '#' && head[1] == '!'
                            ? follow_script(p, head + 2, e)
                            : hb_err_set(e, -ENOEXEC, p->path, "name a program", "the file is no program");
        }
        return r;
}
