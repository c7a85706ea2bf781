/* table: collects cells, measures, prints. Colour never carries meaning alone: the word is always there.
 * Names come from other processes and hosts, so nothing is printed that could move a terminal's cursor. */
#include "cli/table.h"
#include <stdlib.h>
#include <string.h>

#define LABEL_WIDTH 14

struct cell {
        char *text;
        enum hb_cli_color color;
};

struct hb_cli_table {
        const char *headings[HB_TABLE_COLUMNS];
        unsigned columns;
        struct cell *cells;
        size_t count, cap;
};

/* Columns on a terminal: one for each character; good for names and numbers. */
static size_t width_of(const char *s) {
        size_t n = 0;

        for (; *s; s++)
                n += ((unsigned char)*s & 0xC0) != 0x80;
        return n;
}

hb_cli_table *hb_cli_table_new(const char *const *headings) {
        hb_cli_table *t = calloc(1, sizeof(*t));

        while (t && t->columns < HB_TABLE_COLUMNS && headings[t->columns]) {
                t->headings[t->columns] = headings[t->columns];
                t->columns++;
        }
        return t;
}

void hb_cli_table_cell(hb_cli_table *t, enum hb_cli_color color, const char *text) {
        if (!t)
                return;
        if (t->count == t->cap) {
                struct cell *grown = realloc(t->cells, (t->cap ? 2 * t->cap : 64) * sizeof(*grown));

                if (!grown)
                        return;
                t->cap = t->cap ? 2 * t->cap : 64;
                t->cells = grown;
        }
        t->cells[t->count++] = (struct cell){strdup(text && text[0] ? text : "-"), color};
}

static void put(FILE *f, const char *text, size_t n) {
        for (size_t i = 0; i < n; i++) {
                unsigned char b = (unsigned char)text[i], next = i + 1 < n ? (unsigned char)text[i + 1] : 0;
                bool high =
                        b == 0xC2 && next >= 0x80 && next < 0xA0; /* the other set of control characters */

                fputc(b < 0x20 || b == 0x7F || high ? '?' : text[i], f);
                i += high;
        }
}

void hb_cli_put(FILE *f, const char *text) {
        put(f, text, strlen(text));
}

const char *hb_cli_color_on(const struct hb_cli *c, enum hb_cli_color color) {
        static const char *const codes[] = {"", "\033[32m", "\033[33m", "\033[31m", "\033[2m"};

        return c->color ? codes[color] : "";
}

const char *hb_cli_color_off(const struct hb_cli *c, enum hb_cli_color color) {
        return c->color && color != HB_PLAIN ? "\033[0m" : "";
}

static void print_cell(struct hb_cli *c, const char *text, enum hb_cli_color color, bool right, size_t width,
                       bool last) {
        size_t pad = width - width_of(text);
        FILE *out = c->io->out;

        if (right)
                fprintf(out, "%*s", (int)pad, "");
        fputs(hb_cli_color_on(c, color), out);
        hb_cli_put(out, text);
        fputs(hb_cli_color_off(c, color), out);
        if (!last)
                fprintf(out, "%*s", (int)(right ? 2 : pad + 2), "");
}

static const char *text_of(const struct cell *cell) {
        return cell->text ? cell->text : "?";
}

static void print_rows(hb_cli_table *t, struct hb_cli *c, const size_t *widths) {
        size_t rows = t->count / t->columns;

        for (unsigned i = 0; i < t->columns; i++)
                print_cell(c, t->headings[i] + (t->headings[i][0] == '>'), HB_DIM, t->headings[i][0] == '>',
                           widths[i], i + 1 == t->columns);
        fputc('\n', c->io->out);
        for (size_t r = 0; r < rows; r++) {
                for (unsigned i = 0; i < t->columns; i++) {
                        const struct cell *cell = &t->cells[r * t->columns + i];

                        print_cell(c, text_of(cell), cell->color, t->headings[i][0] == '>', widths[i],
                                   i + 1 == t->columns);
                }
                fputc('\n', c->io->out);
        }
}

void hb_cli_table_print(hb_cli_table *t, struct hb_cli *c) {
        size_t widths[HB_TABLE_COLUMNS] = {0};

        if (!t)
                return;
        for (unsigned i = 0; i < t->columns; i++)
                widths[i] = width_of(t->headings[i]) - (t->headings[i][0] == '>');
        for (size_t i = 0; i < t->count; i++) {
                size_t n = width_of(text_of(&t->cells[i]));

                if (n > widths[i % t->columns])
                        widths[i % t->columns] = n;
        }
        if (t->count)
                print_rows(t, c, widths);
        for (size_t i = 0; i < t->count; i++)
                free(t->cells[i].text);
        free(t->cells);
        free(t);
}

void hb_cli_wrap(struct hb_cli *c, unsigned indent, unsigned width, const char *text) {
        size_t at = indent;

        if (c->io->out_tty && c->io->width > indent + 20)
                width = c->io->width;
        for (size_t n; *text; text += n + (text[n] == ' ')) {
                n = strcspn(text, " ");
                if (width && at > indent && at + 1 + n > width) {
                        fprintf(c->io->out, "\n%*s", (int)indent, "");
                        at = indent;
                } else if (at > indent) {
                        fputc(' ', c->io->out);
                        at++;
                }
                put(c->io->out, text, n);
                at += n ? n : 1;
        }
        fputc('\n', c->io->out);
}

void hb_cli_field(struct hb_cli *c, const char *label, const char *value) {
        unsigned pad = strlen(label) < LABEL_WIDTH ? (unsigned)(LABEL_WIDTH - strlen(label)) : 1;

        if (!value || !value[0])
                return;
        fprintf(c->io->out, "%s%s:%s%*s", hb_cli_color_on(c, HB_DIM), label, hb_cli_color_off(c, HB_DIM),
                (int)pad, "");
        hb_cli_wrap(c, (unsigned)strlen(label) + 1 + pad, 0, value);
}
