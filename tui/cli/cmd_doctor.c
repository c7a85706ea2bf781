/* doctor: what works on this machine and what does not, each with what to do about it. Works without a
 * daemon; where one answers, its own view is added, because it runs with other rights than the person who
 * asks. */
#include "base/clock.h"
#include "cli/child.h"
#include "cli/doctor.h"
#include "cli/table.h"
#include "draw/format.h"
#include <errno.h>
#include <string.h>

#define CONFIG   "/etc/harbinger/harbingerd.ini"
#define CHILD_MS 20000
#define MARK     6u /* columns of "warn  " */
#define INDENT   25u
#define WIDTH    110u

static void ask_daemon(struct hb_cli *c, json_t *checks, bool *ret_answered) {
        struct hb_err e = {0};
        json_t *result, *check;
        char line[600];
        size_t i;
        int r = hb_cli_call(c, "doctor", NULL, HB_CLI_SOON_MS, NULL, NULL, &result, &e);

        *ret_answered = r == 0;
        if (r < 0) {
                snprintf(line, sizeof(line), "%s (%s)", e.what, e.which);
                hb_doctor_add(checks, "daemon", r == -ECONNREFUSED ? HB_CHECK_WARN : HB_CHECK_FAIL, line,
                              e.next);
                return;
        }
        snprintf(line, sizeof(line), "answers on %s", c->socket);
        hb_doctor_add(checks, "daemon", HB_CHECK_OK, line, "");
        json_array_foreach(json_object_get(result, "checks"), i, check) {
                json_array_append(checks, check);
        }
        json_decref(result);
}

static void no_daemon_program(json_t *checks, const char *what) {
        hb_doctor_add(checks, "trackers", HB_CHECK_WARN, what,
                      "install harbingerd; it knows how to try this kernel's trackers");
}

/* The trackers, as the daemon's program finds them here. */
static void probe_trackers(const struct hb_cli *c, json_t *checks) {
        static char text[65536];
        char *const argv[] = {(char *)c->io->daemon, (char *)"--probe", NULL};
        json_t *probe;
        int r;

        r = c->io->daemon ? hb_cli_child(argv, CHILD_MS, text, sizeof(text)) : -ENOENT;
        probe = r == 0 ? json_loads(text, 0, NULL) : NULL;
        if (probe)
                hb_doctor_trackers(checks, json_object_get(probe, "trackers"));
        else
                no_daemon_program(checks, r == -ENOENT
                                                  ? "there is no harbingerd beside this program or in PATH"
                                          : r == -ETIMEDOUT ? "harbingerd --probe did not end"
                                                            : "harbingerd --probe failed");
        json_decref(probe);
}

/* A daemon that runs has judged its settings itself. */
static void check_settings(const struct hb_cli *c, json_t *checks) {
        const char *config = hb_cli_value(c, "config");
        char text[1024], *const argv[] = {(char *)c->io->daemon, (char *)"--check", (char *)"--config",
                                          (char *)(config ? config : CONFIG), NULL};
        int r;

        if (!c->io->daemon)
                return;
        r = hb_cli_child(argv, CHILD_MS, text, sizeof(text));
        if (r == -ENOENT) /* said above */
                return;
        text[strcspn(text, "\n")] = '\0';
        if (r == 0)
                hb_doctor_add(checks, "settings", HB_CHECK_OK, argv[3], "");
        else /* a place that has no settings yet is no illness, a file with a mistake is one */
                hb_doctor_add(checks, "settings",
                              config || !strstr(text, "No such file") ? HB_CHECK_FAIL : HB_CHECK_WARN,
                              text[0] == '<' ? text + 3 : text, "docs/OPERATING.md walks through them");
}

static void print_check(struct hb_cli *c, const json_t *check) {
        const char *ok = hb_json_text(check, "ok"), *next = hb_json_text(check, "next");
        const char *name = hb_json_text(check, "name");
        bool good = strcmp(ok, "ok") == 0, warn = strcmp(ok, "warn") == 0;
        enum hb_cli_color color = good ? HB_GOOD : warn ? HB_WARN : HB_BAD;
        size_t n = MARK + strlen(name);

        fprintf(c->io->out, "%s%-5s%s ", hb_cli_color_on(c, color),
                good   ? "ok"
                : warn ? "warn"
                       : "FAIL",
                hb_cli_color_off(c, color));
        hb_cli_put(c->io->out, name);
        fprintf(c->io->out, "%*s", n < INDENT ? (int)(INDENT - n) : 1, "");
        hb_cli_wrap(c, INDENT, WIDTH, hb_json_text(check, "detail"));
        if (!next[0] || good)
                return;
        fprintf(c->io->out, "%*s", (int)INDENT, "");
        fputs("next: ", c->io->out);
        hb_cli_wrap(c, INDENT, WIDTH, next);
}

static bool any_failed(const json_t *checks) {
        json_t *check;
        size_t i;

        json_array_foreach((json_t *)checks, i, check) {
                if (strcmp(hb_json_text(check, "ok"), "fail") == 0)
                        return true;
        }
        return false;
}

static int run_doctor(struct hb_cli *c, struct hb_err *e) {
        json_t *checks = json_array(), *check;
        bool answered, failed;
        size_t i;
        int r = 0;

        hb_doctor_machine(checks);
        ask_daemon(c, checks, &answered);
        if (!answered) {
                probe_trackers(c, checks);
                check_settings(c, checks);
        }
        failed = any_failed(checks);
        if (c->json) {
                r = hb_cli_print_json(c, json_pack("{s:o}", "checks", checks), e);
        } else {
                json_array_foreach(checks, i, check) {
                        print_check(c, check);
                }
                json_decref(checks);
        }
        return r < 0 ? r : failed ? HB_EXIT_FAILED : 0;
}

const struct hb_cli_command hb_cli_doctor = {
        .name = "doctor",
        .summary = "check what works on this machine, and what to do about the rest",
        .about = "Exit code 1 when a check failed; warnings alone are exit code 0. Runs without a daemon as "
                 "well.",
        .examples = {"doctor", "doctor --json | jq '.checks[] | select(.ok != \"ok\")'"},
        .options = {{"config", 0, HB_CLI_TEXT, "FILE", false, 0, 0,
                     "settings to check when no daemon runs (default: " CONFIG ")"}},
        .run = run_doctor,
};
