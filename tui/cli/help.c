/* help: plain text, examples first: who asks for help wants a line to start from, not a grammar. */
#include "cli/help.h"
#include "cli/exit_code.h"
#include <string.h>

#define WIDTH       100
#define NAME_COLUMN 28

/* One form from the rows: operands, required options, then the others in brackets. */
static void made_form(const struct hb_cli_command *cmd, char *buf, size_t size) {
        size_t n = (size_t)snprintf(buf, size, "harbinger %s", cmd->name);

        for (int i = 0; i < HB_CLI_MAX_OPERANDS && cmd->operands[i].name && n < size; i++)
                n += (size_t)snprintf(buf + n, size - n, cmd->operands[i].optional ? " [%s%s]" : " %s%s",
                                      cmd->operands[i].name, cmd->operands[i].many ? "..." : "");
        for (int required = 1; required >= 0; required--)
                for (int i = 0; i < HB_CLI_MAX_OPTIONS && cmd->options[i].name && n < size; i++) {
                        const struct hb_cli_option *o = &cmd->options[i];

                        if (o->required != (required == 1))
                                continue;
                        n += (size_t)snprintf(
                                buf + n, size - n, " %s%s%s%s%s%s", required ? "" : "[",
                                o->letter ? "-" : "--", o->letter ? (char[]){o->letter, 0} : o->name,
                                o->value ? " " : "", o->value ? o->value : "", required ? "" : "]");
                }
        if (cmd->trailing && n < size)
                snprintf(buf + n, size - n, " -- %s", cmd->trailing);
}

bool hb_cli_form(const struct hb_cli_command *cmd, unsigned i, char *buf, size_t size) {
        if (cmd->forms[0]) {
                if (i >= sizeof(cmd->forms) / sizeof(cmd->forms[0]) || !cmd->forms[i])
                        return false;
                snprintf(buf, size, "harbinger %s %s", cmd->name, cmd->forms[i]);
                return true;
        }
        if (i == 0)
                made_form(cmd, buf, size);
        return i == 0;
}

/* Words of text from column `from`, the cursor standing at column `at`. */
static void wrap(FILE *out, size_t at, size_t from, const char *text) {
        if (at > 0 && at + 1 > from) {
                fputc('\n', out);
                at = 0;
        }
        fprintf(out, "%*s", (int)(from - at), "");
        at = from;
        while (*text) {
                size_t n = strcspn(text, " ");

                if (at > from && at + 1 + n > WIDTH) {
                        fprintf(out, "\n%*s", (int)from, "");
                        at = from;
                }
                at += (size_t)fprintf(out, "%s%.*s", at > from ? " " : "", (int)n, text);
                text += n + (text[n] == ' ');
        }
        fputc('\n', out);
}

/* A form's lines break between words, never inside brackets. */
static void print_form(FILE *out, const char *form) {
        size_t at = 2;

        fputs("  ", out);
        for (const char *p = form; *p;) {
                size_t n = 0;
                int depth = 0;

                for (; p[n] && (p[n] != ' ' || depth > 0); n++)
                        depth += (p[n] == '[') - (p[n] == ']');
                if (at > 6 && at + n > WIDTH) {
                        fputs("\n     ", out);
                        at = 5;
                }
                at += (size_t)fprintf(out, "%s%.*s", p == form ? "" : " ", (int)n, p);
                p += n + (p[n] == ' ');
        }
        fputc('\n', out);
}

static void print_option(FILE *out, const struct hb_cli_option *o) {
        char name[64];
        int n = snprintf(name, sizeof(name), "  %s%c%s--%s%s%s", o->letter ? "-" : "",
                         o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name, o->value ? " " : "",
                         o->value ? o->value : "");

        fputs(name, out);
        wrap(out, (size_t)n, NAME_COLUMN, o->help);
}

static void print_exits(FILE *out) {
        fputs("\nExit codes\n", out);
        for (int i = 0; i < HB_EXIT_CODES; i++)
                fprintf(out, "  %-2d  %s\n", i, hb_cli_exit_text((enum hb_cli_exit)i));
}

void hb_cli_help_command(FILE *out, const struct hb_cli_command *cmd) {
        char form[600];

        fprintf(out, "harbinger %s: %s\n\nExamples\n", cmd->name, cmd->summary);
        for (size_t i = 0; i < sizeof(cmd->examples) / sizeof(cmd->examples[0]) && cmd->examples[i]; i++)
                fprintf(out, "  harbinger %s\n", cmd->examples[i]);
        fputs("\nUsage\n", out);
        for (unsigned i = 0; hb_cli_form(cmd, i, form, sizeof(form)); i++)
                print_form(out, form);
        if (cmd->about) {
                fputc('\n', out);
                wrap(out, 0, 0, cmd->about);
        }
        fputs("\nOptions\n", out);
        for (int i = 0; i < HB_CLI_MAX_OPTIONS && cmd->options[i].name; i++)
                print_option(out, &cmd->options[i]);
        for (int i = 0; hb_cli_common[i].name; i++)
                print_option(out, &hb_cli_common[i]);
        print_exits(out);
}

static void print_commands(FILE *out, const char *group) {
        size_t n = group ? strlen(group) : 0;

        for (size_t i = 0; hb_cli_commands[i]; i++)
                if (!group ||
                    (strncmp(hb_cli_commands[i]->name, group, n) == 0 && hb_cli_commands[i]->name[n] == ' '))
                        fprintf(out, "  %-16s  %s\n", hb_cli_commands[i]->name, hb_cli_commands[i]->summary);
}

void hb_cli_help_group(FILE *out, const char *group) {
        fprintf(out, "harbinger %s ...\n\nCommands\n", group);
        print_commands(out, group);
        fprintf(out, "\nharbinger help %s WORD tells more about one.\n", group);
}

void hb_cli_help_all(FILE *out) {
        fputs("harbinger: places a guest's memory on its next host before the move\n\n"
              "Examples\n"
              "  harbinger doctor                                      what works on this machine\n"
              "  harbinger guest attach vm1 --qmp /run/vm1.qmp         watch a running QEMU\n"
              "  harbinger place vm1 --to b --wait                     have it ready on host b\n"
              "  harbinger migrate vm1 --to b --dry-run                what would a move cost now?\n"
              "  harbinger migrate vm1 --to b                          move it\n\nCommands\n",
              out);
        print_commands(out, NULL);
        fputs("\nOptions\n", out);
        for (int i = 0; hb_cli_common[i].name; i++)
                print_option(out, &hb_cli_common[i]);
        print_exits(out);
        fputs("\nharbinger help COMMAND tells more about one.\n", out);
}
