/* Docs: whatever a view is made to show by what daemons send, it is painted inside its rect at any size, its
 * cursor stands on a cell that is marked, and every other rendering of it comes to an end. The bytes say
 * which blocks, texts and numbers there are, and how large the surface is. */
#include "base/bytes.h"
#include "draw/doc_out.h"
#include "draw/paint.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Texts stay valid to the end of the input: a few at a time. */
struct input {
        struct hb_rd rd;
        char text[4][80];
        unsigned next;
};

static unsigned number(struct input *in, unsigned below) {
        return hb_rd_u8(&in->rd) % below;
}

static const char *text(struct input *in) {
        char *t = in->text[in->next++ % 4];
        unsigned n = number(in, 79);
        const char *raw = n <= hb_rd_left(&in->rd) ? hb_rd_raw(&in->rd, n) : NULL;

        memset(t, 0, sizeof(in->text[0]));
        if (raw)
                memcpy(t, raw, n);
        return t;
}

static double real(struct input *in) {
        unsigned kind = number(in, 8);

        return kind == 0   ? NAN
               : kind == 1 ? INFINITY
               : kind == 2 ? hb_rd_f64(&in->rd)
                           : (double)hb_rd_u8(&in->rd) - 20;
}

static enum hb_style style(struct input *in) {
        return (enum hb_style)number(in, HB_STYLES);
}

static json_t *value(struct input *in) {
        switch (number(in, 5)) {
        case 0:
                return NULL;
        case 1:
                return json_string(text(in));
        case 2:
                return json_integer(hb_rd_u8(&in->rd));
        case 3:
                return json_pack("[s,i]", "list", 1);
        default:
                return json_real(real(in));
        }
}

static void table(struct input *in, hb_doc *d) {
        struct hb_doc_column columns[34];
        unsigned n = number(in, 35), rows = number(in, 60);
        hb_doc_table *t;

        for (unsigned i = 0; i < n; i++)
                columns[i] = (struct hb_doc_column){
                        "k", "TITLE", i % 3 == 0, (unsigned char)(i % 5), (unsigned char)(i % 9), i % 4 == 1};
        if (n)
                columns[0].key = columns[0].title = text(in);
        t = hb_doc_table_new(d, text(in), text(in), columns, n, number(in, 2), text(in));
        for (unsigned i = 0; i < rows; i++) {
                hb_doc_row(t, text(in));
                for (unsigned k = number(in, 36); k > 0; k--)
                        if (k % 3)
                                hb_doc_cell(t, style(in), value(in), "%s", text(in));
                        else
                                hb_doc_cell_bar(t, style(in), real(in), value(in), "%s", text(in));
                if (!hb_rd_ok(&in->rd))
                        break;
        }
}

static void pictures(struct input *in, hb_doc *d) {
        struct hb_doc_part parts[70];
        struct hb_doc_mark marks[3];
        double values[200];
        unsigned n = number(in, 200), m = number(in, 70);

        for (unsigned i = 0; i < 200; i++)
                values[i] = i < 12 ? real(in) : values[i % 12];
        for (unsigned i = 0; i < 70; i++)
                parts[i] = (struct hb_doc_part){"key",     "label",   (char)(i % 3 ? 'A' + i % 26 : 0),
                                                style(in), values[i], "7 MiB"};
        parts[0].label = parts[0].text = text(in);
        for (unsigned i = 0; i < 3; i++)
                marks[i] = (struct hb_doc_mark){text(in), real(in), style(in)};
        hb_doc_series(d, "s", text(in), style(in), values, n, number(in, 2), "%s", text(in));
        hb_doc_bar(d, text(in), text(in), parts, m, real(in));
        hb_doc_histogram(d, "h", text(in), values, n, real(in), real(in), marks, number(in, 4));
}

static const char *row_label(void *arg, unsigned first_cell, char *buf, size_t size) {
        return first_cell % 3 ? text(arg) : "row";
}

static void grid(struct input *in, hb_doc *d) {
        struct hb_doc_cell_value cells[256];
        struct hb_doc_part legend[8];
        struct hb_doc_grid g = {.key = "g",
                                .title = text(in),
                                .columns = number(in, 80),
                                .n = number(in, 255),
                                .cells = cells,
                                .chosen = number(in, 255),
                                .row_label = number(in, 2) ? row_label : NULL,
                                .arg = in,
                                .legend = legend,
                                .nlegend = number(in, 9),
                                .values = value(in)};

        for (unsigned i = 0; i < 256; i++)
                cells[i] = (struct hb_doc_cell_value){(unsigned char)i, (enum hb_style)(i % HB_STYLES),
                                                      (char)(i % 7 ? 0 : i)};
        for (unsigned i = 0; i < 8; i++)
                legend[i] = (struct hb_doc_part){NULL, "part", (char)hb_rd_u8(&in->rd), style(in), 1, NULL};
        hb_doc_grid(d, &g);
}

static void block(struct input *in, hb_doc *d) {
        switch (number(in, 9)) {
        case 0:
                hb_doc_heading(d, text(in));
                break;
        case 1:
        case 2:
                hb_doc_field(d, text(in), text(in), style(in), value(in), "%s", text(in));
                break;
        case 3:
                hb_doc_note(d, text(in), style(in), (char)hb_rd_u8(&in->rd), "%s", text(in));
                break;
        case 4:
                hb_doc_text(d, text(in), text(in), text(in), number(in, 2));
                break;
        case 5:
                table(in, d);
                break;
        case 6:
                pictures(in, d);
                break;
        case 7:
                grid(in, d);
                break;
        default:
                hb_doc_aside(d, number(in, 2));
        }
}

/* ---- renderings ---- */

static void paint(struct input *in, const hb_doc *d, struct hb_place_in_doc *place) {
        struct hb_rect r = {number(in, 4), number(in, 3), number(in, 140), number(in, 50)};
        enum hb_glyphs g = (enum hb_glyphs)number(in, 3);
        struct hb_paint_result result;
        const struct hb_cell *at;
        hb_surface *s = NULL;

        if (hb_surface_new(r.x + r.w + 2, r.y + r.h + 2, number(in, 2), &s) < 0)
                return;
        hb_surface_fill(s, 0, 0, r.x + r.w + 2, r.y + r.h + 2, HB_STYLE_NORMAL, '@');
        hb_surface_fill(s, r.x, r.y, r.w, r.h, HB_STYLE_NORMAL, ' ');
        hb_paint_doc(s, r, d, g, number(in, 2), place, &result);
        for (unsigned y = 0; y < r.y + r.h + 2; y++)
                for (unsigned x = 0; x < r.x + r.w + 2; x++)
                        if ((x < r.x || y < r.y || x >= r.x + r.w || y >= r.y + r.h) &&
                            hb_surface_at(s, x, y)->ch != '@')
                                abort();
        at = result.cursor_x < 0 ? NULL
                                 : hb_surface_at(s, (unsigned)result.cursor_x, (unsigned)result.cursor_y);
        if (result.cursor_x >= 0 && (!at || !at->chosen))
                abort();
        hb_surface_free(s);
}

static void arrange(struct input *in, hb_doc *d) {
        struct hb_doc_order o = {.descending = number(in, 2)};
        hb_doc_table *t = hb_doc_main(d);
        const struct hb_doc_column *columns;

        strncpy(o.filter, text(in), sizeof(o.filter) - 1);
        if (t && hb_doc_columns(t, &columns))
                strncpy(o.sort, columns[0].key, sizeof(o.sort) - 1);
        if (hb_doc_arrange(d, &o) != hb_doc_rows(t) || hb_doc_rows(t) > hb_doc_rows_all(t))
                abort();
}

static void render(const hb_doc *d, bool utf8) {
        char *all = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&all, &size);
        json_t *o = hb_doc_json(d);

        if (out) {
                hb_doc_plain(d, "row", utf8, out);
                fflush(out);
                for (size_t i = 0; i < size; i++) /* nothing that a terminal would obey */
                        if ((unsigned char)all[i] < ' ' && all[i] != '\n')
                                abort();
                hb_doc_csv(d, out);
                fclose(out);
        }
        free(all);
        json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input in = {.rd = hb_rd_init(data, size)};
        struct hb_place_in_doc place = {{0}};
        hb_doc *d = hb_doc_new("fuzz");
        unsigned blocks = number(&in, 12);

        place.row_line = number(&in, 200);
        place.scroll = number(&in, 200);
        strncpy(place.row, text(&in), sizeof(place.row) - 1);
        for (unsigned i = 0; i < blocks && hb_rd_ok(&in.rd); i++)
                block(&in, d);
        arrange(&in, d);
        for (unsigned i = 0; i < 3; i++)
                paint(&in, d, &place);
        render(d, size % 2);
        hb_doc_free(d);
        return 0;
}
