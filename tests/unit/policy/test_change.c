/* hb_policy_change: there and back for every op, one form each, and nothing else is taken. */
#include "host_fixture.h"

static const struct hb_policy_change changes[] = {
        {.op = HB_POLICY_SHADOW, .kind = HB_POLICY_SCORER, .name = "calm", .source = "bytes", .size = 5},
        {.op = HB_POLICY_SHADOW, .kind = HB_POLICY_THRESHOLD},
        {.op = HB_POLICY_PROMOTE, .kind = HB_POLICY_PREDICTOR, .name = "blend"},
        {.op = HB_POLICY_ROLLBACK, .kind = HB_POLICY_SCORER},
        {.op = HB_POLICY_DROP, .kind = HB_POLICY_THRESHOLD},
        {.op = HB_POLICY_TUNE, .kind = HB_POLICY_SCORER, .shadow = true, .param = "base", .value = -0.25},
        {.op = HB_POLICY_MODEL, .source = "weights", .size = 7},
};
#define CHANGES (sizeof changes / sizeof *changes)

static void encode(const struct hb_policy_change *c, struct hb_buf *out) {
        hb_buf_reset(out);
        hb_policy_change_encode(c, out);
        assert_false(out->failed);
}

static int decode(const struct hb_buf *b, size_t size, struct hb_policy_change *ret) {
        struct hb_rd in = hb_rd_init(b->data, size);
        int rc = hb_policy_change_decode(&in, ret);

        assert_true(rc == 0 ? hb_rd_ok(&in) : rc == -EBADMSG);
        return rc;
}

static void test_there_and_back(void **state) {
        struct hb_buf b = {0}, again = {0};

        for (unsigned i = 0; i < CHANGES; i++) {
                const struct hb_policy_change *c = &changes[i];
                struct hb_policy_change d;

                encode(c, &b);
                assert_int_equal(decode(&b, b.len, &d), 0);
                assert_true(d.op == c->op && d.kind == c->kind && d.shadow == c->shadow &&
                            d.value == c->value && d.size == c->size);
                assert_string_equal(d.name, c->name);
                assert_string_equal(d.param, c->param);
                if (d.size)
                        assert_memory_equal(d.source, c->source, d.size);
                encode(&d, &again);
                assert_true(again.len == b.len && !memcmp(again.data, b.data, b.len));
        }
        hb_buf_free(&b);
        hb_buf_free(&again);
}

static void test_cut_short(void **state) {
        struct hb_policy_change d;
        struct hb_buf b = {0};

        for (unsigned i = 0; i < CHANGES; i++) {
                encode(&changes[i], &b);
                for (size_t n = 0; n < b.len; n++)
                        assert_int_equal(decode(&b, n, &d), -EBADMSG);
        }
        hb_buf_free(&b);
}

/* Changing one byte of a change either gives another change, with a form of its own, or nothing. */
static void test_one_form(void **state) {
        struct hb_buf b = {0}, again = {0};
        unsigned refused = 0, taken = 0;

        for (unsigned i = 0; i < CHANGES; i++) {
                encode(&changes[i], &b);
                for (size_t at = 0; at < b.len; at++) {
                        for (unsigned bit = 0; bit < 8; bit++) {
                                struct hb_policy_change d;

                                b.data[at] ^= (uint8_t)(1u << bit);
                                if (decode(&b, b.len, &d) == 0) {
                                        encode(&d, &again);
                                        assert_true(again.len <= b.len &&
                                                    !memcmp(again.data, b.data, again.len));
                                        taken++;
                                } else {
                                        refused++;
                                }
                                b.data[at] ^= (uint8_t)(1u << bit);
                        }
                }
        }
        assert_true(refused > 100 && taken > 100);
        hb_buf_free(&b);
        hb_buf_free(&again);
}

static void must_refuse(struct hb_policy_change c) {
        struct hb_policy_change d = {.op = HB_POLICY_DROP};
        struct hb_buf b = {0};

        encode(&c, &b);
        assert_int_equal(decode(&b, b.len, &d), -EBADMSG);
        assert_true(d.op == HB_POLICY_DROP); /* written only on success */
        hb_buf_free(&b);
}

static void test_refused(void **state) {
        struct hb_policy_change large = {
                .op = HB_POLICY_MODEL, .source = "", .size = HB_POLICY_CHANGE_MAX + 1u};
        struct hb_buf b = {0};

        must_refuse((struct hb_policy_change){.op = (enum hb_policy_op)0});
        must_refuse((struct hb_policy_change){.op = HB_POLICY_OPS});
        must_refuse((struct hb_policy_change){.op = HB_POLICY_PROMOTE, .kind = HB_POLICY_KINDS});
        must_refuse((struct hb_policy_change){.op = HB_POLICY_PROMOTE, .name = "../x"});
        must_refuse((struct hb_policy_change){.op = HB_POLICY_TUNE, .value = 1});
        must_refuse((struct hb_policy_change){.op = HB_POLICY_TUNE, .param = "a", .value = NAN});
        must_refuse((struct hb_policy_change){.op = HB_POLICY_TUNE, .param = "a", .value = INFINITY});
        must_refuse((struct hb_policy_change){.op = HB_POLICY_MODEL});
        hb_policy_change_encode(&large, &b);
        assert_true(b.failed);
        hb_buf_free(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_cut_short),
                cmocka_unit_test(test_one_form),
                cmocka_unit_test(test_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
