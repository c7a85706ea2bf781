/* rdma_msg: see the table in the header. Invariant: get(put(m)) == m, and put(get(bytes)) == bytes for
 * messages. Nothing here allocates but hb_buf. */
#include "rdma/rdma_msg.h"
#include <errno.h>
#include <string.h>

#define MAGIC 0x4D445248u /* "HRDM" */

static void u32_put(uint8_t *p, uint32_t v) {
        for (unsigned i = 0; i < 4; i++)
                p[i] = (uint8_t)(v >> (8 * i));
}

/* ---- private data ---- */

static void head_put(uint8_t *p, uint32_t version, unsigned last) {
        u32_put(p, MAGIC);
        p[4] = (uint8_t)version;
        p[5] = (uint8_t)(version >> 8);
        p[6] = (uint8_t)last;
        p[7] = 0;
}

/* The byte after the version; its meaning belongs to the version. */
static int head_get(struct hb_rd *r, unsigned *ret_last) {
        uint32_t magic = hb_rd_u32(r);
        uint16_t version = hb_rd_u16(r);
        unsigned last = hb_rd_u16(r);

        if (!hb_rd_ok(r) || magic != MAGIC)
                return -EBADMSG;
        if (version != HB_RDMA_VERSION)
                return -EPROTONOSUPPORT;
        *ret_last = last;
        return 0;
}

static void qpns_put(uint8_t *p, const uint32_t *qpn, unsigned n) {
        for (unsigned i = 0; i < HB_RDMA_MAX_BULK_QPS; i++)
                u32_put(p + 4 * i, i < n ? qpn[i] : 0);
}

static int qpns_get(struct hb_rd *r, unsigned n, uint32_t *ret) {
        if (n == 0 || n > HB_RDMA_MAX_BULK_QPS)
                return -EBADMSG;
        for (unsigned i = 0; i < HB_RDMA_MAX_BULK_QPS; i++) {
                ret[i] = hb_rd_u32(r);
                if (ret[i] >> 24 || (i >= n && ret[i] != 0))
                        return -EBADMSG;
        }
        return hb_rd_ok(r) ? 0 : -EBADMSG;
}

void hb_rdma_connect_put(const struct hb_rdma_connect *m, uint8_t out[HB_RDMA_CONNECT_SIZE]) {
        head_put(out, m->version, m->bulk_qps);
        memcpy(out + 8, m->token, HB_TOKEN_SIZE);
        qpns_put(out + 8 + HB_TOKEN_SIZE, m->bulk_qpn, m->bulk_qps);
}

int hb_rdma_connect_get(const void *p, size_t n, struct hb_rdma_connect *ret) {
        struct hb_rd r = hb_rd_init(p, n);
        struct hb_rdma_connect m = {.version = HB_RDMA_VERSION};
        const void *token;
        int rc = head_get(&r, &m.bulk_qps);

        if (rc < 0)
                return rc;
        token = hb_rd_raw(&r, HB_TOKEN_SIZE);
        if (!token)
                return -EBADMSG;
        memcpy(m.token, token, HB_TOKEN_SIZE);
        rc = qpns_get(&r, m.bulk_qps, m.bulk_qpn);
        if (rc == 0)
                *ret = m;
        return rc;
}

void hb_rdma_accept_put(const struct hb_rdma_accept *m, uint8_t out[HB_RDMA_ACCEPT_SIZE]) {
        head_put(out, m->version, m->bulk_qps);
        qpns_put(out + 8, m->bulk_qpn, m->bulk_qps);
}

int hb_rdma_accept_get(const void *p, size_t n, struct hb_rdma_accept *ret) {
        struct hb_rd r = hb_rd_init(p, n);
        struct hb_rdma_accept m = {.version = HB_RDMA_VERSION};
        int rc = head_get(&r, &m.bulk_qps);

        if (rc == 0)
                rc = qpns_get(&r, m.bulk_qps, m.bulk_qpn);
        if (rc == 0)
                *ret = m;
        return rc;
}

void hb_rdma_reject_put(unsigned reason, uint8_t out[8]) {
        head_put(out, HB_RDMA_VERSION, reason);
}

/* A refusal for our version comes from a peer of another one: the version is not looked at. */
unsigned hb_rdma_reject_get(const void *p, size_t n) {
        struct hb_rd r = hb_rd_init(p, n);
        uint32_t magic = hb_rd_u32(&r);
        unsigned reason;

        (void)hb_rd_u16(&r);
        reason = hb_rd_u16(&r);
        return hb_rd_ok(&r) && magic == MAGIC && reason <= HB_RDMA_REJECT_RESOURCE ? reason : 0;
}

/* ---- messages ---- */

static void grant_put(const struct hb_rdma_msg *m, struct hb_buf *b) {
        hb_buf_u8(b, (uint8_t)m->grant.denial);
        hb_buf_u8(b, (uint8_t)m->grant.nruns);
        for (unsigned i = 0; i < m->grant.nruns; i++) {
                hb_buf_u16(b, (uint16_t)m->grant.runs[i].first);
                hb_buf_u16(b, (uint16_t)m->grant.runs[i].pages);
                hb_buf_u32(b, m->grant.runs[i].rkey);
        }
}

void hb_rdma_msg_put(const struct hb_rdma_msg *m, struct hb_buf *b) {
        hb_buf_u8(b, (uint8_t)m->type);
        if (m->type == HB_RDMA_HELLO) {
                hb_buf_u64(b, m->hello.epoch_addr);
                hb_buf_u32(b, m->hello.epoch_rkey);
                hb_buf_u32(b, m->hello.window_pages);
                hb_buf_u64(b, m->hello.budget_pages);
                return;
        }
        hb_buf_u32(b, m->window);
        if (m->type == HB_RDMA_GRANT)
                grant_put(m, b);
}

static void hello_get(struct hb_rd *r, struct hb_rdma_msg *m) {
        uint32_t w;

        m->hello.epoch_addr = hb_rd_u64(r);
        m->hello.epoch_rkey = hb_rd_u32(r);
        m->hello.window_pages = w = hb_rd_u32(r);
        m->hello.budget_pages = hb_rd_u64(r);
        if (m->hello.epoch_addr % 4 || w < HB_RDMA_MIN_WINDOW || w > HB_RDMA_MAX_WINDOW || (w & (w - 1)) ||
            m->hello.budget_pages < w || m->hello.budget_pages > HB_MAX_PAGES)
                hb_rd_fail(r);
}

static void grant_get(struct hb_rd *r, struct hb_rdma_msg *m) {
        uint32_t end = 0;
        uint8_t denial = hb_rd_u8(r);

        m->grant.denial = (enum hb_rdma_denial)denial;
        m->grant.nruns = hb_rd_u8(r);
        if (denial >= HB_RDMA_DENIALS || m->grant.nruns > HB_RDMA_MAX_RUNS ||
            (denial == HB_RDMA_GRANTED) != (m->grant.nruns > 0)) {
                hb_rd_fail(r);
                return;
        }
        for (unsigned i = 0; i < m->grant.nruns; i++) {
                struct hb_rdma_run *u = &m->grant.runs[i];

                u->first = hb_rd_u16(r);
                u->pages = hb_rd_u16(r);
                u->rkey = hb_rd_u32(r);
                if (u->pages == 0 || u->first < end || u->first + u->pages > HB_RDMA_MAX_WINDOW)
                        hb_rd_fail(r);
                end = u->first + u->pages;
        }
}

int hb_rdma_msg_get(const void *p, size_t n, struct hb_rdma_msg *ret) {
        struct hb_rd r = hb_rd_init(p, n);
        struct hb_rdma_msg m = {0};
        uint8_t type = hb_rd_u8(&r);

        if (type < HB_RDMA_HELLO || type >= HB_RDMA_MSG_TYPES)
                return -EBADMSG;
        m.type = (enum hb_rdma_msg_type)type;
        if (m.type == HB_RDMA_HELLO)
                hello_get(&r, &m);
        else
                m.window = hb_rd_u32(&r);
        if (m.type == HB_RDMA_GRANT)
                grant_get(&r, &m);
        if (!hb_rd_done(&r))
                return -EBADMSG;
        *ret = m;
        return 0;
}
