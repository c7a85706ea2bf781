/* qmp_msg: decodes what a monitor says. Invariant: after a failure *ret is untouched and nothing is owned.
 * Pure, any thread. */
#include "move/qmp_msg.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void copy_string(char *out, size_t size, const json_t *s) {
        snprintf(out, size, "%s", json_is_string(s) ? json_string_value(s) : "");
}

static uint64_t number(const json_t *n, uint64_t max) {
        json_int_t v = json_is_integer(n) ? json_integer_value(n) : 0;

        return v < 0 ? 0 : (uint64_t)v > max ? max : (uint64_t)v;
}

static int parse_greeting(const json_t *qmp, struct hb_qmp_msg *m) {
        const json_t *v = json_object_get(json_object_get(qmp, "version"), "qemu");

        if (!json_is_object(v))
                return -EPROTO;
        m->kind = HB_QMP_GREETING;
        snprintf(m->name, sizeof(m->name), "QEMU %u.%u.%u",
                 (unsigned)number(json_object_get(v, "major"), 9999),
                 (unsigned)number(json_object_get(v, "minor"), 9999),
                 (unsigned)number(json_object_get(v, "micro"), 9999));
        return 0;
}

static int parse_event(const json_t *event, struct hb_qmp_msg *m) {
        const json_t *t = json_object_get(m->root, "timestamp");
        json_t *data = json_object_get(m->root, "data");

        if (!json_is_string(event))
                return -EPROTO;
        m->kind = HB_QMP_EVENT;
        m->body = data;
        m->wall_ns = number(json_object_get(t, "seconds"), 1ull << 33) * 1000000000ull +
                     number(json_object_get(t, "microseconds"), 999999) * 1000ull;
        copy_string(m->name, sizeof(m->name), event);
        copy_string(m->text, sizeof(m->text), json_object_get(data, "status"));
        return 0;
}

static int parse_error(const json_t *error, struct hb_qmp_msg *m) {
        if (!json_is_object(error))
                return -EPROTO;
        m->kind = HB_QMP_ERROR;
        copy_string(m->name, sizeof(m->name), json_object_get(error, "class"));
        copy_string(m->text, sizeof(m->text), json_object_get(error, "desc"));
        return 0;
}

static int parse_root(struct hb_qmp_msg *m) {
        json_t *v;

        m->id = number(json_object_get(m->root, "id"), INT64_MAX);
        if ((v = json_object_get(m->root, "return"))) {
                m->kind = HB_QMP_RETURN;
                m->body = v;
                return 0;
        }
        if ((v = json_object_get(m->root, "error")))
                return parse_error(v, m);
        if ((v = json_object_get(m->root, "event")))
                return parse_event(v, m);
        if ((v = json_object_get(m->root, "QMP")))
                return parse_greeting(v, m);
        return -EPROTO;
}

int hb_qmp_msg_parse(const char *line, size_t size, struct hb_qmp_msg *ret) {
        struct hb_qmp_msg m = {0};
        int rc;

        m.root = json_loadb(line, size, JSON_ALLOW_NUL, NULL);
        rc = json_is_object(m.root) ? parse_root(&m) : -EPROTO;
        if (rc < 0) {
                json_decref(m.root);
                return rc;
        }
        *ret = m;
        return 0;
}

void hb_qmp_msg_free(struct hb_qmp_msg *m) {
        if (!m)
                return;
        json_decref(m->root);
        m->root = m->body = NULL;
}
