/* doc_words: pictures in words. Pure. */
#include "draw/doc_words_priv.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool hb_doc_range(const struct hb_doc_values *v, double *ret_least, double *ret_most) {
        double least = INFINITY, most = -INFINITY;

        for (size_t i = 0; i < v->n; i++) {
                if (!isfinite(v->v[i]))
                        continue;
                least = fmin(least, v->v[i]);
                most = fmax(most, v->v[i]);
        }
        if (least > most)
                return false;
        *ret_least = least;
        *ret_most = most;
        return true;
}

/* The unit alone: " GiB" of " GiB of 12 GiB". */
static int length_of_unit(const char *rest) {
        size_t blank = *rest == ' ';

        return (int)(blank + strcspn(rest + blank, " ,;("));
}

/* How much of the value is one of the text's units; NaN where rounding hides it (a text of "1 B/s"). */
static double unit_of(const struct hb_doc_block *b, const char **ret_rest) {
        double newest = b->series.n ? b->series.v[b->series.n - 1] : NAN, said;
        char *end;
        bool fraction = false;

        said = strtod(b->text, &end);
        for (const char *p = b->text; p < end; p++)
                fraction |= *p == '.';
        *ret_rest = end;
        if (end == b->text || !isfinite(newest) || !(newest > 0) || !(said > 0) || (said < 10 && !fraction))
                return NAN;
        return newest / said;
}

const char *hb_doc_say_like(const struct hb_doc_block *series, double value, char buf[HB_DOC_SAID]) {
        const char *rest;
        double unit = unit_of(series, &rest), n = value / unit;

        buf[0] = '\0';
        if (!isfinite(n) || fabs(n) > 1e9)
                return buf;
        snprintf(buf, HB_DOC_SAID, fabs(n) < 9.95 && n != 0 ? "%.1f%.*s" : "%.0f%.*s", n,
                 length_of_unit(rest), rest);
        return buf;
}

static double mean(const double *v, size_t n, size_t *ret_known) {
        double sum = 0;
        size_t known = 0;

        for (size_t i = 0; i < n; i++)
                if (isfinite(v[i])) {
                        sum += v[i];
                        known++;
                }
        *ret_known += known;
        return known ? sum / (double)known : NAN;
}

const char *hb_doc_trend(const struct hb_doc_values *v) {
        size_t third = v->n / 3, known = 0;
        double before, now, near;

        if (third < 2)
                return "";
        before = mean(v->v, third, &known);
        now = mean(v->v + v->n - third, third, &known);
        near = fmax(fabs(before), fabs(now)) * 0.1;
        if (known < 4 || isnan(before) || isnan(now))
                return "";
        return now > before + near ? "rising" : now < before - near ? "falling" : "steady";
}

double hb_doc_part_value(const struct hb_doc_part *p) {
        return p->value > 0 && isfinite(p->value) ? p->value : 0;
}

double hb_doc_bar_total(const struct hb_doc_parts *bar) {
        double sum = 0;

        for (unsigned i = 0; i < bar->n; i++)
                sum += hb_doc_part_value(&bar->part[i]);
        return bar->total > sum && isfinite(bar->total) ? bar->total : sum;
}
