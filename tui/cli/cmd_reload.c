/* reload: what SIGHUP does, with an answer. */
#include "cli/command.h"
#include <stdio.h>

static int run_reload(struct hb_cli *c, struct hb_err *e) {
        json_t *result;
        int r = hb_cli_call(c, "reload", NULL, HB_CLI_SOON_MS, NULL, NULL, &result, e);

        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        json_decref(result);
        fputs("the settings were read again\n", c->io->err);
        return 0;
}

const struct hb_cli_command hb_cli_reload = {
        .name = "reload",
        .summary = "have the daemon read its settings again",
        .about = "As SIGHUP does. The file is checked first; a setting that needs a restart is refused, and "
                 "then nothing changes.",
        .examples = {"reload"},
        .run = run_reload,
};
