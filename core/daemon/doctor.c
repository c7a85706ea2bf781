/* doctor: what this host can and cannot do, each finding with what to do about it. */
#include "base/clock.h"
#include "daemon/duplicates.h"
#include "daemon/guest.h"
#include "daemon/hardware.h"
#include "daemon/outgoing.h"
#include "daemon/policy_registry.h"
#include "daemon/rdma_door.h"
#include "daemon/status.h"
#include "place/image_spill.h"
#include "transport/cert/cert.h"
#include <stdarg.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define TMPFS_MAGIC     0x01021994
#define HUGETLBFS_MAGIC 0x958458f6

static const char *const all_trackers[] = {"present", "wp", "softdirty", "hash"};

static void add(json_t *a, const char *name, const char *ok, const char *next, const char *fmt, ...)
        __attribute__((format(printf, 5, 6)));
static void add(json_t *a, const char *name, const char *ok, const char *next, const char *fmt, ...) {
        char detail[900];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(detail, sizeof detail, fmt, ap);
        va_end(ap);
        json_array_append_new(
                a, json_pack("{s:s,s:s,s:s,s:s}", "name", name, "ok", ok, "detail", detail, "next", next));
}

json_t *hb_probe_json(void) {
        const char *have[8];
        int n = hb_tracker_probe(have, 8);
        json_t *a = json_array();
        for (unsigned i = 0; i < sizeof all_trackers / sizeof *all_trackers; i++) {
                const struct hb_tracker_caps *c = hb_tracker_caps_of(all_trackers[i]);
                bool works = false;
                for (int k = 0; k < n; k++)
                        works |= strcmp(have[k], all_trackers[i]) == 0;
                if (c)
                        json_array_append_new(a, json_pack("{s:s,s:s,s:s,s:b,s:s}", "name", c->name, "sees",
                                                           c->sees, "blind", c->blind, "works", works, "why",
                                                           works ? "" : "not offered by this kernel"));
        }
        return json_pack("{s:o}", "trackers", a);
}

static void check_trackers(json_t *a) {
        json_t *p = hb_probe_json(), *list = json_object_get(p, "trackers"), *t;
        size_t i;
        bool any = false;
        json_array_foreach(list, i, t) {
                char name[64];
                snprintf(name, sizeof name, "tracker %s", json_string_value(json_object_get(t, "name")));
                bool works = json_is_true(json_object_get(t, "works"));
                any |= works;
                add(a, name, works ? "ok" : "warn",
                    works ? "" : "Linux 6.7 or later has the exact trackers (Debian 12: backports)",
                    "sees %s. %s", json_string_value(json_object_get(t, "sees")),
                    json_string_value(json_object_get(t, "blind")));
        }
        if (!any)
                add(a, "trackers", "fail", "see docs/OPERATING.md, \"Trackers\"", "no tracker works here");
        json_decref(p);
}

static void check_image_dir(json_t *a, const hb_settings *s) {
        struct statfs fs;
        struct statvfs v;
        if (statfs(s->image_dir, &fs) < 0 || statvfs(s->image_dir, &v) < 0) {
                add(a, "image_dir", "fail", "create it on tmpfs, or set image_dir", "%s cannot be looked at",
                    s->image_dir);
                return;
        }
        double free_gib = (double)v.f_bavail * (double)v.f_frsize / (1 << 30);
        bool ram = fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC;
        add(a, "image_dir", ram ? "ok" : "fail",
            ram ? "" : "images must lie on tmpfs or hugetlbfs: set image_dir", "%s: %.1f GiB free%s",
            s->image_dir, free_gib, ram ? "" : ", not a memory file system");
}

static void check_spill_dir(json_t *a, const hb_settings *s) {
        struct hb_image_spill_probe p;
        if (!s->image_ram_bytes || !s->spill_dir[0]) {
                add(a, "spill_dir", "ok", "", "not used: images stay in memory");
                return;
        }
        int r = hb_image_spill_probe(s->spill_dir, &p);
        if (r < 0) {
                add(a, "spill_dir", "fail", "create it on a fast disk, writable by the daemon",
                    "%s: no file can be made there: %s", s->spill_dir, hb_errno_name(r));
                return;
        }
        const char *next =
                p.memory   ? "set spill_dir to a folder on a disk"
                : p.uring  ? "sysctl kernel.io_uring_disabled=0, or allow io_uring in the unit's filter"
                : p.direct ? ""
                           : "use a filesystem with O_DIRECT (ext4, xfs): the page cache takes memory";
        add(a, "spill_dir", next[0] ? "warn" : "ok", next,
            "%s: %s, %.1f GiB free, O_DIRECT %s, io_uring %s%s", s->spill_dir, p.filesystem,
            (double)p.free_bytes / (1 << 30), p.direct ? "yes" : "refused", p.uring ? "refused: " : "yes",
            p.uring ? hb_errno_name(p.uring) : "");
}

static void check_certificate(json_t *a, const hb_settings *s) {
        struct hb_cert_info c;
        struct hb_err e;
        if (hb_cert_read(s->cert, &c, &e) < 0) {
                add(a, "certificate", "fail", e.next, "%s", e.what);
                return;
        }
        double days = (double)(c.not_after - (long long)time(NULL)) / 86400;
        add(a, "certificate",
            days > 14  ? "ok"
            : days > 0 ? "warn"
                       : "fail",
            days > 14 ? "" : "harbinger cert host, then reload", "%s, signed by %s, good for %.0f more days",
            c.subject, c.issuer, days);
}

static void check_kernel_tls(json_t *a, const hb_settings *s) {
        int library, kernel;
        hb_tls_kernel_probe(&library, &kernel);
        if (!s->kernel_tls)
                add(a, "kernel TLS", "ok", "", "not used: kernel_tls = no");
        else if (library && kernel)
                add(a, "kernel TLS", "ok", "", "the kernel encrypts the pages this host sends");
        else
                add(a, "kernel TLS", "ok", library ? "modprobe tls, if the kernel has the module" : "",
                    "not available, OpenSSL encrypts: %s",
                    library ? "the kernel has no `tls` module loaded" : "this OpenSSL was built without it");
}

static void add_policies(void *arg, const char *ok, const char *next, const char *detail) {
        add(arg, "policies", ok, next, "%s", detail);
}

static void add_duplicates(void *arg, const char *ok, const char *next, const char *detail) {
        add(arg, "duplicates", ok, next, "%s", detail);
}

static void add_hardware(void *arg, const char *name, const char *ok, const char *next, const char *detail) {
        add(arg, name, ok, next, "%s", detail);
}

static void add_rdma(void *arg, const char *name, const char *ok, const char *next, const char *detail) {
        add(arg, name, ok, next, "%s", detail);
}

json_t *hb_doctor_json(const hb_daemon *d) {
        json_t *a = json_array();
        check_trackers(a);
        check_image_dir(a, d->settings);
        check_spill_dir(a, d->settings);
        check_certificate(a, d->settings);
        check_kernel_tls(a, d->settings);
        hb_hardware_doctor(d, add_hardware, a);
        hb_policy_registry_doctor(d, add_policies, a);
        hb_rdma_doctor(d, add_rdma, a);
        hb_duplicates_doctor(d, add_duplicates, a);
        if (geteuid() != 0)
                add(a, "rights", "warn", "run harbingerd as root or with CAP_SYS_PTRACE and CAP_SYS_ADMIN",
                    "not root: attaching may be forbidden");
        for (const struct hb_guest *g = d->guests; g; g = g->next) {
                for (int i = 0; i < g->nmappers; i++)
                        add(a, g->name, "warn",
                            "its memory is tracked by content hash, which sees every writer",
                            "process %d (%s) maps region %s", (int)g->mappers[i].pid, g->mappers[i].comm,
                            g->mappers[i].region);
                if (g->placement && !hb_outgoing_usable(g->placement))
                        add(a, g->name, "warn", g->placement->last_error.next,
                            "its placement on %s has no link: %s", g->placement->host,
                            g->placement->last_error.what);
                if (g->placement && strcmp(d->settings->rdma, "yes") == 0 &&
                    hb_outgoing_usable(g->placement) && !hb_outgoing_rdma_up(g->placement))
                        add(a, g->name, "warn", "see rdma in `harbinger --json status`",
                            "its placement on %s goes over TCP although rdma = yes", g->placement->host);
        }
        return json_pack("{s:o}", "checks", a);
}
