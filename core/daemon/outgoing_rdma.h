/* outgoing_rdma: the source's end of a placement's RDMA path: dials the target when it listens and this host
 * may, again after a loss, and keeps what it lends in step with the scans of the guest.
 *
 * The law of rdma.h needs the scan's thread: after scan e and before epoch e counts as completed, windows
 * whose pages have other frames now are withdrawn. So the guest has a gate, under whose lock the scan's
 * thread reaches the server, and the server reads an epoch word of its own, which moves only past scans that
 * the server was told of. */
#pragma once
#include "base/bitmap.h"
#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct hb_guest;
struct hb_outgoing;
struct hb_outgoing_rdma;
struct hb_rdma_serving;

struct hb_rdma_gate { /* in a guest */
        pthread_mutex_t lock;
        struct hb_rdma_serving *serving; /* NULL: nothing is lent by RDMA */
};
void hb_rdma_gate_init(struct hb_rdma_gate *gate);
void hb_rdma_gate_fini(struct hb_rdma_gate *gate);
/* On the scan's thread, when a scan has succeeded. */
void hb_rdma_gate_scanned(struct hb_rdma_gate *gate, const struct hb_bitmap *written);
/* On the loop, when its epoch counts as completed. */
void hb_rdma_gate_completed(struct hb_rdma_gate *gate, uint32_t epoch);

int hb_outgoing_rdma_new(struct hb_outgoing *p); /* p->rdma */
void hb_outgoing_rdma_free(
        struct hb_outgoing *p); /* waits for a dial that is under way; rkeys are withdrawn */
/* The session is open, a second has passed, or settings or the tracker have changed: dials or hangs up. */
void hb_outgoing_rdma_check(struct hb_outgoing *p);
void hb_outgoing_rdma_stop(struct hb_outgoing *p); /* the session is over */
json_t *hb_outgoing_rdma_json(const struct hb_outgoing *p);
/* Why pages do not go by RDMA, "" while they may. Good until the next event. */
const char *hb_outgoing_rdma_why(const struct hb_outgoing *p);
bool hb_outgoing_rdma_up(const struct hb_outgoing *p);
