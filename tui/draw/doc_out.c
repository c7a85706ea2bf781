/* doc_out: a doc read aloud. One thing a line, no drawing, nothing that only colour says; pictures become the
 * numbers behind them. Text passes the same gate as on the screen (text.h), so that no line can carry a
 * control character to a terminal. */
#include "draw/doc_out.h"
#include "base/fault.h"
#include "draw/doc_words_priv.h"
#include "draw/text.h"
#include <errno.h>
#include <math.h>
#include <string.h>

struct plain {
        FILE *out;
        bool utf8;
        const char *selected;
};

static void say(const struct plain *p, const char *text) {
        char utf8[4];
        unsigned n;
        uint32_t ch;
        bool blank;

        for (; *text; text += blank) {
                blank = *text == '\n' || *text == '\t' || *text == '\r';
                ch = blank ? ' ' : hb_text_next(&text, p->utf8);
                n = hb_char_encode(ch, utf8);
                fwrite(utf8, 1, n, p->out);
        }
}

/* "label: " before what follows; nothing for no label. */
static void say_label(const struct plain *p, const char *label) {
        say(p, label);
        fputs(*label ? ": " : "", p->out);
}

static const char *or_unknown(const char *text) {
        return strcmp(text, "-") == 0 ? "unknown" : text;
}

static void field(const struct plain *p, const struct hb_doc_block *b) {
        say_label(p, b->label);
        say(p, or_unknown(b->text));
        fputc('\n', p->out);
}

/* A note's style as the word a listener needs; its sign is only for the eye. */
static void note(const struct plain *p, const struct hb_doc_block *b) {
        fputs(b->style == HB_STYLE_BAD ? "error: " : b->style == HB_STYLE_WARN ? "warning: " : "", p->out);
        say(p, b->text);
        fputc('\n', p->out);
}

static void text(const struct plain *p, const struct hb_doc_block *b) {
        if (*b->label) {
                say(p, b->label);
                fputs(":\n", p->out);
        }
        for (unsigned i = 0; i < b->lines.n; i++) {
                say(p, b->lines.line[i]);
                fputc('\n', p->out);
        }
}

/* ---- tables ---- */

static void cell(const struct plain *p, const struct hb_doc_column *column, const struct hb_doc_cell_data *c,
                 bool first) {
        if (!*c->text && !(c->bar && c->share >= 0))
                return;
        fputs(first ? "" : "; ", p->out);
        say(p, column->title);
        fputs(*column->title ? " " : "", p->out);
        if (*c->text)
                say(p, or_unknown(c->text));
        else
                fprintf(p->out, "%.0f %%", (double)c->share * 100);
}

static void rows(const struct plain *p, const struct hb_doc_table *t, bool main) {
        for (unsigned i = 0; i < hb_doc_rows(t); i++) {
                const struct hb_doc_row_data *r = hb_doc_row_at(t, i);
                bool first = true;

                fputs(main && p->selected && strcmp(r->id, p->selected) == 0 ? "> " : "- ", p->out);
                for (unsigned k = 0; k < r->n; k++) {
                        cell(p, &t->columns[k], &r->cells[k], first);
                        first = first && !*r->cells[k].text && !r->cells[k].bar;
                }
                fputc('\n', p->out);
        }
}

static void table(const struct plain *p, const struct hb_doc_block *b) {
        const struct hb_doc_table *t = b->table;
        unsigned n = hb_doc_rows(t), all = hb_doc_rows_all(t);

        say_label(p, b->label);
        if (n != all)
                fprintf(p->out, "%u of %u rows (filter: ", n, all), say(p, t->how.filter), fputs(")", p->out);
        else if (n)
                fprintf(p->out, "%u row%s", n, n == 1 ? "" : "s");
        else
                say(p, *t->empty ? t->empty : "none");
        fputc('\n', p->out);
        rows(p, t, b->main);
}

/* ---- pictures ---- */

static void series(const struct plain *p, const struct hb_doc_block *b) {
        char least_text[HB_DOC_SAID], most_text[HB_DOC_SAID];
        const char *trend = hb_doc_trend(&b->series);
        double least, most;

        say_label(p, b->label);
        say(p, or_unknown(b->text));
        if (hb_doc_range(&b->series, &least, &most) && *hb_doc_say_like(b, least, least_text)) {
                fputs("; least ", p->out);
                say(p, least_text);
                fputs(", most ", p->out);
                say(p, hb_doc_say_like(b, most, most_text));
        }
        if (*trend)
                fprintf(p->out, "; %s", trend);
        fputc('\n', p->out);
}

static void bar(const struct plain *p, const struct hb_doc_block *b) {
        double total = hb_doc_bar_total(&b->bar);

        say_label(p, b->label);
        for (unsigned i = 0; i < b->bar.n; i++) {
                const struct hb_doc_part *part = &b->bar.part[i];

                fputs(i ? ", " : "", p->out);
                say(p, part->label);
                fputs(*part->text ? " " : "", p->out);
                say(p, or_unknown(part->text));
                if (total > 0)
                        fprintf(p->out, " (%.0f %%)", hb_doc_part_value(part) / total * 100);
        }
        fputc('\n', p->out);
}

static double sum_from(const struct hb_doc_counts *h, unsigned first) {
        double sum = 0;

        for (unsigned i = first; i < h->n; i++)
                sum += h->v[i] > 0 && isfinite(h->v[i]) ? h->v[i] : 0;
        return sum;
}

static double bucket_at(const struct hb_doc_counts *h, unsigned i) {
        return h->low + (h->high - h->low) * i / h->n;
}

/* The buckets from a mark on; the one it lies in counts. */
static unsigned bucket_of(const struct hb_doc_counts *h, double at) {
        double i = (at - h->low) / (h->high - h->low) * h->n;

        return i > 0 ? i < h->n ? (unsigned)i : h->n : 0;
}

static void histogram(const struct plain *p, const struct hb_doc_block *b) {
        const struct hb_doc_counts *h = &b->histogram;
        double all = sum_from(h, 0);
        unsigned most = 0;

        say_label(p, b->label);
        if (!(all > 0)) {
                fputs("nothing counted\n", p->out);
                return;
        }
        for (unsigned i = 1; i < h->n; i++)
                if (h->v[i] > h->v[most] || isnan(h->v[most]))
                        most = i;
        fprintf(p->out, "%.0f counted from %g to %g; most between %.3g and %.3g", all, h->low, h->high,
                bucket_at(h, most), bucket_at(h, most + 1));
        for (unsigned i = 0; i < h->nmarks; i++) {
                fputs("; ", p->out);
                say(p, h->marks[i].label);
                fprintf(p->out, " %.3g, %.0f %% from there on", h->marks[i].at,
                        sum_from(h, bucket_of(h, h->marks[i].at)) / all * 100);
        }
        fputc('\n', p->out);
}

static unsigned cells_of(const struct hb_doc_cells *g, const struct hb_doc_part *legend) {
        unsigned n = 0;

        for (unsigned i = 0; i < g->n; i++)
                n += g->cell[i].style == legend->style &&
                     (!legend->letter || g->cell[i].letter == legend->letter);
        return n;
}

static void grid(const struct plain *p, const struct hb_doc_block *b) {
        const struct hb_doc_cells *g = &b->grid;

        say_label(p, b->label);
        fprintf(p->out, "%u cells", g->n);
        for (unsigned i = 0; i < g->nlegend; i++) {
                fprintf(p->out, ", %u ", cells_of(g, &g->legend[i]));
                say(p, g->legend[i].label);
        }
        if (g->chosen < g->n) {
                fprintf(p->out, "; selected: cell %u", g->chosen + 1);
                if (g->row_label) {
                        fputs(", row ", p->out);
                        say(p, g->row_label[g->chosen / g->columns]);
                }
        }
        fputc('\n', p->out);
}

static void heading(const struct plain *p, const struct hb_doc_block *b) {
        fputc('\n', p->out);
        say(p, b->label);
        fputc('\n', p->out);
}

int hb_doc_plain(const hb_doc *d, const char *selected, bool utf8, FILE *out) {
        static void (*const said[])(const struct plain *, const struct hb_doc_block *) = {
                [HB_BLOCK_HEADING] = heading, [HB_BLOCK_FIELD] = field,         [HB_BLOCK_NOTE] = note,
                [HB_BLOCK_TABLE] = table,     [HB_BLOCK_SERIES] = series,       [HB_BLOCK_BAR] = bar,
                [HB_BLOCK_GRID] = grid,       [HB_BLOCK_HISTOGRAM] = histogram, [HB_BLOCK_TEXT] = text,
        };
        struct plain p = {.out = out, .utf8 = utf8, .selected = selected};

        if (!d)
                return -ENOMEM;
        say(&p, d->view);
        if (*d->subject)
                fputs(": ", out), say(&p, d->subject);
        fputc('\n', out);
        for (const struct hb_doc_block *b = d->first; b; b = b->next)
                said[b->kind](&p, b);
        if (d->incomplete)
                fputs("error: not enough memory: some of this view is missing\n", out);
        return ferror(out) || hb_fault("doc.plain") ? -EIO : 0;
}
