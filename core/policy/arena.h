/* arena: the one piece of memory a Lua state lives in. Everything the state allocates comes from here, so its
 * cap is the arena's size, and throwing a state away is one call that runs no code of the policy's (no __gc,
 * no __close). Nothing here takes a lock or calls malloc after hb_arena_new: a policy may be cut off in the
 * middle of an allocation (see guard.h), after which only hb_arena_reset and hb_arena_free are allowed. Not
 * thread-safe. */
#pragma once
#include <stddef.h>

typedef struct hb_arena hb_arena;

int hb_arena_new(size_t bytes, hb_arena **ret); /* -EINVAL below 64 KiB or above 1 GiB, -ENOMEM */
hb_arena *hb_arena_free(hb_arena *a);
void hb_arena_reset(hb_arena *a); /* all blocks are gone, their pages go back to the kernel */
/* realloc in one: p NULL allocates, size 0 frees and returns NULL, NULL otherwise: no room, p is untouched.
 */
void *hb_arena_realloc(hb_arena *a, void *p, size_t size);
size_t hb_arena_used(const hb_arena *a); /* bytes in blocks handed out, headers included */
size_t hb_arena_peak(const hb_arena *a); /* since the last reset */
/* What all blocks hold, to be put back later into the same arena: whatever was allocated, freed or written in
 * between never was. -ENOMEM. */
typedef struct hb_arena_copy hb_arena_copy;
int hb_arena_keep(const hb_arena *a, hb_arena_copy **ret);
void hb_arena_put_back(hb_arena *a, const hb_arena_copy *c);
hb_arena_copy *hb_arena_copy_free(hb_arena_copy *c);
