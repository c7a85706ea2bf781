/* text_diff: the difference of two texts as `diff -u` writes it, three lines around each change. Pure. */
#pragma once
#include "base/bytes.h"

struct hb_text {
        const char *label, *data;
        size_t size;
};
/* Appends to *out; nothing when they are equal. -ENOMEM. */
int hb_text_diff(const struct hb_text *a, const struct hb_text *b, struct hb_buf *out);
