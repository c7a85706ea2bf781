/* history: everything that ended. */
#include "store/store_priv.h"
#include <string.h>

int hb_history_add(hb_store *s, const struct hb_history_entry *h, struct hb_err *e) {
        const struct hb_sql_arg args[] = {HB_N(h->wall_ns), HB_T(h->kind),   HB_T(h->guest), HB_T(h->from),
                                          HB_T(h->to),      HB_T(h->result), HB_T(h->json)};

        return hb_store_run(s,
                            "INSERT INTO history(wall_ns, kind, guest, host_from, host_to, result, json) "
                            "VALUES(?,?,?,?,?,?,?)",
                            args, sizeof(args) / sizeof(args[0]), "write the history", e);
}

static void history_row(sqlite3_stmt *st, void *out) {
        struct hb_history_entry *h = out;

        h->rowid = sqlite3_column_int64(st, 0);
        h->wall_ns = (uint64_t)sqlite3_column_int64(st, 1);
        hb_store_text(st, 2, h->kind, sizeof(h->kind));
        hb_store_text(st, 3, h->guest, sizeof(h->guest));
        hb_store_text(st, 4, h->from, sizeof(h->from));
        hb_store_text(st, 5, h->to, sizeof(h->to));
        hb_store_text(st, 6, h->result, sizeof(h->result));
        hb_store_text(st, 7, h->json, sizeof(h->json));
}

struct history_visit {
        int (*fn)(void *arg, const struct hb_history_entry *h);
        void *arg;
};

static int show_history(void *arg, const void *item) {
        const struct history_visit *v = arg;

        return v->fn(v->arg, item);
}

int hb_history_list(hb_store *s, unsigned limit, int (*fn)(void *arg, const struct hb_history_entry *h),
                    void *arg) {
        const struct hb_sql_arg args[] = {HB_N(limit)};
        struct history_visit v = {fn, arg};

        return hb_store_each(
                s,
                "SELECT rowid, wall_ns, kind, guest, host_from, host_to, result, json FROM history "
                "ORDER BY rowid DESC LIMIT ?",
                args, 1, sizeof(struct hb_history_entry), history_row, show_history, &v);
}
