/* policy_commands: what the control socket understands of policies. Who asked stands in the history with what
 * was asked: the user at the socket's other end, as the kernel tells it. Loop thread; what has to be loaded
 * is checked on the registry's own thread and answered when that is done. */
#include "base/clock.h"
#include "daemon/incoming.h"
#include "daemon/policy_priv.h"
#include "daemon/text_diff.h"
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *str(json_t *args, const char *key) {
        const char *s = json_string_value(json_object_get(args, key));
        return s ? s : "";
}

static bool flag(json_t *args, const char *key) {
        return json_is_true(json_object_get(args, key));
}

static void who_asks(const hb_request *r, char *out, size_t size) {
        struct passwd pw, *found = NULL;
        char buf[1024];
        unsigned uid;
        int pid;
        hb_request_peer(r, &pid, &uid);
        if (getpwuid_r(uid, &pw, buf, sizeof buf, &found) == 0 && found)
                snprintf(out, size, "%s", pw.pw_name);
        else
                snprintf(out, size, "uid %u", uid);
}

/* NULL: it was refused. */
static struct hb_registry_kind *need_kind(hb_daemon *d, hb_request *r, const char *text) {
        enum hb_policy_kind kind;
        struct hb_err e;
        if (hb_policy_kind_read(text, &kind) == 0)
                return &d->policies->kinds[kind];
        hb_err_set(&e, -EINVAL, text, "it is one of predictor, scorer, threshold",
                   "there is no such kind of policy");
        hb_request_fail(r, &e);
        return NULL;
}

/* ---- shown ---- */

void hb_policy_cmd_list(hb_daemon *d, hb_request *r, json_t *args) {
        json_t *kinds = json_array();
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++)
                json_array_append_new(kinds, hb_policy_kind_json(d->policies, &d->policies->kinds[i]));
        hb_request_ok(r, json_pack("{s:s,s:o,s:o}", "dir", d->settings->policy_dir, "kinds", kinds, "guests",
                                   hb_policy_lanes_json(d->policies, NULL)));
}

/* A policy's text need not end in a NUL, nor be UTF-8 in its comments. */
static json_t *source_json(const char *text, size_t size) {
        json_t *j = json_stringn(text, size);
        char *copy = j ? NULL : strndup(text, size);
        if (copy)
                j = hb_ctl_text(copy);
        free(copy);
        return j ? j : json_null();
}

static json_t *parts_json(const struct hb_policy_source *s) {
        json_t *a = json_array();
        for (unsigned i = 0; i < s->parts; i++)
                json_array_append_new(a, json_pack("{s:s,s:o}", "name", s->part[i].name, "source",
                                                   source_json(s->part[i].text, s->part[i].size)));
        return a;
}

static int unpack(const struct hb_policy_found *f, struct hb_policy_source *ret, struct hb_err *e) {
        enum hb_policy_kind kind;
        char name[64];
        int r = hb_policy_source_unpack(f->packed.data, f->packed.len, &kind, name, ret);
        return r < 0 ? hb_err_set(e, r, f->name, "load it from its file again",
                                  "the kept policy cannot be read")
                     : 0;
}

static const char *standing(const hb_daemon *d, const struct hb_policy_found *f) {
        const struct hb_registry_kind *k = &d->policies->kinds[f->kind];
        if (!f->version)
                return "";
        return f->version == k->active ? "active" : f->version == k->shadow ? "shadow" : "previous";
}

void hb_policy_cmd_show(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_policy_found f;
        struct hb_policy_source s;
        struct hb_err e;
        if (hb_policy_resolve(d->policies, str(args, "policy"), &f, &e) < 0) {
                hb_request_fail(r, &e);
                return;
        }
        if (unpack(&f, &s, &e) < 0) {
                hb_policy_found_free(&f);
                hb_request_fail(r, &e);
                return;
        }
        json_t *j = json_pack("{s:s,s:s,s:s,s:i,s:s,s:o,s:o,s:o}", "kind", hb_policy_kind_name(f.kind),
                              "name", f.name, "hash", f.hash, "number", (int)f.number, "place",
                              standing(d, &f), "source", source_json(s.text, s.size), "parts", parts_json(&s),
                              "params", hb_policy_params_json(f.version));
        json_object_set_new(j, "version", json_string(f.version ? f.version->version : ""));
        json_object_update_new(j, hb_policy_usage_json(d->policies, f.kind, f.hash));
        hb_policy_source_free(&s);
        hb_policy_found_free(&f);
        hb_request_ok(r, j);
}

void hb_policy_cmd_shadow(hb_daemon *d, hb_request *r, json_t *args) {
        const char *guest = str(args, "guest");
        struct hb_err e;
        if (*guest && !hb_incoming_find(d, guest)) {
                hb_err_set(&e, -ENOENT, guest, "harbinger status shows the placements here",
                           "no guest of this name is placed on host %s", d->settings->name);
                hb_request_fail(r, &e);
                return;
        }
        json_t *kinds = json_array();
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                const struct hb_registry_kind *k = &d->policies->kinds[i];
                json_array_append_new(kinds,
                                      json_pack("{s:s,s:o,s:o,s:o}", "kind", hb_policy_kind_name(k->kind),
                                                "active", hb_policy_version_json(k->active), "shadow",
                                                hb_policy_version_json(k->shadow), "canary",
                                                k->canary > 0 ? json_real(k->canary) : json_null()));
        }
        hb_request_ok(r, json_pack("{s:o,s:o}", "kinds", kinds, "guests",
                                   hb_policy_lanes_json(d->policies, *guest ? guest : NULL)));
}

static int add_event(void *arg, const struct hb_store_policy_event *v) {
        time_t t = (time_t)(v->wall_ns / HB_NS_PER_S);
        struct tm tm;
        char when[32];
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
        json_t *j = json_pack("{s:s,s:o,s:s,s:s,s:o,s:s,s:s}", "time", when, "who", hb_ctl_text(v->who), "op",
                              v->op, "kind", v->kind, "name", hb_ctl_text(v->name), "hash", v->hash,
                              "previous", v->previous);
        json_object_update_new(j, json_pack("{s:o,s:o,s:o}", "why", hb_ctl_text(v->why), "guests",
                                            hb_ctl_text(v->guests), "result", hb_ctl_text(v->result)));
        json_array_append_new(arg, j);
        return 0;
}

void hb_policy_cmd_history(hb_daemon *d, hb_request *r, json_t *args) {
        json_t *limit = json_object_get(args, "limit"), *a = json_array();
        json_int_t n = limit ? json_integer_value(limit) : 20;
        struct hb_err e;
        if (*str(args, "kind") && !need_kind(d, r, str(args, "kind"))) {
                json_decref(a);
                return;
        }
        int rc = hb_store_policy_events(d->store, str(args, "kind"),
                                        n < 1       ? 1
                                        : n > 10000 ? 10000
                                                    : (unsigned)n,
                                        add_event, a);
        if (rc >= 0) {
                hb_request_ok(r, json_pack("{s:o}", "events", a));
                return;
        }
        json_decref(a);
        hb_err_set(&e, rc, "history", "see state_dir/harbinger.db", "the history cannot be read: %s",
                   hb_errno_name(rc));
        hb_request_fail(r, &e);
}

/* ---- differences ---- */

/* What a lone A is held against: a place of its kind. */
static const char *other_of(const hb_daemon *d, const struct hb_policy_found *a, char buf[40]) {
        const struct hb_registry_kind *k = &d->policies->kinds[a->kind];
        bool is_active = a->version && a->version == k->active;
        snprintf(buf, 40, "%s@%s", hb_policy_kind_name(a->kind),
                 !is_active  ? "active"
                 : k->shadow ? "shadow"
                             : "previous");
        return buf;
}

static const struct hb_policy_part *part_of(const struct hb_policy_source *s, const char *name) {
        return hb_policy_source_part(s, name);
}

static int diff_part(const struct hb_policy_found *a, const struct hb_policy_found *b, const char *name,
                     const struct hb_policy_part *pa, const struct hb_policy_part *pb, struct hb_buf *out) {
        char la[200], lb[200];
        snprintf(la, sizeof la, "%s %s", a->label, name);
        snprintf(lb, sizeof lb, "%s %s", b->label, name);
        struct hb_text x = {la, pa ? pa->text : "", pa ? pa->size : 0},
                       y = {lb, pb ? pb->text : "", pb ? pb->size : 0};
        return hb_text_diff(&x, &y, out);
}

/* Their own text first, then what they use, by name. */
static int diff_sources(const struct hb_policy_found *a, const struct hb_policy_source *sa,
                        const struct hb_policy_found *b, const struct hb_policy_source *sb,
                        struct hb_buf *out) {
        struct hb_text x = {a->label, sa->text, sa->size}, y = {b->label, sb->text, sb->size};
        int r = hb_text_diff(&x, &y, out);
        for (unsigned i = 0; r == 0 && i < sa->parts; i++)
                r = diff_part(a, b, sa->part[i].name, &sa->part[i], part_of(sb, sa->part[i].name), out);
        for (unsigned i = 0; r == 0 && i < sb->parts; i++)
                if (!part_of(sa, sb->part[i].name))
                        r = diff_part(a, b, sb->part[i].name, NULL, &sb->part[i], out);
        return r;
}

static int diff_json(const struct hb_policy_found *a, const struct hb_policy_found *b, json_t **ret,
                     struct hb_err *e) {
        struct hb_policy_source sa = {0}, sb = {0};
        struct hb_buf out = {0};
        int r = unpack(a, &sa, e);
        if (r == 0)
                r = unpack(b, &sb, e);
        if (r == 0 && (diff_sources(a, &sa, b, &sb, &out) < 0 || (hb_buf_u8(&out, 0), out.failed)))
                r = hb_err_set(e, -ENOMEM, a->name, NULL, "no memory to compare policies");
        if (r == 0)
                *ret = json_pack("{s:s,s:s,s:s,s:s,s:b,s:o}", "a", a->label, "a_hash", a->hash, "b", b->label,
                                 "b_hash", b->hash, "equal", strcmp(a->hash, b->hash) == 0, "diff",
                                 hb_ctl_text((const char *)out.data));
        hb_policy_source_free(&sa);
        hb_policy_source_free(&sb);
        hb_buf_free(&out);
        return r;
}

void hb_policy_cmd_diff(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_policy_found a = {0}, b = {0};
        struct hb_err e;
        char buf[40];
        json_t *j = NULL;
        int rc = hb_policy_resolve(d->policies, str(args, "a"), &a, &e);
        if (rc == 0)
                rc = hb_policy_resolve(d->policies, *str(args, "b") ? str(args, "b") : other_of(d, &a, buf),
                                       &b, &e);
        /* Of a place and nothing else the older one stands first, as in a change. */
        bool turned = rc == 0 && !*str(args, "b") && strcmp(standing(d, &b), "shadow") != 0;
        if (rc == 0)
                rc = turned ? diff_json(&b, &a, &j, &e) : diff_json(&a, &b, &j, &e);
        hb_policy_found_free(&a);
        hb_policy_found_free(&b);
        if (rc < 0)
                hb_request_fail(r, &e);
        else
                hb_request_ok(r, j);
}

/* ---- changed ---- */

static void answer_act(hb_daemon *d, hb_request *r, struct hb_registry_kind *k, struct hb_policy_act *a) {
        struct hb_err e;
        a->failed = json_array();
        if (hb_policy_act(d->policies, k, a, &e) < 0) {
                json_decref(a->failed);
                hb_request_fail(r, &e);
                return;
        }
        json_t *j = hb_policy_kind_json(d->policies, k);
        json_object_set_new(j, "failed", a->failed);
        hb_request_ok(r, j);
}

static void act(hb_daemon *d, hb_request *r, json_t *args, enum hb_policy_verb verb) {
        struct hb_registry_kind *k = need_kind(d, r, str(args, "kind"));
        char who[48];
        struct hb_policy_act a = {.verb = verb, .who = who, .why = str(args, "why")};
        if (!k)
                return;
        who_asks(r, who, sizeof who);
        answer_act(d, r, k, &a);
}

void hb_policy_cmd_drop(hb_daemon *d, hb_request *r, json_t *args) {
        act(d, r, args, HB_POLICY_DO_DROP);
}

void hb_policy_cmd_promote(hb_daemon *d, hb_request *r, json_t *args) {
        act(d, r, args, flag(args, "canary") ? HB_POLICY_DO_CANARY : HB_POLICY_DO_PROMOTE);
}

void hb_policy_cmd_rollback(hb_daemon *d, hb_request *r, json_t *args) {
        act(d, r, args, HB_POLICY_DO_ROLLBACK);
}

void hb_policy_cmd_tune(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_registry_kind *k = need_kind(d, r, str(args, "kind"));
        json_t *failed = json_array();
        bool shadow = flag(args, "shadow");
        struct hb_err e;
        char who[48];
        if (k)
                who_asks(r, who, sizeof who);
        if (k && hb_policy_tune(d->policies, k, shadow, str(args, "param"),
                                json_number_value(json_object_get(args, "value")), who, str(args, "why"),
                                failed, &e) < 0) {
                hb_request_fail(r, &e);
                k = NULL;
        }
        if (!k) {
                json_decref(failed);
                return;
        }
        const struct hb_policy_version *v = shadow ? k->shadow : k->active;
        json_t *j = hb_policy_version_json(v);
        json_object_update_new(j, json_pack("{s:s,s:o,s:o}", "kind", hb_policy_kind_name(k->kind), "params",
                                            hb_policy_params_json(v), "failed", failed));
        hb_request_ok(r, j);
}

/* ---- loaded ---- */

/* An exit code of its own: the command line was right, the policy was not. */
static void refusal(const struct hb_err *e, struct hb_err *ret) {
        *ret = *e;
        if (e->code == -EINVAL || e->code == -ETIME || e->code == -ENOMEM)
                ret->code = -EOPNOTSUPP;
}

static void loaded(hb_policy_registry *reg, const struct hb_policy_wish *w, struct hb_policy_version *v,
                   const struct hb_err *e) {
        struct hb_registry_kind *k = &reg->kinds[w->kind];
        struct hb_policy_act a = {.verb = HB_POLICY_DO_LOAD, .version = v, .who = w->who, .why = w->why};
        struct hb_err out;
        char line[256];
        if (v) {
                k->trouble.code = 0;
                if (!w->path[0])
                        hb_policy_watch_seen(k, v->name, v->hash);
                answer_act(reg->d, w->request, k, &a);
                return;
        }
        refusal(e, &out);
        k->trouble = out;
        snprintf(k->trouble_name, sizeof k->trouble_name, "%s", w->name);
        hb_policy_event(reg, w->kind, "refused", w->who, NULL, w->why, "",
                        hb_err_line(&out, line, sizeof line));
        hb_request_fail(w->request, &out);
}

/* Which kind a file is of: its folder says it, or its text. */
static int guess_kind(const char *path, enum hb_policy_kind *ret) {
        static const char *const quotes = "\"'";
        char text[4096], *at, folder[16];
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                snprintf(folder, sizeof folder, "/%s/", hb_policy_folder((enum hb_policy_kind)i));
                if (strstr(path, folder) && !strchr(strstr(path, folder) + strlen(folder), '/')) {
                        *ret = (enum hb_policy_kind)i;
                        return 0;
                }
        }
        FILE *f = fopen(path, "re");
        size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
        if (f)
                fclose(f);
        text[n] = '\0';
        for (at = text; (at = strstr(at, "kind")); at++) {
                char *q = at + 4 + strspn(at + 4, " =");
                size_t len = *q && strchr(quotes, *q) ? strcspn(q + 1, quotes) : 0;
                if (len && len < 16) {
                        q[1 + len] = '\0';
                        return hb_policy_kind_read(q + 1, ret);
                }
        }
        return -EINVAL;
}

/* Any file is read only for who could read it without us: the daemon is root. */
static int wish_path(hb_daemon *d, hb_request *r, const char *path, const char *kind,
                     struct hb_policy_wish *w, struct hb_err *e) {
        const char *base = strrchr(path, '/') + 1, *dir = d->settings->policy_dir;
        size_t n = strlen(base), dn = strlen(dir);
        bool inside = strncmp(path, dir, dn) == 0 && path[dn] == '/' && !strstr(path, "/../");
        unsigned uid;
        int pid;
        hb_request_peer(r, &pid, &uid);
        if (path[0] != '/' || n < 5 || strcmp(base + n - 4, ".lua") != 0)
                return hb_err_set(e, -EINVAL, path, "give a NAME, or the whole path of a NAME.lua",
                                  "this is not a policy's file");
        if (!inside && uid != 0 && uid != geteuid())
                return hb_err_set(e, -EACCES, path, "put it into the policy folder and load it by its name",
                                  "only root and harbingerd's own user may load files from outside %s", dir);
        if (*kind ? hb_policy_kind_read(kind, &w->kind) < 0 : guess_kind(path, &w->kind) < 0)
                return hb_err_set(e, -EINVAL, path, "add --kind predictor, scorer or threshold",
                                  access(path, R_OK) < 0 ? "the file cannot be read"
                                                         : "which kind of policy this is cannot be told");
        snprintf(w->path, sizeof w->path, "%s", path);
        snprintf(w->name, sizeof w->name, "%.*s", (int)n - 4, base);
        return 0;
}

static int wish_name(hb_daemon *d, const char *name, const char *kind, struct hb_policy_wish *w,
                     struct hb_err *e) {
        char path[512], folders[64] = "";
        unsigned hits = 0;
        if (*kind && hb_policy_kind_read(kind, &w->kind) < 0)
                return hb_err_set(e, -EINVAL, kind, "it is one of predictor, scorer, threshold",
                                  "there is no such kind of policy");
        snprintf(w->name, sizeof w->name, "%s", name);
        if (*kind)
                return 0; /* what is missing then is said by who reads it */
        for (unsigned i = 0; i < HB_POLICY_KINDS && hb_name_ok(name); i++) {
                enum hb_policy_kind k = (enum hb_policy_kind)i;
                snprintf(path, sizeof path, "%s/%s/%s.lua", d->settings->policy_dir, hb_policy_folder(k),
                         name);
                if (access(path, F_OK) < 0)
                        continue;
                w->kind = k;
                snprintf(folders + strlen(folders), sizeof folders - strlen(folders), " %s",
                         hb_policy_folder(k));
                hits++;
        }
        if (hits > 1)
                return hb_err_set(e, -EINVAL, name, "add --kind", "there are policies of this name in:%s",
                                  folders);
        return hits ? 0
                    : hb_err_set(e, -ENOENT, name, "harbinger policy list shows the files there are",
                                 "no policy of this name is in %s", d->settings->policy_dir);
}

/* One that was seen before: NAME@N, a hash, or a place. */
static int wish_kept(hb_daemon *d, const char *text, struct hb_policy_wish *w, struct hb_err *e) {
        struct hb_policy_found f;
        int r = hb_policy_resolve(d->policies, text, &f, e);
        if (r < 0)
                return r;
        w->kind = f.kind;
        memcpy(w->name, f.name, sizeof w->name);
        w->packed = f.packed.data; /* the wish's now */
        w->size = f.packed.len;
        return 0;
}

static int wish_of(hb_daemon *d, hb_request *r, json_t *args, struct hb_policy_wish *w, struct hb_err *e) {
        const char *policy = str(args, "policy"), *kind = str(args, "kind");
        struct hb_err other;
        if (strchr(policy, '/'))
                return wish_path(d, r, policy, kind, w, e);
        if (strchr(policy, '@'))
                return wish_kept(d, policy, w, e);
        int rc = wish_name(d, policy, kind, w, e);
        if (rc == -ENOENT && !*kind && wish_kept(d, policy, w, &other) == 0)
                return 0;
        return rc;
}

void hb_policy_cmd_load(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_policy_wish w = {.request = r};
        struct hb_err e;
        if (wish_of(d, r, args, &w, &e) < 0) {
                hb_request_fail(r, &e);
                return;
        }
        snprintf(w.dir, sizeof w.dir, "%s", d->settings->policy_dir);
        snprintf(w.why, sizeof w.why, "%s", str(args, "why"));
        who_asks(r, w.who, sizeof w.who);
        hb_policy_check(d->policies, &w, loaded);
}
