/* seat: one daemon, from the dial to its newest tick. Asks for `watch` and keeps only what came last; a
 * daemon that does not know `watch` is asked for its status by and by. Silence is told apart from loss: a
 * daemon that hangs keeps its connection, so it is cut and dialled again when the silence has lasted three
 * times as long as is allowed. The state becomes `up` with the first tick, not with the connection: anybody
 * can accept. */
#include "base/fault.h"
#include "world/world_priv.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ASK_AGAIN_NS (2 * NS_PER_S)

static void set_state(struct seat *s, enum hb_seat_state state) {
        if (s->pub.state == state)
                return;
        s->pub.state = state;
        s->pub.since_ns = s->w->now_ns;
        s->w->changed = true;
}

int hb_world_ask(struct seat *s, const char *cmd, json_t *args) {
        int id = s->next_id++, r;
        json_t *msg;

        if (s->next_id == INT32_MAX)
                s->next_id = 1;
        msg = hb_ctl_request(id, cmd, args);
        r = msg ? hb_conn_send(s->conn, msg) : -ENOMEM;
        json_decref(msg);
        return r < 0 ? r : id;
}

/* Asks for ticks, or for the next status. */
static void ask_ticks(struct seat *s) {
        json_t *args = s->polling ? json_object() : json_pack("{s:i}", "every", (int)s->w->options.every);
        int id = hb_world_ask(s, s->polling ? "status" : "watch", args);

        s->watch_id = id > 0 ? id : 0;
        s->ask_ns = id > 0 ? INT64_MAX : s->w->now_ns + ASK_AGAIN_NS;
}

void hb_world_set_every(hb_world *w, unsigned every) {
        w->options.every = every ? every : 1;
        hb_world_allow_silence(w);
        for (unsigned i = 0; i < w->nseats; i++) {
                struct seat *s = w->seats[i];

                if (s && s->connected && !s->polling && s->watch_id)
                        ask_ticks(s); /* takes the place of the watch before */
        }
}

static bool label_is_free(const struct seat *s, const char *label) {
        for (unsigned i = 0; i < s->w->nseats; i++)
                if (s->w->seats[i] && s->w->seats[i] != s && strcmp(s->w->seats[i]->pub.label, label) == 0)
                        return false;
        return true;
}

/* Two seats may be one host seen twice: names of guests are told apart by the label, so it is unique. */
static void take_host(struct seat *s, const char *host) {
        char label[sizeof(s->pub.label)];

        if (!host[0] || strcmp(s->host, host) == 0)
                return;
        hb_world_copy_text(s->host, sizeof(s->host), host);
        memcpy(label, s->host, sizeof(label));
        if (!label_is_free(s, label)) {
                hb_world_copy_text(label, 51, s->host); /* leaves room for the number */
                snprintf(label + strlen(label), 13, "#%u", s->number + 1);
        }
        memcpy(s->pub.label, label, sizeof(label));
}

static void take_tick(struct seat *s, json_t *tick) {
        double time = hb_world_real(tick, "time");

        hb_world_guests_refresh(s->w); /* points of the tick that goes now */
        take_host(s, hb_world_text(tick, "host"));
        hb_world_ring_take(s, tick);
        json_incref(tick);
        json_decref(s->tick);
        s->tick = tick;
        s->pub.tick = tick;
        s->pub.replay = hb_world_object(tick, "replay");
        s->pub.ticks++;
        s->pub.heard_ns = s->w->now_ns;
        if (isnan(time) || time != s->tick_time)
                s->points++;
        s->tick_time = time;
        s->w->guests.old = s->w->changed = true;
        if (!s->polling)
                s->pub.why.code = 0;
        set_state(s, HB_SEAT_UP);
}

/* ---- what its connection says ---- */

static void on_up(void *arg) {
        struct seat *s = arg;

        s->connected = s->again = true;
        s->forgiven = s->polling = s->last_words = false;
        s->under_way = s->detailed = 0;
        s->said_ns = s->w->now_ns;
        ask_ticks(s);
}

static void on_down(void *arg, const struct hb_err *why) {
        struct seat *s = arg;
        bool was_up = s->connected;

        s->connected = false;
        s->watch_id = 0;
        s->under_way = s->detailed = 0;
        if (!s->last_words)
                s->pub.why = *why;
        s->last_words = false;
        if (!s->forgiven)
                set_state(s, s->pub.heard_ns ? HB_SEAT_LOST : HB_SEAT_CONNECTING);
        s->w->changed = true;
        if (!was_up)
                return;
        hb_world_details_lost(s, why);
        hb_world_orders_lost(s, why->what);
}

/* The daemon will not give ticks: an older one, or one that cannot now. */
static void refused(struct seat *s, const json_t *msg) {
        int code = hb_ctl_error_from(json_object_get(msg, "error"), &s->pub.why);

        s->watch_id = 0;
        s->ask_ns = s->w->now_ns + ASK_AGAIN_NS;
        s->w->changed = true;
        if (code != -EPROTONOSUPPORT || s->polling)
                return;
        s->polling = true;
        s->ask_ns = s->w->now_ns;
        hb_err_set(&s->pub.why, code, s->pub.label, "upgrade harbingerd there for events and cheaper looking",
                   "harbingerd there is older than this console: it is asked for its status instead");
}

static void take_watch(struct seat *s, const json_t *msg) {
        json_t *p = json_object_get(msg, s->polling ? "result" : "progress");

        if (json_is_object(p)) {
                s->said_ns = s->w->now_ns;
                take_tick(s, p);
                if (s->polling) {
                        s->watch_id = 0;
                        s->ask_ns = s->w->now_ns + NS_PER_S * s->w->options.every;
                }
        } else if (json_is_false(json_object_get(msg, "ok"))) {
                s->said_ns = s->w->now_ns;
                refused(s, msg);
        } else { /* ended: a watch never is */
                s->watch_id = 0;
                s->ask_ns = s->w->now_ns + ASK_AGAIN_NS;
        }
}

static void on_message(void *arg, json_t *msg) {
        struct seat *s = arg;
        const json_t *num = json_object_get(msg, "id");
        json_int_t id = json_is_integer(num) ? json_integer_value(num) : -1;

        if (s->doomed || id < 0 || id > INT32_MAX)
                return;
        if (id == 0) { /* said before it hangs up */
                s->last_words = hb_ctl_error_from(json_object_get(msg, "error"), &s->pub.why) < 0;
                return;
        }
        if (id == s->watch_id)
                take_watch(s, msg);
        else if (!hb_world_details_answer(s, (int)id, msg))
                hb_world_orders_message(s, (int)id, msg);
}

/* ---- life ---- */

int hb_world_seat_new(hb_world *w, const char *path, int fd, const char *label, struct seat **ret,
                      struct hb_err *e) {
        struct seat *s = hb_fault("world.seat") ? NULL : calloc(1, sizeof(*s));
        struct hb_conn_use use = {on_up, on_message, on_down, s};
        int r;

        if (!s)
                return hb_err_set(e, -ENOMEM, label, NULL, "no memory for another host");
        s->w = w;
        s->next_id = 1;
        s->ask_ns = INT64_MAX;
        s->tick_time = NAN;
        s->pub.since_ns = w->now_ns;
        hb_world_copy_text(s->pub.label, sizeof(s->pub.label), label);
        hb_world_copy_text(s->pub.socket, sizeof(s->pub.socket), path ? path : "");
        r = path ? hb_conn_new(path, &use, &s->conn, e) : hb_conn_new_fd(fd, &use, &s->conn, e);
        if (r < 0) {
                hb_world_seat_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

struct seat *hb_world_seat_free(struct seat *s) {
        if (!s)
                return NULL;
        hb_world_orders_fini(s);
        hb_conn_free(s->conn);
        json_decref(s->tick);
        free(s);
        return NULL;
}

/* ---- time ---- */

static void hear_silence(struct seat *s) {
        int64_t quiet = s->w->now_ns - s->said_ns, allowed = s->w->options.silent_ns;

        if (quiet < allowed)
                return;
        if (s->pub.state != HB_SEAT_SILENT) {
                hb_err_set(&s->pub.why, -ETIMEDOUT, s->pub.label,
                           "systemctl status harbingerd there; it is dialled again by itself",
                           "harbingerd is connected but says nothing");
                set_state(s, HB_SEAT_SILENT);
        }
        if (quiet >= 3 * allowed) {
                s->forgiven = true;
                hb_conn_redial(s->conn, "is connected but says nothing");
        }
}

void hb_world_seat_pump(struct seat *s, bool *ret_more) {
        *ret_more |= hb_conn_pump(s->conn, s->revents, s->w->now_ns);
        s->pub.bytes = hb_conn_bytes(s->conn);
        if (s->forgiven && !s->connected && !hb_conn_is_up(s->conn) &&
            hb_conn_wake_ns(s->conn) > s->w->now_ns) { /* dialling it again failed: this is loss */
                s->forgiven = false;
                set_state(s, s->pub.heard_ns ? HB_SEAT_LOST : HB_SEAT_CONNECTING);
        }
        if (!s->connected || s->doomed)
                return;
        if (s->w->now_ns >= s->ask_ns)
                ask_ticks(s);
        hb_world_orders_send(s);
        hear_silence(s);
}

int64_t hb_world_seat_wake(const struct seat *s) {
        int64_t wake = hb_conn_wake_ns(s->conn), allowed = s->w->options.silent_ns, t;

        if (!s->connected)
                return wake;
        if (s->ask_ns < wake)
                wake = s->ask_ns;
        t = s->said_ns + (s->pub.state == HB_SEAT_SILENT ? 3 * allowed : allowed);
        return t < wake ? t : wake;
}
