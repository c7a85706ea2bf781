/* anonymize: a trace that tells how a guest used its memory, and not whose it was.
 *
 * What goes is decided by a list of what may stay: a stream or mark that is not named here is left out. The
 * order of pages inside 2 MiB stays, for without it nothing could be learned of neighbours.
 * Memory: 4 bytes a block, a bit a page for traces that tell of resident pages, one epoch's accesses. */
#include "look/permute.h"
#include "look/pipe.h"
#include "look/runs.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct piece { /* accesses that keep their order */
        size_t from, count;
        uint64_t gfn, to; /* the first one's page, before and after */
};

struct anonymize {
        struct hb_look_pipe p;
        struct hb_shape shape; /* as it was */
        struct hb_permute permute;
        struct hb_bitmap from, to; /* of one resident event */
        struct hb_trace_access *a; /* of one epoch */
        struct piece *pieces;
        size_t cap;
};

static void nameless(struct hb_trace_header *h) {
        snprintf(h->guest, sizeof(h->guest), "guest");
        snprintf(h->host, sizeof(h->host), "host");
        memset(h->note, 0, sizeof(h->note));
        memset(h->salt, 0, sizeof(h->salt));
        h->begins_unix_ns = 0;
        h->flags |= HB_TRACE_ANONYMIZED;
        for (uint32_t i = 0; i < h->shape.nregions; i++)
                snprintf(h->shape.regions[i].name, sizeof(h->shape.regions[i].name), "region%u", i);
}

/* ---- epochs ---- */
static int by_place(const void *a, const void *b) {
        const struct piece *x = a, *y = b;

        return x->to < y->to ? -1 : x->to > y->to;
}

/* Room for so many accesses and as many pieces. */
static bool make_room(struct anonymize *n, size_t count) {
        struct hb_trace_access *a;
        struct piece *p;

        if (count <= n->cap)
                return true;
        a = realloc(n->a, count * sizeof(*a));
        if (!a)
                return false;
        n->a = a;
        p = realloc(n->pieces, count * sizeof(*p));
        if (!p)
                return false;
        n->pieces = p;
        n->cap = count;
        return true;
}

/* Accesses whose pages stay together are a piece; pieces are put in their new order. */
static size_t cut_up(struct anonymize *n, const struct hb_trace_access *a, size_t count) {
        size_t pieces = 0;

        for (size_t i = 0; i < count;) {
                uint64_t gfn = a[i].gfn, end = gfn + hb_permute_together(&n->permute, gfn);
                struct piece *p = &n->pieces[pieces++];

                *p = (struct piece){.from = i, .gfn = gfn, .to = hb_permute_page(&n->permute, gfn)};
                while (i < count && a[i].gfn < end)
                        i++;
                p->count = i - p->from;
        }
        if (pieces)
                qsort(n->pieces, pieces, sizeof(*n->pieces), by_place);
        return pieces;
}

static int take_epoch(struct anonymize *n, const struct hb_trace_item *i, struct hb_err *e) {
        size_t pieces, at = 0;

        if (!make_room(n, i->naccess))
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for an epoch's accesses");
        pieces = cut_up(n, i->access, i->naccess);
        for (size_t k = 0; k < pieces; k++) {
                const struct piece *p = &n->pieces[k];

                for (size_t j = p->from; j < p->from + p->count; j++) {
                        n->a[at] = i->access[j];
                        n->a[at++].gfn = (uint32_t)(i->access[j].gfn - p->gfn + p->to);
                }
        }
        return hb_look_pipe_epoch(&n->p, i->epoch, i->time_ns, n->a, at, e);
}

/* ---- events ---- */

/* A run may span blocks that part ways: one event a block. */
static int take_decision(struct anonymize *n, struct hb_trace_event ev, struct hb_err *e) {
        uint64_t gfn = ev.decision.gfn, left = ev.decision.pages;
        int r = 0;

        while (left > 0 && r == 0) {
                uint64_t k = hb_permute_together(&n->permute, gfn);

                k = k < left ? k : left;
                ev.decision.gfn = hb_permute_page(&n->permute, gfn);
                ev.decision.pages = (uint32_t)k;
                r = hb_look_pipe_event(&n->p, &ev, e);
                gfn += k;
                left -= k;
        }
        return r;
}

/* The bytes go with the pages; what does not divide goes with the last. */
static int take_transfer(struct anonymize *n, struct hb_trace_event ev, struct hb_err *e) {
        uint64_t gfn = ev.transfer.gfn, left = ev.transfer.pages, bytes = ev.transfer.wire_bytes;
        uint64_t each = left ? bytes / left : 0;
        int r = 0;

        while (left > 0 && r == 0) {
                uint64_t k = hb_permute_together(&n->permute, gfn);

                k = k < left ? k : left;
                ev.transfer.gfn = hb_permute_page(&n->permute, gfn);
                ev.transfer.pages = (uint32_t)k;
                ev.transfer.wire_bytes = k == left ? bytes : each * k;
                r = hb_look_pipe_event(&n->p, &ev, e);
                bytes -= ev.transfer.wire_bytes;
                gfn += k;
                left -= k;
        }
        return r;
}

static int take_resident(struct anonymize *n, struct hb_trace_event ev, struct hb_err *e) {
        struct hb_buf runs = {0};
        uint64_t first, count, at = 0;
        int r;

        hb_bitmap_clear_all(&n->from);
        hb_bitmap_clear_all(&n->to);
        if (hb_look_runs_read(ev.raw.data, ev.raw.size, &n->from) < 0)
                return hb_err_set(e, -EBADMSG, NULL, "harbinger trace repair makes a copy without it",
                                  "an event tells of pages that are none");
        while (hb_bitmap_next_run(&n->from, at, HB_PERMUTE_BLOCK, &first, &count)) {
                uint64_t k = hb_permute_together(&n->permute, first);

                k = k < count ? k : count;
                hb_bitmap_set_range(&n->to, hb_permute_page(&n->permute, first), k);
                at = first + k;
        }
        hb_look_runs_write(&n->to, &runs);
        ev.raw.data = runs.data;
        ev.raw.size = runs.len;
        r = runs.failed ? hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for the resident pages")
                        : hb_look_pipe_event(&n->p, &ev, e);
        hb_buf_free(&runs);
        return r;
}

static int left_out(struct anonymize *n) {
        n->p.r.left_out++;
        return 0;
}

static int take_mark(struct anonymize *n, struct hb_trace_event ev, struct hb_err *e) {
        switch (ev.mark.kind) {
        case HB_MARK_POLICY: /* its text names a policy */
                break;
        case HB_MARK_NOTE:
        case HB_MARK_DROPPED:
        case HB_MARK_MIGRATE:
        case HB_MARK_FREEZE:
        case HB_MARK_COMPLETE:
        case HB_MARK_THAW:
        case HB_MARK_POLICY_ERROR:
        case HB_MARK_REPAIRED:
                memset(ev.mark.text, 0, sizeof(ev.mark.text));
                break;
        default: /* the engine's inputs are gone, and with them what is said of them */
                return left_out(n);
        }
        return hb_look_pipe_event(&n->p, &ev, e);
}

static bool inside(const struct anonymize *n, uint64_t gfn, uint32_t pages) {
        return gfn < n->shape.pages && pages <= n->shape.pages - gfn;
}

static int take_event(struct anonymize *n, const struct hb_trace_event *ev, struct hb_err *e) {
        switch (ev->stream) {
        case HB_TRACE_NETWORK:
        case HB_TRACE_SUMMARY:
        case HB_TRACE_OUTCOME:
                return hb_look_pipe_event(&n->p, ev, e);
        case HB_TRACE_DECISION:
                return inside(n, ev->decision.gfn, ev->decision.pages) ? take_decision(n, *ev, e)
                                                                       : left_out(n);
        case HB_TRACE_TRANSFER:
                return inside(n, ev->transfer.gfn, ev->transfer.pages) ? take_transfer(n, *ev, e)
                                                                       : left_out(n);
        case HB_TRACE_MARK:
                return take_mark(n, *ev, e);
        case HB_TRACE_RESIDENT:
                return take_resident(n, *ev, e);
        default:
                return left_out(n);
        }
}

static int run(struct anonymize *n, hb_trace_reader *in, struct hb_err *e) {
        struct hb_trace_item item;
        int r;

        while ((r = hb_trace_reader_next(in, &item, e)) > 0) {
                r = item.kind == HB_TRACE_EPOCH ? take_epoch(n, &item, e) : take_event(n, &item.event, e);
                if (r == 0)
                        r = hb_look_pipe_tick(&n->p, in, e);
                if (r < 0)
                        return r;
        }
        return r;
}

static int prepare(struct anonymize *n, const hb_trace_reader *in, const struct hb_look_key *key,
                   struct hb_err *e) {
        struct hb_trace_header h = *hb_trace_reader_header(in);
        struct hb_trace_info info;
        int r;

        hb_trace_reader_info(in, &info);
        n->shape = h.shape;
        r = hb_permute_init(&n->permute, &n->shape, key);
        if (r == 0 && info.events[HB_TRACE_RESIDENT])
                r = hb_bitmap_init(&n->from, h.shape.pages) < 0 ? -ENOMEM
                                                                : hb_bitmap_init(&n->to, h.shape.pages);
        if (r < 0)
                return hb_err_set(e, r, NULL, NULL, "no memory to exchange pages");
        nameless(&h);
        return hb_look_pipe_begin(&n->p, &h, e);
}

int hb_look_anonymize(const char *in, const struct hb_look_key *key, const struct hb_look_output *o,
                      struct hb_look_result *ret, struct hb_err *e) {
        struct anonymize n = {0};
        hb_trace_reader *reader = NULL;
        int r;

        hb_look_pipe_init(&n.p, o);
        r = hb_look_pipe_open(&n.p, in, &reader, e);
        if (r == 0)
                r = prepare(&n, reader, key, e);
        if (r == 0)
                r = run(&n, reader, e);
        r = hb_look_pipe_end(&n.p, r, ret, e);
        hb_permute_fini(&n.permute);
        hb_bitmap_fini(&n.from);
        hb_bitmap_fini(&n.to);
        free(n.a);
        free(n.pieces);
        hb_trace_reader_free(reader);
        return r;
}
