/* rdma_listener: a connection between its request and its answer; inside of the target half. */
#pragma once
#include "rdma/rdma_end.h"

struct hb_rdma_conn {
        struct hb_rdma_end end; /* id and channel only */
        struct hb_rdma_connect asked;
        struct rdma_conn_param param;
        unsigned reason; /* told to the peer when it is refused */
};
