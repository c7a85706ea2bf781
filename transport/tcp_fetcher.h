/* tcp_fetcher: inside of the tcp backend's target half, shared by tcp_fetcher.c (queue) and
 * tcp_fetcher_conn.c (one connection's thread). */
#pragma once
#include "transport/crew.h"
#include "transport/data_io.h"
#include "transport/link_stats.h"
#include "transport/page_codec.h"
#include "transport/tcp.h"

#define HB_FETCH_WINDOW_MAX 256u
#define HB_URGENT_SLOTS     4u /* of a connection, beyond its window */

typedef struct hb_tcp_fetcher hb_tcp_fetcher;

struct hb_fetch_queue {
        struct hb_fetch *first, *last;
        unsigned n;
};

struct hb_fetch_slot { /* a request on the wire; free when f is NULL */
        struct hb_fetch *f;
        uint64_t id, sent_ns;
        bool alone; /* nothing else was in flight: its answer measures the latency */
};

struct hb_fetch_conn {
        struct hb_crew_member member;
        hb_tcp_fetcher *t;
        struct hb_fetch_conn *next_active; /* t->lock */
        unsigned in_flight;                /* t->lock; written by the connection's thread only */
        bool sleeping;                     /* t->lock; true: it waits, wake it when there is work */
        bool for_demand;                   /* what its thread and socket are tuned for */
        unsigned urgent_in_row;            /* fetches taken since the last one of bulk */
        struct hb_data_io io;
        hb_page_codec *codec;
        struct hb_fetch_slot *slots; /* t->slots of them */
        uint64_t requests;
        uint32_t last_stamp;
        struct hb_fetch_slot *arriving; /* whose answer's body is being read; NULL: a header is next */
        struct hb_packed packed;
        size_t body_size, body_at;
        uint8_t *compressed; /* a body that is not raw is collected here */
};

struct hb_tcp_fetcher {
        hb_fetcher head;
        struct hb_fetcher_callbacks cb;
        struct hb_tcp_fetcher_options options;
        unsigned window, slots, queue_max; /* of a connection: for bulk, for all */
        pthread_mutex_t lock;
        struct hb_fetch_queue urgent, bulk;
        struct hb_fetch_conn *active; /* the first is the lead */
        bool closed;
        pthread_mutex_t state_lock; /* orders state() calls; taken before `lock` */
        bool told_connected;
        struct hb_crew crew;
        struct hb_link_meter meter;
};

void hb_fetch_queue_push(struct hb_fetch_queue *q, struct hb_fetch *f);
/* With the lock held: enough of the window is free to ask for a batch of bulk runs; one by one would cost a
 * record and a wake-up each. */
bool hb_tcp_fetcher_batch_due(const hb_tcp_fetcher *t, const struct hb_fetch_conn *c);
bool hb_tcp_fetcher_has_work(const hb_tcp_fetcher *t, const struct hb_fetch_conn *c);
/* With the lock held: this connection is kept for urgent fetches. */
bool hb_tcp_fetcher_is_lead(const hb_tcp_fetcher *t, const struct hb_fetch_conn *c);
/* With the lock held: the next fetch this connection may send, NULL: none. */
struct hb_fetch *hb_tcp_fetcher_pop(hb_tcp_fetcher *t, struct hb_fetch_conn *c, bool bulk);
/* With the lock held: the connection is no longer active; what nobody is left to send goes to orphans. */
void hb_tcp_fetcher_leave(hb_tcp_fetcher *t, struct hb_fetch_conn *c, struct hb_fetch_queue *orphans);
/* Without it: */
void hb_tcp_fetcher_done(hb_tcp_fetcher *t, struct hb_fetch *f, int status);
void hb_tcp_fetcher_fail_all(hb_tcp_fetcher *t, struct hb_fetch_queue *q);
void hb_tcp_fetcher_tell_state(hb_tcp_fetcher *t);

int hb_fetch_conn_new(hb_tcp_fetcher *t, struct hb_data_conn *c, struct hb_fetch_conn **ret); /* takes *c */
void hb_fetch_conn_run(struct hb_crew_member *m);
void hb_fetch_conn_release(struct hb_crew_member *m);
