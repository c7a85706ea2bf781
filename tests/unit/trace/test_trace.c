/* What a trace is given it gives back: every field of the header, every record, every kind of event, in
 * order. */
#include "trace_rig.h"

static void test_every_field_of_the_header(void **state) {
        struct hb_trace_header h, back;
        hb_trace_writer *w = NULL;
        hb_trace_reader *r = NULL;
        struct hb_trace_info info;

        full_header(&h);
        assert_int_equal(hb_trace_writer_new(path(), &h, NULL, &w, NULL), 0);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        assert_int_equal(hb_trace_reader_open(path(), &r, NULL), 0);
        back = *hb_trace_reader_header(r);
        assert_header_equal(&back, &h);
        hb_trace_reader_info(r, &info);
        assert_true(info.indexed);
        assert_false(info.damaged);
        assert_int_equal(info.blocks, 0);
        expect_end(r);
        hb_trace_reader_free(r);
}

static void test_made_up_traces(void **state) {
        for (unsigned shape = 0; shape <= HB_SYNTH_MIX; shape++)
                for (unsigned bits = 0; bits < 2; bits++) {
                        struct hb_synth s = {(enum hb_synth_shape)shape, 3000, 45, 7 + shape, 0, bits};
                        hb_trace_reader *r;
                        struct hb_trace_info info;

                        assert_int_equal(hb_synth_write(&s, path(), NULL), 0);
                        r = open_trace(path());
                        info = info_of(r);
                        assert_int_equal(info.epochs, 45);
                        assert_int_equal(info.events[HB_TRACE_NETWORK], 3);
                        assert_int_equal(info.last_epoch, 45);
                        expect_synth(r, &s, 1, 45);
                        expect_end(r);
                        hb_trace_reader_free(r);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_folder(test_every_field_of_the_header),
                in_folder(test_made_up_traces),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
