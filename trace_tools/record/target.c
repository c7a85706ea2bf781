/* target: a tap's word made into a trace's streams. Invariant: an input is put before what is derived from
 * it, so a digest mark speaks of all inputs before it. Cost: a copy of the input, a bit a page it names, and
 * once an epoch the words of four bitmaps. Owned by the loop. */
#include "record/target.h"
#include "base/clock.h"
#include "base/fault.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_NS    (100 * HB_NS_PER_MS) /* how long an epoch waits for its summary */
#define NETWORK_NS HB_NS_PER_S

struct hb_record_target {
        hb_recorder *r;
        hb_engine *engine;
        const hb_policies *policies;
        uint64_t now_ns;
        bool exact, draining, complete;
        /* the epoch that is open; 0: none */
        uint32_t epoch, processed;
        uint64_t epoch_ns, network_ns;
        struct hb_bitmap reads, writes;
        bool any;
        /* pages that hold data: told, and not yet told */
        struct hb_bitmap resident, fresh;
        bool any_fresh;
        uint64_t summary_pages, errors[HB_POLICY_KINDS], starved[HB_POLICY_KINDS];
        char hash[HB_POLICY_KINDS][33]; /* of who decides, as last told */
        struct hb_policy_link link;
};

/* ---- header ---- */

void hb_record_target_header(const hb_policies *p, const struct hb_engine_options *o, uint64_t seed,
                             struct hb_trace_header *h) {
        struct hb_buf b = {0};

        for (int k = 0; k < HB_POLICY_KINDS; k++) {
                struct hb_policy_status s;

                hb_policies_status(p, (enum hb_policy_kind)k, &s);
                memcpy(h->policies[k].name, s.name, sizeof(s.name));
                memcpy(h->policies[k].version, s.version, sizeof(s.version));
                memcpy(h->policies[k].hash, s.hash, sizeof(s.hash));
        }
        h->seed = seed;
        hb_engine_options_encode(o, &b);
        if (!b.failed && b.len <= sizeof(h->engine)) {
                memcpy(h->engine, b.data, b.len);
                h->engine_size = (uint32_t)b.len;
        }
        hb_buf_free(&b);
}

/* ---- policies ---- */

static void name_policy(struct hb_record_target *t, int k, const struct hb_policy_status *s) {
        char text[256];

        snprintf(text, sizeof(text), "%s %s %s", s->name, s->version, s->hash);
        memcpy(t->hash[k], s->hash, sizeof(s->hash));
        t->errors[k] = s->errors;
        t->starved[k] = s->starved;
        hb_recorder_mark(t->r, t->now_ns, HB_MARK_POLICY, (uint64_t)k, text);
}

static void name_policies(struct hb_record_target *t) {
        for (int k = 0; k < HB_POLICY_KINDS; k++) {
                struct hb_policy_status s;

                hb_policies_status(t->policies, (enum hb_policy_kind)k, &s);
                name_policy(t, k, &s);
        }
}

/* An error that comes again in a replay is harmless; one of time (an overrun) is not, and they look alike. */
static void look_for_errors(struct hb_record_target *t, int k, const struct hb_policy_status *s) {
        if (s->errors != t->errors[k])
                hb_recorder_mark(t->r, t->now_ns, HB_MARK_POLICY_ERROR, (uint64_t)k, s->last_error);
        if (s->starved != t->starved[k])
                hb_recorder_mark(t->r, t->now_ns, HB_MARK_POLICY_ERROR, (uint64_t)k,
                                 "there was no time left for it in this epoch");
        t->errors[k] = s->errors;
        t->starved[k] = s->starved;
}

/* Who decides now, if it is another than at the last look (a promotion takes effect between two epochs), and
 * what went wrong. */
static void look_at_policies(struct hb_record_target *t) {
        for (int k = 0; k < HB_POLICY_KINDS; k++) {
                struct hb_policy_status s;

                hb_policies_status(t->policies, (enum hb_policy_kind)k, &s);
                if (strcmp(s.hash, t->hash[k]) != 0)
                        name_policy(t, k, &s);
                else
                        look_for_errors(t, k, &s);
        }
}

/* ---- epochs ---- */

static void say_outcome(struct hb_record_target *t, const struct hb_engine_stats *s) {
        struct hb_trace_event ev = {.stream = HB_TRACE_OUTCOME, .time_ns = t->now_ns};

        ev.outcome.hit = s->hit;
        ev.outcome.late = s->late;
        ev.outcome.stale = s->frozen ? s->stale_at_freeze : s->stale;
        ev.outcome.wasted = s->wasted_pages;
        ev.outcome.fresh = s->fresh;
        ev.outcome.resident = s->resident;
        ev.outcome.bytes = s->fetched_bytes;
        ev.outcome.wire_bytes = s->wire_bytes;
        ev.outcome.threshold = s->threshold;
        ev.outcome.precision = s->precision < 0 ? (double)NAN : s->precision;
        ev.outcome.recall = s->recall < 0 ? (double)NAN : s->recall;
        hb_recorder_event(t->r, &ev);
}

static void say_digest(struct hb_record_target *t, const struct hb_engine_stats *s) {
        if (t->exact)
                hb_recorder_mark(t->r, t->now_ns, HB_MARK_DIGEST, s->digest, "");
}

static void say_resident(struct hb_record_target *t) {
        if (!t->any_fresh)
                return;
        hb_recorder_resident(t->r, t->now_ns, &t->fresh);
        hb_bitmap_or(&t->resident, &t->fresh);
        hb_bitmap_clear_all(&t->fresh);
        t->any_fresh = false;
}

static void close_epoch(struct hb_record_target *t) {
        struct hb_engine_stats s;

        if (!t->epoch)
                return;
        say_resident(t);
        hb_recorder_epoch(t->r, t->epoch, t->now_ns, &t->reads, &t->writes);
        if (t->any) {
                hb_bitmap_clear_all(&t->reads);
                hb_bitmap_clear_all(&t->writes);
        }
        t->any = false;
        t->epoch = 0;
        hb_engine_stats(t->engine, &s);
        say_outcome(t, &s);
        look_at_policies(t);
        say_digest(t, &s);
}

static void note_resident(struct hb_record_target *t, uint64_t first, uint64_t n) {
        for (uint64_t g = first; g < first + n; g++)
                if (!hb_bitmap_test(&t->resident, g)) {
                        hb_bitmap_set(&t->fresh, g);
                        t->any_fresh = true;
                }
}

/* Announced at once for several epochs: all of it is told of the last one, and a note says since when. A
 * first announcement (from 0) names what is there, not what was written. */
static void on_invalidate(struct hb_record_target *t, const struct hb_engine_input *in) {
        uint64_t first = 0, n = 0;
        struct hb_engine_stats s;

        hb_engine_stats(t->engine, &s);
        if (s.processed == t->processed)
                return; /* came twice, or too early */
        t->processed = s.processed;
        close_epoch(t);
        t->epoch = in->to;
        t->epoch_ns = t->now_ns;
        while (hb_bitmap_next_run(in->set, first + n, 0, &first, &n)) {
                note_resident(t, first, n);
                if (in->from != 0) {
                        hb_bitmap_set_range(&t->writes, first, n);
                        t->any = true;
                }
        }
        if (in->from != 0 && in->to - in->from > 1) {
                char text[96];

                snprintf(text, sizeof(text), "epochs %u to %u were announced as one", in->from + 1, in->to);
                hb_recorder_mark(t->r, t->now_ns, HB_MARK_NOTE, in->to, text);
        }
}

static void on_summary(struct hb_record_target *t, const struct hb_summary_entry *s) {
        t->summary_pages += s->pages;
        if (s->block) /* a word is of no one page */
                return;
        if (s->resident)
                note_resident(t, s->gfn, s->pages);
        if (t->epoch && s->last_access == t->epoch && s->last_access > s->version) {
                hb_bitmap_set_range(&t->reads, s->gfn, s->pages);
                t->any = true;
        }
}

void hb_record_target_summary(hb_record_target *t, uint64_t now_ns, uint32_t epoch, uint64_t bytes) {
        struct hb_trace_event ev = {.stream = HB_TRACE_SUMMARY, .time_ns = now_ns};

        ev.summary.epoch = epoch;
        ev.summary.bytes = bytes;
        ev.summary.pages = t->summary_pages;
        t->summary_pages = 0;
        hb_recorder_event(t->r, &ev);
}

/* ---- the rest of the inputs ---- */

static void on_link(struct hb_record_target *t, const struct hb_policy_link *l) {
        struct hb_trace_event ev = {.stream = HB_TRACE_NETWORK, .time_ns = t->now_ns};

        if (t->network_ns && t->now_ns - t->network_ns < NETWORK_NS)
                return;
        t->network_ns = t->now_ns;
        ev.network.latency_s = l->latency_s;
        ev.network.bytes_per_s = l->bytes_per_s;
        ev.network.free_bytes_per_s = l->free_bytes_per_s;
        ev.network.used_share = l->used_share;
        ev.network.cap_bytes_per_s = l->cap_bytes_per_s;
        hb_recorder_event(t->r, &ev);
}

static void on_transfer(struct hb_record_target *t, const struct hb_engine_input *in) {
        struct hb_trace_event ev = {.stream = HB_TRACE_TRANSFER, .time_ns = t->now_ns};

        ev.transfer.gfn = in->gfn;
        ev.transfer.pages = in->pages;
        ev.transfer.stamp = in->stamp;
        ev.transfer.wire_bytes = in->wire_bytes;
        ev.transfer.failed = in->kind == HB_IN_FAILED || in->kind == HB_IN_REFUTED;
        hb_recorder_event(t->r, &ev);
}

static void on_decided(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c, unsigned bucket) {
        struct hb_record_target *t = arg;
        struct hb_trace_event ev = {.stream = HB_TRACE_DECISION, .time_ns = t->now_ns};

        ev.decision.gfn = gfn;
        ev.decision.pages = pages;
        ev.decision.epoch = t->processed;
        ev.decision.fetch_class = (uint8_t)c;
        ev.decision.bucket = (uint8_t)(bucket < HB_POLICY_BUCKETS ? bucket : HB_POLICY_BUCKETS - 1);
        hb_recorder_event(t->r, &ev);
}

static void on_drain(struct hb_record_target *t, bool on) {
        if (on != t->draining)
                hb_recorder_mark(t->r, t->now_ns, on ? HB_MARK_MIGRATE : HB_MARK_THAW, 0, "");
        t->draining = on;
}

static void on_step(struct hb_record_target *t) {
        struct hb_engine_stats s;

        hb_engine_stats(t->engine, &s);
        if (s.complete && !t->complete) {
                close_epoch(t);
                say_outcome(t, &s);
                hb_recorder_mark(t->r, t->now_ns, HB_MARK_COMPLETE, s.final_epoch, "");
                say_digest(t, &s);
        }
        t->complete = s.complete;
}

static void on_begin(struct hb_record_target *t, const struct hb_engine_input *in) {
        t->exact = in->on;
        t->processed = in->to;
        if (t->exact)
                hb_recorder_mark(t->r, t->now_ns, HB_MARK_ENGINE, 0, "");
        else
                hb_recorder_mark(t->r, t->now_ns, HB_MARK_NOTE, 0,
                                 "the placement was there before the recording: no exact replay");
        name_policies(t);
        for (uint64_t i = 0; i < in->nbegin; i++)
                if (in->begin[i].flags & HB_IP_RESIDENT)
                        note_resident(t, in->begin[i].gfn, in->begin[i].pages);
        say_resident(t);
}

static void derive(struct hb_record_target *t, const struct hb_engine_input *in) {
        switch (in->kind) {
        case HB_IN_INVALIDATE:
                on_invalidate(t, in);
                break;
        case HB_IN_SUMMARY:
                on_summary(t, &in->entry);
                break;
        case HB_IN_LINK:
                on_link(t, &in->link);
                break;
        case HB_IN_FETCHED:
        case HB_IN_FAILED:
        case HB_IN_COPIED: /* a transfer that cost the link nothing */
        case HB_IN_REFUTED:
                on_transfer(t, in);
                break;
        case HB_IN_DRAIN:
                on_drain(t, in->on);
                break;
        case HB_IN_FREEZE:
                hb_recorder_mark(t->r, t->now_ns, HB_MARK_FREEZE, in->to, "");
                break;
        case HB_IN_THAW:
                hb_recorder_mark(t->r, t->now_ns, HB_MARK_THAW, 0, "");
                break;
        case HB_IN_STEP:
                on_step(t);
                break;
        default:
                break;
        }
}

static void tap(void *arg, const struct hb_engine_input *in) {
        struct hb_record_target *t = arg;

        if (in->now_ns > t->now_ns)
                t->now_ns = in->now_ns;
        if (in->kind == HB_IN_BEGIN)
                on_begin(t, in);
        if (t->exact)
                hb_recorder_input(t->r, t->now_ns, in);
        if (in->answers_cut && t->exact) {
                t->exact = false;
                hb_recorder_mark(t->r, t->now_ns, HB_MARK_DROPPED, 1, "input");
                hb_recorder_mark(
                        t->r, t->now_ns, HB_MARK_NOTE, 0,
                        "the transport answered too variously to write down: no exact replay from here");
        }
        derive(t, in);
        if (t->epoch && t->now_ns - t->epoch_ns >= OPEN_NS)
                close_epoch(t);
}

/* ---- made and unmade ---- */

int hb_record_target_new(hb_recorder *r, hb_engine *e, const hb_policies *p, const struct hb_shape *shape,
                         uint64_t now_ns, hb_record_target **ret) {
        hb_record_target *t = hb_fault("record.target") ? NULL : calloc(1, sizeof(*t));
        int rc = -ENOMEM;

        if (!t)
                return rc;
        t->r = r;
        t->policies = p;
        t->now_ns = now_ns;
        t->engine = e;
        if (hb_bitmap_init(&t->reads, shape->pages) < 0 || hb_bitmap_init(&t->writes, shape->pages) < 0 ||
            hb_bitmap_init(&t->resident, shape->pages) < 0 || hb_bitmap_init(&t->fresh, shape->pages) < 0)
                goto fail;
        rc = hb_engine_set_tap(e, tap, t);
        if (rc < 0)
                goto fail;
        hb_engine_set_decided(e, on_decided, t);
        *ret = t;
        return 0;
fail:
        hb_record_target_free(t);
        return rc;
}

hb_record_target *hb_record_target_free(hb_record_target *t) {
        struct hb_engine_stats s;

        if (!t)
                return NULL;
        hb_engine_set_tap(t->engine, NULL, NULL);
        hb_engine_set_decided(t->engine, NULL, NULL);
        close_epoch(t);
        hb_engine_stats(t->engine, &s);
        look_at_policies(t);
        say_digest(t, &s);
        hb_bitmap_fini(&t->reads);
        hb_bitmap_fini(&t->writes);
        hb_bitmap_fini(&t->resident);
        hb_bitmap_fini(&t->fresh);
        free(t);
        return NULL;
}

bool hb_record_target_exact(const hb_record_target *t) {
        return t->exact;
}
