/* plugin_try: a newly loaded policy's trial on inputs that are legal and awkward: empty guests, dead links,
 * pages never seen, rates from nothing to millions, single pages, full batches; a past of every shape,
 * lessons it was never shown, and its own memory carried to another state. */
#pragma once
#include "policy/plugin_inside.h"

/* The first failure of a call, with its message. */
int hb_plugin_try(hb_plugin *p, char message[HB_PLUGIN_MESSAGE]);

struct hb_history;
struct hb_trial_past { /* a small guest's history; zeros where the policy does not look back */
        struct hb_history *history;
        uint32_t *gfn; /* HB_POLICY_BATCH of them */
        uint32_t window;
};
/* plugin_try_learn.c */
int hb_trial_past_new(struct hb_trial_past *ret); /* -ENOMEM */
void hb_trial_past_free(struct hb_trial_past *t);
/* observe, rehearse and learn, as far as it has them. */
int hb_trial_learn(hb_plugin *p, const struct hb_trial_past *past, const struct hb_policy_pages *pages,
                   const struct hb_policy_guest *guest, char message[HB_PLUGIN_MESSAGE]);
/* save, and restore in a fresh state. */
int hb_trial_carry_over(hb_plugin *p, char message[HB_PLUGIN_MESSAGE]);
