/* arena: a segregated-fit allocator inside one mapping, in the manner of TLSF (Masmano et al., ECRTS 2004).
 *
 * Invariant: the mapping is tiled by blocks; each knows its own and its left neighbour's size, no two free
 * blocks touch, and every free block is in the bin of its size. Cost: O(1) but for at most FIT_TRIES looks
 * into one bin. 16 bytes a block. */
#include "policy/arena.h"
#include "base/fault.h"
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define UNIT      16u /* bytes; sizes below are in units */
#define EXACT     64u /* blocks below this many units have a bin each, larger ones four bins a doubling */
#define BINS      (EXACT + 4 * 26)
#define FIT_TRIES 8

struct block {
        uint32_t units, left_units; /* header included; left_units 0: first block */
        uint64_t free;
        struct block *next, *prev; /* only while free; otherwise the payload starts here */
};
#define HEADER    offsetof(struct block, next)
#define MIN_UNITS (sizeof(struct block) / UNIT)

struct hb_arena {
        uint8_t *base;
        size_t bytes, used, peak;
        uint64_t filled[(BINS + 63) / 64];
        struct block *bins[BINS];
};

static unsigned bin_of(uint32_t units) {
        if (units < EXACT)
                return units;
        unsigned log = 31 - (unsigned)__builtin_clz(units);
        return EXACT + (log - 6) * 4 + ((units >> (log - 2)) & 3);
}

static struct block *right_of(const hb_arena *a, const struct block *b) {
        uint8_t *p = (uint8_t *)b + (size_t)b->units * UNIT;
        return p < a->base + a->bytes ? (struct block *)p : NULL;
}

static void put(hb_arena *a, struct block *b) {
        unsigned bin = bin_of(b->units);

        b->free = 1;
        b->prev = NULL;
        b->next = a->bins[bin];
        if (b->next)
                b->next->prev = b;
        a->bins[bin] = b;
        a->filled[bin / 64] |= 1ull << bin % 64;
}

static void take(hb_arena *a, struct block *b) {
        unsigned bin = bin_of(b->units);

        if (b->prev)
                b->prev->next = b->next;
        else
                a->bins[bin] = b->next;
        if (b->next)
                b->next->prev = b->prev;
        if (!a->bins[bin])
                a->filled[bin / 64] &= ~(1ull << bin % 64);
        b->free = 0;
}

/* First bin at or after `from` that holds anything; any block in a bin above the wanted one is large enough.
 */
static struct block *first_from(const hb_arena *a, unsigned from) {
        for (unsigned w = from / 64; w < sizeof a->filled / sizeof *a->filled; w++) {
                uint64_t bits = a->filled[w];
                if (w == from / 64)
                        bits &= ~0ull << from % 64;
                if (bits)
                        return a->bins[w * 64 + (unsigned)__builtin_ctzll(bits)];
        }
        return NULL;
}

static struct block *find(const hb_arena *a, uint32_t units) {
        unsigned bin = bin_of(units), tries = 0;

        for (struct block *b = a->bins[bin]; b && tries < FIT_TRIES; b = b->next, tries++)
                if (b->units >= units)
                        return b;
        return first_from(a, bin + 1);
}

/* Cuts a block in use down to `units`; the rest becomes free and joins a free right neighbour. */
static void trim(hb_arena *a, struct block *b, uint32_t units) {
        struct block *rest, *right;

        if (b->units - units < MIN_UNITS)
                return;
        rest = (struct block *)((uint8_t *)b + (size_t)units * UNIT);
        rest->units = b->units - units;
        rest->left_units = units;
        b->units = units;
        right = right_of(a, rest);
        if (right && right->free) {
                take(a, right);
                rest->units += right->units;
                right = right_of(a, rest);
        }
        if (right)
                right->left_units = rest->units;
        put(a, rest);
}

static void count(hb_arena *a, const struct block *b) {
        a->used += (size_t)b->units * UNIT;
        if (a->used > a->peak)
                a->peak = a->used;
}

static void *allocate(hb_arena *a, uint32_t units) {
        struct block *b;

        if (hb_fault("policy.memory"))
                return NULL;
        b = find(a, units);
        if (!b)
                return NULL;
        take(a, b);
        trim(a, b, units);
        count(a, b);
        return (uint8_t *)b + HEADER;
}

static void release(hb_arena *a, struct block *b) {
        struct block *right = right_of(a, b);

        a->used -= (size_t)b->units * UNIT;
        if (right && right->free) {
                take(a, right);
                b->units += right->units;
        }
        if (b->left_units) {
                struct block *left = (struct block *)((uint8_t *)b - (size_t)b->left_units * UNIT);
                if (left->free) {
                        take(a, left);
                        left->units += b->units;
                        b = left;
                }
        }
        right = right_of(a, b);
        if (right)
                right->left_units = b->units;
        put(a, b);
}

/* Grows into a free right neighbour; false when that is not enough. */
static bool grow(hb_arena *a, struct block *b, uint32_t units) {
        struct block *right = right_of(a, b);

        if (!right || !right->free || b->units + right->units < units || hb_fault("policy.memory"))
                return false;
        take(a, right);
        a->used -= (size_t)b->units * UNIT;
        b->units += right->units;
        right = right_of(a, b);
        if (right)
                right->left_units = b->units;
        trim(a, b, units);
        count(a, b);
        return true;
}

static void shrink(hb_arena *a, struct block *b, uint32_t units) {
        a->used -= (size_t)b->units * UNIT;
        trim(a, b, units);
        count(a, b);
}

void *hb_arena_realloc(hb_arena *a, void *p, size_t size) {
        struct block *b = p ? (struct block *)((uint8_t *)p - HEADER) : NULL;
        uint32_t units;
        void *fresh;

        if (!size) {
                if (b)
                        release(a, b);
                return NULL;
        }
        if (size > a->bytes)
                return NULL;
        units = (uint32_t)((size + HEADER + UNIT - 1) / UNIT);
        if (units < MIN_UNITS)
                units = MIN_UNITS;
        if (!b)
                return allocate(a, units);
        if (units <= b->units) {
                shrink(a, b, units);
                return p;
        }
        if (grow(a, b, units))
                return p;
        fresh = allocate(a, units);
        if (fresh) {
                memcpy(fresh, p, (size_t)b->units * UNIT - HEADER);
                release(a, b);
        }
        return fresh;
}

static void lay_out(hb_arena *a) {
        struct block *b = (struct block *)a->base;

        memset(a->bins, 0, sizeof a->bins);
        memset(a->filled, 0, sizeof a->filled);
        a->used = a->peak = 0;
        b->units = (uint32_t)(a->bytes / UNIT);
        b->left_units = 0;
        put(a, b);
}

int hb_arena_new(size_t bytes, hb_arena **ret) {
        hb_arena *a;

        if (bytes < 65536 || bytes > 1ull << 30)
                return -EINVAL;
        if (hb_fault("policy.arena"))
                return -ENOMEM;
        a = calloc(1, sizeof *a);
        if (!a)
                return -ENOMEM;
        a->bytes = bytes & ~(size_t)4095;
        a->base = mmap(NULL, a->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                       -1, 0);
        if (a->base == MAP_FAILED) {
                free(a);
                return -ENOMEM;
        }
        lay_out(a);
        *ret = a;
        return 0;
}

hb_arena *hb_arena_free(hb_arena *a) {
        if (a) {
                munmap(a->base, a->bytes);
                free(a);
        }
        return NULL;
}

void hb_arena_reset(hb_arena *a) {
        madvise(a->base, a->bytes, MADV_DONTNEED);
        lay_out(a);
}

size_t hb_arena_used(const hb_arena *a) {
        return a->used;
}

size_t hb_arena_peak(const hb_arena *a) {
        return a->peak;
}

/* ---- keeping ---- */

struct hb_arena_copy {
        struct hb_arena arena;
        uint8_t blocks[]; /* in order of their addresses; of free ones the header alone */
};

static size_t worth_keeping(const struct block *b) {
        return b->free ? sizeof *b : (size_t)b->units * UNIT;
}

int hb_arena_keep(const hb_arena *a, hb_arena_copy **ret) {
        const struct block *first = (const struct block *)a->base, *b;
        hb_arena_copy *c;
        uint8_t *at;
        size_t bytes = 0;

        for (b = first; b; b = right_of(a, b))
                bytes += worth_keeping(b);
        c = hb_fault("policy.keep") ? NULL : malloc(sizeof *c + bytes);
        if (!c)
                return -ENOMEM;
        c->arena = *a;
        at = c->blocks;
        for (b = first; b; b = right_of(a, b)) {
                memcpy(at, b, worth_keeping(b));
                at += worth_keeping(b);
        }
        *ret = c;
        return 0;
}

void hb_arena_put_back(hb_arena *a, const hb_arena_copy *c) {
        const uint8_t *at = c->blocks;

        *a = c->arena;
        for (struct block *b = (struct block *)a->base; b; b = right_of(a, b)) {
                struct block head;

                memcpy(&head, at, sizeof head);
                memcpy(b, at, worth_keeping(&head));
                at += worth_keeping(&head);
        }
}

hb_arena_copy *hb_arena_copy_free(hb_arena_copy *c) {
        free(c);
        return NULL;
}
