/* state: the header's codec, and what counts as resumable. */
#include "track/state.h"
#include "track_child.h"
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static hb_target target; /* only its identity matters here */
static char path[128];

static int start(void **state) {
        memset(&target, 0, sizeof target);
        target.pid = 1234;
        target.start_time = 99;
        hb_shape_add(&target.shape, "ram", 1000 * HB_PAGE_SIZE, HB_PAGE_SIZE, NULL);
        target.regions[0].remote_addr = 0x7f0000000000;
        target.regions[0].ino = 42;
        snprintf(path, sizeof path, "/dev/shm/hb-state-%d", getpid());
        unlink(path);
        return 0;
}

static int stop(void **state) {
        unlink(path);
        return 0;
}

static struct hb_state *open_state(enum hb_state_found want) {
        enum hb_state_found found;
        struct hb_state *s = NULL;
        struct hb_err e = {0};

        if (hb_state_open(&target, "wp", path, 100, 5000, &s, &found, &e) < 0)
                fail_msg("%s", e.what);
        assert_int_equal(found, want);
        return s;
}

static void test_codec(void **state) {
        struct hb_state_header h = {.identity = (const uint8_t *)"who",
                                    .identity_bytes = 3,
                                    .remote_fd = 17,
                                    .ready = true,
                                    .seed = 7,
                                    .vec_entries = 5,
                                    .extra_bytes = 11},
                               back;
        struct hb_buf out = {0};

        hb_state_encode(&h, &out);
        struct hb_rd in = hb_rd_init(out.data, out.len);
        assert_int_equal(hb_state_decode(&in, &back), 0);
        assert_int_equal(back.remote_fd, 17);
        assert_true(back.ready);
        assert_memory_equal(back.identity, "who", 3);
        assert_int_equal(back.extra_bytes, 11);
        for (size_t i = 0; i < out.len; i++) { /* any byte changed, any cut */
                out.data[i] ^= 0x41;
                in = hb_rd_init(out.data, out.len);
                assert_int_equal(hb_state_decode(&in, &back), -EBADMSG);
                out.data[i] ^= 0x41;
                in = hb_rd_init(out.data, i);
                assert_int_equal(hb_state_decode(&in, &back), -EBADMSG);
        }
        hb_buf_free(&out);
}

static void test_saved_state_is_resumed(void **state) {
        struct hb_state *s = open_state(HB_STATE_FRESH);

        s->remote_fd = 33;
        s->seed = 77;
        hb_bitmap_set(&s->pending, 999);
        hb_bitmap_set(&s->resident, 3);
        s->vec[99].start = 5;
        s->extra[4999] = 8;
        hb_state_save(s);
        hb_state_free(s, false);
        s = open_state(HB_STATE_RESUMED);
        assert_int_equal(s->remote_fd, 33);
        assert_int_equal(s->seed, 77);
        assert_true(hb_bitmap_test(&s->pending, 999) && hb_bitmap_test(&s->resident, 3));
        assert_int_equal(hb_bitmap_count(&s->pending), 1);
        assert_int_equal(s->vec[99].start, 5);
        assert_int_equal(s->extra[4999], 8);
        hb_state_free(s, true);
        assert_int_equal(access(path, F_OK), -1);
}

static void test_never_saved_is_fresh(void **state) {
        struct hb_state *s = open_state(HB_STATE_FRESH);

        hb_bitmap_set(&s->pending, 1);
        hb_state_free(s, false);
        s = open_state(HB_STATE_FRESH);
        assert_int_equal(hb_bitmap_count(&s->pending), 0);
        hb_state_save(s);
        hb_bitmap_set(&s->pending, 1);
        hb_state_empty(s);
        hb_state_free(s, false);
        s = open_state(HB_STATE_FRESH);
        assert_int_equal(hb_bitmap_count(&s->pending), 0);
        hb_state_free(s, false);
}

static void test_another_process_or_other_memory(void **state) {
        struct hb_state *s = open_state(HB_STATE_FRESH);

        hb_bitmap_set(&s->pending, 1);
        hb_state_save(s);
        hb_state_free(s, false);
        target.regions[0].ino = 43; /* the same process with other memory: not to be trusted */
        s = open_state(HB_STATE_DAMAGED);
        assert_int_equal(hb_bitmap_count(&s->pending), 0);
        hb_state_save(s);
        hb_state_free(s, false);
        target.start_time = 100; /* the pid again, another process: merely old */
        s = open_state(HB_STATE_FRESH);
        hb_state_save(s);
        hb_state_free(s, false);
        assert_int_equal(truncate(path, 6000), 0);
        s = open_state(HB_STATE_DAMAGED);
        hb_state_save(s);
        hb_state_free(s, false);
        assert_int_equal(truncate(path, 6), 0);
        s = open_state(HB_STATE_DAMAGED);
        hb_state_free(s, false);
}

static void test_two_at_once_and_odd_files(void **state) {
        enum hb_state_found found;
        struct hb_state *s = open_state(HB_STATE_FRESH), *other = NULL;
        struct hb_err e = {0};

        assert_int_equal(hb_state_open(&target, "wp", path, 100, 5000, &other, &found, &e), -EBUSY);
        assert_string_equal(e.which, path);
        hb_state_free(s, true);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_true(hb_state_open(&target, "wp", path, 100, 5000, &other, &found, &e) < 0);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(symlink("/dev/shm/elsewhere", path), 0);
        assert_int_equal(hb_state_open(&target, "wp", path, 100, 5000, &other, &found, &e), -ELOOP);
        assert_null(other);
        assert_int_equal(hb_state_open(&target, "wp", NULL, 100, 5000, &s, &found, &e), 0); /* none at all */
        assert_int_equal(found, HB_STATE_FRESH);
        hb_state_free(s, true);
        assert_null(hb_state_free(NULL, true));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_codec, start, stop),
                cmocka_unit_test_setup_teardown(test_saved_state_is_resumed, start, stop),
                cmocka_unit_test_setup_teardown(test_never_saved_is_fresh, start, stop),
                cmocka_unit_test_setup_teardown(test_another_process_or_other_memory, start, stop),
                cmocka_unit_test_setup_teardown(test_two_at_once_and_odd_files, start, stop),
        };

        return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
