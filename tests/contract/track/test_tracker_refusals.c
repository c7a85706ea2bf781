/* What cannot be tracked is refused by name, with what to do, and leaves nothing behind; what a tracker
 * cannot see is found. */
#include "contract.h"
#include <sys/statfs.h>
#include <sys/vfs.h>

static const uint64_t one_mib[] = {1, 0};

static int claim_of(struct world *w, struct hb_target_claim *c, struct hb_err *e) {
        return hb_target_open(w->child.pid, c, 1, &w->target, e);
}

static void private_memory_is_refused(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};
        struct hb_target_claim c = {.name = "pc.ram", .bytes = MIB};
        uint8_t *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        c.remote_addr = (uintptr_t)p;
        assert_int_equal(tc_start(&w->child), 0);
        assert_int_equal(claim_of(w, &c, &e), -EOPNOTSUPP);
        assert_string_equal(e.which, "pc.ram");
        assert_non_null(strstr(e.next, "share=on"));
        munmap(p, MIB);
}

static void claims_that_do_not_match_are_refused(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};
        struct hb_target_claim c[2] = {{.name = "ram"}, {.name = "again"}};

        assert_int_equal(tc_add(&w->child, -1, MIB), 0);
        assert_int_equal(tc_start(&w->child), 0);
        c[0].remote_addr = (uintptr_t)w->child.region[0].map;
        c[0].bytes = 2 * MIB + (1ul << 40);
        assert_int_equal(claim_of(w, c, &e), -EINVAL);
        assert_string_equal(e.which, "ram");
        c[0].bytes = MIB + 1;
        assert_int_equal(claim_of(w, c, &e), -EINVAL);
        c[0].bytes = MIB;
        c[0].remote_addr = 0x10000;
        assert_int_equal(claim_of(w, c, &e), -EINVAL);
        c[0].remote_addr = UINT64_MAX - 4095;
        assert_int_equal(claim_of(w, c, &e), -EINVAL);
        c[0].remote_addr = (uintptr_t)w->child.region[0].map;
        c[1].remote_addr = c[0].remote_addr + 4096;
        c[1].bytes = 4096;
        assert_int_equal(hb_target_open(w->child.pid, c, 2, &w->target, &e), -EINVAL);
        assert_string_equal(e.which, "again");
        strcpy(c[0].name, "no/slash");
        assert_int_equal(claim_of(w, c, &e), -EINVAL);
        assert_int_equal(hb_target_open(w->child.pid, c, 0, &w->target, &e), -EINVAL);
        assert_int_equal(hb_target_open(999999999, c, 1, &w->target, &e), -ESRCH);
        assert_null(w->target);
}

static void unknown_backend_is_refused(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};

        begin(w, one_mib);
        assert_int_equal(hb_tracker_open(w->target, "clairvoyance", NULL, &w->tracker, &e), -EINVAL);
        assert_null(hb_tracker_caps_of("clairvoyance"));
}

/* Without the right to ptrace. The target is opened first, as root: what matters is what the tracker says. */
static void without_privilege(void **state) {
        struct world *w = *state;
        pid_t pid;
        int status;

        if (geteuid() != 0)
                skip();
        assert_int_equal(tc_add(&w->child, -1, MIB), 0);
        assert_int_equal(tc_start(&w->child), 0);
        open_target(w);
        pid = fork();
        if (pid == 0) {
                struct hb_target_claim c = {
                        .name = "ram", .remote_addr = (uintptr_t)w->child.region[0].map, .bytes = MIB};
                struct hb_err e = {0};
                hb_target *t = NULL;

                if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
                        _exit(9);
                prctl(PR_SET_DUMPABLE, 1); /* or our own /proc files would not be ours */
                if (hb_target_open(w->child.pid, &c, 1, &t, &e) != -EPERM ||
                    !strstr(e.next, "CAP_SYS_PTRACE"))
                        _exit(1);
                if (hb_tracker_open(w->target, w->backend, NULL, &w->tracker, &e) != -EPERM ||
                    !strstr(e.next, "root")) {
                        fprintf(stderr, "%d %s; %s\n", e.code, e.what, e.next);
                        _exit(2);
                }
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void a_second_mapping_is_found(void **state) {
        struct world *w = *state;
        struct hb_mapper m[8];
        pid_t other;
        int ready[2];
        char c;

        begin(w, (uint64_t[]){2, 2, 0});
        assert_int_equal(hb_target_find_mappers(w->target, m, 8), 0); /* our own mapping does not count */
        child_does(w, TC_WRITE, 1, 0, 100, 1);
        scan(w);
        child_does(w, TC_ALIAS, 1, 50, 2, 9);
        assert_int_equal(hb_target_find_mappers(w->target, m, 8), 1);
        assert_int_equal(m[0].pid, w->child.pid);
        assert_string_equal(m[0].region, "ram1");
        assert_true(m[0].addr != (uintptr_t)w->child.region[1].map);
        /* The hash tracker sees what came through it; the others say that they cannot. */
        if (strcmp(w->backend, "hash") == 0) {
                scan(w);
                assert_reported(w, 512 + 50, 2);
        } else
                assert_non_null(strstr(hb_tracker_caps(w->tracker)->blind, "another mapping"));
        assert_int_equal(pipe(ready), 0);
        other = fork();
        if (other == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                mmap(NULL, MIB, PROT_READ, MAP_SHARED, w->child.region[0].fd, 0);              /* harmless */
                mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, w->child.region[0].fd, 0); /* not */
                if (write(ready[1], "x", 1) == 1)
                        pause();
        }
        assert_int_equal(read(ready[0], &c, 1), 1);
        assert_int_equal(hb_target_find_mappers(w->target, m, 8), 2);
        assert_int_equal(hb_target_find_mappers(w->target, m, 1), 1);
        assert_int_equal(hb_target_find_mappers(w->target, m, 8), 2);
        unsigned k = m[0].pid == other ? 0 : 1;
        assert_int_equal(m[k].pid, other);
        assert_string_equal(m[k].region, "ram0");
        assert_true(m[k].comm[0]);
        kill(other, SIGKILL);
        waitpid(other, NULL, 0);
        assert_int_equal(hb_target_find_mappers(w->target, m, 8), 1);
        close(ready[0]);
        close(ready[1]);
}

/* A file on tmpfs, deleted since; hugetlb; a file on a disk. */
static void on_file(struct world *w, const char *dir) {
        char path[256];
        int fd;

        snprintf(path, sizeof path, "%s/hb-contract-XXXXXX", dir);
        fd = mkostemp(path, O_CLOEXEC);
        assert_true(fd >= 0);
        unlink(path);
        assert_int_equal(tc_add(&w->child, fd, 4 * MIB), 0);
        assert_int_equal(tc_start(&w->child), 0);
        open_target(w);
}

static void a_file_on_tmpfs(void **state) {
        struct world *w = *state;

        on_file(w, "/dev/shm");
        assert_int_equal(w->target->regions[0].backing, HB_BACKING_FILE);
        open_tracker(w);
        child_does(w, TC_WRITE, 0, 10, 20, 1);
        scan(w);
        assert_reported(w, 10, 20);
        child_does(w, TC_PUNCH, 0, 12, 1, 1);
        scan(w);
        assert_reported(w, 12, 1);
}

static void a_file_on_a_disk(void **state) {
        struct world *w = *state;
        struct statfs fs;
        struct hb_err e = {0};
        int r;

        if (statfs("/var/tmp", &fs) || fs.f_type == 0x01021994 /* TMPFS_MAGIC */ ||
            fs.f_type == 0x858458f6 /* RAMFS_MAGIC */)
                skip();
        on_file(w, "/var/tmp");
        r = hb_tracker_open(w->target, w->backend, NULL, &w->tracker, &e);
        if (strcmp(w->backend, "hash") != 0) {
                assert_int_equal(r, -EOPNOTSUPP);
                assert_string_equal(e.which, "ram0");
                assert_non_null(strstr(e.next, "hash"));
                check_ok(hb_tracker_open(w->target, "auto", NULL, &w->tracker, &e), &e, "auto");
                assert_string_equal(hb_tracker_caps(w->tracker)->name, "hash");
        }
        child_does(w, TC_WRITE, 0, 10, 20, 1);
        scan(w);
        assert_reported(w, 10, 20);
}

static long free_huge_pages(void) {
        FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
        long n = 0;

        if (f && fscanf(f, "%ld", &n) != 1)
                n = 0;
        if (f)
                fclose(f);
        return n;
}

static void hugetlb_memory(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};
        int fd = memfd_create("guest-huge", MFD_CLOEXEC | MFD_HUGETLB | (21 << 26 /* MFD_HUGE_2MB */)), r;

        if (fd < 0 || free_huge_pages() < 4 || tc_add(&w->child, fd, 8 * MIB) < 0) {
                print_message("    no huge pages here: echo 8 > /proc/sys/vm/nr_hugepages\n");
                skip();
        }
        assert_int_equal(tc_start(&w->child), 0);
        open_target(w);
        assert_int_equal(w->target->regions[0].backing, HB_BACKING_HUGETLB);
        assert_int_equal(w->target->regions[0].backing_page, 2 * MIB);
        r = hb_tracker_open(w->target, w->backend, NULL, &w->tracker, &e);
        if (strcmp(w->backend, "present") == 0 || strcmp(w->backend, "softdirty") == 0) {
                assert_int_equal(r, -EOPNOTSUPP);
                assert_string_equal(e.which, "ram0");
                return;
        }
        check_ok(r, &e, "hugetlb");
        assert_int_equal(scan(w), 0);
        child_does(w, TC_WRITE, 0, 0, 1, 1);
        child_does(w, TC_WRITE, 0, 600, 1, 1);
        assert_int_equal(scan(w), 1024); /* what exists, exists whole */
        assert_int_equal(scan(w), 0);
        child_does(w, TC_WRITE, 0, 700, 1, 2);
        scan(w);
        assert_true(hb_bitmap_test(&w->scan.written, 700));
        assert_false(hb_bitmap_test(&w->scan.written, 0));
        assert_int_equal(scan(w), 0);
        child_does(w, TC_PUNCH, 0, 512, 512, 0);
        scan(w);
        assert_reported(w, 512, 512);
        assert_int_equal(scan(w), 0);
}

/* Each fault point on the way in fails once: an error with words, nothing left open here or there, and then
 * it works. */
static void every_failure_on_the_way_in(void **state) {
        struct world *w = *state;
        unsigned here, there, n, failures = 0;
        char spec[32];

        assert_int_equal(tc_add(&w->child, -1, MIB), 0);
        assert_int_equal(tc_start(&w->child), 0);
        child_does(w, TC_WRITE, 0, 0, 256, 1);
        open_target(w);
        here = count_fds(getpid());
        there = count_fds(w->child.pid);
        for (n = 1;; n++) {
                struct hb_err e = {0};
                unsigned long passed;
                int r;

                snprintf(spec, sizeof spec, "*=fail@%u", n);
                assert_int_equal(hb_fault_arm(spec), 0);
                r = hb_tracker_open(w->target, w->backend, NULL, &w->tracker, &e);
                passed = hb_fault_passed();
                hb_fault_disarm();
                if (r < 0) {
                        failures++;
                        assert_true(e.code == r && e.what[0]);
                        assert_null(w->tracker);
                        assert_int_equal(count_fds(w->child.pid), there);
                        assert_int_equal(count_fds(getpid()), here);
                        open_tracker(w);
                }
                assert_int_equal(scan(w), 256);
                assert_int_equal(hb_tracker_detach(w->tracker, NULL), 0);
                w->tracker = NULL;
                if (passed < n)
                        break;
        }
        assert_true(failures >= 4);
        assert_int_equal(tc_call(&w->child, TC_PING, 0, 0, 0, 0), 0);
}

static void a_foreign_userfaultfd_is_in_the_way(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};

        begin(w, one_mib);
        /* Stands for any other: ours from here on, since the lock dies with the tracker object but not the
         * registration. */
        child_does(w, TC_WRITE, 0, 0, 256, 1);
        scan(w);
        w->tracker = hb_tracker_free(w->tracker);
        open_tracker(w); /* a leftover of our own kind is taken over, without a state file */
        scan(w);
        assert_reported(w, 0, 256);
        assert_true(w->scan.lost);
        check_ok(hb_tracker_detach(w->tracker, &e), &e, "detach");
        w->tracker = NULL;
}

int main(void) {
        static const struct contract_test tests[] = {
                {"private memory is refused", private_memory_is_refused, "hash"},
                {"claims that do not match are refused", claims_that_do_not_match_are_refused, "hash"},
                {"unknown backend is refused", unknown_backend_is_refused, "hash"},
                {"without privilege", without_privilege, "wp present softdirty"},
                {"a second mapping is found", a_second_mapping_is_found, NULL},
                {"a file on tmpfs", a_file_on_tmpfs, NULL},
                {"a file on a disk", a_file_on_a_disk, NULL},
                {"hugetlb memory", hugetlb_memory, NULL},
                {"every failure on the way in", every_failure_on_the_way_in, NULL},
                {"a leftover registration is taken over", a_foreign_userfaultfd_is_in_the_way, "wp present"},
        };

        return run_contract("tracker refusals", tests, sizeof tests / sizeof *tests);
}
