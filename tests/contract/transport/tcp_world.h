/* tcp_world: a guest, a fetcher and a server over real TLS on loopback, and a record of what their callbacks
 * said. Header only. */
#pragma once
#include "check.h"
#include "page_rig.h"

#define PAGES 2048u

struct world {
        struct rig_guest guest;
        struct page_rig rig;
        hb_fetcher *fetcher;
        hb_tcp_server *server;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned done, urgent_done, ended;
        int last_status;
        bool connected, pump;
        struct hb_err why; /* of the last connection that ended */
        unsigned next_run;
        struct hb_fetch f[64];
};

static inline void on_done(void *arg, struct hb_fetch *f) {
        struct world *w = arg;
        bool again;

        pthread_mutex_lock(&w->lock);
        w->done++;
        w->last_status = f->status;
        w->urgent_done += f->urgent;
        again = w->pump && !f->urgent;
        f->gfn = (w->next_run++ * HB_FETCH_MAX_PAGES) % PAGES;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
        if (again)
                w->fetcher->ops->fetch(w->fetcher, f);
}

static inline void on_state(void *arg, bool connected) {
        struct world *w = arg;

        pthread_mutex_lock(&w->lock);
        w->connected = connected;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
}

static inline void on_ended(void *arg, const struct hb_err *why) {
        struct world *w = arg;

        pthread_mutex_lock(&w->lock);
        w->ended++;
        w->why = *why;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
}

static inline void wait_for(struct world *w, const unsigned *count, unsigned n) {
        uint64_t end = hb_now_ns() + RIG_WAIT_NS;
        struct timespec ts;

        pthread_mutex_lock(&w->lock);
        while (*count < n && hb_now_ns() < end) {
                clock_gettime(CLOCK_REALTIME, &ts);
                ts.tv_sec++;
                pthread_cond_timedwait(&w->changed, &w->lock, &ts);
        }
        n = *count < n ? n - *count : 0;
        pthread_mutex_unlock(&w->lock); /* before a failure jumps away */
        if (n > 0)
                fail_msg("%u more were to come within 30 s", n);
}

static inline void wait_connected(struct world *w, bool connected) {
        uint64_t end = hb_now_ns() + RIG_WAIT_NS;
        struct timespec ts;

        pthread_mutex_lock(&w->lock);
        while (w->connected != connected && hb_now_ns() < end) {
                clock_gettime(CLOCK_REALTIME, &ts);
                ts.tv_sec++;
                pthread_cond_timedwait(&w->changed, &w->lock, &ts);
        }
        connected = w->connected == connected;
        pthread_mutex_unlock(&w->lock);
        assert_true(connected);
}

static inline int setup(void **state) {
        struct world *w = calloc(1, sizeof(*w));

        pthread_mutex_init(&w->lock, NULL);
        pthread_cond_init(&w->changed, NULL);
        rig_guest_init(&w->guest, PAGES, 0);
        rig_init(&w->rig);
        for (unsigned i = 0; i < 64; i++)
                w->f[i] = (struct hb_fetch){.pages = HB_FETCH_MAX_PAGES,
                                            .dst = malloc(HB_FETCH_MAX_PAGES * HB_PAGE_SIZE)};
        *state = w;
        return 0;
}

static inline int teardown(void **state) {
        struct world *w = *state;

        rig_set_fetcher(&w->rig, NULL);
        if (w->fetcher)
                w->fetcher->ops->fini(w->fetcher);
        hb_tcp_server_free(w->server);
        rig_fini(&w->rig);
        rig_guest_fini(&w->guest);
        for (unsigned i = 0; i < 64; i++)
                free(w->f[i].dst);
        pthread_mutex_destroy(&w->lock);
        pthread_cond_destroy(&w->changed);
        free(w);
        return 0;
}

static inline void open_fetcher(struct world *w) {
        struct hb_fetcher_callbacks cb = {.done = on_done, .state = on_state, .arg = w};
        struct hb_tcp_fetcher_options o = {.ended = on_ended, .arg = w};

        assert_int_equal(hb_tcp_fetcher_new(&o, &cb, &w->fetcher, NULL), 0);
        rig_set_fetcher(&w->rig, w->fetcher);
}

static inline void open_server(struct world *w, uint64_t cap, int level, unsigned connections) {
        struct hb_tcp_server_options o = {.cap_bytes_per_s = cap, .zstd_level = level};

        assert_int_equal(hb_tcp_server_new(&w->guest.src, &o, &w->server, NULL), 0);
        for (unsigned i = 0; i < connections; i++) {
                struct hb_data_conn c = rig_dial(&w->rig, HB_DATA_PAGES);
                assert_int_equal(hb_tcp_server_add(w->server, &c), 0);
        }
        wait_connected(w, true);
}

/* Keeps n runs in flight until told otherwise. */
static inline void start_pump(struct world *w, unsigned n) {
        w->pump = true;
        for (unsigned i = 0; i < n; i++) {
                w->f[i].gfn = (i * HB_FETCH_MAX_PAGES) % PAGES;
                assert_int_equal(w->fetcher->ops->fetch(w->fetcher, &w->f[i]), 0);
        }
}

static inline void stop_pump(struct world *w) {
        pthread_mutex_lock(&w->lock);
        w->pump = false;
        pthread_mutex_unlock(&w->lock);
}
