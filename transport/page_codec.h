/* page_codec: packs a run of pages for the wire: all-zero pages by mask, the rest together raw or zstd when
 * it pays, with XXH3-64 over the original bytes. Not thread-safe: one codec a thread. */
#pragma once
#include "base/bytes.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct hb_page_codec hb_page_codec;
int hb_page_codec_new(int zstd_level /* HB_ZSTD_* or a level */, hb_page_codec **ret);
hb_page_codec *hb_page_codec_free(hb_page_codec *c);
/* What the codec should assume of its connection's share of the link (bytes/s; 0: unknown), until its own
 * sends have shown better; and what it may take of it whatever the link could (0: all). For HB_ZSTD_AUTO. */
void hb_page_codec_link(hb_page_codec *c, double bytes_per_s);
void hb_page_codec_cap(hb_page_codec *c, double bytes_per_s);
/* The run packed last is in the kernel's hands: to be called right after, on the same thread, so that auto
 * sees whether the link or the processor holds it up. The second form with durations instead of clocks: since
 * the end of packing, and how much of that nothing could be done but wait for room. */
void hb_page_codec_sent(hb_page_codec *c);
void hb_page_codec_sent_in(hb_page_codec *c, uint64_t send_ns, uint64_t blocked_ns);
/* An accelerator finds zstd's matches from now on (producer.h; NULL: zstd itself again). Borrowed until the
 * codec is freed. False: it has no room for one more user. */
struct hb_producer;
const char *hb_page_codec_zstd_version(void);
bool hb_page_codec_set_producer(hb_page_codec *c, struct hb_producer *p);
enum { HB_PACKED_RAW, HB_PACKED_ZSTD, HB_PACKED_NOTHING };
struct hb_packed {
        uint64_t zero_mask;
        uint8_t encoding; /* 0 raw, 1 zstd, 2 nothing (all zero) */
        uint64_t checksum;
};
/* Copies first (the guest may be writing), so bytes, mask and checksum agree. Appends to out. pages <= 64. */
int hb_page_codec_pack(hb_page_codec *c, const uint8_t *pages, uint32_t n, struct hb_packed *ret,
                       struct hb_buf *out);
/* Writes the non-zero pages into dst (n * 4096). -EBADMSG on any disagreement; dst then undefined. */
/* For a receiver that put the bytes of a raw run (encoding 0) into their places in dst itself: where byte
 * `at` of the packed bytes goes, and how many follow it there in one piece. */
uint8_t *hb_page_codec_place(const struct hb_packed *p, uint8_t *dst, uint32_t n, size_t at,
                             size_t *ret_room);
bool hb_page_codec_header_ok(const struct hb_packed *p, size_t size, uint32_t n);   /* sizes and mask agree */
int hb_page_codec_check(const struct hb_packed *p, const uint8_t *dst, uint32_t n); /* -EBADMSG: checksum */
int hb_page_codec_unpack(hb_page_codec *c, const struct hb_packed *p, const void *data, size_t size,
                         uint8_t *dst, uint32_t n);
