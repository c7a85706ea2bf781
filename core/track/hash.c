/* hash: write tracking by content: a 64-bit hash of each page, compared with that of its last look. Needs
 * nothing from the kernel and sees writes through any mapping; pays by reading the guest.
 *
 * What equality means: a page changed and changed back is not reported. For the bytes of the guest that is no
 * difference, but a copy that someone read in between is wrong, which is why caps say exact_writes = false
 * and a hand-over must verify. XXH3 is seeded at random, so a guest cannot prepare collisions; by chance one
 * changed page in 2^64 is missed. Bytes are read by pread, not through the mapping: that neither allocates
 * holes nor dies of SIGBUS when the file is cut. Restart: hashes, residency and pending lie in the state
 * file; a page is pending before its new hash is stored. Cost: 5-8 GB/s. */
#include "base/clock.h"
#include "base/fault.h"
#include "sum/sum.h"
#include "track/backend.h"
#include "track/ledger.h"
#include "track/state.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define CHUNK_PAGES 64u /* 256 KiB: stays in the second-level cache between the copy and the hash */

struct hb_hash {
        struct hb_tracker base;
        struct hb_state *state;
        struct hb_ledger ledger;
        uint64_t *table; /* by gfn; 0: a hole, or never looked at */
        uint8_t *chunk;
        uint64_t bytes_per_s, last_ns, cursor;
        bool lost, repeat, all_seen;
};

static uint64_t hash_page(const struct hb_hash *h, const uint8_t *page) {
        uint64_t v = hb_hash64(h->state->seed, page, HB_PAGE_SIZE);

        return v ? v : 1;
}

static int hash_chunk(struct hb_hash *h, unsigned region, uint64_t gfn, uint64_t pages,
                      struct hb_sink *sink) {
        const struct hb_target_region *r = &h->base.target->regions[region];
        off_t at = (off_t)(r->file_offset + (gfn - r->first_gfn) * HB_PAGE_SIZE);
        ssize_t n = hb_fault("track.hash_read") ? -1 : pread(r->fd, h->chunk, pages * HB_PAGE_SIZE, at);

        if (n != (ssize_t)(pages * HB_PAGE_SIZE))
                return n < 0 && errno ? -errno : -EIO; /* the file was cut */
        for (uint64_t i = 0; i < pages; i++) {
                uint64_t v = hash_page(h, h->chunk + i * HB_PAGE_SIZE);

                if (v == h->table[gfn + i])
                        continue;
                hb_sink_written(sink, gfn + i, 1);
                atomic_signal_fence(memory_order_seq_cst);
                h->table[gfn + i] = v;
        }
        return 0;
}

/* Resident pages of [from, to), at most `most` of them; *ret_next is where it stopped. */
static int hash_range(struct hb_hash *h, uint64_t from, uint64_t to, uint64_t most, struct hb_sink *sink,
                      uint64_t *ret_next) {
        uint64_t first, count;

        while (most > 0 && hb_bitmap_next_run(h->ledger.resident, from, CHUNK_PAGES, &first, &count) &&
               first < to) {
                int region = hb_shape_region_of(&h->base.target->shape, first), r;
                const struct hb_region *s = &h->base.target->shape.regions[region < 0 ? 0 : region];
                uint64_t end = s->first_gfn + s->pages < to ? s->first_gfn + s->pages : to;

                count = count < end - first ? count : end - first;
                count = count < most ? count : most;
                r = region < 0 ? region : hash_chunk(h, (unsigned)region, first, count, sink);
                if (r < 0)
                        return r;
                most -= count;
                from = first + count;
        }
        *ret_next = most > 0 ? to : from;
        return 0;
}

static int on_gone(void *arg, unsigned region, uint64_t gfn, uint64_t pages) {
        void **a = arg;
        struct hb_hash *h = a[0];

        hb_sink_written(a[1], gfn, pages);
        atomic_signal_fence(memory_order_seq_cst);
        memset(h->table + gfn, 0, pages * sizeof *h->table);
        return 0;
}

/* A page that came has no hash yet, so it differs when its turn comes; in a rotation that may be late, so it
 * is told now. */
static int on_came(void *arg, unsigned region, uint64_t gfn, uint64_t pages) {
        void **a = arg;

        hb_sink_written(a[1], gfn, pages);
        return 0;
}

/* How many pages this scan may read. */
static uint64_t allowance(struct hb_hash *h, const struct hb_scan *s) {
        uint64_t now = hb_now_ns(),
                 bytes = (uint64_t)((double)h->bytes_per_s * (double)(now - h->last_ns) / HB_NS_PER_S);

        h->last_ns = now;
        if (!h->bytes_per_s || s->whole || !h->all_seen)
                return UINT64_MAX;
        return bytes / HB_PAGE_SIZE;
}

static int hash_scan_pages(struct hb_hash *h, struct hb_scan *s, struct hb_sink *sink) {
        void *arg[] = {h, sink};
        struct hb_ledger_events ev = {.gone = on_gone, .came = on_came, .arg = arg};
        uint64_t pages = h->base.target->shape.pages, most = allowance(h, s), before = h->cursor;
        int r = hb_ledger_walk(&h->ledger, &ev);

        if (r == 0 && most == UINT64_MAX) {
                r = hash_range(h, 0, pages, most, sink, &before);
                h->all_seen = h->all_seen || r == 0;
                return r;
        }
        if (r == 0)
                r = hash_range(h, h->cursor, pages, most, sink, &h->cursor);
        if (r == 0 && h->cursor == pages)
                h->cursor = 0;
        return r;
}

static int hash_scan(hb_tracker *t, struct hb_scan *s, struct hb_err *e) {
        struct hb_hash *h = (struct hb_hash *)t;
        struct hb_sink sink = {.scan = s, .pending = &h->state->pending};
        uint64_t began = hb_now_ns();
        bool repeat = h->repeat;
        int r;

        h->repeat = true;
        r = hb_target_alive(t->target) ? hash_scan_pages(h, s, &sink) : -ESRCH;
        if (r < 0 && !hb_target_alive(t->target))
                return hb_target_gone(t->target, e);
        if (r < 0)
                return hb_err_set(e, r, NULL, "try again; do not shrink a guest's memory file",
                                  "cannot read the guest's memory: %s", hb_errno_name(r));
        if (repeat)
                hb_sink_repeat(&sink);
        h->repeat = false;
        s->lost = h->lost;
        h->lost = false;
        s->scan_ns += hb_now_ns() - began;
        return 0;
}

static void hash_commit(hb_tracker *t) {
        struct hb_hash *h = (struct hb_hash *)t;

        if (!h->repeat)
                hb_pending_clear(&h->state->pending);
}

static int hash_detach(hb_tracker *t, struct hb_err *e) {
        struct hb_hash *h = (struct hb_hash *)t;

        h->state = hb_state_free(h->state, true);
        return 0;
}

static void hash_free(hb_tracker *t) {
        struct hb_hash *h = (struct hb_hash *)t;

        hb_ledger_fini(&h->ledger);
        hb_state_free(h->state, false);
        free(h->chunk);
        free(h);
}

static const struct hb_track_ops hash_ops = {
        .scan = hash_scan, .commit = hash_commit, .detach = hash_detach, .free = hash_free};

static int hash_init(struct hb_hash *h, const struct hb_tracker_options *o, struct hb_err *e) {
        hb_target *t = h->base.target;
        enum hb_state_found found = HB_STATE_FRESH;
        int r = hb_state_open(t, "hash", o->state_path, 0, t->shape.pages * sizeof *h->table, &h->state,
                              &found, e);

        if (r < 0)
                return r;
        h->table = (uint64_t *)(void *)h->state->extra;
        h->base.resumed = h->repeat = h->all_seen = found == HB_STATE_RESUMED;
        h->lost = found == HB_STATE_DAMAGED;
        if (!h->base.resumed && getrandom(&h->state->seed, sizeof h->state->seed, 0) != sizeof h->state->seed)
                return hb_err_set(e, -EIO, NULL, NULL, "the kernel gave no random seed");
        h->chunk = malloc((size_t)CHUNK_PAGES * HB_PAGE_SIZE);
        r = h->chunk ? hb_ledger_init(&h->ledger, t, &h->state->resident) : -ENOMEM;
        if (r < 0)
                return hb_err_set(e, r, NULL, NULL, "out of memory");
        hb_state_save(h->state);
        return 0;
}

int hb_hash_open(hb_target *t, const struct hb_tracker_options *o, hb_tracker **ret, struct hb_err *e) {
        struct hb_hash *h = calloc(1, sizeof *h);
        int r;

        if (!h)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        h->base = (struct hb_tracker){.ops = &hash_ops, .target = t};
        h->base.caps = o->hash_bytes_per_s ? &hb_caps_hash_rotating : &hb_caps_hash;
        h->bytes_per_s = o->hash_bytes_per_s;
        h->last_ns = hb_now_ns();
        r = hash_init(h, o, e);
        if (r < 0) {
                hash_free(&h->base);
                return r;
        }
        *ret = &h->base;
        return 0;
}
