/* migrate: the formal move: estimates it, does it, undoes it, settles what a crash left. */
#include "cli/progress.h"
#include "cli/status_view.h"
#include "cli/table.h"
#include "draw/format.h"
#include <errno.h>
#include <string.h>

static void show_result(struct hb_cli *c, const json_t *m) {
        char line[200], num[4][HB_FMT_SIZE];

        snprintf(line, sizeof(line), "%s from %s to %s", hb_json_text(m, "guest"), hb_json_text(m, "from"),
                 hb_json_text(m, "to"));
        hb_cli_field(c, strcmp(hb_json_text(m, "result"), "done") == 0 ? "moved" : hb_json_text(m, "result"),
                     line);
        hb_cli_field(c, "downtime", hb_fmt_ms(hb_json_number(m, "downtime_ms"), num[0]));
        hb_cli_field(c, "in all", hb_fmt_ms(hb_json_number(m, "total_ms"), num[0]));
        snprintf(line, sizeof(line), "%s, %s pages while it stood still; the guest holds %s",
                 hb_fmt_bytes(hb_json_number(m, "bytes_after"), num[0]),
                 hb_fmt_count(hb_json_number(m, "pages_final"), num[1]),
                 hb_fmt_bytes(hb_json_number(m, "nonzero_bytes"), num[2]));
        hb_cli_field(c, "after request", line);
        snprintf(line, sizeof(line), "%s in %s, summaries %s",
                 hb_fmt_bytes(hb_json_number(m, "placement.bytes"), num[0]),
                 hb_fmt_seconds(hb_json_number(m, "placement.seconds"), num[1]),
                 hb_fmt_bytes(hb_json_number(m, "placement.summary_bytes"), num[2]));
        hb_cli_field(c, "before it", line);
        snprintf(line, sizeof(line), "%s hit, %s late, %s stale, %s wasted",
                 hb_fmt_count(hb_json_number(m, "outcome.hit"), num[0]),
                 hb_fmt_count(hb_json_number(m, "outcome.late"), num[1]),
                 hb_fmt_count(hb_json_number(m, "outcome.stale"), num[2]),
                 hb_fmt_count(hb_json_number(m, "outcome.wasted"), num[3]));
        hb_cli_field(c, "pages", line);
}

static void show_dry_run(struct hb_cli *c, const json_t *m) {
        bool can = json_is_true(json_object_get(m, "can_move")),
             refuse = json_is_true(json_object_get(m, "would_refuse"));
        char line[200], num[2][HB_FMT_SIZE];

        snprintf(line, sizeof(line), "%s from %s to %s", hb_json_text(m, "guest"), hb_json_text(m, "from"),
                 hb_json_text(m, "to"));
        hb_cli_field(c, "move", line);
        hb_cli_field(c, "verdict",
                     !can                                        ? "cannot move"
                     : refuse                                    ? "would be refused"
                     : json_is_true(json_object_get(m, "ready")) ? "ready"
                                                                 : "would go, but is not ready");
        hb_cli_field(c, "because", hb_json_text(m, "why"));
        snprintf(line, sizeof(line), "%s (allowed: %s)",
                 hb_fmt_ms(hb_json_number(m, "estimate.downtime_ms"), num[0]),
                 hb_fmt_ms(hb_json_number(m, "max_downtime_ms"), num[1]));
        hb_cli_field(c, "downtime", line);
        hb_cli_field(c, "ready in", hb_fmt_seconds(hb_json_number(m, "estimate.time_to_ready_s"), num[0]));
        hb_cli_field(c, "after request", hb_fmt_bytes(hb_json_number(m, "estimate.bytes_after"), num[0]));
}

static void show_handover(struct hb_cli *c, const json_t *h) {
        hb_cli_field(c, "guest", hb_json_text(h, "guest"));
        hb_cli_field(c, "state", hb_json_text(h, "state_text"));
        hb_cli_field(c, "with", hb_json_text(h, "peer"));
        hb_cli_field(c, "reason", hb_json_text(h, "error.what"));
        hb_cli_field(c, "action", hb_json_text(h, "action"));
}

/* Prints and lets go of the result. */
static int show(struct hb_cli *c, json_t *result, void (*view)(struct hb_cli *, const json_t *),
                struct hb_err *e) {
        if (c->json)
                return hb_cli_print_json(c, result, e);
        view(c, result);
        json_decref(result);
        return 0;
}

static int settle(struct hb_cli *c, bool abort_it, struct hb_err *e) {
        json_t *args = json_pack("{s:s}", "guest", c->operands[0]), *result;
        int r;

        if (hb_cli_flag(c, "keep-source"))
                hb_cli_set(args, "keep_source", json_true());
        r = hb_cli_call(c, abort_it ? "migrate.abort" : "migrate.recover", args, HB_CLI_SOON_MS, NULL, NULL,
                        &result, e);
        return r < 0 ? r : show(c, result, show_handover, e);
}

static json_t *move_args(const struct hb_cli *c) {
        static const char *const numbers[][2] = {{"max-downtime", "max_downtime_ms"},
                                                 {"timeout", "timeout_s"}};
        json_t *args = json_pack("{s:s,s:s}", "guest", c->operands[0], "host", hb_cli_value(c, "to"));

        if (hb_cli_flag(c, "dry-run"))
                hb_cli_set(args, "dry_run", json_true());
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                if (hb_cli_flag(c, numbers[i][0]))
                        hb_cli_set(args, numbers[i][1], json_real(hb_cli_number(c, numbers[i][0])));
        return args;
}

/* Options that belong to another form of the command. */
static int check_form(const struct hb_cli *c, struct hb_err *e) {
        bool settles = hb_cli_flag(c, "abort") || hb_cli_flag(c, "recover");
        static const char *const moves[] = {"to", "dry-run", "max-downtime", "timeout"};

        if (hb_cli_flag(c, "abort") && hb_cli_flag(c, "recover"))
                return hb_err_set(e, -EINVAL, c->operands[0], "leave one out",
                                  "--abort and --recover are two things");
        if (hb_cli_flag(c, "keep-source") && !hb_cli_flag(c, "recover"))
                return hb_err_set(e, -EINVAL, "--keep-source", "harbinger help migrate",
                                  "--keep-source belongs to --recover");
        for (size_t i = 0; settles && i < sizeof(moves) / sizeof(moves[0]); i++)
                if (hb_cli_flag(c, moves[i]))
                        return hb_err_set(e, -EINVAL, c->operands[0], "harbinger help migrate",
                                          "--%s does not go with --abort or --recover", moves[i]);
        if (!settles && !hb_cli_flag(c, "to"))
                return hb_err_set(e, -EINVAL, "migrate", "harbinger migrate --help", "--to HOST is missing");
        return 0;
}

static int run_migrate(struct hb_cli *c, struct hb_err *e) {
        const char *guest = c->operands[0];
        bool dry = hb_cli_flag(c, "dry-run");
        char subject[160], next[200];
        struct hb_cli_progress progress = {.c = c, .subject = subject};
        json_t *result;
        int r = check_form(c, e);

        if (r < 0)
                return r;
        if (hb_cli_flag(c, "abort") || hb_cli_flag(c, "recover"))
                return settle(c, hb_cli_flag(c, "abort"), e);
        snprintf(subject, sizeof(subject), "%s -> %s", guest, hb_cli_value(c, "to"));
        r = hb_cli_call(c, "migrate", move_args(c), dry ? HB_CLI_SOON_MS : -1, hb_cli_progress_show,
                        &progress, &result, e);
        hb_cli_progress_end(&progress);
        if (r == -EINTR && !dry) {
                snprintf(next, sizeof(next),
                         "harbinger status %s shows it, harbinger migrate --abort %s ends it", guest, guest);
                return hb_cli_goes_on("move", guest, next, e);
        }
        return r < 0 ? r : show(c, result, dry ? show_dry_run : show_result, e);
}

const struct hb_cli_command hb_cli_migrate = {
        .name = "migrate",
        .summary = "move a guest to another host",
        .about = "A guest that is placed there moves with its last dirty pages; any other has its memory "
                 "sent first. It is frozen only while the "
                 "estimated downtime is within the limit. Until the target has committed, any failure leaves "
                 "it running here. Ctrl-C stops "
                 "waiting, not the move.",
        .examples = {"migrate vm1 --to b --dry-run  # what would it cost now?", "migrate vm1 --to b",
                     "migrate vm1 --to b --max-downtime 50 --timeout 30",
                     "migrate --abort vm1  # undo it, as long as it is not committed",
                     "migrate --recover vm1  # ask again after a crash"},
        .forms = {"GUEST --to HOST [--dry-run] [--max-downtime MS] [--timeout S]", "--abort GUEST",
                  "--recover GUEST [--keep-source]"},
        .operands = {{"GUEST", HB_CLI_NAME}},
        .options = {{"to", 0, HB_CLI_NAME, "HOST", false, 0, 0, "the host, a [host.HOST] of the settings"},
                    {"dry-run", 0, HB_CLI_FLAG, NULL, false, 0, 0,
                     "estimate downtime and time; move nothing"},
                    {"max-downtime", 0, HB_CLI_REAL, "MS", false, 1, 60000,
                     "do not freeze it while the estimate is above MS milliseconds"},
                    {"timeout", 0, HB_CLI_REAL, "S", false, 1, 86400,
                     "give the move up when it is not below that after S seconds"},
                    {"abort", 0, HB_CLI_FLAG, NULL, false, 0, 0, "undo a move that is not yet committed"},
                    {"recover", 0, HB_CLI_FLAG, NULL, false, 0, 0, "settle a move that a crash left open"},
                    {"keep-source", 0, HB_CLI_FLAG, NULL, false, 0, 0,
                     "with --recover: the target's guest is dead for good, resume the copy frozen here"}},
        .run = run_migrate,
};
