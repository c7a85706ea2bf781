/* Device state through a tunnel: every byte, in order, both ways, to the last one before each end; and clear
 * words when something breaks. Two tunnels over real TLS, local socket pairs at both ends. */
#include "check.h"
#include "page_rig.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

struct end { /* one side: the socket the test holds, and the tunnel's word when it ended */
        int fd;
        hb_tunnel *t;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned ended;
        uint64_t bytes_out, bytes_in;
        struct hb_err e;
};

struct world {
        struct page_rig rig;
        struct end a, b; /* a: dialler's side */
};

static void on_ended(void *arg, uint64_t out, uint64_t in, const struct hb_err *e) {
        struct end *x = arg;

        pthread_mutex_lock(&x->lock);
        x->ended++;
        x->bytes_out = out;
        x->bytes_in = in;
        x->e = *e;
        pthread_cond_broadcast(&x->changed);
        pthread_mutex_unlock(&x->lock);
}

static void wait_ended(struct end *x) {
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        ts.tv_sec += 30;
        pthread_mutex_lock(&x->lock);
        while (x->ended == 0 && pthread_cond_timedwait(&x->changed, &x->lock, &ts) == 0)
                ;
        assert_int_equal(x->ended, 1);
        pthread_mutex_unlock(&x->lock);
}

static void open_end(struct end *x, struct hb_data_conn *c) {
        struct hb_tunnel_callbacks cb = {.ended = on_ended, .arg = x};
        struct hb_err e = {0};
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        pthread_mutex_init(&x->lock, NULL);
        pthread_cond_init(&x->changed, NULL);
        x->fd = fds[0];
        cluster_must(hb_tunnel_new(c, fds[1], &cb, &x->t, &e), &e);
}

static int setup(void **state) {
        struct world *w = calloc(1, sizeof(*w));
        struct hb_data_conn c;

        rig_init(&w->rig);
        c = rig_dial(&w->rig, HB_DATA_TUNNEL);
        open_end(&w->a, &c);
        c = rig_take(&w->rig);
        assert_int_equal(c.kind, HB_DATA_TUNNEL);
        open_end(&w->b, &c);
        *state = w;
        return 0;
}

static void close_end(struct end *x) {
        x->t = hb_tunnel_free(x->t);
        assert_int_equal(x->ended, 1);
        if (x->fd >= 0)
                close(x->fd);
        pthread_mutex_destroy(&x->lock);
        pthread_cond_destroy(&x->changed);
}

static int teardown(void **state) {
        struct world *w = *state;

        close_end(&w->a);
        close_end(&w->b);
        rig_fini(&w->rig);
        free(w);
        return 0;
}

/* ---- a stream of known bytes ---- */

struct flow {
        int fd;
        size_t bytes;
        uint64_t seed;
        unsigned pause_every; /* reader: stop a moment each so many reads */
        bool right;
};

static void *writer(void *arg) {
        struct flow *f = arg;
        uint8_t chunk[40000];
        uint64_t x = f->seed;

        for (size_t at = 0; at < f->bytes;) {
                size_t n = 1 + (x >> 33) % sizeof(chunk), sent = 0;

                n = n < f->bytes - at ? n : f->bytes - at;
                for (size_t i = 0; i < n; i++) {
                        x = x * 6364136223846793005ull + 1;
                        chunk[i] = (uint8_t)(x >> 40);
                }
                while (sent < n) {
                        ssize_t k = send(f->fd, chunk + sent, n - sent, MSG_NOSIGNAL);
                        if (k <= 0)
                                return NULL;
                        sent += (size_t)k;
                }
                at += n;
        }
        shutdown(f->fd, SHUT_WR);
        f->right = true;
        return NULL;
}

static void *reader(void *arg) {
        struct flow *f = arg;
        uint8_t chunk[30000];
        uint64_t x = f->seed;
        size_t at = 0;
        ssize_t n;

        for (unsigned i = 1; (n = read(f->fd, chunk, sizeof(chunk))) > 0; i++) {
                for (ssize_t k = 0; k < n; k++) {
                        x = x * 6364136223846793005ull + 1;
                        if (chunk[k] != (uint8_t)(x >> 40))
                                return NULL;
                }
                at += (size_t)n;
                if (f->pause_every && i % f->pause_every == 0)
                        hb_sleep_ns(2 * HB_NS_PER_MS); /* a slow reader is the case under test */
        }
        f->right = n == 0 && at == f->bytes;
        return NULL;
}

static void run_flows(struct flow *flows, unsigned n) {
        pthread_t t[4];

        for (unsigned i = 0; i < n; i++)
                assert_int_equal(pthread_create(&t[i], NULL, i % 2 ? reader : writer, &flows[i]), 0);
        for (unsigned i = 0; i < n; i++)
                pthread_join(t[i], NULL);
        for (unsigned i = 0; i < n; i++)
                if (!flows[i].right)
                        fail_msg("flow %u is not right", i);
}

static void expect_clean(struct world *w, uint64_t a_to_b, uint64_t b_to_a) {
        wait_ended(&w->a);
        wait_ended(&w->b);
        assert_int_equal(w->a.e.code, 0);
        assert_int_equal(w->b.e.code, 0);
        assert_int_equal(w->a.bytes_out, a_to_b);
        assert_int_equal(w->b.bytes_in, a_to_b);
        assert_int_equal(w->b.bytes_out, b_to_a);
        assert_int_equal(w->a.bytes_in, b_to_a);
}

static void test_both_ways_at_once(void **state) {
        struct world *w = *state;
        struct flow f[4] = {{w->a.fd, 12u << 20, 1},
                            {w->b.fd, 12u << 20, 1},
                            {w->b.fd, 5u << 20, 2},
                            {w->a.fd, 5u << 20, 2}};

        run_flows(f, 4);
        expect_clean(w, 12u << 20, 5u << 20);
}

/* As device state flows: one way, and the other side ends only after it has read all. */
static void test_one_way_then_the_other_ends(void **state) {
        struct world *w = *state;
        struct flow f[2] = {{w->a.fd, 300001, 3}, {w->b.fd, 300001, 3}};

        run_flows(f, 2);
        pthread_mutex_lock(&w->a.lock);
        assert_int_equal(w->a.ended, 0); /* half-closed is not ended */
        pthread_mutex_unlock(&w->a.lock);
        assert_int_equal(write(w->b.fd, "ok", 2), 2);
        shutdown(w->b.fd, SHUT_WR);
        f[0] = (struct flow){.fd = w->a.fd};
        char got[4] = "";
        assert_int_equal(recv(w->a.fd, got, 2, MSG_WAITALL), 2);
        assert_string_equal(got, "ok");
        expect_clean(w, 300001, 2);
}

static void test_slow_reader(void **state) {
        struct world *w = *state;
        struct flow f[4] = {
                {w->a.fd, 3u << 20, 4}, {w->b.fd, 3u << 20, 4, 3}, {w->b.fd, 1, 5}, {w->a.fd, 1, 5}};

        run_flows(f, 4);
        expect_clean(w, 3u << 20, 1);
}

static void test_nothing_at_all(void **state) {
        struct world *w = *state;
        char c;

        shutdown(w->a.fd, SHUT_WR);
        assert_int_equal(read(w->b.fd, &c, 1), 0);
        shutdown(w->b.fd, SHUT_WR);
        assert_int_equal(read(w->a.fd, &c, 1), 0);
        expect_clean(w, 0, 0);
}

/* The VMM dies: its socket resets. Both sides learn that it was no clean end. */
static void test_local_end_dies(void **state) {
        static const char bytes[4096];
        struct world *w = *state;

        assert_int_equal(write(w->a.fd, "unread", 6), 6);
        close(w->b.fd);
        w->b.fd = -1;
        for (int i = 0; i < 400; i++) /* until the far side's failure has come through */
                if (send(w->a.fd, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0)
                        break;
        wait_ended(&w->b);
        assert_true(w->b.e.code < 0);
        wait_ended(&w->a);
        assert_true(w->a.e.code < 0);
}

static void test_cut_from_one_side(void **state) {
        struct world *w = *state;
        char c;

        assert_int_equal(write(w->a.fd, "x", 1), 1);
        assert_int_equal(read(w->b.fd, &c, 1), 1);
        w->a.t = hb_tunnel_free(w->a.t); /* still running */
        assert_int_equal(w->a.ended, 1);
        assert_int_equal(w->a.e.code, -ECANCELED);
        wait_ended(&w->b);
        assert_int_equal(w->b.e.code, -ECONNRESET);
        assert_int_equal(read(w->b.fd, &c, 1), 0);
}

/* A half-closed tunnel has nothing to send and nothing more to come, but it still hears that the other side
 * is gone. */
static void test_cut_after_one_end(void **state) {
        struct world *w = *state;
        char c;

        shutdown(w->b.fd, SHUT_WR);
        assert_int_equal(read(w->a.fd, &c, 1), 0);
        w->b.t = hb_tunnel_free(w->b.t);
        wait_ended(&w->a);
        assert_int_equal(w->a.e.code, -ECONNRESET);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_both_ways_at_once), T(test_one_way_then_the_other_ends),
                T(test_slow_reader),       T(test_nothing_at_all),
                T(test_local_end_dies),    T(test_cut_from_one_side),
                T(test_cut_after_one_end),
        };

        signal(SIGPIPE, SIG_DFL); /* our own code must not raise it */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
