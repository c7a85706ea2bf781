/* page_rig: a guest's memory and two hosts on loopback that exchange its pages over real TLS: the target's
 * listener runs on a thread of its own and hands data connections to a fetcher, or to the test. Header only;
 * links hb_transport, hb_cert, libevent. */
#pragma once
#include "base/clock.h"
#include "cluster.h"
#include "transport/tcp.h"
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define RIG_WAIT_NS (30 * HB_NS_PER_S)

struct rig_guest {
        struct hb_shape shape;
        uint8_t *memory[2];
        uint32_t *epoch;
        struct hb_page_source src;
};

struct page_rig {
        struct cluster cluster;
        hb_tls *source_tls, *target_tls;
        struct event_base *base;
        struct event *stop;
        int stop_fd;
        pthread_t loop;
        hb_peer_listener *listener;
        char address[32];
        uint8_t token[HB_TOKEN_SIZE];
        pthread_mutex_t lock;
        pthread_cond_t changed;
        hb_fetcher *fetcher; /* gets the data connections; NULL: the test takes them (rig_take) */
        struct hb_data_conn taken[8];
        unsigned ntaken, notes;
        struct hb_err note;
};

static inline void rig_random(uint8_t *p, size_t n, uint64_t seed) {
        uint64_t x = seed * 2654435769u + 88172645463325252ull;

        for (size_t i = 0; i + 8 <= n; i += 8) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                memcpy(p + i, &x, 8);
        }
}

/* Two regions of shared memory, filled with random bytes. */
static inline void rig_guest_init(struct rig_guest *g, uint64_t pages0, uint64_t pages1) {
        uint64_t pages[2] = {pages0, pages1};

        *g = (struct rig_guest){0};
        for (int i = 0; i < 2 && pages[i]; i++) {
                cluster_must(hb_shape_add(&g->shape, i ? "high" : "low", pages[i] << HB_PAGE_SHIFT,
                                          HB_PAGE_SIZE, NULL),
                             &(struct hb_err){0});
                g->memory[i] = mmap(NULL, pages[i] << HB_PAGE_SHIFT, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
                rig_random(g->memory[i], pages[i] << HB_PAGE_SHIFT, 7 + (uint64_t)i);
                g->src.region_map[i] = g->memory[i];
        }
        g->epoch = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        g->src.shape = &g->shape;
        g->src.completed_epoch = g->epoch;
}

static inline void rig_guest_fini(struct rig_guest *g) {
        for (uint32_t i = 0; i < g->shape.nregions; i++)
                munmap(g->memory[i], g->shape.regions[i].pages << HB_PAGE_SHIFT);
        munmap(g->epoch, 4096);
}

static inline const uint8_t *rig_page(const struct rig_guest *g, uint64_t gfn) {
        int i = hb_shape_region_of(&g->shape, gfn);

        return g->memory[i] + ((gfn - g->shape.regions[i].first_gfn) << HB_PAGE_SHIFT);
}

/* ---- two hosts ---- */

static inline void rig_on_session(void *arg, hb_session *s) {
        struct hb_err e = {0};

        hb_err_set(&e, -EACCES, NULL, NULL, "this rig takes data connections only");
        hb_session_refuse(s, &e);
}

static inline int rig_on_data(void *arg, struct hb_data_conn *c) {
        struct page_rig *r = arg;
        int rc = 0;

        if (memcmp(c->token, r->token, sizeof(r->token)) != 0 || strcmp(c->host, "source") != 0)
                return -EACCES;
        pthread_mutex_lock(&r->lock);
        if (r->fetcher)
                hb_tcp_fetcher_add(r->fetcher, c); /* a failure has closed it: nobody is to be told */
        else if ((rc = hb_data_conn_ready(c)) == 0)
                r->taken[r->ntaken++] = *c;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
        return rc;
}

static inline void rig_on_note(void *arg, const struct hb_err *why) {
        struct page_rig *r = arg;

        pthread_mutex_lock(&r->lock);
        r->notes++;
        r->note = *why;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
}

static inline void rig_on_stop(evutil_socket_t fd, short what, void *arg) {
        event_base_loopbreak(arg);
}

static inline void *rig_loop(void *arg) {
        event_base_dispatch(arg);
        return NULL;
}

static inline void rig_init(struct page_rig *r) {
        struct hb_listener_callbacks cb = {
                .session = rig_on_session, .data = rig_on_data, .note = rig_on_note, .arg = r};
        struct hb_err e = {0};

        *r = (struct page_rig){.token = {1, 2, 3}};
        pthread_mutex_init(&r->lock, NULL);
        pthread_cond_init(&r->changed, NULL);
        cluster_init(&r->cluster, "pages");
        cluster_add(&r->cluster, "source", 30);
        cluster_add(&r->cluster, "target", 30);
        r->source_tls = cluster_tls(&r->cluster, "source");
        r->target_tls = cluster_tls(&r->cluster, "target");
        r->base = event_base_new();
        r->stop_fd = eventfd(0, EFD_CLOEXEC);
        r->stop = event_new(r->base, r->stop_fd, EV_READ, rig_on_stop, r->base);
        event_add(r->stop, NULL);
        cluster_must(hb_peer_listen(r->base, r->target_tls, "127.0.0.1:0", &cb, &r->listener, &e), &e);
        snprintf(r->address, sizeof(r->address), "127.0.0.1:%d", hb_peer_listener_port(r->listener));
        pthread_create(&r->loop, NULL, rig_loop, r->base);
}

static inline void rig_fini(struct page_rig *r) {
        uint64_t one = 1;

        if (write(r->stop_fd, &one, sizeof(one)) != sizeof(one))
                abort();
        pthread_join(r->loop, NULL);
        hb_peer_listener_free(r->listener);
        event_free(r->stop);
        event_base_free(r->base);
        close(r->stop_fd);
        for (unsigned i = 0; i < r->ntaken; i++)
                hb_data_conn_close(&r->taken[i]);
        hb_tls_free(r->source_tls);
        hb_tls_free(r->target_tls);
        cluster_fini(&r->cluster);
}

static inline void rig_set_fetcher(struct page_rig *r, hb_fetcher *f) {
        pthread_mutex_lock(&r->lock);
        r->fetcher = f;
        pthread_mutex_unlock(&r->lock);
}

static inline struct hb_data_conn rig_dial(struct page_rig *r, enum hb_data_kind kind) {
        struct hb_data_conn c = {.fd = -1};
        struct hb_err e = {0};

        cluster_must(hb_data_dial(r->source_tls, "target", r->address, r->token, kind, 20000, &c, &e), &e);
        return c;
}

static inline void rig_wait_notes(struct page_rig *r, unsigned n) {
        pthread_mutex_lock(&r->lock);
        while (r->notes < n)
                pthread_cond_wait(&r->changed, &r->lock);
        pthread_mutex_unlock(&r->lock);
}

/* The target's end of the connection dialled last, when there is no fetcher. */
static inline struct hb_data_conn rig_take(struct page_rig *r) {
        struct hb_data_conn c;

        pthread_mutex_lock(&r->lock);
        while (r->ntaken == 0)
                pthread_cond_wait(&r->changed, &r->lock);
        c = r->taken[--r->ntaken];
        pthread_mutex_unlock(&r->lock);
        return c;
}
