/* What several daemons say of guests, put together. */
#include "world_rig.h"

/* A tick of host `name` with these members. */
static void host(struct rig *r, unsigned seat, const char *name, const char *guests, const char *incoming,
                 const char *handovers) {
        char text[4096];

        snprintf(text, sizeof(text), "'host':'%s','guests':[%s],'incoming':[%s],'handovers':[%s]", name,
                 guests, incoming, handovers);
        rig_tick(r, seat, text);
}

static const struct hb_guest_seen *only(struct rig *r) {
        const struct hb_guest_seen *s;

        assert_int_equal(hb_world_guests(r->w, &s), 1);
        assert_ptr_equal(hb_world_guest(r->w, s->id), s);
        return s;
}

/* "id id id" */
static void expect_ids(struct rig *r, const char *ids) {
        const struct hb_guest_seen *s;
        unsigned n = hb_world_guests(r->w, &s);
        char text[512] = "";

        for (unsigned i = 0; i < n; i++) {
                if (i)
                        strcat(text, " ");
                strcat(text, s[i].id);
                assert_ptr_equal(hb_world_guest(r->w, s[i].id), &s[i]);
        }
        assert_string_equal(text, ids);
}

#define PLACED(name, id, to)   "{'name':'" name "','placement':{'id':'" id "','to':'" to "'}}"
#define COMING(name, id, from) "{'id':'" id "','guest':'" name "','from':'" from "'}"

static void test_one_placed_on_another(void **state) {
        const struct hb_guest_seen *s;
        struct rig r;
        unsigned a, b;

        rig_begin(&r);
        a = rig_seat(&r);
        b = rig_seat(&r);
        host(&r, a, "a", PLACED("vm1", "11", "b"), "",
             "{'guest':'vm1','role':'source','peer':'b','state':'x'}");
        s = only(&r);
        assert_string_equal(s->id, "vm1");
        assert_int_equal(s->seat, a);
        assert_int_equal(s->target, HB_NO_SEAT);
        assert_null(s->incoming);
        host(&r, b, "b", "", COMING("vm1", "11", "a"),
             "{'guest':'vm1','role':'target','peer':'a','state':'y'}");
        s = only(&r);
        assert_int_equal(s->seat, a);
        assert_int_equal(s->target, b);
        assert_string_equal(json_string_value(json_object_get(s->incoming, "from")), "a");
        assert_string_equal(json_string_value(json_object_get(s->handover, "state")), "x"); /* the source's */
        assert_ptr_equal(hb_world_guest(r.w, "vm1@a"), s);
        assert_ptr_equal(hb_world_guest(r.w, "vm1@b"), s);
        assert_null(hb_world_guest(r.w, "vm1@c"));
        assert_null(hb_world_guest(r.w, "vm"));
        rig_end(&r);
}

/* The daemon's own words for a peer may be other than the peer's name: the placement's id decides. Without
 * ids the names of both hosts do. */
static void test_by_id_and_by_names(void **state) {
        struct rig r;
        unsigned a, b;

        rig_begin(&r);
        a = rig_seat(&r);
        b = rig_seat(&r);
        host(&r, a, "a", PLACED("vm1", "11", "the-other-one"), "", "");
        host(&r, b, "b", "", COMING("vm1", "11", "whoever"), "");
        assert_int_equal(only(&r)->target, b);
        host(&r, a, "a", PLACED("vm1", "", "b"), "", "");
        host(&r, b, "b", "", COMING("vm1", "", "a"), "");
        assert_int_equal(only(&r)->target, b);
        /* Another placement's image, left over from this very source: no guest, and not this one's image. */
        host(&r, a, "a", PLACED("vm1", "22", "b"), "", "");
        host(&r, b, "b", "", COMING("vm1", "11", "a"), "");
        assert_int_equal(only(&r)->target, HB_NO_SEAT);
        assert_null(only(&r)->incoming);
        rig_end(&r);
}

static void test_one_that_just_moved(void **state) {
        struct rig r;
        unsigned a, b;

        rig_begin(&r);
        a = rig_seat(&r);
        b = rig_seat(&r);
        host(&r, a, "a", PLACED("vm1", "11", "b"), "",
             "{'guest':'vm1','role':'source','peer':'b','state':'s-finish'}");
        host(&r, b, "b", "{'name':'vm1','placement':null}", COMING("vm1", "11", "a"), "");
        assert_int_equal(only(&r)->seat, b); /* both still list it: one guest, where it is now */
        assert_null(only(&r)->incoming);
        assert_string_equal(json_string_value(json_object_get(only(&r)->handover, "state")), "s-finish");
        host(&r, a, "a", "{'name':'vm1','state':'gone'}", "", "");
        assert_int_equal(only(&r)->seat, b);
        host(&r, a, "a", "", "", "");
        assert_int_equal(only(&r)->seat, b);
        rig_wait(&r, 1); /* placed back to where it came from, a's word is from before */
        host(&r, a, "a", PLACED("vm1", "11", "b"), "", "");
        rig_wait(&r, 1);
        host(&r, b, "b", PLACED("vm1", "33", "a"), "", "");
        assert_int_equal(only(&r)->seat, b);
        rig_end(&r);
}

static void test_two_of_one_name(void **state) {
        const struct hb_guest_seen *s;
        struct rig r;
        unsigned a, b, c;

        rig_begin(&r);
        a = rig_seat(&r);
        b = rig_seat(&r);
        c = rig_seat(&r);
        host(&r, a, "a", PLACED("vm1", "11", "c") ",{'name':'vm10'},{'name':'vm0'}", "", "");
        host(&r, b, "b", "{'name':'vm1'}", "", "");
        host(&r, c, "c", "", COMING("vm1", "11", "a"), "");
        expect_ids(&r, "vm0 vm10 vm1@a vm1@b");
        assert_int_equal(hb_world_guest(r.w, "vm1@a")->target, c);
        assert_int_equal(hb_world_guest(r.w, "vm1@b")->target, HB_NO_SEAT);
        assert_null(hb_world_guest(r.w, "vm1")); /* which one? */
        host(&r, b, "b", "", "", "");
        expect_ids(&r, "vm0 vm1 vm10");
        assert_int_equal(hb_world_guest(r.w, "vm1@a")->seat, a); /* selected before, found again */
        assert_null(hb_world_guest(r.w, "vm1@b"));               /* never the other one */
        hb_world_drop(r.w, a);
        assert_int_equal(hb_world_guests(r.w, &s), 1);
        assert_int_equal(s->seat, HB_NO_SEAT); /* still coming to c */
        assert_int_equal(s->target, c);
        rig_end(&r);
}

static void test_one_from_elsewhere(void **state) {
        struct rig r;
        unsigned b, c;

        rig_begin(&r);
        b = rig_seat(&r);
        c = rig_seat(&r);
        host(&r, b, "b", "", COMING("mail", "11", "x"), "");
        host(&r, c, "c", "{'name':'mail'}", COMING("late", "12", "y"),
             "{'guest':'cold','role':'target','peer':'z'}");
        expect_ids(&r, "cold late mail@b mail@c");
        assert_int_equal(hb_world_guest(r.w, "mail@b")->seat, HB_NO_SEAT);
        assert_int_equal(hb_world_guest(r.w, "mail@c")->seat, c);
        assert_null(hb_world_guest(r.w, "mail@c")->incoming);
        assert_non_null(hb_world_guest(r.w, "cold")->handover);
        rig_end(&r);
}

static void test_what_is_no_guest(void **state) {
        struct rig r;
        unsigned a;

        rig_begin(&r);
        a = rig_seat(&r);
        host(&r, a, "a",
             "1,null,[],'vm',{},{'name':7},{'name':''},{'name':'a b'},{'name':'../x'},{'name':'x@y'},"
             "{'name':'ok','placement':7,'handover':[],'ram_bytes':'much'},{'name':'ok','second':1}",
             "1,{'guest':'ok'},{'guest':{}},{'guest':'in','from':9,'id':[]}", "{},{'guest':null}");
        expect_ids(&r, "in ok");
        assert_null(json_object_get(hb_world_guest(r.w, "ok")->guest, "second"));
        assert_null(hb_world_guest(r.w, "ok")->handover);
        rig_tick(&r, a,
                 "'host':[],'guests':{'a':1},'incoming':true,'handovers':'none','time':'now','replay':1");
        expect_ids(&r, "");
        rig_end(&r);
}

static void test_many(void **state) {
        size_t size = 6u << 20, n = 0;
        char *text = malloc(size);
        const struct hb_guest_seen *s;
        struct rig r;
        unsigned a;

        rig_begin(&r);
        a = rig_seat(&r);
        n += (size_t)snprintf(text, size, "'host':'a','guests':[{'name':'first'}");
        for (unsigned i = 0; i < 100000; i++)
                n += (size_t)snprintf(text + n, size - n, ",{'name':'g%u'}", 99999 - i);
        snprintf(text + n, size - n, "]");
        rig_tick(&r, a, text);
        assert_int_equal(hb_world_guests(r.w, &s), HB_WORLD_GUESTS);
        for (unsigned i = 1; i < HB_WORLD_GUESTS; i++)
                assert_true(strcmp(s[i - 1].id, s[i].id) < 0);
        assert_non_null(hb_world_guest(r.w, "first"));
        free(text);
        rig_end(&r);
}

/* One name on every seat there can be, running, coming and being moved. */
static void test_everywhere(void **state) {
        const struct hb_guest_seen *s;
        struct rig r;
        char name[16];

        rig_begin(&r);
        for (unsigned i = 0; i < HB_WORLD_SEATS; i++) {
                unsigned seat = rig_seat(&r);

                snprintf(name, sizeof(name), "h%u", i);
                host(&r, seat, name, i % 2 ? PLACED("vm", "1", "nowhere") : "",
                     COMING("vm", "2", "x") "," COMING("vm", "3", "y"), "{'guest':'vm','role':'target'}");
        }
        assert_int_equal(hb_world_guests(r.w, &s), HB_WORLD_SEATS);
        for (unsigned i = 1; i < HB_WORLD_SEATS; i++)
                assert_true(strcmp(s[i - 1].id, s[i].id) < 0);
        rig_end(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_placed_on_another),
                cmocka_unit_test(test_by_id_and_by_names),
                cmocka_unit_test(test_one_that_just_moved),
                cmocka_unit_test(test_two_of_one_name),
                cmocka_unit_test(test_one_from_elsewhere),
                cmocka_unit_test(test_what_is_no_guest),
                cmocka_unit_test(test_many),
                cmocka_unit_test(test_everywhere),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
