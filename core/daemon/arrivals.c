/* arrivals: sessions that were accepted and have not said what they want, and data connections looking for
 * their placement. A host must be in our settings to be heard at all: a certificate of the cluster's CA alone
 * opens nothing; and it has so many sessions without a placement, each for so long. */
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/incoming.h"
#include "daemon/migrate.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OF_A_HOST 256u
#define IDLE_NS       (60 * HB_NS_PER_S)

struct hb_arrival {
        struct hb_arrival *next;
        hb_daemon *d;
        hb_session *session;
        struct event *idle; /* it says nothing */
};

static void arrival_free(struct hb_arrival *a, bool with_session) {
        for (struct hb_arrival **p = &a->d->arrivals; *p; p = &(*p)->next)
                if (*p == a) {
                        *p = a->next;
                        break;
                }
        if (a->idle)
                event_free(a->idle);
        if (with_session)
                hb_session_free(a->session);
        free(a);
}

static void turn_away(struct hb_arrival *a, const struct hb_err *why) {
        hb_session *s = a->session;
        hb_daemon_event_err(a->d, HB_LOG_WARNING, HB_ON_NETWORK, NULL, hb_session_host(s),
                            "turning a host away", why);
        arrival_free(a, false);
        hb_session_refuse(s, why);
}

static void on_idle(evutil_socket_t fd, short what, void *arg) {
        struct hb_arrival *a = arg;
        struct hb_err e;
        hb_err_set(&e, -ETIMEDOUT, hb_session_host(a->session), NULL, "a session that asks for nothing");
        turn_away(a, &e);
}

static void rest(struct hb_arrival *a) {
        struct timeval tv = hb_timeval(IDLE_NS);
        event_add(a->idle, &tv);
}

static void on_message(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *payload, size_t size) {
        struct hb_arrival *a = arg;
        hb_daemon *d = a->d;
        struct hb_err e;
        rest(a);
        switch (type) {
        case HB_MSG_PLACE:
                arrival_free(a, false);
                hb_incoming_place(d, s, payload, size);
                return;
        case HB_MSG_QUERY:
        case HB_MSG_COMMIT:
                hb_migrate_query(d, s, type, payload, size);
                return;
        case HB_MSG_UNPLACE: /* of a placement that is gone already */
                hb_session_send(s, HB_MSG_UNPLACED, NULL, 0);
                return;
        case HB_MSG_SUMMARY:
        case HB_MSG_INVALIDATE:
        case HB_MSG_ZERO:
        case HB_MSG_DRAIN:
        case HB_MSG_TAGS:
        case HB_MSG_PRINTS:
        case HB_MSG_ABORT:
                return; /* was under way when its placement ended here */
        default:
                hb_err_set(&e, -EPROTO, hb_session_host(s), NULL, "a %s message without a placement",
                           hb_msg_name(type));
                turn_away(a, &e);
        }
}

static void on_closed(void *arg, hb_session *s, const struct hb_err *why) {
        arrival_free(arg, true);
}

static const struct hb_session_callbacks arrival_cb = {NULL, on_message, on_closed};

void hb_arrival_adopt(hb_daemon *d, hb_session *s) {
        struct hb_arrival *a = calloc(1, sizeof *a);
        if (a)
                a->idle = event_new(d->base, -1, 0, on_idle, a);
        if (!a || !a->idle) {
                free(a);
                hb_session_free(s);
                return;
        }
        a->d = d;
        a->session = s;
        a->next = d->arrivals;
        d->arrivals = a;
        hb_session_set(s, &arrival_cb, a);
        rest(a);
}

static unsigned count_of(const hb_daemon *d, const char *host) {
        unsigned n = 0;
        for (const struct hb_arrival *a = d->arrivals; a; a = a->next)
                n += strcmp(hb_session_host(a->session), host) == 0;
        return n;
}

static bool unknown_host(const hb_daemon *d, const char *host, struct hb_err *e) {
        if (hb_settings_host(d->settings, host))
                return false;
        hb_err_set(e, -EACCES, host, "add a [host.NAME] section for it to this host's settings and reload",
                   "host %s does not know this host", d->settings->name);
        return true;
}

static void on_session(void *arg, hb_session *s) {
        hb_daemon *d = arg;
        struct hb_err e = {0};
        const char *host = hb_session_host(s);
        if (!unknown_host(d, host, &e) && count_of(d, host) >= MAX_OF_A_HOST)
                hb_err_set(&e, -EBUSY, host, "look what that host is doing",
                           "%u sessions of this host have asked for nothing yet", MAX_OF_A_HOST);
        if (!e.code) {
                hb_arrival_adopt(d, s);
                return;
        }
        hb_daemon_event_err(d, HB_LOG_WARNING, HB_ON_NETWORK, NULL, host, "turning a host away", &e);
        hb_session_refuse(s, &e);
}

static int on_data(void *arg, struct hb_data_conn *c) {
        struct hb_incoming *in = hb_incoming_by_token(arg, c->token);
        return in ? hb_incoming_data(in, c) : -EACCES;
}

static void on_note(void *arg, const struct hb_err *why) {
        hb_daemon_event_err(arg, HB_LOG_WARNING, HB_ON_NETWORK, NULL, NULL, "connection turned away", why);
}

const struct hb_listener_callbacks hb_arrival_callbacks = {on_session, on_data, on_note, NULL};

void hb_arrivals_free(hb_daemon *d) {
        while (d->arrivals)
                arrival_free(d->arrivals, true);
}

void hb_arrivals_recheck(hb_daemon *d) {
        struct hb_arrival *a = d->arrivals;
        struct hb_err e;
        while (a) {
                struct hb_arrival *next = a->next;
                if (unknown_host(d, hb_session_host(a->session), &e))
                        turn_away(a, &e);
                a = next;
        }
}
