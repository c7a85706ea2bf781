/* migrate_doubt: questions and answers. Whoever is in doubt asks: on the placement's session when there is
 * one, else on a session dialled for the purpose. The answer comes from the live hand-over or from the
 * journal; where neither knows, the answer is made true first (a target records that it refuses). Only the
 * peer named in the record is answered. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/events.h"
#include "daemon/migrate.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REFUSED_OF_A_HOST 256u

/* ---- asking ---- */

static void send_query(struct hb_handover *h) {
        hb_handover_send(h, HB_MSG_QUERY, NULL, 0);
}

static void ask_ready(void *arg, hb_session *s) {
        struct hb_handover *h = arg;
        h->ask_ready = true;
        send_query(h);
}

static void ask_message(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *payload, size_t n) {
        struct hb_handover *h = arg;
        if (n >= HB_ID_SIZE && memcmp(payload, h->id, HB_ID_SIZE) == 0)
                hb_migrate_verdict(h, type, payload, n);
}

static void ask_closed(void *arg, hb_session *s, const struct hb_err *why) {
        struct hb_handover *h = arg;
        h->ask = hb_session_free(h->ask);
        h->ask_ready = false;
        char line[512];
        hb_daemon_event(h->d, HB_LOG_INFO, HB_ON_MIGRATION, h->guest, h->peer, NULL,
                        "hand-over of %s: asking %s: %s", h->guest, h->peer,
                        hb_err_line(why, line, sizeof line));
}

static const struct hb_session_callbacks ask_cb = {ask_ready, ask_message, ask_closed};

static bool placement_usable(const struct hb_handover *h) {
        if (h->role == HB_ROLE_SOURCE)
                return h->g && h->g->placement && hb_outgoing_usable(h->g->placement);
        return h->in && h->in->session;
}

void hb_migrate_ask(struct hb_handover *h) {
        if (placement_usable(h) || (h->ask && h->ask_ready)) {
                send_query(h);
                return;
        }
        if (h->ask)
                return; /* being dialled */
        const struct hb_host_settings *host = hb_settings_host(h->d->settings, h->peer);
        struct hb_err e;
        if (!host) {
                hb_err_set(&e, -ENOENT, h->peer, "put its [host.NAME] section back and reload",
                           "the settings no longer name this host");
                hb_daemon_event_err(h->d, HB_LOG_ERR, HB_ON_MIGRATION, h->guest, h->peer,
                                    "asking about a hand-over", &e);
        } else if (hb_session_dial(h->d->base, h->d->tls, h->peer, host->address, &ask_cb, h, &h->ask, &e) <
                   0) {
                hb_daemon_event_err(h->d, HB_LOG_INFO, HB_ON_MIGRATION, h->guest, h->peer,
                                    "asking about a hand-over", &e);
        }
}

void hb_migrate_ask_free(struct hb_handover *h) {
        h->ask = hb_session_free(h->ask);
        h->ask_ready = false;
}

void hb_migrate_verdict(struct hb_handover *h, enum hb_msg_type type, const uint8_t *payload, size_t n) {
        static const enum hb_ho_event of[] = {
                [HB_VERDICT_UNKNOWN] = HB_EV_VERDICT_UNKNOWN,
                [HB_VERDICT_PENDING] = HB_EV_VERDICT_PENDING,
                [HB_VERDICT_ABORTED] = HB_EV_VERDICT_ABORTED,
                [HB_VERDICT_COMMITTED] = HB_EV_VERDICT_COMMITTED,
                [HB_VERDICT_REFUSED] = HB_EV_VERDICT_REFUSED,
                [HB_VERDICT_DEAD] = HB_EV_VERDICT_DEAD,
        };
        if (type == HB_MSG_COMMIT && h->role == HB_ROLE_TARGET)
                hb_handover_event(h, HB_EV_MSG_COMMIT);
        else if (type == HB_MSG_LOADED && h->role == HB_ROLE_SOURCE)
                hb_handover_event(h, HB_EV_MSG_LOADED);
        else if (type == HB_MSG_COMMITTED && h->role == HB_ROLE_SOURCE)
                hb_handover_event(h, HB_EV_MSG_COMMITTED);
        else if (type == HB_MSG_VERDICT && n == HB_ID_SIZE + 1 && payload[HB_ID_SIZE] <= HB_VERDICT_DEAD)
                hb_handover_event(h, of[payload[HB_ID_SIZE]]);
}

/* ---- answering ---- */

static void answer(hb_session *s, const uint8_t *id, enum hb_ho_event ev) {
        uint8_t body[HB_ID_SIZE + 1];
        memcpy(body, id, HB_ID_SIZE);
        switch (ev) {
        case HB_EV_MSG_COMMIT:
                hb_session_send(s, HB_MSG_COMMIT, body, HB_ID_SIZE);
                return;
        case HB_EV_VERDICT_COMMITTED:
                body[HB_ID_SIZE] = HB_VERDICT_COMMITTED;
                break;
        case HB_EV_VERDICT_REFUSED:
                body[HB_ID_SIZE] = HB_VERDICT_REFUSED;
                break;
        case HB_EV_VERDICT_ABORTED:
                body[HB_ID_SIZE] = HB_VERDICT_ABORTED;
                break;
        case HB_EV_VERDICT_DEAD:
                body[HB_ID_SIZE] = HB_VERDICT_DEAD;
                break;
        default:
                body[HB_ID_SIZE] = HB_VERDICT_PENDING;
        }
        hb_session_send(s, HB_MSG_VERDICT, body, sizeof body);
}

/* Nobody here ever heard of it. A source would have recorded it before the first message, so the asker is a
 * source and we are the target: from now on this id is refused for good. */
struct refusals {
        const char *peer;
        unsigned n;
};

static int count_refusal(void *arg, const struct hb_journal_entry *j) {
        struct refusals *r = arg;
        r->n += !j->guest[0] && strcmp(j->peer, r->peer) == 0;
        return 0;
}

/* A source asks about a hand-over that we never heard of when our disk was lost, and seldom then. */
static bool asks_too_much(hb_daemon *d, const char *host) {
        struct refusals r = {.peer = host};
        return hb_journal_each(d->store, false, count_refusal, &r) < 0 || r.n >= MAX_REFUSED_OF_A_HOST;
}

static void refuse_unknown(hb_daemon *d, hb_session *s, const uint8_t *id) {
        struct hb_journal_entry j = {.wall_ns = hb_wall_ns()};
        struct hb_err e;
        if (asks_too_much(d, hb_session_host(s))) {
                hb_log(HB_LOG_DEBUG, "host %s asks about too many hand-overs that never were",
                       hb_session_host(s));
                return;
        }
        memcpy(j.id, id, HB_ID_SIZE);
        snprintf(j.peer, sizeof j.peer, "%s", hb_session_host(s));
        snprintf(j.state, sizeof j.state, "%s", hb_ho_state_name(HB_T_ABORTED));
        snprintf(j.detail, sizeof j.detail, "asked about before it was ever heard of: refused");
        if (hb_journal_put(d->store, &j, &e) < 0) {
                hb_daemon_event_err(d, HB_LOG_ERR, HB_ON_MIGRATION, NULL, hb_session_host(s),
                                    "recording a refusal", &e);
                return; /* no record, no answer: it will be asked again */
        }
        answer(s, id, HB_EV_VERDICT_REFUSED);
}

void hb_migrate_query(hb_daemon *d, hb_session *s, enum hb_msg_type type, const uint8_t *payload, size_t n) {
        if (n < HB_ID_SIZE)
                return;
        struct hb_handover *h = hb_handover_by_id(d, payload);
        if (h && strcmp(h->peer, hb_session_host(s)) != 0)
                return;
        if (type == HB_MSG_COMMIT) {
                if (h && h->role == HB_ROLE_TARGET)
                        hb_handover_event(h, HB_EV_MSG_COMMIT);
                return;
        }
        if (h) {
                answer(s, payload, hb_ho_answer(h->state));
                return;
        }
        struct hb_journal_entry j;
        int r = hb_journal_get(d->store, payload, &j);
        if (r == -ENOENT)
                refuse_unknown(d, s, payload);
        if (r < 0) /* cannot be read: it will be asked again */
                return;
        int state = hb_ho_state_from_name(j.state);
        if (strcmp(j.peer, hb_session_host(s)) == 0 && state >= 0)
                answer(s, payload, hb_ho_answer((enum hb_ho_state)state));
}

/* ---- the placement's link ---- */

void hb_migrate_link(struct hb_handover *h, bool up) {
        if (h)
                hb_handover_event(h, up ? HB_EV_LINK_BACK : HB_EV_LINK_LOST);
}
