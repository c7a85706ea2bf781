/* arguments: told apart from the rest so that a wrong command line is refused before the guest runs. */
#include "plugin/arguments.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM_WINDOW 4000000u
#define GUEST_WINDOW   1000000000u
/* From interface version 2 on (QEMU 9.0) an address is the guest's physical one. QEMU 7.2 gives the place in
 * the emulator's RAM blocks, of which the guest's memory is the first. QEMU 8.1 and 8.2 give physical ones
 * under version 1: they have to be told with space=physical. */
#define PHYSICAL_SINCE 2

static int number(const char *text, uint64_t *ret) {
        char *end;

        errno = 0;
        *ret = strtoull(text, &end, 0);
        return errno || end == text || *end || *text == '-' ? -EINVAL : 0;
}

static int open_out(const char *text, int *ret) {
        uint64_t n;
        int fd;

        if (strncmp(text, "fd:", 3) == 0) {
                if (number(text + 3, &n) < 0 || n > 1u << 20 || fcntl((int)n, F_GETFD) < 0)
                        return -EBADF;
                *ret = (int)n;
                return 0;
        }
        fd = open(text, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
        if (fd < 0)
                return -errno;
        *ret = fd;
        return 0;
}

static int window(struct hb_windows_options *o, enum hb_frame_unit unit, uint64_t scale, const char *text) {
        if (number(text, &o->window) < 0 || !o->window || o->window > (1ull << 62) / scale)
                return -EINVAL;
        o->window *= scale;
        o->unit = unit;
        return 0;
}

static int one(const char *arg, struct hb_arguments *a, int *api) {
        if (strncmp(arg, "out=", 4) == 0)
                return a->windows.fd >= 0 ? -EINVAL : open_out(arg + 4, &a->windows.fd);
        if (strncmp(arg, "accesses=", 9) == 0)
                return window(&a->windows, HB_UNIT_ACCESSES, 1, arg + 9);
        if (strncmp(arg, "ms=", 3) == 0)
                return window(&a->windows, HB_UNIT_NS, 1000000, arg + 3);
        if (strncmp(arg, "instructions=", 13) == 0)
                return window(&a->windows, HB_UNIT_INSTRUCTIONS, 1, arg + 13);
        if (strncmp(arg, "ram=", 4) == 0)
                return number(arg + 4, &a->space.ram);
        if (strncmp(arg, "below4g=", 8) == 0)
                return number(arg + 8, &a->space.below4g);
        if (strcmp(arg, "space=physical") == 0 || strcmp(arg, "space=block") == 0) {
                *api = arg[6] == 'p' ? PHYSICAL_SINCE : PHYSICAL_SINCE - 1;
                return 0;
        }
        return -EINVAL;
}

int hb_arguments_parse(int argc, char *const *argv, bool whole_guest, int api, struct hb_arguments *ret,
                       char *why, size_t size) {
        struct hb_arguments a = {.windows = {.fd = -1, .whole_guest = whole_guest}};
        int r;

        for (int i = 0; i < argc; i++) {
                r = one(argv[i], &a, &api);
                if (r < 0) {
                        snprintf(why, size, "%s: %s", argv[i], strerror(-r));
                        goto fail;
                }
        }
        if (a.windows.fd < 0 || (whole_guest && !a.space.ram)) {
                snprintf(why, size, "%s",
                         a.windows.fd < 0 ? "out=fd:N or out=PATH is missing" : "ram=BYTES is missing");
                r = -EINVAL;
                goto fail;
        }
        if (!a.windows.unit) {
                a.windows.unit = whole_guest ? HB_UNIT_NS : HB_UNIT_ACCESSES;
                a.windows.window = whole_guest ? GUEST_WINDOW : PROGRAM_WINDOW;
        }
        if (api < PHYSICAL_SINCE || a.space.below4g >= a.space.ram)
                a.space.below4g = 0;
        *ret = a;
        return 0;
fail:
        if (a.windows.fd >= 0)
                close(a.windows.fd);
        return r;
}
