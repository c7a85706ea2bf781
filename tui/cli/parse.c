/* parse: reads a command line in one pass, options anywhere, "--" ending them. Values are checked here
 * against their rows, so that a command starts only on a line that is right as a whole. Pure but for *c. */
#include "cli/parse.h"
#include "base/shape.h"
#include "base/suggest.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SOCKET "/run/harbinger/control.sock"

const struct hb_cli_option hb_cli_common[] = {
        {"socket", 0, HB_CLI_TEXT, "PATH", false, 0, 0,
         "the daemon's control socket (default: $HARBINGER_SOCKET, else " DEFAULT_SOCKET ")"},
        {"json", 0, HB_CLI_FLAG, NULL, false, 0, 0, "print one JSON object, errors too"},
        {"no-color", 0, HB_CLI_FLAG, NULL, false, 0, 0, "no colours (as with NO_COLOR set)"},
        {"help", 'h', HB_CLI_FLAG, NULL, false, 0, 0, "show help and exit"},
        {0},
};

/* ---- numbers ---- */
bool hb_cli_read_number(enum hb_cli_type type, const char *text, double *ret) {
        const char *first = text[0] == '-' ? text + 1 : text;
        bool hex = first[0] == '0' && (first[1] == 'x' || first[1] == 'X');
        char *end;

        if (*first < '0' || *first > '9' || (hex && type != HB_CLI_COUNT))
                return false;
        *ret = strtod(text, &end);
        if (!isfinite(*ret))
                return false;
        if (type == HB_CLI_COUNT &&
            strspn(first + (hex ? 2 : 0), hex ? "0123456789abcdefABCDEF" : "0123456789") !=
                    strlen(first) - (hex ? 2 : 0))
                return false;
        return *end == '\0';
}

static int wrong_value(const char *label, const char *text, const char *must, const struct hb_cli *c,
                       struct hb_err *e) {
        char next[128];

        snprintf(next, sizeof(next), "harbinger %s --help", c->command ? c->command->name : "");
        return hb_err_set(e, -EINVAL, text, next, "%s must be %s", label, must);
}

static int check_value(const struct hb_cli *c, const char *label, enum hb_cli_type type, double min,
                       double max, const char *text, struct hb_err *e) {
        char must[100];
        double v;

        switch (type) {
        case HB_CLI_FLAG:
                return 0;
        case HB_CLI_TEXT:
                return *text ? 0 : wrong_value(label, text, "something", c, e);
        case HB_CLI_NAME:
                return hb_name_ok(text)
                               ? 0
                               : wrong_value(label, text, "a name of 1 to 63 letters, digits, . _ -", c, e);
        case HB_CLI_COUNT:
        case HB_CLI_REAL:
                snprintf(must, sizeof(must), "a%s number from %.15g to %.15g",
                         type == HB_CLI_COUNT ? " whole" : "", min, max);
                if (!hb_cli_read_number(type, text, &v) || v < min || v > max)
                        return wrong_value(label, text, must, c, e);
        }
        return 0;
}

/* ---- looking up ---- */
static const char *command_name(void *arg, unsigned i) {
        return hb_cli_commands[i] ? hb_cli_commands[i]->name : NULL;
}

bool hb_cli_is_group(const char *word) {
        size_t n = strlen(word);

        for (size_t i = 0; hb_cli_commands[i]; i++)
                if (strncmp(hb_cli_commands[i]->name, word, n) == 0 && hb_cli_commands[i]->name[n] == ' ')
                        return true;
        return false;
}

const struct hb_cli_command *hb_cli_find(char *const *words, int n, int *ret_used) {
        for (int used = n < 2 ? n : 2; used > 0; used--) {
                char name[128];

                snprintf(name, sizeof(name), "%.60s%s%.60s", words[0], used == 2 ? " " : "",
                         used == 2 ? words[1] : "");
                for (size_t i = 0; hb_cli_commands[i]; i++)
                        if (strcmp(hb_cli_commands[i]->name, name) == 0) {
                                *ret_used = used;
                                return hb_cli_commands[i];
                        }
        }
        return NULL;
}

int hb_cli_unknown(char *const *words, int n, struct hb_err *e) {
        bool group = n > 0 && hb_cli_is_group(words[0]);
        char typed[128], next[160];
        const char *near;

        if (group && n == 1) {
                snprintf(next, sizeof(next), "harbinger help %.60s", words[0]);
                return hb_err_set(e, -EINVAL, words[0], next, "this command needs another word");
        }
        snprintf(typed, sizeof(typed), "%.60s", words[0]);
        near = hb_suggest(typed, command_name, NULL);
        if (n > 1 && (group || !near)) {
                snprintf(typed, sizeof(typed), "%.60s %.60s", words[0], words[1]);
                near = hb_suggest(typed, command_name, NULL);
                if (!group && !near)
                        snprintf(typed, sizeof(typed), "%.60s", words[0]);
        }
        snprintf(next, sizeof(next), "did you mean \"harbinger %s\"?", near ? near : "");
        return hb_err_set(e, -EINVAL, typed, near ? next : "harbinger help lists the commands",
                          "unknown command");
}

static const char *option_name(void *arg, unsigned i) {
        const struct hb_cli *c = arg;
        unsigned own = 0;

        while (c->command && own < HB_CLI_MAX_OPTIONS && c->command->options[own].name)
                own++;
        return i < own ? c->command->options[i].name : hb_cli_common[i - own].name;
}

static int unknown_option(struct hb_cli *c, const char *word, size_t n, struct hb_err *e) {
        char typed[64], next[192];
        const char *near;

        snprintf(typed, sizeof(typed), "%.*s", (int)(n < 60 ? n : 60), word);
        near = typed[1] == '-' ? hb_suggest(typed + 2, option_name, c) : NULL;
        if (near)
                snprintf(next, sizeof(next), "did you mean --%s?", near);
        else
                snprintf(next, sizeof(next), "harbinger %s --help", c->command ? c->command->name : "");
        return hb_err_set(e, -EINVAL, typed, next, "unknown option");
}

static bool is_option(const struct hb_cli_option *o, const char *word, size_t n) {
        if (word[1] == '-')
                return strlen(o->name) == n - 2 && strncmp(o->name, word + 2, n - 2) == 0;
        return n == 2 && o->letter == word[1];
}

/* The row of an option, own or common; *ret_own is its index, -1 for a common one. */
static const struct hb_cli_option *find_option(const struct hb_cli_command *cmd, const char *word, size_t n,
                                               int *ret_own) {
        for (int i = 0; cmd && i < HB_CLI_MAX_OPTIONS && cmd->options[i].name; i++)
                if (is_option(&cmd->options[i], word, n)) {
                        *ret_own = i;
                        return &cmd->options[i];
                }
        *ret_own = -1;
        for (int i = 0; hb_cli_common[i].name; i++)
                if (is_option(&hb_cli_common[i], word, n))
                        return &hb_cli_common[i];
        return NULL;
}

/* ---- the line ---- */
static void set_common(struct hb_cli *c, const struct hb_cli_option *o, const char *value) {
        if (strcmp(o->name, "socket") == 0)
                c->socket = value;
        else if (strcmp(o->name, "json") == 0)
                c->json = true;
        else if (strcmp(o->name, "no-color") == 0)
                c->color = false;
        else
                c->help = true;
}

/* Takes the option at argv[*at], and its value; leaves *at on the last word taken. */
static int take_option(struct hb_cli *c, int argc, char *const *argv, int *at, struct hb_err *e) {
        const char *word = argv[*at], *value = "", *equals = word[1] == '-' ? strchr(word, '=') : NULL;
        size_t n = equals ? (size_t)(equals - word) : strlen(word);
        const struct hb_cli_option *o;
        char label[64];
        int own, r;

        o = find_option(c->command, word, n, &own);
        if (!o)
                return unknown_option(c, word, n, e);
        snprintf(label, sizeof(label), "--%s", o->name);
        if (o->type == HB_CLI_FLAG && equals)
                return hb_err_set(e, -EINVAL, word, NULL, "%s takes no value", label);
        if (o->type != HB_CLI_FLAG && !equals && *at + 1 >= argc)
                return hb_err_set(e, -EINVAL, label, NULL, "an option lacks its %s", o->value);
        if (o->type != HB_CLI_FLAG)
                value = equals ? equals + 1 : argv[++*at];
        r = check_value(c, label, o->type, o->min, o->max, value, e);
        if (r < 0)
                return r;
        if (own < 0)
                set_common(c, o, value);
        else if (c->values[own] && o->type != HB_CLI_FLAG)
                return hb_err_set(e, -EINVAL, label, "leave one out", "an option is given twice");
        else
                c->values[own] = value;
        return 0;
}

static bool takes_words(const struct hb_cli_command *cmd) {
        return strcmp(cmd->name, "help") == 0;
}

static bool takes_many(const struct hb_cli_command *cmd) {
        for (int i = 0; i < HB_CLI_MAX_OPERANDS; i++)
                if (cmd->operands[i].many)
                        return true;
        return false;
}

static int take_operand(struct hb_cli *c, const char *word, unsigned *n, struct hb_err *e) {
        bool again = *n > 0 && c->command->operands[*n - 1].many && !takes_words(c->command);
        const struct hb_cli_operand *row = &c->command->operands[*n - again];
        char next[128];

        if (takes_words(c->command)) {
                if (*n + 1 < sizeof(c->rest) / sizeof(c->rest[0]))
                        c->rest[(*n)++] = word;
                return 0;
        }
        snprintf(next, sizeof(next), "harbinger %s --help", c->command->name);
        if ((*n == HB_CLI_MAX_OPERANDS && !again) || !row->name)
                return hb_err_set(e, -EINVAL, word, next, "a word too many");
        if (row->many)
                c->words[c->nwords++] = word;
        if (!again)
                c->operands[(*n)++] = word;
        return check_value(c, row->name, row->type, row->min, row->max, word, e);
}

/* The command is the first word, or the first two, that are not options: find it first, so that options
 * before it are read by its rows. */
static int find_command(struct hb_cli *c, int argc, char *const *argv, int *ret_first, int *ret_used,
                        struct hb_err *e) {
        int own, i = 1;

        for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
                size_t n = strcspn(argv[i], "=");
                const struct hb_cli_option *o = find_option(NULL, argv[i], n, &own);

                if (strcmp(argv[i], "--version") == 0 && i + 1 == argc)
                        break;
                if (!o)
                        return unknown_option(c, argv[i], n, e);
                i += o->type != HB_CLI_FLAG && !argv[i][n];
        }
        *ret_first = i;
        *ret_used = 0;
        if (i >= argc)
                return 0;
        if (strcmp(argv[i], "--version") == 0) {
                char *const version[] = {(char *)"version"};

                c->command = hb_cli_find(version, 1, ret_used);
                return 0;
        }
        c->command = hb_cli_find(argv + i, argc - i, ret_used);
        return 0;
}

static int check_complete(const struct hb_cli *c, struct hb_err *e) {
        const struct hb_cli_command *cmd = c->command;
        char next[128];

        snprintf(next, sizeof(next), "harbinger %s --help", cmd->name);
        for (int i = 0; i < HB_CLI_MAX_OPERANDS && cmd->operands[i].name && !takes_words(cmd); i++)
                if (!cmd->operands[i].optional && !c->operands[i])
                        return hb_err_set(e, -EINVAL, cmd->operands[i].name, next,
                                          "%s needs another argument", cmd->name);
        for (int i = 0; i < HB_CLI_MAX_OPTIONS && cmd->options[i].name; i++)
                if (cmd->options[i].required && !c->values[i])
                        return hb_err_set(e, -EINVAL, cmd->name, next, "--%s %s is missing",
                                          cmd->options[i].name, cmd->options[i].value);
        return 0;
}

/* Without a command: `harbinger guest --help` is help for a group, anything else a mistake. */
static int without_command(struct hb_cli *c, int argc, char *const *argv, int first, struct hb_err *e) {
        int words = 0;

        for (int i = 1; i < argc; i++)
                c->help = c->help || strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
        while (first + words < argc && argv[first + words][0] != '-')
                words++;
        if (words == 0)
                return 0;
        if (c->help && words == 1 && hb_cli_is_group(argv[first])) {
                c->rest[0] = argv[first];
                return 0;
        }
        return hb_cli_unknown(argv + first, words, e);
}

int hb_cli_parse(struct hb_cli *c, int argc, char *const *argv, struct hb_err *e) {
        unsigned operands = 0;
        bool options = true;
        int first = 0, used, r;

        c->socket = c->io->socket && c->io->socket[0] ? c->io->socket : DEFAULT_SOCKET;
        c->color = c->io->out_tty && !c->io->no_color;
        for (int i = 1; i < argc && strcmp(argv[i], "--") != 0;
             i++) /* errors in the rest of the line are JSON as well */
                c->json = c->json || strcmp(argv[i], "--json") == 0;
        r = find_command(c, argc, argv, &first, &used, e);
        if (r < 0)
                return r;
        if (!c->command)
                return without_command(c, argc, argv, first, e);
        c->words = takes_many(c->command) ? calloc((size_t)argc, sizeof(*c->words)) : NULL;
        if (!c->words && takes_many(c->command))
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        for (int i = 1; i < argc && r == 0; i++) {
                if (i == first) {
                        i += used - 1;
                        continue;
                }
                if (options && strcmp(argv[i], "--") == 0 && c->command->trailing) {
                        c->trailing = i + 1 < argc ? argv + i + 1 : NULL;
                        break;
                }
                if (options && strcmp(argv[i], "--") == 0)
                        options = false;
                else if (options && argv[i][0] == '-' && argv[i][1])
                        r = take_option(c, argc, argv, &i, e);
                else
                        r = take_operand(c, argv[i], &operands, e);
        }
        return r < 0 || c->help ? r : check_complete(c, e);
}

/* ---- what a command asks for ---- */
const char *hb_cli_value(const struct hb_cli *c, const char *option) {
        for (int i = 0; i < HB_CLI_MAX_OPTIONS && c->command->options[i].name; i++)
                if (strcmp(c->command->options[i].name, option) == 0)
                        return c->values[i];
        return NULL;
}

bool hb_cli_flag(const struct hb_cli *c, const char *option) {
        return hb_cli_value(c, option) != NULL;
}

double hb_cli_number(const struct hb_cli *c, const char *option) {
        double v = 0;

        for (int i = 0; i < HB_CLI_MAX_OPTIONS && c->command->options[i].name; i++)
                if (strcmp(c->command->options[i].name, option) == 0 && c->values[i])
                        hb_cli_read_number(c->command->options[i].type, c->values[i], &v);
        return v;
}
