/* The network view: each direction of a link, the selected one in words, the daemons themselves. */
#include "two_hosts.h"
#include <stdio.h>

static void usual(struct fake *f) {
        fake_new(f);
        two_hosts(f);
        f->ctx.glyphs = HB_GLYPHS_ASCII;
}

static void test_plain(void **state) {
        struct fake f;

        usual(&f);
        fake_plain(&f, &hb_view_network);
        fake_has(
                &f,
                "from a; to b; state + up; latency 0.2 ms; speed 88 MiB/s; in use 38 MiB/s; cap none; packed "
                "1.8 to 1; conns 2; path tcp");
        fake_has(&f, "from b; to a; state - idle; latency unknown");
        fake_has(&f, "daemon of a; state + up");
        fake_no_nonsense(&f);
        fake_free(&f);
}

static void test_selected(void **state) {
        struct fake f;

        usual(&f);
        strcpy(f.memory.place.row, "b>a");
        fake_painted(&f, &hb_view_network, 80, 24);
        fake_has(&f, "> b     a ");
        fake_has(&f, "b to a at 192.0.2.2:7311");
        strcpy(f.memory.place.row, "a>b");
        fake_painted(&f, &hb_view_network, 80, 24);
        fake_has(&f, "pages go by     TCP: host b has no RDMA device");
        fake_has(&f, "vm1 ready, vm2 filling, vm3 filling");
        fake_free(&f);
}

static void test_down(void **state) {
        struct fake f;

        fake_new(&f);
        fake_add(&f, two_host("a", "b", LINK_DOWN), NULL);
        fake_turn(&f);
        fake_painted(&f, &hb_view_network, 80, 24);
        fake_has(&f, "x down");
        fake_has(&f, "down because    connection refused");
        fake_has(&f, "next            is harbingerd running on b?");
        close(f.fd[0]);
        f.fd[0] = open("/dev/null", O_RDWR);
        fake_turn(&f);
        fake_plain(&f, &hb_view_network);
        fake_has(&f, "state x lost");
        fake_free(&f);
}

static void test_nothing(void **state) {
        struct fake f;

        fake_new(&f);
        fake_plain(&f, &hb_view_network);
        fake_has(&f, "No links");
        fake_has(&f, "no daemon is looked at");
        fake_free(&f);
}

static void test_json(void **state) {
        struct fake f;
        json_t *j, *l;

        usual(&f);
        j = fake_doc_json(&f, &hb_view_network);
        l = json_array_get(json_object_get(j, "links"), 0);
        assert_string_equal(hb_json_text(l, "from"), "a");
        assert_true(hb_json_number(l, "bytes_per_s") == 92274688);
        assert_true(hb_json_number(l, "used_share") == 0.43);
        assert_int_equal(json_array_size(json_object_get(j, "daemons")), 2);
        json_decref(j);
        fake_free(&f);
}

static void test_spoilt(void **state) {
        uint32_t seed = 99;

        for (unsigned n = 0; n < 60; n++) {
                struct fake f, g;

                fake_new(&f);
                usual(&g);
                for (unsigned i = 0; i < 2; i++)
                        fake_add(&f, fake_spoil(g.tick[i], &seed, 5), NULL);
                fake_turn(&f);
                fake_plain(&f, &hb_view_network);
                fake_no_nonsense(&f);
                fake_painted(&f, &hb_view_network, 20 + n * 3, 5 + n);
                fake_no_nonsense(&f);
                fake_free(&f);
                fake_free(&g);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain), cmocka_unit_test(test_selected),
                cmocka_unit_test(test_down),  cmocka_unit_test(test_nothing),
                cmocka_unit_test(test_json),  cmocka_unit_test(test_spoilt),
        };

        return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
