/* shared_text: see shared_text.h. */
#include "serve/shared_text.h"
#include "base/fault.h"
#include <stdlib.h>

struct hb_shared_text {
        unsigned refs;
        size_t len;
        char *bytes;
};

hb_shared_text *hb_shared_text_new(void *bytes, size_t len) {
        hb_shared_text *t = bytes && !hb_fault("shared_text.new") ? malloc(sizeof *t) : NULL;
        if (t)
                *t = (hb_shared_text){1, len, bytes};
        else
                free(bytes);
        return t;
}

hb_shared_text *hb_shared_text_ref(hb_shared_text *t) {
        t->refs++;
        return t;
}

hb_shared_text *hb_shared_text_unref(hb_shared_text *t) {
        if (!t || --t->refs > 0)
                return NULL;
        free(t->bytes);
        free(t);
        return NULL;
}

const char *hb_shared_text_bytes(const hb_shared_text *t) {
        return t->bytes;
}

size_t hb_shared_text_size(const hb_shared_text *t) {
        return t->len;
}

unsigned hb_shared_text_refs(const hb_shared_text *t) {
        return t->refs;
}
