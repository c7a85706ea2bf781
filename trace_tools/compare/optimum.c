/* optimum: what one who knows the future could do at best, as bounds on what a policy can reach.
 *
 * *Quality*: at each moment the pages that will be accessed within the horizon, most often first, are
 * predicted, and hb_quality judges that as it judges any predictor; so precision and recall are bounded by
 * the budget K alone. *Moves*: each page is sent once, in its last version before the request, from the
 * moment that version exists, and the link never rests while there is something to send. With one deadline
 * for all pages no order delivers more of them in time; what is left over is the least that must travel
 * afterwards, whenever the guest is frozen. *Coverage*: a page can lie fresh at an epoch's begin unless it
 * was written in the epoch before (its announcement has only just come), or unless the link could not yet
 * have carried as many pages.
 *
 * Two readers of one trace, one a horizon ahead. Memory: 20 bytes a page and 8 an epoch. Any thread. */
#include "base/bitmap.h"
#include "base/clock.h"
#include "base/fault.h"
#include "compare/compare.h"
#include "place/quality.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct epochs { /* as one of the readers hears them */
        hb_trace_reader *reader;
        struct hb_trace_item item;
        uint64_t before_ns, middle_ns; /* time of the epoch before; middle of this */
        bool end;
};

struct optimum {
        const struct hb_replay_options *o;
        const char *path;
        struct epochs now, ahead;
        uint64_t pages, horizon_ns;
        double per_s;             /* pages the link carries */
        float *accesses, *writes; /* epochs of the horizon that access, write a page */
        struct hb_bitmap accessed, written;
        struct hb_bitmap changed; /* in the last epoch: written, or touched for the first time */
        uint32_t *since; /* the epoch a page's newest version is of, counted from 1; 0: never touched */
        uint64_t present;
        uint64_t *begins_ns; /* of epoch 1, 2 ...; one more than there are */
        uint32_t epochs, room;
        hb_quality *quality;
        unsigned moved; /* moments that are answered */
        double covered, touched;
        uint64_t ticked_ns;
        struct hb_replay_result r;
};

static int no_memory(const struct optimum *s, struct hb_err *e) {
        return hb_err_set(e, -ENOMEM, s->path, NULL, "out of memory");
}

/* ---- the two readers ---- */

/* The next epoch, passing over events but for what `resident` wants. 0; *p->end at the end. */
static int next_epoch(struct epochs *p, void (*resident)(struct optimum *s, const struct hb_trace_event *ev),
                      struct optimum *s, struct hb_err *e) {
        uint64_t before = p->item.kind == HB_TRACE_EPOCH ? p->item.time_ns : p->before_ns;

        for (;;) {
                int r = hb_trace_reader_next(p->reader, &p->item, e);

                if (r < 0)
                        return r;
                p->end = r == 0;
                if (p->end)
                        return 0;
                if (p->item.kind == HB_TRACE_EPOCH)
                        break;
                if (resident && p->item.kind == HB_TRACE_EVENT && p->item.event.stream == HB_TRACE_RESIDENT)
                        resident(s, &p->item.event);
        }
        p->before_ns = before;
        p->middle_ns = before + (p->item.time_ns - before) / 2;
        return 0;
}

static void count(struct optimum *s, const struct hb_trace_item *item, float by) {
        for (size_t i = 0; i < item->naccess; i++) {
                const struct hb_trace_access *a = &item->access[i];

                if (a->gfn >= s->pages)
                        continue;
                s->accesses[a->gfn] += by;
                if (a->writes)
                        s->writes[a->gfn] += by;
        }
}

/* The horizon now ends at `until`. */
static int look_ahead(struct optimum *s, uint64_t until, struct hb_err *e) {
        int r = 0;

        while (r == 0 && !s->ahead.end && s->ahead.middle_ns <= until) {
                count(s, &s->ahead.item, 1);
                r = next_epoch(&s->ahead, NULL, NULL, e);
        }
        return r;
}

/* ---- which pages there are, and since when in this version ---- */
static void appears(struct optimum *s, uint64_t gfn, uint32_t epoch) {
        s->present += s->since[gfn] == 0;
        s->since[gfn] = epoch;
}

static void on_resident(struct optimum *s, const struct hb_trace_event *ev) {
        struct hb_rd in = hb_rd_init(ev->raw.data, ev->raw.size);
        uint64_t at = 0;

        while (hb_rd_left(&in) && hb_rd_ok(&in)) {
                uint64_t gap = hb_rd_varint(&in), n = hb_rd_varint(&in);

                if (!hb_rd_ok(&in) || gap > s->pages - at || n > s->pages - at - gap)
                        return; /* the reader has checked what it must; the rest is not ours to judge */
                at += gap;
                for (uint64_t i = 0; i < n; i++, at++)
                        if (!s->since[at])
                                appears(s, at, s->epochs + 1);
        }
}

/* Accessed pages that could lie fresh here when this epoch began. */
static double could_be_fresh(const struct optimum *s, const struct hb_trace_item *item) {
        double known = 0, unknown = 0;
        double carried = (double)(s->now.before_ns - s->begins_ns[0]) / HB_NS_PER_S * s->per_s;

        for (size_t i = 0; i < item->naccess; i++) {
                uint32_t gfn = item->access[i].gfn;

                if (gfn >= s->pages)
                        continue;
                if (!s->since[gfn])
                        unknown++; /* a hole until now: zeros need no transfer */
                else if (!hb_bitmap_test(&s->changed, gfn))
                        known++;
        }
        return (known < carried ? known : carried) + unknown;
}

static void point(struct optimum *s, const struct hb_trace_item *item, double fresh, uint64_t written) {
        struct hb_replay_point p = {.epoch = item->epoch,
                                    .time_ns = item->time_ns,
                                    .accessed = item->naccess,
                                    .written = written,
                                    .resident = s->present,
                                    .coverage = item->naccess ? fresh / (double)item->naccess : NAN,
                                    .threshold = NAN,
                                    .precision = NAN,
                                    .recall = NAN};

        s->touched += (double)item->naccess;
        s->covered += fresh;
        if (s->o->on_point)
                s->o->on_point(s->o->watch_arg, &p);
}

static int take_epoch(struct optimum *s, const struct hb_trace_item *item) {
        double fresh = could_be_fresh(s, item);
        uint64_t written = 0;

        hb_bitmap_clear_all(&s->accessed);
        hb_bitmap_clear_all(&s->written);
        hb_bitmap_clear_all(&s->changed);
        for (size_t i = 0; i < item->naccess; i++) {
                const struct hb_trace_access *a = &item->access[i];

                if (a->gfn >= s->pages)
                        continue;
                hb_bitmap_set(&s->accessed, a->gfn);
                if (a->writes) {
                        hb_bitmap_set(&s->written, a->gfn);
                        written++;
                }
                if (a->writes || !s->since[a->gfn]) {
                        hb_bitmap_set(&s->changed, a->gfn);
                        appears(s, a->gfn, s->epochs + 1);
                }
        }
        if (s->epochs + 2 > s->room) {
                uint32_t room = s->room * 2;
                uint64_t *more =
                        hb_fault("compare.optimum") ? NULL : realloc(s->begins_ns, room * sizeof(*more));

                if (!more)
                        return -ENOMEM;
                s->begins_ns = more;
                s->room = room;
        }
        s->begins_ns[++s->epochs] = item->time_ns;
        point(s, item, fresh, written);
        s->r.records += item->naccess;
        return 0;
}

/* ---- moves ---- */

/* Pages that cannot have been sent by the end of the last epoch in the version they have then. */
static int backlog(struct optimum *s, uint64_t *ret) {
        uint64_t *made =
                calloc(s->epochs + 2, sizeof(*made)); /* by epoch: newest versions that began in it */
        double queue = 0, sent,
               image = s->o->image_bytes ? (double)(s->o->image_bytes / HB_PAGE_SIZE) : INFINITY;

        if (!made)
                return -ENOMEM;
        for (uint64_t p = 0; p < s->pages; p++)
                if (s->since[p])
                        made[s->since[p] <= s->epochs ? s->since[p] : s->epochs + 1]++;
        for (uint32_t i = 1; i <= s->epochs; i++) {
                double carries = (double)(s->begins_ns[i] - s->begins_ns[i - 1]) / HB_NS_PER_S * s->per_s;

                queue += (double)made[i];
                queue = queue > carries ? queue - carries : 0;
        }
        queue += (double)made[s->epochs + 1];
        free(made);
        sent = (double)s->present - queue;
        sent = sent < image ? sent : image;
        *ret = (uint64_t)ceil((double)s->present - sent - 1e-6);
        return 0;
}

/* A request is made at the end of the last epoch that ends by its moment: before the one that ends at now_ns.
 */
static int answer_moves(struct optimum *s, uint64_t now_ns) {
        int r = 0;

        while (r == 0 && s->moved < s->o->migrate_moments &&
               now_ns - s->begins_ns[0] > s->o->migrate_at_ns[s->moved]) {
                struct hb_replay_migration *m = &s->r.migrations[s->moved];
                uint64_t left;

                r = backlog(s, &left);
                if (r < 0)
                        break;
                *m = (struct hb_replay_migration){
                        .at_ns = s->o->migrate_at_ns[s->moved],
                        .predicted_downtime_s = NAN,
                        .predicted_bytes = NAN,
                        .drain_s = (double)left / s->per_s,
                        .downtime_s = s->o->latency_s,
                        .bytes_after = (uint64_t)((double)left * HB_PAGE_SIZE * s->o->wire_share),
                        .converged = true};
                s->r.nmigrations = ++s->moved;
        }
        return r;
}

/* ---- all of it ---- */
static int open_reader(struct optimum *s, struct epochs *p, struct hb_err *e) {
        int r = hb_trace_reader_open(s->path, &p->reader, e);

        if (r < 0)
                return r;
        s->pages = hb_trace_reader_header(p->reader)->shape.pages;
        return 0;
}

static int make_columns(struct optimum *s) {
        s->room = 1024;
        s->accesses = calloc(s->pages + 1, sizeof(*s->accesses));
        s->writes = calloc(s->pages + 1, sizeof(*s->writes));
        s->since = hb_fault("compare.optimum") ? NULL : calloc(s->pages + 1, sizeof(*s->since));
        s->begins_ns = calloc(s->room, sizeof(*s->begins_ns));
        if (!s->accesses || !s->writes || !s->since || !s->begins_ns ||
            hb_bitmap_init(&s->accessed, s->pages) < 0 || hb_bitmap_init(&s->written, s->pages) < 0 ||
            hb_bitmap_init(&s->changed, s->pages) < 0)
                return -ENOMEM;
        return 0;
}

/* The trace begins an epoch before the end of its first one, for us as for a replay. */
static int begin(struct optimum *s, struct hb_err *e) {
        uint64_t length = hb_trace_reader_header(s->now.reader)->epoch_ns, first;
        int r = next_epoch(&s->ahead, NULL, NULL, e);

        if (r < 0)
                return r;
        first = s->ahead.end ? 0 : s->ahead.item.time_ns;
        s->begins_ns[0] = first > length ? first - length : 0;
        s->now.before_ns = s->ahead.before_ns = s->begins_ns[0];
        s->ahead.middle_ns = s->begins_ns[0] + (first - s->begins_ns[0]) / 2;
        return 0;
}

static int prepare(struct optimum *s, struct hb_err *e) {
        struct hb_quality_options q = {.horizon_s = s->o->horizon_s, .oracle_budget = s->o->oracle_budget};
        int r = open_reader(s, &s->now, e);

        if (r == 0)
                r = open_reader(s, &s->ahead, e);
        if (r < 0)
                return r;
        s->horizon_ns = (uint64_t)(s->o->horizon_s * HB_NS_PER_S + 0.5);
        s->per_s = s->o->link_bytes_per_s / (HB_PAGE_SIZE * s->o->wire_share);
        if (make_columns(s) < 0)
                return no_memory(s, e);
        r = begin(s, e);
        if (r < 0)
                return r;
        q.begin_ns = s->begins_ns[0];
        if (hb_quality_new(s->pages, &q, &s->quality) < 0)
                return no_memory(s, e);
        hb_quality_on_moment(s->quality, s->o->on_moment, s->o->watch_arg);
        return 0;
}

static int step(struct optimum *s, struct hb_err *e) {
        const struct hb_trace_item *item = &s->now.item;
        int r;

        r = look_ahead(s, item->time_ns + s->horizon_ns, e);
        if (r < 0)
                return r;
        if (answer_moves(s, item->time_ns) < 0)
                return no_memory(s, e);
        count(s, item, -1);
        if (take_epoch(s, item) < 0)
                return no_memory(s, e);
        hb_quality_epoch(s->quality, item->time_ns, &s->accessed, &s->written);
        if (hb_quality_due(s->quality) && hb_quality_predicted(s->quality, s->accesses, s->writes) < 0)
                return no_memory(s, e);
        return 0;
}

static int wants_stop(struct optimum *s,
                      int (*tick)(void *arg, double share, const struct hb_replay_point *p), void *arg) {
        uint64_t now = tick ? hb_now_ns() : 0, at, of;

        if (!tick || now - s->ticked_ns < 100 * HB_NS_PER_MS)
                return 0;
        s->ticked_ns = now;
        at = hb_trace_reader_at(s->now.reader, &of);
        return tick(arg, of ? (double)at / (double)of : 0, NULL);
}

static int finish(struct optimum *s, struct hb_replay_result *ret, struct hb_err *e) {
        uint64_t left;

        if (answer_moves(s, UINT64_MAX) < 0 || backlog(s, &left) < 0)
                return no_memory(s, e);
        hb_quality_result(s->quality, &s->r.quality);
        s->r.epochs = s->epochs;
        s->r.seconds = (double)(s->begins_ns[s->epochs] - s->begins_ns[0]) / HB_NS_PER_S;
        s->r.coverage = s->touched > 0 ? s->covered / s->touched : NAN;
        s->r.missing = left;
        s->r.hit = s->present - left;
        s->r.bytes = s->r.hit * HB_PAGE_SIZE;
        s->r.wire_bytes = (uint64_t)((double)s->r.bytes * s->o->wire_share);
        *ret = s->r;
        return 0;
}

int hb_compare_optimum(const char *path, const struct hb_replay_options *o,
                       int (*tick)(void *arg, double share, const struct hb_replay_point *p), void *arg,
                       struct hb_replay_result *ret, struct hb_err *e) {
        struct optimum s = {.o = o, .path = path};
        int r = prepare(&s, e);

        while (r == 0) {
                r = next_epoch(&s.now, on_resident, &s, e);
                if (r < 0 || s.now.end)
                        break;
                r = step(&s, e);
                if (r == 0 && wants_stop(&s, tick, arg))
                        r = hb_err_set(e, -ECANCELED, path, NULL, "stopped");
        }
        if (r == 0)
                r = finish(&s, ret, e);
        hb_trace_reader_free(s.now.reader);
        hb_trace_reader_free(s.ahead.reader);
        hb_quality_free(s.quality);
        hb_bitmap_fini(&s.accessed);
        hb_bitmap_fini(&s.written);
        hb_bitmap_fini(&s.changed);
        free(s.accesses);
        free(s.writes);
        free(s.since);
        free(s.begins_ns);
        return r;
}
