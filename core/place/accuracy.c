/* accuracy: a ring of windows; copies and accesses are booked to the window of their epoch. A window is
 * judged when the one after it has passed, since copies made at its very end have had a whole horizon by
 * then. */
#include "place/accuracy.h"
#include <string.h>

#define SMOOTH     0.3 /* weight of a window that closes */
#define WASTE_KEEP 0.9 /* of the transfer counts, per epoch */
#define FEW        16u /* events below which a window says nothing */

void hb_accuracy_init(struct hb_accuracy *a) {
        *a = (struct hb_accuracy){.epochs = 10, .out = {.precision = -1, .recall = -1, .wasted_share = -1}};
}

static uint32_t number_of(const struct hb_accuracy *a, uint32_t epoch) {
        return epoch / a->epochs;
}

static void smooth(double *to, uint64_t part, uint64_t whole) {
        double now = (double)part / (double)whole;

        *to = *to < 0 ? now : *to + SMOOTH * (now - *to);
}

static void judge(struct hb_accuracy *a, uint32_t number) {
        unsigned i = number % HB_ACCURACY_WINDOWS;

        if (a->window[i].number != number)
                return;
        if (a->window[i].made >= FEW)
                smooth(&a->out.precision, a->window[i].used, a->window[i].made);
        if (a->window[i].accessed >= FEW)
                smooth(&a->out.recall, a->window[i].held, a->window[i].accessed);
}

static void set_length(struct hb_accuracy *a, uint32_t epoch, double horizon_epochs) {
        uint32_t want = horizon_epochs < 1     ? 1
                        : horizon_epochs > 1e6 ? 1000000u
                                               : (uint32_t)(horizon_epochs + 0.5);

        /* A small wobble of the epochs' length must not throw open windows away. */
        if (a->running && want <= a->epochs + a->epochs / 2 && want >= a->epochs - a->epochs / 2)
                return;
        a->running = true;
        a->epochs = want;
        memset(a->window, 0, sizeof(a->window));
        a->recent_epoch = 0;
        a->current = number_of(a, epoch);
}

void hb_accuracy_epoch(struct hb_accuracy *a, uint32_t epoch, double horizon_epochs) {
        uint32_t number;

        set_length(a, epoch, horizon_epochs);
        number = number_of(a, epoch);
        if (number > a->current && a->current > 0)
                judge(a, a->current - 1);
        if (number > a->current + 1)
                judge(a, a->current);
        if (number > a->current)
                a->current = number;
        a->transfers *= WASTE_KEEP;
        a->wasted *= WASTE_KEEP;
        if (a->transfers >= FEW)
                a->out.wasted_share = a->wasted < a->transfers ? a->wasted / a->transfers : 1.0;
}

/* The window of an epoch, opened if it is a newer one than what its place holds; -1: long judged. */
static int window_of(struct hb_accuracy *a, uint32_t epoch) {
        uint32_t number = number_of(a, epoch);
        unsigned i = number % HB_ACCURACY_WINDOWS;

        if (a->window[i].number > number)
                return -1;
        if (a->window[i].number < number) {
                memset(&a->window[i], 0, sizeof(a->window[i]));
                a->recent_epoch = 0;
                a->window[i].number = number;
        }
        return (int)i;
}

void hb_accuracy_copied(struct hb_accuracy *a, uint32_t stamp) {
        int i = window_of(a, stamp);

        a->transfers += 1;
        if (i >= 0)
                a->window[i].made++;
}

struct hb_accuracy_at hb_accuracy_at(struct hb_accuracy *a, uint32_t epoch) {
        uint32_t first;
        int window;

        if (epoch && epoch == a->recent_epoch)
                return a->recent;
        window = window_of(a, epoch);
        first = number_of(a, epoch) * a->epochs;
        a->recent = (struct hb_accuracy_at){window, first, (uint64_t)first + a->epochs};
        a->recent_epoch = epoch;
        return a->recent;
}

void hb_accuracy_accessed(struct hb_accuracy *a, uint32_t epoch, uint32_t before, bool held_fresh) {
        struct hb_accuracy_at at = hb_accuracy_at(a, epoch);

        hb_accuracy_accessed_at(a, &at, before, held_fresh);
}

bool hb_accuracy_used(struct hb_accuracy *a, uint32_t epoch, uint32_t stamp) {
        int i = window_of(a, stamp);

        if (epoch <= stamp || epoch - stamp > a->epochs)
                return false;
        if (i >= 0)
                a->window[i].used++;
        return true;
}

void hb_accuracy_wasted(struct hb_accuracy *a) {
        a->wasted += 1;
        a->out.wasted += 1;
}
