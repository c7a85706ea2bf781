/* The overview: what needs a look, hosts, guests; the same at every size and in every form. */
#include "two_hosts.h"
#include <stdio.h>

static void usual(struct fake *f) {
        fake_new(f);
        two_hosts(f);
        f->ctx.glyphs = HB_GLYPHS_ASCII;
        f->ctx.own_cpu_share = 0.003;
        f->ctx.own_rss_bytes = 9e6;
}

static void test_painted(void **state) {
        static const char expected[] =
                "! 1 of 4 guests needs a look: 1 stalled; 1 filling, 1 not placed, 1 ready\n"
                "host  daemon  guests  coming  free memory       of  its CPU      up for\n"
                "a     + up         4       0      2.1 GiB  8.0 GiB    0.8 %  3 h 12 min\n"
                "b     + up         0       3      2.1 GiB  8.0 GiB    0.8 %  3 h 12 min\n"
                "links     + a > b 0.2 ms away, 88 MiB/s by tcp; others idle\n"
                "watching  0.1 % of a core in the busiest daemon; 0.3 % and 8.6 MiB here\n"
                "  guest   host  to  ready                left    written     coming  downtime\n"
                "  vm1     a     b   + ready           1.2 MiB  8.0 MiB/s  5.0 MiB/s     34 ms\n"
                "> vm2     a     b   ! stalled 3 min   224 MiB  210 MiB/s   88 MiB/s     2.5 s\n"
                "  vm3     a     b   ~ filling         150 MiB  1.0 MiB/s   88 MiB/s    410 ms\n"
                "  vm4     a         - not placed            -  8.0 MiB/s          -         -\n"
                "! vm2 is stalled since 3 min 12 s: the cap holds the rate at 88 MiB/s while the\n"
                "  guest writes 210 MiB/s. Next: raise [transport] cap_bytes_per_s on the source\n"
                "  and reload.\n";
        struct fake f;

        usual(&f);
        strcpy(f.memory.place.row, "vm2");
        fake_painted(&f, &hb_view_overview, 80, 21);
        f.text[strlen(expected)] = '\0';
        assert_string_equal(f.text, expected);
        fake_free(&f);
}

static void test_sizes(void **state) {
        static const unsigned sizes[][2] = {{20, 5}, {40, 12}, {80, 24}, {120, 40}, {200, 60}, {300, 100}};
        struct fake f;

        usual(&f);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                fake_painted(&f, &hb_view_overview, sizes[i][0], sizes[i][1]);
                fake_has(&f, "vm1");
                if (sizes[i][0] >= 40)
                        fake_has(&f, "stalled");
        }
        fake_painted(&f, &hb_view_overview, 200, 57);
        fake_has(&f, "stalled since 3 min 12 s");
        fake_has(&f, "the cap holds the rate");
        fake_free(&f);
}

static void test_plain(void **state) {
        struct fake f;

        usual(&f);
        fake_plain(&f, &hb_view_overview);
        fake_has(&f, "guest vm1; host a; to b; ready + ready; left 1.2 MiB; written 8.0 MiB/s");
        fake_has(&f, "downtime 34 ms; trend keeps up");
        fake_has(&f,
                 "ready ! stalled; left 224 MiB; written 210 MiB/s; coming 88 MiB/s; downtime 2.5 s; trend "
                 "stalled since 3 min 12 s");
        fake_has(&f, "raise [transport] cap_bytes_per_s on the source and reload");
        fake_has(&f, "host b; daemon + up; guests 0; coming 3");
        fake_no_nonsense(&f);
        fake_free(&f);
}

/* Pressed once, "sort" has what needs a look first. */
static void test_urgent_first(void **state) {
        const struct hb_doc_column *c;
        struct fake f;
        hb_doc *d;

        usual(&f);
        d = fake_build(&f, &hb_view_overview);
        assert_true(hb_doc_columns(hb_doc_main(d), &c) > 0);
        hb_doc_arrange(d, &(struct hb_doc_order){.sort = "urgency"});
        assert_string_equal(c[0].key, "urgency");
        assert_string_equal(hb_doc_row_id(hb_doc_main(d), 0), "vm2");
        assert_string_equal(hb_doc_row_id(hb_doc_main(d), 3), "vm1");
        hb_doc_free(d);
        fake_free(&f);
}

static void test_json(void **state) {
        struct fake f;
        json_t *j;

        usual(&f);
        j = fake_doc_json(&f, &hb_view_overview);
        assert_int_equal(json_array_size(json_object_get(j, "guests")), 4);
        assert_int_equal(json_array_size(json_object_get(j, "hosts")), 2);
        assert_string_equal(hb_json_text(json_array_get(json_object_get(j, "guests"), 1), "ready"),
                            "stalled");
        assert_true(hb_json_number(json_array_get(json_object_get(j, "guests"), 1), "left_bytes") ==
                    (22000 + 35000 + 304) * 4096.0);
        assert_true(json_is_null(
                json_object_get(json_array_get(json_object_get(j, "guests"), 3), "downtime_ms")));
        json_decref(j);
        fake_free(&f);
}

static void test_nothing(void **state) {
        struct fake f;

        fake_new(&f);
        fake_plain(&f, &hb_view_overview);
        fake_has(&f, "no daemon is looked at");
        fake_has(&f, "No guests yet");
        fake_painted(&f, &hb_view_overview, 80, 24);
        fake_has(&f, "No guests yet");
        fake_free(&f);
}

static void test_all_well(void **state) {
        struct fake f;
        json_t *a = two_host("a", "b", LINK_UP);

        fake_new(&f);
        two_give(a, "guests", two_placed("vm1", "ready", READY_COUNTS));
        fake_add(&f, a, NULL);
        fake_turn(&f);
        fake_plain(&f, &hb_view_overview);
        fake_has(&f, "nothing needs a look: 1 guest, 1 ready");
        fake_free(&f);
}

/* What was said before counts for nothing once its daemon is gone; the link that is down is said too. */
static void test_seat_lost(void **state) {
        struct fake f;
        json_t *a = two_host("a", "b", LINK_DOWN);

        fake_new(&f);
        two_give(a, "guests", two_placed("vm1", "ready", READY_COUNTS));
        fake_add(&f, a, NULL);
        fake_turn(&f);
        close(f.fd[0]);
        f.fd[0] = open("/dev/null", O_RDWR);
        fake_turn(&f);
        fake_plain(&f, &hb_view_overview);
        fake_has(&f, "ready ? unknown");
        fake_has(&f, "daemon of a lost since");
        fake_has(&f, "1 of 1 guest needs a look: 1 unknown");
        fake_has(&f, "x a > b down: connection refused; 0 up");
        fake_free(&f);
}

static void test_many(void **state) {
        struct fake f;
        json_t *a = two_host("a", "b", LINK_UP);
        char name[16];

        fake_new(&f);
        for (unsigned i = 0; i < 200; i++) {
                snprintf(name, sizeof(name), "vm%03u", i);
                two_give(a, "guests", i % 7 ? two_placed(name, "ready", READY_COUNTS) : two_guest(name, ""));
        }
        fake_add(&f, a, NULL);
        fake_turn(&f);
        strcpy(f.memory.place.row, "vm150");
        fake_painted(&f, &hb_view_overview, 80, 21);
        fake_has(&f, "> vm150");
        fake_has(&f, "200 guests");
        fake_free(&f);
}

static void test_warnings(void **state) {
        struct fake f;

        usual(&f);
        json_array_append_new(
                json_object_get(f.tick[0], "events"),
                fake_json("{'seq':1,'time':1795399900,'level':'error','kind':'migration','guest':'vm3','host'"
                          ":'b',"
                          "'text':'the VMM did not come up','next':'run incoming_command by hand'}"));
        json_object_set_new(f.tick[0], "time", json_real(1795400002));
        fake_tick(&f, 0);
        fake_turn(&f);
        fake_painted(&f, &hb_view_overview, 120, 50);
        fake_has(&f, "Warnings of the last hour");
        fake_has(&f, "vm3: the VMM did not come up; next: run incoming_command by hand");
        hb_world_set_wall(f.w, 1795404600); /* more than an hour later */
        fake_painted(&f, &hb_view_overview, 120, 50);
        fake_lacks(&f, "Warnings of the last hour");
        fake_free(&f);
}

static void test_keys(void **state) {
        struct fake f;
        struct hb_order o;

        usual(&f);
        fake_act(&f, &hb_view_overview, HB_DO_OPEN, "vm2", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_GO);
        assert_int_equal(o.view, HB_VIEW_PLACEMENT);
        assert_string_equal(o.subject, "vm2");
        hb_order_fini(&o);
        fake_act(&f, &hb_view_overview, HB_DO_OPEN, "", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_NONE);
        fake_act(&f, &hb_view_overview, HB_DO_MIGRATE, "gone", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_NONE);
        fake_act_all(&f, &hb_view_overview, FAKE_ANSWERS("", "vm1", "vm2", "vm4", "nobody"));
        fake_free(&f);
}

static void test_spoilt(void **state) {
        uint32_t seed = 20261123;

        for (unsigned n = 0; n < 60; n++) {
                struct fake f, g;

                fake_new(&f);
                usual(&g);
                for (unsigned i = 0; i < 2; i++) {
                        json_t *tick = fake_spoil(g.tick[i], &seed, 5);

                        fake_add(&f, tick, NULL);
                }
                fake_turn(&f);
                fake_plain(&f, &hb_view_overview);
                fake_no_nonsense(&f);
                fake_painted(&f, &hb_view_overview, 40 + n * 3, 10 + n);
                fake_no_nonsense(&f);
                fake_free(&f);
                fake_free(&g);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_painted),      cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_plain),        cmocka_unit_test(test_json),
                cmocka_unit_test(test_urgent_first), cmocka_unit_test(test_nothing),
                cmocka_unit_test(test_all_well),     cmocka_unit_test(test_seat_lost),
                cmocka_unit_test(test_many),         cmocka_unit_test(test_warnings),
                cmocka_unit_test(test_keys),         cmocka_unit_test(test_spoilt),
        };

        return cmocka_run_group_tests_name("overview", tests, NULL, NULL);
}
