/* doc_look: what others may know of a doc. Without an order a table's rows are as they were built. */
#include "draw/doc_look.h"
#include "draw/doc_priv.h"
#include <string.h>

const char *hb_doc_view_name(const hb_doc *d) {
        return d ? d->view : "";
}

const char *hb_doc_subject_text(const hb_doc *d) {
        return d ? d->subject : "";
}

hb_doc_table *hb_doc_main(const hb_doc *d) {
        return d ? d->main : NULL;
}

unsigned hb_doc_columns(const hb_doc_table *t, const struct hb_doc_column **ret) {
        if (!t)
                return 0;
        *ret = t->columns;
        return t->ncolumns;
}

unsigned hb_doc_rows(const hb_doc_table *t) {
        return !t ? 0 : t->order ? t->nshown : t->nrows;
}

unsigned hb_doc_rows_all(const hb_doc_table *t) {
        return t ? t->nrows : 0;
}

const struct hb_doc_row_data *hb_doc_row_at(const struct hb_doc_table *t, unsigned i) {
        return t->rows[t->order ? t->order[i] : i];
}

const char *hb_doc_row_id(const hb_doc_table *t, unsigned i) {
        return i < hb_doc_rows(t) ? hb_doc_row_at(t, i)->id : NULL;
}

unsigned hb_doc_row_find(const hb_doc_table *t, const char *id) {
        unsigned n = hb_doc_rows(t);

        for (unsigned i = 0; i < n; i++)
                if (strcmp(hb_doc_row_at(t, i)->id, id) == 0)
                        return i;
        return n;
}

/* Three fifths and two fifths, and three columns for the line between. */
unsigned hb_doc_room(unsigned width, bool aside) {
        unsigned left = width < 3 ? width : (width - 3) * 3 / 5;

        if (width < HB_DOC_WIDE)
                return width;
        return aside ? width - 3 - left : left;
}
