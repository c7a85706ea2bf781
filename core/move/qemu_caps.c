/* qemu_caps: the migration capabilities and parameters a hand-over needs, and giving them back.
 *
 * x-ignore-shared must not stay on by itself: an ordinary migration afterwards would leave the RAM behind
 * without a word. So it and pause-before-switchover are always switched off at the end, also by a new port
 * object that knows nothing of the beginning; the rest goes back to what it was before we changed it, where
 * that is known. One worker thread. */
#include "move/qemu_priv.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
        const char *name;
        bool on, needed;
} wanted[] = {
        {"x-ignore-shared", true, true},
        {"pause-before-switchover", true, true},
        {"events", true, false},
        /* these do not go together with a plain stream, or with memory that stays where it is */
        {"multifd", false, false},
        {"postcopy-ram", false, false},
        {"x-colo", false, false},
        {"compress", false, false},
        {"xbzrle", false, false},
        {"auto-converge", false, false},
        {"background-snapshot", false, false},
        {"zero-copy-send", false, false},
        {"mapped-ram", false, false},
        {"release-ram", false, false},
};
#define N_WANTED (sizeof(wanted) / sizeof(wanted[0]))

/* *ret: 1 on, 0 off, -1 unknown to this QEMU. */
static int cap_state(const json_t *list, const char *name) {
        size_t i;
        const json_t *item;

        json_array_foreach((json_t *)(uintptr_t)list, i, item) {
                const char *cap = json_string_value(json_object_get(item, "capability"));

                if (cap && strcmp(cap, name) == 0)
                        return json_is_true(json_object_get(item, "state"));
        }
        return -1;
}

int hb_qemu_caps_can_move(struct hb_qemu *q, char *cannot, size_t size, struct hb_err *e) {
        json_t *list;
        int can = 1, rc = hb_qemu_call(q, "query-migrate-capabilities", NULL, &list, e);

        if (rc < 0)
                return rc;
        for (size_t i = 0; i < N_WANTED && can; i++)
                if (wanted[i].needed && cap_state(list, wanted[i].name) < 0) {
                        snprintf(cannot, size, "%s has no migration capability %s; use QEMU 4.2 or newer",
                                 q->version, wanted[i].name);
                        can = 0;
                }
        json_decref(list);
        return can;
}

static json_t *cap_item(const char *name, bool on) {
        return json_pack("{s:s, s:b}", "capability", name, "state", (int)on);
}

/* What differs from `wanted`, as orders; in *ret_before what of that is to be given back. */
static json_t *differences(const json_t *list, json_t **ret_before) {
        json_t *orders = json_array(), *before = json_array();

        for (size_t i = 0; i < N_WANTED; i++) {
                int now = cap_state(list, wanted[i].name);

                if (now < 0 || now == (int)wanted[i].on)
                        continue;
                json_array_append_new(orders, cap_item(wanted[i].name, wanted[i].on));
                if (!wanted[i].needed)
                        json_array_append_new(before, cap_item(wanted[i].name, now));
        }
        *ret_before = before;
        return orders;
}

static int set_caps(struct hb_qemu *q, json_t *list, struct hb_err *e) {
        return hb_qemu_call(q, "migrate-set-capabilities", json_pack("{s:O}", "capabilities", list), NULL, e);
}

static int change_caps(struct hb_qemu *q, struct hb_err *e) {
        json_t *list, *orders, *before;
        int rc = hb_qemu_call(q, "query-migrate-capabilities", NULL, &list, e);

        if (rc < 0)
                return rc;
        orders = differences(list, &before);
        if (json_array_size(orders) > 0)
                rc = set_caps(q, orders, e);
        if (rc == 0 && !q->caps_before)
                q->caps_before = json_incref(before);
        json_decref(before);
        json_decref(orders);
        json_decref(list);
        return rc;
}

/* QEMU's pacing is for RAM it does not send here: without a cap and with any downtime it switches over at
 * once. */
static int change_params(struct hb_qemu *q, struct hb_err *e) {
        json_t *now;
        int rc = hb_qemu_call(q, "query-migrate-parameters", NULL, &now, e);

        if (rc < 0)
                return rc;
        if (!q->params_before)
                q->params_before =
                        json_pack("{s:O*, s:O*}", "max-bandwidth", json_object_get(now, "max-bandwidth"),
                                  "downtime-limit", json_object_get(now, "downtime-limit"));
        json_decref(now);
        return hb_qemu_call(q, "migrate-set-parameters",
                            json_pack("{s:I, s:I}", "max-bandwidth", (json_int_t)100 << 30, "downtime-limit",
                                      (json_int_t)2000000),
                            NULL, e);
}

int hb_qemu_caps_set(struct hb_qemu *q, struct hb_err *e) {
        char cannot[192];
        int rc = hb_qemu_caps_can_move(q, cannot, sizeof(cannot), e);

        if (rc == 0)
                return hb_err_set(e, -EOPNOTSUPP, q->path, "use QEMU 4.2 or newer on both hosts", "%s",
                                  cannot);
        if (rc > 0)
                rc = change_caps(q, e);
        return rc < 0 ? rc : change_params(q, e);
}

/* Best effort: the guest runs, and that is what counts. */
void hb_qemu_caps_restore(struct hb_qemu *q) {
        json_t *caps = q->caps_before ? q->caps_before : json_array();

        for (size_t i = 0; i < N_WANTED; i++)
                if (wanted[i].needed)
                        json_array_append_new(caps, cap_item(wanted[i].name, false));
        set_caps(q, caps, NULL);
        json_decref(caps);
        q->caps_before = NULL;
        if (q->params_before)
                hb_qemu_call(q, "migrate-set-parameters", q->params_before, NULL, NULL);
        q->params_before = NULL;
}
