/* policies: versions of policies, who is active, and what was done to them.
 *
 * Invariant: a version that stands in a place (active, shadow, previous) is never removed, whatever else is;
 * places and the event that changed them are one transaction, so what the history says is what runs after a
 * restart. Bounded: versions in no place go, the oldest first, beyond HB_STORE_POLICY_VERSIONS of a kind, and
 * their tuned params with them; so do events beyond HB_STORE_POLICY_EVENTS. */
#include "base/bytes.h"
#include "store/store_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- versions ---- */

static void number_row(sqlite3_stmt *st, void *out) {
        *(unsigned *)out = (unsigned)sqlite3_column_int64(st, 0);
}

static int take_number(void *arg, const void *item) {
        *(unsigned *)arg = *(const unsigned *)item;
        return 0;
}

static int number_of(hb_store *s, const char *kind, const char *hash, unsigned *ret) {
        const struct hb_sql_arg args[] = {HB_T(kind), HB_T(hash)};
        unsigned number = 0;
        int rc = hb_store_each(s, "SELECT number FROM policy_version WHERE kind = ? AND hash = ?", args,
                               COUNT(args), sizeof(unsigned), number_row, take_number, &number);

        if (rc < 0)
                return rc;
        if (number == 0)
                return -ENOENT;
        *ret = number;
        return 0;
}

int hb_store_policy_put(hb_store *s, const struct hb_store_policy *p, const void *source, size_t size,
                        unsigned *ret_number, struct hb_err *e) {
        const struct hb_sql_arg put[] = {HB_T(p->hash), HB_T(p->kind), HB_T(p->name),    HB_T(p->version),
                                         HB_T(p->kind), HB_T(p->name), HB_N(p->wall_ns), HB_B(source, size)};
        const struct hb_sql_arg prune[] = {HB_T(p->kind), HB_T(p->kind), HB_N(HB_STORE_POLICY_VERSIONS)};
        const struct hb_sql_step steps[] = {
                {"INSERT INTO policy_version(hash, kind, name, version, number, wall_ns, source) "
                 "VALUES(?, ?, ?, ?, (SELECT coalesce(max(number), 0) + 1 FROM policy_version "
                 "WHERE kind = ? AND name = ?), ?, ?)",
                 put, COUNT(put)},
                {"DELETE FROM policy_version WHERE kind = ? AND hash NOT IN "
                 "(SELECT active FROM policy_kind UNION SELECT shadow FROM policy_kind UNION SELECT previous "
                 "FROM policy_kind) AND rowid NOT IN (SELECT rowid FROM policy_version WHERE kind = ? ORDER "
                 "BY rowid DESC LIMIT ?)",
                 prune, COUNT(prune)},
                {"DELETE FROM policy_param WHERE (kind, hash) NOT IN (SELECT kind, hash FROM policy_version)",
                 NULL, 0},
        };
        int rc = number_of(s, p->kind, p->hash, ret_number);

        if (rc == 0)
                return 0;
        if (size > HB_STORE_POLICY_BYTES)
                return hb_err_set(e, -EFBIG, p->name, NULL, "the policy is too large to be kept");
        rc = hb_store_run_all(s, steps, COUNT(steps), "keep the policy", e);
        return rc < 0 ? rc : number_of(s, p->kind, p->hash, ret_number);
}

struct bytes {
        void *data;
        size_t size;
};

static void bytes_row(sqlite3_stmt *st, void *out) {
        struct bytes *b = out;
        const void *data = sqlite3_column_blob(st, 0);

        b->size = (size_t)sqlite3_column_bytes(st, 0);
        b->data = malloc(b->size + 1);
        if (b->data && b->size)
                memcpy(b->data, data, b->size);
}

static int take_bytes(void *arg, const void *item) {
        const struct bytes *b = item;
        int rc = b->data ? 1 : -ENOMEM;

        if (b->data)
                hb_buf_raw(arg, b->data, b->size);
        free(b->data);
        return rc;
}

int hb_store_policy_source(hb_store *s, const char *kind, const char *hash, struct hb_buf *out) {
        const struct hb_sql_arg args[] = {HB_T(kind), HB_T(hash)};
        int rc = hb_store_each(s, "SELECT source FROM policy_version WHERE kind = ? AND hash = ?", args,
                               COUNT(args), sizeof(struct bytes), bytes_row, take_bytes, out);

        if (rc == 0)
                return -ENOENT;
        return rc < 0 ? rc : out->failed ? -ENOMEM : 0;
}

static void version_row(sqlite3_stmt *st, void *out) {
        struct hb_store_policy *p = out;

        hb_store_text(st, 0, p->kind, sizeof(p->kind));
        hb_store_text(st, 1, p->hash, sizeof(p->hash));
        hb_store_text(st, 2, p->name, sizeof(p->name));
        hb_store_text(st, 3, p->version, sizeof(p->version));
        p->number = (unsigned)sqlite3_column_int64(st, 4);
        p->wall_ns = (uint64_t)sqlite3_column_int64(st, 5);
}

struct version_visit {
        int (*fn)(void *arg, const struct hb_store_policy *p);
        void *arg;
};

static int show_version(void *arg, const void *item) {
        const struct version_visit *v = arg;

        return v->fn(v->arg, item);
}

int hb_store_policies(hb_store *s, int (*fn)(void *arg, const struct hb_store_policy *p), void *arg) {
        struct version_visit v = {fn, arg};

        return hb_store_each(
                s, "SELECT kind, hash, name, version, number, wall_ns FROM policy_version ORDER BY rowid",
                NULL, 0, sizeof(struct hb_store_policy), version_row, show_version, &v);
}

/* ---- places and events ---- */

static const char put_kind[] =
        "INSERT OR REPLACE INTO policy_kind(kind, active, shadow, previous, rejected, configured, promoted, "
        "previous_promoted, canary, wall_ns) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char put_event[] =
        "INSERT INTO policy_event(wall_ns, who, op, kind, name, hash, previous, why, guests, result) "
        "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char drop_events[] =
        "DELETE FROM policy_event WHERE rowid <= (SELECT max(rowid) FROM policy_event) - ?";

/* `first`, if any, and the event, if any, in one transaction. */
static int run_with_event(hb_store *s, const struct hb_sql_step *first,
                          const struct hb_store_policy_event *ev, const char *doing, struct hb_err *e) {
        static const struct hb_store_policy_event none;
        const struct hb_store_policy_event *v = ev ? ev : &none;
        const struct hb_sql_arg args[] = {HB_N(v->wall_ns), HB_T(v->who),   HB_T(v->op),       HB_T(v->kind),
                                          HB_T(v->name),    HB_T(v->hash),  HB_T(v->previous), HB_T(v->why),
                                          HB_T(v->guests),  HB_T(v->result)};
        const struct hb_sql_arg bound[] = {HB_N(HB_STORE_POLICY_EVENTS)};
        struct hb_sql_step steps[3];
        unsigned n = 0;

        if (first)
                steps[n++] = *first;
        if (ev) {
                steps[n++] = (struct hb_sql_step){put_event, args, COUNT(args)};
                steps[n++] = (struct hb_sql_step){drop_events, bound, COUNT(bound)};
        }
        return hb_store_run_all(s, steps, n, doing, e);
}

int hb_store_policy_decide(hb_store *s, const struct hb_store_policy_kind *k,
                           const struct hb_store_policy_event *ev, struct hb_err *e) {
        static const struct hb_store_policy_kind none;
        const struct hb_store_policy_kind *v = k ? k : &none;
        const struct hb_sql_arg args[] = {
                HB_T(v->kind),     HB_T(v->active),     HB_T(v->shadow),   HB_T(v->previous),
                HB_T(v->rejected), HB_T(v->configured), HB_N(v->promoted), HB_N(v->previous_promoted),
                HB_R(v->canary),   HB_N(v->wall_ns)};
        const struct hb_sql_step step = {put_kind, args, COUNT(args)};

        return run_with_event(s, k ? &step : NULL, ev, "keep what was decided about policies", e);
}

static void kind_row(sqlite3_stmt *st, void *out) {
        struct hb_store_policy_kind *k = out;

        hb_store_text(st, 0, k->kind, sizeof(k->kind));
        hb_store_text(st, 1, k->active, sizeof(k->active));
        hb_store_text(st, 2, k->shadow, sizeof(k->shadow));
        hb_store_text(st, 3, k->previous, sizeof(k->previous));
        hb_store_text(st, 4, k->rejected, sizeof(k->rejected));
        hb_store_text(st, 5, k->configured, sizeof(k->configured));
        k->promoted = sqlite3_column_int(st, 6);
        k->previous_promoted = sqlite3_column_int(st, 7);
        k->canary = sqlite3_column_double(st, 8);
        k->wall_ns = (uint64_t)sqlite3_column_int64(st, 9);
}

static int take_kind(void *arg, const void *item) {
        memcpy(arg, item, sizeof(struct hb_store_policy_kind));
        return 1;
}

int hb_store_policy_kind_get(hb_store *s, const char *kind, struct hb_store_policy_kind *ret) {
        const struct hb_sql_arg args[] = {HB_T(kind)};
        int rc = hb_store_each(s,
                               "SELECT kind, active, shadow, previous, rejected, configured, promoted, "
                               "previous_promoted, canary, wall_ns FROM policy_kind WHERE kind = ?",
                               args, 1, sizeof(*ret), kind_row, take_kind, ret);

        return rc == 0 ? -ENOENT : rc < 0 ? rc : 0;
}

static void event_row(sqlite3_stmt *st, void *out) {
        struct hb_store_policy_event *v = out;

        v->rowid = sqlite3_column_int64(st, 0);
        v->wall_ns = (uint64_t)sqlite3_column_int64(st, 1);
        hb_store_text(st, 2, v->who, sizeof(v->who));
        hb_store_text(st, 3, v->op, sizeof(v->op));
        hb_store_text(st, 4, v->kind, sizeof(v->kind));
        hb_store_text(st, 5, v->name, sizeof(v->name));
        hb_store_text(st, 6, v->hash, sizeof(v->hash));
        hb_store_text(st, 7, v->previous, sizeof(v->previous));
        hb_store_text(st, 8, v->why, sizeof(v->why));
        hb_store_text(st, 9, v->guests, sizeof(v->guests));
        hb_store_text(st, 10, v->result, sizeof(v->result));
}

struct event_visit {
        int (*fn)(void *arg, const struct hb_store_policy_event *ev);
        void *arg;
};

static int show_event(void *arg, const void *item) {
        const struct event_visit *v = arg;

        return v->fn(v->arg, item);
}

int hb_store_policy_events(hb_store *s, const char *kind, unsigned limit,
                           int (*fn)(void *arg, const struct hb_store_policy_event *ev), void *arg) {
        const struct hb_sql_arg args[] = {HB_T(kind), HB_T(kind), HB_N(limit)};
        struct event_visit v = {fn, arg};

        return hb_store_each(s,
                             "SELECT rowid, wall_ns, who, op, kind, name, hash, previous, why, guests, "
                             "result FROM policy_event WHERE ? = '' OR kind = ? ORDER BY rowid DESC LIMIT ?",
                             args, COUNT(args), sizeof(struct hb_store_policy_event), event_row, show_event,
                             &v);
}

/* ---- params ---- */

int hb_store_policy_tune(hb_store *s, const struct hb_store_policy_param *p,
                         const struct hb_store_policy_event *ev, struct hb_err *e) {
        const struct hb_sql_arg args[] = {HB_T(p->kind), HB_T(p->hash), HB_T(p->param), HB_R(p->value)};
        const struct hb_sql_step step = {
                "INSERT OR REPLACE INTO policy_param(kind, hash, param, value) VALUES(?, ?, ?, ?)", args,
                COUNT(args)};

        return run_with_event(s, &step, ev, "keep a tuned param", e);
}

static void param_row(sqlite3_stmt *st, void *out) {
        struct hb_store_policy_param *p = out;

        hb_store_text(st, 0, p->kind, sizeof(p->kind));
        hb_store_text(st, 1, p->hash, sizeof(p->hash));
        hb_store_text(st, 2, p->param, sizeof(p->param));
        p->value = sqlite3_column_double(st, 3);
}

struct param_visit {
        int (*fn)(void *arg, const struct hb_store_policy_param *p);
        void *arg;
};

static int show_param(void *arg, const void *item) {
        const struct param_visit *v = arg;

        return v->fn(v->arg, item);
}

int hb_store_policy_params(hb_store *s, const char *kind, const char *hash,
                           int (*fn)(void *arg, const struct hb_store_policy_param *p), void *arg) {
        const struct hb_sql_arg args[] = {HB_T(kind), HB_T(hash)};
        struct param_visit v = {fn, arg};

        return hb_store_each(s,
                             "SELECT kind, hash, param, value FROM policy_param WHERE kind = ? AND hash = ? "
                             "ORDER BY param",
                             args, COUNT(args), sizeof(struct hb_store_policy_param), param_row, show_param,
                             &v);
}
