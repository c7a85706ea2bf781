/* paint_columns: how wide a table's columns are, and which have no room. Made from all rows, seen or not, so
 * that scrolling moves nothing sideways. Columns go by rank; then words are cut, numbers last. */
#include "draw/paint_priv.h"
#include <string.h>

#define GROW_LEAST 12u /* columns that a growing text is content with */
#define CUT_LEAST  4u  /* columns below which nothing is cut further */

bool hb_paint_sorted_by(const struct hb_doc_table *t, unsigned i) {
        return t->how.sort[0] && strcmp(t->how.sort, t->columns[i].key) == 0;
}

static unsigned content(const struct hb_paint *p, const struct hb_doc_table *t, unsigned i,
                        struct hb_paint_table_shape *s) {
        unsigned most = 0, n = hb_doc_rows(t), bar = s->bar + (s->bar > 0);

        s->number[i] = t->columns[i].right;

        for (unsigned k = 0; k < n; k++) {
                const struct hb_doc_row_data *r = hb_doc_row_at(t, k);
                const struct hb_doc_cell_data *c = &r->cells[i];

                if (i >= r->n)
                        continue;
                most = hb_paint_max(most, hb_doc_cell_width(c, p->utf8) + (c->bar ? bar : 0));
                s->number[i] |= c->bar;
        }
        return most;
}

static unsigned most_for(const struct hb_paint *p) { /* a name may be as long as its giver likes */
        return hb_paint_max(p->w / 3, 16);
}

/* What each column wants, and what it needs at least to be shown. */
struct demand {
        unsigned want[HB_DOC_COLUMNS_MAX], need[HB_DOC_COLUMNS_MAX];
};

static void ask(const struct hb_paint *p, const struct hb_doc_table *t, struct hb_paint_table_shape *s,
                struct demand *d) {
        for (unsigned i = 0; i < t->ncolumns; i++) {
                const struct hb_doc_column *c = &t->columns[i];
                unsigned title = hb_text_width(c->title, p->utf8) + hb_paint_sorted_by(t, i);
                unsigned want = hb_paint_max(hb_paint_max(title, c->min), content(p, t, i, s));

                if (!c->grow)
                        want = hb_paint_min(want, most_for(p));
                d->want[i] = hb_paint_max(want, 1);
                d->need[i] = d->want[i];
                if (c->grow)
                        d->need[i] = hb_paint_max(hb_paint_min(d->want[i], GROW_LEAST), c->min);
        }
}

static unsigned total(const struct hb_paint_table_shape *s, unsigned n) {
        unsigned sum = s->sign;

        for (unsigned i = 0; i < n; i++)
                sum += s->width[i] ? s->width[i] + s->gap : 0;
        return sum > s->gap + s->sign ? sum - s->gap : sum;
}

/* The last of those with the highest rank; n: all that are left must stay. */
static unsigned least_wanted(const struct hb_doc_table *t, const struct hb_paint_table_shape *s) {
        unsigned found = t->ncolumns;

        for (unsigned i = 0; i < t->ncolumns; i++)
                if (s->width[i] && t->columns[i].rank &&
                    (found == t->ncolumns || t->columns[i].rank >= t->columns[found].rank))
                        found = i;
        return found;
}

/* A number that is cut says something else: words are cut first. n: nothing is left to cut. */
static unsigned widest(const struct hb_doc_table *t, const struct hb_paint_table_shape *s, bool numbers) {
        unsigned found = t->ncolumns;

        for (unsigned i = 0; i < t->ncolumns; i++)
                if (s->width[i] > CUT_LEAST && (numbers || !s->number[i]) &&
                    (found == t->ncolumns || s->width[i] > s->width[found]))
                        found = i;
        return found;
}

static void squeeze(const struct hb_paint *p, const struct hb_doc_table *t, struct hb_paint_table_shape *s) {
        unsigned n = t->ncolumns, i;

        while (total(s, n) > p->w && (i = least_wanted(t, s)) < n)
                s->width[i] = 0;
        while (total(s, n) > p->w && (i = widest(t, s, false)) < n)
                s->width[i]--;
        while (total(s, n) > p->w && (i = widest(t, s, true)) < n)
                s->width[i]--;
}

/* First everyone gets what it wants, then growing columns share the rest. */
static void spread(const struct hb_paint *p, const struct hb_doc_table *t, const struct demand *d,
                   struct hb_paint_table_shape *s) {
        unsigned n = t->ncolumns, used = total(s, n), rest = p->w > used ? p->w - used : 0, growing = 0;

        for (unsigned i = 0; i < n; i++) {
                unsigned more = s->width[i] && s->width[i] < d->want[i] ? d->want[i] - s->width[i] : 0;

                more = hb_paint_min(more, rest);
                s->width[i] = (uint16_t)(s->width[i] + more);
                rest -= more;
                growing += s->width[i] && t->columns[i].grow;
        }
        for (unsigned i = 0; i < n && growing; i++) {
                unsigned more = rest / growing;

                if (!s->width[i] || !t->columns[i].grow)
                        continue;
                s->width[i] = (uint16_t)(s->width[i] + more);
                rest -= more;
                growing--;
        }
}

static unsigned end_of_heads(const struct hb_paint *p, const struct hb_doc_table *t,
                             const struct hb_paint_table_shape *s) {
        unsigned x = s->sign, end = x;

        for (unsigned i = 0; i < t->ncolumns; i++) {
                unsigned title = hb_text_width(t->columns[i].title, p->utf8) + hb_paint_sorted_by(t, i);

                if (!s->width[i])
                        continue;
                end = x + (t->columns[i].right ? s->width[i] : hb_paint_min(title, s->width[i]));
                x += s->width[i] + s->gap;
        }
        return end;
}

void hb_paint_columns(const struct hb_paint *p, const struct hb_paint_item *it,
                      struct hb_paint_table_shape *s) {
        const struct hb_doc_table *t = it->b->table;
        struct demand d;

        *s = (struct hb_paint_table_shape){
                .bar = p->w >= 100  ? 12
                       : p->w >= 60 ? 8
                       : p->w >= 40 ? 5
                                    : 0,
                .gap = p->w >= 60 ? 2 : 1,
                .sign = it->b->main && p->mono && p->w > 8 ? 2 : 0,
        };
        ask(p, t, s, &d);
        for (unsigned i = 0; i < t->ncolumns; i++)
                s->width[i] = (uint16_t)hb_paint_min(d.need[i], UINT16_MAX);
        squeeze(p, t, s);
        spread(p, t, &d, s);
        s->heads = end_of_heads(p, t, s);
}
