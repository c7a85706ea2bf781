/* cmd_trace_repl: the session's commands, between its two files. */
#pragma once
#include "cli/command.h"
#include "replay/lens.h"

#define HB_REPL_WORDS 3u

struct hb_repl {
        struct hb_cli *c;
        hb_replay *r;
        hb_replay_lens *lens;
        char **words; /* after the command */
        unsigned nwords;
        struct hb_replay_point point; /* of the last epoch done */
        uint32_t began;               /* the epoch after which it heard of fetches */
        bool ended, quit;
};

struct hb_repl_verb {
        const char *name, *words, *help;
        unsigned most; /* words */
        /* 0; -EINVAL: the line was wrong, *e says how; any other error ends the session. */
        int (*run)(struct hb_repl *l, struct hb_err *e);
};

int hb_repl_step(struct hb_repl *l, struct hb_err *e);
int hb_repl_until(struct hb_repl *l, struct hb_err *e);
int hb_repl_point(struct hb_repl *l, struct hb_err *e);
int hb_repl_page(struct hb_repl *l, struct hb_err *e);
int hb_repl_top(struct hb_repl *l, struct hb_err *e);
int hb_repl_columns(struct hb_repl *l, struct hb_err *e);
int hb_repl_decisions(struct hb_repl *l, struct hb_err *e);
int hb_repl_stats(struct hb_repl *l, struct hb_err *e);
int hb_repl_quality(struct hb_repl *l, struct hb_err *e);
