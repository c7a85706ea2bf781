/* model_view: a model's card, and the figures of an evaluation as JSON: every cell, the means, and for each
 * learned predictor how it stands to the best single baseline. */
#include "cli/model_view.h"
#include "cli/table.h"
#include "draw/format.h"
#include <math.h>
#include <string.h>

json_t *hb_model_real(double v) {
        return isfinite(v) ? json_real(v) : json_null();
}

/* ---- a card ---- */

json_t *hb_model_card_json(const struct hb_model_info *i) {
        json_t *o =
                json_pack("{s:s,s:i,s:i,s:I,s:I,s:I,s:I}", "hash", i->hash, "hidden", (int)i->hidden, "dense",
                          (int)i->dense, "weights", (json_int_t)i->weights, "steps", (json_int_t)i->steps,
                          "seed", (json_int_t)i->seed, "examples", (json_int_t)i->examples);

        hb_cli_set(o, "loss", hb_model_real(i->loss));
        hb_cli_set(o, "validation", hb_model_real(i->validation));
        hb_cli_set(o, "note", json_string(i->note));
        return o;
}

void hb_model_card_show(struct hb_cli *c, const struct hb_model_info *i) {
        char text[300];

        snprintf(text, sizeof(text), "LSTM of %u cells, a layer of %u, %llu weights", i->hidden, i->dense,
                 (unsigned long long)i->weights);
        hb_cli_field(c, "network", text);
        snprintf(text, sizeof(text), "%llu steps on %llu pages, seed %llu", (unsigned long long)i->steps,
                 (unsigned long long)i->examples, (unsigned long long)i->seed);
        hb_cli_field(c, "trained", text);
        snprintf(text, sizeof(text), isfinite(i->validation) ? "%.4f" : "unknown", i->validation);
        hb_cli_field(c, "validation", text);
        hb_cli_field(c, "note", i->note);
        hb_cli_field(c, "hash", i->hash);
}

/* ---- an evaluation ---- */

static json_t *score_json(const struct hb_quality_score *s) {
        json_t *o = json_pack("{s:I}", "moments", (json_int_t)s->moments);

        hb_cli_set(o, "precision", hb_model_real(s->precision));
        hb_cli_set(o, "recall", hb_model_real(s->recall));
        hb_cli_set(o, "f1", hb_model_real(s->f1));
        return o;
}

static json_t *cell_json(const struct hb_eval *v, unsigned t, unsigned h, unsigned p) {
        const struct hb_eval_cell *c = hb_eval_at(v, t, h, p);
        json_t *o = json_pack("{s:s,s:s,s:f,s:I,s:I,s:I,s:s,s:f}", "trace", v->traces[t].name, "predictor",
                              v->predictors[p].name, "horizon_s", v->horizons[h], "errors",
                              (json_int_t)c->errors, "lessons", (json_int_t)c->lessons, "steps",
                              (json_int_t)c->steps, "note", c->note, "took_s", c->took_s);

        for (int f = 0; f < HB_EVAL_FIGURES; f++)
                hb_cli_set(o, hb_eval_figure_names[f], score_json(hb_eval_score(c, (enum hb_eval_figure)f)));
        return o;
}

static json_t *mean_json(const struct hb_eval *v, unsigned h, unsigned p) {
        json_t *o = json_pack("{s:s,s:f}", "predictor", v->predictors[p].name, "horizon_s", v->horizons[h]);

        for (int f = 0; f < HB_EVAL_FIGURES; f++) {
                struct hb_quality_score s = hb_eval_mean(v, h, p, (enum hb_eval_figure)f);

                hb_cli_set(o, hb_eval_figure_names[f], score_json(&s));
        }
        return o;
}

/* One learned predictor against the best single baseline of a row; trace "" : of the means. */
static void append_verdicts(json_t *list, const struct hb_eval *v, unsigned t, unsigned h) {
        for (unsigned p = 0; p < v->npredictors; p++) {
                json_t *o;

                if (v->predictors[p].kind == HB_EVAL_BASELINE &&
                    strcmp(v->predictors[p].policy, "blend") != 0)
                        continue;
                o = json_pack("{s:s,s:f,s:s}", "predictor", v->predictors[p].name, "horizon_s",
                              v->horizons[h], "trace", t < v->ntraces ? v->traces[t].name : "");
                for (int f = 0; f < HB_EVAL_FIGURES; f++) {
                        struct hb_eval_verdict d;

                        if (!hb_eval_against(v, t, h, p, (enum hb_eval_figure)f, &d))
                                continue;
                        hb_cli_set(o, hb_eval_figure_names[f],
                                   json_pack("{s:s,s:f,s:f,s:o}", "best", v->predictors[d.best].name,
                                             "best_f1", d.best_f1, "difference", d.f1 - d.best_f1, "gain",
                                             hb_model_real(d.gain)));
                }
                json_array_append_new(list, o);
        }
}

json_t *hb_model_eval_json(const struct hb_eval *v) {
        json_t *cells = json_array(), *means = json_array(), *verdicts = json_array();

        for (unsigned h = 0; h < v->nhorizons; h++)
                for (unsigned p = 0; p < v->npredictors; p++) {
                        for (unsigned t = 0; t < v->ntraces; t++)
                                json_array_append_new(cells, cell_json(v, t, h, p));
                        json_array_append_new(means, mean_json(v, h, p));
                }
        for (unsigned h = 0; h < v->nhorizons; h++)
                for (unsigned t = 0; t <= v->ntraces; t++)
                        append_verdicts(verdicts, v, t, h);
        return json_pack("{s:o,s:o,s:o}", "cells", cells, "means", means, "verdicts", verdicts);
}

/* ---- for people ---- */

static void number(hb_cli_table *t, double v, bool best) {
        char text[32] = "";

        if (isfinite(v))
                snprintf(text, sizeof(text), "%.3f %c", v, best ? 'b' : ' ');
        hb_cli_table_cell(t, best ? HB_GOOD : HB_PLAIN, text);
}

/* Of all predictors, learned ones too. */
static double best_of(const struct hb_eval *v, unsigned trace, unsigned h, enum hb_eval_figure f) {
        double best = NAN;

        for (unsigned p = 0; p < v->npredictors; p++) {
                double f1 = hb_eval_row(v, trace, h, p, f).f1;

                best = isnan(best) || f1 > best ? f1 : best;
        }
        return best;
}

static void print_row(hb_cli_table *t, const struct hb_eval *v, unsigned trace, unsigned h, unsigned p) {
        char text[HB_FMT_SIZE];

        snprintf(text, sizeof(text), "%g s", v->horizons[h]);
        hb_cli_table_cell(t, HB_PLAIN, text);
        hb_cli_table_cell(t, HB_PLAIN, v->predictors[p].name);
        for (int f = 0; f < HB_EVAL_FIGURES; f++) {
                struct hb_quality_score s = hb_eval_row(v, trace, h, p, (enum hb_eval_figure)f);

                if (f == HB_EVAL_ALL || f == HB_EVAL_WRITES) {
                        number(t, s.precision, false);
                        number(t, s.recall, false);
                }
                number(t, s.f1, s.f1 >= best_of(v, trace, h, (enum hb_eval_figure)f));
        }
}

static void print_rows(struct hb_cli *c, const struct hb_eval *v, unsigned trace) {
        static const char *const headings[] = {">HORIZON", "PREDICTOR",    ">PRECISION", ">RECALL",
                                               ">F1  ",    ">RETURNING  ", ">NEW  ",     ">WRITES: PREC.",
                                               ">RECALL",  ">F1  ",        NULL};
        hb_cli_table *t = hb_cli_table_new(headings);

        for (unsigned h = 0; h < v->nhorizons; h++)
                for (unsigned p = 0; p < v->npredictors; p++)
                        print_row(t, v, trace, h, p);
        hb_cli_table_print(t, c);
}

static void print_verdict(struct hb_cli *c, const struct hb_eval *v, unsigned t, unsigned h, unsigned p) {
        struct hb_eval_verdict all, back;
        char line[300];
        int n;

        if (!hb_eval_against(v, t, h, p, HB_EVAL_ALL, &all))
                return;
        n = snprintf(line, sizeof(line), "  %g s, %s: F1 %+.3f (%+.1f %%) to %s", v->horizons[h],
                     v->predictors[p].name, all.f1 - all.best_f1, 100 * all.gain,
                     v->predictors[all.best].name);
        if (hb_eval_against(v, t, h, p, HB_EVAL_RETURNING, &back))
                n += snprintf(line + n, sizeof(line) - (size_t)n, "; returning %+.3f (%+.1f %%) to %s",
                              back.f1 - back.best_f1, 100 * back.gain, v->predictors[back.best].name);
        if (t < v->ntraces && hb_eval_at(v, t, h, p)->note[0])
                snprintf(line + n, sizeof(line) - (size_t)n, "; %s", hb_eval_at(v, t, h, p)->note);
        hb_cli_put(c->io->out, line);
        fputc('\n', c->io->out);
}

static void print_verdicts(struct hb_cli *c, const struct hb_eval *v, unsigned t) {
        fputs("against the best single baseline of the row:\n", c->io->out);
        for (unsigned h = 0; h < v->nhorizons; h++)
                for (unsigned p = 0; p < v->npredictors; p++)
                        if (v->predictors[p].kind != HB_EVAL_BASELINE ||
                            strcmp(v->predictors[p].policy, "blend") == 0)
                                print_verdict(c, v, t, h, p);
}

void hb_model_eval_show(struct hb_cli *c, const struct hb_eval *v) {
        char line[200], num[HB_FMT_SIZE];

        for (unsigned t = 0; t < v->ntraces; t++) {
                snprintf(line, sizeof(line), "%s: %llu pages, %s", v->traces[t].name,
                         (unsigned long long)v->traces[t].pages, hb_fmt_seconds(v->traces[t].seconds, num));
                hb_cli_put(c->io->out, line);
                fputc('\n', c->io->out);
                print_rows(c, v, t);
                print_verdicts(c, v, t);
                fputc('\n', c->io->out);
        }
        if (v->ntraces < 2)
                return;
        fputs("mean over the traces\n", c->io->out);
        print_rows(c, v, v->ntraces);
        print_verdicts(c, v, v->ntraces);
}
