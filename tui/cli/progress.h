/* progress: what a long command does, on standard error: one line rewritten on a terminal, a plain line every
 * 5 s elsewhere, nothing with --json. */
#pragma once
#include "cli/command.h"
#include <stdint.h>

struct hb_cli_progress {
        struct hb_cli *c;
        const char *subject; /* "vm1 -> b" */
        uint64_t last_ns;    /* when the last line was printed; 0: never */
        bool open;           /* a line without its end is on the terminal */
};

/* For hb_cli_call: takes a placement object or a migration's progress object. */
void hb_cli_progress_show(void *arg, const json_t *p);
void hb_cli_progress_end(struct hb_cli_progress *p); /* clears the line */
/* The line itself: state, remaining bytes, dirty rate, transfer rate, trend, estimate. */
void hb_cli_progress_line(const char *subject, const json_t *p, char *buf, size_t size);
/* Bytes that a placement or migration object still has to send; NaN: unknown. */
double hb_cli_remaining(const json_t *p);
/* "interrupted": says that the command goes on, and how to follow or end it. Fills *e, returns -EINTR. */
int hb_cli_goes_on(const char *what, const char *guest, const char *next, struct hb_err *e);
