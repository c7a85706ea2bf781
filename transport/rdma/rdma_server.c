/* rdma_server: the source's object: options, life, statistics. A server has one connection and dies with it;
 * its owner dials again. */
#include "rdma/rdma_server.h"
#include "base/fault.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define PINNED_DEFAULT (256ull << 20)
#define WINDOW_DEFAULT 1024u
#define RETURN_DEFAULT 50u

static int set_options(hb_rdma_server *s, const struct hb_rdma_options *o, struct hb_err *e) {
        uint64_t least;

        s->window_pages = o->window_pages ? o->window_pages : WINDOW_DEFAULT;
        s->return_ns = (uint64_t)(o->return_ms ? o->return_ms : RETURN_DEFAULT) * 1000000;
        s->pinned_max = o->pinned_bytes ? o->pinned_bytes : PINNED_DEFAULT;
        if (s->window_pages < HB_RDMA_MIN_WINDOW || s->window_pages > HB_RDMA_MAX_WINDOW ||
            (s->window_pages & (s->window_pages - 1)) || o->bulk_qps > HB_RDMA_MAX_BULK_QPS)
                return hb_err_set(e, -EINVAL, NULL, NULL,
                                  "no such window size or number of RDMA queue pairs");
        least = 2ull * s->window_pages * HB_PAGE_SIZE; /* a run may lie in two windows */
        if (s->pinned_max < least)
                s->pinned_max = least;
        return 0;
}

static int start(hb_rdma_server *s, struct hb_err *e) {
        sigset_t all, before;
        int rc;

        sigfillset(&all); /* signals are the program's main thread's business */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = hb_fault("rdma.thread") ? EAGAIN : pthread_create(&s->thread, NULL, hb_rdma_server_main, s);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        s->started = rc == 0;
        return rc ? hb_err_set(e, -rc, NULL, NULL, "no thread to serve pages over RDMA") : 0;
}

static hb_rdma_server *server_new(const struct hb_page_source *src) {
        hb_rdma_server *s = hb_fault("rdma.server") ? NULL : calloc(1, sizeof(*s));
        pthread_condattr_t attr;

        if (!s)
                return NULL;
        s->src = src;
        s->end.wake_fd = s->pagemap = -1;
        pthread_mutex_init(&s->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&s->changed, &attr);
        pthread_condattr_destroy(&attr);
        return s;
}

int hb_rdma_server_dial(const char *address, const struct hb_rdma_options *o,
                        const uint8_t token[HB_TOKEN_SIZE], const struct hb_page_source *src,
                        void (*ended)(void *arg, const struct hb_err *why), void *arg, int timeout_ms,
                        hb_rdma_server **ret, struct hb_err *e) {
        hb_rdma_server *s = server_new(src);
        int rc;

        if (!s)
                return hb_err_set(e, -ENOMEM, address, NULL, "out of memory for serving pages over RDMA");
        s->ended = ended;
        s->arg = arg;
        rc = set_options(s, o, e);
        if (rc == 0)
                rc = hb_rdma_server_connect(s, address, o, token, timeout_ms, e);
        if (rc == 0) {
                hb_rdma_end_link(&s->end, &s->link);
                rc = start(s, e);
        }
        if (rc < 0) {
                hb_rdma_server_free(s);
                return rc;
        }
        *ret = s;
        return 0;
}

void hb_rdma_server_details(hb_rdma_server *s, struct hb_rdma_server_stats *ret) {
        pthread_mutex_lock(&s->lock);
        *ret = s->stats;
        ret->windows = s->held.n;
        ret->pinned_bytes = s->pinned_bytes;
        ret->pinned_max = s->pinned_max;
        pthread_mutex_unlock(&s->lock);
}

void hb_rdma_server_link(const hb_rdma_server *s, struct hb_rdma_link *ret) {
        *ret = s->link; /* set before the thread began */
}

hb_rdma_server *hb_rdma_server_free(hb_rdma_server *s) {
        if (!s)
                return NULL;
        if (s->started) {
                pthread_mutex_lock(&s->lock);
                s->stop = true;
                pthread_mutex_unlock(&s->lock);
                hb_rdma_end_wake(&s->end);
                pthread_join(s->thread, NULL);
        }
        hb_rdma_end_stop(&s->end);
        hb_held_close(s);
        if (s->word_mr)
                ibv_dereg_mr(s->word_mr);
        hb_rdma_end_close(&s->end);
        pthread_mutex_destroy(&s->lock);
        pthread_cond_destroy(&s->changed);
        free(s);
        return NULL;
}
