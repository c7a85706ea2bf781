/* state: layout [header 4 KiB | resident | pending | vec | extra], each part on its own pages.
 *
 * Invariant: after hb_state_save the header describes the rest until hb_state_empty; a header caught
 * half-written fails its checksum and the file counts as damaged, which costs a full report and loses
 * nothing. The bitmaps need no checksum: the order in which trackers write them makes every prefix of their
 * stores a valid state. Owned by one tracker. */
#include "track/state.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_BYTES 4096u
#define VERSION      1u
#define HEADER_FIXED (8 + 4 + 2 + 4 + 1 + 8 + 4 + 8 + 8)
static const uint8_t magic[8] = "HBTRACK";

static uint64_t checksum(const uint8_t *p, size_t n) {
        uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a, 64 bits: against torn writes, not against malice */

        for (size_t i = 0; i < n; i++)
                h = (h ^ p[i]) * 0x100000001b3ull;
        return h;
}

void hb_state_encode(const struct hb_state_header *h, struct hb_buf *out) {
        size_t start = out->len;

        hb_buf_raw(out, magic, sizeof magic);
        hb_buf_u32(out, VERSION);
        hb_buf_u16(out, (uint16_t)h->identity_bytes);
        hb_buf_raw(out, h->identity, h->identity_bytes);
        hb_buf_u32(out, (uint32_t)h->remote_fd);
        hb_buf_u8(out, h->ready);
        hb_buf_u64(out, h->seed);
        hb_buf_u32(out, h->vec_entries);
        hb_buf_u64(out, h->extra_bytes);
        if (!out->failed)
                hb_buf_u64(out, checksum(out->data + start, out->len - start));
}

int hb_state_decode(struct hb_rd *in, struct hb_state_header *ret) {
        const uint8_t *start = in->p, *m = hb_rd_raw(in, sizeof magic);
        struct hb_state_header h = {0};
        uint64_t sum;

        if (!m || memcmp(m, magic, sizeof magic) != 0 || hb_rd_u32(in) != VERSION)
                return -EBADMSG;
        h.identity_bytes = hb_rd_u16(in);
        h.identity = hb_rd_raw(in, h.identity_bytes);
        h.remote_fd = (int32_t)hb_rd_u32(in);
        h.ready = hb_rd_u8(in) == 1;
        h.seed = hb_rd_u64(in);
        h.vec_entries = hb_rd_u32(in);
        h.extra_bytes = hb_rd_u64(in);
        sum = hb_rd_ok(in) ? checksum(start, (size_t)(in->p - start)) : 0;
        if (hb_rd_u64(in) != sum || !hb_rd_ok(in))
                return -EBADMSG;
        *ret = h;
        return 0;
}

/* What must be equal for a state to be this target's: the boot, the process, its regions and their files. */
static int put_identity(const hb_target *t, const char *backend, struct hb_buf *out) {
        char boot[64] = "";
        int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

        if (fd >= 0) {
                ssize_t n = read(fd, boot, sizeof boot - 1);

                boot[n > 0 ? n : 0] = 0;
                close(fd);
        }
        hb_buf_str(out, boot);
        hb_buf_u32(out, (uint32_t)t->pid);
        hb_buf_u64(out, t->start_time);
        hb_buf_str(out, backend);
        hb_shape_encode(&t->shape, out);
        for (uint32_t i = 0; i < t->shape.nregions; i++) {
                hb_buf_u64(out, t->regions[i].remote_addr);
                hb_buf_u64(out, t->regions[i].file_offset);
                hb_buf_u64(out, t->regions[i].dev);
                hb_buf_u64(out, t->regions[i].ino);
        }
        return out->failed ? -ENOMEM : 0;
}

/* Bytes of the identity that name the boot and the process: where these differ, the file is merely old. */
static size_t process_part(const uint8_t *identity, size_t n) {
        size_t boot = n >= 2 ? 2u + identity[0] + 256u * identity[1] : n;
        size_t part = boot + 4 + 8;

        return part < n ? part : n;
}

static void write_header(struct hb_state *s, bool ready) {
        struct hb_state_header h = {.identity = s->identity,
                                    .identity_bytes = s->identity_bytes,
                                    .ready = ready,
                                    .remote_fd = s->remote_fd,
                                    .seed = s->seed,
                                    .vec_entries = s->vec_entries,
                                    .extra_bytes = s->extra_bytes};
        struct hb_buf out = {0};

        hb_state_encode(&h, &out);
        if (!out.failed && out.len <= HEADER_BYTES)
                memcpy(s->map, out.data, out.len);
        else
                memset(s->map, 0, HEADER_BYTES); /* unreadable: a successor reports everything */
        hb_buf_free(&out);
}

void hb_state_save(struct hb_state *s) {
        write_header(s, true);
}

void hb_state_empty(struct hb_state *s) {
        s->remote_fd = -1;
        write_header(s, false);
        memset(s->map + HEADER_BYTES, 0, s->map_bytes - HEADER_BYTES);
}

static enum hb_state_found judge(struct hb_state *s, uint64_t old_bytes) {
        struct hb_rd in = hb_rd_init(s->map, HEADER_BYTES);
        struct hb_state_header h;
        size_t part = process_part(s->identity, s->identity_bytes);

        if (old_bytes == 0)
                return HB_STATE_FRESH;
        if (old_bytes < HEADER_BYTES || hb_state_decode(&in, &h) < 0)
                return HB_STATE_DAMAGED;
        if (h.identity_bytes < part || memcmp(h.identity, s->identity, part) != 0)
                return HB_STATE_FRESH; /* of a process that is gone */
        if (!h.ready)
                return HB_STATE_FRESH; /* killed while opening: nothing was ever reported */
        if (h.identity_bytes != s->identity_bytes ||
            memcmp(h.identity, s->identity, s->identity_bytes) != 0 || h.vec_entries != s->vec_entries ||
            h.extra_bytes != s->extra_bytes || old_bytes != s->map_bytes)
                return HB_STATE_DAMAGED;
        s->remote_fd = h.remote_fd;
        s->seed = h.seed;
        return HB_STATE_RESUMED;
}

static uint64_t whole_pages(uint64_t bytes) {
        return (bytes + HB_PAGE_SIZE - 1) / HB_PAGE_SIZE * HB_PAGE_SIZE;
}

static void lay_out(struct hb_state *s, uint64_t pages) {
        uint64_t map = whole_pages((pages + 63) / 64 * 8);

        s->resident = (struct hb_bitmap){(uint64_t *)(void *)(s->map + HEADER_BYTES), pages};
        s->pending = (struct hb_bitmap){(uint64_t *)(void *)(s->map + HEADER_BYTES + map), pages};
        s->vec = (struct hb_pm_run *)(void *)(s->map + HEADER_BYTES + 2 * map);
        s->extra = s->map + HEADER_BYTES + 2 * map + whole_pages(s->vec_entries * sizeof *s->vec);
}

static uint64_t total_bytes(const struct hb_state *s, uint64_t pages) {
        return HEADER_BYTES + 2 * whole_pages((pages + 63) / 64 * 8) +
               whole_pages(s->vec_entries * sizeof *s->vec) + whole_pages(s->extra_bytes);
}

static int open_file(struct hb_state *s, uint64_t *ret_old_bytes, struct hb_err *e) {
        const char *next = "point the run directory to a tmpfs with room and the right owner";
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        struct stat st;

        s->fd = s->path[0] ? open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)
                           : memfd_create("harbinger-track", MFD_CLOEXEC);
        if (s->fd < 0 || fstat(s->fd, &st) < 0)
                return hb_err_set(e, -errno, s->path, next, "cannot open the tracker's state file: %s",
                                  strerror(errno));
        if (!S_ISREG(st.st_mode))
                return hb_err_set(e, -EINVAL, s->path, next,
                                  "the tracker's state file is not an ordinary file");
        if (fcntl(s->fd, F_OFD_SETLK, &whole) < 0)
                return hb_err_set(e, -EBUSY, s->path,
                                  "end the other daemon, or give this one its own run directory",
                                  "another tracker is using this state file");
        *ret_old_bytes = (uint64_t)st.st_size;
        return 0;
}

/* Takes all the room now and maps it; the kernel's output buffer is locked in if we may, since a copy into it
 * must not fault while we are being killed. */
static int map_file(struct hb_state *s, uint64_t pages, struct hb_err *e) {
        /* Anonymous memory is found as it is used, like any other. */
        int r = hb_fault("track.state") ? ENOSPC
                : s->path[0]            ? posix_fallocate(s->fd, 0, (off_t)s->map_bytes)
                                        : 0;

        if (r == 0 && ftruncate(s->fd, (off_t)s->map_bytes) < 0)
                r = errno;
        if (r)
                return hb_err_set(e, -r, s->path, "make room there, or point the run directory elsewhere",
                                  "no room for the tracker's state (%llu KiB): %s",
                                  (unsigned long long)s->map_bytes / 1024, strerror(r));
        s->map = mmap(NULL, s->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
        if (s->map == MAP_FAILED) {
                s->map = NULL;
                return hb_err_set(e, -ENOMEM, s->path, NULL, "cannot map the tracker's state");
        }
        lay_out(s, pages);
        if (s->vec_entries) {
                uint64_t n = whole_pages(s->vec_entries * sizeof *s->vec);

                (void)mlock(s->vec, n);
                for (uint64_t at = 0; at < n / sizeof(uint64_t); at += HB_PAGE_SIZE / sizeof(uint64_t))
                        __atomic_fetch_or((uint64_t *)(void *)s->vec + at, 0,
                                          __ATOMIC_RELAXED); /* a write fault now */
        }
        return 0;
}

int hb_state_open(const hb_target *t, const char *backend, const char *path, uint32_t vec_entries,
                  uint64_t extra_bytes, struct hb_state **ret, enum hb_state_found *ret_found,
                  struct hb_err *e) {
        struct hb_state *s = calloc(1, sizeof *s);
        struct hb_buf id = {0};
        uint64_t old_bytes = 0;
        int r = s ? put_identity(t, backend, &id) : -ENOMEM;

        if (s)
                s->fd = s->remote_fd = -1;
        if (r < 0 || id.len > sizeof s->identity - HEADER_FIXED || (path && strlen(path) >= sizeof s->path)) {
                r = hb_err_set(e, r < 0 ? r : -E2BIG, path, NULL, "cannot describe the tracker's state");
                goto fail;
        }
        s->vec_entries = vec_entries;
        s->extra_bytes = extra_bytes;
        s->identity_bytes = (uint32_t)id.len;
        memcpy(s->identity, id.data, id.len);
        if (path)
                strcpy(s->path, path);
        s->map_bytes = total_bytes(s, t->shape.pages);
        r = open_file(s, &old_bytes, e);
        if (r == 0)
                r = map_file(s, t->shape.pages, e);
        if (r < 0)
                goto fail;
        *ret_found = judge(s, old_bytes);
        if (*ret_found != HB_STATE_RESUMED && old_bytes)
                hb_state_empty(s);
        else if (*ret_found != HB_STATE_RESUMED)
                write_header(s, false);
        hb_buf_free(&id);
        *ret = s;
        return 0;
fail:
        hb_buf_free(&id);
        hb_state_free(s, false);
        return r;
}

struct hb_state *hb_state_free(struct hb_state *s, bool remove) {
        if (!s)
                return NULL;
        if (s->map)
                munmap(s->map, s->map_bytes);
        if (remove && s->path[0] && s->fd >= 0)
                unlink(s->path);
        if (s->fd >= 0)
                close(s->fd);
        free(s);
        return NULL;
}
