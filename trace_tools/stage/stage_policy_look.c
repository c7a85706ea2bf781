/* stage_policy_look: policies listed and shown, side by side with their shadows, and one page's way through
 * them. Changes nothing. */
#include "stage/stage_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *str(json_t *args, const char *key) {
        const char *s = json_string_value(json_object_get(args, key));

        return s ? s : "";
}

/* ---- asked for ---- */

static void cmd_list(struct hb_stage_host *h, hb_request *r) {
        const char *dir = h->stage->policy_dir;
        json_t *kinds = json_array();

        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                json_array_append_new(kinds, hb_stage_policy_kind_json(h, (enum hb_policy_kind)k));
        hb_request_ok(r, json_pack("{s:o,s:o,s:o}", "dir", hb_ctl_text(dir ? dir : ""), "kinds", kinds,
                                   "guests", hb_stage_lanes_json(h, NULL)));
}

static void cmd_shadow(struct hb_stage_host *h, hb_request *r, json_t *args) {
        const char *only = json_string_value(json_object_get(args, "guest"));
        json_t *kinds = json_array();

        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                enum hb_policy_kind k = (enum hb_policy_kind)i;

                json_array_append_new(
                        kinds, json_pack("{s:s,s:o,s:o,s:n}", "kind", hb_policy_kind_name(k), "active",
                                         hb_stage_policy_version_json(h, k, HB_POLICY_ACTIVE), "shadow",
                                         hb_stage_policy_version_json(h, k, HB_POLICY_SHADOWING), "canary"));
        }
        hb_request_ok(r, json_pack("{s:o,s:o}", "kinds", kinds, "guests", hb_stage_lanes_json(h, only)));
}

/* KIND, KIND@shadow, KIND@previous, NAME, or the beginning of a hash. */
static const struct hb_stage_version *find(const struct hb_stage_host *h, const char *text) {
        static const char *const places[] = {"active", "shadow", "previous"};
        const char *at = strchr(text, '@');
        size_t n = at ? (size_t)(at - text) : strlen(text);
        const hb_stage *s = h->stage;
        struct hb_policy_status st;

        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                for (int p = HB_POLICY_ACTIVE; p <= HB_POLICY_PREVIOUS; p++)
                        if (strlen(hb_policy_kind_name((enum hb_policy_kind)k)) == n &&
                            strncmp(hb_policy_kind_name((enum hb_policy_kind)k), text, n) == 0 &&
                            strcmp(at ? at + 1 : "active", places[p]) == 0 &&
                            hb_stage_policy_status(h, (enum hb_policy_kind)k, (enum hb_policy_place)p, &st) ==
                                    0)
                                return hb_stage_version_of(s, (enum hb_policy_kind)k, st.hash);
        for (unsigned i = s->nversions; i-- > 0;)
                if (strcmp(s->versions[i].name, text) == 0 ||
                    (n >= 6 && strncmp(s->versions[i].hash, text, n) == 0))
                        return &s->versions[i];
        return NULL;
}

/* A policy's text need not end in a NUL, nor be UTF-8 in its comments. */
static json_t *text_json(const char *text, size_t size) {
        char *copy = malloc(size + 1); /* not strndup: it may look at the byte after the last */
        json_t *j;

        if (!copy)
                return NULL;
        if (size)
                memcpy(copy, text, size);
        copy[size] = '\0';
        j = hb_ctl_text(copy);
        free(copy);
        return j;
}

static json_t *parts_json(const struct hb_policy_source *s) {
        json_t *a = json_array();

        for (unsigned i = 0; i < s->parts; i++)
                json_array_append_new(a, json_pack("{s:s,s:o}", "name", s->part[i].name, "source",
                                                   text_json(s->part[i].text, s->part[i].size)));
        return a;
}

static json_t *show_json(struct hb_stage_host *h, enum hb_policy_kind k, const char *name, const char *hash,
                         unsigned number, const struct hb_policy_source *src) {
        const char *place = hb_stage_policy_place(h, k, hash);
        enum hb_policy_place at = strcmp(place, "shadow") == 0     ? HB_POLICY_SHADOWING
                                  : strcmp(place, "previous") == 0 ? HB_POLICY_PREVIOUS
                                                                   : HB_POLICY_ACTIVE;
        struct hb_policy_status s = {0};
        json_t *j;

        if (place[0])
                hb_stage_policy_status(h, k, at, &s);
        j = json_pack("{s:s,s:s,s:s,s:s,s:i,s:s,s:o,s:o,s:o}", "kind", hb_policy_kind_name(k), "name", name,
                      "version", s.version, "hash", hash, "number", (int)number, "place", place, "source",
                      text_json(src->text, src->size), "parts", parts_json(src), "params",
                      place[0] ? hb_stage_params_json(h, k, at) : json_array());
        json_object_update_new(j, hb_stage_usage_json(h, k, hash));
        return j;
}

/* One that was never loaded here: as it lies in the folder. */
static bool show_file(struct hb_stage_host *h, hb_request *r, const char *name) {
        struct hb_policy_source src = {0};

        for (unsigned k = 0; h->stage->policy_dir && k < HB_POLICY_KINDS; k++)
                if (hb_policy_source_read(h->stage->policy_dir, (enum hb_policy_kind)k, name, &src, NULL) ==
                    0) {
                        hb_request_ok(r, show_json(h, (enum hb_policy_kind)k, name, src.hash, 0, &src));
                        hb_policy_source_free(&src);
                        return true;
                }
        return false;
}

static void cmd_show(struct hb_stage_host *h, hb_request *r, json_t *args) {
        const char *text = str(args, "policy");
        const struct hb_stage_version *v = find(h, text);
        struct hb_policy_source src = {0};
        enum hb_policy_kind k;
        char name[64];
        struct hb_err e;

        if (!v && show_file(h, r, text))
                return;
        if (!v) {
                hb_err_set(&e, -ENOENT, text, "harbinger policy list", "no policy of this name is here");
                hb_request_fail(r, &e);
                return;
        }
        if (v->packed.len)
                hb_policy_source_unpack(v->packed.data, v->packed.len, &k, name, &src);
        hb_request_ok(r, show_json(h, v->kind, v->name, v->hash, v->number, &src));
        hb_policy_source_free(&src);
}

bool hb_stage_cmd_policy_look(struct hb_stage_host *h, hb_request *r, const char *cmd, json_t *args) {
        struct hb_err e;

        if (strcmp(cmd, "policy.list") == 0)
                cmd_list(h, r);
        else if (strcmp(cmd, "policy.shadow") == 0)
                cmd_shadow(h, r, args);
        else if (strcmp(cmd, "policy.show") == 0)
                cmd_show(h, r, args);
        else if (strcmp(cmd, "policy.diff") == 0)
                hb_request_fail(r, (hb_stage_cannot(&e, str(args, "a"),
                                                    "it keeps no versions; use diff on the files"),
                                    &e));
        else
                return false;
        return true;
}

/* ---- one page ---- */

static void add_term(void *arg, enum hb_policy_kind k, const char *name, double value) {
        json_array_append_new(arg, json_pack("{s:s,s:o,s:o}", "kind", hb_policy_kind_name(k), "name",
                                             hb_ctl_text(name), "value", hb_ctl_real(value)));
}

static json_t *age(float s) {
        return s >= 1e9f ? json_null() : hb_ctl_real((double)s);
}

static json_t *page_json(const struct hb_engine_page_view *v) {
        json_t *j = json_pack("{s:s,s:b,s:b,s:b,s:b,s:b,s:i,s:o,s:o}", "state", hb_page_state_name(v->state),
                              "resident", v->resident, "wanted", v->wanted, "prefetched", v->prefetched,
                              "used", v->used, "known", v->known, "fetches", (int)v->fetches, "age_s",
                              age(v->age_s), "version_age_s", age(v->version_age_s));

        json_object_update_new(j,
                               json_pack("{s:o,s:o,s:o,s:o}", "read_heat", hb_ctl_real((double)v->read_heat),
                                         "write_heat", hb_ctl_real((double)v->write_heat), "run_length",
                                         hb_ctl_real((double)v->run_length), "bytes_to_send",
                                         hb_ctl_real((double)v->bytes_to_send)));
        return j;
}

static json_t *asked_names(const struct hb_stage_guest *g, bool shadow) {
        const hb_policies *p = hb_replay_policies_of(g->replay);
        json_t *o = hb_stage_policy_names(p, HB_POLICY_ACTIVE);

        if (shadow)
                json_object_update_new(o, hb_stage_policy_names(p, HB_POLICY_SHADOWING));
        return o;
}

static int explain(struct hb_stage_guest *g, json_int_t gfn, bool shadow, json_t **ret, struct hb_err *e) {
        struct hb_engine_explained x;
        json_t *terms = json_array();
        int rc = gfn < 0 ? hb_err_set(e, -EINVAL, g->name, NULL, "pages are numbered from 0")
                         : hb_replay_explain(g->replay, shadow, (uint64_t)gfn, add_term, terms, &x, e);

        if (rc < 0) {
                json_decref(terms);
                return rc;
        }
        *ret = json_pack("{s:s,s:I,s:b,s:o,s:o,s:o}", "guest", g->name, "gfn", gfn, "shadow", shadow,
                         "policies", asked_names(g, shadow), "page", page_json(&x.page), "terms", terms);
        json_object_update_new(*ret,
                               json_pack("{s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:s}", "predicted",
                                         hb_ctl_real((double)x.page.predicted), "predicted_writes",
                                         hb_ctl_real((double)x.page.predicted_writes), "score",
                                         hb_ctl_real((double)x.page.score), "cut", hb_ctl_real(x.cut),
                                         "candidates", (json_int_t)x.candidates, "ahead", (json_int_t)x.ahead,
                                         "alike", (json_int_t)x.alike, "why", hb_engine_why_text(x.why)));
        return 0;
}

void hb_stage_cmd_explain(struct hb_stage_host *h, hb_request *r, json_t *args) {
        const char *name = str(args, "guest");
        struct hb_stage_guest *g = hb_stage_guest_find(h->stage, name);
        struct hb_err e = {0};
        json_t *j = NULL;
        int rc;

        if (!g || !hb_stage_policies_of(h, g))
                rc = hb_err_set(&e, -ENOENT, name, "ask the host that it is placed on",
                                "no guest of this name is placed on host %s", hb_stage_host_name(h->side));
        else
                rc = explain(g, json_integer_value(json_object_get(args, "gfn")),
                             json_is_true(json_object_get(args, "shadow")), &j, &e);
        if (rc < 0)
                hb_request_fail(r, &e);
        else
                hb_request_ok(r, j);
}
