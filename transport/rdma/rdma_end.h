/* rdma_end: what both ends of a connection have: the connection manager's id, one completion queue with its
 * channel, the lead queue pair and the bulk ones, buffers for messages, and a wake-up. Belongs to one thread
 * once it stands, but for hb_rdma_end_wake.
 *
 * The bulk queue pairs have no connection manager of their own: they are brought up with the lead's path
 * attributes, their numbers travel in the private data. */
#pragma once
#include "rdma/rdma_msg.h"
#include <rdma/rdma_cma.h>

#define HB_RDMA_DEPTH     128u /* READs posted and not completed, a queue pair */
#define HB_RDMA_MESSAGES  32u  /* buffers each way */
#define HB_RDMA_MAX_READS 128u /* outstanding on the wire, if both devices can */

enum hb_rdma_work { HB_RDMA_WORK_SEND = 1, HB_RDMA_WORK_RECV, HB_RDMA_WORK_WORD, HB_RDMA_WORK_READ };
static inline uint64_t hb_rdma_work_id(enum hb_rdma_work what, unsigned which, uint32_t sequence) {
        return (uint64_t)what << 56 | (uint64_t)which << 32 | sequence;
}

struct hb_rdma_end {
        struct rdma_event_channel *channel;
        struct rdma_cm_id *id;
        struct ibv_pd *pd;
        struct ibv_comp_channel *events;
        struct ibv_cq *cq;
        struct ibv_qp *bulk[HB_RDMA_MAX_BULK_QPS];
        unsigned nbulk, unacked;
        uint8_t (*buffers)[HB_RDMA_MSG_MAX]; /* HB_RDMA_MESSAGES to send, as many to receive */
        struct ibv_mr *buffers_mr;
        uint32_t send_busy; /* bit i: buffer i is on its way */
        int wake_fd;
        bool on_demand; /* RC READ of memory that is not pinned */
        struct ibv_device_attr device;
};

/* An id that has a device gets its queues; receives are posted. `reads`: this end posts READs. */
int hb_rdma_end_open(struct hb_rdma_end *end, unsigned nbulk, bool reads, struct hb_err *e);
void hb_rdma_end_params(const struct hb_rdma_end *end,
                        struct rdma_conn_param *ret); /* without private data */
/* After the lead stands. */
int hb_rdma_end_bulk_up(struct hb_rdma_end *end, const uint32_t *peer_qpn, struct hb_err *e);
int hb_rdma_end_post_receive(struct hb_rdma_end *end, unsigned buffer);
/* No work of ours is carried out any more when it returns: what was posted will neither read nor write. */
void hb_rdma_end_stop(struct hb_rdma_end *end);
void hb_rdma_end_close(struct hb_rdma_end *end); /* frees all; half-built ones too */
void hb_rdma_end_wake(struct hb_rdma_end *end);  /* any thread */
void hb_rdma_end_link(const struct hb_rdma_end *end, struct hb_rdma_link *ret);

/* -EAGAIN: every buffer is on its way; try again after a completion. */
int hb_rdma_end_send(struct hb_rdma_end *end, const struct hb_rdma_msg *m);
void hb_rdma_end_sent(struct hb_rdma_end *end, uint64_t wr_id);
/* Decodes the message that has arrived and gives its buffer back to the queue. */
int hb_rdma_end_received(struct hb_rdma_end *end, const struct ibv_wc *wc, struct hb_rdma_msg *ret);

/* Waits for a completion, an event of the connection, a wake-up, or the end of timeout_ms (-1: none). Returns
 * at once when completions are there. *ret_cm: an event of the connection manager can be got. */
int hb_rdma_end_wait(struct hb_rdma_end *end, int timeout_ms, bool *ret_cm);
/* The next event within timeout_ms, acknowledged: its kind in *ret, private data (at most `size`) in `data`.
 * Negative: -ETIMEDOUT or the event's own failure. */
struct hb_rdma_event {
        enum rdma_cm_event_type type;
        int status;
        uint8_t data[64];
        unsigned size;
        struct rdma_conn_param param;
        struct rdma_cm_id *id;
};
int hb_rdma_next_event(struct rdma_event_channel *channel, int timeout_ms, struct hb_rdma_event *ret);
/* What a failed work request, or an event that ends the connection, means for the operator. */
int hb_rdma_work_err(const struct ibv_wc *wc, struct hb_err *e);
int hb_rdma_event_err(const struct hb_rdma_event *ev, const char *which, struct hb_err *e);
