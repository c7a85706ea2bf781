/* doc: blocks in the order they were added. The doc itself is the only thing not in its chunks.
 *
 * Invariants: texts and labels are never NULL; a value given to a function is the doc's, or gone, when it
 * returns. One thread. */
#include "draw/doc.h"
#include "base/fault.h"
#include "draw/doc_priv.h"
#include <stdlib.h>
#include <string.h>

hb_doc *hb_doc_new(const char *view) {
        hb_doc *d = hb_fault("doc.new") ? NULL : calloc(1, sizeof(*d));

        if (!d)
                return NULL;
        d->end = &d->first;
        d->subject = "";
        d->view = hb_doc_copy(d, view);
        return d;
}

static void table_fini(struct hb_doc_table *t) {
        for (unsigned i = 0; i < t->nrows; i++)
                for (unsigned k = 0; k < t->rows[i]->n; k++)
                        json_decref(t->rows[i]->cells[k].value);
        free(t->rows);
        free(t->order);
        hb_doc_filter_free(t->filter);
}

hb_doc *hb_doc_free(hb_doc *d) {
        if (!d)
                return NULL;
        for (struct hb_doc_block *b = d->first; b; b = b->next) {
                json_decref(b->value);
                if (b->kind == HB_BLOCK_TABLE)
                        table_fini(b->table);
        }
        hb_doc_chunks_free(d);
        free(d);
        return NULL;
}

void hb_doc_aside(hb_doc *d, bool aside) {
        if (d)
                d->aside = aside;
}

struct hb_doc_block *hb_doc_add(hb_doc *d, enum hb_block_kind kind, const char *key, const char *label) {
        struct hb_doc_block *b = d ? hb_doc_alloc(d, sizeof(*b)) : NULL;

        if (!b)
                return NULL;
        *b = (struct hb_doc_block){
                .kind = kind,
                .aside = d->aside,
                .key = key ? hb_doc_copy(d, key) : NULL,
                .label = hb_doc_copy(d, label),
                .text = "",
        };
        if (b->key && !b->key[0]) /* no memory for it: better for people alone than under a wrong name */
                b->key = NULL;
        d->has_aside |= d->aside;
        d->nblocks++;
        *d->end = b;
        d->end = &b->next;
        return b;
}

void hb_doc_heading(hb_doc *d, const char *text) {
        hb_doc_add(d, HB_BLOCK_HEADING, NULL, text);
}

void hb_doc_field(hb_doc *d, const char *key, const char *label, enum hb_style style, json_t *value,
                  const char *fmt, ...) {
        struct hb_doc_block *b = hb_doc_add(d, HB_BLOCK_FIELD, key, label);
        va_list args;

        if (!b) {
                json_decref(value);
                return;
        }
        va_start(args, fmt);
        b->text = hb_doc_format(d, fmt, args);
        va_end(args);
        b->style = (uint8_t)style;
        b->value = value;
}

void hb_doc_note(hb_doc *d, const char *key, enum hb_style style, char sign, const char *fmt, ...) {
        struct hb_doc_block *b = hb_doc_add(d, HB_BLOCK_NOTE, key, NULL);
        va_list args;

        if (!b)
                return;
        va_start(args, fmt);
        b->text = hb_doc_format(d, fmt, args);
        va_end(args);
        b->style = (uint8_t)style;
        b->sign = sign;
}

/* ---- preformatted lines ---- */

#define TAB 8u

/* The copy the lines point into: tabs as blanks, each line ended. */
static size_t expanded_size(const char *text) {
        size_t n = 1;

        for (; *text; text++)
                n += *text == '\t' ? TAB : 1;
        return n;
}

static void expand(const char *text, char *to, struct hb_doc_lines *l) {
        char *start = to;

        l->n = 0;
        l->line[l->n++] = to;
        for (; *text; text++) {
                if (*text == '\t') {
                        do
                                *to++ = ' ';
                        while ((size_t)(to - start) % TAB);
                } else if (*text == '\n') {
                        *to++ = '\0';
                        start = to;
                        l->line[l->n++] = to;
                } else if (*text != '\r' || text[1] != '\n') {
                        *to++ = *text;
                }
        }
        *to = '\0';
        if (l->n > 1 && !l->line[l->n - 1][0]) /* the last newline ends a line, it begins none */
                l->n--;
}

void hb_doc_text(hb_doc *d, const char *key, const char *title, const char *text, bool diff) {
        struct hb_doc_block *b = hb_doc_add(d, HB_BLOCK_TEXT, key, title);
        size_t lines = 1;
        char *copy;

        if (!b || !text || !*text)
                return;
        for (const char *p = text; *p; p++)
                lines += *p == '\n';
        b->text = hb_doc_copy(d, text);
        copy = hb_doc_alloc(d, expanded_size(text));
        b->lines.line = copy ? hb_doc_alloc(d, lines * sizeof(*b->lines.line)) : NULL;
        b->lines.width = b->lines.line ? hb_doc_alloc(d, lines * sizeof(*b->lines.width)) : NULL;
        b->lines.end = b->lines.width ? hb_doc_alloc(d, lines * sizeof(*b->lines.end)) : NULL;
        b->lines.diff = diff;
        if (!b->lines.end)
                return;
        expand(text, copy, &b->lines);
        for (unsigned i = 0; i < b->lines.n; i++)
                b->lines.width[i] = hb_doc_ascii_width(b->lines.line[i]);
}

void hb_doc_subject(hb_doc *d, const char *fmt, ...) {
        va_list args;

        if (!d)
                return;
        va_start(args, fmt);
        d->subject = hb_doc_format(d, fmt, args);
        va_end(args);
}
