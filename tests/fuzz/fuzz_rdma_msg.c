/* fuzz_rdma_msg: any bytes as a message between the ends of an RDMA connection, or as private data. The first
 * byte picks the decoder. What is accepted must hold what its users rely on; messages encode to the same
 * bytes again. */
#include "rdma/rdma_msg.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static void grant(const struct hb_rdma_msg *m) {
        uint32_t end = 0;

        check(m->grant.nruns <= HB_RDMA_MAX_RUNS);
        check((m->grant.denial == HB_RDMA_GRANTED) == (m->grant.nruns > 0));
        for (unsigned i = 0; i < m->grant.nruns; i++) {
                check(m->grant.runs[i].pages > 0 && m->grant.runs[i].first >= end);
                end = m->grant.runs[i].first + m->grant.runs[i].pages;
        }
        check(end <= HB_RDMA_MAX_WINDOW);
}

static void message(const uint8_t *p, size_t n) {
        struct hb_rdma_msg m;
        struct hb_buf b = {0};

        if (hb_rdma_msg_get(p, n, &m) < 0)
                return;
        if (m.type == HB_RDMA_GRANT)
                grant(&m);
        if (m.type == HB_RDMA_HELLO)
                check(m.hello.budget_pages >= m.hello.window_pages &&
                      m.hello.window_pages >= HB_RDMA_MIN_WINDOW);
        hb_rdma_msg_put(&m, &b);
        check(!b.failed && b.len == n && b.len <= HB_RDMA_MSG_MAX && memcmp(b.data, p, n) == 0);
        hb_buf_free(&b);
}

static void connect_data(const uint8_t *p, size_t n) {
        struct hb_rdma_connect c;
        uint8_t out[HB_RDMA_CONNECT_SIZE];

        if (hb_rdma_connect_get(p, n, &c) < 0)
                return;
        check(c.bulk_qps >= 1 && c.bulk_qps <= HB_RDMA_MAX_BULK_QPS);
        hb_rdma_connect_put(&c, out);
        check(memcmp(out, p, sizeof(out)) == 0);
}

static void accept_data(const uint8_t *p, size_t n) {
        struct hb_rdma_accept a;
        uint8_t out[HB_RDMA_ACCEPT_SIZE];

        (void)hb_rdma_reject_get(p, n);
        if (hb_rdma_accept_get(p, n, &a) < 0)
                return;
        hb_rdma_accept_put(&a, out);
        check(memcmp(out, p, sizeof(out)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const decoders[])(const uint8_t *p, size_t n) = {message, connect_data, accept_data};

        if (size > 0)
                decoders[data[0] % 3](data + 1, size - 1);
        return 0;
}
