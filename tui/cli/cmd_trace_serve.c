/* trace serve: traces played behind two control sockets, as if they were two hosts. The console starts one of
 * these for a replay and for the demonstration; anything else that speaks the control language may look too.
 */
#include "author/installed.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/trace_args.h"
#include "stage/stage.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOWEST 0.1
#define FASTEST 1000.0

struct serve {
        struct hb_stage_options o;
        char demo[HB_STAGE_DEMO_MAX][4096];
        const char *traces[HB_STAGE_DEMO_MAX + 1];
        char policies[PATH_MAX];
};

static int read_traces(struct hb_cli *c, struct serve *s, struct hb_err *e) {
        bool demo = hb_cli_flag(c, "demo");
        int n;

        if (demo == (c->nwords > 0))
                return hb_err_set(e, -EINVAL, "FILE", "harbinger trace serve --demo --dir DIR",
                                  demo ? "--demo has traces of its own" : "give a trace, or --demo");
        s->o.traces = c->words;
        if (!demo)
                return 0;
        n = hb_stage_demo_traces(s->demo, e);
        if (n < 0)
                return n;
        for (int i = 0; i < n; i++)
                s->traces[i] = s->demo[i];
        s->o.traces = s->traces;
        hb_stage_demo_options(&s->o);
        return 0;
}

static int bad(const char *option, const char *value, const char *next, struct hb_err *e) {
        return hb_err_set(e, -EINVAL, value, next, "--%s cannot be understood", option);
}

static int read_link(const struct hb_cli *c, struct hb_stage_options *o, struct hb_err *e) {
        const char *link = hb_cli_value(c, "link"), *latency = hb_cli_value(c, "latency"),
                   *at = hb_cli_value(c, "migrate-at");

        if (link && (hb_units_rate(link, &o->link_bytes_per_s) < 0 || !(o->link_bytes_per_s > 0)))
                return bad("link", link, "a rate: 1gbit, 800mbit, 125MB/s", e);
        if (latency && (hb_units_seconds(latency, &o->latency_s) < 0 || !(o->latency_s > 0)))
                return bad("latency", latency, "a time: 200us, 1.5ms", e);
        if (at && (hb_units_seconds(at, &o->migrate_at_s) < 0 || o->migrate_at_s > 1e9))
                return bad("migrate-at", at, "seconds since the trace's begin: 30", e);
        return 0;
}

static int read_options(struct hb_cli *c, struct serve *s, struct hb_err *e) {
        struct hb_stage_options *o = &s->o;
        int r;

        *o = (struct hb_stage_options){.migrate_at_s = -1, .stop_fd = -1, .eof_fd = -1};
        r = read_traces(c, s, e);
        if (r == 0)
                r = read_link(c, o, e);
        if (r < 0)
                return r;
        o->policy_dir = hb_cli_value(c, "policies");
        if (!o->policy_dir && hb_author_policies_dir(s->policies, NULL) == 0)
                o->policy_dir = s->policies;
        o->speed = hb_cli_value(c, "speed") ? hb_cli_number(c, "speed") : 1;
        o->paused = hb_cli_flag(c, "paused");
        o->again = o->again || hb_cli_flag(c, "again");
        o->simulated = o->simulated || hb_cli_flag(c, "simulated");
        o->eof_fd = hb_cli_flag(c, "until-eof") ? STDIN_FILENO : -1;
        return 0;
}

static int tell(struct hb_cli *c, const char *dir, struct hb_err *e) {
        int r = 0;

        if (c->json) {
                char a[PATH_MAX], b[PATH_MAX];

                snprintf(a, sizeof(a), "%s/a.sock", dir);
                snprintf(b, sizeof(b), "%s/b.sock", dir);
                r = hb_cli_print_json(
                        c, json_pack("{s:s,s:s,s:s}", "dir", dir, "source_socket", a, "target_socket", b), e);
        } else {
                fprintf(c->io->out,
                        "host a: %s/a.sock\nhost b: %s/b.sock\n"
                        "look: harbinger --socket %s/b.sock status, or harbinger console with both sockets\n",
                        dir, dir, dir);
        }
        fflush(c->io->out);
        return r;
}

static int run_serve(struct hb_cli *c, struct hb_err *e) {
        struct serve *s = calloc(1, sizeof(*s));
        const char *dir = hb_cli_value(c, "dir");
        struct hb_cli_interrupt stop;
        hb_stage *stage = NULL;
        int r = s ? read_options(c, s, e) : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");

        if (r < 0) {
                free(s);
                return r;
        }
        hb_cli_interrupt_begin(c, &stop);
        s->o.stop_fd = stop.fd;
        r = hb_stage_new(dir, &s->o, &stage, e);
        if (r == 0)
                r = tell(c, dir, e);
        if (r == 0)
                r = hb_stage_run(stage, e);
        hb_stage_free(stage);
        hb_cli_interrupt_end(&stop);
        free(s);
        return r;
}

const struct hb_cli_command hb_cli_trace_serve = {
        .name = "trace serve",
        .summary = "play traces behind two control sockets, as if they were two hosts",
        .about = "DIR/a.sock is the host that the traces' guests run on, DIR/b.sock the host they are placed "
                 "on. "
                 "Both speak the daemon's control language: the console, status, policy and migrate work on "
                 "them "
                 "with --socket, and the request replay plays, pauses, steps and goes to any moment. A "
                 "recording "
                 "of a placement shows the decisions that were made, and its own move; any other trace is "
                 "decided "
                 "now, over a simulated link, and takes orders: place, migrate, policies. No root, no guest, "
                 "no "
                 "daemon. DIR is made, and gone at the end (ctrl-C, or the end of standard input with "
                 "--until-eof).",
        .examples = {"trace serve --demo --dir /tmp/demo", "trace serve vm1.hbt --dir /tmp/r --speed 10",
                     "trace serve vm1.hbt vm2.hbt --dir /tmp/r --link 200mbit --migrate-at 60",
                     "trace serve vm1.hbt --dir /tmp/r --simulated --policies ./my  # try a policy on it"},
        .operands = {{"FILE", HB_CLI_TEXT, .optional = true, .many = true}},
        .options = {{"dir", 0, HB_CLI_TEXT, "DIR", true, 0, 0, "a folder to be made, for the two sockets"},
                    {"demo", 0, HB_CLI_FLAG, NULL, false, 0, 0,
                     "the shipped traces, with a move, again and again"},
                    {"speed", 0, HB_CLI_REAL, "X", false, SLOWEST, FASTEST,
                     "how many times as fast as it was (default: 1)"},
                    {"paused", 0, HB_CLI_FLAG, NULL, false, 0, 0, "stand still at the begin"},
                    {"again", 0, HB_CLI_FLAG, NULL, false, 0, 0, "at the end, begin again"},
                    {"migrate-at", 0, HB_CLI_TEXT, "S", false, 0, 0,
                     "the first guest moves then, in seconds from the begin"},
                    {"link", 0, HB_CLI_TEXT, "RATE", false, 0, 0, "of the simulated link (default: 1gbit)"},
                    {"latency", 0, HB_CLI_TEXT, "TIME", false, 0, 0, "there and back (default: 200us)"},
                    {"policies", 0, HB_CLI_TEXT, "DIR", false, 0, 0,
                     "has predict/, score/ and threshold/ (default: the shipped ones)"},
                    {"simulated", 0, HB_CLI_FLAG, NULL, false, 0, 0, "never the recorded decisions"},
                    {"until-eof", 0, HB_CLI_FLAG, NULL, false, 0, 0, "end when standard input does"}},
        .run = run_serve,
};
