/* rdma_held: windows of guest memory, registered for the target's READs.
 *
 * Which memory. Reading a hole of the guest's file through a mapping would allocate it, and pinning it too:
 * only runs that mincore finds resident are registered. A page that the guest discards in the microseconds
 * between may come back as a page of zeros: it costs a page, no truth.
 *
 * Which mapping. One of our own that no CPU reads or writes (mremap of old size 0 gives a second mapping of
 * the same file). So its page table holds what a registration put there, until the page is discarded: nothing
 * fills it in anew. It is writable because kernels before 6.2 pin shared memory as if to write; the device
 * gets the right to read only.
 *
 * Which frames. A registration pins frames. If the guest discards a page (balloon, free-page reporting,
 * MADV_REMOVE) and writes it again it lives in another frame, and the old one would be read for ever. So the
 * frames are read before and after the registration (equal: those are what was pinned; for an error a page
 * would have to be discarded twice and get its first frame back, all in the time of one registration) and
 * remembered, and hb_rdma_server_scanned compares. Both run under one lock: a registration is either before a
 * comparison, which sees it, or after, and then pins what the comparison would have asked for. On the
 * server's thread and the scan's. */
#include "base/clock.h"
#include "base/fault.h"
#include "rdma/frames.h"
#include "rdma/rdma_server.h"
#include "rdma/window_runs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* ---- mappings ---- */

static void open_aliases(hb_rdma_server *s) {
        for (uint32_t i = 0; i < s->src->shape->nregions; i++) {
                uint64_t bytes = s->src->shape->regions[i].pages * HB_PAGE_SIZE;
                uint8_t *map = (uint8_t *)(uintptr_t)s->src->region_map[i];
                void *p = map ? mremap(map, 0, bytes, MREMAP_MAYMOVE) : MAP_FAILED;

                s->own_alias[i] = p != MAP_FAILED;
                s->alias[i] =
                        p != MAP_FAILED ? p : map; /* hugetlbfs cannot: then through the mapping all read */
                if (s->own_alias[i]) {
                        (void)mprotect(p, bytes, PROT_READ | PROT_WRITE);
                        (void)madvise(p, bytes, MADV_DONTFORK);
                }
        }
}

int hb_held_open(hb_rdma_server *s, struct hb_err *e) {
        s->pagemap = s->end.on_demand ? -1 : hb_frames_open();
        if (s->pagemap < 0 && !s->end.on_demand)
                return hb_err_set(
                        e, s->pagemap, "/proc/self/pagemap",
                        "run the daemon with CAP_SYS_ADMIN, or turn RDMA off",
                        "page frames cannot be read, and without them this device cannot read guest memory "
                        "safely");
        open_aliases(s);
        if (hb_window_book_init(&s->held, s->pinned_max / HB_PAGE_SIZE / s->window_pages * 2) < 0)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory for RDMA windows");
        return 0;
}

void hb_held_close(hb_rdma_server *s) {
        for (uint32_t i = 0; i < HB_MAX_REGIONS; i++)
                if (s->own_alias[i])
                        munmap(s->alias[i], s->src->shape->regions[i].pages * HB_PAGE_SIZE);
        if (s->pagemap >= 0)
                close(s->pagemap);
        s->pagemap = -1;
        hb_window_book_fini(&s->held);
}

uint8_t *hb_held_at(const hb_rdma_server *s, uint64_t gfn) {
        int i = hb_shape_region_of(s->src->shape, gfn);

        return s->alias[i] + (gfn - s->src->shape->regions[i].first_gfn) * HB_PAGE_SIZE;
}

/* ---- registering ---- */

/* The resident runs of the window, cut at the regions' ends. */
static void find_runs(const hb_rdma_server *s, struct hb_held *h, uint64_t first, uint64_t end) {
        const struct hb_shape *shape = s->src->shape;
        uint8_t resident[HB_RDMA_MAX_WINDOW];

        for (uint32_t i = 0; i < shape->nregions; i++) {
                const struct hb_region *r = &shape->regions[i];
                uint64_t from = first > r->first_gfn ? first : r->first_gfn;
                uint64_t to = end < r->first_gfn + r->pages ? end : r->first_gfn + r->pages;

                if (from >= to || !s->alias[i] ||
                    mincore(hb_held_at(s, from), (to - from) * HB_PAGE_SIZE, resident) != 0)
                        continue;
                h->nruns = hb_window_runs(resident, (uint32_t)(from - first), (uint32_t)(to - from), h->runs,
                                          h->nruns);
        }
}

/* True: the run's pages are pinned, and their frames in `frames` (if not NULL) are those that were pinned. */
static bool pin(hb_rdma_server *s, struct hb_rdma_run *run, uint64_t gfn, uint64_t *frames, uint64_t *again,
                struct ibv_mr **ret) {
        uint8_t *map = hb_held_at(s, gfn);
        size_t bytes = (size_t)run->pages * HB_PAGE_SIZE;
        int access = IBV_ACCESS_REMOTE_READ | (frames ? 0 : IBV_ACCESS_ON_DEMAND);
        bool same = true;

        if (frames && (madvise(map, bytes, MADV_POPULATE_READ) != 0 ||
                       hb_frames_read(s->pagemap, map, run->pages, frames) < 0))
                return false;
        errno = hb_fault("rdma.register") ? ENOMEM : 0;
        *ret = errno ? NULL : ibv_reg_mr_iova(s->end.pd, map, bytes, gfn * HB_PAGE_SIZE, access);
        if (!*ret)
                return false;
        run->rkey = (*ret)->rkey;
        if (frames)
                same = hb_frames_read(s->pagemap, map, run->pages, again) == 0 &&
                       memcmp(frames, again, run->pages * sizeof(*frames)) == 0;
        for (uint32_t i = 0; same && frames && i < run->pages; i++)
                same = frames[i] != 0;
        if (!same) {
                ibv_dereg_mr(*ret);
                errno = EAGAIN;
        }
        return same;
}

/* Leaves in h what could be pinned. Returns why not all could: 0, or an errno. */
static int pin_runs(hb_rdma_server *s, struct hb_held *h, uint64_t first, uint64_t *again) {
        unsigned kept = 0;
        int why = 0;

        for (unsigned i = 0; i < h->nruns; i++) {
                struct hb_rdma_run run = h->runs[i];
                uint64_t *frames = h->frames ? h->frames + h->pages : NULL;

                if (!pin(s, &run, first + run.first, frames, again, &h->mr[kept])) {
                        why = errno ? errno : EIO;
                        continue;
                }
                h->runs[kept++] = run;
                h->pages += run.pages;
        }
        h->nruns = kept;
        return why;
}

static struct hb_held *held_new(hb_rdma_server *s, uint32_t number) {
        struct hb_held *h = hb_fault("rdma.held") ? NULL : calloc(1, sizeof(*h));

        if (!h)
                return NULL;
        h->head.number = number;
        h->head.state = HB_HELD;
        if (!s->end.on_demand) {
                h->frames = calloc(2 * (size_t)s->window_pages,
                                   sizeof(*h->frames)); /* and room to read them again */
                if (!h->frames) {
                        free(h);
                        return NULL;
                }
        }
        return h;
}

static void tell_grant(const struct hb_held *h, struct hb_rdma_msg *ret) {
        ret->grant.denial = HB_RDMA_GRANTED;
        ret->grant.nruns = h->nruns;
        memcpy(ret->grant.runs, h->runs, sizeof(ret->grant.runs));
}

int hb_held_grant(hb_rdma_server *s, uint32_t number, struct hb_rdma_msg *ret) {
        uint64_t first = (uint64_t)number * s->window_pages, end = first + s->window_pages;
        struct hb_held *h;
        int why = ENOMEM;

        if (first >= s->src->shape->pages)
                return -ERANGE;
        if (hb_window_book_find(&s->held, number))
                return -EEXIST;
        *ret = (struct hb_rdma_msg){
                .type = HB_RDMA_GRANT, .window = number, .grant.denial = HB_RDMA_CANNOT_PIN};
        h = held_new(s, number);
        if (h) {
                find_runs(s, h, first, end < s->src->shape->pages ? end : s->src->shape->pages);
                why = pin_runs(s, h, first, h->frames ? h->frames + s->window_pages : NULL);
        }
        if (h && h->nruns > 0) {
                hb_window_book_add(&s->held, &h->head);
                s->pinned_bytes += h->pages * HB_PAGE_SIZE;
                s->stats.granted++;
                tell_grant(h, ret);
                return 0;
        }
        if (why == ENOMEM && s->pinned_bytes > 0) /* the kernel's limit is lower than ours: live within it */
                s->pinned_max = s->pinned_bytes;
        if (h && why == 0)
                ret->grant.denial = HB_RDMA_ALL_HOLES;
        s->stats.denied++;
        if (h)
                free(h->frames);
        free(h);
        return 0;
}

bool hb_held_room(const hb_rdma_server *s) {
        return s->held.n == 0 || s->pinned_bytes + (uint64_t)s->window_pages * HB_PAGE_SIZE <= s->pinned_max;
}

/* ---- taking back ---- */

void hb_held_recall(hb_rdma_server *s, struct hb_held *h) {
        if (h->head.state == HB_HELD_RECALLED)
                return;
        h->head.state = HB_HELD_RECALLED;
        h->recalled_ns = hb_now_ns();
        s->recalled_now++;
        s->untold++;
        s->stats.recalled++;
}

void hb_held_withdraw(hb_rdma_server *s, struct hb_held *h) {
        uint64_t first = (uint64_t)h->head.number * s->window_pages;

        for (unsigned i = 0; i < h->nruns; i++) {
                ibv_dereg_mr(h->mr[i]); /* from here on the device refuses the key */
                if (s->own_alias[hb_shape_region_of(s->src->shape, first + h->runs[i].first)])
                        (void)madvise(hb_held_at(s, first + h->runs[i].first),
                                      (size_t)h->runs[i].pages * HB_PAGE_SIZE, MADV_DONTNEED);
        }
        if (h->head.state == HB_HELD_RECALLED) {
                s->recalled_now--;
                s->untold -= !h->told;
        }
        if (h->lost && --s->lost_now == 0)
                pthread_cond_broadcast(&s->changed);
        s->pinned_bytes -= h->pages * HB_PAGE_SIZE;
        hb_window_book_remove(&s->held, &h->head);
        free(h->frames);
        free(h);
}
