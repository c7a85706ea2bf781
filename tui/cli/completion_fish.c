/* completion_fish: the script for fish: one `complete` line an option and operand, with its help. A condition
 * reads the line so far: which command, how many operands. */
#include "cli/completion.h"
#include <string.h>

static const char head[] =
        "# fish completion for harbinger; made by `harbinger help --completion fish`\n"
        "# Prints the command, its first word, and how many operands stand before the cursor.\n"
        "function __harbinger_line\n"
        "    set -l first ''\n"
        "    set -l command ''\n"
        "    set -l last ''\n"
        "    set -l operands 0\n"
        "    set -l tokens (commandline -opc)\n"
        "    set -e tokens[1]\n"
        "    for w in $tokens\n"
        "        if test -n \"$last\"\n"
        "            set last ''\n"
        "        else if string match -q -- '-*' $w\n"
        "            if __harbinger_takes \"$command\" $w\n"
        "                set last $w\n"
        "            end\n"
        "        else if test -z \"$first\"\n"
        "            set first $w\n"
        "            if not __harbinger_is_group $w\n"
        "                set command $w\n"
        "            end\n"
        "        else if test -z \"$command\"\n"
        "            set command \"$first $w\"\n"
        "        else\n"
        "            set operands (math $operands + 1)\n"
        "        end\n"
        "    end\n"
        "    echo $command\n"
        "    echo $first\n"
        "    echo $operands\n"
        "end\n"
        "# COMMAND [OPERAND ...]: is the line at that command, and at one of these operands?\n"
        "function __harbinger_at\n"
        "    set -l line (__harbinger_line)\n"
        "    test \"$line[1]\" = \"$argv[1]\"; or return 1\n"
        "    test (count $argv) -eq 1; and return 0\n"
        "    test \"$argv[2]\" = many; or test \"$argv[2]\" = \"$line[3]\"\n"
        "end\n"
        "# [GROUP]: is the next word the first one, or the one after GROUP?\n"
        "function __harbinger_word\n"
        "    set -l line (__harbinger_line)\n"
        "    test -z \"$line[1]\"; and test \"$line[2]\" = \"$argv[1]\"\n"
        "end\n"
        "function __harbinger_ask\n"
        "    set -l tokens (commandline -opc)\n"
        "    set -l socket\n"
        "    if set -l i (contains -i -- --socket $tokens)\n"
        "        set socket --socket $tokens[(math $i + 1)]\n"
        "    end\n"
        "    $tokens[1] $socket help --complete $argv[1] 2>/dev/null\n"
        "end\n";

static void group_name(FILE *out, const char *word, size_t n, const struct hb_cli_command *row, bool group) {
        if (group)
                fprintf(out, " %.*s", (int)n, word);
}

/* Options that take the next word. */
static void takes_rows(FILE *out, const char *command, const struct hb_cli_option *o) {
        for (int i = 0; i < HB_CLI_MAX_OPTIONS && o[i].name; i++) {
                if (!hb_cli_option_completes(&o[i]))
                        continue;
                fprintf(out, " '%s --%s'", command, o[i].name);
                if (o[i].letter)
                        fprintf(out, " '%s -%c'", command, o[i].letter);
        }
}

static void functions(FILE *out) {
        fputs("function __harbinger_is_group\n    contains -- $argv[1]", out);
        hb_cli_first_words(out, group_name);
        fputs("\nend\nfunction __harbinger_takes\n    contains -- $argv[2] ", out);
        for (int i = 0; hb_cli_common[i].name; i++)
                if (hb_cli_option_completes(&hb_cli_common[i]))
                        fprintf(out, " --%s", hb_cli_common[i].name);
        fputs("; and return 0\n    contains -- \"$argv[1] $argv[2]\"", out);
        for (size_t i = 0; hb_cli_commands[i]; i++)
                takes_rows(out, hb_cli_commands[i]->name, hb_cli_commands[i]->options);
        fputs("\nend\n", out);
}

/* What is offered: " -F" for files, " -f -a '...'" for names and words. */
static void offered(FILE *out, const char *completes) {
        char words[400] = "";
        const char *p = completes;

        if (strstr(completes, "@files"))
                fputs(" -F", out);
        else
                fputs(" -f", out);
        for (size_t n; *p; p += n + (p[n] == ' ')) {
                size_t at = strlen(words);

                n = strcspn(p, " ");
                if (strncmp(p, "@files", n) == 0 || strncmp(p, "-", n) == 0)
                        continue;
                if (strncmp(p, "@dirs", n) == 0)
                        snprintf(words + at, sizeof(words) - at, "%s(__fish_complete_directories)",
                                 at ? " " : "");
                else if (*p == '@')
                        snprintf(words + at, sizeof(words) - at, "%s(__harbinger_ask %.*s)", at ? " " : "",
                                 (int)n - 1, p + 1);
                else
                        snprintf(words + at, sizeof(words) - at, "%s%.*s", at ? " " : "", (int)n, p);
        }
        if (!words[0])
                return;
        fputs(" -a ", out);
        hb_cli_quote(out, words, true);
}

static void option_line(FILE *out, const char *command, const struct hb_cli_option *o) {
        const char *completes = hb_cli_option_completes(o);

        fputs("complete -c harbinger", out);
        if (command)
                fprintf(out, " -n '__harbinger_at \"%s\"'", command);
        fprintf(out, " -l %s", o->name);
        if (o->letter)
                fprintf(out, " -s %c", o->letter);
        if (completes) {
                fputs(" -r", out);
                offered(out, completes);
        }
        fputs(" -d ", out);
        hb_cli_quote(out, o->help, true);
        fputc('\n', out);
}

static void operand_line(FILE *out, const char *command, const struct hb_cli_operand *o, int i) {
        const char *completes = hb_cli_operand_completes(o);

        if (strcmp(completes, "-") == 0)
                return;
        if (o->many)
                fprintf(out, "complete -c harbinger -n '__harbinger_at \"%s\" many'", command);
        else
                fprintf(out, "complete -c harbinger -n '__harbinger_at \"%s\" %d'", command, i);
        offered(out, completes);
        fputc('\n', out);
}

static void first_line(FILE *out, const char *word, size_t n, const struct hb_cli_command *row, bool group) {
        char help[80];

        snprintf(help, sizeof(help), "%.*s ...", (int)n, word);
        fprintf(out, "complete -c harbinger -n __harbinger_word -a %.*s -d ", (int)n, word);
        hb_cli_quote(out, group ? help : row->summary, true);
        fputc('\n', out);
}

static void command_lines(FILE *out, const struct hb_cli_command *cmd) {
        const char *blank = strchr(cmd->name, ' ');

        if (blank) {
                fprintf(out, "complete -c harbinger -n '__harbinger_word %.*s' -a %s -d ",
                        (int)(blank - cmd->name), cmd->name, blank + 1);
                hb_cli_quote(out, cmd->summary, true);
                fputc('\n', out);
        }
        for (int i = 0; i < HB_CLI_MAX_OPTIONS && cmd->options[i].name; i++)
                option_line(out, cmd->name, &cmd->options[i]);
        for (int i = 0; i < HB_CLI_MAX_OPERANDS && cmd->operands[i].name; i++)
                operand_line(out, cmd->name, &cmd->operands[i], i);
}

void hb_cli_completion_fish(FILE *out) {
        fputs(head, out);
        functions(out);
        fputs("complete -c harbinger -f\n", out);
        hb_cli_first_words(out, first_line);
        for (int i = 0; hb_cli_common[i].name; i++)
                option_line(out, NULL, &hb_cli_common[i]);
        for (size_t i = 0; hb_cli_commands[i]; i++)
                command_lines(out, hb_cli_commands[i]);
}
