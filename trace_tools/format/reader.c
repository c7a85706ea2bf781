/* reader: items out, block after block.
 *
 * Invariant: a block is read, checked and unpacked as a whole before its first item is told; one that fails
 * is told once, with its place, and passed. Memory: one block, one epoch's records, and 16 bytes a block to
 * find them. The file may grow meanwhile (what is new is not seen) or be cut (then the block is damaged). One
 * thread. */
#include "base/fault.h"
#include "trace/cursor.h"
#include "trace/header.h"
#include "trace/scan.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
        uint64_t at;
        uint32_t number, last_epoch;
};

struct hb_trace_reader {
        int fd;
        char path[192]; /* for errors */
        struct hb_trace_header header;
        uint16_t minor;
        struct hb_trace_scan scan;
        struct place *places;
        size_t nplaces, cap;
        size_t next; /* the block to load when this one is over */
        bool loaded;
        uint64_t at;
        uint32_t from; /* items that belong to earlier epochs are passed over */
        hb_block_codec *codec;
        struct hb_buf packed;
        struct hb_block_cursor cursor;
};

static int keep_place(void *arg, uint64_t at, const uint8_t raw[HB_BLOCK_HEAD],
                      const struct hb_block_head *h) {
        struct hb_trace_reader *r = arg;

        if (r->nplaces == r->cap) {
                size_t cap = r->cap ? r->cap * 2 : 64;
                struct place *p = hb_fault("trace.alloc") ? NULL : realloc(r->places, cap * sizeof(*p));

                if (!p)
                        return -ENOMEM;
                r->places = p;
                r->cap = cap;
        }
        r->places[r->nplaces++] = (struct place){at, h->number, h->last_epoch};
        return 0;
}

static int open_file(struct hb_trace_reader *r, const char *path, uint64_t *ret_size, struct hb_err *e) {
        struct stat st;

        errno = 0;
        r->fd = hb_fault("trace.open") ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (r->fd < 0 || fstat(r->fd, &st) < 0) {
                int rc = errno ? -errno : -EIO;

                return hb_err_set(e, rc, path, rc == -ENOENT ? "check the name" : NULL,
                                  "cannot read the trace: %s", strerror(-rc));
        }
        if (S_ISDIR(st.st_mode))
                return hb_err_set(e, -EISDIR, path, "name a file in it", "a folder is no trace");
        if (!S_ISREG(st.st_mode))
                return hb_err_set(e, -EINVAL, path,
                                  "write it to a file first: a trace is read from its end too",
                                  "a trace must be a regular file");
        *ret_size = (uint64_t)st.st_size;
        (void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        return 0;
}

static int too_short(struct hb_err *e, const char *path, uint64_t size) {
        return hb_err_set(e, -EBADMSG, path, "take another copy of the file",
                          size ? "the file ends within its header, after %" PRIu64 " bytes"
                               : "the file is empty",
                          size);
}

static int read_header(struct hb_trace_reader *r, uint64_t size, uint32_t *ret_length, struct hb_err *e) {
        uint8_t prefix[HB_TRACE_PREFIX];
        uint8_t *all;
        uint32_t length;
        int rc;

        if (size < sizeof(prefix))
                return too_short(e, r->path, size);
        rc = hb_trace_read_at(r->fd, prefix, sizeof(prefix), 0);
        if (rc < 0)
                return hb_err_set(e, rc, r->path, NULL, "cannot read the trace: %s", strerror(-rc));
        rc = hb_trace_header_length(prefix, r->path, &length, e);
        if (rc < 0)
                return rc;
        if (size < length)
                return too_short(e, r->path, size);
        all = hb_buf_space(&r->packed, length);
        rc = all ? hb_trace_read_at(r->fd, all, length, 0) : -ENOMEM;
        if (rc < 0)
                return hb_err_set(e, rc, r->path, NULL, "cannot read the trace: %s", strerror(-rc));
        *ret_length = length;
        return hb_trace_header_decode(all, length, r->path, &r->header, &r->minor, e);
}

int hb_trace_reader_open(const char *path, hb_trace_reader **ret, struct hb_err *e) {
        struct hb_trace_reader *r = hb_fault("trace.alloc") ? NULL : calloc(1, sizeof(*r));
        uint32_t length = 0;
        uint64_t size = 0;
        int rc;

        if (!r)
                return hb_err_set(e, -ENOMEM, path, NULL, "no memory to read a trace");
        r->fd = -1;
        strncpy(r->path, path, sizeof(r->path) - 1);
        r->codec = hb_block_codec_new();
        if (!r->codec) {
                rc = hb_err_set(e, -ENOMEM, path, NULL, "no memory to read a trace");
                goto fail;
        }
        rc = open_file(r, path, &size, e);
        if (rc == 0)
                rc = read_header(r, size, &length, e);
        if (rc < 0)
                goto fail;
        rc = hb_trace_scan_file(r->fd, size, length, r->header.shape.pages, keep_place, r, &r->scan);
        if (rc < 0) {
                hb_err_set(e, rc, path, NULL, "cannot read the trace: %s", strerror(-rc));
                goto fail;
        }
        if (hb_trace_shape_grow(&r->header.shape, r->scan.pages) < 0)
                hb_trace_damage(&r->scan.info, "the guest's last size, %" PRIu64 " pages, fits no region",
                                r->scan.pages);
        *ret = r;
        return 0;
fail:
        hb_trace_reader_free(r);
        return rc;
}

hb_trace_reader *hb_trace_reader_free(hb_trace_reader *r) {
        if (r) {
                if (r->fd >= 0)
                        close(r->fd);
                hb_block_cursor_free(&r->cursor);
                hb_block_codec_free(r->codec);
                hb_buf_free(&r->packed);
                free(r->places);
                free(r);
        }
        return NULL;
}

const struct hb_trace_header *hb_trace_reader_header(const hb_trace_reader *r) {
        return &r->header;
}

void hb_trace_reader_info(const hb_trace_reader *r, struct hb_trace_info *ret) {
        *ret = r->scan.info;
}

uint64_t hb_trace_reader_at(const hb_trace_reader *r, uint64_t *ret_of) {
        if (ret_of)
                *ret_of = r->scan.info.bytes;
        return r->at;
}

/* ---- blocks ---- */

static int damaged(struct hb_trace_reader *r, const struct place *p, const char *what, struct hb_err *e) {
        hb_trace_damage(&r->scan.info, "block %" PRIu32 " at byte %" PRIu64 ": %s", p->number, p->at, what);
        r->loaded = false;
        return hb_err_set(e, -EBADMSG, r->path, "harbinger trace repair keeps what is whole",
                          "block %" PRIu32 " at byte %" PRIu64 " is damaged: %s", p->number, p->at, what);
}

static int cannot_load(struct hb_trace_reader *r, const struct place *p, int rc, struct hb_err *e) {
        if (rc == -ENODATA)
                return damaged(r, p, "the file became shorter", e);
        return hb_err_set(e, rc, r->path, NULL, "cannot read block %" PRIu32 " at byte %" PRIu64 ": %s",
                          p->number, p->at, strerror(-rc));
}

static int load(struct hb_trace_reader *r, const struct place *p, struct hb_err *e) {
        uint8_t raw[HB_BLOCK_HEAD];
        struct hb_block_head h;
        uint8_t *packed;
        int rc = hb_trace_read_at(r->fd, raw, sizeof(raw), p->at);

        if (rc < 0)
                return cannot_load(r, p, rc, e);
        if (hb_block_head_decode(raw, &h) < 0 || h.number != p->number || h.last_epoch != p->last_epoch ||
            h.pages > r->scan.pages)
                return damaged(r, p, "its head is not what it was", e);
        if (h.packed > r->scan.info.bytes - p->at - HB_BLOCK_HEAD)
                return damaged(r, p, "it passes the file's end", e);
        hb_buf_reset(&r->packed);
        packed = hb_buf_space(&r->packed, h.packed + 1u);
        rc = packed ? hb_block_cursor_room(&r->cursor, &h) : -ENOMEM;
        if (rc == 0)
                rc = hb_trace_read_at(r->fd, packed, h.packed, p->at + HB_BLOCK_HEAD);
        if (rc == 0)
                rc = hb_block_unpack(r->codec, &h, packed, r->cursor.raw);
        if (rc == -EBADMSG)
                return damaged(r, p, "its checksum does not match", e);
        if (rc < 0)
                return cannot_load(r, p, rc, e);
        if (hb_block_cursor_open(&r->cursor, r->minor > HB_TRACE_MINOR) < 0)
                return damaged(r, p, r->cursor.wrong, e);
        r->loaded = true;
        return 0;
}

/* 1: there is one, 0: the end. */
static int next_block(struct hb_trace_reader *r, struct hb_err *e) {
        const struct place *p;
        int rc;

        r->loaded = false;
        if (r->next >= r->nplaces)
                return 0;
        p = &r->places[r->next++];
        r->at = p->at;
        rc = load(r, p, e);
        return rc < 0 ? rc : 1;
}

int hb_trace_reader_next(hb_trace_reader *r, struct hb_trace_item *ret, struct hb_err *e) {
        for (;;) {
                const struct place *p;
                int rc = r->loaded ? 1 : next_block(r, e);

                if (rc <= 0) {
                        if (rc == 0)
                                *ret = (struct hb_trace_item){.kind = HB_TRACE_END};
                        return rc;
                }
                p = &r->places[r->next - 1];
                rc = hb_block_cursor_next(&r->cursor, ret);
                if (rc == -EBADMSG)
                        return damaged(r, p, r->cursor.wrong, e);
                if (rc < 0) {
                        r->loaded = false;
                        return cannot_load(r, p, rc, e);
                }
                if (rc == 0)
                        r->loaded = false;
                else if (ret->epoch >= r->from)
                        return 1;
        }
}

int hb_trace_reader_seek(hb_trace_reader *r, uint32_t epoch, struct hb_err *e) {
        size_t low = 0, high = r->nplaces;

        while (low < high) {
                size_t mid = low + (high - low) / 2;

                if (r->places[mid].last_epoch < epoch)
                        low = mid + 1;
                else
                        high = mid;
        }
        r->next = low;
        r->loaded = false;
        r->from = epoch;
        return 0;
}

void hb_trace_reader_rewind(hb_trace_reader *r) {
        r->next = 0;
        r->loaded = false;
        r->from = 0;
        r->at = 0;
}

size_t hb_trace_access_from(const struct hb_trace_access *a, size_t n, uint64_t gfn) {
        size_t low = 0;

        while (low < n) {
                size_t mid = low + (n - low) / 2;

                if (a[mid].gfn < gfn)
                        low = mid + 1;
                else
                        n = mid;
        }
        return low;
}
