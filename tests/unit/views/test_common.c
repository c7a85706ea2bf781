/* What the views with a guest share: how ready it is and why not, and the orders that its keys make. */
#include "two_hosts.h"
#include "views/common.h"
#include <math.h>
#include <stdio.h>

/* ---- readiness ---- */

static struct hb_readiness judged(const char *guest, const char *incoming, const char *handover) {
        json_t *g = guest ? fake_json(guest) : NULL, *in = incoming ? fake_json(incoming) : NULL,
               *h = handover ? fake_json(handover) : NULL;
        struct hb_guest_seen s = {.id = "vm1",
                                  .name = "vm1",
                                  .seat = g ? 0 : HB_NO_SEAT,
                                  .guest = g,
                                  .target = in ? 1 : HB_NO_SEAT,
                                  .incoming = in,
                                  .handover = h};
        struct hb_readiness r;

        hb_view_readiness(&s, &r);
        json_decref(g);
        json_decref(in);
        json_decref(h);
        return r;
}

static void is(const char *guest, const char *incoming, const char *handover, const char *word, char sign,
               const char *why) {
        struct hb_readiness r = judged(guest, incoming, handover);

        assert_string_equal(r.word, word);
        assert_int_equal(r.sign, sign);
        if (why && !strstr(r.why, why))
                fail_msg("\"%s\" is not in \"%s\"", why, r.why);
        if (!why)
                assert_string_equal(r.why, "");
}

static void test_words(void **state) {
        is("{'placement':null}", NULL, NULL, "not placed", '-', "place it on a host");
        is("{'state':'attaching'}", NULL, NULL, "attaching", '~', "attaching");
        is("{'state':'gone','placement':{'state':'ready'}}", NULL, NULL, "gone", 'x', "guest detach");
        is("{'can_move':false,'cannot_move':'vfio','placement':{'state':'ready'}}", NULL, NULL, "cannot move",
           'x', "vfio");
        is("{'placement':{'state':'ready','trend':'stalled'}}", NULL, NULL, "ready", '+', NULL);
        is("{'placement':{'state':'lost','to':'b','error':{'what':'refused','next':'start it'}}}", NULL, NULL,
           "lost", 'x', "no link to b: refused; start it");
        is("{'placement':{'state':'connecting','to':'b'}}", NULL, NULL, "connecting", '~', "no link to b");
        is("{'placement':{'state':'draining'}}", NULL, NULL, "moving", '>', "last pages");
        is("{'placement':{'state':'new word'}}", NULL, NULL, "unknown", '?', "new word");
        is("{'placement':{}}", NULL, NULL, "unknown", '?', "does not say");
        is(NULL, "{'state':'ready','from':'a'}", NULL, "ready", '+', NULL);
        is(NULL, "{'state':'lost','from':'a'}", NULL, "lost", 'x', "no link from its source");
}

static void test_moving(void **state) {
        static const char ready[] = "{'placement':{'state':'ready'}}";

        is(ready, NULL,
           "{'role':'source','state':'s-converge','state_text':'bringing the rest down',"
           "'progress':{'remaining_bytes':1048576,'rate_bytes_per_s':2097152}}",
           "moving", '>', "bringing the rest down; 1.0 MiB left, 2.0 MiB/s come");
        is(ready, NULL, "{'state':'s-abort','error':{'what':'no VMM','next':'look at b'}}", "moving", '>',
           "being given up: no VMM; look at b");
        is(ready, NULL, "{'state':'s-done'}", "ready", '+', NULL); /* it has ended */
        is(ready, NULL, "{'state':'s-aborted'}", "ready", '+', NULL);
}

#define FILLING(more) "{'placement':{'state':'filling','to':'b'," more "}}"

static void test_why(void **state) {
        is(FILLING("'trend':'stalled','rate_bytes_per_s':95000000,'dirty_bytes_per_s':200000000,"
                   "'link':{'cap_bytes_per_s':100000000}"),
           NULL, NULL, "stalled", '!', "raise [transport] cap_bytes_per_s");
        is(FILLING("'trend':'stalled','rate_bytes_per_s':95000000,'dirty_bytes_per_s':200000000,"
                   "'link':{'cap_bytes_per_s':0,'used_share':0.97}"),
           NULL, NULL, "stalled", '!', "the link is full");
        is(FILLING("'trend':'stalled','rate_bytes_per_s':1000000,'dirty_bytes_per_s':200000000"), NULL, NULL,
           "stalled", '!', "the guest writes 191 MiB/s, only 977 KiB/s come");
        is(FILLING("'trend':'stalled','rate_bytes_per_s':0,'above_threshold':256"), NULL, NULL, "stalled",
           '!', "nothing comes although 1.0 MiB are worth fetching");
        is(FILLING("'trend':'stalled','rate_bytes_per_s':9000000,'dirty_bytes_per_s':2000000,'pages':100,"
                   "'wasted_pages':60"),
           NULL, NULL, "stalled", '!',
           "240 KiB of 400 KiB fetched were overwritten before use; try another scorer");
        is(FILLING("'trend':'stalled','rate_bytes_per_s':1000000,'dirty_bytes_per_s':2000000,'pages':100,"
                   "'wasted_pages':60"),
           NULL, NULL, "stalled", '!',
           "the guest writes 1.9 MiB/s, only 977 KiB/s come, and 240 KiB of 400 KiB fetched were");
        is(FILLING("'trend':'stalled'"), "{'state':'filling','no_room':true}", NULL, "stalled", '!',
           "image_dir is full");
        is(FILLING("'trend':'stalled'"), "{'spill':{'state':'full'}}", NULL, "stalled", '!',
           "disk for spilled pages is full");
        is(FILLING("'trend':'converging','stale_pages':256,'rate_bytes_per_s':1048576,'dirty_bytes_per_s':"
                   "1024,"
                   "'estimate':{'time_to_ready_s':1.0}"),
           NULL, NULL, "filling", '~',
           "1.0 MiB left, 1.0 MiB/s come, the guest writes 1.0 KiB/s; ready in about "
           "1.0 s");
        is(FILLING("'trend':'unknown'"), NULL, NULL, "filling", '~', "- left");
}

static void test_share(void **state) {
        assert_true(
                judged("{'placement':{'state':'ready','fresh_pages':50,'resident_pages':100}}", NULL, NULL)
                        .share == 0.5);
        assert_true(
                judged("{'placement':{'state':'ready','fresh_pages':150,'resident_pages':100}}", NULL, NULL)
                        .share == 1);
        assert_true(isnan(judged("{'placement':{'state':'ready','resident_pages':0}}", NULL, NULL).share));
        assert_true(isnan(judged("{'placement':{'fresh_pages':-1,'resident_pages':100}}", NULL, NULL).share));
        assert_true(
                judged("{'placement':{'state':'filling'}}", "{'fresh_pages':25,'resident_pages':100}", NULL)
                        .share == 0.25);
}

/* ---- orders ---- */

static struct hb_order acted(struct fake *f, enum hb_action a, const char *guest,
                             const char *const *answers) {
        struct hb_order o;

        fake_act(f, &hb_view_overview, a, guest, answers, &o);
        return o;
}

static void args_are(const struct hb_order *o, const char *json) {
        json_t *expected = fake_json(json);

        if (!json_equal(o->args, expected))
                fail_msg("%s: the arguments are %s", o->cmd, json_dumps(o->args, 0));
        json_decref(expected);
}

static void test_place(void **state) {
        struct hb_order o;
        struct fake f;

        fake_new(&f);
        two_hosts(&f);
        o = acted(&f, HB_DO_PLACE, "vm4", NULL);
        assert_int_equal(o.kind, HB_ORDER_ASK);
        assert_int_equal(o.nchoices, 1);
        assert_string_equal(o.choices[0], "b");
        assert_string_equal(o.initial, "b");
        hb_order_fini(&o);
        o = acted(&f, HB_DO_PLACE, "vm4", FAKE_ANSWERS("b"));
        assert_int_equal(o.kind, HB_ORDER_CALL);
        assert_int_equal(o.seat, 0);
        assert_string_equal(o.cmd, "place");
        assert_string_equal(
                o.text,
                "keep vm4 ready on b: of its 384 MiB what is worth it is sent, and again as it changes");
        args_are(&o, "{'guest':'vm4','host':'b'}");
        hb_order_fini(&o);
        o = acted(&f, HB_DO_PLACE, "vm4", FAKE_ANSWERS("c"));
        assert_int_equal(o.kind, HB_ORDER_SAY);
        assert_non_null(strstr(o.text, "a knows no host c"));
        o = acted(&f, HB_DO_PLACE, "vm4", FAKE_ANSWERS(""));
        assert_int_equal(o.kind, HB_ORDER_SAY);
        o = acted(&f, HB_DO_PLACE, "vm1", NULL);
        assert_string_equal(o.text, "vm1 is placed on b already. Unplace it first to choose another.");
        o = acted(&f, HB_DO_UNPLACE, "vm1", NULL);
        assert_string_equal(o.cmd, "unplace");
        assert_string_equal(o.confirm, "vm1");
        args_are(&o, "{'guest':'vm1'}");
        hb_order_fini(&o);
        o = acted(&f, HB_DO_UNPLACE, "vm4", NULL);
        assert_int_equal(o.kind, HB_ORDER_SAY);
        fake_free(&f);
}

static void test_migrate(void **state) {
        struct hb_order o;
        struct fake f;

        fake_new(&f);
        two_hosts(&f);
        o = acted(&f, HB_DO_MIGRATE, "vm1", NULL);
        assert_string_equal(o.cmd, "migrate");
        assert_string_equal(o.confirm, "vm1");
        assert_true(o.long_running);
        assert_string_equal(o.text,
                            "move vm1 from a to b: ready; stops it for about 34 ms, 1.2 MiB are sent then");
        args_are(&o, "{'guest':'vm1','host':'b'}");
        hb_order_fini(&o);
        o = acted(&f, HB_DO_MIGRATE, "vm2", NULL);
        assert_non_null(strstr(o.text, "NOT READY (stalled, 224 MiB left): estimated to stop it for 2.5 s"));
        hb_order_fini(&o);
        o = acted(&f, HB_DO_MIGRATE, "vm4", NULL);
        assert_int_equal(o.kind, HB_ORDER_ASK);
        o = acted(&f, HB_DO_MIGRATE, "vm4", FAKE_ANSWERS("b"));
        assert_non_null(strstr(o.text, "NOT PLACED: all of its 384 MiB are sent first"));
        assert_string_equal(o.confirm, "vm4");
        hb_order_fini(&o);
        o = acted(&f, HB_DO_ESTIMATE, "vm1", NULL);
        assert_int_equal(o.kind, HB_ORDER_GO);
        assert_int_equal(o.view, HB_VIEW_MIGRATION);
        assert_string_equal(o.subject, "vm1");
        o = acted(&f, HB_DO_ABORT, "vm1", NULL);
        assert_string_equal(o.text, "vm1 is not being moved: there is nothing to abort.");
        fake_free(&f);
}

/* A hand-over can be undone until the guest is released; nothing else is ordered meanwhile. */
static void test_abort(void **state) {
        static const struct {
                const char *state;
                enum hb_order_kind kind;
        } rows[] = {{"s-converge", HB_ORDER_CALL}, {"s-loaded", HB_ORDER_CALL}, {"s-commit", HB_ORDER_SAY},
                    {"s-doubt", HB_ORDER_SAY},     {"s-done", HB_ORDER_SAY},    {"s-new", HB_ORDER_SAY}};

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                json_t *a = two_host("a", "b", LINK_UP);
                struct hb_order o;
                struct fake f;

                fake_new(&f);
                two_give(a, "guests", two_placed("vm1", "draining", READY_COUNTS));
                two_give(a, "handovers",
                         json_pack("{s:s,s:s,s:s,s:s,s:s,s:n}", "guest", "vm1", "role", "source", "peer", "b",
                                   "state", rows[i].state, "state_text", "in words", "progress"));
                fake_add(&f, a, NULL);
                fake_turn(&f);
                o = acted(&f, HB_DO_ABORT, "vm1", NULL);
                assert_int_equal(o.kind, rows[i].kind);
                if (o.kind == HB_ORDER_CALL) {
                        assert_string_equal(o.cmd, "migrate.abort");
                        assert_string_equal(o.confirm, "y");
                        hb_order_fini(&o);
                        o = acted(&f, HB_DO_UNPLACE, "vm1", NULL);
                        assert_string_equal(o.text, "vm1 is being moved: in words.");
                }
                hb_order_fini(&o);
                fake_free(&f);
        }
}

static void test_record(void **state) {
        struct hb_order o;
        struct fake f;

        fake_new(&f);
        two_hosts(&f);
        o = acted(&f, HB_DO_RECORD, "vm1", NULL);
        assert_string_equal(o.cmd, "trace.record");
        args_are(&o, "{'guest':'vm1'}");
        hb_order_fini(&o);
        o = acted(&f, HB_DO_STOP, "vm1", NULL);
        assert_string_equal(o.text, "vm1 is not being recorded on a.");
        json_array_append_new(json_object_get(f.tick[0], "recordings"),
                              fake_json("{'guest':'vm1','state':'recording'}"));
        fake_tick(&f, 0);
        fake_turn(&f);
        o = acted(&f, HB_DO_RECORD, "vm1", NULL);
        assert_string_equal(o.text, "vm1 is being recorded on a already.");
        o = acted(&f, HB_DO_STOP, "vm1", NULL);
        assert_string_equal(o.cmd, "trace.stop");
        hb_order_fini(&o);
        fake_free(&f);
}

/* A console that only looks says so, whatever is pressed; looking goes on. */
static void test_read_only(void **state) {
        static const enum hb_action acts[] = {HB_DO_PLACE, HB_DO_UNPLACE, HB_DO_MIGRATE,
                                              HB_DO_ABORT, HB_DO_RECORD,  HB_DO_STOP};
        struct hb_order o;
        struct fake f;

        fake_new(&f);
        two_hosts(&f);
        f.ctx.control = false;
        for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
                o = acted(&f, acts[i], "vm1", FAKE_ANSWERS("b"));
                assert_int_equal(o.kind, HB_ORDER_SAY);
                assert_non_null(strstr(o.text, "--control"));
        }
        o = acted(&f, HB_DO_ESTIMATE, "vm1", NULL);
        assert_int_equal(o.kind, HB_ORDER_GO);
        fake_free(&f);
}

static void test_source_unseen(void **state) {
        json_t *b = two_host("b", "a", LINK_IDLE);
        struct hb_order o;
        struct fake f;

        fake_new(&f);
        two_give(b, "incoming", two_coming("vm1", "ready", READY_COUNTS));
        fake_add(&f, b, NULL);
        fake_turn(&f);
        o = acted(&f, HB_DO_MIGRATE, "vm1", NULL);
        assert_int_equal(o.kind, HB_ORDER_SAY);
        assert_non_null(strstr(o.text, "not looked at"));
        o = acted(&f, HB_DO_RECORD, "vm1", NULL); /* the target can */
        assert_int_equal(o.kind, HB_ORDER_CALL);
        hb_order_fini(&o);
        fake_free(&f);
}

/* ---- the guest a view is about ---- */

static void test_which_guest(void **state) {
        struct fake f;

        fake_new(&f);
        assert_null(hb_view_guest_of(&f.ctx));
        two_hosts(&f);
        assert_string_equal(hb_view_guest_of(&f.ctx)->id, "vm1");
        assert_string_equal(f.memory.subject, "vm1");
        strcpy(f.memory.subject, "vm3@a"); /* as it was called while two had that name */
        assert_string_equal(hb_view_guest_of(&f.ctx)->id, "vm3");
        strcpy(f.memory.subject, "vm");
        assert_null(hb_view_guest_of(&f.ctx));
        assert_string_equal(f.memory.subject, "vm");
        fake_free(&f);
}

static void test_next_host(void **state) {
        static const char *const filters[] = {"host:a", "host:b", "", "host:a"};
        struct hb_order o;
        struct fake f;

        fake_new(&f);
        two_hosts(&f);
        for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
                o = acted(&f, HB_DO_NEXT_HOST, "", NULL);
                assert_int_equal(o.kind, HB_ORDER_DONE);
                assert_string_equal(f.memory.order.filter, filters[i]);
        }
        fake_plain(&f, &hb_view_overview);
        fake_has(&f, "guest vm1");
        fake_act(&f, &hb_view_network, HB_DO_NEXT_HOST, "", NULL, &o);
        assert_string_equal(f.memory.order.filter, "from:a");
        fake_plain(&f, &hb_view_network);
        fake_has(&f, "from a; to b");
        fake_lacks(&f, "from b; to a");
        fake_free(&f);
}

static void test_long_choices(void **state) {
        struct hb_order o = {0};
        char name[100];

        memset(name, 'x', sizeof(name));
        name[99] = '\0';
        hb_order_choice(&o, name); /* cut off it would be another host */
        assert_int_equal(o.nchoices, 0);
        for (unsigned i = 0; i < 100; i++)
                hb_order_choice(&o, "h");
        assert_int_equal(o.nchoices, HB_ORDER_CHOICES);
}

static void test_table(void **state) {
        for (unsigned i = 0; i < HB_VIEWS; i++) {
                const struct hb_view *v = hb_view_by_id((enum hb_view_id)i);

                assert_non_null(v);
                assert_ptr_equal(hb_view_by_name(v->name), v);
                assert_non_null(v->build);
                assert_int_equal(hb_action_group(v->key), HB_GROUP_VIEW);
        }
        assert_null(hb_view_by_id(HB_VIEWS));
        assert_null(hb_view_by_name("nothing"));
        assert_null(hb_view_by_name(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words),        cmocka_unit_test(test_moving),
                cmocka_unit_test(test_why),          cmocka_unit_test(test_share),
                cmocka_unit_test(test_place),        cmocka_unit_test(test_migrate),
                cmocka_unit_test(test_abort),        cmocka_unit_test(test_record),
                cmocka_unit_test(test_read_only),    cmocka_unit_test(test_source_unseen),
                cmocka_unit_test(test_which_guest),  cmocka_unit_test(test_next_host),
                cmocka_unit_test(test_long_choices), cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests_name("common", tests, NULL, NULL);
}
