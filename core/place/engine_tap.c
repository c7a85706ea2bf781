/* engine_tap: who listens to the engine's inputs, and the one thing besides the inputs that its decisions
 * depend on: what the transport and the image answered.
 *
 * Invariant: every answer the engine acts on passes here, so an input and its answers are the whole of what
 * happened; given again, they come to the same. Cost without a tap: one test an input, one an answer.
 * Owned by the engine's thread. */
#include "base/fault.h"
#include "place/engine_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

static void note(struct hb_answers *a, bool yes) {
        bool open = a->n > 0, last_yes = a->n % 2 == 1;

        if (!open && !yes) { /* lists begin with the yes that came first: none */
                a->run[a->n++] = 0;
                open = true;
                last_yes = true;
        }
        if (open && yes == last_yes)
                a->run[a->n - 1]++;
        else if (a->n < HB_ENGINE_ANSWERS)
                a->run[a->n++] = 1;
        else
                a->cut = true;
}

/* As it was answered when the input now replayed happened. */
static bool answered(struct hb_engine *e) {
        const struct hb_engine_input *in = e->again;

        while (e->again_run < in->nanswers && e->again_used == in->answers[e->again_run]) {
                e->again_run++;
                e->again_used = 0;
        }
        e->again_used++;
        return e->again_run >= in->nanswers || e->again_run % 2 == 0;
}

int hb_engine_ask_fetch(struct hb_engine *e, uint64_t gfn, uint32_t pages, enum hb_fetch_class c,
                        unsigned bucket) {
        bool yes = e->again ? answered(e) : !hb_fault("engine.fetch");

        if (yes)
                yes = e->ops.fetch(e->arg, gfn, pages, c) >= 0 || e->again;
        if (e->tap)
                note(&e->heard, yes);
        if (yes && e->decided)
                e->decided(e->decided_arg, gfn, pages, c, bucket);
        return yes ? 0 : -EAGAIN;
}

int hb_engine_ask_copy(struct hb_engine *e, uint64_t gfn, uint32_t pages, enum hb_fetch_class c,
                       unsigned bucket) {
        bool yes = e->again ? answered(e) : !hb_fault("engine.copy");

        if (yes && e->ops.copy)
                yes = e->ops.copy(e->arg, gfn, pages, c) >= 0 || e->again;
        if (e->tap)
                note(&e->heard, yes);
        if (yes && e->decided)
                e->decided(e->decided_arg, gfn, pages, c, bucket);
        return yes ? 0 : -EAGAIN;
}

bool hb_engine_ask_zero(struct hb_engine *e, uint64_t gfn, uint64_t pages) {
        bool yes = e->again ? answered(e) : !hb_fault("engine.zero");

        if (yes)
                yes = e->image.zero(e->image.arg, gfn, pages) == 0 || e->again;
        if (e->tap)
                note(&e->heard, yes);
        return yes;
}

/* ---- the tap ---- */

void hb_engine_tell_it(struct hb_engine *e, struct hb_engine_input *in) {
        struct hb_answers *a = &e->heard;
        uint32_t n = a->n - a->n % 2; /* what ends with yes goes without saying */

        in->answers = a->run;
        in->nanswers = n;
        in->answers_cut = a->cut;
        in->taken = n ? a->run[0] : UINT32_MAX;
        a->n = 0;
        a->cut = false;
        e->tap(e->tap_arg, in);
}

void hb_engine_set_decided(hb_engine *e, hb_engine_decided *decided, void *arg) {
        e->decided = decided;
        e->decided_arg = arg;
}

static bool as_new(const struct hb_image_page *p) {
        static const struct hb_image_page none;

        return memcmp(p, &none, sizeof(none)) == 0;
}

static bool joins(const struct hb_engine_input_page *r, uint64_t gfn, const struct hb_image_page *p) {
        return r->gfn + r->pages == gfn && r->stamp == p->c.stamp && r->invalid == p->c.invalid &&
               r->last_access == p->last_access && r->flags == p->flags && r->fetches == p->fetches &&
               r->write_q == p->write_q && r->read_q == p->read_q;
}

/* Counts the runs; writes them where `to` is given. */
static uint64_t runs_of(const struct hb_engine *e, struct hb_engine_input_page *to) {
        struct hb_engine_input_page run = {0};
        uint64_t n = 0;

        for (uint64_t g = 0; g < e->ledger.npages; g++) {
                struct hb_image_page p = e->ledger.pages[g];

                p.flags &= (uint8_t)~HB_IP_SPILLED; /* where the bytes lie decides nothing */
                if (as_new(&p))
                        continue;
                if (run.pages == 0 || !joins(&run, g, &p)) {
                        run = (struct hb_engine_input_page){.gfn = g,
                                                            .stamp = p.c.stamp,
                                                            .invalid = p.c.invalid,
                                                            .last_access = p.last_access,
                                                            .flags = p.flags,
                                                            .fetches = p.fetches,
                                                            .write_q = p.write_q,
                                                            .read_q = p.read_q};
                        n++;
                }
                run.pages++;
                if (to)
                        to[n - 1] = run;
        }
        return n;
}

/* Policies that were swapped before the engine was told of it: then what decides is not what a header names.
 */
static bool swapped(const struct hb_engine *e) {
        struct hb_policy_status s;

        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                for (unsigned at = HB_POLICY_SHADOWING; at <= HB_POLICY_PREVIOUS; at++)
                        if (hb_policies_status_of(e->planner.policies, (enum hb_policy_kind)k,
                                                  (enum hb_policy_place)at, &s) == 0)
                                return true;
        return false;
}

int hb_engine_set_tap(hb_engine *e, hb_engine_tap *tap, void *arg) {
        struct hb_engine_input in = {.kind = HB_IN_BEGIN, .now_ns = e->now_ns, .on = !e->told && !swapped(e)};
        struct hb_engine_input_page *runs = NULL;

        e->tap = NULL;
        if (!tap)
                return 0;
        in.to = *e->image.processed;
        in.nbegin = runs_of(e, NULL);
        if (in.nbegin > 0) {
                runs = hb_fault("engine.tap") ? NULL : malloc(in.nbegin * sizeof(*runs));
                if (!runs)
                        return -ENOMEM;
                runs_of(e, runs);
        }
        in.begin = runs;
        e->tap = tap;
        e->tap_arg = arg;
        e->heard.n = 0;
        e->heard.cut = false;
        hb_engine_tell_it(e, &in);
        free(runs);
        return 0;
}
