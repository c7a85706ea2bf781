/* fetcher_bed: one backend under test with a guest behind it, and fetches that know what became of them.
 * Header only. */
#pragma once
#include "backends.h"

#define PAGES   4096u /* of the first region; the second has 100 */
#define PAGES_2 100u
#define MAX_RUN HB_FETCH_MAX_PAGES

struct want { /* one fetch and what became of it */
        struct hb_fetch f;
        _Atomic unsigned done;
        unsigned order; /* how many were done before it */
        uint8_t *dst;
};

struct bed {
        struct subject s;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned done, failed;
        bool connected;
        unsigned states;
        int chain; /* done() fetches this many more */
        struct want *chained;
};

static inline void on_done(void *arg, struct hb_fetch *f) {
        struct bed *b = arg;
        struct want *w = f->user;
        struct want *next = NULL;

        pthread_mutex_lock(&b->lock);
        w->done++;
        w->order = b->done++;
        if (f->status < 0)
                b->failed++;
        if (b->chain > 0)
                next = &b->chained[--b->chain];
        pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->lock);
        if (next && b->s.fetcher->ops->fetch(b->s.fetcher, &next->f) != 0)
                abort();
}

static inline void on_state(void *arg, bool connected) {
        struct bed *b = arg;

        pthread_mutex_lock(&b->lock);
        if (b->connected == connected)
                abort(); /* only changes are told */
        b->connected = connected;
        b->states++;
        pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->lock);
}

static inline bool wait_changed(struct bed *b, uint64_t end) {
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        ts.tv_sec++;
        pthread_cond_timedwait(&b->changed, &b->lock, &ts);
        return hb_now_ns() < end;
}

static inline unsigned wait_at_least(struct bed *b, unsigned n) {
        uint64_t end = hb_now_ns() + RIG_WAIT_NS;
        unsigned done;

        pthread_mutex_lock(&b->lock);
        while (b->done < n && wait_changed(b, end))
                ;
        done = b->done;
        pthread_mutex_unlock(&b->lock);
        return done;
}

static inline void wait_done(struct bed *b, unsigned n) {
        unsigned done = wait_at_least(b, n);

        if (done != n)
                fail_msg("%u of %u were done", done, n);
}

static inline void wait_connected(struct bed *b, bool connected) {
        uint64_t end = hb_now_ns() + RIG_WAIT_NS;

        pthread_mutex_lock(&b->lock);
        while (b->connected != connected && wait_changed(b, end))
                ;
        connected = b->connected == connected;
        pthread_mutex_unlock(&b->lock); /* before a failure jumps away */
        assert_true(connected);
}

/* The n-th change of state has been told: even ones are losses. */
static inline void wait_states(struct bed *b, unsigned n) {
        uint64_t end = hb_now_ns() + RIG_WAIT_NS;

        pthread_mutex_lock(&b->lock);
        while (b->states < n && wait_changed(b, end))
                ;
        n = b->states < n;
        pthread_mutex_unlock(&b->lock);
        assert_int_equal(n, 0);
}

static inline void open_bed(struct bed *b, const struct backend *backend, struct bed_options o) {
        memset(b, 0, sizeof(*b));
        pthread_mutex_init(&b->lock, NULL);
        pthread_cond_init(&b->changed, NULL);
        b->s.backend = backend;
        b->s.o = o;
        b->s.cb = (struct hb_fetcher_callbacks){.done = on_done, .state = on_state, .arg = b};
        rig_guest_init(&b->s.guest, PAGES, PAGES_2);
        *b->s.guest.epoch = 5;
        backend->open(&b->s);
        if (o.connections > 0)
                wait_connected(b, true);
}

static inline void close_bed(struct bed *b) {
        b->s.backend->close(&b->s);
        rig_guest_fini(&b->s.guest);
        pthread_mutex_destroy(&b->lock);
        pthread_cond_destroy(&b->changed);
}

static inline struct want *wants(unsigned n) {
        struct want *w = calloc(n, sizeof(*w));

        for (unsigned i = 0; i < n; i++) {
                w[i].dst = malloc(MAX_RUN * HB_PAGE_SIZE);
                memset(w[i].dst, 0xEE, MAX_RUN * HB_PAGE_SIZE);
                w[i].f = (struct hb_fetch){.dst = w[i].dst, .user = &w[i], .status = 1, .pages = MAX_RUN};
        }
        return w;
}

static inline void free_wants(struct want *w, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                free(w[i].dst);
        free(w);
}

static inline int fetch(struct bed *b, struct want *w) {
        return b->s.fetcher->ops->fetch(b->s.fetcher, &w->f);
}

/* Asks until it is taken. */
static inline void fetch_hard(struct bed *b, struct want *w) {
        uint64_t end = hb_now_ns() + RIG_WAIT_NS;
        bool in_time = true;
        int rc;

        while ((rc = fetch(b, w)) == -EAGAIN && in_time) {
                pthread_mutex_lock(&b->lock);
                in_time = wait_changed(b, end);
                pthread_mutex_unlock(&b->lock);
        }
        assert_int_equal(rc, 0);
}

static inline void check_bytes(const struct bed *b, const struct want *w) {
        static const uint8_t zero[HB_PAGE_SIZE];

        assert_int_equal(w->done, 1);
        assert_int_equal(w->f.status, 0);
        assert_int_equal(w->f.stamp, *b->s.guest.epoch);
        for (uint32_t i = 0; i < w->f.pages; i++) {
                const uint8_t *is = w->f.zero_mask >> i & 1 ? zero : w->dst + (size_t)i * HB_PAGE_SIZE;

                assert_memory_equal(is, rig_page(&b->s.guest, w->f.gfn + i), HB_PAGE_SIZE);
        }
}
