/* orders: what the operator has done, each answered once. A connection takes UNDER_WAY requests, the watch
 * among them; an order beyond that waits here until one is answered. When the connection goes, every order on
 * it is answered with -ECONNRESET: the command itself may go on in the daemon.
 *
 * An order's place is free before its done() is called, so that done() may give the next one. */
#include "world/world_priv.h"
#include <errno.h>
#include <string.h>

static void clear(struct order *o) {
        json_decref(o->args);
        memset(o, 0, sizeof(*o));
}

void hb_world_orders_fini(struct seat *s) {
        for (unsigned i = 0; i < UNDER_WAY; i++)
                clear(&s->orders[i]);
}

static struct order *free_place(struct seat *s) {
        for (unsigned i = 0; i < UNDER_WAY; i++)
                if (!s->orders[i].number)
                        return &s->orders[i];
        return NULL;
}

/* 0: sent, or has to wait for room. */
static int send_order(struct seat *s, struct order *o) {
        int id;

        if (s->under_way + 1 >= UNDER_WAY)
                return 0;
        id = hb_world_ask(s, o->cmd, json_incref(o->args));
        if (id < 0)
                return id;
        o->id = id;
        s->under_way++;
        return 0;
}

static int refuse(struct seat *s, const char *cmd, const json_t *args, struct order **ret, struct hb_err *e) {
        if (!s || !s->connected)
                return hb_err_set(e, -ENOTCONN, s ? s->pub.label : NULL, s ? s->pub.why.next : NULL,
                                  "this host cannot be told anything now: %s",
                                  s && s->pub.why.what[0] ? s->pub.why.what : "it is not connected");
        if (!args || strlen(cmd) >= sizeof((*ret)->cmd))
                return hb_err_set(e, args ? -EINVAL : -ENOMEM, cmd, NULL, "this command cannot be given");
        *ret = free_place(s);
        if (!*ret)
                return hb_err_set(e, -EBUSY, s->pub.label, "wait until one of them has ended",
                                  "%u commands are under way there", UNDER_WAY);
        return 0;
}

int hb_world_order(hb_world *w, unsigned seat, const char *cmd, json_t *args, const struct hb_order_use *u,
                   struct hb_err *e) {
        struct seat *s = hb_world_live(w, seat);
        struct order *o = NULL;
        int r;

        args = args ? args : json_object();
        r = refuse(s, cmd, args, &o, e);
        if (r < 0) {
                json_decref(args);
                return r;
        }
        w->last_order = w->last_order == INT32_MAX ? 1 : w->last_order + 1;
        *o = (struct order){.number = w->last_order, .args = args, .use = *u};
        hb_world_copy_text(o->cmd, sizeof(o->cmd), cmd);
        r = send_order(s, o);
        if (r < 0) {
                clear(o);
                return hb_err_set(e, r, s->pub.label, "try again", "the command could not be sent: %s",
                                  strerror(-r));
        }
        return o->number;
}

void hb_world_forget(hb_world *w, int number) {
        for (unsigned i = 0; i < w->nseats; i++)
                for (unsigned k = 0; w->seats[i] && k < UNDER_WAY && number > 0; k++)
                        if (w->seats[i]->orders[k].number == number)
                                w->seats[i]->orders[k].forgotten = true;
}

/* The callbacks may do anything but free the world. */
static void end(struct order *o, const json_t *result, const struct hb_err *e) {
        struct order was = *o;

        clear(o);
        if (!was.forgotten && was.use.done)
                was.use.done(was.use.arg, was.number, result, e);
}

void hb_world_orders_message(struct seat *s, int id, const json_t *msg) {
        const json_t *progress = json_object_get(msg, "progress"), *result = json_object_get(msg, "result");
        struct order *o = NULL;
        struct hb_err e;

        for (unsigned i = 0; i < UNDER_WAY && !o; i++)
                if (s->orders[i].number && s->orders[i].id == id)
                        o = &s->orders[i];
        if (!o)
                return; /* of an order that nobody waits for */
        s->w->changed = true;
        if (json_is_object(progress)) {
                if (!o->forgotten && o->use.progress)
                        o->use.progress(o->use.arg, o->number, progress);
                return;
        }
        s->under_way--;
        if (json_is_true(json_object_get(msg, "ok")) && json_is_object(result)) {
                end(o, result, NULL);
        } else {
                hb_ctl_error_from(json_object_get(msg, "error"), &e);
                end(o, NULL, &e);
        }
}

void hb_world_orders_lost(struct seat *s, const char *why) {
        int numbers[UNDER_WAY];
        struct hb_err e;

        hb_err_set(&e, -ECONNRESET, s->pub.label, "see what became of it once the host is back",
                   "no answer will come, the command may go on: %s", why);
        for (unsigned i = 0; i < UNDER_WAY; i++)
                numbers[i] = s->orders[i].number;
        for (unsigned i = 0; i < UNDER_WAY; i++) /* not those that a done() gives meanwhile */
                if (numbers[i] && s->orders[i].number == numbers[i])
                        end(&s->orders[i], NULL, &e);
}

void hb_world_orders_send(struct seat *s) {
        for (;;) {
                struct order *first = NULL;

                for (unsigned i = 0; i < UNDER_WAY; i++) {
                        struct order *o = &s->orders[i];

                        if (o->number && !o->id && (!first || o->number < first->number))
                                first = o;
                }
                if (!first || s->under_way + 1 >= UNDER_WAY || send_order(s, first) < 0)
                        return; /* no room: with the next pump */
        }
}
