/* rdma_server_loop: the source's thread. READs need nothing of it: it registers what is asked for, takes back
 * what must go, and sees the connection end. Asks are answered in order; when the bound is reached the
 * windows granted longest ago are recalled (a target that keeps to the budget it was told gives back by
 * itself what it used least, and is never recalled for room). Sleeps in poll(): nobody waits for it but for
 * registrations, which take longer than a wake-up. */
#include "base/clock.h"
#include "base/fault.h"
#include "rdma/rdma_server.h"
#include <errno.h>

#define POLL 16

static void end(hb_rdma_server *s, const struct hb_err *e) {
        if (!s->err.code)
                s->err = *e;
}

static void broke(hb_rdma_server *s, const char *what) {
        struct hb_err e;

        hb_err_set(&e, -EPROTO, NULL, NULL, "the target broke the protocol of page reads over RDMA: %s",
                   what);
        end(s, &e);
}

/* False: no buffer now. */
static bool say(hb_rdma_server *s, const struct hb_rdma_msg *m) {
        struct hb_err e;
        int rc = hb_rdma_end_send(&s->end, m);

        if (rc == 0 || rc == -EAGAIN)
                return rc == 0;
        hb_err_set(&e, -ECONNRESET, NULL, NULL, "a message could not be given to the RDMA device");
        end(s, &e);
        return false;
}

/* ---- messages ---- */

static void asked(hb_rdma_server *s, uint32_t window) {
        if (s->ask_n == HB_RDMA_ASKS)
                broke(s, "too many windows asked for at a time");
        else
                s->asks[(s->ask_head + s->ask_n++) % HB_RDMA_ASKS] = window;
}

/* One that was withdrawn under the target is no longer known; it may say so late. */
static void returned(hb_rdma_server *s, uint32_t window) {
        struct hb_held *h;

        pthread_mutex_lock(&s->lock);
        h = (struct hb_held *)hb_window_book_find(&s->held, window);
        if (h) {
                s->stats.returned++;
                hb_held_withdraw(s, h);
        }
        pthread_mutex_unlock(&s->lock);
}

static void completed(hb_rdma_server *s, const struct ibv_wc *wc) {
        struct hb_rdma_msg m;
        struct hb_err e;

        if (wc->status != IBV_WC_SUCCESS) {
                hb_rdma_work_err(wc, &e);
                end(s, &e);
                return;
        }
        if (wc->wr_id >> 56 == HB_RDMA_WORK_SEND) {
                hb_rdma_end_sent(&s->end, wc->wr_id);
                return;
        }
        if (hb_rdma_end_received(&s->end, wc, &m) < 0)
                broke(s, "no message");
        else if (m.type == HB_RDMA_ASK)
                asked(s, m.window);
        else if (m.type == HB_RDMA_RETURNED)
                returned(s, m.window);
        else
                broke(s, "not for a source to hear");
}

static bool drain(hb_rdma_server *s) {
        struct ibv_wc wc[POLL];
        int n = ibv_poll_cq(s->end.cq, POLL, wc);

        for (int i = 0; i < n && !s->err.code; i++)
                completed(s, &wc[i]);
        return n > 0;
}

/* ---- windows; with the lock held ---- */

static void make_room(hb_rdma_server *s) {
        while (s->recalled_now < s->ask_n) {
                struct hb_window *old = hb_window_book_oldest(&s->held, HB_HELD);

                if (!old)
                        return;
                hb_held_recall(s, (struct hb_held *)old);
        }
}

static void answer_asks(hb_rdma_server *s) {
        while (s->ask_n > 0 && !s->err.code && s->end.send_busy != UINT32_MAX) {
                struct hb_rdma_msg m;

                if (!hb_held_room(s)) {
                        make_room(s);
                        return;
                }
                if (hb_held_grant(s, s->asks[s->ask_head], &m) < 0) {
                        broke(s, "a window asked for that the guest does not have, or twice");
                        return;
                }
                s->ask_head = (s->ask_head + 1) % HB_RDMA_ASKS;
                s->ask_n--;
                (void)say(s, &m);
        }
}

static void tell_recalls(hb_rdma_server *s) {
        for (struct hb_window *w = s->held.oldest; w && s->untold > 0; w = w->newer) {
                struct hb_held *h = (struct hb_held *)w;

                if (w->state != HB_HELD_RECALLED || h->told)
                        continue;
                if (!say(s, &(struct hb_rdma_msg){.type = HB_RDMA_RECALL, .window = w->number}))
                        return;
                h->told = true;
                s->untold--;
        }
}

/* Withdraws what was not returned in time. Milliseconds until the next is due, -1: none. */
static int withdraw_late(hb_rdma_server *s) {
        uint64_t now = hb_now_ns(), next = UINT64_MAX;

        for (struct hb_window *w = s->held.oldest, *newer; w && s->recalled_now > 0; w = newer) {
                struct hb_held *h = (struct hb_held *)w;

                newer = w->newer;
                if (w->state != HB_HELD_RECALLED)
                        continue;
                if (now < h->recalled_ns + s->return_ns) {
                        next = h->recalled_ns + s->return_ns < next ? h->recalled_ns + s->return_ns : next;
                        continue;
                }
                s->stats.forced++;
                hb_held_withdraw(s, h);
        }
        return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000) + 1;
}

/* Returns how long may be slept, in ms. */
static int work(hb_rdma_server *s) {
        int ms;

        pthread_mutex_lock(&s->lock);
        ms = withdraw_late(s);
        answer_asks(s);
        tell_recalls(s);
        if (s->recalled_now > 0 && ms < 0)
                ms = (int)(s->return_ns / 1000000) + 1;
        pthread_mutex_unlock(&s->lock);
        return ms;
}

/* ---- the loop ---- */

static void connection_event(hb_rdma_server *s) {
        struct hb_rdma_event ev;
        struct hb_err e;

        while (hb_rdma_next_event(s->end.channel, 0, &ev) == 0)
                if (hb_rdma_event_err(&ev, NULL, &e) < 0)
                        end(s, &e);
}

static void sleep_on(hb_rdma_server *s, int ms) {
        bool cm = false;

        if (ibv_req_notify_cq(s->end.cq, 0) == 0 && drain(s))
                return;
        if (hb_rdma_end_wait(&s->end, ms, &cm) < 0)
                broke(s, "poll failed");
        if (cm)
                connection_event(s);
}

static bool stopped(hb_rdma_server *s) {
        bool stop;

        pthread_mutex_lock(&s->lock);
        stop = s->stop;
        pthread_mutex_unlock(&s->lock);
        return stop;
}

void *hb_rdma_server_main(void *arg) {
        hb_rdma_server *s = arg;

        while (!s->err.code && !stopped(s)) {
                bool any = drain(s);
                int ms = s->err.code ? 0 : work(s);

                if (!any && !s->err.code)
                        sleep_on(s, ms);
        }
        hb_rdma_end_stop(&s->end);
        pthread_mutex_lock(&s->lock);
        s->over = true;
        while (s->held.newest)
                hb_held_withdraw(s, (struct hb_held *)s->held.newest);
        pthread_mutex_unlock(&s->lock);
        if (s->ended && !stopped(s))
                s->ended(s->arg, &s->err);
        return NULL;
}
