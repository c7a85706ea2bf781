/* The page of transport.h, case by case, for every backend: the same test bodies run over tcp (real TLS on
 * loopback) and over loop. A new backend adds one row to `backends`. */
#include "fetcher_bed.h"
#include <limits.h>
#include <sys/wait.h>

/* ---- the cases ---- */

/* Runs of all sizes over both regions, some with zero and some with compressible pages, arrive once and
 * right. */
static void case_right_bytes_once(const struct backend *backend) {
        enum { N = 300 };
        struct bed b;
        struct want *w = wants(N);
        unsigned seed = 3;

        open_bed(&b, backend, (struct bed_options){.connections = 3});
        for (unsigned p = 0; p < PAGES; p++) {
                if (p % 5 == 0)
                        memset(b.s.guest.memory[0] + (size_t)p * HB_PAGE_SIZE, 0, HB_PAGE_SIZE);
                if (p % 7 == 0)
                        memset(b.s.guest.memory[0] + (size_t)p * HB_PAGE_SIZE, (int)p, HB_PAGE_SIZE);
        }
        for (unsigned i = 0; i < N; i++) {
                bool second = i % 10 == 9;

                w[i].f.pages = 1 + (uint32_t)rand_r(&seed) % MAX_RUN;
                w[i].f.gfn = second ? PAGES + (uint64_t)rand_r(&seed) % (PAGES_2 - w[i].f.pages)
                                    : (uint64_t)rand_r(&seed) % (PAGES - w[i].f.pages);
                w[i].f.urgent = i % 13 == 0;
                fetch_hard(&b, &w[i]);
        }
        wait_done(&b, N);
        for (unsigned i = 0; i < N; i++)
                check_bytes(&b, &w[i]);
        close_bed(&b);
        assert_int_equal(b.done, N);
        free_wants(w, N);
}

static void case_zero_pages_not_written(const struct backend *backend) {
        struct bed b;
        struct want *w = wants(1);
        uint8_t untouched[HB_PAGE_SIZE];

        if (backend->raw)
                skip();
        open_bed(&b, backend, (struct bed_options){.connections = 1});
        memset(untouched, 0xEE, sizeof(untouched));
        memset(b.s.guest.memory[0], 0, 32 * HB_PAGE_SIZE);
        b.s.guest.memory[0][3 * HB_PAGE_SIZE + 4095] = 1; /* one bit away from zero */
        w->f.pages = 32;
        assert_int_equal(fetch(&b, w), 0);
        wait_done(&b, 1);
        assert_int_equal(w->f.zero_mask, 0xFFFFFFFFull & ~(1ull << 3));
        for (unsigned i = 0; i < 32; i++)
                if (i != 3)
                        assert_memory_equal(w->dst + i * HB_PAGE_SIZE, untouched, HB_PAGE_SIZE);
        check_bytes(&b, w);
        close_bed(&b);
        free_wants(w, 1);
}

static void case_full_is_eagain(const struct backend *backend) {
        enum { N = 200 };
        struct bed b;
        struct want *w = wants(N);
        unsigned taken = 0;
        int rc = 0;

        open_bed(&b, backend,
                 (struct bed_options){.connections = 1, .queue_max = 8, .slow_bytes_per_s = 40 << 20});
        while (taken < N && (rc = fetch(&b, &w[taken])) == 0)
                taken++;
        assert_int_equal(rc, -EAGAIN);
        assert_true(taken >= 8); /* what is on the wire is no longer in the queue */
        wait_done(&b, taken);
        assert_int_equal(fetch(&b, &w[taken]), 0); /* and there is room again */
        wait_done(&b, taken + 1);
        assert_int_equal(w[N - 1].done, 0);
        close_bed(&b);
        free_wants(w, N);
}

static void case_impossible_runs(const struct backend *backend) {
        struct bed b;
        struct want *w = wants(1);

        open_bed(&b, backend, (struct bed_options){.connections = 1});
        w->f.pages = 0;
        assert_int_equal(fetch(&b, w), -EINVAL);
        w->f.pages = MAX_RUN + 1;
        assert_int_equal(fetch(&b, w), -EINVAL);
        close_bed(&b);
        assert_int_equal(w->done, 0);
        free_wants(w, 1);
}

/* An urgent fetch behind a deep bulk queue passes all of it that is not on the wire yet. */
/* How many bulk runs landed before a demand that was made when all of them had been asked for. */
static unsigned bulk_before_urgent(const struct backend *backend, unsigned connections) {
        enum { N = 160 };
        struct bed b;
        struct want *w = wants(N + 1);
        unsigned before;

        open_bed(&b, backend, (struct bed_options){.connections = connections, .slow_bytes_per_s = 64 << 20});
        for (unsigned i = 0; i < N; i++)
                assert_int_equal(fetch(&b, &w[i]), 0);
        wait_done(&b, N); /* warm: all connections are in use */
        for (unsigned i = 0; i < N; i++) {
                w[i].done = 0;
                assert_int_equal(fetch(&b, &w[i]), 0);
        }
        w[N].f.urgent = true;
        w[N].f.pages = 1;
        assert_int_equal(fetch(&b, &w[N]), 0);
        pthread_mutex_lock(&b.lock);
        before = b.done; /* not before the fetch: whatever lands while this thread has no processor is no
                            fault */
        pthread_mutex_unlock(&b.lock);
        wait_done(&b, 2 * N + 1);
        before = w[N].order > before ? w[N].order - before : 0;
        close_bed(&b);
        free_wants(w, N + 1);
        return before;
}

/* A busy machine can only let more of them land: the best of some tries is what the order allows. Without an
 * order it is nearly all of them, every time. */
static void urgent_before_bulk(const struct backend *backend, unsigned connections, unsigned max_before) {
        unsigned best = UINT_MAX;

        for (unsigned i = 0; i < 5 && best > max_before; i++) {
                unsigned n = bulk_before_urgent(backend, connections);

                best = n < best ? n : best;
        }
        if (best > max_before)
                fail_msg("%u bulk runs went before the urgent one", best);
}

static void case_urgent_before_bulk(const struct backend *backend) {
        urgent_before_bulk(backend, 1, 20); /* at most the window that was asked for before */
        urgent_before_bulk(backend, 3,
                           backend->lead ? 8 : 20); /* the lead is free: only what lands meanwhile */
}

static void case_no_connection(const struct backend *backend) {
        struct bed b;
        struct want *w = wants(1);
        int rc = 0;

        open_bed(&b, backend, (struct bed_options){.connections = 1});
        backend->cut(&b.s);
        wait_states(&b, 2);
        rc = fetch(&b, w); /* loop may be back already */
        if (strcmp(backend->name, "loop") != 0)
                assert_int_equal(rc, -ENOTCONN);
        close_bed(&b);
        free_wants(w, 1);
}

/* Cut again and again under load: each fetch comes back exactly once, right or as lost; afterwards all goes
 * on. */
static void case_cut_and_reconnect(const struct backend *backend) {
        enum { ROUNDS = 6, N = 120 };
        struct bed b;
        struct want *w = wants(N);
        unsigned lost = 0, right = 0;

        open_bed(&b, backend, (struct bed_options){.connections = 2, .slow_bytes_per_s = 200 << 20});
        for (unsigned round = 0; round < ROUNDS; round++) {
                unsigned accepted = 0, base = wait_at_least(&b, 0);

                for (unsigned i = 0; i < N; i++) {
                        w[i].done = 0;
                        w[i].f.gfn = (i * 31u) % (PAGES - MAX_RUN);
                        w[i].f.urgent = i % 9 == 0;
                        if (i == N / 2) {
                                wait_at_least(&b, base + 5);
                                backend->cut(&b.s);
                        }
                        if (fetch(&b, &w[i]) == 0)
                                accepted++;
                        else
                                w[i].f.status = 1;
                }
                wait_done(&b, base + accepted);
                for (unsigned i = 0; i < N; i++) {
                        assert_in_range(w[i].done, 0, 1);
                        if (w[i].done && w[i].f.status == 0) {
                                check_bytes(&b, &w[i]);
                                right++;
                        } else if (w[i].done) {
                                assert_int_equal(w[i].f.status, -ECONNRESET);
                                lost++;
                        }
                }
                wait_states(&b, 2 * round + 2);
                backend->reconnect(&b.s);
                wait_states(&b, 2 * round + 3);
        }
        assert_true(lost > 0);
        assert_true(right > 0);
        w[0].done = 0;
        fetch_hard(&b, &w[0]);
        while (!w[0].done)
                wait_at_least(&b, 1);
        check_bytes(&b, &w[0]);
        close_bed(&b);
        free_wants(w, N);
}

static void case_close_completes_all(const struct backend *backend) {
        enum { N = 100 };
        struct bed b;
        struct want *w = wants(N);
        uint64_t start;

        open_bed(&b, backend, (struct bed_options){.connections = 2, .slow_bytes_per_s = 20 << 20});
        for (unsigned i = 0; i < N; i++)
                assert_int_equal(fetch(&b, &w[i]), 0);
        start = hb_now_ns();
        b.s.fetcher->ops->close(b.s.fetcher);
        assert_true(hb_now_ns() - start < HB_NS_PER_S);
        b.s.fetcher->ops->close(b.s.fetcher); /* twice is once */
        assert_int_equal(fetch(&b, &w[0]), -ENOTCONN);
        rig_set_fetcher(&b.s.rig, NULL);
        b.s.fetcher = b.s.fetcher->ops->fini(b.s.fetcher);
        assert_null(b.s.fetcher);
        assert_int_equal(b.done, N); /* fini waited for every done() */
        for (unsigned i = 0; i < N; i++)
                assert_true(w[i].done == 1 && (w[i].f.status == 0 || w[i].f.status == -ECONNRESET));
        assert_true(b.failed > 0);
        assert_false(b.connected);
        close_bed(&b);
        free_wants(w, N);
}

static void case_done_may_fetch(const struct backend *backend) {
        enum { N = 64 };
        struct bed b;
        struct want *w = wants(1), *more = wants(N);

        open_bed(&b, backend, (struct bed_options){.connections = 2});
        b.chained = more;
        b.chain = N;
        assert_int_equal(fetch(&b, w), 0);
        wait_done(&b, N + 1);
        for (unsigned i = 0; i < N; i++)
                check_bytes(&b, &more[i]);
        close_bed(&b);
        free_wants(w, 1);
        free_wants(more, N);
}

/* A run across the end of a region is none of the guest's: it fails and the connection goes. */
static void case_outside_the_guest(const struct backend *backend) {
        static const uint64_t gfns[] = {PAGES - 1, PAGES + PAGES_2 - 1, PAGES + PAGES_2, 1ull << 31};
        struct want *w = wants(1);

        for (unsigned i = 0; i < sizeof(gfns) / sizeof(gfns[0]); i++) {
                struct bed b;

                open_bed(&b, backend, (struct bed_options){.connections = 1});
                w->done = 0;
                w->f.gfn = gfns[i];
                w->f.pages = 2;
                assert_int_equal(fetch(&b, w), 0);
                wait_done(&b, 1);
                assert_true(w->f.status < 0);
                wait_states(&b, 2);
                close_bed(&b);
        }
        free_wants(w, 1);
}

/* ---- stamps ---- */

struct race {
        _Atomic uint32_t stop;
        uint32_t pages;
        uint8_t *memory;
        uint32_t *epoch;
};

/* Another process, as a guest is: writes k over all pages, then completes epoch k. */
static void writer_main(struct race *r) {
        for (uint32_t k = 1; !r->stop; k++) {
                for (uint32_t p = 0; p < r->pages; p++)
                        for (unsigned at = 0; at < HB_PAGE_SIZE; at += 1024)
                                __atomic_store_n((uint32_t *)(r->memory + (size_t)p * HB_PAGE_SIZE + at), k,
                                                 __ATOMIC_RELAXED);
                __atomic_store_n(r->epoch, k, __ATOMIC_RELEASE);
        }
        _exit(0);
}

/* Whatever a page held before epoch s was complete must be in a run stamped s: every word >= s. */
static void check_stamp(const struct want *w) {
        for (uint32_t p = 0; p < w->f.pages; p++)
                for (unsigned at = 0; at < HB_PAGE_SIZE; at += 1024) {
                        uint32_t k;

                        if (w->f.zero_mask >> p & 1)
                                fail_msg("a written page came as zero");
                        memcpy(&k, w->dst + (size_t)p * HB_PAGE_SIZE + at, sizeof(k));
                        if (k < w->f.stamp)
                                fail_msg("page %u holds %u under stamp %u", p, k, w->f.stamp);
                }
}

static void case_stamp_is_before_the_bytes(const struct backend *backend) {
        enum { N = 400 };
        struct race *r = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct bed b;
        struct want *w = wants(N);
        uint32_t last = 0, moved = 0;
        pid_t writer;

        memset(&b, 0, sizeof(b));
        pthread_mutex_init(&b.lock, NULL);
        pthread_cond_init(&b.changed, NULL);
        b.s.backend = backend;
        b.s.o = (struct bed_options){.connections = 1};
        b.s.cb = (struct hb_fetcher_callbacks){.done = on_done, .state = on_state, .arg = &b};
        rig_guest_init(&b.s.guest, 16, 0);
        *r = (struct race){.pages = 16, .memory = b.s.guest.memory[0], .epoch = b.s.guest.epoch};
        writer = fork(); /* before any thread of ours */
        if (writer == 0)
                writer_main(r);
        while (__atomic_load_n(r->epoch, __ATOMIC_ACQUIRE) == 0)
                ;
        backend->open(&b.s);
        wait_connected(&b, true);
        for (unsigned i = 0; i < N; i++) {
                w[i].f.pages = 16;
                fetch_hard(&b, &w[i]);
        }
        wait_done(&b, N);
        r->stop = 1;
        waitpid(writer, NULL, 0);
        for (unsigned i = 0; i < N; i++) {
                assert_int_equal(w[i].f.status, 0);
                check_stamp(&w[i]);
                assert_true(w[i].f.stamp >= last); /* one connection, one order */
                moved += w[i].f.stamp != last;
                last = w[i].f.stamp;
        }
        assert_true(moved > 3); /* else nothing raced */
        close_bed(&b);
        munmap(r, 4096);
        free_wants(w, N);
}

/* ---- every case over every backend ---- */

static void (*const cases[])(const struct backend *backend) = {
        case_stamp_is_before_the_bytes,
        case_right_bytes_once,
        case_zero_pages_not_written,
        case_full_is_eagain,
        case_impossible_runs,
        case_urgent_before_bulk,
        case_no_connection,
        case_cut_and_reconnect,
        case_close_completes_all,
        case_done_may_fetch,
        case_outside_the_guest,
};
static const char *const case_names[] = {
        "stamp_is_before_the_bytes", "right_bytes_once",   "zero_pages_not_written", "full_is_eagain",
        "impossible_runs",           "urgent_before_bulk", "no_connection",          "cut_and_reconnect",
        "close_completes_all",       "done_may_fetch",     "outside_the_guest",
};
#define NCASES    (sizeof(cases) / sizeof(cases[0]))
#define NBACKENDS (sizeof(backends) / sizeof(backends[0]))

struct pairing {
        unsigned test, backend;
        char name[64];
};

static void run_pairing(void **state) {
        const struct pairing *p = *state;

        cases[p->test](&backends[p->backend]);
}

#ifdef HB_BACKENDS_RDMA
static void need_device(void) {
        char ip[64];

        rdma_find_address(ip, sizeof(ip));
        if (ip[0] == '\0') {
                printf("skipped: no active RDMA device with an IPv4 address here\n");
                exit(77);
        }
}
#else
static void need_device(void) {
}
#endif

int main(void) {
        static struct pairing pairings[NCASES * NBACKENDS];
        static struct CMUnitTest tests[NCASES * NBACKENDS];
        unsigned n = 0;

        need_device();
        for (unsigned i = 0; i < NCASES; i++)
                for (unsigned j = 0; j < NBACKENDS; j++, n++) {
                        pairings[n] = (struct pairing){.test = i, .backend = j};
                        snprintf(pairings[n].name, sizeof(pairings[n].name), "%s/%s", backends[j].name,
                                 case_names[i]);
                        tests[n] = (struct CMUnitTest){.name = pairings[n].name,
                                                       .test_func = run_pairing,
                                                       .initial_state = &pairings[n]};
                }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
