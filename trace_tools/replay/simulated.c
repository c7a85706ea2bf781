/* simulated: the trace's accesses into two simulated hosts. Items are given as they come; nothing of the
 * trace is kept. */
#include "base/fault.h"
#include "replay/replay_priv.h"
#include <errno.h>

#define LINK_BYTES_PER_S 125e6
#define LATENCY_S        200e-6
#define WIRE_SHARE       0.5
#define FINAL_EPOCH_S    0.05

static struct hb_engine_options engine_options(const struct hb_replay *r) {
        struct hb_engine_options o = {.final_epoch_s = FINAL_EPOCH_S};
        struct hb_rd rd = hb_rd_init(r->h->engine, r->h->engine_size);

        if (r->h->engine_size)
                hb_engine_options_decode(&rd, &o);
        o.horizon_s = hb_replay_horizon(r);
        if (r->h->epoch_ns)
                o.epoch_s = (double)r->h->epoch_ns / 1e9;
        return o;
}

int hb_replay_sim_new(struct hb_replay *r, struct hb_err *e) {
        const struct hb_replay_options *o = &r->o;
        struct hb_sim_options s = {
                .shape = r->h->shape,
                .engine = engine_options(r),
                .link_bytes_per_s = o->link_bytes_per_s > 0 ? o->link_bytes_per_s : LINK_BYTES_PER_S,
                .latency_s = o->latency_s > 0 ? o->latency_s : LATENCY_S,
                .wire_share = o->wire_share > 0 ? o->wire_share : WIRE_SHARE,
                .image_pages = o->image_bytes ? o->image_bytes >> HB_PAGE_SHIFT : r->h->shape.pages,
                .flags = r->h->flags,
                .begin_ns = HB_REPLAY_BASE_NS};

        return hb_sim_new(&s, r->policies, &r->sim, e);
}

static int damaged(const struct hb_replay *r, const char *what, struct hb_err *e) {
        return hb_err_set(e, -EBADMSG, r->h->guest, "harbinger trace verify it", "%s", what);
}

static int take_resident(struct hb_replay *r, const struct hb_trace_event *ev, struct hb_err *e) {
        struct hb_rd rd = hb_rd_init(ev->raw.data, ev->raw.size);

        hb_bitmap_clear_all(&r->resident);
        if (hb_runs_decode(&rd, &r->resident) < 0)
                return damaged(r, "a list of resident pages cannot be read", e);
        hb_sim_resident(r->sim, &r->resident);
        return 1;
}

static int failed(const struct hb_replay *r, int rc, uint32_t epoch, struct hb_err *e) {
        return hb_err_set(e, rc, r->h->guest, NULL, "the replay failed in epoch %u", epoch);
}

static int take_epoch(struct hb_replay *r, const struct hb_trace_item *i, struct hb_err *e) {
        bool first = !r->began;
        struct hb_sim_seen seen;
        int rc = hb_replay_note_time(r, i, e);

        if (rc < 0)
                return rc;
        if (first)
                rc = hb_sim_begin(r->sim);
        if (rc == 0)
                rc = hb_sim_epoch(r->sim, i->time_ns - r->begin_ns + HB_REPLAY_BASE_NS, i->access, i->naccess,
                                  &seen);
        if (rc < 0)
                return failed(r, rc, i->epoch, e);
        r->point.accessed = seen.accessed;
        r->point.written = seen.written;
        r->point.coverage = seen.accessed ? (double)seen.covered / (double)seen.accessed : 0;
        rc = hb_replay_judge(r, i->time_ns, &r->sim->accessed, &r->sim->written);
        return rc < 0 ? failed(r, rc, i->epoch, e) : 1;
}

int hb_replay_sim_item(struct hb_replay *r, const struct hb_trace_item *i, struct hb_err *e) {
        if (i->kind == HB_TRACE_EPOCH)
                return take_epoch(r, i, e);
        if (i->kind == HB_TRACE_EVENT && i->event.stream == HB_TRACE_RESIDENT)
                return take_resident(r, &i->event, e);
        if (i->kind == HB_TRACE_EVENT && i->event.stream == HB_TRACE_MARK)
                hb_replay_tell_mark(r, &i->event);
        return 1;
}
