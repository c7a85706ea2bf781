/* to_oracle: libCacheSim's oracleGeneral, one record an access: pages in order of number within an epoch, a
 * page's accesses one after the other (a trace does not keep their order), object = page number, size = page
 * size. Reads and writes are alike there.
 *
 * A record tells the number of the next one of the same page, so the future must be known. Memory follows
 * pages, not records: a first pass leaves for each page record the first number of the page's next one in a
 * file without a name (8 bytes each), patched when that comes; the second pass writes. Numbers count from 1.
 */
#include "base/fault.h"
#include "convert/beside.h"
#include "convert/export_priv.h"
#include "convert/out.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RECORD 24u
#define STEP   (1u << 20) /* page records the file grows by: 8 MiB */
#define NEVER  (-1)

struct future {
        int fd;
        uint64_t *next; /* by page record: number of the page's next access, 0: none */
        size_t cap, used;
        uint64_t *newest; /* by page: its newest page record + 1, 0: none */
        uint64_t pages;
};

static int future_new(struct future *f, struct hb_export_job *j) {
        f->pages = hb_trace_reader_header(j->reader)->shape.pages;
        if (f->pages == 0)
                f->pages = 1;
        f->newest = mmap(NULL, f->pages * sizeof(*f->newest), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (f->newest == MAP_FAILED || hb_fault("export.alloc")) {
                if (f->newest != MAP_FAILED)
                        munmap(f->newest, f->pages * sizeof(*f->newest));
                f->newest = NULL;
                return hb_err_set(j->e, -ENOMEM, j->out, NULL, "no memory for the guest's %llu pages",
                                  (unsigned long long)f->pages);
        }
        f->fd = hb_beside_scratch(j->out, j->e);
        return f->fd < 0 ? f->fd : 0;
}

static void future_end(struct future *f) {
        if (f->next)
                munmap(f->next, f->cap * sizeof(*f->next));
        if (f->newest)
                munmap(f->newest, f->pages * sizeof(*f->newest));
        if (f->fd >= 0)
                close(f->fd);
}

/* The space is reserved first: a full disk must be an error here, not a signal when the map is written. */
static int future_grow(struct future *f, struct hb_export_job *j) {
        size_t was = f->cap * sizeof(*f->next), is = (f->cap + STEP) * sizeof(*f->next);
        int r = hb_fault("export.scratch") ? ENOSPC : posix_fallocate(f->fd, (off_t)was, (off_t)(is - was));
        void *p = MAP_FAILED;

        if (r == 0)
                p = f->next ? mremap(f->next, was, is, MREMAP_MAYMOVE)
                            : mmap(NULL, is, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
        if (p == MAP_FAILED)
                return hb_err_set(j->e, -(r ? r : errno), j->out,
                                  "it needs 8 bytes for each page record of the trace",
                                  "no room for the temporary file: %s", strerror(r ? r : errno));
        f->next = p;
        f->cap += STEP;
        return 0;
}

static uint64_t count(const struct hb_export_job *j, const struct hb_trace_access *a) {
        return j->o->once ? 1 : (uint64_t)a->reads + a->writes;
}

static int look_ahead(struct hb_export_job *j, struct future *f) {
        struct hb_trace_item item;
        uint64_t number = 1;
        int r;

        while ((r = hb_export_next(j, &item)) == 1) {
                for (size_t i = 0; item.kind == HB_TRACE_EPOCH && i < item.naccess; i++) {
                        const struct hb_trace_access *a = &item.access[i];

                        if (a->gfn >= f->pages)
                                return hb_err_set(j->e, -EBADMSG, j->path, "harbinger trace verify",
                                                  "page %u is outside the guest", a->gfn);
                        if (f->used == f->cap && (r = future_grow(f, j)) < 0)
                                return r;
                        if (f->newest[a->gfn])
                                f->next[f->newest[a->gfn] - 1] = number;
                        f->newest[a->gfn] = ++f->used;
                        number += count(j, a);
                }
        }
        j->stats.accesses = number - 1;
        return r;
}

static void put_le(uint8_t *p, uint64_t v, unsigned bytes) {
        for (unsigned i = 0; i < bytes; i++)
                p[i] = (uint8_t)(v >> (8 * i));
}

static bool put(hb_out *out, uint32_t clock_s, uint32_t gfn, int64_t next) {
        uint8_t *p = hb_out_room(out, RECORD);

        if (!p)
                return false;
        put_le(p, clock_s, 4);
        put_le(p + 4, gfn, 8);
        put_le(p + 12, HB_PAGE_SIZE, 4);
        put_le(p + 16, (uint64_t)next, 8);
        hb_out_wrote(out, RECORD);
        return true;
}

/* The second nearest to the window's beginning: windows of about a second stay apart, and a last one that was
 * cut short from the one before it, which tells when it began. */
static uint32_t clock_of(uint64_t window_ns, uint64_t before_ns) {
        uint64_t s = ((window_ns > before_ns ? window_ns : before_ns) + 500000000) / 1000000000;

        return s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static int write_records(struct hb_export_job *j, const struct future *f, hb_out *out) {
        uint64_t number = 1, last_ns = 0, before_ns = 0;
        struct hb_trace_item item;
        size_t at = 0;
        int r = 0;

        while (at < f->used && !hb_out_failed(out) && (r = hb_export_next(j, &item)) == 1) {
                uint32_t clock_s;

                if (item.kind != HB_TRACE_EPOCH)
                        continue;
                clock_s = clock_of(hb_export_window(j, item.time_ns, &last_ns, at == 0), before_ns);
                before_ns = item.time_ns;
                for (size_t i = 0; i < item.naccess && at < f->used; i++, at++) {
                        const struct hb_trace_access *a = &item.access[i];
                        uint64_t n = count(j, a);
                        int64_t after = f->next[at] ? (int64_t)f->next[at] : NEVER;

                        for (; n > 1 && put(out, clock_s, a->gfn, (int64_t)number + 1); n--)
                                number++;
                        if (n != 1 || !put(out, clock_s, a->gfn, after))
                                break;
                        number++;
                }
        }
        return r < 0 ? r : 0;
}

int hb_export_oracle(struct hb_export_job *j) {
        struct future f = {.fd = -1};
        hb_out *out = NULL;
        int r = hb_out_new(j->out, j->o->replace, &out, j->e);

        j->passes = 2;
        if (r == 0)
                r = future_new(&f, j);
        if (r == 0)
                r = look_ahead(j, &f);
        if (r == 0) {
                hb_export_rewind(j);
                r = write_records(j, &f, out);
        }
        if (r == 0)
                r = hb_out_close(out, &j->stats.out_bytes, j->e);
        else
                hb_out_free(out);
        future_end(&f);
        return r;
}
