/* content: what data page `page` holds at generation `generation`. Pure. */
#ifndef GUEST_LOAD_CONTENT_H
#define GUEST_LOAD_CONTENT_H

#include <stdint.h>

#define CONTENT_RECORDS 64u /* a page is 64 records of 64 bytes */
#define CONTENT_WORDS   8u

/* The whole page, as generation 0. */
void content_fill(uint64_t *page_words, uint32_t page);

/* From generation - 1 to `generation`: one record changes, as when a program updates one row. */
void content_write(uint64_t *page_words, uint32_t page, uint32_t generation);

/* First record that is not as it should be, or -1. *ret_found is the generation that record claims to be of.
 */
int content_check(const uint64_t *page_words, uint32_t page, uint32_t generation, uint32_t *ret_found);

#endif
