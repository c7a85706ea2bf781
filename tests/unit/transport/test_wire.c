/* Frames and messages: what is put is got again, and what no put writes is refused, field by field. */
#include "check.h"
#include "transport/wire_data.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void refused(int (*get)(const void *p, size_t n), const struct hb_buf *b) {
        uint8_t *copy = malloc(b->len + 1);

        /* cut at every length, and with one byte more */
        for (size_t n = 0; n < b->len; n++) {
                memcpy(copy, b->data, n);
                if (get(copy, n) != -EBADMSG)
                        fail_msg("cut to %zu bytes it was taken", n);
        }
        memcpy(copy, b->data, b->len);
        copy[b->len] = 0;
        assert_int_equal(get(copy, b->len + 1), -EBADMSG);
        assert_int_equal(get(b->data, b->len), 0);
        free(copy);
}

/* ---- frames ---- */

static void test_frame_round_trip(void **state) {
        uint8_t b[HB_WIRE_HEADER];
        struct hb_frame_header h;

        for (unsigned type = 1; type < HB_MSG_TYPES; type++) {
                hb_frame_put(b, 1000 + type, (uint16_t)type, 1ull << 40 | type);
                assert_int_equal(hb_frame_get(b, 1ull << 40 | type, &h, NULL), 0);
                assert_true(h.length == 1000 + type && h.type == type && h.sequence == (1ull << 40 | type));
        }
}

static void test_frame_refused(void **state) {
        static const struct {
                uint32_t length;
                uint16_t type;
                uint64_t sequence;
                int spoil; /* byte to change, -1: none */
                const char *word;
        } bad[] = {
                {0, 0, 5, -1, "no frame"},
                {0, HB_MSG_TYPES, 5, -1, "no frame"},
                {0, HB_MSG_PING, 5, 6, "no frame"},
                {HB_WIRE_MAX_PAYLOAD + 1, HB_MSG_SUMMARY, 5, -1, "over the limit"},
                {0, HB_MSG_PING, 4, -1, "repeated"},
                {0, HB_MSG_PING, 6, -1, "lost"},
        };
        uint8_t b[HB_WIRE_HEADER];
        struct hb_frame_header h = {.length = 77};

        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct hb_err e = {0};

                hb_frame_put(b, bad[i].length, bad[i].type, bad[i].sequence);
                if (bad[i].spoil >= 0)
                        b[bad[i].spoil] ^= 1;
                assert_int_equal(hb_frame_get(b, 5, &h, &e), -EBADMSG);
                assert_non_null(strstr(e.what, bad[i].word));
                assert_true(e.next[0] != '\0');
                assert_int_equal(h.length, 77); /* out-params only on success */
        }
        hb_frame_put(b, HB_WIRE_MAX_PAYLOAD, HB_MSG_SUMMARY, 5);
        assert_int_equal(hb_frame_get(b, 5, &h, NULL), 0);
}

static void test_every_type_has_a_name(void **state) {
        for (unsigned t = 1; t < HB_MSG_TYPES; t++)
                assert_string_not_equal(hb_msg_name((enum hb_msg_type)t), "unknown");
        assert_string_equal(hb_msg_name((enum hb_msg_type)0), "unknown");
        assert_string_equal(hb_msg_name((enum hb_msg_type)HB_MSG_TYPES), "unknown");
}

/* ---- messages ---- */

static int get_hello(const void *p, size_t n) {
        struct hb_msg_hello m;
        return hb_msg_hello_get(p, n, &m);
}

static void put_hello(struct hb_buf *b, uint16_t min, uint16_t max, const char *host) {
        struct hb_msg_hello m = {.version_min = min, .version_max = max, .software = "harbinger x"};

        hb_buf_reset(b);
        strcpy(m.host, host);
        hb_msg_hello_put(&m, b);
}

static void test_hello(void **state) {
        struct hb_buf b = {0};
        struct hb_msg_hello m;

        put_hello(&b, 1, 1, "alpha");
        refused(get_hello, &b);
        assert_int_equal(hb_msg_hello_get(b.data, b.len, &m), 0);
        assert_string_equal(m.host, "alpha");
        assert_string_equal(m.software, "harbinger x");
        put_hello(&b, 0, 1, "alpha");
        assert_int_equal(get_hello(b.data, b.len), -EBADMSG);
        put_hello(&b, 2, 1, "alpha");
        assert_int_equal(get_hello(b.data, b.len), -EBADMSG);
        put_hello(&b, 1, 1, "../alpha");
        assert_int_equal(get_hello(b.data, b.len), -EBADMSG);
        put_hello(&b, 1, 9, "alpha"); /* a later version says more: still understood */
        hb_buf_str(&b, "and more");
        assert_int_equal(get_hello(b.data, b.len), 0);
        hb_buf_free(&b);
}

static int get_error(const void *p, size_t n) {
        struct hb_err m;
        return hb_msg_error_get(p, n, &m);
}

static void test_error(void **state) {
        struct hb_err e = {0}, m = {0};
        struct hb_buf b = {0};

        hb_err_set(&e, -ENOSPC, "/images", "free some", "no room for the image");
        hb_msg_error_put(&e, &b);
        refused(get_error, &b);
        assert_int_equal(hb_msg_error_get(b.data, b.len, &m), 0);
        assert_int_equal(m.code, -ENOSPC);
        assert_string_equal(m.what, e.what);
        assert_string_equal(m.which, e.which);
        assert_string_equal(m.next, e.next);
        hb_buf_reset(&b);
        hb_buf_str(&b, "ENOTHINGWEKNOW");
        hb_buf_str(&b, "clears \x1b[2J the screen");
        hb_buf_str(&b, "");
        hb_buf_str(&b, "");
        assert_int_equal(hb_msg_error_get(b.data, b.len, &m), 0);
        assert_int_equal(m.code, -EREMOTEIO);
        assert_null(strchr(m.what, 0x1b));
        hb_buf_free(&b);
}

static struct hb_msg_place a_place(void) {
        struct hb_msg_place m = {.resident_pages = 100,
                                 .epoch_ms = 1000,
                                 .guest = "vm-1",
                                 .kind = "qemu",
                                 .vmm_version = "QEMU 10.0.2"};

        for (unsigned i = 0; i < sizeof(m.placement); i++)
                m.placement[i] = (uint8_t)(i * 3);
        assert_int_equal(hb_shape_add(&m.shape, "ram0", 4u << 20, HB_PAGE_SIZE, NULL), 0);
        assert_int_equal(hb_shape_add(&m.shape, "ram1", 4u << 20, 2u << 20, NULL), 0);
        return m;
}

static int get_place(const void *p, size_t n) {
        struct hb_msg_place m;
        return hb_msg_place_get(p, n, HB_WIRE_VERSION_MAX, &m);
}

static int place_says(const struct hb_msg_place *m) {
        struct hb_buf b = {0};
        int rc;

        hb_msg_place_put(m, HB_WIRE_VERSION_MAX, &b);
        rc = get_place(b.data, b.len);
        hb_buf_free(&b);
        return rc;
}

static void test_place(void **state) {
        struct hb_msg_place m = a_place(), got, bad;
        struct hb_buf b = {0};

        hb_msg_place_put(&m, HB_WIRE_VERSION_MAX, &b);
        refused(get_place, &b);
        assert_int_equal(hb_msg_place_get(b.data, b.len, HB_WIRE_VERSION_MAX, &got), 0);
        assert_memory_equal(got.placement, m.placement, HB_ID_SIZE);
        assert_string_equal(got.guest, "vm-1");
        assert_string_equal(got.kind, "qemu");
        assert_string_equal(got.vmm_version, m.vmm_version);
        assert_true(hb_shape_equal(&got.shape, &m.shape) && got.resident_pages == 100 &&
                    got.epoch_ms == 1000);
        hb_buf_free(&b);
        bad = a_place();
        bad.resident_pages = bad.shape.pages + 1;
        assert_int_equal(place_says(&bad), -EBADMSG);
        bad = a_place();
        bad.epoch_ms = 0;
        assert_int_equal(place_says(&bad), -EBADMSG);
        bad = a_place();
        strcpy(bad.kind, "other");
        assert_int_equal(place_says(&bad), -EBADMSG);
        bad = a_place();
        strcpy(bad.guest, "-vm");
        assert_int_equal(place_says(&bad), -EBADMSG);
        bad = a_place();
        bad.shape.nregions = 0;
        assert_int_equal(place_says(&bad), -EBADMSG);
}

static int get_placed(const void *p, size_t n) {
        struct hb_msg_placed m;
        return hb_msg_placed_get(p, n, HB_WIRE_VERSION_MAX, &m);
}

static void test_placed(void **state) {
        struct hb_msg_placed m, got;
        struct hb_buf b = {0};

        memset(&m, 0, sizeof(m)); /* padding too: compared as a whole below */
        memset(&got, 0, sizeof(got));
        m.token[5] = 6;
        m.processed = 9;
        m.fresh_pages = 77;
        m.connections = 3;

        hb_msg_placed_put(&m, HB_WIRE_VERSION_MAX, &b);
        refused(get_placed, &b);
        assert_int_equal(hb_msg_placed_get(b.data, b.len, HB_WIRE_VERSION_MAX, &got), 0);
        assert_memory_equal(&got, &m, sizeof(m));
        hb_buf_reset(&b);
        m.connections = HB_WIRE_MAX_CONNECTIONS + 1;
        hb_msg_placed_put(&m, HB_WIRE_VERSION_MAX, &b);
        assert_int_equal(get_placed(b.data, b.len), -EBADMSG);
        hb_buf_free(&b);
}

static int get_report(const void *p, size_t n) {
        struct hb_msg_report m;
        return hb_msg_report_get(p, n, HB_WIRE_VERSION_MAX, &m);
}

static void test_report(void **state) {
        struct hb_msg_report m, got;
        struct hb_buf b = {0};
        uint64_t nan = 0x7FF8000000000000ull;

        memset(&m, 0, sizeof(m));
        m.resident = 1;
        m.final_bytes = 2;
        m.digest = 3;
        m.threshold = 0.25;
        m.estimate_ready_s = 12.5;
        m.processed = 40;
        m.ready = m.frozen = 1;
        hb_msg_report_put(&m, HB_WIRE_VERSION_MAX, &b);
        refused(get_report, &b);
        memset(&got, 0, sizeof(got));
        assert_int_equal(hb_msg_report_get(b.data, b.len, HB_WIRE_VERSION_MAX, &got), 0);
        assert_memory_equal(&got, &m, sizeof(m));
        memcpy(b.data + 18 * 8, &nan, 8); /* the first double */
        assert_int_equal(get_report(b.data, b.len), -EBADMSG);
        hb_buf_reset(&b);
        m.estimate_ready_s = INFINITY; /* never: becomes a number that says so */
        hb_msg_report_put(&m, HB_WIRE_VERSION_MAX, &b);
        assert_int_equal(hb_msg_report_get(b.data, b.len, HB_WIRE_VERSION_MAX, &got), 0);
        assert_true(got.estimate_ready_s >= HB_WIRE_FOREVER);
        b.data[b.len - 5 * 8 - 1] = 2; /* a flag is 0 or 1 */
        assert_int_equal(get_report(b.data, b.len), -EBADMSG);
        hb_buf_free(&b);
}

/* Every field of the report is carried: none is missing in the tables. */
static void test_report_carries_every_byte(void **state) {
        struct hb_msg_report m, got;
        struct hb_buf b = {0};

        for (size_t at = 0; at < sizeof(m); at += 4) {
                size_t first_double = offsetof(struct hb_msg_report, threshold);
                size_t flags = offsetof(struct hb_msg_report, ready);

                memset(&m, 0, sizeof(m));
                memset(&got, 0, sizeof(got));
                if (at == flags)
                        m.ready = m.converging = m.draining = m.frozen = 1;
                else if (at >= first_double && at < offsetof(struct hb_msg_report, processed))
                        *(double *)((char *)&m + at / 8 * 8) = 1.5;
                else
                        *(uint32_t *)((char *)&m + at) = 0xABCD1234;
                hb_buf_reset(&b);
                hb_msg_report_put(&m, HB_WIRE_VERSION_MAX, &b);
                assert_int_equal(hb_msg_report_get(b.data, b.len, HB_WIRE_VERSION_MAX, &got), 0);
                if (memcmp(&m, &got, sizeof(m)) != 0)
                        fail_msg("what lies at byte %zu of the report is not carried", at);
        }
        hb_buf_free(&b);
}

/* What version 1 knows of the three is what it always was, and what came in version 2 is then not there. */
static void test_first_version(void **state) {
        struct hb_msg_place place = a_place(), got_place;
        struct hb_msg_placed placed = {.processed = 9, .connections = 3, .secret_id = 5, .rdma_port = 7},
                             got_placed;
        struct hb_msg_report report = {.resident = 1, .known_pages = 2, .spilled_pages = 3}, got_report;
        struct hb_buf b = {0};

        place.secret_id = 4;
        hb_msg_place_put(&place, 1, &b);
        assert_int_equal(hb_msg_place_get(b.data, b.len, 2, &got_place), -EBADMSG);
        assert_int_equal(hb_msg_place_get(b.data, b.len, 1, &got_place), 0);
        assert_true(got_place.secret_id == 0 && got_place.epoch_ms == place.epoch_ms);
        hb_buf_reset(&b);
        hb_msg_placed_put(&placed, 1, &b);
        assert_int_equal(b.len, 32 + 4 + 8 + 4);
        assert_int_equal(hb_msg_placed_get(b.data, b.len, 2, &got_placed), -EBADMSG);
        assert_int_equal(hb_msg_placed_get(b.data, b.len, 1, &got_placed), 0);
        assert_true(got_placed.secret_id == 0 && got_placed.rdma_port == 0 && got_placed.connections == 3);
        hb_buf_reset(&b);
        hb_msg_report_put(&report, 1, &b);
        assert_int_equal(b.len, 18 * 8 + 8 * 8 + 4 + 4);
        assert_int_equal(hb_msg_report_get(b.data, b.len, 2, &got_report), -EBADMSG);
        assert_int_equal(hb_msg_report_get(b.data, b.len, 1, &got_report), 0);
        assert_true(got_report.resident == 1 && got_report.known_pages == 0 && got_report.spilled_pages == 0);
        hb_buf_free(&b);
}

/* ---- data connections ---- */

static int get_data_hello(const void *p, size_t n) {
        struct hb_msg_data_hello m;
        return hb_msg_data_hello_get(p, n, &m);
}

static int get_fetch(const void *p, size_t n) {
        struct hb_msg_fetch m;
        return hb_msg_fetch_get(p, n, &m);
}

static int fetch_says(struct hb_msg_fetch m) {
        struct hb_buf b = {0};
        int rc;

        hb_msg_fetch_put(&m, &b);
        rc = get_fetch(b.data, b.len);
        hb_buf_free(&b);
        return rc;
}

static void test_data_messages(void **state) {
        struct hb_msg_data_hello hello = {.kind = HB_DATA_TUNNEL, .token = {4, 5}};
        struct hb_msg_fetch fetch = {.id = 7, .gfn = 8, .pages = 64, .urgent = true}, got;
        struct hb_msg_pages pages = {.id = 1, .zero_mask = 2, .checksum = 3, .stamp = 4, .encoding = 1}, back;
        uint8_t raw[HB_MSG_PAGES_HEAD + 3] = {0};
        struct hb_buf b = {0};
        const uint8_t *rest;
        size_t size;

        hb_msg_data_hello_put(&hello, &b);
        refused(get_data_hello, &b);
        b.data[HB_TOKEN_SIZE] = 3;
        assert_int_equal(get_data_hello(b.data, b.len), -EBADMSG);
        hb_buf_reset(&b);
        hb_msg_fetch_put(&fetch, &b);
        assert_int_equal(b.len, HB_MSG_FETCH_SIZE);
        refused(get_fetch, &b);
        assert_int_equal(hb_msg_fetch_get(b.data, b.len, &got), 0);
        assert_true(got.id == 7 && got.gfn == 8 && got.pages == 64 && got.urgent);
        assert_int_equal(fetch_says((struct hb_msg_fetch){.pages = 0}), -EBADMSG);
        assert_int_equal(fetch_says((struct hb_msg_fetch){.pages = 65}), -EBADMSG);
        assert_int_equal(fetch_says((struct hb_msg_fetch){.pages = 1, .gfn = HB_MAX_PAGES}), -EBADMSG);
        hb_msg_pages_put(&pages, raw);
        assert_int_equal(hb_msg_pages_get(raw, sizeof(raw), &back, &rest, &size), 0);
        assert_true(size == 3 && rest == raw + HB_MSG_PAGES_HEAD);
        assert_true(back.id == 1 && back.zero_mask == 2 && back.checksum == 3 && back.stamp == 4 &&
                    back.encoding == 1);
        assert_int_equal(hb_msg_pages_get(raw, HB_MSG_PAGES_HEAD - 1, &back, &rest, &size), -EBADMSG);
        raw[20] = 3;
        assert_int_equal(hb_msg_pages_get(raw, sizeof(raw), &back, &rest, &size), -EBADMSG);
        hb_buf_free(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_frame_round_trip),
                cmocka_unit_test(test_frame_refused),
                cmocka_unit_test(test_every_type_has_a_name),
                cmocka_unit_test(test_hello),
                cmocka_unit_test(test_error),
                cmocka_unit_test(test_place),
                cmocka_unit_test(test_placed),
                cmocka_unit_test(test_report),
                cmocka_unit_test(test_report_carries_every_byte),
                cmocka_unit_test(test_first_version),
                cmocka_unit_test(test_data_messages),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
