/* Who is turned away from the peers' port, and in which words: dialled sessions that must fail, and raw
 * clients that do what our own code never would. */
#include "odd_cert.h"
#include "peer_world.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
        const struct CMUnitTest tests[] = {
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
        };

        signal(SIGPIPE, SIG_IGN); /* for the raw clients, which use plain OpenSSL */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
