/* doc_memory: a doc's texts and blocks in a few large chunks, because a table of 500 rows has 6000 texts and
 * is built anew each second.
 *
 * Nothing is given back before the doc goes. Invariant: a failed allocation marks the doc incomplete and
 * leaves everything there before as it is. Cost: a bump of an offset; a malloc a chunk. */
#include "base/fault.h"
#include "draw/doc_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK   (16u << 10)
#define LARGEST_CHUNK (256u << 10)
#define ALIGN         16u

struct hb_doc_chunk {
        struct hb_doc_chunk *next;
        size_t size, used;
        _Alignas(ALIGN) char data[];
};

static void *out_of_memory(hb_doc *d) {
        d->incomplete = true;
        return NULL;
}

/* Room for `size` bytes at the end of the newest chunk; older ones are left as they are. */
static struct hb_doc_chunk *room(hb_doc *d, size_t size) {
        struct hb_doc_chunk *c = d->chunks;
        size_t want = FIRST_CHUNK;

        if (c && c->size - c->used >= size)
                return c;
        if (c)
                want = c->size * 2 < LARGEST_CHUNK ? c->size * 2 : LARGEST_CHUNK;
        if (want < size)
                want = size;
        c = want > SIZE_MAX / 2 ? NULL : malloc(sizeof(*c) + want);
        if (!c)
                return out_of_memory(d);
        *c = (struct hb_doc_chunk){.next = d->chunks, .size = want};
        d->chunks = c;
        return c;
}

static void take(struct hb_doc_chunk *c, size_t size) {
        size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
        c->used += size < c->size - c->used ? size : c->size - c->used;
}

void *hb_doc_alloc(hb_doc *d, size_t size) {
        struct hb_doc_chunk *c = hb_fault("doc.alloc") ? out_of_memory(d) : room(d, size);
        void *p = c ? c->data + c->used : NULL;

        if (c)
                take(c, size);
        return p;
}

const char *hb_doc_copy(hb_doc *d, const char *text) {
        size_t n = text ? strlen(text) : 0;
        char *copy = n ? hb_doc_alloc(d, n + 1) : NULL;

        return copy ? memcpy(copy, text, n + 1) : "";
}

/* Formats into what is left of the chunk; a second time, into a fresh one, only where that was too little. */
const char *hb_doc_format(hb_doc *d, const char *fmt, va_list args) {
        struct hb_doc_chunk *c;
        const char *text;
        va_list again;
        int n;

        if (!strchr(fmt, '%'))
                return hb_doc_copy(d, fmt);
        c = hb_fault("doc.format") ? out_of_memory(d) : room(d, 64);
        if (!c)
                return "";
        va_copy(again, args);
        n = vsnprintf(c->data + c->used, c->size - c->used, fmt, args);
        if (n >= 0 && (size_t)n >= c->size - c->used) {
                c = room(d, (size_t)n + 1);
                if (c)
                        n = vsnprintf(c->data + c->used, c->size - c->used, fmt, again);
        }
        va_end(again);
        if (!c || n < 0)
                return "";
        text = c->data + c->used;
        take(c, (size_t)n + 1);
        return text;
}

void hb_doc_chunks_free(hb_doc *d) {
        struct hb_doc_chunk *c = d->chunks;

        while (c) {
                struct hb_doc_chunk *next = c->next;

                free(c);
                c = next;
        }
}
