/* arrivals: sessions that were accepted and have not said what they want, and data connections looking for
 * their placement. A host must be in our settings to be heard at all: a certificate of the cluster's CA alone
 * opens nothing. */
#include "base/log.h"
#include "daemon/incoming.h"
#include "daemon/migrate.h"
#include <errno.h>
#include <stdlib.h>

struct hb_arrival {
        struct hb_arrival *next;
        hb_daemon *d;
        hb_session *session;
};

static void arrival_free(struct hb_arrival *a, bool with_session) {
        for (struct hb_arrival **p = &a->d->arrivals; *p; p = &(*p)->next)
                if (*p == a) {
                        *p = a->next;
                        break;
                }
        if (with_session)
                hb_session_free(a->session);
        free(a);
}

static void on_message(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *payload, size_t size) {
        struct hb_arrival *a = arg;
        hb_daemon *d = a->d;
        struct hb_err e;
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
        case HB_MSG_ABORT:
                return; /* was under way when its placement ended here */
        default:
                hb_err_set(&e, -EPROTO, hb_session_host(s), NULL, "a %s message without a placement",
                           hb_msg_name(type));
                hb_log_err(HB_LOG_WARNING, "peer", &e);
                arrival_free(a, false);
                hb_session_refuse(s, &e);
        }
}

static void on_closed(void *arg, hb_session *s, const struct hb_err *why) {
        arrival_free(arg, true);
}

static const struct hb_session_callbacks arrival_cb = {NULL, on_message, on_closed};

void hb_arrival_adopt(hb_daemon *d, hb_session *s) {
        struct hb_arrival *a = calloc(1, sizeof *a);
        if (!a) {
                hb_session_free(s);
                return;
        }
        a->d = d;
        a->session = s;
        a->next = d->arrivals;
        d->arrivals = a;
        hb_session_set(s, &arrival_cb, a);
}

static void on_session(void *arg, hb_session *s) {
        hb_daemon *d = arg;
        if (!hb_settings_host(d->settings, hb_session_host(s))) {
                struct hb_err e;
                hb_err_set(&e, -EACCES, hb_session_host(s),
                           "add a [host.NAME] section for it to this host's settings and reload",
                           "host %s does not know this host", d->settings->name);
                hb_log_err(HB_LOG_WARNING, "turning a host away", &e);
                hb_session_refuse(s, &e);
                return;
        }
        hb_arrival_adopt(d, s);
}

static int on_data(void *arg, struct hb_data_conn *c) {
        struct hb_incoming *in = hb_incoming_by_token(arg, c->token);
        return in ? hb_incoming_data(in, c) : -EACCES;
}

static void on_note(void *arg, const struct hb_err *why) {
        hb_log_err(HB_LOG_WARNING, "connection turned away", why);
}

const struct hb_listener_callbacks hb_arrival_callbacks = {on_session, on_data, on_note, NULL};

void hb_arrivals_free(hb_daemon *d) {
        while (d->arrivals)
                arrival_free(d->arrivals, true);
}
