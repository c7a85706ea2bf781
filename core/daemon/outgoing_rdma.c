/* outgoing_rdma: see the header.
 *
 * Invariant: `serving` is in the guest's gate from before its server is dialled until before it is freed, so
 * no scan falls between: one that comes while the server is not there yet is remembered as missed, and the
 * next one then tells it of every page. The epoch word lags behind meanwhile, which costs second fetches
 * only. Loop thread, but for the dial (a job) and the two functions that say so. */
#include "daemon/outgoing_rdma.h"
#include "base/clock.h"
#include "base/fault.h"
#include "daemon/events.h"
#include "daemon/incoming.h"
#include "daemon/outgoing.h"
#include "rdma/rdma.h"
#include "transport/tls_token.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIAL_MS     3000
#define RETURN_MS   1000 /* 8 MiB of READs on their way take that long on a link of 64 Mbit/s */
#define BACKOFF_NS  HB_NS_PER_S
#define BACKOFF_MAX (30 * HB_NS_PER_S)
#define SMALL_BYTES (16ull << 20) /* of less than four windows of the usual size, smaller ones are made */
#define PROVEN_NS   (10 * HB_NS_PER_S) /* a connection that stood so long was a good one */

struct hb_rdma_serving {
        struct hb_mail mail; /* first: it ended */
        hb_mailbox *mailbox;
        struct hb_outgoing *p; /* NULL: free it with the mail. Loop thread */
        struct hb_rdma_gate *gate;
        struct hb_page_source source;
        /* gate lock: */
        hb_rdma_server *server;
        uint32_t epoch;    /* what the target may stamp by; read by the device, too */
        bool missed, told; /* scans */
        /* Of its own: the server's thread must not wait for a scan that waits for it. */
        pthread_mutex_t end_lock;
        bool ended, posted;
        struct hb_err why;
        /* the dial's: */
        char address[192], device[HB_RDMA_NAME_MAX];
        uint64_t pinned_bytes;
        uint8_t token[HB_TOKEN_SIZE];
};

struct hb_outgoing_rdma {
        hb_jobs *jobs;
        struct hb_rdma_serving *serving;
        bool dialling, up;
        uint32_t token; /* number of the next one, in this session */
        uint64_t next_ns, since_ns, backoff_ns;
        struct hb_rdma_link link;
        struct hb_err why; /* it is not up */
};

/* ---- the gate ---- */

void hb_rdma_gate_init(struct hb_rdma_gate *gate) {
        pthread_mutex_init(&gate->lock, NULL);
}

void hb_rdma_gate_fini(struct hb_rdma_gate *gate) {
        pthread_mutex_destroy(&gate->lock);
}

/* The server has not heard of every scan since it began to lend: whatever it lends may have changed. */
static bool tell_everything(struct hb_rdma_serving *s, uint64_t pages) {
        struct hb_bitmap every;
        if (hb_bitmap_init(&every, pages) < 0)
                return false;
        hb_bitmap_set_all(&every);
        int r = hb_rdma_server_scanned(s->server, &every);
        hb_bitmap_fini(&every);
        return r >= 0;
}

void hb_rdma_gate_scanned(struct hb_rdma_gate *gate, const struct hb_bitmap *written) {
        pthread_mutex_lock(&gate->lock);
        struct hb_rdma_serving *s = gate->serving;
        if (s) {
                s->told = s->server && (s->missed ? tell_everything(s, written->bits)
                                                  : hb_rdma_server_scanned(s->server, written) >= 0);
                s->missed = !s->told;
        }
        pthread_mutex_unlock(&gate->lock);
}

void hb_rdma_gate_completed(struct hb_rdma_gate *gate, uint32_t epoch) {
        pthread_mutex_lock(&gate->lock);
        struct hb_rdma_serving *s = gate->serving;
        if (s && s->told)
                __atomic_store_n(&s->epoch, epoch, __ATOMIC_RELEASE);
        pthread_mutex_unlock(&gate->lock);
}

/* ---- one connection ---- */

static void serving_free(struct hb_rdma_serving *s) {
        pthread_mutex_destroy(&s->end_lock);
        free(s);
}

static struct hb_rdma_serving *serving_new(struct hb_outgoing *p) {
        struct hb_rdma_serving *s = calloc(1, sizeof *s);
        if (!s)
                return NULL;
        pthread_mutex_init(&s->end_lock, NULL);
        s->mailbox = p->d->mailbox;
        s->p = p;
        s->gate = &p->g->rdma;
        s->epoch = p->g->completed_epoch;
        s->source = p->source;
        s->source.completed_epoch = &s->epoch;
        s->missed = p->g->scanning; /* it may end after this and be completed, without our having been told */
        return s;
}

static void hang_up(struct hb_outgoing_rdma *r) {
        struct hb_rdma_serving *s = r->serving;
        if (!s || r->dialling) /* the dial's end will find that it is not wanted */
                return;
        r->serving = NULL;
        r->up = false;
        r->link = (struct hb_rdma_link){0};
        pthread_mutex_lock(&s->gate->lock);
        s->gate->serving = NULL;
        pthread_mutex_unlock(&s->gate->lock);
        s->server = hb_rdma_server_free(s->server);
        pthread_mutex_lock(&s->end_lock);
        bool posted = s->posted;
        pthread_mutex_unlock(&s->end_lock);
        s->p = NULL;
        if (!posted)
                serving_free(s);
}

static void try_later(struct hb_outgoing_rdma *r) {
        r->backoff_ns = r->backoff_ns == 0                ? BACKOFF_NS
                        : r->backoff_ns * 2 > BACKOFF_MAX ? BACKOFF_MAX
                                                          : r->backoff_ns * 2;
        r->next_ns = hb_now_ns() + r->backoff_ns;
}

/* The server has said that it is over; it may do so before the dial's answer is here. */
static void lost(struct hb_outgoing *p) {
        struct hb_outgoing_rdma *r = p->rdma;
        struct hb_err why = r->serving->why;
        if (hb_now_ns() - r->since_ns > PROVEN_NS)
                r->backoff_ns = 0;
        hang_up(r);
        r->why = why;
        try_later(r);
        hb_daemon_event(p->d, HB_LOG_WARNING, HB_ON_NETWORK, p->g->name, p->host, why.next,
                        "placement of %s on %s: the RDMA connection is lost (%s); pages go over TCP",
                        p->g->name, p->host, why.what);
}

static void on_ended_mail(struct hb_mail *m) {
        struct hb_rdma_serving *s = (struct hb_rdma_serving *)m;
        struct hb_outgoing *p = s->p;
        if (!p) {
                serving_free(s);
                return;
        }
        pthread_mutex_lock(&s->end_lock);
        s->posted = false;
        pthread_mutex_unlock(&s->end_lock);
        if (p->rdma->serving == s && !p->rdma->dialling)
                lost(p);
}

/* On the server's thread. */
static void on_ended(void *arg, const struct hb_err *why) {
        struct hb_rdma_serving *s = arg;
        pthread_mutex_lock(&s->end_lock);
        s->ended = s->posted = true;
        s->why = *why;
        pthread_mutex_unlock(&s->end_lock);
        hb_mailbox_post(s->mailbox, &s->mail, on_ended_mail);
}

/* ---- dialling ---- */

static int dial_work(void *arg) {
        struct hb_rdma_serving *s = arg;
        struct hb_rdma_options o = {.device = s->device,
                                    .pinned_bytes = s->pinned_bytes,
                                    .return_ms = RETURN_MS,
                                    .window_pages = s->pinned_bytes < SMALL_BYTES ? 256 : 0};
        hb_rdma_server *server = NULL;
        if (hb_fault("outgoing_rdma.dial"))
                return hb_err_set(&s->why, -EIO, s->address, NULL, "not dialled");
        struct hb_err e = {0};
        int r = hb_rdma_server_dial(s->address, &o, s->token, &s->source, on_ended, s, DIAL_MS, &server, &e);
        if (r < 0)
                s->why = e;
        pthread_mutex_lock(&s->gate->lock);
        s->server = server;
        pthread_mutex_unlock(&s->gate->lock);
        return r;
}

static void dialled(struct hb_outgoing *p) {
        struct hb_outgoing_rdma *r = p->rdma;
        r->up = true;
        r->token++;
        r->since_ns = hb_now_ns();
        r->why = (struct hb_err){0};
        hb_rdma_server_link(r->serving->server, &r->link);
        hb_daemon_event(p->d, HB_LOG_NOTICE, HB_ON_NETWORK, p->g->name, p->host, NULL,
                        "placement of %s on %s: it may read pages by RDMA (%s port %u, %s, MTU %u)",
                        p->g->name, p->host, r->link.device, r->link.port, r->link.transport, r->link.mtu);
        pthread_mutex_lock(&r->serving->end_lock);
        bool over = r->serving->ended && !r->serving->posted; /* said and heard while we dialled */
        pthread_mutex_unlock(&r->serving->end_lock);
        if (over)
                lost(p);
}

static void dial_failed(struct hb_outgoing *p, int rc) {
        struct hb_outgoing_rdma *r = p->rdma;
        if (rc == -EACCES || rc == -EREMOTEIO)
                r->token++; /* refused: it is spent, perhaps by a dial whose answer we did not wait for */
        if (strcmp(r->why.what, r->serving->why.what) != 0)
                hb_daemon_event_err(p->d,
                                    strcmp(p->d->settings->rdma, "yes") == 0 ? HB_LOG_WARNING : HB_LOG_INFO,
                                    HB_ON_NETWORK, p->g->name, p->host, "dialling by RDMA; pages go over TCP",
                                    &r->serving->why);
        struct hb_err why = r->serving->why;
        hang_up(r);
        r->why = why;
        try_later(r);
}

static void dial_done(void *owner, void *arg, int rc) {
        struct hb_outgoing *p = owner;
        struct hb_outgoing_rdma *r = p->rdma;
        r->dialling = false;
        if (rc < 0)
                dial_failed(p, rc);
        else
                dialled(p);
        hb_outgoing_rdma_check(p); /* it may not be wanted any more */
}

static const struct hb_job_ops dial_job = {dial_work, dial_done, NULL};

/* Its RDMA address, or the one it has for everything, with the port it listens on. */
static void address_of(const struct hb_outgoing *p, char *ret, size_t size) {
        const struct hb_host_settings *h = hb_settings_host(p->d->settings, p->host);
        const char *own = h && h->rdma_address[0] ? h->rdma_address : h ? h->address : "";
        const char *colon = strrchr(own, ':');
        bool bare6 = own[0] != '[' && colon && strchr(own, ':') != colon;
        size_t n =
                colon && !bare6 && !(own[0] == '[' && colon[-1] != ']') ? (size_t)(colon - own) : strlen(own);
        snprintf(ret, size, "%s%.*s%s:%u", bare6 ? "[" : "", (int)n, own, bare6 ? "]" : "",
                 p->placed.rdma_port);
}

static void dial(struct hb_outgoing *p) {
        struct hb_outgoing_rdma *r = p->rdma;
        struct hb_rdma_serving *s = serving_new(p);
        if (!s || hb_tls_token(p->placed.token, r->token, s->token) < 0) {
                if (s)
                        serving_free(s);
                try_later(r);
                return;
        }
        address_of(p, s->address, sizeof s->address);
        snprintf(s->device, sizeof s->device, "%s", p->d->settings->rdma_device);
        s->pinned_bytes = p->d->settings->rdma_pinned_bytes;
        pthread_mutex_lock(&s->gate->lock);
        s->gate->serving = s;
        pthread_mutex_unlock(&s->gate->lock);
        r->serving = s;
        r->dialling = true;
        if (hb_jobs_run(r->jobs, &dial_job, s) < 0) {
                r->dialling = false;
                hang_up(r);
                try_later(r);
        }
}

/* ---- whether ---- */

/* NULL: nothing speaks against it. */
static const char *objection(const struct hb_outgoing *p) {
        if (p->state != HB_OUT_OPEN || !p->session)
                return "there is no session";
        if (strcmp(p->d->settings->rdma, "no") == 0)
                return "rdma = no";
        if (p->placed.rdma_port == 0)
                return "the target takes no RDMA connections";
        if (!p->g->caps || !p->g->caps->exact_writes)
                return "the tracker in use cannot say exactly what was written";
        if (p->d->settings->cap_bytes_per_s)
                return "a cap is set, and only TCP's sender holds it";
        return NULL;
}

void hb_outgoing_rdma_check(struct hb_outgoing *p) {
        struct hb_outgoing_rdma *r = p->rdma;
        if (r->dialling)
                return;
        if (objection(p)) {
                hang_up(r);
                return;
        }
        /* Not in a hand-over: whoever ends it would wait for the dial. */
        if (!r->serving && !p->g->handover && hb_now_ns() >= r->next_ns)
                dial(p);
}

void hb_outgoing_rdma_stop(struct hb_outgoing *p) {
        struct hb_outgoing_rdma *r = p->rdma;
        hang_up(r);
        r->token = 1;
        r->next_ns = r->backoff_ns = 0;
        r->why = (struct hb_err){0};
}

/* ---- life ---- */

int hb_outgoing_rdma_new(struct hb_outgoing *p) {
        struct hb_outgoing_rdma *r = calloc(1, sizeof *r);
        if (!r)
                return -ENOMEM;
        r->token = 1;
        p->rdma = r;
        return hb_jobs_new(p->d->mailbox, "rdma-dial", p, &r->jobs);
}

void hb_outgoing_rdma_free(struct hb_outgoing *p) {
        struct hb_outgoing_rdma *r = p->rdma;
        if (!r)
                return;
        r->jobs = hb_jobs_free(r->jobs);
        r->dialling = false;
        hang_up(r);
        free(r);
        p->rdma = NULL;
}

bool hb_outgoing_rdma_up(const struct hb_outgoing *p) {
        return p->rdma->up;
}

static json_t *lent_json(hb_rdma_server *server) {
        struct hb_rdma_server_stats st;
        hb_rdma_server_details(server, &st);
        return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "windows", (json_int_t)st.windows, "pinned_bytes",
                         (json_int_t)st.pinned_bytes, "granted", (json_int_t)st.granted, "denied",
                         (json_int_t)st.denied, "frames_lost", (json_int_t)st.frames_lost, "forced",
                         (json_int_t)st.forced);
}

const char *hb_outgoing_rdma_why(const struct hb_outgoing *p) {
        const struct hb_outgoing_rdma *r = p->rdma;
        const char *no = objection(p);
        return no ? no : r->up ? "" : r->dialling ? "dialling" : r->why.what;
}

json_t *hb_outgoing_rdma_json(const struct hb_outgoing *p) {
        const struct hb_outgoing_rdma *r = p->rdma;
        const char *no = objection(p);
        return json_pack("{s:b,s:s,s:s,s:I,s:o,s:o}", "up", r->up, "why", hb_outgoing_rdma_why(p), "next",
                         no || r->up ? "" : r->why.next, "pages", (json_int_t)p->report.rdma_pages, "link",
                         hb_rdma_link_json(&r->link), "lent",
                         r->up ? lent_json(r->serving->server) : json_null());
}
