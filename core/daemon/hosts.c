/* hosts: see hosts.h. One pass over placements and images, each finding its host by a search in the sorted
 * names; so 1000 hosts and 1000 guests are no more than some thousand steps. */
#include "daemon/hosts.h"
#include "base/fault.h"
#include "daemon/incoming.h"
#include "daemon/migrate.h"
#include "daemon/outgoing.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct link {
        const struct hb_host_settings *h;
        unsigned placements, incoming, sessions, lost, connections;
        double latency_s, bytes_per_s, used_share, compression; /* NAN: unknown */
        uint64_t wire_bytes;
        bool rdma, tcp;
        const char *path_why;
        struct hb_err why; /* of one that is lost */
};

static int by_name(const void *a, const void *b) {
        return strcmp(((const struct link *)a)->h->name, ((const struct link *)b)->h->name);
}

static int is_name(const void *name, const void *l) {
        return strcmp(name, ((const struct link *)l)->h->name);
}

static struct link *find(struct link *all, unsigned n, const char *name) {
        return bsearch(name, all, n, sizeof *all, is_name);
}

static double known(double v) {
        return v >= 0 ? v : NAN;
}

/* The fastest link tells most of what there is: others are held up by what they share it with. */
static void add_stats(struct link *l, const struct hb_link_stats *st, double latency_s) {
        double rate = st->bytes_per_s > 0 ? st->bytes_per_s : NAN;
        if (latency_s < 0 && st->pages > 0) /* a target does not ping: it knows what its fetches take */
                latency_s = st->latency_s;
        if (latency_s >= 0 && !(l->latency_s <= latency_s))
                l->latency_s = latency_s;
        l->connections += st->connections;
        if (!isfinite(rate) || l->bytes_per_s >= rate)
                return;
        l->bytes_per_s = rate;
        l->used_share = known(st->used_share);
        l->compression = known(st->compression);
}

static void add_placement(struct link *l, const struct hb_outgoing *p) {
        struct hb_session_stats ss = {.latency_s = -1};
        struct hb_link_stats st;
        l->placements++;
        l->wire_bytes += p->report.wire_bytes;
        if (!hb_outgoing_usable(p)) {
                l->lost++;
                if (!l->why.code)
                        l->why = p->last_error;
                if (!l->why.code)
                        hb_err_set(&l->why, -EINPROGRESS, p->host, NULL, "connecting");
                return;
        }
        bool rdma = hb_outgoing_rdma_up(p);
        l->sessions++;
        l->rdma |= rdma;
        l->tcp |= !rdma;
        l->path_why = hb_outgoing_rdma_why(p);
        hb_session_stats(p->session, &ss);
        hb_tcp_server_stats(p->server, &st);
        add_stats(l, &st, ss.latency_s);
}

static void add_image(struct link *l, const struct hb_incoming *in) {
        struct hb_session_stats ss = {.latency_s = -1};
        struct hb_incoming_path path;
        struct hb_engine_stats es;
        hb_engine_stats(in->engine, &es);
        l->incoming++;
        l->wire_bytes += es.wire_bytes;
        if (!in->session) {
                l->lost++;
                if (!l->why.code)
                        hb_err_set(&l->why, -ENOTCONN, in->guest, "harbinger status on that host",
                                   "it has not dialled again for its placement of %s", in->guest);
                return;
        }
        l->sessions++;
        hb_session_stats(in->session, &ss);
        if (hb_incoming_path(in, &path) < 0)
                return;
        l->rdma |= path.rdma;
        l->tcp |= !path.rdma;
        l->path_why = path.why;
        add_stats(l, &path.stats, ss.latency_s);
}

static void gather(const hb_daemon *d, struct link *all, unsigned n) {
        struct link *l;
        for (const struct hb_guest *g = d->guests; g; g = g->next)
                if (g->placement && (l = find(all, n, g->placement->host)))
                        add_placement(l, g->placement);
        for (const struct hb_incoming *in = d->incoming; in; in = in->next)
                if ((l = find(all, n, in->host)))
                        add_image(l, in);
}

static const char *state_of(const struct link *l) {
        return l->sessions ? "up" : l->lost ? "down" : "idle";
}

static void write_path(const struct link *l, struct hb_json_out *o) {
        if (l->rdma || l->tcp) {
                hb_json_str(o, "path", l->rdma ? "rdma" : "tcp");
                hb_json_str(o, "path_why", l->path_why);
        } else {
                hb_json_null(o, "path");
                hb_json_str(o, "path_why", "");
        }
}

static void write_link(const hb_daemon *d, const struct link *l, struct hb_json_out *o) {
        hb_json_open(o, NULL, '{');
        hb_json_str(o, "name", l->h->name);
        hb_json_str(o, "address", l->h->address);
        hb_json_str(o, "state", state_of(l));
        hb_json_str(o, "why", l->lost ? l->why.what : "");
        hb_json_str(o, "next", l->lost ? l->why.next : "");
        hb_json_pages(o, "placements", l->placements);
        hb_json_pages(o, "incoming", l->incoming);
        hb_json_real(o, "latency_ms", l->latency_s * 1e3);
        hb_json_real(o, "bytes_per_s", l->bytes_per_s);
        hb_json_real(o, "used_share", l->used_share);
        hb_json_pages(o, "cap_bytes_per_s", d->settings->cap_bytes_per_s);
        hb_json_real(o, "compression", l->compression);
        hb_json_pages(o, "connections", l->connections);
        write_path(l, o);
        hb_json_pages(o, "wire_bytes", l->wire_bytes);
        hb_json_close(o, '}');
}

static bool busy(const struct link *l) {
        return l->sessions || l->lost;
}

uint64_t hb_hosts_write(const hb_daemon *d, size_t room, struct hb_json_out *o) {
        const hb_settings *s = d->settings;
        struct link *all = hb_fault("hosts.write") ? NULL : calloc(s->nhosts + 1, sizeof *all);
        uint64_t left = 0;
        if (!all) {
                o->buf.failed = true;
                return 0;
        }
        for (unsigned i = 0; i < s->nhosts; i++)
                all[i] = (struct link){.h = &s->hosts[i],
                                       .latency_s = NAN,
                                       .bytes_per_s = NAN,
                                       .used_share = NAN,
                                       .compression = NAN};
        qsort(all, s->nhosts, sizeof *all, by_name);
        gather(d, all, s->nhosts);
        hb_json_open(o, "hosts", '[');
        for (int turn = 0; turn < 2; turn++)
                for (unsigned i = 0; i < s->nhosts; i++)
                        if (busy(&all[i]) != (turn == 0))
                                continue;
                        else if (o->buf.len < room)
                                write_link(d, &all[i], o);
                        else
                                left++;
        hb_json_close(o, ']');
        free(all);
        return left;
}

json_t *hb_hosts_json(const hb_daemon *d) {
        struct hb_json_out o = {0};
        json_t *j, *list;
        hb_json_open(&o, NULL, '{');
        hb_hosts_write(d, SIZE_MAX, &o);
        hb_json_close(&o, '}');
        j = o.buf.failed ? NULL : json_loadb((char *)o.buf.data, o.buf.len, 0, NULL);
        list = json_incref(json_object_get(j, "hosts"));
        json_decref(j);
        hb_buf_free(&o.buf);
        return list;
}
