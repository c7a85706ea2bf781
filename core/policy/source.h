/* source: where policies come from. A policy named N of a kind is the file DIR/<folder>/N.lua; its bytes are
 * read once and kept, so what runs, also after a reload, is what the hash names. */
#pragma once
#include "base/bytes.h"
#include "policy/policy.h"
#include <stddef.h>

#define HB_POLICY_SOURCE_MAX (256u << 10) /* bytes of one file */
#define HB_POLICY_BUNDLE_MAX (1u << 20)   /* of a file and its parts together */
#define HB_POLICY_PARTS      16u

struct hb_policy_part { /* a file that hb.use names */
        char name[96];  /* "predict/recency" */
        char *text;
        size_t size;
};

struct hb_policy_source {
        char *text;
        size_t size;
        char path[512], chunk[96];
        char hash[33];                               /* of the text, and of all parts if there are any */
        struct hb_policy_part part[HB_POLICY_PARTS]; /* what it uses, and what those use; by name */
        unsigned parts;
};

const char *hb_policy_folder(enum hb_policy_kind k); /* "predict", "score", "threshold" */
/* Also reads what the text names with hb.use, and what that names. -EINVAL a bad name, -ENOENT no such file
 * (the error lists those there are), -EFBIG, -ELOOP files that use each other, or the system's error. */
int hb_policy_source_read(const char *dir, enum hb_policy_kind k, const char *name,
                          struct hb_policy_source *ret, struct hb_err *e);
/* Takes the text from memory, under a made-up path, without parts. */
int hb_policy_source_set(enum hb_policy_kind k, const char *name, const void *text, size_t size,
                         struct hb_policy_source *ret);
/* Gives a source without parts those its text names, from a policy folder; the hash then covers them. As
 * hb_policy_source_read; after a failure `s` is still to be freed. */
int hb_policy_source_gather(const char *dir, struct hb_policy_source *s, struct hb_err *e);
/* One policy with its parts as bytes, as they lie in the store, in a trace and on the control socket; and
 * back, bounds-checked, the hash computed anew. Pack: -ENOMEM. Unpack: -EBADMSG, -EFBIG, -ENOMEM. */
int hb_policy_source_pack(enum hb_policy_kind k, const char *name, const struct hb_policy_source *s,
                          struct hb_buf *out);
int hb_policy_source_unpack(const void *data, size_t size, enum hb_policy_kind *ret_kind, char ret_name[64],
                            struct hb_policy_source *ret);
int hb_policy_source_copy(const struct hb_policy_source *s, struct hb_policy_source *ret); /* -ENOMEM */
void hb_policy_source_free(struct hb_policy_source *s); /* leaves it empty */
/* Whether it, or a part, calls a method `model`: what it answers depends on a model too. */
bool hb_policy_source_asks_model(const struct hb_policy_source *s);
/* Its part of that name, NULL: it has none. */
const struct hb_policy_part *hb_policy_source_part(const struct hb_policy_source *s, const char *name);
