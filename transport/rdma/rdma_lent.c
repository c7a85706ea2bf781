/* rdma_lent: windows of guest memory as the target has them: asked for, lent, given back.
 *
 * Invariant: a READ is posted only in a window that is GRANTED, and counted in its in_use until it has
 * completed; RETURNED is said only at in_use 0, after which no READ is posted before a new GRANT. So a source
 * that has heard RETURNED may let go of the memory. The pages of all windows that are not DENIED stay within
 * the source's budget: the window unused for longest goes back before another is asked for. On the fetcher's
 * thread; O(1) a fetch. */
#include "base/clock.h"
#include "base/fault.h"
#include "rdma/rdma_fetcher.h"
#include <errno.h>
#include <stdlib.h>

#define ASKED_MAX  16u
#define DENIED_MAX 1024u
#define LOOK_AGAIN_NS                                                                                        \
        (100 * HB_NS_PER_S / 1000) /* a hole may have been filled since: not asked more often                \
                                    */

static void say(hb_rdma_fetcher *t, enum hb_rdma_msg_type type, uint32_t window) {
        struct hb_err e;

        if (t->out_n == HB_RDMA_OUT) {
                hb_err_set(&e, -EPROTO, NULL, NULL,
                           "the source recalls windows faster than it takes them back");
                hb_rdma_fetcher_end(t, &e);
                return;
        }
        t->out[(t->out_head + t->out_n++) % HB_RDMA_OUT] = (struct hb_rdma_out){(uint8_t)type, window};
}

void hb_lent_send_out(hb_rdma_fetcher *t) {
        struct hb_err e;
        int rc = 0;

        while (t->out_n > 0 && rc == 0) {
                const struct hb_rdma_out *o = &t->out[t->out_head];

                rc = hb_rdma_end_send(&t->end, &(struct hb_rdma_msg){.type = o->type, .window = o->window});
                if (rc == 0) {
                        t->out_head = (t->out_head + 1) % HB_RDMA_OUT;
                        t->out_n--;
                }
        }
        if (rc < 0 && rc != -EAGAIN) {
                hb_err_set(&e, -ECONNRESET, NULL, NULL, "a message could not be given to the RDMA device");
                hb_rdma_fetcher_end(t, &e);
        }
}

/* ---- asking and giving back ---- */

static void ask(hb_rdma_fetcher *t, struct hb_lent *l) {
        l->head.state = HB_LENT_ASKED;
        l->nruns = 0;
        t->lent_pages += t->window_pages;
        t->asked_now++;
        t->stats.asked++;
        say(t, HB_RDMA_ASK, l->head.number);
}

static void forget(hb_rdma_fetcher *t, struct hb_lent *l) {
        hb_window_book_remove(&t->book, &l->head);
        free(l);
}

static void returned(hb_rdma_fetcher *t, struct hb_lent *l) {
        t->lent_pages -= t->window_pages;
        say(t, HB_RDMA_RETURNED, l->head.number);
        if (l->waiting.n > 0)
                ask(t, l);
        else
                forget(t, l);
}

static void give_back(hb_rdma_fetcher *t, struct hb_lent *l) {
        l->head.state = HB_LENT_RECALLED;
        if (l->head.in_use == 0)
                returned(t, l);
}

void hb_lent_unused(hb_rdma_fetcher *t, struct hb_lent *l) {
        if (--l->head.in_use == 0 && l->head.state == HB_LENT_RECALLED)
                returned(t, l);
}

/* Room in the budget for one more, at the cost of the one unused for longest. */
static bool make_room(hb_rdma_fetcher *t) {
        struct hb_window *old;

        if (t->asked_now >= ASKED_MAX)
                return false;
        if (t->lent_pages + t->window_pages <= t->budget_pages)
                return true;
        old = hb_window_book_oldest(&t->book, HB_LENT_GRANTED);
        if (!old)
                return false;
        give_back(t, (struct hb_lent *)old);
        return true;
}

static enum hb_lent_answer ask_for(hb_rdma_fetcher *t, struct hb_lent *l, struct hb_fetch *f) {
        hb_fetch_list_push(&l->waiting, f);
        ask(t, l);
        return HB_LENT_WAITS;
}

static enum hb_lent_answer ask_new(hb_rdma_fetcher *t, uint32_t number, struct hb_fetch *f) {
        struct hb_lent *l;

        if (!make_room(t))
                return HB_LENT_FULL;
        l = hb_fault("rdma.lent") ? NULL : calloc(1, sizeof(*l));
        if (!l)
                return HB_LENT_NEVER;
        l->head.number = number;
        hb_window_book_add(&t->book, &l->head);
        return ask_for(t, l, f);
}

/* ---- what a fetch asks ---- */

static const struct hb_rdma_run *covering(const hb_rdma_fetcher *t, const struct hb_lent *l, uint64_t gfn,
                                          uint32_t pages) {
        uint64_t first = gfn - (uint64_t)l->head.number * t->window_pages;

        for (unsigned i = 0; i < l->nruns; i++)
                if (l->runs[i].first <= first && first + pages <= l->runs[i].first + l->runs[i].pages)
                        return &l->runs[i];
        return NULL;
}

/* What was a hole when the window was lent may be there by now. */
static enum hb_lent_answer look_again(hb_rdma_fetcher *t, struct hb_lent *l, struct hb_fetch *f) {
        if (hb_now_ns() - l->since_ns < LOOK_AGAIN_NS)
                return HB_LENT_NEVER;
        if (l->head.state == HB_LENT_DENIED)
                return make_room(t) ? ask_for(t, l, f) : HB_LENT_FULL;
        hb_fetch_list_push(&l->waiting, f); /* so that it is asked for again once it is given back */
        give_back(t, l);
        return HB_LENT_WAITS;
}

enum hb_lent_answer hb_lent_find(hb_rdma_fetcher *t, struct hb_fetch *f, uint64_t gfn, uint32_t pages,
                                 struct hb_lent **ret_lent, const struct hb_rdma_run **ret_run) {
        uint32_t number = (uint32_t)(gfn / t->window_pages);
        struct hb_lent *l = (struct hb_lent *)hb_window_book_find(&t->book, number);

        if (!l)
                return ask_new(t, number, f);
        if (l->head.state == HB_LENT_ASKED || l->head.state == HB_LENT_RECALLED) {
                hb_fetch_list_push(&l->waiting, f);
                return HB_LENT_WAITS;
        }
        if (l->head.state == HB_LENT_GRANTED) {
                hb_window_book_touch(&t->book, &l->head);
                *ret_run = covering(t, l, gfn, pages);
                *ret_lent = l;
                if (*ret_run)
                        return HB_LENT_HERE;
        }
        return look_again(t, l, f);
}

/* ---- what the source says ---- */

static void release_waiting(hb_rdma_fetcher *t, struct hb_lent *l) {
        struct hb_fetch_list urgent = {0}, bulk = {0};
        struct hb_fetch *f;

        while ((f = hb_fetch_list_pop(&l->waiting)))
                hb_fetch_list_push(f->urgent ? &urgent : &bulk, f);
        hb_fetch_list_prepend(&t->ready_urgent, &urgent); /* they were there before what is ready by now */
        hb_fetch_list_prepend(&t->ready_bulk, &bulk);
}

static void denied(hb_rdma_fetcher *t, struct hb_lent *l) {
        struct hb_fetch_list nothing = l->waiting;
        struct hb_fetch *f;
        struct hb_window *old;

        l->waiting = (struct hb_fetch_list){0};
        l->head.state = HB_LENT_DENIED;
        t->lent_pages -= t->window_pages;
        t->stats.denied++;
        if (t->book.n > t->budget_pages / t->window_pages + DENIED_MAX) {
                old = hb_window_book_oldest(&t->book, HB_LENT_DENIED);
                if (old)
                        forget(t, (struct hb_lent *)old);
        }
        while ((f = hb_fetch_list_pop(&nothing)))
                hb_rdma_fetcher_done(t, f, -ENODATA);
}

static bool within(const struct hb_rdma_msg *m, uint32_t window_pages) {
        unsigned n = m->grant.nruns; /* ascending: the last one decides */

        return n == 0 || m->grant.runs[n - 1].first + m->grant.runs[n - 1].pages <= window_pages;
}

static int granted(hb_rdma_fetcher *t, const struct hb_rdma_msg *m) {
        struct hb_lent *l = (struct hb_lent *)hb_window_book_find(&t->book, m->window);

        if (!l || l->head.state != HB_LENT_ASKED || !within(m, t->window_pages))
                return -EPROTO;
        t->asked_now--;
        l->since_ns = hb_now_ns();
        if (m->grant.denial != HB_RDMA_GRANTED) {
                denied(t, l);
                return 0;
        }
        l->head.state = HB_LENT_GRANTED;
        l->nruns = m->grant.nruns;
        for (unsigned i = 0; i < l->nruns; i++)
                l->runs[i] = m->grant.runs[i];
        t->stats.granted++;
        release_waiting(t, l);
        return 0;
}

/* A RECALL may cross our own RETURNED, and even the next ASK: then it means nothing any more. */
static int recalled(hb_rdma_fetcher *t, uint32_t window) {
        struct hb_lent *l = (struct hb_lent *)hb_window_book_find(&t->book, window);

        if (l && l->head.state == HB_LENT_GRANTED && !hb_fault("rdma.deaf")) {
                t->stats.recalled++;
                give_back(t, l);
        }
        return 0;
}

static int hello(hb_rdma_fetcher *t, const struct hb_rdma_msg *m) {
        if (t->hello ||
            m->hello.budget_pages < 2ull * m->hello.window_pages) /* a run may lie in two windows */
                return -EPROTO;
        t->hello = true;
        t->epoch_addr = m->hello.epoch_addr;
        t->epoch_rkey = m->hello.epoch_rkey;
        t->window_pages = m->hello.window_pages;
        t->budget_pages = m->hello.budget_pages;
        return hb_window_book_init(&t->book, t->budget_pages / t->window_pages * 2);
}

void hb_lent_message(hb_rdma_fetcher *t, const struct hb_rdma_msg *m) {
        struct hb_err e;
        int rc = -EPROTO;

        if (m->type == HB_RDMA_HELLO)
                rc = hello(t, m);
        else if (t->hello && m->type == HB_RDMA_GRANT)
                rc = granted(t, m);
        else if (t->hello && m->type == HB_RDMA_RECALL)
                rc = recalled(t, m->window);
        if (rc < 0) {
                hb_err_set(&e, rc, NULL, NULL,
                           rc == -EPROTO ? "the source broke the protocol of page reads over RDMA"
                                         : "out of memory for windows");
                hb_rdma_fetcher_end(t, &e);
        }
}

void hb_lent_close(hb_rdma_fetcher *t, struct hb_fetch_list *orphans) {
        while (t->book.newest) {
                struct hb_lent *l = (struct hb_lent *)t->book.newest;

                hb_fetch_list_append(orphans, &l->waiting);
                forget(t, l);
        }
        hb_window_book_fini(&t->book);
}
