/* engine_change: another policy, param or model, given to those who decide and those who are informed.
 *
 * Invariant: a change that is refused is no input: nothing has changed and nobody hears of it. One that is
 * taken is in the digest with all its bytes, so that runs which were changed differently have different
 * digests even while they decide alike. What changes who decides does so at the next announcement, which has
 * everything scored anew; until then the plan stands, so a shadow alone changes no decision. Cost: the policy
 * host's, and one pass over the bytes. */
#include "base/fault.h"
#include "place/engine_priv.h"
#include "policy/change.h"
#include <errno.h>
#include <xxhash.h>

static int hash_of(const struct hb_policy_change *c, uint64_t *ret) {
        struct hb_buf b = {0};
        int rc = 0;

        if (hb_fault("engine.change"))
                b.failed = true;
        hb_policy_change_encode(c, &b);
        if (b.failed)
                rc = -ENOMEM;
        else
                *ret = XXH3_64bits(b.data, b.len);
        hb_buf_free(&b);
        return rc;
}

/* The informed ones may refuse what the engine's own took (no memory, say): then they judge what they have.
 */
int hb_engine_change(hb_engine *e, uint64_t now_ns, const struct hb_policy_change *c, struct hb_err *err) {
        uint64_t hash = 0;
        int rc = hash_of(c, &hash);

        if (rc < 0)
                return hb_err_set(err, rc, c->name, NULL, "no memory for a change of policies");
        rc = hb_policies_change(e->planner.policies, c, err);
        if (rc < 0)
                return rc;
        hb_engine_clock(e, now_ns);
        if (e->learning.also)
                hb_policies_change(e->learning.also, c, NULL);
        hb_engine_mix(e, hash, (uint64_t)c->op);
        if (hb_engine_heard(e))
                hb_engine_tell(e,
                               (struct hb_engine_input){.kind = HB_IN_CHANGE, .now_ns = now_ns, .change = c});
        return 0;
}
