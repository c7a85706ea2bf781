/* frame_lines: what stands around a view's doc: the title, hints which keys mean something here, the prompt,
 * the message. */
#include "console/app.h"
#include <string.h>

static void seats_line(const struct hb_app *a, char *buf, size_t size) {
        unsigned up = 0, bad = 0, n = hb_world_seats(a->world);
        const struct hb_seat *only = NULL, *worst = NULL;

        for (unsigned i = 0; i < n; i++) {
                const struct hb_seat *s = hb_world_seat(a->world, i);

                if (!s)
                        continue;
                only = s;
                up += s->state == HB_SEAT_UP;
                if (s->state != HB_SEAT_UP) {
                        bad++;
                        worst = s;
                }
        }
        if (!only)
                snprintf(buf, size, "no daemon");
        else if (up + bad == 1)
                snprintf(buf, size, "%s %s", only->label, hb_seat_state_name(only->state));
        else if (!worst)
                snprintf(buf, size, "%u hosts up", up);
        else
                snprintf(buf, size, "%s %s, %u of %u up", worst->label, hb_seat_state_name(worst->state), up,
                         up + bad);
}

/* The newest tick's own time, so that what is shown and when it was true belong together. */
static void clock_text(const struct hb_app *a, char *buf, size_t size) {
        double newest = 0;
        struct tm tm;
        time_t t;

        for (unsigned i = 0; i < hb_world_seats(a->world); i++) {
                const struct hb_seat *s = hb_world_seat(a->world, i);
                double at = s && s->tick ? json_number_value(json_object_get(s->tick, "time")) : 0;

                if (at > newest)
                        newest = at;
        }
        buf[0] = '\0';
        t = (time_t)newest;
        if (newest > 0 && newest < 1e11 && gmtime_r(&t, &tm))
                strftime(buf, size, "%H:%M:%SZ", &tm);
}

void hb_app_title(struct hb_app *a, unsigned w) {
        static const char *const shorts[HB_VIEWS] = {"over",   "guest", "place",  "policy", "move",
                                                     "traces", "net",   "events", "help"};
        char right[200] = "", seats[100], clock[16], frozen[40] = "";
        const char *subject = a->doc ? hb_doc_subject_text(a->doc) : "";
        hb_surface *s = a->surface;
        unsigned x = 0, taken;

        hb_surface_fill(s, 0, 0, w, 1, HB_STYLE_TITLE, ' ');
        seats_line(a, seats, sizeof(seats));
        clock_text(a, clock, sizeof(clock));
        if (a->frozen)
                snprintf(frozen, sizeof(frozen), "FROZEN %lld s  ",
                         (long long)((a->now_ns - a->frozen_ns) / HB_APP_SECOND));
        if (w >= 60)
                snprintf(right, sizeof(right), "%s%s%s  %s", frozen, a->control ? "control  " : "read-only  ",
                         seats, clock);
        else
                snprintf(right, sizeof(right), "%s%s", frozen, w >= 40 ? seats : "");
        taken = hb_text_width(right, a->utf8);
        taken = taken + 1 < w / 2 || w >= 100 ? taken : w / 2;
        if (w >= 130) { /* all views, the present one in brackets */
                for (unsigned i = 0; i < HB_VIEWS; i++)
                        x += hb_surface_textf(s, x, 0, w - x, HB_STYLE_TITLE,
                                              i == a->view ? "[%u %s]" : " %u %s ", i + 1,
                                              i == a->view ? hb_view_by_id(i)->name : shorts[i]);
                x += hb_surface_text(s, x, 0, w - x, HB_STYLE_TITLE, " ");
        } else {
                x += hb_surface_textf(s, x, 0, w - x, HB_STYLE_TITLE, " %s ", hb_app_view(a)->title);
        }
        if (subject[0] && x + taken + 4 < w)
                hb_surface_textf(s, x, 0, w - x - taken - 1, HB_STYLE_TITLE, "%s %s",
                                 x > 0 && w < 130 ? ":" : "", subject);
        hb_surface_right(s, w - taken, 0, taken, HB_STYLE_TITLE, right);
}

/* "m migrate  "; 0: no room, or no key. */
static unsigned hint(struct hb_app *a, unsigned x, unsigned w, unsigned y, enum hb_action act) {
        const char *keys = hb_keymap_keys(a->config->keys, act), *name = hb_action_name(act);
        unsigned n;

        if (!keys[0] || x + strcspn(keys, ",") + strlen(name) + 2 > w)
                return 0;
        n = hb_surface_textf(a->surface, x, y, w - x, HB_STYLE_KEY, "%.*s", (int)strcspn(keys, ","), keys);
        return n + hb_surface_textf(a->surface, x + n, y, w - x - n, HB_STYLE_DIM, " %s  ", name);
}

/* Help first, then what the view says, then what is the same everywhere, as far as there is room. */
void hb_app_hints(struct hb_app *a, unsigned w, unsigned y) {
        static const enum hb_action always[] = {HB_DO_FILTER, HB_DO_SORT, HB_DO_FREEZE, HB_DO_QUIT};
        const enum hb_action *of_view = hb_app_view(a)->hints;
        unsigned x = hint(a, 0, w, y, HB_DO_VIEW_HELP), n = 0;

        for (; n < 12 && of_view[n] != HB_DO_NONE; n++)
                if (of_view[n] != HB_DO_VIEW_HELP && of_view[n] != HB_DO_LEFT && of_view[n] != HB_DO_RIGHT)
                        x += hint(a, x, w, y, of_view[n]);
        for (unsigned i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
                bool twice = false;

                for (unsigned k = 0; k < n; k++)
                        twice = twice || of_view[k] == always[i];
                if (!twice)
                        x += hint(a, x, w, y, always[i]);
        }
}

/* The prompt; returns the column of the cursor. */
unsigned hb_app_prompt_line(struct hb_app *a, unsigned w, unsigned y) {
        struct hb_prompt *p = &a->prompt;
        char rest[80] = "";
        unsigned x, need = hb_text_width(p->text, a->utf8) + 2, room_left = w > need ? w - need : 0;

        if (p->kind == HB_PROMPT_CONFIRM)
                snprintf(rest, sizeof(rest), strcmp(p->wanted, "y") == 0 ? " y/n " : " Type its name: ");
        x = hb_surface_text(a->surface, 0, y, room_left,
                            p->kind == HB_PROMPT_CONFIRM ? HB_STYLE_WARN : HB_STYLE_STRONG, p->question);
        x += hb_surface_text(a->surface, x, y, w - x, HB_STYLE_KEY, rest[0] ? rest : " ");
        x += hb_surface_text(a->surface, x, y, w - x, HB_STYLE_NORMAL, p->text);
        if (p->nchoices > 0 && x + 12 < w) {
                unsigned at = x + 2;

                for (unsigned i = 0; i < p->nchoices && at + 4 < w; i++)
                        at += hb_surface_textf(a->surface, at, y, w - at,
                                               i == p->choice ? HB_STYLE_CHOSEN : HB_STYLE_DIM, "%s ",
                                               p->choices[i]);
        }
        return x < w ? x : w - 1;
}

/* The question of a confirmation may be longer than a line: it stands above, wrapped, over the doc. */
void hb_app_confirm_box(struct hb_app *a, unsigned w, unsigned y) {
        const char *q = a->prompt.question;
        unsigned lines = hb_text_width(q, a->utf8) / (w > 4 ? w - 4 : 1) + 1;
        hb_doc *d;
        struct hb_place_in_doc place = {0};
        struct hb_paint_result painted;

        if (lines > y - 1)
                lines = y - 1;
        d = hb_doc_new("question");
        hb_doc_note(d, NULL, HB_STYLE_WARN, '?', "%s", q);
        hb_surface_fill(a->surface, 0, y - lines - 1, w, lines + 1, HB_STYLE_NORMAL, ' ');
        hb_surface_fill(a->surface, 0, y - lines - 1, w, 1, HB_STYLE_WARN,
                        hb_glyph_line(a->glyphs, HB_LINE_H));
        if (d)
                hb_paint_doc(a->surface, (struct hb_rect){0, y - lines, w, lines}, d, a->glyphs, false,
                             &place, &painted);
        hb_doc_free(d);
}

void hb_app_message_line(struct hb_app *a, unsigned w, unsigned y) {
        const struct hb_view_memory *m = hb_app_memory(a);
        unsigned x = 0, n = hb_app_under_way(a);

        if (a->message[0]) {
                hb_surface_text(a->surface, 0, y, w, a->message_style, a->message);
                return;
        }
        if (n > 0) {
                for (unsigned i = 0; i < HB_APP_ORDERS; i++)
                        if (a->orders[i].number) {
                                hb_surface_textf(a->surface, 0, y, w, HB_STYLE_NOTE, "%u under way: %s", n,
                                                 a->orders[i].text);
                                return;
                        }
        }
        if (m->order.filter[0])
                x += hb_surface_textf(a->surface, x, y, w, HB_STYLE_FOUND, "filter \"%s\"  ",
                                      m->order.filter);
        if (m->order.sort[0])
                x += hb_surface_textf(a->surface, x, y, w - x, HB_STYLE_DIM, "by %s%s  ", m->order.sort,
                                      m->order.descending ? ", greatest first" : "");
        if (m->follow)
                hb_surface_text(a->surface, x, y, w - x, HB_STYLE_DIM, "following the newest");
}
