/* cmd_trace: the two ways of `trace record`: a guest of a running daemon, and a command of one's own. */
#pragma once
#include "cli/command.h"
#include "replay/replay.h"

/* Rows that hb_cli_capture reads, besides "output" and "force". */
#define HB_CLI_CAPTURE_OPTIONS                                                                                \
        {"epoch-accesses",                                                                                    \
         0,                                                                                                   \
         HB_CLI_COUNT,                                                                                        \
         "N",                                                                                                 \
         false,                                                                                               \
         1,                                                                                                   \
         1e15,                                                                                                \
         "with CMD: an epoch is N loads and stores (default 4000000)"},                                       \
                {"epoch-time", 0,                                                                             \
                 HB_CLI_REAL,  "S",                                                                           \
                 false,        0.001,                                                                         \
                 1e6,          "with CMD: an epoch is S seconds on the clock (a whole guest's default: 1)"},  \
                {"epoch-instructions",                                                                        \
                 0,                                                                                           \
                 HB_CLI_COUNT,                                                                                \
                 "N",                                                                                         \
                 false,                                                                                       \
                 1,                                                                                           \
                 1e15,                                                                                        \
                 "with CMD: an epoch is N instructions"},                                                     \
                {"name", 0, HB_CLI_NAME, "NAME",                                                              \
                 false,  0, 0,           "with CMD: the guest's name in the trace (default: the program's)"}, \
        {                                                                                                     \
                "plugin", 0, HB_CLI_TEXT, "PATH", false, 0, 0,                                                \
                        "with CMD: harbinger-trace.so, when not found"                                        \
        }

/* `trace record -o FILE -- CMD`: c->trailing is the command. An exit code > 0 is CMD's own. */
int hb_cli_capture(struct hb_cli *c, struct hb_err *e);

/* Reads commands from standard input until quit or its end and does them on a replay that is open: step,
 * until, page, top, columns, decisions, stats, quality. A prompt only on a terminal. Wrong commands are told
 * and do not end it. 0, or an error of the replay or the output. */
int hb_cli_repl(struct hb_cli *c, hb_replay *r, struct hb_err *e);
