/* told: what a set of policies tells of itself: who is where, params, logs, counters. Decides nothing. */
#include "policy/host.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- status ---- */

static void name_answering(const struct hb_slot *slot, const struct hb_seat *s,
                           struct hb_policy_status *ret) {
        const struct hb_seat *who = s;

        if (s == slot->now[HB_POLICY_ACTIVE])
                who = s->sits_out ? hb_slot_last_good(slot) : hb_slot_answering(slot);
        else if (!hb_seat_sound(s))
                who = NULL;
        snprintf(ret->answering, sizeof ret->answering, "%s",
                 who ? who->status.name : hb_builtin_name(s->kind));
        snprintf(ret->answering_hash, sizeof ret->answering_hash, "%s", who ? who->status.hash : "builtin");
}

int hb_policies_status_of(const hb_policies *p, enum hb_policy_kind k, enum hb_policy_place place,
                          struct hb_policy_status *ret) {
        const struct hb_slot *slot = &p->slots[k];
        const struct hb_seat *s = slot->now[place];

        if (!s)
                return -ENOENT;
        *ret = s->status;
        name_answering(slot, s, ret);
        if (s->plugin) {
                snprintf(ret->note, sizeof ret->note, "%s", hb_plugin_note(s->plugin));
                ret->memory_bytes = hb_plugin_memory(s->plugin);
        }
        return 0;
}

void hb_policies_status(const hb_policies *p, enum hb_policy_kind k, struct hb_policy_status *ret) {
        hb_policies_status_of(p, k, HB_POLICY_ACTIVE, ret);
}

unsigned hb_policies_params(const hb_policies *p, enum hb_policy_kind k, enum hb_policy_place place,
                            struct hb_policy_param *ret, unsigned room) {
        const struct hb_seat *s = p->slots[k].now[place];

        return s && s->plugin ? hb_plugin_params(s->plugin, ret, room) : 0;
}

/* ---- what they say ---- */

struct saying {
        hb_policy_said *said;
        hb_policy_counted *counted;
        void *arg;
        const struct hb_seat *seat;
};

static void said(void *arg, const char *line) {
        const struct saying *s = arg;

        s->said(s->arg, s->seat->kind, s->seat->status.name, line);
}

void hb_policies_take_log(hb_policies *p, hb_policy_said *to, void *arg) {
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++) {
                for (unsigned place = 0; place < HB_POLICY_PLACES; place++) {
                        struct saying s = {.said = to, .arg = arg, .seat = p->slots[k].now[place]};

                        if (s.seat && s.seat->plugin)
                                hb_plugin_take_log(s.seat->plugin, said, &s);
                }
        }
}

static void counted(void *arg, const char *name, double value) {
        const struct saying *s = arg;

        s->counted(s->arg, s->seat->kind, name, value);
}

void hb_policies_counters(const hb_policies *p, hb_policy_counted *to, void *arg) {
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++) {
                struct saying s = {.counted = to, .arg = arg, .seat = hb_slot_answering(&p->slots[k])};

                if (s.seat && s.seat->plugin)
                        hb_plugin_counters(s.seat->plugin, counted, &s);
        }
}
