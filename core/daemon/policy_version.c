/* policy_version: versions of policies: read, checked, kept. A check loads the policy into a set of its own
 * and tries it there, on the registry's own thread, since trying costs a full batch many times over. What has
 * passed is only loaded afterwards, never tried again.
 *
 * Invariant: a version's bytes are those its hash names; they come from the file once and from memory or the
 * store ever after. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "daemon/policy_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the object ---- */

struct hb_policy_version *hb_policy_version_ref(struct hb_policy_version *v) {
        if (v)
                v->refs++;
        return v;
}

struct hb_policy_version *hb_policy_version_unref(struct hb_policy_version *v) {
        if (v && --v->refs == 0) {
                free(v->packed);
                free(v->params);
                free(v);
        }
        return NULL;
}

const struct hb_policy_param *hb_policy_version_param(const struct hb_policy_version *v, const char *param) {
        for (unsigned i = 0; i < v->nparams; i++)
                if (strcmp(v->params[i].name, param) == 0)
                        return &v->params[i];
        return NULL;
}

double hb_policy_version_value(const struct hb_policy_version *v, const struct hb_policy_param *p) {
        for (unsigned i = 0; i < v->ntuned; i++)
                if (strcmp(v->tuned[i].param, p->name) == 0)
                        return v->tuned[i].value;
        return p->initial;
}

void hb_policy_version_set(struct hb_policy_version *v, const char *param, double value) {
        unsigned i = 0;
        while (i < v->ntuned && strcmp(v->tuned[i].param, param) != 0)
                i++;
        if (i == HB_POLICY_PARAMS)
                return; /* it has no more params than that */
        snprintf(v->tuned[i].param, sizeof v->tuned[i].param, "%s", param);
        v->tuned[i].value = value;
        v->ntuned += i == v->ntuned;
}

/* ---- reading ---- */

static int read_text(const char *path, char **ret, size_t *ret_size, struct hb_err *e) {
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = fd < 0 ? -errno : 0;
        char *text = NULL;
        ssize_t n = 0;
        if (r == 0 && fstat(fd, &st) < 0)
                r = -errno;
        if (r == 0 && !S_ISREG(st.st_mode))
                r = hb_err_set(e, -EINVAL, path, "a policy is an ordinary file", "the policy is not a file");
        else if (r == 0 && st.st_size > (off_t)HB_POLICY_SOURCE_MAX)
                r = hb_err_set(e, -EFBIG, path, NULL, "the policy is larger than %u bytes",
                               HB_POLICY_SOURCE_MAX);
        else if (r == 0 &&
                 (!(text = malloc((size_t)st.st_size + 1)) || (n = read(fd, text, (size_t)st.st_size)) < 0))
                r = text ? -errno : -ENOMEM;
        if (r < 0 && !(e && e->code))
                hb_err_set(e, r, path, "make the file readable for the daemon", "cannot read the policy: %s",
                           hb_errno_name(r));
        if (fd >= 0)
                close(fd);
        if (r < 0) {
                free(text);
                return r;
        }
        *ret = text;
        *ret_size = (size_t)n;
        return 0;
}

/* FOLDER/predict/NAME.lua is of a policy folder and finds there what it uses; any other file finds that in
 * the settings' folder. */
static int read_path(const struct hb_policy_wish *w, struct hb_policy_source *ret, struct hb_err *e) {
        char dir[512], *slash, *text;
        const char *folder = hb_policy_folder(w->kind);
        size_t size;
        snprintf(dir, sizeof dir, "%s", w->path);
        if ((slash = strrchr(dir, '/')))
                *slash = '\0';
        if (slash && (slash = strrchr(dir, '/')) && strcmp(slash + 1, folder) == 0) {
                *slash = '\0';
                return hb_policy_source_read(dir, w->kind, w->name, ret, e);
        }
        int r = read_text(w->path, &text, &size, e);
        if (r < 0)
                return r;
        r = hb_policy_source_set(w->kind, w->name, text, size, ret);
        free(text);
        if (r < 0)
                return hb_err_set(e, r, w->path, "names are 1 to 63 letters, digits, '.', '_' or '-'",
                                  "this cannot be a policy's file");
        r = hb_policy_source_gather(w->dir, ret, e);
        if (r < 0)
                hb_policy_source_free(ret);
        return r;
}

static int read_source(const struct hb_policy_wish *w, struct hb_policy_source *ret, struct hb_err *e) {
        enum hb_policy_kind kind;
        char name[64];
        if (!w->packed)
                return w->path[0] ? read_path(w, ret, e)
                                  : hb_policy_source_read(w->dir, w->kind, w->name, ret, e);
        int r = hb_policy_source_unpack(w->packed, w->size, &kind, name, ret);
        if (r == 0 && (kind != w->kind || strcmp(name, w->name) != 0)) {
                hb_policy_source_free(ret);
                r = -EBADMSG;
        }
        return r < 0 ? hb_err_set(e, r, w->name, "load it from its file again",
                                  "the kept policy cannot be read")
                     : 0;
}

/* ---- checking ---- */

/* The shadow of a set that serves nobody: loading it there is the whole check. */
static int try_out(const struct hb_policy_wish *w, struct hb_policy_version *v, struct hb_err *e) {
        struct hb_policy_options o = {.dir = w->dir, .seed = 1};
        struct hb_policy_change c = {
                .op = HB_POLICY_SHADOW, .kind = v->kind, .source = v->packed, .size = v->size};
        struct hb_policy_status s;
        hb_policies *p = NULL;
        snprintf(c.name, sizeof c.name, "%s", v->name);
        int r = hb_policies_new(&o, &p, e);
        if (r == 0)
                r = hb_policies_change(p, &c, e);
        if (r == 0 && hb_policies_status_of(p, v->kind, HB_POLICY_SHADOWING, &s) == 0)
                snprintf(v->version, sizeof v->version, "%s", s.version);
        if (r == 0 && !(v->params = calloc(HB_POLICY_PARAMS, sizeof *v->params)))
                r = hb_err_set(e, -ENOMEM, v->name, NULL, "no memory for a policy");
        if (r == 0)
                v->nparams = hb_policies_params(p, v->kind, HB_POLICY_SHADOWING, v->params, HB_POLICY_PARAMS);
        if (v->nparams > HB_POLICY_PARAMS)
                v->nparams = HB_POLICY_PARAMS;
        hb_policies_free(p);
        return r;
}

static int check(const struct hb_policy_wish *w, struct hb_policy_version **ret, struct hb_err *e) {
        struct hb_policy_source s = {0};
        struct hb_buf b = {0};
        struct hb_policy_version *v = hb_fault("policy.check") ? NULL : calloc(1, sizeof *v);
        if (!v)
                return hb_err_set(e, -ENOMEM, w->name, NULL, "no memory for a policy");
        v->refs = 1;
        v->kind = w->kind;
        snprintf(v->name, sizeof v->name, "%s", w->name);
        int r = read_source(w, &s, e);
        if (r < 0)
                goto fail;
        snprintf(v->hash, sizeof v->hash, "%s", s.hash);
        r = hb_policy_source_pack(v->kind, v->name, &s, &b);
        v->packed = b.data;
        v->size = b.len;
        if (r < 0) {
                hb_err_set(e, r, w->name, NULL, "no memory for a policy");
                goto fail;
        }
        r = try_out(w, v, e);
        if (r < 0)
                goto fail;
        hb_policy_source_free(&s);
        *ret = v;
        return 0;
fail:
        hb_policy_source_free(&s);
        hb_policy_version_unref(v);
        return r;
}

/* ---- kept ---- */

static int take_tuned(void *arg, const struct hb_store_policy_param *p) {
        struct hb_policy_version *v = arg;
        const struct hb_policy_param *known = hb_policy_version_param(v, p->param);
        if (known && p->value >= known->min && p->value <= known->max)
                hb_policy_version_set(v, p->param, p->value);
        return 0;
}

/* The one that stands in a place already, if it is of the same bytes: what is tuned is then one thing. */
static struct hb_policy_version *same(hb_policy_registry *reg, struct hb_policy_version *v) {
        struct hb_registry_kind *k = &reg->kinds[v->kind];
        struct hb_policy_version *places[] = {k->active, k->shadow, k->previous};
        for (unsigned i = 0; i < 3; i++)
                if (places[i] && strcmp(places[i]->hash, v->hash) == 0) {
                        hb_policy_version_ref(places[i]);
                        hb_policy_version_unref(v);
                        return places[i];
                }
        return v;
}

static int keep(hb_policy_registry *reg, struct hb_policy_version **v, struct hb_err *e) {
        struct hb_store_policy row = {.wall_ns = hb_wall_ns()};
        *v = same(reg, *v);
        if ((*v)->number)
                return 0;
        snprintf(row.kind, sizeof row.kind, "%s", hb_policy_kind_name((*v)->kind));
        memcpy(row.hash, (*v)->hash, sizeof row.hash);
        memcpy(row.name, (*v)->name, sizeof row.name);
        memcpy(row.version, (*v)->version, sizeof row.version);
        int r = hb_store_policy_put(reg->d->store, &row, (*v)->packed, (*v)->size, &(*v)->number, e);
        if (r == 0)
                hb_store_policy_params(reg->d->store, row.kind, row.hash, take_tuned, *v);
        return r;
}

int hb_policy_check_now(hb_policy_registry *reg, const struct hb_policy_wish *w,
                        struct hb_policy_version **ret, struct hb_err *e) {
        struct hb_policy_version *v = NULL;
        int r = check(w, &v, e);
        if (r == 0)
                r = keep(reg, &v, e);
        if (r < 0)
                hb_policy_version_unref(v);
        else
                *ret = v;
        return r;
}

/* ---- on the jobs' thread ---- */

struct hb_policy_check {
        struct hb_policy_wish wish;
        hb_policy_checked *done;
        struct hb_policy_version *version;
        struct hb_err err;
        bool answered;
};

static int work(void *arg) {
        struct hb_policy_check *c = arg;
        return check(&c->wish, &c->version, &c->err);
}

static void done(void *owner, void *arg, int rc) {
        struct hb_policy_check *c = arg;
        hb_policy_registry *reg = owner;
        if (rc == 0)
                rc = keep(reg, &c->version, &c->err);
        c->answered = true;
        c->done(reg, &c->wish, rc == 0 ? c->version : NULL, rc == 0 ? NULL : &c->err);
}

static void drop(void *arg) {
        struct hb_policy_check *c = arg;
        struct hb_err e;
        if (!c->answered && c->wish.request) {
                hb_err_set(&e, -ECANCELED, c->wish.name, "ask again", "harbingerd is stopping");
                hb_request_fail(c->wish.request, &e);
        }
        hb_policy_version_unref(c->version);
        free(c->wish.packed);
        free(c);
}

static const struct hb_job_ops ops = {work, done, drop};

void hb_policy_check(hb_policy_registry *reg, const struct hb_policy_wish *w, hb_policy_checked *fn) {
        struct hb_policy_check *c = calloc(1, sizeof *c);
        struct hb_err e;
        if (c) {
                c->wish = *w;
                c->done = fn;
                hb_jobs_run(reg->jobs, &ops, c);
                return;
        }
        hb_err_set(&e, -ENOMEM, w->name, NULL, "no memory to check a policy");
        fn(reg, w, NULL, &e);
        free(w->packed);
}
