/* rdma_device: addresses and devices as both halves and doctor need them. */
#pragma once
#include "rdma/rdma_end.h"
#include <sys/socket.h>

/* The type of the id's own GID: "InfiniBand", "RoCE v1", "RoCE v2", "RoCE". */
const char *hb_rdma_gid_type(uint32_t gid_type, bool ethernet);
void hb_rdma_gid_text(const union ibv_gid *gid, char *out, size_t size);
/* Is this id's device the one that was asked for ("" or NULL: any)? -ENODEV with what to do. */
int hb_rdma_device_fits(const struct rdma_cm_id *id, const char *device, const char *address,
                        struct hb_err *e);
/* An address of the named device and family, to dial from; -ENODEV. */
int hb_rdma_device_address(const char *device, int family, struct sockaddr_storage *ret, struct hb_err *e);
/* RC READ of memory that the device pages in itself. */
bool hb_rdma_on_demand(const struct ibv_device_attr_ex *a);
/* No rdma_cm, no device: what stands in the way. */
int hb_rdma_unusable(struct hb_err *e, int code);
