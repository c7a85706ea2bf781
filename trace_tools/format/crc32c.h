/* crc32c: the Castagnoli checksum (RFC 3720, appendix B.4: reflected 0x1EDC6F41, all ones in and out) of
 * every part of a trace. The processor's own instruction where there is one, a table elsewhere; equal
 * results. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint32_t hb_crc32c(const void *data, size_t size);
/* Continues `crc`, the checksum of what came before (0: nothing). */
uint32_t hb_crc32c_more(uint32_t crc, const void *data, size_t size);
/* The table's result whatever the processor can: for machines without the instruction, and tests. */
uint32_t hb_crc32c_table(uint32_t crc, const void *data, size_t size);
