/* The recorder: what goes in comes out in order, what does not fit is counted in the trace itself, parts are
 * whole, nothing that fails reaches the side that records. */
#include "record/source.h"
#include "record/target.h"
#include "record_bed.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

int main(void) {
        const struct CMUnitTest tests[] = {
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
