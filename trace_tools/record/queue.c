/* queue: a ring of bytes. Both sides hold the lock for a few instructions, never while they copy or write to
 * a disk: the room between head and tail is the consumer's, the rest the producer's. A record that would lie
 * over the end begins again at the front, with a gap (kind 0) before it. The consumer is woken when a quarter
 * is full; otherwise it looks by itself. */
#include "record/queue.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALIGN     8u
#define HEAD      sizeof(struct hb_queued)
#define WAKE_PART 4u

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

int hb_record_queue_put(struct hb_record_queue *q, const struct hb_queued *head, const void *bytes) {
        size_t need = padded(head->size), gap = 0;
        uint64_t used, tail = q->tail; /* only we move it */

        if (need > q->cap / 2)
                return -EMSGSIZE;
        if (q->cap - tail % q->cap < need)
                gap = q->cap - tail % q->cap;
        pthread_mutex_lock(&q->lock);
        used = tail - q->head;
        pthread_mutex_unlock(&q->lock);
        if (used + gap + need > q->cap)
                return -ENOBUFS;
        if (gap >= HEAD) /* less needs no head: the consumer knows that none fits */
                write_head(q, tail, &(struct hb_queued){0});
        write_head(q, tail + gap, head);
        if (head->size)
                memcpy(q->bytes + (tail + gap) % q->cap + HEAD, bytes, head->size);
        pthread_mutex_lock(&q->lock);
        q->tail = tail + gap + need;
        if (q->waiting && q->tail - q->head > q->cap / WAKE_PART)
                pthread_cond_signal(&q->filled);
        pthread_mutex_unlock(&q->lock);
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
        q->waiting = true;
        pthread_cond_timedwait(&q->filled, &q->lock, &until);
        q->waiting = false;
}

const struct hb_queued *hb_record_queue_head(struct hb_record_queue *q, unsigned wait_ms, bool *ret_ended) {
        const struct hb_queued *r = NULL;

        pthread_mutex_lock(&q->lock);
        if (q->head == q->tail && !q->ended && wait_ms)
                wait_a_while(q, wait_ms);
        *ret_ended = q->ended && q->head == q->tail;
        if (q->head != q->tail) {
                size_t left = q->cap - q->head % q->cap;

                r = (const struct hb_queued *)(const void *)(q->bytes + q->head % q->cap);
                if (left < HEAD || r->kind == 0) {
                        q->head += left;
                        r = (const struct hb_queued *)(const void *)q->bytes;
                }
        }
        pthread_mutex_unlock(&q->lock);
        return r;
}

void hb_record_queue_took(struct hb_record_queue *q) {
        const struct hb_queued *r = (const struct hb_queued *)(const void *)(q->bytes + q->head % q->cap);
        size_t size = padded(r->size);

        pthread_mutex_lock(&q->lock);
        q->head += size;
        pthread_mutex_unlock(&q->lock);
}

size_t hb_record_queue_used(struct hb_record_queue *q) {
        size_t n;

        pthread_mutex_lock(&q->lock);
        n = q->tail - q->head;
        pthread_mutex_unlock(&q->lock);
        return n;
}
