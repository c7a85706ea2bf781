/* wire_data: codecs of the data connections' messages. Invariant as in wire_msg.c: what a get returns is
 * inside the ranges its user relies on (a fetch has 1..64 pages and its gfn is a page number). Pure; any
 * thread. */
#include "transport/wire_data.h"
#include <errno.h>
#include <string.h>

void hb_msg_data_hello_put(const struct hb_msg_data_hello *m, struct hb_buf *b) {
        hb_buf_raw(b, m->token, sizeof(m->token));
        hb_buf_u8(b, (uint8_t)m->kind);
}

int hb_msg_data_hello_get(const void *p, size_t n, struct hb_msg_data_hello *ret) {
        struct hb_rd r = hb_rd_init(p, n);
        const void *token = hb_rd_raw(&r, HB_TOKEN_SIZE);
        uint8_t kind = hb_rd_u8(&r); /* separate statements: they read in order */

        if (!hb_rd_done(&r) || (kind != HB_DATA_PAGES && kind != HB_DATA_TUNNEL))
                return -EBADMSG;
        memcpy(ret->token, token, HB_TOKEN_SIZE);
        ret->kind = (enum hb_data_kind)kind;
        return 0;
}

void hb_msg_fetch_put(const struct hb_msg_fetch *m, struct hb_buf *b) {
        hb_buf_u64(b, m->id);
        hb_buf_u64(b, m->gfn);
        hb_buf_u32(b, m->pages);
        hb_buf_u8(b, m->urgent);
}

int hb_msg_fetch_get(const void *p, size_t n, struct hb_msg_fetch *ret) {
        struct hb_rd r = hb_rd_init(p, n);
        struct hb_msg_fetch m = {0};
        uint8_t urgent;

        m.id = hb_rd_u64(&r);
        m.gfn = hb_rd_u64(&r);
        m.pages = hb_rd_u32(&r);
        urgent = hb_rd_u8(&r);
        if (!hb_rd_done(&r) || urgent > 1 || m.pages == 0 || m.pages > HB_FETCH_MAX_PAGES ||
            m.gfn >= HB_MAX_PAGES)
                return -EBADMSG;
        m.urgent = urgent;
        *ret = m;
        return 0;
}

static uint8_t *put_le(uint8_t *p, uint64_t v, unsigned bytes) {
        for (unsigned i = 0; i < bytes; i++)
                *p++ = (uint8_t)(v >> (8 * i));
        return p;
}

void hb_msg_pages_put(const struct hb_msg_pages *m, uint8_t out[HB_MSG_PAGES_HEAD]) {
        out = put_le(out, m->id, 8);
        out = put_le(out, m->stamp, 4);
        out = put_le(out, m->zero_mask, 8);
        out = put_le(out, m->encoding, 1);
        put_le(out, m->checksum, 8);
}

int hb_msg_pages_get(const void *p, size_t n, struct hb_msg_pages *ret, const uint8_t **ret_data,
                     size_t *ret_size) {
        struct hb_rd r = hb_rd_init(p, n);
        struct hb_msg_pages m = {0};

        m.id = hb_rd_u64(&r);
        m.stamp = hb_rd_u32(&r);
        m.zero_mask = hb_rd_u64(&r);
        m.encoding = hb_rd_u8(&r);
        m.checksum = hb_rd_u64(&r);
        if (!hb_rd_ok(&r) || m.encoding > 2)
                return -EBADMSG;
        *ret = m;
        *ret_size = hb_rd_left(&r);
        *ret_data = hb_rd_raw(&r, *ret_size);
        return 0;
}
