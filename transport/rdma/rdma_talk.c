/* rdma_talk: messages between the ends, and waiting for what comes. A message buffer goes back to the queue
 * before what was in it is acted upon; there are more buffers to receive than the other end may have messages
 * on their way, and the queue pair asks again for ever where there is none (rnr_retry 7). */
#include "base/fault.h"
#include "rdma/rdma_end.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define EVENTS_PER_ACK 64u

/* ---- messages ---- */

int hb_rdma_end_send(struct hb_rdma_end *end, const struct hb_rdma_msg *m) {
        struct hb_buf b = {0};
        unsigned i = (unsigned)__builtin_ctzll(~(uint64_t)end->send_busy);
        struct ibv_sge sge;
        struct ibv_send_wr wr, *bad;
        int rc = 0;

        if (i >= HB_RDMA_MESSAGES)
                return -EAGAIN;
        hb_rdma_msg_put(m, &b);
        if (b.failed || b.len > HB_RDMA_MSG_MAX)
                rc = -ENOMEM;
        else
                memcpy(end->buffers[i], b.data, b.len);
        sge = (struct ibv_sge){(uintptr_t)end->buffers[i], (uint32_t)b.len, end->buffers_mr->lkey};
        wr = (struct ibv_send_wr){.wr_id = hb_rdma_work_id(HB_RDMA_WORK_SEND, 0, i),
                                  .sg_list = &sge,
                                  .num_sge = 1,
                                  .opcode = IBV_WR_SEND,
                                  .send_flags = IBV_SEND_SIGNALED};
        hb_buf_free(&b);
        if (rc == 0)
                rc = hb_fault("rdma.send") ? -EIO : -ibv_post_send(end->id->qp, &wr, &bad);
        if (rc == 0)
                end->send_busy |= 1u << i;
        return rc;
}

void hb_rdma_end_sent(struct hb_rdma_end *end, uint64_t wr_id) {
        end->send_busy &= ~(1u << (wr_id & 31));
}

int hb_rdma_end_received(struct hb_rdma_end *end, const struct ibv_wc *wc, struct hb_rdma_msg *ret) {
        unsigned i = (unsigned)(wc->wr_id & 31);
        int rc = hb_rdma_msg_get(end->buffers[HB_RDMA_MESSAGES + i], wc->byte_len, ret);

        if (hb_fault("rdma.receive"))
                rc = -EBADMSG;
        return rc < 0 ? rc : hb_rdma_end_post_receive(end, i);
}

/* ---- waiting ---- */

void hb_rdma_end_wake(struct hb_rdma_end *end) {
        uint64_t one = 1;

        (void)!write(end->wake_fd, &one, sizeof(one));
}

static void take_completion_event(struct hb_rdma_end *end) {
        struct ibv_cq *cq;
        void *context;

        if (ibv_get_cq_event(end->events, &cq, &context) != 0)
                return;
        if (++end->unacked >= EVENTS_PER_ACK) { /* acknowledging takes a lock: not for each */
                ibv_ack_cq_events(end->cq, end->unacked);
                end->unacked = 0;
        }
}

/* The caller has polled the queue empty, armed it (ibv_req_notify_cq) and polled once more before it comes
 * here. */
int hb_rdma_end_wait(struct hb_rdma_end *end, int timeout_ms, bool *ret_cm) {
        struct pollfd p[] = {{.fd = end->events->fd, .events = POLLIN},
                             {.fd = end->channel->fd, .events = POLLIN},
                             {.fd = end->wake_fd, .events = POLLIN}};
        uint64_t count;

        *ret_cm = false;
        if (poll(p, 3, timeout_ms) < 0)
                return errno == EINTR ? 0 : -errno;
        if (p[0].revents)
                take_completion_event(end);
        if (p[2].revents)
                (void)!read(end->wake_fd, &count, sizeof(count));
        *ret_cm = p[1].revents != 0;
        return 0;
}

int hb_rdma_next_event(struct rdma_event_channel *channel, int timeout_ms, struct hb_rdma_event *ret) {
        struct pollfd p = {.fd = channel->fd, .events = POLLIN};
        struct rdma_cm_event *ev;
        int n = hb_fault("rdma.event") ? 0 : poll(&p, 1, timeout_ms);

        if (n <= 0)
                return n == 0 || errno == EINTR ? -ETIMEDOUT : -errno;
        if (rdma_get_cm_event(channel, &ev) != 0)
                return -errno;
        *ret = (struct hb_rdma_event){
                .type = ev->event, .status = ev->status, .id = ev->id, .param = ev->param.conn};
        ret->size = ev->param.conn.private_data_len;
        if (ret->size > sizeof(ret->data))
                ret->size = sizeof(ret->data);
        if (ret->size > 0 && ev->param.conn.private_data)
                memcpy(ret->data, ev->param.conn.private_data, ret->size);
        else
                ret->size = 0;
        ret->param.private_data = NULL;
        rdma_ack_cm_event(ev);
        return 0;
}
