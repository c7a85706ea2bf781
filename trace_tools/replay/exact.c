/* exact: a recorded engine's inputs into another engine, which then must come to the same decisions: at every
 * digest mark the two are compared.
 *
 * Invariant: what the recorded transport answered is part of the inputs, so nothing is simulated here. An
 * engine that is made anew in the recording (the placement began again) is made anew here, policies too.
 * Inputs before the first BEGIN belong to an engine whose beginning was not recorded and are passed over. */
#include "base/fault.h"
#include "replay/replay_priv.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int op_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        return 0; /* the recorded answer counts */
}

static void op_report(void *arg) {
}

static void op_epoch(void *arg, uint32_t epoch) {
}

static int op_zero(void *arg, uint64_t gfn, uint64_t pages) {
        return 0;
}

int hb_replay_exact_new(struct hb_replay *r, struct hb_err *e) {
        struct hb_replay_exact *x = &r->x;
        struct hb_rd rd = hb_rd_init(r->h->engine, r->h->engine_size);
        uint64_t n = r->h->shape.pages;

        if (hb_engine_options_decode(&rd, &x->options) < 0)
                return hb_err_set(e, -EBADMSG, r->h->guest, "replay it simulated, with --simulated",
                                  "the header's engine options cannot be read");
        if (r->o.horizon_s > 0)
                x->options.horizon_s = r->o.horizon_s;
        x->pages = hb_fault("replay.exact") ? NULL : calloc(n, sizeof(*x->pages));
        if (!x->pages || hb_bitmap_init(&x->accessed, n) < 0 || hb_bitmap_init(&x->written, n) < 0 ||
            hb_bitmap_init(&x->fresh, n) < 0 || hb_bitmap_init(&x->room.scratch, n) < 0)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a replay");
        return 0;
}

void hb_replay_exact_free(struct hb_replay *r) {
        struct hb_replay_exact *x = &r->x;

        hb_engine_free(x->engine);
        hb_engine_input_room_fini(&x->room);
        hb_bitmap_fini(&x->accessed);
        hb_bitmap_fini(&x->written);
        hb_bitmap_fini(&x->fresh);
        free(x->pages);
}

static int unreadable(const struct hb_replay *r, const struct hb_trace_item *i, const char *what,
                      struct hb_err *e) {
        return hb_err_set(e, -EBADMSG, r->h->guest,
                          "harbinger trace verify it; or replay it with --simulated", "after epoch %u: %s",
                          i->epoch, what);
}

/* What they remember is of the engine that was. */
static int make_anew(const struct hb_replay *r, hb_policies **set, struct hb_err *e) {
        hb_policies *fresh;
        int rc = hb_replay_policies(r, &fresh, e);

        if (rc < 0)
                return rc;
        hb_policies_free(*set);
        *set = fresh;
        return 0;
}

static int begin(struct hb_replay *r, const struct hb_trace_item *i, const struct hb_engine_input *in,
                 struct hb_err *e) {
        static const struct hb_engine_ops ops = {op_fetch, op_report, op_epoch, op_epoch, op_fetch};
        struct hb_replay_exact *x = &r->x;
        struct hb_engine_image image = {
                .shape = &r->h->shape, .pages = x->pages, .processed = &x->processed, .zero = op_zero};
        int rc;

        x->engine = hb_engine_free(x->engine);
        rc = hb_engine_input_begin(in, x->pages, r->h->shape.pages, &x->processed);
        if (rc == -ENODATA)
                return hb_err_set(
                        e, rc, r->h->guest,
                        "replay it with --simulated; begin recording before the placement next time",
                        "recording began in the midst of a placement, so what its engine knew is not "
                        "all in the trace");
        if (rc < 0)
                return unreadable(r, i, "the engine's beginning does not fit the guest", e);
        rc = make_anew(r, &r->policies, e);
        if (rc == 0 && r->judged)
                rc = make_anew(r, &r->judged, e);
        if (rc < 0)
                return rc;
        rc = hb_engine_new(&x->options, &image, r->policies, &ops, r, &x->engine);
        if (rc < 0)
                return hb_err_set(e, rc, r->h->guest, NULL, "cannot set up the engine");
        hb_engine_inform(x->engine, r->judged);
        r->course = (struct hb_replay_course_of){.begin_ns = i->time_ns};
        return 1;
}

/* It was taken when it was recorded: refused now, it is not the same program or machine that replays. */
static int refused(const struct hb_replay *r, const struct hb_trace_item *i, const struct hb_engine_input *in,
                   int rc, struct hb_err *e) {
        static const char *const what[HB_POLICY_OPS] = {
                "", "a shadow", "a promotion", "a rollback", "dropping a shadow", "a param", "a model"};

        return hb_err_set(e, rc, in->change->name[0] ? in->change->name : r->h->guest,
                          "replay it with the version that recorded it, or with --simulated",
                          "after epoch %u: %s of the recording is refused: %s", i->epoch,
                          what[in->change->op], hb_errno_name(rc));
}

static int take_input(struct hb_replay *r, const struct hb_trace_item *i, struct hb_err *e) {
        struct hb_rd rd = hb_rd_init(i->event.raw.data, i->event.raw.size);
        struct hb_engine_input in;
        int rc;

        if (hb_engine_input_decode(&rd, r->h->shape.pages, &in, &r->x.room) < 0)
                return unreadable(r, i, "an input of the engine cannot be read", e);
        if (in.kind == HB_IN_BEGIN)
                return begin(r, i, &in, e);
        if (in.kind == HB_IN_LINK)
                r->heard_link = in.link;
        rc = r->x.engine ? hb_engine_input_apply(r->x.engine, &in) : 0;
        if (rc < 0 && in.kind == HB_IN_CHANGE)
                return refused(r, i, &in, rc, e);
        return rc < 0 ? unreadable(r, i, "an input of the engine makes no sense", e) : 1;
}

/* What the engine was told and the recorder had no room for: from here on its decisions cannot be had again.
 */
static int inputs_lost(struct hb_replay *r, const struct hb_trace_item *i, struct hb_err *e) {
        char next[96];

        if (i->epoch > 1)
                snprintf(next, sizeof next, "replay it with --simulated, or with --until %u", i->epoch - 1);
        else
                snprintf(next, sizeof next, "replay it with --simulated");
        return hb_err_set(
                e, -ENODATA, r->h->guest, next,
                "the recorder dropped %llu of the engine's inputs after epoch %u: what follows cannot be "
                "replayed exactly",
                (unsigned long long)i->event.mark.value, i->epoch);
}

/* The recorded move, as the recorder marked it. */
static void note_move(struct hb_replay_course_of *c, const struct hb_trace_item *i) {
        switch (i->event.mark.kind) {
        case HB_MARK_MIGRATE:
                c->asked_ns = i->time_ns;
                break;
        case HB_MARK_FREEZE:
                c->stop_ns = i->time_ns;
                break;
        case HB_MARK_COMPLETE:
                c->run_ns = i->time_ns;
                break;
        case HB_MARK_THAW:
                c->asked_ns = c->stop_ns = c->run_ns = 0;
                break;
        default:
                break;
        }
}

static int take_mark(struct hb_replay *r, const struct hb_trace_item *i, struct hb_err *e) {
        struct hb_engine_stats s;

        note_move(&r->course, i);
        hb_replay_tell_mark(r, &i->event);
        if (i->event.mark.kind == HB_MARK_DROPPED && strcmp(i->event.mark.text, "input") == 0 && r->x.engine)
                return inputs_lost(r, i, e);
        if (i->event.mark.kind != HB_MARK_DIGEST || !r->x.engine)
                return 1;
        hb_engine_stats(r->x.engine, &s);
        if (!r->r.digest_known)
                r->r.digest_matches = true;
        r->r.digest_known = true;
        r->r.recorded_digest = i->event.mark.value;
        if (s.digest != i->event.mark.value && r->r.digest_matches) {
                r->r.digest_matches = false;
                r->r.first_difference = i->epoch ? i->epoch : 1;
        }
        return 1;
}

/* ---- epochs: what was heard of the guest, for judging ---- */

static void note_fresh(struct hb_replay_exact *x, uint64_t pages) {
        hb_bitmap_clear_all(&x->fresh);
        for (uint64_t g = 0; g < pages; g++)
                if (hb_engine_page(x->engine, g) == HB_PAGE_FRESH)
                        hb_bitmap_set(&x->fresh, g);
}

static void look_at(struct hb_replay *r, const struct hb_trace_item *i) {
        struct hb_replay_exact *x = &r->x;
        uint64_t covered = 0;

        hb_bitmap_clear_all(&x->accessed);
        hb_bitmap_clear_all(&x->written);
        for (size_t k = 0; k < i->naccess; k++) {
                hb_bitmap_set(&x->accessed, i->access[k].gfn);
                if (i->access[k].writes)
                        hb_bitmap_set(&x->written, i->access[k].gfn);
                r->point.written += i->access[k].writes > 0;
                covered += hb_bitmap_test(&x->fresh, i->access[k].gfn);
        }
        r->point.accessed = i->naccess;
        r->point.coverage = i->naccess ? (double)covered / (double)i->naccess : 0;
}

static void keep_map(struct hb_replay *r, uint64_t time_ns) {
        struct hb_replay_exact *x = &r->x;

        hb_bitmap_or(&r->resident, &x->accessed);
        for (uint64_t g = 0; g < r->h->shape.pages; g++)
                if (x->pages[g].flags & HB_IP_RESIDENT)
                        hb_bitmap_set(&r->resident, g);
        hb_page_map_apply(r->map, time_ns, &x->written, &x->accessed, NULL, false);
        hb_page_map_set_resident(r->map, &r->resident);
}

static int take_epoch(struct hb_replay *r, const struct hb_trace_item *i, struct hb_err *e) {
        int rc = hb_replay_note_time(r, i, e);

        if (rc < 0)
                return rc;
        look_at(r, i);
        if (r->map)
                keep_map(r, i->time_ns - r->begin_ns + HB_REPLAY_BASE_NS);
        if (r->x.engine)
                note_fresh(&r->x, r->h->shape.pages);
        rc = hb_replay_judge(r, i->time_ns, &r->x.accessed, &r->x.written);
        return rc < 0 ? hb_err_set(e, rc, r->h->guest, NULL, "the replay failed in epoch %u", i->epoch) : 1;
}

int hb_replay_exact_item(struct hb_replay *r, const struct hb_trace_item *i, struct hb_err *e) {
        if (i->kind == HB_TRACE_EPOCH)
                return take_epoch(r, i, e);
        if (i->kind != HB_TRACE_EVENT)
                return 1;
        if (i->event.stream == HB_TRACE_INPUT)
                return take_input(r, i, e);
        return i->event.stream == HB_TRACE_MARK ? take_mark(r, i, e) : 1;
}
