/* heat_view: draws a matrix of sums.
 *
 * A braille character stands for two columns and four rows. Its dots are set in a fixed order as the levels
 * of those cells rise, so that the density of dots tells the level without colour; the hottest cell always
 * has its dot, so that nothing that was touched stays invisible. Pure but for the output. */
#include "cli/heat_view.h"
#include "base/shape.h"
#include "cli/table.h"
#include "draw/format.h"
#include <math.h>
#include <string.h>

#define LABEL      11u /* "0x12345678 |" less the bar */
#define TICK_EVERY 14u

struct picture {
        struct hb_cli *c;
        const struct hb_heat_view *v;
        const struct hb_heatmap *m;
        unsigned across, down;    /* cells of the matrix in one character */
        unsigned columns;         /* characters of the plot; a matrix of fewer is drawn wider */
        uint64_t low, high, peak; /* the scale's ends */
};

static unsigned plot_columns(const struct hb_heat_view *v) {
        return (v->width > HB_HEAT_NARROWEST ? v->width : HB_HEAT_NARROWEST) - LABEL - 1;
}

void hb_heat_view_size(const struct hb_heat_view *v, uint32_t *ret_width, uint32_t *ret_height) {
        bool braille = v->glyphs == HB_GLYPHS_BRAILLE;

        *ret_width = plot_columns(v) * (braille ? 2 : 1);
        *ret_height = v->rows * (braille ? 4 : 1);
}

/* ---- characters ---- */
static const char *glyph(enum hb_glyphs set, unsigned level) {
        static const char *const ascii[] = {" ", ".", ":", "+", "#", "@"};
        static const char *const block[] = {" ", "·", "░", "▒", "▓", "█"};

        return set == HB_GLYPHS_ASCII ? ascii[level] : block[level];
}

/* Rank of the dot at column x, row y of a character: the order in which dots come as it gets hotter. */
static const unsigned char rank[4][2] = {{0, 5}, {6, 2}, {3, 4}, {7, 1}};

static bool dot_lit(unsigned level, unsigned x, unsigned y) {
        return level * 8 > rank[y][x] * HB_HEAT_LEVELS;
}

static unsigned dot_bit(unsigned x, unsigned y) {
        static const unsigned char bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

        return bits[y][x];
}

static void braille(unsigned dots, char out[4]) {
        unsigned code = 0x2800 + dots;

        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        out[3] = '\0';
}

static unsigned level_of(const struct picture *p, uint64_t value) {
        return hb_heatmap_level_between(value, p->low, p->high, HB_HEAT_LEVELS);
}

static unsigned level_at(const struct picture *p, unsigned x, unsigned y) {
        x = (unsigned)((uint64_t)x * p->m->width / (p->columns * p->across));
        if (x >= p->m->width || y >= p->m->height)
                return 0;
        return level_of(p, hb_heatmap_at(p->m, p->v->what, x, y));
}

/* The character at a place of the plot; its hottest level. */
static unsigned character(const struct picture *p, unsigned column, unsigned row, char out[8]) {
        unsigned dots = 0, hottest = 0, best = 0;

        for (unsigned y = 0; y < p->down; y++)
                for (unsigned x = 0; x < p->across; x++) {
                        unsigned level = level_at(p, column * p->across + x, row * p->down + y);

                        if (level && dot_lit(level, x, y))
                                dots |= dot_bit(x, y);
                        if (level > hottest) {
                                hottest = level;
                                best = dot_bit(x, y);
                        }
                }
        if (p->v->glyphs == HB_GLYPHS_BRAILLE && hottest)
                braille(dots | best, out);
        else
                snprintf(out, 8, "%s", glyph(p->v->glyphs, hottest));
        return hottest;
}

static const char *color_of(const struct picture *p, unsigned level) {
        static const char *const codes[] = {"", "\033[34m", "\033[36m", "\033[32m", "\033[33m", "\033[31m"};

        return p->c->color ? codes[level] : "";
}

static const char *color_end(const struct picture *p) {
        return p->c->color ? "\033[0m" : "";
}

/* ---- the plot ---- */

/* Blanks at a line's end are left out: a picture that is copied should not drag them along. */
static void print_row(const struct picture *p, unsigned row) {
        FILE *out = p->c->io->out;
        unsigned blanks = 0, before = 0;
        char text[8], label[24];

        snprintf(label, sizeof(label), "0x%llx", (unsigned long long)hb_heatmap_page_of(p->m, row * p->down));
        fprintf(out, "%*s |", (int)LABEL - 1, label);
        for (unsigned column = 0; column < p->columns; column++) {
                unsigned level = character(p, column, row, text);

                if (!level) {
                        blanks++;
                        continue;
                }
                fprintf(out, "%*s", (int)blanks, "");
                blanks = 0;
                if (level != before && before)
                        fputs(color_end(p), out);
                if (level != before)
                        fputs(color_of(p, level), out);
                fputs(text, out);
                before = level;
        }
        fprintf(out, "%s\n", before ? color_end(p) : "");
}

/* The column of the matrix under a character of the plot. */
static uint32_t column_at(const struct picture *p, unsigned column) {
        return (uint32_t)((uint64_t)column * p->m->width / p->columns);
}

static void print_ticks(const struct picture *p) {
        FILE *out = p->c->io->out;

        fprintf(out, "%*s+", (int)LABEL, "");
        for (unsigned i = 0; i < p->columns; i++)
                fputc(i % TICK_EVERY ? '-' : '|', out);
        fputc('\n', out);
}

/* One label at each tick; the last only where it has room. */
static void print_scale(const struct picture *p, const char *name,
                        void (*label)(const struct picture *p, uint32_t x, char *buf)) {
        FILE *out = p->c->io->out;
        unsigned at = 0;
        char buf[HB_FMT_SIZE];

        fprintf(out, "%*s ", (int)LABEL, name);
        for (unsigned i = 0; i < p->columns; i += TICK_EVERY) {
                label(p, column_at(p, i), buf);
                if (i && i + strlen(buf) > p->columns)
                        break;
                at += (unsigned)fprintf(out, "%*s%s", (int)(i - at), "", buf);
        }
        fputc('\n', out);
}

static void epoch_label(const struct picture *p, uint32_t x, char *buf) {
        snprintf(buf, HB_FMT_SIZE, "%u", hb_heatmap_epoch_of(p->m, x));
}

static void time_label(const struct picture *p, uint32_t x, char *buf) {
        double s = p->m->begins_ns[x] == UINT64_MAX ? NAN : (double)p->m->begins_ns[x] / 1e9;

        hb_fmt_seconds(s, buf);
}

/* ---- marks ---- */
static char mark_letter(enum hb_trace_mark kind) {
        static const char letters[HB_MARKS] = {
                [HB_MARK_NOTE] = 'N',   [HB_MARK_DROPPED] = 'D',      [HB_MARK_MIGRATE] = 'M',
                [HB_MARK_FREEZE] = 'F', [HB_MARK_COMPLETE] = 'C',     [HB_MARK_THAW] = 'T',
                [HB_MARK_POLICY] = 'P', [HB_MARK_POLICY_ERROR] = 'E', [HB_MARK_REPAIRED] = 'R',
        };

        return (unsigned)kind < HB_MARKS ? letters[kind] : 0;
}

void hb_heat_marks_add(void *marks, uint32_t epoch, enum hb_trace_mark kind, uint64_t value) {
        struct hb_heat_marks *m = marks;

        if (m->n == HB_HEAT_MARKS || !mark_letter(kind))
                return;
        m->mark[m->n].epoch = epoch;
        m->mark[m->n++].kind = kind;
}

/* The first character of the plot that shows an epoch. */
static unsigned column_of(const struct picture *p, uint32_t epoch) {
        uint64_t span = (uint64_t)p->m->to - p->m->from + 1;
        uint64_t x = (uint64_t)(epoch - p->m->from) * p->m->width / span;

        return (unsigned)((x * p->columns + p->m->width - 1) / p->m->width);
}

/* A letter where something happened, '*' where several things did; and what the letters mean. */
static void print_marks(const struct picture *p) {
        const struct hb_heat_marks *marks = p->v->marks;
        bool met[HB_MARKS] = {false};
        char line[1100], legend[300] = "";

        if (!marks || marks->n == 0 || p->columns >= sizeof(line))
                return;
        memset(line, ' ', p->columns);
        for (unsigned i = 0; i < marks->n; i++) {
                char *at = &line[column_of(p, marks->mark[i].epoch)],
                     letter = mark_letter(marks->mark[i].kind);

                *at = *at == ' ' || *at == letter ? letter : '*';
                met[marks->mark[i].kind] = true;
        }
        line[p->columns] = '\0';
        for (unsigned n = p->columns; n > 0 && line[n - 1] == ' '; n--)
                line[n - 1] = '\0';
        fprintf(p->c->io->out, "%*s %s\n", (int)LABEL, "marks", line);
        for (unsigned k = 0; k < HB_MARKS; k++)
                if (met[k])
                        snprintf(legend + strlen(legend), sizeof(legend) - strlen(legend), " %c %s,",
                                 mark_letter((enum hb_trace_mark)k),
                                 hb_trace_mark_name((enum hb_trace_mark)k));
        legend[strlen(legend) - 1] = '\0';
        hb_cli_wrap(p->c, 0, p->columns + LABEL + 1, legend + 1);
}

/* ---- the legend ---- */
static void sample(const struct picture *p, unsigned level, char out[8]) {
        unsigned dots = 0;

        if (p->v->glyphs != HB_GLYPHS_BRAILLE) {
                snprintf(out, 8, "%s", glyph(p->v->glyphs, level));
                return;
        }
        for (unsigned y = 0; y < 4; y++)
                for (unsigned x = 0; x < 2; x++)
                        dots |= dot_lit(level, x, y) ? dot_bit(x, y) : 0;
        braille(dots, out);
}

/* The least sum that has at least this level. */
static uint64_t begins_at(const struct picture *p, unsigned level) {
        uint64_t low = 1, high = p->high;

        while (low < high) {
                uint64_t mid = low + (high - low) / 2;

                if (level_of(p, mid) >= level)
                        high = mid;
                else
                        low = mid + 1;
        }
        return low;
}

static const char *unit(const struct hb_heat_view *v) {
        static const char *const counted[] = {"accesses", "reads", "writes"};
        static const char *const seen[] = {"pages seen accessed", "pages seen read", "pages seen written"};

        return (v->counts ? counted : seen)[v->what];
}

static void print_levels(const struct picture *p) {
        FILE *out = p->c->io->out;
        unsigned width = p->columns + LABEL + 1, at;
        char text[8], number[40];

        at = (unsigned)fprintf(out, "%s a cell:", unit(p->v));
        for (unsigned level = 1; level <= HB_HEAT_LEVELS; level++) {
                uint64_t from = begins_at(p, level);
                uint64_t to = level < HB_HEAT_LEVELS ? begins_at(p, level + 1) - 1 : p->peak;
                unsigned n;

                if (level_of(p, from) != level)
                        continue; /* too few sums differ for all levels */
                if (from == to)
                        snprintf(number, sizeof(number), "%llu", (unsigned long long)from);
                else
                        snprintf(number, sizeof(number), "%llu-%llu", (unsigned long long)from,
                                 (unsigned long long)to);
                n = 3 + 1 + (unsigned)strlen(number);
                if (at + n > width) {
                        fputs("\n ", out);
                        at = 1;
                }
                sample(p, level, text);
                fprintf(out, "  %s%s%s %s", color_of(p, level), text, color_end(p), number);
                at += n;
        }
        fputc('\n', out);
}

/* "1 page", "2.5 pages", "4096 pages": bands need not be whole. */
static const char *some(double n, const char *what, char *buf) {
        bool whole = n >= 100 || fabs(n - floor(n + 0.5)) < 0.005;

        snprintf(buf, HB_FMT_SIZE, whole ? "%.0f %s%s" : "%.2g %s%s", n, what, whole && n < 1.5 ? "" : "s");
        return buf;
}

static void print_scope(const struct picture *p) {
        const struct hb_heatmap *m = p->m;
        double epochs = (m->to - m->from + 1.0) / p->columns;
        double pages = (double)m->npages * p->down / m->height;
        char num[4][HB_FMT_SIZE], line[400];

        snprintf(line, sizeof(line),
                 "a character: %s, %s (%s); all: epochs %u to %u, pages 0x%llx-0x%llx (%s)",
                 some(epochs, "epoch", num[0]), some(pages, "page", num[1]),
                 hb_fmt_bytes(pages * HB_PAGE_SIZE, num[2]), m->from, m->to,
                 (unsigned long long)m->first_page, (unsigned long long)(m->first_page + m->npages - 1),
                 hb_fmt_bytes((double)m->npages * HB_PAGE_SIZE, num[3]));
        hb_cli_wrap(p->c, 0, p->columns + LABEL + 1, line);
}

void hb_heat_view_print(struct hb_cli *c, const struct hb_heat_view *v, const struct hb_heatmap *m) {
        bool dots = v->glyphs == HB_GLYPHS_BRAILLE;
        struct picture p = {.c = c, .v = v, .m = m, .across = dots ? 2 : 1, .down = dots ? 4 : 1};

        p.peak = hb_heatmap_peak(m, v->what);
        hb_heatmap_scale(m, v->what, &p.low, &p.high);
        p.columns = plot_columns(v);
        for (unsigned row = 0; row < (m->height + p.down - 1) / p.down; row++)
                print_row(&p, row);
        print_ticks(&p);
        print_scale(&p, "epoch", epoch_label);
        print_scale(&p, "time", time_label);
        print_marks(&p);
        if (p.peak == 0)
                fprintf(c->io->out, "no %s\n", unit(v));
        else
                print_levels(&p);
        print_scope(&p);
}
