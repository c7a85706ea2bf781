/* policy_json: what operators see of policies. Reads only; figures of a version are gathered over the
 * placements that have it. Loop thread. */
#include "base/clock.h"
#include "daemon/incoming.h"
#include "daemon/policy_priv.h"
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- versions ---- */

json_t *hb_policy_version_json(const struct hb_policy_version *v) {
        if (!v)
                return json_null();
        return json_pack("{s:s,s:s,s:s,s:i}", "name", v->name, "version", v->version, "hash", v->hash,
                         "number", (int)v->number);
}

json_t *hb_policy_params_json(const struct hb_policy_version *v) {
        json_t *a = json_array();
        for (unsigned i = 0; v && i < v->nparams; i++) {
                const struct hb_policy_param *p = &v->params[i];
                json_array_append_new(a, json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:s,s:s}", "name", p->name,
                                                   "type", p->type, "value",
                                                   hb_ctl_real(hb_policy_version_value(v, p)), "default",
                                                   hb_ctl_real(p->initial), "min", hb_ctl_real(p->min), "max",
                                                   hb_ctl_real(p->max), "unit", p->unit, "help", p->help));
        }
        return a;
}

/* ---- how they do ---- */

struct usage {
        struct hb_policy_status sum;
        json_t *guests, *quarantined;
        char note[128], last_error[256], answering[64];
};

static void add_usage(struct usage *u, const struct hb_incoming *in, const struct hb_policy_status *s) {
        u->sum.calls += s->calls;
        u->sum.errors += s->errors;
        u->sum.pages += s->pages;
        u->sum.total_ns += s->total_ns;
        u->sum.starved += s->starved;
        u->sum.memory_bytes += s->memory_bytes;
        u->sum.max_ns = s->max_ns > u->sum.max_ns ? s->max_ns : u->sum.max_ns;
        json_array_append_new(u->guests, hb_ctl_text(in->guest));
        if (s->quarantined)
                json_array_append_new(u->quarantined, hb_ctl_text(in->guest));
        if (s->note[0])
                snprintf(u->note, sizeof u->note, "%s", s->note);
        if (s->last_error[0])
                snprintf(u->last_error, sizeof u->last_error, "%s", s->last_error);
        if (s->answering[0])
                snprintf(u->answering, sizeof u->answering, "%s", s->answering);
}

json_t *hb_policy_usage_json(hb_policy_registry *reg, enum hb_policy_kind k, const char *hash) {
        struct usage u = {.guests = json_array(), .quarantined = json_array()};
        struct hb_policy_status s;
        for (struct hb_incoming *in = reg->d->incoming; in; in = in->next)
                for (int place = HB_POLICY_ACTIVE; place <= HB_POLICY_SHADOWING; place++)
                        if (hb_policies_status_of(in->policies, k, (enum hb_policy_place)place, &s) == 0 &&
                            strcmp(s.hash, hash) == 0)
                                add_usage(&u, in, &s);
        return json_pack("{s:o,s:I,s:I,s:I,s:o,s:o,s:I,s:I,s:o,s:o,s:o,s:o}", "guests", u.guests, "calls",
                         (json_int_t)u.sum.calls, "errors", (json_int_t)u.sum.errors, "pages",
                         (json_int_t)u.sum.pages, "ns_per_page",
                         hb_ctl_real(u.sum.pages ? (double)u.sum.total_ns / (double)u.sum.pages : NAN),
                         "max_ms", hb_ctl_real((double)u.sum.max_ns / 1e6), "starved",
                         (json_int_t)u.sum.starved, "memory_bytes", (json_int_t)u.sum.memory_bytes,
                         "quarantined", u.quarantined, "answering", hb_ctl_text(u.answering), "note",
                         hb_ctl_text(u.note), "last_error", hb_ctl_text(u.last_error));
}

/* ---- lanes ---- */

static json_t *share(double v) {
        return v < 0 ? json_null() : hb_ctl_real(v);
}

static json_t *lane_json(const struct hb_lane_score *l) {
        return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "lessons", (json_int_t)l->lessons,
                         "f1", share(l->f1), "f1_returning", share(l->f1_returning), "f1_writes",
                         share(l->f1_writes), "precision", share(l->precision), "recall", share(l->recall),
                         "wasted", share(l->wasted), "would_fetch", share(l->would_fetch), "value",
                         l->lessons ? hb_ctl_real(l->value) : json_null(), "cut",
                         l->lessons ? hb_ctl_real(l->cut) : json_null(), "ns_per_page",
                         share(l->ns_per_page));
}

static json_t *names_json(const struct hb_incoming *in, enum hb_policy_place place) {
        json_t *o = json_object();
        struct hb_policy_status s;
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++)
                if (hb_policies_status_of(in->policies, (enum hb_policy_kind)i, place, &s) == 0)
                        json_object_set_new(o, hb_policy_kind_name((enum hb_policy_kind)i),
                                            hb_ctl_text(s.name));
        return o;
}

static bool has_shadow(const struct hb_incoming *in) {
        struct hb_policy_status s;
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++)
                if (hb_policies_status_of(in->policies, (enum hb_policy_kind)i, HB_POLICY_SHADOWING, &s) == 0)
                        return true;
        return false;
}

static bool canary_of_any(const hb_policy_registry *reg, const char *guest) {
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++)
                if (hb_policy_in_canary(&reg->kinds[i], guest))
                        return true;
        return false;
}

static json_t *guest_json(hb_policy_registry *reg, const struct hb_incoming *in) {
        struct hb_lane_score a, s;
        hb_policies_lane(in->policies, HB_LANE_ACTIVE, &a);
        hb_policies_lane(in->policies, HB_LANE_SHADOW, &s);
        return json_pack("{s:s,s:b,s:o,s:o,s:o,s:o}", "guest", in->guest, "canary",
                         canary_of_any(reg, in->guest), "active_names", names_json(in, HB_POLICY_ACTIVE),
                         "shadow_names", names_json(in, HB_POLICY_SHADOWING), "active", lane_json(&a),
                         "shadow", has_shadow(in) ? lane_json(&s) : json_null());
}

json_t *hb_policy_lanes_json(hb_policy_registry *reg, const char *guest) {
        json_t *a = json_array();
        for (const struct hb_incoming *in = reg->d->incoming; in; in = in->next)
                if (!guest || strcmp(guest, in->guest) == 0)
                        json_array_append_new(a, guest_json(reg, in));
        return a;
}

/* ---- kinds ---- */

static json_t *time_json(uint64_t wall_ns) {
        time_t t = (time_t)(wall_ns / HB_NS_PER_S);
        struct tm tm;
        char text[32];
        if (!wall_ns)
                return json_null();
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
        return json_string(text);
}

static json_t *place_json(hb_policy_registry *reg, const struct hb_policy_version *v) {
        json_t *j = hb_policy_version_json(v);
        if (v)
                json_object_update_new(j, hb_policy_usage_json(reg, v->kind, v->hash));
        return j;
}

static int is_lua(const struct dirent *d) {
        size_t n = strlen(d->d_name);
        return n > 4 && strcmp(d->d_name + n - 4, ".lua") == 0;
}

static const char *place_of(const struct hb_registry_kind *k, const char *hash) {
        static const char *const names[] = {"active", "shadow", "previous"};
        const struct hb_policy_version *places[] = {k->active, k->shadow, k->previous};
        for (unsigned i = 0; i < 3; i++)
                if (places[i] && strcmp(places[i]->hash, hash) == 0)
                        return names[i];
        return "";
}

/* Files of the folder; what is in them is not looked into beyond their hash. */
static json_t *candidates_json(const hb_policy_registry *reg, const struct hb_registry_kind *k) {
        const char *dir = reg->d->settings->policy_dir;
        char folder[320], name[64];
        struct dirent **found = NULL;
        json_t *a = json_array();
        snprintf(folder, sizeof folder, "%s/%s", dir, hb_policy_folder(k->kind));
        int n = scandir(folder, &found, is_lua, alphasort);
        for (int i = 0; i < n; i++) {
                struct hb_policy_source s = {0};
                struct hb_err e = {0};
                snprintf(name, sizeof name, "%.*s", (int)strlen(found[i]->d_name) - 4, found[i]->d_name);
                if (hb_policy_source_read(dir, k->kind, name, &s, &e) < 0)
                        json_array_append_new(a, json_pack("{s:o,s:o}", "name", hb_ctl_text(name), "error",
                                                           hb_ctl_text(e.what)));
                else
                        json_array_append_new(a, json_pack("{s:s,s:s,s:s}", "name", name, "hash", s.hash,
                                                           "place", place_of(k, s.hash)));
                hb_policy_source_free(&s);
                free(found[i]);
        }
        if (n >= 0)
                free(found);
        return a;
}

static json_t *trouble_json(const struct hb_registry_kind *k) {
        const struct hb_err *e = !k->active ? &k->broken : k->trouble.code ? &k->trouble : NULL;
        if (!e)
                return json_null();
        json_t *j = hb_ctl_error_json(e);
        json_object_set_new(j, "name", hb_ctl_text(k->active ? k->trouble_name : k->configured));
        return j;
}

json_t *hb_policy_kind_json(hb_policy_registry *reg, const struct hb_registry_kind *k) {
        return json_pack("{s:s,s:s,s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "kind", hb_policy_kind_name(k->kind),
                         "configured", k->configured, "promoted", k->promoted, "since",
                         time_json(k->since_wall_ns), "canary",
                         k->canary > 0 ? json_real(k->canary) : json_null(), "active",
                         place_json(reg, k->active), "shadow", place_json(reg, k->shadow), "previous",
                         hb_policy_version_json(k->previous), "candidates", candidates_json(reg, k),
                         "trouble", trouble_json(k));
}

/* ---- status ---- */

json_t *hb_policy_registry_json(const hb_daemon *d) {
        hb_policy_registry *reg = d->policies;
        json_t *a = json_array();
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                const struct hb_registry_kind *k = &reg->kinds[i];
                json_array_append_new(
                        a, json_pack("{s:s,s:o,s:o,s:o,s:b,s:o,s:o}", "kind", hb_policy_kind_name(k->kind),
                                     "active", hb_policy_version_json(k->active), "shadow",
                                     hb_policy_version_json(k->shadow), "previous",
                                     hb_policy_version_json(k->previous), "promoted", k->promoted, "canary",
                                     k->canary > 0 ? json_real(k->canary) : json_null(), "trouble",
                                     trouble_json(k)));
        }
        return a;
}

static json_t *status_json(const struct hb_policy_status *s) {
        json_t *j =
                json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:b,s:b}", "name", s->name, "version", s->version, "hash",
                          s->hash, "calls", (json_int_t)s->calls, "errors", (json_int_t)s->errors, "starved",
                          (json_int_t)s->starved, "builtin", s->builtin, "quarantined", s->quarantined);
        json_object_set_new(j, "answering", hb_ctl_text(s->answering));
        json_object_set_new(j, "answering_hash", hb_ctl_text(s->answering_hash));
        json_object_set_new(j, "note", hb_ctl_text(s->note));
        json_object_set_new(j, "last_error", hb_ctl_text(s->last_error));
        return j;
}

json_t *hb_policy_placed_json(const struct hb_incoming *in) {
        json_t *a = json_array();
        struct hb_policy_status s;
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                enum hb_policy_kind k = (enum hb_policy_kind)i;
                hb_policies_status(in->policies, k, &s);
                json_t *j = status_json(&s);
                json_object_set_new(j, "kind", json_string(hb_policy_kind_name(k)));
                bool shadow = hb_policies_status_of(in->policies, k, HB_POLICY_SHADOWING, &s) == 0;
                json_object_set_new(j, "shadow", shadow ? status_json(&s) : json_null());
                json_array_append_new(a, j);
        }
        return a;
}

json_t *hb_policy_swaps_json(const struct hb_incoming *in) {
        uint64_t swaps, max_ns;
        hb_policies_swaps(in->policies, &swaps, &max_ns);
        return json_pack("{s:I,s:f}", "count", (json_int_t)swaps, "max_ms", (double)max_ns / 1e6);
}

/* ---- doctor ---- */

void hb_policy_registry_doctor(const hb_daemon *d,
                               void (*tell)(void *arg, const char *ok, const char *next, const char *detail),
                               void *arg) {
        const hb_policy_registry *reg = d->policies;
        struct hb_policy_status s;
        char text[600];
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                const struct hb_registry_kind *k = &reg->kinds[i];
                const struct hb_err *e = k->active ? &k->trouble : &k->broken;
                const char *kind = hb_policy_kind_name(k->kind);
                if (e->code) {
                        snprintf(text, sizeof text, "%s '%s' was refused%s: %s", kind,
                                 k->active ? k->trouble_name : k->configured,
                                 k->active ? "" : ", no guest can be placed here", e->what);
                        tell(arg, k->active ? "warn" : "fail", e->next, text);
                }
                for (const struct hb_incoming *in = d->incoming; in; in = in->next) {
                        hb_policies_status(in->policies, k->kind, &s);
                        if (!s.quarantined)
                                continue;
                        snprintf(text, sizeof text, "%s '%s' is in quarantine on guest %s, %s answers: %s",
                                 kind, s.name, in->guest, s.answering, s.last_error);
                        tell(arg, "warn", "harbinger policy rollback, or load one that works", text);
                }
        }
}
