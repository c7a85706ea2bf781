/* What a view asks beyond the ticks: asked once, kept while somebody looks. */
#include "world_rig.h"

static const json_t *map(struct rig *r, unsigned seat, const char *guest, double age,
                         const struct hb_err **e) {
        return hb_world_detail(r->w, seat, "guest.map", json_pack("{s:s}", "guest", guest), age, e, NULL);
}

static void test_asked_once(void **state) {
        const struct hb_err *e;
        const json_t *v;
        double age = -1;
        struct rig r;
        unsigned a;
        int id;

        rig_begin(&r);
        a = rig_seat(&r);
        for (unsigned i = 0; i < 5; i++) {
                assert_null(map(&r, a, "vm1", 1, &e));
                assert_null(e);
        }
        id = rig_asked(&r, a, "guest.map");
        assert_true(id > 0);
        assert_int_equal(rig_asked(&r, a, "guest.map"), 0); /* one in flight */
        r.changed = false;
        rig_answer(&r, a, id, "'ok':true,'result':{'n':1}");
        assert_true(r.changed);
        v = map(&r, a, "vm1", 1, &e);
        assert_int_equal(json_integer_value(json_object_get(v, "n")), 1);
        assert_null(e);
        assert_null(map(&r, a, "vm2", 1, &e)); /* another question */
        assert_true(rig_asked(&r, a, "guest.map") > 0);
        rig_wait(&r, 0.5);
        hb_world_detail(r.w, a, "guest.map", json_pack("{s:s}", "guest", "vm1"), 1, NULL, &age);
        assert_true(age == 0.5);
        assert_int_equal(rig_asked(&r, a, "guest.map"), 0); /* young enough */
        rig_wait(&r, 0.6);
        assert_ptr_equal(map(&r, a, "vm1", 1, &e), v); /* the old one, until the new one is there */
        id = rig_asked(&r, a, "guest.map");
        assert_true(id > 0);
        rig_answer(&r, a, id, "'ok':true,'result':{'n':2}");
        assert_int_equal(json_integer_value(json_object_get(map(&r, a, "vm1", 1, &e), "n")), 2);
        hb_world_details_old(r.w, a);
        map(&r, a, "vm1", 1000, &e);
        assert_true(rig_asked(&r, a, "guest.map") > 0);
        rig_end(&r);
}

static void test_no_answer_is_kept(void **state) {
        const struct hb_err *e;
        struct rig r;
        unsigned a;
        int id;

        rig_begin(&r);
        a = rig_seat(&r);
        assert_null(map(&r, a, "vm1", 0, &e));
        id = rig_asked(&r, a, "guest.map");
        rig_answer(&r, a, id,
                   "'ok':false,'error':{'code':'ENOENT','what':'no such guest','which':'vm1','next':'look'}");
        assert_null(map(&r, a, "vm1", 0, &e));
        assert_int_equal(e->code, -ENOENT);
        assert_string_equal(e->what, "no such guest");
        rig_wait(&r, 0.5);
        map(&r, a, "vm1", 0, &e);
        assert_int_equal(rig_asked(&r, a, "guest.map"), 0); /* not in a loop */
        rig_wait(&r, 0.6);
        map(&r, a, "vm1", 0, &e);
        id = rig_asked(&r, a, "guest.map");
        assert_true(id > 0);
        rig_answer(&r, a, id, "'ok':true,'result':7"); /* no object: not this language */
        assert_null(map(&r, a, "vm1", 0, &e));
        assert_int_equal(e->code, -EPROTO);
        rig_wait(&r, 2);
        map(&r, a, "vm1", 0, &e);
        id = rig_asked(&r, a, "guest.map");
        rig_wait(&r, 4); /* it does not come: said, but waited for */
        rig_tick(&r, a, "'host':'a'");
        rig_wait(&r, 4);
        rig_tick(&r, a, "'host':'a'");
        rig_wait(&r, 4);
        rig_tick(&r, a, "'host':'a'");
        map(&r, a, "vm1", 0, &e);
        assert_int_equal(e->code, -ETIMEDOUT);
        rig_answer(&r, a, id, "'ok':true,'result':{'n':3}");
        assert_non_null(map(&r, a, "vm1", 1, &e));
        assert_null(e);
        rig_end(&r);
}

static void test_lost_with_the_connection(void **state) {
        const struct hb_err *e;
        struct rig r;
        unsigned a, b;

        rig_begin(&r);
        a = rig_seat(&r);
        b = rig_seat(&r);
        map(&r, a, "vm1", 1, &e);
        rig_answer(&r, a, rig_asked(&r, a, "guest.map"), "'ok':true,'result':{'n':1}");
        map(&r, a, "vm2", 1, &e);
        map(&r, b, "vm2", 1, &e);
        rig_hang_up(&r, a);
        assert_null(map(&r, a, "vm2", 1, &e));
        assert_int_equal(e->code, -ECONNRESET);
        assert_non_null(map(&r, a, "vm1", 1, &e)); /* the best there is */
        assert_int_equal(e->code, -ECONNRESET);
        assert_null(map(&r, a, "vm3", 1, &e));
        assert_int_equal(e->code, -ENOTCONN);
        assert_null(map(&r, b, "vm2", 1, &e)); /* another host's is not touched */
        assert_null(e);
        assert_null(map(&r, 7, "vm2", 1, &e)); /* no such seat */
        assert_null(e);
        hb_world_drop(r.w, b);
        assert_null(map(&r, b, "vm2", 1, &e));
        rig_end(&r);
}

/* No more than four at a time, the longest unused makes room, and never one that is being shown. */
static void test_bounds(void **state) {
        const struct hb_err *e;
        const json_t *first;
        char name[16];
        struct rig r;
        unsigned a, asked;
        int id;

        rig_begin(&r);
        a = rig_seat(&r);
        for (unsigned i = 0; i < 9; i++) {
                snprintf(name, sizeof(name), "g%u", i);
                map(&r, a, name, 1, &e);
        }
        for (asked = 0; (id = rig_asked(&r, a, "guest.map")) > 0; asked++)
                rig_answer(&r, a, id, "'ok':true,'result':{}");
        assert_int_equal(asked, 4);
        first = map(&r, a, "g0", 1000, &e);
        assert_non_null(first);
        for (unsigned i = 0; i < 100; i++) {
                snprintf(name, sizeof(name), "h%u", i);
                assert_null(map(&r, a, name, 1000, &e));
        }
        assert_ptr_equal(map(&r, a, "g0", 1000, &e), first);
        while ((id = rig_asked(&r, a, "guest.map")) > 0)
                rig_answer(&r, a, id, "'ok':true,'result':{}");
        for (unsigned i = 0; i < 31; i++) { /* nobody looks any more */
                rig_wait(&r, 1);
                rig_tick(&r, a, "'host':'a'");
        }
        assert_null(map(&r, a, "g0", 1000, &e));
        assert_true(rig_asked(&r, a, "guest.map") > 0);
        rig_end(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_asked_once),
                cmocka_unit_test(test_no_answer_is_kept),
                cmocka_unit_test(test_lost_with_the_connection),
                cmocka_unit_test(test_bounds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
