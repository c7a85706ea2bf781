/* policy_resolve: which version an operator means. What stands in a place is looked for first, then what the
 * store has kept, then the policy folder; a word that fits more than one version of different kinds, or more
 * than one hash, is refused, not guessed at. Loop thread; reads a file at most. */
#include "daemon/policy_priv.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int hb_policy_kind_read(const char *text, enum hb_policy_kind *ret) {
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++)
                if (strcmp(text, hb_policy_kind_name((enum hb_policy_kind)i)) == 0) {
                        *ret = (enum hb_policy_kind)i;
                        return 0;
                }
        return -EINVAL;
}

void hb_policy_found_free(struct hb_policy_found *f) {
        hb_buf_free(&f->packed);
}

static int out_of_memory(const char *text, struct hb_err *e) {
        return hb_err_set(e, -ENOMEM, text, NULL, "no memory for a policy");
}

static int from_place(struct hb_policy_version *v, const char *label, struct hb_policy_found *ret,
                      struct hb_err *e) {
        struct hb_policy_found f = {.kind = v->kind, .number = v->number, .version = v};
        memcpy(f.name, v->name, sizeof f.name);
        memcpy(f.hash, v->hash, sizeof f.hash);
        snprintf(f.label, sizeof f.label, "%.55s@%u%s%s", v->name, v->number, label[0] ? " " : "", label);
        hb_buf_raw(&f.packed, v->packed, v->size);
        if (f.packed.failed) {
                hb_policy_found_free(&f);
                return out_of_memory(v->name, e);
        }
        *ret = f;
        return 0;
}

/* ---- KIND, KIND@shadow, KIND@previous ---- */

static int by_place(hb_policy_registry *reg, enum hb_policy_kind kind, const char *place,
                    struct hb_policy_found *ret, struct hb_err *e) {
        struct hb_registry_kind *k = &reg->kinds[kind];
        struct hb_policy_version *v = !place[0] || strcmp(place, "active") == 0 ? k->active
                                      : strcmp(place, "shadow") == 0            ? k->shadow
                                      : strcmp(place, "previous") == 0          ? k->previous
                                                                                : NULL;
        if (v)
                return from_place(v, place[0] ? place : "active", ret, e);
        return hb_err_set(e, -ENOENT, hb_policy_kind_name(kind), "harbinger policy list",
                          "there is no %.20s %s here", place[0] ? place : "active",
                          hb_policy_kind_name(kind));
}

/* ---- in a place, or kept ---- */

struct search {
        const char *name; /* "" : by hash */
        const char *hash;
        unsigned number; /* 0: the newest */
        struct hb_store_policy best;
        unsigned hits;
        bool kinds_differ;
};

static bool fits(const struct search *s, const char *name, const char *hash, unsigned number) {
        if (!s->name[0])
                return strncmp(hash, s->hash, strlen(s->hash)) == 0;
        return strcmp(name, s->name) == 0 && (!s->number || s->number == number);
}

/* Oldest first: the last one that fits is the newest. */
static int look(void *arg, const struct hb_store_policy *p) {
        struct search *s = arg;
        if (!fits(s, p->name, p->hash, p->number))
                return 0;
        s->kinds_differ |= s->hits && strcmp(s->best.kind, p->kind) != 0;
        s->best = *p;
        s->hits++;
        return 0;
}

static struct hb_policy_version *standing(hb_policy_registry *reg, const struct search *s) {
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                struct hb_registry_kind *k = &reg->kinds[i];
                struct hb_policy_version *places[] = {k->active, k->shadow, k->previous};
                for (unsigned j = 0; j < 3; j++)
                        if (places[j] && fits(s, places[j]->name, places[j]->hash, places[j]->number))
                                return places[j];
        }
        return NULL;
}

static int from_store(hb_policy_registry *reg, const struct hb_store_policy *p, struct hb_policy_found *ret,
                      struct hb_err *e) {
        struct hb_policy_found f = {.number = p->number};
        int r = hb_policy_kind_read(p->kind, &f.kind);
        if (r == 0)
                r = hb_store_policy_source(reg->d->store, p->kind, p->hash, &f.packed);
        if (r < 0) {
                hb_policy_found_free(&f);
                return hb_err_set(e, r, p->name, "see state_dir/harbinger.db",
                                  "the kept policy cannot be read");
        }
        memcpy(f.name, p->name, sizeof f.name);
        memcpy(f.hash, p->hash, sizeof f.hash);
        snprintf(f.label, sizeof f.label, "%.55s@%u", p->name, p->number);
        *ret = f;
        return 0;
}

/* ---- in the folder ---- */

/* How many kinds have a file of this name; the last one's in *ret. */
static unsigned in_folder(hb_policy_registry *reg, const char *name, struct hb_policy_found *ret) {
        struct hb_policy_source s;
        unsigned n = 0;
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                enum hb_policy_kind kind = (enum hb_policy_kind)i;
                if (hb_policy_source_read(reg->d->settings->policy_dir, kind, name, &s, NULL) < 0)
                        continue;
                hb_policy_found_free(ret);
                *ret = (struct hb_policy_found){.kind = kind};
                snprintf(ret->name, sizeof ret->name, "%s", name);
                snprintf(ret->label, sizeof ret->label, "%s/%.55s.lua", hb_policy_folder(kind), name);
                memcpy(ret->hash, s.hash, sizeof ret->hash);
                if (hb_policy_source_pack(kind, name, &s, &ret->packed) == 0)
                        n++;
                hb_policy_source_free(&s);
        }
        return n;
}

static int ambiguous(const char *text, const char *next, struct hb_err *e) {
        return hb_err_set(e, -EINVAL, text, next, "more than one policy is meant by this");
}

static int missing(const char *text, struct hb_err *e) {
        return hb_err_set(e, -ENOENT, text, "harbinger policy list shows those there are",
                          "no policy of this name or hash is known here");
}

static bool is_hash(const char *text) {
        size_t n = strlen(text);
        if (n < 6 || n > 32)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isxdigit((unsigned char)text[i]) || isupper((unsigned char)text[i]))
                        return false;
        return true;
}

int hb_policy_resolve(hb_policy_registry *reg, const char *text, struct hb_policy_found *ret,
                      struct hb_err *e) {
        char name[64];
        const char *at = strchr(text, '@');
        size_t n = at ? (size_t)(at - text) : strlen(text);
        struct search s = {.name = name, .hash = text};
        struct hb_policy_found f = {0};
        enum hb_policy_kind kind;
        if (n >= sizeof name)
                return missing(text, e);
        snprintf(name, sizeof name, "%.*s", (int)n, text);
        if (hb_policy_kind_read(name, &kind) == 0)
                return by_place(reg, kind, at ? at + 1 : "", ret, e);
        s.number = at ? (unsigned)strtoul(at + 1, NULL, 10) : 0;
        if (at && !s.number)
                return missing(text, e);
        struct hb_policy_version *v = standing(reg, &s);
        if (!v && !at && (n = in_folder(reg, name, &f)) > 0) {
                *ret = f;
                return n == 1 ? 0 : (hb_policy_found_free(&f), ambiguous(text, "say which with --kind", e));
        }
        if (!v)
                hb_store_policies(reg->d->store, look, &s);
        if (!v && !s.hits && !at && is_hash(text)) {
                name[0] = '\0';
                if (!(v = standing(reg, &s)))
                        hb_store_policies(reg->d->store, look, &s);
                if (s.hits > 1)
                        return ambiguous(text, "give more digits of the hash", e);
        }
        if (v)
                return from_place(v, "", ret, e);
        if (s.kinds_differ)
                return ambiguous(text, "give its hash: harbinger policy history", e);
        return s.hits ? from_store(reg, &s.best, ret, e) : missing(text, e);
}
