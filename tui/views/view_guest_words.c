/* view_guest_words: the heat map in words: what the cursor's cell holds, the hottest blocks, and how the
 * guest's figures went. Always the same number of lines, so that nothing jumps while the cursor moves. Pure.
 */
#include "views/view_guest.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *region_of(const json_t *map, uint64_t page, uint64_t *ret_first) {
        const json_t *r, *all = hb_json_at(map, "regions");
        size_t i;

        json_array_foreach((json_t *)all, i, r) {
                double first = hb_view_number(r, "first"), pages = hb_view_number(r, "pages");

                if ((double)page >= first && (double)page < first + pages) {
                        *ret_first = (uint64_t)first;
                        return hb_json_text(r, "name");
                }
        }
        return "";
}

const char *hb_guest_rate(double v, char buf[HB_PART_TEXT]) {
        static const char *const units[] = {"", " k", " M", " G"};
        unsigned u = 0;

        if (!isfinite(v))
                return strcpy(buf, "-");
        while (v >= 999.5 && u < 3) {
                v /= 1000;
                u++;
        }
        snprintf(buf, HB_PART_TEXT, v > 0 && v < 9.95 ? "%.2g%s/s" : "%.0f%s/s", v, units[u]);
        return buf;
}

static void where(hb_doc *d, const struct hb_map_seen *m) {
        const struct hb_map_frame *f = &m->frame;
        uint64_t page = f->first + f->chosen * f->cell_pages, last = page + f->cell_pages - 1, base = 0;
        const char *region = region_of(m->source ? m->source : m->target, page, &base);
        char at[HB_FMT_SIZE], line[200];

        if (last >= f->first + f->span)
                last = f->first + f->span - 1;
        if (last > page)
                snprintf(line, sizeof(line), "pages %llu to %llu", (unsigned long long)page,
                         (unsigned long long)last);
        else
                snprintf(line, sizeof(line), "page %llu", (unsigned long long)page);
        hb_part_add(line, sizeof(line), ", at %s of %s",
                    hb_fmt_bytes((double)(page - base) * HB_VIEW_PAGE, at), hb_view_or(region, "its memory"));
        hb_doc_field(d, "cell", "cursor", HB_STYLE_STRONG,
                     json_pack("{s:I,s:I,s:s}", "first", (json_int_t)page, "last", (json_int_t)last, "region",
                               region),
                     "%s", line);
}

static void activity(hb_doc *d, const struct hb_map_seen *m) {
        unsigned i = m->frame.chosen;
        char r[HB_PART_TEXT], w[HB_PART_TEXT], x[HB_PART_TEXT];
        double soon = hb_map_value(m, "expected", i); /* a count, within the predictor's horizon */

        hb_doc_field(d, "cell_writes_per_s", "accesses", HB_STYLE_NORMAL,
                     hb_part_number(hb_map_value(m, "writes", i)), "%s read, %s written; %s expected soon",
                     hb_guest_rate(hb_map_value(m, "reads", i), r),
                     hb_guest_rate(hb_map_value(m, "writes", i), w),
                     hb_part_fixed(soon, soon < 10 ? 1 : 0, x));
}

static void add_pages(char *line, size_t size, double n, const char *what) {
        if (n > 0)
                hb_part_add(line, size, ", %.0f %s", n, what);
}

static void on_target(hb_doc *d, const struct hb_map_seen *m) {
        unsigned i = m->frame.chosen;
        double fresh = hb_map_value(m, "fresh", i), stale = hb_map_value(m, "stale", i),
               absent = hb_map_value(m, "absent", i), coming = hb_map_value(m, "fetching", i);
        char line[200];

        if (isnan(fresh)) {
                hb_doc_field(d, "cell_fresh_pages", "on target", HB_STYLE_DIM, json_null(), "- (%s)",
                             hb_view_or(m->why_target, "not known"));
                return;
        }
        snprintf(line, sizeof(line), "%.0f of %.0f pages fresh", fresh,
                 fresh + fmax(stale, 0) + fmax(absent, 0) + fmax(coming, 0));
        add_pages(line, sizeof(line), stale, "stale");
        add_pages(line, sizeof(line), absent, "absent");
        add_pages(line, sizeof(line), coming, "on their way");
        add_pages(line, sizeof(line), hb_map_value(m, "known", i), "known there");
        add_pages(line, sizeof(line), hb_map_value(m, "spilled", i), "on its disk");
        hb_doc_field(d, "cell_fresh_pages", "on target", HB_STYLE_NORMAL, json_real(fresh), "%s", line);
}

/* The daemons look at a part of a large guest's pages only, and what is shown is reckoned from them. */
static void sampled(hb_doc *d, const struct hb_map_seen *m) {
        double k = fmax(hb_view_number(m->source, "sampled"), hb_view_number(m->target, "sampled"));

        if (k > 1)
                hb_doc_field(d, "sampled", "sampled", HB_STYLE_DIM, json_real(k),
                             "one page in %.0f was looked at; zoom in for all", k);
}

void hb_guest_cell_words(hb_doc *d, const struct hb_map_seen *m) {
        if (m->frame.cells == 0)
                return;
        where(d, m);
        activity(d, m);
        on_target(d, m);
        sampled(d, m);
}

/* ---- the hottest blocks ---- */

static const struct hb_doc_column columns[] = {
        {"first", "first page", true, 0, 0, false}, {"at_bytes", "at", true, 1, 0, false},
        {"region", "region", false, 2, 0, false},   {"pages", "pages", true, 3, 0, false},
        {"reads", "read", true, 0, 0, false},       {"writes", "written", true, 0, 0, false},
};

static void top_row(hb_doc_table *t, const json_t *map, const json_t *b) {
        double first = hb_view_number(b, "first"), reads = hb_view_number(b, "reads"),
               writes = hb_view_number(b, "writes");
        char id[32], num[HB_PART_TEXT];
        uint64_t base = 0;

        snprintf(id, sizeof(id), "%.0f", first);
        hb_doc_row(t, id);
        hb_part_cell_as(t, HB_STYLE_STRONG, first, hb_fmt_count);
        hb_part_cell_as(t, HB_STYLE_NORMAL, first * HB_VIEW_PAGE, hb_fmt_bytes);
        hb_part_cell(t, HB_STYLE_NORMAL, first < 1e15 ? region_of(map, (uint64_t)first, &base) : "");
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_view_number(b, "pages"), hb_fmt_count);
        hb_doc_cell(t, HB_STYLE_READ, hb_part_number(reads), "%s", hb_guest_rate(reads, num));
        hb_doc_cell(t, HB_STYLE_WRITE, hb_part_number(writes), "%s", hb_guest_rate(writes, num));
}

void hb_guest_top(hb_doc *d, const struct hb_map_seen *m, unsigned most) {
        const json_t *map = m->source ? m->source : m->target, *b, *all = hb_json_at(map, "top");
        hb_doc_table *t;
        size_t i;

        if (!map)
                return;
        t = hb_doc_table_new(d, "top", "Hottest 2 MiB blocks shown", columns,
                             sizeof(columns) / sizeof(columns[0]), false, "nothing is used here");
        json_array_foreach((json_t *)all, i, b) {
                if (i < most && hb_view_number(b, "first") >= 0)
                        top_row(t, map, b);
        }
}

/* ---- how it went ---- */

void hb_guest_trails(const struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g) {
        static const struct {
                enum hb_trail_figure figure;
                const char *key, *label;
                enum hb_style style;
                hb_part_format *format;
        } rows[] = {{HB_TRAIL_DIRTY, "dirty_trail", "written", HB_STYLE_WRITE, hb_fmt_rate},
                    {HB_TRAIL_RATE, "rate_trail", "coming", HB_STYLE_SENT, hb_fmt_rate},
                    {HB_TRAIL_FRESH, "fresh_trail", "fresh", HB_STYLE_FRESH, NULL},
                    {HB_TRAIL_DOWNTIME, "downtime_trail", "downtime", HB_STYLE_NORMAL, hb_fmt_ms}};
        double v[HB_TRAIL_POINTS];
        struct hb_view_figures f;
        char num[HB_FMT_SIZE];

        hb_view_figures(g, &f);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                size_t n = hb_world_trail(c->world, g->trail, rows[i].figure, v);

                hb_doc_series(d, rows[i].key, rows[i].label, rows[i].style, v, n, true, "%s",
                              rows[i].format ? rows[i].format(n ? v[n - 1] : NAN, num)
                                             : hb_fmt_bytes(f.fresh * HB_VIEW_PAGE, num));
        }
}
