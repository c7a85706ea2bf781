/* journal: the newest state of each hand-over. `seq` keeps them in the order of their last change, whatever
 * the wall clock does. */
#include "store/store_priv.h"
#include <errno.h>
#include <string.h>

#define COLUMNS "id, guest, peer, state, port_kind, port_path, image, wall_ns, open, detail"

int hb_journal_put(hb_store *s, const struct hb_journal_entry *j, struct hb_err *e) {
        const struct hb_sql_arg args[] = {
                HB_I(j->id),        HB_T(j->guest), HB_T(j->peer),    HB_T(j->state), HB_T(j->port_kind),
                HB_T(j->port_path), HB_T(j->image), HB_N(j->wall_ns), HB_N(j->open),  HB_T(j->detail)};

        return hb_store_run(s,
                            "INSERT OR REPLACE INTO journal(" COLUMNS ", seq) VALUES(?,?,?,?,?,?,?,?,?,?,"
                            "(SELECT coalesce(max(seq), 0) + 1 FROM journal))",
                            args, sizeof(args) / sizeof(args[0]), "write the journal", e);
}

static void entry_row(sqlite3_stmt *st, void *out) {
        struct hb_journal_entry *j = out;
        const void *id = sqlite3_column_blob(st, 0);

        if (id && sqlite3_column_bytes(st, 0) == (int)sizeof(j->id))
                memcpy(j->id, id, sizeof(j->id));
        hb_store_text(st, 1, j->guest, sizeof(j->guest));
        hb_store_text(st, 2, j->peer, sizeof(j->peer));
        hb_store_text(st, 3, j->state, sizeof(j->state));
        hb_store_text(st, 4, j->port_kind, sizeof(j->port_kind));
        hb_store_text(st, 5, j->port_path, sizeof(j->port_path));
        hb_store_text(st, 6, j->image, sizeof(j->image));
        j->wall_ns = (uint64_t)sqlite3_column_int64(st, 7);
        j->open = sqlite3_column_int(st, 8) != 0;
        hb_store_text(st, 9, j->detail, sizeof(j->detail));
}

struct found {
        struct hb_journal_entry entry;
        bool any;
};

static int take(void *arg, const void *item) {
        struct found *f = arg;

        f->entry = *(const struct hb_journal_entry *)item;
        f->any = true;
        return 0;
}

int hb_journal_get(hb_store *s, const uint8_t id[16], struct hb_journal_entry *ret) {
        const struct hb_sql_arg args[] = {HB_I(id)};
        struct found f = {0};
        int rc = hb_store_each(s, "SELECT " COLUMNS " FROM journal WHERE id = ?", args, 1, sizeof(f.entry),
                               entry_row, take, &f);

        if (rc == 0 && !f.any)
                return -ENOENT;
        if (rc == 0)
                *ret = f.entry;
        return rc;
}

struct visit {
        int (*fn)(void *arg, const struct hb_journal_entry *j);
        void *arg;
};

static int show(void *arg, const void *item) {
        const struct visit *v = arg;

        return v->fn(v->arg, item);
}

int hb_journal_each(hb_store *s, bool open_only, int (*fn)(void *arg, const struct hb_journal_entry *j),
                    void *arg) {
        const struct hb_sql_arg args[] = {HB_N(open_only)};
        struct visit v = {fn, arg};

        return hb_store_each(s, "SELECT " COLUMNS " FROM journal WHERE open >= ? ORDER BY seq", args, 1,
                             sizeof(struct hb_journal_entry), entry_row, show, &v);
}
