/* tcp_fetcher_conn: one data connection of a fetcher and its thread.
 *
 * Invariant: a slot holds a fetch from the moment its request is built until its answer came or the
 * connection ended; both paths end in exactly one done(). Of an answer only the head goes through a buffer;
 * once its id, stamp and sizes are known to be right, a raw body is decrypted straight into f->dst. Stamps
 * never go back on one connection, because the source's epoch does not. No allocation after new. */
#include "base/clock.h"
#include "base/fault.h"
#include "transport/sock.h"
#include "transport/tcp_fetcher.h"
#include "transport/thread_class.h"
#include "transport/wire_data.h"
#include <errno.h>
#include <stdlib.h>

#define ANSWER_MAX (HB_MSG_PAGES_HEAD + HB_FETCH_MAX_PAGES * HB_PAGE_SIZE)

int hb_fetch_conn_new(hb_tcp_fetcher *t, struct hb_data_conn *conn, struct hb_fetch_conn **ret) {
        struct hb_fetch_conn *c = calloc(1, sizeof(*c));
        int rc = -ENOMEM;

        if (!c) {
                hb_data_conn_close(conn);
                return -ENOMEM;
        }
        c->t = t;
        rc = hb_data_io_init(&c->io, conn, ANSWER_MAX, NULL);
        if (rc < 0) {
                free(c);
                return rc;
        }
        c->io.exact = true;
        c->io.head = HB_MSG_PAGES_HEAD;
        c->slots = calloc(t->slots, sizeof(*c->slots));
        c->compressed = malloc(HB_FETCH_MAX_PAGES * HB_PAGE_SIZE);
        rc = c->slots && c->compressed ? hb_page_codec_new(HB_ZSTD_OFF, &c->codec) : -ENOMEM;
        if (rc < 0) {
                hb_fetch_conn_release(&c->member);
                return rc;
        }
        *ret = c;
        return 0;
}

void hb_fetch_conn_release(struct hb_crew_member *m) {
        struct hb_fetch_conn *c = (struct hb_fetch_conn *)m;

        hb_data_io_fini(&c->io);
        hb_page_codec_free(c->codec);
        free(c->slots);
        free(c->compressed);
        free(c);
}

static struct hb_fetch_slot *free_slot(struct hb_fetch_conn *c) {
        for (unsigned i = 0; i < c->t->slots; i++)
                if (!c->slots[i].f)
                        return &c->slots[i];
        return NULL; /* cannot be: in_flight < slots */
}

/* ---- requests ---- */

/* Puts as many fetches into slots as the window and the queues allow; with the lock held. */
static unsigned fill_slots(struct hb_fetch_conn *c, struct hb_fetch_slot *taken[]) {
        hb_tcp_fetcher *t = c->t;
        bool bulk = hb_tcp_fetcher_batch_due(t, c);
        struct hb_fetch *f;
        unsigned n = 0;

        while ((f = hb_tcp_fetcher_pop(t, c, bulk))) {
                struct hb_fetch_slot *s = free_slot(c);

                *s = (struct hb_fetch_slot){.f = f, .alone = c->in_flight == 0};
                s->id = c->requests++ * t->slots + (uint64_t)(s - c->slots);
                c->in_flight++;
                c->urgent_in_row = f->urgent ? c->urgent_in_row + 1 : 0;
                taken[n++] = s;
        }
        return n;
}

static int send_request(struct hb_fetch_conn *c, struct hb_fetch_slot *s, uint64_t now) {
        struct hb_msg_fetch m = {.id = s->id, .gfn = s->f->gfn, .pages = s->f->pages, .urgent = s->f->urgent};

        s->sent_ns = now;
        hb_data_io_begin(&c->io);
        hb_msg_fetch_put(&m, &c->io.out);
        return hb_data_io_end(&c->io, HB_MSG_FETCH);
}

static void prefer(struct hb_fetch_conn *c, bool demand) {
        c->for_demand = demand;
        hb_thread_class_set(demand ? HB_THREAD_DEMAND : HB_THREAD_BULK);
        hb_sock_set_interactive(c->io.c.fd, demand);
}

/* The lead's thread and packets go before those of bulk; and so do all when a hand-over leaves nothing but
 * urgent ones. */
static void choose_class(struct hb_fetch_conn *c, bool lead) {
        bool demand = lead || c->urgent_in_row >= HB_URGENT_ROW;

        if (demand != c->for_demand)
                prefer(c, demand);
}

/* 1: requests were built, 0: nothing to do now, < 0. */
static int take_work(struct hb_fetch_conn *c, struct hb_fetch_slot *taken[], struct hb_err *e) {
        hb_tcp_fetcher *t = c->t;
        uint64_t now;
        bool closed, lead;
        unsigned n;

        pthread_mutex_lock(&t->lock);
        closed = t->closed;
        lead = hb_tcp_fetcher_is_lead(t, c);
        n = closed ? 0 : fill_slots(c, taken);
        pthread_mutex_unlock(&t->lock);
        choose_class(c, lead);
        if (closed)
                return hb_err_set(e, -ECANCELED, c->io.which, NULL, "closed on request");
        if (n == 0)
                return 0;
        now = hb_now_ns();
        hb_link_meter_begin(&t->meter, now, n);
        for (unsigned i = 0; i < n; i++)
                if (send_request(c, taken[i], now) < 0)
                        return hb_err_set(e, -ENOMEM, c->io.which, NULL, "out of memory for requests");
        return 1;
}

/* ---- answers ---- */

static struct hb_fetch *take_slot(struct hb_fetch_conn *c, struct hb_fetch_slot *s) {
        struct hb_fetch *f = s->f;

        s->f = NULL;
        pthread_mutex_lock(&c->t->lock);
        c->in_flight--;
        pthread_mutex_unlock(&c->t->lock);
        return f;
}

static void account(struct hb_fetch_conn *c, const struct hb_fetch_slot *s, struct hb_fetch *f,
                    size_t frame) {
        uint64_t now = hb_now_ns();

        f->wire_bytes = frame + HB_TLS_RECORD_EXTRA * (1 + frame / HB_TLS_RECORD);
        if (s->alone)
                hb_link_meter_latency(&c->t->meter, (double)(now - s->sent_ns) / 1e9);
        hb_link_meter_moved(&c->t->meter, now, f->wire_bytes, f->pages,
                            (uint32_t)__builtin_popcountll(f->zero_mask));
        hb_link_meter_end(&c->t->meter, now, 1);
}

static int bad_answer(struct hb_fetch_conn *c, struct hb_err *e, const char *text) {
        return hb_err_set(e, -EBADMSG, c->io.which, "check that both hosts run compatible versions", "%s",
                          text);
}

/* The head of an answer: whose it is, and where its bytes go. */
static int begin_answer(struct hb_fetch_conn *c, const uint8_t *p, size_t n, struct hb_err *e) {
        const uint8_t *none;
        struct hb_fetch_slot *s;
        struct hb_msg_pages m;
        size_t zero;

        if (n < HB_MSG_PAGES_HEAD || hb_msg_pages_get(p, HB_MSG_PAGES_HEAD, &m, &none, &zero) < 0)
                return bad_answer(c, e, "an answer with pages cannot be read");
        s = &c->slots[m.id % c->t->slots];
        if (!s->f || s->id != m.id)
                return bad_answer(c, e, "an answer came to a request that was not made");
        if (m.stamp < c->last_stamp)
                return bad_answer(c, e, "an answer's epoch is older than the one before");
        c->packed =
                (struct hb_packed){.zero_mask = m.zero_mask, .encoding = m.encoding, .checksum = m.checksum};
        c->body_size = n - HB_MSG_PAGES_HEAD;
        c->body_at = 0;
        if (!hb_page_codec_header_ok(&c->packed, c->body_size, s->f->pages))
                return bad_answer(c, e, "an answer's size does not fit its pages");
        c->last_stamp = s->f->stamp = m.stamp;
        s->f->zero_mask = m.zero_mask;
        c->arriving = s;
        return 0;
}

/* > 0: bytes came, 0: none now. */
static int read_body(struct hb_fetch_conn *c, struct hb_err *e) {
        struct hb_fetch *f = c->arriving->f;
        size_t room = c->body_size - c->body_at;
        uint8_t *to = c->compressed + c->body_at;
        int n;

        if (room == 0)
                return 1;
        if (c->packed.encoding == HB_PACKED_RAW)
                to = hb_page_codec_place(&c->packed, f->dst, f->pages, c->body_at, &room);
        n = hb_data_io_body(&c->io, to, room, e);
        if (n > 0)
                c->body_at += (size_t)n;
        return n;
}

static void end_answer(struct hb_fetch_conn *c) {
        struct hb_fetch_slot *s = c->arriving;
        struct hb_fetch *f = s->f;
        int rc;

        if (c->packed.encoding == HB_PACKED_RAW)
                rc = hb_page_codec_check(&c->packed, f->dst, f->pages);
        else
                rc = hb_page_codec_unpack(c->codec, &c->packed, c->compressed, c->body_size, f->dst,
                                          f->pages);
        c->arriving = NULL;
        hb_data_io_frame_done(&c->io);
        account(c, s, f, HB_WIRE_HEADER + HB_MSG_PAGES_HEAD + c->body_size);
        hb_tcp_fetcher_done(c->t, take_slot(c, s), rc);
}

static int take_head(struct hb_fetch_conn *c, struct hb_err *e) {
        struct hb_frame_header h;
        const uint8_t *p;
        int rc = hb_data_io_head(&c->io, &h, &p, e);

        if (rc <= 0)
                return rc;
        if (h.type == HB_MSG_PAGES)
                return begin_answer(c, p, h.length, e);
        if (h.type == HB_MSG_ERROR)
                return hb_data_io_peer_error(&c->io, p, h.length, e);
        return bad_answer(c, e, "a frame came that does not belong on a page connection");
}

/* Takes in until an answer is whole or nothing more is there. > 0: something came. */
static int take_answers(struct hb_fetch_conn *c, struct hb_err *e) {
        int came, any = 0;

        for (;;) {
                if (c->arriving)
                        came = read_body(c, e);
                else if ((came = hb_data_io_fill(&c->io, e)) > 0 && take_head(c, e) < 0)
                        return -EBADMSG;
                if (came <= 0)
                        return came < 0 ? came : any;
                any = 1;
                if (c->arriving && c->body_at == c->body_size) {
                        end_answer(c);
                        return 1;
                }
        }
}

/* ---- the thread ---- */

/* Whoever queues a fetch from now on wakes us; what was queued before this we see. */
static void rest(struct hb_fetch_conn *c) {
        hb_tcp_fetcher *t = c->t;
        bool sleep;

        pthread_mutex_lock(&t->lock);
        sleep = c->sleeping = !t->closed && !hb_tcp_fetcher_has_work(t, c);
        pthread_mutex_unlock(&t->lock);
        if (!sleep)
                return;
        hb_data_io_wait(&c->io, -1, true, -1, 0);
        pthread_mutex_lock(&t->lock);
        c->sleeping = false;
        pthread_mutex_unlock(&t->lock);
}

static void serve(struct hb_fetch_conn *c, struct hb_fetch_slot *taken[], struct hb_err *e) {
        for (;;) {
                int work, came;

                if ((work = take_work(c, taken, e)) < 0 || hb_data_io_flush(&c->io, e) < 0 ||
                    (came = take_answers(c, e)) < 0)
                        return;
                if (work == 0 && came == 0)
                        rest(c);
        }
}

/* Everything this connection still owes comes back as lost. */
static void end(struct hb_fetch_conn *c, const struct hb_err *why) {
        hb_tcp_fetcher *t = c->t;
        struct hb_fetch_queue orphans = {0};
        unsigned in_flight;

        pthread_mutex_lock(&t->lock);
        hb_tcp_fetcher_leave(t, c, &orphans);
        in_flight = c->in_flight;
        pthread_mutex_unlock(&t->lock);
        hb_link_meter_end(&t->meter, hb_now_ns(), in_flight);
        hb_link_meter_connected(&t->meter, -1);
        for (unsigned i = 0; i < t->slots; i++)
                if (c->slots[i].f)
                        hb_fetch_queue_push(&orphans, c->slots[i].f);
        hb_tcp_fetcher_fail_all(t, &orphans);
        hb_tcp_fetcher_tell_state(t);
        if (t->options.ended)
                t->options.ended(t->options.arg, why);
        hb_data_conn_close(&c->io.c); /* the peer learns now, not when the thread is joined */
}

void hb_fetch_conn_run(struct hb_crew_member *m) {
        struct hb_fetch_conn *c = (struct hb_fetch_conn *)m;
        struct hb_fetch_slot *taken[HB_FETCH_WINDOW_MAX + HB_URGENT_SLOTS];
        struct hb_err why = {0};

        prefer(c, false);
        hb_link_meter_connected(&c->t->meter, +1);
        hb_tcp_fetcher_tell_state(c->t);
        serve(c, taken, &why);
        end(c, &why);
}
