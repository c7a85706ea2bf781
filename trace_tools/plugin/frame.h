/* frame: what the emulator plugin says to its reader, byte by byte. Shared by both sides; nothing else of the
 * plugin is.
 *
 *   stream := HELLO { { PAGES } WINDOW } [ END ]
 *   frame  := u32 size of body, u8 kind, body; all integers little-endian
 *   HELLO  := u32 magic, u8 version, u8 whole guest?, u8 unit, u8 page shift, u64 window, u64 unix ns
 *   PAGES  := n times { u64 page, u32 reads, u32 writes }     (n: the body's size / 16; each page once a
 * window) WINDOW := u32 number from 1, u64 accesses, u64 instructions, u64 ns      (all counted from the
 * beginning) END    := u64 accesses, u64 accesses that could not be counted, u32 windows
 *
 * A window's pages come before it, in no order. No END: the emulator was killed, or replaced itself. */
#pragma once

#define HB_FRAME_MAGIC     0x31574248u /* "HBW1" */
#define HB_FRAME_VERSION   1
#define HB_FRAME_HEAD      5
#define HB_FRAME_PAGE_SIZE 16
#define HB_FRAME_PAGES_MAX 16384u /* in one frame */
#define HB_FRAME_MAX       (HB_FRAME_PAGES_MAX * HB_FRAME_PAGE_SIZE)

enum hb_frame_kind { HB_FRAME_HELLO = 1, HB_FRAME_PAGES, HB_FRAME_WINDOW, HB_FRAME_END };
enum hb_frame_size { HB_FRAME_HELLO_SIZE = 24, HB_FRAME_WINDOW_SIZE = 28, HB_FRAME_END_SIZE = 24 };
enum hb_frame_unit { HB_UNIT_ACCESSES = 1, HB_UNIT_NS, HB_UNIT_INSTRUCTIONS, HB_UNITS };
