/* rdma_landing: stamps and READs that have arrived, and the memory READs land in. Of a queue pair READs
 * complete in the order in which they were posted: a completion stands for all before it, so most need not be
 * signalled. On the fetcher's thread. */
#include "base/clock.h"
#include "base/fault.h"
#include "rdma/rdma_fetcher.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

void hb_reads_word_arrived(hb_rdma_fetcher *t) {
        uint32_t stamp = __atomic_load_n((const uint32_t *)(const void *)t->slab, __ATOMIC_ACQUIRE);
        bool idle = true;
        struct hb_fetch *f;

        for (unsigned i = 0; i < t->nq; i++)
                idle = idle && t->q[i].n == 0;
        if (idle)
                hb_link_meter_latency(&t->meter,
                                      (double)(hb_now_ns() - t->word_posted_ns) / (double)HB_NS_PER_S);
        t->word_in_flight = false;
        while ((f = hb_fetch_list_pop(&t->stamping))) {
                f->stamp = stamp;
                hb_fetch_list_push(f->urgent ? &t->ready_urgent : &t->ready_bulk, f);
        }
}

static void copy_out(const struct hb_read_queue *q, const struct hb_read *r, const struct hb_fetch *f) {
        uint64_t from = f->gfn > r->gfn ? f->gfn : r->gfn, end = f->gfn + f->pages;

        if (end > r->gfn + r->pages)
                end = r->gfn + r->pages;
        memcpy(f->dst + (from - f->gfn) * HB_PAGE_SIZE,
               q->bounce + (r->bounce_at + (from - r->gfn)) * HB_PAGE_SIZE, (end - from) * HB_PAGE_SIZE);
}

static void let_go(hb_rdma_fetcher *t, struct hb_read_queue *q, struct hb_read *r) {
        if (r->mr) {
                ibv_dereg_mr(r->mr);
                t->direct_bytes -= (uint64_t)r->pages * HB_PAGE_SIZE;
        }
        if (r->bounce_took)
                hb_bounce_give(&q->ring, r->bounce_took);
        q->pages -= r->pages;
        q->head++;
        q->n--;
}

static void finish(hb_rdma_fetcher *t, struct hb_read_queue *q) {
        struct hb_read r = *hb_read_at(q, q->head);
        struct hb_fetch *f;

        if (r.bounce_took) {
                for (f = r.fetches.first; f; f = f->next)
                        copy_out(q, &r, f);
                if (r.part)
                        copy_out(q, &r, r.part);
        }
        if (r.part) {
                r.part->zero_mask += r.pages;
                if (hb_fetch_settled(r.part))
                        hb_fetch_list_push(&r.fetches, r.part);
        }
        let_go(t, q, &r);
        hb_lent_unused(t, r.lent);
        while ((f = hb_fetch_list_pop(&r.fetches)))
                hb_rdma_fetcher_done(t, f, f->status);
}

void hb_reads_completed(hb_rdma_fetcher *t, unsigned which, uint32_t sequence) {
        struct hb_read_queue *q = &t->q[which];
        uint64_t now = hb_now_ns();
        unsigned reads = q->n, pages = q->pages;

        while (q->n > 0 && (int32_t)(sequence - q->head) >= 0)
                finish(t, q);
        hb_link_meter_end(&t->meter, now, reads - q->n);
        hb_link_meter_moved(&t->meter, now, (uint64_t)(pages - q->pages) * HB_PAGE_SIZE, pages - q->pages, 0);
}

/* ---- memory ---- */

static int open_slab(hb_rdma_fetcher *t) {
        uint8_t *at;
        unsigned bulk = HB_RDMA_BULK_PAGES;

        while (bulk > 2 * HB_FETCH_MAX_PAGES &&
               (HB_RDMA_LEAD_PAGES + 1 + bulk * (t->nq - 1)) * (uint64_t)HB_PAGE_SIZE > t->o.pinned_bytes / 2)
                bulk /= 2;
        t->slab_bytes = (1 + HB_RDMA_LEAD_PAGES + (uint64_t)bulk * (t->nq - 1)) * HB_PAGE_SIZE;
        at = mmap(NULL, t->slab_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED)
                return -ENOMEM;
        t->slab = at; /* first the epoch word, on a page of its own */
        errno = hb_fault("rdma.slab") ? ENOMEM : 0;
        t->slab_mr = errno ? NULL : ibv_reg_mr(t->end.pd, t->slab, t->slab_bytes, IBV_ACCESS_LOCAL_WRITE);
        if (!t->slab_mr)
                return errno > 0 ? -errno : -EIO;
        at += HB_PAGE_SIZE;
        for (unsigned i = 0; i < t->nq; i++) {
                t->q[i].which = i;
                t->q[i].qp = i ? t->end.bulk[i - 1] : t->end.id->qp;
                t->q[i].bounce = at;
                t->q[i].ring.size = i ? bulk : HB_RDMA_LEAD_PAGES;
                at += (size_t)t->q[i].ring.size * HB_PAGE_SIZE;
        }
        return 0;
}

/* With on-demand paging the image is registered as a whole and nothing is pinned. */
static void open_on_demand(hb_rdma_fetcher *t) {
        for (uint32_t i = 0; t->end.on_demand && i < t->shape.nregions; i++)
                if (t->region_base[i])
                        t->region_mr[i] = ibv_reg_mr(t->end.pd, t->region_base[i],
                                                     t->shape.regions[i].pages * HB_PAGE_SIZE,
                                                     IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);
}

int hb_reads_open(hb_rdma_fetcher *t, struct hb_err *e) {
        int rc = open_slab(t);

        if (rc < 0)
                return hb_err_set(e, rc, NULL, "raise LimitMEMLOCK of the service (ulimit -l)",
                                  "%llu KiB could not be pinned for page READs: %s",
                                  (unsigned long long)t->slab_bytes >> 10, strerror(-rc));
        open_on_demand(t);
        return 0;
}

static void take_all(hb_rdma_fetcher *t, struct hb_fetch_list *orphans) {
        for (unsigned i = 0; i < t->nq; i++)
                while (t->q[i].n > 0) {
                        struct hb_read_queue *q = &t->q[i];
                        struct hb_read *r = hb_read_at(q, q->head);

                        hb_fetch_list_append(orphans, &r->fetches);
                        if (r->part) { /* if more of it is to come it is in another list too */
                                r->part->zero_mask += r->pages;
                                if (hb_fetch_settled(r->part))
                                        hb_fetch_list_push(orphans, r->part);
                        }
                        let_go(t, q, r);
                }
        hb_fetch_list_append(orphans, &t->stamping);
        hb_fetch_list_append(orphans, &t->ready_urgent);
        hb_fetch_list_append(orphans, &t->ready_bulk);
        hb_fetch_list_append(orphans, &t->fresh_urgent);
        hb_fetch_list_append(orphans, &t->fresh_bulk);
}

void hb_reads_close(hb_rdma_fetcher *t) {
        struct hb_fetch_list orphans = {0};
        struct hb_fetch *f;

        take_all(t, &orphans);
        hb_lent_close(t, &orphans);
        if (t->slab_mr)
                ibv_dereg_mr(t->slab_mr);
        for (uint32_t i = 0; i < HB_MAX_REGIONS; i++)
                if (t->region_mr[i])
                        ibv_dereg_mr(t->region_mr[i]);
        if (t->slab)
                munmap(t->slab, t->slab_bytes);
        t->slab = NULL;
        t->slab_mr = NULL;
        while ((f = hb_fetch_list_pop(&orphans)))
                hb_rdma_fetcher_done(t, f, -ECONNRESET);
}
