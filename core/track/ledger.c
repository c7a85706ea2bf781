/* ledger: double-entry bookkeeping of resident pages.
 *
 * Invariant: in_block[] and resident count exactly the bits of `resident`; for each file, at the last walk,
 * st_blocks * 512 == pages entered * 4096 + surplus * 512. What could make the books balance by accident: as
 * many pages swapped out or dropped from the page table unseen as were punched. Swap-outs are counted by the
 * kernel, and any makes the check say SURPLUS; whoever drops a range with holes has it walked afterwards.
 * Cost: O(1) to check, O(resident) to walk. Owned by the tracker. */
#include "track/ledger.h"
#include "base/fault.h"
#include "track/procmaps.h"
#include "track/residency.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define BLOCKS_A_PAGE (HB_PAGE_SIZE / 512)

static bool swap_exists(void) {
        struct sysinfo si;

        return sysinfo(&si) == 0 && si.totalswap > 0;
}

static uint64_t vmstat_of(const char *text, const char *name) {
        const char *at = strstr(text, name);

        return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* Pages ever swapped out, by anyone, to a disk or to zswap. Only read where there is swap. */
static uint64_t count_swap_outs(void) {
        char text[16384];
        ssize_t n = 0, got;
        int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return 0;
        while (n < (ssize_t)sizeof text - 1 && (got = read(fd, text + n, sizeof text - 1 - (size_t)n)) > 0)
                n += got;
        close(fd);
        text[n] = 0;
        return vmstat_of(text, "\npswpout ") + vmstat_of(text, "\nzswpout ");
}

static bool same_file(const struct hb_target_region *a, const struct hb_target_region *b) {
        return a->dev == b->dev && a->ino == b->ino;
}

static void count_blocks(struct hb_ledger *l, unsigned region) {
        const struct hb_target_region *r = &l->t->regions[region];
        struct hb_ledger_region *lr = &l->regions[region];
        uint64_t first, count, end = r->first_gfn + r->bytes / HB_PAGE_SIZE;

        for (uint64_t at = r->first_gfn;
             hb_bitmap_next_run(l->resident, at, 0, &first, &count) && first < end; at = first + count) {
                if (count > end - first)
                        count = end - first;
                lr->resident += count;
                for (uint64_t p = first - r->first_gfn, left = count; left > 0;) {
                        uint64_t n = HB_BLOCK_PAGES - p % HB_BLOCK_PAGES;

                        n = n < left ? n : left;
                        lr->in_block[p / HB_BLOCK_PAGES] += (uint16_t)n;
                        p += n;
                        left -= n;
                }
        }
}

int hb_ledger_init(struct hb_ledger *l, const hb_target *t, struct hb_bitmap *resident) {
        *l = (struct hb_ledger){.t = t, .resident = resident};
        for (uint32_t i = 0; i < t->shape.nregions; i++) {
                struct hb_ledger_region *lr = &l->regions[i];

                lr->nblocks = (t->regions[i].bytes / HB_PAGE_SIZE + HB_BLOCK_PAGES - 1) / HB_BLOCK_PAGES;
                lr->in_block = hb_fault("track.ledger") ? NULL : calloc(lr->nblocks, sizeof *lr->in_block);
                if (!lr->in_block) {
                        hb_ledger_fini(l);
                        return -ENOMEM;
                }
                lr->first_of_file = true;
                for (uint32_t k = 0; k < i; k++)
                        if (same_file(&t->regions[k], &t->regions[i]))
                                lr->first_of_file = false;
                count_blocks(l, i);
        }
        return 0;
}

void hb_ledger_fini(struct hb_ledger *l) {
        for (unsigned i = 0; i < HB_MAX_REGIONS; i++)
                free(l->regions[i].in_block);
        *l = (struct hb_ledger){0};
}

/* Changes one run to `on`, counting as it goes; returns how many pages changed. */
static uint64_t change(struct hb_ledger *l, unsigned region, uint64_t gfn, uint64_t pages, bool on) {
        struct hb_ledger_region *lr = &l->regions[region];
        uint64_t base = l->t->regions[region].first_gfn, changed = 0, end = gfn + pages;

        while (gfn < end) {
                uint64_t p = gfn - base, n = 64 - gfn % 64, in_block = HB_BLOCK_PAGES - p % HB_BLOCK_PAGES,
                         mask;
                uint64_t *word = &l->resident->words[gfn / 64];
                int diff;

                n = n < in_block ? n : in_block;
                n = n < end - gfn ? n : end - gfn;
                mask = (n == 64 ? ~0ull : (1ull << n) - 1) << (gfn % 64);
                diff = __builtin_popcountll(on ? mask & ~*word : mask & *word);
                *word = on ? *word | mask : *word & ~mask;
                lr->in_block[p / HB_BLOCK_PAGES] =
                        (uint16_t)(lr->in_block[p / HB_BLOCK_PAGES] + (on ? diff : -diff));
                changed += (uint64_t)diff;
                gfn += n;
        }
        lr->resident = on ? lr->resident + changed : lr->resident - changed;
        return changed;
}

uint64_t hb_ledger_add(struct hb_ledger *l, unsigned region, uint64_t gfn, uint64_t pages) {
        return change(l, region, gfn, pages, true);
}

/* Blocks of the file of region `first`, and how many of them are beyond what all regions of that file have
 * entered. */
static int read_surplus(const struct hb_ledger *l, unsigned first, int64_t *ret_blocks, int64_t *ret) {
        const struct hb_target_region *r = &l->t->regions[first];
        uint64_t entered = 0;
        struct stat st;

        if (fstat(r->fd, &st) < 0)
                return -errno;
        *ret_blocks = (int64_t)st.st_blocks;
        for (uint32_t i = first; i < l->t->shape.nregions; i++)
                if (same_file(&l->t->regions[i], r))
                        entered += l->regions[i].resident;
        *ret = (int64_t)st.st_blocks - (int64_t)(entered * BLOCKS_A_PAGE);
        return 0;
}

int hb_ledger_check(struct hb_ledger *l) {
        int balance = HB_BALANCED;

        if (swap_exists()) {
                uint64_t now = count_swap_outs();

                if (now != l->swap_outs)
                        return HB_SURPLUS;
        }
        for (uint32_t i = 0; i < l->t->shape.nregions; i++) {
                int64_t surplus, blocks;
                int r = l->regions[i].first_of_file ? read_surplus(l, i, &blocks, &surplus) : 1;

                if (r < 0)
                        return r;
                if (r == 0 && (!l->regions[i].known || surplus < l->regions[i].surplus))
                        return HB_MISSING;
                if (r == 0 && surplus > l->regions[i].surplus)
                        balance = HB_SURPLUS;
        }
        return balance;
}

struct walk {
        struct hb_ledger *l;
        const struct hb_ledger_events *ev;
        unsigned region;
        uint64_t at; /* first gfn not yet compared */
};

/* Everything entered in [w->at, to) has become a hole. */
static int strike(struct walk *w, uint64_t to) {
        uint64_t first, count;

        while (hb_bitmap_next_run(w->l->resident, w->at, 0, &first, &count) && first < to) {
                int r;

                if (count > to - first)
                        count = to - first;
                /* Reported before it is struck out: killed in between, it is only reported again. */
                r = w->ev->gone(w->ev->arg, w->region, first, count);
                if (r < 0)
                        return r;
                change(w->l, w->region, first, count, false);
                w->at = first + count;
        }
        w->at = to;
        return 0;
}

/* Everything in [first, end) is resident: enter what is not. */
static int enter(struct walk *w, uint64_t first, uint64_t end) {
        while (first < end) {
                uint64_t known, count, stop;

                if (!hb_bitmap_next_run(w->l->resident, first, 0, &known, &count) || known > end)
                        known = end, count = 0;
                stop = known;
                if (stop > first) {
                        int r;

                        r = w->ev->came(w->ev->arg, w->region, first, stop - first);
                        if (r < 0)
                                return r;
                        change(w->l, w->region, first, stop - first,
                               true); /* after it is reported, for the same reason */
                }
                first = known + count;
        }
        return 0;
}

static int on_data(void *arg, uint64_t gfn, uint64_t pages) {
        struct walk *w = arg;
        int r = strike(w, gfn);

        if (r == 0)
                r = enter(w, gfn, gfn + pages);
        w->at = gfn + pages;
        return r;
}

/* Opens the books of each file before the walk, closes them after it. */
static int note_files(struct hb_ledger *l, bool after) {
        for (uint32_t i = 0; i < l->t->shape.nregions; i++) {
                struct hb_ledger_region *lr = &l->regions[i];
                int64_t surplus, blocks;
                int r = lr->first_of_file ? read_surplus(l, i, &blocks, &surplus) : 1;

                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                if (after) {
                        lr->known = lr->walked && blocks == lr->blocks_before && surplus == lr->surplus;
                        lr->surplus = surplus;
                        lr->walked = true;
                }
                lr->blocks_before = blocks;
        }
        return 0;
}

int hb_ledger_walk_part(struct hb_ledger *l, unsigned region, uint64_t gfn, uint64_t pages,
                        const struct hb_ledger_events *ev) {
        struct walk w = {.l = l, .ev = ev, .region = region, .at = gfn};
        int r = hb_residency_walk(l->t, region, gfn, pages, on_data, &w);

        return r < 0 ? r : strike(&w, gfn + pages);
}

int hb_ledger_walk(struct hb_ledger *l, const struct hb_ledger_events *ev) {
        int r = note_files(l, false);

        if (swap_exists())
                l->swap_outs = count_swap_outs();
        for (uint32_t i = 0; i < l->t->shape.nregions && r == 0; i++)
                r = hb_ledger_walk_part(l, i, l->t->shape.regions[i].first_gfn, l->t->shape.regions[i].pages,
                                        ev);
        return r < 0 ? r : note_files(l, true);
}
