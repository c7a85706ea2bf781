/* The guest view: cells that fit, zoom, cursor, classes of cells, a page explained. */
#include "two_hosts.h"
#include "views/view_guest.h"
#include <math.h>
#include <stdio.h>

static void usual(struct fake *f, const char *guest) {
        fake_new(f);
        two_hosts(f);
        f->ctx.glyphs = HB_GLYPHS_ASCII;
        strcpy(f->memory.subject, guest);
}

static const struct hb_guest_seen *guest(struct fake *f) {
        const struct hb_guest_seen *g = hb_view_guest_of(&f->ctx);

        assert_non_null(g);
        return g;
}

static void key(struct fake *f, enum hb_action a, enum hb_order_kind expected) {
        struct hb_order o;

        fake_act(f, &hb_view_guest, a, "", NULL, &o);
        assert_int_equal(o.kind, expected);
        hb_order_fini(&o);
}

/* ---- the frame ---- */

static void sound(struct fake *f, struct hb_map_frame *ret) {
        hb_map_frame(&f->ctx, guest(f), ret);
        assert_int_equal(ret->pages, 131072);
        assert_true(ret->cells >= 1 && ret->cells <= ret->columns * ret->rows);
        assert_true(ret->columns * ret->rows <= 4096);
        assert_true(ret->first < ret->pages && ret->span >= 1 && ret->first + ret->span <= ret->pages);
        assert_true(ret->first + (uint64_t)ret->cells * ret->cell_pages >= ret->first + ret->span);
        assert_true((ret->cell_pages & (ret->cell_pages - 1)) == 0);
        assert_true(ret->chosen < ret->cells);
        assert_true(f->memory.cell >= ret->first && f->memory.cell < ret->first + ret->span);
}

static void test_fits(void **state) {
        struct fake f;
        struct hb_map_frame m;

        usual(&f, "vm1");
        for (unsigned w = 10; w < 260; w += 3)
                for (unsigned h = 3; h < 80; h += 4) {
                        f.ctx.width = w;
                        f.ctx.height = h;
                        sound(&f, &m);
                        assert_int_equal(m.span, m.pages);
                        assert_int_equal(m.first, 0);
                }
        fake_free(&f);
}

/* From all of it to single pages and back, the page under the cursor stays. */
static void test_zoom(void **state) {
        struct fake f;
        struct hb_map_frame m;
        bool blocks = false;

        usual(&f, "vm1");
        f.ctx.width = 40;
        f.ctx.height = 12;
        f.memory.cell = 70007;
        for (unsigned i = 0;; i++) {
                sound(&f, &m);
                assert_int_equal(f.memory.cell, 70007);
                blocks |= m.cell_pages == 512;
                if (m.cell_pages == 1)
                        break;
                assert_true(i < 20);
                key(&f, HB_DO_ZOOM_IN, HB_ORDER_DONE);
        }
        assert_true(blocks);
        key(&f, HB_DO_ZOOM_IN, HB_ORDER_SAY);
        for (unsigned i = 0; m.span < m.pages; i++) {
                assert_true(i < 20);
                key(&f, HB_DO_ZOOM_OUT, HB_ORDER_DONE);
                sound(&f, &m);
                assert_int_equal(f.memory.cell, 70007);
        }
        assert_int_equal(f.memory.span, 0);
        key(&f, HB_DO_ZOOM_OUT, HB_ORDER_SAY);
        fake_free(&f);
}

static void test_cursor(void **state) {
        struct fake f;
        struct hb_map_frame m;

        usual(&f, "vm1");
        sound(&f, &m);
        key(&f, HB_DO_UP, HB_ORDER_DONE); /* at the edge it stays */
        key(&f, HB_DO_LEFT, HB_ORDER_DONE);
        assert_int_equal(f.memory.cell, 0);
        key(&f, HB_DO_RIGHT, HB_ORDER_DONE);
        key(&f, HB_DO_DOWN, HB_ORDER_DONE);
        assert_int_equal(f.memory.cell, (m.columns + 1) * m.cell_pages);
        key(&f, HB_DO_ZOOM_IN, HB_ORDER_DONE);
        key(&f, HB_DO_ZOOM_IN, HB_ORDER_DONE);
        key(&f, HB_DO_ZOOM_IN, HB_ORDER_DONE);
        for (unsigned i = 0; i < 600; i++) { /* the window goes with it to the end */
                key(&f, HB_DO_DOWN, HB_ORDER_DONE);
                sound(&f, &m);
        }
        assert_true(m.first > 0);
        for (unsigned i = 0; i < 200; i++) {
                key(&f, HB_DO_RIGHT, HB_ORDER_DONE);
                sound(&f, &m);
        }
        assert_int_equal(m.first + m.span, m.pages);
        for (unsigned i = 0; i < 9000 && f.memory.cell > 0; i++) {
                key(&f, HB_DO_LEFT, HB_ORDER_DONE);
                key(&f, HB_DO_UP, HB_ORDER_DONE);
                sound(&f, &m);
        }
        fake_free(&f);
}

/* Whatever is done at whatever size, nothing leaves the guest. */
static void test_any_way(void **state) {
        static const enum hb_action keys[] = {HB_DO_LEFT,    HB_DO_RIGHT,    HB_DO_UP,   HB_DO_DOWN,
                                              HB_DO_ZOOM_IN, HB_DO_ZOOM_OUT, HB_DO_PLANE};
        uint32_t seed = 5;
        struct fake f;
        struct hb_map_frame m;
        struct hb_order o;

        usual(&f, "vm1");
        for (unsigned i = 0; i < 6000; i++) {
                if (fake_random(&seed) % 8 == 0) {
                        f.ctx.width = fake_random(&seed) % 250;
                        f.ctx.height = fake_random(&seed) % 90;
                }
                if (fake_random(&seed) % 50 == 0) { /* a state file of another day */
                        f.memory.first = fake_random(&seed);
                        f.memory.span = (uint64_t)fake_random(&seed) << (fake_random(&seed) % 30);
                        f.memory.cell = fake_random(&seed);
                }
                fake_act(&f, &hb_view_guest, keys[fake_random(&seed) % 7], "", NULL, &o);
                hb_order_fini(&o);
                sound(&f, &m);
        }
        fake_free(&f);
}

/* ---- the picture ---- */

/* As large as the view asks for: one cell each of what there is to tell apart. */
static void give_planes(struct fake *f) {
        static const double cells[][6] = {
                /* fresh, stale, absent, fetching, known, spilled */
                {10, 0, 0, 0, 0, 0}, {9, 1, 0, 0, 0, 0}, {10, 0, 0, 0, 0, 8}, {1, 0, 0, 9, 0, 0},
                {1, 4, 5, 0, 8, 0},  {2, 8, 0, 0, 0, 0}, {0, 1, 9, 0, 0, 0},  {0, 0, 0, 0, 0, 0},
        };
        static const char *const names[] = {"fresh", "stale", "absent", "fetching", "known", "spilled"};
        json_t *planes = json_object_get(json_object_get(f->answers[1], "guest.map"), "planes");

        for (unsigned p = 0; p < 6; p++) {
                json_t *a = json_array();

                for (unsigned i = 0; i < 8; i++)
                        json_array_append_new(a, json_real(cells[i][p]));
                json_object_set_new(planes, names[p], a);
        }
}

static void test_classes(void **state) {
        struct fake f;

        usual(&f, "vm1");
        give_planes(&f);
        fake_painted(&f, &hb_view_guest, 80, 24);
        fake_has(&f, "FfD>KSA.????");
        fake_has(&f, "F fresh  f mostly fresh  D on its disk  > on its way");
        fake_has(&f, "on target  10 of 10 pages fresh");
        fake_free(&f);
}

/* Levels are steps of 1, 3, 10 ...; what nobody knows is no zero. */
static void test_heat(void **state) {
        struct fake f;
        json_t *planes;

        usual(&f, "vm1");
        planes = json_object_get(json_object_get(f.answers[0], "guest.map"), "planes");
        json_object_set_new(planes, "writes", fake_json("[900, 290, 60, 25, 3, 0.01, 0, null]"));
        f.memory.plane = HB_PICTURE_WRITES;
        fake_painted(&f, &hb_view_guest, 80, 24);
        fake_has(&f, "writes, ");

        fake_has(&f, "543211.?");
        fake_has(&f, ". none  1 to 10/s  2 >10/s  3 >30/s  4 >100/s  5 >300/s");
        fake_has(&f, "sampled    one page in 2 was looked at");
        fake_free(&f);
}

static void test_pictures(void **state) {
        static const char *const titles[] = {"reads, ", "writes, ", "accesses the target expects, ",
                                             "state on the target, "};
        struct fake f;

        usual(&f, "vm1");
        for (unsigned i = 0; i < 4; i++) {
                key(&f, HB_DO_PLANE, HB_ORDER_DONE);
                fake_painted(&f, &hb_view_guest, 80, 24);
                fake_has(&f, titles[i]);
        }
        fake_free(&f);
        usual(&f, "vm4"); /* not placed: there is no state to see, so writes are shown */
        fake_painted(&f, &hb_view_guest, 80, 24);
        fake_has(&f, "writes, ");
        fake_has(&f, "vm4 is not placed");
        key(&f, HB_DO_PLANE, HB_ORDER_DONE);
        fake_painted(&f, &hb_view_guest, 80, 24);
        fake_has(&f, "No picture of accesses the target expects: it is not placed.");
        fake_free(&f);
}

static void test_beside(void **state) {
        struct fake f;
        json_t *j;

        usual(&f, "vm1");
        fake_painted(&f, &hb_view_guest, 120, 40);
        fake_has(&f, "state on the target, ");
        fake_has(&f, "writes, ");
        fake_has(&f, "Hottest 2 MiB blocks shown");
        fake_painted(&f, &hb_view_guest, 40, 12);
        fake_has(&f, "state on the target");
        j = fake_doc_json(&f, &hb_view_guest);
        assert_non_null(hb_json_at(j, "map.source.writes"));
        assert_non_null(hb_json_at(j, "map.target.fresh"));
        assert_int_equal(json_array_size(json_object_get(j, "top")), 2);
        json_decref(j);
        fake_free(&f);
}

static void test_no_map(void **state) {
        struct fake f;

        usual(&f, "vm1");
        json_object_del(f.answers[0], "guest.map");
        json_object_del(f.answers[1], "guest.map");
        fake_plain(&f, &hb_view_guest);
        fake_has(&f, "No picture of state on the target: the fake does not know guest.map.");
        fake_no_nonsense(&f);
        fake_free(&f);
        fake_new(&f);
        fake_plain(&f, &hb_view_guest);
        fake_has(&f, "No guests yet");
        fake_free(&f);
}

/* ---- a page explained ---- */

static void test_explain(void **state) {
        struct fake f;
        struct hb_order o;

        usual(&f, "vm1");
        f.ctx.control = false; /* it changes nothing */
        fake_act(&f, &hb_view_guest, HB_DO_EXPLAIN, "", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_ASK);
        assert_string_equal(o.initial, "0");
        fake_act(&f, &hb_view_guest, HB_DO_EXPLAIN, "", FAKE_ANSWERS("17"), &o);
        assert_int_equal(o.kind, HB_ORDER_DONE);
        fake_plain(&f, &hb_view_guest);
        fake_has(&f, "Page 17: its score is below the threshold's cut.");
        fake_has(&f, "score: -0.3500; from 0.1200 on pages are fetched");
        fake_has(&f, "1203 of 5400 candidates are ahead of it");
        fake_has(&f, "policy scorer; term gain; value 0.5100");
        key(&f, HB_DO_BACK, HB_ORDER_DONE);
        assert_string_equal(f.memory.detail, "");
        key(&f, HB_DO_BACK, HB_ORDER_NONE);
        fake_free(&f);
}

static void test_explain_refused(void **state) {
        static const char *const wrong[] = {"131072", "-1", "", "abc", "17x", "99999999999999999999"};
        struct fake f;
        struct hb_order o;

        usual(&f, "vm1");
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                fake_act(&f, &hb_view_guest, HB_DO_EXPLAIN, "", FAKE_ANSWERS(wrong[i]), &o);
                assert_int_equal(o.kind, HB_ORDER_SAY);
        }
        strcpy(f.memory.subject, "vm4");
        fake_act(&f, &hb_view_guest, HB_DO_EXPLAIN, "", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_SAY);
        strcpy(f.memory.subject, "vm1");
        json_object_del(f.answers[1], "policy.explain");
        strcpy(f.memory.detail, "explain 5");
        fake_plain(&f, &hb_view_guest);
        fake_has(&f, "Page 5: the fake does not know policy.explain. Next: ask somebody else");
        fake_free(&f);
}

static void test_keys(void **state) {
        struct fake f;

        usual(&f, "vm1");
        fake_act_all(&f, &hb_view_guest, FAKE_ANSWERS("", "vm1"));
        fake_free(&f);
}

static void test_spoilt(void **state) {
        uint32_t seed = 31;

        for (unsigned n = 0; n < 40; n++) {
                struct fake f, g;

                fake_new(&f);
                usual(&g, "");
                for (unsigned i = 0; i < 2; i++) {
                        json_t *tick = fake_spoil(g.tick[i], &seed, 5);

                        fake_add(&f, tick, fake_spoil(g.answers[i], &seed, 5));
                }
                f.memory.plane = n % 4;
                strcpy(f.memory.subject, n % 3 ? "vm1" : "vm4");
                if (n % 2)
                        strcpy(f.memory.detail, "explain 9");
                fake_turn(&f);
                fake_plain(&f, &hb_view_guest);
                fake_painted(&f, &hb_view_guest, 40 + n * 4, 10 + n);
                fake_free(&f);
                fake_free(&g);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fits),
                cmocka_unit_test(test_zoom),
                cmocka_unit_test(test_cursor),
                cmocka_unit_test(test_any_way),
                cmocka_unit_test(test_classes),
                cmocka_unit_test(test_heat),
                cmocka_unit_test(test_pictures),
                cmocka_unit_test(test_beside),
                cmocka_unit_test(test_no_map),
                cmocka_unit_test(test_explain),
                cmocka_unit_test(test_explain_refused),
                cmocka_unit_test(test_keys),
                cmocka_unit_test(test_spoilt),
        };

        return cmocka_run_group_tests_name("guest", tests, NULL, NULL);
}
