/* keep_file: see the header. The file is ours, but it is read after kills, full disks and operators'
 * mistakes, so it is decoded like anything from outside: the sum first, then every field within its bounds,
 * and only then is a page handed on. Pure but for names and loading; any thread. Cost of loading: one pass
 * over 17 bytes a page. */
#include "keep/keep_file.h"
#include "base/fault.h"
#include "sum/sum.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD      24u
#define PRINT     sizeof(struct hb_print)
#define VISIT_HEX 16u

static const char magic[8] = {'H', 'B', 'K', 'E', 'P', 'T', '1', '\n'};

int hb_keep_path(char out[HB_KEEP_PATH], const char *dir, const struct hb_kept *m, const char *suffix) {
        int n = snprintf(out, HB_KEEP_PATH, "%s/%s.%016llx.%s", dir, m->guest,
                         (unsigned long long)m->visit_ns, suffix);

        return n < HB_KEEP_PATH ? 0 : -ENAMETOOLONG;
}

static bool read_visit(const char *p, uint64_t *ret) {
        char hex[VISIT_HEX + 1] = {0};

        for (unsigned i = 0; i < VISIT_HEX; i++) {
                if (!isxdigit((unsigned char)p[i]) || isupper((unsigned char)p[i]))
                        return false;
                hex[i] = p[i];
        }
        *ret = strtoull(hex, NULL, 16);
        return true;
}

/* A guest's name may hold dots, and what hb_file_put leaves after a kill has a dot more behind: the visit is
 * looked for. */
const char *hb_keep_name(const char *name, char ret_guest[HB_NAME_MAX], uint64_t *ret_visit_ns) {
        for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
                size_t n = (size_t)(dot - name);
                uint64_t visit;

                if (n == 0 || n >= HB_NAME_MAX || strlen(dot) < VISIT_HEX + 3 || dot[VISIT_HEX + 1] != '.' ||
                    !read_visit(dot + 1, &visit))
                        continue;
                memcpy(ret_guest, name, n);
                ret_guest[n] = '\0';
                if (!hb_name_ok(ret_guest))
                        continue;
                *ret_visit_ns = visit;
                return dot + VISIT_HEX + 2;
        }
        return NULL;
}

void hb_kept_encode(const struct hb_kept *m, const struct hb_buf *gaps, const struct hb_buf *prints,
                    struct hb_buf *out) {
        struct hb_buf body = {0};

        hb_buf_str(&body, m->guest);
        hb_buf_u64(&body, m->visit_ns);
        hb_buf_u64(&body, m->secret_id);
        hb_buf_u64(&body, m->absence_ns);
        hb_buf_u32(&body, m->departures);
        hb_buf_u64(&body, m->pages_total);
        hb_buf_u64(&body, m->pages);
        hb_buf_raw(&body, gaps->data, gaps->len);
        hb_buf_raw(&body, prints->data, prints->len);
        out->failed |= body.failed || gaps->failed || prints->failed;
        hb_buf_raw(out, magic, sizeof(magic));
        hb_buf_u64(out, body.len);
        hb_buf_u64(out, out->failed ? 0 : hb_hash64(0, body.data, body.len));
        hb_buf_raw(out, body.data, body.len);
        hb_buf_free(&body);
}

/* The pages' numbers: gaps whose sum stays within the guest. */
static bool check_gaps(struct hb_rd *rd, const struct hb_kept *m) {
        uint64_t next = 0;

        for (uint64_t i = 0; i < m->pages; i++) {
                if (next >= m->pages_total)
                        return false;
                next += hb_rd_upto(rd, m->pages_total - 1 - next) + 1;
                if (!hb_rd_ok(rd))
                        return false;
        }
        return true;
}

static int tell_pages(struct hb_rd gaps, const uint8_t *prints, const struct hb_kept *m, hb_keep_page *page,
                      void *arg) {
        uint64_t next = 0;
        int r = 0;

        for (uint64_t i = 0; i < m->pages && r == 0; i++) {
                struct hb_print p;
                uint64_t gfn = next + hb_rd_varint(&gaps);

                memcpy(&p, prints + i * PRINT, PRINT);
                r = page(arg, gfn, &p);
                next = gfn + 1;
        }
        return r;
}

static int read_head(struct hb_rd *rd, struct hb_kept *m) {
        hb_rd_str(rd, m->guest, sizeof(m->guest));
        m->visit_ns = hb_rd_u64(rd);
        m->secret_id = hb_rd_u64(rd);
        m->absence_ns = hb_rd_u64(rd);
        m->departures = hb_rd_u32(rd);
        m->pages_total = hb_rd_u64(rd);
        m->pages = hb_rd_u64(rd);
        if (!hb_rd_ok(rd) || !hb_name_ok(m->guest) || m->pages_total > HB_MAX_PAGES ||
            m->pages > m->pages_total || m->pages > hb_rd_left(rd) / (PRINT + 1))
                return -EBADMSG;
        return 0;
}

int hb_kept_decode(const void *data, size_t size, struct hb_kept *ret, hb_keep_page *page, void *arg) {
        struct hb_rd rd = hb_rd_init(data, size), gaps;
        struct hb_kept m = {0};
        const void *head = hb_rd_raw(&rd, sizeof(magic));
        uint64_t n = hb_rd_u64(&rd), sum = hb_rd_u64(&rd);
        const uint8_t *prints;

        if (!hb_rd_ok(&rd) || memcmp(head, magic, sizeof(magic)) != 0 || n != hb_rd_left(&rd) ||
            hb_hash64(0, rd.p, n) != sum || read_head(&rd, &m) < 0)
                return -EBADMSG;
        gaps = rd;
        if (!check_gaps(&rd, &m) || hb_rd_left(&rd) != m.pages * PRINT)
                return -EBADMSG;
        prints = rd.p;
        *ret = m;
        return page ? tell_pages(gaps, prints, &m, page, arg) : 0;
}

int hb_kept_load(const char *dir, const struct hb_kept *name, struct hb_kept *ret, hb_keep_page *page,
                 void *arg) {
        char path[HB_KEEP_PATH];
        struct stat st;
        void *p;
        int fd, r = hb_keep_path(path, dir, name, "kept");

        if (r < 0)
                return r;
        fd = hb_fault("keep.open") ? (errno = EIO, -1) : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        r = fstat(fd, &st) < 0 ? -errno : st.st_size < (off_t)HEAD || !S_ISREG(st.st_mode) ? -EBADMSG : 0;
        p = r < 0 ? MAP_FAILED : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (r == 0 && p == MAP_FAILED)
                r = -errno;
        close(fd);
        if (r < 0)
                return r;
        r = hb_kept_decode(p, (size_t)st.st_size, ret, page, arg);
        munmap(p, (size_t)st.st_size);
        return r;
}
