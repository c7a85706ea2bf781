/* bytes: bounds-checked little-endian cursors. Everything that comes from outside is read through hb_rd.
 *
 * A reader that ran out or met a bad value is *failed*: it stays so, every further read returns 0, and
 * hb_rd_ok() is false. So a decoder reads all its fields and checks once. Nothing here allocates. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hb_rd {
        const uint8_t *p, *end;
        bool failed;
};

struct hb_rd hb_rd_init(const void *data, size_t size);
void hb_rd_fail(struct hb_rd *r);
static inline uint8_t hb_rd_u8(struct hb_rd *r) {
        if (r->p < r->end)
                return *r->p++;
        hb_rd_fail(r);
        return 0;
}
uint16_t hb_rd_u16(struct hb_rd *r);
uint32_t hb_rd_u32(struct hb_rd *r);
uint64_t hb_rd_u64(struct hb_rd *r);
uint64_t hb_rd_varint_long(struct hb_rd *r);
/* LEB128, at most 10 bytes, overlong or > 64 bit fails. */
static inline uint64_t hb_rd_varint(struct hb_rd *r) {
        return r->p < r->end && *r->p < 0x80 ? *r->p++ : hb_rd_varint_long(r);
}
uint64_t hb_rd_upto(struct hb_rd *r, uint64_t most); /* a varint; fails above `most` */
double hb_rd_f64(struct hb_rd *r);                   /* the bits of a double, whatever they are */
bool hb_rd_bool(struct hb_rd *r);                    /* a byte; fails above 1 */
const void *hb_rd_raw(struct hb_rd *r, size_t n);    /* points into the data; NULL when failed */
/* u16 length + bytes, no NUL inside; copied with a terminator; fails if it needs more than `size` bytes. */
void hb_rd_str(struct hb_rd *r, char *out, size_t size);
static inline size_t hb_rd_left(const struct hb_rd *r) {
        return (size_t)(r->end - r->p);
}
static inline bool hb_rd_ok(const struct hb_rd *r) { /* not failed */
        return !r->failed;
}
static inline bool hb_rd_done(const struct hb_rd *r) { /* not failed and nothing left */
        return !r->failed && r->p == r->end;
}

/* A growable output buffer. On allocation failure it becomes failed and drops what follows. */
struct hb_buf {
        uint8_t *data;
        size_t len, cap;
        bool failed;
};

void hb_buf_free(struct hb_buf *b);  /* leaves it empty and usable */
void hb_buf_reset(struct hb_buf *b); /* keeps the memory, clears failed */
/* Reserves n bytes and returns where to write them, NULL when failed. */
void *hb_buf_space(struct hb_buf *b, size_t n);
static inline void hb_buf_u8(struct hb_buf *b, uint8_t v) {
        uint8_t *p = b->len < b->cap && !b->failed ? b->data + b->len++ : (uint8_t *)hb_buf_space(b, 1);

        if (p)
                *p = v;
}
void hb_buf_u16(struct hb_buf *b, uint16_t v);
void hb_buf_u32(struct hb_buf *b, uint32_t v);
void hb_buf_u64(struct hb_buf *b, uint64_t v);
void hb_buf_varint_long(struct hb_buf *b, uint64_t v);
static inline void hb_buf_varint(struct hb_buf *b, uint64_t v) {
        if (v < 0x80)
                hb_buf_u8(b, (uint8_t)v);
        else
                hb_buf_varint_long(b, v);
}
void hb_buf_f64(struct hb_buf *b, double v); /* its bits */
void hb_buf_raw(struct hb_buf *b, const void *p, size_t n);
void hb_buf_str(struct hb_buf *b, const char *s); /* u16 length + bytes; longer than 65535: failed */
void hb_buf_set_u32(struct hb_buf *b, size_t at, uint32_t v); /* patch an earlier field */
