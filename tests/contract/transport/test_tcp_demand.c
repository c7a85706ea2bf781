/* Demand before bulk, at each place where it could queue: nothing here is timed. Bulk is brought to a stand,
 * by the cap or by a target that takes no more of it, and urgent pages have to come all the same. */
#include "check.h"
#include "page_rig.h"
#include <sched.h>
#include <semaphore.h>
#include <sys/resource.h>

#define PAGES   4096u
#define BULK    64u
#define DEMANDS 200u
#define NO_RATE 1000u /* bytes/s: a run of bulk is due in minutes */

struct world {
        struct rig_guest guest;
        struct page_rig rig;
        hb_fetcher *fetcher;
        hb_tcp_server *server;
        struct hb_fetch bulk[BULK], demand;
        sem_t arrived, stuck, go, connected;
        _Atomic bool hold; /* done() of bulk does not return */
        _Atomic unsigned bulk_done, demand_done, failed;
        _Atomic int nice_bulk, nice_demand;
};

static void on_done(void *arg, struct hb_fetch *f) {
        struct world *w = arg;

        if (f->status != 0)
                w->failed++;
        if (f->urgent) {
                w->nice_demand = getpriority(PRIO_PROCESS, 0);
                w->demand_done++;
                sem_post(&w->arrived);
                return;
        }
        w->nice_bulk = getpriority(PRIO_PROCESS, 0);
        w->bulk_done++;
        if (w->hold) {
                sem_post(&w->stuck);
                while (sem_wait(&w->go) < 0)
                        ;
        }
}

static void on_state(void *arg, bool connected) {
        if (connected)
                sem_post(&((struct world *)arg)->connected);
}

static void must_wait(sem_t *s) {
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        ts.tv_sec += RIG_WAIT_NS / HB_NS_PER_S;
        while (sem_timedwait(s, &ts) < 0)
                if (errno != EINTR)
                        fail_msg("nothing came within 30 s");
}

static void until_connections(struct world *w, unsigned n) {
        uint64_t end = hb_now_ns() + RIG_WAIT_NS;
        struct hb_link_stats st;

        do {
                hb_tcp_fetcher_stats(w->fetcher, &st);
                sched_yield();
        } while (st.connections < n && hb_now_ns() < end);
        assert_int_equal(st.connections, n);
}

static void open_world(struct world *w, uint64_t cap, unsigned connections) {
        struct hb_fetcher_callbacks cb = {.done = on_done, .state = on_state, .arg = w};
        struct hb_tcp_server_options so = {.zstd_level = HB_ZSTD_OFF, .cap_bytes_per_s = cap};
        struct hb_tcp_fetcher_options fo = {0};

        assert_int_equal(hb_tcp_fetcher_new(&fo, &cb, &w->fetcher, NULL), 0);
        assert_int_equal(hb_tcp_server_new(&w->guest.src, &so, &w->server, NULL), 0);
        rig_set_fetcher(&w->rig, w->fetcher);
        for (unsigned i = 0; i < connections; i++) {
                struct hb_data_conn c = rig_dial(&w->rig, HB_DATA_PAGES);
                assert_int_equal(hb_tcp_server_add(w->server, &c), 0);
        }
        must_wait(&w->connected);
        until_connections(w, connections);
}

static void ask_bulk(struct world *w, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                w->bulk[i].gfn = i * HB_FETCH_MAX_PAGES % PAGES;
                assert_int_equal(w->fetcher->ops->fetch(w->fetcher, &w->bulk[i]), 0);
        }
}

/* One after the other: each has come before the next is asked for. */
static void demand_some(struct world *w, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                memset(w->demand.dst, 0xEE, HB_PAGE_SIZE);
                w->demand.gfn = 17 * i % PAGES;
                assert_int_equal(w->fetcher->ops->fetch(w->fetcher, &w->demand), 0);
                must_wait(&w->arrived);
                assert_int_equal(w->demand.status, 0);
                assert_memory_equal(w->demand.dst, rig_page(&w->guest, w->demand.gfn), HB_PAGE_SIZE);
        }
        assert_int_equal(w->demand_done, n);
}

static void stands_by_the_cap(struct world *w, unsigned connections) {
        open_world(w, NO_RATE, connections);
        ask_bulk(w, BULK);
        demand_some(w, DEMANDS);
        assert_int_equal(w->bulk_done, 0);
        assert_int_equal(w->failed, 0);
}

/* The window is full of bulk that the source may not send, on the only connection. */
static void test_one_connection_capped(void **state) {
        stands_by_the_cap(*state, 1);
}

static void test_three_connections_capped(void **state) {
        stands_by_the_cap(*state, 3);
}

/* The target takes no more: its thread, both sockets' buffers and the source's thread are full of bulk. */
static void test_bulk_connections_stuck(void **state) {
        struct world *w = *state;

        w->hold = true;
        open_world(w, 0, 3);
        ask_bulk(w, BULK);
        must_wait(&w->stuck);
        must_wait(&w->stuck); /* either connection of bulk, and not the lead */
        demand_some(w, DEMANDS);
        assert_int_equal(w->bulk_done, 2);
        w->hold = false;
        sem_post(&w->go);
        sem_post(&w->go);
        while (w->bulk_done < BULK)
                sched_yield();
        assert_int_equal(w->failed, 0);
}

/* The threads of either kind are told apart by the scheduler too. */
static void test_thread_classes(void **state) {
        struct world *w = *state;

        open_world(w, 0, 2);
        ask_bulk(w, BULK);
        demand_some(w, DEMANDS);
        while (w->bulk_done < BULK)
                sched_yield();
        assert_true(w->nice_bulk > getpriority(PRIO_PROCESS, 0) || w->nice_bulk == PRIO_MAX - 1);
        assert_true(w->nice_demand < w->nice_bulk || w->nice_demand == PRIO_MAX - 1);
}

static void test_auto_connections(void **state) {
        assert_int_equal(hb_tcp_connections(5), 5);
        assert_true(hb_tcp_connections(0) >= 2);
        assert_true(hb_tcp_connections(0) <= 8);
}

static int setup(void **state) {
        struct world *w = calloc(1, sizeof(*w));

        sem_init(&w->arrived, 0, 0);
        sem_init(&w->stuck, 0, 0);
        sem_init(&w->go, 0, 0);
        sem_init(&w->connected, 0, 0);
        rig_guest_init(&w->guest, PAGES, 0);
        rig_init(&w->rig);
        for (unsigned i = 0; i < BULK; i++)
                w->bulk[i] = (struct hb_fetch){.pages = HB_FETCH_MAX_PAGES,
                                               .dst = malloc(HB_FETCH_MAX_PAGES * HB_PAGE_SIZE)};
        w->demand = (struct hb_fetch){.pages = 1, .urgent = true, .dst = malloc(HB_PAGE_SIZE)};
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
        for (unsigned i = 0; i < BULK; i++)
                free(w->bulk[i].dst);
        free(w->demand.dst);
        sem_destroy(&w->arrived);
        sem_destroy(&w->stuck);
        sem_destroy(&w->go);
        sem_destroy(&w->connected);
        free(w);
        return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_one_connection_capped),  T(test_three_connections_capped),
                T(test_bulk_connections_stuck), T(test_thread_classes),
                T(test_auto_connections),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
