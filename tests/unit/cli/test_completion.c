/* What shells and man are given: every command has its page and its completion. Bash really completes; zsh
 * and fish read their scripts where they are installed, and everywhere the scripts must name all there is. */
#include "fake_daemon.h" /* first: it brings the sockets */

#include "cli/completion.h"
#include "cli/help.h"
#include "cli_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

static char *text_of(void (*print)(FILE *)) {
        char *text = NULL;
        size_t n = 0;
        FILE *f = open_memstream(&text, &n);

        print(f);
        fclose(f);
        return text;
}

/* Feeds text to a program; its exit status, and what it printed. */
static int feed(const char *command, const char *text, char *said, size_t size) {
        char path[] = "/tmp/hb-feed-XXXXXX", line[300];
        int fd = mkstemp(path), status;
        FILE *p;

        assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        close(fd);
        snprintf(line, sizeof(line), "%s < %s 2>&1", command, path);
        p = popen(line, "r");
        said[fread(said, 1, size - 1, p)] = '\0';
        status = pclose(p);
        unlink(path);
        return WEXITSTATUS(status);
}

static bool installed(const char *program) {
        char line[80];

        snprintf(line, sizeof(line), "command -v %s > /dev/null", program);
        return system(line) == 0;
}

static void shows(const char *text, const char *part) {
        if (!strstr(text, part))
                fail_msg("\"%s\" is not in:\n%s", part, text);
}

/* ---- manual pages ---- */
static const struct hb_cli_command *page_of;

static void print_man(FILE *f) {
        hb_cli_man(f, page_of);
}

static void no_warning(const char *page) {
        char said[4000];

        assert_int_equal(feed("groff -man -Tutf8 -ww -z", page, said, sizeof(said)), 0);
        assert_string_equal(said, "");
}

static void the_manual_says_all(void **state) {
        static char said[400000];
        char *man, want[100];

        page_of = NULL;
        man = text_of(print_man);
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                snprintf(want, sizeof(want), "\n.SS %s\n", hb_cli_commands[i]->name);
                shows(man, want);
        }
        if (installed("groff")) {
                no_warning(man);
                assert_int_equal(feed("groff -man -Tascii -P-cbou", man, said, sizeof(said)), 0);
                shows(said, "--max-downtime");
                shows(said, "EXIT STATUS");
        }
        free(man);
}

static void every_command_has_a_page(void **state) {
        char *man, want[300];

        for (size_t i = 0; hb_cli_commands[i]; i++) {
                page_of = hb_cli_commands[i];
                man = text_of(print_man);
                shows(man, hb_cli_commands[i]->summary);
                shows(man, "\n.SH SEE ALSO\n.BR harbinger (1),\n");
                for (int o = 0; o < HB_CLI_MAX_OPTIONS && page_of->options[o].name; o++)
                        shows(man, "\\fB\\-\\-");
                if (i % 8 == 0 &&
                    installed("groff")) /* all are made by the same code; roff is slow to start */
                        no_warning(man);
                free(man);
        }
        page_of = hb_cli_commands[5];
        assert_string_equal(page_of->name, "guest attach");
        man = text_of(print_man);
        snprintf(want, sizeof(want), ".TH HARBINGER-GUEST-ATTACH 1 ");
        assert_memory_equal(man, want, strlen(want));
        shows(man, "\n.SH NAME\nharbinger\\-guest\\-attach \\- ");
        shows(man, "\n.BR harbinger\\-guest\\-detach (1),\n");
        assert_null(strstr(man, ".BR harbinger\\-guest\\-attach"));
        free(man);
}

/* ---- completion ---- */
static void groups_stand_together(void **state) {
        for (size_t i = 0; hb_cli_commands[i]; i++)
                for (size_t k = 0; k < i; k++) {
                        const char *a = hb_cli_commands[i]->name, *b = hb_cli_commands[k]->name;
                        size_t n = strcspn(a, " ");

                        if (hb_cli_begins_group(i) && n == strcspn(b, " ") && strncmp(a, b, n) == 0)
                                fail_msg("%s stands apart from %s", a, b);
                }
}

/* A value that is not completed is one of these, or a list of it; anything else was forgotten. */
static bool free_text(const char *value) {
        static const char *const words[] = {"TEXT", "SIZE",  "RATE",    "TIME",    "S",          "A-B",
                                            "NAME", "SHARE", "PROGRAM", "COMMAND", "PARAM=VALUE"};
        size_t n = strcspn(value, ",|");

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strlen(words[i]) == n && strncmp(words[i], value, n) == 0)
                        return true;
        return false;
}

static void every_value_is_completed_or_free(void **state) {
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                const struct hb_cli_command *cmd = hb_cli_commands[i];

                for (int o = 0; o < HB_CLI_MAX_OPTIONS && cmd->options[o].name; o++) {
                        const struct hb_cli_option *opt = &cmd->options[o];

                        assert_true((opt->type == HB_CLI_FLAG) == (hb_cli_option_completes(opt) == NULL));
                        if (opt->value && opt->type < HB_CLI_COUNT && !free_text(opt->value) &&
                            strcmp(hb_cli_option_completes(opt), "-") == 0)
                                fail_msg("%s --%s %s: completed by nothing", cmd->name, opt->name,
                                         opt->value);
                        for (const char *p = opt->completes; p && *p && *p != '@'; p += strspn(p, " ")) {
                                char word[40]; /* each one is told in the help */

                                snprintf(word, sizeof(word), "%.*s", (int)strcspn(p, " "), p);
                                shows(opt->help, word);
                                p += strcspn(p, " ");
                        }
                }
                for (int o = 0; o < HB_CLI_MAX_OPERANDS && cmd->operands[o].name; o++)
                        if (cmd->operands[o].type < HB_CLI_COUNT && !free_text(cmd->operands[o].name) &&
                            strcmp(hb_cli_operand_completes(&cmd->operands[o]), "-") == 0)
                                fail_msg("%s %s: completed by nothing", cmd->name, cmd->operands[o].name);
        }
}

/* "harbinger guest at|": the words before the bar, the last one being completed; blanks separate. */
static const struct {
        const char *line, *want;
} lines[] = {
        {"gu", "guest"},
        {"",
         "cert console doctor guest help history image kept migrate model place policy reload status trace "
         "unplace version"},
        {"guest at", "attach"},
        {"guest ", "attach detach list"},
        {"policy ", "bench check diff explain history list load new promote rollback shadow show test tune"},
        {"migrate vm1 --ma", "--max-downtime"},
        {"cert host a --d", "--days --dir"},
        {"--js", "--json"},
        {"--json --socket /x gue", "guest"},
        {"guest attach vm1 --tracker ", "auto hash present softdirty wp"},
        {"guest attach vm1 --tracker = s", "softdirty"},
        {"trace show x.hbt --glyphs b", "block braille"},
        {"trace show --glyphs ascii fi", "file.hbt"},
        {"trace compare a.hbt b.hbt fi", "file.hbt"},
        {"cert init --dir fo", "folder"},
        {"policy new ", "predictor scorer threshold"},
        {"policy rollback s", "scorer"},
        {"help gu", "guest"},
        {"help guest de", "detach"},
        {"help --comp", "--complete --completion"},
        {"migrate ", "ask:guests"},
        {"migrate vm1 --to ", "ask:hosts"},
        {"migrate --to b ", "ask:guests"},
        {"place --to b --wait ", "ask:guests"},
        {"--socket /x migrate ", "ask:--socket"},
        {"policy show ", "ask:policies"},
        {"policy diff x ", "ask:policies"},
        {"guest detach ", "ask:guests"},
        {"guest attach ", ""},
        {"migrate vm1 ", ""},
        {"migrate vm1 --max-downtime ", ""},
        {"nonsense ", ""},
};

static void add_line(FILE *f, const char *line) {
        unsigned words = 2;

        fputs("COMP_WORDS=(./harbinger", f);
        for (const char *p = line; *p; p += strcspn(p, " "), p += *p == ' ', words += p[-1] == ' ')
                fprintf(f, " '%.*s'", (int)strcspn(p, " "), p);
        if (!*line || line[strlen(line) - 1] == ' ')
                fputs(" ''", f);
        fprintf(f, "); COMP_CWORD=%u; _harbinger; sort <(printf '%%s\\n' \"${COMPREPLY[@]}\") | xargs echo\n",
                words - 1);
}

static void bash_completes(void **state) {
        static const char stage[] = "cd \"$(mktemp -d)\" && trap 'rm -rf \"$PWD\"' EXIT\n"
                                    "mkdir folder && touch file.hbt && printf '%s\\n' '#!/bin/sh' '[ \"$1\" "
                                    "= help ] || set -- x x \"$1\"' "
                                    "'echo \"ask:$3\"' > harbinger && chmod +x harbinger\n";
        char *script = text_of(hb_cli_completion_bash), *text = NULL, said[20000], *at = said;
        size_t n = 0;
        FILE *f = open_memstream(&text, &n);

        assert_int_equal(feed("bash -n", script, said, sizeof(said)), 0);
        fputs(stage, f);
        fputs(script, f);
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
                add_line(f, lines[i].line);
        fclose(f);
        assert_int_equal(feed("bash", text, said, sizeof(said)), 0);
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
                size_t len = strcspn(at, "\n");

                if (len != strlen(lines[i].want) || strncmp(at, lines[i].want, len) != 0)
                        fail_msg("harbinger %s| gives \"%.*s\", wanted \"%s\"", lines[i].line, (int)len, at,
                                 lines[i].want);
                at += len + (at[len] == '\n');
        }
        free(script);
        free(text);
}

/* Every command and every option stands in the script between these, with its help. */
static void names_all(const char *script, const char *before, const char *after, bool help) {
        char want[200];

        for (size_t i = 0; hb_cli_commands[i]; i++) {
                const char *blank = strchr(hb_cli_commands[i]->name, ' ');

                shows(script, blank ? blank + 1 : hb_cli_commands[i]->name);
                for (int o = 0; o < HB_CLI_MAX_OPTIONS && hb_cli_commands[i]->options[o].name; o++) {
                        const struct hb_cli_option *opt = &hb_cli_commands[i]->options[o];

                        snprintf(want, sizeof(want), "%s%s%s", before, opt->name, after);
                        shows(script, want);
                        snprintf(want, sizeof(want), "%.*s", (int)strcspn(opt->help, "'"), opt->help);
                        if (help)
                                shows(script, want);
                }
        }
}

/* Quotes and brackets are even: the little that can be said of a script without its shell. */
static void is_balanced(const char *script) {
        int round = 0, square = 0, curly = 0;
        bool quoted = false, remark = false;

        for (const char *p = script; *p; p++) {
                if (*p == '\n')
                        remark = false;
                else if (*p == '#' && !quoted && (p == script || p[-1] == '\n'))
                        remark = true;
                if (remark)
                        continue;
                if (*p == '\\' && p[1]) {
                        p++;
                        continue;
                }
                quoted ^= *p == '\'';
                if (quoted)
                        continue;
                square += (*p == '[') - (*p == ']');
                curly += (*p == '{') - (*p == '}');
                round += (*p == '(') - (*p == ')');
        }
        assert_false(quoted);
        assert_int_equal(square, 0);
        assert_int_equal(curly, 0);
        (void)round; /* of `case` alone it is never even */
}

static void scripts_name_all(void **state) {
        char *bash = text_of(hb_cli_completion_bash), *zsh = text_of(hb_cli_completion_zsh),
             *fish = text_of(hb_cli_completion_fish);

        names_all(bash, " --", "", false);
        names_all(zsh, "'--", ":", true);
        names_all(fish, " -l ", " ", true);
        is_balanced(bash);
        is_balanced(zsh);
        is_balanced(fish);
        assert_memory_equal(zsh, "#compdef harbinger\n", 19);
        shows(fish,
              "complete -c harbinger -n '__harbinger_at \"place\"' -l to -r -f -a '(__harbinger_ask hosts)'");
        shows(fish,
              "complete -c harbinger -n '__harbinger_at \"migrate\" 0' -f -a '(__harbinger_ask guests)'");
        shows(fish, "complete -c harbinger -n '__harbinger_word guest' -a attach -d ");
        free(bash);
        free(zsh);
        free(fish);
}

static void reads_in(const char *shell, const char *check, void (*print)(FILE *)) {
        char said[4000], *script;

        if (!installed(shell)) {
                print_message("%s is not installed\n", shell);
                skip();
        }
        script = text_of(print);
        if (feed(check, script, said, sizeof(said)) != 0)
                fail_msg("%s: %s", shell, said);
        free(script);
}

static void zsh_reads_its_script(void **state) {
        reads_in("zsh", "zsh -f -n /dev/stdin", hb_cli_completion_zsh);
}

static void fish_reads_its_script(void **state) {
        reads_in("fish", "fish --no-execute /dev/stdin", hb_cli_completion_fish);
}

/* ---- names ---- */
#define STATUS                                                                                               \
        "{\"guests\":[{\"name\":\"vm1\"},{\"name\":\"$(reboot)\"},{\"name\":\"-x\"},{\"name\":\"a b\"}],"    \
        "\"incoming\":[{\"guest\":\"vm2\"}],\"hosts\":[{\"name\":\"b\"},{\"name\":\"c.d\"},{\"name\":7}]}"
#define POLICIES                                                                                             \
        "{\"kinds\":[{\"kind\":\"scorer\",\"active\":{\"name\":\"cost_benefit\"},\"shadow\":null,"           \
        "\"candidates\":[{\"name\":\"mine\"},{\"name\":\"`id`\"}]}]}"

static void names_come_from_the_daemon(void **state) {
        struct fake_daemon d = {
                .rules = {{.cmd = "status", .result = STATUS}, {.cmd = "policy.list", .result = POLICIES}}};
        struct cli_run run = {.io = {.interrupt_fd = -1}};

        fake_start(&d);
        run.io.socket = d.path;
        assert_int_equal(run_line(&run, "harbinger help --complete guests"), 0);
        assert_string_equal(run.out, "vm1\nvm2\n");
        assert_int_equal(run_line(&run, "harbinger help --complete hosts"), 0);
        assert_string_equal(run.out, "b\nc.d\n");
        assert_int_equal(run_line(&run, "harbinger help --complete policies"), 0);
        assert_string_equal(run.out, "cost_benefit\nmine\n");
        assert_int_equal(run_line(&run, "harbinger help --complete kinds"), 0);
        assert_string_equal(run.out, "predictor\nscorer\nthreshold\n");
        assert_int_equal(run_line(&run, "harbinger help --complete frob"), 2);
        d.rules[0] =
                (struct fake_rule){.cmd = "status", .hold = true}; /* hung: HB_COMPLETE_MS, then nothing */
        assert_int_equal(run_line(&run, "harbinger help --complete guests"), 0);
        assert_string_equal(run.out, "");
        assert_string_equal(run.err, "");
        fake_stop(&d);
        assert_int_equal(run_line(&run, "harbinger help --complete guests"), 0); /* gone */
        assert_string_equal(run.out, "");
        assert_string_equal(run.err, "");
        cli_forget(&run);
}

static void help_prints_each_script(void **state) {
        struct cli_run run = {.io = {.interrupt_fd = -1}};

        assert_int_equal(run_line(&run, "harbinger help --completion"), 0);
        shows(run.out, "complete -F _harbinger harbinger");
        assert_int_equal(run_line(&run, "harbinger help --completion zsh"), 0);
        shows(run.out, "#compdef");
        assert_int_equal(run_line(&run, "harbinger help --completion fish"), 0);
        shows(run.out, "complete -c harbinger");
        assert_int_equal(run_line(&run, "harbinger help --completion tcsh"), 2);
        assert_int_equal(run_line(&run, "harbinger help --complete commands"), 0);
        for (size_t i = 0; hb_cli_commands[i]; i++)
                shows(run.out, hb_cli_commands[i]->name);
        cli_forget(&run);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_manual_says_all),
                cmocka_unit_test(every_command_has_a_page),
                cmocka_unit_test(groups_stand_together),
                cmocka_unit_test(every_value_is_completed_or_free),
                cmocka_unit_test(bash_completes),
                cmocka_unit_test(scripts_name_all),
                cmocka_unit_test(zsh_reads_its_script),
                cmocka_unit_test(fish_reads_its_script),
                cmocka_unit_test(names_come_from_the_daemon),
                cmocka_unit_test(help_prints_each_script),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
