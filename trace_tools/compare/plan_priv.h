/* plan_priv: what the plan's files share; no other file includes it. */
#pragma once
#include "compare/compare.h"
#include "policy/source.h"
#include <stddef.h>

/* 128 bits in hex, of a text. */
void hb_compare_hash_text(const char *text, size_t size, char ret[33]);

/* Calls fn for each word of a comma list, blanks around it removed; a word that is empty or too long is
 * -EINVAL. `label` for errors: "--policy". */
int hb_compare_words(const char *list, const char *label,
                     int (*fn)(void *arg, const char *word, struct hb_err *e), void *arg, struct hb_err *e);

/* Reads, stages, loads and adds the policies of `o`, and settles the base. */
int hb_compare_plan_policies(struct hb_compare_plan *p, const struct hb_compare_options *o, struct hb_err *e);

/* plan_stage.c: copies of the policies. Make: the plan's folder; folder: that of the policy to be added next;
 * stage: a policy of kind k into it, with the files it uses and, when it asks one, the model of the policy
 * folder `dir` (may be NULL); sets its name and hash. */
int hb_compare_stage_make(struct hb_compare_plan *p, struct hb_err *e);
int hb_compare_stage_folder(const struct hb_compare_plan *p, struct hb_compare_policy *to, struct hb_err *e);
int hb_compare_stage(const char *dir, struct hb_compare_policy *to, int k, const char *name,
                     const struct hb_policy_source *s, struct hb_err *e);
void hb_compare_unstage_one(const struct hb_compare_policy *policy);
void hb_compare_unstage(struct hb_compare_plan *p);
