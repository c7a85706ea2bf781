/* queue: a ring of bytes. The room between head and tail is the consumer's, the rest the producer's; each
 * moves its own end (release) and looks at the other's (acquire). The lock is for waiting and for the end
 * alone. A record that would lie over the end begins again at the front, with a gap (kind 0) before it. The
 * consumer is woken when a quarter is full; otherwise it looks by itself, so a wake-up that is missed costs
 * nothing. */
#include "record/queue.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALIGN     8u
#define HEAD      sizeof(struct hb_queued)
#define WAKE_PART 4u

static uint64_t load(const uint64_t *end) {
        return __atomic_load_n(end, __ATOMIC_ACQUIRE);
}

static void store(uint64_t *end, uint64_t v) {
        __atomic_store_n(end, v, __ATOMIC_RELEASE);
}

static size_t padded(size_t bytes) {
        return HEAD + ((bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1));
}

int hb_record_queue_init(struct hb_record_queue *q, size_t cap) {
        pthread_condattr_t attr;

        *q = (struct hb_record_queue){.cap = cap & ~(size_t)(ALIGN - 1)};
        q->bytes = hb_fault("record.queue") ? NULL : malloc(q->cap);
        if (!q->bytes)
                return -ENOMEM;
        pthread_mutex_init(&q->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&q->filled, &attr);
        pthread_condattr_destroy(&attr);
        return 0;
}

void hb_record_queue_fini(struct hb_record_queue *q) {
        if (!q->bytes)
                return;
        pthread_mutex_destroy(&q->lock);
        pthread_cond_destroy(&q->filled);
        free(q->bytes);
        q->bytes = NULL;
}

static void write_head(struct hb_record_queue *q, uint64_t at, const struct hb_queued *head) {
        memcpy(q->bytes + at % q->cap, head, HEAD);
}

static void wake(struct hb_record_queue *q) {
        pthread_mutex_lock(&q->lock);
        pthread_cond_signal(&q->filled);
        pthread_mutex_unlock(&q->lock);
}

int hb_record_queue_put(struct hb_record_queue *q, const struct hb_queued *head, const void *bytes) {
        size_t need = padded(head->size), gap = 0;
        uint64_t used, tail = q->tail; /* only we move it */

        if (need > q->cap / 2)
                return -EMSGSIZE;
        if (q->cap - tail % q->cap < need)
                gap = q->cap - tail % q->cap;
        used = tail - load(&q->head);
        if (used + gap + need > q->cap)
                return -ENOBUFS;
        if (gap >= HEAD) /* less needs no head: the consumer knows that none fits */
                write_head(q, tail, &(struct hb_queued){0});
        write_head(q, tail + gap, head);
        if (head->size)
                memcpy(q->bytes + (tail + gap) % q->cap + HEAD, bytes, head->size);
        store(&q->tail, tail + gap + need);
        if (used + gap + need > q->cap / WAKE_PART && __atomic_load_n(&q->waiting, __ATOMIC_RELAXED))
                wake(q);
        return 0;
}

void hb_record_queue_end(struct hb_record_queue *q) {
        pthread_mutex_lock(&q->lock);
        q->ended = true;
        pthread_cond_signal(&q->filled);
        pthread_mutex_unlock(&q->lock);
}

static void wait_a_while(struct hb_record_queue *q, unsigned ms) {
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += ms / 1000;
        until.tv_nsec += (long)(ms % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
                until.tv_nsec -= 1000000000;
                until.tv_sec++;
        }
        __atomic_store_n(&q->waiting, true, __ATOMIC_RELAXED);
        pthread_cond_timedwait(&q->filled, &q->lock, &until);
        __atomic_store_n(&q->waiting, false, __ATOMIC_RELAXED);
}

const struct hb_queued *hb_record_queue_head(struct hb_record_queue *q, unsigned wait_ms, bool *ret_ended) {
        uint64_t head = q->head; /* only we move it */
        size_t left = q->cap - head % q->cap;
        const struct hb_queued *r;

        *ret_ended = false;
        if (head == load(&q->tail)) {
                pthread_mutex_lock(&q->lock);
                if (!q->ended && wait_ms)
                        wait_a_while(q, wait_ms);
                *ret_ended = q->ended && head == load(&q->tail);
                pthread_mutex_unlock(&q->lock);
        }
        if (head == load(&q->tail))
                return NULL;
        r = (const struct hb_queued *)(const void *)(q->bytes + head % q->cap);
        if (left < HEAD || r->kind == 0) {
                store(&q->head, head + left);
                r = (const struct hb_queued *)(const void *)q->bytes;
        }
        return r;
}

void hb_record_queue_took(struct hb_record_queue *q) {
        const struct hb_queued *r = (const struct hb_queued *)(const void *)(q->bytes + q->head % q->cap);

        store(&q->head, q->head + padded(r->size));
}

size_t hb_record_queue_used(struct hb_record_queue *q) {
        uint64_t head = load(&q->head); /* first: it never passes the tail */

        return load(&q->tail) - head;
}
