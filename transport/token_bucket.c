/* token_bucket: two counters and a clock.
 *
 * Invariant: a ticket is never above `spent`, and allowed may always grow to spent + BURST_S * rate: so every
 * ticket comes due, whatever others reserve or correct meanwhile (a correction moves `allowed`, never
 * `spent`, or it would push outstanding tickets out of reach). After a pause at most 20 ms worth goes out
 * above the rate; over any longer time what was sent equals the rate within that burst. A sleeper that wakes
 * late loses nothing as long as it is less late than the burst. */
#include "transport/token_bucket.h"

#define BURST_S 0.020

static void refill(struct hb_token_bucket *b, uint64_t now_ns) {
        double top = b->spent + BURST_S * b->rate;

        if (now_ns > b->last_ns) {
                b->allowed += b->rate * (double)(now_ns - b->last_ns) / 1e9;
                b->last_ns = now_ns;
        }
        if (b->allowed > top)
                b->allowed = top;
}

void hb_token_bucket_init(struct hb_token_bucket *b, uint64_t now_ns, uint64_t bytes_per_s) {
        *b = (struct hb_token_bucket){.rate = (double)bytes_per_s, .last_ns = now_ns};
}

void hb_token_bucket_set_rate(struct hb_token_bucket *b, uint64_t now_ns, uint64_t bytes_per_s) {
        refill(b, now_ns);
        if (b->rate == 0)
                b->allowed = b->spent; /* what went out without a limit is not held against the new one */
        b->rate = (double)bytes_per_s;
}

double hb_token_bucket_reserve(struct hb_token_bucket *b, uint64_t now_ns, uint64_t bytes) {
        refill(b, now_ns);
        b->spent += (double)bytes;
        return b->spent;
}

uint64_t hb_token_bucket_wait(struct hb_token_bucket *b, uint64_t now_ns, double ticket) {
        refill(b, now_ns);
        if (b->rate == 0 || b->allowed >= ticket)
                return 0;
        return 1 + (uint64_t)((ticket - b->allowed) / b->rate * 1e9);
}

void hb_token_bucket_correct(struct hb_token_bucket *b, int64_t bytes) {
        b->allowed -= (double)bytes;
}
