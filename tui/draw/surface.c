/* surface: a rectangle of cells, and the one gate through which text from daemons reaches the terminal.
 *
 * Invariant: every cell holds a character that text.c calls clean, and one of width 2 is always followed by
 * its second half (ch 0) in the same row; whoever writes over one half blanks the other. Writing a cell takes
 * its mark as selected away. Cost: a few comparisons a cell; memory only in new. One thread. */
#include "draw/surface.h"
#include "base/fault.h"
#include "draw/glyphs.h"
#include "draw/text.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define LARGEST   4096u /* columns or lines: far more than any terminal has */
#define LONG_TEXT 2048u /* bytes of a formatted text; it would be cut off at the edge anyway */

struct hb_surface {
        unsigned width, height;
        bool utf8;
        struct hb_cell *cells;
};

int hb_surface_new(unsigned width, unsigned height, bool utf8, hb_surface **ret) {
        hb_surface *s;

        if (width > LARGEST || height > LARGEST)
                return -EINVAL;
        if (hb_fault("surface.new"))
                return -ENOMEM;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        *s = (hb_surface){.width = width, .height = height, .utf8 = utf8};
        s->cells = calloc((size_t)width * height + 1, sizeof(*s->cells));
        if (!s->cells) {
                hb_surface_free(s);
                return -ENOMEM;
        }
        hb_surface_clear(s);
        *ret = s;
        return 0;
}

hb_surface *hb_surface_free(hb_surface *s) {
        if (s)
                free(s->cells);
        free(s);
        return NULL;
}

unsigned hb_surface_width(const hb_surface *s) {
        return s->width;
}

unsigned hb_surface_height(const hb_surface *s) {
        return s->height;
}

bool hb_surface_utf8(const hb_surface *s) {
        return s->utf8;
}

void hb_surface_clear(hb_surface *s) {
        for (size_t i = 0; i < (size_t)s->width * s->height; i++)
                s->cells[i] = (struct hb_cell){.ch = ' ', .style = HB_STYLE_NORMAL};
}

static struct hb_cell *row_of(const hb_surface *s, unsigned y) {
        return s->cells + (size_t)y * s->width;
}

const struct hb_cell *hb_surface_at(const hb_surface *s, unsigned x, unsigned y) {
        return x < s->width && y < s->height ? row_of(s, y) + x : NULL;
}

/* How many of `want` lie inside from `at` on. */
static unsigned inside(unsigned at, unsigned want, unsigned limit) {
        if (at >= limit)
                return 0;
        return want < limit - at ? want : limit - at;
}

/* x is going to be written: what it was a half of loses its other half. */
static void split(const hb_surface *s, struct hb_cell *row, unsigned x) {
        if (row[x].ch == 0 && x > 0)
                row[x - 1].ch = ' ';
        else if (x + 1 < s->width && row[x + 1].ch == 0)
                row[x + 1].ch = ' ';
}

/* A clean character that fits; returns its columns. */
static unsigned place(hb_surface *s, unsigned x, unsigned y, enum hb_style style, uint32_t ch) {
        struct hb_cell *row = row_of(s, y);
        unsigned columns = hb_char_width(ch);

        for (unsigned i = 0; i < columns; i++) {
                split(s, row, x + i);
                row[x + i] = (struct hb_cell){.ch = i ? 0 : ch, .style = (uint8_t)style};
        }
        return columns;
}

void hb_surface_put(hb_surface *s, unsigned x, unsigned y, enum hb_style style, uint32_t ch) {
        unsigned room = y < s->height ? inside(x, 2, s->width) : 0;

        if (!room)
                return;
        ch = ch ? hb_text_clean(ch, s->utf8) : ' ';
        place(s, x, y, style, hb_char_width(ch) <= room ? ch : '?');
}

void hb_surface_fill(hb_surface *s, unsigned x, unsigned y, unsigned w, unsigned h, enum hb_style style,
                     uint32_t ch) {
        ch = ch ? hb_text_clean(ch, s->utf8) : ' ';
        if (hb_char_width(ch) > 1)
                ch = '?';
        w = inside(x, w, s->width);
        h = inside(y, h, s->height);
        for (unsigned j = y; j < y + h; j++)
                for (unsigned i = x; i < x + w; i++)
                        place(s, i, j, style, ch);
}

void hb_surface_choose(hb_surface *s, unsigned x, unsigned y, unsigned w) {
        if (y >= s->height)
                return;
        w = inside(x, w, s->width);
        for (unsigned i = x; i < x + w; i++)
                row_of(s, y)[i].chosen = true;
}

/* Columns of text, told apart only up to `enough`: text from outside may be long. */
static unsigned width_up_to(const char *text, bool utf8, unsigned enough) {
        unsigned width = 0;
        uint32_t ch;

        while (width <= enough && (ch = hb_text_next(&text, utf8)))
                width += hb_char_width(ch);
        return width;
}

unsigned hb_surface_text(hb_surface *s, unsigned x, unsigned y, unsigned width, enum hb_style style,
                         const char *text) {
        unsigned used = 0, room;
        bool fits;
        uint32_t ch;

        width = y < s->height ? inside(x, width, s->width) : 0;
        if (!width)
                return 0;
        fits = width_up_to(text, s->utf8, width) <= width;
        room = fits ? width : width - 1;
        while ((ch = hb_text_next(&text, s->utf8)) && used + hb_char_width(ch) <= room)
                used += place(s, x + used, y, style, ch);
        if (!fits)
                used += place(s, x + used, y, style,
                              hb_glyph_line(s->utf8 ? HB_GLYPHS_BLOCK : HB_GLYPHS_ASCII, HB_LINE_MORE));
        return used;
}

unsigned hb_surface_textf(hb_surface *s, unsigned x, unsigned y, unsigned width, enum hb_style style,
                          const char *fmt, ...) {
        char text[LONG_TEXT];
        va_list args;

        va_start(args, fmt);
        vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        return hb_surface_text(s, x, y, width, style, text);
}

void hb_surface_right(hb_surface *s, unsigned x, unsigned y, unsigned width, enum hb_style style,
                      const char *text) {
        unsigned columns;

        width = inside(x, width, s->width);
        columns = width_up_to(text, s->utf8, width);
        if (columns < width)
                x += width - columns;
        hb_surface_text(s, x, y, columns < width ? columns : width, style, text);
}

/* One row without what is blank at its end. */
static void write_row(const hb_surface *s, unsigned y, FILE *out) {
        const struct hb_cell *row = row_of(s, y);
        unsigned end = s->width;
        char utf8[4] = {0};

        while (end > 0 && row[end - 1].ch == ' ')
                end--;
        for (unsigned x = 0; x < end; x++) {
                unsigned n = row[x].ch ? hb_char_encode(row[x].ch, utf8) : 0;

                fwrite(utf8, 1, n, out);
        }
        fputc('\n', out);
}

int hb_surface_write(const hb_surface *s, FILE *out) {
        for (unsigned y = 0; y < s->height && !ferror(out); y++)
                write_row(s, y, out);
        if (fflush(out) != 0 || ferror(out) || hb_fault("surface.write"))
                return -EIO;
        return 0;
}
