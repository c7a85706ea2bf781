/* waiter: a list on the placement; each has its own time-out and a progress object a second. A lost session
 * is no failure of the wait (the placement reconnects) unless the target refused for good. */
#include "daemon/waiter.h"
#include "base/clock.h"
#include <errno.h>
#include <stdlib.h>

#define MAX_WAITERS 64u

struct hb_waiter {
        struct hb_waiter *next;
        struct hb_outgoing *p;
        hb_request *request;
        struct event *timeout, *progress;
};

static void waiter_free(struct hb_waiter *w) {
        for (struct hb_waiter **x = &w->p->waiters; *x; x = &(*x)->next)
                if (*x == w) {
                        *x = w->next;
                        break;
                }
        if (w->timeout)
                event_free(w->timeout);
        if (w->progress)
                event_free(w->progress);
        free(w);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg) {
        struct hb_waiter *w = arg;
        struct hb_err e;
        hb_err_set(&e, -ETIMEDOUT, w->p->g->name, "the placement goes on; look with: harbinger status",
                   "the placement on %s is not ready yet (%llu pages absent, %llu stale)%s%s", w->p->host,
                   (unsigned long long)w->p->report.absent, (unsigned long long)w->p->report.stale,
                   w->p->last_error.code ? "; last trouble: " : "",
                   w->p->last_error.code ? w->p->last_error.what : "");
        hb_request_fail(w->request, &e);
        waiter_free(w);
}

static void on_progress(evutil_socket_t fd, short what, void *arg) {
        struct hb_waiter *w = arg;
        if (hb_request_alive(w->request)) {
                hb_request_progress(w->request, hb_outgoing_json(w->p));
                return;
        }
        struct hb_err e;
        hb_err_set(&e, -ECANCELED, w->p->g->name, NULL, "nobody waits any more");
        hb_request_fail(w->request, &e);
        waiter_free(w);
}

static int waiter_new(struct hb_outgoing *p, hb_request *r, double timeout_s) {
        struct timeval second = {1, 0}, limit = hb_timeval((uint64_t)(timeout_s * 1e9));
        struct hb_waiter *w = calloc(1, sizeof *w);
        if (!w)
                return -ENOMEM;
        w->p = p;
        w->next = p->waiters;
        p->waiters = w;
        w->timeout = event_new(p->d->base, -1, 0, on_timeout, w);
        w->progress = event_new(p->d->base, -1, EV_PERSIST, on_progress, w);
        if (!w->timeout || !w->progress || (timeout_s > 0 && event_add(w->timeout, &limit) < 0) ||
            event_add(w->progress, &second) < 0) {
                waiter_free(w);
                return -ENOMEM;
        }
        w->request = r;
        return 0;
}

void hb_outgoing_wait(struct hb_outgoing *p, hb_request *r, double timeout_s) {
        unsigned n = 0;
        struct hb_err e = {0};
        for (const struct hb_waiter *w = p->waiters; w; w = w->next)
                n++;
        if (n >= MAX_WAITERS)
                hb_err_set(&e, -EBUSY, p->g->name, "harbinger status shows how it stands",
                           "%u others wait for this placement already", n);
        else if (waiter_new(p, r, timeout_s) < 0)
                hb_err_set(&e, -ENOMEM, p->g->name, NULL, "no memory to wait");
        if (e.code)
                hb_request_fail(r, &e);
        else
                hb_waiters_check(p);
}

void hb_waiters_check(struct hb_outgoing *p) {
        if (!p->report.ready || p->state != HB_OUT_OPEN || !p->have_report)
                return;
        while (p->waiters) {
                struct hb_waiter *w = p->waiters;
                hb_request_ok(w->request, hb_outgoing_json(p));
                waiter_free(w);
        }
}

/* What trying again will not change by itself. */
static bool final_refusal(int code) {
        return code == -EACCES || code == -EEXIST || code == -EPROTONOSUPPORT || code == -ENOSPC ||
               code == -ECANCELED || code == -ESRCH || code == -EINVAL;
}

void hb_waiters_failed(struct hb_outgoing *p, const struct hb_err *e) {
        if (!final_refusal(e->code))
                return;
        while (p->waiters) {
                struct hb_waiter *w = p->waiters;
                hb_request_fail(w->request, e);
                waiter_free(w);
        }
}
