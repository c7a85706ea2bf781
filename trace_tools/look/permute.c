/* permute: Fisher-Yates with SipHash-2-4 (Aumasson, Bernstein 2012) of a counter as its source of numbers:
 * the same key gives the same exchange everywhere, and without the key there is nothing to compute it from.
 * Cost: 4 bytes a block; one table look-up a page. Pure. */
#include "look/permute.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>

#define ROTATE(x, b) ((x) << (b) | (x) >> (64 - (b)))

static void sip_round(uint64_t v[4]) {
        v[0] += v[1];
        v[1] = ROTATE(v[1], 13) ^ v[0];
        v[0] = ROTATE(v[0], 32);
        v[2] += v[3];
        v[3] = ROTATE(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = ROTATE(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = ROTATE(v[1], 17) ^ v[2];
        v[2] = ROTATE(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word) {
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
}

uint64_t hb_look_siphash(const struct hb_look_key *key, uint64_t v) {
        uint64_t s[4] = {key->k[0] ^ 0x736f6d6570736575, key->k[1] ^ 0x646f72616e646f6d,
                         key->k[0] ^ 0x6c7967656e657261, key->k[1] ^ 0x7465646279746573};

        sip_word(s, v);
        sip_word(s, 8ull << 56);
        s[2] ^= 0xff;
        for (int i = 0; i < 4; i++)
                sip_round(s);
        return s[0] ^ s[1] ^ s[2] ^ s[3];
}

/* Below n, each as likely: numbers of the last, incomplete round of n are thrown away. */
static uint64_t below(const struct hb_look_key *key, uint64_t *counter, uint64_t n) {
        uint64_t v, most = UINT64_MAX - UINT64_MAX % n;

        do {
                v = hb_look_siphash(key, (*counter)++);
        } while (v >= most);
        return v % n;
}

static uint32_t *shuffled(uint64_t blocks, const struct hb_look_key *key, uint64_t *counter) {
        uint32_t *to = hb_fault("look.permute") ? NULL : malloc((blocks ? blocks : 1) * sizeof(*to));

        if (!to)
                return NULL;
        for (uint64_t i = 0; i < blocks; i++) {
                uint64_t j = below(key, counter, i + 1);

                to[i] = to[j];
                to[j] = (uint32_t)i;
        }
        return to;
}

int hb_permute_init(struct hb_permute *p, const struct hb_shape *shape, const struct hb_look_key *key) {
        uint64_t counter = 0;

        *p = (struct hb_permute){.shape = shape};
        for (uint32_t i = 0; i < shape->nregions; i++) {
                p->to[i] = shuffled(shape->regions[i].pages / HB_PERMUTE_BLOCK, key, &counter);
                if (!p->to[i]) {
                        hb_permute_fini(p);
                        return -ENOMEM;
                }
        }
        return 0;
}

void hb_permute_fini(struct hb_permute *p) {
        for (uint32_t i = 0; i < HB_MAX_REGIONS; i++) {
                free(p->to[i]);
                p->to[i] = NULL;
        }
}

uint64_t hb_permute_page(const struct hb_permute *p, uint64_t gfn) {
        int i = hb_shape_region_of(p->shape, gfn);
        uint64_t at, block;

        if (i < 0)
                return gfn;
        at = gfn - p->shape->regions[i].first_gfn;
        block = at / HB_PERMUTE_BLOCK;
        if (block >= p->shape->regions[i].pages / HB_PERMUTE_BLOCK)
                return gfn;
        return p->shape->regions[i].first_gfn + (uint64_t)p->to[i][block] * HB_PERMUTE_BLOCK +
               at % HB_PERMUTE_BLOCK;
}

uint64_t hb_permute_together(const struct hb_permute *p, uint64_t gfn) {
        int i = hb_shape_region_of(p->shape, gfn);
        uint64_t at, left;

        if (i < 0)
                return 1;
        at = gfn - p->shape->regions[i].first_gfn;
        left = p->shape->regions[i].pages - at;
        return left < HB_PERMUTE_BLOCK - at % HB_PERMUTE_BLOCK ? left
                                                               : HB_PERMUTE_BLOCK - at % HB_PERMUTE_BLOCK;
}
