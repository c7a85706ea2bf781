/* sink: findings to their two places, the lock, and the price of a fault.
 *
 * Invariant: a page is in `pending` before the caller can see it, so a kill between the two repeats it and
 * never loses it. */
#include "base/clock.h"
#include "base/fault.h"
#include "track/backend.h"
#include "track/procmaps.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOCK_AT    (1ll << 62)
#define TRIAL      256u /* pages of a cost measurement */
#define KVM_FACTOR 3u

static uint64_t range_mask(uint64_t first, uint64_t count, uint64_t *ret_taken) {
        uint64_t n = 64 - first % 64;

        n = n < count ? n : count;
        *ret_taken = n;
        return (n == 64 ? ~0ull : (1ull << n) - 1) << (first % 64);
}

uint64_t hb_bits_add(struct hb_bitmap *b, uint64_t first, uint64_t count) {
        uint64_t added = 0, n;

        for (; count > 0; first += n, count -= n) {
                uint64_t mask = range_mask(first, count, &n), *word = &b->words[first / 64];

                added += (uint64_t)__builtin_popcountll(mask & ~*word);
                *word |= mask;
        }
        return added;
}

uint64_t hb_bits_count(const struct hb_bitmap *b, uint64_t first, uint64_t count) {
        uint64_t set = 0, n;

        for (; count > 0; first += n, count -= n)
                set += (uint64_t)__builtin_popcountll(range_mask(first, count, &n) & b->words[first / 64]);
        return set;
}

uint64_t hb_bits_move(struct hb_bitmap *from, struct hb_bitmap *to, uint64_t first, uint64_t count) {
        uint64_t moved = 0, n;

        for (; count > 0; first += n, count -= n) {
                uint64_t bits = range_mask(first, count, &n) & from->words[first / 64];

                moved += (uint64_t)__builtin_popcountll(bits);
                to->words[first / 64] |= bits;
                from->words[first / 64] &= ~bits;
        }
        return moved;
}

void hb_sink_written(struct hb_sink *k, uint64_t gfn, uint64_t pages) {
        hb_bitmap_set_range(k->pending, gfn, pages);
        k->scan->written_pages += hb_bits_add(&k->scan->written, gfn, pages);
}

void hb_sink_repeat(struct hb_sink *k) {
        uint64_t first, count;

        for (uint64_t at = 0; hb_bitmap_next_run(k->pending, at, 0, &first, &count); at = first + count)
                k->scan->written_pages += hb_bits_add(&k->scan->written, first, count);
}

void hb_pending_clear(struct hb_bitmap *pending) {
        for (uint64_t i = 0; i < (pending->bits + 63) / 64; i++)
                if (pending->words[i])
                        pending->words[i] = 0;
}

int hb_track_lock(const hb_target *t, struct hb_err *e) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_AT, .l_len = 1};
        char path[64];
        int fd;

        snprintf(path, sizeof path, "/proc/self/fd/%d", t->regions[0].fd);
        fd = open(path,
                  O_RDWR | O_CLOEXEC); /* a lock belongs to an open file, and the target's may be shared */
        if (fd < 0)
                return hb_err_set(e, -errno, t->regions[0].path, NULL,
                                  "cannot open the memory file again: %s", strerror(errno));
        if (!hb_fault("track.lock") && fcntl(fd, F_OFD_SETLK, &lock) == 0)
                return fd;
        close(fd);
        return hb_err_set(e, -EBUSY, t->regions[0].path,
                          "detach the guest there first (harbinger guest list)",
                          "another tracker has the memory of process %d", (int)t->pid);
}

bool hb_target_alive(const hb_target *t) {
        struct pollfd p = {.fd = t->pidfd, .events = POLLIN};

        return poll(&p, 1, 0) == 0;
}

int hb_target_gone(const hb_target *t, struct hb_err *e) {
        return hb_err_set(e, -ESRCH, NULL, "look into the guest's own log", "process %d has ended",
                          (int)t->pid);
}

static bool is_virtual_machine(pid_t pid) {
        struct hb_buf maps = {0};
        static const char vcpu[] = "anon_inode:kvm-vcpu";
        bool found = hb_procmaps_read(pid, &maps) == 0 && maps.len &&
                     memmem(maps.data, maps.len, vcpu, sizeof vcpu - 1);

        hb_buf_free(&maps);
        return found;
}

/* Maps a few pages of a file of our own and touches them: about what a minor fault costs on this machine. */
uint64_t hb_fault_cost_ns(const hb_target *t) {
        uint64_t bytes = (uint64_t)TRIAL * HB_PAGE_SIZE, began, spent = 0;
        int fd = memfd_create("harbinger-cost", MFD_CLOEXEC);
        uint8_t *p = MAP_FAILED;

        if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0)
                p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p != MAP_FAILED) {
                memset(p, 1, bytes);
                (void)madvise(p, bytes, MADV_RANDOM);
                (void)madvise(p, bytes, MADV_DONTNEED);
                began = hb_now_ns();
                for (uint64_t at = 0; at < bytes; at += HB_PAGE_SIZE)
                        *(volatile uint8_t *)(p + at) = 2;
                spent = (hb_now_ns() - began) / TRIAL;
                munmap(p, bytes);
        }
        if (fd >= 0)
                close(fd);
        if (spent < 300)
                spent = 300;
        return is_virtual_machine(t->pid) ? spent * KVM_FACTOR : spent;
}
