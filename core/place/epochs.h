/* epochs: when the source's epochs were, by our clock, as far as announcements told; the rest is
 * extrapolated. Internal to the room. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define HB_EPOCH_RING 1024u
#define HB_NEVER_S    1e9f

struct hb_epochs {
        uint64_t at_ns[HB_EPOCH_RING];
        uint32_t tag[HB_EPOCH_RING]; /* which epoch the time is of */
        uint32_t last;
        double epoch_s;
};

void hb_epochs_init(struct hb_epochs *c, double epoch_s);
/* (from, to] was announced at now_ns. */
void hb_epochs_note(struct hb_epochs *c, uint32_t from, uint32_t to, uint64_t now_ns);
/* When the epoch was announced. False: not known (it is long past, or was announced with others). */
bool hb_epochs_at(const struct hb_epochs *c, uint32_t epoch, uint64_t *ret_ns);
/* Seconds since an epoch; HB_NEVER_S for epoch 0. */
float hb_epochs_age_s(const struct hb_epochs *c, uint32_t epoch, uint64_t now_ns);
