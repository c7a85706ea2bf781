/* results_plan: the plan last asked for, written and read. What is read is checked as a plan from words is:
 * the database may come from anywhere. */
#include "compare/results_priv.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int put(hb_results *r, struct hb_err *e, const char *format, ...) {
        va_list ap;
        char *sql;
        int rc;

        va_start(ap, format);
        sql = sqlite3_vmprintf(format, ap);
        va_end(ap);
        rc = sql ? hb_results_exec(r, sql, e) : hb_results_fail(r, SQLITE_NOMEM, "write the plan", e);
        sqlite3_free(sql);
        return rc;
}

static int write_options(hb_results *r, const struct hb_compare_plan *p, struct hb_err *e) {
        return put(r, e,
                   "INSERT INTO plan VALUES('version', %Q), ('base', %u), ('oracle_budget', %d), "
                   "('latency_s', %.17g), ('wire_share', %.17g), ('image_bytes', %lld), ('seed', %lld), "
                   "('moments', %u)",
                   p->version, p->base, p->oracle_budget, p->latency_s, p->wire_share,
                   (long long)p->image_bytes, (long long)p->seed, p->moments);
}

static int write_plan(hb_results *r, const struct hb_compare_plan *p, struct hb_err *e) {
        int rc = hb_results_exec(
                r, "DELETE FROM plan; DELETE FROM axis; DELETE FROM trace; DELETE FROM policy", e);

        if (rc == 0)
                rc = write_options(r, p, e);
        for (unsigned i = 0; rc == 0 && i < p->nhorizons; i++)
                rc = put(r, e, "INSERT INTO axis VALUES('horizon', %u, %.17g, NULL)", i, p->horizons[i]);
        for (unsigned i = 0; rc == 0 && i < p->nlinks; i++)
                rc = put(r, e, "INSERT INTO axis VALUES('link', %u, %.17g, %Q)", i, p->links[i].bytes_per_s,
                         p->links[i].name);
        for (unsigned i = 0; rc == 0 && i < p->ntraces; i++)
                rc = hb_results_write(r, &hb_rows_trace, (struct hb_row_key){NULL, i}, &p->traces[i], e);
        for (unsigned i = 0; rc == 0 && i < p->npolicies; i++)
                rc = hb_results_write(r, &hb_rows_policy, (struct hb_row_key){NULL, i}, &p->policies[i], e);
        return rc;
}

int hb_results_put_plan(hb_results *r, const struct hb_compare_plan *p, struct hb_err *e) {
        int rc = hb_results_exec(r, "BEGIN IMMEDIATE", e);

        if (rc < 0)
                return rc;
        rc = write_plan(r, p, e);
        if (rc == 0)
                rc = hb_results_exec(r, "COMMIT", e);
        if (rc < 0)
                hb_results_exec(r, "ROLLBACK", NULL);
        return rc;
}

/* ---- back ---- */
struct value {
        char name[32], text[32], word[32];
        double number;
        int64_t integer;
};

static int each_value(hb_results *r, const char *sql,
                      void (*fn)(struct hb_compare_plan *p, const struct value *v), struct hb_compare_plan *p,
                      struct hb_err *e) {
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(r->db, sql, -1, &st, NULL);

        while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
                const unsigned char *name = sqlite3_column_text(st, 0), *word = sqlite3_column_text(st, 2),
                                    *text;
                struct value v = {.number = sqlite3_column_double(st, 1),
                                  .integer = sqlite3_column_int64(st, 1)};

                snprintf(v.name, sizeof(v.name), "%s", name ? (const char *)name : "");
                snprintf(v.word, sizeof(v.word), "%s", word ? (const char *)word : "");
                text = sqlite3_column_text(st, 1); /* after the numbers: it converts the column */
                snprintf(v.text, sizeof(v.text), "%s", text ? (const char *)text : "");
                fn(p, &v);
                rc = SQLITE_OK;
        }
        sqlite3_finalize(st);
        return rc == SQLITE_DONE ? 0 : hb_results_fail(r, rc, "read the plan", e);
}

static void take_option(struct hb_compare_plan *p, const struct value *v) {
        if (strcmp(v->name, "version") == 0)
                memcpy(p->version, v->text, sizeof(v->text));
        else if (strcmp(v->name, "base") == 0)
                p->base = (unsigned)v->integer;
        else if (strcmp(v->name, "oracle_budget") == 0)
                p->oracle_budget = v->integer != 0;
        else if (strcmp(v->name, "latency_s") == 0)
                p->latency_s = v->number;
        else if (strcmp(v->name, "wire_share") == 0)
                p->wire_share = v->number;
        else if (strcmp(v->name, "image_bytes") == 0)
                p->image_bytes = (uint64_t)v->integer;
        else if (strcmp(v->name, "seed") == 0)
                p->seed = (uint64_t)v->integer;
        else if (strcmp(v->name, "moments") == 0)
                p->moments = (unsigned)v->integer;
}

static void take_axis(struct hb_compare_plan *p, const struct value *v) {
        if (strcmp(v->name, "horizon") == 0 && p->nhorizons < HB_COMPARE_MAX_AXIS)
                p->horizons[p->nhorizons++] = v->number;
        else if (strcmp(v->name, "link") == 0 && p->nlinks < HB_COMPARE_MAX_AXIS) {
                p->links[p->nlinks].bytes_per_s = v->number;
                memcpy(p->links[p->nlinks++].name, v->word, sizeof(v->word));
        }
}

static int read_lists(hb_results *r, struct hb_compare_plan *p, struct hb_err *e) {
        struct hb_compare_policy *policies = NULL;
        int rc = hb_results_read(r, &hb_rows_trace, NULL, sizeof(*p->traces), HB_COMPARE_MAX_TRACES,
                                 (void **)&p->traces, &p->ntraces, e);

        if (rc == 0)
                rc = hb_results_read(r, &hb_rows_policy, NULL, sizeof(*policies), HB_COMPARE_MAX_POLICIES,
                                     (void **)&policies, &p->npolicies, e);
        if (rc == 0 && p->npolicies)
                memcpy(p->policies, policies, p->npolicies * sizeof(*policies));
        free(policies);
        return rc;
}

static bool makes_sense(const struct hb_compare_plan *p) {
        for (unsigned i = 0; i < p->nhorizons; i++)
                if (!(p->horizons[i] > 0) || !isfinite(p->horizons[i]))
                        return false;
        for (unsigned i = 0; i < p->nlinks; i++)
                if (!(p->links[i].bytes_per_s > 0) || !isfinite(p->links[i].bytes_per_s))
                        return false;
        for (unsigned i = 0; i < p->npolicies; i++)
                if ((unsigned)p->policies[i].kind > HB_COMPARE_OPTIMUM)
                        return false;
        for (unsigned i = 0; i < p->ntraces; i++)
                if (p->traces[i].last_ns < p->traces[i].first_ns)
                        return false;
        return p->base < p->npolicies && p->moments <= HB_REPLAY_MOMENTS && hb_compare_cells(p) > 0 &&
               (uint64_t)p->ntraces * p->nhorizons * p->nlinks * p->npolicies <= HB_COMPARE_MAX_CELLS;
}

int hb_results_get_plan(hb_results *r, struct hb_compare_plan **ret, struct hb_err *e) {
        struct hb_compare_plan *p = calloc(1, sizeof(*p));
        int rc = p ? 0 : hb_results_fail(r, SQLITE_NOMEM, "read the plan", e);

        if (rc == 0)
                rc = each_value(r, "SELECT key, value, NULL FROM plan", take_option, p, e);
        if (rc == 0)
                rc = each_value(r, "SELECT name, value, word FROM axis ORDER BY name, n", take_axis, p, e);
        if (rc == 0)
                rc = read_lists(r, p, e);
        if (rc == 0 && p->ntraces == 0 && p->npolicies == 0)
                rc = hb_err_set(e, -ENODATA, r->path, "harbinger trace compare makes results",
                                "there are no results in the file");
        else if (rc == 0 && !makes_sense(p))
                rc = hb_results_fail(r, SQLITE_CORRUPT, "read the plan", e);
        if (rc == 0)
                *ret = p;
        else
                hb_compare_plan_free(p);
        return rc;
}
