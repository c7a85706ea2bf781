/* cmd_policy_check: `policy check`: the host's own judgement (author/check.h), and luacheck's where it is
 * installed. */
#include "author/check.h"
#include "author/installed.h"
#include "capture/program.h"
#include "cli/child.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINT_OUTPUT     (1u << 20)
#define LINT_TIMEOUT_MS 60000

struct problems {
        struct hb_cli *c;
        json_t *list; /* with --json; else they are printed as they come */
        unsigned n;
};

static void on_problem(void *arg, const struct hb_author_problem *p) {
        struct problems *to = arg;
        FILE *out = to->c->io->out;

        to->n++;
        if (to->list) {
                json_t *o = json_object();
                hb_cli_set(o, "check", json_string(p->check));
                hb_cli_set(o, "file", json_string(p->file));
                hb_cli_set(o, "line", p->line ? json_integer(p->line) : json_null());
                hb_cli_set(o, "column", p->column ? json_integer(p->column) : json_null());
                hb_cli_set(o, "text", json_string(p->text));
                json_array_append_new(to->list, o);
                return;
        }
        hb_cli_put(out, p->file);
        if (p->line)
                fprintf(out, ":%u", p->line);
        if (p->column)
                fprintf(out, ":%u", p->column);
        fprintf(out, ": %s: ", p->check);
        hb_cli_put(out, p->text);
        fputc('\n', out);
}

/* ---- luacheck ---- */

/* "ran", or why it did not. */
static const char *lint(const char *path, struct problems *to) {
        char program[PATH_MAX], dir[PATH_MAX], config[PATH_MAX + 16], *text, *save = NULL;
        char *argv[] = {
                program,           (char *)"--config",   config,       (char *)"--formatter", (char *)"plain",
                (char *)"--codes", (char *)"--no-color", (char *)"--", (char *)path,          NULL};
        struct hb_author_problem p;
        struct hb_err why;
        int status;

        if (hb_program_find("luacheck", program, &why) < 0)
                return "not installed (apt-get install lua-check)";
        if (hb_author_policies_dir(dir, &why) < 0)
                return "its settings for policies are not installed";
        snprintf(config, sizeof(config), "%s/.luacheckrc", dir);
        text = malloc(LINT_OUTPUT);
        status = text ? hb_cli_child(argv, LINT_TIMEOUT_MS, text, LINT_OUTPUT) : -ENOMEM;
        if (status >= 0)
                for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                        if (hb_author_lint_line(line, &p))
                                on_problem(to, &p);
        free(text);
        return status < 0 || status > 2 ? "it could not be run" : "ran";
}

/* ---- what there is to say besides ---- */

static json_t *budget(const struct hb_author_report *r) {
        bool calls = r->policy.kind == HB_POLICY_THRESHOLD;
        json_t *o = json_object();

        hb_cli_set(o, "load_ms", json_real(r->load_ms));
        hb_cli_set(o, "load_limit_ms", json_real(10 * (double)r->limits.deadline_ns / 1e6));
        hb_cli_set(o, "call_ms", json_real(r->call_ms));
        hb_cli_set(o, "call_limit_ms", json_real((double)r->limits.deadline_ns / 1e6));
        hb_cli_set(o, "memory_bytes", json_integer((json_int_t)r->memory_bytes));
        hb_cli_set(o, "memory_limit_bytes", json_integer((json_int_t)r->limits.memory_bytes));
        hb_cli_set(o, "ns_per_page", calls ? json_null() : json_real(r->ns_per_page));
        hb_cli_set(o, "us_per_call", calls ? json_real(r->call_us) : json_null());
        return o;
}

static int tell_json(struct hb_cli *c, const struct hb_author_report *r, const char *linted,
                     struct problems *found, struct hb_err *e) {
        json_t *o = json_object();

        hb_cli_set(o, "file", json_string(c->operands[0]));
        hb_cli_set(o, "kind", json_string(hb_policy_kind_name(r->policy.kind)));
        hb_cli_set(o, "name", json_string(r->policy.name));
        hb_cli_set(o, "version", r->loaded ? json_string(r->version) : json_null());
        hb_cli_set(o, "hash", r->loaded ? json_string(r->hash) : json_null());
        hb_cli_set(o, "ok", json_boolean(found->n == 0));
        hb_cli_set(o, "luacheck", json_string(linted));
        hb_cli_set(o, "budget", r->loaded ? budget(r) : json_null());
        hb_cli_set(o, "problems", json_incref(found->list));
        return hb_cli_print_json(c, o, e);
}

static void tell(struct hb_cli *c, const struct hb_author_report *r, const char *linted, unsigned problems) {
        FILE *out = c->io->out;

        if (strcmp(linted, "ran") != 0)
                fprintf(out, "luacheck did not look at it: %s\n", linted);
        if (!r->loaded) {
                fprintf(out, "%u problem%s, not loaded\n", problems, problems == 1 ? "" : "s");
                return;
        }
        fprintf(out, "%s '%s' %s, %u param%s: ", hb_policy_kind_name(r->policy.kind), r->policy.name,
                r->version, r->params, r->params == 1 ? "" : "s");
        fprintf(out, problems ? "%u problem%s\n" : "sound\n", problems, problems == 1 ? "" : "s");
        fprintf(out, "  load %.1f of %.0f ms, longest call %.2f of %.0f ms, memory %.1f of %.0f MiB, ",
                r->load_ms, 10 * (double)r->limits.deadline_ns / 1e6, r->call_ms,
                (double)r->limits.deadline_ns / 1e6, (double)r->memory_bytes / 1048576,
                (double)r->limits.memory_bytes / 1048576);
        if (r->policy.kind == HB_POLICY_THRESHOLD)
                fprintf(out, "%.1f us a call\n", r->call_us);
        else
                fprintf(out, "%.2f ns a page\n", r->ns_per_page);
}

static int run_check(struct hb_cli *c, struct hb_err *e) {
        struct problems found = {.c = c, .list = c->json ? json_array() : NULL};
        struct hb_author_report *report = calloc(1, sizeof(*report));
        const char *linted;
        int r = report ? hb_author_check(c->operands[0], on_problem, &found, report, e)
                       : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");

        if (r == 0) {
                linted = lint(c->operands[0], &found);
                if (c->json)
                        r = tell_json(c, report, linted, &found, e);
                else
                        tell(c, report, linted, found.n);
        }
        json_decref(found.list);
        free(report);
        return r < 0 || !found.n ? r : HB_EXIT_MISMATCH;
}

const struct hb_cli_command hb_cli_policy_check = {
        .name = "policy check",
        .summary = "say whether a policy is fit to be loaded, and what it costs",
        .about = "Loads FILE into the sandbox as a host would: its syntax, its table, a trial on awkward but "
                 "legal "
                 "inputs. Then lives through two minutes of made-up guests with it, twice, which must give "
                 "equal "
                 "answers; passes what it saves to a fresh state; and measures it against the limits. "
                 "luacheck looks "
                 "at it, too, where it is installed. Each problem is a line of its own with file and line. "
                 "The kind "
                 "is that of the folder the file lies in, else what its text says. Exit code 0: no problem. "
                 "7: there "
                 "are some. 3: there is no such file. Any other: it could not be checked.",
        .examples = {"policy check ./my/score/calm.lua", "policy check ./my/score/calm.lua --json"},
        .operands = {{"FILE", HB_CLI_TEXT}},
        .run = run_check,
};
