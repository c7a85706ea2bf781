/* completion: what the shells' scripts have in common: what completes a value, and the tables that bash and
 * zsh can both read.
 *
 * A value's kind follows from the word that stands for it in help (FILE, GUEST, HOST), so that a new row
 * needs nothing more; a row with another meaning, or with a few words that are all there are, says so itself.
 */
#include "cli/completion.h"
#include <errno.h>
#include <string.h>

static const struct {
        const char *value, *completes;
} known[] = {
        {"GUEST", "@guests"},
        {"HOST", "@hosts"},
        {"POLICY", "@policies @files"},
        {"KIND", "predictor scorer threshold"},
        {"FILE", "@files"},
        {"TRACE", "@files"},
        {"MODEL", "@files"},
        {"DB", "@files"},
        {"OUT", "@files"},
        {"PATH", "@files"},
        {"SOCKET", "@files"},
        {"DIR", "@dirs"},
        {"VIEW", "overview guest placement policies migration traces network events help"},
};

static const char *by_value(const char *value) {
        for (size_t i = 0; value && i < sizeof(known) / sizeof(known[0]); i++)
                if (strcmp(known[i].value, value) == 0)
                        return known[i].completes;
        return "-";
}

const char *hb_cli_option_completes(const struct hb_cli_option *o) {
        if (o->type == HB_CLI_FLAG)
                return NULL;
        return o->completes ? o->completes : by_value(o->value);
}

const char *hb_cli_operand_completes(const struct hb_cli_operand *o) {
        if (o->type == HB_CLI_COUNT || o->type == HB_CLI_REAL)
                return "-";
        return o->completes ? o->completes : by_value(o->name);
}

int hb_cli_shell_from_name(const char *name, enum hb_cli_shell *ret) {
        static const char *const names[] = {"bash", "zsh", "fish"};

        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (strcmp(names[i], name) == 0) {
                        *ret = (enum hb_cli_shell)i;
                        return 0;
                }
        return -EINVAL;
}

void hb_cli_completion(FILE *out, enum hb_cli_shell shell) {
        switch (shell) {
        case HB_SHELL_BASH:
                hb_cli_completion_bash(out);
                break;
        case HB_SHELL_ZSH:
                hb_cli_completion_zsh(out);
                break;
        case HB_SHELL_FISH:
                hb_cli_completion_fish(out);
                break;
        }
}

void hb_cli_quote(FILE *out, const char *text, bool fish) {
        fputc('\'', out);
        for (; *text; text++)
                if (*text == '\'')
                        fputs(fish ? "\\'" : "'\\''", out);
                else if (fish && *text == '\\')
                        fputs("\\\\", out);
                else
                        fputc(*text, out);
        fputc('\'', out);
}

/* ---- groups of commands ---- */
static size_t stem(const char *name) {
        return strcspn(name, " ");
}

/* The rows of one group stand together. */
bool hb_cli_begins_group(size_t i) {
        const char *name = hb_cli_commands[i]->name, *before = i ? hb_cli_commands[i - 1]->name : "";

        return stem(name) != stem(before) || strncmp(name, before, stem(name)) != 0;
}

void hb_cli_first_words(FILE *out, void (*each)(FILE *out, const char *word, size_t n,
                                                const struct hb_cli_command *row, bool group)) {
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                const char *name = hb_cli_commands[i]->name;

                if (hb_cli_begins_group(i))
                        each(out, name, stem(name), hb_cli_commands[i], name[stem(name)] == ' ');
        }
}

/* ---- tables of bash and zsh ---- */
static void second_words(FILE *out) {
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                const char *name = hb_cli_commands[i]->name;
                size_t n = stem(name);

                if (!hb_cli_begins_group(i) || !name[n])
                        continue;
                fprintf(out, "    %.*s) second='", (int)n, name);
                for (size_t k = i; hb_cli_commands[k] && (k == i || !hb_cli_begins_group(k)); k++)
                        fprintf(out, "%s%s", k == i ? "" : " ", hb_cli_commands[k]->name + n + 1);
                fputs("' ;;\n", out);
        }
}

static void takes_row(FILE *out, const char *command, const struct hb_cli_option *o) {
        const char *completes = hb_cli_option_completes(o);

        if (!completes)
                return;
        fprintf(out, "    '%s --%s'", command, o->name);
        if (o->letter)
                fprintf(out, " | '%s -%c'", command, o->letter);
        fprintf(out, ") takes='%s' ;;\n", completes);
}

static void takes(FILE *out) {
        for (int i = 0; hb_cli_common[i].name; i++)
                if (hb_cli_option_completes(&hb_cli_common[i]))
                        fprintf(out, "    *' --%s') takes='%s' ;;\n", hb_cli_common[i].name,
                                hb_cli_option_completes(&hb_cli_common[i]));
        for (size_t i = 0; hb_cli_commands[i]; i++)
                for (int o = 0; o < HB_CLI_MAX_OPTIONS && hb_cli_commands[i]->options[o].name; o++)
                        takes_row(out, hb_cli_commands[i]->name, &hb_cli_commands[i]->options[o]);
}

static void operands(FILE *out) {
        for (size_t i = 0; hb_cli_commands[i]; i++)
                for (int o = 0; o < HB_CLI_MAX_OPERANDS && hb_cli_commands[i]->operands[o].name; o++) {
                        const struct hb_cli_operand *row = &hb_cli_commands[i]->operands[o];

                        if (row->many)
                                fprintf(out, "    '%s '*", hb_cli_commands[i]->name);
                        else
                                fprintf(out, "    '%s %d'", hb_cli_commands[i]->name, o + 1);
                        fprintf(out, ") takes='%s' ;;\n", hb_cli_operand_completes(row));
                }
}

void hb_cli_shell_tables(FILE *out) {
        fputs("# Sets second: the words that may follow this one.\n"
              "_harbinger_second() {\n  case $1 in\n",
              out);
        second_words(out);
        fputs("    *) second= ;;\n  esac\n}\n"
              "# COMMAND OPTION. Sets takes: what its value may be; - for anything, empty when it has none.\n"
              "_harbinger_takes() {\n  case \"$1 $2\" in\n",
              out);
        takes(out);
        fputs("    *) takes= ;;\n  esac\n}\n"
              "# COMMAND NUMBER. Sets takes for the command's operand.\n"
              "_harbinger_operand() {\n  case \"$1 $2\" in\n",
              out);
        operands(out);
        fputs("    *) takes= ;;\n  esac\n}\n", out);
}
