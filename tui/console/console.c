/* console: made, run, unmade. Everything the operator owns is read once at the start; the screen is opened
 * last, so that what is wrong before is said on an ordinary terminal. */
#include "console/app.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int add_seats(struct hb_app *a, struct hb_err *e) {
        const struct hb_console_options *o = a->o;
        const char *const ours[] = {o->socket, NULL}, *const *list = o->sockets;
        int r;

        if (o->demo)
                return hb_app_play(a, NULL, e);
        if (!list || !list[0])
                list = a->config->sockets[0] ? (const char *const *)a->config->sockets : NULL;
        if (!list && !o->play)
                list = ours;
        for (; list && *list; list++) {
                r = hb_world_add(a->world, *list, e);
                if (r < 0)
                        return r;
        }
        return o->play ? hb_app_play(a, o->play, e) : 0;
}

static int choose_view(struct hb_app *a, struct hb_err *e) {
        const char *name = a->o->view;
        char next[160];
        size_t n = 0;

        if (!name)
                return 0;
        for (unsigned i = 0; i < HB_VIEWS; i++) {
                const char *v = hb_view_by_id((enum hb_view_id)i)->name;

                if (strcmp(v, name) == 0) {
                        a->view = (enum hb_view_id)i;
                        if (a->o->subject)
                                snprintf(a->memory[i].subject, sizeof(a->memory[i].subject), "%s",
                                         a->o->subject);
                        return 0;
                }
                n += (size_t)snprintf(next + n, sizeof(next) - n, "%s%s", i ? ", " : "one of: ", v);
        }
        return hb_err_set(e, -EINVAL, name, next, "no such view");
}

static int open_screen(struct hb_app *a, struct hb_err *e) {
        struct hb_screen_options so = {.config = a->config, .no_color = a->o->no_color};
        int r = hb_screen_new(&so, &a->screen, e);

        if (r < 0)
                return r;
        a->utf8 = hb_screen_utf8(a->screen);
        a->glyphs = hb_screen_glyphs(a->screen);
        return 0;
}

static void close_app(struct hb_app *a) {
        a->screen = hb_screen_free(a->screen);
        for (unsigned i = 0; i < HB_APP_ORDERS; i++)
                if (a->orders[i].number)
                        hb_world_forget(a->world, a->orders[i].number);
        if (a->world)
                hb_app_players_end(a);
        hb_order_fini(&a->confirming);
        hb_doc_free(a->doc);
        hb_surface_free(a->surface);
        hb_world_free(a->world);
        hb_config_free(a->config);
        free(a);
}

static int set_up(struct hb_app *a, struct hb_err *e) {
        struct hb_world_options w = {0};
        int r = hb_config_new(a->o->config, &a->config, e);

        if (r < 0)
                return r;
        w.every = a->config->every;
        if (a->o->every_s >= 1)
                w.every = (unsigned)a->o->every_s;
        a->every_ns = (int64_t)((a->o->every_s > 0 ? a->o->every_s
                                 : w.every         ? w.every
                                                   : 1) *
                                (double)HB_APP_SECOND);
        a->pace = (struct hb_app_pace){.every = w.every ? w.every : 1, .factor = 1, .every_ns = a->every_ns};
        a->view = a->config->view;
        a->memory[HB_VIEW_EVENTS].follow = true; /* the newest is what happened */
        a->glyphs = !a->utf8                 ? HB_GLYPHS_ASCII
                    : a->config->glyphs >= 0 ? (enum hb_glyphs)a->config->glyphs
                                             : HB_GLYPHS_BRAILLE;
        r = hb_world_new(&w, &a->world, e);
        return r < 0 ? r : add_seats(a, e);
}

static int on_screen(struct hb_app *a, struct hb_err *e) {
        struct hb_err unsaved = {0};
        int r = open_screen(a, e);

        if (r < 0)
                return r;
        if (!a->o->demo) /* what is looked at there is not what the operator was at */
                hb_app_state_load(a);
        if (a->config->glyphs >= 0 && a->utf8)
                a->glyphs = (enum hb_glyphs)a->config->glyphs;
        r = choose_view(a, e);
        if (r < 0)
                return r;
        r = hb_app_loop(a, e);
        a->screen = hb_screen_free(a->screen);
        if (r == 0 && !a->o->demo && hb_app_state_save(a, &unsaved) < 0 && a->o->err) {
                char line[800];

                fprintf(a->o->err, "harbinger: %s\n", hb_err_line(&unsaved, line, sizeof(line)));
        }
        return r;
}

int hb_console_run(const struct hb_console_options *o, struct hb_err *e) {
        struct hb_app *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory");
        a->o = o;
        a->utf8 = o->utf8;
        a->control = o->control || o->demo; /* in a demo nothing real can be moved */
        a->cpu_share = a->rss_bytes = NAN;
        a->painted = (struct hb_paint_result){.cursor_x = -1, .cursor_y = -1};
        a->now_ns = hb_app_clock();
        r = set_up(a, e);
        if (r == 0 && o->out == HB_OUT_SCREEN)
                r = on_screen(a, e);
        else if (r == 0 && (r = choose_view(a, e)) == 0)
                r = hb_app_lines(a, e);
        close_app(a);
        return r;
}
