/* dup_index: what bytes this host holds, and where: print -> one place. A place is a page of an *owner*: a
 * guest, an image, a kept memory, a file an operator named.
 *
 * A hint, never a promise: bytes at a place may have changed since; who copies them prints the copy and
 * compares. 24 bytes an entry, in a table that grows as it fills, up to a bound: buckets of eight, and each
 * tag has two of them, so a call looks at 16 entries, and the index fills to more than nine tenths before it
 * must evict. When both buckets are full, the entry goes that was used least lately (two bits, as CLOCK).
 * Prints are keyed, so nobody outside chooses where entries go. Not thread-safe. */
#pragma once
#include "map/fingerprint.h"

typedef struct hb_dup_index hb_dup_index;

#define HB_DUP_OWNERS 65536u /* ids are below, and above 0 */

struct hb_dup_place {
        uint32_t owner;
        uint64_t page; /* below 2^32 */
};

struct hb_dup_index_stats {
        uint64_t entries;         /* held now; those of owners that went and are not swept yet included */
        uint64_t capacity, bytes; /* of the table when it has grown to its bound */
        uint64_t bytes_now;
        uint64_t evicted; /* so far */
        uint32_t owners;
};

/* Takes all its addresses at once, memory as it fills. -EINVAL: less than one bucket. -ENOMEM. */
int hb_dup_index_new(uint64_t max_bytes, hb_dup_index **ret);
hb_dup_index *hb_dup_index_free(hb_dup_index *i);

/* A new owner's id. -ENOSPC: none is free. */
int hb_dup_index_owner_add(hb_dup_index *i, uint32_t *ret_owner);
/* It goes, and with it, as seen from outside, its entries at once: O(1). Their room is found again little by
 * little, by puts and by hb_dup_index_sweep. The id is not given out again before. */
void hb_dup_index_owner_remove(hb_dup_index *i, uint32_t owner);
/* Looks at up to `buckets` buckets for entries of owners that went. False: nothing left to sweep. */
bool hb_dup_index_sweep(hb_dup_index *i, uint64_t buckets);

/* 0: it is in. -EEXIST: this print has a place already, which stays. -EINVAL: no such owner or page. */
int hb_dup_index_put(hb_dup_index *i, const struct hb_print *p, struct hb_dup_place at);
/* As put, but a place that is there gives way. */
int hb_dup_index_replace(hb_dup_index *i, const struct hb_print *p, struct hb_dup_place at);
/* Are there bytes with this tag? */
bool hb_dup_index_has_tag(const hb_dup_index *i, uint32_t tag);
/* Counts as a use. -ENOENT. */
int hb_dup_index_get(hb_dup_index *i, const struct hb_print *p, struct hb_dup_place *ret);
/* Only if this is the place it has. -ENOENT. */
int hb_dup_index_remove(hb_dup_index *i, const struct hb_print *p, struct hb_dup_place at);
void hb_dup_index_stats(const hb_dup_index *i, struct hb_dup_index_stats *ret);
