/* probe: which backends this kernel really has, found by using each on four pages of our own. A kernel may
 * know an ioctl and lack the feature behind it (soft-dirty marks that are never set), so nothing is concluded
 * from version numbers. Cost: some 100 us. */
#include "base/fault.h"
#include "track/backend.h"
#include "track/pmscan.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES 4u
#define SOFT  (1ull << 55)

struct trial {
        int memfd, pagemap, uffd;
        volatile uint8_t *p;
};

static bool trial_open(struct trial *t) {
        *t = (struct trial){.memfd = memfd_create("harbinger-probe", MFD_CLOEXEC), .pagemap = -1, .uffd = -1};
        t->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        if (t->memfd < 0 || t->pagemap < 0 || ftruncate(t->memfd, PAGES * HB_PAGE_SIZE) < 0)
                return false;
        t->p = mmap(NULL, PAGES * HB_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, t->memfd, 0);
        if (t->p == MAP_FAILED) {
                t->p = NULL;
                return false;
        }
        for (unsigned i = 0; i < PAGES; i++)
                t->p[i * HB_PAGE_SIZE] = 1;
        return true;
}

static void trial_close(struct trial *t) {
        if (t->p)
                munmap((void *)t->p, PAGES * HB_PAGE_SIZE);
        if (t->uffd >= 0)
                close(t->uffd);
        if (t->memfd >= 0)
                close(t->memfd);
        if (t->pagemap >= 0)
                close(t->pagemap);
}

/* Pages that have all of `mask`, as a set of bits; -1 on failure. */
static int scan(struct trial *t, uint64_t mask, uint64_t flags) {
        struct hb_pm_run vec[PAGES] = {0};
        struct hb_pm_scan a = {.size = sizeof a,
                               .flags = flags,
                               .start = (uintptr_t)t->p,
                               .end = (uintptr_t)t->p + PAGES * HB_PAGE_SIZE,
                               .vec = (uintptr_t)vec,
                               .vec_len = PAGES,
                               .category_mask = mask,
                               .return_mask = mask};
        int n = ioctl(t->pagemap, HB_PAGEMAP_SCAN, &a), set = 0;

        for (int i = 0; i < n; i++)
                for (uint64_t at = vec[i].start; at < vec[i].end; at += HB_PAGE_SIZE)
                        set |= 1 << (at - (uintptr_t)t->p) / HB_PAGE_SIZE;
        return n < 0 ? -1 : set;
}

static bool start_uffd(struct trial *t) {
        struct uffdio_api api = {.api = UFFD_API, .features = HB_UFFD_FEATURES};
        struct uffdio_register reg = {.range = {(uintptr_t)t->p, PAGES * HB_PAGE_SIZE},
                                      .mode = UFFDIO_REGISTER_MODE_WP};

        t->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | HB_UFFD_USER_MODE_ONLY);
        return t->uffd >= 0 && ioctl(t->uffd, UFFDIO_API, &api) == 0 &&
               ioctl(t->uffd, UFFDIO_REGISTER, &reg) == 0;
}

static bool wp_works(struct trial *t) {
        uint64_t clear = HB_SCAN_WP_MATCHING | HB_SCAN_CHECK_WPASYNC;

        if (!start_uffd(t) || scan(t, HB_PAGE_WRITTEN, clear) != 0xf)
                return false;
        t->p[2 * HB_PAGE_SIZE] = 2;
        return scan(t, HB_PAGE_WRITTEN, clear) == 1 << 2 && scan(t, HB_PAGE_WRITTEN, clear) == 0;
}

/* After wp_works: drop, touch one by reading, and only that one is there; and no byte is lost. */
static bool present_works(struct trial *t) {
        if (madvise((void *)t->p, PAGES * HB_PAGE_SIZE, MADV_DONTNEED) < 0 ||
            scan(t, HB_PAGE_PRESENT, 0) != 0)
                return false;
        return t->p[HB_PAGE_SIZE] == 1 && scan(t, HB_PAGE_PRESENT, 0) == 1 << 1 &&
               scan(t, HB_PAGE_WRITTEN, 0) == 0 && t->p[2 * HB_PAGE_SIZE] == 2;
}

static int soft_marks(const struct trial *t) {
        uint64_t entry[PAGES];
        int set = 0;

        if (pread(t->pagemap, entry, sizeof entry, (off_t)((uintptr_t)t->p / HB_PAGE_SIZE * sizeof *entry)) !=
            sizeof entry)
                return -1;
        for (unsigned i = 0; i < PAGES; i++)
                set |= entry[i] & SOFT ? 1 << i : 0;
        return set;
}

static bool clear_own_marks(void) {
        int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
        bool ok = fd >= 0 && write(fd, "4", 1) == 1;

        if (fd >= 0)
                close(fd);
        return ok;
}

bool hb_softdirty_works(void) {
        struct trial t;
        bool ok = trial_open(&t) && clear_own_marks() && soft_marks(&t) == 0;

        if (ok) {
                t.p[HB_PAGE_SIZE] = 2;
                ok = soft_marks(&t) == 1 << 1;
        }
        trial_close(&t);
        return ok;
}

int hb_tracker_probe(const char **names, unsigned max) {
        struct trial t;
        bool wp = trial_open(&t) && !hb_fault("track.probe_wp") && wp_works(&t);
        bool present = wp && present_works(&t);
        bool works[] = {present, wp, hb_softdirty_works(), true};
        const struct hb_tracker_caps *caps[] = {&hb_caps_present, &hb_caps_wp, &hb_caps_softdirty,
                                                &hb_caps_hash};
        unsigned n = 0;

        trial_close(&t);
        for (unsigned i = 0; i < 4 && n < max; i++)
                if (works[i])
                        names[n++] = caps[i]->name;
        return (int)n;
}
