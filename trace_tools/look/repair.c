/* repair: copies what is whole.
 *
 * The reader says where it had to leave something out and goes on behind it; here that becomes a mark in the
 * result, so that whoever uses it knows. Engine inputs are a chain: what follows a gap belongs to an engine
 * that nobody can build again, up to its next beginning. One thread. */
#include "look/pipe.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct repair {
        struct hb_look_pipe p;
        bool gap;    /* something is missing since the last item */
        bool broken; /* the engine's inputs are no chain any more */
        char why[160];
        uint64_t time_ns; /* of the last item written */
        uint32_t epoch;   /* the last written */
};

static void lost(struct repair *r, const struct hb_err *why) {
        r->gap = r->broken = true;
        if (!r->why[0])
                snprintf(r->why, sizeof(r->why), "%.159s", why->what);
        if (!r->p.r.gaps++)
                snprintf(r->p.r.lost, sizeof(r->p.r.lost), "%.159s", why->what);
}

/* Before the first item after a gap. `next`: its epoch, when it is one. */
static int mark_gap(struct repair *r, const struct hb_trace_item *i, struct hb_err *e) {
        uint64_t missing = 0;
        int rc;

        if (!r->gap)
                return 0;
        /* An event tells the last epoch before it, which may itself be lost. */
        if (i && i->epoch > r->epoch)
                missing = i->epoch - r->epoch - (i->kind == HB_TRACE_EPOCH);
        r->p.r.missing_epochs += missing;
        rc = hb_look_pipe_mark(&r->p, r->time_ns, HB_MARK_REPAIRED, missing, r->why, e);
        r->gap = false;
        r->why[0] = '\0';
        return rc;
}

static bool means_nothing(struct repair *r, const struct hb_trace_event *ev) {
        if (ev->stream == HB_TRACE_MARK && ev->mark.kind == HB_MARK_ENGINE)
                r->broken = false;
        return r->broken && (ev->stream == HB_TRACE_INPUT ||
                             (ev->stream == HB_TRACE_MARK && ev->mark.kind == HB_MARK_DIGEST));
}

static int take(struct repair *r, const struct hb_trace_item *i, struct hb_err *e) {
        int rc = mark_gap(r, i, e);

        if (rc < 0)
                return rc;
        r->time_ns = i->time_ns;
        if (i->kind == HB_TRACE_EPOCH) {
                r->epoch = i->epoch;
                return hb_look_pipe_epoch(&r->p, i->epoch, i->time_ns, i->access, i->naccess, e);
        }
        if (!means_nothing(r, &i->event))
                return hb_look_pipe_event(&r->p, &i->event, e);
        r->p.r.left_out++;
        return 0;
}

static int run(struct repair *r, hb_trace_reader *in, struct hb_err *e) {
        struct hb_err damage = {0};
        struct hb_trace_item item;
        int rc;

        while ((rc = hb_trace_reader_next(in, &item, &damage)) != 0) {
                if (rc == -EBADMSG)
                        lost(r, &damage);
                else if (rc < 0)
                        return hb_err_set(e, rc, damage.which, damage.next, "%s", damage.what);
                rc = rc > 0 ? take(r, &item, e) : 0;
                if (rc == 0)
                        rc = hb_look_pipe_tick(&r->p, in, e);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

/* What the end of a file without its end mark means. */
static int finish(struct repair *r, const hb_trace_reader *in, struct hb_err *e) {
        struct hb_trace_info info;
        struct hb_err cut = {.what = "the file ended here without its end"};

        hb_trace_reader_info(in, &info);
        if (!info.indexed)
                lost(r, &cut);
        return mark_gap(r, NULL, e);
}

int hb_look_repair(const char *in, const struct hb_look_output *o, struct hb_look_result *ret,
                   struct hb_err *e) {
        struct repair r = {0};
        hb_trace_reader *reader = NULL;
        int rc;

        hb_look_pipe_init(&r.p, o);
        rc = hb_look_pipe_open(&r.p, in, &reader, e);
        if (rc == 0)
                rc = hb_look_pipe_begin(&r.p, hb_trace_reader_header(reader), e);
        if (rc == 0)
                rc = run(&r, reader, e);
        if (rc == 0)
                rc = finish(&r, reader, e);
        rc = hb_look_pipe_end(&r.p, rc, ret, e);
        hb_trace_reader_free(reader);
        return rc;
}
