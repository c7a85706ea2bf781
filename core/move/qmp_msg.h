/* qmp_msg: one line from a QEMU monitor, decoded. Pure; the line is not trusted: any bytes give a message or
 * -EPROTO. */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum hb_qmp_kind { HB_QMP_GREETING, HB_QMP_RETURN, HB_QMP_ERROR, HB_QMP_EVENT };

struct hb_qmp_msg {
        enum hb_qmp_kind kind;
        json_t *root;     /* owned; hb_qmp_msg_free */
        json_t *body;     /* RETURN: the value; EVENT: its data, or NULL; borrowed from root */
        uint64_t id;      /* RETURN and ERROR: the request's; 0: none */
        uint64_t wall_ns; /* EVENT: QEMU's own time-stamp */
        char name[48];    /* EVENT: its name; ERROR: its class; GREETING: "QEMU 7.2.22" */
        char text[192];   /* ERROR: desc; EVENT: data.status if it is a string */
};

int hb_qmp_msg_parse(const char *line, size_t size, struct hb_qmp_msg *ret);
void hb_qmp_msg_free(struct hb_qmp_msg *m); /* NULL and zeroed ones too */
