/* incoming_rdma: the RDMA path of an incoming placement. The source dials; a connection that comes with the
 * session's next one-time token joins the fetcher's paths, and leaves them when it is lost. Pages are judged
 * by their stamps whichever way they came. Loop thread. */
#include "daemon/events.h"
#include "daemon/incoming_priv.h"
#include "rdma/rdma.h"
#include "transport/paths.h"
#include "transport/tls_token.h"
#include <errno.h>
#include <string.h>

#define TOKENS_AHEAD 32u /* connections of the source's that were lost on their way to us */

/* The number of the token, counted in the session; 0: none of its. */
static uint32_t number_of(const struct hb_incoming *in, const uint8_t token[HB_TOKEN_SIZE]) {
        uint32_t found = 0;
        for (uint32_t n = in->rdma.used + 1; n <= in->rdma.used + TOKENS_AHEAD; n++) {
                uint8_t own[HB_TOKEN_SIZE], diff = 0;
                if (hb_tls_token(in->token, n, own) < 0)
                        return 0;
                for (unsigned i = 0; i < HB_TOKEN_SIZE; i++) /* no early end, as for the session's own */
                        diff |= (uint8_t)(own[i] ^ token[i]);
                if (diff == 0)
                        found = n;
        }
        return found;
}

struct hb_incoming *hb_incoming_by_rdma_token(hb_daemon *d, const uint8_t token[HB_TOKEN_SIZE]) {
        for (struct hb_incoming *in = d->incoming; in; in = in->next) {
                uint32_t n = in->session ? number_of(in, token) : 0;
                if (n == 0)
                        continue;
                in->rdma.used = n; /* whoever saw it on the wire finds it spent */
                return in;
        }
        return NULL;
}

static void fold_in(struct hb_incoming *in) {
        struct hb_paths_stats st;
        hb_paths_stats(in->fetcher, &st);
        in->rdma.pages += st.path[HB_PATH_RDMA].pages;
}

static void drop(struct hb_incoming *in) {
        if (!in->fetcher || !hb_paths_rdma(in->fetcher))
                return;
        hb_paths_set_rdma(in->fetcher, NULL);
        in->rdma.link = (struct hb_rdma_link){0};
}

static int join(struct hb_incoming *in, struct hb_rdma_conn *c, struct hb_err *e) {
        const hb_settings *s = in->d->settings;
        struct hb_rdma_options o = {.device = s->rdma_device, .pinned_bytes = s->rdma_pinned_bytes};
        struct hb_rdma_image image = {.shape = &in->shape};
        for (unsigned i = 0; i < in->shape.nregions; i++)
                image.region_base[i] = hb_image_at(in->image, in->shape.regions[i].first_gfn);
        struct hb_fetcher_callbacks cb = hb_paths_callbacks(in->fetcher, HB_PATH_RDMA);
        hb_fetcher *t;
        hb_rdma_conn_link(c, &in->rdma.link);
        int r = hb_rdma_fetcher_new(&o, &image, c, &cb, &t, e);
        if (r == 0)
                hb_paths_set_rdma(in->fetcher, t);
        return r;
}

/* c NULL: none is wanted any more. Taken. */
void hb_incoming_rdma(struct hb_incoming *in, struct hb_rdma_conn *c) {
        struct hb_err e = {0};
        drop(in); /* the source dials again when it has lost the one we have */
        if (!c)
                return;
        if (!in->fetcher || strcmp(in->d->settings->rdma, "no") == 0) {
                hb_rdma_conn_free(c);
                return;
        }
        if (join(in, c, &e) < 0) {
                in->rdma.why = e;
                in->rdma.link = (struct hb_rdma_link){0};
                hb_daemon_event_err(in->d, HB_LOG_WARNING, HB_ON_NETWORK, in->guest, in->host,
                                    "an RDMA connection", &e);
                return;
        }
        in->rdma.why = (struct hb_err){0};
        hb_daemon_event(in->d, HB_LOG_NOTICE, HB_ON_NETWORK, in->guest, in->host, NULL,
                        "placement of %s from %s: pages can be read by RDMA (%s port %u, %s, MTU %u)",
                        in->guest, in->host, in->rdma.link.device, in->rdma.link.port,
                        in->rdma.link.transport, in->rdma.link.mtu);
        hb_incoming_step(in);
}

void hb_incoming_rdma_lost(struct hb_incoming *in) {
        hb_fetcher *t = in->fetcher ? hb_paths_rdma(in->fetcher) : NULL;
        struct hb_err why = {0};
        if (t)
                hb_rdma_fetcher_why(t, &why);
        if (!why.code)
                return; /* there is another one already */
        in->rdma.why = why;
        hb_daemon_event(in->d, HB_LOG_WARNING, HB_ON_NETWORK, in->guest, in->host, in->rdma.why.next,
                        "placement of %s from %s: the RDMA connection is lost (%s); pages come over TCP",
                        in->guest, in->host, in->rdma.why.what);
        drop(in);
}

/* The session ends, and with it the tokens that were spent. */
void hb_incoming_rdma_end(struct hb_incoming *in) {
        drop(in);
        fold_in(in);
        in->rdma.used = 0;
}

uint64_t hb_incoming_rdma_pages(const struct hb_incoming *in) {
        struct hb_paths_stats st = {0};
        if (in->fetcher)
                hb_paths_stats(in->fetcher, &st);
        return in->rdma.pages + st.path[HB_PATH_RDMA].pages;
}

static json_t *path_json(const struct hb_path_stats *p) {
        return json_pack("{s:b,s:I,s:I,s:I,s:f,s:f}", "up", p->up, "pages", (json_int_t)p->pages,
                         "wire_bytes", (json_int_t)p->wire_bytes, "failed_runs", (json_int_t)p->failed,
                         "bytes_per_s", p->bytes_per_s, "wire_bytes_per_page", p->wire_bytes_per_page);
}

json_t *hb_rdma_link_json(const struct hb_rdma_link *l) {
        return l->device[0] ? json_pack("{s:s,s:i,s:s,s:i,s:s,s:b}", "device", l->device, "port",
                                        (int)l->port, "gid", l->gid, "mtu", (int)l->mtu, "transport",
                                        l->transport, "on_demand", l->on_demand)
                            : json_null();
}

json_t *hb_incoming_paths_json(const struct hb_incoming *in) {
        struct hb_paths_stats st;
        if (!in->fetcher)
                return json_null();
        hb_paths_stats(in->fetcher, &st);
        bool lost = !hb_paths_rdma(in->fetcher) && in->rdma.why.code;
        return json_pack("{s:s,s:s,s:s,s:I,s:o,s:o,s:o,s:s}", "path", hb_path_name(st.bulk), "urgent",
                         hb_path_name(st.urgent), "why", st.why, "rdma_pages",
                         (json_int_t)hb_incoming_rdma_pages(in), "tcp", path_json(&st.path[HB_PATH_TCP]),
                         "rdma", path_json(&st.path[HB_PATH_RDMA]), "link", hb_rdma_link_json(&in->rdma.link),
                         "lost_because", lost ? in->rdma.why.what : "");
}
