/* What handling a trace leaves of an exact replay: parts of a rotated recording merged decide the same again;
 * so does a part from the engine's beginning; what lost that beginning is no exact trace any more. */
#include "../replay/replay_rig.h"
#include "look/rewrite.h"

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
}

static hb_trace_writer *begin(const char *name, const struct hb_trace_header *h) {
        struct hb_trace_writer_options o = {.block_bytes = 65536, .atomic = true, .replace = true};
        hb_trace_writer *w;

        assert_int_equal(hb_trace_writer_new(rig_file(name), h, &o, &w, NULL), 0);
        return w;
}

static struct hb_trace_header header_for(const hb_replay *r) {
        struct hb_trace_header h = *r->h;
        struct hb_buf b = {0};

        h.origin = HB_TRACE_TARGET;
        hb_engine_options_encode(&r->sim->o.engine, &b);
        memcpy(h.engine, b.data, b.len);
        h.engine_size = (uint32_t)b.len;
        hb_buf_free(&b);
        return h;
}

static void mark_digest(struct recorder *rec, const hb_replay *r) {
        struct hb_engine_stats s;

        hb_engine_stats(hb_replay_engine(r), &s);
        assert_int_equal(hb_trace_writer_mark(rec->w, rec->time_ns, HB_MARK_DIGEST, s.digest, ""), 0);
}

/* Simulated, and recorded as a daemon records; with `split`, as one that rotated after that epoch. */
static void record(const char *name, const char *second, uint32_t split) {
        struct hb_replay_options o = {0};
        struct recorder rec = {0};
        struct hb_trace_header h;
        struct hb_trace_item i;
        uint64_t begins = 0;
        char from[128];
        hb_replay *r;

        snprintf(from, sizeof(from), "%s", rig_synth("from.hbt", HB_SYNTH_MIX, 3000, 40));
        assert_int_equal(hb_replay_open(from, &o, &r, NULL), 0);
        h = header_for(r);
        h.begins_unix_ns = 1700000000 * S;
        rec.w = begin(name, &h);
        assert_int_equal(hb_trace_writer_mark(rec.w, 0, HB_MARK_ENGINE, 0, ""), 0);
        assert_int_equal(hb_engine_set_tap(r->sim->engine, hear, &rec), 0);
        while (hb_trace_reader_next(r->reader, &i, NULL) > 0) {
                rec.time_ns = i.time_ns > begins ? i.time_ns - begins - (i.kind == HB_TRACE_EPOCH) : 0;
                assert_true(hb_replay_sim_item(r, &i, NULL) >= 0);
                if (i.kind != HB_TRACE_EPOCH)
                        continue;
                rec.time_ns = i.time_ns - begins;
                assert_int_equal(hb_trace_writer_epoch(rec.w, i.epoch, rec.time_ns, i.access, i.naccess), 0);
                mark_digest(&rec, r);
                if (i.epoch != split)
                        continue;
                rig_close(rec.w);
                begins = i.time_ns;
                h.begins_unix_ns += i.time_ns;
                h.part = 1;
                rec.w = begin(second, &h);
        }
        rig_close(rec.w);
        hb_buf_free(&rec.b);
        hb_replay_free(r);
}

static struct hb_replay_result replay(const char *name) {
        struct hb_replay_options o = {0};

        return rig_run(rig_file(name), &o);
}

static struct hb_look_output output(const char *name, char *path, size_t size) {
        snprintf(path, size, "%s", rig_file(name));
        return (struct hb_look_output){.path = path, .replace = true};
}

static void merged_parts_decide_the_same(void **state) {
        char a[128], b[128], out[128];
        const char *const in[] = {a, b};
        struct hb_look_output o = output("merged.hbt", out, sizeof(out));
        struct hb_look_result result;
        struct hb_replay_result whole, merged;

        record("whole.hbt", NULL, 0);
        whole = replay("whole.hbt");
        assert_true(whole.exact && whole.digest_known && whole.digest_matches && whole.epochs == 40);
        record("part.hbt", "part.1.hbt", 17);
        snprintf(a, sizeof(a), "%s", rig_file("part.hbt"));
        snprintf(b, sizeof(b), "%s", rig_file("part.1.hbt"));
        assert_int_equal(hb_look_merge(in, 2, &o, &result, NULL), 0);
        merged = replay("merged.hbt");
        assert_true(merged.exact && merged.digest_matches);
        assert_true(merged.digest == whole.digest && merged.epochs == 40);
        assert_true(merged.seconds == whole.seconds);
}

static void a_part_from_the_beginning_decides_the_same(void **state) {
        char whole[128], out[128];
        struct hb_look_output o = output("cut.hbt", out, sizeof(out));
        struct hb_look_result result;
        struct hb_replay_result r;

        record("whole.hbt", NULL, 0);
        snprintf(whole, sizeof(whole), "%s", rig_file("whole.hbt"));
        assert_int_equal(hb_look_cut(whole, &(struct hb_look_cut){.to = 20}, &o, &result, NULL), 0);
        r = replay("cut.hbt");
        assert_true(r.exact && r.digest_known && r.digest_matches && r.epochs == 20);
        assert_int_equal(hb_look_cut(whole, &(struct hb_look_cut){.from = 21}, &o, &result, NULL), 0);
        r = replay("cut.hbt");
        assert_true(!r.exact && r.epochs == 20);
        assert_int_equal(hb_look_anonymize(whole, &(struct hb_look_key){{1, 2}}, &o, &result, NULL), 0);
        r = replay("cut.hbt");
        assert_true(!r.exact && r.epochs == 40);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(merged_parts_decide_the_same),
                cmocka_unit_test(a_part_from_the_beginning_decides_the_same),
        };

        return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
