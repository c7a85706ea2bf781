/* plugin: one policy file in its sandbox: loaded, checked, called. It reports failures; what to do about them
 * is policies.c's. No Lua in this header. One thread at a time. */
#pragma once
#include "base/bytes.h"
#include "policy/change.h"
#include "policy/guard.h"
#include "policy/lesson.h"
#include "policy/policy.h"
#include "policy/source.h"

typedef struct hb_plugin hb_plugin;

#define HB_PLUGIN_MESSAGE 224

struct hb_plugin_limits {
        uint64_t memory_bytes, deadline_ns, seed;
        bool tried; /* these bytes have passed hb_plugin_new before: no trial on awkward inputs again */
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
        /* hb.term: called for each, with the value at index `at` of its vector. NULL: hb.term does nothing.
         */
        void (*term)(void *arg, const char *name, double value);
        void *term_arg;
        uint32_t at;
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

/* Which of the optional methods it has, and what it asked for in its table. */
struct hb_plugin_wants {
        bool observe, rehearse, learn, save, restore, history, model;
};
void hb_plugin_wants(const hb_plugin *p, struct hb_plugin_wants *ret);
/* What pages:model() asks; borrowed, may be another between two calls; NULL: none, and it returns nil. */
struct hb_model;
void hb_plugin_set_model(hb_plugin *p, const struct hb_model *m);

/* Each as hb_plugin_run: deadline, results, what happens after -ETIME. A method it has not: 0, nothing done.
 */
int hb_plugin_observe(hb_plugin *p, const struct hb_policy_observed *o, const struct hb_policy_guest *g,
                      char message[HB_PLUGIN_MESSAGE], uint64_t *ret_cpu_ns);
int hb_plugin_rehearse(hb_plugin *p, const struct hb_policy_pages *pages, const struct hb_policy_guest *g,
                       uint64_t lesson, char message[HB_PLUGIN_MESSAGE], uint64_t *ret_cpu_ns);
int hb_plugin_learn(hb_plugin *p, const struct hb_policy_outcome *o, const struct hb_policy_guest *g,
                    char message[HB_PLUGIN_MESSAGE], uint64_t *ret_cpu_ns);
/* Plain data, encoded; empty when it has no `save`. */
int hb_plugin_save(hb_plugin *p, struct hb_buf *out, char message[HB_PLUGIN_MESSAGE]);
int hb_plugin_restore(hb_plugin *p, const void *data, size_t size, char message[HB_PLUGIN_MESSAGE]);

unsigned hb_plugin_params(const hb_plugin *p, struct hb_policy_param *ret, unsigned room);
/* From the next call on. -ENOENT, -ERANGE (also: no whole number, no boolean), with the reason. Kept when the
 * policy starts afresh. */
int hb_plugin_tune(hb_plugin *p, const char *param, double value, struct hb_err *e);
void hb_plugin_take_log(hb_plugin *p, void (*said)(void *arg, const char *line), void *arg);
void hb_plugin_counters(const hb_plugin *p, void (*counted)(void *arg, const char *name, double value),
                        void *arg);
const char *hb_plugin_note(const hb_plugin *p); /* "" when it said none */
uint64_t hb_plugin_memory(const hb_plugin *p);
const struct hb_policy_source *hb_plugin_source(const hb_plugin *p);
const char *hb_plugin_version(const hb_plugin *p);
const char *hb_plugin_hash(const hb_plugin *p);
