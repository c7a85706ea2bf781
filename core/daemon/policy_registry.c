/* policy_registry: beginning, ending, other settings, and a new placement's set. Loop thread.
 *
 * At the start and at a reload the settings' names are held against what the store says: where somebody has
 * promoted another policy since the settings had that name, what was promoted stays; else the file that the
 * settings name is read anew. */
#include "daemon/policy_registry.h"
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/incoming.h"
#include "daemon/policy_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 1000
#define SEED    1 /* also in recording.c: a recording names it */

static const char *configured(const hb_settings *s, enum hb_policy_kind k) {
        const char *names[HB_POLICY_KINDS] = {s->predictor, s->scorer, s->threshold};
        return names[k];
}

/* ---- from the store ---- */

static int find_name(void *arg, const struct hb_store_policy *p) {
        struct hb_store_policy *want = arg;
        if (strcmp(p->kind, want->kind) != 0 || strcmp(p->hash, want->hash) != 0)
                return 0;
        *want = *p;
        return 1;
}

/* *ret stays NULL where there is none of this hash, or it cannot be used any more. */
static void take_up(hb_policy_registry *reg, enum hb_policy_kind kind, const char *hash,
                    struct hb_policy_version **ret) {
        struct hb_policy_wish w = {.kind = kind};
        struct hb_store_policy p = {0};
        struct hb_buf b = {0};
        struct hb_err e = {0};
        snprintf(p.kind, sizeof p.kind, "%s", hb_policy_kind_name(kind));
        snprintf(p.hash, sizeof p.hash, "%s", hash);
        if (!hash[0] || hb_store_policies(reg->d->store, find_name, &p) != 1 ||
            hb_store_policy_source(reg->d->store, p.kind, hash, &b) < 0)
                goto out;
        snprintf(w.name, sizeof w.name, "%s", p.name);
        snprintf(w.dir, sizeof w.dir, "%s", reg->d->settings->policy_dir);
        w.packed = b.data;
        w.size = b.len;
        if (hb_policy_check_now(reg, &w, ret, &e) < 0)
                hb_daemon_event_err(reg->d, HB_LOG_WARNING, HB_ON_POLICY, NULL, NULL,
                                    "a policy that was in use before the restart", &e);
out:
        hb_buf_free(&b);
}

/* What the settings name cannot be used: what was active before, if anything was, goes on. */
static void stays(hb_policy_registry *reg, struct hb_registry_kind *k, const char *name,
                  const struct hb_err *e) {
        bool said = k->trouble.code == e->code && strcmp(k->trouble.what, e->what) == 0;
        k->trouble = *e;
        snprintf(k->trouble_name, sizeof k->trouble_name, "%s", name);
        if (!k->active)
                k->broken = *e;
        if (!said)
                hb_daemon_event_err(reg->d, HB_LOG_ERR, HB_ON_POLICY, NULL, NULL,
                                    k->active ? "the policy that the settings name; the one there stays"
                                              : "policies: no guest can be placed here",
                                    e);
}

static void from_file(hb_policy_registry *reg, struct hb_registry_kind *k) {
        struct hb_policy_wish w = {.kind = k->kind};
        struct hb_policy_version *v = NULL;
        struct hb_policy_act a = {
                .verb = HB_POLICY_DO_SETTINGS, .who = "settings", .why = "harbingerd started"};
        struct hb_err e = {0};
        snprintf(w.name, sizeof w.name, "%s", configured(reg->d->settings, k->kind));
        snprintf(w.dir, sizeof w.dir, "%s", reg->d->settings->policy_dir);
        int r = hb_policy_check_now(reg, &w, &v, &e);
        if (r == 0 && v != k->active) {
                a.version = v;
                r = hb_policy_act(reg, k, &a, &e);
        }
        hb_policy_version_unref(v);
        if (r < 0)
                stays(reg, k, w.name, &e);
}

static void begin_kind(hb_policy_registry *reg, struct hb_registry_kind *k) {
        struct hb_store_policy_kind row = {0};
        const char *name = configured(reg->d->settings, k->kind);
        bool known = hb_store_policy_kind_get(reg->d->store, hb_policy_kind_name(k->kind), &row) == 0 &&
                     strcmp(row.configured, name) == 0;
        snprintf(k->configured, sizeof k->configured, "%s", name);
        k->since_wall_ns = row.wall_ns;
        memcpy(k->rejected, row.rejected, sizeof k->rejected);
        take_up(reg, k->kind, row.active, &k->active);
        if (known) {
                take_up(reg, k->kind, row.shadow, &k->shadow);
                take_up(reg, k->kind, row.previous, &k->previous);
                k->promoted = row.promoted && k->active;
                k->previous_promoted = row.previous_promoted;
                k->canary = k->shadow ? row.canary : 0;
                k->trial = k->promoted && k->canary <= 0 && k->shadow && k->shadow == k->previous;
        }
        if (!k->promoted)
                from_file(reg, k);
}

/* ---- begin and end ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg) {
        hb_policy_registry *reg = arg;
        hb_policy_auto_tick(reg);
        hb_policy_watch_tick(reg->watch);
}

/* Nobody needs the watch: without it files are loaded by command. */
static void begin_watch(hb_policy_registry *reg) {
        struct hb_err e = {0};
        reg->watch = hb_policy_watch_free(reg->watch);
        snprintf(reg->watched, sizeof reg->watched, "%s", reg->d->settings->policy_dir);
        if (reg->d->settings->watch && hb_policy_watch_new(reg, &reg->watch, &e) < 0)
                hb_daemon_event_err(reg->d, HB_LOG_WARNING, HB_ON_POLICY, NULL, NULL,
                                    "policy files are not watched", &e);
}

int hb_policy_registry_new(hb_daemon *d, struct hb_err *e) {
        struct timeval tv = hb_timeval(hb_ms_to_ns(TICK_MS));
        hb_policy_registry *reg = calloc(1, sizeof *reg);
        if (!reg)
                return hb_err_set(e, -ENOMEM, "policies", NULL, "no memory for the registry of policies");
        reg->d = d;
        d->policies = reg;
        int r = hb_jobs_new(d->mailbox, "policies", reg, &reg->jobs);
        if (r == 0 && (!(reg->tick = event_new(d->base, -1, EV_PERSIST, on_tick, reg)) ||
                       event_add(reg->tick, &tv) < 0))
                r = -ENOMEM;
        if (r < 0) {
                hb_policy_registry_free(d);
                return hb_err_set(e, r, "policies", NULL, "the registry of policies cannot be set up: %s",
                                  hb_errno_name(r));
        }
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                reg->kinds[i].kind = (enum hb_policy_kind)i;
                hb_lead_anew(&reg->kinds[i].lead);
                begin_kind(reg, &reg->kinds[i]);
        }
        begin_watch(reg);
        return 0;
}

void hb_policy_registry_free(hb_daemon *d) {
        hb_policy_registry *reg = d->policies;
        if (!reg)
                return;
        reg->watch = hb_policy_watch_free(reg->watch);
        if (reg->tick)
                event_free(reg->tick);
        reg->jobs = hb_jobs_free(reg->jobs);
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                hb_policy_version_unref(reg->kinds[i].active);
                hb_policy_version_unref(reg->kinds[i].shadow);
                hb_policy_version_unref(reg->kinds[i].previous);
        }
        free(reg);
        d->policies = NULL;
}

/* ---- other settings ---- */

static void settings_checked(hb_policy_registry *reg, const struct hb_policy_wish *w,
                             struct hb_policy_version *v, const struct hb_err *e) {
        struct hb_registry_kind *k = &reg->kinds[w->kind];
        struct hb_policy_act a = {
                .verb = HB_POLICY_DO_SETTINGS, .version = v, .who = "settings", .why = w->why};
        struct hb_err why = {0};
        if (strcmp(w->name, configured(reg->d->settings, w->kind)) != 0)
                return; /* changed again meanwhile */
        if (v && hb_policy_act(reg, k, &a, &why) == 0)
                return;
        stays(reg, k, w->name, v ? &why : e);
}

static void ask_settings(hb_policy_registry *reg, enum hb_policy_kind k, const char *why) {
        struct hb_policy_wish w = {.kind = k};
        snprintf(w.name, sizeof w.name, "%s", configured(reg->d->settings, k));
        snprintf(w.dir, sizeof w.dir, "%s", reg->d->settings->policy_dir);
        snprintf(w.why, sizeof w.why, "%s", why);
        hb_policy_check(reg, &w, settings_checked);
}

void hb_policy_registry_reloaded(hb_daemon *d) {
        hb_policy_registry *reg = d->policies;
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                struct hb_registry_kind *k = &reg->kinds[i];
                if (!k->active || strcmp(k->configured, configured(d->settings, k->kind)) != 0)
                        ask_settings(reg, k->kind, "the settings were read again");
        }
        if (strcmp(reg->watched, d->settings->policy_dir) != 0 || !reg->watch == d->settings->watch)
                begin_watch(reg);
}

/* ---- a placement's set ---- */

static const struct hb_policy_version *wanted(const hb_policy_registry *reg, enum hb_policy_kind k,
                                              const char *guest) {
        const struct hb_registry_kind *rk = &reg->kinds[k];
        return hb_policy_in_canary(rk, guest) ? rk->shadow : rk->active;
}

static bool file_is(const hb_policy_registry *reg, const struct hb_policy_version *v) {
        struct hb_policy_source s = {0};
        bool same = hb_policy_source_read(reg->d->settings->policy_dir, v->kind, v->name, &s, NULL) == 0 &&
                    strcmp(s.hash, v->hash) == 0;
        hb_policy_source_free(&s);
        return same;
}

int hb_policy_registry_make(hb_daemon *d, const char *guest, hb_policies **ret, struct hb_err *e) {
        hb_policy_registry *reg = d->policies;
        struct hb_policy_options o = {.dir = d->settings->policy_dir, .seed = SEED};
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                const struct hb_policy_version *v = wanted(reg, (enum hb_policy_kind)i, guest);
                if (!v) { /* perhaps it has been mended: the source asks again in a while */
                        *e = reg->kinds[i].broken;
                        ask_settings(reg, (enum hb_policy_kind)i, "it could not be used before");
                        return e->code;
                }
                o.names[i] = file_is(reg, v) ? v->name : NULL;
        }
        return hb_policies_new(&o, ret, e);
}

void hb_policy_registry_placed(struct hb_incoming *in) {
        struct hb_policy_status s;
        memset(in->placed, 0, sizeof in->placed);
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                hb_policies_status(in->policies, (enum hb_policy_kind)i, &s);
                memcpy(in->placed[i].active, s.hash, sizeof s.hash);
        }
        hb_policy_place_all(in);
}
