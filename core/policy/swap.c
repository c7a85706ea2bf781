/* swap: policies change places.
 *
 * Every slot holds the places as they are (`now`) and as they will be (`next`); a change edits `next`, and
 * hb_swap_epoch copies it over: one pointer a place, nothing loaded, nothing compiled. So no call ever meets
 * a policy that is half there. The shadow decides nothing and is exchanged at once, unless a promotion is
 * still to come. A seat is freed when neither of the two names it.
 *
 * What becomes of the others:
 *   promote   shadow -> active -> previous; the one that was previous goes. But an active one in quarantine
 *             is no good one to fall back on: then it goes, and the previous one, if sound, stays.
 *   rollback  active and previous change places, so rolling back twice is back where one was. The one that
 *             was rolled back keeps its state but answers for nobody (`rejected`) until it is active again.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "policy/host.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- places ---- */

static void drop_unnamed(struct hb_slot *s, struct hb_seat *seat) {
        for (unsigned place = 0; place < HB_POLICY_PLACES; place++)
                if (s->now[place] == seat || s->next[place] == seat)
                        return;
        hb_seat_free(seat);
}

void hb_slot_clear(struct hb_slot *s) {
        struct hb_seat *all[2 * HB_POLICY_PLACES];

        memcpy(all, s->now, sizeof s->now);
        memcpy(all + HB_POLICY_PLACES, s->next, sizeof s->next);
        memset(s->now, 0, sizeof s->now);
        memset(s->next, 0, sizeof s->next);
        for (unsigned i = 0; i < 2 * HB_POLICY_PLACES; i++) {
                for (unsigned j = 0; j < i; j++)
                        if (all[j] == all[i])
                                all[i] = NULL;
                hb_seat_free(all[i]);
        }
}

static void set_shadow(hb_policies *p, enum hb_policy_kind k, struct hb_seat *seat) {
        struct hb_slot *s = &p->slots[k];
        struct hb_seat *before = s->next[HB_POLICY_SHADOWING];

        if (s->now[HB_POLICY_SHADOWING] == before)
                s->now[HB_POLICY_SHADOWING] = seat;
        s->next[HB_POLICY_SHADOWING] = seat;
        drop_unnamed(s, before);
        hb_policies_look_again(p);
}

static void promote(struct hb_slot *s) {
        struct hb_seat **next = s->next, *active = next[HB_POLICY_ACTIVE],
                       *previous = next[HB_POLICY_PREVIOUS];
        bool keep = !hb_seat_sound(active) && hb_seat_sound(previous) && !previous->rejected;
        struct hb_seat *goes = keep ? active : previous;

        next[HB_POLICY_PREVIOUS] = keep ? previous : active;
        next[HB_POLICY_ACTIVE] = next[HB_POLICY_SHADOWING];
        next[HB_POLICY_SHADOWING] = NULL;
        drop_unnamed(s, goes);
}

static void roll_back(struct hb_slot *s) {
        struct hb_seat *active = s->next[HB_POLICY_ACTIVE];

        s->next[HB_POLICY_ACTIVE] = s->next[HB_POLICY_PREVIOUS];
        s->next[HB_POLICY_PREVIOUS] = active;
        active->rejected = true;
        s->next[HB_POLICY_ACTIVE]->rejected = false;
}

/* ---- changes ---- */

/* A text that cannot be handed on is the new one's loss alone: it starts afresh, and says so. */
static void hand_over(struct hb_seat *from, struct hb_seat *to) {
        char message[HB_PLUGIN_MESSAGE] = "";
        struct hb_buf saved = {0};
        int rc;

        if (!from || !from->wants.save || !to->wants.restore || !hb_seat_sound(from))
                return;
        rc = hb_aside_save(from->plugin, &saved, message);
        if (rc == 0 && saved.len)
                rc = hb_plugin_restore(to->plugin, saved.data, saved.len, message);
        if (rc < 0) {
                to->status.errors++;
                snprintf(to->status.last_error, sizeof to->status.last_error, "begins afresh: %s", message);
        }
        hb_buf_free(&saved);
}

static int unpack(const struct hb_policy_change *c, char name[64], struct hb_policy_source *ret,
                  struct hb_err *e) {
        enum hb_policy_kind kind;
        int rc = hb_policy_source_unpack(c->source, c->size, &kind, name, ret);

        if (rc < 0)
                return hb_err_set(e, rc, c->name, "load the policy's file again",
                                  "the packed policy cannot be read: %s", hb_errno_name(rc));
        if (kind == c->kind && (!*c->name || !strcmp(c->name, name)))
                return 0;
        hb_policy_source_free(ret);
        return hb_err_set(e, -EINVAL, c->name, NULL, "the bytes are those of the %s '%s'",
                          hb_policy_kind_name(kind), name);
}

static int load_shadow(hb_policies *p, const struct hb_policy_change *c, struct hb_err *e) {
        struct hb_slot *s = &p->slots[c->kind];
        struct hb_policy_source source;
        struct hb_seat *seat;
        char name[64] = "";
        int rc = c->size ? unpack(c, name, &source, e) : 0;

        if (rc == 0)
                rc = hb_seat_new(p, c->kind, c->size ? name : NULL, c->size ? &source : NULL, c->tried, &seat,
                                 e);
        if (rc < 0)
                return rc;
        hand_over(s->next[HB_POLICY_ACTIVE], seat);
        set_shadow(p, c->kind, seat);
        return 0;
}

/* The seat a change is about; a name in it is a wish that must fit. */
static int find_seat(const hb_policies *p, const struct hb_policy_change *c, enum hb_policy_place place,
                     struct hb_seat **ret, struct hb_err *e) {
        static const char *const places[HB_POLICY_PLACES] = {"active", "shadow", "previous"};
        struct hb_seat *s = p->slots[c->kind].next[place];

        if (!s)
                return hb_err_set(e, -ENOENT, hb_policy_kind_name(c->kind), "harbinger policy list",
                                  "there is no %s %s", places[place], hb_policy_kind_name(c->kind));
        if (*c->name && strcmp(c->name, s->status.name))
                return hb_err_set(e, -ENOENT, c->name, "harbinger policy list", "the %s %s is '%s'",
                                  places[place], hb_policy_kind_name(c->kind), s->status.name);
        *ret = s;
        return 0;
}

static int change_places(hb_policies *p, const struct hb_policy_change *c, struct hb_err *e) {
        bool back = c->op == HB_POLICY_ROLLBACK;
        struct hb_seat *seat;
        int rc = find_seat(p, c, back ? HB_POLICY_PREVIOUS : HB_POLICY_SHADOWING, &seat, e);

        if (rc < 0)
                return rc;
        if (c->op == HB_POLICY_DROP)
                set_shadow(p, c->kind, NULL);
        else if (!hb_seat_sound(seat))
                return hb_err_set(e, -EINVAL, seat->status.name, "load one that works",
                                  "%s '%s' is in quarantine: %.120s", hb_policy_kind_name(c->kind),
                                  seat->status.name, seat->status.last_error);
        else if (back)
                roll_back(&p->slots[c->kind]);
        else
                promote(&p->slots[c->kind]);
        return 0;
}

int hb_policies_change(hb_policies *p, const struct hb_policy_change *c, struct hb_err *e) {
        struct hb_seat *seat;
        int rc;

        if (c->op != HB_POLICY_MODEL && (unsigned)c->kind >= HB_POLICY_KINDS)
                return hb_err_set(e, -EINVAL, "change", NULL, "there is no such kind of policy");
        if (hb_fault("policy.change"))
                return hb_err_set(e, -ENOMEM, "change", NULL, "not enough memory to change policies");
        switch (c->op) {
        case HB_POLICY_SHADOW:
                return load_shadow(p, c, e);
        case HB_POLICY_PROMOTE:
        case HB_POLICY_ROLLBACK:
        case HB_POLICY_DROP:
                return change_places(p, c, e);
        case HB_POLICY_TUNE:
                rc = find_seat(p, c, c->shadow ? HB_POLICY_SHADOWING : HB_POLICY_ACTIVE, &seat, e);
                return rc < 0 ? rc : hb_tune_seat(seat, c, e);
        case HB_POLICY_MODEL:
                return hb_model_bind_change(p, c, e);
        default:
                return hb_err_set(e, -EINVAL, "change", NULL, "there is no such change");
        }
}

/* ---- the epoch ---- */

static bool exchange(hb_policies *p, struct hb_slot *s) {
        struct hb_seat *before[HB_POLICY_PLACES];
        uint64_t t0, took;

        if (!memcmp(s->now, s->next, sizeof s->now))
                return false;
        memcpy(before, s->now, sizeof before);
        t0 = hb_now_ns();
        memcpy(s->now, s->next, sizeof s->now);
        took = hb_now_ns() - t0;
        if (s->now[HB_POLICY_ACTIVE] != before[HB_POLICY_ACTIVE]) {
                p->swaps++;
                p->swap_max_ns = took > p->swap_max_ns ? took : p->swap_max_ns;
        }
        for (unsigned place = 0; place < HB_POLICY_PLACES; place++)
                drop_unnamed(s, before[place]);
        return true;
}

static void sit_in(struct hb_slot *s) {
        for (unsigned place = 0; place < HB_POLICY_PLACES; place++)
                if (s->now[place])
                        s->now[place]->sits_out = false;
}

void hb_swap_epoch(hb_policies *p) {
        bool moved = false;

        for (unsigned k = 0; k < HB_POLICY_KINDS; k++) {
                struct hb_slot *s = &p->slots[k];

                moved = exchange(p, s) || moved;
                sit_in(s);
                hb_tunes_take(s->now[HB_POLICY_ACTIVE]);
                hb_tunes_take(s->now[HB_POLICY_SHADOWING]);
        }
        if (moved)
                hb_policies_look_again(p);
}

void hb_policies_swaps(const hb_policies *p, uint64_t *ret_swaps, uint64_t *ret_max_ns) {
        *ret_swaps = p->swaps;
        *ret_max_ns = p->swap_max_ns;
}
