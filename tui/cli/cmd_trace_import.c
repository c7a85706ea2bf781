/* trace import: a trace of another tool made .hbt. */
#include "cli/table.h"
#include "cli/trace_args.h"
#include "cli/work.h"
#include "convert/import.h"
#include "draw/format.h"
#include <errno.h>
#include <math.h>
#include <string.h>

#define MOST_SECONDS 1e9 /* of an epoch; a larger number can only mean accesses */

static bool tick(void *arg, const struct hb_import_stats *s) {
        return hb_cli_work_tick(arg, s->in_bytes, s->in_size);
}

static int no_such(const char *option, const char *value, const char *values, struct hb_err *e) {
        return hb_err_set(e, -EINVAL, value, values, "--%s has no such value", option);
}

static int read_kind(const struct hb_cli *c, struct hb_import_options *o, struct hb_err *e) {
        static const char *const kinds[] = {"reads", "writes", "skip"};
        const char *value = hb_cli_value(c, "unknown");

        for (unsigned i = 0; value && i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (strcmp(kinds[i], value) == 0) {
                        o->unknown = (enum hb_import_kind)i;
                        return 0;
                }
        return value ? no_such("unknown", value, "reads, writes or skip", e) : 0;
}

/* One number, two meanings: which one holds is known when the input's first access is seen. */
static void read_epoch(const struct hb_cli *c, struct hb_import_options *o) {
        double v = hb_cli_number(c, "epoch");

        if (!hb_cli_flag(c, "epoch"))
                return;
        o->epoch_ns = v > MOST_SECONDS ? (uint64_t)(MOST_SECONDS * 1e9) : (uint64_t)(v * 1e9 + 0.5);
        o->epoch_accesses = v >= 1 && v == floor(v) ? (uint64_t)v : HB_IMPORT_NOT_WHOLE;
}

static int read_options(const struct hb_cli *c, struct hb_import_options *o, struct hb_err *e) {
        const char *format = hb_cli_value(c, "format"), *map = hb_cli_value(c, "map");
        int f = format ? hb_import_format_from_name(format) : HB_IMPORT_GUESS;
        int m = map ? hb_import_map_from_name(map) : HB_IMPORT_MAP_USUAL;

        if (f < 0)
                return no_such("format", format, "csv, oracle, lackey, perf or text", e);
        if (m < 0)
                return no_such("map", map, "keep, blocks or pages", e);
        o->format = (enum hb_import_format)f;
        o->map = (enum hb_import_map)m;
        o->page_size = hb_cli_flag(c, "page-size") ? (uint32_t)hb_cli_number(c, "page-size") : 0;
        read_epoch(c, o);
        o->from_ns = (uint64_t)(hb_cli_number(c, "from") * 1e9);
        o->to_ns = (uint64_t)(hb_cli_number(c, "to") * 1e9);
        o->fetches = hb_cli_flag(c, "fetches");
        o->sampled = hb_cli_flag(c, "sampled");
        o->replace = hb_cli_flag(c, "force");
        o->guest = hb_cli_value(c, "name");
        return read_kind(c, o, e);
}

static json_t *as_json(const char *out, const struct hb_import_stats *s) {
        return json_pack("{s:s,s:s,s:b,s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:I,s:I}", "file", out,
                         "format", hb_import_format_name(s->format), "guessed", s->guessed, "map",
                         hb_import_map_name(s->map), "timed", s->timed, "records", (json_int_t)s->records,
                         "epochs", (json_int_t)s->epochs, "pages", (json_int_t)s->pages, "accesses",
                         (json_int_t)s->accesses, "unknown", (json_int_t)s->unknown, "skipped",
                         (json_int_t)s->skipped, "outside", (json_int_t)s->outside, "seconds",
                         (double)s->last_ns / 1e9, "bytes", (json_int_t)s->out_bytes, "bytes_in",
                         (json_int_t)s->in_bytes);
}

static void say(struct hb_cli *c, const char *out, const struct hb_import_options *o,
                const struct hb_import_stats *s) {
        char num[2][HB_FMT_SIZE];

        if (s->guessed)
                hb_cli_say(c, "the input looks like %s (--format says it if not)",
                           hb_import_format_name(s->format));
        hb_cli_put(c->io->err, out);
        hb_cli_say(c, ": %llu epochs, %s, %llu records of %llu accesses, %llu pages, %s",
                   (unsigned long long)s->epochs, hb_fmt_seconds((double)s->last_ns / 1e9, num[0]),
                   (unsigned long long)s->records, (unsigned long long)s->accesses,
                   (unsigned long long)s->pages, hb_fmt_bytes((double)s->out_bytes, num[1]));
        if (s->unknown)
                hb_cli_say(c, "%llu accesses of a kind the input does not tell count as %s (--unknown)",
                           (unsigned long long)s->unknown,
                           o->unknown == HB_IMPORT_AS_WRITES ? "writes" : "reads");
        if (s->skipped)
                hb_cli_say(c, "%llu lines hold no access that counts and were passed over",
                           (unsigned long long)s->skipped);
}

static int run_import(struct hb_cli *c, struct hb_err *e) {
        struct hb_import_options o = {.progress = tick};
        const char *out = hb_cli_value(c, "output");
        struct hb_import_stats stats;
        struct hb_cli_work w;
        int r = read_options(c, &o, e);

        if (r < 0)
                return r;
        hb_cli_work_begin(&w, c, "importing");
        o.stop_fd = w.stop.fd;
        o.arg = &w;
        r = hb_import(c->operands[0], out, &o, &stats, e);
        hb_cli_work_end(&w);
        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, as_json(out, &stats), e);
        say(c, out, &o, &stats);
        return 0;
}

const struct hb_cli_command hb_cli_trace_import = {
        .name = "trace import",
        .summary = "make a trace of what another tool recorded",
        .about = "Reads CSV windows (window_s,page,reads,writes), libCacheSim's oracleGeneral, valgrind's "
                 "lackey, perf script of memory samples, and lines of r|w ADDRESS, also packed with zstd; - "
                 "is standard input. The format is guessed from the first bytes when --format does not say "
                 "it, and the guess is told. Formats without times get 1 s for every 4000000 accesses. A "
                 "wrong line or record ends it with its place, and no file is left. Addresses become "
                 "page numbers by --map blocks: each block of 2 MiB gets the next free place when it is "
                 "first touched, so neighbours inside it stay neighbours.",
        .examples = {"trace import trace.csv -o vm1.hbt",
                     "trace import w92.oracleGeneral.bin.zst -o w92.hbt --map pages",
                     "trace import - -o prog.hbt --format lackey  # from standard input",
                     "trace import samples.txt -o prog.hbt --format perf  # perf script -F time,event,addr",
                     "trace import accesses.txt -o prog.hbt --epoch 1000000"},
        .operands = {{"FILE", HB_CLI_TEXT}},
        .options = {{"output", 'o', HB_CLI_TEXT, "FILE", true, 0, 0, "where the trace goes"},
                    {"force", 'f', HB_CLI_FLAG, NULL, false, 0, 0, "replace FILE when it exists"},
                    {"format", 0, HB_CLI_TEXT, "F", false, 0, 0, "csv, oracle, lackey, perf or text",
                     "csv oracle lackey perf text"},
                    {"epoch", 0, HB_CLI_REAL, "N", false, 1e-6, 1e12,
                     "seconds of an epoch (csv: of a window; default: 1), or accesses where the input has "
                     "no times (default: 4000000)"},
                    {"from", 0, HB_CLI_REAL, "S", false, 0, 4e9, "leave out what comes before this second"},
                    {"to", 0, HB_CLI_REAL, "S", false, 1e-9, 4e9, "end before this second"},
                    {"page-size", 0, HB_CLI_COUNT, "BYTES", false, 512, 2097152,
                     "how much memory a page stands for (default: 4096)"},
                    {"map", 0, HB_CLI_TEXT, "HOW", false, 0, 0,
                     "page numbers: keep (default for csv and oracle), blocks (default for addresses), or "
                     "pages: each the next number at its first touch",
                     "keep blocks pages"},
                    {"unknown", 0, HB_CLI_TEXT, "KIND", false, 0, 0,
                     "what accesses count as whose kind the input does not tell: reads (default), writes or "
                     "skip",
                     "reads writes skip"},
                    {"fetches", 0, HB_CLI_FLAG, NULL, false, 0, 0,
                     "lackey: instruction fetches are reads (default: left out)"},
                    {"sampled", 0, HB_CLI_FLAG, NULL, false, 0, 0,
                     "the input holds a part of the accesses, not all (perf: always)"},
                    {"name", 0, HB_CLI_NAME, "GUEST", false, 0, 0,
                     "the guest's name in the trace (default: import)"}},
        .run = run_import,
};
