/* check: whether a policy is fit to be loaded. Each problem found is told at once, with its file and line. */
#pragma once
#include "author/load.h"

struct hb_author_problem {
        const char *check;     /* "load", "run", "repeat", "save", "cost", "lint" */
        char file[PATH_MAX];   /* as the operator wrote it, where it is the policy's own */
        unsigned line, column; /* 0: of the file as a whole */
        char text[HB_PLUGIN_MESSAGE + 32];
};
typedef void hb_author_found(void *arg, const struct hb_author_problem *p);

struct hb_author_report {
        struct hb_author_policy policy;
        char version[32], hash[33];
        bool loaded;
        unsigned problems, params;
        struct hb_plugin_limits limits;
        double load_ms;        /* with the trial on awkward inputs */
        double call_ms;        /* the longest call seen, of all its methods, on full batches */
        double ns_per_page;    /* full batches; thresholds: 0 */
        double call_us;        /* thresholds: a call */
        uint64_t memory_bytes; /* after all of it */
};

/* Loads it (syntax, table, trial on awkward inputs), lives through two minutes of made-up guests with it,
 * twice, and measures it. -ENOENT and the like: there was nothing to check; problems are no errors. */
int hb_author_check(const char *path, hb_author_found *found, void *arg, struct hb_author_report *ret,
                    struct hb_err *e);

/* A message of the host ("score/calm.lua:12: ...") taken apart. */
void hb_author_locate(const struct hb_author_policy *p, const char *path, const char *message,
                      struct hb_author_problem *ret);
/* A line of luacheck's plain formatter ("FILE:3:7: (W211) unused variable 'x'"); false: it is none. */
bool hb_author_lint_line(const char *line, struct hb_author_problem *ret);
