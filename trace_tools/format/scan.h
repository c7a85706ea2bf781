/* scan: finds the blocks of a trace file: from its index, or by walking their heads, past damage if need be.
 * docs/TRACE_FORMAT.md "Index and end", "Finding blocks". */
#pragma once
#include "trace/block.h"

#define HB_INDEX_HEAD     12u /* magic, length, checksum */
#define HB_INDEX_ROW      (8u + HB_BLOCK_HEAD)
#define HB_TRACE_END_MARK 24u

/* Called for every block whose head is whole and in order. Nonzero ends the scan with that value. */
typedef int hb_trace_seen(void *arg, uint64_t at, const uint8_t raw[HB_BLOCK_HEAD],
                          const struct hb_block_head *h);

struct hb_trace_scan {
        struct hb_trace_info info;
        uint64_t pages; /* the guest's size at the end */
        uint64_t end;   /* of the last whole block */
        uint32_t next_number;
        uint64_t expected; /* where the next head should be */
};

/* `from`: the header's length; `size`: the file's now. 0, or what reading or `seen` failed with. */
int hb_trace_scan_file(int fd, uint64_t size, uint64_t from, uint64_t pages, hb_trace_seen *seen, void *arg,
                       struct hb_trace_scan *ret);

/* Appends index and end mark; `rows`: HB_INDEX_ROW bytes a block, which will lie at `at`. */
void hb_trace_index_encode(const struct hb_buf *rows, uint64_t at, struct hb_buf *out);
void hb_trace_index_row(struct hb_buf *rows, uint64_t at, const uint8_t head[HB_BLOCK_HEAD]);

/* All of it or an error: -ENODATA: the file ends before. */
int hb_trace_read_at(int fd, void *to, size_t n, uint64_t at);
void hb_trace_damage(struct hb_trace_info *info, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
