/* loop: a fetcher without a network, for tests of everything above it.
 *
 * Invariant: the same contract as tcp (tests/contract/transport): every accepted fetch is done exactly once,
 * urgent ones first, stamps loaded before the first byte is read. A fetch reads the guest when it takes off
 * and lands after delay and jitter, so what is delivered may be stale, as on a real link. With equal seed,
 * options and order of calls the dice fall equally; only the clock is real. One thread, one lock, callbacks
 * without it. */
#include "transport/loop.h"
#include "base/clock.h"
#include "base/fault.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW        16u
#define QUEUE_DEFAULT 1024u

struct flight {
        struct hb_fetch *f;
        uint64_t due_ns;
        int status;
};

struct list {
        struct hb_fetch *first, **end;
        unsigned n;
};

struct hb_loop {
        hb_fetcher head;
        struct hb_loop_options o;
        const struct hb_page_source *src;
        struct hb_fetcher_callbacks cb;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct list urgent, bulk;
        struct flight flights[2 * WINDOW]; /* the second half is room for urgent ones */
        unsigned nflights;
        uint64_t dice, last_due_ns, reconnect_at_ns;
        bool connected, told, cut, closed;
};

static uint64_t roll(struct hb_loop *l) { /* splitmix64 */
        uint64_t z = l->dice += 0x9E3779B97F4A7C15ull;

        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ z >> 27) * 0x94D049BB133111EBull;
        return z ^ z >> 31;
}

static double chance(struct hb_loop *l) {
        return (double)(roll(l) >> 11) / 9007199254740992.0;
}

static void append(struct list *q, struct hb_fetch *f) {
        if (!q->first)
                q->end = &q->first;
        f->next = NULL;
        *q->end = f;
        q->end = &f->next;
        q->n++;
}

static struct hb_fetch *shift(struct list *q) {
        struct hb_fetch *f = q->first;

        if (!f)
                return NULL;
        q->first = f->next;
        q->n--;
        f->next = NULL;
        return f;
}

/* ---- one fetch ---- */

static const uint8_t *memory_of(const struct hb_loop *l, const struct hb_fetch *f) {
        const struct hb_shape *shape = l->src->shape;
        int i = hb_shape_region_of(shape, f->gfn);
        const struct hb_region *r = i < 0 ? NULL : &shape->regions[i];

        if (!r || f->pages > r->pages - (f->gfn - r->first_gfn))
                return NULL;
        return l->src->region_map[i] + ((f->gfn - r->first_gfn) << HB_PAGE_SHIFT);
}

static bool all_zero(const uint8_t *page) {
        return page[0] == 0 && memcmp(page, page + 1, HB_PAGE_SIZE - 1) == 0;
}

static void copy_pages(const struct hb_loop *l, struct hb_fetch *f, const uint8_t *from) {
        uint8_t page[HB_PAGE_SIZE];

        f->stamp = __atomic_load_n(l->src->completed_epoch, __ATOMIC_ACQUIRE);
        f->zero_mask = 0;
        f->wire_bytes = 0;
        for (uint32_t i = 0; i < f->pages; i++) {
                memcpy(page, from + (size_t)i * HB_PAGE_SIZE, HB_PAGE_SIZE);
                if (all_zero(page)) {
                        f->zero_mask |= 1ull << i;
                } else {
                        memcpy(f->dst + (size_t)i * HB_PAGE_SIZE, page, HB_PAGE_SIZE);
                        f->wire_bytes += HB_PAGE_SIZE;
                }
        }
}

static uint64_t landing(struct hb_loop *l, bool urgent, uint64_t now) {
        uint64_t trip = l->o.delay_ns + (uint64_t)(chance(l) * (double)l->o.jitter_ns);
        uint64_t due = now + trip;

        if (chance(l) < l->o.reorder)
                return due + trip + HB_NS_PER_MS; /* those behind it overtake */
        if (urgent)
                return due;
        if (due < l->last_due_ns)
                due = l->last_due_ns;
        return l->last_due_ns = due;
}

/* With the lock held. */
static void take_off(struct hb_loop *l, struct hb_fetch *f, uint64_t now) {
        const uint8_t *from = memory_of(l, f);
        struct flight *at = &l->flights[l->nflights++];

        *at = (struct flight){.f = f, .due_ns = landing(l, f->urgent, now)};
        if (chance(l) < l->o.lose_connection || !from)
                l->cut = true; /* a request outside the guest ends the connection, as with tcp */
        if (from)
                copy_pages(l, f, from);
        if (chance(l) < l->o.corrupt) {
                memset(f->dst, 0xA5, (size_t)f->pages * HB_PAGE_SIZE);
                at->status = -EBADMSG;
        }
}

static void fill_sky(struct hb_loop *l, uint64_t now) {
        struct hb_fetch *f;

        while (l->nflights < 2 * WINDOW && (f = shift(&l->urgent)))
                take_off(l, f, now);
        while (l->nflights < WINDOW && (f = shift(&l->bulk)))
                take_off(l, f, now);
}

/* Takes the next flight that has landed. */
static bool landed(struct hb_loop *l, uint64_t now, struct flight *ret, uint64_t *ret_next_due) {
        unsigned first = 0;

        if (l->nflights == 0)
                return false;
        for (unsigned i = 1; i < l->nflights; i++)
                if (l->flights[i].due_ns < l->flights[first].due_ns)
                        first = i;
        *ret_next_due = l->flights[first].due_ns;
        if (l->flights[first].due_ns > now)
                return false;
        *ret = l->flights[first];
        memmove(&l->flights[first], &l->flights[first + 1],
                (l->nflights - first - 1) * sizeof(l->flights[0]));
        l->nflights--;
        return true;
}

/* ---- the thread ---- */

static void finish(struct hb_loop *l, struct hb_fetch *f, int status) {
        f->status = status;
        pthread_mutex_unlock(&l->lock);
        l->cb.done(l->cb.arg, f);
        pthread_mutex_lock(&l->lock);
}

static void tell(struct hb_loop *l) {
        bool now = l->connected;

        if (now == l->told)
                return;
        l->told = now;
        pthread_mutex_unlock(&l->lock);
        if (l->cb.state)
                l->cb.state(l->cb.arg, now);
        pthread_mutex_lock(&l->lock);
}

static void lose_all(struct hb_loop *l, uint64_t now) {
        struct hb_fetch *f;

        l->cut = l->connected = false;
        l->reconnect_at_ns = now + l->o.reconnect_ns;
        while (l->nflights > 0)
                finish(l, l->flights[--l->nflights].f, -ECONNRESET);
        while ((f = shift(&l->urgent)) || (f = shift(&l->bulk)))
                finish(l, f, -ECONNRESET);
        l->last_due_ns = 0;
        tell(l);
}

static void wait_until(struct hb_loop *l, uint64_t ns) {
        struct timespec ts = {.tv_sec = (time_t)(ns / HB_NS_PER_S), .tv_nsec = (long)(ns % HB_NS_PER_S)};

        if (ns == UINT64_MAX)
                pthread_cond_wait(&l->changed, &l->lock);
        else
                pthread_cond_timedwait(&l->changed, &l->lock, &ts);
}

static void step(struct hb_loop *l) {
        uint64_t now = hb_now_ns(), due = UINT64_MAX;
        struct flight done;

        if (!l->connected) {
                l->connected = now >= l->reconnect_at_ns;
                l->cut = false;
                if (!l->connected)
                        wait_until(l, l->reconnect_at_ns);
                else
                        tell(l);
                return;
        }
        fill_sky(l, now);
        if (l->cut)
                lose_all(l, now);
        else if (landed(l, now, &done, &due))
                finish(l, done.f, done.status);
        else
                wait_until(l, due);
}

static void *thread_main(void *arg) {
        struct hb_loop *l = arg;

        pthread_mutex_lock(&l->lock);
        tell(l);
        while (!l->closed)
                step(l);
        lose_all(l, hb_now_ns());
        pthread_mutex_unlock(&l->lock);
        return NULL;
}

/* ---- ops ---- */

static int fetch(hb_fetcher *h, struct hb_fetch *f) {
        struct hb_loop *l = (struct hb_loop *)h;
        struct list *q = f->urgent ? &l->urgent : &l->bulk;
        int rc = 0;

        if (f->pages == 0 || f->pages > HB_FETCH_MAX_PAGES)
                return -EINVAL;
        if (hb_fault("loop.fetch"))
                return -EAGAIN;
        pthread_mutex_lock(&l->lock);
        if (!l->connected || l->closed)
                rc = -ENOTCONN;
        else if (q->n >= l->o.queue_max)
                rc = -EAGAIN;
        else
                append(q, f);
        pthread_cond_signal(&l->changed);
        pthread_mutex_unlock(&l->lock);
        return rc;
}

static void close_loop(hb_fetcher *h) {
        struct hb_loop *l = (struct hb_loop *)h;

        pthread_mutex_lock(&l->lock);
        l->closed = true;
        pthread_cond_signal(&l->changed);
        pthread_mutex_unlock(&l->lock);
}

static hb_fetcher *fini(hb_fetcher *h) {
        struct hb_loop *l = (struct hb_loop *)h;

        if (!l)
                return NULL;
        close_loop(h);
        pthread_join(l->thread, NULL);
        pthread_mutex_destroy(&l->lock);
        pthread_cond_destroy(&l->changed);
        free(l);
        return NULL;
}

void hb_loop_cut(hb_fetcher *h) {
        struct hb_loop *l = (struct hb_loop *)h;

        pthread_mutex_lock(&l->lock);
        l->cut = true;
        pthread_cond_signal(&l->changed);
        pthread_mutex_unlock(&l->lock);
}

static const struct hb_fetcher_ops ops = {.name = "loop", .fetch = fetch, .close = close_loop, .fini = fini};

int hb_loop_fetcher_new(const struct hb_loop_options *o, const struct hb_page_source *src,
                        const struct hb_fetcher_callbacks *cb, hb_fetcher **ret) {
        struct hb_loop *l = hb_fault("loop.new") ? NULL : calloc(1, sizeof(*l));
        pthread_condattr_t attr;

        if (!l)
                return -ENOMEM;
        *l = (struct hb_loop){
                .head = {.ops = &ops}, .o = *o, .src = src, .cb = *cb, .dice = o->seed, .connected = true};
        if (l->o.queue_max == 0)
                l->o.queue_max = QUEUE_DEFAULT;
        pthread_mutex_init(&l->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&l->changed, &attr);
        pthread_condattr_destroy(&attr);
        if (pthread_create(&l->thread, NULL, thread_main, l) != 0) {
                pthread_mutex_destroy(&l->lock);
                pthread_cond_destroy(&l->changed);
                free(l);
                return -EAGAIN;
        }
        *ret = &l->head;
        return 0;
}
