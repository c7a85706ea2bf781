/* The traces view: recordings of all hosts with why they ended, the replay with where it is; the replay's
 * keys say what the stage takes, from every view. */
#include "view_fake.h"
#include <stdio.h>

#define RECORDING(guest, state, dropped, why, error)                                                         \
        "{'guest':'" guest "','state':'" state "','side':'source','seconds':75,'exact':false,"               \
        "'file':'/var/lib/harbinger/traces/" guest                                                           \
        ".hbt','files':1,'bytes':1048576,'epochs':750,'accesses':100000,'events':5,'inputs':0,"              \
        "'dropped':" dropped ",'queued_bytes':0,'why':'" why "','error':" error "}"
#define REPLAY(state)                                                                                        \
        "{'trace':'sort.hbt','state':'" state "','epoch':120,'epochs':600,'time_s':12.5,'seconds':60,"       \
        "'speed':2,'exact':true,'note':'one policy'}"

static const char host[] =
        "{'host':'a','time':1795400000,'guests':[{'name':'vm1','kind':'qemu'},{'name':'vm2',"
        "'kind':'qemu'}],'incoming':[],'replay':null,'recordings':[" RECORDING("vm1", "recording", "0", "",
                                                                               "null") "]}";

static json_t *listed(void) {
        json_t *j = json_object();

        json_object_set_new(
                j, "trace.list",
                fake_json("{'recordings':[" RECORDING("vm1", "recording", "0", "", "null") "," RECORDING(
                        "vm2", "failed", "17", "the trace could not be written",
                        "{'code':'ENOSPC','what':'the disk is full','which':'vm2.hbt','next':"
                        "'free some space'}") "]}"));
        return j;
}

static void usual(struct fake *f) {
        fake_new(f);
        fake_add(f, fake_json(host), listed());
        fake_turn(f);
}

static void with_replay(struct fake *f, const char *state) {
        char *tick;

        usual(f);
        assert_true(asprintf(&tick,
                             "{'host':'stage-a','guests':[],'incoming':[],'recordings':[],'replay':"
                             "{'trace':'sort.hbt','state':'%s','epoch':120,'epochs':600,'time_s':12.5,"
                             "'seconds':60,'speed':2,'exact':true,'note':'one policy'}}",
                             state) > 0);
        fake_add(f, fake_json(tick), NULL);
        free(tick);
        fake_turn(f);
}

static void test_recordings(void **state) {
        struct fake f;

        usual(&f);
        strcpy(f.memory.place.row, "a/vm2");
        fake_plain(&f, &hb_view_traces);
        fake_has(&f, "guest vm1; host a; side source; state * recording; time 75 s; size 1.0 MiB");
        fake_has(&f, "state x failed");
        fake_has(&f, "dropped ! 17");
        fake_has(&f, "the disk is full");
        fake_has(&f, "free some space");
        fake_has(&f, "/var/lib/harbinger/traces/vm2.hbt, on host a");
        fake_has(&f, "An exact replay ends at the first gap");
        fake_free(&f);
}

static void test_replay(void **state) {
        struct fake f;
        json_t *j;

        with_replay(&f, "playing");
        fake_plain(&f, &hb_view_traces);
        fake_has(&f, "sort.hbt");
        fake_has(&f, "> playing");
        fake_has(&f, "12 s of 60 s");
        fake_has(&f, "120 of 600");
        fake_has(&f, "2.00 times as recorded");
        fake_has(&f, "exact");
        fake_has(&f, "one policy");
        j = fake_doc_json(&f, &hb_view_traces);
        assert_float_equal(json_number_value(json_object_get(j, "replay_time_s")), 12.5, 0);
        json_decref(j);
        fake_painted(&f, &hb_view_traces, 80, 21);
        fake_has(&f, "> playing");
        fake_has(&f, "* recording");
        fake_free(&f);
}

static int replay_act(struct fake *f, enum hb_action a, const char *answer, struct hb_order *o) {
        struct hb_err e;

        *o = (struct hb_order){0};
        assert_int_equal(hb_view_replay_act(&f->ctx, a, &answer, answer != NULL, o), 0);
        if (o->kind == HB_ORDER_CALL)
                assert_int_equal(hb_ctl_check(hb_ctl_find(o->cmd), o->args, &e), 0);
        return (int)o->kind;
}

static void expect_op(struct fake *f, enum hb_action a, const char *answer, const char *op, double value) {
        struct hb_order o;

        assert_int_equal(replay_act(f, a, answer, &o), HB_ORDER_CALL);
        assert_string_equal(o.cmd, "replay");
        assert_int_equal(o.seat, 1);
        assert_string_equal(o.confirm, "");
        assert_string_equal(json_string_value(json_object_get(o.args, "op")), op);
        if (value >= 0)
                assert_float_equal(json_number_value(json_object_get(o.args, "value")), value, 1e-9);
        else
                assert_null(json_object_get(o.args, "value"));
        hb_order_fini(&o);
}

static void test_replay_keys(void **state) {
        struct fake f;
        struct hb_order o;

        with_replay(&f, "playing");
        f.ctx.control = false; /* nothing real is touched */
        expect_op(&f, HB_DO_PAUSE, NULL, "pause", -1);
        expect_op(&f, HB_DO_STEP, NULL, "step", -1);
        expect_op(&f, HB_DO_FASTER, NULL, "speed", 4);
        expect_op(&f, HB_DO_SLOWER, NULL, "speed", 1);
        assert_int_equal(replay_act(&f, HB_DO_SEEK, NULL, &o), HB_ORDER_ASK);
        expect_op(&f, HB_DO_SEEK, "30", "seek", 30);
        expect_op(&f, HB_DO_SEEK, "0:45", "seek", 45);
        assert_int_equal(replay_act(&f, HB_DO_SEEK, "61", &o), HB_ORDER_SAY);
        assert_int_equal(replay_act(&f, HB_DO_SEEK, "-1", &o), HB_ORDER_SAY);
        assert_int_equal(replay_act(&f, HB_DO_SEEK, "nan", &o), HB_ORDER_SAY);
        assert_int_equal(replay_act(&f, HB_DO_SEEK, "soon", &o), HB_ORDER_SAY);
        assert_int_equal(replay_act(&f, HB_DO_OPEN, NULL, &o), HB_ORDER_NONE);
        fake_free(&f);
        with_replay(&f, "paused");
        expect_op(&f, HB_DO_PAUSE, NULL, "play", -1);
        fake_free(&f);
        with_replay(&f, "ended");
        assert_int_equal(replay_act(&f, HB_DO_PAUSE, NULL, &o), HB_ORDER_SAY);
        fake_free(&f);
        usual(&f);
        assert_int_equal(replay_act(&f, HB_DO_PAUSE, NULL, &o), HB_ORDER_SAY);
        fake_free(&f);
}

static void test_speed_has_ends(void **state) {
        struct fake f;
        struct hb_order o;

        with_replay(&f, "playing");
        json_object_set_new(json_object_get(f.tick[1], "replay"), "speed", json_real(700));
        fake_tick(&f, 1);
        fake_turn(&f);
        expect_op(&f, HB_DO_FASTER, NULL, "speed", 1000); /* what a stage takes at most */
        json_object_set_new(json_object_get(f.tick[1], "replay"), "speed", json_real(1000));
        fake_tick(&f, 1);
        fake_turn(&f);
        assert_int_equal(replay_act(&f, HB_DO_FASTER, NULL, &o), HB_ORDER_SAY);
        json_object_set_new(json_object_get(f.tick[1], "replay"), "speed", json_real(0.15));
        fake_tick(&f, 1);
        fake_turn(&f);
        expect_op(&f, HB_DO_SLOWER, NULL, "speed", 0.1);
        fake_free(&f);
}

static void test_record_stop_play(void **state) {
        struct fake f;
        struct hb_order o;

        usual(&f);
        fake_plain(&f, &hb_view_traces);
        fake_act(&f, &hb_view_traces, HB_DO_RECORD, "a/vm2", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_ASK);
        assert_string_equal(o.initial, "vm2");
        fake_act(&f, &hb_view_traces, HB_DO_RECORD, "a/vm2", FAKE_ANSWERS("vm2"), &o);
        assert_string_equal(o.cmd, "trace.record");
        hb_order_fini(&o);
        fake_act(&f, &hb_view_traces, HB_DO_STOP, "a/vm1", NULL, &o);
        assert_string_equal(o.cmd, "trace.stop");
        hb_order_fini(&o);
        fake_act(&f, &hb_view_traces, HB_DO_STOP, "a/vm2", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_SAY);
        fake_act(&f, &hb_view_traces, HB_DO_REPLAY, "a/vm2", NULL, &o);
        assert_string_equal(o.initial, "/var/lib/harbinger/traces/vm2.hbt");
        fake_act(&f, &hb_view_traces, HB_DO_REPLAY, "a/vm2", FAKE_ANSWERS("/tmp/x.hbt"), &o);
        assert_int_equal(o.kind, HB_ORDER_PLAY);
        assert_string_equal(o.subject, "/tmp/x.hbt");
        fake_act(&f, &hb_view_traces, HB_DO_REPLAY, "", FAKE_ANSWERS("  "), &o);
        assert_int_equal(o.kind, HB_ORDER_SAY);
        f.ctx.control = false;
        fake_act(&f, &hb_view_traces, HB_DO_RECORD, "a/vm2", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_SAY);
        fake_free(&f);
}

static void test_empty_world(void **state) {
        struct fake f;

        fake_new(&f);
        fake_plain(&f, &hb_view_traces);
        fake_has(&f, "no recordings; record records a guest, replay plays a trace file");
        fake_act_all(&f, &hb_view_traces, FAKE_ANSWERS("", "a/vm1"));
        fake_free(&f);
}

static void test_every_order(void **state) {
        struct fake f;

        with_replay(&f, "playing");
        fake_plain(&f, &hb_view_traces);
        fake_act_all(&f, &hb_view_traces, FAKE_ANSWERS("", "a/vm1", "a/vm2", "b/x", "stage-a/vm1", "/"));
        fake_free(&f);
}

static void test_members_missing(void **state) {
        uint32_t seed = 4242;

        for (unsigned round = 0; round < 120; round++) {
                struct fake f;
                json_t *t = fake_json(host), *l = listed(),
                       *r = fake_json("{'host':'s','replay':" REPLAY("playing") "}");

                fake_new(&f);
                fake_add(&f, fake_spoil(t, &seed, 5), fake_spoil(l, &seed, 5));
                fake_add(&f, fake_spoil(r, &seed, 5), NULL);
                json_decref(t);
                json_decref(l);
                json_decref(r);
                fake_turn(&f);
                strcpy(f.memory.place.row, "a/vm2");
                fake_plain(&f, &hb_view_traces);
                fake_no_nonsense(&f);
                fake_painted(&f, &hb_view_traces, 40 + round, 12 + round % 40);
                fake_no_nonsense(&f);
                json_decref(fake_doc_json(&f, &hb_view_traces));
                if (round % 8 == 0)
                        fake_act_all(&f, &hb_view_traces, FAKE_ANSWERS("a/vm2"));
                fake_free(&f);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_recordings),       cmocka_unit_test(test_replay),
                cmocka_unit_test(test_replay_keys),      cmocka_unit_test(test_speed_has_ends),
                cmocka_unit_test(test_record_stop_play), cmocka_unit_test(test_empty_world),
                cmocka_unit_test(test_every_order),      cmocka_unit_test(test_members_missing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
