/* trace export: a trace for other tools. */
#include "cli/table.h"
#include "cli/trace_args.h"
#include "cli/work.h"
#include "convert/export.h"
#include "draw/format.h"
#include <errno.h>
#include <string.h>

static bool tick(void *arg, const struct hb_export_stats *s) {
        return hb_cli_work_tick(arg, s->in_bytes, s->in_size);
}

static json_t *as_json(const char *out, const struct hb_export_stats *s) {
        return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:f,s:I,s:b}", "file", out, "format",
                         hb_export_format_name(s->format), "records", (json_int_t)s->records, "epochs",
                         (json_int_t)s->epochs, "pages", (json_int_t)s->pages, "accesses",
                         (json_int_t)s->accesses, "events", (json_int_t)s->events, "seconds",
                         (double)s->last_ns / 1e9, "bytes", (json_int_t)s->out_bytes, "cut_short", s->cut);
}

static void say(struct hb_cli *c, const char *out, const struct hb_export_stats *s) {
        char num[2][HB_FMT_SIZE];

        hb_cli_put(c->io->err, strcmp(out, "-") == 0 ? "standard output" : out);
        hb_cli_say(c, ": %llu epochs, %s, %llu records of %llu accesses, %s as %s",
                   (unsigned long long)s->epochs, hb_fmt_seconds((double)s->last_ns / 1e9, num[0]),
                   (unsigned long long)s->records, (unsigned long long)s->accesses,
                   hb_fmt_bytes((double)s->out_bytes, num[1]), hb_export_format_name(s->format));
        if (s->cut)
                hb_cli_say(c, "the trace has no end: it was cut short or is still being written; all its "
                              "whole blocks are in");
}

static int read_options(const struct hb_cli *c, struct hb_export_options *o, struct hb_err *e) {
        const char *format = hb_cli_value(c, "format");
        int f = format ? hb_export_format_from_name(format) : HB_EXPORT_BY_NAME;

        if (f < 0)
                return hb_err_set(e, -EINVAL, format, "csv, oracle or sqlite", "--format has no such value");
        if (c->json && strcmp(hb_cli_value(c, "output"), "-") == 0)
                return hb_err_set(e, -EINVAL, "-o -", "name a file, or leave --json out",
                                  "standard output cannot take both the export and its summary");
        o->format = (enum hb_export_format)f;
        o->replace = hb_cli_flag(c, "force");
        o->once = hb_cli_flag(c, "once");
        return 0;
}

static int run_export(struct hb_cli *c, struct hb_err *e) {
        struct hb_export_options o = {.progress = tick};
        const char *out = hb_cli_value(c, "output");
        struct hb_export_stats stats;
        struct hb_cli_work w;
        int r = read_options(c, &o, e);

        if (r < 0)
                return r;
        fflush(c->io->out);
        hb_cli_work_begin(&w, c, "exporting");
        o.arg = &w;
        r = hb_export(c->operands[0], out, &o, &stats, e);
        hb_cli_work_end(&w);
        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, as_json(out, &stats), e);
        say(c, out, &stats);
        return 0;
}

const struct hb_cli_command hb_cli_trace_export = {
        .name = "trace export",
        .summary = "write a trace as CSV, oracleGeneral or SQLite",
        .about = "The format follows from the output's name (.csv; .oracleGeneral, .oracle or .bin; .db or "
                 ".sqlite; .zst after the first two packs them) or --format. CSV has a row "
                 "window_s,page,reads,writes for each page and epoch. oracleGeneral is libCacheSim's: one "
                 "record an access, which can be much larger than the trace. SQLite has everything, events "
                 "too. The output appears under its name when it is whole; - is standard output.",
        .examples = {"trace export vm1.hbt -o vm1.csv", "trace export vm1.hbt -o vm1.oracleGeneral.zst",
                     "trace export vm1.hbt -o vm1.db", "trace export vm1.hbt -o - --format csv | head"},
        .operands = {{"FILE", HB_CLI_TEXT}},
        .options = {{"output", 'o', HB_CLI_TEXT, "OUT", true, 0, 0, "where it goes; - is standard output"},
                    {"force", 'f', HB_CLI_FLAG, NULL, false, 0, 0, "replace OUT when it exists"},
                    {"format", 0, HB_CLI_TEXT, "F", false, 0, 0, "csv, oracle or sqlite",
                     "csv oracle sqlite"},
                    {"once", 0, HB_CLI_FLAG, NULL, false, 0, 0,
                     "oracle: one record a page and epoch, whatever its counts"}},
        .run = run_export,
};
