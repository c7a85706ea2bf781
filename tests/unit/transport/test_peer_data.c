/* Data connections: dialled, admitted by token, handed out whole; or not, and why. */
#include "peer_world.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_data_connection),      T(test_nothing_is_lost_behind_ready), T(test_unknown_token),
                T(test_data_dial_wrong_host), T(test_data_dial_times_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
