/* frame: one picture. Line 0 says which view, of what, and how the daemons are; the last line which keys mean
 * something here; above it a prompt or a message where there is one. What is between is the view's doc.
 *
 * The line above the hints is kept free for messages, so that nothing moves when one comes or goes. */
#include "console/app.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define MIN_WIDTH  20u
#define MIN_HEIGHT 5u

const struct hb_view *hb_app_view(const struct hb_app *a) {
        return hb_view_by_id(a->view);
}

struct hb_view_memory *hb_app_memory(struct hb_app *a) {
        return &a->memory[a->view];
}

void hb_app_say(struct hb_app *a, enum hb_style style, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(a->message, sizeof(a->message), fmt, ap);
        va_end(ap);
        a->message_style = style;
        /* What went wrong stays until somebody presses a key. */
        a->message_until_ns =
                style == HB_STYLE_BAD || style == HB_STYLE_WARN ? 0 : a->now_ns + 10 * HB_APP_SECOND;
        a->dirty = true;
}

void hb_app_say_err(struct hb_app *a, const char *doing, const struct hb_err *e) {
        char line[800];

        hb_app_say(a, HB_STYLE_BAD, "%s: %s", doing, hb_err_line(e, line, sizeof(line)));
}

/* ---- the doc ---- */
static struct hb_rect room(const struct hb_app *a) {
        unsigned w = a->surface ? hb_surface_width(a->surface) : 80,
                 h = a->surface ? hb_surface_height(a->surface) : 24;
        struct hb_rect r = {0, 1, w, h > 3 ? h - 3 : 1};

        if (h < 8) /* no room for hints then */
                r.h = h > 2 ? h - 2 : 1;
        return r;
}

void hb_app_context(struct hb_app *a, struct hb_view_ctx *ret) {
        struct hb_rect r = room(a);

        *ret = (struct hb_view_ctx){
                .world = a->world,
                .memory = hb_app_memory(a),
                .width = a->surface ? r.w : 0,
                .height = a->surface ? r.h : 0,
                .utf8 = a->utf8,
                .control = a->control,
                .glyphs = a->glyphs,
                .own_cpu_share = a->cpu_share,
                .own_rss_bytes = a->rss_bytes,
        };
        ret->nkeys = hb_keymap_help(a->config->keys, &ret->keys);
}

void hb_app_arrange(struct hb_app *a) {
        struct hb_view_memory *m = hb_app_memory(a);
        const hb_doc_table *t = a->doc ? hb_doc_main(a->doc) : NULL;
        unsigned n;

        if (!t)
                return;
        n = hb_doc_arrange(a->doc, &m->order);
        if (m->follow && n > 0) {
                snprintf(m->place.row, sizeof(m->place.row), "%s", hb_doc_row_id(t, n - 1));
                m->place.row_line = UINT32_MAX; /* the last line there is */
        }
}

void hb_app_build(struct hb_app *a) {
        struct hb_view_ctx c;
        hb_doc *d;

        if (a->frozen && a->doc && strcmp(hb_doc_view_name(a->doc), hb_app_view(a)->name) == 0) {
                hb_app_arrange(a); /* what stands still can still be sorted and searched */
                return;
        }
        hb_app_context(a, &c);
        d = hb_doc_new(hb_app_view(a)->name);
        if (!d || hb_app_view(a)->build(&c, d) < 0) {
                hb_doc_free(d);
                hb_app_say(a, HB_STYLE_BAD, "no memory for this picture; the one before stays");
                return;
        }
        hb_doc_free(a->doc);
        a->doc = d;
        hb_app_arrange(a);
}

static void too_small(struct hb_app *a, unsigned w, unsigned h) {
        char text[80];

        snprintf(text, sizeof(text), "%ux%u is too small:", w, h);
        hb_surface_text(a->surface, 0, 0, w, HB_STYLE_NORMAL, text);
        if (h > 1)
                hb_surface_textf(a->surface, 0, 1, w, HB_STYLE_NORMAL, "needs %ux%u", MIN_WIDTH, MIN_HEIGHT);
        if (h > 2)
                hb_surface_text(a->surface, 0, 2, w, HB_STYLE_NORMAL, "q leaves");
        hb_screen_show(a->screen, a->surface, -1, -1);
}

static int fit_surface(struct hb_app *a) {
        unsigned w, h;
        int r;

        hb_screen_size(a->screen, &w, &h);
        if (a->surface && hb_surface_width(a->surface) == w && hb_surface_height(a->surface) == h)
                return 0;
        hb_surface_free(a->surface);
        a->surface = NULL;
        r = hb_surface_new(w ? w : 1, h ? h : 1, a->utf8, &a->surface);
        if (r == 0)
                a->dirty = true;
        return r;
}

static void paint_doc(struct hb_app *a) {
        struct hb_place_memory *m = &hb_app_memory(a)->place;
        struct hb_place_in_doc place = {
                .row_line = m->row_line, .scroll = m->scroll, .row_index = m->row_index};

        a->painted = (struct hb_paint_result){.cursor_x = -1, .cursor_y = -1};
        if (!a->doc)
                return;
        memcpy(place.row, m->row, sizeof(place.row));
        hb_paint_doc(a->surface, room(a), a->doc, a->glyphs, !hb_screen_colors(a->screen), &place,
                     &a->painted);
        memcpy(m->row, place.row, sizeof(m->row));
        m->row_line = place.row_line;
        m->scroll = place.scroll;
        m->row_index = place.row_index;
}

void hb_app_draw(struct hb_app *a) {
        unsigned w, h, y;

        if (fit_surface(a) < 0)
                return;
        w = hb_surface_width(a->surface);
        h = hb_surface_height(a->surface);
        hb_surface_clear(a->surface);
        a->drawn_ns = a->now_ns;
        a->dirty = false;
        if (w < MIN_WIDTH || h < MIN_HEIGHT) {
                too_small(a, w, h);
                return;
        }
        hb_app_build(a);
        hb_app_title(a, w);
        paint_doc(a);
        y = h < 8 ? h - 1 : h - 2;
        if (a->prompt.kind == HB_PROMPT_CONFIRM)
                hb_app_confirm_box(a, w, y);
        if (h >= 8)
                hb_app_hints(a, w, h - 1);
        if (a->prompt.kind != HB_PROMPT_NONE) {
                bool asked_above = a->prompt.kind == HB_PROMPT_CONFIRM;
                char question[sizeof(a->prompt.question)];
                unsigned x;

                memcpy(question, a->prompt.question, sizeof(question));
                if (asked_above)
                        a->prompt.question[0] = '\0';
                hb_surface_fill(a->surface, 0, y, w, 1, HB_STYLE_NORMAL, ' ');
                x = hb_app_prompt_line(a, w, y);
                memcpy(a->prompt.question, question, sizeof(question));
                hb_screen_show(a->screen, a->surface, (int)x, (int)y);
                return;
        }
        hb_app_message_line(a, w, y);
        hb_screen_show(a->screen, a->surface, a->painted.cursor_x, a->painted.cursor_y);
}
