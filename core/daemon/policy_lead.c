/* policy_lead: see the header. A row of lessons is one `run`, all between two changes of places one `round`;
 * guests remember both by number, so that beginning anew costs nothing and no guest need be told. Cost: two
 * walks over the guests, a look. Any thread. */
#include "daemon/policy_lead.h"
#include <math.h>

void hb_lead_anew(struct hb_lead *l) {
        *l = (struct hb_lead){.round = l->round + 1, .run = l->run + 1, .active = NAN, .shadow = NAN};
}

/* A lane that counts fewer lessons than before has begun anew itself. */
static void take_lessons(const struct hb_lead *l, struct hb_lead_guest *g) {
        g->fresh = g->lessons >= g->seen ? g->lessons - g->seen : g->lessons;
        g->seen = g->lessons;
        if (g->round != l->round) {
                g->round = l->round;
                g->fresh = 0;
                g->in_round = 0;
        }
        if (!g->judged || !isfinite(g->active) || !isfinite(g->shadow)) {
                g->judged = false;
                g->fresh = 0;
        }
}

static void count_lessons(struct hb_lead *l, struct hb_lead_guest *g) {
        if (g->run != l->run) {
                g->run = l->run;
                g->in_run = 0;
        }
        g->in_run += g->fresh;
        g->in_round += g->fresh;
        l->lessons = g->in_run > l->lessons ? g->in_run : l->lessons;
        l->total = g->in_round > l->total ? g->in_round : l->total;
}

static int side_of(double lead, double margin) {
        return lead >= margin ? 1 : lead <= -margin ? -1 : 0;
}

static void be_on_side(struct hb_lead *l, int side) {
        if (side == l->side)
                return;
        l->side = side;
        l->lessons = 0;
        l->run++;
}

static enum hb_lead_says conclude(const struct hb_lead *l, const struct hb_lead_rules *r) {
        bool long_enough = l->lessons >= r->lessons;

        if (r->trial && !r->canary && l->side <= 0)
                return l->total >= r->lessons * HB_LEAD_TRIAL ? HB_LEAD_DROP : HB_LEAD_NOTHING;
        if (!long_enough || l->side == 0)
                return HB_LEAD_NOTHING;
        if (r->canary)
                return l->side > 0 ? HB_LEAD_PROMOTE : HB_LEAD_ROLLBACK;
        if (r->trial)
                return HB_LEAD_ROLLBACK;
        if (l->side < 0 || r->refused)
                return HB_LEAD_NOTHING;
        return r->divided ? HB_LEAD_CANARY : HB_LEAD_PROMOTE;
}

enum hb_lead_says hb_lead_look(struct hb_lead *l, const struct hb_lead_rules *r,
                               struct hb_lead_guest *guests) {
        double active = 0, shadow = 0;
        bool fresh = false, unsound = false;
        unsigned n = 0;

        for (struct hb_lead_guest *g = guests; g; g = g->next) {
                take_lessons(l, g);
                unsound = unsound || g->unsound;
                fresh = fresh || g->fresh;
                if (!g->judged)
                        continue;
                active += g->active;
                shadow += g->shadow;
                n++;
        }
        if (unsound) /* one that fails on any guest is promoted on none, and is no good one to come back */
                be_on_side(l, 0);
        if (unsound || !fresh || r->margin <= 0)
                return HB_LEAD_NOTHING;
        l->active = active / n;
        l->shadow = shadow / n;
        be_on_side(l, side_of(l->shadow - l->active, r->margin));
        for (struct hb_lead_guest *g = guests; g; g = g->next)
                count_lessons(l, g);
        return conclude(l, r);
}

bool hb_lead_takes_back(const struct hb_lead_rules *r, bool shadow, bool good_previous) {
        if (r->margin <= 0)
                return false;
        return r->canary ? shadow : !shadow && good_previous;
}
