/* doc_order: which rows of the main table are shown, and in what order.
 *
 * The rows stay where they are; an array of their numbers is made. Equal rows keep the doc's order because
 * their numbers decide, so that a row moves only when its own value passes another's. Cost: O(n log n). */
#include "base/fault.h"
#include "draw/doc_priv.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum rank { NUMBER, TEXT, UNKNOWN };

struct key {
        enum rank rank;
        double number;
        const char *text;
        unsigned row;
};

static struct key key_of(const struct hb_doc_row_data *r, unsigned column, unsigned row) {
        const json_t *v = column < r->n ? r->cells[column].value : NULL;
        struct key k = {.rank = UNKNOWN, .text = "", .row = row};

        if (json_is_number(v) || json_is_boolean(v)) {
                k.rank = NUMBER;
                k.number = json_is_number(v) ? json_number_value(v) : json_is_true(v);
        } else if (json_is_string(v)) {
                k.rank = TEXT;
                k.text = json_string_value(v);
        }
        return k;
}

static bool digit(char c) {
        return c >= '0' && c <= '9';
}

static const char *skip_zeros(const char *p) {
        while (*p == '0' && digit(p[1]))
                p++;
        return p;
}

/* Runs of digits by their value: the longer one is greater. */
static int compare_digits(const char **a, const char **b) {
        const char *p, *q;
        size_t n = 0, m = 0;
        int r;

        p = skip_zeros(*a);
        q = skip_zeros(*b);
        while (digit(p[n]))
                n++;
        while (digit(q[m]))
                m++;
        *a = p + n;
        *b = q + m;
        r = n != m ? 0 : strncmp(p, q, n);
        return n < m ? -1 : n > m ? 1 : r;
}

/* As people count: vm2 before vm10, case aside. */
static int compare_texts(const char *a, const char *b) {
        while (*a && *b) {
                int r;

                if (digit(*a) && digit(*b)) {
                        r = compare_digits(&a, &b);
                } else {
                        r = tolower((unsigned char)*a) - tolower((unsigned char)*b);
                        a++;
                        b++;
                }
                if (r)
                        return r;
        }
        return (unsigned char)*a - (unsigned char)*b;
}

static int compare(const void *x, const void *y, void *descending) {
        const struct key *a = x, *b = y;
        int r = 0;

        if (a->rank != b->rank && (a->rank == UNKNOWN || b->rank == UNKNOWN))
                return a->rank == UNKNOWN ? 1 : -1;
        if (a->rank != b->rank)
                r = a->rank == NUMBER ? -1 : 1;
        else if (a->rank == NUMBER)
                r = a->number < b->number ? -1 : a->number > b->number;
        else if (a->rank == TEXT)
                r = compare_texts(a->text, b->text);
        if (r)
                return *(const bool *)descending ? -r : r;
        return a->row < b->row ? -1 : a->row > b->row;
}

static unsigned column_named(const struct hb_doc_table *t, const char *key) {
        for (unsigned i = 0; i < t->ncolumns; i++)
                if (strcmp(t->columns[i].key, key) == 0)
                        return i;
        return t->ncolumns;
}

static int sort(struct hb_doc_table *t, unsigned column, bool descending) {
        struct key *keys = hb_fault("doc.sort") ? NULL : calloc(t->nshown + 1, sizeof(*keys));

        if (!keys)
                return -1;
        for (unsigned i = 0; i < t->nshown; i++)
                keys[i] = key_of(t->rows[t->order[i]], column, t->order[i]);
        qsort_r(keys, t->nshown, sizeof(*keys), compare, &descending);
        for (unsigned i = 0; i < t->nshown; i++)
                t->order[i] = keys[i].row;
        free(keys);
        return 0;
}

static void turn_round(struct hb_doc_table *t) {
        for (unsigned i = 0, k = t->nshown; i + 1 < k; i++) {
                unsigned row = t->order[--k];

                t->order[k] = t->order[i];
                t->order[i] = row;
        }
}

static int choose(struct hb_doc_table *t, const char *words) {
        t->filter = hb_doc_filter_new(t, words);
        if (!t->filter)
                return -1;
        t->nshown = 0;
        for (unsigned i = 0; i < t->nrows; i++)
                if (hb_doc_filter_takes(t->filter, t->rows[i]))
                        t->order[t->nshown++] = i;
        return 0;
}

/* A table that cannot be arranged is shown whole, as built. */
static unsigned give_up(struct hb_doc_table *t) {
        t->doc->incomplete = true;
        free(t->order);
        t->order = NULL;
        t->filter = hb_doc_filter_free(t->filter);
        memset(&t->how, 0, sizeof(t->how));
        return t->nrows;
}

unsigned hb_doc_arrange(hb_doc *d, const struct hb_doc_order *o) {
        struct hb_doc_table *t = hb_doc_main(d);
        unsigned column;

        if (!t)
                return 0;
        free(t->order);
        t->filter = hb_doc_filter_free(t->filter);
        t->order = hb_fault("doc.order") ? NULL : calloc(t->nrows + 1, sizeof(*t->order));
        t->how = *o;
        if (!t->order || choose(t, o->filter) < 0)
                return give_up(t);
        column = o->sort[0] ? column_named(t, o->sort) : t->ncolumns;
        if (column < t->ncolumns && sort(t, column, o->descending) < 0)
                return give_up(t);
        if (column == t->ncolumns && o->descending)
                turn_round(t);
        return t->nshown;
}
