/* What only the tcp backend promises: the cap, urgent fetches beside it, and no trust in the other side. The
 * hostile sides are played by hand on a real TLS connection. */
#include "check.h"
#include "page_rig.h"
#include "transport/page_codec.h"
#include "transport/wire_data.h"
#include <openssl/ssl.h>
#include <signal.h>

#define PAGES 2048u

struct world {
        struct rig_guest guest;
        struct page_rig rig;
        hb_fetcher *fetcher;
        hb_tcp_server *server;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned done, urgent_done, ended;
        int last_status;
        bool connected, pump;
        struct hb_err why; /* of the last connection that ended */
        unsigned next_run;
        struct hb_fetch f[64];
};

static void on_done(void *arg, struct hb_fetch *f) {
        struct world *w = arg;
        bool again;

        pthread_mutex_lock(&w->lock);
        w->done++;
        w->last_status = f->status;
        w->urgent_done += f->urgent;
        again = w->pump && !f->urgent;
        f->gfn = (w->next_run++ * HB_FETCH_MAX_PAGES) % PAGES;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
        if (again)
                w->fetcher->ops->fetch(w->fetcher, f);
}

static void on_state(void *arg, bool connected) {
        struct world *w = arg;

        pthread_mutex_lock(&w->lock);
        w->connected = connected;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
}

static void on_ended(void *arg, const struct hb_err *why) {
        struct world *w = arg;

        pthread_mutex_lock(&w->lock);
        w->ended++;
        w->why = *why;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
}

static void wait_for(struct world *w, const unsigned *count, unsigned n) {
        uint64_t end = hb_now_ns() + RIG_WAIT_NS;
        struct timespec ts;

        pthread_mutex_lock(&w->lock);
        while (*count < n && hb_now_ns() < end) {
                clock_gettime(CLOCK_REALTIME, &ts);
                ts.tv_sec++;
                pthread_cond_timedwait(&w->changed, &w->lock, &ts);
        }
        assert_true(*count >= n);
        pthread_mutex_unlock(&w->lock);
}

static void wait_connected(struct world *w, bool connected) {
        uint64_t end = hb_now_ns() + RIG_WAIT_NS;
        struct timespec ts;

        pthread_mutex_lock(&w->lock);
        while (w->connected != connected && hb_now_ns() < end) {
                clock_gettime(CLOCK_REALTIME, &ts);
                ts.tv_sec++;
                pthread_cond_timedwait(&w->changed, &w->lock, &ts);
        }
        assert_int_equal(w->connected, connected);
        pthread_mutex_unlock(&w->lock);
}

static int setup(void **state) {
        struct world *w = calloc(1, sizeof(*w));

        pthread_mutex_init(&w->lock, NULL);
        pthread_cond_init(&w->changed, NULL);
        rig_guest_init(&w->guest, PAGES, 0);
        rig_init(&w->rig);
        for (unsigned i = 0; i < 64; i++)
                w->f[i] = (struct hb_fetch){.pages = HB_FETCH_MAX_PAGES,
                                            .dst = malloc(HB_FETCH_MAX_PAGES * HB_PAGE_SIZE)};
        *state = w;
        return 0;
}

static int teardown(void **state) {
        struct world *w = *state;

        rig_set_fetcher(&w->rig, NULL);
        if (w->fetcher)
                w->fetcher->ops->fini(w->fetcher);
        hb_tcp_server_free(w->server);
        rig_fini(&w->rig);
        rig_guest_fini(&w->guest);
        for (unsigned i = 0; i < 64; i++)
                free(w->f[i].dst);
        pthread_mutex_destroy(&w->lock);
        pthread_cond_destroy(&w->changed);
        free(w);
        return 0;
}

static void open_fetcher(struct world *w) {
        struct hb_fetcher_callbacks cb = {.done = on_done, .state = on_state, .arg = w};
        struct hb_tcp_fetcher_options o = {.ended = on_ended, .arg = w};

        assert_int_equal(hb_tcp_fetcher_new(&o, &cb, &w->fetcher, NULL), 0);
        rig_set_fetcher(&w->rig, w->fetcher);
}

static void open_server(struct world *w, uint64_t cap, int level, unsigned connections) {
        struct hb_tcp_server_options o = {.cap_bytes_per_s = cap, .zstd_level = level};

        assert_int_equal(hb_tcp_server_new(&w->guest.src, &o, &w->server, NULL), 0);
        for (unsigned i = 0; i < connections; i++) {
                struct hb_data_conn c = rig_dial(&w->rig, HB_DATA_PAGES);
                assert_int_equal(hb_tcp_server_add(w->server, &c), 0);
        }
        wait_connected(w, true);
}

/* Keeps n runs in flight until told otherwise. */
static void start_pump(struct world *w, unsigned n) {
        w->pump = true;
        for (unsigned i = 0; i < n; i++) {
                w->f[i].gfn = (i * HB_FETCH_MAX_PAGES) % PAGES;
                assert_int_equal(w->fetcher->ops->fetch(w->fetcher, &w->f[i]), 0);
        }
}

static void stop_pump(struct world *w) {
        pthread_mutex_lock(&w->lock);
        w->pump = false;
        pthread_mutex_unlock(&w->lock);
}

/* ---- the cap ---- */

static double measure(struct world *w, uint64_t ns) {
        struct hb_link_stats a, b;
        uint64_t start, took;

        hb_tcp_server_stats(w->server, &a);
        start = hb_now_ns();
        hb_sleep_ns(ns); /* the measure itself, not a wait for something */
        hb_tcp_server_stats(w->server, &b);
        took = hb_now_ns() - start;
        return (double)(b.wire_bytes - a.wire_bytes) / ((double)took / 1e9);
}

static void within(double rate, double cap) {
        if (rate < 0.95 * cap || rate > 1.05 * cap)
                fail_msg("%.2f MB/s under a cap of %.2f", rate / 1e6, cap / 1e6);
}

static void test_cap_holds_at_two_rates(void **state) {
        struct world *w = *state;
        struct hb_link_stats st;

        open_fetcher(w);
        open_server(w, 8000000, HB_ZSTD_OFF, 3);
        start_pump(w, 48);
        wait_for(w, &w->done, 4);
        within(measure(w, 2500 * HB_NS_PER_MS), 8e6);
        hb_tcp_server_stats(w->server, &st);
        assert_true(st.busy_limited_by_cap);
        assert_int_equal(st.connections, 3);
        hb_tcp_server_set_cap(w->server, 30000000);
        measure(w, 200 * HB_NS_PER_MS);
        within(measure(w, 2500 * HB_NS_PER_MS), 30e6);
        stop_pump(w);
}

/* The cap counts what goes over the wire, not what it stands for. */
static void test_cap_counts_compressed_bytes(void **state) {
        struct world *w = *state;
        struct hb_link_stats a, b;

        for (size_t i = 0; i < PAGES * (size_t)HB_PAGE_SIZE; i++)
                w->guest.memory[0][i] = (uint8_t)(i % 251 < 200 ? i / 977 % 7 : w->guest.memory[0][i]);
        open_fetcher(w);
        open_server(w, 6000000, 1, 2);
        start_pump(w, 32);
        wait_for(w, &w->done, 4);
        hb_tcp_server_stats(w->server, &a);
        within(measure(w, 2000 * HB_NS_PER_MS), 6e6);
        hb_tcp_server_stats(w->server, &b);
        assert_true(b.page_bytes - a.page_bytes > 3 * (b.wire_bytes - a.wire_bytes) / 2);
        assert_true(b.compression > 1.5);
        stop_pump(w);
}

/* Without a cap it is much faster: the cap was what held it. Auto compression leaves random pages alone. */
static void test_no_cap(void **state) {
        struct world *w = *state;
        struct hb_link_stats st;

        open_fetcher(w);
        open_server(w, 0, HB_ZSTD_AUTO, 2);
        start_pump(w, 32);
        wait_for(w, &w->done, 4);
        assert_true(measure(w, 500 * HB_NS_PER_MS) > 15e6);
        stop_pump(w);
        hb_tcp_fetcher_stats(w->fetcher, &st);
        assert_true(st.bytes_per_s > 10e6 && st.used_share > 0.2 && st.latency_s > 0);
        assert_true(st.compression > 0.95 && st.compression < 1.05);
        assert_int_equal(st.errors, 0);
}

/* At 1 MB/s a bulk run takes a quarter of a second; an urgent page does not wait for one. */
static void test_urgent_skips_the_cap(void **state) {
        struct world *w = *state;
        struct hb_fetch urgent = {.pages = 1, .urgent = true, .dst = malloc(HB_PAGE_SIZE)};
        uint64_t start, worst = 0, took;

        open_fetcher(w);
        open_server(w, 1000000, HB_ZSTD_OFF, 2);
        start_pump(w, 32);
        wait_for(w, &w->done, 1);
        for (int i = 0; i < 20; i++) {
                start = hb_now_ns();
                assert_int_equal(w->fetcher->ops->fetch(w->fetcher, &urgent), 0);
                wait_for(w, &w->urgent_done, (unsigned)i + 1);
                took = hb_now_ns() - start;
                worst = took > worst ? took : worst;
                assert_int_equal(urgent.status, 0);
                assert_true(urgent.wire_bytes > HB_PAGE_SIZE);
        }
        if (worst > 200 * HB_NS_PER_MS)
                fail_msg("an urgent page took %llu ms", (unsigned long long)(worst / HB_NS_PER_MS));
        stop_pump(w);
        w->fetcher->ops->close(w->fetcher);
        w->fetcher = w->fetcher->ops->fini(w->fetcher);
        rig_set_fetcher(&w->rig, NULL);
        free(urgent.dst);
}

/* ---- a hostile source ---- */

struct wire { /* one end of a data connection, by hand */
        struct hb_data_conn c;
        uint8_t in[8192];
};

static void put(struct wire *x, const void *p, size_t n) {
        assert_int_equal(SSL_write(x->c.ssl, p, (int)n), (int)n);
}

static void put_frame(struct wire *x, enum hb_msg_type type, uint64_t seq, const void *p, size_t n) {
        uint8_t *frame = malloc(HB_WIRE_HEADER + n);

        hb_frame_put(frame, (uint32_t)n, (uint16_t)type, seq);
        if (n > 0)
                memcpy(frame + HB_WIRE_HEADER, p, n);
        put(x, frame, HB_WIRE_HEADER + n);
        free(frame);
}

static void get(struct wire *x, void *p, size_t n) {
        for (size_t at = 0; at < n;) {
                int got = SSL_read(x->c.ssl, (uint8_t *)p + at, (int)(n - at));
                assert_true(got > 0);
                at += (size_t)got;
        }
}

static size_t get_frame(struct wire *x, struct hb_frame_header *h) {
        uint8_t head[HB_WIRE_HEADER];

        get(x, head, sizeof(head));
        assert_int_equal(hb_frame_get(head, x->c.seq_in++, h, NULL), 0);
        assert_true(h->length <= sizeof(x->in));
        get(x, x->in, h->length);
        return h->length;
}

static struct hb_msg_fetch get_fetch(struct wire *x) {
        struct hb_frame_header h;
        struct hb_msg_fetch m;
        size_t n = get_frame(x, &h);

        assert_int_equal(h.type, HB_MSG_FETCH);
        assert_int_equal(hb_msg_fetch_get(x->in, n, &m), 0);
        return m;
}

/* A right answer of one page, to be damaged. */
struct answer {
        struct hb_msg_pages m;
        uint8_t bytes[HB_MSG_PAGES_HEAD + HB_PAGE_SIZE];
        size_t size;
};

static struct answer right_answer(uint64_t id, uint32_t stamp) {
        struct answer a = {.size = HB_MSG_PAGES_HEAD + HB_PAGE_SIZE};
        struct hb_buf out = {0};
        struct hb_packed p;
        hb_page_codec *c;
        uint8_t page[HB_PAGE_SIZE];

        rig_random(page, sizeof(page), id + 1);
        assert_int_equal(hb_page_codec_new(HB_ZSTD_OFF, &c), 0);
        assert_int_equal(hb_page_codec_pack(c, page, 1, &p, &out), 0);
        a.m = (struct hb_msg_pages){.id = id, .stamp = stamp, .checksum = p.checksum, .encoding = p.encoding};
        hb_msg_pages_put(&a.m, a.bytes);
        memcpy(a.bytes + HB_MSG_PAGES_HEAD, page, HB_PAGE_SIZE);
        hb_page_codec_free(c);
        hb_buf_free(&out);
        return a;
}

static void open_hostile_source(struct world *w, struct wire *x) {
        open_fetcher(w);
        *x = (struct wire){.c = rig_dial(&w->rig, HB_DATA_PAGES)};
        wait_connected(w, true);
        for (unsigned i = 0; i < 3; i++) {
                w->f[i].pages = 1;
                w->f[i].gfn = i;
                assert_int_equal(w->fetcher->ops->fetch(w->fetcher, &w->f[i]), 0);
        }
}

/* The connection ended with this word, and all three fetches came back, `lost` of them as lost. */
static void expect_ended(struct world *w, struct wire *x, int code, const char *word, unsigned lost) {
        unsigned n = 0;

        wait_for(w, &w->ended, 1);
        wait_for(w, &w->done, 3);
        if (w->why.code != code || !strstr(w->why.what, word))
                fail_msg("expected %d '%s', got %d '%s'", code, word, w->why.code, w->why.what);
        for (unsigned i = 0; i < 3; i++)
                n += w->f[i].status == -ECONNRESET;
        assert_int_equal(n, lost);
        assert_int_equal(w->done, 3);
        hb_data_conn_close(&x->c);
}

static void test_answer_to_no_request(void **state) {
        struct world *w = *state;
        struct wire x;
        struct answer a;

        open_hostile_source(w, &x);
        a = right_answer(get_fetch(&x).id + 1000, 1);
        put_frame(&x, HB_MSG_PAGES, x.c.seq_out, a.bytes, a.size);
        expect_ended(w, &x, -EBADMSG, "not made", 3);
}

/* The id of another request that would lie in the same slot. */
static void test_answer_with_a_near_id(void **state) {
        struct world *w = *state;
        struct wire x;
        struct answer a;

        open_hostile_source(w, &x);
        a = right_answer(get_fetch(&x).id + 16 * 5, 1);
        put_frame(&x, HB_MSG_PAGES, x.c.seq_out, a.bytes, a.size);
        expect_ended(w, &x, -EBADMSG, "not made", 3);
}

static void test_answer_twice(void **state) {
        struct world *w = *state;
        struct wire x;
        struct answer a;

        open_hostile_source(w, &x);
        a = right_answer(get_fetch(&x).id, 1);
        put_frame(&x, HB_MSG_PAGES, x.c.seq_out, a.bytes, a.size);
        put_frame(&x, HB_MSG_PAGES, x.c.seq_out + 1, a.bytes, a.size);
        expect_ended(w, &x, -EBADMSG, "not made", 2);
}

static void test_stamp_goes_back(void **state) {
        struct world *w = *state;
        struct wire x;
        struct answer a;

        open_hostile_source(w, &x);
        a = right_answer(get_fetch(&x).id, 7);
        put_frame(&x, HB_MSG_PAGES, x.c.seq_out, a.bytes, a.size);
        a = right_answer(get_fetch(&x).id, 6);
        put_frame(&x, HB_MSG_PAGES, x.c.seq_out + 1, a.bytes, a.size);
        expect_ended(w, &x, -EBADMSG, "epoch", 2);
}

/* Damaged bytes cost their fetch, not the connection. */
static void test_bad_checksum(void **state) {
        struct world *w = *state;
        struct wire x;
        struct answer a;

        open_hostile_source(w, &x);
        a = right_answer(get_fetch(&x).id, 1);
        a.bytes[HB_MSG_PAGES_HEAD + 77] ^= 1;
        put_frame(&x, HB_MSG_PAGES, x.c.seq_out, a.bytes, a.size);
        wait_for(w, &w->done, 1);
        assert_int_equal(w->last_status, -EBADMSG);
        a = right_answer(get_fetch(&x).id, 1);
        put_frame(&x, HB_MSG_PAGES, x.c.seq_out + 1, a.bytes, a.size);
        wait_for(w, &w->done, 2);
        assert_int_equal(w->last_status, 0);
        hb_data_conn_close(&x.c);
        expect_ended(w, &x, -ECONNRESET, "lost", 1);
}

static void test_sizes_that_do_not_fit(void **state) {
        struct world *w = *state;
        struct wire x;
        struct answer a;

        open_hostile_source(w, &x);
        a = right_answer(get_fetch(&x).id, 1);
        put_frame(&x, HB_MSG_PAGES, x.c.seq_out, a.bytes, a.size - 1);
        expect_ended(w, &x, -EBADMSG, "size", 3);
}

static void test_mask_beyond_the_run(void **state) {
        struct world *w = *state;
        struct wire x;
        struct answer a;

        open_hostile_source(w, &x);
        a = right_answer(get_fetch(&x).id, 1);
        a.m.zero_mask = 2;
        hb_msg_pages_put(&a.m, a.bytes);
        put_frame(&x, HB_MSG_PAGES, x.c.seq_out, a.bytes, HB_MSG_PAGES_HEAD);
        expect_ended(w, &x, -EBADMSG, "size", 3);
}

static void test_oversized_frame(void **state) {
        struct world *w = *state;
        struct wire x;
        uint8_t head[HB_WIRE_HEADER];

        open_hostile_source(w, &x);
        hb_frame_put(head, 1u << 20, HB_MSG_PAGES, x.c.seq_out);
        put(&x, head, sizeof(head));
        expect_ended(w, &x, -EBADMSG, "too large", 3);
}

static void test_reordered_frames(void **state) {
        struct world *w = *state;
        struct wire x;
        struct answer a;

        open_hostile_source(w, &x);
        a = right_answer(get_fetch(&x).id, 1);
        put_frame(&x, HB_MSG_PAGES, x.c.seq_out + 1, a.bytes, a.size);
        expect_ended(w, &x, -EBADMSG, "reordered", 3);
}

static void test_random_bytes(void **state) {
        struct world *w = *state;
        struct wire x;
        uint8_t bytes[4096];

        open_hostile_source(w, &x);
        rig_random(bytes, sizeof(bytes), 99);
        put(&x, bytes, sizeof(bytes));
        expect_ended(w, &x, -EBADMSG, "frame", 3);
}

static void test_cut_frame(void **state) {
        struct world *w = *state;
        struct wire x;
        struct answer a;
        uint8_t head[HB_WIRE_HEADER];

        open_hostile_source(w, &x);
        a = right_answer(get_fetch(&x).id, 1);
        hb_frame_put(head, (uint32_t)a.size, HB_MSG_PAGES, x.c.seq_out);
        put(&x, head, sizeof(head));
        put(&x, a.bytes, a.size / 2);
        hb_data_conn_close(&x.c);
        expect_ended(w, &x, -ECONNRESET, "lost", 3);
}

static void test_foreign_frame(void **state) {
        struct world *w = *state;
        struct wire x;

        open_hostile_source(w, &x);
        put_frame(&x, HB_MSG_TUNNEL, x.c.seq_out, "x", 1);
        expect_ended(w, &x, -EBADMSG, "does not belong", 3);
}

static void test_error_frame(void **state) {
        struct world *w = *state;
        struct wire x;
        struct hb_err e = {0};
        struct hb_buf b = {0};

        open_hostile_source(w, &x);
        hb_err_set(&e, -ENOSPC, "disk", "free some", "no room");
        hb_msg_error_put(&e, &b);
        put_frame(&x, HB_MSG_ERROR, x.c.seq_out, b.data, b.len);
        hb_buf_free(&b);
        expect_ended(w, &x, -ENOSPC, "source says: no room", 3);
}

/* ---- a hostile target ---- */

static void open_hostile_target(struct world *w, struct wire *x) {
        struct hb_tcp_server_options o = {.zstd_level = HB_ZSTD_OFF, .ended = on_ended, .arg = w};
        struct hb_data_conn c = rig_dial(&w->rig, HB_DATA_PAGES);

        *x = (struct wire){.c = rig_take(&w->rig)};
        assert_int_equal(hb_tcp_server_new(&w->guest.src, &o, &w->server, NULL), 0);
        assert_int_equal(hb_tcp_server_add(w->server, &c), 0);
}

static void expect_refused(struct world *w, struct wire *x, int code, const char *word) {
        struct hb_frame_header h;
        struct hb_err e = {0};
        size_t n = get_frame(x, &h);

        assert_int_equal(h.type, HB_MSG_ERROR);
        assert_int_equal(hb_msg_error_get(x->in, n, &e), 0);
        if (e.code != code || !strstr(e.what, word))
                fail_msg("told %d '%s'", e.code, e.what);
        hb_data_conn_close(&x->c);
        wait_for(w, &w->ended, 1);
        assert_int_equal(w->why.code, code);
        assert_non_null(strstr(w->why.what, word));
}

static size_t fetch_bytes(uint8_t *out, uint64_t gfn, uint32_t pages) {
        struct hb_msg_fetch m = {.id = 1, .gfn = gfn, .pages = pages};
        struct hb_buf b = {0};
        size_t n;

        hb_msg_fetch_put(&m, &b);
        memcpy(out, b.data, b.len);
        n = b.len;
        hb_buf_free(&b);
        return n;
}

static void test_request_outside(void **state) {
        struct world *w = *state;
        struct wire x;
        uint8_t p[64];

        open_hostile_target(w, &x);
        for (uint64_t i = 0; i < 30; i++) /* the refusal must arrive although more was sent */
                put_frame(&x, HB_MSG_FETCH, x.c.seq_out + i, p, fetch_bytes(p, PAGES - 1, 2));
        expect_refused(w, &x, -EPROTO, "not in one region");
}

static void test_request_of_no_pages(void **state) {
        struct world *w = *state;
        struct wire x;
        uint8_t p[64];

        open_hostile_target(w, &x);
        put_frame(&x, HB_MSG_FETCH, x.c.seq_out, p, fetch_bytes(p, 0, 0));
        expect_refused(w, &x, -EPROTO, "no request for pages");
}

static void test_target_sends_garbage(void **state) {
        struct world *w = *state;
        struct wire x;
        uint8_t p[256];

        open_hostile_target(w, &x);
        rig_random(p, sizeof(p), 5);
        put(&x, p, sizeof(p));
        expect_refused(w, &x, -EBADMSG, "frame");
}

static void test_target_sends_large_frame(void **state) {
        struct world *w = *state;
        struct wire x;
        uint8_t p[8192] = {0};

        open_hostile_target(w, &x);
        put_frame(&x, HB_MSG_FETCH, x.c.seq_out, p, sizeof(p));
        expect_refused(w, &x, -EBADMSG, "too large");
}

/* One that asks and never reads holds only its own connection. */
static void test_target_that_never_reads(void **state) {
        struct world *w = *state;
        struct wire x;
        uint8_t p[64];
        uint64_t start;

        open_hostile_target(w, &x);
        for (uint64_t i = 0; i < 200; i++)
                put_frame(&x, HB_MSG_FETCH, x.c.seq_out + i, p, fetch_bytes(p, 0, 64));
        start = hb_now_ns();
        w->server = hb_tcp_server_free(w->server);
        assert_true(hb_now_ns() - start < 5 * HB_NS_PER_S);
        assert_int_equal(w->ended, 1);
        hb_data_conn_close(&x.c);
}

/* ---- tokens ---- */

static void test_wrong_token_and_host(void **state) {
        struct world *w = *state;
        uint8_t token[HB_TOKEN_SIZE] = {9};
        struct hb_data_conn c;
        struct hb_err e = {0};
        hb_tls *third;

        open_fetcher(w);
        assert_int_equal(hb_data_dial(w->rig.source_tls, "target", w->rig.address, token, HB_DATA_PAGES,
                                      10000, &c, &e),
                         -EACCES);
        assert_non_null(strstr(e.what, "token"));
        cluster_add(&w->rig.cluster, "third", 30); /* knows the right token, and is another host */
        third = cluster_tls(&w->rig.cluster, "third");
        assert_int_equal(
                hb_data_dial(third, "target", w->rig.address, w->rig.token, HB_DATA_PAGES, 10000, &c, &e),
                -EACCES);
        assert_non_null(strstr(e.what, "another host"));
        rig_wait_notes(&w->rig, 2);
        assert_false(w->connected);
        hb_tls_free(third);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_cap_holds_at_two_rates),
                T(test_cap_counts_compressed_bytes),
                T(test_no_cap),
                T(test_urgent_skips_the_cap),
                T(test_answer_to_no_request),
                T(test_answer_with_a_near_id),
                T(test_answer_twice),
                T(test_stamp_goes_back),
                T(test_bad_checksum),
                T(test_sizes_that_do_not_fit),
                T(test_mask_beyond_the_run),
                T(test_oversized_frame),
                T(test_reordered_frames),
                T(test_random_bytes),
                T(test_cut_frame),
                T(test_foreign_frame),
                T(test_error_frame),
                T(test_request_outside),
                T(test_request_of_no_pages),
                T(test_target_sends_garbage),
                T(test_target_sends_large_frame),
                T(test_target_that_never_reads),
                T(test_wrong_token_and_host),
        };

        signal(SIGPIPE, SIG_DFL); /* our own code must not raise it */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
