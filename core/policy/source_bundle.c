/* source_bundle: a policy's file with all that it names by hb.use, read as one.
 *
 * Invariant: parts stand in the order of their names, each once, and their names are a folder and a file of
 * the policy folder. What runs later is only what was gathered here: nothing is read while a policy runs. No
 * state, any thread. */
#include "base/fault.h"
#include "policy/source_parts.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static void feed(XXH3_state_t *h, const void *data, size_t size) {
        uint64_t length = size;

        XXH3_128bits_update(h, &length, sizeof length);
        XXH3_128bits_update(h, data, size);
}

/* A file that uses nothing has the hash of its bytes; one with parts that of all of them, each after its
 * length. */
void hb_policy_source_hash(struct hb_policy_source *s) {
        XXH128_hash_t h = XXH3_128bits(s->text, s->size);

        if (s->parts) {
                XXH3_state_t state;
                XXH3_128bits_reset(&state);
                feed(&state, s->text, s->size);
                for (unsigned i = 0; i < s->parts; i++) {
                        feed(&state, s->part[i].name, strlen(s->part[i].name));
                        feed(&state, s->part[i].text, s->part[i].size);
                }
                h = XXH3_128bits_digest(&state);
        }
        snprintf(s->hash, sizeof s->hash, "%016llx%016llx", (unsigned long long)h.high64,
                 (unsigned long long)h.low64);
}

const struct hb_policy_part *hb_policy_source_part(const struct hb_policy_source *s, const char *name) {
        for (unsigned i = 0; i < s->parts; i++)
                if (!strcmp(s->part[i].name, name))
                        return &s->part[i];
        return NULL;
}

bool hb_policy_source_asks_model(const struct hb_policy_source *s) {
        bool asks = hb_policy_scan_method(s->text, s->size, "model");

        for (unsigned i = 0; i < s->parts && !asks; i++)
                asks = hb_policy_scan_method(s->part[i].text, s->part[i].size, "model");
        return asks;
}

static size_t bundle_size(const struct hb_policy_source *s) {
        size_t total = s->size;

        for (unsigned i = 0; i < s->parts; i++)
                total += s->part[i].size;
        return total;
}

int hb_policy_source_add(struct hb_policy_source *s, const char *name, char *text, size_t size) {
        unsigned at = 0;

        while (at < s->parts && strcmp(s->part[at].name, name) < 0)
                at++;
        if (at < s->parts && !strcmp(s->part[at].name, name))
                return -EEXIST;
        if (s->parts == HB_POLICY_PARTS)
                return -E2BIG;
        if (bundle_size(s) + size > HB_POLICY_BUNDLE_MAX)
                return -EFBIG;
        memmove(&s->part[at + 1], &s->part[at], (s->parts - at) * sizeof s->part[0]);
        memset(&s->part[at], 0, sizeof s->part[at]);
        snprintf(s->part[at].name, sizeof s->part[at].name, "%s", name);
        s->part[at].text = text;
        s->part[at].size = size;
        s->parts++;
        return 0;
}

/* ---- gathering: depth first, the names on the way down in `path` ---- */

struct gathering {
        const char *dir;
        struct hb_policy_source *s;
        struct hb_err *e;
        char path[HB_POLICY_PARTS + 1][96];
        unsigned depth;
};

static int gather_text(struct gathering *g, const char *text, size_t size);

static int too_much(const struct gathering *g, int rc, const char *name) {
        if (rc == -E2BIG)
                return hb_err_set(g->e, rc, g->s->path, "put some of them into one file",
                                  "the policy uses more than %u files", HB_POLICY_PARTS);
        if (rc == -EFBIG)
                return hb_err_set(g->e, rc, g->s->path, NULL,
                                  "the policy and what it uses are larger than %u bytes",
                                  HB_POLICY_BUNDLE_MAX);
        return hb_err_set(g->e, rc, name, NULL, "cannot use '%s'", name);
}

static int gather_file(struct gathering *g, const char *name, unsigned line) {
        const char *user = g->path[g->depth - 1];
        char path[700], *text;
        size_t size;
        int rc;

        snprintf(path, sizeof path, "%.512s/%s.lua", g->dir, name);
        rc = hb_fault("policy.part") ? -ENOENT : hb_policy_file_read(path, &text, &size, g->e);
        if (rc == -ENOENT)
                return hb_err_set(g->e, rc, path, "put the file there or mend the name",
                                  "%s.lua:%u: hb.use: there is no '%s'", user, line, name);
        if (rc < 0)
                return rc;
        rc = hb_policy_source_add(g->s, name, text, size);
        if (rc < 0) {
                free(text);
                return too_much(g, rc, name);
        }
        snprintf(g->path[g->depth], sizeof g->path[0], "%s", name);
        g->depth++;
        rc = gather_text(g, text, size);
        g->depth--;
        return rc;
}

static int gather_one(struct gathering *g, const char *name, unsigned line) {
        for (unsigned i = 0; i < g->depth; i++)
                if (!strcmp(g->path[i], name))
                        return hb_err_set(g->e, -ELOOP, g->s->path, "move what both need into a third file",
                                          "%s.lua:%u: hb.use: '%s' uses this file itself",
                                          g->path[g->depth - 1], line, name);
        return hb_policy_source_part(g->s, name) ? 0 : gather_file(g, name, line);
}

static int gather_text(struct gathering *g, const char *text, size_t size) {
        struct hb_policy_scan scan = hb_policy_scan_begin(text, size);
        int rc;

        while ((rc = hb_policy_scan_next(&scan)) > 0) {
                rc = gather_one(g, scan.name, scan.found);
                if (rc < 0)
                        return rc;
        }
        if (rc < 0)
                return hb_err_set(g->e, rc, g->s->path, "write it so: hb.use \"lib/name\"",
                                  "%s.lua:%u: hb.use needs a file's name as it stands, folder and name",
                                  g->path[g->depth - 1], scan.found);
        return 0;
}

int hb_policy_source_gather(const char *dir, struct hb_policy_source *s, struct hb_err *e) {
        struct gathering g = {.dir = dir, .s = s, .e = e, .depth = 1};
        size_t n = strlen(s->chunk);
        int rc;

        snprintf(g.path[0], sizeof g.path[0], "%.*s", (int)(n > 4 ? n - 4 : n), s->chunk);
        rc = gather_text(&g, s->text, s->size);
        if (rc == 0)
                hb_policy_source_hash(s);
        return rc;
}
