/* source: where policies come from. A policy named N of a kind is the file DIR/<folder>/N.lua; its bytes are
 * read once and kept, so what runs, also after a reload, is what the hash names. */
#pragma once
#include "policy/policy.h"
#include <stddef.h>

#define HB_POLICY_SOURCE_MAX (256u << 10)

struct hb_policy_source {
        char *text;
        size_t size;
        char path[512], chunk[96], hash[33];
};

const char *hb_policy_folder(enum hb_policy_kind k); /* "predict", "score", "threshold" */
/* -EINVAL a bad name, -ENOENT no such file (the error lists those there are), -EFBIG, or the system's error.
 */
int hb_policy_source_read(const char *dir, enum hb_policy_kind k, const char *name,
                          struct hb_policy_source *ret, struct hb_err *e);
/* Takes the text from memory, under a made-up path. */
int hb_policy_source_set(enum hb_policy_kind k, const char *name, const void *text, size_t size,
                         struct hb_policy_source *ret);
void hb_policy_source_free(struct hb_policy_source *s);
