/* The placement view: ready or why not, what is left, what became of the bytes, what the target decides by.
 */
#include "two_hosts.h"
#include <stdio.h>

static void usual(struct fake *f, const char *guest) {
        fake_new(f);
        two_hosts(f);
        f->ctx.glyphs = HB_GLYPHS_ASCII;
        strcpy(f->memory.subject, guest);
}

/* A score may well be -1; nothing else may. */
static void no_nonsense(struct fake *f) {
        static const char *const scores[] = {"score of -1", "from -1 to", "threshold -1"};

        for (size_t i = 0; i < sizeof(scores) / sizeof(scores[0]); i++)
                for (char *p = f->text; (p = strstr(p, scores[i]));)
                        strchr(p, '-')[0] = '+';
        fake_no_nonsense(f);
}

static void test_ready(void **state) {
        struct fake f;

        usual(&f, "vm1");
        fake_plain(&f, &hb_view_placement);
        fake_has(&f, "placement: vm1: a > b");
        fake_has(&f, "vm1 is ready on b: a move now stops it for about 34 ms and sends 1.2 MiB then.");
        fake_has(&f, "image on the target: fresh 363 MiB");
        fake_has(&f, "zero 12 MiB");
        fake_has(&f, "on its disk 8.0 MiB");
        fake_has(&f, "left: 1.2 MiB");
        fake_has(&f, "bytes so far: sent 152 MiB");
        fake_has(&f, "pages with a score of 0.12 or more are fetched");
        fake_has(&f, "scorer; policy mine; answers x cost_benefit instead: it is in quarantine");
        fake_has(&f, "attempt to index nil");
        fake_has(&f, "wasted: 16 MiB of 273 MiB fetched were overwritten before use (6.0 %)");
        fake_has(&f, "pages go by: TCP: the source offers no RDMA");
        fake_has(&f, "0.2 ms away, moves 88 MiB/s, busy 6.0 % of the time");
        no_nonsense(&f);
        fake_free(&f);
}

static void test_histogram(void **state) {
        struct fake f;
        json_t *j;

        usual(&f, "vm1");
        fake_painted(&f, &hb_view_placement, 120, 40);
        fake_has(&f, "threshold 0.12");
        fake_has(&f, "pages by score");
        j = fake_doc_json(&f, &hb_view_placement);
        assert_non_null(json_object_get(j, "scores"));
        assert_true(hb_json_number(j, "threshold") == 0.12);
        assert_true(hb_json_number(j, "left_bytes") == 304 * 4096.0);
        json_decref(j);
        fake_free(&f);
}

static void test_stalled(void **state) {
        struct fake f;

        usual(&f, "vm2");
        fake_plain(&f, &hb_view_placement);
        fake_has(&f,
                 "vm2 is stalled since 3 min 12 s: the cap holds the rate at 88 MiB/s while the guest writes "
                 "210 MiB/s. Next: raise [transport] cap_bytes_per_s on the source and reload.");
        fake_has(&f, "ready in: never");
        fake_has(&f, "a move now: stops it for 2.5 s, sends 86 MiB");
        fake_has(&f, "cap: 95 MiB/s for each placement");
        fake_free(&f);
}

static void test_not_placed(void **state) {
        struct fake f;

        usual(&f, "vm4");
        fake_plain(&f, &hb_view_placement);
        fake_has(&f, "vm4 is not placed");
        fake_has(&f, "memory in use: 384 MiB");
        fake_has(&f, "places it on a host");
        fake_lacks(&f, "image on the target");
        fake_free(&f);
}

static void test_lost(void **state) {
        struct fake f;
        json_t *a = two_host("a", "b", LINK_DOWN), *g = two_placed("vm5", "lost", FILLING_COUNTS);

        fake_new(&f);
        json_object_set_new(json_object_get(g, "placement"), "error",
                            fake_json("{'code':'ECONNREFUSED','what':'connection refused','which':'b',"
                                      "'next':'is harbingerd running on b?'}"));
        two_give(a, "guests", g);
        fake_add(&f, a, NULL);
        fake_turn(&f);
        fake_plain(&f, &hb_view_placement);
        fake_has(&f, "vm5 is lost: no link to b: connection refused. Next: is harbingerd running on b?.");
        fake_has(&f, "The scores are known to the target's daemon, which is not looked at.");
        fake_free(&f);
}

static void test_last_move(void **state) {
        struct fake f;

        usual(&f, "vm1");
        json_object_set_new(
                f.answers[0], "history",
                fake_json("{'entries':[{'time':'2026-11-23T01:00:00Z','kind':'migration','guest':'vm1','from'"
                          ":'b',"
                          "'to':'a','result':'done','figures':{'outcome':{'hit':90000,'late':12,'stale':300,"
                          "'wasted':4000}}}]}"));
        fake_plain(&f, &hb_view_placement);
        fake_has(&f, "hit 90000, late 12, stale 300, wasted 4000");
        fake_free(&f);
}

/* A guest that is gone is not quietly replaced by another: keys would act on that. */
static void test_gone(void **state) {
        struct fake f;
        struct hb_order o;

        usual(&f, "vm99");
        fake_plain(&f, &hb_view_placement);
        fake_has(&f, "There is no guest vm99");
        fake_act(&f, &hb_view_placement, HB_DO_UNPLACE, "", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_NONE);
        assert_string_equal(f.memory.subject, "vm99");
        fake_free(&f);
        fake_new(&f);
        fake_plain(&f, &hb_view_placement);
        fake_has(&f, "No guests yet");
        fake_free(&f);
}

static void test_sizes(void **state) {
        static const unsigned sizes[][2] = {{20, 5}, {40, 12}, {80, 24}, {120, 40}, {200, 60}};
        struct fake f;

        usual(&f, "vm2");
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                fake_painted(&f, &hb_view_placement, sizes[i][0], sizes[i][1]);
                fake_has(&f, "stalled");
        }
        fake_free(&f);
}

static void test_keys(void **state) {
        struct fake f;
        struct hb_order o;

        usual(&f, "vm1");
        fake_act(&f, &hb_view_placement, HB_DO_OPEN, "", NULL, &o);
        assert_int_equal(o.view, HB_VIEW_GUEST);
        fake_act_all(&f, &hb_view_placement, FAKE_ANSWERS("", "x"));
        fake_free(&f);
}

static void test_spoilt(void **state) {
        static const char *const guests[] = {"vm1", "vm2", "vm3", "vm4", ""};
        uint32_t seed = 7;

        for (unsigned n = 0; n < 60; n++) {
                struct fake f, g;

                fake_new(&f);
                usual(&g, "");
                for (unsigned i = 0; i < 2; i++) {
                        json_t *tick = fake_spoil(g.tick[i], &seed, 5);

                        fake_add(&f, tick, fake_spoil(g.answers[i], &seed, 5));
                }
                strcpy(f.memory.subject, guests[n % 5]);
                fake_turn(&f);
                fake_plain(&f, &hb_view_placement);
                no_nonsense(&f);
                fake_painted(&f, &hb_view_placement, 40 + n * 3, 10 + n);
                fake_free(&f);
                fake_free(&g);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ready),   cmocka_unit_test(test_histogram),
                cmocka_unit_test(test_stalled), cmocka_unit_test(test_not_placed),
                cmocka_unit_test(test_lost),    cmocka_unit_test(test_last_move),
                cmocka_unit_test(test_gone),    cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_keys),    cmocka_unit_test(test_spoilt),
        };

        return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
