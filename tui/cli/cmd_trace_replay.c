/* trace replay: a trace through the engine again, and what came of it. */
#include "base/units.h"
#include "cli/cmd_trace.h"
#include "cli/replay_view.h"
#include "cli/trace_args.h"
#include "cli/work.h"
#include "draw/format.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLICIES "/usr/share/harbinger/policies"

struct run {
        struct hb_cli_work work;
        struct hb_curve coverage;
        json_t *points; /* NULL: not wanted */
};

/* ---- the command line ---- */

static int bad(const char *option, const char *value, const char *next, struct hb_err *e) {
        return hb_err_set(e, -EINVAL, value, next, "--%s cannot be understood", option);
}

static int read_link(const struct hb_cli *c, struct hb_replay_options *o, struct hb_err *e) {
        const char *link = hb_cli_value(c, "link"), *latency = hb_cli_value(c, "latency"),
                   *image = hb_cli_value(c, "image-size");

        if (link && (hb_units_rate(link, &o->link_bytes_per_s) < 0 || !(o->link_bytes_per_s > 0)))
                return bad("link", link, "a rate: 1gbit, 800mbit, 125MB/s", e);
        if (latency && hb_units_seconds(latency, &o->latency_s) < 0)
                return bad("latency", latency, "a time: 200us, 1.5ms", e);
        if (latency && !(o->latency_s > 0))
                o->latency_s = 1e-9; /* 0 would be the default */
        if (image && (hb_units_bytes(image, &o->image_bytes) < 0 || o->image_bytes < HB_PAGE_SIZE))
                return bad("image-size", image, "a size: 512MiB, 2GiB; at least a page", e);
        return 0;
}

static int read_moments(const char *list, struct hb_replay_options *o, struct hb_err *e) {
        char one[64];

        for (const char *p = list; p && *p; p += *p == ',') {
                size_t n = strcspn(p, ",");
                double s;

                snprintf(one, sizeof(one), "%.*s", (int)(n < 63 ? n : 63), p);
                if (o->migrate_moments == HB_REPLAY_MOMENTS)
                        return bad("migrate-at", list, "at most 16 moments", e);
                if (hb_units_seconds(one, &s) < 0 || s > 4e9)
                        return bad("migrate-at", list, "seconds since the trace's begin: 30,60,90", e);
                o->migrate_at_ns[o->migrate_moments++] = (uint64_t)(s * 1e9);
                p += n;
        }
        return 0;
}

static int read_budget(const struct hb_cli *c, struct hb_replay_options *o, struct hb_err *e) {
        const char *budget = hb_cli_value(c, "budget");

        o->oracle_budget = budget && strcmp(budget, "oracle") == 0;
        if (budget && !o->oracle_budget && strcmp(budget, "working-set") != 0)
                return bad("budget", budget, "working-set or oracle", e);
        return 0;
}

static int read_speed(const struct hb_cli *c, struct hb_replay_options *o, struct hb_err *e) {
        const char *speed = hb_cli_value(c, "speed");

        if (!speed || strcmp(speed, "max") == 0)
                return 0;
        if (strcmp(speed, "real") == 0)
                o->speed = 1;
        else if (!hb_cli_read_number(HB_CLI_REAL, speed, &o->speed) || !(o->speed > 0))
                return bad("speed", speed, "max, real, or how many times as fast as it was", e);
        return 0;
}

static int read_mode(const struct hb_cli *c, struct hb_replay_options *o, struct hb_err *e) {
        bool exact = hb_cli_flag(c, "exact"), simulated = hb_cli_flag(c, "simulated");

        if (exact && simulated)
                return hb_err_set(e, -EINVAL, NULL, "leave one of them out",
                                  "--exact and --simulated exclude each other");
        o->mode = exact ? HB_REPLAY_EXACT : simulated ? HB_REPLAY_SIMULATED : HB_REPLAY_AUTO;
        return 0;
}

static int read_options(const struct hb_cli *c, struct hb_replay_options *o, struct hb_err *e) {
        int r = read_link(c, o, e);

        o->quality = true;
        o->policies[HB_POLICY_PREDICTOR] = hb_cli_value(c, "predictor");
        o->policies[HB_POLICY_SCORER] = hb_cli_value(c, "scorer");
        o->policies[HB_POLICY_THRESHOLD] = hb_cli_value(c, "threshold");
        o->policy_dir = hb_cli_value(c, "policies");
        if (!o->policy_dir && access(POLICIES, R_OK) == 0)
                o->policy_dir = POLICIES;
        o->horizon_s = hb_cli_number(c, "horizon");
        o->seed = (uint64_t)hb_cli_number(c, "seed");
        o->until = (uint32_t)hb_cli_number(c, "until");
        o->model = hb_cli_value(c, "model");
        o->finetune = hb_cli_flag(c, "frozen") ? -1 : (int)hb_cli_number(c, "finetune");
        r = r < 0 ? r : read_moments(hb_cli_value(c, "migrate-at"), o, e);
        r = r < 0 ? r : read_budget(c, o, e);
        r = r < 0 ? r : read_speed(c, o, e);
        return r < 0 ? r : read_mode(c, o, e);
}

/* ---- running ---- */

static void on_point(void *arg, const struct hb_replay_point *p) {
        struct run *run = arg;

        if (p->accessed)
                hb_curve_add(&run->coverage, p->coverage);
        if (run->points)
                json_array_append_new(run->points, hb_cli_replay_point_json(p));
}

static int tick(void *arg, double share, const struct hb_replay_point *p) {
        struct run *run = arg;
        char what[100], num[HB_FMT_SIZE];

        snprintf(what, sizeof(what), "epoch %u, coverage %s", p->epoch, hb_fmt_share(p->coverage, num));
        return hb_cli_work_share(&run->work, share, what);
}

static int run_all(struct hb_cli *c, const struct hb_replay_options *o, struct run *run,
                   struct hb_replay_result *ret, struct hb_err *e) {
        int r;

        hb_cli_work_begin(&run->work, c, "replaying");
        r = hb_replay_run(c->operands[0], o, tick, run, ret, e);
        hb_cli_work_end(&run->work);
        return r;
}

/* Up to the epoch where the questions begin, then as its user says. */
static int run_asked(struct hb_cli *c, const struct hb_replay_options *o, struct hb_replay_result *ret,
                     struct hb_err *e) {
        struct hb_replay_options free_to_go = *o;
        struct hb_replay_point p = {0};
        hb_replay *replay;
        int r;

        free_to_go.until = 0;
        r = hb_replay_open(c->operands[0], &free_to_go, &replay, e);
        if (r < 0)
                return r;
        do {
                r = hb_replay_step(replay, e);
                hb_replay_point(replay, &p);
        } while (r > 0 && p.epoch < o->until);
        if (r >= 0)
                r = hb_cli_repl(c, replay, e);
        if (r == 0)
                hb_replay_result(replay, ret);
        hb_replay_free(replay);
        return r;
}

static int tell(struct hb_cli *c, const struct hb_replay_result *res, struct run *run, struct hb_err *e) {
        json_t *points = run->points;

        run->points = NULL;
        if (c->json)
                return hb_cli_print_json(c, hb_cli_replay_json(c->operands[0], res, points), e);
        hb_cli_replay_show(c, res, &run->coverage);
        return 0;
}

static int run_replay(struct hb_cli *c, struct hb_err *e) {
        struct hb_replay_options o = {0};
        struct hb_replay_result res = {0};
        struct run *run = calloc(1, sizeof(*run));
        bool ask = !c->json && (hb_cli_flag(c, "step") || hb_cli_flag(c, "until"));
        int r = run ? read_options(c, &o, e) : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");

        if (r == 0 && hb_cli_flag(c, "points") && c->json)
                run->points = json_array();
        o.on_point = on_point;
        o.watch_arg = run;
        if (r == 0 && ask && o.migrate_moments)
                r = hb_err_set(e, -EINVAL, "--migrate-at", "leave out --step and --until",
                               "a replay that stands still has no end to be asked about");
        if (r == 0)
                r = ask ? run_asked(c, &o, &res, e) : run_all(c, &o, run, &res, e);
        if (r == 0)
                r = tell(c, &res, run, e);
        if (run)
                json_decref(run->points);
        free(run);
        return r;
}

const struct hb_cli_command hb_cli_trace_replay = {
        .name = "trace replay",
        .summary = "run a trace through the engine: what would policies have done?",
        .about = "The production engine with a simulated guest and link (simulated), or with the very inputs "
                 "that it had (exact: for recordings of a placement, unless anything else is asked for); "
                 "exact "
                 "also tells whether every decision is the recorded one. The same trace and options give the "
                 "same result, at any speed. Prediction quality is what docs/POLICY_API.md says. --until and "
                 "--step stop there and read questions from standard input (help lists them).",
        .examples = {"trace replay vm1.hbt",
                     "trace replay vm1.hbt --policies ./my --predictor mine --horizon 20",
                     "trace replay vm1.hbt --link 1gbit --latency 200us --migrate-at 60,120,180",
                     "trace replay vm1.hbt --until 120  # then ask: top, page, decisions",
                     "trace replay vm1.hbt --json --points"},
        .operands = {{"FILE", HB_CLI_TEXT}},
        .options =
                {{"predictor", 0, HB_CLI_NAME, "NAME", false, 0, 0, "default: the trace's, else the built-in",
                  "@policies"},
                 {"scorer", 0, HB_CLI_NAME, "NAME", false, 0, 0, "the same", "@policies"},
                 {"threshold", 0, HB_CLI_NAME, "NAME", false, 0, 0, "the same", "@policies"},
                 {"policies", 0, HB_CLI_TEXT, "DIR", false, 0, 0,
                  "has predict/, score/ and threshold/ (default: " POLICIES ")"},
                 {"model", 0, HB_CLI_TEXT, "FILE", false, 0, 0,
                  "the model that policies ask (default: DIR/models/default.hbm)"},
                 {"finetune", 0, HB_CLI_COUNT, "N", false, 1, 100000,
                  "steps by which the model is trained on the way, every 5 s (default: as the daemon does)"},
                 {"frozen", 0, HB_CLI_FLAG, NULL, false, 0, 0, "the model stays as it is in its file"},
                 {"horizon", 0, HB_CLI_REAL, "S", false, 0.1, 3600,
                  "how far ahead a prediction looks (default: the trace's, else 10)"},
                 {"link", 0, HB_CLI_TEXT, "RATE", false, 0, 0, "of the simulated link (default: 1gbit)"},
                 {"latency", 0, HB_CLI_TEXT, "TIME", false, 0, 0, "there and back (default: 200us)"},
                 {"image-size", 0, HB_CLI_TEXT, "SIZE", false, 0, 0,
                  "room on the target (default: all of the guest)"},
                 {"budget", 0, HB_CLI_TEXT, "HOW", false, 0, 0,
                  "pages a prediction may name: working-set (default) or oracle", "working-set oracle"},
                 {"seed", 0, HB_CLI_COUNT, "N", false, 1, 9e15, "of the policies (default: the trace's)"},
                 {"speed", 0, HB_CLI_TEXT, "HOW", false, 0, 0, "max (default), real, or a factor",
                  "max real"},
                 {"until", 0, HB_CLI_COUNT, "E", false, 1, 4294967295.0, "stop after epoch E"},
                 {"step", 0, HB_CLI_FLAG, NULL, false, 0, 0, "stop after the first epoch"},
                 {"migrate-at", 0, HB_CLI_TEXT, "S,S,...", false, 0, 0,
                  "what a move asked for then would be, in seconds from the begin"},
                 {"exact", 0, HB_CLI_FLAG, NULL, false, 0, 0, "the recorded inputs, or refuse"},
                 {"simulated", 0, HB_CLI_FLAG, NULL, false, 0, 0, "never the recorded inputs"},
                 {"points", 0, HB_CLI_FLAG, NULL, false, 0, 0, "with --json: a point for each epoch too"}},
        .run = run_replay,
};
