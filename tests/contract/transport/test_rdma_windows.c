/* What is the rdma backend's own: windows lent and given back, holes left alone, frames checked, READs
 * joined. Skipped where there is no verbs device. */
#include "rdma_bed.h"

static uint8_t *guest_page(struct rdma_bed *b, uint64_t gfn) {
        return b->s.guest.memory[0] + gfn * HB_PAGE_SIZE;
}

static unsigned resident(struct rdma_bed *b, uint64_t gfn, uint32_t pages) {
        uint8_t vec[RDMA_PAGES];
        unsigned n = 0;

        assert_int_equal(mincore(guest_page(b, gfn), (size_t)pages * HB_PAGE_SIZE, vec), 0);
        for (uint32_t i = 0; i < pages; i++)
                n += vec[i] & 1;
        return n;
}

static void discard(struct rdma_bed *b, uint64_t gfn, uint32_t pages) {
        assert_int_equal(madvise(guest_page(b, gfn), (size_t)pages * HB_PAGE_SIZE, MADV_REMOVE), 0);
}

static struct hb_rdma_server_stats served(struct rdma_bed *b) {
        struct hb_rdma_server_stats st;

        hb_rdma_server_details(b->r.server, &st);
        return st;
}

static int scanned(struct rdma_bed *b, uint64_t gfn, uint32_t pages) {
        struct hb_bitmap written;
        int n;

        assert_int_equal(hb_bitmap_init(&written, b->s.guest.shape.pages), 0);
        hb_bitmap_set_range(&written, gfn, pages);
        n = hb_rdma_server_scanned(b->r.server, &written);
        hb_bitmap_fini(&written);
        return n;
}

/* The guest's file has no page more after we read around its holes; what fills up is read later. */
static void holes_stay_holes(void **state) {
        struct rdma_bed b;
        uint64_t end;

        rdma_bed_open(&b, (struct hb_rdma_options){0}, (struct hb_rdma_options){0});
        discard(&b, 100, 100);
        assert_int_equal(rdma_fetch_now(&b, 50, 50), 0);
        assert_int_equal(rdma_fetch_now(&b, 200, 56), 0);
        assert_true(rdma_same(&b, 50, 50) && rdma_same(&b, 200, 56));
        assert_int_equal(rdma_fetch_now(&b, 150, 1), -ENODATA);
        assert_int_equal(rdma_fetch_now(&b, 90, 20), -ENODATA);
        assert_int_equal(resident(&b, 100, 100), 0);
        discard(&b, 512, 256); /* a whole window */
        assert_int_equal(rdma_fetch_now(&b, 600, 8), -ENODATA);
        assert_int_equal(resident(&b, 512, 256), 0);
        memset(guest_page(&b, 150), 7, HB_PAGE_SIZE);
        for (end = hb_now_ns() + RIG_WAIT_NS; rdma_fetch_now(&b, 150, 1) != 0;)
                assert_true(hb_now_ns() < end);
        assert_true(rdma_same(&b, 150, 1));
        assert_int_equal(resident(&b, 100, 100), 1);
        rdma_bed_close(&b);
}

/* Ten times more windows than may be pinned: the target gives back what it used least, and nobody is forced.
 */
static void bound_is_kept(void **state) {
        enum { N = 100 };
        static struct hb_fetch f[N];
        struct hb_rdma_fetcher_stats st;
        struct hb_rdma_server_stats sv;
        const uint64_t bound = 3 * 64 * HB_PAGE_SIZE;
        struct rdma_bed b;
        unsigned seed = 4;

        rdma_bed_open(&b, (struct hb_rdma_options){.window_pages = 64, .pinned_bytes = bound},
                      (struct hb_rdma_options){0});
        for (unsigned i = 0; i < N; i++) {
                uint32_t pages = 1 + (uint32_t)rand_r(&seed) % 16;

                assert_int_equal(rdma_fetch(&b, &f[i], (uint64_t)rand_r(&seed) % (RDMA_PAGES - pages), pages),
                                 0);
                sv = served(&b);
                assert_true(sv.pinned_bytes <= bound);
        }
        rdma_await_done(&b, N);
        for (unsigned i = 0; i < N; i++) {
                assert_int_equal(f[i].status, 0);
                assert_true(rdma_same(&b, f[i].gfn, f[i].pages));
        }
        hb_rdma_fetcher_details(b.s.fetcher, &st);
        sv = served(&b);
        assert_true(st.asked > 20 && sv.returned > 10);
        assert_int_equal(sv.recalled + sv.forced, 0);
        rdma_bed_close(&b);
}

/* A page given back by the guest and written again lives in another frame; the pinned one keeps the old
 * bytes. */
static void move_page(struct rdma_bed *b, uint64_t gfn) {
        assert_int_equal(rdma_fetch_now(b, gfn, 1), 0); /* its window is lent */
        assert_true(rdma_same(b, gfn, 1));
        discard(b, gfn, 1);
        memset(guest_page(b, gfn), 0x5A, HB_PAGE_SIZE);
}

static void lost_frames_are_found(void **state) {
        struct rdma_bed b;
        struct hb_rdma_server_stats sv;

        rdma_bed_open(&b, (struct hb_rdma_options){.return_ms = 5000}, (struct hb_rdma_options){0});
        assert_int_equal(rdma_fetch_now(&b, 300, 64), 0);
        memset(guest_page(&b, 310), 0x11, HB_PAGE_SIZE); /* written where it is */
        assert_int_equal(scanned(&b, 300, 64), 0);
        assert_int_equal(rdma_fetch_now(&b, 300, 64), 0);
        assert_true(rdma_same(&b, 300, 64));
        move_page(&b, 320);
        assert_int_equal(scanned(&b, 0, 256), 0); /* another window's pages */
        assert_int_equal(scanned(&b, 320, 1), 1);
        sv = served(&b);
        assert_true(sv.frames_lost == 1 && sv.recalled == 1 && sv.forced == 0);
        assert_int_equal(rdma_fetch_now(&b, 320, 1), 0); /* over a window of what is there now */
        assert_true(rdma_same(&b, 320, 1));
        discard(&b, 321, 1); /* discarded only: it is zero now, and not in the window */
        assert_int_equal(scanned(&b, 321, 1), 1);
        assert_int_equal(rdma_fetch_now(&b, 321, 1), -ENODATA);
        assert_int_equal(b.state, 1);
        rdma_bed_close(&b);
}

/* The same without the check: the old frame is read. So the test above can fail. */
static void without_the_check_old_bytes_come(void **state) {
        struct rdma_bed b;

        rdma_bed_open(&b, (struct hb_rdma_options){0}, (struct hb_rdma_options){0});
        move_page(&b, 320);
        assert_int_equal(hb_fault_arm("rdma.scanned=fail"), 0);
        assert_int_equal(scanned(&b, 320, 1), 0);
        hb_fault_disarm();
        assert_int_equal(rdma_fetch_now(&b, 320, 1), 0);
        assert_false(rdma_same(&b, 320, 1));
        rdma_bed_close(&b);
}

/* A target that does not give back loses the window all the same, and its connection when it reads on. */
static void deaf_target_reads_nothing_old(void **state) {
        struct hb_err why;
        struct rdma_bed b;
        int status;

        rdma_bed_open(&b, (struct hb_rdma_options){.return_ms = 20}, (struct hb_rdma_options){0});
        move_page(&b, 320);
        assert_int_equal(hb_fault_arm("rdma.deaf=fail"), 0);
        assert_int_equal(scanned(&b, 320, 1), 1);
        assert_int_equal(served(&b).forced, 1);
        status = rdma_fetch_now(&b, 320, 1);
        hb_fault_disarm();
        assert_int_equal(status, -ECONNRESET);
        assert_true(rdma_await(&b, NULL, 0, &b.state, 0));
        hb_rdma_fetcher_why(b.s.fetcher, &why);
        assert_int_equal(why.code, -ECONNRESET);
        assert_non_null(strstr(why.what, "withdrawn"));
        rdma_bed_close(&b);
}

/* Long stretches go straight into the image, several fetches a READ; over several queue pairs too. */
static void stretches_are_joined(void **state) {
        enum { N = 64 };
        static struct hb_fetch f[N];
        struct hb_rdma_fetcher_stats st;

        for (unsigned qps = 1; qps <= HB_RDMA_MAX_BULK_QPS; qps += 3) {
                struct rdma_bed b;
                struct hb_rdma_link link;

                rdma_bed_open(&b, (struct hb_rdma_options){.bulk_qps = qps, .window_pages = 1024},
                              (struct hb_rdma_options){.direct_pages = 64});
                for (unsigned i = 0; i < N; i++)
                        assert_int_equal(rdma_fetch(&b, &f[i], i * 64, 64), 0);
                rdma_await_done(&b, N);
                assert_true(rdma_same(&b, 0, RDMA_PAGES));
                hb_rdma_fetcher_details(b.s.fetcher, &st);
                hb_rdma_fetcher_link(b.s.fetcher, &link);
                assert_int_equal(link.bulk_qps, qps);
                assert_int_equal(st.direct_pages, RDMA_PAGES);
                assert_true(st.joined > 0 && st.reads + st.joined == N);
                assert_int_equal(st.no_data, 0);
                rdma_bed_close(&b);
        }
}

/* The kernel refuses to pin: the source says so and the connection is well; the target goes over its ring. */
static void pinning_refused(void **state) {
        struct rdma_bed b;

        rdma_bed_open(&b, (struct hb_rdma_options){0}, (struct hb_rdma_options){0});
        assert_int_equal(hb_fault_arm("rdma.register=fail"), 0);
        assert_int_equal(rdma_fetch_now(&b, 0, 64), -ENODATA);
        assert_int_equal(hb_fault_arm("rdma.direct=fail"), 0);
        assert_int_equal(rdma_fetch_now(&b, 1000, 64), 0); /* in two windows */
        assert_int_equal(rdma_fetch_now(&b, 1024, 64), 0);
        hb_fault_disarm();
        assert_true(rdma_same(&b, 1000, 88));
        assert_int_equal(served(&b).denied, 1);
        assert_int_equal(b.state, 1);
        rdma_bed_close(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(holes_stay_holes),
                cmocka_unit_test(bound_is_kept),
                cmocka_unit_test(lost_frames_are_found),
                cmocka_unit_test(without_the_check_old_bytes_come),
                cmocka_unit_test(deaf_target_reads_nothing_old),
                cmocka_unit_test(stretches_are_joined),
                cmocka_unit_test(pinning_refused),
        };

        rdma_need_device();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
