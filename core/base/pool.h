/* pool: a fixed number of equal objects, sized at open, no allocation after. Full means back-pressure: get
 * returns NULL. Not thread-safe. */
#pragma once
#include <stddef.h>

typedef struct hb_pool hb_pool;
int hb_pool_new(size_t object_size, unsigned count, hb_pool **ret);
hb_pool *hb_pool_free(hb_pool *p); /* NULL allowed; returns NULL. Objects still out become invalid. */
void *hb_pool_get(hb_pool *p);     /* zeroed; NULL when full */
void hb_pool_put(hb_pool *p, void *object);
unsigned hb_pool_used(const hb_pool *p);
unsigned hb_pool_size(const hb_pool *p);
