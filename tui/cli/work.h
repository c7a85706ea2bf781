/* work: a long command that goes through files: its progress line (on a terminal's standard error only, never
 * with --json) and its end on ctrl-C. */
#pragma once
#include "cli/command.h"
#include <stdint.h>

struct hb_cli_work {
        struct hb_cli *c;
        const char *subject; /* "reading vm1.hbt" */
        struct hb_cli_interrupt stop;
        uint64_t began_ns, shown_ns;
        bool open; /* a line without its end is on the terminal */
};

/* From here to the end an interrupt is an answer of tick, not the end of the program. */
void hb_cli_work_begin(struct hb_cli_work *w, struct hb_cli *c, const char *subject);
/* `at` bytes of `of` (0: not known) are done. Cheap; the line is redrawn at most five times a second. True:
 * asked to stop.
 */
bool hb_cli_work_tick(struct hb_cli_work *w, uint64_t at, uint64_t of);
/* The same for work that is not measured in bytes: `what` ("epoch 120, coverage 91.2 %"), then the time to
 * go. */
bool hb_cli_work_share(struct hb_cli_work *w, double share, const char *what);
void hb_cli_work_end(struct hb_cli_work *w); /* clears the line */
