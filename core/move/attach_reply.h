/* attach_reply: one answer of the attach protocol (examples/guest_load/hb_attach.c lists it), decoded. Pure;
 * the line is not trusted. */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define HB_ATTACH_PAIRS 8

struct hb_attach_reply {
        int code;        /* 0: ok; else the errno the guest gave, negative */
        char words[128]; /* of an error */
        unsigned npairs;
        struct {
                char key[16], value[256];
        } pairs[HB_ATTACH_PAIRS];
};

int hb_attach_reply_parse(const char *line, size_t size, struct hb_attach_reply *ret); /* -EPROTO */
/* The value, "" without one. */
const char *hb_attach_reply_get(const struct hb_attach_reply *r, const char *key);
/* Decimal, or hexadecimal after 0x. -EPROTO: not there, not a number, above max. */
int hb_attach_reply_number(const struct hb_attach_reply *r, const char *key, uint64_t max, uint64_t *ret);
