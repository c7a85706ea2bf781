/* frames: what the emulator plugin sends, taken apart. The plugin lives in the traced program's process, so
 * the bytes are hostile like any others: sizes, order, numbers and sums are checked. */
#pragma once
#include "base/bytes.h"
#include "plugin/frame.h"

struct hb_frame {
        enum hb_frame_kind kind;
        union {
                struct {
                        bool whole_guest;
                        enum hb_frame_unit unit;
                        uint64_t window, begins_unix_ns;
                } hello;
                struct { /* read with hb_frames_page; good until the next call of next or add */
                        struct hb_rd rd;
                        uint32_t n;
                } pages;
                struct {
                        uint32_t number;
                        uint64_t accesses, instructions, ns;
                } window;
                struct {
                        uint64_t accesses, lost;
                        uint32_t windows, forks;
                } end;
        };
};

struct hb_frame_page {
        uint64_t page;
        uint32_t reads, writes; /* not both 0 */
};

struct hb_frames { /* zero: nothing read yet */
        struct hb_buf in;
        size_t at;
        bool began, ended;
        uint32_t number;
        uint64_t accesses, counted, instructions, ns;
};

int hb_frames_add(struct hb_frames *f, const void *data, size_t n); /* -ENOMEM */
/* 1: *ret is filled; 0: more bytes are needed; -EBADMSG, -EPROTONOSUPPORT: from here on nothing can be
 * trusted. */
int hb_frames_next(struct hb_frames *f, struct hb_frame *ret);
/* Each page of a PAGES frame; false after the last. They were checked. */
bool hb_frames_page(struct hb_frame *f, struct hb_frame_page *ret);
void hb_frames_fini(struct hb_frames *f);
