/* stage_policies: the replay as a policy author's playground: a policy of the folder becomes the shadow, is
 * promoted, tuned, rolled back, on every simulated replay, through the same changes a daemon makes
 * (policy/change.h). What was changed stays changed when the replay begins again.
 *
 * Changes are kept in the order they were made and given to a replay that begins anew one after the other; a
 * promotion takes effect at its next epoch, so what comes after it waits for that. Only what every replay
 * takes is kept. Replays of recorded decisions take none. */
#include "stage/stage_priv.h"
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VERSIONS 256u
#define CHANGES  (16u << 20) /* bytes of all that was changed */

static const char *str(json_t *args, const char *key) {
        const char *s = json_string_value(json_object_get(args, key));

        return s ? s : "";
}

/* ---- versions ---- */

const struct hb_stage_version *hb_stage_version_of(const hb_stage *s, enum hb_policy_kind k,
                                                   const char *hash) {
        for (unsigned i = 0; i < s->nversions; i++)
                if (s->versions[i].kind == k && strcmp(s->versions[i].hash, hash) == 0)
                        return &s->versions[i];
        return NULL;
}

static unsigned next_number(const hb_stage *s, enum hb_policy_kind k, const char *name) {
        unsigned n = 1;

        for (unsigned i = 0; i < s->nversions; i++)
                n += s->versions[i].kind == k && strcmp(s->versions[i].name, name) == 0;
        return n;
}

/* packed (taken) may be empty: a built-in. */
static void add_version(hb_stage *s, enum hb_policy_kind k, const char *name, const char *hash,
                        struct hb_buf *packed) {
        struct hb_stage_version *more, *v;

        if (hb_stage_version_of(s, k, hash) || s->nversions == VERSIONS) {
                hb_buf_free(packed);
                return;
        }
        more = realloc(s->versions, (s->nversions + 1) * sizeof(*more));
        if (!more) {
                hb_buf_free(packed);
                return;
        }
        s->versions = more;
        v = &more[s->nversions];
        *v = (struct hb_stage_version){.kind = k, .number = next_number(s, k, name), .packed = *packed};
        snprintf(v->name, sizeof(v->name), "%s", name);
        snprintf(v->hash, sizeof(v->hash), "%s", hash);
        s->nversions++;
}

static void note_version(hb_stage *s, enum hb_policy_kind k, const struct hb_policy_status *st) {
        struct hb_policy_source src = {0};
        struct hb_buf packed = {0};

        if (!st->builtin && s->policy_dir &&
            hb_policy_source_read(s->policy_dir, k, st->name, &src, NULL) == 0 &&
            strcmp(src.hash, st->hash) == 0)
                hb_policy_source_pack(k, st->name, &src, &packed);
        hb_policy_source_free(&src);
        add_version(s, k, st->name, st->hash, &packed);
}

void hb_stage_policies_begin(hb_stage *s) {
        struct hb_policy_status st;

        for (unsigned i = 0; i < s->nguests; i++) {
                const hb_policies *p = hb_replay_policies_of(s->guests[i].replay);

                for (unsigned k = 0; p && k < HB_POLICY_KINDS; k++) {
                        hb_policies_status(p, (enum hb_policy_kind)k, &st);
                        note_version(s, (enum hb_policy_kind)k, &st);
                }
        }
}

void hb_stage_policies_free(hb_stage *s) {
        for (unsigned i = 0; i < s->nversions; i++)
                hb_buf_free(&s->versions[i].packed);
        free(s->versions);
        hb_buf_free(&s->changes);
}

/* ---- changes ---- */

void hb_stage_policies_again(struct hb_stage_guest *g) {
        hb_stage *s = g->stage;
        struct hb_policy_change c;

        while (!g->exact && g->changed_to < s->changes.len) {
                struct hb_rd rd = hb_rd_init(s->changes.data + g->changed_to, s->changes.len - g->changed_to);
                uint32_t size = hb_rd_u32(&rd);
                struct hb_rd one = hb_rd_init(s->changes.data + g->changed_to + 4, size);

                g->changed_to += 4 + size;
                if (hb_policy_change_decode(&one, &c) == 0)
                        hb_replay_change(g->replay, &c, NULL);
                if (c.op == HB_POLICY_PROMOTE || c.op == HB_POLICY_ROLLBACK)
                        return; /* at its next epoch */
        }
}

static int keep_change(hb_stage *s, const struct hb_policy_change *c) {
        size_t at = s->changes.len;

        hb_buf_u32(&s->changes, 0);
        hb_policy_change_encode(c, &s->changes);
        if (s->changes.failed || s->changes.len > CHANGES)
                return -ENOMEM;
        hb_buf_set_u32(&s->changes, at, (uint32_t)(s->changes.len - at - 4));
        return 0;
}

static json_t *failure(const struct hb_stage_guest *g, const struct hb_err *e) {
        return json_pack("{s:s,s:o}", "guest", g->name, "error", hb_ctl_error_json(e));
}

/* To every replay that takes orders. The first one's no is everybody's. */
static int apply(hb_stage *s, const struct hb_policy_change *c, json_t *failed, struct hb_err *e) {
        unsigned taken = 0;
        int rc;

        for (unsigned i = 0; i < s->nguests; i++) {
                struct hb_stage_guest *g = &s->guests[i];
                struct hb_err why = {0};

                if (g->exact)
                        continue;
                rc = hb_replay_change(g->replay, c, &why);
                if (rc < 0 && taken == 0) {
                        *e = why;
                        return rc;
                }
                if (rc < 0)
                        json_array_append_new(failed, failure(g, &why));
                taken++;
        }
        if (taken == 0)
                return hb_stage_cannot(e, NULL, "the decisions it shows were recorded");
        rc = keep_change(s, c);
        if (rc < 0)
                return hb_err_set(e, rc, NULL, "end it and begin it again",
                                  "too much was changed in this replay");
        for (unsigned i = 0; i < s->nguests; i++)
                s->guests[i].changed_to = s->changes.len;
        return 0;
}

/* ---- who did what ---- */

static void who_asks(const hb_request *r, char *out, size_t size) {
        struct passwd pw, *found = NULL;
        char buf[1024];
        unsigned uid;
        int pid;

        hb_request_peer(r, &pid, &uid);
        if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found)
                snprintf(out, size, "%s", pw.pw_name);
        else
                snprintf(out, size, "uid %u", uid);
}

/* Those whose policies change, by name. */
static void name_guests(const hb_stage *s, char *out, size_t size) {
        size_t at = 0;

        out[0] = 0;
        for (unsigned i = 0; i < s->nguests && at < size; i++)
                if (!s->guests[i].exact)
                        at += (size_t)snprintf(out + at, size - at, "%s%s", at ? " " : "", s->guests[i].name);
}

struct deed {
        const char *op, *name, *hash, *previous, *why;
        enum hb_policy_kind kind;
};

static void remember(struct hb_stage_host *h, const hb_request *r, const struct deed *d) {
        char who[48], when[32], text[512];
        time_t t = time(NULL);
        struct tm tm;

        name_guests(h->stage, text, sizeof(text));
        who_asks(r, who, sizeof(who));
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
        json_array_insert_new(h->stage->policy_history, 0,
                              json_pack("{s:s,s:o,s:s,s:s,s:o,s:s,s:s,s:o,s:s,s:s}", "time", when, "who",
                                        hb_ctl_text(who), "op", d->op, "kind", hb_policy_kind_name(d->kind),
                                        "name", hb_ctl_text(d->name), "hash", d->hash, "previous",
                                        d->previous, "why", hb_ctl_text(d->why), "guests", text, "result",
                                        "done"));
        while (json_array_size(h->stage->policy_history) > 256)
                json_array_remove(h->stage->policy_history, 256);
        hb_stage_tell(h->stage, h->side, HB_LOG_NOTICE, HB_ON_POLICY, NULL, NULL, "%s %s: %s, by %s",
                      hb_policy_kind_name(d->kind), d->name, d->op, who);
        h->stage->changed = true;
}

/* ---- asked for ---- */

static int read_kind(const char *text, enum hb_policy_kind *ret, struct hb_err *e) {
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                if (strcmp(text, hb_policy_kind_name((enum hb_policy_kind)k)) == 0) {
                        *ret = (enum hb_policy_kind)k;
                        return 0;
                }
        return hb_err_set(e, -EINVAL, text, "it is one of predictor, scorer, threshold",
                          "there is no such kind of policy");
}

static const struct hb_stage_guest *any_simulated(const hb_stage *s) {
        for (unsigned i = 0; i < s->nguests; i++)
                if (!s->guests[i].exact)
                        return &s->guests[i];
        return NULL;
}

static int status_at(const hb_stage *s, enum hb_policy_kind k, enum hb_policy_place place,
                     struct hb_policy_status *ret) {
        const struct hb_stage_guest *g = any_simulated(s);
        const hb_policies *p = g ? hb_replay_policies_of(g->replay) : NULL;

        return p ? hb_policies_status_of(p, k, place, ret) : -ENOENT;
}

/* The folder in which a policy of that name is; -ENOENT: none, or more than one. */
static int find_source(const hb_stage *s, const char *name, const char *kind, enum hb_policy_kind *k,
                       struct hb_policy_source *ret, struct hb_err *e) {
        struct hb_err why = {0};
        int rc = -ENOENT;

        if (!s->policy_dir)
                return hb_err_set(e, -ENOENT, name, "begin it with --policies DIR",
                                  "there is no policy folder");
        if (kind[0])
                return read_kind(kind, k, e) < 0 ? e->code
                                                 : hb_policy_source_read(s->policy_dir, *k, name, ret, e);
        for (unsigned i = 0; i < HB_POLICY_KINDS && rc == -ENOENT; i++) {
                *k = (enum hb_policy_kind)i;
                rc = hb_policy_source_read(s->policy_dir, *k, name, ret, &why);
        }
        if (rc < 0)
                *e = why;
        return rc;
}

static void answer_kind(struct hb_stage_host *h, hb_request *r, enum hb_policy_kind k, json_t *failed) {
        json_t *j = hb_stage_policy_kind_json(h, k);

        json_object_set_new(j, "failed", failed);
        hb_request_ok(r, j);
}

static int load(struct hb_stage_host *h, hb_request *r, json_t *args, enum hb_policy_kind *k, json_t *failed,
                struct hb_err *e) {
        struct hb_policy_source src = {0};
        struct hb_policy_status st;
        struct hb_buf packed = {0};
        struct hb_policy_change c = {.op = HB_POLICY_SHADOW};
        const char *name = str(args, "policy");
        char hash[33] = "";
        int rc;

        if (strchr(name, '/') || strchr(name, '@'))
                return hb_stage_cannot(e, name, "it loads policies of its folder by their names alone");
        rc = find_source(h->stage, name, str(args, "kind"), k, &src, e);
        if (rc == 0)
                memcpy(hash, src.hash, sizeof(hash));
        if (rc == 0 && status_at(h->stage, *k, HB_POLICY_ACTIVE, &st) == 0 && strcmp(st.hash, src.hash) == 0)
                rc = hb_err_set(e, -EEXIST, name, "edit it, or load another", "these very bytes are active");
        if (rc == 0 && hb_policy_source_pack(*k, name, &src, &packed) < 0)
                rc = hb_err_set(e, -ENOMEM, name, NULL, "no memory for a policy");
        hb_policy_source_free(&src);
        if (rc == 0) {
                c.kind = *k;
                c.source = packed.data;
                c.size = packed.len;
                rc = apply(h->stage, &c, failed, e);
        }
        if (rc == -EINVAL || rc == -ETIME || rc == -ENOMEM)
                rc = e->code = -EOPNOTSUPP; /* the command was right, the policy was not */
        if (rc < 0) {
                hb_buf_free(&packed);
                return rc;
        }
        add_version(h->stage, *k, name, hash, &packed);
        remember(h, r, &(struct deed){"shadow", name, hash, "", str(args, "why"), *k});
        return 0;
}

static void cmd_load(struct hb_stage_host *h, hb_request *r, json_t *args) {
        json_t *failed = json_array();
        enum hb_policy_kind k = HB_POLICY_PREDICTOR;
        struct hb_err e = {0};

        if (load(h, r, args, &k, failed, &e) == 0) {
                answer_kind(h, r, k, failed);
                return;
        }
        json_decref(failed);
        hb_request_fail(r, &e);
}

static int act(struct hb_stage_host *h, hb_request *r, json_t *args, enum hb_policy_op op, const char *word,
               enum hb_policy_kind *k, json_t *failed, struct hb_err *e) {
        enum hb_policy_place who = op == HB_POLICY_ROLLBACK ? HB_POLICY_PREVIOUS : HB_POLICY_SHADOWING;
        struct hb_policy_change c = {.op = op};
        struct hb_policy_status st = {0}, active = {0};
        int rc = read_kind(str(args, "kind"), k, e);

        if (rc < 0)
                return rc;
        if (json_is_true(json_object_get(args, "canary")))
                return hb_stage_cannot(e, str(args, "kind"), "its guests are too few for a canary");
        c.kind = *k;
        status_at(h->stage, *k, who, &st);
        status_at(h->stage, *k, HB_POLICY_ACTIVE, &active);
        rc = apply(h->stage, &c, failed, e);
        if (rc < 0)
                return rc;
        remember(h, r, &(struct deed){word, st.name, st.hash, active.hash, str(args, "why"), *k});
        return 0;
}

static void change(struct hb_stage_host *h, hb_request *r, json_t *args, enum hb_policy_op op,
                   const char *word) {
        json_t *failed = json_array();
        enum hb_policy_kind k = HB_POLICY_PREDICTOR;
        struct hb_err e = {0};

        if (act(h, r, args, op, word, &k, failed, &e) == 0) {
                answer_kind(h, r, k, failed);
                return;
        }
        json_decref(failed);
        hb_request_fail(r, &e);
}

static void cmd_tune(struct hb_stage_host *h, hb_request *r, json_t *args) {
        struct hb_policy_change c = {.op = HB_POLICY_TUNE,
                                     .shadow = json_is_true(json_object_get(args, "shadow")),
                                     .value = json_number_value(json_object_get(args, "value"))};
        enum hb_policy_place place = c.shadow ? HB_POLICY_SHADOWING : HB_POLICY_ACTIVE;
        json_t *failed = json_array(), *j;
        struct hb_policy_status st = {0};
        struct hb_err e = {0};
        int rc = read_kind(str(args, "kind"), &c.kind, &e);

        snprintf(c.param, sizeof(c.param), "%s", str(args, "param"));
        if (rc == 0)
                rc = apply(h->stage, &c, failed, &e);
        if (rc < 0) {
                json_decref(failed);
                hb_request_fail(r, &e);
                return;
        }
        status_at(h->stage, c.kind, place, &st);
        remember(h, r, &(struct deed){"tune", st.name, st.hash, "", str(args, "why"), c.kind});
        j = json_pack("{s:s,s:s,s:s,s:s,s:o,s:o}", "name", st.name, "version", st.version, "hash", st.hash,
                      "kind", hb_policy_kind_name(c.kind), "params", hb_stage_params_json(h, c.kind, place),
                      "failed", failed);
        hb_request_ok(r, j);
}

static void cmd_history(struct hb_stage_host *h, hb_request *r, json_t *args) {
        json_t *v = json_object_get(args, "limit"), *one, *a = json_array();
        json_int_t limit = v ? json_integer_value(v) : 20;
        const char *kind = str(args, "kind");
        size_t i;

        json_array_foreach(h->stage->policy_history, i, one) {
                bool wanted = !kind[0] || strcmp(kind, json_string_value(json_object_get(one, "kind"))) == 0;

                if (wanted && (json_int_t)json_array_size(a) < limit)
                        json_array_append(a, one);
        }
        hb_request_ok(r, json_pack("{s:o}", "events", a));
}

bool hb_stage_cmd_policy(struct hb_stage_host *h, hb_request *r, const char *cmd, json_t *args) {
        if (strcmp(cmd, "policy.load") == 0)
                cmd_load(h, r, args);
        else if (strcmp(cmd, "policy.promote") == 0)
                change(h, r, args, HB_POLICY_PROMOTE, "promote");
        else if (strcmp(cmd, "policy.rollback") == 0)
                change(h, r, args, HB_POLICY_ROLLBACK, "rollback");
        else if (strcmp(cmd, "policy.drop") == 0)
                change(h, r, args, HB_POLICY_DROP, "drop");
        else if (strcmp(cmd, "policy.tune") == 0)
                cmd_tune(h, r, args);
        else if (strcmp(cmd, "policy.history") == 0)
                cmd_history(h, r, args);
        else
                return hb_stage_cmd_policy_look(h, r, cmd, args);
        return true;
}
