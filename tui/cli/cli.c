/* cli: from words to an exit code: parse, run, say what went wrong. Everything a command prints goes to the
 * streams it was given. */
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/parse.h"
#include "cli/table.h"
#include "control/ctl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void hb_cli_set(json_t *object, const char *key, json_t *value) {
        if (value)
                json_object_set_new(object, key, value);
}

int hb_cli_print_json(struct hb_cli *c, json_t *result, struct hb_err *e) {
        int r = json_dumpf(result, c->io->out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));

        json_decref(result);
        if (r == 0 && fputc('\n', c->io->out) != EOF)
                return 0;
        return hb_err_set(e, -EIO, NULL, NULL, "cannot write the result");
}

static void say_error(const struct hb_cli *c, const struct hb_err *e) {
        FILE *err = c->io->err;

        fputs("harbinger: ", err);
        hb_cli_put(err, e->what[0] ? e->what : hb_errno_name(e->code));
        if (e->which[0]) {
                fputs(" (", err);
                hb_cli_put(err, e->which);
                fputc(')', err);
        }
        fputc('\n', err);
        if (e->next[0]) {
                fputs("  next: ", err);
                hb_cli_put(err, e->next);
                fputc('\n', err);
        }
}

static void report(struct hb_cli *c, const struct hb_err *e) {
        json_t *j;

        if (!c->json) {
                say_error(c, e);
                return;
        }
        j = json_pack("{s:o}", "error", hb_ctl_error_json(e));
        if (!j || hb_cli_print_json(c, j, NULL) < 0)
                say_error(c, e);
}

static int show_help(struct hb_cli *c) {
        if (c->command)
                hb_cli_help_command(c->io->out, c->command);
        else if (c->rest[0])
                hb_cli_help_group(c->io->out, c->rest[0]);
        else
                hb_cli_help_all(c->io->out);
        return 0;
}

static int run(struct hb_cli *c, int argc, char *const *argv, struct hb_err *e) {
        int r = hb_cli_parse(c, argc, argv, e);

        if (r < 0)
                return r;
        if (c->help)
                return show_help(c);
        if (!c->command) {
                hb_cli_help_all(c->io->err);
                return HB_EXIT_USAGE;
        }
        return c->command->run(c, e);
}

int hb_cli_run(const struct hb_cli_io *io, int argc, char *const *argv) {
        struct hb_cli c = {.io = io};
        struct hb_err e = {0};
        int r = run(&c, argc, argv, &e);

        if (r == 0 && (fflush(io->out) != 0 || ferror(io->out)))
                r = hb_err_set(&e, errno ? -errno : -EIO, NULL, NULL, "cannot write the result: %s",
                               strerror(errno));
        if (r < 0) {
                if (!e.code)
                        e.code = r;
                report(&c, &e);
        }
        fflush(io->out);
        fflush(io->err);
        hb_ctl_close(c.client);
        free(c.words);
        return r < 0 ? (int)hb_cli_exit_of(r) : r;
}
