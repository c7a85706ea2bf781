/* rdma_fetcher_loop: the fetcher's thread: take what was asked, poll what has arrived, post what may be
 * posted, sleep.
 *
 * It polls a while after the last thing happened (a completion is microseconds away and a wake-up costs
 * more), then arms the queue, polls once more (what came between must not be slept over) and sleeps in
 * poll(). fetch() wakes it only when it sleeps. When it ends: queue pairs first, so that the device touches
 * nothing of ours any more, then memory, then done() for everything that was accepted, then state(false). */
#include "base/clock.h"
#include "rdma/rdma_fetcher.h"
#include <errno.h>

#define SPIN_NS      (20 * 1000ull)
#define POLL         16
#define STAGED_MAX   160u
#define STAGED_PAGES 4096u
#define HELLO_NS     (5 * HB_NS_PER_S)

static void end(hb_rdma_fetcher *t, int code, const char *what) {
        struct hb_err e;

        hb_err_set(&e, code, NULL, NULL, "%s", what);
        hb_rdma_fetcher_end(t, &e);
}

/* ---- what was asked ---- */

/* Takes at most what keeps the pipe full: the rest stays queued, where an urgent fetch passes it and -EAGAIN
 * shows. */
static void take_list(hb_rdma_fetcher *t, struct hb_fetch_list *from, struct hb_fetch_list *to,
                      unsigned most) {
        struct hb_fetch *f;

        while (from->n > 0 && t->staged < most && t->staged_pages < STAGED_PAGES &&
               (f = hb_fetch_list_pop(from))) {
                hb_fetch_list_push(to, f);
                f->status = 0;
                f->wire_bytes = f->zero_mask = 0;
                t->staged++;
                t->staged_pages += f->pages;
                __atomic_fetch_sub(&t->queued, 1, __ATOMIC_RELAXED);
        }
}

static void take(hb_rdma_fetcher *t) {
        if (__atomic_load_n(&t->queued, __ATOMIC_RELAXED) == 0 || t->staged >= 2 * STAGED_MAX)
                return;
        pthread_mutex_lock(&t->lock);
        take_list(t, &t->urgent, &t->fresh_urgent, 2 * STAGED_MAX);
        take_list(t, &t->bulk, &t->fresh_bulk, STAGED_MAX);
        pthread_mutex_unlock(&t->lock);
}

/* ---- what has arrived ---- */

static void message(hb_rdma_fetcher *t, const struct ibv_wc *wc) {
        struct hb_rdma_msg m;

        if (hb_rdma_end_received(&t->end, wc, &m) < 0)
                end(t, -EBADMSG, "the source sent something over RDMA that is no message");
        else
                hb_lent_message(t, &m);
}

static void completed(hb_rdma_fetcher *t, const struct ibv_wc *wc) {
        struct hb_err e;

        if (wc->status != IBV_WC_SUCCESS) {
                hb_rdma_work_err(wc, &e);
                hb_rdma_fetcher_end(t, &e);
                return;
        }
        switch ((enum hb_rdma_work)(wc->wr_id >> 56)) {
        case HB_RDMA_WORK_SEND:
                hb_rdma_end_sent(&t->end, wc->wr_id);
                break;
        case HB_RDMA_WORK_RECV:
                message(t, wc);
                break;
        case HB_RDMA_WORK_WORD:
                hb_reads_word_arrived(t);
                break;
        case HB_RDMA_WORK_READ:
                hb_reads_completed(t, (unsigned)(wc->wr_id >> 32) & 0xFF, (uint32_t)wc->wr_id);
                break;
        }
}

/* True: something was there. */
static bool drain(hb_rdma_fetcher *t) {
        struct ibv_wc wc[POLL];
        int n = ibv_poll_cq(t->end.cq, POLL, wc);

        if (n < 0)
                end(t, -EIO, "the RDMA device does not tell what it has completed");
        for (int i = 0; i < n && !t->err.code; i++)
                completed(t, &wc[i]);
        return n > 0;
}

static void connection_event(hb_rdma_fetcher *t) {
        struct hb_rdma_event ev;
        struct hb_err e;

        while (hb_rdma_next_event(t->end.channel, 0, &ev) == 0)
                if (hb_rdma_event_err(&ev, NULL, &e) < 0)
                        hb_rdma_fetcher_end(t, &e);
}

/* ---- the loop ---- */

static void tell(hb_rdma_fetcher *t, bool connected) {
        pthread_mutex_lock(&t->lock);
        t->connected = connected;
        pthread_mutex_unlock(&t->lock);
        t->told = connected;
        hb_link_meter_connected(&t->meter, connected ? 1 : -1);
        if (t->cb.state)
                t->cb.state(t->cb.arg, connected);
}

static void show(hb_rdma_fetcher *t) {
        t->stats.pinned_bytes = t->slab_bytes + t->direct_bytes;
        pthread_mutex_lock(&t->lock);
        t->shown = t->stats;
        pthread_mutex_unlock(&t->lock);
}

static bool closing(hb_rdma_fetcher *t) {
        bool closed;

        pthread_mutex_lock(&t->lock);
        closed = t->closed;
        pthread_mutex_unlock(&t->lock);
        return closed;
}

/* With the lock: a step would take something. */
static bool takeable(const hb_rdma_fetcher *t) {
        bool room = t->staged_pages < STAGED_PAGES;

        return room &&
               ((t->urgent.n > 0 && t->staged < 2 * STAGED_MAX) || (t->bulk.n > 0 && t->staged < STAGED_MAX));
}

static bool step(hb_rdma_fetcher *t) {
        bool any = drain(t);

        if (t->err.code)
                return true;
        if (t->hello && !t->told)
                tell(t, true);
        if (!t->hello)
                return any;
        take(t);
        hb_reads_issue(t);
        hb_reads_word(t);
        hb_lent_send_out(t);
        return any;
}

/* Nothing has come for a while: sleep until something does. */
static void sleep_on(hb_rdma_fetcher *t, uint64_t hello_end_ns) {
        bool cm, awake;
        int rc, ms = -1;

        show(t);
        if (ibv_req_notify_cq(t->end.cq, 0) != 0)
                end(t, -EIO, "the RDMA device gives no events");
        if (t->err.code || step(t))
                return;
        if (!t->hello)
                ms = hb_now_ns() > hello_end_ns ? 0 : (int)((hello_end_ns - hb_now_ns()) / 1000000) + 1;
        pthread_mutex_lock(&t->lock);
        awake = t->closed || (t->hello && takeable(t));
        t->sleeping = !awake;
        pthread_mutex_unlock(&t->lock);
        if (awake)
                return;
        rc = hb_rdma_end_wait(&t->end, ms, &cm);
        t->stats.wake_ups++;
        pthread_mutex_lock(&t->lock);
        t->sleeping = false;
        pthread_mutex_unlock(&t->lock);
        if (cm)
                connection_event(t);
        if (rc < 0)
                end(t, rc, "the RDMA connection cannot be waited for");
        else if (!t->hello && hb_now_ns() > hello_end_ns)
                end(t, -ETIMEDOUT, "the source did not begin the RDMA connection it had asked for");
}

static void wind_up(hb_rdma_fetcher *t) {
        struct hb_fetch_list left = {0};
        struct hb_fetch *f;

        hb_rdma_end_stop(&t->end);
        pthread_mutex_lock(&t->lock);
        t->connected = false;
        t->why = t->err;
        hb_fetch_list_append(&left, &t->urgent);
        hb_fetch_list_append(&left, &t->bulk);
        __atomic_store_n(&t->queued, 0, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&t->lock);
        for (f = left.first; f; f = f->next) {
                t->staged++;
                t->staged_pages += f->pages;
        }
        hb_reads_close(t);
        while ((f = hb_fetch_list_pop(&left)))
                hb_rdma_fetcher_done(t, f, -ECONNRESET);
        show(t);
}

void *hb_rdma_fetcher_main(void *arg) {
        hb_rdma_fetcher *t = arg;
        uint64_t quiet_ns = hb_now_ns() + SPIN_NS, hello_end_ns = hb_now_ns() + HELLO_NS, now;

        while (!t->err.code && !closing(t)) {
                bool any = step(t);

                now = hb_now_ns();
                if (!any && (now > quiet_ns || (t->staged == 0 && !t->word_in_flight))) {
                        sleep_on(t, hello_end_ns);
                        any = true; /* whatever woke it, more may follow at once */
                        now = hb_now_ns();
                }
                if (any)
                        quiet_ns = now + SPIN_NS;
        }
        if (!t->err.code)
                end(t, -ECANCELED, "closed");
        wind_up(t);
        if (t->told)
                tell(t, false);
        else if (!closing(t) && t->cb.state)
                t->cb.state(t->cb.arg, false); /* it never stood, and will not */
        return NULL;
}
