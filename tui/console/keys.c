/* keys: what an action does. The view is asked first; what means nothing to it is what it always is: moving
 * the selection, filter, order, other views. Nothing here sends anything. */
#include "console/app.h"
#include <string.h>

/* ---- moving ---- */
static void choose(struct hb_app *a, const hb_doc_table *t, unsigned to, unsigned from) {
        struct hb_place_memory *m = &hb_app_memory(a)->place;
        int64_t line = (int64_t)m->row_line + (int64_t)to - (int64_t)from;

        snprintf(m->row, sizeof(m->row), "%s", hb_doc_row_id(t, to));
        m->row_line = line < 0 ? 0 : line > UINT32_MAX ? UINT32_MAX : (uint32_t)line;
}

static void scroll(struct hb_app *a, int64_t by) {
        struct hb_place_memory *m = &hb_app_memory(a)->place;
        int64_t most = a->painted.lines > a->painted.shown ? a->painted.lines - a->painted.shown : 0,
                to = (int64_t)m->scroll + by;

        m->scroll = (uint32_t)(to < 0 ? 0 : to > most ? most : to);
}

static void move(struct hb_app *a, int64_t by) {
        const hb_doc_table *t = a->doc ? hb_doc_main(a->doc) : NULL;
        unsigned n = t ? hb_doc_rows(t) : 0, at;
        int64_t to;

        hb_app_memory(a)->follow = hb_app_memory(a)->follow && by >= 0;
        if (n == 0) {
                scroll(a, by);
                return;
        }
        at = hb_doc_row_find(t, hb_app_memory(a)->place.row);
        if (at >= n)
                at = 0;
        to = (int64_t)at + by;
        choose(a, t, (unsigned)(to < 0 ? 0 : to >= n ? n - 1 : to), at);
}

/* Where the mouse was pressed: that row, if one stands there. */
static void point(struct hb_app *a) {
        unsigned x, y, first = a->painted.table_y;

        hb_screen_mouse(a->screen, &x, &y);
        if (a->painted.cursor_y >= 0 && y >= first && y < first + a->painted.table_lines)
                move(a, (int64_t)y - a->painted.cursor_y);
}

static int64_t page(const struct hb_app *a) {
        unsigned lines = a->painted.table_lines ? a->painted.table_lines : a->painted.shown;

        return lines > 2 ? lines - 1 : 1;
}

/* ---- looking ---- */
static void sort(struct hb_app *a, int step) {
        const hb_doc_table *t = a->doc ? hb_doc_main(a->doc) : NULL;
        struct hb_doc_order *o = &hb_app_memory(a)->order;
        const struct hb_doc_column *c;
        unsigned n = t ? hb_doc_columns(t, &c) : 0, at = n; /* n: as built */

        if (n == 0)
                return;
        hb_app_remember(a);
        for (unsigned i = 0; i < n; i++)
                if (strcmp(c[i].key, o->sort) == 0)
                        at = i;
        at = (at + n + 1 + (unsigned)step) % (n + 1);
        snprintf(o->sort, sizeof(o->sort), "%s", at == n ? "" : c[at].key);
        hb_app_say(a, HB_STYLE_NOTE, at == n ? "in the usual order" : "sorted by %s",
                   at == n ? "" : c[at].title);
}

static void filter(struct hb_app *a) {
        const char *now = hb_app_memory(a)->order.filter;

        if (!a->doc || !hb_doc_main(a->doc)) {
                hb_app_say(a, HB_STYLE_NOTE, "nothing to filter here");
                return;
        }
        hb_app_remember(a);
        memcpy(a->filter_before, now, sizeof(a->filter_before));
        hb_prompt_open(&a->prompt, HB_PROMPT_FILTER, "filter:", now);
}

static void freeze(struct hb_app *a) {
        a->frozen = !a->frozen;
        a->frozen_ns = a->now_ns;
        hb_app_say(a, HB_STYLE_NOTE, a->frozen ? "the picture stands still; %s goes on" : "live again",
                   hb_keymap_keys(a->config->keys, HB_DO_FREEZE));
}

static void follow(struct hb_app *a) {
        struct hb_view_memory *m = hb_app_memory(a);

        hb_app_remember(a);
        m->follow = !m->follow;
        hb_app_say(a, HB_STYLE_NOTE, m->follow ? "following the newest row" : "staying with this row");
}

void hb_app_go(struct hb_app *a, enum hb_view_id view, const char *subject) {
        struct hb_view_memory *m = &a->memory[view];

        hb_app_remember(a);
        a->view = view;
        if (subject && strcmp(subject, m->subject) != 0) {
                snprintf(m->subject, sizeof(m->subject), "%s", subject);
                m->detail[0] = '\0';
                m->first = m->span = 0;
                m->cell = 0;
        }
}

static bool general(struct hb_app *a, enum hb_action action) {
        switch (action) {
        case HB_DO_UP:
                move(a, -1);
                return true;
        case HB_DO_DOWN:
                move(a, 1);
                return true;
        case HB_DO_LEFT: /* what stands beside or above the table */
                scroll(a, -3);
                return true;
        case HB_DO_RIGHT:
                scroll(a, 3);
                return true;
        case HB_DO_PAGE_UP:
                move(a, -page(a));
                return true;
        case HB_DO_PAGE_DOWN:
                move(a, page(a));
                return true;
        case HB_DO_FIRST:
                move(a, INT32_MIN);
                return true;
        case HB_DO_LAST:
                move(a, INT32_MAX);
                return true;
        case HB_DO_SORT:
                sort(a, 1);
                return true;
        case HB_DO_SORT_BACK:
                sort(a, -1);
                return true;
        case HB_DO_REVERSE:
                hb_app_remember(a);
                hb_app_memory(a)->order.descending = !hb_app_memory(a)->order.descending;
                return true;
        case HB_DO_FILTER:
                filter(a);
                return true;
        case HB_DO_FOLLOW:
                follow(a);
                return true;
        case HB_DO_BACK:
                if (hb_app_memory(a)->order.filter[0]) { /* the nearest thing to leave */
                        hb_app_remember(a);
                        hb_app_memory(a)->order.filter[0] = '\0';
                } else if (!hb_app_back(a) && a->view != HB_VIEW_OVERVIEW) {
                        hb_app_go(a, HB_VIEW_OVERVIEW, NULL);
                }
                return true;
        default:
                return false;
        }
}

/* Never the view's: they must work the same everywhere. True when it was one. */
static bool global(struct hb_app *a, enum hb_action action) {
        switch (action) {
        case HB_DO_QUIT:
                a->quit = true;
                return true;
        case HB_DO_FREEZE:
                freeze(a);
                return true;
        case HB_DO_UNDO:
                if (!hb_app_undo(a))
                        hb_app_say(a, HB_STYLE_NOTE, "nothing to undo");
                return true;
        case HB_DO_GLYPHS:
                a->glyphs = (enum hb_glyphs)((a->glyphs + 1) % (a->utf8 ? 3 : 1));
                hb_app_say(a, HB_STYLE_NOTE, "characters: %s", hb_glyphs_name(a->glyphs));
                return true;
        case HB_DO_SAVE:
        case HB_DO_SAVE_JSON:
        case HB_DO_SAVE_CSV:
                hb_app_keep(a, action);
                return true;
        case HB_DO_REDRAW:
                if (a->screen)
                        hb_screen_redraw(a->screen);
                return true;
        case HB_DO_SUSPEND:
                if (a->screen)
                        hb_screen_suspend(a->screen);
                return true;
        default:
                return false;
        }
}

static bool show(struct hb_app *a, enum hb_action action) {
        struct hb_order o = {0};
        struct hb_view_ctx c;
        const struct hb_view *v = hb_app_view(a);
        int r;

        for (unsigned i = 0; i < HB_VIEWS; i++) {
                if (hb_view_by_id((enum hb_view_id)i)->key != action)
                        continue;
                /* A view may say what of it the other one should show: the guest that is selected. */
                hb_app_context(a, &c);
                r = v->act ? v->act(&c, action, hb_app_memory(a)->place.row, NULL, 0, &o) : 0;
                hb_app_go(a, (enum hb_view_id)i,
                          r == 0 && o.kind == HB_ORDER_GO && o.view == i ? o.subject : NULL);
                hb_order_fini(&o);
                return true;
        }
        return false;
}

void hb_app_act(struct hb_app *a, enum hb_action action) {
        a->dirty = true;
        if (action == HB_DO_NONE || global(a, action) || show(a, action) || hb_app_view_act(a, action) ||
            general(a, action))
                return;
        hb_app_say(a, HB_STYLE_NOTE, "%s means nothing in %s", hb_action_name(action), hb_app_view(a)->name);
}

/* ---- keys ---- */
static void filter_typed(struct hb_app *a) {
        struct hb_doc_order *o = &hb_app_memory(a)->order;

        snprintf(o->filter, sizeof(o->filter), "%.*s", (int)sizeof(o->filter) - 1, a->prompt.text);
        hb_app_arrange(a);
}

static void prompt_key(struct hb_app *a, int key) {
        enum hb_prompt_end end = hb_prompt_key(&a->prompt, key);
        char text[HB_PROMPT_TEXT];

        if (a->prompt.kind == HB_PROMPT_FILTER)
                filter_typed(a);
        if (end == HB_PROMPT_GOES_ON)
                return;
        memcpy(text, a->prompt.text, sizeof(text));
        if (end == HB_PROMPT_TAKEN)
                hb_app_answer(a, text);
        else
                hb_app_cancel(a);
}

void hb_app_key(struct hb_app *a, int key) {
        enum hb_action action;

        a->dirty = true;
        a->key_ns = a->now_ns;
        if (a->prompt.kind != HB_PROMPT_NONE) {
                if (key != HB_KEY_MOUSE)
                        prompt_key(a, key);
                return;
        }
        a->message[0] = '\0'; /* it has been seen */
        if (key == HB_KEY_MOUSE) {
                point(a);
                return;
        }
        action = hb_keymap_get(a->config->keys, key);
        if (action == HB_DO_NONE) {
                char name[16];

                hb_app_say(a, HB_STYLE_NOTE, "%s means nothing; %s lists the keys", hb_key_name(key, name),
                           hb_keymap_keys(a->config->keys, HB_DO_VIEW_HELP));
                return;
        }
        hb_app_act(a, action);
}
