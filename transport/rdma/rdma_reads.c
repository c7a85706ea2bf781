/* rdma_reads: READs from plan to done().
 *
 * Why a stamp holds: fetches are stamped with a value of the epoch word that had arrived (its completion was
 * polled) before a READ of their pages is posted, never by one in the same doorbell: a device may serve two
 * READs' memory accesses in any order. The source stores completed_epoch = s after all writes of epochs up to
 * s can be seen in memory and after windows with lost frames are gone (hb_rdma_server_scanned). So a READ
 * posted after s arrived reads, through a window still registered, memory that is at least as new as s. That
 * is what transport.h promises of a stamp; what is newer costs a fetch at most. The word's READ is posted
 * after the fetch was accepted, so that a page fetched because it changed is not stamped as before the
 * change.
 *
 * Why dst is safe: of short READs only the pinned ring is a target of the device; long ones register exactly
 * their dst, for as long as they are on their way, in which time the pages belong to us (transport.h) and
 * nobody can have punched them. So no registration outlives the pages it was made of. The copy of a short
 * READ costs less than a registration. On the fetcher's thread. */
#include "base/clock.h"
#include "base/fault.h"
#include "rdma/rdma_fetcher.h"
#include <errno.h>

#define LOOK_AHEAD 16u
#define STAMP_MANY 32u /* fetches of bulk that are worth a stamp of their own */

static void over(hb_rdma_fetcher *t, int code, const char *what) {
        struct hb_err e;

        hb_err_set(&e, code, NULL, NULL, "%s", what);
        hb_rdma_fetcher_end(t, &e);
}

/* ---- the epoch word ---- */

/* Bulk waits until there are some, or the pipe is half empty: then one stamp serves many. */
static bool word_due(const hb_rdma_fetcher *t) {
        unsigned reads = 0, pages = 0;

        if (t->fresh_urgent.n > 0)
                return true;
        for (unsigned i = 1; i < t->nq; i++) {
                reads += t->q[i].n;
                pages += t->q[i].pages;
        }
        return t->fresh_bulk.n > 0 && t->ready_bulk.n < HB_RDMA_BATCH &&
               (t->fresh_bulk.n >= STAMP_MANY ||
                (reads <= (t->nq - 1) * HB_RDMA_DEPTH / 2 && pages <= (t->nq - 1) * HB_RDMA_BULK_PAGES / 2));
}

void hb_reads_word(hb_rdma_fetcher *t) {
        struct ibv_sge sge = {(uintptr_t)t->slab, 4, t->slab_mr->lkey};
        struct ibv_send_wr wr = {.wr_id = hb_rdma_work_id(HB_RDMA_WORK_WORD, 0, 0),
                                 .sg_list = &sge,
                                 .num_sge = 1,
                                 .opcode = IBV_WR_RDMA_READ,
                                 .send_flags = IBV_SEND_SIGNALED,
                                 .wr.rdma = {t->epoch_addr, t->epoch_rkey}},
                           *bad;

        if (t->word_in_flight || !word_due(t))
                return;
        if (hb_fault("rdma.word") || ibv_post_send(t->end.id->qp, &wr, &bad) != 0) {
                over(t, -ECONNRESET, "a READ could not be given to the RDMA device");
                return;
        }
        t->word_in_flight = true;
        t->word_posted_ns = hb_now_ns();
        t->stats.stamps++;
        hb_fetch_list_append(&t->stamping, &t->fresh_urgent);
        hb_fetch_list_append(&t->stamping, &t->fresh_bulk);
}

/* ---- posting ---- */

static void flush(hb_rdma_fetcher *t, struct hb_read_queue *q) {
        struct ibv_send_wr *bad;

        if (q->batch == 0)
                return;
        hb_link_meter_begin(&t->meter, hb_now_ns(), q->batch);
        q->wr[q->batch - 1].next = NULL;
        q->wr[q->batch - 1].send_flags = IBV_SEND_SIGNALED;
        q->batch = q->unsignalled = q->unsignalled_pages = 0;
        if (hb_fault("rdma.post") || ibv_post_send(q->qp, q->wr, &bad) != 0)
                over(t, -ECONNRESET, "a READ could not be given to the RDMA device");
}

/* The record is in the ring; its work request goes out with the batch. */
static void post(hb_rdma_fetcher *t, struct hb_read_queue *q, const struct hb_read *r, void *to,
                 uint32_t lkey, uint32_t rkey) {
        uint32_t sequence = q->head + q->n;
        struct ibv_send_wr *wr = &q->wr[q->batch];

        *hb_read_at(q, sequence) = *r;
        q->n++;
        q->pages += r->pages;
        r->lent->head.in_use++;
        q->unsignalled++;
        q->unsignalled_pages += r->pages;
        q->sge[q->batch] = (struct ibv_sge){(uintptr_t)to, r->pages * HB_PAGE_SIZE, lkey};
        *wr = (struct ibv_send_wr){.wr_id = hb_rdma_work_id(HB_RDMA_WORK_READ, q->which, sequence),
                                   .next = wr + 1,
                                   .sg_list = &q->sge[q->batch],
                                   .num_sge = 1,
                                   .opcode = IBV_WR_RDMA_READ,
                                   .wr.rdma = {r->gfn * HB_PAGE_SIZE, rkey}};
        if (q->unsignalled_pages >= HB_FETCH_MAX_PAGES) { /* long ones: room is wanted back one by one */
                wr->send_flags = IBV_SEND_SIGNALED;
                q->unsignalled = q->unsignalled_pages = 0;
        }
        t->stats.reads++;
        if (++q->batch == HB_RDMA_BATCH)
                flush(t, q);
}

static bool post_bounced(hb_rdma_fetcher *t, struct hb_read_queue *q, struct hb_read *r, uint32_t rkey) {
        if (!hb_bounce_take(&q->ring, r->pages, &r->bounce_at, &r->bounce_took))
                return false;
        t->stats.bounced_pages += r->pages;
        post(t, q, r, q->bounce + (size_t)r->bounce_at * HB_PAGE_SIZE, t->slab_mr->lkey, rkey);
        return true;
}

static struct ibv_mr *on_demand_mr(const hb_rdma_fetcher *t, const uint8_t *dst, uint64_t bytes) {
        for (uint32_t i = 0; i < t->shape.nregions; i++)
                if (t->region_mr[i] && dst >= t->region_base[i] &&
                    dst + bytes <= t->region_base[i] + t->shape.regions[i].pages * HB_PAGE_SIZE)
                        return t->region_mr[i];
        return NULL;
}

static bool post_direct(hb_rdma_fetcher *t, struct hb_read_queue *q, struct hb_read *r, uint32_t rkey) {
        uint8_t *dst = r->fetches.first->dst;
        uint64_t bytes = (uint64_t)r->pages * HB_PAGE_SIZE;
        struct ibv_mr *mr = on_demand_mr(t, dst, bytes);

        if (!mr) {
                if (!hb_fault("rdma.direct"))
                        mr = ibv_reg_mr(t->end.pd, dst, bytes, IBV_ACCESS_LOCAL_WRITE);
                r->mr = mr;
                t->no_direct = !mr;
        }
        if (!mr)
                return false;
        t->direct_bytes += r->mr ? bytes : 0;
        t->stats.direct_pages += r->pages;
        post(t, q, r, dst, mr->lkey, rkey);
        return true;
}

/* ---- one fetch after the other ---- */

static unsigned direct_max(const hb_rdma_fetcher *t, const struct hb_read_queue *q) {
        uint64_t most = HB_RDMA_BULK_PAGES - q->pages;
        uint64_t bytes = t->slab_bytes + t->direct_bytes;

        if (q->which == 0 || t->no_direct)
                return 0;
        if (bytes + most * HB_PAGE_SIZE > t->o.pinned_bytes)
                most = t->o.pinned_bytes > bytes ? (t->o.pinned_bytes - bytes) / HB_PAGE_SIZE : 0;
        if (most > HB_RDMA_DIRECT_MAX)
                most = HB_RDMA_DIRECT_MAX;
        return most >= t->o.direct_pages ? (unsigned)most : 0;
}

/* One READ for the first of `list` and its neighbours. False: no room now; the list is as it was. */
static bool read_joined(hb_rdma_fetcher *t, struct hb_read_queue *q, struct hb_fetch_list *list,
                        struct hb_lent *l, const struct hb_rdma_run *run) {
        uint64_t window = (uint64_t)l->head.number * t->window_pages;
        unsigned room = hb_bounce_room(&q->ring);
        struct hb_read_limits limits = {.end_gfn = window + run->first + run->pages,
                                        .bounce_pages = room < HB_FETCH_MAX_PAGES ? room : HB_FETCH_MAX_PAGES,
                                        .direct_pages = direct_max(t, q),
                                        .look = LOOK_AHEAD};
        struct hb_read_plan p;
        struct hb_read r = {.lent = l};
        unsigned n;

        hb_read_plan_take(list, &limits, &p);
        r.fetches = p.fetches;
        r.gfn = p.gfn;
        r.pages = p.pages;
        n = p.fetches.n;
        if ((p.contiguous && p.pages >= t->o.direct_pages && p.pages <= limits.direct_pages &&
             post_direct(t, q, &r, run->rkey)) ||
            (p.pages <= room && post_bounced(t, q, &r, run->rkey))) {
                t->stats.joined += n - 1;
                return true;
        }
        hb_fetch_list_prepend(list, &p.fetches);
        return false;
}

/* What of f lies in one window. Each part goes as soon as its window is there: to hold one window and wait
 * for the next would have fetches wait for each other where few windows may be lent. */
static bool read_part(hb_rdma_fetcher *t, struct hb_read_queue *q, struct hb_fetch *f, uint32_t pages,
                      struct hb_lent *l, const struct hb_rdma_run *run) {
        struct hb_read r = {.lent = l, .gfn = f->gfn + hb_fetch_posted(f), .pages = pages, .part = f};

        if (!post_bounced(t, q, &r, run->rkey))
                return false;
        f->wire_bytes += pages;
        return true;
}

static bool of_the_guest(const hb_rdma_fetcher *t, const struct hb_fetch *f) {
        int region;

        if (f->gfn + f->pages > HB_MAX_PAGES)
                return false;
        if (t->shape.pages == 0)
                return true;
        region = hb_shape_region_of(&t->shape, f->gfn);
        return region >= 0 && hb_shape_region_of(&t->shape, f->gfn + f->pages - 1) == region;
}

static bool read_first(hb_rdma_fetcher *t, struct hb_read_queue *q, struct hb_fetch_list *list,
                       struct hb_fetch *f, uint32_t pages, struct hb_lent *l, const struct hb_rdma_run *run) {
        bool posted;

        if (pages == f->pages) {
                hb_fetch_list_unshift(list, f);
                return read_joined(t, q, list, l, run);
        }
        posted = read_part(t, q, f, pages, l, run);
        if (hb_fetch_posted(f) < f->pages)
                hb_fetch_list_unshift(list, f);
        return posted;
}

/* The first of the list goes on its way, to a window's list, or to its end; false: there is no room, it
 * stays. */
static bool issue_one(hb_rdma_fetcher *t, struct hb_read_queue *q, struct hb_fetch_list *list) {
        struct hb_fetch *f = hb_fetch_list_pop(list);
        uint64_t gfn = f->gfn + hb_fetch_posted(f);
        uint32_t pages = f->pages - hb_fetch_posted(f);
        struct hb_lent *l = NULL;
        const struct hb_rdma_run *run = NULL;

        if (!of_the_guest(t, f)) {
                over(t, -EPROTO, "pages were asked for that the guest does not have");
                hb_rdma_fetcher_done(t, f, -EBADMSG);
                return true;
        }
        if (pages > t->window_pages - gfn % t->window_pages)
                pages = t->window_pages - (uint32_t)(gfn % t->window_pages);
        switch (hb_lent_find(t, f, gfn, pages, &l, &run)) {
        case HB_LENT_HERE:
                return read_first(t, q, list, f, pages, l, run);
        case HB_LENT_WAITS:
                return true;
        case HB_LENT_NEVER:
                f->status = -ENODATA;
                if (hb_fetch_settled(f))
                        hb_rdma_fetcher_done(t, f, f->status);
                return true;
        case HB_LENT_FULL:
        default:
                hb_fetch_list_unshift(list, f);
                return false;
        }
}

static bool has_room(const struct hb_read_queue *q, const struct hb_fetch *f) {
        return q->n + 2 <= HB_RDMA_DEPTH && (q->pages + f->pages <= q->ring.size || q->n == 0);
}

static struct hb_read_queue *bulk_queue(hb_rdma_fetcher *t, const struct hb_fetch *f) {
        for (unsigned i = 0; i + 1 < t->nq; i++) {
                struct hb_read_queue *q = &t->q[1 + (t->next_bulk + i) % (t->nq - 1)];

                if (has_room(q, f)) {
                        t->next_bulk = (q->which - 1 + (q->batch + 1 == HB_RDMA_BATCH)) % (t->nq - 1);
                        return q;
                }
        }
        return NULL;
}

void hb_reads_issue(hb_rdma_fetcher *t) {
        struct hb_read_queue *q;

        while (t->ready_urgent.n > 0 && !t->err.code && has_room(&t->q[0], t->ready_urgent.first))
                if (!issue_one(t, &t->q[0], &t->ready_urgent))
                        break;
        flush(t, &t->q[0]);
        while (t->ready_bulk.n > 0 && !t->err.code && (q = bulk_queue(t, t->ready_bulk.first)))
                if (!issue_one(t, q, &t->ready_bulk))
                        break;
        for (unsigned i = 1; i < t->nq; i++)
                flush(t, &t->q[i]);
}
