/* cursor: goes through the items of one unpacked block, in order. */
#pragma once
#include "trace/block.h"
#include "trace/column.h"

struct hb_block_part {
        const uint8_t *data;
        size_t size;
};

struct hb_block_cursor {
        uint8_t *raw; /* with HB_BLOCK_SLACK bytes behind */
        size_t raw_cap;
        struct hb_block_head head;
        bool newer; /* written by a higher minor */
        struct hb_rd epochs, after, times, sizes, bodies;
        const uint8_t *streams;
        struct hb_column_in pages, runs, reads, writes;
        uint32_t epochs_left, events_left;
        uint32_t until_event; /* epochs before the next event */
        uint32_t epoch;
        uint64_t epoch_ns, event_ns, records;
        struct hb_trace_access *access;
        size_t access_cap;
        uint32_t *scratch;
        size_t scratch_cap;
        const char *wrong; /* what did not fit, after -EBADMSG */
};

void hb_block_cursor_free(struct hb_block_cursor *c);
/* Room for a payload of this head. -ENOMEM. */
int hb_block_cursor_room(struct hb_block_cursor *c, const struct hb_block_head *h);
/* c->raw holds the payload: stands before its first item. -EBADMSG. */
int hb_block_cursor_open(struct hb_block_cursor *c, bool newer);
/* 1: *ret is filled, 0: the block's end, -EBADMSG, -ENOMEM. Events this version does not know are passed
 * over. */
int hb_block_cursor_next(struct hb_block_cursor *c, struct hb_trace_item *ret);
