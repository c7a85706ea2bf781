/* rdma_device: names, GIDs and addresses. Runs at set-up only; asks the device each time, remembers nothing.
 */
#include "rdma/rdma_device.h"
#include "base/fault.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TABLE 256u

const char *hb_rdma_gid_type(uint32_t gid_type, bool ethernet) {
        switch (gid_type) {
        case IBV_GID_TYPE_ROCE_V1:
                return "RoCE v1";
        case IBV_GID_TYPE_ROCE_V2:
                return "RoCE v2";
        default:
                return ethernet ? "RoCE" : "InfiniBand";
        }
}

static bool holds_ipv4(const union ibv_gid *gid) {
        static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};

        return memcmp(gid->raw, mapped, sizeof(mapped)) == 0;
}

void hb_rdma_gid_text(const union ibv_gid *gid, char *out, size_t size) {
        bool v4 = holds_ipv4(gid);

        if (!inet_ntop(v4 ? AF_INET : AF_INET6, gid->raw + (v4 ? 12 : 0), out, (socklen_t)size))
                out[0] = '\0';
}

bool hb_rdma_on_demand(const struct ibv_device_attr_ex *a) {
        return (a->odp_caps.general_caps & IBV_ODP_SUPPORT) &&
               (a->odp_caps.per_transport_caps.rc_odp_caps & IBV_ODP_SUPPORT_READ);
}

int hb_rdma_device_fits(const struct rdma_cm_id *id, const char *device, const char *address,
                        struct hb_err *e) {
        const char *is = id->verbs ? ibv_get_device_name(id->verbs->device) : NULL;

        if (!is)
                return hb_err_set(e, -ENODEV, address,
                                  "`harbinger doctor` lists RDMA devices and their addresses",
                                  "no RDMA device has or reaches this address");
        if (device && device[0] && strcmp(is, device) != 0)
                return hb_err_set(e, -ENODEV, address, "name that device in the settings, or none",
                                  "the address leads over RDMA device %s, not over %s", is, device);
        return 0;
}

static int gid_address(struct ibv_context *context, int family, struct sockaddr_storage *ret) {
        struct ibv_gid_entry table[MAX_TABLE];
        ssize_t n = ibv_query_gid_table(context, table, MAX_TABLE, 0);

        for (ssize_t i = 0; i < n; i++) {
                const union ibv_gid *gid = &table[i].gid;
                bool local = gid->raw[0] == 0xFE && (gid->raw[1] & 0xC0) == 0x80; /* needs a scope */

                if (table[i].gid_type == IBV_GID_TYPE_IB || (family == AF_INET) != holds_ipv4(gid) || local)
                        continue;
                *ret = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
                if (family == AF_INET)
                        memcpy(&((struct sockaddr_in *)ret)->sin_addr, gid->raw + 12, 4);
                else
                        memcpy(&((struct sockaddr_in6 *)ret)->sin6_addr, gid->raw, 16);
                return 0;
        }
        return -ENODEV;
}

int hb_rdma_device_address(const char *device, int family, struct sockaddr_storage *ret, struct hb_err *e) {
        int n = 0, rc = -ENODEV;
        struct ibv_device **list = ibv_get_device_list(&n);
        bool found = false;

        for (int i = 0; i < n; i++) {
                struct ibv_context *context;

                if (strcmp(ibv_get_device_name(list[i]), device) != 0)
                        continue;
                found = true;
                context = ibv_open_device(list[i]);
                if (context)
                        rc = gid_address(context, family, ret);
                if (context)
                        ibv_close_device(context);
        }
        if (list)
                ibv_free_device_list(list);
        if (!found)
                return hb_err_set(e, -ENODEV, device, "`harbinger doctor` lists the RDMA devices there are",
                                  "there is no such RDMA device");
        return rc; /* an InfiniBand device has no such GIDs: the route decides, hb_rdma_device_fits checks */
}

int hb_rdma_unusable(struct hb_err *e, int code) {
        return hb_err_set(e, code == -ENOENT || code == -ENODEV || code == -ENOSYS ? -EOPNOTSUPP : code,
                          "/dev/infiniband/rdma_cm",
                          "load rdma_ucm and the device's driver; `harbinger doctor` tells what is missing",
                          "the RDMA connection manager cannot be used: %s", strerror(-code));
}

void hb_rdma_end_link(const struct hb_rdma_end *end, struct hb_rdma_link *ret) {
        const struct rdma_cm_id *id = end->id;
        struct ibv_gid_entry table[MAX_TABLE];
        struct ibv_port_attr port = {0};
        ssize_t n;

        *ret = (struct hb_rdma_link){
                .transport = "InfiniBand", .bulk_qps = end->nbulk, .on_demand = end->on_demand};
        if (!id || !id->verbs)
                return;
        (void)snprintf(ret->device, sizeof(ret->device), "%s", ibv_get_device_name(id->verbs->device));
        ret->port = id->port_num;
        hb_rdma_gid_text(&id->route.addr.addr.ibaddr.sgid, ret->gid, sizeof(ret->gid));
        if (ibv_query_port(id->verbs, id->port_num, &port) == 0)
                ret->mtu = 128u << port.active_mtu;
        ret->transport = hb_rdma_gid_type(IBV_GID_TYPE_IB, port.link_layer == IBV_LINK_LAYER_ETHERNET);
        n = ibv_query_gid_table(id->verbs, table, MAX_TABLE, 0);
        for (ssize_t i = 0; i < n; i++)
                if (table[i].port_num == id->port_num &&
                    memcmp(&table[i].gid, &id->route.addr.addr.ibaddr.sgid, sizeof(union ibv_gid)) == 0)
                        ret->transport = hb_rdma_gid_type(table[i].gid_type,
                                                          port.link_layer == IBV_LINK_LAYER_ETHERNET);
}
