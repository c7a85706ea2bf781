/* Exact replays: an engine is recorded through its tap, and decides the same again from the file alone; with
 * a policy changed by one constant it does not. */
#include "../place/change_rig.h"
#include "place/engine_priv.h"
#include "replay_rig.h"

static char policies[200];
static uint32_t lose_after, part; /* of what record() writes */
static bool swaps;                /* policies are changed on the way */
static bool copies;               /* pages turn out to be on the target already */

struct recorder {
        hb_trace_writer *w;
        struct hb_buf b;
        uint64_t time_ns, inputs;
};

static void hear(void *arg, const struct hb_engine_input *in) {
        struct recorder *r = arg;
        struct hb_trace_event ev = {.stream = HB_TRACE_INPUT, .time_ns = r->time_ns};

        hb_buf_reset(&r->b);
        hb_engine_input_encode(in, &r->b);
        ev.raw.data = r->b.data;
        ev.raw.size = r->b.len;
        assert_int_equal(hb_trace_writer_event(r->w, &ev), 0);
        r->inputs++;
}

static void make_header(const hb_replay *r, struct hb_trace_header *h) {
        struct hb_replay_result res;
        struct hb_buf b = {0};

        hb_replay_result((hb_replay *)r, &res);
        *h = *r->h;
        h->origin = HB_TRACE_TARGET;
        hb_engine_options_encode(&r->sim->o.engine, &b);
        memcpy(h->engine, b.data, b.len);
        h->engine_size = (uint32_t)b.len;
        hb_buf_free(&b);
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++) {
                memcpy(h->policies[k].name, res.policies[k].name, sizeof(h->policies[k].name));
                memcpy(h->policies[k].hash, res.policies[k].hash, sizeof(h->policies[k].hash));
        }
}

static void mark_digest(struct recorder *rec, const hb_replay *r) {
        struct hb_engine_stats s;

        hb_engine_stats(hb_replay_engine(r), &s);
        assert_int_equal(hb_trace_writer_mark(rec->w, rec->time_ns, HB_MARK_DIGEST, s.digest, ""), 0);
}

/* Its answers hang on everything it was ever told. */
static const char pupil[] =
        "local p = { api = 1, kind = 'predictor', name = 'pupil', version = '1', history = true,\n"
        "  params = { stubborn = { default = 0.5, min = 0, max = 1, help = 'x' } } }\n"
        "local trust, epochs, sum = 1, 0, 0\n"
        "function p:predict(pages, guest)\n"
        "  local a = pages:active(0, 8) * trust + pages.returns * (0.01 * epochs) + sum % 7 * 0.1\n"
        "  return a, pages.write_heat * self.params.stubborn\n"
        "end\n"
        "function p:observe(epoch, guest)\n"
        "  epochs = epochs + 1\n"
        "  for i = 1, #epoch.runs do sum = sum + epoch.runs[i].gfn * epoch.runs[i].pages % 13 end\n"
        "end\n"
        "function p:rehearse(pages, guest, lesson) sum = sum + pages.n + lesson end\n"
        "function p:learn(o, guest)\n"
        "  trust = trust * self.params.stubborn + o.accessed:sum() / (1 + o.budget)\n"
        "end\n"
        "return p\n";

static void change_policies(hb_engine *engine, uint64_t now_ns, uint32_t epoch) {
        enum hb_policy_kind k = HB_POLICY_PREDICTOR;
        struct hb_err e = {0};
        int rc = 0;

        if (epoch == 6)
                rc = cr_shadow(engine, now_ns, k, "pupil", pupil, &e);
        if (epoch == 9 || epoch == 40)
                rc = cr_do(engine, now_ns, HB_POLICY_PROMOTE, k, &e);
        if (epoch == 20)
                rc = cr_tune(engine, now_ns, k, "stubborn", 0.75, false, &e);
        if (epoch == 34)
                rc = cr_do(engine, now_ns, HB_POLICY_ROLLBACK, k, &e);
        if (epoch == 36)
                rc = cr_shadow(engine, now_ns, k, "pupil", pupil, &e);
        if (rc < 0)
                fail_msg("epoch %u: %s", epoch, e.what);
}

/* ---- pages that are there already, which no simulation has ---- */

static struct {
        struct hb_run run[4096];
        unsigned n;
        uint64_t taken;
} to_copy;

static int copy(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        if (to_copy.n == 40)
                return -EAGAIN;
        to_copy.run[to_copy.n++] = (struct hb_run){gfn, pages};
        to_copy.taken += pages;
        return 0;
}

/* What was asked for is answered, and more is told. */
static void find_copies(hb_engine *e, uint64_t now_ns, uint32_t epoch) {
        unsigned n = to_copy.n;

        e->ops.copy = copy;
        to_copy.n = 0;
        for (unsigned i = 0; i < n; i++) {
                struct hb_run r = to_copy.run[i];

                if (i % 5 == 4)
                        hb_engine_refuted(e, now_ns, r.gfn, (uint32_t)r.pages);
                else
                        hb_engine_copied(e, now_ns, r.gfn, (uint32_t)r.pages, epoch, i % 7 == 1);
        }
        for (uint64_t g = epoch % 7; g < 5000; g += 40)
                hb_engine_known(e, now_ns, g, 30, epoch, epoch % 6 != 5);
}

/* A simulated replay of a made-up trace is recorded as a daemon records a placement. */
static uint64_t record(const char *name, const struct hb_replay_options *o, bool late) {
        char from[128];
        struct hb_trace_writer_options wo = {.atomic = true, .replace = true};
        struct hb_trace_header h;
        struct recorder rec = {0};
        struct hb_engine_stats s;
        struct hb_trace_item i;
        hb_replay *r;
        struct hb_err e;

        snprintf(from, sizeof(from), "%s", rig_synth("from.hbt", HB_SYNTH_MIX, 5000, 45));
        if (hb_replay_open(from, o, &r, &e) < 0)
                fail_msg("%s", e.what);
        make_header(r, &h);
        h.part = part;
        assert_int_equal(hb_trace_writer_new(rig_file(name), &h, &wo, &rec.w, &e), 0);
        assert_int_equal(hb_trace_writer_mark(rec.w, 0, HB_MARK_ENGINE, 0, ""), 0);
        if (!late)
                assert_int_equal(hb_engine_set_tap(r->sim->engine, hear, &rec), 0);
        while (hb_trace_reader_next(r->reader, &i, &e) > 0) {
                assert_true(hb_replay_sim_item(r, &i, &e) >= 0);
                if (i.kind != HB_TRACE_EPOCH)
                        continue;
                rec.time_ns = i.time_ns;
                assert_int_equal(hb_trace_writer_epoch(rec.w, i.epoch, i.time_ns, i.access, i.naccess), 0);
                mark_digest(&rec, r);
                if (copies)
                        find_copies(r->sim->engine, r->sim->now_ns, i.epoch);
                if (swaps)
                        change_policies(r->sim->engine, r->sim->now_ns, i.epoch);
                if (lose_after && i.epoch == lose_after)
                        assert_int_equal(
                                hb_trace_writer_mark(rec.w, rec.time_ns, HB_MARK_DROPPED, 3, "input"), 0);
                if (late && i.epoch == 10)
                        assert_int_equal(hb_engine_set_tap(r->sim->engine, hear, &rec), 0);
        }
        assert_true(rec.inputs > 500);
        hb_engine_stats(hb_replay_engine(r), &s);
        rig_close(rec.w);
        hb_buf_free(&rec.b);
        hb_replay_free(r);
        return s.digest;
}

static void test_decides_the_same_again(void **state) {
        struct hb_replay_options o = {0};
        uint64_t digest = record("built-in.hbt", &o, false);

        o.quality = true;
        for (unsigned i = 0; i < 20; i++) {
                struct hb_replay_result r;

                o.speed = i == 7 ? 1e3 : 0;
                o.mode = i % 2 ? HB_REPLAY_EXACT : HB_REPLAY_AUTO;
                r = rig_run(rig_path, &o);
                assert_true(r.exact && r.digest_known && r.digest_matches);
                assert_int_equal(r.first_difference, 0);
                assert_int_equal(r.digest, digest);
                assert_int_equal(r.recorded_digest, digest);
                assert_int_equal(r.epochs, 45);
                assert_true(r.quality.all.moments > 0 && r.coverage > 0.3);
        }
        o.until = 12;
        assert_int_equal(rig_run(rig_path, &o).epochs, 12);
}

static void test_copies_are_replayed(void **state) {
        struct hb_replay_options o = {.link_bytes_per_s = 2e6};
        struct hb_replay_result r;
        uint64_t digest, with;

        digest = record("without.hbt", &o, false);
        copies = true;
        to_copy.n = 0;
        with = record("copies.hbt", &o, false);
        copies = false;
        assert_true(with != digest && to_copy.taken > 100);
        o.link_bytes_per_s = 0;
        r = rig_run(rig_path, &o);
        assert_true(r.exact && r.digest_known && r.digest_matches);
        assert_int_equal(r.digest, with);
        o.mode = HB_REPLAY_SIMULATED; /* where nobody has anything yet */
        r = rig_run(rig_path, &o);
        assert_true(!r.exact && r.digest != with);
}

static void test_changes_are_replayed(void **state) {
        struct hb_replay_options o = {.horizon_s = 6};
        uint64_t plain = record("unchanged.hbt", &o, false), digest;

        swaps = true;
        digest = record("changed.hbt", &o, false);
        swaps = false;
        assert_true(digest != plain);
        for (unsigned i = 0; i < 3; i++) { /* the judge's own set learns beside it, and changes nothing */
                struct hb_replay_result r;

                o = (struct hb_replay_options){.quality = i > 0};
                r = rig_run(rig_path, &o);
                assert_true(r.exact && r.digest_known && r.digest_matches);
                assert_int_equal(r.first_difference, 0);
                assert_int_equal(r.digest, digest);
                assert_string_equal(r.policies[HB_POLICY_PREDICTOR].name, "pupil");
                assert_int_equal(r.policies[HB_POLICY_PREDICTOR].errors, 0);
        }
}

static void change_a_constant(void) {
        char command[600];

        snprintf(command, sizeof(command),
                 "mkdir %s/policies && cp -r %s/policies/. %s/policies && "
                 "sed -i 's/w_waste = { default = 0.6,/w_waste = { default = 0.5,/' "
                 "%s/policies/score/cost_benefit.lua "
                 "&& "
                 "! cmp -s %s/policies/score/cost_benefit.lua %s/policies/score/cost_benefit.lua",
                 rig_dir, HB_SOURCE_DIR, rig_dir, rig_dir, HB_SOURCE_DIR, rig_dir);
        assert_int_equal(system(command), 0);
        snprintf(policies, sizeof(policies), "%s/policies", rig_dir);
}

static void test_one_constant_shows(void **state) {
        struct hb_replay_options o = {.policy_dir = HB_SOURCE_DIR "/policies",
                                      .policies = {"ewma", "cost_benefit", "adaptive"}};
        uint64_t digest = record("lua.hbt", &o, false);
        struct hb_replay_result r;

        o = (struct hb_replay_options){.policy_dir = HB_SOURCE_DIR "/policies"};
        r = rig_run(rig_path, &o);
        assert_true(r.exact && r.digest_matches && r.digest == digest);
        assert_string_equal(r.policies[HB_POLICY_PREDICTOR].name, "ewma");
        assert_true(strcmp(r.policies[HB_POLICY_PREDICTOR].hash, "builtin") != 0);

        o.policy_dir = NULL; /* the built-in ones decide like the shipped files */
        r = rig_run(rig_path, &o);
        assert_true(r.exact && r.digest_matches && r.digest == digest);
        assert_string_equal(r.policies[HB_POLICY_PREDICTOR].hash, "builtin");

        change_a_constant();
        o.policy_dir = policies;
        r = rig_run(rig_file("lua.hbt"), &o);
        assert_true(r.exact && r.digest_known && !r.digest_matches);
        assert_true(r.digest != digest && r.recorded_digest == digest);
        assert_true(r.first_difference > 0 && r.first_difference < 45);
}

/* Something else is asked for: then it is a simulation, unless that is refused. */
static void test_other_questions_are_simulated(void **state) {
        struct hb_replay_options o = {0};
        struct hb_replay_result r;
        struct hb_err e;

        record("asked.hbt", &o, false);
        o.link_bytes_per_s = 1e7;
        r = rig_run(rig_path, &o);
        assert_false(r.exact || r.digest_known);
        o = (struct hb_replay_options){.mode = HB_REPLAY_SIMULATED};
        assert_false(rig_run(rig_path, &o).exact);
        o = (struct hb_replay_options){.migrate_moments = 1, .migrate_at_ns = {20 * S}};
        r = rig_run(rig_path, &o);
        assert_true(!r.exact && r.nmigrations == 1);
        o.mode = HB_REPLAY_EXACT;
        assert_int_equal(hb_replay_run(rig_path, &o, NULL, NULL, &r, &e), -EINVAL);
}

static void test_a_beginning_that_is_not_there(void **state) {
        struct hb_replay_options o = {0};
        struct hb_replay_result r;
        struct hb_err e = {0};

        record("late.hbt", &o, true);
        if (hb_replay_run(rig_path, &o, NULL, NULL, &r, &e) != -ENODATA)
                fail_msg("%s", e.what);
        assert_true(strstr(e.next, "--simulated") != NULL);
        o.mode = HB_REPLAY_SIMULATED;
        assert_int_equal(rig_run(rig_path, &o).epochs, 45);
}

/* The recorder had no room for an input: exact up to there, by name. Another part than the first has no
 * beginning. */
static void test_inputs_that_are_not_there(void **state) {
        struct hb_replay_options o = {.mode = HB_REPLAY_EXACT};
        struct hb_replay_result r;
        struct hb_err e = {0};

        lose_after = 20;
        record("lossy.hbt", &(struct hb_replay_options){0}, false);
        lose_after = 0;
        assert_int_equal(hb_replay_run(rig_path, &o, NULL, NULL, &r, &e), -ENODATA);
        assert_true(strstr(e.what, "dropped 3") && strstr(e.next, "--until 19"));
        o.until = 19;
        assert_true(rig_run(rig_path, &o).digest_matches);
        part = 1;
        record("part.hbt", &(struct hb_replay_options){0}, false);
        part = 0;
        assert_int_equal(hb_replay_run(rig_path, &(struct hb_replay_options){.mode = HB_REPLAY_EXACT}, NULL,
                                       NULL, &r, &e),
                         -EOPNOTSUPP);
        assert_false(rig_run(rig_path, &(struct hb_replay_options){0}).exact);
}

/* Bytes that are no input, and inputs of another guest's size. */
static void test_bad_inputs(void **state) {
        struct hb_trace_event ev = {.stream = HB_TRACE_INPUT, .time_ns = S};
        struct hb_trace_writer_options wo = {.atomic = true, .replace = true};
        struct hb_engine_options eo = {.horizon_s = 10};
        uint8_t bytes[40];
        struct hb_err e;

        for (unsigned i = 0; i < 64; i++) {
                struct hb_replay_options o = {.mode = HB_REPLAY_EXACT};
                struct hb_synth y = {.pages = 64};
                struct hb_replay_result r;
                struct hb_trace_header h;
                struct hb_buf b = {0};
                hb_trace_writer *w;
                int rc;

                hb_synth_header(&y, &h);
                hb_engine_options_encode(&eo, &b);
                memcpy(h.engine, b.data, b.len);
                h.engine_size = i == 63 ? 3 : (uint32_t)b.len;
                hb_buf_free(&b);
                for (unsigned k = 0; k < sizeof(bytes); k++)
                        bytes[k] = (uint8_t)(hb_synth_mix(i * 1000 + k) >> (k % 8));
                bytes[0] = (uint8_t)(i % 16);
                ev.raw.data = bytes;
                ev.raw.size = i % sizeof(bytes) + 1;
                assert_int_equal(hb_trace_writer_new(rig_file("bad.hbt"), &h, &wo, &w, &e), 0);
                assert_int_equal(hb_trace_writer_event(w, &ev), 0);
                rig_close(w);
                rc = hb_replay_run(rig_path, &o, NULL, NULL, &r, &e);
                assert_true(rc == 0 || rc == -EBADMSG || rc == -ENODATA);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_decides_the_same_again),
                cmocka_unit_test(test_copies_are_replayed),
                cmocka_unit_test(test_changes_are_replayed),
                cmocka_unit_test(test_one_constant_shows),
                cmocka_unit_test(test_other_questions_are_simulated),
                cmocka_unit_test(test_a_beginning_that_is_not_there),
                cmocka_unit_test(test_inputs_that_are_not_there),
                cmocka_unit_test(test_bad_inputs),
        };

        return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
