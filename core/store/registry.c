/* registry: which guests and placements to take up again after a restart. */
#include "store/store_priv.h"
#include <string.h>

int hb_store_guest_put(hb_store *s, const struct hb_store_guest *g, struct hb_err *e) {
        const struct hb_sql_arg args[] = {HB_T(g->name),    HB_T(g->kind), HB_T(g->port_path),
                                          HB_T(g->tracker), HB_N(g->pid),  HB_N(g->start_time)};

        return hb_store_run(s,
                            "INSERT OR REPLACE INTO guest(name, kind, port_path, tracker, pid, start_time) "
                            "VALUES(?,?,?,?,?,?)",
                            args, sizeof(args) / sizeof(args[0]), "remember the guest", e);
}

int hb_store_guest_remove(hb_store *s, const char *name) {
        const struct hb_sql_arg args[] = {HB_T(name)};

        return hb_store_run(s, "DELETE FROM guest WHERE name = ?", args, 1, "forget the guest", NULL);
}

static void guest_row(sqlite3_stmt *st, void *out) {
        struct hb_store_guest *g = out;

        hb_store_text(st, 0, g->name, sizeof(g->name));
        hb_store_text(st, 1, g->kind, sizeof(g->kind));
        hb_store_text(st, 2, g->port_path, sizeof(g->port_path));
        hb_store_text(st, 3, g->tracker, sizeof(g->tracker));
        g->pid = sqlite3_column_int64(st, 4);
        g->start_time = (uint64_t)sqlite3_column_int64(st, 5);
}

struct guest_visit {
        int (*fn)(void *arg, const struct hb_store_guest *g);
        void *arg;
};

static int show_guest(void *arg, const void *item) {
        const struct guest_visit *v = arg;

        return v->fn(v->arg, item);
}

int hb_store_guests(hb_store *s, int (*fn)(void *arg, const struct hb_store_guest *g), void *arg) {
        struct guest_visit v = {fn, arg};

        return hb_store_each(
                s, "SELECT name, kind, port_path, tracker, pid, start_time FROM guest ORDER BY name", NULL, 0,
                sizeof(struct hb_store_guest), guest_row, show_guest, &v);
}

int hb_store_placement_put(hb_store *s, const struct hb_store_placement *p, struct hb_err *e) {
        const struct hb_sql_arg args[] = {HB_I(p->id),       HB_T(p->guest),     HB_T(p->host),
                                          HB_N(p->incoming), HB_T(p->image_dir), HB_N(p->wall_ns)};

        return hb_store_run(s,
                            "INSERT OR REPLACE INTO placement(id, guest, host, incoming, image_dir, wall_ns) "
                            "VALUES(?,?,?,?,?,?)",
                            args, sizeof(args) / sizeof(args[0]), "remember the placement", e);
}

int hb_store_placement_remove(hb_store *s, const uint8_t id[16]) {
        const struct hb_sql_arg args[] = {HB_I(id)};

        return hb_store_run(s, "DELETE FROM placement WHERE id = ?", args, 1, "forget the placement", NULL);
}

static void placement_row(sqlite3_stmt *st, void *out) {
        struct hb_store_placement *p = out;
        const void *id = sqlite3_column_blob(st, 0);

        if (id && sqlite3_column_bytes(st, 0) == (int)sizeof(p->id))
                memcpy(p->id, id, sizeof(p->id));
        hb_store_text(st, 1, p->guest, sizeof(p->guest));
        hb_store_text(st, 2, p->host, sizeof(p->host));
        p->incoming = sqlite3_column_int(st, 3) != 0;
        hb_store_text(st, 4, p->image_dir, sizeof(p->image_dir));
        p->wall_ns = (uint64_t)sqlite3_column_int64(st, 5);
}

struct placement_visit {
        int (*fn)(void *arg, const struct hb_store_placement *p);
        void *arg;
};

static int show_placement(void *arg, const void *item) {
        const struct placement_visit *v = arg;

        return v->fn(v->arg, item);
}

int hb_store_placements(hb_store *s, int (*fn)(void *arg, const struct hb_store_placement *p), void *arg) {
        struct placement_visit v = {fn, arg};

        return hb_store_each(
                s,
                "SELECT id, guest, host, incoming, image_dir, wall_ns FROM placement ORDER BY wall_ns, guest",
                NULL, 0, sizeof(struct hb_store_placement), placement_row, show_placement, &v);
}
