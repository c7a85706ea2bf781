/* doc_out_csv: a doc's table for spreadsheets and scripts (RFC 4180; lines end in a newline alone).
 *
 * A spreadsheet runs what begins like a formula, and names come from guests: such a cell gets an apostrophe
 * (OWASP, CSV injection). Numbers are written by jansson, which knows no locale. */
#include "base/fault.h"
#include "draw/doc_out.h"
#include "draw/doc_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool like_a_formula(const char *s) {
        return *s && strchr("=+-@\t\r", *s);
}

static void put_text(const char *s, FILE *out) {
        bool guard = like_a_formula(s);

        if (!guard && !s[strcspn(s, ",\"\r\n")]) {
                fputs(s, out);
                return;
        }
        fputs(guard ? "\"'" : "\"", out);
        for (; *s; s++) {
                if (*s == '"')
                        fputc('"', out);
                fputc(*s, out);
        }
        fputc('"', out);
}

/* Lists and objects within a cell: as JSON. */
static void put_json(const json_t *v, bool quoted, FILE *out) {
        char *s = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));

        if (quoted)
                put_text(s ? s : "", out);
        else
                fputs(s ? s : "", out);
        free(s);
}

static void put_value(const json_t *v, FILE *out) {
        if (!v || json_is_null(v))
                return;
        if (json_is_string(v))
                put_text(json_string_value(v), out);
        else
                put_json(v, !json_is_number(v), out);
}

static const struct hb_doc_table *table_of(const hb_doc *d) {
        if (d->main)
                return d->main;
        for (const struct hb_doc_block *b = d->first; b; b = b->next)
                if (b->kind == HB_BLOCK_TABLE)
                        return b->table;
        return NULL;
}

static void put_table(const struct hb_doc_table *t, FILE *out) {
        for (unsigned i = 0; i < t->ncolumns; i++) {
                fputs(i ? "," : "", out);
                put_text(t->columns[i].key, out);
        }
        fputc('\n', out);
        for (unsigned i = 0; i < hb_doc_rows(t); i++) {
                const struct hb_doc_row_data *r = hb_doc_row_at(t, i);

                for (unsigned k = 0; k < t->ncolumns; k++) {
                        fputs(k ? "," : "", out);
                        put_value(k < r->n ? r->cells[k].value : NULL, out);
                }
                fputc('\n', out);
        }
}

static void put_fields(const hb_doc *d, FILE *out) {
        fputs("key,value\n", out);
        for (const struct hb_doc_block *b = d->first; b; b = b->next) {
                if (b->kind != HB_BLOCK_FIELD || !b->key)
                        continue;
                put_text(b->key, out);
                fputc(',', out);
                put_value(b->value, out);
                fputc('\n', out);
        }
}

int hb_doc_csv(const hb_doc *d, FILE *out) {
        const struct hb_doc_table *t = d ? table_of(d) : NULL;

        if (!d)
                return -ENOMEM;
        if (t)
                put_table(t, out);
        else
                put_fields(d, out);
        return ferror(out) || hb_fault("doc.csv") ? -EIO : 0;
}
