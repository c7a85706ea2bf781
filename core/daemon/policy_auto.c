/* policy_auto: what the registry notices and does by itself, once a second. What figures say is to be done is
 * policy_lead's; here they are gathered, and it is done.
 *
 * Quarantine is always noticed. Promotion and rollback only with [policy] auto_promote, the margin by which
 * one must be better than the other, on the same pages of the same guests, over auto_lessons lessons in a
 * row. What an automatic promotion replaces stays as the shadow, so that the two go on being compared and the
 * old one can come back; one that was rolled back is not promoted by itself again, nor come back to. With
 * [policy] canary a promotion first takes that share of the guests, where it divides them. Lanes are of whole
 * sets: with shadows of two kinds nobody could say which one is the better, so then nothing is done. */
#include "daemon/events.h"
#include "daemon/incoming.h"
#include "daemon/notify.h"
#include "daemon/policy_priv.h"
#include <string.h>

void hb_policy_auto_anew(hb_policy_registry *reg) {
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++)
                hb_lead_anew(&reg->kinds[i].lead);
}

/* Guests that a canary would begin with, and others: else it would be none, or nothing but a promotion. */
static bool divided(const hb_policy_registry *reg) {
        double share = reg->d->settings->canary;
        unsigned in_it = 0, all = 0;
        for (const struct hb_incoming *in = reg->d->incoming; in; in = in->next, all++)
                in_it += hb_policy_share_has(share, in->guest);
        return in_it > 0 && in_it < all;
}

static struct hb_lead_rules rules_of(const hb_policy_registry *reg, const struct hb_registry_kind *k) {
        const hb_settings *s = reg->d->settings;
        return (struct hb_lead_rules){.margin = s->auto_promote,
                                      .lessons = (uint64_t)s->auto_lessons,
                                      .canary = k->canary > 0,
                                      .trial = k->trial,
                                      .refused = k->shadow && strcmp(k->rejected, k->shadow->hash) == 0,
                                      .divided = divided(reg)};
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
        struct hb_lead_rules rules = rules_of(reg, k);
        struct hb_err e = {0};
        bool good_previous = k->previous && strcmp(k->previous->hash, k->rejected) != 0;
        if (!v || (v != k->active && v != k->shadow) ||
            !hb_lead_takes_back(&rules, v == k->shadow, good_previous))
                return;
        if (hb_policy_act(reg, k, &a, &e) < 0)
                hb_daemon_event_err(reg->d, HB_LOG_WARNING, HB_ON_POLICY, NULL, NULL, "taking a policy back",
                                    &e);
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

/* A decision reaches a placement at its next epoch: until then its lanes are those of others. */
static bool has(const struct hb_incoming *in, const struct hb_policy_version *v, enum hb_policy_place place,
                bool *ret_quarantined) {
        struct hb_policy_status s;
        *ret_quarantined = false;
        if (hb_policies_status_of(in->policies, v->kind, place, &s) < 0 || strcmp(s.hash, v->hash) != 0)
                return false;
        *ret_quarantined = s.quarantined;
        return true;
}

/* In a canary the new one decides on some guests and the old one shadows there: only these are heard. */
static void look_at_guest(struct hb_incoming *in, const struct hb_registry_kind *k) {
        struct hb_lead_guest *g = &in->placed[k->kind].lead;
        bool swapped = hb_policy_in_canary(k, in->guest), active_fails;
        struct hb_lane_score a, s;
        hb_policies_lane(in->policies, HB_LANE_ACTIVE, &a);
        hb_policies_lane(in->policies, HB_LANE_SHADOW, &s);
        bool there = has(in, swapped ? k->shadow : k->active, HB_POLICY_ACTIVE, &active_fails);
        there = has(in, swapped ? k->active : k->shadow, HB_POLICY_SHADOWING, &g->unsound) && there;
        g->judged = there && a.known && s.known && (k->canary <= 0 || swapped);
        g->lessons = s.lessons;
        g->active = swapped ? s.value : a.value;
        g->shadow = swapped ? a.value : s.value;
}

static struct hb_lead_guest *look_at_guests(hb_policy_registry *reg, const struct hb_registry_kind *k) {
        struct hb_lead_guest *first = NULL;
        for (struct hb_incoming *in = reg->d->incoming; in; in = in->next) {
                look_at_guest(in, k);
                in->placed[k->kind].lead.next = first;
                first = &in->placed[k->kind].lead;
        }
        return first;
}

/* ---- deciding ---- */

static void decide(hb_policy_registry *reg, struct hb_registry_kind *k) {
        static const enum hb_policy_verb verbs[] = {[HB_LEAD_CANARY] = HB_POLICY_DO_CANARY,
                                                    [HB_LEAD_PROMOTE] = HB_POLICY_DO_PROMOTE,
                                                    [HB_LEAD_ROLLBACK] = HB_POLICY_DO_ROLLBACK,
                                                    [HB_LEAD_DROP] = HB_POLICY_DO_DROP};
        char why[160];
        struct hb_policy_act a = {.who = "auto", .why = why, .keep_old = true};
        struct hb_lead_rules rules = rules_of(reg, k);
        struct hb_err e = {0};
        enum hb_lead_says says = hb_lead_look(&k->lead, &rules, look_at_guests(reg, k));
        if (says == HB_LEAD_NOTHING)
                return;
        snprintf(why, sizeof why, "value %.3f, active %.3f, over %llu lessons", k->lead.shadow,
                 k->lead.active,
                 (unsigned long long)(says == HB_LEAD_DROP ? k->lead.total : k->lead.lessons));
        a.verb = verbs[says];
        if (hb_policy_act(reg, k, &a, &e) < 0)
                hb_daemon_event_err(reg->d, HB_LOG_WARNING, HB_ON_POLICY, NULL, NULL,
                                    "deciding about policies", &e);
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
