/* guest: starts and ends tracking, lists what is tracked. */
#include "cli/status_view.h"
#include "cli/table.h"
#include "draw/format.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define ATTACH_MS 120000 /* a first look at a large guest takes its time */

/* The daemon has another working directory than the person who types. */
static const char *absolute(const char *path, char *buf) {
        return realpath(path, buf) ? buf : path;
}

static int run_attach(struct hb_cli *c, struct hb_err *e) {
        const char *qmp = hb_cli_value(c, "qmp"), *process = hb_cli_value(c, "process"),
                   *tracker = hb_cli_value(c, "tracker");
        char path[PATH_MAX];
        json_t *args, *result;
        int r;

        if (!qmp == !process)
                return hb_err_set(e, -EINVAL, c->operands[0],
                                  "--qmp PATH for a QEMU, --process SOCKET for a process",
                                  "exactly one of --qmp and --process is needed");
        args = json_pack("{s:s}", "name", c->operands[0]);
        hb_cli_set(args, qmp ? "qmp" : "process", json_string(absolute(qmp ? qmp : process, path)));
        if (tracker)
                hb_cli_set(args, "tracker", json_string(tracker));
        r = hb_cli_call(c, "guest.attach", args, ATTACH_MS, NULL, NULL, &result, e);
        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        hb_cli_view_guest(c, result);
        json_decref(result);
        return 0;
}

static int run_detach(struct hb_cli *c, struct hb_err *e) {
        json_t *result;
        int r = hb_cli_call(c, "guest.detach", json_pack("{s:s}", "name", c->operands[0]), HB_CLI_SOON_MS,
                            NULL, NULL, &result, e);

        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        json_decref(result);
        fprintf(c->io->err, "%s is no longer tracked\n", c->operands[0]);
        return 0;
}

static int run_list(struct hb_cli *c, struct hb_err *e) {
        json_t *result, *guests;
        int r = hb_cli_call(c, "guest.list", NULL, HB_CLI_SOON_MS, NULL, NULL, &result, e);

        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        guests = json_object_get(result, "guests");
        if (json_array_size(guests) == 0)
                fputs("no guests; attach one with: harbinger guest attach NAME --qmp PATH\n", c->io->err);
        hb_cli_view_guests(c, guests);
        json_decref(result);
        return 0;
}

const struct hb_cli_command hb_cli_guest_attach = {
        .name = "guest attach",
        .summary = "start tracking a running guest's memory",
        .about = "The guest goes on running, as it is. A QEMU must have its memory in memory-backend-memfd "
                 "or memory-backend-file with share=on. "
                 "harbinger doctor shows which trackers work here and what each can see.",
        .examples = {"guest attach vm1 --qmp /run/vm1.qmp",
                     "guest attach job7 --process /run/job7.sock --tracker wp"},
        .forms = {"NAME --qmp PATH [--tracker T]", "NAME --process SOCKET [--tracker T]"},
        .operands = {{"NAME", HB_CLI_NAME}},
        .options = {{"qmp", 0, HB_CLI_TEXT, "PATH", false, 0, 0, "a QEMU, by its QMP socket"},
                    {"process", 0, HB_CLI_TEXT, "SOCKET", false, 0, 0, "a process, by its attach socket"},
                    {"tracker", 0, HB_CLI_NAME, "T", false, 0, 0,
                     "auto, present, wp, softdirty or hash (default: [tracking] backend)",
                     "auto present wp softdirty hash"}},
        .run = run_attach,
};

const struct hb_cli_command hb_cli_guest_detach = {
        .name = "guest detach",
        .summary = "stop tracking a guest and leave it as it was",
        .examples = {"guest detach vm1"},
        .operands = {{"NAME", HB_CLI_NAME, .completes = "@guests"}},
        .run = run_detach,
};

const struct hb_cli_command hb_cli_guest_list = {
        .name = "guest list",
        .summary = "list the guests tracked on this host",
        .examples = {"guest list", "guest list --json"},
        .run = run_list,
};
