/* rdma_probe: what `harbinger doctor` wants to know of this host's RDMA devices. Opens each device, changes
 * nothing. */
#include "base/fault.h"
#include "rdma/frames.h"
#include "rdma/rdma_device.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_TABLE 256u

static const char *state_name(enum ibv_port_state s) {
        switch (s) {
        case IBV_PORT_DOWN:
                return "down";
        case IBV_PORT_INIT:
                return "initializing";
        case IBV_PORT_ARMED:
                return "armed";
        case IBV_PORT_ACTIVE:
                return "active";
        default:
                return "unknown";
        }
}

static void look_at_gids(struct ibv_context *context, struct hb_rdma_device_info *d) {
        struct ibv_gid_entry table[MAX_TABLE];
        ssize_t n = ibv_query_gid_table(context, table, MAX_TABLE, 0);

        for (ssize_t i = 0; i < n && d->ngids < HB_RDMA_MAX_GIDS; i++) {
                struct hb_rdma_gid *g = &d->gids[d->ngids];

                if (table[i].port_num != d->port)
                        continue;
                g->index = table[i].gid_index;
                g->type = hb_rdma_gid_type(table[i].gid_type, strcmp(d->link_layer, "Ethernet") == 0);
                hb_rdma_gid_text(&table[i].gid, g->text, sizeof(g->text));
                if (!table[i].ndev_ifindex || !if_indextoname(table[i].ndev_ifindex, g->netdev))
                        g->netdev[0] = '\0';
                d->ngids++;
        }
}

static void look_at_port(struct ibv_context *context, unsigned port, const struct ibv_device_attr_ex *a,
                         struct hb_rdma_device_info *d) {
        struct ibv_port_attr p = {0};

        *d = (struct hb_rdma_device_info){.port = port, .state = "unknown", .link_layer = "unknown"};
        (void)snprintf(d->name, sizeof(d->name), "%s", ibv_get_device_name(context->device));
        d->max_reads = (unsigned)a->orig_attr.max_qp_rd_atom;
        d->max_registered_bytes = a->orig_attr.max_mr_size;
        d->on_demand = hb_rdma_on_demand(a);
        if (ibv_query_port(context, (uint8_t)port, &p) != 0)
                return;
        d->state = state_name(p.state);
        d->link_layer = p.link_layer == IBV_LINK_LAYER_ETHERNET ? "Ethernet" : "InfiniBand";
        d->mtu = 128u << p.active_mtu;
        d->max_mtu = 128u << p.max_mtu;
        look_at_gids(context, d);
}

static unsigned look_at_device(struct ibv_device *device, struct hb_rdma_device_info *ret, unsigned max) {
        struct ibv_context *context = hb_fault("rdma.probe") ? NULL : ibv_open_device(device);
        struct ibv_device_attr_ex a = {0};
        unsigned ports;

        if (!context)
                return 0;
        if (ibv_query_device_ex(context, NULL, &a) != 0)
                (void)ibv_query_device(context, &a.orig_attr);
        ports = a.orig_attr.phys_port_cnt;
        for (unsigned i = 0; i < ports && i < max; i++)
                look_at_port(context, i + 1, &a, &ret[i]);
        ibv_close_device(context);
        return ports;
}

static bool may_lock_all(void) { /* CAP_IPC_LOCK, bit 14 of the effective set */
        unsigned long long caps = 0;
        char line[128];
        FILE *f = fopen("/proc/self/status", "re");

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "CapEff: %llx", &caps) == 1)
                        break;
        if (f)
                (void)fclose(f);
        return caps >> 14 & 1;
}

static void look_at_host(struct hb_rdma_host_info *ret) {
        struct rlimit l;
        int fd = open("/dev/infiniband/rdma_cm", O_RDWR | O_CLOEXEC);

        *ret = (struct hb_rdma_host_info){.memlock_bytes = UINT64_MAX, .rdma_cm = fd >= 0};
        if (fd >= 0)
                close(fd);
        if (getrlimit(RLIMIT_MEMLOCK, &l) == 0 && l.rlim_cur != RLIM_INFINITY && !may_lock_all())
                ret->memlock_bytes = l.rlim_cur;
        ret->frames_readable = hb_frames_readable();
}

int hb_rdma_probe(struct hb_rdma_device_info *ret, unsigned max, struct hb_rdma_host_info *ret_host) {
        int n = 0;
        struct ibv_device **list = ibv_get_device_list(&n);
        unsigned found = 0;

        if (ret_host)
                look_at_host(ret_host);
        for (int i = 0; list && i < n; i++)
                found += look_at_device(list[i], ret + (found < max ? found : max),
                                        found < max ? max - found : 0);
        if (list)
                ibv_free_device_list(list);
        return (int)found;
}
