/* stage_policy_json: policies looked at. All simulated replays have the same ones; figures are summed over
 * the placements on the host that is asked, names come from any replay. Reads only. */
#include "policy/lesson.h"
#include "stage/stage_priv.h"
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- who stands where ---- */

const hb_policies *hb_stage_policies_of(const struct hb_stage_host *h, const struct hb_stage_guest *g) {
        return g->home != h->side && hb_stage_placed(g) ? hb_replay_policies_of(g->replay) : NULL;
}

static const hb_policies *any_policies(const struct hb_stage_host *h) {
        const hb_stage *s = h->stage;
        const hb_policies *p = NULL;

        for (unsigned i = 0; i < s->nguests && !p; i++)
                p = hb_stage_policies_of(h, &s->guests[i]);
        for (unsigned i = 0; i < s->nguests && !p; i++)
                p = hb_replay_policies_of(s->guests[i].replay);
        return p;
}

int hb_stage_policy_status(const struct hb_stage_host *h, enum hb_policy_kind k, enum hb_policy_place place,
                           struct hb_policy_status *ret) {
        const hb_policies *p = any_policies(h);

        return p ? hb_policies_status_of(p, k, place, ret) : -ENOENT;
}

json_t *hb_stage_policy_version_json(const struct hb_stage_host *h, enum hb_policy_kind k,
                                     enum hb_policy_place place) {
        const struct hb_stage_version *v;
        struct hb_policy_status s;

        if (hb_stage_policy_status(h, k, place, &s) < 0)
                return json_null();
        v = hb_stage_version_of(h->stage, k, s.hash);
        return json_pack("{s:s,s:s,s:s,s:i}", "name", s.name, "version", s.version, "hash", s.hash, "number",
                         v ? (int)v->number : 1);
}

json_t *hb_stage_policies_json(const struct hb_stage_host *h) {
        json_t *a = json_array();

        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                enum hb_policy_kind k = (enum hb_policy_kind)i;

                json_array_append_new(
                        a, json_pack("{s:s,s:o,s:o,s:o,s:b,s:n,s:n}", "kind", hb_policy_kind_name(k),
                                     "active", hb_stage_policy_version_json(h, k, HB_POLICY_ACTIVE), "shadow",
                                     hb_stage_policy_version_json(h, k, HB_POLICY_SHADOWING), "previous",
                                     hb_stage_policy_version_json(h, k, HB_POLICY_PREVIOUS), "promoted",
                                     h->stage->changes.len > 0, "canary", "trouble"));
        }
        return a;
}

/* ---- how they do ---- */

struct usage {
        struct hb_policy_status sum, newest;
        json_t *guests, *quarantined;
};

static void add_usage(struct usage *u, const struct hb_stage_guest *g, const struct hb_policy_status *s) {
        u->sum.calls += s->calls;
        u->sum.errors += s->errors;
        u->sum.pages += s->pages;
        u->sum.total_ns += s->total_ns;
        u->sum.starved += s->starved;
        u->sum.memory_bytes += s->memory_bytes;
        u->sum.max_ns = s->max_ns > u->sum.max_ns ? s->max_ns : u->sum.max_ns;
        u->newest = *s;
        json_array_append_new(u->guests, json_string(g->name));
        if (s->quarantined)
                json_array_append_new(u->quarantined, json_string(g->name));
}

json_t *hb_stage_usage_json(const struct hb_stage_host *h, enum hb_policy_kind k, const char *hash) {
        struct usage u = {.guests = json_array(), .quarantined = json_array()};
        struct hb_policy_status s;

        for (unsigned i = 0; i < h->stage->nguests; i++) {
                const hb_policies *p = hb_stage_policies_of(h, &h->stage->guests[i]);

                for (int place = HB_POLICY_ACTIVE; p && place <= HB_POLICY_SHADOWING; place++)
                        if (hb_policies_status_of(p, k, (enum hb_policy_place)place, &s) == 0 &&
                            strcmp(s.hash, hash) == 0)
                                add_usage(&u, &h->stage->guests[i], &s);
        }
        return json_pack(
                "{s:o,s:I,s:I,s:I,s:o,s:o,s:I,s:I,s:o,s:o,s:o,s:o}", "guests", u.guests, "calls",
                (json_int_t)u.sum.calls, "errors", (json_int_t)u.sum.errors, "pages", (json_int_t)u.sum.pages,
                "ns_per_page",
                hb_ctl_real(u.sum.pages ? (double)u.sum.total_ns / (double)u.sum.pages : (double)NAN),
                "max_ms", hb_ctl_real((double)u.sum.max_ns / 1e6), "starved", (json_int_t)u.sum.starved,
                "memory_bytes", (json_int_t)u.sum.memory_bytes, "quarantined", u.quarantined, "answering",
                hb_ctl_text(u.newest.answering), "note", hb_ctl_text(u.newest.note), "last_error",
                hb_ctl_text(u.newest.last_error));
}

static json_t *in_use_json(const struct hb_stage_host *h, enum hb_policy_kind k, enum hb_policy_place place) {
        json_t *j = hb_stage_policy_version_json(h, k, place);

        if (!json_is_null(j))
                json_object_update_new(
                        j, hb_stage_usage_json(h, k, json_string_value(json_object_get(j, "hash"))));
        return j;
}

static int is_lua(const struct dirent *d) {
        size_t n = strlen(d->d_name);

        return n > 4 && strcmp(d->d_name + n - 4, ".lua") == 0;
}

const char *hb_stage_policy_place(const struct hb_stage_host *h, enum hb_policy_kind k, const char *hash) {
        static const char *const names[] = {"active", "shadow", "previous"};
        struct hb_policy_status s;

        for (int p = HB_POLICY_ACTIVE; p <= HB_POLICY_PREVIOUS; p++)
                if (hb_stage_policy_status(h, k, (enum hb_policy_place)p, &s) == 0 &&
                    strcmp(s.hash, hash) == 0)
                        return names[p];
        return "";
}

static json_t *candidate_json(const struct hb_stage_host *h, enum hb_policy_kind k, const char *name) {
        struct hb_policy_source s = {0};
        struct hb_err e = {0};
        json_t *j;

        if (hb_policy_source_read(h->stage->policy_dir, k, name, &s, &e) < 0)
                j = json_pack("{s:o,s:o}", "name", hb_ctl_text(name), "error", hb_ctl_text(e.what));
        else
                j = json_pack("{s:s,s:s,s:s}", "name", name, "hash", s.hash, "place",
                              hb_stage_policy_place(h, k, s.hash));
        hb_policy_source_free(&s);
        return j;
}

static json_t *candidates_json(const struct hb_stage_host *h, enum hb_policy_kind k) {
        struct dirent **found = NULL;
        char folder[4200], name[64];
        json_t *a = json_array();
        int n;

        if (!h->stage->policy_dir)
                return a;
        snprintf(folder, sizeof(folder), "%.4000s/%s", h->stage->policy_dir, hb_policy_folder(k));
        n = scandir(folder, &found, is_lua, alphasort);
        for (int i = 0; i < n; i++) {
                snprintf(name, sizeof(name), "%.*s", (int)strlen(found[i]->d_name) - 4, found[i]->d_name);
                json_array_append_new(a, candidate_json(h, k, name));
                free(found[i]);
        }
        if (n >= 0)
                free(found);
        return a;
}

json_t *hb_stage_policy_kind_json(const struct hb_stage_host *h, enum hb_policy_kind k) {
        struct hb_policy_status s = {0};

        hb_stage_policy_status(h, k, HB_POLICY_ACTIVE, &s);
        return json_pack("{s:s,s:s,s:b,s:n,s:n,s:o,s:o,s:o,s:o,s:n}", "kind", hb_policy_kind_name(k),
                         "configured", s.name, "promoted", h->stage->changes.len > 0, "since", "canary",
                         "active", in_use_json(h, k, HB_POLICY_ACTIVE), "shadow",
                         in_use_json(h, k, HB_POLICY_SHADOWING), "previous",
                         hb_stage_policy_version_json(h, k, HB_POLICY_PREVIOUS), "candidates",
                         candidates_json(h, k), "trouble");
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

json_t *hb_stage_policy_names(const hb_policies *p, enum hb_policy_place place) {
        json_t *o = json_object();
        struct hb_policy_status s;

        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                if (hb_policies_status_of(p, (enum hb_policy_kind)k, place, &s) == 0)
                        json_object_set_new(o, hb_policy_kind_name((enum hb_policy_kind)k),
                                            hb_ctl_text(s.name));
        return o;
}

json_t *hb_stage_lanes_json(const struct hb_stage_host *h, const char *only) {
        json_t *a = json_array();

        for (unsigned i = 0; i < h->stage->nguests; i++) {
                const struct hb_stage_guest *g = &h->stage->guests[i];
                const hb_policies *p = hb_stage_policies_of(h, g);
                struct hb_lane_score active, shadow;
                json_t *shadows;

                if (!p || (only && strcmp(only, g->name) != 0))
                        continue;
                hb_policies_lane(p, HB_LANE_ACTIVE, &active);
                hb_policies_lane(p, HB_LANE_SHADOW, &shadow);
                shadows = hb_stage_policy_names(p, HB_POLICY_SHADOWING);
                json_array_append_new(a,
                                      json_pack("{s:s,s:b,s:o,s:o,s:o,s:o}", "guest", g->name, "canary", 0,
                                                "active", lane_json(&active), "shadow",
                                                json_object_size(shadows) ? lane_json(&shadow) : json_null(),
                                                "active_names", hb_stage_policy_names(p, HB_POLICY_ACTIVE),
                                                "shadow_names", shadows));
        }
        return a;
}

/* ---- one placement's ---- */

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

json_t *hb_stage_placed_json(const struct hb_stage_guest *g) {
        const hb_policies *p = hb_replay_policies_of(g->replay);
        json_t *a = json_array();
        struct hb_policy_status s;

        for (unsigned i = 0; p && i < HB_POLICY_KINDS; i++) {
                enum hb_policy_kind k = (enum hb_policy_kind)i;
                bool shadow;
                json_t *j;

                hb_policies_status(p, k, &s);
                j = status_json(&s);
                json_object_set_new(j, "kind", json_string(hb_policy_kind_name(k)));
                shadow = hb_policies_status_of(p, k, HB_POLICY_SHADOWING, &s) == 0;
                json_object_set_new(j, "shadow", shadow ? status_json(&s) : json_null());
                json_array_append_new(a, j);
        }
        return a;
}

json_t *hb_stage_params_json(const struct hb_stage_host *h, enum hb_policy_kind k,
                             enum hb_policy_place place) {
        const hb_policies *p = any_policies(h);
        struct hb_policy_param params[64];
        unsigned n = p ? hb_policies_params(p, k, place, params, 64) : 0;
        json_t *a = json_array();

        for (unsigned i = 0; i < n && i < 64; i++)
                json_array_append_new(a,
                                      json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:s,s:s}", "name", params[i].name,
                                                "type", params[i].type, "value", hb_ctl_real(params[i].value),
                                                "default", hb_ctl_real(params[i].initial), "min",
                                                hb_ctl_real(params[i].min), "max", hb_ctl_real(params[i].max),
                                                "unit", params[i].unit, "help", params[i].help));
        return a;
}
