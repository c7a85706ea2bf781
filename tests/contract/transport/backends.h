/* backends: what a transport backend must offer to be held to the fetcher contract. */
#pragma once
#include "page_rig.h"
#include "transport/loop.h"

struct bench_options {
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
        struct bench_options o;
};

struct backend {
        const char *name;
        void (*open)(struct subject *s);
        void (*close)(struct subject *s);
        void (*cut)(struct subject *s); /* the connection is lost, now */
        bool lead;                      /* keeps a connection free for urgent fetches when it has several */
        void (*reconnect)(struct subject *s); /* it comes back (returns before or after) */
};
