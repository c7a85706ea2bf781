/* shared_text: bytes that many clients are sent, held once. Whoever holds a reference may read; the last one
 * to let go frees. One thread: references are counted without locks. */
#pragma once
#include <stddef.h>

typedef struct hb_shared_text hb_shared_text;
/* Takes `bytes` (malloc'd), on failure too: it is freed then. NULL: no memory, or bytes was NULL. */
hb_shared_text *hb_shared_text_new(void *bytes, size_t len);
hb_shared_text *hb_shared_text_ref(hb_shared_text *t);
hb_shared_text *hb_shared_text_unref(hb_shared_text *t); /* NULL allowed; returns NULL */
const char *hb_shared_text_bytes(const hb_shared_text *t);
size_t hb_shared_text_size(const hb_shared_text *t);
unsigned hb_shared_text_refs(const hb_shared_text *t);
