/* summary_format: what encoder and decoder of a summary share. Internal to the room; docs/PROTOCOL.md
 * describes the same.
 *
 *   u8 format, u32 epoch, u64 time_ns, then entries to the end:
 *
 *   format 1, pages: varint gap (pages since the end of the previous entry), varint pages, u8 flags, then as
 *   flagged: u8 write_q, u8 read_q, varint epoch - version, varint epoch - last_access
 *
 *   format 2, blocks: varint gap (blocks), varint blocks, u8 flags, then as flagged: u8 write_q, u8 read_q,
 *   varint epoch - last_access; varint unlike, and in its turn u8 flags (write, read, access) and what they
 *   flag */
#pragma once

#define HB_SUMMARY_FORMAT 1u
#define HB_SUMMARY_BLOCKS 2u
#define HB_SUMMARY_HEAD   13u

enum {
        HB_SF_RESIDENT = 1,
        HB_SF_WRITE_Q = 2,
        HB_SF_READ_Q = 4,
        HB_SF_VERSION = 8,
        HB_SF_ACCESS = 16,
        HB_SF_ACCESS_IS_VERSION = 32,
        HB_SF_ALL = 63,
        HB_SF_UNLIKE = 64, /* format 2 alone */
        HB_SF_WORD = HB_SF_WRITE_Q | HB_SF_READ_Q | HB_SF_ACCESS,
};
