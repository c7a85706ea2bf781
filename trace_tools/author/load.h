/* load: a policy's file, wherever it lies, into the real sandbox. */
#pragma once
#include "policy/plugin.h"
#include <limits.h>

struct hb_author_policy {
        enum hb_policy_kind kind;
        char name[64];
        char path[PATH_MAX]; /* absolute */
        char dir[PATH_MAX];  /* the policy folder, in which hb.use looks; of a file that lies in none: its own
                                folder */
};

/* The kind is that of the folder it lies in (predict/, score/, threshold/), of a file elsewhere what its text
 * says
 * (`kind = "scorer"`). -ENOENT and the like; -EINVAL: no policy by its name or text. */
int hb_author_find(const char *path, struct hb_author_policy *ret, struct hb_err *e);
int hb_author_read(const struct hb_author_policy *p, struct hb_policy_source *ret, struct hb_err *e);
/* Both and hb_plugin_new. */
int hb_author_load(const char *path, const struct hb_plugin_limits *limits, hb_guard *guard, hb_plugin **ret,
                   struct hb_author_policy *ret_where, struct hb_err *e);
extern const struct hb_plugin_limits hb_author_limits; /* those of a daemon without settings of its own */
