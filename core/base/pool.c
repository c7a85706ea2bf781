/* pool: one slab and a stack of free places. Get and put are a push or pop each, no allocation after open.
 *
 * Invariant: every place is either on the stack once or out. Putting back what is not out is a bug of the
 * caller and stops the program where it happens, not where it would hurt later; under AddressSanitizer a
 * place that is not out is poisoned too. Owned by one thread. */
#include "base/pool.h"
#include "base/fault.h"
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature) /* clang's way to say it; gcc defines __SANITIZE_ADDRESS__ */
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define ALIGNMENT 16u

struct hb_pool {
        uint8_t *slab;
        unsigned *free_places; /* a stack; the top is free_places[free - 1] */
        bool *out;
        size_t stride;
        unsigned free, count;
};

static int allocate(hb_pool *p) {
        if (hb_fault("pool.new"))
                return -ENOMEM;
        p->slab = calloc(p->count, p->stride);
        p->free_places = calloc(p->count, sizeof(*p->free_places));
        p->out = calloc(p->count, sizeof(*p->out));
        return p->slab && p->free_places && p->out ? 0 : -ENOMEM;
}

int hb_pool_new(size_t object_size, unsigned count, hb_pool **ret) {
        hb_pool *p;
        int rc;

        if (object_size == 0 || count == 0 || object_size > SIZE_MAX - ALIGNMENT)
                return -EINVAL;
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->stride = (object_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        p->count = p->free = count;
        rc = allocate(p);
        if (rc < 0)
                goto fail;
        for (unsigned i = 0; i < count; i++)
                p->free_places[i] = count - 1 - i; /* low addresses first */
        ASAN_POISON_MEMORY_REGION(p->slab, p->stride * count);
        *ret = p;
        return 0;
fail:
        hb_pool_free(p);
        return rc;
}

hb_pool *hb_pool_free(hb_pool *p) {
        if (!p)
                return NULL;
        if (p->slab)
                ASAN_UNPOISON_MEMORY_REGION(p->slab, p->stride * p->count);
        free(p->slab);
        free(p->free_places);
        free(p->out);
        free(p);
        return NULL;
}

void *hb_pool_get(hb_pool *p) {
        uint8_t *object;
        unsigned place;

        if (p->free == 0)
                return NULL;
        place = p->free_places[--p->free];
        p->out[place] = true;
        object = p->slab + place * p->stride;
        ASAN_UNPOISON_MEMORY_REGION(object, p->stride);
        memset(object, 0, p->stride);
        return object;
}

void hb_pool_put(hb_pool *p, void *object) {
        size_t at, place;

        if (!object)
                return;
        at = (size_t)((uintptr_t)object - (uintptr_t)p->slab); /* huge when below the slab */
        place = at / p->stride;
        if (at % p->stride != 0 || place >= p->count || !p->out[place])
                abort();
        p->out[place] = false;
        p->free_places[p->free++] = (unsigned)place;
        ASAN_POISON_MEMORY_REGION(object, p->stride);
}

unsigned hb_pool_used(const hb_pool *p) {
        return p->count - p->free;
}

unsigned hb_pool_size(const hb_pool *p) {
        return p->count;
}
