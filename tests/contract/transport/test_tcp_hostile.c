/* The tcp backend trusts neither side: hostile sources and targets, played by hand on a real TLS connection,
 * and tokens that are wrong. */
#include "tcp_world.h"
#include "transport/page_codec.h"
#include "transport/wire_data.h"
#include <openssl/ssl.h>
#include <signal.h>

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
