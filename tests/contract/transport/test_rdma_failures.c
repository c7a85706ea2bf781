/* How RDMA connections fail: refused, killed, half made. Each fetch comes back exactly once, each failure
 * says why. Skipped where there is no verbs device. */
#include "rdma/rdma_fetcher.h"
#include "rdma_bed.h"
#include <signal.h>
#include <sys/wait.h>

#define N 120u
static struct hb_fetch wanted[N];

static unsigned fetch_all(struct rdma_bed *b) {
        unsigned taken = 0;

        for (unsigned i = 0; i < N; i++)
                taken += rdma_fetch(b, &wanted[i], i * 31 % (RDMA_PAGES - 64), 64) == 0;
        return taken;
}

/* Whatever was taken is done: right, or as lost. */
static void check_lost(struct rdma_bed *b, unsigned taken) {
        unsigned lost = 0;

        rdma_await_done(b, taken);
        assert_true(rdma_await(b, NULL, 0, &b->state, 0));
        for (unsigned i = 0; i < N; i++) {
                lost += wanted[i].status == -ECONNRESET;
                assert_true(wanted[i].status == 0 || wanted[i].status == -ECONNRESET ||
                            (wanted[i].status == 1 && !wanted[i].user));
        }
        assert_true(lost > 0);
        assert_int_equal(b->s.fetcher->ops->fetch(b->s.fetcher, &wanted[0]), -ENOTCONN);
}

static void wrong_token(void **state) {
        uint8_t token[HB_TOKEN_SIZE] = {9};
        hb_rdma_server *s = NULL;
        struct hb_err e = {0};
        struct rdma_bed b;

        rdma_bed_open(&b, (struct hb_rdma_options){0}, (struct hb_rdma_options){0});
        assert_int_equal(hb_rdma_server_dial(b.r.address, &b.r.source, token, &b.s.guest.src, NULL, NULL,
                                             20000, &s, &e),
                         -EACCES);
        assert_null(s);
        assert_int_equal(e.code, -EACCES);
        assert_int_equal(b.r.refused, 1);
        assert_int_equal(rdma_fetch_now(&b, 0, 1), 0); /* the other connection is none the worse */
        rdma_bed_close(&b);
}

static void nobody_there(void **state) {
        struct hb_rdma_options o = {0}, other = {.device = "mlx5_77"};
        hb_rdma_server *s = NULL;
        hb_rdma_listener *l = NULL;
        struct hb_err e = {0};
        struct rdma_bed b;

        rdma_bed_open(&b, o, o);
        b.r.listener = hb_rdma_listener_free(b.r.listener);
        assert_int_equal(
                hb_rdma_server_dial(b.r.address, &o, rdma_token, &b.s.guest.src, NULL, NULL, 20000, &s, &e),
                -ECONNREFUSED);
        assert_int_equal(hb_rdma_server_dial(b.r.address, &other, rdma_token, &b.s.guest.src, NULL, NULL,
                                             20000, &s, &e),
                         -ENODEV);
        assert_non_null(strstr(e.which, "mlx5_77"));
        assert_int_equal(
                hb_rdma_server_dial("nonsense", &o, rdma_token, &b.s.guest.src, NULL, NULL, 1, &s, &e),
                -EINVAL);
        assert_int_equal(hb_rdma_listen("203.0.113.1:0", &o, rdma_accept_conn, &b.r, &l, &e), -ENODEV);
        assert_int_equal(hb_rdma_listen(b.r.address, &other, rdma_accept_conn, &b.r, &l, &e), -ENODEV);
        assert_null(s);
        assert_null(l);
        rdma_bed_close(&b);
}

static void queue_pair_killed(void **state) {
        for (unsigned which = 0; which < 2; which++) {
                struct rdma_bed b;
                struct hb_err why;
                hb_rdma_fetcher *t;
                struct ibv_qp_attr dead = {.qp_state = IBV_QPS_ERR};
                unsigned taken;

                rdma_bed_open(&b, (struct hb_rdma_options){0}, (struct hb_rdma_options){.direct_pages = 512});
                t = (hb_rdma_fetcher *)b.s.fetcher;
                taken = fetch_all(&b);
                assert_int_equal(ibv_modify_qp(which ? t->end.bulk[0] : t->end.id->qp, &dead, IBV_QP_STATE),
                                 0);
                check_lost(&b, taken);
                hb_rdma_fetcher_why(b.s.fetcher, &why);
                assert_int_equal(why.code, -ECONNRESET);
                rdma_bed_close(&b);
        }
}

static _Atomic unsigned ended;

static void on_ended(void *arg, const struct hb_err *why) {
        ended += why->code < 0 && why->what[0] != '\0';
}

static void target_closes(void **state) {
        uint64_t end = hb_now_ns() + RIG_WAIT_NS;
        hb_rdma_server *s;
        struct hb_err e;
        struct rdma_bed b;

        rdma_bed_open(&b, (struct hb_rdma_options){0}, (struct hb_rdma_options){0});
        b.r.server = hb_rdma_server_free(b.r.server);
        assert_true(rdma_await(&b, NULL, 0, &b.state, 0));
        b.s.fetcher = b.s.fetcher->ops->fini(b.s.fetcher);
        ended = 0;
        cluster_must(hb_rdma_server_dial(b.r.address, &b.r.source, rdma_token, &b.s.guest.src, on_ended, NULL,
                                         20000, &s, &e),
                     &e);
        assert_true(rdma_await(&b, NULL, 0, &b.state, 1));
        assert_int_equal(rdma_fetch_now(&b, 0, 64), 0);
        b.s.fetcher = b.s.fetcher->ops->fini(b.s.fetcher);
        while (!ended && hb_now_ns() < end)
                sched_yield();
        assert_int_equal(ended, 1);
        hb_rdma_server_free(s);
        rdma_bed_close(&b);
}

/* The source is a process of its own and dies without a word. */
static void peer_killed(void **state) {
        int ready[2];
        struct rdma_bed b;
        char ip[64], any[80], c = 0;
        struct hb_err e = {0};
        unsigned taken;
        pid_t child;

        rdma_bed_init(&b);
        b.r.source.window_pages = 256;
        assert_int_equal(pipe(ready), 0);
        child = fork(); /* before any thread of ours */
        if (child == 0) {
                if (read(ready[0], b.r.address, sizeof(b.r.address)) <= 0)
                        _exit(1);
                b.r.s = &b.s;
                if (rdma_dial(&b.r, &e) < 0)
                        _exit(2);
                for (;;)
                        pause();
        }
        pthread_mutex_init(&b.r.lock, NULL);
        b.r.s = &b.s;
        b.r.image = (struct hb_rdma_image){.shape = &b.s.guest.shape};
        rdma_find_address(ip, sizeof(ip));
        (void)snprintf(any, sizeof(any), "%s:0", ip);
        cluster_must(hb_rdma_listen(any, &b.r.target, rdma_accept_conn, &b.r, &b.r.listener, &e), &e);
        (void)snprintf(b.r.address, sizeof(b.r.address), "%s:%d", ip, hb_rdma_listener_port(b.r.listener));
        assert_int_equal(write(ready[1], b.r.address, sizeof(b.r.address)), sizeof(b.r.address));
        assert_true(rdma_await(&b, NULL, 0, &b.state, 1));
        taken = fetch_all(&b);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        check_lost(&b, taken);
        close(ready[0]);
        close(ready[1]);
        rdma_bed_close(&b);
        (void)c;
}

/* The target has a fetcher, and it has said whether it stands; false: it could not be made. */
static bool told(struct rdma_bed *b) {
        uint64_t end = hb_now_ns() + RIG_WAIT_NS;
        bool made = true;

        while (made && b->state < 0) {
                struct timespec ts;

                pthread_mutex_lock(&b->r.lock);
                made = b->r.error.code == 0;
                pthread_mutex_unlock(&b->r.lock);
                clock_gettime(CLOCK_REALTIME, &ts);
                ts.tv_sec += ts.tv_nsec / 980000000;
                ts.tv_nsec = (ts.tv_nsec + 20000000) % 1000000000;
                pthread_mutex_lock(&b->lock);
                if (b->state < 0)
                        pthread_cond_timedwait(&b->changed, &b->lock, &ts);
                pthread_mutex_unlock(&b->lock);
                assert_true(hb_now_ns() < end);
        }
        return made;
}

/* One connection from its listener to its end, in which anything may fail. */
static void one_life(struct rdma_bed *b) {
        char ip[64], any[80];
        unsigned taken = 0;

        pthread_mutex_init(&b->r.lock, NULL);
        b->r.s = &b->s;
        rdma_find_address(ip, sizeof(ip));
        (void)snprintf(any, sizeof(any), "%s:0", ip);
        if (hb_rdma_listen(any, &b->r.target, rdma_accept_conn, &b->r, &b->r.listener, NULL) == 0) {
                (void)snprintf(b->r.address, sizeof(b->r.address), "%s:%d", ip,
                               hb_rdma_listener_port(b->r.listener));
                if (rdma_dial(&b->r, NULL) == 0 && told(b)) {
                        for (unsigned i = 0; i < 2; i++)
                                taken += rdma_fetch(b, &wanted[i], i * 64, 64) == 0;
                        rdma_await_done(b, taken);
                }
        }
        rdma_rig_close(&b->r);
        assert_int_equal(b->done, taken);
}

static void each_thing_fails_once(void **state) {
        unsigned met = 0;

        for (unsigned n = 1; hb_fail_nth(n); n += n < 40 ? 1 : 4) { /* later ones repeat */
                struct rdma_bed b;

                rdma_bed_init(&b);
                b.r.source.window_pages = 128; /* small: most of the time goes into registrations */
                b.r.target.pinned_bytes = 1 << 20;
                one_life(&b);
                met += hb_fault_passed() >= n;
                rdma_bed_fini(&b);
        }
        hb_fault_disarm();
        assert_true(met > 20);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(peer_killed),   cmocka_unit_test(wrong_token),
                cmocka_unit_test(nobody_there),  cmocka_unit_test(queue_pair_killed),
                cmocka_unit_test(target_closes), cmocka_unit_test(each_thing_fails_once),
        };

        rdma_need_device();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
