/* source_parts: what source*.c share. */
#pragma once
#include "policy/source.h"

/* A file's bytes. -ENOENT without an error set: the caller knows what it was looking for. */
int hb_policy_file_read(const char *path, char **ret_text, size_t *ret_size, struct hb_err *e);
void hb_policy_source_hash(struct hb_policy_source *s);
/* "predict/recency": a folder and a name, nothing else, so no path leads out of the policy folder. */
bool hb_policy_part_name_ok(const char *name);
/* Puts a part in its place by name and owns the text from then on. -EEXIST, -E2BIG, -EFBIG: it does not. */
int hb_policy_source_add(struct hb_policy_source *s, const char *name, char *text, size_t size);

struct hb_policy_scan { /* an hb.use found in a text */
        const char *at, *end;
        unsigned line, found; /* found: the line of the hb.use */
        char name[96];
};
struct hb_policy_scan hb_policy_scan_begin(const char *text, size_t size);
/* 1: the next one is in `name`; 0: there is none any more; -EINVAL: an hb.use in `found` that is not followed
 * by a literal with a part's name. */
int hb_policy_scan_next(struct hb_policy_scan *s);
/* Whether the text calls a method of that name: `x:name`. */
bool hb_policy_scan_method(const char *text, size_t size, const char *name);
