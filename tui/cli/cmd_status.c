/* status: this host at a glance, or one guest in full. */
#include "cli/status_view.h"
#include "cli/status_watch.h"
#include "cli/table.h"
#include "draw/format.h"
#include <errno.h>

/* Prints the view with an empty line before it, if there is anything to show. */
static void section(struct hb_cli *c, const json_t *list, void (*view)(struct hb_cli *, const json_t *)) {
        if (json_array_size(list) == 0)
                return;
        fputc('\n', c->io->out);
        view(c, list);
}

static bool any_placed(const json_t *guests) {
        json_t *g;
        size_t i;

        json_array_foreach((json_t *)guests, i, g) {
                if (json_is_object(json_object_get(g, "placement")))
                        return true;
        }
        return false;
}

static void show_host(struct hb_cli *c, const json_t *status) {
        const json_t *guests = json_object_get(status, "guests"),
                     *incoming = json_object_get(status, "incoming");
        char up[HB_FMT_SIZE];

        fputs("host ", c->io->out);
        hb_cli_put(c->io->out, hb_json_text(status, "host"));
        fputs(", harbingerd ", c->io->out);
        hb_cli_put(c->io->out, hb_json_text(status, "version"));
        fprintf(c->io->out, ", up %s\n", hb_fmt_seconds(hb_json_number(status, "uptime_s"), up));
        section(c, guests, hb_cli_view_guests);
        if (any_placed(guests))
                section(c, guests, hb_cli_view_placements);
        section(c, incoming, hb_cli_view_incoming);
        section(c, json_object_get(status, "handovers"), hb_cli_view_handovers);
        if (json_array_size(guests) + json_array_size(incoming) == 0)
                fputs("no guests here; attach one with: harbinger guest attach NAME --qmp PATH\n",
                      c->io->err);
}

static void show_one(struct hb_cli *c, const json_t *status) {
        const json_t *guests = json_object_get(status, "guests");
        json_t *g;
        size_t i;

        json_array_foreach((json_t *)guests, i, g) {
                hb_cli_view_guest(c, g);
        }
        hb_cli_view_incoming(c, json_object_get(status, "incoming"));
        section(c, json_object_get(status, "handovers"), hb_cli_view_handovers);
}

static int run_watch(struct hb_cli *c, struct hb_err *e) {
        struct hb_cli_watch_use u = {
                .guest = c->operands[0],
                .every = hb_cli_value(c, "every") ? (unsigned)hb_cli_number(c, "every") : 1,
                .show = c->operands[0] ? show_one : show_host,
        };

        return hb_cli_status_watch(c, &u, e);
}

static int run_once(struct hb_cli *c, struct hb_err *e) {
        const char *guest = c->operands[0];
        json_t *args = guest ? json_pack("{s:s}", "guest", guest) : NULL, *result;
        int r = hb_cli_call(c, "status", args, HB_CLI_SOON_MS, NULL, NULL, &result, e);

        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        if (guest)
                show_one(c, result);
        else
                show_host(c, result);
        json_decref(result);
        return 0;
}

static int run_status(struct hb_cli *c, struct hb_err *e) {
        if (hb_cli_flag(c, "watch"))
                return run_watch(c, e);
        if (hb_cli_value(c, "every"))
                return hb_err_set(e, -EINVAL, "--every", "harbinger status --watch --every S",
                                  "--every goes with --watch");
        return run_once(c, e);
}

const struct hb_cli_command hb_cli_status = {
        .name = "status",
        .summary = "show guests, placements and moves of this host",
        .about = "--watch shows it again every second until ctrl-C, which is its proper end: exit code 0. A "
                 "terminal is redrawn in place; elsewhere a block is added each time, with --json one object "
                 "a "
                 "line. A daemon that goes away is said and tried again.",
        .examples = {"status", "status vm1", "status --watch --every 5",
                     "status --watch --json | jq -c '.guests[] | [.name, .dirty_bytes_per_s]'",
                     "status --json | jq '.guests[].placement.estimate'"},
        .operands = {{"GUEST", HB_CLI_NAME, true}},
        .options = {{"watch", 'w', HB_CLI_FLAG, NULL, false, 0, 0, "show it again and again"},
                    {"every", 0, HB_CLI_COUNT, "S", false, 1, 3600,
                     "with --watch: every S seconds (default: 1)"}},
        .run = run_status,
};
