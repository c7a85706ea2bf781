/* out: see out.h. One buffer plain, one packed; one thread. */
#include "convert/out.h"
#include "base/fault.h"
#include "convert/beside.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define BUFFER_BYTES (256u * 1024)
#define LEVEL        3

struct hb_out {
        struct hb_beside beside;
        bool standard;
        int fd, error; /* error: the first failure, negative errno */
        uint64_t bytes;
        uint8_t *data, *packed;
        size_t len, packed_cap;
        ZSTD_CCtx *packer; /* NULL: plain */
};

static bool ends_in(const char *s, const char *end) {
        size_t n = strlen(s), m = strlen(end);

        return n > m && strcmp(s + n - m, end) == 0;
}

static int set_up_packing(hb_out *o) {
        o->packed_cap = ZSTD_CStreamOutSize();
        o->packed = malloc(o->packed_cap);
        o->packer = ZSTD_createCCtx();
        if (!o->packed || !o->packer)
                return -ENOMEM;
        ZSTD_CCtx_setParameter(o->packer, ZSTD_c_compressionLevel, LEVEL);
        ZSTD_CCtx_setParameter(o->packer, ZSTD_c_checksumFlag, 1);
        return 0;
}

int hb_out_new(const char *path, bool replace, hb_out **ret, struct hb_err *e) {
        hb_out *o = calloc(1, sizeof(*o));
        int r = -ENOMEM;

        if (o)
                o->data = malloc(BUFFER_BYTES);
        if (!o || !o->data || (ends_in(path, ".zst") && set_up_packing(o) < 0)) {
                hb_err_set(e, r, path, NULL, "no memory to write the output");
                goto fail;
        }
        o->standard = strcmp(path, "-") == 0;
        o->fd = STDOUT_FILENO;
        if (!o->standard) {
                r = o->fd = hb_beside_new(&o->beside, path, replace, e);
                if (r < 0)
                        goto fail;
        }
        *ret = o;
        return 0;
fail:
        hb_out_free(o);
        return r;
}

hb_out *hb_out_free(hb_out *o) {
        if (!o)
                return NULL;
        if (!o->standard && o->fd > STDERR_FILENO)
                close(o->fd);
        hb_beside_drop(&o->beside);
        ZSTD_freeCCtx(o->packer);
        free(o->packed);
        free(o->data);
        free(o);
        return NULL;
}

static void write_all(hb_out *o, const uint8_t *p, size_t n) {
        while (n > 0 && o->error == 0) {
                ssize_t done = hb_fault("export.write") ? (errno = ENOSPC, -1) : write(o->fd, p, n);

                if (done < 0 && errno != EINTR) /* a reader that went away is no unreachable host */
                        o->error = errno == EPIPE ? -EIO : -errno;
                if (done > 0) {
                        p += done;
                        n -= (size_t)done;
                        o->bytes += (uint64_t)done;
                }
        }
}

static void write_packed(hb_out *o, ZSTD_EndDirective how) {
        ZSTD_inBuffer in = {o->data, o->len, 0};
        size_t left = 1;

        while (o->error == 0 && (how == ZSTD_e_end ? left != 0 : in.pos < in.size)) {
                ZSTD_outBuffer out = {o->packed, o->packed_cap, 0};

                left = ZSTD_compressStream2(o->packer, &out, &in, how);
                if (ZSTD_isError(left))
                        o->error = -EIO;
                else
                        write_all(o, o->packed, out.pos);
        }
}

static void drain(hb_out *o, ZSTD_EndDirective how) {
        if (o->packer)
                write_packed(o, how);
        else
                write_all(o, o->data, o->len);
        o->len = 0;
}

void *hb_out_room(hb_out *o, size_t n) {
        if (BUFFER_BYTES - o->len < n)
                drain(o, ZSTD_e_continue);
        return o->error ? NULL : o->data + o->len;
}

void hb_out_wrote(hb_out *o, size_t n) {
        o->len += n;
}

bool hb_out_failed(const hb_out *o) {
        return o->error != 0;
}

int hb_out_close(hb_out *o, uint64_t *ret_bytes, struct hb_err *e) {
        int r;

        drain(o, ZSTD_e_end);
        r = o->error;
        if (r < 0)
                hb_err_set(e, r, o->standard ? "standard output" : o->beside.path, NULL,
                           "cannot write the output: %s", strerror(-r));
        else if (!o->standard)
                r = hb_beside_commit(&o->beside, o->fd, e);
        if (r == 0)
                *ret_bytes = o->bytes;
        hb_out_free(o);
        return r;
}
