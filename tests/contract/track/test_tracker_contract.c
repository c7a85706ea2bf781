/* The tracker contract (core/track/tracker.h), statement by statement, for every backend this kernel has. */
#include "contract.h"

#define ALL_PAGES (8 * MIB / TC_PAGE)

static void first_scan_reports_resident_pages(void **state) {
        struct world *w = *state;

        assert_int_equal(tc_add(&w->child, memory_file(), 8 * MIB), 0);
        memset(w->child.region[0].map + 100 * TC_PAGE, 1, 50 * TC_PAGE);
        assert_int_equal(tc_start(&w->child), 0);
        open_target(w);
        open_tracker(w);
        assert_false(hb_tracker_resumed(w->tracker));
        scan(w);
        assert_reported(w, 100, 50);
        assert_false(w->scan.lost);
        assert_int_equal(scan(w), 0);
}

static void first_scan_of_pages_the_guest_never_touched(void **state) {
        struct world *w = *state;

        /* As after a hand-over: the file is full, the process has not touched it. */
        assert_int_equal(tc_add(&w->child, memory_file(), 8 * MIB), 0);
        for (unsigned i = 0; i < 300; i++)
                assert_int_equal(pwrite(w->child.region[0].fd, "x", 1, i * 3 * TC_PAGE), 1);
        assert_int_equal(tc_start(&w->child), 0);
        open_target(w);
        open_tracker(w);
        assert_int_equal(scan(w), 300);
        assert_int_equal(scan(w), 0);
        child_does(w, TC_WRITE, 0, 3, 1, 7);
        scan(w);
        assert_reported(w, 3, 1);
}

static void writes_before_a_scan_are_reported_once(void **state) {
        struct world *w = *state;

        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, ALL_PAGES, 1);
        assert_int_equal(scan(w), ALL_PAGES);
        child_does(w, TC_WRITE, 0, 700, 33, 2);
        scan(w);
        assert_reported(w, 700, 33);
        assert_int_equal(scan(w), 0);
        child_does(w, TC_WRITE, 0, 710, 1, 3);
        child_does(w, TC_WRITE, 0, 710, 1, 4);
        scan(w);
        assert_reported(w, 710, 1);
}

static void reads_are_not_writes(void **state) {
        struct world *w = *state;

        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, ALL_PAGES, 1);
        scan(w);
        child_does(w, TC_READ, 0, 0, ALL_PAGES, 0);
        assert_int_equal(scan(w), 0);
}

static void writes_into_holes_are_reported(void **state) {
        struct world *w = *state;

        begin_one(w, 64);
        assert_int_equal(scan(w), 0);
        child_does(w, TC_WRITE, 0, 5000, 1, 1);
        scan(w);
        assert_reported(w, 5000, 1);
        child_does(w, TC_WRITE, 0, 4990, 30, 2);
        scan(w);
        assert_reported(w, 4990, 30);
        for (unsigned i = 0; i < 500; i++)
                child_does(w, TC_WRITE, 0, i * 32, 1, 3);
        assert_int_equal(scan(w), 500);
        for (unsigned i = 0; i < 500; i++)
                child_does(w, TC_WRITE, 0, i * 32, 1, 4);
        assert_int_equal(scan(w), 500);
        assert_int_equal(scan(w), 0);
}

static void kernel_writes_are_reported(void **state) {
        struct world *w = *state;

        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, ALL_PAGES, 1);
        scan(w);
        child_does(w, TC_PREAD, 0, 900, 12, 0);
        scan(w);
        assert_reported(w, 900, 12);
}

static void discards_are_reported(void **state) {
        struct world *w = *state;

        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, ALL_PAGES, 1);
        scan(w);
        child_does(w, TC_PUNCH, 0, 100, 10, 0);
        scan(w);
        assert_reported(w, 100, 10);
        assert_int_equal(scan(w), 0);
        child_does(w, TC_REMOVE, 0, 512, 512, 0);
        scan(w);
        assert_reported(w, 512, 512);
        child_does(w, TC_WRITE, 0, 600, 3, 9);
        scan(w);
        assert_reported(w, 600, 3);
        assert_int_equal(scan(w), 0);
}

/* As many pages appear as vanish, so a mere count of blocks is no evidence. */
static void discards_balanced_by_new_pages_are_reported(void **state) {
        struct world *w = *state;

        begin_one(w, 16);
        child_does(w, TC_WRITE, 0, 0, 1024, 1);
        scan(w);
        scan(w);
        child_does(w, TC_PUNCH, 0, 200, 7, 0);
        child_does(w, TC_WRITE, 0, 3000, 7, 1);
        scan(w);
        for (unsigned i = 0; i < 7; i++) {
                assert_true(hb_bitmap_test(&w->scan.written, 200 + i));
                assert_true(hb_bitmap_test(&w->scan.written, 3000 + i));
        }
        /* The same with pages that appear by being read, in a block that has others. */
        scan(w);
        child_does(w, TC_PUNCH, 0, 300, 5, 0);
        child_does(w, TC_READ, 0, 3100, 5, 0);
        scan(w);
        for (unsigned i = 0; i < 5; i++)
                assert_true(hb_bitmap_test(&w->scan.written, 300 + i));
        assert_int_equal(scan(w), 0);
        /* And in one that was punched before. */
        child_does(w, TC_PUNCH, 0, 400, 5, 0);
        child_does(w, TC_READ, 0, 300, 5, 0);
        scan(w);
        for (unsigned i = 0; i < 5; i++)
                assert_true(hb_bitmap_test(&w->scan.written, 400 + i));
}

static void entries_dropped_by_the_guest_lose_nothing(void **state) {
        struct world *w = *state;

        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, 1000, 1);
        scan(w);
        child_does(w, TC_WRITE, 0, 40, 3, 2);
        child_does(w, TC_WRITE, 0, 990, 3, 2);
        child_does(w, TC_DROP, 0, 0, ALL_PAGES, 0);
        scan(w);
        for (unsigned i = 0; i < 3; i++) {
                assert_true(hb_bitmap_test(&w->scan.written, 40 + i));
                assert_true(hb_bitmap_test(&w->scan.written, 990 + i));
        }
        assert_int_equal(scan(w), 0);
}

/* A page zapped after a write, in a block that has holes before the scan and none after it. */
static void a_block_filled_meanwhile_hides_nothing(void **state) {
        struct world *w = *state;

        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, 300, 1);
        scan(w);
        child_does(w, TC_WRITE, 0, 10, 1, 2);
        child_does(w, TC_DROP, 0, 0, 300, 0);
        child_does(w, TC_WRITE, 0, 300, 212, 2);
        scan(w);
        assert_true(hb_bitmap_test(&w->scan.written, 10));
        assert_true(hb_bitmap_test(&w->scan.written, 511));
        assert_int_equal(scan(w), 0);
}

static void several_regions(void **state) {
        struct world *w = *state;

        begin(w, (uint64_t[]){4, 1, 16, 2, 0});
        assert_int_equal(w->target->shape.pages, 23 * 256);
        child_does(w, TC_WRITE, 0, 1023, 1, 1);
        child_does(w, TC_WRITE, 1, 0, 1, 1);
        scan(w);
        assert_reported(w, 1023, 2);
        child_does(w, TC_WRITE, 2, 4095, 1, 1);
        child_does(w, TC_WRITE, 3, 0, 2, 1);
        scan(w);
        assert_reported(w, 4 * 256 + 256 + 4095, 3);
        child_does(w, TC_PUNCH, 3, 0, 2, 0);
        scan(w);
        assert_reported(w, 21 * 256, 2);
}

/* A region whose mapping begins inside its file, and one whose size is no multiple of 2 MiB. */
static void odd_regions(void **state) {
        struct world *w = *state;
        struct hb_target_claim claim = {.name = "odd"};
        struct hb_err e = {0};

        assert_int_equal(tc_add(&w->child, memory_file(), 8 * MIB), 0);
        assert_int_equal(tc_start(&w->child), 0);
        claim.remote_addr = (uintptr_t)w->child.region[0].map + 333 * TC_PAGE;
        claim.bytes = 1001 * TC_PAGE;
        check_ok(hb_target_open(w->child.pid, &claim, 1, &w->target, &e), &e, "target");
        assert_int_equal(w->target->regions[0].file_offset, 333 * TC_PAGE);
        hb_bitmap_init(&w->scan.written, w->target->shape.pages);
        hb_bitmap_init(&w->scan.accessed, w->target->shape.pages);
        hb_bitmap_init(&w->scan.observed, w->target->shape.pages);
        open_tracker(w);
        child_does(w, TC_WRITE, 0, 0, 2048, 1); /* also outside the region */
        scan(w);
        assert_reported(w, 0, 1001);
        child_does(w, TC_WRITE, 0, 332, 2, 2);
        scan(w);
        assert_reported(w, 0, 1);
        child_does(w, TC_PUNCH, 0, 333 + 1000, 2, 2);
        scan(w);
        assert_reported(w, 1000, 1);
        child_does(w, TC_PUNCH, 0, 0, 10, 2);
        assert_int_equal(scan(w), 0);
}

static void many_threads(void **state) {
        struct world *w = *state;

        begin_one(w, 8);
        child_does(w, TC_THREADS, 0, 0, 30, 2);
        child_does(w, TC_WRITE, 0, 0, 500, 1);
        scan(w);
        for (unsigned i = 0; i < 10; i++) {
                child_does(w, TC_WRITE, 0, i * 10, 2, i + 2);
                scan(w);
                assert_reported(w, i * 10, 2);
        }
        child_does(w, TC_CHECK, 0, 0, 0, 0);
}

/* The oracle of them all: whoever copies, after each scan, what it reported, has the guest's memory when the
 * guest stops. */
static void no_write_is_lost_while_scanning(void **state) {
        struct world *w = *state;
        uint8_t *image = calloc(1, 16 * MIB);
        uint64_t until;

        assert_non_null(image);
        begin(w, (uint64_t[]){12, 4, 0});
        child_does(w, TC_STORM, 0, 0, 0, 12345);
        until = hb_now_ns() + 700 * HB_NS_PER_MS;
        for (bool last = false; !last;) {
                last = hb_now_ns() > until;
                if (last)
                        child_does(w, TC_CALM, 0, 0, 0, 0);
                scan(w);
                for (uint64_t p = 0; p < 4096; p++)
                        if (hb_bitmap_test(&w->scan.written, p))
                                memcpy(image + p * TC_PAGE,
                                       p < 3072 ? w->child.region[0].map + p * TC_PAGE
                                                : w->child.region[1].map + (p - 3072) * TC_PAGE,
                                       TC_PAGE);
        }
        assert_true(tc_get(w->child.shared->storms) > 10000);
        assert_memory_equal(image, w->child.region[0].map, 12 * MIB);
        assert_memory_equal(image + 12 * MIB, w->child.region[1].map, 4 * MIB);
        free(image);
}

static void a_failed_scan_is_repeated(void **state) {
        struct world *w = *state;
        static const char *const places[] = {"track.scan=fail@2", "track.hash_read=fail",
                                             "track.clear_refs=fail", "track.residency=fail"};
        bool failed = false;

        begin(w, (uint64_t[]){4, 4, 0});
        child_does(w, TC_WRITE, 0, 0, 1024, 1);
        scan(w);
        for (unsigned i = 0; i < 4; i++) {
                struct hb_err e = {0};
                int r;

                child_does(w, TC_WRITE, 0, 10 * i, 3, i + 2);
                child_does(w, TC_WRITE, 1, 10 * i, 1, i + 2);
                clear_scan(w);
                hb_fault_arm(places[i]);
                r = hb_tracker_scan(w->tracker, &w->scan, &e);
                hb_fault_disarm();
                failed |= r < 0;
                if (r < 0) {
                        assert_true(e.code < 0 && e.what[0]);
                        hb_tracker_commit(w->tracker); /* must not forget what the failed scan saw */
                        scan(w);
                }
                for (unsigned k = 0; k < 3; k++)
                        assert_true(hb_bitmap_test(&w->scan.written, 10 * i + k));
                assert_true(hb_bitmap_test(&w->scan.written, 1024 + 10 * i));
        }
        assert_true(failed);
}

/* What /proc/PID/smaps says of the guest's memory: where it is mapped, in how many pieces, with which flags.
 */
static char *mapping_of(pid_t pid, bool with_flags) {
        char path[64], line[1024], *out = calloc(1, 1 << 20);
        bool ours = false;
        FILE *f;

        snprintf(path, sizeof path, "/proc/%d/smaps", pid);
        f = fopen(path, "re");
        assert_non_null(f);
        assert_non_null(out);
        while (fgets(line, sizeof line, f)) {
                bool header = strchr(line, '-') && (line[0] < 'A' || line[0] > 'Z');

                if (header)
                        ours = strstr(line, "guest-ram") != NULL;
                if (ours && (header || (with_flags && strncmp(line, "VmFlags", 7) == 0)))
                        strcat(out, line);
        }
        fclose(f);
        assert_non_null(strstr(out, "guest-ram"));
        return out;
}

static void detach_leaves_no_trace(void **state) {
        struct world *w = *state;
        /* softdirty clears its "sd" flags, which is no one's loss */
        bool flags = strcmp(w->backend, "softdirty") != 0;
        char *before, *after;
        unsigned fds;
        struct hb_err e = {0};

        use_state_file(w);
        assert_int_equal(tc_add(&w->child, memory_file(), 8 * MIB), 0);
        assert_int_equal(tc_start(&w->child), 0);
        child_does(w, TC_THREADS, 0, 0, 2, 0);
        child_does(w, TC_WRITE, 0, 0, 1000, 1);
        open_target(w);
        fds = count_fds(w->child.pid);
        before = mapping_of(w->child.pid, flags);
        open_tracker(w);
        scan(w);
        child_does(w, TC_WRITE, 0, 0, 10, 2);
        scan(w);
        assert_int_equal(access(w->state_path, F_OK), 0);
        check_ok(hb_tracker_detach(w->tracker, &e), &e, "detach");
        w->tracker = NULL;
        assert_int_equal(access(w->state_path, F_OK), -1);
        assert_int_equal(count_fds(w->child.pid), fds);
        after = mapping_of(w->child.pid, flags);
        assert_string_equal(after, before);
        free(after);
        free(before);
        child_does(w, TC_WRITE, 0, 0, 1000, 3);
        open_tracker(w); /* and it can be tracked again */
        assert_int_equal(scan(w), 1000);
}

static void the_end_of_the_target_is_noticed(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};

        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, 1000, 1);
        scan(w);
        kill(w->child.pid, SIGKILL);
        /* Whatever instant of its death a scan meets, it says "gone" or reports rightly; soon it says "gone".
         */
        for (;;) {
                clear_scan(w);
                int r = hb_tracker_scan(w->tracker, &w->scan, &e);

                if (r == -ESRCH)
                        break;
                assert_int_equal(r, 0);
        }
        assert_int_equal(e.code, -ESRCH);
        waitpid(w->child.pid, NULL, 0);
        w->child.pid = 0;
        assert_int_equal(hb_tracker_scan(w->tracker, &w->scan, &e), -ESRCH);
        assert_int_equal(hb_tracker_detach(w->tracker, &e), 0);
        w->tracker = NULL;
}

static void one_tracker_at_a_time(void **state) {
        struct world *w = *state;
        hb_tracker *second = NULL;
        struct hb_err e = {0};

        begin_one(w, 8);
        assert_int_equal(hb_tracker_open(w->target, w->backend, NULL, &second, &e), -EBUSY);
        assert_null(second);
        assert_true(e.next[0]);
        scan(w);
}

static void a_budget_rotates_but_the_whole_is_whole(void **state) {
        struct world *w = *state;
        struct hb_tracker_options o = {.hash_bytes_per_s = 1};
        struct hb_err e = {0};

        assert_int_equal(tc_add(&w->child, memory_file(), 8 * MIB), 0);
        assert_int_equal(tc_start(&w->child), 0);
        open_target(w);
        check_ok(hb_tracker_open(w->target, w->backend, &o, &w->tracker, &e), &e, "tracker");
        assert_non_null(strstr(hb_tracker_caps(w->tracker)->sees, "a part of the guest"));
        child_does(w, TC_WRITE, 0, 0, 2048, 1);
        assert_int_equal(scan(w), 2048);
        child_does(w, TC_WRITE, 0, 1500, 2, 2);
        assert_int_equal(scan(w), 0);
        child_does(w, TC_PUNCH, 0, 1000, 1, 2); /* holes are found at once */
        scan(w);
        assert_reported(w, 1000, 1);
        w->scan.whole = true;
        scan(w);
        assert_reported(w, 1500, 2);
}

int main(void) {
        static const struct contract_test tests[] = {
                {"the first scan reports resident pages, not holes", first_scan_reports_resident_pages, NULL},
                {"the first scan reports pages the guest never touched",
                 first_scan_of_pages_the_guest_never_touched, NULL},
                {"writes before a scan are reported once", writes_before_a_scan_are_reported_once, NULL},
                {"reads are not writes", reads_are_not_writes, NULL},
                {"writes into holes are reported", writes_into_holes_are_reported, NULL},
                {"writes by the kernel are reported", kernel_writes_are_reported, NULL},
                {"discards are reported", discards_are_reported, NULL},
                {"discards balanced by new pages are reported", discards_balanced_by_new_pages_are_reported,
                 NULL},
                {"entries dropped by the guest lose nothing", entries_dropped_by_the_guest_lose_nothing,
                 NULL},
                {"a block filled meanwhile hides nothing", a_block_filled_meanwhile_hides_nothing, NULL},
                {"several regions", several_regions, NULL},
                {"odd regions", odd_regions, NULL},
                {"many threads", many_threads, NULL},
                {"no write is lost while scanning", no_write_is_lost_while_scanning, NULL},
                {"a failed scan is repeated", a_failed_scan_is_repeated, NULL},
                {"detach leaves no trace", detach_leaves_no_trace, NULL},
                {"the end of the target is noticed", the_end_of_the_target_is_noticed, NULL},
                {"one tracker at a time", one_tracker_at_a_time, "wp present softdirty"},
                {"a budget rotates but the whole is whole", a_budget_rotates_but_the_whole_is_whole, "hash"},
        };

        return run_contract("tracker contract", tests, sizeof tests / sizeof *tests);
}
