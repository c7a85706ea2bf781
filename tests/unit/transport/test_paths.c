/* What becomes of runs whose RDMA path fails, in every order; and which path is taken when. Rules are tried
 * with members that answer when told, races with loop fetchers. */
#include "base/clock.h"
#include "base/fault.h"
#include "check.h"
#include "page_rig.h"
#include "transport/loop.h"
#include "transport/paths.h"

#define PAGES 4096u
#define RUN   16u

/* ---- a member that keeps what it is given until it is told ---- */

struct fake {
        hb_fetcher head;
        struct hb_fetcher_callbacks cb;
        struct hb_fetch *kept[256];
        unsigned n, accepted, room; /* room: takes so many at a time */
        bool connected, closed;
};

static void fake_answer(struct fake *k, int status, uint64_t wire_bytes) {
        assert_true(k->n > 0);
        struct hb_fetch *f = k->kept[0];
        memmove(k->kept, k->kept + 1, --k->n * sizeof k->kept[0]);
        f->status = status;
        f->wire_bytes = wire_bytes;
        k->cb.done(k->cb.arg, f);
}

static void fake_state(struct fake *k, bool connected) {
        k->connected = connected;
        while (!connected && k->n)
                fake_answer(k, -ECONNRESET, 0);
        k->cb.state(k->cb.arg, connected);
}

static int fake_fetch(hb_fetcher *h, struct hb_fetch *f) {
        struct fake *k = (struct fake *)h;
        if (!k->connected || k->closed)
                return -ENOTCONN;
        if (k->n >= k->room)
                return -EAGAIN;
        k->kept[k->n++] = f;
        k->accepted++;
        return 0;
}

static void fake_close(hb_fetcher *h) {
        struct fake *k = (struct fake *)h;
        if (k->closed)
                return;
        k->closed = true;
        while (k->n)
                fake_answer(k, -ECONNRESET, 0);
}

static hb_fetcher *fake_fini(hb_fetcher *h) {
        return NULL; /* the test's own */
}

static const struct hb_fetcher_ops fake_ops = {"fake", fake_fetch, fake_close, fake_fini};

static void fake_init(struct fake *k, hb_fetcher *paths, enum hb_path which) {
        *k = (struct fake){.head = {&fake_ops}, .cb = hb_paths_callbacks(paths, which), .room = 256};
        fake_state(k, true);
}

/* ---- what the owner sees ---- */

struct owner {
        hb_fetcher *paths;
        struct fake tcp, rdma;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned done, failed, lost, states;
        bool connected;
        struct hb_fetch f[256];
};

static void on_done(void *arg, struct hb_fetch *f) {
        struct owner *o = arg;
        pthread_mutex_lock(&o->lock);
        o->done++;
        o->failed += f->status < 0;
        (*(unsigned *)f->user)++;
        pthread_cond_broadcast(&o->changed);
        pthread_mutex_unlock(&o->lock);
}

static void on_state(void *arg, bool connected) {
        struct owner *o = arg;
        pthread_mutex_lock(&o->lock);
        if (o->connected == connected)
                abort(); /* only changes are told */
        o->connected = connected;
        o->states++;
        pthread_cond_broadcast(&o->changed);
        pthread_mutex_unlock(&o->lock);
}

static void on_lost(void *arg) {
        struct owner *o = arg;
        pthread_mutex_lock(&o->lock);
        o->lost++;
        pthread_cond_broadcast(&o->changed);
        pthread_mutex_unlock(&o->lock);
}

static void owner_init(struct owner *o) {
        memset(o, 0, sizeof *o);
        pthread_mutex_init(&o->lock, NULL);
        pthread_cond_init(&o->changed, NULL);
        struct hb_fetcher_callbacks cb = {.done = on_done, .state = on_state, .arg = o};
        assert_int_equal(hb_paths_new(&cb, on_lost, &o->paths), 0);
}

static void owner_fini(struct owner *o) {
        o->paths = o->paths->ops->fini(o->paths);
        assert_null(o->paths);
        assert_false(o->connected);
        pthread_mutex_destroy(&o->lock);
        pthread_cond_destroy(&o->changed);
}

static void fakes_up(struct owner *o) {
        owner_init(o);
        fake_init(&o->tcp, o->paths, HB_PATH_TCP);
        assert_false(o->connected); /* it is not a member yet */
        hb_paths_set_tcp(o->paths, &o->tcp.head);
        assert_true(o->connected);
        fake_init(&o->rdma, o->paths, HB_PATH_RDMA);
        hb_paths_set_rdma(o->paths, &o->rdma.head);
}

static unsigned counts[256];
static int ask(struct owner *o, unsigned i, bool urgent) {
        counts[i] = 0;
        o->f[i] = (struct hb_fetch){.gfn = i * RUN, .pages = RUN, .urgent = urgent, .user = &counts[i]};
        return o->paths->ops->fetch(o->paths, &o->f[i]);
}

static struct hb_paths_stats stats(struct owner *o) {
        struct hb_paths_stats s;
        hb_paths_stats(o->paths, &s);
        return s;
}

/* ---- rules ---- */

static void test_rdma_while_up(void **state) {
        struct owner o;
        fakes_up(&o);
        assert_int_equal(ask(&o, 0, false), 0);
        assert_int_equal(ask(&o, 1, true), 0);
        assert_int_equal(o.rdma.accepted, 2);
        fake_answer(&o.rdma, 0, RUN * 4096);
        fake_answer(&o.rdma, 0, RUN * 4096);
        assert_int_equal(o.done, 2);
        struct hb_paths_stats s = stats(&o);
        assert_int_equal(s.path[HB_PATH_RDMA].pages, 2 * RUN);
        assert_int_equal(s.path[HB_PATH_TCP].pages, 0);
        assert_int_equal(s.bulk, HB_PATH_RDMA);
        fake_state(&o.rdma, false);
        assert_int_equal(o.lost, 1);
        assert_true(o.connected);
        assert_int_equal(ask(&o, 2, false), 0);
        assert_int_equal(o.tcp.accepted, 1);
        assert_string_equal(stats(&o).why, "the RDMA connection was lost");
        fake_state(&o.rdma, true); /* a lost one does not come back */
        assert_int_equal(ask(&o, 3, false), 0);
        assert_int_equal(o.tcp.accepted, 2);
        owner_fini(&o);
}

static void test_back_again(void **state) {
        struct owner o;
        fakes_up(&o);
        fake_state(&o.rdma, false);
        hb_paths_set_rdma(o.paths, NULL);
        assert_string_equal(stats(&o).why, "there is no RDMA connection");
        fake_init(&o.rdma, o.paths, HB_PATH_RDMA);
        hb_paths_set_rdma(o.paths, &o.rdma.head);
        assert_int_equal(ask(&o, 0, false), 0);
        assert_int_equal(o.rdma.accepted, 1);
        assert_int_equal(o.lost, 1);
        hb_paths_set_rdma(o.paths, NULL); /* on purpose: not lost, and what it had goes to TCP */
        assert_int_equal(o.lost, 1);
        assert_int_equal(o.tcp.accepted, 1);
        fake_answer(&o.tcp, 0, 100);
        assert_int_equal(o.done - o.failed, 1);
        fake_init(&o.rdma, o.paths, HB_PATH_RDMA); /* lost before it is a member */
        fake_state(&o.rdma, false);
        hb_paths_set_rdma(o.paths, &o.rdma.head);
        assert_int_equal(o.lost, 2);
        assert_int_equal(ask(&o, 1, false), 0);
        assert_int_equal(o.tcp.accepted, 2);
        owner_fini(&o);
}

static void test_lost_in_mid_run(void **state) {
        struct owner o;
        fakes_up(&o);
        for (unsigned i = 0; i < 40; i++)
                assert_int_equal(ask(&o, i, i % 8 == 0), 0);
        o.tcp.room = 3; /* the rest waits its turn */
        fake_answer(&o.rdma, 0, RUN * 4096);
        fake_state(&o.rdma, false);
        assert_int_equal(o.tcp.n, 3);
        assert_int_equal(o.done, 1);
        while (o.tcp.n)
                fake_answer(&o.tcp, 0, RUN * 1000);
        assert_int_equal(o.done, 40);
        assert_int_equal(o.failed, 0);
        for (unsigned i = 0; i < 40; i++)
                assert_int_equal(counts[i], 1);
        assert_int_equal(stats(&o).path[HB_PATH_RDMA].failed, 39);
        assert_int_equal(stats(&o).path[HB_PATH_TCP].pages, 39 * RUN);
        owner_fini(&o);
}

/* Those that wait come to the front when they are urgent. */
static void test_urgent_first_in_line(void **state) {
        struct owner o;
        fakes_up(&o);
        for (unsigned i = 0; i < 8; i++)
                assert_int_equal(ask(&o, i, i == 7), 0);
        o.tcp.room = 1;
        fake_state(&o.rdma, false);
        fake_answer(&o.tcp, 0, 1);
        assert_ptr_equal(o.tcp.kept[0], &o.f[7]);
        while (o.tcp.n)
                fake_answer(&o.tcp, 0, 1);
        assert_int_equal(o.done, 8);
        owner_fini(&o);
}

static void test_both_gone(void **state) {
        struct owner o;
        fakes_up(&o);
        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(ask(&o, i, false), 0);
        fake_state(&o.tcp, false);
        assert_true(o.connected); /* RDMA is up */
        fake_state(&o.rdma, false);
        assert_false(o.connected);
        assert_int_equal(o.done, 10);
        assert_int_equal(o.failed, 10);
        assert_int_equal(ask(&o, 10, false), -ENOTCONN);
        fake_state(&o.tcp, true);
        assert_true(o.connected);
        assert_int_equal(ask(&o, 10, false), 0);
        owner_fini(&o);
        assert_int_equal(o.done, 11);
}

static void test_full(void **state) {
        struct owner o;
        fakes_up(&o);
        o.rdma.room = 2;
        assert_int_equal(ask(&o, 0, false), 0);
        assert_int_equal(ask(&o, 1, false), 0);
        assert_int_equal(ask(&o, 2, false), -EAGAIN); /* it says when there is room */
        assert_int_equal(ask(&o, 3, true), 0);        /* this one does not wait */
        assert_int_equal(o.tcp.accepted, 1);
        fake_answer(&o.rdma, 0, 1);
        fake_answer(&o.rdma, 0, 1);
        o.rdma.room = 0; /* full of nothing: nobody would ask again */
        assert_int_equal(ask(&o, 4, false), 0);
        assert_int_equal(o.tcp.accepted, 2);
        o.tcp.room = 0;
        assert_int_equal(ask(&o, 5, false), -EAGAIN);
        owner_fini(&o);
        assert_int_equal(o.done, 4);
}

/* Runs that RDMA cannot have leave it alone; errors in a row make it rest. */
static void test_patience(void **state) {
        struct owner o;
        fakes_up(&o);
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(ask(&o, i, false), 0);
                fake_answer(&o.rdma, -ENODATA, 0);
                fake_answer(&o.tcp, 0, 1);
        }
        assert_int_equal(stats(&o).bulk, HB_PATH_RDMA);
        for (unsigned i = 0; i < HB_PATHS_PATIENCE; i++) {
                assert_int_equal(ask(&o, i, false), 0);
                fake_answer(&o.rdma, -EIO, 0);
                fake_answer(&o.tcp, 0, 1);
        }
        assert_int_equal(o.failed, 0);
        assert_int_equal(stats(&o).bulk, HB_PATH_TCP);
        assert_int_equal(stats(&o).urgent, HB_PATH_TCP);
        assert_string_equal(stats(&o).why, "RDMA fetches failed; it is tried again");
        assert_int_equal(o.lost, 0);
        owner_fini(&o);
}

static void test_cap(void **state) {
        struct owner o;
        fakes_up(&o);
        hb_paths_set_cap(o.paths, 1000000);
        for (unsigned i = 0; i < 200; i++) {
                assert_int_equal(ask(&o, i, false), 0);
                fake_answer(&o.tcp, 0, RUN * 4096);
        }
        assert_int_equal(o.rdma.accepted, 0); /* not even to measure it */
        assert_int_equal(ask(&o, 0, true), 0);
        assert_int_equal(o.rdma.accepted, 1);
        hb_paths_set_cap(o.paths, 0);
        assert_int_equal(stats(&o).bulk, HB_PATH_RDMA);
        owner_fini(&o);
}

/* Carries bulk over one path until its rate has been measured: a run takes so many ms. Margins are wide: a
 * busy machine makes them longer. */
static void carry(struct owner *o, struct fake *k, unsigned ms, unsigned least) {
        uint64_t until = hb_now_ns() + 450 * HB_NS_PER_MS;
        for (unsigned i = 0; i < least || hb_now_ns() < until; i++) {
                assert_int_equal(ask(o, i % 200, false), 0);
                bool mine = k->n > 0;
                uint64_t next = hb_now_ns() + ms * HB_NS_PER_MS;
                while (hb_now_ns() < next)
                        ;
                if (mine)
                        fake_answer(k, 0, RUN * 4096);
                else /* the other one's probe */
                        fake_answer(k == &o->tcp ? &o->rdma : &o->tcp, 0, RUN * 4096);
        }
}

/* RDMA carries more bytes a second, until TCP's pages shrink to a fraction. */
static void test_slow_link(void **state) {
        struct owner o;
        owner_init(&o);
        fake_init(&o.tcp, o.paths, HB_PATH_TCP);
        hb_paths_set_tcp(o.paths, &o.tcp.head);
        carry(&o, &o.tcp, 6, 10);
        struct hb_paths_stats s = stats(&o);
        assert_true(s.path[HB_PATH_TCP].bytes_per_s > 1e6);
        fake_init(&o.rdma, o.paths, HB_PATH_RDMA);
        hb_paths_set_rdma(o.paths, &o.rdma.head);
        carry(&o, &o.rdma, 1, 140);
        assert_int_equal(stats(&o).bulk, HB_PATH_RDMA);                           /* no reason to leave it */
        assert_true(stats(&o).path[HB_PATH_TCP].runs > s.path[HB_PATH_TCP].runs); /* probed */
        for (unsigned i = 0; i < 128 * 64 && stats(&o).bulk == HB_PATH_RDMA; i++) {
                assert_int_equal(ask(&o, 0, false), 0);
                if (o.tcp.n)
                        fake_answer(&o.tcp, 0, RUN * 4096 / 64); /* what its probes find now */
                else
                        fake_answer(&o.rdma, 0, RUN * 4096);
        }
        s = stats(&o);
        assert_int_equal(s.bulk, HB_PATH_TCP);
        assert_string_equal(s.why, "compressed pages take less time than raw ones on this link");
        assert_int_equal(s.urgent, HB_PATH_RDMA);
        owner_fini(&o);
}

/* ---- races ---- */

struct flow {
        struct owner o;
        struct rig_guest guest;
        hb_fetcher *rdma;
        uint8_t *dst;
        _Atomic bool stop;
};

static void wait_for(struct owner *o, unsigned *what, unsigned least) {
        pthread_mutex_lock(&o->lock);
        while (*what < least)
                pthread_cond_wait(&o->changed, &o->lock);
        pthread_mutex_unlock(&o->lock);
}

static hb_fetcher *loop_member(struct flow *w, enum hb_path which, struct hb_loop_options lo) {
        struct hb_fetcher_callbacks cb = hb_paths_callbacks(w->o.paths, which);
        hb_fetcher *t;
        assert_int_equal(hb_loop_fetcher_new(&lo, &w->guest.src, &cb, &t), 0);
        return t;
}

static void flow_open(struct flow *w, struct hb_loop_options tcp) {
        memset(w, 0, sizeof *w);
        owner_init(&w->o);
        rig_guest_init(&w->guest, PAGES, 0);
        w->dst = malloc(PAGES * HB_PAGE_SIZE);
        hb_paths_set_tcp(w->o.paths, loop_member(w, HB_PATH_TCP, tcp));
        wait_for(&w->o, &w->o.states, 1);
}

static void flow_rdma(struct flow *w, struct hb_loop_options o) {
        hb_paths_set_rdma(w->o.paths, NULL);
        w->rdma = loop_member(w, HB_PATH_RDMA, o);
        hb_paths_set_rdma(w->o.paths, w->rdma);
}

static unsigned flow_counts[PAGES / RUN];
static struct hb_fetch flow_f[PAGES / RUN];

/* The whole guest once; each run asked for until it is taken. */
static unsigned fetch_all(struct flow *w) {
        for (unsigned i = 0; i < PAGES / RUN; i++) {
                flow_counts[i] = 0;
                flow_f[i] = (struct hb_fetch){.gfn = i * RUN,
                                              .pages = RUN,
                                              .urgent = i % 5 == 0,
                                              .dst = w->dst + (size_t)i * RUN * HB_PAGE_SIZE,
                                              .user = &flow_counts[i]};
                int r;
                while ((r = w->o.paths->ops->fetch(w->o.paths, &flow_f[i])) == -EAGAIN)
                        sched_yield();
                if (r < 0)
                        return i;
        }
        return PAGES / RUN;
}

static void flow_close(struct flow *w) {
        owner_fini(&w->o);
        rig_guest_fini(&w->guest);
        free(w->dst);
}

static void *flap(void *arg) {
        struct flow *w = arg;
        for (unsigned n = 0; !w->stop; n++) {
                flow_rdma(w,
                          (struct hb_loop_options){.seed = n, .delay_ns = 100000, .lose_connection = 0.02});
                hb_loop_cut(w->rdma);
        }
        return NULL;
}

static void test_flapping(void **state) {
        struct flow w;
        pthread_t t;
        flow_open(&w, (struct hb_loop_options){.seed = 1, .queue_max = 8, .delay_ns = 50000});
        pthread_create(&t, NULL, flap, &w);
        for (unsigned round = 0; round < 10; round++) {
                memset(w.dst, 0xEE, PAGES * HB_PAGE_SIZE);
                assert_int_equal(fetch_all(&w), PAGES / RUN);
                wait_for(&w.o, &w.o.done, (round + 1) * PAGES / RUN);
                assert_memory_equal(w.dst, w.guest.memory[0], PAGES * HB_PAGE_SIZE);
                for (unsigned i = 0; i < PAGES / RUN; i++)
                        assert_int_equal(flow_counts[i], 1);
        }
        w.stop = true;
        pthread_join(t, NULL);
        assert_int_equal(w.o.failed, 0);
        struct hb_paths_stats s = stats(&w.o);
        assert_true(s.path[HB_PATH_TCP].pages + s.path[HB_PATH_RDMA].pages == 10ull * PAGES);
        flow_close(&w);
}

/* Corrupt, overtaken and lost on one, well on the other: the guest's bytes in the end. */
static void test_bad_rdma(void **state) {
        struct flow w;
        flow_open(&w, (struct hb_loop_options){.seed = 2});
        for (unsigned n = 0; n < 5; n++) {
                flow_rdma(&w, (struct hb_loop_options){.seed = n,
                                                       .corrupt = 0.3,
                                                       .reorder = 0.3,
                                                       .lose_connection = n ? 0.01 : 0});
                memset(w.dst, 0xEE, PAGES * HB_PAGE_SIZE);
                assert_int_equal(fetch_all(&w), PAGES / RUN);
                wait_for(&w.o, &w.o.done, (n + 1) * PAGES / RUN);
                assert_memory_equal(w.dst, w.guest.memory[0], PAGES * HB_PAGE_SIZE);
        }
        assert_int_equal(w.o.failed, 0);
        assert_true(stats(&w.o).path[HB_PATH_RDMA].failed > 0);
        flow_close(&w);
}

static void *close_it(void *arg) {
        struct flow *w = arg;
        wait_for(&w->o, &w->o.done, 20);
        w->o.paths->ops->close(w->o.paths);
        w->o.paths->ops->close(w->o.paths);
        return NULL;
}

/* Closed in the middle: each accepted run is done once, whichever path had it. */
static void test_close_races(void **state) {
        for (unsigned n = 0; n < 30; n++) {
                struct flow w;
                pthread_t t;
                flow_open(&w,
                          (struct hb_loop_options){.seed = n, .delay_ns = 20000, .queue_max = n % 3 ? 4 : 0});
                flow_rdma(&w, (struct hb_loop_options){.seed = n, .lose_connection = n % 2 ? 0.02 : 0});
                pthread_create(&t, NULL, close_it, &w);
                unsigned accepted = fetch_all(&w);
                pthread_join(t, NULL);
                w.o.paths = w.o.paths->ops->fini(w.o.paths);
                assert_int_equal(w.o.done, accepted);
                for (unsigned i = 0; i < accepted; i++)
                        assert_int_equal(flow_counts[i], 1);
                assert_false(w.o.connected);
                rig_guest_fini(&w.guest);
                free(w.dst);
        }
}

static void test_faults(void **state) {
        struct hb_fetcher_callbacks cb = {.done = on_done};
        hb_fetcher *p = NULL;
        hb_fault_arm("paths.new=fail");
        assert_int_equal(hb_paths_new(&cb, NULL, &p), -ENOMEM);
        hb_fault_disarm();
        assert_null(p);
        struct owner o;
        fakes_up(&o);
        hb_fault_arm("paths.fetch=fail");
        assert_int_equal(ask(&o, 0, false), -EAGAIN);
        hb_fault_disarm();
        assert_int_equal(ask(&o, 0, false), 0);
        o.f[1] = (struct hb_fetch){.pages = 0};
        assert_int_equal(o.paths->ops->fetch(o.paths, &o.f[1]), -EINVAL);
        o.f[1].pages = HB_FETCH_MAX_PAGES + 1;
        assert_int_equal(o.paths->ops->fetch(o.paths, &o.f[1]), -EINVAL);
        assert_null(o.paths->ops->fini(NULL));
        owner_fini(&o);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rdma_while_up),   cmocka_unit_test(test_back_again),
                cmocka_unit_test(test_lost_in_mid_run), cmocka_unit_test(test_urgent_first_in_line),
                cmocka_unit_test(test_both_gone),       cmocka_unit_test(test_full),
                cmocka_unit_test(test_patience),        cmocka_unit_test(test_cap),
                cmocka_unit_test(test_slow_link),       cmocka_unit_test(test_flapping),
                cmocka_unit_test(test_bad_rdma),        cmocka_unit_test(test_close_races),
                cmocka_unit_test(test_faults),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
