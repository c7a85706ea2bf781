/* man: the table as roff (man macros), and as a completion for bash. Made at build time and installed;
 * nothing in them is written by hand, so they cannot fall behind. */
#include "cli/exit_code.h"
#include "cli/help.h"
#include <ctype.h>
#include <string.h>

static void roff(FILE *out, const char *text) {
        if (*text == '.' || *text == '\'')
                fputs("\\&", out);
        for (; *text; text++) {
                if (*text == '\\')
                        fputs("\\e", out);
                else if (*text == '-')
                        fputs("\\-", out);
                else
                        fputc(*text, out);
        }
}

static void roff_line(FILE *out, const char *macro, const char *text) {
        fprintf(out, "%s ", macro);
        roff(out, text);
        fputc('\n', out);
}

static void man_option(FILE *out, const struct hb_cli_option *o) {
        fputs(".TP\n", out);
        if (o->letter)
                fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
        fputs("\\fB\\-\\-", out);
        roff(out, o->name);
        fputs("\\fR", out);
        if (o->value)
                fprintf(out, " \\fI%s\\fR", o->value);
        fputc('\n', out);
        roff(out, o->help);
        fputc('\n', out);
}

static void man_body(FILE *out, const struct hb_cli_command *cmd) {
        char form[600];

        for (unsigned i = 0; hb_cli_form(cmd, i, form, sizeof(form)); i++) {
                fputs(i ? ".br\n.B " : ".B ", out);
                roff(out, form);
                fputc('\n', out);
        }
        fputs(".PP\n", out);
        fputc(toupper((unsigned char)cmd->summary[0]), out);
        roff(out, cmd->summary + 1);
        fputs(".\n", out);
        if (cmd->about) {
                roff(out, cmd->about);
                fputc('\n', out);
        }
        for (int i = 0; i < HB_CLI_MAX_OPTIONS && cmd->options[i].name; i++)
                man_option(out, &cmd->options[i]);
        fputs(".PP\n.nf\n", out);
        for (size_t i = 0; i < sizeof(cmd->examples) / sizeof(cmd->examples[0]) && cmd->examples[i]; i++) {
                fputs("$ harbinger ", out);
                roff(out, cmd->examples[i]);
                fputc('\n', out);
        }
        fputs(".fi\n", out);
}

static void man_tail(FILE *out) {
        fputs(".SH COMMON OPTIONS\n", out);
        for (int i = 0; hb_cli_common[i].name; i++)
                man_option(out, &hb_cli_common[i]);
        fputs(".SH EXIT STATUS\n", out);
        for (int i = 0; i < HB_EXIT_CODES; i++) {
                fprintf(out, ".TP\n.B %d\n", i);
                roff(out, hb_cli_exit_text((enum hb_cli_exit)i));
                fputc('\n', out);
        }
        fputs(".SH ENVIRONMENT\n.TP\n.B HARBINGER_SOCKET\nthe control socket, where \\fB\\-\\-socket\\fR is "
              "not given\n"
              ".TP\n.B NO_COLOR\nset to anything: no colours\n"
              ".SH SEE ALSO\n.BR harbingerd.ini (5)\n",
              out);
}

void hb_cli_man(FILE *out, const struct hb_cli_command *cmd) {
        fputs(".TH HARBINGER 1 \"\" \"harbinger " HB_VERSION "\"\n.SH NAME\n", out);
        if (cmd) {
                fprintf(out, "harbinger-");
                for (const char *p = cmd->name; *p; p++)
                        fputc(*p == ' ' ? '-' : *p, out);
                fputs(" \\- ", out);
                roff(out, cmd->summary);
                fputs("\n.SH DESCRIPTION\n", out);
                man_body(out, cmd);
                man_tail(out);
                return;
        }
        fputs("harbinger \\- places a guest's memory on its next host before the move\n"
              ".SH SYNOPSIS\n.B harbinger\n.RI [ OPTIONS ] \" COMMAND \" ...\n.SH DESCRIPTION\n"
              "harbinger talks to harbingerd, the daemon of this host, over its control socket. Results go "
              "to standard output,\n"
              "messages and progress to standard error. Interrupting a command that waits leaves it running "
              "in the daemon.\n"
              ".SH COMMANDS\n",
              out);
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                roff_line(out, ".SS", hb_cli_commands[i]->name);
                man_body(out, hb_cli_commands[i]);
        }
        man_tail(out);
}

/* ---- completion ---- */
static void options_of(FILE *out, const struct hb_cli_command *cmd) {
        for (int i = 0; i < HB_CLI_MAX_OPTIONS && cmd->options[i].name; i++)
                fprintf(out, "--%s ", cmd->options[i].name);
}

/* Length of a command's first word. */
static size_t stem(const char *name) {
        return strcspn(name, " ");
}

/* The rows of one group stand together: is this the first of its first word? */
static bool begins_group(size_t i) {
        const char *name = hb_cli_commands[i]->name, *before = i ? hb_cli_commands[i - 1]->name : "";

        return stem(name) != stem(before) || strncmp(name, before, stem(name)) != 0;
}

static void second_words(FILE *out) {
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                const char *name = hb_cli_commands[i]->name;
                size_t n = stem(name);

                if (!begins_group(i) || !name[n])
                        continue;
                fprintf(out, "        %.*s) second=\"", (int)n, name);
                for (size_t k = i; hb_cli_commands[k] && (k == i || !begins_group(k)); k++)
                        fprintf(out, "%s ", hb_cli_commands[k]->name + n + 1);
                fputs("\";;\n", out);
        }
}

static void first_words(FILE *out) {
        for (size_t i = 0; hb_cli_commands[i]; i++)
                if (begins_group(i))
                        fprintf(out, "%.*s ", (int)stem(hb_cli_commands[i]->name), hb_cli_commands[i]->name);
}

void hb_cli_completion_bash(FILE *out) {
        fputs("# bash completion for harbinger; made by `harbinger help --completion`\n"
              "_harbinger() {\n"
              "    local word=${COMP_WORDS[COMP_CWORD]} first=${COMP_WORDS[1]} second= options=\n"
              "    case $first in\n",
              out);
        second_words(out);
        fputs("    esac\n    case \"$first${second:+ ${COMP_WORDS[2]}}\" in\n", out);
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                fprintf(out, "        '%s') options=\"", hb_cli_commands[i]->name);
                options_of(out, hb_cli_commands[i]);
                fputs("\";;\n", out);
        }
        fputs("    esac\n    if [[ $word == -* ]]; then\n        COMPREPLY=($(compgen -W \"$options", out);
        for (int i = 0; hb_cli_common[i].name; i++)
                fprintf(out, "--%s ", hb_cli_common[i].name);
        fputs("\" -- \"$word\"))\n    elif ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W \"",
              out);
        first_words(out);
        fputs("\" -- \"$word\"))\n    elif ((COMP_CWORD == 2)) && [[ $second ]]; then\n"
              "        COMPREPLY=($(compgen -W \"$second\" -- \"$word\"))\n    fi\n}\n"
              "complete -o default -F _harbinger harbinger\n",
              out);
}
