/* cli: the `harbinger` command as a function, so that tests run it without a process. Everything a person
 * types for Harbinger, one table row and one file a command; it knows the control socket's language and
 * nothing of the daemon behind it. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

struct hb_cli_io {
        FILE *out, *err; /* data; messages */
        bool out_tty, err_tty;
        unsigned width;     /* columns of the terminal, 0: unknown */
        bool no_color;      /* NO_COLOR is set */
        bool utf8;          /* the locale's character set: may lines and dots be drawn with it? */
        const char *socket; /* $HARBINGER_SOCKET, NULL or "": the default */
        const char *daemon; /* the harbingerd that belongs to this program, for doctor; NULL: none found */
        int interrupt_fd;   /* readable: stop waiting. -1: a SIGINT or SIGTERM does it */
};

/* Exit codes, documented in docs/OPERATING.md and every command's help. */
enum hb_cli_exit {
        HB_EXIT_OK = 0,
        HB_EXIT_FAILED = 1,
        HB_EXIT_USAGE = 2,
        HB_EXIT_NOT_FOUND = 3,
        HB_EXIT_NOT_PERMITTED = 4,
        HB_EXIT_UNREACHABLE = 5,
        HB_EXIT_REFUSED = 6,
        HB_EXIT_MISMATCH = 7,
        HB_EXIT_NO_SPACE = 8,
        HB_EXIT_TIMED_OUT = 9,
        HB_EXIT_ABORTED = 10,
        HB_EXIT_CODES
};

/* Runs one command line; returns its exit code. Output is flushed; a failed write to `out` is a failure. */
int hb_cli_run(const struct hb_cli_io *io, int argc, char *const *argv);
