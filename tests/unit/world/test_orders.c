/* Orders: each is answered once, whatever becomes of the daemon. */
#include "world_rig.h"

#define TOO_LONG 70000

struct heard {
        struct rig *r;
        unsigned progress, done;
        int number, code;
        json_int_t n;
        bool again, drop;
        unsigned seat;
};

static void on_progress(void *arg, int number, const json_t *p) {
        struct heard *h = arg;

        h->progress++;
        h->n = json_integer_value(json_object_get(p, "n"));
}

static void on_done(void *arg, int number, const json_t *result, const struct hb_err *e) {
        struct heard *h = arg;
        struct hb_order_use u = {on_progress, on_done, h};

        h->done++;
        h->number = number;
        h->code = e ? e->code : 0;
        h->n = json_integer_value(json_object_get(result, "n"));
        assert_true(!result || !e);
        if (h->drop)
                hb_world_drop(h->r->w, h->seat);
        if (!h->again)
                return;
        h->again = false;
        hb_world_order(h->r->w, h->seat, "unplace", NULL, &u, NULL);
}

static int order(struct heard *h, const char *cmd) {
        struct hb_order_use u = {on_progress, on_done, h};

        return hb_world_order(h->r->w, h->seat, cmd, json_pack("{s:s}", "guest", "vm1"), &u, NULL);
}

static void test_answered_once(void **state) {
        struct rig r;
        struct heard h = {&r};
        int number, id;

        rig_begin(&r);
        h.seat = rig_seat(&r);
        number = order(&h, "migrate");
        assert_true(number > 0);
        rig_pump(&r);
        id = rig_asked(&r, h.seat, "migrate");
        assert_true(id > 0);
        rig_answer(&r, h.seat, id, "'progress':{'n':4}");
        assert_int_equal(h.progress, 1);
        assert_int_equal(h.n, 4);
        rig_answer(&r, h.seat, id, "'ok':true,'result':{'n':9}");
        assert_int_equal(h.done, 1);
        assert_int_equal(h.number, number);
        assert_int_equal(h.n, 9);
        rig_answer(&r, h.seat, id, "'ok':true,'result':{'n':10}"); /* twice: nobody waits */
        assert_int_equal(h.done, 1);
        assert_true(order(&h, "place") > number);
        id = rig_asked(&r, h.seat, "place");
        rig_answer(&r, h.seat, id, "'ok':false,'error':{'code':'EBUSY','what':'x'}");
        assert_int_equal(h.code, -EBUSY);
        order(&h, "place");
        rig_answer(&r, h.seat, rig_asked(&r, h.seat, "place"), "'ok':'perhaps'");
        assert_int_equal(h.done, 3);
        assert_int_equal(h.code, -EPROTO);
        rig_end(&r);
}

/* Sixteen are taken, fifteen go at once (the watch is the sixteenth there), the next is refused. */
static void test_sixteen(void **state) {
        struct rig r;
        struct heard h[17] = {{0}};
        int id[16];
        struct hb_err e;
        struct hb_order_use u = {NULL, on_done, &h[16]};
        unsigned seat;

        rig_begin(&r);
        seat = rig_seat(&r);
        for (unsigned i = 0; i < 17; i++) {
                h[i] = (struct heard){.r = &r, .seat = seat};
                if (i < 16)
                        assert_true(order(&h[i], "unplace") > 0);
        }
        assert_int_equal(hb_world_order(r.w, seat, "unplace", NULL, &u, &e), -EBUSY);
        assert_true(e.next[0]);
        for (unsigned i = 0; i < 15; i++) {
                id[i] = rig_asked(&r, seat, "unplace");
                assert_true(id[i] > 0);
        }
        assert_int_equal(rig_asked(&r, seat, "unplace"), 0);
        rig_answer(&r, seat, id[7], "'ok':true,'result':{}");
        assert_int_equal(h[7].done, 1);
        id[15] = rig_asked(&r, seat, "unplace");
        assert_true(id[15] > 0);
        for (unsigned i = 0; i < 16; i++) /* the other way round */
                if (i != 8)
                        rig_answer(&r, seat, id[15 - i], "'ok':true,'result':{}");
        for (unsigned i = 0; i < 16; i++)
                assert_int_equal(h[i].done, 1);
        rig_end(&r);
}

static void test_the_connection_goes(void **state) {
        struct rig r;
        struct heard h[16] = {{0}}, late = {&r};
        unsigned seat;

        rig_begin(&r);
        seat = rig_seat(&r);
        for (unsigned i = 0; i < 16; i++) {
                h[i] = (struct heard){.r = &r, .seat = seat};
                h[i].again = i == 3; /* gives another one at once: there is nobody to give it to */
                assert_true(order(&h[i], "unplace") > 0);
        }
        rig_hang_up(&r, seat);
        for (unsigned i = 0; i < 16; i++) {
                assert_int_equal(h[i].done, 1);
                assert_int_equal(h[i].code, -ECONNRESET);
        }
        late.seat = seat;
        assert_int_equal(order(&late, "unplace"), -ENOTCONN);
        assert_int_equal(late.done, 0);
        rig_end(&r);
}

static void test_from_inside(void **state) {
        struct rig r;
        struct heard h = {&r};

        rig_begin(&r);
        h.seat = rig_seat(&r);
        h.again = true;
        order(&h, "place");
        rig_answer(&r, h.seat, rig_asked(&r, h.seat, "place"), "'ok':true,'result':{}");
        assert_int_equal(h.done, 1);
        h.drop = true;
        rig_answer(&r, h.seat, rig_asked(&r, h.seat, "unplace"), "'ok':true,'result':{}");
        assert_int_equal(h.done, 2);
        assert_null(hb_world_seat(r.w, h.seat));
        rig_end(&r);
}

static void test_forgotten_and_refused(void **state) {
        struct rig r;
        struct heard h = {&r};
        char *huge = calloc(1, TOO_LONG);
        struct hb_order_use u = {NULL, on_done, &h};
        struct hb_err e;
        int number;

        rig_begin(&r);
        h.seat = rig_seat(&r);
        number = order(&h, "place");
        hb_world_forget(r.w, number);
        hb_world_forget(r.w, 12345);
        hb_world_forget(r.w, 0);
        rig_answer(&r, h.seat, rig_asked(&r, h.seat, "place"), "'ok':true,'result':{}");
        assert_int_equal(h.done, 0);
        memset(huge, 'x', TOO_LONG - 1);
        assert_int_equal(hb_world_order(r.w, h.seat, "place", json_pack("{s:s}", "guest", huge), &u, &e),
                         -EMSGSIZE);
        assert_int_equal(hb_world_order(r.w, h.seat, huge, NULL, &u, &e), -EINVAL);
        assert_int_equal(hb_world_order(r.w, 99, "place", NULL, &u, &e), -ENOTCONN);
        number = order(&h, "place");
        hb_world_drop(r.w, h.seat);
        assert_int_equal(h.done, 1);
        assert_int_equal(h.code, -ECONNRESET);
        free(huge);
        rig_end(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answered_once),         cmocka_unit_test(test_sixteen),
                cmocka_unit_test(test_the_connection_goes),   cmocka_unit_test(test_from_inside),
                cmocka_unit_test(test_forgotten_and_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
