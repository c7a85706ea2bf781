/* common: the small things every view needs: orders, values that may be missing, the guest a view is about.
 * Pure but for the memory they correct; any thread that owns the world. */
#include "views/common.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- values ---- */

double hb_view_known(double v) {
        return v >= 0 ? v : NAN;
}

double hb_view_number(const json_t *o, const char *path) {
        return hb_view_known(hb_json_number(o, path));
}

bool hb_view_false(const json_t *o, const char *path) {
        return json_is_false(hb_json_at(o, path));
}

const char *hb_view_or(const char *s, const char *other) {
        return s && *s ? s : other;
}

bool hb_view_on_screen(const struct hb_view_ctx *c) {
        return c->width && c->height;
}

unsigned hb_view_width(const struct hb_view_ctx *c) {
        return hb_view_on_screen(c) ? c->width : 80;
}

unsigned hb_view_height(const struct hb_view_ctx *c) {
        return hb_view_on_screen(c) ? c->height : 24;
}

/* ---- orders ---- */

void hb_order_fini(struct hb_order *o) {
        if (!o)
                return;
        json_decref(o->args);
        *o = (struct hb_order){0};
}

bool hb_view_may_act(const struct hb_view_ctx *c, struct hb_order *ret) {
        if (c->control)
                return true;
        hb_order_say(ret, "This console only looks. Start it with --control to give orders.");
        return false;
}

int hb_order_say(struct hb_order *o, const char *fmt, ...) {
        va_list ap;

        o->kind = HB_ORDER_SAY;
        va_start(ap, fmt);
        vsnprintf(o->text, sizeof(o->text), fmt, ap);
        va_end(ap);
        return 0;
}

int hb_order_ask(struct hb_order *o, const char *initial, const char *fmt, ...) {
        va_list ap;

        o->kind = HB_ORDER_ASK;
        snprintf(o->initial, sizeof(o->initial), "%s", initial ? initial : "");
        va_start(ap, fmt);
        vsnprintf(o->text, sizeof(o->text), fmt, ap);
        va_end(ap);
        return 0;
}

void hb_order_choice(struct hb_order *o, const char *choice) {
        if (o->nchoices >= HB_ORDER_CHOICES || !choice || strlen(choice) >= sizeof(o->choices[0]))
                return; /* one cut off would name another object */
        snprintf(o->choices[o->nchoices++], sizeof(o->choices[0]), "%s", choice);
}

int hb_order_call(struct hb_order *o, unsigned seat, const char *cmd, json_t *args, const char *confirm,
                  const char *fmt, ...) {
        va_list ap;

        o->kind = HB_ORDER_CALL;
        o->seat = seat;
        o->cmd = cmd;
        o->args = args;
        snprintf(o->confirm, sizeof(o->confirm), "%s", confirm ? confirm : "");
        va_start(ap, fmt);
        vsnprintf(o->text, sizeof(o->text), fmt, ap);
        va_end(ap);
        return 0;
}

int hb_order_go(struct hb_order *o, enum hb_view_id view, const char *subject) {
        o->kind = HB_ORDER_GO;
        o->view = view;
        snprintf(o->subject, sizeof(o->subject), "%s", subject ? subject : "");
        return 0;
}

/* ---- one host after the other ---- */

/* The number of the seat whose rows alone are shown; HB_NO_SEAT: all are. */
static unsigned filtered(const struct hb_view_ctx *c, const char *column) {
        char filter[sizeof(c->memory->order.filter)];

        for (unsigned i = 0; i < hb_world_seats(c->world); i++) {
                const struct hb_seat *s = hb_world_seat(c->world, i);

                if (!s)
                        continue;
                snprintf(filter, sizeof(filter), "%s:%s", column, s->label);
                if (strcmp(filter, c->memory->order.filter) == 0)
                        return i;
        }
        return HB_NO_SEAT;
}

int hb_view_next_host(struct hb_view_ctx *c, const char *column, struct hb_order *ret) {
        unsigned now = filtered(c, column), n = hb_world_seats(c->world);

        ret->kind = HB_ORDER_DONE;
        for (unsigned i = now == HB_NO_SEAT ? 0 : now + 1; i < n; i++) {
                const struct hb_seat *s = hb_world_seat(c->world, i);

                if (!s || strchr(s->label, ' ')) /* blanks part words in a filter */
                        continue;
                snprintf(c->memory->order.filter, sizeof(c->memory->order.filter), "%s:%s", column, s->label);
                return 0;
        }
        c->memory->order.filter[0] = '\0';
        return 0;
}

/* ---- which guest ---- */

/* Ids get "@host" while two daemons have a guest of that name (a move between them), and lose it again: the
 * view stays with the guest. Never another guest instead: keys would act on it. */
static const struct hb_guest_seen *same_name(const hb_world *w, const char *subject) {
        size_t n = strcspn(subject, "@");
        const struct hb_guest_seen *all;
        unsigned count = hb_world_guests(w, &all);

        for (unsigned i = 0; i < count; i++)
                if (strlen(all[i].name) == n && strncmp(all[i].name, subject, n) == 0)
                        return &all[i];
        return NULL;
}

const struct hb_guest_seen *hb_view_guest_of(struct hb_view_ctx *c) {
        char *subject = c->memory->subject;
        const struct hb_guest_seen *all, *g = NULL;

        if (subject[0]) {
                g = hb_world_guest(c->world, subject);
                if (!g)
                        g = same_name(c->world, subject);
        } else if (hb_world_guests(c->world, &all) > 0) {
                g = &all[0];
        }
        if (g)
                snprintf(c->memory->subject, sizeof(c->memory->subject), "%s", g->id);
        return g;
}

void hb_view_no_guest(struct hb_view_ctx *c, hb_doc *d) {
        char key[HB_PART_TEXT];

        if (c->memory->subject[0])
                hb_doc_note(d, "missing", HB_STYLE_WARN, '!',
                            "There is no guest %s on the hosts looked at (any more). Choose another in the "
                            "overview (%s), or look in the events for what became of it.",
                            c->memory->subject, hb_part_key(c, HB_DO_VIEW_OVERVIEW, key));
        else
                hb_doc_note(d, "missing", HB_STYLE_NOTE, 'i',
                            "No guests yet. Attach one on the host it runs on: harbinger guest attach NAME "
                            "--qmp SOCKET");
}
