/* spill: the spilled part of an image: made, unmade, and what the image asks of it.
 *
 * Invariant: `on_disk` has exactly the pages that are fresh and HB_IP_SPILLED (a page that turns stale leaves
 * it with hb_image_spill_invalidated, before anybody could fetch it), so hb_image_spilled never counts pages.
 * A page that is `busy` is neither written nor read by anybody else. Memory: six bits a page, and 1 KiB for
 * each run that can be on its way. */
#include "place/spill.h"
#include "base/fault.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* ---- bits and flags ---- */

void hb_spill_set(struct hb_bitmap *b, uint64_t gfn, bool on, uint64_t *count) {
        if (hb_bitmap_test(b, gfn) == on)
                return;
        *count += on ? 1 : (uint64_t)-1;
        if (on)
                hb_bitmap_set(b, gfn);
        else
                hb_bitmap_clear(b, gfn);
}

void hb_spill_unmark(struct hb_spill *s, uint64_t gfn) {
        __atomic_and_fetch(&s->i->pages[gfn].flags, (uint8_t)~HB_IP_SPILLED, __ATOMIC_RELEASE);
        hb_spill_set(&s->on_disk, gfn, false, &s->spilled);
}

/* Absent before it is called unspilled: the memory there is nothing. */
static void forget(struct hb_image_page *p) {
        hb_coherency_overwriting(&p->c);
        __atomic_and_fetch(&p->flags, (uint8_t)~HB_IP_SPILLED, __ATOMIC_RELEASE);
}

void hb_spill_lose(struct hb_spill *s, uint64_t gfn, uint32_t pages) {
        hb_image_punch(s->i, gfn, pages);
        if (s->o.lost)
                s->o.lost(s->o.arg, gfn, pages);
        for (uint32_t k = 0; k < pages; k++) {
                forget(&s->i->pages[gfn + k]);
                hb_spill_set(&s->on_disk, gfn + k, false, &s->spilled);
        }
}

/* ---- made and unmade ---- */

static struct hb_spill *new_spill(hb_image *i) {
        struct hb_spill *s = hb_fault("spill.new") ? NULL : calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        s->i = i;
        s->pages = i->state.shape.pages;
        s->file.fd = s->file.direct_fd = -1;
        if (hb_bitmap_init(&s->on_disk, s->pages) == 0 && hb_bitmap_init(&s->clean, s->pages) == 0 &&
            hb_bitmap_init(&s->slots, s->pages) == 0 && hb_bitmap_init(&s->hollow, s->pages) == 0 &&
            hb_bitmap_init(&s->busy, s->pages) == 0 && hb_bitmap_init(&s->trimmed, s->pages) == 0)
                return s;
        hb_spill_free(s);
        return NULL;
}

void hb_spill_free(struct hb_spill *s) {
        if (!s)
                return;
        hb_spill_io_free(s->io);
        hb_pool_free(s->runs);
        hb_spill_file_close(&s->file);
        hb_bitmap_fini(&s->on_disk);
        hb_bitmap_fini(&s->clean);
        hb_bitmap_fini(&s->slots);
        hb_bitmap_fini(&s->hollow);
        hb_bitmap_fini(&s->busy);
        hb_bitmap_fini(&s->trimmed);
        free(s);
}

static int start(struct hb_spill *s, struct hb_err *e) {
        struct hb_spill_io_options o = {.fd = s->file.fd,
                                        .direct_fd = s->file.direct_fd,
                                        .key = s->file.head.key,
                                        .no_uring = s->o.no_uring,
                                        .depth = s->o.depth && s->o.depth < HB_SPILL_DEPTH ? s->o.depth
                                                                                           : HB_SPILL_DEPTH};

        if (hb_fault("spill.pool") || hb_pool_new(sizeof(struct hb_spill_run), o.depth, &s->runs) < 0)
                return hb_err_set(e, -ENOMEM, s->file.head.path, NULL, "no memory for a spill file");
        return hb_spill_io_new(&o, &s->io, e);
}

int hb_image_spill_enable(hb_image *i, const struct hb_image_spill_options *o, struct hb_err *e) {
        struct hb_spill *s = i->spill;
        bool attached = s != NULL;
        int rc;

        if (s && s->io) {
                s->o.ram_bytes = o->ram_bytes;
                return 0;
        }
        if (i->huge)
                return hb_err_set(e, -EOPNOTSUPP, i->dir,
                                  "leave image_ram_bytes at 0 for guests with huge pages",
                                  "huge pages cannot be spilled one by one");
        if (!s)
                s = new_spill(i);
        if (!s)
                return hb_err_set(e, -ENOMEM, i->dir, NULL, "no memory for a spill file");
        s->o = *o;
        s->o.dir = NULL;
        rc = attached ? 0
                      : hb_spill_file_create(&s->file, i->dir, o->dir, &i->state.id, s->pages, !o->no_direct,
                                             e);
        if (rc == 0)
                rc = start(s, e);
        if (rc == 0) {
                i->spill = s;
                return 0;
        }
        s->runs = hb_pool_free(s->runs);
        if (!attached) {
                hb_spill_file_remove(i->dir, i->state.id.guest);
                hb_spill_free(s);
        }
        return rc;
}

/* ---- an image that was resumed ---- */

static bool says_spilled(const hb_image *i) {
        for (uint64_t g = 0; g < i->state.shape.pages; g++)
                if (i->pages[g].flags & HB_IP_SPILLED)
                        return true;
        return false;
}

/* Killed between flag and hole, or in the midst of a read: what is in memory there counts for nothing. */
static void take_up(struct hb_spill *s, uint64_t gfn) {
        struct hb_image_page *p = &s->i->pages[gfn];

        if (!(p->flags & HB_IP_SPILLED))
                return;
        if (hb_coherency_judge(p->c) == HB_PAGE_FRESH)
                hb_spill_set(&s->on_disk, gfn, true, &s->spilled);
        else
                forget(p);
        hb_image_punch(s->i, gfn, 1);
}

int hb_spill_attach(hb_image *i) {
        struct hb_spill *s;
        int rc = -ENOENT;

        if (i->huge || !says_spilled(i)) {
                hb_spill_file_remove(i->dir, i->state.id.guest);
                return 0;
        }
        s = new_spill(i);
        if (s)
                rc = hb_spill_file_attach(&s->file, i->dir, &i->state.id, s->pages, true, NULL);
        if (s && rc == 0) {
                for (uint64_t g = 0; g < s->pages; g++)
                        take_up(s, g);
                hb_bitmap_set_all(&s->slots); /* nobody remembers; what is not needed is trimmed */
                s->used_slots = s->pages;
                i->spill = s;
                return 0;
        }
        hb_spill_free(s);
        for (uint64_t g = 0; g < i->state.shape.pages; g++)
                if (i->pages[g].flags & HB_IP_SPILLED)
                        forget(&i->pages[g]);
        hb_spill_file_remove(i->dir, i->state.id.guest);
        return rc;
}

/* ---- the image asks ---- */

int hb_spill_overwrite(struct hb_spill *s, uint64_t gfn, uint64_t pages) {
        for (uint64_t g = gfn; g < gfn + pages; g++)
                if (hb_bitmap_test(&s->busy, g))
                        return -EAGAIN;
        hb_bitmap_clear_range(&s->hollow, gfn, pages);
        for (uint64_t g = gfn; g < gfn + pages; g++) {
                hb_spill_set(&s->clean, g, false, &s->cleans);
                if (hb_bitmap_test(&s->on_disk, g))
                        hb_spill_unmark(s, g);
        }
        return 0;
}

int hb_spill_read(struct hb_spill *s, uint64_t gfn, uint8_t *out) {
        const struct hb_image_page *p = &s->i->pages[gfn];
        int rc = s->io ? hb_spill_io_read_page(s->io, gfn, p->c.stamp, s->file.sums[gfn], out) : -EAGAIN;

        if (rc != -EIO)
                return rc;
        s->s.wrong_pages++;
        if (!hb_bitmap_test(&s->busy, gfn))
                hb_spill_lose(s, gfn, 1);
        return -ENODATA;
}

void hb_image_spill_invalidated(hb_image *i, const struct hb_bitmap *written) {
        struct hb_spill *s = i->spill;
        uint64_t words = s ? (s->pages + 63) / 64 : 0;

        for (uint64_t w = 0; w < words && s->spilled > 0; w++)
                for (uint64_t bits = s->on_disk.words[w] & written->words[w]; bits; bits &= bits - 1) {
                        uint64_t g = w * 64 + (unsigned)__builtin_ctzll(bits);

                        if (hb_coherency_judge(i->pages[g].c) == HB_PAGE_FRESH)
                                continue;
                        hb_spill_unmark(s, g);
                        s->s.dropped_pages++;
                }
}

/* ---- callers ask ---- */

void hb_image_spill_budget(hb_image *i, uint64_t ram_bytes) {
        if (i->spill)
                i->spill->o.ram_bytes = ram_bytes;
}

int hb_image_spill_fd(const hb_image *i) {
        return i->spill && i->spill->io ? hb_spill_io_fd(i->spill->io) : -1;
}

bool hb_image_spill_tick(hb_image *i, uint64_t now_ns) {
        struct hb_spill *s = i->spill;
        bool freed;

        if (!s || !s->io)
                return false;
        s->now_ns = now_ns;
        hb_spill_settle(s, hb_spill_io_take(s->io));
        hb_spill_choose(s);
        freed = s->freed;
        s->freed = false;
        return freed;
}

int hb_image_spill_room(const hb_image *i, uint64_t pages) {
        const struct hb_spill *s = i->spill;

        if (!s || !s->io || s->promoting || s->o.ram_bytes == 0 ||
            hb_image_allocated(i) + (pages << HB_PAGE_SHIFT) <= s->o.ram_bytes)
                return 0;
        return s->full ? -ENOSPC : -EAGAIN;
}

void hb_image_spill_promote(hb_image *i, bool on) {
        struct hb_spill *s = i->spill;

        if (!s || s->promoting == on)
                return;
        s->promoting = on;
        s->promote_at = 0;
        s->promote_group = 0;
        s->pause_until_ns = 0;
        s->out = false;
}

uint64_t hb_image_spilled(const hb_image *i) {
        return i->spill ? i->spill->spilled : 0;
}

static uint64_t memory_available(void) {
        FILE *f = hb_fault("spill.meminfo") ? NULL : fopen("/proc/meminfo", "re");
        char line[128];
        uint64_t kib = 0;

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
                        break;
        if (f)
                fclose(f);
        return kib ? kib << 10 : UINT64_MAX;
}

int hb_image_spill_promotable(const hb_image *i, uint64_t resident_pages, struct hb_err *e) {
        uint64_t have = hb_image_allocated(i), all = resident_pages << HB_PAGE_SHIFT, room, mem;
        uint64_t need = all > have ? all - have : 0;
        struct statvfs v;

        room = statvfs(i->dir, &v) == 0 && v.f_blocks > 0 ? (uint64_t)v.f_bavail * v.f_frsize : UINT64_MAX;
        mem = memory_available();
        room = mem < room ? mem : room;
        if (hb_fault("spill.promotable"))
                room = 0;
        if (need <= room)
                return 0;
        return hb_err_set(e, -ENOMEM, i->dir,
                          "free memory on the target, or enlarge image_dir, and migrate again",
                          "not enough memory for the whole guest: %" PRIu64 " bytes more needed, %" PRIu64
                          " free (%" PRIu64 " of its pages wait on the disk)",
                          need, room, hb_image_spilled(i));
}

void hb_image_spill_stats(const hb_image *i, struct hb_image_spill_stats *ret) {
        const struct hb_spill *s = i->spill;
        struct hb_image_spill_stats r = s ? s->s : (struct hb_image_spill_stats){0};

        r.ram_bytes = hb_image_allocated(i);
        r.path = r.why = "";
        if (s) {
                r.on = s->io != NULL;
                r.budget_bytes = s->o.ram_bytes;
                r.spilled_pages = s->spilled;
                r.promoting = s->promoting;
                r.full = s->full;
                r.path = s->file.head.path;
        }
        if (r.on) {
                r.uring = hb_spill_io_uring(s->io);
                r.direct = hb_spill_io_direct(s->io);
                r.why = hb_spill_io_why(s->io);
        }
        *ret = r;
}

void hb_image_spill_forget(const char *image_dir, const char *guest) {
        hb_spill_file_remove(image_dir, guest);
}
