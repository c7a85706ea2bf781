/* plugin: one policy file in its sandbox: loaded, checked, called. It reports failures; what to do about them
 * is host.c's. No Lua in this header. One thread at a time. */
#pragma once
#include "policy/guard.h"
#include "policy/policy.h"
#include "policy/source.h"

typedef struct hb_plugin hb_plugin;

#define HB_PLUGIN_MESSAGE 224

struct hb_plugin_limits {
        uint64_t memory_bytes, deadline_ns, seed;
};

/* The inputs of all three kinds; each takes what it needs. Predictors and scorers read `pages`, thresholds
 * `histogram`. */
struct hb_plugin_call {
        const struct hb_policy_pages *pages; /* at most HB_POLICY_BATCH */
        const struct hb_policy_guest *guest;
        const struct hb_policy_link *link;
        const struct hb_policy_accuracy *accuracy;
        const uint32_t *histogram;
        double previous;
        float *out[2]; /* pages->n floats: accesses and writes, or scores; garbage after a failure */
        double number; /* threshold's result */
};

/* Takes the source over (also on failure). Compiles it, reads its table, tries it on adversarial inputs, and
 * starts afresh. */
int hb_plugin_new(enum hb_policy_kind k, const char *name, struct hb_policy_source *source,
                  const struct hb_plugin_limits *limits, hb_guard *guard, hb_plugin **ret, struct hb_err *e);
hb_plugin *hb_plugin_free(hb_plugin *p);
/* 0, -ETIME, -ENOMEM or -EINVAL, with the reason in `message`. Results are finite. After -ETIME and -ENOMEM
 * the policy has been started afresh from its source, without what it remembered. */
int hb_plugin_run(hb_plugin *p, struct hb_plugin_call *c, char message[HB_PLUGIN_MESSAGE],
                  uint64_t *ret_cpu_ns);
const char *hb_plugin_version(const hb_plugin *p);
const char *hb_plugin_hash(const hb_plugin *p);
