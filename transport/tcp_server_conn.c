/* tcp_server_conn: one connection that serves a guest's pages, and its thread.
 *
 * Invariant: the stamp of an answer is the completed epoch loaded (acquire) before the run's first byte is
 * read, so bytes that change while we read are in a later epoch's announcement. A request outside the guest
 * ends the connection: our own fetcher never makes one. Urgent requests go first and do not wait for the cap,
 * but count against it. Memory is bounded: a full queue stops reading, TCP holds the peer back.
 *
 * Cost: a run is copied once (guest to send buffer) and encrypted; no allocation after the buffers have
 * grown. */
#include "base/clock.h"
#include "base/fault.h"
#include "transport/sock.h"
#include "transport/tcp_server.h"
#include "transport/thread_class.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX   2048        /* payload of FETCH and ERROR */
#define SAMPLE_EVERY  16u         /* runs between two looks at the socket's rate and round trip */
#define PAGE_GAIN     0.25        /* of a new run in the wire bytes a page takes */
#define QUEUE_BULK    (512 << 10) /* bytes unsent in the kernel: the thread may sleep a while */
#define QUEUE_MIXED   (64 << 10)  /* where an urgent answer may have to wait behind them */
#define BULK_ROW      1024u       /* requests of bulk after which none that is urgent is to be expected */
#define LAST_WORDS_NS HB_NS_PER_S

int hb_serve_conn_new(hb_tcp_server *s, struct hb_data_conn *conn, struct hb_serve_conn **ret) {
        struct hb_serve_conn *c = calloc(1, sizeof(*c));
        int rc;

        if (!c) {
                hb_data_conn_close(conn);
                return -ENOMEM;
        }
        c->s = s;
        c->page_bytes = HB_PAGE_SIZE;
        rc = hb_data_io_init(&c->io, conn, REQUEST_MAX, NULL);
        if (rc < 0) {
                free(c);
                return rc;
        }
        hb_sock_limit_queue(c->io.c.fd, QUEUE_BULK);
        rc = hb_page_codec_new(s->o.zstd_level, &c->codec);
        if (rc < 0) {
                hb_serve_conn_release(&c->member);
                return rc;
        }
        hb_page_codec_set_producer(c->codec, s->o.producer); /* none left: zstd finds the matches itself */
        *ret = c;
        return 0;
}

void hb_serve_conn_release(struct hb_crew_member *m) {
        struct hb_serve_conn *c = (struct hb_serve_conn *)m;

        hb_data_io_fini(&c->io);
        hb_page_codec_free(c->codec);
        free(c);
}

/* ---- requests ---- */

static bool queues_full(const struct hb_serve_conn *c) {
        return c->urgent.n == HB_SERVE_QUEUE || c->bulk.n == HB_SERVE_QUEUE;
}

static void enqueue(struct hb_serve_queue *q, const struct hb_msg_fetch *m) {
        q->r[(q->head + q->n++) % HB_SERVE_QUEUE] = *m;
}

static struct hb_msg_fetch dequeue(struct hb_serve_queue *q) {
        struct hb_msg_fetch m = q->r[q->head % HB_SERVE_QUEUE];

        q->head++;
        q->n--;
        return m;
}

static int check_range(const struct hb_shape *shape, const struct hb_msg_fetch *m, struct hb_err *e) {
        int i = hb_shape_region_of(shape, m->gfn);
        const struct hb_region *r = i < 0 ? NULL : &shape->regions[i];

        if (r && m->pages <= r->pages - (m->gfn - r->first_gfn))
                return 0;
        return hb_err_set(e, -EPROTO, r ? r->name : NULL,
                          "this is a bug in the target's harbingerd: report it",
                          "pages %llu to %llu were asked for, which are not in one region of the guest",
                          (unsigned long long)m->gfn, (unsigned long long)m->gfn + m->pages - 1);
}

static void prefer(struct hb_serve_conn *c, bool demand) {
        c->for_demand = demand;
        hb_thread_class_set(demand ? HB_THREAD_DEMAND : HB_THREAD_BULK);
        hb_sock_set_interactive(c->io.c.fd, demand);
}

/* Which connection the target keeps for urgent fetches shows in what it asks for. One of bulk among them is
 * enough to lose the preference: it is meant for work that is short. */
static void note_class(struct hb_serve_conn *c, bool urgent) {
        bool only_urgent = c->for_demand || c->requests == c->urgent_in_row;

        c->requests++;
        c->urgent_in_row = urgent ? c->urgent_in_row + 1 : 0;
        c->bulk_in_row = urgent ? 0 : c->bulk_in_row + 1;
        if (urgent ? !c->mixed : c->mixed && c->bulk_in_row >= BULK_ROW) {
                c->mixed = urgent;
                hb_sock_limit_queue(c->io.c.fd, urgent ? QUEUE_MIXED : QUEUE_BULK);
        }
        only_urgent = urgent && (only_urgent || c->urgent_in_row >= HB_URGENT_ROW);
        if (only_urgent != c->for_demand)
                prefer(c, only_urgent);
}

static int got_request(struct hb_serve_conn *c, const struct hb_frame_header *h, const uint8_t *p,
                       struct hb_err *e) {
        struct hb_msg_fetch m;
        int rc;

        if (h->type == HB_MSG_ERROR) {
                hb_data_io_peer_error(&c->io, p, h->length, e);
                return -EREMOTEIO; /* nothing to answer */
        }
        if (h->type != HB_MSG_FETCH || hb_msg_fetch_get(p, h->length, &m) < 0)
                return hb_err_set(e, -EPROTO, c->io.which, "check that both hosts run compatible versions",
                                  "what came on a page connection (%s) is no request for pages",
                                  hb_msg_name(h->type));
        rc = check_range(c->s->src->shape, &m, e);
        if (rc < 0)
                return rc;
        note_class(c, m.urgent);
        enqueue(m.urgent ? &c->urgent : &c->bulk, &m);
        hb_link_meter_begin(&c->s->meter, hb_now_ns(), 1);
        return 0;
}

/* -EPROTO and -EBADMSG: the peer broke a rule and should be told. */
static int read_requests(struct hb_serve_conn *c, struct hb_err *e) {
        struct hb_frame_header h;
        const uint8_t *p;
        int rc = 1, came = 1;

        while (!queues_full(c)) {
                rc = hb_data_io_next(&c->io, &h, &p, e);
                if (rc == 1)
                        rc = got_request(c, &h, p, e);
                else if (rc == 0) {
                        if (came == 0)
                                return 0;
                        rc = came = hb_data_io_fill(&c->io, e);
                }
                if (rc < 0)
                        return rc;
        }
        return 0;
}

/* ---- answers ---- */

static int pack_answer(struct hb_serve_conn *c, const struct hb_msg_fetch *m, uint64_t *ret_mask) {
        const struct hb_page_source *src = c->s->src;
        int i = hb_shape_region_of(src->shape, m->gfn);
        const uint8_t *at =
                src->region_map[i] + ((m->gfn - src->shape->regions[i].first_gfn) << HB_PAGE_SHIFT);
        struct hb_msg_pages answer = {.id = m->id};
        struct hb_packed packed;
        size_t head;
        int rc;

        answer.stamp = __atomic_load_n(src->completed_epoch, __ATOMIC_ACQUIRE);
        hb_data_io_begin(&c->io);
        head = c->io.out.len;
        hb_buf_space(&c->io.out, HB_MSG_PAGES_HEAD);
        rc = hb_page_codec_pack(c->codec, at, m->pages, &packed, &c->io.out);
        if (rc < 0)
                return rc;
        answer.zero_mask = packed.zero_mask;
        answer.encoding = packed.encoding;
        answer.checksum = packed.checksum;
        hb_msg_pages_put(&answer, c->io.out.data + head);
        *ret_mask = packed.zero_mask;
        return hb_data_io_end(&c->io, HB_MSG_PAGES);
}

static bool closed(struct hb_serve_conn *c) {
        bool yes;

        pthread_mutex_lock(&c->s->lock);
        yes = c->s->closed;
        pthread_mutex_unlock(&c->s->lock);
        return yes;
}

static int flush_all(struct hb_serve_conn *c, struct hb_err *e) {
        int rc;

        while ((rc = hb_data_io_flush(&c->io, e)) == 0) {
                hb_data_io_wait(&c->io, -1, false, -1, 0);
                if (closed(c))
                        return hb_err_set(e, -ECANCELED, c->io.which, NULL, "closed on request");
        }
        return rc < 0 ? rc : 0;
}

/* What this connection moved of all that moved since the last look: so much of the cap is its own. */
static double share_of_cap(struct hb_serve_conn *c, double cap) {
        uint64_t own = hb_data_io_wire_out(&c->io), mine = own - c->seen_own, others;
        struct hb_link_stats all;

        hb_link_meter_get(&c->s->meter, hb_now_ns(), &all);
        others = all.wire_bytes - c->seen_all;
        c->seen_own = own;
        c->seen_all = all.wire_bytes;
        return others > mine ? cap * (double)mine / (double)others : cap;
}

/* After each run: whether the link or the processor holds us up tells the codec how hard to compress. Now and
 * then also what the kernel knows of the link. */
static void look_at_link(struct hb_serve_conn *c) {
        struct hb_sock_rate r;
        double cap;

        hb_page_codec_sent(c->codec);
        if (c->runs++ % SAMPLE_EVERY != 0 || hb_sock_rate(c->io.c.fd, &r) < 0)
                return;
        pthread_mutex_lock(&c->s->lock);
        cap = c->s->bucket.rate;
        pthread_mutex_unlock(&c->s->lock);
        if (c->runs == 1 || c->urgent.n + c->bulk.n == 0) /* else the round trip has our own queue in it */
                hb_link_meter_latency(&c->s->meter, r.round_trip_s);
        hb_page_codec_link(c->codec, r.bytes_per_s);
        hb_page_codec_cap(c->codec, cap > 0 ? share_of_cap(c, cap) : 0);
}

/* Returns wire bytes, < 0. */
static int64_t answer(struct hb_serve_conn *c, const struct hb_msg_fetch *m, struct hb_err *e) {
        uint64_t before = hb_data_io_wire_out(&c->io), mask = 0, wire, now;
        int rc = hb_fault("tcp_server.answer") ? -EIO : pack_answer(c, m, &mask);

        if (rc < 0)
                return hb_err_set(e, rc, c->io.which, NULL, "cannot pack pages: %s", strerror(-rc));
        rc = flush_all(c, e);
        if (rc < 0)
                return rc;
        now = hb_now_ns();
        wire = hb_data_io_wire_out(&c->io) - before;
        hb_link_meter_moved(&c->s->meter, now, wire, m->pages, (uint32_t)__builtin_popcountll(mask));
        hb_link_meter_end(&c->s->meter, now, 1);
        c->page_bytes += PAGE_GAIN * ((double)wire / m->pages - c->page_bytes);
        look_at_link(c);
        return (int64_t)wire;
}

static int answer_urgent(struct hb_serve_conn *c, struct hb_err *e) {
        struct hb_msg_fetch m = dequeue(&c->urgent);
        int64_t wire = answer(c, &m, e);

        if (wire < 0)
                return (int)wire;
        pthread_mutex_lock(&c->s->lock);
        hb_token_bucket_reserve(&c->s->bucket, hb_now_ns(), (uint64_t)wire);
        pthread_mutex_unlock(&c->s->lock);
        return 0;
}

/* ns until the bulk run at the head may go, by the cap. */
static uint64_t bulk_wait(struct hb_serve_conn *c) {
        const struct hb_msg_fetch *m = &c->bulk.r[c->bulk.head % HB_SERVE_QUEUE];
        uint64_t now = hb_now_ns(), ns;

        pthread_mutex_lock(&c->s->lock);
        if (!c->have_ticket) {
                c->reserved = (uint64_t)(c->page_bytes * m->pages);
                c->ticket = hb_token_bucket_reserve(&c->s->bucket, now, c->reserved);
                c->have_ticket = true;
        }
        ns = hb_token_bucket_wait(&c->s->bucket, now, c->ticket);
        pthread_mutex_unlock(&c->s->lock);
        if (c->runs % SAMPLE_EVERY == 0 || ns > 0)
                hb_link_meter_capped(&c->s->meter, ns > 0);
        return ns;
}

static void settle_ticket(struct hb_serve_conn *c, int64_t wire) {
        pthread_mutex_lock(&c->s->lock);
        hb_token_bucket_correct(&c->s->bucket, wire - (int64_t)c->reserved);
        pthread_mutex_unlock(&c->s->lock);
        c->have_ticket = false;
}

static int answer_bulk(struct hb_serve_conn *c, struct hb_err *e) {
        struct hb_msg_fetch m = dequeue(&c->bulk);
        int64_t wire = answer(c, &m, e);

        settle_ticket(c, wire < 0 ? 0 : wire);
        return wire < 0 ? (int)wire : 0;
}

/* ---- the thread ---- */

static int serve(struct hb_serve_conn *c, struct hb_err *e) {
        uint64_t ns;
        int rc = 0;

        while (rc == 0) {
                if (closed(c))
                        return hb_err_set(e, -ECANCELED, c->io.which, NULL, "closed on request");
                rc = read_requests(c, e);
                if (rc < 0)
                        return rc;
                if (c->urgent.n > 0)
                        rc = answer_urgent(c, e);
                else if (c->bulk.n == 0)
                        hb_data_io_wait(&c->io, -1, true, -1, 0);
                else if ((ns = bulk_wait(c)) > 0)
                        hb_data_io_wait(&c->io, (int64_t)ns, !queues_full(c), -1, 0);
                else
                        rc = answer_bulk(c, e);
        }
        return rc;
}

/* The peer broke a rule: tell it, and give it a moment to read before the socket goes. */
static void last_words(struct hb_serve_conn *c, const struct hb_err *why) {
        uint64_t until = hb_now_ns() + LAST_WORDS_NS, now;
        struct hb_err e;

        if (hb_data_io_send_error(&c->io, why) < 0 || flush_all(c, &e) < 0)
                return;
        shutdown(c->io.c.fd, SHUT_WR);
        while ((now = hb_now_ns()) < until && !closed(c)) {
                c->io.in_at = c->io.in_len;
                if (hb_data_io_fill(&c->io, &e) < 0)
                        return;
                if (c->io.in_at == c->io.in_len)
                        hb_data_io_wait(&c->io, (int64_t)(until - now), true, -1, 0);
        }
}

static void leave(struct hb_serve_conn *c) {
        hb_tcp_server *s = c->s;
        struct hb_serve_conn **at = &s->active;

        pthread_mutex_lock(&s->lock);
        while (*at && *at != c)
                at = &(*at)->next_active;
        if (*at)
                *at = c->next_active;
        if (c->have_ticket)
                hb_token_bucket_correct(&s->bucket, -(int64_t)c->reserved);
        pthread_mutex_unlock(&s->lock);
        hb_link_meter_end(&s->meter, hb_now_ns(), c->urgent.n + c->bulk.n);
        hb_link_meter_connected(&s->meter, -1);
}

void hb_serve_conn_run(struct hb_crew_member *m) {
        struct hb_serve_conn *c = (struct hb_serve_conn *)m;
        struct hb_err why = {0};
        int rc;

        prefer(c, false);
        hb_link_meter_connected(&c->s->meter, +1);
        rc = serve(c, &why);
        if (rc == -EPROTO || rc == -EBADMSG) {
                hb_link_meter_error(&c->s->meter);
                last_words(c, &why);
        }
        leave(c);
        if (c->s->o.ended)
                c->s->o.ended(c->s->o.arg, &why);
        hb_data_conn_close(&c->io.c);
}
