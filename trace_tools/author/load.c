/* load: from a path to a plugin. No state, any thread. */
#include "author/load.h"
#include "base/shape.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct hb_plugin_limits hb_author_limits = {
        .memory_bytes = 64u << 20, .deadline_ns = 50000000, .seed = 1};

static int read_text(const char *path, char **ret, size_t *ret_size, struct hb_err *e) {
        FILE *f = fopen(path, "re");
        char *text = malloc(HB_POLICY_SOURCE_MAX + 1);
        size_t n = f && text ? fread(text, 1, HB_POLICY_SOURCE_MAX + 1, f) : 0;
        int rc = !f ? -errno : !text ? -ENOMEM : ferror(f) ? -EIO : n > HB_POLICY_SOURCE_MAX ? -EFBIG : 0;

        if (f)
                fclose(f);
        if (rc < 0) {
                free(text);
                return hb_err_set(e, rc, path, rc == -EFBIG ? "a policy has at most 256 KiB" : NULL,
                                  "cannot read the policy: %s", strerror(-rc));
        }
        *ret = text;
        *ret_size = n;
        return 0;
}

/* What follows `kind =` in quotes, wherever that stands first. */
static bool kind_in_text(const char *text, size_t size, enum hb_policy_kind *ret) {
        for (size_t i = 0; i + 4 < size; i++) {
                size_t at = i + 4;
                if (memcmp(text + i, "kind", 4) || (i && isalnum((unsigned char)text[i - 1])))
                        continue;
                while (at < size && (isspace((unsigned char)text[at]) || text[at] == '='))
                        at++;
                if (at >= size || (text[at] != '"' && text[at] != '\''))
                        continue;
                for (int k = 0; k < HB_POLICY_KINDS; k++) {
                        const char *name = hb_policy_kind_name((enum hb_policy_kind)k);
                        size_t n = strlen(name);
                        if (at + 1 + n < size && !memcmp(text + at + 1, name, n) &&
                            text[at + 1 + n] == text[at]) {
                                *ret = (enum hb_policy_kind)k;
                                return true;
                        }
                }
        }
        return false;
}

static bool kind_of_folder(const char *folder, enum hb_policy_kind *ret) {
        for (int k = 0; k < HB_POLICY_KINDS; k++)
                if (!strcmp(folder, hb_policy_folder((enum hb_policy_kind)k))) {
                        *ret = (enum hb_policy_kind)k;
                        return true;
                }
        return false;
}

static int kind_by_text(struct hb_author_policy *p, struct hb_err *e) {
        char *text;
        size_t size;
        int rc = read_text(p->path, &text, &size, e);

        if (rc < 0)
                return rc;
        if (!kind_in_text(text, size, &p->kind))
                rc = hb_err_set(
                        e, -EINVAL, p->path,
                        "say kind = \"predictor\", \"scorer\" or \"threshold\" in its table",
                        "the file lies in no folder of a kind, nor does it say which kind of policy it is");
        free(text);
        return rc;
}

/* Cuts the last part off; returns it. */
static char *cut_last(char *path) {
        char *slash = strrchr(path, '/');

        *slash = 0;
        return slash + 1;
}

int hb_author_find(const char *path, struct hb_author_policy *ret, struct hb_err *e) {
        struct hb_author_policy p = {.kind = HB_POLICY_PREDICTOR};
        char *base, *folder, copy[PATH_MAX];
        size_t n;

        if (!realpath(path, p.path))
                return hb_err_set(e, -errno, path, "name a policy's file", "there is no such policy: %s",
                                  strerror(errno));
        strcpy(copy, p.path);
        base = cut_last(copy);
        n = strlen(base);
        if (n < 5 || strcmp(base + n - 4, ".lua") || n - 4 >= sizeof(p.name))
                return hb_err_set(e, -EINVAL, path, "a policy's file is NAME.lua", "not a policy's file");
        snprintf(p.name, sizeof(p.name), "%.*s", (int)n - 4, base);
        if (!hb_name_ok(p.name))
                return hb_err_set(e, -EINVAL, path, "names are 1 to 63 letters, digits, '.', '_' or '-'",
                                  "not a name of a policy");
        strcpy(p.dir, *copy ? copy : "/");
        folder = strrchr(copy, '/');
        if (folder && kind_of_folder(folder + 1, &p.kind)) {
                cut_last(p.dir);
        } else {
                int rc = kind_by_text(&p, e);
                if (rc < 0)
                        return rc;
        }
        *ret = p;
        return 0;
}

int hb_author_read(const struct hb_author_policy *p, struct hb_policy_source *ret, struct hb_err *e) {
        struct hb_policy_source s;
        char *text;
        size_t size;
        int rc = read_text(p->path, &text, &size, e);

        if (rc < 0)
                return rc;
        rc = hb_policy_source_set(p->kind, p->name, text, size, &s);
        free(text);
        if (rc < 0)
                return hb_err_set(e, rc, p->path, NULL, "cannot read the policy: %s", strerror(-rc));
        rc = hb_policy_source_gather(p->dir, &s, e);
        if (rc < 0)
                hb_policy_source_free(&s);
        else
                *ret = s;
        return rc;
}

int hb_author_load(const char *path, const struct hb_plugin_limits *limits, hb_guard *guard, hb_plugin **ret,
                   struct hb_author_policy *ret_where, struct hb_err *e) {
        struct hb_author_policy where;
        struct hb_policy_source source;
        int rc = hb_author_find(path, &where, e);

        if (rc == 0)
                rc = hb_author_read(&where, &source, e);
        if (rc == 0)
                rc = hb_plugin_new(where.kind, where.name, &source, limits, guard, ret, e);
        if (rc == 0 && ret_where)
                *ret_where = where;
        return rc;
}
