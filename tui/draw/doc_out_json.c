/* doc_out_json: a doc as one JSON object. Values are shared, not copied: a table of 500 rows costs its
 * members. Invariant: an object that could not be made whole is not given. */
#include "base/fault.h"
#include "draw/doc_out.h"
#include "draw/doc_words_priv.h"
#include <math.h>
#include <string.h>

static json_t *shared(json_t *v) {
        return v ? json_incref(v) : json_null();
}

static json_t *real(double v) {
        return isfinite(v) ? json_real(v) : json_null();
}

/* Text that came from anywhere: JSON holds only UTF-8. */
static json_t *text(const char *s) {
        json_t *v = json_string(s);

        return v ? v : json_null();
}

static json_t *array_of(const double *v, size_t n) {
        json_t *a = json_array();

        for (size_t i = 0; a && i < n; i++)
                if (json_array_append_new(a, real(v[i])) < 0) {
                        json_decref(a);
                        return NULL;
                }
        return a;
}

static json_t *row(const struct hb_doc_table *t, const struct hb_doc_row_data *r) {
        json_t *o = json_object();

        for (unsigned i = 0; o && i < t->ncolumns; i++)
                if (t->columns[i].key[0] &&
                    json_object_set_new(o, t->columns[i].key, shared(i < r->n ? r->cells[i].value : NULL)) <
                            0) {
                        json_decref(o);
                        return NULL;
                }
        return o;
}

static json_t *table(const struct hb_doc_table *t) {
        json_t *a = json_array();

        for (unsigned i = 0; a && i < hb_doc_rows(t); i++)
                if (json_array_append_new(a, row(t, hb_doc_row_at(t, i))) < 0) {
                        json_decref(a);
                        return NULL;
                }
        return a;
}

static json_t *bar(const struct hb_doc_parts *b) {
        json_t *o = json_pack("{so}", "total", real(b->total));

        for (unsigned i = 0; o && i < b->n; i++)
                json_object_set_new(o, b->part[i].key, real(b->part[i].value));
        return o;
}

static json_t *histogram(const struct hb_doc_counts *h) {
        json_t *marks = json_array();

        for (unsigned i = 0; marks && i < h->nmarks; i++)
                json_array_append_new(marks, json_pack("{so so}", "label", text(h->marks[i].label), "at",
                                                       real(h->marks[i].at)));
        return json_pack("{so so so so}", "low", real(h->low), "high", real(h->high), "counts",
                         array_of(h->v, h->n), "marks", marks);
}

static json_t *value_of(const struct hb_doc_block *b) {
        switch (b->kind) {
        case HB_BLOCK_NOTE:
        case HB_BLOCK_TEXT:
                return text(b->text);
        case HB_BLOCK_TABLE:
                return table(b->table);
        case HB_BLOCK_SERIES:
                return array_of(b->series.v, b->series.n);
        case HB_BLOCK_BAR:
                return bar(&b->bar);
        case HB_BLOCK_HISTOGRAM:
                return histogram(&b->histogram);
        default:
                return shared(b->value);
        }
}

json_t *hb_doc_json(const hb_doc *d) {
        json_t *o = d && !hb_fault("doc.json")
                            ? json_pack("{so so}", "view", text(d->view), "subject", text(d->subject))
                            : NULL;

        for (const struct hb_doc_block *b = o ? d->first : NULL; b; b = b->next)
                if (b->key && json_object_set_new(o, b->key, value_of(b)) < 0)
                        goto fail;
        if (o && d->incomplete && json_object_set_new(o, "incomplete", json_true()) < 0)
                goto fail;
        return o;
fail:
        json_decref(o);
        return NULL;
}
