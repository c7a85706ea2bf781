/* migrate_cold: a move without placement makes one first; what it transfers counts as transferred after the
 * request. While the placement is being opened the guest, the placement or the host may go, and another move
 * may begin: all is looked at again before this one does. */
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/migrate.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 20
#define OPEN_NS (30 * HB_NS_PER_S)

struct hb_cold {
        struct hb_cold *next;
        hb_daemon *d;
        char guest[HB_NAME_MAX], host[HB_NAME_MAX];
        uint8_t placement[HB_ID_SIZE];
        int max_downtime_ms, timeout_s;
        hb_request *request;
        struct event *poll;
        uint64_t asked_ns;
};

static void cold_free(struct hb_cold *c) {
        for (struct hb_cold **p = &c->d->colds; *p; p = &(*p)->next)
                if (*p == c) {
                        *p = c->next;
                        break;
                }
        if (c->poll)
                event_free(c->poll);
        free(c);
}

static void fail(struct hb_cold *c, const struct hb_err *e) {
        hb_daemon_event_err(c->d, HB_LOG_WARNING, HB_ON_MIGRATION, c->guest, c->host,
                            "a move without a placement does not begin", e);
        hb_request_fail(c->request, e);
        cold_free(c);
}

/* The placement this move made, while it is there. */
static struct hb_outgoing *its_placement(const struct hb_cold *c, struct hb_guest **ret_guest) {
        struct hb_guest *g = hb_guest_find(c->d, c->guest);
        *ret_guest = g;
        if (!g || !g->placement || memcmp(g->placement->id, c->placement, HB_ID_SIZE) != 0)
                return NULL;
        return g->placement;
}

static void go(struct hb_cold *c, struct hb_guest *g) {
        struct hb_err e;
        if (hb_migrate_check_start(g, c->host, &e) < 0) {
                if (!g->handover)
                        hb_outgoing_free(g->placement, true);
                fail(c, &e);
                return;
        }
        struct hb_handover *h = hb_migrate_begin(g, c->max_downtime_ms, c->timeout_s, c->request);
        if (h) {
                h->cold = true;
                h->fig.asked_ns = c->asked_ns;
                h->fig.at_request = (struct hb_msg_report){0};
                h->fig.placement_s = 0;
        }
        cold_free(c);
}

static void on_poll(evutil_socket_t fd, short what, void *arg) {
        struct hb_cold *c = arg;
        struct hb_guest *g;
        struct hb_outgoing *p = its_placement(c, &g);
        struct hb_err e;
        if (p && hb_outgoing_usable(p) && p->have_report) {
                go(c, g);
                return;
        }
        bool refused = p && p->state == HB_OUT_LOST && p->last_error.code;
        if (p && !refused && hb_now_ns() - c->asked_ns < OPEN_NS)
                return;
        if (refused)
                e = p->last_error;
        else
                hb_err_set(&e, p ? -ETIMEDOUT : -ECANCELED, c->guest, "harbinger status",
                           p ? "no placement could be opened for the move"
                             : "the placement made for the move was given up");
        if (p)
                hb_outgoing_free(p, true);
        fail(c, &e);
}

static struct hb_cold *cold_new(struct hb_guest *g, const char *host) {
        struct timeval tv = hb_timeval(hb_ms_to_ns(POLL_MS));
        struct hb_cold *c = calloc(1, sizeof *c);
        if (!c)
                return NULL;
        c->d = g->d;
        c->asked_ns = hb_now_ns();
        snprintf(c->guest, sizeof c->guest, "%s", g->name);
        snprintf(c->host, sizeof c->host, "%s", host);
        c->next = c->d->colds;
        c->d->colds = c;
        c->poll = event_new(c->d->base, -1, EV_PERSIST, on_poll, c);
        if (c->poll && event_add(c->poll, &tv) == 0)
                return c;
        cold_free(c);
        return NULL;
}

void hb_migrate_cold(struct hb_guest *g, const char *host, int max_downtime_ms, int timeout_s,
                     hb_request *r) {
        struct hb_err e;
        struct hb_cold *c = cold_new(g, host);
        if (!c) {
                hb_err_set(&e, -ENOMEM, g->name, NULL, "no memory for a hand-over");
                hb_request_fail(r, &e);
                return;
        }
        c->max_downtime_ms = max_downtime_ms;
        c->timeout_s = timeout_s;
        c->request = r;
        if (hb_outgoing_new(g, host, NULL, &e) < 0) {
                fail(c, &e);
                return;
        }
        memcpy(c->placement, g->placement->id, HB_ID_SIZE);
        g->placement->draining = true; /* from its first message on */
}

void hb_migrate_colds_free(hb_daemon *d) {
        struct hb_err e;
        while (d->colds) {
                hb_err_set(&e, -ECANCELED, d->colds->guest, "harbinger status",
                           "the daemon stopped while the move was being prepared");
                fail(d->colds, &e);
        }
}
