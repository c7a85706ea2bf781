/* console: the live views of this host and others, on a screen or as lines. */
#include "cli/command.h"
#include "console/console.h"
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#define MOST_SOCKETS 64u

static int pick_output(struct hb_cli *c, struct hb_console_options *o, struct hb_err *e) {
        bool plain = hb_cli_flag(c, "plain"), csv = hb_cli_flag(c, "csv");

        if (plain + csv + c->json > 1)
                return hb_err_set(e, -EINVAL, plain ? "--plain" : "--csv",
                                  "give one of --plain, --json, --csv", "these exclude each other");
        o->out = plain ? HB_OUT_PLAIN : csv ? HB_OUT_CSV : c->json ? HB_OUT_JSON : HB_OUT_SCREEN;
        return 0;
}

static int check(const struct hb_cli *c, const struct hb_console_options *o, struct hb_err *e) {
        if (o->demo && (o->play || c->nwords > 0))
                return hb_err_set(e, -EINVAL, "--demo", "leave out the sockets and --play",
                                  "the demo plays its own traces");
        if (o->subject && !o->view)
                return hb_err_set(e, -EINVAL, "--of", "say of which view: --view guest",
                                  "no view was given that it could be for");
        if (o->out == HB_OUT_SCREEN && hb_cli_value(c, "ticks"))
                return hb_err_set(e, -EINVAL, "--ticks", "add --plain, --json or --csv",
                                  "the screen stays until it is left");
        return 0;
}

/* Each second a snapshot is parsed into thousands of small objects, and the one before is freed: the heap
 * keeps its room between the two instead of giving it back and asking again. */
static void keep_heap(void) {
        mallopt(M_TRIM_THRESHOLD, 64 << 20);
        mallopt(M_MMAP_THRESHOLD, 8 << 20);
}

static int run_console(struct hb_cli *c, struct hb_err *e) {
        const char *sockets[MOST_SOCKETS + 1] = {NULL};
        char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        struct hb_cli_interrupt stop;
        struct hb_console_options o = {
                .sockets = sockets,
                .socket = c->socket,
                .config = hb_cli_value(c, "config"),
                .view = hb_cli_value(c, "view"),
                .subject = hb_cli_value(c, "of"),
                .control = hb_cli_flag(c, "control"),
                .no_color = c->io->no_color || !c->color,
                .utf8 = c->io->utf8,
                .play = hb_cli_value(c, "play"),
                .demo = hb_cli_flag(c, "demo"),
                .every_s = hb_cli_value(c, "every") ? hb_cli_number(c, "every") : 0,
                .ticks = hb_cli_value(c, "ticks") ? (unsigned)hb_cli_number(c, "ticks") : 0,
                .stream = c->io->out,
                .err = c->io->err,
        };
        int r;

        self[n > 0 ? n : 0] = '\0';
        o.program = self;
        if (c->nwords > MOST_SOCKETS)
                return hb_err_set(e, -EINVAL, c->words[MOST_SOCKETS], "look at fewer hosts at once",
                                  "at most %u sockets", MOST_SOCKETS);
        for (unsigned i = 0; i < c->nwords; i++)
                sockets[i] = c->words[i];
        r = pick_output(c, &o, e);
        if (r == 0)
                r = check(c, &o, e);
        if (r < 0)
                return r;
        keep_heap();
        if (o.out == HB_OUT_SCREEN)
                return hb_console_run(&o, e); /* the screen has signals of its own to see to */
        hb_cli_interrupt_begin(c, &stop);
        o.stop_fd = &stop.fd;
        r = hb_console_run(&o, e);
        hb_cli_interrupt_end(&stop);
        return r;
}

const struct hb_cli_command hb_cli_console = {
        .name = "console",
        .summary = "watch hosts, guests and moves live, and steer them",
        .about = "A screen of views on one daemon or several; ? lists the keys. It looks only, unless "
                 "started with "
                 "--control; what moves a guest wants its name typed even then. --plain, --json and --csv "
                 "print "
                 "the same views without a screen. With --plain lines are taken from standard input: an "
                 "action's "
                 "name or a key, and the answers to what it asks. Its settings are in "
                 "$XDG_CONFIG_HOME/harbinger/console.ini, which it never writes; where it was left is "
                 "remembered "
                 "under $XDG_STATE_HOME.",
        .examples =
                {
                        "console --demo                     # a recorded move, without any daemon",
                        "console                            # the daemon of this host",
                        "console --control /run/harbinger/control.sock /tmp/b.sock  # two hosts (ssh -L "
                        "makes /tmp/b.sock)",
                        "console --view guest --of vm1",
                        "console --json --view placement --of vm1",
                        "console --play run.hbt             # a trace in the same views",
                },
        .operands = {{"SOCKET", HB_CLI_TEXT, .optional = true, .many = true}},
        .options =
                {
                        {"control", 'c', HB_CLI_FLAG, NULL, .help = "allow what changes something"},
                        {"view", 'v', HB_CLI_TEXT, "VIEW", .help = "begin with this view"},
                        {"of", 0, HB_CLI_TEXT, "NAME", .help = "the guest or host the view is about"},
                        {"plain", 'p', HB_CLI_FLAG, NULL,
                         .help = "lines instead of a screen; takes lines too"},
                        {"csv", 0, HB_CLI_FLAG, NULL, .help = "the view's table as CSV, and end"},
                        {"every", 'n', HB_CLI_REAL, "S", .min = 0.2, .max = 3600,
                         .help = "seconds between pictures (1)"},
                        {"ticks", 0, HB_CLI_COUNT, "N", .min = 1, .max = 1e9,
                         .help = "print so many, then end"},
                        {"play", 0, HB_CLI_TEXT, "TRACE", .help = "play this trace"},
                        {"demo", 0, HB_CLI_FLAG, NULL, .help = "play the shipped traces; no daemon, no root"},
                        {"config", 0, HB_CLI_TEXT, "FILE", .help = "instead of console.ini"},
                },
        .run = run_console,
};
