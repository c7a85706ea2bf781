/* plan_policies: the policies of a plan, from the words they are named by. Each is read once and copied into
 * a folder of the plan's own (plan_stage.c). */
#include "base/shape.h"
#include "compare/plan_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The scorer and predictor do not matter when nothing passes the cut; draining, everything goes. */
static const char nothing_source[] =
        "return { api = 1, kind = \"threshold\", name = \"nothing\", version = \"1\",\n"
        "  threshold = function(_, _, _, guest) return guest.draining and -1 or 2 end }\n";
#define NOTHING "nothing"

/* ---- words ---- */
static bool ends_in_lua(const char *word) {
        size_t n = strlen(word);

        return n > 4 && strcmp(word + n - 4, ".lua") == 0;
}

static int read_lua(const char *path, int k, const char *name, struct hb_policy_source *ret,
                    struct hb_err *e) {
        char *text = malloc(HB_POLICY_SOURCE_MAX + 1);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;
        ssize_t n = fd < 0 || !text ? -1 : read(fd, text, HB_POLICY_SOURCE_MAX + 1);

        if (n < 0)
                r = hb_err_set(e, text ? -errno : -ENOMEM, path, NULL, "cannot read the policy: %s",
                               text ? strerror(errno) : "out of memory");
        else if (n > (ssize_t)HB_POLICY_SOURCE_MAX)
                r = hb_err_set(e, -EFBIG, path, NULL, "the policy is larger than %u bytes",
                               HB_POLICY_SOURCE_MAX);
        else
                r = hb_policy_source_set(k, name, text, (size_t)n, ret);
        if (n >= 0 && r == -EINVAL)
                hb_err_set(e, r, path, "name the file with letters, digits, '.', '_' or '-'",
                           "not a name of a %s", hb_policy_kind_name(k));
        else if (n >= 0 && r == -ENOMEM)
                hb_err_set(e, r, path, NULL, "out of memory");
        if (fd >= 0)
                close(fd);
        free(text);
        return r;
}

/* A file from anywhere: what it uses lies in the policy folder. */
static int add_file(const char *dir, struct hb_compare_policy *to, int k, const char *path,
                    struct hb_err *e) {
        const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
        struct hb_policy_source s;
        char name[64];
        int r;

        snprintf(name, sizeof(name), "%.*s", (int)strlen(base) - 4, base);
        r = read_lua(path, k, name, &s, e);
        if (r < 0)
                return r;
        r = dir && *dir ? hb_policy_source_gather(dir, &s, e) : 0;
        if (r == 0)
                r = hb_compare_stage(dir, to, k, name, &s, e);
        hb_policy_source_free(&s);
        return r;
}

static int add_part(const char *dir, struct hb_compare_policy *to, int k, const char *word,
                    struct hb_err *e) {
        struct hb_policy_source s;
        int r;

        if (!*word || strcmp(word, "-") == 0 || strcmp(word, "default") == 0) {
                strcpy(to->hashes[k], "builtin");
                return 0;
        }
        if (ends_in_lua(word))
                return add_file(dir, to, k, word, e);
        r = hb_policy_source_read(dir, k, word, &s, e);
        if (r < 0)
                return r;
        r = hb_compare_stage(dir, to, k, word, &s, e);
        hb_policy_source_free(&s);
        return r;
}

static int add_nothing(struct hb_compare_policy *to, struct hb_err *e) {
        struct hb_policy_source s;
        int r = hb_policy_source_set(HB_POLICY_THRESHOLD, NOTHING, nothing_source, sizeof(nothing_source) - 1,
                                     &s);

        to->kind = HB_COMPARE_NOTHING;
        for (int k = 0; k < HB_POLICY_KINDS; k++)
                strcpy(to->hashes[k], "builtin");
        if (r < 0)
                return hb_err_set(e, r, NOTHING, NULL, "out of memory");
        r = hb_compare_stage(NULL, to, HB_POLICY_THRESHOLD, NOTHING, &s, e);
        hb_policy_source_free(&s);
        return r;
}

static int add_parts(const char *dir, struct hb_compare_policy *to, const char *word, struct hb_err *e) {
        char text[600], *part = text, *end;
        int r = 0, k;
        char separator = strchr(word, ':') || ends_in_lua(word) ? ':' : '/';

        snprintf(text, sizeof(text), "%s", strcmp(word, "default") == 0 ? "" : word);
        for (k = 0; k < HB_POLICY_KINDS && r == 0; k++) {
                end = part ? strchr(part, separator) : NULL;
                if (end)
                        *end++ = '\0';
                r = add_part(dir, to, k, part ? part : "", e);
                part = end;
        }
        if (r == 0 && part)
                r = hb_err_set(e, -EINVAL, word,
                               "PREDICTOR/SCORER/THRESHOLD, e.g. ewma/cost_benefit/adaptive",
                               "a policy has three parts");
        return r;
}

static void make_name(struct hb_compare_policy *to) {
        const char *part[HB_POLICY_KINDS];

        if (to->kind == HB_COMPARE_NOTHING) {
                strcpy(to->name, NOTHING);
                return;
        }
        for (int k = 0; k < HB_POLICY_KINDS; k++)
                part[k] = to->names[k][0] ? to->names[k] : "default";
        if (!to->names[0][0] && !to->names[1][0] && !to->names[2][0])
                strcpy(to->name, "default");
        else
                snprintf(to->name, sizeof(to->name), "%s/%s/%s", part[0], part[1], part[2]);
}

/* Loads it once, so that a mistake is named before hours of work, not after. */
static int try_it(const struct hb_compare_plan *p, const struct hb_compare_policy *policy, struct hb_err *e) {
        struct hb_policy_options o = {.dir = policy->dir, .seed = p->seed};
        hb_policies *loaded;
        int r;

        for (int k = 0; k < HB_POLICY_KINDS; k++)
                o.names[k] = policy->names[k][0] ? policy->names[k] : NULL;
        r = hb_policies_new(&o, &loaded, e);
        if (r == 0)
                hb_policies_free(loaded);
        return r;
}

struct adding {
        struct hb_compare_plan *p;
        const char *dir;
        unsigned at; /* of the last added or found */
};

static bool same(const struct hb_compare_policy *a, const struct hb_compare_policy *b) {
        return a->kind == b->kind && memcmp(a->hashes, b->hashes, sizeof(a->hashes)) == 0 &&
               memcmp(a->names, b->names, sizeof(a->names)) == 0;
}

/* Said twice is one and the same; another one of the same name gets a number. */
static void settle(struct adding *a, struct hb_compare_policy *to) {
        struct hb_compare_plan *p = a->p;
        size_t n = strlen(to->name);
        unsigned number = 1;

        for (a->at = 0; a->at < p->npolicies && !same(&p->policies[a->at], to); a->at++)
                ;
        if (a->at < p->npolicies) {
                hb_compare_unstage_one(to);
                memset(to, 0, sizeof(*to));
                return;
        }
        for (unsigned i = 0; i < p->npolicies; i++)
                if (strcmp(p->policies[i].name, to->name) == 0) {
                        snprintf(to->name + n, sizeof(to->name) - n, " (%u)", ++number);
                        i = (unsigned)-1;
                }
        p->npolicies++;
}

static int add_word(struct adding *a, struct hb_compare_policy *to, const char *word, struct hb_err *e) {
        int r;

        if (strcmp(word, "optimum") == 0) {
                to->kind = HB_COMPARE_OPTIMUM;
                strcpy(to->name, word);
                return 0;
        }
        r = hb_compare_stage_folder(a->p, to, e);
        if (r == 0)
                r = strcmp(word, NOTHING) == 0 ? add_nothing(to, e) : add_parts(a->dir, to, word, e);
        if (r == 0)
                r = try_it(a->p, to, e);
        if (r == 0)
                make_name(to);
        return r;
}

static int add_policy(void *arg, const char *word, struct hb_err *e) {
        struct adding *a = arg;
        struct hb_compare_plan *p = a->p;
        struct hb_compare_policy *to = &p->policies[p->npolicies];
        int r;

        if (p->npolicies == HB_COMPARE_MAX_POLICIES)
                return hb_err_set(e, -E2BIG, word, NULL, "more than %d policies", HB_COMPARE_MAX_POLICIES);
        memset(to, 0, sizeof(*to));
        r = add_word(a, to, word, e);
        if (r == 0)
                settle(a, to);
        return r;
}

/* The base is the one named, else the built-in triple; with `only` nothing is added, so it is the first. */
static int settle_base(struct adding *a, const struct hb_compare_options *o, struct hb_err *e) {
        struct hb_compare_plan *p = a->p;
        int r;

        if (!o->base && o->only)
                return 0;
        r = add_policy(a, o->base ? o->base : "default", e);
        p->base = r == 0 ? a->at : 0;
        return r;
}

int hb_compare_plan_policies(struct hb_compare_plan *p, const struct hb_compare_options *o,
                             struct hb_err *e) {
        struct adding a = {p, o->policy_dir, 0};
        int r = hb_compare_stage_make(p, e);

        if (r == 0)
                r = hb_compare_words(o->policies ? o->policies : "default", "--policy", add_policy, &a, e);
        if (r == 0)
                r = settle_base(&a, o, e);
        if (r == 0 && p->policies[p->base].kind == HB_COMPARE_OPTIMUM)
                r = hb_err_set(e, -EINVAL, "optimum", "name a policy as the base",
                               "bounds are no base for differences");
        if (r == 0 && !o->only)
                r = add_policy(&a, NOTHING, e);
        if (r == 0 && !o->only)
                r = add_policy(&a, "optimum", e);
        return r;
}
