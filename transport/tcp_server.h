/* tcp_server: inside of the tcp backend's source half, shared by tcp_server.c (object, cap, statistics) and
 * tcp_server_conn.c (one connection's thread). */
#pragma once
#include "transport/crew.h"
#include "transport/data_io.h"
#include "transport/link_stats.h"
#include "transport/page_codec.h"
#include "transport/tcp.h"
#include "transport/token_bucket.h"
#include "transport/wire_data.h"

#define HB_SERVE_QUEUE 256u /* requests read and not answered; a power of two */

struct hb_serve_queue { /* ring */
        struct hb_msg_fetch r[HB_SERVE_QUEUE];
        unsigned head, n;
};

struct hb_serve_conn {
        struct hb_crew_member member;
        hb_tcp_server *s;
        struct hb_serve_conn *next_active; /* s->lock */
        struct hb_data_io io;
        hb_page_codec *codec;
        struct hb_serve_queue urgent, bulk;
        bool have_ticket;
        double ticket;     /* of the bulk run at the head */
        uint64_t reserved; /* bytes it stands for */
        double page_bytes; /* wire bytes a page took lately: what the next reservation is made of */
        unsigned runs;
        uint64_t seen_own, seen_all; /* wire bytes of this connection and of all, at the last look */
        bool for_demand;             /* what its thread and socket are tuned for */
        bool mixed;                  /* urgent requests come on it: little may wait in the kernel */
        uint64_t requests, urgent_in_row, bulk_in_row; /* in all; since the last one of the other kind */
};

struct hb_tcp_server {
        const struct hb_page_source *src;
        struct hb_tcp_server_options o;
        pthread_mutex_t lock;
        struct hb_token_bucket bucket;
        struct hb_serve_conn *active;
        bool closed;
        struct hb_crew crew;
        struct hb_link_meter meter;
};

int hb_serve_conn_new(hb_tcp_server *s, struct hb_data_conn *c, struct hb_serve_conn **ret); /* takes *c */
void hb_serve_conn_run(struct hb_crew_member *m);
void hb_serve_conn_release(struct hb_crew_member *m);
