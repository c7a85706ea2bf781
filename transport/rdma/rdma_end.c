/* rdma_end: queues and their buffers. Invariant: of each message buffer exactly one knows: the device
 * (posted to receive, or on its way) or the free mask. A completion queue is as deep as all work that may be
 * posted to it, so it never overruns. */
#include "rdma/rdma_end.h"
#include "base/fault.h"
#include "rdma/rdma_device.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SENDS (HB_RDMA_MESSAGES + 4u) /* and the epoch word's READ */

static int no(struct hb_err *e, int code, const char *next, const char *what) {
        return hb_err_set(e, code, NULL, next, "%s: %s", what, strerror(-code));
}

static int failed(struct hb_err *e, const char *what) {
        int code = errno > 0 ? -errno : -EIO;

        return no(e, code,
                  code == -ENOMEM ? "raise LimitMEMLOCK (ulimit -l) or lower the bound of pinned memory"
                                  : NULL,
                  what);
}

/* ---- queues ---- */

static int find_on_demand(struct hb_rdma_end *end) {
        struct ibv_device_attr_ex a = {0};

        if (ibv_query_device_ex(end->id->verbs, NULL, &a) != 0)
                return ibv_query_device(end->id->verbs, &end->device);
        end->device = a.orig_attr;
        end->on_demand = hb_rdma_on_demand(&a);
        return 0;
}

static struct ibv_qp_init_attr queue_attr(const struct hb_rdma_end *end, bool lead, bool reads) {
        return (struct ibv_qp_init_attr){
                .send_cq = end->cq,
                .recv_cq = end->cq,
                .qp_type = IBV_QPT_RC,
                .cap = {.max_send_wr = (reads ? HB_RDMA_DEPTH : 0) + (lead ? SENDS : 1),
                        .max_recv_wr = lead ? HB_RDMA_MESSAGES : 1,
                        .max_send_sge = 1,
                        .max_recv_sge = 1}};
}

int hb_rdma_end_post_receive(struct hb_rdma_end *end, unsigned i) {
        struct ibv_sge sge = {.addr = (uintptr_t)end->buffers[HB_RDMA_MESSAGES + i],
                              .length = HB_RDMA_MSG_MAX,
                              .lkey = end->buffers_mr->lkey};
        struct ibv_recv_wr wr = {.wr_id = hb_rdma_work_id(HB_RDMA_WORK_RECV, 0, i),
                                 .sg_list = &sge,
                                 .num_sge = 1},
                           *bad;

        return -ibv_post_recv(end->id->qp, &wr, &bad);
}

static int open_messages(struct hb_rdma_end *end) {
        size_t bytes = 2 * HB_RDMA_MESSAGES * sizeof(*end->buffers);
        int rc = 0;

        end->buffers = aligned_alloc(4096, (bytes + 4095) & ~4095ull);
        if (!end->buffers)
                return -ENOMEM;
        memset(end->buffers, 0, bytes);
        errno = hb_fault("rdma.register") ? ENOMEM : 0;
        end->buffers_mr = errno ? NULL : ibv_reg_mr(end->pd, end->buffers, bytes, IBV_ACCESS_LOCAL_WRITE);
        if (!end->buffers_mr)
                return errno > 0 ? -errno : -EIO;
        for (unsigned i = 0; i < HB_RDMA_MESSAGES && rc == 0; i++)
                rc = hb_rdma_end_post_receive(end, i);
        return rc;
}

static int open_bulk(struct hb_rdma_end *end, unsigned n, bool reads) {
        for (end->nbulk = 0; end->nbulk < n; end->nbulk++) {
                struct ibv_qp_init_attr a = queue_attr(end, false, reads);
                struct ibv_qp_attr to = {.qp_state = IBV_QPS_INIT,
                                         .port_num = end->id->port_num,
                                         .qp_access_flags = reads ? 0 : IBV_ACCESS_REMOTE_READ};
                struct ibv_qp *qp = ibv_create_qp(end->pd, &a);

                if (!qp)
                        return -errno;
                end->bulk[end->nbulk] = qp;
                if (ibv_modify_qp(qp, &to,
                                  IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS)) {
                        end->nbulk++; /* it is there, and to be destroyed */
                        return -errno;
                }
        }
        return 0;
}

static int open_queues(struct hb_rdma_end *end, unsigned nbulk, bool reads) {
        struct ibv_qp_init_attr a;
        int depth = (int)((1 + nbulk) * (HB_RDMA_DEPTH + SENDS + HB_RDMA_MESSAGES));

        errno = hb_fault("rdma.queues") ? ENOMEM : 0;
        end->pd = errno ? NULL : ibv_alloc_pd(end->id->verbs);
        if (!end->pd)
                return -errno;
        end->events = ibv_create_comp_channel(end->id->verbs);
        if (!end->events)
                return -errno;
        end->cq = ibv_create_cq(end->id->verbs, depth, NULL, end->events, 0);
        if (!end->cq)
                return -errno;
        a = queue_attr(end, true, reads);
        if (rdma_create_qp(end->id, end->pd, &a) != 0)
                return -errno;
        return open_bulk(end, nbulk, reads);
}

int hb_rdma_end_open(struct hb_rdma_end *end, unsigned nbulk, bool reads, struct hb_err *e) {
        int rc;

        end->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (end->wake_fd < 0 || find_on_demand(end) != 0)
                return failed(e, "the RDMA device cannot be asked what it can");
        rc = open_queues(end, nbulk, reads);
        if (rc == 0)
                rc = open_messages(end);
        if (rc < 0) {
                errno = -rc;
                return failed(e, "the RDMA device gave no queues");
        }
        (void)fcntl(end->events->fd, F_SETFL, O_NONBLOCK);
        (void)fcntl(end->channel->fd, F_SETFL, O_NONBLOCK);
        return 0;
}

static uint8_t at_most(int a, unsigned b) {
        return (uint8_t)(a < (int)b ? a : (int)b);
}

void hb_rdma_end_params(const struct hb_rdma_end *end, struct rdma_conn_param *ret) {
        *ret = (struct rdma_conn_param){
                .responder_resources = at_most(end->device.max_qp_rd_atom, HB_RDMA_MAX_READS),
                .initiator_depth = at_most(end->device.max_qp_init_rd_atom, HB_RDMA_MAX_READS),
                .retry_count = 7,
                .rnr_retry_count = 7};
}

/* Both ends derive it: the first packet of a queue pair that had the number before does not fit by chance. */
static uint32_t first_psn(uint32_t qpn) {
        return (qpn * 2654435761u >> 8) & 0xFFFFFF;
}

int hb_rdma_end_bulk_up(struct hb_rdma_end *end, const uint32_t *peer_qpn, struct hb_err *e) {
        struct ibv_qp_init_attr init;
        struct ibv_qp_attr a;
        int lead = IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER |
                   IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;

        errno = 0;
        if (hb_fault("rdma.bulk") || ibv_query_qp(end->id->qp, &a, lead, &init) != 0)
                return failed(e, "the RDMA connection's path is not told");
        for (unsigned i = 0; i < end->nbulk; i++) {
                a.qp_state = IBV_QPS_RTR;
                a.dest_qp_num = peer_qpn[i];
                a.rq_psn = first_psn(peer_qpn[i]);
                if (ibv_modify_qp(end->bulk[i], &a,
                                  IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
                                          IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER) !=
                    0)
                        return failed(e, "a second RDMA queue pair could not be brought up");
                a.qp_state = IBV_QPS_RTS;
                a.sq_psn = first_psn(end->bulk[i]->qp_num);
                if (ibv_modify_qp(end->bulk[i], &a,
                                  IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
                                          IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC) != 0)
                        return failed(e, "a second RDMA queue pair could not be brought up");
        }
        return 0;
}

/* A queue pair that is destroyed does no more work: the device has let go of it when the call returns. */
void hb_rdma_end_stop(struct hb_rdma_end *end) {
        for (; end->nbulk > 0; end->nbulk--)
                ibv_destroy_qp(end->bulk[end->nbulk - 1]);
        if (end->id && end->id->qp) {
                (void)rdma_disconnect(end->id);
                rdma_destroy_qp(end->id);
        }
}

void hb_rdma_end_close(struct hb_rdma_end *end) {
        hb_rdma_end_stop(end);
        if (end->buffers_mr)
                ibv_dereg_mr(end->buffers_mr);
        free(end->buffers);
        if (end->cq) {
                ibv_ack_cq_events(end->cq, end->unacked);
                ibv_destroy_cq(end->cq);
        }
        if (end->events)
                ibv_destroy_comp_channel(end->events);
        if (end->pd)
                ibv_dealloc_pd(end->pd);
        if (end->id)
                rdma_destroy_id(end->id);
        if (end->channel)
                rdma_destroy_event_channel(end->channel);
        if (end->wake_fd >= 0)
                close(end->wake_fd);
        *end = (struct hb_rdma_end){.wake_fd = -1};
}
