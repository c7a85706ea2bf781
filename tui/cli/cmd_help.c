/* help: the table, as text, as a manual page, as a completion script. */
#include "cli/help.h"
#include "cli/parse.h"
#include <errno.h>
#include <stdio.h>

static int run_help(struct hb_cli *c, struct hb_err *e) {
        const struct hb_cli_command *cmd = NULL;
        int words = 0, used = 0;

        while (c->rest[words])
                words++;
        if (words)
                cmd = hb_cli_find((char *const *)c->rest, words, &used);
        if (cmd && used < words)
                return hb_err_set(e, -EINVAL, c->rest[used], "harbinger help", "a word too many");
        if (words && !cmd && (words > 1 || !hb_cli_is_group(c->rest[0])))
                return hb_cli_unknown((char *const *)c->rest, words, e);
        if (hb_cli_flag(c, "completion"))
                hb_cli_completion_bash(c->io->out);
        else if (hb_cli_flag(c, "man"))
                hb_cli_man(c->io->out, cmd);
        else if (cmd)
                hb_cli_help_command(c->io->out, cmd);
        else if (words)
                hb_cli_help_group(c->io->out, c->rest[0]);
        else
                hb_cli_help_all(c->io->out);
        return 0;
}

const struct hb_cli_command hb_cli_help = {
        .name = "help",
        .summary = "explain a command",
        .examples = {"help", "help guest attach", "help --man | man -l -",
                     "help --completion > /etc/bash_completion.d/harbinger"},
        .forms = {"[COMMAND] [--man]", "--completion"},
        .operands = {{"COMMAND", HB_CLI_TEXT, true}},
        .options = {{"man", 0, HB_CLI_FLAG, NULL, false, 0, 0, "as a manual page, in roff"},
                    {"completion", 0, HB_CLI_FLAG, NULL, false, 0, 0, "a completion script for bash"}},
        .run = run_help,
};
