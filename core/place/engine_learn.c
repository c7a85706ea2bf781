/* engine_learn: the engine's past as policies see it: which page was accessed when, as far as was heard.
 *
 * What is an access of a known window: a page announced for one epoch (written in it), and a page whose
 * summary says that it was last accessed in an epoch announced alone. What is not, and never noted: a first
 * announcement (it says what is there), one for several epochs (when in them, nobody knows; a summary may
 * tell), the source's first scan, and one that names all pages there are: its source lost its state. A
 * window holds an epoch when it holds the epoch's middle; they are laid so that the first epoch's middle is
 * a window's, and one-second epochs that come a little early or late stay one a window.
 *
 * An epoch is known when the next one is announced: reads are heard of in between. Then, before anything of
 * the next one is applied, policies are shown what was observed, lessons whose horizon is over end, and a new
 * one begins: asked as of the epoch just ended, in the way a plan right after it would have been. While a
 * migration is under way nothing is asked, and lessons are forgotten: a stopped guest has no outcome.
 *
 * Invariant: what the engine's own policies are given depends on their own wishes alone, not on whether
 * others are informed beside them: when they begin to want it, all begins anew. So a replay with and without
 * a judge decides alike. Cost: two questions an announcement while nobody wants it. */
#include "base/clock.h"
#include "base/fault.h"
#include "map/history.h"
#include "map/summary.h"
#include "place/engine_priv.h"
#include <stdlib.h>
#include <string.h>

#define LOST_PAGES 4096u /* announcements of fewer pages may well name all there are */

/* ---- windows ---- */

static uint32_t window_at(const struct hb_learning *l, uint64_t ns) {
        uint64_t before = HB_LEARNING_FIRST - 1; /* windows before the origin that have a number */

        if (ns >= l->origin_ns)
                return HB_LEARNING_FIRST + (uint32_t)((ns - l->origin_ns) / HB_HISTORY_WINDOW_NS);
        before = (l->origin_ns - ns - 1) / HB_HISTORY_WINDOW_NS + 1;
        return before < HB_LEARNING_FIRST ? HB_LEARNING_FIRST - (uint32_t)before : 0;
}

static uint64_t length_ns(const struct hb_engine *e, uint32_t epoch, uint64_t end_ns) {
        uint64_t begin_ns;

        if (hb_epochs_at(&e->epochs, epoch - 1, &begin_ns) && begin_ns < end_ns)
                return end_ns - begin_ns;
        return (uint64_t)(e->epochs.epoch_s * 1e9);
}

static uint64_t middle_ns(const struct hb_engine *e, uint32_t epoch, uint64_t end_ns) {
        uint64_t half = length_ns(e, epoch, end_ns) / 2;

        return half < end_ns ? end_ns - half : 0;
}

/* 0: not known, or before all windows. */
static uint32_t window_of(struct hb_engine *e, uint32_t epoch) {
        struct hb_learning *l = &e->learning;
        uint64_t end_ns;

        if (l->known != epoch) {
                l->known = epoch;
                l->known_window = 0;
                if (epoch > 1 && hb_epochs_at(&e->epochs, epoch, &end_ns))
                        l->known_window = window_at(l, middle_ns(e, epoch, end_ns));
                if (l->known_window > l->window)
                        l->known_window = 0;
        }
        return l->known_window;
}

uint32_t hb_engine_window(const struct hb_engine *e) {
        const struct hb_learning *l = &e->learning;
        uint64_t late = (uint64_t)(e->epochs.epoch_s * 2e9);
        uint32_t silent;

        if (!l->room)
                return 0;
        silent = e->now_ns > late ? window_at(l, e->now_ns - late)
                                  : 0; /* the source is silent: time goes on */
        return silent > l->window ? silent : l->window;
}

/* ---- who listens ---- */

struct listeners {
        hb_policies *p[2];
        unsigned n;
};

static struct listeners listening(const struct hb_engine *e, bool others) {
        struct listeners s = {{NULL, NULL}, 0};

        if (e->learning.own)
                s.p[s.n++] = e->planner.policies;
        if (e->learning.others && others)
                s.p[s.n++] = e->learning.also;
        return s;
}

static bool moving(const struct hb_engine *e) {
        return e->s.draining || e->s.frozen;
}

void hb_engine_learn_forget(struct hb_engine *e) {
        struct listeners s = listening(e, true);

        if (!e->learning.room)
                return;
        hb_lessons_forget(&e->learning.room->lessons);
        for (unsigned i = 0; i < s.n; i++)
                hb_policies_forget_lessons(s.p[i]);
}

/* ---- begun and ended ---- */

static struct hb_learning_room *room_free(struct hb_learning_room *r) {
        if (!r)
                return NULL;
        hb_history_free(r->history);
        hb_columns_fini(&r->columns);
        hb_bitmap_fini(&r->accessed);
        hb_bitmap_fini(&r->written);
        free(r);
        return NULL;
}

static struct hb_learning_room *room_new(uint64_t pages) {
        struct hb_learning_room *r = hb_fault("engine.learn") ? NULL : calloc(1, sizeof(*r));

        if (r && hb_history_new(pages, &r->history) == 0 &&
            hb_columns_init(&r->columns, HB_LESSON_PAGES) == 0 && hb_bitmap_init(&r->accessed, pages) == 0 &&
            hb_bitmap_init(&r->written, pages) == 0)
                return r;
        return room_free(r);
}

void hb_engine_learn_free(struct hb_engine *e) {
        e->learning.room = room_free(e->learning.room);
}

static void end(struct hb_engine *e) {
        hb_engine_learn_forget(e);
        e->learning.room = room_free(e->learning.room);
}

/* Without memory it begins at a later announcement. */
static void begin(struct hb_engine *e, uint32_t to) {
        struct hb_learning *l = &e->learning;
        uint64_t middle = middle_ns(e, to, e->now_ns);

        end(e);
        l->room = room_new(e->ledger.npages);
        l->origin_ns = middle > HB_HISTORY_WINDOW_NS / 2 ? middle - HB_HISTORY_WINDOW_NS / 2 : 0;
        l->window = window_at(l, middle);
        l->lesson_due = l->window + (uint32_t)e->o.horizon_s;
        l->epoch = l->known = l->known_window = 0;
        l->others_from = 1;
}

/* Once an announcement: swaps take effect, and who wants to learn is asked. */
static void ask_who_wants(struct hb_engine *e, uint32_t to) {
        struct hb_learning *l = &e->learning;
        struct hb_policy_guest guest;
        struct hb_plan_inputs in;
        bool own, others;

        hb_engine_plan_view(e, e->now_ns, &guest, &in);
        hb_policies_epoch(e->planner.policies, &guest);
        if (l->also)
                hb_policies_epoch(l->also, &guest);
        own = hb_policies_want_lessons(e->planner.policies);
        others = l->also && hb_policies_want_lessons(l->also);
        if (!own && !others)
                end(e);
        else if (!l->room || (own && !l->own))
                begin(e, to);
        else if (others && !l->others)
                l->others_from = l->room->lessons.last + 1;
        l->own = own;
        l->others = others;
}

/* ---- what is heard ---- */

static void note_written(struct hb_engine *e, const struct hb_bitmap *written) {
        struct hb_learning_room *r = e->learning.room;

        hb_history_note_all(r->history, written, e->learning.window, true);
        hb_bitmap_or(&r->written, written);
        hb_bitmap_or(&r->accessed, written);
}

/* `before`: resident pages as of then; `pages`: of the announcement. A guest may write all it has, but then
 * it does so in epoch after epoch, while a source loses its state once. */
static bool names_all(const struct hb_engine *e, uint64_t before, uint64_t pages) {
        return before >= LOST_PAGES && pages >= before && pages == e->ledger.resident;
}

void hb_engine_learn_announced(struct hb_engine *e, uint32_t from, uint32_t to,
                               const struct hb_bitmap *written, uint64_t pages, uint64_t before) {
        struct hb_learning *l = &e->learning;
        bool all = names_all(e, before, pages), lost = all && !l->all_before;
        uint32_t window;

        l->all_before = all;
        ask_who_wants(e, to);
        if (!l->room)
                return;
        window = window_at(l, middle_ns(e, to, e->now_ns));
        if (window > l->window)
                l->window = window;
        l->epoch = l->known = l->known_window = 0;
        if (from == 0 || to - from > 1 || lost) {
                hb_engine_learn_forget(e);
                return;
        }
        l->epoch = to;
        l->epoch_ns = e->now_ns;
        note_written(e, written);
}

/* A page whose last access was a write is there already, but for one announced with other epochs. */
void hb_engine_learn_summary(struct hb_engine *e, const struct hb_summary_entry *s) {
        struct hb_learning_room *r = e->learning.room;
        uint32_t window = window_of(e, s->last_access);
        bool written = s->version == s->last_access;

        if (window == 0)
                return;
        for (uint64_t g = s->gfn; g < s->gfn + s->pages; g++)
                hb_history_note(r->history, g, window, written);
        if (s->last_access == e->learning.epoch)
                hb_bitmap_set_range(&r->accessed, s->gfn, s->pages);
}

/* ---- an epoch is known ---- */

/* Runs from page `at` on until `end`, all written or all not. Returns how many fit. */
static uint32_t list_runs(struct hb_learning_room *r, uint64_t at, uint64_t end, uint32_t n) {
        uint64_t first = at, count = 0;

        while (hb_bitmap_next_run(&r->accessed, first + count, 0, &first, &count) && first < end) {
                uint64_t g = first, stop = first + count < end ? first + count : end;

                while (g < stop) {
                        struct hb_policy_run run = {g, 0, hb_bitmap_test(&r->written, g)};

                        for (; g < stop && hb_bitmap_test(&r->written, g) == run.written; g++)
                                run.pages++;
                        if (n == HB_OBSERVED_RUNS)
                                return n + 1;
                        r->runs[n++] = run;
                }
        }
        return n;
}

static void reverse(struct hb_policy_run *a, uint32_t n) {
        for (uint32_t i = 0; i < n / 2; i++) {
                struct hb_policy_run t = a[i];

                a[i] = a[n - 1 - i];
                a[n - 1 - i] = t;
        }
}

/* When there are more than fit, those that are left out are others in each epoch. */
static struct hb_policy_observed observed(struct hb_engine *e) {
        struct hb_learning_room *r = e->learning.room;
        struct hb_policy_observed o = {.epoch = e->learning.epoch,
                                       .now_s = (double)e->learning.epoch_ns / 1e9,
                                       .accessed = hb_bitmap_count(&r->accessed),
                                       .written = hb_bitmap_count(&r->written)};
        uint64_t blocks = e->ledger.npages >> HB_BLOCK_SHIFT;
        uint64_t from = blocks ? (o.epoch * 0x9E3779B97F4A7C15ull >> 33) % blocks << HB_BLOCK_SHIFT : 0;
        uint32_t high, n;

        high = n = list_runs(r, from, e->ledger.npages, 0);
        if (n <= HB_OBSERVED_RUNS)
                n = list_runs(r, 0, from, n);
        o.cut = n > HB_OBSERVED_RUNS;
        o.nruns = o.cut ? HB_OBSERVED_RUNS : n;
        high = high < o.nruns ? high : o.nruns;
        reverse(r->runs, high); /* the part before `from` goes to the front */
        reverse(r->runs + high, o.nruns - high);
        reverse(r->runs, o.nruns);
        o.runs = r->runs;
        return o;
}

static void end_lessons(struct hb_engine *e, const struct hb_policy_guest *g) {
        struct hb_learning *l = &e->learning;
        struct hb_policy_outcome o;
        int rc;

        while (hb_lessons_end(&l->room->lessons, l->room->history, l->window, &o, &rc)) {
                struct listeners s = listening(e, o.lesson >= l->others_from);

                for (unsigned i = 0; i < s.n; i++)
                        hb_policies_learn(s.p[i], &o, g);
        }
        if (rc < 0)
                hb_engine_learn_forget(e);
}

static uint32_t lesson_horizon(const struct hb_engine *e) {
        double h = e->o.horizon_s * (1e9 / (double)HB_HISTORY_WINDOW_NS) + 0.5;

        return h >= HB_LESSON_HORIZON ? HB_LESSON_HORIZON : h < 1 ? 1 : (uint32_t)h;
}

/* The run that each page of the sample would be fetched in, were it asked for now. */
static void measure_runs(const struct hb_engine *e, struct hb_columns *c, uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                c->run_length[i] =
                        (float)hb_planner_run_of(&e->planner, &e->ledger, e->image.shape, c->gfn[i]);
}

static void begin_lesson(struct hb_engine *e, struct hb_plan_inputs *in, struct hb_policy_guest *g) {
        struct hb_learning *l = &e->learning;
        uint32_t horizon = lesson_horizon(e);
        const struct hb_lesson *s;
        struct listeners to = listening(e, true);

        if (l->window < l->lesson_due)
                return;
        s = hb_lessons_begin(&l->room->lessons, l->room->history, e->ledger.pages, l->window, horizon,
                             (double)l->epoch_ns / 1e9);
        if (!s)
                return;
        l->lesson_due = l->window + HB_LESSON_S;
        memcpy(l->room->columns.gfn, s->gfn, s->n * sizeof(*s->gfn));
        hb_columns_fill(&l->room->columns, in, s->n);
        measure_runs(e, &l->room->columns, s->n);
        g->horizon_s = horizon;
        for (unsigned i = 0; i < to.n; i++)
                hb_policies_rehearse(to.p[i], &l->room->columns.view, g, &e->link, &e->accuracy.out,
                                     e->planner.cut);
}

void hb_engine_learn_epoch(struct hb_engine *e) {
        struct hb_learning *l = &e->learning;
        struct listeners s = listening(e, true);
        struct hb_policy_guest guest;
        struct hb_plan_inputs in;

        if (l->epoch != 0 && !moving(e)) {
                struct hb_policy_observed o = observed(e);

                hb_engine_plan_view(e, l->epoch_ns, &guest, &in);
                in.window = l->window;
                for (unsigned i = 0; i < s.n; i++)
                        hb_policies_observe(s.p[i], &o, &guest);
                end_lessons(e, &guest);
                begin_lesson(e, &in, &guest);
        }
        l->epoch = 0;
        hb_bitmap_clear_all(&l->room->accessed);
        hb_bitmap_clear_all(&l->room->written);
}

void hb_engine_inform(hb_engine *e, hb_policies *also) {
        struct hb_learning *l = &e->learning;

        if (l->also && l->others)
                hb_policies_forget_lessons(l->also);
        l->also = also;
        l->others = false; /* asked at the next announcement */
}
