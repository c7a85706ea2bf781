/* The command table and what is made from it: every row is sound, every example is a line that parses, help
 * says all. */
#include "cli/command.h"
#include "cli/help.h"
#include "cli/parse.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli_run.h"
#include "cli_words.h"

static struct hb_cli_io quiet(void) {
        return (struct hb_cli_io){.out = stdout, .err = stderr, .interrupt_fd = -1};
}

/* Parses "harbinger LINE" up to a pipe, redirection or remark. */
static int parse(const char *line, struct hb_cli *c, const struct hb_cli_io *io, struct hb_err *e) {
        static char copy[512], *words[32];
        static const char **taken; /* by the line before */
        char *at = copy;
        int n = 1, r;

        words[0] = (char *)"harbinger";
        snprintf(copy, sizeof(copy), "%s", line);
        for (char *w = cli_next_word(&at); w && n < 31; w = cli_next_word(&at)) {
                if (strchr("|>#", w[0]))
                        break;
                words[n++] = w;
        }
        words[n] = NULL;
        free(taken);
        *c = (struct hb_cli){.io = io};
        memset(e, 0, sizeof(*e));
        r = hb_cli_parse(c, n, words, e);
        taken = c->words;
        return r;
}

static void rows_are_sound(void **state) {
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                const struct hb_cli_command *cmd = hb_cli_commands[i];
                size_t words = 1;

                assert_true(cmd->run && cmd->summary && cmd->examples[0]);
                assert_true(cmd->summary[0] >= 'a' && cmd->summary[0] <= 'z' &&
                            cmd->summary[strlen(cmd->summary) - 1] != '.');
                for (const char *p = cmd->name; *p; p++)
                        words += *p == ' ';
                assert_true(words <= 2);
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(hb_cli_commands[k]->name, cmd->name);
                for (int o = 0; o < HB_CLI_MAX_OPTIONS && cmd->options[o].name; o++) {
                        const struct hb_cli_option *opt = &cmd->options[o];

                        assert_true((opt->type == HB_CLI_FLAG) == (opt->value == NULL));
                        assert_true(opt->help && opt->help[0] >= 'a' &&
                                    opt->help[strlen(opt->help) - 1] != '.');
                        assert_true(opt->type < HB_CLI_COUNT || opt->max > opt->min);
                        for (int k = 0; hb_cli_common[k].name; k++)
                                assert_string_not_equal(hb_cli_common[k].name, opt->name);
                }
        }
}

static void every_example_is_a_line_that_parses(void **state) {
        const struct hb_cli_io io = quiet();

        for (size_t i = 0; hb_cli_commands[i]; i++)
                for (size_t k = 0; k < 6 && hb_cli_commands[i]->examples[k]; k++) {
                        struct hb_cli c;
                        struct hb_err e;

                        if (parse(hb_cli_commands[i]->examples[k], &c, &io, &e) < 0)
                                fail_msg("%s: %s (%s)", hb_cli_commands[i]->examples[k], e.what, e.which);
                        assert_ptr_equal(c.command, hb_cli_commands[i]);
                }
}

static void forms_name_only_what_there_is_and_all_of_it(void **state) {
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                const struct hb_cli_command *cmd = hb_cli_commands[i];
                char form[1000], all[4000] = "";

                for (unsigned f = 0; hb_cli_form(cmd, f, form, sizeof(form)); f++)
                        strcat(strcat(all, form), " ");
                for (int o = 0; o < HB_CLI_MAX_OPTIONS && cmd->options[o].name; o++) {
                        char want[80];

                        snprintf(want, sizeof(want), "--%s", cmd->options[o].name);
                        if (!strstr(all, want)) {
                                char flag[80];

                                snprintf(want, sizeof(want), "-%c ", cmd->options[o].letter);
                                snprintf(flag, sizeof(flag), "-%c]", cmd->options[o].letter);
                                if (!cmd->options[o].letter || (!strstr(all, want) && !strstr(all, flag)))
                                        fail_msg("%s: no form shows --%s", cmd->name, cmd->options[o].name);
                        }
                }
                for (char *p = all; (p = strstr(p, "--")); p += 2) {
                        size_t n = strspn(p + 2, "abcdefghijklmnopqrstuvwxyz-"), found = 0;

                        if (n == 0 && cmd->trailing) /* "-- CMD" */
                                continue;
                        for (int o = 0; o < HB_CLI_MAX_OPTIONS && cmd->options[o].name; o++)
                                found += strlen(cmd->options[o].name) == n &&
                                         strncmp(cmd->options[o].name, p + 2, n) == 0;
                        assert_int_equal(found, 1);
                }
        }
}

static void lines_are_read_as_meant(void **state) {
        const struct hb_cli_io io = quiet();
        struct hb_cli c;
        struct hb_err e;

        assert_int_equal(
                parse("--json place --timeout=2.5 vm1 --socket /s --wait --to b --no-color", &c, &io, &e), 0);
        assert_true(c.json && !c.color && hb_cli_flag(&c, "wait"));
        assert_string_equal(c.socket, "/s");
        assert_string_equal(c.operands[0], "vm1");
        assert_string_equal(hb_cli_value(&c, "to"), "b");
        assert_true(hb_cli_number(&c, "timeout") == 2.5);
        assert_int_equal(parse("--socket=/t image read vm1 0x1F -o f", &c, &io, &e), 0);
        assert_string_equal(c.command->name, "image read");
        assert_string_equal(c.socket, "/t");
        assert_string_equal(hb_cli_value(&c, "output"), "f");
        assert_int_equal(parse("cert show -- -odd", &c, &io, &e), 0);
        assert_string_equal(c.operands[0], "-odd");
        assert_int_equal(parse("migrate --abort vm1", &c, &io, &e), 0);
        assert_int_equal(parse("place --help", &c, &io, &e), 0);
        assert_true(c.help);
        assert_int_equal(parse("status", &c, &io, &e), 0);
        assert_string_equal(c.socket, "/run/harbinger/control.sock");
        assert_null(hb_cli_value(&c, "nonsense"));
}

static void mistakes_are_named_with_a_remedy(void **state) {
        static const char *const cases[][3] = {
                {"plcae vm1", "plcae", "harbinger place"},
                {"guest atach vm1", "guest atach", "harbinger guest attach"},
                {"guest", "guest", "harbinger help guest"},
                {"guest frobnicate", "guest frobnicate", "harbinger help"},
                {"xyzzy", "xyzzy", "harbinger help"},
                {"place vm1", "place", "--help"},
                {"place --to b", "GUEST", "--help"},
                {"place vm1 vm2 --to b", "vm2", "--help"},
                {"place vm1 --ot b", "--ot", "--to"},
                {"place vm1 --to", "--to", ""},
                {"place vm1 --to=", "", "--help"},
                {"place vm1 --to b --to c", "--to", "leave one out"},
                {"place vm1 --to b --wait=yes", "--wait=yes", ""},
                {"place vm1 --to b --wait --timeout abc", "abc", "--help"},
                {"place vm1 --to b --wait --timeout -3", "-3", "--help"},
                {"place vm1 --to b --wait --timeout 0", "0", "--help"},
                {"place vm1 --to b --wait --timeout nan", "nan", "--help"},
                {"place vm1 --to b --wait --timeout 1e9", "1e9", "--help"},
                {"place vm/1 --to b", "vm/1", "--help"},
                {"place vm1 --to ../b", "../b", "--help"},
                {"image read vm1 4294967296", "4294967296", "--help"},
                {"image read vm1 1.5", "1.5", "--help"},
                {"image read vm1 0x", "0x", "--help"},
                {"image read vm1 12z", "12z", "--help"},
                {"migrate vm1 --to b --max-downtime 0.1", "0.1", "--help"},
                {"history --limit 0", "0", "--help"},
                {"history --limit 1e2", "1e2", "--help"},
                {"--jsn status", "--jsn", "--json"},
                {"-x status", "-x", "--help"},
                {"status -x", "-x", "--help"},
                {"cert init --dir d --days 0", "0", "--help"},
        };
        const struct hb_cli_io io = quiet();

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct hb_cli c;
                struct hb_err e;
                int r = parse(cases[i][0], &c, &io, &e);

                if (r != -EINVAL || strcmp(e.which, cases[i][1]) != 0 || !strstr(e.next, cases[i][2]) ||
                    !e.what[0])
                        fail_msg("%s: %d %s (%s) next: %s", cases[i][0], r, e.what, e.which, e.next);
        }
}

static void help_begins_with_examples_and_says_all(void **state) {
        struct cli_run run = {.io = {.interrupt_fd = -1}};
        char line[100], *examples, *usage;

        for (size_t i = 0; hb_cli_commands[i]; i++) {
                const struct hb_cli_command *cmd = hb_cli_commands[i];

                snprintf(line, sizeof(line), "harbinger %s --help", cmd->name);
                assert_int_equal(run_line(&run, line), 0);
                examples = strstr(run.out, "\nExamples\n");
                usage = strstr(run.out, "\nUsage\n");
                assert_true(examples && usage && examples < usage && strstr(run.out, "\nOptions\n") > usage &&
                            strstr(run.out, "\nExit codes\n"));
                for (int o = 0; o < HB_CLI_MAX_OPTIONS && cmd->options[o].name; o++) {
                        snprintf(line, sizeof(line), "--%s", cmd->options[o].name);
                        assert_non_null(strstr(strstr(run.out, "\nOptions\n"), line));
                }
                for (char *p = run.out; *p; p += strcspn(p, "\n") + 1)
                        assert_true(strcspn(p, "\n") <= 110);
                snprintf(line, sizeof(line), "harbinger help %s", cmd->name);
                usage = strdup(run.out);
                assert_int_equal(run_line(&run, line), 0);
                assert_string_equal(run.out, usage);
                free(usage);
        }
        cli_forget(&run);
}

static void help_comes_for_groups_and_all(void **state) {
        struct cli_run run = {.io = {.interrupt_fd = -1}};

        assert_int_equal(run_line(&run, "harbinger help"), 0);
        for (size_t i = 0; hb_cli_commands[i]; i++)
                assert_non_null(strstr(run.out, hb_cli_commands[i]->summary));
        assert_int_equal(run_line(&run, "harbinger --help"), 0);
        assert_non_null(strstr(run.out, "Commands"));
        assert_int_equal(run_line(&run, "harbinger"), 2);
        assert_string_equal(run.out, "");
        assert_non_null(strstr(run.err, "Commands"));
        for (int i = 0; i < 2; i++) {
                assert_int_equal(run_line(&run, i ? "harbinger guest --help" : "harbinger help guest"), 0);
                assert_non_null(strstr(run.out, "guest detach"));
                assert_null(strstr(run.out, "cert"));
        }
        assert_int_equal(run_line(&run, "harbinger help frob"), 2);
        assert_int_equal(run_line(&run, "harbinger help place now"), 2);
        assert_int_equal(run_line(&run, "harbinger --version"), 0);
        assert_string_equal(run.out, "harbinger " HB_VERSION "\n");
        assert_int_equal(run_line(&run, "harbinger version --json"), 0);
        assert_string_equal(run.out, "{\n  \"version\": \"" HB_VERSION "\"\n}\n");
        cli_forget(&run);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rows_are_sound),
                cmocka_unit_test(every_example_is_a_line_that_parses),
                cmocka_unit_test(forms_name_only_what_there_is_and_all_of_it),
                cmocka_unit_test(lines_are_read_as_meant),
                cmocka_unit_test(mistakes_are_named_with_a_remedy),
                cmocka_unit_test(help_begins_with_examples_and_says_all),
                cmocka_unit_test(help_comes_for_groups_and_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
