/* doc_filter: words that must all occur in a row. A word is compared character by character with case folded
 * by a small table of our own, because towlower() knows nothing in the C locale and a filter must find the
 * same rows everywhere.
 *
 * The words are decoded once, the cells while they are read. Cost: about a comparison a character. */
#include "base/fault.h"
#include "draw/doc_priv.h"
#include "draw/text.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORDS   16u
#define ANY     HB_DOC_COLUMNS_MAX
#define LETTERS sizeof(((struct hb_doc_order *)NULL)->filter)

struct word {
        bool not ;
        unsigned column; /* ANY: all of them */
        unsigned n;
        uint32_t ch[LETTERS];
};

struct hb_doc_filter {
        unsigned n;
        struct word words[WORDS];
};

/* Latin, Greek and Cyrillic capitals; other scripts here have none, or are compared as they are. */
static uint32_t fold(uint32_t c) {
        if (c < 0x80)
                return c >= 'A' && c <= 'Z' ? c + 32 : c;
        if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
                return c + 32;
        if (c >= 0x400 && c <= 0x40f)
                return c + 80;
        if ((c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177))
                return c | 1;
        if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
                return c + (c & 1);
        return c;
}

/* "state:" names a column by key or title; a colon after anything else is part of the word ("12:30"). */
static unsigned column_of(const struct hb_doc_table *t, const char *word, const char *colon) {
        size_t n = (size_t)(colon - word);

        for (unsigned i = 0; i < t->ncolumns; i++)
                if ((strncasecmp(t->columns[i].key, word, n) == 0 && !t->columns[i].key[n]) ||
                    (strncasecmp(t->columns[i].title, word, n) == 0 && !t->columns[i].title[n]))
                        return i;
        return ANY;
}

static void add_word(struct hb_doc_filter *f, const struct hb_doc_table *t, const char *p) {
        struct word *w = &f->words[f->n];
        const char *colon;

        w->not = *p == '!';
        p += w->not ;
        colon = strchr(p, ':');
        w->column = colon && colon != p ? column_of(t, p, colon) : ANY;
        if (w->column != ANY)
                p = colon + 1;
        for (w->n = 0; *p && w->n < LETTERS; w->n++)
                w->ch[w->n] = fold(hb_text_next(&p, true));
        f->n += w->n > 0; /* "!" or "state:" alone, still being typed: hides nothing */
}

struct hb_doc_filter *hb_doc_filter_new(const struct hb_doc_table *t, const char *words) {
        struct hb_doc_filter *f = hb_fault("doc.filter") ? NULL : malloc(sizeof(*f));
        char copy[LETTERS], *rest = copy, *word;

        if (!f)
                return NULL;
        f->n = 0;
        strncpy(copy, words, sizeof(copy) - 1);
        copy[sizeof(copy) - 1] = '\0';
        while (f->n < WORDS && (word = strtok_r(rest, " \t", &rest)))
                add_word(f, t, word);
        return f;
}

struct hb_doc_filter *hb_doc_filter_free(struct hb_doc_filter *f) {
        free(f);
        return NULL;
}

static bool begins(const struct word *w, const char *text) {
        for (unsigned i = 0; i < w->n; i++)
                if (fold(hb_text_next(&text, true)) != w->ch[i])
                        return false;
        return true;
}

static bool occurs(const struct word *w, const char *text) {
        while (*text) {
                const char *here = text;

                if (fold(hb_text_next(&text, true)) == w->ch[0] && begins(w, here))
                        return true;
        }
        return false;
}

static bool row_has(const struct word *w, const struct hb_doc_row_data *r) {
        for (unsigned i = 0; i < r->n; i++)
                if ((w->column == ANY || w->column == i) && occurs(w, r->cells[i].text))
                        return true;
        return false;
}

bool hb_doc_filter_takes(const struct hb_doc_filter *f, const struct hb_doc_row_data *r) {
        for (unsigned i = 0; i < f->n; i++)
                if (row_has(&f->words[i], r) == f->words[i].not )
                        return false;
        return true;
}

unsigned hb_doc_filter_begins(const struct hb_doc_filter *f, unsigned column, const char *text) {
        unsigned most = 0;

        for (unsigned i = 0; i < f->n; i++) {
                const struct word *w = &f->words[i];

                if (!w->not &&(w->column == ANY || w->column == column) && w->n > most && begins(w, text))
                        most = w->n;
        }
        return most;
}
