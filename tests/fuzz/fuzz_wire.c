/* fuzz_wire: any bytes as a frame header and as every message. The first byte picks the decoder. What is
 * accepted must hold what its users rely on and encode to the same bytes again. */
#include "transport/wire_data.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static void same(struct hb_buf *b, const uint8_t *p, size_t n) {
        check(!b->failed && b->len == n && memcmp(b->data, p, n) == 0);
        hb_buf_free(b);
}

static void frame(const uint8_t *p, size_t n) {
        struct hb_frame_header h;
        struct hb_err e = {0};
        uint8_t again[HB_WIRE_HEADER];

        if (n < HB_WIRE_HEADER)
                return;
        if (hb_frame_get(p, 3, &h, &e) < 0) {
                check(e.code < 0 && e.what[0] != '\0');
                return;
        }
        check(h.length <= HB_WIRE_MAX_PAYLOAD && h.type > 0 && h.type < HB_MSG_TYPES && h.sequence == 3);
        check(strcmp(hb_msg_name((enum hb_msg_type)h.type), "unknown") != 0);
        hb_frame_put(again, h.length, h.type, h.sequence);
        check(memcmp(again, p, sizeof(again)) == 0);
}

static void hello(const uint8_t *p, size_t n) {
        struct hb_msg_hello m;
        struct hb_buf b = {0};

        if (hb_msg_hello_get(p, n, &m) < 0)
                return;
        check(hb_name_ok(m.host) && m.version_min >= 1 && m.version_min <= m.version_max);
        hb_msg_hello_put(&m, &b);
        check(b.len <= n); /* a later version may have said more */
        same(&b, p, b.len);
}

static void error(const uint8_t *p, size_t n) {
        struct hb_err m, again;
        struct hb_buf b = {0};

        if (hb_msg_error_get(p, n, &m) < 0)
                return;
        check(m.code < 0 && strlen(m.what) < sizeof(m.what) && strlen(m.next) < sizeof(m.next));
        for (const char *s = m.what; *s; s++)
                check((unsigned char)*s >= ' ' && *s != 0x7F); /* nothing that could steer a terminal */
        hb_msg_error_put(&m, &b);
        check(hb_msg_error_get(b.data, b.len, &again) == 0 && again.code == m.code &&
              strcmp(again.what, m.what) == 0);
        hb_buf_free(&b);
}

static void place(const uint8_t *p, size_t n, unsigned version) {
        struct hb_msg_place m;
        struct hb_buf b = {0};

        if (hb_msg_place_get(p, n, version, &m) < 0)
                return;
        check(hb_name_ok(m.guest) && m.shape.pages > 0 && m.shape.pages <= HB_MAX_PAGES && m.epoch_ms > 0);
        check(m.resident_pages <= m.shape.pages);
        check(strcmp(m.kind, "qemu") == 0 || strcmp(m.kind, "process") == 0);
        hb_msg_place_put(&m, version, &b);
        same(&b, p, n);
}

static void placed(const uint8_t *p, size_t n, unsigned version) {
        struct hb_msg_placed m;
        struct hb_buf b = {0};

        if (hb_msg_placed_get(p, n, version, &m) < 0)
                return;
        check(m.connections <= HB_WIRE_MAX_CONNECTIONS && m.fresh_pages <= HB_MAX_PAGES);
        hb_msg_placed_put(&m, version, &b);
        same(&b, p, n);
}

static void report(const uint8_t *p, size_t n, unsigned version) {
        struct hb_msg_report m;
        struct hb_buf b = {0};

        if (hb_msg_report_get(p, n, version, &m) < 0)
                return;
        check(isfinite(m.threshold) && isfinite(m.estimate_ready_s) && m.ready <= 1 && m.frozen <= 1);
        hb_msg_report_put(&m, version, &b);
        same(&b, p, n);
}

static void data_hello(const uint8_t *p, size_t n) {
        struct hb_msg_data_hello m;
        struct hb_buf b = {0};

        if (hb_msg_data_hello_get(p, n, &m) < 0)
                return;
        check(m.kind == HB_DATA_PAGES || m.kind == HB_DATA_TUNNEL);
        hb_msg_data_hello_put(&m, &b);
        same(&b, p, n);
}

static void fetch(const uint8_t *p, size_t n) {
        struct hb_msg_fetch m;
        struct hb_buf b = {0};

        if (hb_msg_fetch_get(p, n, &m) < 0)
                return;
        check(m.pages >= 1 && m.pages <= HB_FETCH_MAX_PAGES && m.gfn < HB_MAX_PAGES);
        hb_msg_fetch_put(&m, &b);
        same(&b, p, n);
}

static void pages(const uint8_t *p, size_t n) {
        struct hb_msg_pages m;
        const uint8_t *rest;
        size_t size;
        uint8_t head[HB_MSG_PAGES_HEAD];

        if (hb_msg_pages_get(p, n, &m, &rest, &size) < 0)
                return;
        check(size == n - HB_MSG_PAGES_HEAD && (size == 0 || rest == p + HB_MSG_PAGES_HEAD));
        hb_msg_pages_put(&m, head);
        check(memcmp(head, p, sizeof(head)) == 0);
}

#define OF_VERSION(name, version)                                                                            \
        static void name##_##version(const uint8_t *p, size_t n) {                                           \
                name(p, n, version);                                                                         \
        }
OF_VERSION(place, 1)
OF_VERSION(placed, 1)
OF_VERSION(report, 1)
OF_VERSION(place, 2)
OF_VERSION(placed, 2)
OF_VERSION(report, 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const decoders[])(const uint8_t *p,
                                        size_t n) = {frame,      hello, error, place_1, placed_1, report_1,
                                                     data_hello, fetch, pages, place_2, placed_2, report_2};

        if (size > 0)
                decoders[data[0] % (sizeof(decoders) / sizeof(decoders[0]))](data + 1, size - 1);
        return 0;
}
