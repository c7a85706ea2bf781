/* A tracker killed at any instant and started again loses no write: what it had not committed is told once
 * more. */
#include "contract.h"

#define PAGES 4096u
#define BYTES (PAGES * TC_PAGE)

struct notes { /* shared with the agent processes */
        volatile uint64_t scans, resumed, fresh, lost, errors, in_scan_kills;
        volatile int in_scan, finish;
        char error[256];
};

/* What a daemon does: attach, and again and again scan, store the reported pages, commit. */
static void agent(struct world *w, struct notes *n, uint8_t *image) {
        struct hb_tracker_options o = {
                .guest_budget = 0.05, .epoch_ns = 20 * HB_NS_PER_MS, .state_path = w->state_path};
        struct hb_err e = {0};
        bool last = false;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        open_target(w);
        while (hb_tracker_open(w->target, w->backend, &o, &w->tracker, &e) == -EBUSY)
                sched_yield(); /* the kernel is still taking the killed one apart */
        if (!w->tracker) {
                hb_err_line(&e, n->error, sizeof n->error);
                n->errors++;
                _exit(1);
        }
        *(hb_tracker_resumed(w->tracker) ? &n->resumed : &n->fresh) += 1;
        while (!last) {
                last = n->finish;
                clear_scan(w);
                n->in_scan = 1;
                if (hb_tracker_scan(w->tracker, &w->scan, &e) < 0) {
                        hb_err_line(&e, n->error, sizeof n->error);
                        n->errors++;
                        _exit(1);
                }
                n->in_scan = 0;
                n->lost += w->scan.lost;
                for (uint64_t p = 0; p < PAGES; p++)
                        if (hb_bitmap_test(&w->scan.written, p))
                                memcpy(image + p * TC_PAGE, w->child.region[0].map + p * TC_PAGE, TC_PAGE);
                hb_tracker_commit(w->tracker);
                n->scans++;
        }
        _exit(0);
}

static pid_t start_agent(struct world *w, struct notes *n, uint8_t *image) {
        pid_t pid = fork();

        if (pid == 0)
                agent(w, n, image);
        assert_true(pid > 0);
        return pid;
}

static void no_gap(void **state, bool discards) {
        struct world *w = *state;
        struct notes *n = mmap(NULL, TC_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        uint8_t *image = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        uint64_t seed = 4711;
        int status, rounds = 40;
        pid_t pid;

        assert_ptr_not_equal(n, MAP_FAILED);
        assert_ptr_not_equal(image, MAP_FAILED);
        use_state_file(w);
        assert_int_equal(tc_add(&w->child, memory_file(), BYTES), 0);
        assert_int_equal(tc_start(&w->child), 0);
        child_does(w, TC_WRITE, 0, 0, PAGES / 2, 1);
        child_does(w, TC_STORM, 0, 0, 0, 99);
        for (int round = 0; round < rounds; round++) {
                uint64_t before = n->scans, opened = n->resumed + n->fresh;

                pid = start_agent(w, n, image);
                /* Killed anywhere: while opening, in the ioctl, between it and the commit. */
                if (round % 4 == 0)
                        while (n->resumed + n->fresh == opened && !n->errors)
                                sched_yield();
                else if (round % 4 == 1)
                        while (n->scans < before + 3 && !n->errors)
                                sched_yield();
                hb_sleep_ns(tc_random(&seed) % 5000000);
                if (discards)
                        child_does(w, TC_PUNCH, 0, PAGES / 2 + tc_random(&seed) % (PAGES / 2 - 8), 8, 0);
                if (round % 4 == 2) /* scans can be too short for chance to find one in forty times */
                        while (!n->in_scan && !n->errors)
                                sched_yield();
                n->in_scan_kills += (uint64_t)n->in_scan;
                kill(pid, SIGKILL);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                n->in_scan = 0; /* what was cut short there is over */
                if (n->errors)
                        fail_msg("agent: %s", n->error);
                /* The writes in between are the successor's to report. */
                hb_sleep_ns(1000000);
        }
        child_does(w, TC_CALM, 0, 0, 0, 0);
        n->finish = 1;
        pid = start_agent(w, n, image);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (n->errors)
                fail_msg("agent: %s", n->error);
        assert_int_equal(status, 0);
        print_message("    %lu scans, %lu resumed, %lu fresh, %lu killed inside a scan\n",
                      (unsigned long)n->scans, (unsigned long)n->resumed, (unsigned long)n->fresh,
                      (unsigned long)n->in_scan_kills);
        assert_int_equal(n->lost, 0);
        assert_true(n->resumed >= (uint64_t)rounds / 2);
        assert_true(n->in_scan_kills > 0);
        for (uint64_t p = 0; p < PAGES; p++)
                if (memcmp(image + p * TC_PAGE, w->child.region[0].map + p * TC_PAGE, TC_PAGE) != 0)
                        fail_msg("%s: page %lu is not what was last reported", w->backend, (unsigned long)p);
        munmap(image, BYTES);
        munmap(n, TC_PAGE);
}

static void killed_at_any_instant(void **state) {
        no_gap(state, false);
}

static void killed_while_pages_are_discarded(void **state) {
        no_gap(state, true);
}

/* The first attach itself is cut short, at any instant: whoever comes next finds nothing in its way, and
 * everything is told. */
static void killed_while_attaching(void **state) {
        struct world *w = *state;
        struct notes *n = mmap(NULL, TC_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        uint8_t *image = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        const char *backend = w->backend;
        uint64_t seed = 31, cut = 0;

        for (int round = 0; round < 25; round++) {
                unsigned fds = 0;
                int status;
                pid_t pid;

                memset((void *)(uintptr_t)n, 0, TC_PAGE);
                memset(image, 0, BYTES);
                use_state_file(w);
                assert_int_equal(tc_add(&w->child, memory_file(), BYTES), 0);
                assert_int_equal(tc_start(&w->child), 0);
                child_does(w, TC_THREADS, 0, 0, 1, 0);
                child_does(w, TC_WRITE, 0, 0, PAGES, (uint64_t)round + 1);
                fds = count_fds(w->child.pid);
                pid = start_agent(w, n, image);
                hb_sleep_ns(300000 + tc_random(&seed) % 12000000);
                kill(pid, SIGKILL);
                waitpid(pid, &status, 0);
                cut += n->scans == 0;
                n->finish = 1;
                pid = start_agent(w, n, image);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                if (n->errors)
                        fail_msg("agent: %s", n->error);
                assert_int_equal(status, 0);
                assert_memory_equal(image, w->child.region[0].map, BYTES);
                assert_true(count_fds(w->child.pid) <= fds + 1); /* one userfaultfd, not two */
                end(w);
                w->backend = backend;
        }
        print_message("    %lu of 25 cut before the first scan was done\n", (unsigned long)cut);
        munmap(image, BYTES);
        munmap((void *)(uintptr_t)n, TC_PAGE);
}

static void put_away(struct world *w) {
        w->tracker = hb_tracker_free(w->tracker);
}

static void a_restart_is_a_delta(void **state) {
        struct world *w = *state;

        use_state_file(w);
        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, 2000, 1);
        scan(w);
        child_does(w, TC_WRITE, 0, 5, 2, 2);
        put_away(w);
        child_does(w, TC_WRITE, 0, 100, 2, 2);
        child_does(w, TC_PUNCH, 0, 200, 2, 2);
        child_does(w, TC_WRITE, 0, 2010, 1, 2);
        open_tracker(w);
        assert_true(hb_tracker_resumed(w->tracker));
        scan(w);
        assert_int_equal(w->scan.written_pages, 7);
        assert_false(w->scan.lost);
        assert_true(hb_bitmap_test(&w->scan.written, 5) && hb_bitmap_test(&w->scan.written, 101));
        assert_true(hb_bitmap_test(&w->scan.written, 201) && hb_bitmap_test(&w->scan.written, 2010));
        assert_int_equal(scan(w), 0);
}

static void what_is_not_committed_is_told_again(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};

        use_state_file(w);
        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, 1000, 1);
        scan(w);
        child_does(w, TC_WRITE, 0, 300, 4, 2);
        clear_scan(w);
        check_ok(hb_tracker_scan(w->tracker, &w->scan, &e), &e, "scan");
        assert_reported(w, 300, 4);
        put_away(w); /* not committed */
        open_tracker(w);
        scan(w);
        assert_reported(w, 300, 4);
        put_away(w);
        open_tracker(w);
        assert_int_equal(scan(w), 0);
}

static void damage(struct world *w, off_t at) {
        int fd = open(w->state_path, O_RDWR | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, "\xff\xff\xff", 3, at), 3);
        close(fd);
}

static void damaged_state_reports_everything(void **state) {
        struct world *w = *state;

        use_state_file(w);
        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, 1000, 1);
        scan(w);
        put_away(w);
        damage(w, 40);
        open_tracker(w);
        assert_false(hb_tracker_resumed(w->tracker));
        scan(w);
        assert_reported(w, 0, 1000);
        assert_true(w->scan.lost);
        assert_int_equal(scan(w), 0);
        assert_false(w->scan.lost);
        put_away(w);
        assert_int_equal(truncate(w->state_path, 100), 0);
        open_tracker(w);
        scan(w);
        assert_reported(w, 0, 1000);
        assert_true(w->scan.lost);
}

/* The state file vanished, the registration in the target did not. */
static void lost_state_reports_everything(void **state) {
        struct world *w = *state;

        use_state_file(w);
        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, 1000, 1);
        scan(w);
        put_away(w);
        assert_int_equal(unlink(w->state_path), 0);
        open_tracker(w);
        assert_false(hb_tracker_resumed(w->tracker));
        scan(w);
        assert_reported(w, 0, 1000);
        assert_int_equal(w->scan.lost, strcmp(w->backend, "wp") == 0 || strcmp(w->backend, "present") == 0);
}

static void state_of_another_process_is_not_ours(void **state) {
        struct world *w = *state;
        char path[128];

        use_state_file(w);
        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, 1000, 1);
        scan(w);
        strcpy(path, w->state_path);
        w->state_path[0] = 0; /* the file outlives its process */
        const char *backend = w->backend;
        end(w);
        w->backend = backend;
        strcpy(w->state_path, path);
        assert_int_equal(access(path, F_OK), 0);
        begin_one(w, 8);
        child_does(w, TC_WRITE, 0, 0, 10, 1);
        assert_false(hb_tracker_resumed(w->tracker));
        scan(w);
        assert_reported(w, 0, 10);
        assert_false(w->scan.lost);
}

static void a_full_file_system_is_an_error(void **state) {
        struct world *w = *state;
        struct hb_tracker_options o = {.state_path = "/dev/full"};
        struct hb_err e = {0};

        begin_one(w, 8);
        put_away(w);
        assert_true(hb_tracker_open(w->target, w->backend, &o, &w->tracker, &e) < 0);
        assert_string_equal(e.which, "/dev/full");
        o.state_path = "/dev/shm/no-such-folder/state";
        assert_int_equal(hb_tracker_open(w->target, w->backend, &o, &w->tracker, &e), -ENOENT);
        hb_fault_arm("track.state=fail");
        o.state_path = "/dev/shm/hb-contract-full";
        assert_int_equal(hb_tracker_open(w->target, w->backend, &o, &w->tracker, &e), -ENOSPC);
        hb_fault_disarm();
        unlink(o.state_path);
}

int main(void) {
        static const struct contract_test tests[] = {
                {"a restart is a delta", a_restart_is_a_delta, NULL},
                {"what is not committed is told again", what_is_not_committed_is_told_again, NULL},
                {"damaged state reports everything", damaged_state_reports_everything, NULL},
                {"lost state reports everything", lost_state_reports_everything, NULL},
                {"state of another process is not ours", state_of_another_process_is_not_ours, NULL},
                {"a full file system is an error", a_full_file_system_is_an_error, NULL},
                {"no gap when killed at any instant", killed_at_any_instant, NULL},
                {"nothing is left by an attach that was killed", killed_while_attaching, NULL},
                {"no gap when killed while pages are discarded", killed_while_pages_are_discarded, NULL},
        };

        return run_contract("tracker restart", tests, sizeof tests / sizeof *tests);
}
