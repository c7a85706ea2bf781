/* What the ends of an RDMA connection say: every message and private data there and back, and what must be
 * refused. */
#include "check.h"
#include "rdma/rdma_msg.h"
#include <errno.h>
#include <string.h>

static struct hb_rdma_msg again(const struct hb_rdma_msg *m) {
        struct hb_buf b = {0}, b2 = {0};
        struct hb_rdma_msg got;

        hb_rdma_msg_put(m, &b);
        assert_false(b.failed);
        assert_true(b.len <= HB_RDMA_MSG_MAX);
        assert_int_equal(hb_rdma_msg_get(b.data, b.len, &got), 0);
        hb_rdma_msg_put(&got, &b2);
        assert_int_equal(b.len, b2.len);
        assert_memory_equal(b.data, b2.data, b.len);
        for (size_t n = 0; n < b.len; n++) /* cut anywhere it is none */
                assert_int_equal(hb_rdma_msg_get(b.data, n, &(struct hb_rdma_msg){0}), -EBADMSG);
        hb_buf_free(&b);
        hb_buf_free(&b2);
        return got;
}

static void messages_there_and_back(void **state) {
        struct hb_rdma_msg hello = {.type = HB_RDMA_HELLO,
                                    .hello = {.epoch_addr = 0x7f0012345678ull & ~3ull,
                                              .budget_pages = 65536,
                                              .epoch_rkey = 0xdeadbeef,
                                              .window_pages = 1024}};
        struct hb_rdma_msg grant = {.type = HB_RDMA_GRANT, .window = 77}, got;

        got = again(&hello);
        assert_int_equal(got.hello.epoch_addr, hello.hello.epoch_addr);
        assert_int_equal(got.hello.window_pages, 1024);
        for (uint32_t t = HB_RDMA_ASK; t < HB_RDMA_MSG_TYPES; t++) {
                if (t == HB_RDMA_GRANT)
                        continue;
                got = again(&(struct hb_rdma_msg){.type = (enum hb_rdma_msg_type)t, .window = 0xFFFFFFFF});
                assert_int_equal(got.window, 0xFFFFFFFF);
        }
        grant.grant.nruns = HB_RDMA_MAX_RUNS;
        for (uint32_t i = 0; i < HB_RDMA_MAX_RUNS; i++)
                grant.grant.runs[i] =
                        (struct hb_rdma_run){.first = 10 * i, .pages = 1 + i % 10, .rkey = i * 257};
        got = again(&grant);
        assert_int_equal(got.grant.nruns, HB_RDMA_MAX_RUNS);
        assert_int_equal(got.grant.runs[15].rkey, 15 * 257);
        got = again(
                &(struct hb_rdma_msg){.type = HB_RDMA_GRANT, .window = 1, .grant.denial = HB_RDMA_ALL_HOLES});
        assert_int_equal(got.grant.denial, HB_RDMA_ALL_HOLES);
}

static void refuse_grant(const struct hb_rdma_msg *m) {
        struct hb_buf b = {0};

        hb_rdma_msg_put(m, &b);
        assert_int_equal(hb_rdma_msg_get(b.data, b.len, &(struct hb_rdma_msg){0}), -EBADMSG);
        hb_buf_free(&b);
}

static void impossible_grants(void **state) {
        struct hb_rdma_msg g = {.type = HB_RDMA_GRANT, .grant = {.nruns = 2, .runs = {{0, 4, 1}, {3, 1, 2}}}};

        refuse_grant(&g); /* runs overlap */
        g.grant.runs[1] = (struct hb_rdma_run){4, 0, 2};
        refuse_grant(&g); /* an empty run */
        g.grant.runs[1] = (struct hb_rdma_run){HB_RDMA_MAX_WINDOW - 1, 2, 2};
        refuse_grant(&g); /* beyond the largest window */
        g.grant.runs[1] = (struct hb_rdma_run){4, 1, 2};
        g.grant.denial = HB_RDMA_CANNOT_PIN;
        refuse_grant(&g); /* denied, and granted */
        g.grant.denial = HB_RDMA_GRANTED;
        g.grant.nruns = 0;
        refuse_grant(&g); /* granted, and nothing */
        g.grant.denial = (enum hb_rdma_denial)HB_RDMA_DENIALS;
        refuse_grant(&g);
}

static void refuse_hello(uint64_t addr, uint32_t window, uint64_t budget) {
        struct hb_rdma_msg h = {
                .type = HB_RDMA_HELLO,
                .hello = {.epoch_addr = addr, .window_pages = window, .budget_pages = budget}};

        refuse_grant(&h);
}

static void impossible_hellos(void **state) {
        refuse_hello(4097, 64, 1024);    /* a word that a READ may tear */
        refuse_hello(4096, 63, 1024);    /* no power of two */
        refuse_hello(4096, 8, 1024);     /* too small a window */
        refuse_hello(4096, 8192, 65536); /* too large */
        refuse_hello(4096, 64, 63);      /* not even one window */
        refuse_hello(4096, 64, HB_MAX_PAGES + 1);
}

static void no_message(void **state) {
        uint8_t ask[6] = {HB_RDMA_ASK, 1, 2, 3, 4, 5};
        struct hb_rdma_msg m;

        assert_int_equal(hb_rdma_msg_get(ask, 5, &m), 0);
        assert_int_equal(hb_rdma_msg_get(ask, 6, &m), -EBADMSG); /* one byte too many */
        ask[0] = 0;
        assert_int_equal(hb_rdma_msg_get(ask, 5, &m), -EBADMSG);
        ask[0] = HB_RDMA_MSG_TYPES;
        assert_int_equal(hb_rdma_msg_get(ask, 5, &m), -EBADMSG);
        assert_int_equal(hb_rdma_msg_get(NULL, 0, &m), -EBADMSG);
}

static void private_data(void **state) {
        struct hb_rdma_connect c = {.version = HB_RDMA_VERSION, .bulk_qps = 2, .bulk_qpn = {17, 0xFFFFFF}},
                               got;
        uint8_t out[HB_RDMA_CONNECT_SIZE + 8] = {0}; /* arrives padded */

        memset(c.token, 0xA5, sizeof(c.token));
        hb_rdma_connect_put(&c, out);
        assert_int_equal(hb_rdma_connect_get(out, sizeof(out), &got), 0);
        assert_memory_equal(&got, &c, sizeof(c));
        assert_int_equal(hb_rdma_connect_get(out, HB_RDMA_CONNECT_SIZE - 1, &got), -EBADMSG);
        out[4]++;
        assert_int_equal(hb_rdma_connect_get(out, sizeof(out), &got), -EPROTONOSUPPORT);
        out[4]--;
        out[0]++;
        assert_int_equal(hb_rdma_connect_get(out, sizeof(out), &got), -EBADMSG);
        out[0]--;
        out[6] = HB_RDMA_MAX_BULK_QPS + 1;
        assert_int_equal(hb_rdma_connect_get(out, sizeof(out), &got), -EBADMSG);
        out[6] = 1; /* the second number is then one too many */
        assert_int_equal(hb_rdma_connect_get(out, sizeof(out), &got), -EBADMSG);
}

static void answers(void **state) {
        struct hb_rdma_accept a = {.version = HB_RDMA_VERSION, .bulk_qps = 1, .bulk_qpn = {9}}, got;
        uint8_t out[HB_RDMA_ACCEPT_SIZE], no[8];

        hb_rdma_accept_put(&a, out);
        assert_int_equal(hb_rdma_accept_get(out, sizeof(out), &got), 0);
        assert_memory_equal(&got, &a, sizeof(a));
        for (unsigned reason = 1; reason <= HB_RDMA_REJECT_RESOURCE; reason++) {
                hb_rdma_reject_put(reason, no);
                assert_int_equal(hb_rdma_reject_get(no, sizeof(no)), reason);
        }
        no[6] = 99;
        assert_int_equal(hb_rdma_reject_get(no, sizeof(no)), 0);
        assert_int_equal(hb_rdma_reject_get(out, 3), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(messages_there_and_back),
                cmocka_unit_test(impossible_grants),
                cmocka_unit_test(impossible_hellos),
                cmocka_unit_test(no_message),
                cmocka_unit_test(private_data),
                cmocka_unit_test(answers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
