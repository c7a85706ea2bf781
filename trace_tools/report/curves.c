/* curves: a cell's moments and spans as lines over time, one drawing a figure, with the numbers behind it.
 * Shown for one horizon and one link: the tables have all. */
#include "report/parts.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_ROWS 48u

struct curves {
        struct hb_plot_series series[HB_COMPARE_MAX_POLICIES];
        unsigned n;
        double *room;
};

enum what { F1, COVERAGE, SENT };

static const struct curve {
        const char *title, *about, *y_label;
        bool share;
} all[] = {
        [F1] = {"Prediction: F1 at each moment", "Line chart: F1 of each policy's predictions over time.",
                "F1", true},
        [COVERAGE] = {"Coverage",
                      "Line chart: share of the accessed pages that lay fresh on the target, over time.",
                      "coverage", true},
        [SENT] = {"Cost: pages sent ahead so far, before compression",
                  "Line chart: pages sent ahead so far in MiB, over time.", "MiB of pages", false},
};

static unsigned length_of(const struct hb_compare_cell *c, enum what w) {
        return w == F1 ? c->nmoments : c->nspans;
}

static double time_of(const struct hb_compare_cell *c, enum what w, unsigned i) {
        return (double)(w == F1 ? c->moments[i].time_ns : c->spans[i].time_ns) / 1e9;
}

static double value_of(const struct hb_compare_cell *c, enum what w, unsigned i) {
        return w == F1         ? c->moments[i].f1
               : w == COVERAGE ? c->spans[i].coverage
                               : c->spans[i].bytes / 1048576;
}

static bool takes_part(enum hb_compare_kind kind, enum what w) {
        return kind == HB_COMPARE_TRIPLE || (kind == HB_COMPARE_OPTIMUM && w != SENT) ||
               (kind == HB_COMPARE_NOTHING && w == COVERAGE);
}

static int collect(const struct hb_page *p, unsigned trace, enum what w, struct curves *ret) {
        const struct hb_compare_plan *plan = p->t->plan;
        struct hb_compare_at at = {.trace = trace, .horizon = p->horizon, .link = p->link};
        struct curves c = {0};
        size_t total = 0, used = 0;

        for (at.policy = 0; at.policy < plan->npolicies; at.policy++)
                total += 2u * length_of(&p->t->cells[hb_compare_index(plan, at)], w);
        c.room = calloc(total + 1, sizeof(*c.room));
        if (!c.room)
                return -ENOMEM;
        for (at.policy = 0; at.policy < plan->npolicies; at.policy++) {
                const struct hb_compare_cell *cell = &p->t->cells[hb_compare_index(plan, at)];
                unsigned n = length_of(cell, w);
                double *x = c.room + used, *y = x + n;

                if (n == 0 || !takes_part(plan->policies[at.policy].kind, w))
                        continue;
                for (unsigned i = 0; i < n; i++) {
                        x[i] = time_of(cell, w, i);
                        y[i] = value_of(cell, w, i);
                }
                used += 2 * (size_t)n;
                c.series[c.n++] = (struct hb_plot_series){at.policy, x, y, n};
        }
        *ret = c;
        return 0;
}

static double value_at(const struct hb_plot_series *s, double x) {
        for (unsigned i = 0; i < s->n; i++)
                if (s->x[i] == x)
                        return s->y[i];
        return NAN;
}

static void data_table(struct hb_page *p, const struct curves *c, const struct curve *of) {
        const struct hb_plot_series *longest = &c->series[0];
        unsigned step;
        char name[4], num[48];

        for (unsigned i = 1; i < c->n; i++)
                longest = c->series[i].n > longest->n ? &c->series[i] : longest;
        step = (longest->n + TABLE_ROWS - 1) / TABLE_ROWS;
        hb_html_f(p->out,
                  "<details><summary>The numbers: %s</summary>\n<div class=\"wide\"><table><caption>%s, by "
                  "time%s",
                  of->title, of->title, step > 1 ? "; every so many rows only" : "");
        hb_html_put(p->out, "</caption>\n<thead><tr><th scope=\"col\">time (s)</th>");
        for (unsigned i = 0; i < c->n; i++)
                hb_html_f(p->out, "<th scope=\"col\">%s</th>", hb_html_letter(c->series[i].policy, name));
        hb_html_put(p->out, "</tr></thead>\n<tbody>\n");
        for (unsigned r = 0; r < longest->n; r += step ? step : 1) {
                hb_html_f(p->out, "<tr><th scope=\"row\">%.0f</th>", longest->x[r]);
                for (unsigned i = 0; i < c->n; i++)
                        hb_html_f(p->out, "<td>%s</td>",
                                  hb_html_number(HB_UNIT_SHARE, value_at(&c->series[i], longest->x[r]), num));
                hb_html_put(p->out, "</tr>\n");
        }
        hb_html_put(p->out, "</tbody></table></div></details>\n");
}

static int one(struct hb_page *p, unsigned trace, enum what w) {
        const struct curve *of = &all[w];
        struct hb_plot plot = {
                .about = of->about, .x_label = "time (s)", .y_label = of->y_label, .share = of->share};
        struct curves c;
        int r = collect(p, trace, w, &c);

        if (r < 0)
                return r;
        plot.series = c.series;
        plot.nseries = c.n;
        if (c.n) {
                hb_html_f(p->out, "<figure><figcaption>%s</figcaption>\n", of->title);
                r = hb_plot_draw(p, &plot);
                data_table(p, &c, of);
                hb_html_put(p->out, "</figure>\n");
        }
        free(c.room);
        return r;
}

/* What is left to send once a move is asked for, at each moment it was asked for. */
static int moves(struct hb_page *p, unsigned trace) {
        const struct hb_compare_plan *plan = p->t->plan;
        struct hb_compare_at at = {.trace = trace, .horizon = p->horizon, .link = p->link};
        struct hb_plot_series series[HB_COMPARE_MAX_POLICIES];
        double x[HB_REPLAY_MOMENTS], y[HB_COMPARE_MAX_POLICIES][HB_REPLAY_MOMENTS];
        struct hb_plot plot = {
                .about = "Bar chart: megabytes sent after the request, for each moment a move was "
                         "asked for and each policy.",
                .x_label = "move asked for",
                .y_label = "MiB sent after",
                .boxes = true,
                .series = series};
        int r;

        for (at.policy = 0; at.policy < plan->npolicies; at.policy++) {
                const struct hb_replay_result *of = &p->t->cells[hb_compare_index(plan, at)].r;

                if (of->nmigrations == 0 || of->nmigrations > HB_REPLAY_MOMENTS)
                        continue;
                for (unsigned i = 0; i < of->nmigrations; i++) {
                        x[i] = i;
                        y[plot.nseries][i] = (double)of->migrations[i].bytes_after / 1048576;
                        snprintf(plot.x_words[i], sizeof(plot.x_words[i]), "after %.0f s",
                                 (double)of->migrations[i].at_ns / 1e9);
                }
                plot.nwords = of->nmigrations > plot.nwords ? of->nmigrations : plot.nwords;
                series[plot.nseries] =
                        (struct hb_plot_series){at.policy, x, y[plot.nseries], of->nmigrations};
                plot.nseries++;
        }
        if (plot.nseries == 0)
                return 0;
        hb_html_put(p->out, "<figure><figcaption>Cost: sent after the request</figcaption>\n");
        r = hb_plot_draw(p, &plot);
        hb_html_put(p->out, "</figure>\n");
        return r;
}

int hb_page_curves(struct hb_page *p, unsigned trace) {
        int r = one(p, trace, F1);

        if (r == 0)
                r = one(p, trace, COVERAGE);
        if (r == 0)
                r = one(p, trace, SENT);
        return r == 0 ? moves(p, trace) : r;
}
