/* queue: bytes from one thread to another, in records, in a room that never grows. Internal to the room.
 *
 * One producer that never waits: what has no room is refused, at once. One consumer, which sees each record
 * whole and in one piece. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hb_record_queue {
        uint8_t *bytes;
        size_t cap;          /* a multiple of 8 */
        uint64_t head, tail; /* bytes ever taken, ever put; each is written by one side alone */
        pthread_mutex_t lock;
        pthread_cond_t filled;
        bool waiting, ended;
};

struct hb_queued {     /* head of a record; its bytes follow */
        uint32_t size; /* of the bytes */
        uint16_t kind; /* the user's, not 0 */
        uint16_t stream;
        uint32_t epoch;
        uint32_t unused;
        uint64_t time_ns;
};

int hb_record_queue_init(struct hb_record_queue *q, size_t cap); /* -ENOMEM */
void hb_record_queue_fini(struct hb_record_queue *q);            /* both sides are done with it */
/* -ENOBUFS: no room now; -EMSGSIZE: it never would have any. */
int hb_record_queue_put(struct hb_record_queue *q, const struct hb_queued *head, const void *bytes);
void hb_record_queue_end(struct hb_record_queue *q); /* no more is put; wakes the consumer */
/* The oldest record and its bytes, good until hb_record_queue_took. NULL: none after `wait_ms` (0: does not
 * wait), or none ever again when *ret_ended. */
const struct hb_queued *hb_record_queue_head(struct hb_record_queue *q, unsigned wait_ms, bool *ret_ended);
void hb_record_queue_took(struct hb_record_queue *q);
size_t hb_record_queue_used(struct hb_record_queue *q);
