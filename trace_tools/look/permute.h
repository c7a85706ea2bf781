/* permute: pages exchanged by blocks of 512 (2 MiB) inside each region, keeping the order inside a block.
 * Internal to the room. */
#pragma once
#include "base/shape.h"
#include "look/rewrite.h"

#define HB_PERMUTE_BLOCK 512u

struct hb_permute {
        const struct hb_shape *shape; /* borrowed */
        uint32_t *to[HB_MAX_REGIONS]; /* per region: where each whole block goes; the rest stays at its end */
};

int hb_permute_init(struct hb_permute *p, const struct hb_shape *shape, const struct hb_look_key *key);
void hb_permute_fini(struct hb_permute *p);
uint64_t hb_permute_page(const struct hb_permute *p, uint64_t gfn);
/* Pages from gfn on that stay neighbours. */
uint64_t hb_permute_together(const struct hb_permute *p, uint64_t gfn);
/* SipHash-2-4 of one number: the randomness of it all. */
uint64_t hb_look_siphash(const struct hb_look_key *key, uint64_t v);
