/* model_file: a model as bytes. model.h describes the format. Nothing is believed: every length is checked
 * against what is left, the sum before anything is used, and every weight for being a number.
 * Written beside the file, synced, renamed: a reader meets the old model or the new one. */
#include "base/fault.h"
#include "base/file_put.h"
#include "nn/features.h"
#include "nn/model_net.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define MAGIC     "HBMODEL\n"
#define MAGIC_LEN 8u
#define SUM_LEN   16u

static const char *const again = "train it anew: harbinger model train";

static void put_sum(struct hb_buf *out, size_t from) {
        XXH128_hash_t h = XXH3_128bits(out->data + from, out->len - from);

        hb_buf_u64(out, h.low64);
        hb_buf_u64(out, h.high64);
}

static void put_floats(struct hb_buf *out, const float *x, uint64_t n) {
        for (uint64_t i = 0; i < n; i++) {
                uint32_t bits;

                memcpy(&bits, &x[i], sizeof bits);
                hb_buf_u32(out, bits);
        }
}

static void put_head(const hb_model *m, struct hb_buf *out) {
        const struct hb_model_info *i = &m->info;
        const uint32_t head[] = {HB_MODEL_VERSION, HB_FEATURES_VERSION, HB_MODEL_PAGE_IN, HB_MODEL_BLOCK_IN,
                                 HB_MODEL_STEPS,   HB_MODEL_OUT,        m->hidden,        m->dense};

        hb_buf_raw(out, MAGIC, MAGIC_LEN);
        for (unsigned k = 0; k < sizeof head / sizeof head[0]; k++)
                hb_buf_u32(out, head[k]);
        hb_buf_u64(out, i->steps);
        hb_buf_u64(out, i->seed);
        hb_buf_u64(out, i->examples);
        hb_buf_f64(out, i->loss);
        hb_buf_f64(out, i->validation);
        hb_buf_str(out, i->note);
}

int hb_model_encode(const hb_model *m, struct hb_buf *out) {
        size_t from = out->len;

        put_head(m, out);
        hb_buf_u32(out, (uint32_t)m->nweights);
        put_floats(out, m->weights, m->nweights);
        if (!out->failed)
                put_sum(out, from);
        return out->failed ? -ENOMEM : 0;
}

static bool sum_holds(const uint8_t *data, size_t size) {
        struct hb_rd r = hb_rd_init(data + size - SUM_LEN, SUM_LEN);
        XXH128_hash_t h = XXH3_128bits(data, size - SUM_LEN);
        uint64_t low = hb_rd_u64(&r), high = hb_rd_u64(&r);

        return low == h.low64 && high == h.high64;
}

static int bad(struct hb_err *e, const char *name, const char *what) {
        return hb_err_set(e, -EBADMSG, name, again, "not a model: %s", what);
}

/* Magic, versions and sizes; the rest is read by read_body. */
static int read_head(struct hb_rd *r, const char *name, uint32_t *ret_hidden, uint32_t *ret_dense,
                     struct hb_err *e) {
        const void *magic = hb_rd_raw(r, MAGIC_LEN);
        const uint32_t want[] = {HB_MODEL_PAGE_IN, HB_MODEL_BLOCK_IN, HB_MODEL_STEPS, HB_MODEL_OUT};
        uint32_t version, features;

        if (!magic || memcmp(magic, MAGIC, MAGIC_LEN) != 0)
                return bad(e, name, "it does not begin as one");
        version = hb_rd_u32(r);
        features = hb_rd_u32(r);
        if (hb_rd_ok(r) && (version != HB_MODEL_VERSION || features != HB_FEATURES_VERSION))
                return hb_err_set(e, -EPROTONOSUPPORT, name, again,
                                  "model of format %u and features %u; this version knows %u and %u", version,
                                  features, HB_MODEL_VERSION, HB_FEATURES_VERSION);
        for (unsigned i = 0; i < sizeof want / sizeof want[0]; i++)
                if (hb_rd_u32(r) != want[i])
                        return bad(e, name, "its inputs are others");
        *ret_hidden = hb_rd_u32(r);
        *ret_dense = hb_rd_u32(r);
        return hb_rd_ok(r) ? 0 : bad(e, name, "it is cut short");
}

static bool read_floats(struct hb_rd *r, float *x, uint64_t n) {
        const uint8_t *p = n <= HB_MODEL_FILE_MAX / 4 ? hb_rd_raw(r, n * 4) : NULL;
        bool finite = p != NULL;

        for (uint64_t i = 0; p && i < n; i++, p += 4) {
                uint32_t bits = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

                memcpy(&x[i], &bits, sizeof bits);
                finite &= isfinite(x[i]) != 0;
        }
        return finite;
}

static int read_body(struct hb_rd *r, const char *name, hb_model *m, struct hb_err *e) {
        m->info.steps = hb_rd_u64(r);
        m->info.seed = hb_rd_u64(r);
        m->info.examples = hb_rd_u64(r);
        m->info.loss = hb_rd_f64(r);
        m->info.validation = hb_rd_f64(r);
        hb_rd_str(r, m->info.note, sizeof m->info.note);
        if (hb_rd_u32(r) != m->nweights)
                return bad(e, name, "its sizes do not fit its weights");
        if (!read_floats(r, m->weights, m->nweights))
                return bad(e, name, "weights are missing or no numbers");
        return hb_rd_done(r) ? 0 : bad(e, name, "it is longer than it says");
}

int hb_model_decode(const void *data, size_t size, const char *name, hb_model **ret, struct hb_err *e) {
        struct hb_rd r = hb_rd_init(data, size < SUM_LEN ? 0 : size - SUM_LEN);
        uint32_t hidden = 0, dense = 0;
        hb_model *m = NULL;
        int rc = size > HB_MODEL_FILE_MAX ? bad(e, name, "it is too large") : 0;

        if (rc == 0)
                rc = read_head(&r, name, &hidden, &dense, e);
        if (rc == 0 && !sum_holds(data, size))
                rc = bad(e, name, "its checksum is wrong; the file is damaged");
        if (rc < 0)
                return rc;
        rc = hb_model_alloc(hidden, dense, &m);
        if (rc == -EINVAL)
                return bad(e, name, "its sizes are out of bounds");
        if (rc < 0)
                return hb_err_set(e, rc, name, NULL, "no memory for a model");
        rc = read_body(&r, name, m, e);
        if (rc < 0) {
                hb_model_free(m);
                return rc;
        }
        *ret = m;
        return 0;
}

/* All of an open file, at most one byte more than a model may have; -errno. */
static ssize_t read_all(int fd, uint8_t *data) {
        size_t have = 0;

        if (hb_fault("model.read"))
                return -EIO;
        for (;;) {
                ssize_t n = read(fd, data + have, HB_MODEL_FILE_MAX + 1 - have);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0 || have + (size_t)n > HB_MODEL_FILE_MAX)
                        return n < 0 ? -errno : (ssize_t)(have + (size_t)n);
                have += (size_t)n;
        }
}

int hb_model_read(const char *path, hb_model **ret, struct hb_err *e) {
        uint8_t *data = malloc(HB_MODEL_FILE_MAX + 1);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), saved = errno;
        ssize_t size = fd < 0 ? -saved : data ? read_all(fd, data) : -ENOMEM;
        int r;

        if (fd >= 0)
                close(fd);
        if (size < 0)
                r = hb_err_set(e, (int)size, path, "check that the file is there and may be read",
                               "cannot read the model: %s", strerror((int)-size));
        else
                r = hb_model_decode(data, (size_t)size, path, ret, e);
        free(data);
        return r;
}

int hb_model_write(const hb_model *m, const char *path, struct hb_err *e) {
        struct hb_buf b = {0};
        int r = hb_model_encode(m, &b);

        if (r == 0)
                r = hb_file_put(path, b.data, b.len, 0644, "model.write");
        hb_buf_free(&b);
        return r < 0 ? hb_err_set(e, r, path, "check the folder's space and permissions",
                                  "cannot write the model: %s", strerror(-r))
                     : 0;
}
