/* The migration view: what a move would cost stands beside its limits, a move that runs says what is left and
 * whether it can be undone, moves done say how they went; orders are what the daemon takes. */
#include "view_fake.h"
#include "views/view_migration.h"
#include <stdio.h>

#define PLACEMENT(state, trend, downtime)                                                                    \
        "{'id':'1','to':'b','state':'" state "','since_s':30,'pages':50000,'fresh_pages':60000,"             \
        "'stale_pages':2000,'absent_pages':1000,'resident_pages':63000,'fetching_pages':64,'zero_pages':10," \
        "'known_pages':0,'copied_pages':0,'above_threshold':900,'threshold':0.02,'precision':0.8,"           \
        "'rate_bytes_per_s':60000000,'dirty_bytes_per_s':90000000,'bytes':1e9,'wire_bytes':5e8,"             \
        "'wasted_pages':100,'path':'tcp','link':{'latency_ms':0.2,'bytes_per_s':1.2e8,'used_share':0.5,"     \
        "'cap_bytes_per_s':0,'compression':'zstd','connections':2},'estimate':{'downtime_ms':" downtime      \
        ",'time_to_ready_s':4.2,'bytes_after':3400000},'trend':'" trend "','trend_since_s':12,'error':null}"
#define GUEST(placement, handover)                                                                           \
        "{'name':'vm1','kind':'qemu','state':'tracking','vmm':'QEMU 7.2','tracker':'wp','ram_bytes':4e9,"    \
        "'resident_bytes':258048000,'epoch':10,'epoch_ms':100,'dirty_bytes_per_s':90000000,'scan_ms':3,"     \
        "'guest_cost_share':0.01,'can_move':true,'cannot_move':'','recording':null,'handover':" handover     \
        ",'placement':" placement "}"
#define TICK(guest, handovers)                                                                               \
        "{'seq':1,'time':1795400000,'host':'a','version':'0.1.0','guests':[" guest                           \
        "],'incoming':[],'handovers':[" handovers "],'hosts':[{'name':'b','state':'up'}],'policies':[],"     \
        "'recordings':[],'replay':null,'events':[]}"
#define PROGRESS                                                                                             \
        "{'remaining_bytes':12000000,'dirty_bytes_per_s':90000000,'rate_bytes_per_s':60000000,"              \
        "'trend':'stalled','estimate_downtime_ms':450,'elapsed_s':8.5}"
#define HANDOVER(state, text)                                                                                \
        "{'handover':'0011','guest':'vm1','role':'source','peer':'b','state':'" state                        \
        "','state_text':'" text "','state_s':3.5,'error':null,'progress':" PROGRESS "}"
#define DRY(can, why, downtime, refuse)                                                                      \
        "{'guest':'vm1','from':'a','to':'b','ready':true,'can_move':" can ",'why':'" why                     \
        "','estimate':{'downtime_ms':" downtime ",'time_to_ready_s':4.2,'bytes_after':3400000},"             \
        "'max_downtime_ms':300,'would_refuse':" refuse "}"

static const char history[] =
        "{'entries':["
        "{'time':'2026-11-23T02:00:00Z','kind':'migration','guest':'vm1','from':'a','to':'b','result':'done',"
        "'figures':{'handover':'01','downtime_ms':23.4,'total_ms':1250,'bytes_after':2000000,'pages_final':"
        "400,"
        "'placement':{'bytes':900000000,'pages':70000,'seconds':12,'summary_bytes':1000},"
        "'outcome':{'hit':60000,'late':12,'stale':400,'missing':0,'wasted':900},"
        "'phases_ms':{'s-prepare':900,'s-freeze':4,'s-delta':12}}},"
        "{'time':'2026-11-23T01:00:00Z','kind':'attach','guest':'vm1','from':'a','to':'','result':'done',"
        "'figures':{}},"
        "{'time':'2026-11-22T23:00:00Z','kind':'migration','guest':'vm2','from':'a','to':'b','result':'"
        "aborted',"
        "'figures':{'downtime_ms':0,'total_ms':60000,'bytes_after':4000000,'error':{'code':'ETIMEDOUT',"
        "'what':'not below the allowed downtime in time','which':'vm2','next':'more time, or place it "
        "earlier'}}},"
        "{'time':'2026-11-22T22:00:00Z','kind':'migration','guest':'vm3','from':'b','to':'a','result':'done',"
        "'figures':{'state':'t-done'}}]}";

static json_t *answers(const char *dry) {
        json_t *j = json_object();

        json_object_set_new(j, "migrate", fake_json(dry));
        json_object_set_new(j, "history", fake_json(history));
        return j;
}

static void world(struct fake *f, const char *tick, const char *dry) {
        fake_new(f);
        fake_add(f, fake_json(tick), answers(dry));
        fake_turn(f);
}

static const char placed[] = TICK(GUEST(PLACEMENT("ready", "converging", "23.5"), "null"), "");

/* ---- before ---- */

static void test_what_it_would_cost(void **state) {
        struct fake f;

        world(&f, placed, DRY("true", "", "23.5", "false"));
        fake_plain(&f, &hb_view_migration);
        fake_has(&f, "moving vm1 to b now would stop it for");
        fake_has(&f, "(allowed: 300 ms) and send 3.2 MiB");
        fake_has(&f, "within the limit");
        fake_has(&f, "nothing blocks it");
        fake_has(&f, "1.3 % of the guest's 246 MiB");
        fake_lacks(&f, "moves under way");
        fake_free(&f);
}

static void test_above_the_limit(void **state) {
        struct fake f;

        world(&f, TICK(GUEST(PLACEMENT("filling", "stalled", "450"), "null"), ""),
              DRY("true",
                  "stopping now would take longer than allowed; the move would first try to get below it",
                  "450", "true"));
        fake_plain(&f, &hb_view_migration);
        fake_has(
                &f,
                "a move of vm1 to b would be refused now: it would stop for 450 ms where 300 ms are allowed, "
                "and it does not converge: the guest writes 86 MiB/s, only 57 MiB/s come. Next: wait");
        fake_has(&f, "! above its limit");
        fake_has(&f, "x the downtime would be above its limit");
        fake_free(&f);
}

static void test_cannot_move(void **state) {
        struct fake f;

        world(&f, placed, DRY("false", "a device blocks it", "null", "true"));
        fake_plain(&f, &hb_view_migration);
        fake_has(&f, "vm1 cannot move: a device blocks it. Next: see docs/OPERATING.md, \"QEMU options\"");
        fake_has(&f, "no bound");
        fake_free(&f);
}

static void test_not_placed(void **state) {
        struct fake f;
        struct hb_order o;
        json_t *t = fake_json(TICK(GUEST("null", "null"), ""));

        json_array_append_new(json_object_get(t, "hosts"), fake_json("{'name':'c','state':'idle'}"));
        fake_new(&f);
        fake_add(
                &f, t,
                answers("{'guest':'vm1','from':'a','to':'c','ready':false,'can_move':true,'why':'not placed: "
                        "everything would be sent after the request','estimate':null,'max_downtime_ms':300,"
                        "'would_refuse':false}"));
        fake_turn(&f);
        fake_plain(&f, &hb_view_migration);
        fake_has(&f, "vm1 is not placed. Next: estimate chooses the host");
        fake_act(&f, &hb_view_migration, HB_DO_ESTIMATE, "", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_ASK);
        assert_int_equal(o.nchoices, 2);
        fake_act(&f, &hb_view_migration, HB_DO_ESTIMATE, "", FAKE_ANSWERS("c"), &o);
        assert_int_equal(o.kind, HB_ORDER_DONE);
        assert_string_equal(f.memory.detail, "to c");
        fake_plain(&f, &hb_view_migration);
        fake_has(&f, "everything would be sent after the request. Next: place places it first, migrate moves "
                     "it all the same");
        fake_has(&f, "not known before it is placed");
        fake_free(&f);
}

static void test_estimate_refused(void **state) {
        struct fake f;

        fake_new(&f);
        fake_add(&f, fake_json(placed), NULL);
        fake_turn(&f);
        fake_plain(&f, &hb_view_migration);
        fake_has(&f, "what a move would cost cannot be estimated: the fake does not know migrate");
        fake_has(&f, "a host's history cannot be read");
        fake_free(&f);
}

/* ---- during ---- */

static void moving(struct fake *f, const char *handover) {
        char *tick;

        assert_true(asprintf(&tick,
                             TICK(GUEST(PLACEMENT("draining", "stalled", "450"),
                                        "{'state':'s','role':'source','peer':'b','state_text':''}"),
                                  "%s"),
                             handover) > 0);
        world(f, tick, DRY("true", "", "23", "false"));
        free(tick);
}

static void test_stalled_move(void **state) {
        struct fake f;
        struct hb_order o;

        moving(&f, HANDOVER("s-converge", "bringing the rest down below the allowed downtime"));
        fake_plain(&f, &hb_view_migration);
        fake_has(&f, "vm1 is being moved to b: bringing the rest down");
        fake_has(&f, "+ done: prepare  > now: bring the rest down  . next: stop the guest, last pages");
        fake_has(&f, "left: 11 MiB");
        fake_has(&f, "it does not converge: the guest writes 86 MiB/s, only 57 MiB/s come");
        fake_has(&f, "it can be aborted");
        fake_act(&f, &hb_view_migration, HB_DO_ABORT, "", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_CALL);
        assert_string_equal(o.cmd, "migrate.abort");
        hb_order_fini(&o);
        fake_free(&f);
}

static void test_too_late_to_abort(void **state) {
        struct fake f;
        struct hb_order o;

        moving(&f, HANDOVER("s-doubt", "released; asking the target whether it took the guest"));
        fake_plain(&f, &hb_view_migration);
        fake_has(&f, "it cannot be aborted any more: the guest is released: the target may run it by now");
        fake_has(&f, "harbinger migrate --recover vm1");
        fake_act(&f, &hb_view_migration, HB_DO_ABORT, "", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_SAY);
        assert_non_null(strstr(o.text, "released"));
        fake_free(&f);
}

static void test_state_of_a_newer_daemon(void **state) {
        struct fake f;

        moving(&f, HANDOVER("s-teleport", "teleporting"));
        fake_plain(&f, &hb_view_migration);
        fake_has(&f, "vm1 is being moved to b: teleporting");
        fake_lacks(&f, "> now:");
        fake_free(&f);
}

static void test_every_state_has_a_step(void **state) {
        static const char *const source[] = {"s-prepare", "s-converge", "s-freeze", "s-delta", "s-state",
                                             "s-loaded",  "s-release",  "s-commit", "s-doubt", "s-finish"};

        for (unsigned i = 0; i < sizeof(source) / sizeof(source[0]); i++) {
                json_t *h = json_pack("{s:s}", "state", source[i]);

                /* As the table of the state machine has it: undoable up to "loaded". */
                assert_int_equal(hb_migration_no_abort(h) == NULL, i < 6);
                json_decref(h);
        }
}

static void test_moves_of_other_guests(void **state) {
        struct fake f;

        world(&f,
              TICK(GUEST(PLACEMENT("ready", "converging", "23"), "null"),
                   "{'handover':'02','guest':'vm9','role':'source','peer':'b','state':'s-prepare','state_"
                   "text':"
                   "'making the target ready','state_s':1,'progress':null}"),
              DRY("true", "", "23", "false"));
        fake_plain(&f, &hb_view_migration);
        fake_has(&f, "moving vm9; from a; to b; state making the target ready");
        fake_free(&f);
}

/* ---- after ---- */

static void test_how_it_went(void **state) {
        struct fake f;
        json_t *j, *moves;

        world(&f, placed, DRY("true", "", "23", "false"));
        fake_plain(&f, &hb_view_migration);
        fake_has(&f, "+ done");
        fake_has(&f, "23 ms");
        fake_has(&f, "! aborted");
        fake_has(&f, "not below the allowed downtime in time. Next: more time, or place it earlier");
        fake_has(&f, "its steps took: prepare 900 ms, freeze 4.0 ms, delta 12 ms");
        j = fake_doc_json(&f, &hb_view_migration);
        moves = json_object_get(j, "moves");
        assert_int_equal(json_array_size(moves), 3); /* vm3's source is not looked at */
        assert_float_equal(json_number_value(json_object_get(json_array_get(moves, 0), "downtime_ms")), 23.4,
                           1e-9);
        assert_true(json_is_null(json_object_get(json_array_get(moves, 1), "downtime_ms")));
        json_decref(j);
        fake_free(&f);
}

/* A move stands in both hosts' histories. */
static void test_once_in_the_table(void **state) {
        struct fake f;
        json_t *j;

        world(&f, placed, DRY("true", "", "23", "false"));
        fake_add(&f, fake_json("{'host':'b','time':1795400000,'guests':[],'incoming':[]}"), answers("{}"));
        fake_turn(&f);
        fake_plain(&f, &hb_view_migration);
        j = fake_doc_json(&f, &hb_view_migration);
        assert_int_equal(json_array_size(json_object_get(j, "moves")), 3);
        json_decref(j);
        fake_free(&f);
}

/* ---- all the rest ---- */

static void test_painted(void **state) {
        static const unsigned sizes[][2] = {{80, 21}, {120, 37}, {200, 57}, {40, 9}, {20, 4}};
        struct fake f;

        world(&f, placed, DRY("true", "", "23.5", "false"));
        for (unsigned i = 0; i < 5; i++)
                fake_painted(&f, &hb_view_migration, sizes[i][0], sizes[i][1]);
        fake_painted(&f, &hb_view_migration, 80, 21);
        fake_has(&f, "+ within the limit");
        fake_has(&f, "+ done");
        fake_free(&f);
}

static void test_empty_world(void **state) {
        struct fake f;

        fake_new(&f);
        fake_plain(&f, &hb_view_migration);
        fake_has(&f, "No guests yet");
        fake_act_all(&f, &hb_view_migration, FAKE_ANSWERS("", "x"));
        fake_free(&f);
}

static void test_guest_that_is_gone(void **state) {
        struct fake f;
        struct hb_order o;

        world(&f, placed, DRY("true", "", "23", "false"));
        strcpy(f.memory.subject, "vm77");
        fake_plain(&f, &hb_view_migration);
        fake_has(&f, "There is no guest vm77");
        fake_has(&f, "+ done"); /* what happened is still to be seen */
        fake_act(&f, &hb_view_migration, HB_DO_MIGRATE, "", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_NONE); /* never another guest instead */
        fake_act(&f, &hb_view_migration, HB_DO_RIGHT, "", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_DONE);
        assert_string_equal(f.memory.subject, "vm1");
        fake_free(&f);
}

static void test_every_order(void **state) {
        struct fake f;

        world(&f, placed, DRY("true", "", "23", "false"));
        fake_plain(&f, &hb_view_migration);
        fake_act_all(&f, &hb_view_migration,
                     FAKE_ANSWERS("", "2026-11-23T02:00:00Z|a|vm1", "2026-11-23T02:00:00Z|a|gone", "|"));
        fake_free(&f);
        moving(&f, HANDOVER("s-freeze", "stopping the guest"));
        fake_plain(&f, &hb_view_migration);
        fake_act_all(&f, &hb_view_migration, FAKE_ANSWERS(""));
        fake_free(&f);
}

static void test_members_missing(void **state) {
        static const char *const ticks[] = {
                TICK(GUEST(PLACEMENT("filling", "stalled", "450"), "null"), ""),
                TICK(GUEST(PLACEMENT("draining", "stalled", "450"), "null"),
                     HANDOVER("s-converge", "bringing the rest down")),
        };
        uint32_t seed = 77;

        for (unsigned round = 0; round < 120; round++) {
                struct fake f;
                json_t *t = fake_json(ticks[round % 2]), *a = answers(DRY("true", "slow", "450", "true"));

                fake_new(&f);
                fake_add(&f, fake_spoil(t, &seed, 5), fake_spoil(a, &seed, 5));
                json_decref(t);
                json_decref(a);
                fake_turn(&f);
                fake_plain(&f, &hb_view_migration);
                fake_no_nonsense(&f);
                fake_painted(&f, &hb_view_migration, 40 + round, 12 + round % 40);
                fake_no_nonsense(&f);
                json_decref(fake_doc_json(&f, &hb_view_migration));
                if (round % 8 == 0)
                        fake_act_all(&f, &hb_view_migration, FAKE_ANSWERS("2026-11-23T02:00:00Z|a|vm1"));
                fake_free(&f);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_it_would_cost),
                cmocka_unit_test(test_above_the_limit),
                cmocka_unit_test(test_cannot_move),
                cmocka_unit_test(test_not_placed),
                cmocka_unit_test(test_estimate_refused),
                cmocka_unit_test(test_stalled_move),
                cmocka_unit_test(test_too_late_to_abort),
                cmocka_unit_test(test_state_of_a_newer_daemon),
                cmocka_unit_test(test_every_state_has_a_step),
                cmocka_unit_test(test_moves_of_other_guests),
                cmocka_unit_test(test_how_it_went),
                cmocka_unit_test(test_once_in_the_table),
                cmocka_unit_test(test_painted),
                cmocka_unit_test(test_empty_world),
                cmocka_unit_test(test_guest_that_is_gone),
                cmocka_unit_test(test_every_order),
                cmocka_unit_test(test_members_missing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
