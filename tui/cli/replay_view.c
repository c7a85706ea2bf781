/* replay_view: figures of a replay. Every table's row is one thing that was measured; what was not measured
 * is
 * "-" here and null in JSON. */
#include "cli/replay_view.h"
#include "cli/table.h"
#include "draw/format.h"
#include <langinfo.h>
#include <math.h>
#include <string.h>

/* ---- the curve ---- */

static void halve(struct hb_curve *c) {
        for (unsigned i = 0; i < HB_CURVE_POINTS / 2; i++)
                c->sum[i] = c->sum[2 * i] + c->sum[2 * i + 1];
        c->n = HB_CURVE_POINTS / 2;
        c->each *= 2;
        c->in_last = c->each;
}

void hb_curve_add(struct hb_curve *c, double v) {
        if (c->each == 0)
                c->each = 1;
        if (c->n == 0 || c->in_last == c->each) {
                if (c->n == HB_CURVE_POINTS)
                        halve(c);
                c->sum[c->n++] = 0;
                c->in_last = 0;
        }
        c->sum[c->n - 1] += v;
        c->in_last++;
}

static double mean(const struct hb_curve *c, unsigned from, unsigned to) {
        double sum = 0, points = 0;

        for (unsigned i = from; i < to; i++) {
                sum += c->sum[i];
                points += i + 1 == c->n ? c->in_last : c->each;
        }
        return points > 0 ? sum / points : 0;
}

void hb_curve_draw(const struct hb_curve *c, unsigned width, bool utf8, char *out) {
        static const char *const bars[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                           "\u2585", "\u2586", "\u2587", "\u2588"};
        static const char *const plain[] = {" ", ".", ".", ":", ":", "-", "=", "+", "#"};
        size_t len = 0;

        width = width < c->n ? width : c->n;
        for (unsigned x = 0; x < width; x++) {
                unsigned from = (unsigned)((uint64_t)x * c->n / width),
                         to = (unsigned)((uint64_t)(x + 1) * c->n / width);
                double v = mean(c, from, to > from ? to : from + 1);
                const char *s = (utf8 ? bars : plain)[v <= 0 ? 0 : v >= 1 ? 8 : (unsigned)(v * 7.999) + 1];

                memcpy(out + len, s, strlen(s));
                len += strlen(s);
        }
        out[len] = '\0';
}

/* ---- for people ---- */

static void cell(hb_cli_table *t, double v) {
        char text[32] = "";

        if (isfinite(v))
                snprintf(text, sizeof(text), "%.3f", v);
        hb_cli_table_cell(t, HB_PLAIN, text);
}

static void quality_row(hb_cli_table *t, const char *name, const struct hb_quality_score *s) {
        char text[32];

        hb_cli_table_cell(t, HB_PLAIN, name);
        cell(t, s->precision);
        cell(t, s->recall);
        cell(t, s->f1);
        snprintf(text, sizeof(text), "%llu", (unsigned long long)s->moments);
        hb_cli_table_cell(t, HB_PLAIN, text);
}

static void show_quality(struct hb_cli *c, const struct hb_quality_result *q) {
        static const char *const headings[] = {"PREDICTION", ">PRECISION", ">RECALL",
                                               ">F1",        ">MOMENTS",   NULL};
        hb_cli_table *t = hb_cli_table_new(headings);

        quality_row(t, "pages used", &q->all);
        quality_row(t, "  that return", &q->returning);
        quality_row(t, "  never seen before", &q->fresh);
        quality_row(t, "pages written", &q->writes);
        hb_cli_table_print(t, c);
}

static void outcome_row(hb_cli_table *t, const char *name, uint64_t pages, uint64_t of, const char *means) {
        char text[32];

        hb_cli_table_cell(t, HB_PLAIN, name);
        snprintf(text, sizeof(text), "%llu", (unsigned long long)pages);
        hb_cli_table_cell(t, HB_PLAIN, text);
        hb_cli_table_cell(t, HB_PLAIN, of ? hb_fmt_share((double)pages / (double)of, text) : "");
        hb_cli_table_cell(t, HB_DIM, means);
}

static void show_outcome(struct hb_cli *c, const struct hb_replay_result *r) {
        static const char *const headings[] = {"FROZEN NOW", ">PAGES", ">SHARE", "", NULL};
        hb_cli_table *t = hb_cli_table_new(headings);
        uint64_t all = r->hit + r->late + r->stale + r->missing;

        outcome_row(t, "hit", r->hit, all, "there and fresh");
        outcome_row(t, "late", r->late, all, "on its way");
        outcome_row(t, "stale", r->stale, all, "there, overwritten since");
        outcome_row(t, "missing", r->missing, all, "never fetched");
        outcome_row(t, "wasted", r->wasted, 0, "copies overwritten on the source, over the whole time");
        hb_cli_table_print(t, c);
}

static void show_migrations(struct hb_cli *c, const struct hb_replay_result *r) {
        static const char *const headings[] = {">MOVE AT",        ">DRAIN",       ">DOWNTIME", ">FORESEEN",
                                               ">BYTES AFTER IT", ">FINAL PAGES", "",          NULL};
        hb_cli_table *t = hb_cli_table_new(headings);
        char text[HB_FMT_SIZE];

        for (unsigned i = 0; i < r->nmigrations; i++) {
                const struct hb_replay_migration *m = &r->migrations[i];

                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_seconds((double)m->at_ns / 1e9, text));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_seconds(m->drain_s, text));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_seconds(m->downtime_s, text));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_seconds(m->predicted_downtime_s, text));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_bytes((double)m->bytes_after, text));
                snprintf(text, sizeof(text), "%llu", (unsigned long long)m->final_pages);
                hb_cli_table_cell(t, HB_PLAIN, text);
                hb_cli_table_cell(t, m->converged ? HB_GOOD : HB_BAD,
                                  m->converged              ? "converges"
                                  : isfinite(m->downtime_s) ? "does not converge"
                                                            : "the image is too small");
        }
        hb_cli_table_print(t, c);
}

static void show_head(struct hb_cli *c, const struct hb_replay_result *r) {
        static const char *const kinds[] = {"predictor", "scorer", "threshold"};
        char text[400], num[2][HB_FMT_SIZE];

        snprintf(text, sizeof(text), "%llu records in %llu epochs, %s of the guest's time, in %s",
                 (unsigned long long)r->records, (unsigned long long)r->epochs,
                 hb_fmt_seconds(r->seconds, num[0]), hb_fmt_seconds(r->took_s, num[1]));
        hb_cli_field(c, "replayed", text);
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++) {
                snprintf(text, sizeof(text), "%s %s (%s)%s%s", r->policies[k].name, r->policies[k].version,
                         r->policies[k].hash, r->policies[k].note[0] ? ": " : "", r->policies[k].note);
                hb_cli_field(c, kinds[k], text);
        }
        snprintf(text, sizeof(text), "%llu lessons in %llu steps", (unsigned long long)r->tuned_lessons,
                 (unsigned long long)r->tuned_steps);
        if (r->tuned_lessons)
                hb_cli_field(c, "model learned", text);
        snprintf(text, sizeof(text), "%016llx", (unsigned long long)r->digest);
        hb_cli_field(c, "decisions", text);
        if (r->exact && r->digest_known)
                snprintf(text, sizeof(text),
                         r->digest_matches ? "yes, at every mark" : "no: different after epoch %u",
                         r->first_difference);
        if (r->exact)
                hb_cli_field(c, "as recorded", r->digest_known ? text : "the trace does not say");
        snprintf(text, sizeof(text), "%s of pages, %s on the wire", hb_fmt_bytes((double)r->bytes, num[0]),
                 hb_fmt_bytes((double)r->wire_bytes, num[1]));
        hb_cli_field(c, "transferred", text);
}

static void show_curve(struct hb_cli *c, const struct hb_replay_result *r, const struct hb_curve *coverage) {
        char line[3 * 200 + 1], num[HB_FMT_SIZE];
        unsigned width = c->io->width > 40 ? c->io->width - 2 : 78;
        bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;

        if (coverage->n == 0)
                return;
        hb_curve_draw(coverage, width < 200 ? width : 200, utf8, line);
        fprintf(c->io->out, "\nUsed pages that lay fresh in the image, over time (mean %s):\n|%s|\n",
                hb_fmt_share(r->coverage, num), line);
}

void hb_cli_replay_show(struct hb_cli *c, const struct hb_replay_result *r, const struct hb_curve *coverage) {
        show_head(c, r);
        fputc('\n', c->io->out);
        show_quality(c, &r->quality);
        fputc('\n', c->io->out);
        show_outcome(c, r);
        show_curve(c, r, coverage);
        if (r->nmigrations) {
                fputc('\n', c->io->out);
                show_migrations(c, r);
        }
}

/* ---- JSON ---- */

static json_t *real(double v) {
        return isfinite(v) ? json_real(v) : json_null();
}

static json_t *whole(uint64_t v) {
        return json_integer((json_int_t)v);
}

static json_t *hex(uint64_t v) {
        char text[17];

        snprintf(text, sizeof(text), "%016llx", (unsigned long long)v);
        return json_string(text);
}

static json_t *class_json(const struct hb_quality_score *s) {
        return json_pack("{s:o,s:o,s:o,s:o}", "precision", real(s->precision), "recall", real(s->recall),
                         "f1", real(s->f1), "moments", whole(s->moments));
}

static void put_quality(json_t *j, const struct hb_quality_result *q) {
        hb_cli_set(j, "precision", real(q->all.precision));
        hb_cli_set(j, "recall", real(q->all.recall));
        hb_cli_set(j, "f1", real(q->all.f1));
        hb_cli_set(j, "f1_returning", real(q->returning.f1));
        hb_cli_set(j, "f1_new", real(q->fresh.f1));
        hb_cli_set(j, "f1_writes", real(q->writes.f1));
        hb_cli_set(j, "moments", whole(q->all.moments));
        hb_cli_set(j, "quality",
                   json_pack("{s:o,s:o,s:o,s:o}", "all", class_json(&q->all), "returning",
                             class_json(&q->returning), "new", class_json(&q->fresh), "writes",
                             class_json(&q->writes)));
}

static void put_outcome(json_t *j, const struct hb_replay_result *r) {
        hb_cli_set(j, "hit", whole(r->hit));
        hb_cli_set(j, "late", whole(r->late));
        hb_cli_set(j, "stale", whole(r->stale));
        hb_cli_set(j, "missing", whole(r->missing));
        hb_cli_set(j, "wasted", whole(r->wasted));
        hb_cli_set(j, "bytes", whole(r->bytes));
        hb_cli_set(j, "wire_bytes", whole(r->wire_bytes));
        hb_cli_set(j, "summary_bytes", r->exact ? json_null() : whole(r->summary_bytes));
        hb_cli_set(j, "coverage", real(r->coverage));
}

static json_t *migrations_json(const struct hb_replay_result *r) {
        json_t *a = json_array();

        for (unsigned i = 0; i < r->nmigrations; i++) {
                const struct hb_replay_migration *m = &r->migrations[i];

                json_array_append_new(
                        a, json_pack("{s:f,s:o,s:o,s:o,s:o,s:o,s:o,s:b}", "at_s", (double)m->at_ns / 1e9,
                                     "predicted_downtime_s", real(m->predicted_downtime_s), "predicted_bytes",
                                     real(m->predicted_bytes), "drain_s", real(m->drain_s), "downtime_s",
                                     real(m->downtime_s), "bytes_after", whole(m->bytes_after), "final_pages",
                                     whole(m->final_pages), "converged", m->converged));
        }
        return a;
}

static json_t *policies_json(const struct hb_replay_result *r) {
        static const char *const kinds[] = {"predictor", "scorer", "threshold"};
        json_t *j = json_object();

        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                hb_cli_set(j, kinds[k],
                           json_pack("{s:s,s:s,s:s,s:o,s:s}", "name", r->policies[k].name, "version",
                                     r->policies[k].version, "hash", r->policies[k].hash, "errors",
                                     whole(r->policies[k].errors), "note", r->policies[k].note));
        return j;
}

json_t *hb_cli_replay_point_json(const struct hb_replay_point *p) {
        return json_pack("{s:I,s:f,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "epoch", (json_int_t)p->epoch,
                         "time_s", (double)p->time_ns / 1e9, "accessed", whole(p->accessed), "written",
                         whole(p->written), "fresh", whole(p->fresh), "resident", whole(p->resident), "bytes",
                         whole(p->bytes), "coverage", real(p->coverage), "threshold", real(p->threshold),
                         "precision", real(p->precision < 0 ? NAN : p->precision), "recall",
                         real(p->recall < 0 ? NAN : p->recall));
}

json_t *hb_cli_replay_json(const char *file, const struct hb_replay_result *r, json_t *points) {
        json_t *j = json_object();

        hb_cli_set(j, "file", json_string(file));
        hb_cli_set(j, "mode", json_string(r->exact ? "exact" : "simulated"));
        hb_cli_set(j, "exact", json_boolean(r->exact));
        hb_cli_set(j, "records", whole(r->records));
        hb_cli_set(j, "epochs", whole(r->epochs));
        hb_cli_set(j, "seconds", real(r->seconds));
        hb_cli_set(j, "took_s", real(r->took_s));
        put_quality(j, &r->quality);
        put_outcome(j, r);
        hb_cli_set(
                j, "learning",
                json_pack("{s:o,s:o}", "lessons", whole(r->tuned_lessons), "steps", whole(r->tuned_steps)));
        hb_cli_set(j, "decision_digest", hex(r->digest));
        hb_cli_set(j, "recorded_digest", r->digest_known ? hex(r->recorded_digest) : json_null());
        hb_cli_set(j, "digest_matches", r->digest_known ? json_boolean(r->digest_matches) : json_null());
        hb_cli_set(j, "first_difference",
                   r->digest_known && !r->digest_matches ? whole(r->first_difference) : json_null());
        hb_cli_set(j, "policies", policies_json(r));
        hb_cli_set(j, "migrations", migrations_json(r));
        if (points)
                hb_cli_set(j, "points", points);
        return j;
}
