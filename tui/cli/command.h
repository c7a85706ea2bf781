/* command: the table of commands, and what a command's code works with. Parsing, help, the manual page and
 * completion are all made from these rows. */
#pragma once
#include "base/err.h"
#include "cli/cli.h"
#include <jansson.h>
#include <signal.h>
#include <stddef.h>

enum hb_cli_type {
        HB_CLI_FLAG,  /* no value */
        HB_CLI_TEXT,  /* any */
        HB_CLI_NAME,  /* guest or host, as hb_name_ok */
        HB_CLI_COUNT, /* whole number, 0x too */
        HB_CLI_REAL,
};

struct hb_cli_option {
        const char *name; /* "to" for --to */
        char letter;      /* 'o' for -o; 0: none */
        enum hb_cli_type type;
        const char *value; /* "HOST", for help; NULL for flags */
        bool required;
        double min, max;  /* numbers */
        const char *help; /* starts small, no full stop */
        /* What shells complete the value by: words that are all there are, or @files, @dirs, @guests ... of
         * completion.h. NULL: what `value` stands for there. */
        const char *completes;
};

struct hb_cli_operand {
        const char *name; /* "GUEST" */
        enum hb_cli_type type;
        bool optional;
        double min, max;
        bool many;             /* the last operand: may be given again and again; all of them are c->words */
        const char *completes; /* as of an option */
};

#define HB_CLI_MAX_OPTIONS  24
#define HB_CLI_MAX_OPERANDS 3

struct hb_cli;
struct hb_cli_command {
        const char *name;        /* "guest attach" */
        const char *summary;     /* one line, starts small, no full stop */
        const char *about;       /* a paragraph; NULL */
        const char *examples[6]; /* without "harbinger"; "command  # why" */
        const char *forms[5];    /* of the synopsis, without "harbinger NAME"; none: made from the rows */
        struct hb_cli_operand operands[HB_CLI_MAX_OPERANDS];
        struct hb_cli_option options[HB_CLI_MAX_OPTIONS];
        const char *trailing; /* what may follow "--", for help: "CMD [ARG...]"; NULL: nothing */
        /* 0; a negative errno with *e filled; or an exit code > 0 when all was already said. */
        int (*run)(struct hb_cli *c, struct hb_err *e);
};

/* NULL ends the list. */
extern const struct hb_cli_command *const hb_cli_commands[];
extern const struct hb_cli_option
        hb_cli_common[]; /* --socket, --json, --no-color, --help; name NULL ends it */

/* ---- what a running command sees ---- */
struct hb_cli {
        const struct hb_cli_io *io;
        const struct hb_cli_command *command;
        const char *values[HB_CLI_MAX_OPTIONS];        /* by row; a set flag is "" */
        const char *operands[HB_CLI_MAX_OPERANDS + 1]; /* NULL where left out */
        const char **words;                            /* the operand that may be many, from its first on */
        unsigned nwords;
        const char *rest[8];   /* `help` takes words of any number */
        char *const *trailing; /* the words after "--", NULL ends them; NULL: none */
        const char *socket;
        bool json, color, help;
        struct hb_ctl_client *client; /* open once a command has called */
};

/* By the option's name, which must be in the command's rows. */
const char *hb_cli_value(const struct hb_cli *c, const char *option); /* NULL: not given */
bool hb_cli_flag(const struct hb_cli *c, const char *option);
double hb_cli_number(const struct hb_cli *c,
                     const char *option); /* given and checked; for operands hb_cli_read_number */
bool hb_cli_read_number(enum hb_cli_type type, const char *text, double *ret);

/* A long command of its own: while it holds this, a SIGINT or SIGTERM (or the caller's interrupt_fd) is an
 * answer of hb_cli_interrupted and not the end of the program, so that what is half done is put away. */
struct hb_cli_interrupt {
        int fd;
        sigset_t before;
        bool ours, seen;
};
void hb_cli_interrupt_begin(const struct hb_cli *c, struct hb_cli_interrupt *i);
bool hb_cli_interrupted(struct hb_cli_interrupt *i); /* never blocks; stays true; the holder's thread only */
void hb_cli_interrupt_end(struct hb_cli_interrupt *i);

/* One call to the daemon. args is stolen. timeout_ms as in ctl.h. A SIGINT or SIGTERM ends the wait with
 * -EINTR. */
int hb_cli_call(struct hb_cli *c, const char *cmd, json_t *args, int timeout_ms,
                void (*progress)(void *arg, const json_t *p), void *arg, json_t **ret, struct hb_err *e);
#define HB_CLI_SOON_MS 30000 /* for what the daemon answers from memory */

/* The result as --json prints it: one object, indented by two spaces. Steals result. */
int hb_cli_print_json(struct hb_cli *c, json_t *result, struct hb_err *e);
/* Sets a member where value is given; steals value. */
void hb_cli_set(json_t *object, const char *key, json_t *value);
