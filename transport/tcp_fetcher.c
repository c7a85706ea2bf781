/* tcp_fetcher: the queue of wanted runs and the connections that empty it.
 *
 * Invariant: an accepted fetch is in exactly one place: a queue, a connection's slot, or on its way into
 * done(). The queues are non-empty only while a connection is active, so nothing waits for a connection that
 * may never come. The lead (oldest) connection carries urgent fetches only, as soon as there is a second one;
 * others take an urgent one only when the lead's slots are full. Bulk never fills a connection's slots: a few
 * are for urgent ones alone, so that these go out at once on the only connection too. One lock for queues and
 * the list of connections, never held across I/O or a callback. The connection's own work is in
 * tcp_fetcher_conn.c. */
#include "transport/tcp_fetcher.h"
#include "base/clock.h"
#include "base/fault.h"
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#define WINDOW_DEFAULT 16u
#define QUEUE_DEFAULT  1024u

#define CORES_PER_CONNECTION 4u
#define AUTO_MIN             2u
#define AUTO_MAX             8u

static void push(struct hb_fetch_queue *q, struct hb_fetch *f) {
        f->next = NULL;
        if (q->last)
                q->last->next = f;
        else
                q->first = f;
        q->last = f;
        q->n++;
}

static struct hb_fetch *pop(struct hb_fetch_queue *q) {
        struct hb_fetch *f = q->first;

        if (!f)
                return NULL;
        q->first = f->next;
        if (!q->first)
                q->last = NULL;
        q->n--;
        f->next = NULL;
        return f;
}

/* ---- what connections ask; all with the lock held ---- */

static bool lead_is_full(const hb_tcp_fetcher *t) {
        return t->active && t->active->in_flight >= t->slots;
}

static bool carries_urgent(const hb_tcp_fetcher *t, const struct hb_fetch_conn *c) {
        return c->in_flight < t->slots && (c == t->active || lead_is_full(t));
}

bool hb_tcp_fetcher_is_lead(const hb_tcp_fetcher *t, const struct hb_fetch_conn *c) {
        return c == t->active && c->next_active;
}

static bool carries_bulk(const hb_tcp_fetcher *t, const struct hb_fetch_conn *c) {
        return c->in_flight < t->window && !hb_tcp_fetcher_is_lead(t, c);
}

bool hb_tcp_fetcher_batch_due(const hb_tcp_fetcher *t, const struct hb_fetch_conn *c) {
        return c->in_flight + t->window / 4 <= t->window && carries_bulk(t, c);
}

bool hb_tcp_fetcher_has_work(const hb_tcp_fetcher *t, const struct hb_fetch_conn *c) {
        return (t->urgent.first && carries_urgent(t, c)) || (t->bulk.first && hb_tcp_fetcher_batch_due(t, c));
}

struct hb_fetch *hb_tcp_fetcher_pop(hb_tcp_fetcher *t, struct hb_fetch_conn *c, bool bulk) {
        struct hb_fetch *f = carries_urgent(t, c) ? pop(&t->urgent) : NULL;

        return f || !bulk || !carries_bulk(t, c) ? f : pop(&t->bulk);
}

static void wake_if_idle(struct hb_fetch_conn *c, bool *woken) {
        if (*woken || !c->sleeping)
                return;
        c->sleeping = false;
        hb_data_io_wake(&c->io);
        *woken = true;
}

/* One idle connection that may take the fetch just queued. */
static void wake_one(hb_tcp_fetcher *t, bool urgent) {
        bool woken = false;

        for (struct hb_fetch_conn *c = t->active; c && !woken; c = c->next_active) {
                if (urgent ? carries_urgent(t, c) : hb_tcp_fetcher_batch_due(t, c))
                        wake_if_idle(c, &woken);
                if (urgent && c == t->active && !lead_is_full(t))
                        break; /* if it is awake it looks at the queue again before it sleeps */
        }
}

static void append_active(hb_tcp_fetcher *t, struct hb_fetch_conn *c) {
        struct hb_fetch_conn **at = &t->active;

        while (*at)
                at = &(*at)->next_active;
        *at = c;
        c->next_active = NULL;
}

void hb_tcp_fetcher_leave(hb_tcp_fetcher *t, struct hb_fetch_conn *c, struct hb_fetch_queue *orphans) {
        struct hb_fetch_conn **at = &t->active;
        struct hb_fetch *f;

        while (*at && *at != c)
                at = &(*at)->next_active;
        if (*at)
                *at = c->next_active;
        while (!t->active && ((f = pop(&t->urgent)) || (f = pop(&t->bulk))))
                push(orphans, f);
        for (struct hb_fetch_conn *o = t->active; o; o = o->next_active) {
                bool woken = false;

                wake_if_idle(o, &woken); /* roles may have changed */
        }
}

void hb_fetch_queue_push(struct hb_fetch_queue *q, struct hb_fetch *f) {
        push(q, f);
}

/* ---- without the lock ---- */

void hb_tcp_fetcher_done(hb_tcp_fetcher *t, struct hb_fetch *f, int status) {
        f->status = status;
        if (status < 0 && status != -ECONNRESET)
                hb_link_meter_error(&t->meter);
        t->cb.done(t->cb.arg, f);
}

void hb_tcp_fetcher_fail_all(hb_tcp_fetcher *t, struct hb_fetch_queue *q) {
        struct hb_fetch *f;

        while ((f = pop(q)))
                hb_tcp_fetcher_done(t, f, -ECONNRESET);
}

/* Reports what is true now, in order: two threads may see connections come and go at the same time. */
void hb_tcp_fetcher_tell_state(hb_tcp_fetcher *t) {
        bool now;

        pthread_mutex_lock(&t->state_lock);
        pthread_mutex_lock(&t->lock);
        now = t->active != NULL;
        pthread_mutex_unlock(&t->lock);
        if (now != t->told_connected && t->cb.state)
                t->cb.state(t->cb.arg, now);
        t->told_connected = now;
        pthread_mutex_unlock(&t->state_lock);
}

/* ---- ops ---- */

static int fetch(hb_fetcher *h, struct hb_fetch *f) {
        hb_tcp_fetcher *t = (hb_tcp_fetcher *)h;
        struct hb_fetch_queue *q = f->urgent ? &t->urgent : &t->bulk;
        int rc = 0;

        if (f->pages == 0 || f->pages > HB_FETCH_MAX_PAGES)
                return -EINVAL;
        if (hb_fault("tcp_fetcher.fetch"))
                return -EAGAIN;
        pthread_mutex_lock(&t->lock);
        if (t->closed || !t->active)
                rc = -ENOTCONN;
        else if (q->n >= t->queue_max)
                rc = -EAGAIN;
        else {
                push(q, f);
                wake_one(t, f->urgent);
        }
        pthread_mutex_unlock(&t->lock);
        return rc;
}

static void close_fetcher(hb_fetcher *h) {
        hb_tcp_fetcher *t = (hb_tcp_fetcher *)h;

        hb_crew_close(&t->crew);
        pthread_mutex_lock(&t->lock);
        t->closed = true;
        for (struct hb_fetch_conn *c = t->active; c; c = c->next_active)
                hb_data_io_cut(&c->io);
        pthread_mutex_unlock(&t->lock);
}

static hb_fetcher *fini(hb_fetcher *h) {
        hb_tcp_fetcher *t = (hb_tcp_fetcher *)h;

        if (!t)
                return NULL;
        close_fetcher(h);
        hb_crew_fini(&t->crew);
        hb_link_meter_fini(&t->meter);
        pthread_mutex_destroy(&t->lock);
        pthread_mutex_destroy(&t->state_lock);
        free(t);
        return NULL;
}

static const struct hb_fetcher_ops ops = {
        .name = "tcp", .fetch = fetch, .close = close_fetcher, .fini = fini};

unsigned hb_tcp_connections(int setting) {
        cpu_set_t set;
        unsigned n;

        if (setting > 0)
                return (unsigned)setting;
        n = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 4;
        n = 1 + n / CORES_PER_CONNECTION;
        return n < AUTO_MIN ? AUTO_MIN : n > AUTO_MAX ? AUTO_MAX : n;
}

int hb_tcp_fetcher_new(const struct hb_tcp_fetcher_options *o, const struct hb_fetcher_callbacks *cb,
                       hb_fetcher **ret, struct hb_err *e) {
        hb_tcp_fetcher *t = hb_fault("tcp_fetcher.new") ? NULL : calloc(1, sizeof(*t));

        if (!t)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory for the page transport");
        t->head.ops = &ops;
        t->cb = *cb;
        t->options = *o;
        t->window = o->window_per_conn ? o->window_per_conn : WINDOW_DEFAULT;
        if (t->window > HB_FETCH_WINDOW_MAX)
                t->window = HB_FETCH_WINDOW_MAX;
        t->slots = t->window + HB_URGENT_SLOTS;
        t->queue_max = o->queue_max ? o->queue_max : QUEUE_DEFAULT;
        pthread_mutex_init(&t->lock, NULL);
        pthread_mutex_init(&t->state_lock, NULL);
        hb_crew_init(&t->crew, hb_fetch_conn_run, hb_fetch_conn_release);
        hb_link_meter_init(&t->meter, hb_now_ns());
        *ret = &t->head;
        return 0;
}

int hb_tcp_fetcher_add(hb_fetcher *h, struct hb_data_conn *conn) {
        hb_tcp_fetcher *t = (hb_tcp_fetcher *)h;
        struct hb_fetch_conn *c;
        int rc = hb_data_conn_ready(conn);

        if (rc < 0) {
                hb_data_conn_close(conn);
                return rc;
        }
        rc = hb_fetch_conn_new(t, conn, &c);
        if (rc < 0)
                return rc;
        pthread_mutex_lock(&t->lock);
        rc = t->closed ? -ESHUTDOWN : hb_crew_add(&t->crew, &c->member);
        if (rc == 0)
                append_active(t, c);
        pthread_mutex_unlock(&t->lock);
        if (rc < 0)
                hb_fetch_conn_release(&c->member);
        return rc;
}

void hb_tcp_fetcher_stats(hb_fetcher *h, struct hb_link_stats *ret) {
        hb_tcp_fetcher *t = (hb_tcp_fetcher *)h;

        hb_link_meter_get(&t->meter, hb_now_ns(), ret);
}
