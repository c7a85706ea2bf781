/* doc_rig: docs made in a line, painted at a size, and compared as text. */
#pragma once
#include "draw/doc_out.h"
#include "draw/paint.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct doc_rig {
        enum hb_glyphs glyphs;
        bool mono;
        struct hb_place_in_doc place;
        struct hb_paint_result result;
        hb_surface *surface; /* of the last painting, for looking at single cells */
};

static inline void doc_rig_paint(struct doc_rig *r, const hb_doc *d, unsigned w, unsigned h) {
        hb_surface_free(r->surface);
        r->surface = NULL;
        assert_int_equal(hb_surface_new(w, h, r->glyphs != HB_GLYPHS_ASCII, &r->surface), 0);
        hb_paint_doc(r->surface, (struct hb_rect){0, 0, w, h}, d, r->glyphs, r->mono, &r->place, &r->result);
}

/* The painting as text, blank lines at the end left out. */
static inline char *doc_rig_text(const struct doc_rig *r) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        assert_int_equal(hb_surface_write(r->surface, out), 0);
        fclose(out);
        while (size > 1 && text[size - 1] == '\n' && text[size - 2] == '\n')
                text[--size] = '\0';
        return text;
}

static inline void doc_rig_shows(struct doc_rig *r, const hb_doc *d, unsigned w, unsigned h,
                                 const char *expected) {
        char *text;

        doc_rig_paint(r, d, w, h);
        text = doc_rig_text(r);
        assert_string_equal(text, expected);
        free(text);
}

static inline void doc_rig_fini(struct doc_rig *r) {
        r->surface = hb_surface_free(r->surface);
}
