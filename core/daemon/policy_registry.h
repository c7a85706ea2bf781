/* policy_registry: which policies this host uses. Of each kind there is an active one, perhaps a shadow and a
 * previous one; every placement here is given these, and every change of them. Versions are known by the hash
 * of their bytes and kept in the store, with who did what, when and why.
 *
 * What the settings name is active until somebody promotes another; what was promoted stays, over restarts,
 * until the settings name another policy. A version is checked once, on a thread of its own, before anybody
 * is given it; one that is refused changes nothing. Loop thread. */
#pragma once
#include "daemon/daemon.h"
#include "daemon/policy_lead.h"
#include "policy/policy.h"

struct hb_incoming;

struct hb_policy_placed { /* who is where in a placement's policies, as of its next epoch: hashes, "" nobody
                           */
        char active[33], shadow[33], previous[33];
        char noticed[2][33]; /* the active one's, the shadow's quarantine was reported */
        struct hb_lead_guest lead;
};

/* Sets d->policies. Policies that cannot be used are no failure: placements are then refused, and why. */
int hb_policy_registry_new(hb_daemon *d, struct hb_err *e);
void hb_policy_registry_free(hb_daemon *d);
void hb_policy_registry_reloaded(hb_daemon *d); /* other settings are in force */

/* A set for one placement: from files where they are what is active, else the built-ins, to be changed by
 * hb_policy_registry_placed. So a recording, which names files and holds changes, can be replayed exactly. */
int hb_policy_registry_make(hb_daemon *d, const char *guest, hb_policies **ret, struct hb_err *e);
/* Its engine is there: brings it to what is active and what shadows here. */
void hb_policy_registry_placed(struct hb_incoming *in);

json_t *hb_policy_registry_json(const hb_daemon *d);         /* short, for status */
json_t *hb_policy_placed_json(const struct hb_incoming *in); /* of one placement, a policy a kind */
json_t *hb_policy_swaps_json(const struct hb_incoming *in);
/* What an operator should look at: one call of `tell` each. */
void hb_policy_registry_doctor(const hb_daemon *d,
                               void (*tell)(void *arg, const char *ok, const char *next, const char *detail),
                               void *arg);

/* ---- commands ---- */
void hb_policy_cmd_list(hb_daemon *d, hb_request *r, json_t *args);
void hb_policy_cmd_show(hb_daemon *d, hb_request *r, json_t *args);
void hb_policy_cmd_load(hb_daemon *d, hb_request *r, json_t *args);
void hb_policy_cmd_shadow(hb_daemon *d, hb_request *r, json_t *args);
void hb_policy_cmd_drop(hb_daemon *d, hb_request *r, json_t *args);
void hb_policy_cmd_promote(hb_daemon *d, hb_request *r, json_t *args);
void hb_policy_cmd_rollback(hb_daemon *d, hb_request *r, json_t *args);
void hb_policy_cmd_history(hb_daemon *d, hb_request *r, json_t *args);
void hb_policy_cmd_diff(hb_daemon *d, hb_request *r, json_t *args);
void hb_policy_cmd_tune(hb_daemon *d, hb_request *r, json_t *args);
void hb_policy_cmd_explain(hb_daemon *d, hb_request *r, json_t *args);
