/* rdma_doctor: what this host's RDMA devices are, what stands in their way, and what to do about it. Opens
 * each device for a moment; changes nothing. Loop thread. */
#include "daemon/rdma_door.h"
#include "rdma/rdma.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_PORTS 16u

struct report {
        const hb_daemon *d;
        hb_rdma_row row;
        void *arg;
};

static void say(const struct report *r, const char *name, const char *ok, const char *next, const char *fmt,
                ...) __attribute__((format(printf, 5, 6)));
static void say(const struct report *r, const char *name, const char *ok, const char *next, const char *fmt,
                ...) {
        char detail[800];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(detail, sizeof detail, fmt, ap);
        va_end(ap);
        r->row(r->arg, name, ok, next, detail);
}

static void gids_text(const struct hb_rdma_device_info *p, char *ret, size_t size) {
        size_t used = 0;
        ret[0] = '\0';
        for (unsigned i = 0; i < p->ngids && used < size; i++)
                used += (size_t)snprintf(ret + used, size - used, "%s%s (index %u, %s%s%s)", i ? ", " : "",
                                         p->gids[i].text, p->gids[i].index, p->gids[i].type,
                                         p->gids[i].netdev[0] ? ", " : "", p->gids[i].netdev);
}

static bool chosen(const hb_daemon *d, const struct hb_rdma_device_info *p) {
        return !d->settings->rdma_device[0] || strcmp(d->settings->rdma_device, p->name) == 0;
}

/* An address is what other hosts reach a RoCE port by; a subnet manager gives InfiniBand ones theirs. */
static void report_port(const struct report *r, const struct hb_rdma_device_info *p) {
        char name[96], gids[500];
        bool active = strcmp(p->state, "active") == 0;
        snprintf(name, sizeof name, "rdma %s/%u", p->name, p->port);
        gids_text(p, gids, sizeof gids);
        const char *next = !chosen(r->d, p) ? "" /* another one is set */
                           : !active ? "bring its network interface up, or look at the cable and the switch"
                           : p->ngids == 0 ? "give its network interface an IP address"
                                           : "";
        say(r, name, next[0] ? "warn" : "ok", next, "%s, %s, MTU %u of %u, GIDs %s; %s%s", p->state,
            p->link_layer, p->mtu, p->max_mtu, gids[0] ? gids : "none",
            p->on_demand ? "pages on demand: nothing is pinned"
                         : "no on-demand paging: windows of memory are pinned",
            chosen(r->d, p) ? "" : "; not used: rdma_device names another");
}

static void report_memlock(const struct report *r, const struct hb_rdma_host_info *h) {
        uint64_t want = r->d->settings->rdma_pinned_bytes;
        if (h->memlock_bytes == UINT64_MAX) {
                say(r, "rdma memlock", "ok", "", "no limit on pinned memory");
                return;
        }
        bool enough = h->memlock_bytes >= want;
        say(r, "rdma memlock", enough ? "ok" : "warn",
            enough ? "" : "LimitMEMLOCK=infinity in harbingerd's unit, or a smaller rdma_pinned_bytes",
            "%.1f MiB may be pinned by this process; each placement may want %.1f MiB",
            (double)h->memlock_bytes / 1048576, (double)want / 1048576);
}

static void report_frames(const struct report *r, const struct hb_rdma_host_info *h, bool on_demand) {
        if (h->frames_readable || on_demand)
                return;
        say(r, "rdma frames", "warn", "run harbingerd as root or with CAP_SYS_ADMIN",
            "page frames cannot be read: without them and without on-demand paging no memory is lent by "
            "RDMA");
}

static bool device_there(const hb_daemon *d, const struct hb_rdma_device_info *p, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                if (chosen(d, &p[i]))
                        return true;
        return false;
}

static void report_use(const struct report *r, bool there, const struct hb_rdma_host_info *h) {
        const hb_settings *s = r->d->settings;
        bool must = strcmp(s->rdma, "yes") == 0;
        uint16_t port = hb_rdma_door_port(r->d);
        const char *bad = must ? "fail" : "ok";
        if (strcmp(s->rdma, "no") == 0)
                say(r, "rdma", "ok", "", "not wanted (rdma = no): TCP is used");
        else if (!there && s->rdma_device[0])
                say(r, "rdma", must ? "fail" : "warn",
                    "set rdma_device to one that `rdma link` lists, or leave it empty",
                    "no device is called %s: TCP is used", s->rdma_device);
        else if (!there)
                say(r, "rdma", bad,
                    must ? "load the device's kernel modules, see `rdma link`; or set rdma = auto" : "",
                    "none: TCP is used");
        else if (!h->rdma_cm)
                say(r, "rdma", must ? "fail" : "warn", "modprobe rdma_ucm",
                    "/dev/infiniband/rdma_cm cannot be opened: TCP is used");
        else if (!port)
                say(r, "rdma", must ? "fail" : "warn", "see harbingerd's log",
                    "no connections are taken (%s): TCP is used", hb_rdma_door_why(r->d));
        else
                say(r, "rdma", "ok", "",
                    "connections are taken on port %u; what crosses them is not encrypted", port);
}

void hb_rdma_doctor(const hb_daemon *d, hb_rdma_row row, void *arg) {
        struct hb_rdma_device_info ports[MAX_PORTS];
        struct hb_rdma_host_info host = {0};
        struct report r = {d, row, arg};
        bool on_demand = true;
        int found = hb_rdma_probe(ports, MAX_PORTS, &host);
        unsigned n = found < 0 ? 0 : found > (int)MAX_PORTS ? MAX_PORTS : (unsigned)found;
        bool there = device_there(d, ports, n);
        report_use(&r, there, &host);
        if (strcmp(d->settings->rdma, "no") == 0)
                return;
        for (unsigned i = 0; i < n; i++) {
                report_port(&r, &ports[i]);
                on_demand &= ports[i].on_demand;
        }
        if (!there)
                return;
        report_memlock(&r, &host);
        report_frames(&r, &host, on_demand);
}
