/* builtin: the default policies in C, the answer that is always there. They compute what
 * policies/predict/ewma.lua, policies/score/cost_benefit.lua and policies/threshold/adaptive.lua compute with
 * their default parameters, bit for bit (a unit test compares them); change them together. No state but what
 * is passed in; NULL columns are zeros. */
#pragma once
#include "policy/policy.h"

void hb_builtin_predict(const struct hb_policy_pages *pages, const struct hb_policy_guest *g, float *accesses,
                        float *writes);
void hb_builtin_score(const struct hb_policy_pages *pages, const struct hb_policy_link *l, float *scores);
/* The terms of page `at`'s answer, by the names the Lua files give them (hb.term); none for a threshold. */
struct hb_builtin_terms {
        unsigned n;
        struct {
                const char *name;
                double value;
        } term[8];
};
void hb_builtin_explain(enum hb_policy_kind k, const struct hb_policy_pages *pages, uint32_t at,
                        const struct hb_policy_link *l, struct hb_builtin_terms *ret);
/* What the threshold remembers from call to call; all zero at the start. */
struct hb_builtin_memory {
        bool called;
        double now_s, wasted, harm, shy;
};

double hb_builtin_threshold(struct hb_builtin_memory *m, const struct hb_policy_guest *g,
                            const struct hb_policy_link *l, const struct hb_policy_accuracy *a,
                            double previous);
