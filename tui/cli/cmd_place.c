/* place, unplace: the standing order to have a guest ready on another host. */
#include "cli/progress.h"
#include "cli/status_view.h"
#include "cli/table.h"
#include "draw/format.h"
#include <errno.h>

static int run_place(struct hb_cli *c, struct hb_err *e) {
        const char *guest = c->operands[0], *to = hb_cli_value(c, "to");
        bool wait = hb_cli_flag(c, "wait");
        char subject[160], next[200];
        struct hb_cli_progress progress = {.c = c, .subject = subject};
        json_t *args, *result;
        int r;

        if (hb_cli_flag(c, "timeout") && !wait)
                return hb_err_set(e, -EINVAL, "--timeout", "add --wait",
                                  "--timeout says how long --wait waits");
        args = json_pack("{s:s,s:s,s:b}", "guest", guest, "host", to, "wait", wait);
        if (hb_cli_flag(c, "timeout"))
                hb_cli_set(args, "timeout_s", json_real(hb_cli_number(c, "timeout")));
        snprintf(subject, sizeof(subject), "%s -> %s", guest, to);
        r = hb_cli_call(c, "place", args, wait ? -1 : HB_CLI_SOON_MS, hb_cli_progress_show, &progress,
                        &result, e);
        hb_cli_progress_end(&progress);
        if (r == -EINTR) {
                snprintf(next, sizeof(next), "harbinger status %s shows it, harbinger unplace %s ends it",
                         guest, guest);
                return hb_cli_goes_on("placement", guest, next, e);
        }
        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        hb_cli_field(c, "guest", guest);
        hb_cli_view_placement(c, result);
        json_decref(result);
        return 0;
}

static int run_unplace(struct hb_cli *c, struct hb_err *e) {
        json_t *result;
        int r = hb_cli_call(c, "unplace", json_pack("{s:s}", "guest", c->operands[0]), HB_CLI_SOON_MS, NULL,
                            NULL, &result, e);

        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        json_decref(result);
        fprintf(c->io->err, "the placement of %s is given up\n", c->operands[0]);
        return 0;
}

const struct hb_cli_command hb_cli_place = {
        .name = "place",
        .summary = "have a guest's memory kept ready on another host",
        .about = "A standing order: it lasts until the guest moves or unplace ends it, over restarts and "
                 "lost links. Ctrl-C stops waiting, not "
                 "the placement.",
        .examples = {"place vm1 --to b", "place vm1 --to b --wait --timeout 60"},
        .operands = {{"GUEST", HB_CLI_NAME}},
        .options = {{"to", 0, HB_CLI_NAME, "HOST", true, 0, 0, "the host, a [host.HOST] of the settings"},
                    {"wait", 0, HB_CLI_FLAG, NULL, false, 0, 0, "return when it is ready"},
                    {"timeout", 0, HB_CLI_REAL, "S", false, 0.001, 1e6,
                     "with --wait: give up waiting after S seconds (exit code 9)"}},
        .run = run_place,
};

const struct hb_cli_command hb_cli_unplace = {
        .name = "unplace",
        .summary = "give a placement up, or drop an image left on this host",
        .examples = {"unplace vm1"},
        .operands = {{"GUEST", HB_CLI_NAME}},
        .run = run_unplace,
};
