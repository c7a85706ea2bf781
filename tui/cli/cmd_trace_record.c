/* trace record: what a guest does, or how a placement comes along, written down by the daemon that has it; or
 * a command of one's own under the recorder (cmd_trace_capture.c). */
#include "cli/cmd_trace.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "draw/format.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- shown ---- */

static const char *side_word(const json_t *rec) {
        const char *side = hb_json_text(rec, "side");

        if (strcmp(side, "source") == 0)
                return "the guest, which runs here";
        if (strcmp(side, "target") == 0)
                return "its placement here";
        return "nothing yet: it is neither here nor placed here";
}

static void say_dropped(const struct hb_cli *c, const json_t *rec) {
        if (hb_json_number(rec, "dropped") > 0)
                fprintf(c->io->err,
                        "%.0f records were dropped, the disk was too slow: the trace says where; [trace] "
                        "queue_bytes "
                        "gives more room\n",
                        hb_json_number(rec, "dropped"));
}

static void view(struct hb_cli *c, const json_t *rec) {
        char bytes[HB_FMT_SIZE], s[HB_FMT_SIZE], line[160];
        bool exact = json_is_true(json_object_get(rec, "exact"));

        hb_cli_field(c, "guest", hb_json_text(rec, "guest"));
        hb_cli_field(c, "state", hb_json_text(rec, "state"));
        hb_cli_field(c, "records", side_word(rec));
        hb_cli_field(c, "file", hb_json_text(rec, "file"));
        snprintf(line, sizeof(line), "%s, %.0f epochs, %.0f page accesses, %.0f engine inputs, for %s",
                 hb_fmt_bytes(hb_json_number(rec, "bytes"), bytes), hb_json_number(rec, "epochs"),
                 hb_json_number(rec, "accesses"), hb_json_number(rec, "inputs"),
                 hb_fmt_seconds(hb_json_number(rec, "seconds"), s));
        hb_cli_field(c, "so far", line);
        if (strcmp(hb_json_text(rec, "side"), "target") == 0)
                hb_cli_field(c, "exact replay",
                             exact ? "yes"
                                   : "no: it was placed before the recording began, or inputs were dropped");
        if (hb_json_text(rec, "why")[0])
                hb_cli_field(c, "ended", hb_json_text(rec, "why"));
        if (hb_json_text(rec, "error.what")[0])
                hb_cli_field(c, "error", hb_json_text(rec, "error.what"));
        say_dropped(c, rec);
}

static void add_row(hb_cli_table *t, const json_t *rec) {
        char bytes[HB_FMT_SIZE], s[HB_FMT_SIZE], n[HB_FMT_SIZE], dropped[HB_FMT_SIZE];
        const char *state = hb_json_text(rec, "state");
        double lost = hb_json_number(rec, "dropped");

        hb_cli_table_cell(t, HB_PLAIN, hb_json_text(rec, "guest"));
        hb_cli_table_cell(t, strcmp(state, "failed") == 0 ? HB_BAD : HB_PLAIN, state);
        hb_cli_table_cell(t, HB_PLAIN, hb_json_text(rec, "side"));
        hb_cli_table_cell(t, HB_PLAIN, hb_fmt_seconds(hb_json_number(rec, "seconds"), s));
        hb_cli_table_cell(t, HB_PLAIN, hb_fmt_count(hb_json_number(rec, "epochs"), n));
        hb_cli_table_cell(t, HB_PLAIN, hb_fmt_bytes(hb_json_number(rec, "bytes"), bytes));
        hb_cli_table_cell(t, lost > 0 ? HB_WARN : HB_PLAIN, hb_fmt_count(lost, dropped));
        hb_cli_table_cell(t, HB_PLAIN, hb_json_text(rec, "file"));
}

static int run_list(struct hb_cli *c, struct hb_err *e) {
        static const char *const headings[] = {"GUEST", "STATE",    "SIDE", ">TIME", ">EPOCHS",
                                               ">SIZE", ">DROPPED", "FILE", NULL};
        json_t *result, *list;
        hb_cli_table *t;
        int r = hb_cli_call(c, "trace.list",
                            c->operands[0] ? json_pack("{s:s}", "guest", c->operands[0]) : NULL,
                            HB_CLI_SOON_MS, NULL, NULL, &result, e);

        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        list = json_object_get(result, "recordings");
        if (json_array_size(list) == 0)
                fprintf(c->io->err, "nothing is or was recorded here\n");
        t = hb_cli_table_new(headings);
        for (size_t i = 0; i < json_array_size(list); i++)
                add_row(t, json_array_get(list, i));
        hb_cli_table_print(t, c);
        json_decref(result);
        return 0;
}

static int show(struct hb_cli *c, json_t *result, struct hb_err *e) {
        if (c->json)
                return hb_cli_print_json(c, result, e);
        view(c, result);
        json_decref(result);
        return 0;
}

static int run_stop(struct hb_cli *c, struct hb_err *e) {
        json_t *result;
        int r = hb_cli_call(c, "trace.stop", json_pack("{s:s}", "guest", c->operands[0]), -1, NULL, NULL,
                            &result, e);

        return r < 0 ? r : show(c, result, e);
}

/* ---- begun ---- */

static void show_progress(void *arg, const json_t *rec) {
        struct hb_cli_progress *p = arg;
        char bytes[HB_FMT_SIZE], s[HB_FMT_SIZE];

        if (p->c->json || !p->c->io->err_tty)
                return;
        fprintf(p->c->io->err, "\r\033[K%s: %.0f epochs, %s, %s", hb_json_text(rec, "state"),
                hb_json_number(rec, "epochs"), hb_fmt_bytes(hb_json_number(rec, "bytes"), bytes),
                hb_fmt_seconds(hb_json_number(rec, "seconds"), s));
        fflush(p->c->io->err);
        p->open = true;
}

/* The daemon stands in another folder than we do. */
static int whole_path(const char *path, char out[PATH_MAX], struct hb_err *e) {
        char here[PATH_MAX];
        int n;

        if (!path || path[0] == '/')
                n = snprintf(out, PATH_MAX, "%s", path ? path : "");
        else if (!getcwd(here, sizeof(here)))
                return hb_err_set(e, -errno, path, "give a path from /", "this folder has no path");
        else
                n = snprintf(out, PATH_MAX, "%s/%s", here, path);
        if (n >= PATH_MAX)
                return hb_err_set(e, -ENAMETOOLONG, path, NULL, "the path is too long");
        return 0;
}

static json_t *wishes(const struct hb_cli *c, const char *path, bool wait) {
        json_t *args = json_pack("{s:s,s:b}", "guest", c->operands[0], "wait", wait);

        if (path[0])
                hb_cli_set(args, "path", json_string(path));
        if (hb_cli_flag(c, "for"))
                hb_cli_set(args, "seconds", json_real(hb_cli_number(c, "for")));
        if (hb_cli_flag(c, "rotate-size"))
                hb_cli_set(args, "rotate_bytes", json_real(hb_cli_number(c, "rotate-size") * 1048576));
        if (hb_cli_flag(c, "rotate-time"))
                hb_cli_set(args, "rotate_s", json_real(hb_cli_number(c, "rotate-time")));
        if (hb_cli_value(c, "note"))
                hb_cli_set(args, "note", json_string(hb_cli_value(c, "note")));
        return args;
}

static int run_begin(struct hb_cli *c, struct hb_err *e) {
        struct hb_cli_progress progress = {.c = c};
        char path[PATH_MAX], next[200];
        bool wait = hb_cli_flag(c, "for");
        json_t *result;
        int r = whole_path(hb_cli_value(c, "output"), path, e);

        if (r < 0)
                return r;
        r = hb_cli_call(c, "trace.record", wishes(c, path, wait), wait ? -1 : HB_CLI_SOON_MS, show_progress,
                        &progress, &result, e);
        hb_cli_progress_end(&progress);
        if (r == -EINTR) {
                snprintf(next, sizeof(next), "harbinger trace record --stop %s ends it", c->operands[0]);
                return hb_cli_goes_on("recording", c->operands[0], next, e);
        }
        return r < 0 ? r : show(c, result, e);
}

/* ---- which of them ---- */

static int wrong(struct hb_err *e, const char *which, const char *next, const char *what) {
        return hb_err_set(e, -EINVAL, which, next, "%s", what);
}

static int run_record(struct hb_cli *c, struct hb_err *e) {
        static const char *const of_cmd[] = {"epoch-accesses", "epoch-time", "epoch-instructions",
                                             "name",           "plugin",     "force"};
        static const char *const live[] = {"for", "rotate-size", "rotate-time", "note", "stop", "list"};
        bool cmd = c->trailing != NULL;
        const char *const *others = cmd ? live : of_cmd;

        for (size_t i = 0; i < 6; i++)
                if (hb_cli_value(c, others[i]))
                        return wrong(e, others[i], cmd ? "leave it out" : "add -- CMD, or leave it out",
                                     cmd ? "this is for recordings of guests"
                                         : "this is for recordings of commands");
        if (cmd) {
                if (c->operands[0])
                        return wrong(e, c->operands[0], "leave GUEST out; --name NAME names it in the trace",
                                     "either a guest or a command can be recorded");
                if (!hb_cli_value(c, "output"))
                        return wrong(e, "--output", "add -o FILE",
                                     "where the trace is to be written is not clear");
                return hb_cli_capture(c, e);
        }
        if (hb_cli_flag(c, "list"))
                return run_list(c, e);
        if (!c->operands[0])
                return wrong(e, "GUEST", "harbinger guest list shows them; -- CMD records a command",
                             "what is to be recorded is not clear");
        return hb_cli_flag(c, "stop") ? run_stop(c, e) : run_begin(c, e);
}

const struct hb_cli_command hb_cli_trace_record = {
        .name = "trace record",
        .summary = "record what a guest does, how a placement comes along, or a command",
        .about = "A guest that runs on this host is recorded as its tracker sees it; one that is placed here "
                 "as "
                 "this host hears of it, with everything its engine is told, so that a replay decides the "
                 "same. "
                 "For that the recording must be asked for before the guest is placed: it waits until then. "
                 "It "
                 "goes on until --stop, until --for is over, or until the guest or the placement is gone; "
                 "Ctrl-C stops waiting, not the recording. Without -o the file is made in the daemon's "
                 "[trace] "
                 "dir. With -- CMD a program (or a whole guest under QEMU) is recorded instead, every load "
                 "and "
                 "store of it.",
        .examples = {"trace record vm1 -o vm1.hbt --for 60",
                     "trace record vm1 --rotate-size 100  # until --stop", "trace record --stop vm1",
                     "trace record --list", "trace record -o sort.hbt -- sort big.txt"},
        .forms = {"GUEST [-o FILE] [--for S] [--rotate-size MIB] [--rotate-time S] [--note TEXT]",
                  "--stop GUEST", "--list [GUEST]",
                  "-o FILE [--force] [--epoch-accesses N|--epoch-time S|--epoch-instructions N] [--name "
                  "NAME] [--plugin PATH] -- CMD [ARG...]"},
        .operands = {{"GUEST", HB_CLI_NAME, .optional = true}},
        .options = {{"output", 'o', HB_CLI_TEXT, "FILE", false, 0, 0,
                     "where to; a file that is there is refused"},
                    {"for", 0, HB_CLI_REAL, "S", false, 0.001, 1e9, "end after S seconds, and wait for it"},
                    {"rotate-size", 0, HB_CLI_REAL, "MIB", false, 0, 1e9,
                     "go on in FILE's .1.hbt, .2.hbt ... when one has this size; 0: never"},
                    {"rotate-time", 0, HB_CLI_REAL, "S", false, 0, 1e9, "the same after so many seconds"},
                    {"note", 0, HB_CLI_TEXT, "TEXT", false, 0, 0, "a word kept in the trace"},
                    {"stop", 0, HB_CLI_FLAG, NULL, false, 0, 0,
                     "end the recording of GUEST; the file is whole then"},
                    {"list", 0, HB_CLI_FLAG, NULL, false, 0, 0, "the recordings of this host"},
                    {"force", 0, HB_CLI_FLAG, NULL, false, 0, 0, "with CMD: replace a file that is there"},
                    HB_CLI_CAPTURE_OPTIONS},
        .trailing = "CMD [ARG...]",
        .run = run_record,
};
