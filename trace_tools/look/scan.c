/* scan: every item of a trace, once. Invariant: nothing read is believed: what is counted is what was read.
 * Memory: two bits a page. One thread. */
#include "look/scan.h"
#include "base/bitmap.h"
#include "base/fault.h"
#include "look/runs.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TICK_ITEMS 64u

struct scan {
        struct hb_scan *s;
        struct hb_bitmap seen, written, scratch;
        uint64_t pages, time_ns;
        uint32_t epoch;
};

static void damage(struct hb_scan *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void damage(struct hb_scan *s, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        if (s->damaged < HB_SCAN_DAMAGE)
                vsnprintf(s->damage[s->damaged], sizeof(s->damage[0]), fmt, ap);
        va_end(ap);
        s->damaged++;
}

static void see_time(struct scan *c, uint64_t time_ns) {
        if (time_ns < c->time_ns)
                damage(c->s, "time goes back after epoch %u, from %llu to %llu ns", c->epoch,
                       (unsigned long long)c->time_ns, (unsigned long long)time_ns);
        c->time_ns = time_ns;
}

/* ---- epochs ---- */
static bool see_access(struct scan *c, const struct hb_trace_access *a) {
        if (a->gfn >= c->pages)
                return false;
        hb_bitmap_set(&c->seen, a->gfn);
        if (a->writes)
                hb_bitmap_set(&c->written, a->gfn);
        c->s->reads += a->reads;
        c->s->writes += a->writes;
        return true;
}

static void see_epoch(struct scan *c, const struct hb_trace_item *i) {
        struct hb_scan *s = c->s;
        uint64_t before = UINT64_MAX;
        bool sound = true;

        if (s->epochs && i->epoch <= c->epoch)
                damage(s, "epoch %u follows epoch %u", i->epoch, c->epoch);
        else if (s->epochs)
                s->missing += i->epoch - c->epoch - 1;
        see_time(c, i->time_ns);
        for (size_t k = 0; k < i->naccess; k++) {
                const struct hb_trace_access *a = &i->access[k];

                sound = see_access(c, a) && sound && (before == UINT64_MAX || a->gfn > before) &&
                        (a->reads || a->writes);
                before = a->gfn;
        }
        if (!sound)
                damage(s, "epoch %u holds pages outside the guest, twice or out of order", i->epoch);
        c->epoch = i->epoch;
        s->first_ns = s->epochs ? s->first_ns : i->time_ns;
        s->last_ns = i->time_ns;
        s->epochs++;
        s->records += i->naccess;
        s->most = i->naccess > s->most ? i->naccess : s->most;
}

/* ---- events ---- */
static void see_mark(struct scan *c, const struct hb_trace_item *i) {
        const struct hb_trace_event *ev = &i->event;
        struct hb_scan *s = c->s;

        if ((unsigned)ev->mark.kind < HB_MARKS)
                s->mark_kinds[ev->mark.kind]++;
        if (ev->mark.kind == HB_MARK_DROPPED)
                s->dropped += ev->mark.value;
        if (ev->mark.kind == HB_MARK_DIGEST || ev->mark.kind == HB_MARK_ENGINE)
                return;
        if (s->nmarks < HB_SCAN_MARKS) {
                struct hb_scan_mark *m = &s->marks[s->nmarks];

                *m = (struct hb_scan_mark){.time_ns = i->time_ns,
                                           .value = ev->mark.value,
                                           .epoch = i->epoch,
                                           .kind = ev->mark.kind};
                snprintf(m->text, sizeof(m->text), "%.95s", ev->mark.text);
        }
        s->nmarks++;
}

static void see_run(struct scan *c, const char *stream, uint64_t gfn, uint32_t pages) {
        if (gfn >= c->pages || pages > c->pages - gfn)
                damage(c->s, "a %s after epoch %u names pages outside the guest", stream, c->epoch);
}

static void see_event(struct scan *c, const struct hb_trace_item *i) {
        const struct hb_trace_event *ev = &i->event;

        see_time(c, i->time_ns);
        if ((unsigned)ev->stream < HB_TRACE_STREAMS)
                c->s->events[ev->stream]++;
        if (ev->stream == HB_TRACE_MARK)
                see_mark(c, i);
        else if (ev->stream == HB_TRACE_DECISION)
                see_run(c, "decision", ev->decision.gfn, ev->decision.pages);
        else if (ev->stream == HB_TRACE_TRANSFER)
                see_run(c, "transfer", ev->transfer.gfn, ev->transfer.pages);
        else if (ev->stream == HB_TRACE_RESIDENT &&
                 hb_look_runs_read(ev->raw.data, ev->raw.size, &c->scratch) < 0)
                damage(c->s, "resident pages told after epoch %u lie outside the guest", c->epoch);
}

/* ---- all ---- */
static void check_index(struct hb_scan *s, const hb_trace_reader *r) {
        struct hb_trace_info info;

        hb_trace_reader_info(r, &info);
        if (s->damaged || !info.indexed)
                return; /* what is lost is told already, or there is nothing to compare with */
        if (info.epochs != s->epochs || info.records != s->records)
                damage(s, "the index tells of %llu epochs with %llu records; there are %llu with %llu",
                       (unsigned long long)info.epochs, (unsigned long long)info.records,
                       (unsigned long long)s->epochs, (unsigned long long)s->records);
        for (int i = 1; i < HB_TRACE_STREAMS; i++)
                if (info.events[i] != s->events[i])
                        damage(s, "the index tells of %llu %s events; there are %llu",
                               (unsigned long long)info.events[i],
                               hb_trace_stream_name((enum hb_trace_stream)i),
                               (unsigned long long)s->events[i]);
}

static int run(struct scan *c, hb_trace_reader *r, hb_look_tick *tick, void *arg, struct hb_err *e) {
        struct hb_trace_item item;
        struct hb_err why = {0};
        unsigned since = 0;
        uint64_t of, at;
        int rc;

        while ((rc = hb_trace_reader_next(r, &item, &why)) != 0) {
                if (rc == -EBADMSG)
                        damage(c->s, "%s", why.what);
                else if (rc < 0)
                        return hb_err_set(e, rc, why.which, why.next, "%s", why.what);
                else if (item.kind == HB_TRACE_EPOCH)
                        see_epoch(c, &item);
                else
                        see_event(c, &item);
                if (tick && ++since % TICK_ITEMS == 0) {
                        at = hb_trace_reader_at(r, &of);
                        if (tick(arg, at, of) != 0)
                                return hb_err_set(e, -ECANCELED, NULL, NULL, "stopped");
                }
        }
        return 0;
}

int hb_look_scan(hb_trace_reader *r, hb_look_tick *tick, void *arg, struct hb_scan *ret, struct hb_err *e) {
        struct scan c = {.s = ret, .pages = hb_trace_reader_header(r)->shape.pages};
        int rc = hb_fault("look.scan") ? -ENOMEM : hb_bitmap_init(&c.seen, c.pages);

        memset(ret, 0, sizeof(*ret));
        if (rc == 0)
                rc = hb_bitmap_init(&c.written, c.pages);
        if (rc == 0)
                rc = hb_bitmap_init(&c.scratch, c.pages);
        if (rc < 0) {
                hb_err_set(e, rc, NULL, NULL, "no memory for a bit for each of %llu pages",
                           (unsigned long long)c.pages);
                goto end;
        }
        hb_trace_reader_rewind(r);
        rc = run(&c, r, tick, arg, e);
        if (rc == 0) {
                check_index(ret, r);
                ret->pages = hb_bitmap_count(&c.seen);
                ret->written_pages = hb_bitmap_count(&c.written);
        }
end:
        hb_bitmap_fini(&c.seen);
        hb_bitmap_fini(&c.written);
        hb_bitmap_fini(&c.scratch);
        return rc;
}
