/* rdma_msg: what the two ends of an RDMA connection say to each other, beside the pages that are read. Pure
 * codecs, little-endian, bounds-checked; whatever decodes is something the other half may say.
 *
 *   connect     private data: version, token, queue pairs for bulk         source -> target
 *   accept      private data: version, queue pairs for bulk                target -> source
 *   HELLO       where the epoch word is, window size, budget               source -> target, first
 *   ASK         lend me window N                                           target -> source
 *   GRANT       window N: runs that may be read, each with its key         source -> target, answers each ASK
 *   RECALL      give window N back                                         source -> target
 *   RETURNED    no READ of window N is or will be on its way               target -> source
 *
 * A window is `window_pages` pages from gfn N * window_pages. The remote address of a page is gfn * 4096: no
 * end learns an address of the other but that of the epoch word. */
#pragma once
#include "base/bytes.h"
#include "rdma/rdma.h"

#define HB_RDMA_CONNECT_SIZE    56u /* all that a connection request of RDMA_PS_TCP has room for */
#define HB_RDMA_ACCEPT_SIZE     24u
#define HB_RDMA_MAX_RUNS        16u
#define HB_RDMA_MIN_WINDOW      16u
#define HB_RDMA_MAX_WINDOW      4096u
#define HB_RDMA_MSG_MAX         160u /* the longest message */
#define HB_RDMA_REJECT_TOKEN    1u
#define HB_RDMA_REJECT_VERSION  2u
#define HB_RDMA_REJECT_RESOURCE 3u

struct hb_rdma_connect {
        uint32_t version;
        uint8_t token[HB_TOKEN_SIZE];
        unsigned bulk_qps;
        uint32_t bulk_qpn[HB_RDMA_MAX_BULK_QPS]; /* 24 bits each */
};
struct hb_rdma_accept {
        uint32_t version;
        unsigned bulk_qps;
        uint32_t bulk_qpn[HB_RDMA_MAX_BULK_QPS];
};

enum hb_rdma_msg_type {
        HB_RDMA_HELLO = 1,
        HB_RDMA_ASK,
        HB_RDMA_GRANT,
        HB_RDMA_RECALL,
        HB_RDMA_RETURNED,
        HB_RDMA_MSG_TYPES
};
enum hb_rdma_denial { HB_RDMA_GRANTED, HB_RDMA_ALL_HOLES, HB_RDMA_CANNOT_PIN, HB_RDMA_DENIALS };

struct hb_rdma_run { /* pages of a window, relative to its first */
        uint32_t first, pages, rkey;
};
struct hb_rdma_msg {
        enum hb_rdma_msg_type type;
        uint32_t window; /* all but HELLO */
        union {
                struct {
                        uint64_t epoch_addr, budget_pages;
                        uint32_t epoch_rkey, window_pages;
                } hello;
                struct {
                        enum hb_rdma_denial denial; /* HB_RDMA_GRANTED: at least one run, else none */
                        unsigned nruns;
                        struct hb_rdma_run runs[HB_RDMA_MAX_RUNS]; /* ascending, apart */
                } grant;
        };
};

void hb_rdma_connect_put(const struct hb_rdma_connect *m, uint8_t out[HB_RDMA_CONNECT_SIZE]);
/* Private data arrives padded with zeros: `n` may be more than was sent. -EBADMSG: not ours;
 * -EPROTONOSUPPORT: ours, but of another version. */
int hb_rdma_connect_get(const void *p, size_t n, struct hb_rdma_connect *ret);
void hb_rdma_accept_put(const struct hb_rdma_accept *m, uint8_t out[HB_RDMA_ACCEPT_SIZE]);
int hb_rdma_accept_get(const void *p, size_t n, struct hb_rdma_accept *ret);
/* Private data of a refusal: its reason, 0 when it is not one of ours. */
void hb_rdma_reject_put(unsigned reason, uint8_t out[8]);
unsigned hb_rdma_reject_get(const void *p, size_t n);

void hb_rdma_msg_put(const struct hb_rdma_msg *m, struct hb_buf *b);
int hb_rdma_msg_get(const void *p, size_t n, struct hb_rdma_msg *ret); /* -EBADMSG */
