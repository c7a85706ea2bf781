/* dense: a program's few pages, spread over 2^47 bytes, as page numbers from 0 on without large gaps.
 *
 * Each 2 MiB block of addresses gets the next 512 numbers when it is met first: neighbours stay neighbours,
 * and the numbers of a run that touches the same blocks in the same order are the same again. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define HB_DENSE_BLOCK_PAGES 512u

struct hb_dense { /* zero: empty */
        struct hb_dense_slot *slots;
        size_t size; /* power of two, or 0 */
        uint32_t blocks;
};

/* -ENOMEM; -E2BIG beyond HB_MAX_PAGES. */
int hb_dense_gfn(struct hb_dense *d, uint64_t page, uint32_t *ret);
uint64_t hb_dense_pages(const struct hb_dense *d); /* the numbers given out end here */
void hb_dense_fini(struct hb_dense *d);
