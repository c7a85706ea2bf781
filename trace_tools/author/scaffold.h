/* scaffold: the first file of a new policy, which works as it stands, and the specification beside it. */
#pragma once
#include "base/err.h"
#include "policy/policy.h"
#include <limits.h>

struct hb_author_files {
        char policy[PATH_MAX], spec[PATH_MAX]; /* DIR/predict/NAME.lua, DIR/spec/NAME_spec.lua */
};

/* Makes the folders as needed. -EEXIST: one of the two is there already, nothing was written; -EINVAL a bad
 * name; or the system's error. */
int hb_author_scaffold(enum hb_policy_kind kind, const char *name, const char *dir,
                       struct hb_author_files *ret, struct hb_err *e);
/* Of a kind: the text with @NAME@ for the name. */
extern const char *const hb_author_policy_text[HB_POLICY_KINDS], *const hb_author_spec_text[HB_POLICY_KINDS];
