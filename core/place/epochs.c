/* epochs: a ring tagged with epoch numbers. The length of an epoch is learned only from announcements of
 * single epochs that follow each other; a catch-up says nothing about it. Pure. */
#include "place/epochs.h"
#include "base/clock.h"

#define SMOOTH    0.2
#define LONGEST_S 60.0

void hb_epochs_init(struct hb_epochs *c, double epoch_s) {
        *c = (struct hb_epochs){.epoch_s = epoch_s};
}

static double seconds(uint64_t from_ns, uint64_t to_ns) {
        return to_ns > from_ns ? (double)(to_ns - from_ns) / (double)HB_NS_PER_S : 0.0;
}

void hb_epochs_note(struct hb_epochs *c, uint32_t from, uint32_t to, uint64_t now_ns) {
        if (to == from + 1 && c->last == from && from != 0) {
                double s = seconds(c->at_ns[from % HB_EPOCH_RING], now_ns);

                if (s > 0 && s < LONGEST_S)
                        c->epoch_s += SMOOTH * (s - c->epoch_s);
        }
        c->at_ns[to % HB_EPOCH_RING] = now_ns;
        c->tag[to % HB_EPOCH_RING] = to;
        c->last = to;
}

bool hb_epochs_at(const struct hb_epochs *c, uint32_t epoch, uint64_t *ret_ns) {
        uint32_t i = epoch % HB_EPOCH_RING;

        if (epoch == 0 || c->tag[i] != epoch)
                return false;
        *ret_ns = c->at_ns[i];
        return true;
}

float hb_epochs_age_s(const struct hb_epochs *c, uint32_t epoch, uint64_t now_ns) {
        uint32_t i = epoch % HB_EPOCH_RING;

        if (epoch == 0)
                return HB_NEVER_S;
        if (c->tag[i] == epoch)
                return (float)seconds(c->at_ns[i], now_ns);
        if (epoch > c->last) /* a summary ahead of the announcements */
                return 0.0f;
        return (float)(seconds(c->at_ns[c->last % HB_EPOCH_RING], now_ns) + (c->last - epoch) * c->epoch_s);
}
