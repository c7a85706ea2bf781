/* backends: what a transport backend must offer to be held to the fetcher contract, and those there are.
 * Header only. */
#pragma once
#include "check.h"
#include "page_rig.h"
#include "transport/loop.h"

struct bed_options {
        unsigned connections; /* page connections at the start; 0: none */
        unsigned queue_max;
        uint64_t slow_bytes_per_s; /* 0: as fast as it goes */
};

struct subject { /* one fetcher under test with all that is behind it */
        const struct backend *backend;
        struct rig_guest guest;
        struct page_rig rig;
        hb_tcp_server *server;
        hb_fetcher *fetcher;
        struct hb_fetcher_callbacks cb;
        struct bed_options o;
        void *backend_data; /* of backends that need more */
};

struct backend {
        const char *name;
        void (*open)(struct subject *s);
        void (*close)(struct subject *s);
        void (*cut)(struct subject *s); /* the connection is lost, now */
        bool raw;                       /* takes pages as they are: never says that one is zero */
        bool lead;                      /* keeps a connection free for urgent fetches when it has several */
        void (*reconnect)(struct subject *s); /* it comes back (returns before or after) */
};

static inline void tcp_connect(struct subject *s) {
        struct hb_data_conn c = rig_dial(&s->rig, HB_DATA_PAGES);

        assert_int_equal(hb_tcp_server_add(s->server, &c), 0);
}

static inline void tcp_start_server(struct subject *s) {
        struct hb_tcp_server_options o = {.cap_bytes_per_s = s->o.slow_bytes_per_s,
                                          .zstd_level = HB_ZSTD_AUTO};

        assert_int_equal(hb_tcp_server_new(&s->guest.src, &o, &s->server, NULL), 0);
}

static inline void tcp_open(struct subject *s) {
        struct hb_tcp_fetcher_options o = {.queue_max = s->o.queue_max};

        rig_init(&s->rig);
        assert_int_equal(hb_tcp_fetcher_new(&o, &s->cb, &s->fetcher, NULL), 0);
        rig_set_fetcher(&s->rig, s->fetcher);
        tcp_start_server(s);
        for (unsigned i = 0; i < s->o.connections; i++)
                tcp_connect(s);
}

static inline void tcp_close(struct subject *s) {
        rig_set_fetcher(&s->rig, NULL);
        if (s->fetcher)
                s->fetcher->ops->fini(s->fetcher);
        hb_tcp_server_free(s->server);
        rig_fini(&s->rig);
}

static inline void tcp_cut(struct subject *s) {
        s->server = hb_tcp_server_free(s->server);
}

static inline void tcp_reconnect(struct subject *s) {
        tcp_start_server(s);
        for (unsigned i = 0; i < s->o.connections; i++)
                tcp_connect(s);
}

static inline void loop_open(struct subject *s) {
        struct hb_loop_options o = {
                .queue_max = s->o.queue_max, .seed = 11, .jitter_ns = 50000, .reconnect_ns = 5000000};

        if (s->o.slow_bytes_per_s) /* its window lands once a delay */
                o.delay_ns = 16ull * HB_FETCH_MAX_PAGES * HB_PAGE_SIZE * HB_NS_PER_S / s->o.slow_bytes_per_s;
        assert_int_equal(hb_loop_fetcher_new(&o, &s->guest.src, &s->cb, &s->fetcher), 0);
        if (s->o.connections == 0)
                hb_loop_cut(s->fetcher);
}

static inline void loop_close(struct subject *s) {
        if (s->fetcher)
                s->fetcher->ops->fini(s->fetcher);
}

static inline void loop_cut(struct subject *s) {
        hb_loop_cut(s->fetcher);
}

static inline void loop_reconnect(struct subject *s) {
}

#ifdef HB_BACKENDS_RDMA
#include "rdma_backend.h"
/* Its lead queue pair is free too, but what the device has begun of bulk (16 long READs) may land before. */
static const struct backend backends[] = {{.name = "rdma",
                                           .open = rdma_open,
                                           .close = rdma_close,
                                           .cut = rdma_cut,
                                           .reconnect = rdma_reconnect,
                                           .raw = true}};
#else
static const struct backend backends[] = {
        {.name = "tcp",
         .open = tcp_open,
         .close = tcp_close,
         .cut = tcp_cut,
         .reconnect = tcp_reconnect,
         .lead = true},
        {.name = "loop",
         .open = loop_open,
         .close = loop_close,
         .cut = loop_cut,
         .reconnect = loop_reconnect},
};
#endif
