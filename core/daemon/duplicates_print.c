/* duplicates_print: one thread of low priority prints pages, a batch at a time, for everybody on this host:
 * first what a target has asked for, then guests that are placed, then other guests, then images.
 *
 * Budget: processor time that the batches took is paid from a credit that grows by [duplicates] budget and is
 * at most one second of a core, so an idle host answers a new placement at once. The stamp of a batch is the
 * newest completed scan that the loop knew of before the thread read the first byte, which is the careful
 * side. A batch belongs to the thread until its answer is on the loop; a guest or image that goes meanwhile
 * takes its name off it. */
#include "base/clock.h"
#include "base/fault.h"
#include "daemon/duplicates_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define TICK_MS   50
#define CREDIT_NS ((double)HB_NS_PER_S)
#define SIDE      32u /* pages read at once */
#define NICE      10  /* of what nobody waits for */

static uint64_t cpu_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * HB_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- the thread ---- */

static uint32_t side_by_side(const struct hb_dup_print *p, uint32_t i) {
        uint32_t n = 1;

        while (n < SIDE && i + n < p->n && p->gfn[i + n] == p->gfn[i] + n)
                n++;
        return (uint32_t)hb_dup_source_run(p->source, p->gfn[i], n, NULL, NULL);
}

static int print_work(void *arg) {
        struct hb_dup_print *p = arg;
        uint64_t began = cpu_ns();
        uint8_t *pages =
                hb_fault("duplicates.print") ? NULL : aligned_alloc(HB_PAGE_SIZE, SIDE * HB_PAGE_SIZE);

        hb_dup_low_priority(p->waited_for ? 0 : NICE);
        if (!pages)
                return -ENOMEM;
        p->stamp = atomic_load_explicit(&p->source->epoch, memory_order_acquire);
        for (uint32_t i = 0; i < p->n && !atomic_load(&p->x->stopping);) {
                uint32_t n = side_by_side(p, i);
                bool good = n > 0 && hb_dup_source_read(p->source, p->gfn[i], n, pages) == 0;

                n = n ? n : 1;
                if (good)
                        hb_fingerprint_pages(p->x->f, pages, n, p->print + i);
                for (uint32_t k = 0; k < n; k++)
                        p->read[i + k] = good;
                i += n;
        }
        free(pages);
        p->cpu_ns = cpu_ns() - began;
        return 0;
}

/* ---- the loop ---- */

static void next_batch(struct hb_duplicates *x);

static void print_done(void *owner, void *arg, int rc) {
        struct hb_duplicates *x = owner;
        struct hb_dup_print *p = arg;

        x->job = NULL;
        x->credit_ns -= (double)p->cpu_ns;
        x->n.print_cpu_ns += p->cpu_ns;
        x->n.printed_pages += p->n;
        if (p->guest)
                hb_dup_guest_printed(p->guest, p);
        if (p->image)
                hb_dup_image_printed(p->image, p);
        next_batch(x);
}

static void print_drop(void *arg) {
        struct hb_dup_print *p = arg;

        hb_dup_source_unref(p->source);
        free(p);
}

static const struct hb_job_ops print_job = {print_work, print_done, print_drop};

static bool placed(const struct hb_dup_guest *dg) {
        return dg->agreed && dg->g->placement && hb_outgoing_usable(dg->g->placement);
}

/* The one served least lately first; who has nothing to print is asked once. */
static struct hb_dup_guest *next_guest(struct hb_duplicates *x, bool is_placed) {
        struct hb_dup_guest *best = NULL;

        for (struct hb_dup_guest *dg = x->guests; dg; dg = dg->next)
                if (placed(dg) == is_placed && dg->asked_round != x->round &&
                    (!best || dg->served_ns < best->served_ns))
                        best = dg;
        if (best)
                best->asked_round = x->round;
        return best;
}

static bool fill_of_guests(struct hb_duplicates *x, struct hb_dup_print *p, enum hb_dup_why why,
                           bool is_placed) {
        struct hb_dup_guest *dg;

        x->round++;
        while ((dg = next_guest(x, is_placed))) {
                if (!hb_dup_guest_fill(dg, p, why))
                        continue;
                dg->served_ns = hb_now_ns();
                p->guest = dg;
                p->waited_for = is_placed;
                p->source = hb_dup_source_ref(dg->source);
                return true;
        }
        return false;
}

static bool fill_of_images(struct hb_duplicates *x, struct hb_dup_print *p) {
        struct hb_dup_image *best = NULL;

        for (struct hb_dup_image *di = x->images; di; di = di->next)
                if (!best || di->served_ns < best->served_ns)
                        best = di;
        if (!best)
                return false;
        best->served_ns = hb_now_ns();
        if (!hb_dup_image_fill(best, p))
                return false;
        p->image = best;
        p->source = hb_dup_source_ref(best->source);
        return true;
}

static void next_batch(struct hb_duplicates *x) {
        struct hb_dup_print *p;

        if (x->job || x->credit_ns <= 0 || atomic_load(&x->stopping))
                return;
        p = malloc(sizeof *p);
        if (!p)
                return;
        p->x = x;
        p->guest = NULL;
        p->waited_for = false;
        p->image = NULL;
        p->source = NULL;
        p->n = 0;
        p->cpu_ns = 0;
        if (!fill_of_guests(x, p, HB_DUP_ASKED, true) &&
            (!x->d->settings->find_duplicates ||
             (!fill_of_guests(x, p, HB_DUP_SCHEDULED, true) &&
              !fill_of_guests(x, p, HB_DUP_SCHEDULED, false) && !fill_of_images(x, p)))) {
                free(p);
                return;
        }
        if (hb_jobs_run(x->printing, &print_job, p) == 0)
                x->job = p;
}

static void on_tick(evutil_socket_t fd, short what, void *arg) {
        struct hb_duplicates *x = arg;
        uint64_t now = hb_now_ns();

        x->credit_ns += x->d->settings->fingerprint_budget * (double)(now - x->credit_at_ns);
        x->credit_at_ns = now;
        if (x->credit_ns > CREDIT_NS)
                x->credit_ns = CREDIT_NS;
        pthread_mutex_lock(&x->lock);
        hb_dup_index_sweep(x->index, 4096);
        pthread_mutex_unlock(&x->lock);
        for (struct hb_dup_guest *dg = x->guests; dg; dg = dg->next)
                hb_dup_guest_send(dg);
        for (struct hb_dup_image *di = x->images; di; di = di->next)
                hb_dup_image_tick(di, now);
        next_batch(x);
        hb_dup_files_look(x, now);
}

int hb_dup_printing_begin(struct hb_duplicates *x) {
        struct timeval tv = hb_timeval(hb_ms_to_ns(TICK_MS));
        int r = hb_jobs_new(x->d->mailbox, "print", x, &x->printing);

        if (r < 0)
                return r;
        x->credit_at_ns = hb_now_ns();
        x->credit_ns = x->d->settings->fingerprint_budget > 0 ? CREDIT_NS : 0;
        x->tick = event_new(x->d->base, -1, EV_PERSIST, on_tick, x);
        return x->tick && event_add(x->tick, &tv) == 0 ? 0 : -ENOMEM;
}

void hb_dup_printing_end(struct hb_duplicates *x) {
        if (x->tick)
                event_free(x->tick);
        x->tick = NULL;
        if (x->printing)
                x->printing = hb_jobs_free(x->printing);
        x->job = NULL;
}
