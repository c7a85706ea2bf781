/* beside: a file that appears under its name only when it is whole: written as "NAME.tmp.PID" in the same
 * folder, then renamed. */
#pragma once
#include "base/err.h"
#include <limits.h>
#include <stdbool.h>

struct hb_beside {
        const char *path; /* the caller's */
        char temporary[PATH_MAX];
        bool replace, made;
};

/* Creates the temporary file 0640 and opens it. -EEXIST when `path` is there and may not be replaced; never
 * replaces what is no regular file. Returns the descriptor. */
int hb_beside_new(struct hb_beside *b, const char *path, bool replace, struct hb_err *e);
int hb_beside_commit(struct hb_beside *b, int fd, struct hb_err *e); /* fsync and rename; fd stays open */
void hb_beside_drop(struct hb_beside *b); /* what was not committed is gone; may be called always */
/* A file without a name in the folder of `path` (in /tmp for "-"). Returns its descriptor. */
int hb_beside_scratch(const char *path, struct hb_err *e);
