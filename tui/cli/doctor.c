/* doctor: looks at the machine through /proc and libc alone. What a tracker can do is found by trying, which
 * is the daemon's art (harbingerd --probe), not by guessing from the kernel's version here. */
#include "cli/doctor.h"
#include "cli/child.h"
#include "control/ctl.h"
#include "draw/format.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TMPFS_MAGIC 0x01021994
#define QEMU_MS     10000

void hb_doctor_add(json_t *checks, const char *name, enum hb_check ok, const char *detail, const char *next) {
        static const char *const words[] = {"ok", "warn", "fail"};
        json_t *check = json_pack("{s:s,s:s,s:o,s:o}", "name", name, "ok", words[ok], "detail",
                                  hb_ctl_text(detail), "next", hb_ctl_text(next));

        if (check)
                json_array_append_new(checks, check);
}

/* MAJOR.MINOR at the beginning of text, as MAJOR * 100 + MINOR. */
static unsigned version_at(const char *text) {
        unsigned major, minor;

        return sscanf(text, "%3u.%2u", &major, &minor) == 2 ? major * 100 + minor : 0;
}

unsigned hb_doctor_kernel(const char *release) {
        return version_at(release);
}

unsigned hb_doctor_qemu(const char *version) {
        const char *at = strstr(version, " version ");

        return at ? version_at(at + strlen(" version ")) : 0;
}

static void check_kernel(json_t *checks) {
        struct utsname u;
        char line[300];

        if (uname(&u) < 0)
                return;
        snprintf(line, sizeof(line), "%.64s %.64s %.64s", u.sysname, u.release, u.machine);
        if (strcmp(u.machine, "x86_64") != 0)
                hb_doctor_add(checks, "kernel", HB_CHECK_FAIL, line, "only x86-64 is supported");
        else if (hb_doctor_kernel(u.release) >= 607)
                hb_doctor_add(checks, "kernel", HB_CHECK_OK, line, "");
        else
                hb_doctor_add(checks, "kernel", HB_CHECK_WARN, line,
                              "Linux 6.7 or later tracks exactly and at the least cost (on Debian 12: "
                              "linux-image-amd64 from bookworm-backports)");
}

static int read_number(const char *path) {
        char text[32] = "";
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

        if (fd >= 0)
                close(fd);
        return n > 0 ? atoi(text) : -1;
}

/* Attaching traces the guest's process for a moment. */
static void check_ptrace(json_t *checks) {
        int scope = read_number("/proc/sys/kernel/yama/ptrace_scope");

        if (scope == 3)
                hb_doctor_add(
                        checks, "attaching", HB_CHECK_FAIL,
                        "kernel.yama.ptrace_scope is 3: no process may trace another until the next boot",
                        "set it to 2 or less in /etc/sysctl.d and boot");
        else
                hb_doctor_add(checks, "attaching", HB_CHECK_OK, "processes may be traced by root", "");
}

static void check_shm(json_t *checks) {
        char line[200], num[HB_FMT_SIZE];
        struct statfs fs;

        if (statfs("/dev/shm", &fs) < 0 || fs.f_type != TMPFS_MAGIC) {
                hb_doctor_add(checks, "memory files", HB_CHECK_WARN, "/dev/shm is no tmpfs",
                              "mount a tmpfs and set [host] image_dir to a folder on it");
                return;
        }
        snprintf(line, sizeof(line), "/dev/shm has %s free for guests that may come here",
                 hb_fmt_bytes((double)fs.f_bavail * (double)fs.f_bsize, num));
        hb_doctor_add(checks, "memory files", HB_CHECK_OK, line, "");
}

static void check_qemu(json_t *checks) {
        char text[512], *const argv[] = {(char *)"qemu-system-x86_64", (char *)"--version", NULL};
        int r = hb_cli_child(argv, QEMU_MS, text, sizeof(text));

        text[strcspn(text, "\n")] = '\0';
        if (r != 0)
                hb_doctor_add(checks, "qemu", HB_CHECK_WARN, "no qemu-system-x86_64 in PATH",
                              "needed for virtual machines only: apt install qemu-system-x86");
        else if (hb_doctor_qemu(text) >= 402)
                hb_doctor_add(checks, "qemu", HB_CHECK_OK, text, "");
        else
                hb_doctor_add(checks, "qemu", HB_CHECK_FAIL, text, "QEMU 4.2 or later is needed");
}

void hb_doctor_machine(json_t *checks) {
        check_kernel(checks);
        check_ptrace(checks);
        check_shm(checks);
        check_qemu(checks);
}

void hb_doctor_trackers(json_t *checks, const json_t *trackers) {
        bool any = false;
        char name[80], line[2000];
        json_t *t;
        size_t i;

        json_array_foreach((json_t *)trackers, i, t) {
                bool works = json_is_true(json_object_get(t, "works"));

                any = any || works;
                snprintf(name, sizeof(name), "tracker %.60s", hb_json_text(t, "name"));
                if (works)
                        snprintf(line, sizeof(line), "sees %.900s. %.900s", hb_json_text(t, "sees"),
                                 hb_json_text(t, "blind"));
                else
                        snprintf(line, sizeof(line), "does not work here: %.900s", hb_json_text(t, "why"));
                hb_doctor_add(checks, name, works ? HB_CHECK_OK : HB_CHECK_WARN, line,
                              works ? ""
                                    : "no harm while another tracker works; docs/OPERATING.md tells what "
                                      "each needs");
        }
        if (!any)
                hb_doctor_add(checks, "trackers", HB_CHECK_FAIL, "no tracker works here",
                              "docs/OPERATING.md tells what each needs");
}
