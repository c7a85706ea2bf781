/* rdma_fetcher: the target's object: what other threads see. An accepted fetch is in exactly one place: a
 * queue here, a list or a posted READ of the thread's, or on its way into done(). The lock guards the queues
 * and a few words; it is never held across a call of the device or a callback. */
#include "rdma/rdma_fetcher.h"
#include "base/clock.h"
#include "base/fault.h"
#include "rdma/rdma_listener.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_DEFAULT  1024u
#define PINNED_DEFAULT (256ull << 20)
#define DIRECT_DEFAULT 128u

/* ---- for the thread ---- */

void hb_rdma_fetcher_end(hb_rdma_fetcher *t, const struct hb_err *e) {
        if (!t->err.code)
                t->err = *e;
}

void hb_rdma_fetcher_done(hb_rdma_fetcher *t, struct hb_fetch *f, int status) {
        f->status = status;
        f->zero_mask = 0;
        f->wire_bytes = status == 0 ? (uint64_t)f->pages * HB_PAGE_SIZE : 0;
        t->stats.no_data += status == -ENODATA;
        t->staged--;
        t->staged_pages -= f->pages;
        t->cb.done(t->cb.arg, f);
}

/* ---- ops ---- */

static int fetch(hb_fetcher *h, struct hb_fetch *f) {
        hb_rdma_fetcher *t = (hb_rdma_fetcher *)h;
        struct hb_fetch_list *q = f->urgent ? &t->urgent : &t->bulk;
        bool wake = false;
        int rc = 0;

        if (f->pages == 0 || f->pages > HB_FETCH_MAX_PAGES)
                return -EINVAL;
        if (hb_fault("rdma.fetch"))
                return -EAGAIN;
        pthread_mutex_lock(&t->lock);
        if (t->closed || !t->connected)
                rc = -ENOTCONN;
        else if (q->n >= t->o.queue_max)
                rc = -EAGAIN;
        else {
                hb_fetch_list_push(q, f);
                __atomic_fetch_add(&t->queued, 1, __ATOMIC_RELAXED);
                wake = t->sleeping;
                t->sleeping = false;
        }
        pthread_mutex_unlock(&t->lock);
        if (wake)
                hb_rdma_end_wake(&t->end);
        return rc;
}

static void close_fetcher(hb_fetcher *h) {
        hb_rdma_fetcher *t = (hb_rdma_fetcher *)h;
        bool first;

        pthread_mutex_lock(&t->lock);
        first = !t->closed;
        t->closed = true;
        t->sleeping = false;
        if (first) /* under the lock: the descriptor lives until fini */
                hb_rdma_end_wake(&t->end);
        pthread_mutex_unlock(&t->lock);
}

static void free_fetcher(hb_rdma_fetcher *t) {
        hb_rdma_end_close(&t->end);
        hb_link_meter_fini(&t->meter);
        pthread_mutex_destroy(&t->lock);
        free(t);
}

static hb_fetcher *fini(hb_fetcher *h) {
        hb_rdma_fetcher *t = (hb_rdma_fetcher *)h;

        if (!t)
                return NULL;
        close_fetcher(h);
        pthread_join(t->thread, NULL);
        free_fetcher(t);
        return NULL;
}

static const struct hb_fetcher_ops ops = {
        .name = "rdma", .fetch = fetch, .close = close_fetcher, .fini = fini};

/* ---- making one ---- */

static void set_options(hb_rdma_fetcher *t, const struct hb_rdma_options *o,
                        const struct hb_rdma_image *image) {
        t->o = *o;
        t->o.device = NULL; /* the connection has one */
        if (!t->o.queue_max)
                t->o.queue_max = QUEUE_DEFAULT;
        if (!t->o.pinned_bytes)
                t->o.pinned_bytes = PINNED_DEFAULT;
        if (!t->o.direct_pages)
                t->o.direct_pages = DIRECT_DEFAULT;
        if (image && image->shape) {
                t->shape = *image->shape;
                memcpy(t->region_base, image->region_base, sizeof(t->region_base));
        }
}

static int answer(hb_rdma_fetcher *t, const struct rdma_conn_param *asked, struct hb_err *e) {
        struct hb_rdma_accept a = {.version = HB_RDMA_VERSION, .bulk_qps = t->end.nbulk};
        struct rdma_conn_param p;
        uint8_t data[HB_RDMA_ACCEPT_SIZE];

        for (unsigned i = 0; i < t->end.nbulk; i++)
                a.bulk_qpn[i] = t->end.bulk[i]->qp_num;
        hb_rdma_accept_put(&a, data);
        hb_rdma_end_params(&t->end, &p);
        if (p.initiator_depth > asked->initiator_depth) /* as many READs as the source's device serves */
                p.initiator_depth = asked->initiator_depth;
        p.responder_resources = 1;
        p.private_data = data;
        p.private_data_len = sizeof(data);
        if (hb_fault("rdma.accept") || rdma_accept(t->end.id, &p) != 0)
                return hb_err_set(e, -ECONNRESET, NULL, NULL, "the RDMA connection could not be accepted");
        return hb_rdma_end_bulk_up(&t->end, t->asked.bulk_qpn, e);
}

static int start(hb_rdma_fetcher *t, struct hb_err *e) {
        sigset_t all, before;
        int rc;

        sigfillset(&all); /* signals are the program's main thread's business */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = hb_fault("rdma.thread") ? EAGAIN : pthread_create(&t->thread, NULL, hb_rdma_fetcher_main, t);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return rc ? hb_err_set(e, -rc, NULL, NULL, "no thread for page READs") : 0;
}

/* t owns the connection's parts from here on. */
static void move_in(hb_rdma_fetcher *t, struct hb_rdma_conn *c) {
        t->end = c->end;
        t->asked = c->asked;
        c->end = (struct hb_rdma_end){.wake_fd = -1};
}

int hb_rdma_fetcher_new(const struct hb_rdma_options *o, const struct hb_rdma_image *image,
                        struct hb_rdma_conn *c, const struct hb_fetcher_callbacks *cb, hb_fetcher **ret,
                        struct hb_err *e) {
        hb_rdma_fetcher *t = hb_fault("rdma.fetcher") ? NULL : calloc(1, sizeof(*t));
        int rc;

        if (!t) {
                hb_rdma_conn_free(c);
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory for page READs");
        }
        t->head.ops = &ops;
        t->cb = *cb;
        t->end.wake_fd = -1;
        set_options(t, o, image);
        pthread_mutex_init(&t->lock, NULL);
        hb_link_meter_init(&t->meter, hb_now_ns());
        rc = hb_rdma_end_open(&c->end, c->asked.bulk_qps, true, e);
        if (rc < 0) /* c can still refuse the peer, with its reason */
                goto fail;
        move_in(t, c);
        t->nq = 1 + t->end.nbulk;
        rc = hb_reads_open(t, e);
        if (rc == 0)
                rc = answer(t, &c->param, e);
        if (rc == 0) {
                hb_rdma_end_link(&t->end, &t->link);
                rc = start(t, e);
        }
        if (rc < 0)
                goto fail;
        hb_rdma_conn_free(c);
        *ret = &t->head;
        return 0;
fail:
        hb_rdma_conn_free(c);
        hb_rdma_end_stop(&t->end);
        hb_reads_close(t);
        free_fetcher(t);
        return rc;
}

/* ---- what others may know ---- */

void hb_rdma_fetcher_stats(hb_fetcher *h, struct hb_link_stats *ret) {
        hb_link_meter_get(&((hb_rdma_fetcher *)h)->meter, hb_now_ns(), ret);
}

void hb_rdma_fetcher_details(hb_fetcher *h, struct hb_rdma_fetcher_stats *ret) {
        hb_rdma_fetcher *t = (hb_rdma_fetcher *)h;

        pthread_mutex_lock(&t->lock);
        *ret = t->shown;
        pthread_mutex_unlock(&t->lock);
}

void hb_rdma_fetcher_link(hb_fetcher *h, struct hb_rdma_link *ret) {
        hb_rdma_fetcher *t = (hb_rdma_fetcher *)h;

        *ret = t->link; /* set before the thread began */
}

void hb_rdma_fetcher_why(hb_fetcher *h, struct hb_err *ret) {
        hb_rdma_fetcher *t = (hb_rdma_fetcher *)h;

        pthread_mutex_lock(&t->lock);
        *ret = t->why;
        pthread_mutex_unlock(&t->lock);
}
