/* Page connections whose sending side the kernel encrypts, and those where it may not. Where HB_KERNEL_TLS is
 * set (a guest with the module) it has to be on; elsewhere the same pages have to come without it. */
#include "tcp_world.h"

static void open_one(struct world *w, bool allow, int *ret_kernel) {
        struct hb_tcp_server_options o = {.zstd_level = HB_ZSTD_OFF};
        struct hb_data_conn c;

        hb_tls_allow_kernel(w->rig.source_tls, allow);
        open_fetcher(w);
        assert_int_equal(hb_tcp_server_new(&w->guest.src, &o, &w->server, NULL), 0);
        c = rig_dial(&w->rig, HB_DATA_PAGES);
        *ret_kernel = hb_data_conn_ktls(&c);
        assert_int_equal(hb_tcp_server_add(w->server, &c), 0);
        wait_connected(w, true);
}

/* All pages once, right, and the source counted the bytes that crossed the wire. */
static void fetch_all(struct world *w, bool by_kernel) {
        struct hb_link_stats source, target;
        unsigned runs = PAGES / HB_FETCH_MAX_PAGES;

        assert_true(runs <= 64);
        for (unsigned i = 0; i < runs; i++)
                w->f[i].gfn = i * HB_FETCH_MAX_PAGES;
        for (unsigned i = 0; i < runs; i++)
                assert_int_equal(w->fetcher->ops->fetch(w->fetcher, &w->f[i]), 0);
        wait_for(w, &w->done, runs);
        for (unsigned i = 0; i < runs; i++) {
                assert_int_equal(w->f[i].status, 0);
                assert_memory_equal(w->f[i].dst, rig_page(&w->guest, i * HB_FETCH_MAX_PAGES),
                                    HB_FETCH_MAX_PAGES * HB_PAGE_SIZE);
        }
        w->fetcher->ops->close(w->fetcher);
        hb_tcp_fetcher_stats(w->fetcher, &target);
        hb_tcp_server_stats(w->server, &source);
        assert_int_equal(target.page_bytes, PAGES * HB_PAGE_SIZE);
        /* A write that the socket took in part becomes one record more in the kernel than we count. */
        assert_in_range(target.wire_bytes, source.wire_bytes,
                        source.wire_bytes + (by_kernel ? 22u * runs : 0));
}

static void test_allowed(void **state) {
        int library, kernel, is;

        open_one(*state, true, &is);
        hb_tls_kernel_probe(&library, &kernel);
        print_message("OpenSSL %s, kernel %s: %s\n", library ? "can" : "cannot", kernel ? "can" : "cannot",
                      is ? "the kernel encrypts" : "OpenSSL encrypts");
        if (getenv("HB_KERNEL_TLS"))
                assert_int_equal(is, 1);
        if (!library || !kernel)
                assert_int_equal(is, 0);
        fetch_all(*state, is == 1);
}

static void test_forbidden(void **state) {
        int is;

        open_one(*state, false, &is);
        assert_int_equal(is, 0);
        fetch_all(*state, false);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
        const struct CMUnitTest tests[] = {T(test_allowed), T(test_forbidden)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
