/* version: of this program; status tells the daemon's. */
#include "cli/command.h"
#include <stdio.h>

static int run_version(struct hb_cli *c, struct hb_err *e) {
        if (c->json)
                return hb_cli_print_json(c, json_pack("{s:s}", "version", HB_VERSION), e);
        fputs("harbinger " HB_VERSION "\n", c->io->out);
        return 0;
}

const struct hb_cli_command hb_cli_version = {
        .name = "version",
        .summary = "print the version",
        .examples = {"version"},
        .run = run_version,
};
