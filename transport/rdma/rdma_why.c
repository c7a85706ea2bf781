/* rdma_why: what the device and the connection manager report, as errors an operator can act on. */
#include "rdma/rdma_end.h"
#include <errno.h>
#include <string.h>

/* IB specification 12.6.7.2 and the kernel's ib_cm_rej_reason */
#define REJ_INVALID_SERVICE_ID 8
#define REJ_CONSUMER_DEFINED   28
#define REJ_INSUFFICIENT_RESP  9 /* of responder resources */

int hb_rdma_work_err(const struct ibv_wc *wc, struct hb_err *e) {
        const char *name = ibv_wc_status_str(wc->status);

        switch (wc->status) {
        case IBV_WC_RETRY_EXC_ERR:
        case IBV_WC_RNR_RETRY_EXC_ERR:
        case IBV_WC_RESP_TIMEOUT_ERR:
                return hb_err_set(e, -ECONNRESET, NULL,
                                  "see whether the other host and the RDMA network are up",
                                  "the RDMA peer no longer answers (%s)", name);
        case IBV_WC_REM_ACCESS_ERR:
        case IBV_WC_REM_OP_ERR:
        case IBV_WC_REM_INV_REQ_ERR:
                return hb_err_set(e, -ECONNRESET, NULL, NULL,
                                  "the source had withdrawn the memory that was being read (%s)", name);
        case IBV_WC_WR_FLUSH_ERR:
                return hb_err_set(e, -ECONNRESET, NULL, NULL, "the RDMA connection was taken down (%s)",
                                  name);
        default:
                return hb_err_set(e, -ECONNRESET, NULL, "`harbinger doctor` shows the state of the device",
                                  "the RDMA device reports: %s", name);
        }
}

static int refused(const struct hb_rdma_event *ev, const char *which, struct hb_err *e) {
        switch (hb_rdma_reject_get(ev->data, ev->size)) {
        case HB_RDMA_REJECT_TOKEN:
                return hb_err_set(e, -EACCES, which, NULL,
                                  "the target does not know the token of this connection");
        case HB_RDMA_REJECT_VERSION:
                return hb_err_set(e, -EPROTONOSUPPORT, which, "use the same release on both hosts",
                                  "the target speaks another version of page reads over RDMA");
        case HB_RDMA_REJECT_RESOURCE:
                return hb_err_set(e, -EREMOTEIO, which,
                                  "`harbinger doctor` on the target shows its memlock limit",
                                  "the target has no memory or queues left for an RDMA connection");
        default:
                break;
        }
        if (ev->status == REJ_INVALID_SERVICE_ID)
                return hb_err_set(e, -ECONNREFUSED, which, "turn RDMA on in the target's settings",
                                  "nobody listens for RDMA connections there");
        return hb_err_set(e, -ECONNREFUSED, which, NULL, "the RDMA connection was refused (reason %d)",
                          ev->status);
}

int hb_rdma_event_err(const struct hb_rdma_event *ev, const char *which, struct hb_err *e) {
        switch (ev->type) {
        case RDMA_CM_EVENT_REJECTED:
                return refused(ev, which, e);
        case RDMA_CM_EVENT_ADDR_ERROR:
        case RDMA_CM_EVENT_ROUTE_ERROR:
                return hb_err_set(e, -ENODEV, which,
                                  "`harbinger doctor` lists RDMA devices and their addresses",
                                  "no RDMA device reaches this address (%s)",
                                  strerror(ev->status < 0 ? -ev->status : 0));
        case RDMA_CM_EVENT_UNREACHABLE:
                return hb_err_set(e, -ETIMEDOUT, which,
                                  "see whether the other host and the RDMA network are up",
                                  "the RDMA peer does not answer");
        case RDMA_CM_EVENT_CONNECT_ERROR:
                return hb_err_set(e, -ECONNRESET, which, NULL, "the RDMA connection did not come about");
        case RDMA_CM_EVENT_DEVICE_REMOVAL:
                return hb_err_set(e, -ENODEV, which, "`harbinger doctor` shows which devices are left",
                                  "the RDMA device was removed");
        case RDMA_CM_EVENT_DISCONNECTED:
                return hb_err_set(e, -ECONNRESET, which, NULL, "the peer ended the RDMA connection");
        default:
                return 0; /* says nothing against the connection */
        }
}
