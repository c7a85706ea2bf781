/* rdma_bed: both ends of an RDMA connection over a guest's memory, with fetches that know what became of
 * them. For the tests of what is the rdma backend's own; the contract it shares with others is in
 * test_rdma_contract. Header only. */
#pragma once
#include "base/fault.h"
#include "rdma_backend.h"

#define RDMA_PAGES 4096u

struct rdma_bed {
        struct subject s;
        struct rdma_rig r;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned done, twice;
        int state; /* -1: nothing told, 0, 1 */
        uint8_t *image;
};

static inline void rdma_on_done(void *arg, struct hb_fetch *f) {
        struct rdma_bed *b = arg;

        pthread_mutex_lock(&b->lock);
        b->twice += f->user != NULL;
        f->user = b; /* done */
        b->done++;
        pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->lock);
}

static inline void rdma_on_state(void *arg, bool connected) {
        struct rdma_bed *b = arg;

        pthread_mutex_lock(&b->lock);
        b->state = connected;
        pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->lock);
}

/* Until *what is at least n (done) or equal n (state); false: not in time. */
static inline bool rdma_await(struct rdma_bed *b, const unsigned *done, unsigned n, const int *state,
                              int to) {
        uint64_t end = hb_now_ns() + RIG_WAIT_NS;
        bool reached = false;

        pthread_mutex_lock(&b->lock);
        while (!(reached = (!done || *done >= n) && (!state || *state == to)) && hb_now_ns() < end) {
                struct timespec ts;

                clock_gettime(CLOCK_REALTIME, &ts);
                ts.tv_sec++;
                pthread_cond_timedwait(&b->changed, &b->lock, &ts);
        }
        pthread_mutex_unlock(&b->lock);
        return reached;
}

static inline void rdma_await_done(struct rdma_bed *b, unsigned n) {
        assert_true(rdma_await(b, &b->done, n, NULL, 0));
        assert_int_equal(b->done, n);
}

static inline void rdma_bed_init(struct rdma_bed *b) {
        memset(b, 0, sizeof(*b));
        b->state = -1;
        pthread_mutex_init(&b->lock, NULL);
        pthread_cond_init(&b->changed, NULL);
        rig_guest_init(&b->s.guest, RDMA_PAGES, 100);
        *b->s.guest.epoch = 5;
        b->image = mmap(NULL, (RDMA_PAGES + 100) * (size_t)HB_PAGE_SIZE, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        b->s.cb = (struct hb_fetcher_callbacks){.done = rdma_on_done, .state = rdma_on_state, .arg = b};
}

static inline void rdma_bed_open(struct rdma_bed *b, struct hb_rdma_options source,
                                 struct hb_rdma_options target) {
        rdma_bed_init(b);
        b->r.source = source;
        b->r.target = target;
        if (!source.window_pages)
                b->r.source.window_pages = 256;
        rdma_rig_open(&b->r, &b->s);
        assert_true(rdma_await(b, NULL, 0, &b->state, 1));
}

static inline void rdma_bed_fini(struct rdma_bed *b) {
        assert_int_equal(b->twice, 0);
        munmap(b->image, (RDMA_PAGES + 100) * (size_t)HB_PAGE_SIZE);
        rig_guest_fini(&b->s.guest);
        pthread_mutex_destroy(&b->lock);
        pthread_cond_destroy(&b->changed);
}

static inline void rdma_bed_close(struct rdma_bed *b) {
        rdma_rig_close(&b->r);
        rdma_bed_fini(b);
}

/* To where the page belongs in the image. Asks until it is taken; other refusals are returned. */
static inline int rdma_fetch(struct rdma_bed *b, struct hb_fetch *f, uint64_t gfn, uint32_t pages) {
        int rc;

        *f = (struct hb_fetch){.gfn = gfn, .pages = pages, .dst = b->image + gfn * HB_PAGE_SIZE, .status = 1};
        while ((rc = b->s.fetcher->ops->fetch(b->s.fetcher, f)) == -EAGAIN) {
                struct timespec ts;

                clock_gettime(CLOCK_REALTIME,
                              &ts); /* room comes with a done(); a fault may refuse without any */
                ts.tv_sec += ts.tv_nsec / 900000000;
                ts.tv_nsec = (ts.tv_nsec + 100000000) % 1000000000;
                pthread_mutex_lock(&b->lock);
                pthread_cond_timedwait(&b->changed, &b->lock, &ts);
                pthread_mutex_unlock(&b->lock);
        }
        return rc;
}

static inline int rdma_fetch_now(struct rdma_bed *b, uint64_t gfn, uint32_t pages) {
        struct hb_fetch f;

        assert_int_equal(rdma_fetch(b, &f, gfn, pages), 0);
        rdma_await_done(b, b->done + (f.user == NULL));
        return f.status;
}

static inline bool rdma_same(const struct rdma_bed *b, uint64_t gfn, uint32_t pages) {
        return memcmp(b->image + gfn * HB_PAGE_SIZE, rig_page(&b->s.guest, gfn),
                      (size_t)pages * HB_PAGE_SIZE) == 0;
}

static inline void rdma_need_device(void) {
        char ip[64];

        rdma_find_address(ip, sizeof(ip));
        if (ip[0] == '\0') {
                printf("skipped: no active RDMA device with an IPv4 address here\n");
                exit(77);
        }
}
