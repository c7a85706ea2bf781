/* sum_plain: the sums of sum.h in plain C, for processors without the instructions; what sum.c falls back
 * to. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint32_t hb_sum_plain_crc32c(uint32_t crc, const void *data, size_t size);
uint64_t hb_sum_plain_crc64(uint64_t crc, const void *data, size_t size);
uint64_t hb_sum_plain_hash64(uint64_t seed, const void *data, size_t size);
/* `state` is that of struct hb_hash64; either way's functions may go on with it. */
void hb_sum_plain_hash64_more(void *state, const void *data, size_t size);
uint64_t hb_sum_plain_hash64_end(const void *state);
