/* duplicates_copy: makes pages of an image out of bytes that this host has.
 *
 * One run is one job of the copying thread: each page is read into its place in the image, and the run is
 * printed there. What counts is the print of the copy: the place it came from may have been written
 * meanwhile, cut, or reused, and a page that is not what its print says is refuted, which sends it back to be
 * fetched. The oldest stamp of a run's prints is the run's, the careful side. A placement that ends waits for
 * the run that is being copied, for its image goes; that is at most 64 pages. */
#include "base/clock.h"
#include "base/fault.h"
#include "daemon/duplicates_priv.h"
#include "daemon/incoming_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_AT_ONCE 64u /* of the daemon */

struct hb_dup_copy {
        struct hb_mail mail; /* first */
        struct hb_dup_copy *next;
        struct hb_duplicates *x; /* NULL with di */
        struct hb_dup_image *di; /* NULL: gone meanwhile */
        hb_mailbox *mailbox;
        struct hb_dup_image *waiter; /* the thread's: whose `running` it counts down */
        uint64_t gfn;
        uint32_t pages, stamp;
        uint8_t *dst;
        struct {
                struct hb_print print;
                struct hb_dup_source *source; /* NULL: zeros, or nothing known */
                struct hb_dup_place place;
                bool known, zero, good;
        } page[HB_FETCH_MAX_PAGES];
};

/* ---- the thread ---- */

static void copy_pages(struct hb_dup_copy *c) {
        struct hb_print got[HB_FETCH_MAX_PAGES];

        for (uint32_t i = 0; i < c->pages; i++)
                c->page[i].good = c->page[i].source && !atomic_load(&c->waiter->ending) &&
                                  !hb_fault("duplicates.copy") &&
                                  hb_dup_source_read(c->page[i].source, c->page[i].place.page, 1,
                                                     c->dst + (size_t)i * HB_PAGE_SIZE) == 0;
        hb_fault("duplicates.copied"); /* stall, kill: between copying and looking */
        for (uint32_t i = 0; i < c->pages; i++) {
                if (!c->page[i].good)
                        continue;
                hb_fingerprint_pages(c->x->f, c->dst + (size_t)i * HB_PAGE_SIZE, 1, &got[i]);
                c->page[i].good = hb_print_equal(&got[i], &c->page[i].print);
        }
}

static void on_copied(struct hb_mail *m);

static void copy_work(void *arg) {
        struct hb_dup_copy *c = arg;
        struct hb_dup_image *di = c->waiter;
        hb_mailbox *mailbox = c->mailbox;

        if (!atomic_load(&di->ending))
                copy_pages(c);
        pthread_mutex_lock(&di->lock);
        if (--di->running == 0)
                pthread_cond_broadcast(&di->idle);
        pthread_mutex_unlock(&di->lock); /* from here `di` may be gone */
        hb_mailbox_post(mailbox, &c->mail, on_copied);
}

/* ---- the loop ---- */

static void copy_free(struct hb_dup_copy *c) {
        if (c->x)
                c->x->copies--;
        hb_mailbox_promise(c->mailbox, -1);
        for (uint32_t i = 0; i < c->pages; i++)
                hb_dup_source_unref(c->page[i].source);
        free(c);
}

static bool counts(const struct hb_dup_copy *c, uint32_t i) {
        return c->page[i].good || c->page[i].zero;
}

/* The place holds other bytes now: it is not told again. */
static void forget_place(struct hb_dup_copy *c, uint32_t i) {
        c->x->n.refuted_pages++;
        if (!c->page[i].known || c->page[i].zero)
                return;
        pthread_mutex_lock(&c->x->lock);
        hb_dup_index_remove(c->x->index, &c->page[i].print, c->page[i].place);
        pthread_mutex_unlock(&c->x->lock);
}

static void settle_run(struct hb_dup_copy *c, uint32_t first, uint32_t n) {
        hb_engine *e = c->di->in->engine;
        uint64_t now = hb_now_ns(), zeros = 0;

        if (!counts(c, first)) {
                for (uint32_t i = first; i < first + n; i++)
                        forget_place(c, i);
                hb_engine_refuted(e, now, c->gfn + first, n);
                return;
        }
        for (uint32_t i = 0; i < n; i++)
                zeros |= (uint64_t)c->page[first + i].zero << i;
        hb_engine_copied(e, now, c->gfn + first, n, c->stamp, zeros);
        c->x->n.copied_bytes += (uint64_t)n * HB_PAGE_SIZE;
}

static void on_copied(struct hb_mail *m) {
        struct hb_dup_copy *c = (struct hb_dup_copy *)m;
        struct hb_dup_image *di = c->di;

        if (!di) {
                copy_free(c);
                return;
        }
        for (struct hb_dup_copy **p = &di->copies; *p; p = &(*p)->next)
                if (*p == c) {
                        *p = c->next;
                        break;
                }
        for (uint32_t i = 0, n; i < c->pages; i += n) {
                for (n = 1; i + n < c->pages && counts(c, i + n) == counts(c, i);)
                        n++;
                settle_run(c, i, n);
        }
        copy_free(c);
        hb_incoming_step(di->in);
}

/* What is known of a page goes with the run. A page the engine believes in and nobody else (an image that was
 * taken up again) is refuted. */
static void take_page(struct hb_dup_copy *c, uint32_t i) {
        struct hb_dup_image *di = c->di;
        struct hb_dup_entry *e = hb_dup_entry(di, c->gfn + i);
        struct hb_dup_source *s;

        if (!e || e->state != HB_DUP_KNOWN)
                return;
        c->page[i].known = true;
        c->page[i].print = e->print;
        c->page[i].place = (struct hb_dup_place){e->owner, e->page};
        c->page[i].zero = e->owner == 0;
        s = e->owner ? di->x->by_owner[e->owner] : NULL;
        if (s)
                c->page[i].source = hb_dup_source_ref(s);
        if (!c->stamp || e->stamp < c->stamp)
                c->stamp = e->stamp;
        hb_dup_entry_clear(di, c->gfn + i);
}

int hb_dup_copy_begin(struct hb_dup_image *di, uint64_t gfn, uint32_t pages) {
        struct hb_dup_copy *c;

        if (di->x->copies >= RUNS_AT_ONCE || pages > HB_FETCH_MAX_PAGES)
                return -EAGAIN;
        c = hb_fault("duplicates.run") ? NULL : calloc(1, sizeof *c);
        if (!c)
                return -EAGAIN;
        c->x = di->x;
        c->mailbox = di->x->d->mailbox;
        c->di = c->waiter = di;
        c->gfn = gfn;
        c->pages = pages;
        c->dst = hb_image_at(di->in->image, gfn);
        for (uint32_t i = 0; i < pages; i++)
                take_page(c, i);
        di->x->copies++;
        hb_mailbox_promise(c->mailbox, 1);
        pthread_mutex_lock(&di->lock);
        di->running++;
        pthread_mutex_unlock(&di->lock);
        if (hb_workers_submit(di->x->copiers, copy_work, c) < 0) {
                pthread_mutex_lock(&di->lock);
                di->running--;
                pthread_mutex_unlock(&di->lock);
                copy_free(c); /* its entries are gone: the next try refutes them, and they are fetched */
                return -EAGAIN;
        }
        c->next = di->copies;
        di->copies = c;
        return 0;
}

void hb_dup_copies_end(struct hb_dup_image *di) {
        atomic_store(&di->ending, true);
        pthread_mutex_lock(&di->lock);
        while (di->running > 0)
                pthread_cond_wait(&di->idle, &di->lock);
        pthread_mutex_unlock(&di->lock);
        while (di->copies) {
                struct hb_dup_copy *c = di->copies;

                di->copies = c->next;
                c->di = NULL;
                c->x->copies--;
                c->x = NULL;
        }
}

/* Room is asked for as for a fetch (incoming_fetch.c). */
int hb_dup_image_copy(void *incoming, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        struct hb_incoming *in = incoming;
        struct hb_err e;

        if (!in->dup || (c == HB_FETCH_PREFETCH && hb_incoming_spill_room(in, pages) < 0) ||
            hb_image_reserve_run(in->image, gfn, pages, &e) < 0)
                return -EAGAIN;
        return hb_dup_copy_begin(in->dup, gfn, pages);
}
