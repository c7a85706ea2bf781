/* trace show: where a guest's memory is hot, and when. */
#include "cli/heat_view.h"
#include "cli/table.h"
#include "cli/trace_args.h"
#include "cli/work.h"
#include "draw/format.h"
#include <errno.h>
#include <string.h>

#define ROWS 20u

static int tick(void *arg, uint64_t at, uint64_t of) {
        return hb_cli_work_tick(arg, at, of);
}

static int named(const char *value, const char *const *names, const char *option, struct hb_err *e) {
        int i = 0;

        for (; names[i]; i++)
                if (strcmp(names[i], value) == 0)
                        return i;
        return hb_err_set(e, -EINVAL, value, "harbinger trace show --help", "--%s has no such value", option);
}

static int choose(const struct hb_cli *c, struct hb_heat_view *v, struct hb_heatmap_options *o,
                  struct hb_err *e) {
        static const char *const whats[] = {"all", "reads", "writes", NULL}, *const glyphs[] = {
                                                                                     "ascii", "block",
                                                                                     "braille", NULL};
        int what = hb_cli_flag(c, "what") ? named(hb_cli_value(c, "what"), whats, "what", e) : 0;
        int glyph = hb_cli_flag(c, "glyphs") ? named(hb_cli_value(c, "glyphs"), glyphs, "glyphs", e)
                    : c->io->utf8            ? HB_GLYPHS_BRAILLE
                                             : HB_GLYPHS_ASCII;

        if (what < 0 || glyph < 0)
                return -EINVAL;
        v->what = (enum hb_heatmap_what)what;
        v->glyphs = (enum hb_glyphs)glyph;
        v->width = hb_cli_flag(c, "width") ? (unsigned)hb_cli_number(c, "width")
                   : c->io->width          ? c->io->width
                                           : 80;
        v->rows = hb_cli_flag(c, "rows") ? (unsigned)hb_cli_number(c, "rows") : ROWS;
        o->from = (uint32_t)hb_cli_number(c, "from");
        o->to = (uint32_t)hb_cli_number(c, "to");
        hb_heat_view_size(v, &o->width, &o->height);
        return hb_cli_pages(c, "pages", &o->first_page, &o->npages, e);
}

/* ---- as JSON ---- */
static json_t *sums(const struct hb_heatmap *m, const uint64_t *of) {
        json_t *rows = json_array();

        for (uint32_t y = 0; y < m->height; y++) {
                json_t *row = json_array();

                for (uint32_t x = 0; x < m->width; x++)
                        json_array_append_new(row, json_integer((json_int_t)of[(size_t)y * m->width + x]));
                json_array_append_new(rows, row);
        }
        return rows;
}

static json_t *matrix(const struct hb_heatmap *m, const struct hb_heat_view *v) {
        json_t *columns = json_array(), *rows = json_array();

        for (uint32_t x = 0; x < m->width; x++) {
                json_t *o = json_pack("{s:I}", "epoch", (json_int_t)hb_heatmap_epoch_of(m, x));

                hb_cli_set(o, "time_s",
                           m->begins_ns[x] == UINT64_MAX ? json_null()
                                                         : json_real((double)m->begins_ns[x] / 1e9));
                json_array_append_new(columns, o);
        }
        for (uint32_t y = 0; y < m->height; y++)
                json_array_append_new(rows, json_integer((json_int_t)hb_heatmap_page_of(m, y)));
        return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:o,s:o,s:o,s:o}", "from", (json_int_t)m->from,
                         "to", (json_int_t)m->to, "first_page", (json_int_t)m->first_page, "pages",
                         (json_int_t)m->npages, "width", (json_int_t)m->width, "height",
                         (json_int_t)m->height, "records", (json_int_t)m->records, "damaged_blocks",
                         (json_int_t)m->damaged, "counts", v->counts, "columns", columns, "rows", rows,
                         "reads", sums(m, m->reads), "writes", sums(m, m->writes));
}

static void print_title(struct hb_cli *c, const struct hb_trace_header *h, const struct hb_heat_view *v) {
        static const char *const whats[] = {"reads and writes", "reads", "writes"};
        char line[300];

        snprintf(line, sizeof(line), "%s: %s%s", h->guest[0] ? h->guest : "trace", whats[v->what],
                 v->what != HB_HEATMAP_WRITES && h->flags & HB_TRACE_NO_READS ? " (this trace holds no reads)"
                                                                              : "");
        hb_cli_wrap(c, 0, v->width, line);
}

/* Where nothing was recorded the picture is as empty as where nothing was touched. */
static void say_missing(struct hb_cli *c, const struct hb_heatmap *m) {
        uint64_t missing = (uint64_t)m->to - m->from + 1 - m->epochs;

        if (missing)
                hb_cli_say(c, "%llu epochs of that range are not in the trace", (unsigned long long)missing);
        if (m->damaged)
                hb_cli_say(c, "%llu damaged block%s left out: harbinger trace verify tells where",
                           (unsigned long long)m->damaged, m->damaged == 1 ? " is" : "s are");
}

static int read_map(struct hb_cli *c, hb_trace_reader *r, const struct hb_heatmap_options *o,
                    struct hb_heatmap **ret, struct hb_err *e) {
        struct hb_cli_work work;
        int rc;

        hb_cli_work_begin(&work, c, "reading");
        rc = hb_heatmap_read(r, o, tick, &work, ret, e);
        hb_cli_work_end(&work);
        return rc;
}

static int run_show(struct hb_cli *c, struct hb_err *e) {
        struct hb_heat_view v = {0};
        struct hb_heat_marks marks = {0};
        struct hb_heatmap_options o = {.mark = hb_heat_marks_add, .mark_arg = &marks};
        struct hb_heatmap *m = NULL;
        hb_trace_reader *reader = NULL;
        int r = choose(c, &v, &o, e);

        if (r == 0)
                r = hb_trace_reader_open(c->operands[0], &reader, e);
        if (r == 0)
                r = read_map(c, reader, &o, &m, e);
        if (r < 0)
                goto end;
        v.marks = &marks;
        v.counts = hb_trace_reader_header(reader)->flags & HB_TRACE_COUNTS;
        if (c->json) {
                r = hb_cli_print_json(c, matrix(m, &v), e);
                goto end;
        }
        print_title(c, hb_trace_reader_header(reader), &v);
        hb_heat_view_print(c, &v, m);
        say_missing(c, m);
end:
        hb_heatmap_free(m);
        hb_trace_reader_free(reader);
        return r;
}

const struct hb_cli_command hb_cli_trace_show = {
        .name = "trace show",
        .summary = "draw a trace's accesses: pages over time",
        .about = "Pages go downwards, grouped into equal bands, time to the right. A character's glyph says "
                 "how "
                 "often its pages were accessed, on a logarithmic scale that the legend below explains; "
                 "colour "
                 "only repeats it. Letters below the time tell what was marked there: drops, migrations, "
                 "policies. Braille characters hold 2 x 4 cells each. The default glyphs are braille "
                 "in "
                 "a UTF-8 locale, else ASCII. --json prints the sums themselves.",
        .examples = {"trace show vm1.hbt", "trace show vm1.hbt --what writes --from 60 --to 120",
                     "trace show vm1.hbt --pages 0x8000-0xffff --glyphs block --rows 40",
                     "trace show vm1.hbt --json > matrix.json"},
        .operands = {{"FILE", HB_CLI_TEXT}},
        .options = {{"from", 0, HB_CLI_COUNT, "EPOCH", false, 1, 4294967295.0, "the first epoch drawn"},
                    {"to", 0, HB_CLI_COUNT, "EPOCH", false, 1, 4294967295.0, "the last epoch drawn"},
                    {"pages", 0, HB_CLI_TEXT, "A-B", false, 0, 0, "these pages alone, B too (0x for hex)"},
                    {"what", 0, HB_CLI_TEXT, "WHAT", false, 0, 0, "reads, writes or all (default: all)",
                     "reads writes all"},
                    {"glyphs", 0, HB_CLI_TEXT, "SET", false, 0, 0, "braille, block or ascii",
                     "braille block ascii"},
                    {"width", 0, HB_CLI_COUNT, "N", false, HB_HEAT_NARROWEST, 1000,
                     "columns of the picture (default: the terminal's, else 80)"},
                    {"rows", 0, HB_CLI_COUNT, "N", false, 1, 500, "rows of the picture (default: 20)"}},
        .run = run_show,
};
