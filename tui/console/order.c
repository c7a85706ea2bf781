/* order: what views want done. An action may first ask, then want a confirmation, then be sent; the row it
 * was begun on is kept all the way, so that what moves on the screen meanwhile changes nothing. What changes
 * something is refused here once more without --control, whatever a view said. */
#include "console/app.h"
#include "control/ctl.h"
#include "draw/format.h"
#include <errno.h>
#include <string.h>

/* ---- sent ---- */
unsigned hb_app_under_way(const struct hb_app *a) {
        unsigned n = 0;

        for (unsigned i = 0; i < HB_APP_ORDERS; i++)
                n += a->orders[i].number != 0;
        return n;
}

static struct hb_app_order *find(struct hb_app *a, int number) {
        for (unsigned i = 0; i < HB_APP_ORDERS; i++)
                if (a->orders[i].number == number)
                        return &a->orders[i];
        return NULL;
}

static const char *text_of(const json_t *p, const char *key) {
        const char *s = json_string_value(json_object_get(p, key));

        return s ? s : "";
}

static void told(void *arg, int number, const json_t *p) {
        struct hb_app *a = arg;
        struct hb_app_order *o = find(a, number);
        const char *state = text_of(p, "state_text");

        if (!o)
                return;
        if (!state[0])
                state = text_of(p, "state");
        if (state[0]) {
                size_t n = strcspn(o->text, "\n");
                char first[160];

                /* "move vm1 from a to b: converging": what is done stays, how far it is changes */
                snprintf(first, sizeof(first), "%.*s", (int)(n < 150 ? n : 150), o->text);
                first[strcspn(first, ":")] = '\0';
                snprintf(o->text, sizeof(o->text), "%s: %s", first, state);
        }
        a->dirty = true;
}

/* What a move cost is what is wanted to know of it. */
static void done(struct hb_app *a, const char *what, const json_t *result) {
        const json_t *downtime = json_object_get(result, "downtime_ms");
        char stopped[HB_FMT_SIZE], all[HB_FMT_SIZE];

        if (json_is_number(downtime))
                hb_app_say(a, HB_STYLE_GOOD, "done: %s: stopped for %s, %s in all", what,
                           hb_fmt_ms(json_number_value(downtime), stopped),
                           hb_fmt_ms(hb_json_number(result, "total_ms"), all));
        else
                hb_app_say(a, HB_STYLE_GOOD, "done: %s", what);
}

static void ended(void *arg, int number, const json_t *result, const struct hb_err *e) {
        struct hb_app *a = arg;
        struct hb_app_order *o = find(a, number);
        char what[160];

        if (!o)
                return;
        snprintf(what, sizeof(what), "%.150s", o->text);
        what[strcspn(what, ":")] = '\0';
        hb_world_details_old(a->world, o->seat);
        *o = (struct hb_app_order){0};
        if (result)
                done(a, what, result);
        else if (e && e->code == -ECONNRESET)
                hb_app_say(a, HB_STYLE_WARN,
                           "%s: the daemon is gone; whether it was done shows when it is back", what);
        else
                hb_app_say_err(a, what, e);
}

static void send(struct hb_app *a, struct hb_order *o) {
        struct hb_order_use use = {.progress = told, .done = ended, .arg = a};
        struct hb_app_order *slot = find(a, 0);
        struct hb_err e = {0};
        int r;

        if (!slot) {
                hb_app_say(a, HB_STYLE_BAD, "%u orders are under way; wait for one of them", HB_APP_ORDERS);
                return;
        }
        r = hb_world_order(a->world, o->seat, o->cmd, o->args, &use, &e);
        o->args = NULL;
        if (r < 0) {
                hb_app_say_err(a, "not sent", &e);
                return;
        }
        slot->number = r;
        slot->seat = o->seat;
        snprintf(slot->text, sizeof(slot->text), "%s", o->text);
        a->message[0] = '\0';
}

/* ---- before that ---- */
static bool permitted(struct hb_app *a, const struct hb_order *o) {
        const struct hb_ctl_command *c = hb_ctl_find(o->cmd);
        const struct hb_seat *s = hb_world_seat(a->world, o->seat);

        if (a->control || !c || !c->changes || (s && s->replay))
                return true;
        /* asking what would be is no change */
        return strcmp(o->cmd, "migrate") == 0 && json_is_true(json_object_get(o->args, "dry_run"));
}

static void call(struct hb_app *a, struct hb_order *o) {
        if (!permitted(a, o)) {
                hb_app_say(a, HB_STYLE_WARN, "read-only: start with --control to %s",
                           hb_action_name(a->asked));
                return;
        }
        if (!o->confirm[0]) {
                send(a, o);
                return;
        }
        hb_order_fini(&a->confirming);
        a->confirming = *o;
        o->args = NULL;
        hb_prompt_open(&a->prompt, HB_PROMPT_CONFIRM, o->text, "");
        snprintf(a->prompt.wanted, sizeof(a->prompt.wanted), "%s", o->confirm);
}

static void ask(struct hb_app *a, const struct hb_order *o) {
        if (a->nanswers == HB_ANSWERS) {
                hb_app_say(a, HB_STYLE_BAD, "too many questions");
                return;
        }
        hb_prompt_open(&a->prompt, HB_PROMPT_ASK, o->text, o->initial);
        for (unsigned i = 0; i < o->nchoices; i++)
                hb_prompt_choice(&a->prompt, o->choices[i]);
}

static void play(struct hb_app *a, const char *trace) {
        struct hb_err e = {0};

        if (hb_app_play(a, trace, &e) < 0)
                hb_app_say_err(a, "replay", &e);
        else
                hb_app_say(a, HB_STYLE_NOTE, "playing %s: its hosts stand beside the others", trace);
}

static bool follow_order(struct hb_app *a, struct hb_order *o) {
        switch (o->kind) {
        case HB_ORDER_NONE:
                return false;
        case HB_ORDER_DONE:
                break;
        case HB_ORDER_SAY:
                hb_app_say(a, HB_STYLE_NOTE, "%s", o->text);
                break;
        case HB_ORDER_GO:
                hb_app_go(a, o->view, o->subject[0] ? o->subject : NULL);
                break;
        case HB_ORDER_ASK:
                ask(a, o);
                break;
        case HB_ORDER_CALL:
                call(a, o);
                break;
        case HB_ORDER_PLAY:
                play(a, o->subject);
                break;
        }
        return true;
}

static bool view_again(struct hb_app *a) {
        const struct hb_view *v = hb_app_view(a);
        const char *answers[HB_ANSWERS];
        struct hb_order o = {0};
        struct hb_app_look before = {.view = a->view, .memory = *hb_app_memory(a)};
        struct hb_view_ctx c;
        bool meant;
        int r;

        for (unsigned i = 0; i < a->nanswers; i++)
                answers[i] = a->answers[i];
        hb_app_context(a, &c);
        r = v->act ? v->act(&c, a->asked, a->row, answers, a->nanswers, &o) : 0;
        if (r == 0 && o.kind == HB_ORDER_NONE)
                r = hb_view_replay_act(&c, a->asked, answers, a->nanswers, &o);
        if (r < 0) {
                hb_app_say(a, HB_STYLE_BAD, "%s: %s", hb_action_name(a->asked), strerror(-r));
                hb_order_fini(&o);
                return true;
        }
        if (o.kind == HB_ORDER_DONE) { /* what it looked like before can be had back */
                struct hb_view_memory after = *hb_app_memory(a);

                *hb_app_memory(a) = before.memory;
                hb_app_remember(a);
                *hb_app_memory(a) = after;
        }
        meant = follow_order(a, &o);
        hb_order_fini(&o);
        return meant;
}

bool hb_app_view_act(struct hb_app *a, enum hb_action action) {
        a->asked = action;
        a->nanswers = 0;
        memcpy(a->row, hb_app_memory(a)->place.row, sizeof(a->row));
        return view_again(a);
}

void hb_app_answer(struct hb_app *a, const char *text) {
        enum hb_prompt_kind kind = a->prompt.kind;

        hb_prompt_close(&a->prompt);
        if (kind == HB_PROMPT_CONFIRM) {
                send(a, &a->confirming);
                hb_order_fini(&a->confirming);
                a->confirming = (struct hb_order){0};
        } else if (kind == HB_PROMPT_ASK) {
                snprintf(a->answers[a->nanswers++], sizeof(a->answers[0]), "%s", text);
                view_again(a);
        }
}

void hb_app_cancel(struct hb_app *a) {
        enum hb_prompt_kind kind = a->prompt.kind;

        hb_prompt_close(&a->prompt);
        if (kind == HB_PROMPT_FILTER)
                memcpy(hb_app_memory(a)->order.filter, a->filter_before, sizeof(a->filter_before));
        if (kind == HB_PROMPT_CONFIRM) {
                hb_order_fini(&a->confirming);
                a->confirming = (struct hb_order){0};
                hb_app_say(a, HB_STYLE_NOTE, "nothing was done");
        }
        if (kind == HB_PROMPT_ASK)
                a->message[0] = '\0';
        hb_app_arrange(a);
}
