/* policy_places: who is active, who shadows and who was before, for the host and in every placement.
 *
 * Invariant: a decision is in the store before anybody hears of it; then it is in memory; then every
 * placement is brought to it. A placement is not told the operation but brought to the state: what it has
 * (in->placed, as of its next epoch) is compared with what it should have, so one that missed a change, is in
 * another part of a canary or has just begun ends up right all the same. Loop thread; loading a policy that
 * has passed its check costs the loop about a millisecond a placement. */
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/incoming.h"
#include "daemon/policy_priv.h"
#include <errno.h>
#include <string.h>

/* ---- canary ---- */

/* By the guest's name alone: the same guests each time, on every host of a cluster. FNV-1a, mixed. */
static double share_of(const char *guest) {
        uint64_t h = 0xcbf29ce484222325ull;
        for (; *guest; guest++)
                h = (h ^ (uint8_t)*guest) * 0x100000001b3ull;
        h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93ull;
        return (double)(h >> 11) / 9007199254740992.0;
}

bool hb_policy_share_has(double share, const char *guest) {
        return share_of(guest) < share;
}

bool hb_policy_in_canary(const struct hb_registry_kind *k, const char *guest) {
        return k->canary > 0 && k->shadow && hb_policy_share_has(k->canary, guest);
}

/* ---- one placement ---- */

static int change(struct hb_incoming *in, const struct hb_policy_change *c, struct hb_err *e) {
        return hb_engine_change(in->engine, hb_now_ns(), c, e);
}

static int load_into(struct hb_incoming *in, const struct hb_policy_version *v, struct hb_err *e) {
        struct hb_policy_change c = {.op = HB_POLICY_SHADOW,
                                     .kind = v->kind,
                                     .source = v->packed,
                                     .size = v->size,
                                     .tried = true},
                                tune = {.op = HB_POLICY_TUNE, .kind = v->kind, .shadow = true};
        snprintf(c.name, sizeof c.name, "%s", v->name);
        int r = change(in, &c, e);
        for (unsigned i = 0; r == 0 && i < v->ntuned; i++) {
                memcpy(tune.param, v->tuned[i].param, sizeof tune.param);
                tune.value = v->tuned[i].value;
                r = change(in, &tune, e);
        }
        if (r == 0)
                memcpy(in->placed[v->kind].shadow, v->hash, sizeof v->hash);
        return r;
}

/* An active one in quarantine does not become the previous one: who does is then the set's own affair, and a
 * rollback loads what it needs. */
static bool stays_behind(const struct hb_incoming *in, enum hb_policy_kind kind) {
        struct hb_policy_status s;
        return hb_policies_status_of(in->policies, kind, HB_POLICY_ACTIVE, &s) == 0 && !s.quarantined;
}

static int simple(struct hb_incoming *in, enum hb_policy_kind kind, enum hb_policy_op op, struct hb_err *e) {
        struct hb_policy_placed *p = &in->placed[kind], was = *p;
        struct hb_policy_change c = {.op = op, .kind = kind};
        bool good = stays_behind(in, kind);
        int r = change(in, &c, e);
        if (r < 0)
                return r;
        if (op == HB_POLICY_PROMOTE) {
                memcpy(p->active, was.shadow, sizeof p->active);
                snprintf(p->previous, sizeof p->previous, "%s", good ? was.active : "");
        } else if (op == HB_POLICY_ROLLBACK) {
                memcpy(p->active, was.previous, sizeof p->active);
                memcpy(p->previous, was.active, sizeof p->previous);
        }
        if (op != HB_POLICY_ROLLBACK)
                p->shadow[0] = '\0';
        return 0;
}

static int make_active(struct hb_incoming *in, const struct hb_policy_version *v, struct hb_err *e) {
        struct hb_policy_placed *p = &in->placed[v->kind];
        if (strcmp(p->active, v->hash) == 0)
                return 0;
        if (strcmp(p->shadow, v->hash) != 0 && strcmp(p->previous, v->hash) == 0)
                return simple(in, v->kind, HB_POLICY_ROLLBACK, e);
        int r = strcmp(p->shadow, v->hash) == 0 ? 0 : load_into(in, v, e);
        return r < 0 ? r : simple(in, v->kind, HB_POLICY_PROMOTE, e);
}

static int make_shadow(struct hb_incoming *in, enum hb_policy_kind kind, const struct hb_policy_version *v,
                       struct hb_err *e) {
        const struct hb_policy_placed *p = &in->placed[kind];
        if (!v)
                return p->shadow[0] ? simple(in, kind, HB_POLICY_DROP, e) : 0;
        return strcmp(p->shadow, v->hash) == 0 ? 0 : load_into(in, v, e);
}

static int bring(struct hb_incoming *in, const struct hb_registry_kind *k, struct hb_err *e) {
        bool canary = hb_policy_in_canary(k, in->guest);
        const struct hb_policy_version *active = canary ? k->shadow : k->active;
        const struct hb_policy_version *shadow = canary ? k->active : k->shadow;
        if (!k->active)
                return 0;
        int r = make_active(in, active, e);
        return r < 0 ? r : make_shadow(in, k->kind, shadow, e);
}

static void failed(hb_policy_registry *reg, const struct hb_registry_kind *k, const struct hb_incoming *in,
                   const struct hb_err *e, json_t *list) {
        char text[256];
        hb_err_line(e, text, sizeof text);
        hb_policy_event(reg, k->kind, "failed", "harbingerd", k->active, "", in->guest, text);
        if (list)
                json_array_append_new(
                        list, json_pack("{s:s,s:o}", "guest", in->guest, "error", hb_ctl_error_json(e)));
}

static void bring_all(hb_policy_registry *reg, const struct hb_registry_kind *k, json_t *list) {
        struct hb_err e = {0};
        for (struct hb_incoming *in = reg->d->incoming; in; in = in->next)
                if (bring(in, k, &e) < 0)
                        failed(reg, k, in, &e, list);
}

void hb_policy_place_all(struct hb_incoming *in) {
        hb_policy_registry *reg = in->d->policies;
        struct hb_err e = {0};
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++)
                if (bring(in, &reg->kinds[i], &e) < 0)
                        failed(reg, &reg->kinds[i], in, &e, NULL);
}

/* ---- written down ---- */

static void fill_event(struct hb_store_policy_event *ev, enum hb_policy_kind kind, const char *op,
                       const char *who, const char *why) {
        *ev = (struct hb_store_policy_event){.wall_ns = hb_wall_ns()};
        snprintf(ev->kind, sizeof ev->kind, "%s", hb_policy_kind_name(kind));
        snprintf(ev->op, sizeof ev->op, "%s", op);
        snprintf(ev->who, sizeof ev->who, "%s", who ? who : "");
        snprintf(ev->why, sizeof ev->why, "%s", why ? why : "");
        snprintf(ev->result, sizeof ev->result, "done");
}

static void name_event(struct hb_store_policy_event *ev, const struct hb_policy_version *v) {
        if (!v)
                return;
        snprintf(ev->name, sizeof ev->name, "%.55s@%u", v->name, v->number);
        memcpy(ev->hash, v->hash, sizeof ev->hash);
}

/* Of one guest alone where it is about one. */
static void log_event(hb_policy_registry *reg, const struct hb_store_policy_event *ev) {
        bool said = strcmp(ev->result, "done") != 0, bad = said && strcmp(ev->op, "tune") != 0;
        const char *guest = hb_incoming_find(reg->d, ev->guests) ? ev->guests : NULL;
        hb_daemon_event(reg->d, bad ? HB_LOG_WARNING : HB_LOG_NOTICE, HB_ON_POLICY, guest, NULL,
                        bad ? "harbinger policy list" : NULL, "policies: %s %s %s by %s%s%s%s%s%s%s", ev->op,
                        ev->kind, ev->name, ev->who[0] ? ev->who : "harbingerd",
                        ev->guests[0] && bad ? " for " : "", bad ? ev->guests : "", ev->why[0] ? ": " : "",
                        ev->why, said ? ": " : "", said ? ev->result : "");
}

void hb_policy_event(hb_policy_registry *reg, enum hb_policy_kind kind, const char *op, const char *who,
                     const struct hb_policy_version *v, const char *why, const char *guests,
                     const char *result) {
        struct hb_store_policy_event ev;
        struct hb_err e;
        fill_event(&ev, kind, op, who, why);
        name_event(&ev, v);
        snprintf(ev.guests, sizeof ev.guests, "%s", guests);
        snprintf(ev.result, sizeof ev.result, "%s", result);
        log_event(reg, &ev);
        if (hb_store_policy_decide(reg->d->store, NULL, &ev, &e) < 0)
                hb_daemon_event_err(reg->d, HB_LOG_WARNING, HB_ON_POLICY, NULL, NULL,
                                    "writing the history of policies", &e);
}

static void hash_into(char out[33], const struct hb_policy_version *v) {
        snprintf(out, 33, "%s", v ? v->hash : "");
}

static void fill_row(const struct hb_registry_kind *k, struct hb_store_policy_kind *row) {
        *row = (struct hb_store_policy_kind){.promoted = k->promoted,
                                             .previous_promoted = k->previous_promoted,
                                             .canary = k->canary,
                                             .wall_ns = k->since_wall_ns};
        snprintf(row->kind, sizeof row->kind, "%s", hb_policy_kind_name(k->kind));
        hash_into(row->active, k->active);
        hash_into(row->shadow, k->shadow);
        hash_into(row->previous, k->previous);
        memcpy(row->rejected, k->rejected, sizeof row->rejected);
        memcpy(row->configured, k->configured, sizeof row->configured);
}

/* Names of the placements that a decision is about. */
static void list_guests(const hb_policy_registry *reg, const struct hb_registry_kind *k, char *out,
                        size_t size) {
        size_t at = 0;
        out[0] = '\0';
        for (const struct hb_incoming *in = reg->d->incoming; in && at < size; in = in->next)
                if (k->canary <= 0 || hb_policy_in_canary(k, in->guest))
                        at += (size_t)snprintf(out + at, size - at, "%s%s", at ? " " : "", in->guest);
}

/* ---- deciding ---- */

static const char *const ops[] = {"shadow", "drop", "promote", "canary", "rollback", "settings"};

static int no_shadow(const struct hb_registry_kind *k, struct hb_err *e) {
        return hb_err_set(e, -ENOENT, hb_policy_kind_name(k->kind), "harbinger policy load NAME",
                          "there is no shadow %s", hb_policy_kind_name(k->kind));
}

static int to_load(struct hb_registry_kind *n, struct hb_policy_version *v, struct hb_err *e) {
        if (n->canary > 0)
                return hb_err_set(e, -EBUSY, v->name, "harbinger policy promote it, or roll it back, first",
                                  "a canary of %s is under way", n->shadow->name);
        if (n->active && strcmp(n->active->hash, v->hash) == 0)
                return hb_err_set(e, -EEXIST, v->name, "change it, or load another",
                                  "these very bytes are active already");
        n->shadow = v;
        n->trial = false;
        return 0;
}

static int to_drop(struct hb_registry_kind *n, struct hb_err *e) {
        if (!n->shadow)
                return no_shadow(n, e);
        n->shadow = NULL;
        n->canary = 0;
        n->trial = false;
        return 0;
}

static int to_promote(struct hb_registry_kind *n, bool keep_old, struct hb_err *e) {
        if (!n->shadow)
                return no_shadow(n, e);
        n->previous = n->active;
        n->previous_promoted = n->promoted;
        n->active = n->shadow;
        n->promoted = true;
        n->shadow = keep_old ? n->previous : NULL;
        n->trial = keep_old;
        n->canary = 0;
        n->since_wall_ns = hb_wall_ns();
        return 0;
}

static int to_canary(struct hb_registry_kind *n, double share, struct hb_err *e) {
        if (!n->shadow)
                return no_shadow(n, e);
        if (share <= 0)
                return hb_err_set(e, -EINVAL, "canary",
                                  "set [policy] canary, the share of guests, and reload",
                                  "the settings say no share of the guests for a canary");
        if (n->canary > 0)
                return hb_err_set(e, -EEXIST, n->shadow->name,
                                  "harbinger policy promote it everywhere, or roll it back",
                                  "it is a canary already");
        n->canary = share;
        return 0;
}

static int to_rollback(struct hb_registry_kind *n, struct hb_err *e) {
        bool was = n->promoted;
        if (n->canary > 0) {
                hash_into(n->rejected, n->shadow);
                n->canary = 0;
                return 0;
        }
        if (!n->previous)
                return hb_err_set(e, -ENOENT, hb_policy_kind_name(n->kind), "harbinger policy history",
                                  "there was no %s before this one", hb_policy_kind_name(n->kind));
        struct hb_policy_version *old = n->active;
        hash_into(n->rejected, old);
        n->active = n->previous;
        n->previous = old;
        n->promoted = n->previous_promoted;
        n->previous_promoted = was;
        if (n->shadow == n->active)
                n->shadow = NULL;
        n->trial = false;
        n->since_wall_ns = hb_wall_ns();
        return 0;
}

static int to_settings(struct hb_registry_kind *n, struct hb_policy_version *v) {
        snprintf(n->configured, sizeof n->configured, "%s", v->name);
        n->broken.code = 0;
        if (n->active != v) {
                n->previous = n->active;
                n->previous_promoted = n->promoted;
                n->active = v;
                n->since_wall_ns = hb_wall_ns();
        }
        if (n->shadow == v || n->canary > 0)
                n->shadow = NULL;
        n->promoted = false;
        n->canary = 0;
        n->trial = false;
        return 0;
}

static int next_state(hb_policy_registry *reg, const struct hb_policy_act *a, struct hb_registry_kind *n,
                      struct hb_err *e) {
        switch (a->verb) {
        case HB_POLICY_DO_LOAD:
                return to_load(n, a->version, e);
        case HB_POLICY_DO_DROP:
                return to_drop(n, e);
        case HB_POLICY_DO_PROMOTE:
                return to_promote(n, a->keep_old, e);
        case HB_POLICY_DO_CANARY:
                return to_canary(n, reg->d->settings->canary, e);
        case HB_POLICY_DO_ROLLBACK:
                return to_rollback(n, e);
        case HB_POLICY_DO_SETTINGS:
                return to_settings(n, a->version);
        }
        return -EINVAL;
}

/* The event tells of the version that comes, and in `previous` of the one that goes. */
static void describe(hb_policy_registry *reg, const struct hb_policy_act *a,
                     const struct hb_registry_kind *was, const struct hb_registry_kind *n,
                     struct hb_store_policy_event *ev) {
        bool moved = n->active != was->active;
        fill_event(ev, n->kind, ops[a->verb], a->who, a->why);
        name_event(ev, a->verb == HB_POLICY_DO_ROLLBACK && !moved ? was->active
                       : moved                                    ? n->active
                       : n->shadow                                ? n->shadow
                                                                  : was->shadow);
        hash_into(ev->previous, moved                      ? was->active
                                : was->canary > 0          ? was->shadow
                                : n->canary > 0            ? n->active
                                : n->shadow != was->shadow ? was->shadow
                                                           : NULL);
        list_guests(reg, n->canary > 0 ? n : was, ev->guests, sizeof ev->guests);
}

static void take_over(struct hb_registry_kind *k, const struct hb_registry_kind *n) {
        struct hb_policy_version *old[] = {k->active, k->shadow, k->previous};
        *k = *n;
        hb_policy_version_ref(k->active);
        hb_policy_version_ref(k->shadow);
        hb_policy_version_ref(k->previous);
        for (unsigned i = 0; i < 3; i++)
                hb_policy_version_unref(old[i]);
}

int hb_policy_act(hb_policy_registry *reg, struct hb_registry_kind *k, const struct hb_policy_act *a,
                  struct hb_err *e) {
        struct hb_registry_kind n = *k;
        struct hb_store_policy_kind row;
        struct hb_store_policy_event ev;
        int r = next_state(reg, a, &n, e);
        if (r < 0)
                return r;
        describe(reg, a, k, &n, &ev);
        fill_row(&n, &row);
        r = hb_store_policy_decide(reg->d->store, &row, &ev, e);
        if (r < 0)
                return r;
        take_over(k, &n);
        hb_policy_auto_anew(reg);
        log_event(reg, &ev);
        bring_all(reg, k, a->failed);
        return 0;
}

/* ---- params ---- */

static int no_param(const struct hb_policy_version *v, const char *param, struct hb_err *e) {
        char names[300];
        size_t at = (size_t)snprintf(names, sizeof names, v->nparams ? "there are:" : "it has no params");
        for (unsigned i = 0; i < v->nparams && at < sizeof names; i++)
                at += (size_t)snprintf(names + at, sizeof names - at, "%s %s", i ? "," : "",
                                       v->params[i].name);
        return hb_err_set(e, -ENOENT, param, names, "%s '%s' has no param of this name",
                          hb_policy_kind_name(v->kind), v->name);
}

static int check_value(const struct hb_policy_version *v, const struct hb_policy_param *p, double value,
                       struct hb_err *e) {
        char next[160];
        bool boolean = strcmp(p->type, "boolean") == 0;
        bool whole = boolean || strcmp(p->type, "integer") == 0;
        if (value >= p->min && value <= p->max && (!whole || value == (double)(int64_t)value))
                return 0;
        snprintf(next, sizeof next, boolean ? "it is 0 or 1" : "it takes %s from %g to %g%s%s",
                 whole ? "whole numbers" : "numbers", p->min, p->max, p->unit[0] ? " " : "", p->unit);
        return hb_err_set(e, -ERANGE, p->name, next, "%s '%s' cannot have %g there",
                          hb_policy_kind_name(v->kind), v->name, value);
}

/* In a canary the shadow is active on some guests, and the active one shadows there. */
static void tune_all(hb_policy_registry *reg, const struct hb_registry_kind *k,
                     const struct hb_policy_version *v, const char *param, double value, json_t *list) {
        struct hb_policy_change c = {.op = HB_POLICY_TUNE, .kind = k->kind, .value = value};
        struct hb_err e = {0};
        snprintf(c.name, sizeof c.name, "%s", v->name);
        snprintf(c.param, sizeof c.param, "%s", param);
        for (struct hb_incoming *in = reg->d->incoming; in; in = in->next) {
                const struct hb_policy_placed *p = &in->placed[k->kind];
                c.shadow = strcmp(p->active, v->hash) != 0;
                if (c.shadow && strcmp(p->shadow, v->hash) != 0)
                        continue; /* it missed the load and was reported for it */
                if (change(in, &c, &e) < 0)
                        failed(reg, k, in, &e, list);
        }
}

int hb_policy_tune(hb_policy_registry *reg, struct hb_registry_kind *k, bool shadow, const char *param,
                   double value, const char *who, const char *why, json_t *list, struct hb_err *e) {
        struct hb_policy_version *v = shadow ? k->shadow : k->active;
        struct hb_store_policy_event ev;
        if (!v)
                return shadow ? no_shadow(k, e) : (*e = k->broken, k->broken.code);
        const struct hb_policy_param *p = hb_policy_version_param(v, param);
        int r = p ? check_value(v, p, value, e) : no_param(v, param, e);
        if (r < 0)
                return r;
        struct hb_store_policy_param row = {.value = value};
        snprintf(row.kind, sizeof row.kind, "%s", hb_policy_kind_name(k->kind));
        memcpy(row.hash, v->hash, sizeof row.hash);
        snprintf(row.param, sizeof row.param, "%s", param);
        fill_event(&ev, k->kind, "tune", who, why);
        name_event(&ev, v);
        snprintf(ev.result, sizeof ev.result, "%s: %g, was %g", param, value, hb_policy_version_value(v, p));
        list_guests(reg, k, ev.guests, sizeof ev.guests);
        r = hb_store_policy_tune(reg->d->store, &row, &ev, e);
        if (r < 0)
                return r;
        log_event(reg, &ev);
        hb_policy_version_set(v, param, value);
        hb_policy_auto_anew(reg);
        tune_all(reg, k, v, param, value, list);
        return 0;
}
