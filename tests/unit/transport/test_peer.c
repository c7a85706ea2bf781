/* Two hosts' control sessions over real TLS on loopback: what goes through, and what is turned away and why.
 */
#include "base/clock.h"
#include "check.h"
#include "cluster.h"
#include "odd_cert.h"
#include "transport/peer.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#define WAIT_S 20

struct side { /* one end of a session */
        hb_session *s;
        bool ready, closed;
        struct hb_err why;
        unsigned messages;
        enum hb_msg_type last_type;
        size_t last_size, total;
        uint64_t sum;
        bool free_in_message, refuse_in_message;
};

struct world {
        struct cluster cluster;
        struct event_base *base;
        hb_tls *alpha, *beta;
        hb_peer_listener *listener;
        char address[32];
        struct side dialled, accepted;
        bool refuse_session, deny_data, eager;
        unsigned notes;
        struct hb_err note;
        struct hb_data_conn data;
        bool have_data;
};

static uint64_t sum_of(const uint8_t *p, size_t n) {
        uint64_t s = 0;

        for (size_t i = 0; i < n; i++)
                s = s * 31 + p[i];
        return s;
}

static void on_message(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *p, size_t n) {
        struct side *side = arg;

        side->messages++;
        side->last_type = type;
        side->last_size = n;
        side->total += n;
        side->sum = sum_of(p, n);
        if (side->refuse_in_message) {
                struct hb_err e = {0};
                hb_err_set(&e, -EBUSY, "guest", "wait", "no more today");
                hb_session_refuse(s, &e);
                side->s = NULL;
        } else if (side->free_in_message)
                side->s = hb_session_free(s);
}

static void on_ready(void *arg, hb_session *s) {
        ((struct side *)arg)->ready = true;
}

static void on_closed(void *arg, hb_session *s, const struct hb_err *why) {
        struct side *side = arg;

        assert_false(side->closed);
        side->closed = true;
        side->why = *why;
}

static const struct hb_session_callbacks dialled_cb = {
        .ready = on_ready, .message = on_message, .closed = on_closed};
static const struct hb_session_callbacks accepted_cb = {.message = on_message, .closed = on_closed};

static void on_session(void *arg, hb_session *s) {
        struct world *w = arg;

        if (w->refuse_session) {
                struct hb_err e = {0};
                hb_err_set(&e, -EACCES, hb_session_host(s), "add it to the allow-list",
                           "host is not on the list");
                hb_session_refuse(s, &e);
                return;
        }
        w->accepted.s = s;
        hb_session_set(s, &accepted_cb, &w->accepted);
}

static int on_data(void *arg, struct hb_data_conn *c) {
        struct world *w = arg;

        if (w->deny_data || c->token[0] != 7)
                return -EACCES;
        w->data = *c;
        w->have_data = true;
        if (w->eager) { /* READY and what follows it in one TLS record */
                uint8_t bytes[HB_WIRE_HEADER + 12];

                hb_frame_put(bytes, 0, HB_MSG_DATA_READY, w->data.seq_out++);
                memcpy(bytes + HB_WIRE_HEADER, "right behind", 12);
                assert_int_equal(SSL_write(w->data.ssl, bytes, sizeof(bytes)), sizeof(bytes));
        } else
                assert_int_equal(hb_data_conn_ready(&w->data), 0);
        return 0;
}

static void on_note(void *arg, const struct hb_err *why) {
        struct world *w = arg;

        w->notes++;
        w->note = *why;
}

static int setup(void **state) {
        struct world *w = calloc(1, sizeof(*w));
        struct hb_listener_callbacks cb = {.session = on_session, .data = on_data, .note = on_note, .arg = w};
        struct hb_err e = {0};

        cluster_init(&w->cluster, "peers");
        cluster_add(&w->cluster, "alpha", 30);
        cluster_add(&w->cluster, "beta", 30);
        w->alpha = cluster_tls(&w->cluster, "alpha");
        w->beta = cluster_tls(&w->cluster, "beta");
        w->base = event_base_new();
        cluster_must(hb_peer_listen(w->base, w->beta, "127.0.0.1:0", &cb, &w->listener, &e), &e);
        snprintf(w->address, sizeof(w->address), "127.0.0.1:%d", hb_peer_listener_port(w->listener));
        *state = w;
        return 0;
}

static int teardown(void **state) {
        struct world *w = *state;

        hb_session_free(w->dialled.s);
        hb_session_free(w->accepted.s);
        if (w->have_data)
                hb_data_conn_close(&w->data);
        hb_peer_listener_free(w->listener);
        event_base_free(w->base);
        hb_tls_free(w->alpha);
        hb_tls_free(w->beta);
        cluster_fini(&w->cluster);
        free(w);
        return 0;
}

/* Runs the loop until `flag`, at most WAIT_S. */
static void run_until(struct world *w, const bool *flag) {
        uint64_t end = hb_now_ns() + WAIT_S * HB_NS_PER_S;
        struct timeval tick = {.tv_usec = 20000};

        while (!*flag && hb_now_ns() < end) {
                event_base_loopexit(w->base, &tick);
                event_base_dispatch(w->base);
        }
        assert_true(*flag);
}

static void run_while(struct world *w, bool (*done)(struct world *w)) {
        uint64_t end = hb_now_ns() + WAIT_S * HB_NS_PER_S;
        struct timeval tick = {.tv_usec = 20000};

        while (!done(w) && hb_now_ns() < end) {
                event_base_loopexit(w->base, &tick);
                event_base_dispatch(w->base);
        }
        assert_true(done(w));
}

static void dial(struct world *w, hb_tls *tls, const char *host) {
        struct hb_err e = {0};

        cluster_must(
                hb_session_dial(w->base, tls, host, w->address, &dialled_cb, &w->dialled, &w->dialled.s, &e),
                &e);
}

static bool both_up(struct world *w) {
        return w->dialled.ready && w->accepted.s;
}

static void connect_both(struct world *w) {
        dial(w, w->alpha, "beta");
        run_while(w, both_up);
}

static void says(const struct hb_err *e, int code, const char *word) {
        if (e->code != code || (!strstr(e->what, word) && !strstr(e->which, word)))
                fail_msg("expected %d and '%s', got %d '%s' (%s) next '%s'", code, word, e->code, e->what,
                         e->which, e->next);
}

/* ---- what works ---- */

static bool latency_known(struct world *w) {
        struct hb_session_stats st;

        hb_session_stats(w->dialled.s, &st);
        return st.latency_s >= 0;
}

static void test_names_and_latency(void **state) {
        struct world *w = *state;
        struct hb_session_stats st;

        connect_both(w);
        assert_string_equal(hb_session_host(w->dialled.s), "beta");
        assert_string_equal(hb_session_host(w->accepted.s), "alpha");
        run_while(w, latency_known);
        hb_session_stats(w->dialled.s, &st);
        assert_true(st.latency_s > 0 && st.latency_s < 5);
        assert_true(st.bytes_out > 0 && st.out_by_type[HB_MSG_PING] == HB_WIRE_HEADER + 8);
        assert_int_equal(w->notes, 0);
}

static bool five_messages(struct world *w) {
        return w->accepted.messages == 5;
}

static void test_messages_whole_and_in_order(void **state) {
        static const size_t sizes[5] = {0, 1, 70000, HB_WIRE_MAX_PAYLOAD, 17};
        struct world *w = *state;
        uint8_t *payload = malloc(HB_WIRE_MAX_PAYLOAD);
        size_t total = 0;

        for (size_t i = 0; i < HB_WIRE_MAX_PAYLOAD; i++)
                payload[i] = (uint8_t)(i * 2654435761u >> 13);
        connect_both(w);
        for (unsigned i = 0; i < 5; i++) {
                assert_int_equal(hb_session_send(w->dialled.s, HB_MSG_SUMMARY, payload, sizes[i]), 0);
                total += sizes[i];
        }
        assert_int_equal(hb_session_send(w->dialled.s, HB_MSG_SUMMARY, payload, HB_WIRE_MAX_PAYLOAD + 1),
                         -EMSGSIZE);
        run_while(w, five_messages);
        assert_int_equal(w->accepted.last_size, 17);
        assert_int_equal(w->accepted.total, total);
        assert_int_equal(w->accepted.sum, sum_of(payload, 17));
        free(payload);
}

static void test_full_says_enobufs(void **state) {
        struct world *w = *state;
        uint8_t *payload = calloc(1, HB_WIRE_MAX_PAYLOAD);
        int rc = 0;

        connect_both(w);
        for (unsigned i = 0; i < 64 && rc == 0; i++) /* the loop does not run: nobody reads */
                rc = hb_session_send(w->dialled.s, HB_MSG_SUMMARY, payload, HB_WIRE_MAX_PAYLOAD);
        assert_int_equal(rc, -ENOBUFS);
        assert_false(w->dialled.closed);
        free(payload);
}

static void test_close_is_seen(void **state) {
        struct world *w = *state;

        connect_both(w);
        w->dialled.s = hb_session_free(w->dialled.s);
        run_until(w, &w->accepted.closed);
        says(&w->accepted.why, -ECONNRESET, "closed");
        assert_int_equal(hb_session_send(w->accepted.s, HB_MSG_DRAIN, "", 1), -ENOTCONN);
}

static void test_free_inside_message(void **state) {
        struct world *w = *state;

        connect_both(w);
        w->accepted.free_in_message = true;
        assert_int_equal(hb_session_send(w->dialled.s, HB_MSG_DRAIN, "", 1), 0);
        assert_int_equal(hb_session_send(w->dialled.s, HB_MSG_DRAIN, "", 1), 0);
        run_until(w, &w->dialled.closed);
        assert_int_equal(w->accepted.messages, 1);
}

static void test_refuse_tells_why(void **state) {
        struct world *w = *state;

        w->refuse_session = true;
        dial(w, w->alpha, "beta");
        run_until(w, &w->dialled.closed);
        says(&w->dialled.why, -EACCES, "beta says: host is not on the list");
        assert_string_equal(w->dialled.why.next, "add it to the allow-list");
}

static void test_refuse_later_tells_why(void **state) {
        struct world *w = *state;

        connect_both(w);
        w->accepted.refuse_in_message = true;
        for (int i = 0; i < 20; i++) /* unread bytes at the refuser must not cut its last words */
                hb_session_send(w->dialled.s, HB_MSG_SUMMARY, w, sizeof(*w));
        run_until(w, &w->dialled.closed);
        says(&w->dialled.why, -EBUSY, "no more today");
}

/* ---- who is turned away ---- */

static void test_nobody_listens(void **state) {
        struct world *w = *state;

        w->listener = hb_peer_listener_free(w->listener);
        dial(w, w->alpha, "beta");
        run_until(w, &w->dialled.closed);
        says(&w->dialled.why, -ECONNREFUSED, "cannot connect");
}

static void test_bad_address(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};
        hb_session *s;

        assert_int_equal(hb_session_dial(w->base, w->alpha, "beta", "nowhere", &dialled_cb, w, &s, &e),
                         -EINVAL);
        says(&e, -EINVAL, "address");
}

static void test_wrong_name(void **state) {
        struct world *w = *state;

        dial(w, w->alpha, "gamma");
        run_until(w, &w->dialled.closed);
        says(&w->dialled.why, -EACCES, "'beta', not 'gamma'");
}

/* A client whose own files are right by its own CA, but not by the listener's. */
static void test_foreign_ca(void **state) {
        struct world *w = *state;
        struct cluster other;
        hb_tls *stranger;

        cluster_init(&other, "peers");
        cluster_add(&other, "alpha", 30);
        stranger = cluster_tls(&other, "alpha");
        dial(w, stranger, "beta");
        run_until(w, &w->dialled.closed);
        says(&w->dialled.why, -EACCES, "not signed by this cluster's authority");
        hb_tls_free(stranger);
        cluster_fini(&other);
}

/* As above, but it trusts our CA: the listener is the one who refuses. */
static void test_foreign_client(void **state) {
        struct world *w = *state;
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        struct cluster other;
        struct cluster_paths p;
        struct hb_err e = {0};

        cluster_init(&other, "others");
        cluster_add(&other, "alpha", 30);
        cluster_paths(&other, &w->cluster, "alpha", &p);
        assert_int_equal(hb_tls_new(&p.files, &(hb_tls *){NULL}, &e), -EACCES); /* noticed at start already */
        says(&e, -EACCES, "not signed by the CA");
        SSL_CTX_free(ctx);
        cluster_fini(&other);
}

/* ---- raw clients: what our own code would never send ---- */

struct raw {
        struct world *w;
        const char *crt, *key; /* NULL: shows no certificate */
        const uint8_t *plain;  /* sent without TLS */
        const uint8_t *frames; /* sent over TLS */
        size_t size;
        char error[256]; /* last error of the TLS library */
        uint8_t answer[4096];
        size_t answered;
};

static int raw_socket(struct world *w) {
        struct sockaddr_in sa = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)hb_peer_listener_port(w->listener)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct timeval tv = {.tv_sec = 15};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        return fd;
}

static void *raw_main(void *arg) {
        struct raw *r = arg;
        int fd = raw_socket(r->w), n;
        SSL_CTX *ctx;
        SSL *ssl;

        if (r->plain) {
                if (write(fd, r->plain, r->size) == (ssize_t)r->size)
                        while ((n = (int)read(fd, r->answer, sizeof(r->answer))) > 0)
                                ;
                close(fd);
                return NULL;
        }
        ctx = SSL_CTX_new(TLS_client_method());
        if (r->crt) {
                SSL_CTX_use_certificate_file(ctx, r->crt, SSL_FILETYPE_PEM);
                SSL_CTX_use_PrivateKey_file(ctx, r->key, SSL_FILETYPE_PEM);
        }
        ssl = SSL_new(ctx);
        SSL_set_fd(ssl, fd);
        if (SSL_connect(ssl) == 1 && (r->size == 0 || SSL_write(ssl, r->frames, (int)r->size) > 0))
                while (r->answered < sizeof(r->answer) &&
                       (n = SSL_read(ssl, r->answer + r->answered, (int)(sizeof(r->answer) - r->answered))) >
                               0)
                        r->answered += (size_t)n;
        SSL_free(ssl);
        SSL_CTX_free(ctx);
        close(fd);
        return NULL;
}

static bool noted(struct world *w) {
        return w->notes > 0;
}

/* Runs one raw client until the listener has noted it; the client must see the connection end by itself. */
static void raw_run(struct world *w, struct raw *r) {
        pthread_t t;

        r->w = w;
        w->notes = 0;
        assert_int_equal(pthread_create(&t, NULL, raw_main, r), 0);
        run_while(w, noted);
        for (int i = 0; i < 500 && pthread_tryjoin_np(t, NULL) != 0; i++) {
                struct timeval tick = {.tv_usec = 10000};
                event_base_loopexit(w->base, &tick);
                event_base_dispatch(w->base);
                if (i == 499)
                        fail_msg("the raw client still waits");
        }
        assert_int_equal(w->notes, 1);
}

static void host_files(struct world *w, const char *host, struct cluster_paths *p, struct raw *r) {
        cluster_paths(&w->cluster, &w->cluster, host, p);
        r->crt = p->crt;
        r->key = p->key;
}

static void test_plain_text_client(void **state) {
        static const char *const words[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                            "hello there, is this a daemon?\n",
                                            "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"};
        struct world *w = *state;

        for (unsigned i = 0; i < 3; i++) {
                struct raw r = {.plain = (const uint8_t *)words[i], .size = strlen(words[i])};
                raw_run(w, &r);
                says(&w->note, -EPROTO, "not TLS");
        }
}

static void test_no_certificate(void **state) {
        struct world *w = *state;
        struct raw r = {0};

        raw_run(w, &r);
        says(&w->note, -EACCES, "showed no certificate");
}

static void test_expired_client(void **state) {
        struct world *w = *state;
        struct cluster_paths p;
        struct raw r = {0};

        cluster_add(&w->cluster, "late", -3);
        cluster_add(&w->cluster, "early", HB_CERT_DAYS_NOT_YET);
        host_files(w, "late", &p, &r);
        raw_run(w, &r);
        says(&w->note, -EACCES, "(late) expired on");
        host_files(w, "early", &p, &r);
        raw_run(w, &r);
        says(&w->note, -EACCES, "(early) is not valid before");
}

static void test_foreign_raw_client(void **state) {
        struct world *w = *state;
        struct cluster other;
        struct cluster_paths p;
        struct raw r = {0};

        cluster_init(&other, "others");
        cluster_add(&other, "alpha", 30);
        cluster_paths(&other, &other, "alpha", &p);
        r.crt = p.crt;
        r.key = p.key;
        raw_run(w, &r);
        says(&w->note, -EACCES, "foreign");
        cluster_fini(&other);
}

/* Two clients that say nothing, one before and one after TLS: both are closed after 10 s, each with its note.
 */
static void test_silent_clients(void **state) {
        struct world *w = *state;
        struct cluster_paths p;
        struct raw quiet = {.w = w, .plain = (const uint8_t *)""}, polite = {.w = w};
        uint64_t start = hb_now_ns(), took;
        pthread_t t[2];

        host_files(w, "alpha", &p, &polite);
        assert_int_equal(pthread_create(&t[0], NULL, raw_main, &quiet), 0);
        assert_int_equal(pthread_create(&t[1], NULL, raw_main, &polite), 0);
        while (w->notes < 2 && hb_now_ns() - start < WAIT_S * HB_NS_PER_S) {
                struct timeval tick = {.tv_usec = 50000};
                event_base_loopexit(w->base, &tick);
                event_base_dispatch(w->base);
        }
        took = hb_now_ns() - start;
        pthread_join(t[0], NULL);
        pthread_join(t[1], NULL);
        assert_int_equal(w->notes, 2);
        says(&w->note, -ETIMEDOUT, "10 s");
        assert_in_range(took, 9 * HB_NS_PER_S, 15 * HB_NS_PER_S);
}

/* Signed by our CA, but by its own tools and not our rules: no name that both fields prove. */
static void test_certificate_proves_no_name(void **state) {
        static const struct {
                const char *cn, *san;
        } odd[] = {{"alpha", NULL},
                   {"alpha", "DNS:beta"},
                   {"alpha", "DNS:*"},
                   {"../alpha", "DNS:../alpha"},
                   {NULL, "DNS:alpha"}};
        struct world *w = *state;
        struct cluster_paths p;
        struct raw r = {0};
        char name[16];

        for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
                snprintf(name, sizeof(name), "odd%u", i);
                cluster_add_odd(&w->cluster, name, odd[i].cn, odd[i].san);
                host_files(w, name, &p, &r);
                raw_run(w, &r);
                says(&w->note, -EACCES, "no valid host name");
        }
}

static size_t put_frame(uint8_t *out, uint16_t type, uint64_t seq, const void *p, size_t n) {
        hb_frame_put(out, (uint32_t)n, type, seq);
        memcpy(out + HB_WIRE_HEADER, p, n);
        return HB_WIRE_HEADER + n;
}

static size_t put_hello(uint8_t *out, const char *host, uint16_t min, uint16_t max) {
        struct hb_msg_hello m = {.version_min = min, .version_max = max, .software = "harbinger 99 (test)"};
        struct hb_buf b = {0};
        size_t n;

        strcpy(m.host, host);
        hb_msg_hello_put(&m, &b);
        n = put_frame(out, HB_MSG_HELLO, 0, b.data, b.len);
        hb_buf_free(&b);
        return n;
}

/* The last frame of what came back must be ERROR; decodes it. */
static void last_error(const struct raw *r, struct hb_err *ret) {
        size_t at = 0;
        uint64_t seq = 0;
        struct hb_frame_header h = {0};

        while (at + HB_WIRE_HEADER <= r->answered) {
                assert_int_equal(hb_frame_get(r->answer + at, seq++, &h, NULL), 0);
                at += HB_WIRE_HEADER + h.length;
        }
        assert_int_equal(at, r->answered);
        assert_int_equal(h.type, HB_MSG_ERROR);
        assert_int_equal(hb_msg_error_get(r->answer + at - h.length, h.length, ret), 0);
}

static void test_version_mismatch(void **state) {
        struct world *w = *state;
        struct cluster_paths p;
        uint8_t frames[512];
        struct raw r = {.frames = frames};
        struct hb_err e = {0};

        host_files(w, "alpha", &p, &r);
        r.size = put_hello(frames, "alpha", HB_WIRE_VERSION_MAX + 1, HB_WIRE_VERSION_MAX + 3);
        raw_run(w, &r);
        says(&w->note, -EPROTONOSUPPORT, "harbinger 99 (test)");
        last_error(&r, &e);
        says(&e, -EPROTONOSUPPORT, "harbinger " HB_VERSION);
}

static void test_hello_of_another_host(void **state) {
        struct world *w = *state;
        struct cluster_paths p;
        uint8_t frames[512];
        struct raw r = {.frames = frames};

        host_files(w, "alpha", &p, &r);
        r.size = put_hello(frames, "gamma", 1, 1);
        raw_run(w, &r);
        says(&w->note, -EPROTO, "another host");
}

static void test_broken_frames(void **state) {
        struct world *w = *state;
        struct cluster_paths p;
        uint8_t frames[512];
        struct raw r = {.frames = frames};
        size_t hello;

        host_files(w, "alpha", &p, &r);
        hello = put_hello(frames, "alpha", 1, 1);
        /* the second frame with the first's number */
        r.size = hello + put_frame(frames + hello, HB_MSG_PING, 0, "12345678", 8);
        raw_run(w, &r);
        says(&w->note, -EBADMSG, "reordered");
        /* oversized: refused by its header alone */
        hb_frame_put(frames + hello, HB_WIRE_MAX_PAYLOAD + 1, HB_MSG_SUMMARY, 1);
        r.size = hello + HB_WIRE_HEADER;
        raw_run(w, &r);
        says(&w->note, -EBADMSG, "over the limit");
        /* random bytes */
        memset(frames, 0xA7, sizeof(frames));
        r.size = sizeof(frames);
        raw_run(w, &r);
        says(&w->note, -EBADMSG, "no frame");
        /* anything before HELLO */
        r.size = put_frame(frames, HB_MSG_PING, 0, "12345678", 8);
        raw_run(w, &r);
        says(&w->note, -EPROTO, "first frame is not HELLO");
        /* HELLO that does not parse */
        r.size = put_frame(frames, HB_MSG_HELLO, 0, "xx", 2);
        raw_run(w, &r);
        says(&w->note, -EPROTO, "HELLO cannot be read");
        /* DATA_HELLO that does not parse */
        hello = put_hello(frames, "alpha", 1, 1);
        r.size = hello + put_frame(frames + hello, HB_MSG_DATA_HELLO, 1, "short", 5);
        raw_run(w, &r);
        says(&w->note, -EPROTO, "DATA_HELLO cannot be read");
}

/* A data connection's frame on an open session ends it, and the other side is told. */
static void test_data_frame_on_session(void **state) {
        struct world *w = *state;

        connect_both(w);
        assert_int_equal(hb_session_send(w->dialled.s, HB_MSG_FETCH, "", 0), 0);
        run_until(w, &w->accepted.closed);
        says(&w->accepted.why, -EPROTO, "does not belong");
        run_until(w, &w->dialled.closed);
        says(&w->dialled.why, -EPROTO, "beta says");
}

/* ---- data connections ---- */

struct data_dial {
        struct world *w;
        uint8_t token[HB_TOKEN_SIZE];
        const char *host;
        struct hb_data_conn c;
        struct hb_err e;
        int rc;
        _Atomic bool done;
};

static void *data_main(void *arg) {
        struct data_dial *d = arg;

        d->rc = hb_data_dial(d->w->alpha, d->host, d->w->address, d->token, HB_DATA_PAGES, 10000, &d->c,
                             &d->e);
        d->done = true;
        return NULL;
}

static void data_run(struct world *w, struct data_dial *d) {
        uint64_t end = hb_now_ns() + WAIT_S * HB_NS_PER_S;
        struct timeval tick = {.tv_usec = 10000};
        pthread_t t;

        d->w = w;
        assert_int_equal(pthread_create(&t, NULL, data_main, d), 0);
        while (!d->done && hb_now_ns() < end) {
                event_base_loopexit(w->base, &tick);
                event_base_dispatch(w->base);
        }
        pthread_join(t, NULL);
}

static void test_data_connection(void **state) {
        struct world *w = *state;
        struct data_dial d = {.token = {7, 1, 2}, .host = "beta"};
        char got[16] = "";

        data_run(w, &d);
        if (d.rc != 0)
                fail_msg("%d %s", d.rc, d.e.what);
        assert_true(w->have_data);
        assert_string_equal(w->data.host, "alpha");
        assert_string_equal(d.c.host, "beta");
        assert_memory_equal(w->data.token, d.token, HB_TOKEN_SIZE);
        assert_int_equal(w->data.seq_in, d.c.seq_out);
        assert_int_equal(w->data.seq_out, d.c.seq_in);
        assert_int_equal(SSL_write(d.c.ssl, "right through", 14), 14);
        assert_int_equal(SSL_read(w->data.ssl, got, sizeof(got)), 14);
        assert_string_equal(got, "right through");
        hb_data_conn_close(&d.c);
        hb_data_conn_close(&d.c); /* twice is once */
}

/* The target may ask or send at once: what comes with DATA_READY belongs to whoever gets the connection. */
static void test_nothing_is_lost_behind_ready(void **state) {
        struct world *w = *state;
        struct data_dial d = {.token = {7}, .host = "beta"};
        char got[16] = "";

        w->eager = true;
        data_run(w, &d);
        assert_int_equal(d.rc, 0);
        assert_int_equal(SSL_read(d.c.ssl, got, sizeof(got)), 12);
        assert_string_equal(got, "right behind");
        hb_data_conn_close(&d.c);
}

static void test_unknown_token(void **state) {
        struct world *w = *state;
        struct data_dial d = {.token = {8}, .host = "beta"};

        data_run(w, &d);
        assert_int_equal(d.rc, -EACCES);
        says(&d.e, -EACCES, "token");
        assert_int_equal(w->notes, 1);
        says(&w->note, -EACCES, "token");
}

static void test_data_dial_wrong_host(void **state) {
        struct world *w = *state;
        struct data_dial d = {.token = {7}, .host = "gamma"};

        data_run(w, &d);
        assert_int_equal(d.rc, -EACCES);
        says(&d.e, -EACCES, "'beta', not 'gamma'");
}

/* A listener that accepts and says nothing: the time limit holds. */
static void test_data_dial_times_out(void **state) {
        struct world *w = *state;
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(sa);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        uint8_t token[HB_TOKEN_SIZE] = {7};
        struct hb_data_conn c;
        struct hb_err e = {0};
        uint64_t start = hb_now_ns();
        char address[32];

        assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
        assert_int_equal(listen(fd, 4), 0);
        getsockname(fd, (struct sockaddr *)&sa, &len);
        snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(sa.sin_port));
        assert_int_equal(hb_data_dial(w->alpha, "beta", address, token, HB_DATA_PAGES, 300, &c, &e),
                         -ETIMEDOUT);
        assert_in_range(hb_now_ns() - start, 290 * HB_NS_PER_MS, 3000 * HB_NS_PER_MS);
        close(fd);
}

static void test_new_certificate_from_next_connection(void **state) {
        struct world *w = *state;
        hb_tls *gamma;

        cluster_add(&w->cluster, "gamma", 30);
        gamma = cluster_tls(&w->cluster, "gamma");
        connect_both(w);
        hb_peer_listener_set_tls(w->listener, gamma);
        assert_int_equal(hb_session_send(w->dialled.s, HB_MSG_DRAIN, "", 1), 0);
        w->dialled.s = hb_session_free(w->dialled.s);
        run_until(w, &w->accepted.closed);
        w->accepted.s = hb_session_free(w->accepted.s);
        memset(&w->dialled, 0, sizeof(w->dialled));
        dial(w, w->alpha, "gamma");
        run_until(w, &w->dialled.ready);
        hb_tls_free(gamma); /* the listener is not asked for another connection */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_names_and_latency),
                T(test_messages_whole_and_in_order),
                T(test_full_says_enobufs),
                T(test_close_is_seen),
                T(test_free_inside_message),
                T(test_refuse_tells_why),
                T(test_refuse_later_tells_why),
                T(test_nobody_listens),
                T(test_bad_address),
                T(test_wrong_name),
                T(test_foreign_ca),
                T(test_foreign_client),
                T(test_plain_text_client),
                T(test_no_certificate),
                T(test_expired_client),
                T(test_foreign_raw_client),
                T(test_silent_clients),
                T(test_certificate_proves_no_name),
                T(test_version_mismatch),
                T(test_hello_of_another_host),
                T(test_broken_frames),
                T(test_data_frame_on_session),
                T(test_data_connection),
                T(test_nothing_is_lost_behind_ready),
                T(test_unknown_token),
                T(test_data_dial_wrong_host),
                T(test_data_dial_times_out),
                T(test_new_certificate_from_next_connection),
        };

        signal(SIGPIPE, SIG_IGN); /* for the raw clients, which use plain OpenSSL */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
