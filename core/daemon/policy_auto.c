/* policy_auto: what the registry notices and does by itself, once a second.
 *
 * Quarantine is always noticed. Promotion and rollback by figures only with [policy] auto_promote, the margin
 * by which one must be better than the other, on the same pages of the same guests, over auto_lessons lessons
 * in a row: a lead that shrinks below the margin in between begins anew. What an automatic promotion replaces
 * stays as the shadow, so that the two go on being compared and the old one can come back; one that was
 * rolled back is not promoted by itself again. With [policy] canary a promotion first takes that share of the
 * guests. Lanes are of whole sets: with shadows of two kinds nobody could say which one is the better, so
 * then nothing is done. */
#include "base/log.h"
#include "daemon/incoming.h"
#include "daemon/notify.h"
#include "daemon/policy_priv.h"
#include <math.h>
#include <string.h>

#define TRIAL_LESSONS 4u /* times auto_lessons: then the one that was replaced may rest */

void hb_policy_auto_anew(struct hb_registry_kind *k) {
        k->streak = (struct hb_policy_streak){.active = NAN, .shadow = NAN};
}

/* ---- quarantine ---- */

static const struct hb_policy_version *by_hash(const struct hb_registry_kind *k, const char *hash) {
        const struct hb_policy_version *places[] = {k->active, k->shadow, k->previous};
        for (unsigned i = 0; i < 3; i++)
                if (places[i] && strcmp(places[i]->hash, hash) == 0)
                        return places[i];
        return NULL;
}

/* Back to what was before; without automatic decisions each placement's own stand-in goes on answering. */
static void take_back(hb_policy_registry *reg, struct hb_registry_kind *k, const struct hb_policy_version *v,
                      const char *why) {
        struct hb_policy_act a = {.verb = HB_POLICY_DO_ROLLBACK, .who = "auto", .why = why};
        bool canary = k->canary > 0 && v == k->shadow;
        struct hb_err e = {0};
        if (reg->d->settings->auto_promote <= 0 || !v || !(canary || (v == k->active && k->previous)))
                return;
        if (hb_policy_act(reg, k, &a, &e) < 0)
                hb_log_err(HB_LOG_WARNING, "taking a policy back", &e);
}

static void look_at_place(hb_policy_registry *reg, struct hb_incoming *in, struct hb_registry_kind *k,
                          enum hb_policy_place place) {
        struct hb_policy_placed *p = &in->placed[k->kind];
        char *noticed = p->noticed[place == HB_POLICY_SHADOWING];
        struct hb_policy_status s;
        char why[256], state[160], result[128] = "nobody answers in its place";
        if (hb_policies_status_of(in->policies, k->kind, place, &s) < 0 || !s.quarantined) {
                noticed[0] = '\0';
                return;
        }
        if (strcmp(noticed, s.hash) == 0)
                return;
        memcpy(noticed, s.hash, sizeof s.hash);
        snprintf(why, sizeof why, "%.200s", s.last_error);
        const struct hb_policy_version *v = by_hash(k, s.hash);
        if (place == HB_POLICY_SHADOWING)
                snprintf(result, sizeof result, "it goes on as the shadow, unasked");
        else if (s.answering[0])
                snprintf(result, sizeof result, "%s answers in its place", s.answering);
        hb_policy_event(reg, k->kind, "quarantine", "harbingerd", v, why, in->guest, result);
        snprintf(state, sizeof state, "STATUS=%s %.60s is in quarantine on %.60s",
                 hb_policy_kind_name(k->kind), s.name, in->guest);
        hb_notify(state);
        take_back(reg, k, v, why);
}

static void notice_quarantine(hb_policy_registry *reg) {
        for (struct hb_incoming *in = reg->d->incoming; in; in = in->next)
                for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                        look_at_place(reg, in, &reg->kinds[i], HB_POLICY_ACTIVE);
                        look_at_place(reg, in, &reg->kinds[i], HB_POLICY_SHADOWING);
                }
}

/* ---- figures ---- */

struct figures {
        double active, shadow; /* sums, then means, of the registry's active one and its shadow */
        unsigned guests;
        uint64_t lessons; /* new ones, of the guest that had the most */
};

static bool shadow_is_sound(const struct hb_incoming *in, enum hb_policy_kind k) {
        struct hb_policy_status s;
        return hb_policies_status_of(in->policies, k, HB_POLICY_SHADOWING, &s) == 0 && !s.quarantined;
}

static void add_guest(struct hb_incoming *in, const struct hb_registry_kind *k, struct figures *f) {
        struct hb_policy_placed *p = &in->placed[k->kind];
        struct hb_lane_score a, s;
        bool swapped = hb_policy_in_canary(k, in->guest); /* there the new one decides, the old one shadows */
        hb_policies_lane(in->policies, HB_LANE_ACTIVE, &a);
        hb_policies_lane(in->policies, HB_LANE_SHADOW, &s);
        uint64_t fresh = s.lessons >= p->lessons ? s.lessons - p->lessons : s.lessons;
        p->lessons = s.lessons;
        if (!a.lessons || !s.lessons || !isfinite(a.value) || !isfinite(s.value) ||
            !shadow_is_sound(in, k->kind) || (k->canary > 0 && !swapped))
                return;
        f->active += swapped ? s.value : a.value;
        f->shadow += swapped ? a.value : s.value;
        f->guests++;
        f->lessons = fresh > f->lessons ? fresh : f->lessons;
}

static int side_of(double lead, double margin) {
        return lead >= margin ? 1 : lead <= -margin ? -1 : 0;
}

static void watch_lead(hb_policy_registry *reg, struct hb_registry_kind *k) {
        struct figures f = {0};
        for (struct hb_incoming *in = reg->d->incoming; in; in = in->next)
                add_guest(in, k, &f);
        if (!f.guests || !f.lessons)
                return;
        k->streak.active = f.active / f.guests;
        k->streak.shadow = f.shadow / f.guests;
        int side = side_of(k->streak.shadow - k->streak.active, reg->d->settings->auto_promote);
        if (side != k->streak.side)
                k->streak.lessons = 0;
        k->streak.side = side;
        k->streak.lessons += f.lessons;
}

/* ---- deciding ---- */

static bool more_than_one(const hb_policy_registry *reg) {
        return reg->d->incoming && reg->d->incoming->next;
}

/* What the figures say is to be done; false: nothing. */
static bool conclude(const hb_policy_registry *reg, const struct hb_registry_kind *k,
                     struct hb_policy_act *a) {
        const struct hb_policy_streak *s = &k->streak;
        uint64_t enough = (uint64_t)reg->d->settings->auto_lessons;
        bool once_refused = strcmp(k->rejected, k->shadow->hash) == 0;
        if (s->lessons < enough)
                return false;
        if (k->trial && s->side <= 0) {
                a->verb = HB_POLICY_DO_DROP;
                return s->lessons >= enough * TRIAL_LESSONS;
        }
        if (k->canary > 0 ? s->side < 0 : k->trial) {
                a->verb = HB_POLICY_DO_ROLLBACK;
                return true;
        }
        if (k->canary <= 0 && (s->side <= 0 || once_refused))
                return false;
        bool first_few = k->canary <= 0 && reg->d->settings->canary > 0 && more_than_one(reg);
        a->verb = first_few ? HB_POLICY_DO_CANARY : HB_POLICY_DO_PROMOTE;
        a->keep_old = true;
        return true;
}

static void decide(hb_policy_registry *reg, struct hb_registry_kind *k) {
        char why[160];
        struct hb_policy_act a = {.who = "auto", .why = why};
        struct hb_err e = {0};
        watch_lead(reg, k);
        snprintf(why, sizeof why, "value %.3f, active %.3f, over %llu lessons", k->streak.shadow,
                 k->streak.active, (unsigned long long)k->streak.lessons);
        if (conclude(reg, k, &a) && hb_policy_act(reg, k, &a, &e) < 0)
                hb_log_err(HB_LOG_WARNING, "deciding about policies", &e);
}

void hb_policy_auto_tick(hb_policy_registry *reg) {
        struct hb_registry_kind *only = NULL;
        unsigned shadows = 0;
        notice_quarantine(reg);
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++)
                if (reg->kinds[i].shadow) {
                        only = &reg->kinds[i];
                        shadows++;
                }
        if (shadows == 1 && only->active && reg->d->settings->auto_promote > 0)
                decide(reg, only);
}
