/* source: one buffer between the outside and the parsers.
 *
 * Invariant: data[at .. len) is unpacked and not yet taken; what was taken is moved out only inside peek, so
 * pointers given out live until the next one. zstd's own window is bounded (128 MiB, its default), so a file
 * cannot ask for more memory than that. A packed input that ends inside a frame is an error, never a short
 * trace. */
#include "convert/source.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define BUFFER_BYTES (256u * 1024)
#define PACKED_BYTES (128u * 1024)

struct hb_source {
        char name[160];
        int fd; /* -1: memory */
        bool own_fd;
        const uint8_t *memory, *memory_end;
        uint64_t size, loaded, taken;

        uint8_t *data; /* BUFFER_BYTES */
        size_t at, len;
        bool began, ended;

        ZSTD_DCtx *unpacker; /* NULL: plain */
        uint8_t *packed;     /* PACKED_BYTES */
        ZSTD_inBuffer in;
        bool inside_frame;

        int stop_fd;
        int (*tick)(void *arg);
        void *arg;
};

static int no_memory(struct hb_err *e) {
        return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory to read the input");
}

static int source_new(const char *name, hb_source **ret, struct hb_err *e) {
        hb_source *s = calloc(1, sizeof(*s));

        if (s)
                s->data = malloc(BUFFER_BYTES);
        if (!s || !s->data) {
                free(s);
                return no_memory(e);
        }
        strncpy(s->name, name, sizeof(s->name) - 1);
        s->fd = s->stop_fd = -1;
        *ret = s;
        return 0;
}

int hb_source_open(const char *path, hb_source **ret, struct hb_err *e) {
        bool standard = strcmp(path, "-") == 0;
        struct stat st;
        hb_source *s;
        int r = source_new(standard ? "standard input" : path, &s, e);

        if (r < 0)
                return r;
        s->own_fd = !standard;
        s->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        if (s->fd < 0 || fstat(s->fd, &st) < 0) {
                r = hb_err_set(e, -errno, s->name, NULL, "cannot read the input: %s", strerror(errno));
                goto fail;
        }
        if (S_ISDIR(st.st_mode)) {
                r = hb_err_set(e, -EISDIR, s->name, "name a file, or - for standard input",
                               "the input is a directory");
                goto fail;
        }
        s->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
        *ret = s;
        return 0;
fail:
        hb_source_free(s);
        return r;
}

int hb_source_memory(const void *data, size_t size, hb_source **ret, struct hb_err *e) {
        hb_source *s;
        int r = source_new("memory", &s, e);

        if (r < 0)
                return r;
        s->memory = data ? data : (const uint8_t *)"";
        s->memory_end = s->memory + (data ? size : 0);
        s->size = size;
        *ret = s;
        return 0;
}

hb_source *hb_source_free(hb_source *s) {
        if (!s)
                return NULL;
        if (s->own_fd && s->fd >= 0)
                close(s->fd);
        ZSTD_freeDCtx(s->unpacker);
        free(s->packed);
        free(s->data);
        free(s);
        return NULL;
}

void hb_source_watch(hb_source *s, int stop_fd, int (*tick)(void *arg), void *arg) {
        s->stop_fd = stop_fd;
        s->tick = tick;
        s->arg = arg;
}

/* Waits until there is something to read; a pipe may have nobody at its other end for long. */
static int await_input(hb_source *s, struct hb_err *e) {
        struct pollfd fds[] = {{s->stop_fd, POLLIN, 0}, {s->fd, POLLIN, 0}};

        while (s->stop_fd >= 0) {
                int n = poll(fds, 2, -1);

                if (n < 0 && errno != EINTR)
                        return hb_err_set(e, -errno, s->name, NULL, "cannot wait for the input: %s",
                                          strerror(errno));
                if (n > 0 && fds[0].revents)
                        return hb_err_set(e, -EINTR, s->name, NULL, "interrupted");
                if (n > 0 && fds[1].revents)
                        return 0;
        }
        return 0;
}

/* Bytes as they lie there; 0: the end. */
static ssize_t load(hb_source *s, void *out, size_t size, struct hb_err *e) {
        ssize_t n;
        int r = s->tick ? s->tick(s->arg) : 0;

        if (r < 0)
                return r;
        if (hb_fault("import.read"))
                return hb_err_set(e, -EIO, s->name, NULL, "cannot read the input: %s", strerror(EIO));
        if (s->memory) {
                n = s->memory_end - s->memory < (ssize_t)size ? s->memory_end - s->memory : (ssize_t)size;
                memcpy(out, s->memory, (size_t)n);
                s->memory += n;
        } else {
                do {
                        r = await_input(s, e);
                        if (r < 0)
                                return r;
                        n = read(s->fd, out, size);
                } while (n < 0 && (errno == EINTR || errno == EAGAIN));
                if (n < 0)
                        return hb_err_set(e, -errno, s->name, NULL, "cannot read the input: %s",
                                          strerror(errno));
        }
        s->loaded += (uint64_t)n;
        return n;
}

static int load_plain(hb_source *s, struct hb_err *e) {
        ssize_t n = load(s, s->data + s->len, BUFFER_BYTES - s->len, e);

        if (n < 0)
                return (int)n;
        s->ended = n == 0;
        s->len += (size_t)n;
        return 0;
}

static int load_frame_bytes(hb_source *s, struct hb_err *e) {
        ssize_t n = load(s, s->packed, PACKED_BYTES, e);

        if (n < 0)
                return (int)n;
        s->in = (ZSTD_inBuffer){s->packed, (size_t)n, 0};
        s->ended = n == 0;
        if (n == 0 && s->inside_frame)
                return hb_err_set(e, -EBADMSG, s->name, "is the copy complete?",
                                  "the compressed input ends inside a zstd frame, after %llu bytes",
                                  (unsigned long long)s->loaded);
        return 0;
}

/* What the unpacker still holds goes out before more is read. */
static int load_packed(hb_source *s, struct hb_err *e) {
        ZSTD_outBuffer out = {s->data, BUFFER_BYTES, s->len};
        size_t before = s->in.pos, left;

        left = ZSTD_decompressStream(s->unpacker, &out, &s->in);
        if (ZSTD_isError(left))
                return hb_err_set(e, -EBADMSG, s->name, "zstd -t says whether the file is whole",
                                  "the compressed input is damaged before its byte %llu: %s",
                                  (unsigned long long)(s->loaded - s->in.size + s->in.pos),
                                  ZSTD_getErrorName(left));
        if (out.pos == s->len && s->in.pos == before)
                return load_frame_bytes(s, e);
        s->inside_frame = left != 0;
        s->len = out.pos;
        return 0;
}

/* A frame's magic, or that of a skippable frame. */
static bool is_zstd(const uint8_t *p, size_t n) {
        static const uint8_t frame[] = {0x28, 0xB5, 0x2F, 0xFD}, skippable[] = {0x2A, 0x4D, 0x18};

        return n >= 4 && (memcmp(p, frame, 4) == 0 ||
                          ((p[0] & 0xF0) == 0x50 && memcmp(p + 1, skippable, sizeof(skippable)) == 0));
}

/* The first bytes say whether to unpack: they are handed to the unpacker as its first input. */
static int begin(hb_source *s, struct hb_err *e) {
        int r = 0;

        while (r == 0 && !s->ended && s->len < 4)
                r = load_plain(s, e);
        s->began = r == 0;
        if (r < 0 || !is_zstd(s->data, s->len))
                return r;
        s->packed = malloc(BUFFER_BYTES > PACKED_BYTES ? BUFFER_BYTES : PACKED_BYTES);
        s->unpacker = ZSTD_createDCtx();
        if (!s->packed || !s->unpacker || hb_fault("import.alloc"))
                return no_memory(e);
        memcpy(s->packed, s->data, s->len);
        s->in = (ZSTD_inBuffer){s->packed, s->len, 0};
        s->inside_frame = true;
        s->ended = false;
        s->len = 0;
        return 0;
}

int hb_source_peek(hb_source *s, size_t want, const uint8_t **ret, size_t *ret_n, struct hb_err *e) {
        int r = s->began ? 0 : begin(s, e);

        if (r == 0 && s->len - s->at < want && !s->ended && s->at > 0) {
                memmove(s->data, s->data + s->at, s->len - s->at);
                s->len -= s->at;
                s->at = 0;
        }
        while (r == 0 && s->len - s->at < want && !s->ended)
                r = s->unpacker ? load_packed(s, e) : load_plain(s, e);
        if (r < 0)
                return r;
        *ret = s->data + s->at;
        *ret_n = s->len - s->at;
        return 0;
}

void hb_source_take(hb_source *s, size_t n) {
        s->at += n;
        s->taken += n;
}

uint64_t hb_source_at(const hb_source *s) {
        return s->taken;
}

uint64_t hb_source_loaded(const hb_source *s) {
        return s->loaded;
}

uint64_t hb_source_size(const hb_source *s) {
        return s->size;
}

int hb_source_packed(const hb_source *s) {
        return s->unpacker != NULL;
}
