/* verify: see verify.h. Hashing is done by jobs, a part at a time, so that neither the loop nor the session's
 * queue grows with the guest. Holes are not read on either side (reading one would fill it): they count as
 * zeros. */
#include "daemon/verify.h"
#include "base/fault.h"
#include "base/log.h"
#include "place/verify.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* VERIFY: u64 first gfn, u8 last part, then u64 hash a page. VERIFIED: u64 first gfn that differs, or all
 * ones. */
#define EQUAL UINT64_MAX

struct part {
        struct hb_handover *h;
        unsigned generation;
        uint64_t first, pages, differs;
        bool last;
        struct hb_err err;
        hb_image *image; /* target */
        uint64_t hash[];
};

static struct part *part_new(uint64_t pages) {
        struct part *p = calloc(1, sizeof *p + pages * sizeof p->hash[0]);
        if (p)
                p->pages = pages;
        return p;
}

bool hb_verify_wanted(const struct hb_handover *h) {
        return h->d->settings->verify || (h->g && h->g->caps && !h->g->caps->exact_writes);
}

/* ---- source ---- */

static const uint8_t *source_page(const hb_target *t, uint64_t gfn) {
        int r = hb_shape_region_of(&t->shape, gfn);
        return r < 0 ? NULL : t->regions[r].bytes_map + ((gfn - t->regions[r].first_gfn) << HB_PAGE_SHIFT);
}

static int hash_work(void *arg) {
        struct part *p = arg;
        struct hb_handover *h = p->h;
        int r = 0;
        if (p->first == 0)
                hb_bitmap_clear_all(&h->g->unsettled); /* scratch; no scan runs now */
        if (p->first == 0)
                r = hb_target_resident(h->g->target, &h->g->unsettled, &p->err);
        for (uint64_t i = 0; r >= 0 && i < p->pages; i++) {
                bool held = hb_bitmap_test(&h->g->unsettled, p->first + i);
                p->hash[i] =
                        held ? hb_verify_page(source_page(h->g->target, p->first + i)) : hb_verify_zero();
        }
        return r < 0 ? r : 0;
}

static void next_part(struct hb_handover *h, uint64_t first);

static void conclude(struct hb_handover *h, uint64_t gfn) {
        void (*then)(struct hb_handover *) = h->verified;
        h->verified = NULL;
        h->waiting = false;
        if (gfn == EQUAL) {
                then(h);
                return;
        }
        struct hb_err e;
        int region = hb_shape_region_of(&h->g->target->shape, gfn);
        const char *name = region < 0 ? "?" : h->g->target->regions[region].name;
        hb_err_set(&e, -EIO, h->guest,
                   "keep both hosts' logs and report it; placing it again starts from nothing",
                   "the copy of page %llu (region %s) on %s differs from the guest's: not handed over",
                   (unsigned long long)gfn, name, h->peer);
        hb_handover_done(h, h->generation, -EIO, &e);
}

static void send_part(struct hb_handover *h, const struct part *p) {
        struct hb_buf b = {0};
        hb_buf_u64(&b, p->first);
        hb_buf_u8(&b, p->last);
        for (uint64_t i = 0; i < p->pages; i++)
                hb_buf_u64(&b, p->hash[i]);
        if (!b.failed)
                hb_handover_send(h, HB_MSG_VERIFY, b.data, b.len);
        hb_buf_free(&b);
}

static void hash_done(void *owner, void *arg, int rc) {
        struct part *p = arg;
        struct hb_handover *h = owner;
        if (p->generation != h->generation || rc < 0) {
                hb_handover_done(h, p->generation, rc, &p->err);
                return;
        }
        if (h->verify_over) {
                conclude(h, h->verify_at);
                return;
        }
        send_part(h, p);
        if (p->last)
                h->waiting = true; /* for the answer */
        else
                next_part(h, p->first + p->pages);
}

static const struct hb_job_ops hash_job = {hash_work, hash_done, free};

static void next_part(struct hb_handover *h, uint64_t first) {
        uint64_t left = h->g->target->shape.pages - first;
        struct part *p = part_new(left < HB_VERIFY_PAGES ? left : HB_VERIFY_PAGES);
        if (!p) {
                struct hb_err e;
                hb_err_set(&e, -ENOMEM, h->guest, NULL, "no memory to verify the move");
                hb_handover_done(h, h->generation, -ENOMEM, &e);
                return;
        }
        p->h = h;
        p->generation = h->generation;
        p->first = first;
        p->last = p->pages == left;
        if (hb_jobs_run(h->jobs, &hash_job, p) < 0)
                hb_handover_done(h, h->generation, -ENOMEM, NULL);
}

void hb_verify_begin(struct hb_handover *h, void (*then)(struct hb_handover *h)) {
        h->verified = then;
        h->verify_over = false;
        next_part(h, 0);
}

/* A difference is told at once, perhaps while a part is still being hashed here. */
void hb_verify_answer(struct hb_handover *h, const uint8_t *body, size_t size) {
        struct hb_rd r = hb_rd_init(body, size);
        uint64_t gfn = hb_rd_u64(&r);
        if (!hb_rd_done(&r) || h->state != HB_S_STATE || !h->verified || (!h->waiting && gfn == EQUAL))
                return;
        h->verify_over = true;
        h->verify_at = gfn;
        if (h->waiting)
                conclude(h, gfn);
}

/* ---- target ---- */

/* The bytes are judged, not what the records say of them. */
static int compare_work(void *arg) {
        struct part *p = arg;
        struct hb_bitmap held;
        int r = hb_bitmap_init(&held, p->pages);
        if (r < 0)
                return r;
        hb_image_held(p->image, p->first, p->pages, &held);
        p->differs = EQUAL;
        for (uint64_t i = 0; i < p->pages && p->differs == EQUAL; i++) {
                uint8_t *page = hb_bitmap_test(&held, i) ? hb_image_at(p->image, p->first + i) : NULL;
                if (page && hb_fault("verify.page"))
                        page[HB_PAGE_SIZE / 2] ^= 1;
                if ((page ? hb_verify_page(page) : hb_verify_zero()) != p->hash[i])
                        p->differs = p->first + i;
        }
        hb_bitmap_fini(&held);
        return 0;
}

static void compare_done(void *owner, void *arg, int rc) {
        struct part *p = arg;
        struct hb_handover *h = owner;
        if (rc < 0 || h->verify_over || (!p->last && p->differs == EQUAL))
                return;
        h->verify_over = true;
        struct hb_buf b = {0};
        hb_buf_u64(&b, p->differs);
        hb_handover_send(h, HB_MSG_VERIFIED, b.data, b.len);
        hb_buf_free(&b);
}

static const struct hb_job_ops compare_job = {compare_work, compare_done, free};

/* Parts come in order and once, so that a source cannot make us hold more than the hashes of its guest. */
void hb_verify_part(struct hb_handover *h, const uint8_t *body, size_t size) {
        struct hb_rd r = hb_rd_init(body, size);
        uint64_t first = hb_rd_u64(&r), pages;
        uint8_t last = hb_rd_u8(&r);
        pages = hb_rd_left(&r) / 8;
        if (h->state != HB_T_STATE || !h->in || !hb_rd_ok(&r) || hb_rd_left(&r) % 8 || pages == 0 ||
            pages > HB_VERIFY_PAGES || first != h->verify_at || pages > h->in->shape.pages - first ||
            last != (first + pages == h->in->shape.pages))
                return; /* the source times out and goes on */
        struct part *p = part_new(pages);
        if (!p)
                return;
        h->verify_at = first + pages;
        p->h = h;
        p->image = h->in->image;
        p->first = first;
        p->last = last;
        for (uint64_t i = 0; i < pages; i++)
                p->hash[i] = hb_rd_u64(&r);
        hb_jobs_run(h->jobs, &compare_job, p);
}
