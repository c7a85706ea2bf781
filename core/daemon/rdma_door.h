/* rdma_door: where other hosts' RDMA connections come in, one for all placements of the daemon.
 *
 * The listener's thread hands each to the loop, which finds its placement by its one-time token. Without a
 * device, or with `rdma = no`, the door is shut and says why; it is tried again, for devices come and go. */
#pragma once
#include "daemon/daemon.h"

struct hb_rdma_door;
int hb_rdma_door_new(hb_daemon *d); /* d->rdma_door; -ENOMEM. That there is no device is no failure */
void hb_rdma_door_close(
        hb_daemon *d); /* nothing comes in any more; what is on its way is refused by the loop */
void hb_rdma_door_free(hb_daemon *d);             /* after the mailbox has ended */
void hb_rdma_door_reloaded(hb_daemon *d);         /* other settings are in force */
uint16_t hb_rdma_door_port(const hb_daemon *d);   /* for PLACED; 0: it is shut */
const char *hb_rdma_door_why(const hb_daemon *d); /* it is shut */
/* rdma_doctor.c: rows of `harbinger doctor`; the words are the caller's only during the call. */
typedef void (*hb_rdma_row)(void *arg, const char *name, const char *ok, const char *next,
                            const char *detail);
void hb_rdma_doctor(const hb_daemon *d, hb_rdma_row row, void *arg);
