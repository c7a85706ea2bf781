/* capture: every load and store of one program, or of a whole guest, into a trace.
 *
 * The command runs under QEMU with our plugin (trace_tools/plugin): a program under qemu-user, its virtual
 * pages made dense (dense.h); a command that is itself a qemu-system-x86_64 with `-plugin` added, its pages
 * being the daemon's gfns of the same guest. Standard input, output, errors, environment and signals are the
 * command's.
 *
 * Children that a program forks run on, and are not recorded; a program that replaces itself (execve) is
 * recorded until then. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

enum hb_capture_unit {                     /* what a window, one epoch of the trace, is measured in */
                       HB_CAPTURE_DEFAULT, /* a program: 4,000,000 accesses; a guest: 1 s */
                       HB_CAPTURE_ACCESSES,
                       HB_CAPTURE_NS,
                       HB_CAPTURE_INSTRUCTIONS
};

struct hb_capture_progress {
        uint64_t epochs, pages, records, accesses,
                bytes;  /* pages: numbers given out so far, or the guest's */
        double seconds; /* of the clock on the wall */
};

struct hb_capture_options {
        const char *path;
        char *const *argv;             /* the command, NULL-ended */
        const char *guest;             /* the name in the trace; NULL: made from the command */
        const char *plugin, *emulator; /* NULL: found. emulator: for programs */
        enum hb_capture_unit unit;
        uint64_t window;
        bool replace; /* an existing file, when all went well; else it is -EEXIST */
        int stop_fd;  /* readable: the command gets a SIGTERM, once. -1: none */
        void (*progress)(void *arg, const struct hb_capture_progress *p); /* after windows; NULL */
        void *arg;
};

struct hb_capture_result {
        struct hb_capture_progress sum;
        uint64_t lost;  /* accesses without memory to count them */
        uint32_t forks; /* children that are not in the trace */
        int status;     /* the command's exit code, 128 + N when signal N ended it */
        bool complete;  /* its last window is there too */
        bool replaced;  /* by another program: what that did is not in the trace */
        bool left;      /* a guest that became a daemon, and was asked to be recorded no longer */
        bool whole_guest;
};

/* 0: a whole trace was written, whatever the command's exit code. Nothing is left of a trace when the command
 * could not be started. One at a time in a process: signals are caught while it runs. */
int hb_capture_run(const struct hb_capture_options *o, struct hb_capture_result *ret, struct hb_err *e);
