/* dup_index: see the header. A bucket is three cache lines: eight tags in the first half line, so that a tag
 * nobody has costs one line in each of its two buckets, then what else belongs to the prints and places.
 *
 * Invariant: a print is in at most one slot, and that is in one of the two buckets of its tag. A slot whose
 * owner is 0 or went is free. Owners that went are a bit each; a sweep that passes all buckets after the last
 * of them went finds their slots, then their ids are free again. Cost: 16 entries a call, and 16 buckets for
 * a put that finds no room. One thread.
 *
 * The table grows a bucket at a time as it fills, so that few prints take little memory: linear hashing
 * (Litwin, VLDB 1980). `base` buckets double to base << level; of the next doubling the first
 * nbuckets - (base << level) are split already, each between itself and the one that far behind it. */
#include "map/dup_index.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define WAYS       8u
#define REST       12u
#define USED_ONCE  1u
#define USED_MOST  3u
#define SWEEP_PUT  2u /* buckets looked at by each put while there is something to sweep */
#define BASE_LEAST 64u
#define SPLIT_PUT  64u            /* at most so many by one put */
#define FULL(n)    ((n)*WAYS / 2) /* more entries than this are worth another bucket */
#define OWNER_BITS 30u
#define OWNER_MASK ((1u << OWNER_BITS) - 1)

struct bucket {
        uint32_t tag[WAYS];
        uint8_t rest[WAYS][REST];
        uint32_t page[WAYS];
        uint32_t owner[WAYS]; /* 0: free; the two highest bits: how lately it was used */
};

_Static_assert(sizeof(struct bucket) == 24 * WAYS, "24 bytes an entry");

enum owner_state { OWNER_FREE, OWNER_LIVE, OWNER_GONE };

struct hb_dup_index {
        struct bucket *buckets;
        uint64_t base, nbuckets, most; /* buckets: in the beginning, now, when all of its memory is used */
        unsigned level;                /* base << level <= nbuckets; < base << (level + 1), but at its end */
        uint64_t entries, evicted;
        uint8_t state[HB_DUP_OWNERS];
        uint32_t owners, gone, next;   /* next: where to look for a free id */
        uint64_t sweep_at, sweep_left; /* buckets to look at until all of `gone` are swept */
};

struct slot {
        struct bucket *b;
        unsigned i;
};

/* ---- made and unmade ---- */

int hb_dup_index_new(uint64_t max_bytes, hb_dup_index **ret) {
        hb_dup_index *i;
        uint64_t n = max_bytes / sizeof(struct bucket), base = n;
        unsigned levels = 0;
        void *p;

        if (n == 0 || n > UINT32_MAX)
                return -EINVAL;
        i = hb_fault("dup_index.new") ? NULL : calloc(1, sizeof(*i));
        if (!i)
                return -ENOMEM;
        for (; base >= 2 * BASE_LEAST; base /= 2)
                levels++;
        n = base << levels; /* whole doublings: then all buckets are alike when it is full */
        p = mmap(NULL, n * sizeof(struct bucket), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) {
                free(i);
                return -ENOMEM;
        }
        i->buckets = p;
        i->base = i->nbuckets = base;
        i->most = n;
        i->next = 1;
        *ret = i;
        return 0;
}

hb_dup_index *hb_dup_index_free(hb_dup_index *i) {
        if (!i)
                return NULL;
        munmap(i->buckets, i->most * sizeof(struct bucket));
        free(i);
        return NULL;
}

/* ---- slots ---- */

/* Tags are even already; the other bucket must not depend on the bits that choose the first. */
static uint32_t hash_of(uint32_t tag, unsigned which) {
        if (which == 0)
                return tag;
        tag = (tag ^ tag >> 16) * 0x85EBCA6Bu;
        tag = (tag ^ tag >> 13) * 0xC2B2AE35u;
        return tag ^ tag >> 16;
}

/* High bits choose one of `base`, low bits which of its doublings. */
static struct bucket *bucket_of(const hb_dup_index *i, uint32_t tag, unsigned which) {
        uint32_t h = hash_of(tag, which);
        uint64_t first = (uint64_t)h * i->base >> 32;
        uint64_t at = first + i->base * (h & ((2u << i->level) - 1));

        return &i->buckets[at < i->nbuckets ? at : first + i->base * (h & ((1u << i->level) - 1))];
}

static uint32_t owner_of(struct slot s) {
        return s.b->owner[s.i] & OWNER_MASK;
}

static unsigned used(struct slot s) {
        return s.b->owner[s.i] >> OWNER_BITS;
}

static void set_used(struct slot s, unsigned n) {
        s.b->owner[s.i] = owner_of(s) | n << OWNER_BITS;
}

static bool live(const hb_dup_index *i, struct slot s) {
        return i->state[owner_of(s)] == OWNER_LIVE;
}

static void clear(hb_dup_index *i, struct slot s) {
        s.b->owner[s.i] = 0;
        i->entries--;
}

static bool find(const hb_dup_index *i, const struct hb_print *p, struct slot *ret) {
        uint32_t tag = hb_print_tag(p);

        for (unsigned w = 0; w < 2; w++) {
                struct bucket *b = bucket_of(i, tag, w);

                for (unsigned k = 0; k < WAYS; k++) {
                        struct slot s = {b, k};

                        if (b->tag[k] == tag && live(i, s) && memcmp(b->rest[k], p->b + 4, REST) == 0) {
                                *ret = s;
                                return true;
                        }
                }
        }
        return false;
}

/* A free slot of the emptier bucket. False: both are full. */
static bool find_free(hb_dup_index *i, uint32_t tag, struct slot *ret) {
        struct slot at[2];
        unsigned room[2] = {0, 0};

        for (unsigned w = 0; w < 2; w++)
                for (unsigned k = 0; k < WAYS; k++) {
                        struct slot s = {bucket_of(i, tag, w), k};

                        if (live(i, s))
                                continue;
                        at[w] = s;
                        room[w]++;
                }
        if (room[0] + room[1] == 0)
                return false;
        *ret = at[room[1] > room[0]];
        if (owner_of(*ret) != 0)
                clear(i, *ret);
        return true;
}

static bool free_in(const hb_dup_index *i, struct bucket *b, struct slot *ret) {
        for (unsigned k = 0; k < WAYS; k++) {
                *ret = (struct slot){b, k};
                if (!live(i, *ret))
                        return true;
        }
        return false;
}

/* Both buckets are full: one of theirs moves to its other bucket, if that has room. Only so are the last
 * tenths of the table used. */
static bool make_room(hb_dup_index *i, uint32_t tag, struct slot *ret) {
        for (unsigned n = 0; n < 2 * WAYS; n++) {
                struct slot s = {bucket_of(i, tag, n / WAYS), n % WAYS}, to;
                uint32_t other = s.b->tag[s.i];
                struct bucket *b = bucket_of(i, other, bucket_of(i, other, 0) == s.b);

                if (b == s.b || !free_in(i, b, &to))
                        continue;
                if (owner_of(to) != 0)
                        clear(i, to);
                to.b->tag[to.i] = other;
                memcpy(to.b->rest[to.i], s.b->rest[s.i], REST);
                to.b->page[to.i] = s.b->page[s.i];
                to.b->owner[to.i] = s.b->owner[s.i];
                s.b->owner[s.i] = 0;
                *ret = s;
                return true;
        }
        return false;
}

/* The least lately used of both buckets; the others come nearer to it. */
static struct slot evict(hb_dup_index *i, uint32_t tag) {
        struct slot worst = {bucket_of(i, tag, 0), 0};
        unsigned least;

        for (unsigned n = 1; n < 2 * WAYS; n++) {
                struct slot s = {bucket_of(i, tag, n / WAYS), n % WAYS};

                if (used(s) < used(worst))
                        worst = s;
        }
        least = used(worst);
        for (unsigned n = 0; least > 0 && n < 2 * WAYS; n++) {
                struct slot s = {bucket_of(i, tag, n / WAYS), n % WAYS};

                if (used(s) >= least) /* both may be one bucket */
                        set_used(s, used(s) - least);
        }
        clear(i, worst);
        i->evicted++;
        return worst;
}

/* The next bucket in turn gives the new last one what belongs there now. */
static bool split(hb_dup_index *i) {
        struct bucket *from, *to;
        bool first[WAYS];
        unsigned n = 0;

        if (i->nbuckets == i->most)
                return false;
        from = &i->buckets[i->nbuckets - (i->base << i->level)];
        to = &i->buckets[i->nbuckets];
        for (unsigned k = 0; k < WAYS; k++)
                first[k] = bucket_of(i, from->tag[k], 0) == from;
        i->nbuckets++;
        i->sweep_left += i->gone > 0;
        for (unsigned k = 0; k < WAYS; k++) {
                struct slot s = {from, k};

                if (owner_of(s) == 0)
                        continue;
                if (!live(i, s)) {
                        clear(i, s);
                        continue;
                }
                if (bucket_of(i, from->tag[k], !first[k]) == from)
                        continue;
                to->tag[n] = from->tag[k];
                memcpy(to->rest[n], from->rest[k], REST);
                to->page[n] = from->page[k];
                to->owner[n++] = from->owner[k];
                from->owner[k] = 0;
        }
        if (i->nbuckets == i->base << (i->level + 1) && i->nbuckets < i->most)
                i->level++;
        return true;
}

/* A slot for one more print: grows when it is time to, or when there is no other way, and else evicts. */
static struct slot take(hb_dup_index *i, uint32_t tag) {
        struct slot s;
        unsigned n = 0;

        while (n < SPLIT_PUT && i->entries >= FULL(i->nbuckets) && split(i))
                n++;
        for (; !find_free(i, tag, &s) && !make_room(i, tag, &s); n++)
                if (n >= SPLIT_PUT || !split(i))
                        return evict(i, tag);
        return s;
}

static void fill(hb_dup_index *i, struct slot s, const struct hb_print *p, struct hb_dup_place at) {
        s.b->tag[s.i] = hb_print_tag(p);
        memcpy(s.b->rest[s.i], p->b + 4, REST);
        s.b->page[s.i] = (uint32_t)at.page;
        s.b->owner[s.i] = at.owner | USED_ONCE << OWNER_BITS;
        i->entries++;
}

/* ---- owners ---- */

int hb_dup_index_owner_add(hb_dup_index *i, uint32_t *ret_owner) {
        for (uint32_t n = 0; n < HB_DUP_OWNERS; n++) {
                uint32_t id = (i->next + n) % HB_DUP_OWNERS;

                if (id == 0 || i->state[id] != OWNER_FREE)
                        continue;
                i->state[id] = OWNER_LIVE;
                i->next = id + 1;
                i->owners++;
                *ret_owner = id;
                return 0;
        }
        return -ENOSPC;
}

void hb_dup_index_owner_remove(hb_dup_index *i, uint32_t owner) {
        if (owner >= HB_DUP_OWNERS || i->state[owner] != OWNER_LIVE)
                return;
        i->state[owner] = OWNER_GONE;
        i->owners--;
        i->gone++;
        i->sweep_left = i->nbuckets; /* whoever went before is swept with it */
}

static void end_sweep(hb_dup_index *i) {
        for (uint32_t id = 1; id < HB_DUP_OWNERS; id++)
                if (i->state[id] == OWNER_GONE)
                        i->state[id] = OWNER_FREE;
        i->gone = 0;
}

bool hb_dup_index_sweep(hb_dup_index *i, uint64_t buckets) {
        for (; i->gone > 0 && buckets > 0; buckets--) {
                struct slot s = {&i->buckets[i->sweep_at], 0};

                for (; s.i < WAYS; s.i++)
                        if (i->state[owner_of(s)] == OWNER_GONE)
                                clear(i, s);
                i->sweep_at = i->sweep_at + 1 < i->nbuckets ? i->sweep_at + 1 : 0;
                if (--i->sweep_left == 0)
                        end_sweep(i);
        }
        return i->gone > 0;
}

/* ---- prints ---- */

static int put(hb_dup_index *i, const struct hb_print *p, struct hb_dup_place at, bool give_way) {
        struct slot s;

        if (at.owner == 0 || at.owner >= HB_DUP_OWNERS || i->state[at.owner] != OWNER_LIVE ||
            at.page > UINT32_MAX)
                return -EINVAL;
        if (find(i, p, &s)) {
                if (!give_way)
                        return -EEXIST;
                s.b->page[s.i] = (uint32_t)at.page;
                s.b->owner[s.i] = at.owner | used(s) << OWNER_BITS;
                return 0;
        }
        hb_dup_index_sweep(i, SWEEP_PUT);
        s = take(i, hb_print_tag(p));
        fill(i, s, p, at);
        return 0;
}

int hb_dup_index_put(hb_dup_index *i, const struct hb_print *p, struct hb_dup_place at) {
        return put(i, p, at, false);
}

int hb_dup_index_replace(hb_dup_index *i, const struct hb_print *p, struct hb_dup_place at) {
        return put(i, p, at, true);
}

bool hb_dup_index_has_tag(const hb_dup_index *i, uint32_t tag) {
        for (unsigned w = 0; w < 2; w++) {
                struct bucket *b = bucket_of(i, tag, w);

                for (unsigned k = 0; k < WAYS; k++)
                        if (b->tag[k] == tag && live(i, (struct slot){b, k}))
                                return true;
        }
        return false;
}

int hb_dup_index_get(hb_dup_index *i, const struct hb_print *p, struct hb_dup_place *ret) {
        struct slot s;

        if (!find(i, p, &s))
                return -ENOENT;
        set_used(s, USED_MOST);
        *ret = (struct hb_dup_place){owner_of(s), s.b->page[s.i]};
        return 0;
}

int hb_dup_index_remove(hb_dup_index *i, const struct hb_print *p, struct hb_dup_place at) {
        struct slot s;

        if (!find(i, p, &s) || owner_of(s) != at.owner || s.b->page[s.i] != at.page)
                return -ENOENT;
        clear(i, s);
        return 0;
}

void hb_dup_index_stats(const hb_dup_index *i, struct hb_dup_index_stats *ret) {
        *ret = (struct hb_dup_index_stats){.entries = i->entries,
                                           .capacity = i->most * WAYS,
                                           .bytes = i->most * sizeof(struct bucket),
                                           .bytes_now = i->nbuckets * sizeof(struct bucket),
                                           .evicted = i->evicted,
                                           .owners = i->owners};
}
