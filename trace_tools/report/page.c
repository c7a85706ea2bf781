/* page: the whole of it, from top to bottom. Strings of traces, policies and links go through hb_html_text.
 */
#include "base/file_put.h"
#include "report/parts.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SHOWN_HORIZON_S 10.0

static void put_title(struct hb_page *p) {
        const struct hb_compare_plan *plan = p->t->plan;

        if (p->o->title) {
                hb_html_text(p->out, p->o->title);
                return;
        }
        hb_html_put(p->out, "Policies compared on ");
        for (unsigned i = 0; i < plan->ntraces && i < 6; i++) {
                hb_html_put(p->out, i ? ", " : "");
                hb_html_text(p->out, plan->traces[i].name);
        }
        if (plan->ntraces > 6)
                hb_html_f(p->out, " and %u more", plan->ntraces - 6);
}

static void put_head(struct hb_page *p) {
        hb_html_put(p->out,
                    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                    "'unsafe-inline'\">\n<title>");
        put_title(p);
        hb_html_put(p->out, "</title>\n");
        hb_page_style(p);
        hb_html_put(p->out, "</head>\n<body>\n<main>\n<h1>");
        put_title(p);
        hb_html_put(p->out, "</h1>\n");
}

static void put_lists(struct hb_page *p) {
        const struct hb_compare_plan *plan = p->t->plan;

        hb_html_put(p->out, "<p>Horizons: ");
        for (unsigned i = 0; i < plan->nhorizons; i++)
                hb_html_f(p->out, "%s%g s", i ? ", " : "", plan->horizons[i]);
        hb_html_put(p->out, ". Links: ");
        for (unsigned i = 0; i < plan->nlinks; i++) {
                hb_html_put(p->out, i ? ", " : "");
                hb_html_text(p->out, plan->links[i].name);
        }
        hb_html_f(p->out, ". Latency %g ms, %s budget, seed %llu. Harbinger ", plan->latency_s * 1000,
                  plan->oracle_budget ? "oracle" : "working-set", (unsigned long long)plan->seed);
        hb_html_text(p->out, plan->version);
        hb_html_put(p->out, ".</p>\n");
        if (p->t->missing)
                hb_html_f(p->out,
                          "<p class=\"note\">%u of %u cells are not computed yet; they are shown as -.</p>\n",
                          p->t->missing, p->t->ncells);
}

/* Its begin is enough to tell files apart by eye; the whole is in the tooltip. */
static void put_hash(struct hb_page *p, const char *hash, bool first) {
        char begin[13];

        snprintf(begin, sizeof(begin), "%s", strcmp(hash, "builtin") == 0 ? "built-in" : hash);
        hb_html_put(p->out, first ? " &middot; <code title=\"" : " <code title=\"");
        hb_html_text(p->out, hash);
        hb_html_put(p->out, "\">");
        hb_html_text(p->out, begin);
        hb_html_put(p->out, "</code>");
}

static void put_policy(struct hb_page *p, unsigned i) {
        const struct hb_compare_policy *policy = &p->t->plan->policies[i];
        char name[4];

        hb_html_f(p->out, "<li><b class=\"c%u\">%s</b> ", i + 1, hb_html_letter(i, name));
        hb_html_text(p->out, policy->name);
        if (i == p->t->plan->base)
                hb_html_put(p->out, " (the base)");
        if (policy->kind == HB_COMPARE_OPTIMUM)
                hb_html_put(p->out, " (bounds: what one who knows the future could do)");
        else if (policy->kind == HB_COMPARE_NOTHING)
                hb_html_put(p->out, " (no prefetch: everything after the request)");
        for (int k = 0; k < HB_POLICY_KINDS && policy->kind == HB_COMPARE_TRIPLE; k++)
                put_hash(p, policy->hashes[k], k == 0);
        hb_html_put(p->out, "</li>\n");
}

static void put_contents(struct hb_page *p) {
        hb_html_put(p->out, "<h2 id=\"policies\">Policies</h2>\n<ul class=\"policies\">\n");
        for (unsigned i = 0; i < p->t->plan->npolicies; i++)
                put_policy(p, i);
        hb_html_put(p->out, "</ul>\n<nav aria-label=\"Traces\"><p>Traces: ");
        for (unsigned i = 0; i < p->t->plan->ntraces; i++) {
                hb_html_f(p->out, "%s<a href=\"#trace%u\">", i ? ", " : "", i);
                hb_html_text(p->out, p->t->plan->traces[i].name);
                hb_html_put(p->out, "</a>");
        }
        hb_html_put(p->out, "; <a href=\"#definitions\">what the figures mean</a>.</p></nav>\n");
}

static int put_trace(struct hb_page *p, unsigned i, struct hb_err *e) {
        const struct hb_compare_trace *t = &p->t->plan->traces[i];
        const struct hb_compare_plan *plan = p->t->plan;
        int r;

        hb_html_f(p->out, "<section aria-labelledby=\"trace%u\">\n<h2 id=\"trace%u\">", i, i);
        hb_html_text(p->out, t->name);
        hb_html_put(p->out, "</h2>\n<p>Guest ");
        hb_html_text(p->out, t->guest[0] ? t->guest : "unnamed");
        hb_html_f(p->out, ": %llu pages, %llu epochs in %.0f s, %llu accesses by page and epoch; origin: ",
                  (unsigned long long)t->pages, (unsigned long long)t->epochs,
                  (double)(t->last_ns - t->first_ns) / 1e9, (unsigned long long)t->records);
        hb_html_text(p->out, t->origin);
        hb_html_put(p->out, ".</p>\n");
        r = hb_page_heat(p, t, e);
        if (r == 0) {
                hb_html_f(p->out, "<p class=\"note\">Curves: horizon %g s, link ",
                          plan->horizons[p->horizon]);
                hb_html_text(p->out, plan->links[p->link].name);
                hb_html_put(p->out, "; the letters are the policies'.</p>\n");
                r = hb_page_curves(p, i);
        }
        hb_page_figures(p, i);
        hb_page_differences(p, i);
        hb_page_moves(p, i);
        hb_html_put(p->out, "</section>\n");
        return r;
}

void hb_page_definitions(struct hb_page *p) {
        hb_html_put(p->out, "<footer>\n<h2 id=\"definitions\">What the figures mean</h2>\n<dl>\n");
        for (int f = 0; f < HB_FIGURES; f++)
                hb_html_f(p->out, "<dt>%s</dt><dd>%s.%s</dd>\n", hb_figure_rows[f].label,
                          hb_figure_rows[f].means,
                          hb_figure_rows[f].less_is_better ? " Less is better." : "");
        hb_html_put(p->out, "<dt>moment</dt><dd>every 5 s after 30 s of warm-up. The predicted set is the K "
                            "pages with the highest "
                            "predicted accesses; K is the number of pages accessed in the last horizon "
                            "(working-set budget) or in "
                            "the next (oracle budget).</dd>\n"
                            "<dt>95 %</dt><dd>interval of the mean difference, by a circular block bootstrap "
                            "over the moments: "
                            "neighbouring moments share most of their horizon and are not independent. Too "
                            "short: fewer than four "
                            "blocks. Better and worse: the interval does not hold 0; open: it does.</dd>\n"
                            "<dt>nothing</dt><dd>the same engine with a threshold that lets no page pass "
                            "until the move is asked "
                            "for.</dd>\n"
                            "<dt>optimum</dt><dd>bounds, not a run: predictions that know the future, within "
                            "the same budget; each "
                            "page sent once, in its last version, as the link allows. No policy can be "
                            "better; none may be able to "
                            "be as good. F1 returning and F1 new are what those predictions give, not bounds "
                            "of their own.</dd>\n"
                            "<dt>time after, sent after, downtime</dt><dd>means over the moves asked for, "
                            "each in a replay of its "
                            "own.</dd>\n</dl>\n</footer>\n");
}

/* The curves' horizon is the one nearest to 10 s, their link the one in the middle. */
static void choose(struct hb_page *p) {
        const struct hb_compare_plan *plan = p->t->plan;

        for (unsigned i = 1; i < plan->nhorizons; i++)
                if (fabs(plan->horizons[i] - SHOWN_HORIZON_S) <
                    fabs(plan->horizons[p->horizon] - SHOWN_HORIZON_S))
                        p->horizon = i;
        p->link = plan->nlinks / 2;
}

static void put_notes(struct hb_page *p) {
        if (!p->notes.plots_missing[0])
                return;
        hb_html_put(p->out, "<p class=\"note\">Without curves: ");
        hb_html_text(p->out, p->notes.plots_missing);
        hb_html_put(p->out, ". Their numbers are in the tables.</p>\n");
}

int hb_report_make(const struct hb_compare_table *t, const struct hb_report_options *o, struct hb_buf *out,
                   struct hb_report_notes *ret, struct hb_err *e) {
        struct hb_page p = {.out = out, .t = t, .o = o};
        int r = 0;

        choose(&p);
        put_head(&p);
        put_lists(&p);
        put_contents(&p);
        for (unsigned i = 0; i < t->plan->ntraces && r == 0; i++)
                r = put_trace(&p, i, e);
        put_notes(&p);
        hb_page_definitions(&p);
        hb_html_put(out, "</main>\n</body>\n</html>\n");
        if (r == -ECANCELED)
                return r;
        if (r < 0 || out->failed)
                return hb_err_set(e, r < 0 ? r : -ENOMEM, NULL, NULL, "out of memory");
        *ret = p.notes;
        return 0;
}

/* ---- the file ---- */
static int put_file(const char *path, const struct hb_buf *b) {
        mode_t mask = umask(0);

        umask(mask);
        return hb_file_put(path, b->data, b->len, 0644 & ~mask, "report.write");
}

int hb_report_write(const char *path, const struct hb_compare_table *t, const struct hb_report_options *o,
                    struct hb_report_notes *ret, struct hb_err *e) {
        struct hb_buf page = {0};
        int r = hb_report_make(t, o, &page, ret, e);

        if (r == 0) {
                r = put_file(path, &page);
                if (r < 0)
                        hb_err_set(e, r, path, NULL, "cannot write the report: %s", strerror(-r));
        }
        hb_buf_free(&page);
        return r;
}
