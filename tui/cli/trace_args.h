/* trace_args: what the trace commands of this folder share: ranges on the command line, a trace to read, and
 * the file to write. */
#pragma once
#include "cli/command.h"
#include "trace/trace.h"

/* "A-B" (both included), "A-" (to the end), "A" (that one alone); 0x too. For A-: *ret_last is UINT64_MAX. */
bool hb_cli_read_range(const char *text, uint64_t *ret_first, uint64_t *ret_last);
/* The option's value as pages: first and how many (0: to the end). Left untouched when it was not given. */
int hb_cli_pages(const struct hb_cli *c, const char *option, uint64_t *first, uint64_t *npages,
                 struct hb_err *e);
/* "done" lines on standard error: not data. With --json nothing. */
void hb_cli_say(const struct hb_cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* ISO 8601, UTC; "unknown" for 0. buf: at least 32. */
const char *hb_cli_unix_time(uint64_t unix_ns, char *buf);
