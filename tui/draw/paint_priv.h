/* paint_priv: what the files of paint share. A column of the picture is a list of items: a block, or a run of
 * fields that share lines. Each kind of block says how many lines it takes in a width and draws one of them,
 * so that the layout can cut, scroll and shrink without knowing what it shows. */
#pragma once
#include "draw/doc_priv.h"
#include "draw/paint.h"

struct hb_paint {
        hb_surface *s;
        const hb_doc *d;
        enum hb_glyphs g;
        bool utf8;
        bool letters; /* drawn instead of coloured glyphs */
        bool mono;    /* no colours: the selected row gets a sign */
        struct hb_rect r;
        struct hb_place_in_doc *place;
        struct hb_paint_result *out;
        /* Of the column at hand. */
        unsigned x, w, h;
        bool main;      /* the main table stands in it */
        unsigned label; /* columns of labels of series and bars */
        unsigned said;  /* columns of texts of series */
};

struct hb_paint_field_shape {
        unsigned columns, pitch, label;
};
struct hb_paint_table_shape {
        uint16_t width[HB_DOC_COLUMNS_MAX]; /* 0: left out */
        bool number[HB_DOC_COLUMNS_MAX];    /* flush right, or bars */
        unsigned bar, gap, sign;            /* columns of a bar, between columns, of the '>' */
        unsigned heads;                     /* columns of the heads */
};
struct hb_paint_grid_shape {
        unsigned label, fit, rows; /* columns of labels, cells a line, lines of cells */
};

struct hb_paint_item {
        const struct hb_doc_block *b;
        unsigned count;          /* blocks: a run of fields has several */
        unsigned natural, least; /* lines it wants, lines it can live with */
        unsigned height;         /* lines it has */
        bool gap;                /* a blank line before it, when there is room */
        union {
                struct hb_paint_field_shape fields;
                struct hb_paint_table_shape table;
                struct hb_paint_grid_shape grid;
        };
};

struct hb_paint_ops {
        /* Fills natural, least and the item's shape for p->w columns. */
        void (*measure)(const struct hb_paint *p, struct hb_paint_item *it);
        /* Draws line i of it->height at (p->x, y). */
        void (*line)(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y);
};
extern const struct hb_paint_ops hb_paint_heading, hb_paint_fields, hb_paint_note, hb_paint_table,
        hb_paint_series, hb_paint_bar, hb_paint_histogram, hb_paint_grid, hb_paint_text;

/* paint_layout.c: draws the blocks of one column (aside: 0, 1; -1: all) from p->r.y on. Returns the lines
 * that were too many to show. */
unsigned hb_paint_column(struct hb_paint *p, int aside);
/* paint_rows.c: the main table, in `height` lines from y on; corrects the place. */
void hb_paint_main_table(const struct hb_paint *p, const struct hb_paint_item *it, unsigned y,
                         unsigned height);

/* Whether it has a line above its heads when it is so high: a title, or its place in the table ("12-30 of
 * 500") that does not fit beside the heads. */
bool hb_paint_titled(const struct hb_paint *p, const struct hb_paint_item *it, unsigned height);

/* paint_columns.c */
void hb_paint_columns(const struct hb_paint *p, const struct hb_paint_item *it,
                      struct hb_paint_table_shape *s);
bool hb_paint_sorted_by(const struct hb_doc_table *t, unsigned column);

/* paint_table.c */
void hb_paint_table_head(const struct hb_paint *p, const struct hb_paint_item *it, unsigned y);
void hb_paint_table_row(const struct hb_paint *p, const struct hb_paint_item *it, unsigned i, unsigned y);
unsigned hb_paint_empty_lines(const struct hb_paint *p, const struct hb_doc_table *t);
void hb_paint_empty_line(const struct hb_paint *p, const struct hb_doc_table *t, unsigned i, unsigned y);

/* paint_legend.c: parts with their letters, as many a line as fit from `indent` on. */
unsigned hb_paint_legend_lines(const struct hb_paint *p, const struct hb_doc_part *parts, unsigned n,
                               unsigned indent);
void hb_paint_legend(const struct hb_paint *p, const struct hb_doc_part *parts, unsigned n, unsigned indent,
                     unsigned line, unsigned y);
/* paint_bar.c: how many of `cells` each of n values gets, so that they add up to what their sum has of total;
 * what is more than nothing gets one at least. */
void hb_paint_share_cells(const double *v, unsigned n, double total, unsigned cells, unsigned *ret);

/* paint_wrap.c: takes the next line of text that fits into width; words stay whole unless `hard`. False: no
 * more. */
#define HB_PAINT_LINE 4096u
bool hb_paint_wrap(const char **text, unsigned width, bool utf8, bool hard, char buf[HB_PAINT_LINE]);
unsigned hb_paint_wrap_lines(const char *text, unsigned width, bool utf8, bool hard); /* 1 at least */
/* Line i of it; with `last`, all that is left, to be cut off by whoever draws it. */
const char *hb_paint_wrap_line(const char *text, unsigned width, bool utf8, bool hard, unsigned i, bool last,
                               char buf[HB_PAINT_LINE]);
static inline unsigned hb_paint_min(unsigned a, unsigned b) {
        return a < b ? a : b;
}
static inline unsigned hb_paint_max(unsigned a, unsigned b) {
        return a > b ? a : b;
}
