/* frames: invariant: a frame is told only when all of it is there and right. The sum over a window's pages is
 * the number of accesses it says (less what the plugin had no memory for), or the stream is refused: a trace
 * is exact or it is not written. Memory: one frame and what one read brought. */
#include "capture/frames.h"
#include <errno.h>
#include <string.h>

#define PAGES_END (1ull << 52) /* of 64-bit addresses */

int hb_frames_add(struct hb_frames *f, const void *data, size_t n) {
        if (f->at) {
                f->in.len -= f->at;
                memmove(f->in.data, f->in.data + f->at, f->in.len);
                f->at = 0;
        }
        hb_buf_raw(&f->in, data, n);
        return f->in.failed ? -ENOMEM : 0;
}

void hb_frames_fini(struct hb_frames *f) {
        hb_buf_free(&f->in);
}

bool hb_frames_page(struct hb_frame *f, struct hb_frame_page *ret) {
        if (!f->pages.n)
                return false;
        f->pages.n--;
        ret->page = hb_rd_u64(&f->pages.rd);
        ret->reads = hb_rd_u32(&f->pages.rd);
        ret->writes = hb_rd_u32(&f->pages.rd);
        return true;
}

static int hello(struct hb_frames *f, struct hb_rd *rd, struct hb_frame *ret) {
        uint32_t magic = hb_rd_u32(rd);
        uint8_t version = hb_rd_u8(rd), whole = hb_rd_u8(rd), unit = hb_rd_u8(rd), shift = hb_rd_u8(rd);

        ret->hello.whole_guest = whole;
        ret->hello.unit = unit;
        ret->hello.window = hb_rd_u64(rd);
        ret->hello.begins_unix_ns = hb_rd_u64(rd);
        if (f->began || !hb_rd_done(rd) || magic != HB_FRAME_MAGIC)
                return -EBADMSG;
        if (version != HB_FRAME_VERSION)
                return -EPROTONOSUPPORT;
        if (whole > 1 || !unit || unit >= HB_UNITS || shift != 12 || !ret->hello.window)
                return -EBADMSG;
        f->began = true;
        return 0;
}

static int pages(struct hb_frames *f, struct hb_rd *rd, struct hb_frame *ret) {
        size_t size = hb_rd_left(rd);
        struct hb_frame walk;
        struct hb_frame_page p;

        if (size == 0 || size % HB_FRAME_PAGE_SIZE)
                return -EBADMSG;
        ret->pages.rd = *rd;
        ret->pages.n = (uint32_t)(size / HB_FRAME_PAGE_SIZE);
        walk = *ret;
        while (hb_frames_page(&walk, &p)) {
                if (p.page >= PAGES_END || (!p.reads && !p.writes))
                        return -EBADMSG;
                f->counted += (uint64_t)p.reads + p.writes;
        }
        return 0;
}

static int window(struct hb_frames *f, struct hb_rd *rd, struct hb_frame *ret) {
        uint64_t before = f->accesses;

        ret->window.number = hb_rd_u32(rd);
        ret->window.accesses = hb_rd_u64(rd);
        ret->window.instructions = hb_rd_u64(rd);
        ret->window.ns = hb_rd_u64(rd);
        if (!hb_rd_done(rd) || ret->window.number != f->number + 1 || ret->window.accesses < before ||
            ret->window.instructions < f->instructions || ret->window.ns < f->ns ||
            f->counted > ret->window.accesses - before)
                return -EBADMSG;
        f->number = ret->window.number;
        f->accesses = ret->window.accesses;
        f->instructions = ret->window.instructions;
        f->ns = ret->window.ns;
        f->counted = 0;
        return 0;
}

static int end(struct hb_frames *f, struct hb_rd *rd, struct hb_frame *ret) {
        ret->end.accesses = hb_rd_u64(rd);
        ret->end.lost = hb_rd_u64(rd);
        ret->end.windows = hb_rd_u32(rd);
        ret->end.forks = hb_rd_u32(rd);
        if (!hb_rd_done(rd) || ret->end.accesses != f->accesses || ret->end.windows != f->number ||
            f->counted)
                return -EBADMSG;
        f->ended = true;
        return 0;
}

int hb_frames_next(struct hb_frames *f, struct hb_frame *ret) {
        struct hb_rd rd = hb_rd_init(f->in.data + f->at, f->in.len - f->at), body;
        uint32_t size = hb_rd_u32(&rd);
        uint8_t kind = hb_rd_u8(&rd);
        const void *p;
        int r = -EBADMSG;

        if (!hb_rd_ok(&rd))
                return 0;
        if (size > HB_FRAME_MAX || f->ended || (kind != HB_FRAME_HELLO && !f->began))
                return -EBADMSG;
        p = hb_rd_raw(&rd, size);
        if (!p && size)
                return 0;
        body = hb_rd_init(p, size);
        memset(ret, 0, sizeof(*ret));
        ret->kind = kind;
        if (kind == HB_FRAME_HELLO)
                r = hello(f, &body, ret);
        else if (kind == HB_FRAME_PAGES)
                r = pages(f, &body, ret);
        else if (kind == HB_FRAME_WINDOW)
                r = window(f, &body, ret);
        else if (kind == HB_FRAME_END)
                r = end(f, &body, ret);
        if (r < 0)
                return r;
        f->at += HB_FRAME_HEAD + size;
        return 1;
}
