/* wire_data: the messages of data connections (docs/PROTOCOL.md, "Data connections"). Pure codecs, used by
 * the tcp backend only; the daemon never sees them. */
#pragma once
#include "transport/transport.h"
#include "transport/wire.h"

struct hb_msg_data_hello {
        uint8_t token[HB_TOKEN_SIZE];
        enum hb_data_kind kind;
};
struct hb_msg_fetch {
        uint64_t id, gfn;
        uint32_t pages; /* 1..HB_FETCH_MAX_PAGES */
        bool urgent;
};
struct hb_msg_pages { /* the packed bytes follow */
        uint64_t id, zero_mask, checksum;
        uint32_t stamp;
        uint8_t encoding;
};
#define HB_MSG_PAGES_HEAD 29u
#define HB_MSG_FETCH_SIZE 21u

void hb_msg_data_hello_put(const struct hb_msg_data_hello *m, struct hb_buf *b);
int hb_msg_data_hello_get(const void *p, size_t n, struct hb_msg_data_hello *ret); /* -EBADMSG */
void hb_msg_fetch_put(const struct hb_msg_fetch *m, struct hb_buf *b);
int hb_msg_fetch_get(const void *p, size_t n, struct hb_msg_fetch *ret); /* -EBADMSG */
/* Writes HB_MSG_PAGES_HEAD bytes: the sender reserves them before it packs and fills them in after. */
void hb_msg_pages_put(const struct hb_msg_pages *m, uint8_t out[HB_MSG_PAGES_HEAD]);
/* The packed bytes are data[0..size) inside p. -EBADMSG. */
int hb_msg_pages_get(const void *p, size_t n, struct hb_msg_pages *ret, const uint8_t **ret_data,
                     size_t *ret_size);
