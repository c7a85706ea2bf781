/* help: the table, as text, as a manual page, as a completion script; and the names that such a script asks
 * for. */
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/parse.h"
#include <errno.h>
#include <stdio.h>

static int completion(struct hb_cli *c, struct hb_err *e) {
        enum hb_cli_shell shell = HB_SHELL_BASH;

        if (c->rest[0] && (c->rest[1] || hb_cli_shell_from_name(c->rest[0], &shell) < 0))
                return hb_err_set(e, -EINVAL, c->rest[c->rest[1] ? 1 : 0],
                                  "harbinger help --completion bash, or zsh, or fish",
                                  "completion is made for one of three shells");
        hb_cli_completion(c->io->out, shell);
        return 0;
}

static int find(struct hb_cli *c, const struct hb_cli_command **ret, struct hb_err *e) {
        int words = 0, used = 0;

        *ret = NULL;
        while (c->rest[words])
                words++;
        if (words)
                *ret = hb_cli_find((char *const *)c->rest, words, &used);
        if (*ret && used < words)
                return hb_err_set(e, -EINVAL, c->rest[used], "harbinger help", "a word too many");
        if (words && !*ret && (words > 1 || !hb_cli_is_group(c->rest[0])))
                return hb_cli_unknown((char *const *)c->rest, words, e);
        return 0;
}

static int run_help(struct hb_cli *c, struct hb_err *e) {
        const struct hb_cli_command *cmd;
        int r;

        if (hb_cli_value(c, "complete"))
                return hb_cli_complete(c, hb_cli_value(c, "complete"), e);
        if (hb_cli_flag(c, "completion"))
                return completion(c, e);
        r = find(c, &cmd, e);
        if (r < 0)
                return r;
        if (hb_cli_flag(c, "man"))
                hb_cli_man(c->io->out, cmd);
        else if (cmd)
                hb_cli_help_command(c->io->out, cmd);
        else if (c->rest[0])
                hb_cli_help_group(c->io->out, c->rest[0]);
        else
                hb_cli_help_all(c->io->out);
        return 0;
}

const struct hb_cli_command hb_cli_help = {
        .name = "help",
        .summary = "explain a command",
        .about = "--completion prints a script for a shell: bash (the default), zsh or fish. --complete is "
                 "what "
                 "these scripts ask when a key is pressed: the names that the daemon knows, one a line; "
                 "without "
                 "a daemon that answers at once it prints nothing.",
        .examples = {"help", "help guest attach", "help --man status | man -l -",
                     "help --completion > /etc/bash_completion.d/harbinger",
                     "help --completion fish > ~/.config/fish/completions/harbinger.fish"},
        .forms = {"[COMMAND] [--man]", "--completion [bash|zsh|fish]", "--complete WHAT"},
        .operands = {{"COMMAND", HB_CLI_TEXT, true}},
        .options = {{"man", 0, HB_CLI_FLAG, NULL, false, 0, 0, "as a manual page, in roff"},
                    {"completion", 0, HB_CLI_FLAG, NULL, false, 0, 0, "a completion script for a shell"},
                    {"complete", 0, HB_CLI_TEXT, "WHAT", false, 0, 0,
                     "names, one a line: guests, hosts, policies, kinds or commands",
                     "guests hosts policies kinds commands"}},
        .run = run_help,
};
