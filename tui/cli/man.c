/* man: the table as roff (man macros): harbinger(1) and a page a command. Made at build time and installed;
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
              ".TP\n.B NO_COLOR\nset to anything: no colours\n",
              out);
}

/* "guest attach" -> harbinger-guest-attach, in capitals for the page's head. */
static void page_name(FILE *out, const struct hb_cli_command *cmd, bool capitals) {
        fputs(capitals ? "HARBINGER" : "harbinger", out);
        if (cmd)
                fputs(capitals ? "-" : "\\-", out);
        for (const char *p = cmd ? cmd->name : ""; *p; p++)
                if (*p == ' ')
                        fputs(capitals ? "-" : "\\-", out);
                else
                        fputc(capitals ? toupper((unsigned char)*p) : *p, out);
}

/* A command's page names its group's others, the big page all of them. */
static void see_also(FILE *out, const struct hb_cli_command *cmd) {
        size_t n = cmd ? strcspn(cmd->name, " ") : 0;

        fputs(".SH SEE ALSO\n", out);
        if (cmd)
                fputs(".BR harbinger (1),\n", out);
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                const struct hb_cli_command *other = hb_cli_commands[i];

                if (other == cmd || (cmd && (!cmd->name[n] || strncmp(other->name, cmd->name, n + 1) != 0)))
                        continue;
                fputs(".BR ", out);
                page_name(out, other, false);
                fputs(" (1),\n", out);
        }
        fputs(".BR harbingerd.ini (5)\n", out);
}

static void man_command(FILE *out, const struct hb_cli_command *cmd) {
        page_name(out, cmd, false);
        fputs(" \\- ", out);
        roff(out, cmd->summary);
        fputs("\n.SH DESCRIPTION\n", out);
        man_body(out, cmd);
}

static void man_program(FILE *out) {
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
}

void hb_cli_man(FILE *out, const struct hb_cli_command *cmd) {
        fputs(".TH ", out);
        page_name(out, cmd, true);
        fputs(" 1 \"\" \"harbinger " HB_VERSION "\"\n.SH NAME\n", out);
        if (cmd)
                man_command(out, cmd);
        else
                man_program(out);
        man_tail(out);
        see_also(out, cmd);
}
