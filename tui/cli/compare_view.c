/* compare_view: policies are columns A, B, C ..., so that a row fits a terminal; their names stand above.
 * What colour says is said by a letter too. Names come from files: everything goes through the table. */
#include "cli/compare_view.h"
#include "cli/table.h"
#include "control/ctl.h"
#include "draw/format.h"
#include <math.h>
#include <string.h>

#define POLICY_COLUMNS 8u /* beside horizon, link and figure */

static const char *letter(unsigned policy, char buf[4]) {
        if (policy < 26)
                snprintf(buf, 4, "%c", 'A' + policy);
        else
                snprintf(buf, 4, "A%c", 'A' + policy % 26);
        return buf;
}

static const char *number(enum hb_figure f, double v, char *buf) {
        if (isnan(v))
                return "-";
        switch (hb_figure_rows[f].unit) {
        case HB_UNIT_BYTES:
                return hb_fmt_bytes(v, buf);
        case HB_UNIT_SECONDS:
                return hb_fmt_seconds(v, buf);
        case HB_UNIT_PAGES:
                return hb_fmt_count(v, buf);
        case HB_UNIT_SHARE:
                break;
        }
        snprintf(buf, HB_FMT_SIZE, "%.3f", v);
        return buf;
}

static const char *horizon(double s, char *buf) {
        snprintf(buf, HB_FMT_SIZE, "%g s", s);
        return buf;
}

/* ---- for people ---- */
static void print_policies(struct hb_cli *c, const struct hb_compare_plan *p) {
        char name[4], line[300];

        for (unsigned i = 0; i < p->npolicies; i++) {
                snprintf(line, sizeof(line), "%s  %s%s", letter(i, name), p->policies[i].name,
                         i == p->base ? "  (the base)"
                         : p->policies[i].kind == HB_COMPARE_OPTIMUM
                                 ? "  (bounds: what one who knows the future could do)"
                         : p->policies[i].kind == HB_COMPARE_NOTHING
                                 ? "  (no prefetch: everything after the request)"
                                 : "");
                hb_cli_put(c->io->out, line);
                fputc('\n', c->io->out);
        }
        fputs("b: the best of its row, bounds and nothing aside\n", c->io->out);
}

static void print_trace_name(struct hb_cli *c, const struct hb_compare_trace *t) {
        char line[400], num[2][HB_FMT_SIZE];

        snprintf(line, sizeof(line), "%s: %llu pages, %s, %s accesses by page and epoch, %s", t->name,
                 (unsigned long long)t->pages,
                 hb_fmt_seconds((double)(t->last_ns - t->first_ns) / 1e9, num[0]),
                 hb_fmt_count((double)t->records, num[1]), t->origin);
        fputc('\n', c->io->out);
        hb_cli_put(c->io->out, line);
        fputc('\n', c->io->out);
}

static void print_figure(hb_cli_table *table, const struct hb_compare_table *t, struct hb_compare_at at,
                         enum hb_figure f, unsigned from, unsigned to) {
        uint32_t best = hb_figure_best(t, at, f);
        char num[HB_FMT_SIZE], text[HB_FMT_SIZE + 4];

        hb_cli_table_cell(table, HB_PLAIN, horizon(t->plan->horizons[at.horizon], num));
        hb_cli_table_cell(table, HB_PLAIN, t->plan->links[at.link].name);
        hb_cli_table_cell(table, HB_PLAIN, hb_figure_rows[f].label);
        for (at.policy = from; at.policy < to; at.policy++) {
                bool is_best = best >> at.policy & 1;

                snprintf(text, sizeof(text), "%s %c",
                         number(f, hb_figure_of(t, hb_compare_index(t->plan, at), f), num),
                         is_best ? 'b' : ' ');
                hb_cli_table_cell(table, is_best ? HB_GOOD : HB_PLAIN, text);
        }
}

static void print_figures(struct hb_cli *c, const struct hb_compare_table *t, unsigned trace, unsigned from) {
        const struct hb_compare_plan *p = t->plan;
        unsigned to = from + POLICY_COLUMNS < p->npolicies ? from + POLICY_COLUMNS : p->npolicies;
        char letters[POLICY_COLUMNS][8];
        const char *headings[POLICY_COLUMNS + 4] = {">HORIZON", ">LINK", "FIGURE"};
        struct hb_compare_at at = {.trace = trace};
        hb_cli_table *table;

        for (unsigned i = from; i < to; i++) {
                char name[4];

                snprintf(letters[i - from], sizeof(letters[0]), ">%s  ", letter(i, name));
                headings[3 + i - from] = letters[i - from];
        }
        table = hb_cli_table_new(headings);
        for (at.horizon = 0; at.horizon < p->nhorizons; at.horizon++)
                for (at.link = 0; at.link < p->nlinks; at.link++)
                        for (int f = 0; f < HB_FIGURES; f++)
                                if (hb_figure_rows[f].main)
                                        print_figure(table, t, at, (enum hb_figure)f, from, to);
        hb_cli_table_print(table, c);
}

static void difference_cells(hb_cli_table *table, const struct hb_compare_table *t, unsigned cell,
                             enum hb_figure f) {
        struct hb_paired d;
        char text[64];
        int verdict;

        if (hb_figure_paired(t, cell, f, &d) < 0 || d.n == 0) {
                for (int i = 0; i < 4; i++)
                        hb_cli_table_cell(table, HB_PLAIN, "-");
                return;
        }
        verdict = hb_paired_verdict(&d, hb_figure_rows[f].less_is_better);
        snprintf(text, sizeof(text), "%+.3f", d.mean);
        hb_cli_table_cell(table, HB_PLAIN, text);
        snprintf(text, sizeof(text), "%+.3f to %+.3f", d.low, d.high);
        hb_cli_table_cell(table, HB_PLAIN, isnan(d.low) ? "too short" : text);
        snprintf(text, sizeof(text), "%u/%u/%u", d.won, d.lost, d.tied);
        hb_cli_table_cell(table, HB_PLAIN, text);
        hb_cli_table_cell(table,
                          verdict > 0   ? HB_GOOD
                          : verdict < 0 ? HB_BAD
                                        : HB_PLAIN,
                          verdict > 0     ? "better"
                          : verdict < 0   ? "worse"
                          : d.tied == d.n ? "same"
                                          : "open");
}

static void print_differences(struct hb_cli *c, const struct hb_compare_table *t) {
        static const char *const headings[] = {"TRACE", ">HORIZON", ">LINK", "POLICY",    ">F1",
                                               ">95 %", "W/L/T",    "IS",    ">COVERAGE", ">95 %",
                                               "W/L/T", "IS",       NULL};
        const struct hb_compare_plan *p = t->plan;
        hb_cli_table *table = hb_cli_table_new(headings);
        char name[4], num[HB_FMT_SIZE];

        for (unsigned i = 0; i < t->ncells; i++) {
                struct hb_compare_at at = hb_compare_at(p, i);

                if (at.policy == p->base || p->policies[at.policy].kind != HB_COMPARE_TRIPLE)
                        continue;
                hb_cli_table_cell(table, HB_PLAIN, p->traces[at.trace].name);
                hb_cli_table_cell(table, HB_PLAIN, horizon(p->horizons[at.horizon], num));
                hb_cli_table_cell(table, HB_PLAIN, p->links[at.link].name);
                hb_cli_table_cell(table, HB_PLAIN, letter(at.policy, name));
                difference_cells(table, t, i, HB_FIGURE_F1);
                difference_cells(table, t, i, HB_FIGURE_COVERAGE);
        }
        hb_cli_table_print(table, c);
}

static bool has_differences(const struct hb_compare_plan *p) {
        for (unsigned i = 0; i < p->npolicies; i++)
                if (i != p->base && p->policies[i].kind == HB_COMPARE_TRIPLE)
                        return true;
        return false;
}

void hb_compare_view_print(struct hb_cli *c, const struct hb_compare_table *t) {
        char name[4];

        print_policies(c, t->plan);
        for (unsigned i = 0; i < t->plan->ntraces; i++) {
                print_trace_name(c, &t->plan->traces[i]);
                for (unsigned from = 0; from < t->plan->npolicies; from += POLICY_COLUMNS)
                        print_figures(c, t, i, from);
        }
        if (has_differences(t->plan)) {
                fprintf(c->io->out,
                        "\ndifferences to %s, moment by moment (W/L/T: won, lost, tied; coverage: by 5 s and "
                        "more)\n",
                        letter(t->plan->base, name));
                print_differences(c, t);
        }
}

/* ---- JSON ---- */
static json_t *real(double v) {
        return isfinite(v) ? json_real(v) : json_null();
}

static json_t *json_difference(const struct hb_compare_table *t, unsigned cell, enum hb_figure f) {
        struct hb_paired d;

        if (hb_figure_paired(t, cell, f, &d) < 0)
                return json_null();
        return json_pack("{s:I,s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:I}", "pairs", (json_int_t)d.n, "mean",
                         real(d.mean), "low", real(d.low), "high", real(d.high), "block", (json_int_t)d.block,
                         "won", (json_int_t)d.won, "lost", (json_int_t)d.lost, "tied", (json_int_t)d.tied,
                         "verdict", (json_int_t)hb_paired_verdict(&d, hb_figure_rows[f].less_is_better));
}

static json_t *json_moves(const struct hb_replay_result *r) {
        json_t *a = json_array();

        for (unsigned i = 0; i < r->nmigrations; i++) {
                const struct hb_replay_migration *m = &r->migrations[i];

                json_array_append_new(
                        a, json_pack("{s:f,s:o,s:o,s:o,s:o,s:I,s:I,s:b}", "at_s", (double)m->at_ns / 1e9,
                                     "predicted_downtime_s", real(m->predicted_downtime_s), "predicted_bytes",
                                     real(m->predicted_bytes), "drain_s", real(m->drain_s), "downtime_s",
                                     real(m->downtime_s), "bytes_after", (json_int_t)m->bytes_after,
                                     "final_pages", (json_int_t)m->final_pages, "converged", m->converged));
        }
        return a;
}

static json_t *json_cell(const struct hb_compare_table *t, unsigned cell) {
        const struct hb_compare_plan *p = t->plan;
        struct hb_compare_at at = hb_compare_at(p, cell);
        const struct hb_compare_cell *c = &t->cells[cell];
        json_t *o = json_pack(
                "{s:o,s:f,s:o,s:f,s:o}", "trace", hb_ctl_text(p->traces[at.trace].name), "horizon_s",
                p->horizons[at.horizon], "link", hb_ctl_text(p->links[at.link].name), "link_bytes_per_s",
                p->links[at.link].bytes_per_s, "policy", hb_ctl_text(p->policies[at.policy].name));

        if (!o || !c->key[0]) {
                hb_cli_set(o, "missing", json_true());
                return o;
        }
        hb_cli_set(o, "key", json_string(c->key));
        for (int f = 0; f < HB_FIGURES; f++)
                hb_cli_set(o, hb_figure_rows[f].name, real(hb_figure_of(t, cell, (enum hb_figure)f)));
        hb_cli_set(o, "moments", json_integer((json_int_t)c->r.quality.all.moments));
        hb_cli_set(o, "hit", json_integer((json_int_t)c->r.hit));
        hb_cli_set(o, "late", json_integer((json_int_t)c->r.late));
        hb_cli_set(o, "stale", json_integer((json_int_t)c->r.stale));
        hb_cli_set(o, "missing_pages", json_integer((json_int_t)c->r.missing));
        hb_cli_set(o, "moves", json_moves(&c->r));
        if (at.policy != p->base && p->policies[at.policy].kind == HB_COMPARE_TRIPLE) {
                json_t *d = json_object();

                for (int f = 0; f <= HB_FIGURE_COVERAGE; f++)
                        hb_cli_set(d, hb_figure_rows[f].name, json_difference(t, cell, (enum hb_figure)f));
                hb_cli_set(o, "difference", d);
        }
        return o;
}

json_t *hb_compare_view_json(const struct hb_compare_table *t) {
        const struct hb_compare_plan *p = t->plan;
        json_t *traces = json_array(), *policies = json_array(), *cells = json_array();

        for (unsigned i = 0; i < p->ntraces; i++) {
                const struct hb_compare_trace *trace = &p->traces[i];

                json_array_append_new(
                        traces,
                        json_pack("{s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:f}", "name", hb_ctl_text(trace->name),
                                  "hash", hb_ctl_text(trace->hash), "guest", hb_ctl_text(trace->guest),
                                  "origin", hb_ctl_text(trace->origin), "pages", (json_int_t)trace->pages,
                                  "epochs", (json_int_t)trace->epochs, "records", (json_int_t)trace->records,
                                  "seconds", (double)(trace->last_ns - trace->first_ns) / 1e9));
        }
        for (unsigned i = 0; i < p->npolicies; i++)
                json_array_append_new(policies,
                                      json_pack("{s:o,s:o,s:o,s:o,s:b}", "name",
                                                hb_ctl_text(p->policies[i].name), "predictor_hash",
                                                hb_ctl_text(p->policies[i].hashes[0]), "scorer_hash",
                                                hb_ctl_text(p->policies[i].hashes[1]), "threshold_hash",
                                                hb_ctl_text(p->policies[i].hashes[2]), "base", i == p->base));
        for (unsigned i = 0; i < t->ncells; i++)
                json_array_append_new(cells, json_cell(t, i));
        return json_pack("{s:o,s:s,s:f,s:I,s:I,s:o,s:o,s:o}", "version", hb_ctl_text(p->version), "budget",
                         p->oracle_budget ? "oracle" : "working-set", "latency_s", p->latency_s, "seed",
                         (json_int_t)p->seed, "missing", (json_int_t)t->missing, "traces", traces, "policies",
                         policies, "cells", cells);
}

/* ---- CSV ---- */
static void csv_text(FILE *f, const char *text) {
        fputc('"', f);
        for (; *text; text++) {
                if (*text == '"')
                        fputc('"', f);
                fputc((unsigned char)*text < 0x20 ? '?' : *text, f);
        }
        fputc('"', f);
}

static void csv_real(FILE *f, double v) {
        fputc(',', f);
        if (!isnan(v))
                fprintf(f, "%.10g", v);
}

static void csv_difference(FILE *f, const struct hb_compare_table *t, unsigned cell, enum hb_figure figure) {
        struct hb_paired d = {.mean = NAN, .low = NAN, .high = NAN};

        hb_figure_paired(t, cell, figure, &d);
        csv_real(f, d.mean);
        csv_real(f, d.low);
        csv_real(f, d.high);
        fprintf(f, ",%u,%u,%u", d.won, d.lost, d.tied);
}

void hb_compare_view_csv(FILE *f, const struct hb_compare_table *t) {
        static const enum hb_figure paired[] = {HB_FIGURE_F1, HB_FIGURE_COVERAGE};
        const struct hb_compare_plan *p = t->plan;

        fputs("trace,horizon_s,link_bytes_per_s,policy", f);
        for (int i = 0; i < HB_FIGURES; i++)
                fprintf(f, ",%s", hb_figure_rows[i].name);
        for (int i = 0; i < 2; i++) {
                const char *name = hb_figure_rows[paired[i]].name;

                fprintf(f, ",%s_difference,%s_low,%s_high,%s_won,%s_lost,%s_tied", name, name, name, name,
                        name, name);
        }
        fputc('\n', f);
        for (unsigned i = 0; i < t->ncells; i++) {
                struct hb_compare_at at = hb_compare_at(p, i);

                if (!t->cells[i].key[0])
                        continue;
                csv_text(f, p->traces[at.trace].name);
                fprintf(f, ",%.10g,%.10g,", p->horizons[at.horizon], p->links[at.link].bytes_per_s);
                csv_text(f, p->policies[at.policy].name);
                for (int j = 0; j < HB_FIGURES; j++)
                        csv_real(f, hb_figure_of(t, i, (enum hb_figure)j));
                for (int j = 0; j < 2; j++)
                        csv_difference(f, t, i, paired[j]);
                fputc('\n', f);
        }
}
