/* The plugin's counting, without an emulator: threads as vCPUs, windows of all kinds, and every access in
 * exactly one window. Read back with the reader's own decoder. */
#include "check.h"

#include "capture/frames.h"
#include "plugin/arguments.h"
#include "plugin/windows.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGES 3000u
#define VCPUS 4u

struct rig {
        struct hb_windows *w;
        pthread_t reader;
        int fd;
        /* What was read. */
        struct hb_frame hello, end;
        uint64_t reads[PAGES], writes[PAGES], sizes[4096];
        unsigned windows;
        bool ended, damaged;
};

static void take(struct rig *r, struct hb_frame *f, uint64_t *size) {
        struct hb_frame_page p;

        if (f->kind == HB_FRAME_HELLO)
                r->hello = *f;
        while (f->kind == HB_FRAME_PAGES && hb_frames_page(f, &p)) {
                r->damaged = r->damaged || p.page >= PAGES;
                r->reads[p.page % PAGES] += p.reads;
                r->writes[p.page % PAGES] += p.writes;
                *size += (uint64_t)p.reads + p.writes;
        }
        if (f->kind == HB_FRAME_WINDOW) {
                r->sizes[r->windows++ % 4096] = *size;
                *size = 0;
        }
        if (f->kind == HB_FRAME_END) {
                r->end = *f;
                r->ended = true;
        }
}

static void *read_all(void *arg) {
        struct hb_frames frames = {0};
        struct rig *r = arg;
        uint64_t size = 0;
        struct hb_frame f;
        char buf[5000];
        ssize_t n;
        int got = 0;

        while ((n = read(r->fd, buf, sizeof(buf))) > 0) { /* to the end, or the writer would wait for us */
                got = got < 0 ? got : hb_frames_add(&frames, buf, (size_t)n);
                while (got >= 0 && (got = hb_frames_next(&frames, &f)) == 1)
                        take(r, &f, &size);
        }
        r->damaged = r->damaged || got < 0;
        hb_frames_fini(&frames);
        return NULL;
}

static void begin(struct rig *r, enum hb_frame_unit unit, uint64_t window) {
        struct hb_windows_options o = {.unit = unit, .window = window};
        int fds[2];

        memset(r, 0, sizeof(*r));
        r->w = calloc(1, sizeof(*r->w));
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        r->fd = fds[0];
        o.fd = fds[1];
        assert_int_equal(hb_windows_start(r->w, &o), 0);
        assert_int_equal(pthread_create(&r->reader, NULL, read_all, r), 0);
}

static void finish(struct rig *r) {
        hb_windows_finish(r->w);
        pthread_join(r->reader, NULL);
        close(r->fd);
        for (unsigned i = 0; i < r->w->made; i++)
                if (r->w->vcpus[i]) {
                        free(r->w->vcpus[i]->table.cells);
                        free(r->w->vcpus[i]);
                }
        free(r->w->sum.cells);
        free(r->w);
        assert_false(r->damaged);
}

static uint64_t total(const struct rig *r) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < PAGES; i++)
                sum += r->reads[i] + r->writes[i];
        return sum;
}

static void one_vcpu_has_exact_windows(void **state) {
        struct rig *r = malloc(sizeof(*r));
        struct hb_vcpu *v;

        begin(r, HB_UNIT_ACCESSES, 10000);
        assert_int_equal(hb_vcpu_add(r->w, 0), 0);
        v = hb_vcpu_of(r->w, 0);
        for (unsigned i = 0; i < 95500; i++) {
                hb_vcpu_count(r->w, v, i % PAGES, i % 3 == 0);
                if (i % 777 == 0)
                        hb_vcpu_park(r->w, v);
        }
        finish(r);
        assert_int_equal(r->hello.hello.window, 10000);
        assert_int_equal(r->windows, 10);
        for (unsigned i = 0; i < 9; i++)
                assert_int_equal(r->sizes[i], 10000);
        assert_int_equal(r->sizes[9], 5500);
        assert_true(r->ended);
        assert_int_equal(r->end.end.accesses, 95500);
        assert_int_equal(r->end.end.lost, 0);
        for (unsigned i = 0; i < PAGES; i++) {
                assert_int_equal(r->reads[i] + r->writes[i], 95500 / PAGES + (i < 95500 % PAGES));
                assert_true(i % 3 ? !r->writes[i] : !r->reads[i]);
        }
        free(r);
}

struct job {
        struct rig *r;
        unsigned vcpu, accesses, park_each;
};

static void *hammer(void *arg) {
        const struct job *j = arg;
        struct hb_vcpu *v;
        unsigned at = j->vcpu * 7919;

        if (hb_vcpu_add(j->r->w, j->vcpu) < 0)
                return NULL;
        v = hb_vcpu_of(j->r->w, j->vcpu);
        for (unsigned i = 0; i < j->accesses; i++) {
                at = at * 1103515245u + 12345u;
                hb_vcpu_count(j->r->w, v, (at >> 8) % PAGES, at & 1u << 30);
                if (i % j->park_each == j->park_each - 1)
                        hb_vcpu_park(j->r->w, v);
        }
        hb_vcpu_park(j->r->w, v);
        return NULL;
}

/* Some park often, one hardly ever, and one stops long before the others: windows go on, sums are right. */
static void many(enum hb_frame_unit unit, uint64_t window) {
        static const unsigned park_each[VCPUS] = {100, 5000, 1u << 30, 333};
        struct rig *r = malloc(sizeof(*r));
        struct job jobs[VCPUS];
        pthread_t threads[VCPUS];
        uint64_t want = 0;

        begin(r, unit, window);
        for (unsigned i = 0; i < VCPUS; i++) {
                jobs[i] = (struct job){r, i, i == 3 ? 2000 : 400000, park_each[i]};
                want += jobs[i].accesses;
                assert_int_equal(pthread_create(&threads[i], NULL, hammer, &jobs[i]), 0);
        }
        for (unsigned i = 0; i < VCPUS; i++)
                pthread_join(threads[i], NULL);
        finish(r);
        assert_int_equal(total(r), want);
        assert_int_equal(r->end.end.accesses, want);
        assert_int_equal(r->end.end.windows, r->windows);
        assert_true(r->windows >= 2);
        free(r);
}

static void many_vcpus_by_accesses(void **state) {
        for (unsigned i = 0; i < 5; i++)
                many(HB_UNIT_ACCESSES, 20000 + i * 30000);
}

static void many_vcpus_by_the_clock(void **state) {
        many(HB_UNIT_NS, 1000000);
}

/* One thread for all vCPUs, as QEMU's thread=single: one that will not run again must not hold a window up.
 */
static void vcpus_of_one_thread(void **state) {
        struct rig *r = malloc(sizeof(*r));

        begin(r, HB_UNIT_ACCESSES, 5000);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(hb_vcpu_add(r->w, i), 0);
        for (unsigned i = 0; i < 30000; i++)
                hb_vcpu_count(r->w, hb_vcpu_of(r->w, i < 100 ? 2 : i / 1000 % 2), i % PAGES, false);
        finish(r);
        assert_int_equal(total(r), 30000);
        assert_in_range(r->windows, 4, 8);
        free(r);
}

static void instructions_end_windows_too(void **state) {
        struct rig *r = malloc(sizeof(*r));
        struct hb_vcpu *v;

        begin(r, HB_UNIT_INSTRUCTIONS, 1000);
        assert_int_equal(hb_vcpu_add(r->w, 0), 0);
        v = hb_vcpu_of(r->w, 0);
        for (unsigned i = 0; i < 1000; i++) {
                hb_vcpu_insns(r->w, v, 10);
                hb_vcpu_count(r->w, v, 1, true);
        }
        finish(r);
        assert_in_range(r->windows, 10, 11);
        assert_in_range(r->sizes[3], 99, 101);
        assert_int_equal(r->writes[1], 1000);
        free(r);
}

static void a_reader_that_leaves_ends_the_counting(void **state) {
        struct hb_windows *w = calloc(1, sizeof(*w));
        struct hb_windows_options o = {.unit = HB_UNIT_ACCESSES, .window = 1000};
        struct hb_vcpu *v;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        close(fds[0]);
        o.fd = fds[1];
        assert_int_equal(hb_windows_start(w, &o), 0);
        assert_int_equal(hb_vcpu_add(w, 0), 0);
        v = w->vcpus[0];
        for (unsigned i = 0; w->limit; i++) /* until it is noticed; then for nothing */
                hb_vcpu_count(w, v, i % 100, true);
        hb_vcpu_count(w, v, 1, true);
        assert_null(hb_vcpu_of(w, 0));
        hb_windows_finish(w);
        free(v->table.cells);
        free(v);
        free(w->sum.cells);
        free(w);
}

static void expect_refused(bool guest, const char *a, const char *b, const char *word) {
        const char *argv[2] = {a, b};
        struct hb_arguments got;
        char why[256] = "";

        assert_true(hb_arguments_parse(b ? 2 : 1, (char *const *)argv, guest, 1, &got, why, sizeof(why)) < 0);
        if (!strstr(why, word))
                fail_msg("%s: '%s' does not say %s", a, why, word);
}

static void arguments_are_checked(void **state) {
        char *const argv[] = {(char *)"out=/dev/null", (char *)"ram=4294967296", (char *)"below4g=2147483648",
                              (char *)"ms=250"};
        struct hb_arguments got;
        char why[256];

        expect_refused(false, "accesses=10", NULL, "out=");
        expect_refused(false, "out=fd:987", NULL, "out=fd:987");
        expect_refused(false, "out=/no/such/dir/x", NULL, "/no/such/dir/x");
        expect_refused(false, "out=/dev/null", "accesses=0", "accesses=0");
        expect_refused(false, "out=/dev/null", "accesses=-1", "accesses=-1");
        expect_refused(false, "out=/dev/null", "ms=99999999999999999999", "ms=");
        expect_refused(false, "out=/dev/null", "speed=3", "speed=3");
        expect_refused(false, "out=/dev/null", "out=/dev/zero", "out=/dev/zero");
        expect_refused(true, "out=/dev/null", NULL, "ram=");

        assert_int_equal(hb_arguments_parse(4, argv, true, 2, &got, why, sizeof(why)), 0);
        assert_int_equal(got.windows.unit, HB_UNIT_NS);
        assert_int_equal(got.windows.window, 250000000);
        assert_int_equal(got.space.below4g, 2147483648);
        close(got.windows.fd);
        /* QEMU before 8.1 gives places in its RAM blocks, which need no correction. */
        assert_int_equal(hb_arguments_parse(3, argv, true, 1, &got, why, sizeof(why)), 0);
        assert_int_equal(got.space.below4g, 0);
        assert_int_equal(got.windows.window, 1000000000);
        close(got.windows.fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_vcpu_has_exact_windows),
                cmocka_unit_test(many_vcpus_by_accesses),
                cmocka_unit_test(many_vcpus_by_the_clock),
                cmocka_unit_test(vcpus_of_one_thread),
                cmocka_unit_test(instructions_end_windows_too),
                cmocka_unit_test(a_reader_that_leaves_ends_the_counting),
                cmocka_unit_test(arguments_are_checked),
        };

        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
