/* The recorder: what goes in comes out in order, what does not fit is counted in the trace itself, parts are
 * whole, nothing that fails reaches the side that records; and a placement's recording replays to its digest.
 */
#include "../place/engine_world.h"
#include "base/clock.h"
#include "base/fault.h"
#include "record/source.h"
#include "record/target.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static const char *at(const char *name) {
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        return path;
}

static struct hb_trace_header header(void) {
        struct hb_trace_header h = {.page_size = 4096, .epoch_ns = HB_NS_PER_S, .origin = HB_TRACE_SOURCE};

        snprintf(h.guest, sizeof(h.guest), "g");
        snprintf(h.host, sizeof(h.host), "a");
        h.begins_unix_ns = 1700000000ull * HB_NS_PER_S;
        assert_int_equal(hb_shape_add(&h.shape, "ram", W_PAGES * 4096, 4096, NULL), 0);
        return h;
}

static hb_recorder *recorder(const char *path, const struct hb_recorder_options *o) {
        struct hb_trace_header h = header();
        hb_recorder *r = NULL;
        struct hb_err e;

        assert_int_equal(hb_recorder_new(path, &h, o, &r, &e), 0);
        return r;
}

static struct hb_recorder_status wait_for(hb_recorder *r, enum hb_recorder_state least) {
        struct hb_recorder_status s;

        for (unsigned i = 0; i < 20000; i++) {
                hb_recorder_status(r, &s);
                if (s.state >= least)
                        return s;
                usleep(500); /* another thread's word */
        }
        fail_msg("still %s", hb_recorder_state_name(s.state));
        return s;
}

static hb_trace_reader *reader(const char *path) {
        hb_trace_reader *r = NULL;
        struct hb_err e;

        if (hb_trace_reader_open(path, &r, &e) < 0)
                fail_msg("%s: %s", path, e.what);
        return r;
}

static bool next(hb_trace_reader *r, struct hb_trace_item *it) {
        struct hb_err e;
        int rc = hb_trace_reader_next(r, it, &e);

        if (rc < 0)
                fail_msg("%s", e.what);
        return rc == 1;
}

/* ---- a placement ---- */

struct again { /* the engine made anew from a trace */
        struct hb_image_page pages[W_PAGES];
        uint32_t processed;
        hb_policies *policies;
        hb_engine *engine;
        struct hb_engine_input_room room;
        unsigned inputs, digests, epochs, decisions, transfers, outcomes, marks[HB_MARKS];
        uint64_t last, accesses, resident, decided_pages;
        bool deaf; /* does not live it again: it has not these policies */
        char error[256];
};

static int a_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        ((struct again *)arg)->decided_pages += pages;
        return 0;
}

static void a_report(void *arg) {
}

static void a_epoch(void *arg, uint32_t epoch) {
}

static int a_zero(void *arg, uint64_t gfn, uint64_t pages) {
        return 0;
}

static void a_begin(struct again *a, const struct hb_trace_header *h, const struct hb_engine_input *in) {
        static const struct hb_engine_ops ops = {a_fetch, a_report, a_epoch, a_epoch};
        struct hb_engine_image image = {
                .shape = &h->shape, .pages = a->pages, .processed = &a->processed, .zero = a_zero, .arg = a};
        struct hb_policy_options po = {.seed = h->seed};
        struct hb_engine_options o;
        struct hb_rd rd = hb_rd_init(h->engine, h->engine_size);

        assert_int_equal(hb_engine_options_decode(&rd, &o), 0);
        assert_int_equal(hb_engine_input_begin(in, a->pages, W_PAGES, &a->processed), 0);
        assert_int_equal(hb_policies_new(&po, &a->policies, NULL), 0);
        assert_int_equal(hb_engine_new(&o, &image, a->policies, &ops, a, &a->engine), 0);
}

static void a_input(struct again *a, const struct hb_trace_header *h, const struct hb_trace_event *ev) {
        struct hb_rd rd = hb_rd_init(ev->raw.data, ev->raw.size);
        struct hb_engine_input in;

        a->inputs++;
        assert_int_equal(hb_engine_input_decode(&rd, W_PAGES, &in, &a->room), 0);
        if (in.kind == HB_IN_BEGIN)
                a_begin(a, h, &in);
        else
                assert_int_equal(hb_engine_input_apply(a->engine, &in), 0);
}

static void a_digest(struct again *a, uint64_t expected) {
        struct hb_engine_stats s;

        hb_engine_stats(a->engine, &s);
        assert_int_equal(s.digest, expected);
        a->last = expected;
        a->digests++;
}

static void a_event(struct again *a, const struct hb_trace_header *h, const struct hb_trace_event *ev) {
        struct hb_bitmap b;
        struct hb_rd rd = hb_rd_init(ev->raw.data, ev->stream == HB_TRACE_RESIDENT ? ev->raw.size : 0);

        if (ev->stream == HB_TRACE_INPUT && a->deaf) {
                a->inputs++;
        } else if (ev->stream == HB_TRACE_INPUT) {
                a_input(a, h, ev);
        } else if (ev->stream == HB_TRACE_MARK) {
                a->marks[ev->mark.kind]++;
                if (ev->mark.kind == HB_MARK_POLICY_ERROR)
                        memcpy(a->error, ev->mark.text, sizeof(a->error));
                if (ev->mark.kind == HB_MARK_DIGEST && !a->deaf)
                        a_digest(a, ev->mark.value);
        } else if (ev->stream == HB_TRACE_RESIDENT) {
                assert_int_equal(hb_bitmap_init(&b, W_PAGES), 0);
                a->resident += (uint64_t)hb_runs_decode(&rd, &b);
                hb_bitmap_fini(&b);
        }
        a->decisions += ev->stream == HB_TRACE_DECISION;
        a->transfers += ev->stream == HB_TRACE_TRANSFER;
        a->outcomes += ev->stream == HB_TRACE_OUTCOME;
}

static void a_read(struct again *a, const char *path) {
        hb_trace_reader *r = reader(path);
        const struct hb_trace_header *h = hb_trace_reader_header(r);
        struct hb_trace_item it;
        uint64_t before = 0;
        struct hb_trace_info info;

        hb_trace_reader_info(r, &info);
        assert_true(info.indexed && !info.damaged);
        assert_int_equal(hb_bitmap_init(&a->room.scratch, W_PAGES), 0);
        while (next(r, &it)) {
                assert_true(it.time_ns >= before);
                before = it.time_ns;
                a->epochs += it.kind == HB_TRACE_EPOCH;
                a->accesses += it.kind == HB_TRACE_EPOCH ? it.naccess : 0;
                if (it.kind == HB_TRACE_EVENT)
                        a_event(a, h, &it.event);
        }
        hb_trace_reader_free(r);
}

static void a_free(struct again *a) {
        hb_engine_free(a->engine);
        hb_policies_free(a->policies);
        hb_engine_input_room_fini(&a->room);
        free(a);
}

static struct world *a_world(uint64_t seed) {
        struct world_options o = {.seed = seed,
                                  .writes_per_tick = 6,
                                  .hot_pages = 40,
                                  .epoch_ticks = 20,
                                  .fail = 20,
                                  .refuse = 200,
                                  .zero = 50,
                                  .window_bytes = 128 * 4096};

        return w_new(&o);
}

static void live(struct world *w) {
        w_run(w, 300);
        w_cut(w);
        w_run(w, 40);
        w_reconnect(w);
        w_run(w, 100);
        hb_engine_drain(w->engine, w->now, true);
        w_run(w, 60);
        assert_true(w_freeze(w, 20000));
        w_run(w, 5);
}

static void test_a_placement_is_recorded_and_decides_the_same_again(void **state) {
        for (uint64_t seed = 1; seed <= 5; seed++) {
                struct world *w = a_world(seed);
                struct hb_trace_header h = header();
                struct hb_recorder_options o = {.begins_ns = w->now};
                struct again *a = calloc(1, sizeof(*a));
                hb_record_target *t = NULL;
                hb_recorder *r = NULL;
                char name[32];

                assert_non_null(a);
                h.shape = w->shape;
                h.origin = HB_TRACE_TARGET;
                hb_record_target_header(w->policies, &w->engine->o, 0, &h);
                assert_string_equal(h.policies[0].hash, "builtin");
                snprintf(name, sizeof(name), "placement%u.hbt", (unsigned)seed);
                assert_int_equal(hb_recorder_new(at(name), &h, &o, &r, NULL), 0);
                assert_int_equal(hb_record_target_new(r, w->engine, w->policies, &w->shape, w->now, &t), 0);
                assert_true(hb_record_target_exact(t));
                live(w);
                assert_true(hb_record_target_exact(t));
                hb_record_target_free(t);
                hb_recorder_end(r);
                assert_int_equal(wait_for(r, HB_RECORDER_ENDED).state, HB_RECORDER_ENDED);
                hb_recorder_free(r);
                a_read(a, at(name));
                assert_int_equal(a->last, w_stats(w).digest);
                assert_true(a->digests > 15 && a->epochs > 15 && a->accesses > 100 && a->outcomes > 15);
                assert_int_equal(a->decisions, w->sent);
                assert_int_equal(a->decided_pages, w->sent_pages);
                assert_true(a->transfers > 10);
                assert_int_equal(a->resident, w_stats(w).resident);
                assert_int_equal(a->marks[HB_MARK_ENGINE], 1);
                assert_int_equal(a->marks[HB_MARK_POLICY], 3);
                assert_int_equal(a->marks[HB_MARK_MIGRATE], 1);
                assert_int_equal(a->marks[HB_MARK_FREEZE], 1);
                assert_int_equal(a->marks[HB_MARK_COMPLETE], 1);
                assert_int_equal(a->marks[HB_MARK_DROPPED], 0);
                a_free(a);
                w_free(w);
        }
}

static void test_a_placement_that_was_there_is_recorded_without_inputs(void **state) {
        struct world *w = a_world(9);
        struct hb_recorder_options o = {.begins_ns = w->now};
        struct again *a = calloc(1, sizeof(*a));
        hb_record_target *t = NULL;
        hb_recorder *r;

        assert_non_null(a);
        w_run(w, 100);
        r = recorder(at("late.hbt"), &o);
        assert_int_equal(hb_record_target_new(r, w->engine, w->policies, &w->shape, w->now, &t), 0);
        assert_false(hb_record_target_exact(t));
        hb_engine_drain(w->engine, w->now, true); /* something to decide */
        w_run(w, 200);
        hb_record_target_free(t);
        hb_recorder_free(r);
        w_run(w, 50); /* nobody listens any more */
        a_read(a, at("late.hbt"));
        assert_true(a->epochs > 5 && a->decisions > 5 && a->resident > 300);
        assert_int_equal(a->inputs + a->digests + a->marks[HB_MARK_ENGINE], 0);
        assert_int_equal(a->marks[HB_MARK_NOTE], 1);
        a_free(a);
        w_free(w);
}

/* A scorer that fails now and then: the built-in answers, and the trace says so. */
static void test_a_policy_that_fails_is_told(void **state) {
        static const char scorer[] = "local s = { api = 1, kind = 'scorer', name = 'moody', version = '1' }\n"
                                     "local n = 0\n"
                                     "function s:score(pages, link)\n"
                                     "  n = n + 1\n"
                                     "  if n == 20 then error('not in the mood') end\n"
                                     "  return pages.predicted * 0.1\n"
                                     "end\n"
                                     "return s\n";
        struct hb_policy_options po = {.dir = dir, .names = {NULL, "moody", NULL}};
        struct world *w = a_world(6);
        struct hb_recorder_options o = {.begins_ns = w->now};
        struct again *a = calloc(1, sizeof(*a));
        hb_record_target *t = NULL;
        hb_recorder *r;
        struct hb_err e;
        FILE *f;

        assert_non_null(a);
        assert_int_equal(mkdir(at("score"), 0700), 0);
        f = fopen(at("score/moody.lua"), "w");
        assert_non_null(f);
        assert_true(fputs(scorer, f) >= 0 && fclose(f) == 0);
        hb_engine_free(w->engine);
        hb_policies_free(w->policies);
        if (hb_policies_new(&po, &w->policies, &e) < 0)
                fail_msg("%s (%s)", e.what, e.which);
        w->engine = w_engine(w);
        r = recorder(at("moody.hbt"), &o);
        assert_int_equal(hb_record_target_new(r, w->engine, w->policies, &w->shape, w->now, &t), 0);
        w_run(w, 1200);
        hb_record_target_free(t);
        hb_recorder_free(r);
        a->deaf = true;
        a_read(a, at("moody.hbt"));
        assert_int_equal(a->marks[HB_MARK_POLICY_ERROR], 1);
        assert_non_null(strstr(a->error, "not in the mood"));
        a_free(a);
        w_free(w);
}

/* ---- a guest ---- */

static void test_scans_become_epochs(void **state) {
        struct hb_recorder_options o = {.begins_ns = 1000};
        hb_recorder *r = recorder(at("source.hbt"), &o);
        struct hb_bitmap written, accessed;
        hb_record_source *s = NULL;
        struct hb_trace_item it;
        hb_trace_reader *rd;
        unsigned epochs = 0, notes = 0;

        assert_int_equal(hb_bitmap_init(&written, W_PAGES), 0);
        assert_int_equal(hb_bitmap_init(&accessed, W_PAGES), 0);
        assert_int_equal(hb_record_source_new(r, W_PAGES, NULL, 1000, &s), 0);
        hb_bitmap_set_range(&written, 0, 500);
        hb_record_source_epoch(s, 1, 2000, &written, &accessed, false); /* what is there */
        hb_bitmap_clear_all(&written);
        hb_bitmap_set_range(&written, 10, 3);
        hb_bitmap_set_range(&accessed, 8, 4);
        hb_bitmap_set(&accessed, 40);
        hb_record_source_epoch(s, 2, 3000, &written, &accessed, false);
        hb_bitmap_set_range(&written, 0, 600);
        hb_bitmap_clear_all(&accessed);
        hb_record_source_epoch(s, 3, 4000, &written, &accessed, true); /* lost */
        hb_record_source_free(s);
        hb_recorder_free(r);
        rd = reader(at("source.hbt"));
        while (next(rd, &it)) {
                static const struct hb_trace_access want[] = {{8, 1, 0},  {9, 1, 0},  {10, 0, 1},
                                                              {11, 0, 1}, {12, 0, 1}, {40, 1, 0}};

                if (it.kind == HB_TRACE_EVENT) {
                        notes += it.event.stream == HB_TRACE_MARK;
                        continue;
                }
                epochs++;
                assert_int_equal(it.epoch, epochs);
                assert_int_equal(it.time_ns, epochs * 1000);
                assert_int_equal(it.naccess, it.epoch == 2 ? 6 : 0);
                if (it.epoch == 2)
                        assert_memory_equal(it.access, want, sizeof(want));
        }
        assert_int_equal(epochs, 3);
        assert_int_equal(notes, 1);
        hb_trace_reader_free(rd);
        hb_bitmap_fini(&written);
        hb_bitmap_fini(&accessed);
}

static void test_two_epochs_at_one_moment_are_told_apart(void **state) {
        struct hb_recorder_options o = {.begins_ns = 5};
        hb_recorder *r = recorder(at("moment.hbt"), &o);
        struct hb_trace_item it;
        hb_trace_reader *rd;
        uint64_t last = 0;
        unsigned n = 0;

        for (uint32_t e = 1; e <= 4; e++)
                hb_recorder_epoch(r, e, e < 3 ? 3 : 7, NULL, NULL); /* even before the beginning */
        hb_recorder_end(r);
        assert_int_equal(wait_for(r, HB_RECORDER_ENDED).state, HB_RECORDER_ENDED);
        hb_recorder_free(r);
        rd = reader(at("moment.hbt"));
        for (; next(rd, &it); n++) {
                assert_true(it.time_ns > last);
                last = it.time_ns;
        }
        assert_int_equal(n, 4);
        hb_trace_reader_free(rd);
}

/* ---- no room ---- */

static void test_what_does_not_fit_is_counted_in_the_trace(void **state) {
        struct hb_recorder_options o = {.queue_bytes = 4096};
        hb_recorder *r = recorder(at("full.hbt"), &o);
        struct hb_engine_input in = {.kind = HB_IN_THAW, .now_ns = 1};
        struct hb_recorder_status s;
        struct hb_trace_item it;
        hb_trace_reader *rd;
        uint64_t inputs = 0, dropped = 0, other = 0, total = 0;
        bool lost = false;

        wait_for(r, HB_RECORDER_WRITING);
        assert_int_equal(hb_fault_arm("record.write=stall:30"), 0);
        for (unsigned n = 0; n < 400; n++, total++)
                hb_recorder_input(r, n, &in);
        hb_fault_disarm();
        hb_recorder_status(r, &s);
        assert_true(s.dropped > 0 && s.inputs_lost);
        for (unsigned i = 0; i < 20000 && s.queued_bytes; i++) {
                usleep(500);
                hb_recorder_status(r, &s);
        }
        hb_recorder_input(r, 401, &in); /* not exact any more: left out, though there is room */
        total++;
        in = (struct hb_engine_input){.kind = HB_IN_BEGIN, .on = true, .now_ns = 402};
        hb_recorder_input(r, 402, &in); /* an engine that begins anew is */
        hb_recorder_free(r);
        rd = reader(at("full.hbt"));
        while (next(rd, &it)) {
                if (it.kind != HB_TRACE_EVENT)
                        continue;
                if (it.event.stream == HB_TRACE_INPUT) {
                        inputs++;
                        other += lost;
                } else if (it.event.mark.kind == HB_MARK_DROPPED) {
                        assert_string_equal(it.event.mark.text, "input");
                        dropped += it.event.mark.value;
                        lost = true;
                }
        }
        assert_int_equal(inputs - other + dropped, total);
        assert_int_equal(other, 1);
        assert_true(dropped > 100);
        hb_trace_reader_free(rd);
}

static void test_an_epoch_too_large_for_the_queue_is_dropped(void **state) {
        struct hb_recorder_options o = {.queue_bytes = 1024};
        hb_recorder *r = recorder(at("large.hbt"), &o);
        struct hb_bitmap every_other;
        struct hb_trace_item it;
        hb_trace_reader *rd;
        uint64_t dropped = 0;

        assert_int_equal(hb_bitmap_init(&every_other, W_PAGES), 0);
        for (unsigned g = 0; g < W_PAGES; g += 2)
                hb_bitmap_set(&every_other, g);
        hb_recorder_epoch(r, 1, 1, NULL, &every_other);
        hb_recorder_epoch(r, 2, 2, NULL, NULL);
        hb_recorder_free(r);
        rd = reader(at("large.hbt"));
        while (next(rd, &it))
                if (it.kind == HB_TRACE_EVENT && it.event.mark.kind == HB_MARK_DROPPED) {
                        assert_string_equal(it.event.mark.text, "epoch");
                        dropped += it.event.mark.value;
                }
        assert_int_equal(dropped, 1);
        hb_trace_reader_free(rd);
        hb_bitmap_fini(&every_other);
}

/* ---- files ---- */

static void test_parts_are_whole_traces(void **state) {
        struct hb_recorder_options o = {.rotate_ns = 10 * HB_NS_PER_S};
        hb_recorder *r = recorder(at("parts.hbt"), &o);
        struct hb_bitmap b;
        struct hb_recorder_status s;
        uint32_t epoch = 0;

        assert_int_equal(hb_bitmap_init(&b, W_PAGES), 0);
        hb_bitmap_set_range(&b, 5, 100);
        hb_recorder_resident(r, 0, &b);
        for (uint32_t e = 1; e <= 35; e++)
                hb_recorder_epoch(r, e, e * HB_NS_PER_S, NULL, &b);
        hb_recorder_end(r);
        s = wait_for(r, HB_RECORDER_ENDED);
        assert_int_equal(s.parts, 4);
        assert_int_equal(s.epochs, 35);
        assert_int_equal(s.accesses, 3500);
        assert_true(s.bytes > 400);
        hb_recorder_free(r);
        for (unsigned part = 0; part < 4; part++) {
                char name[32];
                hb_trace_reader *rd;
                struct hb_trace_item it;
                bool resident = false;

                snprintf(name, sizeof(name), part ? "parts.%u.hbt" : "parts.hbt", part);
                rd = reader(at(name));
                assert_int_equal(hb_trace_reader_header(rd)->part, part);
                assert_int_equal(hb_trace_reader_header(rd)->begins_unix_ns,
                                 (1700000000ull + part * 10) * HB_NS_PER_S);
                while (next(rd, &it)) {
                        resident |= it.kind == HB_TRACE_EVENT && it.event.stream == HB_TRACE_RESIDENT;
                        if (it.kind != HB_TRACE_EPOCH)
                                continue;
                        assert_int_equal(it.epoch, ++epoch);
                        assert_int_equal(it.time_ns, (epoch - part * 10) * HB_NS_PER_S);
                }
                assert_true(resident);
                hb_trace_reader_free(rd);
        }
        assert_int_equal(epoch, 35);
        hb_bitmap_fini(&b);
}

static void test_a_file_that_is_there_is_not_touched(void **state) {
        struct hb_recorder_options o = {0};
        struct hb_recorder_status s;
        struct stat st;
        hb_recorder *r;
        int fd = open(at("there.hbt"), O_CREAT | O_WRONLY, 0600);

        assert_true(fd >= 0 && write(fd, "mine", 4) == 4);
        close(fd);
        r = recorder(at("there.hbt"), &o);
        hb_recorder_mark(r, 1, HB_MARK_NOTE, 0, "nobody reads this");
        s = wait_for(r, HB_RECORDER_ENDED);
        assert_int_equal(s.state, HB_RECORDER_FAILED);
        assert_int_equal(s.err.code, -EEXIST);
        assert_true(s.err.what[0]);
        hb_recorder_mark(r, 1, HB_MARK_NOTE, 0, "nor this");
        hb_recorder_free(r);
        assert_int_equal(stat(at("there.hbt"), &st), 0);
        assert_int_equal(st.st_size, 4);
        r = recorder("/nowhere/at/all.hbt", &o);
        assert_int_equal(wait_for(r, HB_RECORDER_ENDED).err.code, -ENOENT);
        hb_recorder_free(r);
}

static void test_a_disk_that_fails_ends_the_recording_alone(void **state) {
        struct hb_recorder_options o = {.flush_ms = 1};
        hb_recorder *r = recorder(at("fails.hbt"), &o);
        struct hb_recorder_status s;
        struct hb_trace_item it;
        hb_trace_reader *rd;
        unsigned epochs = 0;

        for (uint32_t e = 1; e <= 5; e++)
                hb_recorder_epoch(r, e, e, NULL, NULL);
        for (s = wait_for(r, HB_RECORDER_WRITING); s.bytes < 200;) { /* its head, and the first block */
                usleep(500);
                hb_recorder_status(r, &s);
        }
        assert_int_equal(hb_fault_arm("record.write=fail"), 0);
        hb_recorder_epoch(r, 6, 6, NULL, NULL);
        s = wait_for(r, HB_RECORDER_FAILED);
        hb_fault_disarm();
        assert_int_equal(s.err.code, -EIO);
        for (uint32_t e = 7; e <= 2000; e++)
                hb_recorder_epoch(r, e, e, NULL, NULL);
        hb_recorder_free(r);
        rd = reader(at("fails.hbt"));
        while (next(rd, &it))
                epochs += it.kind == HB_TRACE_EPOCH;
        assert_int_equal(epochs, 5);
        hb_trace_reader_free(rd);
}

static void test_a_killed_recorder_leaves_a_readable_trace(void **state) {
        struct hb_recorder_options o = {.flush_ms = 1};
        struct hb_trace_item it;
        struct hb_trace_info info;
        hb_trace_reader *rd;
        unsigned epochs = 0;
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                hb_recorder *r = recorder(at("killed.hbt"), &o);
                struct hb_recorder_status s = {0};

                hb_recorder_epoch(r, 1, 1, NULL, NULL);
                for (s = wait_for(r, HB_RECORDER_WRITING); s.bytes < 200;) {
                        usleep(500);
                        hb_recorder_status(r, &s);
                }
                kill(getpid(), SIGKILL);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        rd = reader(at("killed.hbt"));
        hb_trace_reader_info(rd, &info);
        assert_false(info.indexed);
        while (next(rd, &it))
                epochs += it.kind == HB_TRACE_EPOCH;
        assert_int_equal(epochs, 1);
        hb_trace_reader_free(rd);
}

static void test_any_one_failure_is_survived(void **state) {
        for (unsigned n = 1;; n++) {
                struct hb_recorder_options o = {.rotate_ns = 3};
                struct hb_trace_header h = header();
                struct world *w = a_world(4);
                hb_record_target *t = NULL;
                hb_recorder *r = NULL;
                char name[32], spec[32];
                bool met;

                snprintf(name, sizeof(name), "nth%u.hbt", n);
                snprintf(spec, sizeof(spec), "record.*=fail@%u", n);
                assert_int_equal(hb_fault_arm(spec), 0);
                if (hb_recorder_new(at(name), &h, &o, &r, NULL) == 0 &&
                    hb_record_target_new(r, w->engine, w->policies, &w->shape, 1, &t) == 0)
                        w_run(w, 100);
                hb_record_target_free(t);
                hb_recorder_free(r);
                met = hb_fault_passed() >= n;
                hb_fault_disarm();
                w_run(w, 10);
                w_free(w);
                if (!met || n > 40)
                        break;
        }
}

static int make_dir(void **state) {
        snprintf(dir, sizeof(dir), "/tmp/hb_recorder_XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
        char command[128];

        snprintf(command, sizeof(command), "rm -r %s", dir);
        return system(command); /* NOLINT: our own words */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_placement_is_recorded_and_decides_the_same_again),
                cmocka_unit_test(test_a_placement_that_was_there_is_recorded_without_inputs),
                cmocka_unit_test(test_a_policy_that_fails_is_told),
                cmocka_unit_test(test_scans_become_epochs),
                cmocka_unit_test(test_two_epochs_at_one_moment_are_told_apart),
                cmocka_unit_test(test_what_does_not_fit_is_counted_in_the_trace),
                cmocka_unit_test(test_an_epoch_too_large_for_the_queue_is_dropped),
                cmocka_unit_test(test_parts_are_whole_traces),
                cmocka_unit_test(test_a_file_that_is_there_is_not_touched),
                cmocka_unit_test(test_a_disk_that_fails_ends_the_recording_alone),
                cmocka_unit_test(test_a_killed_recorder_leaves_a_readable_trace),
                cmocka_unit_test(test_any_one_failure_is_survived),
        };
        return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
