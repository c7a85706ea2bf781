/* Fails every fault point of the transport in turn, until a round passes none that fails: whatever went
 * wrong, nothing crashes, leaks or hangs, each failure has a code, every accepted fetch is done once, and the
 * next round works. */
#include "base/fault.h"
#include "check.h"
#include "page_rig.h"
#include "transport/loop.h"
#include <signal.h>
#include <sys/socket.h>

#define FETCHES 6

struct round {
        struct page_rig *rig;
        struct rig_guest *guest;
        _Atomic unsigned done;
        _Atomic bool connected;
        uint8_t dst[FETCHES][HB_PAGE_SIZE];
        struct hb_fetch f[FETCHES];
};

static void on_done(void *arg, struct hb_fetch *f) {
        ((struct round *)arg)->done++;
}

static void on_state(void *arg, bool connected) {
        ((struct round *)arg)->connected = connected;
}

/* Everything once: dial, serve, fetch, end. Failing anywhere is fine. */
static void tcp_round(struct round *r) {
        struct hb_fetcher_callbacks cb = {.done = on_done, .state = on_state, .arg = r};
        struct hb_tcp_server_options so = {.zstd_level = 1};
        struct hb_tcp_fetcher_options fo = {0};
        hb_tcp_server *server = NULL;
        hb_fetcher *fetcher = NULL;
        struct hb_data_conn c;
        struct hb_err e = {0};
        unsigned accepted = 0;
        int rc = hb_tcp_fetcher_new(&fo, &cb, &fetcher, &e);

        if (rc == 0) {
                rig_set_fetcher(r->rig, fetcher);
                rc = hb_tcp_server_new(&r->guest->src, &so, &server, &e);
        }
        if (rc == 0 && (rc = hb_data_dial(r->rig->source_tls, "target", r->rig->address, r->rig->token,
                                          HB_DATA_PAGES, 5000, &c, &e)) == 0)
                rc = hb_tcp_server_add(server, &c);
        assert_true(rc <= 0);
        /* READY is sent just before the connection is in service; where that failed nothing will tell us */
        for (uint64_t end = hb_now_ns() + 300 * HB_NS_PER_MS; rc == 0 && !r->connected && hb_now_ns() < end;)
                hb_sleep_ns(HB_NS_PER_MS / 5);
        for (unsigned i = 0; i < FETCHES && rc == 0; i++) {
                r->f[i] = (struct hb_fetch){.gfn = i, .pages = 1, .dst = r->dst[i], .urgent = i % 2};
                accepted += fetcher->ops->fetch(fetcher, &r->f[i]) == 0;
        }
        for (uint64_t end = hb_now_ns() + 10 * HB_NS_PER_S;
             rc == 0 && r->done < accepted && hb_now_ns() < end;)
                hb_sleep_ns(HB_NS_PER_MS / 5); /* done() needs no lock here: it only counts */
        rig_set_fetcher(r->rig, NULL);
        if (fetcher)
                fetcher->ops->fini(fetcher);
        hb_tcp_server_free(server);
        assert_int_equal(r->done, accepted);
}

static void test_each_fault_of_tcp(void **state) {
        struct round *r = calloc(1, sizeof(*r));
        struct rig_guest guest;
        struct page_rig rig;
        unsigned rounds = 0;

        rig_guest_init(&guest, 16, 0);
        rig_init(&rig);
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                memset(r, 0, sizeof(*r));
                r->rig = &rig;
                r->guest = &guest;
                tcp_round(r);
                rounds++;
                assert_true(n < 2000);
        }
        assert_true(rounds > 20);
        memset(r, 0, sizeof(*r)); /* and with nothing armed all is well */
        r->rig = &rig;
        r->guest = &guest;
        tcp_round(r);
        assert_int_equal(r->done, FETCHES);
        for (unsigned i = 0; i < FETCHES; i++) {
                assert_int_equal(r->f[i].status, 0);
                assert_memory_equal(r->dst[i], rig_page(&guest, i), HB_PAGE_SIZE);
        }
        rig_fini(&rig);
        rig_guest_fini(&guest);
        free(r);
}

/* ---- tunnel ---- */

static void on_tunnel_ended(void *arg, uint64_t out, uint64_t in, const struct hb_err *e) {
        (*(_Atomic unsigned *)arg)++;
}

/* True: a byte went through. Whatever failed, local sockets are closed once and `ended` came once a tunnel.
 */
static bool tunnel_round(struct page_rig *rig) {
        _Atomic unsigned ended[2] = {0, 0};
        int local[2][2];
        hb_tunnel *t[2] = {NULL, NULL};
        struct hb_data_conn c[2] = {{.fd = -1}, {.fd = -1}};
        struct hb_err e = {0};
        char byte = 0;
        bool through = false;
        int rc = hb_data_dial(rig->source_tls, "target", rig->address, rig->token, HB_DATA_TUNNEL, 5000,
                              &c[0], &e);

        for (int i = 0; i < 2; i++)
                assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, local[i]), 0);
        if (rc == 0)
                c[1] = rig_take(rig);
        for (int i = 0; rc == 0 && i < 2; i++) {
                struct hb_tunnel_callbacks cb = {.ended = on_tunnel_ended, .arg = &ended[i]};

                rc = hb_tunnel_new(&c[i], local[i][1], &cb, &t[i], &e);
                if (rc == 0)
                        local[i][1] = -1;
        }
        assert_true(rc == 0 || e.code < 0);
        if (rc == 0 && write(local[0][0], "x", 1) == 1)
                through = read(local[1][0], &byte, 1) == 1 && byte == 'x';
        for (int i = 0; i < 2; i++) {
                bool ran = t[i] != NULL;

                hb_tunnel_free(t[i]);
                assert_int_equal(ended[i], ran);
                hb_data_conn_close(&c[i]);
                close(local[i][0]);
                if (local[i][1] >= 0)
                        assert_int_equal(close(local[i][1]), 0); /* still ours after a failure */
        }
        return through;
}

static void test_each_fault_of_tunnel(void **state) {
        struct page_rig rig;
        unsigned rounds = 0;

        rig_init(&rig);
        for (unsigned n = 1; hb_fail_nth(n); n++, rounds++)
                tunnel_round(&rig);
        assert_true(rounds > 10);
        assert_true(tunnel_round(&rig));
        rig_fini(&rig);
}

/* ---- sessions ---- */

struct pair {
        struct event_base *base;
        hb_session *accepted;
        bool ready, closed, answered;
        unsigned notes;
};

static void on_ready(void *arg, hb_session *s) {
        ((struct pair *)arg)->ready = true;
        hb_session_send(s, HB_MSG_DRAIN, "1", 1);
}

static void on_message(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *p, size_t n) {
        ((struct pair *)arg)->answered = true;
}

static void on_closed(void *arg, hb_session *s, const struct hb_err *why) {
        struct pair *p = arg;

        assert_true(why->code < 0);
        p->closed = true;
}

static void on_accepted_closed(void *arg, hb_session *s, const struct hb_err *why) {
        struct pair *p = arg;

        p->closed = true;
        p->accepted = hb_session_free(s);
}

static void on_accepted_message(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *p, size_t n) {
        if (hb_session_send(s, HB_MSG_REPORT, p, n) < 0)
                ((struct pair *)arg)->closed = true;
}

static void on_session(void *arg, hb_session *s) {
        static const struct hb_session_callbacks cb = {.message = on_accepted_message,
                                                       .closed = on_accepted_closed};
        struct pair *p = arg;

        p->accepted = s;
        hb_session_set(s, &cb, p);
}

static void on_note(void *arg, const struct hb_err *why) {
        assert_true(why->code < 0 && why->what[0] != '\0');
        ((struct pair *)arg)->notes++;
}

/* True: went through whole. */
static bool session_round(hb_tls *alpha, hb_tls *beta) {
        static const struct hb_session_callbacks dial_cb = {
                .ready = on_ready, .message = on_message, .closed = on_closed};
        struct pair p = {.base = event_base_new()};
        struct hb_listener_callbacks cb = {.session = on_session, .note = on_note, .arg = &p};
        struct timeval tick = {.tv_usec = 2000};
        uint64_t end = hb_now_ns() + 3 * HB_NS_PER_S;
        hb_peer_listener *l = NULL;
        hb_session *s = NULL;
        struct hb_err e = {0};
        char address[32];

        if (hb_peer_listen(p.base, beta, "127.0.0.1:0", &cb, &l, &e) == 0) {
                snprintf(address, sizeof(address), "127.0.0.1:%d", hb_peer_listener_port(l));
                if (hb_session_dial(p.base, alpha, "beta", address, &dial_cb, &p, &s, &e) < 0)
                        p.closed = true;
        } else
                p.closed = true;
        if (p.closed)
                assert_true(e.code < 0);
        while (!p.closed && !p.answered && p.notes == 0 && hb_now_ns() < end) {
                event_base_loopexit(p.base, &tick);
                event_base_dispatch(p.base);
        }
        hb_session_free(s);
        hb_session_free(p.accepted);
        hb_peer_listener_free(l);
        event_base_free(p.base);
        return p.answered;
}

static void test_each_fault_of_sessions(void **state) {
        struct cluster c;
        hb_tls *alpha, *beta;
        unsigned rounds = 0;

        cluster_init(&c, "faults");
        cluster_add(&c, "alpha", 30);
        cluster_add(&c, "beta", 30);
        alpha = cluster_tls(&c, "alpha");
        beta = cluster_tls(&c, "beta");
        for (unsigned n = 1; hb_fail_nth(n); n++, rounds++)
                session_round(alpha, beta);
        assert_true(rounds > 10);
        assert_true(session_round(alpha, beta));
        hb_tls_free(alpha);
        hb_tls_free(beta);
        cluster_fini(&c);
}

/* ---- certificates ---- */

static void test_each_fault_of_certificates(void **state) {
        struct cluster c = {""};
        char path[128];
        struct hb_err e;

        strcpy(c.dir, "/tmp/hb-cluster-XXXXXX");
        assert_non_null(mkdtemp(c.dir));
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                e = (struct hb_err){0};
                if (hb_cert_make_ca(c.dir, "x", 10, &e) == 0)
                        assert_int_equal(hb_cert_make_ca(c.dir, "x", 10, NULL), -EEXIST);
                else {
                        assert_true(e.code < 0 && e.what[0]);
                        snprintf(path, sizeof(path), "%s/ca.crt", c.dir);
                        assert_int_equal(access(path, F_OK), -1); /* both or none */
                        snprintf(path, sizeof(path), "%s/ca.key", c.dir);
                        assert_int_equal(access(path, F_OK), -1);
                }
                snprintf(path, sizeof(path), "%s/ca.crt", c.dir);
                unlink(path);
                snprintf(path, sizeof(path), "%s/ca.key", c.dir);
                unlink(path);
        }
        cluster_fini(&c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_fault_of_certificates),
                cmocka_unit_test(test_each_fault_of_sessions),
                cmocka_unit_test(test_each_fault_of_tcp),
                cmocka_unit_test(test_each_fault_of_tunnel),
        };

        signal(SIGPIPE, SIG_IGN); /* for our own writes into dead tunnels */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
