/* rdma_dial: from an address to a connection that stands. Runs on the caller's thread (a job) and blocks, at
 * most as long as it was told; the server's thread does not exist yet. */
#include "base/clock.h"
#include "base/fault.h"
#include "rdma/rdma_device.h"
#include "rdma/rdma_server.h"
#include "transport/sock.h"
#include <errno.h>
#include <string.h>

struct dial {
        hb_rdma_server *s;
        const char *address;
        uint64_t end_ns;
        struct hb_err *e;
};

static int left_ms(const struct dial *d) {
        uint64_t now = hb_now_ns();

        return now >= d->end_ns ? 0 : (int)((d->end_ns - now) / 1000000) + 1;
}

static int timed_out(const struct dial *d) {
        return hb_err_set(d->e, -ETIMEDOUT, d->address,
                          "see whether the other host and the RDMA network are up",
                          "the RDMA peer does not answer");
}

/* Waits for one kind of event; what speaks against the connection ends it. */
static int expect(const struct dial *d, enum rdma_cm_event_type type, struct hb_rdma_event *ret) {
        for (;;) {
                int rc = hb_rdma_next_event(d->s->end.channel, left_ms(d), ret);

                if (rc == -ETIMEDOUT && left_ms(d) > 0 && !hb_fault("rdma.timeout"))
                        continue; /* a signal, not the time */
                if (rc == -ETIMEDOUT)
                        return timed_out(d);
                if (rc < 0)
                        return hb_err_set(d->e, rc, d->address, NULL, "the RDMA connection manager fails: %s",
                                          strerror(-rc));
                if (ret->type == type)
                        return 0;
                rc = hb_rdma_event_err(ret, d->address, d->e);
                if (rc < 0)
                        return rc;
        }
}

static int resolve(const struct dial *d, const struct hb_rdma_options *o) {
        struct rdma_cm_id **id = &d->s->end.id;
        struct sockaddr_storage from;
        struct hb_rdma_event ev;
        struct hb_addr to;
        bool named = o->device && o->device[0];
        int rc = hb_addr_parse(d->address, false, &to, d->e), have_from = -ENODEV;

        if (rc < 0)
                return rc;
        if (named) {
                struct hb_err e = {0};

                have_from = hb_rdma_device_address(o->device, to.sa.ss_family, &from, &e);
                if (have_from < 0 && e.code < 0) {
                        if (d->e)
                                *d->e = e;
                        return e.code;
                }
        }
        errno = hb_fault("rdma.dial") ? ENODEV : 0;
        d->s->end.channel = errno ? NULL : rdma_create_event_channel();
        if (!d->s->end.channel || rdma_create_id(d->s->end.channel, id, NULL, RDMA_PS_TCP) != 0)
                return hb_rdma_unusable(d->e, -errno);
        if (rdma_resolve_addr(*id, have_from == 0 ? (struct sockaddr *)&from : NULL,
                              (struct sockaddr *)&to.sa, left_ms(d)) != 0)
                return hb_err_set(d->e, -ENODEV, d->address,
                                  "`harbinger doctor` lists RDMA devices and their addresses",
                                  "no RDMA device reaches this address: %s", strerror(errno));
        rc = expect(d, RDMA_CM_EVENT_ADDR_RESOLVED, &ev);
        if (rc == 0)
                rc = hb_rdma_device_fits(*id, o->device, d->address, d->e);
        if (rc == 0 && rdma_resolve_route(*id, left_ms(d)) != 0)
                rc = hb_err_set(d->e, -ENODEV, d->address, NULL, "there is no RDMA route: %s",
                                strerror(errno));
        return rc < 0 ? rc : expect(d, RDMA_CM_EVENT_ROUTE_RESOLVED, &ev);
}

static int ask(const struct dial *d, const uint8_t token[HB_TOKEN_SIZE], struct hb_rdma_accept *ret) {
        struct hb_rdma_end *end = &d->s->end;
        struct hb_rdma_connect m = {.version = HB_RDMA_VERSION, .bulk_qps = end->nbulk};
        uint8_t data[HB_RDMA_CONNECT_SIZE];
        struct rdma_conn_param p;
        struct hb_rdma_event ev;
        int rc;

        memcpy(m.token, token, HB_TOKEN_SIZE);
        for (unsigned i = 0; i < end->nbulk; i++)
                m.bulk_qpn[i] = end->bulk[i]->qp_num;
        hb_rdma_connect_put(&m, data);
        hb_rdma_end_params(end, &p);
        p.initiator_depth = 1; /* a source reads nothing */
        p.private_data = data;
        p.private_data_len = sizeof(data);
        if (hb_fault("rdma.connect") || rdma_connect(end->id, &p) != 0)
                return hb_err_set(d->e, -ECONNRESET, d->address, NULL,
                                  "the RDMA connection could not be asked for");
        rc = expect(d, RDMA_CM_EVENT_ESTABLISHED, &ev);
        if (rc < 0)
                return rc;
        rc = hb_rdma_accept_get(ev.data, ev.size, ret);
        if (rc < 0 || ret->bulk_qps != end->nbulk)
                return hb_err_set(d->e, -EPROTO, d->address, "use the same release on both hosts",
                                  "what answered over RDMA is no harbinger of this version");
        return 0;
}

/* The device gets to see four bytes of ours: the epoch word. */
static int expose_word(const struct dial *d) {
        hb_rdma_server *s = d->s;

        errno = hb_fault("rdma.register") ? ENOMEM : 0;
        s->word_mr = errno ? NULL
                           : ibv_reg_mr(s->end.pd, (void *)(uintptr_t)s->src->completed_epoch,
                                        sizeof(uint32_t), IBV_ACCESS_REMOTE_READ);
        return s->word_mr ? 0
                          : hb_err_set(d->e, errno > 0 ? -errno : -EIO, NULL,
                                       "raise LimitMEMLOCK of the service (ulimit -l)",
                                       "the epoch word could not be registered: %s", strerror(errno));
}

int hb_rdma_server_connect(hb_rdma_server *s, const char *address, const struct hb_rdma_options *o,
                           const uint8_t token[HB_TOKEN_SIZE], int timeout_ms, struct hb_err *e) {
        struct dial d = {s, address, hb_now_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000, e};
        struct hb_rdma_msg hello = {.type = HB_RDMA_HELLO};
        struct hb_rdma_accept accepted;
        int rc = resolve(&d, o);

        if (rc == 0)
                rc = hb_rdma_end_open(&s->end, o->bulk_qps ? o->bulk_qps : 1, false, e);
        if (rc == 0)
                rc = expose_word(&d);
        if (rc == 0)
                rc = hb_held_open(s, e);
        if (rc == 0)
                rc = ask(&d, token, &accepted);
        if (rc == 0)
                rc = hb_rdma_end_bulk_up(&s->end, accepted.bulk_qpn, e);
        if (rc < 0)
                return rc;
        hello.hello.epoch_addr = (uintptr_t)s->src->completed_epoch;
        hello.hello.epoch_rkey = s->word_mr->rkey;
        hello.hello.window_pages = s->window_pages;
        hello.hello.budget_pages = s->pinned_max / HB_PAGE_SIZE;
        if (hello.hello.budget_pages > HB_MAX_PAGES)
                hello.hello.budget_pages = HB_MAX_PAGES;
        rc = hb_rdma_end_send(&s->end, &hello);
        return rc < 0 ? hb_err_set(e, rc, address, NULL, "the RDMA connection fails at its first message")
                      : 0;
}
