/* change: swapping policies at run time.
 *
 *   SHADOW    `source` (a packed hb_policy_source) is loaded into a new state, checked and tried; it becomes
 *             the shadow of its kind, in place of the one there was. What the active one of that kind saved
 *             (its method `save`) is offered to it (its method `restore`). No source: the built-in.
 *   PROMOTE   the shadow becomes active at the next hb_policies_epoch, the active one the previous one (but
 *             one in quarantine goes, where there is a sound previous one).
 *   ROLLBACK  the previous one becomes active again at the next hb_policies_epoch, with the state it had; the
 *             two change places, so rolling back twice is back where one was. The one rolled back stands in
 *             for nobody until it is active again.
 *   DROP      the shadow goes.
 *   TUNE      a param of the active policy (or the shadow) gets another value, at the next epoch.
 *   MODEL     new weights (`source`: a model file's bytes) for every policy that asks the model.
 *
 * A `name` that is not empty must be that of the policy meant (ROLLBACK: the previous one), else nothing
 * happens. A change either happens whole or not at all, and says why not. Changes are inputs of the engine
 * (hb_engine_change), so that a recording holds them and a replay repeats them. Bytes on disk, in the store
 * and in a trace are those of hb_policy_change_encode. */
#pragma once
#include "base/bytes.h"
#include "policy/policy.h"

enum hb_policy_op {
        HB_POLICY_SHADOW = 1,
        HB_POLICY_PROMOTE,
        HB_POLICY_ROLLBACK,
        HB_POLICY_DROP,
        HB_POLICY_TUNE,
        HB_POLICY_MODEL,
        HB_POLICY_OPS
};

#define HB_POLICY_CHANGE_MAX (4u << 20) /* bytes of one */

struct hb_policy_change {
        enum hb_policy_op op;
        enum hb_policy_kind kind; /* all but MODEL */
        bool shadow;              /* TUNE: the shadow's */
        char name[64], param[64];
        double value;
        const void *source; /* SHADOW, MODEL; borrowed */
        size_t size;
        bool tried; /* SHADOW: these bytes have passed the check before (the daemon's worker did it): loaded,
                       not tried on awkward inputs again. Not encoded */
};

void hb_policy_change_encode(const struct hb_policy_change *c, struct hb_buf *out);
int hb_policy_change_decode(struct hb_rd *in, struct hb_policy_change *ret); /* -EBADMSG; source points in */

/* -EINVAL refused by its check, -ENOENT no shadow, no previous one or no such param, -ERANGE a value outside
 * the param's range, -EBADMSG a source or model that cannot be read, -ENOMEM. */
int hb_policies_change(hb_policies *p, const struct hb_policy_change *c, struct hb_err *e);

/* Who is where. `ret` as hb_policies_status. -ENOENT: there is none. */
enum hb_policy_place { HB_POLICY_ACTIVE, HB_POLICY_SHADOWING, HB_POLICY_PREVIOUS };
int hb_policies_status_of(const hb_policies *p, enum hb_policy_kind k, enum hb_policy_place place,
                          struct hb_policy_status *ret);
/* How often another became active in this set (all kinds), and the longest that took, wall time. */
void hb_policies_swaps(const hb_policies *p, uint64_t *ret_swaps, uint64_t *ret_max_ns);
struct hb_policy_param {
        char name[64], type[8], unit[16], help[120]; /* type "number", "integer" or "boolean" */
        double value, initial, min, max;             /* -inf, inf: no bound; boolean: 0 and 1 */
};
/* Params of a policy, in the order of their names. Returns how many there are, at most `room` written. */
unsigned hb_policies_params(const hb_policies *p, enum hb_policy_kind k, enum hb_policy_place place,
                            struct hb_policy_param *ret, unsigned room);
/* What policies said and counted: hb.log lines since the last call (oldest first, at most 64 kept, rate
 * limited), and hb.counter values. Strings are printable. */
typedef void hb_policy_said(void *arg, enum hb_policy_kind k, const char *policy, const char *line);
void hb_policies_take_log(hb_policies *p, hb_policy_said *said, void *arg);
typedef void hb_policy_counted(void *arg, enum hb_policy_kind k, const char *counter, double value);
void hb_policies_counters(const hb_policies *p, hb_policy_counted *counted, void *arg);
/* hb.term: the named terms of one page's answer. Asks the active (or shadow) policies with terms kept; `at`
 * is the page's index in `pages`. Changes nothing they remember beyond what a call does. */
typedef void hb_policy_term(void *arg, enum hb_policy_kind k, const char *name, double value);
struct hb_policy_explained {
        double accesses, writes, score;
};
/* What the predictor that answers now says of these pages (at most HB_POLICY_BATCH), asked aside: nothing it
 * remembers or that is counted of it changes, and its failure harms nobody. */
int hb_policies_expect(hb_policies *p, const struct hb_policy_pages *pages, const struct hb_policy_guest *g,
                       float *accesses, float *writes, struct hb_err *e);
int hb_policies_explain(hb_policies *p, bool shadow, const struct hb_policy_pages *pages, uint32_t at,
                        const struct hb_policy_guest *g, const struct hb_policy_link *l,
                        const struct hb_policy_accuracy *a, hb_policy_term *term, void *arg,
                        struct hb_policy_explained *ret, struct hb_err *e);
