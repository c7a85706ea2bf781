/* snapshot: see snapshot.h. What is long goes last in its list and is left out first: each list ends when the
 * text has its size, guests before images, and how many are missing is said.
 *
 * Cost: some microseconds a guest, one read of /proc/meminfo and /proc/self/statm; the store is asked for
 * images that nobody has dialled for once in a while only. */
#include "daemon/snapshot.h"
#include "base/clock.h"
#include "daemon/hosts.h"
#include "daemon/incoming.h"
#include "daemon/migrate.h"
#include "daemon/outgoing.h"
#include "daemon/policy_registry.h"
#include "daemon/recording.h"
#include "serve/watchers.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DORMANT_NS   (5 * HB_NS_PER_S)
#define HOSTS_ROOM   (512u << 10)
#define GUESTS_ROOM  (2u << 20)
#define DORMANT_MOST 256u

struct dormant { /* an image whose source has not dialled since our start */
        char id[33], guest[HB_NAME_MAX], host[HB_NAME_MAX];
};

struct hb_snapshot {
        hb_daemon *d;
        uint64_t cpu_ns, cpu_at_ns; /* of the process, at the last snapshot */
        struct dormant dormant[DORMANT_MOST];
        unsigned ndormant;
        uint64_t dormant_ns; /* when they were looked for */
};

int hb_snapshot_new(hb_daemon *d, hb_snapshot **ret) {
        hb_snapshot *s = calloc(1, sizeof *s);
        if (!s)
                return -ENOMEM;
        s->d = d;
        s->cpu_at_ns = d->started_ns;
        *ret = s;
        return 0;
}

hb_snapshot *hb_snapshot_free(hb_snapshot *s) {
        free(s);
        return NULL;
}

/* ---- the process and its host ---- */

static uint64_t process_cpu_ns(void) {
        struct rusage u;
        if (getrusage(RUSAGE_SELF, &u) < 0)
                return 0;
        return ((uint64_t)u.ru_utime.tv_sec + (uint64_t)u.ru_stime.tv_sec) * HB_NS_PER_S +
               ((uint64_t)u.ru_utime.tv_usec + (uint64_t)u.ru_stime.tv_usec) * 1000;
}

static double rss_bytes(void) {
        unsigned long long size, resident = 0;
        FILE *f = fopen("/proc/self/statm", "re");
        if (!f)
                return -1;
        int n = fscanf(f, "%llu %llu", &size, &resident);
        fclose(f);
        return n == 2 ? (double)resident * (double)sysconf(_SC_PAGESIZE) : -1;
}

static void write_process(struct hb_snapshot *s, uint64_t now, struct hb_json_out *o) {
        uint64_t cpu = process_cpu_ns();
        double rss = rss_bytes();
        hb_json_open(o, "process", '{');
        hb_json_real(o, "cpu_share",
                     now > s->cpu_at_ns ? (double)(cpu - s->cpu_ns) / (double)(now - s->cpu_at_ns) : 0);
        if (rss >= 0)
                hb_json_pages(o, "rss_bytes", (uint64_t)rss);
        else
                hb_json_null(o, "rss_bytes");
        hb_json_close(o, '}');
        s->cpu_ns = cpu;
        s->cpu_at_ns = now;
}

static void write_kib(struct hb_json_out *o, const char *key, const char *text, const char *word) {
        const char *at = strstr(text, word);
        unsigned long long kib;
        if (at && sscanf(at + strlen(word), "%llu", &kib) == 1)
                hb_json_pages(o, key, kib * 1024);
        else
                hb_json_null(o, key);
}

static void write_memory(struct hb_json_out *o) {
        char text[4096] = "";
        FILE *f = fopen("/proc/meminfo", "re");
        if (f) {
                text[fread(text, 1, sizeof text - 1, f)] = '\0';
                fclose(f);
        }
        hb_json_open(o, "memory", '{');
        write_kib(o, "total_bytes", text, "MemTotal:");
        write_kib(o, "available_bytes", text, "MemAvailable:");
        hb_json_close(o, '}');
}

/* ---- guests ---- */

static void write_recording(struct hb_recording *c, struct hb_json_out *o) {
        struct hb_recording_brief b;
        if (!c) {
                hb_json_null(o, "recording");
                return;
        }
        hb_recording_brief(c, &b);
        hb_json_open(o, "recording", '{');
        hb_json_str(o, "state", b.state);
        hb_json_real(o, "seconds", b.seconds);
        hb_json_pages(o, "bytes", b.bytes);
        hb_json_close(o, '}');
}

static void write_handover(const struct hb_handover *h, struct hb_json_out *o) {
        if (!h) {
                hb_json_null(o, "handover");
                return;
        }
        hb_json_open(o, "handover", '{');
        hb_json_str(o, "state", hb_ho_state_name(h->state));
        hb_json_str(o, "role", h->role == HB_ROLE_SOURCE ? "source" : "target");
        hb_json_str(o, "peer", h->peer);
        hb_json_str(o, "state_text", hb_ho_state_text(h->state));
        hb_json_close(o, '}');
}

static void write_tracked(const struct hb_guest *g, struct hb_json_out *o) {
        hb_json_str(o, "state", g->gone ? "gone" : hb_guest_state_name(g->info.state));
        hb_json_str(o, "vmm", g->info.vmm_version);
        hb_json_str(o, "tracker", g->caps->name);
        hb_json_pages(o, "ram_bytes", g->target->shape.pages * HB_PAGE_SIZE);
        hb_json_pages(o, "resident_bytes", hb_page_map_resident_pages(g->map) * HB_PAGE_SIZE);
        hb_json_pages(o, "epoch", hb_page_map_epoch(g->map));
        hb_json_pages(o, "epoch_ms", g->epoch_ms);
        hb_json_real(o, "dirty_bytes_per_s", hb_page_map_dirty_pages_per_s(g->map) * HB_PAGE_SIZE);
        hb_json_real(o, "scan_ms", g->scan_ms);
        hb_json_real(o, "guest_cost_share", g->guest_cost_share);
        hb_json_bool(o, "can_move", g->info.can_move);
        hb_json_str(o, "cannot_move", g->info.cannot_move);
        write_recording(g->recording, o);
        write_handover(g->handover, o);
        if (g->placement)
                hb_outgoing_write(g->placement, "placement", o);
        else
                hb_json_null(o, "placement");
}

static void write_guest(const struct hb_guest *g, struct hb_json_out *o) {
        hb_json_open(o, NULL, '{');
        hb_json_str(o, "name", g->name);
        hb_json_str(o, "kind", g->kind);
        if (g->caps)
                write_tracked(g, o);
        else
                hb_json_str(o, "state", "attaching");
        hb_json_close(o, '}');
}

static uint64_t write_guests(const hb_daemon *d, struct hb_json_out *o) {
        uint64_t left = 0;
        hb_json_open(o, "guests", '[');
        for (const struct hb_guest *g = d->guests; g; g = g->next)
                if (o->buf.len < GUESTS_ROOM)
                        write_guest(g, o);
                else
                        left++;
        hb_json_close(o, ']');
        return left;
}

/* ---- images ---- */

static int look_at_image(void *arg, const struct hb_store_placement *p) {
        struct hb_snapshot *s = arg;
        if (!p->incoming || s->ndormant == DORMANT_MOST || hb_incoming_find(s->d, p->guest))
                return 0;
        struct dormant *x = &s->dormant[s->ndormant++];
        hb_id_hex(p->id, x->id);
        snprintf(x->guest, sizeof x->guest, "%s", p->guest);
        snprintf(x->host, sizeof x->host, "%s", p->host);
        return 0;
}

static void find_dormant(struct hb_snapshot *s, uint64_t now) {
        if (s->dormant_ns && now - s->dormant_ns < DORMANT_NS)
                return;
        s->dormant_ns = now;
        s->ndormant = 0;
        hb_store_placements(s->d->store, look_at_image, s);
}

static void write_dormant(const struct dormant *x, struct hb_json_out *o) {
        hb_json_open(o, NULL, '{');
        hb_json_str(o, "id", x->id);
        hb_json_str(o, "guest", x->guest);
        hb_json_str(o, "from", x->host);
        hb_json_str(o, "state", "lost");
        hb_json_close(o, '}');
}

static uint64_t write_images(struct hb_snapshot *s, uint64_t now, struct hb_json_out *o) {
        uint64_t left = 0;
        find_dormant(s, now);
        hb_json_open(o, "incoming", '[');
        for (const struct hb_incoming *in = s->d->incoming; in; in = in->next)
                if (o->buf.len < HB_WATCH_ROOM)
                        hb_incoming_write(in, o);
                else
                        left++;
        for (unsigned i = 0; i < s->ndormant; i++)
                if (hb_incoming_find(s->d, s->dormant[i].guest) || hb_guest_find(s->d, s->dormant[i].guest))
                        continue; /* it has come meanwhile, or even arrived */
                else if (o->buf.len < HB_WATCH_ROOM)
                        write_dormant(&s->dormant[i], o);
                else
                        left++;
        hb_json_close(o, ']');
        return left;
}

/* ---- all of it ---- */

static void write_left_out(uint64_t hosts, uint64_t guests, uint64_t images, struct hb_json_out *o) {
        if (!hosts && !guests && !images) {
                hb_json_null(o, "left_out");
                return;
        }
        hb_json_open(o, "left_out", '{');
        hb_json_pages(o, "hosts", hosts);
        hb_json_pages(o, "guests", guests);
        hb_json_pages(o, "incoming", images);
        hb_json_close(o, '}');
}

static json_t *recordings(hb_daemon *d) {
        json_t *all = hb_recordings_json(d, NULL), *list = json_incref(json_object_get(all, "recordings"));
        json_decref(all);
        return list;
}

void hb_snapshot_write(void *arg, uint64_t now_ns, struct hb_json_out *o) {
        struct hb_snapshot *s = arg;
        hb_daemon *d = s->d;
        hb_json_str(o, "host", d->settings->name);
        hb_json_str(o, "version", HB_VERSION);
        hb_json_real(o, "uptime_s", (double)(now_ns - d->started_ns) / 1e9);
        write_process(s, now_ns, o);
        write_memory(o);
        hb_json_tree(o, "policies", hb_policy_registry_json(d));
        hb_json_tree(o, "recordings", recordings(d));
        hb_json_tree(o, "handovers", hb_handovers_json(d, NULL));
        hb_json_null(o, "replay");
        uint64_t hosts = hb_hosts_write(d, o->buf.len + HOSTS_ROOM, o);
        uint64_t guests = write_guests(d, o);
        uint64_t images = write_images(s, now_ns, o);
        write_left_out(hosts, guests, images, o);
}
