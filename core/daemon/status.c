/* status: JSON of guests, images and the host, as docs/CONTROL.md describes it. Reads only. */
#include "daemon/status.h"
#include "base/clock.h"
#include "daemon/duplicates.h"
#include "daemon/guest.h"
#include "daemon/hardware.h"
#include "daemon/hosts.h"
#include "daemon/incoming.h"
#include "daemon/migrate.h"
#include "daemon/outgoing.h"
#include "daemon/policy_registry.h"
#include "daemon/recording.h"
#include <sys/stat.h>

static const char *backing_name(enum hb_backing b) {
        return b == HB_BACKING_MEMFD ? "memfd" : b == HB_BACKING_HUGETLB ? "hugetlb" : "file";
}

static json_t *regions_json(const hb_target *t) {
        json_t *a = json_array();
        for (unsigned i = 0; i < t->shape.nregions; i++) {
                const struct hb_target_region *r = &t->regions[i];
                json_array_append_new(a, json_pack("{s:s,s:I,s:s,s:s}", "name", r->name, "bytes",
                                                   (json_int_t)r->bytes, "backing", backing_name(r->backing),
                                                   "path", r->path));
        }
        return a;
}

static json_t *mappers_json(const struct hb_guest *g) {
        json_t *a = json_array();
        for (int i = 0; i < g->nmappers; i++)
                json_array_append_new(a, json_pack("{s:i,s:s,s:s}", "pid", (int)g->mappers[i].pid, "comm",
                                                   g->mappers[i].comm, "region", g->mappers[i].region));
        return a;
}

json_t *hb_guest_json(const struct hb_guest *g) {
        json_t *j = json_pack("{s:s,s:s}", "name", g->name, "kind", g->kind);
        if (!g->caps) {
                json_object_set_new(j, "state", json_string("attaching"));
                return j;
        }
        json_object_update_new(j, json_pack("{s:i,s:s,s:s,s:s,s:s,s:b}", "pid", (int)g->target->pid, "state",
                                            g->gone ? "gone" : hb_guest_state_name(g->info.state), "tracker",
                                            g->caps->name, "sees", g->caps->sees, "blind", g->caps->blind,
                                            "resumed", g->resumed));
        json_object_update_new(
                j, json_pack("{s:I,s:I,s:i,s:i,s:f,s:f,s:f}", "ram_bytes",
                             (json_int_t)g->target->shape.pages * HB_PAGE_SIZE, "resident_bytes",
                             (json_int_t)hb_page_map_resident_pages(g->map) * HB_PAGE_SIZE, "epoch",
                             (int)hb_page_map_epoch(g->map), "epoch_ms", (int)g->epoch_ms,
                             "dirty_bytes_per_s", hb_page_map_dirty_pages_per_s(g->map) * HB_PAGE_SIZE,
                             "scan_ms", g->scan_ms, "guest_cost_share", g->guest_cost_share));
        json_object_set_new(j, "vmm", json_string(g->info.vmm_version));
        json_object_set_new(j, "can_move", json_boolean(g->info.can_move));
        json_object_set_new(j, "cannot_move", json_string(g->info.cannot_move));
        json_object_set_new(j, "dma_note", json_string(g->info.dma_unseen ? g->info.dma_note : ""));
        json_object_set_new(j, "grace_ms", json_integer((json_int_t)(g->grace_ns / HB_NS_PER_MS)));
        json_object_set_new(j, "regions", regions_json(g->target));
        json_object_set_new(j, "mappers", mappers_json(g));
        json_object_set_new(j, "recording", hb_recording_json(g->recording));
        json_object_set_new(j, "placement", g->placement ? hb_outgoing_json(g->placement) : json_null());
        json_object_set_new(j, "handover", g->handover ? hb_handover_json(g->handover) : json_null());
        return j;
}

static json_t *states_json(const struct hb_engine_stats *s) {
        return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "fresh", (json_int_t)s->fresh, "stale",
                         (json_int_t)s->stale, "absent", (json_int_t)s->absent, "fetching",
                         (json_int_t)s->fetching, "resident", (json_int_t)s->resident, "zero",
                         (json_int_t)s->zero_pages);
}

json_t *hb_image_info_json(const struct hb_incoming *in) {
        struct hb_engine_stats s;
        hb_engine_stats(in->engine, &s);
        json_t *a = json_array();
        for (unsigned i = 0; i < in->shape.nregions; i++) {
                const char *path = hb_image_region_path(in->image, i);
                struct stat st = {0};
                if (stat(path, &st) < 0)
                        st.st_blocks = 0;
                json_array_append_new(a, json_pack("{s:s,s:s,s:I,s:I}", "name", in->shape.regions[i].name,
                                                   "path", path, "bytes",
                                                   (json_int_t)in->shape.regions[i].pages * HB_PAGE_SIZE,
                                                   "allocated_bytes", (json_int_t)st.st_blocks * 512));
        }
        return json_pack("{s:s,s:s,s:o,s:o,s:i}", "guest", in->guest, "dir", in->dir, "regions", a, "states",
                         states_json(&s), "processed", (int)s.processed);
}

static bool wanted(const char *name, const char *only) {
        return !only || strcmp(name, only) == 0;
}

struct dormant {
        const hb_daemon *d;
        const char *only;
        json_t *out;
};

/* An image kept for a source that has not dialled since our start. */
static int add_dormant(void *arg, const struct hb_store_placement *p) {
        struct dormant *x = arg;
        char id[33];
        if (!p->incoming || !wanted(p->guest, x->only) || hb_incoming_find((hb_daemon *)x->d, p->guest))
                return 0;
        hb_id_hex(p->id, id);
        json_array_append_new(x->out, json_pack("{s:s,s:s,s:s,s:s,s:s}", "id", id, "guest", p->guest, "from",
                                                p->host, "dir", p->image_dir, "state", "lost"));
        return 0;
}

json_t *hb_status_json(const hb_daemon *d, const char *only) {
        json_t *guests = json_array(), *incoming = json_array();
        for (const struct hb_guest *g = d->guests; g; g = g->next)
                if (wanted(g->name, only))
                        json_array_append_new(guests, hb_guest_json(g));
        for (const struct hb_incoming *in = d->incoming; in; in = in->next)
                if (wanted(in->guest, only))
                        json_array_append_new(incoming, hb_incoming_json(in));
        struct dormant x = {d, only, incoming};
        hb_store_placements(d->store, add_dormant, &x);
        return json_pack("{s:s,s:s,s:f,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "host", d->settings->name, "version",
                         HB_VERSION, "uptime_s", (double)(hb_now_ns() - d->started_ns) / 1e9, "guests",
                         guests, "incoming", incoming, "handovers", hb_handovers_json(d, only), "policies",
                         hb_policy_registry_json(d), "duplicates", hb_duplicates_json(d), "hardware",
                         hb_hardware_json(d), "hosts", hb_hosts_json(d));
}
