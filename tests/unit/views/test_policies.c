/* The policies view: who is worse than its baseline is said, with figures and the key to press; orders are
 * what the daemon takes; nothing that a daemon leaves out is shown as a number. */
#include "view_fake.h"
#include "views/view_policies.h"
#include <stdio.h>

#define LANE(f1, value, wasted)                                                                              \
        "{'lessons':12,'f1':" f1 ",'f1_returning':0.1,'f1_writes':0.5,'precision':0.6,'recall':0.7,"         \
        "'wasted':" wasted ",'would_fetch':0.4,'value':" value ",'cut':0.02,'ns_per_page':31}"
#define USE(name, number, hash)                                                                              \
        "{'name':'" name "','version':'1.2','hash':'" hash "','number':" number                              \
        ",'guests':['vm1','vm2'],'calls':900,'errors':0,'pages':90000,'ns_per_page':31.5,'max_ms':0.4,"      \
        "'starved':0,'memory_bytes':65536,'quarantined':[],'answering':'','note':'','last_error':''}"

static const char tick[] =
        "{'seq':1,'time':1795400000,'host':'b','version':'0.1.0','uptime_s':900,'guests':[],'incoming':["
        "{'id':'1','guest':'vm1','from':'a','state':'filling'},{'id':'2','guest':'vm2','from':'a','state':'"
        "ready'}],"
        "'handovers':[],'hosts':[],'policies':[],'recordings':[],'replay':null,'events':[]}";

static const char list[] =
        "{'dir':'/etc/harbinger/policies','kinds':["
        "{'kind':'predictor','configured':'ewma','promoted':false,'canary':null,'active'"
        ":" USE("ewma", "1", "aaaaaaaa1111") ",'shadow':" USE(
                "lfu", "2", "bbbbbbbb2222") ",'previous':null,'candidates':["
                                            "{'name':'ewma','hash':'aaaaaaaa1111',"
                                            "'place':'active'},{'name':'markov',"
                                            "'hash':'cccccccc3333','place':''},"
                                            "{'name':'broken','error':'syntax: line 3'}],"
                                            "'trouble':null},"
                                            "{'kind':'scorer','configured':'cost_benefit','promoted':"
                                            "true,'canary':null,'active':" USE(
                                                    "calm", "2",
                                                    "dddddddd4444") ",'shadow':null,'previous':{'name':'"
                                                                    "cost_benefit','version':'1.0',"
                                                                    "'hash':'eeeeeeee5555','number':1},'"
                                                                    "candidates':[],'trouble':"
                                                                    "{'code':'EOPNOTSUPP','what':'too "
                                                                    "slow','which':'slow.lua',"
                                                                    "'next':'make it "
                                                                    "faster','name':'slow'}}],"
                                                                    "'guests':["
                                                                    "{'guest':'vm1','canary':false,'"
                                                                    "active_names':{'predictor':'ewma'},'"
                                                                    "shadow_names':{'predictor':'lfu'},"
                                                                    "'active':" LANE("0.55", "0.60", "0.05") ",'shadow':" LANE(
                                                                            "0.40", "0.30",
                                                                            "0.20") "},"
                                                                                    "{'guest':'vm2','"
                                                                                    "canary':false,'"
                                                                                    "active_names':{},'"
                                                                                    "shadow_names':{},"
                                                                                    "'active':" LANE(
                                                                                            "0.55", "0.50",
                                                                                            "0.05") ",'"
                                                                                                    "shad"
                                                                                                    "ow'"
                                                                                                    ":" LANE(
                                                                                                            "0.42",
                                                                                                            "0.32",
                                                                                                            "0.10") "}]}";

static const char show[] =
        "{'kind':'predictor','name':'lfu','version':'1.2','hash':'bbbbbbbb2222','number':2,'place':'shadow',"
        "'source':'','parts':[],'calls':900,'errors':0,'max_ms':0.4,'params':["
        "{'name':'bias','type':'number','value':0.3,'default':0.2,'min':0,'max':1,'unit':'','help':'added'},"
        "{'name':'window','type':'integer','value':8,'default':8,'min':1,'max':null,'unit':'s','help':'kept'}"
        ","
        "{'name':'quick','type':'boolean','value':1,'default':1,'min':0,'max':1,'unit':'','help':'hurry'}]}";

static const char history[] =
        "{'events':[{'time':'2026-11-23T02:00:07Z','who':'root','op':'promote','kind':'scorer','name':'calm',"
        "'hash':'dddddddd4444','previous':'eeee','why':'fewer wasted','guests':'vm1, vm2','result':'done'},"
        "{'time':'2026-11-22T20:00:00Z','who':'watch','op':'refused','kind':'scorer','name':'slow','hash':'',"
        "'why':'','guests':'','result':'too slow'}]}";

static const char explain[] =
        "{'guest':'vm1','gfn':4711,'shadow':false,'policies':{'predictor':'ewma','scorer':'calm','threshold':"
        "'off'},"
        "'page':{'state':'stale','resident':true,'wanted':false,'prefetched':true,'used':false,'known':false,"
        "'fetches':10,'age_s':0.068,'version_age_s':0.068,'read_heat':0,'write_heat':3.986,'run_length':2,"
        "'bytes_to_send':4096},'terms':[{'kind':'predictor','name':'rate','value':3.986},{'kind':'scorer',"
        "'name':'use','value':0.9521}],'predicted':19.89,'predicted_writes':19.89,'score':0.8713,'cut':0."
        "02216,"
        "'candidates':330,'ahead':36,'alike':9,'why':'it is worth fetching and waits for its turn'}";

static json_t *answers(void) {
        json_t *j = json_object();

        json_object_set_new(j, "policy.list", fake_json(list));
        json_object_set_new(j, "policy.show", fake_json(show));
        json_object_set_new(j, "policy.history", fake_json(history));
        json_object_set_new(j, "policy.explain", fake_json(explain));
        json_object_set_new(
                j, "policy.diff",
                fake_json("{'a':'lfu@2','a_hash':'bbbbbbbb2222','b':'ewma@1','b_hash':'aaaaaaaa1111',"
                          "'equal':false,'diff':'--- a\\n+++ b\\n@@ -3 +3 @@\\n-old\\n+new\\n'}"));
        return j;
}

static void usual(struct fake *f) {
        fake_new(f);
        fake_add(f, fake_json(tick), answers());
        fake_turn(f);
}

/* ---- looking ---- */

static void test_worse_than_baseline(void **state) {
        struct fake f;

        usual(&f);
        f.ctx.keys =
                (const struct hb_key_help[]){{HB_DO_DROP, "x, F8"}, {HB_DO_TUNE, "t"}, {HB_DO_DIFF, "d"}};
        f.ctx.nkeys = 3;
        fake_plain(&f, &hb_view_policies);
        fake_has(&f,
                 "lfu@2 (shadow predictor) is worse than its baseline, ewma@1 (active): value 0.31 < 0.55 "
                 "on 2 of 2 guests");
        fake_has(&f, "f1 0.41 < 0.55");
        fake_has(&f, "worst on vm1, 0.30 < 0.60");
        fake_has(&f, "x gives it up, t tunes it, d shows how they differ");
        fake_has(&f, "! worse: 0.31 < 0.55 on 2/2");
        fake_has(&f, "+ better: 0.55 > 0.31 on 2/2");
        fake_has(&f, "scorer 'slow' was refused: too slow. Next: make it faster");
        fake_has(&f, "was active before");
        fake_has(&f, "syntax: line 3");
        fake_has(&f, "markov");
        fake_free(&f);
}

static void test_canary_is_read_the_other_way_round(void **state) {
        struct hb_policy_verdict v;
        json_t *j = fake_json(list), *kind = json_array_get(json_object_get(j, "kinds"), 0);

        json_object_set_new(kind, "canary", json_real(0.5));
        json_object_set_new(json_array_get(json_object_get(j, "guests"), 0), "canary", json_true());
        /* On vm1 the shadow decides: the good figures there are its own. */
        hb_policies_verdict(j, "predictor", "shadow", &v);
        assert_int_equal(v.guests, 2);
        assert_int_equal(v.worse, 1);
        assert_int_equal(v.better, 1);
        assert_float_equal(v.mine, (0.60 + 0.32) / 2, 1e-9);
        assert_float_equal(v.baseline, (0.30 + 0.50) / 2, 1e-9);
        assert_int_equal(v.verdict, HB_VERDICT_BETTER);
        json_decref(j);
}

static void test_f1_where_no_value_is_known(void **state) {
        struct hb_policy_verdict v;
        json_t *j = fake_json(list), *g;
        char text[160];
        size_t i;

        json_array_foreach(json_object_get(j, "guests"), i, g) {
                json_object_set_new(json_object_get(g, "active"), "value", json_null());
                json_object_set_new(json_object_get(g, "shadow"), "value", json_null());
        }
        hb_policies_verdict(j, "predictor", "shadow", &v);
        assert_string_equal(v.figure, "f1");
        assert_string_equal(hb_verdict_text(&v, "shadow", text, sizeof(text)),
                            "worse than active: f1 0.41 < 0.55 on 2 of 2 guests");
        hb_policies_verdict(j, "scorer", "active", &v);
        assert_int_equal(v.verdict, HB_VERDICT_NONE);
        json_decref(j);
}

static void test_quarantine(void **state) {
        struct fake f;
        json_t *kind;

        usual(&f);
        kind = json_array_get(json_object_get(json_object_get(f.answers[0], "policy.list"), "kinds"), 1);
        json_object_set_new(json_object_get(kind, "active"), "quarantined", fake_json("['vm2']"));
        json_object_set_new(json_object_get(kind, "active"), "answering", json_string("cost_benefit"));
        json_object_set_new(json_object_get(kind, "active"), "last_error",
                            json_string("attempt to index nil"));
        fake_plain(&f, &hb_view_policies);
        fake_has(&f,
                 "calm@2 (active) failed too often on vm2 and is in quarantine there, cost_benefit answers: "
                 "attempt to index nil");
        fake_has(&f, "in quarantine on 1 guest");
        fake_free(&f);
}

static void test_parts(void **state) {
        struct fake f;

        usual(&f);
        hb_policies_show(&f.memory, HB_POLICIES_PARAMS, "predictor/shadow");
        fake_plain(&f, &hb_view_policies);
        fake_has(&f, "bias");
        fake_has(&f, "any"); /* no upper bound */
        hb_policies_show(&f.memory, HB_POLICIES_HISTORY, "predictor/shadow");
        fake_plain(&f, &hb_view_policies);
        fake_has(&f, "fewer wasted");
        fake_has(&f, "02:00:07");
        fake_has(&f, "11-22 20:00");
        hb_policies_show(&f.memory, HB_POLICIES_DIFF, "predictor/shadow");
        fake_plain(&f, &hb_view_policies);
        fake_has(&f, "+new");
        hb_policies_show(&f.memory, HB_POLICIES_LANES, "predictor/shadow");
        fake_plain(&f, &hb_view_policies);
        fake_has(&f, "worse by 0.30");
        strcpy(f.memory.detail, "explain predictor/active vm1 4711");
        fake_plain(&f, &hb_view_policies);
        fake_has(&f, "page 4711 of vm1");
        fake_has(&f, "it is worth fetching and waits for its turn");
        fake_has(&f, "0.9521");
        fake_free(&f);
}

static void test_json_has_base_units(void **state) {
        struct fake f;
        json_t *j, *row;

        usual(&f);
        j = fake_doc_json(&f, &hb_view_policies);
        assert_string_equal(json_string_value(json_object_get(j, "view")), "policies");
        row = json_array_get(json_object_get(j, "policies"), 1);
        assert_string_equal(json_string_value(json_object_get(row, "place")), "shadow");
        assert_float_equal(json_number_value(json_object_get(row, "f1")), 0.41, 1e-9);
        assert_float_equal(json_number_value(json_object_get(row, "value")), 0.31, 1e-9);
        assert_int_equal(json_number_value(json_object_get(row, "guests")), 2);
        json_decref(j);
        fake_free(&f);
}

static void test_painted(void **state) {
        struct fake f;

        usual(&f);
        fake_painted(&f, &hb_view_policies, 80, 24);
        fake_has(&f, "lfu@2");
        fake_has(&f, "! worse: 0.31 < 0.55 on 2/2");
        fake_has(&f, "kind");
        fake_painted(&f, &hb_view_policies, 200, 60);
        fake_has(&f, "bias");
        fake_has(&f, "worse by 0.30");
        fake_painted(&f, &hb_view_policies, 40, 9);
        fake_has(&f, "! lfu@2 (shadow) is worse than ewma@1:");
        fake_has(&f, "value 0.31 < 0.55. drop drops it");
        fake_has(&f, "> predictor active");
        fake_painted(&f, &hb_view_policies, 20, 5);
        fake_free(&f);
}

/* Five hundred guests: the list shows the few where it is worst, the lanes all of them. */
static void test_many_guests(void **state) {
        struct fake f;
        json_t *j, *guests, *lanes;

        usual(&f);
        guests = json_object_get(json_object_get(f.answers[0], "policy.list"), "guests");
        for (unsigned i = 0; i < 498; i++) {
                json_t *g = json_deep_copy(json_array_get(guests, 1));
                char name[16];

                snprintf(name, sizeof(name), "vm%u", i + 100);
                json_object_set_new(g, "guest", json_string(name));
                if (i == 250) {
                        json_object_set_new(json_object_get(g, "shadow"), "value", json_real(-0.5));
                        json_object_set_new(json_object_get(g, "active"), "value", json_real(0.9));
                }
                json_array_append_new(guests, g);
        }
        j = fake_doc_json(&f, &hb_view_policies);
        lanes = json_object_get(j, "lanes");
        assert_int_equal(json_array_size(lanes), 8);
        assert_string_equal(json_string_value(json_object_get(json_array_get(lanes, 0), "guest")), "vm350");
        assert_string_equal(json_string_value(json_object_get(json_array_get(lanes, 1), "guest")), "vm1");
        json_decref(j);
        fake_plain(&f, &hb_view_policies);
        fake_has(&f, "the worst 8 of 500 guests");
        fake_has(&f, "on 500 of 500 guests");
        hb_policies_show(&f.memory, HB_POLICIES_LANES, "predictor/shadow");
        j = fake_doc_json(&f, &hb_view_policies);
        assert_int_equal(json_array_size(json_object_get(j, "lanes")), 500);
        json_decref(j);
        fake_free(&f);
}

static void test_empty_world(void **state) {
        struct fake f;

        fake_new(&f);
        fake_plain(&f, &hb_view_policies);
        fake_has(&f, "no daemon is looked at");
        fake_act_all(&f, &hb_view_policies, FAKE_ANSWERS("", "predictor/active"));
        fake_add(&f, fake_json("{'host':'b'}"), NULL);
        fake_turn(&f);
        fake_plain(&f, &hb_view_policies);
        fake_has(&f, "its policies cannot be listed: the fake does not know policy.list");
        fake_free(&f);
}

static void test_seat_with_most_placements(void **state) {
        struct fake f;
        json_t *j;
        struct hb_order o;

        fake_new(&f);
        fake_add(&f, fake_json("{'host':'a','incoming':[]}"), answers());
        fake_add(&f, fake_json(tick), answers());
        fake_turn(&f);
        fake_plain(&f, &hb_view_policies);
        j = fake_doc_json(&f, &hb_view_policies);
        assert_string_equal(json_string_value(json_object_get(j, "subject")),
                            "host b, 2 guests placed on it");
        json_decref(j);
        fake_act(&f, &hb_view_policies, HB_DO_NEXT_HOST, "", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_DONE);
        assert_int_equal(f.memory.seat, 1);
        fake_free(&f);
}

/* ---- acting ---- */

static void test_changes_name_the_policy(void **state) {
        struct fake f;
        struct hb_order o;

        usual(&f);
        fake_plain(&f, &hb_view_policies);
        fake_act(&f, &hb_view_policies, HB_DO_PROMOTE, "predictor/shadow", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_ASK); /* all of them, or some */
        assert_int_equal(o.nchoices, 2);
        fake_act(&f, &hb_view_policies, HB_DO_PROMOTE, "predictor/active",
                 FAKE_ANSWERS("canary: some of them"), &o);
        assert_int_equal(o.kind, HB_ORDER_CALL);
        assert_string_equal(o.cmd, "policy.promote");
        assert_string_equal(o.confirm, "lfu");
        assert_true(json_is_true(json_object_get(o.args, "canary")));
        assert_non_null(strstr(o.text, "lfu@2"));
        hb_order_fini(&o);
        fake_act(&f, &hb_view_policies, HB_DO_ROLLBACK, "scorer/active", NULL, &o);
        assert_string_equal(o.cmd, "policy.rollback");
        assert_string_equal(o.confirm, "cost_benefit");
        hb_order_fini(&o);
        fake_act(&f, &hb_view_policies, HB_DO_ROLLBACK, "predictor/active", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_SAY);
        fake_act(&f, &hb_view_policies, HB_DO_DROP, "predictor/shadow", NULL, &o);
        assert_string_equal(o.cmd, "policy.drop");
        assert_string_equal(o.confirm, "y");
        hb_order_fini(&o);
        fake_free(&f);
}

static void test_load(void **state) {
        struct fake f;
        struct hb_order o;

        usual(&f);
        fake_plain(&f, &hb_view_policies);
        fake_act(&f, &hb_view_policies, HB_DO_LOAD, "predictor/file/markov", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_ASK);
        assert_string_equal(o.initial, "predictor/markov");
        assert_string_equal(o.choices[0], "predictor/markov"); /* neither the active one nor the broken one */
        assert_int_equal(o.nchoices, 2);
        fake_act(&f, &hb_view_policies, HB_DO_LOAD, "", FAKE_ANSWERS("predictor/markov"), &o);
        assert_string_equal(o.cmd, "policy.load");
        assert_string_equal(json_string_value(json_object_get(o.args, "policy")), "markov");
        assert_string_equal(json_string_value(json_object_get(o.args, "kind")), "predictor");
        hb_order_fini(&o);
        fake_act(&f, &hb_view_policies, HB_DO_LOAD, "", FAKE_ANSWERS("another...", "/root/x.lua"), &o);
        assert_string_equal(json_string_value(json_object_get(o.args, "policy")), "/root/x.lua");
        hb_order_fini(&o);
        fake_free(&f);
}

static void test_tune_keeps_to_the_range(void **state) {
        struct fake f;
        struct hb_order o;

        usual(&f);
        strcpy(f.memory.place.row, "predictor/shadow");
        fake_plain(&f, &hb_view_policies);
        fake_act(&f, &hb_view_policies, HB_DO_TUNE, "predictor/shadow", NULL, &o);
        assert_int_equal(o.nchoices, 3);
        fake_act(&f, &hb_view_policies, HB_DO_TUNE, "predictor/shadow", FAKE_ANSWERS("bias"), &o);
        assert_int_equal(o.kind, HB_ORDER_ASK);
        assert_string_equal(o.text, "bias, now 0.3: 0 to 1, default 0.2");
        assert_string_equal(o.initial, "");
        fake_act(&f, &hb_view_policies, HB_DO_TUNE, "predictor/shadow", FAKE_ANSWERS("bias", "1.5"), &o);
        assert_int_equal(o.kind, HB_ORDER_ASK);
        assert_string_equal(o.text, "that is above its range: bias, now 0.3: 0 to 1, default 0.2");
        fake_act(&f, &hb_view_policies, HB_DO_TUNE, "predictor/shadow",
                 FAKE_ANSWERS("bias", "1.5", "x", "nan"), &o);
        assert_int_equal(o.kind, HB_ORDER_SAY);
        fake_act(&f, &hb_view_policies, HB_DO_TUNE, "predictor/shadow", FAKE_ANSWERS("window", "2.5"), &o);
        assert_int_equal(o.kind, HB_ORDER_ASK);
        fake_act(&f, &hb_view_policies, HB_DO_TUNE, "predictor/shadow", FAKE_ANSWERS("quick", "no"), &o);
        assert_int_equal(o.kind, HB_ORDER_CALL);
        assert_float_equal(json_number_value(json_object_get(o.args, "value")), 0, 0);
        hb_order_fini(&o);
        fake_act(&f, &hb_view_policies, HB_DO_TUNE, "predictor/shadow", FAKE_ANSWERS("bias", "1.5", "0.7"),
                 &o);
        assert_int_equal(o.kind, HB_ORDER_CALL);
        assert_string_equal(o.cmd, "policy.tune");
        assert_true(json_is_true(json_object_get(o.args, "shadow")));
        assert_float_equal(json_number_value(json_object_get(o.args, "value")), 0.7, 0);
        assert_string_equal(o.confirm, "y");
        hb_order_fini(&o);
        fake_act(&f, &hb_view_policies, HB_DO_TUNE, "predictor/file/markov", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_SAY);
        fake_free(&f);
}

static void test_explain_and_back(void **state) {
        struct fake f;
        struct hb_order o;

        usual(&f);
        fake_plain(&f, &hb_view_policies);
        fake_act(&f, &hb_view_policies, HB_DO_EXPLAIN, "predictor/shadow", FAKE_ANSWERS("vm1", "0x1267"), &o);
        assert_int_equal(o.kind, HB_ORDER_DONE);
        assert_string_equal(f.memory.detail, "explain predictor/shadow vm1 4711");
        fake_act(&f, &hb_view_policies, HB_DO_BACK, "", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_DONE);
        assert_string_equal(f.memory.detail, "");
        assert_string_equal(f.memory.place.row, "predictor/shadow");
        fake_act(&f, &hb_view_policies, HB_DO_BACK, "predictor/shadow", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_NONE);
        fake_act(&f, &hb_view_policies, HB_DO_EXPLAIN, "predictor/shadow", FAKE_ANSWERS("vm1", "010"), &o);
        assert_string_equal(f.memory.detail, "explain predictor/shadow vm1 10"); /* never octal */
        hb_policies_show(&f.memory, HB_POLICIES_LIST, "predictor/shadow");
        fake_act(&f, &hb_view_policies, HB_DO_EXPLAIN, "predictor/shadow", FAKE_ANSWERS("vm1", "-3"), &o);
        assert_int_equal(o.kind, HB_ORDER_SAY);
        fake_free(&f);
}

static void test_read_only(void **state) {
        static const enum hb_action actions[] = {HB_DO_LOAD, HB_DO_PROMOTE, HB_DO_ROLLBACK, HB_DO_DROP,
                                                 HB_DO_TUNE};
        struct fake f;
        struct hb_order o;

        usual(&f);
        f.ctx.control = false;
        fake_plain(&f, &hb_view_policies);
        for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
                fake_act(&f, &hb_view_policies, actions[i], "predictor/shadow", NULL, &o);
                assert_int_equal(o.kind, HB_ORDER_SAY);
                assert_non_null(strstr(o.text, "--control"));
        }
        fake_act(&f, &hb_view_policies, HB_DO_DIFF, "predictor/shadow", NULL, &o);
        assert_int_equal(o.kind, HB_ORDER_DONE);
        fake_free(&f);
}

static void test_every_order(void **state) {
        static const char *const details[] = {"",
                                              "lanes predictor/shadow",
                                              "params predictor/shadow",
                                              "history predictor/active",
                                              "diff scorer/previous",
                                              "explain predictor/active vm1 4711",
                                              "nonsense",
                                              "explain x"};
        struct fake f;

        usual(&f);
        for (unsigned i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
                memset(&f.memory, 0, sizeof(f.memory));
                strcpy(f.memory.detail, details[i]);
                fake_plain(&f, &hb_view_policies);
                fake_act_all(&f, &hb_view_policies,
                             FAKE_ANSWERS("", "predictor/active", "predictor/shadow", "scorer/previous",
                                          "predictor/file/markov", "bias", "vm1", "gone/away"));
        }
        fake_free(&f);
}

/* ---- what a daemon leaves out ---- */

static void test_members_missing(void **state) {
        static const char *const details[] = {
                "",          "lanes predictor/shadow", "params predictor/shadow",
                "history -", "diff scorer/previous",   "explain predictor/active vm1 4711"};
        uint32_t seed = 20261123;

        for (unsigned round = 0; round < 120; round++) {
                struct fake f;
                json_t *t = fake_json(tick), *a = answers();

                json_t *params = fake_spoil(json_object_get(a, "policy.show"), &seed, 4);

                json_object_del(a, "policy.show"); /* -1 is a good value of a param */
                fake_new(&f);
                fake_add(&f, fake_spoil(t, &seed, 5), fake_spoil(a, &seed, 5));
                json_object_set_new(f.answers[0], "policy.show", params);
                json_decref(t);
                json_decref(a);
                fake_turn(&f);
                strcpy(f.memory.detail, details[round % 6]);
                fake_plain(&f, &hb_view_policies);
                fake_no_nonsense(&f);
                fake_painted(&f, &hb_view_policies, 40 + round, 12 + round % 40);
                fake_no_nonsense(&f);
                json_decref(fake_doc_json(&f, &hb_view_policies));
                if (round % 8 == 0)
                        fake_act_all(&f, &hb_view_policies, FAKE_ANSWERS("predictor/shadow"));
                fake_free(&f);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_worse_than_baseline),
                cmocka_unit_test(test_canary_is_read_the_other_way_round),
                cmocka_unit_test(test_f1_where_no_value_is_known),
                cmocka_unit_test(test_quarantine),
                cmocka_unit_test(test_parts),
                cmocka_unit_test(test_json_has_base_units),
                cmocka_unit_test(test_painted),
                cmocka_unit_test(test_many_guests),
                cmocka_unit_test(test_empty_world),
                cmocka_unit_test(test_seat_with_most_placements),
                cmocka_unit_test(test_changes_name_the_policy),
                cmocka_unit_test(test_load),
                cmocka_unit_test(test_tune_keeps_to_the_range),
                cmocka_unit_test(test_explain_and_back),
                cmocka_unit_test(test_read_only),
                cmocka_unit_test(test_every_order),
                cmocka_unit_test(test_members_missing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
