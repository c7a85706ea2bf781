/* token_bucket: holds a rate in bytes/s by tickets. Who wants to send reserves its bytes, waits until its
 * ticket is due, sends, and corrects the reservation by what it really took. Pure: time is a parameter; not
 * thread-safe. */
#pragma once
#include <stdint.h>

struct hb_token_bucket {
        double rate;           /* bytes/s; 0: no limit */
        double allowed, spent; /* bytes since init: allowed grows with time, spent with reservations */
        uint64_t last_ns;
};

void hb_token_bucket_init(struct hb_token_bucket *b, uint64_t now_ns, uint64_t bytes_per_s);
void hb_token_bucket_set_rate(struct hb_token_bucket *b, uint64_t now_ns, uint64_t bytes_per_s);
/* The ticket: due when hb_token_bucket_wait says 0. Not waiting for it (urgent) is allowed; others then wait
 * longer. */
double hb_token_bucket_reserve(struct hb_token_bucket *b, uint64_t now_ns, uint64_t bytes);
uint64_t hb_token_bucket_wait(struct hb_token_bucket *b, uint64_t now_ns, double ticket); /* ns to wait */
void hb_token_bucket_correct(struct hb_token_bucket *b, int64_t bytes); /* really sent - reserved */
