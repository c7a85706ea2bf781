/* share: how much of an epoch's CPU time the policies of one set may take together.
 *
 * Each epoch adds its part of its length; what is left over stays, but never more than the part of one second
 * (or of one epoch, if that is longer). So of a long run of epochs policies get no more than their part, and
 * a short epoch does not turn a single call into an overrun. A call that begins within the share may end
 * beyond it, by its deadline at most, and the next epochs pay. Before the first epoch nothing is limited.
 *
 * Two accounts: those that decide pay for themselves alone; lessons and shadows also wait until what they
 * overran by is paid back. So no shadow, however slow, takes an answer from the active ones. */
#include "policy/host.h"
#include <math.h>

#define LEAST_FULL_S 1.0
#define LONGEST_S    60.0

void hb_share_epoch(struct hb_share *s, double epoch_s) {
        double length_s = isfinite(epoch_s) ? fmin(fmax(epoch_s, 0), LONGEST_S) : 0;
        double full_ns = s->part * fmax(length_s, LEAST_FULL_S) * 1e9, more_ns = s->part * length_s * 1e9;

        s->left_ns = s->limited ? fmin(s->left_ns + more_ns, full_ns) : full_ns;
        s->left_of_all_ns = s->limited ? fmin(s->left_of_all_ns + more_ns, full_ns) : full_ns;
        s->limited = true;
        s->active_before_ns = s->active_ns;
        s->active_ns = 0;
}

void hb_share_take(struct hb_share *s, uint64_t cpu_ns, bool deciding) {
        s->left_of_all_ns -= (double)cpu_ns;
        if (!deciding)
                return;
        s->left_ns -= (double)cpu_ns;
        s->active_ns += cpu_ns;
}

bool hb_share_left(const struct hb_share *s) {
        return !s->limited || s->left_ns > 0;
}

bool hb_share_spare(const struct hb_share *s, uint64_t wanted_ns) {
        uint64_t still = s->active_before_ns > s->active_ns ? s->active_before_ns - s->active_ns : 0;

        return !s->limited || fmin(s->left_ns, s->left_of_all_ns) - (double)still > (double)wanted_ns;
}
