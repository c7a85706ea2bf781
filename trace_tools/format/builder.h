/* builder: a block in the making: items in order become columns, columns become a payload. */
#pragma once
#include "trace/block.h"
#include "trace/column.h"

struct hb_block_builder {
        struct hb_block_head head; /* of what was added so far */
        struct hb_buf epochs;
        struct hb_column pages, runs, reads, writes;
        struct hb_buf streams, after, times, sizes, bodies;
        uint32_t since; /* epochs since the last event */
        uint64_t epoch_ns, event_ns;
        bool any;
        struct hb_buf payload;
        uint32_t *scratch; /* gaps and lengths of an epoch's runs */
        size_t scratch_cap;
};

void hb_block_builder_free(struct hb_block_builder *b);
/* Empties it for the next block: number, epoch and pages go on. */
void hb_block_builder_next(struct hb_block_builder *b);
size_t hb_block_builder_size(const struct hb_block_builder *b); /* raw bytes so far */
bool hb_block_builder_empty(const struct hb_block_builder *b);
/* The caller has checked: epoch and time ascend, accesses are sorted, each page once, below the guest's size,
 * not both counts 0. -E2BIG (nothing added), -ENOMEM. */
int hb_block_builder_epoch(struct hb_block_builder *b, uint32_t epoch, uint64_t time_ns,
                           const struct hb_trace_access *a, size_t n);
/* -EINVAL, -E2BIG, -ENOMEM. */
int hb_block_builder_event(struct hb_block_builder *b, const struct hb_trace_event *ev);
/* Payload and head, packed, appended to `out`. */
int hb_block_builder_pack(struct hb_block_builder *b, hb_block_codec *c, int level, struct hb_buf *out);
