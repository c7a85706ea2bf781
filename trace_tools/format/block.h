/* block: the unit of a trace: a head of fixed size and a packed payload, each with its checksum. A payload is
 * a list of sections; docs/TRACE_FORMAT.md "Blocks". The only files that see zstd. */
#pragma once
#include "base/bytes.h"
#include "trace/trace.h"

#define HB_BLOCK_HEAD       144u
#define HB_BLOCK_RAW_MAX    (64u << 20) /* of a payload unpacked */
#define HB_BLOCK_PACKED_MAX (HB_BLOCK_RAW_MAX + (1u << 20))
#define HB_BLOCK_EPOCH_MAX  (32u << 20) /* page records of one epoch: 128 GiB touched */
#define HB_BLOCK_STREAMS    16u         /* counted one by one; 0: all numbers from 16 up */
#define HB_BLOCK_SLACK      64u         /* bytes behind an unpacked payload that loops may load */

struct hb_block_head {
        uint32_t number; /* 0, 1, 2 ... in a file: shows what is missing */
        uint32_t packed, raw, crc;
        uint32_t epochs, epoch_before, first_epoch, last_epoch; /* no epochs: all three alike */
        uint64_t first_ns, last_ns;                             /* of its items */
        uint64_t records;
        uint64_t pages; /* the guest's size at the block's end */
        uint32_t events[HB_BLOCK_STREAMS];
};

enum hb_block_section {
        HB_SECTION_EPOCHS = 1,
        HB_SECTION_PAGES, /* a column is two sections: tokens, then bits */
        HB_SECTION_PAGES_BITS,
        HB_SECTION_RUNS,
        HB_SECTION_RUNS_BITS,
        HB_SECTION_READS,
        HB_SECTION_READS_BITS,
        HB_SECTION_WRITES,
        HB_SECTION_WRITES_BITS,
        HB_SECTION_EVENT_STREAMS,
        HB_SECTION_EVENT_AFTER,
        HB_SECTION_EVENT_TIMES,
        HB_SECTION_EVENT_SIZES,
        HB_SECTION_EVENT_BODIES,
        HB_SECTIONS
};

enum { /* how an epoch's records stand in the columns */
       HB_EPOCH_RUNS = 1u << 0,
       HB_EPOCH_SAME_READS = 1u << 1,
       HB_EPOCH_SAME_WRITES = 1u << 2,
       HB_EPOCH_KNOWN = 7u
};

void hb_block_head_encode(const struct hb_block_head *h, uint8_t out[HB_BLOCK_HEAD]);
/* -EBADMSG: no head, damaged, or lengths past the caps. */
int hb_block_head_decode(const uint8_t in[HB_BLOCK_HEAD], struct hb_block_head *ret);

/* Packs and unpacks; holds zstd's rooms so that they are made once. */
typedef struct hb_block_codec hb_block_codec;
hb_block_codec *hb_block_codec_new(void); /* NULL: no memory */
hb_block_codec *hb_block_codec_free(hb_block_codec *c);
/* Appends head and packed payload to `out`; fills in packed, raw, crc of *h. -E2BIG, -ENOMEM. */
int hb_block_pack(hb_block_codec *c, int level, const struct hb_buf *raw, struct hb_block_head *h,
                  struct hb_buf *out);
/* Checks the packed bytes and unpacks exactly h->raw bytes. -EBADMSG. */
int hb_block_unpack(hb_block_codec *c, const struct hb_block_head *h, const uint8_t *packed, uint8_t *raw);
