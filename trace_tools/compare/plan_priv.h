/* plan_priv: what the plan's files share; no other file includes it. */
#pragma once
#include "compare/compare.h"
#include <stddef.h>

/* 128 bits in hex, of a text. */
void hb_compare_hash_text(const char *text, size_t size, char ret[33]);

/* Calls fn for each word of a comma list, blanks around it removed; a word that is empty or too long is
 * -EINVAL. `label` for errors: "--policy". */
int hb_compare_words(const char *list, const char *label,
                     int (*fn)(void *arg, const char *word, struct hb_err *e), void *arg, struct hb_err *e);

/* Reads, stages, loads and adds the policies of `o`, and settles the base. */
int hb_compare_plan_policies(struct hb_compare_plan *p, const struct hb_compare_options *o, struct hb_err *e);
void hb_compare_unstage(struct hb_compare_plan *p);
