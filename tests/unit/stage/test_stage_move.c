/* Moves on a stage: asked for, by themselves, given up, refused, there and back; placements; policies. */
#include "move/handover.h"
#include "replay/replay_priv.h"
#include "stage/stage_priv.h"
#include "stage_rig.h"

static const struct hb_stage_options still = {.speed = 1, .paused = true, .migrate_at_s = -1};

static json_t *guest_args(const char *host) {
        return host ? json_pack("{s:s,s:s}", "guest", "synth", "host", host)
                    : json_pack("{s:s}", "guest", "synth");
}

/* ---- the words ---- */

static void test_states_are_those_of_real_hosts(void **state) {
        for (unsigned s = 0; s < HB_STEPS; s++)
                for (unsigned source = 0; source < 2; source++) {
                        int known = hb_ho_state_from_name(hb_stage_step_name((enum hb_stage_step)s, source));

                        assert_true(known >= 0);
                        assert_string_equal(hb_stage_step_text((enum hb_stage_step)s, source),
                                            hb_ho_state_text((enum hb_ho_state)known));
                        assert_true((hb_ho_role((enum hb_ho_state)known) == HB_ROLE_SOURCE) == (source == 1));
                }
}

/* ---- a move ---- */

struct heard {
        char states[400];
        unsigned n;
};

static void on_progress(void *arg, const json_t *p) {
        struct heard *h = arg;

        snprintf(h->states + strlen(h->states), sizeof(h->states) - strlen(h->states), "%s ",
                 rig_text(p, "state"));
        assert_true(rig_number(p, "remaining_bytes") >= 0 && rig_number(p, "elapsed_s") >= 0);
        h->n++;
}

static json_t *migrate(struct rig *r, hb_ctl_client *c, const char *host, struct heard *h) {
        struct hb_err e = {0};
        json_t *result;

        if (hb_ctl_call(c, "migrate", guest_args(host), 20000, on_progress, h, &result, &e) < 0)
                fail_msg("%s", e.what);
        return result;
}

static void runs_on(struct rig *r, hb_ctl_client *here, hb_ctl_client *there) {
        json_t *j = rig_ask(here, "status", NULL, NULL);

        assert_string_equal(rig_text(j, "guests.0.name"), "synth");
        assert_true(json_is_null(rig_at(j, "guests.0.placement")));
        json_decref(j);
        j = rig_ask(there, "status", NULL, NULL);
        assert_int_equal(json_array_size(rig_at(j, "guests")), 0);
        assert_int_equal(json_array_size(rig_at(j, "incoming")), 0);
        json_decref(j);
}

static void test_there_and_back(void **state) {
        const char *const traces[] = {rig_synth("move.hbt", HB_SYNTH_MIX, 5000, 4000), NULL};
        struct hb_stage_options o = still;
        struct heard h = {0};
        struct rig r;
        json_t *j;

        o.traces = traces;
        o.link_bytes_per_s = 4e6;
        o.speed = 100;
        rig_start(&r, &o);
        rig_seek(&r, 30);
        j = rig_ask(r.a, "migrate", json_pack("{s:s,s:s,s:b}", "guest", "synth", "host", "b", "dry_run", 1),
                    NULL);
        assert_true(json_is_true(rig_at(j, "can_move")));
        assert_true(rig_number(j, "estimate.downtime_ms") > 0);
        json_decref(j);
        assert_int_equal(rig_refused(r.a, "migrate", guest_args("c")), -ENOENT);
        assert_int_equal(rig_refused(r.b, "migrate", guest_args("a")), -ENOENT);
        json_decref(rig_replay(&r, "play", 0));
        j = migrate(&r, r.a, "b", &h);
        assert_string_equal(rig_text(j, "result"), "done");
        assert_string_equal(rig_text(j, "from"), "a");
        assert_true(rig_number(j, "downtime_ms") >= 30 && rig_number(j, "downtime_ms") < 400);
        assert_true(rig_number(j, "total_ms") > rig_number(j, "downtime_ms"));
        assert_true(rig_number(j, "outcome.hit") > 0 && rig_number(j, "nonzero_bytes") > 1e6);
        json_decref(j);
        assert_string_equal(h.states,
                            "s-prepare s-converge s-freeze s-delta s-state s-loaded s-release s-commit "
                            "s-finish ");
        runs_on(&r, r.b, r.a);
        assert_int_equal(rig_refused(r.a, "place", guest_args("b")), -ENOENT); /* it is not here any more */
        json_decref(rig_ask(r.b, "place",
                            json_pack("{s:s,s:s,s:b}", "guest", "synth", "host", "a", "wait", 1), NULL));
        j = rig_ask(r.a, "status", NULL, NULL);
        assert_string_equal(rig_text(j, "incoming.0.from"), "b");
        json_decref(j);
        json_decref(migrate(&r, r.b, "a", &h));
        runs_on(&r, r.a, r.b);
        j = rig_ask(r.a, "history", NULL, NULL);
        assert_int_equal(json_array_size(rig_at(j, "entries")), 2);
        assert_string_equal(rig_text(j, "entries.0.from"), "b");
        assert_string_equal(rig_text(j, "entries.1.result"), "done");
        json_decref(j);
        rig_stop(&r);
}

static void *ask_migrate(void *arg) {
        static struct hb_err e;
        json_t *none;

        e = (struct hb_err){0};
        hb_ctl_call(arg, "migrate", guest_args("b"), 20000, NULL, NULL, &none, &e);
        return &e;
}

/* While the replay stands still a move goes no further than its guest. */
static void test_given_up(void **state) {
        const char *const traces[] = {rig_synth("abort.hbt", HB_SYNTH_MIX, 5000, 60), NULL};
        struct hb_stage_options o = still;
        hb_ctl_client *second;
        pthread_t thread;
        struct rig r;
        void *e;
        json_t *j;

        o.traces = traces;
        o.link_bytes_per_s = 2e6;
        rig_start(&r, &o);
        rig_seek(&r, 20);
        assert_int_equal(rig_refused(r.a, "migrate.abort", guest_args(NULL)), -ENOENT);
        second = rig_client(&r, "a");
        pthread_create(&thread, NULL, ask_migrate, second);
        for (;;) {
                j = rig_ask(r.a, "status", NULL, NULL);
                if (json_array_size(rig_at(j, "handovers")) &&
                    strcmp(rig_text(j, "handovers.0.state"), "s-converge") == 0)
                        break;
                json_decref(j);
        }
        assert_string_equal(rig_text(j, "guests.0.placement.state"), "draining");
        assert_true(rig_number(j, "handovers.0.progress.remaining_bytes") > 0);
        json_decref(j);
        assert_int_equal(rig_refused(r.a, "unplace", guest_args(NULL)), -EBUSY);
        assert_int_equal(rig_refused(r.a, "migrate", guest_args("b")), -EBUSY);
        json_decref(rig_ask(r.a, "migrate.abort", guest_args(NULL), NULL));
        pthread_join(thread, &e);
        assert_int_equal(((struct hb_err *)e)->code, -ECANCELED);
        hb_ctl_close(second);
        j = rig_ask(r.a, "status", NULL, NULL);
        assert_int_equal(json_array_size(rig_at(j, "handovers")), 0);
        assert_string_equal(rig_text(j, "guests.0.placement.state"), "filling");
        json_decref(j);
        rig_seek(&r, 50); /* and it goes on as before */
        rig_stop(&r);
}

static void test_refused_when_it_would_take_too_long(void **state) {
        const char *const traces[] = {rig_synth("slow.hbt", HB_SYNTH_RANDOM, 20000, 300), NULL};
        struct hb_stage_options o = still;
        struct rig r;
        json_t *j;

        o.traces = traces;
        o.link_bytes_per_s = 2e5;
        o.speed = 100;
        o.paused = false;
        rig_start(&r, &o);
        rig_seek(&r, 10);
        assert_int_equal(rig_refused(r.a, "migrate", guest_args("b")), -EDEADLK);
        j = rig_ask(r.a, "history", NULL, NULL);
        assert_string_equal(rig_text(j, "entries.0.result"), "aborted");
        json_decref(j);
        j = rig_ask(r.a, "status", NULL, NULL);
        assert_string_equal(rig_text(j, "guests.0.state"), "running");
        json_decref(j);
        rig_stop(&r);
}

static void test_it_moves_by_itself_when_asked_to(void **state) {
        const char *const traces[] = {rig_synth("self.hbt", HB_SYNTH_HOT, 4000, 60), NULL};
        struct hb_stage_options o = still;
        struct rig r;
        json_t *j;

        o.traces = traces;
        o.migrate_at_s = 20;
        rig_start(&r, &o);
        rig_seek(&r, 19);
        j = rig_ask(r.a, "status", NULL, NULL);
        assert_int_equal(json_array_size(rig_at(j, "guests")), 1);
        json_decref(j);
        rig_seek(&r, 30);
        runs_on(&r, r.b, r.a);
        rig_seek(&r, 10); /* back before it */
        j = rig_ask(r.a, "status", NULL, NULL);
        assert_int_equal(json_array_size(rig_at(j, "guests")), 1);
        json_decref(j);
        rig_stop(&r);
}

static void test_unplaced_and_placed(void **state) {
        const char *const traces[] = {rig_synth("place.hbt", HB_SYNTH_HOT, 4000, 60), NULL};
        struct hb_stage_options o = still;
        struct rig r;
        json_t *j;

        o.traces = traces;
        rig_start(&r, &o);
        rig_seek(&r, 20);
        assert_int_equal(rig_refused(r.a, "place", guest_args("b")), -EEXIST);
        json_decref(rig_ask(r.a, "unplace", guest_args(NULL), NULL));
        assert_int_equal(rig_refused(r.a, "unplace", guest_args(NULL)), -ENOENT);
        runs_on(&r, r.a, r.b);
        json_decref(rig_replay(&r, "step", 4));
        j = rig_ask(r.a, "place", guest_args("b"), NULL);
        assert_true(rig_number(j, "fresh_pages") == 0 && rig_number(j, "resident_pages") > 100);
        json_decref(j);
        json_decref(rig_replay(&r, "step", 10));
        j = rig_ask(r.b, "status", NULL, NULL);
        assert_true(rig_number(j, "incoming.0.fresh_pages") > 100);
        json_decref(j);
        rig_stop(&r);
}

/* ---- policies ---- */

static double kinds_hash_is(const json_t *kind, const char *place, const char *name) {
        char path[40];

        snprintf(path, sizeof(path), "%s.name", place);
        return strcmp(rig_text(kind, path), name) == 0;
}

static void test_a_policy_is_tried_and_taken_back(void **state) {
        const char *const traces[] = {rig_synth("policy.hbt", HB_SYNTH_MIX, 5000, 60), NULL};
        struct hb_stage_options o = still;
        char before[17], with[17], again[17];
        struct rig r;
        json_t *j;

        o.traces = traces;
        o.policy_dir = HB_SOURCE_DIR "/policies";
        o.link_bytes_per_s = 3e6;
        rig_start(&r, &o);
        rig_seek(&r, 30);
        rig_digest(&r, before);
        j = rig_ask(r.b, "policy.list", NULL, NULL);
        assert_int_equal(json_array_size(rig_at(j, "kinds")), 3);
        assert_true(json_array_size(rig_at(j, "kinds.0.candidates")) > 3);
        json_decref(j);
        assert_int_equal(rig_refused(r.b, "policy.promote", json_pack("{s:s}", "kind", "predictor")),
                         -ENOENT);
        assert_int_equal(rig_refused(r.b, "policy.load", json_pack("{s:s}", "policy", "nosuch")), -ENOENT);
        assert_int_equal(rig_refused(r.b, "policy.load", json_pack("{s:s}", "policy", "/etc/passwd")),
                         -EOPNOTSUPP);
        j = rig_ask(r.b, "policy.load", json_pack("{s:s,s:s}", "policy", "lfu", "why", "a test"), NULL);
        assert_true(kinds_hash_is(j, "shadow", "lfu"));
        json_decref(j);
        json_decref(rig_replay(&r, "step", 28));
        j = rig_ask(r.b, "policy.shadow", NULL, NULL);
        assert_string_equal(rig_text(j, "guests.0.shadow_names.predictor"), "lfu");
        assert_true(rig_number(j, "guests.0.shadow.lessons") > 0);
        json_decref(j);
        json_decref(rig_ask(r.b, "policy.promote", json_pack("{s:s}", "kind", "predictor"), NULL));
        json_decref(rig_replay(&r, "step", 1));
        j = rig_ask(r.b, "policy.show", json_pack("{s:s}", "policy", "predictor"), NULL);
        assert_string_equal(rig_text(j, "name"), "lfu");
        assert_true(strstr(rig_text(j, "source"), "lfu") != NULL);
        json_decref(j);
        rig_seek(&r, 30); /* with it from the begin on */
        rig_digest(&r, with);
        assert_string_not_equal(with, before);
        json_decref(rig_ask(r.b, "policy.rollback", json_pack("{s:s}", "kind", "predictor"), NULL));
        rig_seek(&r, 31);
        rig_seek(&r, 30);
        rig_digest(&r, again);
        assert_string_not_equal(again, with);
        j = rig_ask(r.b, "policy.history", NULL, NULL);
        assert_int_equal(json_array_size(rig_at(j, "events")), 3);
        assert_string_equal(rig_text(j, "events.0.op"), "rollback");
        assert_string_equal(rig_text(j, "events.2.why"), "a test");
        json_decref(j);
        j = rig_ask(r.b, "policy.explain", json_pack("{s:s,s:i}", "guest", "synth", "gfn", 3), NULL);
        assert_true(rig_text(j, "why")[0] != 0 && rig_text(j, "policies.predictor")[0] != 0);
        json_decref(j);
        assert_int_equal(
                rig_refused(r.a, "policy.explain", json_pack("{s:s,s:i}", "guest", "synth", "gfn", 3)),
                -ENOENT);
        rig_stop(&r);
}

/* ---- recorded decisions ---- */

struct recorder {
        hb_trace_writer *w;
        struct hb_buf b;
        uint64_t time_ns;
};

static void hear(void *arg, const struct hb_engine_input *in) {
        struct recorder *r = arg;
        struct hb_trace_event ev = {.stream = HB_TRACE_INPUT, .time_ns = r->time_ns};

        hb_buf_reset(&r->b);
        hb_engine_input_encode(in, &r->b);
        ev.raw.data = r->b.data;
        ev.raw.size = r->b.len;
        assert_int_equal(hb_trace_writer_event(r->w, &ev), 0);
        if (in->kind == HB_IN_DRAIN || in->kind == HB_IN_FREEZE)
                hb_trace_writer_mark(r->w, r->time_ns,
                                     in->kind == HB_IN_DRAIN ? HB_MARK_MIGRATE : HB_MARK_FREEZE, 0, "");
}

/* A replay with a move in it, recorded as a target records. Epochs are without accesses: what decides is in
 * the inputs. */
static const char *recorded(const char *from) {
        const char *path = rig_file("exact.hbt");
        struct hb_trace_writer_options wo = {.atomic = true, .replace = true};
        struct hb_replay_options o = {.link_bytes_per_s = 3e6};
        struct recorder rec = {0};
        struct hb_trace_header h;
        struct hb_replay_live l;
        hb_replay *r;
        struct hb_err e;
        uint32_t epoch = 0;

        assert_int_equal(hb_replay_open(from, &o, &r, &e), 0);
        h = *r->h;
        h.origin = HB_TRACE_TARGET;
        hb_engine_options_encode(&r->sim->o.engine, &rec.b);
        memcpy(h.engine, rec.b.data, rec.b.len);
        h.engine_size = (uint32_t)rec.b.len;
        assert_int_equal(hb_trace_writer_new(path, &h, &wo, &rec.w, &e), 0);
        assert_int_equal(hb_engine_set_tap(r->sim->engine, hear, &rec), 0);
        do {
                if (epoch == 25)
                        assert_int_equal(hb_replay_move(r, 0, &e), 0);
                assert_int_equal(hb_replay_live_step(r, &e), 1);
                hb_replay_live(r, &l);
                rec.time_ns = l.time_ns;
                assert_int_equal(hb_trace_writer_epoch(rec.w, ++epoch, l.time_ns, NULL, 0), 0);
        } while (l.course != HB_COURSE_MOVED);
        hb_trace_writer_mark(rec.w, rec.time_ns, HB_MARK_COMPLETE, 0, "");
        assert_int_equal(hb_trace_writer_close(rec.w, &e), 0);
        hb_buf_free(&rec.b);
        hb_replay_free(r);
        return path;
}

static void test_a_recorded_move_is_shown(void **state) {
        const char *const traces[] = {recorded(rig_synth("src.hbt", HB_SYNTH_MIX, 4000, 40)), NULL};
        struct hb_stage_options o = still;
        struct rig r;
        json_t *j;

        o.traces = traces;
        rig_start(&r, &o);
        rig_seek(&r, 20);
        j = rig_ask(r.b, "status", NULL, NULL);
        assert_true(json_is_true(rig_at(j, "replay.exact")));
        assert_true(rig_number(j, "incoming.0.fresh_pages") > 100);
        json_decref(j);
        j = rig_ask(r.a, "status", NULL, NULL);
        assert_false(json_is_true(rig_at(j, "guests.0.can_move")));
        json_decref(j);
        assert_int_equal(rig_refused(r.a, "migrate", guest_args("b")), -EOPNOTSUPP);
        assert_int_equal(rig_refused(r.a, "unplace", guest_args(NULL)), -EOPNOTSUPP);
        assert_int_equal(rig_refused(r.b, "policy.drop", json_pack("{s:s}", "kind", "scorer")), -EOPNOTSUPP);
        json_decref(rig_replay(&r, "speed", 20));
        json_decref(rig_replay(&r, "play", 0));
        do {
                j = rig_ask(r.b, "status", NULL, NULL);
                if (json_array_size(rig_at(j, "guests")) && !json_array_size(rig_at(j, "handovers")))
                        break;
                json_decref(j);
        } while (true);
        json_decref(j);
        runs_on(&r, r.b, r.a);
        j = rig_ask(r.b, "history", NULL, NULL);
        assert_string_equal(rig_text(j, "entries.0.result"), "done");
        json_decref(j);
        rig_stop(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_states_are_those_of_real_hosts),
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_given_up),
                cmocka_unit_test(test_refused_when_it_would_take_too_long),
                cmocka_unit_test(test_it_moves_by_itself_when_asked_to),
                cmocka_unit_test(test_unplaced_and_placed),
                cmocka_unit_test(test_a_policy_is_tried_and_taken_back),
                cmocka_unit_test(test_a_recorded_move_is_shown),
        };

        return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
