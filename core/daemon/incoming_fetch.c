/* incoming_fetch: pages on their way into an image. Transport threads only append to the done queue; the loop
 * drains it in one go, feeds the engine and lets it plan once. When a session ends, everything in flight is
 * settled as failed before anything else happens, so a page is never FETCHING without a fetch.
 *
 * The fetcher of a session is a hb_paths: TCP connections join it as the source dials them, an RDMA
 * connection comes and goes beside them (incoming_rdma.c). */
#include "base/clock.h"
#include "base/pool.h"
#include "daemon/duplicates.h"
#include "daemon/events.h"
#include "daemon/incoming_priv.h"
#include "daemon/migrate.h"
#include "rdma/rdma.h"
#include "transport/paths.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct hb_done_queue {
        struct hb_mail mail; /* first */
        pthread_mutex_t lock;
        struct hb_fetch *head, **tail;
        bool posted;            /* the mail is in the mailbox */
        bool rdma_lost;         /* and brings this, too */
        struct hb_incoming *in; /* NULL: the placement is gone, free with the last mail */
        hb_mailbox *mailbox;
        hb_pool *pool;
};

/* ---- completions ---- */

static struct hb_fetch *take_all(struct hb_done_queue *q) {
        pthread_mutex_lock(&q->lock);
        struct hb_fetch *list = q->head;
        q->head = NULL;
        q->tail = &q->head;
        pthread_mutex_unlock(&q->lock);
        return list;
}

static bool take_rdma_lost(struct hb_done_queue *q) {
        pthread_mutex_lock(&q->lock);
        bool lost = q->rdma_lost;
        q->rdma_lost = q->posted = false; /* here alone: only now is the mail out of the mailbox */
        pthread_mutex_unlock(&q->lock);
        return lost;
}

static void settle(struct hb_incoming *in, struct hb_fetch *f) {
        uint64_t now = hb_now_ns();
        if (f->status == 0)
                hb_engine_fetched(in->engine, now, f->gfn, f->pages, f->stamp, f->wire_bytes, f->zero_mask);
        else
                hb_engine_failed(in->engine, now, f->gfn, f->pages);
        hb_pool_put(in->done->pool, f);
}

static void settle_all(struct hb_incoming *in) {
        struct hb_fetch *f = take_all(in->done);
        while (f) {
                struct hb_fetch *next = f->next;
                settle(in, f);
                f = next;
        }
}

static void queue_free(struct hb_done_queue *q) {
        hb_pool_free(q->pool);
        pthread_mutex_destroy(&q->lock);
        free(q);
}

static void on_done_mail(struct hb_mail *m) {
        struct hb_done_queue *q = (struct hb_done_queue *)m;
        if (!q->in) {
                queue_free(q);
                return;
        }
        if (take_rdma_lost(q))
                hb_incoming_rdma_lost(q->in);
        settle_all(q->in);
        hb_incoming_step(q->in);
}

/* With the lock held; lets go of it. */
static void post(struct hb_done_queue *q) {
        bool due = !q->posted;
        q->posted = true;
        pthread_mutex_unlock(&q->lock);
        if (due)
                hb_mailbox_post(q->mailbox, &q->mail, on_done_mail);
}

static void on_fetch_done(void *arg, struct hb_fetch *f) {
        struct hb_done_queue *q = arg;
        pthread_mutex_lock(&q->lock);
        f->next = NULL;
        *q->tail = f;
        q->tail = &f->next;
        post(q);
}

static void on_rdma_lost(void *arg) {
        struct hb_done_queue *q = arg;
        pthread_mutex_lock(&q->lock);
        q->rdma_lost = true;
        post(q);
}

int hb_incoming_fetch_new(struct hb_incoming *in) {
        struct hb_done_queue *q = calloc(1, sizeof *q);
        if (!q)
                return -ENOMEM;
        pthread_mutex_init(&q->lock, NULL);
        q->tail = &q->head;
        q->in = in;
        q->mailbox = in->d->mailbox;
        unsigned runs = (unsigned)(in->d->settings->window_bytes * 4 / HB_PAGE_SIZE) + 64;
        if (hb_pool_new(sizeof(struct hb_fetch), runs, &q->pool) < 0) {
                queue_free(q);
                return -ENOMEM;
        }
        in->done = q;
        return 0;
}

/* After the fetcher is finished no new mail comes; one may be under way. */
static void queue_abandon(struct hb_incoming *in) {
        struct hb_done_queue *q = in->done;
        if (!q)
                return;
        in->done = NULL;
        pthread_mutex_lock(&q->lock);
        bool under_way = q->posted;
        pthread_mutex_unlock(&q->lock);
        q->in = NULL;
        if (!under_way)
                queue_free(q);
}

void hb_incoming_fetch_free(struct hb_incoming *in) {
        hb_incoming_fetch_stop(in);
        queue_abandon(in);
}

/* ---- a session's fetcher ---- */

int hb_incoming_fetch_start(struct hb_incoming *in, struct hb_err *e) {
        struct hb_tcp_fetcher_options o = {0};
        struct hb_fetcher_callbacks cb = {.done = on_fetch_done, .arg = in->done};
        hb_fetcher *paths, *tcp;
        hb_incoming_fetch_stop(in);
        if (hb_paths_new(&cb, on_rdma_lost, &paths) < 0)
                return hb_err_set(e, -ENOMEM, in->guest, NULL, "no memory for the page transport");
        struct hb_fetcher_callbacks member = hb_paths_callbacks(paths, HB_PATH_TCP);
        int r = hb_tcp_fetcher_new(&o, &member, &tcp, e);
        if (r < 0) {
                paths->ops->fini(paths);
                return r;
        }
        hb_paths_set_tcp(paths, tcp);
        in->fetcher = paths;
        return 0;
}

void hb_incoming_fetch_stop(struct hb_incoming *in) {
        if (!in->fetcher)
                return;
        hb_incoming_rdma_end(in);
        in->fetcher->ops->close(in->fetcher);
        in->fetcher = in->fetcher->ops->fini(in->fetcher);
        settle_all(in);
}

static unsigned connections(const struct hb_incoming *in) {
        struct hb_link_stats st;
        hb_tcp_fetcher_stats(hb_paths_tcp(in->fetcher), &st);
        return st.connections;
}

int hb_incoming_data(struct hb_incoming *in, struct hb_data_conn *c) {
        if (strcmp(c->host, in->host) != 0 || !in->fetcher)
                return -EACCES;
        if (c->kind == HB_DATA_TUNNEL)
                return hb_migrate_tunnel(in, c);
        if (connections(in) >= HB_WIRE_MAX_CONNECTIONS)
                return -EBUSY;
        int r = hb_tcp_fetcher_add(hb_paths_tcp(in->fetcher), c);
        if (r == 0)
                hb_incoming_step(in);
        return r;
}

int hb_incoming_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        struct hb_incoming *in = arg;
        if (!in->fetcher || (c == HB_FETCH_PREFETCH && hb_dup_image_holds(in)))
                return -EAGAIN;
        if (c == HB_FETCH_PREFETCH && hb_incoming_spill_room(in, pages) < 0)
                return -EAGAIN;
        struct hb_err e;
        int r = hb_image_reserve_run(in->image, gfn, pages, &e);
        if (r == -EAGAIN) /* a page is on its way to the disk; there is a step when it is there */
                return r;
        if (r < 0) {
                if (!in->no_room)
                        hb_daemon_event_err(in->d, HB_LOG_ERR, HB_ON_PLACEMENT, in->guest, in->host,
                                            "prefetching pauses", &e);
                in->no_room = true;
                return -EAGAIN;
        }
        in->no_room = false;
        struct hb_fetch *f = hb_pool_get(in->done->pool);
        if (!f)
                return -EAGAIN;
        f->gfn = gfn;
        f->pages = pages;
        f->urgent = c == HB_FETCH_DEMAND || c == HB_FETCH_FINAL;
        f->dst = hb_image_at(in->image, gfn);
        r = in->fetcher->ops->fetch(in->fetcher, f);
        if (r < 0) {
                hb_pool_put(in->done->pool, f);
                return -EAGAIN;
        }
        return 0;
}

int hb_incoming_path(const struct hb_incoming *in, struct hb_incoming_path *ret) {
        struct hb_paths_stats st;
        if (!in->fetcher)
                return -ENOTCONN;
        hb_paths_stats(in->fetcher, &st);
        ret->rdma = st.bulk == HB_PATH_RDMA;
        ret->why = st.why;
        if (ret->rdma)
                hb_rdma_fetcher_stats(hb_paths_rdma(in->fetcher), &ret->stats);
        else
                hb_tcp_fetcher_stats(hb_paths_tcp(in->fetcher), &ret->stats);
        return 0;
}

void hb_incoming_fetch_feed_link(struct hb_incoming *in, uint64_t now_ns) {
        if (!in->fetcher)
                return;
        struct hb_incoming_path path;
        const struct hb_link_stats *link = &path.stats;
        hb_paths_set_cap(in->fetcher, in->d->settings->cap_bytes_per_s);
        hb_incoming_path(in, &path);
        double rate = link->bytes_per_s > 0 ? link->bytes_per_s : 0;
        struct hb_policy_link l = {.latency_s = link->latency_s,
                                   .bytes_per_s = rate,
                                   .free_bytes_per_s = rate * (1 - link->used_share),
                                   .used_share = link->used_share,
                                   .cap_bytes_per_s = (double)in->d->settings->cap_bytes_per_s,
                                   .confidence = link->confidence,
                                   .pace_loss = link->pace_loss};
        hb_engine_link(in->engine, now_ns, &l);
}
