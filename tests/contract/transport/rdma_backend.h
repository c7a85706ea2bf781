/* rdma_backend: the rdma backend for the fetcher contract, over whatever verbs device this machine has
 * (Soft-RoCE in a test guest). A fetcher of it has one connection and dies with it: to reconnect is to make a
 * new one. Header only. */
#pragma once
#include "backends.h"
#include "rdma/rdma.h"

struct rdma_rig {
        pthread_mutex_t lock;
        hb_rdma_listener *listener;
        hb_rdma_server *server;
        struct hb_rdma_options source, target;
        struct hb_rdma_image image;
        struct subject *s;
        struct hb_err error;
        char address[80];
        unsigned refused;
};

/* An IPv4 address of an active port, "" if there is none. */
static inline void rdma_find_address(char *out, size_t size) {
        struct hb_rdma_device_info d[8];
        struct hb_rdma_host_info host;
        int n = hb_rdma_probe(d, 8, &host);

        out[0] = '\0';
        for (int i = 0; i < n && i < 8; i++)
                for (unsigned j = 0; strcmp(d[i].state, "active") == 0 && j < d[i].ngids; j++)
                        if (strchr(d[i].gids[j].text, '.'))
                                strncat(strcpy(out, ""), d[i].gids[j].text, size - 1);
}

static const uint8_t rdma_token[HB_TOKEN_SIZE] = {1, 2, 3};

static inline int rdma_accept_conn(void *arg, const uint8_t token[HB_TOKEN_SIZE], struct hb_rdma_conn *c) {
        struct rdma_rig *r = arg;
        int rc = 0;

        pthread_mutex_lock(&r->lock);
        if (memcmp(token, rdma_token, sizeof(rdma_token)) != 0) {
                r->refused++;
                rc = -EACCES;
        } else if (hb_rdma_fetcher_new(&r->target, &r->image, c, &r->s->cb, &r->s->fetcher, &r->error) < 0)
                r->s->fetcher = NULL;
        pthread_mutex_unlock(&r->lock);
        return rc;
}

static inline int rdma_dial(struct rdma_rig *r, struct hb_err *e) {
        return hb_rdma_server_dial(r->address, &r->source, rdma_token, &r->s->guest.src, NULL, NULL, 20000,
                                   &r->server, e);
}

static inline void rdma_rig_open(struct rdma_rig *r, struct subject *s) {
        char ip[64], any[80];
        struct hb_err e = {0};

        pthread_mutex_init(&r->lock, NULL);
        r->s = s;
        r->image = (struct hb_rdma_image){.shape = &s->guest.shape};
        rdma_find_address(ip, sizeof(ip));
        (void)snprintf(any, sizeof(any), "%s:0", ip);
        cluster_must(hb_rdma_listen(any, &r->target, rdma_accept_conn, r, &r->listener, &e), &e);
        (void)snprintf(r->address, sizeof(r->address), "%s:%d", ip, hb_rdma_listener_port(r->listener));
        cluster_must(rdma_dial(r, &e), &e);
}

static inline void rdma_rig_close(struct rdma_rig *r) {
        r->server = hb_rdma_server_free(r->server);
        r->listener = hb_rdma_listener_free(r->listener);
        if (r->s->fetcher)
                r->s->fetcher->ops->fini(r->s->fetcher);
        r->s->fetcher = NULL;
        pthread_mutex_destroy(&r->lock);
}

/* ---- as a row of the contract ---- */

static inline void rdma_open(struct subject *s) {
        struct rdma_rig *r = calloc(1, sizeof(*r));

        s->backend_data = r;
        r->source.window_pages = 256;
        r->target.queue_max = s->o.queue_max;
        rdma_rig_open(r, s);
}

static inline void rdma_close(struct subject *s) {
        rdma_rig_close(s->backend_data);
        free(s->backend_data);
}

static inline void rdma_cut(struct subject *s) {
        struct rdma_rig *r = s->backend_data;

        r->server = hb_rdma_server_free(r->server);
}

static inline void rdma_reconnect(struct subject *s) {
        struct rdma_rig *r = s->backend_data;
        struct hb_err e = {0};

        s->fetcher = s->fetcher->ops->fini(s->fetcher);
        cluster_must(rdma_dial(r, &e), &e);
}
