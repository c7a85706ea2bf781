/* wire_msg: codecs of the control session's own messages (docs/PROTOCOL.md).
 *
 * Invariant: a get accepts exactly what the put of some valid struct writes: every length checked, nothing
 * left over, names valid, numbers inside the range their users rely on. So what a decoder returns needs no
 * second look. Errors travel by name (ENOENT), not number: numbers differ between systems. Pure; any thread.
 */
#include "transport/wire.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {"qemu", "process"};

static int finish(const struct hb_rd *r) {
        return hb_rd_done(r) ? 0 : -EBADMSG;
}

static void get_name(struct hb_rd *r, char out[HB_NAME_MAX]) {
        hb_rd_str(r, out, HB_NAME_MAX);
        if (!hb_name_ok(out))
                hb_rd_fail(r);
}

static void get_bytes(struct hb_rd *r, uint8_t *out, size_t n) {
        const void *p = hb_rd_raw(r, n);

        if (p)
                memcpy(out, p, n);
}

void hb_msg_hello_put(const struct hb_msg_hello *m, struct hb_buf *b) {
        hb_buf_u16(b, m->version_min);
        hb_buf_u16(b, m->version_max);
        hb_buf_str(b, m->host);
        hb_buf_str(b, m->software);
}

int hb_msg_hello_get(const void *p, size_t n, struct hb_msg_hello *ret) {
        struct hb_rd r = hb_rd_init(p, n);
        struct hb_msg_hello m = {0};

        m.version_min = hb_rd_u16(&r);
        m.version_max = hb_rd_u16(&r);
        get_name(&r, m.host);
        hb_rd_str(&r, m.software, sizeof(m.software));
        if (m.version_min == 0 || m.version_min > m.version_max)
                hb_rd_fail(&r);
        /* A later version may say more in its HELLO; it must still be understood well enough to be refused.
         */
        if (!hb_rd_ok(&r) || (hb_rd_left(&r) > 0 && m.version_max <= HB_WIRE_VERSION_MAX))
                return -EBADMSG;
        *ret = m;
        return 0;
}

void hb_msg_error_put(const struct hb_err *m, struct hb_buf *b) {
        hb_buf_str(b, hb_errno_name(m->code));
        hb_buf_str(b, m->what);
        hb_buf_str(b, m->which);
        hb_buf_str(b, m->next);
}

/* A code this system does not know becomes -EREMOTEIO: the peer failed, its words tell how. */
int hb_msg_error_get(const void *p, size_t n, struct hb_err *ret) {
        struct hb_rd r = hb_rd_init(p, n);
        struct hb_err m = {0};
        char code[24];

        hb_rd_str(&r, code, sizeof(code));
        hb_rd_str(&r, m.what, sizeof(m.what));
        hb_rd_str(&r, m.which, sizeof(m.which));
        hb_rd_str(&r, m.next, sizeof(m.next));
        if (finish(&r) < 0)
                return -EBADMSG;
        m.code = hb_errno_from_name(code);
        if (m.code >= 0)
                m.code = -EREMOTEIO;
        hb_err_set(ret, m.code, m.which, m.next, "%s", m.what); /* makes it printable */
        return 0;
}

static bool kind_ok(const char *kind) {
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (strcmp(kind, kinds[i]) == 0)
                        return true;
        return false;
}

void hb_msg_place_put(const struct hb_msg_place *m, unsigned version, struct hb_buf *b) {
        hb_buf_raw(b, m->placement, sizeof(m->placement));
        hb_buf_str(b, m->guest);
        hb_buf_str(b, m->kind);
        hb_shape_encode(&m->shape, b);
        hb_buf_u64(b, m->resident_pages);
        hb_buf_u32(b, m->epoch_ms);
        hb_buf_str(b, m->vmm_version);
        if (version >= 2)
                hb_buf_u64(b, m->secret_id);
}

int hb_msg_place_get(const void *p, size_t n, unsigned version, struct hb_msg_place *ret) {
        struct hb_rd r = hb_rd_init(p, n);
        struct hb_msg_place m = {0};

        get_bytes(&r, m.placement, sizeof(m.placement));
        get_name(&r, m.guest);
        hb_rd_str(&r, m.kind, sizeof(m.kind));
        if (!kind_ok(m.kind))
                hb_rd_fail(&r);
        if (hb_shape_decode(&r, &m.shape) < 0)
                return -EBADMSG;
        m.resident_pages = hb_rd_u64(&r);
        m.epoch_ms = hb_rd_u32(&r);
        hb_rd_str(&r, m.vmm_version, sizeof(m.vmm_version));
        if (version >= 2)
                m.secret_id = hb_rd_u64(&r);
        if (m.resident_pages > m.shape.pages || m.epoch_ms == 0)
                hb_rd_fail(&r);
        if (finish(&r) < 0)
                return -EBADMSG;
        *ret = m;
        return 0;
}

void hb_msg_placed_put(const struct hb_msg_placed *m, unsigned version, struct hb_buf *b) {
        hb_buf_raw(b, m->token, sizeof(m->token));
        hb_buf_u32(b, m->processed);
        hb_buf_u64(b, m->fresh_pages);
        hb_buf_u32(b, m->connections);
        if (version >= 2) {
                hb_buf_u64(b, m->secret_id);
                hb_buf_u16(b, m->rdma_port);
        }
}

int hb_msg_placed_get(const void *p, size_t n, unsigned version, struct hb_msg_placed *ret) {
        struct hb_rd r = hb_rd_init(p, n);
        struct hb_msg_placed m = {0};

        get_bytes(&r, m.token, sizeof(m.token));
        m.processed = hb_rd_u32(&r);
        m.fresh_pages = hb_rd_u64(&r);
        m.connections = hb_rd_u32(&r);
        if (version >= 2) {
                m.secret_id = hb_rd_u64(&r);
                m.rdma_port = hb_rd_u16(&r);
        }
        if (m.fresh_pages > HB_MAX_PAGES || m.connections > HB_WIRE_MAX_CONNECTIONS)
                hb_rd_fail(&r);
        if (finish(&r) < 0)
                return -EBADMSG;
        *ret = m;
        return 0;
}

/* Not-a-number and infinities are refused: nobody downstream expects them. */
static double get_f64(struct hb_rd *r) {
        double v = hb_rd_f64(r);

        if (!isfinite(v)) {
                hb_rd_fail(r);
                return 0;
        }
        return v;
}

/* The report is long and flat: four tables of its fields keep put and get in step. */
#define AT(f) offsetof(struct hb_msg_report, f)
static const uint16_t report_u64[] = {
        AT(resident),        AT(fresh),         AT(stale),         AT(absent),          AT(fetching),
        AT(zero_pages),      AT(fetched_pages), AT(fetched_bytes), AT(wire_bytes),      AT(wasted_pages),
        AT(above_threshold), AT(hit),           AT(late),          AT(stale_at_freeze), AT(missing_at_freeze),
        AT(final_pages),     AT(final_bytes),   AT(digest),
};
static const uint16_t report_f64[] = {
        AT(threshold),        AT(precision),        AT(recall),
        AT(wasted_share),     AT(rate_bytes_per_s), AT(estimate_final_bytes),
        AT(estimate_final_s), AT(estimate_ready_s),
};
static const uint16_t report_v2[] = {
        AT(known_pages), AT(copied_pages), AT(refuted_pages), AT(rdma_pages), AT(spilled_pages),
};
static const uint16_t report_flag[] = {AT(ready), AT(converging), AT(draining), AT(frozen)};
#undef AT
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void hb_msg_report_put(const struct hb_msg_report *m, unsigned version, struct hb_buf *b) {
        const char *at = (const char *)m;

        for (size_t i = 0; i < COUNT(report_u64); i++)
                hb_buf_u64(b, *(const uint64_t *)(at + report_u64[i]));
        for (size_t i = 0; i < COUNT(report_f64); i++) {
                double v;

                memcpy(&v, at + report_f64[i], sizeof(v));
                hb_buf_f64(b, isfinite(v) ? v : v > 0 ? HB_WIRE_FOREVER : 0);
        }
        hb_buf_u32(b, m->processed);
        for (size_t i = 0; i < COUNT(report_flag); i++)
                hb_buf_u8(b, at[report_flag[i]] != 0);
        for (size_t i = 0; version >= 2 && i < COUNT(report_v2); i++)
                hb_buf_u64(b, *(const uint64_t *)(at + report_v2[i]));
}

int hb_msg_report_get(const void *p, size_t n, unsigned version, struct hb_msg_report *ret) {
        struct hb_rd r = hb_rd_init(p, n);
        struct hb_msg_report m = {0};
        char *at = (char *)&m;

        for (size_t i = 0; i < COUNT(report_u64); i++)
                *(uint64_t *)(at + report_u64[i]) = hb_rd_u64(&r);
        for (size_t i = 0; i < COUNT(report_f64); i++) {
                double v = get_f64(&r);

                memcpy(at + report_f64[i], &v, sizeof(v));
        }
        m.processed = hb_rd_u32(&r);
        for (size_t i = 0; i < COUNT(report_flag); i++) {
                uint8_t v = hb_rd_u8(&r);
                if (v > 1)
                        hb_rd_fail(&r);
                *(uint8_t *)(at + report_flag[i]) = v;
        }
        for (size_t i = 0; version >= 2 && i < COUNT(report_v2); i++)
                *(uint64_t *)(at + report_v2[i]) = hb_rd_u64(&r);
        if (finish(&r) < 0)
                return -EBADMSG;
        *ret = m;
        return 0;
}
