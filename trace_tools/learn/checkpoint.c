/* checkpoint: written whole or not at all; everything read is checked before any of it is used. */
#include "learn/checkpoint.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = "HBTRAIN\n";
#define VERSION 1u

static uint64_t fnv(const uint8_t *p, size_t n) {
        uint64_t h = 0xcbf29ce484222325ull;

        for (size_t i = 0; i < n; i++)
                h = (h ^ p[i]) * 0x100000001b3ull;
        return h;
}

static void put_part(struct hb_buf *out, const struct hb_buf *part) {
        hb_buf_u32(out, (uint32_t)part->len);
        hb_buf_raw(out, part->data, part->len);
}

static void encode(const struct hb_checkpoint *c, struct hb_buf *out) {
        hb_buf_raw(out, magic, sizeof(magic));
        hb_buf_u32(out, VERSION);
        hb_buf_str(out, c->key);
        hb_buf_u32(out, c->pass);
        hb_buf_u32(out, c->best_pass);
        hb_buf_u32(out, c->worse);
        hb_buf_f64(out, c->loss);
        hb_buf_f64(out, c->validation);
        hb_buf_f64(out, c->best);
        hb_buf_f64(out, c->untrained);
        hb_buf_u64(out, c->examples);
        hb_buf_u64(out, c->bad_steps);
        put_part(out, &c->trainer);
        put_part(out, &c->model);
        hb_buf_u64(out, fnv(out->data, out->len));
}

static void get_part(struct hb_rd *in, struct hb_buf *ret) {
        uint32_t n = hb_rd_u32(in);
        const void *p = hb_rd_raw(in, n);

        if (p)
                hb_buf_raw(ret, p, n);
}

int hb_checkpoint_decode(const void *data, size_t size, struct hb_checkpoint *ret) {
        struct hb_rd in = hb_rd_init(data, size);
        struct hb_checkpoint c = {0};
        const void *m = hb_rd_raw(&in, sizeof(magic));
        bool ok = m && memcmp(m, magic, sizeof(magic)) == 0 && hb_rd_u32(&in) == VERSION;

        hb_rd_str(&in, c.key, sizeof(c.key));
        c.pass = hb_rd_u32(&in);
        c.best_pass = hb_rd_u32(&in);
        c.worse = hb_rd_u32(&in);
        c.loss = hb_rd_f64(&in);
        c.validation = hb_rd_f64(&in);
        c.best = hb_rd_f64(&in);
        c.untrained = hb_rd_f64(&in);
        c.examples = hb_rd_u64(&in);
        c.bad_steps = hb_rd_u64(&in);
        get_part(&in, &c.trainer);
        get_part(&in, &c.model);
        ok = ok && hb_rd_left(&in) == 8 && fnv(data, size - 8) == hb_rd_u64(&in) && hb_rd_done(&in);
        if (!ok || c.trainer.failed || c.model.failed) {
                hb_checkpoint_fini(&c);
                return ok ? -ENOMEM : -EBADMSG;
        }
        *ret = c;
        return 0;
}

void hb_checkpoint_fini(struct hb_checkpoint *c) {
        hb_buf_free(&c->trainer);
        hb_buf_free(&c->model);
}

static int write_all(int fd, const struct hb_buf *b) {
        for (size_t at = 0; at < b->len;) {
                ssize_t n = hb_fault("learn.checkpoint") ? (errno = ENOSPC, -1)
                                                         : write(fd, b->data + at, b->len - at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                at += (size_t)n;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

int hb_checkpoint_write(const char *path, const struct hb_checkpoint *c, struct hb_err *e) {
        struct hb_buf out = {0};
        char beside[4096];
        int fd, rc;

        if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
                return hb_err_set(e, -ENAMETOOLONG, path, NULL, "the path is too long");
        encode(c, &out);
        fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
        rc = fd < 0 ? -errno : out.failed ? -ENOMEM : write_all(fd, &out);
        if (fd >= 0 && close(fd) < 0 && rc == 0)
                rc = -errno;
        if (rc == 0 && rename(beside, path) < 0)
                rc = -errno;
        if (rc < 0 && fd >= 0)
                unlink(beside);
        hb_buf_free(&out);
        return rc < 0 ? hb_err_set(e, rc, path, NULL, "cannot keep what was trained so far: %s",
                                   strerror(-rc))
                      : 0;
}

static int read_file(const char *path, struct hb_buf *ret) {
        int fd = open(path, O_RDONLY | O_CLOEXEC), rc = fd < 0 ? -errno : 0;
        struct stat st;
        size_t at = 0;

        if (rc == 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > HB_CHECKPOINT_MAX))
                rc = -EBADMSG;
        if (rc == 0 && !hb_buf_space(ret, (size_t)st.st_size))
                rc = st.st_size ? -ENOMEM : -EBADMSG;
        while (rc == 0 && at < ret->len) {
                ssize_t n = read(fd, ret->data + at, ret->len - at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        rc = n < 0 ? -errno : -EBADMSG;
                at += n > 0 ? (size_t)n : 0;
        }
        if (fd >= 0)
                close(fd);
        return rc;
}

int hb_checkpoint_read(const char *path, struct hb_checkpoint *ret, struct hb_err *e) {
        struct hb_buf in = {0};
        int rc = read_file(path, &in);

        if (rc == 0)
                rc = hb_checkpoint_decode(in.data, in.len, ret);
        hb_buf_free(&in);
        return rc < 0 ? hb_err_set(e, rc, path, "begin again without --resume",
                                   "there is nothing to go on with: %s",
                                   rc == -EBADMSG ? "the file is damaged, or no checkpoint" : strerror(-rc))
                      : 0;
}
