/* contract: what every tracker contract test needs: a child with memory, a target and a tracker on it, scans
 * as sets of pages. */
#pragma once
#include "base/clock.h"
#include "base/fault.h"
#include "track/tracker.h"
#include "track_child.h"
#include <dirent.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct world {
        const char *backend;
        struct tc child;
        hb_target *target;
        hb_tracker *tracker;
        struct hb_scan scan;
        char state_path[128];
};

#define MIB (1ul << 20)

static inline bool kernel_has(const char *backend) {
        const char *names[8];
        int n = hb_tracker_probe(names, 8);

        for (int i = 0; i < n; i++)
                if (strcmp(names[i], backend) == 0)
                        return true;
        return false;
}

static inline void check_ok(int r, const struct hb_err *e, const char *what) {
        if (r < 0)
                fail_msg("%s: %d %s (%s): %s", what, r, e->what, e->which, e->next);
}

static inline void open_target(struct world *w) {
        struct hb_target_claim claims[TC_REGIONS];
        struct hb_err e = {0};

        memset(claims, 0, sizeof claims);
        for (unsigned i = 0; i < w->child.n; i++) {
                snprintf(claims[i].name, sizeof claims[i].name, "ram%u", i);
                claims[i].remote_addr = (uintptr_t)w->child.region[i].map;
                claims[i].bytes = w->child.region[i].bytes;
        }
        check_ok(hb_target_open(w->child.pid, claims, w->child.n, &w->target, &e), &e, "target");
        hb_bitmap_init(&w->scan.written, w->target->shape.pages);
        hb_bitmap_init(&w->scan.accessed, w->target->shape.pages);
        hb_bitmap_init(&w->scan.observed, w->target->shape.pages);
}

static inline void open_tracker(struct world *w) {
        struct hb_tracker_options o = {.guest_budget = 0.01,
                                       .epoch_ns = HB_NS_PER_S,
                                       .state_path = w->state_path[0] ? w->state_path : NULL};
        struct hb_err e = {0};

        check_ok(hb_tracker_open(w->target, w->backend, &o, &w->tracker, &e), &e, "tracker");
}

/* A file for a region: a memfd, or one in HB_CONTRACT_DIR, to try the contract on another kind of memory (a
 * tmpfs mounted with huge=always, say; counts of resident pages are then not what the tests expect, but no
 * write may be lost). */
static inline int memory_file(void) {
        const char *dir = getenv("HB_CONTRACT_DIR");
        char path[256];
        int fd;

        if (!dir)
                return -1;
        snprintf(path, sizeof path, "%s/ram-XXXXXX", dir);
        fd = mkostemp(path, O_CLOEXEC);
        unlink(path);
        return fd;
}

/* Regions of the given sizes (MiB, 0 ends), child, target, tracker. */
static inline void begin(struct world *w, const uint64_t *mib) {
        for (unsigned i = 0; mib[i]; i++)
                assert_int_equal(tc_add(&w->child, memory_file(), mib[i] * MIB), 0);
        assert_int_equal(tc_start(&w->child), 0);
        open_target(w);
        open_tracker(w);
}

static inline void begin_one(struct world *w, uint64_t mib) {
        begin(w, (uint64_t[]){mib, 0});
}

static inline void clear_scan(struct world *w) {
        struct hb_scan *s = &w->scan;

        hb_bitmap_clear_all(&s->written);
        hb_bitmap_clear_all(&s->accessed);
        hb_bitmap_clear_all(&s->observed);
        s->written_pages = s->accessed_pages = s->observed_pages = s->scan_ns = s->guest_ns = 0;
        s->lost = false;
}

/* One scan into w->scan, committed; returns the pages reported. */
static inline uint64_t scan(struct world *w) {
        struct hb_err e = {0};

        clear_scan(w);
        check_ok(hb_tracker_scan(w->tracker, &w->scan, &e), &e, "scan");
        assert_int_equal(w->scan.written_pages, hb_bitmap_count(&w->scan.written));
        hb_tracker_commit(w->tracker);
        return w->scan.written_pages;
}

/* All of [gfn, gfn + n) reported and nothing else. */
static inline void assert_reported(struct world *w, uint64_t gfn, uint64_t n) {
        for (uint64_t i = gfn; i < gfn + n; i++)
                if (!hb_bitmap_test(&w->scan.written, i))
                        fail_msg("%s: page %lu was not reported", w->backend, (unsigned long)i);
        if (w->scan.written_pages != n)
                fail_msg("%s: %lu pages reported, %lu expected", w->backend,
                         (unsigned long)w->scan.written_pages, (unsigned long)n);
}

static inline void child_does(struct world *w, enum tc_op op, unsigned region, uint64_t page, uint64_t count,
                              uint64_t arg) {
        int64_t r = tc_call(&w->child, op, region, page, count, arg);

        if (r != 0 && op != TC_READ)
                fail_msg("the child failed: %ld", (long)r);
}

static inline void end(struct world *w) {
        hb_fault_disarm();
        w->tracker = hb_tracker_free(w->tracker);
        w->target = hb_target_free(w->target);
        tc_stop(&w->child);
        hb_bitmap_fini(&w->scan.written);
        hb_bitmap_fini(&w->scan.accessed);
        hb_bitmap_fini(&w->scan.observed);
        if (w->state_path[0])
                unlink(w->state_path);
        memset(w, 0, sizeof *w);
}

/* cmocka: a world a test, for the backend in the test's initial state. */
static inline int world_setup(void **state) {
        const char *backend = *state;
        struct world *w = calloc(1, sizeof *w);

        if (!w)
                return -1;
        w->backend = backend;
        *state = w;
        return 0;
}

static inline int world_teardown(void **state) {
        struct world *w = *state;

        end(w);
        free(w);
        return 0;
}

static inline unsigned count_fds(pid_t pid) {
        char path[64];
        unsigned n = 0;
        DIR *d;

        snprintf(path, sizeof path, "/proc/%d/fd", pid);
        d = opendir(path);
        assert_non_null(d);
        while (readdir(d))
                n++;
        closedir(d);
        return n;
}

static inline void use_state_file(struct world *w) {
        static int n;

        snprintf(w->state_path, sizeof w->state_path, "/dev/shm/hb-contract-%d-%d", getpid(), n++);
        unlink(w->state_path);
}

struct contract_test {
        const char *name;
        CMUnitTestFunction fn;
        const char *only; /* names of backends it is about; NULL: all */
};

/* Runs each test for each backend the kernel has; the others are named. Exit code 77 when nothing could run.
 */
static inline int run_contract(const char *group, const struct contract_test *t, unsigned n) {
        static const char *const all[] = {"wp", "present", "softdirty", "hash"};
        struct CMUnitTest *tests = calloc(n * 4, sizeof *tests);
        const char *some = getenv("HB_CONTRACT_ONLY"); /* names of the tests wanted */
        unsigned count = 0;
        int r;

        for (unsigned b = 0; tests && b < 4; b++) {
                if (!kernel_has(all[b])) {
                        print_message("[  SKIPPED ] %s: this kernel does not have it\n", all[b]);
                        continue;
                }
                for (unsigned i = 0; i < n; i++) {
                        char *name = NULL;

                        if ((t[i].only && !strstr(t[i].only, all[b])) || (some && !strstr(some, t[i].name)) ||
                            asprintf(&name, "%s: %s", all[b], t[i].name) < 0)
                                continue;
                        tests[count++] = (struct CMUnitTest){name, t[i].fn, world_setup, world_teardown,
                                                             (void *)(uintptr_t)all[b]}; // NOLINT
                }
        }
        r = count ? _cmocka_run_group_tests(group, tests, count, NULL, NULL) : 77;
        for (unsigned i = 0; i < count; i++)
                free((void *)(uintptr_t)tests[i].name); // NOLINT
        free(tests);
        return r;
}
