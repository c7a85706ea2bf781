/* tables: the same figures as on a terminal, all of them, with intervals. The best of a row is bold *and* has
 * its letter; a verdict is a word. */
#include "report/parts.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void table_head(struct hb_page *p, const char *caption, const char *const *columns) {
        hb_html_f(p->out, "<div class=\"wide\"><table><caption>%s</caption>\n<thead><tr>", caption);
        for (; *columns; columns++)
                hb_html_f(p->out, "<th scope=\"col\">%s</th>", *columns);
}

static void row_head(struct hb_page *p, struct hb_compare_at at) {
        hb_html_f(p->out, "<th scope=\"row\">%g s</th><th scope=\"row\">", p->t->plan->horizons[at.horizon]);
        hb_html_text(p->out, p->t->plan->links[at.link].name);
        hb_html_put(p->out, "</th>");
}

/* ---- figures ---- */
static void figure_row(struct hb_page *p, struct hb_compare_at at, enum hb_figure f) {
        uint32_t best = hb_figure_best(p->t, at, f);
        char num[48];

        hb_html_put(p->out, "<tr>");
        row_head(p, at);
        hb_html_f(p->out, "<th scope=\"row\">%s</th>", hb_figure_rows[f].label);
        for (at.policy = 0; at.policy < p->t->plan->npolicies; at.policy++) {
                const char *v = hb_html_number(hb_figure_rows[f].unit,
                                               hb_figure_of(p->t, hb_compare_index(p->t->plan, at), f), num);

                if (best >> at.policy & 1)
                        hb_html_f(p->out, "<td class=\"best\"><b>%s</b> b</td>", v);
                else
                        hb_html_f(p->out, "<td>%s</td>", v);
        }
        hb_html_put(p->out, "</tr>\n");
}

static void figure_group(struct hb_page *p, struct hb_compare_at at, bool main_only) {
        hb_html_put(p->out, "<tbody>\n");
        for (int f = 0; f < HB_FIGURES; f++)
                if (hb_figure_rows[f].main == main_only)
                        figure_row(p, at, (enum hb_figure)f);
        hb_html_put(p->out, "</tbody>\n");
}

static void figure_table(struct hb_page *p, unsigned trace, bool main_only, const char *caption) {
        static const char *const columns[] = {"horizon", "link", "figure", NULL};
        const struct hb_compare_plan *plan = p->t->plan;
        struct hb_compare_at at = {.trace = trace};
        char name[4];

        table_head(p, caption, columns);
        for (unsigned i = 0; i < plan->npolicies; i++)
                hb_html_f(p->out, "<th scope=\"col\" class=\"c%u\">%s</th>", i + 1, hb_html_letter(i, name));
        hb_html_put(p->out, "</tr></thead>\n");
        for (at.horizon = 0; at.horizon < plan->nhorizons; at.horizon++)
                for (at.link = 0; at.link < plan->nlinks; at.link++)
                        figure_group(p, at, main_only);
        hb_html_put(p->out, "</table></div>\n");
}

void hb_page_figures(struct hb_page *p, unsigned trace) {
        figure_table(p, trace, true,
                     "Figures by horizon and link; b: the best of its row, bounds and nothing aside");
        hb_html_put(p->out, "<details><summary>More figures of the predictions</summary>\n");
        figure_table(p, trace, false, "Predictions, in parts");
        hb_html_put(p->out, "</details>\n");
}

/* ---- differences ---- */
static void difference(struct hb_page *p, unsigned cell, enum hb_figure f) {
        static const char *const words[] = {"worse", "open", "better"};
        struct hb_paired d;
        int verdict;

        if (hb_figure_paired(p->t, cell, f, &d) < 0 || d.n == 0) {
                hb_html_put(p->out, "<td>-</td><td>-</td><td>-</td><td>-</td>");
                return;
        }
        verdict = hb_paired_verdict(&d, hb_figure_rows[f].less_is_better);
        hb_html_f(p->out, "<td>%+.3f</td>", d.mean);
        if (isnan(d.low))
                hb_html_put(p->out, "<td>too short</td>");
        else
                hb_html_f(p->out, "<td>%+.3f to %+.3f</td>", d.low, d.high);
        hb_html_f(p->out, "<td>%u / %u / %u</td><td class=\"v%d\">%s</td>", d.won, d.lost, d.tied,
                  verdict + 1, d.tied == d.n ? "same" : words[verdict + 1]);
}

void hb_page_differences(struct hb_page *p, unsigned trace) {
        static const char *const columns[] = {"horizon", "link",          "policy", "F1",
                                              "95 %",    "won/lost/tied", "is",     "coverage",
                                              "95 %",    "won/lost/tied", "is",     NULL};
        const struct hb_compare_plan *plan = p->t->plan;
        char caption[120], name[4];
        unsigned rows = 0;

        snprintf(caption, sizeof(caption), "Differences to %s, the base, paired by moment",
                 hb_html_letter(plan->base, name));
        for (unsigned i = 0; i < p->t->ncells; i++) {
                struct hb_compare_at at = hb_compare_at(plan, i);

                if (at.trace != trace || at.policy == plan->base ||
                    plan->policies[at.policy].kind != HB_COMPARE_TRIPLE)
                        continue;
                if (rows++ == 0) {
                        table_head(p, caption, columns);
                        hb_html_put(p->out, "</tr></thead>\n<tbody>\n");
                }
                hb_html_put(p->out, "<tr>");
                row_head(p, at);
                hb_html_f(p->out, "<th scope=\"row\">%s</th>", hb_html_letter(at.policy, name));
                difference(p, i, HB_FIGURE_F1);
                difference(p, i, HB_FIGURE_COVERAGE);
                hb_html_put(p->out, "</tr>\n");
        }
        if (rows)
                hb_html_put(p->out, "</tbody></table></div>\n");
}

/* ---- moves ---- */
static void move_row(struct hb_page *p, struct hb_compare_at at, const struct hb_replay_migration *m) {
        char name[4], num[4][48];
        bool bound = p->t->plan->policies[at.policy].kind == HB_COMPARE_OPTIMUM;

        hb_html_put(p->out, "<tr>");
        row_head(p, at);
        hb_html_f(p->out,
                  "<th scope=\"row\">%s</th><td>%.0f "
                  "s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n",
                  hb_html_letter(at.policy, name), (double)m->at_ns / 1e9,
                  hb_html_number(HB_UNIT_SECONDS, m->predicted_downtime_s, num[0]),
                  bound ? "-" : hb_html_number(HB_UNIT_SECONDS, m->downtime_s, num[1]),
                  hb_html_number(HB_UNIT_SECONDS, m->drain_s + m->downtime_s, num[2]),
                  hb_html_number(HB_UNIT_BYTES, (double)m->bytes_after, num[3]),
                  bound          ? "bound"
                  : m->converged ? "yes"
                                 : "no");
}

void hb_page_moves(struct hb_page *p, unsigned trace) {
        static const char *const columns[] = {"horizon",           "link",     "policy",     "asked after",
                                              "downtime expected", "downtime", "time after", "sent after",
                                              "converged",         NULL};
        unsigned rows = 0;

        for (unsigned i = 0; i < p->t->ncells; i++) {
                struct hb_compare_at at = hb_compare_at(p->t->plan, i);
                const struct hb_replay_result *r = &p->t->cells[i].r;

                for (unsigned m = 0; at.trace == trace && m < r->nmigrations && m < HB_REPLAY_MOMENTS; m++) {
                        if (rows++ == 0) {
                                hb_html_put(p->out,
                                            "<details><summary>Moves asked for, one by one</summary>\n");
                                table_head(p, "Each move asked for: what was expected, and what came of it",
                                           columns);
                                hb_html_put(p->out, "</tr></thead>\n<tbody>\n");
                        }
                        move_row(p, at, &r->migrations[m]);
                }
        }
        if (rows)
                hb_html_put(p->out, "</tbody></table></div></details>\n");
}
